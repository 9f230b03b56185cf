/* A simulated cluster: the real core, lease and frames on simulated network, disks and clocks.
 *
 * Everything follows from the seed. An oracle watches all the time: equal applied prefixes, one holder of the lease, no
 * acknowledged command lost or replaced, no stale read, one leader in a term, nothing said that is not on the disk.
 * What it finds is kept in sim->failure (the first only), and the simulation stands still from then on. Times are
 * microseconds; "true" time is the simulator's, members have clocks of their own.
 */
#ifndef HECATE_TESTS_SIMULATION_SIM_H
#define HECATE_TESTS_SIMULATION_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consensus/core.h"
#include "consensus/core_test.h"
#include "consensus/wire.h"
#include "store/base/buf.h"

#define SIM_MEMBERS_MAX 5
#define SIM_MS UINT64_C(1000)
#define SIM_S UINT64_C(1000000)
#define SIM_DROP UINT64_MAX
#define SIM_TERMS 4096
#define SIM_TERMS_OF_STRANGERS 1000 /* so far above ours are the terms that they speak of */
#define SIM_LOGS 8192               /* indexes whose commands are remembered to recognise acknowledgements */

struct sim;

/* What another layer on top may do; all may be NULL. member is 0..n-1. */
struct sim_hooks {
    void *user;
    struct sim **sim;                           /* set before anything is called */
    void (*started)(void *user, size_t member); /* a new process: its state is empty, restore or apply follow */
    void (*stopped)(void *user, size_t member); /* crashed: its memory is gone */
    void (*apply)(void *user, size_t member, uint64_t index, uint64_t term, const uint8_t *data, size_t len);
    void *(*snapshot)(void *user, size_t member); /* a handle */
    void (*encode)(void *user, void *handle, struct buf *buf);
    void (*snapshot_free)(void *user, void *handle);
    int (*restore)(void *user, size_t member, uint64_t index, const uint8_t *data, size_t len);
    void (*step)(void *user, size_t member); /* after each event of a member */
    /* A frame is about to travel: extra delay, or SIM_DROP. */
    uint64_t (*frame)(void *user, size_t from, size_t to, const struct wire *wire);
};

struct sim_config {
    uint64_t seed;
    size_t n_members; /* 3 */
    size_t n_initial; /* so many form the cluster, the others wait to be added; 0: all of them */
    uint32_t election_timeout_ms, lease_ms, heartbeat_ms;    /* 300, 150, 50 */
    uint32_t snapshot_threshold, trailing, inflight, window; /* 1000000, 64, 48, 32 */
    uint32_t apply_max;                                      /* entries applied after one event; 0: all */
    size_t snapshot_bytes;                                   /* size of the state; 100 */
    uint64_t inflight_bytes, window_bytes, frame_bytes;      /* 0: the core's */
    uint64_t trailing_bytes, snapshot_due_bytes;             /* the same */
    int32_t drift_ppm;                                       /* clocks run fast or slow by up to this */
    bool drift_worst;                                        /* member 1 slowest, the others fastest */
    uint64_t latency_min_us, latency_max_us;                 /* 200, 1500 */
    uint64_t disk_min_us, disk_max_us;                       /* 300, 3000 */
    uint64_t client_every_us;                                /* 0: nobody submits */
    bool members_may_fail;                                   /* a member that ends itself is no failure */
    uint64_t keeper_us; /* what lives by the lease lets go so much after it was told, at its deadline at the latest */
    struct sim_hooks hooks;
};

/* ---- inside ---- */

struct sim_entry {
    uint8_t *flat;
    size_t len;
};

struct sim_disk {
    enum core_disk_state state;
    struct id cluster_id;
    uint64_t term, vote;
    uint64_t snap_index, snap_term, conf_index;
    uint8_t *conf, *snap;
    size_t conf_len, snap_len;
    uint64_t first;
    struct sim_entry *entries;
    size_t n, cap;
    struct disk_op *log_queue, *log_tail, *snap_queue;
    bool log_busy, snap_busy;
    size_t log_writing; /* operations of the queue in the write under way */
};

struct sim_pending {
    uint64_t index, term, number;
};

struct sim_member {
    struct sim *sim;
    size_t at;
    uint64_t id;
    struct core *core;
    unsigned life; /* events of an earlier life are void */
    bool up, failed;
    char *failed_text;
    uint64_t frozen_until;
    int64_t ppm;
    uint64_t clock_offset;
    bool in_file[SIM_MEMBERS_MAX]; /* whom its configuration file names; itself in any case */
    uint64_t poll_seq;
    struct sim_disk disk;
    unsigned disk_slow; /* its writes take so many times as long; 0 and 1: as usual */
    /* the state machine of the oracle */
    uint64_t applied, hash;
    uint32_t n_applied, most_applied;     /* after this event; after any */
    struct sim_pending pending[SIM_LOGS]; /* by index modulo SIM_LOGS */
    uint64_t held_until;                  /* true time until which what the lease guards is held */
    bool was_leader;
};

struct sim_link {
    bool connected, cut;
    unsigned generation;
    uint64_t last_at; /* frames arrive in order */
};

struct sim_event;
struct sim_term {
    uint64_t term, leader; /* member id */
};
struct sim_faults {
    unsigned crashes, restarts, cuts, freezes, closes, transfers, slow, losses, wipes, changes;
};

struct sim {
    struct sim_config config;
    uint64_t now, random, seq;
    struct sim_event **heap;
    size_t n_events, cap_events;
    struct sim_member members[SIM_MEMBERS_MAX];
    struct sim_link links[SIM_MEMBERS_MAX][SIM_MEMBERS_MAX];
    unsigned loss_percent, slow_network, slow_disk;
    bool client_on;
    uint64_t *hashes; /* of the applied prefix, by index */
    size_t n_hashes;
    uint64_t acked_index, acked, submitted, elections;
    struct sim_term terms[SIM_TERMS]; /* by term modulo SIM_TERMS */
    struct sim_faults faults;
    uint64_t intrusions; /* frames that nobody should believe */
    char failure[512];
};

/* ---- to be used by tests ---- */

struct sim *sim_new(const struct sim_config *config); /* members on empty disks, all up */
void sim_free(struct sim *sim);
void sim_fail(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t sim_random(struct sim *sim, uint64_t below);
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high);

/* Runs for a while, or until the condition holds (checked after each event). False: time is over, or a failure. */
void sim_run(struct sim *sim, uint64_t for_us);
bool sim_run_until(struct sim *sim, uint64_t at_most_us, bool (*condition)(struct sim *sim, void *user), void *user);
bool sim_wait_serving(struct sim *sim, uint64_t at_most_us, size_t *ret_member);
bool sim_wait_equal(struct sim *sim, uint64_t at_most_us); /* a leader serves, all have applied all */
int sim_leader(struct sim *sim);                           /* the one that serves; -1: none */
struct core_status sim_status(struct sim *sim, size_t member);
extern const char *const sim_addresses[SIM_MEMBERS_MAX];
/* What a member knows of another one; NULL: nothing. */
const struct core_peer_status *sim_peer(const struct sim *sim, const struct core_status *status, size_t other);
uint64_t sim_submit(struct sim *sim, size_t member, size_t n);                      /* first index, 0: refused */
uint64_t sim_propose(struct sim *sim, size_t member, const void *data, size_t len); /* one command; index, 0: refused */
void sim_print(struct sim *sim); /* a line for each member, to look for the cause */
/* Calls fn at a time from now. */
void sim_at(struct sim *sim, uint64_t in_us, void (*fn)(struct sim *sim, void *user), void *user);

void sim_crash(struct sim *sim, size_t member);
void sim_restart(struct sim *sim, size_t member);
void sim_wipe(struct sim *sim, size_t member);             /* its disk; it must be down */
void sim_forget(struct sim *sim, size_t member, size_t n); /* the last n entries of its disk; it must be down */
void sim_freeze(struct sim *sim, size_t member, uint64_t for_us);
void sim_cut(struct sim *sim, size_t from, size_t to, bool cut);
void sim_isolate(struct sim *sim, size_t member, bool cut); /* both ways, all others */
void sim_close(struct sim *sim, size_t from, size_t to);    /* the connection ends; it is made again */
int sim_transfer(struct sim *sim, size_t member, size_t target);
int sim_change(struct sim *sim, size_t member, const struct core_change *change);
int sim_assign(struct sim *sim, size_t member, size_t target, enum core_voting voting);
void sim_heal(struct sim *sim); /* everything that hampers ends; the dead come back */
/* One random fault; what is chosen depends on the seed alone. */
void sim_random_fault(struct sim *sim);
/* Somebody who should not be heard says all that could do harm to a random member: one with a certificate that is no
 * member's, one that was removed, and a member that says what no member can. Fails when anything changes. */
void sim_intrude(struct sim *sim);

/* Between the parts. */
void sim_touched(struct sim *sim, size_t member); /* after an input: poll, oracle */
uint64_t sim_clock(const struct sim_member *member);
uint64_t sim_true_time(const struct sim_member *member, uint64_t clock);
void sim_net_send(struct sim *sim, size_t from, size_t to, uint8_t *frame, size_t len);
void sim_net_up(struct sim *sim, size_t member);
void sim_net_down(struct sim *sim, size_t member);
void sim_net_reset(struct sim *sim, size_t member); /* its outgoing connections end */
void sim_disk_put(struct sim_member *member, struct disk_op *op);
void sim_disk_crash(struct sim_member *member);
void sim_disk_wipe(struct sim_member *member);
void sim_disk_forget(struct sim_member *member, size_t n);
/* What a frame says must rest on what is on the disk. */
void sim_check_frame(struct sim_member *member, const struct wire *wire);
void sim_disk_image(const struct sim_member *member, struct disk_image *ret_image);
void sim_disk_done(struct sim_member *member, bool snapshot);
void sim_handle_free(struct sim *sim, void *handle);
void *sim_decode(uint64_t index, const uint8_t *data, size_t len); /* a snapshot of the leader; NULL: it is none */
void sim_state_free(void *state);
void sim_encode(struct sim *sim, void *handle, uint8_t **ret_data, size_t *ret_len);
void sim_member_start(struct sim_member *member);
void sim_member_stop(struct sim_member *member);
void sim_oracle(struct sim_member *member);

enum sim_kind { SIM_POLL, SIM_FRAME, SIM_CLOSED, SIM_CONNECT, SIM_CONNECTED, SIM_DISCONNECTED, SIM_DISK, SIM_CALL };
struct sim_event {
    uint64_t at, seq;
    enum sim_kind kind;
    size_t member, other;
    unsigned life;
    uint64_t number; /* POLL: its sequence; DISK: the queue */
    uint8_t *frame;
    size_t len;
    void (*fn)(struct sim *sim, void *user);
    void *user;
};
struct sim_event *sim_post(struct sim *sim, uint64_t at, enum sim_kind kind, size_t member);

/* Runs fn in a child process with a part of the core left out; true: the fault showed (fn returned false, an assertion
 * or a sanitizer ended the child). Output of the child is dropped. */
bool sim_breaks_without(enum core_part part, bool (*fn)(uint64_t seed), uint64_t seed);
/* How many of n seeds break. */
unsigned sim_count_breaks(enum core_part part, bool (*fn)(uint64_t seed), uint64_t first_seed, unsigned n);
/* HECATE_SEED, or the default. */
uint64_t sim_seed(uint64_t otherwise);
unsigned sim_seeds(unsigned otherwise); /* HECATE_SIM_SEEDS */

#endif

/* The pure core of consensus: raft_step, the lease, the order of actions, forming, snapshot transfer.
 *
 * No libuv, clock, file, thread or randomness: everything comes through struct core_env, so that the same code runs in
 * production and in simulation. It is not reentrant: env functions must not call back into the core.
 */
#ifndef HECATE_CONSENSUS_CORE_H
#define HECATE_CONSENSUS_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consensus/lease.h"
#include "store/base/err.h"
#include "store/base/id.h"

#define CORE_PEERS_MAX 9
#define CORE_WINDOW_MAX 256
#define CORE_ADDRESS_MAX 700 /* characters: host and port, what the owner notes beside them, what the core does */
#define CORE_KEY_LEN 64      /* of a member's key in its address: hex digits of its digest */
#define CORE_ENTRY_MAX ((size_t)1 << 20) /* bytes of a command; no follower takes more */
#define CORE_SNAPSHOT_HEAD 4096          /* bytes by which the owner judges a snapshot that begins to come */
#define CORE_FRAME_BYTES ((uint64_t)1 << 20)
#define CORE_INFLIGHT_BYTES ((uint64_t)4 << 20)
#define CORE_WINDOW_BYTES ((uint64_t)8 << 20)
#define CORE_TRAILING_BYTES ((uint64_t)16 << 20)
#define CORE_SNAPSHOT_BYTES ((uint64_t)16 << 20)
/* In a configuration a member's address begins with what the leader is to make of it, if it is not that yet. */
#define CORE_GOAL_VOTER '+'
#define CORE_GOAL_STANDBY '~'

/* What is on the disk, decided by forming (core_form.c). Stored: never renumber. */
enum core_disk_state {
    CORE_EMPTY = 0,   /* nothing, or never used: takes no part in raft */
    CORE_FORMING = 1, /* agreed to be part of cluster_id; takes no part in raft yet */
    CORE_FORMED = 2,
    CORE_JOINED = 3,  /* as FORMED, but by admission to a cluster that was there: its log comes from the leader alone */
    CORE_JOINING = 4, /* admitted, but its log still tells of the time before that: neither votes nor campaigns */
};

enum disk_kind {
    /* One queue, done in order, answered in order: */
    DISK_STATE,  /* forming: cluster_id, disk_state; FORMED comes with an APPEND of entry 1 after it */
    DISK_META,   /* term and vote, in one write */
    DISK_APPEND, /* entries first..first+n-1 in flat; first <= last on disk means: cut from first on, then append */
    /* A second queue, beside the first. What counts of these becomes so in the first one, behind what is there then: */
    DISK_INSTALL,  /* a snapshot from the leader, with its state, replaces log and snapshot */
    DISK_DECODE,   /* data is such a snapshot: state is filled, or refused and message; nothing is written */
    DISK_SNAP_PUT, /* our own snapshot: handle, to be encoded and freed off the loop; or refused and message */
    DISK_SNAP_GET, /* read the snapshot on disk: data is filled */
    DISK_FREE,     /* what takes long to be freed; never answered */
};

struct disk_op {
    enum disk_kind kind;
    int status; /* answer: 0, or negative: the member must end; message says why */
    char *message;
    struct id cluster_id;
    enum core_disk_state disk_state;
    uint64_t term, vote;
    uint64_t first, n;
    uint8_t *flat;
    size_t flat_len;
    uint64_t valid_last; /* core: how far the entries of this append are still in the log; first - 1: none */
    uint64_t index, index_term, conf_index; /* snapshot */
    uint64_t keep_from;                     /* entries from here on stay after the snapshot */
    uint8_t *conf;
    size_t conf_len;
    uint8_t *data; /* DECODE, INSTALL, and the answer of SNAP_GET */
    size_t data_len;
    void *handle; /* SNAP_PUT: given to env.snapshot's owner for encoding; INSTALL: the state it replaces, NULL none */
    bool kept;    /* INSTALL: that was written aside */
    void *state;  /* DECODE, INSTALL: the snapshot decoded, for env.adopt; FREE: what env.adopt returned */
    /* DECODE: 0, or why there is no state; E_UNSUPPORTED: it is of a later release. SNAP_PUT: the same of what was
     * encoded; then it does not count. */
    int refused;
    struct disk_op *next;
};
void disk_op_free(struct disk_op *op); /* frees what it owns, except handle and state */

/* What the disk holds at start. The core takes what it needs, the caller frees it with disk_image_fini. */
struct disk_image {
    enum core_disk_state disk_state;
    struct id cluster_id;
    uint64_t term, vote;
    uint64_t snap_index, snap_term, conf_index; /* 0: no snapshot */
    uint8_t *conf, *snap;
    size_t conf_len, snap_len;
    uint64_t first; /* index of the first entry in flat */
    uint8_t *flat;
    size_t flat_len;
};
void disk_image_fini(struct disk_image *image);

struct core_env {
    void *user;
    uint64_t (*now)(void *user); /* microseconds, CLOCK_BOOTTIME, read anew */
    /* Takes the frame (malloc'ed); may lose it. */
    void (*send)(void *user, uint64_t peer, uint8_t *frame, size_t len);
    /* Takes the operation until it gives it back by core_done; never answers from within. */
    void (*disk)(void *user, struct disk_op *op);
    /* Whether the owner can apply a command: 0; E_UNSUPPORTED: not in this release; anything else: in none. Pure, fast.
     * No other command gets into the log. */
    int (*judge)(void *user, const uint8_t *data, size_t len, struct err *reterr);
    /* The same of a snapshot at index that a leader sends, by its first CORE_SNAPSHOT_HEAD bytes: no more of it is
     * taken before. */
    int (*judge_head)(void *user, uint64_t index, const uint8_t *head, size_t len, uint64_t size_bytes,
                      struct err *reterr);
    void (*apply)(void *user, uint64_t index, uint64_t term, const uint8_t *data, size_t len);
    /* Asked before each committed entry is applied. false: that and all behind it wait for a later input, and core_poll
     * wants to be called soon. NULL: nothing waits. */
    bool (*may_apply)(void *user);
    void *(*snapshot)(void *user); /* a handle for DISK_SNAP_PUT */
    void (*snapshot_free)(void *user, void *handle);
    void (*state_free)(void *user, void *state);
    int (*restore)(void *user, uint64_t index, const uint8_t *data,
                   size_t len); /* at start; 0, or the member must end */
    /* A snapshot that was decoded off the loop becomes the state. Returns the old one, for DISK_FREE. */
    void *(*adopt)(void *user, uint64_t index, void *state);
    void (*changed)(void *user); /* role, term, leader, serving */
    /* We led, heard no majority and gave up: the outgoing connections are to be ended. Those who still hear us (a link
     * can be cut one way) need not wait for our silence then: core_closed. */
    void (*resigned)(void *user);
    void (*members)(void *user);                  /* who is to be connected to has changed: status.peers */
    void (*failed)(void *user, const char *text); /* nothing of the core may be used afterwards, but core_free */
};

struct core_peer {
    uint64_t id;
    const char *address; /* the owner's; must not begin with CORE_GOAL_VOTER or CORE_GOAL_STANDBY */
};

struct core_config {
    uint64_t id;
    /* All initial members, ascending by id, this one included. Who belongs to the cluster later says its log. */
    struct core_peer peers[CORE_PEERS_MAX];
    size_t n_peers;
    uint32_t election_timeout_ms, lease_ms, heartbeat_ms;
    uint32_t slot_ms;            /* early election: distance between survivors, 25 */
    uint32_t snapshot_threshold; /* entries */
    uint32_t trailing;           /* entries kept after a snapshot; more than inflight */
    uint32_t inflight;           /* entries on their way to one follower */
    uint32_t window;             /* entries submitted and not yet applied; at most CORE_WINDOW_MAX */
    /* The same bounds in bytes, whichever is reached first, and that of one frame; a single entry always passes. 0:
     * CORE_..._BYTES. */
    uint64_t inflight_bytes, window_bytes, frame_bytes;
    /* Trailing: more than inflight. A snapshot is due when the log behind the last one has as many bytes as this, or as
     * that snapshot; when it has four times as many, nothing is submitted until one is taken. */
    uint64_t trailing_bytes, snapshot_bytes;
    bool lease_kept;          /* something outside (the address) lives by the lease and confirms when it has let go */
    uint64_t seed;            /* real randomness */
    struct id new_cluster_id; /* of the cluster that this member founds, if it does: random, but grows with time */
};

enum core_role { CORE_FOLLOWER, CORE_CANDIDATE, CORE_LEADER };

enum core_voting {
    CORE_SPARE,   /* gets nothing */
    CORE_STANDBY, /* gets the log, does not vote */
    CORE_VOTER,
};

struct core_peer_status {
    uint64_t id;
    const char *address; /* borrowed until the next call of the core */
    bool member;         /* in the newest configuration; false: it was one, or is to be one */
    bool speaks;         /* what it says counts */
    bool heard;
    uint64_t last_heard_us;        /* clock */
    uint64_t match_index;          /* leader only */
    enum core_voting voting, goal; /* in the newest configuration */
};

/* What a member sent and this one cannot take: nothing of it is in the log. */
struct core_refusal {
    uint64_t by;    /* who sent it last; 0: nobody yet */
    uint64_t index; /* its place in the log */
    uint64_t at_us; /* clock */
    bool later;     /* it looks like that of a later release; otherwise no release would send it */
    char text[256]; /* what is wrong with it */
};

struct core_status {
    enum core_disk_state disk_state;
    struct id cluster_id;
    enum core_role role;
    uint64_t term, leader_id, commit_index, applied_index, last_index, snapshot_index;
    uint64_t lease_until_us;
    bool serving;
    bool transferring;   /* leader: ordered or about to be, the lease is given up */
    bool lease_given_up; /* with lease_kept: no lease any more, and core_lease_released is waited for */
    bool changing;       /* a change of members is not committed yet */
    bool members_known;  /* there is a configuration in the log */
    bool keys_known;     /* and as far as we know it is the newest: the keys in it are those of the members */
    struct core_refusal refusal;
    uint64_t doubt_by; /* a member says that our log ends before what we have acknowledged: we take no part; 0: none */
    size_t n_peers;
    struct core_peer_status peers[CORE_PEERS_MAX]; /* this member included */
};

struct core;

/* The config is copied (addresses too). Calls restore for a snapshot in the image. Never returns NULL. */
struct core *core_new(const struct core_config *config, const struct core_env *env, const struct disk_image *image);
void core_free(struct core *core); /* disk operations in flight must have come back, or never come */

/* A frame from an authenticated peer. false: damaged or against the protocol: close the connection. */
bool core_recv(struct core *core, uint64_t peer, const uint8_t *frame, size_t len);
void core_connected(struct core *core, uint64_t peer);    /* frames can be sent: greets it */
void core_disconnected(struct core *core, uint64_t peer); /* frames can no longer be sent */
void core_closed(struct core *core, uint64_t peer);    /* its incoming connection ended: an early election may follow */
void core_done(struct core *core, struct disk_op *op); /* a disk operation ended; the core frees it */
/* Does what is due; returns the next deadline (microseconds). */
uint64_t core_poll(struct core *core);

/* How many commands may be submitted now (0: not the leader, a transfer is pending, or the window is full), and how
 * many bytes they may have; the first one may have more. */
size_t core_window(struct core *core, uint64_t *ret_bytes);
/* Submits n <= core_window() commands of at most CORE_ENTRY_MAX bytes as one event. Returns the index of the first one
 * (they follow each other), or 0: nothing was submitted. */
uint64_t core_submit(struct core *core, const void *const *data, const uint32_t *lens, size_t n);
bool core_serving(struct core *core);
int core_transfer(struct core *core, uint64_t target); /* 0 target: the most advanced; 0 or -1: not possible now */
/* What lived by the lease has let go (config.lease_kept; after status.lease_given_up). */
void core_lease_released(struct core *core);
/* Changes of members, one at a time. */
enum core_change_kind {
    CORE_ADD,     /* a member with an empty disk, as spare; the leader makes it what goal says once it can */
    CORE_REMOVE,  /* any but the leader */
    CORE_ASSIGN,  /* what it is, at once: voting */
    CORE_AIM,     /* what the leader is to make of it: goal */
    CORE_ADDRESS, /* where it is: address; its key stays */
    CORE_KEY,     /* key */
};
struct core_change {
    enum core_change_kind kind;
    uint64_t id;
    enum core_voting voting, goal;
    const char *address; /* without a key */
    const char *key;     /* "" none */
};
/* 0: submitted, committed when status.changing ends in the same term. -1 with the reason in ret_reason: not the leader,
 * another change or a transfer is open, a voter lags, the member lags too far behind to vote, fewer than two voters
 * would be left, or it makes no sense. *ret_passing: it may succeed a moment later. */
int core_change(struct core *core, const struct core_change *change, const char **ret_reason, bool *ret_passing);
int core_assign(struct core *core, uint64_t id, enum core_voting voting, const char **ret_reason);
void core_get_status(struct core *core, struct core_status *ret_status);
/* It may stand in a configuration: up to three words with one blank between them (place, note, key), of printable
 * ASCII, at most CORE_ADDRESS_MAX, not beginning with a goal; the key as CORE_KEY_LEN lower-case hex digits. */
bool core_address_valid(const char *address);
const char *core_address_key(const char *address); /* "" none */

#endif

/* Consensus: a replicated log of opaque commands, on libuv. The public header of the folder.
 *
 * One member runs one `struct cons`. Commands proposed on the leader are committed by a majority, on disk, and applied
 * in the same order on every member. The leader serves only while it holds its lease (design.md 5).
 * All functions and callbacks run on the loop thread.
 */
#ifndef HECATE_CONSENSUS_CONSENSUS_H
#define HECATE_CONSENSUS_CONSENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "store/base/err.h"
#include "store/base/id.h"

#define CONS_MEMBERS_MAX 9
#define CONS_TELL_MAX 4096
#define CONS_COMMAND_MAX ((size_t)1 << 20) /* bytes of a command */
#define CONS_SNAPSHOT_HEAD 4096
#define CONS_TEXT_MAX 256 /* of an address, of a note */
#define CONS_KEY_SIZE 65  /* SHA-256 of a public key (SubjectPublicKeyInfo), in hex digits, and NUL */

struct cons_peer {
    uint64_t id;         /* member id, 1..2^63 */
    const char *address; /* peer address "host:port" */
    const char *note;    /* of the owner's, kept beside it (its REST address); no blanks; NULL: none */
    const char *key;     /* the digest of its certificate's public key; NULL or "": any of the authority counts */
};

struct cons_config {
    uint64_t member_id;
    const char *data_dir; /* must exist, private to this member */
    const char *listen;   /* "host:port" the peer protocol listens on */
    /* All initial members, this one included; for one that is added later, the members that there are, and itself. Once
     * there is a log, it says who the members are. */
    const struct cons_peer *peers;
    size_t n_peers;
    const char *tls_ca_file, *tls_cert_file, *tls_key_file; /* all NULL: plain, allowed by tls_off only */
    bool tls_off;                                         /* explicit; refused unless every peer address is loopback */
    uint32_t election_timeout_ms, lease_ms, heartbeat_ms; /* 300, 150, 50 */
    bool trust_new_keys; /* a certificate of the authority with a member's number is enough: keys are not compared */
    bool lease_kept;     /* the owner holds something (an address) by the lease: see events.lease */
    uint32_t snapshot_threshold; /* entries between snapshots, e.g. 4096 (staggered by member) */
};

/* The state machine behind the log. `user` is passed first. apply is called in order, once per index since the last
 * restore. The result pointer is handed to the proposer's callback on the leader, and is valid during that call. */
struct cons_fsm {
    void *user;
    /* Whether apply can take this command, judged before it gets into the log: 0; E_UNSUPPORTED: not in this release;
     * anything else: in none. Pure: it sees the bytes alone. Fast: on the loop, for a MiB at once. */
    int (*judge)(const void *data, size_t len, struct err *reterr);
    /* Applies one command, returns a result that lives until the next call of apply. */
    const void *(*apply)(void *user, uint64_t index, const void *data, size_t len);
    /* Takes a snapshot handle: cheap, on the loop. encode then runs in a thread and must touch only the handle; it
     * returns malloc'ed bytes. free: in any thread. */
    void *(*snapshot_take)(void *user);
    void (*snapshot_encode)(void *handle, uint8_t **ret_data, size_t *ret_len);
    /* Whether what was encoded can be read again as a state after the entries up to index, in that thread. It takes no
     * second state's memory. An error: the snapshot is not kept, and the log stays. */
    int (*snapshot_check)(uint64_t index, const uint8_t *data, size_t len, struct err *reterr);
    void (*snapshot_free)(void *handle);
    /* Whether bytes can be those of a state after the entries up to index, by the first CONS_SNAPSHOT_HEAD of them
     * (all, if there are fewer): judged before more of what a leader sends is taken. Pure, fast. 0; E_UNSUPPORTED: of a
     * later release; anything else: nobody writes such. */
    int (*snapshot_judge)(uint64_t index, const uint8_t *head, size_t len, uint64_t size_bytes, struct err *reterr);
    /* A state from a snapshot's bytes, in a thread (on the loop at start): must touch nothing else. It is that after
     * the entries up to index; one that has applied more is damaged. An error: what a leader sent is dropped,
     * E_UNSUPPORTED is that of a later release; at start the member ends. free: in any thread. */
    int (*state_decode)(uint64_t index, const uint8_t *data, size_t len, void **ret_state, struct err *reterr);
    void (*state_free)(void *state);
    /* Replaces the state by a decoded one: cheap, on the loop. Returns the old one, for state_free; may be NULL. */
    void *(*state_adopt)(void *user, void *state);
};

enum cons_role { CONS_FOLLOWER, CONS_CANDIDATE, CONS_LEADER };

struct cons_events {
    void *user;
    /* Role, term or leader changed, or serving (lease held and barrier applied) began or ended. Read cons_status. */
    void (*changed)(void *user);
    /* With config.lease_kept: until when (microseconds of CLOCK_BOOTTIME) this member serves for certain; 0: no longer.
     * What lives by it must have gone by then, or when cons_lease_released is called. */
    void (*lease)(void *user, uint64_t until_us);
    /* Another member of this cluster told something (cons_tell); valid during the call. */
    void (*told)(void *user, uint64_t member_id, const void *data, size_t len);
    /* The member cannot go on (storage error, damaged data, broken rule). message names file and remedy. The owner
     * logs it and exits; nothing more is sent or acknowledged after this call. */
    void (*failed)(void *user, const char *message);
};

enum cons_standing {
    CONS_NONE,    /* only configured */
    CONS_SPARE,   /* added, not seen yet */
    CONS_STANDBY, /* gets the log */
    CONS_VOTER,
};

/* Why there is no connection to a member, for people. */
struct cons_trouble {
    char word[24]; /* "" none; "refused", "timeout", "unreachable", "ended", "wrong-member" or a cause of TLS (tls.h) */
    char text[320];   /* names the member, its address and the reason */
    char remedy[512]; /* names the file where one is to be changed */
    bool tls;         /* a certificate or the configuration must be changed; otherwise it may pass */
};

struct cons_member_status {
    uint64_t id;
    char address[CONS_TEXT_MAX], note[CONS_TEXT_MAX];
    bool connected;
    struct cons_trouble trouble; /* while not connected; or somebody else has shown a certificate in its name */
    char key[CONS_KEY_SIZE];     /* as in cons_peer; "" none yet */
    char shown[CONS_KEY_SIZE];   /* with which both its connections were authenticated, or what has followed that key;
                                    its own: of the certificate that is used; "" none */
    enum cons_standing standing, goal; /* goal NONE: it is what it is to be */
    uint64_t match_index;              /* leader only: acknowledged by that member */
    uint64_t last_contact_ms;          /* since something was heard from it; UINT64_MAX never */
};

/* What another member sent and this one cannot take: nothing of it is in the log, and this member goes on. */
struct cons_refusal {
    uint64_t by;    /* that member; 0: nothing was sent */
    uint64_t index; /* its place in the log */
    uint64_t ago_ms;
    bool later;     /* it looks like that of a later release; otherwise no release would send it */
    char text[256]; /* what is wrong with it */
};

struct cons_status {
    enum cons_role role;
    uint64_t term, leader_id; /* leader_id 0: none known */
    uint64_t commit_index, applied_index, last_index, snapshot_index;
    int64_t lease_left_us; /* leader: may be negative */
    bool serving;
    bool transferring; /* leader: handing over; false again with the role unchanged: that has failed */
    bool formed;       /* a cluster exists on this disk */
    bool keys_known;   /* the keys of the members are compared */
    bool changing;     /* a change of members is not committed yet */
    struct cons_refusal refusal;
    struct id cluster_id; /* greater than that of any cluster formed before it, by the clock of its founder */
    size_t n_members;
    struct cons_member_status members[CONS_MEMBERS_MAX];
};

struct cons;

/* Creates the member, loads its disk (synchronously) and calls restore and apply for what it has. On failure (damaged
 * disk, bad configuration, address in use) nothing is left running and *reterr says which file and what to do. */
int cons_start(uv_loop_t *loop, const struct cons_config *config, const struct cons_fsm *fsm,
               const struct cons_events *events, struct cons **ret_cons, struct err *reterr);
/* Closes sockets, stops threads after the writes in flight, then calls closed_cb from the loop and frees. */
void cons_close(struct cons *c, void (*closed_cb)(void *user), void *user);

/* status 0: applied at index, result is what apply returned. E_UNKNOWN_OUTCOME: leadership was lost, the command may
 * still be applied. E_NOT_LEADER, E_BUSY: it was never proposed. */
typedef void (*cons_propose_cb)(void *user, int status, uint64_t index, const void *result);
/* Copies data. Returns 0 and calls cb exactly once later (never from within); E_NOT_LEADER, E_BUSY (too many commands
 * or too many bytes wait, try again later), E_INVALID (empty, more than CONS_COMMAND_MAX bytes, or refused by
 * fsm.judge, which is logged): cb is never called. */
int cons_propose(struct cons *c, const void *data, size_t len, cons_propose_cb cb, void *user);

/* Tells all connected members something of the owner's: up to CONS_TELL_MAX bytes, not part of the log, may be lost.
 * Nothing before the cluster has formed. */
void cons_tell(struct cons *c, const void *data, size_t len);

/* Leader of a term whose barrier is applied, holding a lease right now (reads the clock). To be asked before each
 * answer and before each step. */
bool cons_serving(struct cons *c);
/* What lived by the lease has let go, after events.lease with 0: a successor need not wait for its end. */
void cons_lease_released(struct cons *c);
void cons_get_status(struct cons *c, struct cons_status *ret_status);
/* Changes who the members are; asked of the leader, one at a time. */
enum cons_change_kind {
    CONS_ADD,    /* with an empty disk; becomes what goal says by itself, when it is there and has caught up */
    CONS_REMOVE, /* any but the leader */
    CONS_AIM,    /* makes another of a spare or standby: goal */
    CONS_MOVE,   /* to another address, with another note */
    CONS_KEY,    /* key: set, or "" cleared; also while members are away */
};
struct cons_change {
    enum cons_change_kind kind;
    struct cons_peer peer; /* address and note: ADD, MOVE; key: KEY */
    enum cons_standing goal;
};
/* 0: submitted; committed when status.changing ends while this member leads in the same term. E_BUSY: it may be
 * possible a moment later; E_INVALID: never as things are; E_NOT_LEADER. *reterr says why. */
int cons_change(struct cons *c, const struct cons_change *change, struct err *reterr);
/* Reads the certificates again, for connections from now on. E_INVALID: the old ones stay, *reterr says why. */
int cons_reload_tls(struct cons *c, struct err *reterr);
/* Before a start: are these files (authority, certificate, key) this member's, and would others take the certificate
 * now? E_INVALID says what is wrong. */
int cons_tls_check(const char *const files[3], uint64_t member_id, struct err *reterr);
/* When the first of our certificate and its authorities ends, in seconds of the epoch; 0: no TLS. */
int64_t cons_tls_expires_s(const struct cons *c);
/* Planned hand-over to the most advanced follower (target 0) or a given one; result comes as changed events. */
int cons_transfer(struct cons *c, uint64_t target, struct err *reterr);

#endif

/* Shared by member.c (wiring), backend.c (what the API asks for), status.c (GET
 * /cluster/status) and tell.c (what members tell each other). */
#ifndef HECATE_DAEMON_MEMBER_PRIV_H
#define HECATE_DAEMON_MEMBER_PRIV_H

#include <sys/queue.h>

#include "api/api.h"
#include "consensus/consensus.h"
#include "daemon/asked.h"
#include "daemon/audit.h"
#include "daemon/executor/executor.h"
#include "daemon/handover.h"
#include "daemon/health.h"
#include "daemon/keeper/keeper.h"
#include "daemon/load.h"
#include "daemon/member.h"
#include "daemon/metrics.h"
#include "daemon/operations/operations.h"
#include "daemon/pace.h"
#include "daemon/replicas.h"
#include "store/store.h"

#define MEMBER_MAGIC 0x6d656d62

#define CERTIFICATE_FILES 6

struct certificates {
    uint64_t stamps[CERTIFICATE_FILES]; /* of the files, when they were looked at last */
    bool changed;                       /* then: they are read when they stay as they are */
    unsigned ticks;
    char members[512], api[512]; /* why what is there now is not used; "" it is */
};

struct member {
    uint32_t magic;
    uv_loop_t *loop;
    const struct cfg *cfg;
    void (*failed_cb)(void *user, const char *message, bool lasting);
    void *failed_user;

    struct store *store;
    struct replicas *replicas;  /* what the others are like */
    struct asked *asked;        /* while this member leads */
    struct store_result result; /* of the command applied last: the slot that apply returns */
    struct cons *cons;
    struct executor *executor;
    struct keeper *keeper; /* of the virtual addresses; NULL: there are none */
    struct keeper_events keeper_events;
    bool address_held;
    char address_trouble[256]; /* the last one; "" none */
    uint64_t address_trouble_ms;
    struct op_driver *driver;
    uint64_t driver_term; /* the term the driver was started for, 0: not running */
    struct api_server *api;
    uv_timer_t expire_timer; /* leader: forgets old jobs */
    uv_timer_t tell_timer;   /* tells the others what this member is like */
    uv_timer_t lag_timer;    /* measures the loop */
    uint64_t lag_armed_ns;
    struct certificates certificates;
    uint64_t key_told_by, key_told_ms; /* the last one that was noted because its member named it */
    struct metrics metrics;
    struct audit audit;
    uv_timer_t audit_timer;
    struct load *load;         /* of a whole database, under way; NULL: none */
    bool staged;               /* a database was staged here, and ours is empty until it is loaded */
    char staged_trouble[512];  /* why it could not be loaded; "" */
    bool resetting;            /* the command for it is on its way */
    enum store_mode mode_seen; /* the one that was applied last */
    uint64_t wish, wish_done;  /* SIGUSR2 was sent to this member: as in struct replica */
    struct handover handover;
    bool raising;                         /* a command for the feature level is on its way */
    TAILQ_HEAD(admin_list, admin) admins; /* changes of members that are waited for */
    bool stopping, failed;
    bool leaves_state; /* to the system */
    bool cons_closing;
    struct pace pace; /* while this member leads */

    void (*closed_cb)(void *user);
    void *closed_user;
};

typedef void (*member_propose_cb)(void *user, int status, const struct store_result *result);

/* Encodes and proposes; cb exactly once, later: 0 with the result of apply, or E_NOT_LEADER, E_BUSY,
 * E_UNKNOWN_OUTCOME, E_INVALID (too large for the log) with NULL. */
void member_propose(struct member *member, const struct store_cmd *cmd, member_propose_cb cb, void *user);
bool member_serving(struct member *member);
void member_random(void *user, void *data, size_t len);
/* The settings of the configuration for the planner, and the failure detector. */
void member_plan_env(struct member *member, struct store_plan_env *ret_env);

/* The member must end: told once, with the cause and the remedy; lasting as in member_start. */
void member_failed(struct member *member, const char *message, bool lasting);

/* Closes from the top down, after leadership was handed over or could not be. */
void member_stop_now(struct member *member);

/* certificates.c */
void certificates_stamp(struct member *member); /* the files are as they were read */
void certificates_tick(struct member *member);  /* each second: reads files that have changed */
void certificates_warn(const struct member *member, health_cb cb, void *user);
/* expire.c */
int64_t member_now_ms(void); /* the wall clock: for people and certificates */
/* For commands: it does not jump when the wall clock does. */
int64_t member_time_ms(struct member *member);
void member_expire_start(struct member *member);
/* address.c */
void member_lease(void *user, uint64_t until_us);
void member_address_start(struct member *member, struct keeper *keeper);
/* machine.c */
struct cons_fsm member_machine(struct member *member);
/* tell.c */
void member_tell(struct member *member); /* now; otherwise from time to time */
void member_tell_start(struct member *member);
void member_told(void *user, uint64_t member_id, const void *data, size_t len);
/* Compares what others told of indices up to applied_index, which is reached; logs what differs. */
void member_compare(struct member *member, uint64_t applied_index);
/* Members come and go. */
void member_keep_replicas(struct member *member, const struct cons_status *status);
/* figures.c */
void member_lag_start(struct member *member);
void member_metrics(void *user, struct buf *buf);
/* mode.c */
/* Leads this member: proposes the normal mode if a member wishes it and it is not there. */
void member_mode_pursue(struct member *member);
void member_mode_told(struct member *member, const struct replica *other); /* another member told something */
void member_settings_changed(struct member *member);
/* members.c: administration of the cluster of members, for the API */
const char *members_standing(enum cons_standing standing);
const struct cons_member_status *members_find(const struct cons_status *status, uint64_t id); /* or NULL */
void members_stop(struct member *member); /* whoever waits for a change is told that this member stops */
void members_admin(void *user, enum api_admin what, uint64_t id, const json_t *body, api_document_cb cb, void *cb_user);
/* keys.c: which key each member's certificate has, in the configuration of the members */
void keys_pursue(struct member *member); /* leader: notes those that are not known yet, and its own */
void keys_told(struct member *member, uint64_t member_id, const char *key); /* a member names that of its certificate */
void keys_warn(const struct member *member, const struct cons_status *status, health_cb cb, void *user);
/* upgrade.c */
void upgrade_pursue(struct member *member); /* leader: raises the feature level when all members know the next one */
json_t *upgrade_document(struct member *member);
void upgrade_hold(struct member *member, bool hold, api_document_cb cb, void *cb_user);
/* backend.c */
bool backend_serving(void *user);
bool backend_is_member(void *user, const struct sockaddr *address);
const char *backend_blocked(void *user);
bool backend_leader(void *user, struct api_leader *ret_leader); /* another one, its API address */
const struct store *backend_store(void *user);
struct id backend_generation(void *user);
void backend_asked(void *user, struct id op_id);
void backend_submit(void *user, const struct store_request *request, api_submit_cb cb, void *cb_user);
enum store_code backend_plan(void *user, const struct store_request *request, struct store_reasons *reasons,
                             struct store_cmd *ret_cmd, struct store_result *ret_result);
/* status.c */
json_t *status_document(void *user);
json_t *status_operation_steps(void *user, struct id op_id, size_t max, size_t *ret_n);

#endif

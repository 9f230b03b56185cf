/* Operations: what a volume create, a delete, a node or device add and delete consist of.
 *
 * engine.c is pure: (store, operation, event) -> actions. driver.c performs the actions on the leader: runs steps
 * through the executor, proposes commands, keeps timers, and resumes everything when leadership is gained.
 */
#ifndef HECATE_DAEMON_OPERATIONS_OPERATIONS_H
#define HECATE_DAEMON_OPERATIONS_OPERATIONS_H

#include <uv.h>

#include "daemon/executor/executor.h"
#include "store/store.h"

struct op_driver;

typedef void (*op_propose_cb)(void *user, int status, const struct store_result *result);

/* What the driver needs of its surroundings. */
struct op_driver_env {
    void *user;
    const struct store *(*store)(void *user);
    bool (*serving)(void *user); /* asked before each step is started */
    uint64_t (*term)(void *user);
    struct id (*managers)(void *user); /* the id of the members' own cluster, which goes with the term */
    int64_t (*now_ms)(void *user);     /* wall clock, goes into commands */
    void (*random)(void *user, void *data, size_t len);
    /* Proposes; cb exactly once later, status 0 or E_UNKNOWN_OUTCOME / E_NOT_LEADER. */
    void (*propose)(void *user, const struct store_cmd *cmd, op_propose_cb cb, void *cb_user);
    /* Settings and limits for replanning; node_down is filled by the driver's failure detector. */
    void (*plan_env)(void *user, struct store_plan_env *ret_env);
    /* A step has ended after so long; for figures. NULL: nobody counts. */
    void (*step_ended)(void *user, enum exec_step_kind kind, int code, uint64_t ms);
    bool no_rebalance;       /* of volumes that have grown */
    uint32_t replans_max;    /* other places for bricks that cannot be made; 0: the default */
    uint32_t snapshot_limit; /* of heketi.json: > 0 is set on the pool when a node is added */
};

struct op_driver *op_driver_new(uv_loop_t *loop, struct executor *executor, const struct op_driver_env *env);
void op_driver_close(struct op_driver *driver, void (*closed_cb)(void *user), void *user);

/* Leadership gained (serving for the first time in this term): raise the fences in the background, resume every
 * operation, each step once its node's fence is raised. */
void op_driver_start(struct op_driver *driver);
/* Leadership lost: cancel what runs, forget everything in memory; no step is started any more. */
void op_driver_stop(struct op_driver *driver);
/* The last part of a load was applied here while serving: its operations are resumed. */
void op_driver_loaded(struct op_driver *driver);
/* An operation was begun (its command was applied here while serving). */
void op_driver_begun(struct op_driver *driver, struct id op_id);

/* Failure detector, fed by steps' outcomes and a background check of glusterd every few seconds while leading. */
bool op_driver_node_down(const struct op_driver *driver, struct id node);
/* One glusterd check for the API (node add asks before it accepts): code 0 or the failure. */
void op_driver_check_glusterd(struct op_driver *driver, const char *host, struct id node,
                              void (*cb)(void *user, int code, const char *message), void *user);

/* What is on a node now (EXEC_INVENTORY). cb exactly once, from the loop; E_CANCELLED when leadership is lost. */
void op_driver_inventory(struct op_driver *driver, const struct store_node *node, exec_done_cb cb, void *user);

/* For GET /cluster/status and GET /operations: what runs now. Calls visit for the running and waiting steps of the
 * operation. */
enum op_trouble { OP_TROUBLE_NONE, OP_TROUBLE_SILENT, OP_TROUBLE_BUSY, OP_TROUBLE_REFUSED };
#define OP_TROUBLES (OP_TROUBLE_REFUSED + 1)
struct op_step_view {
    const char *step; /* "brick-create" */
    const char *host;
    const char *state; /* "running", "waiting", "retrying" */
    uint32_t attempts;
    uint64_t since_ms;      /* in this state */
    const char *last_error; /* "" when none */
    /* The last try: the node cannot be reached; it answers "not now", or heals; it answers and refuses. */
    enum op_trouble trouble;
    const char *progress; /* of what goes on on the node for long, "" when unknown */
};
/* At most max of them; where there are more, those that run or have failed come first. Returns how many there are. */
size_t op_driver_visit(const struct op_driver *driver, struct id op_id, size_t max,
                       void (*visit)(void *user, const struct op_step_view *view), void *user);
size_t op_driver_running(const struct op_driver *driver); /* steps that run on nodes now */
struct op_node_view {
    struct id node;
    bool down;             /* of no use; new bricks are placed elsewhere */
    bool avoided;          /* down, or others are preferred to it */
    enum exec_cause cause; /* why, where more is known than last_error says */
    uint64_t avoided_ms;   /* for so long; 0 when it is not */
    uint64_t fence_term;   /* raised by this leader; 0 not yet */
    uint64_t last_ok_ms;   /* ago; UINT64_MAX never */
    const char *last_error;
};
void op_driver_visit_nodes(const struct op_driver *driver, void (*visit)(void *user, const struct op_node_view *view),
                           void *user);

#endif

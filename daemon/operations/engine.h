/* The operation engine: what an operation consists of and what comes next. Pure: the store is only read, time is given.
 *
 * An operation is a list of steps in stages; a stage begins when all steps of the stage before are done. Each step is
 * check, do, verify in one remote call and safe to repeat, so a new leader begins again at the first stage: what is
 * done is found done.
 *
 *   FORWARD  --all steps done--> OP_END done
 *      |  a step failed for good, or too often
 *      +-- volume create, another place exists --> OP_REPLAN (the steps begin anew)
 *      +-- create, add --> OP_UNDO --> UNDO --all steps done--> OP_END failed with the first failure's text
 *      +-- delete refused before anything was done --> OP_END failed; otherwise deletes only move forward
 *
 * In UNDO and in deletes a step that cannot be done now is tried again with back-off, for ever, and shown as parked.
 */
#ifndef HECATE_DAEMON_OPERATIONS_ENGINE_H
#define HECATE_DAEMON_OPERATIONS_ENGINE_H

#include "daemon/executor/executor.h"
#include "store/store.h"

#define ENGINE_REPLANS_MAX 4
#define ENGINE_TRIES_MAX 4 /* of a step, before a create or add gives up */
#define ENGINE_BACKOFF_MIN_MS 500
#define ENGINE_BACKOFF_MAX_MS 30000
#define ENGINE_PARK_TRIES 3 /* after so many tries a waiting part is shown */

enum engine_step_state { ENGINE_WAITING, ENGINE_RUNNING, ENGINE_DONE };

struct engine_step {
    enum exec_step_kind kind;
    unsigned stage;
    struct id node;   /* where it runs: for gluster commands one of the cluster's nodes, chosen anew at each try */
    struct id object; /* brick, device or peer node */
    enum engine_step_state state;
    uint32_t tries;
    uint64_t retry_ms; /* not before */
    uint64_t since_ms; /* in this state */
    bool failed;       /* the last try failed */
    bool hopeless;     /* repeating is pointless, or was tried often enough */
    char *error;       /* "" when none */
};

struct engine {
    struct id op_id;
    enum store_op_type type;
    enum store_op_phase phase;
    uint32_t attempt;
    bool force;
    struct engine_step *steps;
    size_t n_steps;
    bool proposing;                 /* a command is under way: nothing else is decided */
    bool done;                      /* the end was committed */
    struct id failed_node;          /* the node to plan without */
    struct exec_device_info device; /* what DEVICE_SETUP said */
};

enum engine_action_kind {
    ENGINE_RUN,    /* run step */
    ENGINE_REPLAN, /* ask for new bricks without `node`; none: engine_replan_refused */
    ENGINE_UNDO,   /* propose OP_UNDO with text */
    ENGINE_END,    /* propose OP_END */
    ENGINE_PARK,   /* propose OP_PARKED with what waits */
    ENGINE_WAIT,   /* nothing before wait_ms (UINT64_MAX: until something happens) */
};

struct engine_action {
    enum engine_action_kind kind;
    size_t step;
    struct id node;
    uint64_t wait_ms;
    bool failed;
    char text[2048];
};

/* Builds the steps from the operation's record. false: the operation is not in the store (any more). */
bool engine_init(struct engine *engine, const struct store *store, struct id op_id, uint64_t now_ms);
void engine_fini(struct engine *engine);
/* The next thing to do. Repeat until ENGINE_WAIT. RUN marks the step as running, proposals set `proposing`. */
void engine_next(struct engine *engine, const struct store *store, uint64_t now_ms, struct engine_action *ret_action);
/* A step ended. */
void engine_result(struct engine *engine, size_t step, const struct exec_result *result, uint64_t now_ms);
/* No other place was found: undo. */
void engine_replan_refused(struct engine *engine);
/* A node answers again: what waits for it is due now. */
void engine_node_up(struct engine *engine, struct id node, uint64_t now_ms);
/* Does the list of parked parts in the store differ from what waits? */
bool engine_parked_changed(const struct engine *engine, const struct store *store);
/* What waits, for OP_PARKED: the caller frees the texts and the list. */
size_t engine_parked(const struct engine *engine, struct store_parked **ret_parked);

#endif

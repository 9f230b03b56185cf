/* The operation engine: what an operation consists of and what comes next. Pure: the store is only read, time is given,
 * nothing is random.
 *
 * An operation is a list of steps in stages; a stage begins when all steps of the stage before are done. Each step is
 * check, do, verify in one remote call and safe to repeat, so a new leader begins again at the first stage: what is
 * done is found done. Which steps an operation has and what a failure of each means is a table in engine_build.c.
 *
 *   FORWARD  --all steps done--> OP_END done
 *      |  a step failed for good, or too often
 *      +-- bricks of a volume create or expand, another place exists --> OP_REPLAN (the steps begin anew)
 *      +-- evict --> a place (OP_REPLAN), replace-brick, OP_MOVED --> COMMITTED: heals, goes; only forward
 *      +-- create, expand, clone, add, evict --> OP_UNDO --> UNDO --all steps done--> OP_END failed with the first
 *      |   failure's text
 *      +-- delete refused before anything was done --> OP_END failed; otherwise deletes only move forward
 *
 * An expand looks first, and before it is undone, whether Gluster has the bricks: then it only moves forward (OP_REDO).
 * A device that is lost is rebuilt where its bricks were: what may be the last copy is destroyed (DEVICE_RENEW) after
 * the others have said that they have all; OP_MOVED, and it only goes forward.
 *
 * A clone commits where Gluster has put its bricks (OP_LEARN) before anything of them may be taken away again. Each
 * node is asked for its own bricks, and believed of no others.
 *
 * What goes forward again out of its undo pauses before, each time longer, and asks other nodes: one that lies could
 * send it to and fro without end.
 *
 * In UNDO and in deletes a step that cannot be done now is tried again with back-off, for ever, and shown as parked. A
 * volume that is gone but for bricks on nodes that do not answer, or do not let go of them, ends; the bricks go to a
 * clean-up operation.
 *
 * Use: engine_init, then engine_next until it says ENGINE_WAIT, after each event (engine_result, engine_proposed,
 * engine_node_up, time). Nothing is decided any more after a step was fenced, or while a proposal's outcome is unknown.
 */
#ifndef HECATE_DAEMON_OPERATIONS_ENGINE_H
#define HECATE_DAEMON_OPERATIONS_ENGINE_H

#include "daemon/executor/executor.h"
#include "store/store.h"

#define ENGINE_REPLANS_MAX 4
#define ENGINE_TRIES_CONNECT 4 /* of a step, before a create or add gives up: cannot connect, log in, ... */
#define ENGINE_TRIES_TIMEOUT 3 /* each try looks at what the one before has done */
#define ENGINE_TRIES_REMOTE 2  /* the node says no */
#define ENGINE_REFUSERS 2      /* so many nodes have to refuse a step that any of the pool can do */
#define ENGINE_TRIES_BUSY 40   /* "another transaction is in progress" */
#define ENGINE_UNMARKS 3       /* so often bricks are made anew that a failed try has left marked */
#define ENGINE_SYNCS_BUSY 2    /* waits for a brick's start, until another node is asked to start it */
#define ENGINE_BACKOFF_MIN_MS 500
#define ENGINE_BACKOFF_MAX_MS 30000
#define ENGINE_BUSY_BACKOFF_MAX_MS 4000
#define ENGINE_SILENT_MS 60000   /* until it is looked again whether a node is still known to be silent */
#define ENGINE_POLL_MS 5000      /* until a step that is unfinished asks again */
#define ENGINE_HOLD_MS 100       /* until another look at an older operation, or another proposal */
#define ENGINE_PARK_TRIES 2      /* after so many tries a waiting part is shown */
#define ENGINE_LEAVE_TRIES 2     /* after so many tries bricks that cannot be reached are left to a clean-up */
#define ENGINE_LEAVE_REFUSED 6   /* ... and those that their node refuses to destroy; busy: ENGINE_TRIES_BUSY */
#define ENGINE_FORGET_REFUSED 10 /* after so many refusals a node keeps a peer that all others have let go of */
#define ENGINE_CONFIRM_MS 180000 /* for a step that only says, or makes durable, what was decided before */
#define ENGINE_IGNORED_MS 30000  /* ... on whose result nothing depends */
#define ENGINE_PART_WAIT_MS 500  /* until another try to begin a part of a removal */

enum engine_step_state { ENGINE_WAITING, ENGINE_RUNNING, ENGINE_DONE };

enum engine_policy {                /* what a failure means */
                     ENGINE_UNDOES, /* repeated a few times, then the operation is undone (bricks: planned again first)
                                     */
                     ENGINE_UNDOES_REFUSED, /* a refusal, also when repeated, undoes the operation; otherwise waits */
                     ENGINE_REFUSES, /* a refusal, also when repeated, ends the operation as failed; otherwise waits */
                     ENGINE_REFUSES_BUSY,    /* the same, and so does being busy: nothing depends on it */
                     ENGINE_REFUSES_AT_ONCE, /* only a permanent refusal ends it; otherwise waits */
                     ENGINE_WAITS,           /* repeated until done */
                     ENGINE_WAITS_ANSWERED,  /* the same, but of a node that refuses again and again done without it */
                     ENGINE_SKIPS,           /* a permanent refusal of all that can be asked: there is nothing of ours;
                                                otherwise waits */
                     ENGINE_CONFIRMS,        /* a second node's word on a new block volume: asked of all, and repeated
                                                a few times, then the operation is undone */
                     ENGINE_TURNS,           /* of an undo: a permanent refusal turns it forward; otherwise waits */
                     ENGINE_IGNORES, /* done, whatever the result, and soon; not asked of a node that hung lately */
};

struct engine_step {
    enum exec_step_kind kind;
    enum engine_policy policy;
    unsigned stage;
    struct id node;   /* where it runs: for gluster commands one of the cluster's nodes, chosen again at each try */
    struct id object; /* brick, device, volume or peer node */
    enum engine_step_state state;
    uint32_t tries; /* failed ones, without the busy ones */
    uint32_t busy;  /* "another transaction is in progress" */
    uint32_t polls; /* that found it unfinished */
    uint32_t again; /* tries before somebody contradicted who had said that it is done: they only count for whose turn
                       it is */
    /* Of a step that any node of the pool can do: who has said no, each once; where only a permanent refusal ends it,
     * who has said that. */
    struct id *refusers;
    size_t n_refusers;
    uint32_t silent; /* tries since the first no at nodes that did not answer */
    /* VOLUME_CHECK, and what it looks at: who has denied last that it is done. Others are asked before it. */
    struct id denier;
    size_t others, others_up; /* that have not said no, besides `node`, when it was chosen; not known to be down */
    struct id *hosts;         /* BLOCK_CREATE: nodes that are to export, chosen again at each try */
    size_t n_hosts;
    uint64_t retry_ms;            /* not before */
    uint64_t since_ms;            /* in this state */
    bool failed;                  /* the last try failed */
    bool permanent;               /* ... for good */
    bool hopeless;                /* repeating is pointless, or was tried often enough */
    int code;                     /* of the last failure */
    char *error;                  /* NULL when none */
    char *progress;               /* of a step that is unfinished; NULL when it is not */
    struct id gone;               /* VOLUME_DELETE: who has said last that the volume is gone */
    bool agreed;                  /* ... and another one before */
    bool apart;                   /* ... since a node is not connected to another one */
    uint32_t unmarks;             /* VOLUME_CREATE, _EXPAND: how often its bricks were made anew */
    bool own;                     /* VOLUME_LOOK: before that, at a brick's node */
    bool kept;                    /* BRICK_DESTROY: busy without end, though two nodes say that */
    struct id shown;              /* the node it is shown as parked for */
    struct exec_volume_info info; /* of a clone's VOLUME_LOOK: what the node has */
};

struct engine_env {
    void *user;
    bool (*node_down)(void *user, struct id node); /* does the failure detector think so? NULL: nobody is */
    bool (*node_hung)(void *user, struct id node); /* did a step not end there lately? NULL: nowhere */
    /* Nodes are looked at now and then: what the last look at a silent one said; NULL: it answers, as far as is known.
     * That it answers again is told by engine_node_up. NULL: nobody is silent. */
    const char *(*node_silent)(void *user, struct id node);
    bool no_rebalance;    /* after an expand */
    uint32_t replans_max; /* other places that are tried; 0: ENGINE_REPLANS_MAX */
};

/* Has Gluster taken the bricks of an expand or an evict, as they are planned now? */
enum engine_given {
    ENGINE_NOT_GIVEN,     /* planned a moment ago, or two nodes have said that it has none of them */
    ENGINE_PERHAPS_GIVEN, /* by a leader before; or all that were asked to give them have refused */
    ENGINE_GIVEN,         /* somebody said so, or what came of it is not known */
};

struct engine {
    struct id op_id;
    enum store_op_type type;
    enum store_op_phase phase;
    uint32_t attempt;
    uint64_t begin_index;
    bool force;
    struct engine_env env;
    struct engine_step *steps;
    size_t n_steps, max_steps; /* for max_steps there is room */
    bool proposing;            /* a command is under way: nothing else is decided */
    bool unknown;              /* ... and its outcome will not be learnt in this term */
    bool fenced;               /* a newer leader is at work */
    bool done;                 /* the end was committed */
    bool no_other_place;       /* planning again was refused */
    enum engine_given given;
    bool restored;               /* a create or clone that came with a backup */
    bool absent;                 /* ... and two nodes have said that Gluster has no volume of its name */
    bool asks;                   /* an expand: two nodes are asked whether it has, before other bricks are planned */
    struct exec_volume_info had; /* what the first one said, of these or of a restored create; without its texts */
    uint32_t stale_plans;
    char *no_place;          /* why planning again was refused; NULL not known */
    char *refusal;           /* the store's, of a good end; NULL none */
    uint64_t hold_ms;        /* nothing is decided before */
    uint32_t turns;          /* how often it went forward again out of its undo; kept over that */
    struct id parent;        /* the operation this one is a part of, or ID_NONE */
    bool parts;              /* a removal: consists of other operations */
    struct id *failed_nodes; /* to plan without; kept over replans */
    size_t n_failed_nodes;
    struct exec_device_info device; /* what DEVICE_SETUP or DEVICE_LOOK said */
    struct exec_block_info block;   /* what the last BLOCK_ step said */
    bool redo;                      /* undoing what cannot be undone */
};

enum engine_action_kind {
    ENGINE_RUN,    /* run step */
    ENGINE_REPLAN, /* ask for bricks without failed_nodes; none: engine_not_proposed */
    ENGINE_UNDO,   /* propose OP_UNDO with text */
    ENGINE_MOVED,  /* propose OP_MOVED: evict, device replace */
    ENGINE_TURN,   /* propose OP_FORWARD */
    ENGINE_PART,   /* begin the next part; not now: engine_not_proposed */
    ENGINE_END,    /* propose OP_END; failed with text */
    ENGINE_PARK,   /* propose OP_PARKED with engine_parked */
    ENGINE_LEARN,  /* propose OP_LEARN with engine_learnt */
    ENGINE_REDO,   /* propose OP_REDO */
    ENGINE_WAIT,   /* nothing before wait_ms (UINT64_MAX: until something happens) */
};

struct engine_action {
    enum engine_action_kind kind;
    size_t step;
    uint64_t wait_ms;
    bool failed;
    bool leave; /* END: bricks, or a forgotten device, may be left on nodes: they go to a clean-up operation */
    char text[2048];
};

/* Does the step run on any node of the pool? */
bool engine_is_pool_step(enum exec_step_kind kind);
/* How long its next try may take, where that is less than the executor's default; else 0. */
uint32_t engine_timeout_ms(const struct engine *engine, const struct engine_step *step);
/* Is it repeated until its node answers? Then it need not be tried while that is known to be silent. */
bool engine_may_spare(const struct engine_step *step);
/* Builds the steps from the operation's record. false: the operation is not in the store (any more); nothing to free.
 */
bool engine_init(struct engine *engine, const struct store *store, struct id op_id, const struct engine_env *env,
                 uint64_t now_ms);
void engine_fini(struct engine *engine);
/* The next thing to do. Repeat until ENGINE_WAIT. RUN marks the step as running, proposals set `proposing`. */
void engine_next(struct engine *engine, const struct store *store, uint64_t now_ms, struct engine_action *ret_action);
/* A step ended. */
void engine_result(struct engine *engine, size_t step, const struct exec_result *result, uint64_t now_ms);
/* What became of a proposed command: status 0 and its result, or a failure (result is not looked at). Afterwards the
 * steps may be other ones (unless it was ENGINE_PARK, none of the old ones runs) and the operation may be `done`. */
void engine_proposed(struct engine *engine, const struct store *store, enum engine_action_kind kind, int status,
                     const struct store_result *result, uint64_t now_ms);
/* There is no command to propose, instead of engine_proposed. REPLAN: no other place; goes on with the old one, then
 * undoes. PART: something else holds it; another try later. */
void engine_not_proposed(struct engine *engine, enum engine_action_kind kind, uint64_t now_ms);
/* Before that, of REPLAN: why there is no other place. */
void engine_no_place(struct engine *engine, const char *text);
/* A node answers again: what waits for it is due now. True if something is. */
bool engine_node_up(struct engine *engine, struct id node, uint64_t now_ms);
/* Where Gluster has put the bricks of a clone, each as its own node has it, for OP_LEARN: their ids, LVs and paths. 0,
 * or E_INVALID with what does not fit. */
int engine_learnt(const struct engine *engine, const struct store *store, struct store_volume *ret_volume,
                  struct err *reterr);
/* What waits, for OP_PARKED: the caller frees the texts and the list. */
size_t engine_parked(struct engine *engine, struct store_parked **ret_parked);

#endif

/* Inside the engine: engine.c (what comes next, what happened), engine_build.c (the table of steps), engine_place.c
 * (where a step runs), engine_fail.c (when a failed step is tried again), engine_learn.c (where Gluster has put a
 * clone's bricks). */
#ifndef HECATE_DAEMON_OPERATIONS_ENGINE_PRIV_H
#define HECATE_DAEMON_OPERATIONS_ENGINE_PRIV_H

#include "daemon/operations/engine.h"

/* Builds the steps of the operation as it is recorded now. */
void engine_build(struct engine *engine, const struct store *store, const struct store_operation *op, uint64_t now_ms);

enum engine_place {
    ENGINE_PLACED,
    ENGINE_HELD,    /* an older operation decides first, or nobody can be asked: look again later */
    ENGINE_NOTHING, /* there is nobody to do it with and so nothing to do */
    ENGINE_CANNOT,  /* it cannot be done: as if a node had refused it for good; the step's error says why */
};

/* Chooses where the step's next try runs and sets its node (and for the first node of a cluster its kind). */
enum engine_place engine_place(const struct engine *engine, const struct store *store, struct engine_step *step);
/* The volume whose brick an evict moves: by the old brick, or by the replacement once it is the volume's. NULL: gone.
 */
const struct store_volume *engine_evict_volume(const struct store *store, const struct store_operation *op);
/* Of a volume: does the failure detector know one of its brick's nodes as down? Adds them to the failed nodes. */
bool engine_blame_down_nodes(struct engine *engine, const struct store *store, struct id volume);
/* A block volume's steps: the node, and for a create the hosts (engine_block.c). */
enum engine_place engine_place_block(const struct engine *engine, const struct store *store, struct engine_step *step);
bool engine_is_down(const struct engine *engine, struct id node);
/* One of the fittest nodes of the pool other than `except`, another one at each try. ID_NONE: there is none. Of a node
 * that an operation adds or takes away it counts whether that began before begin_index. */
struct id engine_pool_node(const struct engine *engine, const struct store *store, const struct engine_step *step,
                           struct id cluster, struct id except, uint64_t begin_index, bool *ret_wait);
/* Does the step only repeat, on another node, what was heard from one? */
bool engine_is_second(const struct engine *engine, const struct engine_step *step);
void engine_blame(struct engine *engine, struct id node);
/* Does the step run on any node of the pool? */
bool engine_is_pool_step(enum exec_step_kind kind);
/* It goes forward and makes bricks of a volume of its own, or may do so. */
bool engine_makes_bricks(const struct engine *engine);
/* Would another place help? */
bool engine_may_replan(const struct engine *engine, const struct engine_step *step);
/* Has the failed step had all its tries? */
bool engine_is_hopeless(const struct engine *engine, const struct engine_step *step);
void engine_step_failed(struct engine *engine, struct engine_step *step, const struct exec_result *result,
                        uint64_t now_ms);
/* Has a clone's record its bricks' places? */
bool engine_is_learnt(const struct store_volume *volume);

#endif

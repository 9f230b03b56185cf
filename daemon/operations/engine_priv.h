/* Inside the engine: engine.c (what comes next, what happened), engine_build.c (the table of steps), engine_place.c
 * (where a step runs), engine_second.c (what a second node has to say), engine_fail.c (when a failed step is tried
 * again), engine_given.c (whether Gluster has bricks), engine_restored.c (what came with a backup), engine_park.c (what
 * it waits for), engine_learn.c (where it has put a clone's bricks). */
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
/* Has the second node said otherwise of a block volume than the one that made it, or let it grow? */
bool engine_block_differs(const struct engine *engine, const struct engine_step *step,
                          const struct exec_result *result);
bool engine_is_down(const struct engine *engine, struct id node);
/* Did a step not end there lately? */
bool engine_is_hung(const struct engine *engine, struct id node);
/* The second word on how large a block volume is that did not grow as asked: the larger one is kept, since what is
 * promised must not shrink, and the smaller one of what is usable. */
void engine_keep_larger(struct exec_block_info *known, const struct exec_block_info *said);
/* One of the fittest nodes of the pool other than `except`, another one at each try, and before one that has said no
 * one that has not. ID_NONE: there is none. Of a node that an operation adds or takes away it counts whether that began
 * before begin_index. */
struct id engine_pool_node(const struct engine *engine, const struct store *store, struct engine_step *step,
                           struct id cluster, struct id except, uint64_t begin_index, bool *ret_wait);
/* Does the step only repeat, on another node, what was heard from one? */
bool engine_is_second(const struct engine *engine, const struct engine_step *step);
/* Where the step must not run, since what was heard there is to be said by a second node. ID_NONE: anywhere. */
struct id engine_heard(const struct engine *engine, const struct engine_step *step);
/* There is no node of the pool but that one. */
enum engine_place engine_place_alone(const struct engine *engine, struct engine_step *step, bool wait);
/* Who says no is kept, and how many do not answer afterwards. */
void engine_note_refusal(struct engine_step *step, const struct exec_result *result);
bool engine_has_refused(const struct engine_step *step, struct id node);
/* Has everybody refused it, of whom an answer can be had? */
bool engine_all_refuse(const struct engine *engine, const struct engine_step *step, const struct exec_result *result);
/* Has the node refused so often that it is gone on without it? */
bool engine_goes_without(const struct engine_step *step, const struct exec_result *result);
void engine_blame(struct engine *engine, struct id node);
/* It goes forward and makes bricks of a volume of its own, or may do so. */
bool engine_makes_bricks(const struct engine *engine);
/* Would another place help? */
bool engine_may_replan(const struct engine *engine, const struct engine_step *step);
/* Has the failed step had all its tries? */
bool engine_is_hopeless(const struct engine *engine, const struct engine_step *step);
/* Is the step's node known to be silent, so that it would only be tried in vain, and be repeated until it answers? Then
 * it has failed, as if it had been tried, or what is forgotten by force is done. */
bool engine_spares(struct engine *engine, struct engine_step *step, uint64_t now_ms);
/* How often the step was tried: whose turn it is. */
uint32_t engine_tried(const struct engine_step *step);
/* A step that gives bricks to Gluster ended: it may have them. */
void engine_note_given(struct engine *engine, const struct engine_step *step, const struct exec_result *result);
/* A leader before may have given an expand's bricks to Gluster, or one who said no: two nodes are asked. */
void engine_ask_whether_given(struct engine *engine);
/* That goes before what is hopeless. */
bool engine_is_asking(const struct engine *engine);
bool engine_is_expand_look(const struct engine *engine, const struct engine_step *step);
/* Does Gluster have an expand's bricks already? Two nodes have to say so, where there are two: by one that lies they
 * would be waited for without end. That it has not needs no second one: who makes them and gives them to it finds what
 * is there. Before other ones are planned in their place, two have to say either. */
void engine_expand_looked(struct engine *engine, struct engine_step *look, const struct exec_volume_info *info);
/* The first stage in which something is left to do; UINT32_MAX: all is done. */
unsigned engine_stage(const struct engine *engine);
/* Does the operation wait for other nodes than is recorded? */
bool engine_parked_changed(struct engine *engine, const struct store *store);
/* Is it a create or clone from a backup of which nobody knows yet that it made nothing? It is never given up, undone or
 * planned again. */
bool engine_is_kept(const struct engine *engine);
bool engine_is_restored_look(const struct engine *engine, const struct engine_step *step);
/* Has Gluster the volume of such a create? If two nodes say that it has, it has ended; if both say that there is none
 * of its name, it is as any other; otherwise they are asked again. */
void engine_restored_looked(struct engine *engine, struct engine_step *look, const struct exec_volume_info *info,
                            uint64_t now_ms);
void engine_step_failed(struct engine *engine, struct engine_step *step, const struct exec_result *result,
                        uint64_t now_ms);
/* The node of a step contradicts whoever said that an earlier one is done, with "busy": it has waited several times
 * for a brick to start, or knows another block volume. Another node is asked to do the earlier one. */
void engine_do_again(struct engine *engine, struct engine_step *denied);
/* Gluster takes bricks for those of a volume, which the node of the refused step does not have. They are made anew,
 * each unless its own node has it in a volume, when no brick's node has the volume. False: that was done often enough.
 */
bool engine_unmark(struct engine *engine, struct engine_step *refused, uint64_t now_ms);
/* A brick's node has the volume: none is made anew. */
void engine_keep_bricks(struct engine *engine);
/* Is it a brick that is left to a clean-up? Its node does not answer, or refuses again and again, or says without end
 * that it has the brick in a volume which two nodes say is gone. */
bool engine_is_left(const struct engine_step *step);
/* The brick's own glusterd may have it in a volume still, whoever said that this is deleted: another node is asked to.
 * An expand's bricks may have become the volume's after all: before one is left, it is looked once more. Not each time:
 * each look is one more chance for a node that lies to send the expand forward. */
void engine_brick_busy(struct engine *engine, struct engine_step *brick);
/* How long to pause before it goes forward again out of its undo, for the turns-th time. */
uint64_t engine_turn_pause_ms(const struct engine *engine);
/* Has a clone's record its bricks' places? */
bool engine_is_learnt(const struct store_volume *volume);
/* Have the nodes of a clone's bricks said what they have, so that it is decided? */
bool engine_looked(const struct engine *engine);
/* Decides it. True: it is to be learnt. Otherwise looks have failed, or there is nothing of ours. */
bool engine_judge_looks(struct engine *engine, const struct store *store, uint64_t now_ms);

#endif

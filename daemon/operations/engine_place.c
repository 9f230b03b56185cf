/* Where a step runs. Bricks and devices: on their node. Gluster commands: on any node of the pool, best one first. */
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

bool engine_is_down(const struct engine *engine, struct id node)
{
    return engine->env.node_down != NULL && engine->env.node_down(engine->env.user, node);
}

/* Is the node in the Gluster pool, as far as the operation with this begin index is concerned? Node operations of a
 * cluster that have nobody else to ask decide in the order of their begin: *ret_wait is set for an older one. */
static bool in_pool(const struct store *store, const struct store_node *node, uint64_t begin_index, bool *ret_wait)
{
    const struct store_operation *other;

    if (id_is_none(node->pending)) {
        return true;
    }
    other = store_operation(store, node->pending);
    if (other == NULL) {
        return false;
    }
    if (other->type == STORE_OP_NODE_REPLACE) {
        return false; /* it may know nobody yet */
    }
    if (other->begin_index < begin_index && other->type != STORE_OP_NODE_REMOVE) {
        *ret_wait = true;
        return false;
    }
    return other->type == STORE_OP_NODE_DELETE || other->type == STORE_OP_NODE_REMOVE;
}

/* ---- one of several ---- */

/* How well a node is fit to run a gluster command. */
enum fitness { NOT_FIT, DOWN, LATER, FIT, FITTEST };

struct candidate {
    const struct store_node *node;
    enum fitness fit;     /* whatever it has answered before */
    enum fitness fit_now; /* at this try */
    bool refused, hung;
};

struct candidates {
    struct candidate *items;
    size_t n;
    bool heard_hung; /* so did one that is not listed, since it was heard before */
};

static void candidates_fini(struct candidates *list)
{
    free(list->items);
}

static bool is_candidate(const struct candidates *list, size_t n, const struct store_node *node)
{
    for (size_t i = 0; i < n; i++) {
        if (list->items[i].node == node) {
            return true;
        }
    }
    return false;
}

bool engine_is_hung(const struct engine *engine, struct id node)
{
    return engine->env.node_hung != NULL && engine->env.node_hung(engine->env.user, node);
}

/* Who has said no is asked after the others. Where too many of these have not answered since, it is asked again. */
static bool is_later(const struct engine_step *step, bool refused)
{
    if (step->policy == ENGINE_SKIPS || step->policy == ENGINE_CONFIRMS || step->silent < ENGINE_TRIES_TIMEOUT) {
        return refused;
    }
    return !refused && engine_tried(step) % 2 == 0;
}

static void add_candidate(const struct engine *engine, const struct engine_step *step, const struct store_node *node,
                          struct candidates *list)
{
    bool online = node->state == STORE_STATE_ONLINE && id_is_none(node->pending);
    enum fitness fit = engine_is_down(engine, node->id) ? DOWN : online ? FITTEST : FIT;
    bool refused = engine_has_refused(step, node->id);
    bool later = is_later(step, refused) || id_equal(step->denier, node->id);

    list->items = mem_realloc_array(list->items, list->n + 1, sizeof(*list->items));
    list->items[list->n++] = (struct candidate){.node = node,
                                                .fit = fit,
                                                .fit_now = fit > LATER && later ? LATER : fit,
                                                .refused = refused,
                                                .hung = engine_is_hung(engine, node->id)};
}

/* All of the pool that are not listed yet. */
static void add_pool(const struct engine *engine, const struct store *store, const struct engine_step *step,
                     struct id cluster, struct id except, uint64_t begin_index, struct candidates *list, bool *ret_wait)
{
    const struct store_node *node = NULL;
    size_t listed = list->n;

    while ((node = store_cluster_node_next(store, cluster, node)) != NULL) {
        if (!id_equal(node->id, except) && in_pool(store, node, begin_index, ret_wait) &&
            !is_candidate(list, listed, node)) {
            add_candidate(engine, step, node, list);
        }
    }
}

static void count_others(const struct candidates *list, struct id chosen, struct engine_step *step)
{
    step->others = step->others_up = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (!list->items[i].refused && !id_equal(list->items[i].node->id, chosen)) {
            step->others++;
            step->others_up += list->items[i].fit > DOWN;
        }
    }
}

/* Those that hung come later. If all but one did, it is rather the pool that is slow, and that one is quick since it
 * does nothing: then this one comes later at each second try. Where one hung and one did not, nobody knows more. */
static void put_off_hung(struct candidates *list, const struct engine_step *step)
{
    size_t n_hung = list->heard_hung, n_well = 0;
    bool swap;

    for (size_t i = 0; i < list->n; i++) {
        n_hung += list->items[i].fit > DOWN && list->items[i].hung;
        n_well += list->items[i].fit > DOWN && !list->items[i].hung;
    }
    swap = n_hung > 1 && n_well == 1 && engine_tried(step) % 2 == 1;
    for (size_t i = 0; i < list->n; i++) {
        struct candidate *item = &list->items[i];

        if (item->fit_now > LATER && item->hung != swap) {
            item->fit_now = LATER;
        }
    }
}

/* Of the fittest the turn-th; where that one comes later, the next one that does not. ID_NONE: there is none. */
static struct id choose(struct candidates *list, size_t turn, struct engine_step *step)
{
    struct id chosen = ID_NONE;
    enum fitness best = NOT_FIT;
    size_t n = 0;

    put_off_hung(list, step);
    for (size_t i = 0; i < list->n; i++) {
        best = list->items[i].fit_now > best ? list->items[i].fit_now : best;
    }
    for (size_t i = 0; i < list->n; i++) {
        n += list->items[i].fit >= best;
    }
    turn = n > 0 ? turn % n : 0;
    for (size_t i = 0; i < 2 * list->n && id_is_none(chosen); i++) {
        const struct candidate *item = &list->items[i % list->n];

        if (item->fit < best) {
            continue;
        }
        if (turn > 0) {
            turn--;
        } else if (item->fit_now == best) {
            chosen = item->node->id;
        }
    }
    count_others(list, chosen, step);
    return chosen;
}

/* Spreads gluster commands of different operations over these many, and the tries, polls and turns of one over all. */
static size_t turn_among(const struct engine *engine, const struct engine_step *step, size_t n)
{
    return (n > 0 ? engine->op_id.bytes[0] % n : 0) + engine_tried(step) + step->polls + engine->turns;
}

/* The same, over the pool. */
static size_t turn_of(const struct engine *engine, const struct engine_step *step)
{
    return turn_among(engine, step, SIZE_MAX);
}

struct id engine_pool_node(const struct engine *engine, const struct store *store, struct engine_step *step,
                           struct id cluster, struct id except, uint64_t begin_index, bool *ret_wait)
{
    CLEANUP(candidates_fini) struct candidates list = {.n = 0};

    list.heard_hung = engine_is_hung(engine, except);
    add_pool(engine, store, step, cluster, except, begin_index, &list, ret_wait);
    return choose(&list, turn_of(engine, step), step);
}

static struct id brick_node(const struct store *store, const struct store_brick *brick)
{
    const struct store_device *device = store_device(store, brick->device);

    CHECK(device != NULL);
    return device->node;
}

static void add_bricks_nodes(const struct engine *engine, const struct store *store, const struct engine_step *step,
                             const struct store_volume *volume, struct id except, struct candidates *list)
{
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct store_node *node = store_node(store, brick_node(store, &volume->bricks[i]));

        if (!id_equal(node->id, except) && !is_candidate(list, list->n, node)) {
            add_candidate(engine, step, node, list);
        }
    }
}

static int candidate_cmp(const void *a, const void *b)
{
    return id_cmp(&((const struct candidate *)a)->node->id, &((const struct candidate *)b)->node->id);
}

/* Of a volume that is there: a node that has bricks of it, another one for each operation and try, then any node of the
 * pool. One that lies or hangs is in the way of the volumes only that it has bricks of. ID_NONE: there is none. */
static struct id spread_node(const struct engine *engine, const struct store *store, struct engine_step *step,
                             const struct store_volume *volume, bool *ret_wait)
{
    CLEANUP(candidates_fini) struct candidates list = {.n = 0};
    struct id except = engine_heard(engine, step);
    size_t n_bricks_nodes;

    list.heard_hung = engine_is_hung(engine, except);
    add_bricks_nodes(engine, store, step, volume, except, &list);
    n_bricks_nodes = list.n;
    if (n_bricks_nodes > 0) {
        qsort(list.items, list.n, sizeof(*list.items), candidate_cmp);
    }
    add_pool(engine, store, step, volume->cluster, except, 0, &list, ret_wait);
    return choose(&list, turn_among(engine, step, n_bricks_nodes), step);
}

/* The node of the first brick; after failures, or when it is down, that of another brick, then any node of the pool,
 * but not the one that was heard before. Where those of the bricks have sent it to and fro, any node of the pool.
 * ID_NONE: there is none. */
static struct id volume_node(const struct engine *engine, const struct store *store, struct engine_step *step,
                             const struct store_volume *volume, bool *ret_wait)
{
    CLEANUP(candidates_fini) struct candidates list = {.n = 0};
    bool turned = engine->turns > 0 && engine->phase != STORE_OP_COMMITTED;
    struct id except = engine_heard(engine, step);

    list.heard_hung = engine_is_hung(engine, except);
    if (!turned) {
        add_bricks_nodes(engine, store, step, volume, except, &list);
    }
    add_pool(engine, store, step, volume->cluster, except, 0, &list, ret_wait);
    return choose(&list, turned ? turn_of(engine, step) : engine_tried(step), step);
}

/* Nothing depends on what the node says: one that is down, or hung lately, is not asked. It has not confirmed it. */
static enum engine_place place_ignored(const struct engine *engine, struct engine_step *step)
{
    bool down = engine_is_down(engine, step->node);

    if (!down && !engine_is_hung(engine, step->node)) {
        return ENGINE_PLACED;
    }
    step->code = down ? E_CONNECT : E_TIMEOUT;
    free(step->error);
    step->error =
        mem_strdup(down ? "not confirmed: the node is down" : "not confirmed: a step hung on the node lately");
    return ENGINE_NOTHING;
}

/* A node that was not asked before, is not known to be down, and has not hung lately. */
static enum engine_place place_second_probe(const struct engine *engine, const struct store *store,
                                            struct engine_step *step, const struct store_node *target)
{
    CLEANUP(candidates_fini) struct candidates list = {.n = 0};
    struct id heard = engine_heard(engine, step);
    bool wait = false;

    if (!id_is_none(heard)) { /* the new node is not in the pool yet */
        add_pool(engine, store, step, target->cluster, heard, engine->begin_index, &list, &wait);
    }
    step->node = choose(&list, turn_of(engine, step), step);
    return id_is_none(step->node) ? ENGINE_NOTHING : place_ignored(engine, step);
}

static enum engine_place place_peer(const struct engine *engine, const struct store *store, struct engine_step *step)
{
    const struct store_node *node = store_node(store, step->object);
    bool wait = false;

    CHECK(node != NULL);
    if (step->kind == EXEC_PEER_PROBE && step->policy == ENGINE_IGNORES) {
        return place_second_probe(engine, store, step, node);
    }
    step->node = engine_pool_node(engine, store, step, node->cluster, node->id, engine->begin_index, &wait);
    if (!id_is_none(step->node)) {
        step->kind = step->kind == EXEC_GLUSTERD_CHECK ? EXEC_PEER_PROBE : step->kind;
        return ENGINE_PLACED;
    }
    if (wait) {
        return ENGINE_HELD;
    }
    if (step->kind == EXEC_PEER_DETACH) {
        return ENGINE_NOTHING; /* the last node of the pool */
    }
    step->kind = EXEC_GLUSTERD_CHECK; /* the first node of the cluster */
    step->node = node->id;
    return ENGINE_PLACED;
}

/* A node may be gone meanwhile, or not have come yet. */
static enum engine_place place_forget(const struct engine *engine, const struct store *store,
                                      const struct engine_step *step)
{
    const struct store_node *node = store_node(store, step->node);
    bool wait = false;

    return node != NULL && in_pool(store, node, engine->begin_index, &wait) ? ENGINE_PLACED : ENGINE_NOTHING;
}

const struct store_volume *engine_evict_volume(const struct store *store, const struct store_operation *op)
{
    bool moved = op->phase == STORE_OP_COMMITTED;
    const struct store_brick *brick = store_brick(store, moved ? op->replacement : op->target);

    return brick != NULL ? store_volume(store, brick->volume) : NULL;
}

/* Commands on the volume whose brick moves. Once it has moved, the volume (or the replacement) may go: so does the
 * step. */
static enum engine_place place_evict(const struct engine *engine, const struct store *store, struct engine_step *step)
{
    const struct store_operation *op = store_operation(store, engine->op_id);
    const struct store_volume *volume = op != NULL ? engine_evict_volume(store, op) : NULL;
    bool wait = false;

    if (volume == NULL) {
        return ENGINE_NOTHING;
    }
    if (step->kind == EXEC_BRICK_SYNC) {
        return ENGINE_PLACED;
    }
    step->node = volume_node(engine, store, step, volume, &wait);
    return id_is_none(step->node) ? engine_place_alone(engine, step, wait) : ENGINE_PLACED;
}

/* A brick that is rebuilt at its place. It may go meanwhile, with its volume; what another operation does with it is
 * waited for. */
static enum engine_place place_renewed(const struct engine *engine, const struct store *store, struct engine_step *step)
{
    const struct store_brick *brick = store_brick(store, step->object);
    const struct store_volume *volume = brick != NULL ? store_volume(store, brick->volume) : NULL;
    bool wait = false;

    if (volume == NULL) {
        return ENGINE_NOTHING;
    }
    if (!id_is_none(brick->pending)) {
        return ENGINE_HELD;
    }
    if (!engine_is_pool_step(step->kind)) {
        return ENGINE_PLACED;
    }
    step->node = volume_node(engine, store, step, volume, &wait);
    return id_is_none(step->node) ? engine_place_alone(engine, step, wait) : ENGINE_PLACED;
}

static bool is_of_device(enum exec_step_kind kind)
{
    return kind == EXEC_DEVICE_LOST || kind == EXEC_DEVICE_RENEW || kind == EXEC_DEVICE_LOOK;
}

/* The node itself; the others are asked from there. */
static enum engine_place place_node_renew(const struct store *store, struct engine_step *step)
{
    step->node = step->object;
    return store_node(store, step->object) != NULL ? ENGINE_PLACED : ENGINE_NOTHING;
}

/* Gluster gets the bricks of several expands in the order of their begins, which is that of the volume's record. */
static bool older_expand(const struct engine *engine, const struct store *store, const struct store_volume *volume)
{
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct store_operation *other = store_operation(store, volume->bricks[i].pending);

        if (other != NULL && other->type == STORE_OP_EXPAND_VOLUME && other->begin_index < engine->begin_index) {
            return true;
        }
    }
    return false;
}

static enum engine_place place_volume(const struct engine *engine, const struct store *store, struct engine_step *step)
{
    const struct store_volume *volume = store_volume(store, step->object);
    bool wait = false;

    if (engine->type == STORE_OP_REBALANCE && (volume == NULL || !id_is_none(volume->pending))) {
        return ENGINE_NOTHING; /* deleted meanwhile */
    }
    CHECK(volume != NULL && volume->n_bricks > 0);
    if (step->kind == EXEC_VOLUME_EXPAND && older_expand(engine, store, volume)) {
        return ENGINE_HELD;
    }
    step->node = step->kind == EXEC_VOLUME_CREATE || step->kind == EXEC_VOLUME_CHECK
                     ? volume_node(engine, store, step, volume, &wait)
                     : spread_node(engine, store, step, volume, &wait);
    return id_is_none(step->node) ? engine_place_alone(engine, step, wait) : ENGINE_PLACED;
}

/* A brick of a block volume's hosting volume: it may have moved meanwhile, and a silent node is not waited for. */
static enum engine_place place_host(const struct engine *engine, const struct store *store, struct engine_step *step)
{
    return store_brick(store, step->object) != NULL ? place_ignored(engine, step) : ENGINE_NOTHING;
}

/* What was left on a node may be forgotten meanwhile, with the node. */
static enum engine_place place_left(const struct engine *engine, const struct store *store,
                                    const struct engine_step *step)
{
    const struct store_operation *op = store_operation(store, engine->op_id);
    bool found = false;

    if (engine->type == STORE_OP_CLEAN_DEVICE) {
        found = store_device(store, step->object) != NULL;
        return !found ? ENGINE_NOTHING : store_device_used_kib(store, step->object) > 0 ? ENGINE_HELD : ENGINE_PLACED;
    }
    if (engine->type != STORE_OP_CLEAN_BRICKS) {
        return ENGINE_PLACED;
    }
    for (size_t i = 0; op != NULL && i < op->n_abandoned; i++) {
        found = found || id_equal(op->abandoned[i].id, step->object);
    }
    return found ? ENGINE_PLACED : ENGINE_NOTHING;
}

enum engine_place engine_place(const struct engine *engine, const struct store *store, struct engine_step *step)
{
    if (engine->type == STORE_OP_DEVICE_REPLACE && !is_of_device(step->kind)) {
        return place_renewed(engine, store, step);
    }
    switch (step->kind) {
    case EXEC_NODE_RENEW:
        return place_node_renew(store, step);
    case EXEC_VOLUME_CREATE:
    case EXEC_VOLUME_DELETE:
    case EXEC_VOLUME_EXPAND:
    case EXEC_REBALANCE_START:
    case EXEC_REBALANCE_STATUS:
    case EXEC_VOLUME_CLONE:
    case EXEC_CLONE_START:
    case EXEC_SNAPSHOT_DELETE:
    case EXEC_VOLUME_CHECK:
        return place_volume(engine, store, step);
    case EXEC_VOLUME_LOOK:
        if (step->own || engine->type == STORE_OP_CLONE_VOLUME) { /* each node is asked for its own bricks */
            return ENGINE_PLACED;
        }
        return place_volume(engine, store, step);
    case EXEC_BLOCK_CREATE:
    case EXEC_BLOCK_EXPAND:
    case EXEC_BLOCK_LOOK:
    case EXEC_BLOCK_DELETE:
        return engine_place_block(engine, store, step);
    case EXEC_HEAL_CHECK:
    case EXEC_BRICK_REPLACE:
    case EXEC_BRICK_UNREPLACED:
    case EXEC_HEAL_WAIT:
        return place_evict(engine, store, step);
    case EXEC_BRICK_SYNC:
        if (engine->type == STORE_OP_EVICT_BRICK) {
            return place_evict(engine, store, step);
        }
        return step->policy == ENGINE_IGNORES ? place_host(engine, store, step) : ENGINE_PLACED;
    case EXEC_GLUSTERD_CHECK:
    case EXEC_PEER_PROBE:
    case EXEC_PEER_DETACH:
        return place_peer(engine, store, step);
    case EXEC_PEER_FORGET:
        return place_forget(engine, store, step);
    case EXEC_DEVICE_LOOK: /* nothing holds the device: it may be deleted meanwhile */
        return store_device(store, step->object) != NULL ? ENGINE_PLACED : ENGINE_NOTHING;
    case EXEC_DEVICE_TEARDOWN:
    case EXEC_BRICK_DESTROY:
        return place_left(engine, store, step);
    default:
        return ENGINE_PLACED;
    }
}

void engine_blame(struct engine *engine, struct id node)
{
    for (size_t i = 0; i < engine->n_failed_nodes; i++) {
        if (id_equal(engine->failed_nodes[i], node)) {
            return;
        }
    }
    engine->failed_nodes =
        mem_realloc_array(engine->failed_nodes, engine->n_failed_nodes + 1, sizeof(*engine->failed_nodes));
    engine->failed_nodes[engine->n_failed_nodes++] = node;
}

bool engine_is_pool_step(enum exec_step_kind kind)
{
    switch (kind) {
    case EXEC_VOLUME_CREATE:
    case EXEC_VOLUME_DELETE:
    case EXEC_VOLUME_EXPAND:
    case EXEC_VOLUME_LOOK:
    case EXEC_REBALANCE_START:
    case EXEC_REBALANCE_STATUS:
    case EXEC_VOLUME_CLONE:
    case EXEC_CLONE_START:
    case EXEC_SNAPSHOT_DELETE:
    case EXEC_VOLUME_CHECK:
    case EXEC_BLOCK_CREATE:
    case EXEC_BLOCK_EXPAND:
    case EXEC_BLOCK_LOOK:
    case EXEC_BLOCK_DELETE:
    case EXEC_PEER_PROBE:
    case EXEC_PEER_DETACH:
    case EXEC_HEAL_CHECK:
    case EXEC_BRICK_REPLACE:
    case EXEC_BRICK_UNREPLACED:
    case EXEC_HEAL_WAIT:
        return true;
    default:
        return false;
    }
}

bool engine_blame_down_nodes(struct engine *engine, const struct store *store, struct id id)
{
    const struct store_volume *volume = store_volume(store, id);
    bool found = false;

    for (size_t i = 0; volume != NULL && i < volume->n_bricks; i++) {
        struct id node = brick_node(store, &volume->bricks[i]);

        if (id_equal(volume->bricks[i].pending, engine->op_id) && engine_is_down(engine, node)) {
            engine_blame(engine, node);
            found = true;
        }
    }
    return found;
}

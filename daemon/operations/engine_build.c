/* Which steps each operation consists of, in each phase, and what a failure of each means. */
#include <string.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

enum subject {
    TARGET,    /* the operation's volume, block volume or node; where it runs is decided at each try */
    HOSTS,     /* each brick of the volume that hosts the block volume */
    HOSTING,   /* the hosting volume that a block volume's create makes too; without one no step */
    POOL,      /* each other node of the cluster of the operation's node */
    DEVICE,    /* the operation's device, on its node */
    BRICKS,    /* each brick of the volume, or of that hosting volume, that the operation makes or takes away */
    OWNERS,    /* the volume, on each node that has bricks of it */
    ABANDONED, /* each brick of abandoned attempts */
    MOVING,    /* evict: the volume of the brick */
    COMING,    /* evict: the replacement, if there is one */
    HEALING,   /* evict: the volume of the brick, unless healing is not looked at */
    RENEWED,   /* device replace: each brick on the device; where healing is asked for, those that can heal */
};

enum condition {
    ALWAYS,
    REPLANNED, /* only after a (re)plan */
    UNPLACED,  /* evict: before there is a replacement */
    UNLEARNT,  /* clone: before its bricks' places are known */
    LEARNT,
    RESTORED, /* it came with a backup */
    SPREAD, /* only where not all of the volume's bricks are on one node, which would harm only itself; of a clone, when
               it is learnt */
};

struct row {
    enum store_op_type type;
    enum store_op_phase phase;
    unsigned stage;
    enum exec_step_kind kind;
    enum subject subject;
    enum engine_policy policy;
    enum condition condition;
};

/* One node's word must not destroy what is on others: where bricks that may hold data, or the name of a block volume,
 * go because a node of the pool says so, the step stands here twice, in two stages, and the second time runs on another
 * node (engine_place.c). What a create or a clone made has been given to nobody yet: for that, one node is enough, but
 * not for a snapshot, which would stay on all of them, nor where it came with a backup (engine_restored.c). What
 * clients are given a second node has to know, too: a volume may be made of another kind than was asked for. It is
 * asked while the bricks are synced. */
static const struct row rows[] = {
    /* It may have been made, told and written to since the backup: then there is nothing left to do. */
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 0, EXEC_VOLUME_LOOK, TARGET, ENGINE_WAITS, RESTORED},
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 1, EXEC_VOLUME_LOOK, TARGET, ENGINE_WAITS, RESTORED},
    /* An abandoned attempt may have got as far as a volume with the old bricks. */
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 2, EXEC_VOLUME_DELETE, TARGET, ENGINE_UNDOES, REPLANNED},
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 3, EXEC_BRICK_CREATE, BRICKS, ENGINE_UNDOES, ALWAYS},
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 4, EXEC_VOLUME_CREATE, TARGET, ENGINE_UNDOES, ALWAYS},
    /* The volume is there: a node that is silent now is no reason to give it up. */
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 5, EXEC_BRICK_SYNC, BRICKS, ENGINE_UNDOES_REFUSED, ALWAYS},
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 5, EXEC_VOLUME_CHECK, TARGET, ENGINE_UNDOES_REFUSED, SPREAD},
    {STORE_OP_CREATE_VOLUME, STORE_OP_UNDO, 0, EXEC_VOLUME_DELETE, TARGET, ENGINE_WAITS, ALWAYS},
    {STORE_OP_CREATE_VOLUME, STORE_OP_UNDO, 1, EXEC_BRICK_DESTROY, BRICKS, ENGINE_WAITS, ALWAYS},
    {STORE_OP_CREATE_VOLUME, STORE_OP_UNDO, 1, EXEC_BRICK_DESTROY, ABANDONED, ENGINE_WAITS, ALWAYS},

    {STORE_OP_DELETE_VOLUME, STORE_OP_FORWARD, 0, EXEC_VOLUME_DELETE, TARGET, ENGINE_REFUSES_AT_ONCE, ALWAYS},
    {STORE_OP_DELETE_VOLUME, STORE_OP_FORWARD, 1, EXEC_VOLUME_DELETE, TARGET, ENGINE_REFUSES_AT_ONCE, ALWAYS},
    {STORE_OP_DELETE_VOLUME, STORE_OP_FORWARD, 2, EXEC_BRICK_DESTROY, BRICKS, ENGINE_WAITS, ALWAYS},

    /* With a hosting volume, when none had room: first all that a volume create does. */
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 0, EXEC_VOLUME_LOOK, HOSTING, ENGINE_WAITS, RESTORED},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 1, EXEC_VOLUME_LOOK, HOSTING, ENGINE_WAITS, RESTORED},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 2, EXEC_VOLUME_DELETE, HOSTING, ENGINE_UNDOES, REPLANNED},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 3, EXEC_BRICK_CREATE, BRICKS, ENGINE_UNDOES, ALWAYS},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 4, EXEC_VOLUME_CREATE, HOSTING, ENGINE_UNDOES, ALWAYS},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 5, EXEC_BRICK_SYNC, BRICKS, ENGINE_UNDOES_REFUSED, ALWAYS},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 5, EXEC_VOLUME_CHECK, HOSTING, ENGINE_UNDOES_REFUSED, SPREAD},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 6, EXEC_BLOCK_CREATE, TARGET, ENGINE_UNDOES, ALWAYS},
    /* Clients will write to what it is said to be. */
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 7, EXEC_BLOCK_LOOK, TARGET, ENGINE_CONFIRMS, ALWAYS},
    /* Whoever loses power now is healed by the others, so that the silent are not waited for. */
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 8, EXEC_BRICK_SYNC, HOSTS, ENGINE_IGNORES, ALWAYS},
    /* Whoever made it may say that it is gone: then it would stay on the others, and nothing counts its space. */
    {STORE_OP_CREATE_BLOCK, STORE_OP_UNDO, 0, EXEC_BLOCK_DELETE, TARGET, ENGINE_SKIPS, ALWAYS},
    {STORE_OP_CREATE_BLOCK, STORE_OP_UNDO, 1, EXEC_BLOCK_DELETE, TARGET, ENGINE_SKIPS, ALWAYS},
    {STORE_OP_CREATE_BLOCK, STORE_OP_UNDO, 2, EXEC_VOLUME_DELETE, HOSTING, ENGINE_WAITS, ALWAYS},
    {STORE_OP_CREATE_BLOCK, STORE_OP_UNDO, 3, EXEC_BRICK_DESTROY, BRICKS, ENGINE_WAITS, ALWAYS},
    {STORE_OP_CREATE_BLOCK, STORE_OP_UNDO, 3, EXEC_BRICK_DESTROY, ABANDONED, ENGINE_WAITS, ALWAYS},
    {STORE_OP_DELETE_BLOCK, STORE_OP_FORWARD, 0, EXEC_BLOCK_DELETE, TARGET, ENGINE_REFUSES, ALWAYS},
    /* Its name is free for the next one then. Where gluster-block is on no other node, none can say so, too. */
    {STORE_OP_DELETE_BLOCK, STORE_OP_FORWARD, 1, EXEC_BLOCK_DELETE, TARGET, ENGINE_SKIPS, ALWAYS},
    {STORE_OP_DELETE_BLOCK, STORE_OP_FORWARD, 2, EXEC_BRICK_SYNC, HOSTS, ENGINE_IGNORES, ALWAYS},
    /* What has grown cannot shrink: undoing is finding out how large it is. */
    {STORE_OP_EXPAND_BLOCK, STORE_OP_FORWARD, 0, EXEC_BLOCK_EXPAND, TARGET, ENGINE_UNDOES_REFUSED, ALWAYS},
    {STORE_OP_EXPAND_BLOCK, STORE_OP_FORWARD, 1, EXEC_BLOCK_LOOK, TARGET, ENGINE_CONFIRMS, ALWAYS},
    {STORE_OP_EXPAND_BLOCK, STORE_OP_FORWARD, 2, EXEC_BRICK_SYNC, HOSTS, ENGINE_IGNORES, ALWAYS},
    {STORE_OP_EXPAND_BLOCK, STORE_OP_UNDO, 0, EXEC_BLOCK_LOOK, TARGET, ENGINE_WAITS, ALWAYS},
    {STORE_OP_EXPAND_BLOCK, STORE_OP_UNDO, 1, EXEC_BLOCK_LOOK, TARGET, ENGINE_SKIPS, ALWAYS},

    /* Gluster may have the bricks already: then what is before stage 4 is done. Only for that a second node is asked.
     */
    {STORE_OP_EXPAND_VOLUME, STORE_OP_FORWARD, 0, EXEC_VOLUME_LOOK, TARGET, ENGINE_UNDOES_REFUSED, ALWAYS},
    {STORE_OP_EXPAND_VOLUME, STORE_OP_FORWARD, 1, EXEC_VOLUME_LOOK, TARGET, ENGINE_UNDOES_REFUSED, ALWAYS},
    {STORE_OP_EXPAND_VOLUME, STORE_OP_FORWARD, 2, EXEC_BRICK_CREATE, BRICKS, ENGINE_UNDOES, ALWAYS},
    {STORE_OP_EXPAND_VOLUME, STORE_OP_FORWARD, 3, EXEC_VOLUME_EXPAND, TARGET, ENGINE_UNDOES_REFUSED, ALWAYS},
    {STORE_OP_EXPAND_VOLUME, STORE_OP_FORWARD, 4, EXEC_BRICK_SYNC, BRICKS, ENGINE_WAITS, ALWAYS},
    /* What Gluster has taken cannot be undone. */
    {STORE_OP_EXPAND_VOLUME, STORE_OP_FORWARD, 4, EXEC_VOLUME_CHECK, TARGET, ENGINE_WAITS, SPREAD},
    {STORE_OP_EXPAND_VOLUME, STORE_OP_UNDO, 0, EXEC_VOLUME_LOOK, TARGET, ENGINE_WAITS, ALWAYS},
    {STORE_OP_EXPAND_VOLUME, STORE_OP_UNDO, 1, EXEC_VOLUME_LOOK, TARGET, ENGINE_WAITS, ALWAYS},
    {STORE_OP_EXPAND_VOLUME, STORE_OP_UNDO, 2, EXEC_BRICK_DESTROY, BRICKS, ENGINE_WAITS, ALWAYS},
    {STORE_OP_EXPAND_VOLUME, STORE_OP_UNDO, 2, EXEC_BRICK_DESTROY, ABANDONED, ENGINE_WAITS, ALWAYS},

    {STORE_OP_REBALANCE, STORE_OP_FORWARD, 0, EXEC_REBALANCE_START, TARGET, ENGINE_REFUSES_BUSY, ALWAYS},
    {STORE_OP_REBALANCE, STORE_OP_FORWARD, 1, EXEC_REBALANCE_STATUS, TARGET, ENGINE_REFUSES_BUSY, ALWAYS},

    /* What is learnt of a brick decides what will be removed on its node some day: only that node says it. */
    {STORE_OP_CLONE_VOLUME, STORE_OP_FORWARD, 0, EXEC_VOLUME_CLONE, TARGET, ENGINE_UNDOES, UNLEARNT},
    {STORE_OP_CLONE_VOLUME, STORE_OP_FORWARD, 1, EXEC_VOLUME_LOOK, OWNERS, ENGINE_UNDOES_REFUSED, UNLEARNT},
    {STORE_OP_CLONE_VOLUME, STORE_OP_FORWARD, 2, EXEC_CLONE_START, TARGET, ENGINE_UNDOES_REFUSED, LEARNT},
    {STORE_OP_CLONE_VOLUME, STORE_OP_FORWARD, 3, EXEC_BRICK_SYNC, BRICKS, ENGINE_UNDOES_REFUSED, LEARNT},
    {STORE_OP_CLONE_VOLUME, STORE_OP_FORWARD, 3, EXEC_VOLUME_CHECK, TARGET, ENGINE_UNDOES_REFUSED, SPREAD},
    /* With it its source could not be deleted. */
    {STORE_OP_CLONE_VOLUME, STORE_OP_FORWARD, 4, EXEC_SNAPSHOT_DELETE, TARGET, ENGINE_UNDOES_REFUSED, SPREAD},
    {STORE_OP_CLONE_VOLUME, STORE_OP_UNDO, 0, EXEC_VOLUME_LOOK, OWNERS, ENGINE_WAITS, UNLEARNT},
    {STORE_OP_CLONE_VOLUME, STORE_OP_UNDO, 1, EXEC_SNAPSHOT_DELETE, TARGET, ENGINE_WAITS, ALWAYS},
    {STORE_OP_CLONE_VOLUME, STORE_OP_UNDO, 2, EXEC_SNAPSHOT_DELETE, TARGET, ENGINE_WAITS, ALWAYS},
    /* Not by its name alone: it may be that of somebody else's volume. */
    {STORE_OP_CLONE_VOLUME, STORE_OP_UNDO, 3, EXEC_VOLUME_DELETE, TARGET, ENGINE_WAITS, LEARNT},
    {STORE_OP_CLONE_VOLUME, STORE_OP_UNDO, 4, EXEC_BRICK_DESTROY, BRICKS, ENGINE_WAITS, LEARNT},

    /* The look before a place is chosen; it is repeated, on another node than the replacing looks on, when it is. */
    {STORE_OP_EVICT_BRICK, STORE_OP_FORWARD, 0, EXEC_HEAL_CHECK, HEALING, ENGINE_UNDOES, UNPLACED},
    {STORE_OP_EVICT_BRICK, STORE_OP_FORWARD, 1, EXEC_BRICK_CREATE, COMING, ENGINE_UNDOES, REPLANNED},
    {STORE_OP_EVICT_BRICK, STORE_OP_FORWARD, 2, EXEC_HEAL_CHECK, HEALING, ENGINE_UNDOES, REPLANNED},
    {STORE_OP_EVICT_BRICK, STORE_OP_FORWARD, 3, EXEC_BRICK_REPLACE, MOVING, ENGINE_UNDOES_REFUSED, REPLANNED},
    {STORE_OP_EVICT_BRICK, STORE_OP_FORWARD, 4, EXEC_BRICK_REPLACE, MOVING, ENGINE_UNDOES_REFUSED, REPLANNED},
    {STORE_OP_EVICT_BRICK, STORE_OP_COMMITTED, 0, EXEC_BRICK_SYNC, COMING, ENGINE_WAITS, ALWAYS},
    {STORE_OP_EVICT_BRICK, STORE_OP_COMMITTED, 1, EXEC_HEAL_WAIT, HEALING, ENGINE_WAITS, ALWAYS},
    {STORE_OP_EVICT_BRICK, STORE_OP_COMMITTED, 2, EXEC_HEAL_WAIT, HEALING, ENGINE_WAITS, ALWAYS},
    {STORE_OP_EVICT_BRICK, STORE_OP_COMMITTED, 3, EXEC_BRICK_DESTROY, ABANDONED, ENGINE_WAITS, ALWAYS},
    /* A try whose outcome was not learnt may have succeeded after all. */
    {STORE_OP_EVICT_BRICK, STORE_OP_UNDO, 0, EXEC_BRICK_UNREPLACED, MOVING, ENGINE_TURNS, REPLANNED},
    {STORE_OP_EVICT_BRICK, STORE_OP_UNDO, 1, EXEC_BRICK_UNREPLACED, MOVING, ENGINE_TURNS, REPLANNED},
    {STORE_OP_EVICT_BRICK, STORE_OP_UNDO, 2, EXEC_BRICK_DESTROY, ABANDONED, ENGINE_WAITS, ALWAYS},

    {STORE_OP_CLEAN_BRICKS, STORE_OP_FORWARD, 0, EXEC_BRICK_DESTROY, ABANDONED, ENGINE_WAITS, ALWAYS},

    /* The first node of a cluster is only asked whether its glusterd runs (engine_place.c). */
    {STORE_OP_NODE_ADD, STORE_OP_FORWARD, 0, EXEC_PEER_PROBE, TARGET, ENGINE_UNDOES, ALWAYS},
    /* One node's word is not the pool's: through another one it becomes true, if it was not. Nodes can be added while
     * no other one can be asked. */
    {STORE_OP_NODE_ADD, STORE_OP_FORWARD, 1, EXEC_PEER_PROBE, TARGET, ENGINE_IGNORES, ALWAYS},
    {STORE_OP_NODE_ADD, STORE_OP_UNDO, 0, EXEC_PEER_DETACH, TARGET, ENGINE_WAITS, ALWAYS},
    {STORE_OP_NODE_ADD, STORE_OP_UNDO, 1, EXEC_PEER_FORGET, POOL, ENGINE_WAITS_ANSWERED, ALWAYS},
    {STORE_OP_NODE_DELETE, STORE_OP_FORWARD, 0, EXEC_PEER_DETACH, TARGET, ENGINE_REFUSES, ALWAYS},
    /* One that lost its power in the detaching may have it back as a peer. One that does not let go of it has a peer
     * that nobody else has: it holds up nobody. */
    {STORE_OP_NODE_DELETE, STORE_OP_FORWARD, 1, EXEC_PEER_FORGET, POOL, ENGINE_WAITS_ANSWERED, ALWAYS},

    {STORE_OP_DEVICE_ADD, STORE_OP_FORWARD, 0, EXEC_DEVICE_SETUP, DEVICE, ENGINE_UNDOES, ALWAYS},
    {STORE_OP_DEVICE_ADD, STORE_OP_UNDO, 0, EXEC_DEVICE_TEARDOWN, DEVICE, ENGINE_SKIPS, ALWAYS},
    {STORE_OP_DEVICE_DELETE, STORE_OP_FORWARD, 0, EXEC_DEVICE_TEARDOWN, DEVICE, ENGINE_REFUSES, ALWAYS},
    /* Of one that was forgotten: when its node is back. Bricks that are left there go first. */
    {STORE_OP_CLEAN_DEVICE, STORE_OP_FORWARD, 0, EXEC_DEVICE_TEARDOWN, DEVICE, ENGINE_REFUSES, ALWAYS},
    {STORE_OP_DEVICE_RESYNC, STORE_OP_FORWARD, 0, EXEC_DEVICE_LOOK, DEVICE, ENGINE_UNDOES, ALWAYS}, /* undo: nothing */

    /* What may be the last copy goes only when the others have said that they have all; from then on it is forward. */
    {STORE_OP_DEVICE_REPLACE, STORE_OP_FORWARD, 0, EXEC_DEVICE_LOST, DEVICE, ENGINE_UNDOES, ALWAYS},
    {STORE_OP_DEVICE_REPLACE, STORE_OP_FORWARD, 1, EXEC_HEAL_CHECK, RENEWED, ENGINE_UNDOES, ALWAYS},
    {STORE_OP_DEVICE_REPLACE, STORE_OP_FORWARD, 2, EXEC_HEAL_CHECK, RENEWED, ENGINE_UNDOES, ALWAYS},
    {STORE_OP_DEVICE_REPLACE, STORE_OP_FORWARD, 3, EXEC_DEVICE_RENEW, DEVICE, ENGINE_UNDOES, ALWAYS},
    {STORE_OP_DEVICE_REPLACE, STORE_OP_COMMITTED, 0, EXEC_DEVICE_LOOK, DEVICE, ENGINE_WAITS, ALWAYS},
    {STORE_OP_DEVICE_REPLACE, STORE_OP_COMMITTED, 1, EXEC_BRICK_CREATE, RENEWED, ENGINE_WAITS, ALWAYS},
    {STORE_OP_DEVICE_REPLACE, STORE_OP_COMMITTED, 2, EXEC_BRICK_RESET, RENEWED, ENGINE_WAITS, ALWAYS},
    {STORE_OP_DEVICE_REPLACE, STORE_OP_COMMITTED, 3, EXEC_BRICK_SYNC, RENEWED, ENGINE_WAITS, ALWAYS},
    {STORE_OP_DEVICE_REPLACE, STORE_OP_COMMITTED, 4, EXEC_HEAL_WAIT, RENEWED, ENGINE_WAITS, ALWAYS},
    {STORE_OP_DEVICE_REPLACE, STORE_OP_COMMITTED, 5, EXEC_HEAL_WAIT, RENEWED, ENGINE_WAITS, ALWAYS},
    /* Its devices are parts, operations of their own. */
    {STORE_OP_NODE_REPLACE, STORE_OP_FORWARD, 0, EXEC_NODE_RENEW, TARGET, ENGINE_UNDOES, ALWAYS},
};

static struct id device_node(const struct store *store, struct id id)
{
    const struct store_device *device = store_device(store, id);

    CHECK(device != NULL);
    return device->node;
}

static void add_step(struct engine *engine, const struct row *row, struct id node, struct id object, uint64_t now_ms)
{
    /* What is forgotten by force must not wait for whoever is silent. */
    bool forget = engine->force && (row->type == STORE_OP_DEVICE_DELETE || row->kind == EXEC_PEER_FORGET);

    engine->steps[engine->n_steps++] = (struct engine_step){
        .kind = row->kind,
        .policy = forget ? ENGINE_IGNORES : row->policy,
        .stage = row->stage,
        .node = node,
        .object = object,
        .since_ms = now_ms,
    };
}

static void add_bricks(struct engine *engine, const struct row *row, const struct store *store,
                       const struct store_brick *bricks, size_t n, uint64_t now_ms)
{
    for (size_t i = 0; i < n; i++) {
        if (row->subject != BRICKS || id_equal(bricks[i].pending, engine->op_id)) {
            add_step(engine, row, device_node(store, bricks[i].device), bricks[i].id, now_ms);
        }
    }
}

static void add_owners(struct engine *engine, const struct row *row, const struct store *store,
                       const struct store_volume *volume, uint64_t now_ms)
{
    size_t first = engine->n_steps;

    for (size_t i = 0; i < volume->n_bricks; i++) {
        struct id node = device_node(store, volume->bricks[i].device);
        bool listed = false;

        for (size_t j = first; j < engine->n_steps; j++) {
            listed = listed || id_equal(engine->steps[j].node, node);
        }
        if (!listed) {
            add_step(engine, row, node, volume->id, now_ms);
        }
    }
}

static size_t cluster_nodes(const struct store *store, struct id cluster)
{
    const struct store_node *node = NULL;
    size_t n = 0;

    while ((node = store_cluster_node_next(store, cluster, node)) != NULL) {
        n++;
    }
    return n;
}

static void add_pool(struct engine *engine, const struct row *row, const struct store *store,
                     const struct store_node *target, uint64_t now_ms)
{
    const struct store_node *node = NULL;

    while (target != NULL && (node = store_cluster_node_next(store, target->cluster, node)) != NULL) {
        if (node != target) {
            add_step(engine, row, node->id, target->id, now_ms);
        }
    }
}

static const struct store_volume *hosting_volume(const struct store *store, struct id block_id)
{
    const struct store_block_volume *block = store_block_volume(store, block_id);

    return block != NULL ? store_volume(store, block->hosting) : NULL;
}

static bool is_spread(const struct store *store, const struct store_volume *volume)
{
    for (size_t i = 1; i < volume->n_bricks; i++) {
        if (!id_equal(device_node(store, volume->bricks[i].device), device_node(store, volume->bricks[0].device))) {
            return true;
        }
    }
    return false;
}

static bool applies(const struct row *row, const struct store *store, const struct store_operation *op,
                    const struct store_volume *volume)
{
    if (row->type != op->type || row->phase != op->phase) {
        return false;
    }
    switch (row->condition) {
    case REPLANNED:
        return op->attempt > 0;
    case UNPLACED:
        return id_is_none(op->replacement);
    case UNLEARNT:
        return volume == NULL || !engine_is_learnt(volume);
    case RESTORED:
        return op->restored;
    case LEARNT:
        return volume != NULL && engine_is_learnt(volume);
    case SPREAD:
        return volume != NULL && is_spread(store, volume) &&
               (op->type != STORE_OP_CLONE_VOLUME || engine_is_learnt(volume));
    case ALWAYS:
        break;
    }
    return true;
}

/* An evict's steps on its volume and its replacement; of what is gone meanwhile there is nothing to do. */
static void add_evict(struct engine *engine, const struct row *row, const struct store *store,
                      const struct store_operation *op, uint64_t now_ms)
{
    const struct store_volume *volume = engine_evict_volume(store, op);

    if (volume == NULL || (row->subject == HEALING && op->skip_heal)) {
        return;
    }
    if (row->kind == EXEC_HEAL_WAIT && volume->durability == STORE_NONE) {
        return;
    }
    if (row->subject != COMING) {
        add_step(engine, row, ID_NONE, volume->id, now_ms);
        return;
    }
    for (size_t i = 0; i < op->n_abandoned; i++) {
        if (id_equal(op->abandoned[i].id, op->replacement)) {
            add_bricks(engine, row, store, &op->abandoned[i], 1, now_ms);
        }
    }
    if (op->phase == STORE_OP_COMMITTED) {
        add_bricks(engine, row, store, store_brick(store, op->replacement), 1, now_ms);
    }
}

/* Of a volume of single bricks Gluster has no heal info: there is nothing to copy from. */
static void add_renewed(struct engine *engine, const struct row *row, const struct store *store, struct id device,
                        uint64_t now_ms)
{
    bool heals = row->kind == EXEC_HEAL_CHECK || row->kind == EXEC_HEAL_WAIT;
    const struct store_brick *brick = NULL;

    while ((brick = store_device_brick_next(store, device, brick)) != NULL) {
        const struct store_volume *volume = store_volume(store, brick->volume);

        if (volume != NULL && (!heals || !store_volume_is_single(volume))) {
            add_step(engine, row, device_node(store, device), brick->id, now_ms);
        }
    }
}

void engine_build(struct engine *engine, const struct store *store, const struct store_operation *op, uint64_t now_ms)
{
    const struct store_volume *volume = store_operation_volume(store, op);
    const struct store_volume *hosting = hosting_volume(store, op->target); /* of a block volume's operation */
    const struct store_node *node = store_node(store, op->target);          /* of a node's operation */
    size_t n_bricks = volume != NULL ? volume->n_bricks : 0;
    size_t n_hosts = hosting != NULL ? hosting->n_bricks : 0;
    size_t n_nodes = node != NULL ? cluster_nodes(store, node->cluster) : 0;

    size_t n_renewed = op->type == STORE_OP_DEVICE_REPLACE ? store_device_bricks(store, op->target) : 0;

    /* A third one for each brick: engine_unmark. */
    engine->max_steps = 7 + 3 * n_bricks + n_hosts + n_nodes + op->n_abandoned + 5 * n_renewed;
    engine->steps = mem_calloc(engine->max_steps, sizeof(*engine->steps));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];

        if (!applies(row, store, op, volume)) {
            continue;
        }
        switch (row->subject) {
        case TARGET:
            add_step(engine, row, ID_NONE, op->target, now_ms);
            break;
        case HOSTS:
            if (hosting != NULL) {
                add_bricks(engine, row, store, hosting->bricks, hosting->n_bricks, now_ms);
            }
            break;
        case HOSTING:
            if (volume != NULL) {
                add_step(engine, row, ID_NONE, volume->id, now_ms);
            }
            break;
        case POOL:
            add_pool(engine, row, store, node, now_ms);
            break;
        case DEVICE:
            if (store_device(store, op->target) != NULL) { /* it may be gone meanwhile where nothing holds it */
                add_step(engine, row, device_node(store, op->target), op->target, now_ms);
            }
            break;
        case BRICKS:
            if (volume != NULL) {
                add_bricks(engine, row, store, volume->bricks, volume->n_bricks, now_ms);
            }
            break;
        case OWNERS:
            if (volume != NULL) {
                add_owners(engine, row, store, volume, now_ms);
            }
            break;
        case MOVING:
        case COMING:
        case HEALING:
            add_evict(engine, row, store, op, now_ms);
            break;
        case RENEWED:
            add_renewed(engine, row, store, op->target, now_ms);
            break;
        case ABANDONED:
            add_bricks(engine, row, store, op->abandoned, op->n_abandoned, now_ms);
            break;
        }
    }
}

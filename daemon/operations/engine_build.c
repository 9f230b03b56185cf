/* Which steps each operation consists of, in each phase, and what a failure of each means. */
#include <string.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

enum subject {
    TARGET,    /* the operation's volume, block volume or node; where it runs is decided at each try */
    HOSTING,   /* the hosting volume that a block volume's create makes too; without one no step */
    DEVICE,    /* the operation's device, on its node */
    BRICKS,    /* each brick of the volume, or of that hosting volume */
    ABANDONED, /* each brick of abandoned attempts */
};

struct row {
    enum store_op_type type;
    enum store_op_phase phase;
    unsigned stage;
    enum exec_step_kind kind;
    enum subject subject;
    enum engine_policy policy;
    bool replanned; /* only after a replan */
};

static const struct row rows[] = {
    /* An abandoned attempt may have got as far as a volume with the old bricks. */
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 0, EXEC_VOLUME_DELETE, TARGET, ENGINE_UNDOES, true},
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 1, EXEC_BRICK_CREATE, BRICKS, ENGINE_UNDOES, false},
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 2, EXEC_VOLUME_CREATE, TARGET, ENGINE_UNDOES, false},
    /* The volume is there: a node that is silent now is no reason to give it up. */
    {STORE_OP_CREATE_VOLUME, STORE_OP_FORWARD, 3, EXEC_BRICK_SYNC, BRICKS, ENGINE_UNDOES_REFUSED, false},
    {STORE_OP_CREATE_VOLUME, STORE_OP_UNDO, 0, EXEC_VOLUME_DELETE, TARGET, ENGINE_WAITS, false},
    {STORE_OP_CREATE_VOLUME, STORE_OP_UNDO, 1, EXEC_BRICK_DESTROY, BRICKS, ENGINE_WAITS, false},
    {STORE_OP_CREATE_VOLUME, STORE_OP_UNDO, 1, EXEC_BRICK_DESTROY, ABANDONED, ENGINE_WAITS, false},

    {STORE_OP_DELETE_VOLUME, STORE_OP_FORWARD, 0, EXEC_VOLUME_DELETE, TARGET, ENGINE_REFUSES_AT_ONCE, false},
    {STORE_OP_DELETE_VOLUME, STORE_OP_FORWARD, 1, EXEC_BRICK_DESTROY, BRICKS, ENGINE_WAITS, false},

    /* With a hosting volume, when none had room: first all that a volume create does. */
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 0, EXEC_VOLUME_DELETE, HOSTING, ENGINE_UNDOES, true},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 1, EXEC_BRICK_CREATE, BRICKS, ENGINE_UNDOES, false},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 2, EXEC_VOLUME_CREATE, HOSTING, ENGINE_UNDOES, false},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 3, EXEC_BRICK_SYNC, BRICKS, ENGINE_UNDOES_REFUSED, false},
    {STORE_OP_CREATE_BLOCK, STORE_OP_FORWARD, 4, EXEC_BLOCK_CREATE, TARGET, ENGINE_UNDOES, false},
    {STORE_OP_CREATE_BLOCK, STORE_OP_UNDO, 0, EXEC_BLOCK_DELETE, TARGET, ENGINE_SKIPS, false},
    {STORE_OP_CREATE_BLOCK, STORE_OP_UNDO, 1, EXEC_VOLUME_DELETE, HOSTING, ENGINE_WAITS, false},
    {STORE_OP_CREATE_BLOCK, STORE_OP_UNDO, 2, EXEC_BRICK_DESTROY, BRICKS, ENGINE_WAITS, false},
    {STORE_OP_CREATE_BLOCK, STORE_OP_UNDO, 2, EXEC_BRICK_DESTROY, ABANDONED, ENGINE_WAITS, false},
    {STORE_OP_DELETE_BLOCK, STORE_OP_FORWARD, 0, EXEC_BLOCK_DELETE, TARGET, ENGINE_REFUSES, false},
    /* What has grown cannot shrink: undoing is finding out how large it is. */
    {STORE_OP_EXPAND_BLOCK, STORE_OP_FORWARD, 0, EXEC_BLOCK_EXPAND, TARGET, ENGINE_UNDOES_REFUSED, false},
    {STORE_OP_EXPAND_BLOCK, STORE_OP_UNDO, 0, EXEC_BLOCK_LOOK, TARGET, ENGINE_WAITS, false},

    {STORE_OP_CLEAN_BRICKS, STORE_OP_FORWARD, 0, EXEC_BRICK_DESTROY, ABANDONED, ENGINE_WAITS, false},

    /* The first node of a cluster is only asked whether its glusterd runs (engine_place.c). */
    {STORE_OP_NODE_ADD, STORE_OP_FORWARD, 0, EXEC_PEER_PROBE, TARGET, ENGINE_UNDOES, false},
    {STORE_OP_NODE_ADD, STORE_OP_UNDO, 0, EXEC_PEER_DETACH, TARGET, ENGINE_WAITS, false},
    {STORE_OP_NODE_DELETE, STORE_OP_FORWARD, 0, EXEC_PEER_DETACH, TARGET, ENGINE_REFUSES, false},

    {STORE_OP_DEVICE_ADD, STORE_OP_FORWARD, 0, EXEC_DEVICE_SETUP, DEVICE, ENGINE_UNDOES, false},
    {STORE_OP_DEVICE_ADD, STORE_OP_UNDO, 0, EXEC_DEVICE_TEARDOWN, DEVICE, ENGINE_SKIPS, false},
    {STORE_OP_DEVICE_DELETE, STORE_OP_FORWARD, 0, EXEC_DEVICE_TEARDOWN, DEVICE, ENGINE_REFUSES, false},
};

static struct id device_node(const struct store *store, struct id id)
{
    const struct store_device *device = store_device(store, id);

    CHECK(device != NULL);
    return device->node;
}

static void add_step(struct engine *engine, const struct row *row, struct id node, struct id object, uint64_t now_ms)
{
    bool forget = row->type == STORE_OP_DEVICE_DELETE && engine->force;

    engine->steps[engine->n_steps++] = (struct engine_step){
        .kind = row->kind,
        .policy = forget ? ENGINE_IGNORES : row->policy,
        .stage = row->stage,
        .node = node,
        .object = object,
        .since_ms = now_ms,
        .needed = 1,
    };
}

static void add_bricks(struct engine *engine, const struct row *row, const struct store *store,
                       const struct store_brick *bricks, size_t n, uint64_t now_ms)
{
    for (size_t i = 0; i < n; i++) {
        add_step(engine, row, device_node(store, bricks[i].device), bricks[i].id, now_ms);
    }
}

/* gluster-block is not installed: nobody who does not have it has made a block volume. All of the cluster are asked. */
static uint32_t nodes_asked(const struct store *store, struct id block_id)
{
    const struct store_block_volume *block = store_block_volume(store, block_id);
    const struct store_volume *hosting = block != NULL ? store_volume(store, block->hosting) : NULL;
    const struct store_node *node = NULL;
    uint32_t n = 0;

    while (hosting != NULL && (node = store_cluster_node_next(store, hosting->cluster, node)) != NULL) {
        n++;
    }
    return n;
}

void engine_build(struct engine *engine, const struct store *store, const struct store_operation *op, uint64_t now_ms)
{
    const struct store_volume *volume = store_operation_volume(store, op);
    size_t n_bricks = volume != NULL ? volume->n_bricks : 0;

    engine->steps = mem_calloc(3 + 2 * n_bricks + op->n_abandoned, sizeof(*engine->steps));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];

        if (row->type != op->type || row->phase != op->phase || (row->replanned && op->attempt == 0)) {
            continue;
        }
        switch (row->subject) {
        case TARGET:
            add_step(engine, row, ID_NONE, op->target, now_ms);
            if (row->kind == EXEC_BLOCK_DELETE) {
                engine->steps[engine->n_steps - 1].needed = nodes_asked(store, op->target);
            }
            break;
        case HOSTING:
            if (volume != NULL) {
                add_step(engine, row, ID_NONE, volume->id, now_ms);
            }
            break;
        case DEVICE:
            add_step(engine, row, device_node(store, op->target), op->target, now_ms);
            break;
        case BRICKS:
            if (volume != NULL) {
                add_bricks(engine, row, store, volume->bricks, volume->n_bricks, now_ms);
            }
            break;
        case ABANDONED:
            add_bricks(engine, row, store, op->abandoned, op->n_abandoned, now_ms);
            break;
        }
    }
}

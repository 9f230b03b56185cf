/* Which steps each operation consists of, in each phase, and what a failure of each means. */
#include <string.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

enum subject {
    TARGET,    /* the operation's volume or node; where it runs is decided at each try */
    DEVICE,    /* the operation's device, on its node */
    BRICKS,    /* each brick of the volume */
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
    };
}

static void add_bricks(struct engine *engine, const struct row *row, const struct store *store,
                       const struct store_brick *bricks, size_t n, uint64_t now_ms)
{
    for (size_t i = 0; i < n; i++) {
        add_step(engine, row, device_node(store, bricks[i].device), bricks[i].id, now_ms);
    }
}

void engine_build(struct engine *engine, const struct store *store, const struct store_operation *op, uint64_t now_ms)
{
    const struct store_volume *volume = store_volume(store, op->target);
    size_t n_bricks = volume != NULL ? volume->n_bricks : 0;

    engine->steps = mem_calloc(2 + 2 * n_bricks + op->n_abandoned, sizeof(*engine->steps));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];

        if (row->type != op->type || row->phase != op->phase || (row->replanned && op->attempt == 0)) {
            continue;
        }
        switch (row->subject) {
        case TARGET:
            add_step(engine, row, ID_NONE, op->target, now_ms);
            break;
        case DEVICE:
            add_step(engine, row, device_node(store, op->target), op->target, now_ms);
            break;
        case BRICKS:
            CHECK(volume != NULL);
            add_bricks(engine, row, store, volume->bricks, volume->n_bricks, now_ms);
            break;
        case ABANDONED:
            add_bricks(engine, row, store, op->abandoned, op->n_abandoned, now_ms);
            break;
        }
    }
}

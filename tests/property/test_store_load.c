/* Loads that an attacker has changed: each is refused and leaves nothing, or whatever its operations come to then
 * leaves a whole database, which its own snapshot gives back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/load.h"
#include "tests/unit/store/world.h"

#define ROUNDS 400
#define HONEST_ROUNDS 40
#define STEPS 40
#define IDS_MAX 256

struct run {
    struct world source, world;
    struct id ids[IDS_MAX]; /* of everything in the load */
    size_t n_ids;
    size_t n_loaded;
};

/* ---- a database in which much is under way ---- */

static void begin_some(struct world *w, const struct id *nodes, const struct id *devices)
{
    struct id cluster = store_cluster_next(w->store, NULL)->id, volume = world_volume(w, 10, 2, "grows");
    struct store_request request;
    struct store_cmd cmd;

    (void)world_block(w, 3, "block");
    (void)world_create_block(w, 1, "new");
    (void)world_begin_node(w, cluster, 9, "new");
    (void)world_begin_device(w, nodes[0], "/dev/new");
    (void)world_create(w, 4, 3, "new");
    (void)world_target(w, STORE_REQ_VOLUME_DELETE, world_volume(w, 5, 3, "gone"));
    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = volume;
    request.volume.size_gib = 3;
    (void)world_request(w, &request);
    if (world_below(w, 2) > 0 && store_plan_again(w->store, w->result.op_id, &w->env, &cmd, &w->result) == STORE_OK) {
        (void)world_apply(w, &cmd);
        store_cmd_fini(&cmd);
    }
    volume = world_volume(w, 6, 2, "moves");
    (void)world_target(w, STORE_REQ_BRICK_EVICT, store_volume(w->store, volume)->bricks[0].id);
    if (store_plan_again(w->store, w->result.op_id, &w->env, &cmd, &w->result) == STORE_OK) {
        (void)world_apply(w, &cmd);
        store_cmd_fini(&cmd);
    }
    (void)world_state(w, STORE_REQ_DEVICE_STATE, devices[5], STORE_STATE_OFFLINE);
    (void)world_state(w, STORE_REQ_DEVICE_STATE, devices[5], STORE_STATE_FAILED);
}

static void make_source(struct run *run, uint64_t seed)
{
    struct id nodes[6], devices[6];

    world_init(&run->source, seed);
    (void)world_topology(&run->source, 6, 500 * GIB, nodes, devices);
    (void)world_hosting(&run->source, 50, "host");
    begin_some(&run->source, nodes, devices);
}

/* ---- what the attacker does ---- */

static void remember(struct run *run, struct id id)
{
    if (run->n_ids < IDS_MAX) {
        run->ids[run->n_ids++] = id;
    }
}

static void remember_all(struct run *run, const struct store_load *load)
{
    run->n_ids = 0;
    for (size_t i = 0; i < load->n_operations; i++) {
        remember(run, load->operations[i].id);
        for (size_t j = 0; j < load->operations[i].n_abandoned; j++) {
            remember(run, load->operations[i].abandoned[j].id);
        }
    }
    for (size_t i = 0; i < load->n_nodes; i++) {
        remember(run, load->nodes[i].id);
    }
    for (size_t i = 0; i < load->n_devices; i++) {
        remember(run, load->devices[i].id);
    }
    for (size_t i = 0; i < load->n_blocks; i++) {
        remember(run, load->blocks[i].id);
    }
    for (size_t i = 0; i < load->n_volumes; i++) {
        remember(run, load->volumes[i].id);
        for (size_t j = 0; j < load->volumes[i].n_bricks; j++) {
            remember(run, load->volumes[i].bricks[j].id);
        }
    }
}

static struct id some_id(struct run *run)
{
    return world_below(&run->world, 8) > 0 ? run->ids[world_below(&run->world, run->n_ids)] : ID_NONE;
}

static uint32_t some_size(struct run *run)
{
    return (uint32_t)(world_below(&run->world, 4) > 0 ? world_below(&run->world, 60) : UINT32_MAX);
}

static void change_brick(struct run *run, struct store_brick *brick)
{
    switch (world_below(&run->world, 6)) {
    case 0:
        brick->pending = some_id(run);
        break;
    case 1:
        brick->device = some_id(run);
        break;
    case 2:
        brick->id = some_id(run);
        break;
    case 3:
        brick->pool_kib = brick->meta_kib = world_draw(&run->world) >> world_below(&run->world, 64);
        break;
    case 4:
        brick->type = brick->type == STORE_BRICK_ARBITER ? STORE_BRICK_NORMAL : STORE_BRICK_ARBITER;
        break;
    default:
        brick->set = (uint32_t)world_below(&run->world, 3);
        break;
    }
}

/* Another operation about the same or another thing, which is or is not held by it. */
static void change_operation(struct run *run, struct store_operation *op)
{
    static const enum store_op_type types[] = {STORE_OP_CREATE_VOLUME, STORE_OP_DELETE_VOLUME, STORE_OP_EXPAND_VOLUME,
                                               STORE_OP_CLONE_VOLUME,  STORE_OP_CREATE_BLOCK,  STORE_OP_DELETE_BLOCK,
                                               STORE_OP_EXPAND_BLOCK,  STORE_OP_NODE_ADD,      STORE_OP_NODE_DELETE,
                                               STORE_OP_DEVICE_ADD,    STORE_OP_DEVICE_DELETE, STORE_OP_DEVICE_RESYNC,
                                               STORE_OP_EVICT_BRICK,   STORE_OP_REMOVE_DEVICE, STORE_OP_NODE_REMOVE,
                                               STORE_OP_CLEAN_BRICKS,  STORE_OP_CLEAN_DEVICE,  STORE_OP_REBALANCE};

    switch (world_below(&run->world, 7)) {
    case 0:
        op->target = some_id(run);
        break;
    case 1:
        op->source = some_id(run);
        break;
    case 2:
        op->size_gib = some_size(run);
        break;
    case 3:
        op->phase = (enum store_op_phase)world_below(&run->world, 3);
        break;
    case 4:
        op->replacement = some_id(run);
        break;
    default:
        op->type = types[world_below(&run->world, sizeof(types) / sizeof(*types))];
        op->force = world_below(&run->world, 2) > 0;
        break;
    }
}

/* One more operation, which holds a node or a device. */
static void hold(struct run *run, struct store_load *load)
{
    struct store_node *node = &load->nodes[world_below(&run->world, load->n_nodes)];
    struct store_device *device = &load->devices[world_below(&run->world, load->n_devices)];
    bool holds_node = world_below(&run->world, 2) > 0, adds = world_below(&run->world, 2) > 0;
    struct store_operation *op;

    load->operations = mem_realloc_array(load->operations, load->n_operations + 1, sizeof(*op));
    op = &load->operations[load->n_operations++];
    *op = (struct store_operation){.id = world_id(&run->world), .reason = mem_strdup("")};
    op->force = world_below(&run->world, 2) > 0;
    op->target = holds_node ? node->id : device->id;
    if (holds_node) {
        op->type = adds ? STORE_OP_NODE_ADD : STORE_OP_NODE_DELETE;
        node->pending = op->id;
    } else {
        op->type = adds ? STORE_OP_DEVICE_ADD : STORE_OP_CLEAN_DEVICE;
        device->pending = op->id;
    }
}

static void change(struct run *run, struct store_load *load)
{
    struct world *w = &run->world;
    struct store_volume *volume = &load->volumes[world_below(w, load->n_volumes)];
    struct store_operation *op = &load->operations[world_below(w, load->n_operations)];

    switch (world_below(w, 8)) {
    case 0:
        change_brick(run, &volume->bricks[world_below(w, volume->n_bricks)]);
        break;
    case 1:
        volume->pending = some_id(run);
        for (size_t i = 0; i < volume->n_bricks; i++) {
            volume->bricks[i].pending = volume->pending;
        }
        break;
    case 2:
        volume->reserved_gib = some_size(run);
        break;
    case 3:
        load->blocks[world_below(w, load->n_blocks)].pending = some_id(run);
        break;
    case 4:
        hold(run, load);
        break;
    case 5:
        if (op->n_abandoned > 0) {
            change_brick(run, &op->abandoned[world_below(w, op->n_abandoned)]);
        }
        break;
    default:
        change_operation(run, op);
        break;
    }
}

/* ---- and what comes of it ---- */

static void assert_snapshot_reads(const struct store *store)
{
    struct store_snapshot *snapshot = store_snapshot_take(store);
    struct buf buf = BUF_INIT;
    struct err err = ERR_INIT;
    struct store *copy;

    store_snapshot_encode(snapshot, &buf);
    store_snapshot_free(snapshot);
    if (store_snapshot_decode(buf.data, buf.len, &copy, &err) != 0) {
        fail_msg("the snapshot: %s", err.message);
    }
    store_free(copy);
    buf_fini(&buf);
}

/* A client asks for something. */
static void ask(struct run *run)
{
    static const enum store_request_type types[] = {
        STORE_REQ_NODE_DELETE,  STORE_REQ_DEVICE_DELETE, STORE_REQ_VOLUME_DELETE,
        STORE_REQ_BLOCK_DELETE, STORE_REQ_BRICK_EVICT,   STORE_REQ_NODE_STATE,
        STORE_REQ_DEVICE_STATE, STORE_REQ_VOLUME_EXPAND, STORE_REQ_VOLUME_CLONE};
    struct world *w = &run->world;
    struct store_request request;

    store_request_init(&request, types[world_below(w, sizeof(types) / sizeof(*types))]);
    request.target = run->ids[world_below(w, run->n_ids)];
    request.state = world_below(w, 2) > 0 ? STORE_STATE_OFFLINE : STORE_STATE_FAILED;
    request.force = world_below(w, 2) > 0;
    request.volume.size_gib = 1;
    (void)world_request(w, &request);
}

static void step(struct run *run)
{
    static const enum store_cmd_type types[] = {STORE_CMD_OP_UNDO,    STORE_CMD_OP_REDO, STORE_CMD_OP_MOVED,
                                                STORE_CMD_OP_FORWARD, STORE_CMD_OP_END,  STORE_CMD_OP_END,
                                                STORE_CMD_OP_END};
    struct world *w = &run->world;
    const struct store_operation *op = NULL;
    struct store_cmd cmd;

    if (store_counts(w->store).operations == 0 || world_below(w, 3) == 0) {
        ask(run);
        return;
    }
    for (size_t n = 1 + world_below(w, store_counts(w->store).operations); n > 0; n--) {
        op = store_operation_next(w->store, op);
    }
    if (world_below(w, 4) == 0) {
        if (store_plan_again(w->store, op->id, &w->env, &cmd, &w->result) == STORE_OK) {
            (void)world_apply(w, &cmd);
            store_cmd_fini(&cmd);
        }
        return;
    }
    store_cmd_init(&cmd, types[world_below(w, sizeof(types) / sizeof(*types))]);
    cmd.op_id = op->id;
    cmd.failed = world_below(w, 2) > 0;
    cmd.follow_id = world_below(w, 3) == 0 ? world_id(w) : ID_NONE;
    cmd.device.total_kib = 500 * GIB;
    cmd.device.extent_kib = 4096;
    (void)world_apply(w, &cmd);
    store_cmd_fini(&cmd);
}

static void one_round(struct run *run, uint64_t seed)
{
    struct store_loader *loader;
    struct store_cmd cmd;

    make_source(run, seed);
    world_init(&run->world, seed);
    loader = store_loader_new(run->source.store, world_id(&run->world), 1 << 20);
    assert_true(store_loader_next(loader, &cmd));
    remember_all(run, &cmd.load);
    for (size_t n = world_below(&run->world, 4); n > 0; n--) {
        change(run, &cmd.load);
    }
    if (world_apply(&run->world, &cmd) == STORE_OK) {
        run->n_loaded++;
        for (size_t i = 0; i < STEPS; i++) {
            step(run);
        }
    } else {
        assert_true(store_is_empty(run->world.store));
    }
    assert_snapshot_reads(run->world.store);
    store_cmd_fini(&cmd);
    store_loader_free(loader);
    world_fini(&run->world);
    world_fini(&run->source);
}

/* Whatever is under way: the database fits into an empty one, in the smallest parts. */
static void load_in_parts(const struct store *source, uint64_t seed)
{
    struct store_counts there = store_counts(source), loaded;
    const struct store_operation *op = NULL;
    struct store_loader *loader;
    struct err err = ERR_INIT;
    struct store_cmd cmd;
    struct world copy;
    size_t undone = 0;

    while ((op = store_operation_next(source, op)) != NULL) {
        undone += op->type == STORE_OP_NODE_REMOVE || op->type == STORE_OP_REMOVE_DEVICE;
    }
    world_init(&copy, seed);
    loader = store_loader_new(source, world_id(&copy), 1);
    assert_non_null(loader);
    while (store_loader_next(loader, &cmd)) {
        if (world_apply(&copy, &cmd) != STORE_OK) {
            fail_msg("seed %lu: %s", (unsigned long)seed, copy.result.text);
        }
        store_cmd_fini(&cmd);
    }
    store_loader_free(loader);
    if (store_check(copy.store, &err) != 0) {
        fail_msg("seed %lu: %s", (unsigned long)seed, err.message);
    }
    loaded = store_counts(copy.store);
    assert_int_equal(loaded.nodes, there.nodes);
    assert_int_equal(loaded.devices, there.devices);
    assert_int_equal(loaded.bricks, there.bricks);
    assert_int_equal(loaded.volumes, there.volumes);
    assert_int_equal(loaded.block_volumes, there.block_volumes);
    assert_int_equal(loaded.operations + undone, there.operations);
    world_fini(&copy);
}

static void test_honest_loads(void **state)
{
    uint64_t seed = world_seed("honest_loads", 1);
    struct run run = {.n_loaded = 0};

    (void)state;
    for (size_t i = 0; i < HONEST_ROUNDS; i++) {
        struct store_loader *loader;
        struct store_cmd cmd;

        make_source(&run, seed + i);
        load_in_parts(run.source.store, seed + i);
        world_init(&run.world, seed + i);
        loader = store_loader_new(run.source.store, world_id(&run.world), 1 << 20);
        assert_true(store_loader_next(loader, &cmd));
        remember_all(&run, &cmd.load);
        assert_int_equal(world_apply(&run.world, &cmd), STORE_OK);
        for (size_t j = 0; j < STEPS; j++) {
            step(&run);
            load_in_parts(run.world.store, seed + i);
        }
        store_cmd_fini(&cmd);
        store_loader_free(loader);
        world_fini(&run.world);
        world_fini(&run.source);
    }
}

static void test_changed_loads(void **state)
{
    uint64_t seed = world_seed("changed_loads", 1);
    struct run run = {.n_loaded = 0};

    (void)state;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        one_round(&run, seed * 100000 + i);
    }
    printf("%zu of %d were loaded\n", run.n_loaded, ROUNDS);
    assert_true(run.n_loaded > ROUNDS / 10 && run.n_loaded < ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_honest_loads), cmocka_unit_test(test_changed_loads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

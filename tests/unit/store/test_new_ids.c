/* No two objects have one id, of whatever kinds they are: what a planner never draws is refused all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/load.h"
#include "store/store_priv.h"
#include "tests/unit/store/world.h"

#define N_TAKEN 8

static struct world world;
static struct id nodes[3], devices[3], taken[N_TAKEN]; /* one id of each kind */

static int setup(void **state)
{
    struct id volume, block;

    (void)state;
    world_init(&world, 5);
    taken[0] = world_topology(&world, 3, 500 * GIB, nodes, devices);
    volume = world_hosting(&world, 100, "host");
    block = world_block(&world, 1, "b");
    taken[1] = nodes[0];
    taken[2] = devices[0];
    taken[3] = volume;
    taken[4] = block;
    taken[5] = store_volume(world.store, volume)->bricks[0].id;
    taken[6] = world_begin_device(&world, nodes[0], "/dev/next"); /* an operation */
    taken[7] = store_volume(world.store, volume)->created_by;     /* a job */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

/* Sets one of the new ids of a command to each of the taken ones: all are refused; then to a new one: that is not. */
static void try_all(struct store_cmd *cmd, struct id *at)
{
    struct store_digest before = store_digest(world.store), after;

    for (size_t i = 0; i < N_TAKEN; i++) {
        enum store_code code;

        *at = taken[i];
        code = world_apply(&world, cmd);
        after = store_digest(world.store);
        assert_memory_equal(before.bytes, after.bytes, sizeof(before.bytes));
        assert_true(code == STORE_CONFLICT || code == STORE_STALE_PLAN || code == STORE_REPEATED);
    }
    *at = world_id(&world);
    assert_int_equal(world_apply(&world, cmd), STORE_OK);
    store_cmd_fini(cmd);
}

static void test_cluster(void **state)
{
    struct store_cmd cmd;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_CLUSTER_CREATE);
    try_all(&cmd, &cmd.cluster.id);
}

static void begin_device(struct store_cmd *cmd)
{
    store_cmd_init(cmd, STORE_CMD_OP_BEGIN);
    cmd->op_type = STORE_OP_DEVICE_ADD;
    cmd->op_id = world_id(&world);
    cmd->device.id = world_id(&world);
    cmd->device.node = nodes[1];
    free(cmd->device.name);
    cmd->device.name = mem_strdup("/dev/x");
}

static void test_device(void **state)
{
    struct store_cmd cmd;

    (void)state;
    begin_device(&cmd);
    try_all(&cmd, &cmd.device.id);
}

static void test_operation(void **state)
{
    struct store_cmd cmd;

    (void)state;
    begin_device(&cmd);
    cmd.op_id = cmd.device.id; /* one id for two */
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    try_all(&cmd, &cmd.op_id);
}

static void test_node(void **state)
{
    static char name[] = "another";
    char *items[] = {name};
    struct store_cmd cmd;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_OP_BEGIN);
    cmd.op_type = STORE_OP_NODE_ADD;
    cmd.op_id = world_id(&world);
    cmd.node.cluster = taken[0];
    cmd.node.zone = 1;
    for (size_t i = 0; i < N_TAKEN; i++) {
        cmd.node.id = taken[i];
        cmd.node.manage = cmd.node.storage = (struct store_strs){items, 1};
        assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
        assert_null(store_operation(world.store, cmd.op_id));
        cmd.node.manage = cmd.node.storage = (struct store_strs){NULL, 0};
    }
    store_cmd_fini(&cmd);
}

static void plan_volume(struct store_cmd *cmd)
{
    struct store_request request;

    world_volume_request(&request, 10, 3, "v");
    assert_int_equal(world_plan(&world, &request, cmd), STORE_OK);
}

static void test_volume(void **state)
{
    struct store_cmd cmd;

    (void)state;
    plan_volume(&cmd);
    try_all(&cmd, &cmd.volume.id);
}

static void test_brick(void **state)
{
    struct store_cmd cmd;

    (void)state;
    plan_volume(&cmd);
    cmd.volume.bricks[1].id = cmd.volume.id;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    try_all(&cmd, &cmd.volume.bricks[1].id);
}

static void test_replanned_brick(void **state)
{
    struct store_cmd cmd;

    (void)state;
    assert_int_equal(world_create(&world, 10, 3, "v"), STORE_OK);
    assert_int_equal(store_plan_again(world.store, world.result.op_id, &world.env, &cmd, &world.result), STORE_OK);
    try_all(&cmd, &cmd.volume.bricks[0].id);
}

static void test_block_volume(void **state)
{
    struct store_request request;
    struct store_cmd cmd;

    (void)state;
    world_block_request(&request, 1, "c");
    assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
    try_all(&cmd, &cmd.block.id);
}

static void test_follower(void **state)
{
    struct store_cmd cmd;

    (void)state;
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, world_volume(&world, 10, 3, "v")), STORE_OK);
    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = world.result.op_id;
    try_all(&cmd, &cmd.follow_id);
}

static void test_job(void **state)
{
    struct store_cmd cmd;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_SET_STATE);
    cmd.target = nodes[2];
    cmd.state = STORE_STATE_OFFLINE;
    try_all(&cmd, &cmd.op_id);
    store_cmd_init(&cmd, STORE_CMD_JOB);
    try_all(&cmd, &cmd.op_id);
}

static void test_load(void **state)
{
    struct store_loader *loader;
    struct store_cmd cmd;
    struct world fresh;

    (void)state;
    world_end_device(&world, taken[6], 100 * GIB);
    for (int spoil = 0; spoil < 2; spoil++) {
        loader = store_loader_new(world.store, (struct id){{7}}, 1 << 20);
        assert_true(store_loader_next(loader, &cmd));
        for (size_t i = 0; spoil && i < cmd.load.n_devices; i++) { /* the device without bricks gets its node's id */
            if (strcmp(cmd.load.devices[i].name, "/dev/next") == 0) {
                cmd.load.devices[i].id = cmd.load.devices[i].node;
            }
        }
        world_init(&fresh, 1);
        assert_int_equal(world_apply(&fresh, &cmd), spoil ? STORE_CONFLICT : STORE_OK);
        assert_int_equal(store_is_empty(fresh.store), spoil);
        world_fini(&fresh);
        store_cmd_fini(&cmd);
        store_loader_free(loader);
    }
}

/* A state with two of them is none, wherever it came from. */
static void test_check(void **state)
{
    struct store *store = world.store;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 1; i < N_TAKEN; i++) { /* taken[0] is a cluster's */
        const struct store_cluster cluster = {.id = taken[i], .file = true};

        assert_int_equal(store_check(store, &err), 0);
        assert_int_equal(insert_cluster(store, &cluster, &err), 0);
        assert_int_equal(store_check(store, &err), E_DAMAGED);
        assert_non_null(strstr(err.message, "two objects have it"));
        remove_cluster(store, find_cluster(store, taken[i]));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cluster), TEST(test_device),          TEST(test_operation),    TEST(test_node),     TEST(test_volume),
        TEST(test_brick),   TEST(test_replanned_brick), TEST(test_block_volume), TEST(test_follower), TEST(test_job),
        TEST(test_load),    TEST(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

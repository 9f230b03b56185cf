/* Loads with operations whose ends would find something in the way: refused, for what they say is pending. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/load.h"
#include "tests/unit/store/world.h"

#define ID(n) ((struct id){{(n)}})
#define OP ID(90)

static struct world world;
static char none[] = "", name[] = "v", block_name[] = "b", disk[] = "/dev/a";
static char pools[4][4] = {"p0", "p1", "p2", "p3"}, hosts[4][4] = {"h0", "h1", "h2", "h3"}, *items[4];

/* What is loaded: four nodes with a device each, a volume of two bricks, on the first two, and what a test adds. */
static struct store_cluster cluster;
static struct store_node nodes[4];
static struct store_device devices[4];
static struct store_brick bricks[4], left[2];
static struct store_volume volume;
static struct store_block_volume block;
static struct store_operation op;

static struct store_brick brick(uint8_t id, size_t device, uint32_t set, uint32_t position)
{
    return (struct store_brick){.id = ID(id),
                                .device = devices[device].id,
                                .volume = volume.id,
                                .set = set,
                                .position = position,
                                .size_kib = GIB,
                                .pool_kib = GIB,
                                .meta_kib = 4096,
                                .pool = pools[id % 4],
                                .lv = none,
                                .path = none};
}

static int setup(void **state)
{
    (void)state;
    world_init(&world, 1);
    cluster = (struct store_cluster){.id = ID(1), .file = true, .block = true};
    volume = (struct store_volume){.id = ID(30),
                                   .cluster = cluster.id,
                                   .name = name,
                                   .size_gib = 10,
                                   .snapshot_factor = 1,
                                   .bricks = bricks,
                                   .n_bricks = 2};
    for (uint8_t i = 0; i < 4; i++) {
        items[i] = hosts[i];
        nodes[i] = (struct store_node){.id = ID(10 + i),
                                       .cluster = cluster.id,
                                       .zone = 1,
                                       .manage = {&items[i], 1},
                                       .storage = {&items[i], 1},
                                       .state = STORE_STATE_ONLINE};
        devices[i] = (struct store_device){.id = ID(20 + i),
                                           .node = nodes[i].id,
                                           .name = disk,
                                           .pv_uuid = none,
                                           .total_kib = 10 * GIB,
                                           .extent_kib = 4096,
                                           .state = STORE_STATE_ONLINE};
        bricks[i] = brick(40 + i, i, i, 0);
    }
    block = (struct store_block_volume){0};
    op = (struct store_operation){.id = OP, .reason = none};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

/* All in one part. */
static enum store_code load(void)
{
    static char iqn[] = "";
    struct store_cmd cmd;
    enum store_code code;

    block.name = block_name;
    block.iqn = block.user = block.password = iqn;
    store_cmd_init(&cmd, STORE_CMD_LOAD);
    cmd.op_id = ID(99);
    cmd.load = (struct store_load){.last = true,
                                   .clusters = &cluster,
                                   .n_clusters = 1,
                                   .nodes = nodes,
                                   .n_nodes = 4,
                                   .devices = devices,
                                   .n_devices = 4,
                                   .volumes = &volume,
                                   .n_volumes = 1,
                                   .blocks = &block,
                                   .n_blocks = id_is_none(block.id) ? 0 : 1,
                                   .operations = &op,
                                   .n_operations = op.type == 0 ? 0 : 1};
    code = world_apply(&world, &cmd);
    cmd.load = (struct store_load){0};
    store_cmd_fini(&cmd);
    return code;
}

static void assert_fits(void)
{
    struct world other = world;

    world_init(&world, 1);
    assert_int_equal(load(), STORE_OK);
    world_fini(&world);
    world = other;
}

static void assert_does_not_fit(const char *why)
{
    assert_int_equal(load(), STORE_CONFLICT);
    assert_non_null(strstr(world.result.text, why));
    assert_true(store_is_empty(world.store));
}

static void test_node(void **state)
{
    (void)state;
    assert_fits();
    op.type = STORE_OP_NODE_ADD;
    op.target = nodes[3].id;
    nodes[3].pending = OP;
    assert_does_not_fit("its node is held");
    op.type = STORE_OP_NODE_DELETE;
    assert_does_not_fit("its node is held");
    op.force = true;
    assert_does_not_fit("its node is held");
    op.force = false;
    op.type = STORE_OP_NODE_REMOVE;
    assert_fits();
}

/* The node comes with its operation, the device in the next part. */
static void test_node_in_two_parts(void **state)
{
    struct store_cmd cmd;

    (void)state;
    op.type = STORE_OP_NODE_ADD;
    op.target = nodes[3].id;
    nodes[3].pending = OP;
    store_cmd_init(&cmd, STORE_CMD_LOAD);
    cmd.op_id = ID(99);
    cmd.load = (struct store_load){
        .clusters = &cluster, .n_clusters = 1, .nodes = nodes, .n_nodes = 4, .operations = &op, .n_operations = 1};
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    cmd.load = (struct store_load){.part = 1, .last = true, .devices = devices, .n_devices = 4};
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    assert_non_null(strstr(world.result.text, "its node is held"));
    cmd.load = (struct store_load){0};
    store_cmd_fini(&cmd);
}

static void test_device(void **state)
{
    (void)state;
    op.target = devices[0].id;
    devices[0].pending = OP;
    op.type = STORE_OP_DEVICE_ADD;
    assert_does_not_fit("its device is held");
    op.type = STORE_OP_DEVICE_DELETE;
    assert_does_not_fit("its device is held");
    op.force = true;
    assert_does_not_fit("its device is held");
    op.force = false;
    op.type = STORE_OP_CLEAN_DEVICE;
    assert_does_not_fit("its device is held");
    op.type = STORE_OP_REMOVE_DEVICE;
    assert_fits();
}

static void test_hosting(void **state)
{
    (void)state;
    volume.block = true;
    volume.reserved_gib = 1;
    block.id = ID(50);
    block.hosting = volume.id;
    block.size_gib = block.usable_gib = 1;
    assert_fits();
    op.type = STORE_OP_CREATE_VOLUME;
    op.target = volume.id;
    volume.pending = bricks[0].pending = bricks[1].pending = OP;
    assert_does_not_fit("its hosting volume is held");
    op.type = STORE_OP_DELETE_VOLUME;
    assert_does_not_fit("its hosting volume is held");
    op.type = STORE_OP_CREATE_BLOCK; /* it makes both */
    op.target = block.id;
    block.pending = OP;
    assert_fits();
}

static void test_reserve(void **state)
{
    (void)state;
    volume.reserved_gib = 5;
    assert_does_not_fit("its reserve");
    volume.block = true;
    assert_fits();
    volume.reserved_gib = 11;
    assert_does_not_fit("its reserve");
}

static void test_space(void **state)
{
    (void)state;
    op.type = STORE_OP_CLEAN_BRICKS;
    op.target = ID(60);
    left[0] = brick(61, 3, 0, 0);
    left[1] = brick(62, 3, 0, 0);
    op.abandoned = left;
    op.n_abandoned = 2;
    assert_fits();
    left[0].pool_kib = left[1].pool_kib = 6 * GIB;
    assert_does_not_fit("more is used than there is");
}

static void test_clone(void **state)
{
    (void)state;
    op.type = STORE_OP_CLONE_VOLUME; /* of itself */
    op.target = op.source = volume.id;
    volume.pending = bricks[0].pending = bricks[1].pending = OP;
    assert_does_not_fit("another one holds the volume");
}

static void test_expand(void **state)
{
    (void)state;
    op.type = STORE_OP_EXPAND_VOLUME;
    op.target = volume.id;
    op.size_gib = 5;
    bricks[1].pending = OP;
    assert_fits();
    bricks[0].pending = OP; /* nothing is left when it fails */
    assert_does_not_fit("without an expand");
    bricks[0].pending = ID_NONE;
    volume.durability = STORE_REPLICATE;
    volume.replica = 2;
    bricks[1] = brick(41, 1, 0, 1);
    bricks[1].pending = OP; /* half a set */
    assert_does_not_fit("without an expand");
}

/* It can be loaded, but not end well. */
static void test_expand_beyond_all_sizes(void **state)
{
    (void)state;
    op.type = STORE_OP_EXPAND_VOLUME;
    op.target = volume.id;
    op.size_gib = UINT32_MAX;
    bricks[1].pending = OP;
    assert_int_equal(load(), STORE_OK);
    assert_int_equal(world_end(&world, OP, NULL), STORE_CONFLICT);
    assert_int_equal(world_end(&world, OP, "no"), STORE_OK);
}

static void test_evict(void **state)
{
    (void)state;
    volume.durability = STORE_REPLICATE;
    volume.replica = 2;
    bricks[1] = brick(41, 1, 0, 1);
    bricks[1].pending = OP;
    op.type = STORE_OP_EVICT_BRICK;
    op.target = bricks[1].id;
    left[0] = brick(62, 2, 0, 1);
    op.abandoned = left;
    op.n_abandoned = 1;
    op.replacement = left[0].id;
    assert_fits();
    left[0].size_kib++;
    assert_does_not_fit("its replacement");
    left[0].size_kib--;
    left[0].device = devices[0].id; /* where the other brick of the set is */
    assert_does_not_fit("its replacement");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_node),    TEST(test_node_in_two_parts),
        TEST(test_device),  TEST(test_hosting),
        TEST(test_reserve), TEST(test_space),
        TEST(test_clone),   TEST(test_expand),
        TEST(test_evict),   TEST(test_expand_beyond_all_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Operations: what apply looks at again, replans, parked parts, the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_init(&world, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

static const struct id UNKNOWN = {{0xee, 1}};

#define EXPECT(code_, ...)                                       \
    do {                                                         \
        CLEANUP(free_ptr) char *text_ = mem_printf(__VA_ARGS__); \
        assert_int_equal(world.result.code, (code_));            \
        assert_string_equal(world.result.text, text_);           \
    } while (0)

static enum store_code apply_op(enum store_cmd_type type, struct id op_id, const char *text)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, type);
    cmd.op_id = op_id;
    free(cmd.text);
    cmd.text = mem_strdup(text);
    code = world_apply(&world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

static void plan_create(uint32_t size_gib, uint32_t replica, const char *name, struct store_cmd *ret_cmd)
{
    struct store_request request;

    world_volume_request(&request, size_gib, replica, name);
    assert_int_equal(world_plan(&world, &request, ret_cmd), STORE_OK);
}

/* ---- apply looks again: the state may have moved since the plan ---- */

static void test_stale_plans(void **state)
{
    struct id nodes[3], devices[3];
    struct store_cmd cmd;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, nodes, devices);
    plan_create(10, 3, "v", &cmd);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[1], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[1], STORE_STATE_ONLINE), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, nodes[2], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, nodes[2], STORE_STATE_ONLINE), STORE_OK);
    (void)world_volume(&world, 90, 3, "big"); /* takes the room */
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    store_cmd_fini(&cmd);
}

static void test_cluster_flags_moved(void **state)
{
    struct id cluster = world_topology(&world, 3, 100 * GIB, NULL, NULL);
    struct store_request request;
    struct store_cmd cmd;

    (void)state;
    plan_create(10, 3, "v", &cmd);
    store_request_init(&request, STORE_REQ_CLUSTER_FLAGS);
    request.target = cluster;
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    store_cmd_fini(&cmd);
}

/* Commands that no planner makes. */
static void test_mangled_plans(void **state)
{
    struct id devices[3], keep;
    struct store_cmd cmd;
    struct store_brick *bricks;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, devices);
    plan_create(10, 3, "v", &cmd);
    bricks = cmd.volume.bricks;
    keep = bricks[1].device;
    bricks[1].device = bricks[0].device; /* two of a set on one node */
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    bricks[1].device = UNKNOWN;
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    bricks[1].device = keep;
    keep = bricks[1].id;
    bricks[1].id = bricks[0].id; /* one id twice */
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    bricks[1].id = ID_NONE;
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    bricks[1].id = keep;
    bricks[1].position = 2; /* not a set */
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    bricks[1].position = 1;
    bricks[1].pool_kib = UINT64_MAX;
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    bricks[1].pool_kib = 10 * GIB;
    cmd.volume.n_bricks = 2;
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    cmd.volume.n_bricks = 3;
    cmd.volume.replica = 0;
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    cmd.volume.replica = 3;
    cmd.volume.snapshot_factor = 0;
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    cmd.volume.snapshot_factor = 1;
    keep = cmd.volume.id;
    cmd.volume.id = ID_NONE;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    cmd.volume.id = keep;
    keep = cmd.op_id;
    cmd.op_id = ID_NONE;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    cmd.op_id = keep;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);       /* nothing of that left a trace */
    assert_int_equal(world_apply(&world, &cmd), STORE_REPEATED); /* the same command again: one volume */
    assert_int_equal(store_counts(world.store).volumes, 1);
    cmd.op_type = STORE_OP_DELETE_VOLUME; /* the id of another operation */
    cmd.target = cmd.volume.id;
    cmd.op_id = keep;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    cmd.op_type = STORE_OP_CREATE_VOLUME;
    assert_int_equal(world_end(&world, keep, NULL), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_REPEATED); /* also after its end */
    store_cmd_fini(&cmd);
}

static void test_disperse_shape(void **state)
{
    struct store_cmd cmd;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    plan_create(10, 3, "v", &cmd);
    cmd.volume.durability = STORE_DISPERSE; /* apply knows the shape already: 2+1 */
    cmd.volume.disperse_data = 2;
    cmd.volume.redundancy = 1;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
}

/* LVM's spare metadata LV: shown figures stay, but the last extents are not given away. */
static void test_spare_metadata(void **state)
{
    struct id device, node = world_node(&world, world_cluster(&world), 1, "n1");
    const uint64_t need = 1048576 + 8192;
    struct store_cmd cmd;

    (void)state;
    device = world_device(&world, node, "/dev/sdb", 2 * need + 8192 - 1); /* a little too small for two bricks */
    plan_create(1, 0, "b", &cmd);
    (void)world_volume(&world, 1, 0, "a");
    assert_int_equal(store_device_used_kib(world.store, device), need);
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    store_cmd_fini(&cmd);
    (void)world_create(&world, 1, 0, "b");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No space");
    (void)world_device(&world, node, "/dev/sdc", 2 * need + 8192); /* exactly enough */
    (void)world_volume(&world, 1, 0, "b");
    (void)world_volume(&world, 1, 0, "c");
    assert_int_equal(world_create(&world, 1, 0, "d"), STORE_NO_ALLOCATION);
}

/* ---- replan ---- */

static void test_replan(void **state)
{
    struct id nodes[4], devices[4], op, volume_id, bad;
    const struct store_operation *rec;
    const struct store_volume *volume;
    struct store_brick *first;
    struct store_cmd cmd;
    uint64_t used = 0;

    (void)state;
    (void)world_topology(&world, 4, 100 * GIB, nodes, devices);
    assert_int_equal(world_create(&world, 10, 3, "v"), STORE_OK);
    op = world.result.op_id;
    volume_id = world.result.id;
    first = mem_dup(store_volume(world.store, volume_id)->bricks, 3 * sizeof(*first));
    bad = store_device(world.store, first[0].device)->node;
    world.env.exclude_nodes = &bad;
    world.env.n_exclude_nodes = 1;
    assert_int_equal(store_plan_again(world.store, op, &world.env, &cmd, &world.result), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    rec = store_operation(world.store, op);
    volume = store_volume(world.store, volume_id);
    assert_int_equal(rec->attempt, 1);
    assert_int_equal(rec->n_abandoned, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(id_equal(rec->abandoned[i].id, first[i].id));
        assert_true(id_equal(rec->abandoned[i].volume, volume_id));
        assert_null(store_brick(world.store, first[i].id)); /* no brick of a volume any more */
        assert_false(id_equal(store_device(world.store, volume->bricks[i].device)->node, bad));
        assert_true(id_equal(volume->bricks[i].pending, op));
    }
    for (size_t i = 0; i < 4; i++) {
        used += store_device_used_kib(world.store, devices[i]);
    }
    assert_int_equal(used, 6 * (10485760 + 53248));                /* abandoned ones are charged until the end */
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN); /* the same command again */
    assert_int_equal(store_operation(world.store, op)->attempt, 1);
    store_cmd_fini(&cmd);
    free(first);
    assert_int_equal(store_plan_again(world.store, op, &world.env, &cmd, &world.result), STORE_OK); /* once more */
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_int_equal(store_operation(world.store, op)->n_abandoned, 6);
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    used = 0;
    for (size_t i = 0; i < 4; i++) {
        used += store_device_used_kib(world.store, devices[i]);
    }
    assert_int_equal(used, 3 * (10485760 + 53248));
    assert_int_equal(store_plan_again(world.store, op, &world.env, &cmd, &world.result), STORE_NOT_FOUND);
}

static void test_replan_refused(void **state)
{
    struct id nodes[3], op, delete;
    struct store_cmd cmd;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, nodes, NULL);
    assert_int_equal(world_create(&world, 10, 3, "v"), STORE_OK);
    op = world.result.op_id;
    world.env.exclude_nodes = nodes;
    world.env.n_exclude_nodes = 1;
    (void)store_plan_again(world.store, op, &world.env, &cmd, &world.result);
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No space");
    world.env.n_exclude_nodes = 3;
    (void)store_plan_again(world.store, op, &world.env, &cmd, &world.result);
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No online storage devices in cluster");
    world.env.n_exclude_nodes = 0;
    assert_int_equal(apply_op(STORE_CMD_OP_UNDO, op, "x"), STORE_OK);
    assert_int_equal(store_plan_again(world.store, op, &world.env, &cmd, &world.result), STORE_CONFLICT);
    assert_int_equal(apply_op(STORE_CMD_OP_REPLAN, UNKNOWN, ""), STORE_NOT_FOUND);
    assert_int_equal(world_end(&world, op, "x"), STORE_OK);
    (void)world_volume(&world, 1, 3, "w");
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, world.result.id), STORE_OK);
    delete = world.result.op_id;
    assert_int_equal(store_plan_again(world.store, delete, &world.env, &cmd, &world.result), STORE_NOT_FOUND);
    assert_int_equal(apply_op(STORE_CMD_OP_REPLAN, delete, ""), STORE_CONFLICT);
}

/* ---- parked, busy ---- */

static void test_parked(void **state)
{
    struct id nodes[3], op;
    struct store_cmd cmd;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, nodes, NULL);
    (void)world_volume(&world, 1, 3, "v");
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, world.result.id), STORE_OK);
    op = world.result.op_id;
    store_cmd_init(&cmd, STORE_CMD_OP_PARKED);
    cmd.op_id = op;
    cmd.parked = mem_calloc(1, sizeof(*cmd.parked));
    cmd.parked[0].node = nodes[0];
    cmd.parked[0].text = mem_printf("%09000d", 1); /* cut to the limit */
    cmd.n_parked = 1;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_int_equal(store_operation(world.store, op)->n_parked, 1);
    assert_true(id_equal(store_operation(world.store, op)->parked[0].node, nodes[0]));
    assert_int_equal(strlen(store_operation(world.store, op)->parked[0].text), STORE_TEXT_MAX);
    assert_int_equal(apply_op(STORE_CMD_OP_PARKED, op, ""), STORE_OK);
    assert_int_equal(store_operation(world.store, op)->n_parked, 0);
    {
        CLEANUP(free_ptr) char *text = mem_printf("%09000d", 1);

        assert_int_equal(world_end(&world, op, text), STORE_OK);
    }
    assert_int_equal(strlen(store_job(world.store, op)->error), STORE_TEXT_MAX);
}

static void test_too_busy(void **state)
{
    struct id node, volume;
    struct store_request request;
    struct store_cmd late;

    (void)state;
    node = world_node(&world, world_topology(&world, 3, 10000 * GIB, NULL, NULL), 9, "extra");
    volume = world_volume(&world, 1, 3, "v");
    world_volume_request(&request, 1, 3, "late");
    assert_int_equal(world_plan(&world, &request, &late), STORE_OK);
    world.unchecked = true;
    world.env.volumes_per_cluster_max = -1;
    for (int i = 0; i < STORE_OPERATIONS_MAX; i++) {
        assert_int_equal(world_create(&world, 1, 3, ""), STORE_OK);
    }
    world.unchecked = false;
    (void)world_create(&world, 1, 3, "w");
    EXPECT(STORE_TOO_BUSY, "Server busy. Retry operation later.");
    assert_int_equal(world_apply(&world, &late), STORE_TOO_BUSY);
    store_cmd_fini(&late);
    (void)world_target(&world, STORE_REQ_VOLUME_DELETE, volume);
    EXPECT(STORE_TOO_BUSY, "Server busy. Retry operation later.");
    assert_int_equal(world_create(&world, 1, 3, "v"), STORE_REPEATED);                         /* costs nothing */
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, UNKNOWN), STORE_NOT_FOUND); /* comes first */
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, node, STORE_STATE_OFFLINE), STORE_OK); /* no operation */
    assert_int_equal(world_end(&world, store_operation_next(world.store, NULL)->id, NULL), STORE_OK);
    assert_int_equal(world_create(&world, 1, 3, "w"), STORE_OK);
}

static void test_noop(void **state)
{
    struct store_digest before = store_digest(world.store);
    struct store_cmd cmd;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_NOOP);
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_memory_equal(before.bytes, store_digest(world.store).bytes, sizeof(before.bytes));
    assert_int_equal(store_applied_index(world.store), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_stale_plans),    T(test_cluster_flags_moved),
        T(test_mangled_plans),  T(test_disperse_shape),
        T(test_spare_metadata), T(test_replan),
        T(test_replan_refused), T(test_parked),
        T(test_too_busy),       T(test_noop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

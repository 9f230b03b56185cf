/* Replacing a device or a node at its place: what may begin, who holds what, what is left to do, how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/level.h"
#include "tests/unit/store/world.h"

static struct world world;
static struct id nodes[3], devices[3], second, volume;

/* Three nodes, the first with two devices; a volume of three replicas, a brick on each node. */
static int set_up(void **state)
{
    (void)state;
    world_init(&world, 12);
    world_level(&world, STORE_LEVEL_REPLACE);
    (void)world_topology(&world, 3, 100 * GIB, nodes, devices);
    volume = world_volume(&world, 10, 3, "v");
    second = world_device(&world, nodes[0], "/dev/second", 50 * GIB);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

static enum store_code replace_device(struct id device, const char *name, bool lost)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_DEVICE_REPLACE);
    request.target = device;
    free(request.device_name);
    request.device_name = mem_strdup(name);
    request.lost = lost;
    return world_request(&world, &request);
}

/* With another disk for one of its devices, or none (NULL), and another address, or the same. */
static enum store_code replace_node(struct id node, struct id device, const char *name, const char *host)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_NODE_REPLACE);
    request.target = node;
    request.destroy_data = true;
    if (host != NULL) {
        store_strs_add(&request.manage, host);
    }
    if (name != NULL) {
        request.renewals = mem_calloc(1, sizeof(*request.renewals));
        request.renewals[0] = (struct store_renewal){device, mem_strdup(name)};
        request.n_renewals = 1;
    }
    return world_request(&world, &request);
}

static enum store_code command(enum store_cmd_type type, struct id op_id, bool failed)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, type);
    cmd.op_id = op_id;
    cmd.failed = failed;
    free(cmd.text);
    cmd.text = mem_strdup(failed ? "why" : "");
    cmd.device.total_kib = 70 * GIB;
    cmd.device.extent_kib = 4096;
    code = world_apply(&world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

static struct id part(struct id op_id)
{
    struct store_cmd cmd;
    struct id id;

    assert_int_equal(store_plan_part(world.store, op_id, &world.env, &cmd, &world.result), STORE_OK);
    id = cmd.op_id;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    return id;
}

/* ---- a device ---- */

static void test_device(void **state)
{
    const struct store_device *device;
    uint64_t used = store_device_used_kib(world.store, devices[0]);
    struct id op_id, brick = store_volume(world.store, volume)->bricks[0].id;

    (void)state;
    assert_int_equal(replace_device(devices[0], "/dev/new", false), STORE_OK);
    op_id = world.result.op_id;
    device = store_device(world.store, devices[0]);
    assert_true(id_equal(device->pending, op_id));
    assert_string_equal(store_operation(world.store, op_id)->renewals[0].name, "/dev/new");
    /* Nothing comes on it, or goes from it, but with its volume. */
    assert_int_equal(replace_device(devices[0], "", false), STORE_IN_USE);
    assert_int_equal(replace_node(nodes[0], ID_NONE, NULL, NULL), STORE_IN_USE);
    for (size_t i = 0; i < 3; i++) {
        brick = id_equal(store_volume(world.store, volume)->bricks[i].device, devices[0])
                    ? store_volume(world.store, volume)->bricks[i].id
                    : brick;
    }
    assert_int_equal(world_target(&world, STORE_REQ_BRICK_EVICT, brick), STORE_IN_USE);
    /* It does not end well before the device is rebuilt, and not badly afterwards. */
    assert_int_equal(command(STORE_CMD_OP_END, op_id, false), STORE_CONFLICT);
    assert_int_equal(command(STORE_CMD_OP_MOVED, op_id, false), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_MOVED, op_id, false), STORE_REPEATED);
    assert_int_equal(command(STORE_CMD_OP_UNDO, op_id, true), STORE_CONFLICT);
    assert_int_equal(command(STORE_CMD_OP_END, op_id, true), STORE_CONFLICT);
    assert_int_equal(command(STORE_CMD_OP_END, op_id, false), STORE_OK);
    device = store_device(world.store, devices[0]);
    assert_true(id_is_none(device->pending));
    assert_string_equal(device->name, "/dev/new");
    assert_int_equal(device->paths.n, 1);
    assert_int_equal(device->total_kib, 70 * GIB);
    assert_int_equal(store_device_used_kib(world.store, devices[0]), used);
}

static void test_device_given_up(void **state)
{
    struct id op_id;

    (void)state;
    assert_int_equal(replace_device(devices[0], "/dev/new", false), STORE_OK);
    op_id = world.result.op_id;
    assert_int_equal(command(STORE_CMD_OP_UNDO, op_id, true), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_MOVED, op_id, false), STORE_CONFLICT);
    assert_int_equal(command(STORE_CMD_OP_END, op_id, true), STORE_OK);
    assert_string_not_equal(store_device(world.store, devices[0])->name, "/dev/new");
    assert_int_equal(store_device(world.store, devices[0])->total_kib, 100 * GIB);
    assert_true(id_is_none(store_device(world.store, devices[0])->pending));
}

/* Its volume may be deleted meanwhile: the device's operation holds no brick. */
static void test_volume_goes(void **state)
{
    struct id op_id;

    (void)state;
    assert_int_equal(replace_device(devices[0], "", false), STORE_OK);
    op_id = world.result.op_id;
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume), STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_MOVED, op_id, false), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_END, op_id, false), STORE_OK);
}

/* The last copy is given up only when that is asked for. */
static void test_last_copy(void **state)
{
    struct id single = world_volume(&world, 5, 1, "alone"), device;

    (void)state;
    device = store_volume(world.store, single)->bricks[0].device;
    assert_int_equal(replace_device(device, "", false), STORE_CONFLICT);
    assert_non_null(strstr(world.result.text, "volumes alone."));
    assert_int_equal(replace_node(store_device(world.store, device)->node, ID_NONE, NULL, NULL), STORE_CONFLICT);
    assert_non_null(strstr(world.result.text, "volumes alone."));
    assert_int_equal(replace_device(device, "", true), STORE_OK);
    assert_true(store_operation(world.store, world.result.op_id)->lost);
}

static void test_device_names(void **state)
{
    (void)state;
    assert_int_equal(replace_device(devices[0], "/dev/second", false), STORE_CONFLICT);
    assert_int_equal(replace_device(volume, "", false), STORE_NOT_FOUND);
}

/* ---- a node ---- */

static void test_node(void **state)
{
    struct id op_id, part_id;
    const struct store_operation *op;

    (void)state;
    assert_int_equal(replace_node(nodes[0], devices[0], "/dev/new", "elsewhere"), STORE_OK);
    op_id = world.result.op_id;
    op = store_operation(world.store, op_id);
    assert_int_equal(op->n_renewals, 2);
    assert_string_equal(store_node(world.store, nodes[0])->manage.items[0], "elsewhere");
    assert_true(id_equal(store_node(world.store, nodes[0])->pending, op_id));
    assert_int_equal(replace_device(devices[0], "", false), STORE_IN_USE);
    while (store_op_parts_left(world.store, op_id)) {
        assert_int_equal(command(STORE_CMD_OP_END, op_id, false), STORE_CONFLICT);
        part_id = part(op_id);
        op = store_operation(world.store, part_id);
        assert_true(op->force && id_equal(op->parent, op_id));
        assert_string_equal(op->renewals[0].name, id_equal(op->target, devices[0]) ? "/dev/new" : "");
        assert_int_equal(command(STORE_CMD_OP_MOVED, part_id, false), STORE_OK);
        assert_int_equal(command(STORE_CMD_OP_END, part_id, false), STORE_OK);
    }
    assert_int_equal(command(STORE_CMD_OP_END, op_id, false), STORE_OK);
    assert_true(id_is_none(store_node(world.store, nodes[0])->pending));
    assert_int_equal(store_node(world.store, nodes[0])->state, STORE_STATE_ONLINE);
    assert_string_equal(store_device(world.store, devices[0])->name, "/dev/new");
    assert_string_equal(store_device(world.store, second)->name, "/dev/second");
    assert_int_equal(store_counts(world.store).operations, 0);
}

static void test_node_part_fails(void **state)
{
    struct id op_id, part_id;

    (void)state;
    assert_int_equal(replace_node(nodes[0], ID_NONE, NULL, NULL), STORE_OK);
    op_id = world.result.op_id;
    part_id = part(op_id);
    assert_int_equal(command(STORE_CMD_OP_UNDO, part_id, true), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_END, part_id, true), STORE_OK);
    assert_string_equal(store_operation(world.store, op_id)->reason, "why");
    assert_int_equal(store_operation(world.store, op_id)->n_renewals, 2);
    assert_int_equal(command(STORE_CMD_OP_END, op_id, true), STORE_OK);
    assert_true(id_is_none(store_node(world.store, nodes[0])->pending));
    assert_int_equal(replace_node(nodes[0], ID_NONE, NULL, NULL), STORE_OK); /* again */
}

/* What is still to be replaced stays. */
static void test_device_stays(void **state)
{
    (void)state;
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, second, STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, second, STORE_STATE_FAILED), STORE_OK);
    (void)world_end(&world, world.result.op_id, NULL);
    assert_int_equal(store_device(world.store, second)->state, STORE_STATE_FAILED);
    assert_int_equal(replace_node(nodes[0], ID_NONE, NULL, NULL), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_DEVICE_DELETE, second), STORE_IN_USE);
}

static void test_node_refused(void **state)
{
    (void)state;
    assert_int_equal(replace_node(volume, ID_NONE, NULL, NULL), STORE_NOT_FOUND);
    assert_int_equal(replace_node(nodes[0], devices[1], "/dev/new", NULL), STORE_BAD_REQUEST);
    assert_int_equal(replace_node(nodes[0], devices[0], "/dev/second", NULL), STORE_CONFLICT);
    assert_int_equal(replace_node(nodes[0], ID_NONE, NULL, store_node(world.store, nodes[1])->manage.items[0]),
                     STORE_CONFLICT);
    assert_non_null(strstr(world.result.text, "already used by node"));
}

/* Members of the release before know neither. */
static void test_level(void **state)
{
    struct store_cmd cmd;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_OP_BEGIN);
    cmd.op_type = STORE_OP_NODE_REPLACE;
    assert_int_equal(store_cmd_level(&cmd), STORE_LEVEL_REPLACE);
    cmd.op_type = STORE_OP_DEVICE_REPLACE;
    assert_int_equal(store_cmd_level(&cmd), STORE_LEVEL_REPLACE);
    store_cmd_fini(&cmd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_device),          TEST(test_device_given_up), TEST(test_volume_goes),
        TEST(test_last_copy),       TEST(test_device_names),    TEST(test_node),
        TEST(test_node_part_fails), TEST(test_node_refused),    TEST(test_device_stays),
        TEST(test_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Devices and nodes that never come back: what is forgotten at once, what is remembered until they do, and what ends
 * when the node itself is given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

static struct world world;
static struct id nodes[4], devices[4], volume_id, clean_id;

static enum store_code end(struct id op_id, bool failed, struct id follow_id)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    cmd.failed = failed;
    cmd.follow_id = follow_id;
    code = world_apply(&world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

/* The device is marked as failed by hand: how its bricks have moved away is another test's business. */
static void fail_device(size_t i)
{
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[i], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[i], STORE_STATE_FAILED), STORE_OK);
}

/* A deleted volume has left its bricks on two of four nodes; no device has anything else. */
static int setup(void **state)
{
    (void)state;
    world_init(&world, 5);
    (void)world_topology(&world, 4, 100 * GIB, nodes, devices);
    volume_id = world_volume(&world, 10, 2, "v");
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume_id), STORE_OK);
    clean_id = world_id(&world);
    assert_int_equal(end(world.result.op_id, false, clean_id), STORE_OK);
    assert_int_equal(store_operation(world.store, clean_id)->n_abandoned, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

/* The i-th device that has a brick left on it. */
static size_t left_on(size_t i)
{
    struct id device = store_operation(world.store, clean_id)->abandoned[i].device;

    for (size_t j = 0; j < 4; j++) {
        if (id_equal(devices[j], device)) {
            return j;
        }
    }
    fail();
    return 0;
}

static enum store_code ask_forget(enum store_request_type type, struct id target, bool force)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.force = force;
    return world_request(&world, &request);
}

/* Forgets a device whose node does not answer; the operation that remembers it. */
static struct id forget_device(size_t i)
{
    struct id follow_id = world_id(&world);

    fail_device(i);
    assert_int_equal(ask_forget(STORE_REQ_DEVICE_DELETE, devices[i], true), STORE_OK);
    assert_int_equal(end(world.result.op_id, false, follow_id), STORE_OK);
    assert_int_equal(store_operation(world.store, follow_id)->type, STORE_OP_CLEAN_DEVICE);
    return follow_id;
}

static void test_bricks_are_in_the_way(void **state)
{
    size_t at = left_on(0);
    CLEANUP(free_ptr)
    char *text = mem_printf("Unable to delete device [%s] because it contains bricks", id_text(devices[at]).text);
    struct id op_id;

    (void)state;
    fail_device(at);
    assert_int_equal(ask_forget(STORE_REQ_DEVICE_DELETE, devices[at], false), STORE_CONFLICT);
    assert_string_equal(world.result.text, text);
    assert_int_equal(ask_forget(STORE_REQ_DEVICE_DELETE, devices[at], true), STORE_OK);
    op_id = world.result.op_id;
    assert_int_equal(end(op_id, false, ID_NONE), STORE_CONFLICT); /* the bricks would be nowhere */
    assert_int_equal(end(op_id, false, world_id(&world)), STORE_OK);
}

/* Bricks that an operation still works on are not forgotten: here those of a create that is under way. */
static void test_operations_are_in_the_way(void **state)
{
    struct store_cmd cmd;
    size_t at = 0;

    (void)state;
    assert_int_equal(end(clean_id, false, ID_NONE), STORE_OK);
    assert_int_equal(world_create(&world, 10, 2, "w"), STORE_OK);
    while (store_device_used_kib(world.store, devices[at]) == 0) {
        at++;
    }
    world.env.exclude_nodes = &nodes[at]; /* so that what is abandoned there is all that is there */
    world.env.n_exclude_nodes = 1;
    assert_int_equal(store_plan_again(world.store, world.result.op_id, &world.env, &cmd, &world.result), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_null(store_device_brick_next(world.store, devices[at], NULL));
    assert_true(store_device_used_kib(world.store, devices[at]) > 0);
    fail_device(at);
    assert_int_equal(ask_forget(STORE_REQ_DEVICE_DELETE, devices[at], true), STORE_CONFLICT);
}

/* Nobody sees it any more, but its operations know where to go when the node is back. */
static void test_device(void **state)
{
    size_t at = left_on(0);
    struct id follow_id = forget_device(at);
    CLEANUP(free_ptr)
    char *text = mem_printf("Unable to delete node [%s] because it contains devices", id_text(nodes[at]).text);

    (void)state;
    assert_non_null(store_device(world.store, devices[at])); /* the operations' */
    assert_int_equal(world_target(&world, STORE_REQ_DEVICE_RESYNC, devices[at]), STORE_NOT_FOUND);
    assert_int_equal(ask_forget(STORE_REQ_DEVICE_DELETE, devices[at], true), STORE_NOT_FOUND);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[at], STORE_STATE_OFFLINE), STORE_NOT_FOUND);
    assert_int_equal(ask_forget(STORE_REQ_NODE_DELETE, nodes[at], false), STORE_CONFLICT);
    assert_string_equal(world.result.text, text);
    assert_int_equal(end(follow_id, false, ID_NONE), STORE_CONFLICT); /* bricks first */
    assert_int_equal(end(clean_id, false, ID_NONE), STORE_OK);
    assert_int_equal(end(follow_id, false, ID_NONE), STORE_OK);
    assert_null(store_device(world.store, devices[at]));
    assert_int_equal(ask_forget(STORE_REQ_NODE_DELETE, nodes[at], false), STORE_OK);
}

/* The node is back, but its disk is broken: then there is nothing to clean. */
static void test_device_cannot_be_cleaned(void **state)
{
    struct id follow_id = forget_device(left_on(0));

    (void)state;
    assert_int_equal(end(follow_id, true, ID_NONE), STORE_CONFLICT); /* never with bricks on it */
    assert_int_equal(end(clean_id, false, ID_NONE), STORE_OK);
    assert_int_equal(end(follow_id, true, ID_NONE), STORE_OK);
    assert_int_equal(store_counts(world.store).devices, 3);
}

/* All that waited for the node ends; what waits for others goes on. */
static void test_node(void **state)
{
    size_t first = left_on(0), second = left_on(1);
    struct id follow_id = forget_device(first), op_id;

    (void)state;
    assert_int_equal(ask_forget(STORE_REQ_NODE_DELETE, nodes[first], true), STORE_OK);
    op_id = world.result.op_id;
    assert_true(store_operation(world.store, op_id)->force);
    assert_int_equal(end(op_id, false, ID_NONE), STORE_OK);
    assert_null(store_node(world.store, nodes[first]));
    assert_null(store_device(world.store, devices[first]));
    assert_null(store_operation(world.store, follow_id));
    assert_non_null(store_job(world.store, follow_id));
    assert_int_equal(store_operation(world.store, clean_id)->n_abandoned, 1);
    assert_true(store_device_used_kib(world.store, devices[second]) > 0);

    (void)forget_device(second);
    assert_int_equal(ask_forget(STORE_REQ_NODE_DELETE, nodes[second], true), STORE_OK);
    assert_int_equal(end(world.result.op_id, false, ID_NONE), STORE_OK);
    assert_int_equal(store_counts(world.store).operations, 0);
    assert_non_null(store_job(world.store, clean_id));
}

/* Much that waits for the node ends in parts, each with a command of its own. At the first level as it did. */
static void test_node_of_many(void **state)
{
    enum { VOLUMES = STORE_FORGET_WORK / 4 * 3 };

    (void)state;
    for (uint32_t level = 1; level <= 2; level++) {
        uint64_t used_kib;
        struct id op_id;

        teardown(NULL);
        world_init(&world, 5);
        world.unchecked = true;
        (void)world_topology(&world, 2, 1000 * GIB, nodes, devices);
        if (level > 1) {
            world_level(&world, level);
        }
        for (int i = 0; i < VOLUMES; i++) {
            CLEANUP(free_ptr) char *name = mem_printf("v%d", i);

            volume_id = world_volume(&world, 1, 2, name);
            assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume_id), STORE_OK);
            assert_int_equal(end(world.result.op_id, false, world_id(&world)), STORE_OK);
        }
        world.unchecked = false;
        (void)forget_device(0);
        assert_int_equal(ask_forget(STORE_REQ_NODE_DELETE, nodes[0], true), STORE_OK);
        op_id = world.result.op_id;
        assert_int_equal(store_ends_in_parts(world.store, store_operation(world.store, op_id)), level == 2);
        used_kib = store_device_used_kib(world.store, devices[0]);
        assert_int_equal(end(op_id, false, ID_NONE), STORE_OK);
        if (level == 2) {
            uint64_t left_kib = store_device_used_kib(world.store, devices[0]);

            assert_non_null(store_operation(world.store, op_id));
            assert_null(store_job(world.store, op_id));
            /* Each has two bricks: so many, and one more, are more than the share. */
            assert_true(left_kib == used_kib / VOLUMES * (VOLUMES - STORE_FORGET_WORK / 2 - 1));
            assert_int_equal(end(op_id, false, ID_NONE), STORE_OK);
        }
        assert_null(store_operation(world.store, op_id));
        assert_non_null(store_job(world.store, op_id));
        assert_null(store_node(world.store, nodes[0]));
        assert_int_equal(store_counts(world.store).operations, VOLUMES); /* for the other node's sake */
    }
}

/* A forgotten device holds nothing else up: the bricks on the other ones can be moved away. */
static void test_node_can_be_removed(void **state)
{
    size_t at = left_on(0);

    (void)state;
    (void)world_device(&world, nodes[at], "/dev/sdc", 100 * GIB);
    (void)forget_device(at);
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, nodes[at], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, nodes[at], STORE_STATE_FAILED), STORE_OK);
    assert_int_equal(end(world.result.op_id, false, ID_NONE), STORE_OK);
    assert_int_equal(store_node(world.store, nodes[at])->state, STORE_STATE_FAILED);
}

/* Gluster does not let it go: nothing is forgotten. */
static void test_node_refused(void **state)
{
    size_t first = left_on(0);
    struct id follow_id = forget_device(first);

    (void)state;
    assert_int_equal(ask_forget(STORE_REQ_NODE_DELETE, nodes[first], true), STORE_OK);
    assert_int_equal(end(world.result.op_id, true, ID_NONE), STORE_OK);
    assert_non_null(store_node(world.store, nodes[first]));
    assert_non_null(store_operation(world.store, follow_id));
    assert_int_equal(store_operation(world.store, clean_id)->n_abandoned, 2);
}

/* Devices that can be seen are in the way, by force or not. */
static void test_node_with_devices(void **state)
{
    (void)state;
    assert_int_equal(ask_forget(STORE_REQ_NODE_DELETE, nodes[0], true), STORE_CONFLICT);
    assert_int_equal(ask_forget(STORE_REQ_NODE_DELETE, nodes[0], false), STORE_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bricks_are_in_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_operations_are_in_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device, setup, teardown),
        cmocka_unit_test_setup_teardown(test_device_cannot_be_cleaned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_of_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_can_be_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_with_devices, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

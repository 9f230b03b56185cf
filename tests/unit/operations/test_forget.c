/* Forgetting devices and nodes that do not answer: what is remembered, when it is cleaned up, and when it is given up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/operations/work.h"
#include "store/base/mem.h"
#include "tests/unit/operations/play.h"

#define FOREVER (3600 * UINT64_C(1000))

static struct play play;
static struct id device;

/* A failed device besides those of the cluster. */
static int setup(void **state)
{
    struct world *world = &play.world;

    (void)state;
    play_init(&play, 2);
    device = world_device(world, play.nodes[0], "/dev/sdz", 100 * GIB);
    assert_int_equal(world_state(world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_FAILED), STORE_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    play_fini(&play);
    return 0;
}

static struct id forget(enum store_request_type type, struct id target)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.force = true;
    assert_int_equal(world_request(&play.world, &request), STORE_OK);
    return play.world.result.op_id;
}

static void expect_trace(const char *trace)
{
    assert_string_equal(play_canonical(play_trace(&play)), trace);
}

/* The device's delete, with its node silent; what is left to do. */
static struct id forget_silent(void)
{
    play_order(&play, EXEC_DEVICE_TEARDOWN, -1, 0, E_CONNECT, false);
    play_begin(&play, forget(STORE_REQ_DEVICE_DELETE, device));
    assert_true(play_run(&play, FOREVER));
    expect_trace("device-teardown@A done+leave");
    assert_int_equal(store_operation(play.world.store, play.follow_id)->type, STORE_OP_CLEAN_DEVICE);
    return play.follow_id;
}

/* The client has its answer at once; the node is cleaned when it is back. */
static void test_cleaned_later(void **state)
{
    (void)state;
    play_begin(&play, forget_silent());
    assert_false(play_run(&play, 10 * ENGINE_BACKOFF_MAX_MS));
    assert_non_null(strstr(play_trace(&play), "park"));
    play.n_orders = 0;
    assert_true(play_run(&play, FOREVER));
    expect_trace("device-teardown@A done");
    assert_null(store_device(play.world.store, device));
    assert_int_equal(store_counts(play.world.store).operations, 0);
}

/* The node answers, but there is nothing that could be torn down: it is forgotten for good. */
static void test_impossible(void **state)
{
    (void)state;
    play_order(&play, EXEC_DEVICE_TEARDOWN, -1, 0, E_REMOTE, true);
    play_begin(&play, forget(STORE_REQ_DEVICE_DELETE, device));
    assert_true(play_run(&play, FOREVER));
    assert_true(id_is_none(play.follow_id));
    assert_null(store_device(play.world.store, device));
}

static void test_impossible_later(void **state)
{
    (void)state;
    play_begin(&play, forget_silent());
    play.n_orders = 0;
    play_order(&play, EXEC_DEVICE_TEARDOWN, -1, 0, E_REMOTE, true);
    assert_true(play_run(&play, FOREVER));
    assert_null(store_device(play.world.store, device));
}

/* Bricks of a deleted volume on devices of both nodes, and one of these forgotten. */
struct left {
    struct id bricks, device;
};

static struct left leave_bricks(void)
{
    struct world *world = &play.world;
    struct left left;

    play_order(&play, EXEC_BRICK_DESTROY, -1, 0, E_CONNECT, false);
    assert_int_equal(world_target(world, STORE_REQ_VOLUME_DELETE, world_volume(world, 10, 2, "v")), STORE_OK);
    play_begin(&play, world->result.op_id);
    assert_true(play_run(&play, FOREVER));
    left.bricks = play.follow_id;
    assert_int_equal(store_operation(world->store, left.bricks)->n_abandoned, 2);
    assert_int_equal(world_state(world, STORE_REQ_DEVICE_STATE, play.devices[0], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(world, STORE_REQ_DEVICE_STATE, play.devices[0], STORE_STATE_FAILED), STORE_OK);
    device = play.devices[0];
    (void)play_trace(&play);
    left.device = forget_silent();
    return left;
}

/* Nothing is torn down under bricks that wait to be destroyed. */
static void test_bricks_first(void **state)
{
    struct left left = leave_bricks();

    (void)state;
    play.n_orders = 0;
    play_begin(&play, left.device);
    assert_false(play_run(&play, 10 * ENGINE_POLL_MS));
    expect_trace("");
    play_begin(&play, left.bricks);
    assert_true(play_run(&play, FOREVER));
    expect_trace("brick-destroy@A brick-destroy@B done");
    play_begin(&play, left.device);
    assert_true(play_run(&play, FOREVER));
    expect_trace("device-teardown@A done");
    assert_int_equal(store_counts(play.world.store).operations, 0);
}

/* The node is forgotten while its clean-ups wait: they end without it. */
static void test_node_forgotten_meanwhile(void **state)
{
    struct id node = play.nodes[0], spare = device;
    struct left left = leave_bricks();

    (void)state;
    assert_int_equal(world_end(&play.world, forget(STORE_REQ_DEVICE_DELETE, spare), NULL), STORE_OK);
    play_begin(&play, left.bricks);
    assert_false(play_run(&play, 2 * ENGINE_BACKOFF_MAX_MS)); /* its steps are waiting */
    (void)play_trace(&play);
    assert_int_equal(world_end(&play.world, forget(STORE_REQ_NODE_DELETE, node), NULL), STORE_OK);
    assert_int_equal(store_operation(play.world.store, left.bricks)->n_abandoned, 1);
    play.n_orders = 0;
    assert_true(play_run(&play, FOREVER));
    assert_non_null(strstr(play_trace(&play), "done"));
    assert_int_equal(store_counts(play.world.store).operations, 0);
}

/* Both operations are gone from the store while their engines still have steps. */
static void test_engine_of_what_is_gone(void **state)
{
    struct id clean = forget_silent(), node = play.nodes[0];

    (void)state;
    play_begin(&play, clean);
    assert_false(play_run(&play, 2 * ENGINE_BACKOFF_MAX_MS));
    (void)play_trace(&play);
    /* The cluster's own device of the node is forgotten at once: its node answers again for a moment. */
    assert_int_equal(world_state(&play.world, STORE_REQ_DEVICE_STATE, play.devices[0], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&play.world, STORE_REQ_DEVICE_STATE, play.devices[0], STORE_STATE_FAILED), STORE_OK);
    assert_int_equal(world_end(&play.world, forget(STORE_REQ_DEVICE_DELETE, play.devices[0]), NULL), STORE_OK);
    assert_int_equal(world_end(&play.world, forget(STORE_REQ_NODE_DELETE, node), NULL), STORE_OK);
    assert_null(store_operation(play.world.store, clean));
    assert_true(play_run(&play, FOREVER));
    expect_trace("done");
}

/* The end of a node's delete is proposed as often as there is something left that waits for it; its steps run once. */
static void test_node_of_many(void **state)
{
    struct world *world = &play.world;
    struct id node = play.nodes[0], spare = device;

    (void)state;
    world->unchecked = true;
    world_level(world, 2);
    for (int i = 0; i < STORE_FORGET_WORK / 2 + 50; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%d", i);

        assert_int_equal(world_target(world, STORE_REQ_VOLUME_DELETE, world_volume(world, 1, 2, name)), STORE_OK);
        assert_int_equal(world_end_leaving(world, world->result.op_id, world_id(world)), STORE_OK);
    }
    world->unchecked = false;
    assert_int_equal(world_state(world, STORE_REQ_DEVICE_STATE, play.devices[0], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(world, STORE_REQ_DEVICE_STATE, play.devices[0], STORE_STATE_FAILED), STORE_OK);
    assert_int_equal(world_end(world, forget(STORE_REQ_DEVICE_DELETE, spare), NULL), STORE_OK);
    assert_int_equal(world_end_leaving(world, forget(STORE_REQ_DEVICE_DELETE, play.devices[0]), world_id(world)),
                     STORE_OK);
    play_begin(&play, forget(STORE_REQ_NODE_DELETE, node));
    assert_true(play_run(&play, FOREVER));
    expect_trace("peer-detach@A peer-forget@A done done");
    assert_null(store_node(world->store, node));
}

/* Gluster is told to let go of one that does not answer. */
static void test_detached_by_force(void **state)
{
    static const bool forced[] = {false, true};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct id node = world_node(&play.world, play.cluster, 9, i == 0 ? "x" : "y");
        struct engine_step step = {.kind = EXEC_PEER_DETACH, .node = play.nodes[0], .object = node};
        struct op_work work;
        struct id op_id;

        if (forced[i]) {
            op_id = forget(STORE_REQ_NODE_DELETE, node);
        } else {
            assert_int_equal(world_target(&play.world, STORE_REQ_NODE_DELETE, node), STORE_OK);
            op_id = play.world.result.op_id;
        }
        assert_true(op_work_init(&work, play.world.store, op_id, &step));
        assert_int_equal(work.exec.force, forced[i]);
        op_work_fini(&work);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cleaned_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_impossible, setup, teardown),
        cmocka_unit_test_setup_teardown(test_impossible_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bricks_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_forgotten_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_engine_of_what_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_of_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_detached_by_force, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

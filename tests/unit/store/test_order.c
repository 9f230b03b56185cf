/* The order of a volume's bricks, taken over from Gluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

static struct world world;
static struct id nodes[3], devices[3], volume;

static int set_up(void **state)
{
    (void)state;
    world_init(&world, 11);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

static struct id brick(size_t i)
{
    return store_volume(world.store, volume)->bricks[i].id;
}

static enum store_code order(struct id target, const struct id *bricks, size_t n)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_ORDER);
    cmd.target = target;
    cmd.volume.bricks = mem_calloc(n, sizeof(*cmd.volume.bricks));
    cmd.volume.n_bricks = n;
    for (size_t i = 0; i < n; i++) {
        cmd.volume.bricks[i] =
            (struct store_brick){.id = bricks[i], .pool = mem_strdup(""), .lv = mem_strdup(""), .path = mem_strdup("")};
    }
    code = world_apply(&world, &cmd); /* and all invariants */
    store_cmd_fini(&cmd);
    return code;
}

static void test_permutation(void **state)
{
    const struct store_volume *v;
    struct id other[3];

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, nodes, devices);
    volume = world_volume(&world, 10, 3, "v");
    for (size_t i = 0; i < 3; i++) {
        other[i] = brick((i + 1) % 3);
    }
    assert_int_equal(order(volume, other, 3), STORE_OK);
    v = store_volume(world.store, volume);
    for (size_t i = 0; i < 3; i++) {
        assert_true(id_equal(v->bricks[i].id, other[i]));
        assert_int_equal(v->bricks[i].position, i);
        assert_true(store_brick(world.store, other[i]) == &v->bricks[i]);
    }
    assert_int_equal(order(volume, other, 3), STORE_REPEATED);
    assert_int_equal(order(volume, other, 2), STORE_BAD_REQUEST);
    other[0] = other[1];
    assert_int_equal(order(volume, other, 3), STORE_BAD_REQUEST); /* one of them twice */
    other[0] = world_id(&world);
    assert_int_equal(order(volume, other, 3), STORE_BAD_REQUEST);
    assert_int_equal(order(nodes[0], other, 3), STORE_NOT_FOUND);
}

/* What moves, or is made to be where these are, is left alone. */
static void test_while_it_changes(void **state)
{
    struct id reversed[3];

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, nodes, devices);
    volume = world_volume(&world, 10, 3, "v");
    for (size_t i = 0; i < 3; i++) {
        reversed[i] = brick(2 - i);
    }
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_CLONE, volume), STORE_OK);
    assert_int_equal(order(volume, reversed, 3), STORE_IN_USE);
}

static void test_brick_moves(void **state)
{
    struct id reversed[3], op_id;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, nodes, devices);
    volume = world_volume(&world, 10, 3, "v");
    for (size_t i = 0; i < 3; i++) {
        reversed[i] = brick(2 - i);
    }
    assert_int_equal(world_target(&world, STORE_REQ_BRICK_EVICT, brick(1)), STORE_OK);
    op_id = world.result.op_id;
    assert_int_equal(order(volume, reversed, 3), STORE_IN_USE);
    assert_int_equal(world_end(&world, op_id, "no"), STORE_OK);
    assert_int_equal(order(volume, reversed, 3), STORE_OK);
}

/* Two sets on two nodes: bricks of one node are not one set, whatever Gluster says. */
static void test_sets(void **state)
{
    struct store_request request;
    struct id crossed[4], same_node[4], first[4];

    (void)state;
    (void)world_topology(&world, 2, 100 * GIB, nodes, devices);
    volume = world_volume(&world, 10, 2, "v");
    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = volume;
    request.volume.size_gib = 10;
    assert_int_equal(world_request(&world, &request), STORE_OK);
    store_request_fini(&request);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    assert_int_equal(store_volume(world.store, volume)->n_bricks, 4);
    for (size_t i = 0; i < 4; i++) {
        first[i] = brick(i);
    }
    for (size_t i = 0; i < 4; i++) {
        crossed[i] = first[3 - i];
        same_node[i] = ID_NONE;
    }
    for (size_t i = 0, n = 0; i < 2; i++) {
        for (size_t j = 0; j < 4; j++) {
            if (id_equal(store_brick(world.store, first[j])->device, devices[i])) {
                same_node[n++] = first[j];
            }
        }
    }
    assert_int_equal(order(volume, same_node, 4), STORE_CONFLICT);
    assert_int_equal(order(volume, crossed, 4), STORE_OK);
    assert_int_equal(store_brick(world.store, first[0])->set, 1);
    assert_int_equal(store_brick(world.store, first[0])->position, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_permutation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_while_it_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_brick_moves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sets, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

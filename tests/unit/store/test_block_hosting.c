/* Block hosting volumes that are made on the way, for a block volume that finds no place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/store/world.h"

#define CREATE "Failed to allocate new block volume: "
#define BUSY "Server busy. Retry operation later."

static void test_automatic(void **state)
{
    struct world world;
    const struct store_volume *volume;
    struct id hosting, op_id;

    (void)state;
    world_init_auto(&world, 3);
    assert_int_equal(world_create_block(&world, 60, "one"), STORE_OK);
    op_id = world.result.op_id;
    hosting = world_block_of(&world, world.result.id)->hosting;
    volume = store_volume(world.store, hosting);
    assert_true(store_operation_volume(world.store, store_operation(world.store, op_id)) == volume);
    assert_true(volume->block);
    assert_int_equal(volume->size_gib, 100);
    assert_int_equal(volume->replica, 3);
    assert_int_equal(volume->n_bricks, 3);
    assert_true(id_equal(volume->pending, op_id));
    assert_true(id_equal(volume->bricks[2].pending, op_id));
    assert_int_equal(volume->options.n, 4);
    assert_string_equal(volume->options.items[1], "group gluster-block");
    assert_string_equal(volume->options.items[2], "user.x y");
    assert_int_equal(store_volume_free_gib(world.store, hosting), 38);
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, hosting), STORE_NOT_FOUND); /* not there yet */
    assert_int_equal(world_end_block(&world, op_id, NULL, 0, 0), STORE_OK);
    volume = store_volume(world.store, hosting);
    assert_true(id_is_none(volume->pending) && id_is_none(volume->bricks[0].pending));
    assert_int_equal(world_create_block(&world, 30, "two"), STORE_OK); /* on the same one */
    assert_true(id_equal(world_block_of(&world, world.result.id)->hosting, hosting));
    assert_null(store_operation_volume(world.store, store_operation(world.store, world.result.op_id)));
    world_fini(&world);
}

static void test_automatic_fails(void **state)
{
    struct world world;
    struct id hosting, device;

    (void)state;
    world_init_auto(&world, 3);
    assert_int_equal(world_create_block(&world, 60, "one"), STORE_OK);
    hosting = world_block_of(&world, world.result.id)->hosting;
    device = store_volume(world.store, hosting)->bricks[0].device;
    assert_true(store_device_used_kib(world.store, device) > 0);
    assert_int_equal(world_end_block(&world, world.result.op_id, "no", 0, 0), STORE_OK);
    assert_null(store_volume(world.store, hosting));
    assert_null(store_block_volume(world.store, world.result.id));
    assert_int_equal(store_device_used_kib(world.store, device), 0);
    world_fini(&world);
}

static void test_automatic_refused(void **state)
{
    struct world world;
    struct id cluster;

    (void)state;
    world_init_auto(&world, 0);
    assert_refused(world_create_block(&world, 1, ""), STORE_NO_ALLOCATION, CREATE "No nodes in cluster");
    cluster = store_cluster_next(world.store, NULL)->id;
    (void)world_node(&world, cluster, 1, "n1");
    assert_refused(world_create_block(&world, 1, ""), STORE_NO_ALLOCATION,
                   CREATE "No online storage devices in cluster");
    world_fini(&world);
    world_init_auto(&world, 2); /* three replicas do not fit on two nodes */
    assert_refused(world_create_block(&world, 1, ""), STORE_NO_ALLOCATION, CREATE "No space");
    assert_refused(world_create_block(&world, 99, ""), STORE_NO_ALLOCATION,
                   CREATE
                   "The size configured for automatic creation of block hosting volumes (100) is too small to host "
                   "the requested block volume of size 99. The available size on this block hosting volume, minus "
                   "overhead, is 98. Please create a sufficiently large block hosting volume manually.");
    world.env.volumes_per_cluster_max = 0;
    assert_refused(world_create_block(&world, 1, ""), STORE_NO_ALLOCATION,
                   CREATE "Cluster has 0 volumes and limit is 0");
    world_fini(&world);
}

/* While one hosting volume is being made nobody makes a second one, but a request too large for any is told so. */
static void test_one_at_a_time(void **state)
{
    struct world world;
    struct store_request request;
    struct store_cmd cmd;

    (void)state;
    world_init_auto(&world, 3);
    world_block_request(&request, 50, "late");
    assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
    assert_int_equal(world_create_block(&world, 60, "one"), STORE_OK);
    assert_refused(world_create_block(&world, 60, "two"), STORE_TOO_BUSY, BUSY);
    assert_int_equal(world_create_block(&world, 99, "three"), STORE_NO_ALLOCATION);
    assert_int_equal(world_apply(&world, &cmd), STORE_TOO_BUSY); /* planned before */
    store_cmd_fini(&cmd);
    world.env.block_auto = false;
    assert_refused(world_create_block(&world, 60, "two"), STORE_TOO_BUSY, BUSY);
    world_fini(&world);
    world_init(&world, 5);
    world_topology(&world, 3, 500 * GIB, NULL, NULL);
    (void)world_hosting(&world, 100, "hv");
    world_volume_request(&request, 50, 3, "hv2"); /* one made by hand counts too */
    request.volume.block = true;
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_refused(world_create_block(&world, 99, ""), STORE_TOO_BUSY, BUSY);
    assert_int_equal(world_create_block(&world, 50, ""), STORE_OK); /* "hv" has room */
    world_fini(&world);
}

/* Its bricks can be planned again, and what is left of them be cleaned up, as those of a volume create. */
static void test_automatic_replan(void **state)
{
    struct world world;
    struct store_cmd cmd;
    struct id op_id, hosting, follow;
    const struct store_operation *op;

    (void)state;
    world_init_auto(&world, 4);
    assert_int_equal(world_create_block(&world, 60, "one"), STORE_OK);
    op_id = world.result.op_id;
    hosting = world_block_of(&world, world.result.id)->hosting;
    assert_int_equal(store_plan_again(world.store, op_id, &world.env, &cmd, &world.result), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_int_equal(store_operation(world.store, op_id)->n_abandoned, 3);
    assert_int_equal(store_operation(world.store, op_id)->attempt, 1);
    follow = world_id(&world);
    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    cmd.failed = true;
    cmd.follow_id = follow;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    op = store_operation(world.store, follow);
    assert_int_equal(op->type, STORE_OP_CLEAN_BRICKS);
    assert_int_equal(op->n_abandoned, 6);
    assert_true(id_equal(op->target, hosting));
    assert_int_equal(world_end(&world, follow, NULL), STORE_OK);
    /* without a hosting volume of its own there is nothing to plan again */
    (void)world_hosting(&world, 100, "hv");
    assert_int_equal(world_create_block(&world, 1, "x"), STORE_OK);
    assert_int_equal(store_plan_again(world.store, world.result.op_id, &world.env, &cmd, &world.result),
                     STORE_NOT_FOUND);
    world_fini(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_automatic),         cmocka_unit_test(test_automatic_fails),
        cmocka_unit_test(test_automatic_refused), cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_automatic_replan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

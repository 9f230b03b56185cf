/* Asking a device for its size: whom it is asked of, what is taken, and what the bricks on it have to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

#define IN_USE "The target exists, contains other items, or is in use."

static struct world world;
static struct id devices[3];

static int setup(void **state)
{
    (void)state;
    world_init(&world, 11);
    (void)world_topology(&world, 3, 100 * GIB, NULL, devices);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

static struct id begin(void)
{
    assert_int_equal(world_target(&world, STORE_REQ_DEVICE_RESYNC, devices[0]), STORE_OK);
    assert_true(id_equal(world.result.id, devices[0]));
    return world.result.op_id;
}

static enum store_code end(struct id op_id, uint64_t total_kib, uint64_t extent_kib)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    cmd.device.total_kib = total_kib;
    cmd.device.extent_kib = extent_kib;
    code = world_apply(&world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

static uint64_t total_kib(void)
{
    return store_device(world.store, devices[0])->total_kib;
}

static void test_grown(void **state)
{
    struct id op_id = begin();

    (void)state;
    assert_true(id_is_none(store_device(world.store, devices[0])->pending)); /* bricks may be put on it meanwhile */
    assert_int_equal(end(op_id, 200 * GIB, 4096), STORE_OK);
    assert_int_equal(total_kib(), 200 * GIB);
    assert_false(store_job(world.store, op_id)->failed);
    assert_int_equal(store_job(world.store, op_id)->resource, STORE_RES_NONE);
}

static void test_unknown(void **state)
{
    (void)state;
    assert_int_equal(world_target(&world, STORE_REQ_DEVICE_RESYNC, ID_NONE), STORE_NOT_FOUND);
    assert_string_equal(world.result.text, "Id not found");
}

/* The node is asked all the same: its failure would win. */
static void test_in_use(void **state)
{
    struct id op_id = begin(), create;
    struct store_request request;

    (void)state;
    world_volume_request(&request, 10, 3, "v");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    create = world.result.op_id;
    assert_int_equal(end(op_id, 200 * GIB, 4096), STORE_IN_USE);
    assert_string_equal(world.result.text, IN_USE);
    assert_int_equal(total_kib(), 100 * GIB);
    assert_int_equal(world_end(&world, create, NULL), STORE_OK);
    assert_int_equal(end(op_id, 200 * GIB, 4096), STORE_OK);
}

static void test_smaller_than_its_bricks(void **state)
{
    struct id op_id;

    (void)state;
    (void)world_volume(&world, 10, 3, "v");
    op_id = begin();
    assert_int_equal(end(op_id, 10 * GIB, 4096), STORE_BAD_REQUEST);
    assert_int_equal(end(op_id, 100 * GIB, 8192), STORE_BAD_REQUEST);
    assert_int_equal(end(op_id, 11 * GIB, 4096), STORE_OK);
    assert_int_equal(total_kib(), 11 * GIB);
}

/* Nothing holds the device. */
static void test_deleted_meanwhile(void **state)
{
    struct id op_id = begin();

    (void)state;
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_FAILED), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_DEVICE_DELETE, devices[0]), STORE_OK);
    assert_int_equal(end(op_id, 200 * GIB, 4096), STORE_IN_USE);
    assert_int_equal(world_end(&world, store_device(world.store, devices[0])->pending, NULL), STORE_OK);
    assert_int_equal(end(op_id, 200 * GIB, 4096), STORE_NOT_FOUND);
    assert_int_equal(world_end(&world, op_id, "Id not found"), STORE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_smaller_than_its_bricks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_meanwhile, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

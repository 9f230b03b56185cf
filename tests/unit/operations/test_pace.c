/* How many gluster commands the driver gives to a pool at a time, by what its nodes say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/operations/driver_priv.h"
#include "store/base/mem.h"
#include "tests/unit/operations/fixture.h"

#define VOLUMES 40

static size_t pace(const struct fixture *f)
{
    return schedule_pool_limit(f->driver->schedule, f->cluster);
}

static bool is_unhurt(struct fixture *f)
{
    assert_true(pace(f) >= SCHEDULE_POOL_START);
    return fixture_no_operations(f);
}

/* One of four nodes says without end that another transaction is in progress. The others make the volumes. */
static void test_one_of_several(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 4);
    fixture_lead(&f);
    fixture_order(&f, "[{\"step\":\"volume-create\",\"host\":\"%s\",\"code\":\"busy\"}]", 3);
    for (int i = 0; i < VOLUMES; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%d", i);

        (void)fixture_create(&f, name, 2);
    }
    fixture_until(&f, is_unhurt);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), "volume "), VOLUMES);
    fixture_fini(&f);
}

static void test_only_one(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 1);
    fixture_lead(&f);
    fixture_order(&f, "[{\"step\":\"volume-create\",\"code\":\"busy\",\"times\":1}]", 0);
    (void)fixture_create(&f, "v", 1);
    fixture_until(&f, fixture_no_operations);
    assert_int_equal(pace(&f), SCHEDULE_POOL_START / 2);
    fixture_fini(&f);
}

static bool is_known_down(struct fixture *f)
{
    return op_driver_node_down(f->driver, f->nodes[1]);
}

static bool is_made(struct fixture *f)
{
    return mock_world_count(exec_mock_world(f->executor), "volume ") == 1;
}

/* The other one does not answer: nobody else could say it. */
static void test_only_one_up(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 2);
    fixture_order(&f,
                  "[{\"host\":\"%s\",\"code\":\"connect\"},"
                  "{\"step\":\"volume-create\",\"code\":\"busy\",\"times\":1}]",
                  1);
    fixture_lead(&f);
    fixture_until(&f, is_known_down);
    (void)fixture_create(&f, "v", 1);
    fixture_until(&f, is_made);
    assert_int_equal(pace(&f), SCHEDULE_POOL_START / 2);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_of_several),
        cmocka_unit_test(test_only_one),
        cmocka_unit_test(test_only_one_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

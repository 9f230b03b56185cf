/* A node that answers, but lets gluster commands hang until they are given up: the others' work goes elsewhere. */
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

#define BLOCKS 24
#define HUNG 3
#define DELAY_MS 2000

static size_t n_slow; /* block-creates that ended where they were delayed */

static void step_ended(void *user, enum exec_step_kind kind, int code, uint64_t ms)
{
    (void)user;
    (void)code;
    n_slow += kind == EXEC_BLOCK_CREATE && ms >= DELAY_MS;
}

static struct task *running_there(struct fixture *f)
{
    struct task *task;

    TAILQ_FOREACH (task, &f->driver->running_tasks, link) {
        if (task->state == TASK_RUNNING && id_equal(task->node, f->nodes[HUNG])) {
            return task;
        }
    }
    return NULL;
}

static bool is_running_there(struct fixture *f)
{
    return running_there(f) != NULL;
}

static bool is_up(struct fixture *f)
{
    return !nodes_doubtful(f->driver, f->nodes[HUNG]);
}

static void ask(struct fixture *f, int first)
{
    for (int i = first; i < first + BLOCKS; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("b%d", i);

        assert_int_equal(world_create_block(&f->world, 2, name), STORE_OK);
        op_driver_begun(f->driver, f->world.result.op_id);
    }
}

/* Block volumes of one hosting volume, one after another. Each that came to the node would hold up all of them. */
static void check_block_volumes(const char *order, uint64_t took_ms)
{
    struct fixture f;
    struct store_request request;

    fixture_init(&f, 4);
    fixture_lead(&f);
    world_volume_request(&request, 500, 3, "hosting");
    request.volume.block = true;
    assert_int_equal(world_request(&f.world, &request), STORE_OK);
    op_driver_begun(f.driver, f.world.result.op_id);
    fixture_until(&f, fixture_no_operations);
    fixture_order(&f, order, HUNG);
    f.driver->env.step_ended = step_ended;
    n_slow = 0;
    ask(&f, 0);
    fixture_until(&f, is_running_there);
    running_there(&f)->started_ms -= took_ms;
    fixture_until(&f, fixture_no_operations);
    assert_int_equal(n_slow, 1);
    fixture_until(&f, is_up);
    ask(&f, BLOCKS); /* later ones do not go there either */
    fixture_until(&f, fixture_no_operations);
    assert_int_equal(n_slow, 1);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), "block "), 2 * BLOCKS);
    assert_true(late_is(f.driver, f.nodes[HUNG]));
    assert_false(late_is(f.driver, f.nodes[0]));
    fixture_fini(&f);
}

static void test_no_end(void **state)
{
    (void)state;
    check_block_volumes("[{\"step\":\"block-create\",\"host\":\"%s\",\"code\":\"timeout\",\"delay_ms\":2000}]",
                        DRIVER_SLOW_MS);
}

/* It answers well, or says no, just before its time is over. */
static void test_late_end(void **state)
{
    (void)state;
    check_block_volumes("[{\"step\":\"block-create\",\"host\":\"%s\",\"delay_ms\":2000}]", DRIVER_LATE_MS);
    check_block_volumes("[{\"step\":\"block-create\",\"host\":\"%s\",\"code\":\"busy\",\"delay_ms\":2000}]",
                        DRIVER_LATE_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_end),
        cmocka_unit_test(test_late_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

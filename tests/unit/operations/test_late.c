/* A node that answers, but lets gluster commands or its fence hang, or is always just quick enough: it is in the way of
 * what needs it only. */
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

#define NODES 4
#define LIAR 3
#define VOLUMES 20
#define FIRST_VOLUMES 6 /* fewer than there are channels to a node */
#define BLOCKS 24

static void set_state(struct fixture *f, size_t node, enum store_state state)
{
    assert_int_equal(world_state(&f->world, STORE_REQ_NODE_STATE, f->nodes[node], state), STORE_OK);
}

static size_t running_there(struct fixture *f, enum exec_step_kind kind)
{
    struct task *task;
    size_t n = 0;

    TAILQ_FOREACH (task, &f->driver->running_tasks, link) {
        n += task->state == TASK_RUNNING && id_equal(task->node, f->nodes[LIAR]) && task->kind == kind;
    }
    return n;
}

/* As if the steps of this kind had run there for so long. */
static void age(struct fixture *f, enum exec_step_kind kind, uint64_t ms)
{
    struct task *task;

    TAILQ_FOREACH (task, &f->driver->running_tasks, link) {
        if (id_equal(task->node, f->nodes[LIAR]) && task->kind == kind) {
            task->started_ms -= ms;
        }
    }
}

static bool deletes_there(struct fixture *f)
{
    return running_there(f, EXEC_VOLUME_DELETE) > 0;
}

static bool syncs_there(struct fixture *f)
{
    return running_there(f, EXEC_BRICK_SYNC) > 0;
}

static bool is_late(struct fixture *f)
{
    return late_is(f->driver, f->nodes[LIAR]);
}

static bool only_deletes_there_are_left(struct fixture *f)
{
    return store_counts(f->world.store).operations == running_there(f, EXEC_VOLUME_DELETE);
}

static void create_volumes(struct fixture *f, struct id volumes[VOLUMES])
{
    for (size_t i = 0; i < VOLUMES; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%zu", i);

        volumes[i] = fixture_create(f, name, 3);
    }
    fixture_until(f, fixture_no_operations);
}

static void delete_volumes(struct fixture *f, const struct id *volumes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)fixture_delete(f, volumes[i]);
    }
}

/* No delete goes there: all end though each would hang. */
static void test_no_brick_there(void **state)
{
    struct id volumes[VOLUMES];
    struct fixture f;

    (void)state;
    fixture_init(&f, NODES);
    fixture_lead(&f);
    set_state(&f, LIAR, STORE_STATE_OFFLINE);
    create_volumes(&f, volumes);
    set_state(&f, LIAR, STORE_STATE_ONLINE);
    fixture_order(&f, "[{\"step\":\"volume-delete\",\"host\":\"%s\",\"hang\":true}]", LIAR);
    delete_volumes(&f, volumes, VOLUMES);
    fixture_until(&f, fixture_no_operations);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

/* Those that have begun there go on; while they do, no other one begins there, and all others end. */
static void test_marked_while_it_runs(void **state)
{
    struct id volumes[VOLUMES];
    struct fixture f;
    size_t n;

    (void)state;
    fixture_init(&f, NODES);
    fixture_lead(&f);
    create_volumes(&f, volumes);
    fixture_order(&f, "[{\"step\":\"volume-delete\",\"host\":\"%s\",\"hang\":true}]", LIAR);
    delete_volumes(&f, volumes, FIRST_VOLUMES);
    fixture_until(&f, deletes_there);
    fixture_idle(&f, 100);
    n = running_there(&f, EXEC_VOLUME_DELETE);
    assert_false(is_late(&f));
    age(&f, EXEC_VOLUME_DELETE, DRIVER_SLOW_MS);
    fixture_until(&f, is_late);
    delete_volumes(&f, volumes + FIRST_VOLUMES, VOLUMES - FIRST_VOLUMES);
    fixture_until(&f, only_deletes_there_are_left);
    assert_int_equal(running_there(&f, EXEC_VOLUME_DELETE), n);
    fixture_fini(&f);
}

/* All channels to it are taken by steps that hang: those in line for one go elsewhere, long before any of them ends. */
static void test_line(void **state)
{
    struct fixture f;
    struct task tasks[2] = {{0}};

    (void)state;
    fixture_init(&f, NODES);
    fixture_lead(&f);
    tasks[0].node = tasks[1].node = f.nodes[LIAR];
    tasks[0].placed_ms = driver_clock_ms(f.driver);
    late_line(f.driver, &tasks[0]);
    assert_false(late_moves(f.driver, f.nodes[LIAR], tasks[0].placed_ms));
    late_note_slow(f.driver, f.nodes[LIAR], true);
    assert_true(late_moves(f.driver, f.nodes[LIAR], tasks[0].placed_ms));
    assert_false(late_moves(f.driver, f.nodes[LIAR], tasks[0].placed_ms + 1)); /* given to it though it is late */
    for (size_t i = 0; i < LIAR; i++) {
        late_note_hung(f.driver, f.nodes[i]);
    }
    assert_false(late_moves(f.driver, f.nodes[LIAR], tasks[0].placed_ms)); /* there is no better one */
    late_note_slow(f.driver, f.nodes[LIAR], false);
    assert_false(is_late(&f));
    late_unline(f.driver, &tasks[0]);
    late_unline(f.driver, &tasks[1]); /* is in no line */
    fixture_fini(&f);
}

static void take(struct fixture *f, size_t node, uint64_t took_ms, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        late_note_took(f->driver, f->nodes[node], took_ms);
    }
}

/* Always just below what counts as hung, while others of the pool are quick. */
static void test_tardy(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, NODES);
    fixture_lead(&f);
    take(&f, LIAR, DRIVER_TARDY_TIMES * DRIVER_TARDY_MS - 1000, DRIVER_TARDY_STEPS);
    take(&f, 0, 10, DRIVER_TARDY_STEPS);
    take(&f, LIAR, DRIVER_TARDY_TIMES * DRIVER_TARDY_MS - 1000, 1);
    assert_false(is_late(&f)); /* one quick node says nothing: it may do nothing */
    take(&f, 1, DRIVER_TARDY_MS, DRIVER_TARDY_STEPS);
    take(&f, 2, DRIVER_TARDY_MS, DRIVER_TARDY_STEPS);
    take(&f, LIAR, DRIVER_TARDY_TIMES * DRIVER_TARDY_MS - 1000, DRIVER_TARDY_STEPS);
    assert_false(is_late(&f));
    take(&f, LIAR, DRIVER_LATE_MS - 1, 20);
    assert_true(is_late(&f));
    assert_false(late_is(f.driver, f.nodes[0]));
    assert_false(late_is(f.driver, f.nodes[1]));
    assert_false(late_is(f.driver, f.nodes[2]));
    fixture_fini(&f);
}

static void create_hosting(struct fixture *f)
{
    struct store_request request;

    world_volume_request(&request, 500, 3, "hosting");
    request.volume.block = true;
    assert_int_equal(world_request(&f->world, &request), STORE_OK);
    op_driver_begun(f->driver, f->world.result.op_id);
    fixture_until(f, fixture_no_operations);
}

static void create_blocks(struct fixture *f, int n)
{
    for (int i = 0; i < n; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("b%d", i);

        assert_int_equal(world_create_block(&f->world, 2, name), STORE_OK);
        op_driver_begun(f->driver, f->world.result.op_id);
    }
}

/* What need not be confirmed ends just before its time is over. */
static void test_late_syncs(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, NODES);
    fixture_lead(&f);
    set_state(&f, 0, STORE_STATE_OFFLINE); /* the liar has a brick of the hosting volume */
    create_hosting(&f);
    set_state(&f, 0, STORE_STATE_ONLINE);
    fixture_order(&f, "[{\"step\":\"brick-sync\",\"host\":\"%s\",\"delay_ms\":500}]", LIAR);
    create_blocks(&f, 1);
    fixture_until(&f, syncs_there);
    age(&f, EXEC_BRICK_SYNC, ENGINE_IGNORED_MS / 2);
    fixture_until(&f, fixture_no_operations);
    assert_true(is_late(&f));
    fixture_fini(&f);
}

/* After a change of leaders its fence is not raised: what other nodes can do, they do. */
static void test_fence(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, NODES);
    fixture_lead(&f);
    set_state(&f, LIAR, STORE_STATE_OFFLINE);
    create_hosting(&f);
    set_state(&f, LIAR, STORE_STATE_ONLINE);
    op_driver_stop(f.driver);
    fixture_order(&f, "[{\"step\":\"fence\",\"host\":\"%s\",\"hang\":true}]", LIAR);
    fixture_lead(&f);
    create_blocks(&f, BLOCKS);
    fixture_until(&f, fixture_no_operations);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), "block "), BLOCKS);
    assert_true(is_late(&f));
    fixture_fini(&f);
}

/* All others are slow: one that is quick to be busy does not get all tries. */
static void test_quick_one(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, NODES);
    fixture_lead(&f);
    create_hosting(&f);
    for (size_t i = 0; i < LIAR; i++) {
        late_note_hung(f.driver, f.nodes[i]);
    }
    fixture_order(&f, "[{\"host\":\"%s\",\"step\":\"block-create\",\"code\":\"busy\"}]", LIAR);
    create_blocks(&f, 4);
    fixture_until(&f, fixture_no_operations);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), "block "), 4);
    fixture_fini(&f);
}

/* Slow as it is, it is used where it is the only one. */
static void test_alone(void **state)
{
    struct fixture f;
    struct id volume;

    (void)state;
    fixture_init(&f, 1);
    fixture_lead(&f);
    late_note_hung(f.driver, f.nodes[0]);
    late_note_slow(f.driver, f.nodes[0], true);
    volume = fixture_create(&f, "v", 1);
    fixture_until(&f, fixture_no_operations);
    (void)fixture_delete(&f, volume);
    fixture_until(&f, fixture_no_operations);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_brick_there), cmocka_unit_test(test_marked_while_it_runs),
        cmocka_unit_test(test_line),           cmocka_unit_test(test_tardy),
        cmocka_unit_test(test_late_syncs),     cmocka_unit_test(test_fence),
        cmocka_unit_test(test_quick_one),      cmocka_unit_test(test_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

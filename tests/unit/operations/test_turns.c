/* However many operations there are, a turn of the loop does a share of what is to be done with all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/operations/driver_priv.h"
#include "store/base/mem.h"
#include "tests/unit/operations/fixture.h"

#define LEFT ((size_t)600)

static struct fixture f;

/* Clean-ups of volumes that had a brick on each node. */
static int setup(void **state)
{
    (void)state;
    fixture_init(&f, 3);
    f.world.unchecked = true;
    f.world.env.volumes_per_cluster_max = -1;
    for (size_t i = 0; i < LEFT; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%zu", i);
        struct id volume = world_volume(&f.world, 1, 3, name);

        assert_int_equal(world_target(&f.world, STORE_REQ_VOLUME_DELETE, volume), STORE_OK);
        assert_int_equal(world_end_leaving(&f.world, f.world.result.op_id, world_id(&f.world)), STORE_OK);
    }
    assert_int_equal(store_counts(f.world.store).operations, LEFT);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_fini(&f);
    return 0;
}

static size_t count(struct driver_op_tree *tree)
{
    struct op *op;
    size_t n = 0;

    RB_FOREACH (op, driver_op_tree, tree) {
        n++;
    }
    return n;
}

static size_t count_gone(void)
{
    struct op *op;
    size_t n = 0;

    TAILQ_FOREACH (op, &f.driver->gone, list_link) {
        n++;
    }
    return n;
}

static size_t count_tasks(const struct driver_task_list *list)
{
    struct task *task;
    size_t n = 0;

    TAILQ_FOREACH (task, list, link) {
        n++;
    }
    return n;
}

/* The term is over: in each turn a share of what there was. */
static void expect_given_back(void)
{
    size_t n_ops = count_gone(), n_tasks = count_tasks(&f.driver->gone_tasks);

    while (n_ops > 0 || n_tasks > 0) {
        size_t ops_before = n_ops, tasks_before = n_tasks;

        (void)uv_run(&f.loop, UV_RUN_ONCE);
        n_ops = count_gone();
        n_tasks = count_tasks(&f.driver->gone_tasks);
        assert_true(n_ops + DRIVER_LOOK_MAX >= ops_before);
        /* Besides, when a term has begun, those whose turn has come: twice in a turn of the loop. */
        assert_true(n_tasks + DRIVER_LOOK_MAX + 2 * DRIVER_TURN_MAX >= tasks_before);
    }
}

/* Not one of those that go on is younger than one that waits. */
static void expect_oldest(size_t n)
{
    const struct store_operation *op = store_operation_younger(f.world.store, 0, ID_NONE);

    for (size_t i = 0; i < n; i++) {
        assert_non_null(driver_find(f.driver, op->id));
        op = store_operation_younger(f.world.store, op->begin_index, op->id);
    }
    assert_true(op == NULL || driver_find(f.driver, op->id) == NULL);
}

/* A new leader resumes the oldest ones first. */
static void test_resumed(void **state)
{
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < f.n_nodes; i++) {
        fixture_order(&f, "[{\"hang\":true}]", i);
    }
    fixture_lead(&f);
    assert_int_equal(count(&f.driver->ops), 0);
    while (n < LEFT) {
        size_t before = n;

        (void)uv_run(&f.loop, UV_RUN_ONCE);
        n = count(&f.driver->ops);
        assert_true(n <= before + DRIVER_TURN_MAX);
        expect_oldest(n);
    }
    /* What there was is given back in the same way. */
    op_driver_stop(f.driver);
    assert_int_equal(count(&f.driver->ops), 0);
    expect_given_back();
}

static bool all_wait(struct fixture *fixture)
{
    return fixture_steps(fixture, "retrying") == LEFT && fixture_steps(fixture, "running") == 0;
}

/* A node that was silent is back, and all of them wait for it. */
static void test_node_is_back(void **state)
{
    const struct exec_result well = {.code = 0};
    struct node_state *node;
    struct op *op;
    size_t n = 0;

    (void)state;
    fixture_order(&f, "[{\"host\":\"%s\",\"code\":\"connect\"}]", 1);
    fixture_lead(&f);
    fixture_until(&f, all_wait);
    node = RB_FIND(driver_node_tree, &f.driver->nodes, &(struct node_state){.node = f.nodes[1]});
    fixture_order(&f, "[{\"host\":\"%s\",\"hang\":true}]", 1); /* what goes on there does not end */
    nodes_note(f.driver, f.nodes[1], &well);
    assert_true(node->up && id_is_none(node->told));
    while (node->up) {
        size_t told = 0;

        (void)uv_run(&f.loop, UV_RUN_ONCE);
        RB_FOREACH (op, driver_op_tree, &f.driver->ops) {
            told += id_cmp(&op->engine.op_id, &node->told) <= 0;
        }
        assert_true(told <= n + DRIVER_LOOK_MAX);
        n = told;
    }
    assert_int_equal(n, LEFT);
}

/* ---- many steps, of many words ---- */

#define CREATES ((size_t)100)
#define OPTIONS 500

static void create_wordy(size_t i)
{
    CLEANUP(free_ptr) char *name = mem_printf("w%zu", i);
    struct store_request request;

    world_volume_request(&request, 1, 3, name);
    for (size_t k = 0; k < OPTIONS; k++) {
        CLEANUP(free_ptr) char *option = mem_printf("user.k%zu %0100d", k, 0);

        store_strs_add(&request.volume.options, option);
    }
    assert_int_equal(world_request(&f.world, &request), STORE_OK);
}

static int setup_wordy(void **state)
{
    (void)state;
    fixture_init(&f, 3);
    f.world.unchecked = true;
    f.world.env.volumes_per_cluster_max = -1;
    for (size_t i = 0; i < CREATES; i++) {
        create_wordy(i);
    }
    return 0;
}

static bool all_stand_in_line(struct fixture *fixture)
{
    return fixture_steps(fixture, "running") == fixture->n_nodes && fixture_steps(fixture, "waiting") > 0 &&
           fixture->driver->n_placed == 3 * CREATES;
}

/* What waits holds nothing of its volume, neither for the fence nor for its turn, and what is done with a brick needs
 * no options. */
static void test_no_copies(void **state)
{
    struct task *task;

    (void)state;
    for (size_t i = 0; i < f.n_nodes; i++) {
        fixture_order(&f, "[{\"hang\":true}]", i);
    }
    fixture_lead(&f);
    while (f.driver->n_placed < 3 * CREATES) {
        (void)uv_run(&f.loop, UV_RUN_ONCE);
        TAILQ_FOREACH (task, &f.driver->waiting, link) {
            assert_null(task->work);
        }
    }
    op_driver_stop(f.driver);
    fixture_order(&f, "[{\"step\":\"brick-create\",\"hang\":true}]", 0);
    f.driver->n_placed = 0;
    fixture_lead(&f);
    fixture_until(&f, all_stand_in_line); /* one on each volume group */
    TAILQ_FOREACH (task, &f.driver->running_tasks, link) {
        assert_int_equal(task->kind, EXEC_BRICK_CREATE);
        assert_int_equal(task->work->volume.options.n, 0);
    }
    TAILQ_FOREACH (task, &f.driver->waiting, link) {
        assert_null(task->work);
    }
    assert_int_equal(count_tasks(&f.driver->waiting), 3 * CREATES - f.n_nodes);
}

/* Terms begin and end faster than their steps are given back. */
static void test_terms(void **state)
{
    (void)state;
    fixture_order(&f, "[{\"step\":\"brick-create\",\"hang\":true}]", 0);
    fixture_lead(&f);
    fixture_until(&f, all_stand_in_line);
    op_driver_stop(f.driver);
    assert_int_equal(count_tasks(&f.driver->waiting), 0);
    assert_int_equal(count_tasks(&f.driver->gone_tasks), 3 * CREATES - f.n_nodes);
    fixture_lead(&f);
    op_driver_stop(f.driver);
    assert_int_equal(count_tasks(&f.driver->gone_tasks), 3 * CREATES - f.n_nodes);
    fixture_order(&f, "[]", 0);
    fixture_lead(&f);
    expect_given_back();
    fixture_until(&f, fixture_no_operations);
    fixture_expect_clean(&f);
}

/* One volume of many bricks is begun in shares as well. */
static void test_many_bricks(void **state)
{
    struct store_request request;
    struct op *op;
    size_t n = 0;

    (void)state;
    fixture_init(&f, 3);
    f.world.env.brick_max_kib = 8 * GIB;
    f.world.env.bricks_per_volume_max = 1000;
    for (size_t i = 0; i < f.n_nodes; i++) {
        fixture_order(&f, "[{\"hang\":true}]", i);
    }
    world_volume_request(&request, 1000, 3, "large");
    assert_int_equal(world_request(&f.world, &request), STORE_OK);
    fixture_lead(&f);
    do {
        size_t before = n;

        (void)uv_run(&f.loop, UV_RUN_ONCE);
        n = f.driver->n_placed;
        assert_true(n <= before + DRIVER_TURN_STEPS + DRIVER_ADVANCE_STEPS);
        op = RB_MIN(driver_op_tree, &f.driver->ops);
    } while (op == NULL || n < op->engine.n_steps / 2 - 1); /* a half, but for the volume and its check */
    assert_true(n > DRIVER_TURN_STEPS + DRIVER_ADVANCE_STEPS);
}

/* ---- what goes with its node ---- */

static bool one_runs(struct fixture *fixture)
{
    return fixture_steps(fixture, "running") > 0;
}

static bool none_left(struct fixture *fixture)
{
    return count(&fixture->driver->ops) == 0;
}

static void forget(enum store_request_type type, struct id target, struct id follow_id)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.force = true;
    assert_int_equal(world_request(&f.world, &request), STORE_OK);
    assert_int_equal(world_end_leaving(&f.world, f.world.result.op_id, follow_id), STORE_OK);
}

/* A node is forgotten while what waits for it is being tried: the try ends, and its operation is no longer there. */
static void test_forgotten_with_its_node(void **state)
{
    (void)state;
    fixture_init(&f, 1);
    for (size_t i = 0; i < 20; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%zu", i);

        assert_int_equal(world_target(&f.world, STORE_REQ_VOLUME_DELETE, world_volume(&f.world, 1, 1, name)), STORE_OK);
        assert_int_equal(world_end_leaving(&f.world, f.world.result.op_id, world_id(&f.world)), STORE_OK);
    }
    fixture_order(&f, "[{\"delay_ms\":200}]", 0);
    fixture_lead(&f);
    fixture_until(&f, one_runs);
    assert_int_equal(world_state(&f.world, STORE_REQ_DEVICE_STATE, f.devices[0], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&f.world, STORE_REQ_DEVICE_STATE, f.devices[0], STORE_STATE_FAILED), STORE_OK);
    forget(STORE_REQ_DEVICE_DELETE, f.devices[0], world_id(&f.world));
    forget(STORE_REQ_NODE_DELETE, f.nodes[0], ID_NONE);
    assert_int_equal(store_counts(f.world.store).operations, 0);
    fixture_until(&f, none_left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resumed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_is_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_copies, setup_wordy, teardown),
        cmocka_unit_test_setup_teardown(test_terms, setup_wordy, teardown),
        cmocka_unit_test_teardown(test_many_bricks, teardown),
        cmocka_unit_test_teardown(test_forgotten_with_its_node, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

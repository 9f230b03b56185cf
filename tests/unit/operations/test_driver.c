/* The driver with the mock executor: what it does on the loop, with nodes that fail, hang and come back, and with a
 * leadership that comes and goes. */
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

static void test_create_and_delete(void **state)
{
    struct fixture f;
    struct id volume;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    volume = fixture_create(&f, "v", 3);
    fixture_until(&f, fixture_no_operations);
    assert_true(id_is_none(store_volume(f.world.store, volume)->pending));
    fixture_expect_clean(&f);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), "brick "), 3);
    (void)fixture_delete(&f, volume);
    fixture_until(&f, fixture_no_operations);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), ""), 0);
    assert_int_equal(f.n_proposed, 2);
    fixture_fini(&f);
}

/* What the node said about a device is in the store. */
static void test_device_info(void **state)
{
    struct fixture f;
    struct id device;

    (void)state;
    fixture_init(&f, 1);
    fixture_lead(&f);
    device = fixture_device(&f, 0, "/dev/sdz");
    fixture_until(&f, fixture_no_operations);
    assert_true(store_device(f.world.store, device)->total_kib == 500 * GIB);
    assert_true(id_is_none(store_device(f.world.store, device)->pending));
    fixture_fini(&f);
}

static bool has_job_failed(struct fixture *f)
{
    return fixture_no_operations(f);
}

/* A failing node: planned again; its bricks are cleaned up when it is back. */
static bool only_cleanup_left(struct fixture *f)
{
    const struct store_operation *op = store_operation_next(f->world.store, NULL);

    return op != NULL && op->type == STORE_OP_CLEAN_BRICKS && store_operation_next(f->world.store, op) == NULL &&
           op->n_parked == 1;
}

static void expect_silent(struct fixture *f, const char *host)
{
    struct store_strs names = {.n = 0};

    nodes_silent(f->driver, f->cluster, &names);
    assert_int_equal(names.n, *host != '\0');
    assert_string_equal(names.n > 0 ? names.items[0] : "", host);
    store_strs_fini(&names);
}

static void test_dead_node(void **state)
{
    struct fixture f;
    const struct store_volume *volume;
    struct id id;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    expect_silent(&f, "");
    fixture_order(&f, "[{\"host\":\"%s\",\"code\":\"connect\"}]", 0);
    id = fixture_create(&f, "one", 3); /* needs all three: undone; the dead node's brick is left to a clean-up */
    fixture_until(&f, only_cleanup_left);
    assert_null(store_volume(f.world.store, id));
    assert_true(op_driver_node_down(f.driver, f.nodes[0]));
    assert_false(op_driver_node_down(f.driver, f.nodes[1]));
    expect_silent(&f, store_node(f.world.store, f.nodes[0])->storage.items[0]); /* Gluster may not know yet */
    f.world.env.node_down = NULL;
    id = fixture_create(&f, "two", 2);
    (void)id;
    fixture_idle(&f, 3000);
    volume = store_volume(f.world.store, id);
    assert_non_null(volume);
    assert_true(id_is_none(volume->pending)); /* usable, without the dead node */
    for (size_t i = 0; i < volume->n_bricks; i++) {
        assert_false(id_equal(volume->bricks[i].device, f.devices[0]));
    }
    assert_true(store_counts(f.world.store).operations >= 1);
    fixture_order(&f, "[]", 0); /* back: noticed by the next check */
    fixture_until(&f, has_job_failed);
    fixture_expect_clean(&f);
    assert_false(op_driver_node_down(f.driver, f.nodes[0]));
    expect_silent(&f, "");
    fixture_fini(&f);
}

/* A hung node delays what needs it and nothing else. */
static bool device_added(struct fixture *f)
{
    const struct store_device *device = NULL;
    size_t n = 0;

    while ((device = store_device_next(f->world.store, device)) != NULL) {
        n += id_is_none(device->pending);
    }
    return n == f->n_nodes + 1;
}

static void test_hung_node(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    fixture_order(&f, "[{\"host\":\"%s\",\"hang\":true}]", 1);
    for (int i = 0; i < 20; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("/dev/h%d", i);

        (void)fixture_device(&f, 1, name);
    }
    (void)fixture_device(&f, 2, "/dev/sdz");
    fixture_until(&f, device_added);
    assert_int_equal(store_counts(f.world.store).operations, 20);
    fixture_fini(&f); /* with calls that never end by themselves */
}

static bool pool_is_full(struct fixture *f)
{
    return fixture_steps(f, "running") == SCHEDULE_POOL_START;
}

static bool others_are_made(struct fixture *f)
{
    return mock_world_count(exec_mock_world(f->executor), "volume ") == 8 + SCHEDULE_POOL_START;
}

/* Gluster commands that hang while their nodes answer otherwise: others do not wait for their places in the pool. */
static void test_slow_pool_commands(void **state)
{
    struct fixture f;
    struct task *task;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    fixture_order(&f, "[{\"step\":\"volume-create\",\"hang\":true,\"times\":4}]", 0);
    for (int i = 0; i < 8 + SCHEDULE_POOL_START; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%d", i);

        (void)fixture_create(&f, name, 3);
    }
    fixture_until(&f, pool_is_full);
    fixture_idle(&f, 100);
    tasks_yield_slow(f.driver); /* not slow yet */
    tasks_run(f.driver);
    fixture_idle(&f, 100);
    assert_int_equal(fixture_steps(&f, "running"), SCHEDULE_POOL_START);
    TAILQ_FOREACH (task, &f.driver->running_tasks, link) {
        task->started_ms -= task->state == TASK_RUNNING ? DRIVER_SLOW_MS : 0;
    }
    tasks_yield_slow(f.driver);
    tasks_run(f.driver);
    fixture_until(&f, others_are_made);
    fixture_fini(&f); /* with calls that never end by themselves */
}

/* Leadership lost in the middle, gained again: everything goes on and ends clean. */
static bool half_done(struct fixture *f)
{
    return mock_world_count(exec_mock_world(f->executor), "volume ") >= 3;
}

static void test_stop_and_start(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    fixture_order(&f, "[{\"step\":\"volume-create\",\"delay_ms\":30}]", 0);
    for (int i = 0; i < 12; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%d", i);

        (void)fixture_create(&f, name, 3);
    }
    fixture_until(&f, half_done);
    op_driver_stop(f.driver);
    assert_int_equal(fixture_steps(&f, "running"), 0);
    fixture_idle(&f, 50);
    assert_false(fixture_no_operations(&f));
    fixture_lead(&f);
    fixture_until(&f, fixture_no_operations);
    assert_int_equal(store_counts(f.world.store).volumes, 12);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

/* While the lease is out, no step and no command; when it is back, all goes on. */
static void test_not_serving(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 3);
    f.serving = false;
    fixture_lead(&f);
    (void)fixture_create(&f, "v", 3);
    fixture_idle(&f, 100);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), ""), 0);
    assert_int_equal(f.n_proposed, 0);
    f.serving = true;
    fixture_until(&f, fixture_no_operations);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

static bool one_brick(struct fixture *f)
{
    return mock_world_count(exec_mock_world(f->executor), "brick ") >= 1;
}

/* The lease goes while steps run: their ends are noted, nothing new is begun, nothing proposed. */
static void test_lease_lost_on_the_way(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    fixture_order(&f, "[{\"step\":\"brick-create\",\"delay_ms\":50}]", 0);
    (void)fixture_create(&f, "v", 3);
    fixture_until(&f, one_brick);
    f.serving = false;
    fixture_idle(&f, 150);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), "volume "), 0);
    assert_int_equal(f.n_proposed, 0);
    f.serving = true;
    fixture_until(&f, fixture_no_operations);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

/* A node knows a newer term, and the lease is out: nothing more until the driver is started in a newer one. */
static void test_deposed(void **state)
{
    struct fixture f;
    struct exec_step fence = {.kind = EXEC_FENCE, .term = 5};
    struct exec_result result;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    fixture_idle(&f, 20);
    fixture_order(&f, "[{\"step\":\"brick-create\",\"host\":\"%s\",\"code\":\"fenced\",\"delay_ms\":300}]", 1);
    (void)fixture_create(&f, "v", 3);
    fixture_until(&f, one_brick);
    f.serving = false;
    fixture_idle(&f, 400);
    fence.host = f.hosts[1];
    mock_world_apply(exec_mock_world(f.executor), &fence, &result);
    assert_int_equal(result.code, 0);
    assert_int_equal(f.n_proposed, 0);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), "volume "), 0);
    assert_false(op_driver_node_down(f.driver, f.nodes[1]));
    op_driver_stop(f.driver);
    fixture_order(&f, "[]", 0);
    f.term = 5;
    f.serving = true;
    fixture_lead(&f);
    fixture_until(&f, fixture_no_operations);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

/* The lease comes back: nobody has been deposed, the node was in the wrong. */
static void test_doubt_ends(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    fixture_idle(&f, 20);
    fixture_order(&f, "[{\"step\":\"brick-create\",\"host\":\"%s\",\"code\":\"fenced\",\"delay_ms\":300,\"times\":1}]",
                  1);
    (void)fixture_create(&f, "v", 3);
    fixture_until(&f, one_brick);
    f.serving = false;
    fixture_idle(&f, 400);
    assert_false(op_driver_node_down(f.driver, f.nodes[1]));
    f.serving = true;
    fixture_until(&f, fixture_no_operations);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

struct seen {
    struct id node;
    struct op_node_view view;
    char error[256];
};

static void see_node(void *user, const struct op_node_view *view)
{
    struct seen *seen = user;

    if (id_equal(view->node, seen->node)) {
        seen->view = *view;
        (void)snprintf(seen->error, sizeof(seen->error), "%s", view->last_error);
    }
}

static struct seen look(const struct fixture *f, size_t node)
{
    struct seen seen = {.node = f->nodes[node]};

    op_driver_visit_nodes(f->driver, see_node, &seen);
    return seen;
}

static bool first_is_avoided(struct fixture *f)
{
    return look(f, 0).view.avoided;
}

static bool first_is_well(struct fixture *f)
{
    return !look(f, 0).view.avoided && look(f, 0).view.fence_term == f->term;
}

static bool only_clean_ups(struct fixture *f)
{
    const struct store_operation *op = NULL;

    while ((op = store_operation_next(f->world.store, op)) != NULL) {
        if (op->type != STORE_OP_CLEAN_BRICKS) {
            return false;
        }
    }
    return true;
}

/* One node answers what it should not, while the lease is held: it alone is avoided, everything that does not need it
 * ends, and it is used again by itself. */
static void test_one_node_harms_only_itself(void **state)
{
    static const struct {
        const char *order, *error;
        enum exec_cause cause;
    } cases[] = {
        {"[{\"host\":\"%s\",\"code\":\"fenced\",\"fail\":\"term 99 has taken over\"}]",
         "it says: term 99 has taken over", EXEC_CAUSE_FENCE_AHEAD},
        {"[{\"host\":\"%s\",\"code\":\"fence damaged\",\"fail\":\"is damaged\"}]", "is damaged",
         EXEC_CAUSE_FENCE_DAMAGED},
        {"[{\"host\":\"%s\",\"code\":\"flood\",\"fail\":\"without end\"}]", "without end", EXEC_CAUSE_FLOOD},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fixture f;
        struct seen seen;
        struct id ids[6];

        fixture_init(&f, 4);
        fixture_lead(&f);
        fixture_order(&f, cases[i].order, 0);
        fixture_until(&f, first_is_avoided);
        for (size_t k = 0; k < 6; k++) {
            CLEANUP(free_ptr) char *name = mem_printf("v%zu", k);

            ids[k] = fixture_create(&f, name, 3);
        }
        fixture_until(&f, only_clean_ups);
        for (size_t k = 0; k < 6; k++) {
            const struct store_volume *volume = store_volume(f.world.store, ids[k]);

            assert_non_null(volume);
            assert_true(id_is_none(volume->pending));
            for (size_t n = 0; n < volume->n_bricks; n++) {
                assert_false(id_equal(volume->bricks[n].device, f.devices[0]));
            }
        }
        seen = look(&f, 0);
        assert_true(seen.view.down);
        assert_int_equal(seen.view.cause, cases[i].cause);
        assert_non_null(strstr(seen.error, cases[i].error));
        for (size_t n = 1; n < 4; n++) {
            assert_false(look(&f, n).view.avoided);
        }
        fixture_order(&f, "[]", 0);
        fixture_until(&f, first_is_well);
        fixture_until(&f, fixture_no_operations);
        assert_string_equal(look(&f, 0).view.last_error, "");
        fixture_expect_clean(&f);
        fixture_fini(&f);
    }
}

/* One refusal by one node, and it is well again: what works on it goes on there. */
static void test_fenced_once(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    fixture_idle(&f, 20);
    fixture_order(&f, "[{\"step\":\"brick-create\",\"host\":\"%s\",\"code\":\"fenced\",\"times\":1}]", 1);
    (void)fixture_device(&f, 2, "/dev/sdz");
    for (int i = 0; i < 11; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%d", i);

        (void)fixture_create(&f, name, 3);
    }
    fixture_until(&f, fixture_no_operations);
    fixture_until(&f, device_added);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

struct fences {
    uint64_t term;
    size_t n;
};

static void count_fence(void *user, const struct op_node_view *view)
{
    struct fences *fences = user;

    fences->n += view->fence_term == fences->term && view->last_ok_ms != UINT64_MAX;
}

static bool all_fenced(struct fixture *f)
{
    struct fences fences = {.term = f->term};

    op_driver_visit_nodes(f->driver, count_fence, &fences);
    return fences.n == f->n_nodes;
}

/* That a node is silent is said once in a while, of each, with the number of tries since. */
static void test_silence_is_said_seldom(void **state)
{
    struct fixture f;
    struct node_state key = {.node = ID_NONE}, *node;
    const struct store_node *first, *second;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    fixture_until(&f, all_fenced);
    first = store_node_next(f.world.store, NULL);
    second = store_node_next(f.world.store, first);
    assert_int_equal(nodes_may_say(f.driver, first->id), 1);
    assert_int_equal(nodes_may_say(f.driver, first->id), 0);
    assert_int_equal(nodes_may_say(f.driver, second->id), 1);
    assert_int_equal(nodes_may_say(f.driver, first->id), 0);
    key.node = first->id;
    node = RB_FIND(driver_node_tree, &f.driver->nodes, &key);
    node->said_ms -= DRIVER_SAID_MS; /* a minute later */
    assert_int_equal(nodes_may_say(f.driver, first->id), 3);
    assert_int_equal(nodes_may_say(f.driver, first->id), 0);
    fixture_fini(&f);
}

#define N_WAITING 200

static bool all_wait_for_fence(struct fixture *f)
{
    struct node_state *node = RB_FIND(driver_node_tree, &f->driver->nodes, &(struct node_state){.node = f->nodes[1]});
    struct task *task;
    size_t n = 0;

    if (node != NULL) {
        STAILQ_FOREACH(task, &node->waiting, fencing)
        {
            n++;
        }
    }
    return n == N_WAITING;
}

static bool all_are_told(struct fixture *f)
{
    return fixture_steps(f, "retrying") == N_WAITING;
}

/* However many wait for one node, a turn of the loop is short. */
static void test_many_wait_for_one_node(void **state)
{
    struct fixture f;
    struct node_state *node;

    (void)state;
    fixture_init(&f, 3);
    fixture_order(&f, "[{\"host\":\"%s\",\"hang\":true}]", 1);
    for (int i = 0; i < N_WAITING; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("/dev/h%d", i);

        (void)fixture_device(&f, 1, name);
    }
    fixture_lead(&f);
    fixture_until(&f, all_wait_for_fence);
    node = RB_FIND(driver_node_tree, &f.driver->nodes, &(struct node_state){.node = f.nodes[1]});
    STAILQ_CONCAT(&node->fenced, &node->waiting); /* as when the node has not let us raise it */
    node->fence.code = E_CONNECT;
    nodes_go_on(f.driver);
    assert_int_equal(fixture_steps(&f, "retrying"), DRIVER_TURN_MAX);
    fixture_until(&f, all_are_told); /* in the turns that follow */
    fixture_fini(&f);
}

/* All fences are raised in the background, without any operation; again in the next term. */
static void test_fences_raised(void **state)
{
    struct fixture f;
    struct exec_step old = {.kind = EXEC_VOLUME_DELETE, .term = 1};
    struct store_volume volume = {.name = (char[]){"v"}};
    struct exec_result result;

    (void)state;
    fixture_init(&f, 4);
    fixture_lead(&f);
    fixture_until(&f, all_fenced);
    op_driver_stop(f.driver);
    fixture_lead(&f);
    fixture_until(&f, all_fenced);
    old.volume = &volume;
    for (size_t i = 0; i < f.n_nodes; i++) {
        old.host = f.hosts[i];
        mock_world_apply(exec_mock_world(f.executor), &old, &result);
        assert_int_equal(result.code, E_FENCED);
    }
    fixture_fini(&f);
}

/* No step before its node's fence is raised in this term. */
static void test_step_waits_for_fence(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 3);
    fixture_order(&f, "[{\"host\":\"%s\",\"step\":\"fence\",\"hang\":true}]", 2);
    fixture_lead(&f);
    (void)fixture_create(&f, "v", 3);
    fixture_idle(&f, 100);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), "brick "), 2);
    assert_int_equal(fixture_steps(&f, "waiting"), 6); /* the third brick, the volume, three syncs, a check */
    fixture_fini(&f);
}

/* The answer to a command is lost: nothing more in this term; the next one reads what became of it. */
static bool proposed_once(struct fixture *f)
{
    return f->n_proposed >= 1;
}

static void test_unknown_outcome(void **state)
{
    struct fixture f;
    bool applied;

    (void)state;
    for (int i = 0; i < 2; i++) {
        applied = i == 1;
        fixture_init(&f, 3);
        f.propose_status = applied ? 0 : E_UNKNOWN_OUTCOME;
        f.lose_answers = applied;
        fixture_lead(&f);
        (void)fixture_create(&f, "v", 3);
        fixture_until(&f, proposed_once);
        fixture_idle(&f, 100);
        assert_int_equal(f.n_proposed, 1);
        assert_int_equal(fixture_no_operations(&f), applied);
        op_driver_stop(f.driver);
        f.propose_status = 0;
        f.lose_answers = false;
        fixture_lead(&f);
        fixture_until(&f, fixture_no_operations);
        fixture_expect_clean(&f);
        fixture_fini(&f);
    }
}

/* The window of proposals is full for a while. */
static void test_window_full(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 3);
    f.propose_status = E_BUSY;
    fixture_lead(&f);
    (void)fixture_create(&f, "v", 3);
    fixture_until(&f, proposed_once);
    fixture_idle(&f, 50);
    f.propose_status = 0;
    fixture_until(&f, fixture_no_operations);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

/* Hundreds at once, with busy Gluster in between. */
static void test_many(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 4);
    f.world.unchecked = true;
    fixture_lead(&f);
    fixture_order(&f, "[{\"step\":\"volume-create\",\"code\":\"busy\",\"times\":20}]", 0);
    for (int i = 0; i < 300; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%d", i);

        (void)fixture_create(&f, name, 3);
    }
    fixture_until(&f, fixture_no_operations);
    assert_int_equal(store_counts(f.world.store).volumes, 300);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

struct answer {
    int code;
    size_t n;
};

static struct answer checked;

static void check_cb(void *user, int code, const char *message)
{
    (void)message;
    ((struct answer *)user)->code = code;
    ((struct answer *)user)->n++;
}

static bool answered(struct fixture *f)
{
    (void)f;
    return checked.n == 1;
}

static void test_check_glusterd(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, 1);
    fixture_lead(&f);
    checked = (struct answer){0};
    op_driver_check_glusterd(f.driver, "stranger", ID_NONE, check_cb, &checked);
    fixture_until(&f, answered);
    assert_int_equal(checked.code, 0);
    fixture_order(&f, "[{\"step\":\"glusterd-check\",\"fail\":\"inactive\"}]", 0);
    checked = (struct answer){0};
    op_driver_check_glusterd(f.driver, f.hosts[0], f.nodes[0], check_cb, &checked);
    fixture_until(&f, answered);
    assert_int_equal(checked.code, E_REMOTE);
    assert_true(op_driver_node_down(f.driver, f.nodes[0])); /* of no use for placement */
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_and_delete),
        cmocka_unit_test(test_device_info),
        cmocka_unit_test(test_dead_node),
        cmocka_unit_test(test_hung_node),
        cmocka_unit_test(test_slow_pool_commands),
        cmocka_unit_test(test_stop_and_start),
        cmocka_unit_test(test_not_serving),
        cmocka_unit_test(test_lease_lost_on_the_way),
        cmocka_unit_test(test_deposed),
        cmocka_unit_test(test_doubt_ends),
        cmocka_unit_test(test_one_node_harms_only_itself),
        cmocka_unit_test(test_fenced_once),
        cmocka_unit_test(test_silence_is_said_seldom),
        cmocka_unit_test(test_many_wait_for_one_node),
        cmocka_unit_test(test_fences_raised),
        cmocka_unit_test(test_step_waits_for_fence),
        cmocka_unit_test(test_unknown_outcome),
        cmocka_unit_test(test_window_full),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_check_glusterd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/operations/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/log.h"
#include "store/base/mem.h"

/* ---- the driver's surroundings ---- */

static const struct store *env_store(void *user)
{
    return ((struct fixture *)user)->world.store;
}

static bool env_serving(void *user)
{
    return ((struct fixture *)user)->serving;
}

static uint64_t env_term(void *user)
{
    return ((struct fixture *)user)->term;
}

static struct id env_managers(void *user)
{
    (void)user;
    return ID_NONE;
}

static int64_t env_now_ms(void *user)
{
    return ((struct fixture *)user)->world.env.now_ms;
}

static void env_random(void *user, void *data, size_t len)
{
    struct fixture *fixture = user;

    fixture->world.env.random(fixture->world.env.user, data, len);
}

static void env_plan_env(void *user, struct store_plan_env *ret_env)
{
    *ret_env = ((struct fixture *)user)->world.env;
}

static void env_step_ended(void *user, enum exec_step_kind kind, int code, uint64_t ms)
{
    (void)kind;
    (void)ms;
    ((struct fixture *)user)->n_silent += exec_is_unreachable(code);
}

struct proposal {
    uv_timer_t timer;
    struct fixture *fixture;
    struct store_cmd cmd;
    op_propose_cb cb;
    void *user;
};

static void proposal_free(uv_handle_t *handle)
{
    free(handle->data);
}

static void proposal_due(uv_timer_t *timer)
{
    struct proposal *proposal = timer->data;
    struct fixture *fixture = proposal->fixture;
    struct store_result result = {.code = STORE_OK};
    int status = fixture->propose_status;

    if (status == 0) {
        (void)world_apply(&fixture->world, &proposal->cmd);
        result = fixture->world.result;
        status = fixture->lose_answers ? E_UNKNOWN_OUTCOME : 0;
    }
    proposal->cb(proposal->user, status, status == 0 ? &result : NULL);
    store_cmd_fini(&proposal->cmd);
    uv_close((uv_handle_t *)timer, proposal_free);
}

static void env_propose(void *user, const struct store_cmd *cmd, op_propose_cb cb, void *cb_user)
{
    struct proposal *proposal = mem_calloc(1, sizeof(*proposal));
    struct buf buf = BUF_INIT;

    proposal->fixture = user;
    proposal->cb = cb;
    proposal->user = cb_user;
    proposal->fixture->n_proposed++;
    store_cmd_encode(cmd, &buf);
    assert_int_equal(store_cmd_decode(buf.data, buf.len, &proposal->cmd, NULL), 0);
    buf_fini(&buf);
    assert_int_equal(uv_timer_init(&proposal->fixture->loop, &proposal->timer), 0);
    proposal->timer.data = proposal;
    assert_int_equal(uv_timer_start(&proposal->timer, proposal_due, 0, 0), 0);
}

/* ---- life ---- */

void fixture_init(struct fixture *fixture, size_t n_nodes)
{
    const struct op_driver_env env = {
        .user = fixture,
        .store = env_store,
        .serving = env_serving,
        .term = env_term,
        .managers = env_managers,
        .now_ms = env_now_ms,
        .random = env_random,
        .propose = env_propose,
        .plan_env = env_plan_env,
        .step_ended = env_step_ended,
    };
    struct exec_config config;
    struct err err = ERR_INIT;

    log_set_level(LOG_CRITICAL);
    memset(fixture, 0, sizeof(*fixture));
    world_init(&fixture->world, 5);
    fixture->cluster = world_topology(&fixture->world, n_nodes, 4000 * GIB, fixture->nodes, fixture->devices);
    fixture->n_nodes = n_nodes;
    for (size_t i = 0; i < n_nodes; i++) {
        fixture->hosts[i] = mem_strdup(store_node(fixture->world.store, fixture->nodes[i])->manage.items[0]);
    }
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_int_equal(uv_timer_init(&fixture->loop, &fixture->deadline), 0);
    fixture->deadline.data = fixture;
    exec_config_init(&config);
    fixture->executor = exec_mock_new(&fixture->loop, &config, &err);
    assert_non_null(fixture->executor);
    mock_world_be_strict(exec_mock_world(fixture->executor));
    fixture->driver = op_driver_new(&fixture->loop, fixture->executor, &env);
    fixture->serving = true;
}

static void count_closed(void *user)
{
    ((struct fixture *)user)->closed++;
}

static bool driver_closed(struct fixture *fixture)
{
    return fixture->closed == 1;
}

static bool executor_closed(struct fixture *fixture)
{
    return fixture->closed == 2;
}

void fixture_fini(struct fixture *fixture)
{
    op_driver_close(fixture->driver, count_closed, fixture);
    fixture_until(fixture, driver_closed);
    exec_close(fixture->executor, count_closed, fixture);
    fixture_until(fixture, executor_closed);
    uv_close((uv_handle_t *)&fixture->deadline, NULL);
    assert_int_equal(uv_run(&fixture->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    for (size_t i = 0; i < fixture->n_nodes; i++) {
        free(fixture->hosts[i]);
    }
    world_fini(&fixture->world);
}

void fixture_lead(struct fixture *fixture)
{
    fixture->term++;
    op_driver_start(fixture->driver);
}

void fixture_order(struct fixture *fixture, const char *json, size_t node)
{
    struct buf text = BUF_INIT;
    struct err err = ERR_INIT;
    const char *mark;

    while ((mark = strstr(json, "%s")) != NULL) {
        buf_append(&text, json, (size_t)(mark - json));
        buf_append_str(&text, fixture->hosts[node]);
        json = mark + 2;
    }
    buf_append_str(&text, json);
    if (exec_mock_order(fixture->executor, buf_str(&text), &err) != 0) {
        fail_msg("%s", err.message);
    }
    buf_fini(&text);
}

/* ---- time ---- */

static void deadline_cb(uv_timer_t *timer)
{
    ((struct fixture *)timer->data)->late = true;
}

void fixture_until(struct fixture *fixture, bool (*condition)(struct fixture *fixture))
{
    fixture->late = false;
    assert_int_equal(uv_timer_start(&fixture->deadline, deadline_cb, 20000, 0), 0);
    while (!condition(fixture)) {
        if (fixture->late) {
            fail_msg("the condition did not come true");
        }
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&fixture->deadline);
}

static bool is_late(struct fixture *fixture)
{
    return fixture->late;
}

void fixture_idle(struct fixture *fixture, uint64_t ms)
{
    fixture->late = false;
    uv_update_time(&fixture->loop);
    assert_int_equal(uv_timer_start(&fixture->deadline, deadline_cb, ms, 0), 0);
    while (!is_late(fixture)) {
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
    }
}

bool fixture_no_operations(struct fixture *fixture)
{
    return store_counts(fixture->world.store).operations == 0;
}

/* ---- operations ---- */

static struct id begun(struct fixture *fixture)
{
    assert_int_equal(fixture->world.result.code, STORE_OK);
    op_driver_begun(fixture->driver, fixture->world.result.op_id);
    return fixture->world.result.id;
}

struct id fixture_create(struct fixture *fixture, const char *name, uint32_t replica)
{
    (void)world_create(&fixture->world, 2, replica, name);
    return begun(fixture);
}

struct id fixture_delete(struct fixture *fixture, struct id volume)
{
    (void)world_target(&fixture->world, STORE_REQ_VOLUME_DELETE, volume);
    return begun(fixture);
}

struct id fixture_device(struct fixture *fixture, size_t node, const char *name)
{
    (void)world_begin_device(&fixture->world, fixture->nodes[node], name);
    return begun(fixture);
}

void fixture_expect_clean(struct fixture *fixture)
{
    const struct mock_world *world = exec_mock_world(fixture->executor);
    struct store_counts counts = store_counts(fixture->world.store);
    const struct store_volume *volume = NULL;

    assert_int_equal(mock_world_count(world, "brick "), counts.bricks);
    assert_int_equal(mock_world_count(world, "volume "), counts.volumes);
    assert_int_equal(mock_world_count(world, "snapshot "), 0);
    while ((volume = store_volume_next(fixture->world.store, volume)) != NULL) {
        CLEANUP(free_ptr) char *text = mem_printf("volume %s %s", id_text(volume->cluster).text, volume->name);

        assert_true(mock_world_has(world, text));
        for (size_t i = 0; i < volume->n_bricks; i++) {
            const struct store_brick *brick = &volume->bricks[i];
            struct id node = store_device(fixture->world.store, brick->device)->node;
            CLEANUP(free_ptr)
            char *brick_text = mem_printf("brick %s %s", store_node(fixture->world.store, node)->manage.items[0],
                                          id_text(brick->id).text);

            assert_true(mock_world_has(world, brick_text));
        }
    }
}

struct counting {
    const char *state;
    size_t n;
};

static void count_step(void *user, const struct op_step_view *view)
{
    struct counting *counting = user;

    counting->n += strcmp(view->state, counting->state) == 0;
}

size_t fixture_steps(struct fixture *fixture, const char *state)
{
    struct counting counting = {.state = state};
    const struct store_operation *op = NULL;

    while ((op = store_operation_next(fixture->world.store, op)) != NULL) {
        (void)op_driver_visit(fixture->driver, op->id, SIZE_MAX, count_step, &counting);
    }
    return counting.n;
}

/* The driver: performs what the engine decides, on the leader.
 *
 * One `struct op` per operation. A step queues for its resource, then runs as one `struct task` with copies of all that
 * the executor borrows: the store may change meanwhile. A generation number tells answers that belong to an earlier
 * leadership: they are dropped.
 */
#include <bsd/sys/tree.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/driver_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"

int driver_op_cmp(struct op *a, struct op *b)
{
    return id_cmp(&a->engine.op_id, &b->engine.op_id);
}

RB_GENERATE(driver_op_tree, op, link, driver_op_cmp)

static struct op *find_op(struct op_driver *driver, struct id op_id)
{
    struct op key = {.engine = {.op_id = op_id}};

    return RB_FIND(driver_op_tree, &driver->ops, &key);
}

uint64_t driver_clock_ms(const struct op_driver *driver)
{
    return uv_now(driver->loop);
}

const struct store *driver_store(const struct op_driver *driver)
{
    return driver->env.store(driver->env.user);
}

static void remove_op(struct op_driver *driver, struct op *op)
{
    for (size_t i = 0; i < op->engine.n_steps; i++) {
        CHECK(op->tasks[i] == NULL);
    }
    RB_REMOVE(driver_op_tree, &driver->ops, op);
    engine_fini(&op->engine);
    free(op->tasks);
    free(op);
}

/* The store's record changed its shape (begin, replan, undo): steps begin anew. */
static void rebuild(struct op_driver *driver, struct op *op)
{
    for (size_t i = 0; i < op->engine.n_steps; i++) {
        CHECK(op->tasks[i] == NULL); /* the engine proposes these only when nothing runs */
    }
    struct id op_id = op->engine.op_id;

    engine_fini(&op->engine);
    free(op->tasks);
    op->tasks = NULL;
    if (!engine_init(&op->engine, driver_store(driver), op_id, driver_clock_ms(driver))) {
        op->engine.op_id = op_id;
        op->engine.done = true;
    }
    op->tasks = mem_calloc(op->engine.n_steps, sizeof(*op->tasks));
}

/* ---- proposals ---- */

struct proposal {
    struct op_driver *driver;
    uint64_t generation;
    struct id op_id;
    enum store_cmd_type type;
};

static void proposed(void *user, int status, const struct store_result *result)
{
    struct proposal *proposal = user;
    struct op_driver *driver = proposal->driver;
    struct op *op = proposal->generation == driver->generation ? find_op(driver, proposal->op_id) : NULL;

    driver->proposals--;
    if (op != NULL && status == 0) {
        op->engine.proposing = false;
        if (result->code != STORE_OK && proposal->type == STORE_CMD_OP_REPLAN) {
            engine_replan_refused(&op->engine); /* the plan was stale, or there is no room any more */
        } else if (proposal->type == STORE_CMD_OP_END) {
            LOG(LOG_INFO, "operation", "ended", LF_STR("operation", id_text(proposal->op_id).text));
            remove_op(driver, op);
            op = NULL;
        } else if (proposal->type != STORE_CMD_OP_PARKED) {
            rebuild(driver, op);
        }
        if (op != NULL) {
            driver_advance(driver, op);
        }
    } /* otherwise: leadership was lost; the next leader, perhaps we, reads the store */
    free(proposal);
    driver_maybe_closed(driver);
}

static void propose(struct op_driver *driver, struct op *op, struct store_cmd *cmd)
{
    struct proposal *proposal = mem_calloc(1, sizeof(*proposal));

    *proposal = (struct proposal){driver, driver->generation, op->engine.op_id, cmd->type};
    op->engine.proposing = true;
    driver->proposals++;
    cmd->op_id = op->engine.op_id;
    cmd->time_ms = driver->env.now_ms(driver->env.user);
    driver->env.propose(driver->env.user, cmd, proposed, proposal);
    store_cmd_fini(cmd);
}

static void set_text(struct store_cmd *cmd, const char *text)
{
    free(cmd->text);
    cmd->text = mem_strdup(text);
}

static void propose_end(struct op_driver *driver, struct op *op, const struct engine_action *action)
{
    struct store_cmd cmd;

    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.failed = action->failed;
    set_text(&cmd, action->text);
    if (!action->failed && op->engine.type == STORE_OP_DEVICE_ADD) {
        free(cmd.device.pv_uuid);
        cmd.device.pv_uuid = mem_strdup(op->engine.device.pv_uuid);
        cmd.device.total_kib = op->engine.device.total_kib;
        cmd.device.extent_kib = op->engine.device.extent_kib;
        store_strs_fini(&cmd.device.paths);
        store_strs_copy(&cmd.device.paths, &op->engine.device.paths);
    }
    if (action->failed) {
        LOG(LOG_WARNING, "operation", "failed", LF_STR("operation", id_text(op->engine.op_id).text),
            LF_STR("type", store_op_type_name(op->engine.type)), LF_STR("reason", action->text));
    }
    propose(driver, op, &cmd);
}

static void propose_undo(struct op_driver *driver, struct op *op, const char *reason)
{
    struct store_cmd cmd;

    LOG(LOG_WARNING, "operation", "is undone", LF_STR("operation", id_text(op->engine.op_id).text),
        LF_STR("type", store_op_type_name(op->engine.type)), LF_STR("reason", reason));
    store_cmd_init(&cmd, STORE_CMD_OP_UNDO);
    set_text(&cmd, reason);
    propose(driver, op, &cmd);
}

static void replan(struct op_driver *driver, struct op *op, const struct engine_action *action)
{
    struct store_plan_env env;
    struct store_result result;
    struct store_cmd cmd;

    driver->env.plan_env(driver->env.user, &env);
    env.exclude_nodes = &action->node;
    env.n_exclude_nodes = 1;
    memset(&result, 0, sizeof(result));
    if (store_plan_again(driver_store(driver), op->engine.op_id, &env, &cmd, &result) != STORE_OK) {
        engine_replan_refused(&op->engine);
        return;
    }
    LOG(LOG_WARNING, "operation", "is planned again", LF_STR("operation", id_text(op->engine.op_id).text),
        LF_STR("reason", action->text));
    propose(driver, op, &cmd);
}

static void propose_parked(struct op_driver *driver, struct op *op)
{
    struct store_cmd cmd;

    store_cmd_init(&cmd, STORE_CMD_OP_PARKED);
    cmd.n_parked = engine_parked(&op->engine, &cmd.parked);
    propose(driver, op, &cmd);
}

/* ---- advancing one operation ---- */

static void arm(struct op_driver *driver)
{
    uint64_t next = UINT64_MAX;
    uint64_t now = driver_clock_ms(driver);
    struct op *op;

    RB_FOREACH (op, driver_op_tree, &driver->ops) {
        next = op->due_ms < next ? op->due_ms : next;
    }
    driver->armed_ms = next;
    if (next == UINT64_MAX) {
        uv_timer_stop(&driver->timer);
    } else {
        CHECK(uv_timer_start(&driver->timer, driver_timer, next > now ? next - now : 0, 0) == 0);
    }
}

void driver_advance(struct op_driver *driver, struct op *op)
{
    struct engine_action action;

    for (;;) {
        if (!driver->running || op->engine.done) {
            return;
        }
        /* While the lease is out nothing is begun and nothing proposed; it is looked at again soon. */
        if (!driver->env.serving(driver->env.user)) {
            action = (struct engine_action){.kind = ENGINE_WAIT, .wait_ms = driver_clock_ms(driver) + LEASE_POLL_MS};
        } else {
            engine_next(&op->engine, driver_store(driver), driver_clock_ms(driver), &action);
        }
        switch (action.kind) {
        case ENGINE_RUN:
            task_queue(driver, op, action.step);
            continue;
        case ENGINE_REPLAN:
            op->engine.proposing = true;
            replan(driver, op, &action);
            if (op->engine.proposing) {
                return;
            }
            continue;
        case ENGINE_UNDO:
            propose_undo(driver, op, action.text);
            return;
        case ENGINE_END:
            propose_end(driver, op, &action);
            return;
        case ENGINE_PARK:
        case ENGINE_WAIT:
            if (engine_parked_changed(&op->engine, driver_store(driver)) && driver->env.serving(driver->env.user)) {
                propose_parked(driver, op);
            }
            op->due_ms = action.wait_ms;
            if (op->due_ms < driver->armed_ms) {
                arm(driver);
            }
            return;
        }
    }
}

void driver_timer(uv_timer_t *timer)
{
    struct op_driver *driver = timer->data;
    uint64_t now = driver_clock_ms(driver);
    struct op *op, *next;

    for (op = RB_MIN(driver_op_tree, &driver->ops); op != NULL; op = next) {
        next = RB_NEXT(driver_op_tree, &driver->ops, op);
        if (op->due_ms <= now) {
            op->due_ms = UINT64_MAX;
            driver_advance(driver, op);
        }
    }
    tasks_run(driver);
    arm(driver);
}

static void begin(struct op_driver *driver, struct id op_id)
{
    struct op *op;

    if (find_op(driver, op_id) != NULL) {
        return;
    }
    op = mem_calloc(1, sizeof(*op));
    op->due_ms = UINT64_MAX;
    if (!engine_init(&op->engine, driver_store(driver), op_id, driver_clock_ms(driver))) {
        free(op);
        return;
    }
    op->tasks = mem_calloc(op->engine.n_steps, sizeof(*op->tasks));
    RB_INSERT(driver_op_tree, &driver->ops, op);
    driver_advance(driver, op);
}

/* ---- the public side ---- */

static void begun_cb(uv_idle_t *idle)
{
    struct op_driver *driver = idle->data;

    uv_idle_stop(idle);
    for (size_t i = 0; i < driver->n_begun && driver->running; i++) {
        begin(driver, driver->begun[i]);
    }
    driver->n_begun = 0;
    tasks_run(driver);
}

/* Called while a command is applied: begun from the loop, when apply has returned. */
void op_driver_begun(struct op_driver *driver, struct id op_id)
{
    if (!driver->running) {
        return;
    }
    driver->begun = mem_realloc_array(driver->begun, driver->n_begun + 1, sizeof(*driver->begun));
    driver->begun[driver->n_begun++] = op_id;
    CHECK(uv_idle_start(&driver->begun_idle, begun_cb) == 0);
}

void op_driver_start(struct op_driver *driver)
{
    const struct store_operation *op = NULL;
    size_t n = 0;

    CHECK(!driver->running);
    driver->running = true;
    driver->generation++;
    while ((op = store_operation_next(driver_store(driver), op)) != NULL) {
        op_driver_begun(driver, op->id);
        n++;
    }
    LOG(LOG_INFO, "operation", "leading: operations are resumed", LF_U64("count", n),
        LF_U64("term", driver->env.term(driver->env.user)));
    nodes_start(driver);
}

void op_driver_stop(struct op_driver *driver)
{
    struct op *op;

    if (!driver->running) {
        return;
    }
    driver->running = false;
    driver->generation++;
    driver->n_begun = 0;
    uv_idle_stop(&driver->begun_idle);
    uv_timer_stop(&driver->timer);
    driver->armed_ms = UINT64_MAX;
    tasks_cancel(driver);
    while ((op = RB_MIN(driver_op_tree, &driver->ops)) != NULL) {
        remove_op(driver, op);
    }
    nodes_stop(driver);
}

struct op_driver *op_driver_new(uv_loop_t *loop, struct executor *executor, const struct op_driver_env *env)
{
    struct op_driver *driver = mem_calloc(1, sizeof(*driver));

    driver->loop = loop;
    driver->executor = executor;
    driver->env = *env;
    driver->schedule = schedule_new();
    driver->armed_ms = UINT64_MAX;
    RB_INIT(&driver->ops);
    CHECK(uv_timer_init(loop, &driver->timer) == 0);
    CHECK(uv_timer_init(loop, &driver->nodes_timer) == 0);
    CHECK(uv_idle_init(loop, &driver->begun_idle) == 0);
    driver->timer.data = driver->nodes_timer.data = driver->begun_idle.data = driver;
    driver->handles = 3;
    return driver;
}

void driver_maybe_closed(struct op_driver *driver)
{
    void (*closed_cb)(void *user) = driver->closed_cb;
    void *user = driver->closed_user;

    if (!driver->closing || driver->handles > 0 || driver->calls > 0 || driver->proposals > 0) {
        return;
    }
    schedule_free(driver->schedule);
    nodes_fini(driver);
    free(driver->begun);
    free(driver);
    closed_cb(user);
}

static void handle_closed(uv_handle_t *handle)
{
    struct op_driver *driver = handle->data;

    driver->handles--;
    driver_maybe_closed(driver);
}

void op_driver_close(struct op_driver *driver, void (*closed_cb)(void *user), void *user)
{
    op_driver_stop(driver);
    driver->closing = true;
    driver->closed_cb = closed_cb;
    driver->closed_user = user;
    uv_close((uv_handle_t *)&driver->timer, handle_closed);
    uv_close((uv_handle_t *)&driver->nodes_timer, handle_closed);
    uv_close((uv_handle_t *)&driver->begun_idle, handle_closed);
}

void op_driver_visit(const struct op_driver *driver, void (*visit)(void *user, const struct op_step_view *view),
                     void *user)
{
    uint64_t now = driver_clock_ms(driver);
    struct op *op;

    RB_FOREACH (op, driver_op_tree, (struct driver_op_tree *)(uintptr_t)&driver->ops) {
        for (size_t i = 0; i < op->engine.n_steps; i++) {
            const struct engine_step *step = &op->engine.steps[i];
            const struct store_node *node = store_node(driver_store(driver), step->node);
            bool started = op->tasks[i] != NULL && op->tasks[i]->call != NULL;
            struct op_step_view view = {
                .op_id = op->engine.op_id,
                .step = exec_step_name(step->kind),
                .host = node != NULL ? node->manage.items[0] : "",
                .state = started        ? "running"
                         : step->failed ? "retrying"
                                        : "waiting",
                .attempts = step->tries,
                .since_ms = now - step->since_ms,
                .last_error = step->error,
            };

            if (step->state != ENGINE_DONE) {
                visit(user, &view);
            }
        }
    }
}

/* The driver: performs what the engine decides, on the leader.
 *
 * One `struct op` per operation, in order of id, and in order of when it is due. A generation number tells answers that
 * belong to an earlier leadership: they are dropped. Nothing here points into the store across callbacks.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/command.h"
#include "daemon/operations/driver_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

static int op_cmp(const struct op *a, const struct op *b)
{
    return id_cmp(&a->engine.op_id, &b->engine.op_id);
}

static int due_cmp(const struct op *a, const struct op *b)
{
    if (a->due_ms != b->due_ms) {
        return a->due_ms < b->due_ms ? -1 : 1;
    }
    return op_cmp(a, b);
}

RB_GENERATE(driver_op_tree, op, link, op_cmp);
RB_PROTOTYPE(driver_due_tree, op, due_link, due_cmp);
RB_GENERATE(driver_due_tree, op, due_link, due_cmp);

struct op *driver_find(const struct op_driver *driver, struct id op_id)
{
    struct op key = {.engine = {.op_id = op_id}};

    return RB_FIND(driver_op_tree, (struct driver_op_tree *)(uintptr_t)&driver->ops, &key);
}

uint64_t driver_clock_ms(const struct op_driver *driver)
{
    return uv_now(driver->loop);
}

const struct store *driver_store(const struct op_driver *driver)
{
    return driver->env.store(driver->env.user);
}

/* ---- time ---- */

static void timer_cb(uv_timer_t *timer);

void driver_wake(struct op_driver *driver, uint64_t at_ms)
{
    uint64_t now_ms = driver_clock_ms(driver);

    if (at_ms < driver->armed_ms) {
        driver->armed_ms = at_ms;
        CHECK(uv_timer_start(&driver->timer, timer_cb, at_ms > now_ms ? at_ms - now_ms : 1, 0) == 0);
    }
}

static void set_due(struct op_driver *driver, struct op *op, uint64_t due_ms)
{
    if (op->due_ms != UINT64_MAX) {
        RB_REMOVE(driver_due_tree, &driver->due, op);
    }
    op->due_ms = due_ms;
    if (due_ms != UINT64_MAX) {
        RB_INSERT(driver_due_tree, &driver->due, op);
        driver_wake(driver, due_ms);
    }
}

struct share { /* of a turn of the loop */
    size_t n_ops;
    uint64_t begin_ns, begin_placed;
};

static struct share share_begin(const struct op_driver *driver)
{
    return (struct share){0, uv_hrtime(), driver->n_placed};
}

/* Takes a place in it for one operation more; false: there is none. */
static bool share_take(struct share *share, const struct op_driver *driver)
{
    return driver->n_placed - share->begin_placed < DRIVER_TURN_STEPS &&
           uv_hrtime() - share->begin_ns < DRIVER_TURN_NS && share->n_ops++ < DRIVER_TURN_MAX;
}

static void timer_cb(uv_timer_t *timer)
{
    TURN("operations");
    struct op_driver *driver = timer->data;
    uint64_t now_ms = driver_clock_ms(driver);
    struct share share = share_begin(driver);
    struct op *op;

    driver->armed_ms = UINT64_MAX;
    nodes_go_on(driver);
    while ((op = RB_MIN(driver_due_tree, &driver->due)) != NULL && op->due_ms <= now_ms && share_take(&share, driver)) {
        set_due(driver, op, UINT64_MAX);
        driver_advance(driver, op);
    }
    tasks_run(driver);
    op = RB_MIN(driver_due_tree, &driver->due);
    if (op != NULL) {
        driver_wake(driver, op->due_ms);
    }
}

/* ---- one operation ---- */

static bool node_down(void *user, struct id node)
{
    return nodes_doubtful(user, node);
}

static bool node_hung(void *user, struct id node)
{
    return late_is(user, node);
}

static const char *node_silent(void *user, struct id node)
{
    return nodes_silence(user, node);
}

static void new_tasks(struct op *op)
{
    free(op->tasks);
    op->tasks = mem_calloc(op->engine.max_steps, sizeof(struct task *));
}

static void check_idle(const struct op *op)
{
    for (size_t i = 0; i < op->engine.n_steps; i++) {
        CHECK(op->tasks[i] == NULL);
    }
}

static void op_free(struct op *op)
{
    engine_fini(&op->engine);
    free(op->tasks);
    free(op);
}

static void remove_op(struct op_driver *driver, struct op *op)
{
    set_due(driver, op, UINT64_MAX);
    RB_REMOVE(driver_op_tree, &driver->ops, op);
    TAILQ_REMOVE(&driver->op_list, op, list_link);
    op_free(op);
}

static void begin(struct op_driver *driver, struct id op_id)
{
    const struct engine_env env = {.user = driver,
                                   .node_down = node_down,
                                   .node_hung = node_hung,
                                   .node_silent = node_silent,
                                   .no_rebalance = driver->env.no_rebalance,
                                   .replans_max = driver->env.replans_max};
    struct op *op;

    if (driver_find(driver, op_id) != NULL) {
        return;
    }
    op = mem_calloc(1, sizeof(*op));
    op->due_ms = UINT64_MAX;
    if (!engine_init(&op->engine, driver_store(driver), op_id, &env, driver_clock_ms(driver))) {
        free(op);
        return;
    }
    new_tasks(op);
    RB_INSERT(driver_op_tree, &driver->ops, op);
    TAILQ_INSERT_TAIL(&driver->op_list, op, list_link);
    LOG(op->engine.type == STORE_OP_CLEAN_BRICKS ? LOG_DEBUG : LOG_INFO, "operation", "begins",
        LF_STR("operation", id_text(op_id).text), LF_STR("type", store_op_type_name(op->engine.type)),
        LF_U64("steps", op->engine.n_steps), LF_U64("term", driver->env.term(driver->env.user)));
    driver_advance(driver, op);
}

/* ---- commands ---- */

struct proposal {
    struct op_driver *driver;
    uint64_t generation;
    struct id op_id, follow_id, rebalance_id;
    enum engine_action_kind kind;
};

static void proposed(void *user, int status, const struct store_result *result)
{
    struct proposal *proposal = user;
    struct op_driver *driver = proposal->driver;
    struct op *op = proposal->generation == driver->generation ? driver_find(driver, proposal->op_id) : NULL;
    struct id parent;

    driver->proposals--;
    if (op != NULL) {
        if (proposal->kind != ENGINE_PARK) {
            check_idle(op); /* the engine decides these only when nothing runs */
        }
        engine_proposed(&op->engine, driver_store(driver), proposal->kind, status, result, driver_clock_ms(driver));
        if (proposal->kind != ENGINE_PARK) {
            new_tasks(op);
        }
        if (status != 0 && status != E_BUSY) {
            LOG(LOG_WARNING, "operation", "is left to the next leader",
                LF_STR("operation", id_text(proposal->op_id).text), LF_STR("reason", err_text(status)));
        }
        if (op->engine.done) {
            parent = op->engine.parent;
            remove_op(driver, op);
            op = id_is_none(parent) ? NULL : driver_find(driver, parent); /* waits for it */
        }
        if (op != NULL) {
            driver_advance(driver, op);
        }
        if (status == 0 && !id_is_none(proposal->follow_id)) { /* a clean-up, or a part */
            op_driver_begun(driver, proposal->follow_id);
        }
        if (status == 0 && !id_is_none(proposal->rebalance_id)) {
            op_driver_begun(driver, proposal->rebalance_id);
        }
        tasks_run(driver);
    } /* otherwise leadership was lost: the next leader, perhaps this member, reads the store */
    free(proposal);
    driver_maybe_closed(driver);
}

/* Nothing is wrong when an operation gets its first place, or waits: what it waits for is said once, of the node. */
static void log_action(const struct op_driver *driver, const struct op *op, const struct engine_action *action,
                       const struct store_cmd *cmd)
{
    static const char *const texts[] = {[ENGINE_REPLAN] = "is planned again",
                                        [ENGINE_UNDO] = "is undone",
                                        [ENGINE_MOVED] = "has moved what it is about",
                                        [ENGINE_TURN] = "goes forward again",
                                        [ENGINE_PART] = "begins with a part of it",
                                        [ENGINE_PARK] = "waits for a node",
                                        [ENGINE_END] = "failed",
                                        [ENGINE_LEARN] = "learns where its bricks are",
                                        [ENGINE_REDO] = "cannot be undone any more"};
    const char *text = texts[action->kind], *reason = action->text;
    enum log_level level = LOG_INFO;

    if (action->kind == ENGINE_PARK) {
        text = cmd->n_parked > 0 ? text : "waits no longer";
        reason = cmd->n_parked > 0 ? cmd->parked[0].text : "";
    } else if (action->kind == ENGINE_REPLAN && *reason == '\0') {
        text = "is planned";
    } else if (action->kind == ENGINE_END && !action->failed) {
        const struct store_operation *rec = store_operation(driver_store(driver), op->engine.op_id);

        /* NULL: it went with the node that it waited for. */
        text = rec != NULL && store_ends_in_parts(driver_store(driver), rec) ? "ends a part of what waits for its node"
                                                                             : "done";
    } else if (action->kind != ENGINE_MOVED && action->kind != ENGINE_PART && action->kind != ENGINE_LEARN) {
        level = LOG_WARNING;
    }
    if (*reason == '\0') {
        LOG(level, "operation", text, LF_STR("operation", id_text(op->engine.op_id).text),
            LF_STR("type", store_op_type_name(op->engine.type)), LF_U64("term", driver->env.term(driver->env.user)));
    } else {
        LOG(level, "operation", text, LF_STR("operation", id_text(op->engine.op_id).text),
            LF_STR("type", store_op_type_name(op->engine.type)), LF_STR("reason", reason),
            LF_U64("term", driver->env.term(driver->env.user)));
    }
}

static void propose(struct op_driver *driver, struct op *op, const struct engine_action *action)
{
    struct id follow_id = ID_NONE;
    struct store_plan_env env;
    struct store_result result;
    struct store_cmd cmd;
    struct proposal *proposal;

    if (action->leave) {
        driver->env.random(driver->env.user, &follow_id, sizeof(follow_id));
    }
    driver->env.plan_env(driver->env.user, &env);
    if (!op_command(&op->engine, driver_store(driver), action, &env, driver->env.now_ms(driver->env.user), follow_id,
                    &cmd, &result)) {
        LOG(LOG_INFO, "operation", action->kind == ENGINE_PART ? "its next part has to wait" : "no other place",
            LF_STR("operation", id_text(op->engine.op_id).text), LF_STR("reason", result.text));
        engine_not_proposed(&op->engine, action->kind, driver_clock_ms(driver));
        return;
    }
    follow_id = action->kind == ENGINE_PART ? cmd.op_id : follow_id;
    log_action(driver, op, action, &cmd);
    proposal = mem_calloc(1, sizeof(*proposal));
    *proposal =
        (struct proposal){driver, driver->generation, op->engine.op_id, follow_id, cmd.rebalance_id, action->kind};
    driver->proposals++;
    driver->env.propose(driver->env.user, &cmd, proposed, proposal);
    store_cmd_fini(&cmd);
}

void driver_advance(struct op_driver *driver, struct op *op)
{
    uint64_t begin_placed = driver->n_placed;
    struct engine_action action;

    for (;;) {
        if (!driver->running) {
            return;
        }
        if (driver->n_placed - begin_placed == DRIVER_ADVANCE_STEPS) {
            set_due(driver, op, driver_clock_ms(driver));
            return;
        }
        if (!driver->env.serving(driver->env.user)) {
            set_due(driver, op, driver_clock_ms(driver) + DRIVER_LEASE_POLL_MS);
            return;
        }
        engine_next(&op->engine, driver_store(driver), driver_clock_ms(driver), &action);
        switch (action.kind) {
        case ENGINE_RUN:
            task_start(driver, op, action.step);
            break;
        case ENGINE_REPLAN:
        case ENGINE_UNDO:
        case ENGINE_MOVED:
        case ENGINE_TURN:
        case ENGINE_PART:
        case ENGINE_END:
        case ENGINE_PARK:
        case ENGINE_LEARN:
        case ENGINE_REDO:
            propose(driver, op, &action);
            break;
        case ENGINE_WAIT:
            set_due(driver, op, action.wait_ms);
            return;
        }
    }
}

bool driver_node_up(struct op_driver *driver, struct id node, struct id *told, size_t *left)
{
    struct op key = {.engine = {.op_id = *told}}, *op = RB_NFIND(driver_op_tree, &driver->ops, &key);

    for (; op != NULL && *left > 0; op = RB_NEXT(driver_op_tree, &driver->ops, op)) {
        if (id_equal(op->engine.op_id, *told)) {
            continue; /* it was the last one */
        }
        if (engine_node_up(&op->engine, node, driver_clock_ms(driver))) {
            set_due(driver, op, driver_clock_ms(driver));
        }
        *told = op->engine.op_id;
        --*left;
    }
    return op == NULL;
}

/* ---- in turns of the loop: tens of thousands of operations may wait for one node ---- */

/* The next ones of those that there were when the term began, the oldest first. */
static void resume(struct op_driver *driver, struct share *share)
{
    while (driver->running && driver->resumes && share_take(share, driver)) {
        const struct store_operation *op =
            store_operation_younger(driver_store(driver), driver->resumed_index, driver->resumed_id);

        driver->resumes = op != NULL && op->begin_index <= driver->resume_to;
        if (driver->resumes) {
            driver->resumed_index = op->begin_index;
            driver->resumed_id = op->id;
            begin(driver, op->id);
        }
    }
}

static void begin_next(struct op_driver *driver, struct share *share)
{
    size_t n = 0;

    while (n < driver->n_begun && driver->running && share_take(share, driver)) {
        begin(driver, driver->begun[n++]);
    }
    if (n == 0) {
        return;
    }
    driver->n_begun -= n;
    memmove(driver->begun, driver->begun + n, driver->n_begun * sizeof(*driver->begun));
}

static void free_some(struct op_driver *driver, size_t left)
{
    struct op *op;

    tasks_free_some(driver, left);
    for (; left > 0 && (op = TAILQ_FIRST(&driver->gone)) != NULL; left--) {
        TAILQ_REMOVE(&driver->gone, op, list_link);
        op_free(op);
    }
}

static void turn_cb(uv_idle_t *idle)
{
    TURN("operations");
    struct op_driver *driver = idle->data;
    struct share share = share_begin(driver);
    bool told = true;

    if (driver->running) {
        resume(driver, &share);
        begin_next(driver, &share);
        told = nodes_tell_up(driver, DRIVER_LOOK_MAX);
    }
    free_some(driver, DRIVER_LOOK_MAX);
    if (driver->n_begun == 0 && !driver->resumes && told && TAILQ_EMPTY(&driver->gone) &&
        TAILQ_EMPTY(&driver->gone_tasks)) {
        uv_idle_stop(idle);
    }
    tasks_run(driver);
}

void driver_turn(struct op_driver *driver)
{
    CHECK(uv_idle_start(&driver->turn_idle, turn_cb) == 0);
}

/* ---- the public side ---- */

/* Called while a command is applied: begun from the loop, when apply has returned. */
void op_driver_begun(struct op_driver *driver, struct id op_id)
{
    if (!driver->running) {
        return;
    }
    if ((driver->n_begun & (driver->n_begun + 1)) == 0) { /* room for 1, 3, 7, ...: doubles */
        driver->begun = mem_realloc_array(driver->begun, 2 * driver->n_begun + 1, sizeof(*driver->begun));
    }
    driver->begun[driver->n_begun++] = op_id;
    driver_turn(driver);
}

/* What begins later is told. */
static void resume_all(struct op_driver *driver)
{
    driver->resumes = true;
    driver->resume_to = store_applied_index(driver_store(driver));
    driver->resumed_index = 0;
    driver->resumed_id = ID_NONE;
    driver_turn(driver);
}

void op_driver_start(struct op_driver *driver)
{
    const struct store *store = driver_store(driver);

    CHECK(!driver->running && !driver->closing);
    driver->running = true;
    driver->generation++;
    if (id_is_none(store_settings(store)->load)) { /* of half a database nothing is done: it may be taken back */
        resume_all(driver);
    }
    LOG(LOG_INFO, "operation", "leading: operations are resumed", LF_U64("count", store_counts(store).operations),
        LF_U64("term", driver->env.term(driver->env.user)));
    nodes_start(driver);
}

void op_driver_loaded(struct op_driver *driver)
{
    if (driver->running) {
        resume_all(driver);
    }
}

void op_driver_stop(struct op_driver *driver)
{
    if (!driver->running) {
        return;
    }
    driver->running = driver->resumes = false;
    driver->generation++;
    driver->n_begun = 0;
    tasks_cancel(driver);
    TAILQ_CONCAT(&driver->gone, &driver->op_list, list_link);
    RB_INIT(&driver->ops);
    RB_INIT(&driver->due);
    driver_turn(driver);
    nodes_stop(driver);
    uv_timer_stop(&driver->timer);
    driver->armed_ms = UINT64_MAX;
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
    TAILQ_INIT(&driver->op_list);
    TAILQ_INIT(&driver->gone);
    RB_INIT(&driver->due);
    RB_INIT(&driver->nodes);
    TAILQ_INIT(&driver->waiting);
    TAILQ_INIT(&driver->running_tasks);
    TAILQ_INIT(&driver->gone_tasks);
    LIST_INIT(&driver->probes);
    CHECK(uv_timer_init(loop, &driver->timer) == 0);
    CHECK(uv_timer_init(loop, &driver->nodes_timer) == 0);
    CHECK(uv_idle_init(loop, &driver->turn_idle) == 0);
    driver->timer.data = driver->nodes_timer.data = driver->turn_idle.data = driver;
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
    free_some(driver, SIZE_MAX);
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
    nodes_cancel(driver); /* what the API asked */
    driver->closing = true;
    driver->closed_cb = closed_cb;
    driver->closed_user = user;
    uv_close((uv_handle_t *)&driver->timer, handle_closed);
    uv_close((uv_handle_t *)&driver->nodes_timer, handle_closed);
    uv_close((uv_handle_t *)&driver->turn_idle, handle_closed);
}

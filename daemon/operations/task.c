/* One step on its way: its node's fence is raised, it gets its turn, the executor runs it, the engine learns what came
 * of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/driver_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"

static bool is_gone(const struct task *task)
{
    return task->generation != task->driver->generation;
}

static struct driver_task_list *list_of(const struct task *task)
{
    if (task->state == TASK_RUNNING || task->state == TASK_DOUBTED) {
        return &task->driver->running_tasks;
    }
    return is_gone(task) ? &task->driver->gone_tasks : &task->driver->waiting;
}

static void task_free(struct task *task)
{
    if (!is_gone(task)) { /* else nodes_stop has forgotten its node's line */
        late_unline(task->driver, task);
    }
    TAILQ_REMOVE(list_of(task), task, link);
    if (task->work != NULL) {
        op_work_fini(task->work);
        free(task->work);
    }
    free(task->refusal);
    free(task);
}

/* ---- the answer ---- */

static void log_step(const struct task *task, const struct exec_result *result)
{
    enum log_level level = result->code == 0 ? LOG_INFO : LOG_WARNING;
    uint64_t tries = 1;

    if (exec_is_unreachable(result->code)) { /* of a node that is down all that is to be done there fails, for long */
        tries = nodes_may_say(task->driver, task->node);
        level = tries > 0 ? LOG_WARNING : LOG_DEBUG;
    }
    LOG(level, "operation", result->code == 0 ? "step done" : "step failed", LF_STR("step", exec_step_name(task->kind)),
        LF_STR("operation", id_text(task->op_id).text), LF_STR("host", task->work->host),
        LF_U64("term", task->work->exec.term), LF_U64("ms", driver_clock_ms(task->driver) - task->started_ms),
        LF_U64("tries", tries),
        LF_STR("reason", result->code == 0            ? ""
                         : result->message[0] != '\0' ? result->message
                                                      : err_text(result->code)));
}

/* Frees the task. */
static void answer(struct task *task, const struct exec_result *result)
{
    struct op_driver *driver = task->driver;
    struct op *op = task->op;
    size_t step = task->step;

    if (op == NULL) {
        task_free(task);
        return;
    }
    task_free(task);
    op->tasks[step] = NULL;
    engine_result(&op->engine, step, result, driver_clock_ms(driver));
    driver_advance(driver, op);
}

/* The node has refused the step for the sake of a newer leader. If there is one, this driver is about to be stopped;
 * if the lease is still held, or again, the refusal is the node's fault and no other node's operations wait for it. */
static void refused(struct task *task, const char *said)
{
    struct op_driver *driver = task->driver;
    struct exec_result result;

    if (nodes_judge(driver, said, &result)) {
        nodes_note(driver, task->node, &result);
        answer(task, &result);
        return;
    }
    task->refusal = mem_strdup(said);
    task->state = TASK_DOUBTED;
    driver->doubted++;
    driver_wake(driver, driver_clock_ms(driver) + DRIVER_LEASE_POLL_MS);
}

/* The lease is held: doubts are over. */
static void judge_doubted(struct op_driver *driver)
{
    struct task *task;

    while (driver->doubted > 0) {
        TAILQ_FOREACH (task, &driver->running_tasks, link) {
            if (task->state == TASK_DOUBTED) {
                break;
            }
        }
        CHECK(task != NULL);
        CLEANUP(free_ptr) char *said = task->refusal;

        task->refusal = NULL;
        task->state = TASK_RUNNING;
        driver->doubted--;
        refused(task, said);
    }
}

/* Its pool's gluster commands could go to no other node now. Late ones count: who answers at once that it is busy may
 * be what they are late for. */
static bool is_alone(const struct task *task)
{
    const struct store *store = driver_store(task->driver);
    const struct store_node *node = store_node(store, task->node), *other = NULL;

    while (node != NULL && (other = store_cluster_node_next(store, node->cluster, other)) != NULL) {
        if (other != node && other->state == STORE_STATE_ONLINE && id_is_none(other->pending) &&
            !nodes_doubtful(task->driver, other->id)) {
            return false;
        }
    }
    return true;
}

static enum schedule_outcome outcome_of(const struct task *task, const struct exec_result *result)
{
    switch (result->code) {
    case E_OK:
        return SCHEDULE_DONE;
    case E_BUSY:
        if (result->apart || result->marked) {
            return SCHEDULE_FAILED; /* the pool is not too busy */
        }
        return task->op != NULL && is_alone(task) ? SCHEDULE_BUSY_ALONE : SCHEDULE_BUSY;
    default:
        return SCHEDULE_FAILED;
    }
}

/* It did not end in its time; or just before, which holds up the others no less, whatever it answers. */
static bool has_hung(const struct task *task, const struct exec_result *result)
{
    uint64_t took_ms = driver_clock_ms(task->driver) - task->started_ms;

    return (result->code == E_TIMEOUT && took_ms >= DRIVER_SLOW_MS) ||
           (engine_is_pool_step(task->kind) && took_ms >= DRIVER_LATE_MS) ||
           (task->work->exec.timeout_ms == ENGINE_IGNORED_MS && took_ms >= ENGINE_IGNORED_MS / 2);
}

static void note_end(struct op_driver *driver, const struct task *task, const struct exec_result *result)
{
    uint64_t took_ms = driver_clock_ms(driver) - task->started_ms;

    if (task->slow) {
        late_note_slow(driver, task->node, false);
    }
    nodes_note(driver, task->node, result);
    if (has_hung(task, result)) {
        late_note_hung(driver, task->node);
    } else if (engine_is_pool_step(task->kind) && (!exec_is_unreachable(result->code) || took_ms >= DRIVER_TARDY_MS)) {
        late_note_took(driver, task->node, took_ms); /* a connection that breaks at once says nothing */
    }
}

static void task_done(void *user, const struct exec_result *result)
{
    struct task *task = user;
    struct op_driver *driver = task->driver;
    TURN_OF(turn_kind(exec_step_name(task->kind)));

    driver->calls--;
    log_step(task, result);
    if (driver->env.step_ended != NULL) {
        driver->env.step_ended(driver->env.user, task->kind, result->code, driver_clock_ms(driver) - task->started_ms);
    }
    schedule_done(driver->schedule, &task->item, outcome_of(task, result));
    if (task->op != NULL && result->code == E_FENCED) {
        if (task->slow) {
            late_note_slow(driver, task->node, false);
            task->slow = false;
        }
        refused(task, result->message);
    } else {
        if (task->op != NULL) {
            note_end(driver, task, result);
        }
        answer(task, result);
    }
    tasks_run(driver);
    driver_maybe_closed(driver);
}

/* ---- the turn ---- */

static bool brick_needs(const struct store *store, const struct store_operation *op, const struct engine_step *step,
                        const struct store_node *node, struct id ret_needs[SCHEDULE_KINDS])
{
    const struct store_brick *brick = op_work_brick(store, op, step->object);

    if (brick == NULL) {
        return false;
    }
    ret_needs[SCHEDULE_VG] = brick->device;
    if (step->kind == EXEC_BRICK_RESET) { /* may restart glusterd: not beside another one of the device */
        ret_needs[SCHEDULE_VOLUME] = brick->volume;
        ret_needs[SCHEDULE_POOL] = node->cluster;
    }
    return true;
}

/* What the step has for itself while it runs. false: what it is about is not in the store any more. */
static bool needs(const struct store *store, const struct task *task, const struct engine_step *step,
                  struct id ret_needs[SCHEDULE_KINDS])
{
    const struct store_operation *op = store_operation(store, task->op_id);
    const struct store_node *node = store_node(store, task->node);
    const struct store_block_volume *block;

    if (op == NULL || node == NULL) {
        return false;
    }
    ret_needs[SCHEDULE_NODE] = task->node;
    switch (task->kind) {
    case EXEC_BRICK_CREATE:
    case EXEC_BRICK_DESTROY:
    case EXEC_BRICK_RESET:
        return brick_needs(store, op, step, node, ret_needs);
    case EXEC_DEVICE_SETUP:
    case EXEC_DEVICE_TEARDOWN:
    case EXEC_DEVICE_LOOK:
    case EXEC_DEVICE_LOST:
    case EXEC_DEVICE_RENEW:
        ret_needs[SCHEDULE_VG] = step->object;
        break;
    case EXEC_BLOCK_CREATE:
    case EXEC_BLOCK_EXPAND:
    case EXEC_BLOCK_LOOK:
    case EXEC_BLOCK_DELETE: /* gluster-block locks within the hosting volume, not the pool */
        block = store_block_volume(store, step->object);
        if (block == NULL) {
            return false;
        }
        ret_needs[SCHEDULE_VOLUME] = block->hosting;
        break;
    case EXEC_VOLUME_CREATE:
    case EXEC_VOLUME_DELETE:
    case EXEC_VOLUME_EXPAND:
    case EXEC_VOLUME_LOOK:
    case EXEC_REBALANCE_START:
    case EXEC_REBALANCE_STATUS:
    case EXEC_CLONE_START:
    case EXEC_BRICK_REPLACE:
    case EXEC_BRICK_UNREPLACED: /* not beside a replacing that is still under way */
        ret_needs[SCHEDULE_VOLUME] = step->object;
        ret_needs[SCHEDULE_POOL] = node->cluster;
        break;
    case EXEC_VOLUME_CLONE:
    case EXEC_SNAPSHOT_DELETE: /* the new volume is nobody else's */
        ret_needs[SCHEDULE_VOLUME] = op->source;
        ret_needs[SCHEDULE_POOL] = node->cluster;
        break;
    case EXEC_PEER_PROBE:
    case EXEC_PEER_DETACH:
    case EXEC_PEER_FORGET:
    case EXEC_NODE_RENEW:
        ret_needs[SCHEDULE_POOL] = node->cluster;
        break;
    case EXEC_BRICK_SYNC: /* waits for the brick's process, without touching the volume group */
    case EXEC_HEAL_CHECK: /* read only */
    case EXEC_VOLUME_CHECK:
    case EXEC_HEAL_WAIT:
    case EXEC_GLUSTERD_CHECK:
    case EXEC_FENCE:
    case EXEC_INVENTORY:
        break;
    }
    return true;
}

/* It went with its node, which was given up while the step waited: the engine looks again. Frees the task. */
static void lapse(struct task *task)
{
    static const struct exec_result lapsed = {.code = E_BUSY, .message = "what the step is about is gone"};

    answer(task, &lapsed);
}

static void enqueue(struct task *task)
{
    struct op_driver *driver = task->driver;
    struct id ids[SCHEDULE_KINDS] = {ID_NONE};

    if (!needs(driver_store(driver), task, &task->op->engine.steps[task->step], ids)) {
        lapse(task);
        return;
    }
    for (enum schedule_kind kind = 0; kind < SCHEDULE_KINDS; kind++) {
        if (!id_is_none(ids[kind])) {
            schedule_claim(driver->schedule, &task->item, kind, ids[kind]);
        }
    }
    task->state = TASK_QUEUED;
    if (engine_is_pool_step(task->kind)) {
        late_line(driver, task);
    }
    schedule_add(driver->schedule, &task->item, task);
}

void task_moves(struct task *task, const char *reason)
{
    struct exec_result moves = {.code = E_BUSY, .moved = true};

    CHECK(task->state == TASK_FENCING || task->state == TASK_QUEUED);
    text_put(moves.message, sizeof(moves.message), reason);
    if (task->state == TASK_QUEUED) {
        schedule_done(task->driver->schedule, &task->item, SCHEDULE_FAILED);
    }
    answer(task, &moves);
}

void task_fenced(struct task *task, const struct exec_result *result)
{
    if (result->code == 0) {
        enqueue(task);
    } else {
        answer(task, result);
    }
}

void task_start(struct op_driver *driver, struct op *op, size_t at)
{
    const struct engine_step *step = &op->engine.steps[at];
    const struct store_node *node = store_node(driver_store(driver), step->node);
    struct task *task = mem_calloc(1, sizeof(*task));

    CHECK(op->tasks[at] == NULL);
    task->driver = driver;
    task->op = op;
    task->generation = driver->generation;
    task->step = at;
    task->kind = step->kind;
    task->state = TASK_FENCING;
    task->node = step->node;
    task->op_id = op->engine.op_id;
    task->placed_ms = driver_clock_ms(driver);
    TAILQ_INSERT_TAIL(&driver->waiting, task, link);
    op->tasks[at] = task;
    driver->n_placed++;
    CHECK(node != NULL); /* chosen a moment ago */
    if (nodes_fence(driver, task, node->manage.items[0])) {
        enqueue(task);
    }
}

/* What the pool may not know yet. */
static void tell_silent(struct op_driver *driver, struct task *task)
{
    const struct store_node *node = store_node(driver_store(driver), task->node);

    if (node != NULL) {
        nodes_silent(driver, node->cluster, &task->work->silent);
        task->work->exec.silent = &task->work->silent;
    }
}

/* While the step waited for its turn, its node fell silent: it would wait for it to answer. */
static bool spare(struct op_driver *driver, struct task *task)
{
    const char *said = nodes_silence(driver, task->node);
    struct exec_result result = {.code = E_CONNECT};

    if (said == NULL || !engine_may_spare(&task->op->engine.steps[task->step])) {
        return false;
    }
    text_put(result.message, sizeof(result.message), said);
    schedule_done(driver->schedule, &task->item, SCHEDULE_FAILED);
    answer(task, &result);
    return true;
}

/* The copies are made now: many steps may wait, and each may be about a volume of many words. */
static bool take_copies(struct op_driver *driver, struct task *task)
{
    const struct engine_step *step = &task->op->engine.steps[task->step];
    struct op_work *work = mem_calloc(1, sizeof(*work));

    if (!op_work_init(work, driver_store(driver), task->op_id, step)) {
        op_work_fini(work);
        free(work);
        return false;
    }
    task->work = work;
    work->exec.snapshot_limit = driver->env.snapshot_limit;
    work->exec.managers = driver->env.managers(driver->env.user);
    work->exec.term = driver->env.term(driver->env.user);
    work->exec.timeout_ms = engine_timeout_ms(&task->op->engine, step);
    tell_silent(driver, task);
    return true;
}

static void withdraw(struct task *task)
{
    if (task->state == TASK_QUEUED) {
        schedule_done(task->driver->schedule, &task->item, SCHEDULE_FAILED);
    }
    task_free(task);
}

/* Its turn has come. */
static void run(struct op_driver *driver, struct task *task)
{
    if (is_gone(task)) {
        withdraw(task);
        return;
    }
    if (engine_is_pool_step(task->kind) && late_moves(driver, task->node, task->placed_ms)) {
        task_moves(task, TASK_MOVES);
        return;
    }
    if (spare(driver, task)) {
        return;
    }
    if (!take_copies(driver, task)) {
        schedule_done(driver->schedule, &task->item, SCHEDULE_FAILED);
        lapse(task);
        return;
    }
    late_unline(driver, task);
    TAILQ_REMOVE(list_of(task), task, link);
    task->state = TASK_RUNNING;
    TAILQ_INSERT_TAIL(list_of(task), task, link);
    task->started_ms = driver_clock_ms(driver);
    LOG(LOG_DEBUG, "operation", "step begins", LF_STR("step", exec_step_name(task->kind)),
        LF_STR("operation", id_text(task->op_id).text), LF_STR("host", task->work->host),
        LF_U64("term", task->work->exec.term));
    driver->calls++;
    task->call = exec_run(driver->executor, &task->work->exec, task_done, task);
}

void tasks_run(struct op_driver *driver)
{
    uint64_t begin_ns = uv_hrtime();
    size_t n = 0;

    while (driver->running) {
        struct schedule_item *item;

        if (!driver->env.serving(driver->env.user)) {
            driver_wake(driver, driver_clock_ms(driver) + DRIVER_LEASE_POLL_MS);
            return;
        }
        judge_doubted(driver);
        if (n == DRIVER_TURN_MAX || uv_hrtime() - begin_ns >= DRIVER_TURN_NS) {
            driver_wake(driver, driver_clock_ms(driver));
            return;
        }
        item = schedule_next(driver->schedule);
        if (item == NULL) {
            return;
        }
        run(driver, item->owner);
        n++;
    }
}

void tasks_yield(struct op_driver *driver, struct id node)
{
    struct task *task;

    TAILQ_FOREACH (task, &driver->running_tasks, link) {
        if (task->state == TASK_RUNNING && id_equal(task->node, node)) {
            schedule_yield(driver->schedule, &task->item);
        }
    }
}

/* What it does on its node goes on: it may change something there as long as it is not known to have ended. Only others
 * need not wait for a place beside it, nor go to its node meanwhile. */
void tasks_yield_slow(struct op_driver *driver)
{
    struct task *task;

    TAILQ_FOREACH (task, &driver->running_tasks, link) {
        if (task->state != TASK_RUNNING || driver_clock_ms(driver) - task->started_ms < DRIVER_SLOW_MS) {
            continue;
        }
        schedule_yield(driver->schedule, &task->item);
        if (!task->slow && task->op != NULL && engine_is_pool_step(task->kind)) {
            task->slow = true;
            late_note_slow(driver, task->node, true);
        }
    }
}

/* ---- the end of a term ---- */

void tasks_cancel(struct op_driver *driver)
{
    struct task *task, *next;

    TAILQ_FOREACH_SAFE(task, &driver->running_tasks, link, next)
    {
        if (task->op == NULL) {
            continue; /* cancelled before */
        }
        task->op = NULL;
        if (task->state == TASK_RUNNING) { /* its effect is found by the next leader's look, or fenced */
            exec_cancel(driver->executor, task->call);
        } else {
            driver->doubted--;
            task_free(task);
        }
    }
    TAILQ_CONCAT(&driver->gone_tasks, &driver->waiting, link); /* nodes_stop forgets who waits for a fence */
}

void tasks_free_some(struct op_driver *driver, size_t left)
{
    struct task *task, *next;

    TAILQ_FOREACH_SAFE(task, &driver->gone_tasks, link, next)
    {
        if (left-- == 0) {
            return;
        }
        withdraw(task);
    }
}

/* One step on its way: its node's fence is raised, it gets its turn, the executor runs it, the engine learns what came
 * of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/driver_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

static void task_free(struct task *task)
{
    LIST_REMOVE(task, link);
    op_work_fini(&task->work);
    free(task->refusal);
    free(task);
}

/* ---- the answer ---- */

static void log_step(const struct task *task, const struct exec_result *result)
{
    enum log_level level = result->code == 0 ? LOG_INFO : LOG_WARNING;

    LOG(level, "operation", result->code == 0 ? "step done" : "step failed",
        LF_STR("step", exec_step_name(task->work.exec.kind)), LF_STR("operation", id_text(task->op_id).text),
        LF_STR("host", task->work.host), LF_U64("term", task->work.exec.term),
        LF_U64("ms", driver_clock_ms(task->driver) - task->started_ms),
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
        LIST_FOREACH (task, &driver->tasks, link) {
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

static enum schedule_outcome outcome_of(const struct exec_result *result)
{
    switch (result->code) {
    case E_OK:
        return SCHEDULE_DONE;
    case E_BUSY:
        return SCHEDULE_BUSY;
    default:
        return SCHEDULE_FAILED;
    }
}

static void task_done(void *user, const struct exec_result *result)
{
    struct task *task = user;
    struct op_driver *driver = task->driver;
    TURN_OF(turn_kind(exec_step_name(task->work.exec.kind)));

    driver->calls--;
    log_step(task, result);
    if (driver->env.step_ended != NULL) {
        driver->env.step_ended(driver->env.user, task->work.exec.kind, result->code,
                               driver_clock_ms(driver) - task->started_ms);
    }
    schedule_done(driver->schedule, &task->item, outcome_of(result));
    if (task->op != NULL && result->code == E_FENCED) {
        refused(task, result->message);
    } else {
        if (task->op != NULL) {
            nodes_note(driver, task->node, result);
        }
        answer(task, result);
    }
    tasks_run(driver);
    driver_maybe_closed(driver);
}

/* ---- the turn ---- */

static void claim(struct op_driver *driver, struct task *task, const struct engine_step *step)
{
    const struct store *store = driver_store(driver);
    const struct store_node *node = store_node(store, task->node);
    const struct exec_step *exec = &task->work.exec;

    schedule_claim(driver->schedule, &task->item, SCHEDULE_NODE, task->node);
    switch (exec->kind) {
    case EXEC_BRICK_CREATE:
    case EXEC_BRICK_DESTROY:
        schedule_claim(driver->schedule, &task->item, SCHEDULE_VG, task->work.brick.device);
        break;
    case EXEC_DEVICE_SETUP:
    case EXEC_DEVICE_TEARDOWN:
    case EXEC_DEVICE_LOOK:
        schedule_claim(driver->schedule, &task->item, SCHEDULE_VG, step->object);
        break;
    case EXEC_VOLUME_CREATE:
    case EXEC_VOLUME_DELETE:
        schedule_claim(driver->schedule, &task->item, SCHEDULE_VOLUME, step->object);
        schedule_claim(driver->schedule, &task->item, SCHEDULE_POOL, node->cluster);
        break;
    case EXEC_BLOCK_CREATE:
    case EXEC_BLOCK_EXPAND:
    case EXEC_BLOCK_LOOK:
    case EXEC_BLOCK_DELETE: /* gluster-block locks within the hosting volume, not the pool */
        schedule_claim(driver->schedule, &task->item, SCHEDULE_VOLUME, task->work.volume.id);
        break;
    case EXEC_VOLUME_EXPAND:
    case EXEC_VOLUME_LOOK:
    case EXEC_REBALANCE_START:
    case EXEC_REBALANCE_STATUS:
    case EXEC_CLONE_START:
        schedule_claim(driver->schedule, &task->item, SCHEDULE_VOLUME, step->object);
        schedule_claim(driver->schedule, &task->item, SCHEDULE_POOL, node->cluster);
        break;
    case EXEC_VOLUME_CLONE:
    case EXEC_SNAPSHOT_DELETE: /* the new volume is nobody else's */
        schedule_claim(driver->schedule, &task->item, SCHEDULE_VOLUME, store_operation(store, task->op_id)->source);
        schedule_claim(driver->schedule, &task->item, SCHEDULE_POOL, node->cluster);
        break;
    case EXEC_BRICK_REPLACE:
    case EXEC_BRICK_UNREPLACED: /* not beside a replacing that is still under way */
        schedule_claim(driver->schedule, &task->item, SCHEDULE_VOLUME, step->object);
        schedule_claim(driver->schedule, &task->item, SCHEDULE_POOL, node->cluster);
        break;
    case EXEC_PEER_PROBE:
    case EXEC_PEER_DETACH:
    case EXEC_PEER_FORGET:
        schedule_claim(driver->schedule, &task->item, SCHEDULE_POOL, node->cluster);
        break;
    case EXEC_BRICK_SYNC: /* waits for the brick's process, without touching the volume group */
    case EXEC_HEAL_CHECK: /* read only */
    case EXEC_HEAL_WAIT:
    case EXEC_GLUSTERD_CHECK:
    case EXEC_FENCE:
    case EXEC_INVENTORY:
        break;
    }
}

static void enqueue(struct task *task)
{
    struct op_driver *driver = task->driver;

    task->state = TASK_QUEUED;
    claim(driver, task, &task->op->engine.steps[task->step]);
    schedule_add(driver->schedule, &task->item, task);
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
    struct task *task = mem_calloc(1, sizeof(*task));

    CHECK(op->tasks[at] == NULL);
    task->driver = driver;
    task->op = op;
    task->step = at;
    task->node = step->node;
    task->op_id = op->engine.op_id;
    LIST_INSERT_HEAD(&driver->tasks, task, link);
    op->tasks[at] = task;
    /* The store keeps all that a step is about while its operation is pending. */
    CHECK(op_work_init(&task->work, driver_store(driver), task->op_id, step));
    task->work.exec.snapshot_limit = driver->env.snapshot_limit;
    if (nodes_fence(driver, task)) {
        enqueue(task);
    } else {
        task->state = TASK_FENCING;
    }
}

/* What the pool may not know yet. */
static void tell_silent(struct op_driver *driver, struct task *task)
{
    const struct store_node *node = store_node(driver_store(driver), task->node);

    if (node != NULL) {
        nodes_silent(driver, node->cluster, &task->work.silent);
        task->work.exec.silent = &task->work.silent;
    }
}

void tasks_run(struct op_driver *driver)
{
    struct schedule_item *item;

    while (driver->running) {
        struct task *task;

        if (!driver->env.serving(driver->env.user)) {
            driver_wake(driver, driver_clock_ms(driver) + DRIVER_LEASE_POLL_MS);
            return;
        }
        judge_doubted(driver);
        item = schedule_next(driver->schedule);
        if (item == NULL) {
            return;
        }
        task = item->owner;
        task->state = TASK_RUNNING;
        task->started_ms = driver_clock_ms(driver);
        tell_silent(driver, task);
        task->work.exec.managers = driver->env.managers(driver->env.user);
        task->work.exec.term = driver->env.term(driver->env.user);
        LOG(LOG_DEBUG, "operation", "step begins", LF_STR("step", exec_step_name(task->work.exec.kind)),
            LF_STR("operation", id_text(task->op_id).text), LF_STR("host", task->work.host),
            LF_U64("term", task->work.exec.term));
        driver->calls++;
        task->call = exec_run(driver->executor, &task->work.exec, task_done, task);
    }
}

void tasks_yield(struct op_driver *driver, struct id node)
{
    struct task *task;

    LIST_FOREACH (task, &driver->tasks, link) {
        if (task->state == TASK_RUNNING && id_equal(task->node, node)) {
            schedule_yield(driver->schedule, &task->item);
        }
    }
}

/* What it does on its node goes on; only others need not wait for a place beside it. */
void tasks_yield_slow(struct op_driver *driver)
{
    struct task *task;

    LIST_FOREACH (task, &driver->tasks, link) {
        if (task->state == TASK_RUNNING && driver_clock_ms(driver) - task->started_ms >= DRIVER_SLOW_MS) {
            schedule_yield(driver->schedule, &task->item);
        }
    }
}

void tasks_cancel(struct op_driver *driver)
{
    struct task *task, *next;

    LIST_FOREACH_SAFE(task, &driver->tasks, link, next)
    {
        if (task->op == NULL) {
            continue; /* cancelled before */
        }
        task->op->tasks[task->step] = NULL;
        task->op = NULL;
        switch (task->state) {
        case TASK_RUNNING: /* its effect is found by the next leader's look, or fenced */
            exec_cancel(driver->executor, task->call);
            break;
        case TASK_QUEUED:
            schedule_done(driver->schedule, &task->item, SCHEDULE_FAILED);
            task_free(task);
            break;
        case TASK_DOUBTED:
            driver->doubted--;
            task_free(task);
            break;
        case TASK_FENCING: /* nodes_stop forgets the queue */
            task_free(task);
            break;
        }
    }
}

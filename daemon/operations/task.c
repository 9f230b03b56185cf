/* One step on its way: queued for its resource, run by the executor, answered to the engine. */
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/driver_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"

static void task_free(struct task *task)
{
    struct op_driver *driver = task->driver;

    if (task->previous != NULL) {
        task->previous->next = task->next;
    } else {
        driver->tasks = task->next;
    }
    if (task->next != NULL) {
        task->next->previous = task->previous;
    }
    for (size_t i = 0; i < task->n_bricks; i++) {
        store_brick_fini(&task->copies[i]);
        free(task->storage_hosts[i]);
    }
    free(task->copies);
    free(task->storage_hosts);
    free(task->bricks);
    if (task->volume != NULL) {
        store_volume_fini(task->volume);
        free(task->volume);
    }
    if (task->device != NULL) {
        store_device_fini(task->device);
        free(task->device);
    }
    free(task->host);
    free(task->peer);
    free(task);
}

/* ---- copies of what the step is about ---- */

static const char *storage_host(const struct store *store, const struct store_brick *brick)
{
    const struct store_device *device = store_device(store, brick->device);
    const struct store_node *node = device != NULL ? store_node(store, device->node) : NULL;

    CHECK(node != NULL);
    return node->storage.items[0];
}

static void copy_bricks(struct task *task, const struct store *store, const struct store_brick *bricks, size_t n)
{
    task->n_bricks = n;
    task->copies = mem_calloc(n, sizeof(*task->copies));
    task->bricks = mem_calloc(n, sizeof(*task->bricks));
    task->storage_hosts = mem_calloc(n, sizeof(*task->storage_hosts));
    for (size_t i = 0; i < n; i++) {
        store_brick_copy(&task->copies[i], &bricks[i]);
        task->storage_hosts[i] = mem_strdup(storage_host(store, &bricks[i]));
        task->bricks[i] = (struct exec_brick){&task->copies[i], task->storage_hosts[i]};
    }
    task->exec.bricks = task->bricks;
    task->exec.n_bricks = n;
}

static void copy_volume(struct task *task, const struct store_volume *volume)
{
    task->volume = mem_calloc(1, sizeof(*task->volume));
    store_volume_copy(task->volume, volume);
    task->exec.volume = task->volume;
}

static bool fill_brick(struct task *task, const struct store *store, const struct store_operation *op, struct id id)
{
    const struct store_volume *volume = store_volume(store, op->target);
    const struct store_brick *brick = store_brick(store, id);

    for (size_t i = 0; i < op->n_abandoned; i++) {
        if (id_equal(op->abandoned[i].id, id)) {
            brick = &op->abandoned[i];
        }
    }
    if (brick == NULL) {
        return false;
    }
    copy_bricks(task, store, brick, 1);
    if (volume != NULL) { /* a clean-up's volume may be gone */
        copy_volume(task, volume);
    }
    return true;
}

/* false: what the step is about is no longer in the store. */
static bool fill(struct task *task, const struct store *store)
{
    const struct engine_step *step = &task->op->engine.steps[task->step];
    const struct store_operation *op = store_operation(store, task->op->engine.op_id);
    const struct store_node *node = store_node(store, step->node);
    const struct store_volume *volume;
    const struct store_device *device;
    const struct store_node *peer;

    if (op == NULL || node == NULL) {
        return false;
    }
    task->host = mem_strdup(node->manage.items[0]);
    switch (step->kind) {
    case EXEC_BRICK_CREATE:
    case EXEC_BRICK_SYNC:
    case EXEC_BRICK_DESTROY:
        return fill_brick(task, store, op, step->object);
    case EXEC_VOLUME_CREATE:
    case EXEC_VOLUME_DELETE:
        volume = store_volume(store, step->object);
        if (volume != NULL) {
            copy_volume(task, volume);
            copy_bricks(task, store, volume->bricks, volume->n_bricks);
        }
        return volume != NULL;
    case EXEC_DEVICE_SETUP:
    case EXEC_DEVICE_TEARDOWN:
        device = store_device(store, step->object);
        if (device != NULL) {
            task->device = mem_calloc(1, sizeof(*task->device));
            store_device_copy(task->device, device);
            task->exec.device = task->device;
        }
        return device != NULL;
    case EXEC_PEER_PROBE:
    case EXEC_PEER_DETACH:
        peer = store_node(store, step->object);
        task->peer = peer != NULL ? mem_strdup(peer->storage.items[0]) : NULL;
        return peer != NULL;
    case EXEC_GLUSTERD_CHECK:
    case EXEC_FENCE:
        return true;
    }
    return false;
}

/* ---- queueing ---- */

static void resource_of(const struct op_driver *driver, const struct task *task, enum schedule_kind *ret_kind,
                        struct id *ret_id)
{
    const struct store_node *node = store_node(driver_store(driver), task->node);

    switch (task->exec.kind) {
    case EXEC_BRICK_CREATE:
    case EXEC_BRICK_SYNC:
    case EXEC_BRICK_DESTROY:
        *ret_kind = SCHEDULE_VG;
        *ret_id = task->copies[0].device;
        break;
    case EXEC_DEVICE_SETUP:
    case EXEC_DEVICE_TEARDOWN:
        *ret_kind = SCHEDULE_VG;
        *ret_id = task->device->id;
        break;
    case EXEC_VOLUME_CREATE:
    case EXEC_VOLUME_DELETE:
    case EXEC_PEER_PROBE:
    case EXEC_PEER_DETACH:
        *ret_kind = SCHEDULE_POOL;
        *ret_id = node->cluster;
        break;
    default:
        *ret_kind = SCHEDULE_NODE;
        *ret_id = task->node;
        break;
    }
}

static void answer(struct task *task, const struct exec_result *result);

void task_queue(struct op_driver *driver, struct op *op, size_t at)
{
    struct task *task = mem_calloc(1, sizeof(*task));
    const struct engine_step *step = &op->engine.steps[at];
    enum schedule_kind kind;
    struct id resource;

    task->driver = driver;
    task->op = op;
    task->step = at;
    task->node = step->node;
    task->exec.kind = step->kind;
    task->next = driver->tasks;
    if (driver->tasks != NULL) {
        driver->tasks->previous = task;
    }
    driver->tasks = task;
    CHECK(op->tasks[at] == NULL);
    op->tasks[at] = task;
    if (!fill(task, driver_store(driver))) {
        /* No node that could do it: tried again, since one may come back. */
        const struct exec_result result = {.code = E_CONNECT, .message = "no node of the cluster can be asked"};

        op->tasks[at] = NULL;
        task_free(task);
        engine_result(&op->engine, at, &result, driver_clock_ms(driver));
        return;
    }
    resource_of(driver, task, &kind, &resource);
    schedule_add(driver->schedule, &task->item, kind, resource, task);
}

static void log_step(const struct task *task, const char *what, const struct exec_result *result)
{
    enum log_level level = result == NULL || result->code == 0 ? LOG_INFO : LOG_WARNING;

    LOG(level, "operation", what, LF_STR("step", exec_step_name(task->exec.kind)),
        LF_STR("operation", id_text(task->exec.op_id).text), LF_STR("host", task->host),
        LF_U64("term", task->exec.term), LF_STR("result", result == NULL ? "" : err_text(result->code)),
        LF_STR("text", result == NULL ? "" : result->message));
}

static void task_done(void *user, const struct exec_result *result)
{
    struct task *task = user;
    struct op_driver *driver = task->driver;

    driver->calls--;
    task->call = NULL;
    log_step(task, "step ended", result);
    schedule_done(driver->schedule, &task->item, result->code == E_BUSY);
    answer(task, result);
    tasks_run(driver);
    driver_maybe_closed(driver);
}

static void answer(struct task *task, const struct exec_result *result)
{
    struct op_driver *driver = task->driver;
    struct op *op = task->op;
    size_t at = task->step;
    struct id node = task->node;

    task_free(task);
    if (op == NULL) {
        return;
    }
    op->tasks[at] = NULL;
    if (result->code == E_FENCED) {
        /* A newer leader is at work: we are deposed and about to learn it. Nothing is decided any more. */
        op->engine.done = true;
        return;
    }
    nodes_note(driver, node, result);
    engine_result(&op->engine, at, result, driver_clock_ms(driver));
    driver_advance(driver, op);
}

void tasks_run(struct op_driver *driver)
{
    struct schedule_item *item;

    while (driver->running && (item = schedule_next(driver->schedule)) != NULL) {
        struct task *task = item->owner;

        task->exec.host = task->host;
        task->exec.peer = task->peer;
        task->exec.node = task->node;
        task->exec.op_id = task->op->engine.op_id;
        task->exec.term = driver->env.term(driver->env.user);
        log_step(task, "step begins", NULL);
        driver->calls++;
        task->call = exec_run(driver->executor, &task->exec, task_done, task);
    }
}

void tasks_cancel(struct op_driver *driver)
{
    struct task *task, *next;

    for (task = driver->tasks; task != NULL; task = next) {
        next = task->next;
        if (task->op != NULL) {
            task->op->tasks[task->step] = NULL;
            task->op = NULL;
        }
        if (task->call != NULL) {
            exec_cancel(driver->executor, task->call);
        } else {
            schedule_done(driver->schedule, &task->item, false);
            task_free(task);
        }
    }
}

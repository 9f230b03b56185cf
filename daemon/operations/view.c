/* What runs now, for people. */
#include "daemon/operations/driver_priv.h"

static const char *state_name(const struct op *op, size_t step)
{
    if (op->tasks[step] != NULL && op->tasks[step]->state == TASK_RUNNING) {
        return "running";
    }
    if (op->engine.steps[step].failed) {
        return "retrying";
    }
    return op->engine.steps[step].progress != NULL ? "running" : "waiting"; /* it is asked for now and then */
}

/* A step that does not end may wait for another node there, and a connection may fail that others get: no reason to
 * give the node up, as long as it answers when it is looked at. */
static enum op_trouble trouble_of(const struct op_driver *driver, const struct engine_step *step)
{
    if (!step->failed) {
        return OP_TROUBLE_NONE;
    }
    if (exec_is_unreachable(step->code) && nodes_absent(driver, step->node)) {
        return OP_TROUBLE_SILENT;
    }
    return step->code == E_REMOTE && step->kind != EXEC_HEAL_WAIT ? OP_TROUBLE_REFUSED : OP_TROUBLE_BUSY;
}

static struct op_step_view view_of(const struct op_driver *driver, const struct op *op, size_t at)
{
    const struct engine_step *step = &op->engine.steps[at];
    const struct store_node *node = store_node(driver_store(driver), step->node);

    return (struct op_step_view){
        .step = exec_step_name(step->kind),
        .host = node != NULL ? node->manage.items[0] : "",
        .state = state_name(op, at),
        .attempts = step->tries + step->busy + (step->state == ENGINE_RUNNING),
        .since_ms = driver_clock_ms(driver) - step->since_ms,
        .last_error = step->error != NULL ? step->error : "",
        .trouble = trouble_of(driver, step),
        .progress = step->progress != NULL ? step->progress : "",
    };
}

/* It tells more than that it waits for its turn. */
static bool is_telling(const struct op *op, size_t at)
{
    const struct engine_step *step = &op->engine.steps[at];

    return step->failed || step->progress != NULL || (op->tasks[at] != NULL && op->tasks[at]->state == TASK_RUNNING);
}

size_t op_driver_visit(const struct op_driver *driver, struct id op_id, size_t max,
                       void (*visit)(void *user, const struct op_step_view *view), void *user)
{
    const struct op *op = driver_find(driver, op_id);
    size_t n = 0, left = max;

    for (size_t i = 0; op != NULL && i < op->engine.n_steps; i++) {
        n += op->engine.steps[i].state != ENGINE_DONE;
    }
    /* When some are left out: first those that tell something, then the others. Otherwise in their order. */
    for (int round = n > max ? 0 : 1; op != NULL && round < 2; round++) {
        for (size_t i = 0; i < op->engine.n_steps && left > 0; i++) {
            bool now = n <= max || is_telling(op, i) == (round == 0);

            if (op->engine.steps[i].state != ENGINE_DONE && now) {
                struct op_step_view view = view_of(driver, op, i);

                visit(user, &view);
                left--;
            }
        }
    }
    return n;
}

size_t op_driver_running(const struct op_driver *driver)
{
    const struct task *task;
    size_t n = 0;

    TAILQ_FOREACH (task, &driver->running_tasks, link) {
        n += task->op != NULL && task->state == TASK_RUNNING;
    }
    return n;
}

void op_driver_visit_nodes(const struct op_driver *driver, void (*visit)(void *user, const struct op_node_view *view),
                           void *user)
{
    const struct store_node *node = NULL;

    while ((node = store_node_next(driver_store(driver), node)) != NULL) {
        struct node_state key = {.node = node->id};
        const struct node_state *state =
            RB_FIND(driver_node_tree, (struct driver_node_tree *)(uintptr_t)&driver->nodes, &key);
        struct op_node_view view = {.node = node->id, .last_ok_ms = UINT64_MAX, .last_error = ""};

        if (state != NULL) {
            view.down = state->down;
            view.avoided = state->doubtful;
            view.cause = state->cause;
            view.avoided_ms = state->doubtful ? driver_clock_ms(driver) - state->doubtful_ms : 0;
            view.fence_term = state->fence_term;
            view.last_error = state->error;
            if (state->last_ok_ms != 0) {
                view.last_ok_ms = driver_clock_ms(driver) + 1 - state->last_ok_ms;
            }
        }
        visit(user, &view);
    }
}

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

void op_driver_visit(const struct op_driver *driver, void (*visit)(void *user, const struct op_step_view *view),
                     void *user)
{
    uint64_t now_ms = driver_clock_ms(driver);
    struct op *op;

    RB_FOREACH (op, driver_op_tree, (struct driver_op_tree *)(uintptr_t)&driver->ops) {
        for (size_t i = 0; i < op->engine.n_steps; i++) {
            const struct engine_step *step = &op->engine.steps[i];
            const struct store_node *node = store_node(driver_store(driver), step->node);
            struct op_step_view view = {
                .op_id = op->engine.op_id,
                .step = exec_step_name(step->kind),
                .host = node != NULL ? node->manage.items[0] : "",
                .state = state_name(op, i),
                .attempts = step->tries + step->busy + (step->state == ENGINE_RUNNING),
                .since_ms = now_ms - step->since_ms,
                .last_error = step->error != NULL ? step->error : "",
                .progress = step->progress != NULL ? step->progress : "",
            };

            if (step->state != ENGINE_DONE) {
                visit(user, &view);
            }
        }
    }
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

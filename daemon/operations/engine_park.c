/* What an operation waits for, as it is recorded: parts that are repeated until their nodes let them be done. */
#include <stdlib.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/mem.h"

unsigned engine_stage(const struct engine *engine)
{
    unsigned stage = UINT32_MAX;

    for (size_t i = 0; i < engine->n_steps; i++) {
        if (engine->steps[i].state != ENGINE_DONE && engine->steps[i].stage < stage) {
            stage = engine->steps[i].stage;
        }
    }
    return stage;
}

/* A look at a clone counts with the others of its round: until these are done, it waits for what it waited before. */
static bool is_parked(const struct engine *engine, const struct engine_step *step)
{
    bool waits = step->state != ENGINE_DONE || (engine->type == STORE_OP_CLONE_VOLUME &&
                                                step->kind == EXEC_VOLUME_LOOK && step->stage == engine_stage(engine));

    bool undoes = (step->policy == ENGINE_UNDOES || step->policy == ENGINE_CONFIRMS) && !engine_is_kept(engine);

    return waits && !undoes && step->error != NULL && step->tries + step->busy >= ENGINE_PARK_TRIES;
}

size_t engine_parked(struct engine *engine, struct store_parked **ret_parked)
{
    size_t n = 0;

    *ret_parked = mem_calloc(engine->n_steps, sizeof(**ret_parked));
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];
        bool listed = false;

        if (!is_parked(engine, step)) {
            continue;
        }
        if (id_is_none(step->shown)) {
            step->shown = step->node; /* stays, wherever the next try runs */
        }
        for (size_t j = 0; j < n && !listed; j++) {
            listed = id_equal((*ret_parked)[j].node, step->shown);
        }
        if (!listed) {
            (*ret_parked)[n].node = step->shown;
            (*ret_parked)[n++].text = mem_printf("%s: %s", exec_step_name(step->kind), step->error);
        }
    }
    return n;
}

bool engine_parked_changed(struct engine *engine, const struct store *store)
{
    const struct store_operation *op = store_operation(store, engine->op_id);
    struct store_parked *parked;
    bool changed, any = false;
    size_t n;

    for (size_t i = 0; i < engine->n_steps && !any; i++) {
        any = is_parked(engine, &engine->steps[i]);
    }
    if (op == NULL || (!any && op->n_parked == 0)) {
        return false;
    }
    n = engine_parked(engine, &parked);
    changed = n != op->n_parked;
    for (size_t i = 0; i < n; i++) {
        changed = changed || !id_equal(parked[i].node, op->parked[i].node);
        free(parked[i].text);
    }
    free(parked);
    return changed;
}

/* Which steps only repeat, on another node, what was heard from one: one node's word is not enough for them. */
#include "daemon/operations/engine_priv.h"

/* Has it made, or let grow, or started, what the other one looks at? */
static bool is_looked_at(enum exec_step_kind made, enum exec_step_kind look)
{
    return look == EXEC_BLOCK_LOOK ? made == EXEC_BLOCK_CREATE || made == EXEC_BLOCK_EXPAND
           : look == EXEC_VOLUME_CHECK
               ? made == EXEC_VOLUME_CREATE || made == EXEC_VOLUME_EXPAND || made == EXEC_CLONE_START
               : look == EXEC_SNAPSHOT_DELETE && made == EXEC_CLONE_START;
}

/* What says the same as this step, in an earlier stage: the step before that, or a look that a replacing repeats, or
 * the making of what is looked at. */
static const struct engine_step *witness_of(const struct engine *engine, const struct engine_step *step)
{
    const struct engine_step *found = NULL;

    for (size_t i = 0; i < engine->n_steps; i++) {
        const struct engine_step *other = &engine->steps[i];
        bool alike = other->kind == step->kind ||
                     (other->kind == EXEC_HEAL_CHECK && step->kind == EXEC_BRICK_REPLACE) ||
                     is_looked_at(other->kind, step->kind);

        if (alike && other->stage < step->stage && id_equal(other->object, step->object) &&
            (found == NULL || other->stage > found->stage)) {
            found = other;
        }
    }
    return found;
}

bool engine_is_second(const struct engine *engine, const struct engine_step *step)
{
    const struct engine_step *witness = witness_of(engine, step);

    return engine_is_pool_step(step->kind) && witness != NULL &&
           (witness->kind == step->kind || is_looked_at(witness->kind, step->kind));
}

struct id engine_heard(const struct engine *engine, const struct engine_step *step)
{
    const struct engine_step *witness = witness_of(engine, step);

    return witness != NULL ? witness->node : ID_NONE;
}

enum engine_place engine_place_alone(const struct engine *engine, struct engine_step *step, bool wait)
{
    if (wait) {
        return ENGINE_HELD;
    }
    if (engine_is_second(engine, step)) {
        return ENGINE_NOTHING;
    }
    step->node = engine_heard(engine, step);
    return id_is_none(step->node) ? ENGINE_HELD : ENGINE_PLACED;
}

/* Has Gluster taken the bricks of an expand or an evict? What it has is not planned again. */
#include "daemon/operations/engine_priv.h"

void engine_note_given(struct engine *engine, const struct engine_step *step, const struct exec_result *result)
{
    bool refused =
        result->code == E_REMOTE || (result->code == E_BUSY && (result->apart || result->marked || result->moved));

    if (step->kind != EXEC_VOLUME_EXPAND && step->kind != EXEC_BRICK_REPLACE) {
        return;
    }
    if (!refused) {
        engine->given = ENGINE_GIVEN;
    } else if (engine->given == ENGINE_NOT_GIVEN) {
        engine->given = ENGINE_PERHAPS_GIVEN;
    }
}

bool engine_is_expand_look(const struct engine *engine, const struct engine_step *step)
{
    return engine->type == STORE_OP_EXPAND_VOLUME && engine->phase == STORE_OP_FORWARD &&
           step->kind == EXEC_VOLUME_LOOK && !step->own;
}

void engine_ask_whether_given(struct engine *engine)
{
    engine->asks = true;
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];

        if (engine_is_expand_look(engine, step)) {
            step->state = ENGINE_WAITING;
            step->failed = false;
            step->tries = step->busy = 0;
        }
    }
}

bool engine_is_asking(const struct engine *engine)
{
    for (size_t i = 0; i < engine->n_steps && engine->asks; i++) {
        const struct engine_step *step = &engine->steps[i];

        if (engine_is_expand_look(engine, step) && (step->state != ENGINE_DONE || step->hopeless)) {
            return !step->hopeless;
        }
    }
    return false;
}

/* Gluster has the bricks: they are neither made nor given to it. */
static void skip_giving(struct engine *engine)
{
    engine->given = ENGINE_GIVEN;
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];

        if (step->kind == EXEC_BRICK_CREATE || step->kind == EXEC_VOLUME_EXPAND) {
            step->state = ENGINE_DONE;
            step->hopeless = false;
        }
    }
}

void engine_expand_looked(struct engine *engine, struct engine_step *look, const struct exec_volume_info *info)
{
    const struct exec_volume_info *had = &engine->had;
    bool second = engine_is_second(engine, look);
    bool none = !info->present && !info->partly && !had->present && !had->partly;

    if (second && info->present && had->present) {
        skip_giving(engine);
    } else if (second && engine->asks && none) {
        engine->given = ENGINE_NOT_GIVEN;
    } else if (!second && !info->present && !engine->asks) {
        for (size_t i = 0; i < engine->n_steps; i++) {
            if (engine_is_expand_look(engine, &engine->steps[i])) {
                engine->steps[i].state = ENGINE_DONE;
            }
        }
    }
    if (!second) {
        engine->had = (struct exec_volume_info){.present = info->present, .partly = info->partly};
    }
}

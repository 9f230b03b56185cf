/* Creates and clones that came with a backup. After it was made they may have ended well, and their volumes been told
 * and written to: what is undone here, or planned again, would be somebody's data. */
#include "daemon/operations/engine_priv.h"

bool engine_is_kept(const struct engine *engine)
{
    return engine->restored && !engine->absent;
}

bool engine_is_restored_look(const struct engine *engine, const struct engine_step *step)
{
    return engine->restored && engine->type != STORE_OP_CLONE_VOLUME && step->kind == EXEC_VOLUME_LOOK && !step->own;
}

/* Gluster has the volume, with its bricks: it was made. */
static void skip_making(struct engine *engine)
{
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];

        switch (step->kind) {
        case EXEC_VOLUME_DELETE:
        case EXEC_BRICK_CREATE:
        case EXEC_VOLUME_CREATE:
        case EXEC_VOLUME_CHECK:
            step->state = ENGINE_DONE;
            break;
        case EXEC_BRICK_SYNC:
            step->state = step->policy == ENGINE_IGNORES ? step->state : ENGINE_DONE;
            break;
        default:
            break;
        }
    }
}

void engine_restored_looked(struct engine *engine, struct engine_step *look, const struct exec_volume_info *info,
                            uint64_t now_ms)
{
    static const struct exec_result differs = {
        .code = E_BUSY,
        .message =
            "it is not known whether Gluster has this volume, which comes from a backup: two nodes differ, or it "
            "has other bricks than the backup knows"};
    const struct exec_volume_info *had = &engine->had;

    if (!engine_is_second(engine, look)) {
        engine->had = (struct exec_volume_info){.present = info->present, .partly = info->partly, .there = info->there};
        return;
    }
    if (info->present && had->present) {
        skip_making(engine);
    } else if (!info->there && !had->there) {
        engine->absent = true;
    } else {
        engine_step_failed(engine, look, &differs, now_ms);
        for (size_t i = 0; i < engine->n_steps; i++) {
            struct engine_step *first = &engine->steps[i];

            if (first != look && engine_is_restored_look(engine, first)) {
                first->state = ENGINE_WAITING;
                first->again++; /* of another node */
                first->retry_ms = look->retry_ms;
            }
        }
    }
}

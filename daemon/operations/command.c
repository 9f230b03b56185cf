#include "daemon/operations/command.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/level.h"

static void set_text(struct store_cmd *cmd, const char *text)
{
    free(cmd->text);
    cmd->text = mem_strdup(text);
}

static void replace(char **text, const char *with)
{
    free(*text);
    *text = mem_strdup(with);
}

/* What gluster-block says, also of an expand that failed: it may have grown all the same. */
static void fill_block(const struct exec_block_info *info, struct store_block_volume *block)
{
    replace(&block->iqn, info->iqn);
    replace(&block->user, info->user);
    replace(&block->password, info->password);
    block->size_gib = info->size_gib;
    block->usable_gib = info->usable_gib;
    store_strs_fini(&block->hosts);
    store_strs_copy(&block->hosts, &info->hosts);
}

static void fill_end(const struct engine *engine, const struct engine_action *action, const struct store_plan_env *env,
                     struct id follow_id, struct store_cmd *cmd)
{
    cmd->failed = action->failed;
    cmd->follow_id = action->leave ? follow_id : ID_NONE;
    set_text(cmd, action->text);
    if (engine->block.present) {
        fill_block(&engine->block, &cmd->block);
    }
    if (!action->failed && engine->type == STORE_OP_EXPAND_VOLUME && !engine->env.no_rebalance) {
        env->random(env->user, cmd->rebalance_id.bytes, sizeof(cmd->rebalance_id.bytes));
    }
    if (!action->failed && (engine->type == STORE_OP_DEVICE_ADD || engine->type == STORE_OP_DEVICE_RESYNC ||
                            engine->type == STORE_OP_DEVICE_REPLACE)) {
        free(cmd->device.pv_uuid);
        cmd->device.pv_uuid = mem_strdup(engine->device.pv_uuid);
        cmd->device.total_kib = engine->device.total_kib;
        cmd->device.extent_kib = engine->device.extent_kib;
        store_strs_fini(&cmd->device.paths);
        store_strs_copy(&cmd->device.paths, &engine->device.paths);
    }
}

static bool fill_replan(struct engine *engine, const struct store *store, const struct store_plan_env *env,
                        struct store_cmd *cmd, struct store_result *result)
{
    struct store_plan_env own = *env;
    CLEANUP(store_reasons_fini) struct store_reasons reasons = {NULL, 0};
    CLEANUP(buf_fini) struct buf text = BUF_INIT;

    own.exclude_nodes = engine->failed_nodes;
    own.n_exclude_nodes = engine->n_failed_nodes;
    own.reasons = &reasons;
    memset(result, 0, sizeof(*result));
    if (store_plan_again(store, engine->op_id, &own, cmd, result) == STORE_OK) {
        return true;
    }
    buf_append_str(&text, result->text);
    /* Before, the parent of a part knows the refusal by the whole text. */
    if (id_is_none(engine->parent) || store_level(store) >= STORE_LEVEL_REASONS) {
        store_reasons_print(store, &reasons, &text);
    }
    text_put(result->text, sizeof(result->text), buf_str(&text));
    engine_no_place(engine, result->text);
    return false;
}

bool op_command(struct engine *engine, const struct store *store, const struct engine_action *action,
                struct store_plan_env *env, int64_t now_ms, struct id follow_id, struct store_cmd *cmd,
                struct store_result *result)
{
    switch (action->kind) {
    case ENGINE_REPLAN:
        if (!fill_replan(engine, store, env, cmd, result)) {
            return false;
        }
        break;
    case ENGINE_UNDO:
        store_cmd_init(cmd, STORE_CMD_OP_UNDO);
        set_text(cmd, action->text);
        break;
    case ENGINE_MOVED:
        store_cmd_init(cmd, STORE_CMD_OP_MOVED);
        break;
    case ENGINE_TURN:
        store_cmd_init(cmd, STORE_CMD_OP_FORWARD);
        break;
    case ENGINE_PART:
        memset(result, 0, sizeof(*result));
        env->now_ms = now_ms;
        return store_plan_part(store, engine->op_id, env, cmd, result) == STORE_OK; /* of another operation */
    case ENGINE_END:
        store_cmd_init(cmd, STORE_CMD_OP_END);
        fill_end(engine, action, env, follow_id, cmd);
        break;
    case ENGINE_LEARN: {
        struct store_volume learnt;

        CHECK(engine_learnt(engine, store, &learnt, NULL) == 0); /* the engine has tried */
        store_cmd_init(cmd, STORE_CMD_OP_LEARN);
        store_volume_fini(&cmd->volume);
        cmd->volume = learnt;
        break;
    }
    case ENGINE_REDO:
        store_cmd_init(cmd, STORE_CMD_OP_REDO);
        break;
    case ENGINE_PARK:
        store_cmd_init(cmd, STORE_CMD_OP_PARKED);
        cmd->n_parked = engine_parked(engine, &cmd->parked);
        break;
    case ENGINE_RUN:
    case ENGINE_WAIT:
        CHECK_MSG(false, "action %d is no command", (int)action->kind);
    }
    cmd->op_id = engine->op_id;
    cmd->time_ms = now_ms;
    return true;
}

/* What is set for the whole cluster, and jobs that have nothing to do. */
#include "store/level.h"
#include "store/store_priv.h"

uint32_t store_level(const struct store *store)
{
    uint32_t level = store->settings.rec.feature_level;

    return level > STORE_LEVEL_MIN ? level : STORE_LEVEL_MIN;
}

uint32_t store_cmd_level(const struct store_cmd *cmd)
{
    if (cmd->type == STORE_CMD_TOLD || cmd->type == STORE_CMD_TAKE_OVER || cmd->volume.untold) {
        return STORE_LEVEL_TAKE_OVER;
    }
    if (cmd->type == STORE_CMD_OP_BEGIN && cmd->op_type == STORE_OP_DELETE_VOLUME && cmd->force) {
        return STORE_LEVEL_HEKETI_DB;
    }
    if (cmd->type == STORE_CMD_OP_BEGIN &&
        (cmd->op_type == STORE_OP_NODE_REPLACE || cmd->op_type == STORE_OP_DEVICE_REPLACE)) {
        return STORE_LEVEL_REPLACE;
    }
    return STORE_LEVEL_MIN;
}

enum store_code check_settings(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    (void)store;
    if (cmd->settings.log_level > STORE_LOG_LEVEL_MAX) {
        return refuse(result, STORE_BAD_REQUEST, "There is no log level %u", cmd->settings.log_level);
    }
    return STORE_OK;
}

void commit_settings(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct store_settings next = store->settings.rec;

    (void)index;
    next.id = STORE_SETTINGS_ID;
    if (cmd->settings.mode != STORE_MODE_UNSET) {
        next.mode = cmd->settings.mode;
    }
    if (cmd->settings.log_level != 0) {
        next.log_level = cmd->settings.log_level;
    }
    if (cmd->settings.hold != STORE_HOLD_UNSET) {
        next.hold = cmd->settings.hold;
    }
    update_settings(store, &next);
}

enum store_code check_level(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    if (store->settings.rec.hold == STORE_HOLD_ON) {
        return refuse(result, STORE_CONFLICT, "The feature level is held at %u", store_level(store));
    }
    if (cmd->settings.feature_level != store_level(store) + 1) {
        return refuse(result, STORE_CONFLICT, "Feature level %u does not follow %u", cmd->settings.feature_level,
                      store_level(store));
    }
    return STORE_OK;
}

void commit_level(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct store_settings next = store->settings.rec;

    (void)index;
    next.id = STORE_SETTINGS_ID;
    next.feature_level = cmd->settings.feature_level;
    update_settings(store, &next);
}

enum store_code check_empty_job(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    if (id_is_none(cmd->op_id) || find_op(store, cmd->op_id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Operation id %s is in use", id_text(cmd->op_id).text);
    }
    result->op_id = cmd->op_id;
    return find_job(store, cmd->op_id) != NULL ? STORE_REPEATED : STORE_OK;
}

void commit_empty_job(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    commit_job(store, &(struct store_job){.id = cmd->op_id, .ended_ms = cmd->time_ms});
}

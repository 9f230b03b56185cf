/* Whether block volumes may be put on a block hosting volume. */
#include "store/store_priv.h"

#define FAILED "Failed to set block restriction: "

/* An old database did not keep back what the file system needs; it is locked until that much is free. */
static uint32_t missing_reserve_gib(const struct volume_entry *volume, const struct store_cmd *cmd)
{
    bool unlocks = cmd->restriction == STORE_UNRESTRICTED && volume->rec.restriction == STORE_LOCKED_BY_UPDATE;

    return unlocks && volume->rec.reserved_gib == 0 ? store_block_reserve_gib(volume->rec.size_gib) : 0;
}

enum store_code check_restrict(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct volume_entry *volume = find_volume(store, cmd->target);

    result->id = cmd->target;
    result->op_id = cmd->op_id;
    if (id_is_none(cmd->op_id) || find_op(store, cmd->op_id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Operation id %s is in use", id_text(cmd->op_id).text);
    }
    if (find_job(store, cmd->op_id) != NULL) {
        return STORE_REPEATED;
    }
    if (!volume_visible(volume)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!volume->rec.block) {
        return refuse(result, STORE_NO_ALLOCATION,
                      FAILED "Block restrictions can only be set on block hosting volumes");
    }
    if (hosting_free_gib(volume) < missing_reserve_gib(volume, cmd)) {
        return refuse(result, STORE_NO_ALLOCATION,
                      FAILED "Can not unlock volume. %uGiB free space is required, but found %uGiB",
                      missing_reserve_gib(volume, cmd), hosting_free_gib(volume));
    }
    return STORE_OK;
}

void commit_restrict(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct volume_entry *volume = find_volume(store, cmd->target);
    struct store_volume next = volume->rec;

    (void)index;
    next.reserved_gib += missing_reserve_gib(volume, cmd);
    next.restriction = cmd->restriction;
    update_volume(store, volume, &next);
    commit_job(store, &(struct store_job){.id = cmd->op_id,
                                          .resource = STORE_RES_VOLUME,
                                          .resource_id = cmd->target,
                                          .ended_ms = cmd->time_ms});
}

/* A volume's create or delete, or the move of a brick, that ends while some bricks are on nodes that do not answer: the
 * bricks become those of a new operation, which destroys them when their nodes return. Until then their space stays
 * charged. */
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store_priv.h"

enum store_code check_cleanup(const struct store *store, const struct store_cmd *cmd, const struct op_entry *op,
                              struct store_result *result)
{
    const struct volume_entry *volume = op_volume(store, &op->rec);

    if (id_is_none(cmd->follow_id)) {
        return STORE_OK;
    }
    if (!(op->rec.type == STORE_OP_DEVICE_DELETE && op->rec.force && !cmd->failed) &&
        op->rec.type != STORE_OP_CREATE_VOLUME && op->rec.type != STORE_OP_DELETE_VOLUME &&
        op->rec.type != STORE_OP_EXPAND_VOLUME && op->rec.type != STORE_OP_CLONE_VOLUME &&
        op->rec.type != STORE_OP_EVICT_BRICK && (op->rec.type != STORE_OP_CREATE_BLOCK || volume == NULL)) {
        return refuse(result, STORE_BAD_REQUEST, "Such an operation leaves no bricks to clean up");
    }
    if (id_equal(cmd->follow_id, cmd->op_id) || find_op(store, cmd->follow_id) != NULL ||
        find_job(store, cmd->follow_id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Operation id %s is in use", id_text(cmd->follow_id).text);
    }
    if (volume != NULL && volume->rec.n_bricks + op->rec.n_abandoned > STORE_ABANDONED_MAX) {
        return refuse(result, STORE_CONFLICT, "Too many bricks to clean up");
    }
    return STORE_OK;
}

struct cleanup cleanup_prepare(const struct store *store, const struct store_cmd *cmd, const struct op_entry *op,
                               const struct volume_entry *volume)
{
    struct cleanup cleanup = {.target = bricks_owner(store, &op->rec)};
    size_t n_abandoned = op->rec.n_abandoned;
    size_t n_volume = volume != NULL ? volume->rec.n_bricks : 0;

    if (id_is_none(cmd->follow_id) || n_abandoned + n_volume == 0) {
        return cleanup;
    }
    cleanup.bricks = mem_calloc(n_abandoned + n_volume, sizeof(*cleanup.bricks));
    for (size_t i = 0; i < n_abandoned + n_volume; i++) {
        const struct store_brick *brick =
            i < n_abandoned ? &op->rec.abandoned[i] : &volume->rec.bricks[i - n_abandoned];

        if (i < n_abandoned || id_equal(brick->pending, op->rec.id)) {
            store_brick_copy(&cleanup.bricks[cleanup.n], brick);
            cleanup.bricks[cleanup.n++].pending = cmd->follow_id;
        }
    }
    return cleanup;
}

void cleanup_begin(struct store *store, uint64_t index, const struct store_cmd *cmd, struct cleanup *cleanup)
{
    char none[] = "";
    struct store_operation op = {.id = cmd->follow_id,
                                 .type = STORE_OP_CLEAN_BRICKS,
                                 .target = cleanup->target,
                                 .created_ms = cmd->time_ms,
                                 .reason = none,
                                 .abandoned = cleanup->bricks,
                                 .n_abandoned = cleanup->n,
                                 .begin_index = index};

    if (cleanup->n > 0) {
        CHECK(insert_op(store, &op, NULL) == 0);
    }
    for (size_t i = 0; i < cleanup->n; i++) {
        store_brick_fini(&cleanup->bricks[i]);
    }
    free(cleanup->bricks);
}

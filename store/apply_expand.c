/* Expanding a volume: bricks are added in whole sets at its end. They are part of the volume's record from the begin
 * on, pending by the operation; the volume itself is not, and its size grows at the end. Several expands of one volume
 * have their sets in the order of their begins, in which Gluster gets them too. */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store_priv.h"

#define FAILED "Failed to allocate volume expansion: "

bool volume_visible(const struct volume_entry *volume)
{
    return volume != NULL && id_is_none(volume->rec.pending);
}

struct store_volume volume_with_bricks(const struct volume_entry *volume, struct id op_id,
                                       const struct store_brick *bricks, size_t n)
{
    const struct store_volume *rec = &volume->rec;
    struct store_volume next = *rec;
    uint32_t width = store_volume_width(rec);
    size_t at = 0;

    next.bricks = mem_calloc(rec->n_bricks + n, sizeof(*next.bricks));
    next.n_bricks = 0;
    while (at < rec->n_bricks && !id_equal(rec->bricks[at].pending, op_id)) {
        next.bricks[next.n_bricks++] = rec->bricks[at++];
    }
    for (size_t i = 0; i < n; i++) {
        next.bricks[next.n_bricks] = bricks[i];
        next.bricks[next.n_bricks].volume = rec->id;
        next.bricks[next.n_bricks++].pending = op_id;
    }
    for (; at < rec->n_bricks; at++) {
        if (!id_equal(rec->bricks[at].pending, op_id)) {
            next.bricks[next.n_bricks++] = rec->bricks[at];
        }
    }
    for (size_t i = 0; i < next.n_bricks; i++) {
        next.bricks[i].set = (uint32_t)(i / width);
        next.bricks[i].position = (uint32_t)(i % width);
    }
    return next;
}

struct op_entry *find_same_expand(const struct store *store, const struct store_cmd *cmd, struct id volume,
                                  uint32_t size_gib)
{
    struct op_entry *op, *newest = NULL;

    if (cmd->key[0] != '\0' && !cmd->key_made) {
        return NULL;
    }
    TREE_EACH (op, op_tree, &store->ops, by_id) {
        if (op->rec.type == STORE_OP_EXPAND_VOLUME && id_equal(op->rec.target, volume) &&
            op->rec.size_gib == size_gib && (newest == NULL || op->rec.begin_index > newest->rec.begin_index)) {
            newest = op;
        }
    }
    return newest;
}

/* It began after this one was planned. A key has to be remembered for it, which the next plan does. */
static enum store_code check_repeated(const struct op_entry *first, const struct store_cmd *cmd,
                                      struct store_result *result)
{
    if (cmd->key[0] != '\0') {
        return refuse(result, STORE_STALE_PLAN, "The volume is being expanded by as much");
    }
    result->id = first->rec.target;
    result->op_id = first->rec.id;
    return STORE_REPEATED;
}

/* By how much it grows when all that expand it now end well. */
static uint64_t growth_gib(const struct store *store, struct id volume)
{
    uint64_t sum_gib = 0;
    struct op_entry *op;

    TREE_EACH (op, op_tree, &store->ops, by_id) {
        if (op->rec.type == STORE_OP_EXPAND_VOLUME && id_equal(op->rec.target, volume)) {
            sum_gib += op->rec.size_gib;
        }
    }
    return sum_gib;
}

enum store_code check_more_bricks(const struct store *store, const struct volume_entry *volume,
                                  const struct store_volume *from, struct store_result *result)
{
    struct store_volume added = volume->rec; /* as if it consisted of the new bricks alone */
    uint32_t width = store_volume_width(&volume->rec);
    enum store_code code;

    added.bricks = from->bricks;
    added.n_bricks = from->n_bricks;
    code = check_bricks(store, &added, volume->rec.cluster, result);
    if (code != STORE_OK) {
        return code;
    }
    for (size_t i = 0; i < added.n_bricks; i++) {
        bool arbiter = volume->rec.bricks[i % width].type == STORE_BRICK_ARBITER;

        if (arbiter != (added.bricks[i].type == STORE_BRICK_ARBITER)) {
            return refuse(result, STORE_BAD_REQUEST,
                          "The new sets have arbiters and the old ones none, or the reverse");
        }
    }
    return STORE_OK;
}

enum store_code check_expand_end(const struct store *store, const struct op_entry *op, bool failed,
                                 struct store_result *result)
{
    const struct volume_entry *volume = find_volume(store, op->rec.target);

    if (!failed && op->rec.size_gib > UINT32_MAX - volume->rec.size_gib) {
        return refuse(result, STORE_CONFLICT, "A volume of %u GiB cannot grow by %u GiB", volume->rec.size_gib,
                      op->rec.size_gib);
    }
    return STORE_OK;
}

enum store_code check_volume_expand(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct volume_entry *volume = find_volume(store, cmd->target);
    const struct op_entry *first = find_same_expand(store, cmd, cmd->target, cmd->volume.size_gib);
    uint64_t size_gib;

    if (!volume_visible(volume)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (first != NULL) {
        return check_repeated(first, cmd, result);
    }
    if (volume->n_clones > 0) {
        return refuse(result, STORE_IN_USE, FAILED TEXT_IN_USE);
    }
    /* All of them at once, at every feature level: a member that let the sum wrap could not read its own snapshot. */
    size_gib = volume->rec.size_gib + growth_gib(store, cmd->target);
    if (cmd->volume.size_gib == 0 || size_gib + cmd->volume.size_gib > UINT32_MAX) {
        return refuse(result, STORE_BAD_REQUEST, "A volume of %llu GiB cannot grow by %u GiB",
                      (unsigned long long)size_gib, cmd->volume.size_gib);
    }
    if (volume->rec.n_bricks + cmd->volume.n_bricks > STORE_BRICKS_MAX) {
        return refuse(result, STORE_NO_ALLOCATION, FAILED "Maximum number of bricks reached.");
    }
    return check_more_bricks(store, volume, &cmd->volume, result);
}

void commit_volume_expand(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct volume_entry *volume = find_volume(store, cmd->target);
    struct store_volume next = volume_with_bricks(volume, cmd->op_id, cmd->volume.bricks, cmd->volume.n_bricks);

    (void)index;
    change_bricks(store, volume, &next);
    free(next.bricks);
}

void end_volume_expand(struct store *store, const struct op_entry *op, bool failed)
{
    struct volume_entry *volume = find_volume(store, op->rec.target);
    struct store_volume next;

    if (failed) {
        next = volume_with_bricks(volume, op->rec.id, NULL, 0);
        change_bricks(store, volume, &next);
    } else {
        next = volume->rec;
        next.size_gib += op->rec.size_gib;
        next.reserved_gib += next.block ? store_block_reserve_gib(op->rec.size_gib) : 0;
        next.bricks = mem_dup(volume->rec.bricks, volume->rec.n_bricks * sizeof(*next.bricks));
        for (size_t i = 0; i < next.n_bricks; i++) {
            if (id_equal(next.bricks[i].pending, op->rec.id)) {
                next.bricks[i].pending = ID_NONE;
            }
        }
        update_volume(store, volume, &next);
    }
    free(next.bricks);
}

/* ---- it was being undone, but Gluster has the bricks ---- */

enum store_code check_op_redo(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct op_entry *op = find_op(store, cmd->op_id);

    result->op_id = cmd->op_id;
    if (op == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    result->id = op->rec.target;
    if (op->rec.type != STORE_OP_EXPAND_VOLUME) {
        return refuse(result, STORE_CONFLICT, "Only a volume expand goes forward again");
    }
    return op->rec.phase == STORE_OP_FORWARD ? STORE_REPEATED : STORE_OK;
}

void commit_op_redo(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct op_entry *op = find_op(store, cmd->op_id);
    struct store_operation next = op->rec;
    char none[] = "";

    (void)index;
    next.phase = STORE_OP_FORWARD;
    next.reason = none;
    update_op(store, op, &next);
}

/* ---- what follows a good end ---- */

enum store_code check_rebalance(const struct store *store, const struct store_cmd *cmd, const struct op_entry *op,
                                struct store_result *result)
{
    if (id_is_none(cmd->rebalance_id)) {
        return STORE_OK;
    }
    if (op->rec.type != STORE_OP_EXPAND_VOLUME || cmd->failed) {
        return refuse(result, STORE_BAD_REQUEST, "Only a volume that has grown is rebalanced");
    }
    if (id_equal(cmd->rebalance_id, cmd->op_id) || id_equal(cmd->rebalance_id, cmd->follow_id) ||
        find_op(store, cmd->rebalance_id) != NULL || find_job(store, cmd->rebalance_id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Operation id %s is in use", id_text(cmd->rebalance_id).text);
    }
    return STORE_OK;
}

void rebalance_begin(struct store *store, uint64_t index, const struct store_cmd *cmd, struct id volume)
{
    char none[] = "";
    struct store_operation op = {.id = cmd->rebalance_id,
                                 .type = STORE_OP_REBALANCE,
                                 .target = volume,
                                 .created_ms = cmd->time_ms,
                                 .reason = none,
                                 .begin_index = index};

    if (!id_is_none(cmd->rebalance_id)) {
        CHECK(insert_op(store, &op, NULL) == 0);
    }
}

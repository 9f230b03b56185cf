/* Moving one brick: begin, a place for the replacement, the exchange in the volume, the end.
 *
 * What is outside the volume is in the operation's `abandoned` list and keeps its space charged: the replacement until
 * Gluster has taken it (OP_MOVED), the old brick from then on, and replacements that could not be made. So the end,
 * good or bad, is always the same: what is abandoned is destroyed. */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store_priv.h"

#define PREFIX "Failed to set up brick eviction: "

/* ---- begin ---- */

/* A part belongs to the removal of the device that its brick is on, which has no other part under way. */
static bool parent_fits(const struct store *store, const struct store_cmd *cmd, const struct brick_entry *brick)
{
    const struct op_entry *parent = find_op(store, cmd->parent);

    return id_is_none(cmd->parent) ||
           (parent != NULL && parent->rec.type == STORE_OP_REMOVE_DEVICE && id_is_none(parent->rec.child) &&
            id_equal(parent->rec.target, brick->device->rec.id));
}

enum store_code check_brick_evict(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct brick_entry *brick = find_brick(store, cmd->target);

    if (brick == NULL || brick->volume == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!parent_fits(store, cmd, brick)) {
        return refuse(result, STORE_STALE_PLAN, "The removal has changed");
    }
    if (pending_by(store, brick->device->rec.pending, STORE_OP_DEVICE_REPLACE)) {
        return refuse(result, STORE_IN_USE, PREFIX "Can not evict brick %s: its device is being replaced",
                      id_text(cmd->target).text);
    }
    if (!id_is_none(brick_of(brick)->pending)) {
        return refuse(result, STORE_IN_USE, PREFIX "Can not evict brick %s: brick is pending",
                      id_text(cmd->target).text);
    }
    if (brick->volume->n_clones > 0) { /* the clone's bricks come to be where these are */
        return refuse(result, STORE_IN_USE, PREFIX TEXT_IN_USE);
    }
    if (volume_has_pending(&brick->volume->rec)) {
        return refuse(result, STORE_IN_USE, PREFIX "Can not evict brick %s from volume %s: volume has pending bricks",
                      id_text(cmd->target).text, id_text(brick->volume->rec.id).text);
    }
    return STORE_OK;
}

static void mark_brick(struct store *store, struct brick_entry *brick, struct id pending)
{
    struct volume_entry *volume = brick->volume;
    struct store_volume next = volume->rec;
    CLEANUP(free_ptr) struct store_brick *bricks = mem_dup(next.bricks, next.n_bricks * sizeof(*bricks));

    bricks[brick->index].pending = pending;
    next.bricks = bricks;
    update_volume(store, volume, &next);
}

void commit_brick_evict(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    mark_brick(store, find_brick(store, cmd->target), cmd->op_id);
}

/* ---- a place for the replacement ---- */

static bool node_free(const struct brick_entry *old, const struct node_entry *node)
{
    const struct volume_entry *volume = old->volume;
    uint32_t width = store_volume_width(&volume->rec);
    size_t first = old->index - old->index % width;

    for (size_t i = first; i < first + width; i++) {
        if (i != old->index && volume->bricks[i].device->node == node) {
            return false;
        }
    }
    return true;
}

static bool same_place(const struct store_brick *old, const struct store_brick *brick)
{
    return brick->set == old->set && brick->position == old->position && brick->type == old->type &&
           brick->size_kib == old->size_kib && brick->pool_kib > 0 && brick->pool_kib <= DEVICE_KIB_MAX &&
           brick->meta_kib <= DEVICE_KIB_MAX;
}

bool evict_fits(const struct store *store, const struct op_entry *op)
{
    const struct brick_entry *old = find_brick(store, op->rec.target), *new = find_brick(store, op->rec.replacement);

    return op->rec.phase == STORE_OP_COMMITTED || new == NULL ||
           (old != NULL && old->volume != NULL && same_place(brick_of(old), brick_of(new)) &&
            new->device->node->cluster == old->volume->cluster &&node_free(old, new->device->node));
}

enum store_code check_evict_place(const struct store *store, const struct op_entry *op, const struct store_cmd *cmd,
                                  struct store_result *result)
{
    const struct brick_entry *old = find_brick(store, op->rec.target);
    const struct store_brick *brick = cmd->volume.bricks;
    const struct device_entry *device = cmd->volume.n_bricks == 1 ? find_device(store, brick->device) : NULL;

    if (op->rec.phase != STORE_OP_FORWARD) {
        return refuse(result, STORE_CONFLICT, "The brick has been moved, or is not going to be");
    }
    if (op->rec.n_abandoned >= EVICT_PLACES_MAX) {
        return refuse(result, STORE_CONFLICT, "The brick was planned again too often");
    }
    CHECK(old != NULL && old->volume != NULL); /* it is pending by this operation */
    if (cmd->volume.n_bricks != 1 || !same_place(brick_of(old), brick) || !brick_names_fit(brick)) {
        return refuse(result, STORE_BAD_REQUEST, "The replacement is not one brick like the old one");
    }
    if (!device_usable(device, old->volume->rec.cluster) || device == old->device || !node_free(old, device->node)) {
        return refuse(result, STORE_STALE_PLAN, "Device %s is not available any more", id_text(brick->device).text);
    }
    if (!device_fits(device, brick->pool_kib + brick->meta_kib, brick->meta_kib)) {
        return refuse(result, STORE_STALE_PLAN, "Device %s has no room any more", id_text(brick->device).text);
    }
    if (!bricks_linkable(store, brick, 1) || find_pool(device, brick->pool) != NULL) {
        return refuse(result, STORE_STALE_PLAN, "A brick id or the pool is in use");
    }
    result->id = op->rec.target;
    return STORE_OK;
}

/* The operation's record with one more abandoned brick, in a list of the caller's (flat copies). */
static struct store_brick *one_more(const struct op_entry *op, const struct store_brick *brick)
{
    size_t n = op->rec.n_abandoned;
    struct store_brick *list = mem_calloc(n + 1, sizeof(*list));

    for (size_t i = 0; i <= n; i++) {
        list[i] = i < n ? op->rec.abandoned[i] : *brick;
    }
    return list;
}

void commit_evict_place(struct store *store, struct op_entry *op, const struct store_cmd *cmd)
{
    struct volume_entry *volume = find_brick(store, op->rec.target)->volume;
    struct store_operation next = op->rec;
    struct store_brick brick = cmd->volume.bricks[0];
    CLEANUP(free_ptr) struct store_brick *list = NULL;

    brick.volume = volume->rec.id;
    brick.pending = op->rec.id;
    list = one_more(op, &brick);
    next.abandoned = list;
    next.n_abandoned++;
    next.replacement = brick.id;
    next.attempt++;
    rewrite_bricks(store, volume, &volume->rec, op, &next);
}

/* ---- Gluster has taken it ---- */

static struct op_entry *need_evict(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    struct op_entry *op = find_op(store, cmd->op_id);

    result->op_id = cmd->op_id;
    if (op == NULL || (op->rec.type != STORE_OP_EVICT_BRICK &&
                       (op->rec.type != STORE_OP_DEVICE_REPLACE || cmd->type != STORE_CMD_OP_MOVED))) {
        (void)refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
        return NULL;
    }
    result->id = op->rec.target;
    return op;
}

enum store_code check_op_moved(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct op_entry *op = need_evict(store, cmd, result);

    if (op == NULL) {
        return result->code;
    }
    if (op->rec.phase == STORE_OP_COMMITTED) {
        return STORE_REPEATED;
    }
    if (op->rec.type == STORE_OP_DEVICE_REPLACE) {
        return op->rec.phase == STORE_OP_FORWARD
                   ? STORE_OK
                   : refuse(result, STORE_CONFLICT, "The device is not going to be replaced");
    }
    if (op->rec.phase != STORE_OP_FORWARD || id_is_none(op->rec.replacement)) {
        return refuse(result, STORE_CONFLICT, "The brick has no replacement, or is not going to be moved");
    }
    return STORE_OK;
}

static void commit_brick_moved(struct store *store, struct op_entry *op)
{
    struct brick_entry *old = find_brick(store, op->rec.target), *new = find_brick(store, op->rec.replacement);
    struct volume_entry *volume = old->volume;
    struct store_volume next = volume->rec;
    struct store_operation next_op = op->rec;
    CLEANUP(free_ptr) struct store_brick *bricks = mem_dup(next.bricks, next.n_bricks * sizeof(*bricks));
    CLEANUP(free_ptr) struct store_brick *list = mem_dup(next_op.abandoned, next_op.n_abandoned * sizeof(*list));

    CHECK(new != NULL &&new->op == op);
    list[new->index] = bricks[old->index];
    bricks[old->index] = op->rec.abandoned[new->index];
    bricks[old->index].volume = volume->rec.id;
    bricks[old->index].pending = ID_NONE; /* the volume is free again: healing takes as long as it takes */
    next.bricks = bricks;
    next_op.abandoned = list;
    next_op.phase = STORE_OP_COMMITTED;
    rewrite_bricks(store, volume, &next, op, &next_op);
}

void commit_op_moved(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct op_entry *op = find_op(store, cmd->op_id);
    struct store_operation next = op->rec;

    (void)index;
    if (op->rec.type == STORE_OP_EVICT_BRICK) {
        commit_brick_moved(store, op);
    } else {
        next.phase = STORE_OP_COMMITTED;
        update_op(store, op, &next);
    }
}

/* ---- an undo that finds it taken ---- */

enum store_code check_op_forward(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct op_entry *op = need_evict(store, cmd, result);

    if (op == NULL) {
        return result->code;
    }
    if (op->rec.phase != STORE_OP_UNDO) {
        return STORE_REPEATED;
    }
    return id_is_none(op->rec.replacement) ? refuse(result, STORE_CONFLICT, "The brick has no replacement") : STORE_OK;
}

void commit_op_forward(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct op_entry *op = find_op(store, cmd->op_id);
    struct store_operation next = op->rec;
    char none[] = "";

    (void)index;
    next.phase = STORE_OP_FORWARD;
    next.reason = none;
    update_op(store, op, &next);
}

/* ---- end ---- */

enum store_code check_evict_end(const struct op_entry *op, bool failed, struct store_result *result)
{
    if (op->rec.phase == STORE_OP_COMMITTED ? failed : !failed) {
        return refuse(result, STORE_CONFLICT, failed ? "The brick has been moved" : "The brick has not been moved");
    }
    return STORE_OK;
}

void commit_evict_end(struct store *store, const struct op_entry *op)
{
    if (op->rec.phase != STORE_OP_COMMITTED) {
        mark_brick(store, find_brick(store, op->rec.target), ID_NONE);
    }
}

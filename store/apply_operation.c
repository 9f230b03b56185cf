/* Operations in general: begin (which reserves), undo, parked parts, end. What a type means is in apply_node.c,
 * apply_device.c and apply_volume.c. */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store_priv.h"

struct op_rule {
    enum store_code (*check)(const struct store *store, const struct store_cmd *cmd, struct store_result *result);
    void (*commit)(struct store *store, uint64_t index, const struct store_cmd *cmd);
};

static struct op_rule op_rule(enum store_op_type type)
{
    switch (type) {
    case STORE_OP_CREATE_VOLUME:
        return (struct op_rule){check_volume_create, commit_volume_create};
    case STORE_OP_DELETE_VOLUME:
        return (struct op_rule){check_volume_delete, commit_volume_delete};
    case STORE_OP_CREATE_BLOCK:
        return (struct op_rule){check_block_create, commit_block_create};
    case STORE_OP_DELETE_BLOCK:
        return (struct op_rule){check_block_delete, commit_block_delete};
    case STORE_OP_EXPAND_BLOCK:
        return (struct op_rule){check_block_expand, commit_block_expand};
    case STORE_OP_EXPAND_VOLUME:
        return (struct op_rule){check_volume_expand, commit_volume_expand};
    case STORE_OP_CLONE_VOLUME:
        return (struct op_rule){check_volume_clone, commit_volume_clone};
    case STORE_OP_NODE_ADD:
        return (struct op_rule){check_node_add, commit_node_add};
    case STORE_OP_NODE_DELETE:
        return (struct op_rule){check_node_delete, commit_node_delete};
    case STORE_OP_DEVICE_ADD:
        return (struct op_rule){check_device_add, commit_device_add};
    case STORE_OP_DEVICE_DELETE:
        return (struct op_rule){check_device_delete, commit_device_delete};
    case STORE_OP_DEVICE_RESYNC:
        return (struct op_rule){check_device_resync, commit_device_resync};
    case STORE_OP_EVICT_BRICK:
        return (struct op_rule){check_brick_evict, commit_brick_evict};
    case STORE_OP_REMOVE_DEVICE:
        return (struct op_rule){check_device_remove, commit_device_remove};
    case STORE_OP_NODE_REMOVE:
        return (struct op_rule){check_node_remove, commit_node_remove};
    case STORE_OP_DEVICE_REPLACE:
        return (struct op_rule){check_device_replace, commit_device_replace};
    case STORE_OP_NODE_REPLACE:
        return (struct op_rule){check_node_replace, commit_node_replace};
    case STORE_OP_CLEAN_BRICKS:
    case STORE_OP_CLEAN_DEVICE:
    case STORE_OP_REBALANCE:
        break;
    }
    check_failed(__FILE__, __LINE__, "unknown operation type %d", (int)type); /* decoding refuses it */
}

/* The object that the operation is about. */
static struct id target_of(const struct store_cmd *cmd)
{
    switch (cmd->op_type) {
    case STORE_OP_CREATE_VOLUME:
    case STORE_OP_CLONE_VOLUME:
        return cmd->volume.id;
    case STORE_OP_CREATE_BLOCK:
        return cmd->block.id;
    case STORE_OP_NODE_ADD:
        return cmd->node.id;
    case STORE_OP_DEVICE_ADD:
        return cmd->device.id;
    case STORE_OP_DELETE_VOLUME:
    case STORE_OP_DELETE_BLOCK:
    case STORE_OP_EXPAND_BLOCK:
    case STORE_OP_EXPAND_VOLUME:
    case STORE_OP_REBALANCE:
    case STORE_OP_NODE_DELETE:
    case STORE_OP_DEVICE_DELETE:
    case STORE_OP_DEVICE_RESYNC:
    case STORE_OP_CLEAN_BRICKS:
    case STORE_OP_CLEAN_DEVICE:
    case STORE_OP_EVICT_BRICK:
    case STORE_OP_REMOVE_DEVICE:
    case STORE_OP_NODE_REMOVE:
    case STORE_OP_DEVICE_REPLACE:
    case STORE_OP_NODE_REPLACE:
        break;
    }
    return cmd->target;
}

/* The same command again (the proposer did not learn its outcome): no second operation. */
static enum store_code check_op_id(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct op_entry *op = find_op(store, cmd->op_id);
    const struct job_entry *job = find_job(store, cmd->op_id);
    struct id target = target_of(cmd);

    if (!id_is_none(cmd->op_id) && op == NULL && job == NULL) {
        return STORE_OK;
    }
    if ((op != NULL && op->rec.type == cmd->op_type && id_equal(op->rec.target, target)) ||
        (job != NULL && job->rec.type == cmd->op_type)) {
        result->id = target;
        result->op_id = cmd->op_id;
        return STORE_REPEATED;
    }
    return refuse(result, STORE_CONFLICT, "Operation id %s is in use", id_text(cmd->op_id).text);
}

/* Order of the contract: ids, states and conflicts, then the throttle, then (volume create) the allocation, which asks
 * check_busy itself. */
enum store_code check_op_begin(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    enum store_code code = check_op_id(store, cmd, result);

    if (code == STORE_OK && !id_is_none(cmd->parent) && cmd->op_type != STORE_OP_EVICT_BRICK &&
        cmd->op_type != STORE_OP_REMOVE_DEVICE && cmd->op_type != STORE_OP_DEVICE_REPLACE) {
        code = refuse(result, STORE_BAD_REQUEST, "Such an operation is no part of another");
    }
    code = code == STORE_OK ? check_key(store, cmd, result) : code;
    code = code == STORE_OK ? op_rule(cmd->op_type).check(store, cmd, result) : code;
    code = code == STORE_OK ? check_busy(store, cmd, result) : code;
    if (code == STORE_OK) {
        result->id = target_of(cmd);
        result->op_id = cmd->op_id;
    }
    return code;
}

static bool takes_force(enum store_op_type type)
{
    return type == STORE_OP_DEVICE_DELETE || type == STORE_OP_NODE_DELETE || type == STORE_OP_DEVICE_REPLACE ||
           type == STORE_OP_NODE_REPLACE;
}

void commit_op_begin(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    char none[] = "";
    struct store_operation op = {
        .id = cmd->op_id,
        .type = cmd->op_type,
        .target = target_of(cmd),
        .created_ms = cmd->time_ms,
        .reason = none,
        .force = cmd->force && takes_force(cmd->op_type),
        .source = cmd->op_type == STORE_OP_CLONE_VOLUME ? cmd->target : ID_NONE,
        .size_gib = cmd->op_type == STORE_OP_EXPAND_VOLUME ? cmd->volume.size_gib : 0,
        .begin_index = index,
        .skip_heal = cmd->skip_heal,
        .parent = cmd->parent,
        .lost = cmd->lost && (cmd->op_type == STORE_OP_DEVICE_REPLACE || cmd->op_type == STORE_OP_NODE_REPLACE)};

    CHECK(insert_op(store, &op, NULL) == 0);
    tell_of(store, cmd->target);
    op_rule(cmd->op_type).commit(store, index, cmd);
    part_begins(store, cmd);
    commit_key(store, cmd, cmd->op_id, op.target);
}

/* Fills ids and returns the operation, or refuses: the job is REPEATED, anything else NOT_FOUND. */
static struct op_entry *need_op(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    struct op_entry *op = find_op(store, cmd->op_id);

    result->op_id = cmd->op_id;
    if (op != NULL) {
        result->id = op->rec.target;
        return op;
    }
    if (find_job(store, cmd->op_id) != NULL) {
        result->code = STORE_REPEATED;
        return NULL;
    }
    (void)refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    return NULL;
}

/* ---- undo ---- */

static bool is_delete(enum store_op_type type)
{
    return type == STORE_OP_DELETE_VOLUME || type == STORE_OP_DELETE_BLOCK || type == STORE_OP_NODE_DELETE ||
           type == STORE_OP_DEVICE_DELETE || type == STORE_OP_CLEAN_BRICKS || type == STORE_OP_CLEAN_DEVICE ||
           type == STORE_OP_REBALANCE;
}

enum store_code check_op_undo(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct op_entry *op = need_op(store, cmd, result);

    if (op == NULL) {
        return result->code;
    }
    if (is_delete(op->rec.type)) {
        return refuse(result, STORE_CONFLICT, "A delete only moves forward");
    }
    if (store_op_has_parts(op->rec.type)) {
        return refuse(result, STORE_CONFLICT, "There is nothing to undo: the parts of the operation have");
    }
    if (op->rec.phase == STORE_OP_COMMITTED) {
        return refuse(result, STORE_CONFLICT,
                      op->rec.type == STORE_OP_EVICT_BRICK ? "The brick has been moved" : "The device is a new one");
    }
    return op->rec.phase == STORE_OP_UNDO ? STORE_REPEATED : STORE_OK; /* the first reason stays */
}

void commit_op_undo(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct op_entry *op = find_op(store, cmd->op_id);
    struct store_operation next = op->rec;
    CLEANUP(free_ptr) char *reason = mem_strndup(cmd->text, STORE_TEXT_MAX);

    (void)index;
    next.phase = STORE_OP_UNDO;
    next.reason = reason;
    update_op(store, op, &next);
}

/* ---- parked parts ---- */

enum store_code check_op_parked(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    return need_op(store, cmd, result) != NULL ? STORE_OK : result->code;
}

void commit_op_parked(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct op_entry *op = find_op(store, cmd->op_id);
    struct store_operation next = op->rec;
    struct store_parked *parked = mem_calloc(cmd->n_parked, sizeof(*parked));

    (void)index;
    for (size_t i = 0; i < cmd->n_parked; i++) {
        parked[i] = (struct store_parked){cmd->parked[i].node, mem_strndup(cmd->parked[i].text, STORE_TEXT_MAX)};
    }
    next.parked = parked;
    next.n_parked = cmd->n_parked;
    update_op(store, op, &next);
    for (size_t i = 0; i < cmd->n_parked; i++) {
        free(parked[i].text);
    }
    free(parked);
}

/* ---- end ---- */

/* What was being added goes when it failed, what was being deleted goes when it did not. */
static bool target_goes(const struct store_operation *op, bool failed)
{
    return is_delete(op->type) != failed || op->type == STORE_OP_CLEAN_DEVICE;
}

enum store_code check_op_end(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct op_entry *op = need_op(store, cmd, result);

    if (op == NULL) {
        return result->code;
    }
    /* What an older member could not go on from either: so at every feature level. */
    if (target_goes(&op->rec, cmd->failed) && !target_may_go(store, op)) {
        return refuse(result, STORE_CONFLICT, "%s", TEXT_IN_USE);
    }
    if (!cmd->failed && op->rec.phase == STORE_OP_UNDO) {
        return refuse(result, STORE_CONFLICT, "The operation is being undone and cannot end well");
    }
    if (!cmd->failed && op->rec.type == STORE_OP_DEVICE_ADD &&
        (cmd->device.total_kib > DEVICE_KIB_MAX || cmd->device.extent_kib > DEVICE_KIB_MAX)) {
        return refuse(result, STORE_BAD_REQUEST, "A device of %llu KiB", (unsigned long long)cmd->device.total_kib);
    }
    if (op->rec.type == STORE_OP_EXPAND_VOLUME && check_expand_end(store, op, cmd->failed, result) != STORE_OK) {
        return result->code;
    }
    if (op->rec.type == STORE_OP_EVICT_BRICK && check_evict_end(op, cmd->failed, result) != STORE_OK) {
        return result->code;
    }
    if (op->rec.type == STORE_OP_DEVICE_REPLACE && check_replace_end(op, cmd->failed, result) != STORE_OK) {
        return result->code;
    }
    if ((op->rec.type == STORE_OP_DEVICE_DELETE || op->rec.type == STORE_OP_CLEAN_DEVICE) &&
        check_device_gone(store, op, cmd, result) != STORE_OK) {
        return result->code;
    }
    if (op->rec.type == STORE_OP_DEVICE_RESYNC && check_resync_end(store, op, cmd, result) != STORE_OK) {
        return result->code;
    }
    if (check_block_end(store, op, cmd, result) != STORE_OK || check_rebalance(store, cmd, op, result) != STORE_OK) {
        return result->code;
    }
    if (store_op_has_parts(op->rec.type) && check_remove_end(store, op, cmd->failed, result) != STORE_OK) {
        return result->code;
    }
    return check_cleanup(store, cmd, op, result);
}

static void end_node(struct store *store, struct node_entry *node, bool gone)
{
    struct store_node next = node->rec;

    if (gone) {
        remove_node(store, node);
        return;
    }
    next.pending = ID_NONE;
    update_node(store, node, &next);
}

static void end_device(struct store *store, struct device_entry *device, const struct store_cmd *cmd, bool gone,
                       bool added)
{
    struct store_device next = device->rec;

    if (gone) {
        remove_device(store, device);
        return;
    }
    next.pending = ID_NONE;
    if (added) { /* what the node said */
        next.total_kib = cmd->device.total_kib;
        next.extent_kib = cmd->device.extent_kib > 0 ? cmd->device.extent_kib : next.extent_kib;
        next.pv_uuid = cmd->device.pv_uuid;
        next.paths = cmd->device.paths;
    }
    update_device(store, device, &next);
}

void end_volume(struct store *store, struct volume_entry *volume, bool gone)
{
    struct store_volume next = volume->rec;

    if (gone) {
        remove_volume(store, volume);
        return;
    }
    next.pending = ID_NONE;
    next.bricks = mem_dup(volume->rec.bricks, volume->rec.n_bricks * sizeof(*next.bricks));
    for (size_t i = 0; i < next.n_bricks; i++) {
        next.bricks[i].pending = ID_NONE;
    }
    update_volume(store, volume, &next);
    free(next.bricks);
}

/* NULL: it did not fail. malloc'ed. */
static char *end_error(const struct op_entry *op, const struct store_cmd *cmd)
{
    if (!cmd->failed) {
        return NULL;
    }
    return mem_strdup(cmd->text[0] != '\0'        ? cmd->text
                      : op->rec.reason[0] != '\0' ? op->rec.reason
                                                  : "The operation failed");
}

static void end_op(struct store *store, uint64_t index, const struct store_cmd *cmd, struct op_entry *op)
{
    struct store_job job = {.id = cmd->op_id, .failed = cmd->failed, .type = op->rec.type, .ended_ms = cmd->time_ms};
    bool gone = target_goes(&op->rec, cmd->failed);
    struct cleanup cleanup = cleanup_prepare(store, cmd, op, gone ? op_volume(store, &op->rec) : NULL);
    CLEANUP(free_ptr) char *error = end_error(op, cmd);
    struct id target, taken_over;

    job.error = error;
    switch (op->rec.type) {
    case STORE_OP_CREATE_VOLUME:
    case STORE_OP_CLONE_VOLUME:
    case STORE_OP_DELETE_VOLUME:
        job.resource = gone || is_delete(op->rec.type) ? STORE_RES_NONE : STORE_RES_VOLUME;
        end_volume(store, find_volume(store, op->rec.target), gone);
        break;
    case STORE_OP_CREATE_BLOCK:
    case STORE_OP_DELETE_BLOCK:
    case STORE_OP_EXPAND_BLOCK:
        job.resource = cmd->failed || is_delete(op->rec.type) ? STORE_RES_NONE : STORE_RES_BLOCK_VOLUME;
        commit_block_end(store, op, cmd);
        break;
    case STORE_OP_NODE_ADD:
    case STORE_OP_NODE_DELETE:
        job.resource = gone || is_delete(op->rec.type) ? STORE_RES_NONE : STORE_RES_NODE;
        if (gone && op->rec.force) {
            forget_devices(store, find_node(store, op->rec.target), cmd->time_ms);
        }
        end_node(store, find_node(store, op->rec.target), gone);
        break;
    case STORE_OP_DEVICE_ADD:
    case STORE_OP_DEVICE_DELETE: /* no resource: a device add answers 204 */
    case STORE_OP_CLEAN_DEVICE:
        if (gone && !id_is_none(cmd->follow_id)) {
            leave_device(store, index, cmd, find_device(store, op->rec.target));
            break;
        }
        end_device(store, find_device(store, op->rec.target), cmd, gone, op->rec.type == STORE_OP_DEVICE_ADD);
        break;
    case STORE_OP_DEVICE_RESYNC:
        commit_resync_end(store, op, cmd);
        break;
    case STORE_OP_EXPAND_VOLUME:
        job.resource = gone ? STORE_RES_NONE : STORE_RES_VOLUME;
        end_volume_expand(store, op, gone);
        break;
    case STORE_OP_EVICT_BRICK:
        commit_evict_end(store, op);
        break;
    case STORE_OP_REMOVE_DEVICE:
    case STORE_OP_NODE_REMOVE:
    case STORE_OP_DEVICE_REPLACE:
    case STORE_OP_NODE_REPLACE:
        commit_remove_end(store, op, cmd);
        break;
    case STORE_OP_CLEAN_BRICKS:
    case STORE_OP_REBALANCE:
        break;
    }
    part_ended(store, &op->rec, cmd->failed, error);
    job.resource_id = job.resource != STORE_RES_NONE ? op->rec.target : ID_NONE;
    target = op->rec.target;
    taken_over = op->rec.answers;
    remove_op(store, op); /* with it the space of abandoned bricks */
    commit_job(store, &job);
    end_taken_over(store, &job, taken_over);
    rebalance_begin(store, index, cmd, target);
    cleanup_begin(store, index, cmd, &cleanup);
}

void commit_op_end(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct op_entry *op = find_op(store, cmd->op_id);

    if (!forget_part(store, &op->rec, cmd)) { /* else the next END goes on */
        end_op(store, index, cmd, op);
    }
}

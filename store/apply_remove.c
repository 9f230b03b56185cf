/* Removing a device or a node: state "failed" after all bricks have moved away.
 *
 * Such an operation does nothing on nodes itself. It consists of parts, one after another, which are operations of
 * their own: evictions for a device, removals of devices for a node. A part names its parent; its end is noted there.
 */
#include <stdio.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "store/store_priv.h"

#define DEVICE_NO_PLACE "Unable to delete device [%s] as no device was found to replace it: "

/* ---- device ---- */

static bool device_parent_fits(const struct store *store, const struct store_cmd *cmd,
                               const struct device_entry *device)
{
    const struct op_entry *parent = find_op(store, cmd->parent);

    return parent != NULL && parent->rec.type == STORE_OP_NODE_REMOVE && id_is_none(parent->rec.child) &&
           id_equal(parent->rec.target, device->node->rec.id);
}

enum store_code check_device_remove(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct device_entry *device = find_device(store, cmd->target);

    if (!device_visible(store, device)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!id_is_none(device->rec.pending)) {
        return refuse(result, STORE_IN_USE, TEXT_IN_USE);
    }
    if (id_is_none(cmd->parent) ? device->rec.state != STORE_STATE_OFFLINE
                                : !device_parent_fits(store, cmd, device) || device->rec.state == STORE_STATE_FAILED) {
        return refuse(result, STORE_STALE_PLAN, "The device has changed");
    }
    return STORE_OK;
}

void commit_device_remove(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct device_entry *device = find_device(store, cmd->target);
    struct store_device next = device->rec;

    (void)index;
    next.pending = cmd->op_id;
    update_device(store, device, &next);
}

/* ---- node ---- */

enum store_code check_node_remove(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct node_entry *node = find_node(store, cmd->target);
    struct device_entry *device;

    if (!node_visible(store, node)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!id_is_none(node->rec.pending)) {
        return refuse(result, STORE_IN_USE, TEXT_IN_USE);
    }
    if (node->rec.state != STORE_STATE_OFFLINE) {
        return refuse(result, STORE_STALE_PLAN, "The node has changed");
    }
    TREE_EACH (device, node_device_tree, &node->devices, in_node) {
        if (!id_is_none(device->rec.pending) && !pending_by(store, device->rec.pending, STORE_OP_CLEAN_DEVICE)) {
            return refuse(result, STORE_IN_USE, TEXT_IN_USE);
        }
    }
    return STORE_OK;
}

void commit_node_remove(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct node_entry *node = find_node(store, cmd->target);
    struct store_node next = node->rec;

    (void)index;
    next.pending = cmd->op_id;
    update_node(store, node, &next);
}

/* ---- parts ---- */

/* The next device of the node that holds bricks, or is to be replaced, or the next brick of the device. ID_NONE: all is
 * done. */
struct id remove_next(const struct store *store, const struct op_entry *op)
{
    const struct node_entry *node;
    struct device_entry *device;
    const struct brick_entry *brick;

    if (op->rec.type == STORE_OP_NODE_REPLACE) {
        return op->rec.n_renewals > 0 ? op->rec.renewals[0].device : ID_NONE;
    }
    if (op->rec.type == STORE_OP_NODE_REMOVE) {
        node = find_node(store, op->rec.target);
        TREE_EACH (device, node_device_tree, &node->devices, in_node) {
            if (!RB_EMPTY(&device->bricks) && device->rec.state != STORE_STATE_FAILED) {
                return device->rec.id;
            }
        }
        return ID_NONE;
    }
    device = find_device(store, op->rec.target);
    brick = TREE_FIRST(&device->bricks, in_device);
    return brick != NULL ? brick_of(brick)->id : ID_NONE;
}

void part_begins(struct store *store, const struct store_cmd *cmd)
{
    struct op_entry *parent = id_is_none(cmd->parent) ? NULL : find_op(store, cmd->parent);
    struct store_operation next;

    if (parent != NULL) {
        next = parent->rec;
        next.child = cmd->op_id;
        update_op(store, parent, &next);
    }
}

/* The first line is this; from STORE_LEVEL_REASONS on, others may follow. */
static bool says_no_replacement(const struct store *store, const char *error)
{
    size_t len = strlen(TEXT_NO_REPLACEMENT);

    return strncmp(error, TEXT_NO_REPLACEMENT, len) == 0 &&
           (error[len] == '\0' || (error[len] == '\n' && store_level(store) >= STORE_LEVEL_REASONS));
}

/* What the parent says of a part that found no other place, and its lines after the first; other errors are passed on
 * as they are. */
static char *parent_reason(const struct store *store, const struct store_operation *parent,
                           const struct store_operation *part, const char *error)
{
    CLEANUP(free_ptr) char *no_device = mem_printf(DEVICE_NO_PLACE, id_text(part->target).text);
    const char *lines = store_level(store) >= STORE_LEVEL_REASONS ? strchr(error, '\n') : NULL;

    if (parent->type == STORE_OP_REMOVE_DEVICE && says_no_replacement(store, error)) {
        return mem_printf(DEVICE_NO_PLACE "%s", id_text(parent->target).text, error);
    }
    if (parent->type == STORE_OP_NODE_REMOVE && strncmp(error, no_device, strlen(no_device)) == 0) {
        return mem_printf("Unable to remove node [%s] as no device was found to replace device [%s]%s",
                          id_text(parent->target).text, id_text(part->target).text, lines != NULL ? lines : "");
    }
    return mem_strndup(error, STORE_TEXT_MAX);
}

void part_ended(struct store *store, const struct store_operation *part, bool failed, const char *error)
{
    struct op_entry *parent = id_is_none(part->parent) ? NULL : find_op(store, part->parent);
    CLEANUP(free_ptr) char *reason = NULL;
    struct store_operation next;

    if (parent == NULL) {
        return;
    }
    next = parent->rec;
    next.child = ID_NONE;
    if (part->type == STORE_OP_DEVICE_REPLACE && !failed) { /* the first one */
        next.renewals++;
        next.n_renewals--;
    }
    if (failed) {
        reason = parent_reason(store, &parent->rec, part, error);
        next.reason = reason;
    }
    update_op(store, parent, &next);
}

/* ---- end ---- */

enum store_code check_remove_end(const struct store *store, const struct op_entry *op, bool failed,
                                 struct store_result *result)
{
    if (!id_is_none(op->rec.child)) {
        return refuse(result, STORE_CONFLICT, "A part of the operation is still under way");
    }
    if (!failed && (op->rec.reason[0] != '\0' || !id_is_none(remove_next(store, op)))) {
        return refuse(result, STORE_CONFLICT, "There are bricks left");
    }
    return STORE_OK;
}

void commit_remove_end(struct store *store, const struct op_entry *op, const struct store_cmd *cmd)
{
    bool failed = cmd->failed;
    struct node_entry *node;

    if (op->rec.type == STORE_OP_DEVICE_REPLACE || op->rec.type == STORE_OP_NODE_REPLACE) {
        commit_replace_end(store, op, cmd);
        return;
    }
    if (op->rec.type == STORE_OP_REMOVE_DEVICE) {
        struct device_entry *device = find_device(store, op->rec.target);
        struct store_device next = device->rec;

        next.pending = ID_NONE;
        next.state = failed ? next.state : STORE_STATE_FAILED;
        update_device(store, device, &next);
        return;
    }
    node = find_node(store, op->rec.target);
    set_node_state(store, node, failed ? node->rec.state : STORE_STATE_FAILED, ID_NONE);
}

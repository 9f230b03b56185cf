/* Forgetting devices, and nodes, that do not answer.
 *
 * A device that is forgotten by force while its node is silent is not seen any more, but its record stays, held by an
 * operation (CLEAN_DEVICE) that destroys what is on it when the node is back; bricks that are left there have
 * operations of their own (CLEAN_BRICKS), which go first. When the node is forgotten too, all of that ends: in parts
 * when it is much (from feature level 2 on), one with each END of the node's delete, so that none of them takes long.
 */
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "store/store_priv.h"

bool only_left_bricks(const struct device_entry *device)
{
    return device->n_left == device->n_charged;
}

enum store_code check_device_gone(const struct store *store, const struct op_entry *op, const struct store_cmd *cmd,
                                  struct store_result *result)
{
    const struct device_entry *device = find_device(store, op->rec.target);
    bool goes = !cmd->failed || op->rec.type == STORE_OP_CLEAN_DEVICE; /* that may be impossible */

    if (goes && id_is_none(cmd->follow_id) && device->n_charged > 0) {
        return refuse(result, STORE_CONFLICT, "Bricks are left on the device");
    }
    return STORE_OK;
}

void leave_device(struct store *store, uint64_t index, const struct store_cmd *cmd, struct device_entry *device)
{
    char none[] = "";
    struct store_operation op = {.id = cmd->follow_id,
                                 .type = STORE_OP_CLEAN_DEVICE,
                                 .target = device->rec.id,
                                 .created_ms = cmd->time_ms,
                                 .reason = none,
                                 .begin_index = index};
    struct store_device next = device->rec;

    CHECK(insert_op(store, &op, NULL) == 0);
    next.pending = cmd->follow_id;
    update_device(store, device, &next);
}

static void end_op(struct store *store, struct op_entry *op, int64_t time_ms)
{
    struct store_job job = {.id = op->rec.id, .type = op->rec.type, .ended_ms = time_ms};

    remove_op(store, op);
    commit_job(store, &job);
}

/* The operation without its bricks on the device; without any, it ends. */
static void drop_bricks(struct store *store, struct op_entry *op, struct id device, int64_t time_ms)
{
    struct store_operation next = op->rec;
    struct store_brick *kept = mem_calloc(next.n_abandoned, sizeof(*kept));
    size_t n = 0;

    for (size_t i = 0; i < next.n_abandoned; i++) {
        if (!id_equal(next.abandoned[i].device, device)) {
            store_brick_copy(&kept[n++], &next.abandoned[i]);
        }
    }
    if (n == 0) {
        end_op(store, op, time_ms);
    } else {
        change_abandoned(store, op, kept, n);
    }
    for (size_t i = 0; i < n; i++) {
        store_brick_fini(&kept[i]);
    }
    free(kept);
}

/* Until bricks of operations, each with all that it has, are more than work. */
static void forget_some(struct store *store, struct node_entry *node, int64_t time_ms, size_t work)
{
    struct device_entry *device, *next;
    struct brick_entry *brick;
    size_t done = 0;

    for (device = TREE_FIRST(&node->devices, in_node); device != NULL; device = next) {
        struct op_entry *op = find_op(store, device->rec.pending);

        next = RB_NEXT(node_device_tree, NULL, device);
        while ((brick = TREE_FIRST(&device->pools, in_pools)) != NULL) {
            if (done > work) {
                return;
            }
            done += brick->op->rec.n_abandoned;
            drop_bricks(store, brick->op, device->rec.id, time_ms);
        }
        remove_device(store, device);
        end_op(store, op, time_ms);
    }
}

void forget_devices(struct store *store, struct node_entry *node, int64_t time_ms)
{
    forget_some(store, node, time_ms, SIZE_MAX);
}

static bool is_too_much(const struct node_entry *node)
{
    struct device_entry *device;
    struct brick_entry *brick;
    size_t work = 0;

    TREE_EACH (device, node_device_tree, &node->devices, in_node) {
        TREE_EACH (brick, device_pool_tree, &device->pools, in_pools) {
            work += brick->op != NULL ? brick->op->rec.n_abandoned : 0;
            if (work > STORE_FORGET_WORK) {
                return true;
            }
        }
    }
    return false;
}

bool store_ends_in_parts(const struct store *store, const struct store_operation *op)
{
    const struct node_entry *node = find_node(store, op->target);

    return store_level(store) >= STORE_LEVEL_FORGET && op->type == STORE_OP_NODE_DELETE && op->force && node != NULL &&
           is_too_much(node);
}

bool forget_part(struct store *store, const struct store_operation *op, const struct store_cmd *cmd)
{
    if (cmd->failed || !store_ends_in_parts(store, op)) {
        return false;
    }
    forget_some(store, find_node(store, op->target), cmd->time_ms, STORE_FORGET_WORK);
    return true;
}

/* Forgetting devices, and nodes, that do not answer.
 *
 * A device that is forgotten by force while its node is silent is not seen any more, but its record stays, held by an
 * operation (CLEAN_DEVICE) that destroys what is on it when the node is back; bricks that are left there have
 * operations of their own (CLEAN_BRICKS), which go first. When the node is forgotten too, all of that ends. */
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store_priv.h"

bool only_left_bricks(const struct store *store, const struct device_entry *device)
{
    struct brick_entry *brick;

    (void)store;
    TREE_EACH (brick, device_pool_tree, &device->pools, in_pools) {
        if (brick->op == NULL || brick->op->rec.type != STORE_OP_CLEAN_BRICKS) {
            return false;
        }
    }
    return true;
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

void forget_devices(struct store *store, struct node_entry *node, int64_t time_ms)
{
    struct device_entry *device, *next;
    struct brick_entry *brick;

    for (device = TREE_FIRST(&node->devices, in_node); device != NULL; device = next) {
        struct op_entry *op = find_op(store, device->rec.pending);

        next = RB_NEXT(node_device_tree, NULL, device);
        while ((brick = TREE_FIRST(&device->pools, in_pools)) != NULL) {
            drop_bricks(store, brick->op, device->rec.id, time_ms);
        }
        remove_device(store, device);
        end_op(store, op, time_ms);
    }
}

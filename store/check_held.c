/* What a pending object may own, which its operation says: when that ends, the object goes, or comes back, and what
 * else is on it must not be in the way. Each rule is asked of what is owned, so that a load can ask it of what it has
 * just brought, in whatever parts that comes.
 *
 * Loads are refused for these at every feature level: the rules of apply lead to no such state, so no copy of an honest
 * database has one, and a member of any release that took it would stop at the end of the operation. */
#include "store/store_priv.h"

#define BROKEN(what, id, why) err_set(reterr, E_DAMAGED, "%s %s: %s", (what), id_text(id).text, (why))

/* A node that is being added has no device; one that is being forgotten only those that are forgotten already. */
static bool device_fits_node(const struct store *store, const struct device_entry *device)
{
    const struct op_entry *op = find_op(store, device->node->rec.pending);

    return op == NULL || op->rec.type == STORE_OP_NODE_REMOVE || op->rec.type == STORE_OP_NODE_REPLACE ||
           (op->rec.type == STORE_OP_NODE_DELETE && op->rec.force &&
            pending_by(store, device->rec.pending, STORE_OP_CLEAN_DEVICE));
}

/* A device that is being added, or deleted, has no brick; one that goes by force those that wait for a clean-up. */
static bool brick_fits_device(const struct store *store, const struct brick_entry *brick)
{
    const struct op_entry *op = find_op(store, brick->device->rec.pending);

    return op == NULL || op->rec.type == STORE_OP_REMOVE_DEVICE || op->rec.type == STORE_OP_DEVICE_REPLACE ||
           ((op->rec.type == STORE_OP_CLEAN_DEVICE || (op->rec.type == STORE_OP_DEVICE_DELETE && op->rec.force)) &&
            brick->op != NULL && brick->op->rec.type == STORE_OP_CLEAN_BRICKS);
}

/* The sets that an expand adds are whole, and not the first one: without them there is a volume left. */
static bool sets_fit(const struct store *store, const struct store_volume *volume)
{
    uint32_t width = store_volume_width(volume);

    for (size_t i = 0; i < volume->n_bricks; i++) {
        bool added = pending_by(store, volume->bricks[i].pending, STORE_OP_EXPAND_VOLUME);
        struct id first = volume->bricks[i - i % width].pending;

        if (added ? i < width || !id_equal(volume->bricks[i].pending, first)
                  : pending_by(store, first, STORE_OP_EXPAND_VOLUME)) {
            return false;
        }
    }
    return true;
}

int check_held_device(const struct store *store, const struct device_entry *device, struct err *reterr)
{
    return device_fits_node(store, device)
               ? 0
               : BROKEN("device", device->rec.id, "its node is held by an operation that leaves no room for it");
}

int check_held_bricks(const struct store *store, const struct brick_entry *bricks, size_t n, struct err *reterr)
{
    for (size_t i = 0; i < n; i++) {
        if (!brick_fits_device(store, &bricks[i])) {
            return BROKEN("brick", brick_of(&bricks[i])->id,
                          "its device is held by an operation that leaves no room for it");
        }
        if (bricks[i].device->used_kib > bricks[i].device->rec.total_kib) {
            return BROKEN("device", bricks[i].device->rec.id, "more is used than there is");
        }
    }
    return 0;
}

int check_held_volume(const struct store *store, const struct volume_entry *volume, struct err *reterr)
{
    if (!sets_fit(store, &volume->rec)) {
        return BROKEN("volume", volume->rec.id, "what is left of it without an expand is not complete");
    }
    return check_held_bricks(store, volume->bricks, volume->rec.n_bricks, reterr);
}

int check_held_block(const struct store *store, const struct block_entry *block, struct err *reterr)
{
    const struct op_entry *op = find_op(store, block->hosting->rec.pending);

    return op == NULL || (op->rec.type == STORE_OP_CREATE_BLOCK && id_equal(op->rec.target, block->rec.id))
               ? 0
               : BROKEN("block volume", block->rec.id, "its hosting volume is held by another operation");
}

int check_held_op(const struct store *store, const struct op_entry *op, struct err *reterr)
{
    bool clones = op->rec.type == STORE_OP_CLONE_VOLUME;
    const struct volume_entry *user = clones || op->rec.type == STORE_OP_EXPAND_VOLUME
                                          ? find_volume(store, clones ? op->rec.source : op->rec.target)
                                          : NULL;

    if (user != NULL && !id_is_none(user->rec.pending)) {
        return BROKEN("operation", op->rec.id, "another one holds the volume that it needs");
    }
    if (op->rec.type == STORE_OP_EVICT_BRICK && !evict_fits(store, op)) {
        return BROKEN("operation", op->rec.id, "its replacement does not fit in the place of the brick");
    }
    return check_held_bricks(store, op->abandoned, op->rec.n_abandoned, reterr);
}

/* ---- OP_END ---- */

static bool node_may_go(const struct store *store, const struct op_entry *op)
{
    const struct node_entry *node = find_node(store, op->rec.target);
    struct device_entry *device;

    TREE_EACH (device, node_device_tree, &node->devices, in_node) {
        if (!device_fits_node(store, device) || !only_left_bricks(device)) {
            return false;
        }
    }
    return true;
}

static bool volume_may_go(const struct volume_entry *volume, struct id with)
{
    struct block_entry *block;

    TREE_EACH (block, hosted_tree, &volume->blocks, hosted) {
        if (!id_equal(block->rec.id, with)) {
            return false;
        }
    }
    return volume->n_clones == 0 && volume->n_expands == 0;
}

bool target_may_go(const struct store *store, const struct op_entry *op)
{
    const struct volume_entry *volume = op_volume(store, &op->rec);

    switch (op->rec.type) {
    case STORE_OP_NODE_ADD:
    case STORE_OP_NODE_DELETE:
        return node_may_go(store, op);
    case STORE_OP_DEVICE_ADD:
        return find_device(store, op->rec.target)->n_charged == 0;
    case STORE_OP_CREATE_VOLUME:
    case STORE_OP_CLONE_VOLUME:
    case STORE_OP_DELETE_VOLUME:
    case STORE_OP_CREATE_BLOCK:
        return volume == NULL || volume_may_go(volume, op->rec.target);
    default:
        return true;
    }
}

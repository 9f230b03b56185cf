/* A device or a node that is lost is rebuilt at its place: same ids, same brick names, content healed from the rest.
 *
 * A device's replacing holds the device, and no brick: volumes live on, and may be deleted meanwhile. Until its volume
 * group is rebuilt (OP_MOVED) it can be given up; from then on it only goes forward. A node's consists of those of
 * its devices, one after another; `renewals` is what is left of them. */
#include <string.h>

#include "store/base/mem.h"
#include "store/store_priv.h"

#define NAMED_MAX 5 /* volumes in a refusal */

/* ---- device ---- */

static bool is_single(const struct brick_entry *brick)
{
    return brick->volume != NULL && store_volume_is_single(&brick->volume->rec);
}

/* Names of the volumes of which the device has bricks that are nowhere else; "": none. malloc'ed. */
static char *only_here(const struct device_entry *device)
{
    char *names = mem_strdup("");
    struct brick_entry *brick;
    size_t n = 0;

    TREE_EACH (brick, device_brick_tree, &device->bricks, in_device) {
        if (is_single(brick) && strstr(names, brick->volume->rec.name) == NULL) {
            CLEANUP(free_ptr) char *before = names;

            names = n < NAMED_MAX ? mem_printf("%s%s%s", before, n > 0 ? ", " : "", brick->volume->rec.name)
                                  : mem_printf("%s%s", before, n == NAMED_MAX ? ", ..." : "");
            n++;
        }
    }
    return names;
}

/* What is on the device has to be rebuilt at its place, and healed. */
static enum store_code check_copies(const struct device_entry *device, bool lost, struct store_result *result)
{
    CLEANUP(free_ptr) char *names = only_here(device);
    struct brick_entry *brick;

    TREE_EACH (brick, device_brick_tree, &device->bricks, in_device) {
        if (brick_of(brick)->path[0] != '\0') {
            return refuse(result, STORE_CONFLICT,
                          "Device %s has brick %s of volume %s, which is a clone: Gluster alone can make such a brick. "
                          "Delete that volume, or evict the brick to another node, then replace",
                          id_text(device->rec.id).text, id_text(brick_of(brick)->id).text, brick->volume->rec.name);
        }
    }
    if (names[0] != '\0' && !lost) {
        return refuse(result, STORE_CONFLICT,
                      "Device %s has bricks that have no other copy: their files are lost with it, of volumes "
                      "%s. To rebuild these bricks as empty ones, ask with --lost-data",
                      id_text(device->rec.id).text, names);
    }
    return STORE_OK;
}

static bool name_taken(const struct device_entry *device, const char *name)
{
    struct device_entry *other;

    TREE_EACH (other, node_device_tree, &device->node->devices, in_node) {
        if (other != device && strcmp(other->rec.name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A part belongs to the replacing of its node, whose turn it is. */
static bool parent_fits(const struct store *store, const struct store_cmd *cmd, const struct device_entry *device)
{
    const struct op_entry *parent = find_op(store, cmd->parent);

    if (id_is_none(cmd->parent)) {
        return id_is_none(device->node->rec.pending);
    }
    return parent != NULL && parent->rec.type == STORE_OP_NODE_REPLACE && id_is_none(parent->rec.child) &&
           parent->rec.n_renewals > 0 && id_equal(parent->rec.renewals[0].device, device->rec.id);
}

enum store_code check_device_replace(const struct store *store, const struct store_cmd *cmd,
                                     struct store_result *result)
{
    const struct device_entry *device = find_device(store, cmd->target);

    if (!device_visible(store, device)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!id_is_none(device->rec.pending) || !parent_fits(store, cmd, device)) {
        return refuse(result, STORE_IN_USE, TEXT_IN_USE);
    }
    if (cmd->n_renewals != 1 || !id_equal(cmd->renewals[0].device, cmd->target)) {
        return refuse(result, STORE_BAD_REQUEST, "One device is replaced, and by one");
    }
    if (id_is_none(cmd->parent) && name_taken(device, cmd->renewals[0].name)) {
        return refuse(result, STORE_CONFLICT, "Another device of the node is %s", cmd->renewals[0].name);
    }
    return check_copies(device, cmd->lost, result);
}

void commit_device_replace(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct device_entry *device = find_device(store, cmd->target);
    struct op_entry *op = find_op(store, cmd->op_id);
    struct store_device next = device->rec;
    struct store_operation next_op = op->rec;

    (void)index;
    next.pending = cmd->op_id;
    update_device(store, device, &next);
    next_op.renewals = cmd->renewals;
    next_op.n_renewals = cmd->n_renewals;
    update_op(store, op, &next_op);
}

/* ---- node ---- */

static const struct store_renewal *renewal_of(const struct store_cmd *cmd, struct id device)
{
    for (size_t i = 0; i < cmd->n_renewals; i++) {
        if (id_equal(cmd->renewals[i].device, device)) {
            return &cmd->renewals[i];
        }
    }
    return NULL;
}

/* The name that it is going to have. */
static const char *next_name(const struct store_cmd *cmd, const struct device_entry *device)
{
    const struct store_renewal *renewal = renewal_of(cmd, device->rec.id);

    return renewal != NULL && renewal->name[0] != '\0' ? renewal->name : device->rec.name;
}

static enum store_code check_renewals(const struct store_cmd *cmd, const struct node_entry *node,
                                      struct store_result *result)
{
    struct device_entry *device, *other;
    size_t found = 0;

    TREE_EACH (device, node_device_tree, &node->devices, in_node) {
        enum store_code code = check_copies(device, cmd->lost, result);

        if (code != STORE_OK) {
            return code;
        }
        if (!id_is_none(device->rec.pending)) {
            return refuse(result, STORE_IN_USE, TEXT_IN_USE);
        }
        found += renewal_of(cmd, device->rec.id) != NULL;
        TREE_EACH (other, node_device_tree, &node->devices, in_node) {
            if (other != device && strcmp(next_name(cmd, other), next_name(cmd, device)) == 0) {
                return refuse(result, STORE_CONFLICT, "Two devices of the node would be %s", next_name(cmd, device));
            }
        }
    }
    return found == cmd->n_renewals
               ? STORE_OK
               : refuse(result, STORE_BAD_REQUEST, "A device that is to get another disk is not one of this node");
}

enum store_code check_node_replace(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct node_entry *node = find_node(store, cmd->target);

    if (!node_visible(store, node)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!id_is_none(node->rec.pending)) {
        return refuse(result, STORE_IN_USE, TEXT_IN_USE);
    }
    if (cmd->node.manage.n > HOSTS_MAX) {
        return refuse(result, STORE_BAD_REQUEST, "A node has at most %d host names", HOSTS_MAX);
    }
    for (size_t i = 0; i < cmd->node.manage.n; i++) {
        const struct host_entry *taken = find_host(&store->manage_hosts, cmd->node.manage.items[i]);

        if (taken != NULL && taken->node != node) {
            return refuse(result, STORE_CONFLICT, "Hostname %s already used by node with id %s", taken->name,
                          id_text(taken->node->rec.id).text);
        }
    }
    return check_renewals(cmd, node, result);
}

void commit_node_replace(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct node_entry *node = find_node(store, cmd->target);
    struct op_entry *op = find_op(store, cmd->op_id);
    struct store_node next = node->rec;
    struct store_operation next_op = op->rec;
    CLEANUP(free_ptr) struct store_renewal *renewals = NULL;
    struct device_entry *device;
    char none[] = "";
    size_t n = 0;

    (void)index;
    next.pending = cmd->op_id;
    next.manage = cmd->node.manage.n > 0 ? cmd->node.manage : next.manage;
    update_node(store, node, &next);
    TREE_EACH (device, node_device_tree, &node->devices, in_node) {
        const struct store_renewal *renewal = renewal_of(cmd, device->rec.id);

        renewals = mem_realloc_array(renewals, n + 1, sizeof(*renewals));
        renewals[n++] = (struct store_renewal){device->rec.id, renewal != NULL ? renewal->name : none};
    }
    next_op.renewals = renewals;
    next_op.n_renewals = n;
    update_op(store, op, &next_op);
}

/* ---- end ---- */

enum store_code check_replace_end(const struct op_entry *op, bool failed, struct store_result *result)
{
    if (op->rec.phase == STORE_OP_COMMITTED ? failed : !failed) {
        return refuse(result, STORE_CONFLICT, failed ? "The device is a new one" : "The device has not been rebuilt");
    }
    return STORE_OK;
}

/* The figures are the node's word: what is on the device is never more than what it has. */
static void device_replaced(struct store *store, struct device_entry *device, const struct store_renewal *renewal,
                            const struct store_cmd *cmd)
{
    struct store_device next = device->rec;
    char *paths[] = {renewal->name};
    uint64_t total = cmd->device.total_kib;

    next.pending = ID_NONE;
    if (!cmd->failed) {
        next.state = STORE_STATE_ONLINE;
        next.pv_uuid = cmd->device.pv_uuid;
        if (total <= DEVICE_KIB_MAX && cmd->device.extent_kib == next.extent_kib) {
            next.total_kib = total > device->used_kib ? total : device->used_kib;
        }
        if (renewal->name[0] != '\0' && strcmp(renewal->name, next.name) != 0) {
            next.name = renewal->name;
            next.paths = (struct store_strs){paths, 1};
        }
    }
    update_device(store, device, &next);
}

void commit_replace_end(struct store *store, const struct op_entry *op, const struct store_cmd *cmd)
{
    struct node_entry *node;
    struct store_node next;

    if (op->rec.type == STORE_OP_DEVICE_REPLACE) {
        device_replaced(store, find_device(store, op->rec.target), &op->rec.renewals[0], cmd);
        return;
    }
    node = find_node(store, op->rec.target);
    next = node->rec;
    next.pending = ID_NONE;
    next.state = cmd->failed ? next.state : STORE_STATE_ONLINE;
    update_node(store, node, &next);
}

/* ---- invariants ---- */

bool renewals_ok(const struct store *store, const struct op_entry *op)
{
    bool node = op->rec.type == STORE_OP_NODE_REPLACE;

    if (!node && op->rec.type != STORE_OP_DEVICE_REPLACE) {
        return op->rec.n_renewals == 0 && !op->rec.lost;
    }
    for (size_t i = 0; i < op->rec.n_renewals; i++) {
        const struct device_entry *device = find_device(store, op->rec.renewals[i].device);

        if (device == NULL || !id_equal(node ? device->node->rec.id : device->rec.id, op->rec.target)) {
            return false;
        }
    }
    return node || op->rec.n_renewals == 1;
}

/* Adding and deleting nodes and devices. */
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store_priv.h"

#define EXTENT_KIB_DEFAULT 4096

/* ---- nodes ---- */

static const struct host_entry *host_taken(const struct host_tree *tree, const struct store_strs *names)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct host_entry *host = find_host(tree, names->items[i]);

        if (host != NULL) {
            return host;
        }
    }
    return NULL;
}

enum store_code check_node_add(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct store_node *node = &cmd->node;
    const struct host_entry *taken;

    if (id_is_none(node->id) || find_node(store, node->id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Node id %s is in use", id_text(node->id).text);
    }
    if (node->manage.n == 0 || node->storage.n == 0 || node->manage.n > HOSTS_MAX || node->storage.n > HOSTS_MAX ||
        node->zone == 0 || !tags_valid(&node->tags)) {
        return refuse(result, STORE_BAD_REQUEST, "A node needs host names, a zone and at most %d tags", TAGS_MAX);
    }
    if (find_cluster(store, node->cluster) == NULL) {
        return refuse(result, STORE_NOT_FOUND, "Cluster id does not exist");
    }
    taken = host_taken(&store->manage_hosts, &node->manage);
    taken = taken != NULL ? taken : host_taken(&store->storage_hosts, &node->storage);
    if (taken != NULL) { /* the LF is Heketi's: its answer ends with two */
        return refuse(result, STORE_CONFLICT, "Hostname %s already used by node with id %s\n", taken->name,
                      id_text(taken->node->rec.id).text);
    }
    return STORE_OK;
}

void commit_node_add(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct store_node node = cmd->node;

    (void)index;
    node.state = STORE_STATE_ONLINE;
    node.pending = cmd->op_id;
    CHECK(insert_node(store, &node, NULL) == 0);
}

/* Forgotten devices that are to be cleaned up when the node is back count, unless it is to be forgotten as well. */
static bool holds_devices(const struct store *store, const struct node_entry *node, bool force)
{
    const struct device_entry *device = TREE_FIRST(&node->devices, in_node);

    while (device != NULL && force && pending_by(store, device->rec.pending, STORE_OP_CLEAN_DEVICE)) {
        device = RB_NEXT(node_device_tree, NULL, (struct device_entry *)(uintptr_t)device);
    }
    return device != NULL;
}

enum store_code check_node_delete(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct node_entry *node = find_node(store, cmd->target);

    if (node == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!id_is_none(node->rec.pending)) {
        return refuse(result, STORE_IN_USE, TEXT_IN_USE);
    }
    if (holds_devices(store, node, cmd->force)) {
        return refuse(result, STORE_CONFLICT, "Unable to delete node [%s] because it contains devices",
                      id_text(cmd->target).text);
    }
    return STORE_OK;
}

void commit_node_delete(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct node_entry *node = find_node(store, cmd->target);
    struct store_node next = node->rec;

    (void)index;
    next.pending = cmd->op_id;
    update_node(store, node, &next);
}

/* ---- devices ---- */

/* A second add of the same name on the same node while the first one runs would race it on the node. A name that is
 * registered already is not refused here: the node finds the physical volume (Heketi's contract). */
static bool adding(const struct store *store, const struct node_entry *node, const char *name)
{
    struct device_entry *device;

    TREE_EACH (device, node_device_tree, &node->devices, in_node) {
        if (strcmp(device->rec.name, name) == 0 && pending_by(store, device->rec.pending, STORE_OP_DEVICE_ADD)) {
            return true;
        }
    }
    return false;
}

enum store_code check_device_add(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct store_device *device = &cmd->device;
    const struct node_entry *node = find_node(store, device->node);

    if (id_is_none(device->id) || find_device(store, device->id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Device id %s is in use", id_text(device->id).text);
    }
    if (device->name[0] == '\0' || !tags_valid(&device->tags)) {
        return refuse(result, STORE_BAD_REQUEST, "A device needs a name and at most %d tags", TAGS_MAX);
    }
    if (!node_visible(store, node)) {
        return refuse(result, STORE_NOT_FOUND, "Node id does not exist");
    }
    if (!id_is_none(node->rec.pending) || adding(store, node, device->name)) {
        return refuse(result, STORE_IN_USE, TEXT_IN_USE);
    }
    return STORE_OK;
}

void commit_device_add(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct store_device device = cmd->device;
    char none[] = "";

    (void)index;
    device.state = STORE_STATE_ONLINE; /* pending: placement does not see it */
    device.pending = cmd->op_id;
    device.total_kib = 0;
    device.extent_kib = EXTENT_KIB_DEFAULT;
    device.pv_uuid = none;
    device.paths = (struct store_strs){NULL, 0};
    CHECK(insert_device(store, &device, NULL) == 0);
}

enum store_code check_device_delete(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct device_entry *device = find_device(store, cmd->target);

    if (!device_visible(store, device)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (device->rec.state != STORE_STATE_FAILED) {
        return refuse(result, STORE_BAD_REQUEST, "device: %s is not in failed state", id_text(cmd->target).text);
    }
    if (cmd->force ? !only_left_bricks(device) : device->n_charged > 0) {
        return refuse(result, STORE_CONFLICT, "Unable to delete device [%s] because it contains bricks",
                      id_text(cmd->target).text);
    }
    if (!id_is_none(device->rec.pending) ||
        pending_by(store, device->node->rec.pending, STORE_OP_NODE_REPLACE)) { /* its turn comes */
        return refuse(result, STORE_IN_USE, TEXT_IN_USE);
    }
    return STORE_OK;
}

void commit_device_delete(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct device_entry *device = find_device(store, cmd->target);
    struct store_device next = device->rec;

    (void)index;
    next.pending = cmd->op_id;
    update_device(store, device, &next);
}

/* ---- how large a device is ---- */

enum store_code check_device_resync(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    return device_visible(store, find_device(store, cmd->target)) ? STORE_OK
                                                                  : refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
}

void commit_device_resync(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)store;
    (void)index;
    (void)cmd;
}

static bool has_pending_bricks(const struct device_entry *device)
{
    struct brick_entry *brick;

    TREE_EACH (brick, device_pool_tree, &device->pools, in_pools) {
        if (!id_is_none(brick_of(brick)->pending)) {
            return true;
        }
    }
    return false;
}

enum store_code check_resync_end(const struct store *store, const struct op_entry *op, const struct store_cmd *cmd,
                                 struct store_result *result)
{
    const struct device_entry *device = find_device(store, op->rec.target);

    if (cmd->failed) {
        return STORE_OK;
    }
    if (device == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!id_is_none(device->rec.pending) || has_pending_bricks(device)) {
        return refuse(result, STORE_IN_USE, TEXT_IN_USE);
    }
    if (cmd->device.total_kib > DEVICE_KIB_MAX || cmd->device.total_kib < device->used_kib ||
        cmd->device.extent_kib != device->rec.extent_kib) {
        return refuse(result, STORE_BAD_REQUEST,
                      "Device %s has %llu KiB in extents of %llu KiB, its bricks take %llu KiB in extents of %llu KiB",
                      id_text(device->rec.id).text, (unsigned long long)cmd->device.total_kib,
                      (unsigned long long)cmd->device.extent_kib, (unsigned long long)device->used_kib,
                      (unsigned long long)device->rec.extent_kib);
    }
    return STORE_OK;
}

void commit_resync_end(struct store *store, const struct op_entry *op, const struct store_cmd *cmd)
{
    struct device_entry *device = find_device(store, op->rec.target);
    struct store_device next;

    if (!cmd->failed) {
        next = device->rec;
        next.total_kib = cmd->device.total_kib;
        update_device(store, device, &next);
    }
}

/* Clusters, and what is done at once to nodes and devices: tags and states. */
#include <stdio.h>
#include <string.h>

#include "store/base/check.h"
#include "store/store_priv.h"

/* ---- clusters ---- */

enum store_code check_cluster_create(const struct store *store, const struct store_cmd *cmd,
                                     struct store_result *result)
{
    enum store_code code = check_key(store, cmd, result);

    if (code != STORE_OK) {
        return code;
    }
    if (id_is_none(cmd->cluster.id) || find_cluster(store, cmd->cluster.id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Cluster id %s is in use", id_text(cmd->cluster.id).text);
    }
    result->id = cmd->cluster.id;
    return STORE_OK;
}

void commit_cluster_create(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    CHECK(insert_cluster(store, &cmd->cluster, NULL) == 0);
    commit_key(store, cmd, ID_NONE, cmd->cluster.id);
}

enum store_code check_cluster_flags(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    if (find_cluster(store, cmd->cluster.id) == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    result->id = cmd->cluster.id;
    return STORE_OK;
}

void commit_cluster_flags(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    update_cluster(store, find_cluster(store, cmd->cluster.id), &cmd->cluster);
}

enum store_code check_cluster_delete(const struct store *store, const struct store_cmd *cmd,
                                     struct store_result *result)
{
    const struct cluster_entry *cluster = find_cluster(store, cmd->target);

    if (cluster == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!RB_EMPTY(&cluster->nodes) || !RB_EMPTY(&cluster->volumes)) {
        return refuse(result, STORE_CONFLICT, "Unable to delete cluster [%s] because it contains volumes and/or nodes",
                      id_text(cmd->target).text);
    }
    result->id = cmd->target;
    return STORE_OK;
}

void commit_cluster_delete(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    remove_cluster(store, find_cluster(store, cmd->target));
}

/* ---- tags ---- */

bool tags_valid(const struct store_tags *tags)
{
    for (size_t i = 0; i < tags->n; i++) {
        if (tags->items[i].name[0] == '\0' || (i > 0 && strcmp(tags->items[i - 1].name, tags->items[i].name) >= 0)) {
            return false;
        }
    }
    return tags->n <= TAGS_MAX;
}

enum store_code check_tags(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct node_entry *node = find_node(store, cmd->target);
    const struct device_entry *device = find_device(store, cmd->target);
    const struct store_tags *old;

    if (!node_visible(store, node) && !device_visible(store, device)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    old = node != NULL ? &node->rec.tags : &device->rec.tags;
    if (!tags_valid(&cmd->tags)) {
        return refuse(result, STORE_BAD_REQUEST, "too many tags (up to %d supported), or not in order", TAGS_MAX);
    }
    if (!id_is_none(cmd->base) && !id_equal(cmd->base, fingerprint_tags(old))) {
        return refuse(result, STORE_STALE_PLAN, "The tags have changed");
    }
    result->id = cmd->target;
    return STORE_OK;
}

void commit_tags(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct node_entry *node = find_node(store, cmd->target);
    struct device_entry *device = find_device(store, cmd->target);

    (void)index;
    if (node != NULL) {
        struct store_node next = node->rec;

        next.tags = cmd->tags;
        update_node(store, node, &next);
    } else {
        struct store_device next = device->rec;

        next.tags = cmd->tags;
        update_device(store, device, &next);
    }
}

/* ---- states: a transition that is not allowed becomes a failed job, because the API answered 202 ---- */

/* Writes why not into text and returns false, or returns true. */
static bool may_change(enum store_state from, enum store_state to, bool node, struct id id, char *text, size_t size)
{
    const char *what = node ? "node" : "device";

    if (from == STORE_STATE_ONLINE && to == STORE_STATE_FAILED) {
        (void)snprintf(text, size, "%s must be offline before remove operation is performed, %s:%s",
                       node ? "Node" : "Device", what, id_text(id).text);
        return false;
    }
    /* A failed device may come back by way of offline (Heketi allows it, and clients use it); a node never. */
    if (from == STORE_STATE_FAILED && (to == STORE_STATE_ONLINE || (node && to == STORE_STATE_OFFLINE))) {
        (void)snprintf(text, size, "Cannot move a failed/removed %s to %s state", what, store_state_name(to));
        return false;
    }
    return true;
}

/* Does this change move bricks away first? Then it is an operation (apply_remove.c). */
bool state_moves_bricks(const struct store *store, struct id target, enum store_state to)
{
    const struct node_entry *node = find_node(store, target);
    struct device_entry *device = find_device(store, target);

    if (to != STORE_STATE_FAILED) {
        return false;
    }
    if (node == NULL) {
        return device != NULL && device->rec.state == STORE_STATE_OFFLINE && !RB_EMPTY(&device->bricks);
    }
    if (node->rec.state != STORE_STATE_OFFLINE) {
        return false;
    }
    TREE_EACH (device, node_device_tree, &node->devices, in_node) {
        if (!id_is_none(device->rec.pending) || !RB_EMPTY(&device->bricks)) {
            return true;
        }
    }
    return false;
}

enum store_code check_set_state(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct node_entry *node = find_node(store, cmd->target);
    const struct device_entry *device = find_device(store, cmd->target);

    result->id = cmd->target;
    result->op_id = cmd->op_id;
    if (id_is_none(cmd->op_id) || find_op(store, cmd->op_id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Operation id %s is in use", id_text(cmd->op_id).text);
    }
    if (find_job(store, cmd->op_id) != NULL) {
        return STORE_REPEATED;
    }
    if (!node_visible(store, node) && !device_visible(store, device)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!id_is_none(node != NULL ? node->rec.pending : device->rec.pending)) {
        return refuse(result, STORE_IN_USE, TEXT_IN_USE);
    }
    if (state_moves_bricks(store, cmd->target, cmd->state)) {
        return refuse(result, STORE_STALE_PLAN, "There are bricks to move");
    }
    return STORE_OK;
}

static void set_device_state(struct store *store, struct device_entry *device, enum store_state state)
{
    struct store_device next = device->rec;

    next.state = state;
    update_device(store, device, &next);
}

void set_node_state(struct store *store, struct node_entry *node, enum store_state state, struct id pending)
{
    struct store_node next = node->rec;
    struct device_entry *device;

    next.state = state;
    next.pending = pending;
    update_node(store, node, &next);
    if (state == STORE_STATE_FAILED) {
        TREE_EACH (device, node_device_tree, &node->devices, in_node) {
            set_device_state(store, device, STORE_STATE_FAILED);
        }
    }
}

void commit_set_state(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct node_entry *node = find_node(store, cmd->target);
    struct device_entry *device = find_device(store, cmd->target);
    struct store_job job = {.id = cmd->op_id, .ended_ms = cmd->time_ms};
    char text[512] = "";

    (void)index;
    if (node != NULL) {
        job.failed = !may_change(node->rec.state, cmd->state, true, node->rec.id, text, sizeof(text));
    } else {
        job.failed = !may_change(device->rec.state, cmd->state, false, device->rec.id, text, sizeof(text));
    }
    if (!job.failed && node != NULL && node->rec.state != cmd->state) {
        set_node_state(store, node, cmd->state, ID_NONE);
    } else if (!job.failed && node == NULL && device->rec.state != cmd->state) {
        set_device_state(store, device, cmd->state);
    }
    job.error = text;
    commit_job(store, &job);
}

#include "api/json_dump.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_out.h"
#include "api/operation_out.h"
#include "store/base/mem.h"

static void key_pending(struct api_json *json, struct id pending)
{
    api_json_key_open(json, "Pending", '{');
    api_json_key_id(json, "Id", pending);
    api_json_close(json, '}');
}

static void key_tags(struct api_json *json, const struct store_tags *tags)
{
    if (tags->n == 0) {
        return;
    }
    api_json_key_open(json, "tags", '{');
    for (size_t i = 0; i < tags->n; i++) {
        api_json_key_str(json, tags->items[i].name, tags->items[i].value);
    }
    api_json_close(json, '}');
}

static void open_entry(struct api_json *json, struct id id)
{
    api_json_key_open(json, id_text(id).text, '{');
}

/* ---- clusters, nodes, devices ---- */

static void dump_cluster(struct api_json *json, const struct store *store, const struct store_cluster *cluster)
{
    const struct store_node *node = NULL;
    const struct store_volume *volume = NULL;
    const struct store_block_volume *block = NULL;

    open_entry(json, cluster->id);
    api_json_key_open(json, "Info", '{');
    api_json_key_id(json, "id", cluster->id);
    api_json_key_open(json, "nodes", '[');
    while ((node = store_cluster_node_next(store, cluster->id, node)) != NULL) {
        if (api_node_visible(store, node)) {
            api_json_id(json, node->id);
        }
    }
    api_json_close(json, ']');
    api_json_key_open(json, "volumes", '[');
    while ((volume = store_cluster_volume_next(store, cluster->id, volume)) != NULL) {
        api_json_id(json, volume->id);
    }
    api_json_close(json, ']');
    api_json_key_bool(json, "block", cluster->block);
    api_json_key_bool(json, "file", cluster->file);
    api_json_key_open(json, "blockvolumes", '[');
    while ((block = store_cluster_block_next(store, cluster->id, block)) != NULL) {
        api_json_id(json, block->id);
    }
    api_json_close(json, ']');
    api_json_close(json, '}');
    api_json_close(json, '}');
}

static void dump_node(struct api_json *json, const struct store *store, const struct store_node *node)
{
    const struct store_device *device = NULL;

    open_entry(json, node->id);
    api_json_key_str(json, "State", store_state_name(node->state));
    api_json_key_open(json, "Info", '{');
    api_json_key_u64(json, "zone", node->zone);
    api_json_key_open(json, "hostnames", '{');
    api_json_key_strs(json, "manage", &node->manage);
    api_json_key_strs(json, "storage", &node->storage);
    api_json_close(json, '}');
    api_json_key_id(json, "cluster", node->cluster);
    key_tags(json, &node->tags);
    api_json_key_id(json, "id", node->id);
    api_json_close(json, '}');
    api_json_key_open(json, "Devices", '[');
    while ((device = store_node_device_next(store, node->id, device)) != NULL) {
        if (api_device_visible(store, device)) {
            api_json_id(json, device->id);
        }
    }
    api_json_close(json, ']');
    api_json_close(json, '}');
}

static void dump_device(struct api_json *json, const struct store *store, const struct store_device *device)
{
    uint64_t used_kib = store_device_used_kib(store, device->id);
    const struct store_brick *brick = NULL;

    open_entry(json, device->id);
    api_json_key_str(json, "State", store_state_name(device->state));
    api_json_key_open(json, "Info", '{');
    api_json_key_str(json, "name", device->name);
    key_tags(json, &device->tags);
    api_json_key_open(json, "storage", '{');
    api_json_key_u64(json, "total", device->total_kib);
    api_json_key_u64(json, "free", device->total_kib > used_kib ? device->total_kib - used_kib : 0);
    api_json_key_u64(json, "used", used_kib);
    api_json_close(json, '}');
    api_json_key_id(json, "id", device->id);
    if (device->paths.n > 0) {
        api_json_key_strs(json, "paths", &device->paths);
    }
    if (*device->pv_uuid != '\0') {
        api_json_key_str(json, "pv_uuid", device->pv_uuid);
    }
    api_json_close(json, '}');
    api_json_key_open(json, "Bricks", '[');
    while ((brick = store_device_brick_next(store, device->id, brick)) != NULL) {
        api_json_id(json, brick->id);
    }
    api_json_close(json, ']');
    api_json_key_id(json, "NodeId", device->node);
    api_json_key_u64(json, "ExtentSize", device->extent_kib);
    api_json_close(json, '}');
}

/* ---- volumes and bricks ---- */

static int compare_bricks(const void *a, const void *b)
{
    const struct store_brick *const *left = a;
    const struct store_brick *const *right = b;

    return id_cmp(&(*left)->id, &(*right)->id);
}

static const struct store_brick **sorted_bricks(const struct store_brick *bricks, size_t n)
{
    const struct store_brick **list = mem_calloc(n + 1, sizeof(*list));

    for (size_t i = 0; i < n; i++) {
        list[i] = &bricks[i];
    }
    qsort(list, n, sizeof(*list), compare_bricks);
    return list;
}

static void dump_volume(struct api_json *json, const struct store *store, const struct store_volume *volume)
{
    CLEANUP(free_ptr) const struct store_brick **bricks = sorted_bricks(volume->bricks, volume->n_bricks);
    CLEANUP(buf_fini) struct buf info = BUF_INIT;

    api_out_volume_info(&info, store, volume);
    open_entry(json, volume->id);
    api_json_key(json, "Info");
    api_json_compact(json, buf_str(&info));
    api_json_key_open(json, "Bricks", '[');
    for (size_t i = 0; i < volume->n_bricks; i++) {
        api_json_id(json, bricks[i]->id);
    }
    api_json_close(json, ']');
    api_json_key_strs(json, "GlusterVolumeOptions", &volume->options);
    key_pending(json, volume->pending);
    api_json_close(json, '}');
}

static void dump_brick(struct api_json *json, const struct store *store, const struct store_brick *brick)
{
    CLEANUP(free_ptr) char *path = store_brick_path(brick);
    const struct store_device *device = store_device(store, brick->device);

    open_entry(json, brick->id);
    api_json_key_open(json, "Info", '{');
    api_json_key_id(json, "id", brick->id);
    api_json_key_str(json, "path", path);
    api_json_key_id(json, "device", brick->device);
    api_json_key_id(json, "node", device != NULL ? device->node : ID_NONE);
    api_json_key_id(json, "volume", brick->volume);
    api_json_key_u64(json, "size", brick->size_kib);
    api_json_close(json, '}');
    api_json_key_u64(json, "TpSize", brick->pool_kib);
    api_json_key_u64(json, "PoolMetadataSize", brick->meta_kib);
    key_pending(json, brick->pending);
    api_json_key_str(json, "LvmThinPool", brick->pool);
    api_json_key_str(json, "LvmLv", brick->lv);
    api_json_key_u64(json, "SubType", (uint64_t)brick->type);
    api_json_close(json, '}');
}

/* All bricks of volumes, by id. */
static void dump_bricks(struct api_json *json, const struct store *store)
{
    size_t n = store_counts(store).bricks, at = 0;
    CLEANUP(free_ptr) const struct store_brick **list = mem_calloc(n + 1, sizeof(*list));
    const struct store_volume *volume = NULL;

    while ((volume = store_volume_next(store, volume)) != NULL) {
        for (size_t i = 0; i < volume->n_bricks; i++) {
            list[at++] = &volume->bricks[i];
        }
    }
    qsort(list, at, sizeof(*list), compare_bricks);
    for (size_t i = 0; i < at; i++) {
        dump_brick(json, store, list[i]);
    }
}

/* ---- block volumes ---- */

static void dump_block(struct api_json *json, const struct store *store, const struct store_block_volume *block)
{
    const struct store_volume *hosting = store_volume(store, block->hosting);

    open_entry(json, block->id);
    api_json_key_open(json, "Info", '{');
    api_json_key_u64(json, "size", block->size_gib);
    for (size_t i = 0; i < block->n_clusters; i++) {
        if (i == 0) {
            api_json_key_open(json, "clusters", '[');
        }
        api_json_id(json, block->clusters[i]);
    }
    if (block->n_clusters > 0) {
        api_json_close(json, ']');
    }
    api_json_key_str(json, "name", block->name);
    if (block->ha_count > 0) {
        api_json_key_u64(json, "hacount", block->ha_count);
    }
    if (block->auth) {
        api_json_key_bool(json, "auth", true);
    }
    api_json_key_id(json, "id", block->id);
    api_json_key_open(json, "blockvolume", '{');
    api_json_key_strs(json, "hosts", &block->hosts);
    api_json_key_str(json, "iqn", block->iqn);
    api_json_key_u64(json, "lun", 0);
    api_json_key_str(json, "username", block->user);
    api_json_key_str(json, "password", block->password);
    api_json_close(json, '}');
    api_json_key_id(json, "cluster", hosting != NULL ? hosting->cluster : ID_NONE);
    api_json_key_id(json, "blockhostingvolume", block->hosting);
    if (block->usable_gib > 0) {
        api_json_key_u64(json, "usablesize", block->usable_gib);
    }
    api_json_close(json, '}');
    key_pending(json, block->pending);
    api_json_close(json, '}');
}

/* ---- attributes, operations ---- */

static void dump_attribute(struct api_json *json, const char *key, const char *value)
{
    api_json_key_open(json, key, '{');
    api_json_key_str(json, "Key", key);
    api_json_key_str(json, "Value", value);
    api_json_close(json, '}');
}

static void dump_action(void *user, enum api_change change, struct id id, int64_t delta)
{
    struct api_json *json = user;

    api_json_open(json, '{');
    api_json_key_u64(json, "Change", (uint64_t)change);
    api_json_key_id(json, "Id", id);
    api_json_key(json, "Delta");
    if (delta != 0) {
        api_json_i64(json, delta);
    } else {
        api_json_null(json);
    }
    api_json_close(json, '}');
}

static void dump_operation(struct api_json *json, const struct store *store, const struct store_operation *op)
{
    open_entry(json, op->id);
    api_json_key_id(json, "Id", op->id);
    api_json_key(json, "Timestamp");
    api_json_i64(json, op->created_ms / 1000);
    api_json_key_u64(json, "Type", (uint64_t)op->type);
    api_json_key_open(json, "Actions", '[');
    api_operation_changes(store, op, dump_action, json);
    api_json_close(json, ']');
    api_json_key_str(json, "Status", "");
    api_json_close(json, '}');
}

void api_dump(struct api_json *json, const struct store *store, struct id generation)
{
    const struct store_cluster *cluster = NULL;
    const struct store_volume *volume = NULL;
    const struct store_node *node = NULL;
    const struct store_device *device = NULL;
    const struct store_operation *op = NULL;
    const struct store_block_volume *block = NULL;

    api_json_open(json, '{');
    api_json_key_open(json, "clusterentries", '{');
    while ((cluster = store_cluster_next(store, cluster)) != NULL) {
        dump_cluster(json, store, cluster);
    }
    api_json_close(json, '}');
    api_json_key_open(json, "volumeentries", '{');
    while ((volume = store_volume_next(store, volume)) != NULL) {
        dump_volume(json, store, volume);
    }
    api_json_close(json, '}');
    api_json_key_open(json, "brickentries", '{');
    dump_bricks(json, store);
    api_json_close(json, '}');
    api_json_key_open(json, "nodeentries", '{');
    while ((node = store_node_next(store, node)) != NULL) {
        if (api_node_visible(store, node)) {
            dump_node(json, store, node);
        }
    }
    api_json_close(json, '}');
    api_json_key_open(json, "deviceentries", '{');
    while ((device = store_device_next(store, device)) != NULL) {
        if (api_device_visible(store, device)) {
            dump_device(json, store, device);
        }
    }
    api_json_close(json, '}');
    api_json_key_open(json, "blockvolumeentries", '{');
    while ((block = store_block_volume_next(store, block)) != NULL) {
        dump_block(json, store, block);
    }
    api_json_close(json, '}');
    api_json_key_open(json, "dbattributeentries", '{');
    dump_attribute(json, "DB_BRICK_HAS_SUBTYPE_FIELD", "yes");
    dump_attribute(json, "DB_CLUSTER_HAS_FILE_BLOCK_FLAG", "yes");
    dump_attribute(json, "DB_DEVICE_HAS_ID_META", "yes");
    dump_attribute(json, "DB_GENERATION_ID", id_text(generation).text);
    dump_attribute(json, "DB_HAS_PENDING_OPS_BUCKET", "yes");
    api_json_close(json, '}');
    api_json_key_open(json, "pendingoperations", '{');
    while ((op = store_operation_next(store, op)) != NULL) {
        if (op->type < STORE_OP_OWN_FIRST) {
            dump_operation(json, store, op);
        }
    }
    api_json_close(json, '}');
    api_json_close(json, '}');
}

#include "api/json_dump.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_out.h"
#include "api/operation_out.h"
#include "store/base/mem.h"
#include "store/view.h"

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

/* ---- what is under way ---- */

#define LIST_MAX 4096 /* ids of one list, in one go */

struct used {
    struct id device;
    uint64_t kib;
};

struct api_dump {
    struct store_snapshot *snapshot;
    struct used *used; /* by device; the view does not know it */
    size_t n_used;
    struct id generation;
    char *examined;
    struct store_view *view;
    struct api_json json;
    size_t phase;
    bool opened;
    const void *last; /* of the objects of this phase */
    size_t at;        /* or a place among them */
    bool inside;      /* a long list of the last one is under way: */
    size_t list_at, list_end;
};

/* ---- clusters, nodes, devices ---- */

static void begin_cluster(struct api_dump *dump, const struct store_cluster *cluster)
{
    const struct store *store = store_view_rest(dump->view);
    struct api_json *json = &dump->json;
    const struct store_node *node = NULL;

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
}

static void end_cluster(struct api_dump *dump, const struct store_cluster *cluster)
{
    const struct store *store = store_view_rest(dump->view);
    struct api_json *json = &dump->json;
    const struct store_block_volume *block = NULL;

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

/* Each step writes the next object, or a part of it. 1: written; 0: there is none left; or an error. */
static int step_cluster(struct api_dump *dump, struct err *reterr)
{
    const struct store_cluster *cluster = dump->last;
    size_t n;

    (void)reterr;
    if (!dump->inside) {
        cluster = store_cluster_next(store_view_rest(dump->view), dump->last);
        if (cluster == NULL) {
            return 0;
        }
        dump->last = cluster;
        dump->inside = true;
        n = store_view_cluster_volumes(dump->view, cluster->id, &dump->list_at);
        dump->list_end = dump->list_at + n;
        begin_cluster(dump, cluster);
    }
    for (n = 0; n < LIST_MAX && dump->list_at < dump->list_end; n++) {
        api_json_id(&dump->json, store_view_cluster_volume(dump->view, dump->list_at++));
    }
    if (dump->list_at == dump->list_end) {
        dump->inside = false;
        end_cluster(dump, cluster);
    }
    return 1;
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

static int step_node(struct api_dump *dump, struct err *reterr)
{
    const struct store *store = store_view_rest(dump->view);

    (void)reterr;
    dump->last = store_node_next(store, dump->last);
    if (dump->last != NULL && api_node_visible(store, dump->last)) {
        dump_node(&dump->json, store, dump->last);
    }
    return dump->last != NULL;
}

static int compare_used(const void *a, const void *b)
{
    return id_cmp(&((const struct used *)a)->device, &((const struct used *)b)->device);
}

static uint64_t used_of(const struct api_dump *dump, struct id device)
{
    const struct used wanted = {.device = device};
    const struct used *found = bsearch(&wanted, dump->used, dump->n_used, sizeof(wanted), compare_used);

    return found != NULL ? found->kib : 0;
}

static void begin_device(struct api_json *json, const struct store_device *device, uint64_t used_kib)
{
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
}

static void end_device(struct api_json *json, const struct store_device *device)
{
    api_json_close(json, ']');
    api_json_key_id(json, "NodeId", device->node);
    api_json_key_u64(json, "ExtentSize", device->extent_kib);
    api_json_close(json, '}');
}

static int step_device(struct api_dump *dump, struct err *reterr)
{
    const struct store *store = store_view_rest(dump->view);
    const struct store_device *device = dump->last;
    size_t n;

    (void)reterr;
    if (!dump->inside) {
        dump->last = device = store_device_next(store, dump->last);
        if (device == NULL || !api_device_visible(store, device)) {
            return device != NULL;
        }
        dump->inside = true;
        n = store_view_device_bricks(dump->view, device->id, &dump->list_at);
        dump->list_end = dump->list_at + n;
        begin_device(&dump->json, device, used_of(dump, device->id));
    }
    for (n = 0; n < LIST_MAX && dump->list_at < dump->list_end; n++) {
        api_json_id(&dump->json, store_view_device_brick(dump->view, dump->list_at++));
    }
    if (dump->list_at == dump->list_end) {
        dump->inside = false;
        end_device(&dump->json, device);
    }
    return 1;
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

static int step_volume(struct api_dump *dump, struct err *reterr)
{
    struct store_volume volume;
    int rc;

    if (dump->at == store_view_volumes(dump->view)) {
        return 0;
    }
    rc = store_view_volume(dump->view, dump->at++, &volume, reterr);
    if (rc != 0) {
        return rc;
    }
    dump_volume(&dump->json, store_view_rest(dump->view), &volume);
    store_volume_fini(&volume);
    return 1;
}

static int step_brick(struct api_dump *dump, struct err *reterr)
{
    struct store_volume volume;
    size_t index, at;
    int rc;

    if (dump->at == store_view_bricks(dump->view)) {
        return 0;
    }
    at = store_view_brick_volume(dump->view, dump->at++, &index);
    rc = store_view_volume(dump->view, at, &volume, reterr);
    if (rc != 0) {
        return rc;
    }
    dump_brick(&dump->json, store_view_rest(dump->view), &volume.bricks[index]);
    store_volume_fini(&volume);
    return 1;
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

static int step_block(struct api_dump *dump, struct err *reterr)
{
    const struct store *store = store_view_rest(dump->view);

    (void)reterr;
    dump->last = store_block_volume_next(store, dump->last);
    if (dump->last != NULL) {
        dump_block(&dump->json, store, dump->last);
    }
    return dump->last != NULL;
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

static int step_attributes(struct api_dump *dump, struct err *reterr)
{
    struct api_json *json = &dump->json;

    (void)reterr;
    dump_attribute(json, "DB_BRICK_HAS_SUBTYPE_FIELD", "yes");
    dump_attribute(json, "DB_CLUSTER_HAS_FILE_BLOCK_FLAG", "yes");
    dump_attribute(json, "DB_DEVICE_HAS_ID_META", "yes");
    dump_attribute(json, "DB_GENERATION_ID", id_text(dump->generation).text);
    dump_attribute(json, "DB_HAS_PENDING_OPS_BUCKET", "yes");
    return 0;
}

static int step_operation(struct api_dump *dump, struct err *reterr)
{
    const struct store *store = store_view_rest(dump->view);
    const struct store_operation *op;

    (void)reterr;
    dump->last = op = store_operation_next(store, dump->last);
    if (op != NULL && op->type < STORE_OP_OWN_FIRST) {
        dump_operation(&dump->json, store, op);
    }
    return op != NULL;
}

/* ---- the whole ---- */

static const struct {
    const char *key;
    int (*step)(struct api_dump *dump, struct err *reterr);
} phases[] = {
    {"clusterentries", step_cluster},
    {"volumeentries", step_volume},
    {"brickentries", step_brick},
    {"nodeentries", step_node},
    {"deviceentries", step_device},
    {"blockvolumeentries", step_block},
    {"dbattributeentries", step_attributes},
    {"pendingoperations", step_operation},
};

#define PHASES (sizeof(phases) / sizeof(*phases))

struct api_dump *api_dump_new(const struct store *store, struct id generation, char *examined)
{
    struct api_dump *dump = mem_calloc(1, sizeof(*dump));
    const struct store_device *device = NULL;

    dump->snapshot = store_snapshot_take(store);
    dump->generation = generation;
    dump->examined = examined;
    dump->used = mem_calloc(store_counts(store).devices + 1, sizeof(*dump->used));
    while ((device = store_device_next(store, device)) != NULL) {
        dump->used[dump->n_used++] = (struct used){device->id, store_device_used_kib(store, device->id)};
    }
    return dump;
}

void api_dump_free(struct api_dump *dump)
{
    if (dump == NULL) {
        return;
    }
    store_view_free(dump->view);
    store_snapshot_free(dump->snapshot);
    free(dump->used);
    free(dump->examined);
    free(dump);
}

static void begin(struct api_dump *dump)
{
    api_json_open(&dump->json, '{');
    if (dump->examined != NULL) {
        api_json_key_open(&dump->json, "heketidb", '{');
    }
}

static void end(struct api_dump *dump)
{
    api_json_close(&dump->json, '}');
    if (dump->examined != NULL) {
        api_json_compact(&dump->json, dump->examined + 1); /* the rest of the object, with its closing brace */
    }
    buf_append_char(dump->json.buf, '\n');
}

/* 1: goes on; 0: all is written. */
static int go_on(struct api_dump *dump, struct err *reterr)
{
    int rc;

    if (!dump->opened) {
        dump->opened = true;
        api_json_key_open(&dump->json, phases[dump->phase].key, '{');
    }
    rc = phases[dump->phase].step(dump, reterr);
    if (rc != 0) {
        return rc;
    }
    api_json_close(&dump->json, '}');
    dump->phase++;
    dump->opened = false;
    dump->last = NULL;
    dump->at = 0;
    if (dump->phase == PHASES) {
        end(dump);
    }
    return dump->phase < PHASES;
}

int api_dump_next(struct api_dump *dump, size_t bytes, struct buf *buf, struct err *reterr)
{
    size_t start = buf->len;
    int rc = 1;

    dump->json.buf = buf;
    if (dump->view == NULL) {
        rc = store_view_new(dump->snapshot, &dump->view, reterr);
        if (rc != 0) {
            return rc;
        }
        rc = 1;
        begin(dump);
    }
    while (rc == 1 && buf->len - start < bytes) {
        rc = go_on(dump, reterr);
    }
    return rc;
}

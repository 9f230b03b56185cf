#include "api/metrics_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_out.h"
#include "store/base/mem.h"
#include "store/base/text.h"

#define WHOLE_MAX 9007199254740992.0 /* up to there a double has every whole number */

#define VALUES 7 /* of one object */

/* The objects of a kind: their labels are made, and put in order, once for all families that have a value of each. */
enum kind { DEVICE, NODE, CLUSTER, ALL, KINDS };

struct object {
    char *labels; /* "{...}", or "" */
    uint64_t values[VALUES];
};

struct objects {
    struct object *items;
    size_t n, size;
};

struct family {
    const char *name, *help;
    enum kind kind;
    size_t value; /* which of the object's */
};

void api_metric_family(struct buf *buf, const char *name, const char *type, const char *help)
{
    buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Nearly all are such; the search below takes a hundred times as long. */
static void append_whole(struct buf *buf, uint64_t value)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, value), significant = len;

    if (len <= 6) {
        buf_append(buf, digits, (size_t)len);
        return;
    }
    while (digits[significant - 1] == '0') {
        significant--;
    }
    buf_append_char(buf, digits[0]);
    if (significant > 1) {
        buf_append_char(buf, '.');
        buf_append(buf, digits + 1, (size_t)significant - 1);
    }
    buf_printf(buf, "e+%02d", len - 1);
}

void api_metric_number(struct buf *buf, double value)
{
    char text[40] = "";

    if (value >= 0 && value < WHOLE_MAX && value == (double)(uint64_t)value) {
        append_whole(buf, (uint64_t)value);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    if (value < 1e6 && value > -1e6 && (value == 0 || value >= 1e-4 || value <= -1e-4)) {
        for (int digits = 1; digits <= 17; digits++) {
            (void)snprintf(text, sizeof(text), "%.*g", digits, value);
            if (strchr(text, 'e') == NULL && strtod(text, NULL) == value) {
                break;
            }
        }
    }
    buf_append_str(buf, text);
}

/* ---- labels ---- */

static void label(struct buf *buf, const char *name, const char *value)
{
    size_t left = strlen(value);

    buf_printf(buf, "%s%s=\"", buf->len == 0 ? "{" : ",", name);
    while (left > 0) {
        size_t plain = 0, len;

        while (plain < left && value[plain] >= ' ' && value[plain] <= '~' && value[plain] != '"' &&
               value[plain] != '\\') {
            plain++;
        }
        if (plain > 0) { /* nearly all */
            buf_append(buf, value, plain);
            value += plain;
            left -= plain;
            continue;
        }
        len = text_utf8_len(value, left);
        if (*value == '\n') {
            buf_append_str(buf, "\\n");
        } else if (len == 0) {
            text_append(buf, value, 1);
        } else {
            if (*value == '"' || *value == '\\') {
                buf_append_char(buf, '\\');
            }
            buf_append(buf, value, len);
        }
        value += len > 0 ? len : 1;
        left -= len > 0 ? len : 1;
    }
    buf_append_char(buf, '"');
}

/* Takes the labels; those that are left out are 0. */
static uint64_t *add(struct objects *objects, struct buf *labels)
{
    struct object *object;

    if (labels->len > 0) {
        buf_append_char(labels, '}');
    }
    if (objects->n == objects->size) {
        objects->size = objects->size > 0 ? 2 * objects->size : 16;
        objects->items = mem_realloc_array(objects->items, objects->size, sizeof(*objects->items));
    }
    object = &objects->items[objects->n++];
    *object = (struct object){.labels = buf_take(labels)};
    return object->values;
}

static int label_order(const void *a, const void *b)
{
    const struct object *one = a, *other = b;

    return strcmp(one->labels, other->labels);
}

static void out_family(struct buf *buf, const struct family *family, const struct objects *objects)
{
    size_t name_len = strlen(family->name);

    if (objects->n > 0) {
        api_metric_family(buf, family->name, "gauge", family->help);
    }
    for (size_t i = 0; i < objects->n; i++) {
        buf_append(buf, family->name, name_len);
        buf_append_str(buf, objects->items[i].labels);
        buf_append_char(buf, ' ');
        api_metric_number(buf, (double)objects->items[i].values[family->value]);
        buf_append_char(buf, '\n');
    }
}

/* ---- the families ---- */

enum { DEVICE_BRICKS, DEVICE_FREE, DEVICE_FREE_BYTES, DEVICE_SIZE, DEVICE_SIZE_BYTES, DEVICE_USED, DEVICE_USED_BYTES };
enum { NODE_DEVICES };
enum { CLUSTER_BLOCK_VOLUMES, CLUSTER_NODES, CLUSTER_VOLUMES };
enum { CLUSTERS, NONE, OPERATIONS, UP };

static const struct family families[] = {
    /* by name, as they are shown */
    {"heketi_block_volumes_count", "Number of block volumes on cluster", CLUSTER, CLUSTER_BLOCK_VOLUMES},
    {"heketi_cluster_count", "Number of clusters", ALL, CLUSTERS},
    {"heketi_device_brick_count", "Number of bricks on device", DEVICE, DEVICE_BRICKS},
    {"heketi_device_count", "Number of devices on host", NODE, NODE_DEVICES},
    {"heketi_device_free", "Amount of Free space available on the device", DEVICE, DEVICE_FREE},
    {"heketi_device_free_bytes", "Amount of Free space available on the device in bytes", DEVICE, DEVICE_FREE_BYTES},
    {"heketi_device_size", "Total size of the device", DEVICE, DEVICE_SIZE},
    {"heketi_device_size_bytes", "Total size of the device in bytes", DEVICE, DEVICE_SIZE_BYTES},
    {"heketi_device_used", "Amount of space used on the device", DEVICE, DEVICE_USED},
    {"heketi_device_used_bytes", "Amount of space used on the device in bytes", DEVICE, DEVICE_USED_BYTES},
    {"heketi_nodes_count", "Number of nodes on cluster", CLUSTER, CLUSTER_NODES},
    {"heketi_operations_failed_count", "Number of Failed Operations", ALL, NONE}, /* none is left failed, or stale */
    {"heketi_operations_inFlight_count", "Number of in flight Operations", ALL, OPERATIONS},
    {"heketi_operations_new_count", "Number of New Operations", ALL, OPERATIONS},
    {"heketi_operations_stale_count", "Number of Stale Operations", ALL, NONE},
    {"heketi_operations_total_count", "Total Number of Operations", ALL, OPERATIONS},
    {"heketi_up", "Is heketi running?", ALL, UP},
    {"heketi_volumes_count", "Number of volumes on cluster", CLUSTER, CLUSTER_VOLUMES},
};

static void add_device(struct objects *all, const struct store *store, const struct store_node *node,
                       const struct store_device *device)
{
    struct buf labels = BUF_INIT;
    uint64_t used_kib = store_device_used_kib(store, device->id);
    uint64_t free_kib = device->total_kib > used_kib ? device->total_kib - used_kib : 0, *values;

    label(&labels, "cluster", id_text(node->cluster).text);
    label(&labels, "device", device->name);
    label(&labels, "hostname", node->manage.items[0]);
    label(&labels, "id", id_text(device->id).text);
    label(&labels, "pv_uuid", device->pv_uuid);
    label(&labels, "storage_hostname", node->storage.items[0]);
    values = add(&all[DEVICE], &labels);
    values[DEVICE_BRICKS] = store_device_bricks(store, device->id);
    values[DEVICE_FREE] = free_kib;
    values[DEVICE_FREE_BYTES] = free_kib * 1024;
    values[DEVICE_SIZE] = device->total_kib;
    values[DEVICE_SIZE_BYTES] = device->total_kib * 1024;
    values[DEVICE_USED] = used_kib;
    values[DEVICE_USED_BYTES] = used_kib * 1024;
}

static void add_node(struct objects *all, const struct store *store, const struct store_node *node)
{
    struct buf labels = BUF_INIT;
    const struct store_device *device = NULL;
    size_t n = 0;

    while ((device = store_node_device_next(store, node->id, device)) != NULL) {
        if (api_device_visible(store, device)) {
            add_device(all, store, node, device);
            n++;
        }
    }
    label(&labels, "cluster", id_text(node->cluster).text);
    label(&labels, "hostname", node->manage.items[0]);
    label(&labels, "storage_hostname", node->storage.items[0]);
    add(&all[NODE], &labels)[NODE_DEVICES] = n;
}

static void add_cluster(struct objects *all, const struct store *store, const struct store_cluster *cluster)
{
    struct buf labels = BUF_INIT;
    const struct store_node *node = NULL;
    size_t n_nodes = 0;
    uint64_t *values;

    while ((node = store_cluster_node_next(store, cluster->id, node)) != NULL) {
        if (api_node_visible(store, node)) {
            add_node(all, store, node);
            n_nodes++;
        }
    }
    label(&labels, "cluster", id_text(cluster->id).text);
    values = add(&all[CLUSTER], &labels);
    values[CLUSTER_BLOCK_VOLUMES] = store_cluster_blocks_shown(store, cluster->id);
    values[CLUSTER_NODES] = n_nodes;
    values[CLUSTER_VOLUMES] = store_cluster_shown(store, cluster->id);
}

static void add_all(struct objects *all, const struct store *store)
{
    struct store_counts counts = store_counts(store);
    struct buf none = BUF_INIT;
    uint64_t *values = add(&all[ALL], &none);

    values[CLUSTERS] = counts.clusters;
    values[OPERATIONS] = counts.operations;
    values[UP] = 1;
}

void api_out_metrics(struct buf *buf, const struct store *store)
{
    const struct store_cluster *cluster = NULL;
    struct objects all[KINDS] = {{NULL, 0, 0}};

    while ((cluster = store_cluster_next(store, cluster)) != NULL) {
        add_cluster(all, store, cluster);
    }
    add_all(all, store);
    for (size_t i = 0; i < KINDS; i++) {
        if (all[i].n > 1) {
            qsort(all[i].items, all[i].n, sizeof(*all[i].items), label_order);
        }
    }
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        out_family(buf, &families[i], &all[families[i].kind]);
    }
    for (size_t i = 0; i < KINDS; i++) {
        for (size_t j = 0; j < all[i].n; j++) {
            free(all[i].items[j].labels);
        }
        free(all[i].items);
    }
}

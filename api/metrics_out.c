#include "api/metrics_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_out.h"
#include "store/base/mem.h"
#include "store/base/text.h"

#define WHOLE_MAX 9007199254740992.0 /* up to there a double has every whole number */

struct family {
    const char *name, *help;
    char **lines; /* "{labels} value\n" */
    size_t n, size;
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
        size_t len = text_utf8_len(value, left);

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

static void add(struct family *family, const struct buf *labels, uint64_t value)
{
    struct buf line = BUF_INIT;

    if (labels->len > 0) {
        buf_append(&line, labels->data, labels->len);
        buf_append_char(&line, '}');
    }
    buf_append_char(&line, ' ');
    api_metric_number(&line, (double)value);
    buf_append_char(&line, '\n');
    if (family->n == family->size) {
        family->size = family->size > 0 ? 2 * family->size : 16;
        family->lines = mem_realloc_array(family->lines, family->size, sizeof(*family->lines));
    }
    family->lines[family->n++] = buf_take(&line);
}

static int line_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void out_family(struct buf *buf, struct family *family)
{
    if (family->n > 0) {
        api_metric_family(buf, family->name, "gauge", family->help);
        qsort(family->lines, family->n, sizeof(*family->lines), line_order);
    }
    for (size_t i = 0; i < family->n; i++) {
        buf_append_str(buf, family->name);
        buf_append_str(buf, family->lines[i]);
        free(family->lines[i]);
    }
    free(family->lines);
}

/* ---- the families ---- */

enum { /* by name, as they are shown */
       BLOCK_VOLUMES,
       CLUSTERS,
       DEVICE_BRICKS,
       DEVICES,
       DEVICE_FREE,
       DEVICE_FREE_BYTES,
       DEVICE_SIZE,
       DEVICE_SIZE_BYTES,
       DEVICE_USED,
       DEVICE_USED_BYTES,
       NODES,
       OPERATIONS_FAILED,
       OPERATIONS_IN_FLIGHT,
       OPERATIONS_NEW,
       OPERATIONS_STALE,
       OPERATIONS_TOTAL,
       UP,
       VOLUMES,
       FAMILIES,
};

static const struct family families[FAMILIES] = {
    [BLOCK_VOLUMES] = {"heketi_block_volumes_count", "Number of block volumes on cluster", NULL, 0, 0},
    [CLUSTERS] = {"heketi_cluster_count", "Number of clusters", NULL, 0, 0},
    [DEVICE_BRICKS] = {"heketi_device_brick_count", "Number of bricks on device", NULL, 0, 0},
    [DEVICES] = {"heketi_device_count", "Number of devices on host", NULL, 0, 0},
    [DEVICE_FREE] = {"heketi_device_free", "Amount of Free space available on the device", NULL, 0, 0},
    [DEVICE_FREE_BYTES] = {"heketi_device_free_bytes", "Amount of Free space available on the device in bytes", NULL, 0,
                           0},
    [DEVICE_SIZE] = {"heketi_device_size", "Total size of the device", NULL, 0, 0},
    [DEVICE_SIZE_BYTES] = {"heketi_device_size_bytes", "Total size of the device in bytes", NULL, 0, 0},
    [DEVICE_USED] = {"heketi_device_used", "Amount of space used on the device", NULL, 0, 0},
    [DEVICE_USED_BYTES] = {"heketi_device_used_bytes", "Amount of space used on the device in bytes", NULL, 0, 0},
    [NODES] = {"heketi_nodes_count", "Number of nodes on cluster", NULL, 0, 0},
    [OPERATIONS_FAILED] = {"heketi_operations_failed_count", "Number of Failed Operations", NULL, 0, 0},
    [OPERATIONS_IN_FLIGHT] = {"heketi_operations_inFlight_count", "Number of in flight Operations", NULL, 0, 0},
    [OPERATIONS_NEW] = {"heketi_operations_new_count", "Number of New Operations", NULL, 0, 0},
    [OPERATIONS_STALE] = {"heketi_operations_stale_count", "Number of Stale Operations", NULL, 0, 0},
    [OPERATIONS_TOTAL] = {"heketi_operations_total_count", "Total Number of Operations", NULL, 0, 0},
    [UP] = {"heketi_up", "Is heketi running?", NULL, 0, 0},
    [VOLUMES] = {"heketi_volumes_count", "Number of volumes on cluster", NULL, 0, 0},
};

static void add_device(struct family *list, const struct store *store, const struct store_node *node,
                       const struct store_device *device)
{
    CLEANUP(buf_fini) struct buf labels = BUF_INIT;
    uint64_t used_kib = store_device_used_kib(store, device->id);
    uint64_t free_kib = device->total_kib > used_kib ? device->total_kib - used_kib : 0;
    size_t n = store_device_bricks(store, device->id);

    label(&labels, "cluster", id_text(node->cluster).text);
    label(&labels, "device", device->name);
    label(&labels, "hostname", node->manage.items[0]);
    label(&labels, "id", id_text(device->id).text);
    label(&labels, "pv_uuid", device->pv_uuid);
    label(&labels, "storage_hostname", node->storage.items[0]);
    add(&list[DEVICE_BRICKS], &labels, n);
    add(&list[DEVICE_FREE], &labels, free_kib);
    add(&list[DEVICE_FREE_BYTES], &labels, free_kib * 1024);
    add(&list[DEVICE_SIZE], &labels, device->total_kib);
    add(&list[DEVICE_SIZE_BYTES], &labels, device->total_kib * 1024);
    add(&list[DEVICE_USED], &labels, used_kib);
    add(&list[DEVICE_USED_BYTES], &labels, used_kib * 1024);
}

static void add_node(struct family *list, const struct store *store, const struct store_node *node)
{
    CLEANUP(buf_fini) struct buf labels = BUF_INIT;
    const struct store_device *device = NULL;
    size_t n = 0;

    while ((device = store_node_device_next(store, node->id, device)) != NULL) {
        if (api_device_visible(store, device)) {
            add_device(list, store, node, device);
            n++;
        }
    }
    label(&labels, "cluster", id_text(node->cluster).text);
    label(&labels, "hostname", node->manage.items[0]);
    label(&labels, "storage_hostname", node->storage.items[0]);
    add(&list[DEVICES], &labels, n);
}

static void add_cluster(struct family *list, const struct store *store, const struct store_cluster *cluster)
{
    CLEANUP(buf_fini) struct buf labels = BUF_INIT;
    const struct store_node *node = NULL;
    size_t n_nodes = 0;

    while ((node = store_cluster_node_next(store, cluster->id, node)) != NULL) {
        if (api_node_visible(store, node)) {
            add_node(list, store, node);
            n_nodes++;
        }
    }
    label(&labels, "cluster", id_text(cluster->id).text);
    add(&list[VOLUMES], &labels, store_cluster_shown(store, cluster->id));
    add(&list[BLOCK_VOLUMES], &labels, store_cluster_blocks_shown(store, cluster->id));
    add(&list[NODES], &labels, n_nodes);
}

void api_out_metrics(struct buf *buf, const struct store *store)
{
    const struct buf none = BUF_INIT;
    struct store_counts counts = store_counts(store);
    const struct store_cluster *cluster = NULL;
    struct family list[FAMILIES];

    memcpy(list, families, sizeof(list));
    while ((cluster = store_cluster_next(store, cluster)) != NULL) {
        add_cluster(list, store, cluster);
    }
    add(&list[CLUSTERS], &none, counts.clusters);
    add(&list[OPERATIONS_FAILED], &none, 0); /* none is ever stale or left failed */
    add(&list[OPERATIONS_STALE], &none, 0);
    add(&list[OPERATIONS_IN_FLIGHT], &none, counts.operations);
    add(&list[OPERATIONS_NEW], &none, counts.operations);
    add(&list[OPERATIONS_TOTAL], &none, counts.operations);
    add(&list[UP], &none, 1);
    for (size_t i = 0; i < FAMILIES; i++) {
        out_family(buf, &list[i]);
    }
}

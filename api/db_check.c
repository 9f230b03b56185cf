/* GET /db/check: the invariants of heketi-storage.md 1.4 as far as they can be asked of the records themselves; used
 * and free space, and the reverse of each link, are computed from them and cannot differ. */
#include <string.h>

#include "api/json_dump.h"
#include "api/json_out.h"
#include "store/base/mem.h"

enum { CLUSTERS, VOLUMES, BRICKS, NODES, DEVICES, BLOCK_VOLUMES, ATTRIBUTES, OPERATIONS, KINDS };

struct report {
    size_t total, pending, notok;
    struct store_strs lines;
};

static void note(struct report *report, const char *what, struct id id, const char *why)
{
    CLEANUP(free_ptr) char *line = mem_printf("%s %s %s", what, id_text(id).text, why);

    report->notok++;
    store_strs_add(&report->lines, line);
}

static bool pending_known(const struct store *store, struct id pending)
{
    return id_is_none(pending) || store_operation(store, pending) != NULL;
}

static void count(struct report *report, struct id pending)
{
    report->total++;
    report->pending += !id_is_none(pending);
}

static void check_nodes(const struct store *store, struct report *report)
{
    const struct store_node *node = NULL;

    while ((node = store_node_next(store, node)) != NULL) {
        if (!api_node_visible(store, node)) {
            continue;
        }
        count(report, ID_NONE); /* Heketi knows no pending nodes */
        if (store_cluster(store, node->cluster) == NULL) {
            note(report, "Node", node->id, "unknown cluster");
        } else if (!pending_known(store, node->pending)) {
            note(report, "Node", node->id, "pending without an operation");
        }
    }
}

static void check_devices(const struct store *store, struct report *report)
{
    const struct store_device *device = NULL;

    while ((device = store_device_next(store, device)) != NULL) {
        if (!api_device_visible(store, device)) {
            continue;
        }
        count(report, ID_NONE);
        if (store_node(store, device->node) == NULL) {
            note(report, "Device", device->id, "unknown node");
        } else if (store_device_used_kib(store, device->id) > device->total_kib) {
            note(report, "Device", device->id, "size values differ: more is used than there is");
        } else if (!pending_known(store, device->pending)) {
            note(report, "Device", device->id, "pending without an operation");
        }
    }
}

static void check_brick(const struct store *store, const struct store_brick *brick, struct report *report)
{
    const struct store_device *device = store_device(store, brick->device);

    count(report, brick->pending);
    if (device == NULL) {
        note(report, "Brick", brick->id, "unknown device");
    } else if (store_node(store, device->node) == NULL) {
        note(report, "Brick", brick->id, "unknown node");
    } else if (!pending_known(store, brick->pending)) {
        note(report, "Brick", brick->id, "pending without an operation");
    }
}

static void check_volumes(const struct store *store, struct report *volumes, struct report *bricks)
{
    const struct store_volume *volume = NULL;

    while ((volume = store_volume_next(store, volume)) != NULL) {
        count(volumes, volume->pending);
        if (store_cluster(store, volume->cluster) == NULL) {
            note(volumes, "Volume", volume->id, "unknown cluster");
        } else if (volume->n_bricks == 0) {
            note(volumes, "Volume", volume->id, "has no bricks");
        } else if (!pending_known(store, volume->pending)) {
            note(volumes, "Volume", volume->id, "pending without an operation");
        }
        for (size_t i = 0; i < volume->n_bricks; i++) {
            check_brick(store, &volume->bricks[i], bricks);
        }
    }
}

static void out_report(struct api_json *json, const char *key, struct report *report)
{
    api_json_key_open(json, key, '{');
    api_json_key_u64(json, "total", report->total);
    api_json_key_u64(json, "pending", report->pending);
    api_json_key_u64(json, "ok", report->total - (report->notok < report->total ? report->notok : report->total));
    api_json_key_u64(json, "notok", report->notok);
    if (report->lines.n > 0) {
        api_json_key_strs(json, "inconsistencies", &report->lines);
    } else {
        api_json_key(json, "inconsistencies");
        api_json_null(json);
    }
    api_json_close(json, '}');
    store_strs_fini(&report->lines);
}

static void check_records(const struct store *store, struct report *reports)
{
    const struct store_block_volume *block = NULL;
    const struct store_operation *op = NULL;

    reports[CLUSTERS].total = store_counts(store).clusters;
    check_volumes(store, &reports[VOLUMES], &reports[BRICKS]);
    check_nodes(store, &reports[NODES]);
    check_devices(store, &reports[DEVICES]);
    while ((block = store_block_volume_next(store, block)) != NULL) {
        count(&reports[BLOCK_VOLUMES], block->pending);
        if (store_volume(store, block->hosting) == NULL) {
            note(&reports[BLOCK_VOLUMES], "BlockVolume", block->id, "unknown block hosting volume");
        } else if (!pending_known(store, block->pending)) {
            note(&reports[BLOCK_VOLUMES], "BlockVolume", block->id, "pending without an operation");
        }
    }
    while ((op = store_operation_next(store, op)) != NULL) {
        reports[OPERATIONS].total += op->type < STORE_OP_OWN_FIRST;
    }
}

void api_check(struct api_json *json, const struct store *store, const char *problem)
{
    static const char *const keys[KINDS] = {"clusters", "volumes",      "bricks",       "nodes",
                                            "devices",  "blockvolumes", "dbattributes", "pendingoperations"};
    struct report reports[KINDS] = {0};
    size_t sum = 0;

    if (store != NULL) {
        check_records(store, reports);
    }
    if (problem != NULL) { /* of store_check, or of reading a record */
        store_strs_add(&reports[CLUSTERS].lines, problem);
        reports[CLUSTERS].notok++;
    }
    api_json_open(json, '{');
    for (size_t i = 0; i < KINDS; i++) {
        sum += reports[i].lines.n;
        out_report(json, keys[i], &reports[i]);
    }
    api_json_key_u64(json, "totalinconsistencies", sum);
    api_json_close(json, '}');
}

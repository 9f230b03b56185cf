#include "store/view.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/snapshot_priv.h"

struct in_cluster {
    struct id cluster;
    uint32_t volume;
};

struct view_brick {
    struct id id;
    uint32_t volume, index, device; /* device: its number in the list of device ids */
};

struct store_view {
    struct store *rest;
    const struct blob **volumes;    /* by id */
    struct in_cluster *in_clusters; /* by cluster, then by id; as many */
    size_t n_volumes;
    struct view_brick *bricks; /* by id */
    size_t n_bricks;
    struct id *devices; /* ascending */
    size_t n_devices;
    uint32_t *on_devices; /* places in bricks: by device, then by id */
    size_t *device_first; /* n_devices + 1 places in on_devices */
};

static int compare_ids(const void *a, const void *b)
{
    return id_cmp(a, b);
}

static int compare_bricks(const void *a, const void *b)
{
    return id_cmp(&((const struct view_brick *)a)->id, &((const struct view_brick *)b)->id);
}

static int compare_in_clusters(const void *a, const void *b)
{
    const struct in_cluster *left = a, *right = b;
    int c = id_cmp(&left->cluster, &right->cluster);

    return c != 0 ? c : (left->volume > right->volume) - (left->volume < right->volume);
}

/* ---- reading records ---- */

static int decode(const struct blob *blob, union any_record *ret_rec, struct err *reterr)
{
    int rc = schema_decode(record_schema(blob->kind), blob->data, blob->len, ret_rec, reterr);

    if (rc == 0 && blob->kind == KIND_VOLUME) {
        for (size_t i = 0; i < ret_rec->volume.n_bricks; i++) {
            ret_rec->volume.bricks[i].volume = ret_rec->volume.id; /* bricks do not repeat it */
        }
    }
    return rc;
}

static int add_volume(struct store_view *view, const struct store_snapshot *snapshot, const struct blob *blob,
                      const struct store_volume *volume, struct err *reterr)
{
    size_t at = view->n_volumes;

    if (at == snapshot->n_volumes || volume->n_bricks > snapshot->n_bricks - view->n_bricks) {
        return err_set(reterr, E_DAMAGED, "there are more than %zu volumes or %zu bricks", snapshot->n_volumes,
                       snapshot->n_bricks);
    }
    view->volumes[at] = blob;
    view->in_clusters[at] = (struct in_cluster){volume->cluster, (uint32_t)at};
    view->n_volumes++;
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct id *device =
            bsearch(&volume->bricks[i].device, view->devices, view->n_devices, sizeof(*view->devices), compare_ids);

        if (device == NULL) {
            return err_set(reterr, E_DAMAGED, "brick %s is on an unknown device", id_text(volume->bricks[i].id).text);
        }
        view->bricks[view->n_bricks++] =
            (struct view_brick){volume->bricks[i].id, (uint32_t)at, (uint32_t)i, (uint32_t)(device - view->devices)};
    }
    return 0;
}

/* ids: what operations work on. */
static bool is_needed(const struct store_volume *volume, const struct id *ids, size_t n_ids)
{
    return volume->block || !id_is_none(volume->pending) ||
           bsearch(&volume->id, ids, n_ids, sizeof(*ids), compare_ids) != NULL;
}

static int add_record(struct store_view *view, const struct store_snapshot *snapshot, const struct blob *blob,
                      const struct id *ids, size_t n_ids, struct err *reterr)
{
    union any_record rec;
    bool wanted = blob->kind != KIND_JOB && blob->kind != KIND_REQUEST_KEY;
    int rc;

    if (!wanted) {
        return 0;
    }
    rc = decode(blob, &rec, reterr);
    if (rc != 0) {
        return rc;
    }
    if (blob->kind == KIND_DEVICE) {
        view->devices = mem_realloc_array(view->devices, view->n_devices + 1, sizeof(*view->devices));
        view->devices[view->n_devices++] = blob->id; /* ascending, as the blobs are */
    } else if (blob->kind == KIND_VOLUME) {
        rc = add_volume(view, snapshot, blob, &rec.volume, reterr);
        wanted = is_needed(&rec.volume, ids, n_ids);
    }
    if (rc == 0 && wanted) {
        rc = snapshot_insert(view->rest, blob->kind, &rec, reterr);
    }
    schema_fini(record_schema(blob->kind), &rec);
    return rc;
}

/* What operations name, sorted. */
static int list_needed(struct blob *const *sorted, size_t n, struct id **ret_ids, size_t *ret_n, struct err *reterr)
{
    struct id *ids = mem_calloc(1, sizeof(*ids));
    size_t n_ids = 0;

    for (size_t i = 0; i < n; i++) {
        union any_record rec;
        int rc = sorted[i]->kind == KIND_OPERATION ? decode(sorted[i], &rec, reterr) : 0;

        if (rc != 0) {
            free(ids);
            return rc;
        }
        if (sorted[i]->kind == KIND_OPERATION) {
            ids = mem_realloc_array(ids, n_ids + 2, sizeof(*ids));
            ids[n_ids++] = rec.op.target;
            ids[n_ids++] = rec.op.source;
            schema_fini(record_schema(KIND_OPERATION), &rec);
        }
    }
    qsort(ids, n_ids, sizeof(*ids), compare_ids);
    *ret_ids = ids;
    *ret_n = n_ids;
    return 0;
}

/* By the first byte in place, then each part: qsort takes as much memory again as what it sorts, and there may be
 * 300,000 of them. */
static void sort_bricks(struct store_view *view)
{
    size_t first[257] = {0}, next[256];

    for (size_t i = 0; i < view->n_bricks; i++) {
        first[view->bricks[i].id.bytes[0] + 1]++;
    }
    for (size_t part = 0; part < 256; part++) {
        next[part] = first[part];
        first[part + 1] += first[part];
    }
    for (size_t part = 0; part < 256; part++) {
        while (next[part] < first[part + 1]) {
            size_t from = next[part], to = next[view->bricks[from].id.bytes[0]]++;
            struct view_brick brick = view->bricks[from];

            view->bricks[from] = view->bricks[to];
            view->bricks[to] = brick; /* where it belongs; if from is to, it was there */
        }
    }
    for (size_t part = 0; part < 256; part++) {
        qsort(&view->bricks[first[part]], first[part + 1] - first[part], sizeof(*view->bricks), compare_bricks);
    }
}

/* By counting: within a device the bricks stay in the order of their ids. */
static void sort_by_device(struct store_view *view)
{
    CLEANUP(free_ptr) size_t *next = mem_calloc(view->n_devices + 1, sizeof(*next));

    view->on_devices = mem_calloc(view->n_bricks + 1, sizeof(*view->on_devices));
    view->device_first = mem_calloc(view->n_devices + 1, sizeof(*view->device_first));
    for (size_t i = 0; i < view->n_bricks; i++) {
        view->device_first[view->bricks[i].device + 1]++;
    }
    for (size_t i = 0; i < view->n_devices; i++) {
        view->device_first[i + 1] += view->device_first[i];
        next[i] = view->device_first[i];
    }
    for (size_t i = 0; i < view->n_bricks; i++) {
        view->on_devices[next[view->bricks[i].device]++] = (uint32_t)i;
    }
}

int store_view_new(const struct store_snapshot *snapshot, struct store_view **ret_view, struct err *reterr)
{
    CLEANUP(free_ptr) struct blob **sorted = snapshot_sorted(snapshot);
    CLEANUP(free_ptr) struct id *ids = NULL;
    struct store_view *view = mem_calloc(1, sizeof(*view));
    size_t n_ids = 0;
    int rc = list_needed(sorted, snapshot->n, &ids, &n_ids, reterr);

    view->rest = store_new();
    view->devices = mem_calloc(1, sizeof(*view->devices));
    view->bricks = mem_calloc(snapshot->n_bricks + 1, sizeof(*view->bricks));
    view->volumes = mem_calloc(snapshot->n_volumes + 1, sizeof(*view->volumes));
    view->in_clusters = mem_calloc(snapshot->n_volumes + 1, sizeof(*view->in_clusters));
    for (size_t i = 0; rc == 0 && i < snapshot->n; i++) {
        rc = add_record(view, snapshot, sorted[i], ids, n_ids, reterr);
    }
    if (rc != 0) {
        store_view_free(view);
        return rc;
    }
    qsort(view->in_clusters, view->n_volumes, sizeof(*view->in_clusters), compare_in_clusters);
    sort_bricks(view);
    sort_by_device(view);
    *ret_view = view;
    return 0;
}

void store_view_free(struct store_view *view)
{
    if (view == NULL) {
        return;
    }
    store_free(view->rest);
    free(view->volumes);
    free(view->in_clusters);
    free(view->bricks);
    free(view->devices);
    free(view->on_devices);
    free(view->device_first);
    free(view);
}

/* ---- what is there ---- */

const struct store *store_view_rest(const struct store_view *view)
{
    return view->rest;
}

size_t store_view_volumes(const struct store_view *view)
{
    return view->n_volumes;
}

struct id store_view_volume_id(const struct store_view *view, size_t i)
{
    return view->volumes[i]->id;
}

/* How many of the sorted list belong to clusters before this one, or with equal: to this one too. */
static size_t clusters_before(const struct store_view *view, const struct id *cluster, bool equal)
{
    size_t low = 0, high = view->n_volumes;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = id_cmp(&view->in_clusters[middle].cluster, cluster);

        if (c < 0 || (equal && c == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t store_view_cluster_volumes(const struct store_view *view, struct id cluster, size_t *ret_first)
{
    *ret_first = clusters_before(view, &cluster, false);
    return clusters_before(view, &cluster, true) - *ret_first;
}

struct id store_view_cluster_volume(const struct store_view *view, size_t place)
{
    return view->volumes[view->in_clusters[place].volume]->id;
}

size_t store_view_in_cluster(const struct store_view *view, size_t place)
{
    return view->in_clusters[place].volume;
}

int store_view_volume(const struct store_view *view, size_t i, struct store_volume *ret_volume, struct err *reterr)
{
    union any_record rec;
    int rc = decode(view->volumes[i], &rec, reterr);

    if (rc == 0) {
        *ret_volume = rec.volume;
    }
    return rc;
}

size_t store_view_bricks(const struct store_view *view)
{
    return view->n_bricks;
}

size_t store_view_brick_volume(const struct store_view *view, size_t i, size_t *ret_index)
{
    *ret_index = view->bricks[i].index;
    return view->bricks[i].volume;
}

size_t store_view_device_bricks(const struct store_view *view, struct id device, size_t *ret_first)
{
    const struct id *found = bsearch(&device, view->devices, view->n_devices, sizeof(*view->devices), compare_ids);
    size_t at = found != NULL ? (size_t)(found - view->devices) : view->n_devices;

    *ret_first = view->device_first[at];
    return found != NULL ? view->device_first[at + 1] - *ret_first : 0;
}

struct id store_view_device_brick(const struct store_view *view, size_t place)
{
    return view->bricks[view->on_devices[place]].id;
}

size_t store_view_on_device(const struct store_view *view, size_t place)
{
    return view->on_devices[place];
}

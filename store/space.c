/* The space of devices: a thin pool is charged once, with its metadata, while any brick is in it (a clone's bricks are
 * in the pools of its source's). */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store_priv.h"

static size_t meta_place(const struct device_entry *device, uint64_t meta_kib)
{
    size_t low = 0, high = device->n_metas;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (device->metas[middle].meta_kib < meta_kib) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t pool_tag(const char *pool)
{
    uint32_t tag = 2166136261U; /* FNV-1a */

    while (*pool != '\0') {
        tag = (tag ^ (unsigned char)*pool++) * 16777619U;
    }
    return tag;
}

int pool_cmp_to(uint32_t tag, const char *pool, const struct brick_entry *entry)
{
    return tag != entry->pool_tag ? (tag < entry->pool_tag ? -1 : 1) : strcmp(pool, brick_of(entry)->pool);
}

static bool same_pool(const struct brick_entry *entry, const struct brick_entry *other)
{
    return other != NULL && pool_cmp_to(entry->pool_tag, brick_of(entry)->pool, other) == 0;
}

static bool is_only_one(struct brick_entry *entry)
{
    return !same_pool(entry, RB_PREV(device_pool_tree, NULL, entry)) &&
           !same_pool(entry, RB_NEXT(device_pool_tree, NULL, entry));
}

const struct store_brick *find_pool(const struct device_entry *device, const char *pool)
{
    struct brick_entry *entry = RB_ROOT(&device->pools);
    uint32_t tag = pool_tag(pool);

    while (entry != NULL) {
        int c = pool_cmp_to(tag, pool, entry);

        if (c == 0) {
            return brick_of(entry);
        }
        entry = c < 0 ? RB_LEFT(entry, in_pools) : RB_RIGHT(entry, in_pools);
    }
    return NULL;
}

/* Nobody works on it but the clean-up that destroys it. */
static bool is_left(const struct brick_entry *entry)
{
    return entry->op != NULL && entry->op->rec.type == STORE_OP_CLEAN_BRICKS;
}

void space_charge(struct brick_entry *entry)
{
    struct device_entry *device = entry->device;
    const struct store_brick *brick = brick_of(entry);
    size_t i = meta_place(device, brick->meta_kib);

    device->n_charged++;
    device->n_left += is_left(entry);
    CHECK(RB_INSERT(device_pool_tree, &device->pools, entry) == NULL);
    if (!is_only_one(entry)) {
        return;
    }
    device->used_kib += brick->pool_kib + brick->meta_kib;
    if (i < device->n_metas && device->metas[i].meta_kib == brick->meta_kib) {
        device->metas[i].n++;
        return;
    }
    device->metas = mem_realloc_array(device->metas, device->n_metas + 1, sizeof(*device->metas));
    memmove(&device->metas[i + 1], &device->metas[i], (device->n_metas - i) * sizeof(*device->metas));
    device->metas[i] = (struct meta_count){brick->meta_kib, 1};
    device->n_metas++;
}

void space_discharge(struct brick_entry *entry)
{
    struct device_entry *device = entry->device;
    const struct store_brick *brick = brick_of(entry);
    size_t i = meta_place(device, brick->meta_kib);
    bool last = is_only_one(entry);

    CHECK(i < device->n_metas && device->metas[i].meta_kib == brick->meta_kib);
    device->n_charged--;
    device->n_left -= is_left(entry);
    RB_REMOVE(device_pool_tree, &device->pools, entry);
    if (!last) {
        return;
    }
    device->used_kib -= brick->pool_kib + brick->meta_kib;
    device->metas[i].n--;
    if (device->metas[i].n == 0) {
        device->n_metas--;
        memmove(&device->metas[i], &device->metas[i + 1], (device->n_metas - i) * sizeof(*device->metas));
    }
}

/* ---- what may be linked ---- */

static int id_order(const void *a, const void *b)
{
    return id_cmp(a, b);
}

static bool ids_distinct(const struct store_brick *bricks, size_t n)
{
    CLEANUP(free_ptr) struct id *ids = mem_calloc(n, sizeof(*ids));

    for (size_t i = 0; i < n; i++) {
        ids[i] = bricks[i].id;
    }
    qsort(ids, n, sizeof(*ids), id_order);
    for (size_t i = 1; i < n; i++) {
        if (id_equal(ids[i - 1], ids[i])) {
            return false;
        }
    }
    return true;
}

static bool same_pool_size(const struct store_brick *a, const struct store_brick *b)
{
    return a->pool_kib == b->pool_kib && a->meta_kib == b->meta_kib;
}

static int pool_order(const void *a, const void *b)
{
    const struct store_brick *const *left = a, *const *right = b;
    int c = id_cmp(&(*left)->device, &(*right)->device);

    return c != 0 ? c : strcmp((*left)->pool, (*right)->pool);
}

/* Bricks in one pool say the same of it. */
static bool pools_agree(const struct store_brick *bricks, size_t n)
{
    CLEANUP(free_ptr) const struct store_brick **sorted = mem_calloc(n, sizeof(struct store_brick *));

    for (size_t i = 0; i < n; i++) {
        sorted[i] = &bricks[i];
    }
    qsort(sorted, n, sizeof(struct store_brick *), pool_order);
    for (size_t i = 1; i < n; i++) {
        if (pool_order(&sorted[i - 1], &sorted[i]) == 0 && !same_pool_size(sorted[i - 1], sorted[i])) {
            return false;
        }
    }
    return true;
}

bool bricks_linkable(const struct store *store, const struct store_brick *bricks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct device_entry *device = find_device(store, bricks[i].device);

        const struct store_brick *sharer;

        if (id_is_none(bricks[i].id) || find_brick(store, bricks[i].id) != NULL || device == NULL ||
            bricks[i].pool_kib > device->rec.total_kib || bricks[i].meta_kib > device->rec.total_kib) {
            return false;
        }
        sharer = find_pool(device, bricks[i].pool);
        if (sharer != NULL && !same_pool_size(sharer, &bricks[i])) {
            return false;
        }
    }
    return ids_distinct(bricks, n) && pools_agree(bricks, n);
}

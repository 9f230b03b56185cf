/* store_check, as far as the space of devices is concerned: recomputed from the bricks in their pools. */
#include <string.h>

#include "store/store_priv.h"

#define BROKEN(what, id, why) err_set(reterr, E_DAMAGED, "%s %s: %s", (what), id_text(id).text, (why))

/* Sums of its pools, in whose order its bricks are listed. */
struct space {
    uint64_t used_kib, meta_max_kib;
    size_t n_bricks, n_left, n_pools;
};

static bool in_order(const struct brick_entry *last, const struct brick_entry *entry)
{
    int c = pool_cmp_to(last->pool_tag, brick_of(last)->pool, entry);

    return c < 0 || (c == 0 && id_cmp(&brick_of(last)->id, &brick_of(entry)->id) < 0);
}

static int sum_space(const struct store *store, const struct device_entry *device, struct space *ret_space,
                     struct err *reterr)
{
    struct brick_entry *entry, *last = NULL;

    *ret_space = (struct space){0};
    TREE_EACH (entry, device_pool_tree, &device->pools, in_pools) {
        const struct store_brick *brick = brick_of(entry);

        if (entry->device != device || find_brick(store, brick->id) != entry ||
            entry->pool_tag != pool_tag(brick->pool) || (last != NULL && !in_order(last, entry))) {
            return BROKEN("brick", brick->id, "it is not where the device's bricks are listed");
        }
        ret_space->n_bricks++;
        ret_space->n_left += entry->op != NULL && entry->op->rec.type == STORE_OP_CLEAN_BRICKS;
        if (last == NULL || strcmp(brick_of(last)->pool, brick->pool) != 0) {
            ret_space->n_pools++;
            ret_space->used_kib += brick->pool_kib + brick->meta_kib;
        } else if (brick_of(last)->pool_kib != brick->pool_kib || brick_of(last)->meta_kib != brick->meta_kib) {
            return BROKEN("brick", brick->id, "another one in its pool has another size of it");
        }
        ret_space->meta_max_kib = brick->meta_kib > ret_space->meta_max_kib ? brick->meta_kib : ret_space->meta_max_kib;
        last = entry;
    }
    return 0;
}

int check_space(const struct store *store, const struct device_entry *device, size_t *n_bricks, struct err *reterr)
{
    struct brick_entry *brick;
    struct space space;
    size_t n_live = 0, n_listed = 0, n_metas = 0;
    int rc = sum_space(store, device, &space, reterr);

    if (rc != 0) {
        return rc;
    }
    *n_bricks += space.n_bricks;
    TREE_EACH (brick, device_brick_tree, &device->bricks, in_device) {
        n_listed++;
        n_live += brick->device == device && brick->volume != NULL ? 1 : 0;
    }
    for (size_t i = 0; i < device->n_metas; i++) {
        n_metas += device->metas[i].n;
    }
    if (device->used_kib != space.used_kib || device->n_charged != space.n_bricks || device->n_left != space.n_left ||
        n_metas != space.n_pools || n_live != n_listed || device_spare_kib(device) != space.meta_max_kib) {
        return BROKEN("device", device->rec.id, "its space is not the sum of its pools");
    }
    if (space.used_kib > device->rec.total_kib) {
        return BROKEN("device", device->rec.id, "more is used than there is");
    }
    return 0;
}

/* store_check, as far as figures are concerned that are kept and not counted: beside check.c. */
#include "store/store_priv.h"

#define BROKEN(what, id, why) err_set(reterr, E_DAMAGED, "%s %s: %s", (what), id_text(id).text, (why))

static int check_cluster(const struct cluster_entry *cluster, struct err *reterr)
{
    struct volume_entry *volume;
    size_t n_shown = 0;

    TREE_EACH (volume, cluster_volume_tree, &cluster->volumes, in_cluster) {
        bool shown = id_is_none(volume->rec.pending);

        if (volume->shown != shown || ids_has(&cluster->shown, volume->rec.id) != shown) {
            return BROKEN("volume", volume->rec.id, "it is shown though an operation holds it, or the reverse");
        }
        n_shown += shown;
    }
    if (n_shown != cluster->shown.n) {
        return BROKEN("cluster", cluster->rec.id, "what is shown of it is not counted right");
    }
    return 0;
}

/* The list of all clusters is those of each one. */
static int check_all(const struct store *store, struct err *reterr)
{
    struct cluster_entry *cluster;
    size_t n = 0;

    TREE_EACH (cluster, cluster_tree, &store->clusters, by_id) {
        for (size_t leaf = 0; leaf < cluster->shown.n_leaves; leaf++) {
            size_t n_items;
            const struct id *items = ids_leaf(&cluster->shown, leaf, &n_items);

            for (size_t i = 0; i < n_items; i++) {
                n += ids_has(&store->shown, items[i]);
            }
        }
    }
    return n == store->shown.n ? 0 : err_set(reterr, E_DAMAGED, "what is shown of all clusters is not counted right");
}

int check_figures(const struct store *store, struct err *reterr)
{
    struct cluster_entry *cluster;
    struct device_entry *device;
    struct brick_entry *brick;
    size_t n_shown = 0;

    TREE_EACH (cluster, cluster_tree, &store->clusters, by_id) {
        int rc = check_cluster(cluster, reterr);

        if (rc != 0) {
            return rc;
        }
        n_shown += cluster->shown.n;
    }
    TREE_EACH (device, device_tree, &store->devices, by_id) {
        size_t n_bricks = 0;

        TREE_EACH (brick, device_brick_tree, &device->bricks, in_device) {
            n_bricks++;
        }
        if (n_bricks != device->n_bricks) {
            return BROKEN("device", device->rec.id, "its bricks are not counted right");
        }
    }
    return n_shown != store->shown.n ? err_set(reterr, E_DAMAGED, "what is shown of all clusters is not counted right")
                                     : check_all(store, reterr);
}

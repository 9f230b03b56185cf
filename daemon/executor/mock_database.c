#include "daemon/executor/mock_database.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"

struct making {
    const struct store *store; /* all but most volumes */
    const char *lose;
    struct exec_inventory *inventory;
    size_t lvs_size;
};

static bool is_lost(const struct making *making, const char *name)
{
    return *making->lose != '\0' && strstr(name, making->lose) != NULL;
}

static void put_name(const struct making *making, struct store_strs *strs, const char *name)
{
    if (!is_lost(making, name)) {
        store_strs_add(strs, name);
    }
}

static void put_lv(struct making *making, const char *group, const char *name, const char *pool, uint64_t kib)
{
    struct exec_inventory *inventory = making->inventory;

    if (is_lost(making, group) || is_lost(making, name)) {
        return;
    }
    if (inventory->n_lvs == making->lvs_size) {
        making->lvs_size = making->lvs_size == 0 ? 16 : 2 * making->lvs_size;
        inventory->lvs = mem_realloc_array(inventory->lvs, making->lvs_size, sizeof(*inventory->lvs));
    }
    inventory->lvs[inventory->n_lvs++] = (struct exec_lv){mem_strdup(group), mem_strdup(name), mem_strdup(pool), kib};
}

static void put_brick(struct making *making, const struct store_brick *brick)
{
    CLEANUP(free_ptr) char *group = mem_printf("vg_%s", id_text(brick->device).text);
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(brick);
    CLEANUP(free_ptr) char *mount = store_brick_mount(brick);

    put_lv(making, group, lv, brick->pool, brick->size_kib);
    put_lv(making, group, brick->pool, "", brick->pool_kib); /* twice, where a clone shares it: that does not matter */
    if (*brick->path == '\0') {
        put_name(making, &making->inventory->mounts, mount);
        put_name(making, &making->inventory->fstab, mount);
    }
}

static void put_volume(struct making *making, const struct store_volume *volume)
{
    struct exec_gluster_volume *there = &making->inventory->volumes[making->inventory->n_volumes];

    if (!id_is_none(volume->pending) || is_lost(making, volume->name)) {
        return;
    }
    making->inventory->n_volumes++;
    *there = (struct exec_gluster_volume){
        .name = mem_strdup(volume->name), .id = mem_strdup(id_text(volume->id).text), .started = true};
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct store_brick *brick = &volume->bricks[i];
        const struct store_node *node = store_node(making->store, store_device(making->store, brick->device)->node);
        CLEANUP(free_ptr) char *path = store_brick_path(brick);
        CLEANUP(free_ptr) char *name = mem_printf("%s:%s", node->storage.items[0], path);

        store_strs_add(&there->bricks, name);
    }
}

static void put_peers(struct making *making, const struct store_node *node)
{
    struct exec_inventory *inventory = making->inventory;
    const struct store_node *other = NULL;

    inventory->peers_known = true;
    inventory->peers = mem_calloc(store_counts(making->store).nodes + 1, sizeof(*inventory->peers));
    while ((other = store_cluster_node_next(making->store, node->cluster, other)) != NULL) {
        if (!id_equal(other->id, node->id) && id_is_none(other->pending)) {
            struct exec_peer *peer = &inventory->peers[inventory->n_peers++];

            peer->connected = true;
            store_strs_copy(&peer->names, &other->storage);
        }
    }
}

struct exec_inventory *mock_database_inventory(const struct store_view *view, const struct store_node *node,
                                               const char *lose)
{
    const struct store *store = store_view_rest(view);
    struct making making = {.store = store, .lose = lose != NULL ? lose : ""};
    const struct store_device *device = NULL;
    struct store_volume volume;
    size_t n, first;

    making.inventory = mem_calloc(1, sizeof(*making.inventory));
    making.inventory->refs = 1;
    while ((device = store_node_device_next(store, node->id, device)) != NULL) {
        CLEANUP(free_ptr) char *group = mem_printf("vg_%s", id_text(device->id).text);

        put_name(&making, &making.inventory->groups, group);
        n = store_view_device_bricks(view, device->id, &first);
        for (size_t i = 0; i < n; i++) {
            size_t index, at = store_view_brick_volume(view, store_view_on_device(view, first + i), &index);

            CHECK(store_view_volume(view, at, &volume, NULL) == 0);
            put_brick(&making, &volume.bricks[index]);
            store_volume_fini(&volume);
        }
    }
    n = store_view_cluster_volumes(view, node->cluster, &first);
    making.inventory->volumes = mem_calloc(n + 1, sizeof(*making.inventory->volumes));
    for (size_t i = 0; i < n; i++) {
        CHECK(store_view_volume(view, store_view_in_cluster(view, first + i), &volume, NULL) == 0);
        put_volume(&making, &volume);
        store_volume_fini(&volume);
    }
    put_peers(&making, node);
    return making.inventory;
}

/* Where Gluster has put the bricks of a clone. It makes and mounts them itself: path and LV are not ours to choose. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/mem.h"

#define UUID_LEN 36

bool engine_is_learnt(const struct store_volume *volume)
{
    return volume->n_bricks > 0 && volume->bricks[0].path[0] != '\0';
}

/* Without dashes: the beginning of the LVs' names. False: it is none. */
static bool flat_uuid(const char *uuid, char ret_flat[ID_TEXT_LEN + 1])
{
    size_t n = 0;

    if (strlen(uuid) != UUID_LEN) {
        return false;
    }
    for (size_t i = 0; i < UUID_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (uuid[i] != '-') {
                return false;
            }
        } else if (strchr("0123456789abcdef", uuid[i]) == NULL) {
            return false;
        } else {
            ret_flat[n++] = uuid[i];
        }
    }
    ret_flat[n] = '\0';
    return true;
}

static bool names_node(const struct store_node *node, const char *host, size_t len)
{
    for (size_t i = 0; i < node->storage.n; i++) {
        if (strlen(node->storage.items[i]) == len && memcmp(node->storage.items[i], host, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Gluster counts the LVs of a volume on each node. */
static unsigned count_before(const struct store *store, const struct store_volume *volume, size_t at)
{
    struct id node = store_device(store, volume->bricks[at].device)->node;
    unsigned n = 0;

    for (size_t i = 0; i < at; i++) {
        n += id_equal(store_device(store, volume->bricks[i].device)->node, node);
    }
    return n;
}

int engine_learnt(const struct engine *engine, const struct store *store, struct store_volume *ret_volume,
                  struct err *reterr)
{
    const struct store_operation *op = store_operation(store, engine->op_id);
    const struct store_volume *volume = op != NULL ? store_volume(store, op->target) : NULL;
    const struct store_strs *told = &engine->info.bricks;
    char flat[ID_TEXT_LEN + 1];

    if (volume == NULL || told->n != volume->n_bricks || !flat_uuid(engine->info.uuid, flat)) {
        return err_set(reterr, E_INVALID, "the volume that Gluster has under this name is not the clone");
    }
    *ret_volume = (struct store_volume){.name = mem_strdup("")};
    ret_volume->bricks = mem_calloc(told->n, sizeof(*ret_volume->bricks));
    ret_volume->id = volume->id;
    for (size_t i = 0; i < told->n; i++) {
        const struct store_node *node = store_node(store, store_device(store, volume->bricks[i].device)->node);
        const char *path = strstr(told->items[i], ":/");
        struct store_brick *brick = &ret_volume->bricks[ret_volume->n_bricks];

        if (path == NULL || !names_node(node, told->items[i], (size_t)(path - told->items[i])) ||
            strchr(path + 2, '/') == NULL) {
            store_volume_fini(ret_volume);
            return err_set(reterr, E_INVALID, "Gluster has put a brick of the clone on another node: %s",
                           told->items[i]);
        }
        ret_volume->n_bricks++;
        brick->id = volume->bricks[i].id;
        brick->volume = volume->id;
        brick->pool = mem_strdup("");
        brick->path = mem_strdup(path + 1);
        brick->lv = mem_printf("%s_%u", flat, count_before(store, volume, i));
        if (store_place_taken(store, volume, ret_volume, i)) {
            (void)err_set(reterr, E_INVALID, "Gluster has put a brick of the clone where another one is: %s",
                          told->items[i]);
            store_volume_fini(ret_volume);
            return E_INVALID;
        }
    }
    return 0;
}

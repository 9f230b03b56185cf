#include "daemon/order.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/member_priv.h"
#include "store/base/log.h"
#include "store/base/mem.h"

#define AT_ONCE_MAX 500 /* what is left is seen by the next round */

char *order_brick_name(const struct store *store, const struct store_brick *brick)
{
    const struct store_node *node = store_node(store, store_device(store, brick->device)->node);
    CLEANUP(free_ptr) char *path = store_brick_path(brick);

    return mem_printf("%s:%s", node->storage.items[0], path);
}

static size_t place_of(const struct store_strs *list, const char *name)
{
    size_t i = 0;

    while (i < list->n && strcmp(list->items[i], name) != 0) {
        i++;
    }
    return i;
}

bool order_differs(const struct store *store, const struct store_volume *volume,
                   const struct exec_gluster_volume *there, struct store_cmd *ret_cmd)
{
    bool same = there->bricks.n == volume->n_bricks, moves = false;
    struct store_volume *told = &ret_cmd->volume;

    store_cmd_init(ret_cmd, STORE_CMD_ORDER);
    ret_cmd->target = volume->id;
    told->bricks = mem_calloc(volume->n_bricks, sizeof(*told->bricks));
    told->n_bricks = volume->n_bricks;
    for (size_t i = 0; i < volume->n_bricks; i++) {
        told->bricks[i] = (struct store_brick){.pool = mem_strdup(""), .lv = mem_strdup(""), .path = mem_strdup("")};
    }
    for (size_t i = 0; same && i < volume->n_bricks; i++) {
        CLEANUP(free_ptr) char *name = order_brick_name(store, &volume->bricks[i]);
        size_t at = place_of(&there->bricks, name);

        same = at < there->bricks.n && id_is_none(told->bricks[at].id);
        moves = moves || at != i;
        if (same) {
            told->bricks[at].id = volume->bricks[i].id;
        }
    }
    if (same && moves) {
        return true;
    }
    store_cmd_fini(ret_cmd);
    return false;
}

static void learnt(void *user, int status, const struct store_result *result)
{
    (void)user;
    if (status == 0 && result->code == STORE_OK) {
        LOG(LOG_INFO, "audit", "the order of a volume's bricks was learnt from Gluster",
            LF_STR("volume", id_text(result->id).text));
    }
}

bool order_learn(struct member *member, struct id cluster, const struct exec_inventory *inventory)
{
    size_t n = 0;

    for (size_t i = 0; i < inventory->n_volumes && n < AT_ONCE_MAX; i++) {
        const struct exec_gluster_volume *there = &inventory->volumes[i];
        const struct store_volume *volume = store_volume_by_name(member->store, cluster, there->name);
        struct store_cmd cmd;

        if (volume != NULL && id_is_none(volume->pending) && order_differs(member->store, volume, there, &cmd)) {
            member_propose(member, &cmd, learnt, NULL);
            store_cmd_fini(&cmd);
            n++;
        }
    }
    return n == AT_ONCE_MAX;
}

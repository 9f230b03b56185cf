#include "daemon/order.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/examine_names.h"
#include "daemon/member_priv.h"
#include "store/base/log.h"
#include "store/base/mem.h"

char *order_brick_name(const struct store *store, const struct store_brick *brick)
{
    const struct store_node *node = store_node(store, store_device(store, brick->device)->node);
    CLEANUP(free_ptr) char *path = store_brick_path(brick);

    return mem_printf("%s:%s", node->storage.items[0], path);
}

bool order_differs(const struct store *store, const struct store_volume *volume,
                   const struct exec_gluster_volume *there, struct id *ret_order)
{
    bool same = there->bricks.n == volume->n_bricks, moves = false;
    uint64_t comparisons = 0;
    struct names places = {.comparisons = &comparisons};

    for (size_t i = 0; same && i < there->bricks.n; i++) {
        names_add(&places, there->bricks.items[i], ID_NONE, &there->bricks.items[i]);
    }
    names_sort(&places);
    for (size_t i = 0; i < volume->n_bricks; i++) {
        ret_order[i] = ID_NONE;
    }
    for (size_t i = 0; same && i < volume->n_bricks; i++) {
        CLEANUP(free_ptr) char *name = order_brick_name(store, &volume->bricks[i]);
        const struct name *place = names_find(&places, name);
        char *const *item = place != NULL ? place->thing : NULL;
        size_t at = item != NULL ? (size_t)(item - there->bricks.items) : 0;

        same = item != NULL && id_is_none(ret_order[at]);
        moves = moves || at != i;
        if (same) {
            ret_order[at] = volume->bricks[i].id;
        }
    }
    names_fini(&places);
    return same && moves;
}

void order_command(const struct store_volume *volume, const struct id *order, struct store_cmd *ret_cmd)
{
    struct store_volume *told = &ret_cmd->volume;

    store_cmd_init(ret_cmd, STORE_CMD_ORDER);
    ret_cmd->target = volume->id;
    told->bricks = mem_calloc(volume->n_bricks, sizeof(*told->bricks));
    told->n_bricks = volume->n_bricks;
    for (size_t i = 0; i < volume->n_bricks; i++) {
        told->bricks[i] =
            (struct store_brick){.id = order[i], .pool = mem_strdup(""), .lv = mem_strdup(""), .path = mem_strdup("")};
    }
}

static void learnt(void *user, int status, const struct store_result *result)
{
    (void)user;
    if (status == 0 && result->code == STORE_OK) {
        LOG(LOG_INFO, "audit", "the order of a volume's bricks was learnt from Gluster",
            LF_STR("volume", id_text(result->id).text));
    }
}

void order_learn(struct member *member, const struct store_cmd *cmds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        member_propose(member, &cmds[i], learnt, NULL);
    }
}

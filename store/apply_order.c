/* The order of a volume's bricks, and so which of them form a set, as Gluster has it: a dump of Heketi does not say. */
#include <stdlib.h>

#include "store/base/mem.h"
#include "store/store_priv.h"

static const struct store_brick *find(const struct store_volume *volume, struct id id)
{
    for (size_t i = 0; i < volume->n_bricks; i++) {
        if (id_equal(volume->bricks[i].id, id)) {
            return &volume->bricks[i];
        }
    }
    return NULL;
}

/* The volume's own bricks in the order of the command's, borrowed but for the array itself (free()). NULL: it does not
 * name each of them once. */
static struct store_brick *in_order(const struct store_volume *volume, const struct store_volume *wanted)
{
    uint32_t width = store_volume_width(volume);
    struct store_brick *bricks;

    if (wanted->n_bricks != volume->n_bricks || width == 0) {
        return NULL;
    }
    bricks = mem_calloc(volume->n_bricks, sizeof(*bricks));
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct store_brick *brick = find(volume, wanted->bricks[i].id);

        for (size_t j = 0; brick != NULL && j < i; j++) {
            brick = id_equal(bricks[j].id, brick->id) ? NULL : brick;
        }
        if (brick == NULL) {
            free(bricks);
            return NULL;
        }
        bricks[i] = *brick;
        bricks[i].set = (uint32_t)(i / width);
        bricks[i].position = (uint32_t)(i % width);
    }
    return bricks;
}

enum store_code check_order(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct volume_entry *volume = find_volume(store, cmd->target);
    CLEANUP(free_ptr) struct store_brick *bricks = NULL;
    struct store_volume next;
    bool moves = false;

    result->id = cmd->target;
    if (!volume_visible(volume)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (volume_has_pending(&volume->rec) || volume->n_clones > 0) { /* whose bricks stand where these do */
        return refuse(result, STORE_IN_USE, "Volume %s is being changed", id_text(volume->rec.id).text);
    }
    bricks = in_order(&volume->rec, &cmd->volume);
    if (bricks == NULL) {
        return refuse(result, STORE_BAD_REQUEST, "Not the bricks of volume %s, each once", id_text(cmd->target).text);
    }
    for (size_t i = 0; i < volume->rec.n_bricks; i++) {
        moves = moves || !id_equal(bricks[i].id, volume->rec.bricks[i].id);
    }
    if (!moves) {
        return STORE_REPEATED;
    }
    next = volume->rec;
    next.bricks = bricks;
    return volume_arbiters_sane(&next) && volume_nodes_distinct(store, &next)
               ? STORE_OK
               : refuse(result, STORE_CONFLICT, "Two bricks of a set share a node, or an arbiter is out of place");
}

void commit_order(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct volume_entry *volume = find_volume(store, cmd->target);
    CLEANUP(free_ptr) struct store_brick *bricks = in_order(&volume->rec, &cmd->volume);
    struct store_volume next = volume->rec;

    (void)index;
    next.bricks = bricks;
    change_bricks(store, volume, &next);
}

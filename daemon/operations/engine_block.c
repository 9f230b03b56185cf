/* Where a block volume's steps run, and which hosts are to export it (heketi-storage.md 8.3). */
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

/* The settled nodes of the cluster: all, or those that are not known to be down. The caller frees the list. */
static struct id *list_hosts(const struct engine *engine, const struct store *store, struct id cluster, bool up,
                             size_t *ret_n)
{
    const struct store_node *node = NULL;
    struct id *list = NULL;

    *ret_n = 0;
    while ((node = store_cluster_node_next(store, cluster, node)) != NULL) {
        if (id_is_none(node->pending) && !(up && engine_is_down(engine, node->id))) {
            list = mem_realloc_array(list, *ret_n + 1, sizeof(*list));
            list[(*ret_n)++] = node->id;
        }
    }
    return list;
}

/* Another order for each operation and each try, so that a host that fails is left out by and by. */
static void shuffle(struct id *list, size_t n, struct id op_id, uint32_t tries)
{
    uint64_t seed = tries;

    for (size_t i = 0; i < ID_BYTES; i++) {
        seed = (seed ^ op_id.bytes[i]) * UINT64_C(0x100000001b3);
    }
    for (size_t i = n; i > 1; i--) {
        size_t j;
        struct id moved = list[i - 1];

        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        j = (size_t)(seed >> 33) % i;
        list[i - 1] = list[j];
        list[j] = moved;
    }
}

/* As many as asked, of those that are up; all of them, up or not, when none or more than there are is asked. */
static bool choose_hosts(const struct engine *engine, const struct store *store, struct id cluster, uint32_t ha_count,
                         struct engine_step *step)
{
    free(step->hosts);
    step->hosts = list_hosts(engine, store, cluster, false, &step->n_hosts);
    if (ha_count == 0 || ha_count > step->n_hosts) {
        return true;
    }
    free(step->hosts);
    step->hosts = list_hosts(engine, store, cluster, true, &step->n_hosts);
    if (step->n_hosts < ha_count) {
        return false;
    }
    shuffle(step->hosts, step->n_hosts, engine->op_id, engine_tried(step));
    step->n_hosts = ha_count;
    return true;
}

enum engine_place engine_place_block(const struct engine *engine, const struct store *store, struct engine_step *step)
{
    const struct store_block_volume *block = store_block_volume(store, step->object);
    const struct store_volume *hosting = block != NULL ? store_volume(store, block->hosting) : NULL;
    bool wait = false;

    CHECK(hosting != NULL);
    step->node = engine_pool_node(engine, store, step, hosting->cluster, engine_heard(engine, step), 0, &wait);
    if (id_is_none(step->node)) {
        return engine_place_alone(engine, step, wait);
    }
    if (step->kind == EXEC_BLOCK_CREATE && !choose_hosts(engine, store, hosting->cluster, block->ha_count, step)) {
        free(step->error);
        step->error = mem_strdup("insufficient block hosts online");
        return ENGINE_CANNOT;
    }
    return ENGINE_PLACED;
}

static bool same_hosts(const struct store_strs *a, const struct store_strs *b)
{
    for (size_t i = 0; i < a->n; i++) {
        bool found = false;

        for (size_t j = 0; j < b->n && !found; j++) {
            found = strcmp(a->items[i], b->items[j]) == 0;
        }
        if (!found) {
            return false;
        }
    }
    return a->n == b->n;
}

bool engine_block_differs(const struct engine *engine, const struct engine_step *step, const struct exec_result *result)
{
    const struct exec_block_info *made = &engine->block, *seen = &result->block;

    if (step->policy != ENGINE_CONFIRMS || result->code != 0) {
        return false;
    }
    return !seen->present || strcmp(seen->iqn, made->iqn) != 0 || strcmp(seen->user, made->user) != 0 ||
           strcmp(seen->password, made->password) != 0 || seen->size_gib != made->size_gib ||
           !same_hosts(&made->hosts, &seen->hosts);
}

void engine_keep_larger(struct exec_block_info *known, const struct exec_block_info *said)
{
    known->size_gib = said->size_gib > known->size_gib ? said->size_gib : known->size_gib;
    known->usable_gib = said->usable_gib < known->usable_gib ? said->usable_gib : known->usable_gib;
}

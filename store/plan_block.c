/* Block volume create: a hosting volume that has room, or a new one (heketi-storage.md 8.1). */
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"

#define PREFIX "Failed to allocate new block volume: "

static bool hosts_it(const struct volume_entry *volume, const struct store_block_request *wish)
{
    return volume->rec.block && id_is_none(volume->rec.pending) && volume->rec.restriction == STORE_UNRESTRICTED &&
           wish->size_gib <= hosting_free_gib(volume) && find_block_name(volume, wish->name) == NULL;
}

/* One of the hosting volumes of these clusters that would do, by chance; NULL when none does. */
static const struct volume_entry *choose(const struct plan_candidates *list, const struct store_block_request *wish,
                                         const struct store_plan_env *env)
{
    CLEANUP(free_ptr) const struct volume_entry **fit = NULL;
    struct volume_entry *volume;
    size_t n = 0, size = 0;
    uint64_t chance;

    for (size_t i = 0; i < list->n; i++) {
        TREE_EACH (volume, cluster_volume_tree, &list->items[i]->volumes, in_cluster) {
            if (!hosts_it(volume, wish)) {
                continue;
            }
            if (n == size) {
                size = size > 0 ? 2 * size : 16;
                fit = mem_realloc_array(fit, size, sizeof(struct volume_entry *));
            }
            fit[n++] = volume;
        }
    }
    if (n == 0) {
        return NULL;
    }
    env->random(env->user, &chance, sizeof(chance));
    return fit[chance % n];
}

/* A hosting volume that is made together with the block volume. */
static enum store_code plan_hosting(const struct store *store, struct plan_candidates *list,
                                    const struct store_block_request *wish, const struct store_plan_env *env,
                                    struct store_cmd *cmd, struct store_result *result)
{
    char none[] = "";
    const struct store_volume_request hosting = {.size_gib = env->block_size_gib,
                                                 .name = none,
                                                 .clusters = wish->clusters,
                                                 .n_clusters = wish->n_clusters,
                                                 .oldest_client = none,
                                                 .durability = STORE_REPLICATE,
                                                 .replica = 3,
                                                 .snapshot_factor = 1,
                                                 .block = true};
    uint32_t room_gib = env->block_size_gib - store_block_reserve_gib(env->block_size_gib);
    enum store_code code = plan_keep_eligible(list, &hosting, PLAN_TEST_COUNT, env, PREFIX, result);

    if (code != STORE_OK) {
        return code;
    }
    if (wish->size_gib > room_gib) {
        return refuse(result, STORE_NO_ALLOCATION,
                      PREFIX "The size configured for automatic creation of block hosting volumes (%u) is too small to "
                             "host the requested block volume of size %u. The available size on this block hosting "
                             "volume, minus overhead, is %u. Please create a sufficiently large block hosting volume "
                             "manually.",
                      env->block_size_gib, wish->size_gib, room_gib);
    }
    if (hosting_being_made(store)) {
        return refuse(result, STORE_TOO_BUSY, TEXT_BUSY);
    }
    if (!env->block_auto) {
        return refuse(result, STORE_NO_ALLOCATION,
                      PREFIX "Block Hosting Volume Creation is disabled. Create a Block hosting volume and try again.");
    }
    return plan_new_volume(store, list, &hosting, env, ID_NONE, PREFIX, &cmd->volume, result);
}

static void fill_block(struct store_block_volume *block, const struct store_block_request *wish,
                       const struct store_plan_env *env, struct id fingerprint)
{
    block->id = plan_random_id(env);
    free(block->name);
    block->name = wish->name[0] != '\0' ? mem_strdup(wish->name) : mem_printf("blockvol_%s", id_text(block->id).text);
    block->size_gib = wish->size_gib;
    block->ha_count = wish->ha_count;
    block->auth = wish->auth;
    block->fingerprint = fingerprint;
    block->clusters = mem_dup(wish->clusters, wish->n_clusters * sizeof(*wish->clusters));
    block->n_clusters = wish->n_clusters;
}

enum store_code plan_block_create(const struct store *store, const struct store_request *request,
                                  const struct store_plan_env *env, struct store_cmd *cmd, struct store_result *result)
{
    const struct store_block_request *wish = &request->block_volume;
    char none[] = "";
    const struct store_volume_request type = {.name = none, .block = true};
    CLEANUP(plan_candidates_fini) struct plan_candidates list = {NULL, 0};
    const struct volume_entry *hosting;
    const struct block_entry *repeated;
    enum store_code code = plan_list_clusters(store, wish->clusters, wish->n_clusters, &list, result);

    if (code != STORE_OK) {
        return code;
    }
    if (wish->name[0] != '\0') {
        repeated = find_repeated_block(store, wish->name, cmd->fingerprint);
        if (repeated != NULL) {
            return plan_repeat(store, repeated->rec.id, repeated->rec.created_by, env, cmd, result);
        }
    }
    if (check_busy(store, cmd, result) != STORE_OK) {
        return result->code;
    }
    code = plan_keep_eligible(&list, &type, PLAN_TEST_TYPE, env, PREFIX, result);
    if (code != STORE_OK) {
        return code;
    }
    fill_block(&cmd->block, wish, env, cmd->fingerprint);
    hosting = choose(&list, wish, env);
    if (hosting != NULL) {
        cmd->block.hosting = hosting->rec.id;
        return STORE_OK;
    }
    code = plan_hosting(store, &list, wish, env, cmd, result);
    cmd->block.hosting = cmd->volume.id;
    return code;
}

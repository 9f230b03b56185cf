/* Volume create: the checks of heketi-rest.md 6.5 from 8 on, and the choice of a cluster. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/level.h"
#include "store/plan_priv.h"
#include "store/words.h"

#define PREFIX "Failed to allocate new volume: "
#define OF_CONFIGURATION " by glusterfs.oldest_client; oldestclient of a request counts instead of it"

void plan_candidates_fini(struct plan_candidates *list)
{
    free(list->items);
    *list = (struct plan_candidates){NULL, 0};
}

static void add_candidate(struct plan_candidates *list, struct cluster_entry *cluster)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i] == cluster) {
            return; /* named twice */
        }
    }
    list->items = mem_realloc_array(list->items, list->n + 1, sizeof(struct cluster_entry *));
    list->items[list->n++] = cluster;
}

/* Checks 8 and 9; the clusters in the order in which they are tried. */
enum store_code plan_list_clusters(const struct store *store, const struct id *ids, size_t n,
                                   struct plan_candidates *list, struct store_result *result)
{
    struct cluster_entry *cluster;

    if (RB_EMPTY(&store->clusters)) {
        return refuse(result, STORE_BAD_REQUEST, "No clusters configured");
    }
    for (size_t i = 0; i < n; i++) {
        cluster = find_cluster(store, ids[i]);
        if (cluster == NULL) {
            return refuse(result, STORE_BAD_REQUEST, "Cluster id %s not found", id_text(ids[i]).text);
        }
        add_candidate(list, cluster);
    }
    for (cluster = TREE_FIRST(&store->clusters, by_id); n == 0 && cluster != NULL;
         cluster = RB_NEXT(cluster_tree, NULL, cluster)) {
        add_candidate(list, cluster);
    }
    return STORE_OK;
}

/* Check 10, and what the API has looked at before. */
static enum store_code check_wish(const struct store_volume_request *wish, const struct store_plan_env *env,
                                  struct store_result *result)
{
    uint64_t min_kib = env->brick_min_kib;

    if (wish->durability == STORE_REPLICATE && wish->replica > 3) {
        return refuse(result, STORE_BAD_REQUEST, "Invalid replica value");
    }
    if (wish->durability == STORE_DISPERSE) {
        min_kib *= wish->disperse_data;
    }
    if (wish->size_gib * STORE_KIB_PER_GIB < min_kib) {
        return refuse(result, STORE_BAD_REQUEST,
                      "Requested volume size (%u GB) is smaller than the minimum supported volume size (%" PRIu64 ")",
                      wish->size_gib, min_kib);
    }
    return STORE_OK;
}

/* ---- refusals by several clusters ---- */

struct reasons {
    struct buf lines; /* one "Cluster ID: reason" each */
    char *only;       /* the first one's reason */
    size_t n;
};

__attribute__((format(printf, 3, 4))) static void add_reason(struct reasons *reasons,
                                                             const struct cluster_entry *cluster, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0) {
        text = mem_strdup("");
    }
    va_end(args);
    buf_printf(&reasons->lines, "\nCluster %s: %s", id_text(cluster->rec.id).text, text);
    if (reasons->only == NULL) {
        reasons->only = TAKE_PTR(text);
    }
    free(text);
    reasons->n++;
}

static enum store_code refuse_all(const struct reasons *reasons, const char *prefix, const char *first_line,
                                  struct store_result *result)
{
    if (reasons->n == 1) {
        return refuse(result, STORE_NO_ALLOCATION, "%s%s", prefix, reasons->only);
    }
    return refuse(result, STORE_NO_ALLOCATION, "%s%s%s", prefix, first_line, buf_str(&reasons->lines));
}

static void reasons_fini(struct reasons *reasons)
{
    buf_fini(&reasons->lines);
    free(reasons->only);
}

/* ---- eligibility (heketi-storage.md 6.1) ---- */

static bool eligible(const struct cluster_entry *cluster, const struct store_volume_request *wish, unsigned tests,
                     const struct store_plan_env *env, struct reasons *reasons)
{
    if ((tests & PLAN_TEST_TYPE) != 0 && !cluster->rec.file && !cluster->rec.block) {
        add_reason(reasons, cluster, "Cluster has disabled all volume types");
        return false;
    }
    if ((tests & PLAN_TEST_TYPE) != 0 && !(wish->block ? cluster->rec.block : cluster->rec.file)) {
        add_reason(reasons, cluster, "Cluster does not support requested volume type");
        return false;
    }
    if ((tests & PLAN_TEST_NAME) != 0 && wish->name[0] != '\0' && find_name(cluster, wish->name) != NULL) {
        add_reason(reasons, cluster, "Volume name '%s' already in use", wish->name);
        return false;
    }
    if ((tests & PLAN_TEST_COUNT) != 0 && env->volumes_per_cluster_max >= 0 &&
        cluster->n_volumes >= (uint64_t)env->volumes_per_cluster_max) {
        add_reason(reasons, cluster, "Cluster has %zu volumes and limit is %" PRId64, cluster->n_volumes,
                   env->volumes_per_cluster_max);
        return false;
    }
    return true;
}

enum store_code plan_keep_eligible(struct plan_candidates *list, const struct store_volume_request *wish,
                                   unsigned tests, const struct store_plan_env *env, const char *prefix,
                                   struct store_result *result)
{
    struct reasons reasons = {BUF_INIT, NULL, 0};
    enum store_code code = STORE_OK;
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++) {
        if (eligible(list->items[i], wish, tests, env, &reasons)) {
            list->items[n++] = list->items[i];
        }
    }
    list->n = n;
    if (n == 0) {
        code = refuse_all(&reasons, prefix, "No eligible cluster for volume", result);
    }
    reasons_fini(&reasons);
    return code;
}

/* ---- placing ---- */

static void fill_volume(struct store_volume *volume, const struct store_volume_request *wish,
                        const struct store_plan_env *env, struct id fingerprint)
{
    volume->id = plan_random_id(env);
    free(volume->name);
    volume->name = wish->name[0] != '\0' ? mem_strdup(wish->name) : mem_printf("vol_%s", id_text(volume->id).text);
    volume->size_gib = wish->size_gib;
    volume->durability = wish->durability;
    volume->replica = wish->durability == STORE_REPLICATE && wish->replica == 0 ? 2 : wish->replica;
    volume->disperse_data = wish->disperse_data;
    volume->redundancy = wish->redundancy;
    volume->gid = wish->gid;
    plan_options(&volume->options, env, wish);
    volume->snapshot_enable = wish->snapshot_enable;
    volume->snapshot_factor = wish->snapshot_enable ? wish->snapshot_factor : 1;
    volume->block = wish->block;
    volume->fingerprint = fingerprint;
    volume->clusters = mem_dup(wish->clusters, wish->n_clusters * sizeof(*wish->clusters));
    volume->n_clusters = wish->n_clusters;
}

static enum store_code place_volume(const struct store *store, const struct plan_candidates *list,
                                    const struct store_plan_env *env, const char *prefix, struct store_volume *volume,
                                    struct store_result *result)
{
    const char *rule_text = plan_option(&volume->options, "user.heketi.device-tag-match");
    uint64_t average_kib = plan_average_kib(volume, env);
    struct reasons reasons = {BUF_INIT, NULL, 0};
    struct plan_work work;
    struct plan_tag_rule rule;
    enum store_code code = STORE_OK;

    if (plan_wants_arbiter(volume) && volume->size_gib * STORE_KIB_PER_GIB < average_kib) {
        return refuse(result, STORE_NO_ALLOCATION,
                      "%sAverage file size (%" PRIu64 ") is greater than Brick size (%" PRIu64 ")", prefix, average_kib,
                      volume->size_gib * STORE_KIB_PER_GIB);
    }
    if (!plan_tag_rule_parse(rule_text != NULL ? rule_text : "", &rule)) {
        return refuse(result, STORE_NO_ALLOCATION, "%sInvalid tag matching rule: Invalid tag match rule: %s", prefix,
                      rule_text);
    }
    plan_work_init(&work);
    for (size_t i = 0; i < list->n; i++) {
        struct plan_result placed;
        enum plan_outcome outcome =
            plan_bricks(store, env, &work, list->items[i], &rule, volume, volume->size_gib, &placed);

        if (outcome == PLAN_PLACED) {
            volume->cluster = list->items[i]->rec.id;
            volume->bricks = placed.bricks;
            volume->n_bricks = placed.n;
            break;
        }
        add_reason(&reasons, list->items[i], "%s", plan_create_text(outcome));
    }
    if (volume->n_bricks == 0) {
        code = refuse_all(&reasons, prefix, "Unable to create volume on any cluster:", result);
    }
    reasons_fini(&reasons);
    plan_tag_rule_fini(&rule);
    return code;
}

/* The configuration's are among them. */
static enum store_code check_options(const struct store_strs *options, struct store_result *result)
{
    for (size_t i = 0; i < options->n; i++) {
        struct err err = ERR_INIT;

        if (store_option_check(options->items[i], &err) != 0) {
            return refuse(result, STORE_BAD_REQUEST, "Volume option %zu (those of the configuration count): %s", i + 1,
                          err.message);
        }
    }
    return STORE_OK;
}

enum store_code plan_new_volume(const struct store *store, const struct plan_candidates *list,
                                const struct store_volume_request *wish, const struct store_plan_env *env,
                                struct id fingerprint, const char *prefix, struct store_volume *volume,
                                struct store_result *result)
{
    const char *client = wish->oldest_client[0] != '\0' ? wish->oldest_client : env->oldest_client;
    enum store_code code;

    fill_volume(volume, wish, env, fingerprint);
    code = check_options(&volume->options, result);
    if (code != STORE_OK) {
        return code;
    }
    code = plan_client_options(&volume->options, client, result);
    if (code != STORE_OK && wish->oldest_client[0] == '\0') {
        size_t len = strlen(result->text);

        (void)snprintf(result->text + len, sizeof(result->text) - len, "%s", OF_CONFIGURATION);
    }
    return code == STORE_OK ? place_volume(store, list, env, prefix, volume, result) : code;
}

/* ---- the same explicit name and parameters again ---- */

enum store_code plan_repeat(const struct store *store, struct id first, struct id answer,
                            const struct store_plan_env *env, struct store_cmd *cmd, struct store_result *result)
{
    bool known = find_op(store, answer) != NULL || find_job(store, answer) != NULL;

    if (cmd->key[0] != '\0' && check_key_room(store, answer, result) != STORE_OK) {
        if (!cmd->key_made) {
            return result->code;
        }
        cmd->key[0] = '\0'; /* nobody was told of it: what it is answered counts as done when the answer arrives */
        memset(result, 0, sizeof(*result));
    }
    if (known && cmd->key[0] == '\0') {
        result->id = first;
        result->op_id = answer;
        return STORE_REPEATED;
    }
    cmd->type = STORE_CMD_REPEAT;
    cmd->op_type = (enum store_op_type)0;
    cmd->target = first;
    cmd->op_id = known ? answer : plan_random_id(env);
    return STORE_OK;
}

/* ---- a request without a name again ---- */

/* Kubernetes asks so: a gid of its own, no name, no key. Whoever sends no gid may want two of the same. */
static bool may_be_repeated(const struct store *store, const struct store_volume_request *wish,
                            const struct store_cmd *cmd)
{
    return store_level(store) >= STORE_LEVEL_TAKE_OVER && wish->name[0] == '\0' && wish->gid != 0 && !wish->block &&
           (cmd->key[0] == '\0' || cmd->key_made);
}

static bool plan_take_over(const struct store *store, const struct store_plan_env *env, struct store_cmd *cmd)
{
    struct id op_id;
    const struct volume_entry *first =
        env->asked != NULL ? find_untold(store, cmd->fingerprint, env->asked, env->user, &op_id) : NULL;

    if (first != NULL) {
        cmd->type = STORE_CMD_TAKE_OVER;
        cmd->op_type = (enum store_op_type)0;
        cmd->target = first->rec.id;
        cmd->base = op_id;
    }
    return first != NULL;
}

enum store_code plan_volume_create(const struct store *store, const struct store_request *request,
                                   const struct store_plan_env *env, struct store_cmd *cmd, struct store_result *result)
{
    const struct store_volume_request *wish = &request->volume;
    CLEANUP(plan_candidates_fini) struct plan_candidates list = {NULL, 0};
    const struct volume_entry *repeated;
    enum store_code code = plan_list_clusters(store, wish->clusters, wish->n_clusters, &list, result);
    bool repeatable;

    code = code == STORE_OK ? check_wish(wish, env, result) : code;
    if (code == STORE_OK && wish->name[0] != '\0') {
        repeated = find_repeated(store, wish->name, cmd->fingerprint);
        if (repeated != NULL) {
            return plan_repeat(store, repeated->rec.id, repeated->rec.created_by, env, cmd, result);
        }
    }
    repeatable = may_be_repeated(store, wish, cmd);
    if (code == STORE_OK && repeatable && plan_take_over(store, env, cmd)) {
        return STORE_OK;
    }
    code = code == STORE_OK ? check_busy(store, cmd, result) : code;
    if (code == STORE_OK) {
        code = plan_keep_eligible(&list, wish, PLAN_TEST_TYPE | PLAN_TEST_NAME | PLAN_TEST_COUNT, env, PREFIX, result);
    }
    if (code == STORE_OK) {
        code = plan_new_volume(store, &list, wish, env, cmd->fingerprint, PREFIX, &cmd->volume, result);
        cmd->volume.untold = repeatable;
    }
    return code;
}

/* Bricks to add to a volume (heketi-storage.md 7.5), and the brick-by-brick twin of one (7.6). */
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"

/* Bricks that the volume has besides those that the operation is adding. */
static uint32_t other_bricks(const struct store_volume *volume, struct id op_id)
{
    uint32_t n = 0;

    for (size_t i = 0; i < volume->n_bricks; i++) {
        n += id_is_none(op_id) || !id_equal(volume->bricks[i].pending, op_id);
    }
    return n;
}

enum plan_outcome plan_more_bricks(const struct store *store, const struct store_plan_env *env,
                                   const struct volume_entry *volume, struct id op_id, uint32_t size_gib,
                                   struct store_volume *ret_added)
{
    const char *rule_text = plan_option(&volume->rec.options, "user.heketi.device-tag-match");
    uint32_t width = store_volume_width(&volume->rec);
    struct plan_work work;
    struct plan_tag_rule rule;
    struct plan_result placed;
    enum plan_outcome outcome;

    *ret_added = volume->rec;
    ret_added->n_bricks = other_bricks(&volume->rec, op_id);              /* they count for the limit */
    (void)plan_tag_rule_parse(rule_text != NULL ? rule_text : "", &rule); /* was valid when the volume was planned */
    plan_work_init(&work);
    outcome = plan_bricks(store, env, &work, volume->cluster, &rule, ret_added, size_gib, &placed);
    plan_tag_rule_fini(&rule);
    ret_added->bricks = outcome == PLAN_PLACED ? placed.bricks : NULL;
    ret_added->n_bricks = outcome == PLAN_PLACED ? placed.n : 0;
    for (size_t i = 0; i < ret_added->n_bricks; i++) {
        ret_added->bricks[i].set = (uint32_t)(i / width);
    }
    return outcome;
}

enum store_code plan_volume_expand(const struct store *store, const struct store_request *request,
                                   const struct store_plan_env *env, struct store_cmd *cmd, struct store_result *result)
{
    const struct volume_entry *volume = find_volume(store, request->target);
    const struct op_entry *first = find_same_expand(store, cmd, request->target, request->volume.size_gib);
    enum plan_outcome outcome;
    struct store_volume added;

    if (!volume_visible(volume)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (first != NULL) {
        return plan_repeat(store, request->target, first->rec.id, env, cmd, result);
    }
    if (check_busy(store, cmd, result) != STORE_OK) {
        return result->code;
    }
    outcome = plan_more_bricks(store, env, volume, ID_NONE, request->volume.size_gib, &added);
    if (outcome != PLAN_PLACED) {
        return refuse(result, STORE_NO_ALLOCATION, "Failed to allocate volume expansion: %s",
                      plan_outcome_text(outcome));
    }
    cmd->volume.size_gib = request->volume.size_gib;
    cmd->volume.bricks = added.bricks;
    cmd->volume.n_bricks = added.n_bricks;
    return STORE_OK;
}

enum store_code plan_volume_clone(const struct store *store, const struct store_request *request,
                                  const struct store_plan_env *env, struct store_cmd *cmd, struct store_result *result)
{
    const struct volume_entry *source = find_volume(store, request->target);
    const struct volume_entry *repeated = find_repeated(store, request->volume.name, cmd->fingerprint);
    struct store_volume *volume = &cmd->volume;

    if (repeated != NULL) {
        return plan_repeat(store, repeated->rec.id, repeated->rec.created_by, env, cmd, result);
    }
    if (!volume_visible(source)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    store_volume_fini(volume);
    store_volume_copy(volume, &source->rec);
    volume->id = plan_random_id(env);
    free(volume->name);
    volume->name = request->volume.name[0] != '\0' ? mem_strdup(request->volume.name)
                                                   : mem_printf("vol_%s", id_text(volume->id).text);
    volume->block = false; /* of one, apply refuses to make a clone */
    volume->restriction = STORE_UNRESTRICTED;
    volume->pending = ID_NONE;
    volume->created_by = ID_NONE;
    volume->fingerprint = cmd->fingerprint;
    for (size_t i = 0; i < volume->n_bricks; i++) {
        struct store_brick *brick = &volume->bricks[i];

        brick->id = plan_random_id(env);
        brick->volume = volume->id;
        brick->pending = ID_NONE;
        brick->lv[0] = brick->path[0] = '\0'; /* Gluster's to say */
    }
    return STORE_OK;
}

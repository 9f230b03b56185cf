/* A place for one brick that replaces another (heketi-storage.md 9.2): the old one's size, not on its device, not on a
 * node of the rest of its set; zones and tags as for the volume. */
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"

/* The set's other bricks decide; they may be on nodes that take no new bricks and are in no ring. */
static bool set_allows(const struct plan_space *space, const struct brick_entry *old, const struct device_entry *device)
{
    const struct volume_entry *volume = old->volume;
    uint32_t width = store_volume_width(&volume->rec);
    size_t first = old->index - old->index % width;

    for (size_t i = first; i < first + width; i++) {
        const struct node_entry *node = volume->bricks[i].device->node;

        if (i != old->index &&
            (node == device->node || (space->zone_strict && node->rec.zone == device->node->rec.zone))) {
            return false;
        }
    }
    return true;
}

/* In a volume with arbiters a device may be meant for data or for arbiters alone. */
static bool role_allows(const struct plan_space *space, const struct brick_entry *old, size_t device)
{
    struct plan_role role = space->devices[device].role;

    if (!plan_wants_arbiter(&old->volume->rec)) {
        return true;
    }
    return brick_of(old)->type == STORE_BRICK_ARBITER ? role.arbiter : role.data;
}

/* Why not there? NULL: it may be there. */
static const char *place_refused(const struct plan_space *space, const struct brick_entry *old, size_t at,
                                 struct plan_need *ret_need)
{
    const struct device_entry *device = space->devices[at].entry;

    (void)plan_fits(space, at, brick_of(old)->size_kib, ret_need);
    if (device == old->device) {
        return "has the brick now";
    }
    if (!set_allows(space, old, device)) {
        return space->zone_strict ? "is in the zone of another brick of its set"
                                  : "is on a node with another brick of its set";
    }
    if (!role_allows(space, old, at)) {
        return brick_of(old)->type == STORE_BRICK_ARBITER ? "takes no arbiter (tag arbiter)"
                                                          : "takes nothing but arbiters (tag arbiter)";
    }
    if (!space->devices[at].accepted) {
        return "does not match the tag rule";
    }
    return plan_fits(space, at, brick_of(old)->size_kib, ret_need) ? NULL : "is too full for it";
}

static void explain(const struct plan_space *space, const struct store_plan_env *env, const struct brick_entry *old)
{
    const struct store_volume *volume = &old->volume->rec;

    plan_explain(env, volume->cluster,
                 "brick %s of volume %s (%s) goes only to a device with room %s without one of the %u other bricks of "
                 "its set: add one, or make room",
                 id_text(brick_of(old)->id).text, id_text(volume->id).text, volume->name,
                 space->zone_strict ? "in a zone" : "on a node", store_volume_width(volume) - 1);
    for (size_t i = 0; i < space->n; i++) {
        const struct device_entry *device = space->devices[i].entry;
        struct plan_need need;
        const char *why = place_refused(space, old, i, &need);

        if (why != NULL) {
            plan_explain_place(env, device->node, device->rec.id, why,
                               " (zone %u, %.2f GiB free, the brick needs %.2f)", device->node->rec.zone,
                               (double)space->devices[i].free_kib / (double)STORE_KIB_PER_GIB,
                               (double)(need.pool_kib + need.meta_kib) / (double)STORE_KIB_PER_GIB);
        }
    }
}

static bool find_place(struct plan_space *space, const struct brick_entry *old, const struct id *rotation,
                       struct plan_pick *ret_pick)
{
    CLEANUP(free_ptr) size_t *members = mem_calloc(space->n, sizeof(*members));
    CLEANUP(free_ptr) size_t *order = mem_calloc(space->n, sizeof(*order));
    const struct store_brick *brick = brick_of(old);
    struct plan_need need;
    size_t n = 0;

    for (size_t i = 0; i < space->n; i++) {
        if (place_refused(space, old, i, &need) == NULL) {
            members[n++] = i;
        }
    }
    if (n == 0) {
        return false;
    }
    plan_ring(space, rotation, members, n, order);
    (void)plan_fits(space, order[0], brick->size_kib, &need);
    *ret_pick = (struct plan_pick){order[0], need, brick->size_kib, brick->type};
    return true;
}

static void fill(struct store_cmd *cmd, const struct brick_entry *old, const struct plan_space *space, struct id id,
                 const struct plan_pick *pick)
{
    const struct store_brick *from = brick_of(old);
    struct store_brick *brick = mem_calloc(1, sizeof(*brick));

    *brick = (struct store_brick){.id = id,
                                  .volume = old->volume->rec.id,
                                  .device = space->devices[pick->device].entry->rec.id,
                                  .set = from->set,
                                  .position = from->position,
                                  .size_kib = pick->size_kib,
                                  .pool_kib = pick->need.pool_kib,
                                  .meta_kib = pick->need.meta_kib,
                                  .pool = mem_printf("tp_%s", id_text(id).text),
                                  .lv = mem_strdup(""),
                                  .path = mem_strdup(""),
                                  .type = pick->type};
    cmd->volume.id = old->volume->rec.id;
    cmd->volume.bricks = brick;
    cmd->volume.n_bricks = 1;
}

enum store_code plan_replacement(const struct store *store, const struct op_entry *op, const struct store_plan_env *env,
                                 struct store_cmd *cmd, struct store_result *result)
{
    const struct brick_entry *old = find_brick(store, op->rec.target);
    const struct store_volume *volume = old != NULL && old->volume != NULL ? &old->volume->rec : NULL;
    struct plan_space space = {.factor = 1};
    struct plan_tag_rule rule;
    struct plan_pick pick;
    struct id id = plan_random_id(env);
    const char *text;
    bool found;

    if (volume == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    text = plan_option(&volume->options, "user.heketi.device-tag-match");
    (void)plan_tag_rule_parse(text != NULL ? text : "", &rule); /* was valid when the volume was planned */
    space.factor = volume->snapshot_factor;
    space.tag_rule = &rule;
    space.zone_strict = plan_zone_strict(volume, env);
    found = plan_gather(&space, store, env, old->volume->cluster) == PLAN_PLACED;
    if (found) {
        env->random(env->user, &space.seed, sizeof(space.seed));
        found = find_place(&space, old, &id, &pick);
    }
    if (found) {
        fill(cmd, old, &space, id, &pick);
    } else {
        explain(&space, env, old);
    }
    free(space.devices);
    plan_tag_rule_fini(&rule);
    return found ? STORE_OK : refuse(result, STORE_NO_ALLOCATION, TEXT_NO_REPLACEMENT);
}

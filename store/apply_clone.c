/* Cloning a volume: the new volume has the source's shape, and its bricks are in the thin pools of the source's, so
 * they take no space of their own. Where Gluster has put them is learnt as soon as it has made them. */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "store/store_priv.h"
#include "store/words.h"

#define LEARNT_MAX 4096 /* bytes of a path or an LV's name */

/* The new bricks stand where the source's stand, under new ids. */
static bool bricks_follow(const struct store *store, const struct store_volume *clone,
                          const struct store_volume *source)
{
    if (clone->n_bricks != source->n_bricks) {
        return false;
    }
    for (size_t i = 0; i < source->n_bricks; i++) {
        const struct store_brick *a = &clone->bricks[i], *b = &source->bricks[i];

        if (!id_equal(a->device, b->device) || strcmp(a->pool, b->pool) != 0 || a->size_kib != b->size_kib ||
            a->pool_kib != b->pool_kib || a->meta_kib != b->meta_kib || a->set != b->set ||
            a->position != b->position || a->type != b->type || a->lv[0] != '\0' || a->path[0] != '\0') {
            return false;
        }
    }
    return bricks_linkable(store, clone->bricks, clone->n_bricks);
}

static bool shape_follows(const struct store_volume *clone, const struct store_volume *source)
{
    return id_equal(clone->cluster, source->cluster) && clone->size_gib == source->size_gib &&
           clone->durability == source->durability && clone->replica == source->replica &&
           clone->disperse_data == source->disperse_data && clone->redundancy == source->redundancy &&
           clone->gid == source->gid && clone->snapshot_factor == source->snapshot_factor &&
           clone->options.n == source->options.n && !clone->block;
}

enum store_code check_volume_clone(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct store_volume *clone = &cmd->volume;
    const struct volume_entry *source = find_volume(store, cmd->target);
    const struct volume_entry *repeated = find_repeated(store, clone->name, clone->fingerprint);

    if (repeated != NULL) { /* two equal requests met between plan and apply */
        return check_same_volume(store, repeated, result);
    }
    if (!volume_visible(source)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (source->rec.block) {
        return refuse(result, STORE_NO_ALLOCATION,
                      "Failed clone volume %s: Cloning of block hosting volumes is not supported",
                      id_text(source->rec.id).text);
    }
    if (check_busy(store, cmd, result) != STORE_OK) {
        return result->code;
    }
    if (volume_has_pending(&source->rec)) { /* it grows, or a brick of it moves */
        return refuse(result, STORE_IN_USE, "Failed clone volume %s: " TEXT_IN_USE, id_text(source->rec.id).text);
    }
    if (id_is_none(clone->id) || find_volume(store, clone->id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Volume id %s is in use", id_text(clone->id).text);
    }
    if (clone->name[0] == '\0' || find_name(source->cluster, clone->name) != NULL) {
        return refuse(result, STORE_NO_ALLOCATION, "Failed clone volume %s: Volume name '%s' already in use",
                      id_text(source->rec.id).text, clone->name);
    }
    if (!shape_follows(clone, &source->rec) || !bricks_follow(store, clone, &source->rec)) {
        return refuse(result, STORE_STALE_PLAN, "The volume has changed");
    }
    return STORE_OK;
}

void commit_volume_clone(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    commit_volume_create(store, index, cmd);
}

/* ---- what Gluster said ---- */

static bool text_sane(const char *text)
{
    return text[0] != '\0' && strlen(text) <= LEARNT_MAX;
}

/* Is it a place that Hecate gives to bricks of its own? */
static bool is_ours(const struct store_brick *told)
{
    static const char mounts[] = "/var/lib/heketi/mounts/";

    return strncmp(told->lv, "brick_", 6) == 0 || strncmp(told->path, mounts, sizeof(mounts) - 1) == 0;
}

/* Has another brick the same LV on the device, or the same path on its node? */
static bool is_anothers(const struct store *store, struct id device, const struct store_brick *told)
{
    struct id node = find_device(store, device)->rec.node;
    const struct store_device *on = NULL;
    bool taken = false;

    while (!taken && (on = store_node_device_next(store, node, on)) != NULL) {
        const struct store_brick *other = NULL;

        while (!taken && (other = store_device_brick_next(store, on->id, other)) != NULL) {
            taken = !id_equal(other->id, told->id) && ((id_equal(on->id, device) && strcmp(other->lv, told->lv) == 0) ||
                                                       strcmp(other->path, told->path) == 0);
        }
    }
    return taken;
}

/* The same, among the bricks that are told. */
static bool told_twice(const struct store *store, const struct store_volume *volume, const struct store_volume *told,
                       size_t at)
{
    struct id device = volume->bricks[at].device, node = find_device(store, device)->rec.node;

    for (size_t i = 0; i < at; i++) {
        if ((id_equal(volume->bricks[i].device, device) && strcmp(told->bricks[i].lv, told->bricks[at].lv) == 0) ||
            (strcmp(told->bricks[i].path, told->bricks[at].path) == 0 &&
             id_equal(find_device(store, volume->bricks[i].device)->rec.node, node))) {
            return true;
        }
    }
    return false;
}

bool store_place_taken(const struct store *store, const struct store_volume *volume, const struct store_volume *told,
                       size_t at)
{
    return is_ours(&told->bricks[at]) || is_anothers(store, volume->bricks[at].device, &told->bricks[at]) ||
           told_twice(store, volume, told, at);
}

static bool is_number(const char *text)
{
    size_t len = strspn(text, "0123456789");

    return len > 0 && len < 10 && text[len] == '\0';
}

bool store_is_clone_place(const char *lv, const char *path)
{
    static const char *const roots[] = {"/run/gluster/snaps/", "/var/run/gluster/snaps/"};
    const char *uuid = NULL, *brick, *name;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        if (strncmp(path, roots[i], strlen(roots[i])) == 0) {
            uuid = path + strlen(roots[i]);
        }
    }
    if (uuid == NULL || strspn(uuid, "0123456789abcdef") != ID_TEXT_LEN || store_path_check(path, &err) != 0 ||
        strncmp(lv, uuid, ID_TEXT_LEN) != 0 || lv[ID_TEXT_LEN] != '_' || !is_number(lv + ID_TEXT_LEN + 1)) {
        return false;
    }
    brick = uuid + ID_TEXT_LEN;
    if (strncmp(brick, "/brick", 6) != 0) {
        return false;
    }
    name = brick + 6 + strspn(brick + 6, "0123456789");
    return name > brick + 6 && *name == '/' && strchr(name + 1, '/') == NULL;
}

enum store_code check_op_learn(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct op_entry *op = find_op(store, cmd->op_id);
    const struct volume_entry *volume;

    result->op_id = cmd->op_id;
    if (op == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    volume = find_volume(store, op->rec.target);
    if (op->rec.type != STORE_OP_CLONE_VOLUME || cmd->volume.n_bricks != volume->rec.n_bricks) {
        return refuse(result, STORE_CONFLICT, "Not the bricks of a volume that is being cloned");
    }
    for (size_t i = 0; i < cmd->volume.n_bricks; i++) {
        const struct store_brick *brick = &cmd->volume.bricks[i];

        if (!id_equal(brick->id, volume->rec.bricks[i].id) || !text_sane(brick->lv) || !text_sane(brick->path) ||
            brick->path[0] != '/' || strrchr(brick->path, '/') == brick->path) {
            return refuse(result, STORE_BAD_REQUEST, "Brick %s is out of place or without path",
                          id_text(brick->id).text);
        }
        if (store_level(store) >= 2 && store_place_taken(store, &volume->rec, &cmd->volume, i)) {
            return refuse(result, STORE_CONFLICT, "Gluster has put brick %s of the clone where another one is: %.200s",
                          id_text(brick->id).text, brick->path);
        }
        if (store_level(store) >= 2 && !store_is_clone_place(brick->lv, brick->path)) {
            return refuse(result, STORE_BAD_REQUEST, "Gluster has put brick %s of the clone where it puts none: %.200s",
                          id_text(brick->id).text, brick->path);
        }
    }
    result->id = volume->rec.id;
    return STORE_OK;
}

void commit_op_learn(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct volume_entry *volume = find_volume(store, find_op(store, cmd->op_id)->rec.target);
    struct store_volume next = volume->rec;
    CLEANUP(free_ptr)
    struct store_brick *bricks = mem_dup(volume->rec.bricks, volume->rec.n_bricks * sizeof(*bricks));

    (void)index;
    for (size_t i = 0; i < next.n_bricks; i++) {
        bricks[i].lv = cmd->volume.bricks[i].lv;
        bricks[i].path = cmd->volume.bricks[i].path;
    }
    next.bricks = bricks;
    update_volume(store, volume, &next);
}

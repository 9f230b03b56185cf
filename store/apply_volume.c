/* Volumes: create with its bricks, replan, delete. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "store/store_priv.h"

#define PROTECTED_NAME "heketidbstorage"

bool volume_has_pending(const struct store_volume *volume)
{
    for (size_t i = 0; i < volume->n_bricks; i++) {
        if (!id_is_none(volume->bricks[i].pending)) {
            return true;
        }
    }
    return !id_is_none(volume->pending);
}

struct volume_entry *find_repeated(const struct store *store, const char *name, struct id fingerprint)
{
    struct cluster_entry *cluster;

    if (id_is_none(fingerprint)) {
        return NULL;
    }
    TREE_EACH (cluster, cluster_tree, &store->clusters, by_id) {
        struct volume_entry *volume = find_name(cluster, name);

        if (volume != NULL && id_equal(volume->rec.fingerprint, fingerprint) &&
            !pending_by(store, volume->rec.pending, STORE_OP_DELETE_VOLUME)) {
            return volume;
        }
    }
    return NULL;
}

/* ---- bricks ---- */

/* What a command puts on one device. */
struct load {
    const struct device_entry *device;
    uint64_t need_kib, meta_kib; /* sum; largest */
};

static struct load *load_of(struct load *loads, size_t *n, const struct device_entry *device)
{
    for (size_t i = 0; i < *n; i++) {
        if (loads[i].device == device) {
            return &loads[i];
        }
    }
    loads[*n] = (struct load){.device = device};
    return &loads[(*n)++];
}

/* Room for all of it, something left, and LVM's spare metadata LV, which is as large as the largest metadata. */
bool device_fits(const struct device_entry *device, uint64_t need_kib, uint64_t meta_kib)
{
    uint64_t free_kib = device_free_kib(device);
    uint64_t spare_kib = device_spare_kib(device);

    spare_kib = meta_kib > spare_kib ? meta_kib : spare_kib;
    return free_kib > need_kib && free_kib - need_kib >= spare_kib;
}

bool device_usable(const struct device_entry *device, struct id cluster)
{
    return device != NULL && device->rec.state == STORE_STATE_ONLINE && id_is_none(device->rec.pending) &&
           device->node->rec.state == STORE_STATE_ONLINE && id_is_none(device->node->rec.pending) &&
           id_equal(device->node->rec.cluster, cluster);
}

bool volume_arbiters_sane(const struct store_volume *volume)
{
    uint32_t width = store_volume_width(volume);
    bool replica_3 = volume->durability == STORE_REPLICATE && width == 3;

    for (size_t i = 0; i < volume->n_bricks; i++) {
        bool arbiter = volume->bricks[i].type == STORE_BRICK_ARBITER;
        bool expected = replica_3 && i % width == 2 && volume->bricks[2].type == STORE_BRICK_ARBITER;

        if (arbiter != expected) {
            return false;
        }
    }
    return true;
}

bool brick_names_fit(const struct store_brick *brick)
{
    return brick->pool[0] != '\0' && strlen(brick->pool) + strlen(brick->lv) + strlen(brick->path) <= BRICK_TEXTS_MAX;
}

/* (set, position) runs 0.0, 0.1, ... without gaps; every brick has a size and a pool name. */
static bool bricks_ordered(const struct store_volume *volume)
{
    uint32_t width = store_volume_width(volume);

    if (width == 0 || width > STORE_BRICKS_MAX || volume->n_bricks == 0 || volume->n_bricks > STORE_BRICKS_MAX ||
        volume->n_bricks % width != 0) {
        return false;
    }
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct store_brick *brick = &volume->bricks[i];

        if (brick->set != i / width || brick->position != i % width || brick->size_kib == 0 || brick->pool_kib == 0 ||
            brick->pool_kib > DEVICE_KIB_MAX || brick->meta_kib > DEVICE_KIB_MAX || !brick_names_fit(brick)) {
            return false;
        }
    }
    return volume_arbiters_sane(volume);
}

bool volume_nodes_distinct(const struct store *store, const struct store_volume *volume)
{
    uint32_t width = store_volume_width(volume);

    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct node_entry *node = find_device(store, volume->bricks[i].device)->node;

        for (size_t j = i - i % width; j < i; j++) {
            if (find_device(store, volume->bricks[j].device)->node == node) {
                return false;
            }
        }
    }
    return true;
}

enum store_code check_bricks(const struct store *store, const struct store_volume *volume, struct id cluster,
                             struct store_result *result)
{
    CLEANUP(free_ptr) struct load *loads = NULL;
    size_t n_loads = 0;

    if (!bricks_ordered(volume)) {
        return refuse(result, STORE_BAD_REQUEST, "The bricks do not make up complete sets");
    }
    loads = mem_calloc(volume->n_bricks, sizeof(*loads));
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct store_brick *brick = &volume->bricks[i];
        const struct device_entry *device = find_device(store, brick->device);
        struct load *load;

        if (!device_usable(device, cluster)) {
            return refuse(result, STORE_STALE_PLAN, "Device %s is not available any more", id_text(brick->device).text);
        }
        load = load_of(loads, &n_loads, device);
        if (find_pool(device, brick->pool) != NULL) {
            return refuse(result, STORE_STALE_PLAN, "Pool %s of device %s is in use", brick->pool,
                          id_text(brick->device).text);
        }
        load->need_kib += brick->pool_kib + brick->meta_kib;
        load->meta_kib = brick->meta_kib > load->meta_kib ? brick->meta_kib : load->meta_kib;
    }
    for (size_t i = 0; i < n_loads; i++) {
        if (!device_fits(loads[i].device, loads[i].need_kib, loads[i].meta_kib)) {
            return refuse(result, STORE_STALE_PLAN, "Device %s has no room any more",
                          id_text(loads[i].device->rec.id).text);
        }
    }
    if (!bricks_linkable(store, volume->bricks, volume->n_bricks) || !volume_nodes_distinct(store, volume)) {
        return refuse(result, STORE_STALE_PLAN, "Two bricks of a set share a node, or a brick id is in use");
    }
    return STORE_OK;
}

/* ---- create ---- */

static bool volume_sane(const struct store_volume *volume)
{
    return volume->size_gib > 0 && volume->name[0] != '\0' && volume->options.n <= OPTIONS_MAX &&
           isfinite(volume->snapshot_factor) && volume->snapshot_factor >= 1;
}

enum store_code check_same_volume(const struct store *store, const struct volume_entry *volume,
                                  struct store_result *result)
{
    if (find_op(store, volume->rec.created_by) == NULL && find_job(store, volume->rec.created_by) == NULL) {
        return refuse(result, STORE_STALE_PLAN, "The volume exists"); /* a new plan makes a job for it */
    }
    result->id = volume->rec.id;
    result->op_id = volume->rec.created_by;
    return STORE_REPEATED;
}

enum store_code check_new_volume(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct store_volume *volume = &cmd->volume;
    const struct cluster_entry *cluster = find_cluster(store, volume->cluster);

    if (id_is_none(volume->id) || find_volume(store, volume->id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Volume id %s is in use", id_text(volume->id).text);
    }
    if (!volume_sane(volume)) {
        return refuse(result, STORE_BAD_REQUEST, "A volume needs a size, a name and at most %d options", OPTIONS_MAX);
    }
    if (check_busy(store, cmd, result) != STORE_OK) {
        return result->code;
    }
    if (cluster == NULL || !(volume->block ? cluster->rec.block : cluster->rec.file)) {
        return refuse(result, STORE_STALE_PLAN, "The cluster has changed");
    }
    if (find_name(cluster, volume->name) != NULL) {
        return refuse(result, STORE_NO_ALLOCATION, "Failed to allocate new volume: Volume name '%s' already in use",
                      volume->name);
    }
    return check_bricks(store, volume, volume->cluster, result);
}

enum store_code check_volume_create(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct volume_entry *repeated = find_repeated(store, cmd->volume.name, cmd->volume.fingerprint);

    if (repeated != NULL) { /* two equal requests met between plan and apply */
        if (find_op(store, repeated->rec.created_by) == NULL && find_job(store, repeated->rec.created_by) == NULL) {
            return refuse(result, STORE_STALE_PLAN, "The volume exists"); /* a new plan makes a job for it */
        }
        result->id = repeated->rec.id;
        result->op_id = repeated->rec.created_by;
        return STORE_REPEATED;
    }
    return check_new_volume(store, cmd, result);
}

/* The command's bricks as they are recorded. */
static struct store_brick *own_bricks(const struct store_volume *from, struct id volume, struct id op_id)
{
    struct store_brick *bricks = mem_dup(from->bricks, from->n_bricks * sizeof(*bricks));

    for (size_t i = 0; i < from->n_bricks; i++) {
        bricks[i].volume = volume;
        bricks[i].pending = op_id;
    }
    return bricks;
}

void commit_new_volume(struct store *store, const struct store_volume *from, struct id op_id)
{
    struct store_volume volume = *from;
    CLEANUP(free_ptr) struct store_brick *bricks = own_bricks(&volume, volume.id, op_id);

    volume.bricks = bricks;
    volume.pending = op_id;
    volume.created_by = op_id;
    volume.restriction = STORE_UNRESTRICTED;
    volume.reserved_gib = volume.block ? store_block_reserve_gib(volume.size_gib) : 0;
    CHECK(insert_volume(store, &volume, NULL) == 0);
}

void commit_volume_create(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    commit_new_volume(store, &cmd->volume, cmd->op_id);
}

/* ---- replan ---- */

/* How many bricks the volume has that are not the operation's. */
static size_t other_bricks(const struct volume_entry *volume, struct id op_id)
{
    size_t n = 0;

    for (size_t i = 0; i < volume->rec.n_bricks; i++) {
        n += !id_equal(volume->rec.bricks[i].pending, op_id);
    }
    return n;
}

enum store_code check_op_replan(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct op_entry *op = find_op(store, cmd->op_id);
    const struct volume_entry *volume = op != NULL ? op_volume(store, &op->rec) : NULL;
    struct store_volume made; /* the volume as if it consisted of the new bricks alone */
    enum store_code code;

    result->op_id = cmd->op_id;
    if (op == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (op->rec.type == STORE_OP_EVICT_BRICK) {
        return check_evict_place(store, op, cmd, result);
    }
    if ((op->rec.type != STORE_OP_CREATE_VOLUME && op->rec.type != STORE_OP_CREATE_BLOCK &&
         op->rec.type != STORE_OP_EXPAND_VOLUME) ||
        volume == NULL || op->rec.phase != STORE_OP_FORWARD) {
        return refuse(result, STORE_CONFLICT, "Only a volume create or expand that goes forward can be planned again");
    }
    if (op->rec.n_abandoned + volume->rec.n_bricks > STORE_ABANDONED_MAX) {
        return refuse(result, STORE_CONFLICT, "The volume was planned again too often");
    }
    /* Two expands that are planned again at once may exceed it; members of the first level went on. */
    if (store_level(store) >= 2 && other_bricks(volume, cmd->op_id) + cmd->volume.n_bricks > STORE_BRICKS_MAX) {
        return refuse(result, STORE_CONFLICT, "The volume would have more than %d bricks", STORE_BRICKS_MAX);
    }
    if (op->rec.type == STORE_OP_EXPAND_VOLUME) {
        code = check_more_bricks(store, volume, &cmd->volume, result);
    } else {
        made = volume->rec;
        made.bricks = cmd->volume.bricks;
        made.n_bricks = cmd->volume.n_bricks;
        code = check_bricks(store, &made, volume->rec.cluster, result);
    }
    if (code == STORE_OK) {
        result->id = volume->rec.id;
    }
    return code;
}

/* The old ones of the bricks that it is making become abandoned ones. */
static void replace_all(struct store *store, struct op_entry *op, const struct store_cmd *cmd)
{
    struct volume_entry *volume = op_volume(store, &op->rec);
    struct store_volume next = volume_with_bricks(volume, cmd->op_id, cmd->volume.bricks, cmd->volume.n_bricks);
    struct store_operation next_op = op->rec;
    size_t n = op->rec.n_abandoned;
    CLEANUP(free_ptr) struct store_brick *abandoned = mem_calloc(n + volume->rec.n_bricks, sizeof(*abandoned));

    for (size_t i = 0; i < n; i++) {
        abandoned[i] = op->rec.abandoned[i];
    }
    for (size_t i = 0; i < volume->rec.n_bricks; i++) {
        if (id_equal(volume->rec.bricks[i].pending, op->rec.id)) {
            abandoned[n++] = volume->rec.bricks[i];
        }
    }
    next_op.abandoned = abandoned;
    next_op.n_abandoned = n;
    next_op.attempt++;
    rewrite_bricks(store, volume, &next, op, &next_op);
    free(next.bricks);
}

void commit_op_replan(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct op_entry *op = find_op(store, cmd->op_id);

    (void)index;
    if (op->rec.type == STORE_OP_EVICT_BRICK) {
        commit_evict_place(store, op, cmd);
    } else {
        replace_all(store, op, cmd);
    }
}

/* ---- delete ---- */

enum store_code check_volume_delete(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct volume_entry *volume = find_volume(store, cmd->target);

    if (volume == NULL || pending_by(store, volume->rec.pending, STORE_OP_CREATE_VOLUME) ||
        pending_by(store, volume->rec.pending, STORE_OP_CREATE_BLOCK) ||

        pending_by(store, volume->rec.pending, STORE_OP_CLONE_VOLUME)) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (strcmp(volume->rec.name, PROTECTED_NAME) == 0 && !cmd->force) {
        return refuse(result, STORE_CONFLICT, "Cannot delete volume containing the Heketi database");
    }
    if (cmd->force && strcmp(volume->rec.name, PROTECTED_NAME) != 0) {
        return refuse(result, STORE_CONFLICT, "Volume %s is not " PROTECTED_NAME, volume->rec.name);
    }
    if (!RB_EMPTY(&volume->blocks)) {
        return refuse(result, STORE_CONFLICT, "Cannot delete a block hosting volume containing block volumes");
    }
    if (volume_has_pending(&volume->rec) || volume->n_clones > 0) {
        return refuse(result, STORE_IN_USE, "Failed to set up volume delete: " TEXT_IN_USE);
    }
    return STORE_OK;
}

void commit_volume_delete(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct volume_entry *volume = find_volume(store, cmd->target);
    struct store_volume next = volume->rec;
    CLEANUP(free_ptr) struct store_brick *bricks = own_bricks(&volume->rec, volume->rec.id, cmd->op_id);

    (void)index;
    next.bricks = bricks;
    next.pending = cmd->op_id;
    update_volume(store, volume, &next);
}

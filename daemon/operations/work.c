#include "daemon/operations/work.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

static const char *storage_host(const struct store *store, const struct store_brick *brick)
{
    const struct store_device *device = store_device(store, brick->device);
    const struct store_node *node = device != NULL ? store_node(store, device->node) : NULL;

    CHECK(node != NULL);
    return node->storage.items[0];
}

/* bricks: the work's own copies. */
static void set_bricks(struct op_work *work, const struct store *store, const struct store_brick *bricks, size_t n)
{
    work->bricks = mem_calloc(n, sizeof(*work->bricks));
    work->storage_hosts = mem_calloc(n, sizeof(*work->storage_hosts));
    for (size_t i = 0; i < n; i++) {
        work->storage_hosts[i] = mem_strdup(storage_host(store, &bricks[i]));
        work->bricks[i] = (struct exec_brick){&bricks[i], work->storage_hosts[i]};
    }
    work->exec.bricks = work->bricks;
    work->exec.n_bricks = n;
}

const struct store_brick *op_work_brick(const struct store *store, const struct store_operation *op, struct id id)
{
    for (size_t i = 0; i < op->n_abandoned; i++) {
        if (id_equal(op->abandoned[i].id, id)) {
            return &op->abandoned[i];
        }
    }
    return store_brick(store, id);
}

/* For what concerns the volume as a whole (name, gid): without the lists of its bricks and options. */
static void set_bare_volume(struct op_work *work, const struct store_volume *volume)
{
    struct store_volume bare = *volume;

    bare.bricks = NULL;
    bare.n_bricks = 0;
    bare.options = (struct store_strs){0};
    store_volume_copy(&work->volume, &bare);
    work->exec.volume = &work->volume;
}

/* The volume that the operation's brick belongs to, for what concerns all bricks (gid). */
static const struct store_volume *volume_of(const struct store *store, const struct store_operation *op)
{
    return op->type == STORE_OP_EVICT_BRICK ? engine_evict_volume(store, op) : store_operation_volume(store, op);
}

static bool replaces_device(const struct store_operation *op)
{
    return op->type == STORE_OP_DEVICE_REPLACE;
}

static bool set_brick(struct op_work *work, const struct store *store, const struct store_operation *op, struct id id)
{
    const struct store_brick *brick = op_work_brick(store, op, id);
    const struct store_volume *volume =
        brick != NULL && replaces_device(op) ? store_volume(store, brick->volume) : volume_of(store, op);

    if (brick == NULL) {
        return false;
    }
    store_brick_copy(&work->brick, brick);
    set_bricks(work, store, &work->brick, 1);
    if (volume != NULL) {
        set_bare_volume(work, volume);
        work->exec.replaced =
            (op->type == STORE_OP_EVICT_BRICK || replaces_device(op)) && volume->durability == STORE_DISPERSE;
        work->exec.rebuild = replaces_device(op);
    }
    return true;
}

static void know(struct op_work *work, const struct store *store, const struct store_brick *bricks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (store_device(store, bricks[i].device) != NULL) { /* it may be forgotten by force */
            size_t at = work->exec.known.n++;

            store_brick_copy(&work->known[at], &bricks[i]);
            work->known_hosts[at] = mem_strdup(storage_host(store, &bricks[i]));
            work->known_items[at] = (struct exec_brick){&work->known[at], work->known_hosts[at]};
        }
    }
}

static void set_known(struct op_work *work, const struct store *store, const struct store_operation *op,
                      const struct store_volume *volume)
{
    size_t n = volume->n_bricks + op->n_abandoned;

    work->known = mem_calloc(n, sizeof(*work->known));
    work->known_hosts = mem_calloc(n, sizeof(*work->known_hosts));
    work->known_items = mem_calloc(n, sizeof(*work->known_items));
    know(work, store, volume->bricks, volume->n_bricks);
    know(work, store, op->abandoned, op->n_abandoned);
    work->exec.known.id = volume->id;
    work->exec.known.bricks = work->known_items;
}

static bool set_block(struct op_work *work, const struct store *store, const struct store_operation *op,
                      const struct engine_step *step)
{
    const struct store_block_volume *block = store_block_volume(store, step->object);
    const struct store_volume *hosting = block != NULL ? store_volume(store, block->hosting) : NULL;

    if (hosting == NULL) {
        return false;
    }
    store_block_volume_copy(&work->block, block);
    work->exec.block = &work->block;
    set_bare_volume(work, hosting);
    set_known(work, store, op, hosting);
    for (size_t i = 0; i < step->n_hosts; i++) {
        const struct store_node *node = store_node(store, step->hosts[i]);

        CHECK(node != NULL); /* chosen a moment ago */
        store_strs_add(&work->hosts, node->storage.items[0]);
    }
    work->exec.hosts = &work->hosts;
    return true;
}

static bool set_volume(struct op_work *work, const struct store *store, const struct store_operation *op, struct id id)
{
    const struct store_volume *volume = store_volume(store, id);

    if (volume == NULL) {
        return false;
    }
    store_volume_copy(&work->volume, volume);
    work->exec.volume = &work->volume;
    set_known(work, store, op, volume);
    set_bricks(work, store, work->volume.bricks, work->volume.n_bricks);
    return true;
}

/* The volume, and those of its bricks that the operation makes. */
static bool set_made(struct op_work *work, const struct store *store, const struct store_operation *op,
                     const struct engine_step *step)
{
    const struct store_volume *source = store_volume(store, op->source);
    const struct store_volume *volume = store_volume(store, step->object);
    size_t first = 0, n = 0; /* they stand together */

    if (volume == NULL) {
        return false;
    }
    store_volume_copy(&work->volume, volume);
    work->exec.volume = &work->volume;
    if (source != NULL) {
        work->source = mem_strdup(source->name);
        work->exec.source = work->source;
    }
    set_known(work, store, op, step->kind == EXEC_VOLUME_CLONE && source != NULL ? source : volume);
    while (first < volume->n_bricks && !id_equal(volume->bricks[first].pending, op->id)) {
        first++;
    }
    while (first + n < volume->n_bricks && id_equal(volume->bricks[first + n].pending, op->id)) {
        n++;
    }
    set_bricks(work, store, work->volume.bricks + first, n);
    return true;
}

static void set_moving(struct op_work *work, const struct store *store, const struct store_operation *op, size_t i,
                       struct exec_brick *exec)
{
    const struct store_brick *brick = op_work_brick(store, op, i == 0 ? op->target : op->replacement);

    if (brick != NULL) {
        store_brick_copy(&work->moving[i], brick);
        work->moving_hosts[i] = mem_strdup(storage_host(store, brick));
        *exec = (struct exec_brick){&work->moving[i], work->moving_hosts[i]};
    }
}

/* The brick goes, and comes, at the same place. */
static bool set_renewed(struct op_work *work, const struct store *store, const struct store_operation *op, struct id id)
{
    const struct store_brick *brick = store_brick(store, id);

    if (brick == NULL) {
        return false;
    }
    store_brick_copy(&work->moving[0], brick);
    work->moving_hosts[0] = mem_strdup(storage_host(store, brick));
    if (work->exec.kind == EXEC_HEAL_CHECK) {
        work->exec.old_brick = (struct exec_brick){&work->moving[0], work->moving_hosts[0]};
    } else {
        work->exec.new_brick = (struct exec_brick){&work->moving[0], work->moving_hosts[0]};
    }
    return set_volume(work, store, op, brick->volume);
}

static bool set_evict(struct op_work *work, const struct store *store, const struct store_operation *op,
                      const struct engine_step *step)
{
    set_moving(work, store, op, 0, &work->exec.old_brick);
    set_moving(work, store, op, 1, &work->exec.new_brick);
    work->exec.skip_heal = op->skip_heal;
    return set_volume(work, store, op, step->object);
}

static bool set_device(struct op_work *work, const struct store *store, struct id id)
{
    const struct store_device *device = store_device(store, id);

    if (device == NULL) {
        return false;
    }
    store_device_copy(&work->device, device);
    work->exec.device = &work->device;
    return true;
}

/* On the disk that it is to be on from now on. */
static bool set_renewal(struct op_work *work, const struct store *store, const struct store_operation *op)
{
    if (!set_device(work, store, op->target)) {
        return false;
    }
    if (op->renewals[0].name[0] != '\0') {
        free(work->device.name);
        work->device.name = mem_strdup(op->renewals[0].name);
    }
    work->device.destroy_data = op->force;
    work->exec.renewal = id_is_none(op->parent) ? op->id : op->parent;
    work->exec.needed_kib = store_device_used_kib(store, op->target);
    return true;
}

/* The rest of the pool is asked who the node was. */
static bool set_node(struct op_work *work, const struct store *store, const struct store_operation *op,
                     const struct store_node *node)
{
    const struct store_node *other = NULL;

    while ((other = store_cluster_node_next(store, node->cluster, other)) != NULL) {
        if (other != node && id_is_none(other->pending)) {
            store_strs_add(&work->hosts, other->storage.items[0]);
        }
    }
    work->exec.hosts = &work->hosts;
    work->exec.renewal = op->id;
    work->peer = mem_strdup(node->storage.items[0]);
    work->exec.peer = work->peer;
    return true;
}

static bool set_peer(struct op_work *work, const struct store *store, struct id id)
{
    const struct store_node *peer = store_node(store, id);

    if (peer == NULL) {
        return false;
    }
    work->peer = mem_strdup(peer->storage.items[0]);
    work->exec.peer = work->peer;
    return true;
}

bool op_work_init(struct op_work *work, const struct store *store, struct id op_id, const struct engine_step *step)
{
    const struct store_operation *op = store_operation(store, op_id);
    const struct store_node *node = store_node(store, step->node);

    memset(work, 0, sizeof(*work));
    if (op == NULL || node == NULL) {
        return false;
    }
    work->host = mem_strdup(node->manage.items[0]);
    work->exec.kind = step->kind;
    work->exec.host = work->host;
    work->exec.node = node->id;
    work->exec.op_id = op_id;
    switch (step->kind) {
    case EXEC_BRICK_CREATE:
    case EXEC_BRICK_SYNC:
    case EXEC_BRICK_DESTROY:
        return set_brick(work, store, op, step->object);
    case EXEC_VOLUME_CREATE:
    case EXEC_VOLUME_DELETE:
        work->exec.undo = op->type != STORE_OP_DELETE_VOLUME;
        return set_volume(work, store, op, step->object);
    case EXEC_BLOCK_CREATE:
    case EXEC_BLOCK_EXPAND:
    case EXEC_BLOCK_LOOK:
    case EXEC_BLOCK_DELETE:
        return set_block(work, store, op, step);
    case EXEC_VOLUME_EXPAND:
    case EXEC_VOLUME_LOOK:
    case EXEC_VOLUME_CLONE:
    case EXEC_CLONE_START:
    case EXEC_SNAPSHOT_DELETE:
    case EXEC_VOLUME_CHECK:
        return set_made(work, store, op, step);
    case EXEC_REBALANCE_START:
    case EXEC_REBALANCE_STATUS:
        return set_volume(work, store, op, step->object);
    case EXEC_NODE_RENEW:
        return set_node(work, store, op, node);
    case EXEC_DEVICE_LOST:
    case EXEC_DEVICE_RENEW:
        return set_renewal(work, store, op);
    case EXEC_BRICK_RESET:
        return set_renewed(work, store, op, step->object);
    case EXEC_HEAL_CHECK:
    case EXEC_BRICK_REPLACE:
    case EXEC_BRICK_UNREPLACED:
    case EXEC_HEAL_WAIT:
        if (replaces_device(op)) {
            return set_renewed(work, store, op, step->object);
        }
        return set_evict(work, store, op, step);
    case EXEC_DEVICE_SETUP:
    case EXEC_DEVICE_TEARDOWN:
    case EXEC_DEVICE_LOOK:
        return set_device(work, store, step->object);
    case EXEC_PEER_PROBE:
    case EXEC_PEER_DETACH:
    case EXEC_PEER_FORGET:
        work->exec.force = op->force;
        return set_peer(work, store, step->object);
    case EXEC_GLUSTERD_CHECK:
    case EXEC_FENCE:
    case EXEC_INVENTORY:
        break;
    }
    return true;
}

void op_work_fini(struct op_work *work)
{
    for (size_t i = 0; i < work->exec.n_bricks; i++) {
        free(work->storage_hosts[i]);
    }
    free(work->storage_hosts);
    free(work->bricks);
    store_brick_fini(&work->brick);
    for (size_t i = 0; i < work->exec.known.n; i++) {
        store_brick_fini(&work->known[i]);
        free(work->known_hosts[i]);
    }
    free(work->known);
    free(work->known_hosts);
    free(work->known_items);
    store_strs_fini(&work->silent);
    for (size_t i = 0; i < 2; i++) {
        store_brick_fini(&work->moving[i]);
        free(work->moving_hosts[i]);
    }
    if (work->exec.volume != NULL) {
        store_volume_fini(&work->volume);
    }
    if (work->exec.device != NULL) {
        store_device_fini(&work->device);
    }
    if (work->exec.block != NULL) {
        store_block_volume_fini(&work->block);
    }
    store_strs_fini(&work->hosts);
    free(work->host);
    free(work->peer);
    free(work->source);
    memset(work, 0, sizeof(*work));
}

/* Block volumes: create (with a hosting volume, when none has room), expand, delete. What one takes of its hosting
 * volume is reserved at the begin: a new one is charged from then on, an expand charges its new total. */
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "store/store_priv.h"

bool hosting_being_made(const struct store *store)
{
    struct op_entry *op;

    TREE_EACH (op, op_tree, &store->ops, by_id) {
        const struct volume_entry *volume = NULL;

        if (op->rec.type == STORE_OP_CREATE_BLOCK || op->rec.type == STORE_OP_CREATE_VOLUME) {
            volume = op_volume(store, &op->rec);
        }
        if (volume != NULL && volume->rec.block) {
            return true;
        }
    }
    return false;
}

struct block_entry *find_repeated_block(const struct store *store, const char *name, struct id fingerprint)
{
    struct volume_entry *volume;

    if (id_is_none(fingerprint)) {
        return NULL;
    }
    TREE_EACH (volume, volume_tree, &store->volumes, by_id) {
        struct block_entry *block = find_block_name(volume, name);

        if (block != NULL && id_equal(block->rec.fingerprint, fingerprint) &&
            !pending_by(store, block->rec.pending, STORE_OP_DELETE_BLOCK)) {
            return block;
        }
    }
    return NULL;
}

/* ---- create ---- */

static enum store_code check_new_hosting(const struct store *store, const struct store_cmd *cmd,
                                         struct store_result *result)
{
    const struct store_volume *volume = &cmd->volume;

    if (!volume->block || !id_equal(cmd->block.hosting, volume->id) ||
        cmd->block.size_gib > volume->size_gib - store_block_reserve_gib(volume->size_gib)) {
        return refuse(result, STORE_BAD_REQUEST, "The new hosting volume is not fit for the block volume");
    }
    if (hosting_being_made(store)) {
        return refuse(result, STORE_TOO_BUSY, TEXT_BUSY);
    }
    return check_new_volume(store, cmd, result);
}

static enum store_code check_hosting(const struct store *store, const struct store_block_volume *block,
                                     struct store_result *result)
{
    const struct volume_entry *hosting = find_volume(store, block->hosting);

    if (hosting == NULL || !hosting->rec.block || !id_is_none(hosting->rec.pending) ||
        hosting->rec.restriction != STORE_UNRESTRICTED || !hosting->cluster->rec.block ||
        find_block_name(hosting, block->name) != NULL || block->size_gib > hosting_free_gib(hosting)) {
        return refuse(result, STORE_STALE_PLAN, "The hosting volume has changed");
    }
    return STORE_OK;
}

enum store_code check_block_create(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct store_block_volume *block = &cmd->block;
    const struct block_entry *repeated = find_repeated_block(store, block->name, block->fingerprint);

    if (repeated != NULL) { /* two equal requests met between plan and apply */
        if (find_op(store, repeated->rec.created_by) == NULL && find_job(store, repeated->rec.created_by) == NULL) {
            return refuse(result, STORE_STALE_PLAN, "The block volume exists"); /* a new plan makes a job for it */
        }
        result->id = repeated->rec.id;
        result->op_id = repeated->rec.created_by;
        return STORE_REPEATED;
    }
    if (id_is_none(block->id) || find_block(store, block->id) != NULL) {
        return refuse(result, STORE_CONFLICT, "Block volume id %s is in use", id_text(block->id).text);
    }
    if (block->size_gib == 0 || block->name[0] == '\0') {
        return refuse(result, STORE_BAD_REQUEST, "A block volume needs a size and a name");
    }
    return id_is_none(cmd->volume.id) ? check_hosting(store, block, result) : check_new_hosting(store, cmd, result);
}

void commit_block_create(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct store_block_volume block = cmd->block;

    (void)index;
    if (!id_is_none(cmd->volume.id)) {
        commit_new_volume(store, &cmd->volume, cmd->op_id);
    }
    block.usable_gib = block.size_gib;
    block.new_gib = 0;
    block.hosts = (struct store_strs){NULL, 0};
    block.pending = cmd->op_id;
    block.created_by = cmd->op_id;
    CHECK(insert_block(store, &block, NULL) == 0);
}

/* ---- delete ---- */

static void set_pending(struct store *store, struct id id, struct id op_id, uint32_t new_gib)
{
    struct block_entry *block = find_block(store, id);
    struct store_block_volume next = block->rec;

    next.pending = op_id;
    next.new_gib = new_gib;
    update_block(store, block, &next);
}

enum store_code check_block_delete(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct block_entry *block = find_block(store, cmd->target);

    if (block == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (!id_is_none(block->rec.pending)) {
        return refuse(result, STORE_IN_USE, "Failed to set up block volume delete: " TEXT_IN_USE);
    }
    return STORE_OK;
}

void commit_block_delete(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    set_pending(store, cmd->target, cmd->op_id, 0);
}

/* ---- expand ---- */

#define EXPAND_PREFIX "Failed to allocate block volume expansion: "

enum store_code check_block_expand(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct block_entry *block = find_block(store, cmd->target);
    uint32_t size_gib, new_gib = cmd->block.new_gib;

    if (block == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    size_gib = block->rec.size_gib;
    if (!id_is_none(block->rec.pending) || !id_is_none(block->hosting->rec.pending)) {
        return refuse(result, STORE_IN_USE, EXPAND_PREFIX TEXT_IN_USE);
    }
    if (new_gib == size_gib && block->rec.usable_gib == size_gib) {
        return refuse(result, STORE_NO_ALLOCATION,
                      EXPAND_PREFIX
                      "Requested new-size %u is same as current block volume size %u, nothing to be done.",
                      new_gib, size_gib);
    }
    if (new_gib < size_gib) {
        return refuse(result, STORE_NO_ALLOCATION,
                      EXPAND_PREFIX
                      "Requested new-size %u is less than current block volume size %u, shrinking is not allowed.",
                      new_gib, size_gib);
    }
    if (new_gib - size_gib > hosting_free_gib(block->hosting)) {
        return refuse(result, STORE_NO_ALLOCATION, EXPAND_PREFIX "No space");
    }
    return STORE_OK;
}

void commit_block_expand(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    set_pending(store, cmd->target, cmd->op_id, cmd->block.new_gib);
}

/* ---- end ---- */

static const struct store_node *find_exporter(const struct store *store, struct id cluster, const char *host)
{
    const struct store_node *node = NULL;

    while ((node = store_cluster_node_next(store, cluster, node)) != NULL) {
        for (size_t i = 0; i < node->storage.n; i++) {
            if (strcmp(node->storage.items[i], host) == 0) {
                return node;
            }
        }
    }
    return NULL;
}

/* One node says who exports it, and clients will go there: it must be different nodes of the cluster. */
static enum store_code check_exporters(const struct store *store, const struct block_entry *block,
                                       const struct store_strs *hosts, struct store_result *result)
{
    const struct store_node *nodes[HOSTS_MAX];

    for (size_t i = 0; i < hosts->n; i++) {
        nodes[i] = find_exporter(store, block->hosting->rec.cluster, hosts->items[i]);
        if (nodes[i] == NULL) {
            return refuse(result, STORE_BAD_REQUEST,
                          "gluster-block says that %.100s exports block volume %.100s, which is no node of the cluster",
                          hosts->items[i], block->rec.name);
        }
        for (size_t j = 0; j < i; j++) {
            if (nodes[i] == nodes[j]) {
                return refuse(result, STORE_BAD_REQUEST,
                              "gluster-block says twice that %.100s exports block volume %.100s", hosts->items[i],
                              block->rec.name);
            }
        }
    }
    return STORE_OK;
}

/* Under the name of another one's target clients would write on that. (Pretended nodes give none that is a name.) */
static enum store_code check_target_name(const struct store *store, const struct block_entry *block, const char *iqn,
                                         struct store_result *result)
{
    struct block_entry *other;

    if (strncmp(iqn, "iqn.", 4) != 0) {
        return STORE_OK;
    }
    TREE_EACH (other, block_tree, &store->blocks, by_id) {
        if (other != block && strcmp(other->rec.iqn, iqn) == 0) {
            return refuse(result, STORE_CONFLICT,
                          "gluster-block gives block volume %.100s the name of another one's target: %.200s",
                          block->rec.name, iqn);
        }
    }
    return STORE_OK;
}

enum store_code check_block_end(const struct store *store, const struct op_entry *op, const struct store_cmd *cmd,
                                struct store_result *result)
{
    const struct block_entry *block = find_block(store, op->rec.target);

    if (op->rec.type == STORE_OP_CREATE_BLOCK && !cmd->failed && cmd->block.hosts.n > HOSTS_MAX) {
        return refuse(result, STORE_BAD_REQUEST, "A block volume exported by %zu hosts", cmd->block.hosts.n);
    }
    if (op->rec.type == STORE_OP_CREATE_BLOCK && !cmd->failed && store_level(store) >= 2 &&
        (check_exporters(store, block, &cmd->block.hosts, result) != STORE_OK ||
         check_target_name(store, block, cmd->block.iqn, result) != STORE_OK)) {
        return result->code;
    }
    if (op->rec.type == STORE_OP_EXPAND_BLOCK && !cmd->failed && cmd->block.size_gib > 0 &&
        cmd->block.size_gib < block->rec.new_gib) {
        return refuse(result, STORE_BAD_REQUEST, "The block volume has %u GiB instead of %u", cmd->block.size_gib,
                      block->rec.new_gib);
    }
    return STORE_OK;
}

static void end_create(struct store *store, const struct op_entry *op, struct block_entry *block,
                       const struct store_cmd *cmd)
{
    struct volume_entry *made = op_volume(store, &op->rec);
    struct store_block_volume next = block->rec;

    if (cmd->failed) {
        remove_block(store, block);
    } else { /* what the nodes said */
        next.pending = ID_NONE;
        next.iqn = cmd->block.iqn;
        next.user = cmd->block.user;
        next.password = cmd->block.password;
        next.hosts = cmd->block.hosts;
        next.ha_count = (uint32_t)cmd->block.hosts.n;
        update_block(store, block, &next);
    }
    if (made != NULL) {
        end_volume(store, made, cmd->failed);
    }
}

/* A failed one may have grown on the nodes all the same, and there it cannot shrink again: the size is what they say.
 */
static void end_expand(struct store *store, struct block_entry *block, const struct store_cmd *cmd)
{
    struct store_block_volume next = block->rec;

    if (!cmd->failed || cmd->block.size_gib >= next.new_gib) {
        next.size_gib = next.new_gib;
        next.usable_gib =
            cmd->block.usable_gib > 0 && cmd->block.usable_gib < next.size_gib ? cmd->block.usable_gib : next.size_gib;
    }
    next.new_gib = 0;
    next.pending = ID_NONE;
    update_block(store, block, &next);
}

void commit_block_end(struct store *store, const struct op_entry *op, const struct store_cmd *cmd)
{
    struct block_entry *block = find_block(store, op->rec.target);

    switch (op->rec.type) {
    case STORE_OP_CREATE_BLOCK:
        end_create(store, op, block, cmd);
        break;
    case STORE_OP_EXPAND_BLOCK:
        end_expand(store, block, cmd);
        break;
    default:
        if (cmd->failed) {
            set_pending(store, op->rec.target, ID_NONE, 0);
        } else {
            remove_block(store, block);
        }
        break;
    }
}

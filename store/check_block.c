/* store_check, as far as block volumes are concerned: beside check.c. */
#include "store/store_priv.h"

#define BROKEN(what, id, why) err_set(reterr, E_DAMAGED, "%s %s: %s", (what), id_text(id).text, (why))

static bool pending_ok(const struct store *store, const struct block_entry *block)
{
    const struct op_entry *op = find_op(store, block->rec.pending);

    if (op == NULL) {
        return id_is_none(block->rec.pending);
    }
    return id_equal(op->rec.target, block->rec.id) &&
           (op->rec.type == STORE_OP_CREATE_BLOCK || op->rec.type == STORE_OP_EXPAND_BLOCK ||
            op->rec.type == STORE_OP_DELETE_BLOCK);
}

/* In all lists of what is shown, or in none. */
static bool is_listed(const struct store *store, const struct block_entry *block)
{
    const struct ids *const lists[] = {&store->shown_blocks, &block->hosting->cluster->shown_blocks,
                                       &block->hosting->shown_blocks};

    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        if (ids_has(lists[i], block->rec.id) != block->shown) {
            return false;
        }
    }
    return true;
}

int check_block(const struct store *store, const struct record_set *set, const struct block_entry *block,
                struct err *reterr)
{
    const struct volume_entry *hosting = find_volume(store, block->rec.hosting);
    bool expanding = pending_by(store, block->rec.pending, STORE_OP_EXPAND_BLOCK);
    int rc = check_record(set, &block->record, KIND_BLOCK_VOLUME, &block->rec, reterr);

    if (rc != 0) {
        return rc;
    }
    if (hosting == NULL || hosting != block->hosting || !hosting->rec.block ||
        find_block_name(hosting, block->rec.name) != block) {
        return BROKEN("block volume", block->rec.id, "its hosting volume or its name is not its own");
    }
    if (!pending_ok(store, block)) {
        return BROKEN("block volume", block->rec.id, "pending without an operation");
    }
    if (block->rec.size_gib == 0 || block->rec.usable_gib > block->rec.size_gib || block->rec.name[0] == '\0' ||
        (expanding ? block->rec.new_gib < block->rec.size_gib : block->rec.new_gib != 0)) {
        return BROKEN("block volume", block->rec.id, "its name or its sizes are not valid");
    }
    if (block->shown != (id_is_none(block->rec.pending) || expanding) || !is_listed(store, block)) {
        return BROKEN("block volume", block->rec.id,
                      "it is shown though an operation makes or deletes it, or the reverse");
    }
    return check_held_block(store, block, reterr);
}

int check_hosting_room(const struct volume_entry *volume, struct err *reterr)
{
    const struct store_volume *rec = &volume->rec;

    if (rec->block ? rec->reserved_gib + volume->blocks_gib > rec->size_gib
                   : !RB_EMPTY(&volume->blocks) || rec->reserved_gib > 0 || rec->restriction != STORE_UNRESTRICTED) {
        return BROKEN("volume", rec->id, "its block volumes and its reserve are more than it has");
    }
    return 0;
}

static int check_hosted(const struct volume_entry *volume, struct err *reterr)
{
    uint64_t sum_gib = 0;
    size_t n = 0, n_names = 0, n_shown = 0;
    struct block_entry *block;

    TREE_EACH (block, hosted_tree, &volume->blocks, hosted) {
        sum_gib += block_charge_gib(&block->rec);
        n += block->hosting == volume ? 1 : 0;
        n_shown += block->shown;
    }
    TREE_EACH (block, hosted_name_tree, &volume->block_names, by_name) {
        n_names += block->hosting == volume ? 1 : 0;
    }
    if (n != n_names || n_shown != volume->shown_blocks.n || sum_gib != volume->blocks_gib) {
        return BROKEN("volume", volume->rec.id, "its block volumes are not counted right");
    }
    return check_hosting_room(volume, reterr);
}

int check_blocks(const struct store *store, const struct record_set *set, struct err *reterr)
{
    size_t n = 0, n_in_clusters = 0, n_shown = 0, n_shown_there = 0;
    struct block_entry *block;
    struct volume_entry *volume;
    struct cluster_entry *cluster;

    TREE_EACH (block, block_tree, &store->blocks, by_id) {
        int rc = check_block(store, set, block, reterr);

        if (rc != 0) {
            return rc;
        }
        n_shown += block->shown;
        n_in_clusters += RB_FIND(cluster_block_tree, &block->hosting->cluster->blocks, block) == block ? 1 : 0;
        n++;
    }
    TREE_EACH (volume, volume_tree, &store->volumes, by_id) {
        int rc = check_hosted(volume, reterr);

        if (rc != 0) {
            return rc;
        }
    }
    TREE_EACH (cluster, cluster_tree, &store->clusters, by_id) {
        n_shown_there += cluster->shown_blocks.n;
    }
    if (n != store->counts.block_volumes || n_in_clusters != n || n_shown != store->shown_blocks.n ||
        n_shown_there != n_shown) {
        return err_set(reterr, E_DAMAGED, "block volumes are not counted right");
    }
    return 0;
}

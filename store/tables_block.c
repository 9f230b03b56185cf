/* The table of block volumes: beside tables.c, of which it is a part. */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store_priv.h"

static int block_cmp(const struct block_entry *a, const struct block_entry *b)
{
    return id_cmp(&a->rec.id, &b->rec.id);
}

static int block_name_cmp(const struct block_entry *a, const struct block_entry *b)
{
    return strcmp(a->rec.name, b->rec.name);
}

RB_GENERATE(block_tree, block_entry, by_id, block_cmp);
RB_GENERATE(cluster_block_tree, block_entry, in_cluster, block_cmp);
RB_GENERATE(hosted_tree, block_entry, hosted, block_cmp);
RB_GENERATE(hosted_name_tree, block_entry, by_name, block_name_cmp);

uint32_t block_charge_gib(const struct store_block_volume *block)
{
    return block->new_gib > block->size_gib ? block->new_gib : block->size_gib;
}

uint32_t hosting_free_gib(const struct volume_entry *volume)
{
    uint64_t taken_gib = volume->rec.reserved_gib + volume->blocks_gib;

    return volume->rec.block && volume->rec.size_gib > taken_gib ? (uint32_t)(volume->rec.size_gib - taken_gib) : 0;
}

bool store_block_volume_shown(const struct store_block_volume *block)
{
    return id_is_none(block->pending) || block->new_gib > 0;
}

/* In the lists of what is shown, or not. */
static void show_block(struct store *store, struct block_entry *entry, bool shown)
{
    struct ids *const lists[] = {&store->shown_blocks, &entry->hosting->cluster->shown_blocks,
                                 &entry->hosting->shown_blocks};

    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists) && shown != entry->shown; i++) {
        (shown ? ids_add : ids_remove)(lists[i], entry->rec.id);
    }
    entry->shown = shown;
}

int insert_block(struct store *store, const struct store_block_volume *rec, struct err *reterr)
{
    struct volume_entry *hosting = find_volume(store, rec->hosting);
    const char *why = NULL;
    struct block_entry *entry;

    if (id_is_none(rec->id) || find_block(store, rec->id) != NULL) {
        why = "no id, or twice";
    } else if (hosting == NULL || !hosting->rec.block) {
        why = "its hosting volume does not exist, or hosts nothing";
    } else if (find_block_name(hosting, rec->name) != NULL) {
        why = "its name is in use";
    } else if (block_charge_gib(rec) > hosting_free_gib(hosting)) {
        why = "its hosting volume has no room for it";
    }
    if (why != NULL) {
        return err_set(reterr, E_DAMAGED, "block volume %s: %s", id_text(rec->id).text, why);
    }
    CHECK(hosting != NULL); /* or there is a reason */
    entry = mem_calloc(1, sizeof(*entry));
    entry->hosting = hosting;
    update_block(store, entry, rec);
    RB_INSERT(block_tree, &store->blocks, entry);
    RB_INSERT(cluster_block_tree, &hosting->cluster->blocks, entry);
    RB_INSERT(hosted_tree, &hosting->blocks, entry);
    RB_INSERT(hosted_name_tree, &hosting->block_names, entry);
    store->counts.block_volumes++;
    return 0;
}

void update_block(struct store *store, struct block_entry *entry, const struct store_block_volume *next)
{
    entry->hosting->blocks_gib -= block_charge_gib(&entry->rec); /* 0 of a new entry */
    record_store(&store->records, KIND_BLOCK_VOLUME, &entry->record, &entry->rec, next);
    entry->hosting->blocks_gib += block_charge_gib(&entry->rec);
    show_block(store, entry, store_block_volume_shown(&entry->rec));
}

void remove_block(struct store *store, struct block_entry *entry)
{
    struct volume_entry *hosting = entry->hosting;

    show_block(store, entry, false);
    hosting->blocks_gib -= block_charge_gib(&entry->rec);
    RB_REMOVE(block_tree, &store->blocks, entry);
    RB_REMOVE(cluster_block_tree, &hosting->cluster->blocks, entry);
    RB_REMOVE(hosted_tree, &hosting->blocks, entry);
    RB_REMOVE(hosted_name_tree, &hosting->block_names, entry);
    store->counts.block_volumes--;
    record_drop(&store->records, &entry->record);
    free(entry);
}

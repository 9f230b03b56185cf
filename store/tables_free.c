/* A store's beginning and end, and the end of all that a load can bring: beside tables.c, of which it is a part. */
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/load.h"
#include "store/store_priv.h"

struct store *store_new(void)
{
    struct store *store = mem_calloc(1, sizeof(*store));

    record_set_init(&store->records);
    store->bricks.seed = (uintptr_t)store;
    return store;
}

static void free_one(struct store *store)
{
    while (!RB_EMPTY(&store->ops)) {
        remove_op(store, RB_ROOT(&store->ops));
    }
    while (!RB_EMPTY(&store->blocks)) {
        remove_block(store, RB_ROOT(&store->blocks));
    }
    while (!RB_EMPTY(&store->volumes)) {
        remove_volume(store, RB_ROOT(&store->volumes));
    }
    while (!RB_EMPTY(&store->devices)) {
        remove_device(store, RB_ROOT(&store->devices));
    }
    while (!RB_EMPTY(&store->nodes)) {
        remove_node(store, RB_ROOT(&store->nodes));
    }
    while (!RB_EMPTY(&store->clusters)) {
        remove_cluster(store, RB_ROOT(&store->clusters));
    }
    while (!RB_EMPTY(&store->jobs)) {
        remove_job(store, RB_ROOT(&store->jobs));
    }
    while (!RB_EMPTY(&store->keys)) {
        remove_key(store, RB_ROOT(&store->keys));
    }
    if (store->settings.record.blob != NULL) {
        record_drop(&store->records, &store->settings.record);
    }
    CHECK(store->records.n == 0 && store->shown.n == 0 && store->shown_blocks.n == 0);
    ids_fini(&store->shown);
    ids_fini(&store->shown_blocks);
    record_set_fini(&store->records);
    free(store);
}

void store_free(struct store *store)
{
    while (store != NULL) {
        struct store *gone = store_take_gone(store);

        free_one(store);
        store = gone;
    }
}

struct store *store_take_gone(struct store *store)
{
    return TAKE_PTR(store->gone);
}

/* Jobs, request keys and settings stay. */
static void keep_the_rest(struct store *store, struct record_set *from)
{
    struct job_entry *job;
    struct key_entry *key;

    TREE_EACH (job, job_tree, &store->jobs, by_id) {
        record_move(from, &store->records, &job->record);
    }
    TREE_EACH (key, key_tree, &store->keys, by_key) {
        record_move(from, &store->records, &key->record);
    }
    if (store->settings.record.blob != NULL) {
        record_move(from, &store->records, &store->settings.record);
    }
}

void take_content(struct store *store)
{
    struct store *gone;

    if (store_is_empty(store)) {
        return;
    }
    gone = mem_calloc(1, sizeof(*gone));
    *gone = (struct store){.records = store->records,
                           .clusters = store->clusters,
                           .nodes = store->nodes,
                           .manage_hosts = store->manage_hosts,
                           .storage_hosts = store->storage_hosts,
                           .devices = store->devices,
                           .volumes = store->volumes,
                           .untold = store->untold,
                           .blocks = store->blocks,
                           .bricks = store->bricks,
                           .ops = store->ops,
                           .ops_by_age = store->ops_by_age,
                           .n_taken_over = store->n_taken_over,
                           .counts = store->counts,
                           .shown = store->shown,
                           .shown_blocks = store->shown_blocks,
                           .gone = store->gone};
    RB_INIT(&store->clusters);
    RB_INIT(&store->nodes);
    RB_INIT(&store->manage_hosts);
    RB_INIT(&store->storage_hosts);
    RB_INIT(&store->devices);
    RB_INIT(&store->volumes);
    RB_INIT(&store->untold);
    RB_INIT(&store->blocks);
    RB_INIT(&store->ops);
    RB_INIT(&store->ops_by_age);
    store->bricks = (struct brick_index){.seed = gone->bricks.seed};
    store->counts = (struct store_counts){.jobs = gone->counts.jobs};
    memset(store->n_ops, 0, sizeof(store->n_ops));
    store->n_taken_over = 0;
    store->shown = store->shown_blocks = (struct ids)IDS_INIT;
    store->gone = gone;
    record_set_init(&store->records);
    keep_the_rest(store, &gone->records);
}

/* The tables: inserting, updating and removing entries with all their indexes. What may be inserted is decided by the
 * rules (apply) or by the checks here (snapshots). */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "store/store_priv.h"

static int cluster_cmp(const struct cluster_entry *a, const struct cluster_entry *b)
{
    return id_cmp(&a->rec.id, &b->rec.id);
}

static int node_cmp(const struct node_entry *a, const struct node_entry *b)
{
    return id_cmp(&a->rec.id, &b->rec.id);
}

static int host_cmp(const struct host_entry *a, const struct host_entry *b)
{
    return strcmp(a->name, b->name);
}

static int device_cmp(const struct device_entry *a, const struct device_entry *b)
{
    return id_cmp(&a->rec.id, &b->rec.id);
}

static int volume_cmp(const struct volume_entry *a, const struct volume_entry *b)
{
    return id_cmp(&a->rec.id, &b->rec.id);
}

static int name_cmp(const struct volume_entry *a, const struct volume_entry *b)
{
    return strcmp(a->rec.name, b->rec.name);
}

static int brick_cmp(const struct brick_entry *a, const struct brick_entry *b)
{
    return id_cmp(&brick_of(a)->id, &brick_of(b)->id);
}

static int pool_cmp(const struct brick_entry *a, const struct brick_entry *b)
{
    int c = pool_cmp_to(a->pool_tag, brick_of(a)->pool, b);

    return c != 0 ? c : brick_cmp(a, b);
}

static int op_cmp(const struct op_entry *a, const struct op_entry *b)
{
    return id_cmp(&a->rec.id, &b->rec.id);
}

static int op_age_cmp(const struct op_entry *a, const struct op_entry *b)
{
    if (a->begun != b->begun) {
        return a->begun < b->begun ? -1 : 1;
    }
    return op_cmp(a, b);
}

static int job_cmp(const struct job_entry *a, const struct job_entry *b)
{
    return id_cmp(&a->rec.id, &b->rec.id);
}

static int time_cmp(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int job_end_cmp(const struct job_entry *a, const struct job_entry *b)
{
    int c = time_cmp(a->rec.ended_ms, b->rec.ended_ms);

    return c != 0 ? c : job_cmp(a, b);
}

static int key_cmp(const struct key_entry *a, const struct key_entry *b)
{
    return strcmp(a->rec.key, b->rec.key);
}

static int key_op_cmp(const struct key_entry *a, const struct key_entry *b)
{
    int c = id_cmp(&a->rec.op_id, &b->rec.op_id);

    c = c != 0 ? c : time_cmp(a->rec.time_ms, b->rec.time_ms);
    return c != 0 ? c : key_cmp(a, b);
}

RB_GENERATE(cluster_tree, cluster_entry, by_id, cluster_cmp);
RB_GENERATE(node_tree, node_entry, by_id, node_cmp);
RB_GENERATE(cluster_node_tree, node_entry, in_cluster, node_cmp);
RB_GENERATE(host_tree, host_entry, by_name, host_cmp);
RB_GENERATE(device_tree, device_entry, by_id, device_cmp);
RB_GENERATE(node_device_tree, device_entry, in_node, device_cmp);
RB_GENERATE(volume_tree, volume_entry, by_id, volume_cmp);
RB_GENERATE(cluster_volume_tree, volume_entry, in_cluster, volume_cmp);
RB_GENERATE(name_tree, volume_entry, by_name, name_cmp);
RB_GENERATE(device_brick_tree, brick_entry, in_device, brick_cmp);
RB_GENERATE(device_pool_tree, brick_entry, in_pools, pool_cmp);
RB_GENERATE(op_tree, op_entry, by_id, op_cmp);
RB_GENERATE(op_age_tree, op_entry, by_age, op_age_cmp);
RB_GENERATE(job_tree, job_entry, by_id, job_cmp);
RB_GENERATE(job_end_tree, job_entry, by_end, job_end_cmp);
RB_GENERATE(key_tree, key_entry, by_key, key_cmp);
RB_GENERATE(key_op_tree, key_entry, by_op, key_op_cmp);

static int damaged(struct err *reterr, const char *what, struct id id, const char *why)
{
    return err_set(reterr, E_DAMAGED, "%s %s: %s", what, id_text(id).text, why);
}

/* ---- clusters ---- */

int insert_cluster(struct store *store, const struct store_cluster *rec, struct err *reterr)
{
    struct cluster_entry *entry;

    if (id_is_none(rec->id) || find_cluster(store, rec->id) != NULL) {
        return damaged(reterr, "cluster", rec->id, "no id, or twice");
    }
    entry = mem_calloc(1, sizeof(*entry));
    update_cluster(store, entry, rec);
    RB_INSERT(cluster_tree, &store->clusters, entry);
    store->counts.clusters++;
    return 0;
}

void update_cluster(struct store *store, struct cluster_entry *entry, const struct store_cluster *next)
{
    record_store(&store->records, KIND_CLUSTER, &entry->record, &entry->rec, next);
}

void remove_cluster(struct store *store, struct cluster_entry *entry)
{
    CHECK(RB_EMPTY(&entry->nodes) && RB_EMPTY(&entry->volumes));
    ids_fini(&entry->shown);
    ids_fini(&entry->shown_blocks);
    RB_REMOVE(cluster_tree, &store->clusters, entry);
    store->counts.clusters--;
    record_drop(&store->records, &entry->record);
    free(entry);
}

/* ---- nodes ---- */

static struct host_tree *hosts_of(struct store *store, const struct node_entry *entry, size_t i)
{
    return i < entry->rec.manage.n ? &store->manage_hosts : &store->storage_hosts;
}

/* The names live in the record's arena, so they leave the indexes before it changes and come back afterwards. */
static void unlink_hosts(struct store *store, struct node_entry *entry)
{
    size_t n = entry->hosts != NULL ? entry->rec.manage.n + entry->rec.storage.n : 0;

    for (size_t i = 0; i < n; i++) {
        if (entry->hosts[i].linked) {
            RB_REMOVE(host_tree, hosts_of(store, entry, i), &entry->hosts[i]);
        }
    }
    free(entry->hosts);
    entry->hosts = NULL;
}

static void link_hosts(struct store *store, struct node_entry *entry)
{
    size_t n_manage = entry->rec.manage.n;
    size_t n = n_manage + entry->rec.storage.n;

    entry->hosts = mem_calloc(n, sizeof(*entry->hosts));
    for (size_t i = 0; i < n; i++) {
        struct host_entry *host = &entry->hosts[i];

        host->name = i < n_manage ? entry->rec.manage.items[i] : entry->rec.storage.items[i - n_manage];
        host->node = entry;
        host->linked = RB_INSERT(host_tree, hosts_of(store, entry, i), host) == NULL;
    }
}

static bool hosts_free(const struct host_tree *tree, const struct store_strs *names)
{
    for (size_t i = 0; i < names->n; i++) {
        if (find_host(tree, names->items[i]) != NULL) {
            return false;
        }
    }
    return names->n > 0;
}

int insert_node(struct store *store, const struct store_node *rec, struct err *reterr)
{
    struct cluster_entry *cluster = find_cluster(store, rec->cluster);
    struct node_entry *entry;

    if (id_is_none(rec->id) || find_node(store, rec->id) != NULL) {
        return damaged(reterr, "node", rec->id, "no id, or twice");
    }
    if (cluster == NULL) {
        return damaged(reterr, "node", rec->id, "its cluster does not exist");
    }
    if (!hosts_free(&store->manage_hosts, &rec->manage) || !hosts_free(&store->storage_hosts, &rec->storage)) {
        return damaged(reterr, "node", rec->id, "without host names, or they belong to another node");
    }
    entry = mem_calloc(1, sizeof(*entry));
    entry->cluster = cluster;
    update_node(store, entry, rec);
    RB_INSERT(node_tree, &store->nodes, entry);
    RB_INSERT(cluster_node_tree, &cluster->nodes, entry);
    store->counts.nodes++;
    return 0;
}

void update_node(struct store *store, struct node_entry *entry, const struct store_node *next)
{
    unlink_hosts(store, entry);
    record_store(&store->records, KIND_NODE, &entry->record, &entry->rec, next);
    link_hosts(store, entry);
}

void remove_node(struct store *store, struct node_entry *entry)
{
    CHECK(RB_EMPTY(&entry->devices));
    unlink_hosts(store, entry);
    RB_REMOVE(node_tree, &store->nodes, entry);
    RB_REMOVE(cluster_node_tree, &entry->cluster->nodes, entry);
    store->counts.nodes--;
    record_drop(&store->records, &entry->record);
    free(entry);
}

/* ---- devices ---- */

int insert_device(struct store *store, const struct store_device *rec, struct err *reterr)
{
    struct node_entry *node = find_node(store, rec->node);
    struct device_entry *entry;

    if (id_is_none(rec->id) || find_device(store, rec->id) != NULL) {
        return damaged(reterr, "device", rec->id, "no id, or twice");
    }
    if (node == NULL) {
        return damaged(reterr, "device", rec->id, "its node does not exist");
    }
    entry = mem_calloc(1, sizeof(*entry));
    entry->node = node;
    update_device(store, entry, rec);
    RB_INSERT(device_tree, &store->devices, entry);
    RB_INSERT(node_device_tree, &node->devices, entry);
    store->counts.devices++;
    return 0;
}

void update_device(struct store *store, struct device_entry *entry, const struct store_device *next)
{
    record_store(&store->records, KIND_DEVICE, &entry->record, &entry->rec, next);
}

void remove_device(struct store *store, struct device_entry *entry)
{
    CHECK(entry->n_charged == 0);
    RB_REMOVE(device_tree, &store->devices, entry);
    RB_REMOVE(node_device_tree, &entry->node->devices, entry);
    store->counts.devices--;
    record_drop(&store->records, &entry->record);
    free(entry->metas);
    free(entry);
}

/* ---- bricks: entries beside the array in their owner's record ---- */

/* The record has a new value, with the same bricks. */
static void follow(struct brick_entry *entries, const struct store_brick *bricks, size_t n)
{
    for (size_t i = 0; entries != NULL && i < n; i++) {
        entries[i].rec = &bricks[i];
    }
}

/* Entries for n bricks: those of a volume, or the abandoned ones of an operation; the other one is NULL. */
static struct brick_entry *link_bricks(struct store *store, struct volume_entry *volume, struct op_entry *op,
                                       const struct store_brick *bricks, size_t n)
{
    struct brick_entry *entries = n > 0 ? mem_calloc(n, sizeof(*entries)) : NULL;

    for (size_t i = 0; i < n; i++) {
        struct brick_entry *entry = &entries[i];

        *entry = (struct brick_entry){.volume = volume, .op = op, .index = (uint32_t)i, .rec = &bricks[i]};
        entry->pool_tag = pool_tag(bricks[i].pool);
        entry->device = find_device(store, brick_of(entry)->device);
        CHECK(entry->device != NULL);
        CHECK(brick_index_add(&store->bricks, entry));
        if (volume != NULL) {
            RB_INSERT(device_brick_tree, &entry->device->bricks, entry);
            entry->device->n_bricks++;
            store->counts.bricks++;
        }
        space_charge(entry);
    }
    return entries;
}

static void unlink_bricks(struct store *store, struct brick_entry **list, size_t n)
{
    struct brick_entry *entries = TAKE_PTR(*list);

    for (size_t i = 0; i < n; i++) {
        struct brick_entry *entry = &entries[i];

        space_discharge(entry);
        brick_index_remove(&store->bricks, entry);
        if (entry->volume != NULL) {
            RB_REMOVE(device_brick_tree, &entry->device->bricks, entry);
            entry->device->n_bricks--;
            store->counts.bricks--;
        }
    }
    free(entries);
}

/* ---- volumes ---- */

/* In the lists of what is shown, or not. */
static void show_volume(struct store *store, struct volume_entry *entry, bool shown)
{
    if (shown == entry->shown) {
        return;
    }
    entry->shown = shown;
    (shown ? ids_add : ids_remove)(&store->shown, entry->rec.id);
    (shown ? ids_add : ids_remove)(&entry->cluster->shown, entry->rec.id);
}

int insert_volume(struct store *store, const struct store_volume *rec, struct err *reterr)
{
    struct cluster_entry *cluster = find_cluster(store, rec->cluster);
    struct volume_entry *entry;

    if (id_is_none(rec->id) || find_volume(store, rec->id) != NULL) {
        return damaged(reterr, "volume", rec->id, "no id, or twice");
    }
    if (cluster == NULL || rec->name[0] == '\0' || find_name(cluster, rec->name) != NULL) {
        return damaged(reterr, "volume", rec->id, "its cluster does not exist, or its name is taken or empty");
    }
    if (!bricks_linkable(store, rec->bricks, rec->n_bricks)) {
        return damaged(reterr, "volume", rec->id, "a brick is on an unknown device, larger than it, or listed twice");
    }
    entry = mem_calloc(1, sizeof(*entry));
    entry->cluster = cluster;
    update_volume(store, entry, rec);
    RB_INSERT(volume_tree, &store->volumes, entry);
    RB_INSERT(cluster_volume_tree, &cluster->volumes, entry);
    RB_INSERT(name_tree, &cluster->names, entry);
    cluster->n_volumes++;
    store->counts.volumes++;
    entry->bricks = link_bricks(store, entry, NULL, entry->rec.bricks, entry->rec.n_bricks);
    return 0;
}

static void charge_made(struct store *store, struct volume_entry *entry, size_t bytes)
{
    store->counts.made_bytes += bytes - entry->made_bytes;
    entry->made_bytes = bytes;
}

void update_volume(struct store *store, struct volume_entry *entry, const struct store_volume *next)
{
    untold_leave(store, entry); /* it is found there by what the record says */
    record_store(&store->records, KIND_VOLUME, &entry->record, &entry->rec, next);
    untold_enter(store, entry);
    charge_made(store, entry, volume_is_made(&entry->rec) ? entry->record.blob->len : 0);
    follow(entry->bricks, entry->rec.bricks, entry->rec.n_bricks);
    show_volume(store, entry, id_is_none(entry->rec.pending));
}

void remove_volume(struct store *store, struct volume_entry *entry)
{
    CHECK(RB_EMPTY(&entry->blocks));
    show_volume(store, entry, false);
    charge_made(store, entry, 0);
    untold_leave(store, entry);
    ids_fini(&entry->shown_blocks);
    unlink_bricks(store, &entry->bricks, entry->rec.n_bricks);
    RB_REMOVE(volume_tree, &store->volumes, entry);
    RB_REMOVE(cluster_volume_tree, &entry->cluster->volumes, entry);
    RB_REMOVE(name_tree, &entry->cluster->names, entry);
    entry->cluster->n_volumes--;
    store->counts.volumes--;
    record_drop(&store->records, &entry->record);
    free(entry);
}

void change_bricks(struct store *store, struct volume_entry *volume, const struct store_volume *next)
{
    unlink_bricks(store, &volume->bricks, volume->rec.n_bricks);
    update_volume(store, volume, next);
    volume->bricks = link_bricks(store, volume, NULL, volume->rec.bricks, volume->rec.n_bricks);
}

/* Copies that outlive what they were copied from. */
static struct store_brick *copy_bricks(const struct store_brick *bricks, size_t n)
{
    struct store_brick *copies = mem_calloc(n, sizeof(*copies));

    for (size_t i = 0; i < n; i++) {
        store_brick_copy(&copies[i], &bricks[i]);
    }
    return copies;
}

static void free_bricks(struct store_brick *bricks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        store_brick_fini(&bricks[i]);
    }
    free(bricks);
}

void rewrite_bricks(struct store *store, struct volume_entry *volume, const struct store_volume *next,
                    struct op_entry *op, const struct store_operation *next_op)
{
    struct store_volume with_bricks = *next;
    struct store_operation with_abandoned = *next_op;

    with_bricks.bricks = copy_bricks(next->bricks, next->n_bricks);
    with_abandoned.abandoned = copy_bricks(next_op->abandoned, next_op->n_abandoned);
    unlink_bricks(store, &op->abandoned, op->rec.n_abandoned);
    unlink_bricks(store, &volume->bricks, volume->rec.n_bricks);
    update_op(store, op, &with_abandoned);
    update_volume(store, volume, &with_bricks);
    op->abandoned = link_bricks(store, NULL, op, op->rec.abandoned, op->rec.n_abandoned);
    volume->bricks = link_bricks(store, volume, NULL, volume->rec.bricks, volume->rec.n_bricks);
    free_bricks(with_bricks.bricks, with_bricks.n_bricks);
    free_bricks(with_abandoned.abandoned, with_abandoned.n_abandoned);
}

/* ---- operations, jobs, request keys ---- */

/* An operation that needs the volume to stay as it is, without hiding it. */
static void count_user(struct store *store, const struct store_operation *op, bool begins)
{
    bool clones = op->type == STORE_OP_CLONE_VOLUME;
    struct volume_entry *volume = find_volume(store, clones ? op->source : op->target);
    size_t *users;

    if (!clones && op->type != STORE_OP_EXPAND_VOLUME) {
        return;
    }
    CHECK(volume != NULL);
    users = clones ? &volume->n_clones : &volume->n_expands;
    *users += begins ? 1 : (size_t)-1;
}

static void count_op(struct store *store, const struct store_operation *rec, size_t one)
{
    bool waits = rec->n_parked > 0, limited = op_takes_place(rec);

    store->n_ops[rec->type][rec->phase] += one;
    store->n_taken_over += id_is_none(rec->answers) ? 0 : one;
    store->counts.operations += one;
    store->counts.waiting += waits ? one : 0;
    store->counts.limited += limited ? one : 0;
    store->counts.limited_waiting += waits && limited ? one : 0;
}

static bool is_queue_id(const struct store *store, struct id id)
{
    return find_op(store, id) != NULL || find_job(store, id) != NULL || find_answering(store, id) != NULL;
}

int insert_op(struct store *store, const struct store_operation *rec, struct err *reterr)
{
    struct op_entry *entry;

    if (id_is_none(rec->id) || is_queue_id(store, rec->id)) {
        return damaged(reterr, "operation", rec->id, "no id, or twice");
    }
    if (!id_is_none(rec->answers) &&
        (rec->type != STORE_OP_CREATE_VOLUME || id_equal(rec->answers, rec->id) || is_queue_id(store, rec->answers))) {
        return damaged(reterr, "operation", rec->id, "taken over though it makes no volume, or by an id of another");
    }
    if (!bricks_linkable(store, rec->abandoned, rec->n_abandoned)) {
        return damaged(reterr, "operation", rec->id, "an abandoned brick is on an unknown device, or listed twice");
    }
    if ((rec->type == STORE_OP_EXPAND_VOLUME && find_volume(store, rec->target) == NULL) ||
        (rec->type == STORE_OP_CLONE_VOLUME && find_volume(store, rec->source) == NULL)) {
        return damaged(reterr, "operation", rec->id, "its volume does not exist");
    }
    entry = mem_calloc(1, sizeof(*entry));
    record_store(&store->records, KIND_OPERATION, &entry->record, &entry->rec, rec);
    entry->begun = rec->begin_index;
    RB_INSERT(op_tree, &store->ops, entry);
    RB_INSERT(op_age_tree, &store->ops_by_age, entry);
    count_op(store, &entry->rec, 1);
    entry->abandoned = link_bricks(store, NULL, entry, entry->rec.abandoned, entry->rec.n_abandoned);
    count_user(store, &entry->rec, true);
    return 0;
}

void update_op(struct store *store, struct op_entry *entry, const struct store_operation *next)
{
    count_op(store, &entry->rec, (size_t)-1);
    record_store(&store->records, KIND_OPERATION, &entry->record, &entry->rec, next);
    count_op(store, &entry->rec, 1);
    follow(entry->abandoned, entry->rec.abandoned, entry->rec.n_abandoned);
}

void remove_op(struct store *store, struct op_entry *entry)
{
    count_user(store, &entry->rec, false);
    unlink_bricks(store, &entry->abandoned, entry->rec.n_abandoned);
    RB_REMOVE(op_tree, &store->ops, entry);
    RB_REMOVE(op_age_tree, &store->ops_by_age, entry);
    count_op(store, &entry->rec, (size_t)-1);
    record_drop(&store->records, &entry->record);
    free(entry);
}

void change_abandoned(struct store *store, struct op_entry *op, const struct store_brick *bricks, size_t n)
{
    struct store_operation next = op->rec;

    next.abandoned = (struct store_brick *)(uintptr_t)bricks;
    next.n_abandoned = n;
    unlink_bricks(store, &op->abandoned, op->rec.n_abandoned);
    update_op(store, op, &next);
    op->abandoned = link_bricks(store, NULL, op, op->rec.abandoned, n);
}

int insert_job(struct store *store, const struct store_job *rec, struct err *reterr)
{
    struct job_entry *entry;

    if (id_is_none(rec->id) || is_queue_id(store, rec->id)) {
        return damaged(reterr, "job", rec->id, "no id, or twice");
    }
    entry = mem_calloc(1, sizeof(*entry));
    record_store(&store->records, KIND_JOB, &entry->record, &entry->rec, rec);
    RB_INSERT(job_tree, &store->jobs, entry);
    RB_INSERT(job_end_tree, &store->jobs_by_end, entry);
    store->counts.jobs++;
    return 0;
}

void remove_job(struct store *store, struct job_entry *entry)
{
    RB_REMOVE(job_tree, &store->jobs, entry);
    RB_REMOVE(job_end_tree, &store->jobs_by_end, entry);
    store->counts.jobs--;
    record_drop(&store->records, &entry->record);
    free(entry);
}

int insert_key(struct store *store, const struct store_request_key *rec, struct err *reterr)
{
    struct key_entry *entry;

    if (rec->key[0] == '\0' || find_key(store, rec->key) != NULL || !id_equal(rec->id, fingerprint_key(rec->key))) {
        return damaged(reterr, "request key", rec->id, "empty, twice, or not its hash");
    }
    entry = mem_calloc(1, sizeof(*entry));
    record_store(&store->records, KIND_REQUEST_KEY, &entry->record, &entry->rec, rec);
    RB_INSERT(key_tree, &store->keys, entry);
    RB_INSERT(key_op_tree, &store->keys_by_op, entry);
    store->n_keys++;
    return 0;
}

void remove_key(struct store *store, struct key_entry *entry)
{
    RB_REMOVE(key_tree, &store->keys, entry);
    RB_REMOVE(key_op_tree, &store->keys_by_op, entry);
    store->n_keys--;
    record_drop(&store->records, &entry->record);
    free(entry);
}

/* ---- settings ---- */

void update_settings(struct store *store, const struct store_settings *next)
{
    record_store(&store->records, KIND_SETTINGS, &store->settings.record, &store->settings.rec, next);
}

int insert_settings(struct store *store, const struct store_settings *rec, struct err *reterr)
{
    if (!id_equal(rec->id, STORE_SETTINGS_ID) || store->settings.record.blob != NULL ||
        rec->log_level > STORE_LOG_LEVEL_MAX || rec->feature_level > STORE_LEVEL_MAX) {
        return damaged(reterr, "settings", rec->id, "not the one record of settings, or a level that there is not");
    }
    update_settings(store, rec);
    return 0;
}

/* Lookups and iteration: nothing here changes anything. */
#include <string.h>

#include "store/store_priv.h"

/* The entry whose cmp (an expression of `e`: below 0 when what is sought comes first) is 0, or NULL. Written out
 * because the functions of tree.h take neither a const head nor a key without an entry around it. */
#define FIND(head, field, cmp)                                  \
    ({                                                          \
        __typeof__(&*RB_ROOT(head)) e = RB_ROOT(head);          \
        while (e != NULL) {                                     \
            int c = (cmp);                                      \
                                                                \
            if (c == 0) {                                       \
                break;                                          \
            }                                                   \
            e = c < 0 ? RB_LEFT(e, field) : RB_RIGHT(e, field); \
        }                                                       \
        e;                                                      \
    })

/* The first entry after what is sought (cmp < 0). */
#define AFTER(head, field, cmp)                        \
    ({                                                 \
        __typeof__(&*RB_ROOT(head)) e = RB_ROOT(head); \
        __typeof__(e) best = NULL;                     \
        while (e != NULL) {                            \
            if ((cmp) < 0) {                           \
                best = e;                              \
                e = RB_LEFT(e, field);                 \
            } else {                                   \
                e = RB_RIGHT(e, field);                \
            }                                          \
        }                                              \
        best;                                          \
    })

struct cluster_entry *find_cluster(const struct store *store, struct id id)
{
    return FIND(&store->clusters, by_id, id_cmp(&id, &e->rec.id));
}

struct node_entry *find_node(const struct store *store, struct id id)
{
    return FIND(&store->nodes, by_id, id_cmp(&id, &e->rec.id));
}

struct device_entry *find_device(const struct store *store, struct id id)
{
    return FIND(&store->devices, by_id, id_cmp(&id, &e->rec.id));
}

struct volume_entry *find_volume(const struct store *store, struct id id)
{
    return FIND(&store->volumes, by_id, id_cmp(&id, &e->rec.id));
}

struct block_entry *find_block(const struct store *store, struct id id)
{
    return FIND(&store->blocks, by_id, id_cmp(&id, &e->rec.id));
}

struct block_entry *find_block_name(const struct volume_entry *hosting, const char *name)
{
    return FIND(&hosting->block_names, by_name, strcmp(name, e->rec.name));
}

struct volume_entry *op_volume(const struct store *store, const struct store_operation *op)
{
    const struct block_entry *block = op->type == STORE_OP_CREATE_BLOCK ? find_block(store, op->target) : NULL;

    switch (op->type) {
    case STORE_OP_CREATE_BLOCK:
        return block != NULL && id_equal(block->hosting->rec.pending, op->id) ? block->hosting : NULL;
    case STORE_OP_CREATE_VOLUME:
    case STORE_OP_CLONE_VOLUME:
    case STORE_OP_DELETE_VOLUME:
    case STORE_OP_EXPAND_VOLUME:
    case STORE_OP_REBALANCE:
    case STORE_OP_CLEAN_BRICKS:
        return find_volume(store, op->target);
    default:
        return NULL; /* its target is of another kind */
    }
}

struct id bricks_owner(const struct store *store, const struct store_operation *op)
{
    const struct volume_entry *volume = op_volume(store, op);

    return volume != NULL ? volume->rec.id : op->target;
}

struct brick_entry *find_brick(const struct store *store, struct id id)
{
    return brick_index_find(&store->bricks, id);
}

struct op_entry *find_op(const struct store *store, struct id id)
{
    return FIND(&store->ops, by_id, id_cmp(&id, &e->rec.id));
}

struct job_entry *find_job(const struct store *store, struct id id)
{
    return FIND(&store->jobs, by_id, id_cmp(&id, &e->rec.id));
}

struct key_entry *find_key(const struct store *store, const char *key)
{
    return FIND(&store->keys, by_key, strcmp(key, e->rec.key));
}

struct key_entry *find_op_key(const struct store *store, struct id op_id)
{
    /* All keys of smaller operations sort before the one sought, all others after it. */
    struct key_entry *key = AFTER(&store->keys_by_op, by_op, id_cmp(&op_id, &e->rec.op_id) <= 0 ? -1 : 1);

    return key != NULL && id_equal(key->rec.op_id, op_id) ? key : NULL;
}

struct host_entry *find_host(const struct host_tree *tree, const char *name)
{
    return FIND(tree, by_name, strcmp(name, e->name));
}

struct volume_entry *find_name(const struct cluster_entry *cluster, const char *name)
{
    return FIND(&cluster->names, by_name, strcmp(name, e->rec.name));
}

bool pending_by(const struct store *store, struct id pending, enum store_op_type type)
{
    const struct op_entry *op = id_is_none(pending) ? NULL : find_op(store, pending);

    return op != NULL && op->rec.type == type;
}

bool node_visible(const struct store *store, const struct node_entry *node)
{
    return node != NULL && !pending_by(store, node->rec.pending, STORE_OP_NODE_ADD);
}

bool device_visible(const struct store *store, const struct device_entry *device)
{
    return device != NULL && !pending_by(store, device->rec.pending, STORE_OP_DEVICE_ADD) &&
           !pending_by(store, device->rec.pending, STORE_OP_CLEAN_DEVICE);
}

uint64_t device_free_kib(const struct device_entry *device)
{
    return device->rec.total_kib > device->used_kib ? device->rec.total_kib - device->used_kib : 0;
}

uint64_t device_spare_kib(const struct device_entry *device)
{
    return device->n_metas > 0 ? device->metas[device->n_metas - 1].meta_kib : 0;
}

/* ---- public ---- */

#define PUBLIC(entry) ((entry) != NULL ? &(entry)->rec : NULL)

uint64_t store_applied_index(const struct store *store)
{
    return store->applied;
}

struct store_digest store_digest(const struct store *store)
{
    return store->records.sum;
}

size_t store_operations_of(const struct store *store, enum store_op_type type, enum store_op_phase phase)
{
    return store->n_ops[type][phase];
}

struct store_counts store_counts(const struct store *store)
{
    return store->counts;
}

bool store_key_known(const struct store *store, const char *key)
{
    return find_key(store, key) != NULL; /* none is empty */
}

int64_t store_jobs_oldest_ms(const struct store *store)
{
    const struct job_entry *oldest = AFTER(&store->jobs_by_end, by_end, -1);

    return oldest != NULL ? oldest->rec.ended_ms : INT64_MAX;
}

#define TIME_MAX_MS INT64_C(7258118400000) /* the year 2200 */

static void take_newer(int64_t *newest_ms, int64_t time_ms)
{
    if (time_ms > *newest_ms && time_ms <= TIME_MAX_MS) {
        *newest_ms = time_ms;
    }
}

int64_t store_newest_ms(const struct store *store)
{
    const struct key_entry *key = find_op_key(store, ID_NONE);
    struct job_entry *job = RB_MAX(job_end_tree, (struct job_end_tree *)(uintptr_t)&store->jobs_by_end);
    int64_t newest_ms = 0;
    struct op_entry *op;

    while (job != NULL && job->rec.ended_ms > TIME_MAX_MS) {
        job = RB_PREV(job_end_tree, &store->jobs_by_end, job);
    }
    take_newer(&newest_ms, job != NULL ? job->rec.ended_ms : 0);
    RB_FOREACH (op, op_tree, (struct op_tree *)(uintptr_t)&store->ops) {
        take_newer(&newest_ms, op->rec.created_ms);
    }
    /* Other keys are as old as their operation or job, or older. */
    for (; key != NULL && id_is_none(key->rec.op_id);
         key = RB_NEXT(key_op_tree, NULL, (struct key_entry *)(uintptr_t)key)) {
        take_newer(&newest_ms, key->rec.time_ms);
    }
    return newest_ms;
}

const struct store_cluster *store_cluster(const struct store *store, struct id id)
{
    const struct cluster_entry *entry = find_cluster(store, id);

    return PUBLIC(entry);
}

const struct store_node *store_node(const struct store *store, struct id id)
{
    const struct node_entry *entry = find_node(store, id);

    return PUBLIC(entry);
}

const struct store_device *store_device(const struct store *store, struct id id)
{
    const struct device_entry *entry = find_device(store, id);

    return PUBLIC(entry);
}

const struct store_volume *store_volume(const struct store *store, struct id id)
{
    const struct volume_entry *entry = find_volume(store, id);

    return PUBLIC(entry);
}

const struct store_brick *store_brick(const struct store *store, struct id id)
{
    const struct brick_entry *entry = find_brick(store, id);

    return entry != NULL && entry->volume != NULL ? brick_of(entry) : NULL;
}

const struct store_block_volume *store_block_volume(const struct store *store, struct id id)
{
    const struct block_entry *entry = find_block(store, id);

    return PUBLIC(entry);
}

uint32_t store_volume_free_gib(const struct store *store, struct id hosting)
{
    const struct volume_entry *entry = find_volume(store, hosting);

    return entry != NULL ? hosting_free_gib(entry) : 0;
}

const struct store_volume *store_operation_volume(const struct store *store, const struct store_operation *op)
{
    const struct volume_entry *entry = op_volume(store, op);

    return PUBLIC(entry);
}

const struct store_operation *store_operation(const struct store *store, struct id id)
{
    const struct op_entry *entry = find_op(store, id);

    return PUBLIC(entry);
}

const struct store_operation *store_operation_answering(const struct store *store, struct id id)
{
    const struct op_entry *entry = find_answering(store, id);

    return PUBLIC(entry);
}

const struct store_job *store_job(const struct store *store, struct id id)
{
    const struct job_entry *entry = find_job(store, id);

    return PUBLIC(entry);
}

const struct store_settings *store_settings(const struct store *store)
{
    return &store->settings.rec;
}

const struct store_volume *store_volume_by_name(const struct store *store, struct id cluster, const char *name)
{
    const struct cluster_entry *parent = find_cluster(store, cluster);
    const struct volume_entry *entry = parent != NULL ? find_name(parent, name) : NULL;

    return PUBLIC(entry);
}

uint64_t store_device_used_kib(const struct store *store, struct id device)
{
    const struct device_entry *entry = find_device(store, device);

    return entry != NULL ? entry->used_kib : 0;
}

/* NULL comes before everything. */
#define NEXT(head, field, last)                                                                                        \
    ({                                                                                                                 \
        __typeof__(&*RB_ROOT(head)) next_ = AFTER(head, field, (last) == NULL ? -1 : id_cmp(&(last)->id, &e->rec.id)); \
        PUBLIC(next_);                                                                                                 \
    })

const struct store_cluster *store_cluster_next(const struct store *store, const struct store_cluster *last)
{
    return NEXT(&store->clusters, by_id, last);
}

const struct store_node *store_node_next(const struct store *store, const struct store_node *last)
{
    return NEXT(&store->nodes, by_id, last);
}

const struct store_device *store_device_next(const struct store *store, const struct store_device *last)
{
    return NEXT(&store->devices, by_id, last);
}

const struct store_volume *store_volume_next(const struct store *store, const struct store_volume *last)
{
    return NEXT(&store->volumes, by_id, last);
}

const struct store_block_volume *store_block_volume_next(const struct store *store,
                                                         const struct store_block_volume *last)
{
    return NEXT(&store->blocks, by_id, last);
}

const struct store_block_volume *store_cluster_block_next(const struct store *store, struct id cluster,
                                                          const struct store_block_volume *last)
{
    const struct cluster_entry *parent = find_cluster(store, cluster);

    return parent != NULL ? NEXT(&parent->blocks, in_cluster, last) : NULL;
}

const struct store_block_volume *store_volume_block_next(const struct store *store, struct id hosting,
                                                         const struct store_block_volume *last)
{
    const struct volume_entry *parent = find_volume(store, hosting);

    return parent != NULL ? NEXT(&parent->blocks, hosted, last) : NULL;
}

const struct store_operation *store_operation_next(const struct store *store, const struct store_operation *last)
{
    return NEXT(&store->ops, by_id, last);
}

const struct store_operation *store_operation_younger(const struct store *store, uint64_t begin_index, struct id id)
{
    const struct op_entry *entry =
        AFTER(&store->ops_by_age, by_age,
              begin_index != e->begun ? (begin_index < e->begun ? -1 : 1) : id_cmp(&id, &e->rec.id));

    return PUBLIC(entry);
}

const struct store_node *store_cluster_node_next(const struct store *store, struct id cluster,
                                                 const struct store_node *last)
{
    const struct cluster_entry *parent = find_cluster(store, cluster);

    return parent != NULL ? NEXT(&parent->nodes, in_cluster, last) : NULL;
}

const struct store_volume *store_cluster_volume_next(const struct store *store, struct id cluster,
                                                     const struct store_volume *last)
{
    const struct cluster_entry *parent = find_cluster(store, cluster);

    return parent != NULL ? NEXT(&parent->volumes, in_cluster, last) : NULL;
}

const struct store_device *store_node_device_next(const struct store *store, struct id node,
                                                  const struct store_device *last)
{
    const struct node_entry *parent = find_node(store, node);

    return parent != NULL ? NEXT(&parent->devices, in_node, last) : NULL;
}

const struct store_brick *store_device_brick_next(const struct store *store, struct id device,
                                                  const struct store_brick *last)
{
    const struct device_entry *parent = find_device(store, device);
    const struct brick_entry *next = NULL;

    if (parent != NULL) {
        next = AFTER(&parent->bricks, in_device, last == NULL ? -1 : id_cmp(&last->id, &brick_of(e)->id));
    }
    return next != NULL ? brick_of(next) : NULL;
}

/* ---- figures ---- */

size_t store_cluster_shown(const struct store *store, struct id cluster)
{
    const struct cluster_entry *entry = find_cluster(store, cluster);

    return entry != NULL ? entry->shown.n : 0;
}

size_t store_cluster_blocks_shown(const struct store *store, struct id cluster)
{
    const struct cluster_entry *entry = find_cluster(store, cluster);

    return entry != NULL ? entry->shown_blocks.n : 0;
}

size_t store_device_bricks(const struct store *store, struct id device)
{
    const struct device_entry *entry = find_device(store, device);

    return entry != NULL ? entry->n_bricks : 0;
}

struct ids store_volumes_shown(const struct store *store, struct id cluster)
{
    const struct cluster_entry *entry = find_cluster(store, cluster);

    if (id_is_none(cluster)) {
        return ids_share(&store->shown);
    }
    return entry != NULL ? ids_share(&entry->shown) : (struct ids)IDS_INIT;
}

struct ids store_blocks_shown(const struct store *store, struct id cluster)
{
    const struct cluster_entry *entry = find_cluster(store, cluster);

    if (id_is_none(cluster)) {
        return ids_share(&store->shown_blocks);
    }
    return entry != NULL ? ids_share(&entry->shown_blocks) : (struct ids)IDS_INIT;
}

struct ids store_volume_blocks_shown(const struct store *store, struct id hosting)
{
    const struct volume_entry *entry = find_volume(store, hosting);

    return entry != NULL ? ids_share(&entry->shown_blocks) : (struct ids)IDS_INIT;
}

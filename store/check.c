/* store_check: every invariant of the records, every index against the records, every encoding against its record. */
#include <stdlib.h>
#include <string.h>

#include "store/store_priv.h"

#define BROKEN(what, id, why) err_set(reterr, E_DAMAGED, "%s %s: %s", (what), id_text(id).text, (why))

/* An object is pending if and only if an operation has it as its target, of one of these types. */
/* Nobody, or an operation of one of these types that is about the target, holds it. The list ends with 0. */
static bool pending_ok(const struct store *store, struct id pending, struct id target, const enum store_op_type *types)
{
    const struct op_entry *op = find_op(store, pending);

    if (id_is_none(pending)) {
        return true;
    }
    while (op != NULL && *types != 0 && *types != op->rec.type) {
        types++;
    }
    return op != NULL && *types != 0 && id_equal(op->rec.target, target);
}

static bool node_pending_ok(const struct store *store, const struct store_node *node)
{
    static const enum store_op_type types[] = {STORE_OP_NODE_ADD, STORE_OP_NODE_DELETE, STORE_OP_NODE_REMOVE,
                                               STORE_OP_NODE_REPLACE, 0};

    return pending_ok(store, node->pending, node->id, types);
}

static bool device_pending_ok(const struct store *store, const struct store_device *device)
{
    static const enum store_op_type types[] = {STORE_OP_DEVICE_ADD,   STORE_OP_DEVICE_DELETE,  STORE_OP_REMOVE_DEVICE,
                                               STORE_OP_CLEAN_DEVICE, STORE_OP_DEVICE_REPLACE, 0};

    return pending_ok(store, device->pending, device->id, types);
}

static bool volume_pending_ok(const struct store *store, const struct store_volume *volume)
{
    static const enum store_op_type types[] = {STORE_OP_CREATE_VOLUME, STORE_OP_DELETE_VOLUME, STORE_OP_CLONE_VOLUME,
                                               0};

    return pending_ok(store, volume->pending, volume->id, types);
}

/* A brick is pending as its volume is, or without it: being added to it, or to be moved. */
static bool brick_pending_ok(const struct store *store, const struct store_volume *volume,
                             const struct store_brick *brick)
{
    const struct op_entry *op = find_op(store, brick->pending);

    return id_equal(brick->pending, volume->pending) ||
           (id_is_none(volume->pending) && op != NULL &&
            ((op->rec.type == STORE_OP_EVICT_BRICK && id_equal(op->rec.target, brick->id)) ||
             (op->rec.type == STORE_OP_EXPAND_VOLUME && id_equal(op->rec.target, volume->id))));
}

/* ---- encodings and digest ---- */

int check_record(const struct record_set *set, const struct record *record, enum record_kind kind, const void *rec,
                 struct err *reterr)
{
    const struct blob *blob = record->blob;
    struct buf buf = BUF_INIT;
    struct store_digest hash;
    struct id id;
    int rc = 0;

    if (set == NULL) {
        return 0;
    }
    memcpy(&id, rec, sizeof(id));
    schema_encode(record_schema(kind), rec, &buf);
    if (blob == NULL || record->slot >= set->n || record_blob(set, record->slot) != blob ||
        set->owners[record->slot] != record || blob->kind != kind || !id_equal(blob->id, id)) {
        rc = BROKEN(record_schema(kind)->name, id, "is not where the records are listed");
    } else if (blob->len != buf.len || memcmp(blob->data, buf.data, buf.len) != 0) {
        rc = BROKEN(record_schema(kind)->name, id, "its encoding is stale");
    } else {
        hash = record_hash(set->hasher, (uint8_t)kind, buf.data, buf.len);
        if (memcmp(hash.bytes, blob->hash.bytes, sizeof(hash.bytes)) != 0) {
            rc = BROKEN(record_schema(kind)->name, id, "its hash is stale");
        }
    }
    buf_fini(&buf);
    return rc;
}

static int check_digest(const struct record_set *set, struct err *reterr)
{
    struct store_digest sum = {{0}};

    for (size_t i = 0; i < set->n; i++) {
        digest_add(&sum, &record_blob(set, i)->hash);
    }
    if (memcmp(sum.bytes, set->sum.bytes, sizeof(sum.bytes)) != 0) {
        return err_set(reterr, E_DAMAGED, "the digest is not the sum of the records");
    }
    return 0;
}

/* ---- topology ---- */

static int check_clusters(const struct store *store, const struct record_set *set, struct err *reterr)
{
    struct cluster_entry *cluster;
    struct volume_entry *volume;
    size_t n = 0;

    TREE_EACH (cluster, cluster_tree, &store->clusters, by_id) {
        size_t n_volumes = 0, n_names = 0;
        int rc = check_record(set, &cluster->record, KIND_CLUSTER, &cluster->rec, reterr);

        if (rc != 0) {
            return rc;
        }
        TREE_EACH (volume, cluster_volume_tree, &cluster->volumes, in_cluster) {
            n_volumes += volume->cluster == cluster ? 1 : 0;
        }
        TREE_EACH (volume, name_tree, &cluster->names, by_name) {
            n_names += volume->cluster == cluster ? 1 : 0;
        }
        if (n_volumes != cluster->n_volumes || n_names != n_volumes) {
            return BROKEN("cluster", cluster->rec.id, "its volumes are not counted right");
        }
        n++;
    }
    return n == store->counts.clusters ? 0 : err_set(reterr, E_DAMAGED, "clusters are not counted right");
}

static bool hosts_ok(const struct host_tree *tree, const struct store_strs *names, const struct node_entry *node)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct host_entry *host = find_host(tree, names->items[i]);

        if (host == NULL || host->node != node) {
            return false;
        }
    }
    return names->n > 0;
}

static int check_nodes(const struct store *store, const struct record_set *set, struct err *reterr)
{
    struct node_entry *node;
    struct host_entry *host;
    size_t n = 0, n_in_clusters = 0, n_linked = 0, n_hosts = 0;

    TREE_EACH (node, node_tree, &store->nodes, by_id) {
        int rc = check_record(set, &node->record, KIND_NODE, &node->rec, reterr);

        if (rc != 0) {
            return rc;
        }
        if (find_cluster(store, node->rec.cluster) != node->cluster || node->cluster == NULL) {
            return BROKEN("node", node->rec.id, "its cluster does not exist");
        }
        if (node->rec.zone == 0 || !tags_valid(&node->rec.tags)) {
            return BROKEN("node", node->rec.id, "its zone or its tags are not valid");
        }
        if (!hosts_ok(&store->manage_hosts, &node->rec.manage, node) ||
            !hosts_ok(&store->storage_hosts, &node->rec.storage, node)) {
            return BROKEN("node", node->rec.id, "its host names are not its own");
        }
        if (!node_pending_ok(store, &node->rec)) {
            return BROKEN("node", node->rec.id, "pending without an operation");
        }
        for (size_t i = 0; i < node->rec.manage.n + node->rec.storage.n; i++) {
            n_linked += node->hosts[i].linked ? 1 : 0;
        }
        n_in_clusters += RB_FIND(cluster_node_tree, &node->cluster->nodes, node) == node ? 1 : 0;
        n++;
    }
    TREE_EACH (host, host_tree, &store->manage_hosts, by_name) {
        n_hosts++;
    }
    TREE_EACH (host, host_tree, &store->storage_hosts, by_name) {
        n_hosts++;
    }
    if (n != store->counts.nodes || n_in_clusters != n || n_linked != n_hosts) {
        return err_set(reterr, E_DAMAGED, "nodes or their host names are not counted right");
    }
    return 0;
}

/* ---- devices and space ---- */

static int check_devices(const struct store *store, const struct record_set *set, struct err *reterr)
{
    size_t n = 0, n_in_nodes = 0, n_bricks = 0;
    struct device_entry *device;

    TREE_EACH (device, device_tree, &store->devices, by_id) {
        int rc = check_record(set, &device->record, KIND_DEVICE, &device->rec, reterr);

        rc = rc == 0 ? check_space(store, device, &n_bricks, reterr) : rc;
        if (rc != 0) {
            return rc;
        }
        if (find_node(store, device->rec.node) != device->node || device->node == NULL) {
            return BROKEN("device", device->rec.id, "its node does not exist");
        }
        if (device->rec.name[0] == '\0' || device->rec.total_kib > DEVICE_KIB_MAX || !tags_valid(&device->rec.tags)) {
            return BROKEN("device", device->rec.id, "its name, size or tags are not valid");
        }
        if (!device_pending_ok(store, &device->rec)) {
            return BROKEN("device", device->rec.id, "pending without an operation");
        }
        rc = check_held_device(store, device, reterr);
        if (rc != 0) {
            return rc;
        }
        n_in_nodes += RB_FIND(node_device_tree, &device->node->devices, device) == device ? 1 : 0;
        n++;
    }
    if (n != store->counts.devices || n_in_nodes != n || n_bricks != brick_index_count(&store->bricks)) {
        return err_set(reterr, E_DAMAGED, "devices or their bricks are not counted right");
    }
    return 0;
}

/* ---- volumes ---- */

/* A hosting volume that a block volume's create makes with it. */
static bool made_for_block(const struct store *store, const struct volume_entry *volume)
{
    const struct op_entry *op = find_op(store, volume->rec.pending);

    return op != NULL && op->rec.type == STORE_OP_CREATE_BLOCK && op_volume(store, &op->rec) == volume;
}

static int check_volume(const struct store *store, const struct volume_entry *volume, struct err *reterr)
{
    uint32_t width = store_volume_width(&volume->rec);

    if (find_cluster(store, volume->rec.cluster) != volume->cluster || volume->cluster == NULL ||
        find_name(volume->cluster, volume->rec.name) != volume) {
        return BROKEN("volume", volume->rec.id, "its cluster or its name is not its own");
    }
    if (!volume_pending_ok(store, &volume->rec) && !made_for_block(store, volume)) {
        return BROKEN("volume", volume->rec.id, "pending without an operation");
    }
    if (volume->rec.size_gib == 0 || width == 0 || volume->rec.n_bricks == 0 || volume->rec.n_bricks % width != 0) {
        return BROKEN("volume", volume->rec.id, "its bricks do not make up complete sets");
    }
    if (!volume_arbiters_sane(&volume->rec)) {
        return BROKEN("volume", volume->rec.id, "its arbiters are not the third brick of every set of three replicas");
    }
    for (size_t i = 0; i < volume->rec.n_bricks; i++) {
        const struct store_brick *brick = &volume->rec.bricks[i];
        const struct brick_entry *entry = find_brick(store, brick->id);

        if (entry != &volume->bricks[i] || brick_of(entry) != brick ||
            !id_equal(entry->device->rec.id, brick->device)) {
            return BROKEN("brick", brick->id, "its index entry is wrong");
        }
        if (!id_equal(brick->volume, volume->rec.id) || !brick_pending_ok(store, &volume->rec, brick) ||
            brick->set != i / width || brick->position != i % width || brick->size_kib == 0 || brick->pool_kib == 0) {
            return BROKEN("brick", brick->id, "its volume, place, size or pending mark is wrong");
        }
        if (entry->device->node->cluster != volume->cluster) {
            return BROKEN("brick", brick->id, "its device belongs to another cluster");
        }
        for (size_t j = i - i % width; j < i; j++) {
            if (volume->bricks[j].device->node == entry->device->node) {
                return BROKEN("brick", brick->id, "another brick of its set is on the same node");
            }
        }
    }
    return check_held_volume(store, volume, reterr);
}

static int check_volumes(const struct store *store, const struct record_set *set, struct err *reterr)
{
    struct volume_entry *volume;
    struct untold_entry *untold;
    size_t n = 0, n_bricks = 0, n_in_clusters = 0, n_untold = 0;

    TREE_EACH (volume, volume_tree, &store->volumes, by_id) {
        int rc = check_record(set, &volume->record, KIND_VOLUME, &volume->rec, reterr);

        rc = rc == 0 ? check_volume(store, volume, reterr) : rc;
        if (rc != 0) {
            return rc;
        }
        n_bricks += volume->rec.n_bricks;
        n_untold += volume->rec.untold;
        n_in_clusters += RB_FIND(cluster_volume_tree, &volume->cluster->volumes, volume) == volume ? 1 : 0;
        n++;
    }
    TREE_EACH (untold, untold_tree, &store->untold, link) {
        n_untold -= untold->volume->untold == untold && untold->volume->rec.untold;
    }
    if (n_untold != 0) {
        return err_set(reterr, E_DAMAGED, "volumes that nobody was told of are not listed right");
    }
    if (n != store->counts.volumes || n_bricks != store->counts.bricks || n_in_clusters != n) {
        return err_set(reterr, E_DAMAGED, "volumes or bricks are not counted right");
    }
    return 0;
}

/* ---- operations, jobs, keys ---- */

/* The operation, if it is adding bricks to the volume. */
static struct id added_by(const struct volume_entry *volume, struct id op_id)
{
    for (size_t i = 0; i < volume->rec.n_bricks; i++) {
        if (id_equal(volume->rec.bricks[i].pending, op_id)) {
            return op_id;
        }
    }
    return ID_NONE;
}

static struct id pending_of(const struct store *store, const struct store_operation *op)
{
    const struct volume_entry *volume = find_volume(store, op->target);
    const struct node_entry *node = find_node(store, op->target);
    const struct device_entry *device = find_device(store, op->target);
    const struct block_entry *block = find_block(store, op->target);
    const struct brick_entry *brick = find_brick(store, op->target);

    switch (op->type) {
    case STORE_OP_CREATE_VOLUME:
    case STORE_OP_CLONE_VOLUME:
    case STORE_OP_DELETE_VOLUME:
        return volume != NULL ? volume->rec.pending : ID_NONE;
    case STORE_OP_CREATE_BLOCK:
    case STORE_OP_DELETE_BLOCK:
    case STORE_OP_EXPAND_BLOCK:
        return block != NULL ? block->rec.pending : ID_NONE;
    case STORE_OP_NODE_ADD:
    case STORE_OP_NODE_DELETE:
    case STORE_OP_NODE_REMOVE:
    case STORE_OP_NODE_REPLACE:
        return node != NULL ? node->rec.pending : ID_NONE;
    case STORE_OP_DEVICE_ADD:
    case STORE_OP_DEVICE_DELETE:
    case STORE_OP_REMOVE_DEVICE:
    case STORE_OP_CLEAN_DEVICE:
    case STORE_OP_DEVICE_REPLACE:
        return device != NULL ? device->rec.pending : ID_NONE;
    case STORE_OP_EXPAND_VOLUME:
        return volume != NULL ? added_by(volume, op->id) : ID_NONE;
    case STORE_OP_REBALANCE: /* these hold nothing */
    case STORE_OP_DEVICE_RESYNC:
        return op->id;
    case STORE_OP_EVICT_BRICK: /* holds its brick; once that has moved, nothing but what it abandons */
        return op->phase == STORE_OP_COMMITTED          ? op->id
               : brick != NULL && brick->volume != NULL ? brick_of(brick)->pending
                                                        : ID_NONE;
    case STORE_OP_CLEAN_BRICKS: /* holds nothing but its bricks */
        return op->n_abandoned > 0 ? op->id : ID_NONE;
    }
    return ID_NONE;
}

static bool is_part_of(const struct op_entry *part, const struct op_entry *parent)
{
    switch (part->rec.type) {
    case STORE_OP_EVICT_BRICK:
        return parent->rec.type == STORE_OP_REMOVE_DEVICE;
    case STORE_OP_REMOVE_DEVICE:
        return parent->rec.type == STORE_OP_NODE_REMOVE;
    case STORE_OP_DEVICE_REPLACE:
        return parent->rec.type == STORE_OP_NODE_REPLACE && parent->rec.n_renewals > 0 &&
               id_equal(parent->rec.renewals[0].device, part->rec.target);
    default:
        return false;
    }
}

/* Parent and part name each other; a replacement is abandoned until the brick has moved, and then the old one is. */
static bool parts_ok(const struct store *store, const struct op_entry *op)
{
    const struct op_entry *parent = find_op(store, op->rec.parent), *child = find_op(store, op->rec.child);
    const struct brick_entry *outside =
        find_brick(store, op->rec.phase == STORE_OP_COMMITTED ? op->rec.target : op->rec.replacement);

    if (op->rec.type != STORE_OP_EVICT_BRICK
            ? !id_is_none(op->rec.replacement) ||
                  (op->rec.phase == STORE_OP_COMMITTED && op->rec.type != STORE_OP_DEVICE_REPLACE)
            : (!id_is_none(op->rec.replacement) || op->rec.phase == STORE_OP_COMMITTED) &&
                  (outside == NULL || outside->op != op)) {
        return false;
    }
    if (!id_is_none(op->rec.parent) &&
        (parent == NULL || !id_equal(parent->rec.child, op->rec.id) || !is_part_of(op, parent))) {
        return false;
    }
    return id_is_none(op->rec.child) || (child != NULL && id_equal(child->rec.parent, op->rec.id));
}

static int check_operation(const struct store *store, const struct op_entry *op, struct err *reterr)
{
    if (!id_equal(pending_of(store, &op->rec), op->rec.id)) {
        return BROKEN("operation", op->rec.id, "its target is not pending by it");
    }
    if (find_job(store, op->rec.id) != NULL || op->rec.begin_index == 0 || op->rec.begin_index > store->applied) {
        return BROKEN("operation", op->rec.id, "ended already, or of no known index");
    }
    if (op->rec.n_abandoned > 0 && op->rec.type != STORE_OP_CREATE_VOLUME && op->rec.type != STORE_OP_CREATE_BLOCK &&
        op->rec.type != STORE_OP_EXPAND_VOLUME && op->rec.type != STORE_OP_CLEAN_BRICKS &&
        op->rec.type != STORE_OP_EVICT_BRICK) {
        return BROKEN("operation", op->rec.id, "abandoned bricks without a volume create or expand");
    }
    if (!renewals_ok(store, op)) {
        return BROKEN("operation", op->rec.id, "what it replaces is not there, or not its own");
    }
    if (!parts_ok(store, op)) {
        return BROKEN("operation", op->rec.id, "its replacement, its parent or its part is wrong");
    }
    return check_held_op(store, op, reterr);
}

static int check_operations(const struct store *store, const struct record_set *set, struct err *reterr)
{
    struct op_entry *op;
    struct volume_entry *volume;
    struct store_counts counts = store->counts;
    size_t n = 0, n_users = 0, n_wrong = 0, n_taken_over = 0;
    size_t n_ops[STORE_OP_TYPES][STORE_OP_PHASES];

    memcpy(n_ops, store->n_ops, sizeof(n_ops));
    TREE_EACH (volume, volume_tree, &store->volumes, by_id) {
        n_users -= volume->n_expands + volume->n_clones;
        counts.made_bytes -= volume_is_made(&volume->rec) ? volume->record.blob->len : 0;
    }
    TREE_EACH (op, op_tree, &store->ops, by_id) {
        int rc = check_record(set, &op->record, KIND_OPERATION, &op->rec, reterr);

        if (rc != 0) {
            return rc;
        }
        rc = check_operation(store, op, reterr);
        if (rc != 0) {
            return rc;
        }
        n_taken_over += !id_is_none(op->rec.answers);
        n_users += op->rec.type == STORE_OP_EXPAND_VOLUME || op->rec.type == STORE_OP_CLONE_VOLUME;
        n_ops[op->rec.type][op->rec.phase]--;
        counts.waiting -= op->rec.n_parked > 0;
        counts.limited -= op_takes_place(&op->rec);
        counts.limited_waiting -= op->rec.n_parked > 0 && op_takes_place(&op->rec);
        n++;
    }
    for (size_t type = 0; type < STORE_OP_TYPES; type++) {
        for (size_t phase = 0; phase < STORE_OP_PHASES; phase++) {
            n_wrong += n_ops[type][phase] != 0;
        }
    }
    return n_wrong == 0 && n == counts.operations && counts.waiting == 0 && counts.limited == 0 &&
                   counts.limited_waiting == 0 && counts.made_bytes == 0 && n_users == 0 &&
                   n_taken_over == store->n_taken_over
               ? 0
               : err_set(reterr, E_DAMAGED, "operations are not counted right");
}

static int check_jobs(const struct store *store, const struct record_set *set, struct err *reterr)
{
    struct job_entry *job, *last = NULL;
    struct key_entry *key;
    size_t n = 0, n_by_end = 0, n_keys = 0, n_by_op = 0;

    TREE_EACH (job, job_tree, &store->jobs, by_id) {
        int rc = check_record(set, &job->record, KIND_JOB, &job->rec, reterr);

        if (rc != 0) {
            return rc;
        }
        if (job->rec.failed == (job->rec.error[0] == '\0') ||
            (job->rec.resource == STORE_RES_NONE) != id_is_none(job->rec.resource_id)) {
            return BROKEN("job", job->rec.id, "its error or its resource is missing or too much");
        }
        n++;
    }
    TREE_EACH (job, job_end_tree, &store->jobs_by_end, by_end) {
        if (last != NULL && last->rec.ended_ms > job->rec.ended_ms) {
            return BROKEN("job", job->rec.id, "out of order of its end");
        }
        last = job;
        n_by_end++;
    }
    TREE_EACH (key, key_tree, &store->keys, by_key) {
        int rc = check_record(set, &key->record, KIND_REQUEST_KEY, &key->rec, reterr);

        if (rc != 0) {
            return rc;
        }
        if (!id_is_none(key->rec.op_id) && find_op(store, key->rec.op_id) == NULL &&
            find_job(store, key->rec.op_id) == NULL && find_answering(store, key->rec.op_id) == NULL) {
            return BROKEN("request key", key->rec.id, "its operation is gone");
        }
        n_keys++;
    }
    TREE_EACH (key, key_op_tree, &store->keys_by_op, by_op) {
        n_by_op++;
    }
    if (n != store->counts.jobs || n_by_end != n || n_keys != store->n_keys || n_by_op != n_keys) {
        return err_set(reterr, E_DAMAGED, "jobs or request keys are not counted right");
    }
    return 0;
}

static int check_settings_record(const struct store *store, const struct record_set *set, struct err *reterr)
{
    const struct settings_entry *settings = &store->settings;

    if (settings->record.blob == NULL) {
        return 0;
    }
    if (!id_equal(settings->rec.id, STORE_SETTINGS_ID) || settings->rec.log_level > STORE_LOG_LEVEL_MAX) {
        return BROKEN("settings", settings->rec.id, "its id or its log level is wrong");
    }
    return check_record(set, &settings->record, KIND_SETTINGS, &settings->rec, reterr);
}

int check_loaded(const struct store *store, const struct store_load *load, struct err *reterr)
{
    int rc = check_loaded_ids(store, load, reterr);

    for (size_t i = 0; i < load->n_nodes && rc == 0; i++) {
        if (!node_pending_ok(store, &load->nodes[i])) {
            rc = BROKEN("node", load->nodes[i].id, "pending without an operation");
        }
    }
    for (size_t i = 0; i < load->n_devices && rc == 0; i++) {
        if (!device_pending_ok(store, &load->devices[i])) {
            rc = BROKEN("device", load->devices[i].id, "pending without an operation");
        }
        rc = rc == 0 ? check_held_device(store, find_device(store, load->devices[i].id), reterr) : rc;
    }
    for (size_t i = 0; i < load->n_volumes && rc == 0; i++) {
        const struct volume_entry *volume = find_volume(store, load->volumes[i].id);

        rc = check_volume(store, volume, reterr);
        rc = rc == 0 ? check_hosting_room(volume, reterr) : rc;
    }
    for (size_t i = 0; i < load->n_blocks && rc == 0; i++) {
        rc = check_block(store, &store->records, find_block(store, load->blocks[i].id), reterr);
    }
    for (size_t i = 0; i < load->n_operations && rc == 0; i++) {
        rc = check_operation(store, find_op(store, load->operations[i].id), reterr);
    }
    return rc;
}

/* set NULL: not the encodings, which have just been made. */
static int check(const struct store *store, const struct record_set *set, struct err *reterr)
{
    size_t n = store->counts.clusters + store->counts.nodes + store->counts.devices + store->counts.volumes +
               store->counts.block_volumes + store->counts.operations + store->counts.jobs + store->n_keys +
               (store->settings.record.blob != NULL ? 1 : 0);
    int rc = check_clusters(store, set, reterr);

    rc = rc == 0 ? check_nodes(store, set, reterr) : rc;
    rc = rc == 0 ? check_devices(store, set, reterr) : rc;
    rc = rc == 0 ? check_volumes(store, set, reterr) : rc;
    rc = rc == 0 ? check_blocks(store, set, reterr) : rc;
    rc = rc == 0 ? check_figures(store, reterr) : rc;
    rc = rc == 0 ? check_operations(store, set, reterr) : rc;
    rc = rc == 0 ? check_jobs(store, set, reterr) : rc;
    rc = rc == 0 ? check_settings_record(store, set, reterr) : rc;
    rc = rc == 0 ? check_ids(store, reterr) : rc;
    rc = rc == 0 && set != NULL ? check_digest(set, reterr) : rc;
    if (rc == 0 && n != store->records.n) {
        rc = err_set(reterr, E_DAMAGED, "%zu records, %zu encodings", n, store->records.n);
    }
    return rc;
}

int store_check(const struct store *store, struct err *reterr)
{
    return check(store, &store->records, reterr);
}

int check_decoded(const struct store *store, struct err *reterr)
{
    return check(store, NULL, reterr);
}

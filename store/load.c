/* Cutting a database into the parts of a load. */
#include "store/load.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/store_priv.h"

#define LOAD_DOMAIN 103 /* hash domain, beside those of record.c */
#define PENDING_BYTES_MAX ((size_t)STORE_CMD_MAX_BYTES / 4 * 3)

struct store_loader {
    const struct store *source;
    struct id load;
    size_t bytes_max;
    uint32_t part;
    bool done;
    struct store_cmd pending; /* what goes last, found at the beginning: to look for it takes long */
    size_t pending_bytes;
    /* the last ones given out */
    const struct store_cluster *cluster;
    const struct store_node *node;
    const struct store_device *device;
    const struct store_volume *volume;
    const struct store_block_volume *block;
    const struct store_operation *op;
    enum { CLUSTERS, NODES, DEVICES, VOLUMES, BLOCKS, CLEANUPS, PENDING } stage;
};

/* Emptying or replacing a node or a device takes days, and what is on it refers to it: in the copy that is undone. */
static bool is_removal(const struct store *source, struct id op_id)
{
    const struct store_operation *op = store_operation(source, op_id);

    return op != NULL && (op->type == STORE_OP_NODE_REMOVE || op->type == STORE_OP_REMOVE_DEVICE ||
                          op->type == STORE_OP_NODE_REPLACE || op->type == STORE_OP_DEVICE_REPLACE);
}

/* Held by an operation that travels, and with it. */
static bool is_held(const struct store *source, struct id pending)
{
    return !id_is_none(pending) && !is_removal(source, pending);
}

/* It holds bricks of a volume that is there: the two travel together. */
static bool goes_with_volume(const struct store *source, const struct store_operation *op)
{
    const struct brick_entry *brick = find_brick(source, op->target);

    if (op->type == STORE_OP_EXPAND_VOLUME) {
        return true;
    }
    return op->type == STORE_OP_EVICT_BRICK && op->phase != STORE_OP_COMMITTED && brick != NULL &&
           brick->volume != NULL;
}

/* Forgotten, and held by nothing but the clean-up that waits for its node: the two travel together. */
static bool is_left_device(const struct store *source, const struct store_device *device)
{
    const struct store_operation *op = store_operation(source, device->pending);
    const struct store_node *node = store_node(source, device->node);

    return op != NULL && op->type == STORE_OP_CLEAN_DEVICE && node != NULL && !is_held(source, node->pending);
}

/* It waits for a node, and holds nothing else: there may be tens of thousands of such. */
static bool is_cleanup(const struct store *source, const struct store_operation *op)
{
    if (op->type != STORE_OP_CLEAN_BRICKS || !id_is_none(op->parent) || !id_is_none(op->child)) {
        return false;
    }
    for (size_t i = 0; i < op->n_abandoned; i++) {
        const struct store_device *device = store_device(source, op->abandoned[i].device);

        if (device == NULL || (is_held(source, device->pending) && !is_left_device(source, device))) {
            return false;
        }
    }
    return true;
}

static bool goes_with_device(const struct store *source, const struct store_operation *op)
{
    const struct store_device *device = store_device(source, op->target);

    return op->type == STORE_OP_CLEAN_DEVICE && device != NULL && is_left_device(source, device);
}

/* Appends a copy of a record to a list, and its size to *bytes. */
static void add(void **items, size_t *n, const struct schema *schema, const void *rec, size_t *bytes)
{
    struct buf buf = BUF_INIT;

    *items = mem_realloc_array(*items, *n + 1, schema->size);
    schema_copy(schema, (char *)*items + *n * schema->size, rec);
    (*n)++;
    schema_encode(schema, rec, &buf);
    *bytes += buf.len;
    buf_fini(&buf);
}

static void add_node(struct store_load *part, const struct store_node *node, size_t *bytes)
{
    add((void **)&part->nodes, &part->n_nodes, &schema_node, node, bytes);
}

static void add_device(struct store_load *part, const struct store_device *device, size_t *bytes)
{
    add((void **)&part->devices, &part->n_devices, &schema_device, device, bytes);
}

static void add_op(const struct store *source, struct store_load *part, const struct store_operation *op, size_t *bytes)
{
    add((void **)&part->operations, &part->n_operations, &schema_operation, op, bytes);
    if (is_removal(source, op->parent)) {
        part->operations[part->n_operations - 1].parent = ID_NONE;
    }
}

/* And what holds some of its bricks. */
static void add_volume(const struct store *source, struct store_load *part, const struct store_volume *volume,
                       size_t *bytes)
{
    add((void **)&part->volumes, &part->n_volumes, &schema_volume, volume, bytes);
    for (size_t i = 0; i < volume->n_bricks; i++) {
        struct id pending = volume->bricks[i].pending;
        bool first = !id_is_none(pending);

        for (size_t j = 0; j < i && first; j++) {
            first = !id_equal(volume->bricks[j].pending, pending);
        }
        if (first) {
            add_op(source, part, store_operation(source, pending), bytes);
        }
    }
}

/* The next record of the stage goes into the part; false: there is none left. What is pending waits for the end. */
static bool take(struct store_loader *loader, struct store_load *part, size_t *bytes)
{
    const struct store *source = loader->source;

    switch (loader->stage) {
    case CLUSTERS:
        loader->cluster = store_cluster_next(source, loader->cluster);
        if (loader->cluster != NULL) {
            add((void **)&part->clusters, &part->n_clusters, &schema_cluster, loader->cluster, bytes);
        }
        return loader->cluster != NULL;
    case NODES:
        loader->node = store_node_next(source, loader->node);
        if (loader->node != NULL && !is_held(source, loader->node->pending)) {
            add_node(part, loader->node, bytes);
            part->nodes[part->n_nodes - 1].pending = ID_NONE;
        }
        return loader->node != NULL;
    case DEVICES:
        loader->device = store_device_next(source, loader->device);
        if (loader->device != NULL && !is_held(source, loader->device->pending)) {
            add_device(part, loader->device, bytes);
            part->devices[part->n_devices - 1].pending = ID_NONE;
        } else if (loader->device != NULL && is_left_device(source, loader->device)) {
            add_device(part, loader->device, bytes);
            add_op(source, part, store_operation(source, loader->device->pending), bytes);
        }
        return loader->device != NULL;
    case VOLUMES:
        loader->volume = store_volume_next(source, loader->volume);
        if (loader->volume != NULL && id_is_none(loader->volume->pending)) {
            add_volume(source, part, loader->volume, bytes);
        }
        return loader->volume != NULL;
    case BLOCKS:
        loader->block = store_block_volume_next(source, loader->block);
        if (loader->block != NULL && id_is_none(loader->block->pending)) {
            add((void **)&part->blocks, &part->n_blocks, &schema_block_volume, loader->block, bytes);
        }
        return loader->block != NULL;
    case CLEANUPS:
        loader->op = store_operation_next(source, loader->op);
        if (loader->op != NULL && is_cleanup(source, loader->op)) {
            add_op(source, part, loader->op, bytes);
        }
        return loader->op != NULL;
    case PENDING:
        break;
    }
    return false;
}

/* The other operations and what they hold refer to each other: they travel together. */
static void find_pending(struct store_loader *loader)
{
    const struct store *source = loader->source;
    struct store_load *part = &loader->pending.load;
    const struct store_node *node = NULL;
    const struct store_device *device = NULL;
    const struct store_volume *volume = NULL;
    const struct store_block_volume *block = NULL;
    const struct store_operation *op = NULL;
    size_t *bytes = &loader->pending_bytes;

    while ((node = store_node_next(source, node)) != NULL) {
        if (is_held(source, node->pending)) {
            add_node(part, node, bytes);
        }
    }
    while ((device = store_device_next(source, device)) != NULL) {
        if (is_held(source, device->pending) && !is_left_device(source, device)) {
            add_device(part, device, bytes);
        }
    }
    while ((volume = store_volume_next(source, volume)) != NULL) {
        if (!id_is_none(volume->pending)) {
            add((void **)&part->volumes, &part->n_volumes, &schema_volume, volume, bytes);
        }
    }
    while ((block = store_block_volume_next(source, block)) != NULL) {
        if (!id_is_none(block->pending)) {
            add((void **)&part->blocks, &part->n_blocks, &schema_block_volume, block, bytes);
        }
    }
    while ((op = store_operation_next(source, op)) != NULL) {
        if (!is_removal(source, op->id) && !is_cleanup(source, op) && !goes_with_device(source, op) &&
            !goes_with_volume(source, op)) {
            add_op(source, part, op, bytes);
        }
    }
}

/* Appends one list to another one, which is empty afterwards. */
static void move(void **items, size_t *n, void **more, size_t *n_more, const struct schema *schema)
{
    if (*n_more > 0) {
        *items = mem_realloc_array(*items, *n + *n_more, schema->size);
        memcpy((char *)*items + *n * schema->size, *more, *n_more * schema->size);
        *n += *n_more;
        *n_more = 0;
    }
}

static void take_pending(struct store_loader *loader, struct store_load *part)
{
    struct store_load *from = &loader->pending.load;

    move((void **)&part->nodes, &part->n_nodes, (void **)&from->nodes, &from->n_nodes, &schema_node);
    move((void **)&part->devices, &part->n_devices, (void **)&from->devices, &from->n_devices, &schema_device);
    move((void **)&part->volumes, &part->n_volumes, (void **)&from->volumes, &from->n_volumes, &schema_volume);
    move((void **)&part->blocks, &part->n_blocks, (void **)&from->blocks, &from->n_blocks, &schema_block_volume);
    move((void **)&part->operations, &part->n_operations, (void **)&from->operations, &from->n_operations,
         &schema_operation);
    part->last = true;
}

struct store_loader *store_loader_new(const struct store *source, struct id load, size_t bytes_max)
{
    struct store_loader *loader = mem_calloc(1, sizeof(*loader));

    loader->source = source;
    loader->load = load;
    loader->bytes_max = bytes_max;
    store_cmd_init(&loader->pending, STORE_CMD_LOAD);
    find_pending(loader);
    if (loader->pending_bytes > PENDING_BYTES_MAX) {
        store_loader_free(loader);
        return NULL;
    }
    return loader;
}

void store_loader_free(struct store_loader *loader)
{
    if (loader != NULL) {
        store_cmd_fini(&loader->pending);
        free(loader);
    }
}

bool store_loader_next(struct store_loader *loader, struct store_cmd *ret_cmd)
{
    size_t bytes = 0;

    if (loader->done) {
        return false;
    }
    store_cmd_init(ret_cmd, STORE_CMD_LOAD);
    ret_cmd->op_id = loader->load;
    ret_cmd->load.part = loader->part++;
    while (loader->stage != PENDING && bytes < loader->bytes_max) {
        if (!take(loader, &ret_cmd->load, &bytes)) {
            loader->stage++;
        }
    }
    if (loader->stage == PENDING && bytes < loader->bytes_max) {
        take_pending(loader, &ret_cmd->load);
        loader->done = true;
    }
    return true;
}

struct id store_load_id(const void *data, size_t len)
{
    struct store_digest digest;
    struct id id;
    struct record_set set;

    record_set_init(&set);
    digest = record_hash(set.hasher, LOAD_DOMAIN, data, len);
    record_set_fini(&set);
    memcpy(id.bytes, digest.bytes, sizeof(id.bytes));
    id.bytes[0] |= id_is_none(id) ? 1 : 0;
    return id;
}

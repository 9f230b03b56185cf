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
    /* the last ones given out */
    const struct store_cluster *cluster;
    const struct store_node *node;
    const struct store_device *device;
    const struct store_volume *volume;
    const struct store_block_volume *block;
    enum { CLUSTERS, NODES, DEVICES, VOLUMES, BLOCKS, PENDING } stage;
};

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
        if (loader->node != NULL && id_is_none(loader->node->pending)) {
            add((void **)&part->nodes, &part->n_nodes, &schema_node, loader->node, bytes);
        }
        return loader->node != NULL;
    case DEVICES:
        loader->device = store_device_next(source, loader->device);
        if (loader->device != NULL && id_is_none(loader->device->pending)) {
            add((void **)&part->devices, &part->n_devices, &schema_device, loader->device, bytes);
        }
        return loader->device != NULL;
    case VOLUMES:
        loader->volume = store_volume_next(source, loader->volume);
        if (loader->volume != NULL && id_is_none(loader->volume->pending)) {
            add((void **)&part->volumes, &part->n_volumes, &schema_volume, loader->volume, bytes);
        }
        return loader->volume != NULL;
    case BLOCKS:
        loader->block = store_block_volume_next(source, loader->block);
        if (loader->block != NULL && id_is_none(loader->block->pending)) {
            add((void **)&part->blocks, &part->n_blocks, &schema_block_volume, loader->block, bytes);
        }
        return loader->block != NULL;
    case PENDING:
        break;
    }
    return false;
}

/* Operations and what they hold refer to each other: they travel together. */
static size_t take_pending(const struct store_loader *loader, struct store_load *part)
{
    const struct store *source = loader->source;
    const struct store_node *node = NULL;
    const struct store_device *device = NULL;
    const struct store_volume *volume = NULL;
    const struct store_block_volume *block = NULL;
    const struct store_operation *op = NULL;
    size_t bytes = 0;

    while ((node = store_node_next(source, node)) != NULL) {
        if (!id_is_none(node->pending)) {
            add((void **)&part->nodes, &part->n_nodes, &schema_node, node, &bytes);
        }
    }
    while ((device = store_device_next(source, device)) != NULL) {
        if (!id_is_none(device->pending)) {
            add((void **)&part->devices, &part->n_devices, &schema_device, device, &bytes);
        }
    }
    while ((volume = store_volume_next(source, volume)) != NULL) {
        if (!id_is_none(volume->pending)) {
            add((void **)&part->volumes, &part->n_volumes, &schema_volume, volume, &bytes);
        }
    }
    while ((block = store_block_volume_next(source, block)) != NULL) {
        if (!id_is_none(block->pending)) {
            add((void **)&part->blocks, &part->n_blocks, &schema_block_volume, block, &bytes);
        }
    }
    while ((op = store_operation_next(source, op)) != NULL) {
        add((void **)&part->operations, &part->n_operations, &schema_operation, op, &bytes);
    }
    part->last = true;
    return bytes;
}

static size_t pending_bytes(const struct store *source)
{
    struct store_loader loader = {.source = source};
    struct store_cmd cmd;
    size_t bytes;

    store_cmd_init(&cmd, STORE_CMD_LOAD);
    bytes = take_pending(&loader, &cmd.load);
    store_cmd_fini(&cmd);
    return bytes;
}

struct store_loader *store_loader_new(const struct store *source, struct id load, size_t bytes_max)
{
    struct store_loader *loader;

    if (pending_bytes(source) > PENDING_BYTES_MAX) {
        return NULL;
    }
    loader = mem_calloc(1, sizeof(*loader));

    loader->source = source;
    loader->load = load;
    loader->bytes_max = bytes_max;
    return loader;
}

void store_loader_free(struct store_loader *loader)
{
    free(loader);
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
        (void)take_pending(loader, &ret_cmd->load);
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

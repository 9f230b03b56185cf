/* Filling an empty database in parts (an import, a restored backup): all or nothing.
 *
 * The parts come in order under one load id; while they do, nothing else changes the database and nobody reads it. The
 * last part ends it. A part that does not fit takes everything back that came before it: then the database is empty
 * again. */
#include <string.h>

#include "store/level.h"
#include "store/load.h"
#include "store/store_priv.h"

static void set_load(struct store *store, struct id load, uint32_t part, struct id loaded)
{
    struct store_settings next = store->settings.rec;

    next.id = STORE_SETTINGS_ID;
    next.load = load;
    next.load_part = part;
    next.loaded = loaded;
    update_settings(store, &next);
}

bool store_is_empty(const struct store *store)
{
    const struct store_counts *counts = &store->counts;

    return counts->clusters + counts->nodes + counts->devices + counts->volumes + counts->block_volumes +
               counts->operations ==
           0;
}

/* ---- what a record must be, besides what its insertion asks for ---- */

static int check_node_record(const struct store_node *node, struct err *reterr)
{
    if (node->zone == 0 || !tags_valid(&node->tags) || node->manage.n > HOSTS_MAX || node->storage.n > HOSTS_MAX) {
        return err_set(reterr, E_DAMAGED, "node %s: its zone, tags or host names are not valid",
                       id_text(node->id).text);
    }
    return 0;
}

static int check_device_record(const struct store_device *device, struct err *reterr)
{
    if (*device->name == '\0' || device->total_kib > DEVICE_KIB_MAX || !tags_valid(&device->tags)) {
        return err_set(reterr, E_DAMAGED, "device %s: its name, size or tags are not valid", id_text(device->id).text);
    }
    return 0;
}

static int insert_whole_volume(struct store *store, const struct store_volume *rec, struct err *reterr)
{
    const struct volume_entry *volume;
    int rc = insert_volume(store, rec, reterr);

    if (rc != 0) {
        return rc;
    }
    volume = find_volume(store, rec->id);
    for (size_t i = 0; i < rec->n_bricks; i++) {
        if (volume->bricks[i].device->used_kib > volume->bricks[i].device->rec.total_kib) {
            return err_set(reterr, E_DAMAGED, "device %s: more is used than there is",
                           id_text(rec->bricks[i].device).text);
        }
    }
    return 0;
}

static int insert_part(struct store *store, uint64_t index, const struct store_load *load, struct err *reterr)
{
    int rc = 0;

    for (size_t i = 0; i < load->n_clusters && rc == 0; i++) {
        rc = insert_cluster(store, &load->clusters[i], reterr);
    }
    for (size_t i = 0; i < load->n_nodes && rc == 0; i++) {
        rc = check_node_record(&load->nodes[i], reterr);
        rc = rc == 0 ? insert_node(store, &load->nodes[i], reterr) : rc;
    }
    for (size_t i = 0; i < load->n_devices && rc == 0; i++) {
        rc = check_device_record(&load->devices[i], reterr);
        rc = rc == 0 ? insert_device(store, &load->devices[i], reterr) : rc;
    }
    for (size_t i = 0; i < load->n_volumes && rc == 0; i++) {
        struct store_volume volume = load->volumes[i];

        volume.untold = false; /* who was told of it after the backup was made is not known */
        rc = insert_whole_volume(store, &volume, reterr);
    }
    for (size_t i = 0; i < load->n_blocks && rc == 0; i++) {
        rc = insert_block(store, &load->blocks[i], reterr);
    }
    for (size_t i = 0; i < load->n_operations && rc == 0; i++) {
        struct store_operation op = load->operations[i];

        op.begin_index = index;
        op.restored =
            store_level(store) >= STORE_LEVEL_RESTORED && op.phase == STORE_OP_FORWARD &&
            (op.type == STORE_OP_CREATE_VOLUME || op.type == STORE_OP_CREATE_BLOCK || op.type == STORE_OP_CLONE_VOLUME);
        rc = insert_op(store, &op, reterr);
    }
    /* Who is pending by whom can only be asked now that the operations are there. */
    return rc == 0 ? check_loaded(store, load, reterr) : rc;
}

/* ---- the command ---- */

enum store_code check_load(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct store_settings *settings = &store->settings.rec;

    result->id = cmd->op_id;
    if (id_is_none(cmd->op_id)) {
        return refuse(result, STORE_BAD_REQUEST, "A load needs an id");
    }
    if (id_equal(settings->loaded, cmd->op_id) && id_is_none(settings->load)) {
        return STORE_REPEATED;
    }
    if (cmd->load.part == 0) {
        return id_is_none(settings->load) && !store_is_empty(store)
                   ? refuse(result, STORE_CONFLICT, "The database is not empty")
                   : STORE_OK;
    }
    if (!id_equal(settings->load, cmd->op_id) || settings->load_part != cmd->load.part) {
        return refuse(result, STORE_STALE_PLAN, "Another load has begun, or a part is missing");
    }
    return STORE_OK;
}

void commit_load(struct store *store, uint64_t index, const struct store_cmd *cmd, struct store_result *result)
{
    struct id loaded = store->settings.rec.loaded;
    struct err err = ERR_INIT;

    if (cmd->load.part == 0) {
        take_content(store); /* of a load that was not finished */
    }
    if (insert_part(store, index, &cmd->load, &err) != 0) {
        take_content(store);
        set_load(store, ID_NONE, 0, loaded);
        (void)refuse(result, STORE_CONFLICT, "Part %u does not fit: %s", cmd->load.part, err.message);
    } else if (cmd->load.last) {
        set_load(store, ID_NONE, 0, cmd->op_id);
    } else {
        set_load(store, cmd->op_id, cmd->load.part + 1, loaded);
    }
}

enum store_code check_load_abort(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    if (id_is_none(cmd->op_id) || !id_equal(store->settings.rec.load, cmd->op_id)) {
        return refuse(result, STORE_NOT_FOUND, "There is no such load under way");
    }
    return STORE_OK;
}

void commit_load_abort(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    (void)cmd;
    take_content(store);
    set_load(store, ID_NONE, 0, store->settings.rec.loaded);
}

/* Volumes and bricks of a dump, and the operations that were not finished. */
#include <stdlib.h>
#include <string.h>

#include "daemon/import_priv.h"
#include "store/base/mem.h"
#include "store/words.h"

/* ---- bricks ---- */

/* Names and paths that become part of commands on the nodes. */
static void check_brick(struct import *import, const char *key, const struct store_brick *brick)
{
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(brick);
    CLEANUP(free_ptr) char *path = store_brick_path(brick);
    struct err err = ERR_INIT;

    if (!store_is_name(brick->pool) || !store_is_name(lv)) {
        import_error(import, "brick %.40s: \"%.40s\" and \"%.40s\" are no names of a thin pool and a logical volume",
                     key, brick->pool, lv);
    }
    if (store_path_check(path, &err) != 0) {
        import_error(import, "brick %.40s: %s", key, err.message);
    }
}

static void read_brick(struct import *import, const char *key, struct id volume, struct store_brick *brick)
{
    const json_t *entry = import_object(import_section(import, "brickentries"), key);
    const json_t *info = import_object(entry, "Info");
    CLEANUP(free_ptr) char *default_path = NULL;
    const char *pool = import_str(import, entry, "LvmThinPool");
    int64_t type = import_int(import, entry, "SubType");
    struct id owner;

    brick->pool = mem_strdup("");
    brick->lv = mem_strdup(import_str(import, entry, "LvmLv"));
    brick->path = mem_strdup("");
    if (info == NULL) {
        import_error(import, "volume %s: its brick %.40s is not in the dump", id_text(volume).text, key);
        return;
    }
    brick->id = import_id(import, info, "id", "brick");
    brick->volume = volume;
    brick->device = import_id(import, info, "device", "brick");
    owner = import_id(import, info, "volume", "brick");
    if (!id_equal(owner, volume)) {
        import_error(import, "brick %.40s: belongs to volume %s, but volume %s lists it", key, id_text(owner).text,
                     id_text(volume).text);
    }
    brick->size_kib = (uint64_t)import_int(import, info, "size");
    brick->pool_kib = (uint64_t)import_int(import, entry, "TpSize");
    brick->meta_kib = (uint64_t)import_int(import, entry, "PoolMetadataSize");
    /* The pool's id is often another one than the brick's; only old databases do not name it. */
    free(brick->pool);
    brick->pool = *pool != '\0' ? mem_strdup(pool) : mem_printf("tp_%s", id_text(brick->id).text);
    default_path = store_brick_path(brick);
    if (strcmp(default_path, import_str(import, info, "path")) != 0) {
        free(brick->path);
        brick->path = mem_strdup(import_str(import, info, "path"));
    }
    check_brick(import, key, brick);
    brick->type = type <= STORE_BRICK_ARBITER ? (enum store_brick_type)type : STORE_BRICK_UNKNOWN;
}

static const struct store_device *device_of(const struct import *import, const struct store_brick *brick)
{
    const struct store_load *load = &import->cmd->load;

    for (size_t i = 0; i < load->n_devices; i++) {
        if (id_equal(load->devices[i].id, brick->device)) {
            return &load->devices[i];
        }
    }
    return NULL;
}

static const struct store_node *node_of(const struct import *import, const struct store_brick *brick)
{
    const struct store_device *device = device_of(import, brick);
    const struct store_load *load = &import->cmd->load;

    for (size_t i = 0; device != NULL && i < load->n_nodes; i++) {
        if (id_equal(load->nodes[i].id, device->node)) {
            return &load->nodes[i];
        }
    }
    return NULL;
}

/* ---- sets: from Gluster, which knows their order, or by guess ---- */

static void swap_bricks(struct store_brick *a, struct store_brick *b)
{
    struct store_brick keep = *a;

    *a = *b;
    *b = keep;
}

/* Sets of bricks on different nodes; an arbiter is the last one of its set. */
static bool order_by_guess(const struct import *import, struct store_volume *volume, size_t width)
{
    for (size_t i = 0; i < volume->n_bricks; i++) {
        size_t first = i - i % width, best = volume->n_bricks;

        for (size_t j = i; j < volume->n_bricks; j++) {
            bool arbiter = volume->bricks[j].type == STORE_BRICK_ARBITER;
            bool taken = false;

            for (size_t k = first; k < i; k++) {
                taken = taken || node_of(import, &volume->bricks[k]) == node_of(import, &volume->bricks[j]);
            }
            if (!taken && (best == volume->n_bricks || arbiter == (i % width == width - 1))) {
                best = j;
                if (arbiter == (i % width == width - 1)) {
                    break;
                }
            }
        }
        if (best == volume->n_bricks) {
            return false;
        }
        swap_bricks(&volume->bricks[i], &volume->bricks[best]);
    }
    return true;
}

static size_t width_of(const struct store_volume *volume)
{
    switch (volume->durability) {
    case STORE_REPLICATE:
        return volume->replica;
    case STORE_DISPERSE:
        return volume->disperse_data + volume->redundancy;
    default:
        return 1;
    }
}

static void order_bricks(struct import *import, struct store_volume *volume)
{
    size_t width = width_of(volume);

    if (width == 0 || volume->n_bricks == 0 || volume->n_bricks % width != 0) {
        import_error(import, "volume %s (%s): %zu bricks are no whole sets of %zu", id_text(volume->id).text,
                     volume->name, volume->n_bricks, width);
        return;
    }
    if (!order_by_guess(import, volume, width)) {
        import_error(import, "volume %s (%s): its bricks cannot be sets of %zu on different nodes",
                     id_text(volume->id).text, volume->name, width);
    } else if (width > 1 && volume->n_bricks > width) {
        import_warn(import, "volume %s (%s): which of its bricks form a set is a guess", id_text(volume->id).text,
                    volume->name);
    }
    for (size_t i = 0; i < volume->n_bricks; i++) {
        volume->bricks[i].set = (uint32_t)(i / width);
        volume->bricks[i].position = (uint32_t)(i % width);
    }
}

/* ---- volumes ---- */

static uint32_t or_default(int64_t value, uint32_t other)
{
    return value > 0 && value <= UINT32_MAX ? (uint32_t)value : other;
}

static void read_durability(struct import *import, const json_t *info, struct store_volume *volume)
{
    const json_t *durability = import_object(info, "durability");
    const char *type = import_str(import, durability, "type");
    int64_t replica = import_int(import, import_object(durability, "replicate"), "replica");
    int64_t data = import_int(import, import_object(durability, "disperse"), "data");
    int64_t redundancy = import_int(import, import_object(durability, "disperse"), "redundancy");

    volume->replica = or_default(replica, 0);
    volume->disperse_data = or_default(data, 0);
    volume->redundancy = or_default(redundancy, 0);
    if (strcmp(type, "replicate") == 0) {
        volume->durability = STORE_REPLICATE;
        volume->replica = or_default(replica, 2);
    } else if (strcmp(type, "disperse") == 0) {
        volume->durability = STORE_DISPERSE;
        volume->disperse_data = or_default(data, 4);
        volume->redundancy = or_default(redundancy, 2);
    } else if (*type != '\0' && strcmp(type, "none") != 0) {
        import_error(import, "volume %s: unknown durability \"%.20s\"", id_text(volume->id).text, type);
    }
}

/* What a block hosting volume keeps back, and whether it is locked. */
static void read_hosting(struct import *import, const json_t *blockinfo, struct store_volume *volume)
{
    int64_t reserved = import_int(import, blockinfo, "reservedsize");
    const char *restriction = import_str(import, blockinfo, "restriction");

    if (!volume->block) {
        return;
    }
    if (reserved < 0 || reserved > volume->size_gib) {
        import_error(import, "volume %s: a reserve of %ld GiB", id_text(volume->id).text, (long)reserved);
        return;
    }
    volume->reserved_gib = (uint32_t)reserved;
    for (int i = STORE_UNRESTRICTED; i <= STORE_LOCKED_BY_UPDATE; i++) {
        if (strcmp(restriction, store_restriction_name((enum store_restriction)i)) == 0) {
            volume->restriction = (enum store_restriction)i;
            return;
        }
    }
    import_error(import, "volume %s: unknown restriction \"%.20s\"", id_text(volume->id).text, restriction);
}

static void read_volume(struct import *import, const char *key, const json_t *entry, struct store_volume *volume)
{
    const json_t *info = import_object(entry, "Info");
    const json_t *snapshot = import_object(info, "snapshot");
    const json_t *bricks = json_object_get(entry, "Bricks");
    const char *pending = import_str(import, import_object(entry, "Pending"), "Id");
    double factor = json_number_value(json_object_get(snapshot, "factor"));
    int64_t size = import_int(import, info, "size");
    struct err err = ERR_INIT;
    struct id outer;

    volume->id = import_id(import, info, "id", "volume");
    if (!import_parse_id(key, &outer) || !id_equal(outer, volume->id)) {
        import_error(import, "volume %.40s: the id inside differs from the key", key);
    }
    volume->cluster = import_id(import, info, "cluster", "volume");
    volume->clusters = import_asked_clusters(info, &volume->n_clusters);
    volume->name = mem_strdup(import_str(import, info, "name"));
    volume->size_gib = size > UINT32_MAX ? 0 : (uint32_t)size;
    volume->gid = import_int(import, info, "gid");
    volume->block = import_bool(import, info, "block");
    volume->snapshot_enable = import_bool(import, snapshot, "enable");
    volume->snapshot_factor = factor >= 1 && factor <= 100 ? (float)factor : 1.0F;
    read_durability(import, info, volume);
    read_hosting(import, import_object(info, "blockinfo"), volume);
    import_strs(import, json_object_get(entry, "GlusterVolumeOptions") != NULL ? entry : info,
                json_object_get(entry, "GlusterVolumeOptions") != NULL ? "GlusterVolumeOptions"
                                                                       : "glustervolumeoptions",
                &volume->options);
    if (!store_is_volume_name(volume->name)) {
        import_error(import, "volume %s: \"%.40s\" is no name of a volume", id_text(volume->id).text, volume->name);
    }
    if (store_options_check(&volume->options, &err) != 0) {
        import_error(import, "volume %s (%.40s): GlusterVolumeOptions: %s; take it out of the dump",
                     id_text(volume->id).text, volume->name, err.message);
    }
    if (*pending != '\0' && !import_parse_id(pending, &volume->pending)) {
        import_error(import, "volume %s: pending on \"%.40s\", which is no id", id_text(volume->id).text, pending);
    }
    volume->bricks = mem_calloc(json_array_size(bricks) + 1, sizeof(*volume->bricks));
    for (size_t i = 0; i < json_array_size(bricks); i++) {
        const char *brick = json_string_value(json_array_get(bricks, i));

        read_brick(import, brick != NULL ? brick : "", volume->id, &volume->bricks[volume->n_bricks]);
        volume->bricks[volume->n_bricks++].pending = volume->pending;
    }
    order_bricks(import, volume);
}

void import_volumes(struct import *import)
{
    struct store_load *load = &import->cmd->load;
    json_t *section = (json_t *)(uintptr_t)import_section(import, "volumeentries"), *entry;
    const char *key;

    load->volumes = mem_calloc(json_object_size(section) + 1, sizeof(*load->volumes));
    json_object_foreach(section, key, entry)
    {
        read_volume(import, key, entry, &load->volumes[load->n_volumes++]);
    }
}

/* ---- operations: creates are undone, deletes are carried on, as Heketi itself does with them; nothing else ---- */

static struct id target_of(struct import *import, const json_t *entry, int64_t change)
{
    const json_t *actions = json_object_get(entry, "Actions");

    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *action = json_array_get(actions, i);

        if (import_int(import, action, "Change") == change) {
            return import_id(import, action, "Id", "operation");
        }
    }
    return ID_NONE;
}

static bool volume_waits(const struct import *import, struct id volume, struct id op_id)
{
    const struct store_load *load = &import->cmd->load;

    for (size_t i = 0; i < load->n_volumes; i++) {
        if (id_equal(load->volumes[i].id, volume) && id_equal(load->volumes[i].pending, op_id)) {
            return true;
        }
    }
    return false;
}

/* Heketi's names, also of those that are no operations of ours. */
static const char *type_name(int64_t type)
{
    static const char *const names[] = {
        "unknown",
        "create-volume",
        "delete-volume",
        "expand-volume",
        "create-block-volume",
        "delete-block-volume",
        "remove-device",
        "clone-volume",
        "evict-brick",
        "expand-block-volume",
    };

    return names[type > 0 && (size_t)type < sizeof(names) / sizeof(*names) ? type : 0];
}

static void read_operation(struct import *import, const char *key, const json_t *entry)
{
    struct store_load *load = &import->cmd->load;
    struct store_operation *op = &load->operations[load->n_operations];
    int64_t type = import_int(import, entry, "Type");

    if (type != STORE_OP_CREATE_VOLUME && type != STORE_OP_DELETE_VOLUME) {
        import_error(import,
                     "operation %.40s (%s) was not finished: let Heketi clean it up (heketi-cli server operations "
                     "cleanup) and dump again",
                     key, type_name(type));
        return;
    }
    op->id = import_id(import, entry, "Id", "operation");
    op->type = (enum store_op_type)type;
    op->target = target_of(import, entry, type == STORE_OP_CREATE_VOLUME ? 2 : 4);
    op->created_ms = import_seconds_ms(import, entry, "Timestamp");
    op->reason = mem_strdup("");
    op->begin_index = 1;
    if (type == STORE_OP_CREATE_VOLUME) {
        op->phase = STORE_OP_UNDO;
        free(op->reason);
        op->reason = mem_strdup("not finished when the database was imported");
    }
    load->n_operations++;
    if (!volume_waits(import, op->target, op->id)) {
        import_error(import, "operation %.40s: its volume %s does not wait for it", key, id_text(op->target).text);
    }
}

void import_operations(struct import *import)
{
    struct store_load *load = &import->cmd->load;
    json_t *section = (json_t *)(uintptr_t)import_section(import, "pendingoperations"), *entry;
    const char *key;

    load->operations = mem_calloc(json_object_size(section) + 1, sizeof(*load->operations));
    json_object_foreach(section, key, entry)
    {
        read_operation(import, key, entry);
    }
    for (size_t i = 0; i < load->n_volumes; i++) {
        bool known = id_is_none(load->volumes[i].pending);

        for (size_t j = 0; j < load->n_operations; j++) {
            known = known || id_equal(load->operations[j].id, load->volumes[i].pending);
        }
        if (!known) {
            import_error(import, "volume %s is pending on operation %s, which is not in the dump",
                         id_text(load->volumes[i].id).text, id_text(load->volumes[i].pending).text);
        }
    }
}

/* ---- block volumes ---- */

static void read_block(struct import *import, const char *key, const json_t *entry, struct store_block_volume *block)
{
    const json_t *info = import_object(entry, "Info");
    const json_t *target = import_object(info, "blockvolume");
    int64_t size = import_int(import, info, "size");
    struct id outer;

    block->id = import_id(import, info, "id", "block volume");
    if (!import_parse_id(key, &outer) || !id_equal(outer, block->id)) {
        import_error(import, "block volume %.40s: the id inside differs from the key", key);
    }
    if (*import_str(import, import_object(entry, "Pending"), "Id") != '\0') {
        import_error(import, "block volume %.40s is pending: let Heketi clean up first and dump again", key);
    }
    block->hosting = import_id(import, info, "blockhostingvolume", "block volume");
    block->name = mem_strdup(import_str(import, info, "name"));
    if (!store_is_volume_name(block->name)) {
        import_error(import, "block volume %.40s: \"%.40s\" is no name of one", key, block->name);
    }
    block->size_gib = size > UINT32_MAX ? 0 : (uint32_t)size;
    block->usable_gib = or_default(import_int(import, info, "usablesize"), block->size_gib); /* old: not recorded */
    block->ha_count = or_default(import_int(import, info, "hacount"), 0);
    block->auth = import_bool(import, info, "auth");
    block->iqn = mem_strdup(import_str(import, target, "iqn"));
    block->user = mem_strdup(import_str(import, target, "username"));
    block->password = mem_strdup(import_str(import, target, "password"));
    import_strs(import, target, "hosts", &block->hosts);
    block->clusters = import_asked_clusters(info, &block->n_clusters);
}

void import_blocks(struct import *import)
{
    struct store_load *load = &import->cmd->load;
    json_t *section = (json_t *)(uintptr_t)import_section(import, "blockvolumeentries"), *entry;
    const char *key;

    load->blocks = mem_calloc(json_object_size(section) + 1, sizeof(*load->blocks));
    json_object_foreach(section, key, entry)
    {
        read_block(import, key, entry, &load->blocks[load->n_blocks++]);
    }
}

#include "store/types.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"

void store_strs_fini(struct store_strs *strs)
{
    for (size_t i = 0; i < strs->n; i++) {
        free(strs->items[i]);
    }
    free(strs->items);
    *strs = (struct store_strs){NULL, 0};
}

void store_strs_add(struct store_strs *strs, const char *text)
{
    strs->items = mem_realloc_array(strs->items, strs->n + 1, sizeof(*strs->items));
    strs->items[strs->n] = mem_strdup(text);
    strs->n++;
}

void store_strs_copy(struct store_strs *to, const struct store_strs *from)
{
    *to = (struct store_strs){from->n > 0 ? mem_calloc(from->n, sizeof(*to->items)) : NULL, from->n};
    for (size_t i = 0; i < from->n; i++) {
        to->items[i] = mem_strdup(from->items[i]);
    }
}

void store_tags_fini(struct store_tags *tags)
{
    for (size_t i = 0; i < tags->n; i++) {
        free(tags->items[i].name);
        free(tags->items[i].value);
    }
    free(tags->items);
    *tags = (struct store_tags){NULL, 0};
}

/* The first place whose name is not below `name`. */
static size_t tag_place(const struct store_tags *tags, const char *name)
{
    size_t low = 0, high = tags->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(tags->items[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void store_tags_set(struct store_tags *tags, const char *name, const char *value)
{
    size_t i = tag_place(tags, name);
    char *copy = mem_strdup(value); /* value may be the one that is replaced */

    if (i < tags->n && strcmp(tags->items[i].name, name) == 0) {
        free(tags->items[i].value);
        tags->items[i].value = copy;
        return;
    }
    tags->items = mem_realloc_array(tags->items, tags->n + 1, sizeof(*tags->items));
    memmove(&tags->items[i + 1], &tags->items[i], (tags->n - i) * sizeof(*tags->items));
    tags->items[i] = (struct store_tag){mem_strdup(name), copy};
    tags->n++;
}

void store_tags_copy(struct store_tags *to, const struct store_tags *from)
{
    *to = (struct store_tags){from->n > 0 ? mem_calloc(from->n, sizeof(*to->items)) : NULL, from->n};
    for (size_t i = 0; i < from->n; i++) {
        to->items[i] = (struct store_tag){mem_strdup(from->items[i].name), mem_strdup(from->items[i].value)};
    }
}

const char *store_tags_get(const struct store_tags *tags, const char *name)
{
    size_t i = tag_place(tags, name);

    return i < tags->n && strcmp(tags->items[i].name, name) == 0 ? tags->items[i].value : NULL;
}

void store_brick_fini(struct store_brick *brick)
{
    free(brick->pool);
    free(brick->lv);
    free(brick->path);
    *brick = (struct store_brick){.pool = NULL};
}

void store_brick_copy(struct store_brick *to, const struct store_brick *from)
{
    *to = *from;
    to->pool = mem_strdup(from->pool != NULL ? from->pool : "");
    to->lv = mem_strdup(from->lv != NULL ? from->lv : "");
    to->path = mem_strdup(from->path != NULL ? from->path : "");
}

static const char *const mode_names[] = {"", "normal", "read-only", "local-client"};

const char *store_mode_name(enum store_mode mode)
{
    return mode_names[mode];
}

bool store_mode_parse(const char *name, enum store_mode *ret_mode)
{
    for (size_t i = STORE_MODE_NORMAL; i <= STORE_MODE_LOCAL_CLIENT; i++) {
        if (strcmp(mode_names[i], name) == 0) {
            *ret_mode = (enum store_mode)i;
            return true;
        }
    }
    return false;
}

uint32_t store_volume_width(const struct store_volume *volume)
{
    switch (volume->durability) {
    case STORE_REPLICATE:
        return volume->replica;
    case STORE_DISPERSE:
        return volume->disperse_data + volume->redundancy;
    case STORE_NONE:
        break;
    }
    return 1;
}

bool store_volume_is_single(const struct store_volume *volume)
{
    return volume->durability == STORE_NONE || (volume->durability == STORE_REPLICATE && volume->replica < 2);
}

const char *store_state_name(enum store_state state)
{
    switch (state) {
    case STORE_STATE_ONLINE:
        return "online";
    case STORE_STATE_OFFLINE:
        return "offline";
    case STORE_STATE_FAILED:
        return "failed";
    }
    return "unknown";
}

bool store_op_has_parts(enum store_op_type type)
{
    return type == STORE_OP_REMOVE_DEVICE || type == STORE_OP_NODE_REMOVE || type == STORE_OP_NODE_REPLACE;
}

const char *store_op_type_name(enum store_op_type type)
{
    switch (type) {
    case STORE_OP_CREATE_VOLUME:
        return "create-volume";
    case STORE_OP_DELETE_VOLUME:
        return "delete-volume";
    case STORE_OP_CREATE_BLOCK:
        return "create-block-volume";
    case STORE_OP_DELETE_BLOCK:
        return "delete-block-volume";
    case STORE_OP_EXPAND_BLOCK:
        return "expand-block-volume";
    case STORE_OP_EXPAND_VOLUME:
        return "expand-volume";
    case STORE_OP_CLONE_VOLUME:
        return "clone-volume";
    case STORE_OP_REBALANCE:
        return "rebalance-volume";
    case STORE_OP_NODE_ADD:
        return "add-node";
    case STORE_OP_NODE_DELETE:
        return "delete-node";
    case STORE_OP_DEVICE_ADD:
        return "add-device";
    case STORE_OP_DEVICE_DELETE:
        return "delete-device";
    case STORE_OP_CLEAN_DEVICE:
        return "clean-device";
    case STORE_OP_DEVICE_RESYNC:
        return "resync-device";
    case STORE_OP_CLEAN_BRICKS:
        return "clean-bricks";
    case STORE_OP_REMOVE_DEVICE:
        return "remove-device";
    case STORE_OP_EVICT_BRICK:
        return "evict-brick";
    case STORE_OP_NODE_REMOVE:
        return "remove-node";
    case STORE_OP_DEVICE_REPLACE:
        return "replace-device";
    case STORE_OP_NODE_REPLACE:
        return "replace-node";
    }
    return "unknown";
}

const char *store_durability_name(enum store_durability value)
{
    switch (value) {
    case STORE_NONE:
        return "none";
    case STORE_REPLICATE:
        return "replicate";
    case STORE_DISPERSE:
        return "disperse";
    }
    return "unknown";
}

const char *store_restriction_name(enum store_restriction value)
{
    switch (value) {
    case STORE_UNRESTRICTED:
        return "";
    case STORE_LOCKED:
        return "locked";
    case STORE_LOCKED_BY_UPDATE:
        return "locked-by-update";
    }
    return "unknown";
}

uint32_t store_block_reserve_gib(uint32_t size_gib)
{
    return size_gib - (uint32_t)(UINT64_C(98) * size_gib / 100);
}

static bool recorded(const char *text)
{
    return text != NULL && text[0] != '\0';
}

#define BRICK_MOUNT "/var/lib/heketi/mounts/vg_%s/brick_%s" /* device, brick */

char *store_brick_lv_name(const struct store_brick *brick)
{
    return recorded(brick->lv) ? mem_strdup(brick->lv) : mem_printf("brick_%s", id_text(brick->id).text);
}

char *store_brick_mount(const struct store_brick *brick)
{
    const char *end = recorded(brick->path) ? strrchr(brick->path, '/') : NULL;

    if (end != NULL && end > brick->path) {
        return mem_strndup(brick->path, (size_t)(end - brick->path));
    }
    return mem_printf(BRICK_MOUNT, id_text(brick->device).text, id_text(brick->id).text);
}

char *store_brick_path(const struct store_brick *brick)
{
    return recorded(brick->path)
               ? mem_strdup(brick->path)
               : mem_printf(BRICK_MOUNT "/brick", id_text(brick->device).text, id_text(brick->id).text);
}

char *store_brick_devnode(const struct store_brick *brick)
{
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(brick);

    return mem_printf("/dev/mapper/vg_%s-%s", id_text(brick->device).text, lv);
}

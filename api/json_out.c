#include "api/json_out_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_scan.h"
#include "store/base/mem.h"
#include "store/base/text.h"

/* ---- visibility ---- */

bool api_node_visible(const struct store *store, const struct store_node *node)
{
    return !pending_is(store, node->pending, STORE_OP_NODE_ADD);
}

bool api_device_visible(const struct store *store, const struct store_device *device)
{
    return !pending_is(store, device->pending, STORE_OP_DEVICE_ADD) &&
           !pending_is(store, device->pending, STORE_OP_CLEAN_DEVICE); /* forgotten */
}

bool api_volume_visible(const struct store_volume *volume)
{
    return id_is_none(volume->pending);
}

/* ---- values ---- */

/* How many characters from here on need no look: printable ASCII that is never escaped. Nearly every string is such. */
static size_t plain_len(const char *text)
{
    static const bool plain[256] = {
        [' ' ... '!'] = true, ['#' ... '%'] = true, ['\'' ... ';'] = true,
        ['='] = true,         ['?' ... '['] = true, [']' ... '~'] = true,
    };
    size_t len = 0;

    while (plain[(unsigned char)text[len]]) {
        len++;
    }
    return len;
}

/* Go's encoder: HTML characters and the two line separators are escaped, invalid UTF-8 becomes U+FFFD. */
void api_out_string(struct buf *buf, const char *text)
{
    size_t left = strlen(text);

    buf_append_char(buf, '"');
    while (left > 0) {
        unsigned char c = (unsigned char)*text;
        size_t len = plain_len(text);

        if (len > 0) {
            buf_append(buf, text, len);
            text += len;
            left -= len;
            continue;
        }
        len = text_utf8_len(text, left);
        if (c == '"' || c == '\\') {
            buf_append_char(buf, '\\');
            buf_append_char(buf, *text);
        } else if (c == '\n') {
            buf_append_str(buf, "\\n");
        } else if (c == '\r') {
            buf_append_str(buf, "\\r");
        } else if (c == '\t') {
            buf_append_str(buf, "\\t");
        } else if (c < 0x20 || c == '<' || c == '>' || c == '&') {
            buf_printf(buf, "\\u%04x", c);
        } else if (strncmp(text, "\xe2\x80\xa8", 3) == 0 || strncmp(text, "\xe2\x80\xa9", 3) == 0) {
            buf_printf(buf, "\\u202%c", (unsigned char)text[2] == 0xa8 ? '8' : '9');
        } else if (len == 0) {
            buf_append_str(buf, "\\ufffd");
        } else {
            buf_append(buf, text, len);
        }
        text += len > 0 ? len : 1;
        left -= len > 0 ? len : 1;
    }
    buf_append_char(buf, '"');
}

void api_out_tags(struct buf *buf, const struct store_tags *tags)
{
    buf_append_char(buf, '{');
    for (size_t i = 0; i < tags->n; i++) {
        if (i > 0) {
            buf_append_char(buf, ',');
        }
        api_out_string(buf, tags->items[i].name);
        buf_append_char(buf, ':');
        api_out_string(buf, tags->items[i].value);
    }
    buf_append_char(buf, '}');
}

void api_out_member_tags(struct buf *buf, const struct store_tags *tags)
{
    if (tags->n > 0) {
        member(buf, "tags");
        api_out_tags(buf, tags);
    }
}

/* The shortest decimal that reads back as the same 32-bit float. */
static void append_float(struct buf *buf, float value)
{
    char text[32] = "";

    for (int digits = 1; digits <= 9; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) {
            break;
        }
    }
    if (strchr(text, 'e') != NULL) {
        (void)snprintf(text, sizeof(text), "%.0f", (double)value); /* 100 at one digit is 1e+02 */
    }
    buf_append_str(buf, text);
}

/* ---- clusters ---- */

void api_out_cluster_head(struct buf *buf, const struct store *store, const struct store_cluster *cluster)
{
    const struct store_node *node = NULL;

    buf_append_char(buf, '{');
    member_id(buf, "id", cluster->id);
    member(buf, "nodes");
    buf_append_char(buf, '[');
    while ((node = store_cluster_node_next(store, cluster->id, node)) != NULL) {
        if (api_node_visible(store, node)) {
            list_id(buf, node->id);
        }
    }
    buf_append_char(buf, ']');
    member(buf, "volumes");
    buf_append_char(buf, '[');
}

void api_out_cluster_middle(struct buf *buf, const struct store_cluster *cluster)
{
    buf_append_char(buf, ']');
    member_bool(buf, "block", cluster->block);
    member_bool(buf, "file", cluster->file);
    member(buf, "blockvolumes");
    buf_append_char(buf, '[');
}

void api_out_cluster_list(struct buf *buf, const struct store *store)
{
    const struct store_cluster *cluster = NULL;

    buf_append_str(buf, "{\"clusters\":[");
    while ((cluster = store_cluster_next(store, cluster)) != NULL) {
        list_id(buf, cluster->id);
    }
    buf_append_str(buf, "]}");
}

void api_out_brick(struct buf *buf, const struct store_brick *brick, struct id node)
{
    CLEANUP(free_ptr) char *path = store_brick_path(brick);

    buf_append_char(buf, '{');
    member_id(buf, "id", brick->id);
    member_string(buf, "path", path);
    member_id(buf, "device", brick->device);
    member_id(buf, "node", node);
    member_id(buf, "volume", brick->volume);
    member_u64(buf, "size", brick->size_kib);
    buf_append_char(buf, '}');
}

/* ---- volumes ---- */

static void member_durability(struct buf *buf, const struct store_volume *volume)
{
    member(buf, "durability");
    buf_append_char(buf, '{');
    member_string(buf, "type", store_durability_name(volume->durability));
    member(buf, "replicate");
    buf_append_char(buf, '{');
    if (volume->replica != 0) {
        member_u64(buf, "replica", volume->replica);
    }
    buf_append_char(buf, '}');
    member(buf, "disperse");
    buf_append_char(buf, '{');
    if (volume->disperse_data != 0) {
        member_u64(buf, "data", volume->disperse_data);
    }
    if (volume->redundancy != 0) {
        member_u64(buf, "redundancy", volume->redundancy);
    }
    buf_append_str(buf, "}}");
}

/* Computed from the cluster's nodes of this moment, so that it is never stale. */
static void member_mount(struct buf *buf, const struct store *store, const struct store_volume *volume)
{
    CLEANUP(buf_fini) struct buf device = BUF_INIT;
    CLEANUP(buf_fini) struct buf backup = BUF_INIT;
    const struct store_node *node = NULL;
    bool first = true;

    member(buf, "mount");
    buf_append_str(buf, "{\"glusterfs\":{\"hosts\":[");
    while ((node = store_cluster_node_next(store, volume->cluster, node)) != NULL) {
        if (pending_is(store, node->pending, STORE_OP_NODE_ADD) ||
            pending_is(store, node->pending, STORE_OP_NODE_DELETE) || node->storage.n == 0) {
            continue;
        }
        list_comma(buf);
        api_out_string(buf, node->storage.items[0]);
        if (first) {
            buf_printf(&device, "%s:%s", node->storage.items[0], volume->name);
        } else {
            buf_printf(&backup, "%s%s", backup.len > 0 ? "," : "", node->storage.items[0]);
        }
        first = false;
    }
    if (first) {
        buf_printf(&device, ":%s", volume->name);
    }
    buf_append_char(buf, ']');
    member_string(buf, "device", buf_str(&device));
    buf_append_str(buf, ",\"options\":{\"backup-volfile-servers\":");
    api_out_string(buf, buf_str(&backup));
    buf_append_str(buf, "}}}");
}

struct brick_ref {
    const struct store_brick *brick;
};

static int compare_bricks(const void *a, const void *b)
{
    const struct brick_ref *x = a;
    const struct brick_ref *y = b;

    return id_cmp(&x->brick->id, &y->brick->id);
}

/* The volume's bricks by id (the record has them in replica-set order). */
static struct brick_ref *bricks_by_id(const struct store_volume *volume)
{
    struct brick_ref *bricks = mem_calloc(volume->n_bricks + 1, sizeof(*bricks));

    for (size_t i = 0; i < volume->n_bricks; i++) {
        bricks[i].brick = &volume->bricks[i];
    }
    qsort(bricks, volume->n_bricks, sizeof(*bricks), compare_bricks);
    return bricks;
}

/* As api_out_volume. dump: as it stands in a dump, which keeps the options elsewhere. The closing brace is left to the
 * caller: *ret_rest is where it belongs. */
static struct ids out_volume_info(struct buf *buf, struct buf *tail, const struct store *store,
                                  const struct store_volume *volume, bool dump, struct buf **ret_rest)
{
    struct ids ids;

    buf_append_char(buf, '{');
    member_u64(buf, "size", volume->size_gib);
    if (dump && volume->n_clusters > 0) {
        member(buf, "clusters");
        buf_append_char(buf, '[');
        for (size_t i = 0; i < volume->n_clusters; i++) {
            list_id(buf, volume->clusters[i]);
        }
        buf_append_char(buf, ']');
    }
    member_string(buf, "name", volume->name);
    member_durability(buf, volume);
    if (volume->gid != 0) {
        member(buf, "gid");
        buf_printf(buf, "%ld", (long)volume->gid);
    }
    if (volume->options.n > 0 && !dump) {
        member_strs(buf, "glustervolumeoptions", &volume->options);
    }
    if (volume->block) {
        member_bool(buf, "block", true);
    }
    member(buf, "snapshot");
    buf_append_char(buf, '{');
    member_bool(buf, "enable", volume->snapshot_enable);
    member(buf, "factor");
    append_float(buf, volume->snapshot_factor);
    buf_append_char(buf, '}');
    member_id(buf, "id", volume->id);
    member_id(buf, "cluster", volume->cluster);
    member_mount(buf, store, volume);
    *ret_rest = api_out_blockinfo(buf, tail, store, volume, &ids);
    return ids;
}

void api_out_volume_info(struct buf *buf, const struct store *store, const struct store_volume *volume)
{
    struct buf tail = BUF_INIT, *rest;
    struct ids ids = out_volume_info(buf, &tail, store, volume, true, &rest);

    buf_append_char(rest, '}');
    api_out_joined(buf, &ids, &tail);
}

struct ids api_out_volume(struct buf *head, struct buf *tail, const struct store *store,
                          const struct store_volume *volume)
{
    struct buf *rest;
    struct brick_ref *bricks = bricks_by_id(volume);
    struct ids ids = out_volume_info(head, tail, store, volume, false, &rest);

    member(rest, "bricks");
    buf_append_char(rest, '[');
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct store_device *device = store_device(store, bricks[i].brick->device);

        list_comma(rest);
        api_out_brick(rest, bricks[i].brick, device != NULL ? device->node : ID_NONE);
    }
    buf_append_str(rest, "]}");
    free(bricks);
    return ids;
}

void api_out_small_volume(struct buf *buf, const struct store *store, const struct store_volume *volume)
{
    struct buf tail = BUF_INIT;
    struct ids ids = api_out_volume(buf, &tail, store, volume);

    api_out_joined(buf, &ids, &tail);
}

/* Nodes and devices as JSON, piece by piece (heketi-rest.md 6.2, 6.3). To note a brick takes a third of the time that
 * its text takes, and is done in one go: so the answer is of one moment. */
#include <stdlib.h>

#include "api/json_out_priv.h"
#include "store/base/mem.h"

struct part { /* one device */
    size_t head_end, bricks_end;
    struct id node;
};

struct api_bricks {
    struct buf heads; /* what comes before the bricks of each device */
    struct part *parts;
    size_t n_parts;
    struct store_brick *bricks; /* what is shown of them */
    size_t n, size;
    const char *tail;
    size_t part, head_at, at; /* made up to there */
    bool opened, any;         /* the part; bricks of it */
};

static void note_brick(struct api_bricks *bricks, const struct store_brick *brick)
{
    if (bricks->n == bricks->size) {
        bricks->size = bricks->size > 0 ? 2 * bricks->size : 256;
        bricks->bricks = mem_realloc_array(bricks->bricks, bricks->size, sizeof(*bricks->bricks));
    }
    bricks->bricks[bricks->n++] = (struct store_brick){
        .id = brick->id,
        .volume = brick->volume,
        .device = brick->device,
        .size_kib = brick->size_kib,
        .path = brick->path != NULL && *brick->path != '\0' ? mem_strdup(brick->path) : NULL,
    };
}

static void note_device(struct api_bricks *bricks, const struct store *store, const struct store_device *device)
{
    const struct store_brick *brick = NULL;
    struct buf *buf = &bricks->heads;
    uint64_t used_kib = store_device_used_kib(store, device->id);

    buf_append_char(buf, '{');
    member_string(buf, "name", device->name);
    api_out_member_tags(buf, &device->tags);
    member(buf, "storage");
    buf_append_char(buf, '{');
    member_u64(buf, "total", device->total_kib);
    member_u64(buf, "free", device->total_kib > used_kib ? device->total_kib - used_kib : 0);
    member_u64(buf, "used", used_kib);
    buf_append_char(buf, '}');
    member_id(buf, "id", device->id);
    if (device->paths.n > 0) {
        member_strs(buf, "paths", &device->paths);
    }
    if (*device->pv_uuid != '\0') {
        member_string(buf, "pv_uuid", device->pv_uuid);
    }
    member_string(buf, "state", store_state_name(device->state));
    member(buf, "bricks");
    buf_append_char(buf, '[');
    while ((brick = store_device_brick_next(store, device->id, brick)) != NULL) {
        note_brick(bricks, brick);
    }
    bricks->parts = mem_realloc_array(bricks->parts, bricks->n_parts + 1, sizeof(*bricks->parts));
    bricks->parts[bricks->n_parts++] = (struct part){buf->len, bricks->n, device->node};
}

struct api_bricks *api_bricks_of_device(const struct store *store, const struct store_device *device)
{
    struct api_bricks *bricks = mem_calloc(1, sizeof(*bricks));

    note_device(bricks, store, device);
    bricks->tail = "\n";
    return bricks;
}

struct api_bricks *api_bricks_of_node(const struct store *store, const struct store_node *node)
{
    struct api_bricks *bricks = mem_calloc(1, sizeof(*bricks));
    const struct store_device *device = NULL;
    struct buf *buf = &bricks->heads;

    buf_append_char(buf, '{');
    member_u64(buf, "zone", node->zone);
    member(buf, "hostnames");
    buf_append_char(buf, '{');
    member_strs(buf, "manage", &node->manage);
    member_strs(buf, "storage", &node->storage);
    buf_append_char(buf, '}');
    member_id(buf, "cluster", node->cluster);
    api_out_member_tags(buf, &node->tags);
    member_id(buf, "id", node->id);
    member_string(buf, "state", store_state_name(node->state));
    member(buf, "devices");
    buf_append_char(buf, '[');
    while ((device = store_node_device_next(store, node->id, device)) != NULL) {
        if (api_device_visible(store, device)) {
            buf_append_str(buf, bricks->n_parts > 0 ? "," : "");
            note_device(bricks, store, device);
        }
    }
    bricks->tail = "]}\n";
    return bricks;
}

static void put_head(struct api_bricks *bricks, size_t end, struct buf *piece)
{
    buf_append(piece, buf_str(&bricks->heads) + bricks->head_at, end - bricks->head_at);
    bricks->head_at = end;
}

/* Of the part; true: all of it. */
static bool put_bricks(struct api_bricks *bricks, const struct part *part, size_t bytes, struct buf *piece)
{
    for (; bricks->at < part->bricks_end; bricks->at++) {
        if (piece->len >= bytes) {
            return false;
        }
        buf_append_str(piece, bricks->any ? "," : "");
        bricks->any = true;
        api_out_brick(piece, &bricks->bricks[bricks->at], part->node);
    }
    return true;
}

bool api_bricks_next(void *user, size_t bytes, struct buf *piece)
{
    struct api_bricks *bricks = user;

    for (; bricks->part < bricks->n_parts; bricks->part++) {
        const struct part *part = &bricks->parts[bricks->part];

        if (!bricks->opened) {
            put_head(bricks, part->head_end, piece);
            bricks->opened = true;
            bricks->any = false;
        }
        if (!put_bricks(bricks, part, bytes, piece)) {
            return true;
        }
        buf_append_str(piece, "]}");
        bricks->opened = false;
    }
    put_head(bricks, bricks->heads.len, piece);
    buf_append_str(piece, bricks->tail);
    return false;
}

void api_bricks_free(void *user)
{
    struct api_bricks *bricks = user;

    for (size_t i = 0; i < bricks->n; i++) {
        free(bricks->bricks[i].path);
    }
    free(bricks->bricks);
    free(bricks->parts);
    buf_fini(&bricks->heads);
    free(bricks);
}

#include "api/operation_out.h"

#include "api/json_out.h"

static void brick_changes(const struct store *store, const struct store_operation *op, enum api_change change,
                          api_change_cb cb, void *user)
{
    const struct store_volume *volume = store_operation_volume(store, op);

    for (size_t i = 0; volume != NULL && i < volume->n_bricks; i++) {
        if (id_equal(volume->bricks[i].pending, op->id)) {
            cb(user, change, volume->bricks[i].id, 0);
        }
    }
}

void api_operation_changes(const struct store *store, const struct store_operation *op, api_change_cb cb, void *user)
{
    const struct store_block_volume *block;
    const struct store_volume *hosting;

    switch (op->type) {
    case STORE_OP_CREATE_VOLUME:
        brick_changes(store, op, API_CHANGE_ADD_BRICK, cb, user);
        cb(user, API_CHANGE_ADD_VOLUME, op->target, 0);
        break;
    case STORE_OP_DELETE_VOLUME:
        brick_changes(store, op, API_CHANGE_DELETE_BRICK, cb, user);
        cb(user, API_CHANGE_DELETE_VOLUME, op->target, 0);
        break;
    case STORE_OP_EXPAND_VOLUME:
        brick_changes(store, op, API_CHANGE_ADD_BRICK, cb, user);
        cb(user, API_CHANGE_EXPAND_VOLUME, op->target, op->size_gib);
        break;
    case STORE_OP_CLONE_VOLUME:
        cb(user, API_CHANGE_CLONE_VOLUME, op->source, 0);
        cb(user, API_CHANGE_CLONED_VOLUME, op->target, 0);
        brick_changes(store, op, API_CHANGE_ADD_BRICK, cb, user);
        break;
    case STORE_OP_CREATE_BLOCK: /* perhaps with a hosting volume */
        brick_changes(store, op, API_CHANGE_ADD_BRICK, cb, user);
        hosting = store_operation_volume(store, op);
        if (hosting != NULL) {
            cb(user, API_CHANGE_ADD_VOLUME, hosting->id, 0);
        }
        cb(user, API_CHANGE_ADD_BLOCK_VOLUME, op->target, 0);
        break;
    case STORE_OP_DELETE_BLOCK:
        cb(user, API_CHANGE_DELETE_BLOCK_VOLUME, op->target, 0);
        break;
    case STORE_OP_EXPAND_BLOCK:
        block = store_block_volume(store, op->target);
        cb(user, API_CHANGE_EXPAND_BLOCK_VOLUME, op->target, block != NULL ? (int64_t)block->new_gib : 0);
        break;
    case STORE_OP_REMOVE_DEVICE:
        cb(user, API_CHANGE_REMOVE_DEVICE, op->target, 0);
        break;
    case STORE_OP_EVICT_BRICK:
        cb(user, API_CHANGE_DELETE_BRICK, op->target, 0);
        if (!id_is_none(op->replacement)) {
            cb(user, API_CHANGE_ADD_BRICK, op->replacement, 0);
        }
        break;
    default:
        cb(user, API_CHANGE_UNKNOWN, op->target, 0);
        break;
    }
    if (!id_is_none(op->child)) {
        cb(user, API_CHANGE_CHILD, op->child, 0);
    }
    if (!id_is_none(op->parent)) {
        cb(user, API_CHANGE_PARENT, op->parent, 0);
    }
}

const char *api_change_text(enum api_change change)
{
    static const char *const texts[] = {
        "Unknown",
        "Add brick",
        "Add volume",
        "Delete brick",
        "Delete volume",
        "Expand volume",
        "Add block volume",
        "Delete block volume",
        "Remove device",
        "Clone volume from",
        "Snapshot volume",
        "Expand volume to",
        "Performing child operation",
        "Belongs to parent operation",
        "Expand block volume",
    };

    return texts[change];
}

/* ---- JSON ---- */

void api_out_operations(struct buf *buf, const struct store *store)
{
    size_t count = store_counts(store).operations;

    /* None is ever stale or left failed: each is carried on, whatever dies. */
    buf_printf(buf, "{\"total\":%zu,\"in_flight\":%zu,\"stale\":0,\"failed\":0,\"new\":%zu}", count, count, count);
}

static void out_head(struct buf *buf, const struct store_operation *op, const char *sub_status)
{
    buf_printf(buf, "{\"id\":\"%s\",\"type_name\":\"%s\",\"status\":\"\",\"sub_status\":\"%s\"", id_text(op->id).text,
               store_op_type_name(op->type), sub_status);
}

#define OWN_SHOWN_MAX 1000 /* a dead node may leave as many clean-ups as it had bricks */

void api_out_pending_list(struct buf *buf, const struct store *store)
{
    const struct store_operation *op = NULL;
    size_t n_own = 0;

    buf_append_str(buf, "{\"pendingoperations\":[");
    while ((op = store_operation_next(store, op)) != NULL) {
        n_own += op->type >= STORE_OP_OWN_FIRST;
        if (op->type >= STORE_OP_OWN_FIRST && n_own > OWN_SHOWN_MAX) {
            continue;
        }
        if (buf->data[buf->len - 1] != '[') {
            buf_append_char(buf, ',');
        }
        out_head(buf, op, "in-flight");
        buf_append_char(buf, '}');
    }
    buf_append_char(buf, ']');
    if (n_own > OWN_SHOWN_MAX) {
        buf_printf(buf, ",\"total\":%zu,\"left_out\":%zu", store_counts(store).operations, n_own - OWN_SHOWN_MAX);
    }
    buf_append_char(buf, '}');
}

struct changes {
    struct buf *buf;
    const struct store_operation *op;
};

static void out_change(void *user, enum api_change change, struct id id, int64_t delta)
{
    const struct changes *changes = user;

    (void)delta;
    if (changes->buf->data[changes->buf->len - 1] != '[') {
        buf_append_char(changes->buf, ',');
    }
    buf_printf(changes->buf, "{\"id\":\"%s\",\"description\":\"%s\"}", id_text(id).text,
               change == API_CHANGE_UNKNOWN ? store_op_type_name(changes->op->type) : api_change_text(change));
}

void api_out_pending(struct buf *buf, const struct store *store, const struct store_operation *op, const char *steps)
{
    struct changes changes = {buf, op};

    out_head(buf, op, "");
    buf_append_str(buf, ",\"changes\":[");
    api_operation_changes(store, op, out_change, &changes);
    buf_append_char(buf, ']');
    if (steps != NULL) {
        buf_append_str(buf, ",\"steps\":");
        buf_append_str(buf, steps);
    }
    buf_append_char(buf, '}');
}

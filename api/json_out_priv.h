/* Pieces of JSON text, for the files that make up json_out. Each appends; commas are put by looking at what is there.
 */
#ifndef HECATE_API_JSON_OUT_PRIV_H
#define HECATE_API_JSON_OUT_PRIV_H

#include "api/json_out.h"

/* ,"name": or "name": for the first member. */
static inline void member(struct buf *buf, const char *name)
{
    buf_append_str(buf, buf->data[buf->len - 1] == '{' ? "\"" : ",\"");
    buf_append_str(buf, name);
    buf_append_str(buf, "\":");
}

static inline void member_string(struct buf *buf, const char *name, const char *text)
{
    member(buf, name);
    api_out_string(buf, text);
}

static inline void out_id(struct buf *buf, struct id id)
{
    struct id_text text = id_text(id);

    buf_append_char(buf, '"');
    buf_append(buf, text.text, ID_TEXT_LEN);
    buf_append_char(buf, '"');
}

static inline void member_id(struct buf *buf, const char *name, struct id id)
{
    member(buf, name);
    out_id(buf, id);
}

static inline void member_u64(struct buf *buf, const char *name, uint64_t value)
{
    member(buf, name);
    buf_printf(buf, "%lu", (unsigned long)value);
}

static inline void member_bool(struct buf *buf, const char *name, bool value)
{
    member(buf, name);
    buf_append_str(buf, value ? "true" : "false");
}

static inline void member_strs(struct buf *buf, const char *name, const struct store_strs *strs)
{
    member(buf, name);
    buf_append_char(buf, '[');
    for (size_t i = 0; i < strs->n; i++) {
        if (i > 0) {
            buf_append_char(buf, ',');
        }
        api_out_string(buf, strs->items[i]);
    }
    buf_append_char(buf, ']');
}

static inline void list_comma(struct buf *buf)
{
    if (buf->data[buf->len - 1] != '[') {
        buf_append_char(buf, ',');
    }
}

static inline void list_id(struct buf *buf, struct id id)
{
    list_comma(buf);
    out_id(buf, id);
}

/* A volume's member "blockinfo", as api_out_volume. Returns what the rest of the volume belongs into. */
struct buf *api_out_blockinfo(struct buf *head, struct buf *tail, const struct store *store,
                              const struct store_volume *volume, struct ids *ret_ids);
/* The ids go to the end of the head, and the tail after them; frees both. */
void api_out_joined(struct buf *head, struct ids *ids, struct buf *tail);
void api_out_member_tags(struct buf *buf, const struct store_tags *tags); /* nothing without any */
void api_out_brick(struct buf *buf, const struct store_brick *brick, struct id node);

/* Is the object held by an operation of this type? */
static inline bool pending_is(const struct store *store, struct id pending, enum store_op_type type)
{
    const struct store_operation *op = id_is_none(pending) ? NULL : store_operation(store, pending);

    return op != NULL && op->type == type;
}

#endif

#include "store/codec_priv.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/types.h"

static char empty_text[1]; /* the empty text of packed records: never written, never freed */

static void *at(void *rec, size_t offset)
{
    return (char *)rec + offset;
}

static const void *at_const(const void *rec, size_t offset)
{
    return (const char *)rec + offset;
}

/* Reads a scalar of any of our types: memcpy, because the struct's type is not known here. */
#define READ(type, rec, offset)                                     \
    ({                                                              \
        type value_;                                                \
        memcpy(&value_, at_const((rec), (offset)), sizeof(value_)); \
        value_;                                                     \
    })

#define WRITE(type, rec, offset, value)                       \
    do {                                                      \
        type value_ = (value);                                \
        memcpy(at((rec), (offset)), &value_, sizeof(value_)); \
    } while (0)

void schema_init(const struct schema *schema, void *rec)
{
    memset(rec, 0, schema->size);
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];

        if (field->kind == F_STR) {
            WRITE(char *, rec, field->offset, mem_strdup(""));
        } else if (field->kind == F_STRUCT) {
            schema_init(field->sub, at(rec, field->offset));
        }
    }
}

void schema_fini(const struct schema *schema, void *rec)
{
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        char *items;
        size_t n;

        switch (field->kind) {
        case F_STR:
            free(READ(char *, rec, field->offset));
            WRITE(char *, rec, field->offset, NULL);
            break;
        case F_STRS:
            store_strs_fini(at(rec, field->offset));
            break;
        case F_STRUCT:
            schema_fini(field->sub, at(rec, field->offset));
            break;
        case F_IDS:
        case F_LIST:
            items = READ(char *, rec, field->offset);
            n = READ(size_t, rec, field->count_offset);
            for (size_t j = 0; field->kind == F_LIST && j < n; j++) {
                schema_fini(field->sub, items + j * field->sub->size);
            }
            free(items);
            WRITE(char *, rec, field->offset, NULL);
            WRITE(size_t, rec, field->count_offset, 0);
            break;
        default:
            break;
        }
    }
}

/* ---- copies: into the heap (arena NULL) or into one block ---- */

struct arena {
    char *block; /* NULL while measuring */
    size_t used;
};

/* A place for len bytes: in the arena, or (no arena) on the heap. NULL while measuring. */
static void *place(struct arena *arena, size_t len, size_t align)
{
    void *ptr;

    if (arena == NULL) {
        return mem_alloc(len);
    }
    arena->used = (arena->used + align - 1) & ~(align - 1);
    ptr = arena->block != NULL ? arena->block + arena->used : NULL;
    arena->used += len;
    return ptr;
}

static char *place_text(struct arena *arena, const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;
    char *copy;

    if (len == 0 && arena != NULL) {
        return empty_text;
    }
    copy = place(arena, len + 1, 1);
    if (copy != NULL) {
        memcpy(copy, len > 0 ? text : empty_text, len + 1);
    }
    return copy;
}

static void copy_strs(struct arena *arena, struct store_strs *to, const struct store_strs *from)
{
    char **items = from->n > 0 ? place(arena, from->n * sizeof(*items), sizeof(void *)) : NULL;

    for (size_t i = 0; i < from->n; i++) {
        char *text = place_text(arena, from->items[i]);

        if (items != NULL) {
            items[i] = text;
        }
    }
    if (to != NULL) {
        to->items = items;
        to->n = from->n;
    }
}

/* Copies what the fields of *from point to; to == NULL: only measures. *to is already a flat copy of *from. */
static void copy_fields(const struct schema *schema, struct arena *arena, void *to, const void *from)
{
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        void *field_to = to != NULL ? at(to, field->offset) : NULL;
        const void *field_from = at_const(from, field->offset);
        size_t n, size;
        const char *items;
        char *copy;

        switch (field->kind) {
        case F_STR:
            copy = place_text(arena, READ(char *, from, field->offset));
            if (to != NULL) {
                WRITE(char *, to, field->offset, copy);
            }
            break;
        case F_STRS:
            copy_strs(arena, field_to, field_from);
            break;
        case F_STRUCT:
            copy_fields(field->sub, arena, field_to, field_from);
            break;
        case F_IDS:
        case F_LIST:
            items = READ(const char *, from, field->offset);
            n = READ(size_t, from, field->count_offset);
            size = field->kind == F_IDS ? sizeof(struct id) : field->sub->size;
            copy = n > 0 ? place(arena, n * size, sizeof(void *)) : NULL;
            if (copy != NULL) {
                memcpy(copy, items, n * size);
            }
            for (size_t j = 0; field->kind == F_LIST && j < n; j++) {
                copy_fields(field->sub, arena, copy != NULL ? copy + j * size : NULL, items + j * size);
            }
            if (to != NULL) {
                WRITE(char *, to, field->offset, copy);
            }
            break;
        default:
            break;
        }
    }
}

void schema_copy(const struct schema *schema, void *to, const void *from)
{
    memcpy(to, from, schema->size);
    copy_fields(schema, NULL, to, from);
}

void *schema_pack(const struct schema *schema, void *to, const void *from)
{
    struct arena arena = {NULL, 0};
    size_t size;

    copy_fields(schema, &arena, NULL, from);
    memcpy(to, from, schema->size);
    size = arena.used;
    if (size == 0) {
        arena.block = NULL;
        copy_fields(schema, &arena, to, from); /* nothing but empty texts and lists */
        return NULL;
    }
    arena = (struct arena){mem_alloc(size), 0};
    copy_fields(schema, &arena, to, from);
    CHECK(arena.used == size);
    return arena.block;
}

/* ---- encoding ---- */

static bool is_default(const struct field *field, const void *rec);

static bool all_default(const struct schema *schema, const void *rec)
{
    for (size_t i = 0; i < schema->n_fields; i++) {
        if (!is_default(&schema->fields[i], rec)) {
            return false;
        }
    }
    return true;
}

static bool is_default(const struct field *field, const void *rec)
{
    const char *text;

    switch (field->kind) {
    case F_BOOL:
        return !READ(bool, rec, field->offset);
    case F_U32:
    case F_F32: /* bits: -0.0 is not the default */
    case F_ENUM:
        return READ(uint32_t, rec, field->offset) == 0;
    case F_U64:
    case F_I64:
        return READ(uint64_t, rec, field->offset) == 0;
    case F_ID:
        return id_is_none(READ(struct id, rec, field->offset));
    case F_STR:
        text = READ(const char *, rec, field->offset);
        return text == NULL || text[0] == '\0';
    case F_STRS:
        return READ(struct store_strs, rec, field->offset).n == 0;
    case F_STRUCT:
        return all_default(field->sub, at_const(rec, field->offset));
    case F_IDS:
    case F_LIST:
        return READ(size_t, rec, field->count_offset) == 0;
    }
    return true;
}

static int write_cb(void *user, const char *data, size_t len)
{
    struct buf *buf = user;

    buf_append(buf, data, len);
    return 0;
}

static void pack_text(msgpack_packer *packer, const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;

    msgpack_pack_str(packer, len);
    if (len > 0) {
        msgpack_pack_str_body(packer, text, len);
    }
}

static void pack_id(msgpack_packer *packer, const struct id *id)
{
    msgpack_pack_bin(packer, ID_BYTES);
    msgpack_pack_bin_body(packer, id->bytes, ID_BYTES);
}

static void pack_map(const struct schema *schema, msgpack_packer *packer, const void *rec, const uint32_t *version);

static void pack_field(const struct field *field, msgpack_packer *packer, const void *rec)
{
    struct store_strs strs;
    struct id id;
    const char *items;
    size_t n;

    switch (field->kind) {
    case F_BOOL:
        msgpack_pack_true(packer);
        break;
    case F_U32:
    case F_ENUM:
        msgpack_pack_uint32(packer, READ(uint32_t, rec, field->offset));
        break;
    case F_U64:
        msgpack_pack_uint64(packer, READ(uint64_t, rec, field->offset));
        break;
    case F_I64:
        msgpack_pack_int64(packer, READ(int64_t, rec, field->offset));
        break;
    case F_F32:
        msgpack_pack_float(packer, READ(float, rec, field->offset));
        break;
    case F_ID:
        id = READ(struct id, rec, field->offset);
        pack_id(packer, &id);
        break;
    case F_STR:
        pack_text(packer, READ(const char *, rec, field->offset));
        break;
    case F_STRS:
        strs = READ(struct store_strs, rec, field->offset);
        msgpack_pack_array(packer, strs.n);
        for (size_t i = 0; i < strs.n; i++) {
            pack_text(packer, strs.items[i]);
        }
        break;
    case F_STRUCT:
        pack_map(field->sub, packer, at_const(rec, field->offset), NULL);
        break;
    case F_IDS:
    case F_LIST:
        items = READ(const char *, rec, field->offset);
        n = READ(size_t, rec, field->count_offset);
        msgpack_pack_array(packer, n);
        for (size_t i = 0; i < n; i++) {
            if (field->kind == F_LIST) {
                pack_map(field->sub, packer, items + i * field->sub->size, NULL);
            } else {
                memcpy(&id, items + i * sizeof(id), sizeof(id));
                pack_id(packer, &id);
            }
        }
        break;
    }
}

static void pack_map(const struct schema *schema, msgpack_packer *packer, const void *rec, const uint32_t *version)
{
    size_t n = version != NULL ? 1 : 0;

    for (size_t i = 0; i < schema->n_fields; i++) {
        n += is_default(&schema->fields[i], rec) ? 0 : 1;
    }
    msgpack_pack_map(packer, n);
    if (version != NULL) {
        msgpack_pack_uint32(packer, 0);
        msgpack_pack_uint32(packer, *version);
    }
    for (size_t i = 0; i < schema->n_fields; i++) {
        if (!is_default(&schema->fields[i], rec)) {
            msgpack_pack_uint32(packer, schema->fields[i].key);
            pack_field(&schema->fields[i], packer, rec);
        }
    }
}

void schema_encode(const struct schema *schema, const void *rec, struct buf *buf)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buf, write_cb);
    pack_map(schema, &packer, rec, NULL);
}

void schema_encode_versioned(const struct schema *schema, uint32_t version, const void *rec, struct buf *buf)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buf, write_cb);
    pack_map(schema, &packer, rec, &version);
}

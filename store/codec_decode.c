/* From bytes to records, in one pass: with all that is in them, or, to judge them, with their numbers alone. Nothing is
 * reserved that the bytes which are there do not pay for. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/codec_priv.h"
#include "store/types.h"

#define TEXT_BYTES 32 /* that the shortest text takes */

struct reader {
    struct codec_walk walk;
    bool judges; /* texts and lists are only looked at */
    struct codec_cost cost;
};

static int wrong(const struct schema *schema, const struct field *field, struct err *reterr)
{
    return err_set(reterr, E_DAMAGED, "%s: key %u has a wrong value", schema->name, field->key);
}

static bool read_text(struct reader *reader, uint64_t max, char **ret_text)
{
    struct codec_head head;
    const uint8_t *text;

    if (!codec_next(&reader->walk, &head) || head.kind != CODEC_TEXT || head.n > max ||
        (text = codec_take(&reader->walk, head.n)) == NULL || memchr(text, '\0', (size_t)head.n) != NULL) {
        return false;
    }
    reader->cost.bytes += TEXT_BYTES + head.n;
    if (!reader->judges) {
        *ret_text = mem_strndup((const char *)text, (size_t)head.n);
    }
    return true;
}

static bool read_id(struct reader *reader, struct id *ret_id)
{
    struct codec_head head;
    const uint8_t *bytes;

    if (!codec_next(&reader->walk, &head) || head.kind != CODEC_BYTES || head.n != ID_BYTES ||
        (bytes = codec_take(&reader->walk, ID_BYTES)) == NULL) {
        return false;
    }
    memcpy(ret_id->bytes, bytes, ID_BYTES);
    return true;
}

static bool read_array(struct reader *reader, uint64_t max, uint64_t *ret_n)
{
    struct codec_head head;
    bool ok = codec_next(&reader->walk, &head) && head.kind == CODEC_ARRAY && head.n <= max &&
              head.n <= reader->walk.len - reader->walk.pos; /* every item takes a byte at least */

    *ret_n = ok ? head.n : 0;
    return ok;
}

static bool read_strs(struct reader *reader, const struct field *field, struct store_strs *strs)
{
    uint64_t n;

    if (!read_array(reader, field->max, &n)) {
        return false;
    }
    reader->cost.bytes += n * sizeof(*strs->items);
    if (!reader->judges) {
        strs->items = mem_calloc(n, sizeof(*strs->items));
    }
    for (uint64_t i = 0; i < n; i++) {
        char *text = NULL;

        if (!read_text(reader, UINT32_MAX, &text)) {
            return false; /* freed by the owner: n counts the complete ones */
        }
        if (!reader->judges) {
            strs->items[strs->n++] = text;
        }
    }
    return true;
}

static int read_map(struct reader *reader, const struct schema *schema, const uint32_t *version, void *rec,
                    struct err *reterr);

/* Item by item; a judge, who needs none of them, reads all into the same place. */
static int read_list(struct reader *reader, const struct schema *schema, const struct field *field, void *rec,
                     struct err *reterr)
{
    size_t size = field->kind == F_IDS ? sizeof(struct id) : field->sub->size, n = 0;
    uint64_t n_items;
    char *items;
    int rc = 0;

    if (!read_array(reader, field->max, &n_items)) {
        return wrong(schema, field, reterr);
    }
    reader->cost.items += field->kind == F_LIST ? n_items : 0;
    reader->cost.bytes += n_items * size;
    items = mem_calloc(reader->judges ? 1 : n_items, size);
    for (uint64_t i = 0; rc == 0 && i < n_items; i++) {
        char *item = items + n * size;

        if (field->kind == F_LIST) {
            rc = read_map(reader, field->sub, NULL, item, reterr);
        } else if (!read_id(reader, (struct id *)(void *)item)) {
            rc = wrong(schema, field, reterr);
        }
        n += rc == 0 && !reader->judges ? 1 : 0;
    }
    if (reader->judges) {
        free(items);
    } else {
        memcpy((char *)rec + field->offset, &items, sizeof(items));
        memcpy((char *)rec + field->count_offset, &n, sizeof(n));
    }
    return rc;
}

static int read_number(struct reader *reader, const struct schema *schema, const struct field *field, void *to,
                       struct err *reterr)
{
    bool small = field->kind == F_U32 || field->kind == F_ENUM;
    struct codec_head head;
    uint32_t bits;
    bool flag, ok = codec_next(&reader->walk, &head);

    switch (field->kind) {
    case F_BOOL:
        ok = ok && head.kind == CODEC_BOOL;
        break;
    case F_F32:
        ok = ok && head.kind == CODEC_FLOAT;
        break;
    case F_I64:
        ok = ok && (head.kind == CODEC_NEGATIVE || (head.kind == CODEC_NUMBER && head.n <= INT64_MAX));
        break;
    default:
        ok = ok && head.kind == CODEC_NUMBER && (!small || head.n <= UINT32_MAX);
    }
    if (!ok) {
        return wrong(schema, field, reterr);
    }
    if (field->kind == F_ENUM && head.n > field->max) {
        return err_set(reterr, E_UNSUPPORTED, "%s: key %u has the unknown value %llu", schema->name, field->key,
                       (unsigned long long)head.n);
    }
    flag = head.n != 0;
    bits = (uint32_t)head.n;
    if (field->kind == F_BOOL) {
        memcpy(to, &flag, sizeof(flag));
    } else if (small || field->kind == F_F32) {
        memcpy(to, &bits, sizeof(bits));
    } else {
        memcpy(to, &head.n, sizeof(head.n));
    }
    return 0;
}

static int read_field(struct reader *reader, const struct schema *schema, const struct field *field, void *rec,
                      struct err *reterr)
{
    void *to = (char *)rec + field->offset;
    bool ok;

    switch (field->kind) {
    case F_ID:
        ok = read_id(reader, to);
        break;
    case F_STR:
        ok = read_text(reader, field->max, to);
        break;
    case F_STRS:
        ok = read_strs(reader, field, to);
        break;
    case F_STRUCT:
        return read_map(reader, field->sub, NULL, to, reterr);
    case F_IDS:
    case F_LIST:
        return read_list(reader, schema, field, rec, reterr);
    default:
        return read_number(reader, schema, field, to, reterr);
    }
    return ok ? 0 : wrong(schema, field, reterr);
}

/* Texts that were not in the map. */
static void fill_texts(struct reader *reader, const struct schema *schema, void *rec)
{
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        char *text;

        if (field->kind == F_STRUCT) {
            fill_texts(reader, field->sub, (char *)rec + field->offset);
        } else if (field->kind == F_STR) {
            memcpy(&text, (char *)rec + field->offset, sizeof(text));
            if (text == NULL) {
                reader->cost.bytes += TEXT_BYTES;
                text = reader->judges ? NULL : mem_strdup("");
                memcpy((char *)rec + field->offset, &text, sizeof(text));
            }
        }
    }
}

static int read_version(struct reader *reader, const struct schema *schema, uint32_t version, uint64_t n,
                        struct err *reterr)
{
    struct codec_head key, value;

    if (n == 0 || !codec_next(&reader->walk, &key) || key.kind != CODEC_NUMBER || key.n != 0 ||
        !codec_next(&reader->walk, &value) || value.kind != CODEC_NUMBER) {
        return err_set(reterr, E_DAMAGED, "%s has no version", schema->name);
    }
    return value.n == version ? 0
                              : err_set(reterr, E_UNSUPPORTED, "%s has the unknown version %llu", schema->name,
                                        (unsigned long long)value.n);
}

/* The field of the key among those from `from` on; n_fields: it is not there. */
static size_t find_key_from(const struct schema *schema, size_t from, uint64_t key)
{
    while (from < schema->n_fields && schema->fields[from].key != key) {
        from++;
    }
    return from;
}

/* The field of the key that comes, which must not be before *next. */
static int find_field(const struct schema *schema, struct reader *reader, size_t *next, const struct field **ret_field,
                      struct err *reterr)
{
    struct codec_head key;
    size_t found;

    if (!codec_next(&reader->walk, &key) || key.kind != CODEC_NUMBER) {
        return err_set(reterr, E_DAMAGED, "%s: a key is not a number", schema->name);
    }
    found = find_key_from(schema, *next, key.n);
    if (found == schema->n_fields && find_key_from(schema, 0, key.n) < found) {
        return err_set(reterr, E_DAMAGED, "%s: key %llu is out of order", schema->name, (unsigned long long)key.n);
    }
    if (found == schema->n_fields) {
        return err_set(reterr, E_UNSUPPORTED, "%s: unknown key %llu", schema->name, (unsigned long long)key.n);
    }
    *next = found + 1;
    *ret_field = &schema->fields[found];
    return 0;
}

/* Fills *rec, whose keys must ascend. Frees what it made when it fails. */
static int read_map(struct reader *reader, const struct schema *schema, const uint32_t *version, void *rec,
                    struct err *reterr)
{
    const struct field *field = NULL;
    struct codec_head head;
    size_t next = 0; /* the first field that may come */
    int rc;

    memset(rec, 0, schema->size);
    if (!codec_next(&reader->walk, &head) || head.kind != CODEC_MAP) {
        return err_set(reterr, E_DAMAGED, "%s is not a map", schema->name);
    }
    rc = version != NULL ? read_version(reader, schema, *version, head.n, reterr) : 0;
    for (uint64_t i = version != NULL ? 1 : 0; rc == 0 && i < head.n; i++) {
        rc = find_field(schema, reader, &next, &field, reterr);
        rc = rc == 0 ? read_field(reader, schema, field, rec, reterr) : rc;
    }
    if (rc != 0) {
        schema_fini(schema, rec);
        memset(rec, 0, schema->size);
        return rc;
    }
    fill_texts(reader, schema, rec);
    return 0;
}

static int read_all(struct reader *reader, const struct schema *schema, const uint32_t *version, void *rec,
                    struct err *reterr)
{
    int rc = read_map(reader, schema, version, rec, reterr);

    if (rc == 0 && reader->walk.pos != reader->walk.len) {
        rc = err_set(reterr, E_DAMAGED, "%s: %zu bytes too many", schema->name, reader->walk.len - reader->walk.pos);
        schema_fini(schema, rec);
    }
    return rc;
}

int schema_decode(const struct schema *schema, const void *data, size_t len, void *ret_rec, struct err *reterr)
{
    struct reader reader = {.walk = {data, len, 0}};

    return read_all(&reader, schema, NULL, ret_rec, reterr);
}

int schema_decode_versioned(const struct schema *schema, uint32_t version, const void *data, size_t len, void *ret_rec,
                            struct err *reterr)
{
    struct reader reader = {.walk = {data, len, 0}};

    return read_all(&reader, schema, &version, ret_rec, reterr);
}

int schema_judge_versioned(const struct schema *schema, uint32_t version, const void *data, size_t len,
                           void *ret_numbers, struct codec_cost *ret_cost, struct err *reterr)
{
    struct reader reader = {.walk = {data, len, 0}, .judges = true};
    int rc = read_all(&reader, schema, &version, ret_numbers, reterr);

    *ret_cost = reader.cost;
    return rc;
}

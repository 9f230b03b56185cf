#include <msgpack.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/codec_priv.h"
#include "store/types.h"

/* ---- the walk: msgpack-c would reserve whatever a header claims, so nothing reaches it that was not measured ---- */

bool codec_take_number(struct codec_walk *walk, size_t bytes, uint64_t *ret)
{
    uint64_t value = 0;

    if (walk->len - walk->pos < bytes) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | walk->data[walk->pos++];
    }
    *ret = value;
    return true;
}

static bool skip(struct codec_walk *walk, uint64_t n)
{
    if (walk->len - walk->pos < n) {
        return false;
    }
    walk->pos += (size_t)n;
    return true;
}

static bool walk_value(struct codec_walk *walk, int depth);

/* n values; every one takes a byte at least. */
static bool walk_many(struct codec_walk *walk, uint64_t n, int depth)
{
    if (n > walk->len - walk->pos || depth >= CODEC_DEPTH_MAX) {
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (!walk_value(walk, depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool walk_value(struct codec_walk *walk, int depth)
{
    uint64_t n;
    uint8_t tag;

    if (walk->pos == walk->len) {
        return false;
    }
    tag = walk->data[walk->pos++];
    if (tag <= 0x7f || tag >= 0xe0) { /* small numbers */
        return true;
    }
    if (tag <= 0x8f) {
        return walk_many(walk, 2 * (uint64_t)(tag & 0x0f), depth);
    }
    if (tag <= 0x9f) {
        return walk_many(walk, tag & 0x0f, depth);
    }
    if (tag <= 0xbf) {
        return skip(walk, tag & 0x1f);
    }
    switch (tag) {
    case 0xc2: /* false, true */
    case 0xc3:
        return true;
    case 0xc4: /* bin 8, 16, 32 */
    case 0xc5:
    case 0xc6:
        return codec_take_number(walk, (size_t)1 << (tag - 0xc4), &n) && skip(walk, n);
    case 0xca: /* float 32 */
        return skip(walk, 4);
    case 0xcc: /* unsigned and signed 8 to 64 */
    case 0xcd:
    case 0xce:
    case 0xcf:
        return skip(walk, UINT64_C(1) << (tag - 0xcc));
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return skip(walk, UINT64_C(1) << (tag - 0xd0));
    case 0xd9: /* str 8, 16, 32 */
    case 0xda:
    case 0xdb:
        return codec_take_number(walk, (size_t)1 << (tag - 0xd9), &n) && skip(walk, n);
    case 0xdc: /* array 16, 32 */
    case 0xdd:
        return codec_take_number(walk, (size_t)2 << (tag - 0xdc), &n) && walk_many(walk, n, depth);
    case 0xde: /* map 16, 32 */
    case 0xdf:
        return codec_take_number(walk, (size_t)2 << (tag - 0xde), &n) && walk_many(walk, 2 * n, depth);
    default: /* nil, doubles, extensions: we never write them */
        return false;
    }
}

int codec_walk(const uint8_t *data, size_t len, size_t *ret_len, struct err *reterr)
{
    struct codec_walk walk = {data, len, 0};

    if (!walk_value(&walk, 0)) {
        return err_set(reterr, E_DAMAGED, "not a complete record at byte %zu of %zu", walk.pos, len);
    }
    *ret_len = walk.pos;
    return 0;
}

/* ---- from the tree to structs ---- */

static int wrong(const struct schema *schema, const struct field *field, struct err *reterr)
{
    return err_set(reterr, E_DAMAGED, "%s: key %u has a wrong value", schema->name, field->key);
}

static bool get_text(const msgpack_object *object, size_t max, char **ret_text)
{
    uint32_t len = object->type == MSGPACK_OBJECT_STR ? object->via.str.size : UINT32_MAX;

    if (len > max || len == UINT32_MAX || (len > 0 && memchr(object->via.str.ptr, '\0', len) != NULL)) {
        return false;
    }
    *ret_text = len > 0 ? mem_strndup(object->via.str.ptr, len) : mem_strdup(""); /* an empty one may have no address */
    return true;
}

static bool get_id(const msgpack_object *object, struct id *ret_id)
{
    if (object->type != MSGPACK_OBJECT_BIN || object->via.bin.size != ID_BYTES) {
        return false;
    }
    memcpy(ret_id->bytes, object->via.bin.ptr, ID_BYTES);
    return true;
}

static bool get_u64(const msgpack_object *object, uint64_t max, uint64_t *ret)
{
    *ret = object->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? object->via.u64 : 0;
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= max;
}

static bool get_i64(const msgpack_object *object, int64_t *ret)
{
    if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *ret = object->via.i64;
        return true;
    }
    *ret = object->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? (int64_t)object->via.u64 : 0;
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= INT64_MAX;
}

static bool get_strs(const msgpack_object *object, size_t max, struct store_strs *strs)
{
    const msgpack_object_array *array = &object->via.array;

    if (object->type != MSGPACK_OBJECT_ARRAY || array->size > max) {
        return false;
    }
    strs->items = mem_calloc(array->size, sizeof(*strs->items));
    for (uint32_t i = 0; i < array->size; i++) {
        if (!get_text(&array->ptr[i], UINT32_MAX, &strs->items[i])) {
            return false; /* freed by the owner: n counts the complete ones */
        }
        strs->n = i + 1;
    }
    return true;
}

static int decode_map(const struct schema *schema, const msgpack_object *object, size_t first, void *rec,
                      struct err *reterr);

static int decode_list(const struct schema *schema, const struct field *field, const msgpack_object *object, void *rec,
                       struct err *reterr)
{
    const msgpack_object_array *array = &object->via.array;
    size_t size = field->kind == F_IDS ? sizeof(struct id) : field->sub->size;
    size_t n = 0;
    char *items;
    int rc = 0;

    if (object->type != MSGPACK_OBJECT_ARRAY || array->size > field->max) {
        return wrong(schema, field, reterr);
    }
    items = mem_calloc(array->size, size);
    memcpy((char *)rec + field->offset, &items, sizeof(items));
    for (uint32_t i = 0; rc == 0 && i < array->size; i++) {
        if (field->kind == F_LIST) {
            rc = decode_map(field->sub, &array->ptr[i], 0, items + i * size, reterr);
        } else {
            struct id id = ID_NONE;

            rc = get_id(&array->ptr[i], &id) ? 0 : wrong(schema, field, reterr);
            memcpy(items + i * size, &id, sizeof(id));
        }
        n += rc == 0 ? 1 : 0;
    }
    memcpy((char *)rec + field->count_offset, &n, sizeof(n));
    return rc;
}

static int decode_field(const struct schema *schema, const struct field *field, const msgpack_object *object, void *rec,
                        struct err *reterr)
{
    void *to = (char *)rec + field->offset;
    uint64_t number = 0;
    uint32_t small;
    int64_t with_sign;
    bool flag, ok = false;
    float real;

    switch (field->kind) {
    case F_BOOL:
        ok = object->type == MSGPACK_OBJECT_BOOLEAN;
        flag = ok && object->via.boolean;
        memcpy(to, &flag, sizeof(flag));
        break;
    case F_U32:
    case F_ENUM:
        ok = get_u64(object, UINT32_MAX, &number);
        if (ok && field->kind == F_ENUM && number > field->max) {
            return err_set(reterr, E_UNSUPPORTED, "%s: key %u has the unknown value %llu", schema->name, field->key,
                           (unsigned long long)number);
        }
        small = ok ? (uint32_t)number : 0;
        memcpy(to, &small, sizeof(small));
        break;
    case F_U64:
        ok = get_u64(object, UINT64_MAX, &number);
        memcpy(to, &number, sizeof(number));
        break;
    case F_I64:
        ok = get_i64(object, &with_sign);
        memcpy(to, &with_sign, sizeof(with_sign));
        break;
    case F_F32:
        ok = object->type == MSGPACK_OBJECT_FLOAT32;
        real = ok ? (float)object->via.f64 : 0;
        memcpy(to, &real, sizeof(real));
        break;
    case F_ID:
        ok = get_id(object, to);
        break;
    case F_STR:
        ok = get_text(object, field->max, to);
        break;
    case F_STRS:
        ok = get_strs(object, field->max, to);
        break;
    case F_STRUCT:
        return decode_map(field->sub, object, 0, to, reterr);
    case F_IDS:
    case F_LIST:
        return decode_list(schema, field, object, rec, reterr);
    }
    return ok ? 0 : wrong(schema, field, reterr);
}

/* Texts that were not in the map. */
static void fill_texts(const struct schema *schema, void *rec)
{
    for (size_t i = 0; i < schema->n_fields; i++) {
        char *text;

        if (schema->fields[i].kind == F_STRUCT) {
            fill_texts(schema->fields[i].sub, (char *)rec + schema->fields[i].offset);
        } else if (schema->fields[i].kind == F_STR) {
            memcpy(&text, (char *)rec + schema->fields[i].offset, sizeof(text));
            text = text != NULL ? text : mem_strdup("");
            memcpy((char *)rec + schema->fields[i].offset, &text, sizeof(text));
        }
    }
}

/* Fills *rec from the entries from `first` on; keys must ascend. Frees what it made when it fails. */
static int decode_map(const struct schema *schema, const msgpack_object *object, size_t first, void *rec,
                      struct err *reterr)
{
    size_t next = 0; /* field that may come next */
    int rc = 0;

    memset(rec, 0, schema->size);
    if (object->type != MSGPACK_OBJECT_MAP) {
        return err_set(reterr, E_DAMAGED, "%s is not a map", schema->name);
    }
    for (size_t i = first; rc == 0 && i < object->via.map.size; i++) {
        const msgpack_object_kv *kv = &object->via.map.ptr[i];
        size_t found = 0;

        if (kv->key.type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
            rc = err_set(reterr, E_DAMAGED, "%s: a key is not a number", schema->name);
            break;
        }
        while (found < schema->n_fields && schema->fields[found].key != kv->key.via.u64) {
            found++;
        }
        if (found == schema->n_fields) {
            rc = err_set(reterr, E_UNSUPPORTED, "%s: unknown key %llu", schema->name,
                         (unsigned long long)kv->key.via.u64);
        } else if (found < next) {
            rc = err_set(reterr, E_DAMAGED, "%s: key %llu is out of order", schema->name,
                         (unsigned long long)kv->key.via.u64);
        } else {
            rc = decode_field(schema, &schema->fields[found], &kv->val, rec, reterr);
            next = found + 1;
        }
    }
    if (rc != 0) {
        schema_fini(schema, rec);
        memset(rec, 0, schema->size);
        return rc;
    }
    fill_texts(schema, rec);
    return 0;
}

static int check_version(const struct schema *schema, uint32_t version, const msgpack_object *object,
                         struct err *reterr)
{
    const msgpack_object_kv *kv = object->type == MSGPACK_OBJECT_MAP ? object->via.map.ptr : NULL;

    if (kv == NULL || object->via.map.size == 0 || kv->key.type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
        kv->key.via.u64 != 0 || kv->val.type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
        return err_set(reterr, E_DAMAGED, "%s has no version", schema->name);
    }
    if (kv->val.via.u64 != version) {
        return err_set(reterr, E_UNSUPPORTED, "%s has the unknown version %llu", schema->name,
                       (unsigned long long)kv->val.via.u64);
    }
    return 0;
}

static int decode(const struct schema *schema, const uint32_t *version, const void *data, size_t len, void *ret_rec,
                  struct err *reterr)
{
    msgpack_object object;
    msgpack_zone zone;
    size_t used = 0, offset = 0;
    int rc = codec_walk(data, len, &used, reterr);

    if (rc != 0) {
        return rc;
    }
    if (used != len) {
        return err_set(reterr, E_DAMAGED, "%s: %zu bytes too many", schema->name, len - used);
    }
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        return err_set(reterr, E_DAMAGED, "out of memory");
    }
    if (msgpack_unpack(data, len, &offset, &zone, &object) != MSGPACK_UNPACK_SUCCESS) {
        rc = err_set(reterr, E_DAMAGED, "%s is not msgpack", schema->name);
    }
    if (rc == 0 && version != NULL) {
        rc = check_version(schema, *version, &object, reterr);
    }
    if (rc == 0) {
        rc = decode_map(schema, &object, version != NULL ? 1 : 0, ret_rec, reterr);
    }
    msgpack_zone_destroy(&zone);
    return rc;
}

int schema_decode(const struct schema *schema, const void *data, size_t len, void *ret_rec, struct err *reterr)
{
    return decode(schema, NULL, data, len, ret_rec, reterr);
}

int schema_decode_versioned(const struct schema *schema, uint32_t version, const void *data, size_t len, void *ret_rec,
                            struct err *reterr)
{
    return decode(schema, &version, data, len, ret_rec, reterr);
}

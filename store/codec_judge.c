/* Reading without taking apart: the same rules as codec_decode.c, in one pass over the bytes, and nothing is reserved.
 */
#include <stdbool.h>
#include <string.h>

#include "store/codec_priv.h"
#include "store/types.h"

enum kind { NUMBER, NEGATIVE, BOOLEAN, FLOAT, TEXT, BYTES, ARRAY, MAP };

struct head {
    enum kind kind;
    uint64_t n; /* the number, or how many bytes or items follow */
};

static bool take_head(struct codec_walk *walk, enum kind kind, size_t bytes, struct head *ret_head)
{
    ret_head->kind = kind;
    return codec_take_number(walk, bytes, &ret_head->n);
}

/* The library reads what is not negative as unsigned, however it was written. */
static bool take_signed(struct codec_walk *walk, size_t bytes, struct head *ret_head)
{
    if (!take_head(walk, NUMBER, bytes, ret_head)) {
        return false;
    }
    if ((ret_head->n >> (8 * bytes - 1) & 1) != 0) {
        ret_head->kind = NEGATIVE;
        ret_head->n |= bytes < 8 ? ~UINT64_C(0) << (8 * bytes) : 0;
    }
    return true;
}

static bool next_small(uint8_t tag, struct head *ret_head)
{
    if (tag <= 0x7f) {
        *ret_head = (struct head){NUMBER, tag};
    } else if (tag <= 0x8f) {
        *ret_head = (struct head){MAP, tag & 0x0f};
    } else if (tag <= 0x9f) {
        *ret_head = (struct head){ARRAY, tag & 0x0f};
    } else if (tag <= 0xbf) {
        *ret_head = (struct head){TEXT, tag & 0x1f};
    } else if (tag >= 0xe0) {
        *ret_head = (struct head){NEGATIVE, tag | ~UINT64_C(0xff)};
    } else {
        return false;
    }
    return true;
}

static bool next(struct codec_walk *walk, struct head *ret_head)
{
    uint8_t tag;

    if (walk->pos == walk->len) {
        return false;
    }
    tag = walk->data[walk->pos++];
    if (next_small(tag, ret_head)) {
        return true;
    }
    switch (tag) {
    case 0xc2: /* false, true */
    case 0xc3:
        *ret_head = (struct head){BOOLEAN, tag & 1};
        return true;
    case 0xc4: /* bin 8, 16, 32 */
    case 0xc5:
    case 0xc6:
        return take_head(walk, BYTES, (size_t)1 << (tag - 0xc4), ret_head);
    case 0xca: /* float 32 */
        return take_head(walk, FLOAT, 4, ret_head);
    case 0xcc: /* unsigned 8 to 64 */
    case 0xcd:
    case 0xce:
    case 0xcf:
        return take_head(walk, NUMBER, (size_t)1 << (tag - 0xcc), ret_head);
    case 0xd0: /* signed 8 to 64 */
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return take_signed(walk, (size_t)1 << (tag - 0xd0), ret_head);
    case 0xd9: /* str 8, 16, 32 */
    case 0xda:
    case 0xdb:
        return take_head(walk, TEXT, (size_t)1 << (tag - 0xd9), ret_head);
    case 0xdc: /* array 16, 32 */
    case 0xdd:
        return take_head(walk, ARRAY, (size_t)2 << (tag - 0xdc), ret_head);
    case 0xde: /* map 16, 32 */
    case 0xdf:
        return take_head(walk, MAP, (size_t)2 << (tag - 0xde), ret_head);
    default: /* nil, doubles, extensions: we never write them */
        return false;
    }
}

static bool judge_text(struct codec_walk *walk, uint64_t max)
{
    struct head head;

    if (!next(walk, &head) || head.kind != TEXT || head.n > max || head.n > walk->len - walk->pos ||
        memchr(walk->data + walk->pos, '\0', (size_t)head.n) != NULL) {
        return false;
    }
    walk->pos += (size_t)head.n;
    return true;
}

static bool judge_id(struct codec_walk *walk, struct id *ret_id)
{
    struct head head;

    if (!next(walk, &head) || head.kind != BYTES || head.n != ID_BYTES || head.n > walk->len - walk->pos) {
        return false;
    }
    memcpy(ret_id->bytes, walk->data + walk->pos, ID_BYTES);
    walk->pos += ID_BYTES;
    return true;
}

static int wrong(const struct schema *schema, const struct field *field, struct err *reterr)
{
    return err_set(reterr, E_DAMAGED, "%s: key %u has a wrong value", schema->name, field->key);
}

static int judge_map(const struct schema *schema, struct codec_walk *walk, const uint32_t *version, void *rec,
                     struct err *reterr);

static int judge_list(const struct schema *schema, const struct field *field, struct codec_walk *walk,
                      struct err *reterr)
{
    struct head head;
    int rc = 0;

    if (!next(walk, &head) || head.kind != ARRAY || head.n > field->max) {
        return wrong(schema, field, reterr);
    }
    for (uint64_t i = 0; rc == 0 && i < head.n; i++) {
        struct id id;

        if (field->kind == F_LIST) {
            rc = judge_map(field->sub, walk, NULL, NULL, reterr);
        } else if (field->kind == F_IDS ? !judge_id(walk, &id) : !judge_text(walk, UINT32_MAX)) {
            rc = wrong(schema, field, reterr);
        }
    }
    return rc;
}

/* A number of the size that the field has. */
static void keep(void *rec, const struct field *field, const void *value, size_t size)
{
    if (rec != NULL) {
        memcpy((char *)rec + field->offset, value, size);
    }
}

static int judge_number(const struct schema *schema, const struct field *field, struct codec_walk *walk, void *rec,
                        struct err *reterr)
{
    bool small = field->kind == F_U32 || field->kind == F_ENUM;
    struct head head;
    uint32_t bits;
    bool flag, ok = next(walk, &head);

    switch (field->kind) {
    case F_BOOL:
        ok = ok && head.kind == BOOLEAN;
        break;
    case F_F32:
        ok = ok && head.kind == FLOAT;
        break;
    case F_I64:
        ok = ok && (head.kind == NEGATIVE || (head.kind == NUMBER && head.n <= INT64_MAX));
        break;
    default:
        ok = ok && head.kind == NUMBER && (!small || head.n <= UINT32_MAX);
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
        keep(rec, field, &flag, sizeof(flag));
    } else if (small || field->kind == F_F32) {
        keep(rec, field, &bits, sizeof(bits));
    } else {
        keep(rec, field, &head.n, sizeof(head.n));
    }
    return 0;
}

static int judge_field(const struct schema *schema, const struct field *field, struct codec_walk *walk, void *rec,
                       struct err *reterr)
{
    struct id id;

    switch (field->kind) {
    case F_ID:
        if (!judge_id(walk, &id)) {
            return wrong(schema, field, reterr);
        }
        keep(rec, field, &id, sizeof(id));
        return 0;
    case F_STR:
        return judge_text(walk, field->max) ? 0 : wrong(schema, field, reterr);
    case F_STRUCT:
        return judge_map(field->sub, walk, NULL, rec != NULL ? (char *)rec + field->offset : NULL, reterr);
    case F_STRS:
    case F_IDS:
    case F_LIST:
        return judge_list(schema, field, walk, reterr);
    default:
        return judge_number(schema, field, walk, rec, reterr);
    }
}

static int judge_version(const struct schema *schema, struct codec_walk *walk, uint32_t version, uint64_t n,
                         struct err *reterr)
{
    struct head key, value;

    if (n == 0 || !next(walk, &key) || key.kind != NUMBER || key.n != 0 || !next(walk, &value) ||
        value.kind != NUMBER) {
        return err_set(reterr, E_DAMAGED, "%s has no version", schema->name);
    }
    return value.n == version ? 0
                              : err_set(reterr, E_UNSUPPORTED, "%s has the unknown version %llu", schema->name,
                                        (unsigned long long)value.n);
}

static int judge_map(const struct schema *schema, struct codec_walk *walk, const uint32_t *version, void *rec,
                     struct err *reterr)
{
    size_t field = 0; /* that may come next */
    struct head head, key;
    int rc = 0;

    if (!next(walk, &head) || head.kind != MAP) {
        return err_set(reterr, E_DAMAGED, "%s is not a map", schema->name);
    }
    if (version != NULL) {
        rc = judge_version(schema, walk, *version, head.n, reterr);
    }
    for (uint64_t i = version != NULL; rc == 0 && i < head.n; i++) {
        size_t found = 0;

        if (!next(walk, &key) || key.kind != NUMBER) {
            return err_set(reterr, E_DAMAGED, "%s: a key is not a number", schema->name);
        }
        while (found < schema->n_fields && schema->fields[found].key != key.n) {
            found++;
        }
        if (found == schema->n_fields) {
            return err_set(reterr, E_UNSUPPORTED, "%s: unknown key %llu", schema->name, (unsigned long long)key.n);
        }
        if (found < field) {
            return err_set(reterr, E_DAMAGED, "%s: key %llu is out of order", schema->name, (unsigned long long)key.n);
        }
        rc = judge_field(schema, &schema->fields[found], walk, rec, reterr);
        field = found + 1;
    }
    return rc;
}

int schema_judge_versioned(const struct schema *schema, uint32_t version, const void *data, size_t len,
                           void *ret_numbers, struct err *reterr)
{
    struct codec_walk walk = {.data = data, .len = len};
    int rc;

    memset(ret_numbers, 0, schema->size);
    rc = judge_map(schema, &walk, &version, ret_numbers, reterr);
    return rc == 0 && walk.pos != len
               ? err_set(reterr, E_DAMAGED, "%s: %zu bytes too many", schema->name, len - walk.pos)
               : rc;
}

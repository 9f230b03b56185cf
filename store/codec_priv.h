/* One codec for all records and commands, driven by tables (schema.c): a record is a msgpack map from small integers
 * (keys.h), in ascending order, without the fields that have their default (zero, "", empty list). So equal records
 * have equal bytes.
 *
 * The same tables free, copy and pack records. Strings of a record may be NULL only inside this file's callers'
 * half-built values; encode reads NULL as "".
 */
#ifndef HECATE_STORE_CODEC_PRIV_H
#define HECATE_STORE_CODEC_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/err.h"

enum field_kind {
    F_BOOL,
    F_U32,
    F_U64,
    F_I64,
    F_F32,
    F_ENUM,   /* max: the largest known value */
    F_ID,     /* struct id */
    F_STR,    /* char *; max: bytes */
    F_STRS,   /* struct store_strs; max: items */
    F_IDS,    /* struct id * and a count; max: items */
    F_STRUCT, /* embedded struct with its own schema */
    F_LIST,   /* array of structs and a count; max: items */
};

struct schema;

struct field {
    uint32_t key;
    enum field_kind kind;
    uint32_t max;
    size_t offset;
    size_t count_offset; /* F_LIST, F_IDS */
    const struct schema *sub;
};

struct schema {
    const char *name; /* for messages */
    size_t size;
    const struct field *fields; /* ascending by key */
    size_t n_fields;
};

extern const struct schema schema_cluster, schema_node, schema_device, schema_volume, schema_block_volume,
    schema_operation, schema_job, schema_settings, schema_request_key, schema_cmd, schema_request, schema_tags;

/* schema_tags describes this: tags alone, for their fingerprint. */

#define CODEC_DEPTH_MAX 8

void schema_init(const struct schema *schema, void *rec); /* zero, strings "" */
void schema_fini(const struct schema *schema, void *rec);
void schema_copy(const struct schema *schema, void *to, const void *from); /* to is overwritten, not freed */
/* Copies *from to *to with all strings and lists in one block, which is returned (free(); NULL when none is needed).
 * *to must not be given to schema_fini. */
void *schema_pack(const struct schema *schema, void *to, const void *from);
void schema_encode(const struct schema *schema, const void *rec, struct buf *buf);
/* The map with one more entry in front: key 0, a number. */
void schema_encode_versioned(const struct schema *schema, uint32_t version, const void *rec, struct buf *buf);

/* Reading on, within the bytes. */
struct codec_walk {
    const uint8_t *data;
    size_t len, pos;
};

enum codec_kind {
    CODEC_NUMBER,
    CODEC_NEGATIVE,
    CODEC_BOOL,
    CODEC_FLOAT,
    CODEC_TEXT,
    CODEC_BYTES,
    CODEC_ARRAY,
    CODEC_MAP,
};

struct codec_head {
    enum codec_kind kind;
    uint64_t n; /* the number, its bits, or how many bytes or items follow (which need not be there) */
};

/* false: the bytes end, or it is nothing that we write. */
bool codec_next(struct codec_walk *walk, struct codec_head *ret_head);
/* The next n bytes; NULL: there are not as many left. */
const uint8_t *codec_take(struct codec_walk *walk, uint64_t n);
/* Looks at one msgpack value without allocating: nothing is longer than the input, no deeper than CODEC_DEPTH_MAX.
 * ret_len is its length. E_DAMAGED. */
int codec_walk(const uint8_t *data, size_t len, size_t *ret_len, struct err *reterr);
/* Decodes exactly len bytes into *ret_rec (schema_fini by the caller on success only). Unknown keys and enum values:
 * E_UNSUPPORTED; everything else wrong: E_DAMAGED. ret_version NULL: there is no key 0. A version other than 1 gives
 * E_UNSUPPORTED before anything else is looked at. */
int schema_decode(const struct schema *schema, const void *data, size_t len, void *ret_rec, struct err *reterr);
int schema_decode_versioned(const struct schema *schema, uint32_t version, const void *data, size_t len, void *ret_rec,
                            struct err *reterr);

struct codec_cost {
    size_t items;   /* structs in lists */
    uint64_t bytes; /* that lists and texts take when they are decoded */
};
/* Whether schema_decode_versioned would read it, in one pass that reserves next to nothing: 0, or a code as there.
 * ret_numbers is a record with only the numbers and ids of the map and of the maps in it; there is nothing to free. */
int schema_judge_versioned(const struct schema *schema, uint32_t version, const void *data, size_t len,
                           void *ret_numbers, struct codec_cost *ret_cost, struct err *reterr);

#endif

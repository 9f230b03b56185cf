/* Records as the store keeps them: the public struct, its canonical encoding, and its part of the digest. */
#ifndef HECATE_STORE_RECORD_PRIV_H
#define HECATE_STORE_RECORD_PRIV_H

#include <stdatomic.h>
#include <stdint.h>

#include "store/codec_priv.h"
#include "store/store.h"
#include "store/types.h"

#define STORE_ABANDONED_MAX 65536

/* A remembered Idempotency-Key. */
struct store_request_key {
    struct id id; /* hash of the key: its place in a snapshot */
    char *key;
    struct id fingerprint; /* of the request that came with it */
    struct id op_id;       /* the operation that answers, ID_NONE for what is done at once */
    struct id object;
    int64_t time_ms;
};

enum record_kind { /* order in a snapshot: what is referred to comes first */
                   KIND_CLUSTER = 0,
                   KIND_NODE = 1,
                   KIND_DEVICE = 2,
                   KIND_VOLUME = 3,
                   KIND_BLOCK_VOLUME = 4,
                   KIND_OPERATION = 5,
                   KIND_JOB = 6,
                   KIND_REQUEST_KEY = 7,
                   KIND_SETTINGS = 8,
                   KIND_COUNT = 9,
};

/* Immutable once made; shared by the store and its snapshots, whose owners may be other threads. */
struct blob {
    _Atomic uint32_t refs;
    uint32_t len;
    enum record_kind kind;
    struct id id;
    struct store_digest hash;
    uint8_t data[];
};

/* In each entry of a table, whose first member is the public record. */
struct record {
    struct blob *blob;
    void *arena; /* all texts and lists of the public record, in one block */
    uint32_t slot;
};

/* A part of all blobs, NULL where there is none. Shared with snapshots: who has it alone may change it, others make a
 * copy first. So a snapshot costs a reference for each chunk, however many records there are. */
#define CHUNK_BLOBS 512
struct blob_chunk {
    _Atomic uint32_t refs;
    struct blob *blobs[CHUNK_BLOBS];
};

/* All blobs of a store, in no order, and the sum of their hashes. */
struct record_set {
    struct blob_chunk **chunks;
    struct record **owners;
    size_t n, size; /* size: of owners, whole chunks */
    struct store_digest sum;
    void *hasher; /* EVP_MD_CTX */
};

static inline struct blob *record_blob(const struct record_set *set, size_t slot)
{
    return set->chunks[slot / CHUNK_BLOBS]->blobs[slot % CHUNK_BLOBS];
}

/* From any thread. */
struct blob_chunk *blob_chunk_ref(struct blob_chunk *chunk);
void blob_chunk_unref(struct blob_chunk *chunk);

void record_set_init(struct record_set *set);
void record_set_fini(struct record_set *set); /* releases all blobs; the records' arenas are their owners' */

/* Makes *next the value of the record *rec (which may be what *next was copied from: texts and lists may point into
 * the old value). A record whose blob is NULL joins the set. */
void record_store(struct record_set *set, enum record_kind kind, struct record *record, void *rec, const void *next);
void record_drop(struct record_set *set, struct record *record); /* leaves the set, frees the arena */

void record_move(struct record_set *from, struct record_set *to, struct record *record);

const struct schema *record_schema(enum record_kind kind);

struct blob *blob_ref(struct blob *blob);
void blob_unref(struct blob *blob);

/* First 16 bytes of SHA-256 over kind, then data. */
struct store_digest record_hash(void *hasher, uint8_t kind, const void *data, size_t len);
void digest_add(struct store_digest *sum, const struct store_digest *part); /* modulo 2^128 */
void digest_subtract(struct store_digest *sum, const struct store_digest *part);

/* Fingerprints: never ID_NONE. */
struct id fingerprint_request(const struct store_request *request);
struct id fingerprint_tags(const struct store_tags *tags);
struct id fingerprint_key(const char *key);

#endif

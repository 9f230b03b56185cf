#include "store/record_priv.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"

/* Hash domains beside the record kinds. */
#define DOMAIN_REQUEST 100
#define DOMAIN_TAGS 101
#define DOMAIN_KEY 102

const struct schema *record_schema(enum record_kind kind)
{
    switch (kind) {
    case KIND_CLUSTER:
        return &schema_cluster;
    case KIND_NODE:
        return &schema_node;
    case KIND_DEVICE:
        return &schema_device;
    case KIND_VOLUME:
        return &schema_volume;
    case KIND_BLOCK_VOLUME:
        return &schema_block_volume;
    case KIND_OPERATION:
        return &schema_operation;
    case KIND_JOB:
        return &schema_job;
    case KIND_REQUEST_KEY:
        return &schema_request_key;
    case KIND_SETTINGS:
        return &schema_settings;
    case KIND_COUNT:
        break;
    }
    check_failed(__FILE__, __LINE__, "record kind %d", (int)kind);
}

struct store_digest record_hash(void *hasher, uint8_t kind, const void *data, size_t len)
{
    unsigned char full[EVP_MAX_MD_SIZE];
    struct store_digest ret;

    /* Once initialised, NULL means the same algorithm again, without looking it up. */
    CHECK(EVP_DigestInit_ex(hasher, EVP_MD_CTX_get0_md(hasher) != NULL ? NULL : EVP_sha256(), NULL) == 1);
    CHECK(EVP_DigestUpdate(hasher, &kind, 1) == 1);
    CHECK(EVP_DigestUpdate(hasher, data, len) == 1);
    CHECK(EVP_DigestFinal_ex(hasher, full, NULL) == 1);
    memcpy(ret.bytes, full, sizeof(ret.bytes));
    return ret;
}

void digest_add(struct store_digest *sum, const struct store_digest *part)
{
    unsigned carry = 0;

    for (size_t i = 0; i < sizeof(sum->bytes); i++) {
        carry += (unsigned)sum->bytes[i] + part->bytes[i];
        sum->bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

void digest_subtract(struct store_digest *sum, const struct store_digest *part)
{
    int borrow = 0;

    for (size_t i = 0; i < sizeof(sum->bytes); i++) {
        int value = (int)sum->bytes[i] - part->bytes[i] - borrow;

        borrow = value < 0 ? 1 : 0;
        sum->bytes[i] = (uint8_t)(value + 256 * borrow);
    }
}

struct blob *blob_ref(struct blob *blob)
{
    atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
    return blob;
}

void blob_unref(struct blob *blob)
{
    if (blob != NULL && atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) == 1) {
        free(blob);
    }
}

void record_set_init(struct record_set *set)
{
    *set = (struct record_set){.hasher = EVP_MD_CTX_new()};
    CHECK_MSG(set->hasher != NULL, "out of memory");
}

struct blob_chunk *blob_chunk_ref(struct blob_chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);
    return chunk;
}

void blob_chunk_unref(struct blob_chunk *chunk)
{
    if (atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < CHUNK_BLOBS; i++) {
        blob_unref(chunk->blobs[i]);
    }
    free(chunk);
}

static struct blob_chunk *chunk_new(void)
{
    struct blob_chunk *chunk = mem_calloc(1, sizeof(*chunk));

    atomic_init(&chunk->refs, 1);
    return chunk;
}

/* The place of a blob, to be changed. */
static struct blob **place_of(struct record_set *set, size_t slot)
{
    struct blob_chunk **chunk = &set->chunks[slot / CHUNK_BLOBS];

    if (atomic_load_explicit(&(*chunk)->refs, memory_order_acquire) > 1) { /* a snapshot has it too */
        struct blob_chunk *copy = chunk_new();

        for (size_t i = 0; i < CHUNK_BLOBS; i++) {
            struct blob *blob = (*chunk)->blobs[i];

            copy->blobs[i] = blob != NULL ? blob_ref(blob) : NULL;
        }
        blob_chunk_unref(*chunk);
        *chunk = copy;
    }
    return &(*chunk)->blobs[slot % CHUNK_BLOBS];
}

void record_set_fini(struct record_set *set)
{
    for (size_t i = 0; i < set->size / CHUNK_BLOBS; i++) {
        blob_chunk_unref(set->chunks[i]);
    }
    free(set->chunks);
    free(set->owners);
    EVP_MD_CTX_free(set->hasher);
    *set = (struct record_set){.chunks = NULL};
}

static struct blob *blob_new(struct record_set *set, enum record_kind kind, const void *rec)
{
    struct buf buf = BUF_INIT;
    struct blob *blob;

    schema_encode(record_schema(kind), rec, &buf);
    CHECK(buf.len <= UINT32_MAX);
    blob = mem_alloc(sizeof(*blob) + buf.len);
    atomic_init(&blob->refs, 1);
    blob->len = (uint32_t)buf.len;
    blob->kind = kind;
    memcpy(&blob->id, rec, sizeof(blob->id)); /* the first member of every record */
    blob->hash = record_hash(set->hasher, (uint8_t)kind, buf.data, buf.len);
    memcpy(blob->data, buf.data, buf.len);
    buf_fini(&buf);
    return blob;
}

static void join(struct record_set *set, struct record *record)
{
    if (set->n == set->size) {
        size_t n_chunks = set->size / CHUNK_BLOBS;
        size_t more = n_chunks > 8 ? n_chunks / 4 : 1;

        set->size += more * CHUNK_BLOBS;
        set->chunks = mem_realloc_array(set->chunks, n_chunks + more, sizeof(*set->chunks));
        set->owners = mem_realloc_array(set->owners, set->size, sizeof(*set->owners));
        for (size_t i = 0; i < more; i++) {
            set->chunks[n_chunks + i] = chunk_new();
        }
    }
    CHECK(set->n < UINT32_MAX);
    record->slot = (uint32_t)set->n;
    set->owners[set->n] = record;
    set->n++;
}

void record_store(struct record_set *set, enum record_kind kind, struct record *record, void *rec, const void *next)
{
    const struct schema *schema = record_schema(kind);
    void *old_arena = record->arena;
    struct blob **place;
    char packed[512];

    /* *next may be a changed flat copy of *rec, so the old block goes last. */
    CHECK(schema->size <= sizeof(packed));
    record->arena = schema_pack(schema, packed, next);
    memcpy(rec, packed, schema->size);
    free(old_arena);
    if (record->blob == NULL) {
        join(set, record);
    } else {
        digest_subtract(&set->sum, &record->blob->hash);
    }
    record->blob = blob_new(set, kind, rec);
    place = place_of(set, record->slot);
    blob_unref(*place);
    *place = record->blob;
    digest_add(&set->sum, &record->blob->hash);
}

/* The record's blob, which leaves the set: another takes its place. */
static struct blob *leave(struct record_set *set, const struct record *record)
{
    size_t last = set->n - 1;
    struct blob **place = place_of(set, record->slot), **end = place_of(set, last);
    struct blob *blob = *place;

    CHECK(blob != NULL && blob == record->blob && set->owners[record->slot] == record);
    digest_subtract(&set->sum, &blob->hash);
    *place = *end;
    *end = NULL;
    set->owners[record->slot] = set->owners[last];
    set->owners[record->slot]->slot = record->slot;
    set->n = last;
    return blob;
}

void record_drop(struct record_set *set, struct record *record)
{
    blob_unref(leave(set, record));
    free(record->arena);
    record->blob = NULL;
    record->arena = NULL;
}

void record_move(struct record_set *from, struct record_set *to, struct record *record)
{
    struct blob *blob = leave(from, record);

    join(to, record);
    *place_of(to, record->slot) = blob;
    digest_add(&to->sum, &blob->hash);
}

/* ---- fingerprints ---- */

static struct id fingerprint(uint8_t domain, const void *data, size_t len)
{
    EVP_MD_CTX *hasher = EVP_MD_CTX_new();
    struct store_digest hash;
    struct id id;

    CHECK_MSG(hasher != NULL, "out of memory");
    hash = record_hash(hasher, domain, data, len);
    EVP_MD_CTX_free(hasher);
    memcpy(id.bytes, hash.bytes, sizeof(id.bytes));
    id.bytes[0] |= id_is_none(id) ? 1 : 0;
    return id;
}

static struct id fingerprint_of(uint8_t domain, const struct schema *schema, const void *rec)
{
    struct buf buf = BUF_INIT;
    struct id id;

    schema_encode(schema, rec, &buf);
    id = fingerprint(domain, buf.data, buf.len);
    buf_fini(&buf);
    return id;
}

struct id fingerprint_request(const struct store_request *request)
{
    return fingerprint_of(DOMAIN_REQUEST, &schema_request, request);
}

struct id fingerprint_tags(const struct store_tags *tags)
{
    return fingerprint_of(DOMAIN_TAGS, &schema_tags, tags);
}

struct id fingerprint_key(const char *key)
{
    return fingerprint(DOMAIN_KEY, key, strlen(key));
}

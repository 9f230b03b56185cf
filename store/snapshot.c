/* Snapshots.
 *
 * Layout, numbers little endian: magic (8 bytes), format version (4), feature level (4), applied index (8), number of
 * records of each kind (9 x 4), digest (16), bytes of records (8), the records (msgpack maps, by kind, then by id),
 * CRC-32C of everything before (4).
 *
 * Taking one shares chunks of references to immutable encodings; sorting and copying bytes happen in encode, which may
 * run in another thread. A record with a key that this release does not know is refused, never dropped: members
 * of one feature level write the same keys.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "store/snapshot_priv.h"

#define SNAPSHOT_MAGIC "HECSNAP\n"
#define SNAPSHOT_VERSION 1
#define HEADER_BYTES (8 + 4 + 4 + 8 + 4 * KIND_COUNT + 16 + 8)
#define CRC_BYTES 4
#define RECORD_BYTES_MIN 16 /* its id */
#define RECORD_BYTES_MAX (64u << 20)
_Static_assert(HEADER_BYTES + CRC_BYTES <= STORE_SNAPSHOT_HEAD, "the header is in what is judged first");

struct store_snapshot *store_snapshot_take(const struct store *store)
{
    struct store_snapshot *snapshot = mem_calloc(1, sizeof(*snapshot));

    snapshot->applied = store->applied;
    snapshot->level = store_level(store);
    snapshot->digest = store->records.sum;
    snapshot->n = store->records.n;
    snapshot->n_volumes = store->counts.volumes;
    snapshot->n_bricks = store->counts.bricks;
    snapshot->n_chunks = (snapshot->n + CHUNK_BLOBS - 1) / CHUNK_BLOBS;
    snapshot->chunks = mem_dup(store->records.chunks, snapshot->n_chunks * sizeof(*snapshot->chunks));
    for (size_t i = 0; i < snapshot->n_chunks; i++) {
        (void)blob_chunk_ref(snapshot->chunks[i]);
    }
    return snapshot;
}

void store_snapshot_free(struct store_snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    for (size_t i = 0; i < snapshot->n_chunks; i++) {
        blob_chunk_unref(snapshot->chunks[i]);
    }
    free(snapshot->chunks);
    free(snapshot);
}

static void put(struct buf *buf, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        buf_append_char(buf, (char)(value >> (8 * i) & 0xff));
    }
}

static uint64_t get(const uint8_t *data, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = bytes; i > 0; i--) {
        value = value << 8 | data[i - 1];
    }
    return value;
}

static int blob_order(const void *a, const void *b)
{
    const struct blob *left = *(const struct blob *const *)a;
    const struct blob *right = *(const struct blob *const *)b;

    if (left->kind != right->kind) {
        return left->kind < right->kind ? -1 : 1;
    }
    return id_cmp(&left->id, &right->id);
}

struct blob **snapshot_sorted(const struct store_snapshot *snapshot)
{
    struct blob **sorted = mem_calloc(snapshot->n + 1, sizeof(*sorted));

    for (size_t i = 0; i < snapshot->n; i++) {
        sorted[i] = snapshot->chunks[i / CHUNK_BLOBS]->blobs[i % CHUNK_BLOBS];
    }
    qsort(sorted, snapshot->n, sizeof(*sorted), blob_order);
    return sorted;
}

struct store_encoder {
    const struct store_snapshot *snapshot;
    struct blob **sorted;
    size_t at, size_bytes;
    uint32_t crc;
    bool begun, ended;
};

struct store_encoder *store_encoder_new(const struct store_snapshot *snapshot)
{
    struct store_encoder *encoder = mem_calloc(1, sizeof(*encoder));

    encoder->snapshot = snapshot;
    encoder->sorted = snapshot_sorted(snapshot);
    encoder->size_bytes = HEADER_BYTES + CRC_BYTES;
    for (size_t i = 0; i < snapshot->n; i++) {
        encoder->size_bytes += encoder->sorted[i]->len;
    }
    return encoder;
}

void store_encoder_free(struct store_encoder *encoder)
{
    if (encoder != NULL) {
        free(encoder->sorted);
        free(encoder);
    }
}

size_t store_encoder_size_bytes(const struct store_encoder *encoder)
{
    return encoder->size_bytes;
}

static void put_header(const struct store_encoder *encoder, struct buf *buf)
{
    const struct store_snapshot *snapshot = encoder->snapshot;
    uint32_t counts[KIND_COUNT] = {0};

    for (size_t i = 0; i < snapshot->n; i++) {
        counts[encoder->sorted[i]->kind]++;
    }
    buf_append_str(buf, SNAPSHOT_MAGIC);
    put(buf, SNAPSHOT_VERSION, 4);
    put(buf, snapshot->level, 4);
    put(buf, snapshot->applied, 8);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        put(buf, counts[i], 4);
    }
    buf_append(buf, snapshot->digest.bytes, sizeof(snapshot->digest.bytes));
    put(buf, encoder->size_bytes - HEADER_BYTES - CRC_BYTES, 8);
}

bool store_encoder_next(struct store_encoder *encoder, size_t bytes, struct buf *buf)
{
    const struct store_snapshot *snapshot = encoder->snapshot;
    size_t start = buf->len;

    if (!encoder->begun) {
        encoder->begun = true;
        put_header(encoder, buf);
    }
    for (; encoder->at < snapshot->n && buf->len - start < bytes; encoder->at++) {
        const struct blob *blob = encoder->sorted[encoder->at];

        buf_append(buf, blob->data, blob->len);
    }
    encoder->crc = crc32c(encoder->crc, buf_str(buf) + start, buf->len - start);
    if (encoder->at == snapshot->n && !encoder->ended) {
        encoder->ended = true;
        put(buf, encoder->crc, CRC_BYTES);
    }
    return !encoder->ended;
}

void store_snapshot_encode(const struct store_snapshot *snapshot, struct buf *buf)
{
    struct store_encoder *encoder = store_encoder_new(snapshot);

    buf_reserve(buf, store_encoder_size_bytes(encoder));
    while (store_encoder_next(encoder, SIZE_MAX, buf)) {
    }
    store_encoder_free(encoder);
}

/* ---- decoding ---- */

int snapshot_insert(struct store *store, enum record_kind kind, void *rec, struct err *reterr)
{
    struct store_volume *volume = rec;
    struct store_operation *op = rec;

    switch (kind) {
    case KIND_CLUSTER:
        return insert_cluster(store, rec, reterr);
    case KIND_NODE:
        return insert_node(store, rec, reterr);
    case KIND_DEVICE:
        return insert_device(store, rec, reterr);
    case KIND_VOLUME:
        for (size_t i = 0; i < volume->n_bricks; i++) {
            volume->bricks[i].volume = volume->id; /* bricks do not repeat it */
        }
        return insert_volume(store, rec, reterr);
    case KIND_BLOCK_VOLUME:
        return insert_block(store, rec, reterr);
    case KIND_OPERATION:
        for (size_t i = 0; i < op->n_abandoned; i++) {
            op->abandoned[i].volume = bricks_owner(store, op);
        }
        return insert_op(store, rec, reterr);
    case KIND_JOB:
        return insert_job(store, rec, reterr);
    case KIND_REQUEST_KEY:
        return insert_key(store, rec, reterr);
    case KIND_SETTINGS:
        return insert_settings(store, rec, reterr);
    case KIND_COUNT:
        break;
    }
    check_failed(__FILE__, __LINE__, "record kind %d", (int)kind);
}

/* What records become: a store, or nothing, when they are only checked. */
struct reading {
    struct store *store; /* NULL: they are checked */
    struct buf again;    /* one record, encoded again */
    void *hasher;        /* EVP_MD_CTX */
    struct store_digest sum;
    uint32_t level;
};

static int not_canonical(const struct schema *schema, struct id id, struct err *reterr)
{
    return err_set(reterr, E_DAMAGED, "%s %s is not in its canonical form", schema->name, id_text(id).text);
}

static int insert_record(struct store *store, enum record_kind kind, union any_record *rec, struct id id,
                         const uint8_t *data, size_t len, struct err *reterr)
{
    const struct blob *blob;
    int rc = snapshot_insert(store, kind, rec, reterr);

    if (rc != 0) {
        return rc;
    }
    blob = record_blob(&store->records, store->records.n - 1); /* the newest: what we would have written ourselves */
    return blob->len == len && memcmp(blob->data, data, len) == 0 ? 0 : not_canonical(record_schema(kind), id, reterr);
}

static int judge_record(struct reading *reading, enum record_kind kind, const union any_record *rec, struct id id,
                        const uint8_t *data, size_t len, struct err *reterr)
{
    struct store_digest hash;

    buf_clear(&reading->again);
    schema_encode(record_schema(kind), rec, &reading->again);
    if (reading->again.len != len || memcmp(reading->again.data, data, len) != 0) {
        return not_canonical(record_schema(kind), id, reterr);
    }
    hash = record_hash(reading->hasher, (uint8_t)kind, data, len);
    digest_add(&reading->sum, &hash);
    if (kind == KIND_SETTINGS && rec->settings.feature_level > reading->level) {
        reading->level = rec->settings.feature_level;
    }
    return 0;
}

static int read_record(struct reading *reading, enum record_kind kind, const uint8_t *data, size_t len, struct id *last,
                       struct err *reterr)
{
    const struct schema *schema = record_schema(kind);
    union any_record rec;
    struct id id;
    int rc;

    CHECK(schema->size <= sizeof(rec));
    rc = schema_decode(schema, data, len, &rec, reterr);
    if (rc != 0) {
        return rc;
    }
    memcpy(&id, &rec, sizeof(id)); /* the first member of every record */
    if (id_cmp(last, &id) >= 0) {
        rc = err_set(reterr, E_DAMAGED, "%s %s is out of order", schema->name, id_text(id).text);
    } else if (reading->store != NULL) {
        rc = insert_record(reading->store, kind, &rec, id, data, len, reterr);
    } else {
        rc = judge_record(reading, kind, &rec, id, data, len, reterr);
    }
    *last = id;
    schema_fini(schema, &rec);
    return rc;
}

static bool is_stopped(const atomic_bool *stop)
{
    return stop != NULL && atomic_load_explicit(stop, memory_order_relaxed);
}

static int read_records(struct reading *reading, const uint8_t *header, const uint8_t *data, size_t len,
                        const atomic_bool *stop, struct err *reterr)
{
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        uint64_t n = get(header + 24 + 4 * kind, 4);
        struct id last = ID_NONE;

        for (uint64_t i = 0; i < n; i++) {
            size_t one;
            int rc = is_stopped(stop) ? err_set(reterr, E_CANCELLED, "nobody waits for it any more")
                                      : codec_walk(data, len, &one, reterr);

            if (rc == 0 && one > RECORD_BYTES_MAX) {
                rc = err_set(reterr, E_DAMAGED, "a record of %zu bytes", one);
            }
            rc = rc == 0 ? read_record(reading, (enum record_kind)kind, data, one, &last, reterr) : rc;
            if (rc != 0) {
                return rc;
            }
            data += one;
            len -= one;
        }
    }
    return len == 0 ? 0 : err_set(reterr, E_DAMAGED, "%zu bytes after the last record", len);
}

static bool is_snapshot(const uint8_t *data, size_t len)
{
    return len >= HEADER_BYTES + CRC_BYTES && memcmp(data, SNAPSHOT_MAGIC, 8) == 0;
}

/* What the header says of itself, in a snapshot of this many bytes. */
static int check_words(const uint8_t *data, uint64_t size_bytes, struct err *reterr)
{
    uint64_t records = 0;

    if (get(data + 8, 4) != SNAPSHOT_VERSION || get(data + 12, 4) < STORE_LEVEL_MIN ||
        get(data + 12, 4) > STORE_LEVEL_MAX) {
        return err_set(
            reterr, E_UNSUPPORTED,
            "snapshot of version %llu and feature level %llu; this release reads version %d and levels %d to "
            "%d",
            (unsigned long long)get(data + 8, 4), (unsigned long long)get(data + 12, 4), SNAPSHOT_VERSION,
            STORE_LEVEL_MIN, STORE_LEVEL_MAX);
    }
    if (get(data + HEADER_BYTES - 8, 8) != size_bytes - HEADER_BYTES - CRC_BYTES) {
        return err_set(reterr, E_DAMAGED, "wrong length");
    }
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        records += get(data + 24 + 4 * kind, 4);
    }
    return records <= (size_bytes - HEADER_BYTES - CRC_BYTES) / RECORD_BYTES_MIN
               ? 0
               : err_set(reterr, E_DAMAGED, "%llu records in %llu bytes", (unsigned long long)records,
                         (unsigned long long)size_bytes);
}

static int check_header(const uint8_t *data, size_t len, struct err *reterr)
{
    if (!is_snapshot(data, len)) {
        return err_set(reterr, E_DAMAGED, "not a snapshot");
    }
    return crc32c(0, data, len - CRC_BYTES) == get(data + len - CRC_BYTES, CRC_BYTES)
               ? check_words(data, len, reterr)
               : err_set(reterr, E_DAMAGED, "wrong checksum");
}

int store_snapshot_judge(const void *head, size_t len, uint64_t size_bytes, uint64_t *ret_applied, struct err *reterr)
{
    int rc =
        is_snapshot(head, len) ? check_words(head, size_bytes, reterr) : err_set(reterr, E_DAMAGED, "not a snapshot");

    if (rc != 0) {
        (void)err_wrap(reterr, "snapshot");
        return rc;
    }
    *ret_applied = get((const uint8_t *)head + 16, 8);
    return 0;
}

int store_snapshot_decode(const void *data, size_t len, struct store **ret_store, struct err *reterr)
{
    return store_snapshot_decode_until(data, len, NULL, ret_store, reterr);
}

/* The digest and feature level that the records have, against what the header says. */
static int check_sums(const uint8_t *header, const struct store_digest *sum, uint32_t level, struct err *reterr)
{
    if (memcmp(sum->bytes, header + HEADER_BYTES - 24, sizeof(sum->bytes)) != 0) {
        return err_set(reterr, E_DAMAGED, "the digest differs");
    }
    return level == get(header + 12, 4) ? 0 : err_set(reterr, E_DAMAGED, "its settings are of another feature level");
}

int store_snapshot_decode_until(const void *data, size_t len, const atomic_bool *stop, struct store **ret_store,
                                struct err *reterr)
{
    const uint8_t *bytes = data;
    struct reading reading = {.store = NULL};
    struct store *store;
    int rc = check_header(bytes, len, reterr);

    if (rc != 0) {
        (void)err_wrap(reterr, "snapshot");
        return rc;
    }
    store = reading.store = store_new();
    rc = read_records(&reading, bytes, bytes + HEADER_BYTES, len - HEADER_BYTES - CRC_BYTES, stop, reterr);
    store->applied = get(bytes + 16, 8);
    rc = rc == 0 ? check_sums(bytes, &store->records.sum, store_level(store), reterr) : rc;
    rc = rc == 0 ? check_decoded(store, reterr) : rc;
    if (rc != 0) {
        store_free(store);
        (void)err_wrap(reterr, "snapshot");
        return rc;
    }
    *ret_store = store;
    return 0;
}

int store_snapshot_check(const void *data, size_t len, uint64_t *ret_applied, struct err *reterr)
{
    const uint8_t *bytes = data;
    struct reading reading = {.level = STORE_LEVEL_MIN};
    int rc = check_header(bytes, len, reterr);

    if (rc == 0) {
        reading.hasher = EVP_MD_CTX_new();
        CHECK_MSG(reading.hasher != NULL, "out of memory");
        rc = read_records(&reading, bytes, bytes + HEADER_BYTES, len - HEADER_BYTES - CRC_BYTES, NULL, reterr);
        rc = rc == 0 ? check_sums(bytes, &reading.sum, reading.level, reterr) : rc;
        EVP_MD_CTX_free(reading.hasher);
        buf_fini(&reading.again);
    }
    if (rc != 0) {
        (void)err_wrap(reterr, "snapshot");
        return rc;
    }
    *ret_applied = get(bytes + 16, 8);
    return 0;
}

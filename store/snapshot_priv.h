/* Between snapshot.c and view.c: what a snapshot holds, and how its records come back. */
#ifndef HECATE_STORE_SNAPSHOT_PRIV_H
#define HECATE_STORE_SNAPSHOT_PRIV_H

#include "store/store_priv.h"

struct store_snapshot {
    uint64_t applied;
    uint32_t level;
    struct store_digest digest;
    struct blob_chunk **chunks;
    size_t n, n_chunks;
    size_t n_volumes, n_bricks; /* of n; bricks of volumes */
};

union any_record {
    struct store_cluster cluster;
    struct store_volume volume;
    struct store_block_volume block;
    struct store_operation op;
    struct store_device device;
    struct store_node node;
    struct store_job job;
    struct store_request_key key;
    struct store_settings settings;
};

/* By kind, then by id; the blobs stay the snapshot's. malloc'ed. */
struct blob **snapshot_sorted(const struct store_snapshot *snapshot);
/* Puts a decoded record where it belongs. It stays the caller's. */
int snapshot_insert(struct store *store, enum record_kind kind, void *rec, struct err *reterr);

#endif

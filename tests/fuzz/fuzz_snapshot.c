/* Snapshots from anywhere, with the checksum made right: decoding refuses or gives a whole store whose own snapshot has
 * the same bytes; what becomes a store, a check without one finds well. */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/mem.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = mem_dup(data, size);
    struct store *store = NULL;
    struct err err = ERR_INIT;
    struct buf again = BUF_INIT;
    struct store_snapshot *snapshot;
    uint64_t applied;
    int rc, checked;

    if (size >= 88) {
        uint32_t crc;

        for (size_t i = 0; i < 8; i++) { /* and the length */
            copy[76 + i] = (uint8_t)((size - 88) >> (8 * i));
        }
        crc = crc32c(0, copy, size - 4);
        for (size_t i = 0; i < 4; i++) {
            copy[size - 4 + i] = (uint8_t)(crc >> (8 * i));
        }
    }
    rc = store_snapshot_decode(copy, size, &store, &err);
    CHECK(rc == 0 || rc == E_DAMAGED || rc == E_UNSUPPORTED);
    checked = store_snapshot_check(copy, size, &applied, &err);
    CHECK(checked == 0 || checked == E_DAMAGED || checked == E_UNSUPPORTED);
    if (rc == 0) {
        CHECK(checked == 0 && applied == store_applied_index(store));
        snapshot = store_snapshot_take(store);
        store_snapshot_encode(snapshot, &again);
        store_snapshot_free(snapshot);
        CHECK(again.len == size && memcmp(again.data, copy, size) == 0);
        store_free(store);
    }
    free(copy);
    buf_fini(&again);
    return 0;
}

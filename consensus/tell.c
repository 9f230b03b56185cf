#include "consensus/tell.h"

#include "consensus/consensus.h"
#include "consensus/wire.h"

void tell_encode(uint64_t from, struct id cluster_id, const void *data, size_t len, struct buf *buf)
{
    const struct wire wire = {
        .key = {[WK_TYPE] = WIRE_TELL,
                [WK_FROM] = from,
                [WK_CLUSTER_HIGH] = id_half(&cluster_id, 0),
                [WK_CLUSTER_LOW] = id_half(&cluster_id, sizeof(uint64_t))},
        .body = data,
        .body_len = len,
    };

    wire_encode(&wire, buf);
}

bool tell_is(const uint8_t *frame, size_t len)
{
    return wire_type(frame, len) == WIRE_TELL;
}

bool tell_decode(const uint8_t *frame, size_t len, uint64_t from, struct id cluster_id, const void **ret_data,
                 size_t *ret_len)
{
    struct wire wire;

    if (!wire_decode(frame, len, &wire) || wire.key[WK_TYPE] != WIRE_TELL || wire.key[WK_FROM] != from ||
        wire.body_len > CONS_TELL_MAX) {
        return false; /* none of ours says as much, and it would take long to read */
    }
    *ret_data = NULL;
    *ret_len = 0;
    if (wire.key[WK_CLUSTER_HIGH] == id_half(&cluster_id, 0) &&
        wire.key[WK_CLUSTER_LOW] == id_half(&cluster_id, sizeof(uint64_t))) {
        *ret_data = wire.body;
        *ret_len = wire.body_len;
    }
    return true;
}

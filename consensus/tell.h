/* The frame in which a member tells the others something of its owner's: not part of the log, may be lost. Pure. */
#ifndef HECATE_CONSENSUS_TELL_H
#define HECATE_CONSENSUS_TELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/id.h"

/* Appends the frame. */
void tell_encode(uint64_t from, struct id cluster_id, const void *data, size_t len, struct buf *buf);
/* Is it such a frame? Looks at the header only, so that all others are checked once, by whom they are for. */
bool tell_is(const uint8_t *frame, size_t len);
/* false: damaged, longer than CONS_TELL_MAX, or not in the name of from, who sent it. *ret_data is NULL when
 * it is of another cluster, else points into the frame. */
bool tell_decode(const uint8_t *frame, size_t len, uint64_t from, struct id cluster_id, const void **ret_data,
                 size_t *ret_len);

#endif

/* Frames between members. Pure.
 *
 * u32 length of what follows | u32 CRC32C of what follows it | u16 header length | header | body, integers little
 * endian. The header is a msgpack map {small int: unsigned}; absent means 0, unknown keys are skipped, no key
 * comes twice. Every frame
 * carries the sender's current term. The body depends on the type.
 */
#ifndef HECATE_CONSENSUS_WIRE_H
#define HECATE_CONSENSUS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"

#define WIRE_PREFIX 10                      /* length, CRC, header length */
#define WIRE_FRAME_MAX ((size_t)64 << 20)   /* anything longer is damage */
#define WIRE_NUMBER_MAX (UINT64_C(1) << 62) /* terms, indexes, sizes: sums of two of them do not overflow */
/* Indexes of entries: more than any log ever has, and far from where they could not go on. */
#define WIRE_INDEX_MAX (UINT64_C(1) << 48)

enum wire_type {                     /* on the wire: never renumber */
                 WIRE_HELLO = 1,     /* first on a connection, and again when the sender's state changes */
                 WIRE_FORM = 2,      /* forming: be part of this cluster */
                 WIRE_FORM_ACK = 3,  /* durable: yes */
                 WIRE_LEASE = 4,     /* leader: its send time as number, the L it stands for */
                 WIRE_LEASE_ACK = 5, /* the newest number promised for */
                 WIRE_APPEND = 6,    /* AppendEntries; body: flat entries */
                 WIRE_APPEND_RESULT = 7,
                 WIRE_VOTE = 8,
                 WIRE_VOTE_RESULT = 9,
                 WIRE_TIMEOUT_NOW = 10,
                 WIRE_SNAPSHOT = 11, /* a chunk; body: bytes */
                 WIRE_SNAPSHOT_ACK = 12,
                 WIRE_TELL = 13, /* not of the log: what the owners of the members tell each other (tell.h) */
};

enum wire_key { /* header keys: never reused */
                WK_TYPE = 0,
                WK_TERM = 1,         /* current term of the sender */
                WK_FROM = 2,         /* member id */
                WK_CLUSTER_HIGH = 3, /* cluster id, two halves */
                WK_CLUSTER_LOW = 4,
                WK_STATE = 5,        /* HELLO: enum core_disk_state */
                WK_PEERS_DIGEST = 6, /* HELLO, FORM: digest of the initial peers */
                WK_NUMBER = 7,       /* LEASE, LEASE_ACK; TIMEOUT_NOW, VOTE: a transfer's send time */
                WK_LEASE_US = 8,
                WK_MSG_TERM = 9, /* the raft message's own term */
                WK_PREV_INDEX = 10,
                WK_PREV_TERM = 11,
                WK_COMMIT = 12,
                WK_COUNT = 13,
                WK_REJECTED = 14,
                WK_LAST_INDEX = 15, /* HELLO of a leader: up to where it has the receiver's word, in its term */
                WK_LAST_TERM = 16,
                WK_FLAGS = 17, /* HELLO: 1 greet me too, 2 joining; VOTE: 1 disrupt, 2 pre-vote; VOTE_RESULT: 1 granted,
                                  2 pre-vote */
                WK_VERSION = 18,
                WK_FEATURES = 19,
                WK_CAPACITY = 20,
                WK_CONF_INDEX = 21, /* SNAPSHOT, HELLO: of the configuration that comes along */
                WK_OFFSET = 22,
                WK_TOTAL = 23,
                WK_CONF_LEN = 24, /* SNAPSHOT at offset 0: the body begins with the configuration */
                WK_ADMITS = 25,   /* HELLO of a serving leader: what the receiver is to the cluster */
                WK_FOLLOWS = 26,  /* HELLO: whom the sender takes for the leader of its term, plus 1; 1: nobody.
                                     LEASE: to whom it hands over, likewise (then number 0: no promise is asked for) */
                WIRE_KEYS = 27,
};

enum wire_admits {                    /* on the wire: never renumber */
                   WIRE_STRANGER = 1, /* not a member */
                   WIRE_ADMITTED = 2, /* a member that has never had anything of the log */
                   WIRE_MEMBER = 3,   /* a member that votes, or has a part of the log */
};

struct wire {
    uint64_t key[WIRE_KEYS];
    const uint8_t *body; /* into the frame (decode) or the caller's memory (encode) */
    size_t body_len;
};

/* Appends a whole frame. */
void wire_encode(const struct wire *wire, struct buf *buf);
/* How long the frame at the beginning of data is: 0 while its length is not there yet, SIZE_MAX if it cannot be one. */
size_t wire_frame_len(const uint8_t *data, size_t len);
/* The type in the header of a whole frame, which may be damaged otherwise; 0: none. */
uint64_t wire_type(const uint8_t *frame, size_t len);
/* One whole frame. false: damaged (length, CRC, header), or a value is out of the range that all releases keep.
 * ret_wire->body points into frame. */
bool wire_decode(const uint8_t *frame, size_t len, struct wire *ret_wire);

/* Entries, flat: u64 term | u32 length | u8 type | 3 zero | data, padded to 8. The same bytes go into APPEND frames and
 * into log records. */
#define FLAT_HEADER 16
void flat_append(struct buf *buf, uint64_t term, uint8_t type, const void *data, uint32_t len);
struct flat_entry {
    uint64_t term;
    uint8_t type;
    const uint8_t *data;
    uint32_t len;
};
/* Reads the entry at *offset and moves it on; false when there is none or it is damaged (offset is then not at the
 * end). */
bool flat_next(const uint8_t *data, size_t len, size_t *offset, struct flat_entry *ret_entry);

#endif

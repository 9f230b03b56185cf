/* The log on disk: manifest, segments, snapshots. Files only: no threads, no loop. Blocking; one caller at a time,
 * except log_spare_write, log_snapshot_write and log_snapshot_read, which touch the spare or snapshot files alone and
 * may run beside it.
 *
 * manifest       identity, term, vote, and which segments and snapshot count; replaced by rename. Every file that it
 * does not name is a leftover, every one that it names and that is missing is damage.
 *
 * seg-N          records. A record is what was appended by one write; it lies in sectors of 512 bytes: 496 payload |
 * u64 record number | u32 sector number in the record | u32 CRC32C of the rest. Records begin at a sector, so that an
 * acknowledged sector is never written again. A record whose first index is not above the last one cuts the log there.
 *
 * snap-INDEX     a snapshot with its configuration and a CRC32C.
 *
 * replaced.backup  the state that a snapshot of the leader has replaced, as its owner encodes it. Never read.
 *
 * spare          zeros, the next segment.
 *
 * After the last whole record only zeros and good sectors of the one next record, in their places and in the newest
 * segment, may follow: a torn write, which is wiped. Anything else is damage and is refused with file and offset.
 */
#ifndef HECATE_CONSENSUS_LOG_H
#define HECATE_CONSENSUS_LOG_H

#include "consensus/core.h"
#include "store/base/err.h"

#define LOG_SECTOR 512
#define LOG_PAYLOAD 496
#define LOG_SEGMENT_BYTES ((size_t)8 << 20)

struct log;

/* Opens the directory (which must exist), takes its lock, loads everything into *ret_image. An empty directory gives
 * CORE_EMPTY. E_DAMAGED, E_IO, E_BUSY (another process uses it), E_INVALID (another member's). segment_bytes: 0 for the
 * default. */
int log_open(const char *dir, uint64_t member_id, size_t segment_bytes, struct log **ret_log,
             struct disk_image *ret_image, struct err *reterr);
void log_close(struct log *log);

/* All of these return only when their effect is on stable storage. A failure is final: the caller must end. */
int log_set_state(struct log *log, enum core_disk_state state, struct id cluster_id, struct err *reterr);
int log_set_meta(struct log *log, uint64_t term, uint64_t vote, struct err *reterr);
int log_append(struct log *log, uint64_t first, uint64_t n, const uint8_t *flat, size_t len, struct err *reterr);

/* The next segment's zeros are written in advance, so that an append hardly ever has to. The file belongs to whoever
 * calls log_spare_write until log_spare_give, and then to the log until it wants one again. */
int log_spare_write(const struct log *log, struct err *reterr);
void log_spare_give(struct log *log);
bool log_spare_wanted(const struct log *log);

/* Writes a snapshot's file, and reads it back; it counts once adopted. op: kind, index, index_term, conf_index, conf,
 * data. */
int log_snapshot_write(const struct log *log, const struct disk_op *op, struct err *reterr);
/* The snapshot whose file was written becomes the one that counts; entries below op->keep_from may go. replace_log: all
 * entries go (a snapshot of the leader). Without it, one that is older than what counts changes nothing. */
int log_snapshot_adopt(struct log *log, const struct disk_op *op, bool replace_log, struct err *reterr);
/* Fills op with the snapshot of that index. E_NOT_FOUND when its file is gone (a newer one was adopted). */
int log_snapshot_read(const struct log *log, uint64_t index, struct disk_op *op, struct err *reterr);
uint64_t log_snapshot_index(const struct log *log);
/* The snapshot that counts was sent by the leader: this member has taken none since. */
bool log_snapshot_installed(const struct log *log);
/* Writes a state aside. over: also if there is one already. *ret_kept: it was written. */
int log_keep_aside(const struct log *log, const uint8_t *data, size_t len, bool over, bool *ret_kept,
                   struct err *reterr);

#endif

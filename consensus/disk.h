/* The disk's threads: one writes the log, one writes and reads snapshots. No libuv.
 *
 * Operations of the first queue (STATE, META, APPEND) are done in order; appends that wait and follow each
 * other become one record and one sync. Answers come back in the order of each queue: disk_take, after notify. The
 * second thread also writes the log's next segment in advance. After the first failure nothing is acknowledged any
 * more: every later answer carries it.
 */
#ifndef HECATE_CONSENSUS_DISK_H
#define HECATE_CONSENSUS_DISK_H

#include "consensus/core.h"
#include "store/base/err.h"

struct disk;

struct disk_config {
    const char *dir;
    uint64_t member_id;
    size_t segment_bytes; /* 0: default */
    /* Any thread: there is something to take. */
    void (*notify)(void *user);
    /* Snapshot thread: the bytes of a snapshot handle, malloc'ed (what a snapshot of the leader replaces is written
     * aside as these); whether they can be read again; and the state that
     * bytes of the leader are, after all entries up to index. An error of check or decode is told in the answer, and
     * nothing fails. */
    void (*encode)(void *user, void *handle, uint8_t **ret_data, size_t *ret_len);
    int (*check)(void *user, uint64_t index, const uint8_t *data, size_t len, struct err *reterr);
    int (*decode)(void *user, uint64_t index, const uint8_t *data, size_t len, void **ret_state, struct err *reterr);
    void (*handle_free)(void *user, void *handle);
    void (*state_free)(void *user, void *state);
    void *user;
};

/* Loads the directory, then starts the threads. */
int disk_open(const struct disk_config *config, struct disk **ret_disk, struct disk_image *ret_image,
              struct err *reterr);
void disk_put(struct disk *disk, struct disk_op *op); /* takes it until disk_take gives it back */
struct disk_op *disk_take(struct disk *disk);         /* the next answer, or NULL */
/* Waits for what is queued, ends the threads, frees answers that were not taken. */
void disk_close(struct disk *disk);

#endif

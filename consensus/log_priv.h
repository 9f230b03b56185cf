/* Inside log*.c. */
#ifndef HECATE_CONSENSUS_LOG_PRIV_H
#define HECATE_CONSENSUS_LOG_PRIV_H

#include "consensus/log.h"

#define LOG_REPLACED "replaced.backup"
#define LOG_SPARE "spare"

struct log_manifest {
    struct id cluster_id;
    uint64_t member_id, state, term, vote;
    uint64_t seg_lo, seg_hi; /* seg_hi 0: none yet */
    uint64_t snap_index, snap_term, conf_index, keep_from;
};

struct log_segment {
    uint64_t number;
    uint64_t first; /* index of its first record's first entry; 0: no record yet */
};

struct log {
    char *dir;
    int dir_fd, lock_fd, seg_fd;
    size_t segment_bytes; /* a multiple of LOG_SECTOR */
    bool spare;           /* the file LOG_SPARE is there: zeros, synced, segment_bytes long */
    uint64_t member_id;   /* as configured: for messages */
    struct log_manifest manifest;
    struct log_segment *segments; /* seg_lo..seg_hi */
    size_t n_segments;
    uint64_t seg_offset, seg_size; /* of the newest */
    uint64_t next_record;
    uint64_t last_index;
};

/* log_file.c: whole files, synced */
int log_fail(struct err *reterr, const struct log *log, const char *what, const char *file);
int log_damaged(struct err *reterr, const struct log *log, const char *file, uint64_t offset, const char *what);
/* Writes all of it and syncs; false: errno says why. */
bool log_write_at(int fd, const uint8_t *data, size_t len, uint64_t offset);
/* A file written and synced; its name is not yet. */
int log_write_synced(const struct log *log, const char *name, const void *data, size_t len, struct err *reterr);
int log_rename(const struct log *log, const char *from, const char *to, struct err *reterr);
/* The file is there under its name with all of its data, or not at all. */
int log_write_file(const struct log *log, const char *name, const char *temporary, const void *data, size_t len,
                   struct err *reterr);
/* Makes what a file shows what the disk has: what a killed process wrote may be in memory alone, and what a failed sync
 * left in memory will never be written. A missing file is no error. */
int log_settle(const struct log *log, const char *name, struct err *reterr);
/* *ret_data is malloc'ed; E_NOT_FOUND, E_IO. */
int log_read_file(const struct log *log, const char *name, uint8_t **ret_data, size_t *ret_len, struct err *reterr);
int log_write_manifest(struct log *log, struct err *reterr);
/* E_NOT_FOUND when there is none. */
int log_read_manifest(struct log *log, struct err *reterr);
/* The file's bytes begin with what log_snapshot_write wrote; op gets copies. */
int log_snapshot_parse(const struct log *log, const char *name, const uint8_t *data, size_t len, struct disk_op *op,
                       struct err *reterr);
/* log_load.c */
int log_load(struct log *log, struct disk_image *ret_image, struct err *reterr);
void log_seal(uint8_t *sector, uint64_t record, uint32_t number);
/* log.c */
void log_segment_name(uint64_t number, char *ret_name, size_t size);
void log_snapshot_name(uint64_t index, char *ret_name, size_t size);

#endif

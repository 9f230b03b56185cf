#include "consensus/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "consensus/log_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

void log_segment_name(uint64_t number, char *ret_name, size_t size)
{
    (void)snprintf(ret_name, size, "seg-%012lu", (unsigned long)number);
}

void log_snapshot_name(uint64_t index, char *ret_name, size_t size)
{
    (void)snprintf(ret_name, size, "snap-%020lu", (unsigned long)index);
}

/* ---- open ---- */

/* Files of ours without a manifest are not an empty directory: the manifest was lost. */
static int check_empty(const struct log *log, struct err *reterr)
{
    DIR *dir = opendir(log->dir);
    const struct dirent *entry;
    int rc = 0;

    if (dir == NULL) {
        return log_fail(reterr, log, "cannot read the directory", ".");
    }
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, "seg-", 4) == 0 || strncmp(entry->d_name, "snap-", 5) == 0) {
            rc = log_damaged(reterr, log, "manifest", 0, "the file is missing");
        }
    }
    (void)closedir(dir); /* only read from */
    return rc;
}

/* What the manifest does not name was left over by a crash. */
static void remove_leftovers(const struct log *log)
{
    const struct log_manifest *m = &log->manifest;
    DIR *dir = opendir(log->dir);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        bool keep = true;

        if ((len > 4 && strcmp(entry->d_name + len - 4, ".new") == 0) || strcmp(entry->d_name, LOG_SPARE) == 0) {
            keep = false; /* a spare may not have been synced */
        } else if (strncmp(entry->d_name, "seg-", 4) == 0) {
            uint64_t number = strtoull(entry->d_name + 4, NULL, 10);

            keep = m->seg_hi > 0 && number >= m->seg_lo && number <= m->seg_hi;
        } else if (strncmp(entry->d_name, "snap-", 5) == 0) {
            keep = strtoull(entry->d_name + 5, NULL, 10) == m->snap_index;
        }
        if (!keep) {
            (void)unlinkat(log->dir_fd, entry->d_name, 0); /* tried again at the next start */
        }
    }
    if (dir != NULL) {
        (void)closedir(dir); /* only read from */
    }
}

static int open_newest(struct log *log, struct err *reterr)
{
    char name[64];

    if (log->manifest.seg_hi == 0) {
        return 0;
    }
    log_segment_name(log->manifest.seg_hi, name, sizeof(name));
    log->seg_fd = openat(log->dir_fd, name, O_WRONLY | O_CLOEXEC);
    return log->seg_fd < 0 ? log_fail(reterr, log, "cannot open", name) : 0;
}

static int open_log(struct log *log, uint64_t member_id, struct disk_image *image, struct err *reterr)
{
    int rc;

    log->dir_fd = open(log->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log->dir_fd < 0) {
        return log_fail(reterr, log, "cannot open the directory", ".");
    }
    log->lock_fd = openat(log->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (log->lock_fd < 0) {
        return log_fail(reterr, log, "cannot create", "lock");
    }
    if (flock(log->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return err_set(reterr, E_BUSY, "%s is in use by another process", log->dir);
    }
    if (fsync(log->dir_fd) != 0) { /* a killed process may have renamed a manifest and not synced it */
        return log_fail(reterr, log, "cannot sync the directory", ".");
    }
    rc = log_read_manifest(log, reterr);
    if (rc == E_NOT_FOUND) {
        log->manifest.member_id = member_id;
        log->next_record = 1;
        return check_empty(log, reterr);
    }
    if (rc != 0) {
        return rc;
    }
    if (log->manifest.member_id != member_id) {
        return err_set(reterr, E_INVALID, "%s belongs to member %lu, but cluster.member_id is %lu", log->dir,
                       (unsigned long)log->manifest.member_id, (unsigned long)member_id);
    }
    rc = log_load(log, image, reterr);
    if (rc == 0) {
        remove_leftovers(log);
        rc = open_newest(log, reterr);
    }
    return rc;
}

int log_open(const char *dir, uint64_t member_id, size_t segment_bytes, struct log **ret_log,
             struct disk_image *ret_image, struct err *reterr)
{
    struct log *log = mem_calloc(1, sizeof(*log));
    int rc;

    memset(ret_image, 0, sizeof(*ret_image));
    log->dir = mem_strdup(dir);
    log->segment_bytes =
        segment_bytes > 0 ? (segment_bytes + LOG_SECTOR - 1) / LOG_SECTOR * LOG_SECTOR : LOG_SEGMENT_BYTES;
    log->member_id = member_id;
    log->dir_fd = log->lock_fd = log->seg_fd = -1;
    rc = open_log(log, member_id, ret_image, reterr);
    if (rc != 0) {
        disk_image_fini(ret_image);
        log_close(log);
        return rc;
    }
    *ret_log = log;
    return 0;
}

void log_close(struct log *log)
{
    int fds[] = {log->seg_fd, log->lock_fd, log->dir_fd};

    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]); /* everything was synced when it was written */
        }
    }
    free(log->segments);
    free(log->dir);
    free(log);
}

/* ---- identity, term, vote ---- */

int log_set_state(struct log *log, enum core_disk_state state, struct id cluster_id, struct err *reterr)
{
    log->manifest.state = (uint64_t)state;
    log->manifest.cluster_id = cluster_id;
    return log_write_manifest(log, reterr);
}

int log_set_meta(struct log *log, uint64_t term, uint64_t vote, struct err *reterr)
{
    log->manifest.term = term;
    log->manifest.vote = vote;
    return log_write_manifest(log, reterr);
}

/* ---- records ---- */

int log_spare_write(const struct log *log, struct err *reterr)
{
    CLEANUP(free_ptr) uint8_t *zeros = mem_calloc(log->segment_bytes, 1);

    return log_write_synced(log, LOG_SPARE, zeros, log->segment_bytes, reterr);
}

void log_spare_give(struct log *log)
{
    log->spare = true;
}

bool log_spare_wanted(const struct log *log)
{
    return !log->spare;
}

/* A file of zeros, synced under its name: the spare, or written now if there is none or a record needs more. */
static int provide_segment(struct log *log, const char *name, size_t size, struct err *reterr)
{
    CLEANUP(free_ptr) uint8_t *zeros = NULL;
    CLEANUP(free_ptr) char *temporary = NULL;

    if (log->spare && size == log->segment_bytes) {
        log->spare = false;
        return log_rename(log, LOG_SPARE, name, reterr);
    }
    zeros = mem_calloc(size, 1);
    temporary = mem_printf("%s.new", name);
    return log_write_file(log, name, temporary, zeros, size, reterr);
}

/* A new segment: its zeros are written and synced before the manifest names it, so that a later sync of a record
 * changes no metadata. need: a multiple of LOG_SECTOR. */
static int new_segment(struct log *log, size_t need, struct err *reterr)
{
    size_t size = log->segment_bytes > need ? log->segment_bytes : need;
    char name[64];
    int rc;

    log_segment_name(log->manifest.seg_hi + 1, name, sizeof(name));
    rc = provide_segment(log, name, size, reterr);
    if (rc != 0) {
        return rc;
    }
    log->manifest.seg_hi++;
    if (log->manifest.seg_lo == 0) {
        log->manifest.seg_lo = log->manifest.seg_hi;
    }
    rc = log_write_manifest(log, reterr);
    if (rc != 0) {
        return rc;
    }
    if (log->seg_fd >= 0) {
        (void)close(log->seg_fd); /* synced */
        log->seg_fd = -1;
    }
    log->segments = mem_realloc_array(log->segments, log->n_segments + 1, sizeof(*log->segments));
    log->segments[log->n_segments++] = (struct log_segment){.number = log->manifest.seg_hi};
    log->seg_offset = 0;
    log->seg_size = size;
    return open_newest(log, reterr);
}

int log_append(struct log *log, uint64_t first, uint64_t n, const uint8_t *flat, size_t len, struct err *reterr)
{
    size_t sectors = (24 + len + LOG_PAYLOAD - 1) / LOG_PAYLOAD;
    CLEANUP(free_ptr) uint8_t *out = mem_calloc(sectors, LOG_SECTOR);
    uint64_t header[3] = {first, n, len};
    size_t taken = 0;
    char name[64];

    CHECK(n > 0 && first >= 1 && first <= log->last_index + 1);
    if (log->seg_fd < 0 || log->seg_offset + sectors * LOG_SECTOR > log->seg_size) {
        int rc = new_segment(log, sectors * LOG_SECTOR, reterr);

        if (rc != 0) {
            return rc;
        }
    }
    for (size_t i = 0; i < sectors; i++) {
        uint8_t *sector = out + i * LOG_SECTOR;
        size_t room = LOG_PAYLOAD;

        if (i == 0) {
            memcpy(sector, header, sizeof(header));
            sector += sizeof(header);
            room -= sizeof(header);
        }
        if (room > len - taken) {
            room = len - taken;
        }
        memcpy(sector, flat + taken, room);
        taken += room;
        log_seal(out + i * LOG_SECTOR, log->next_record, (uint32_t)i);
    }
    if (!log_write_at(log->seg_fd, out, sectors * LOG_SECTOR, log->seg_offset)) {
        log_segment_name(log->manifest.seg_hi, name, sizeof(name));
        return log_fail(reterr, log, "cannot write", name);
    }
    if (log->segments[log->n_segments - 1].first == 0) {
        log->segments[log->n_segments - 1].first = first;
    }
    log->seg_offset += sectors * LOG_SECTOR;
    log->next_record++;
    log->last_index = first + n - 1;
    return 0;
}

/* ---- snapshots ---- */

uint64_t log_snapshot_index(const struct log *log)
{
    return log->manifest.snap_index;
}

bool log_snapshot_installed(const struct log *log)
{
    const struct log_manifest *m = &log->manifest;

    return m->snap_index > 0 && m->keep_from > m->snap_index; /* an own one keeps the entries that it ends with */
}

int log_keep_aside(const struct log *log, const uint8_t *data, size_t len, bool over, bool *ret_kept,
                   struct err *reterr)
{
    int fd = over ? -1 : openat(log->dir_fd, LOG_REPLACED, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd >= 0) {
        (void)close(fd); /* only looked for */
        *ret_kept = false;
        return 0;
    }
    if (!over && errno != ENOENT) {
        return log_fail(reterr, log, "cannot open", LOG_REPLACED);
    }
    rc = log_write_file(log, LOG_REPLACED, LOG_REPLACED ".new", data, len, reterr);
    *ret_kept = rc == 0;
    return rc;
}

/* How many of the oldest segments hold nothing that has to be kept: what they had from keep_from on, the next one has.
 */
static size_t droppable(const struct log *log, uint64_t keep_from)
{
    size_t n = 0;

    while (n + 1 < log->n_segments && log->segments[n + 1].first != 0 && log->segments[n + 1].first <= keep_from) {
        n++;
    }
    return n;
}

static void drop_segments(struct log *log, size_t n)
{
    char name[64];

    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        log_segment_name(log->segments[i].number, name, sizeof(name));
        (void)unlinkat(log->dir_fd, name, 0); /* a leftover otherwise, removed at the next start */
    }
    memmove(log->segments, log->segments + n, (log->n_segments - n) * sizeof(*log->segments));
    log->n_segments -= n;
}

int log_snapshot_adopt(struct log *log, const struct disk_op *op, bool replace_log, struct err *reterr)
{
    uint64_t old_index = log->manifest.snap_index;
    size_t drop;
    char name[64];
    int rc;

    if (!replace_log && op->index <= old_index) { /* overtaken by one of the leader */
        if (op->index < old_index) {
            log_snapshot_name(op->index, name, sizeof(name));
            (void)unlinkat(log->dir_fd, name, 0); /* a leftover otherwise, removed at the next start */
        }
        return 0;
    }
    if (replace_log) { /* the records so far belong to another past: a new segment begins behind the snapshot */
        rc = new_segment(log, 0, reterr);
        if (rc != 0) {
            return rc;
        }
        drop = log->n_segments - 1;
        log->last_index = op->index;
    } else {
        uint64_t keep = op->keep_from < op->index + 1 ? op->keep_from : op->index + 1;

        drop = droppable(log, keep);
    }
    log->manifest.snap_index = op->index;
    log->manifest.snap_term = op->index_term;
    log->manifest.conf_index = op->conf_index;
    log->manifest.keep_from = op->keep_from;
    if (log->n_segments > drop) {
        log->manifest.seg_lo = log->segments[drop].number;
    }
    rc = log_write_manifest(log, reterr);
    if (rc != 0) {
        return rc;
    }
    drop_segments(log, drop);
    if (old_index != 0 && old_index != op->index) {
        log_snapshot_name(old_index, name, sizeof(name));
        (void)unlinkat(log->dir_fd, name, 0); /* a leftover otherwise, removed at the next start */
    }
    return 0;
}

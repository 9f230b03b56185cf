/* Whole files of the log: the manifest and snapshots, written beside and renamed, so that they are there or not. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "consensus/log_priv.h"
#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/mem.h"

#define MANIFEST_MAGIC UINT64_C(0x31666e6d65746163)
#define MANIFEST_WORDS 14
#define SNAPSHOT_MAGIC UINT64_C(0x31706e7365746163)
#define SNAPSHOT_HEADER 56
#define READ_PIECE ((size_t)256 << 10)

int log_fail(struct err *reterr, const struct log *log, const char *what, const char *file)
{
    bool full = errno == ENOSPC || errno == EDQUOT;

    if (full) {
        return err_set(reterr, E_IO, "%s %s/%s: %s; make room on its file system, then start this member again", what,
                       log->dir, file, strerror(errno));
    }
    return err_set(
        reterr, E_IO,
        "%s %s/%s: %s; mend the disk and start this member again, or give it an empty one, run 'hecate member "
        "replace %lu' and start it",
        what, log->dir, file, strerror(errno), (unsigned long)log->member_id);
}

int log_damaged(struct err *reterr, const struct log *log, const char *file, uint64_t offset, const char *what)
{
    return err_set(
        reterr, E_DAMAGED,
        "%s/%s is damaged at offset %lu (%s); this member must not go on with less than it had: move %s away, run "
        "'hecate member replace %lu' and start it",
        log->dir, file, (unsigned long)offset, what, log->dir, (unsigned long)log->member_id);
}

static bool write_all(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
    while (len > 0) { /* a full disk may take a part first: the next call says why */
        ssize_t n = pwrite(fd, data, len, (off_t)offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return false;
        }
        data += n;
        len -= (size_t)n;
        offset += (size_t)n;
    }
    return true;
}

bool log_write_at(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
    return write_all(fd, data, len, offset) && fdatasync(fd) == 0;
}

int log_write_synced(const struct log *log, const char *name, const void *data, size_t len, struct err *reterr)
{
    int fd = openat(log->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc = 0;

    if (fd < 0) {
        return log_fail(reterr, log, "cannot create", name);
    }
    if (!log_write_at(fd, data, len, 0)) {
        rc = log_fail(reterr, log, "cannot write", name);
    }
    if (close(fd) != 0 && rc == 0) {
        rc = log_fail(reterr, log, "cannot close", name);
    }
    return rc;
}

int log_rename(const struct log *log, const char *from, const char *to, struct err *reterr)
{
    if (renameat(log->dir_fd, from, log->dir_fd, to) != 0) {
        return log_fail(reterr, log, "cannot rename", from);
    }
    return fsync(log->dir_fd) != 0 ? log_fail(reterr, log, "cannot sync the directory of", to) : 0;
}

int log_write_file(const struct log *log, const char *name, const char *temporary, const void *data, size_t len,
                   struct err *reterr)
{
    int rc = log_write_synced(log, temporary, data, len, reterr);

    return rc != 0 ? rc : log_rename(log, temporary, name, reterr);
}

int log_settle(const struct log *log, const char *name, struct err *reterr)
{
    int fd = openat(log->dir_fd, name, O_RDONLY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0) {
        return errno == ENOENT ? 0 : log_fail(reterr, log, "cannot open", name); /* reading it will say more */
    }
    if (fdatasync(fd) != 0) {
        rc = log_fail(reterr, log, "cannot sync", name);
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* best effort: not every file system listens */
    (void)close(fd);                                    /* only read from, and synced */
    return rc;
}

int log_read_file(const struct log *log, const char *name, uint8_t **ret_data, size_t *ret_len, struct err *reterr)
{
    int fd = openat(log->dir_fd, name, O_RDONLY | O_CLOEXEC);
    uint8_t *data;
    size_t len = 0;
    struct stat st;

    if (fd < 0) {
        return errno == ENOENT
                   ? err_set(reterr, E_NOT_FOUND,
                             "%s/%s is missing; move %s away, run 'hecate member replace %lu' and start this member",
                             log->dir, name, log->dir, (unsigned long)log->member_id)
                   : log_fail(reterr, log, "cannot open", name);
    }
    if (fstat(fd, &st) != 0) {
        (void)close(fd); /* only read from */
        return log_fail(reterr, log, "cannot read", name);
    }
    data = mem_alloc((size_t)st.st_size);
    errno = EIO; /* when the file ends too early */
    while (len < (size_t)st.st_size) {
        ssize_t n = read(fd, data + len, (size_t)st.st_size - len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    (void)close(fd); /* only read from */
    if (len != (size_t)st.st_size) {
        free(data);
        return log_fail(reterr, log, "cannot read", name);
    }
    *ret_data = data;
    *ret_len = len;
    return 0;
}

/* ---- manifest: words, then their CRC ---- */

static void manifest_words(const struct log_manifest *m, uint64_t *words)
{
    memset(words, 0, MANIFEST_WORDS * sizeof(*words));
    words[0] = MANIFEST_MAGIC;
    memcpy(&words[1], m->cluster_id.bytes, ID_BYTES);
    words[3] = m->member_id;
    words[4] = m->state;
    words[5] = m->term;
    words[6] = m->vote;
    words[7] = m->seg_lo;
    words[8] = m->seg_hi;
    words[9] = m->snap_index;
    words[10] = m->snap_term;
    words[11] = m->conf_index;
    words[12] = m->keep_from;
    words[13] = crc32c(0, words, (MANIFEST_WORDS - 1) * sizeof(*words));
}

int log_write_manifest(struct log *log, struct err *reterr)
{
    uint64_t words[MANIFEST_WORDS];

    manifest_words(&log->manifest, words);
    return log_write_file(log, "manifest", "manifest.new", words, sizeof(words), reterr);
}

int log_read_manifest(struct log *log, struct err *reterr)
{
    struct log_manifest *m = &log->manifest;
    CLEANUP(free_ptr) uint8_t *data = NULL;
    uint64_t words[MANIFEST_WORDS];
    size_t len;
    int rc = log_read_file(log, "manifest", &data, &len, reterr);

    if (rc != 0) {
        return rc;
    }
    if (len != sizeof(words)) {
        return log_damaged(reterr, log, "manifest", len, "wrong length");
    }
    memcpy(words, data, sizeof(words));
    if (words[0] != MANIFEST_MAGIC || words[13] != crc32c(0, words, (MANIFEST_WORDS - 1) * sizeof(*words))) {
        return log_damaged(reterr, log, "manifest", 0, "wrong checksum");
    }
    memcpy(m->cluster_id.bytes, &words[1], ID_BYTES);
    m->member_id = words[3];
    m->state = words[4];
    m->term = words[5];
    m->vote = words[6];
    m->seg_lo = words[7];
    m->seg_hi = words[8];
    m->snap_index = words[9];
    m->snap_term = words[10];
    m->conf_index = words[11];
    m->keep_from = words[12];
    if (m->state > CORE_JOINING || m->seg_hi < m->seg_lo) {
        return log_damaged(reterr, log, "manifest", 0, "impossible values");
    }
    return 0;
}

/* ---- snapshots: header (magic, index, term, conf_index, conf length, data length, CRC), conf, data ---- */

/* In pieces: nothing is copied. */
static int write_snapshot(const struct log *log, const char *name, const uint64_t *header, const struct disk_op *op,
                          struct err *reterr)
{
    int fd = openat(log->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc = 0;

    if (fd < 0) {
        return log_fail(reterr, log, "cannot create", name);
    }
    if (!write_all(fd, (const uint8_t *)header, SNAPSHOT_HEADER, 0) ||
        !write_all(fd, op->conf, op->conf_len, SNAPSHOT_HEADER) ||
        !write_all(fd, op->data, op->data_len, SNAPSHOT_HEADER + op->conf_len) || fdatasync(fd) != 0) {
        rc = log_fail(reterr, log, "cannot write", name);
    }
    if (close(fd) != 0 && rc == 0) {
        rc = log_fail(reterr, log, "cannot close", name);
    }
    return rc;
}

/* What is in the file, of the length that its header says. false: something else; 0 in errno: it could be read. */
static bool is_in_file(int fd, const uint64_t *header)
{
    CLEANUP(free_ptr) uint8_t *piece = mem_alloc(READ_PIECE);
    uint64_t left = SNAPSHOT_HEADER + header[4] + header[5];
    uint32_t crc = crc32c(0, header, SNAPSHOT_HEADER - 8);
    size_t skip = SNAPSHOT_HEADER;

    errno = 0;
    while (left > 0) {
        size_t want = skip > 0 ? skip : left < READ_PIECE ? (size_t)left : READ_PIECE;
        ssize_t n = read(fd, piece, want);

        if (n < 0 && errno == EINTR) {
            errno = 0;
            continue;
        }
        if (n <= 0 || (skip > 0 && ((size_t)n != skip || memcmp(piece, header, skip) != 0))) {
            return false;
        }
        crc = skip > 0 ? crc : crc32c(crc, piece, (size_t)n);
        skip = 0;
        left -= (size_t)n;
    }
    return header[SNAPSHOT_HEADER / 8 - 1] == crc;
}

/* What the medium gives, as far as the file system lets us ask it: a snapshot replaces all that was before it. */
static int read_back(const struct log *log, const char *name, const uint64_t *header, struct err *reterr)
{
    int fd = openat(log->dir_fd, name, O_RDONLY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0) {
        return log_fail(reterr, log, "cannot open", name);
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* best effort: not every file system listens */
    if (!is_in_file(fd, header)) {
        rc = errno != 0 ? log_fail(reterr, log, "cannot read", name)
                        : err_set(reterr, E_IO,
                                  "%s/%s reads back as something else than was written; nothing was given up for it: "
                                  "mend the disk and start this member again, or give it an empty one, run 'hecate "
                                  "member replace %lu' and start it",
                                  log->dir, name, (unsigned long)log->member_id);
    }
    (void)close(fd); /* only read from */
    return rc;
}

int log_snapshot_write(const struct log *log, const struct disk_op *op, struct err *reterr)
{
    uint64_t header[SNAPSHOT_HEADER / 8] = {SNAPSHOT_MAGIC, op->index, op->index_term, op->conf_index, op->conf_len,
                                            op->data_len,   0};
    uint32_t crc = crc32c(0, header, SNAPSHOT_HEADER - 8);
    char name[64], temporary[80];
    int rc;

    crc = crc32c(crc, op->conf, op->conf_len);
    header[SNAPSHOT_HEADER / 8 - 1] = crc32c(crc, op->data, op->data_len);
    log_snapshot_name(op->index, name, sizeof(name));
    /* Two threads may write the same snapshot, an own one and the leader's: never into the same file. */
    (void)snprintf(temporary, sizeof(temporary), "%s.%s.new", name, op->kind == DISK_INSTALL ? "leader" : "own");
    rc = write_snapshot(log, temporary, header, op, reterr);
    rc = rc == 0 ? read_back(log, temporary, header, reterr) : rc;
    return rc == 0 ? log_rename(log, temporary, name, reterr) : rc;
}

int log_snapshot_parse(const struct log *log, const char *name, const uint8_t *data, size_t len, struct disk_op *op,
                       struct err *reterr)
{
    uint64_t header[SNAPSHOT_HEADER / 8];
    uint32_t crc;

    if (len < SNAPSHOT_HEADER) {
        return log_damaged(reterr, log, name, len, "cut short");
    }
    memcpy(header, data, sizeof(header));
    if (header[0] != SNAPSHOT_MAGIC || header[4] > len || header[5] > len ||
        header[4] + header[5] != len - SNAPSHOT_HEADER) {
        return log_damaged(reterr, log, name, 0, "wrong header");
    }
    crc = crc32c(0, header, SNAPSHOT_HEADER - 8);
    crc = crc32c(crc, data + SNAPSHOT_HEADER, len - SNAPSHOT_HEADER);
    if (header[SNAPSHOT_HEADER / 8 - 1] != crc) {
        return log_damaged(reterr, log, name, 0, "wrong checksum");
    }
    op->index = header[1];
    op->index_term = header[2];
    op->conf_index = header[3];
    op->conf_len = header[4];
    op->data_len = header[5];
    op->conf = mem_dup(data + SNAPSHOT_HEADER, op->conf_len);
    op->data = mem_dup(data + SNAPSHOT_HEADER + op->conf_len, op->data_len);
    return 0;
}

int log_snapshot_read(const struct log *log, uint64_t index, struct disk_op *op, struct err *reterr)
{
    CLEANUP(free_ptr) uint8_t *data = NULL;
    size_t len = 0;
    char name[64];
    int rc;

    log_snapshot_name(index, name, sizeof(name));
    rc = log_read_file(log, name, &data, &len, reterr);
    return rc != 0 ? rc : log_snapshot_parse(log, name, data, len, op, reterr);
}

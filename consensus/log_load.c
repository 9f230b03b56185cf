/* Loading: every sector of every segment is looked at; a torn last write is told from damage. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consensus/log_priv.h"
#include "consensus/wire.h"
#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/mem.h"

#define SEAL_RECORD LOG_PAYLOAD
#define SEAL_NUMBER (LOG_PAYLOAD + 8)
#define SEAL_CRC (LOG_PAYLOAD + 12)

void log_seal(uint8_t *sector, uint64_t record, uint32_t number)
{
    uint32_t crc;

    memcpy(sector + SEAL_RECORD, &record, 8);
    memcpy(sector + SEAL_NUMBER, &number, 4);
    crc = crc32c(0, sector, SEAL_CRC);
    memcpy(sector + SEAL_CRC, &crc, 4);
}

static bool is_zero(const uint8_t *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

static bool is_good(const uint8_t *sector, uint64_t *ret_record, uint32_t *ret_number)
{
    uint32_t crc;

    memcpy(ret_record, sector + SEAL_RECORD, 8);
    memcpy(ret_number, sector + SEAL_NUMBER, 4);
    memcpy(&crc, sector + SEAL_CRC, 4);
    return crc == crc32c(0, sector, SEAL_CRC) && *ret_record != 0;
}

struct loader {
    struct log *log;
    struct buf flat; /* entries from image_first on */
    size_t *offsets; /* of each entry in flat */
    size_t n_offsets, cap_offsets;
    uint64_t image_first; /* 0: none yet */
    uint64_t expected;    /* record number; 0: the first one decides */
};

/* How many sectors the record that begins here has; 0: not a whole, good record of the expected number. */
static size_t record_sectors(const struct loader *loader, const uint8_t *data, size_t left)
{
    uint64_t record, payload_len;
    uint32_t number;
    size_t sectors;

    if (left < LOG_SECTOR || !is_good(data, &record, &number) || number != 0 ||
        (loader->expected != 0 && record != loader->expected)) {
        return 0;
    }
    memcpy(&payload_len, data + 16, 8);
    if (payload_len > left) {
        return 0;
    }
    sectors = (24 + (size_t)payload_len + LOG_PAYLOAD - 1) / LOG_PAYLOAD;
    if (sectors * LOG_SECTOR > left) {
        return 0;
    }
    for (size_t i = 1; i < sectors; i++) {
        uint64_t other;

        if (!is_good(data + i * LOG_SECTOR, &other, &number) || other != record || number != i) {
            return 0;
        }
    }
    return sectors;
}

static void forget_from(struct loader *loader, uint64_t index)
{
    size_t keep = index - loader->image_first;

    if (keep < loader->n_offsets) {
        loader->flat.len = loader->offsets[keep];
        loader->n_offsets = keep;
    }
}

/* Adds a record's entries. NULL, or what is wrong with it. */
static const char *take_record(struct loader *loader, const uint8_t *data, size_t sectors)
{
    CLEANUP(buf_fini) struct buf payload = BUF_INIT;
    uint64_t first, n, len, record;
    struct flat_entry entry;
    size_t offset = 0;
    uint64_t count = 0;

    for (size_t i = 0; i < sectors; i++) {
        buf_append(&payload, data + i * LOG_SECTOR, LOG_PAYLOAD);
    }
    memcpy(&record, data + SEAL_RECORD, 8);
    memcpy(&first, payload.data, 8);
    memcpy(&n, payload.data + 8, 8);
    memcpy(&len, payload.data + 16, 8);
    if (first == 0 || (loader->image_first == 0 && first > loader->log->manifest.snap_index + 1)) {
        return "the first record does not follow the snapshot";
    }
    if (loader->image_first != 0 && first > loader->log->last_index + 1) {
        return "a record does not follow the one before";
    }
    /* A cut may reach below the oldest record that is left: all of that was cut, older segments went with a snapshot.
     */
    if (loader->image_first == 0 || first < loader->image_first) {
        loader->image_first = first;
    }
    forget_from(loader, first);
    while (flat_next((const uint8_t *)payload.data + 24, len, &offset, &entry)) {
        if (loader->n_offsets == loader->cap_offsets) {
            loader->cap_offsets = loader->cap_offsets > 0 ? loader->cap_offsets * 2 : 1024;
            loader->offsets = mem_realloc_array(loader->offsets, loader->cap_offsets, sizeof(*loader->offsets));
        }
        loader->offsets[loader->n_offsets++] = loader->flat.len;
        flat_append(&loader->flat, entry.term, entry.type, entry.data, entry.len);
        count++;
    }
    if (offset != len || count != n || n == 0) {
        return "a record's entries are not whole";
    }
    loader->log->last_index = first + n - 1;
    loader->expected = record + 1;
    return NULL;
}

/* What follows the last whole record must be zeros, or (newest segment) sectors of the one next record, in their
 * places. Returns the offset of the first sector that is neither, or len. */
static size_t check_tail(const struct loader *loader, const uint8_t *data, size_t from, size_t len, bool newest,
                         bool *ret_torn)
{
    *ret_torn = false;
    for (size_t at = from; at < len; at += LOG_SECTOR) {
        uint64_t record;
        uint32_t number;

        if (is_zero(data + at, LOG_SECTOR)) {
            continue;
        }
        if (!newest || !is_good(data + at, &record, &number) || number != (at - from) / LOG_SECTOR ||
            (loader->expected != 0 && record != loader->expected)) {
            return at;
        }
        *ret_torn = true;
    }
    return len;
}

static int wipe_tail(const struct log *log, const char *name, size_t from, size_t len, struct err *reterr)
{
    CLEANUP(free_ptr) uint8_t *zeros = mem_calloc(len - from, 1);
    int fd = openat(log->dir_fd, name, O_WRONLY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0 || !log_write_at(fd, zeros, len - from, from)) {
        rc = log_fail(reterr, log, "cannot wipe the torn end of", name);
    }
    if (fd >= 0) {
        (void)close(fd); /* synced above */
    }
    return rc;
}

static int load_segment(struct loader *loader, uint64_t number, struct err *reterr)
{
    struct log *log = loader->log;
    struct log_segment *segment;
    bool newest = number == log->manifest.seg_hi;
    CLEANUP(free_ptr) uint8_t *data = NULL;
    size_t len, bad, at = 0;
    char name[64];
    bool torn;
    int rc;

    log_segment_name(number, name, sizeof(name));
    rc = newest ? log_settle(log, name, reterr) : 0;
    if (rc != 0) {
        return rc;
    }
    rc = log_read_file(log, name, &data, &len, reterr);
    if (rc == E_NOT_FOUND) {
        return log_damaged(reterr, log, name, 0, "the file is missing");
    }
    if (rc != 0) {
        return rc;
    }
    if (len == 0 || len % LOG_SECTOR != 0) {
        return log_damaged(reterr, log, name, len, "the file was cut short");
    }
    log->segments = mem_realloc_array(log->segments, log->n_segments + 1, sizeof(*log->segments));
    segment = &log->segments[log->n_segments++];
    *segment = (struct log_segment){.number = number};
    for (size_t sectors; (sectors = record_sectors(loader, data + at, len - at)) > 0; at += sectors * LOG_SECTOR) {
        const char *wrong = take_record(loader, data + at, sectors);

        if (wrong != NULL) {
            return log_damaged(reterr, log, name, at, wrong);
        }
        if (segment->first == 0) {
            memcpy(&segment->first, data + at, 8);
        }
    }
    bad = check_tail(loader, data, at, len, newest, &torn);
    if (bad != len) {
        return log_damaged(reterr, log, name, bad, "wrong checksum or place");
    }
    log->seg_offset = at;
    log->seg_size = len;
    return torn ? wipe_tail(log, name, at, len, reterr) : 0;
}

static int load_snapshot(struct log *log, struct disk_image *image, struct err *reterr)
{
    struct disk_op op = {.kind = DISK_SNAP_GET};
    char name[64];
    int rc = log_snapshot_read(log, log->manifest.snap_index, &op, reterr);

    log_snapshot_name(log->manifest.snap_index, name, sizeof(name));
    if (rc == E_NOT_FOUND) {
        return log_damaged(reterr, log, name, 0, "the file is missing");
    }
    if (rc != 0) {
        return rc;
    }
    image->conf = op.conf;
    image->conf_len = op.conf_len;
    image->snap = op.data;
    image->snap_len = op.data_len;
    if (op.index != log->manifest.snap_index || op.index_term != log->manifest.snap_term) {
        return log_damaged(reterr, log, name, 0, "it is not the one that the manifest names");
    }
    return 0;
}

int log_load(struct log *log, struct disk_image *image, struct err *reterr)
{
    struct log_manifest *m = &log->manifest;
    struct loader loader = {.log = log};
    int rc = 0;

    image->disk_state = (enum core_disk_state)m->state;
    image->cluster_id = m->cluster_id;
    image->term = m->term;
    image->vote = m->vote;
    image->snap_index = m->snap_index;
    image->snap_term = m->snap_term;
    image->conf_index = m->conf_index;
    log->last_index = m->snap_index;
    if (m->snap_index > 0) {
        rc = load_snapshot(log, image, reterr);
    }
    if (m->seg_hi > 0) {
        for (uint64_t number = m->seg_lo; rc == 0 && number <= m->seg_hi; number++) {
            rc = load_segment(&loader, number, reterr);
        }
    }
    if (rc == 0) {
        image->first = loader.image_first;
        image->flat_len = loader.flat.len;
        image->flat = (uint8_t *)buf_take(&loader.flat);
        log->next_record = loader.expected > 0 ? loader.expected : 1;
    }
    buf_fini(&loader.flat);
    free(loader.offsets);
    return rc;
}

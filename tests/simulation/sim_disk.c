/* The disk: two queues, each done in order, with delays. A crash leaves a random number of the waiting writes done. */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "tests/simulation/sim.h"

static uint64_t delay(const struct sim_member *member)
{
    struct sim *sim = member->sim;
    uint64_t us = sim_between(sim, sim->config.disk_min_us, sim->config.disk_max_us) * sim->slow_disk;

    return member->disk_slow > 1 ? us * member->disk_slow : us;
}

static void drop_entries(struct sim_disk *disk, uint64_t from)
{
    while (disk->n > 0 && disk->first + disk->n - 1 >= from) {
        free(disk->entries[--disk->n].flat);
    }
}

static void forget_entries(struct sim_disk *disk, uint64_t below)
{
    size_t n = below > disk->first ? (size_t)(below - disk->first) : 0;

    n = n < disk->n ? n : disk->n;
    for (size_t i = 0; i < n; i++) {
        free(disk->entries[i].flat);
    }
    memmove(disk->entries, disk->entries + n, (disk->n - n) * sizeof(*disk->entries));
    disk->n -= n;
    disk->first = below > disk->first ? below : disk->first;
}

static void append(struct sim *sim, struct sim_disk *disk, const struct disk_op *op)
{
    size_t offset = 0;
    uint64_t n = 0;

    if (op->first < disk->first || op->first > disk->first + disk->n) {
        sim_fail(sim, "an append at %lu to a log of %lu..%lu", (unsigned long)op->first, (unsigned long)disk->first,
                 (unsigned long)(disk->first + disk->n - 1));
        return;
    }
    drop_entries(disk, op->first);
    while (offset < op->flat_len) {
        size_t start = offset;
        struct flat_entry entry;

        CHECK(flat_next(op->flat, op->flat_len, &offset, &entry));
        if (disk->n == disk->cap) {
            disk->cap = disk->cap > 0 ? 2 * disk->cap : 64;
            disk->entries = mem_realloc_array(disk->entries, disk->cap, sizeof(*disk->entries));
        }
        disk->entries[disk->n++] =
            (struct sim_entry){.flat = mem_dup(op->flat + start, offset - start), .len = offset - start};
        n++;
    }
    CHECK(n == op->n);
}

static void take_snapshot(struct sim_disk *disk, const struct disk_op *op)
{
    free(disk->conf);
    free(disk->snap);
    disk->snap_index = op->index;
    disk->snap_term = op->index_term;
    disk->conf_index = op->conf_index;
    disk->conf = mem_dup(op->conf, op->conf_len);
    disk->conf_len = op->conf_len;
    disk->snap = mem_dup(op->data, op->data_len);
    disk->snap_len = op->data_len;
}

/* What the operation does to the medium. */
static void perform(struct sim *sim, struct sim_disk *disk, const struct disk_op *op)
{
    switch (op->kind) {
    case DISK_STATE:
        disk->state = op->disk_state;
        disk->cluster_id = op->cluster_id;
        break;
    case DISK_META:
        disk->term = op->term;
        disk->vote = op->vote;
        break;
    case DISK_APPEND:
        append(sim, disk, op);
        break;
    case DISK_INSTALL:
        take_snapshot(disk, op);
        drop_entries(disk, 0);
        disk->first = op->index + 1;
        break;
    case DISK_SNAP_PUT:
        if (op->index > disk->snap_index) {
            take_snapshot(disk, op);
            forget_entries(disk, op->keep_from);
        }
        break;
    case DISK_DECODE:
    case DISK_SNAP_GET:
    case DISK_FREE:
        break;
    }
}

static void start_log(struct sim_member *member)
{
    struct sim_disk *disk = &member->disk;

    if (!disk->log_busy && disk->log_queue != NULL) {
        /* Appends that wait together are written together. */
        disk->log_writing = 1;
        for (const struct disk_op *op = disk->log_queue; op->kind == DISK_APPEND; op = op->next) {
            if (op->next == NULL || op->next->kind != DISK_APPEND) {
                break;
            }
            disk->log_writing++;
        }
        disk->log_busy = true;
        sim_post(member->sim, member->sim->now + delay(member), SIM_DISK, member->at);
    }
}

static void push_log(struct sim_member *member, struct disk_op *op)
{
    struct sim_disk *disk = &member->disk;

    op->next = NULL;
    if (disk->log_queue == NULL) {
        disk->log_queue = op;
    } else {
        disk->log_tail->next = op;
    }
    disk->log_tail = op;
    start_log(member);
}

static void start_snap(struct sim_member *member)
{
    struct sim_disk *disk = &member->disk;

    if (!disk->snap_busy && disk->snap_queue != NULL) {
        disk->snap_busy = true;
        sim_post(member->sim, member->sim->now + 4 * delay(member), SIM_DISK, member->at)->number = 1;
    }
}

void sim_disk_put(struct sim_member *member, struct disk_op *op)
{
    struct disk_op **at = &member->disk.snap_queue;

    if (op->kind < DISK_INSTALL) {
        push_log(member, op);
        return;
    }
    while (*at != NULL) {
        at = &(*at)->next;
    }
    op->next = NULL;
    *at = op;
    start_snap(member);
}

static void log_done(struct sim_member *member)
{
    struct sim_disk *disk = &member->disk;

    for (; disk->log_writing > 0; disk->log_writing--) {
        struct disk_op *op = disk->log_queue;

        disk->log_queue = op->next;
        op->next = NULL;
        perform(member->sim, disk, op);
        core_done(member->core, op);
    }
    disk->log_busy = false;
    start_log(member);
}

static void free_op(struct sim *sim, struct disk_op *op)
{
    if (op->handle != NULL) {
        sim_handle_free(sim, op->handle);
    }
    sim_state_free(op->state);
    disk_op_free(op);
}

static void snap_done(struct sim_member *member)
{
    struct sim_disk *disk = &member->disk;
    struct disk_op *op = disk->snap_queue;

    disk->snap_queue = op->next;
    if (op->kind == DISK_SNAP_PUT) { /* the file is there; it counts when the log's turn comes */
        sim_encode(member->sim, op->handle, &op->data, &op->data_len);
        sim_handle_free(member->sim, TAKE_PTR(op->handle));
        push_log(member, op);
    } else if (op->kind == DISK_INSTALL) {
        if (op->handle != NULL) {
            sim_handle_free(member->sim, TAKE_PTR(op->handle)); /* written aside, and never read */
        }
        push_log(member, op);
    } else if (op->kind == DISK_DECODE) {
        op->next = NULL;
        op->state = sim_decode(op->index, op->data, op->data_len);
        op->refused = op->state != NULL ? 0 : E_DAMAGED;
        op->message = op->state != NULL ? NULL : mem_strdup("no snapshot");
        core_done(member->core, op);
    } else if (op->kind == DISK_FREE) {
        free_op(member->sim, op);
    } else {
        op->next = NULL;
        op->index = disk->snap_index;
        op->index_term = disk->snap_term;
        op->conf_index = disk->conf_index;
        op->conf = mem_dup(disk->conf, disk->conf_len);
        op->conf_len = disk->conf_len;
        op->data = mem_dup(disk->snap, disk->snap_len);
        op->data_len = disk->snap_len;
        core_done(member->core, op);
    }
    disk->snap_busy = false;
    start_snap(member);
}

void sim_disk_done(struct sim_member *member, bool snapshot)
{
    if (snapshot) {
        snap_done(member);
    } else {
        log_done(member);
    }
}

void sim_disk_crash(struct sim_member *member)
{
    struct sim_disk *disk = &member->disk;
    size_t waiting = 0;
    uint64_t survive;

    for (const struct disk_op *op = disk->log_queue; op != NULL; op = op->next) {
        waiting++;
    }
    survive = sim_random(member->sim, waiting + 1);
    while (disk->log_queue != NULL) {
        struct disk_op *op = disk->log_queue;

        disk->log_queue = op->next;
        if (survive > 0) {
            survive--;
            perform(member->sim, disk, op);
        }
        free_op(member->sim, op);
    }
    while (disk->snap_queue != NULL) {
        struct disk_op *op = disk->snap_queue;

        disk->snap_queue = op->next;
        free_op(member->sim, op);
    }
    disk->log_busy = disk->snap_busy = false;
}

void sim_disk_wipe(struct sim_member *member)
{
    struct sim_disk *disk = &member->disk;

    drop_entries(disk, 0);
    free(disk->entries);
    free(disk->conf);
    free(disk->snap);
    memset(disk, 0, sizeof(*disk));
    disk->first = 1;
}

void sim_disk_forget(struct sim_member *member, size_t n)
{
    CHECK(n <= member->disk.n);
    drop_entries(&member->disk, member->disk.first + member->disk.n - n);
}

static uint64_t term_on_disk(const struct sim_disk *disk, uint64_t index)
{
    size_t offset = 0;
    struct flat_entry entry;

    if (index <= disk->snap_index) {
        return UINT64_MAX; /* in the snapshot: committed, hence the same everywhere */
    }
    if (index < disk->first || index - disk->first >= disk->n) {
        return 0;
    }
    CHECK(flat_next(disk->entries[index - disk->first].flat, disk->entries[index - disk->first].len, &offset, &entry));
    return entry.term;
}

void sim_check_frame(struct sim_member *member, const struct wire *wire)
{
    const struct sim_disk *disk = &member->disk;
    uint64_t last = wire->key[WK_LAST_INDEX];

    if (wire->key[WK_TERM] > disk->term) {
        sim_fail(member->sim, "member %zu speaks of term %lu, on its disk is %lu", member->at,
                 (unsigned long)wire->key[WK_TERM], (unsigned long)disk->term);
    }
    if (wire->key[WK_TYPE] == WIRE_APPEND_RESULT && wire->key[WK_REJECTED] == 0 && last > 0) {
        uint64_t on_disk = term_on_disk(disk, last), known = core_entry_term(member->core, last);

        /* While a snapshot is installed, what it replaces is on the disk and no longer in memory. */
        if (on_disk == 0 || (on_disk != UINT64_MAX && on_disk != known && known != 0)) {
            sim_fail(member->sim, "member %zu acknowledges entry %lu, which is not on its disk", member->at,
                     (unsigned long)last);
        }
    }
}

void sim_disk_image(const struct sim_member *member, struct disk_image *ret_image)
{
    const struct sim_disk *disk = &member->disk;
    struct buf flat = BUF_INIT;

    memset(ret_image, 0, sizeof(*ret_image));
    ret_image->disk_state = disk->state;
    ret_image->cluster_id = disk->cluster_id;
    ret_image->term = disk->term;
    ret_image->vote = disk->vote;
    if (disk->snap_index > 0) {
        ret_image->snap_index = disk->snap_index;
        ret_image->snap_term = disk->snap_term;
        ret_image->conf_index = disk->conf_index;
        ret_image->conf = mem_dup(disk->conf, disk->conf_len);
        ret_image->conf_len = disk->conf_len;
        ret_image->snap = mem_dup(disk->snap, disk->snap_len);
        ret_image->snap_len = disk->snap_len;
    }
    ret_image->first = disk->n > 0 ? disk->first : 0;
    for (size_t i = 0; i < disk->n; i++) {
        buf_append(&flat, disk->entries[i].flat, disk->entries[i].len);
    }
    ret_image->flat_len = flat.len;
    ret_image->flat = (uint8_t *)buf_take(&flat);
}

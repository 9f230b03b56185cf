/* The disk's threads: order of answers, batches, segments prepared in advance, and what happens when a call fails. */
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/disk.h"
#include "consensus/wire.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "tests/unit/consensus/files.h"

#define SEGMENT ((size_t)16384)
#define DEADLINE_S 30
#define MANIFEST_BYTES 112

static char folder[64];
static char dir[300];
static sem_t answers, encoding, freeing;
static bool encoding_held;
static int freed;

static void notify(void *user)
{
    (void)user;
    (void)sem_post(&answers);
}

static void wait_for(sem_t *sem, const char *what)
{
    struct timespec until;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
    until.tv_sec += DEADLINE_S;
    while (sem_timedwait(sem, &until) != 0) {
        if (errno != EINTR) {
            fail_msg("not within %d s: %s", DEADLINE_S, what);
        }
    }
}

static void encode(void *user, void *handle, uint8_t **ret_data, size_t *ret_len)
{
    (void)user;
    if (encoding_held) {
        wait_for(&encoding, "encoding let go");
    }
    *ret_data = mem_dup(handle, strlen(handle));
    *ret_len = strlen(handle);
}

static int check(void *user, uint64_t index, const uint8_t *data, size_t len, struct err *reterr)
{
    (void)user;
    (void)index;
    return len > 0 && data[0] == '!' ? err_set(reterr, E_DAMAGED, "it begins with !") : 0;
}

/* A snapshot of the leader: its text, if it is one. */
static int decode(void *user, uint64_t index, const uint8_t *data, size_t len, void **ret_state, struct err *reterr)
{
    int rc = check(user, index, data, len, reterr);

    if (encoding_held) {
        wait_for(&encoding, "decoding let go");
    }
    *ret_state = rc == 0 ? mem_dup(data, len) : NULL;
    return rc;
}

static void free_handle(void *user, void *handle)
{
    (void)user;
    free(handle);
    freed++;
    (void)sem_post(&freeing);
}

static int try_open(struct disk **ret_disk, struct disk_image *image, struct err *err)
{
    const struct disk_config config = {dir, 1, SEGMENT, notify, encode, check, decode, free_handle, free_handle, NULL};

    while (sem_trywait(&answers) == 0) {
    }
    return disk_open(&config, ret_disk, image, err);
}

static struct disk *open_disk(struct disk_image *image)
{
    struct err err = ERR_INIT;
    struct disk *disk;

    if (try_open(&disk, image, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return disk;
}

static struct disk *open_new(void)
{
    struct disk_image image;
    struct disk *disk;

    assert_int_equal(mkdir(dir, 0700), 0);
    disk = open_disk(&image);
    assert_int_equal(image.disk_state, CORE_EMPTY);
    disk_image_fini(&image);
    return disk;
}

static struct disk_op *new_op(enum disk_kind kind)
{
    struct disk_op *op = mem_calloc(1, sizeof(*op));

    op->kind = kind;
    return op;
}

static struct disk_op *append_op(uint64_t first, size_t len)
{
    struct disk_op *op = new_op(DISK_APPEND);
    CLEANUP(buf_fini) struct buf flat = BUF_INIT;
    CLEANUP(free_ptr) char *data = mem_calloc(len, 1);

    flat_append(&flat, 1, 1, data, (uint32_t)len);
    op->first = first;
    op->n = 1;
    op->flat_len = flat.len;
    op->flat = (uint8_t *)buf_take(&flat);
    return op;
}

static struct disk_op *snapshot_op(enum disk_kind kind, uint64_t index, const char *text)
{
    struct disk_op *op = new_op(kind);

    op->index = index;
    op->index_term = 1;
    op->conf_index = 1;
    op->keep_from = index + 1;
    op->conf = mem_dup("conf", op->conf_len = 4);
    if (kind == DISK_SNAP_PUT) {
        op->handle = mem_strdup(text);
    } else {
        op->data = mem_dup(text, op->data_len = strlen(text));
    }
    return op;
}

static struct disk_op *state_op(enum core_disk_state disk_state)
{
    struct disk_op *op = new_op(DISK_STATE);

    op->disk_state = disk_state;
    return op;
}

static struct disk_op *meta_op(uint64_t term, uint64_t vote)
{
    struct disk_op *op = new_op(DISK_META);

    op->term = term;
    op->vote = vote;
    return op;
}

static void free_op(struct disk_op *op)
{
    free(op->handle);
    free(op->state);
    disk_op_free(op);
}

static struct disk_op *next_answer(struct disk *disk)
{
    struct disk_op *op;

    wait_for(&answers, "an answer of the disk");
    op = disk_take(disk);
    assert_non_null(op);
    return op;
}

/* One operation, until it is answered. Its status; what went wrong in ret_message. */
static int run(struct disk *disk, struct disk_op *op, char *ret_message, size_t size)
{
    int status;

    disk_put(disk, op);
    assert_ptr_equal(next_answer(disk), op);
    status = op->status;
    (void)snprintf(ret_message, size, "%s", op->message != NULL ? op->message : "");
    free_op(op);
    return status;
}

static void must_run(struct disk *disk, struct disk_op *op)
{
    char message[1024];

    if (run(disk, op, message, sizeof(message)) != 0) {
        fail_msg("%s", message);
    }
}

/* ---- segments prepared in advance ---- */

/* How many whole segments were written so far by the thread that wrote records, and by the other. */
static void count_zeroing(const struct files *files, size_t *ret_by_log, size_t *ret_by_other)
{
    int log_thread = 0, thread;
    size_t len;

    *ret_by_log = *ret_by_other = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t call = 0; call < files_calls(files); call++) {
            if (files_what(files, call, &len, &thread) != FILES_WRITE) {
                continue;
            }
            if (pass == 0 && len == 2048) { /* a record: nothing else has this length */
                log_thread = thread;
            } else if (pass == 1 && len == SEGMENT) {
                *(thread == log_thread ? ret_by_log : ret_by_other) += 1;
            }
        }
    }
    assert_int_not_equal(log_thread, 0);
}

/* The log thread has been round once and has asked for a spare if it needs one; then the other thread has been round
 * and has made it. */
static void wait_for_spare(struct disk *disk)
{
    must_run(disk, meta_op(1, 1));
    must_run(disk, new_op(DISK_SNAP_GET));
}

static void test_segments_are_prepared(void **state)
{
    struct disk *disk;
    struct files *files;
    struct disk_image image;
    size_t by_log, by_other;
    uint64_t index = 0;

    (void)state;
    assert_int_equal(mkdir(dir, 0700), 0);
    files = files_watch(dir);
    disk = open_disk(&image);
    disk_image_fini(&image);
    must_run(disk, state_op(CORE_FORMED));
    must_run(disk, snapshot_op(DISK_SNAP_PUT, 1, "first"));
    while (index < 64) { /* four sectors each: eight segments */
        wait_for_spare(disk);
        must_run(disk, append_op(++index, 1900));
    }
    wait_for_spare(disk);
    count_zeroing(files, &by_log, &by_other);
    assert_int_equal(by_log, 0);
    assert_int_equal(by_other, 9);
    /* It uses what is there, then writes its own: it does not wait for the other thread. */
    files_hold(files, "spare");
    while (index < 88) {
        must_run(disk, append_op(++index, 1900));
    }
    count_zeroing(files, &by_log, &by_other);
    assert_int_equal(by_log, 2);
    files_hold(files, NULL);
    disk_close(disk);
    disk = open_disk(&image);
    assert_int_equal(image.first, 1);
    assert_int_equal(image.flat_len, 88 * (FLAT_HEADER + 1904));
    disk_image_fini(&image);
    disk_close(disk);
    files_end(files);
    files_remove_dir(dir);
}

/* ---- order ---- */

static void test_appends_that_wait_become_one_record(void **state)
{
    struct disk *disk;
    struct files *files;
    struct disk_image image;
    size_t records = 0;

    (void)state;
    assert_int_equal(mkdir(dir, 0700), 0);
    files = files_watch(dir);
    disk = open_disk(&image);
    disk_image_fini(&image);
    must_run(disk, state_op(CORE_FORMED));
    must_run(disk, append_op(1, 8));
    files_hold(files, "manifest.new");
    disk_put(disk, meta_op(1, 1));
    for (uint64_t index = 2; index <= 50; index++) {
        disk_put(disk, append_op(index, 8));
    }
    disk_put(disk, append_op(30, 8)); /* cuts: a record of its own */
    disk_put(disk, append_op(31, 8));
    disk_put(disk, meta_op(2, 2));
    files_hold(files, NULL);
    for (uint64_t i = 1; i <= 53; i++) {
        struct disk_op *op = next_answer(disk);

        assert_int_equal(op->status, 0);
        assert_int_equal(op->kind, i == 1 || i == 53 ? DISK_META : DISK_APPEND);
        if (op->kind == DISK_APPEND) {
            assert_int_equal(op->first, i <= 50 ? i : i - 21);
        }
        free_op(op);
    }
    for (size_t call = 0; call < files_calls(files); call++) {
        size_t len;
        int thread;

        records += files_what(files, call, &len, &thread) == FILES_WRITE && len % 512 == 0 && len < SEGMENT;
    }
    assert_int_equal(records, 3);
    disk_close(disk);
    disk = open_disk(&image);
    assert_int_equal(image.term, 2);
    assert_int_equal(image.flat_len, 31 * (FLAT_HEADER + 8));
    disk_image_fini(&image);
    disk_close(disk);
    files_end(files);
    files_remove_dir(dir);
}

/* A snapshot of the leader is taken apart and written beside the log, which goes on, and counts after our own. */
static void test_snapshot_of_the_leader(void **state)
{
    struct disk *disk = open_new();
    struct disk_image image;
    struct disk_op *op, *decoded = NULL;
    char path[400];

    (void)state;
    must_run(disk, state_op(CORE_FORMED));
    for (uint64_t index = 1; index <= 3; index++) {
        must_run(disk, append_op(index, 8));
    }
    encoding_held = true;
    disk_put(disk, snapshot_op(DISK_SNAP_PUT, 2, "own"));
    disk_put(disk, snapshot_op(DISK_DECODE, 10, "of the leader"));
    must_run(disk, meta_op(3, 1)); /* while it is taken apart */
    encoding_held = false;
    (void)sem_post(&encoding);
    for (int i = 0; i < 2; i++) { /* they wait for each other in one queue only */
        op = next_answer(disk);
        assert_int_equal(op->status, 0);
        if (op->kind == DISK_SNAP_PUT) {
            assert_null(op->handle); /* freed in the thread */
            free_op(op);
        } else {
            assert_int_equal(op->kind, DISK_DECODE);
            assert_int_equal(op->refused, 0);
            assert_memory_equal(op->state, "of the leader", 13);
            assert_memory_equal(op->data, "of the leader", 13);
            decoded = op;
        }
    }
    decoded->kind = DISK_INSTALL;
    disk_put(disk, decoded);
    op = next_answer(disk);
    assert_ptr_equal(op, decoded);
    assert_int_equal(op->status, 0);
    assert_memory_equal(op->state, "of the leader", 13);
    free_op(op);
    (void)snprintf(path, sizeof(path), "%s/snap-%020d", dir, 2);
    assert_int_not_equal(access(path, F_OK), 0);
    disk_put(disk, new_op(DISK_SNAP_GET));
    op = next_answer(disk);
    assert_int_equal(op->status, 0);
    assert_int_equal(op->index, 10);
    assert_memory_equal(op->data, "of the leader", 13);
    free_op(op);
    disk_close(disk);
    disk = open_disk(&image);
    assert_int_equal(image.snap_index, 10);
    assert_int_equal(image.term, 3);
    assert_int_equal(image.flat_len, 0);
    disk_image_fini(&image);
    disk_close(disk);
    files_remove_dir(dir);
}

/* What cannot be read never replaces what is there, and the disk goes on. */
static void refuses(enum disk_kind kind)
{
    struct disk *disk = open_new();
    struct disk_image image;
    struct disk_op *op;

    must_run(disk, state_op(CORE_FORMED));
    must_run(disk, append_op(1, 8));
    disk_put(disk, snapshot_op(kind, 1, "! a state"));
    op = next_answer(disk);
    assert_int_equal(op->status, 0);
    assert_int_equal(op->refused, E_DAMAGED);
    assert_null(op->state);
    assert_string_equal(op->message, "it begins with !");
    free_op(op);
    must_run(disk, append_op(2, 8));
    disk_close(disk);
    disk = open_disk(&image);
    assert_int_equal(image.snap_index, 0);
    assert_int_equal(image.flat_len, 2 * (FLAT_HEADER + 8));
    disk_image_fini(&image);
    disk_close(disk);
    files_remove_dir(dir);
}

static void test_damaged_snapshot_of_the_leader(void **state)
{
    (void)state;
    refuses(DISK_DECODE);
}

/* One snapshot, of our own or of the leader, behind three entries, while the disk writes something else than it was
 * given, in that call of it. false: there was no such call. */
static bool written_as_garbage(enum disk_kind kind, size_t at)
{
    struct files *files;
    struct disk *disk;
    struct disk_image image;
    char message[1024];
    int what, thread, rc;
    size_t call, len;

    assert_int_equal(mkdir(dir, 0700), 0);
    files = files_watch(dir);
    disk = open_disk(&image);
    disk_image_fini(&image);
    must_run(disk, state_op(CORE_FORMED));
    must_run(disk, append_op(1, 8));
    must_run(disk, snapshot_op(DISK_SNAP_PUT, 1, "before"));
    must_run(disk, append_op(2, 8));
    must_run(disk, append_op(3, 8));
    wait_for_spare(disk);
    call = files_calls(files) + at;
    files_disturb(files, FILES_GARBAGE, call, 0);
    rc = run(disk, snapshot_op(kind, 3, "a state"), message, sizeof(message));
    files_disturb(files, FILES_NO_FAULT, 0, 0);
    what = files_what(files, call, &len, &thread);
    disk_close(disk);
    if (what == FILES_WRITE &&
        len < MANIFEST_BYTES) { /* a piece of the snapshot; a wrong manifest shows at the start */
        assert_int_equal(rc, E_IO);
        assert_non_null(strstr(message, "reads back as something else"));
        disk = open_disk(&image);
        assert_int_equal(image.snap_index, 1);
        assert_memory_equal(image.snap, "before", 6);
        assert_true(image.first <= 2 && image.flat_len == (4 - image.first) * (FLAT_HEADER + 8));
        disk_image_fini(&image);
        disk_close(disk);
    }
    files_end(files);
    files_remove_dir(dir);
    return what >= 0;
}

static void test_disk_that_writes_garbage(void **state)
{
    size_t own = 0, leaders = 0;

    (void)state;
    while (written_as_garbage(DISK_SNAP_PUT, own)) {
        own++;
    }
    while (written_as_garbage(DISK_INSTALL, leaders)) {
        leaders++;
    }
    assert_true(own >= 8 && leaders >= 8);
}

/* Our own snapshot is no state: the log that it would replace stays, and the member goes on. */
static void test_own_snapshot_that_is_none(void **state)
{
    (void)state;
    refuses(DISK_SNAP_PUT);
}

static void test_freed_beside(void **state)
{
    struct disk *disk = open_new();
    struct disk_op *op = new_op(DISK_FREE);

    (void)state;
    freed = 0;
    while (sem_trywait(&freeing) == 0) {
    }
    op->data = mem_calloc(1, 1000);
    op->state = mem_calloc(1, 1000);
    disk_put(disk, op);
    wait_for(&freeing, "the old state freed");
    assert_null(disk_take(disk));
    disk_close(disk);
    assert_int_equal(freed, 1);
    files_remove_dir(dir);
}

static void test_close_frees_what_was_not_taken(void **state)
{
    struct disk *disk = open_new();

    (void)state;
    freed = 0;
    disk_put(disk, state_op(CORE_FORMED));
    disk_put(disk, append_op(1, 8));
    disk_put(disk, snapshot_op(DISK_SNAP_PUT, 1, "own"));
    disk_close(disk);
    assert_int_equal(freed, 1); /* the handle: no second state was made to see whether one can */
    files_remove_dir(dir);
}

/* ---- failures ---- */

/* What was acknowledged. */
static struct {
    uint64_t term, last, snapshot;
    bool formed;
} acked;

static void acknowledged(const struct disk_op *op)
{
    switch (op->kind) {
    case DISK_STATE:
        acked.formed = true;
        break;
    case DISK_META:
        acked.term = op->term;
        break;
    case DISK_APPEND:
        acked.last = op->first + op->n - 1;
        break;
    case DISK_INSTALL:
        acked.last = op->index;
        acked.snapshot = op->index;
        break;
    case DISK_SNAP_PUT:
        acked.snapshot = op->index;
        break;
    case DISK_DECODE:
    case DISK_SNAP_GET:
    case DISK_FREE:
        break;
    }
}

static struct disk_op *scripted(size_t step)
{
    struct disk_op *op;

    switch (step) {
    case 0:
        return state_op(CORE_FORMED);
    case 6:
        return snapshot_op(DISK_SNAP_PUT, 3, "own");
    case 13:
        op = snapshot_op(DISK_INSTALL, 20, "of the leader");
        op->handle = mem_strdup("before");
        return op;
    case 14:
        return new_op(DISK_SNAP_GET);
    default:
        if (step % 5 == 1) {
            return meta_op(step, 1);
        }
        return append_op(acked.last + 1, 1900 + 500 * step);
    }
}

#define STEPS 20

static void check_message(const char *message, int error)
{
    if (strstr(message, dir) == NULL || strstr(message, strerror(error)) == NULL ||
        strstr(message, "start this member again") == NULL) {
        fail_msg("file, error or remedy is missing: %s", message);
    }
    assert_true(error != ENOSPC || strstr(message, "make room") != NULL);
}

/* The steps in order. After the first that fails all fail, with the same message. */
static bool run_steps(struct disk *disk, int error)
{
    bool failed = false;
    char first[1024] = "", message[1024];

    for (size_t step = 0; step < STEPS; step++) {
        struct disk_op *op = scripted(step);

        disk_put(disk, op);
        assert_ptr_equal(next_answer(disk), op);
        (void)snprintf(message, sizeof(message), "%s", op->message != NULL ? op->message : "");
        if (op->status == 0) {
            assert_false(failed); /* nothing is acknowledged after a failure */
            acknowledged(op);
        } else if (!failed) {
            failed = true;
            memcpy(first, message, sizeof(first));
            check_message(message, error);
        }
        assert_string_equal(message, first);
        free_op(op);
    }
    return failed;
}

/* The spare is written beside the steps: its failure may come after the last of them, but soon nothing is taken. */
static bool fails_soon(struct disk *disk)
{
    for (uint64_t term = 100; term < 100000; term++) {
        struct disk_op *op = meta_op(term, 1);
        bool failed;

        disk_put(disk, op);
        assert_ptr_equal(next_answer(disk), op);
        failed = op->status != 0;
        if (!failed) {
            acknowledged(op);
        }
        free_op(op);
        if (failed) {
            return true;
        }
    }
    return false;
}

/* A name that could not be removed is tried again later, a file only read from may fail to close. */
static bool must_be_noticed(enum files_fault fault, int what)
{
    return fault == FILES_SHORT ? what == FILES_WRITE : what >= 0 && what != FILES_UNLINK && what != FILES_CLOSE;
}

static void check_kept(void)
{
    struct disk_image image;
    struct disk *disk = open_disk(&image);
    struct flat_entry entry;
    size_t offset = 0;
    uint64_t n = 0;

    while (flat_next(image.flat, image.flat_len, &offset, &entry)) {
        n++;
    }
    assert_true(image.disk_state == CORE_FORMED || !acked.formed);
    assert_true(image.term >= acked.term);
    assert_true(image.snap_index >= acked.snapshot);
    assert_true((n > 0 ? image.first + n - 1 : image.snap_index) >= acked.last);
    disk_image_fini(&image);
    disk_close(disk);
}

/* One failure, at that call. false: there was no such call. */
static bool fail_at(enum files_fault fault, size_t call, int error)
{
    struct err err = ERR_INIT;
    struct disk_image image;
    struct files *files;
    struct disk *disk;
    bool failed = true;
    size_t len;
    int thread, what;

    memset(&acked, 0, sizeof(acked));
    assert_int_equal(mkdir(dir, 0700), 0);
    files = files_watch(dir);
    files_disturb(files, fault, call, error);
    if (try_open(&disk, &image, &err) == 0) {
        disk_image_fini(&image);
        failed = run_steps(disk, error);
        what = files_what(files, call, &len, &thread);
        if (!failed && must_be_noticed(fault, what) && !fails_soon(disk)) {
            fail_msg("a failure at call %zu (kind %d) went unnoticed", call, what);
        }
        disk_close(disk);
    } else {
        check_message(err.message, error);
    }
    what = files_what(files, call, &len, &thread);
    files_disturb(files, FILES_NO_FAULT, 0, 0);
    check_kept();
    files_end(files);
    files_remove_dir(dir);
    return what >= 0;
}

static void test_errors(void **state)
{
    size_t calls = 0;

    (void)state;
    for (size_t call = 0; fail_at(FILES_ERROR, call, EIO); call++) {
        calls++;
    }
    for (size_t call = 0; fail_at(FILES_ERROR, call, ENOSPC); call++) {
        calls++;
    }
    for (size_t call = 0; fail_at(FILES_SHORT, call, ENOSPC); call++) {
        calls++;
    }
    printf("%zu failures\n", calls);
}

/* Loading fails too, with the file's name, and leaves nothing open. */
static void test_errors_of_loading(void **state)
{
    struct disk *disk;
    struct disk_image image;
    struct err err = ERR_INIT;
    size_t calls = 0;
    int what, own_thread = (int)gettid();

    (void)state;
    memset(&acked, 0, sizeof(acked));
    disk = open_new();
    assert_false(run_steps(disk, 0));
    disk_close(disk);
    do {
        struct files *files = files_watch(dir);
        size_t len;
        int thread, rc;

        files_disturb(files, FILES_ERROR, calls, EIO);
        rc = try_open(&disk, &image, &err);
        what = files_what(files, calls, &len, &thread);
        if (rc == 0) {
            disk_image_fini(&image);
            files_disturb(files, FILES_NO_FAULT, 0, 0);
            disk_close(disk);
            /* Other threads have begun to work when the disk is open: what fails there is no failure to load. */
            assert_true(what == -1 || what == FILES_CLOSE || what == FILES_UNLINK || thread != own_thread);
        } else {
            check_message(err.message, EIO);
        }
        files_end(files);
        calls++;
    } while (what != -1 && calls < 100);
    assert_true(calls > 10);
    check_kept();
    files_remove_dir(dir);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "%s/hecate-disk-test.XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(folder) == NULL || sem_init(&answers, 0, 0) != 0 || sem_init(&encoding, 0, 0) != 0 ||
        sem_init(&freeing, 0, 0) != 0) {
        return -1;
    }
    (void)snprintf(dir, sizeof(dir), "%s/data", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_are_prepared),
        cmocka_unit_test(test_appends_that_wait_become_one_record),
        cmocka_unit_test(test_snapshot_of_the_leader),
        cmocka_unit_test(test_damaged_snapshot_of_the_leader),
        cmocka_unit_test(test_disk_that_writes_garbage),
        cmocka_unit_test(test_own_snapshot_that_is_none),
        cmocka_unit_test(test_freed_beside),
        cmocka_unit_test(test_close_frees_what_was_not_taken),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_errors_of_loading),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

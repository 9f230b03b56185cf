/* The log on disk: what was acknowledged is loaded again, a torn end is wiped, anything else that is wrong is refused.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/log.h"
#include "consensus/wire.h"
#include "store/base/mem.h"

#define SEGMENT 8192

static char folder[] = "/tmp/hecate-log-test.XXXXXX";
static char dir[300];
static unsigned seed, dirs;

static void new_dir(void)
{
    (void)snprintf(dir, sizeof(dir), "%s/%u", folder, dirs++);
    assert_int_equal(mkdir(dir, 0700), 0);
}

static struct log *open_log(struct disk_image *image)
{
    struct err err = ERR_INIT;
    struct log *log;

    if (log_open(dir, 1, SEGMENT, &log, image, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return log;
}

static void append(struct log *log, uint64_t first, uint64_t n, uint64_t term)
{
    struct err err = ERR_INIT;
    struct buf flat = BUF_INIT;

    for (uint64_t i = 0; i < n; i++) {
        char text[200];
        int len = snprintf(text, sizeof(text), "entry %lu of term %lu %*s", (unsigned long)(first + i),
                           (unsigned long)term, (int)((first * 7) % 90), "");

        flat_append(&flat, term, 1, text, (uint32_t)len);
    }
    assert_int_equal(log_append(log, first, n, (const uint8_t *)flat.data, flat.len, &err), 0);
    buf_fini(&flat);
}

/* Indexes first..last with the terms in `terms` (terms[0] is of index first). */
static void expect(const struct disk_image *image, uint64_t first, const uint64_t *terms, size_t n)
{
    struct flat_entry entry;
    size_t offset = 0;

    assert_int_equal(image->first, first);
    for (size_t i = 0; i < n; i++) {
        char text[64];

        assert_true(flat_next(image->flat, image->flat_len, &offset, &entry));
        assert_int_equal(entry.term, terms[i]);
        (void)snprintf(text, sizeof(text), "entry %lu of term", (unsigned long)(first + i));
        assert_memory_equal(entry.data, text, strlen(text));
    }
    assert_int_equal(offset, image->flat_len);
}

static void make_log(void)
{
    struct disk_image image;
    struct err err = ERR_INIT;
    struct log *log;
    struct id cluster = {{1, 2, 3}};

    new_dir();
    log = open_log(&image);
    assert_int_equal(image.disk_state, CORE_EMPTY);
    assert_int_equal(log_set_state(log, CORE_FORMED, cluster, &err), 0);
    assert_int_equal(log_set_meta(log, 3, 2, &err), 0);
    for (uint64_t i = 1; i <= 60; i++) { /* several segments */
        append(log, i, 1, 3);
    }
    log_close(log);
}

static void test_loads_what_was_written(void **state)
{
    uint64_t terms[60];
    struct disk_image image;
    struct log *log;

    (void)state;
    make_log();
    for (size_t i = 0; i < 60; i++) {
        terms[i] = 3;
    }
    log = open_log(&image);
    assert_int_equal(image.disk_state, CORE_FORMED);
    assert_int_equal(image.cluster_id.bytes[2], 3);
    assert_int_equal(image.term, 3);
    assert_int_equal(image.vote, 2);
    expect(&image, 1, terms, 60);
    disk_image_fini(&image);
    append(log, 31, 2, 4); /* cuts */
    log_close(log);
    log = open_log(&image);
    terms[30] = terms[31] = 4;
    expect(&image, 1, terms, 32);
    disk_image_fini(&image);
    log_close(log);
}

static void test_refusals(void **state)
{
    struct disk_image image;
    struct err err = ERR_INIT;
    struct log *log, *second;
    char path[400];

    (void)state;
    make_log();
    log = open_log(&image);
    disk_image_fini(&image);
    assert_int_equal(log_open(dir, 1, SEGMENT, &second, &image, &err), E_BUSY);
    log_close(log);
    assert_int_equal(log_open(dir, 2, SEGMENT, &second, &image, &err), E_INVALID);
    (void)snprintf(path, sizeof(path), "%s/manifest", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(log_open(dir, 1, SEGMENT, &second, &image, &err), E_DAMAGED); /* empty is not what it is */
    assert_non_null(strstr(err.message, "manifest"));
}

static void test_missing_segment(void **state)
{
    struct disk_image image;
    struct err err = ERR_INIT;
    struct log *log;
    char path[400];

    (void)state;
    make_log();
    (void)snprintf(path, sizeof(path), "%s/seg-%012d", dir, 2);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(log_open(dir, 1, SEGMENT, &log, &image, &err), E_DAMAGED);
    assert_non_null(strstr(err.message, "seg-000000000002"));
}

static void flip(const char *name, size_t bit)
{
    char path[400];
    uint8_t byte;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
    byte = (uint8_t)(byte ^ (1 << (bit % 8)));
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    assert_int_equal(close(fd), 0);
}

/* One flipped bit in the manifest or in a written sector is never overlooked. */
static void test_flipped_bits(void **state)
{
    struct disk_image image;
    struct err err = ERR_INIT;
    struct log *log;

    (void)state;
    make_log();
    for (int round = 0; round < 400; round++) {
        bool manifest = round % 4 == 0;
        const char *name = manifest ? "manifest" : "seg-000000000001";
        size_t bit = (size_t)rand_r(&seed) % ((manifest ? (size_t)112 : SEGMENT) * 8);

        flip(name, bit);
        if (log_open(dir, 1, SEGMENT, &log, &image, &err) == 0) {
            fail_msg("a flipped bit %zu of %s was overlooked", bit, name);
        }
        assert_int_equal(err.code, E_DAMAGED);
        assert_non_null(strstr(err.message, name));
        flip(name, bit);
    }
    log = open_log(&image);
    disk_image_fini(&image);
    log_close(log);
}

/* Any subset of the last record's sectors may be missing: exactly that record is gone, and writing goes on. */
static void test_torn_end(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        static const uint8_t zeros[LOG_SECTOR];
        struct disk_image image;
        struct err err = ERR_INIT;
        struct id cluster = {{1}};
        struct log *log;
        char path[400];
        uint64_t terms[3] = {1, 1, 2};
        bool lost = false;
        int fd;

        new_dir();
        log = open_log(&image);
        assert_int_equal(log_set_state(log, CORE_FORMED, cluster, &err), 0);
        append(log, 1, 2, 1);  /* one sector */
        append(log, 3, 20, 1); /* three, to be torn */
        log_close(log);
        (void)snprintf(path, sizeof(path), "%s/seg-%012d", dir, 1);
        fd = open(path, O_RDWR);
        for (off_t sector = 1; sector < 4; sector++) {
            if (rand_r(&seed) % 2 == 0) {
                assert_int_equal(pwrite(fd, zeros, LOG_SECTOR, sector * LOG_SECTOR), LOG_SECTOR);
                lost = true;
            }
        }
        assert_int_equal(close(fd), 0);
        log = open_log(&image);
        if (lost) {
            expect(&image, 1, terms, 2);
            append(log, 3, 1, 2);
        }
        disk_image_fini(&image);
        log_close(log);
        log = open_log(&image);
        if (lost) {
            expect(&image, 1, terms, 3);
        }
        disk_image_fini(&image);
        log_close(log);
    }
}

static void test_snapshots(void **state)
{
    struct disk_op op = {.index = 50, .index_term = 3, .conf_index = 1, .keep_from = 40};
    struct disk_op back = {.index = 0};
    struct disk_image image;
    struct err err = ERR_INIT;
    struct log *log;
    uint64_t before;

    (void)state;
    make_log();
    log = open_log(&image);
    before = image.flat_len;
    disk_image_fini(&image);
    op.conf = mem_dup("conf", 4);
    op.conf_len = 4;
    op.data = mem_dup("the state", 9);
    op.data_len = 9;
    assert_int_equal(log_snapshot_write(log, &op, &err), 0);
    assert_int_equal(log_snapshot_adopt(log, &op, false, &err), 0);
    log_close(log);
    log = open_log(&image);
    assert_int_equal(image.snap_index, 50);
    assert_memory_equal(image.snap, "the state", 9);
    assert_memory_equal(image.conf, "conf", 4);
    assert_true(image.first > 1 && image.first <= 40); /* old segments are gone, what is kept is there */
    assert_true(image.flat_len < before);
    disk_image_fini(&image);
    assert_int_equal(log_snapshot_read(log, 50, &back, &err), 0);
    assert_memory_equal(back.data, "the state", 9);
    free(back.conf);
    free(back.data);
    /* One of the leader replaces the whole log. */
    op.index = 1000;
    assert_int_equal(log_snapshot_write(log, &op, &err), 0);
    assert_int_equal(log_snapshot_adopt(log, &op, true, &err), 0);
    append(log, 1001, 1, 9);
    log_close(log);
    log = open_log(&image);
    assert_int_equal(image.snap_index, 1000);
    expect(&image, 1001, (const uint64_t[]){9}, 1);
    disk_image_fini(&image);
    log_close(log);
    flip("snap-00000000000000001000", 300);
    assert_int_equal(log_open(dir, 1, SEGMENT, &log, &image, &err), E_DAMAGED);
    assert_non_null(strstr(err.message, "hecate member replace"));
    free(op.conf);
    free(op.data);
}

/* A segment begins with entries from 11 on, later in it they are cut from 5 on, then a snapshot lets the segment before
 * go: what is left begins with a record that a later one reaches below. */
static void test_cut_below_the_oldest_record(void **state)
{
    struct disk_op op = {.kind = DISK_SNAP_PUT, .index = 12, .index_term = 2, .conf_index = 1, .keep_from = 11};
    static const uint64_t terms[] = {2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
    struct disk_image image;
    struct err err = ERR_INIT;
    struct id cluster = {{1}};
    struct log *log;
    char path[400];

    (void)state;
    new_dir();
    log = open_log(&image);
    assert_int_equal(log_set_state(log, CORE_FORMED, cluster, &err), 0);
    append(log, 1, 10, 1);
    (void)snprintf(path, sizeof(path), "%s/seg-%012d", dir, 2);
    do {
        append(log, 11, 5, 1);
    } while (access(path, F_OK) != 0);
    append(log, 5, 10, 2);
    assert_int_equal(log_snapshot_write(log, &op, &err), 0);
    assert_int_equal(log_snapshot_adopt(log, &op, false, &err), 0);
    log_close(log);
    log = open_log(&image);
    expect(&image, 5, terms, 10);
    disk_image_fini(&image);
    log_close(log);
}

static int set_up(void **state)
{
    const char *text = getenv("HECATE_SEED");

    (void)state;
    seed = text != NULL ? (unsigned)strtoul(text, NULL, 10) : (unsigned)getpid();
    printf("HECATE_SEED=%u\n", seed);
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_dir(const char *path)
{
    char *const argv[] = {(char[]){"rm"}, (char[]){"-r"}, mem_strdup(path), NULL};
    pid_t pid = fork();

    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    free(argv[2]);
    return pid > 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return remove_dir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loads_what_was_written),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_missing_segment),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_torn_end),
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_cut_below_the_oldest_record),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

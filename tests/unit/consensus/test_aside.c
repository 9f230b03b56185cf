/* What a snapshot of the leader replaces is kept aside: one file, which a second such snapshot leaves as it is. */
#include <fcntl.h>
#include <semaphore.h>
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

#include "consensus/disk.h"
#include "store/base/mem.h"
#include "tests/unit/consensus/files.h"

static char dir[64], path[128];
static sem_t answers;
static unsigned freed;

static void notify(void *user)
{
    (void)user;
    (void)sem_post(&answers);
}

static void encode(void *user, void *handle, uint8_t **ret_data, size_t *ret_len)
{
    (void)user;
    *ret_len = strlen(handle);
    *ret_data = mem_dup(handle, *ret_len);
}

static int check(void *user, uint64_t index, const uint8_t *data, size_t len, struct err *reterr)
{
    (void)user;
    (void)index;
    (void)data;
    (void)len;
    (void)reterr;
    return 0;
}

static void handle_free(void *user, void *handle)
{
    (void)user;
    free(handle);
    freed++;
}

static struct disk *start(void)
{
    const struct disk_config config = {
        .dir = dir, .member_id = 1, .notify = notify, .encode = encode, .check = check, .handle_free = handle_free};
    struct disk_image image;
    struct err err = ERR_INIT;
    struct disk *disk;

    if (disk_open(&config, &disk, &image, &err) != 0) {
        fail_msg("%s", err.message);
    }
    disk_image_fini(&image);
    return disk;
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/hecate-aside-%d", (int)getpid());
    (void)snprintf(path, sizeof(path), "%s/replaced.backup", dir);
    freed = 0;
    assert_int_equal(sem_init(&answers, 0, 0), 0);
    return mkdir(dir, 0700);
}

static int tear_down(void **state)
{
    (void)state;
    files_remove_dir(dir);
    return sem_destroy(&answers);
}

/* A snapshot; that of the leader replaces a state. Whether that was kept. */
static bool put(struct disk *disk, enum disk_kind kind, uint64_t index, const char *handle)
{
    struct disk_op *op = mem_calloc(1, sizeof(*op));
    bool kept;

    op->kind = kind;
    op->index = index;
    op->index_term = op->conf_index = 1;
    op->keep_from = kind == DISK_INSTALL ? index + 1 : index;
    op->conf = mem_dup("conf", op->conf_len = 4);
    op->handle = handle != NULL ? mem_strdup(handle) : NULL;
    op->data = kind == DISK_INSTALL ? mem_dup("of the leader", op->data_len = 13) : NULL;
    disk_put(disk, op);
    do {
        assert_int_equal(sem_wait(&answers), 0);
        op = disk_take(disk);
    } while (op == NULL);
    assert_int_equal(op->status, 0);
    assert_null(op->handle);
    kept = op->kept;
    disk_op_free(op);
    return kept;
}

static void expect(const char *text)
{
    char found[64] = "";
    FILE *file = fopen(path, "r");

    if (text == NULL) {
        assert_null(file);
        return;
    }
    assert_non_null(file);
    (void)fread(found, 1, sizeof(found) - 1, file);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(found, text);
}

static void form(struct disk *disk)
{
    struct disk_op *op = mem_calloc(1, sizeof(*op));

    op->kind = DISK_STATE;
    op->disk_state = CORE_FORMED;
    disk_put(disk, op);
    assert_int_equal(sem_wait(&answers), 0);
    disk_op_free(disk_take(disk));
}

static void test_kept(void **state)
{
    struct disk *disk = start();

    (void)state;
    form(disk);
    assert_false(put(disk, DISK_INSTALL, 10, NULL)); /* there was nothing */
    expect(NULL);
    assert_false(put(disk, DISK_SNAP_PUT, 20, "own"));
    expect(NULL);
    assert_true(put(disk, DISK_INSTALL, 30, "a state"));
    expect("a state");
    assert_int_equal(freed, 2);
    disk_close(disk);
    disk = start(); /* it is no leftover */
    expect("a state");
    disk_close(disk);
}

/* A leader that lies can send as many as it likes. */
static void test_kept_from_a_second_one(void **state)
{
    struct disk *disk = start();

    (void)state;
    form(disk);
    assert_false(put(disk, DISK_SNAP_PUT, 20, "own"));
    assert_true(put(disk, DISK_INSTALL, 30, "a state"));
    assert_false(put(disk, DISK_INSTALL, 40, "a lie"));
    expect("a state");
    disk_close(disk);
    disk = start();
    assert_false(put(disk, DISK_INSTALL, 50, "a second lie"));
    expect("a state");
    assert_int_equal(unlink(path), 0); /* somebody has taken it away */
    assert_true(put(disk, DISK_INSTALL, 60, "a third one"));
    expect("a third one");
    assert_false(put(disk, DISK_SNAP_PUT, 70, "own")); /* it went on with what it got */
    expect("a third one");
    assert_true(put(disk, DISK_INSTALL, 80, "a later state"));
    expect("a later state");
    disk_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept_from_a_second_one, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

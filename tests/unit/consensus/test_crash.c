/* The log when the process or the power ends between any two system calls: it always loads, what was acknowledged is
 * there, and nothing else is. */
#include <errno.h>
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

#include "consensus/wire.h"
#include "store/base/mem.h"
#include "tests/unit/consensus/files.h"
#include "tests/unit/consensus/script.h"

#define SCRIPTS 4
#define STEPS 40
#define SHORT_STEPS 16
#define POWER_CUTS 3 /* of the same moment, with other losses */

static char folder[64];
static char dir[300], target[300], second_target[300];
static unsigned seed;
static size_t points, loads;

static struct log *open_dir(const char *path, struct disk_image *image, const char *when, size_t call)
{
    struct err err = ERR_INIT;
    struct log *log;

    loads++;
    if (log_open(path, 1, SCRIPT_SEGMENT, &log, image, &err) != 0) {
        fail_msg("%s %zu: refused: %s", when, call, err.message);
    }
    return log;
}

/* The states that may be found before that call: the last one acknowledged, or the one being written. */
static void allowed(const struct script *script, size_t call, size_t *ret_from, size_t *ret_to)
{
    *ret_from = *ret_to = 0;
    for (size_t i = 1; i <= script->steps; i++) {
        if (script->ended[i] <= call) {
            *ret_from = i;
        }
        if (script->begun[i] < call) {
            *ret_to = i;
        }
    }
}

static size_t must_be_one_of(const struct script *script, const struct disk_image *image, size_t from, size_t to,
                             const char *when, size_t call)
{
    const char *wrong = "";
    int found = script_find(script, image, from, to, &wrong);

    if (found < 0) {
        fail_msg("%s %zu: %s (steps %zu to %zu)", when, call, wrong, from, to);
    }
    return (size_t)found;
}

/* The log that was loaded goes on: one more entry, which cuts what follows the snapshot, and a restart. */
static void go_on(struct log *log, const struct disk_image *before, size_t call)
{
    uint64_t first = before->snap_index + 1;
    CLEANUP(buf_fini) struct buf flat = BUF_INIT;
    struct flat_entry entry, last = {.term = 0};
    struct err err = ERR_INIT;
    struct disk_image image;
    size_t offset = 0;
    uint64_t index;

    script_entry(&flat, UINT64_MAX, 1);
    if (log_append(log, first, 1, (const uint8_t *)flat.data, flat.len, &err) != 0) {
        fail_msg("append after a power cut before call %zu: %s", call, err.message);
    }
    log_close(log);
    log = open_dir(target, &image, "append after a power cut before call", call);
    for (index = image.first; flat_next(image.flat, image.flat_len, &offset, &entry); index++) {
        last = entry;
    }
    assert_int_equal(index, first + 1);
    assert_true(last.term == UINT64_MAX);
    disk_image_fini(&image);
    log_close(log);
}

/* Loads a directory, and a second time what is there when power is cut at any moment of that. */
static void load(const struct script *script, size_t from, size_t to, size_t call, bool cut_again)
{
    struct files *files = files_watch(target);
    struct disk_image image;
    struct log *log = open_dir(target, &image, "power cut before call", call);
    size_t found = must_be_one_of(script, &image, from, to, "power cut before call", call);

    if (image.disk_state == CORE_FORMED && !cut_again) {
        go_on(log, &image, call);
    } else {
        log_close(log);
    }
    disk_image_fini(&image);
    for (size_t again = 0; cut_again && again <= files_calls(files); again++) {
        files_power_cut(files, again, &seed, second_target);
        log = open_dir(second_target, &image, "power cut while loading, before call", again);
        (void)must_be_one_of(script, &image, found, found, "power cut while loading, before call", again);
        disk_image_fini(&image);
        log_close(log);
        files_remove_dir(second_target);
        points++;
    }
    files_end(files);
    files_remove_dir(target);
}

/* false: the log could not be opened, or a step failed. */
static bool run(struct script *script, struct files *files, size_t steps)
{
    struct err err = ERR_INIT;
    struct log *log = NULL;
    bool ok = true;

    while (ok && script->steps < steps) {
        if (log == NULL) {
            struct disk_image image;

            if (log_open(dir, 1, SCRIPT_SEGMENT, &log, &image, &err) != 0) {
                return false;
            }
            (void)must_be_one_of(script, &image, script->steps, script->steps, "restart, call", files_calls(files));
            disk_image_fini(&image);
        }
        ok = script_step(script, log, files, &err);
        if (ok && rand_r(&script->seed) % 16 == 0) {
            log_close(log);
            log = NULL;
        }
    }
    if (log != NULL) {
        log_close(log);
    }
    return ok;
}

static void test_power_cut_before_every_call(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SCRIPTS; i++) {
        struct script script;
        struct files *files;

        assert_int_equal(mkdir(dir, 0700), 0);
        files = files_watch(dir);
        script_init(&script, seed + i);
        assert_true(run(&script, files, STEPS));
        for (size_t call = 0; call <= files_calls(files); call++) {
            size_t from, to;

            allowed(&script, call, &from, &to);
            for (int cut = 0; cut < POWER_CUTS; cut++) {
                files_power_cut(files, call, &seed, target);
                load(&script, from, to, call, rand_r(&seed) % 8 == 0);
            }
            points++;
        }
        files_end(files);
        script_fini(&script);
        files_remove_dir(dir);
    }
    printf("%zu crash points, %zu loads\n", points, loads);
}

/* The process is killed before a call (or a sync fails and it ends) and starts again: what it then has counts as
 * acknowledged, for it may act on it at once, and must survive a power cut. */
static bool restart_then_power_cut(enum files_fault fault, size_t call)
{
    bool reached;
    struct script script;
    struct files *files;
    struct disk_image image;
    struct log *log;
    const char *wrong;
    int found;

    assert_int_equal(mkdir(dir, 0700), 0);
    files = files_watch(dir);
    script_init(&script, seed);
    files_disturb(files, fault, call, EIO);
    (void)run(&script, files, SHORT_STEPS);
    reached = files_calls(files) >= call;
    files_disturb(files, FILES_NO_FAULT, 0, 0);
    log = open_dir(dir, &image, "killed before call", call);
    found = script_find(&script, &image, script.ended[script.steps] == SIZE_MAX ? script.steps - 1 : script.steps,
                        script.steps, &wrong);
    if (found < 0) {
        fail_msg("killed before call %zu: %s", call, wrong);
    }
    disk_image_fini(&image);
    for (int cut = 0; cut < POWER_CUTS; cut++) {
        files_power_cut(files, files_calls(files), &seed, target);
        load(&script, (size_t)found, (size_t)found, call, false);
    }
    points++;
    log_close(log);
    files_end(files);
    script_fini(&script);
    files_remove_dir(dir);
    return reached;
}

/* The seed of the script stays, so that its calls are the same each time. */
static void test_killed_before_every_call(void **state)
{
    unsigned before = seed;
    size_t call = 0;

    (void)state;
    points = loads = 0;
    do {
        seed = before;
    } while (restart_then_power_cut(FILES_HALT, call++));
    printf("%zu crash points, %zu loads\n", points, loads);
}

static void test_any_failure_then_restart(void **state)
{
    unsigned before = seed;
    size_t call = 0;

    (void)state;
    points = loads = 0;
    do {
        seed = before;
    } while (restart_then_power_cut(FILES_ERROR, call++));
    printf("%zu failures, %zu loads\n", points, loads);
}

static int set_up(void **state)
{
    const char *text = getenv("HECATE_SEED");

    (void)state;
    seed = text != NULL ? (unsigned)strtoul(text, NULL, 10) : (unsigned)getpid();
    printf("HECATE_SEED=%u\n", seed);
    /* In memory if possible: nothing is synced anyway. */
    (void)snprintf(folder, sizeof(folder), "%s/hecate-crash-test.XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(dir, sizeof(dir), "%s/live", folder);
    (void)snprintf(target, sizeof(target), "%s/cut", folder);
    (void)snprintf(second_target, sizeof(second_target), "%s/cut-again", folder);
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
        cmocka_unit_test(test_power_cut_before_every_call),
        cmocka_unit_test(test_killed_before_every_call),
        cmocka_unit_test(test_any_failure_then_restart),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

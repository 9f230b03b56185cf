/* A process that dies of an entry leaves a mark, whatever way it dies; one that is ended by others leaves none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/mark.h"
#include "store/base/check.h"
#include "store/base/mem.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/hecate-mark-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    CLEANUP(free_ptr) char *path = mem_printf("%s/" MARK_FILE, folder);

    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

/* ---- ways to die ---- */

static void by_check(void)
{
    CHECK_MSG(false, "the b\xfc"
                     "cket has no bottom");
}

static void by_address(void)
{
    volatile int *wall = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    *wall = 1;
}

static void by_library(void)
{
    abort();
}

static void *by_other_thread(void *arg)
{
    (void)arg;
    abort();
}

static void elsewhere(void)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, by_other_thread, NULL), 0);
    (void)pthread_join(thread, NULL);
}

static void after_it(void)
{
    mark_end();
    abort();
}

static void out_of_memory(void)
{
    check_exhausted();
}

static void by_kill(void)
{
    (void)kill(getpid(), SIGKILL);
}

static void until_killed(void)
{
    for (;;) {
        (void)pause();
    }
}

static const int deadly[] = {SIGSEGV, SIGABRT};

/* The child applies entry 7 and dies in this way. */
static void die(void (*way)(void), int signal_sent)
{
    int ready[2], status;
    struct err err = ERR_INIT;
    char byte = 0;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO); /* the panic is meant */
        for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++) {
            (void)signal(deadly[i], SIG_DFL); /* not the test runner's */
        }
        if (mark_open(folder, &err) != 0) {
            _exit(2);
        }
        mark_begin(7, 14);
        if (write(ready[1], &byte, 1) != 1) {
            _exit(2);
        }
        way();
        _exit(3);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    if (signal_sent != 0) {
        assert_int_equal(kill(pid, signal_sent), 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 1); /* 1: the sanitizer ends it itself */
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static struct mark found(void)
{
    struct err err = ERR_INIT;
    struct mark mark;

    assert_int_equal(mark_open(folder, &err), 0);
    mark = *mark_found();
    mark_close();
    return mark;
}

static void test_died_of_the_entry(void **state)
{
    static void (*const ways[])(void) = {by_check, by_address, by_library};

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        CLEANUP(free_ptr) char *path = mem_printf("%s/" MARK_FILE, folder);
        struct mark mark;

        die(ways[i], 0);
        mark = found();
        assert_int_equal(mark.index, 7);
        assert_int_equal(mark.type, 14);
        assert_int_equal(strstr(mark.reason, "test_mark.c") != NULL, ways[i] == by_check);
        assert_int_equal(strstr(mark.reason, "the b\xef\xbf\xbd"
                                             "cket has no bottom") != NULL,
                         ways[i] == by_check);
        assert_int_equal(found().index, 7); /* until somebody removes it */
        assert_int_equal(unlink(path), 0);
        assert_int_equal(found().index, 0);
    }
}

static void test_died_of_something_else(void **state)
{
    (void)state;
    die(elsewhere, 0);
    die(after_it, 0);
    die(out_of_memory, 0);
    die(by_kill, 0);
    die(until_killed, SIGABRT); /* the watchdog of the service manager */
    die(until_killed, SIGSEGV);
    assert_int_equal(found().index, 0);
}

/* What another program left, or what is no mark, counts for nothing. */
static void test_others(void **state)
{
    CLEANUP(free_ptr) char *path = mem_printf("%s/" MARK_FILE, folder);
    struct mark mark;
    int fd;

    (void)state;
    for (off_t at = 0; at < (off_t)sizeof(mark); at += 40) { /* any byte */
        die(by_library, 0);
        fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "?", 1, at), 1);
        assert_int_equal(close(fd), 0);
        assert_int_equal(found().index, 0);
        assert_int_equal(access(path, F_OK), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_died_of_the_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_died_of_something_else, setup, teardown),
        cmocka_unit_test_setup_teardown(test_others, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

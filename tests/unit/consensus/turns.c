#include "tests/unit/consensus/turns.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/log.h"
#include "tests/unit/ports.h"

#define DEADLINE_MS 30000

uv_loop_t turns_loop;
char turns_folder[] = "/tmp/hecate-net-XXXXXX";
static uv_timer_t deadline;
static bool late;

bool turns_init(void)
{
    return uv_loop_init(&turns_loop) == 0 && uv_timer_init(&turns_loop, &deadline) == 0;
}

static void timed_out(uv_timer_t *timer)
{
    (void)timer;
    late = true;
}

void turns_begin(void)
{
    late = false;
    assert_int_equal(uv_timer_start(&deadline, timed_out, DEADLINE_MS, 0), 0);
}

static void turn(const char *what, uv_run_mode mode)
{
    if (late) {
        fail_msg("not within %d ms: %s", DEADLINE_MS, what);
    }
    (void)uv_run(&turns_loop, mode);
}

void turns_one(const char *what)
{
    turn(what, UV_RUN_NOWAIT);
}

void turns_end(void)
{
    uv_timer_stop(&deadline);
}

void turns_until(const char *what, bool (*condition)(void))
{
    turns_begin();
    while (!condition()) {
        turn(what, UV_RUN_ONCE);
    }
    turns_end();
}

void turns_free_address(char *ret_address, size_t size)
{
    unsigned port;

    ports_free(&port, 1);
    (void)snprintf(ret_address, size, "127.0.0.1:%u", port);
}

void turns_run(const char *const argv[])
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        (void)dup2(null, STDOUT_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int turns_set_up(void **state)
{
    (void)state;
    log_set_level(LOG_NONE);
    if (mkdtemp(turns_folder) == NULL) {
        return -1;
    }
    turns_run((const char *const[]){"scripts/pki", turns_folder, "1", "2", NULL});
    return !turns_init();
}

int turns_tear_down(void **state)
{
    (void)state;
    turns_run((const char *const[]){"rm", "-r", turns_folder, NULL});
    return 0;
}

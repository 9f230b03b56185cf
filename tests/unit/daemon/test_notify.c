/* What the service manager is told, on a socket of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/notify.h"

/* In the abstract name space: nothing is left behind. */
static int listen_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[64];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    (void)snprintf(path, sizeof(path), "@hecate-test-%s-%ld", name, (long)getpid());
    memcpy(address.sun_path, path, strlen(path));
    address.sun_path[0] = '\0';
    assert_int_equal(
        bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    return fd;
}

/* The next message, "" when there is none. */
static const char *next(int fd)
{
    static char text[128];
    ssize_t len = recv(fd, text, sizeof(text) - 1, 0);

    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void forget(int fd)
{
    (void)close(fd);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void test_state(void **state)
{
    int fd = listen_to("state");

    (void)state;
    notify_state("READY=1");
    assert_string_equal(next(fd), "READY=1");
    forget(fd);
    notify_state("READY=1"); /* nobody asked: nothing happens */
}

static void test_watchdog_time(void **state)
{
    char pid[24];

    (void)state;
    assert_int_equal(notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "10000000", 1);
    assert_int_equal(notify_watchdog_ms(), 5000);
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_ms(), 5000);
    setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
    assert_int_equal(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "100", 1); /* never none at all */
    assert_int_equal(notify_watchdog_ms(), 1);
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_USEC");
}

/* Fed by the loop's turning alone. */
static void test_watchdog_is_fed_by_the_loop(void **state)
{
    int fd = listen_to("watchdog");
    uv_timer_t timer;
    uv_loop_t loop;

    (void)state;
    setenv("WATCHDOG_USEC", "4000", 1);
    assert_int_equal(uv_loop_init(&loop), 0);
    notify_watchdog_start(&loop, &timer);
    uv_sleep(20);
    assert_string_equal(next(fd), ""); /* the loop does not turn */
    for (int i = 0; i < 3; i++) {
        (void)uv_run(&loop, UV_RUN_ONCE);
        assert_string_equal(next(fd), "WATCHDOG=1");
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    forget(fd);
}

/* Nobody watches: the timer is there to be closed, and does nothing. */
static void test_no_watchdog(void **state)
{
    int fd = listen_to("none");
    uv_timer_t timer;
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    notify_watchdog_start(&loop, &timer);
    assert_false(uv_is_active((uv_handle_t *)&timer));
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_string_equal(next(fd), "");
    forget(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_watchdog_time),
        cmocka_unit_test(test_watchdog_is_fed_by_the_loop),
        cmocka_unit_test(test_no_watchdog),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

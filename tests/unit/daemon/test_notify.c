/* What is told to the service manager arrives at its socket; without one nothing happens. */
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

/* A manager's socket at this path; '@' at its start: an abstract one. */
static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path, path, strlen(path));
    address.sun_path[0] = path[0] == '@' ? '\0' : path[0];
    assert_int_equal(
        bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))), 0);
    return fd;
}

static void expect(int fd, const char *text)
{
    char have[256];
    ssize_t n = recv(fd, have, sizeof(have), 0);

    assert_int_equal(n, strlen(text));
    assert_memory_equal(have, text, strlen(text));
}

static void test_path(void **state)
{
    char folder[] = "/tmp/hecate-notify-test.XXXXXX", path[64];
    int fd;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/notify", folder);
    fd = listen_at(path);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify_state("READY=1");
    expect(fd, "READY=1");
    assert_int_equal(close(fd), 0);
    notify_state("STOPPING=1"); /* nobody listens any more: no failure of ours */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_abstract(void **state)
{
    char path[64];
    int fd;

    (void)state;
    (void)snprintf(path, sizeof(path), "@hecate-notify-test-%ld", (long)getpid());
    fd = listen_at(path);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify_state("STATUS=well");
    expect(fd, "STATUS=well");
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    notify_state("READY=1"); /* nobody asked */
    assert_true(recv(fd, path, sizeof(path), 0) < 0);
    assert_int_equal(close(fd), 0);
}

static void test_what_is_no_address(void **state)
{
    char path[200];

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0); /* relative */
    notify_state("READY=1");
    path[0] = '/'; /* too long */
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify_state("READY=1");
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_abstract),
        cmocka_unit_test(test_what_is_no_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

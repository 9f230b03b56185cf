/* When a session goes on: not while the host takes nothing, and not when the turn's time is used up. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/executor/ssh_priv.h"
#include "tests/unit/executor/sshd.h"

#define PATIENCE_NS UINT64_C(60000000000)

static struct sshd *sshd;
static bool full; /* no socket takes anything */
static unsigned sends, in_vain;

typedef ssize_t (*send_fn)(int fd, const void *data, size_t len, int flags);

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    static send_fn next;

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "send");
    }
    sends++;
    if (full) {
        in_vain++;
        errno = EAGAIN;
        return -1;
    }
    return next(fd, data, len, flags);
}

static struct ssh_session *session_of(const struct sshd_client *client)
{
    return ((const struct ssh *)client->executor)->hosts->sessions;
}

static unsigned polled(const struct sshd_client *client)
{
    return session_of(client)->poll.io_watcher.pevents & (POLLIN | POLLOUT);
}

/* A client whose session has done a call and is kept. */
static void begin(struct sshd_client *client)
{
    struct sshd_call call;

    client_init(client, sshd, "ed25519");
    sshd_mode(sshd, "exit 0");
    client_check(client, &call);
    call_expect(&call, E_OK, "");
    assert_non_null(session_of(client));
    assert_int_equal(polled(client), POLLIN);
}

/* The host takes nothing: what it says is not listened to meanwhile, or it would wake us in vain without end; and as
 * soon as it takes all again, room for more is nothing to wake up for. */
static void test_host_takes_nothing(void **state)
{
    const struct exec_step step = {.kind = EXEC_GLUSTERD_CHECK, .host = "127.0.0.1"};
    struct sshd_client client;
    struct sshd_call call;
    uint64_t end_ns = uv_hrtime() + PATIENCE_NS;

    (void)state;
    begin(&client);
    full = true;
    client_run(&client, &step, &call);
    while (in_vain == 0) {
        assert_true(uv_hrtime() < end_ns);
        (void)uv_run(&client.loop, UV_RUN_ONCE);
    }
    assert_true(session_of(&client)->unsent);
    assert_int_equal(polled(&client), POLLOUT);
    full = false;
    client_wait(&client, &call);
    call_expect(&call, E_OK, "");
    assert_false(session_of(&client)->unsent);
    assert_int_equal(polled(&client), POLLIN);
    client_fini(&client);
}

/* Other sessions have used up the turn's time: this one does nothing in it, not even what it could do at once. */
static void test_stands_when_the_time_is_used_up(void **state)
{
    const struct exec_step step = {.kind = EXEC_GLUSTERD_CHECK, .host = "127.0.0.1"};
    struct sshd_client client;
    struct ssh_session *session;
    struct sshd_call call;
    unsigned before;

    (void)state;
    begin(&client);
    session = session_of(&client);
    before = sends;
    ((struct ssh *)client.executor)->turn_ns = 0;
    client_run(&client, &step, &call);
    ssh_session_pump(session);
    assert_true(session->stands);
    assert_int_equal(polled(&client), 0);
    assert_int_equal(sends, before);
    client_wait(&client, &call);
    call_expect(&call, E_OK, "");
    assert_true(sends > before);
    client_fini(&client);
}

static int set_up(void **state)
{
    (void)state;
    sshd = sshd_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sshd_free(sshd);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_takes_nothing),
        cmocka_unit_test(test_stands_when_the_time_is_used_up),
    };

    if (access("/usr/sbin/sshd", X_OK) != 0) {
        puts("[  SKIPPED ] 2 test(s), needs sshd");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

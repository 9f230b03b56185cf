/* A host that takes nothing of what is sent to it: it does not keep the loop busy, and what it says is heard. */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/executor/ssh_priv.h"
#include "tests/unit/executor/sshd.h"

#define PATIENCE_MS 60000
#define COMMAND_BYTES ((size_t)28000)
#define TURNS_MAX 100

/* ---- a proxy before sshd, with little room, which can stop listening to the client ---- */

struct proxy {
    pthread_t thread;
    int listener;
    uint16_t port, sshd_port;
    atomic_bool deaf;    /* takes nothing from the client */
    atomic_size_t times; /* that something went to the client */
};

static void small(int fd, int option)
{
    const int least = 1;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &least, sizeof(least)), 0);
}

static void copy(int from, int to, bool *open)
{
    char data[16384];
    ssize_t n = read(from, data, sizeof(data));
    ssize_t done = 0;

    while (n > done) {
        ssize_t sent = send(to, data + done, (size_t)(n - done), MSG_NOSIGNAL);

        n = sent < 0 ? 0 : n;
        done += sent;
    }
    *open = n > 0;
}

static void *run_proxy(void *user)
{
    struct proxy *proxy = user;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(proxy->sshd_port)};
    bool open = true;
    int client = accept(proxy->listener, NULL, NULL);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(server, (struct sockaddr *)&address, sizeof(address)), 0);
    while (open) {
        bool deaf = atomic_load(&proxy->deaf);
        struct pollfd fds[] = {{.fd = server, .events = POLLIN}, {.fd = deaf ? -1 : client, .events = POLLIN}};

        assert_true(poll(fds, 2, 5) >= 0);
        if (fds[0].revents != 0) {
            copy(server, client, &open);
            atomic_fetch_add(&proxy->times, 1);
        } else if (fds[1].revents != 0) {
            copy(client, server, &open);
        }
    }
    (void)close(client); /* sockets */
    (void)close(server);
    return NULL;
}

static void proxy_start(struct proxy *proxy, uint16_t sshd_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);

    memset(proxy, 0, sizeof(*proxy));
    proxy->sshd_port = sshd_port;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(proxy->listener >= 0);
    small(proxy->listener, SO_RCVBUF);
    assert_int_equal(bind(proxy->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(proxy->listener, 5), 0);
    assert_int_equal(getsockname(proxy->listener, (struct sockaddr *)&address, &len), 0);
    proxy->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&proxy->thread, NULL, run_proxy, proxy), 0);
}

static void proxy_end(struct proxy *proxy)
{
    assert_int_equal(pthread_join(proxy->thread, NULL), 0);
    (void)close(proxy->listener); /* a socket */
}

/* ---- with it ---- */

/* The session of the client through the proxy has done a call. */
static void begin(struct sshd_client *client, struct sshd *sshd, const struct proxy *proxy)
{
    const uint16_t port = sshd->port;
    struct sshd_call call;

    client_init(client, sshd, "ed25519");
    sshd->port = proxy->port;
    sshd_know(sshd, "host_ed25519");
    sshd->port = port;
    client->config.port = proxy->port;
    sshd_mode(sshd, "exit 0");
    client_check(client, &call);
    call_expect(&call, E_OK, "");
}

struct wish {
    const struct ssh_session *session;
    const struct proxy *proxy;
    size_t times;
};

static bool is_sending_the_command(const struct wish *wish)
{
    return wish->session->state == SSH_EXEC;
}

static bool has_said_something(const struct wish *wish)
{
    return atomic_load(&wish->proxy->times) >= wish->times;
}

static void on_deadline(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happened for a minute");
}

/* Turns of the loop until that is so. */
static size_t turns_until(uv_loop_t *loop, bool (*condition)(const struct wish *wish), const struct wish *wish)
{
    size_t turns = 0;

    for (; !condition(wish); turns++) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
    return turns;
}

/* It asks whether we are there each second, while it takes neither the rest of the command nor our answers. */
static void test_host_takes_nothing(void **state)
{
    const struct exec_step step = {.kind = EXEC_GLUSTERD_CHECK, .host = "127.0.0.1"};
    struct sshd *sshd = sshd_new_with("ClientAliveInterval 1\nClientAliveCountMax 1000\n");
    struct sshd_client client;
    struct sshd_call call;
    struct proxy proxy;
    uv_timer_t timer;
    struct wish wish = {.proxy = &proxy};
    size_t turns;

    (void)state;
    proxy_start(&proxy, sshd->port);
    begin(&client, sshd, &proxy);
    wish.session = ((const struct ssh *)client.executor)->hosts->sessions;
    assert_non_null(wish.session);
    small(wish.session->fd, SO_SNDBUF);
    assert_int_equal(uv_timer_init(&client.loop, &timer), 0);
    assert_int_equal(uv_timer_start(&timer, on_deadline, PATIENCE_MS, 0), 0);
    client_run(&client, &step, &call);
    for (size_t i = 0; i < COMMAND_BYTES; i++) {
        buf_append_char(&call.call->command, ' ');
    }
    (void)turns_until(&client.loop, is_sending_the_command, &wish);
    atomic_store(&proxy.deaf, true); /* no turn since then: it has the beginning of the command at most */
    wish.times = atomic_load(&proxy.times) + 2;
    turns = turns_until(&client.loop, has_said_something, &wish);
    uv_close((uv_handle_t *)&timer, NULL);
    assert_int_equal(wish.session->state, SSH_EXEC);
    printf("%zu turns of the loop\n", turns);
    assert_true(turns < TURNS_MAX);
    atomic_store(&proxy.deaf, false);
    client_wait(&client, &call);
    call_expect(&call, E_OK, "");
    client_fini(&client);
    proxy_end(&proxy);
    sshd_free(sshd);
}

/* ---- alone ---- */

#define PIECE 32768U

/* What a session sends comes in its order and whole, however little room there is, and is bounded. */
static void test_what_is_kept(void **state)
{
    struct ssh_session session = {.state = SSH_READ};
    void *abstract = &session;
    char *piece = malloc(PIECE), *heard = malloc(PIECE);
    uint32_t number = 0, next = 0;
    size_t rest = 0;
    int fds[2];

    (void)state;
    assert_true(piece != NULL && heard != NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    session.fd = fds[0];
    small(session.fd, SO_SNDBUF);
    for (;;) {
        for (size_t i = 0; i < PIECE; i += sizeof(number), number++) {
            memcpy(piece + i, &number, sizeof(number));
        }
        if (ssh_send(session.fd, piece, PIECE, 0, &abstract) < 0) {
            number -= PIECE / (uint32_t)sizeof(number); /* it was too much, and nothing of it is kept */
            break;
        }
        assert_false(session.flooded);
        assert_in_range(session.unsent.len, 0, SSH_UNSENT_MAX);
    }
    assert_true(session.deaf && session.flooded);
    assert_true(session.unsent.len > SSH_UNSENT_MAX - PIECE);
    while (session.unsent.len > 0 || next < number) {
        ssize_t n = recv(fds[1], heard + rest, PIECE - rest, MSG_DONTWAIT);

        for (rest += n > 0 ? (size_t)n : 0; rest >= sizeof(next); rest -= sizeof(next), next++) {
            assert_memory_equal(heard, &next, sizeof(next));
            memmove(heard, heard + sizeof(next), rest - sizeof(next));
        }
        assert_true(ssh_session_flush(&session));
    }
    assert_int_equal(next, number);
    (void)close(fds[1]); /* a socket */
    assert_int_equal(ssh_send(session.fd, piece, PIECE, 0, &abstract), -EPIPE);
    session.state = SSH_CLOSING;
    assert_int_equal(ssh_send(session.fd, piece, PIECE, 0, &abstract), -ECONNABORTED);
    (void)close(fds[0]);
    free(piece);
    free(heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_host_takes_nothing),
    };

    if (access("/usr/sbin/sshd", X_OK) != 0) {
        puts("SKIPPED: sshd is not installed (scripts/deps test installs openssh-server)");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

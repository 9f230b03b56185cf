/* Places are few: who holds one and takes nothing of his answer gives it up when somebody else wants it, and leaves
 * nothing in the kernel. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/server_priv.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/token.h"

#define CONNECTIONS 100 /* the fixture's limit; 88 of them for others than members */
#define STREAMS 64
#define HELLO "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
#define VOLUMES 2500
#define DEADLINE_MS 60000
#define NEVER_MS (10 * DEADLINE_MS)

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, true);
    fixture->members[0].config.send_timeout_ms = NEVER_MS;
    fixture_start(fixture, 0);
    fixture_lead(fixture, 0);
    fixture->members[0].server->slow_ms = NEVER_MS; /* only who takes nothing at all is slow */
    fixture->members[0].server->deaf_ms = 100;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

static struct api_server *server_of(const struct fixture *f)
{
    return f->members[0].server;
}

#define run_until(f, condition)                                      \
    do {                                                             \
        uint64_t deadline_ms_ = uv_hrtime() / 1000000 + DEADLINE_MS; \
        while (!(condition)) {                                       \
            fixture_run_once(f);                                     \
            assert_true(uv_hrtime() / 1000000 < deadline_ms_);       \
        }                                                            \
    } while (0)

/* A client from 127.0.0.host, which counts as none of this host, with little room for what it does not read. */
static int connect_from(struct fixture *f, uint8_t host)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000U + host)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(api_server_port(server_of(f)))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
    const struct api_conn *last = TAILQ_LAST(&server_of(f)->conns, api_conn_list);
    struct api_source *source;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    run_until(f, TAILQ_LAST(&server_of(f)->conns, api_conn_list) != last);
    TAILQ_FOREACH (source, &server_of(f)->sources, link) {
        source->local = false;
    }
    return fd;
}

static void ask(struct fixture *f, int fd, bool admin, const char *path)
{
    CLEANUP(free_ptr)
    char *token =
        token_bearer(admin ? "admin" : "user", admin ? ADMIN_KEY : USER_KEY, "GET", path, (int64_t)time(NULL));
    CLEANUP(free_ptr) char *text = mem_printf("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n", path, token);

    client_send(f, fd, text, strlen(text));
}

static void expect_answer(struct fixture *f, int fd, int status)
{
    struct answer answer = client_read(f, fd, false);

    assert_int_equal(answer.status, status);
    answer_fini(&answer);
}

/* How it ended; what came before is thrown away. */
static int end_of(struct fixture *f, int fd)
{
    char data[65536];
    ssize_t n = 1;

    run_until(f, (n = recv(fd, data, sizeof(data), 0)) == 0 || (n < 0 && errno != EAGAIN));
    return n == 0 ? 0 : errno;
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)close(fds[i]);
    }
}

static size_t n_slow(const struct fixture *f)
{
    const struct api_request *request;
    size_t n = 0;

    TAILQ_FOREACH (request, &server_of(f)->requests, link) {
        n += api_slow_is(request);
    }
    return n;
}

/* Of what the server sends on the newest one the kernel keeps no more than this. */
static void keep(struct fixture *f, int bytes)
{
    assert_int_equal(setsockopt(h2o_socket_get_fd(TAILQ_LAST(&server_of(f)->conns, api_conn_list)->sock), SOL_SOCKET,
                                SO_SNDBUF, &bytes, sizeof(bytes)),
                     0);
}

static void keep_little(struct fixture *f)
{
    keep(f, 4096);
}

/* A user's key, from two addresses. */
static void connections(void **state)
{
    struct fixture *f = *state;
    size_t n = CONNECTIONS - CONNECTIONS / 8;
    int fds[CONNECTIONS];

    (void)fixture_add_volumes(f, VOLUMES);
    run_until(f, server_of(f)->n_conns == 0);
    for (size_t i = 0; i < n; i++) {
        fds[i] = connect_from(f, i < n / 2 ? 2 : 3);
        keep_little(f);
        ask(f, fds[i], false, "/volumes");
    }
    run_until(f, n_slow(f) == n);
    assert_int_equal(server_of(f)->n_conns, n); /* nobody else wants one */
    assert_int_equal(server_of(f)->n_cut, 0);
    fds[n] = connect_from(f, 4);
    ask(f, fds[n], true, "/clusters");
    expect_answer(f, fds[n], 200);
    assert_int_equal(server_of(f)->n_conns, n); /* one was enough */
    assert_int_equal(n_slow(f), n - 1);
    close_all(fds, n + 1);
}

/* The same when they keep us at work, and none of them is known to be slow: for who has a token and for who has none.
 */
static void busy_connections(void **state)
{
    struct fixture *f = *state;
    size_t n = CONNECTIONS - CONNECTIONS / 8, n_sources = 3;
    int fds[CONNECTIONS], known, stranger;

    server_of(f)->deaf_ms = NEVER_MS;
    (void)fixture_add_volumes(f, VOLUMES);
    run_until(f, server_of(f)->n_conns == 0);
    for (size_t i = 0; i < n; i++) {
        fds[i] = connect_from(f, (uint8_t)(2 + i % n_sources));
        keep_little(f);
        ask(f, fds[i], false, "/volumes");
    }
    run_until(f, !TAILQ_EMPTY(&server_of(f)->requests) && TAILQ_EMPTY(&server_of(f)->arrived));
    known = connect_from(f, 5);
    ask(f, known, true, "/clusters");
    expect_answer(f, known, 200);
    stranger = connect_from(f, 6);
    client_send(f, stranger, HELLO, strlen(HELLO));
    expect_answer(f, stranger, 200);
    assert_int_equal(n_slow(f), 0);
    for (size_t i = 0; i < 20; i++) { /* who has his share gets no more */
        int fd = client_connect_from(api_server_port(server_of(f)), (uint8_t)(2 + i % n_sources));

        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        assert_int_not_equal(end_of(f, fd), EAGAIN);
        (void)close(fd);
    }
    ask(f, known, true, "/clusters");
    expect_answer(f, known, 200);
    client_send(f, stranger, HELLO, strlen(HELLO));
    expect_answer(f, stranger, 200);
    close_all(fds, n);
    (void)close(known);
    (void)close(stranger);
}

/* Two clients have the two places for what threads make. */
static void take_works(struct fixture *f, int fds[2])
{
    (void)fixture_add_volumes(f, 2 * VOLUMES);
    for (size_t i = 0; i < 2; i++) {
        fds[i] = connect_from(f, (uint8_t)(2 + i));
        keep_little(f);
        ask(f, fds[i], true, "/db/dump");
    }
    run_until(f, server_of(f)->n_threaded == 2);
}

static void long_answers(void **state)
{
    struct fixture *f = *state;
    int fds[3];

    take_works(f, fds);
    run_until(f, n_slow(f) == 2);
    assert_int_equal(server_of(f)->n_threaded, 2);
    fds[2] = connect_from(f, 4);
    ask(f, fds[2], true, "/backup/db");
    expect_answer(f, fds[2], 200);
    assert_int_equal(n_slow(f), 1);
    close_all(fds, 3);
}

static size_t n_streams(const struct fixture *f)
{
    const struct api_request *request;
    size_t n = 0;

    TAILQ_FOREACH (request, &server_of(f)->requests, link) {
        n += request->stream != NULL;
    }
    return n;
}

/* All that there are; the last n_source of them from one address. */
static void take_streams(struct fixture *f, int fds[STREAMS], size_t n_source)
{
    for (size_t i = 0; i < STREAMS; i++) {
        fds[i] = connect_from(f, i < STREAMS - n_source ? 3 : 2);
        ask(f, fds[i], true, "/events");
        run_until(f, n_streams(f) == i + 1);
    }
}

static void tell_much(struct fixture *f)
{
    CLEANUP(free_ptr) char *json = mem_alloc(100001);

    memset(json, 'x', 100000);
    json[100000] = '\0';
    api_server_event(server_of(f), 1, "changed", json);
}

static void streams(void **state)
{
    struct fixture *f = *state;
    int fds[STREAMS + 2];

    server_of(f)->deaf_ms = NEVER_MS; /* an acknowledgement may take longer than the time of this test */
    take_streams(f, fds, STREAMS / 2);
    fds[STREAMS] = connect_from(f, 4);
    ask(f, fds[STREAMS], true, "/events");
    expect_answer(f, fds[STREAMS], 503); /* the others listen */
    server_of(f)->deaf_ms = 100;
    tell_much(f);
    run_until(f, n_slow(f) == STREAMS);
    assert_int_equal(n_streams(f), STREAMS);
    fds[STREAMS + 1] = connect_from(f, 4);
    ask(f, fds[STREAMS + 1], true, "/events");
    run_until(f, n_slow(f) == STREAMS - 1);
    run_until(f, n_streams(f) == STREAMS && server_of(f)->n_cut == 0); /* one went, one came */
    close_all(fds, STREAMS + 2);
}

/* Whose address has its share gets the place of one of its own. */
static void streams_of_an_address(void **state)
{
    struct fixture *f = *state;
    int fds[STREAMS + 1];
    const struct api_request *request;
    size_t n = 0;

    take_streams(f, fds, STREAMS * 3 / 4);
    tell_much(f);
    run_until(f, n_slow(f) == STREAMS);
    fds[STREAMS] = connect_from(f, 2);
    ask(f, fds[STREAMS], true, "/events");
    run_until(f, n_slow(f) == STREAMS - 1);
    run_until(f, n_streams(f) == STREAMS && server_of(f)->n_cut == 0);
    TAILQ_FOREACH (request, &server_of(f)->requests, link) {
        n += request->conn->source->address.s6_addr[15] == 3;
    }
    assert_int_equal(n, STREAMS / 4);
    close_all(fds, STREAMS + 1);
}

static bool is_deaf(const struct api_request *request)
{
    return request != NULL && api_deaf_is(&request->conn->pace.deaf, 100);
}

/* Members take in large steps what they pass on: only the rate says whether their clients are slow. */
static void members(void **state)
{
    struct fixture *f = *state;
    const struct api_request *first;
    int fds[3];

    f->members[0].from_members = true;
    server_of(f)->config.request_timeout_ms = 300;
    take_works(f, fds);
    f->members[0].from_members = false;
    first = TAILQ_FIRST(&server_of(f)->requests);
    run_until(f, is_deaf(first) && is_deaf(TAILQ_NEXT(first, link)));
    assert_int_equal(n_slow(f), 0);
    fds[2] = connect_from(f, 4);
    ask(f, fds[2], true, "/backup/db");
    expect_answer(f, fds[2], 503);
    assert_int_equal(server_of(f)->n_threaded, 2);
    close_all(fds, 3);
}

/* ---- what is left of them ---- */

/* Has the kernel a connection of this server's with that client? */
static bool kernel_has(uint16_t server_port, int fd)
{
    struct sockaddr_in own = {0};
    socklen_t own_len = sizeof(own);
    FILE *file = fopen("/proc/net/tcp", "re");
    char line[512];
    bool found = false;

    assert_non_null(file);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &own_len), 0);
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned local, remote;

        if (sscanf(line, " %*d: %*8x:%x %*8x:%x", &local, &remote) == 2) {
            found = found || (local == server_port && remote == ntohs(own.sin_port));
        }
    }
    (void)fclose(file);
    return found;
}

/* A client that has not taken its answer is cut, for a newcomer or when its time is over. */
static void nothing_is_left(void **state)
{
    struct fixture *f = *state;
    uint16_t port = api_server_port(server_of(f));

    (void)fixture_add_volumes(f, 2 * VOLUMES);
    for (size_t i = 0; i < 2; i++) {
        int fd;

        run_until(f, server_of(f)->n_conns == 0);
        fd = connect_from(f, 2);
        assert_true(kernel_has(port, fd));
        server_of(f)->config.send_timeout_ms = i == 0 ? NEVER_MS : 100; /* for the answer, not for the kernel */
        ask(f, fd, true, "/db/dump");
        if (i == 0) {
            run_until(f, n_slow(f) == 1);
            api_slow_end(TAILQ_FIRST(&server_of(f)->requests));
        }
        run_until(f, server_of(f)->n_conns == 0);
        assert_false(kernel_has(port, fd));
        assert_int_equal(end_of(f, fd), ECONNRESET);
        (void)close(fd);
    }
}

/* All that was made is on its way, and the next part is being made. */
static bool is_between_parts(const struct fixture *f)
{
    const struct api_request *request = TAILQ_FIRST(&server_of(f)->requests);

    return request != NULL && request->state == API_SENDING && request->work != NULL &&
           uv_stream_get_write_queue_size(request->conn->stream) == 0;
}

/* A part of an answer is none, also when the kernel has all that there is of it yet. */
static void nothing_is_left_of_a_part(void **state)
{
    struct fixture *f = *state;
    uint16_t port = api_server_port(server_of(f));
    int fd;

    (void)fixture_add_volumes(f, 2 * VOLUMES);
    run_until(f, server_of(f)->n_conns == 0);
    fd = client_connect(port); /* with room for a part */
    run_until(f, server_of(f)->n_conns == 1);
    keep(f, 1 << 20);
    ask(f, fd, true, "/db/dump");
    run_until(f, is_between_parts(f));
    api_conn_cut(TAILQ_FIRST(&server_of(f)->conns));
    run_until(f, server_of(f)->n_conns == 0);
    assert_false(kernel_has(port, fd));
    assert_int_equal(end_of(f, fd), ECONNRESET);
    (void)close(fd);
}

static void nothing_is_left_of_a_stream(void **state)
{
    struct fixture *f = *state;
    uint16_t port = api_server_port(server_of(f));
    int fd = connect_from(f, 2);

    ask(f, fd, true, "/events");
    run_until(f, n_streams(f) == 1);
    tell_much(f);
    run_until(f, n_slow(f) == 1);
    api_slow_end(TAILQ_FIRST(&server_of(f)->requests));
    run_until(f, server_of(f)->n_conns == 0);
    assert_false(kernel_has(port, fd));
    (void)close(fd);
}

/* What a connection that has to go was sent as a whole is still read; but the kernel does not keep it for ever. */
static void a_whole_answer_is_left(void **state)
{
    struct fixture *f = *state;

    fixture_add_clusters(f, 2000);
    for (size_t i = 0; i < 2; i++) {
        uint16_t port;
        int fd;

        fixture_close(f, 0);
        f->members[0].config.send_timeout_ms = i == 0 ? NEVER_MS : 1000;
        fixture_start(f, 0);
        fixture_lead(f, 0);
        port = api_server_port(server_of(f));
        fd = connect_from(f, 2);
        ask(f, fd, true, "/clusters");
        run_until(f, TAILQ_FIRST(&server_of(f)->conns)->used);
        api_conn_cut(TAILQ_FIRST(&server_of(f)->conns));
        run_until(f, server_of(f)->n_conns == 0);
        if (i == 0) {
            assert_true(kernel_has(port, fd));
            expect_answer(f, fd, 200);
            assert_int_equal(end_of(f, fd), 0);
        } else {
            run_until(f, !kernel_has(port, fd));
        }
        (void)close(fd);
    }
}

/* Closed by its client's wish, with an answer that the kernel has as a whole and nobody takes. */
static int leave_one(struct fixture *f, uint8_t host)
{
    int fd = connect_from(f, host);

    ask(f, fd, true, "/clusters");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    run_until(f, server_of(f)->n_conns == 0);
    return fd;
}

/* It keeps its place, until the client has taken all of it, however slowly. */
static void what_is_left_counts(void **state)
{
    struct fixture *f = *state;
    struct api_server *server = server_of(f);
    int fd, others[CONNECTIONS];
    size_t n = CONNECTIONS - CONNECTIONS / 8;

    fixture_add_clusters(f, 2000);
    fd = leave_one(f, 2);
    assert_int_equal(server->n_left, 1);
    assert_true(TAILQ_FIRST(&server->left)->left_bytes > 1000);
    for (size_t i = 0; i + 1 < n; i++) {
        others[i] = connect_from(f, 3);
    }
    assert_int_equal(server->n_left, 1);
    assert_int_equal(server->stats.pushed_out, 0);
    assert_false(api_conn_has_room(server));
    expect_answer(f, fd, 200);
    assert_int_equal(end_of(f, fd), 0);
    run_until(f, server->n_left == 0);
    assert_true(api_conn_has_room(server));
    close_all(others, n - 1);
    (void)close(fd);
}

/* It is the first to go of its source, and what finds no place is not kept at all. */
static void what_is_left_gives_way(void **state)
{
    struct fixture *f = *state;
    struct api_server *server = server_of(f);
    uint16_t port = api_server_port(server);
    size_t n = CONNECTIONS - CONNECTIONS / 8;
    int left[CONNECTIONS], fd;

    fixture_add_clusters(f, 2000);
    for (size_t i = 0; i < n; i++) {
        left[i] = leave_one(f, 2);
    }
    assert_int_equal(server->n_left, n);
    fd = connect_from(f, 3);
    assert_int_equal(server->n_left, n - 1);
    assert_false(kernel_has(port, left[0]));
    assert_int_equal(end_of(f, left[0]), ECONNRESET);
    ask(f, fd, true, "/clusters"); /* it is pushed out before it takes the answer */
    run_until(f, TAILQ_FIRST(&server->conns)->used);
    server->n_left++; /* somebody has its place */
    api_conn_cut(TAILQ_FIRST(&server->conns));
    run_until(f, server->n_conns == 0);
    server->n_left--;
    assert_false(kernel_has(port, fd));
    assert_int_equal(server->n_left, n - 1);
    close_all(left, n);
    (void)close(fd);
    run_until(f, server->n_left == 0 && server->n_conns == 0);
}

/* As if the newest one had left more than a test can, and nobody looked. */
static void leave_more(struct fixture *f, size_t mib)
{
    struct api_conn *conn = TAILQ_LAST(&server_of(f)->left, api_conn_list);

    conn->source->left_bytes += (mib << 20) - conn->left_bytes;
    conn->left_bytes = mib << 20;
    uv_timer_stop(&server_of(f)->left_timer);
}

/* Bytes have a limit for a source, and for all. */
static void what_is_left_has_a_limit(void **state)
{
    struct fixture *f = *state;
    struct api_server *server = server_of(f);
    size_t most = 0;
    int left[6];

    fixture_add_clusters(f, 2000);
    left[0] = leave_one(f, 2);
    leave_more(f, 17);
    left[1] = leave_one(f, 2);
    assert_int_equal(server->n_left, 1); /* the first one has gone: its source had too many */
    close_all(left, 2);
    api_conn_forget(TAILQ_FIRST(&server->left));
    server->stats.pushed_out = 0;
    for (size_t i = 0; i < 6; i++) {
        size_t before = server->n_left;

        left[i] = leave_one(f, (uint8_t)(2 + i));
        assert_in_range(server->n_left, before, before + 1);
        leave_more(f, 15);
        most = server->n_left > most ? server->n_left : most;
    }
    assert_int_equal(most, 5);
    assert_int_equal(server->stats.pushed_out, 1);
    close_all(left, 6);
}

/* A server that ends resets nobody: whatever the client can still read, it reads. */
static void a_planned_end(void **state)
{
    struct fixture *f = *state;
    struct api_server *server = server_of(f);
    int fd;

    (void)fixture_add_volumes(f, 2 * VOLUMES);
    run_until(f, server->n_conns == 0);
    fd = connect_from(f, 2);
    ask(f, fd, true, "/db/dump");
    run_until(f, n_slow(f) == 1);
    fixture_close_begin(f, 0);
    fixture_close_end(f, 0);
    assert_int_equal(end_of(f, fd), 0);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections, setup, teardown),
        cmocka_unit_test_setup_teardown(busy_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(long_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(streams, setup, teardown),
        cmocka_unit_test_setup_teardown(streams_of_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(members, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left_of_a_part, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left_of_a_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(a_whole_answer_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_left_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_left_gives_way, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_left_has_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_planned_end, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Connections and bytes of who has no token: they are bounded, and keep nobody else from being answered. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
#define HALF "GET /hello HTTP/1.1\r\nHost: x\r\n"
#define DEADLINE_MS 60000

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, true);
    fixture_start(fixture, 0);
    fixture_lead(fixture, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    expect(*state, 0, "GET", "/hello", NULL, 200, "Hello from Heketi"); /* still there */
    fixture_fini(*state);
    free(*state);
    return 0;
}

static int connect_to(struct fixture *f)
{
    return client_connect(api_server_port(f->members[0].server));
}

/* The whole head of a request with a valid token, and without the empty line. */
static char *head_of(const char *method, const char *path)
{
    CLEANUP(free_ptr) char *bearer = token_bearer("admin", ADMIN_KEY, method, path, (int64_t)time(NULL));

    return mem_printf("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n", method, path, bearer);
}

static int status_on(struct fixture *f, int fd, const char *method, const char *path, const char *body)
{
    CLEANUP(free_ptr) char *head = head_of(method, path);
    CLEANUP(free_ptr) char *text = mem_printf("%sContent-Length: %zu\r\n\r\n%s", head, strlen(body), body);
    struct answer answer;
    int status;

    client_send(f, fd, text, strlen(text));
    answer = client_read(f, fd, false);
    status = answer.status;
    answer_fini(&answer);
    return status;
}

/* n connections with half a request each. */
static void flood(struct fixture *f, int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fds[i] = connect_to(f);
        client_send(f, fds[i], HALF, strlen(HALF));
    }
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)close(fds[i]);
    }
}

static void half_sent_give_way(void **state)
{
    struct fixture *f = *state;
    int fds[3 * CONNECTIONS];
    struct buf rest = BUF_INIT;
    struct answer answer;

    for (size_t i = 0; i < 3; i++) {
        flood(f, fds + i * CONNECTIONS, CONNECTIONS);
        expect(f, 0, "GET", "/clusters", NULL, 200, "{\"clusters\":[]}\n");
        assert_true(f->members[0].server->n_conns <= CONNECTIONS);
    }
    client_read_end(f, fds[0], &rest); /* the oldest has gone, the newest has not */
    assert_int_equal(rest.len, 0);
    client_send(f, fds[3 * CONNECTIONS - 1], "\r\n", 2);
    answer = client_read(f, fds[3 * CONNECTIONS - 1], false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    close_all(fds, 3 * CONNECTIONS);
}

/* Connections that had a valid token stay, and so do those for which something is at work. */
static void known_ones_stay(void **state)
{
    struct fixture *f = *state;
    int fds[2 * CONNECTIONS];
    int known = connect_to(f), busy = connect_to(f);
    CLEANUP(free_ptr) char *head = head_of("POST", "/clusters");
    CLEANUP(free_ptr) char *text = mem_printf("%sContent-Length: 2\r\n\r\n{}", head);
    struct answer answer;

    assert_int_equal(status_on(f, known, "GET", "/clusters", ""), 200);
    f->members[0].mode = FIXTURE_HOLD;
    client_send(f, busy, text, strlen(text));
    while (f->members[0].n_held == 0) {
        fixture_run_once(f);
    }
    flood(f, fds, 2 * CONNECTIONS);
    assert_int_equal(status_on(f, known, "GET", "/clusters", ""), 200);
    fixture_release(&f->members[0]);
    answer = client_read(f, busy, false);
    assert_int_equal(answer.status, 201);
    answer_fini(&answer);
    close_all(fds, 2 * CONNECTIONS);
    (void)close(known);
    (void)close(busy);
}

static size_t n_slow(const struct fixture *f)
{
    const struct api_request *request;
    size_t n = 0;

    TAILQ_FOREACH (request, &f->members[0].server->requests, link) {
        n += api_slow_is(request);
    }
    return n;
}

/* A user's clients that do not take their answers do not keep the last place. */
static void slow_ones_give_way(void **state)
{
    struct fixture *f = *state;
    struct api_server *server = f->members[0].server;
    size_t n = CONNECTIONS - CONNECTIONS / 8;
    uint64_t deadline_ms = uv_hrtime() / 1000000 + DEADLINE_MS;
    int fds[CONNECTIONS], small = 4096;

    fixture_add_clusters(f, 10000);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(free_ptr) char *head = head_of("GET", "/clusters");
        CLEANUP(free_ptr) char *text = mem_printf("%s\r\n", head);

        fds[i] = connect_to(f);
        while (server->n_conns == i) {
            fixture_run_once(f);
        }
        assert_int_equal(setsockopt(h2o_socket_get_fd(TAILQ_LAST(&server->conns, api_conn_list)->sock), SOL_SOCKET,
                                    SO_SNDBUF, &small, sizeof(small)),
                         0);
        client_send(f, fds[i], text, strlen(text));
    }
    server->slow_ms = 100;
    while (n_slow(f) < n) {
        fixture_run_once(f);
        assert_true(uv_hrtime() / 1000000 < deadline_ms);
    }
    assert_int_equal(server->n_conns, n); /* nobody else wants one */
    fds[n] = connect_to(f);
    assert_int_equal(status_on(f, fds[n], "GET", "/hello", ""), 200);
    assert_int_equal(server->n_conns, n);
    close_all(fds, n + 1);
}

/* Who floods from one address pushes out himself, and nobody who came before him from elsewhere. */
static void a_flood_pushes_out_itself(void **state)
{
    struct fixture *f = *state;
    uint16_t port = api_server_port(f->members[0].server);
    int fds[3 * CONNECTIONS];
    int honest = client_connect_from(port, 2);
    struct answer answer;

    client_send(f, honest, HALF, strlen(HALF));
    for (size_t i = 0; i < 3 * CONNECTIONS; i++) {
        fds[i] = client_connect_from(port, (uint8_t)(3 + i % 3));
        client_send(f, fds[i], HALF, strlen(HALF));
    }
    client_send(f, honest, "\r\n", 2);
    answer = client_read(f, honest, false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    close_all(fds, 3 * CONNECTIONS);
    (void)close(honest);
}

/* One who does not take an open answer has no right to its place either. */
static void answers_that_are_not_taken_give_way(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "GET /clusters HTTP/1.1\r\n\r\n"; /* refused: no token */
    int fds[CONNECTIONS];

    for (size_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = connect_to(f);
        for (size_t j = 0; j < 20; j++) {
            client_send(f, fds[i], text, strlen(text));
        }
    }
    expect(f, 0, "GET", "/clusters", NULL, 200, NULL);
    close_all(fds, CONNECTIONS);
}

static size_t requests(const struct fixture *f)
{
    const struct api_request *request;
    size_t n = 0;

    TAILQ_FOREACH (request, &f->members[0].server->requests, link) {
        n++;
    }
    return n;
}

/* Everything that others may have is at work: another one is refused, a member is not. */
static void places_of_members(void **state)
{
    struct fixture *f = *state;
    struct fixture_member *member = &f->members[0];
    CLEANUP(free_ptr) char *head = head_of("POST", "/clusters");
    CLEANUP(free_ptr) char *text = mem_printf("%sContent-Length: 2\r\n\r\n{}", head);
    int fds[CONNECTIONS];
    size_t n = CONNECTIONS - CONNECTIONS / 8;
    struct buf rest = BUF_INIT;

    f->members[0].serving = false; /* they wait */
    for (size_t i = 0; i < n; i++) {
        fds[i] = connect_to(f);
        client_send(f, fds[i], text, strlen(text));
        while (requests(f) <= i) {
            fixture_run_once(f);
        }
    }
    fds[n] = connect_to(f);
    client_send(f, fds[n], text, strlen(text));
    client_read_end(f, fds[n], &rest);
    assert_int_equal(rest.len, 0);
    member->from_members = true;
    expect(f, 0, "GET", "/hello", NULL, 200, NULL);
    member->from_members = false;
    member->serving = true;
    api_server_changed(member->server);
    for (size_t i = 0; i < n; i++) {
        struct answer answer = client_read(f, fds[i], false);

        assert_int_equal(answer.status, 201);
        answer_fini(&answer);
    }
    close_all(fds, n + 1);
}

/* Whoever runs on a member's host has its address: he fills a few places of members, and no others. */
static void a_member_address_has_a_share(void **state)
{
    struct fixture *f = *state;
    struct fixture_member *member = &f->members[0];
    uint16_t port = api_server_port(member->server);
    int fds[2 * CONNECTIONS];
    struct answer answer;
    int honest;

    member->from_members = true;
    for (size_t i = 0; i < 2 * CONNECTIONS; i++) {
        fds[i] = client_connect_from(port, 2);
        client_send(f, fds[i], HALF, strlen(HALF));
    }
    assert_in_range(member->server->n_members, 1, CONNECTIONS / 8 / 4);
    client_send(f, fds[0], "\r\n", 2); /* one of those that are kept */
    answer = client_read(f, fds[0], false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    member->from_members = false;
    honest = client_connect_from(port, 3);
    client_send(f, honest, HALF "\r\n", strlen(HALF) + 2);
    answer = client_read(f, honest, false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    member->from_members = true;
    expect(f, 0, "GET", "/hello", NULL, 200, NULL); /* another member */
    member->from_members = false;
    close_all(fds, 2 * CONNECTIONS);
    (void)close(honest);
}

static void half_requests_end(void **state)
{
    struct fixture *f = *state;
    struct buf rest = BUF_INIT;
    uint64_t begin_ms = uv_hrtime() / 1000000;
    int fd;

    fixture_close(f, 0);
    f->members[0].config.read_timeout_ms = 6000;
    fixture_start(f, 0);
    fd = connect_to(f);
    client_send(f, fd, HALF, strlen(HALF));
    client_read_end(f, fd, &rest);
    assert_int_equal(rest.len, 0);
    assert_true(uv_hrtime() / 1000000 - begin_ms < 5000); /* a third of it, and not the whole */
    (void)close(fd);
}

/* ---- bytes ---- */

static size_t collected(const struct fixture *f)
{
    const struct api_conn *conn;
    size_t total = 0;

    TAILQ_FOREACH (conn, &f->members[0].server->conns, link) {
        total += conn->sock->input->size;
    }
    return total;
}

static void bodies_need_a_token(void **state)
{
    static const char head[] = "POST /volumes HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n";
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *body = mem_calloc(1, 1 << 20);
    int fds[50];
    size_t most = 0;

    for (size_t i = 0; i < 50; i++) {
        fds[i] = connect_to(f);
        client_send(f, fds[i], head, strlen(head));
        for (size_t at = 0; at < (1 << 20) - 1; at += 65535) {
            size_t now;

            client_send(f, fds[i], body + at, at + 65535 < (1 << 20) ? 65535 : 1);
            now = collected(f);
            most = now > most ? now : most;
        }
    }
    assert_true(most < 4 << 20); /* of 50 MiB */
    close_all(fds, 50);
}

/* The client is told why. */
static void refusal_is_told(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *body = mem_calloc(1, 16385); /* the last byte is one too many: nothing is left unread */
    struct buf got = BUF_INIT;
    int fd = connect_to(f);

    client_send(f, fd, "POST /volumes HTTP/1.1\r\nContent-Length: 40001\r\n\r\n", 49);
    client_send(f, fd, body, 16385);
    client_read_end(f, fd, &got);
    assert_non_null(strstr(buf_str(&got), "HTTP/1.1 401 Unauthorized\r\n"));
    assert_non_null(strstr(buf_str(&got), "\r\n\r\na body of this size needs a valid token in Authorization\n"));
    buf_fini(&got);
    (void)close(fd);
}

static void bodies_with_a_token(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *body = mem_calloc(1, (1 << 20) + 1);

    memset(body, ' ', 1 << 20);
    memcpy(body, "{\"file\":true}", 13);
    expect(f, 0, "POST", "/clusters", body, 201, NULL);
}

/* Large ones that come together are read one in a turn, and all of them are answered. */
static void large_bodies_take_turns(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *body = mem_calloc(1, 1 << 16);
    CLEANUP(free_ptr) char *head = head_of("POST", "/clusters");
    CLEANUP(free_ptr) char *text = mem_printf("%sContent-Length: 65535\r\n\r\n", head);
    int fds[20];

    memset(body, ' ', (1 << 16) - 1);
    memcpy(body, "{\"file\":true}", 13);
    for (size_t i = 0; i < 20; i++) {
        fds[i] = connect_to(f);
        client_send(f, fds[i], text, strlen(text));
        client_send(f, fds[i], body, 65534);
    }
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(send(fds[i], " ", 1, MSG_NOSIGNAL), 1);
    }
    for (size_t i = 0; i < 20; i++) {
        struct answer answer = client_read(f, fds[i], false);

        assert_int_equal(answer.status, 201);
        answer_fini(&answer);
    }
    close_all(fds, 20);
}

/* Also those that have a token may not fill the memory together: the largest one is refused. */
static void bodies_have_a_limit_together(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *body = mem_calloc(1, 1 << 20);
    CLEANUP(free_ptr) char *head = head_of("POST", "/clusters");
    CLEANUP(free_ptr) char *text = mem_printf("%sContent-Length: 1048576\r\n\r\n", head);
    int fds[80];
    size_t refused = 0;

    for (size_t i = 0; i < 80; i++) {
        fds[i] = connect_to(f);
        client_send(f, fds[i], text, strlen(text));
        client_send(f, fds[i], body, (1 << 20) - 1);
        assert_true(collected(f) < 66 << 20);
    }
    for (int turns = 0; refused < 16; turns++) { /* what was sent last may not have been read yet */
        assert_true(turns < DEADLINE_MS);
        fixture_run_once(f);
        refused = 0;
        for (size_t i = 0; i < 80; i++) {
            char got[32] = "";
            ssize_t n = recv(fds[i], got, sizeof(got) - 1, MSG_DONTWAIT | MSG_PEEK);

            refused += n > 0 && strncmp(got, "HTTP/1.1 503 ", 13) == 0;
        }
    }
    close_all(fds, 80);
}

/* Whoever may not import cannot keep an administrator from it, however much he sends. */
static void only_an_import_is_large(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *bearer = token_bearer("user", USER_KEY, "POST", "/volumes", (int64_t)time(NULL));
    CLEANUP(free_ptr)
    char *mine = mem_printf("POST /volumes HTTP/1.1\r\nAuthorization: %s\r\nContent-Length: 8000000\r\n\r\n", bearer);
    CLEANUP(free_ptr) char *head = head_of("POST", "/db/import");
    CLEANUP(free_ptr) char *text = mem_printf("%sContent-Length: 3000000\r\n\r\n", head);
    CLEANUP(free_ptr) char *body = mem_calloc(1, 3000000);
    int user = connect_to(f), admin = connect_to(f);
    struct answer answer;

    client_send(f, user, mine, strlen(mine));
    client_send(f, user, body, 3000000);
    answer = client_read(f, user, false);
    assert_int_equal(answer.status, 413); /* while most of it is still to come */
    answer_fini(&answer);
    assert_null(f->members[0].server->bulky);
    client_send(f, admin, text, strlen(text));
    client_send(f, admin, body, 3000000);
    answer = client_read(f, admin, false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    (void)close(user);
    (void)close(admin);
}

static size_t answered(const int *fds, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        char byte;

        count += recv(fds[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
    }
    return count;
}

/* All go on when there is a leader: a share of them in each turn. */
static void a_leader_comes(void **state)
{
    struct fixture *f = *state;
    struct fixture_member *member = &f->members[0];
    CLEANUP(free_ptr) char *head = head_of("POST", "/clusters");
    CLEANUP(free_ptr) char *text = mem_printf("%sContent-Length: 2\r\n\r\n{}", head);
    int fds[400];

    fixture_close(f, 0);
    member->config.connections_max = 500;
    fixture_start(f, 0);
    member->serving = false;
    for (size_t i = 0; i < 400; i++) {
        fds[i] = connect_to(f);
        client_send(f, fds[i], text, strlen(text));
    }
    while (requests(f) < 400 || !TAILQ_EMPTY(&member->server->arrived)) {
        fixture_run_once(f);
    }
    member->serving = true;
    api_server_changed(member->server);
    assert_in_range(answered(fds, 400), 1, 399);
    api_server_changed(member->server); /* nobody is forgotten for that */
    for (size_t i = 0; i < 400; i++) {
        struct answer answer = client_read(f, fds[i], false);

        assert_int_equal(answer.status, 201);
        answer_fini(&answer);
    }
    close_all(fds, 400);
}

static void two_lengths(void **state)
{
    static const char *const headers[] = {
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 11\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
        CLEANUP(free_ptr) char *head = head_of("POST", "/clusters");
        CLEANUP(free_ptr) char *text = mem_printf("%s%s", head, headers[i]);
        int fd = connect_to(f);
        struct answer answer;

        client_send(f, fd, text, strlen(text));
        answer = client_read(f, fd, false);
        assert_int_equal(answer.status, 400);
        answer_fini(&answer);
        (void)close(fd);
    }
    assert_int_equal(store_counts(f->store).clusters, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(half_sent_give_way, setup, teardown),
        cmocka_unit_test_setup_teardown(known_ones_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_ones_give_way, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_pushes_out_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_that_are_not_taken_give_way, setup, teardown),
        cmocka_unit_test_setup_teardown(places_of_members, setup, teardown),
        cmocka_unit_test_setup_teardown(a_member_address_has_a_share, setup, teardown),
        cmocka_unit_test_setup_teardown(a_leader_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(half_requests_end, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_need_a_token, setup, teardown),
        cmocka_unit_test_setup_teardown(refusal_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_with_a_token, setup, teardown),
        cmocka_unit_test_setup_teardown(large_bodies_take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_have_a_limit_together, setup, teardown),
        cmocka_unit_test_setup_teardown(only_an_import_is_large, setup, teardown),
        cmocka_unit_test_setup_teardown(two_lengths, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

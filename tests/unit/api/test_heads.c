/* Heads of requests whose bodies are still to come: the token in them is looked at as soon as they are complete, and is
 * good for this request alone. */
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

#include "api/head.h"
#include "api/server_priv.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/token.h"

#define CONNECTIONS 100 /* the fixture's limit */
#define HALF "GET /clusters HTTP/1.1\r\nHost: x\r\n"
#define NO_TOKEN "POST /clusters HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
#define DEADLINE_MS 60000
#define NEVER_MS (10 * DEADLINE_MS)

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, true);
    fixture->members[0].config.read_timeout_ms = NEVER_MS;
    fixture_start(fixture, 0);
    fixture_lead(fixture, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

#define run_until(f, condition)                                      \
    do {                                                             \
        uint64_t deadline_ms_ = uv_hrtime() / 1000000 + DEADLINE_MS; \
        while (!(condition)) {                                       \
            fixture_run_once(f);                                     \
            assert_true(uv_hrtime() / 1000000 < deadline_ms_);       \
        }                                                            \
    } while (0)

static struct api_server *server_of(const struct fixture *f)
{
    return f->members[0].server;
}

/* The newest connection. */
static struct api_conn *conn_of(const struct fixture *f)
{
    return TAILQ_LAST(&server_of(f)->conns, api_conn_list);
}

static int connect_to(struct fixture *f)
{
    size_t n = server_of(f)->n_conns;
    int fd = client_connect(api_server_port(server_of(f)));

    run_until(f, server_of(f)->n_conns == n + 1);
    return fd;
}

/* With a valid token: POST /clusters, whose body of two bytes does not come yet. */
static char *good_head(void)
{
    CLEANUP(free_ptr) char *bearer = token_bearer("admin", ADMIN_KEY, "POST", "/clusters", (int64_t)time(NULL));

    return mem_printf("POST /clusters HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 2\r\n\r\n", bearer);
}

static void send_text(struct fixture *f, int fd, const char *text)
{
    client_send(f, fd, text, strlen(text));
}

static void expect_answer(struct fixture *f, int fd, int status)
{
    struct answer answer = client_read(f, fd, false);

    assert_int_equal(answer.status, status);
    answer_fini(&answer);
}

/* ---- the end of a head ---- */

/* Wherever it is cut: what is looked for in the new part alone is found. */
static void ends_are_found(void **state)
{
    static const char *const heads[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\nHost: x\n\r\n",
        "\r\nGET / HTTP/1.1\r\n\r\n",        "GET / HTTP/1.1\r\n\r\nbody",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
        size_t len = strlen(heads[i]);

        for (size_t step = 1; step <= len; step++) {
            bool found = false;

            for (size_t seen = 0, now; seen < len && !found; seen = now) {
                struct api_head head;

                now = seen + step < len ? seen + step : len;
                found = api_head_may_end(heads[i], now, seen);
                assert_int_equal(found, api_head_read(heads[i], now, &head));
            }
            assert_true(found);
        }
    }
}

static void no_ends_are_found(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nA: \r\r\nB: x\r\n \r\n";

    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        for (size_t seen = 0; seen <= len + 1; seen++) {
            assert_false(api_head_may_end(text, len, seen));
        }
    }
}

/* ---- at once ---- */

static void a_good_one_is_known(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *head = good_head();
    int fd = connect_to(f);
    size_t len = strlen(head);

    client_send(f, fd, head, len - 1);
    run_until(f, conn_of(f)->sock->input->size == len - 1);
    assert_false(conn_of(f)->body_allowed);
    client_send(f, fd, head + len - 1, 1);
    run_until(f, conn_of(f)->body_allowed);
    assert_int_equal(conn_of(f)->sock->input->size, len); /* nothing of the body has come */
    send_text(f, fd, "{}");
    expect_answer(f, fd, 201);
    run_until(f, conn_of(f)->request == NULL);
    assert_false(conn_of(f)->body_allowed); /* the next one has its own */
    send_text(f, fd, NO_TOKEN);
    run_until(f, conn_of(f)->bad_head == strlen(NO_TOKEN));
    (void)close(fd);
}

/* It is waited for a little, in case that the rest comes soon; then the client is told. */
static void a_bad_one_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *head = good_head();
    int bad, good;

    good = connect_to(f);
    send_text(f, good, head);
    bad = connect_to(f);
    send_text(f, bad, NO_TOKEN);
    run_until(f, conn_of(f)->bad_head == strlen(NO_TOKEN));
    send_text(f, bad, "{}"); /* soon: it hears what the contract says */
    expect_answer(f, bad, 401);
    assert_false(conn_of(f)->refused);
    server_of(f)->config.read_timeout_ms = 15; /* a part of it is over at once */
    send_text(f, bad, NO_TOKEN);
    expect_answer(f, bad, 401);
    send_text(f, good, "{}"); /* and this one has all the time of a request */
    expect_answer(f, good, 201);
    (void)close(bad);
    (void)close(good);
}

/* ---- what it protects ---- */

/* As many strangers as there are places, twice. */
static void flood(struct fixture *f, int fds[2 * CONNECTIONS])
{
    for (size_t i = 0; i < 2 * CONNECTIONS; i++) {
        fds[i] = client_connect(api_server_port(server_of(f)));
        send_text(f, fds[i], HALF);
    }
}

static void drain(const int fds[2 * CONNECTIONS])
{
    for (size_t i = 0; i < 2 * CONNECTIONS; i++) {
        (void)close(fds[i]);
    }
}

static bool has_ended(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* A token protects the connection while its request is answered, and until something else comes. */
static void an_earlier_token_protects_nobody(void **state)
{
    static const char *const next[] = {HALF, NO_TOKEN, HALF "\r\n", "GET /hello HTTP/1.1\r\n\r\n"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(next) / sizeof(*next); i++) {
        CLEANUP(free_ptr) char *head = good_head();
        int fds[2 * CONNECTIONS], idle = connect_to(f), arriving, stranger;

        send_text(f, idle, head);
        send_text(f, idle, "{}");
        expect_answer(f, idle, 201);
        arriving = connect_to(f);
        send_text(f, arriving, head);
        stranger = connect_to(f);
        send_text(f, stranger, head);
        send_text(f, stranger, "{}");
        expect_answer(f, stranger, 201);
        send_text(f, stranger, next[i]);
        if (i >= 2) { /* a whole request */
            expect_answer(f, stranger, i == 2 ? 401 : 200);
        }
        flood(f, fds);
        run_until(f, has_ended(stranger));
        assert_false(has_ended(idle));
        send_text(f, arriving, "{}");
        expect_answer(f, arriving, 201);
        drain(fds);
        (void)close(stranger);
        (void)close(idle);
        (void)close(arriving);
        run_until(f, server_of(f)->n_conns == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_found),
        cmocka_unit_test(no_ends_are_found),
        cmocka_unit_test_setup_teardown(a_good_one_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_one_is_not_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(an_earlier_token_protects_nobody, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

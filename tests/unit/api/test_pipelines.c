/* Clients that send many requests at once, and end, or take the answers slowly. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
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

#define PIPELINE 200 /* requests that h2o gets at once: it reads 4096 bytes */
#define TURNS_MAX 10000
#define SLOW_MS 1000
#define TAKE_MS 50 /* a short answer is taken in less than SLOW_MS */
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

static struct api_server *server_of(const struct fixture *f)
{
    return f->members[0].server;
}

static uint64_t n_answers(const struct fixture *f)
{
    uint64_t n = 0;

    for (size_t i = 0; i < sizeof(server_of(f)->stats.answers) / sizeof(*server_of(f)->stats.answers); i++) {
        n += server_of(f)->stats.answers[i];
    }
    return n;
}

static int pipeline(struct fixture *f, const char *request, size_t n)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    int fd = client_connect(api_server_port(server_of(f)));

    for (size_t i = 0; i < n; i++) {
        buf_append_str(&text, request);
    }
    client_send(f, fd, buf_str(&text), text.len);
    return fd;
}

/* The first of its requests waits for its turn. */
static int begin_pipeline(struct fixture *f)
{
    int fd = pipeline(f, "G / HTTP/1.1\r\n\r\n", PIPELINE);

    while (TAILQ_EMPTY(&server_of(f)->arrived)) {
        fixture_run_once(f);
    }
    assert_in_range(n_answers(f), 0, PIPELINE / 10);
    return fd;
}

/* The requests that were served after that many. */
static uint64_t served_to_the_end(struct fixture *f, uint64_t before)
{
    for (unsigned turns = 0; server_of(f)->n_conns > 0; turns++) {
        assert_true(turns < TURNS_MAX);
        fixture_run_once(f);
    }
    assert_int_equal(server_of(f)->n_cut, 0);
    return n_answers(f) - before;
}

/* Its end does not wait for the requests that h2o has of it: while many are about to end nobody else is accepted. */
static void ends_when_it_is_cut(void **state)
{
    struct fixture *f = *state;
    int fd = begin_pipeline(f);
    uint64_t before = n_answers(f);

    api_conn_cut(TAILQ_FIRST(&server_of(f)->conns));
    assert_in_range(served_to_the_end(f, before), 0, 1);
    (void)close(fd);
}

static void ends_when_it_is_reset(void **state)
{
    struct fixture *f = *state;
    int fd = begin_pipeline(f);
    struct linger reset = {.l_onoff = 1};
    uint64_t before = n_answers(f);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    (void)close(fd);
    assert_in_range(served_to_the_end(f, before), 0, 1);
}

/* Who only sends no more gets all his answers. */
static void all_are_answered_when_no_more_come(void **state)
{
    struct fixture *f = *state;
    int fd = begin_pipeline(f);

    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    for (size_t i = 0; i < PIPELINE; i++) {
        struct answer answer = client_read(f, fd, false);

        assert_int_equal(answer.status, 401);
        answer_fini(&answer);
    }
    (void)close(fd);
}

/* Whose client has reset it keeps no place, whatever its request waits for and however long. */
static void ends_while_it_waits(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *bearer = token_bearer("admin", ADMIN_KEY, "POST", "/clusters", (int64_t)time(NULL));
    CLEANUP(free_ptr)
    char *request =
        mem_printf("POST /clusters HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 2\r\n\r\n{}", bearer);
    struct linger reset = {.l_onoff = 1};

    for (size_t i = 0; i < 2; i++) {
        enum api_request_state waits = i == 0 ? API_WAITING : API_SUBMITTED;
        uint64_t before;
        int fd;

        fixture_close(f, 0);
        f->members[0].config.request_timeout_ms = 10 * DEADLINE_MS;
        f->members[0].mode = FIXTURE_HOLD;
        fixture_start(f, 0);
        fixture_lead(f, waits == API_WAITING ? -1 : 0);
        fd = pipeline(f, request, 1);
        while (TAILQ_EMPTY(&server_of(f)->requests) || TAILQ_FIRST(&server_of(f)->requests)->state != waits) {
            fixture_run_once(f);
        }
        before = n_answers(f);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        (void)close(fd);
        assert_in_range(served_to_the_end(f, before), 0, 1);
    }
    fixture_release(&f->members[0]);
}

static bool is_slow(const struct fixture *f)
{
    const struct api_request *request = TAILQ_FIRST(&server_of(f)->requests);

    return request != NULL && api_slow_is(request);
}

/* With little room on both sides for what is not taken yet. */
static int connect_with_little_room(struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(api_server_port(server_of(f)))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0); /* before the first window */
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (server_of(f)->n_conns == 0) {
        fixture_run_once(f);
    }
    assert_int_equal(setsockopt(h2o_socket_get_fd(TAILQ_FIRST(&server_of(f)->conns)->sock), SOL_SOCKET, SO_SNDBUF,
                                &small, sizeof(small)),
                     0);
    return fd;
}

/* Takes a little now and then, until the server takes the client for slow. */
static void take_slowly(struct fixture *f, int fd)
{
    uint64_t begin_ms = uv_hrtime() / 1000000, now_ms = begin_ms, taken_ms = begin_ms;
    char some[1024];

    while (!is_slow(f)) {
        now_ms = uv_hrtime() / 1000000;
        assert_true(now_ms - begin_ms < DEADLINE_MS);
        fixture_run_once(f);
        if (now_ms - taken_ms >= TAKE_MS) {
            taken_ms = now_ms;
            assert_true(recv(fd, some, sizeof(some), 0) != 0); /* it has not been cut */
        }
    }
}

/* Who takes many short answers slowly gives way like who takes a long one: no single one of them lasts long. */
static void slow_takers_give_way(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *bearer = token_bearer("admin", ADMIN_KEY, "GET", "/clusters", (int64_t)time(NULL));
    CLEANUP(free_ptr)
    char *request = mem_printf("GET /clusters HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n", bearer);
    int fd, other;
    struct answer answer;
    uint64_t before;

    fixture_close(f, 0);
    f->members[0].config.connections_max = 1;
    fixture_start(f, 0);
    fixture_lead(f, 0);
    fixture_add_clusters(f, 20);
    fd = connect_with_little_room(f);
    for (size_t i = 0; i < PIPELINE; i++) {
        client_send(f, fd, request, strlen(request));
    }
    before = n_answers(f);
    server_of(f)->slow_ms = SLOW_MS;
    take_slowly(f, fd);
    assert_true(n_answers(f) > before + 3);
    other = client_connect(api_server_port(server_of(f)));
    client_send(f, other, request, strlen(request));
    answer = client_read(f, other, false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    (void)close(other);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ends_when_it_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_when_it_is_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(all_are_answered_when_no_more_come, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_while_it_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_takers_give_way, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

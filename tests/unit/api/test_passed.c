/* Long answers that a member passes on while they come: a client that does not take them, a leader that falls silent.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/forward_priv.h"
#include "api/server_priv.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/peer.h"

#define GET "GET /volumes HTTP/1.1\r\nHost: x\r\n\r\n"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30000000\r\n\r\n"
#define PART 65536
#define TAKEN 20000000 /* of 30 MB: the leader has to wait some hundred times meanwhile */
#define WAIT_MS 20000
#define NEVER_MS 600000

struct world {
    struct fixture fixture;
    struct api_server *server; /* it passes on */
    int client, listener, leader;
    char data[PART];
};

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static int setup_with(void **state, uint32_t send_timeout_ms)
{
    struct world *world = mem_calloc(1, sizeof(*world));
    struct fixture_member *member = &world->fixture.members[1];
    uint16_t port;
    struct buf request = BUF_INIT;
    int small = PART;

    fixture_init(&world->fixture, false);
    member->config.request_timeout_ms = NEVER_MS;
    member->config.send_timeout_ms = send_timeout_ms;
    fixture_start(&world->fixture, 1);
    world->server = member->server;
    world->listener = peer_listen(&port);
    member->leader_port = port;
    world->client = client_connect(api_server_port(world->server));
    assert_int_equal(setsockopt(world->client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    client_send(&world->fixture, world->client, GET, strlen(GET));
    world->leader = peer_accept(&world->fixture, world->listener, &request);
    client_send(&world->fixture, world->leader, HEAD, strlen(HEAD));
    buf_fini(&request);
    *state = world;
    return 0;
}

static int setup_short(void **state)
{
    return setup_with(state, 3000);
}

static int setup(void **state)
{
    return setup_with(state, NEVER_MS);
}

static int teardown(void **state)
{
    struct world *world = *state;

    if (world->client >= 0) {
        close(world->client);
    }
    close(world->leader);
    close(world->listener);
    fixture_fini(&world->fixture);
    free(world);
    return 0;
}

static const struct api_forward *forward_of(const struct world *world)
{
    const struct api_request *request = TAILQ_FIRST(&world->server->requests);

    return request != NULL ? request->forward : NULL;
}

/* The leader has sent a part, and the client has taken it. */
static void begin(struct world *world)
{
    uint64_t deadline_ms = now_ms() + WAIT_MS;

    client_send(&world->fixture, world->leader, world->data, PART);
    for (size_t got = 0; got < PART || forward_of(world) == NULL || forward_of(world)->sending;) {
        ssize_t n = recv(world->client, world->data, PART, MSG_DONTWAIT);

        got += n > 0 ? (size_t)n : 0;
        fixture_run_once(&world->fixture);
        assert_true(now_ms() < deadline_ms);
    }
    assert_true(forward_of(world)->started);
}

/* Its connections, the client's and the leader's, end. */
static void expect_end(struct world *world)
{
    uint64_t deadline_ms = now_ms() + WAIT_MS;
    char byte;

    while (world->server->n_conns > 0) {
        fixture_run_once(&world->fixture);
        assert_true(now_ms() < deadline_ms);
    }
    assert_true(TAILQ_EMPTY(&world->server->forwarder->forwards));
    assert_int_equal(recv(world->leader, &byte, 1, MSG_DONTWAIT), 0);
}

/* ---- the client ---- */

/* As long as something waits to be taken there is an end of patience, also after the leader had to wait. */
static void client_takes_nothing_more(void **state)
{
    struct world *world = *state;
    uint64_t deadline_ms = now_ms() + WAIT_MS;
    size_t taken = 0;

    while (taken < TAKEN) {
        const struct api_request *request = TAILQ_FIRST(&world->server->requests);
        ssize_t n = send(world->leader, world->data, PART, MSG_DONTWAIT | MSG_NOSIGNAL);

        assert_true(n > 0 || errno == EAGAIN);
        assert_non_null(request);
        if (request->forward != NULL) {
            assert_false(request->forward->sending && request->deadline_ms == UINT64_MAX);
        }
        n = recv(world->client, world->data, PART / 4, MSG_DONTWAIT);
        taken += n > 0 ? (size_t)n : 0;
        fixture_run_once(&world->fixture);
        assert_true(now_ms() < deadline_ms);
    }
    while (world->server->n_conns > 0) { /* it reads nothing more */
        fixture_run_once(&world->fixture);
        assert_true(now_ms() < deadline_ms);
    }
}

/* ---- the leader ---- */

/* Its host has lost its power: nothing comes, not even an end. */
static void silent_leader(void **state)
{
    begin(*state);
    expect_end(*state);
}

static void silent_leader_that_leads_no_more(void **state)
{
    struct world *world = *state;

    begin(world);
    world->fixture.members[1].leader_port = 0;
    expect_end(world);
}

static void silent_leader_and_no_client(void **state)
{
    struct world *world = *state;

    begin(world);
    close(world->client);
    world->client = -1;
    expect_end(world);
}

/* Neither an answer that has begun nor one that has not holds up the end. */
static void silent_leader_at_the_end(void **state)
{
    struct world *world = *state;
    struct fixture *f = &world->fixture;
    struct buf request = BUF_INIT;
    struct answer answer;
    int client, leader;

    begin(world);
    client = client_connect(api_server_port(world->server));
    client_send(f, client, GET, strlen(GET));
    leader = peer_accept(f, world->listener, &request);
    fixture_close_begin(f, 1);
    answer = client_read(f, client, false);
    assert_int_equal(answer.status, 503);
    answer_fini(&answer);
    fixture_close_end(f, 1);
    close(client);
    close(leader);
    buf_fini(&request);
}

/* One that says something from time to time, until shortly before the end, does not either. */
static void slow_leader_at_the_end(void **state)
{
    struct world *world = *state;
    struct fixture *f = &world->fixture;
    const struct api_server *server = world->server;
    uint64_t close_by_ms;

    begin(world);
    fixture_close_begin(f, 1);
    close_by_ms = server->close_by_ms;
    while (!f->members[1].closed) {
        uint64_t loop_ms = uv_now(&f->loop);

        if (loop_ms + 300 < close_by_ms) {
            (void)send(world->leader, world->data, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        (void)recv(world->client, world->data, PART, MSG_DONTWAIT);
        fixture_run_once(f);
        assert_true(loop_ms < close_by_ms + 1500); /* less than the silence that it may keep otherwise */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(client_takes_nothing_more, setup_short, teardown),
        cmocka_unit_test_setup_teardown(silent_leader, setup_short, teardown),
        cmocka_unit_test_setup_teardown(silent_leader_that_leads_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_leader_and_no_client, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_leader_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_leader_at_the_end, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

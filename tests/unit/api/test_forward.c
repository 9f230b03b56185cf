/* Two members: what reaches the one that does not lead, what waits, what is repeated and what must not be. */
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
#include "tests/unit/api/token.h"

#define MANY 80
#define F32 "ffffffffffffffffffffffffffffffff"

static int setup_with(void **state, bool auth)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, auth);
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
    fixture_lead(fixture, 0);
    *state = fixture;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_auth(void **state)
{
    return setup_with(state, true);
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

static void restart(struct fixture *f, size_t member, uint32_t request_timeout_ms)
{
    fixture_close(f, member);
    f->members[member].config.request_timeout_ms = request_timeout_ms;
    fixture_start(f, member);
}

static int start_request(struct fixture *f, size_t member, const char *text)
{
    int fd = client_connect(api_server_port(f->members[member].server));

    client_send(f, fd, text, strlen(text));
    return fd;
}

static void finish_request(struct fixture *f, int fd, int status, const char *part)
{
    struct answer answer = client_read(f, fd, false);

    if (answer.status != status || (part != NULL && strstr(buf_str(&answer.body), part) == NULL)) {
        fail_msg("%d %s", answer.status, buf_str(&answer.body));
    }
    answer_fini(&answer);
    close(fd);
}

/* The head without its date. */
static char *comparable(const struct answer *answer)
{
    char *head = mem_strdup(buf_str(&answer->head));
    char *date = strcasestr(head, "\r\ndate:");

    if (date != NULL) {
        const char *end = strstr(date + 2, "\r\n");

        memmove(date, end, strlen(end) + 1);
    }
    return head;
}

static void same_from_any_member(void **state)
{
    static const char *const requests[][3] = {
        {"GET", "/clusters", NULL},
        {"GET", "/clusters?x=%zz", NULL},
        {"GET", "/%63lusters", NULL},
        {"GET", "/clusters/", NULL},
        {"HEAD", "/clusters", NULL},
        {"HEAD", "/xyz", NULL},
        {"OPTIONS", "/clusters", NULL},
        {"get", "/clusters", NULL},
        {"PATCH", "/volumes", "x"},
        {"GET", "/volumes/" F32, NULL},
        {"POST", "/volumes", ""},
        {"POST", "/volumes", "{\"size\":0}"},
        {"POST", "/nodes/" F32 "/state", "{\"state\":\"online\"}"},
        {"DELETE", "/clusters/" F32, "no json"},
        {"GET", "/queue/" F32, "{}"},
        {"GET", "/operations", NULL},
        {"GET", "//clusters", NULL},
        {"GET", "/hello", NULL},
    };
    struct fixture *f = *state;

    make_topology(f, 1);
    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        struct answer direct = client_do(f, 0, requests[i][0], requests[i][1], "", requests[i][2]);
        struct answer passed = client_do(f, 1, requests[i][0], requests[i][1], "", requests[i][2]);
        CLEANUP(free_ptr) char *direct_head = comparable(&direct);
        CLEANUP(free_ptr) char *passed_head = comparable(&passed);

        assert_string_equal(buf_str(&passed.body), buf_str(&direct.body));
        assert_string_equal(passed_head, direct_head);
        answer_fini(&direct);
        answer_fini(&passed);
    }
    create(f, 1, "/volumes", "{\"size\":1}");
    assert_int_equal(store_counts(f->store).volumes, 1);
}

static void tokens_survive(void **state)
{
    struct fixture *f = *state;
    struct answer answer;

    expect(f, 1, "GET", "/clusters?x=1", NULL, 200, "{\"clusters\":[]}\n");
    expect(f, 1, "POST", "/clusters", "{}", 201, NULL);
    answer = client_do(f, 1, "GET", "/clusters", "Authorization: bearer x\r\n", NULL);
    assert_int_equal(answer.status, 401);
    answer_fini(&answer);
}

static void long_answers_are_streamed(void **state)
{
    struct fixture *f = *state;
    struct answer direct, passed;
    int fds[4];

    fixture_add_clusters(f, 20000); /* 700 kB */
    direct = client_do(f, 0, "GET", "/clusters", "", NULL);
    assert_true(direct.body.len > 600000);
    for (size_t i = 0; i < 4; i++) {
        fds[i] = start_request(f, 1, "GET /clusters HTTP/1.1\r\n\r\n");
    }
    close(fds[0]); /* one goes away in the middle */
    for (size_t i = 1; i < 4; i++) {
        passed = client_read(f, fds[i], false);
        assert_int_equal(passed.body.len, direct.body.len);
        assert_memory_equal(passed.body.data, direct.body.data, direct.body.len);
        answer_fini(&passed);
        close(fds[i]);
    }
    answer_fini(&direct);
}

static void connections_are_kept(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    int listener = peer_listen(&port);
    struct buf request = BUF_INIT;
    int fd = -1;

    f->members[1].leader_port = port;
    for (int i = 0; i < 3; i++) {
        static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nX-Y: z\r\nContent-Length: 2\r\n\r\nhi";
        int client = start_request(f, 1, "GET /clusters?a=b HTTP/1.1\r\nAuthorization: bearer abc\r\n\r\n");

        if (i == 0) {
            fd = peer_accept(f, listener, &request);
        } else {
            peer_read(f, fd, &request); /* the same connection */
        }
        assert_non_null(strstr(buf_str(&request), "GET /clusters?a=b HTTP/1.1\r\n"));
        assert_non_null(strstr(buf_str(&request), "Authorization: bearer abc\r\n"));
        assert_non_null(strstr(buf_str(&request), "Hecate-Forwarded: 2\r\n"));
        assert_null(strstr(buf_str(&request), "Idempotency-Key"));
        client_send(f, fd, reply, strlen(reply));
        finish_request(f, client, 200, "hi");
    }
    close(fd);
    close(listener);
    buf_fini(&request);
}

static void waits_for_a_leader(void **state)
{
    struct fixture *f = *state;
    int fd, forwarded;

    fixture_lead(f, -1);
    fd = start_request(f, 0, "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    forwarded = start_request(f, 1, "GET /clusters HTTP/1.1\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        fixture_run_once(f);
    }
    assert_int_equal(f->members[0].submits, 0);
    expect(f, 1, "GET", "/cluster/leader", NULL, 503, NULL);
    expect(f, 1, "GET", "/readyz", NULL, 503, NULL);
    expect(f, 1, "GET", "/livez", NULL, 200, NULL);
    expect(f, 1, "GET", "/hello", NULL, 200, NULL);
    expect(f, 1, "GET", "/cluster/status", NULL, 200, NULL);
    fixture_lead(f, 0);
    finish_request(f, fd, 201, "\"id\"");
    finish_request(f, forwarded, 200, "clusters");
    expect(f, 1, "GET", "/readyz", NULL, 200, NULL);
    expect(f, 1, "GET", "/cluster/leader", NULL, 503, NULL);
}

static void no_leader_in_time(void **state)
{
    struct fixture *f = *state;
    struct answer answer;

    restart(f, 0, 150);
    fixture_lead(f, -1);
    answer = client_do(f, 0, "POST", "/clusters", "", "{}");
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer_header(&answer, "Retry-After"), "1");
    assert_string_equal(buf_str(&answer.body),
                        "{\"error\":\"unavailable\",\"reason\":\"no leader could be reached in time; nothing was "
                        "changed\"}\n");
    answer_fini(&answer);
    assert_int_equal(f->members[0].submits, 0);
}

/* Each takes the other for the leader. */
static void no_loops(void **state)
{
    struct fixture *f = *state;

    restart(f, 0, 1500);
    restart(f, 1, 1500);
    f->members[0].serving = false;
    f->members[0].leader = &f->members[1];
    f->members[1].leader = &f->members[0];
    expect(f, 1, "POST", "/clusters", "{}", 503, NULL);
    assert_int_equal(f->members[0].submits + f->members[1].submits, 0);
}

/* What came from a member is not passed on, whoever leads: the other one is told that nothing was done. */
static void not_forwarded_twice(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    int listener = peer_listen(&port);
    struct answer answer;

    f->members[1].leader_port = port;
    answer = client_do(f, 1, "POST", "/clusters", "Hecate-Forwarded: 3\r\n", "{}");
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer_header(&answer, "Hecate-Not-Executed"), "1");
    answer_fini(&answer);
    assert_true(accept(listener, NULL, NULL) < 0);
    close(listener);
}

/* The one it was forwarded to turns out not to lead: the other finds the real one. */
static void not_executed_is_tried_again(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->members[0].serving = false;
    f->members[1].leader = &f->members[0];
    fd = start_request(f, 1, "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    for (int i = 0; i < 20; i++) {
        fixture_run_once(f);
    }
    f->members[1].serving = true; /* nobody tells it: it asks again when the answer comes back */
    f->members[1].leader = NULL;
    finish_request(f, fd, 201, NULL);
    assert_int_equal(f->members[0].submits, 0);
    assert_int_equal(f->members[1].submits, 1);
}

static void leader_is_not_there(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->members[1].leader_port = peer_dead_port();
    fd = start_request(f, 1, "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    for (int i = 0; i < 60; i++) {
        fixture_run_once(f);
    }
    f->members[1].leader_port = 0;
    finish_request(f, fd, 201, NULL);
    assert_int_equal(store_counts(f->store).clusters, 1);
}

/* The leader takes the request and dies. A read is repeated; a change too, under the key it was given here. */
static void leader_dies(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    int listener = peer_listen(&port);
    struct buf request = BUF_INIT;
    CLEANUP(free_ptr) char *key = NULL;
    int client, fd;

    f->members[1].leader_port = port;
    client = start_request(f, 1, "GET /clusters HTTP/1.1\r\n\r\n");
    fd = peer_accept(f, listener, &request);
    close(fd);
    fd = peer_accept(f, listener, &request);
    assert_non_null(strstr(buf_str(&request), "GET /clusters"));
    f->members[1].leader_port = 0;
    close(fd);
    finish_request(f, client, 200, "{\"clusters\":[]}\n");

    f->members[1].leader_port = port;
    client = start_request(f, 1, "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    fd = peer_accept(f, listener, &request);
    assert_non_null(strstr(buf_str(&request), "Idempotency-Key: forward-"));
    assert_non_null(strstr(buf_str(&request), "Hecate-Key-Made: yes\r\n"));
    key = mem_strndup(strstr(buf_str(&request), "Idempotency-Key: "), 56);
    close(fd);
    fd = peer_accept(f, listener, &request);
    assert_non_null(strstr(buf_str(&request), key));
    f->members[1].leader_port = 0;
    close(fd);
    finish_request(f, client, 201, NULL);
    assert_int_equal(store_counts(f->store).clusters, 1);
    close(listener);
    buf_fini(&request);
}

static void in_doubt_and_not_repeatable(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    int listener = peer_listen(&port);
    struct buf request = BUF_INIT;
    int client, fd;

    f->members[1].leader_port = port;
    client = start_request(f, 1, "DELETE /clusters/" F32 " HTTP/1.1\r\n\r\n");
    fd = peer_accept(f, listener, &request);
    close(fd);
    finish_request(f, client, 503, "it may still be carried out");
    assert_true(accept(listener, NULL, NULL) < 0); /* once */
    close(listener);
    buf_fini(&request);
}

/* Applied, but the leader could not say so: the follower asks again with its key and gets the first one's result. */
static void exactly_once(void **state)
{
    struct fixture *f = *state;
    struct answer answer;

    make_topology(f, 0);
    f->members[0].mode = FIXTURE_IN_DOUBT;
    f->members[0].once = true;
    create(f, 1, "/volumes", "{\"size\":1}");
    assert_int_equal(store_counts(f->store).volumes, 1);
    f->members[0].mode = FIXTURE_IN_DOUBT; /* directly, with the client's own key */
    answer = client_do(f, 0, "POST", "/volumes", "Idempotency-Key: k\r\n", "{\"size\":1}");
    assert_int_equal(answer.status, 202);
    answer_fini(&answer);
    assert_int_equal(store_counts(f->store).volumes, 2);
    f->members[0].mode = FIXTURE_IN_DOUBT; /* directly, without one: the client has to know */
    answer = client_do(f, 0, "POST", "/volumes", "", "{\"size\":1}");
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer_header(&answer, "Retry-After"), "1");
    answer_fini(&answer);
    assert_int_equal(store_counts(f->store).volumes, 3);
}

/* Leadership moves while a change is submitted and nothing was done: it follows. */
static void hand_over(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->members[0].mode = FIXTURE_HOLD;
    fd = start_request(f, 0, "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    while (f->members[0].n_held == 0) {
        fixture_run_once(f);
    }
    fixture_lead(f, 1);
    f->members[0].n_held = 0;
    f->members[0].held[0].cb(f->members[0].held[0].cb_user,
                             &(struct api_submit_result){.kind = API_UNAVAILABLE, .untouched = true, .text = ""});
    store_request_fini(&f->members[0].held[0].request);
    finish_request(f, fd, 201, NULL);
    assert_int_equal(f->members[1].submits, 1);
    assert_int_equal(store_counts(f->store).clusters, 1);
}

/* A refusal made on a view that is out of date is not told. */
static void refusal_without_lease(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->members[0].mode = FIXTURE_HOLD;
    fd = start_request(f, 0, "DELETE /clusters/" F32 " HTTP/1.1\r\n\r\n");
    while (f->members[0].n_held == 0) {
        fixture_run_once(f);
    }
    fixture_lead(f, -1);
    fixture_release(&f->members[0]);
    for (int i = 0; i < 20; i++) {
        fixture_run_once(f);
    }
    assert_int_equal(f->members[0].submits, 1);
    fixture_lead(f, 0);
    finish_request(f, fd, 404, "Id not found");
    assert_int_equal(f->members[0].submits, 2);
}

/* A frozen leader keeps its connections open; a new one is elected. */
static void frozen_leader(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    int listener = peer_listen(&port);
    struct buf request = BUF_INIT;
    int get, post, fds[2];

    f->members[1].leader_port = port;
    get = start_request(f, 1, "GET /clusters HTTP/1.1\r\n\r\n");
    fds[0] = peer_accept(f, listener, &request);
    post = start_request(f, 1, "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    fds[1] = peer_accept(f, listener, &request);
    f->members[1].leader_port = 0;
    api_server_changed(f->members[1].server);
    finish_request(f, get, 200, NULL);
    finish_request(f, post, 201, NULL);
    assert_int_equal(store_counts(f->store).clusters, 1);
    close(fds[0]);
    close(fds[1]);
    close(listener);
    buf_fini(&request);
}

static void broken_answers(void **state)
{
    static const struct {
        const char *reply;
        int status; /* of ours, 0: cut off */
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", 502},
        {"garbage\r\n\r\n", 503},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok", 201},
        {"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200},
    };
    struct fixture *f = *state;
    uint16_t port;
    int listener = peer_listen(&port);
    struct buf request = BUF_INIT;

    f->members[1].leader_port = port;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int client = start_request(f, 1, "DELETE /clusters/" F32 " HTTP/1.1\r\n\r\n");
        int fd = peer_accept(f, listener, &request);
        struct answer answer;

        client_send(f, fd, cases[i].reply, strlen(cases[i].reply));
        close(fd);
        answer = client_read(f, client, false);
        if (answer.status != cases[i].status) {
            fail_msg("%s: %d %s", cases[i].reply, answer.status, buf_str(&answer.body));
        }
        answer_fini(&answer);
        close(client);
    }
    close(listener);
    buf_fini(&request);
}

/* ---- many at once ---- */

static size_t n_forwards(const struct fixture *f, bool begun)
{
    const struct api_forward *forward;
    size_t n = 0;

    TAILQ_FOREACH (forward, &f->members[1].server->forwarder->forwards, link) {
        n += begun ? !forward->waits : 1;
    }
    return n;
}

/* All of them are to begin in one turn, and all answers are there in one turn: a few are begun and answered in each. */
static void many_at_once(void **state)
{
    static const char request[] = "GET /clusters HTTP/1.1\r\nHost: x\r\n\r\n";
    struct fixture *f = *state;
    int clients[MANY];
    size_t n;

    f->members[1].serving = false;
    fixture_lead(f, -1);
    for (size_t i = 0; i < MANY; i++) { /* they wait for a leader */
        clients[i] = start_request(f, 1, request);
    }
    while (f->members[1].server->n_conns < MANY || !TAILQ_EMPTY(&f->members[1].server->arrived)) {
        fixture_run_once(f);
    }
    assert_int_equal(n_forwards(f, false), 0);
    fixture_lead(f, 0);
    api_server_changed(f->members[1].server);
    for (size_t begun = 0; begun < MANY; begun = n) {
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
        n = n_forwards(f, true) + f->members[1].server->stats.answers[2];
        assert_in_range(n - begun, 0, API_FORWARD_TURN_MAX);
    }
    for (size_t ended = f->members[1].server->stats.answers[2]; ended < MANY; ended = n) {
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
        n = f->members[1].server->stats.answers[2];
        assert_in_range(n - ended, 0, API_FORWARD_TURN_MAX);
    }
    for (size_t i = 0; i < MANY; i++) {
        finish_request(f, clients[i], 200, "clusters");
    }
}

/* One source asks for more than the leader takes of us at once, and does not take its answers: another one has its turn
 * all the same. */
static void sources_take_turns(void **state)
{
    static const char request[] = "GET /clusters HTTP/1.1\r\nHost: x\r\n\r\n";
    struct fixture *f = *state;
    const struct api_forward *forward;
    int clients[API_FORWARDS_MAX + 6], listener;
    const size_t n = sizeof(clients) / sizeof(*clients);
    bool begun[2] = {false, false};
    uint16_t port;

    listener = peer_listen(&port); /* it says nothing */
    f->members[1].leader_port = port;
    for (size_t i = 0; i < n; i++) {
        clients[i] = client_connect_from(api_server_port(f->members[1].server), i + 2 < n ? 2 : 3);
        client_send(f, clients[i], request, strlen(request));
        while (n_forwards(f, false) <= i) {
            fixture_run_once(f);
        }
    }
    for (unsigned turns = 0; !begun[0]; turns++) {
        assert_true(turns < 1000);
        fixture_run_once(f);
        TAILQ_FOREACH (forward, &f->members[1].server->forwarder->forwards, link) {
            if (forward->request->conn->source->address.s6_addr[15] == 3 && !forward->waits) {
                begun[begun[0]] = true;
            }
        }
    }
    assert_false(begun[1]); /* of the spare ones it has one */
    assert_int_equal(n_forwards(f, true), API_FORWARDS_MAX + 1);
    for (size_t i = 0; i < n; i++) {
        (void)close(clients[i]);
    }
    (void)close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_from_any_member, setup, teardown),
        cmocka_unit_test_setup_teardown(tokens_survive, setup_auth, teardown),
        cmocka_unit_test_setup_teardown(long_answers_are_streamed, setup, teardown),
        cmocka_unit_test_setup_teardown(connections_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_for_a_leader, setup, teardown),
        cmocka_unit_test_setup_teardown(no_leader_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(no_loops, setup, teardown),
        cmocka_unit_test_setup_teardown(not_forwarded_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(not_executed_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(leader_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(leader_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(in_doubt_and_not_repeatable, setup, teardown),
        cmocka_unit_test_setup_teardown(exactly_once, setup, teardown),
        cmocka_unit_test_setup_teardown(hand_over, setup, teardown),
        cmocka_unit_test_setup_teardown(refusal_without_lease, setup, teardown),
        cmocka_unit_test_setup_teardown(frozen_leader, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(many_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(sources_take_turns, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* GET /events: what a client hears, from which member it wants, also when it comes back; who does not read is cut off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"

#define DEADLINE_MS 10000

struct listener {
    int fd;
    struct buf got;
    bool ended;
};

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, false);
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
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

static void take(struct fixture *f, struct listener *listener)
{
    char data[65536];
    ssize_t n;

    fixture_run_once(f);
    n = recv(listener->fd, data, sizeof(data), 0);
    if (n > 0) {
        buf_append(&listener->got, data, (size_t)n);
    }
    listener->ended = n == 0 || listener->ended;
}

/* Until it has heard text, or with NULL until the connection ends. */
static void hear(struct fixture *f, struct listener *listener, const char *text)
{
    uint64_t deadline_ms = uv_hrtime() / 1000000 + DEADLINE_MS;

    while (text != NULL ? strstr(buf_str(&listener->got), text) == NULL : !listener->ended) {
        take(f, listener);
        if (uv_hrtime() / 1000000 > deadline_ms) {
            fail_msg("not heard: %s; so far: %s", text != NULL ? text : "the end", buf_str(&listener->got));
        }
    }
}

static size_t count(const struct listener *listener, const char *text)
{
    size_t n = 0;

    for (const char *at = listener->got.len > 0 ? listener->got.data : ""; (at = strstr(at, text)) != NULL; at++) {
        n++;
    }
    return n;
}

/* last_id: as the header has it; NULL: a new client. */
static struct listener ask(struct fixture *f, size_t member, const char *last_id)
{
    struct listener listener = {.fd = client_connect(api_server_port(f->members[member].server))};
    CLEANUP(free_ptr)
    char *request =
        mem_printf("GET /events HTTP/1.1\r\nHost: x\r\n%s%s%s\r\n", last_id != NULL ? "Last-Event-ID: " : "",
                   last_id != NULL ? last_id : "", last_id != NULL ? "\r\n" : "");

    client_send(f, listener.fd, request, strlen(request));
    return listener;
}

static struct listener listen_to(struct fixture *f, size_t member, const char *last_id)
{
    struct listener listener = ask(f, member, last_id);

    hear(f, &listener, "event: hello\n");
    return listener;
}

static void hang_up(struct listener *listener)
{
    (void)close(listener->fd);
    buf_fini(&listener->got);
}

static void tell(struct fixture *f, uint64_t index, const char *json)
{
    for (size_t i = 0; i < 2; i++) { /* as members do: each what it has applied */
        api_server_event(f->members[i].server, index, "changed", json);
    }
}

static void test_hears_what_happens(void **state)
{
    struct fixture *f = *state;
    struct listener on_leader = listen_to(f, 0, NULL), on_follower = listen_to(f, 1, NULL);

    hear(f, &on_leader, "HTTP/1.1 200 OK");
    hear(f, &on_leader, "text/event-stream");
    hear(f, &on_leader, "id: 0\n");
    tell(f, 7, "{\"n\":1}");
    hear(f, &on_leader, "id: 7\nevent: changed\ndata: {\"n\":1}\n\n");
    hear(f, &on_follower, "id: 7\nevent: changed\ndata: {\"n\":1}\n\n");
    api_server_event(f->members[1].server, 0, "leader", "{}"); /* of this member alone: a chunk without an id */
    hear(f, &on_follower, "\r\nevent: leader\ndata: {}\n\n");
    tell(f, 9, "{\"n\":2}");
    hear(f, &on_leader, "\"n\":2");
    assert_int_equal(count(&on_leader, "event: leader"), 0);
    hang_up(&on_leader);
    hang_up(&on_follower);
}

/* At another member, from where it stopped: nothing is missed, nothing comes twice. */
static void test_comes_back(void **state)
{
    struct fixture *f = *state;
    struct listener listener;

    tell(f, 3, "{\"n\":3}");
    tell(f, 4, "{\"n\":4}");
    tell(f, 8, "{\"n\":8}");
    listener = listen_to(f, 1, "3");
    hear(f, &listener, "\"n\":8");
    assert_int_equal(count(&listener, "\"n\":4"), 1);
    assert_int_equal(count(&listener, "\"n\":3"), 0);
    assert_int_equal(count(&listener, "event: reset"), 0);
    hang_up(&listener);
    /* This member is behind what the client knows: it hears the next one, once. */
    listener = listen_to(f, 1, "10");
    tell(f, 10, "{\"n\":10}");
    tell(f, 11, "{\"n\":11}");
    hear(f, &listener, "\"n\":11");
    assert_int_equal(count(&listener, "\"n\":10"), 0);
    hang_up(&listener);
}

static void test_came_back_too_late(void **state)
{
    struct fixture *f = *state;
    struct listener listener;

    for (uint64_t i = 1; i <= 2000; i++) {
        CLEANUP(free_ptr) char *json = mem_printf("{\"n\":%lu}", (unsigned long)i);

        tell(f, i, json);
    }
    listener = listen_to(f, 0, "5");
    hear(f, &listener, "\"n\":2000}");
    assert_int_equal(count(&listener, "event: reset"), 1);
    assert_int_equal(count(&listener, "event: changed"), 1024);
    hang_up(&listener);
    api_server_events_since(f->members[0].server, 5000); /* a snapshot was restored */
    listener = listen_to(f, 0, "4999");
    assert_int_equal(count(&listener, "event: reset"), 1);
    hear(f, &listener, "id: 5000\nevent: hello");
    hang_up(&listener);
}

static void test_needs_a_token(void **state)
{
    struct fixture *f = *state;
    struct answer answer;

    fixture_close(f, 0);
    f->members[0].config.auth = true;
    fixture_start(f, 0);
    answer = client_do(f, 0, "GET", "/events", "Authorization: bearer wrong\r\n", NULL);
    assert_int_equal(answer.status, 401);
    answer_fini(&answer);
}

/* The member ends, or hands over: streams end in good order, at once, and so do not hold it up. */
static void test_member_ends(void **state)
{
    struct fixture *f = *state;
    struct listener listener = listen_to(f, 0, NULL);
    uint64_t begin_ms = uv_hrtime() / 1000000;

    fixture_close_begin(f, 0);
    hear(f, &listener, NULL);
    hear(f, &listener, "\r\n0\r\n\r\n"); /* the last chunk */
    fixture_close_end(f, 0);
    assert_true(uv_hrtime() / 1000000 - begin_ms < 4000);
    hang_up(&listener);
    fixture_start(f, 0);

    listener = listen_to(f, 0, NULL);
    api_server_drain(f->members[0].server, true);
    hear(f, &listener, NULL);
    assert_false(api_server_owes(f->members[0].server, UINT64_MAX));
    api_server_drain(f->members[0].server, false);
    hang_up(&listener);
}

/* One who does not read costs a limited amount of memory and holds up nobody. */
static void test_does_not_read(void **state)
{
    struct fixture *f = *state;
    struct listener deaf, other;
    char *json = mem_alloc(10001);
    uint64_t index = 1;

    fixture_close(f, 0);
    f->members[0].config.send_timeout_ms = 1000;
    fixture_start(f, 0);
    deaf = listen_to(f, 0, NULL);
    other = listen_to(f, 0, NULL);
    memset(json, 'x', 10000);
    json[10000] = '\0';
    while (index < 2000) {
        api_server_event(f->members[0].server, index++, "changed", json);
        take(f, &other);
        buf_clear(&other.got);
    }
    assert_false(other.ended);
    hear(f, &deaf, NULL);
    assert_true(deaf.got.len < 16U << 20); /* of 20 MB */
    api_server_event(f->members[0].server, index, "changed", "{\"last\":1}");
    hear(f, &other, "{\"last\":1}");
    free(json);
    hang_up(&deaf);
    hang_up(&other);
}

/* What is kept is far more than a socket takes at once: one who comes back for all of it gets all of it, once. */
static void test_far_behind(void **state)
{
    struct fixture *f = *state;
    struct listener listener;
    CLEANUP(free_ptr) char *text = mem_alloc(5001);
    uint64_t index;

    memset(text, 'x', 5000);
    text[5000] = '\0';
    for (index = 1; index <= 1000; index++) {
        CLEANUP(free_ptr) char *json = mem_printf("{\"n\":%lu,\"text\":\"%s\"}", (unsigned long)index, text);

        api_server_event(f->members[0].server, index, "changed", json);
    }
    listener = listen_to(f, 0, "1");
    api_server_event(f->members[0].server, index, "changed", "{\"n\":1001}"); /* while the rest is on its way */
    hear(f, &listener, "\"n\":1001}");
    assert_int_equal(count(&listener, "event: changed"), 1000);
    assert_int_equal(count(&listener, "event: reset"), 0);
    assert_true(listener.got.len > 5000000);
    hang_up(&listener);
}

/* So slow that what it has not heard is kept no longer: it is told so, and goes on with what is kept. */
static void test_overtaken(void **state)
{
    struct fixture *f = *state;
    struct listener slow = listen_to(f, 0, NULL);
    char *json = mem_alloc(10001);
    uint64_t index = 1;

    memset(json, 'x', 10000);
    json[10000] = '\0';
    while (index < 3000) { /* 30 MB, above what kernel and ring hold together */
        api_server_event(f->members[0].server, index++, "changed", json);
        fixture_run_once(f);
    }
    api_server_event(f->members[0].server, index, "changed", "{\"last\":1}");
    hear(f, &slow, "{\"last\":1}");
    assert_int_equal(count(&slow, "event: reset"), 1);
    free(json);
    hang_up(&slow);
}

static void test_too_many(void **state)
{
    struct fixture *f = *state;
    struct listener listeners[64];
    struct answer answer;
    uint64_t gone_ms;

    for (size_t i = 0; i < 64; i++) {
        listeners[i] = listen_to(f, 0, NULL);
    }
    answer = client_do(f, 0, "GET", "/events", "", NULL);
    assert_int_equal(answer.status, 503);
    answer_fini(&answer);
    for (size_t i = 0; i < 64; i++) {
        hang_up(&listeners[i]);
    }
    gone_ms = uv_hrtime() / 1000000;
    for (int status = 503; status == 503;) { /* until the server has noticed that they are gone */
        struct listener listener = ask(f, 0, NULL);

        assert_true(uv_hrtime() / 1000000 - gone_ms < 10000); /* without having told them anything */

        hear(f, &listener, "\r\n\r\n");
        status = (int)strtol(listener.got.data + strlen("HTTP/1.1 "), NULL, 10);
        assert_true(status == 503 || status == 200);
        hang_up(&listener);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hears_what_happens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_came_back_too_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_needs_a_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_member_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_does_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_far_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overtaken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

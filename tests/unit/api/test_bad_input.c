/* What a server on a network meets: it answers by the contract or cuts the connection, changes nothing, and goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/server_priv.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"

#define F32 "ffffffffffffffffffffffffffffffff"

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, false);
    fixture->members[0].config.read_timeout_ms = 300;
    fixture->members[0].config.send_timeout_ms = 200;
    fixture_start(fixture, 0);
    fixture_lead(fixture, 0);
    *state = fixture;
    return 0;
}

/* For large bodies: on a busy machine they take their time. */
static int setup_patient(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, false);
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

/* Sends raw bytes and reads to the end of the connection; the answer's status, 0 when there was none. */
static int exchange(struct fixture *f, const void *data, size_t len)
{
    struct buf buf = BUF_INIT;
    int fd = connect_to(f);
    int status;

    client_send(f, fd, data, len);
    client_read_end(f, fd, &buf);
    status = buf.len > 12 ? (int)strtol(buf.data + strlen("HTTP/1.1 "), NULL, 10) : 0;
    close(fd);
    buf_fini(&buf);
    return status;
}

static void malformed(void **state)
{
    static const char *const texts[] = {
        "GARBAGE\r\n\r\n",
        "GET\r\n\r\n",
        "GET /clusters\r\n\r\n",
        "GET /clusters HTTP/9.9\r\n\r\n",
        "GET /clusters FTP/1.1\r\n\r\n",
        "\r\n\r\n\r\n\r\n",
        "GET /clusters HTTP/1.1\r\nno colon here\r\n\r\n",
        "GET /clusters HTTP/1.1\r\n: empty name\r\n\r\n",
        "GET /clus\x01ters HTTP/1.1\r\n\r\n",
        "G\x80T /clusters HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "POST /clusters HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST /clusters HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /clusters HTTP/1.1\r\nContent-Length: abc\r\n\r\n{}",
        "POST /clusters HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "POST /clusters HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        "GET clusters HTTP/1.1\r\n\r\n",
        "CONNECT example.net:443 HTTP/1.1\r\n\r\n",
    };
    struct fixture *f = *state;
    struct store_digest before = fixture_digest(f);
    struct store_digest after;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        int status = exchange(f, texts[i], strlen(texts[i]));

        if (status != 0 && status != 400 && status != 404 && status != 405 && status != 413) {
            fail_msg("%s: %d", texts[i], status);
        }
    }
    after = fixture_digest(f);
    assert_memory_equal(&after, &before, sizeof(after));
}

/* Who says twice how long the body is means one of them: the rest would be another request, for somebody. The first
 * request of each connection is fine. */
static void two_lengths(void **state)
{
    static const char *const heads[] = {
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "TRANSFER-ENCODING: chunked\r\nX: y\r\ncontent-length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        "Transfer-Encoding: chunked\nContent-Length: 99\n\n2\r\n{}\r\n0\r\n\r\n",
    };
    static const char fine[] = "POST /clusters HTTP/1.1\r\nX-Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}";
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
        CLEANUP(free_ptr) char *text = mem_printf("POST /clusters HTTP/1.1\r\n%s", heads[i]);
        CLEANUP(buf_fini) struct buf rest = BUF_INIT;
        size_t clusters = store_counts(f->store).clusters;
        int fd = connect_to(f);
        struct answer answer;

        client_send(f, fd, fine, strlen(fine));
        answer = client_read(f, fd, false);
        assert_int_equal(answer.status, 201);
        answer_fini(&answer);
        client_send(f, fd, text, strlen(text));
        client_send(f, fd, fine, strlen(fine)); /* is not looked at any more */
        client_read_end(f, fd, &rest);
        if (strncmp(buf_str(&rest), "HTTP/1.1 400 ", 13) != 0 || strstr(buf_str(&rest) + 1, "HTTP/1.1 ") != NULL) {
            fail_msg("%s: %s", text, buf_str(&rest));
        }
        assert_int_equal(store_counts(f->store).clusters, clusters + 1);
        close(fd);
    }
}

static void odd_but_answered(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n", 400},
        {"GET /hello HTTP/1.0\r\n\r\n", 200},
        {"GET /hello HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
         200},
        {"POST /clusters HTTP/1.1\r\nConnection: close\r\n\r\n", 422},
        {"GET /clusters HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", 200},
        {"GET /clusters HTTP/1.1\nConnection: close\n\n", 200},
        {"GET /clusters?\xff HTTP/1.1\r\nConnection: close\r\n\r\n", 200},
        {"GET /\xc3\xa9 HTTP/1.1\r\nConnection: close\r\n\r\n", 404},
        {"GET /clusters HTTP/1.1\r\nAuthorization:\r\nIdempotency-Key:\r\nConnection: close\r\n\r\n", 400},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int status = exchange(f, cases[i].text, strlen(cases[i].text));

        if (status != cases[i].status) {
            fail_msg("%s: %d", cases[i].text, status);
        }
    }
}

static void expect_continue(void **state)
{
    struct fixture *f = *state;
    static const char head[] = "POST /clusters HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    struct answer answer;
    int fd = connect_to(f);

    client_send(f, fd, head, strlen(head));
    answer = client_read(f, fd, true);
    assert_int_equal(answer.status, 100);
    answer_fini(&answer);
    client_send(f, fd, "{}", 2);
    answer = client_read(f, fd, false);
    assert_int_equal(answer.status, 201);
    answer_fini(&answer);
    close(fd);
}

static void oversized(void **state)
{
    struct fixture *f = *state;
    struct buf buf = BUF_INIT;
    size_t size = (1 << 20) + 1;
    int status;

    buf_printf(&buf, "POST /clusters HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", size);
    for (size_t i = 0; i < size; i++) {
        buf_append_char(&buf, ' ');
    }
    status = exchange(f, buf.data, buf.len);
    assert_true(status == 413 || status == 0); /* the answer can be lost in the reset of the connection */
    buf_clear(&buf);
    buf_append_str(&buf, "POST /clusters HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < 40; i++) {
        buf_append_str(&buf, "8000\r\n");
        for (size_t j = 0; j < 0x8000; j++) {
            buf_append_char(&buf, '{');
        }
        buf_append_str(&buf, "\r\n");
    }
    status = exchange(f, buf.data, buf.len);
    assert_true(status == 413 || status == 0);
    buf_fini(&buf);
    assert_int_equal(store_counts(f->store).clusters, 0);
}

/* One that begins with spaces, as all is that the import ignores. */
static int send_large(struct fixture *f, const char *path, size_t size)
{
    struct buf buf = BUF_INIT;
    int status;

    buf_printf(&buf, "POST %s HTTP/1.1\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", path, size);
    buf_reserve(&buf, size);
    memset(buf.data + buf.len, ' ', size);
    buf.len += size;
    status = exchange(f, buf.data, buf.len);
    buf_fini(&buf);
    return status;
}

/* Only an import may be large, up to its own limit. */
static void dumps(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(send_large(f, "/db/import", 7 << 20), 200);
    assert_int_equal(send_large(f, "/db/import/", 2 << 20), 413);
    assert_int_equal(send_large(f, "/volumes", 2 << 20), 413);
    assert_int_equal(send_large(f, "/hello", 2 << 20), 413);
    assert_true(send_large(f, "/db/import", (8 << 20) + 1) != 200);
}

/* What is behind a NUL belongs to the body. */
static void nul_in_a_dump(void **state)
{
    static const char request[] =
        "POST /db/import HTTP/1.1\r\nConnection: close\r\nContent-Length: 9\r\n\r\n{}\0 \0\0\0\0x";
    struct fixture *f = *state;
    struct buf buf = BUF_INIT;
    int fd = connect_to(f);

    client_send(f, fd, request, sizeof(request) - 1);
    client_read_end(f, fd, &buf);
    assert_non_null(strstr(buf_str(&buf), "\"len\": 9"));
    assert_non_null(strstr(buf_str(&buf), "\"has_x\": true"));
    buf_fini(&buf);
    close(fd);
}

/* Two at once: the one that came later is cut off, the other one is answered. */
static void two_dumps(void **state)
{
    static const char head[] = "POST /db/import HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n";
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *body = mem_alloc(3000000);
    struct buf rest = BUF_INIT;
    struct answer answer;
    int first = connect_to(f), second = connect_to(f);

    memset(body, ' ', 3000000);
    client_send(f, first, head, strlen(head));
    client_send(f, first, body, 2000000);
    while (f->members[0].server->bulky == NULL) {
        fixture_run_once(f);
    }
    client_send(f, second, head, strlen(head));
    client_send(f, second, body, 2000000);
    client_read_end(f, second, &rest);
    assert_int_equal(rest.len, 0);
    client_send(f, first, body, 1000000);
    answer = client_read(f, first, false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    buf_fini(&rest);
    close(first);
    close(second);
}

static void largest_body(void **state)
{
    struct fixture *f = *state;
    struct buf body = BUF_INIT;

    buf_append_str(&body, "{\"file\":true}");
    while (body.len < 1 << 20) {
        buf_append_char(&body, ' ');
    }
    expect(f, 0, "POST", "/clusters", body.data, 201, NULL);
    buf_fini(&body);
}

static void many_headers(void **state)
{
    struct fixture *f = *state;
    struct buf buf = BUF_INIT;
    int status;

    buf_append_str(&buf, "GET /hello HTTP/1.1\r\n");
    for (int i = 0; i < 150; i++) {
        buf_printf(&buf, "X-%d: y\r\n", i);
    }
    buf_append_str(&buf, "\r\n");
    assert_int_equal(exchange(f, buf.data, buf.len), 400);
    buf_clear(&buf);
    buf_append_str(&buf, "GET /hello HTTP/1.1\r\nX: ");
    for (int i = 0; i < 600000; i++) {
        buf_append_char(&buf, 'y');
    }
    buf_append_str(&buf, "\r\n\r\n");
    status = exchange(f, buf.data, buf.len);
    assert_true(status == 0 || status == 400);
    buf_fini(&buf);
}

static void half_sent(void **state)
{
    static const char *const texts[] = {
        "",
        "G",
        "GET /clusters HTTP/1.1\r\nHost: x\r\n",
        "POST /clusters HTTP/1.1\r\nContent-Length: 10\r\n\r\n{",
        "POST /clusters HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        (void)exchange(f, texts[i], strlen(texts[i])); /* ends: within ten seconds, or the client fails the test */
    }
    assert_int_equal(store_counts(f->store).clusters, 0);
}

static void pipelined(void **state)
{
    static const char *const requests[] = {
        "GET /hello HTTP/1.1\r\n\r\n",
        "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        "GET /xyz HTTP/1.1\r\n\r\n",
    };
    static const int statuses[] = {200, 201, 404};
    struct fixture *f = *state;
    struct buf buf = BUF_INIT, all = BUF_INIT;
    int fd = connect_to(f);
    const char *at;

    for (int i = 0; i < 60; i++) {
        buf_append_str(&buf, requests[i % 3]);
    }
    buf_append_str(&buf, "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n");
    client_send(f, fd, buf.data, buf.len);
    client_read_end(f, fd, &all);
    at = all.data;
    for (int i = 0; i < 60; i++) {
        at = strstr(at, "HTTP/1.1 ");
        assert_non_null(at);
        at += strlen("HTTP/1.1 ");
        assert_int_equal(strtol(at, NULL, 10), statuses[i % 3]);
    }
    assert_int_equal(store_counts(f->store).clusters, 20);
    buf_fini(&buf);
    buf_fini(&all);
    close(fd);
}

static void client_goes_away(void **state)
{
    static const char request[] = "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    struct fixture *f = *state;
    struct fixture_member *member = &f->members[0];
    struct linger reset = {1, 0};

    member->mode = FIXTURE_HOLD;
    for (unsigned i = 0; i < 6; i++) {
        int fd = connect_to(f);

        client_send(f, fd, request, strlen(request));
        while (member->n_held < i + 1) {
            fixture_run_once(f);
        }
        if (i % 2 == 0) {
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        }
        close(fd);
    }
    fixture_run_once(f);
    fixture_release(member);
    assert_int_equal(store_counts(f->store).clusters, 6); /* what was asked for is done */
    for (int i = 0; i < 3; i++) { /* in the middle of a body, of a head, right after connecting */
        int fd = connect_to(f);

        client_send(f, fd, request, i == 0 ? strlen(request) - 1 : i == 1 ? 20 : 0);
        close(fd);
    }
    expect(f, 0, "GET", "/hello", NULL, 200, NULL);
    assert_int_equal(store_counts(f->store).clusters, 6);
}

/* A client that asks for much and takes nothing is cut off; the others are served meanwhile. */
static void client_does_not_read(void **state)
{
    struct fixture *f = *state;
    struct buf buf = BUF_INIT;
    int fd, small = 4096;
    int fds_before = 0;

    fixture_add_clusters(f, 5000);
    fd = connect_to(f);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (int i = 0; i < 100; i++) {
        buf_append_str(&buf, "GET /clusters HTTP/1.1\r\n\r\n");
    }
    client_send(f, fd, buf.data, buf.len);
    for (;;) { /* the server's end is closed: writing fails then */
        fixture_run_once(f);
        if (send(fd, "\r\n", 2, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            break;
        }
        fds_before++;
        assert_true(fds_before < 20000);
    }
    close(fd);
    buf_fini(&buf);
}

/* Every text field with what a shell would act on: refused by the contract, or stored as the text it is. */
static void shell_characters(void **state)
{
    static const char *const evil[] = {"$(reboot)", "`reboot`", "a;reboot", "a|reboot", "a&reboot", "a\\nreboot",
                                       "a>b",       "a'b",      "a\\\"b",   "../../x",  "-rf",      "a b"};
    static const struct {
        const char *path, *body; /* %s: the text */
        int status;
    } fields[] = {
        {"/nodes", "{\"zone\":1,\"cluster\":\"%s\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":[\"b\"]}}", 400},
        {"/nodes", "{\"zone\":1,\"cluster\":\"" F32 "\",\"hostnames\":{\"manage\":[\"%s\"],\"storage\":[\"b\"]}}", 400},
        {"/nodes", "{\"zone\":1,\"cluster\":\"" F32 "\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":[\"%s\"]}}", 400},
        {"/devices", "{\"name\":\"%s\",\"node\":\"" F32 "\"}", 400},
        {"/devices", "{\"name\":\"/dev/%s\",\"node\":\"" F32 "\"}", 0},
        {"/devices", "{\"name\":\"/dev/x\",\"node\":\"%s\"}", 400},
        {"/nodes/" F32 "/state", "{\"state\":\"%s\"}", 400},
        {"/nodes/" F32 "/state", "{\"state\":\"online\",\"healcheck\":\"%s\"}", 400},
        {"/devices/" F32 "/tags", "{\"change_type\":\"%s\"}", 400},
        {"/devices/" F32 "/tags", "{\"change_type\":\"set\",\"tags\":{\"/%s\":\"x\"}}", 400},
        {"/volumes", "{\"size\":1,\"name\":\"/%s\"}", 400},
        {"/volumes", "{\"size\":1,\"durability\":{\"type\":\"%s\"}}", 400},
        {"/volumes", "{\"size\":1,\"clusters\":[\"%s\"]}", 400},
    };
    struct fixture *f = *state;
    struct store_digest before, after;

    make_topology(f, 0);
    before = fixture_digest(f);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        for (size_t j = 0; j < sizeof(evil) / sizeof(*evil); j++) {
            const char *mark = strstr(fields[i].body, "%s");
            CLEANUP(free_ptr)
            char *body = mem_printf("%.*s%s%s", (int)(mark - fields[i].body), fields[i].body, evil[j], mark + 2);
            struct answer answer = client_do(f, 0, "POST", fields[i].path, "", body);

            if (fields[i].status == 0 ? answer.status != 400 && answer.status != 404
                                      : answer.status != fields[i].status) {
                fail_msg("%s %s: %d %s", fields[i].path, body, answer.status, buf_str(&answer.body));
            }
            answer_fini(&answer);
        }
    }
    for (size_t j = 0; j < sizeof(evil) / sizeof(*evil); j++) {
        CLEANUP(free_ptr) char *path = mem_printf("/volumes/%%24%zu", j);

        expect(f, 0, "DELETE", path, NULL, 404, "Invalid path or request\n");
    }
    after = fixture_digest(f);
    assert_memory_equal(&after, &before, sizeof(after));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(two_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(odd_but_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(expect_continue, setup, teardown),
        cmocka_unit_test_setup_teardown(oversized, setup, teardown),
        cmocka_unit_test_setup_teardown(largest_body, setup, teardown),
        cmocka_unit_test_setup_teardown(dumps, setup_patient, teardown),
        cmocka_unit_test_setup_teardown(nul_in_a_dump, setup, teardown),
        cmocka_unit_test_setup_teardown(two_dumps, setup_patient, teardown),
        cmocka_unit_test_setup_teardown(many_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(half_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(pipelined, setup, teardown),
        cmocka_unit_test_setup_teardown(client_goes_away, setup, teardown),
        cmocka_unit_test_setup_teardown(client_does_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(shell_characters, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

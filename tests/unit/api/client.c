/* The client half of fixture.h: non-blocking sockets, the server's loop run in between. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/token.h"

#define DEADLINE_MS 60000 /* of a loaded machine */

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

void fixture_run_once(struct fixture *fixture)
{
    struct pollfd loop = {.fd = uv_backend_fd(&fixture->loop), .events = POLLIN};

    (void)poll(&loop, 1, 1); /* do not spin while nothing happens */
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

void answer_fini(struct answer *answer)
{
    buf_fini(&answer->head);
    buf_fini(&answer->body);
}

const char *answer_header(const struct answer *answer, const char *name)
{
    static char value[512];
    const char *line = answer->head.data;
    size_t len = strlen(name);

    while (line != NULL && (line = strchr(line, '\n')) != NULL) {
        line++;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            size_t n = strcspn(line + len + 2, "\r\n");

            (void)snprintf(value, sizeof(value), "%.*s", (int)n, line + len + 2);
            return value;
        }
    }
    return NULL;
}

int client_connect(uint16_t port)
{
    return client_connect_from(port, 1);
}

int client_connect_from(uint16_t port, uint8_t host)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000U + host)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0); /* the backlog takes it */
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

void client_send(struct fixture *fixture, int fd, const void *data, size_t len)
{
    const char *p = data;
    uint64_t deadline_ms = now_ms() + DEADLINE_MS;

    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN) {
            return; /* closed by the server: what it said is read next */
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
        fixture_run_once(fixture);
        assert_true(now_ms() < deadline_ms);
    }
}

/* Appends what has arrived, of no more than max bytes; false at the end of the connection. */
static bool receive(struct fixture *fixture, int fd, size_t max, struct buf *buf)
{
    char data[65536];
    ssize_t n;

    fixture_run_once(fixture);
    n = recv(fd, data, max < sizeof(data) ? max : sizeof(data), 0);
    if (n > 0) {
        buf_append(buf, data, (size_t)n);
    }
    return n > 0 || (n < 0 && errno == EAGAIN);
}

/* The same, up to the end of a head: what follows may be the next answer. */
static bool receive_head(struct fixture *fixture, int fd, struct buf *buf)
{
    char c;
    ssize_t n = 1;

    fixture_run_once(fixture);
    while (n > 0 && (buf->len < 4 || memcmp(buf->data + buf->len - 4, "\r\n\r\n", 4) != 0)) {
        n = recv(fd, &c, 1, 0);
        if (n > 0) {
            buf_append_char(buf, c);
        }
    }
    return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Length of a complete chunked body at the start of data, 0 when it is not complete; its content goes to *ret. */
static size_t dechunk(const char *data, size_t len, struct buf *ret)
{
    size_t at = 0;

    buf_clear(ret);
    for (;;) {
        const char *end = memmem(data + at, len - at, "\r\n", 2);
        size_t size;

        if (end == NULL) {
            return 0;
        }
        size = strtoul(data + at, NULL, 16);
        at = (size_t)(end - data) + 2;
        if (len - at < size + 2) {
            return 0;
        }
        buf_append(ret, data + at, size);
        at += size + 2;
        if (size == 0) {
            return at;
        }
    }
}

struct answer client_read(struct fixture *fixture, int fd, bool head)
{
    struct answer answer = {0};
    struct buf buf = BUF_INIT;
    uint64_t deadline_ms = now_ms() + DEADLINE_MS;
    const char *end = NULL;
    bool open = true;
    size_t at;

    while (end == NULL) {
        if (!open) {
            buf_fini(&buf);
            answer.closed = true;
            return answer;
        }
        if (now_ms() > deadline_ms) {
            fail_msg("no answer; so far: %s", buf_str(&buf));
        }
        open = receive_head(fixture, fd, &buf);
        end = buf.len > 0 ? memmem(buf.data, buf.len, "\r\n\r\n", 4) : NULL;
    }
    at = (size_t)(end - buf.data) + 4;
    buf_append(&answer.head, buf.data, at);
    answer.status = (int)strtol(buf.data + strlen("HTTP/1.1 "), NULL, 10);
    for (;;) {
        const char *length = answer_header(&answer, "Content-Length");
        size_t len = length != NULL ? strtoul(length, NULL, 10) : 0;
        const char *coding;

        if (head || answer.status == 204 || (length != NULL && buf.len - at >= len)) {
            break;
        }
        coding = length == NULL ? answer_header(&answer, "Transfer-Encoding") : NULL;
        /* Only at what may be the end: the whole may be long. */
        if (coding != NULL && memcmp(buf.data + buf.len - 5, "0\r\n\r\n", 5) == 0 &&
            dechunk(buf.data + at, buf.len - at, &answer.body) > 0) {
            buf_fini(&buf);
            return answer;
        }
        if (!open || now_ms() > deadline_ms) {
            answer.closed = !open;
            assert_true(!open);
            break;
        }
        open = receive(fixture, fd, length != NULL ? len - (buf.len - at) : SIZE_MAX, &buf);
    }
    buf_append(&answer.body, buf.data + at, buf.len - at);
    buf_fini(&buf);
    return answer;
}

void client_read_end(struct fixture *fixture, int fd, struct buf *buf)
{
    uint64_t deadline_ms = now_ms() + DEADLINE_MS;

    while (receive(fixture, fd, SIZE_MAX, buf)) {
        if (now_ms() > deadline_ms) {
            fail_msg("the connection does not end; so far: %s", buf_str(buf));
        }
    }
}

struct answer client_do(struct fixture *fixture, size_t member, const char *method, const char *path,
                        const char *headers, const char *body)
{
    int fd = client_connect(api_server_port(fixture->members[member].server));
    struct buf request = BUF_INIT;
    struct answer answer;

    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: x\r\n%s", method, path, headers);
    if (fixture->members[member].config.auth && strstr(headers, "Authorization:") == NULL) {
        CLEANUP(free_ptr) char *plain = mem_strndup(path, strcspn(path, "?"));
        CLEANUP(free_ptr) char *bearer = token_bearer("admin", ADMIN_KEY, method, plain, (int64_t)time(NULL));

        buf_printf(&request, "Authorization: %s\r\n", bearer);
    }
    if (body != NULL) {
        buf_printf(&request, "Content-Length: %zu\r\n", strlen(body));
    }
    buf_printf(&request, "\r\n%s", body != NULL ? body : "");
    client_send(fixture, fd, request.data, request.len);
    answer = client_read(fixture, fd, strcmp(method, "HEAD") == 0);
    buf_fini(&request);
    close(fd);
    return answer;
}

void expect(struct fixture *fixture, size_t member, const char *method, const char *path, const char *body, int status,
            const char *text)
{
    struct answer answer = client_do(fixture, member, method, path, "", body);

    if (answer.status != status || (text != NULL && strcmp(buf_str(&answer.body), text) != 0)) {
        fail_msg("%s %s %s: %d %s", method, path, body != NULL ? body : "", answer.status, buf_str(&answer.body));
    }
    answer_fini(&answer);
}

const char *create(struct fixture *fixture, size_t member, const char *path, const char *body)
{
    static char id[ID_TEXT_LEN + 1];
    struct answer answer = client_do(fixture, member, "POST", path, "", body);
    CLEANUP(free_ptr) char *queue = NULL;
    const char *location;

    if (answer.status != 202) {
        fail_msg("POST %s %s: %d %s", path, body, answer.status, buf_str(&answer.body));
    }
    queue = mem_strdup(answer_header(&answer, "Location"));
    answer_fini(&answer);
    answer = client_do(fixture, member, "GET", queue, "", NULL);
    assert_true(answer.status == 303 || answer.status == 204);
    location = answer_header(&answer, "Location");
    (void)snprintf(id, sizeof(id), "%s", location != NULL ? strrchr(location, '/') + 1 : "");
    answer_fini(&answer);
    return id;
}

const char *make_topology(struct fixture *fixture, size_t member)
{
    static char cluster[ID_TEXT_LEN + 1];
    struct answer answer = client_do(fixture, member, "POST", "/clusters", "", "{\"file\":true,\"block\":true}");

    assert_int_equal(answer.status, 201);
    memcpy(cluster, answer.body.data + strlen("{\"id\":\""), ID_TEXT_LEN);
    answer_fini(&answer);
    for (int i = 1; i <= 3; i++) {
        CLEANUP(free_ptr)
        char *node =
            mem_printf("{\"zone\":%d,\"cluster\":\"%s\",\"hostnames\":{\"manage\":[\"n%d\"],\"storage\":[\"s-n%d\"]}}",
                       i, cluster, i, i);
        CLEANUP(free_ptr)
        char *device = mem_printf("{\"name\":\"/dev/sdb\",\"node\":\"%s\"}", create(fixture, member, "/nodes", node));

        create(fixture, member, "/devices", device);
    }
    return cluster;
}

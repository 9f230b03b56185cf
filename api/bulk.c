/* Bodies, before h2o hands over the request that they belong to.
 *
 * h2o collects a whole request in the connection's buffer and knows no tokens. So what lies there is looked at after
 * each turn's reading. The token is looked at when the head is complete: without a valid one no more than a little is
 * collected, and not for long. Everything together has a limit, at which the largest one that is not complete is
 * refused. A head that is not complete for long ends its connection.
 *
 * A dump that is imported is far larger than any other request: only one connection at a time may have such a body
 * under way, and a second one is cut off. Whose token does not allow an import, or who asks for something else, is
 * refused at the usual limit: he keeps nobody from importing. */
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "api/auth.h"
#include "api/head.h"
#include "api/path.h"
#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define LOOK_MS 100
#define LOG_EVERY_MS 10000
#define REFUSED_MS 2000        /* to take the answer and stop sending */
#define HEAD_MAX 65536         /* request line and headers beside a body */
#define HALF_PART 3            /* of the read time-out: for a request whose token is not known to be valid */
#define BAD_PART 15            /* the same for one that is known to have none */
#define STRANGER_MAX 32768     /* from who has not shown a valid token: head and body */
#define TOTAL_MAX (64UL << 20) /* of all connections but the one that imports */

#define CLOSE_HEADERS "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"

static bool is_bulky(const struct api_server *server, const struct api_conn *conn)
{
    return conn->sock->input->size > server->config.body_max_bytes + HEAD_MAX;
}

/* ---- refusals, while h2o still waits for the rest ---- */

static void refusal_written(h2o_socket_t *sock, const char *err)
{
    struct api_conn *conn = sock->on_close.data;

    if (err != NULL) {
        api_read_end(conn);
    } else {
        conn->refused_ms = uv_now(conn->server->loop);
        (void)shutdown(h2o_socket_get_fd(sock), SHUT_WR);
        api_read_discard(conn); /* or the end would be a reset, which can overtake the answer */
    }
}

static void refuse(struct api_conn *conn, int status, const char *answer)
{
    h2o_iovec_t text = {(char *)(uintptr_t)answer, strlen(answer)}; /* only read */

    if (conn->refused) {
        return;
    }
    conn->refused = true;
    conn->server->stats.answers[status / 100 % 6]++;
    conn->read_cb = conn->sock->_cb.read;
    if (h2o_socket_is_writing(conn->sock) || conn->read_cb == NULL) {
        api_conn_cut(conn);
    } else {
        h2o_socket_read_stop(conn->sock); /* or h2o would answer as well */
        h2o_socket_write(conn->sock, &text, 1, refusal_written);
    }
}

static bool is_import(const struct api_head_text *method, const char *path, size_t path_len)
{
    static const char import[] = "/db/import";

    return method->len == strlen("POST") && memcmp(method->data, "POST", method->len) == 0 &&
           path_len == strlen(import) && memcmp(path, import, path_len) == 0;
}

/* Is there a valid token in the head? Without authentication every complete head is good. */
static bool head_is_good(const struct api_server *server, const struct api_head *head, bool *ret_imports)
{
    const struct api_config *config = &server->config;
    const struct api_auth auth = {config->admin_key, config->user_key, config->iat_leeway_s};
    CLEANUP(buf_fini) struct buf path = BUF_INIT;
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    enum api_role role = API_ROLE_ADMIN;
    struct api_auth_request asked;

    *ret_imports = false;
    if (head->path.len == 0 || !api_path_decode(head->path.data, head->path.len, &path)) {
        return !config->auth;
    }
    asked = (struct api_auth_request){
        .header = head->authorization.data,
        .header_len = head->authorization.len,
        .method = head->method.data,
        .method_len = head->method.len,
        .path = path.data,
        .path_len = path.len,
        .now_s = (int64_t)time(NULL),
    };
    if (config->auth && api_auth_check(&auth, &asked, &role, &text) != 0) {
        return false;
    }
    *ret_imports = role == API_ROLE_ADMIN && is_import(&head->method, path.data, path.len);
    return true;
}

/* ---- after each turn's reading ---- */

/* As soon as the head is whole: one look at each token. */
static void judge_head(struct api_conn *conn)
{
    const h2o_buffer_t *input = conn->sock->input;
    size_t seen = conn->head_seen;
    struct api_head head;

    conn->head_seen = input->size;
    if (conn->bad_head == 0 && input->size != seen && api_head_may_end(input->bytes, input->size, seen) &&
        api_head_read(input->bytes, input->size, &head)) {
        conn->body_allowed = head_is_good(conn->server, &head, &conn->imports);
        conn->bad_head = !conn->body_allowed ? head.len : 0;
    }
}

static void look_at_stranger(struct api_conn *conn)
{
    const h2o_buffer_t *input = conn->sock->input;

    judge_head(conn);
    if (conn->body_allowed) {
        return;
    }
    if (conn->bad_head > 0) {
        if (input->size > conn->bad_head + STRANGER_MAX / 2) {
            refuse(conn, 401,
                   "HTTP/1.1 401 Unauthorized\r\n" CLOSE_HEADERS "Content-Length: 57\r\n\r\n"
                   "a body of this size needs a valid token in Authorization\n");
        }
    } else if (input->size > STRANGER_MAX) {
        refuse(conn, 400,
               "HTTP/1.1 400 Bad Request\r\n" CLOSE_HEADERS "Content-Length: 38\r\n\r\n"
               "request line and headers are too long\n");
    }
}

static void look_at_bulky(struct api_server *server, struct api_conn *conn)
{
    size_t max = server->h2o.max_request_entity_size + HEAD_MAX;

    if (conn == server->bulky || conn->request != NULL || !is_bulky(server, conn)) {
        return;
    }
    if (!conn->imports) {
        refuse(conn, 413,
               "HTTP/1.1 413 Request Entity Too Large\r\n" CLOSE_HEADERS "Content-Length: 28\r\n\r\n"
               "request entity is too large\n");
    } else if (server->bulky == NULL) {
        server->bulky = conn;
        /* At once for all that may come: h2o would copy what is there each time when it doubles. */
        if (conn->sock->input->size < max) {
            (void)h2o_buffer_reserve(&conn->sock->input, max - conn->sock->input->size);
        }
    } else {
        LOG(LOG_WARNING, "api", "a second large request at the same time is cut off");
        api_conn_cut(conn);
    }
}

static struct api_conn *larger(struct api_conn *a, struct api_conn *b)
{
    return a == NULL || b->sock->input->size > a->sock->input->size ? b : a;
}

static void after_reading(uv_check_t *check)
{
    TURN("api bodies");
    struct api_server *server = check->data;
    struct api_conn *conn, *largest = NULL;
    size_t total = 0;

    TAILQ_FOREACH (conn, &server->conns, link) {
        if (conn->cut || conn->refused || conn->sock->input->size == 0) {
            continue;
        }
        if (conn->request == NULL && !conn->body_allowed) {
            look_at_stranger(conn);
        }
        look_at_bulky(server, conn);
        if (conn != server->bulky) {
            total += conn->sock->input->size;
            largest = conn->request == NULL ? larger(largest, conn) : largest;
        }
    }
    if (total > TOTAL_MAX && largest != NULL) {
        if (uv_now(server->loop) >= server->log_total_ms) {
            server->log_total_ms = uv_now(server->loop) + LOG_EVERY_MS;
            LOG(LOG_WARNING, "api", "requests that are not complete take too much memory: the largest ones are refused",
                LF_U64("bytes", total));
        }
        refuse(largest, 503,
               "HTTP/1.1 503 Service Unavailable\r\n" CLOSE_HEADERS "Retry-After: 1\r\nContent-Length: 29\r\n\r\n"
               "too many large requests, wait\n");
    }
}

/* ---- time ---- */

static void look_half(struct api_conn *conn, uint64_t now_ms)
{
    if (conn->request != NULL || conn->body_allowed || conn->sock->input->size == 0) {
        conn->half_since_ms = 0;
    } else if (conn->half_since_ms == 0) {
        conn->half_since_ms = now_ms;
    } else if (conn->bad_head > 0 && !conn->refused &&
               now_ms - conn->half_since_ms >= conn->server->config.read_timeout_ms / BAD_PART) {
        refuse(conn, 401,
               "HTTP/1.1 401 Unauthorized\r\n" CLOSE_HEADERS "Content-Length: 60\r\n\r\n"
               "a body that takes so long needs a valid token in the header\n");
    } else if (now_ms - conn->half_since_ms >= conn->server->config.read_timeout_ms / HALF_PART) {
        api_conn_cut(conn);
    }
}

static void look_refused(struct api_conn *conn, uint64_t now_ms)
{
    if (conn->discards && now_ms - conn->refused_ms >= REFUSED_MS) {
        api_read_end(conn);
    }
}

static void look(uv_timer_t *timer)
{
    TURN("api bodies");
    struct api_server *server = timer->data;
    struct api_conn *conn;

    if (server->bulky != NULL && !is_bulky(server, server->bulky)) {
        server->bulky = NULL;
    }
    TAILQ_FOREACH (conn, &server->conns, link) {
        if (!conn->cut) {
            look_half(conn, uv_now(server->loop));
            look_refused(conn, uv_now(server->loop));
        }
    }
    if (TAILQ_EMPTY(&server->conns)) {
        uv_timer_stop(timer);
        uv_check_stop(&server->bulk_check);
    }
}

void api_bulk_init(struct api_server *server)
{
    /* Not in files: dumps have passwords in them. */
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
    server->h2o.max_request_entity_size = server->config.import_max_bytes > server->config.body_max_bytes
                                              ? server->config.import_max_bytes
                                              : server->config.body_max_bytes;
    CHECK(uv_timer_init(server->loop, &server->bulk_timer) == 0);
    server->bulk_timer.data = server;
    CHECK(uv_check_init(server->loop, &server->bulk_check) == 0);
    server->bulk_check.data = server;
}

void api_bulk_accepted(struct api_server *server)
{
    if (!uv_is_active((uv_handle_t *)&server->bulk_timer)) {
        uv_timer_start(&server->bulk_timer, look, LOOK_MS, LOOK_MS);
        uv_check_start(&server->bulk_check, after_reading);
    }
}

bool api_bulk_refused(struct api_request *request)
{
    const struct api_config *config = &request->server->config;
    const h2o_buffer_t *input = request->conn->sock->input;
    const struct api_head_text method = {request->req->method.base, request->req->method.len};
    bool imports = is_import(&method, request->path.data, request->path.len);
    struct api_head head;

    if (api_head_read(input->bytes, input->size, &head) && head.lengths + head.encodings > 1) {
        /* RFC 9112, 6.1: what stands between may have taken the other one. */
        request->req->http1_is_persistent = 0;
        api_answer_text(request, 400,
                        "Content-Length and Transfer-Encoding: exactly one of them, and once, is allowed");
        return true;
    }
    if (request->req->entity.len <= (imports ? config->import_max_bytes : config->body_max_bytes)) {
        return false;
    }
    request->req->http1_is_persistent = 0;
    api_answer_text(request, 413, "request entity is too large");
    return true;
}

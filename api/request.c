/* A request from its arrival to the place where it is answered. */
#include <string.h>
#include <time.h>

#include "api/auth.h"
#include "api/path.h"
#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define FORWARDED_WAIT_MS 500 /* a forwarded request waits this long for its member's own lease */
#define FORWARD_GRACE_MS 3000 /* the leader answers by its own deadline, which starts later than ours */
#define LARGE_BODY 32768      /* bytes that take long enough to read */
#define SLOW_MS 600000        /* the same for documents that take long */
#define CLOSING_LONG_MS 4000  /* while closing, long answers are given up so long before the end */
#define LOOK_NS 3000000       /* in a turn, of requests that are looked at again */
#define CLOSING_OTHERS_MS 500 /* the same for what other members, or a majority of them, do not answer */
#define CLOSING_WAIT_MS 2000  /* while closing, requests without a leader are given up sooner */

static h2o_iovec_t raw_path(const h2o_req_t *req)
{
    size_t len = req->query_at < req->path.len ? req->query_at : req->path.len;

    return h2o_iovec_init(req->path.base, len);
}

h2o_iovec_t api_request_query(const struct api_request *request)
{
    const h2o_req_t *req = request->req;
    size_t at = req->query_at < req->path.len ? req->query_at : req->path.len;

    return h2o_iovec_init(req->path.base + at, req->path.len - at);
}

/* ---- end ---- */

static void request_fini(void *ptr)
{
    struct api_request *request = ptr;
    struct api_server *server = request->server;

    CHECK_MAGIC(request, API_REQUEST_MAGIC);
    if (server->look_next == request) {
        server->look_next = TAILQ_NEXT(request, link);
    }
    TAILQ_REMOVE(&server->requests, request, link);
    api_arrivals_request_gone(request);
    if (request->submit != NULL) {
        request->submit->request = NULL;
    }
    if (request->forward != NULL) {
        api_forward_cancel(request);
    }
    if (request->work != NULL) {
        api_work_forget(request);
    }
    if (request->pieces != NULL) {
        api_pieces_forget(request);
    }
    if (request->stream != NULL) {
        api_events_forget(request);
    }
    buf_fini(&request->path);
    free(request->key);
    request->magic = 0;
    api_conn_quiet(request->conn);
}

/* ---- start ---- */

static struct api_request *request_new(struct api_server *server, h2o_req_t *req)
{
    struct api_request *request = h2o_mem_alloc_shared(&req->pool, sizeof(*request), request_fini);
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);

    memset(request, 0, sizeof(*request));
    request->magic = API_REQUEST_MAGIC;
    request->server = server;
    request->req = req;
    request->conn = sock->on_close.data;
    request->conn->request = request;
    request->key = mem_strdup("");
    request->role = API_ROLE_ADMIN; /* without authentication */
    request->arrived_ms = uv_now(server->loop);
    request->deadline_ms = request->arrived_ms + server->config.request_timeout_ms;
    TAILQ_INSERT_TAIL(&server->requests, request, link);
    api_server_tick_start(server);
    return request;
}

static bool redirect_clean(struct api_request *request)
{
    CLEANUP(buf_fini) struct buf clean = BUF_INIT;
    CLEANUP(buf_fini) struct buf location = BUF_INIT;
    h2o_iovec_t query = api_request_query(request);

    api_path_clean(request->path.data, request->path.len, &clean);
    if (clean.len == request->path.len && memcmp(clean.data, request->path.data, clean.len) == 0) {
        return false;
    }
    api_path_escape(clean.data, clean.len, &location);
    buf_append(&location, query.base, query.len);
    api_answer_location(request, 301, buf_str(&location), NULL);
    return true;
}

static bool token_refused(struct api_request *request)
{
    const struct api_config *config = &request->server->config;
    const struct api_auth auth = {config->admin_key, config->user_key, config->iat_leeway_s};
    h2o_req_t *req = request->req;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    struct api_auth_request asked = {
        .method = req->method.base,
        .method_len = req->method.len,
        .path = request->path.data,
        .path_len = request->path.len,
        .now_s = (int64_t)time(NULL),
    };
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    int status;

    if (!config->auth) {
        return false;
    }
    if (at >= 0) {
        asked.header = req->headers.entries[at].value.base;
        asked.header_len = req->headers.entries[at].value.len;
    }
    status = api_auth_check(&auth, &asked, &request->role, &text);
    if (status != 0) {
        api_answer_text(request, status, buf_str(&text));
    }
    request->conn->trusted = status == 0;
    if (status == 0) {
        api_source_has_token(request->conn);
    }
    return status != 0;
}

static bool key_refused(struct api_request *request)
{
    h2o_req_t *req = request->req;
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("idempotency-key"), -1);
    size_t max = request->role == API_ROLE_USER ? API_KEY_MAX - strlen(API_USER_KEY_MARK) : API_KEY_MAX;
    h2o_iovec_t value;

    if (at < 0) {
        return false;
    }
    value = req->headers.entries[at].value;
    for (size_t i = 0; i < value.len; i++) {
        if (value.base[i] < 0x20 || value.base[i] > 0x7e) {
            value.len = 0;
        }
    }
    if (value.len == 0 || value.len > max) {
        CLEANUP(free_ptr) char *text = mem_printf("Idempotency-Key must have 1 to %zu printable characters", max);

        api_answer_text(request, 400, text);
        return true;
    }
    free(request->key);
    request->key = mem_strndup(value.base, value.len);
    request->key_made = h2o_find_header_by_str(&req->headers, H2O_STRLIT("hecate-key-made"), -1) >= 0;
    return false;
}

int api_request_arrived(h2o_handler_t *self, h2o_req_t *req)
{
    api_arrivals_request(request_new(((struct api_handler *)self)->server, req));
    return 0;
}

void api_request_begin(struct api_request *request)
{
    TURN("request");
    h2o_req_t *req = request->req;
    h2o_iovec_t raw = raw_path(req);
    struct api_match match;

    request->conn->trusted = false;     /* until its own token is known to be valid */
    if (api_conn_dead(request->conn)) { /* h2o would go on with each request that it has read, before it ends */
        req->http1_is_persistent = 0;
        api_answer_empty(request, 503, NULL);
        return;
    }
    if (request->conn->refused) { /* the rest came nevertheless, after the client was told so */
        api_answer_empty(request, 503, NULL);
        return;
    }
    if (raw.len == 0 || raw.base[0] != '/' || !api_path_decode(raw.base, raw.len, &request->path)) {
        api_answer_raw(request, 400, "text/plain; charset=utf-8", "400 Bad Request", strlen("400 Bad Request"));
        return;
    }
    if (redirect_clean(request)) {
        return;
    }
    if (api_bulk_refused(request)) {
        return;
    }
    request->route = api_route_open(req->method.base, req->method.len, request->path.data, request->path.len);
    if (request->route != API_ROUTE_NONE) {
        api_handle_open(request);
        return;
    }
    if (token_refused(request) || key_refused(request)) {
        return;
    }
    if (h2o_find_header_by_str(&req->headers, H2O_STRLIT("hecate-forwarded"), -1) >= 0) {
        request->forwarded = true;
        request->deadline_ms = request->arrived_ms + FORWARDED_WAIT_MS;
    }
    match = api_route_match(req->method.base, req->method.len, request->path.data, request->path.len);
    if (match.kind == API_MATCH_ROUTE && match.route == API_ROUTE_EVENTS) {
        api_events_start(request); /* by any member */
        return;
    }
    api_request_dispatch(request);
}

/* ---- to where it is answered ---- */

void api_request_wait(struct api_request *request, uint64_t delay_ms)
{
    request->state = API_WAITING;
    request->not_before_ms = uv_now(request->server->loop) + delay_ms;
}

bool api_request_is(const struct api_request *request, const char *method)
{
    return h2o_memis(request->req->method.base, request->req->method.len, method, strlen(method)) != 0;
}

bool api_request_repeatable(const struct api_request *request)
{
    static const char clusters[] = "/clusters/";

    if (api_request_is(request, "GET")) {
        return true;
    }
    if (api_request_is(request, "DELETE") && request->path.len > strlen(clusters) &&
        memcmp(request->path.data, clusters, strlen(clusters)) == 0) {
        return false; /* a key is not kept for it: the second time it would not be found */
    }
    return *request->key != '\0';
}

/* With a key of our own the leader, or the next one, tells a repetition from a second request. */
static void make_key(struct api_request *request)
{
    uint8_t bytes[16];
    struct id id;

    if (*request->key != '\0' || api_request_repeatable(request) ||
        uv_random(NULL, NULL, bytes, sizeof(bytes), 0, NULL) != 0) {
        return;
    }
    memcpy(id.bytes, bytes, sizeof(id.bytes));
    free(request->key);
    request->key = mem_printf("forward-%s", id_text(id).text);
    request->key_made = true;
}

/* A large body takes milliseconds to read: one of them in a turn of the loop, then the others have theirs. */
static bool large_ones_turn(struct api_request *request)
{
    struct api_server *server = request->server;
    uint64_t now_ms = uv_now(server->loop);

    if (request->req->entity.len <= LARGE_BODY) {
        return true;
    }
    if (server->large_ms == now_ms) {
        return false;
    }
    server->large_ms = now_ms;
    return true;
}

void api_request_dispatch(struct api_request *request)
{
    struct api_server *server = request->server;
    struct api_leader leader;

    request->crowded = false;
    if (server->backend.serving(server->backend.user)) {
        if (request->forwarded) {
            request->deadline_ms = request->arrived_ms + server->config.request_timeout_ms;
        }
        if (large_ones_turn(request)) {
            api_handle(request);
        } else {
            api_request_wait(request, 0);
        }
    } else if (!request->forwarded && server->backend.leader(server->backend.user, &leader)) {
        make_key(request);
        request->state = API_FORWARDED;
        server->stats.forwarded++;
        api_forward_start(request, &leader);
    } else {
        server->stats.waited += !request->waited;
        request->waited = true;
        api_request_wait(request, 0);
    }
}

/* ---- time ---- */

static void waited_too_long(struct api_request *request)
{
    if (request->crowded) {
        api_answer_unavailable(request, 503, "other long answers are being made; try again later; nothing was changed");
        return;
    }
    if (request->in_doubt) {
        api_answer_unavailable(request, 503, "no leader could be reached in time; it may still be carried out");
        return;
    }
    if (request->forwarded) {
        api_answer_header(request, API_NOT_EXECUTED, strlen(API_NOT_EXECUTED), "1", 1);
    }
    api_answer_unavailable(request, 503, "no leader could be reached in time; nothing was changed");
}

void api_request_unconfirmed(struct api_request *request, bool untouched, const char *reason)
{
    if (untouched) {
        request->deadline_ms =
            request->forwarded ? uv_now(request->server->loop) + FORWARDED_WAIT_MS : request->deadline_ms;
        api_request_wait(request, 0);
    } else if (request->forwarded) {
        api_answer_header(request, API_IN_DOUBT, strlen(API_IN_DOUBT), "1", 1);
        api_answer_unavailable(request, 503, reason);
    } else if (api_request_repeatable(request)) {
        request->in_doubt = !api_request_is(request, "GET");
        api_request_wait(request, 0);
    } else {
        api_answer_unavailable(request, 503, reason);
    }
}

static void look_waiting(struct api_request *request, uint64_t now_ms)
{
    const struct api_server *server = request->server;

    if (now_ms >= request->deadline_ms || (server->closing && now_ms + CLOSING_WAIT_MS >= server->close_by_ms)) {
        waited_too_long(request);
    } else if (now_ms >= request->not_before_ms) {
        api_request_dispatch(request);
    }
}

/* The other member that leads; NULL: none is known. */
static const struct api_leader *other_leader(const struct api_server *server, struct api_leader *leader)
{
    const struct api_backend *backend = &server->backend;

    return !backend->serving(backend->user) && backend->leader(backend->user, leader) ? leader : NULL;
}

/* What others do not answer does not hold up the end of the server. */
static bool gives_up_others(const struct api_server *server, uint64_t now_ms)
{
    return server->closing && now_ms + CLOSING_OTHERS_MS >= server->close_by_ms;
}

static void look_forwarded(struct api_request *request, uint64_t now_ms)
{
    const struct api_server *server = request->server;
    struct api_leader leader = {0};
    uint64_t grace_ms = api_route_slow(request->path.data, request->path.len) ? SLOW_MS : FORWARD_GRACE_MS;

    if (api_forward_retract(request, other_leader(server, &leader))) {
        api_request_wait(request, 0);
    } else if (now_ms >= request->deadline_ms + grace_ms || gives_up_others(server, now_ms)) {
        api_forward_cancel(request);
        api_answer_unavailable(request, 503,
                               api_request_is(request, "GET")
                                   ? "the leader did not answer in time"
                                   : "the leader did not answer in time; it may still be carried out");
    }
}

static bool gives_up_long_ones(const struct api_server *server, uint64_t now_ms)
{
    return server->closing && now_ms + CLOSING_LONG_MS >= server->close_by_ms;
}

/* A long answer does not hold up the end of the server. */
static bool sends_too_long(const struct api_request *request, uint64_t now_ms)
{
    const struct api_server *server = request->server;

    return request->work != NULL && request->deadline_ms != UINT64_MAX && gives_up_long_ones(server, now_ms);
}

/* Nobody can hear the answer: what waits for others does not keep its connection's place. And what takes minutes is not
 * made for a client that has ended its half of the connection either. */
static bool is_left(const struct api_request *request)
{
    if (request->state == API_ARRIVED || request->state == API_SENDING || request->state == API_STREAMING) {
        return false;
    }
    if (api_request_is(request, "GET") && api_route_slow(request->path.data, request->path.len)) {
        return api_conn_left(request->conn);
    }
    return api_conn_dead(request->conn);
}

static void give_up(struct api_request *request)
{
    if (request->submit != NULL) { /* it goes on */
        request->submit->request = NULL;
        request->submit = NULL;
    }
    if (request->work != NULL) {
        api_work_forget(request);
    }
    if (request->forward != NULL) {
        api_forward_cancel(request); /* so the leader learns of it */
    }
    request->req->http1_is_persistent = 0;
    api_answer_unavailable(request, 503, "the client has ended the connection");
}

static void look(struct api_request *request, uint64_t now_ms)
{
    if (is_left(request)) {
        give_up(request);
        return;
    }
    switch (request->state) {
    case API_ARRIVED:
        break; /* it has its turn before long */
    case API_WAITING:
        look_waiting(request, now_ms);
        break;
    case API_FORWARDED:
        look_forwarded(request, now_ms);
        break;
    case API_SUBMITTED:
        if (now_ms >= request->deadline_ms || gives_up_others(request->server, now_ms)) {
            request->submit->request = NULL;
            request->submit = NULL;
            api_answer_unavailable(request, 503, "not confirmed by a majority in time; it may still be carried out");
        }
        break;
    case API_WORKING:
        api_work_look(request);
        if (now_ms >= request->deadline_ms + SLOW_MS) {
            api_work_forget(request);
            api_answer_unavailable(request, 503, "it took too long");
        } else if (gives_up_long_ones(request->server, now_ms)) {
            api_work_forget(request);
            api_answer_unavailable(request, 503,
                                   api_request_is(request, "GET")
                                       ? "this member is stopping"
                                       : "this member is stopping; it may still be carried out");
        }
        break;
    case API_STREAMING:
        api_events_look(request, now_ms);
        break;
    case API_SENDING:
        if (now_ms >= request->deadline_ms || sends_too_long(request, now_ms)) {
            LOG(LOG_INFO, "api", "client does not take its answer: connection cut");
            request->deadline_ms = UINT64_MAX;
            api_conn_cut(request->conn);
        } else if (request->forward != NULL) {
            struct api_leader leader = {0};

            api_forward_look(request, other_leader(request->server, &leader), now_ms);
        }
        break;
    }
}

/* All that waited for a leader can go on at once when there is one, and each takes as long as any request. */
void api_requests_look_on(struct api_server *server)
{
    TURN("waiting requests");
    uint64_t begin_ns = uv_hrtime(), now_ms = uv_now(server->loop);
    struct api_request *request;

    while ((request = server->look_next) != NULL) {
        if (uv_hrtime() - begin_ns >= LOOK_NS) {
            api_arrivals_wake(server); /* the others in the next turn */
            return;
        }
        server->look_next = TAILQ_NEXT(request, link);
        look(request, now_ms);
        if (server->look_next == NULL && server->look_again) {
            server->look_again = false;
            server->look_next = TAILQ_FIRST(&server->requests);
        }
    }
}

void api_requests_look(struct api_server *server)
{
    if (server->look_next != NULL) {
        server->look_again = true; /* for those that have been looked at already */
        return;
    }
    server->look_next = TAILQ_FIRST(&server->requests);
    api_requests_look_on(server);
}

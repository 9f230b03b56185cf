/* A follower's client: passes a request on to the leader and its answer back, byte for byte. libcurl's multi interface
 * on the loop: pooled connections, TLS with the members' authority.
 *
 * A small answer is collected and sent in one piece; a large or endless one is streamed with back-pressure.
 */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/auth.h"
#include "api/forward_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define CONNECT_TIMEOUT_MS 2000
#define CA_KEPT_S 10L          /* a new authority is to count soon, without a restart */
#define IDLE_MAX_S 5L          /* below the other side's, so that it is hardly ever the one who closes */
#define WHOLE_MAX 65536        /* answers up to this size are sent in one piece */
#define BUFFER_MAX (256 << 10) /* of a streamed answer; more makes the leader wait */
#define RETRY_DELAY_MS 20
#define LOG_EVERY_MS 1000
#define SILENCE_MAX_MS 2000 /* of a leader that is none any more, or when the client has gone, or while closing */

/* ---- a forward's life ---- */

void api_forward_free(struct api_forward *forward)
{
    if (forward->request != NULL) {
        forward->request->forward = NULL;
    }
    TAILQ_REMOVE(&forward->forwarder->forwards, forward, link);
    for (size_t i = 0; i < forward->n_headers; i++) {
        free(forward->headers[i].name);
        free(forward->headers[i].value);
    }
    if (forward->waits) {
        TAILQ_REMOVE(&forward->forwarder->waiting, forward, wait_link);
    } else {
        curl_multi_remove_handle(forward->forwarder->multi, forward->easy);
    }
    api_forward_leave(forward);
    curl_easy_cleanup(forward->easy);
    curl_slist_free_all(forward->sent);
    buf_fini(&forward->body);
    buf_fini(&forward->inflight);
    api_forward_wake(forward->forwarder);
    free(forward);
}

void api_forward_cancel(struct api_request *request)
{
    struct api_forward *forward = request->forward;

    forward->request = NULL;
    request->forward = NULL;
    if (!forward->forwarder->inside) {
        api_forward_free(forward);
    } /* else libcurl hears of it from the callback that is running, or at the next byte */
}

static bool is_leader(const struct api_forward *forward, const struct api_leader *leader)
{
    return leader != NULL && leader->port == forward->leader.port && leader->tls == forward->leader.tls &&
           strcmp(leader->host, forward->leader.host) == 0;
}

bool api_forward_retract(struct api_request *request, const struct api_leader *leader)
{
    struct api_forward *forward = request->forward;

    if (is_leader(forward, leader) || forward->heard || forward->forwarder->inside ||
        !api_request_repeatable(request)) {
        return false;
    }
    request->in_doubt = request->in_doubt || !api_request_is(request, "GET");
    api_forward_cancel(request);
    return true;
}

/* ---- the answer ---- */

static bool is_hop_header(const char *name)
{
    static const char *const names[] = {"connection",     "keep-alive", "transfer-encoding",
                                        "content-length", "date",       "upgrade",
                                        "trailer",        "te",         "server"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void keep_header(struct api_forward *forward, char *name, char *value)
{
    if (strcasecmp(name, API_NOT_EXECUTED) == 0) {
        forward->not_executed = true;
    } else if (strcasecmp(name, API_IN_DOUBT) == 0) {
        forward->in_doubt = true;
    } else if (strcasecmp(name, "content-length") == 0) {
        forward->length = strtoll(value, NULL, 10);
    }
    if (is_hop_header(name) || forward->n_headers == API_FORWARD_HEADERS_MAX) {
        free(name);
        free(value);
    } else {
        forward->headers[forward->n_headers++] = (struct api_forward_header){name, value};
    }
}

static size_t header_cb(char *data, size_t size, size_t n, void *user)
{
    struct api_forward *forward = user;
    size_t len = size * n;
    const char *colon = memchr(data, ':', len);
    const char *value;
    size_t value_len;

    if (forward->request == NULL) {
        return 0;
    }
    forward->heard = true;
    if (len > 5 && memcmp(data, "HTTP/", 5) == 0) { /* a status line: what an interim answer said does not count */
        while (forward->n_headers > 0) {
            forward->n_headers--;
            free(forward->headers[forward->n_headers].name);
            free(forward->headers[forward->n_headers].value);
        }
        forward->length = -1;
    } else if (colon != NULL) {
        value = colon + 1;
        value_len = len - (size_t)(value - data);
        while (value_len > 0 && (*value == ' ' || *value == '\t')) {
            value++;
            value_len--;
        }
        while (value_len > 0 && (value[value_len - 1] == '\r' || value[value_len - 1] == '\n')) {
            value_len--;
        }
        keep_header(forward, mem_strndup(data, (size_t)(colon - data)), mem_strndup(value, value_len));
    }
    return len;
}

/* Status and headers of our answer. */
static void begin(struct api_forward *forward)
{
    struct api_request *request = forward->request;
    long status = 0;

    curl_easy_getinfo(forward->easy, CURLINFO_RESPONSE_CODE, &status);
    api_answer_begin(request, (int)status);
    for (size_t i = 0; i < forward->n_headers; i++) {
        const struct api_forward_header *header = &forward->headers[i];

        api_answer_header(request, header->name, strlen(header->name), header->value, strlen(header->value));
    }
    request->req->res.content_length = forward->length >= 0 ? (size_t)forward->length : SIZE_MAX;
}

static void pump(struct api_forward *forward)
{
    struct api_request *request = forward->request;
    h2o_send_state_t state = forward->failed     ? H2O_SEND_STATE_ERROR
                             : forward->finished ? H2O_SEND_STATE_FINAL
                                                 : H2O_SEND_STATE_IN_PROGRESS;
    h2o_iovec_t part;

    if (forward->sending || (forward->body.len == 0 && state == H2O_SEND_STATE_IN_PROGRESS)) {
        return;
    }
    buf_fini(&forward->inflight);
    forward->inflight = forward->body;
    forward->body = (struct buf)BUF_INIT;
    forward->sending = true;
    request->deadline_ms = uv_now(request->server->loop) + request->server->config.send_timeout_ms;
    part = h2o_iovec_init(forward->inflight.data, forward->inflight.len);
    if (state == H2O_SEND_STATE_IN_PROGRESS) {
        h2o_send(request->req, &part, 1, state);
        return;
    }
    /* The last part must outlive us: the request's memory takes it. */
    part = h2o_strdup(&request->req->pool, buf_str(&forward->inflight), forward->inflight.len);
    request->forward = NULL;
    forward->request = NULL;
    if (!forward->forwarder->inside) {
        api_forward_free(forward);
    }
    h2o_send(request->req, &part, part.len > 0 ? 1 : 0, state);
}

static void proceed_cb(h2o_generator_t *generator, h2o_req_t *req)
{
    TURN("forward");
    struct api_request *request = H2O_STRUCT_FROM_MEMBER(struct api_request, generator, generator);
    struct api_forward *forward = request->forward;

    (void)req;
    if (forward == NULL) {
        return;
    }
    forward->sending = false;
    forward->silent_since_ms = uv_now(request->server->loop);
    request->deadline_ms = UINT64_MAX; /* nothing is waiting to be taken */
    if (forward->paused) {
        forward->paused = false;
        curl_easy_pause(forward->easy, CURLPAUSE_CONT); /* may send what comes, at once, which has a deadline then */
    }
    if (request->forward != NULL) {
        pump(forward);
    }
}

static void stop_cb(h2o_generator_t *generator, h2o_req_t *req)
{
    struct api_request *request = H2O_STRUCT_FROM_MEMBER(struct api_request, generator, generator);

    (void)req;
    if (request->forward != NULL) {
        api_forward_cancel(request);
    }
}

/* A host that lost its power ends no connection. */
void api_forward_look(struct api_request *request, const struct api_leader *leader, uint64_t now_ms)
{
    const struct api_server *server = request->server;
    struct api_forward *forward = request->forward;
    uint64_t silence_max_ms = server->config.send_timeout_ms;

    if (forward->sending || forward->forwarder->inside) {
        return; /* there is a deadline for the client */
    }
    if (request->conn->cut || (server->closing && now_ms >= server->close_by_ms)) {
        silence_max_ms = 0;
    } else if (silence_max_ms > SILENCE_MAX_MS && now_ms - forward->silent_since_ms >= SILENCE_MAX_MS &&
               (server->closing || !is_leader(forward, leader) || api_conn_left(request->conn))) {
        silence_max_ms = SILENCE_MAX_MS;
    }
    if (now_ms - forward->silent_since_ms >= silence_max_ms) {
        LOG(LOG_INFO, "api", "no more comes of an answer that is passed on: it is cut off",
            LF_STR("leader", forward->leader.host));
        forward->failed = true;
        pump(forward);
    }
}

static size_t write_cb(char *data, size_t size, size_t n, void *user)
{
    struct api_forward *forward = user;
    struct api_request *request = forward->request;
    size_t len = size * n;

    if (request == NULL) {
        return 0;
    }
    if (forward->body.len >= BUFFER_MAX) {
        forward->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    buf_append(&forward->body, data, len);
    if (!forward->started && (forward->length < 0 || forward->length > WHOLE_MAX) && !forward->not_executed &&
        !forward->in_doubt) {
        forward->started = true;
        begin(forward);
        request->generator = (h2o_generator_t){proceed_cb, stop_cb};
        api_answer_sending(request);
        h2o_start_response(request->req, &request->generator);
    }
    if (forward->started) {
        pump(forward);
    }
    return len;
}

static void answer_whole(struct api_forward *forward)
{
    struct api_request *request = forward->request;
    h2o_iovec_t body = h2o_strdup(&request->req->pool, buf_str(&forward->body), forward->body.len);

    begin(forward);
    api_forward_free(forward);
    api_answer_sending(request);
    h2o_send_inline(request->req, body.base, body.len);
}

/* Did certainly no byte of the request reach the leader? */
static bool was_not_sent(CURL *easy, CURLcode code)
{
    long sent = 0;

    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR ||
        code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
        return true;
    }
    return curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent == 0;
}

static void forward_failed(struct api_forward *forward, CURLcode code)
{
    struct api_request *request = forward->request;
    bool not_sent = was_not_sent(forward->easy, code);
    bool heard = forward->heard;
    uint64_t now_ms = uv_now(request->server->loop);
    CLEANUP(free_ptr)
    char *what = mem_printf("the leader at %s port %u: %s", forward->leader.host, forward->leader.port,
                            *forward->reason != '\0' ? forward->reason : curl_easy_strerror(code));
    CLEANUP(free_ptr) char *reason = mem_printf("%s; it may still be carried out", what);

    if (now_ms >= forward->forwarder->log_after_ms) { /* attempts are many while a leader is away */
        forward->forwarder->log_after_ms = now_ms + LOG_EVERY_MS;
        LOG(LOG_INFO, "api", "cannot forward", LF_STR("reason", what), LF_STR("sent", not_sent ? "no" : "yes"));
    }
    api_forward_free(forward);
    if (heard && !api_request_repeatable(request)) {
        api_answer_unavailable(request, 502, reason);
        return;
    }
    api_request_unconfirmed(request, not_sent, reason);
    if (request->state == API_WAITING) {
        api_request_wait(request, RETRY_DELAY_MS);
    }
}

void api_forward_done(struct api_forward *forward, CURLcode code)
{
    struct api_request *request = forward->request;

    if (request == NULL) {
        api_forward_free(forward);
    } else if (forward->started) {
        forward->finished = true;
        forward->failed = code != CURLE_OK;
        pump(forward);
    } else if (code != CURLE_OK) {
        forward_failed(forward, code);
    } else if (forward->not_executed || forward->in_doubt) {
        bool untouched = forward->not_executed;

        api_forward_free(forward);
        api_request_unconfirmed(request, untouched,
                                "leadership was lost before the request was confirmed; it may "
                                "still be carried out");
        if (request->state == API_WAITING) {
            api_request_wait(request, RETRY_DELAY_MS);
        }
    } else {
        answer_whole(forward);
    }
}

/* ---- the request ---- */

static void set_body(struct api_forward *forward, const h2o_req_t *req)
{
    CURL *easy = forward->easy;
    CLEANUP(free_ptr) char *method = mem_strndup(req->method.base, req->method.len);

    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (req->entity.base != NULL || strcmp(method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->entity.len);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, req->entity.base != NULL ? req->entity.base : "");
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void add_sent(struct api_forward *forward, const char *name, const char *value, size_t value_len)
{
    CLEANUP(free_ptr) char *line = mem_printf("%s: %.*s", name, (int)value_len, value);

    forward->sent = curl_slist_append(forward->sent, line);
}

static void set_headers(struct api_forward *forward, const struct api_request *request)
{
    static const char *const plain[] = {"Expect:", "Accept:", "Content-Type:", "User-Agent:"}; /* none of libcurl's */
    const h2o_req_t *req = request->req;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    CLEANUP(free_ptr) char *self = mem_printf("%lu", (unsigned long)request->server->config.member_id);

    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        forward->sent = curl_slist_append(forward->sent, plain[i]);
    }
    add_sent(forward, API_FORWARDED_BY, self, strlen(self));
    if (at >= 0 && req->headers.entries[at].value.len > 0) {
        add_sent(forward, "Authorization", req->headers.entries[at].value.base, req->headers.entries[at].value.len);
    }
    if (api_request_local(request)) {
        char proof[API_AUTH_PROOF_SIZE];

        api_auth_prove_local(request->server->config.admin_key, at >= 0 ? req->headers.entries[at].value.base : "",
                             at >= 0 ? req->headers.entries[at].value.len : 0, proof);
        add_sent(forward, API_FROM_LOCAL, proof, strlen(proof));
    }
    if (*request->key != '\0') {
        add_sent(forward, "Idempotency-Key", request->key, strlen(request->key));
    }
    if (request->key_made) {
        add_sent(forward, API_KEY_MADE, "yes", strlen("yes"));
    }
    curl_easy_setopt(forward->easy, CURLOPT_HTTPHEADER, forward->sent);
}

static void set_target(struct api_forward *forward, const struct api_request *request)
{
    const struct api_leader *leader = &forward->leader;
    const h2o_iovec_t *path = &request->req->path;
    bool v6 = strchr(leader->host, ':') != NULL;
    CLEANUP(free_ptr) char *target = mem_strndup(path->base, path->len);
    CLEANUP(free_ptr)
    char *url = mem_printf("%s://%s%s%s:%u/", leader->tls ? "https" : "http", v6 ? "[" : "", leader->host,
                           v6 ? "]" : "", leader->port);

    curl_easy_setopt(forward->easy, CURLOPT_URL, url);
    curl_easy_setopt(forward->easy, CURLOPT_REQUEST_TARGET, target);
    if (leader->tls) {
        curl_easy_setopt(forward->easy, CURLOPT_CAINFO, request->server->config.forward_ca_file);
        curl_easy_setopt(forward->easy, CURLOPT_CA_CACHE_TIMEOUT, CA_KEPT_S);
    }
}

void api_forward_start(struct api_request *request, const struct api_leader *leader)
{
    struct api_forwarder *forwarder = request->server->forwarder;
    struct api_forward *forward = mem_calloc(1, sizeof(*forward));
    CURL *easy = curl_easy_init();

    CHECK(easy != NULL);
    forward->forwarder = forwarder;
    forward->request = request;
    forward->leader = *leader;
    forward->easy = easy;
    forward->length = -1;
    TAILQ_INIT(&forward->watches);
    TAILQ_INSERT_TAIL(&forwarder->forwards, forward, link);
    request->forward = forward;
    set_target(forward, request);
    set_body(forward, request->req);
    set_headers(forward, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, forward->reason);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)forward);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_cb);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, forward);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_cb);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, forward);
    if (!api_request_repeatable(request)) {
        /* libcurl sends a request again by itself when a connection from its pool turns out to be dead. */
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    api_forward_wait(forward);
}

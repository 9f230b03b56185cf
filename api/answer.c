#include <string.h>

#include "api/json_out.h"
#include "api/path.h"
#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"

#define ERROR_TYPE "text/plain; charset=utf-8"

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *reason;
    } table[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {303, "See Other"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Request Entity Too Large"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (table[i].status == status) {
            return table[i].reason;
        }
    }
    return "Unknown";
}

static bool is_head(const struct api_request *request)
{
    return h2o_memis(request->req->method.base, request->req->method.len, H2O_STRLIT("HEAD")) != 0;
}

void api_answer_header(struct api_request *request, const char *name, size_t name_len, const char *value,
                       size_t value_len)
{
    h2o_req_t *req = request->req;
    h2o_iovec_t name_copy = h2o_strdup(&req->pool, name, name_len);
    h2o_iovec_t value_copy = h2o_strdup(&req->pool, value, value_len);

    h2o_add_header_by_str(&req->pool, &req->res.headers, name_copy.base, name_len, 0, name_copy.base, value_copy.base,
                          value_len);
}

static void add_header(struct api_request *request, const char *name, const char *value)
{
    api_answer_header(request, name, strlen(name), value, strlen(value));
}

/* From here on the request only waits for its bytes to leave. */
void api_answer_sending(struct api_request *request)
{
    struct api_server *server = request->server;

    request->state = API_SENDING;
    request->deadline_ms = uv_now(server->loop) + server->config.send_timeout_ms;
    if (server->closing || server->draining) {
        request->req->http1_is_persistent = 0;
    }
}

void api_answer_begin(struct api_request *request, int status)
{
    h2o_req_t *req = request->req;

    CHECK_MAGIC(request, API_REQUEST_MAGIC);
    CHECK(request->state != API_SENDING);
    req->res.status = status;
    request->server->stats.answers[status / 100 % 6]++;
    req->res.reason = reason_phrase(status);
    if (log_get_level() >= LOG_DEBUG) {
        h2o_iovec_t path = h2o_strdup(&req->pool, req->input.path.base, req->input.path.len);
        h2o_iovec_t method = h2o_strdup(&req->pool, req->method.base, req->method.len);

        LOG(LOG_DEBUG, "api", "request", LF_STR("method", method.base), LF_STR("path", path.base),
            LF_I64("status", status), LF_U64("ms", uv_now(request->server->loop) - request->arrived_ms));
    }
}

static void send_body(struct api_request *request, const char *body, size_t len)
{
    request->req->res.content_length = len;
    api_answer_sending(request);
    h2o_send_inline(request->req, body, len);
}

void api_answer_raw(struct api_request *request, int status, const char *content_type, const char *body, size_t len)
{
    api_answer_begin(request, status);
    add_header(request, "Content-Type", content_type);
    send_body(request, body, len);
}

void api_answer_text(struct api_request *request, int status, const char *text)
{
    struct buf body = BUF_INIT;

    buf_append_str(&body, text);
    buf_append_char(&body, '\n');
    api_answer_begin(request, status);
    add_header(request, "Content-Type", ERROR_TYPE);
    add_header(request, "X-Content-Type-Options", "nosniff");
    send_body(request, body.data, body.len);
    buf_fini(&body);
}

void api_answer_json(struct api_request *request, int status, struct buf *json)
{
    buf_append_char(json, '\n');
    api_answer_raw(request, status, API_JSON_TYPE, json->data, json->len);
}

void api_answer_empty(struct api_request *request, int status, const char *content_type)
{
    api_answer_begin(request, status);
    if (content_type != NULL) {
        add_header(request, "Content-Type", content_type);
    }
    if (status == 204 || is_head(request)) {
        api_answer_sending(request); /* no Content-Length */
        h2o_send_inline(request->req, "", 0);
    } else {
        send_body(request, "", 0);
    }
}

void api_answer_unavailable(struct api_request *request, int status, const char *reason)
{
    struct buf json = BUF_INIT;

    buf_printf(&json, "{\"error\":\"%s\",\"reason\":", status == 502 ? "outcome unknown" : "unavailable");
    api_out_string(&json, reason);
    buf_append_str(&json, "}\n");
    api_answer_begin(request, status);
    add_header(request, "Content-Type", API_JSON_TYPE);
    add_header(request, "Retry-After", "1");
    send_body(request, json.data, json.len);
    buf_fini(&json);
}

/* 202, 301, 303: title in the page that GET gets, NULL for no page at all. */
void api_answer_location(struct api_request *request, int status, const char *location, const char *title)
{
    struct buf body = BUF_INIT;

    api_answer_begin(request, status);
    if (title != NULL) {
        add_header(request, "Content-Type", API_HTML_TYPE);
        buf_append_str(&body, "<a href=\"");
        api_path_escape_html(location, strlen(location), &body);
        buf_printf(&body, "\">%s</a>.\n\n", title);
    }
    add_header(request, "Location", location);
    send_body(request, buf_str(&body), body.len);
    buf_fini(&body);
}

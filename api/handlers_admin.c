/* Maintenance mode, log level, figures. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "api/auth.h"
#include "api/metrics_out.h"
#include "api/server_priv.h"
#include "store/base/log.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

static const struct store_settings *settings_of(const struct api_request *request)
{
    const struct api_backend *backend = &request->server->backend;

    return store_settings(backend->store(backend->user));
}

/* ---- maintenance mode ---- */

static enum store_mode mode_of(const struct api_request *request)
{
    enum store_mode mode = settings_of(request)->mode;

    mode = mode != STORE_MODE_UNSET ? mode : request->server->config.default_mode;
    return mode != STORE_MODE_UNSET ? mode : STORE_MODE_NORMAL;
}

static bool is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;

    if (address->sa_family == AF_INET) {
        return v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    }
    if (address->sa_family != AF_INET6) {
        return false;
    }
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) { /* how a socket for both families shows IPv4 */
        return memcmp(&v6->sin6_addr.s6_addr[12], &(struct in_addr){htonl(INADDR_LOOPBACK)}, 4) == 0;
    }
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* What a forwarding member says of the client counts, not the address of that member. */
bool api_request_local(const struct api_request *request)
{
    h2o_req_t *req = request->req;
    struct sockaddr_storage address;
    h2o_iovec_t proof, header = {NULL, 0};
    ssize_t at;

    if (!request->forwarded) {
        return req->conn->callbacks->get_peername(req->conn, (struct sockaddr *)&address) > 0 &&
               is_loopback((struct sockaddr *)&address);
    }
    at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("hecate-local"), -1);
    if (at < 0) {
        return false;
    }
    proof = req->headers.entries[at].value;
    at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    if (at >= 0) {
        header = req->headers.entries[at].value;
    }
    return api_auth_proves_local(request->server->config.admin_key, header.base != NULL ? header.base : "", header.len,
                                 proof.base, proof.len);
}

bool api_mode_refuses(struct api_request *request)
{
    enum store_mode mode = mode_of(request);

    if (mode == STORE_MODE_NORMAL || api_request_is(request, "GET") || api_request_is(request, "HEAD") ||
        (mode == STORE_MODE_LOCAL_CLIENT && api_request_local(request))) {
        return false;
    }
    api_answer_text(request, 503, "Service disabled for maintenance");
    return true;
}

void api_get_admin(struct api_request *request)
{
    struct buf json = BUF_INIT;

    buf_printf(&json, "{\"state\":\"%s\"}", store_mode_name(mode_of(request)));
    api_answer_json(request, 200, &json);
    buf_fini(&json);
}

/* ---- log level ---- */

void api_get_logging(struct api_request *request)
{
    uint32_t set = settings_of(request)->log_level;
    enum log_level level = set != 0 ? (enum log_level)(set - 1) : log_get_level();
    struct buf json = BUF_INIT;

    buf_printf(&json, "{\"loglevel\":{\"glusterfs\":\"%s\"}}", log_level_name(level));
    api_answer_json(request, 200, &json);
    buf_fini(&json);
}

/* ---- figures: of this member, as it sees the database; nothing is asked of the leader ---- */

static void out_api_metrics(struct buf *buf, const struct api_server *server)
{
    api_metric_family(buf, "hecate_api_requests_total", "counter", "Requests answered, by first digit of the status");
    for (size_t i = 2; i < sizeof(server->stats.answers) / sizeof(*server->stats.answers); i++) {
        buf_printf(buf, "hecate_api_requests_total{class=\"%zuxx\"} %lu\n", i, (unsigned long)server->stats.answers[i]);
    }
    api_metric_family(buf, "hecate_api_requests_forwarded_total", "counter", "Requests sent on to the leader");
    buf_printf(buf, "hecate_api_requests_forwarded_total %lu\n", (unsigned long)server->stats.forwarded);
    api_metric_family(buf, "hecate_api_requests_waited_total", "counter",
                      "Requests that had to wait for a lease or a leader");
    buf_printf(buf, "hecate_api_requests_waited_total %lu\n", (unsigned long)server->stats.waited);
    api_metric_family(buf, "hecate_api_connections", "gauge", "Connections of clients");
    buf_printf(buf, "hecate_api_connections %zu\n", server->n_conns);
    api_metric_family(buf, "hecate_api_connections_pushed_out_total", "counter",
                      "Waiting connections that were ended because others needed the place");
    buf_printf(buf, "hecate_api_connections_pushed_out_total %lu\n", (unsigned long)server->stats.pushed_out);
}

void api_get_metrics(struct api_request *request, bool serving)
{
    struct api_server *server = request->server;
    const struct api_backend *backend = &server->backend;
    struct buf rest = BUF_INIT, buf = BUF_INIT;
    const struct buf *figures;

    out_api_metrics(&rest, server);
    if (!api_shown_still(server, &server->figures, serving)) {
        backend->metrics(backend->user, &buf);
        (void)api_shown_set(server, &server->figures, &buf);
    }
    figures = api_text_buf(server->figures.text);
    buf_append(&rest, buf_str(figures), figures->len);
    if (!api_shown_still(server, &server->database, serving)) {
        api_out_metrics(&buf, backend->store(backend->user));
        (void)api_shown_set(server, &server->database, &buf);
    }
    api_answer_shared(request, METRICS_TYPE, server->database.text, &rest);
}

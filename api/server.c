/* h2o, its listener and its connections; start and end.
 *
 * h2o 2.2.5: HTTP/2 stays off (it leaks connections), its shutdown callback too (it arms a timer that makes the
 * disposal abort); the context is disposed of from a timer's callback, because it runs the loop once.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/tls.h"
#include "store/base/turn.h"

#define TICK_MS 20
#define CLOSE_MAX_MS 5000
#define IDLE_GRACE_MS 500 /* longer than Heketi's clients wait between two polls */
#define READ_TIMEOUT_MS 15000
#define SEND_TIMEOUT_MS 30000

/* ---- connections ---- */

static bool is_any(const struct api_conn *conn)
{
    (void)conn;
    return true;
}

static bool is_quiet(const struct api_conn *conn)
{
    return conn->request == NULL;
}

/* A client may send its next request here; on one that is new the first is on its way. */
static bool is_idle(const struct api_conn *conn)
{
    return conn->request == NULL && conn->used;
}

/* SHUT_RD: what has arrived is still read and answered; then h2o sees the end. */
static void cut_connections(struct api_server *server, bool (*which)(const struct api_conn *conn), int how)
{
    struct api_conn *conn;

    for (conn = TAILQ_FIRST(&server->conns); conn != NULL; conn = TAILQ_NEXT(conn, link)) {
        int fd = h2o_socket_get_fd(conn->sock);

        if (fd >= 0 && which(conn)) {
            (void)shutdown(fd, how);
        }
    }
}

/* ---- leadership goes elsewhere ---- */

void api_server_drain(struct api_server *server, bool drain)
{
    CHECK_MAGIC(server, API_SERVER_MAGIC);
    CHECK(!server->closing);
    server->draining = drain;
    server->cut_idle_ms = uv_now(server->loop) + IDLE_GRACE_MS;
    if (drain) {
        api_server_tick_start(server);
    }
}

bool api_server_drained(const struct api_server *server)
{
    const struct api_conn *conn;

    TAILQ_FOREACH (conn, &server->conns, link) {
        if (is_idle(conn)) {
            return false;
        }
    }
    return true;
}

bool api_server_owes(const struct api_server *server, uint64_t until_ms)
{
    const struct api_request *request;

    TAILQ_FOREACH (request, &server->requests, link) {
        if (request->arrived_ms <= until_ms) {
            return true;
        }
    }
    return false;
}

/* ---- time ---- */

static void tick(uv_timer_t *timer)
{
    TURN("api timer");
    struct api_server *server = timer->data;

    api_requests_look(server);
    if (TAILQ_EMPTY(&server->requests) && !server->closing && !server->draining) {
        uv_timer_stop(timer);
    }
    if (server->closing) {
        api_end_lost(server);
        api_server_close_step(server);
    } else if (server->draining && uv_now(server->loop) >= server->cut_idle_ms) {
        cut_connections(server, is_idle, SHUT_RD);
    }
}

void api_server_tick_start(struct api_server *server)
{
    if (!uv_is_active((uv_handle_t *)&server->tick)) {
        uv_timer_start(&server->tick, tick, TICK_MS, TICK_MS);
    }
}

void api_server_changed(struct api_server *server)
{
    CHECK_MAGIC(server, API_SERVER_MAGIC);
    api_shown_drop(&server->status);
    api_shown_drop(&server->figures);
    api_requests_look(server);
}

uint16_t api_server_port(const struct api_server *server)
{
    return server->port;
}

/* ---- start ---- */

/* Reads the files; existing connections keep what they began with. */
static int load_tls(struct api_server *server, struct err *reterr)
{
    static char http1[] = "http/1.1";
    static const h2o_iovec_t protocols[] = {{http1, sizeof(http1) - 1}, {NULL, 0}}; /* h2o keeps the pointer */
    const struct tls_files files = {NULL, server->config.cert_file, server->config.key_file};
    SSL_CTX *ctx = tls_context_new(&files, TLS_SERVER, "TLS of the REST API", reterr);

    if (ctx == NULL) {
        return E_INVALID;
    }
    h2o_ssl_register_alpn_protocols(ctx, protocols);
    SSL_CTX_free(server->ssl);
    server->ssl = ctx;
    server->accept.ssl_ctx = ctx;
    return 0;
}

static int start_tls(struct api_server *server, struct err *reterr)
{
    const struct api_config *config = &server->config;

    if (!config->tls) {
        return 0;
    }
    if (config->forward_ca_file == NULL || *config->forward_ca_file == '\0') {
        return err_set(reterr, E_INVALID, "TLS needs the certificate authority of the members' certificates");
    }
    return load_tls(server, reterr);
}

int api_server_reload_tls(struct api_server *server, struct err *reterr)
{
    CHECK_MAGIC(server, API_SERVER_MAGIC);
    return server->config.tls && !server->closing ? load_tls(server, reterr) : 0;
}

int64_t api_server_tls_expires_s(const struct api_server *server)
{
    return server->ssl != NULL ? tls_context_expires_s(server->ssl) : 0;
}

static void start_h2o(struct api_server *server)
{
    h2o_hostconf_t *host;
    h2o_pathconf_t *path;
    struct api_handler *handler;

    h2o_config_init(&server->h2o);
    server->h2o.server_name = h2o_iovec_init("", 0);
    server->h2o.http1.req_timeout = server->config.read_timeout_ms;
    server->h2o.http1.upgrade_to_http2 = 0;
    server->h2o.http2.callbacks.request_shutdown = NULL;
    host = h2o_config_register_host(&server->h2o, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    path = h2o_config_register_path(host, "/", 0);
    handler = (struct api_handler *)h2o_create_handler(path, sizeof(*handler));
    handler->h2o.on_req = api_request_arrived;
    handler->server = server;
    h2o_context_init(&server->context, server->loop, &server->h2o);
    server->accept.ctx = &server->context;
    server->accept.hosts = server->h2o.hosts;
    server->accept.ssl_ctx = server->ssl;
}

static const char *copy_text(const char *text)
{
    return text != NULL ? mem_strdup(text) : NULL;
}

/* The copies are ours, though the structure is made for texts of others. */
static void free_text(const char *text)
{
    void *ptr;

    memcpy(&ptr, &text, sizeof(ptr));
    free(ptr);
}

static void copy_config(struct api_config *to, const struct api_config *from)
{
    *to = *from;
    to->listen_host = copy_text(from->listen_host);
    to->cert_file = copy_text(from->cert_file);
    to->key_file = copy_text(from->key_file);
    to->admin_key = copy_text(from->admin_key);
    to->user_key = copy_text(from->user_key);
    to->forward_ca_file = copy_text(from->forward_ca_file);
    to->read_timeout_ms = from->read_timeout_ms != 0 ? from->read_timeout_ms : READ_TIMEOUT_MS;
    to->send_timeout_ms = from->send_timeout_ms != 0 ? from->send_timeout_ms : SEND_TIMEOUT_MS;
}

static void server_free(struct api_server *server)
{
    SSL_CTX_free(server->ssl);
    api_events_free(server->events);
    api_shown_drop(&server->status);
    api_shown_drop(&server->figures);
    api_shown_drop(&server->database);
    free_text(server->config.listen_host);
    free_text(server->config.cert_file);
    free_text(server->config.key_file);
    free_text(server->config.admin_key);
    free_text(server->config.user_key);
    free_text(server->config.forward_ca_file);
    server->magic = 0;
    free(server);
}

static int check_config(const struct api_config *config, struct err *reterr)
{
    if (config->auth && (config->admin_key == NULL || *config->admin_key == '\0' || config->user_key == NULL ||
                         *config->user_key == '\0')) {
        return err_set(reterr, E_INVALID, "both keys are needed, the administrator's and the user's");
    }
    if (config->connections_max == 0 || config->body_max_bytes == 0 || config->request_timeout_ms == 0) {
        return err_set(reterr, E_INVALID, "connections, body size and request timeout must not be 0");
    }
    return 0;
}

int api_server_start(uv_loop_t *loop, const struct api_config *config, const struct api_backend *backend,
                     struct api_server **ret_server, struct err *reterr)
{
    struct api_server *server;
    int rc = check_config(config, reterr);

    if (rc != 0) {
        return rc;
    }
    server = mem_calloc(1, sizeof(*server));
    server->magic = API_SERVER_MAGIC;
    server->loop = loop;
    server->clock_ns = uv_hrtime;
    server->slow_ms = API_SLOW_MS;
    server->deaf_ms = API_DEAF_MS;
    server->grace_ms = API_GRACE_MS;
    server->backend = *backend;
    copy_config(&server->config, config);
    server->events = api_events_new();
    TAILQ_INIT(&server->conns);
    TAILQ_INIT(&server->requests);
    TAILQ_INIT(&server->submits);
    rc = start_tls(server, reterr);
    if (rc != 0) {
        server_free(server);
        return rc;
    }
    CHECK(uv_timer_init(loop, &server->tick) == 0);
    server->tick.data = server;
    server->handles = 10; /* this one, and those of listener.c, arrivals.c, bulk.c, left.c, pieces.c and work.c */
    start_h2o(server);
    api_listener_init(server);
    api_arrivals_init(server);
    api_bulk_init(server);
    api_left_init(server);
    api_pieces_init(server);
    api_works_init(server);
    server->forwarder = api_forwarder_new(server);
    rc = api_listener_start(server, reterr);
    if (rc != 0) {
        api_server_close(server, NULL, NULL);
        return rc;
    }
    *ret_server = server;
    LOG(LOG_INFO, "api", "listening", LF_STR("host", config->listen_host), LF_U64("port", server->port),
        LF_STR("tls", config->tls ? "yes" : "no"));
    return 0;
}

/* ---- end ---- */

static void handle_closed(uv_handle_t *handle)
{
    struct api_server *server = handle->data;
    void (*closed_cb)(void *user) = server->closed_cb;
    void *closed_user = server->closed_user;

    if (--server->handles == 0) {
        server_free(server);
        if (closed_cb != NULL) {
            closed_cb(closed_user);
        }
    }
}

static void dispose(uv_timer_t *timer)
{
    struct api_server *server = timer->data;
    struct api_submit *submit;

    api_works_abandon(server);
    while ((submit = TAILQ_FIRST(&server->submits)) != NULL) {
        TAILQ_REMOVE(&server->submits, submit, link);
        submit->server = NULL;
    }
    uv_timer_stop(&server->tick);
    h2o_context_dispose(&server->context);
    h2o_config_dispose(&server->h2o);
    uv_close((uv_handle_t *)&server->tick, handle_closed);
    uv_close((uv_handle_t *)&server->bulk_timer, handle_closed);
    uv_close((uv_handle_t *)&server->bulk_check, handle_closed);
    api_left_fini(server);
    uv_close((uv_handle_t *)&server->left_timer, handle_closed);
    uv_close((uv_handle_t *)&server->pieces_idle, handle_closed);
    uv_close((uv_handle_t *)&server->copy_idle, handle_closed);
    uv_close((uv_handle_t *)&server->arrivals, handle_closed);
    uv_close((uv_handle_t *)&server->arrivals_end, handle_closed);
    uv_close((uv_handle_t *)&server->comers_timer, handle_closed);
    api_sources_fini(server);
}

static void forwarder_closed(void *user)
{
    struct api_server *server = user;

    uv_timer_start(&server->tick, dispose, 0, 0);
}

void api_server_close_step(struct api_server *server)
{
    if (!server->closing) {
        return;
    }
    if (server->n_conns > 0 || server->n_comers > 0) {
        if (uv_now(server->loop) >= server->close_by_ms) {
            api_listener_drop_all(server);
            cut_connections(server, is_any, SHUT_RDWR);
        } else if (uv_now(server->loop) >= server->cut_idle_ms) {
            cut_connections(server, is_quiet, SHUT_RD);
        }
        return;
    }
    if (server->forwarder != NULL) {
        struct api_forwarder *forwarder = TAKE_PTR(server->forwarder);

        api_forwarder_close(forwarder, forwarder_closed, server);
    }
}

void api_server_close(struct api_server *server, void (*closed_cb)(void *user), void *user)
{
    CHECK_MAGIC(server, API_SERVER_MAGIC);
    CHECK(!server->closing);
    server->closing = true;
    server->closed_cb = closed_cb;
    server->closed_user = user;
    server->close_by_ms = uv_now(server->loop) + CLOSE_MAX_MS;
    /* A connection that is closed under a client's next request looks like a failure to it. So idle ones stay a little:
     * whoever uses his is told in the answer that it was the last one. */
    server->cut_idle_ms = uv_now(server->loop) + IDLE_GRACE_MS;
    api_listener_close(server, handle_closed);
    h2o_context_request_shutdown(&server->context);
    api_server_tick_start(server);
}

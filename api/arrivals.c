/* What anybody can cause by coming and by sending: connections, steps of TLS handshakes, bytes to decrypt, requests. A
 * few of each are begun in a turn of the loop; the others wait for the next ones.
 *
 * h2o takes a step of a handshake where it reads: while one is under way, what is read has a line of its own, since a
 * step takes far longer than to decrypt as many bytes. */
#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/turn.h"

#define BEGIN_MAX 16 /* connections */
#define COME_AGAIN_MS 5
#define CUT_MAX 64 /* connections that are about to end: with so many no other one is taken */
#define STEPS_MAX 8
#define STEPS_WAIT_MAX 16 /* with so many nobody begins of whom nothing is known */
#define STEPS_NS 2000000  /* no other step begins later in its turn, nor after: */
#define READS_MAX 256
#define READS_NS 3000000
#define REQUESTS_MAX 64
#define REQUESTS_NS 3000000

static void serve_requests(struct api_server *server)
{
    TURN("request");
    uint64_t begin_ns = uv_hrtime();
    struct api_request *request;

    for (int n = 0; n < REQUESTS_MAX && (request = TAILQ_FIRST(&server->arrived)) != NULL; n++) {
        if (n > 0 && uv_hrtime() - begin_ns >= REQUESTS_NS) {
            return;
        }
        TAILQ_REMOVE(&server->arrived, request, arrived_link);
        request->state = API_WAITING;
        api_request_begin(request);
    }
}

static void serve_line(struct api_server *server, enum api_line line, int max, uint64_t max_ns)
{
    uint64_t begin_ns = uv_hrtime();
    struct api_conn *conn;

    for (int n = 0; n < max && (n == 0 || uv_hrtime() - begin_ns < max_ns); n++) {
        conn = api_line_next(server, line);
        if (conn == NULL) {
            return;
        }
        api_read_some(conn); /* may end the connection */
    }
}

static void serve_steps(struct api_server *server)
{
    TURN("handshake");
    serve_line(server, API_LINE_STEPS, STEPS_MAX, STEPS_NS);
}

static void serve_reads(struct api_server *server)
{
    TURN("api read");
    serve_line(server, API_LINE_READS, READS_MAX, READS_NS);
}

/* Whose handshake has begun is to end it before others begin theirs. Only strangers hold up strangers; and those that
 * keep us reading, only each other: one source can do that with the connections that it has. */
static enum api_others others_may_begin(const struct api_server *server)
{
    const struct api_conn *conn;
    size_t n[API_LINES] = {0};

    TAILQ_FOREACH (conn, &server->conns, link) {
        n[conn->line] += conn->waits && !api_source_comes_first(conn->source);
    }
    return n[API_LINE_STEPS] >= STEPS_WAIT_MAX ? API_OTHERS_NONE
           : n[API_LINE_READS] >= READS_MAX    ? API_OTHERS_NEW
                                               : API_OTHERS_ALL;
}

static void come_again(uv_timer_t *timer)
{
    api_arrivals_wake(timer->data);
}

/* They have descriptors until they have ended: no more than connections may have. */
static size_t cut_max(const struct api_server *server)
{
    return server->config.connections_max < CUT_MAX ? server->config.connections_max : CUT_MAX;
}

/* false: those that are left wait for others to have had their time, or to end. */
static bool serve_comers(struct api_server *server)
{
    TURN("api accept");

    if (server->n_comers == 0 || server->n_cut >= cut_max(server)) {
        return false; /* turn_ends looks for those that have ended */
    }
    if (api_listener_begin(server, BEGIN_MAX, others_may_begin(server)) == 0) {
        CHECK(uv_timer_start(&server->comers_timer, come_again, COME_AGAIN_MS, 0) == 0);
        return false;
    }
    return server->n_comers > 0;
}

static void serve(uv_idle_t *idle)
{
    struct api_server *server = idle->data;
    bool more;

    serve_requests(server);
    api_requests_look_on(server);
    serve_steps(server);
    serve_reads(server);
    more = serve_comers(server);
    if (TAILQ_EMPTY(&server->arrived) && server->look_next == NULL && api_line_is_empty(server, API_LINE_STEPS) &&
        api_line_is_empty(server, API_LINE_READS) && !more) {
        uv_idle_stop(idle);
    }
}

void api_arrivals_wake(struct api_server *server)
{
    uv_idle_start(&server->arrivals, serve);
}

/* ---- requests ---- */

void api_arrivals_request(struct api_request *request)
{
    TAILQ_INSERT_TAIL(&request->server->arrived, request, arrived_link);
    api_arrivals_wake(request->server);
}

void api_arrivals_request_gone(struct api_request *request)
{
    if (request->state == API_ARRIVED) {
        TAILQ_REMOVE(&request->server->arrived, request, arrived_link);
    }
}

/* ---- connections ---- */

/* Before the loop looks at the sockets again: h2o may have begun to read, with something else when the handshake is
 * over. */
static void turn_ends(uv_prepare_t *prepare)
{
    TURN("api read");
    struct api_server *server = prepare->data;
    struct api_conn *conn;

    if (server->n_comers > 0) {
        api_end_lost(server); /* they may be what it waits for */
        if (server->n_cut < cut_max(server) && !uv_is_active((uv_handle_t *)&server->comers_timer)) {
            api_arrivals_wake(server);
        }
    }
    TAILQ_FOREACH (conn, &server->conns, link) {
        h2o_socket_cb read = conn->sock->_cb.read;

        api_read_look(conn);
        api_slow_look(conn);
        if (read != NULL && read != conn->handshake) {
            conn->handshake = NULL;
        }
    }
    if (TAILQ_EMPTY(&server->conns)) {
        uv_prepare_stop(prepare);
    }
}

void api_arrivals_conn(struct api_conn *conn)
{
    conn->handshake = conn->ssl != NULL ? conn->sock->_cb.read : NULL;
    CHECK(conn->sock->_cb.read != NULL);
    api_read_begin(conn);
    uv_prepare_start(&conn->server->arrivals_end, turn_ends);
}

void api_arrivals_conn_gone(struct api_conn *conn)
{
    if (conn->server->reading == conn) {
        conn->server->reading = NULL;
    }
}

void api_arrivals_comers(struct api_server *server)
{
    api_end_lost(server); /* they keep places that comers may want */
    api_arrivals_wake(server);
}

void api_arrivals_init(struct api_server *server)
{
    TAILQ_INIT(&server->arrived);
    api_sources_init(server);
    CHECK(uv_idle_init(server->loop, &server->arrivals) == 0);
    CHECK(uv_prepare_init(server->loop, &server->arrivals_end) == 0);
    CHECK(uv_timer_init(server->loop, &server->comers_timer) == 0);
    server->arrivals.data = server->arrivals_end.data = server->comers_timer.data = server;
}

/* What anybody can cause by coming: connections, steps of TLS handshakes, requests. A few of each are begun in a turn
 * of the loop; the others wait for the next ones, in the order in which they came.
 *
 * h2o takes a step of a handshake where it reads. So while a handshake is under way its callback for that is replaced:
 * the bytes are there already, the step follows when it is its turn, and nothing is read meanwhile. */
#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/turn.h"

#define ACCEPT_MAX 16
#define STEPS_MAX 8
#define STEPS_NS 2000000 /* no other step begins later in its turn, nor after: */
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

static void step(struct api_conn *conn)
{
    h2o_socket_t *sock = conn->sock;

    if (sock->_cb.read != NULL || sock->_cb.write != NULL) {
        return; /* h2o ends it meanwhile: it took too long */
    }
    conn->handshake(sock, conn->cut ? h2o_socket_error_io : NULL); /* may end the connection */
}

static void serve_steps(struct api_server *server)
{
    TURN("handshake");
    uint64_t begin_ns = uv_hrtime();
    struct api_conn *conn;

    for (int n = 0; n < STEPS_MAX && (conn = TAILQ_FIRST(&server->steps)) != NULL; n++) {
        if (n > 0 && uv_hrtime() - begin_ns >= STEPS_NS) {
            return;
        }
        TAILQ_REMOVE(&server->steps, conn, step_link);
        conn->step_waits = false;
        step(conn);
    }
}

static void serve(uv_idle_t *idle)
{
    struct api_server *server = idle->data;

    serve_requests(server);
    serve_steps(server);
    if (server->accept_waits) {
        server->accept_waits = false;
        if (!server->closing) {
            api_conn_accept(server); /* the listener goes on with the next ones */
        }
    }
    if (TAILQ_EMPTY(&server->arrived) && TAILQ_EMPTY(&server->steps)) {
        uv_idle_stop(idle);
    }
}

static void wake(struct api_server *server)
{
    uv_idle_start(&server->arrivals, serve);
}

/* ---- requests ---- */

void api_arrivals_request(struct api_request *request)
{
    TAILQ_INSERT_TAIL(&request->server->arrived, request, arrived_link);
    wake(request->server);
}

void api_arrivals_request_gone(struct api_request *request)
{
    if (request->state == API_ARRIVED) {
        TAILQ_REMOVE(&request->server->arrived, request, arrived_link);
    }
}

/* ---- handshakes ---- */

static void step_wanted(h2o_socket_t *sock, const char *err)
{
    struct api_conn *conn = sock->on_close.data;

    if (err != NULL) {
        conn->handshake(sock, err);
        return;
    }
    h2o_socket_read_stop(sock);
    conn->step_waits = true;
    TAILQ_INSERT_TAIL(&conn->server->steps, conn, step_link);
    wake(conn->server);
}

static void handshake_over(struct api_conn *conn)
{
    if (conn->handshake != NULL) {
        conn->handshake = NULL;
        conn->server->n_handshakes--;
    }
}

/* h2o has begun to read again; with something else when the handshake is over. */
static void look(struct api_conn *conn)
{
    h2o_socket_cb *read = &conn->sock->_cb.read;

    if (*read == conn->handshake) {
        *read = step_wanted;
    } else if (*read != NULL && *read != step_wanted) {
        handshake_over(conn);
    }
}

static void turn_ends(uv_prepare_t *prepare)
{
    TURN("handshake");
    struct api_server *server = prepare->data;
    struct api_conn *conn;

    server->n_accepted = 0;
    if (server->n_handshakes > 0) {
        TAILQ_FOREACH (conn, &server->conns, link) {
            if (conn->handshake != NULL) {
                look(conn);
            }
        }
    }
    if (server->n_handshakes == 0) {
        uv_prepare_stop(prepare);
    }
}

void api_arrivals_handshake(struct api_conn *conn)
{
    conn->handshake = conn->sock->_cb.read;
    CHECK(conn->handshake != NULL); /* nothing was read yet */
    conn->server->n_handshakes++;
    look(conn);
    uv_prepare_start(&conn->server->arrivals_end, turn_ends);
}

void api_arrivals_conn_gone(struct api_conn *conn)
{
    if (conn->step_waits) {
        TAILQ_REMOVE(&conn->server->steps, conn, step_link);
    }
    handshake_over(conn);
}

/* ---- connections ---- */

void api_arrivals_listener(uv_stream_t *listener, int status)
{
    struct api_server *server = listener->data;

    if (status != 0) {
        return;
    }
    if (server->n_accepted == ACCEPT_MAX) { /* libuv listens no more until this one is taken */
        server->accept_waits = true;
        wake(server);
        return;
    }
    server->n_accepted++;
    uv_prepare_start(&server->arrivals_end, turn_ends);
    api_conn_accept(server);
}

void api_arrivals_init(struct api_server *server)
{
    TAILQ_INIT(&server->steps);
    TAILQ_INIT(&server->arrived);
    CHECK(uv_idle_init(server->loop, &server->arrivals) == 0);
    CHECK(uv_prepare_init(server->loop, &server->arrivals_end) == 0);
    server->arrivals.data = server->arrivals_end.data = server;
}

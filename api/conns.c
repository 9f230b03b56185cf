/* Connections: how they begin, and how they end.
 *
 * There are so many places. When all are taken, somebody has to go for the next one (places.h). The last ones are kept
 * for the members, whose forwards come over the same port, and nobody is pushed out of them. But whoever runs on a
 * member's host has its address: so it has a share of them, and beyond it is like any other. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/places.h"
#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"

#define LOG_EVERY_MS 10000
#define CONNECTIONS_MAX 512
#define CONNECTIONS_MIN 16 /* so that members have some, and others too */
#define FILES_EACH 4       /* itself and kept_fd, one to the leader, and one of a comer (listener.c) */

/* ---- ends ---- */

void api_conn_reset(struct api_conn *conn)
{
    static const struct linger at_once = {.l_onoff = 1};

    conn->reset = true;
    (void)setsockopt(conn->kept_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* A part of the answer is lost with the connection: h2o has not got all of it yet (then it has a generator), or the
 * kernel has not. What the kernel has as a whole may still be taken. */
static bool is_broken_off(const struct api_conn *conn)
{
    const struct api_request *request = conn->request;

    return request != NULL && (request->state == API_STREAMING ||
                               (request->state == API_SENDING && (request->req->_generator != NULL ||
                                                                  uv_stream_get_write_queue_size(conn->stream) > 0)));
}

void api_conn_cut(struct api_conn *conn)
{
    int fd = h2o_socket_get_fd(conn->sock);

    if (!conn->cut) {
        conn->cut = true;
        conn->server->n_cut++;
        api_source_no_member(conn);
        if (conn->waits && conn->line == API_LINE_STEPS) { /* its end is no step of a handshake */
            api_line_leave(conn);
            api_line_stand(conn, API_LINE_READS);
        }
        if (is_broken_off(conn) && !conn->server->closing) {
            api_conn_reset(conn);
        }
    }
    if (fd >= 0) {
        (void)shutdown(fd, SHUT_RDWR); /* h2o sees the end, in the next turn */
    }
}

bool api_conn_left(const struct api_conn *conn)
{
    struct pollfd fd = {.fd = h2o_socket_get_fd(conn->sock), .events = POLLRDHUP};

    return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

bool api_conn_dead(const struct api_conn *conn)
{
    struct pollfd fd = {.fd = h2o_socket_get_fd(conn->sock)}; /* POLLHUP and POLLERR are always asked for */

    return conn->cut || (fd.fd >= 0 && poll(&fd, 1, 0) > 0);
}

static void conn_closed(void *data)
{
    struct api_conn *conn = data;
    struct api_server *server = conn->server;

    TAILQ_REMOVE(&server->conns, conn, link);
    server->n_conns--;
    server->n_cut -= conn->cut;
    server->bulky = server->bulky != conn ? server->bulky : NULL;
    api_arrivals_conn_gone(conn);
    api_line_leave(conn);
    api_source_no_member(conn);
    SSL_CTX_free(conn->ssl);
    conn->ssl = NULL;
    conn->sock = NULL;
    conn->stream = NULL;
    if (!api_left_keep(conn)) {
        api_source_leave(conn);
        free(conn);
    }
    api_server_close_step(server);
}

void api_conn_forget(struct api_conn *conn)
{
    struct api_server *server = conn->server;

    TAILQ_REMOVE(&server->left, conn, link);
    server->n_left--;
    conn->source->left_bytes -= conn->left_bytes;
    (void)close(conn->kept_fd);
    api_source_leave(conn);
    free(conn);
    if (server->n_left == 0) {
        uv_timer_stop(&server->left_timer);
    }
}

void api_conn_quiet(struct api_conn *conn)
{
    struct api_server *server = conn->server;

    conn->request = NULL;
    conn->used = true;
    conn->body_allowed = conn->imports = false;
    conn->bad_head = conn->head_seen = 0;
    conn->half_since_ms = 0;
    TAILQ_REMOVE(&server->conns, conn, link); /* the list is in the order of patience */
    TAILQ_INSERT_TAIL(&server->conns, conn, link);
}

/* ---- who has to go ---- */

static void log_full(struct api_server *server, const char *what)
{
    uint64_t now_ms = uv_now(server->loop);

    if (now_ms >= server->log_full_ms) {
        server->log_full_ms = now_ms + LOG_EVERY_MS;
        LOG(LOG_WARNING, "api", what, LF_U64("connections", server->n_conns - server->n_cut));
    }
}

size_t api_connections_max(size_t files)
{
    size_t max = files / 2 / FILES_EACH;

    return max > CONNECTIONS_MAX ? CONNECTIONS_MAX : max < CONNECTIONS_MIN ? CONNECTIONS_MIN : max;
}

static size_t members_max(const struct api_server *server)
{
    return server->config.connections_max / 8;
}

/* Is there one of the places of members for it? */
static bool has_member_place(const struct api_server *server, const struct api_source *source)
{
    size_t max = members_max(server);
    size_t share = max / 4 > 0 ? max / 4 : 1;

    return server->n_members < max && source->n_members < share;
}

enum room { ROOM_NONE, ROOM_SOON, ROOM_MADE };

static size_t others_max(const struct api_server *server)
{
    return server->config.connections_max - members_max(server);
}

bool api_conn_has_room(const struct api_server *server)
{
    return server->n_conns - server->n_cut - server->n_members + server->n_left < others_max(server);
}

/* Makes room for one more that has no such place. */
static enum room make_room(struct api_server *server, const struct api_source *source)
{
    struct api_conn *victim;

    if (!api_conn_has_room(server)) {
        api_left_look(server);
    }
    if (api_conn_has_room(server)) {
        return ROOM_MADE;
    }
    victim = api_places_victim(server, source, others_max(server));
    if (victim == NULL) {
        log_full(server, "all connections are at work: another one is refused");
        return ROOM_NONE;
    }
    if (api_places_spared(victim, source)) {
        return ROOM_SOON;
    }
    log_full(server, "too many connections: those go that have most of them");
    server->stats.pushed_out++;
    if (victim->left) {
        api_left_reset(victim);
    } else {
        api_conn_cut(victim);
    }
    return ROOM_MADE;
}

/* ---- arrival ---- */

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void conn_new(struct api_server *server, uv_tcp_t *tcp, const struct api_comer *comer, bool member, int kept_fd)
{
    struct api_conn *conn = mem_calloc(1, sizeof(*conn));

    (void)uv_tcp_nodelay(tcp, 1);
    conn->server = server;
    conn->kept_fd = kept_fd;
    conn->member = member;
    conn->address = api_source_address(&comer->from);
    conn->begun_ms = uv_now(server->loop);
    api_source_enter(conn, comer->source);
    conn->stream = (uv_stream_t *)tcp;
    conn->ssl = server->ssl;
    if (conn->ssl != NULL) {
        CHECK(SSL_CTX_up_ref(conn->ssl) == 1);
    }
    conn->sock = h2o_uv_socket_create((uv_stream_t *)tcp, free_handle);
    conn->sock->on_close.cb = conn_closed;
    conn->sock->on_close.data = conn;
    api_slow_begin(conn);
    TAILQ_INSERT_TAIL(&server->conns, conn, link);
    server->n_conns++;
    api_bulk_accepted(server);
    h2o_accept(&server->accept, conn->sock);
    api_arrivals_conn(conn);
}

bool api_conn_begin(struct api_server *server, const struct api_comer *comer)
{
    struct api_source *source = comer->source;
    bool member = source->member && has_member_place(server, source);
    enum room room = member ? ROOM_MADE : make_room(server, source);
    uv_tcp_t *tcp;
    int kept_fd;

    if (room == ROOM_SOON) {
        return false;
    }
    kept_fd = room == ROOM_MADE ? fcntl(comer->fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (kept_fd < 0) {
        (void)close(comer->fd);
        return true;
    }
    tcp = mem_alloc(sizeof(*tcp));
    CHECK(uv_tcp_init(server->loop, tcp) == 0);
    CHECK(uv_tcp_open(tcp, comer->fd) == 0);
    conn_new(server, tcp, comer, member, kept_fd);
    return true;
}

/* Who may have a connection, and how long.
 *
 * Strangers cost nothing but their own place. When all places are taken, the connection of a stranger ends that has
 * waited longest: nothing sent, half a request sent, or an answer that it does not take. So a client that sends its
 * request at once is always answered, however many others hold connections. A connection that had a valid token goes
 * only when there is no stranger's left, and only between two requests; one of a member never. The last places are kept
 * for the members, whose forwards come over the same port. One address can have most of the places, but not all, as
 * long as it is not this host's own: clients behind a proxy share one.
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
#include "store/base/turn.h"

#define LOG_EVERY_MS 10000

/* ---- addresses ---- */

/* IPv4 as it is mapped into IPv6; of IPv6 the network, since a host has all addresses of one. */
static void source_of(const struct sockaddr_storage *from, struct in6_addr *ret_source, bool *ret_local)
{
    memset(ret_source, 0, sizeof(*ret_source));
    *ret_local = false;
    if (from->ss_family == AF_INET) {
        const struct in_addr *v4 = &((const struct sockaddr_in *)from)->sin_addr;

        ret_source->s6_addr[10] = ret_source->s6_addr[11] = 0xff;
        memcpy(ret_source->s6_addr + 12, v4, sizeof(*v4));
        *ret_local = (ntohl(v4->s_addr) >> 24) == 127;
    } else if (from->ss_family == AF_INET6) {
        *ret_source = ((const struct sockaddr_in6 *)from)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(ret_source)) {
            *ret_local = ret_source->s6_addr[12] == 127;
        } else if (IN6_IS_ADDR_LOOPBACK(ret_source)) {
            *ret_local = true;
        } else {
            memset(ret_source->s6_addr + 8, 0, 8);
        }
    }
}

/* ---- ends ---- */

void api_conn_cut(struct api_conn *conn)
{
    int fd = h2o_socket_get_fd(conn->sock);

    if (!conn->cut) {
        conn->cut = true;
        conn->server->n_cut++;
    }
    if (fd >= 0) {
        (void)shutdown(fd, SHUT_RDWR); /* h2o sees the end, in the next turn */
    }
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
    SSL_CTX_free(conn->ssl);
    free(conn);
    api_server_close_step(server);
}

void api_conn_quiet(struct api_conn *conn)
{
    struct api_server *server = conn->server;

    conn->request = NULL;
    conn->used = true;
    conn->body_allowed = false;
    conn->bad_head = 0;
    conn->half_since_ms = 0;
    TAILQ_REMOVE(&server->conns, conn, link); /* the list is in the order of patience */
    TAILQ_INSERT_TAIL(&server->conns, conn, link);
}

/* ---- who has to go ---- */

/* A stranger that nothing is worked for. */
static bool is_stranger(const struct api_conn *conn)
{
    return !conn->member && !conn->trusted && (conn->request == NULL || conn->request->state == API_SENDING);
}

static bool is_between(const struct api_conn *conn)
{
    return !conn->member && conn->trusted && conn->request == NULL;
}

/* source NULL: of any. NULL: nobody. */
static struct api_conn *choose(struct api_server *server, const struct in6_addr *source)
{
    static bool (*const ranks[])(const struct api_conn *conn) = {is_stranger, is_between};
    struct api_conn *conn;

    for (size_t i = 0; i < sizeof(ranks) / sizeof(*ranks); i++) {
        TAILQ_FOREACH (conn, &server->conns, link) {
            if (!conn->cut && ranks[i](conn) && (source == NULL || IN6_ARE_ADDR_EQUAL(source, &conn->source))) {
                return conn;
            }
        }
    }
    return NULL;
}

static size_t count_of(const struct api_server *server, const struct in6_addr *source)
{
    const struct api_conn *conn;
    size_t n = 0;

    TAILQ_FOREACH (conn, &server->conns, link) {
        n += !conn->cut && IN6_ARE_ADDR_EQUAL(source, &conn->source);
    }
    return n;
}

static void log_full(struct api_server *server, const char *what)
{
    uint64_t now_ms = uv_now(server->loop);

    if (now_ms >= server->log_full_ms) {
        server->log_full_ms = now_ms + LOG_EVERY_MS;
        LOG(LOG_WARNING, "api", what, LF_U64("connections", server->n_conns - server->n_cut));
    }
}

/* Makes room for one more; false: there is none. */
static bool make_room(struct api_server *server, const struct in6_addr *source, bool local, bool member)
{
    size_t max = server->config.connections_max;
    size_t others_max = max - max / 8; /* the rest is for members */
    size_t source_max = others_max - others_max / 4;
    struct api_conn *victim;

    if (!member && !local && count_of(server, source) >= source_max) {
        victim = choose(server, source);
    } else if (server->n_conns - server->n_cut >= (member ? max : others_max)) {
        victim = choose(server, NULL);
    } else {
        return true;
    }
    if (victim == NULL) {
        log_full(server, "all connections are at work: another one is refused");
        return false;
    }
    log_full(server, "too many connections: those go that have waited longest");
    server->stats.pushed_out++;
    api_conn_cut(victim);
    return true;
}

/* ---- arrival ---- */

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void conn_new(struct api_server *server, uv_tcp_t *tcp, const struct in6_addr *source, bool member)
{
    struct api_conn *conn = mem_calloc(1, sizeof(*conn));

    (void)uv_tcp_nodelay(tcp, 1);
    conn->server = server;
    conn->source = *source;
    conn->member = member;
    conn->stream = (uv_stream_t *)tcp;
    conn->ssl = server->ssl;
    if (conn->ssl != NULL) {
        CHECK(SSL_CTX_up_ref(conn->ssl) == 1);
    }
    conn->sock = h2o_uv_socket_create((uv_stream_t *)tcp, free_handle);
    conn->sock->on_close.cb = conn_closed;
    conn->sock->on_close.data = conn;
    TAILQ_INSERT_TAIL(&server->conns, conn, link);
    server->n_conns++;
    api_bulk_accepted(server);
    h2o_accept(&server->accept, conn->sock);
    if (conn->ssl != NULL) {
        api_arrivals_handshake(conn);
    }
}

void api_conn_accept(struct api_server *server)
{
    TURN("api accept");
    uv_stream_t *listener = (uv_stream_t *)&server->listener;
    const struct api_backend *backend = &server->backend;
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    int from_len = sizeof(from);
    struct in6_addr source;
    bool local, member;
    uv_tcp_t *tcp;

    CHECK_MAGIC(server, API_SERVER_MAGIC);
    tcp = mem_alloc(sizeof(*tcp));
    CHECK(uv_tcp_init(server->loop, tcp) == 0);
    if (uv_accept(listener, (uv_stream_t *)tcp) != 0 ||
        uv_tcp_getpeername(tcp, (struct sockaddr *)&from, &from_len) != 0) {
        uv_close((uv_handle_t *)tcp, free_handle);
        return;
    }
    api_end_lost(server);
    source_of(&from, &source, &local);
    member = backend->is_member != NULL && backend->is_member(backend->user, (const struct sockaddr *)&from);
    if (make_room(server, &source, local, member)) {
        conn_new(server, tcp, &source, member);
    } else {
        uv_close((uv_handle_t *)tcp, free_handle);
    }
}

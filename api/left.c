/* What the kernel still has for clients whose connections are closed.
 *
 * An answer that is closed before the client has taken it stays in the kernel, and anybody could leave there as many as
 * he likes. So the kernel's connection is kept here, by a second descriptor, until all of it has been taken or the
 * client is gone. It has its place as before (places.h) and is the first of its source to give it up; what finds none
 * is reset. And bytes have a limit, for each source and for all: the one that has most of them loses its oldest. */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/turn.h"

#define LOOK_MS 50
#define BYTES_MAX ((size_t)64 << 20)
#define SOURCE_PART 4    /* of them for one source */
#define STRANGERS_PART 4 /* and for all strangers, before one that is known loses anything */

void api_left_reset(struct api_conn *conn)
{
    api_conn_reset(conn);
    api_conn_forget(conn);
}

/* Bytes of answers that the client's kernel has not acknowledged. */
static size_t bytes_of(const struct api_conn *conn)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    int queued = 0;
    bool ended; /* the end of what is sent is in the queue as well, and counts as one */

    if (getsockopt(conn->kept_fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || info.tcpi_state == TCP_CLOSE ||
        ioctl(conn->kept_fd, SIOCOUTQ, &queued) != 0) {
        return 0;
    }
    ended = info.tcpi_state != TCP_ESTABLISHED && info.tcpi_state != TCP_CLOSE_WAIT;
    return queued > (int)ended ? (size_t)queued - ended : 0;
}

/* ---- limits ---- */

static size_t bytes_left(const struct api_server *server, bool strangers)
{
    const struct api_source *source;
    size_t bytes = 0;

    TAILQ_FOREACH (source, &server->sources, link) {
        bytes += !strangers || !api_source_comes_first(source) ? source->left_bytes : 0;
    }
    return bytes;
}

static const struct api_source *source_of_most(const struct api_server *server, bool strangers)
{
    const struct api_source *source, *most = NULL;

    TAILQ_FOREACH (source, &server->sources, link) {
        if ((!strangers || !api_source_comes_first(source)) &&
            source->left_bytes > (most != NULL ? most->left_bytes : 0)) {
            most = source;
        }
    }
    return most;
}

/* NULL: nobody has too many. */
static const struct api_source *source_beyond(const struct api_server *server)
{
    const struct api_source *most = source_of_most(server, false);

    if (most == NULL || most->left_bytes > BYTES_MAX / SOURCE_PART) {
        return most;
    }
    if (bytes_left(server, false) <= BYTES_MAX) {
        return NULL;
    }
    return source_of_most(server, bytes_left(server, true) > BYTES_MAX / STRANGERS_PART);
}

static void keep_limits(struct api_server *server)
{
    const struct api_source *source;
    struct api_conn *conn;

    while ((source = source_beyond(server)) != NULL) {
        conn = TAILQ_FIRST(&server->left);
        while (conn->source != source) {
            conn = TAILQ_NEXT(conn, link);
        }
        server->stats.pushed_out++;
        api_left_reset(conn);
    }
}

/* ---- time ---- */

void api_left_look(struct api_server *server)
{
    struct api_conn *conn, *next;

    for (conn = TAILQ_FIRST(&server->left); conn != NULL; conn = next) {
        size_t bytes = bytes_of(conn);

        next = TAILQ_NEXT(conn, link);
        conn->source->left_bytes += bytes;
        conn->source->left_bytes -= conn->left_bytes;
        conn->left_bytes = bytes;
        if (bytes == 0) {
            api_conn_forget(conn);
        }
    }
}

static void look(uv_timer_t *timer)
{
    TURN("api left");
    api_left_look(timer->data);
}

bool api_left_keep(struct api_conn *conn)
{
    struct api_server *server = conn->server;
    struct api_source *source = conn->source;
    size_t bytes = conn->reset || server->closing ? 0 : bytes_of(conn);

    if (bytes > 0 && !api_conn_has_room(server)) {
        api_conn_reset(conn);
        bytes = 0;
    }
    if (bytes == 0) {
        (void)close(conn->kept_fd);
        return false;
    }
    (void)shutdown(conn->kept_fd, SHUT_WR);
    conn->cut = false;
    conn->left = true;
    conn->left_bytes = bytes;
    source->left_bytes += bytes;
    TAILQ_INSERT_TAIL(&server->left, conn, link);
    if (server->n_left++ == 0) {
        CHECK(uv_timer_start(&server->left_timer, look, LOOK_MS, LOOK_MS) == 0);
    }
    keep_limits(server);
    return true;
}

void api_left_init(struct api_server *server)
{
    TAILQ_INIT(&server->left);
    CHECK(uv_timer_init(server->loop, &server->left_timer) == 0);
    server->left_timer.data = server;
}

void api_left_fini(struct api_server *server)
{
    struct api_conn *conn;

    while ((conn = TAILQ_FIRST(&server->left)) != NULL) {
        api_conn_forget(conn); /* what the kernel has may still be taken */
    }
}

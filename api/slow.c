/* Clients that take their answers slowly.
 *
 * Nobody is ended for a slow link as long as nobody else waits for his place. But places for long answers, and
 * connections, are few, and a client that takes little at a time would keep one as long as it likes. So it is measured
 * how much each connection takes, and who wants a place gets that of the slowest, if that one was below a floor. What
 * has to be made first, or waits for somebody else, is no fault of the client's: only time with bytes that wait to be
 * sent counts. All that it takes counts, whichever request it is for: many short answers are one long one.
 *
 * That takes long to tell, and who takes nothing at all would have the place as long as it takes. So he is told by what
 * his kernel acknowledges (deaf.c). Not so the members: they take what they pass on in large steps, whatever their own
 * clients do. */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "api/server_priv.h"
#include "store/base/log.h"

#define FLOOR_BYTES 65536 /* a second: with less a long answer would not end in its time */

#define DEAF_LOOKS 25 /* in the time after which somebody is deaf */

/* What is closed before the client has taken it stays in the kernel (left.c): not for longer than an answer would. */
void api_slow_begin(struct api_conn *conn)
{
    unsigned timeout_ms = conn->server->config.send_timeout_ms;

    (void)setsockopt(h2o_socket_get_fd(conn->sock), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

static void measure_from(struct api_pace *pace, uint64_t taken)
{
    pace->measured = true;
    pace->from = taken;
    pace->waited_ms = 0;
}

static bool is_sent_to(const struct api_conn *conn)
{
    return conn->request != NULL && (conn->request->state == API_SENDING || conn->request->state == API_STREAMING);
}

/* waiting: bytes that the kernel does not have yet. */
static void look_deaf(struct api_conn *conn, uint64_t now_ms, uint64_t waiting)
{
    struct api_deaf *deaf = &conn->pace.deaf;
    uint64_t written = conn->sock->bytes_written;
    int queued = 0;

    if (!is_sent_to(conn)) {
        deaf->waits = false; /* the next answer is looked at by itself */
        return;
    }
    if (now_ms - deaf->looked_ms < conn->server->deaf_ms / DEAF_LOOKS ||
        ioctl(h2o_socket_get_fd(conn->sock), SIOCOUTQ, &queued) != 0) {
        return;
    }
    waiting += (uint64_t)queued;
    api_deaf_look(deaf, now_ms, written > waiting ? written - waiting : 0, waiting > 0);
}

void api_slow_look(struct api_conn *conn)
{
    uint64_t now_ms = uv_now(conn->server->loop), slow_ms = conn->server->slow_ms;
    uint64_t waiting = uv_stream_get_write_queue_size(conn->stream), written = conn->sock->bytes_written;
    uint64_t taken = written > waiting ? written - waiting : 0; /* with TLS what waits is a little more */
    struct api_pace *pace = &conn->pace;

    look_deaf(conn, now_ms, waiting);
    pace->waited_ms += pace->waits ? now_ms - pace->seen_ms : 0;
    pace->seen_ms = now_ms;
    pace->waits = waiting > 0;
    pace->quiet_since_ms = pace->waits ? now_ms : pace->quiet_since_ms;
    if (!pace->measured) {
        if (pace->waits) {
            measure_from(pace, taken);
        }
    } else if (pace->waited_ms >= slow_ms) {
        pace->bytes_s = taken > pace->from ? (taken - pace->from) * 1000 / pace->waited_ms : 0;
        pace->known = true;
        measure_from(pace, taken);
    } else if (now_ms - pace->quiet_since_ms >= slow_ms) { /* what it took long ago tells nothing */
        *pace = (struct api_pace){.deaf = pace->deaf};
    }
}

static bool is_deaf(const struct api_conn *conn)
{
    return !conn->member && api_deaf_is(&conn->pace.deaf, conn->server->deaf_ms);
}

static uint64_t bytes_s_of(const struct api_conn *conn)
{
    return is_deaf(conn) ? 0 : conn->pace.bytes_s;
}

bool api_slow_is(const struct api_request *request)
{
    const struct api_conn *conn = request->conn;

    return is_sent_to(conn) && !conn->cut && (is_deaf(conn) || (conn->pace.known && conn->pace.bytes_s < FLOOR_BYTES));
}

struct api_request *api_slow_of(struct api_request *a, struct api_request *b)
{
    return a == NULL || bytes_s_of(b->conn) < bytes_s_of(a->conn) ? b : a;
}

void api_slow_end(struct api_request *request)
{
    LOG(LOG_INFO, "api", "client takes its answers slowly, and others wait: connection cut",
        LF_U64("bytes_s", bytes_s_of(request->conn)));
    api_conn_cut(request->conn);
}

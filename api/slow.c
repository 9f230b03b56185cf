/* Clients that take their answers slowly.
 *
 * Nobody is ended for a slow link as long as nobody else waits for his place. But places for long answers, and
 * connections, are few, and a client that takes little at a time would keep one as long as it likes. So it is measured
 * how much each connection takes, and who wants a place gets that of the slowest, if that one was below a floor. What
 * has to be made first, or waits for somebody else, is no fault of the client's: only time with bytes that wait to be
 * sent counts. All that it takes counts, whichever request it is for: many short answers are one long one. */
#include "api/server_priv.h"
#include "store/base/log.h"

#define FLOOR_BYTES 65536 /* a second: with less a long answer would not end in its time */

static void measure_from(struct api_pace *pace, uint64_t taken)
{
    pace->measured = true;
    pace->from = taken;
    pace->waited_ms = 0;
}

void api_slow_look(struct api_conn *conn)
{
    uint64_t now_ms = uv_now(conn->server->loop), slow_ms = conn->server->slow_ms;
    uint64_t waiting = uv_stream_get_write_queue_size(conn->stream), written = conn->sock->bytes_written;
    uint64_t taken = written > waiting ? written - waiting : 0; /* with TLS what waits is a little more */
    struct api_pace *pace = &conn->pace;

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
        *pace = (struct api_pace){0};
    }
}

bool api_slow_is(const struct api_request *request)
{
    const struct api_conn *conn = request->conn;

    return (request->state == API_SENDING || request->state == API_STREAMING) && conn->pace.known &&
           conn->pace.bytes_s < FLOOR_BYTES && !conn->cut;
}

struct api_request *api_slow_of(struct api_request *a, struct api_request *b)
{
    return a == NULL || b->conn->pace.bytes_s < a->conn->pace.bytes_s ? b : a;
}

void api_slow_end(struct api_request *request)
{
    LOG(LOG_INFO, "api", "client takes its answers slowly, and others wait: connection cut",
        LF_U64("bytes_s", request->conn->pace.bytes_s));
    api_conn_cut(request->conn);
}

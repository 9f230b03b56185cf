/* GET /events: what happens, as it happens (server-sent events). Every member answers, with what it has applied.
 *
 * The id of an event is its index in the log, which is the same on all members: a client that comes back with
 * Last-Event-ID, to whichever member, misses nothing and hears nothing twice. When that is too long ago, the event
 * "reset" says so. A client that does not read is cut off rather than waited for.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define KEPT_MAX 1024
#define STREAMS_MAX 64
#define BEHIND_MAX (1U << 20)
#define QUIET_MS 15000 /* after that a comment shows that the connection lives */

struct api_stream {
    uint64_t last_index; /* told up to there */
    uint64_t quiet_ms;   /* loop time of the next comment */
    struct buf waiting, inflight;
    bool sending, ended;
};

struct kept {
    uint64_t index;
    char *text; /* as it is sent */
};

struct api_events {
    struct kept kept[KEPT_MAX]; /* ring, in the order of the log */
    size_t first, n;
    uint64_t since; /* nothing after this index is missing */
    uint64_t last;
    size_t n_streams;
};

/* ---- what is kept ---- */

struct api_events *api_events_new(void)
{
    return mem_calloc(1, sizeof(struct api_events));
}

static void drop_oldest(struct api_events *events)
{
    struct kept *kept = &events->kept[events->first];

    events->since = kept->index;
    free(kept->text);
    events->first = (events->first + 1) % KEPT_MAX;
    events->n--;
}

void api_events_free(struct api_events *events)
{
    while (events->n > 0) {
        drop_oldest(events);
    }
    free(events);
}

static void keep(struct api_events *events, uint64_t index, const char *text)
{
    if (events->n == KEPT_MAX) {
        drop_oldest(events);
    }
    events->kept[(events->first + events->n++) % KEPT_MAX] = (struct kept){index, mem_strdup(text)};
    events->last = index;
}

/* ---- a stream ---- */

/* Sends what waits, or the end. */
static void pump(struct api_request *request)
{
    struct api_stream *stream = request->stream;
    h2o_iovec_t part;

    if (stream->sending || (stream->waiting.len == 0 && !stream->ended)) {
        return;
    }
    stream->sending = true;
    stream->quiet_ms = uv_now(request->server->loop) + QUIET_MS;
    request->deadline_ms = uv_now(request->server->loop) + request->server->config.send_timeout_ms;
    if (stream->ended) {
        request->state = API_SENDING;
        request->req->http1_is_persistent = 0;
        h2o_send(request->req, NULL, 0, H2O_SEND_STATE_FINAL);
        return;
    }
    buf_fini(&stream->inflight);
    stream->inflight = stream->waiting;
    stream->waiting = (struct buf)BUF_INIT;
    part = h2o_iovec_init(stream->inflight.data, stream->inflight.len);
    h2o_send(request->req, &part, 1, H2O_SEND_STATE_IN_PROGRESS);
}

static void proceed_cb(h2o_generator_t *generator, h2o_req_t *req)
{
    TURN("GET /events");
    struct api_request *request = H2O_STRUCT_FROM_MEMBER(struct api_request, generator, generator);

    (void)req;
    request->stream->sending = false;
    request->deadline_ms = UINT64_MAX; /* nothing is waiting to be taken */
    pump(request);
}

static void stop_cb(h2o_generator_t *generator, h2o_req_t *req)
{
    struct api_request *request = H2O_STRUCT_FROM_MEMBER(struct api_request, generator, generator);

    (void)req;
    request->stream->sending = true; /* no more */
}

static void append(struct api_request *request, const char *text)
{
    struct api_stream *stream = request->stream;

    if (stream->ended) {
        return;
    }
    if (stream->waiting.len + strlen(text) > BEHIND_MAX) {
        LOG(LOG_INFO, "api", "a client does not read its events: cut off");
        stream->ended = true; /* it comes back with the id of the last one that it has read */
        buf_fini(&stream->waiting);
        (void)shutdown(h2o_socket_get_fd(request->conn->sock), SHUT_RDWR);
        return;
    }
    buf_append_str(&stream->waiting, text);
    pump(request);
}

static bool parse_index(h2o_iovec_t text, uint64_t *ret_index)
{
    *ret_index = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.base[i] < '0' || text.base[i] > '9' || *ret_index > UINT64_MAX / 16) {
            return false;
        }
        *ret_index = *ret_index * 10 + (uint64_t)(text.base[i] - '0');
    }
    return text.len > 0;
}

/* Where the client stopped; false: it is new here. */
static bool last_event(const struct api_request *request, uint64_t *ret_index)
{
    h2o_req_t *req = request->req;
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("last-event-id"), -1);

    return at >= 0 && parse_index(req->headers.entries[at].value, ret_index);
}

static void begin(struct api_request *request)
{
    const struct api_events *events = request->server->events;
    struct api_stream *stream = request->stream;
    CLEANUP(buf_fini) struct buf hello = BUF_INIT;
    bool known = last_event(request, &stream->last_index);

    if (!known || stream->last_index < events->since) {
        if (known) {
            buf_append_str(&hello,
                           "event: reset\ndata: {\"reason\":\"events were missed: read again what matters\"}\n\n");
        }
        stream->last_index = known ? events->since : events->last;
    }
    buf_printf(&hello, "retry: 1000\nid: %lu\nevent: hello\ndata: {\"member_id\":%lu}\n\n",
               (unsigned long)stream->last_index, (unsigned long)request->server->config.member_id);
    append(request, buf_str(&hello));
    for (size_t i = 0; i < events->n; i++) {
        const struct kept *kept = &events->kept[(events->first + i) % KEPT_MAX];

        if (kept->index > stream->last_index) {
            append(request, kept->text);
            stream->last_index = kept->index;
        }
    }
}

void api_events_start(struct api_request *request)
{
    struct api_server *server = request->server;

    if (server->closing || server->draining || server->events->n_streams >= STREAMS_MAX) {
        api_answer_unavailable(request, 503,
                               server->closing || server->draining ? "this member is stopping"
                                                                   : "too many clients listen already");
        return;
    }
    request->stream = mem_calloc(1, sizeof(*request->stream));
    server->events->n_streams++;
    api_answer_begin(request, 200);
    api_answer_header(request, H2O_STRLIT("Content-Type"), H2O_STRLIT("text/event-stream"));
    api_answer_header(request, H2O_STRLIT("Cache-Control"), H2O_STRLIT("no-store"));
    api_answer_header(request, H2O_STRLIT("X-Accel-Buffering"), H2O_STRLIT("no"));
    request->req->res.content_length = SIZE_MAX;
    request->state = API_STREAMING;
    request->generator = (h2o_generator_t){proceed_cb, stop_cb};
    h2o_start_response(request->req, &request->generator);
    begin(request);
}

void api_events_forget(struct api_request *request)
{
    buf_fini(&request->stream->waiting);
    buf_fini(&request->stream->inflight);
    free(request->stream);
    request->stream = NULL;
    request->server->events->n_streams--;
}

void api_events_look(struct api_request *request, uint64_t now_ms)
{
    struct api_stream *stream = request->stream;

    if (stream->sending && now_ms >= request->deadline_ms) {
        request->deadline_ms = UINT64_MAX;
        (void)shutdown(h2o_socket_get_fd(request->conn->sock), SHUT_RDWR);
    } else if ((request->server->closing || request->server->draining) && !stream->ended) {
        stream->ended = true; /* what waits is told by the member to which it comes back */
        pump(request);
    } else if (!stream->sending && now_ms >= stream->quiet_ms) {
        append(request, ":\n\n");
    }
}

/* ---- from outside ---- */

void api_server_event(struct api_server *server, uint64_t index, const char *type, const char *json)
{
    struct api_request *request, *next;
    CLEANUP(buf_fini) struct buf text = BUF_INIT;

    CHECK_MAGIC(server, API_SERVER_MAGIC);
    if (index != 0) {
        buf_printf(&text, "id: %lu\n", (unsigned long)index);
    }
    buf_printf(&text, "event: %s\ndata: %s\n\n", type, json);
    if (index != 0) {
        keep(server->events, index, buf_str(&text));
    }
    for (request = TAILQ_FIRST(&server->requests); request != NULL; request = next) {
        next = TAILQ_NEXT(request, link);
        if (request->stream == NULL || (index != 0 && index <= request->stream->last_index)) {
            continue;
        }
        request->stream->last_index = index != 0 ? index : request->stream->last_index;
        append(request, buf_str(&text));
    }
}

void api_server_events_since(struct api_server *server, uint64_t index)
{
    struct api_events *events = server->events;

    CHECK_MAGIC(server, API_SERVER_MAGIC);
    while (events->n > 0) {
        drop_oldest(events);
    }
    events->since = index;
    events->last = index;
}

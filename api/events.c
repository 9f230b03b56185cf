/* GET /events: what happens, as it happens (server-sent events). Every member answers, with what it has applied.
 *
 * The id of an event is its index in the log, which is the same on all members: a client that comes back with
 * Last-Event-ID, to whichever member, misses nothing and hears nothing twice. When that is too long ago, the event
 * "reset" says so.
 *
 * Nothing of what is kept is copied for a client before its socket takes it: a stream is a place in the ring, and costs
 * one piece of it whatever its client is behind. One that is so slow that the ring overtakes it hears "reset"; one that
 * takes nothing for the time of an answer is cut off, sooner when another one wants its place (slow.c), and one that
 * has gone gives its place back at once.
 */
#include <stdlib.h>
#include <string.h>

#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define KEPT_MAX 1024
#define KEPT_BYTES_MAX (8U << 20)
#define STREAMS_MAX 64
#define PIECE_BYTES 65536 /* of what is kept, handed to a socket at a time; at most one event more */
#define OWN_BYTES_MAX 16384
#define QUIET_MS 15000 /* after that a comment shows that the connection lives */

#define RESET "event: reset\ndata: {\"reason\":\"events were missed: read again what matters\"}\n\n"

struct api_stream {
    uint64_t last_index; /* of the log: told up to there */
    uint64_t quiet_ms;   /* loop time of the next comment */
    struct buf own;      /* waits: what is not in the log, and comments */
    bool own_missed;     /* more of that than is kept for one client */
    struct buf inflight;
    bool sending, ended;
};

struct kept {
    uint64_t index;
    char *text; /* as it is sent */
};

struct api_events {
    struct kept kept[KEPT_MAX]; /* ring, in the order of the log */
    size_t first, n, bytes;
    uint64_t since; /* nothing after this index is missing */
    uint64_t last;
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
    events->bytes -= strlen(kept->text);
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
    size_t len = strlen(text);

    while (events->n == KEPT_MAX || (events->n > 0 && events->bytes + len > KEPT_BYTES_MAX)) {
        drop_oldest(events);
    }
    events->bytes += len;
    events->kept[(events->first + events->n++) % KEPT_MAX] = (struct kept){index, mem_strdup(text)};
    events->last = index;
}

/* The first that is kept after this index: its place in the ring, events->n when there is none. */
static size_t first_after(const struct api_events *events, uint64_t index)
{
    size_t low = 0, high = events->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (events->kept[(events->first + middle) % KEPT_MAX].index > index) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* ---- a stream ---- */

/* The next piece for a client: what is its own, then what is kept. */
static void fill(const struct api_events *events, struct api_stream *stream, struct buf *piece)
{
    if (stream->last_index < events->since) { /* the ring has overtaken it */
        buf_printf(piece, "id: %lu\n" RESET, (unsigned long)events->since);
        stream->last_index = events->since;
    } else if (stream->own_missed) {
        buf_append_str(piece, RESET);
    }
    stream->own_missed = false;
    buf_append(piece, buf_str(&stream->own), stream->own.len);
    buf_fini(&stream->own);
    for (size_t i = first_after(events, stream->last_index); i < events->n && piece->len < PIECE_BYTES; i++) {
        const struct kept *kept = &events->kept[(events->first + i) % KEPT_MAX];

        buf_append_str(piece, kept->text);
        stream->last_index = kept->index;
    }
}

/* Sends what there is, or the end. */
static void pump(struct api_request *request)
{
    struct api_stream *stream = request->stream;
    h2o_iovec_t part;

    if (stream->sending) {
        return;
    }
    buf_fini(&stream->inflight);
    if (!stream->ended) {
        fill(request->server->events, stream, &stream->inflight);
        if (stream->inflight.len == 0) {
            return;
        }
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

/* What only this client is told, or only this member tells. */
static void tell_own(struct api_request *request, const char *text)
{
    struct api_stream *stream = request->stream;

    if (stream->ended) {
        return;
    }
    if (stream->own.len + strlen(text) > OWN_BYTES_MAX) {
        stream->own_missed = true;
    } else {
        buf_append_str(&stream->own, text);
    }
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
            buf_append_str(&hello, RESET);
        }
        stream->last_index = known ? events->since : events->last;
    }
    buf_printf(&hello, "retry: 1000\nid: %lu\nevent: hello\ndata: {\"member_id\":%lu}\n\n",
               (unsigned long)stream->last_index, (unsigned long)request->server->config.member_id);
    tell_own(request, buf_str(&hello)); /* and what is kept follows */
}

static enum api_room room_for(const struct api_request *request)
{
    const struct api_server *server = request->server;
    const struct api_source *source = request->conn->source;
    const struct api_request *other;
    size_t n = 0, n_source = 0;

    TAILQ_FOREACH (other, &server->requests, link) {
        if (other->stream != NULL && !other->conn->cut) {
            n++;
            n_source += other->conn->source == source;
        }
    }
    return api_source_room(source, n_source, n, STREAMS_MAX);
}

/* The client that takes its events slowest gives up its place; false: all of them take theirs. */
static bool has_made_room(const struct api_request *request, enum api_room room)
{
    struct api_request *other, *slowest = NULL;

    TAILQ_FOREACH (other, &request->server->requests, link) {
        if (other->stream != NULL && api_slow_is(other) &&
            (room == API_ROOM_OF_ANY || other->conn->source == request->conn->source)) {
            slowest = api_slow_of(slowest, other);
        }
    }
    if (slowest != NULL) {
        api_slow_end(slowest);
    }
    return slowest != NULL;
}

static bool has_room(const struct api_request *request)
{
    enum api_room room = room_for(request);

    return room == API_ROOM_FREE || has_made_room(request, room);
}

void api_events_start(struct api_request *request)
{
    const struct api_server *server = request->server;

    if (server->closing || server->draining || !has_room(request)) {
        api_answer_unavailable(request, 503,
                               server->closing || server->draining ? "this member is stopping"
                                                                   : "too many clients listen already");
        return;
    }
    request->stream = mem_calloc(1, sizeof(*request->stream));
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
    buf_fini(&request->stream->own);
    buf_fini(&request->stream->inflight);
    free(request->stream);
    request->stream = NULL;
}

void api_events_look(struct api_request *request, uint64_t now_ms)
{
    struct api_stream *stream = request->stream;

    if (stream->sending && now_ms >= request->deadline_ms) {
        LOG(LOG_INFO, "api", "a client does not read its events: cut off");
        request->deadline_ms = UINT64_MAX;
        api_conn_cut(request->conn);
    } else if (!stream->ended &&
               (request->server->closing || request->server->draining || api_conn_left(request->conn))) {
        stream->ended = true; /* what waits is told by the member to which it comes back */
        pump(request);
    } else if (!stream->sending && now_ms >= stream->quiet_ms) {
        tell_own(request, ":\n\n");
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
        if (request->stream != NULL && index != 0) {
            pump(request);
        } else if (request->stream != NULL) {
            tell_own(request, buf_str(&text));
        }
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

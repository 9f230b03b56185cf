/* Long answers that the loop makes itself: the next piece when the socket has taken the one before, and no more in one
 * turn than a few milliseconds of all of them together. What they are made from (ids.h, a shared text) is as it was
 * when the request was handled. */
#include <stdlib.h>
#include <string.h>

#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define PIECE_BYTES 65536
#define TURN_MAX_NS 4000000 /* then the others have their turn */

struct api_pieces {
    struct api_request *request;
    TAILQ_ENTRY(api_pieces) link; /* while it waits for its next piece */
    bool waiting;
    struct api_piece_source source;
    struct buf inflight;
};

static void send_next(struct api_pieces *pieces)
{
    struct api_request *request = pieces->request;
    h2o_iovec_t part;
    bool more;

    buf_clear(&pieces->inflight);
    more = pieces->source.next(pieces->source.user, PIECE_BYTES, &pieces->inflight);
    request->deadline_ms = uv_now(request->server->loop) + request->server->config.send_timeout_ms;
    part = h2o_iovec_init(pieces->inflight.data, pieces->inflight.len);
    h2o_send(request->req, &part, 1, more ? H2O_SEND_STATE_IN_PROGRESS : H2O_SEND_STATE_FINAL);
}

static void serve(uv_idle_t *idle)
{
    TURN("long answers");
    struct api_server *server = idle->data;
    uint64_t begin_ns = uv_hrtime();
    struct api_pieces *pieces;

    while ((pieces = TAILQ_FIRST(&server->pieces)) != NULL && uv_hrtime() - begin_ns < TURN_MAX_NS) {
        TAILQ_REMOVE(&server->pieces, pieces, link);
        pieces->waiting = false;
        send_next(pieces);
    }
    if (TAILQ_EMPTY(&server->pieces)) {
        uv_idle_stop(idle);
    }
}

static void proceed_cb(h2o_generator_t *generator, h2o_req_t *req)
{
    struct api_request *request = H2O_STRUCT_FROM_MEMBER(struct api_request, generator, generator);
    struct api_server *server = request->server;

    (void)req;
    if (!request->pieces->waiting) {
        request->pieces->waiting = true;
        TAILQ_INSERT_TAIL(&server->pieces, request->pieces, link);
        uv_idle_start(&server->pieces_idle, serve);
    }
}

static void stop_cb(h2o_generator_t *generator, h2o_req_t *req)
{
    (void)generator; /* the request ends, and says so itself */
    (void)req;
}

void api_answer_pieces(struct api_request *request, int status, const char *content_type, size_t length,
                       const struct api_piece_source *source)
{
    struct api_pieces *pieces = mem_calloc(1, sizeof(*pieces));
    h2o_iovec_t part;

    pieces->request = request;
    pieces->source = *source;
    request->pieces = pieces;
    if (!source->next(source->user, PIECE_BYTES, &pieces->inflight)) { /* it is short */
        api_answer_raw(request, status, content_type, buf_str(&pieces->inflight), pieces->inflight.len);
        return;
    }
    api_answer_begin(request, status);
    api_answer_header(request, H2O_STRLIT("Content-Type"), content_type, strlen(content_type));
    request->req->res.content_length = length;
    request->generator = (h2o_generator_t){proceed_cb, stop_cb};
    api_answer_sending(request);
    h2o_start_response(request->req, &request->generator);
    part = h2o_iovec_init(pieces->inflight.data, pieces->inflight.len);
    h2o_send(request->req, &part, 1, H2O_SEND_STATE_IN_PROGRESS);
}

void api_pieces_forget(struct api_request *request)
{
    struct api_pieces *pieces = TAKE_PTR(request->pieces);

    if (pieces->waiting) {
        TAILQ_REMOVE(&request->server->pieces, pieces, link);
    }
    pieces->source.fini(pieces->source.user);
    buf_fini(&pieces->inflight);
    free(pieces);
}

void api_pieces_init(struct api_server *server)
{
    TAILQ_INIT(&server->pieces);
    CHECK(uv_idle_init(server->loop, &server->pieces_idle) == 0);
    server->pieces_idle.data = server;
}

/* ---- a text that several answers may be made of ---- */

struct api_text {
    unsigned refs;
    struct buf buf;
};

struct api_text *api_text_new(struct buf *buf)
{
    struct api_text *text = mem_calloc(1, sizeof(*text));

    text->refs = 1;
    text->buf = *buf;
    *buf = (struct buf)BUF_INIT;
    return text;
}

void api_text_unref(struct api_text *text)
{
    if (text != NULL && --text->refs == 0) {
        buf_fini(&text->buf);
        free(text);
    }
}

const struct buf *api_text_buf(const struct api_text *text)
{
    return &text->buf;
}

struct text_reader {
    struct api_text *text;
    struct buf rest; /* follows it */
    size_t at;
};

static bool text_next(void *user, size_t bytes, struct buf *piece)
{
    struct text_reader *reader = user;
    size_t left = reader->text->buf.len - reader->at;
    size_t len = left < bytes ? left : bytes;

    buf_append(piece, buf_str(&reader->text->buf) + reader->at, len);
    reader->at += len;
    if (len == left) {
        buf_append(piece, buf_str(&reader->rest), reader->rest.len);
    }
    return len < left;
}

static void text_fini(void *user)
{
    struct text_reader *reader = user;

    api_text_unref(reader->text);
    buf_fini(&reader->rest);
    free(reader);
}

void api_answer_shared(struct api_request *request, const char *content_type, struct api_text *text, struct buf *rest)
{
    struct text_reader *reader = mem_calloc(1, sizeof(*reader));
    const struct api_piece_source source = {text_next, text_fini, reader};

    text->refs++;
    reader->text = text;
    reader->rest = *rest;
    *rest = (struct buf)BUF_INIT;
    api_answer_pieces(request, 200, content_type, text->buf.len + reader->rest.len, &source);
}

/* ---- lists of ids, with texts around them ---- */

struct list_reader {
    struct api_ids lists[API_LISTS_MAX];
    size_t n_lists, list, leaf;
    struct buf tail;
    bool opened, any; /* the list; ids of it */
};

/* Of the list; true: all of it. */
static bool put_list(struct list_reader *reader, const struct ids *ids, size_t bytes, struct buf *piece)
{
    for (; reader->leaf < ids->n_leaves; reader->leaf++) {
        size_t n;
        const struct id *items = ids_leaf(ids, reader->leaf, &n);

        if (piece->len >= bytes) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            const struct id_text text = id_text(items[i]);

            buf_append(piece, ",\"", reader->any ? 2 : 0);
            if (!reader->any) {
                buf_append_char(piece, '"');
            }
            reader->any = true;
            buf_append(piece, text.text, ID_TEXT_LEN);
            buf_append_char(piece, '"');
        }
    }
    return true;
}

static bool list_next(void *user, size_t bytes, struct buf *piece)
{
    struct list_reader *reader = user;

    for (; reader->list < reader->n_lists; reader->list++) {
        const struct api_ids *list = &reader->lists[reader->list];

        if (!reader->opened) {
            buf_append(piece, buf_str(&list->head), list->head.len);
            reader->opened = true;
            reader->any = false;
            reader->leaf = 0;
        }
        if (!put_list(reader, &list->ids, bytes, piece)) {
            return true;
        }
        reader->opened = false;
    }
    buf_append(piece, buf_str(&reader->tail), reader->tail.len);
    return false;
}

static void list_fini(void *user)
{
    struct list_reader *reader = user;

    for (size_t i = 0; i < reader->n_lists; i++) {
        ids_fini(&reader->lists[i].ids);
        buf_fini(&reader->lists[i].head);
    }
    buf_fini(&reader->tail);
    free(reader);
}

void api_answer_ids(struct api_request *request, int status, const struct api_ids *lists, size_t n, struct buf *tail)
{
    struct list_reader *reader = mem_calloc(1, sizeof(*reader));
    const struct api_piece_source source = {list_next, list_fini, reader};

    CHECK(n <= API_LISTS_MAX);
    memcpy(reader->lists, lists, n * sizeof(*lists));
    reader->n_lists = n;
    reader->tail = *tail;
    *tail = (struct buf)BUF_INIT;
    api_answer_pieces(request, status, API_JSON_TYPE, SIZE_MAX, &source);
}

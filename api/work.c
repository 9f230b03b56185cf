/* Answers that take long to make (dump, check, backup) are made by threads from a snapshot of the store, so that the
 * loop goes on. The snapshot is taken by the serving leader while it handles the request: the answer is the state of
 * that moment, whatever happens meanwhile.
 *
 * They are made in pieces: while the client takes one, a thread makes the next, and then waits (no thread does: the
 * work is put down until the socket has taken what is there). So an answer costs two pieces of memory and its source,
 * however long it is. What was used is given back by a thread too. */
#include <stdlib.h>
#include <string.h>

#include "api/json_dump.h"
#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define WORKS_MAX 2 /* the loop's few threads also resolve names */
#define WORKS_WAIT_MS 50
#define PIECE_BYTES (256U << 10)
#define WHOLE_MAX_MS 900000 /* for a client to take all of it */

struct api_work {
    uv_work_t uv;
    struct api_request *request; /* NULL: nobody waits for it any more */
    struct api_server *server;   /* NULL: it is gone */
    uv_loop_t *loop;
    TAILQ_ENTRY(api_work) link;
    TAILQ_ENTRY(api_work) place_link;
    struct in6_addr from; /* whom its place counts for, also when the client has gone */
    enum api_route route;
    struct store_snapshot *snapshot; /* check, backup */
    struct store_encoder *encoder;   /* backup */
    struct api_dump *dump;           /* dump, examine */
    char *examined;                  /* EXAMINE: what the backend found, as compact JSON */
    struct buf out, inflight;        /* the piece that is or was made; the one that the socket takes */
    struct buf import;               /* what has been copied of the body, as long as not all of it is: */
    bool copies;
    TAILQ_ENTRY(api_work) copy_link;
    uint64_t end_ms; /* loop time: no longer than that */
    int rc;          /* of the piece: as of api_dump_next */
    bool running, made, sending, started;
    bool threaded;    /* it has one of the places for what threads make... */
    bool waits;       /* ...or waits for one, with what the backend found */
    atomic_bool stop; /* nobody waits for what the thread makes */
    struct err err;
};

/* ---- in a thread ---- */

static void make_check(struct api_work *work)
{
    struct api_json json = {.buf = &work->out};
    struct buf bytes = BUF_INIT;
    struct store *store = NULL;

    store_snapshot_encode(work->snapshot, &bytes);
    (void)store_snapshot_decode_until(bytes.data, bytes.len, &work->stop, &store, &work->err); /* the report tells */
    api_check(&json, store, work->err.code != 0 ? work->err.message : NULL);
    buf_append_char(&work->out, '\n');
    store_free(store);
    buf_fini(&bytes);
}

static void run(uv_work_t *uv)
{
    struct api_work *work = uv->data;

    work->rc = 0;
    if (work->dump != NULL) {
        work->rc = api_dump_next(work->dump, PIECE_BYTES, &work->out, &work->err);
    } else if (work->route == API_ROUTE_BACKUP) {
        if (work->encoder == NULL) {
            work->encoder = store_encoder_new(work->snapshot);
        }
        work->rc = store_encoder_next(work->encoder, PIECE_BYTES, &work->out);
    } else {
        make_check(work);
    }
}

static void run_end(uv_work_t *uv)
{
    struct api_work *work = uv->data;

    api_dump_free(work->dump);
    store_encoder_free(work->encoder);
    store_snapshot_free(work->snapshot);
    buf_fini(&work->out);
    buf_fini(&work->inflight);
    buf_fini(&work->import);
    free(work->examined);
}

/* ---- the end ---- */

static void place_free(struct api_server *server);

static void ended(uv_work_t *uv, int status)
{
    struct api_work *work = uv->data;
    struct api_server *server = work->server;

    (void)status; /* never cancelled */
    if (server != NULL) {
        TAILQ_REMOVE(&server->works, work, link);
        server->n_works--;
        if (work->threaded) {
            TAILQ_REMOVE(&server->placed, work, place_link);
            server->n_threaded--;
        }
        place_free(server);
    }
    free(work);
}

/* Nobody wants it: gives everything back. */
static void end(struct api_work *work)
{
    if (!work->running) {
        work->running = true;
        CHECK(uv_queue_work(work->loop, &work->uv, run_end, ended) == 0);
    } /* else when the piece is made */
}

void api_work_forget(struct api_request *request)
{
    struct api_work *work = request->work;

    work->request = NULL;
    request->work = NULL;
    atomic_store(&work->stop, true);
    if (work->made) {
        end(work);
    } else if (work->copies) {
        TAILQ_REMOVE(&work->server->copies, work, copy_link);
        run_end(&work->uv);
        ended(&work->uv, 0);
    } else if (work->route == API_ROUTE_EXAMINE) {
        const struct api_backend *backend = &work->server->backend;

        if (!work->waits) {
            backend->examine_forget(backend->user, work);
        }
        run_end(&work->uv);
        ended(&work->uv, 0);
    } /* else the backend still has it */
}

void api_works_abandon(struct api_server *server)
{
    struct api_work *work;

    TAILQ_FOREACH (work, &server->works, link) {
        work->server = NULL; /* the list dies with the server */
        atomic_store(&work->stop, true);
    }
}

/* ---- the answer ---- */

static void done(uv_work_t *uv, int status);

static void make_next(struct api_work *work)
{
    work->running = true;
    CHECK(uv_queue_work(work->loop, &work->uv, run, done) == 0);
}

static void begin(struct api_work *work)
{
    static const char disposition[] = "attachment; filename=\"heketi.db\"";
    struct api_request *request = work->request;
    bool backup = work->route == API_ROUTE_BACKUP;

    work->started = true;
    api_answer_begin(request, 200);
    if (backup) {
        api_answer_header(request, H2O_STRLIT("Content-Disposition"), disposition, strlen(disposition));
    }
    api_answer_header(request, H2O_STRLIT("Content-Type"), backup ? "application/octet-stream" : API_JSON_TYPE,
                      strlen(backup ? "application/octet-stream" : API_JSON_TYPE));
    request->req->res.content_length = backup          ? store_encoder_size_bytes(work->encoder)
                                       : work->rc == 0 ? work->out.len
                                                       : SIZE_MAX;
    api_answer_sending(request);
    h2o_start_response(request->req, &request->generator);
}

/* A piece is made, and the socket has taken the one before. */
static void send_piece(struct api_work *work)
{
    struct api_request *request = work->request;
    uint64_t now_ms = uv_now(work->loop);
    h2o_iovec_t part;
    bool late = now_ms >= work->end_ms, failed = work->rc < 0 || late;

    buf_fini(&work->inflight);
    work->inflight = work->out;
    work->out = (struct buf)BUF_INIT;
    work->sending = true;
    request->deadline_ms = now_ms + request->server->config.send_timeout_ms;
    part = h2o_iovec_init(work->inflight.data, work->inflight.len);
    if (failed) {
        LOG(LOG_WARNING, "api", "a long answer is broken off",
            LF_STR("reason", work->rc < 0 ? work->err.message : "the client takes too long"));
        request->req->http1_is_persistent = 0;
        if (late) {
            api_conn_reset(request->conn);
        }
        h2o_send(request->req, NULL, 0, H2O_SEND_STATE_ERROR);
    } else if (work->rc == 0) {
        h2o_send(request->req, &part, 1, H2O_SEND_STATE_FINAL);
    } else {
        make_next(work);
        h2o_send(request->req, &part, 1, H2O_SEND_STATE_IN_PROGRESS);
    }
}

static void proceed_cb(h2o_generator_t *generator, h2o_req_t *req)
{
    struct api_request *request = H2O_STRUCT_FROM_MEMBER(struct api_request, generator, generator);
    struct api_work *work = request->work;
    TURN_OF(api_route_kind(work->route));

    (void)req;
    work->sending = false;
    request->deadline_ms = work->end_ms; /* it is not the client who is waited for */
    if (!work->running) {
        send_piece(work);
    }
}

static void stop_cb(h2o_generator_t *generator, h2o_req_t *req)
{
    (void)generator; /* the request ends, and says so itself */
    (void)req;
}

static void done(uv_work_t *uv, int status)
{
    struct api_work *work = uv->data;
    struct api_request *request = work->request;
    TURN_OF(api_route_kind(work->route));

    (void)status; /* never cancelled */
    work->running = false;
    if (request == NULL) {
        end(work);
        return;
    }
    if (!work->started && work->rc < 0) {
        CLEANUP(free_ptr) char *text = mem_printf("Could not construct dump from DB: %s", work->err.message);

        api_work_forget(request);
        api_answer_text(request, 500, text);
        return;
    }
    if (!work->started) {
        begin(work);
    }
    if (!work->sending) {
        send_piece(work);
    }
}

/* ---- the start ---- */

static struct api_work *work_new(struct api_request *request)
{
    struct api_work *work = mem_calloc(1, sizeof(*work));

    work->uv.data = work;
    work->request = request;
    work->server = request->server;
    work->loop = request->server->loop;
    work->route = request->route;
    TAILQ_INSERT_TAIL(&work->server->works, work, link);
    work->server->n_works++;
    request->work = work;
    request->state = API_WORKING;
    return work;
}

static void work_run(struct api_work *work)
{
    const struct api_backend *backend = &work->server->backend;
    const struct store *store = backend->store(backend->user);

    work->made = work->threaded = true;
    work->from = work->request->conn->source->address;
    TAILQ_INSERT_TAIL(&work->server->placed, work, place_link);
    work->server->n_threaded++;
    work->end_ms = uv_now(work->loop) + WHOLE_MAX_MS;
    work->request->generator = (h2o_generator_t){proceed_cb, stop_cb};
    if (work->route == API_ROUTE_DB_DUMP || work->route == API_ROUTE_EXAMINE) {
        work->dump = api_dump_new(store, backend->generation(backend->user), TAKE_PTR(work->examined));
    } else {
        work->snapshot = store_snapshot_take(store);
    }
    make_next(work);
}

static bool is_from(const struct api_work *work, const struct api_request *request)
{
    return IN6_ARE_ADDR_EQUAL(&work->from, &request->conn->source->address) != 0;
}

static enum api_room room_for(const struct api_request *request)
{
    const struct api_server *server = request->server;
    const struct api_work *work;
    size_t n = 0;

    TAILQ_FOREACH (work, &server->placed, place_link) {
        n += is_from(work, request);
    }
    return api_source_room(request->conn->source, n, server->n_threaded, WORKS_MAX);
}

/* Who came first has the next place: else who asks again and again would have it, before those that wait look again.
 * But nobody waits for those whose address has its share already. */
static bool others_wait(const struct api_request *request)
{
    const struct api_request *other = TAILQ_FIRST(&request->server->requests); /* as they came */

    while (other != request &&
           !(other->state == API_WAITING && other->crowded && room_for(other) != API_ROOM_OF_ITS_OWN)) {
        other = TAILQ_NEXT(other, link);
    }
    return other != request;
}

/* The request waits for a place: the slowest one that is below the floor gives up its own. One at a time. */
static void end_slowest(const struct api_request *request, enum api_room room)
{
    struct api_request *slowest = NULL;
    struct api_work *work;

    TAILQ_FOREACH (work, &request->server->placed, place_link) {
        if (room == API_ROOM_OF_ITS_OWN && !is_from(work, request)) {
            continue;
        }
        if (work->request == NULL || work->request->conn->cut) {
            return; /* a place will be free */
        }
        if (api_slow_is(work->request)) {
            slowest = api_slow_of(slowest, work->request);
        }
    }
    if (slowest != NULL) {
        api_slow_end(slowest);
    }
}

void api_work_look(const struct api_request *request)
{
    if (request->work->waits) {
        end_slowest(request, room_for(request));
    }
}

void api_work_start(struct api_request *request)
{
    enum api_room room = room_for(request);

    if (room != API_ROOM_FREE) {
        end_slowest(request, room);
    }
    if (room != API_ROOM_FREE || others_wait(request)) {
        request->crowded = true;
        api_request_wait(request, WORKS_WAIT_MS);
        return;
    }
    work_run(work_new(request));
}

/* ---- documents that the backend makes ---- */

/* Answers with the text, which it takes, and ends the work. */
static void answer_text(struct api_work *work, int status, char *text)
{
    if (work->request != NULL) {
        work->request->work = NULL;
        buf_append_str(&work->out, text);
        api_answer_json(work->request, status, &work->out);
    }
    free(text);
    run_end(&work->uv);
    ended(&work->uv, 0);
}

static void made(void *user, int status, const json_t *json)
{
    const struct api_work *work = user;
    TURN_OF(api_route_kind(work->route));
    char *text = json_dumps(json, JSON_INDENT(4));

    CHECK(text != NULL);
    answer_text(user, status, text);
}

/* The body is h2o's, who frees it with the connection: the backend gets a copy, made in turns of the loop since it may
 * be large. true: all of it is copied. */
static bool copy_some(struct api_work *work)
{
    const h2o_iovec_t *entity = &work->request->req->entity;
    size_t left = entity->len - work->import.len;

    if (left > 0) {
        buf_append(&work->import, entity->base + work->import.len, left < API_COPY_BYTES ? left : API_COPY_BYTES);
    }
    return work->import.len == entity->len;
}

static void import_copied(struct api_work *work)
{
    const struct api_backend *backend = &work->server->backend;
    size_t len = work->import.len;

    work->copies = false;
    TAILQ_REMOVE(&work->server->copies, work, copy_link);
    backend->import(backend->user, buf_take(&work->import), len, made, work);
}

static void copy_cb(uv_idle_t *idle)
{
    TURN("import");
    struct api_server *server = idle->data;
    struct api_work *work = TAILQ_FIRST(&server->copies);

    if (work != NULL && copy_some(work)) {
        import_copied(work);
    }
    if (TAILQ_EMPTY(&server->copies)) {
        uv_idle_stop(idle);
    }
}

void api_import(struct api_request *request)
{
    struct api_server *server = request->server;
    struct api_work *work = work_new(request);

    buf_reserve(&work->import, request->req->entity.len + 1);
    work->copies = true;
    TAILQ_INSERT_TAIL(&server->copies, work, copy_link);
    uv_idle_start(&server->copy_idle, copy_cb);
}

void api_works_init(struct api_server *server)
{
    TAILQ_INIT(&server->works);
    TAILQ_INIT(&server->placed);
    TAILQ_INIT(&server->copies);
    CHECK(uv_idle_init(server->loop, &server->copy_idle) == 0);
    server->copy_idle.data = server;
}

/* ---- administration of the members ---- */

static const struct {
    enum api_route route;
    enum api_admin what;
} admin_routes[] = {
    {API_ROUTE_TRANSFER, API_ADMIN_TRANSFER},
    {API_ROUTE_MEMBERS, API_ADMIN_MEMBERS},
    {API_ROUTE_MEMBER_ADD, API_ADMIN_MEMBER_ADD},
    {API_ROUTE_MEMBER_REMOVE, API_ADMIN_MEMBER_REMOVE},
    {API_ROUTE_MEMBER_PROMOTE, API_ADMIN_MEMBER_PROMOTE},
    {API_ROUTE_MEMBER_RENEW, API_ADMIN_MEMBER_RENEW},
    {API_ROUTE_UPGRADE, API_ADMIN_UPGRADE},
    {API_ROUTE_UPGRADE_HOLD, API_ADMIN_UPGRADE_HOLD},
    {API_ROUTE_UPGRADE_FINALIZE, API_ADMIN_UPGRADE_FINALIZE},
};

static enum api_admin admin_of(enum api_route route)
{
    size_t i = 0;

    while (admin_routes[i].route != route) {
        i++;
        CHECK(i < sizeof(admin_routes) / sizeof(*admin_routes));
    }
    return admin_routes[i].what;
}

/* "/cluster/members/3/promote": 3; 0 when there is none. */
static uint64_t member_in(const struct api_request *request)
{
    static const char prefix[] = "/cluster/members/";
    const char *path = buf_str(&request->path);

    return strncmp(path, prefix, strlen(prefix)) == 0 ? strtoull(path + strlen(prefix), NULL, 10) : 0;
}

void api_admin(struct api_request *request)
{
    const struct api_backend *backend = &request->server->backend;
    const h2o_iovec_t *entity = &request->req->entity;
    json_t *body = NULL;

    if (entity->len > 0) {
        json_error_t error;

        body = json_loadb(entity->base, entity->len, JSON_REJECT_DUPLICATES, &error);
        if (!json_is_object(body)) {
            json_decref(body);
            api_answer_text(request, 400, "request unable to be parsed: expected a JSON object");
            return;
        }
    }
    backend->admin(backend->user, admin_of(request->route), member_in(request), body, made, work_new(request));
    json_decref(body);
}

/* The nodes have been asked; the dump that goes with it is made by a thread. */
static void examined(void *user, int status, char *text)
{
    struct api_work *work = user;
    TURN_OF(api_route_kind(work->route));

    if (status != 200 || work->request == NULL || work->server == NULL) {
        answer_text(work, status, text);
        return;
    }
    work->examined = text;
    work->waits = true;
    place_free(work->server);
}

/* The first one for which there is a place; NULL: none. */
static struct api_work *next_waiting(const struct api_server *server)
{
    struct api_work *work;

    TAILQ_FOREACH (work, &server->works, link) {
        if (work->waits && room_for(work->request) == API_ROOM_FREE) {
            return work;
        }
    }
    return NULL;
}

/* Another member leads by now: it is to examine, since its dump is wanted as well. */
static void begin_anew(struct api_work *work)
{
    struct api_request *request = work->request;

    request->deadline_ms = uv_now(work->loop) + request->server->config.request_timeout_ms;
    api_work_forget(request);
    api_request_wait(request, 0);
}

static void place_free(struct api_server *server)
{
    const struct api_backend *backend = &server->backend;
    struct api_work *work;

    while ((work = next_waiting(server)) != NULL) {
        if (backend->serving(backend->user)) {
            work->waits = false;
            work_run(work);
        } else {
            begin_anew(work);
        }
    }
}

void api_examine(struct api_request *request)
{
    const struct api_backend *backend = &request->server->backend;

    backend->examine(backend->user, examined, work_new(request));
}

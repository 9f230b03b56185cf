/* Answers that take long to make (dump, check, backup) are made by a thread from a snapshot of the store, so that the
 * loop goes on. The snapshot is taken by the serving leader while it handles the request: the answer is the state of
 * that moment, whatever happens meanwhile. */
#include <stdlib.h>
#include <string.h>

#include "api/json_dump.h"
#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define WORKS_MAX 2 /* the loop's few threads also resolve names */
#define WORKS_WAIT_MS 50

struct api_work {
    uv_work_t uv;
    struct api_request *request; /* NULL: nobody waits for it any more */
    struct api_server *server;   /* NULL: it is gone */
    TAILQ_ENTRY(api_work) link;
    enum api_route route;
    struct store_snapshot *snapshot;
    struct id generation;
    char *examined; /* EXAMINE: what the backend found, as compact JSON */
    struct buf out;
    struct err err;
};

/* store NULL: it could not be read back, work->err says why. */
static void make_document(struct api_work *work, const struct store *store)
{
    struct api_json json = {.buf = &work->out};

    if (work->route == API_ROUTE_DB_CHECK) {
        api_check(&json, store, work->err.code != 0 ? work->err.message : NULL);
        work->err.code = 0;
    } else if (work->route == API_ROUTE_EXAMINE) {
        api_json_open(&json, '{');
        api_json_key(&json, "heketidb");
        api_dump(&json, store, work->generation);
        api_json_compact(&json, work->examined + 1); /* the rest of the object, with its closing brace */
    } else {
        api_dump(&json, store, work->generation);
    }
    buf_append_char(&work->out, '\n');
}

static void run(uv_work_t *uv)
{
    struct api_work *work = uv->data;
    struct buf bytes = BUF_INIT;
    struct store *store = NULL;

    store_snapshot_encode(work->snapshot, &bytes);
    if (work->route == API_ROUTE_BACKUP) {
        work->out = bytes;
        return;
    }
    if (store_snapshot_decode(bytes.data, bytes.len, &store, &work->err) == 0 || work->route == API_ROUTE_DB_CHECK) {
        make_document(work, store);
    }
    store_free(store);
    buf_fini(&bytes);
}

static void answer(struct api_request *request, const struct api_work *work)
{
    static const char disposition[] = "attachment; filename=\"heketi.db\"";

    if (work->err.code != 0) {
        CLEANUP(free_ptr) char *text = mem_printf("Could not construct dump from DB: %s", work->err.message);

        api_answer_text(request, 500, text);
    } else if (work->route == API_ROUTE_BACKUP) {
        api_answer_header(request, "Content-Disposition", strlen("Content-Disposition"), disposition,
                          strlen(disposition));
        api_answer_raw(request, 200, "application/octet-stream", work->out.data, work->out.len);
    } else {
        api_answer_raw(request, 200, API_JSON_TYPE, work->out.data, work->out.len);
    }
}

/* Leaves the server's list, if there still is one. */
static void finish(struct api_work *work)
{
    if (work->server != NULL) {
        TAILQ_REMOVE(&work->server->works, work, link);
        work->server->n_works--;
    }
}

static void done(uv_work_t *uv, int status)
{
    struct api_work *work = uv->data;
    TURN_OF(api_route_kind(work->route));

    (void)status; /* never cancelled */
    finish(work);
    if (work->request != NULL) {
        work->request->work = NULL;
        answer(work->request, work);
    }
    store_snapshot_free(work->snapshot);
    buf_fini(&work->out);
    free(work->examined);
    free(work);
}

static struct api_work *work_new(struct api_request *request)
{
    struct api_work *work = mem_calloc(1, sizeof(*work));

    work->uv.data = work;
    work->request = request;
    work->server = request->server;
    work->route = request->route;
    TAILQ_INSERT_TAIL(&work->server->works, work, link);
    work->server->n_works++;
    request->work = work;
    request->state = API_WORKING;
    return work;
}

static void work_run(struct api_work *work, struct api_server *server)
{
    const struct api_backend *backend = &server->backend;

    work->snapshot = store_snapshot_take(backend->store(backend->user));
    work->generation = backend->generation(backend->user);
    CHECK(uv_queue_work(server->loop, &work->uv, run, done) == 0);
}

void api_work_start(struct api_request *request)
{
    if (request->server->n_works >= WORKS_MAX) {
        api_request_wait(request, WORKS_WAIT_MS);
        return;
    }
    work_run(work_new(request), request->server);
}

void api_work_forget(struct api_request *request)
{
    request->work->request = NULL;
    request->work = NULL;
}

void api_works_abandon(struct api_server *server)
{
    struct api_work *work;

    TAILQ_FOREACH (work, &server->works, link) {
        work->server = NULL; /* the list dies with the server */
    }
}

/* ---- documents that the backend makes ---- */

/* Answers with the text, which it takes, and ends the work. */
static void answer_text(struct api_work *work, int status, char *text)
{
    finish(work);
    if (work->request != NULL) {
        work->request->work = NULL;
        buf_append_str(&work->out, text);
        api_answer_json(work->request, status, &work->out);
    }
    free(text);
    buf_fini(&work->out);
    free(work);
}

static void made(void *user, int status, const json_t *json)
{
    const struct api_work *work = user;
    TURN_OF(api_route_kind(work->route));
    char *text = json_dumps(json, JSON_INDENT(4));

    CHECK(text != NULL);
    answer_text(user, status, text);
}

void api_import(struct api_request *request)
{
    const struct api_backend *backend = &request->server->backend;
    const h2o_iovec_t *entity = &request->req->entity;
    char *dump = mem_alloc(entity->len + 1); /* it may hold NULs: no text */

    if (entity->len > 0) {
        memcpy(dump, entity->base, entity->len);
    }
    dump[entity->len] = '\0';
    backend->import(backend->user, dump, entity->len, made, work_new(request));
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
    work_run(work, work->server);
}

void api_examine(struct api_request *request)
{
    const struct api_backend *backend = &request->server->backend;

    backend->examine(backend->user, examined, work_new(request));
}

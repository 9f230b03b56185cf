/* What the serving leader reads out of the store, and what every member says about itself. */
#include <string.h>

#include "api/json_out.h"
#include "api/operation_out.h"
#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"

#define NOT_FOUND "Id not found"
#define STEPS_SHOWN_MAX 300 /* of one operation: a volume of a thousand bricks has thousands */

static const struct store *store_of(const struct api_request *request)
{
    return request->server->backend.store(request->server->backend.user);
}

/* ---- open routes ---- */

static void answer_readiness(struct api_request *request, bool ready, const char *reason)
{
    if (ready) {
        api_answer_raw(request, 200, "text/plain; charset=UTF-8", "ok\n", 3);
    } else {
        api_answer_unavailable(request, 503, reason);
    }
}

static void answer_status(struct api_request *request, bool serving)
{
    struct api_server *server = request->server;
    const struct api_backend *backend = &server->backend;
    struct buf rest = BUF_INIT;

    if (!api_shown_still(server, &server->status, serving)) {
        json_t *document = backend->status(backend->user);
        CLEANUP(free_ptr) char *text = json_dumps(document, JSON_COMPACT);
        struct buf buf = BUF_INIT;

        CHECK(text != NULL);
        buf_append_str(&buf, text);
        buf_append_char(&buf, '\n');
        json_decref(document);
        (void)api_shown_set(server, &server->status, &buf);
    }
    api_answer_shared(request, API_JSON_TYPE, server->status.text, &rest);
}

static void answer_leader(struct api_request *request, bool serving)
{
    struct buf buf = BUF_INIT;

    if (!serving) {
        api_answer_unavailable(request, 503, "this member is not the leader");
        return;
    }
    buf_printf(&buf, "{\"leader\":true,\"member_id\":%lu}", (unsigned long)request->server->config.member_id);
    api_answer_json(request, 200, &buf);
    buf_fini(&buf);
}

void api_handle_open(struct api_request *request)
{
    TURN_OF(api_route_kind(request->route));
    const struct api_backend *backend = &request->server->backend;
    bool serving = backend->serving(backend->user);
    struct api_leader leader;

    switch (request->route) {
    case API_ROUTE_HELLO:
        api_answer_raw(request, 200, "text/plain; charset=UTF-8", "Hello from Heketi", strlen("Hello from Heketi"));
        break;
    case API_ROUTE_LIVEZ:
        answer_readiness(request, true, "");
        break;
    case API_ROUTE_READYZ:
        answer_readiness(request, !request->server->closing && (serving || backend->leader(backend->user, &leader)),
                         request->server->closing ? "this member is stopping" : "no leader is known");
        break;
    case API_ROUTE_STATUS:
        answer_status(request, serving);
        break;
    case API_ROUTE_LEADER:
        answer_leader(request, serving);
        break;
    case API_ROUTE_METRICS:
        api_get_metrics(request, serving);
        break;
    default:
        CHECK(false);
    }
}

/* ---- reads ---- */

static void answer_found(struct api_request *request, struct buf *json)
{
    if (json->len > 0) {
        api_answer_json(request, 200, json);
    } else {
        api_answer_text(request, 404, NOT_FOUND);
    }
    buf_fini(json);
}

static void answer_bricks(struct api_request *request, struct api_bricks *bricks)
{
    const struct api_piece_source source = {api_bricks_next, api_bricks_free, bricks};

    api_answer_pieces(request, 200, API_JSON_TYPE, SIZE_MAX, &source);
}

void api_answer_cluster(struct api_request *request, int status, const struct store_cluster *cluster)
{
    const struct store *store = store_of(request);
    struct api_ids lists[] = {{BUF_INIT, store_volumes_shown(store, cluster->id)},
                              {BUF_INIT, store_blocks_shown(store, cluster->id)}};
    struct buf tail = BUF_INIT;

    api_out_cluster_head(&lists[0].head, store, cluster);
    api_out_cluster_middle(&lists[1].head, cluster);
    buf_append_str(&tail, "]}\n");
    api_answer_ids(request, status, lists, 2, &tail);
}

static void get_volume(struct api_request *request, const struct store_volume *volume)
{
    struct api_ids list = {BUF_INIT, IDS_INIT};
    struct buf tail = BUF_INIT;

    list.ids = api_out_volume(&list.head, &tail, store_of(request), volume);
    buf_append_char(&tail, '\n');
    api_answer_ids(request, 200, &list, 1, &tail);
}

static void list_ids(struct api_request *request, const char *head, struct ids ids)
{
    struct api_ids list = {BUF_INIT, ids};
    struct buf tail = BUF_INIT;

    buf_append_str(&list.head, head);
    buf_append_str(&tail, "]}\n");
    api_answer_ids(request, 200, &list, 1, &tail);
}

static void get_object(struct api_request *request)
{
    const struct store *store = store_of(request);
    const struct store_cluster *cluster = NULL;
    const struct store_node *node = NULL;
    const struct store_device *device = NULL;
    const struct store_volume *volume = NULL;
    const struct store_block_volume *block = NULL;
    struct buf json = BUF_INIT;

    switch (request->route) {
    case API_ROUTE_BLOCK_INFO:
        block = store_block_volume(store, request->id);
        break;
    case API_ROUTE_CLUSTER_INFO:
        cluster = store_cluster(store, request->id);
        break;
    case API_ROUTE_NODE_INFO:
        node = store_node(store, request->id);
        break;
    case API_ROUTE_DEVICE_INFO:
        device = store_device(store, request->id);
        break;
    default:
        volume = store_volume(store, request->id);
        break;
    }
    if (cluster != NULL) {
        api_answer_cluster(request, 200, cluster);
        return;
    }
    if (node != NULL && api_node_visible(store, node)) {
        answer_bricks(request, api_bricks_of_node(store, node));
        return;
    }
    if (device != NULL && api_device_visible(store, device)) {
        answer_bricks(request, api_bricks_of_device(store, device));
        return;
    }
    if (volume != NULL && api_volume_visible(volume)) {
        if (api_may_tell(request, volume)) {
            get_volume(request, volume);
        }
        return;
    }
    if (block != NULL && store_block_volume_shown(block)) {
        api_out_block_volume(&json, store, block);
    }
    answer_found(request, &json);
}

static void get_list(struct api_request *request)
{
    const struct store *store = store_of(request);
    struct buf json = BUF_INIT;

    switch (request->route) {
    case API_ROUTE_CLUSTER_LIST:
        api_out_cluster_list(&json, store);
        break;
    case API_ROUTE_VOLUME_LIST:
        list_ids(request, "{\"volumes\":[", store_volumes_shown(store, ID_NONE));
        return;
    case API_ROUTE_BLOCK_LIST:
        list_ids(request, "{\"blockvolumes\":[", store_blocks_shown(store, ID_NONE));
        return;
    case API_ROUTE_OPERATIONS:
        api_out_operations(&json, store);
        break;
    default:
        api_out_pending_list(&json, store);
        break;
    }
    answer_found(request, &json);
}

static const char *collection_of(enum store_resource resource)
{
    switch (resource) {
    case STORE_RES_NODE:
        return "nodes";
    case STORE_RES_BLOCK_VOLUME:
        return "blockvolumes";
    default:
        return "volumes";
    }
}

/* The answer of a finished job is kept and may be read again, unlike Heketi's, whose clients lose it with the
 * connection that was to bring it. */
static void get_queue(struct api_request *request)
{
    const struct store *store = store_of(request);
    const struct store_job *job = store_job(store, request->id);
    const struct store_operation *op = store_operation(store, request->id);
    const struct api_backend *backend = &request->server->backend;
    CLEANUP(free_ptr) char *location = NULL;
    CLEANUP(free_ptr) char *error = NULL;

    if (backend->asked != NULL) {
        backend->asked(backend->user, request->id);
    }
    if (op != NULL && !id_is_none(op->answers)) {
        api_answer_text(request, 500, STORE_TEXT_TAKEN_OVER);
    } else if (op != NULL || store_operation_answering(store, request->id) != NULL) {
        api_answer_header(request, "X-Pending", strlen("X-Pending"), "true", 4);
        api_answer_empty(request, 200, NULL);
    } else if (job == NULL) {
        api_answer_text(request, 404, NOT_FOUND);
    } else if (job->failed) {
        error = text_clean(job->error, STORE_TEXT_MAX); /* entries of old logs may hold anything */
        api_answer_text(request, 500, error);
    } else if (job->resource == STORE_RES_NONE) {
        api_answer_empty(request, 204, NULL);
    } else if (job->resource != STORE_RES_VOLUME || api_may_tell(request, store_volume(store, job->resource_id))) {
        location = mem_printf("/%s/%s", collection_of(job->resource), id_text(job->resource_id).text);
        api_answer_location(request, 303, location, "See Other");
    }
}

/* The id in the path as the client wrote it. */
static void answer_unknown_operation(struct api_request *request)
{
    const char *id = strrchr(buf_str(&request->path), '/');
    CLEANUP(free_ptr) char *text = mem_printf(NOT_FOUND ": %s", id != NULL ? id + 1 : "");

    api_answer_text(request, 404, text);
}

static void get_pending(struct api_request *request)
{
    const struct api_backend *backend = &request->server->backend;
    const struct store *store = store_of(request);
    const struct store_operation *op = store_operation(store, request->id);
    h2o_iovec_t query = api_request_query(request);
    CLEANUP(free_ptr) char *steps = NULL;
    struct buf json = BUF_INIT;

    if (op == NULL) {
        answer_unknown_operation(request);
        return;
    }
    if (h2o_memis(query.base, query.len, H2O_STRLIT("?steps=true"))) { /* a member that Heketi does not have */
        size_t n;
        json_t *list = backend->operation_steps(backend->user, op->id, STEPS_SHOWN_MAX, &n);
        CLEANUP(free_ptr) char *text = json_dumps(list, JSON_COMPACT);

        steps = mem_printf("%s,\"steps_total\":%zu", text, n);
        json_decref(list);
    }
    api_out_pending(&json, store, op, steps);
    answer_found(request, &json);
}

/* ---- by route ---- */

static void handle_route(struct api_request *request)
{
    TURN_OF(api_route_kind(request->route));
    switch (request->route) {
    case API_ROUTE_CLUSTER_INFO:
    case API_ROUTE_NODE_INFO:
    case API_ROUTE_DEVICE_INFO:
    case API_ROUTE_VOLUME_INFO:
    case API_ROUTE_BLOCK_INFO:
        get_object(request);
        break;
    case API_ROUTE_CLUSTER_LIST:
    case API_ROUTE_VOLUME_LIST:
    case API_ROUTE_BLOCK_LIST:
    case API_ROUTE_OPERATIONS:
    case API_ROUTE_PENDING_LIST:
        get_list(request);
        break;
    case API_ROUTE_QUEUE:
        get_queue(request);
        break;
    case API_ROUTE_PENDING_INFO:
        get_pending(request);
        break;
    case API_ROUTE_DB_DUMP:
    case API_ROUTE_DB_CHECK:
    case API_ROUTE_BACKUP:
        api_work_start(request);
        break;
    case API_ROUTE_EXAMINE:
        api_examine(request);
        break;
    case API_ROUTE_DB_IMPORT:
        api_import(request);
        break;
    case API_ROUTE_TRANSFER:
    case API_ROUTE_MEMBERS:
    case API_ROUTE_MEMBER_ADD:
    case API_ROUTE_MEMBER_REMOVE:
    case API_ROUTE_MEMBER_PROMOTE:
    case API_ROUTE_MEMBER_RENEW:
    case API_ROUTE_UPGRADE:
    case API_ROUTE_UPGRADE_HOLD:
    case API_ROUTE_UPGRADE_FINALIZE:
        api_admin(request);
        break;
    case API_ROUTE_ADMIN_GET:
        api_get_admin(request);
        break;
    case API_ROUTE_LOGGING_GET:
        api_get_logging(request);
        break;
    default:
        api_handle_change(request);
        break;
    }
}

static void redirect_slash(struct api_request *request)
{
    bool get = h2o_memis(request->req->method.base, request->req->method.len, H2O_STRLIT("GET")) != 0;
    h2o_iovec_t query = api_request_query(request);
    struct buf location = BUF_INIT;

    buf_append(&location, request->path.data, request->path.len - 1);
    buf_append(&location, query.base, query.len);
    api_answer_location(request, 301, buf_str(&location), get ? "Moved Permanently" : NULL);
    buf_fini(&location);
}

/* Shows or changes what is in the database. */
static bool is_about_database(enum api_route route)
{
    return (route >= API_ROUTE_CLUSTER_CREATE && route <= API_ROUTE_EXAMINE && route != API_ROUTE_DB_IMPORT) ||
           route == API_ROUTE_ADMIN_SET;
}

void api_handle(struct api_request *request)
{
    const struct api_backend *backend = &request->server->backend;
    const char *blocked;
    const h2o_iovec_t *method = &request->req->method;
    struct api_match match;

    if (api_mode_refuses(request)) {
        return;
    }
    if (!id_is_none(store_settings(store_of(request))->load)) {
        api_answer_unavailable(request, 503, "the database is being loaded");
        return;
    }
    match = api_route_match(method->base, method->len, request->path.data, request->path.len);
    switch (match.kind) {
    case API_MATCH_NOT_FOUND:
        api_answer_text(request, 404, "Invalid path or request");
        break;
    case API_MATCH_NO_METHOD:
        api_answer_empty(request, 405, NULL);
        break;
    case API_MATCH_SLASH:
        redirect_slash(request);
        break;
    case API_MATCH_ROUTE:
        request->route = match.route;
        if (match.id == NULL || !id_parse(match.id, match.id_len, &request->id)) {
            request->id = ID_NONE;
        }
        blocked = is_about_database(match.route) ? backend->blocked(backend->user) : NULL;
        if (blocked != NULL) {
            api_answer_unavailable(request, 503, blocked);
        } else {
            handle_route(request);
        }
        break;
    }
}

/* Requests that change something: body, checks that need the store, submit, answer. */
#include <stdlib.h>
#include <string.h>

#include "api/json_out.h"
#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define BUSY "Server busy. Retry operation later."
#define PROTECTED_NAME "heketidbstorage"
#define TEXT_ADMINISTRATORS "Administrator access required"

static const struct store *store_of(const struct api_request *request)
{
    return request->server->backend.store(request->server->backend.user);
}

/* ---- checks that need the store ---- */

/* Turns the texts of the body into ids. */
static int find_clusters(struct api_request *request, const struct api_body *body, struct id **ret_ids, size_t *ret_n,
                         struct buf *text)
{
    const struct store *store = store_of(request);

    if (store_cluster_next(store, NULL) == NULL) {
        buf_append_str(text, "No clusters configured");
        return 400;
    }
    *ret_ids = mem_calloc(body->clusters.n + 1, sizeof(**ret_ids));
    for (size_t i = 0; i < body->clusters.n; i++) {
        const char *name = body->clusters.items[i];
        struct id id;

        if (!id_parse(name, strlen(name), &id) || store_cluster(store, id) == NULL) {
            buf_printf(text, "Cluster id %s not found", name);
            return 400;
        }
        (*ret_ids)[(*ret_n)++] = id;
    }
    return 0;
}

/* A user makes volumes for itself: not those that others' block volumes would be put on, and not the one that nobody
 * may delete. */
static bool is_administrators(const struct store_volume_request *volume)
{
    return volume->block || strcmp(volume->name, PROTECTED_NAME) == 0;
}

/* Checks 8 to 10 of heketi-rest.md 6.5. */
static int check_volume_create(struct api_request *request, struct api_body *body, struct buf *text)
{
    struct store_volume_request *volume = &body->request.volume;
    uint64_t data_bricks = volume->durability == STORE_DISPERSE ? volume->disperse_data : 1;
    uint64_t min_kib = request->server->config.brick_min_kib * data_bricks;
    int status;

    if (request->role != API_ROLE_ADMIN && is_administrators(volume)) {
        buf_append_str(text, TEXT_ADMINISTRATORS);
        return 401;
    }
    status = find_clusters(request, body, &volume->clusters, &volume->n_clusters, text);
    if (status != 0) {
        return status;
    }
    if ((uint64_t)volume->size_gib * STORE_KIB_PER_GIB < min_kib) {
        buf_printf(text, "Requested volume size (%u GB) is smaller than the minimum supported volume size (%lu)",
                   volume->size_gib, (unsigned long)min_kib);
        return 400;
    }
    return 0;
}

/* Operations that Heketi's limit counts. */
static bool is_counted(const struct store_request *request)
{
    switch (request->type) {
    case STORE_REQ_VOLUME_CREATE:
    case STORE_REQ_VOLUME_DELETE:
    case STORE_REQ_BLOCK_CREATE:
    case STORE_REQ_BLOCK_EXPAND:
    case STORE_REQ_BLOCK_DELETE:
    case STORE_REQ_VOLUME_EXPAND:
    case STORE_REQ_VOLUME_CLONE:
    case STORE_REQ_VOLUME_RESTRICT:
    case STORE_REQ_BRICK_EVICT:
        return true;
    case STORE_REQ_NODE_STATE:
    case STORE_REQ_DEVICE_STATE:
        return request->state == STORE_STATE_FAILED;
    default:
        return false;
    }
}

/* Refusals that come before the limit in the contract are the planner's to make: such a request is let through. */
static bool refused_anyway(const struct api_request *request, const struct store_request *change)
{
    const struct store *store = store_of(request);
    const struct store_volume *volume;
    const struct store_brick *brick;

    switch (change->type) {
    case STORE_REQ_VOLUME_DELETE:
        volume = store_volume(store, change->target);
        return volume == NULL || strcmp(volume->name, PROTECTED_NAME) == 0 ||
               store_volume_block_next(store, volume->id, NULL) != NULL;
    case STORE_REQ_BLOCK_EXPAND:
    case STORE_REQ_BLOCK_DELETE:
        return store_block_volume(store, change->target) == NULL;
    case STORE_REQ_VOLUME_EXPAND:
    case STORE_REQ_VOLUME_CLONE:
    case STORE_REQ_VOLUME_RESTRICT:
        volume = store_volume(store, change->target);
        return volume == NULL || !id_is_none(volume->pending);
    case STORE_REQ_BRICK_EVICT:
        brick = store_brick(store, change->target);
        return brick == NULL || !id_is_none(brick->pending);
    case STORE_REQ_NODE_STATE:
        return store_node(store, change->target) == NULL;
    case STORE_REQ_DEVICE_STATE:
        return store_device(store, change->target) == NULL;
    default:
        return false;
    }
}

/* A removal takes one place, whatever parts it has. */
static bool fills_limit(const struct store_operation *op)
{
    return id_is_none(op->parent) && (op->type < STORE_OP_OWN_FIRST || op->type == STORE_OP_NODE_REMOVE);
}

/* Users alone cannot take all places: the last ones for creates are the administrator's. */
static bool is_full_for_users(const struct api_request *request)
{
    struct store_places places = store_places(store_of(request));

    return places.taken + request->server->n_counted >= places.n - API_ADMIN_PLACES;
}

static bool is_busy(const struct api_request *request, const struct store_request *change)
{
    const struct api_server *server = request->server;
    const struct store_operation *op = NULL;
    size_t count = server->n_counted;

    if (store_key_known(store_of(request), change->key)) {
        return false; /* it takes no place: it is answered what the first one was */
    }
    if (request->role == API_ROLE_USER && is_full_for_users(request)) {
        return true;
    }
    if (server->config.max_inflight == 0 || !is_counted(change) || refused_anyway(request, change)) {
        return false;
    }
    while (count < server->config.max_inflight && (op = store_operation_next(store_of(request), op)) != NULL) {
        count += fills_limit(op);
    }
    return count >= server->config.max_inflight;
}

/* ---- answers ---- */

int api_status_of(enum store_code code)
{
    switch (code) {
    case STORE_NOT_FOUND:
        return 404;
    case STORE_CONFLICT:
        return 409;
    case STORE_BAD_REQUEST:
        return 400;
    case STORE_TOO_BUSY:
    case STORE_STALE_PLAN:
        return 429;
    default:
        return 500;
    }
}

static void answer_tags(struct api_request *request, const struct store_tags *tags)
{
    struct buf json = BUF_INIT;

    if (tags == NULL) {
        api_answer_text(request, 404, "Id not found"); /* deleted in the same moment */
        return;
    }
    api_out_tags(&json, tags);
    api_answer_json(request, 200, &json);
    buf_fini(&json);
}

static void answer_cluster(struct api_request *request, struct id id)
{
    const struct store *store = store_of(request);
    const struct store_cluster *cluster = store_cluster(store, id);

    if (cluster == NULL) { /* created earlier under the same request key and deleted since */
        api_answer_text(request, 404, "Id not found");
        return;
    }
    api_answer_cluster(request, 201, cluster);
}

static void answer_done(struct api_request *request, struct id id)
{
    const struct store *store = store_of(request);
    const struct store_node *node;
    const struct store_device *device;

    switch (request->route) {
    case API_ROUTE_CLUSTER_CREATE:
        answer_cluster(request, id);
        break;
    case API_ROUTE_CLUSTER_FLAGS:
        api_answer_empty(request, 200, API_JSON_TYPE);
        break;
    case API_ROUTE_ADMIN_SET:
        api_answer_empty(request, 204, NULL);
        break;
    case API_ROUTE_LOGGING_SET:
        api_get_logging(request);
        break;
    case API_ROUTE_NODE_TAGS:
        node = store_node(store, request->id);
        answer_tags(request, node != NULL ? &node->tags : NULL);
        break;
    case API_ROUTE_DEVICE_TAGS:
        device = store_device(store, request->id);
        answer_tags(request, device != NULL ? &device->tags : NULL);
        break;
    default:
        api_answer_empty(request, 200, NULL);
        break;
    }
}

static void answer_accepted(struct api_request *request, struct id op_id)
{
    CLEANUP(free_ptr) char *location = mem_printf("/queue/%s", id_text(op_id).text);

    /* The one job that is asked for by GET. */
    api_answer_location(request, 202, location, request->route == API_ROUTE_DEVICE_RESYNC ? "Accepted" : NULL);
}

static void answer_result(struct api_request *request, const struct api_submit_result *result)
{
    const struct api_backend *backend = &request->server->backend;

    switch (result->kind) {
    case API_DONE:
        answer_done(request, result->id);
        break;
    case API_ACCEPTED:
        answer_accepted(request, result->op_id);
        break;
    case API_REFUSED:
        if (backend->serving(backend->user)) {
            api_answer_text(request, api_status_of(result->code), result->text);
        } else {
            api_request_wait(request, 0); /* what it was refused for may be out of date */
        }
        break;
    case API_UNAVAILABLE:
        api_request_unconfirmed(request, result->untouched, result->text);
        break;
    }
}

static void submitted(void *user, const struct api_submit_result *result)
{
    struct api_submit *submit = user;
    struct api_request *request = submit->request;
    struct api_server *server = submit->server;

    if (server != NULL) {
        TAILQ_REMOVE(&server->submits, submit, link);
        server->n_counted -= submit->counted;
    }
    if (request != NULL) {
        request->submit = NULL;
    }
    free(submit);
    if (request != NULL) {
        answer_result(request, result);
    }
}

static void submit_change(struct api_request *request, const struct store_request *change)
{
    struct api_server *server = request->server;
    struct api_submit *submit = mem_calloc(1, sizeof(*submit));

    submit->request = request;
    submit->server = server;
    submit->counted = is_counted(change);
    server->n_counted += submit->counted;
    TAILQ_INSERT_TAIL(&server->submits, submit, link);
    request->submit = submit;
    request->state = API_SUBMITTED;
    server->backend.submit(server->backend.user, change, submitted, submit);
}

/* Flags that Heketi does not have. 0, or the status and text of a refusal. */
static int check_flags(const struct api_request *request, bool *ret_dry_run, bool *ret_force, struct buf *text)
{
    const char *name = request->route == API_ROUTE_VOLUME_CREATE   ? "dry_run"
                       : request->route == API_ROUTE_VOLUME_DELETE ? "heketidb"
                       : request->route == API_ROUTE_NODE_DELETE   ? "forceforget"
                                                                   : NULL;
    enum api_flag asked = name != NULL ? api_query_flag(request, name) : API_FLAG_NO;

    *ret_dry_run = request->route == API_ROUTE_VOLUME_CREATE && asked == API_FLAG_YES;
    *ret_force = !*ret_dry_run && asked == API_FLAG_YES;
    if (asked == API_FLAG_UNCLEAR) {
        buf_printf(text, "%s must be true or false", name);
        return 400;
    }
    if (asked == API_FLAG_YES && request->role != API_ROLE_ADMIN) {
        buf_append_str(text, TEXT_ADMINISTRATORS);
        return 401;
    }
    return 0;
}

/* Only here: what is forwarded has the client's own key, and the leader reads the token itself. */
static void set_key(const struct api_request *request, struct store_request *change)
{
    bool marked = request->role == API_ROLE_USER && *request->key != '\0';

    free(change->key);
    change->key = mem_printf("%s%s", marked ? API_USER_KEY_MARK : "", request->key);
    change->key_made = request->key_made;
}

void api_handle_change(struct api_request *request)
{
    const h2o_iovec_t *entity = &request->req->entity;
    struct buf text = BUF_INIT;
    struct api_body body;
    bool dry_run, force;
    int status;

    CHECK(api_body_wanted(request->route));
    status = check_flags(request, &dry_run, &force, &text);
    if (status != 0) {
        api_answer_text(request, status, buf_str(&text));
        buf_fini(&text);
        return;
    }
    status = api_body_read(request->route, entity->base != NULL ? entity->base : "", entity->len, &body, &text);
    body.request.target = request->id;
    body.request.force = body.request.force || force;
    if (!dry_run) {
        set_key(request, &body.request);
    }
    if (status == 0 && request->route == API_ROUTE_VOLUME_CREATE) {
        status = check_volume_create(request, &body, &text);
    }
    if (status == 0 && request->route == API_ROUTE_BLOCK_CREATE) {
        struct store_block_request *block = &body.request.block_volume;

        status = find_clusters(request, &body, &block->clusters, &block->n_clusters, &text);
    }
    if (status == 0 && !dry_run && is_busy(request, &body.request)) {
        status = 429;
        buf_append_str(&text, BUSY);
    }
    if (status == 0 && dry_run) {
        status = api_handle_dry_run(request, &body.request, &text);
    } else if (status == 0) {
        submit_change(request, &body.request);
    }
    if (status != 0) {
        api_answer_text(request, status, buf_str(&text));
    }
    api_body_fini(&body);
    buf_fini(&text);
}

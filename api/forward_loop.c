/* libcurl's sockets and timer on the loop.
 *
 * What libcurl does when a socket is ready may be a step of a handshake. So the sockets that are ready, the forwards
 * that are to begin and those that have ended each wait in a line, and a few of them have their turn in a turn of the
 * loop. Of the sockets it is the sources' turn, whatever each of them has waiting. */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "api/forward_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define TURN_NS 3000000

static void act(struct api_forwarder *forwarder, curl_socket_t fd, int events)
{
    int running;

    forwarder->inside = true;
    curl_multi_socket_action(forwarder->multi, fd, events, &running);
    forwarder->inside = false;
}

/* ---- a turn: each does one thing, if there is one to do ---- */

/* NULL: libcurl's own, with which it ends a connection. */
static struct api_forward *forward_of(CURL *easy)
{
    struct api_forward *forward = NULL;

    CHECK(curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&forward) == CURLE_OK);
    return forward;
}

static bool end_one(struct api_forwarder *forwarder)
{
    int left;
    const CURLMsg *message = curl_multi_info_read(forwarder->multi, &left);

    if (message == NULL) {
        return false;
    }
    if (message->msg == CURLMSG_DONE) {
        CURLcode code = message->data.result;

        api_forward_done(forward_of(message->easy_handle), code);
    }
    return true;
}

static void poll_fired(uv_poll_t *poll, int status, int events);

static struct api_source *source_of(const struct api_forward_watch *watch)
{
    return watch->forward != NULL && watch->forward->request != NULL ? watch->forward->request->conn->source : NULL;
}

struct api_forward_watch *api_forward_ready(struct api_forwarder *forwarder)
{
    struct api_forward_watch *watch, *next = NULL;
    uint64_t served, least = UINT64_MAX;

    TAILQ_FOREACH (watch, &forwarder->ready, link) {
        struct api_source *source = source_of(watch);

        served = source != NULL ? source->served : 0; /* nobody's: it is only tidied up */
        if (served < least) {
            least = served;
            next = watch;
        }
    }
    if (next != NULL && source_of(next) != NULL) {
        source_of(next)->served = ++forwarder->served;
    }
    return next;
}

static bool serve_one(struct api_forwarder *forwarder)
{
    struct api_forward_watch *watch = api_forward_ready(forwarder);

    if (watch == NULL) {
        return false;
    }
    TAILQ_REMOVE(&forwarder->ready, watch, link);
    watch->ready = false;
    CHECK(uv_poll_start(&watch->poll, watch->wanted, poll_fired) == 0);
    act(forwarder, watch->fd, watch->flags); /* it may be gone afterwards */
    return true;
}

/* Of the source that has fewest with the leader, who has waited longest. NULL: nobody may begin now. Whoever asks for
 * much, or takes it slowly, fills what the leader gives us, and everybody else would have to race for the rest. */
static struct api_forward *next_one(struct api_forwarder *forwarder)
{
    struct api_forward *forward, *next = NULL;
    struct api_source *source;
    size_t n = 0;

    TAILQ_FOREACH (source, &forwarder->server->sources, link) {
        source->n_forwards = 0;
    }
    TAILQ_FOREACH (forward, &forwarder->forwards, link) {
        n += !forward->waits;
        if (!forward->waits && forward->request != NULL) {
            forward->request->conn->source->n_forwards++;
        }
    }
    TAILQ_FOREACH (forward, &forwarder->waiting, wait_link) {
        if (forward->request == NULL) {
            return forward; /* ends at once */
        }
        source = forward->request->conn->source;
        if (next == NULL || source->n_forwards < next->request->conn->source->n_forwards) {
            next = forward;
        }
    }
    if (next == NULL) {
        return NULL;
    }
    return n < API_FORWARDS_MAX + (next->request->conn->source->n_forwards == 0 ? API_FORWARDS_SPARE : 0) ? next : NULL;
}

static bool begin_one(struct api_forwarder *forwarder)
{
    struct api_forward *forward = next_one(forwarder);

    if (forward == NULL) {
        return false;
    }
    TAILQ_REMOVE(&forwarder->waiting, forward, wait_link);
    forward->waits = false;
    CHECK(curl_multi_add_handle(forwarder->multi, forward->easy) == CURLM_OK);
    return true;
}

static void serve(uv_idle_t *idle)
{
    TURN("forward");
    static bool (*const lines[])(struct api_forwarder * forwarder) = {end_one, serve_one, begin_one};
    const size_t n_lines = sizeof(lines) / sizeof(*lines);
    struct api_forwarder *forwarder = idle->data;
    uint64_t begin_ns = uv_hrtime();

    for (size_t n = 0; n < API_FORWARD_TURN_MAX && (n == 0 || uv_hrtime() - begin_ns < TURN_NS); n++) {
        size_t tried = 0;

        while (tried < n_lines && !lines[(n + tried) % n_lines](forwarder)) {
            tried++;
        }
        if (tried == n_lines) {
            uv_idle_stop(idle);
            return;
        }
    }
}

void api_forward_wake(struct api_forwarder *forwarder)
{
    if (!uv_is_closing((uv_handle_t *)&forwarder->idle)) {
        uv_idle_start(&forwarder->idle, serve);
    }
}

void api_forward_wait(struct api_forward *forward)
{
    forward->waits = true;
    TAILQ_INSERT_TAIL(&forward->forwarder->waiting, forward, wait_link);
    api_forward_wake(forward->forwarder);
}

/* ---- libcurl's timer and sockets ---- */

static void timer_fired(uv_timer_t *timer)
{
    TURN("forward");
    struct api_forwarder *forwarder = timer->data;

    act(forwarder, CURL_SOCKET_TIMEOUT, 0);
    api_forward_wake(forwarder);
}

static int timer_cb(CURLM *multi, long timeout_ms, void *user)
{
    struct api_forwarder *forwarder = user;

    (void)multi;
    if (uv_is_closing((uv_handle_t *)&forwarder->timer)) {
        return 0;
    }
    if (timeout_ms < 0) {
        uv_timer_stop(&forwarder->timer);
    } else {
        uv_timer_start(&forwarder->timer, timer_fired, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static void poll_fired(uv_poll_t *poll, int status, int events)
{
    struct api_forward_watch *watch = poll->data;

    watch->flags = status < 0 ? CURL_CSELECT_ERR : 0;
    watch->flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    watch->flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    watch->ready = true;
    TAILQ_INSERT_TAIL(&watch->forwarder->ready, watch, link);
    (void)uv_poll_stop(poll); /* until it has had its turn */
    api_forward_wake(watch->forwarder);
}

static void handle_closed(struct api_forwarder *forwarder)
{
    if (--forwarder->handles == 0) {
        void (*closed_cb)(void *user) = forwarder->closed_cb;
        void *closed_user = forwarder->closed_user;

        free(forwarder);
        closed_cb(closed_user);
    }
}

static void watch_closed(uv_handle_t *handle)
{
    struct api_forward_watch *watch = handle->data;
    struct api_forwarder *forwarder = watch->forwarder;

    free(watch);
    handle_closed(forwarder);
}

static void own_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void belongs_to(struct api_forward_watch *watch, struct api_forward *forward)
{
    if (watch->forward != NULL) {
        TAILQ_REMOVE(&watch->forward->watches, watch, own_link);
    }
    watch->forward = forward;
    if (forward != NULL) {
        TAILQ_INSERT_TAIL(&forward->watches, watch, own_link);
    }
}

void api_forward_leave(struct api_forward *forward)
{
    struct api_forward_watch *watch;

    while ((watch = TAILQ_FIRST(&forward->watches)) != NULL) {
        belongs_to(watch, NULL);
    }
}

static int socket_cb(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    struct api_forwarder *forwarder = user;
    struct api_forward_watch *watch = socket_user;

    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            belongs_to(watch, NULL);
            if (watch->ready) {
                TAILQ_REMOVE(&forwarder->ready, watch, link);
            }
            uv_poll_stop(&watch->poll);
            uv_close((uv_handle_t *)&watch->poll, watch_closed);
            curl_multi_assign(forwarder->multi, fd, NULL);
        }
        return 0;
    }
    if (watch == NULL) {
        watch = mem_calloc(1, sizeof(*watch));
        watch->forwarder = forwarder;
        watch->fd = fd;
        CHECK(uv_poll_init_socket(forwarder->server->loop, &watch->poll, fd) == 0);
        watch->poll.data = watch;
        forwarder->handles++;
        curl_multi_assign(forwarder->multi, fd, watch);
    }
    belongs_to(watch, forward_of(easy));
    watch->wanted = (what != CURL_POLL_OUT ? UV_READABLE : 0) | (what != CURL_POLL_IN ? UV_WRITABLE : 0);
    if (!watch->ready) {
        CHECK(uv_poll_start(&watch->poll, watch->wanted, poll_fired) == 0);
    }
    return 0;
}

struct api_forwarder *api_forwarder_new(struct api_server *server)
{
    struct api_forwarder *forwarder = mem_calloc(1, sizeof(*forwarder));

    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    forwarder->server = server;
    TAILQ_INIT(&forwarder->forwards);
    TAILQ_INIT(&forwarder->waiting);
    TAILQ_INIT(&forwarder->ready);
    forwarder->multi = curl_multi_init();
    CHECK(forwarder->multi != NULL);
    curl_multi_setopt(forwarder->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
    curl_multi_setopt(forwarder->multi, CURLMOPT_SOCKETDATA, forwarder);
    curl_multi_setopt(forwarder->multi, CURLMOPT_TIMERFUNCTION, timer_cb);
    curl_multi_setopt(forwarder->multi, CURLMOPT_TIMERDATA, forwarder);
    curl_multi_setopt(forwarder->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(forwarder->multi, CURLMOPT_MAXCONNECTS, 64L);
    CHECK(uv_timer_init(server->loop, &forwarder->timer) == 0);
    CHECK(uv_idle_init(server->loop, &forwarder->idle) == 0);
    forwarder->timer.data = forwarder->idle.data = forwarder;
    forwarder->handles = 2;
    return forwarder;
}

void api_forwarder_close(struct api_forwarder *forwarder, void (*closed_cb)(void *user), void *user)
{
    struct api_forward *forward, *next;

    CHECK(!forwarder->inside);
    forwarder->closed_cb = closed_cb;
    forwarder->closed_user = user;
    for (forward = TAILQ_FIRST(&forwarder->forwards); forward != NULL; forward = next) {
        next = TAILQ_NEXT(forward, link);
        api_forward_free(forward);
    }
    curl_multi_cleanup(forwarder->multi);
    uv_close((uv_handle_t *)&forwarder->timer, own_closed);
    uv_close((uv_handle_t *)&forwarder->idle, own_closed);
}

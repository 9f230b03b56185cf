/* libcurl's sockets and timer on the loop. */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "api/forward_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

struct watch { /* one socket of libcurl */
    uv_poll_t poll;
    struct api_forwarder *forwarder;
    curl_socket_t fd;
};

static void collect(struct api_forwarder *forwarder)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(forwarder->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            struct api_forward *forward = NULL;
            CURLcode code = message->data.result;

            CHECK(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&forward) == CURLE_OK);
            api_forward_done(forward, code);
        }
    }
}

static void act(struct api_forwarder *forwarder, curl_socket_t fd, int events)
{
    int running;

    forwarder->inside = true;
    curl_multi_socket_action(forwarder->multi, fd, events, &running);
    forwarder->inside = false;
    collect(forwarder);
}

static void timer_fired(uv_timer_t *timer)
{
    TURN("forward");
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
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
    TURN("forward");
    struct watch *watch = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;

    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    act(watch->forwarder, watch->fd, flags);
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
    struct watch *watch = handle->data;
    struct api_forwarder *forwarder = watch->forwarder;

    free(watch);
    handle_closed(forwarder);
}

static void timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static int socket_cb(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    struct api_forwarder *forwarder = user;
    struct watch *watch = socket_user;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
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
    events |= what != CURL_POLL_OUT ? UV_READABLE : 0;
    events |= what != CURL_POLL_IN ? UV_WRITABLE : 0;
    CHECK(uv_poll_start(&watch->poll, events, poll_fired) == 0);
    return 0;
}

struct api_forwarder *api_forwarder_new(struct api_server *server)
{
    struct api_forwarder *forwarder = mem_calloc(1, sizeof(*forwarder));

    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    forwarder->server = server;
    TAILQ_INIT(&forwarder->forwards);
    forwarder->multi = curl_multi_init();
    CHECK(forwarder->multi != NULL);
    curl_multi_setopt(forwarder->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
    curl_multi_setopt(forwarder->multi, CURLMOPT_SOCKETDATA, forwarder);
    curl_multi_setopt(forwarder->multi, CURLMOPT_TIMERFUNCTION, timer_cb);
    curl_multi_setopt(forwarder->multi, CURLMOPT_TIMERDATA, forwarder);
    curl_multi_setopt(forwarder->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(forwarder->multi, CURLMOPT_MAXCONNECTS, 64L);
    CHECK(uv_timer_init(server->loop, &forwarder->timer) == 0);
    forwarder->timer.data = forwarder;
    forwarder->handles = 1;
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
    uv_close((uv_handle_t *)&forwarder->timer, timer_closed);
}

/* Between forward.c (a request and its answer) and forward_loop.c (libcurl on the loop). */
#ifndef HECATE_API_FORWARD_PRIV_H
#define HECATE_API_FORWARD_PRIV_H

#include <curl/curl.h>

#include "api/server_priv.h"

#define API_FORWARD_HEADERS_MAX 64
#define API_FORWARD_TURN_MAX 64 /* begun, taken on by a step, or ended, in a turn of the loop */
/* With the leader at once: it gives a member no more places than that. And for sources that have none there. */
#define API_FORWARDS_MAX 64
#define API_FORWARDS_SPARE 32

struct api_forward_header {
    char *name, *value;
};

struct api_forward {
    struct api_forwarder *forwarder;
    struct api_request *request; /* NULL: it ended, the rest is only tidied up */
    struct api_leader leader;
    CURL *easy;
    struct curl_slist *sent;
    TAILQ_ENTRY(api_forward) link;
    bool waits; /* to be begun: */
    TAILQ_ENTRY(api_forward) wait_link;
    TAILQ_HEAD(api_forward_watches, api_forward_watch) watches; /* its sockets */
    struct api_forward_header headers[API_FORWARD_HEADERS_MAX]; /* of the answer */
    size_t n_headers;
    int64_t length; /* Content-Length of the answer, -1 when there is none */
    bool heard;     /* a byte of the answer arrived */
    bool not_executed, in_doubt;
    bool started; /* our answer has begun: streaming */
    bool sending, paused, finished, failed;
    uint64_t silent_since_ms; /* loop time: started and not sending: since then nothing came */
    struct buf body, inflight;
    char reason[CURL_ERROR_SIZE]; /* libcurl's own words */
};

struct api_forward_watch { /* one socket of libcurl */
    uv_poll_t poll;
    struct api_forwarder *forwarder;
    struct api_forward *forward; /* whose it is; NULL: nobody's any more, or libcurl's own */
    TAILQ_ENTRY(api_forward_watch) own_link;
    curl_socket_t fd;
    int wanted; /* events */
    int flags;  /* what it is ready for, as libcurl says it */
    bool ready;
    TAILQ_ENTRY(api_forward_watch) link; /* while it is */
};

struct api_forwarder {
    struct api_server *server;
    CURLM *multi;
    uv_timer_t timer;
    uv_idle_t idle;   /* runs while something waits for its turn */
    unsigned handles; /* open with the loop */
    uint64_t log_after_ms;
    bool inside; /* within a call of libcurl: handles must not be removed */
    TAILQ_HEAD(api_forward_list, api_forward) forwards;
    struct api_forward_list waiting;
    TAILQ_HEAD(api_forward_ready, api_forward_watch) ready; /* sockets */
    uint64_t served;                                        /* how many of them have had a turn */
    void (*closed_cb)(void *user);
    void *closed_user;
};

/* Ends a forward and lets its request go. Not from within libcurl (forwarder->inside). */
void api_forward_free(struct api_forward *forward);
/* libcurl begins with it when it has its turn. */
void api_forward_wait(struct api_forward *forward);
/* The socket that has the next turn: sources take turns, and of one the socket that has waited longest. NULL: none. */
struct api_forward_watch *api_forward_ready(struct api_forwarder *forwarder);
/* One has ended: another one may begin. */
void api_forward_wake(struct api_forwarder *forwarder);
/* It has no sockets any more. */
void api_forward_leave(struct api_forward *forward);
/* libcurl has finished it. */
void api_forward_done(struct api_forward *forward, CURLcode code);

#endif

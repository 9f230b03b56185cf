#include "daemon/keeper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/keeper/keeper_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define START_TIMEOUT_MS 5000
#define WATCH_MS 25    /* twice in the time after which the keeper takes us for hung */
#define CHECK_EVERY 10 /* looks */
#define NEAR_US 80000  /* the lease is not renewed as it should be */

struct keeper {
    int fd;
    pid_t pid;
    bool attached, closing;
    uv_poll_t poll;
    uv_timer_t watch;
    unsigned handles, looks;
    uint64_t heard_ms, looked_ms;
    uint64_t deadline_us; /* until then it is to hold the addresses; 0: it is not */
    bool silent, killed;
    const struct keeper_events *events;
    void (*closed_cb)(void *user);
    void *closed_user;
};

/* ---- start ---- */

static int wait_ready(struct keeper *keeper, struct err *reterr)
{
    struct pollfd fd = {keeper->fd, POLLIN, 0};
    struct keeper_word word = {0};

    if (poll(&fd, 1, START_TIMEOUT_MS) <= 0) {
        return err_set(reterr, E_IO, "the keeper of the virtual addresses does not start");
    }
    if (recv(keeper->fd, &word, sizeof(word), 0) != (ssize_t)sizeof(word)) {
        return err_set(reterr, E_IO, "the keeper of the virtual addresses has died at its start");
    }
    word.text[sizeof(word.text) - 1] = '\0';
    return word.kind == WORD_READY ? 0 : err_set(reterr, E_IO, "%s", word.text);
}

static void reap(struct keeper *keeper)
{
    while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

int keeper_check(const char *text, struct err *reterr)
{
    struct address address;

    return address_parse(text, &address, reterr);
}

int keeper_start(const char *const *texts, size_t n, struct keeper **ret_keeper, struct err *reterr)
{
    struct address addresses[KEEPER_ADDRESSES_MAX];
    struct keeper *keeper;
    int fds[2];
    int rc = 0;

    if (n == 0 || n > KEEPER_ADDRESSES_MAX) {
        return err_set(reterr, E_INVALID, "%zu virtual addresses: expected 1 to %d", n, KEEPER_ADDRESSES_MAX);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = address_parse(texts[i], &addresses[i], reterr);
    }
    if (rc != 0) {
        return rc;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
        return err_set(reterr, E_IO, "cannot make a pair of sockets: %s", strerror(errno));
    }
    keeper = mem_calloc(1, sizeof(*keeper));
    keeper->fd = fds[0];
    keeper->pid = fork();
    if (keeper->pid == 0) {
        (void)close(fds[0]); /* or the daemon's end would never be the last one */
        keeper_process(fds[1], addresses, n);
    }
    (void)close(fds[1]); /* the keeper's */
    rc = keeper->pid < 0 ? err_set(reterr, E_IO, "cannot fork: %s", strerror(errno)) : wait_ready(keeper, reterr);
    if (rc != 0) {
        (void)close(keeper->fd); /* which ends the keeper */
        if (keeper->pid > 0) {
            reap(keeper);
        }
        free(keeper);
        return rc;
    }
    *ret_keeper = keeper;
    return 0;
}

/* ---- words ---- */

static void handle_closed(uv_handle_t *handle)
{
    struct keeper *keeper = handle->data;
    void (*closed_cb)(void *user) = keeper->closed_cb;
    void *user = keeper->closed_user;

    if (--keeper->handles > 0) {
        return;
    }
    (void)close(keeper->fd); /* a socket */
    free(keeper);
    closed_cb(user);
}

static void close_handles(struct keeper *keeper)
{
    uv_close((uv_handle_t *)&keeper->poll, handle_closed);
    uv_close((uv_handle_t *)&keeper->watch, handle_closed);
}

static void ended(struct keeper *keeper)
{
    (void)uv_poll_stop(&keeper->poll);
    (void)uv_timer_stop(&keeper->watch);
    reap(keeper);
    keeper->pid = 0;
    if (keeper->closing) {
        close_handles(keeper);
    } else {
        keeper->events->died(keeper->events->user, keeper->killed);
    }
}

static void readable(uv_poll_t *poll, int status, int events)
{
    TURN("keeper");
    struct keeper *keeper = poll->data;

    (void)events;
    for (;;) {
        struct keeper_word word;
        ssize_t len = status < 0 ? 0 : recv(keeper->fd, &word, sizeof(word), MSG_DONTWAIT);

        if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
            return; /* a signal: the loop calls again */
        }
        if (len != (ssize_t)sizeof(word)) {
            ended(keeper);
            return;
        }
        word.text[sizeof(word.text) - 1] = '\0';
        keeper->heard_ms = uv_now(keeper->poll.loop);
        keeper->silent = false;
        if (keeper->closing || word.kind == WORD_ALIVE) {
            continue;
        }
        if (word.kind == WORD_TROUBLE) {
            keeper->events->trouble(keeper->events->user, word.text);
        } else if (word.kind == WORD_LENT) {
            keeper->events->lent(keeper->events->user);
        } else {
            keeper->events->held(keeper->events->user, word.kind == WORD_HELD);
        }
    }
}

static void order(struct keeper *keeper, enum keeper_order_kind kind, uint64_t deadline_us)
{
    const struct keeper_order order = {.kind = kind, .deadline_us = deadline_us};

    /* A keeper that does not read is one whose addresses end by themselves; one that has died is noticed by its pipe.
     */
    (void)send(keeper->fd, &order, sizeof(order), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static uint64_t clock_us(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Does the keeper still answer? It is asked, and a kernel that has stopped it is told to end it: SIGKILL works on what
 * is stopped or hangs. */
static void look(uv_timer_t *timer)
{
    TURN("keeper");
    struct keeper *keeper = timer->data;
    uint64_t now_ms = uv_now(timer->loop);
    uint64_t now_us = clock_us(), silent_ms;
    bool holds = keeper->deadline_us > now_us;
    bool near = holds && keeper->deadline_us < now_us + NEAR_US;

    if (now_ms - keeper->looked_ms > KEEPER_SILENT_MS / 2) {
        keeper->heard_ms = now_ms; /* it was we who did not look: what it has said since is read next */
    }
    keeper->looked_ms = now_ms;
    if (keeper->looks++ % CHECK_EVERY == 0 || near) {
        order(keeper, ORDER_CHECK, 0);
    }
    silent_ms = now_ms - keeper->heard_ms;
    if (silent_ms >= KEEPER_SILENT_MS && !keeper->silent) {
        keeper->silent = true;
        keeper->events->silent(keeper->events->user);
    }
    if (silent_ms >= (holds ? KEEPER_END_MS : KEEPER_END_IDLE_MS) && !keeper->killed) {
        keeper->killed = true;
        (void)kill(keeper->pid, SIGKILL); /* a child of ours that is not reaped yet */
    }
}

void keeper_attach(struct keeper *keeper, uv_loop_t *loop, const struct keeper_events *events)
{
    CHECK(!keeper->attached);
    keeper->attached = true;
    keeper->events = events;
    CHECK(uv_poll_init(loop, &keeper->poll, keeper->fd) == 0);
    keeper->poll.data = keeper;
    CHECK(uv_poll_start(&keeper->poll, UV_READABLE | UV_DISCONNECT, readable) == 0);
    CHECK(uv_timer_init(loop, &keeper->watch) == 0);
    keeper->watch.data = keeper;
    keeper->handles = 2;
    keeper->heard_ms = keeper->looked_ms = uv_now(loop);
    CHECK(uv_timer_start(&keeper->watch, look, WATCH_MS, WATCH_MS) == 0);
}

/* ---- orders ---- */

void keeper_hold(struct keeper *keeper, uint64_t deadline_us)
{
    keeper->deadline_us = deadline_us;
    order(keeper, ORDER_LEASE, deadline_us);
}

void keeper_lend(struct keeper *keeper, uint64_t until_us)
{
    keeper->deadline_us = 0;
    order(keeper, ORDER_LEND, until_us);
}

void keeper_release(struct keeper *keeper)
{
    keeper->deadline_us = 0;
    order(keeper, ORDER_RELEASE, 0);
}

void keeper_close(struct keeper *keeper, void (*closed_cb)(void *user), void *user)
{
    CHECK(keeper->attached && !keeper->closing);
    keeper->closing = true;
    keeper->closed_cb = closed_cb;
    keeper->closed_user = user;
    (void)uv_timer_stop(&keeper->watch);
    if (keeper->pid == 0) {
        close_handles(keeper);
    } else {
        (void)shutdown(keeper->fd, SHUT_WR); /* the keeper reads the end, lets go and ends; ended() follows */
    }
}

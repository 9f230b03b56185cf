/* Where connections come in.
 *
 * The kernel keeps a short queue of connections that nobody has taken yet. While it is full everybody's next one is
 * lost, and a member that comes back tries again after one second, then after three. Who floods us fills that queue
 * unless we take connections faster than they come. To take one costs little; what costs more (TLS, a place that
 * somebody has to give up) is begun for a few of them in a turn of the loop (net_turn.c).
 *
 * Until then they wait here: those from members' addresses apart from all others and before them, each address in its
 * turn. A member's address has as many places to wait as it has half-open connections (net_gate.c). All others share
 * some: when these are full, the address with most of them loses its oldest one, which is closed and was nothing but a
 * descriptor.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "consensus/net_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define BACKLOG 4096  /* the kernel's own limit, net.core.somaxconn, may be lower */
#define TAKE_MAX 1024 /* in a turn of the loop */
#define TAKE_NS UINT64_C(2000000)
#define LOG_EVERY_MS 10000
#define PAUSE_MS 100 /* after a failure that the next try would only repeat */

/* ---- those that wait ---- */

static struct net_source *source_of(struct net *net, const struct sockaddr_storage *from)
{
    bool member = net_gate_is_member(net, from);
    struct net_waiting *waiting = &net->waiting[member ? NET_MEMBERS : NET_STRANGERS];
    struct net_source *source;

    TAILQ_FOREACH (source, &waiting->sources, link) {
        if (member ? net_gate_same_host(&source->from, from) : net_gate_same_network(&source->from, from)) {
            return source;
        }
    }
    source = mem_calloc(1, sizeof(*source));
    source->waiting = waiting;
    source->from = *from;
    TAILQ_INIT(&source->comers);
    TAILQ_INSERT_TAIL(&waiting->sources, source, link);
    return source;
}

/* Takes the oldest one of a source out of the line: its descriptor. The source may be gone then. */
static int take_out(struct net_source *source, struct sockaddr_storage *ret_from)
{
    struct net_comer *comer = TAILQ_FIRST(&source->comers);
    int fd = comer->fd;

    if (ret_from != NULL) {
        *ret_from = comer->from;
    }
    TAILQ_REMOVE(&source->comers, comer, link);
    free(comer);
    source->waiting->n--;
    source->n--;
    net_gate_unused(source);
    return fd;
}

static void push_out(struct net *net, struct net_source *source)
{
    (void)close(take_out(source, NULL));
    net->n_pushed_out++;
}

/* Of those with equally many the one that has had no turn for longest. */
static struct net_source *source_with_most(struct net_waiting *waiting)
{
    struct net_source *source, *most = NULL;

    TAILQ_FOREACH (source, &waiting->sources, link) {
        most = most == NULL || source->n > most->n ? source : most;
    }
    return most;
}

static void wait_in_line(struct net *net, int fd, const struct sockaddr_storage *from)
{
    struct net_comer *comer = mem_calloc(1, sizeof(*comer));
    struct net_source *source = source_of(net, from);

    comer->fd = fd;
    comer->from = *from;
    TAILQ_INSERT_TAIL(&source->comers, comer, link);
    source->n++;
    source->waiting->n++;
    if (source->waiting == &net->waiting[NET_MEMBERS]) {
        if (source->n > NET_HALF_OPEN_MEMBER) {
            push_out(net, source);
        }
    } else if (source->waiting->n > NET_COMERS_MAX) {
        push_out(net, source_with_most(source->waiting));
    }
}

static void begin_next(struct net *net, struct net_waiting *waiting)
{
    struct net_source *source = TAILQ_FIRST(&waiting->sources);
    struct sockaddr_storage from;
    int fd;

    TAILQ_REMOVE(&waiting->sources, source, link); /* the others of it come after all other sources */
    TAILQ_INSERT_TAIL(&waiting->sources, source, link);
    fd = take_out(source, &from);
    net_accept(net, fd, &from);
}

unsigned net_listener_begin(struct net *net, unsigned n_max)
{
    struct net_waiting *members = &net->waiting[NET_MEMBERS], *strangers = &net->waiting[NET_STRANGERS];
    unsigned n = 0;

    /* One of the others in any case: a member may have an address that we do not know yet. */
    while (n + (strangers->n > 0) < n_max && members->n > 0) {
        begin_next(net, members);
        n++;
    }
    while (n < n_max && strangers->n > 0) {
        begin_next(net, strangers);
        n++;
    }
    return n;
}

bool net_listener_waits(const struct net *net)
{
    return net->waiting[NET_MEMBERS].n + net->waiting[NET_STRANGERS].n > 0;
}

/* ---- the kernel's queue ---- */

/* A socket of both families shows addresses of IPv4 as mapped ones, and members' addresses are none of those. */
static void unmap(struct sockaddr_storage *from)
{
    const struct sockaddr_in6 v6 = *(const struct sockaddr_in6 *)from;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = v6.sin6_port};

    if (from->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        memcpy(&v4.sin_addr, v6.sin6_addr.s6_addr + 12, sizeof(v4.sin_addr));
        memset(from, 0, sizeof(*from));
        memcpy(from, &v4, sizeof(v4));
    }
}

/* 0: there may be more. */
static int take_one(struct net *net)
{
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(from);
    int fd = accept4(net->listen_fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        unmap(&from);
        wait_in_line(net, fd, &from);
        return 0;
    }
    switch (errno) {
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return -errno;
    default:
        return 0; /* this one failed before we came to it */
    }
}

static void look_again(uv_timer_t *timer);

static void pause_taking(struct net *net, int error)
{
    uint64_t now_ms = uv_now(net->loop);

    if (now_ms >= net->log_pause_ms) {
        net->log_pause_ms = now_ms + LOG_EVERY_MS;
        LOG(LOG_ERROR, "peer",
            "no connection can be taken: other members wait. If the reason is the number of open files, raise the "
            "limit (LimitNOFILE= of systemd, --ulimit nofile= of Docker)",
            LF_STR("reason", strerror(error)));
    }
    (void)uv_poll_stop(&net->listener);
    CHECK(uv_timer_start(&net->listen_pause, look_again, PAUSE_MS, 0) == 0);
}

static void is_readable(uv_poll_t *poll, int status, int events)
{
    TURN("peer accept");
    struct net *net = poll->data;
    uint64_t begin_ns = uv_hrtime();
    int rc = 0;

    (void)status;
    (void)events;
    for (int n = 0; n < TAKE_MAX && rc == 0 && uv_hrtime() - begin_ns < TAKE_NS; n++) {
        rc = take_one(net);
    }
    if (rc != 0 && rc != -EAGAIN) {
        pause_taking(net, -rc);
    }
    if (net_listener_waits(net)) {
        net_turn_begins(net);
    }
}

static void look_again(uv_timer_t *timer)
{
    TURN("peer accept");
    struct net *net = timer->data;

    CHECK(uv_poll_start(&net->listener, UV_READABLE, is_readable) == 0);
}

/* ---- start and end ---- */

static int bind_to(const struct addrinfo *address, int *ret_fd)
{
    int on = 1, off = 0, rc;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -errno;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (address->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) ||
        bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        rc = -errno;
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

int net_listener_start(struct net *net, const char *address, struct err *reterr)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *result = NULL;
    char host[256], port[16];
    int rc;

    TAILQ_INIT(&net->waiting[NET_MEMBERS].sources);
    TAILQ_INIT(&net->waiting[NET_STRANGERS].sources);
    if (!net_split_address(address, host, sizeof(host), port, sizeof(port))) {
        return err_set(reterr, E_INVALID, "peer address %s: expected host:port", address);
    }
    rc = getaddrinfo(host, port, &hints, &result); /* at start only: may wait */
    if (rc != 0) {
        return err_set(reterr, E_INVALID, "peer address %s: %s", address, gai_strerror(rc));
    }
    rc = bind_to(result, &net->listen_fd);
    freeaddrinfo(result);
    if (rc != 0) {
        return err_set(reterr, E_IO, "cannot listen on peer address %s: %s", address, strerror(-rc));
    }
    CHECK(uv_timer_init(net->loop, &net->listen_pause) == 0);
    net->listen_pause.data = net;
    CHECK(uv_poll_init_socket(net->loop, &net->listener, net->listen_fd) == 0);
    net->listener.data = net;
    net->open_handles += 2;
    CHECK(uv_poll_start(&net->listener, UV_READABLE, is_readable) == 0);
    return 0;
}

void net_listener_close(struct net *net, uv_close_cb closed_cb)
{
    for (size_t i = 0; i < NET_LINES; i++) {
        while (net->waiting[i].n > 0) {
            (void)close(take_out(TAILQ_FIRST(&net->waiting[i].sources), NULL));
        }
    }
    uv_close((uv_handle_t *)&net->listener, closed_cb);
    uv_close((uv_handle_t *)&net->listen_pause, closed_cb);
    (void)close(net->listen_fd);
}

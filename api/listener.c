/* Where connections come in.
 *
 * The kernel keeps a short queue of connections that nobody has taken yet. While it is full everybody's next one is
 * lost, and a client tries again after one second, then after three. Who floods us fills that queue unless we take
 * connections faster than they come. To take one costs little; what costs more (TLS, h2o, a place that somebody has to
 * give up) is begun for a few of them in a turn of the loop (arrivals.c). Until then they wait here, and the sources
 * have their turns one after the other. When more wait than there are places for connections, the source with most of
 * them loses its oldest one, as it loses places (places.h). Members and those who have shown a valid token lately come
 * before all others.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

#define BACKLOG 4096  /* the kernel's own limit, net.core.somaxconn, may be lower */
#define TAKE_MAX 1024 /* in a turn of the loop */
#define TAKE_NS 2000000
#define STRANGERS_PART 4
#define KERNEL_KEEPS 131072 /* bytes for a client, and as much again of its own: by itself up to some MiB */
#define KERNEL_TAKES 65536  /* the same for what it sends */
#define LATE_MAX 8          /* sources for which there is no room yet, in a turn */
#define LOG_EVERY_MS 10000
#define PAUSE_MS 100 /* after a failure that the next try would only repeat */

/* ---- those that wait ---- */

static struct api_source_list *list_of(struct api_server *server, const struct api_source *source)
{
    return &server->came_from[api_source_comes_first(source)];
}

static void drop(struct api_server *server, struct api_comer *comer)
{
    struct api_source *source = comer->source;

    TAILQ_REMOVE(&source->comers, comer, link);
    source->n_comers--;
    server->n_comers--;
    if (source->n_comers == 0) {
        TAILQ_REMOVE(list_of(server, source), source, came_link);
    }
    api_source_unused(server, source);
    free(comer);
}

static const struct api_source *of_most(const struct api_source_list *list, const struct api_source *most)
{
    const struct api_source *source;

    TAILQ_FOREACH (source, list, came_link) {
        most = most == NULL || source->n_comers >= most->n_comers ? source : most;
    }
    return most;
}

/* Where all have as many, the one whose turn is furthest away. Who is known loses none to strangers beyond a quarter
 * (places.h). */
static void drop_one_of_most(struct api_server *server)
{
    const struct api_source_list *strangers = &server->came_from[false];
    const struct api_source *source, *most = NULL;
    struct api_comer *comer;
    size_t n = 0;

    TAILQ_FOREACH (source, strangers, came_link) {
        n += source->n_comers;
    }
    if (n <= server->config.connections_max / STRANGERS_PART) {
        most = of_most(&server->came_from[true], NULL);
    }
    most = of_most(strangers, most);
    CHECK(most != NULL); /* somebody waits */
    comer = TAILQ_FIRST(&most->comers);
    (void)close(comer->fd);
    drop(server, comer);
    server->stats.pushed_out++;
}

static void wait_in_line(struct api_server *server, int fd, const struct sockaddr_storage *from)
{
    struct api_comer *comer = mem_calloc(1, sizeof(*comer));
    struct api_source *source = api_source_of(server, from);

    comer->fd = fd;
    comer->from = *from;
    comer->source = source;
    if (source->n_comers++ == 0) {
        TAILQ_INSERT_TAIL(list_of(server, source), source, came_link);
    }
    TAILQ_INSERT_TAIL(&source->comers, comer, link);
    server->n_comers++;
    if (server->n_comers > server->config.connections_max) {
        drop_one_of_most(server);
    }
}

void api_listener_source_changes(struct api_server *server, struct api_source *source, bool known)
{
    if (source->n_comers > 0) {
        TAILQ_REMOVE(list_of(server, source), source, came_link);
    }
    source->known = known;
    if (source->n_comers > 0) {
        TAILQ_INSERT_TAIL(list_of(server, source), source, came_link);
    }
}

/* Up to n, each source in its turn; new: only those that have no connection. */
static size_t begin_some(struct api_server *server, struct api_source_list *list, size_t n, bool new)
{
    struct api_source *source;
    size_t begun = 0;

    for (size_t late = 0; begun < n && late < LATE_MAX && (source = TAILQ_FIRST(list)) != NULL;) {
        struct api_comer *comer = TAILQ_FIRST(&source->comers);

        TAILQ_REMOVE(list, source, came_link); /* the others of it come after all other sources */
        TAILQ_INSERT_TAIL(list, source, came_link);
        if ((!new || source->n_conns == 0) && api_conn_begin(server, comer)) {
            drop(server, comer);
            begun++;
        } else {
            late++;
        }
    }
    return begun;
}

size_t api_listener_begin(struct api_server *server, size_t n, enum api_others others)
{
    bool any = others != API_OTHERS_NONE && !TAILQ_EMPTY(&server->came_from[false]);
    size_t begun = begin_some(server, &server->came_from[true], n - any, false);

    return begun + (any ? begin_some(server, &server->came_from[false], n - begun, others == API_OTHERS_NEW) : 0);
}

void api_listener_drop_all(struct api_server *server)
{
    struct api_source *source;

    for (size_t i = 0; i < 2; i++) {
        while ((source = TAILQ_FIRST(&server->came_from[i])) != NULL) {
            struct api_comer *comer = TAILQ_FIRST(&source->comers);

            (void)close(comer->fd);
            drop(server, comer);
        }
    }
}

/* ---- the kernel's queue ---- */

/* 0: there may be more. */
static int take_one(struct api_server *server)
{
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(from);
    int fd = accept4(server->listen_fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        wait_in_line(server, fd, &from);
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

static void pause_taking(struct api_server *server, int error)
{
    uint64_t now_ms = uv_now(server->loop);

    if (now_ms >= server->log_pause_ms) {
        server->log_pause_ms = now_ms + LOG_EVERY_MS;
        LOG(LOG_ERROR, "api",
            "no connection can be taken: clients wait. If the reason is the number of open files, raise the limit "
            "(LimitNOFILE= of systemd, --ulimit nofile= of Docker)",
            LF_STR("reason", strerror(error)), LF_U64("connections", server->n_conns));
    }
    (void)uv_poll_stop(&server->listener);
    (void)uv_timer_start(&server->listen_pause, look_again, PAUSE_MS, 0);
}

static void take_all(struct api_server *server, uint64_t max_ns)
{
    uint64_t begin_ns = uv_hrtime();
    int rc = 0;

    for (int n = 0; n < TAKE_MAX && rc == 0 && uv_hrtime() - begin_ns < max_ns; n++) {
        rc = take_one(server);
    }
    if (rc != 0 && rc != -EAGAIN) {
        pause_taking(server, -rc);
    }
    if (server->n_comers > 0) {
        api_arrivals_comers(server);
    }
}

static void is_readable(uv_poll_t *poll, int status, int events)
{
    TURN("api accept");

    (void)status;
    (void)events;
    take_all(poll->data, TAKE_NS);
}

static void look_again(uv_timer_t *timer)
{
    struct api_server *server = timer->data;

    CHECK(uv_poll_start(&server->listener, UV_READABLE, is_readable) == 0);
}

/* ---- start and end ---- */

/* "::" means every address. */
static int bind_to(const char *host, uint16_t port, int *ret_fd)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(struct sockaddr_in6);
    int on = 1, off = 0, kept = KERNEL_KEEPS, taken = KERNEL_TAKES, fd,
        rc = uv_ip6_addr(host, port, (struct sockaddr_in6 *)&address);

    if (rc != 0) {
        len = sizeof(struct sockaddr_in);
        rc = uv_ip4_addr(host, port, (struct sockaddr_in *)&address);
    }
    if (rc != 0) {
        return rc;
    }
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return uv_translate_sys_error(errno);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kept, sizeof(kept)) != 0 || /* connections have what it has */
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &taken, sizeof(taken)) != 0 ||
        (address.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) ||
        bind(fd, (const struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0) {
        rc = uv_translate_sys_error(errno);
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

void api_listener_init(struct api_server *server)
{
    server->listen_fd = -1;
    TAILQ_INIT(&server->came_from[false]);
    TAILQ_INIT(&server->came_from[true]);
    CHECK(uv_timer_init(server->loop, &server->listen_pause) == 0);
    server->listen_pause.data = server;
}

int api_listener_start(struct api_server *server, struct err *reterr)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    const char *host = server->config.listen_host;
    int rc = bind_to(host, server->config.port, &server->listen_fd);

    memset(&address, 0, sizeof(address));
    if ((rc == UV_EAFNOSUPPORT || rc == UV_EADDRNOTAVAIL) && strcmp(host, "::") == 0) { /* there is no IPv6 */
        rc = bind_to("0.0.0.0", server->config.port, &server->listen_fd);
    }
    if (rc != 0) {
        return err_set(reterr, E_IO, "cannot listen on %s port %u: %s", host, server->config.port, uv_strerror(rc));
    }
    CHECK(getsockname(server->listen_fd, (struct sockaddr *)&address, &len) == 0);
    server->port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                       : ((struct sockaddr_in *)&address)->sin_port);
    CHECK(uv_poll_init_socket(server->loop, &server->listener, server->listen_fd) == 0);
    server->listener.data = server;
    server->handles++;
    CHECK(uv_poll_start(&server->listener, UV_READABLE, is_readable) == 0);
    return 0;
}

void api_listener_close(struct api_server *server, uv_close_cb closed_cb)
{
    if (server->listen_fd >= 0) {
        take_all(server, UINT64_MAX); /* their clients have been told that they are connected */
        uv_close((uv_handle_t *)&server->listener, closed_cb);
        (void)close(server->listen_fd);
        server->listen_fd = -1;
    }
    uv_close((uv_handle_t *)&server->listen_pause, closed_cb);
}

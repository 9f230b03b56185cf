/* How much of what other ends send is worked off in a turn of the loop.
 *
 * libuv would read megabytes in one turn, and the other end chooses how much work they make: a record of TLS, or a
 * frame, may be of a few bytes. So a little is read at a time; once a turn has had its share, those with more stand in
 * line for the next one, first come first served. Who is not authenticated has a line and a share of its own:
 * handshakes are what costs most, and members do not wait behind them. */
#include <errno.h>
#include <sys/socket.h>

#include "consensus/net_priv.h"
#include "store/base/check.h"
#include "store/base/turn.h"

#define READ_BYTES 16384
#define MEMBERS_NS UINT64_C(4000000)
#define STRANGERS_NS UINT64_C(2000000)

static void renew(struct net *net)
{
    net->lines[NET_MEMBERS].left_ns = MEMBERS_NS;
    net->lines[NET_STRANGERS].left_ns = STRANGERS_NS;
}

static struct net_line *line_of(struct net_link *link)
{
    return &link->net->lines[link->ready ? NET_MEMBERS : NET_STRANGERS];
}

/* libuv then calls is_readable, and reads nothing. */
static void no_memory(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(NULL, 0);
}

static void next_turn(uv_idle_t *idle);

static void stand(struct net_link *link)
{
    (void)uv_read_stop((uv_stream_t *)&link->tcp);
    link->line = line_of(link);
    TAILQ_INSERT_TAIL(&link->line->links, link, line_link);
    CHECK(uv_idle_start(&link->net->turn, next_turn) == 0);
}

void net_turn_leave(struct net_link *link)
{
    if (link->line != NULL) {
        TAILQ_REMOVE(&link->line->links, link, line_link);
        link->line = NULL;
    }
}

/* As uv_read_cb has it; 0: nothing is there. */
static ssize_t receive(const struct net_link *link, char *data, size_t size)
{
    uv_os_fd_t fd;
    ssize_t n;

    CHECK(uv_fileno((const uv_handle_t *)&link->tcp, &fd) == 0);
    do {
        n = recv(fd, data, size, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    return n > 0 ? n : UV_EOF;
}

static void is_readable(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void read_some(struct net_link *link)
{
    char data[READ_BYTES];
    uint64_t begin_ns = uv_hrtime(), spent_ns;
    struct net_line *line = line_of(link);
    ssize_t n = receive(link, data, sizeof(data));

    if (n != 0) {
        net_link_received(link, data, n);
    }
    spent_ns = uv_hrtime() - begin_ns;
    line->left_ns -= spent_ns < line->left_ns ? spent_ns : line->left_ns;
    if (link->closing) {
        return;
    }
    if (n == READ_BYTES) {
        stand(link);
    } else if (uv_read_start((uv_stream_t *)&link->tcp, no_memory, is_readable) == UV_ENOTCONN) {
        net_link_close(link);
    } /* else it reads, or did already */
}

static void is_readable(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    TURN("peer");
    struct net_link *link = stream->data;
    const struct net_line *line = line_of(link);

    (void)n;
    (void)buf;
    if (line->left_ns > 0 && TAILQ_EMPTY(&line->links)) {
        read_some(link);
    } else {
        stand(link);
    }
}

static void serve(struct net_line *line)
{
    struct net_link *link;

    while (line->left_ns > 0 && (link = TAILQ_FIRST(&line->links)) != NULL) {
        net_turn_leave(link);
        read_some(link);
    }
}

static void next_turn(uv_idle_t *idle)
{
    TURN("peer flood");
    struct net *net = idle->data;

    renew(net);
    serve(&net->lines[NET_MEMBERS]);
    serve(&net->lines[NET_STRANGERS]);
    net->n_accepted = net->closing ? 0 : net_listener_begin(net, NET_ACCEPT_MAX);
    if (net->n_accepted == 0 && TAILQ_EMPTY(&net->lines[NET_MEMBERS].links) &&
        TAILQ_EMPTY(&net->lines[NET_STRANGERS].links)) {
        CHECK(uv_idle_stop(idle) == 0);
    }
}

void net_turn_begins(struct net *net)
{
    CHECK(uv_idle_start(&net->turn, next_turn) == 0);
}

void net_turn_init(struct net *net)
{
    TAILQ_INIT(&net->lines[NET_MEMBERS].links);
    TAILQ_INIT(&net->lines[NET_STRANGERS].links);
    renew(net);
    CHECK(uv_idle_init(net->loop, &net->turn) == 0);
    net->turn.data = net;
}

int net_turn_start(struct net_link *link)
{
    return uv_read_start((uv_stream_t *)&link->tcp, no_memory, is_readable);
}

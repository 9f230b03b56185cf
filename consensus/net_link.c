/* Bytes of one connection: TLS through memory buffers, frames cut out of the stream. */
#include <stdlib.h>
#include <string.h>

#include "consensus/net_priv.h"
#include "consensus/wire.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/turn.h"

struct write_request {
    uv_write_t request;
    char *data;
};

static void written(uv_write_t *request, int status)
{
    TURN("peer");
    struct write_request *write = (struct write_request *)request;
    struct net_link *link = request->data;

    free(write->data);
    free(write);
    if (status < 0 && status != UV_ECANCELED) {
        net_link_close(link);
    }
}

/* Takes data. */
static void write_bytes(struct net_link *link, char *data, size_t len)
{
    uv_buf_t buf = uv_buf_init(data, (unsigned)len);
    /* Nearly always the socket takes everything at once: no request, no further call of the kernel. */
    int sent = uv_try_write((uv_stream_t *)&link->tcp, &buf, 1);
    struct write_request *write;

    if (sent == (int)len) {
        free(data);
        return;
    }
    if (sent > 0) { /* the rest, and failures, go the long way: nothing is closed from within */
        memmove(data, data + sent, len - (size_t)sent);
        buf.len -= (size_t)sent;
    }
    write = mem_calloc(1, sizeof(*write));
    write->data = data;
    write->request.data = link;
    if (uv_write(&write->request, (uv_stream_t *)&link->tcp, &buf, 1, written) != 0) {
        free(data);
        free(write);
        net_link_close(link);
    }
}

/* Sends what TLS wants to send. */
static void drain(struct net_link *link)
{
    size_t pending = BIO_ctrl_pending(link->out);
    char *data;
    int n;

    if (pending == 0 || link->closing) {
        return;
    }
    data = mem_alloc(pending);
    n = BIO_read(link->out, data, (int)pending);
    CHECK(n == (int)pending);
    write_bytes(link, data, pending);
}

void net_link_flush(struct net_link *link)
{
    size_t done = 0;

    if (link->closing || !link->ready || link->queued.len == 0) {
        return;
    }
    if (link->ssl == NULL) {
        size_t len = link->queued.len;

        write_bytes(link, buf_take(&link->queued), len);
        return;
    }
    while (done < link->queued.len) {
        size_t n;

        /* Writing into memory never has to wait: the session is broken. */
        if (tls_write(link->ssl, link->queued.data + done, link->queued.len - done, &n, NULL) != TLS_DONE) {
            net_link_close(link);
            return;
        }
        done += n;
    }
    buf_clear(&link->queued);
    drain(link);
}

/* A long frame is not buffered for a peer that is not a member. */
static bool is_too_long(const struct net_link *link, size_t frame_len)
{
    const struct net_events *events = &link->net->events;

    return frame_len > NET_STRANGER_FRAME && !(link->ready && events->speaks(events->user, link->peer));
}

/* Gives whole frames to the owner. */
static void cut_frames(struct net_link *link)
{
    struct net *net = link->net;
    size_t at = 0;

    while (!link->closing) {
        const uint8_t *data = (const uint8_t *)link->received.data + at;
        size_t left = link->received.len - at;
        size_t len = wire_frame_len(data, left);
        struct wire wire;

        if (len == SIZE_MAX || is_too_long(link, len)) {
            net_link_close(link);
            return;
        }
        if (len == 0 || len > left) {
            break;
        }
        if (!link->ready) { /* plain: who it is says its first frame */
            if (!wire_decode(data, len, &wire) || wire.key[WK_FROM] == 0) {
                net_link_close(link);
                return;
            }
            net_link_ready(link, wire.key[WK_FROM]);
            if (link->closing) {
                return;
            }
        }
        if (!net->events.frame(net->events.user, link->peer, data, len)) {
            net_link_close(link);
            return;
        }
        at += len;
    }
    if (!link->closing && at > 0) {
        memmove(link->received.data, link->received.data + at, link->received.len - at);
        link->received.len -= at;
    }
}

static void handshake(struct net_link *link)
{
    struct tls_error error = {0};
    enum tls_result result = tls_handshake(link->ssl, &error);

    drain(link); /* when it has failed: tells the other end why */
    if (link->closing) {
        return;
    }
    if (result == TLS_DONE) {
        net_link_ready(link, net_tls_peer(link->ssl));
    } else if (result != TLS_WANT) {
        if (link->claimed != 0) {
            net_trouble_key(link, &error);
        }
        net_link_fail(link, NET_TLS, &error);
    }
}

static void decrypt(struct net_link *link)
{
    struct tls_error error = {0};
    enum tls_result result;
    size_t n;

    do {
        buf_reserve(&link->received, 65536);
        result = tls_read(link->ssl, link->received.data + link->received.len, 65536, &n, &error);
        link->received.len += n;
    } while (result == TLS_DONE);
    drain(link);
    if (result == TLS_FAILED) {
        net_link_fail(link, NET_TLS, &error);
    } else if (result != TLS_WANT) {
        net_link_close(link);
    }
}

static void received(struct net_link *link, const char *data, size_t len)
{
    link->unknown_bytes += link->ready ? 0 : len;
    if (link->unknown_bytes > NET_UNKNOWN_BYTES) {
        net_link_close(link);
        return;
    }
    if (link->ssl == NULL) {
        buf_append(&link->received, data, len);
    } else {
        CHECK(BIO_write(link->in, data, (int)len) == (int)len);
        if (!link->ready) {
            handshake(link);
        }
        if (link->ready && !link->closing) {
            decrypt(link);
        }
    }
    if (link->closing) {
        return;
    }
    if (link->outgoing) { /* nothing is expected here but TLS' own messages */
        if (link->received.len > 0) {
            net_link_close(link);
        }
        return;
    }
    cut_frames(link);
}

void net_link_received(struct net_link *link, const char *data, ssize_t n)
{
    if (n < 0 && !link->ready) {
        static const struct tls_error error = {.text = "the connection was ended before it was known who is there"};

        net_link_fail(link, NET_ENDED, &error);
    } else if (n < 0) {
        net_link_close(link);
    } else {
        received(link, data, (size_t)n);
    }
}

static void late(uv_timer_t *timer)
{
    TURN("peer");
    static const struct tls_error error = {.text = "no answer in time"};

    net_link_fail(timer->data, NET_TIMEOUT, &error);
}

struct net_link *net_link_new(struct net *net, bool outgoing)
{
    struct net_link *link = mem_calloc(1, sizeof(*link));

    link->net = net;
    link->outgoing = outgoing;
    link->begun_ms = uv_now(net->loop);
    CHECK(uv_tcp_init(net->loop, &link->tcp) == 0);
    CHECK(uv_timer_init(net->loop, &link->timer) == 0);
    link->tcp.data = link;
    link->timer.data = link;
    link->connect.data = link;
    link->handles = 2;
    link->next = net->links;
    net->links = link;
    CHECK(uv_timer_start(&link->timer, late, NET_DIAL_MS, 0) == 0);
    return link;
}

void net_link_start(struct net_link *link)
{
    (void)uv_tcp_nodelay(&link->tcp, 1); /* best effort: only slower without */
    link->open = true;
    CHECK(uv_timer_start(&link->timer, late, NET_HANDSHAKE_MS, 0) == 0);
    if (link->net->tls != NULL) {
        link->ssl = SSL_new(link->net->tls);
        link->in = BIO_new(BIO_s_mem());
        link->out = BIO_new(BIO_s_mem());
        CHECK(link->ssl != NULL && link->in != NULL && link->out != NULL);
        SSL_set_bio(link->ssl, link->in, link->out);
        if (link->outgoing) {
            SSL_set_connect_state(link->ssl);
        } else {
            SSL_set_accept_state(link->ssl);
        }
        net_tls_expect(link);
    }
    if (net_turn_start(link) != 0) {
        net_link_close(link);
        return;
    }
    if (link->ssl != NULL) {
        if (link->outgoing) {
            handshake(link);
        }
    } else if (link->outgoing) {
        net_link_ready(link, link->peer);
    }
}

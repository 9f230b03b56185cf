/* Who is connected to whom: listening, dialling, giving up, trying again. */
#include "consensus/net.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/net_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"

struct net_peer *net_find_peer(struct net *net, uint64_t id)
{
    for (size_t i = 0; i < net->n_peers; i++) {
        if (net->peers[i]->id == id) {
            return net->peers[i];
        }
    }
    return NULL;
}

/* ---- the end of links, and of all ---- */

static void maybe_closed(struct net *net)
{
    if (!net->closing || net->links != NULL || net->open_handles > 0) {
        return;
    }
    for (size_t i = 0; i < net->n_peers; i++) {
        if (net->peers[i]->resolving) {
            return;
        }
    }
    for (size_t i = 0; i < net->n_peers; i++) {
        free(net->peers[i]->address);
        free(net->peers[i]);
    }
    free(net->peers);
    SSL_CTX_free(net->tls);
    for (size_t i = 0; i < 3; i++) {
        free(net->tls_files[i]);
    }
    net->closed_cb(net->closed_user);
    free(net);
}

static void link_closed(uv_handle_t *handle)
{
    struct net_link *link = handle->data;
    struct net *net = link->net;
    struct net_link **at = &net->links;

    if (--link->handles > 0) {
        return;
    }
    while (*at != link) {
        at = &(*at)->next;
    }
    *at = link->next;
    SSL_free(link->ssl);
    buf_fini(&link->received);
    buf_fini(&link->queued);
    free(link);
    maybe_closed(net);
}

static void retry(uv_timer_t *timer);

/* One that refuses us, or whom we refuse, will do so in a moment, too. */
static void again(struct net_peer *peer, const struct net_link *link)
{
    bool refused = link->trouble.cause == NET_TLS || link->trouble.cause == NET_WRONG_MEMBER;
    uint64_t max_ms = refused ? NET_REFUSED_MAX_MS : NET_RETRY_MAX_MS;

    if (link->ready && uv_now(link->net->loop) - link->since_ms >= NET_PROVEN_MS) {
        peer->retry_ms = NET_RETRY_MIN_MS;
    }
    if (!peer->gone) {
        CHECK(uv_timer_start(&peer->retry, retry, peer->retry_ms < max_ms ? peer->retry_ms : max_ms, 0) == 0);
    }
    peer->retry_ms = peer->retry_ms * 2 < max_ms ? peer->retry_ms * 2 : max_ms;
}

static void close_link(struct net_link *link, bool reset)
{
    struct net *net = link->net;
    struct net_peer *peer = net_find_peer(net, link->peer);

    if (link->closing) {
        return;
    }
    link->closing = true;
    net_turn_leave(link);
    if (!link->outgoing && link->trouble.cause != NET_FINE && !net->closing) {
        net_trouble_in(link);
    }
    uv_close((uv_handle_t *)&link->timer, link_closed);
    if (!reset || uv_tcp_close_reset(&link->tcp, link_closed) != 0) {
        uv_close((uv_handle_t *)&link->tcp, link_closed);
    }
    if (peer == NULL || net->closing) {
        return;
    }
    if (peer->out == link) {
        peer->out = NULL;
        if (link->trouble.cause != NET_FINE) {
            net_trouble_out(peer, &link->trouble);
        }
        again(peer, link);
        if (link->ready) {
            net->events.disconnected(net->events.user, peer->id);
        }
    } else if (peer->in == link) {
        peer->in = NULL;
        net->events.closed(net->events.user, peer->id);
    }
}

void net_link_close(struct net_link *link)
{
    close_link(link, false);
}

void net_link_fail(struct net_link *link, enum net_cause cause, const struct tls_error *error)
{
    link->trouble.cause = cause;
    if (error != NULL) {
        link->trouble.error = *error;
    }
    net_link_close(link);
}

void net_reset(struct net *net)
{
    for (struct net_link *link = net->links; link != NULL; link = link->next) {
        if (link->outgoing && link->ready) {
            close_link(link, true);
        }
    }
}

/* ---- links become ready ---- */

/* Of one that is not known, too, only the newest connection counts. */
static void end_others(struct net_link *link)
{
    for (struct net_link *other = link->net->links; other != NULL; other = other->next) {
        if (other != link && !other->outgoing && other->ready && other->peer == link->peer) {
            net_link_close(other);
        }
    }
}

/* It has not been refused since, so it is accepted. */
static void proven(uv_timer_t *timer)
{
    const struct net_link *link = timer->data;
    struct net_peer *peer = net_find_peer(link->net, link->peer);

    if (peer != NULL) {
        net_trouble_over(peer, true);
    }
}

static void fail_identity(struct net_link *link, uint64_t id)
{
    struct tls_error error = {0};

    if (id == 0) {
        text_put(error.text, sizeof(error.text), "its certificate names no member");
    } else {
        text_print(error.text, sizeof(error.text), "its certificate names member %lu", (unsigned long)id);
    }
    net_link_fail(link, NET_WRONG_MEMBER, &error);
}

/* It is there: no reason to wait for the next attempt at it. */
static void dial_soon(struct net_peer *peer)
{
    if (!peer->gone && peer->out == NULL && !peer->resolving && peer->retry_ms > NET_RETRY_MIN_MS) {
        peer->retry_ms = NET_RETRY_MIN_MS;
        CHECK(uv_timer_start(&peer->retry, retry, NET_RETRY_MIN_MS, 0) == 0);
    }
}

/* Nothing of what was sent has been acknowledged in the time in which the kernel expects it. */
static bool is_stuck(const struct net_link *link)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    uv_os_fd_t fd;

    return uv_fileno((const uv_handle_t *)&link->tcp, &fd) == 0 &&
           getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_retransmits > 0;
}

/* A network that is back for one member is back for others as well. Those who became unreachable with it are not kept
 * waiting for the end of their back-off, nor for that of the kernel, which repeats what was lost later each time and
 * sends nothing new before. Two members that do not hear each other at once cannot replace a leader that is lost
 * meanwhile. Those that answer but refuse us keep their back-off. */
static void network_is_back(struct net *net)
{
    for (size_t i = 0; i < net->n_peers; i++) {
        struct net_peer *peer = net->peers[i];
        enum net_cause cause = peer->trouble_out.cause;
        struct net_link *out = peer->out;

        if (out == NULL && (cause == NET_TIMEOUT || cause == NET_UNREACHABLE || cause == NET_FINE)) {
            dial_soon(peer);
            peer->retry_ms = NET_RETRY_MIN_MS; /* its name may be looked up at the moment */
        } else if (out != NULL && out->ready && is_stuck(out)) {
            net_link_close(out);
            dial_soon(peer);
        } else if (out != NULL && !out->open) { /* what it has sent may be lost, too */
            peer->retry_ms = NET_RETRY_MIN_MS;
            if (uv_now(net->loop) - out->begun_ms >= NET_ANSWER_MS) {
                net_link_close(out);
            }
        }
    }
}

void net_link_ready(struct net_link *link, uint64_t id)
{
    struct net *net = link->net;
    struct net_peer *peer = net_find_peer(net, id);

    if (id == 0 || id == net->member_id || (link->outgoing && id != link->peer)) {
        fail_identity(link, id);
        return;
    }
    if (!net_key_fits(net, id, link->key)) { /* it has been told since */
        net_link_close(link);
        return;
    }
    uv_timer_stop(&link->timer);
    link->ready = true;
    link->since_ms = uv_now(net->loop);
    if (link->outgoing) {
        CHECK(uv_timer_start(&link->timer, proven, NET_PROVEN_MS, 0) == 0);
        net->events.connected(net->events.user, id);
        network_is_back(net);
        return;
    }
    link->peer = id;
    if (peer == NULL) {
        LOG(LOG_INFO, "peer", "a member that is not known connects", LF_U64("member", id));
        end_others(link); /* whoever reads its frames judges them */
        net_gate_stranger(net, link);
        return;
    }
    if (peer->in != NULL) { /* nothing of the old connection is read any more */
        struct net_link *old = peer->in;

        peer->in = link;
        net_link_close(old);
    }
    peer->in = link;
    net_trouble_over(peer, false);
    dial_soon(peer);
    network_is_back(net);
}

void net_accept(struct net *net, int fd, const struct sockaddr_storage *from)
{
    struct net_link *link = net_link_new(net, false);

    link->from = *from;
    CHECK(uv_tcp_open(&link->tcp, fd) == 0);
    net_gate_enter(net, link);
    net_link_start(link);
}

/* ---- dialling ---- */

static void connected(uv_connect_t *request, int status)
{
    TURN("peer");
    struct net_link *link = request->data;

    if (status != 0) {
        struct tls_error error = {0};

        text_put(error.text, sizeof(error.text), uv_strerror(status));
        net_link_fail(link, status == UV_ECONNREFUSED ? NET_REFUSED : NET_UNREACHABLE, &error);
    }
    if (link->closing) {
        return;
    }
    net_link_start(link);
}

static void dial(struct net_peer *peer, const struct sockaddr *address)
{
    struct net_link *link = net_link_new(peer->net, true);
    int timeout_ms = 5000, one = 1;
    uv_os_fd_t fd;

    link->peer = peer->id;
    peer->out = link;
    if (uv_tcp_connect(&link->connect, &link->tcp, address, connected) != 0) {
        net_link_fail(link, NET_UNREACHABLE, NULL);
        return;
    }
    if (uv_fileno((uv_handle_t *)&link->tcp, &fd) == 0) { /* a peer that vanished is noticed also while we write */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
        /* After a short cut it goes on within 200 ms: the first repetitions do not come later each time. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, &one, sizeof(one));
    }
}

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *result)
{
    TURN("peer");
    struct net_peer *peer = request->data;

    peer->resolving = false;
    if (peer->net->closing || peer->gone) {
        uv_freeaddrinfo(result);
        maybe_closed(peer->net);
        return;
    }
    if (status != 0 || result == NULL) {
        struct net_trouble trouble = {.cause = NET_UNREACHABLE};

        text_print(trouble.error.text, sizeof(trouble.error.text), "its name is not found (%s)", uv_strerror(status));
        net_trouble_out(peer, &trouble);
        CHECK(uv_timer_start(&peer->retry, retry, NET_RETRY_MAX_MS, 0) == 0);
    } else {
        memset(&peer->at, 0, sizeof(peer->at));
        memcpy(&peer->at, result->ai_addr, result->ai_addrlen);
        dial(peer, result->ai_addr);
    }
    uv_freeaddrinfo(result);
}

bool net_split_address(const char *address, char *host, size_t host_size, char *port, size_t port_size)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon != NULL ? (size_t)(colon - address) : 0;

    if (colon == NULL || len == 0) {
        return false;
    }
    if (address[0] == '[' && colon[-1] == ']') {
        address++;
        len -= 2;
    }
    return (size_t)snprintf(host, host_size, "%.*s", (int)len, address) < host_size &&
           (size_t)snprintf(port, port_size, "%s", colon + 1) < port_size;
}

static void retry(uv_timer_t *timer)
{
    TURN("peer");
    struct net_peer *peer = timer->data;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char host[256], port[16];

    if (peer->net->closing || peer->gone || peer->out != NULL || peer->resolving) {
        return;
    }
    peer->resolve.data = peer;
    if (net_split_address(peer->address, host, sizeof(host), port,
                          sizeof(port)) && /* the address is of an entry of the log */
        uv_getaddrinfo(peer->net->loop, &peer->resolve, resolved, host, port, &hints) == 0) {
        peer->resolving = true;
    } else {
        CHECK(uv_timer_start(&peer->retry, retry, NET_RETRY_MAX_MS, 0) == 0);
    }
}

/* ---- start ---- */

bool net_check_address(const char *address)
{
    char host[256], port[16];

    return net_split_address(address, host, sizeof(host), port, sizeof(port)) && port[0] != '\0' &&
           port[strspn(port, "0123456789")] == '\0';
}

static struct net_peer *add_peer(struct net *net, uint64_t id)
{
    struct net_peer *peer = mem_calloc(1, sizeof(*peer));

    peer->net = net;
    peer->id = id;
    CHECK(uv_timer_init(net->loop, &peer->retry) == 0);
    peer->retry.data = peer;
    net->open_handles++;
    net->peers = mem_realloc_array(net->peers, net->n_peers + 1, sizeof(struct net_peer *));
    net->peers[net->n_peers++] = peer;
    for (struct net_link *link = net->links; link != NULL; link = link->next) { /* it may have come first */
        if (!link->outgoing && link->ready && !link->closing && link->peer == id) {
            peer->in = link;
        }
    }
    return peer;
}

static void set_peer(struct net *net, const struct cons_peer *wanted)
{
    struct net_peer *peer = net_find_peer(net, wanted->id);

    peer = peer != NULL ? peer : add_peer(net, wanted->id);
    if (net_key_set(peer, wanted->key != NULL ? wanted->key : "")) {
        dial_soon(peer); /* it may be welcome now */
    }
    if (peer->address != NULL && strcmp(peer->address, wanted->address) == 0 && !peer->gone) {
        return;
    }
    free(peer->address);
    peer->address = mem_strdup(wanted->address);
    peer->gone = false;
    peer->retry_ms = NET_RETRY_MIN_MS;
    if (peer->out != NULL) {
        net_link_close(peer->out); /* dialled anew, where it is now */
    } else {
        CHECK(uv_timer_start(&peer->retry, retry, 0, 0) == 0);
    }
}

void net_set_peers(struct net *net, const struct cons_peer *peers, size_t n_peers, bool check)
{
    for (size_t i = 0; i < net->n_peers; i++) {
        bool wanted = false;

        for (size_t j = 0; j < n_peers; j++) {
            wanted = wanted || peers[j].id == net->peers[i]->id;
        }
        if (!wanted && !net->peers[i]->gone) {
            net->peers[i]->gone = true;
            uv_timer_stop(&net->peers[i]->retry);
            if (net->peers[i]->out != NULL) {
                net_link_close(net->peers[i]->out);
            }
        }
    }
    for (size_t i = 0; i < n_peers; i++) {
        if (peers[i].id != net->member_id) {
            set_peer(net, &peers[i]);
        }
    }
    for (size_t i = 0; i < net->n_peers && net->check_keys && !check; i++) { /* what was refused may be welcome now */
        dial_soon(net->peers[i]);
    }
    net->check_keys = check;
    net_keys_apply(net);
}

int net_start(uv_loop_t *loop, const struct cons_config *config, const struct net_events *events, struct net **ret_net,
              struct err *reterr)
{
    struct net *net = mem_calloc(1, sizeof(*net));
    int rc;

    net->loop = loop;
    net->member_id = config->member_id;
    net->events = *events;
    if (!config->tls_off) {
        net->tls_files[0] = mem_strdup(config->tls_ca_file);
        net->tls_files[1] = mem_strdup(config->tls_cert_file);
        net->tls_files[2] = mem_strdup(config->tls_key_file);
        rc = net_load_tls(net, reterr);
        if (rc != 0) {
            return rc; /* the process ends */
        }
    }
    rc = net_listener_start(net, config->listen, reterr);
    if (rc != 0) {
        return rc; /* the process ends */
    }
    net_turn_init(net);
    net->open_handles++; /* the line */
    net_set_peers(net, config->peers, config->n_peers, false);
    *ret_net = net;
    return 0;
}

int net_reload_tls(struct net *net, struct err *reterr)
{
    int rc = net->tls != NULL ? net_load_tls(net, reterr) : 0;

    for (size_t i = 0; rc == 0 && net->tls != NULL && i < net->n_peers; i++) { /* what was refused may be welcome now */
        dial_soon(net->peers[i]);
    }
    return rc;
}

void net_send(struct net *net, uint64_t peer_id, uint8_t *frame, size_t len)
{
    struct net_peer *peer = net_find_peer(net, peer_id);
    struct net_link *link = peer != NULL ? peer->out : NULL;

    if (link != NULL && link->ready && !link->closing) {
        if (link->queued.len + uv_stream_get_write_queue_size((uv_stream_t *)&link->tcp) + len > NET_QUEUE_MAX) {
            net_link_close(link); /* it does not read: begin anew rather than lose something in the middle */
        } else {
            buf_append(&link->queued, frame, len);
        }
    }
    free(frame);
}

void net_flush(struct net *net)
{
    for (size_t i = 0; i < net->n_peers; i++) {
        if (net->peers[i]->out != NULL) {
            net_link_flush(net->peers[i]->out);
        }
    }
}

bool net_is_connected(const struct net *net, uint64_t id)
{
    const struct net_peer *peer = net_find_peer((struct net *)(uintptr_t)net, id);

    return peer != NULL && peer->out != NULL && peer->out->ready && peer->in != NULL;
}

static void handle_closed(uv_handle_t *handle)
{
    struct net *net = handle->data;

    net->open_handles--;
    maybe_closed(net);
}

static void retry_closed(uv_handle_t *handle)
{
    const struct net_peer *peer = handle->data;

    peer->net->open_handles--;
    maybe_closed(peer->net);
}

void net_close(struct net *net, void (*closed_cb)(void *user), void *user)
{
    net->closing = true;
    net->closed_cb = closed_cb;
    net->closed_user = user;
    for (struct net_link *link = net->links; link != NULL; link = link->next) {
        net_link_close(link);
    }
    for (size_t i = 0; i < net->n_peers; i++) {
        uv_close((uv_handle_t *)&net->peers[i]->retry, retry_closed);
    }
    uv_close((uv_handle_t *)&net->turn, handle_closed);
    net_listener_close(net, handle_closed);
}

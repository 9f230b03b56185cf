/* Inside net*.c: a link is one connection, incoming or outgoing. */
#ifndef HECATE_CONSENSUS_NET_PRIV_H
#define HECATE_CONSENSUS_NET_PRIV_H

#include "consensus/net.h"
#include "store/base/buf.h"
#include "store/base/tls.h"

#define NET_QUEUE_MAX ((size_t)64 << 20)
#define NET_DIAL_MS 250 /* the kernel repeats a lost SYN only after a second: longer than all of a failover */
#define NET_HANDSHAKE_MS 3000
#define NET_RETRY_MIN_MS 20
#define NET_RETRY_MAX_MS 500

struct net_link {
    struct net *net;
    uv_tcp_t tcp;
    uv_timer_t timer; /* dialling, then handshake: deadline */
    uv_connect_t connect;
    bool outgoing, open, closing, ready; /* ready: handshake done, the other end known */
    unsigned handles;                    /* to be closed */
    uint64_t peer;                       /* 0: not known yet */
    SSL *ssl;
    BIO *in, *out; /* what came, what goes, encrypted */
    struct buf received, queued;
    struct net_link *next;
};

struct net_peer {
    struct net *net;
    uint64_t id;
    char *address;
    struct net_link *out, *in;
    uv_timer_t retry;
    uv_getaddrinfo_t resolve;
    bool resolving;
    bool gone; /* not dialled any more */
    uint64_t retry_ms;
};

struct net {
    uv_loop_t *loop;
    uint64_t member_id;
    struct net_events events;
    SSL_CTX *tls;       /* NULL: plain */
    char *tls_files[3]; /* authority, certificate, key */
    int64_t tls_expires_s;
    uv_tcp_t listener;
    struct net_link *links;
    struct net_peer **peers; /* also those that are none any more: they stay until the end */
    size_t n_peers;
    size_t open_handles;
    bool closing;
    void (*closed_cb)(void *user);
    void *closed_user;
};

/* net.c */
void net_link_close(struct net_link *link);
/* The handshake is over and the other end is peer. */
void net_link_ready(struct net_link *link, uint64_t peer);
/* net_link.c: bytes in and out */
struct net_link *net_link_new(struct net *net, bool outgoing);
void net_link_start(struct net_link *link); /* connected: TLS handshake, reading */
void net_link_flush(struct net_link *link);
/* net_tls.c */
int net_load_tls(struct net *net, struct err *reterr); /* from net->tls_files */
uint64_t net_tls_peer(SSL *ssl);                       /* 0: no or a foreign identity */

#endif

/* Inside net*.c: a link is one connection, incoming or outgoing. */
#ifndef HECATE_CONSENSUS_NET_PRIV_H
#define HECATE_CONSENSUS_NET_PRIV_H

#include <sys/queue.h>

#include "consensus/net.h"
#include "store/base/buf.h"
#include "store/base/tls.h"

/* For a peer that does not read: several times what the core has under way to one (CORE_INFLIGHT_BYTES). */
#define NET_QUEUE_MAX ((size_t)16 << 20)
#define NET_DIAL_MS 250  /* the kernel repeats a lost SYN only after a second: longer than all of a failover */
#define NET_ANSWER_MS 50 /* a host that is there accepts sooner */
#define NET_HANDSHAKE_MS 3000
#define NET_RETRY_MIN_MS 20
#define NET_RETRY_MAX_MS 200
#define NET_REFUSED_MAX_MS 2000  /* between attempts at one who refuses our certificate, or whose we refuse */
#define NET_PROVEN_MS 500        /* a connection that has lasted so long was meant: with TLS 1.3 a refusal comes late */
#define NET_ACCEPT_MAX 8         /* incoming, begun in one turn of the loop */
#define NET_COMERS_MAX 128       /* incoming, taken and not begun, from addresses that are no member's */
#define NET_HALF_OPEN_MAX 32     /* incoming, not authenticated, from addresses that are no member's */
#define NET_HALF_OPEN_MEMBER 16  /* the same from each member's address */
#define NET_STRANGERS_MAX 8      /* incoming, with a certificate, of ids that are no member's */
#define NET_UNKNOWN_BYTES 262144 /* from one who is not known yet: more than any handshake */
#define NET_STRANGER_LOG_MS 10000
#define NET_STRANGER_FRAME ((size_t)20 << 10) /* from a peer that is not a member: a greeting with a configuration */
#define NET_WRONG_KEY_SHOWN_MS \
    10000 /* to people, after the last attempt; several times what a member waits in between */

enum net_cause {
    NET_FINE,
    NET_REFUSED,
    NET_TIMEOUT,
    NET_UNREACHABLE,
    NET_ENDED,
    NET_WRONG_MEMBER,
    NET_TLS, /* see error */
};

struct net_trouble {
    enum net_cause cause;
    struct tls_error error; /* its text: details of the other causes, too */
};

struct net_link {
    struct net *net;
    uv_tcp_t tcp;
    uv_timer_t timer; /* dialling, then handshake: deadline */
    uv_connect_t connect;
    bool outgoing, open, closing, ready; /* ready: handshake done, the other end known */
    unsigned handles;                    /* to be closed */
    uint64_t peer;                       /* 0: not known yet */
    uint64_t claimed;                    /* the member whose number, but not whose key it shows; 0 */
    char key[CONS_KEY_SIZE];             /* of the other end's certificate, or what has followed it */
    SSL *ssl;
    struct tls_expectation expectation;
    BIO *in, *out;                /* what came, what goes, encrypted */
    struct net_trouble trouble;   /* why it ends */
    struct sockaddr_storage from; /* incoming */
    uint64_t begun_ms, since_ms;  /* made; ready */
    size_t unknown_bytes;         /* received before that */
    struct buf received, queued;
    struct net_line *line; /* in which it waits for its turn; NULL */
    TAILQ_ENTRY(net_link) line_link;
    struct net_link *next;
};

enum { NET_MEMBERS, NET_STRANGERS, NET_LINES };

struct net_line { /* net_turn.c: links with something to read */
    TAILQ_HEAD(net_line_list, net_link) links;
    uint64_t left_ns; /* of their share of this turn */
};

struct net_comer { /* net_listener.c: a connection that was taken and waits to be begun */
    int fd;
    struct sockaddr_storage from;
    TAILQ_ENTRY(net_comer) link;
};

struct net_source { /* those of one address, or of one network of IPv6 that is no member's */
    struct net_waiting *waiting;
    struct sockaddr_storage from;
    TAILQ_HEAD(net_comers, net_comer) comers;
    size_t n; /* at least one */
    TAILQ_ENTRY(net_source) link;
};

struct net_waiting {
    TAILQ_HEAD(net_sources, net_source) sources; /* who has the next turn first */
    size_t n;                                    /* comers of all of them */
};

struct net_peer {
    struct net *net;
    uint64_t id;
    char *address;
    char key[CONS_KEY_SIZE]; /* "" any */
    struct net_link *out, *in;
    uv_timer_t retry;
    uv_getaddrinfo_t resolve;
    bool resolving;
    bool gone; /* not dialled any more */
    uint64_t retry_ms;
    struct sockaddr_storage at;                 /* where it was dialled last */
    struct net_trouble trouble_out, trouble_in; /* what is wrong with the connections */
    uint64_t wrong_key_ms;                      /* the last incoming one with another key */
};

struct net {
    uv_loop_t *loop;
    uint64_t member_id;
    struct net_events events;
    SSL_CTX *tls;       /* NULL: plain */
    char *tls_files[3]; /* authority, certificate, key */
    int64_t tls_expires_s;
    char own_key[CONS_KEY_SIZE];
    bool check_keys;
    int listen_fd;
    uv_poll_t listener;
    uv_timer_t listen_pause; /* runs while nothing can be taken */
    uint64_t log_pause_ms;   /* when that is logged again */
    struct net_waiting waiting[NET_LINES];
    uint64_t n_pushed_out; /* that waited, by others */
    uv_idle_t turn;        /* runs while something is in a line, or waits to be begun, and in the turn after one was */
    struct net_line lines[NET_LINES];
    unsigned n_accepted; /* begun in this turn */
    struct net_link *links;
    struct net_peer **peers; /* also those that are none any more: they stay until the end */
    size_t n_peers;
    size_t open_handles;
    uint64_t stranger_logged_ms, strangers_refused; /* since then */
    bool closing;
    void (*closed_cb)(void *user);
    void *closed_user;
};

/* net.c */
struct net_peer *net_find_peer(struct net *net, uint64_t id); /* NULL: none */
void net_link_close(struct net_link *link);
/* The same, with the reason: error or what of it is known, may be NULL. */
void net_link_fail(struct net_link *link, enum net_cause cause, const struct tls_error *error);
/* The handshake is over and the other end is peer. */
void net_link_ready(struct net_link *link, uint64_t peer);
void net_accept(struct net *net, int fd, const struct sockaddr_storage *from); /* begins it; takes fd */
/* "host:port" into its parts. */
bool net_split_address(const char *address, char *host, size_t host_size, char *port, size_t port_size);
/* net_listener.c */
int net_listener_start(struct net *net, const char *address, struct err *reterr); /* two handles */
void net_listener_close(struct net *net, uv_close_cb closed_cb);
unsigned net_listener_begin(struct net *net, unsigned n_max); /* of those that wait; how many were */
bool net_listener_waits(const struct net *net);               /* somebody does */
/* net_keys.c */
bool net_key_fits(struct net *net, uint64_t id, const char *key); /* as far as we know its key */
bool net_key_set(struct net_peer *peer, const char *key);         /* of the configuration; whether it is another one */
void net_keys_apply(struct net *net);                             /* ends connections whose key does not fit */
/* net_link.c: bytes in and out */
struct net_link *net_link_new(struct net *net, bool outgoing);
void net_link_start(struct net_link *link); /* connected: TLS handshake, reading */
void net_link_flush(struct net_link *link);
void net_link_received(struct net_link *link, const char *data, ssize_t n); /* as uv_read_cb has n */
/* net_turn.c: how much is read in a turn of the loop */
void net_turn_init(struct net *net);        /* one handle */
int net_turn_start(struct net_link *link);  /* reads from now on */
void net_turn_begins(struct net *net);      /* some of those that have come, in the next turn */
void net_turn_leave(struct net_link *link); /* the line, if it is in one */
/* net_gate.c: incoming connections */
bool net_gate_is_member(const struct net *net, const struct sockaddr_storage *from); /* a member has this address */
bool net_gate_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
bool net_gate_same_network(const struct sockaddr_storage *a, const struct sockaddr_storage *b); /* IPv4: the host */
void net_gate_unused(struct net_source *source); /* ends it when nobody from there waits */
/* Makes room for this newcomer, at the cost of the oldest of those that nobody has vouched for. */
void net_gate_enter(struct net *net, const struct net_link *newest);
/* The same for one with a certificate that names no member. */
void net_gate_stranger(struct net *net, const struct net_link *newest);
/* The member that has this address, if only one has; NULL. */
struct net_peer *net_gate_owner(struct net *net, const struct sockaddr_storage *from);
/* net_trouble.c: told once per change */
void net_trouble_out(struct net_peer *peer, const struct net_trouble *trouble);
void net_trouble_in(struct net_link *link);
void net_trouble_over(struct net_peer *peer, bool outgoing);
/* Says in error whose key was refused. */
void net_trouble_key(const struct net_link *link, struct tls_error *error);
/* net_tls.c */
int net_load_tls(struct net *net, struct err *reterr); /* from net->tls_files */
uint64_t net_tls_peer(SSL *ssl);                       /* 0: no or a foreign identity */
void net_tls_expect(struct net_link *link);            /* before the handshake: the key is looked at in it */

#endif

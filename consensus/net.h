/* Connections between members: mutual TLS 1.3 over TCP on libuv.
 *
 * Each member dials every other one and sends on its own outgoing connections only; it reads from incoming ones only.
 * So a member's death is seen by each of the others on its own connection. A new incoming connection of a peer ends the
 * old one: nothing of an old connection is read after a newer one's. Connections of members that are not known are
 * read, too: it is the owner who judges what they say. The other end is who its certificate says (common name
 * "hecate-member-<id>"), if its key is that of the configuration. Without TLS (loopback only) it is who its first frame
 * says.
 */
#ifndef HECATE_CONSENSUS_NET_H
#define HECATE_CONSENSUS_NET_H

#include <uv.h>

#include "consensus/consensus.h"

struct net;

struct net_events {
    void *user;
    void (*connected)(void *user, uint64_t peer);    /* outgoing: frames can be sent */
    void (*disconnected)(void *user, uint64_t peer); /* outgoing */
    void (*closed)(void *user, uint64_t peer);       /* incoming */
    /* Whether what it says counts, or may count once it has greeted: others send no long frames. */
    bool (*speaks)(void *user, uint64_t peer);
    /* A whole frame; false: close that connection. */
    bool (*frame)(void *user, uint64_t peer, const uint8_t *frame, size_t len);
};

int net_start(uv_loop_t *loop, const struct cons_config *config, const struct net_events *events, struct net **ret_net,
              struct err *reterr);
/* Who is to be connected to from now on, this member excluded or not; others are no longer dialled, nor heard. */
/* check: a connection whose certificate has another key than the peer's (if that has one) is ended, or not made; one
 * that was made with the key before counts as made with the new one. */
void net_set_peers(struct net *net, const struct cons_peer *peers, size_t n_peers, bool check);
bool net_check_address(const char *address); /* "host:port", "[v6]:port" */
/* Reads the certificates again; for connections from now on. On failure the old ones stay. */
int net_reload_tls(struct net *net, struct err *reterr);
int64_t net_tls_expires_s(const struct net *net); /* 0: no TLS */
/* Queues a frame (malloc'ed, taken); lost if the peer is not connected or does not read. */
void net_send(struct net *net, uint64_t peer, uint8_t *frame, size_t len);
void net_flush(struct net *net); /* writes what is queued, one write per peer */
/* Ends all outgoing connections by a TCP reset, which goes out at once: data that nobody acknowledges, as when only the
 * way back is cut, keeps everything behind it waiting. They are made again. */
void net_reset(struct net *net);
bool net_is_connected(const struct net *net, uint64_t peer);
/* The key that it showed on both connections, or what has followed that one (CONS_KEY_SIZE); our own: that of our
 * certificate. "" none. */
const char *net_shown_key(const struct net *net, uint64_t peer);
/* Why it is not, as far as that is known; or, although it is: that another key was shown in its name just now. */
void net_get_trouble(const struct net *net, uint64_t peer, struct cons_trouble *ret);
void net_close(struct net *net, void (*closed_cb)(void *user), void *user); /* no event comes any more */

#endif

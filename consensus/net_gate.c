/* Who may keep a connection to the peer port waiting. Anybody can connect; a member must always get in.
 *
 * Only incoming connections are counted, and those that are not authenticated by themselves: at their limit the oldest
 * one goes, so that a newcomer always has the time of a handshake, which is short. Connections from the addresses of
 * members are counted apart from those of all others. An authenticated member has one connection, whatever others do.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/net_priv.h"

bool net_gate_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family) {
        return false;
    }
    if (a->ss_family == AF_INET) {
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr == ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    }
    return a->ss_family == AF_INET6 &&
           memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, &((const struct sockaddr_in6 *)b)->sin6_addr, 16) == 0;
}

/* A host has all addresses of its network of IPv6. */
bool net_gate_same_network(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != AF_INET6 || b->ss_family != AF_INET6) {
        return net_gate_same_host(a, b);
    }
    return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, &((const struct sockaddr_in6 *)b)->sin6_addr, 8) == 0;
}

bool net_gate_is_member(const struct net *net, const struct sockaddr_storage *from)
{
    for (size_t i = 0; i < net->n_peers; i++) {
        if (!net->peers[i]->gone && net_gate_same_host(&net->peers[i]->at, from)) {
            return true;
        }
    }
    return false;
}

struct net_peer *net_gate_owner(struct net *net, const struct sockaddr_storage *from)
{
    struct net_peer *owner = NULL;

    for (size_t i = 0; i < net->n_peers; i++) {
        if (!net->peers[i]->gone && net_gate_same_host(&net->peers[i]->at, from)) {
            if (owner != NULL) {
                return NULL;
            }
            owner = net->peers[i];
        }
    }
    return owner;
}

void net_gate_unused(struct net_source *source)
{
    if (source->n == 0) {
        TAILQ_REMOVE(&source->waiting->sources, source, link);
        free(source);
    }
}

void net_gate_enter(struct net *net, const struct net_link *newest)
{
    const struct sockaddr_storage *from = &newest->from;
    bool member = net_gate_is_member(net, from);
    struct net_link *oldest = NULL;
    size_t count = 0;

    for (struct net_link *link = net->links; link != NULL; link = link->next) { /* the newest first */
        if (link != newest && !link->outgoing && !link->ready && !link->closing &&
            (member ? net_gate_same_host(&link->from, from) : !net_gate_is_member(net, &link->from))) {
            count++;
            oldest = link;
        }
    }
    if (count >= (member ? NET_HALF_OPEN_MEMBER : NET_HALF_OPEN_MAX)) {
        net_link_close(oldest);
    }
}

void net_gate_stranger(struct net *net, const struct net_link *newest)
{
    struct net_link *oldest = NULL;
    size_t count = 0;

    for (struct net_link *link = net->links; link != NULL; link = link->next) {
        if (link != newest && !link->outgoing && link->ready && !link->closing &&
            net_find_peer(net, link->peer) == NULL) {
            count++;
            oldest = link;
        }
    }
    if (count >= NET_STRANGERS_MAX) {
        net_link_close(oldest);
    }
}

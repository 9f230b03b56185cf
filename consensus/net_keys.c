/* Whose key is whose: the number and the authority of a certificate make nobody a member, another cluster may have
 * both.
 *
 * The configuration of the members names the digest of each one's public key. The key of a certificate is looked at in
 * the handshake (net_tls.c), so that both ends learn why it is refused, and again whenever the configuration changes.
 */
#include <string.h>

#include "consensus/net_priv.h"
#include "store/base/text.h"

bool net_key_fits(struct net *net, uint64_t id, const char *key)
{
    const struct net_peer *peer = net_find_peer(net, id);

    return net->tls == NULL || !net->check_keys || peer == NULL || peer->key[0] == '\0' || strcmp(peer->key, key) == 0;
}

bool net_key_set(struct net_peer *peer, const char *key)
{
    /* Only its holder can have named a key that follows on another at once: what was connected with that one stays. */
    bool follows = peer->key[0] != '\0' && key[0] != '\0';

    if (strcmp(peer->key, key) == 0) {
        return false;
    }
    for (struct net_link *link = peer->net->links; follows && link != NULL; link = link->next) {
        if (link->peer == peer->id && strcmp(link->key, peer->key) == 0) {
            text_put(link->key, sizeof(link->key), key);
        }
    }
    text_put(peer->key, sizeof(peer->key), key);
    return true;
}

void net_keys_apply(struct net *net)
{
    for (struct net_link *link = net->links; link != NULL; link = link->next) {
        if (link->ready && !net_key_fits(net, link->peer, link->key)) {
            net_link_close(link);
        }
    }
}

const char *net_shown_key(const struct net *net, uint64_t id)
{
    const struct net_peer *peer = net_find_peer((struct net *)(uintptr_t)net, id);

    if (id == net->member_id) {
        return net->own_key;
    }
    return net_is_connected(net, id) && strcmp(peer->in->key, peer->out->key) == 0 ? peer->in->key : "";
}

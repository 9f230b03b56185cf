/* Trouble between members: put into words, with what to do, and told once per change. */
#include <netdb.h>
#include <string.h>

#include "consensus/net_priv.h"
#include "store/base/log.h"
#include "store/base/text.h"

/* ---- words ---- */

static const char *word_of(const struct net_trouble *trouble)
{
    static const char *const words[] = {
        [NET_FINE] = "",           [NET_REFUSED] = "refused",
        [NET_TIMEOUT] = "timeout", [NET_UNREACHABLE] = "unreachable",
        [NET_ENDED] = "ended",     [NET_WRONG_MEMBER] = "wrong-member",
    };

    return trouble->cause == NET_TLS ? tls_cause_word(trouble->error.cause) : words[trouble->cause];
}

static bool same(const struct net_trouble *a, const struct net_trouble *b)
{
    return a->cause == b->cause &&
           (a->cause != NET_TLS || (a->error.cause == b->error.cause && a->error.remote == b->error.remote));
}

/* What is wrong with a certificate; whose it is goes before. */
static const char *complaint(enum tls_cause cause)
{
    switch (cause) {
    case TLS_EXPIRED:
        return "has expired, or that of its authority has";
    case TLS_NOT_YET_VALID:
        return "is not valid yet";
    case TLS_UNKNOWN_AUTHORITY:
        return "is of an authority that is not known";
    case TLS_NO_CERTIFICATE:
        return "is missing";
    case TLS_WRONG_KEY:
        return "is right, but has another key than the cluster knows";
    default:
        return "cannot be used";
    }
}

static bool about_certificate(enum tls_cause cause)
{
    return cause == TLS_EXPIRED || cause == TLS_NOT_YET_VALID || cause == TLS_UNKNOWN_AUTHORITY ||
           cause == TLS_NO_CERTIFICATE || cause == TLS_BAD_CERTIFICATE || cause == TLS_WRONG_KEY;
}

static void describe_certificate(const struct net_peer *peer, const struct tls_error *error, struct cons_trouble *ret)
{
    const char *const *files = (const char *const *)peer->net->tls_files;
    unsigned long theirs = (unsigned long)peer->id, ours = (unsigned long)peer->net->member_id;
    unsigned long owner = error->remote ? ours : theirs;
    const char *clock = error->cause == TLS_NOT_YET_VALID ? "compare the clocks of both hosts; then " : "";

    if (error->remote) {
        text_print(ret->text, sizeof(ret->text), "member %lu at %s refuses member %lu: the certificate %s %s (%s)",
                   theirs, peer->address, ours, files[1], complaint(error->cause), error->text);
    } else {
        text_print(ret->text, sizeof(ret->text), "member %lu refuses member %lu at %s: its certificate %s (%s)", ours,
                   theirs, peer->address, complaint(error->cause), error->text);
    }
    if (error->cause == TLS_UNKNOWN_AUTHORITY) {
        text_print(
            ret->remedy, sizeof(ret->remedy),
            "members %lu and %lu must have the same authority: compare the file of cluster.tls.ca on both hosts "
            "(%s on the host of member %lu), issue the certificate of member %lu by it ('scripts/pki DIR %lu'), "
            "put it where cluster.tls.cert and cluster.tls.key of that member say, and send SIGHUP to its hecated",
            ours, theirs, files[0], ours, owner, owner);
    } else if (error->cause == TLS_WRONG_KEY) {
        text_print(
            ret->remedy, sizeof(ret->remedy),
            "if member %lu was given a new key while it was stopped: 'hecate member renew %lu', asked of a member that "
            "is connected, or put its former key back; when no majority connects for that reason, or this member was "
            "away while others were given new keys: start hecated once with --trust-new-keys. If nobody gave it a new "
            "key, somebody else has a certificate with its number",
            owner, owner);
    } else if (error->remote) {
        text_print(
            ret->remedy, sizeof(ret->remedy),
            "%son the host of member %lu put a new certificate and key ('scripts/pki DIR %lu' makes them) in place "
            "of %s and %s, and send SIGHUP to its hecated",
            clock, owner, owner, files[1], files[2]);
    } else {
        text_print(ret->remedy, sizeof(ret->remedy),
                   "%son the host of member %lu (%s) put a new certificate and key ('scripts/pki DIR %lu' makes them) "
                   "where its cluster.tls.cert and cluster.tls.key say, and send SIGHUP to its hecated",
                   clock, owner, peer->address, owner);
    }
}

static void describe(const struct net_peer *peer, const struct net_trouble *trouble, struct cons_trouble *ret)
{
    unsigned long id = (unsigned long)peer->id;
    const char *detail = trouble->error.text;

    memset(ret, 0, sizeof(*ret));
    text_put(ret->word, sizeof(ret->word), word_of(trouble));
    ret->tls = trouble->cause == NET_TLS || trouble->cause == NET_WRONG_MEMBER;
    if (trouble->cause == NET_TLS && about_certificate(trouble->error.cause)) {
        describe_certificate(peer, &trouble->error, ret);
    } else if (trouble->cause == NET_TLS) {
        text_print(ret->text, sizeof(ret->text), "member %lu at %s: %s (%s)", id, peer->address,
                   trouble->error.cause == TLS_PLAIN_TEXT ? "what answers there speaks no TLS"
                                                          : "TLS cannot be agreed on",
                   detail);
        text_print(ret->remedy, sizeof(ret->remedy),
                   "look whether %s is the peer address of member %lu, and whether the section cluster.tls is in the "
                   "configuration of both members",
                   peer->address, id);
    } else if (trouble->cause == NET_WRONG_MEMBER) {
        text_print(ret->text, sizeof(ret->text), "%s is not member %lu: %s", peer->address, id, detail);
        text_print(ret->remedy, sizeof(ret->remedy),
                   "if the address is right, put the certificate of member %lu ('scripts/pki DIR %lu' makes it) where "
                   "cluster.tls.cert on that host says and send SIGHUP to its hecated; if it is not, 'hecate member "
                   "list' shows the addresses",
                   id, id);
    } else {
        text_print(ret->text, sizeof(ret->text), "member %lu at %s is not connected%s%s", id, peer->address,
                   *detail != '\0' ? ": " : "", detail);
        text_print(ret->remedy, sizeof(ret->remedy), "%s",
                   trouble->cause == NET_REFUSED ? "start hecated there"
                   : trouble->cause == NET_ENDED
                       ? "look at the log of hecated there: it says why it ends the connection"
                       : "start hecated there, or look at the network between the members");
    }
}

/* Somebody else shows a certificate in its name. */
static bool is_impersonated(const struct net_peer *peer)
{
    const struct net_trouble *trouble = &peer->trouble_in;

    return trouble->cause == NET_TLS && trouble->error.cause == TLS_WRONG_KEY && !trouble->error.remote &&
           uv_now(peer->net->loop) - peer->wrong_key_ms < NET_WRONG_KEY_SHOWN_MS;
}

void net_get_trouble(const struct net *net, uint64_t id, struct cons_trouble *ret)
{
    const struct net_peer *peer = net_find_peer((struct net *)(uintptr_t)net, id);

    memset(ret, 0, sizeof(*ret));
    if (peer == NULL || peer->gone) {
        return;
    }
    if (net_is_connected(net, id)) {
        if (is_impersonated(peer)) {
            describe(peer, &peer->trouble_in, ret);
        }
    } else if (peer->trouble_out.cause != NET_FINE) {
        describe(peer, &peer->trouble_out, ret);
    } else if (peer->trouble_in.cause != NET_FINE) {
        describe(peer, &peer->trouble_in, ret);
    }
}

/* ---- told once per change ---- */

static void note(struct net_peer *peer, struct net_trouble *known, const struct net_trouble *trouble)
{
    struct cons_trouble words;
    bool news = !same(known, trouble);

    *known = *trouble;
    if (news) {
        describe(peer, trouble, &words);
        LOG(LOG_WARNING, "peer", words.text, LF_U64("member", peer->id), LF_STR("reason", words.word),
            LF_STR("remedy", words.remedy));
    }
}

void net_trouble_out(struct net_peer *peer, const struct net_trouble *trouble)
{
    note(peer, &peer->trouble_out, trouble);
}

static void name_of(const struct sockaddr_storage *from, char *ret, size_t size)
{
    *ret = '\0';
    (void)getnameinfo((const struct sockaddr *)from, sizeof(*from), ret, (socklen_t)size, NULL, 0,
                      NI_NUMERICHOST); /* of a number: does not wait */
}

void net_trouble_key(const struct net_link *link, struct tls_error *error)
{
    char from[64];

    name_of(&link->from, from, sizeof(from));
    text_print(error->text, sizeof(error->text), "key %s%s%s", link->key, *from != '\0' ? ", from " : "", from);
}

void net_trouble_in(struct net_link *link)
{
    struct net *net = link->net;
    struct net_peer *owner = net_gate_owner(net, &link->from);
    uint64_t now_ms = uv_now(net->loop);
    char from[64];

    if (link->claimed != 0) { /* its certificate is of our authority: it is no matter of addresses */
        owner = net_find_peer(net, link->claimed);
        owner->wrong_key_ms = now_ms;
    }
    if (owner != NULL && link->trouble.cause != NET_WRONG_MEMBER) {
        note(owner, &owner->trouble_in, &link->trouble);
        return;
    }
    net->strangers_refused++;
    if (net->stranger_logged_ms != 0 && now_ms - net->stranger_logged_ms < NET_STRANGER_LOG_MS) {
        return; /* anybody can make us write */
    }
    name_of(&link->from, from, sizeof(from));
    LOG(LOG_WARNING, "peer", "refused a connection to the peer port", LF_STR("from", from),
        LF_STR("reason", word_of(&link->trouble)), LF_STR("detail", link->trouble.error.text),
        LF_U64("refused", net->strangers_refused));
    net->stranger_logged_ms = now_ms;
    net->strangers_refused = 0;
}

void net_trouble_over(struct net_peer *peer, bool outgoing)
{
    struct net_trouble *known = outgoing ? &peer->trouble_out : &peer->trouble_in;

    if (known->cause == NET_TLS || known->cause == NET_WRONG_MEMBER) { /* the others pass, and "connected" says it */
        LOG(LOG_INFO, "peer", "the trouble with a member is over", LF_U64("member", peer->id),
            LF_STR("was", word_of(known)));
    }
    memset(known, 0, sizeof(*known));
}

/* A node joins and leaves Gluster's pool. */
#include <string.h>

#include "daemon/executor/gluster.h"
#include "store/base/mem.h"

#define CONNECTED_TRIES 60 /* half a second each */

enum peer_state { PEER_UNKNOWN, PEER_KNOWN, PEER_CONNECTED };

/* How the pool sees the step's peer. false: the step is ended. */
static bool heard_peer(struct step_talk *talk, const struct step_reply *reply, enum peer_state *ret_state)
{
    struct gluster_peers peers;
    struct err err = ERR_INIT;

    if (!gluster_answered(talk, reply)) {
        return false;
    }
    if (gluster_xml_peers(reply->out, reply->out_len, &peers, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return false;
    }
    if (peers.op.ret != 0) {
        gluster_refused(talk, &peers.op);
    }
    *ret_state = PEER_UNKNOWN;
    for (size_t i = 0; i < peers.n; i++) {
        const struct gluster_peer *peer = &peers.items[i];
        bool same = strcmp(peer->host, talk->step->peer) == 0;

        for (size_t j = 0; j < peer->n_hosts; j++) {
            same = same || strcmp(peer->hosts[j].name, talk->step->peer) == 0;
        }
        if (same) {
            *ret_state = peer->connected && peer->state == GLUSTER_PEER_IN_POOL ? PEER_CONNECTED : PEER_KNOWN;
            break;
        }
    }
    gluster_peers_fini(&peers);
    return !talk->ended;
}

static void ask_peers(struct step_talk *talk, step_heard_fn heard, unsigned flags)
{
    gluster_ask(talk, heard, flags, GLUSTER_WORDS("pool", "list"));
}

/* ---- probe: look -> probe -> until connected -> the limit of snapshots ---- */

static void probe_looks_again(struct step_talk *talk, const struct step_reply *reply);

static void probe_limit_set(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 0)) {
        step_done(talk);
    }
}

static void probe_connected(struct step_talk *talk)
{
    CLEANUP(free_ptr) char *limit = mem_printf("%u", talk->step->snapshot_limit);

    if (talk->step->snapshot_limit == 0) {
        step_done(talk);
        return;
    }
    gluster_ask(talk, probe_limit_set, 0, GLUSTER_WORDS("snapshot", "config", "snap-max-hard-limit", limit));
}

static void probe_probed(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 0)) {
        ask_peers(talk, probe_looks_again, GLUSTER_SYNC);
    }
}

static void probe_looked(struct step_talk *talk, const struct step_reply *reply)
{
    enum peer_state state;

    if (!heard_peer(talk, reply, &state)) {
        return;
    }
    if (state == PEER_CONNECTED) {
        probe_connected(talk);
    } else {
        gluster_ask(talk, probe_probed, 0, GLUSTER_WORDS("peer", "probe", talk->step->peer));
    }
}

static void probe_looks_again(struct step_talk *talk, const struct step_reply *reply)
{
    enum peer_state state;

    if (!heard_peer(talk, reply, &state)) {
        return;
    }
    if (state == PEER_CONNECTED) {
        probe_connected(talk);
    } else if (++talk->tries >= CONNECTED_TRIES) {
        step_fail(talk, E_REMOTE, false, "%s does not become connected", talk->step->peer);
    } else {
        ask_peers(talk, probe_looks_again, GLUSTER_WAIT);
    }
}

void step_peer_probe(struct step_talk *talk)
{
    ask_peers(talk, probe_looked, GLUSTER_SYNC);
}

/* ---- detach: look -> detach -> look ---- */

static void detach_looked_again(struct step_talk *talk, const struct step_reply *reply)
{
    enum peer_state state;

    if (!heard_peer(talk, reply, &state)) {
        return;
    }
    if (state == PEER_UNKNOWN) {
        step_done(talk);
    } else {
        step_fail(talk, E_REMOTE, false, "%s is still in the pool", talk->step->peer);
    }
}

static void detach_detached(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 1U << GLUSTER_ABSENT)) {
        ask_peers(talk, detach_looked_again, GLUSTER_SYNC);
    }
}

/* A node that loses its power in the middle of a detach may come back with the peer that all others have let go of. To
 * Gluster that one is down or a stranger, whom it lets go of by force only. */
static void ask_detach(struct step_talk *talk)
{
    if (talk->step->force || talk->step->kind == EXEC_PEER_FORGET) {
        gluster_ask(talk, detach_detached, 0, GLUSTER_WORDS("peer", "detach", talk->step->peer, "force"));
    } else {
        gluster_ask(talk, detach_detached, 0, GLUSTER_WORDS("peer", "detach", talk->step->peer));
    }
}

static void detach_looked(struct step_talk *talk, const struct step_reply *reply)
{
    enum peer_state state;

    if (!heard_peer(talk, reply, &state)) {
        return;
    }
    if (state == PEER_UNKNOWN) {
        step_done(talk);
    } else {
        ask_detach(talk);
    }
}

void step_peer_detach(struct step_talk *talk)
{
    ask_peers(talk, detach_looked, GLUSTER_SYNC);
}

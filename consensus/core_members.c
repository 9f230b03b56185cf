/* Whom this member knows, and what the leader makes of members.
 *
 * The table of peers (core->config.peers, core->peers) begins with the configured members and follows the
 * configurations in the log from then on. Places are never moved, so that an index stays what it is while something is
 * handled; the place of one that is in no configuration any more stays until another needs it.
 *
 * A member that was added is a spare until it has said that it belongs to this cluster, then a standby until it has
 * caught up, then what it was meant to be. The goal stands in the configuration: whoever leads pursues it.
 *
 * A leader's greeting carries the configuration: a newcomer, and one that was away while members changed, may never
 * have heard of this leader.
 */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

#define NEWCOMERS_EVERY_US 100000

bool core_formed(const struct core *core)
{
    return core->disk_state >= CORE_FORMED;
}

enum core_voting core_goal(const char *address)
{
    return *address == CORE_GOAL_VOTER ? CORE_VOTER : *address == CORE_GOAL_STANDBY ? CORE_STANDBY : CORE_SPARE;
}

const char *core_plain_address(const char *address)
{
    return core_goal(address) != CORE_SPARE ? address + 1 : address;
}

/* ---- the table ---- */

/* -1: there is none. For our own configuration there always is: it has no more members than places. */
static int free_place(struct core *core)
{
    for (size_t i = 0; core->config.n_peers == CORE_PEERS_MAX && i < CORE_PEERS_MAX; i++) {
        if (core->peers[i].gone) {
            return (int)i;
        }
    }
    return core->config.n_peers < CORE_PEERS_MAX ? (int)core->config.n_peers++ : -1;
}

static bool set_address(struct core_peer *peer, const char *address)
{
    if (peer->address != NULL && strcmp(peer->address, address) == 0) {
        return false;
    }
    free((void *)(uintptr_t)peer->address);
    peer->address = mem_strdup(address);
    return true;
}

static bool know(struct core *core, const struct raft_server *server)
{
    int at = core_peer_index(core, server->id);
    bool changed = false;

    if (at < 0) {
        at = free_place(core);
        if (at < 0) {
            return false;
        }
        memset(&core->peers[at], 0, sizeof(core->peers[at]));
        core->config.peers[at].id = server->id;
        changed = true;
    }
    changed = core->peers[at].gone || changed;
    core->peers[at].gone = false;
    return set_address(&core->config.peers[at], core_plain_address(server->address)) || changed;
}

static bool has(const struct raft_configuration *conf, uint64_t id)
{
    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].id == id) {
            return true;
        }
    }
    return false;
}

static bool mark_gone(struct core *core, const struct raft_configuration *newest,
                      const struct raft_configuration *applied)
{
    bool changed = false;

    for (size_t i = 0; i < core->config.n_peers; i++) {
        uint64_t id = core->config.peers[i].id;

        if (!core->peers[i].gone && id != core->config.id && !has(newest, id) && !has(applied, id)) {
            core->peers[i].gone = true;
            core->peers[i].vote.kept = core->peers[i].hello_seen = false;
            core_form_greet(core, id, false); /* it is told, if we lead */
            changed = true;
        }
    }
    return changed;
}

void core_members_update(struct core *core)
{
    const struct raft_configuration *newest = core_raft_configuration(core);
    struct raft_configuration applied;
    bool changed = false;

    if (!core->members_changed) {
        return;
    }
    core->members_changed = false;
    if (newest->n == 0) {
        return; /* admitted, and nothing of the log is here yet */
    }
    raft_configuration_init(&applied);
    if (core->conf != NULL) {
        core_conf_decode(core->conf, core->conf_len, &applied);
    }
    changed = mark_gone(core, newest, &applied);
    for (unsigned i = 0; i < newest->n; i++) {
        changed = know(core, &newest->servers[i]) || changed;
    }
    raft_configuration_close(&applied);
    if (changed) {
        core->env.members(core->env.user);
    }
}

void core_members_introduced(struct core *core, const struct wire *wire)
{
    struct raft_configuration conf;
    struct raft_buffer buffer;

    if (wire->key[WK_TYPE] != WIRE_HELLO || wire->body_len == 0 ||
        (core_formed(core) && !id_equal(core_wire_cluster(wire), core->cluster_id))) {
        return;
    }
    buffer = (struct raft_buffer){.base = mem_dup(wire->body, wire->body_len), .len = wire->body_len};
    raft_configuration_init(&conf);
    if (raft_configuration_decode(&buffer, &conf) == 0 && conf.n <= CORE_PEERS_MAX && has(&conf, wire->key[WK_FROM]) &&
        has(&conf, core->config.id)) {
        for (size_t i = 0; i < core->config.n_peers && !core_formed(core); i++) {
            core->peers[i].gone = core->config.peers[i].id != core->config.id && !has(&conf, core->config.peers[i].id);
        }
        for (unsigned i = 0; i < conf.n; i++) {
            if (!core_formed(core) || core_peer_index(core, conf.servers[i].id) < 0) {
                (void)know(core, &conf.servers[i]);
            }
        }
        core->env.members(core->env.user);
    }
    raft_configuration_close(&conf);
    free(buffer.base);
}

/* ---- admission ---- */

uint64_t core_admits(struct core *core, uint64_t peer)
{
    raft_index match = 0;

    /* Only who leads for certain, with all that was ever committed applied, may tell. */
    if (!core->raft_started || !core_serving(core) || core->n_changes > 0) {
        return 0;
    }
    if (!core_conf_has(core, peer)) {
        return WIRE_STRANGER;
    }
    return core_conf_voting(core, peer) != CORE_VOTER &&
                   (raft_match_index(&core->raft, peer, &match) != 0 || match == 0)
               ? WIRE_ADMITTED
               : WIRE_MEMBER;
}

/* ---- goals ---- */

static bool belongs(const struct core *core, uint64_t id)
{
    int at = core_peer_index(core, id);

    return at >= 0 && core->peers[at].connected && core->peers[at].hello_seen && core->peers[at].state == CORE_FORMED &&
           id_equal(core->peers[at].cluster_id, core->cluster_id);
}

/* Nothing comes from it: it may not know us. */
static bool is_silent(const struct core_peer_state *peer, uint64_t now, uint64_t for_us)
{
    return !peer->heard || now - peer->last_heard_us > for_us;
}

/* A newcomer may have been there before it was added; one that is known may have lost its disk since; one that was away
 * may know an older configuration, without us. */
static void greet_newcomers(struct core *core)
{
    uint64_t now = core_now(core);

    if (now < core->hello_us) {
        return;
    }
    core->hello_us = now + NEWCOMERS_EVERY_US;
    for (size_t i = 0; i < core->config.n_peers; i++) {
        uint64_t admits = core_admits(core, core->config.peers[i].id);

        if (admits == WIRE_ADMITTED ||
            (admits == WIRE_MEMBER &&
             is_silent(&core->peers[i], now, 1000 * (uint64_t)core->config.election_timeout_ms))) {
            core_form_greet(core, core->config.peers[i].id, true);
        }
    }
}

void core_members_pursue(struct core *core)
{
    const struct raft_configuration *conf;

    if (core->role != CORE_LEADER || core->n_changes > 0 || core->transfer_to != 0 || !core_serving(core)) {
        return;
    }
    greet_newcomers(core);
    conf = core_raft_configuration(core);
    for (unsigned i = 0; i < conf->n; i++) {
        const struct raft_server *server = &conf->servers[i];
        enum core_voting goal = core_goal(server->address);
        enum core_voting next = server->role == RAFT_SPARE ? CORE_STANDBY : CORE_VOTER;
        const char *reason;

        if (goal == CORE_SPARE || (next == CORE_STANDBY && !belongs(core, server->id))) {
            continue;
        }
        if (core_assign(core, server->id, next, &reason) == 0) {
            return; /* conf is another one now */
        }
    }
}

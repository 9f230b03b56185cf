/* Whom this member knows, and what the leader makes of members.
 *
 * The table of peers (core->config.peers, core->peers) begins with the configured members and follows the
 * configurations in the log from then on. Places are never moved, so that an index stays what it is while something is
 * handled; the place of one that is in no configuration any more stays until another needs it.
 *
 * A member that was added is a spare until it has said that it belongs to this cluster, then a standby until it has
 * caught up, then what it was meant to be. The goal stands in the configuration: whoever leads pursues it.
 *
 * Only members speak: what a frame says counts if its sender is in our newest configuration, or in the one before it,
 * which is the newest that is committed for certain. One that has been removed, or holds a certificate and no more, is
 * not heard. A voter needs no others: who leads was a member, if not a voter, in the configuration before, and that one
 * is in the log of every voter (rule 7). A newcomer, or a standby that was away, may never have heard of who leads now.
 * The greeting of a member carries its configuration: those who do not vote believe whom a member names, never what one
 * says of itself, until their own log has come so far. Without any configuration the members are those of the
 * configuration file. Where a member is they believe from itself, when it knows of a later configuration.
 * What one member alone names adds to whom they hear, and silences nobody: it could name the latest configuration of
 * all, without the leader. What two name alike counts, until two name a later one.
 *
 * A configuration says the digest of each member's key as well. One that was away may know of an old one only, and the
 * leader may be the very member that has another by now: as soon as a member tells of a configuration that is newer
 * than ours, our keys count for nothing until our log has come so far (core_status.keys_known).
 */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

bool core_formed(const struct core *core)
{
    return core->disk_state >= CORE_FORMED;
}

bool core_learning(const struct core *core)
{
    return !core->raft_started || core->disk_state == CORE_JOINING || core_conf_newest(core) == 0;
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
    if (core->peers[at].moved_index > core_conf_newest(core)) {
        return changed; /* it has told a later address itself */
    }
    return set_address(&core->config.peers[at], core_plain_address(server->address)) || changed;
}

/* ---- who speaks ---- */

bool core_speaks(const struct core *core, int at)
{
    return at >= 0 && (!core->peers[at].gone || CORE_SKIP(PART_SPEAKERS));
}

static bool is_introduced(const struct core *core, uint64_t id)
{
    for (size_t i = 0; i < core->introduced.n; i++) {
        if (core->introduced.ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* In our newest configuration, or in the one before it. */
static bool is_ours(const struct core *core, const struct raft_configuration *before, uint64_t id)
{
    return !core_learning(core) && (core_conf_names(core_raft_configuration(core), id) || core_conf_names(before, id));
}

/* The one that is committed for certain: after a restart that is known before anything is applied. */
static void read_before(const struct core *core, struct raft_configuration *ret_conf)
{
    uint64_t index = core_conf_before(core);

    raft_configuration_init(ret_conf);
    if (index > 0) {
        core_conf_read(core, index, ret_conf);
    }
}

bool core_members_ours(const struct core *core, uint64_t id)
{
    struct raft_configuration before;
    bool ours;

    read_before(core, &before);
    ours = is_ours(core, &before, id);
    raft_configuration_close(&before);
    return ours;
}

/* It votes, and its log tells so. */
static bool is_sure(const struct core *core)
{
    return !core_learning(core) && core_conf_voting(core, core->config.id) == CORE_VOTER;
}

/* Our own log has come as far, or we vote, or who told us is no member any more. */
static void forget_introduced(struct core *core, const struct raft_configuration *before)
{
    struct core_introduced *introduced = &core->introduced;

    if (core_conf_newest(core) >= introduced->until || is_sure(core) ||
        (introduced->by != 0 && !is_ours(core, before, introduced->by))) {
        introduced->n = 0;
    }
}

static void silence(struct core *core, size_t at)
{
    core->peers[at].gone = true;
    core->peers[at].vote.kept = core->peers[at].hello_seen = false;
    core_form_greet(core, core->config.peers[at].id, false); /* it is told, if we lead */
}

static bool mark_gone(struct core *core, const struct raft_configuration *before)
{
    bool changed = false;

    for (size_t i = 0; i < core->config.n_peers; i++) {
        uint64_t id = core->config.peers[i].id;

        if (!core->peers[i].gone && id != core->config.id && !is_ours(core, before, id) && !is_introduced(core, id)) {
            silence(core, i);
            changed = true;
        }
    }
    return changed;
}

/* We hear the leader, and have all that it has committed, so also its members. Who tells of a configuration beyond that
 * would only have no key looked at. */
static bool has_all(struct core *core)
{
    return core->led_term == raft_current_term(&core->raft) && core_raft_leader(core) != 0 && !core_raft_silent(core) &&
           core_last_index(core) >= core->led_commit;
}

bool core_keys_known(struct core *core)
{
    return !core_learning(core) && (core->role == CORE_LEADER || core_conf_newest(core) >= core->told_conf_index ||
                                    has_all(core)); /* a leader knows all */
}

void core_members_update(struct core *core)
{
    const struct raft_configuration *newest = core_raft_configuration(core);
    bool known = core_keys_known(core), changed = false;
    struct raft_configuration before;

    if (known != core->keys_known) {
        core->keys_known = known;
        core->env.members(core->env.user);
    }
    if (!core->members_changed) {
        return;
    }
    core->members_changed = false;
    if (core_learning(core)) {
        return; /* what it knows comes from others */
    }
    read_before(core, &before);
    forget_introduced(core, &before);
    changed = mark_gone(core, &before);
    for (unsigned i = 0; i < newest->n; i++) {
        changed = know(core, &newest->servers[i]) || changed;
    }
    for (unsigned i = 0; i < before.n; i++) {
        changed = (!core_conf_names(newest, before.servers[i].id) && know(core, &before.servers[i])) || changed;
    }
    raft_configuration_close(&before);
    if (changed) {
        core->env.members(core->env.user);
    }
}

/* ---- introductions ---- */

/* Those who vote know all that they need; the others believe a member that knows of a later configuration. One of the
 * first release does not say which it is (0). */
static bool may_introduce(const struct core *core, int from, const struct raft_configuration *before, uint64_t index)
{
    const struct core_introduced *introduced = &core->introduced;
    uint64_t by;

    if (from < 0) {
        return CORE_SKIP(PART_INTRODUCED);
    }
    if (introduced->firm && index <= introduced->index && (index > 0 || introduced->index > 0)) {
        return false;
    }
    by = core->config.peers[from].id;
    return core_learning(core) ? core->peers[from].configured || is_introduced(core, by)
                               : index > core_conf_newest(core) && !is_sure(core) && is_ours(core, before, by);
}

/* Another one has told the same. */
static bool is_told_by_two(const struct core *core, int from, uint64_t index, uint64_t members)
{
    for (size_t i = 0; i < core->config.n_peers; i++) {
        if ((int)i != from && core_speaks(core, (int)i) && core->peers[i].told_index == index &&
            core->peers[i].told_members == members) {
            return true;
        }
    }
    return from < 0;
}

static bool hears(const struct core *core, uint64_t id)
{
    return core_speaks(core, core_peer_index(core, id));
}

static void introduce(struct core *core, int from, uint64_t by, uint64_t index, const struct raft_configuration *conf,
                      const struct raft_configuration *before)
{
    struct core_introduced *introduced = &core->introduced;
    bool firm = is_told_by_two(core, from, index, core_judge_digest(conf)), changed;
    size_t n_before = introduced->n;

    if (firm) {
        *introduced = (struct core_introduced){.firm = true, .index = index};
    }
    introduced->by = core_learning(core) ? 0 : by;
    introduced->until = index > introduced->until ? index : introduced->until;
    for (unsigned i = 0; i < conf->n && introduced->n < CORE_PEERS_MAX; i++) {
        if (!is_introduced(core, conf->servers[i].id)) {
            introduced->ids[introduced->n++] = conf->servers[i].id;
        }
    }
    changed = (firm && mark_gone(core, before)) || introduced->n != n_before;
    for (unsigned i = 0; i < conf->n; i++) {
        uint64_t id = conf->servers[i].id;

        /* Where the others are says our own configuration; and one word moves nobody. */
        if (!is_ours(core, before, id) && (firm || !hears(core, id)) && is_introduced(core, id)) {
            changed = know(core, &conf->servers[i]) || changed;
        }
    }
    if (changed) {
        core->env.members(core->env.user);
    }
}

/* A standby that was away while members moved knows none of their new addresses, and they dial it in vain when it
 * cannot answer: where a member itself is, it is believed. Who that is proves its certificate. */
static void note_moved(struct core *core, int from, uint64_t index, const struct raft_configuration *conf)
{
    if (from < 0 || is_sure(core) || index <= core_conf_newest(core) || index <= core->peers[from].moved_index) {
        return;
    }
    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].id == core->config.peers[from].id) {
            core->peers[from].moved_index = index;
            if (set_address(&core->config.peers[from], core_plain_address(conf->servers[i].address))) {
                core->env.members(core->env.user);
            }
        }
    }
}

/* Who tells it need not be known to our log: it may be behind. */
static void note_told(struct core *core, const struct wire *wire)
{
    struct raft_configuration conf;

    if (wire->body_len == 0 || wire->key[WK_STATE] != CORE_FORMED ||
        (core_formed(core) && !id_equal(core_wire_cluster(wire), core->cluster_id)) ||
        !core_conf_parse(wire->body, wire->body_len, &conf)) {
        return;
    }
    if (core_conf_names(&conf, wire->key[WK_FROM]) && core_conf_names(&conf, core->config.id)) {
        core_judge_note(core, wire->key[WK_FROM], wire->key[WK_CONF_INDEX], core_judge_digest(&conf));
    }
    raft_configuration_close(&conf);
}

void core_members_introduced(struct core *core, int from, const struct wire *wire)
{
    uint64_t index = wire->key[WK_CONF_INDEX];
    struct raft_configuration conf, before;

    if (wire->body_len == 0 || wire->key[WK_STATE] != CORE_FORMED ||
        !core_conf_parse(wire->body, wire->body_len, &conf)) {
        return;
    }
    note_told(core, wire);
    read_before(core, &before);
    if (core_conf_names(&conf, wire->key[WK_FROM]) && core_conf_names(&conf, core->config.id) &&
        (!core_formed(core) || id_equal(core_wire_cluster(wire), core->cluster_id))) {
        if (from >= 0 && index > core->told_conf_index) {
            core->told_conf_index = index;
        }
        if (from >= 0) {
            core->peers[from].told_index = index;
            core->peers[from].told_members = core_judge_digest(&conf);
        }
        if (may_introduce(core, from, &before, index)) {
            introduce(core, from, wire->key[WK_FROM], index, &conf, &before);
        }
    }
    if (core_conf_names(&conf, core->config.id) && core_formed(core) &&
        id_equal(core_wire_cluster(wire), core->cluster_id)) {
        note_moved(core, from, index, &conf);
    }
    raft_configuration_close(&before);
    raft_configuration_close(&conf);
}

/* Perhaps it leads by now, and who told of it has been lost: those who are known are asked. */
static void ask_members(struct core *core)
{
    uint64_t now = core_now(core);

    if (now < core->ask_us || is_sure(core)) {
        return;
    }
    core->ask_us = now + CORE_GREET_EVERY_US;
    for (size_t i = 0; i < core->config.n_peers; i++) {
        if (core->config.peers[i].id != core->config.id && core_speaks(core, (int)i)) {
            core_form_greet(core, core->config.peers[i].id, true);
        }
    }
}

void core_members_stranger(struct core *core, int at, const struct wire *wire)
{
    if (wire->key[WK_TYPE] != WIRE_HELLO) {
        return;
    }
    if (CORE_SKIP(PART_INTRODUCED)) {
        core_members_introduced(core, -1, wire);
    }
    note_told(core, wire);
    if (at >= 0 && (wire->key[WK_FLAGS] & 1) != 0) {
        core_form_greet(core, wire->key[WK_FROM], false);
    }
    if (at >= 0 && core_learning(core) && core->peers[at].configured) {
        core_form_recv_word(core, (size_t)at, wire);
    }
    if (core_formed(core) && wire->key[WK_STATE] == CORE_FORMED &&
        id_equal(core_wire_cluster(wire), core->cluster_id)) {
        ask_members(core);
    }
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
    core->hello_us = now + CORE_GREET_EVERY_US;
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

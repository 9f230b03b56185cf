/* Forming a cluster, once, from empty disks.
 *
 * A member with an empty disk never starts a cluster on its own and never comes back under an old identity:
 * 1. EMPTY members greet all initial peers. The one with the lowest id, when it has seen every other one EMPTY with the
 *    same list of peers (or FORMING with the same cluster id), makes itself FORMING, durably, and asks the others
 * (FORM).
 * 2. An EMPTY member that is asked by the one with the lowest id makes itself FORMING, durably, and says so (FORM_ACK).
 * 3. When all have, the lowest makes itself FORMED: entry 1, the configuration, is on its disk. Everybody who is
 * FORMING and hears a greeting of a FORMED member of the same cluster becomes FORMED as well. Only FORMED members take
 * part in raft: vote, acknowledge, count. Only a FORMING member sends FORM, and it is FORMED only after all have
 * answered. If the lowest loses its disk while nobody is FORMED yet, nothing has been promised to anybody and it may
 * begin again with the same cluster id.
 *
 * An EMPTY member that meets a FORMED one does nothing on its own: it waits for the word of a leader that serves (and
 * so knows all that was ever committed), which comes with each of its greetings (WK_ADMITS) and counts when another
 * member bears it out (core_word.c):
 * - ADMITTED: it was added and has never had anything of the log. It makes itself JOINING, durably, and gets the log.
 *   When that has reached its admission it makes itself JOINED, and may be given a vote.
 * - MEMBER: it had, and has lost its disk. It ends, for it may have voted and acknowledged before.
 * - STRANGER, or nothing at all: it waits to be added. A FORMED member that hears it was removed, and ends.
 * A leader says as well up to where it has the member's word; one whose log ends before that ends itself, like one that
 * has lost all: its disk did not keep what it had synced, or its files are an older copy.
 * Members greet each other with their configuration, so that a newcomer knows the leader also if it is not in its own
 * list (core_members.c says who is believed).
 * A member of another cluster changes nothing here, whatever it says; one that hears from most of its peers that they
 * belong to another cluster ends.
 */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

struct id core_wire_cluster(const struct wire *wire)
{
    struct id id;

    for (int i = 0; i < 8; i++) {
        id.bytes[i] = (uint8_t)(wire->key[WK_CLUSTER_HIGH] >> (56 - 8 * i));
        id.bytes[8 + i] = (uint8_t)(wire->key[WK_CLUSTER_LOW] >> (56 - 8 * i));
    }
    return id;
}

static void wire_set_cluster(struct wire *wire, struct id id)
{
    for (int i = 0; i < 8; i++) {
        wire->key[WK_CLUSTER_HIGH] = wire->key[WK_CLUSTER_HIGH] << 8 | id.bytes[i];
        wire->key[WK_CLUSTER_LOW] = wire->key[WK_CLUSTER_LOW] << 8 | id.bytes[8 + i];
    }
}

/* FNV-1a over ids and addresses: all members must have the same list in the same words. */
static uint64_t digest_peers(const struct core_config *config)
{
    uint64_t digest = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < config->n_peers; i++) {
        for (int j = 0; j < 8; j++) {
            digest = (digest ^ (uint8_t)(config->peers[i].id >> (8 * j))) * UINT64_C(1099511628211);
        }
        for (const char *p = config->peers[i].address; p == config->peers[i].address || p[-1] != '\0'; p++) {
            digest = (digest ^ (uint8_t)*p) * UINT64_C(1099511628211);
        }
    }
    return digest;
}

void core_form_init(struct core *core)
{
    core->peers_digest = digest_peers(&core->config);
}

static uint64_t acknowledged(const struct core *core, uint64_t peer)
{
    raft_index match = 0;

    return core->raft_started && core_raft_role(core) == CORE_LEADER && raft_match_index(&core->raft, peer, &match) == 0
               ? match
               : 0;
}

/* The library keeps the leader of an older term in mind. */
static uint64_t followed(const struct core *core)
{
    bool of_this_term =
        core->raft_started && (core_raft_role(core) == CORE_LEADER ||
                               core->led_term == raft_current_term((struct raft *)(uintptr_t)&core->raft));

    return of_this_term ? core_raft_leader(core) : 0;
}

void core_form_greet(struct core *core, uint64_t peer, bool ask_back)
{
    struct wire wire = {.key = {[WK_TYPE] = WIRE_HELLO,
                                [WK_STATE] = core_formed(core) ? CORE_FORMED : core->disk_state,
                                [WK_PEERS_DIGEST] = core->peers_digest,
                                [WK_ADMITS] = core_admits(core, peer),
                                [WK_LAST_INDEX] = acknowledged(core, peer),
                                [WK_FOLLOWS] = followed(core) + 1,
                                [WK_FLAGS] = ask_back ? 1 : 0}};

    if (core->disk_state == CORE_JOINING) {
        wire.key[WK_FLAGS] |= 2;
    }
    if (core->conf != NULL && core_conf_has(core, peer) && !core_learning(core)) {
        wire.key[WK_CONF_INDEX] = core->conf_applied_index;
        wire.body = core->conf;
        wire.body_len = core->conf_len;
    }
    wire_set_cluster(&wire, core->cluster_id);
    core_send(core, peer, &wire);
}

static void greet_all(struct core *core)
{
    for (size_t i = 0; i < core->config.n_peers; i++) {
        if (core->config.peers[i].id != core->config.id) {
            core_form_greet(core, core->config.peers[i].id,
                            core->disk_state == CORE_EMPTY || core->disk_state == CORE_JOINING);
        }
    }
}

static void write_state(struct core *core, enum core_disk_state state, struct id cluster_id)
{
    struct disk_op *op = mem_calloc(1, sizeof(*op));

    op->kind = DISK_STATE;
    op->disk_state = state;
    op->cluster_id = cluster_id;
    core->state_writing = true;
    core->env.disk(core->env.user, op);
}

static bool is_lowest(const struct core *core)
{
    return core->config.peers[0].id == core->config.id;
}

/* Everybody else is here, empty or forming the very same cluster. */
static bool may_found(const struct core *core, struct id *ret_cluster_id)
{
    *ret_cluster_id = core->config.new_cluster_id;
    for (size_t i = 1; i < core->config.n_peers; i++) {
        const struct core_peer_state *peer = &core->peers[i];

        if (!peer->connected || !peer->hello_seen || peer->state == CORE_FORMED ||
            peer->peers_digest != core->peers_digest) {
            return false;
        }
        if (peer->state == CORE_FORMING) {
            *ret_cluster_id = peer->cluster_id;
        }
    }
    for (size_t i = 1; i < core->config.n_peers; i++) {
        if (core->peers[i].state == CORE_FORMING && !id_equal(core->peers[i].cluster_id, *ret_cluster_id)) {
            return false;
        }
    }
    return true;
}

static void ask_to_form(struct core *core)
{
    struct wire wire = {.key = {[WK_TYPE] = WIRE_FORM, [WK_PEERS_DIGEST] = core->peers_digest}};

    wire_set_cluster(&wire, core->cluster_id);
    for (size_t i = 1; i < core->config.n_peers; i++) {
        if (!core->peers[i].form_acked) {
            core_send(core, core->config.peers[i].id, &wire);
        }
    }
}

static bool all_acked(const struct core *core)
{
    for (size_t i = 1; i < core->config.n_peers; i++) {
        if (!core->peers[i].form_acked) {
            return false;
        }
    }
    return true;
}

/* A member that was there before, under the same number, gets the log of that time again, in which it may have voted:
 * not before its own admission is in its log does it belong. Who serves says where that is; and it is that admission,
 * and no invention of the one who sends the log, when two members tell the same. */
static void poll_joining(struct core *core, uint64_t now)
{
    if (core->state_writing) {
        return;
    }
    if (core->join_index > 0 && core->conf_applied_index >= core->join_index && core_judge_joined(core)) {
        write_state(core, CORE_JOINED, core->cluster_id);
    } else if ((core->join_index == 0 || core->conf_applied_index >= core->join_index) && now >= core->hello_us) {
        core->hello_us = now + CORE_GREET_EVERY_US;
        greet_all(core);
    }
}

void core_form_poll(struct core *core, uint64_t now)
{
    struct id cluster_id;

    if (core->disk_state == CORE_JOINING) {
        poll_joining(core, now);
    }
    if (core_formed(core) || core->state_writing || now < core->hello_us) {
        return;
    }
    core->hello_us = now + CORE_GREET_EVERY_US;
    greet_all(core);
    if (!is_lowest(core)) {
        return;
    }
    if (core->disk_state == CORE_EMPTY && may_found(core, &cluster_id)) {
        write_state(core, CORE_FORMING, cluster_id);
    } else if (core->disk_state == CORE_FORMING && all_acked(core)) {
        write_state(core, CORE_FORMED, core->cluster_id);
    } else if (core->disk_state == CORE_FORMING) {
        ask_to_form(core);
    }
}

/* A leader of the first release does not say where (index 0). */
void core_form_join(struct core *core, struct id cluster_id, uint64_t index)
{
    core->join_index = index;
    write_state(core, index > 0 && !CORE_SKIP(PART_JOINING) ? CORE_JOINING : CORE_JOINED, cluster_id);
}

/* One stranger may be a mistake of his; when most of our peers are strangers, it is ours. */
static void recv_foreign(struct core *core, size_t from)
{
    size_t n_foreign = 0, n = 0;

    for (size_t i = 0; i < core->config.n_peers; i++) {
        const struct core_peer_state *peer = &core->peers[i];

        n += !peer->gone;
        n_foreign += !peer->gone && peer->hello_seen && peer->state == CORE_FORMED &&
                     !id_equal(peer->cluster_id, core->cluster_id);
    }
    if (2 * n_foreign > n) {
        core_fail(core,
                  "member %lu and most others belong to cluster %s, this member to %s: its data directory is another "
                  "cluster's; correct the configuration, or move the directory away, run 'hecate member replace %lu' "
                  "and start it",
                  (unsigned long)core->config.peers[from].id, id_text(core->peers[from].cluster_id).text,
                  id_text(core->cluster_id).text, (unsigned long)core->config.id);
    }
}

static void note_hello(struct core *core, size_t from, const struct wire *wire)
{
    struct core_peer_state *peer = &core->peers[from];

    peer->hello_seen = true;
    peer->state = (enum core_disk_state)wire->key[WK_STATE];
    peer->cluster_id = core_wire_cluster(wire);
    peer->peers_digest = wire->key[WK_PEERS_DIGEST];
    peer->joining = (wire->key[WK_FLAGS] & 2) != 0;
    core_word_note(core, from, wire);
}

void core_form_recv_word(struct core *core, size_t from, const struct wire *wire)
{
    if (wire->key[WK_STATE] == CORE_FORMED) {
        note_hello(core, from, wire);
        core_word_weigh(core);
    }
}

static void recv_hello(struct core *core, size_t from, const struct wire *wire)
{
    struct core_peer_state *peer = &core->peers[from];

    note_hello(core, from, wire);
    if ((wire->key[WK_FLAGS] & 1) != 0) {
        core_form_greet(core, core->config.peers[from].id, false);
    }
    if (peer->state != CORE_FORMED) {
        return;
    }
    core_members_introduced(core, (int)from, wire);
    if (core->disk_state == CORE_EMPTY && CORE_SKIP(PART_FORMING) && !core->state_writing) {
        write_state(core, CORE_FORMED, peer->cluster_id);
    } else if (core->disk_state != CORE_EMPTY && !id_equal(core->cluster_id, peer->cluster_id)) {
        recv_foreign(core, from);
    } else if (core->disk_state == CORE_FORMING && !core->state_writing) {
        write_state(core, CORE_FORMED, core->cluster_id);
    } else {
        core_word_weigh(core);
    }
}

static void recv_form(struct core *core, size_t from, const struct wire *wire)
{
    struct id cluster_id = core_wire_cluster(wire);

    if (from != 0 || wire->key[WK_PEERS_DIGEST] != core->peers_digest || core->state_writing) {
        return;
    }
    if (core->disk_state == CORE_EMPTY) {
        write_state(core, CORE_FORMING, cluster_id);
    } else if (id_equal(core->cluster_id, cluster_id)) {
        struct wire answer = {.key = {[WK_TYPE] = WIRE_FORM_ACK}};

        wire_set_cluster(&answer, cluster_id);
        core_send(core, core->config.peers[from].id, &answer);
    }
}

bool core_form_recv(struct core *core, size_t from, const struct wire *wire)
{
    switch (wire->key[WK_TYPE]) {
    case WIRE_HELLO:
        if (wire->key[WK_STATE] > CORE_FORMED) {
            return false;
        }
        recv_hello(core, from, wire);
        return true;
    case WIRE_FORM:
        recv_form(core, from, wire);
        return true;
    case WIRE_FORM_ACK:
        if (core->disk_state == CORE_FORMING && id_equal(core_wire_cluster(wire), core->cluster_id)) {
            core->peers[from].form_acked = true;
            core->hello_us = 0; /* go on at once */
        }
        return true;
    default:
        return false;
    }
}

/* Entry 1, the same on every member: the configuration with all initial peers as voters. */
static void append_configuration(struct core *core, struct disk_image *image)
{
    struct raft_configuration conf;
    struct raft_buffer buffer;
    struct disk_op *op = mem_calloc(1, sizeof(*op));
    struct buf flat = BUF_INIT;

    raft_configuration_init(&conf);
    for (size_t i = 0; i < core->config.n_peers; i++) {
        CHECK(raft_configuration_add(&conf, core->config.peers[i].id, core->config.peers[i].address, RAFT_VOTER) == 0);
    }
    CHECK(raft_configuration_encode(&conf, &buffer) == 0);
    raft_configuration_close(&conf);
    core_log_append(core, 1, RAFT_CHANGE, buffer.base, (uint32_t)buffer.len);
    flat_append(&flat, 1, RAFT_CHANGE, buffer.base, (uint32_t)buffer.len);
    raft_free(buffer.base);
    op->kind = DISK_META;
    op->term = image->term = 1;
    core->metas++;
    core->env.disk(core->env.user, op);
    op = mem_calloc(1, sizeof(*op));
    op->kind = DISK_APPEND;
    op->first = op->n = 1; /* valid_last 0: the library knows this entry from its start */
    op->flat_len = flat.len;
    op->flat = (uint8_t *)buf_take(&flat);
    core->appends = mem_realloc_array(core->appends, core->n_appends + 1, sizeof(*core->appends));
    core->appends[core->n_appends++] = op;
    core->env.disk(core->env.user, op);
}

/* A member that died between the state and entry 1 finds itself FORMED with an empty log: it writes the entry again. */
void core_form_done(struct core *core, const struct disk_op *op)
{
    core->state_writing = false;
    core->disk_state = op->disk_state;
    core->cluster_id = op->cluster_id;
    core->hello_us = 0;
    if (core->raft_started) { /* JOINED at last */
        core->members_changed = true;
    } else if (core_formed(core)) {
        struct disk_image image = {.disk_state = op->disk_state};

        if (op->disk_state == CORE_FORMED) {
            append_configuration(core, &image);
        }
        core_raft_start(core, &image);
    } else if (!is_lowest(core)) {
        struct wire answer = {.key = {[WK_TYPE] = WIRE_FORM_ACK}};

        wire_set_cluster(&answer, core->cluster_id);
        core_send(core, core->config.peers[0].id, &answer);
    }
    greet_all(core);
    core->env.changed(core->env.user);
}

/* Who should not be heard: holders of a certificate that belongs to no member, members that were removed, and members
 * that say what no member can say. Nothing of it may change who leads, the term, the log or who belongs to the cluster.
 */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "tests/simulation/sim.h"

#define FIRST_STRANGER (SIM_MEMBERS_MAX + 1)
#define FAR_TERM (UINT64_C(1) << 40)

/* A configuration as the library writes it, of the receiver and the sender: what a stranger would like it to be. */
static void put_configuration(struct buf *buf, uint64_t a, uint64_t b)
{
    struct raft_configuration conf;
    struct raft_buffer bytes;

    raft_configuration_init(&conf);
    CHECK(raft_configuration_add(&conf, a, "10.9.9.1:1", RAFT_VOTER) == 0);
    CHECK(a == b || raft_configuration_add(&conf, b, "10.9.9.2:1", RAFT_VOTER) == 0);
    CHECK(raft_configuration_encode(&conf, &bytes) == 0);
    raft_configuration_close(&conf);
    buf_append(buf, bytes.base, bytes.len);
    raft_free(bytes.base);
}

static struct wire hello(const struct core_status *status, uint64_t admits, uint64_t flags)
{
    return (struct wire){.key = {[WK_TYPE] = WIRE_HELLO,
                                 [WK_STATE] = CORE_FORMED,
                                 [WK_CLUSTER_HIGH] = id_half(&status->cluster_id, 0),
                                 [WK_CLUSTER_LOW] = id_half(&status->cluster_id, 8),
                                 [WK_ADMITS] = admits,
                                 [WK_FLAGS] = flags,
                                 [WK_CONF_INDEX] = status->last_index + 1000}};
}

static void deliver(struct sim *sim, uint64_t from, size_t to, struct wire *wire, const struct buf *body)
{
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;

    wire->key[WK_FROM] = from;
    if (body != NULL) {
        wire->body = (const uint8_t *)body->data;
        wire->body_len = body->len;
    }
    wire_encode(wire, &frame);
    sim->intrusions++;
    (void)core_recv(sim->members[to].core, from, (const uint8_t *)frame.data, frame.len);
}

/* Everything that a leader, a candidate or a voter may say, of this term. */
static void say_all(struct sim *sim, uint64_t from, size_t to, const struct core_status *status, uint64_t term)
{
    CLEANUP(buf_fini) struct buf entry = BUF_INIT;
    CLEANUP(buf_fini) struct buf snapshot = BUF_INIT;
    uint64_t far = status->last_index + 5;
    const struct wire frames[] = {
        {.key = {[WK_TYPE] = WIRE_VOTE, [WK_LAST_INDEX] = far, [WK_LAST_TERM] = term, [WK_VERSION] = 2}},
        {.key =
             {[WK_TYPE] = WIRE_VOTE, [WK_LAST_INDEX] = far, [WK_LAST_TERM] = term, [WK_FLAGS] = 1, [WK_NUMBER] = far}},
        {.key = {[WK_TYPE] = WIRE_VOTE_RESULT, [WK_FLAGS] = 1, [WK_VERSION] = 2}},
        {.key = {[WK_TYPE] = WIRE_TIMEOUT_NOW, [WK_LAST_INDEX] = far, [WK_NUMBER] = WIRE_NUMBER_MAX}},
        {.key = {[WK_TYPE] = WIRE_LEASE, [WK_NUMBER] = WIRE_NUMBER_MAX, [WK_LEASE_US] = 300000}},
        {.key = {[WK_TYPE] = WIRE_APPEND_RESULT, [WK_LAST_INDEX] = status->last_index, [WK_CAPACITY] = 100}},
        {.key = {[WK_TYPE] = WIRE_FORM}},
        {.key = {[WK_TYPE] = WIRE_LEASE_ACK, [WK_NUMBER] = sim_clock(&sim->members[to])}},
    };
    /* Who returns a number is in that term, and does less harm with a later one. */
    size_t n = sizeof(frames) / sizeof(frames[0]) - (sim_random(sim, 8) > 0);
    struct wire append = {.key = {[WK_TYPE] = WIRE_APPEND,
                                  [WK_PREV_INDEX] = status->last_index,
                                  [WK_PREV_TERM] = core_entry_term(sim->members[to].core, status->last_index),
                                  [WK_COUNT] = 1,
                                  [WK_COMMIT] = far}};
    struct wire chunk = {
        .key = {[WK_TYPE] = WIRE_SNAPSHOT, [WK_LAST_INDEX] = far, [WK_LAST_TERM] = term, [WK_CONF_INDEX] = far}};

    for (size_t i = 0; i < n; i++) {
        struct wire wire = frames[i];

        wire.key[WK_MSG_TERM] = wire.key[WK_TERM] = term;
        deliver(sim, from, to, &wire, NULL);
    }
    flat_append(&entry, term, RAFT_COMMAND, "intruder", 8);
    append.key[WK_MSG_TERM] = append.key[WK_TERM] = term;
    deliver(sim, from, to, &append, &entry);
    put_configuration(&snapshot, from, to + 1);
    chunk.key[WK_CONF_LEN] = chunk.key[WK_TOTAL] = snapshot.len;
    chunk.key[WK_MSG_TERM] = chunk.key[WK_TERM] = term;
    deliver(sim, from, to, &chunk, &snapshot);
}

static void introduce_oneself(struct sim *sim, uint64_t from, size_t to, const struct core_status *status)
{
    static const char broken[] = "\001\002\0\0\0\0\0\0\0\001\0\0\0\0\0\0\0a\0\0\001\0\0\0\0\0\0\0a";
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    struct wire wire = hello(status, 1 + sim_random(sim, 3), 1);

    put_configuration(&body, from, to + 1);
    wire.key[WK_TERM] = status->term;
    wire.key[WK_LAST_INDEX] = status->last_index + 1000; /* as if more had been acknowledged than is there */
    deliver(sim, from, to, &wire, &body);
    buf_clear(&body);
    buf_append(&body, broken, sizeof(broken));
    deliver(sim, from, to, &wire, &body);
    wire.key[WK_CLUSTER_HIGH]++; /* and of another cluster */
    deliver(sim, from, to, &wire, NULL);
    wire.key[WK_CLUSTER_HIGH]--;
    wire.key[WK_ADMITS] = wire.key[WK_LAST_INDEX] = 0;
    deliver(sim, from, to, &wire, NULL);
}

/* A leader is answered with a later term by one that was in its own a moment ago, while it holds a lease. */
static void answer(struct sim *sim, uint64_t from, size_t to, const struct core_status *status)
{
    struct core *core = sim->members[to].core;
    int at = core_peer_index(core, from);
    uint64_t now = sim_clock(&sim->members[to]), term = status->term + 1 + sim_random(sim, 3);
    struct wire wire = {.key = {[WK_TYPE] = WIRE_APPEND_RESULT,
                                [WK_TERM] = term,
                                [WK_MSG_TERM] = term,
                                [WK_REJECTED] = status->last_index}};

    if (at >= 0 && status->role == CORE_LEADER && lease_until(&core->lease, now, true) > now &&
        core->peers[at].echo_us > core->lease.since && core->peers[at].echo_us + 5 * SIM_S > now) {
        deliver(sim, from, to, &wire, NULL);
    }
}

/* It leads, it says: an entry, a snapshot, an order, a vote for itself. promised: nobody can in a later term. */
static void claim(struct sim *sim, uint64_t from, size_t to, const struct core_status *status)
{
    struct sim_member *member = &sim->members[to];
    const struct lease *lease = &member->core->lease;
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    uint64_t now = sim_clock(member), term = status->term;
    bool promised = now < lease->given_until || (now < lease->promise_until && lease->successor == 1);
    struct wire append = {.key = {[WK_TYPE] = WIRE_APPEND,
                                  [WK_TERM] = term + promised,
                                  [WK_MSG_TERM] = term + promised,
                                  [WK_PREV_INDEX] = status->last_index,
                                  [WK_PREV_TERM] = core_entry_term(member->core, status->last_index),
                                  [WK_COUNT] = 1,
                                  [WK_COMMIT] = status->last_index + 1}};
    struct wire vote = {.key = {[WK_TYPE] = WIRE_VOTE,
                                [WK_TERM] = term + 1,
                                [WK_MSG_TERM] = term + 1,
                                [WK_LAST_INDEX] = 1, /* should it ever count, it must not be elected */
                                [WK_LAST_TERM] = 1,
                                [WK_FLAGS] = 1,
                                [WK_NUMBER] = WIRE_NUMBER_MAX,
                                [WK_VERSION] = 2}};
    struct wire order = {.key = {[WK_TYPE] = WIRE_TIMEOUT_NOW,
                                 [WK_TERM] = term,
                                 [WK_MSG_TERM] = term,
                                 [WK_LAST_INDEX] = status->last_index,
                                 [WK_LAST_TERM] = core_entry_term(member->core, status->last_index),
                                 [WK_NUMBER] = WIRE_NUMBER_MAX}};

    if (term == 0 || core_raft_installing(member->core) || status->role == CORE_CANDIDATE ||
        (status->role == CORE_LEADER && !promised) ||
        (status->role == CORE_FOLLOWER && (member->core->led_term != term || member->core->led_by == from))) {
        return;
    }
    flat_append(&body, term, RAFT_COMMAND, "lie", 3);
    deliver(sim, from, to, &append, &body);
    append.key[WK_TERM] = append.key[WK_MSG_TERM] = term;
    deliver(sim, from, to, &append, &body);
    deliver(sim, from, to, &order, NULL);
    if (promised) {
        deliver(sim, from, to, &vote, NULL);
    }
}

/* What no member can say: each by itself must be refused, and leave everything as it is. */
static void lie(struct sim *sim, uint64_t from, size_t to, const struct core_status *status)
{
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    struct wire append = {.key = {[WK_TYPE] = WIRE_APPEND,
                                  [WK_TERM] = status->term,
                                  [WK_MSG_TERM] = status->term,
                                  [WK_PREV_INDEX] = status->last_index,
                                  [WK_PREV_TERM] = core_entry_term(sim->members[to].core, status->last_index),
                                  [WK_COUNT] = 1}};
    struct wire wire = append;

    switch (sim_random(sim, 12)) {
    case 0: /* an entry of a term to come */
        flat_append(&body, status->term + 1, RAFT_COMMAND, "lie", 3);
        break;
    case 1: /* a configuration that is none */
        flat_append(&body, status->term, RAFT_CHANGE, "\001\377\377\377\377\377\377\377\377\001", 10);
        break;
    case 2: /* what is committed is something else */
        wire.key[WK_PREV_INDEX] = status->commit_index;
        wire.key[WK_PREV_TERM] = core_entry_term(sim->members[to].core, status->commit_index) + 1;
        flat_append(&body, status->term, RAFT_COMMAND, "lie", 3);
        break;
    case 3: /* it is far away itself, and asks whether it would be elected there: that alone moves nobody */
        wire = (struct wire){.key = {[WK_TYPE] = sim_random(sim, 2) == 0 ? WIRE_LEASE : WIRE_VOTE,
                                     [WK_TERM] = status->term + FAR_TERM,
                                     [WK_MSG_TERM] = status->term + FAR_TERM,
                                     [WK_NUMBER] = WIRE_NUMBER_MAX,
                                     [WK_LEASE_US] = 300000,
                                     [WK_FLAGS] = 2}};
        break;
    case 4: /* a snapshot whose configuration is none */
        wire = (struct wire){.key = {[WK_TYPE] = WIRE_SNAPSHOT,
                                     [WK_TERM] = status->term,
                                     [WK_MSG_TERM] = status->term,
                                     [WK_LAST_INDEX] = status->last_index + 5,
                                     [WK_LAST_TERM] = status->term,
                                     [WK_CONF_INDEX] = status->last_index + 5,
                                     [WK_CONF_LEN] = 16,
                                     [WK_TOTAL] = 20}};
        buf_append(&body, "no configuration snap", 20);
        break;
    case 7: /* snapshots that nobody can read: of nothing, and of more than their entries make */
    case 8:
        wire = (struct wire){.key = {[WK_TYPE] = WIRE_SNAPSHOT,
                                     [WK_TERM] = status->term,
                                     [WK_MSG_TERM] = status->term,
                                     [WK_LAST_INDEX] = status->last_index + 5,
                                     [WK_LAST_TERM] = status->term,
                                     [WK_CONF_INDEX] = status->last_index + 5}};
        put_configuration(&body, from, to + 1);
        wire.key[WK_CONF_LEN] = body.len;
        buf_append(&body, "\377\377\377\377\377\377\377\17hash and state", sim_random(sim, 22));
        wire.key[WK_TOTAL] = body.len;
        break;
    case 9: /* as if it led: the receiver was removed, lost what it acknowledged */
    case 10:
        if (status->leader_id == 0 || status->leader_id == from) {
            return;
        }
        wire = hello(status, sim_random(sim, 4), 0);
        wire.key[WK_TERM] = status->term;
        /* What it says of the log counts until that was acknowledged to a leader: of a disk that has forgotten. */
        wire.key[WK_LAST_INDEX] = sim->members[to].core->acked ? status->last_index + 1000 : 0;
        wire.key[WK_FOLLOWS] = from + 1;
        break;
    case 5: /* a command that cannot be applied, behind one that could be */
        flat_append(&body, status->term, RAFT_COMMAND, "lie", 3);
        flat_append(&body, status->term, RAFT_COMMAND, "bad", 3);
        wire.key[WK_COUNT] = 2;
        wire.key[WK_COMMIT] = status->last_index + 2;
        break;
    case 6: /* the same, and it looks like that of a later release */
        flat_append(&body, status->term, RAFT_COMMAND, "new", 3);
        wire.key[WK_COMMIT] = status->last_index + 1;
        break;
    default: /* more entries than there are */
        wire.key[WK_COUNT] = 7;
        flat_append(&body, status->term, RAFT_COMMAND, "lie", 3);
    }
    /* While a snapshot is installed, what is committed is not there to compare with. */
    if (status->term > 0 && !core_raft_installing(sim->members[to].core)) {
        deliver(sim, from, to, &wire, &body);
    }
}

static void must_not_change(struct sim *sim, uint64_t from, size_t to, const struct core_status *before)
{
    struct sim_member *member = &sim->members[to];
    struct core_status after;

    if (member->failed) {
        sim_fail(sim, "member %zu ended because of what %lu said: %s", to, (unsigned long)from, member->failed_text);
        return;
    }
    core_get_status(member->core, &after);
    /* What is committed may go on being applied, whoever speaks. */
    if (after.term != before->term || after.role != before->role || after.last_index != before->last_index ||
        after.commit_index != before->commit_index || after.applied_index > before->commit_index ||
        after.disk_state != before->disk_state || after.n_peers != before->n_peers ||
        after.leader_id != before->leader_id) {
        sim_fail(sim, "member %zu changed because of what %lu said: term %lu to %lu, last entry %lu to %lu", to,
                 (unsigned long)from, (unsigned long)before->term, (unsigned long)after.term,
                 (unsigned long)before->last_index, (unsigned long)after.last_index);
    }
}

static bool knows(const struct core *core, uint64_t id)
{
    struct raft_configuration conf;
    bool found = false;

    for (size_t i = 0; i < core->introduced.n; i++) { /* a member has named it */
        found = found || core->introduced.ids[i] == id;
    }
    core_conf_read(core, core_conf_before(core), &conf);
    for (unsigned i = 0; i < conf.n; i++) {
        found = found || conf.servers[i].id == id;
    }
    raft_configuration_close(&conf);
    return found;
}

/* No member as far as the receiver can know; 0: they all are, or it believes whom its configuration file names. */
static uint64_t no_member(struct sim *sim, const struct core *core)
{
    uint64_t id = 1 + sim_random(sim, sim->config.n_members);

    if (sim_random(sim, 2) == 0) {
        return FIRST_STRANGER + sim_random(sim, 3);
    }
    return core_learning(core) || core_conf_has(core, id) || knows(core, id) ? 0 : id;
}

void sim_intrude(struct sim *sim)
{
    size_t to = sim_random(sim, sim->config.n_members);
    uint64_t member = 1 + (to + 1 + sim_random(sim, sim->config.n_members - 1)) % sim->config.n_members;
    struct core_status status;
    uint64_t from;

    if (!sim->members[to].up || sim->members[to].failed || sim->members[to].frozen_until > sim->now) {
        return;
    }
    status = sim_status(sim, to);
    from = no_member(sim, sim->members[to].core);
    if (from != 0) {
        introduce_oneself(sim, from, to, &status);
        say_all(sim, from, to, &status, status.term);
        say_all(sim, from, to, &status, status.term + 1 + sim_random(sim, SIM_TERMS_OF_STRANGERS));
        must_not_change(sim, from, to, &status);
    }
    if (sim->failure[0] == '\0') {
        lie(sim, member, to, &status);
        must_not_change(sim, member, to, &status);
    }
    if (sim->failure[0] == '\0') {
        claim(sim, member, to, &status);
        answer(sim, member, to, &status);
        must_not_change(sim, member, to, &status);
    }
    if (sim->failure[0] == '\0') {
        sim_touched(sim, to);
    }
}

/* Who leads and who may: what others say of it in frames, against what this member knows and has promised. */
#include "consensus/core_priv.h"

#define ECHO_TIMEOUTS 20 /* election timeouts; who returns no number for so long is believed */

/* ---- claims ---- */

/* Did the same members vote when this term began? Others were elected by more, or by fewer. */
static bool same_voters_since(const struct core *core, uint64_t term)
{
    uint64_t index = core->conf_applied_index;
    uint64_t of_term = index < core->first ? core->snapshot_term : core_entry_term(core, index); /* or before */

    return core->n_changes == 0 && of_term < term;
}

/* Whom our vote has elected in this term: three vote, and it was not for ourselves. 0: it does not tell. */
static uint64_t elected_by_us(const struct core *core, uint64_t term)
{
    uint64_t vote = core->vote_on_disk;

    return vote != core->config.id && core_conf_voters(core_raft_configuration(core), 0) <= 3 &&
                   same_voters_since(core, term)
               ? vote
               : 0;
}

bool core_lead_is_firm(const struct core *core)
{
    return core->led_took || (core->incoming.data != NULL && core->incoming.from == core->led_by) ||
           core->decoding.active || core_raft_installing(core);
}

/* One leads in a term: whoever said so first. Where three vote, nobody else than the one who has our vote and his own.
 * But to say so takes no more than an empty frame. Who has given us nothing yet gives way to one of whom a second
 * member says that it follows him; not later, for entries of one term are of one leader, or logs differ for ever. */
bool core_leads_another(const struct core *core, uint64_t from, uint64_t term)
{
    uint64_t elected;

    if (term != core->term_on_disk || CORE_SKIP(PART_ONE_LEADER)) {
        return false;
    }
    if (core->led_term == term && (core->led_by == from || core_lead_is_firm(core))) {
        return core->led_by != from;
    }
    elected = elected_by_us(core, term);
    if (elected != 0) {
        return elected != from;
    }
    return core->led_term == term &&
           !(core_word_is_followed(core, from, term) && !core_word_is_followed(core, core->led_by, term));
}

bool core_lead_has_third(const struct core *core, uint64_t from)
{
    const struct raft_configuration *conf = core_raft_configuration(core);
    bool third = false;

    for (unsigned i = 0; i < conf->n; i++) {
        third = third || (conf->servers[i].role == RAFT_VOTER && conf->servers[i].id != from &&
                          conf->servers[i].id != core->config.id);
    }
    for (size_t i = 0; i < core->config.n_peers && core_learning(core); i++) {
        uint64_t id = core->config.peers[i].id;

        third =
            third || (id != from && id != core->config.id && (core->peers[i].configured || core_speaks(core, (int)i)));
    }
    return third;
}

bool core_lead_is_doubtful(struct core *core, uint64_t from, uint64_t term)
{
    if (term == core->led_term || term < core->term_on_disk || /* core_leads_another */
        (term == core->term_on_disk && (core->vote_on_disk == from || core->role == CORE_LEADER)) ||
        lease_handed_over(&core->lease, term, from) || core_word_is_followed(core, from, term) ||
        !core_lead_has_third(core, from) || CORE_SKIP(PART_FOLLOWED)) {
        return false;
    }
    core_word_ask(core);
    return true;
}

/* We hold a lease, and it has sent back a number of ours that left since that began: it was in our term then. No later
 * one has begun since, for that takes a majority, and one has promised us to elect nobody else. Not for ever: somebody
 * may have lied to it as well, and it can only come back when we give up. */
static bool is_in_our_term(struct core *core, const struct core_peer_state *peer)
{
    uint64_t now = core_now(core);
    uint64_t believed_us = peer->echo_us + (uint64_t)1000 * ECHO_TIMEOUTS * core->config.election_timeout_ms;

    return core->role == CORE_LEADER && lease_until(&core->lease, now, true) > now &&
           peer->echo_us > core->lease.since && now < believed_us && !CORE_SKIP(PART_ANSWERS);
}

/* It leads in a later term, it says, while we have promised to elect nobody else: hardly true, and if it is, the
 * promise is over in a moment, or who led says that it has handed over. Or it answers our entries with a later term.
 * Until then it is as if it were lost. */
bool core_is_claim(struct core *core, size_t at, const struct wire *wire)
{
    uint64_t term = wire->key[WK_MSG_TERM];

    if (term <= raft_current_term(&core->raft)) {
        return false;
    }
    if (wire->key[WK_TYPE] == WIRE_APPEND) {
        return !lease_may_follow(&core->lease, core_now(core), term, core->config.peers[at].id);
    }
    return wire->key[WK_TYPE] == WIRE_APPEND_RESULT && is_in_our_term(core, &core->peers[at]);
}

/* ---- votes and orders ---- */

/* The right to disrupt is decided here: a genuine transfer, or we have seen the leader's connection close, or heard
 * nothing of it for an election timeout. A leader knows to whom it hands over. */
static bool may_disrupt(struct core *core, uint64_t from, uint64_t number)
{
    if (core->role == CORE_LEADER && !CORE_SKIP(PART_HAND_OVER)) {
        return number != 0 && core->transfer_to == from && core->transfer_sent;
    }
    return number != 0 || core_raft_silent(core) ||
           (core->closed_leader != 0 && core->closed_leader == core_raft_leader(core));
}

static void deliver_vote(struct core *core, size_t at, const struct raft_request_vote *vote, uint64_t number)
{
    uint64_t from = core->config.peers[at].id;
    struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = from, .request_vote = *vote};
    bool disrupts = may_disrupt(core, from, number);
    bool moves =
        !vote->pre_vote && vote->term > raft_current_term(&core->raft) && (disrupts || core_raft_leader(core) == 0);
    /* The leader that we follow, or we ourselves, have ordered it. */
    bool ordered = number != 0 && (core->role == CORE_LEADER || core_now(core) < core->lease.promise_until);

    message.request_vote.disrupt_leader = disrupts;
    if (!moves || ordered || core_term_believe(core, at, vote->term)) {
        core_raft_recv(core, &message);
    }
}

void core_recv_vote(struct core *core, size_t at, const struct wire *wire)
{
    uint64_t from = core->config.peers[at].id;
    struct raft_request_vote vote = {
        .version = (unsigned char)wire->key[WK_VERSION],
        .term = wire->key[WK_MSG_TERM],
        .candidate_id = from,
        .last_log_index = wire->key[WK_LAST_INDEX],
        .last_log_term = wire->key[WK_LAST_TERM],
        .disrupt_leader = (wire->key[WK_FLAGS] & 1) != 0,
        .pre_vote = (wire->key[WK_FLAGS] & 2) != 0,
    };
    uint64_t number = vote.disrupt_leader ? wire->key[WK_NUMBER] : 0;

    if (core->disk_state == CORE_JOINING) {
        return; /* it has no vote, whatever its log says of former times */
    }
    /* In a term of the past it gets no vote, but hears at once which term is ours: from each of us, and what two
     * members name it believes (core_term.c). */
    if (vote.term < raft_current_term(&core->raft) ||
        lease_may_vote(&core->lease, core_now(core), vote.term, from, number)) {
        deliver_vote(core, at, &vote, number);
    } else {
        core->peers[at].vote = (struct core_vote){.kept = true, .message = vote, .number = number};
    }
}

void core_deliver_votes(struct core *core)
{
    for (size_t i = 0; i < core->config.n_peers && core->doubt.by == 0; i++) {
        struct core_vote *vote = &core->peers[i].vote;
        uint64_t id = core->config.peers[i].id, now = core_now(core);

        if (vote->kept && lease_may_vote(&core->lease, now, vote->message.term, id, vote->number)) {
            vote->kept = false;
            /* The promise is over: it is late, and no longer a transfer's. */
            deliver_vote(core, i, &vote->message, now < core->lease.promise_until ? vote->number : 0);
        }
    }
}

void core_recv_vote_result(struct core *core, uint64_t from, const struct wire *wire)
{
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE_RESULT,
        .server_id = from,
        .request_vote_result = {.version = (unsigned char)wire->key[WK_VERSION],
                                .term = wire->key[WK_MSG_TERM],
                                .vote_granted = (wire->key[WK_FLAGS] & 1) != 0,
                                .pre_vote = (wire->key[WK_FLAGS] & 2) != 0,
                                .features = (unsigned short)wire->key[WK_FEATURES],
                                .capacity = (unsigned short)wire->key[WK_CAPACITY]},
    };

    /* Rule 3: only a candidate has the fields that the library would look at. */
    if (core->role == CORE_CANDIDATE || CORE_SKIP(PART_CANDIDATE)) {
        core_raft_recv(core, &message);
    }
}

void core_recv_timeout_now(struct core *core, uint64_t from, const struct wire *wire)
{
    struct raft_message message = {
        .type = RAFT_TIMEOUT_NOW,
        .server_id = from,
        .timeout_now = {.version = (unsigned char)wire->key[WK_VERSION],
                        .term = wire->key[WK_MSG_TERM],
                        .last_log_index = wire->key[WK_LAST_INDEX],
                        .last_log_term = wire->key[WK_LAST_TERM]},
    };
    uint64_t number = wire->key[WK_NUMBER];

    if (message.timeout_now.term != raft_current_term(&core->raft) ||
        ((core->led_term != message.timeout_now.term || core->led_by != from) && !CORE_SKIP(PART_HAND_OVER))) {
        return;
    }
    if (core->lease.successor != 0) {
        lease_on_successor(&core->lease, core->config.id + 1); /* it says so itself */
    }
    /* An order that is older than the promise is of a transfer that has failed: never obeyed. */
    if (number == 0 || core->disk_state == CORE_JOINING ||
        !lease_may_vote(&core->lease, core_now(core), message.timeout_now.term + 1, core->config.id, number)) {
        return;
    }
    core->order_number = number;
    core_raft_recv(core, &message);
}

/* ---- lease ---- */

void core_recv_lease(struct core *core, uint64_t from, const struct wire *wire)
{
    uint64_t term = wire->key[WK_TERM];
    uint64_t number = wire->key[WK_NUMBER];

    if (core_leads_another(core, from, term) || core_lead_is_doubtful(core, from, term)) {
        return;
    }
    if (term == raft_current_term(&core->raft) && core->role == CORE_FOLLOWER) {
        lease_on_successor(&core->lease, wire->key[WK_FOLLOWS]);
    }
    if (!lease_on_ping(&core->lease, core_now(core), raft_current_term(&core->raft), core->role == CORE_FOLLOWER, term,
                       number, wire->key[WK_LEASE_US])) {
        return;
    }
    /* Messages on their way outlive a close: only one that comes long after it shows that the leader lives and the
     * close was a middlebox's. */
    if (core->closed_leader == from && !CORE_SKIP(PART_EARLY_CANCEL) &&
        core_now(core) >= core->closed_us + 500 * (uint64_t)core->config.election_timeout_ms) {
        core->closed_leader = 0;
    }
    core_send(core, from,
              &(struct wire){.key = {[WK_TYPE] = WIRE_LEASE_ACK, [WK_NUMBER] = number, [WK_MSG_TERM] = term}});
}

void core_recv_lease_ack(struct core *core, size_t at, const struct wire *wire)
{
    struct core_peer_state *peer = &core->peers[at];
    uint64_t now = core_now(core), term = wire->key[WK_MSG_TERM];
    uint64_t number = CORE_SKIP(PART_ECHO_NUMBER) ? now : wire->key[WK_NUMBER];

    if (core->role == CORE_LEADER && term == raft_current_term(&core->raft) && number > peer->echo_us &&
        number <= now) {
        peer->echo_us = number;
    }
    lease_on_ack(&core->lease, now, raft_current_term(&core->raft), core->role == CORE_LEADER,
                 core->config.peers[at].id, term, number);
}

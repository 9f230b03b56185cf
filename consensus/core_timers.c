/* What is due, and when something will be: numbers of the lease, elections. */
#include "consensus/core_priv.h"

void core_send_number(struct core *core, uint64_t number, uint64_t successor)
{
    struct wire wire = {.key = {[WK_TYPE] = WIRE_LEASE,
                                [WK_NUMBER] = number,
                                [WK_LEASE_US] = 1000 * (uint64_t)core->config.lease_ms,
                                [WK_FOLLOWS] = successor + 1}};

    for (size_t i = 0; i < core->config.n_peers; i++) {
        if (core->config.peers[i].id != core->config.id && !core->peers[i].gone) {
            core_send(core, core->config.peers[i].id, &wire);
        }
    }
}

static void send_numbers(struct core *core, uint64_t now)
{
    if (core->role == CORE_LEADER && !core->lease.suspended && now >= core->lease_ping_us) {
        core->lease_ping_us = now + 1000 * (uint64_t)core->config.heartbeat_ms;
        core_send_number(core, now, 0);
    }
}

/* Survivors of a leader take their turns in the order of their ids. */
static uint64_t turn_us(const struct core *core, uint64_t leader)
{
    uint64_t rank = 0;

    for (size_t i = 0; i < core->config.n_peers; i++) {
        uint64_t id = core->config.peers[i].id;

        rank += id < core->config.id && id != leader && core_conf_voting(core, id) == CORE_VOTER;
    }
    return rank * 1000 * core->config.slot_ms;
}

/* The next candidacy of one that did not succeed: later for those whose turn is later, so that two that met part, and
 * later each time, in case votes take longer than that. */
void core_next_try(struct core *core, uint64_t later_us)
{
    uint64_t slot_us = 1000 * (uint64_t)core->config.slot_ms;

    core->random = core->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    core->try_us = core_now(core) + (2 * slot_us + 2 * turn_us(core, 0)) * (1 + core->early_tries) / 2 +
                   (core->random >> 33) % slot_us + later_us;
}

static bool takes_no_part(const struct core *core)
{
    return core->disk_state == CORE_JOINING || core->doubt.by != 0;
}

/* When this member may start an election because the leader's connection closed; UINT64_MAX: it did not. */
static uint64_t early_deadline(const struct core *core)
{
    uint64_t from;

    if (core->role != CORE_FOLLOWER || takes_no_part(core) || core->closed_leader == 0 ||
        core_raft_leader(core) != core->closed_leader) {
        return UINT64_MAX;
    }
    from = lease_silent_until(&core->lease);
    if (core->closed_us > from) {
        from = core->closed_us;
    }
    return from + turn_us(core, core->closed_leader);
}

/* The leader has fallen silent, no connection closed: members take turns here, too. The library would draw their times
 * at random, vote only once its own had come, and two that had drawn the same would divide the votes. Counted from the
 * leader's last number, which it sends to all at the same moment, and half an election timeout later than a voter needs
 * (core_raft_silent). */
static uint64_t silence_deadline(const struct core *core)
{
    uint64_t timeout_us = 1000 * (uint64_t)core->config.election_timeout_ms;
    uint64_t at = core->lease.promise_until + timeout_us + timeout_us / 2 - core->lease.l_us;

    if (core->n_appends > 0) { /* no candidate yet: the end of the write is an input */
        return UINT64_MAX;
    }
    if (at < core_raft_heard_us(core) + timeout_us) {
        at = core_raft_heard_us(core) + timeout_us;
    }
    return at + turn_us(core, core_raft_leader(core));
}

/* A follower that knows a leader and may vote follows silence_deadline. */
static bool follows(const struct core *core)
{
    return core->role == CORE_FOLLOWER && core_raft_leader(core) != 0 &&
           core_conf_voting(core, core->config.id) == CORE_VOTER && !CORE_SKIP(PART_SILENCE);
}

static uint64_t raft_deadline(const struct core *core)
{
    uint64_t at = 1000 * raft_timeout((struct raft *)(uintptr_t)&core->raft);

    if (takes_no_part(core)) {
        return UINT64_MAX; /* it waits, and asks */
    }
    if (CORE_SKIP(PART_TIMEOUT_PACE)) {
        return at;
    }
    if (core->role == CORE_LEADER) {
        /* Rule 10: the library's next deadline may lie in the past. */
        uint64_t soonest = core->timeout_us + 500 * (uint64_t)core->config.heartbeat_ms;

        return at > soonest ? at : soonest;
    }
    if (follows(core)) {
        at = silence_deadline(core);
    } else if (core->role == CORE_CANDIDATE && core->early_tries > 0) {
        at = core->metas == 0 ? core->try_us : UINT64_MAX; /* the end of the write is an input */
    }
    /* No campaign on silence before the promise is over. */
    if (at < lease_silent_until(&core->lease)) {
        at = lease_silent_until(&core->lease);
    }
    return at > core->timeout_us + 1000 ? at : core->timeout_us + 1000;
}

uint64_t core_poll(struct core *core)
{
    uint64_t now = core_now(core);
    uint64_t next, early, asks;

    if (core->failed) {
        return UINT64_MAX;
    }
    core_form_poll(core, now);
    asks = core_word_poll(core, now);
    if (core->failed) {
        return UINT64_MAX;
    }
    if (!core->raft_started) {
        return core->hello_us > now ? core->hello_us : now + 1000;
    }
    core_deliver_votes(core);
    early = early_deadline(core);
    if (now >= early) {
        core->closed_leader = 0;
        core_raft_election(core);
    } else if (now >= raft_deadline(core)) {
        if (follows(core)) {
            core_raft_election(core);
        } else {
            core_raft_timeout(core);
        }
    }
    if (core->failed) {
        return UINT64_MAX;
    }
    core_transfer_poll(core, now);
    core_settle(core);
    if (core->failed) {
        return UINT64_MAX;
    }
    send_numbers(core, now);
    core_members_pursue(core);
    if (core->failed) {
        return UINT64_MAX;
    }
    core_snapshot_poll(core);
    next = raft_deadline(core);
    early = early_deadline(core);
    next = early < next ? early : next;
    next = asks < next ? asks : next;
    next = core->disk_state == CORE_JOINING && now + CORE_GREET_EVERY_US < next ? now + CORE_GREET_EVERY_US : next;
    if (core->role == CORE_LEADER) {
        uint64_t until = lease_until(&core->lease, now, true);

        next = !core->lease.suspended && core->lease_ping_us < next ? core->lease_ping_us : next;
        next = core->was_serving && until > now && until < next ? until : next;
        next = core->transfer_to != 0 && now + 5000 < next ? now + 5000 : next;
    } else {
        for (size_t i = 0; i < core->config.n_peers; i++) {
            uint64_t until = lease_silent_until(&core->lease);

            next = core->peers[i].vote.kept && until < next ? until : next;
        }
    }
    next = core_apply_waits(core) ? now : next;
    return next > now ? next : now + 1000;
}

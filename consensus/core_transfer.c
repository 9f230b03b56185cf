/* Handing leadership over. The lease ends before the order goes out, so that the target's can never come beside it. */
#include "consensus/core_priv.h"

/* The target has all entries, and none of ours is in doubt: whoever submitted one has its answer. */
static bool has_everything(struct core *core)
{
    raft_index match = 0;

    return raft_match_index(&core->raft, core->transfer_to, &match) == 0 && match == core_last_index(core) &&
           core->applied_index == core_last_index(core);
}

static void give_the_order(struct core *core, uint64_t now)
{
    struct raft_event event = {.type = RAFT_TRANSFER, .transfer = {.server_id = core->transfer_to}};

    core->transfer_sent = true;
    core->transfer_number = now;
    core_send_number(core, 0, core->transfer_to); /* those who have promised may elect it */
    core_raft_step(core, &event);
}

void core_transfer_poll(struct core *core, uint64_t now)
{
    if (core->transfer_to == 0) {
        return;
    }
    /* It failed, and the library has noticed as well: the lease begins anew. */
    if (now >= core->transfer_until_us && raft_transferee(&core->raft) == 0) {
        core->transfer_to = 0;
        lease_resume(&core->lease);
        core->lease_ping_us = 0;
        return;
    }
    /* What lives by the lease must have let go, or its last deadline have passed. */
    if (core->config.lease_kept && now < core->lease.given_until && !CORE_SKIP(PART_TRANSFER_GIVES_UP)) {
        return;
    }
    /* Rule 11: only when the target has everything; the library would order it once, too early, and never again. */
    if (!core->transfer_sent && (has_everything(core) || CORE_SKIP(PART_TRANSFER_WAITS))) {
        give_the_order(core, now);
    }
}

/* Of those that are connected longer than their promise after a start may last, or of all if there is none. */
static uint64_t most_advanced(struct core *core, uint64_t connected_before_us)
{
    uint64_t target = 0, best = 0;

    for (size_t i = 0; i < core->config.n_peers; i++) {
        raft_index match = 0;
        uint64_t id = core->config.peers[i].id;

        if (id != core->config.id && core->peers[i].connected && core->peers[i].connected_us <= connected_before_us &&
            core_conf_voting(core, id) == CORE_VOTER && raft_match_index(&core->raft, id, &match) == 0 &&
            match > best) {
            best = match;
            target = id;
        }
    }
    return target;
}

int core_transfer(struct core *core, uint64_t target)
{
    if (core->failed || core->role != CORE_LEADER || core->barrier_index == 0 || core->transfer_to != 0) {
        return -1;
    }
    if (target == 0) {
        target = most_advanced(core, core_now(core) - 1000 * (uint64_t)core->config.election_timeout_ms);
        target = target != 0 ? target : most_advanced(core, UINT64_MAX);
    }
    if (target == core->config.id || core_peer_index(core, target) < 0 ||
        core_conf_voting(core, target) != CORE_VOTER) {
        return -1;
    }
    if (!CORE_SKIP(PART_TRANSFER_GIVES_UP)) {
        lease_suspend(&core->lease);
        if (!core->config.lease_kept) {
            lease_released(&core->lease); /* nobody else lives by it */
        }
    }
    core->transfer_to = target;
    core->transfer_sent = false;
    core->transfer_until_us = core_now(core) + 1000 * (uint64_t)core->config.election_timeout_ms;
    core_transfer_poll(core, core_now(core));
    core_settle(core);
    return 0;
}

void core_lease_released(struct core *core)
{
    if (core->failed || !core->raft_started ||
        lease_until(&core->lease, core_now(core), core->role == CORE_LEADER) > 0) {
        return;
    }
    lease_released(&core->lease);
    core_transfer_poll(core, core_now(core));
    core_settle(core);
}

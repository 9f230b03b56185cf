/* How much of the log is on its way to one follower, in bytes.
 *
 * The library bounds what it names by the number of entries, and once it streams it takes all that it has named for
 * sent. So what it names is noted, and leaves in frames of at most config.frame_bytes (or one entry), each anchored
 * where the one before it ended, while less than config.inflight_bytes is not acknowledged. What waits here is not
 * copied: it is in the log. To the library this is a slow network that keeps the order, and to a follower each frame is
 * a message of its own.
 *
 * A message that begins elsewhere than the last one ended starts over: something was refused or lost (a new connection,
 * too), or the follower was not heard from. Until it acknowledges something one frame at a time is sent; and as long as
 * frames that left on this connection may still arrive, they are not repeated merely because time went by: a follower
 * behind a slow link would get the same again and again.
 */
#include <string.h>

#include "consensus/core_priv.h"

void core_flow_reset(struct core *core, size_t at)
{
    memset(&core->peers[at].flow, 0, sizeof(core->peers[at].flow));
}

/* What the follower has acknowledged need not be sent. true: that has become more. */
static bool note_match(struct core *core, size_t at)
{
    struct core_flow *flow = &core->peers[at].flow;
    raft_index match = 0;

    if (raft_match_index(&core->raft, core->config.peers[at].id, &match) != 0 || match <= flow->match) {
        return false;
    }
    flow->match = match;
    flow->sent = match > flow->sent ? match : flow->sent;
    flow->high = match > flow->high ? match : flow->high;
    flow->progress_us = core_now(core);
    flow->probing = false;
    return true;
}

static uint64_t under_way(const struct core *core, const struct core_flow *flow)
{
    uint64_t from = flow->match > flow->base ? flow->match : flow->base;

    return core_log_bytes(core, from + 1, flow->high);
}

/* As many entries as go into a frame, at least one. */
static uint64_t frame_entries(const struct core *core, const struct core_flow *flow)
{
    uint64_t n = 1;

    while (flow->sent + n < flow->named &&
           core_log_bytes(core, flow->sent + 1, flow->sent + n + 1) <= core->config.frame_bytes) {
        n++;
    }
    return n;
}

/* Sends what may leave. true: something did. */
static bool pump(struct core *core, size_t at)
{
    struct core_flow *flow = &core->peers[at].flow;
    uint64_t stuck_us = 4000 * (uint64_t)core->config.election_timeout_ms;
    bool any = false;

    (void)note_match(core, at);
    if (under_way(core, flow) > 0 && core_now(core) - flow->progress_us >= stuck_us) { /* it is lost */
        flow->sent = flow->match > flow->base ? flow->match : flow->base;
        flow->base = flow->high = flow->sent;
        flow->probing = true;
    }
    while (flow->sent < flow->named) {
        uint64_t bytes = under_way(core, flow);
        uint64_t n;

        if (bytes > 0 && (flow->probing || bytes >= core->config.inflight_bytes)) {
            break;
        }
        if (core_entry(core, flow->sent + 1) == NULL || (flow->sent > 0 && core_entry_term(core, flow->sent) == 0)) {
            core_flow_reset(core, at); /* trimmed meanwhile: the library will find out, and send a snapshot */
            break;
        }
        n = frame_entries(core, flow);
        core_send_entries(core, core->config.peers[at].id, flow->sent, n);
        flow->sent += n;
        flow->high = flow->sent > flow->high ? flow->sent : flow->high;
        if (bytes == 0) {
            flow->progress_us = core_now(core);
        }
        any = true;
    }
    return any;
}

static void begin(struct core *core, size_t at, uint64_t prev, bool moved)
{
    struct core_flow *flow = &core->peers[at].flow;
    /* It acknowledged something, or nothing was heard: what is under way counts on. It refused something: that is lost.
     */
    bool keep = flow->term == raft_current_term(&core->raft) && flow->high > prev && (moved || !core->answering);

    if (flow->term != raft_current_term(&core->raft)) {
        core_flow_reset(core, at);
        flow->term = raft_current_term(&core->raft);
        (void)note_match(core, at);
    }
    if (keep) {
        flow->base = prev < flow->base ? prev : flow->base;
        flow->sent = flow->high;
    } else {
        flow->sent = flow->base = flow->high = prev;
    }
    flow->probing = flow->probing || !moved;
}

void core_flow_named(struct core *core, size_t at, const struct raft_append_entries *message)
{
    struct core_flow *flow = &core->peers[at].flow;
    uint64_t anchor;
    bool moved;

    if (!core->peers[at].connected || message->term != raft_current_term(&core->raft) ||
        core_raft_role(core) != CORE_LEADER) {
        core_flow_reset(core, at);
        return;
    }
    moved = note_match(core, at) && flow->term != 0;
    if (flow->term != message->term || flow->named != message->prev_log_index) {
        begin(core, at, message->prev_log_index, moved);
    }
    flow->named = message->prev_log_index + message->n_entries;
    if (message->n_entries > 0) {
        core->peers[at].wanted = false; /* no snapshot is needed any more */
    }
    if (pump(core, at)) {
        return;
    }
    /* A heartbeat, anchored where the last frame ended, or before that where the library asks: an answer counts there.
     */
    anchor = message->prev_log_index < flow->sent ? message->prev_log_index : flow->sent;
    if (flow->term != 0 && (anchor == 0 || core_entry_term(core, anchor) != 0)) {
        core_send_entries(core, core->config.peers[at].id, anchor, 0);
    } else {
        core_flow_reset(core, at);
    }
}

void core_flow_pump(struct core *core)
{
    for (size_t i = 0; core->role == CORE_LEADER && i < core->config.n_peers; i++) {
        struct core_flow *flow = &core->peers[i].flow;

        if (flow->sent < flow->named && flow->term == raft_current_term(&core->raft) && core->peers[i].connected) {
            (void)pump(core, i);
        }
    }
}

/* Outgoing frames. While a term or vote is on its way to the disk, frames are held back: nothing may leave this member
 * that rests on something which a crash could make it forget. */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

#define HELD_MAX ((size_t)16 << 20) /* a leader's term is on its disk: what is held are short answers and requests */

void core_send(struct core *core, uint64_t peer, const struct wire *wire)
{
    struct wire copy = *wire;
    struct buf buf = BUF_INIT;
    size_t len;
    int at = core_peer_index(core, peer);

    if (core->failed || at < 0 || !core->peers[at].connected) {
        return;
    }
    copy.key[WK_TERM] = core->raft_started ? raft_current_term(&core->raft) : 0;
    copy.key[WK_FROM] = core->config.id;
    wire_encode(&copy, &buf);
    len = buf.len;
    if (core->metas == 0 || CORE_SKIP(PART_HOLD_FRAMES)) {
        core->env.send(core->env.user, peer, (uint8_t *)buf_take(&buf), len);
        return;
    }
    if (core->held_bytes + len > HELD_MAX) { /* a peer that makes us answer so much does not need it */
        buf_fini(&buf);
        return;
    }
    core->held_bytes += len;
    core->held = mem_realloc_array(core->held, core->n_held + 1, sizeof(*core->held));
    core->held[core->n_held++] = (struct core_frame){.peer = peer, .data = (uint8_t *)buf_take(&buf), .len = len};
}

void core_flush_held(struct core *core)
{
    size_t n = core->n_held;

    CHECK(core->metas == 0);
    core->n_held = core->held_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        core->env.send(core->env.user, core->held[i].peer, core->held[i].data, core->held[i].len);
    }
}

void core_send_entries(struct core *core, uint64_t peer, uint64_t prev, uint64_t n)
{
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    struct wire wire = {.key = {[WK_TYPE] = WIRE_APPEND,
                                [WK_MSG_TERM] = raft_current_term(&core->raft),
                                [WK_PREV_INDEX] = prev,
                                [WK_PREV_TERM] = core_entry_term(core, prev),
                                [WK_COMMIT] = raft_commit_index(&core->raft),
                                [WK_COUNT] = n}};

    for (uint64_t i = prev + 1; i <= prev + n; i++) {
        const struct core_entry *entry = core_entry(core, i);

        CHECK(entry != NULL);
        flat_append(&body, entry->term, entry->type, entry->data, entry->len);
    }
    wire.body = (const uint8_t *)buf_str(&body);
    wire.body_len = body.len;
    core_send(core, peer, &wire);
}

static void send_append(struct core *core, uint64_t peer, const struct raft_append_entries *message)
{
    int at = core_peer_index(core, peer);

    if (at >= 0) {
        core_flow_named(core, (size_t)at, message);
    }
}

static void send_append_result(struct core *core, uint64_t peer, const struct raft_append_entries_result *message)
{
    /* Rule 5: the library's answer to a message of an older term is not defined but for the term. */
    bool stale = core->stale_message && !CORE_SKIP(PART_REJECTIONS);

    if (!stale && message->rejected == 0 && message->last_log_index > 0) {
        core->acked = true;
    }
    core_send(core, peer,
              &(struct wire){.key = {[WK_TYPE] = WIRE_APPEND_RESULT,
                                     [WK_MSG_TERM] = message->term,
                                     [WK_REJECTED] = stale ? 1 : message->rejected,
                                     [WK_LAST_INDEX] = stale ? 0 : message->last_log_index,
                                     [WK_VERSION] = message->version,
                                     [WK_FEATURES] = message->features,
                                     [WK_CAPACITY] = message->capacity}});
}

static void send_vote(struct core *core, uint64_t peer, const struct raft_request_vote *message)
{
    core_send(core, peer,
              &(struct wire){.key = {[WK_TYPE] = WIRE_VOTE,
                                     [WK_MSG_TERM] = message->term,
                                     [WK_LAST_INDEX] = message->last_log_index,
                                     [WK_LAST_TERM] = message->last_log_term,
                                     [WK_FLAGS] = (message->disrupt_leader ? 1U : 0U) | (message->pre_vote ? 2U : 0U),
                                     [WK_VERSION] = message->version,
                                     [WK_NUMBER] = message->disrupt_leader ? core->order_number : 0}});
}

static void send_vote_result(struct core *core, uint64_t peer, const struct raft_request_vote_result *message)
{
    uint64_t term = message->term;

    /* Rule 2: a refused pre-vote tells the newer term, or two members that are behind each other wait for ever. */
    if (message->pre_vote && !message->vote_granted && !CORE_SKIP(PART_PRE_VOTE_TERM) &&
        term < raft_current_term(&core->raft)) {
        term = raft_current_term(&core->raft);
    }
    core_send(core, peer,
              &(struct wire){.key = {[WK_TYPE] = WIRE_VOTE_RESULT,
                                     [WK_MSG_TERM] = term,
                                     [WK_FLAGS] = (message->vote_granted ? 1U : 0U) | (message->pre_vote ? 2U : 0U),
                                     [WK_VERSION] = message->version,
                                     [WK_FEATURES] = message->features,
                                     [WK_CAPACITY] = message->capacity}});
}

void core_send_raft(struct core *core, const struct raft_message *message)
{
    uint64_t peer = message->server_id;

    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        send_append(core, peer, &message->append_entries);
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        send_append_result(core, peer, &message->append_entries_result);
        break;
    case RAFT_REQUEST_VOTE:
        send_vote(core, peer, &message->request_vote);
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        send_vote_result(core, peer, &message->request_vote_result);
        break;
    case RAFT_INSTALL_SNAPSHOT:
        core_snapshot_send(core, peer, message->install_snapshot.last_index);
        break;
    case RAFT_TIMEOUT_NOW:
        core_send(core, peer,
                  &(struct wire){.key = {[WK_TYPE] = WIRE_TIMEOUT_NOW,
                                         [WK_MSG_TERM] = message->timeout_now.term,
                                         [WK_LAST_INDEX] = message->timeout_now.last_log_index,
                                         [WK_LAST_TERM] = message->timeout_now.last_log_term,
                                         [WK_VERSION] = message->timeout_now.version,
                                         [WK_NUMBER] = core->transfer_number}});
        break;
    }
}

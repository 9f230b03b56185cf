/* What the owner of a member asks for: proposals, status, telling the others, handing leadership over. */
#include <stdlib.h>
#include <string.h>

#include "consensus/node_priv.h"
#include "consensus/tell.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/text.h"

#define WAITING_MAX 8192
#define WAITING_BYTES_MAX ((size_t)32 << 20)

/* NOLINTNEXTLINE(misc-redundant-expression): equal is what they have to stay */
_Static_assert(CONS_COMMAND_MAX == CORE_ENTRY_MAX, "what is taken from the owner must fit into an entry");

void proposals_push(struct proposals *queue, struct proposal *proposal)
{
    proposal->next = NULL;
    if (queue->tail != NULL) {
        queue->tail->next = proposal;
    } else {
        queue->head = proposal;
    }
    queue->tail = proposal;
    queue->n++;
    queue->bytes += proposal->len;
}

struct proposal *proposals_pop(struct proposals *queue)
{
    struct proposal *proposal = queue->head;

    if (proposal != NULL) {
        queue->head = proposal->next;
        queue->tail = queue->head != NULL ? queue->tail : NULL;
        queue->n--;
        queue->bytes -= proposal->len;
    }
    return proposal;
}

void proposal_finish(struct proposal *proposal, int status, const void *result)
{
    proposal->cb(proposal->user, status, proposal->index, result);
    free(proposal->data);
    free(proposal);
}

void proposals_refuse_last(struct proposals *queue, size_t n, int status)
{
    struct proposals refused = *queue;

    CHECK(n <= queue->n);
    *queue = (struct proposals){NULL, NULL, 0, 0};
    while (refused.n > n) {
        proposals_push(queue, proposals_pop(&refused));
    }
    while (refused.n > 0) {
        proposal_finish(proposals_pop(&refused), status, NULL);
    }
}

int cons_propose(struct cons *c, const void *data, size_t len, cons_propose_cb cb, void *user)
{
    struct err err = ERR_INIT;
    struct proposal *proposal;
    struct core_status status;

    if (len == 0 || len > CONS_COMMAND_MAX) {
        return E_INVALID; /* how long a command gets is up to requests and to what nodes say */
    }
    if (c->fsm.judge(data, len, &err) != 0) { /* how many items it has, too */
        LOG(LOG_ERROR, "raft", "a command is not proposed: it could not be read again", LF_U64("bytes", len),
            LF_STR("reason", err.message));
        return E_INVALID;
    }
    if (c->closing || c->failed) {
        return E_NOT_LEADER;
    }
    core_get_status(c->core, &status);
    if (status.role != CORE_LEADER) {
        return E_NOT_LEADER;
    }
    if (c->waiting.n >= WAITING_MAX || c->waiting.bytes >= WAITING_BYTES_MAX) {
        return E_BUSY;
    }
    proposal = mem_calloc(1, sizeof(*proposal));
    proposal->data = mem_dup(data, len);
    proposal->len = (uint32_t)len;
    proposal->cb = cb;
    proposal->user = user;
    proposals_push(&c->waiting, proposal);
    node_want_turn(c);
    return 0;
}

void cons_tell(struct cons *c, const void *data, size_t len)
{
    struct core_status status;

    CHECK(len <= CONS_TELL_MAX);
    core_get_status(c->core, &status);
    if (c->closing || c->failed || status.disk_state != CORE_FORMED) {
        return;
    }
    for (size_t i = 0; i < status.n_peers; i++) {
        struct buf frame = BUF_INIT;
        size_t frame_len;

        if (status.peers[i].id != c->core_config.id && status.peers[i].speaks) {
            tell_encode(c->core_config.id, status.cluster_id, data, len, &frame);
            frame_len = frame.len;
            net_send(c->net, status.peers[i].id, (uint8_t *)buf_take(&frame), frame_len);
        }
    }
    node_want_turn(c);
}

bool cons_serving(struct cons *c)
{
    return !c->closing && core_serving(c->core);
}

void cons_lease_released(struct cons *c)
{
    if (!c->closing && !c->failed) {
        core_lease_released(c->core);
        node_want_turn(c);
    }
}

static enum cons_standing standing_of(enum core_voting voting, bool any)
{
    return !any ? CONS_NONE : voting == CORE_VOTER ? CONS_VOTER : voting == CORE_STANDBY ? CONS_STANDBY : CONS_SPARE;
}

void cons_get_status(struct cons *c, struct cons_status *ret_status)
{
    struct core_status status;
    uint64_t now = node_now_us();

    core_get_status(c->core, &status);
    memset(ret_status, 0, sizeof(*ret_status));
    ret_status->role = (enum cons_role)status.role;
    ret_status->term = status.term;
    ret_status->leader_id = status.leader_id;
    ret_status->commit_index = status.commit_index;
    ret_status->applied_index = status.applied_index;
    ret_status->last_index = status.last_index;
    ret_status->snapshot_index = status.snapshot_index;
    ret_status->lease_left_us =
        status.lease_until_us > 0 ? (int64_t)(status.lease_until_us - now) : 0; /* negative when it is over */
    ret_status->serving = status.serving;
    ret_status->transferring = status.transferring;
    ret_status->formed = status.disk_state == CORE_FORMED;
    ret_status->cluster_id = status.cluster_id;
    ret_status->changing = status.changing;
    ret_status->keys_known = status.keys_known;
    ret_status->refusal = (struct cons_refusal){.by = status.refusal.by,
                                                .index = status.refusal.index,
                                                .ago_ms = (now - status.refusal.at_us) / 1000,
                                                .later = status.refusal.later};
    text_put(ret_status->refusal.text, sizeof(ret_status->refusal.text), status.refusal.text);
    for (size_t i = 0; i < status.n_peers; i++) {
        const struct core_peer_status *peer = &status.peers[i];
        struct cons_member_status *member = &ret_status->members[ret_status->n_members];

        if (status.members_known && !peer->member) {
            continue; /* it was one, or is configured only */
        }
        ret_status->n_members++;
        member->id = peer->id;
        node_split_address(peer->address, member->address, member->note);
        text_put(member->key, sizeof(member->key), core_address_key(peer->address));
        text_put(member->shown, sizeof(member->shown), net_shown_key(c->net, member->id));
        member->connected = net_is_connected(c->net, member->id);
        if (member->id != c->core_config.id) {
            net_get_trouble(c->net, member->id, &member->trouble);
        }
        member->standing = standing_of(peer->voting, peer->member);
        member->goal = standing_of(peer->goal, peer->goal != CORE_SPARE);
        member->match_index = peer->match_index;
        member->last_contact_ms = peer->heard ? (now - peer->last_heard_us) / 1000 : UINT64_MAX;
    }
}

/* ---- changes of members ---- */

char *node_join_address(const struct cons_peer *peer)
{
    return mem_printf("%s %s", peer->address, peer->note != NULL ? peer->note : "");
}

void node_split_address(const char *text, char *ret_address, char *ret_note)
{
    size_t len = strcspn(text, " ");
    const char *note = text[len] == ' ' ? text + len + 1 : "";
    size_t note_len = strcspn(note, " ");

    text_print(ret_address, CONS_TEXT_MAX, "%.*s", len < CONS_TEXT_MAX ? (int)len : CONS_TEXT_MAX, text);
    text_print(ret_note, CONS_TEXT_MAX, "%.*s", note_len < CONS_TEXT_MAX ? (int)note_len : CONS_TEXT_MAX, note);
}

int node_check_address(const struct cons_peer *peer, struct err *reterr)
{
    const char *note = peer->note != NULL ? peer->note : "";

    if (strlen(peer->address) >= CONS_TEXT_MAX || strlen(note) >= CONS_TEXT_MAX || strchr(peer->address, ' ') != NULL ||
        strchr(note, ' ') != NULL || !net_check_address(peer->address) || !core_address_valid(peer->address) ||
        (*note != '\0' && !core_address_valid(note))) {
        return err_set(reterr, E_INVALID, "%s: expected host:port", peer->address);
    }
    return 0;
}

int cons_change(struct cons *c, const struct cons_change *change, struct err *reterr)
{
    static const enum core_change_kind kinds[] = {[CONS_ADD] = CORE_ADD,
                                                  [CONS_REMOVE] = CORE_REMOVE,
                                                  [CONS_AIM] = CORE_AIM,
                                                  [CONS_MOVE] = CORE_ADDRESS,
                                                  [CONS_KEY] = CORE_KEY};
    struct core_change wanted = {.kind = kinds[change->kind],
                                 .id = change->peer.id,
                                 .key = change->peer.key != NULL ? change->peer.key : "",
                                 .goal = change->goal == CONS_VOTER ? CORE_VOTER : CORE_STANDBY};
    CLEANUP(free_ptr) char *text = NULL;
    const char *reason;
    bool passing;

    if (c->closing || c->failed) {
        return err_set(reterr, E_NOT_LEADER, "this member does not lead");
    }
    if (change->kind == CONS_ADD || change->kind == CONS_MOVE) {
        int rc = node_check_address(&change->peer, reterr);

        if (rc != 0) {
            return rc;
        }
        text = node_join_address(&change->peer);
        wanted.address = text;
    }
    if (core_change(c->core, &wanted, &reason, &passing) != 0) {
        return err_set(reterr, passing ? E_BUSY : E_INVALID, "%s", reason);
    }
    node_want_turn(c);
    return 0;
}

int cons_reload_tls(struct cons *c, struct err *reterr)
{
    return c->closing ? 0 : net_reload_tls(c->net, reterr);
}

int64_t cons_tls_expires_s(const struct cons *c)
{
    return net_tls_expires_s(c->net);
}

int cons_transfer(struct cons *c, uint64_t target, struct err *reterr)
{
    if (core_transfer(c->core, target) != 0) {
        return err_set(reterr, E_BUSY,
                       "leadership cannot be handed over now: this member does not lead, the other one "
                       "is not connected, or a hand-over is pending");
    }
    node_want_turn(c);
    return 0;
}

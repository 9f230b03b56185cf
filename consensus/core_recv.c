/* Incoming frames: what the lease forbids is kept or dropped (core_lead.c), later terms that one member alone names now
 * and then as well (core_term.c); what the library mishandles is mended or dropped, the rest is given to it. */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

#define ENTRIES_MAX 4096      /* in a frame: four times what is ever on its way to one follower */
#define CONFIGURATIONS_MAX 64 /* in a frame, the others are as if lost: each is a piece of its own (rule 6) */
#define APPEND_BYTES_MAX \
    (2 * (CORE_FRAME_BYTES + CORE_ENTRY_MAX)) /* twice what a leader sends in a frame (core_flow.c) */
#define APPENDS_MAX 4096                      /* entries' writes on their way to the disk */
#define METAS_MAX 16                          /* terms and votes on their way to the disk */

static raft_term message_term(const struct raft_message *message)
{
    if (message->type == RAFT_APPEND_ENTRIES) {
        return message->append_entries.term;
    }
    return message->type == RAFT_INSTALL_SNAPSHOT ? message->install_snapshot.term : UINT64_MAX;
}

void core_raft_recv(struct core *core, struct raft_message *message)
{
    struct raft_event event = {.type = RAFT_RECEIVE, .receive = {.message = message}};
    int at = core_peer_index(core, message->server_id);

    CHECK(at >= 0);
    message->server_address = core->config.peers[at].address;
    core->stale_message = message_term(message) < raft_current_term(&core->raft);
    core_raft_step(core, &event);
    core->stale_message = false;
    if (message_term(message) == raft_current_term(&core->raft)) {
        core->led_took =
            message->type == RAFT_INSTALL_SNAPSHOT ||
            (core->led_took && core->led_term == raft_current_term(&core->raft) && core->led_by == message->server_id);
        core->led_term = raft_current_term(&core->raft);
        core->led_by = message->server_id;
        core->led_commit = message->type == RAFT_APPEND_ENTRIES ? message->append_entries.leader_commit
                                                                : message->install_snapshot.last_index;
    }
}

/* ---- entries ---- */

/* As entries are in every log: terms never fall, none is later than that of the leader who sends them, none
 * is larger than what a frame could pass on, and a configuration is one. */
static bool is_entry(const struct flat_entry *flat, uint64_t term_before, uint64_t leader_term)
{
    if (flat->term == 0 || flat->term < term_before || flat->term > leader_term || flat->len > CORE_ENTRY_MAX) {
        return false;
    }
    return flat->type == RAFT_CHANGE ? core_conf_valid(flat->data, flat->len)
                                     : flat->type == RAFT_COMMAND || flat->type == RAFT_BARRIER;
}

/* A command that cannot be applied would end every member that has it, for good, once it is committed. */
static int judge(struct core *core, uint64_t from, uint64_t index, const struct flat_entry *flat)
{
    struct err err = ERR_INIT;
    int rc = flat->type == RAFT_COMMAND ? core->env.judge(core->env.user, flat->data, flat->len, &err) : 0;

    if (rc != 0) {
        core_refuse(core, from, index, rc, err.message);
    }
    return rc;
}

/* Up to where our log is the sender's as well; UINT64_MAX: it is not known, and the library will refuse the frame. */
static uint64_t common_index(const struct core *core, const struct wire *wire)
{
    uint64_t prev = wire->key[WK_PREV_INDEX], commit = raft_commit_index((struct raft *)(uintptr_t)&core->raft);

    if (prev <= commit) {
        return commit;
    }
    return core_entry_term(core, prev) == wire->key[WK_PREV_TERM] ? prev : UINT64_MAX;
}

/* Each configuration differs from the one before it as a leader may change it. Otherwise one frame could tell a member
 * that it is alone, and it would lead without any other. *before becomes this one; known: there is one. */
static int judge_configuration(struct core *core, uint64_t from, uint64_t index, const struct flat_entry *flat,
                               struct raft_configuration *before, bool *known)
{
    struct raft_configuration conf;

    if (!core_conf_parse(flat->data, flat->len, &conf)) {
        return E_PROTOCOL;
    }
    if (!core_judge_next(core, *known ? before : NULL, &conf)) {
        raft_configuration_close(&conf);
        core_refuse(core, from, index, E_PROTOCOL, "it changes more than one member, or leaves fewer than two votes");
        return E_PROTOCOL;
    }
    raft_configuration_close(before);
    *before = conf;
    *known = true;
    return 0;
}

static int decode_each(struct core *core, uint64_t from, const struct wire *wire, struct raft_entry *entries,
                       struct raft_configuration *before, bool known, size_t *ret_n)
{
    unsigned n_configurations = 0;
    uint64_t term = wire->key[WK_PREV_TERM], commit = raft_commit_index(&core->raft);
    size_t offset = 0;
    int rc;

    for (size_t i = 0; i < wire->key[WK_COUNT]; i++, *ret_n = i) {
        struct flat_entry flat;
        uint64_t index;

        if (!flat_next(wire->body, wire->body_len, &offset, &flat) || !is_entry(&flat, term, wire->key[WK_MSG_TERM])) {
            return E_PROTOCOL;
        }
        index = wire->key[WK_PREV_INDEX] + 1 + i;
        if (flat.type == RAFT_CHANGE && ++n_configurations > CONFIGURATIONS_MAX) {
            return 0;
        }
        rc = flat.type != RAFT_CHANGE ? judge(core, from, index, &flat)
             : index > commit         ? judge_configuration(core, from, index, &flat, before, &known)
                                      : 0;
        if (rc != 0) {
            return rc == E_UNSUPPORTED ? rc : E_PROTOCOL;
        }
        term = flat.term;
        entries[i] = (struct raft_entry){
            .term = flat.term,
            .type = (enum raft_entry_type)flat.type,
            .buf = {.base = (void *)(uintptr_t)flat.data, .len = flat.len}, /* only read: copied or skipped */
        };
    }
    return offset == wire->body_len ? 0 : E_PROTOCOL;
}

/* 0, or why nothing of the frame is taken: E_UNSUPPORTED, for this release, or E_PROTOCOL, for any. */
/* *ret_n: so many of them are to be taken. */
static int decode_entries(struct core *core, uint64_t from, const struct wire *wire, struct raft_entry *entries,
                          size_t *ret_n)
{
    uint64_t common = common_index(core, wire), last = common != UINT64_MAX ? core_conf_until(core, common) : 0;
    struct raft_configuration before;
    int rc;

    raft_configuration_init(&before);
    if (last > 0) {
        core_conf_read(core, last, &before);
    }
    rc = decode_each(core, from, wire, entries, &before, last > 0, ret_n);
    raft_configuration_close(&before);
    return rc;
}

/* Gives n entries to the library. They share one token as their batch: whose it is afterwards tells whether the library
 * kept them (the log has grown or was cut: ours to free) or not (freed by the library). */
static void append_piece(struct core *core, uint64_t from, struct raft_append_entries *message,
                         struct raft_entry *entries, unsigned n)
{
    struct raft_message raft_message = {.type = RAFT_APPEND_ENTRIES, .server_id = from, .append_entries = *message};
    size_t appends = core->n_appends;
    void *token = NULL;

    if (n > 0) {
        token = raft_malloc(1);
        CHECK(token != NULL);
        for (unsigned i = 0; i < n; i++) {
            entries[i].batch = token;
        }
    }
    raft_message.append_entries.entries = n > 0 ? entries : NULL;
    raft_message.append_entries.n_entries = n;
    core_raft_recv(core, &raft_message);
    if (core->n_appends > appends && token != NULL) {
        core->led_took = true; /* of who leads, or the library would not have */
        raft_free(token);
    }
    core_settle(core); /* rule 6: a configuration is fed back before the next piece */
}

static void append_entries(struct core *core, uint64_t from, struct raft_append_entries *message,
                           struct raft_entry *entries, size_t n)
{
    uint64_t commit = raft_commit_index(&core->raft);
    size_t skip = 0;
    bool first = true;

    /* Rule 4: entries up to our commit index are the same everywhere; anchor the message there. */
    if (message->term >= raft_current_term(&core->raft) && !core_raft_installing(core) &&
        message->prev_log_index < commit && !CORE_SKIP(PART_ANCHOR)) {
        uint64_t cut = commit - message->prev_log_index;

        skip = cut < n ? (size_t)cut : n;
        message->prev_log_index = commit;
        message->prev_log_term = core_entry_term(core, commit);
        CHECK(message->prev_log_term != 0);
    }
    while (!core->failed && (first || skip < n)) {
        size_t end = skip < n ? skip + 1 : n;

        while (end < n && (entries[end].type != RAFT_CHANGE || CORE_SKIP(PART_CONFIGURATION))) {
            end++;
        }
        append_piece(core, from, message, entries + skip, (unsigned)(end - skip));
        if (end > skip) {
            message->prev_log_index += end - skip;
            message->prev_log_term = entries[end - 1].term;
        }
        skip = end;
        first = false;
    }
}

/* What no leader says, and the library does not expect: it was elected in a term that another one leads in, or what we
 * know to be committed is something else in its log. */
static bool contradicts(struct core *core, uint64_t from, const struct raft_append_entries *message)
{
    uint64_t known = core_entry_term(core, message->prev_log_index);

    if (core_leads_another(core, from, message->term)) {
        core_refuse(core, from, message->prev_log_index + 1, E_PROTOCOL, "another one leads in its term");
        return true;
    }

    if ((message->prev_log_index == 0) != (message->prev_log_term == 0) || message->prev_log_term > message->term ||
        (core->role == CORE_LEADER && message->term == raft_current_term(&core->raft))) {
        return true;
    }
    return message->term >= raft_current_term(&core->raft) && known != 0 && known != message->prev_log_term &&
           message->prev_log_index <= raft_commit_index(&core->raft);
}

/* Another one leads in its term, but has said so and no more: the others are asked whom they follow. As long as our log
 * has nothing of the term it is no reason to end the connection; who was there first may have lied. */
static bool waits_for_a_word(struct core *core, uint64_t from, uint64_t term)
{
    if (core->led_term != term || core_lead_is_firm(core) || !core_leads_another(core, from, term)) {
        return false;
    }
    core_word_ask(core);
    return core_entry_term(core, core_last_index(core)) != term;
}

static bool recv_append(struct core *core, uint64_t from, const struct wire *wire)
{
    struct raft_append_entries message = {
        .version = (unsigned char)wire->key[WK_VERSION],
        .term = wire->key[WK_MSG_TERM],
        .prev_log_index = wire->key[WK_PREV_INDEX],
        .prev_log_term = wire->key[WK_PREV_TERM],
        .leader_commit = wire->key[WK_COMMIT],
    };
    size_t count = wire->key[WK_COUNT], n = 0;
    struct raft_entry *entries;
    int rc;

    if (waits_for_a_word(core, from, message.term)) {
        return true;
    }
    if (contradicts(core, from, &message) || count > ENTRIES_MAX || count * FLAT_HEADER > wire->body_len ||
        wire->body_len > APPEND_BYTES_MAX || message.prev_log_index > WIRE_INDEX_MAX - count) {
        return false;
    }
    if (message.term < raft_current_term(&core->raft)) {
        count = 0; /* only its sender's term is answered: nobody looks at what it brings */
    }
    entries = mem_calloc(count + 1, sizeof(*entries));
    rc = count > 0 ? decode_entries(core, from, wire, entries, &n) : 0;
    if (rc == 0) {
        append_entries(core, from, &message, entries, n);
    }
    free(entries);
    return rc != E_PROTOCOL; /* of a later release: as if it were lost, until this member is upgraded */
}

static void recv_append_result(struct core *core, uint64_t from, const struct wire *wire)
{
    struct raft_message message = {
        .type = RAFT_APPEND_ENTRIES_RESULT,
        .server_id = from,
        .append_entries_result = {.version = (unsigned char)wire->key[WK_VERSION],
                                  .term = wire->key[WK_MSG_TERM],
                                  .rejected = wire->key[WK_REJECTED],
                                  .last_log_index = wire->key[WK_LAST_INDEX],
                                  .features = (unsigned short)wire->key[WK_FEATURES],
                                  .capacity = (unsigned short)wire->key[WK_CAPACITY]},
    };

    /* Rule 5: a late rejection of what is known to match would stop that follower for ever. */
    if (core->role == CORE_LEADER && !CORE_SKIP(PART_REJECTIONS) &&
        message.append_entries_result.term == raft_current_term(&core->raft) &&
        message.append_entries_result.rejected > 0) {
        raft_index match = 0;

        if (raft_match_index(&core->raft, from, &match) == 0 && message.append_entries_result.rejected <= match) {
            return;
        }
    }
    core_raft_recv(core, &message);
}

/* ---- all ---- */

/* The disk is so far behind that what would make more work for it is dropped, as if it were lost: memory for what waits
 * has a bound, whatever is sent. A leader that follows its own bounds never comes near these. */
static bool disk_is_behind(struct core *core, const struct wire *wire)
{
    size_t bytes = 0;

    if (wire->key[WK_MSG_TERM] > raft_current_term(&core->raft) && core->metas >= METAS_MAX) {
        return true;
    }
    if (wire->key[WK_TYPE] != WIRE_APPEND || wire->key[WK_COUNT] == 0) {
        return false;
    }
    for (size_t i = 0; i < core->n_appends; i++) {
        bytes += core->appends[i]->flat_len;
    }
    return core->n_appends >= APPENDS_MAX || bytes >= 4 * (core->config.inflight_bytes + CORE_FRAME_BYTES);
}

/* What is not committed may be cut, and is kept until then: a leader lets no more than its window be open, and what
 * comes beyond several of them is dropped, as if it were lost. Frames that say that more is committed are taken. */
static bool log_is_full(struct core *core, const struct wire *wire)
{
    uint64_t commit = raft_commit_index(&core->raft);

    return wire->key[WK_TYPE] == WIRE_APPEND &&
           wire->key[WK_PREV_INDEX] + wire->key[WK_COUNT] > core_last_index(core) && wire->key[WK_COMMIT] <= commit &&
           core_log_bytes(core, commit + 1, core_last_index(core)) >=
               4 * (core->config.window_bytes + CORE_FRAME_BYTES);
}

static bool is_pre_vote(const struct wire *wire)
{
    return wire->key[WK_TYPE] == WIRE_VOTE && (wire->key[WK_FLAGS] & 2) != 0;
}

/* As if it were lost. */
static bool is_doubtful(struct core *core, uint64_t from, const struct wire *wire)
{
    return (wire->key[WK_TYPE] == WIRE_APPEND || wire->key[WK_TYPE] == WIRE_SNAPSHOT) &&
           core_lead_is_doubtful(core, from, wire->key[WK_MSG_TERM]);
}

static bool dispatch(struct core *core, size_t at, struct wire *wire)
{
    uint64_t from = core->config.peers[at].id, reach = core_term_reach(core);
    bool is_far = wire->key[WK_MSG_TERM] > reach && !is_pre_vote(wire); /* that moves no term, and is answered in its */

    if (is_far) {
        core_term_bring_near(wire, reach);
    }
    if (core_is_claim(core, at, wire) || disk_is_behind(core, wire) || log_is_full(core, wire) ||
        (!is_far && is_doubtful(core, from, wire)) || core_word_in_doubt(core, from, wire) ||
        (is_far && CORE_SKIP(PART_FAR_TERMS)) || core_term_in_excess(core, at, wire)) {
        return true;
    }
    if (is_far && wire->key[WK_TYPE] == WIRE_APPEND) {
        core_term_approach(core, from, reach);
        return true;
    }
    switch (wire->key[WK_TYPE]) {
    case WIRE_APPEND:
        return recv_append(core, from, wire);
    case WIRE_APPEND_RESULT:
        recv_append_result(core, from, wire);
        return true;
    case WIRE_VOTE:
        core_recv_vote(core, at, wire);
        return true;
    case WIRE_VOTE_RESULT:
        core_recv_vote_result(core, from, wire);
        return true;
    case WIRE_TIMEOUT_NOW:
        core_recv_timeout_now(core, from, wire);
        return true;
    case WIRE_LEASE:
        core_recv_lease(core, from, wire);
        return true;
    case WIRE_LEASE_ACK:
        core_recv_lease_ack(core, at, wire);
        return true;
    case WIRE_SNAPSHOT:
        return core_snapshot_recv(core, at, wire);
    case WIRE_SNAPSHOT_ACK:
        core_snapshot_acked(core, at, wire);
        return true;
    default:
        return true; /* of a later release */
    }
}

bool core_recv(struct core *core, uint64_t peer, const uint8_t *frame, size_t len)
{
    int at = core_peer_index(core, peer);
    struct wire wire;
    bool ok = true;

    if (core->failed) {
        return true;
    }
    if (peer == core->config.id || !wire_decode(frame, len, &wire) || wire.key[WK_FROM] != peer) {
        return false; /* damaged, or in another's name */
    }
    if (!core_speaks(core, at)) {
        core_members_stranger(core, at, &wire);
        return true;
    }
    core->peers[at].heard = true;
    core->peers[at].last_heard_us = core_now(core);
    core->peers[at].named_term = wire.key[WK_TERM];
    if (wire.key[WK_TYPE] <= WIRE_FORM_ACK) {
        ok = core_form_recv(core, (size_t)at, &wire);
    } else if (!core->peers[at].hello_seen) {
        core_form_greet(core, peer, true);
    } else if (core->raft_started && core->peers[at].state == CORE_FORMED &&
               id_equal(core->peers[at].cluster_id, core->cluster_id)) {
        ok = dispatch(core, (size_t)at, &wire);
    }
    core_settle(core);
    return ok;
}

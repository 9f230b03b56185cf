/* Snapshots: taking our own, sending it in chunks, receiving one.
 *
 * The library asks again for a snapshot to be sent at each heartbeat while one travels: repeats are ignored. Nor does
 * it ask again for certain: once we have taken a newer snapshot, it takes the refusal of a heartbeat that is anchored
 * there for an old one, and waits for half a minute. So what it has asked for is remembered, and a transfer that makes
 * no progress for two election timeouts begins anew by itself, later each time. A chunk is acknowledged by the offset
 * reached; at most CHUNKS_AHEAD are under way, so that nothing else waits behind a large snapshot.
 *
 * Who refuses our entries after each snapshot gets another one: after a pause, so that it costs a part of our time
 * only.
 */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

#define CHUNK ((size_t)256 << 10)
#define CHUNKS_AHEAD 8
#define SNAPSHOT_MAX (UINT64_C(4) << 30)
#define USUAL_TIMES 4
#define USUAL_BYTES (UINT64_C(256) << 20)
#define JUMP_MAX (UINT64_C(1) << 32) /* entries that a member may have missed */
#define RESTARTS_LATER 4             /* so often the time without progress doubles */
#define PAUSE_TIMES 3                /* what the last one took, before the next one for the same member */
/* So long none is taken of who has sent one that was refused; the time doubles so often, until one was installed. */
#define REFUSED_US UINT64_C(10000000)
#define REFUSED_LATER 5

/* Giving memory back takes long when it is much: in a thread. Takes data and state, either may be NULL. */
static void free_beside(struct core *core, uint8_t *data, void *state)
{
    struct disk_op *op;

    if (data != NULL || state != NULL) {
        op = mem_calloc(1, sizeof(*op));
        op->kind = DISK_FREE;
        op->data = data;
        op->state = state;
        core->env.disk(core->env.user, op);
    }
}

static void image_drop(struct core *core)
{
    free(core->image.conf);
    free_beside(core, core->image.data, NULL);
    memset(&core->image, 0, sizeof(core->image));
}

static void send_chunks(struct core *core, size_t at)
{
    struct core_peer_state *peer = &core->peers[at];
    const struct core_image *image = &core->image;

    while (peer->sending && peer->send_offset < image->data_len + image->conf_len &&
           peer->send_offset < peer->acked_offset + CHUNKS_AHEAD * CHUNK) {
        /* The stream is configuration, then data. */
        uint64_t total = image->conf_len + image->data_len;
        CLEANUP(buf_fini) struct buf body = BUF_INIT;
        uint64_t offset = peer->send_offset;
        size_t len = total - offset < CHUNK ? (size_t)(total - offset) : CHUNK;
        struct wire wire = {.key = {[WK_TYPE] = WIRE_SNAPSHOT,
                                    [WK_MSG_TERM] = raft_current_term(&core->raft),
                                    [WK_LAST_INDEX] = image->index,
                                    [WK_LAST_TERM] = image->term,
                                    [WK_CONF_INDEX] = image->conf_index,
                                    [WK_CONF_LEN] = image->conf_len,
                                    [WK_OFFSET] = offset,
                                    [WK_TOTAL] = total}};

        if (offset < image->conf_len) {
            size_t part = image->conf_len - offset < len ? image->conf_len - (size_t)offset : len;

            buf_append(&body, image->conf + offset, part);
            buf_append(&body, image->data, len - part);
        } else {
            buf_append(&body, image->data + (offset - image->conf_len), len);
        }
        wire.body = (const uint8_t *)body.data;
        wire.body_len = body.len;
        peer->send_offset += len;
        core_send(core, core->config.peers[at].id, &wire);
    }
}

static void begin(struct core *core, size_t at)
{
    struct core_peer_state *peer = &core->peers[at];

    peer->wanted = false;
    peer->begun_us = peer->sending ? peer->begun_us : core_now(core);
    peer->sending = true;
    peer->send_index = core->image.index;
    peer->send_offset = 0;
    peer->acked_offset = 0;
    peer->progress_us = core_now(core);
    send_chunks(core, at);
}

/* One with an older configuration than ours is not sent: the others tell ours, and only what they tell as well is
 * believed (core_judge.c). A new one is taken first, unless that cannot be read. */
static bool is_behind(const struct core *core, uint64_t conf_index)
{
    return conf_index < core->conf_applied_index && core->snapshot_refused < core->conf_applied_index;
}

static uint64_t stuck_us(const struct core *core, const struct core_peer_state *peer)
{
    return (2000 * (uint64_t)core->config.election_timeout_ms) << peer->restarts;
}

static bool is_stuck(struct core *core, const struct core_peer_state *peer)
{
    return core_now(core) - peer->progress_us >= stuck_us(core, peer) && !CORE_SKIP(PART_SNAPSHOT_RESTART);
}

void core_snapshot_send(struct core *core, uint64_t peer_id, uint64_t index)
{
    int at = core_peer_index(core, peer_id);

    CHECK(at >= 0);
    if (core->peers[at].sending && !is_stuck(core, &core->peers[at]) && !CORE_SKIP(PART_SNAPSHOT_ONCE)) {
        return;
    }
    core->peers[at].wanted = true;
    if (core->image.loading || core_now(core) < core->peers[at].again_us ||
        is_behind(core, core->snapshot_conf_index)) {
        return; /* when that is over */
    }
    if (core->image.data == NULL || core->image.index < index || core->image.conf_index < core->snapshot_conf_index) {
        struct disk_op *op = mem_calloc(1, sizeof(*op));

        image_drop(core);
        for (size_t i = 0; i < core->config.n_peers; i++) {
            core->peers[i].sending = false;
        }
        core->image.loading = true;
        op->kind = DISK_SNAP_GET;
        core->env.disk(core->env.user, op);
        return;
    }
    begin(core, (size_t)at);
}

void core_snapshot_loaded(struct core *core, struct disk_op *op)
{
    core->image = (struct core_image){.index = op->index,
                                      .term = op->index_term,
                                      .conf_index = op->conf_index,
                                      .conf = TAKE_PTR(op->conf),
                                      .conf_len = op->conf_len,
                                      .data = TAKE_PTR(op->data),
                                      .data_len = op->data_len};
}

void core_snapshot_acked(struct core *core, size_t from, const struct wire *wire)
{
    struct core_peer_state *peer = &core->peers[from];
    uint64_t offset = wire->key[WK_OFFSET];

    if (!peer->sending || wire->key[WK_LAST_INDEX] != peer->send_index || offset > peer->send_offset ||
        core->image.data == NULL || core->image.index != peer->send_index) {
        return;
    }
    if (offset > peer->acked_offset) {
        peer->acked_offset = offset;
        peer->progress_us = core_now(core);
        peer->restarts = 0;
    }
    if (offset == core->image.conf_len + core->image.data_len) {
        uint64_t now = core_now(core), pause_us = PAUSE_TIMES * (now - peer->begun_us);
        bool needed = false;

        peer->sending = false;
        peer->again_us = now + (pause_us > stuck_us(core, peer) ? pause_us : stuck_us(core, peer));
        for (size_t i = 0; i < core->config.n_peers; i++) {
            needed = needed || core->peers[i].sending;
        }
        if (!needed) {
            image_drop(core);
        }
        return;
    }
    send_chunks(core, from);
}

/* ---- receiving ---- */

static void incoming_drop(struct core *core)
{
    free(core->incoming.conf);
    if (core->incoming.cap <= CHUNK) {
        free(TAKE_PTR(core->incoming.data)); /* short, and a sender can have many dropped */
    }
    free_beside(core, core->incoming.data, NULL);
    memset(&core->incoming, 0, sizeof(core->incoming));
}

/* All of it is here. The library would give the log up for it at once. */
static void decode(struct core *core, uint64_t term)
{
    struct core_incoming *incoming = &core->incoming;
    struct disk_op *op = mem_calloc(1, sizeof(*op));

    op->kind = DISK_DECODE;
    op->index = incoming->index;
    op->index_term = incoming->term;
    op->conf_index = incoming->conf_index;
    op->conf = TAKE_PTR(incoming->conf);
    op->conf_len = incoming->conf_len;
    op->data = TAKE_PTR(incoming->data);
    op->data_len = incoming->total;
    core->decoding.active = true;
    core->decoding.from = incoming->from;
    core->decoding.term = term;
    incoming_drop(core);
    core->env.disk(core->env.user, op);
}

static void install(struct core *core, struct disk_op *op)
{
    struct raft_message message = {
        .type = RAFT_INSTALL_SNAPSHOT,
        .server_id = core->decoding.from,
        .install_snapshot = {.version = 0,
                             .term = core->decoding.term,
                             .last_index = op->index,
                             .last_term = op->index_term,
                             .conf_index = op->conf_index},
    };

    /* The bytes stay with us; the library sees a token that is freed by one of us, never both. */
    core_conf_decode(op->conf, op->conf_len, &message.install_snapshot.conf);
    message.install_snapshot.data.base = raft_malloc(1);
    message.install_snapshot.data.len = 1;
    CHECK(message.install_snapshot.data.base != NULL);
    core->decoded = op;
    core_raft_recv(core, &message);
    core->decoded = NULL;
}

/* It costs its sender a pause, and so little of our time: also of others, which nobody could tell from it. */
static void refuse(struct core *core, uint64_t from, uint64_t index, int code, const char *text)
{
    int at = core_peer_index(core, from);

    if (at >= 0) {
        struct core_peer_state *peer = &core->peers[at];

        peer->refused_until_us = core_now(core) + (REFUSED_US << peer->refusals);
        peer->refusals += peer->refusals < REFUSED_LATER;
    }
    core_refuse(core, from, index, code, text);
}

void core_snapshot_decoded(struct core *core, struct disk_op *op)
{
    struct core_decoding *decoding = &core->decoding;
    int at = core_peer_index(core, decoding->from);

    decoding->active = false;
    if (op->refused != 0) {
        refuse(core, decoding->from, op->index, op->refused, op->message);
    } else if (decoding->term == raft_current_term(&core->raft) && core->role != CORE_LEADER && core_speaks(core, at) &&
               !core_raft_installing(core) && op->index > raft_commit_index(&core->raft)) {
        install(core, op);
    }
    free_beside(core, TAKE_PTR(op->data), TAKE_PTR(op->state)); /* if it has become nothing */
}

/* Starts over in the same memory: a sender that never ends one must not make the thread that frees pile up. */
static void incoming_begin(struct core_incoming *incoming, uint64_t from, const struct wire *wire)
{
    free(incoming->conf);
    *incoming = (struct core_incoming){.from = from,
                                       .index = wire->key[WK_LAST_INDEX],
                                       .term = wire->key[WK_LAST_TERM],
                                       .conf_index = wire->key[WK_CONF_INDEX],
                                       .leader_term = wire->key[WK_MSG_TERM],
                                       .total = wire->key[WK_TOTAL] - wire->key[WK_CONF_LEN],
                                       .conf = mem_alloc(wire->key[WK_CONF_LEN]),
                                       .conf_len = wire->key[WK_CONF_LEN],
                                       .data = incoming->data,
                                       .cap = incoming->cap};
}

/* Memory for what has come so far, whatever length the sender names: large blocks grow without being copied. */
static void provide(struct core_incoming *incoming, uint64_t offset)
{
    size_t need = offset > incoming->conf_len ? (size_t)(offset - incoming->conf_len) : 0;

    if (need > incoming->cap || incoming->data == NULL) {
        incoming->cap = 2 * need > CHUNK ? 2 * need : CHUNK;
        incoming->cap = incoming->cap < incoming->total ? incoming->cap : (size_t)incoming->total;
        incoming->data = mem_realloc_array(incoming->data, incoming->cap > 0 ? incoming->cap : 1, 1);
    }
}

/* Far larger than our own: it would take that much memory before anybody can say whether it is one. Our vote alone is
 * not enough for that; who leads for certain is followed by another member, where there is one. */
static bool is_too_large(struct core *core, uint64_t from, const struct wire *wire)
{
    uint64_t own = core->snapshot_len + core_log_bytes(core, core->first, core_last_index(core));

    return wire->key[WK_TOTAL] > USUAL_TIMES * own + USUAL_BYTES && core_lead_has_third(core, from) &&
           !core_word_is_followed(core, from, wire->key[WK_MSG_TERM]) && !CORE_SKIP(PART_LARGE_SNAPSHOT);
}

/* What it says in its first chunk, with the whole configuration: whether more of it is worth anything. */
static enum core_judgement judge_begin(struct core *core, uint64_t from, const struct wire *wire)
{
    struct raft_configuration conf;
    enum core_judgement judgement;

    if ((wire->key[WK_LAST_INDEX] > core_last_index(core) + JUMP_MAX && !CORE_SKIP(PART_FAR_SNAPSHOT)) ||
        wire->body_len < wire->key[WK_CONF_LEN] || !core_conf_parse(wire->body, wire->key[WK_CONF_LEN], &conf)) {
        return CORE_JUDGED_REFUSE;
    }
    judgement = core_judge_jump(core, from, wire->key[WK_CONF_INDEX], &conf);
    raft_configuration_close(&conf);
    if (judgement == CORE_JUDGED_TAKE && is_too_large(core, from, wire)) {
        judgement = CORE_JUDGED_WAIT;
    }
    if (judgement == CORE_JUDGED_WAIT) {
        core_word_ask(core);
    }
    return judgement;
}

/* 0, or why no more of it is taken: as soon as its beginning is there. */
static int judge_head(struct core *core)
{
    struct core_incoming *incoming = &core->incoming;
    uint64_t head = incoming->total < CORE_SNAPSHOT_HEAD ? incoming->total : CORE_SNAPSHOT_HEAD;
    struct err err = ERR_INIT;
    int rc;

    if (incoming->judged || incoming->offset < incoming->conf_len + head || CORE_SKIP(PART_SNAPSHOT_HEAD)) {
        return 0;
    }
    incoming->judged = true;
    rc = core->env.judge_head(core->env.user, incoming->index, incoming->data, (size_t)head, incoming->total, &err);
    if (rc != 0) {
        refuse(core, incoming->from, incoming->index, rc, err.message);
        incoming_drop(core);
    }
    return rc;
}

/* Takes the bytes of a chunk. */
static void take(struct core_incoming *incoming, const struct wire *wire)
{
    uint64_t offset = wire->key[WK_OFFSET];

    provide(incoming, offset + wire->body_len);
    for (size_t i = 0; i < wire->body_len;) {
        uint64_t at = offset + i;
        size_t part = wire->body_len - i;

        if (at < incoming->conf_len) {
            part = incoming->conf_len - at < part ? (size_t)(incoming->conf_len - at) : part;
            memcpy(incoming->conf + at, wire->body + i, part);
        } else {
            memcpy(incoming->data + (at - incoming->conf_len), wire->body + i, part);
        }
        i += part;
    }
    incoming->offset = offset + wire->body_len;
}

bool core_snapshot_recv(struct core *core, size_t from, const struct wire *wire)
{
    struct core_incoming *incoming = &core->incoming;
    uint64_t id = core->config.peers[from].id;
    uint64_t offset = wire->key[WK_OFFSET];
    uint64_t total = wire->key[WK_TOTAL];
    uint64_t conf_len = wire->key[WK_CONF_LEN];
    int rc;

    if (total > SNAPSHOT_MAX || conf_len == 0 || conf_len > total || conf_len > CORE_CONF_MAX || offset > total ||
        wire->body_len > total - offset || wire->key[WK_LAST_TERM] == 0 ||
        wire->key[WK_LAST_TERM] > wire->key[WK_MSG_TERM] || wire->key[WK_CONF_INDEX] == 0 ||
        wire->key[WK_CONF_INDEX] > wire->key[WK_LAST_INDEX]) {
        return false;
    }
    /* Rule 12: one that arrives while another is being installed is dropped. */
    if (((core_raft_installing(core) || core->decoding.active) && !CORE_SKIP(PART_SNAPSHOT_ONCE)) ||
        (core_now(core) < core->peers[from].refused_until_us && !CORE_SKIP(PART_SNAPSHOT_PAUSE)) ||
        wire->key[WK_MSG_TERM] != raft_current_term(&core->raft) ||
        wire->key[WK_LAST_INDEX] <= raft_commit_index(&core->raft)) {
        return true;
    }
    if (core->role == CORE_LEADER || core_leads_another(core, id, wire->key[WK_MSG_TERM])) {
        return false; /* of this very term */
    }
    if (offset == 0) {
        switch (judge_begin(core, id, wire)) {
        case CORE_JUDGED_TAKE:
            break;
        case CORE_JUDGED_WAIT:
            return true; /* not acknowledged: it comes again */
        case CORE_JUDGED_REFUSE:
            core_refuse(core, id, wire->key[WK_LAST_INDEX], E_PROTOCOL,
                        "a snapshot that is too far ahead, or with a configuration that no leader can have");
            return false;
        }
        incoming_begin(incoming, id, wire);
    } else if (incoming->from != id || incoming->index != wire->key[WK_LAST_INDEX] || incoming->offset != offset ||
               incoming->conf_len != conf_len || incoming->total != total - conf_len) {
        return true; /* of an older transfer */
    }
    take(incoming, wire);
    rc = judge_head(core);
    if (rc != 0) {
        return rc == E_UNSUPPORTED; /* as if it were lost */
    }
    core_send(
        core, id,
        &(struct wire){
            .key = {[WK_TYPE] = WIRE_SNAPSHOT_ACK, [WK_LAST_INDEX] = incoming->index, [WK_OFFSET] = incoming->offset}});
    if (incoming->offset == total) {
        decode(core, wire->key[WK_MSG_TERM]);
    }
    return true;
}

void core_snapshot_installed(struct core *core, struct disk_op *op)
{
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};
    int at = core_peer_index(core, core->decoding.from);

    event.persisted_snapshot.metadata.index = op->index;
    event.persisted_snapshot.metadata.term = op->index_term;
    core_conf_decode(op->conf, op->conf_len, &event.persisted_snapshot.metadata.configuration);
    event.persisted_snapshot.metadata.configuration_index = op->conf_index;
    event.persisted_snapshot.last = true;
    core->snapshot_len = op->data_len;
    free_beside(core, TAKE_PTR(op->data), core->env.adopt(core->env.user, op->index, TAKE_PTR(op->state)));
    core->applied_index = op->index;
    if (at >= 0) {
        core->peers[at].refusals = 0;
    }
    core_conf_applied(core, op->conf_index, op->conf, op->conf_len);
    core_raft_step(core, &event);
}

/* ---- our own ---- */

uint64_t core_snapshot_due_bytes(const struct core *core)
{
    uint64_t bytes = core->config.snapshot_bytes;

    return core->snapshot_len > bytes ? core->snapshot_len : bytes;
}

static bool is_due(const struct core *core)
{
    uint64_t stagger = core->config.id % 4; /* members do not stall together */
    uint64_t n = core->config.snapshot_threshold;
    uint64_t bytes = core_snapshot_due_bytes(core);
    uint64_t last = core->snapshot_refused > core->snapshot_index ? core->snapshot_refused : core->snapshot_index;

    return core->applied_index >= last + n + n * stagger / 8 ||
           core_log_bytes(core, last + 1, core->applied_index) >= bytes + bytes * stagger / 8;
}

/* The entries that stay, for members that were away for a moment: bounded in number and bytes. */
static uint64_t keep_from(const struct core *core)
{
    uint64_t from = core->applied_index > core->config.trailing ? core->applied_index - core->config.trailing + 1 : 1;

    from = from > core->first ? from : core->first;
    while (from <= core->applied_index &&
           core_log_bytes(core, from, core->applied_index) > core->config.trailing_bytes) {
        from++;
    }
    return from;
}

/* By a member that cannot use the last one. */
static bool is_wanted(const struct core *core)
{
    bool wanted = false;

    for (size_t i = 0; i < core->config.n_peers; i++) {
        wanted = wanted || core->peers[i].wanted;
    }
    return wanted && core->role == CORE_LEADER && is_behind(core, core->snapshot_conf_index);
}

void core_snapshot_maybe_take(struct core *core)
{
    struct disk_op *op;

    if (core->snapshot_taking || core_raft_installing(core) || core->applied_index <= core->snapshot_index ||
        !(is_due(core) || is_wanted(core))) {
        return;
    }
    op = mem_calloc(1, sizeof(*op));
    op->kind = DISK_SNAP_PUT;
    op->index = core->applied_index;
    op->index_term = core_entry_term(core, core->applied_index);
    op->conf_index = core->conf_applied_index;
    op->conf = mem_dup(core->conf, core->conf_len);
    op->conf_len = core->conf_len;
    op->keep_from = keep_from(core);
    op->handle = core->env.snapshot(core->env.user);
    core->snapshot_taking = true;
    core->env.disk(core->env.user, op);
}

void core_snapshot_taken(struct core *core, struct disk_op *op)
{
    struct raft_event event = {.type = RAFT_SNAPSHOT};

    core->snapshot_taking = false;
    if (op->refused != 0) {
        core->snapshot_refused = op->index; /* the log stays; another one when as much has come again */
        return;
    }
    /* Overtaken by a snapshot of the leader: the library has forgotten the log that this one was about. */
    if (core_raft_installing(core) || op->index <= core->snapshot_index) {
        return;
    }
    event.snapshot.metadata.index = op->index;
    event.snapshot.metadata.term = op->index_term;
    core_conf_decode(op->conf, op->conf_len, &event.snapshot.metadata.configuration);
    event.snapshot.metadata.configuration_index = op->conf_index;
    event.snapshot.trailing = (unsigned)(op->index + 1 - op->keep_from);
    core->snapshot_len = op->data_len;
    core->snapshot_index = op->index;
    core->snapshot_term = op->index_term;
    core->snapshot_conf_index = op->conf_index;
    core_raft_step(core, &event);
    if (!core->failed) {
        core_log_trim(core, core->raft.trail.offset + 1);
    }
}

void core_snapshot_closed(struct core *core, uint64_t peer)
{
    if (core->incoming.data != NULL && core->incoming.from == peer) {
        incoming_drop(core);
    }
}

/* Those that the library has asked for, and those of which nothing arrives. */
static void go_on(struct core *core, size_t at)
{
    struct core_peer_state *peer = &core->peers[at];

    if (peer->sending && core->image.data != NULL && is_stuck(core, peer) && peer->connected) {
        peer->restarts += peer->restarts < RESTARTS_LATER;
        if (is_behind(core, core->image.conf_index)) {
            peer->sending = false;
            peer->wanted = true;
        } else {
            begin(core, at);
        }
    } else if (peer->wanted && !peer->sending && !CORE_SKIP(PART_SNAPSHOT_RESTART)) {
        core_snapshot_send(core, core->config.peers[at].id, core->snapshot_index);
    }
}

void core_snapshot_poll(struct core *core)
{
    for (size_t i = 0; i < core->config.n_peers; i++) {
        core->peers[i].wanted = core->peers[i].wanted && core->role == CORE_LEADER;
        if (core->role == CORE_LEADER) {
            go_on(core, i);
        }
    }
    /* Its sender does not lead any more: what has come would be kept until another one begins. */
    if (core->incoming.data != NULL && core->incoming.leader_term != raft_current_term(&core->raft)) {
        incoming_drop(core);
    }
    if (core->role != CORE_LEADER && core->image.data != NULL) {
        image_drop(core);
        for (size_t i = 0; i < core->config.n_peers; i++) {
            core->peers[i].sending = false;
        }
    }
}

/* The core's life: start, applying, inputs, submitting, status. */
#include "consensus/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"
#include "store/base/text.h"

uint64_t core_now(struct core *core)
{
    return core->env.now(core->env.user);
}

int core_peer_index(const struct core *core, uint64_t id)
{
    for (size_t i = 0; i < core->config.n_peers; i++) {
        if (core->config.peers[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

void core_fail(struct core *core, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    if (core->failed) {
        return;
    }
    va_start(args, fmt);
    text_vprint(text, sizeof(text), fmt, args);
    va_end(args);
    core->failed = true;
    core->env.failed(core->env.user, text);
}

void core_refuse(struct core *core, uint64_t by, uint64_t index, int code, const char *text)
{
    core->refusal =
        (struct core_refusal){.by = by, .index = index, .at_us = core_now(core), .later = code == E_UNSUPPORTED};
    text_put(core->refusal.text, sizeof(core->refusal.text), text);
}

static void default_bytes(struct core_config *config)
{
    config->inflight_bytes = config->inflight_bytes > 0 ? config->inflight_bytes : CORE_INFLIGHT_BYTES;
    config->frame_bytes = config->frame_bytes > 0 ? config->frame_bytes : CORE_FRAME_BYTES;
    config->trailing_bytes = config->trailing_bytes > 0 ? config->trailing_bytes : CORE_TRAILING_BYTES;
    config->snapshot_bytes = config->snapshot_bytes > 0 ? config->snapshot_bytes : CORE_SNAPSHOT_BYTES;
    config->window_bytes = config->window_bytes > 0 ? config->window_bytes : CORE_WINDOW_BYTES;
}

void disk_op_free(struct disk_op *op)
{
    if (op != NULL) {
        free(op->message);
        free(op->flat);
        free(op->conf);
        free(op->data);
        free(op);
    }
}

void disk_image_fini(struct disk_image *image)
{
    free(image->conf);
    free(image->snap);
    free(image->flat);
    memset(image, 0, sizeof(*image));
}

/* ---- start and end ---- */

static void load_entries(struct core *core, const struct disk_image *image)
{
    size_t offset = 0;
    struct flat_entry flat;

    core->first = image->first > 0 ? image->first : image->snap_index + 1;
    while (flat_next(image->flat, image->flat_len, &offset, &flat)) {
        core_log_append(core, flat.term, flat.type, flat.data, flat.len);
    }
    CHECK_MSG(offset == image->flat_len, "entries in the image are damaged");
    /* A log that ends below the snapshot says nothing any more. */
    if (core_last_index(core) < image->snap_index) {
        core_log_reset(core, image->snap_index);
    }
}

static bool check_end(struct core *core)
{
    if (core_last_index(core) > WIRE_INDEX_MAX) {
        core_fail(core,
                  "the log ends at entry %lu, where none can: move the data directory away, run 'hecate member replace "
                  "%lu' and start this member",
                  (unsigned long)core_last_index(core), (unsigned long)core->config.id);
    }
    return !core->failed;
}

/* From the disk, where it was when its checksum was made; what a release wrote once must read for ever. */
static bool check_configurations(struct core *core, const struct disk_image *image)
{
    uint64_t index = image->snap_index > 0 && !core_conf_valid(image->conf, image->conf_len) ? image->conf_index : 0;

    for (size_t i = 0; i < core->n_entries; i++) {
        if (core->entries[i].type == RAFT_CHANGE && !core_conf_valid(core->entries[i].data, core->entries[i].len)) {
            index = core->first + i;
        }
    }
    if (index != 0) {
        core_fail(core,
                  "the configuration of the members at entry %lu cannot be read: start the release that wrote it, or "
                  "move the data directory away, run 'hecate member replace %lu' and start this member",
                  (unsigned long)index, (unsigned long)core->config.id);
    }
    return index == 0;
}

struct core *core_new(const struct core_config *config, const struct core_env *env, const struct disk_image *image)
{
    struct core *core = mem_calloc(1, sizeof(*core));

    core->config = *config;
    default_bytes(&core->config);
    core->env = *env;
    for (size_t i = 0; i < config->n_peers; i++) {
        core->config.peers[i].address = mem_strdup(config->peers[i].address);
        core->peers[i].configured = true;
        CHECK(i == 0 || config->peers[i - 1].id < config->peers[i].id);
    }
    CHECK(core_peer_index(core, config->id) >= 0);
    CHECK(config->trailing > config->inflight && config->window <= CORE_WINDOW_MAX);
    CHECK(core->config.trailing_bytes > core->config.inflight_bytes);
    core->disk_state = image->disk_state;
    core->cluster_id = image->cluster_id;
    core->members_changed = true;
    core->first = 1;
    core->random = config->seed;
    lease_init(&core->lease, core_now(core), 1000 * (uint64_t)config->lease_ms,
               1000 * (uint64_t)config->election_timeout_ms);
    core_form_init(core);
    if (!core_formed(core)) {
        return core;
    }
    core->snapshot_index = image->snap_index;
    core->snapshot_term = image->snap_term;
    core->snapshot_conf_index = image->conf_index;
    core->snapshot_len = image->snap_len;
    core->applied_index = image->snap_index;
    if (image->snap_index > 0) {
        core_conf_applied(core, image->conf_index, image->conf, image->conf_len);
    }
    load_entries(core, image);
    if (!check_end(core) || !check_configurations(core, image)) {
        return core;
    }
    if (image->snap_index > 0 && env->restore(env->user, image->snap_index, image->snap, image->snap_len) != 0) {
        core_fail(core,
                  "the snapshot at %lu cannot be restored (the log says why): start the release that wrote it, or move "
                  "the data directory away, run 'hecate member replace %lu' and start this member",
                  (unsigned long)image->snap_index, (unsigned long)config->id);
        return core;
    }
    if (core->n_entries == 0 && image->snap_index == 0 && core->disk_state == CORE_FORMED) {
        struct disk_op formed = {.disk_state = CORE_FORMED, .cluster_id = image->cluster_id};

        core_form_done(core, &formed); /* it died while the first entry was written */
    } else {
        core_raft_start(core, image);
    }
    if (!core->failed) {
        core_members_update(core); /* who speaks is known before the first frame comes */
    }
    return core;
}

void core_free(struct core *core)
{
    if (core == NULL) {
        return;
    }
    if (core->raft_started) {
        raft_close(&core->raft, NULL);
    }
    for (size_t i = 0; i < core->n_entries; i++) {
        free(core->entries[i].data);
    }
    for (size_t i = 0; i < core->n_held; i++) {
        free(core->held[i].data);
    }
    for (size_t i = 0; i < core->config.n_peers; i++) {
        free((void *)(uintptr_t)core->config.peers[i].address);
    }
    free(core->conf);
    free(core->changes);
    free(core->entries);
    free(core->held);
    free(core->appends);
    free(core->image.conf);
    free(core->image.data);
    free(core->incoming.conf);
    free(core->incoming.data);
    free(core);
}

/* ---- applying ---- */

static void apply_configuration(struct core *core, uint64_t index, const struct core_entry *entry)
{
    struct raft_event event = {.type = RAFT_CONFIGURATION};

    core_conf_applied(core, index, entry->data, entry->len);
    event.configuration.index = index;
    core_conf_decode(entry->data, entry->len, &event.configuration.conf);
    core_raft_step(core, &event);
}

bool core_apply_waits(const struct core *core)
{
    return !core->failed && core->raft_started && (!core_raft_installing(core) || CORE_SKIP(PART_INSTALL_APPLY)) &&
           core->applied_index < raft_commit_index(&core->raft);
}

static bool may_apply(struct core *core)
{
    return core->env.may_apply == NULL || core->env.may_apply(core->env.user) || CORE_SKIP(PART_APPLY_SLICES);
}

/* A member that was away has much to apply: the shell says how much of it may be done before other things have their
 * turn. */
static void apply_committed(struct core *core)
{
    while (core_apply_waits(core) && may_apply(core)) {
        uint64_t index = core->applied_index + 1;
        const struct core_entry *entry = core_entry(core, index);

        CHECK(entry != NULL);
        core->applied_index = index;
        if (entry->type == RAFT_COMMAND) {
            core->env.apply(core->env.user, index, entry->term, entry->data, entry->len);
        } else if (entry->type == RAFT_CHANGE) {
            apply_configuration(core, index, entry);
        }
    }
}

static void submit_barrier(struct core *core)
{
    static char token;
    struct raft_entry entry = {.term = raft_current_term(&core->raft), .type = RAFT_BARRIER, .batch = &token};
    uint64_t nothing = 0;

    /* Rule 1: our own barrier, always; reads and changes wait until it is applied. */
    core->submit_barrier = false;
    entry.buf.base = &nothing;
    entry.buf.len = sizeof(nothing);
    if (core_raft_submit(core, &entry, 1) == 0) {
        core->barrier_index = core_last_index(core);
    }
}

void core_settle(struct core *core)
{
    uint64_t leader;
    bool serving;

    if (core->failed || !core->raft_started) {
        return;
    }
    if (core->submit_barrier) {
        submit_barrier(core);
    }
    apply_committed(core);
    if (core->failed) {
        return;
    }
    core_members_update(core);
    core_term_give_back(core);
    core_flow_pump(core);
    core_snapshot_maybe_take(core);
    leader = core_raft_leader(core);
    if (leader != 0 && leader != core->closed_leader) {
        core->closed_leader = 0;
    }
    serving = core_serving(core);
    if (serving != core->was_serving || leader != core->seen_leader ||
        raft_current_term(&core->raft) != core->seen_term) {
        core->was_serving = serving;
        core->seen_leader = leader;
        core->seen_term = raft_current_term(&core->raft);
        core->env.changed(core->env.user);
    }
}

/* ---- inputs ---- */

void core_connected(struct core *core, uint64_t peer)
{
    int at = core_peer_index(core, peer);

    if (at >= 0 && !core->failed) {
        core->peers[at].connected = true;
        core->peers[at].connected_us = core_now(core);
        core_flow_reset(core, (size_t)at);
        core_form_greet(core, peer, false);
        core->lease_ping_us = 0;
        core_settle(core);
    }
}

void core_closed(struct core *core, uint64_t peer)
{
    int at = core_peer_index(core, peer);

    if (at < 0 || core->failed) {
        return;
    }
    core_snapshot_closed(core, peer);
    if (core->raft_started && core_raft_leader(core) == peer) {
        core->closed_leader = peer;
        core->closed_us = core_now(core);
    }
}

void core_disconnected(struct core *core, uint64_t peer)
{
    int at = core_peer_index(core, peer);

    if (at >= 0 && !core->failed) {
        core->peers[at].connected = false;
        core->peers[at].sending = false;
        core_flow_reset(core, (size_t)at);
    }
}

static void append_done(struct core *core, struct disk_op *op)
{
    CHECK(core->n_appends > 0 && core->appends[0] == op);
    memmove(core->appends, core->appends + 1, --core->n_appends * sizeof(*core->appends));
    core_raft_persisted(core, op);
}

/* A candidate's requests have left only now. A vote counts when it is on the voter's disk: where ours was slow, theirs
 * will be. */
static void vote_on_disk(struct core *core)
{
    uint64_t later_us = 2 * (core_now(core) - core->metas_us);
    uint64_t max_us = 1000 * (uint64_t)core->config.election_timeout_ms;

    if (core->role == CORE_CANDIDATE && core->early_tries > 0) {
        core_next_try(core, later_us < max_us ? later_us : max_us);
    }
}

void core_done(struct core *core, struct disk_op *op)
{
    if (!core->failed && op->status != 0) {
        core_fail(core, "%s", op->message != NULL ? op->message : "the disk failed");
    }
    if (core->failed) {
        if (op->handle != NULL) {
            core->env.snapshot_free(core->env.user, op->handle);
        }
        if (op->state != NULL) {
            core->env.state_free(core->env.user, op->state);
        }
        disk_op_free(op);
        return;
    }
    switch (op->kind) {
    case DISK_STATE:
        core_form_done(core, op);
        break;
    case DISK_META:
        if (--core->metas == 0) {
            core_flush_held(core);
            vote_on_disk(core);
        }
        break;
    case DISK_APPEND:
        append_done(core, op);
        break;
    case DISK_DECODE:
        core_snapshot_decoded(core, op);
        break;
    case DISK_INSTALL:
        core_snapshot_installed(core, op);
        break;
    case DISK_SNAP_PUT:
        core_snapshot_taken(core, op);
        break;
    case DISK_SNAP_GET:
        core_snapshot_loaded(core, op);
        break;
    case DISK_FREE:
        CHECK_MSG(false, "never answered");
    }
    disk_op_free(op);
    core_settle(core);
}

/* ---- submitting ---- */

size_t core_window(struct core *core, uint64_t *ret_bytes)
{
    uint64_t outstanding, bytes;

    *ret_bytes = 0;
    if (core->failed || core->role != CORE_LEADER || core->barrier_index == 0 || core->transfer_to != 0) {
        return 0;
    }
    outstanding = core_last_index(core) - core->applied_index;
    bytes = core_log_bytes(core, core->applied_index + 1, core_last_index(core));
    if (outstanding > 0 && bytes >= core->config.window_bytes) {
        return 0;
    }
    if (core->snapshot_taking &&
        core_log_bytes(core, core->snapshot_index + 1, core_last_index(core)) >= 4 * core_snapshot_due_bytes(core)) {
        return 0; /* the log would grow without end */
    }
    *ret_bytes = core->config.window_bytes - (outstanding > 0 ? bytes : 0);
    return outstanding < core->config.window ? core->config.window - outstanding : 0;
}

uint64_t core_submit(struct core *core, const void *const *data, const uint32_t *lens, size_t n)
{
    static char token;
    struct raft_entry entries[CORE_WINDOW_MAX];
    uint64_t first = core_last_index(core) + 1;
    uint64_t bytes;

    CHECK(n > 0 && n <= core_window(core, &bytes));
    for (size_t i = 0; i < n; i++) {
        CHECK(lens[i] <= CORE_ENTRY_MAX);
        entries[i] = (struct raft_entry){.term = raft_current_term(&core->raft),
                                         .type = RAFT_COMMAND,
                                         .buf = {.base = (void *)(uintptr_t)data[i], .len = lens[i]}, /* copied */
                                         .batch = &token};
    }
    if (core_raft_submit(core, entries, (unsigned)n) != 0) {
        return 0;
    }
    core_settle(core);
    return core->failed ? 0 : first;
}

bool core_serving(struct core *core)
{
    uint64_t now;

    if (core->failed || core->role != CORE_LEADER) {
        return false;
    }
    if ((core->barrier_index == 0 || core->applied_index < core->barrier_index) && !CORE_SKIP(PART_BARRIER)) {
        return false;
    }
    now = core_now(core);
    return lease_until(&core->lease, now, true) > now;
}

static void status_peers(struct core *core, struct core_status *status)
{
    const struct raft_configuration *conf = core_raft_configuration(core);

    status->members_known = core->raft_started && conf->n > 0;
    status->keys_known = core_keys_known(core);
    status->n_peers = core->config.n_peers;
    for (size_t i = 0; i < core->config.n_peers; i++) {
        struct core_peer_status *peer = &status->peers[i];
        raft_index match;

        peer->id = core->config.peers[i].id;
        peer->address = core->config.peers[i].address;
        peer->heard = core->peers[i].heard;
        peer->last_heard_us = core->peers[i].last_heard_us;
        peer->speaks = core_speaks(core, (int)i);
        peer->voting = core_conf_voting(core, peer->id);
        for (unsigned j = 0; core->raft_started && j < conf->n; j++) {
            if (conf->servers[j].id == peer->id) {
                peer->member = true;
                peer->goal = core_goal(conf->servers[j].address);
            }
        }
        if (core->raft_started && core->role == CORE_LEADER && raft_match_index(&core->raft, peer->id, &match) == 0) {
            peer->match_index = match;
        }
    }
}

void core_get_status(struct core *core, struct core_status *ret_status)
{
    memset(ret_status, 0, sizeof(*ret_status));
    ret_status->disk_state = core_formed(core) ? CORE_FORMED : core->disk_state;
    ret_status->cluster_id = core->cluster_id;
    ret_status->refusal = core->refusal;
    ret_status->doubt_by = core->doubt.by;
    status_peers(core, ret_status);
    if (!core->raft_started) {
        return;
    }
    ret_status->role = core->role;
    ret_status->term = raft_current_term(&core->raft);
    ret_status->leader_id = core_raft_leader(core);
    ret_status->commit_index = raft_commit_index(&core->raft);
    ret_status->applied_index = core->applied_index;
    ret_status->last_index = core_last_index(core);
    ret_status->snapshot_index = core->snapshot_index;
    ret_status->serving = core_serving(core);
    ret_status->transferring = core->transfer_to != 0;
    ret_status->lease_until_us = lease_until(&core->lease, core_now(core), core->role == CORE_LEADER);
    ret_status->lease_given_up =
        core->config.lease_kept && ret_status->lease_until_us == 0 && core->lease.given_until > core_now(core);
    ret_status->changing = core->n_changes > 0 && core->changes[core->n_changes - 1] > 1;
}

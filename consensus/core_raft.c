/* raft_step and the order of actions after it. The only file that touches fields of struct raft.
 *
 * After each step: term and vote go to the disk before anything else leaves (core_send holds frames back); entries cut
 * the log and are written; messages are encoded at once, since the library reuses their memory; then roles. Applying
 * comes last, in core_settle.
 */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

#define RAFT_FLAG(flags, name) (((flags) & (RAFT_UPDATE_##name)) != 0)

enum core_role core_raft_role(const struct core *core)
{
    switch (core->raft.state) {
    case RAFT_LEADER:
        return CORE_LEADER;
    case RAFT_CANDIDATE:
        return CORE_CANDIDATE;
    default:
        return CORE_FOLLOWER;
    }
}

bool core_raft_installing(const struct core *core)
{
    return core->raft.snapshot.installing;
}

bool core_raft_pre_voting(const struct core *core)
{
    return core->raft.state == RAFT_CANDIDATE && core->raft.candidate_state.in_pre_vote;
}

uint64_t core_raft_leader(const struct core *core)
{
    if (!core->raft_started) {
        return 0;
    }
    if (core->raft.state == RAFT_LEADER) {
        return core->config.id;
    }
    return core->raft.state == RAFT_FOLLOWER ? core->raft.follower_state.current_leader.id : 0;
}

static void write_meta(struct core *core)
{
    struct disk_op *op;

    if (raft_current_term(&core->raft) == core->term_on_disk && raft_voted_for(&core->raft) == core->vote_on_disk) {
        return;
    }
    op = mem_calloc(1, sizeof(*op));
    op->kind = DISK_META;
    op->term = core->term_on_disk = raft_current_term(&core->raft);
    op->vote = core->vote_on_disk = raft_voted_for(&core->raft);
    if (core->metas++ == 0) {
        core->metas_us = core_now(core);
    }
    core->env.disk(core->env.user, op);
}

static void write_entries(struct core *core, const struct raft_update *update)
{
    struct disk_op *op = mem_calloc(1, sizeof(*op));
    struct buf flat = BUF_INIT;

    CHECK(update->entries.index > core->applied_index && update->entries.index <= core_last_index(core) + 1);
    if (update->entries.index <= core_last_index(core)) {
        core_log_cut(core, update->entries.index);
    }
    for (unsigned i = 0; i < update->entries.n; i++) {
        const struct raft_entry *entry = &update->entries.batch[i];

        CHECK(entry->buf.len <= UINT32_MAX);
        core_log_append(core, entry->term, (uint8_t)entry->type, entry->buf.base, (uint32_t)entry->buf.len);
        flat_append(&flat, entry->term, (uint8_t)entry->type, entry->buf.base, (uint32_t)entry->buf.len);
        /* The barrier that the library adds by itself: its buffer is ours to free. */
        if (update->entries.batch == &core->raft.barrier) {
            raft_free(entry->buf.base);
        }
    }
    op->kind = DISK_APPEND;
    op->first = update->entries.index;
    op->n = update->entries.n;
    op->valid_last = op->first + op->n - 1;
    op->flat_len = flat.len;
    op->flat = (uint8_t *)buf_take(&flat);
    core->appends = mem_realloc_array(core->appends, core->n_appends + 1, sizeof(*core->appends));
    core->appends[core->n_appends++] = op;
    core->env.disk(core->env.user, op);
}

static void write_snapshot(struct core *core, struct raft_update *update)
{
    struct disk_op *op = mem_calloc(1, sizeof(*op));
    struct disk_op *decoded = core->decoded;

    CHECK(decoded != NULL && decoded->index == update->snapshot.metadata.index);
    op->kind = DISK_INSTALL;
    op->index = update->snapshot.metadata.index;
    op->index_term = update->snapshot.metadata.term;
    op->conf_index = update->snapshot.metadata.configuration_index;
    op->conf = TAKE_PTR(decoded->conf);
    op->conf_len = decoded->conf_len;
    op->data = TAKE_PTR(decoded->data);
    op->data_len = decoded->data_len;
    op->state = TAKE_PTR(decoded->state);
    op->keep_from = op->index + 1;
    if (core->applied_index > 0 && core->disk_state != CORE_JOINING) { /* what a newcomer has so far is of others */
        op->handle = core->env.snapshot(core->env.user);
    }
    raft_configuration_close(&update->snapshot.metadata.configuration);
    raft_free(update->snapshot.chunk.base); /* the token; the bytes are in op->data */
    core_log_reset(core, op->index);
    core->snapshot_index = op->index;
    core->snapshot_term = op->index_term;
    core->snapshot_conf_index = op->conf_index;
    core->env.disk(core->env.user, op);
}

static void role_changed(struct core *core)
{
    enum core_role role = core_raft_role(core);
    bool was_leader = core->role == CORE_LEADER;

    core->role = role;
    if (role == CORE_LEADER && !was_leader) {
        core->lead_us = core_now(core);
        core->lead_term = raft_current_term(&core->raft);
        lease_lead(&core->lease);
        core->lease_ping_us = 0;
        core->barrier_index = 0;
        core->submit_barrier = true;
        core->timeout_us = core_now(core);
        for (size_t i = 0; i < core->config.n_peers; i++) {
            core->peers[i].sending = false;
        }
    }
    /* Not because of a newer term, of which the others would know. */
    if (was_leader && role != CORE_LEADER && raft_current_term(&core->raft) == core->lead_term &&
        !CORE_SKIP(PART_RESIGN)) {
        core->env.resigned(core->env.user);
    }
    if (role != CORE_LEADER) {
        core->transfer_to = 0;
        lease_resume(&core->lease);
        core->barrier_index = 0;
        core->submit_barrier = false;
    }
    if (role != CORE_CANDIDATE) {
        raft_set_election_timeout(&core->raft, core->config.election_timeout_ms);
        core->early_tries = 0;
        core->order_number = 0;
    }
}

/* Rule 13: what the library keeps must be what we keep; anything else ends the process. */
static void check_step(struct core *core)
{
    if (CORE_SKIP(PART_ASSERTIONS)) {
        return;
    }
    if (raft_commit_index(&core->raft) < core->commit_seen) {
        core_fail(core, "the commit index went back from %lu to %lu", (unsigned long)core->commit_seen,
                  (unsigned long)raft_commit_index(&core->raft));
        return;
    }
    core->commit_seen = raft_commit_index(&core->raft);
    if (raft_last_index(&core->raft) != core_last_index(core)) {
        core_fail(core, "the log ends at %lu, the library's at %lu", (unsigned long)core_last_index(core),
                  (unsigned long)raft_last_index(&core->raft));
    }
}

void core_raft_set_configurations(struct core *core, uint64_t uncommitted, uint64_t committed)
{
    struct raft *raft = &core->raft;

    if (raft->configuration_uncommitted_index == uncommitted && raft->configuration_committed_index == committed) {
        return;
    }
    raft->configuration_uncommitted_index = uncommitted;
    raft->configuration_committed_index = committed;
    raft_configuration_close(&raft->configuration_committed);
    core_conf_read(core, committed, &raft->configuration_committed);
    if (raft->state == RAFT_FOLLOWER) { /* a leader's goes with its array of followers' progress */
        raft_configuration_close(&raft->configuration);
        core_conf_read(core, uncommitted != 0 ? uncommitted : committed, &raft->configuration);
    }
}

const struct raft_configuration *core_raft_configuration(const struct core *core)
{
    return &core->raft.configuration;
}

bool core_conf_has(const struct core *core, uint64_t id)
{
    return core->raft_started && core_conf_names(&core->raft.configuration, id);
}

enum core_voting core_conf_voting(const struct core *core, uint64_t id)
{
    const struct raft_configuration *conf = &core->raft.configuration;

    for (unsigned i = 0; core->raft_started && i < conf->n; i++) {
        if (conf->servers[i].id == id) {
            return conf->servers[i].role == RAFT_VOTER     ? CORE_VOTER
                   : conf->servers[i].role == RAFT_STANDBY ? CORE_STANDBY
                                                           : CORE_SPARE;
        }
    }
    return CORE_SPARE;
}

/* Whose promises count follows the newest configuration, committed or not, as votes do. */
static void tell_lease(struct core *core)
{
    uint64_t voters[LEASE_PEERS_MAX];
    size_t n = 0;

    for (unsigned i = 0; i < core->raft.configuration.n; i++) {
        if (core->raft.configuration.servers[i].role == RAFT_VOTER) {
            CHECK(n < LEASE_PEERS_MAX);
            voters[n++] = core->raft.configuration.servers[i].id;
        }
    }
    lease_set_voters(&core->lease, core->config.id, voters, n);
}

static void handle_update(struct core *core, struct raft_update *update)
{
    if (RAFT_FLAG(update->flags, CURRENT_TERM) || RAFT_FLAG(update->flags, VOTED_FOR)) {
        write_meta(core);
    }
    CHECK(core->term_on_disk == raft_current_term(&core->raft) && core->vote_on_disk == raft_voted_for(&core->raft));
    if (RAFT_FLAG(update->flags, SNAPSHOT)) {
        write_snapshot(core, update);
    }
    if (RAFT_FLAG(update->flags, ENTRIES)) {
        write_entries(core, update);
    }
    if (RAFT_FLAG(update->flags, MESSAGES)) {
        for (unsigned i = 0; i < update->messages.n; i++) {
            core_send_raft(core, &update->messages.batch[i]);
        }
    }
    if (RAFT_FLAG(update->flags, STATE) || core->role != core_raft_role(core)) {
        role_changed(core);
    }
    if (core->early_tries > 0 && core->role == CORE_CANDIDATE && RAFT_FLAG(update->flags, CURRENT_TERM)) {
        core_next_try(core, 0); /* the pre-vote is won */
    }
    check_step(core);
    core_conf_correct(core);
    tell_lease(core);
}

static int step(struct core *core, struct raft_event *event, struct raft_update *ret_update)
{
    event->time = core_now(core) / 1000;
    memset(ret_update, 0, sizeof(*ret_update));
    return raft_step(&core->raft, event, ret_update);
}

void core_raft_step(struct core *core, struct raft_event *event)
{
    struct raft_update update;
    int rc;

    if (core->failed) {
        return;
    }
    core->answering = event->type == RAFT_RECEIVE && event->receive.message->type == RAFT_APPEND_ENTRIES_RESULT;
    rc = step(core, event, &update);
    if (rc != 0) {
        core_fail(core, "raft_step(event %d) failed: %s", (int)event->type, raft_strerror(rc));
        return;
    }
    handle_update(core, &update);
    core->answering = false;
}

int core_raft_submit(struct core *core, struct raft_entry *entries, unsigned n)
{
    struct raft_event event = {.type = RAFT_SUBMIT, .submit = {.entries = entries, .n = n}};
    struct raft_update update;
    int rc = step(core, &event, &update);

    if (rc == RAFT_NOTLEADER || rc == RAFT_CANTCHANGE || rc == RAFT_NOSPACE || rc == RAFT_MALFORMED) {
        return rc; /* nothing happened */
    }
    if (rc != 0) {
        core_fail(core, "raft_step(submit) failed: %s", raft_strerror(rc));
        return rc;
    }
    handle_update(core, &update);
    return 0;
}

uint64_t core_raft_heard_us(const struct core *core)
{
    return 1000 * core->raft.election_timer_start;
}

bool core_raft_silent(struct core *core)
{
    /* The library keeps the leader of an older term in mind. When an election was begun and not decided, nobody is to
     * be sheltered from the next one. */
    if (core->led_term < raft_current_term(&core->raft) && !CORE_SKIP(PART_PAST_LEADER)) {
        return core->raft.state == RAFT_FOLLOWER;
    }
    return core->raft.state == RAFT_FOLLOWER && core->raft.follower_state.current_leader.id != 0 &&
           core_now(core) >= core_raft_heard_us(core) + 1000 * (uint64_t)core->config.election_timeout_ms &&
           !CORE_SKIP(PART_SILENCE);
}

void core_raft_timeout(struct core *core)
{
    struct raft_event event = {.type = RAFT_TIMEOUT};

    /* Rule 3: a candidate's next try begins with a pre-vote again, and without the right to disrupt. */
    if (core->raft.state == RAFT_CANDIDATE && !CORE_SKIP(PART_CANDIDATE)) {
        core->raft.candidate_state.in_pre_vote = true;
        core->raft.candidate_state.disrupt_leader = false;
        core->order_number = 0;
        if (core->early_tries > 0 && ++core->early_tries > CORE_EARLY_TRIES) {
            core->early_tries = 0;
            raft_set_election_timeout(&core->raft, core->config.election_timeout_ms);
        }
    }
    if (core->raft.state == RAFT_CANDIDATE && core->early_tries > 0) {
        core_raft_election(core); /* the next one in turn */
        return;
    }
    core->timeout_us = core_now(core);
    core_raft_step(core, &event);
}

void core_raft_election(struct core *core)
{
    struct raft_event event = {.type = RAFT_TIMEOUT};

    /* The library's election timer is made to have expired. */
    raft_set_election_timeout(&core->raft, 1);
    core->early_tries = core->early_tries > 0 ? core->early_tries : 1;
    core->timeout_us = core_now(core);
    core_raft_step(core, &event);
    if (core->failed) {
        return;
    }
    raft_set_election_timeout(&core->raft, core->config.election_timeout_ms);
    if (core_raft_role(core) == CORE_CANDIDATE) {
        core_next_try(core, 0);
    } else {
        core->early_tries = 0;
    }
}

void core_raft_persisted(struct core *core, const struct disk_op *op)
{
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};

    /* Entries cut meanwhile do not count, nor does what the library knows already. */
    if (op->valid_last < op->first || op->valid_last <= core->raft.last_stored || core_raft_installing(core)) {
        return;
    }
    event.persisted_entries.index = op->valid_last;
    core_raft_step(core, &event);
}

static void start_entries(struct core *core, struct raft_entry *entries)
{
    static char token;

    for (size_t i = 0; i < core->n_entries; i++) {
        const struct core_entry *entry = &core->entries[i];

        entries[i] = (struct raft_entry){
            .term = entry->term,
            .type = (enum raft_entry_type)entry->type,
            .buf = {.base = entry->data, .len = entry->len},
            .batch = &token,
        };
    }
}

void core_raft_start(struct core *core, const struct disk_image *image)
{
    const struct core_config *config = &core->config;
    struct raft_snapshot_metadata metadata = {.index = image->snap_index, .term = image->snap_term};
    CLEANUP(free_ptr) struct raft_entry *entries = mem_calloc(core->n_entries + 1, sizeof(*entries));
    struct raft_event event = {.type = RAFT_START};
    const char *address = config->peers[core_peer_index(core, config->id)].address;

    memset(&core->raft, 0, sizeof(core->raft));
    CHECK(raft_init(&core->raft, NULL, NULL, config->id, address) == 0);
    raft_set_election_timeout(&core->raft, config->election_timeout_ms);
    raft_set_heartbeat_timeout(&core->raft, config->heartbeat_ms);
    raft_set_pre_vote(&core->raft, true);
    raft_set_max_inflight_entries(&core->raft, config->inflight);
    raft_seed(&core->raft, (unsigned)config->seed);
    core->raft_started = true;
    core->term_on_disk = image->term;
    core->vote_on_disk = image->vote;
    core->commit_seen = image->snap_index;
    event.start.term = image->term;
    event.start.voted_for = image->vote;
    if (image->snap_index > 0) {
        core_conf_decode(image->conf, image->conf_len, &metadata.configuration);
        metadata.configuration_index = image->conf_index;
        event.start.metadata = &metadata;
    }
    start_entries(core, entries);
    event.start.start_index = core->first;
    event.start.entries = entries;
    event.start.n_entries = (unsigned)core->n_entries;
    core_raft_step(core, &event);
}

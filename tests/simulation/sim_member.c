/* A member: the core's environment, its clock, its state machine (a running hash of all that was applied, and what the
 * hooks put beside it), and the oracle that compares it with the others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "tests/simulation/sim.h"

#define SNAP_HEADER 16 /* applied index, hash */

struct handle {
    struct sim *sim;
    uint64_t applied, hash;
    void *inner;
};

/* ---- clocks ---- */

uint64_t sim_clock(const struct sim_member *member)
{
    uint64_t now = member->sim->now;

    return member->clock_offset + now + (uint64_t)((int64_t)now * member->ppm / 1000000);
}

/* The first true time at which the member's clock shows this or more. */
uint64_t sim_true_time(const struct sim_member *member, uint64_t clock)
{
    uint64_t left = clock > member->clock_offset ? clock - member->clock_offset : 0;
    uint64_t guess;

    if (left > UINT64_C(1) << 42) {
        return UINT64_MAX;
    }
    guess = (uint64_t)((int64_t)left * 1000000 / (1000000 + member->ppm));
    while ((int64_t)guess + (int64_t)guess * member->ppm / 1000000 < (int64_t)left) {
        guess++;
    }
    return guess;
}

/* ---- environment ---- */

static uint64_t env_now(void *user)
{
    return sim_clock(user);
}

static void env_send(void *user, uint64_t peer, uint8_t *frame, size_t len)
{
    struct sim_member *member = user;

    CHECK(peer > 0 && peer <= member->sim->config.n_members);
    sim_net_send(member->sim, member->at, (size_t)peer - 1, frame, len);
}

static void env_disk(void *user, struct disk_op *op)
{
    sim_disk_put(user, op);
}

static uint64_t mix(uint64_t hash, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

/* All members that have applied up to an index have applied the same. */
static void compare(struct sim_member *member)
{
    struct sim *sim = member->sim;
    size_t old = sim->n_hashes;

    if (member->applied >= old) {
        sim->n_hashes = member->applied * 2 + 64;
        sim->hashes = mem_realloc_array(sim->hashes, sim->n_hashes, sizeof(*sim->hashes));
        memset(sim->hashes + old, 0, (sim->n_hashes - old) * sizeof(*sim->hashes));
    }
    if (sim->hashes[member->applied] == 0) {
        sim->hashes[member->applied] = member->hash;
    } else if (sim->hashes[member->applied] != member->hash) {
        sim_fail(sim, "member %zu has applied something else up to %lu", member->at, (unsigned long)member->applied);
    }
}

static void acknowledge(struct sim_member *member, uint64_t index, uint64_t term, const uint8_t *data, size_t len)
{
    struct sim *sim = member->sim;
    struct sim_pending *pending = &member->pending[index % SIM_LOGS];
    uint64_t number;

    if (pending->index != index) {
        return;
    }
    if (pending->term == term) { /* as node.c: the submitter is told that its command is done */
        number = mix(0, data, len);
        if (number != pending->number) {
            sim_fail(sim, "command %lu was acknowledged for %lu at index %lu", (unsigned long)pending->number,
                     (unsigned long)number, (unsigned long)index);
        }
        sim->acked++;
        sim->acked_index = index > sim->acked_index ? index : sim->acked_index;
    }
    pending->index = 0;
}

static int env_judge(void *user, const uint8_t *data, size_t len, struct err *reterr)
{
    (void)user;
    if (len == 0 || (len >= 3 && memcmp(data, "bad", 3) == 0)) {
        return err_set(reterr, E_DAMAGED, "no command");
    }
    return len >= 3 && memcmp(data, "new", 3) == 0 ? err_set(reterr, E_UNSUPPORTED, "a new command") : 0;
}

static int env_judge_head(void *user, uint64_t index, const uint8_t *head, size_t len, uint64_t size_bytes,
                          struct err *reterr)
{
    uint64_t applied;

    (void)user;
    (void)size_bytes;
    if (len < SNAP_HEADER) {
        return err_set(reterr, E_DAMAGED, "no snapshot");
    }
    memcpy(&applied, head, sizeof(applied));
    return applied <= index ? 0 : err_set(reterr, E_DAMAGED, "a snapshot of more than its entries");
}

static void env_apply(void *user, uint64_t index, uint64_t term, const uint8_t *data, size_t len)
{
    struct sim_member *member = user;
    const struct sim_hooks *hooks = &member->sim->config.hooks;

    if (index <= member->applied) {
        sim_fail(member->sim, "member %zu applies %lu after %lu", member->at, (unsigned long)index,
                 (unsigned long)member->applied);
        return;
    }
    /* Entries that are not commands are skipped by the core on all members alike. */
    member->applied = index;
    member->n_applied++;
    member->most_applied = member->n_applied > member->most_applied ? member->n_applied : member->most_applied;
    member->hash = mix(member->hash, (const uint8_t *)&index, sizeof(index));
    member->hash = mix(member->hash, (const uint8_t *)&term, sizeof(term));
    member->hash = mix(member->hash, data, len);
    compare(member);
    if (hooks->apply != NULL) {
        hooks->apply(hooks->user, member->at, index, term, data, len);
    }
    acknowledge(member, index, term, data, len);
}

static bool env_may_apply(void *user)
{
    const struct sim_member *member = user;
    uint32_t max = member->sim->config.apply_max;

    return max == 0 || member->n_applied < max;
}

static void *env_snapshot(void *user)
{
    struct sim_member *member = user;
    const struct sim_hooks *hooks = &member->sim->config.hooks;
    struct handle *handle = mem_calloc(1, sizeof(*handle));

    handle->sim = member->sim;
    handle->applied = member->applied;
    handle->hash = member->hash;
    handle->inner = hooks->snapshot != NULL ? hooks->snapshot(hooks->user, member->at) : NULL;
    return handle;
}

void sim_handle_free(struct sim *sim, void *user)
{
    struct handle *handle = user;

    if (sim->config.hooks.snapshot_free != NULL) {
        sim->config.hooks.snapshot_free(sim->config.hooks.user, handle->inner);
    }
    free(handle);
}

static void env_snapshot_free(void *user, void *handle)
{
    sim_handle_free(((struct sim_member *)user)->sim, handle);
}

void sim_encode(struct sim *sim, void *user, uint8_t **ret_data, size_t *ret_len)
{
    const struct handle *handle = user;
    struct buf buf = BUF_INIT;

    buf_append(&buf, &handle->applied, sizeof(handle->applied));
    buf_append(&buf, &handle->hash, sizeof(handle->hash));
    if (sim->config.hooks.encode != NULL) {
        sim->config.hooks.encode(sim->config.hooks.user, handle->inner, &buf);
    } else {
        for (size_t i = 0; i < sim->config.snapshot_bytes; i++) {
            buf_append_char(&buf, (char)(handle->hash >> (i % 8 * 8)));
        }
    }
    *ret_len = buf.len;
    *ret_data = (uint8_t *)buf_take(&buf);
}

static int env_restore(void *user, uint64_t index, const uint8_t *data, size_t len)
{
    struct sim_member *member = user;
    const struct sim_hooks *hooks = &member->sim->config.hooks;

    if (len < SNAP_HEADER) {
        return -1;
    }
    memcpy(&member->applied, data, 8);
    memcpy(&member->hash, data + 8, 8);
    if (member->applied > index) {
        return -1;
    }
    compare(member);
    if (hooks->restore != NULL) {
        return hooks->restore(hooks->user, member->at, index, data + SNAP_HEADER, len - SNAP_HEADER);
    }
    for (size_t i = 0; i < len - SNAP_HEADER; i++) {
        if (data[SNAP_HEADER + i] != (uint8_t)(member->hash >> (i % 8 * 8))) {
            return -1;
        }
    }
    return 0;
}

struct state { /* a snapshot taken apart, beside the member */
    size_t len;
    uint8_t *data;
};

void *sim_decode(uint64_t index, const uint8_t *data, size_t len)
{
    struct state *state;
    uint64_t applied;

    if (len < SNAP_HEADER) {
        return NULL;
    }
    memcpy(&applied, data, sizeof(applied));
    if (applied > index) {
        return NULL;
    }
    state = mem_calloc(1, sizeof(*state));
    *state = (struct state){.len = len, .data = mem_dup(data, len)};
    return state;
}

void sim_state_free(void *user)
{
    struct state *state = user;

    if (state != NULL) {
        free(state->data);
        free(state);
    }
}

static void env_state_free(void *user, void *state)
{
    (void)user;
    sim_state_free(state);
}

static void *env_adopt(void *user, uint64_t index, void *new_state)
{
    struct sim_member *member = user;
    const struct state *state = new_state;

    if (env_restore(member, index, state->data, state->len) != 0) {
        sim_fail(member->sim, "member %zu cannot restore the snapshot at %lu", member->at, (unsigned long)index);
    }
    return new_state; /* to be freed */
}

static void env_changed(void *user)
{
    (void)user; /* the oracle looks after every event */
}

static void env_resigned(void *user)
{
    struct sim_member *member = user;

    sim_net_reset(member->sim, member->at);
}

/* Everybody is connected to everybody; a core hears of it once it knows whom it is about. */
static void env_members(void *user)
{
    struct sim_member *member = user;

    for (size_t i = 0; i < member->sim->config.n_members; i++) {
        if (member->sim->links[member->at][i].connected) {
            sim_post(member->sim, member->sim->now, SIM_CONNECTED, member->at)->other = i;
        }
    }
}

static void env_failed(void *user, const char *text)
{
    struct sim_member *member = user;

    member->failed = true;
    free(member->failed_text);
    member->failed_text = mem_strdup(text);
}

/* ---- life ---- */

const char *const sim_addresses[] = {"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1", "10.0.0.5:1"};

void sim_member_start(struct sim_member *member)
{
    struct sim *sim = member->sim;
    const struct core_env env = {.user = member,
                                 .now = env_now,
                                 .send = env_send,
                                 .disk = env_disk,
                                 .judge = env_judge,
                                 .judge_head = env_judge_head,
                                 .apply = env_apply,
                                 .may_apply = env_may_apply,
                                 .snapshot = env_snapshot,
                                 .snapshot_free = env_snapshot_free,
                                 .restore = env_restore,
                                 .state_free = env_state_free,
                                 .adopt = env_adopt,
                                 .changed = env_changed,
                                 .resigned = env_resigned,
                                 .members = env_members,
                                 .failed = env_failed};
    struct core_config config = {.id = member->id,
                                 .election_timeout_ms = sim->config.election_timeout_ms,
                                 .lease_ms = sim->config.lease_ms,
                                 .heartbeat_ms = sim->config.heartbeat_ms,
                                 .slot_ms = 25,
                                 .snapshot_threshold = sim->config.snapshot_threshold,
                                 .trailing = sim->config.trailing,
                                 .inflight = sim->config.inflight,
                                 .window = sim->config.window,
                                 .inflight_bytes = sim->config.inflight_bytes,
                                 .window_bytes = sim->config.window_bytes,
                                 .frame_bytes = sim->config.frame_bytes,
                                 .trailing_bytes = sim->config.trailing_bytes,
                                 .snapshot_bytes = sim->config.snapshot_due_bytes,
                                 .lease_kept = sim->config.keeper_us > 0,
                                 .seed = sim_random(sim, UINT64_MAX)};
    struct disk_image image;

    for (size_t i = 0; i < sim->config.n_members; i++) {
        if (member->in_file[i] || i == member->at) {
            config.peers[config.n_peers++] = (struct core_peer){.id = i + 1, .address = sim_addresses[i]};
        }
    }
    for (size_t i = 0; i < sizeof(config.new_cluster_id.bytes); i++) {
        config.new_cluster_id.bytes[i] = (uint8_t)sim_random(sim, 256);
    }
    member->up = true;
    member->failed = false;
    member->frozen_until = 0;
    member->life++;
    member->applied = 0;
    member->hash = UINT64_C(14695981039346656037);
    memset(member->pending, 0, sizeof(member->pending));
    if (sim->config.hooks.started != NULL) {
        sim->config.hooks.started(sim->config.hooks.user, member->at);
    }
    sim_disk_image(member, &image);
    member->core = core_new(&config, &env, &image);
    disk_image_fini(&image);
    sim_net_up(sim, member->at);
    sim_touched(sim, member->at);
}

void sim_member_stop(struct sim_member *member)
{
    if (!member->up) {
        return;
    }
    member->up = false;
    member->life++;
    sim_net_down(member->sim, member->at);
    sim_disk_crash(member);
    core_free(member->core);
    member->core = NULL;
    member->was_leader = false;
    if (member->sim->config.hooks.stopped != NULL) {
        member->sim->config.hooks.stopped(member->sim->config.hooks.user, member->at);
    }
}

void sim_touched(struct sim *sim, size_t at)
{
    struct sim_member *member = &sim->members[at];
    uint64_t next, when;

    if (!member->up) {
        return;
    }
    next = core_poll(member->core);
    sim_oracle(member);
    if (sim->config.hooks.step != NULL) {
        sim->config.hooks.step(sim->config.hooks.user, at);
        next = core_poll(member->core); /* it may have submitted something */
    }
    member->n_applied = 0;
    if (next == UINT64_MAX) {
        return;
    }
    when = sim_true_time(member, next);
    sim_post(sim, when > sim->now ? when : sim->now + 1, SIM_POLL, at)->number = ++member->poll_seq;
}

/* ---- oracle ---- */

static void check_lease(struct sim_member *member, const struct core_status *status)
{
    struct sim *sim = member->sim;

    for (size_t i = 0; i < sim->config.n_members; i++) {
        const struct sim_member *other = &sim->members[i];

        if (other != member && other->held_until > sim->now) {
            sim_fail(sim, "two leases: member %zu in term %lu, member %zu for another %lu us", member->at,
                     (unsigned long)status->term, i, (unsigned long)(other->held_until - sim->now));
        }
    }
    member->held_until = sim_true_time(member, status->lease_until_us);
    /* Whoever serves has applied all that was ever acknowledged: no stale read. */
    if (status->applied_index < sim->acked_index) {
        sim_fail(sim, "member %zu serves having applied %lu of %lu acknowledged", member->at,
                 (unsigned long)status->applied_index, (unsigned long)sim->acked_index);
    }
}

static void check_term(struct sim_member *member, uint64_t term)
{
    struct sim_term *led = &member->sim->terms[term % SIM_TERMS];

    if (led->term == term && led->leader != member->id) {
        sim_fail(member->sim, "members %lu and %lu have both led in term %lu", (unsigned long)led->leader,
                 (unsigned long)member->id, (unsigned long)term);
    }
    *led = (struct sim_term){.term = term, .leader = member->id};
}

void sim_oracle(struct sim_member *member)
{
    struct sim *sim = member->sim;
    struct core_status status;

    if (member->failed) {
        if (!sim->config.members_may_fail) {
            sim_fail(sim, "member %zu: %s", member->at, member->failed_text);
        }
        return;
    }
    core_get_status(member->core, &status);
    if (status.role == CORE_LEADER && !member->was_leader) {
        sim->elections++;
        check_term(member, status.term);
    }
    member->was_leader = status.role == CORE_LEADER;
    if (core_serving(member->core)) {
        check_lease(member, &status);
    } else if (sim->config.keeper_us == 0) {
        member->held_until = 0; /* nobody but the member itself lived by it */
    } else if (status.lease_given_up && member->held_until > sim->now) {
        /* The keeper lets go, after its delay; then the core is told. */
        if (member->held_until > sim->now + sim->config.keeper_us) {
            member->held_until = sim->now + sim->config.keeper_us;
        }
    } else if (status.lease_given_up) {
        core_lease_released(member->core);
    }
}

int sim_leader(struct sim *sim)
{
    for (size_t i = 0; i < sim->config.n_members; i++) {
        struct sim_member *member = &sim->members[i];

        if (member->up && !member->failed && member->frozen_until <= sim->now && core_serving(member->core)) {
            return (int)i;
        }
    }
    return -1;
}

struct core_status sim_status(struct sim *sim, size_t at)
{
    struct core_status status;

    core_get_status(sim->members[at].core, &status);
    return status;
}

const struct core_peer_status *sim_peer(const struct sim *sim, const struct core_status *status, size_t other)
{
    for (size_t i = 0; i < status->n_peers; i++) {
        if (status->peers[i].id == sim->members[other].id) {
            return &status->peers[i];
        }
    }
    return NULL;
}

static uint64_t submit(struct sim *sim, size_t at, const void *const *data, const uint32_t *lens, size_t n)
{
    struct sim_member *member = &sim->members[at];
    struct core_status status;
    uint64_t first;

    core_get_status(member->core, &status);
    for (size_t i = 0; i < n; i++) { /* known before the core may apply it */
        member->pending[(status.last_index + 1 + i) % SIM_LOGS] = (struct sim_pending){
            .index = status.last_index + 1 + i, .term = status.term, .number = mix(0, data[i], lens[i])};
    }
    first = core_submit(member->core, data, lens, n);
    if (first != status.last_index + 1) {
        sim_fail(sim, "member %zu: submitted at %lu instead of %lu", at, (unsigned long)first,
                 (unsigned long)status.last_index + 1);
    }
    return first;
}

uint64_t sim_submit(struct sim *sim, size_t at, size_t n)
{
    uint64_t bytes;
    size_t window = core_window(sim->members[at].core, &bytes);
    uint64_t numbers[32];
    const void *data[32];
    uint32_t lens[32];
    uint64_t first;

    n = n < window ? n : window;
    n = n < 32 ? n : 32;
    if (n == 0) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        numbers[i] = ++sim->submitted;
        data[i] = &numbers[i];
        lens[i] = sizeof(numbers[i]);
    }
    first = submit(sim, at, data, lens, n);
    sim_touched(sim, at);
    return first;
}

uint64_t sim_propose(struct sim *sim, size_t at, const void *data, size_t len)
{
    uint32_t len32 = (uint32_t)len;
    uint64_t bytes;

    return core_window(sim->members[at].core, &bytes) > 0 ? submit(sim, at, &data, &len32, 1) : 0;
}

void sim_print(struct sim *sim)
{
    static const char *const roles[] = {"follower", "candidate", "leader"};

    for (size_t i = 0; i < sim->config.n_members; i++) {
        struct sim_member *member = &sim->members[i];
        struct core_status status;

        if (!member->up) {
            fprintf(stderr, "  member %zu: down\n", i);
            continue;
        }
        core_get_status(member->core, &status);
        fprintf(stderr, "  member %zu: %s%s term %lu leader %lu commit %lu applied %lu last %lu snapshot %lu; match", i,
                roles[status.role], status.serving ? ", serving," : "", (unsigned long)status.term,
                (unsigned long)status.leader_id, (unsigned long)status.commit_index,
                (unsigned long)status.applied_index, (unsigned long)status.last_index,
                (unsigned long)status.snapshot_index);
        for (size_t j = 0; j < status.n_peers; j++) {
            fprintf(stderr, " %lu:%lu/%d", (unsigned long)status.peers[j].id,
                    (unsigned long)status.peers[j].match_index, (int)status.peers[j].voting);
        }
        fprintf(stderr, "\n");
    }
}

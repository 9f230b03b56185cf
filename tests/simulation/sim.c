/* Time: the queue of events, running, seeds. */
#include "tests/simulation/sim.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/check.h"
#include "store/base/mem.h"

static uint64_t running_seed;

/* An assertion ends the process: the seed must be known then, too. */
static void aborted(int signal_number)
{
    static const char before[] = "simulation: aborted with seed ";
    char digits[21], *first = digits + sizeof(digits) - 1;
    uint64_t rest = running_seed;

    *first = '\n';
    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    (void)!write(STDERR_FILENO, before, sizeof(before) - 1);
    (void)!write(STDERR_FILENO, first, (size_t)(digits + sizeof(digits) - first));
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

uint64_t sim_random(struct sim *sim, uint64_t below)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return below > 0 ? (sim->random * UINT64_C(2685821657736338717) >> 16) % below : 0;
}

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high)
{
    return high > low ? low + sim_random(sim, high - low + 1) : low;
}

void sim_fail(struct sim *sim, const char *fmt, ...)
{
    va_list args;

    if (sim->failure[0] != '\0') {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(sim->failure, sizeof(sim->failure), fmt, args);
    va_end(args);
}

/* ---- the queue: a heap by time, then by order of posting ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void push(struct sim *sim, struct sim_event *event)
{
    size_t at = sim->n_events++;

    if (sim->n_events > sim->cap_events) {
        sim->cap_events = sim->cap_events > 0 ? 2 * sim->cap_events : 1024;
        sim->heap = mem_realloc_array(sim->heap, sim->cap_events, sizeof(struct sim_event *));
    }
    while (at > 0 && before(event, sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = event;
}

static struct sim_event *pop(struct sim *sim)
{
    struct sim_event *first = sim->heap[0];
    struct sim_event *last = sim->heap[--sim->n_events];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= sim->n_events) {
            break;
        }
        if (child + 1 < sim->n_events && before(sim->heap[child + 1], sim->heap[child])) {
            child++;
        }
        if (!before(sim->heap[child], last)) {
            break;
        }
        sim->heap[at] = sim->heap[child];
        at = child;
    }
    sim->heap[at] = last;
    return first;
}

struct sim_event *sim_post(struct sim *sim, uint64_t at, enum sim_kind kind, size_t member)
{
    struct sim_event *event = mem_calloc(1, sizeof(*event));

    CHECK(at >= sim->now); /* time never runs back */
    event->at = at;
    event->seq = sim->seq++;
    event->kind = kind;
    event->member = member;
    event->life = sim->members[member].life;
    push(sim, event);
    return event;
}

void sim_at(struct sim *sim, uint64_t in_us, void (*fn)(struct sim *sim, void *user), void *user)
{
    struct sim_event *event = sim_post(sim, sim->now + in_us, SIM_CALL, 0);

    event->fn = fn;
    event->user = user;
}

/* ---- running ---- */

static void dispatch(struct sim *sim, struct sim_event *event)
{
    struct sim_member *member = &sim->members[event->member];

    switch (event->kind) {
    case SIM_CALL:
        event->fn(sim, event->user);
        return;
    case SIM_CONNECT: /* dials again, whoever lives now */
        if (member->up && sim->members[event->other].up && !sim->links[event->member][event->other].connected) {
            struct sim_link *link = &sim->links[event->member][event->other];

            if (link->cut) {
                sim_post(sim, sim->now + 50 * SIM_MS, SIM_CONNECT, event->member)->other = event->other;
                return;
            }
            link->connected = true;
            link->generation++;
            sim_post(sim, sim->now, SIM_CONNECTED, event->member)->other = event->other;
        }
        return;
    case SIM_POLL:
        if (event->number != member->poll_seq) {
            return;
        }
        break;
    case SIM_FRAME:
        if (!core_recv(member->core, sim->members[event->other].id, event->frame, event->len)) {
            sim_fail(sim, "member %zu refuses a frame of member %zu", event->member, event->other);
        }
        break;
    case SIM_CLOSED:
        core_closed(member->core, sim->members[event->other].id);
        break;
    case SIM_CONNECTED:
        core_connected(member->core, sim->members[event->other].id);
        break;
    case SIM_DISCONNECTED:
        core_disconnected(member->core, sim->members[event->other].id);
        break;
    case SIM_DISK:
        sim_disk_done(member, event->number == 1);
        break;
    }
    sim_touched(sim, event->member);
}

static void one_event(struct sim *sim)
{
    struct sim_event *event = pop(sim);
    struct sim_member *member = &sim->members[event->member];
    bool of_member = event->kind != SIM_CALL && event->kind != SIM_CONNECT;

    CHECK(event->at >= sim->now);
    sim->now = event->at;
    if (of_member && (event->life != member->life || !member->up)) {
        free(event->frame);
        free(event);
        return;
    }
    if (of_member && member->frozen_until > sim->now) {
        event->at = member->frozen_until; /* in the same order, later */
        push(sim, event);
        return;
    }
    dispatch(sim, event);
    free(event->frame);
    free(event);
}

void sim_run(struct sim *sim, uint64_t for_us)
{
    (void)sim_run_until(sim, for_us, NULL, NULL);
}

bool sim_run_until(struct sim *sim, uint64_t at_most_us, bool (*condition)(struct sim *sim, void *user), void *user)
{
    uint64_t end = sim->now + at_most_us;

    running_seed = sim->config.seed;
    while (sim->failure[0] == '\0') {
        if (condition != NULL && condition(sim, user)) {
            return true;
        }
        if (sim->n_events == 0 || sim->heap[0]->at > end) {
            sim->now = end;
            return false;
        }
        one_event(sim);
    }
    return false;
}

static bool serves(struct sim *sim, void *user)
{
    *(int *)user = sim_leader(sim);
    return *(int *)user >= 0;
}

bool sim_wait_serving(struct sim *sim, uint64_t at_most_us, size_t *ret_member)
{
    int leader = -1;
    bool found = sim_run_until(sim, at_most_us, serves, &leader);

    if (ret_member != NULL && found) {
        *ret_member = (size_t)leader;
    }
    return found;
}

static bool equal(struct sim *sim, void *user)
{
    int leader = sim_leader(sim);
    struct core_status status;

    (void)user;
    if (leader < 0) {
        return false;
    }
    status = sim_status(sim, (size_t)leader);
    for (size_t i = 0; i < sim->config.n_members; i++) {
        const struct core_peer_status *peer = sim_peer(sim, &status, i);

        if (peer != NULL && peer->voting != CORE_SPARE && /* nothing is sent to spares */
            (!sim->members[i].up || sim_status(sim, i).applied_index < status.last_index)) {
            return false;
        }
    }
    return true;
}

bool sim_wait_equal(struct sim *sim, uint64_t at_most_us)
{
    return sim_run_until(sim, at_most_us, equal, NULL);
}

/* ---- beginning and end ---- */

static void defaults(struct sim_config *config)
{
    config->n_members = config->n_members > 0 ? config->n_members : 3;
    config->n_initial = config->n_initial > 0 ? config->n_initial : config->n_members;
    config->election_timeout_ms = config->election_timeout_ms > 0 ? config->election_timeout_ms : 300;
    config->lease_ms = config->lease_ms > 0 ? config->lease_ms : 150;
    config->heartbeat_ms = config->heartbeat_ms > 0 ? config->heartbeat_ms : 50;
    config->snapshot_threshold = config->snapshot_threshold > 0 ? config->snapshot_threshold : 1000000;
    config->trailing = config->trailing > 0 ? config->trailing : 64;
    config->inflight = config->inflight > 0 ? config->inflight : 48;
    config->window = config->window > 0 ? config->window : 32;
    config->snapshot_bytes = config->snapshot_bytes > 0 ? config->snapshot_bytes : 100;
    config->latency_min_us = config->latency_min_us > 0 ? config->latency_min_us : 200;
    config->latency_max_us = config->latency_max_us > 0 ? config->latency_max_us : 1500;
    config->disk_min_us = config->disk_min_us > 0 ? config->disk_min_us : 300;
    config->disk_max_us = config->disk_max_us > 0 ? config->disk_max_us : 3000;
}

static void client(struct sim *sim, void *user)
{
    for (size_t i = 0; i < sim->config.n_members && sim->client_on; i++) {
        struct sim_member *member = &sim->members[i];

        if (member->up && member->frozen_until <= sim->now) {
            (void)sim_submit(sim, i, 1 + sim_random(sim, 4));
        }
    }
    sim_at(sim, sim->config.client_every_us, client, user);
}

struct sim *sim_new(const struct sim_config *config)
{
    struct sim *sim = mem_calloc(1, sizeof(*sim));

    sim->config = *config;
    if (config->hooks.sim != NULL) {
        *config->hooks.sim = sim;
    }
    defaults(&sim->config);
    sim->random = config->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 8; i++) {
        (void)sim_random(sim, 2);
    }
    sim->slow_network = sim->slow_disk = 1;
    sim->client_on = true;
    running_seed = config->seed;
    signal(SIGABRT, aborted);
    for (size_t i = 0; i < sim->config.n_members; i++) {
        struct sim_member *member = &sim->members[i];
        uint64_t ppm = (uint64_t)sim->config.drift_ppm;

        member->sim = sim;
        member->at = i;
        member->id = i + 1;
        member->ppm = (int64_t)sim_random(sim, 2 * ppm + 1) - (int64_t)ppm;
        if (config->drift_worst) {
            member->ppm = i == 0 ? -(int64_t)ppm : (int64_t)ppm;
        }
        member->clock_offset = SIM_S + sim_random(sim, 1000 * SIM_S);
        member->disk.first = 1;
        for (size_t j = 0; j < sim->config.n_initial; j++) {
            member->in_file[j] = true;
        }
    }
    for (size_t i = 0; i < sim->config.n_members; i++) {
        sim_member_start(&sim->members[i]);
    }
    if (sim->config.client_every_us > 0) {
        sim_at(sim, sim->config.client_every_us, client, NULL);
    }
    return sim;
}

void sim_free(struct sim *sim)
{
    for (size_t i = 0; i < sim->config.n_members; i++) {
        sim_member_stop(&sim->members[i]);
        sim_disk_wipe(&sim->members[i]);
        free(sim->members[i].failed_text);
    }
    while (sim->n_events > 0) {
        struct sim_event *event = pop(sim);

        free(event->frame);
        free(event);
    }
    free(sim->heap);
    free(sim->hashes);
    free(sim);
}

/* The network: one connection for each direction, on which frames keep their order. They may be lost one by one, too,
 * which no TCP connection does: the core's contract with its owner allows it. */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "tests/simulation/sim.h"

#define SPIKE_US 30000

static uint64_t latency(struct sim *sim)
{
    uint64_t us = sim_between(sim, sim->config.latency_min_us, sim->config.latency_max_us) * sim->slow_network;

    return sim->slow_network > 1 && sim_random(sim, 20) == 0 ? us + sim_random(sim, SPIKE_US) : us;
}

void sim_net_send(struct sim *sim, size_t from, size_t to, uint8_t *frame, size_t len)
{
    struct sim_link *link = &sim->links[from][to];
    uint64_t extra = 0;
    uint64_t at;
    struct sim_event *event;
    struct wire wire;

    CHECK(wire_decode(frame, len, &wire));
    sim_check_frame(&sim->members[from], &wire);
    if (sim->config.hooks.frame != NULL) {
        extra = sim->config.hooks.frame(sim->config.hooks.user, from, to, &wire);
    }
    if (!link->connected || link->cut || extra == SIM_DROP || !sim->members[to].up ||
        (sim->loss_percent > 0 && sim_random(sim, 100) < sim->loss_percent)) {
        free(frame);
        return;
    }
    at = sim->now + latency(sim) + extra;
    if (extra == 0) { /* a frame that a test holds back comes late alone, as from an older connection */
        at = at > link->last_at ? at : link->last_at;
        link->last_at = at;
    }
    event = sim_post(sim, at, SIM_FRAME, to);
    event->other = from;
    event->frame = frame;
    event->len = len;
}

void sim_close(struct sim *sim, size_t from, size_t to)
{
    struct sim_link *link = &sim->links[from][to];
    uint64_t at = sim->now + latency(sim);

    if (!link->connected) {
        return;
    }
    link->connected = false;
    at = at > link->last_at ? at : link->last_at; /* what was sent before is read before */
    link->last_at = at;
    if (sim->members[from].up) {
        sim_post(sim, sim->now, SIM_DISCONNECTED, from)->other = to;
    }
    if (sim->members[to].up) {
        sim_post(sim, at, SIM_CLOSED, to)->other = from;
    }
    sim_post(sim, at + sim_between(sim, 20 * SIM_MS, 60 * SIM_MS), SIM_CONNECT, from)->other = to;
}

void sim_net_up(struct sim *sim, size_t member)
{
    for (size_t i = 0; i < sim->config.n_members; i++) {
        if (i != member) {
            sim_post(sim, sim->now + sim_between(sim, SIM_MS, 40 * SIM_MS), SIM_CONNECT, member)->other = i;
            sim_post(sim, sim->now + sim_between(sim, SIM_MS, 40 * SIM_MS), SIM_CONNECT, i)->other = member;
        }
    }
}

void sim_net_reset(struct sim *sim, size_t member)
{
    for (size_t i = 0; i < sim->config.n_members; i++) {
        if (i != member && !sim->links[member][i].cut) { /* else nobody would hear of it */
            sim_close(sim, member, i);
        }
    }
}

/* The process is gone: its kernel closes all connections. */
void sim_net_down(struct sim *sim, size_t member)
{
    for (size_t i = 0; i < sim->config.n_members; i++) {
        if (i != member) {
            if (sim->links[member][i].cut) { /* nobody hears of it */
                sim->links[member][i].connected = false;
            }
            sim_close(sim, member, i);
            sim_close(sim, i, member);
        }
    }
}

void sim_cut(struct sim *sim, size_t from, size_t to, bool cut)
{
    sim->links[from][to].cut = cut;
}

void sim_isolate(struct sim *sim, size_t member, bool cut)
{
    for (size_t i = 0; i < sim->config.n_members; i++) {
        if (i != member) {
            sim_cut(sim, i, member, cut);
            sim_cut(sim, member, i, cut);
        }
    }
}

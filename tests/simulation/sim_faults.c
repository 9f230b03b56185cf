/* What can go wrong. */
#include "tests/simulation/sim.h"

void sim_crash(struct sim *sim, size_t member)
{
    if (sim->members[member].up) {
        sim->faults.crashes++;
        sim_member_stop(&sim->members[member]);
        /* The keeper lets go when its pipe closes. */
        if (sim->members[member].held_until > sim->now + sim->config.keeper_us) {
            sim->members[member].held_until = sim->now + sim->config.keeper_us;
        }
    }
}

void sim_restart(struct sim *sim, size_t member)
{
    if (!sim->members[member].up) {
        sim->faults.restarts++;
        sim_member_start(&sim->members[member]);
    }
}

void sim_wipe(struct sim *sim, size_t member)
{
    sim->faults.wipes++;
    sim_disk_wipe(&sim->members[member]);
}

void sim_forget(struct sim *sim, size_t member, size_t n)
{
    sim_disk_forget(&sim->members[member], n);
}

void sim_freeze(struct sim *sim, size_t member, uint64_t for_us)
{
    if (sim->members[member].up) {
        sim->faults.freezes++;
        if (sim->now + for_us > sim->members[member].frozen_until) { /* what waits keeps its order: never shorter */
            sim->members[member].frozen_until = sim->now + for_us;
        }
    }
}

int sim_transfer(struct sim *sim, size_t member, size_t target)
{
    int rc;

    if (!sim->members[member].up || sim->members[member].frozen_until > sim->now) {
        return -1;
    }
    rc = core_transfer(sim->members[member].core, sim->members[target].id);
    sim->faults.transfers += rc == 0;
    sim_touched(sim, member);
    return rc;
}

int sim_change(struct sim *sim, size_t member, const struct core_change *change)
{
    const char *reason;
    bool passing;
    int rc;

    if (!sim->members[member].up || sim->members[member].frozen_until > sim->now) {
        return -1;
    }
    rc = core_change(sim->members[member].core, change, &reason, &passing);
    sim->faults.changes += rc == 0;
    sim_touched(sim, member);
    return rc;
}

int sim_assign(struct sim *sim, size_t member, size_t target, enum core_voting voting)
{
    const struct core_change change = {.kind = CORE_ASSIGN, .id = sim->members[target].id, .voting = voting};

    return sim_change(sim, member, &change);
}

void sim_heal(struct sim *sim)
{
    sim->loss_percent = 0;
    sim->slow_network = sim->slow_disk = 1;
    for (size_t i = 0; i < sim->config.n_members; i++) {
        for (size_t j = 0; j < sim->config.n_members; j++) {
            sim_cut(sim, i, j, false);
        }
    }
    for (size_t i = 0; i < sim->config.n_members; i++) {
        if (!sim->members[i].failed) {
            sim_restart(sim, i);
        }
    }
}

static void restart_later(struct sim *sim, void *user)
{
    sim_restart(sim, (size_t)(uintptr_t)user);
}

static void crash_one(struct sim *sim, size_t member)
{
    sim_crash(sim, member);
    sim_at(sim, sim_between(sim, 10 * SIM_MS, 2 * SIM_S), restart_later, (void *)(uintptr_t)member);
}

static void cut_some(struct sim *sim, size_t member, size_t other)
{
    sim->faults.cuts++;
    switch (sim_random(sim, 5)) {
    case 0:
        sim_isolate(sim, member, true);
        break;
    case 1:
        sim_cut(sim, member, other, true);
        break;
    case 2:
        sim_cut(sim, member, other, true);
        sim_cut(sim, other, member, true);
        break;
    default: /* they heal more often than they come */
        for (size_t i = 0; i < sim->config.n_members; i++) {
            sim_isolate(sim, i, false);
        }
    }
}

void sim_random_fault(struct sim *sim)
{
    size_t member = sim_random(sim, sim->config.n_members);
    size_t other = (member + 1 + sim_random(sim, sim->config.n_members - 1)) % sim->config.n_members;
    int leader = sim_leader(sim);

    if (leader >= 0 && sim_random(sim, 2) == 0) { /* what happens to the leader matters most */
        member = (size_t)leader;
        other = (member + 1 + sim_random(sim, sim->config.n_members - 1)) % sim->config.n_members;
    }
    switch (sim_random(sim, 9)) {
    case 0:
        crash_one(sim, member);
        break;
    case 1:
    case 2:
        cut_some(sim, member, other);
        break;
    case 3:
        sim_freeze(sim, member, sim_between(sim, 5 * SIM_MS, 800 * SIM_MS));
        break;
    case 4:
        sim->faults.closes++;
        sim_close(sim, member, other);
        if (sim_random(sim, 2) == 0) {
            sim_close(sim, other, member);
        }
        break;
    case 5:
    case 6:
        (void)sim_transfer(sim, member, other);
        break;
    case 7:
        sim->faults.slow++;
        sim->slow_network = sim_random(sim, 3) == 0 ? 20 : 1;
        sim->slow_disk = sim_random(sim, 3) == 0 ? 13 : 1;
        break;
    default:
        sim->faults.losses++;
        sim->loss_percent = sim_random(sim, 2) == 0 ? (unsigned)sim_random(sim, 30) : 0;
    }
}

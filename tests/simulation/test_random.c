/* Random faults: whatever happens, no two leases, no lost or replaced acknowledgement, equal prefixes, no stale read;
 * and once the faults end there is a leader again and all members become equal.
 *
 * HECATE_SEED: the first seed (printed when it fails); HECATE_SIM_SEEDS: how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/simulation/sim.h"

static void membership(struct sim *sim)
{
    int leader = sim_leader(sim);

    if (leader >= 0) {
        (void)sim_assign(sim, (size_t)leader, sim_random(sim, sim->config.n_members),
                         (enum core_voting)sim_random(sim, 3));
    }
}

static void settle(struct sim *sim)
{
    sim_heal(sim);
    if (!sim_wait_serving(sim, 30 * SIM_S, NULL) && sim->failure[0] == '\0') {
        sim_fail(sim, "no leader 30 s after the faults ended");
    }
    sim->client_on = false;
    if (!sim_wait_equal(sim, 60 * SIM_S) && sim->failure[0] == '\0') {
        sim_fail(sim, "members are not equal a minute after the faults ended");
    }
}

struct sum {
    struct sim_faults faults;
    uint64_t acked, us;
};

/* true: nothing was wrong. */
static bool run_one(const struct sim_config *config, bool change_members, struct sum *sum)
{
    struct sim *sim = sim_new(config);
    bool ok;

    (void)sim_wait_serving(sim, 5 * SIM_S, NULL);
    for (int i = 0; i < 50 && sim->failure[0] == '\0'; i++) {
        sim_run(sim, sim_between(sim, 20 * SIM_MS, 600 * SIM_MS));
        if (change_members && sim_random(sim, 3) == 0) {
            membership(sim);
        }
        sim_random_fault(sim);
        sim_intrude(sim);
    }
    settle(sim);
    ok = sim->failure[0] == '\0';
    if (!ok) {
        print_error("seed %lu at %lu us: %s\n", (unsigned long)config->seed, (unsigned long)sim->now, sim->failure);
        sim_print(sim);
    }
    sum->faults.crashes += sim->faults.crashes;
    sum->faults.cuts += sim->faults.cuts;
    sum->faults.transfers += sim->faults.transfers;
    sum->faults.freezes += sim->faults.freezes;
    sum->faults.closes += sim->faults.closes;
    sum->faults.changes += sim->faults.changes;
    sum->acked += sim->acked;
    sum->us += sim->now;
    sim_free(sim);
    return ok;
}

static struct sim_config config_for(uint64_t seed, size_t n_members)
{
    struct sim_config config = {
        .seed = seed, .n_members = n_members, .drift_ppm = 10000, .client_every_us = 10 * SIM_MS};

    config.drift_worst = seed % 3 == 0;
    config.apply_max = seed % 2 == 0 ? 0 : 1 + (uint32_t)seed % 7;
    config.keeper_us = seed % 2 == 0 ? 0 : 20 * SIM_MS;
    if (seed % 4 < 2) { /* snapshots often, with little left behind */
        config.snapshot_threshold = 60;
        config.trailing = 50;
    }
    if (seed % 5 < 3) { /* frames of one to four entries, a few of them on their way */
        config.frame_bytes = 24 * (1 + seed % 4);
        config.inflight_bytes = 24 * (2 + seed % 9);
        config.window_bytes = 24 * (4 + seed % 11);
        config.trailing_bytes = 24 * (12 + seed % 50);
        config.snapshot_due_bytes = 24 * (20 + seed % 100);
    }
    return config;
}

static void run_many(const char *name, unsigned n, size_t n_members, bool change_members)
{
    uint64_t first = sim_seed(1);
    struct sum sum = {0};
    unsigned failed = 0;

    for (unsigned i = 0; i < n; i++) {
        struct sim_config config = config_for(first + i, n_members);

        failed += !run_one(&config, change_members, &sum);
    }
    print_message(
        "%s: seeds %lu..%lu, %lu s: %u crashes, %u cuts, %u freezes, %u closed connections, %u transfers, %u changes "
        "of members, %lu acknowledged\n",
        name, (unsigned long)first, (unsigned long)(first + n - 1), (unsigned long)(sum.us / SIM_S), sum.faults.crashes,
        sum.faults.cuts, sum.faults.freezes, sum.faults.closes, sum.faults.transfers, sum.faults.changes,
        (unsigned long)sum.acked);
    assert_int_equal(failed, 0);
    assert_true(sum.acked > 0 && sum.faults.crashes > 0 && sum.faults.transfers > 0);
    assert_true(!change_members || sum.faults.changes > 0);
}

static void test_three_members(void **state)
{
    (void)state;
    run_many("three members", sim_seeds(60), 3, false);
}

static void test_five_members(void **state)
{
    (void)state;
    run_many("five members", sim_seeds(30), 5, false);
}

static void test_members_change(void **state)
{
    (void)state;
    run_many("changing members", sim_seeds(40), 5, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_members),
        cmocka_unit_test(test_five_members),
        cmocka_unit_test(test_members_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

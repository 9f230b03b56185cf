/* The leader falls silent, with no connection closed: how long until another one serves.
 *
 * The time from the cut to a new serving leader, over many seeds, has a bound that a divided vote would break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/simulation/directed.h"

#define NEVER UINT64_MAX

struct case_of {
    size_t n_members;
    uint64_t load_every_us;       /* 0: idle */
    uint64_t latency_us, disk_us; /* at most; 0: as usual */
    int32_t drift_ppm;
    bool frozen; /* the leader's process, instead of its link */
};

static bool another_serves(struct sim *sim, void *user)
{
    int leader = sim_leader(sim);

    return leader >= 0 && leader != *(int *)user;
}

/* Microseconds until another one serves. */
static uint64_t silence(const struct case_of *of, uint64_t seed)
{
    struct sim_config config = {.seed = seed,
                                .n_members = of->n_members,
                                .latency_max_us = of->latency_us,
                                .disk_max_us = of->disk_us,
                                .drift_ppm = of->drift_ppm,
                                .client_every_us = of->load_every_us};
    size_t leader;
    struct sim *sim = sim_new(&config);
    uint64_t begin, took = NEVER;
    int old;

    if (sim_wait_serving(sim, 10 * SIM_S, &leader)) {
        sim_run(sim, sim_between(sim, 1000 * SIM_MS, 1200 * SIM_MS));
        old = sim_leader(sim);
        if (old >= 0) {
            begin = sim->now;
            if (of->frozen) {
                sim_freeze(sim, (size_t)old, 5 * SIM_S);
            } else {
                sim_isolate(sim, (size_t)old, true);
            }
            took = sim_run_until(sim, 4 * SIM_S, another_serves, &old) ? sim->now - begin : NEVER;
        }
    }
    return directed_end(sim, took != NEVER) ? took : NEVER;
}

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static void expect(const char *name, const struct case_of *of, unsigned n, uint64_t p99_ms, uint64_t max_ms)
{
    CLEANUP(free_ptr) uint64_t *took = mem_calloc(n, sizeof(*took));
    uint64_t first = sim_seed(1);

    for (unsigned i = 0; i < n; i++) {
        took[i] = silence(of, first + i);
        assert_true(took[i] != NEVER);
    }
    qsort(took, n, sizeof(*took), by_size);
    print_message("%s: %u seeds: p50 %lu ms, p99 %lu ms, most %lu ms\n", name, n, (unsigned long)(took[n / 2] / SIM_MS),
                  (unsigned long)(took[n * 99 / 100] / SIM_MS), (unsigned long)(took[n - 1] / SIM_MS));
    assert_true(took[n * 99 / 100] <= p99_ms * SIM_MS);
    assert_true(took[n - 1] <= max_ms * SIM_MS);
}

static void test_link_cut(void **state)
{
    (void)state;
    expect("link cut, 3 members", &(struct case_of){.n_members = 3}, sim_seeds(300), 480, 500);
    expect("the same under load", &(struct case_of){.n_members = 3, .load_every_us = 3 * SIM_MS}, sim_seeds(100), 480,
           500);
    expect("5 members", &(struct case_of){.n_members = 5, .load_every_us = 10 * SIM_MS}, sim_seeds(100), 480, 500);
}

static void test_frozen(void **state)
{
    (void)state;
    expect("leader frozen", &(struct case_of){.n_members = 3, .frozen = true}, sim_seeds(100), 480, 500);
}

/* Votes take longer than the distance between two candidates: they collide, and part again. */
static void test_slow_votes(void **state)
{
    (void)state;
    expect("slow network and disks",
           &(struct case_of){.n_members = 3, .latency_us = 15 * SIM_MS, .disk_us = 30 * SIM_MS, .drift_ppm = 10000},
           sim_seeds(100), 800, 1100);
    /* Nobody stands again before a vote can be on the disk of the other, who has no leader left to be loyal to. */
    expect("very slow disks", &(struct case_of){.n_members = 3, .disk_us = 150 * SIM_MS}, sim_seeds(200), 980, 1000);
}

static bool in_time(uint64_t seed)
{
    return silence(&(struct case_of){.n_members = 3}, seed) <= 500 * SIM_MS;
}

static void test_turns(void **state)
{
    (void)state;
    directed_expect(PART_SILENCE, in_time, 30, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_cut),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_slow_votes),
        cmocka_unit_test(test_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

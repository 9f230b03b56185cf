#include "tests/simulation/directed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct sim *directed_new(const struct sim_config *config, size_t *ret_leader)
{
    struct sim *sim = sim_new(config);

    *ret_leader = 0;
    (void)sim_wait_serving(sim, 10 * SIM_S, ret_leader);
    (void)sim_submit(sim, *ret_leader, 3);
    (void)sim_wait_equal(sim, 10 * SIM_S);
    return sim;
}

bool directed_end(struct sim *sim, bool ok)
{
    ok = ok && sim->failure[0] == '\0';
    if (!ok) {
        print_message("seed %lu at %lu us: %s\n", (unsigned long)sim->config.seed, (unsigned long)sim->now,
                      sim->failure[0] != '\0' ? sim->failure : "not as expected");
        sim_print(sim);
    }
    sim_free(sim);
    return ok;
}

void directed_others(const struct sim *sim, size_t leader, size_t *ret_a, size_t *ret_b)
{
    *ret_a = leader == 0 ? 1 : 0;
    *ret_b = leader == sim->config.n_members - 1 ? leader - 1 : sim->config.n_members - 1;
}

void directed_load(struct sim *sim, size_t member, uint64_t for_us, uint64_t every_us)
{
    for (uint64_t end = sim->now + for_us; sim->now < end && sim->failure[0] == '\0';) {
        (void)sim_submit(sim, member, 2);
        sim_run(sim, every_us);
    }
}

struct wanted {
    size_t member;
};

static bool serves(struct sim *sim, void *user)
{
    return sim_leader(sim) == (int)((struct wanted *)user)->member;
}

bool directed_wait_leader(struct sim *sim, uint64_t at_most_us, size_t member)
{
    struct wanted wanted = {.member = member};

    return sim_run_until(sim, at_most_us, serves, &wanted);
}

void directed_cut_off(struct sim *sim, size_t member)
{
    for (size_t i = 0; i < sim->config.n_members; i++) {
        if (i != member) {
            sim_close(sim, member, i);
        }
    }
    sim_isolate(sim, member, true);
}

void directed_expect(enum core_part part, bool (*fn)(uint64_t seed), unsigned n, unsigned min_broken)
{
    uint64_t first = sim_seed(1);
    unsigned broken;

    for (unsigned i = 0; i < n; i++) {
        if (!fn(first + i)) {
            fail_msg("seed %lu fails", (unsigned long)(first + i));
        }
    }
    broken = sim_count_breaks(part, fn, first, n);
    print_message("without part %d %u of %u seeds break\n", (int)part, broken, n);
    assert_true(broken >= min_broken);
}

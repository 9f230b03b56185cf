/* Applying in slices: what a member has to catch up on does not keep it from answering the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/simulation/directed.h"

#define SLICE 4
#define BACKLOG 600

static bool submit_all(struct sim *sim, size_t leader, size_t n)
{
    uint64_t last = sim_status(sim, leader).last_index + n;

    for (int i = 0; i < 5000 && sim_status(sim, leader).last_index < last; i++) {
        (void)sim_submit(sim, leader, 20);
        sim_run(sim, 5 * SIM_MS);
    }
    return sim_status(sim, leader).last_index >= last;
}

/* ---- a follower that was away ---- */

static bool catches_up(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed, .trailing = 2000, .inflight = 1024, .apply_max = SLICE};
    struct sim *sim = directed_new(&config, &leader);
    uint64_t term = sim_status(sim, leader).term;
    bool ok;

    directed_others(sim, leader, &a, &b);
    sim_crash(sim, a);
    ok = submit_all(sim, leader, BACKLOG);
    sim_restart(sim, a);
    ok = ok && sim_wait_equal(sim, 60 * SIM_S);
    ok = ok && sim->members[a].applied >= BACKLOG && sim->members[a].most_applied <= SLICE;
    ok = ok && sim_status(sim, leader).term == term;
    return directed_end(sim, ok);
}

static void test_follower_catches_up(void **state)
{
    (void)state;
    directed_expect(PART_APPLY_SLICES, catches_up, 5, 5);
}

/* ---- a leader with a backlog ---- */

struct reached {
    size_t member;
    uint64_t last;
};

static bool has_all(struct sim *sim, void *user)
{
    const struct reached *wanted = user;
    struct core_status status = sim_status(sim, wanted->member);

    return status.last_index >= wanted->last && status.commit_index > 0;
}

/* It is elected before it has applied what it has: the oracle sees whether it serves too early. */
static void test_new_leader_has_a_backlog(void **state)
{
    (void)state;
    for (uint64_t seed = sim_seed(1), end = seed + 10; seed < end; seed++) {
        size_t leader, a, b;
        struct sim_config config = {.seed = seed, .trailing = 2000, .inflight = 1024, .apply_max = 1};
        struct sim *sim = directed_new(&config, &leader);
        struct reached wanted;
        bool ok;

        directed_others(sim, leader, &a, &b);
        sim_crash(sim, a);
        ok = submit_all(sim, leader, BACKLOG);
        wanted = (struct reached){.member = a, .last = sim_status(sim, leader).last_index};
        sim_restart(sim, a);
        ok = ok && sim_run_until(sim, 10 * SIM_S, has_all, &wanted);
        sim_run(sim, 20 * SIM_MS); /* it learns what is committed */
        ok = ok && sim_status(sim, a).applied_index < wanted.last;
        sim_crash(sim, leader);
        sim_isolate(sim, b, true);
        sim_run(sim, sim_between(sim, 0, 200 * SIM_MS));
        sim_isolate(sim, b, false);
        ok = ok && sim_wait_serving(sim, 10 * SIM_S, &leader);
        ok = ok && sim_status(sim, leader).applied_index >= wanted.last;
        sim_restart(sim, sim->members[0].up ? sim->members[1].up ? 2 : 1 : 0);
        ok = ok && sim_wait_equal(sim, 60 * SIM_S);
        assert_true(directed_end(sim, ok));
    }
}

/* ---- nothing is taken in that cannot be applied ---- */

static void test_slow_applying_pushes_back(void **state)
{
    struct sim_config config = {.seed = sim_seed(1), .window = 32, .apply_max = 1};
    size_t leader;
    struct sim *sim = directed_new(&config, &leader);
    bool ok = true;

    (void)state;
    for (int i = 0; i < 300; i++) {
        struct core_status status;

        (void)sim_submit(sim, leader, 32);
        status = sim_status(sim, leader);
        ok = ok && status.last_index - status.applied_index <= config.window;
        sim_run(sim, 5 * SIM_MS);
    }
    ok = ok && sim->acked > 300;
    ok = ok && sim_wait_equal(sim, 60 * SIM_S);
    assert_true(directed_end(sim, ok));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follower_catches_up),
        cmocka_unit_test(test_new_leader_has_a_backlog),
        cmocka_unit_test(test_slow_applying_pushes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

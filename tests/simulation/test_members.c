/* Rules 6 to 12: configurations, changes of members, timers, transfer, snapshots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/simulation/directed.h"

static bool assign_until_done(struct sim *sim, size_t member, enum core_voting voting, uint64_t at_most_us)
{
    for (uint64_t end = sim->now + at_most_us; sim->now < end && sim->failure[0] == '\0'; sim_run(sim, 10 * SIM_MS)) {
        int leader = sim_leader(sim);

        if (leader >= 0 && sim_assign(sim, (size_t)leader, member, voting) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- rule 6: the library's notion of configurations is corrected ---- */

struct deaf {
    size_t to;
    bool active;
};

static uint64_t drop_appends(void *user, size_t from, size_t to, const struct wire *wire)
{
    const struct deaf *deaf = user;

    (void)from;
    return deaf->active && to == deaf->to && wire->key[WK_TYPE] == WIRE_APPEND ? SIM_DROP : 0;
}

/* A member gets a change of configuration in the middle of a batch; then it leads and is to change members itself. */
static bool change_in_a_batch(uint64_t seed)
{
    size_t leader, a, b;
    struct deaf deaf = {.active = false};
    struct sim_config config = {.seed = seed, .n_members = 5, .hooks = {.user = &deaf, .frame = drop_appends}};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    directed_others(sim, leader, &a, &b);
    deaf = (struct deaf){.to = a, .active = true};
    ok = sim_submit(sim, leader, 2) > 0 && sim_assign(sim, leader, b, CORE_STANDBY) == 0 &&
         sim_submit(sim, leader, 2) > 0;
    sim_run(sim, 40 * SIM_MS);
    deaf.active = false;
    ok = ok && sim_wait_equal(sim, 5 * SIM_S) && sim_transfer(sim, leader, a) == 0 &&
         directed_wait_leader(sim, 5 * SIM_S, a);
    ok = ok && assign_until_done(sim, b, CORE_SPARE, 5 * SIM_S);
    return directed_end(sim, ok);
}

static void test_change_in_a_batch(void **state)
{
    (void)state;
    directed_expect(PART_CONFIGURATION, change_in_a_batch, 5, 5);
}

/* ---- rule 7: when members may change ---- */

/* A member that knows nothing is made a voter; the leader dies before it learns of that. */
static bool hasty_voter(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed, .n_members = 4};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;
    size_t third;

    directed_others(sim, leader, &a, &b);
    third = 6 - leader - a - b;
    ok = assign_until_done(sim, b, CORE_STANDBY, 5 * SIM_S) && sim_wait_equal(sim, 5 * SIM_S) &&
         assign_until_done(sim, b, CORE_SPARE, 5 * SIM_S) && sim_wait_equal(sim, 5 * SIM_S);
    sim_crash(sim, third);
    sim_isolate(sim, b, true);
    (void)sim_submit(sim, leader, 2);
    sim_run(sim, 100 * SIM_MS);
    (void)sim_assign(sim, leader, b, CORE_VOTER);
    sim_run(sim, 100 * SIM_MS);
    sim_crash(sim, leader);
    sim_isolate(sim, b, false);
    sim_restart(sim, third);
    ok = ok && sim_wait_serving(sim, 20 * SIM_S, NULL); /* three of four are up, two of three voters */
    return directed_end(sim, ok);
}

static void test_change_guard(void **state)
{
    (void)state;
    directed_expect(PART_CHANGE_GUARD, hasty_voter, 5, 5);
}

/* ---- rule 8: never below two voters ---- */

static bool shrinking(uint64_t seed)
{
    size_t leader;
    struct sim_config config = {.seed = seed, .client_every_us = 20 * SIM_MS};
    struct sim *sim = directed_new(&config, &leader);

    for (int i = 0; i < 60 && sim->failure[0] == '\0'; i++) {
        int now = sim_leader(sim);

        sim_run(sim, sim_between(sim, 10 * SIM_MS, 300 * SIM_MS));
        if (now >= 0) {
            (void)sim_assign(sim, (size_t)now, sim_random(sim, 3), (enum core_voting)(1 + sim_random(sim, 2)));
        }
        if (sim_random(sim, 3) == 0) {
            size_t member = sim_random(sim, 3);

            sim_crash(sim, member);
            sim_run(sim, sim_between(sim, SIM_MS, 800 * SIM_MS));
            sim_restart(sim, member);
        }
    }
    sim_heal(sim);
    return directed_end(sim, sim_wait_serving(sim, 30 * SIM_S, NULL));
}

static void test_two_voters(void **state)
{
    (void)state;
    directed_expect(PART_TWO_VOTERS, shrinking, 10, 5);
}

/* ---- rule 9: a change is submitted alone ---- */

static bool refused_change(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed, .n_members = 5, .members_may_fail = true};
    struct sim *sim = directed_new(&config, &leader);
    unsigned long skipped = core_test_skipped;
    bool ok;

    core_test_skipped |= 1UL << PART_CHANGE_GUARD; /* so that it is the library that refuses */
    directed_others(sim, leader, &a, &b);
    ok = sim_assign(sim, leader, a, CORE_STANDBY) == 0 && sim_assign(sim, leader, b, CORE_STANDBY) != 0;
    core_test_skipped = skipped;
    (void)sim_submit(sim, leader, 1);
    sim_run(sim, SIM_S);
    return directed_end(sim, ok && !sim->members[leader].failed);
}

static void test_change_alone(void **state)
{
    (void)state;
    directed_expect(PART_CHANGE_ALONE, refused_change, 3, 3);
}

/* ---- rule 10: the leader's timer does not run wild ---- */

static bool calm_timer(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed};
    struct sim *sim = directed_new(&config, &leader);
    uint64_t polls;
    bool ok;

    directed_others(sim, leader, &a, &b);
    ok = assign_until_done(sim, a, CORE_SPARE, 5 * SIM_S);
    sim_run(sim, SIM_S);
    polls = sim->members[leader].poll_seq;
    sim_run(sim, SIM_S);
    polls = sim->members[leader].poll_seq - polls;
    return directed_end(sim, ok && polls < 400);
}

static void test_timer(void **state)
{
    (void)state;
    directed_expect(PART_TIMEOUT_PACE, calm_timer, 3, 3);
}

/* ---- rule 11: transfer waits until the target has everything ---- */

static bool transfer_with_entries_in_flight(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed, .disk_min_us = 20 * SIM_MS, .disk_max_us = 25 * SIM_MS};
    struct sim *sim = directed_new(&config, &leader);
    bool ok = true;

    directed_others(sim, leader, &a, &b);
    for (int i = 0; i < 8; i++) {
        ok = ok && sim_submit(sim, leader, 1) > 0;
    }
    ok = ok && sim_transfer(sim, leader, a) == 0 && directed_wait_leader(sim, 280 * SIM_MS, a);
    return directed_end(sim, ok);
}

static void test_transfer_waits(void **state)
{
    (void)state;
    directed_expect(PART_TRANSFER_WAITS, transfer_with_entries_in_flight, 5, 5);
}

/* ---- rule 12 and its end: one transfer of a snapshot at a time, begun anew when it is stuck ---- */

struct chunks {
    size_t to;
    unsigned begun, lose; /* lose this many later chunks */
};

static uint64_t count_chunks(void *user, size_t from, size_t to, const struct wire *wire)
{
    struct chunks *chunks = user;

    (void)from;
    if (wire->key[WK_TYPE] != WIRE_SNAPSHOT || to != chunks->to) {
        return 0;
    }
    chunks->begun += wire->key[WK_OFFSET] == 0;
    if (wire->key[WK_OFFSET] > 0 && chunks->lose > 0) {
        chunks->lose--;
        return SIM_DROP;
    }
    return 0;
}

static struct sim *lagging_member(uint64_t seed, struct chunks *chunks, size_t *ret_leader)
{
    size_t b;
    struct sim_config config = {.seed = seed,
                                .snapshot_threshold = 100,
                                .trailing = 50,
                                .inflight = 40,
                                .snapshot_bytes = 4000000,
                                .latency_min_us = 40 * SIM_MS,
                                .latency_max_us = 41 * SIM_MS,
                                .hooks = {.user = chunks, .frame = count_chunks}};
    struct sim *sim = directed_new(&config, ret_leader);

    directed_others(sim, *ret_leader, &chunks->to, &b);
    sim_crash(sim, chunks->to);
    for (int i = 0; i < 30; i++) {
        (void)sim_submit(sim, *ret_leader, 20);
        sim_run(sim, 200 * SIM_MS);
    }
    sim_run(sim, SIM_S);
    chunks->begun = 0;
    return sim;
}

static bool one_snapshot(uint64_t seed)
{
    size_t leader;
    struct chunks chunks = {.to = SIM_MEMBERS_MAX};
    struct sim *sim = lagging_member(seed, &chunks, &leader);

    sim_restart(sim, chunks.to);
    return directed_end(sim, sim_wait_equal(sim, 20 * SIM_S) && chunks.begun >= 1 && chunks.begun <= 2);
}

static void test_one_snapshot(void **state)
{
    (void)state;
    directed_expect(PART_SNAPSHOT_ONCE, one_snapshot, 2, 2);
}

static bool lost_chunk(uint64_t seed)
{
    size_t leader;
    struct chunks chunks = {.to = SIM_MEMBERS_MAX};
    struct sim *sim = lagging_member(seed, &chunks, &leader);

    chunks.lose = 3;
    sim_restart(sim, chunks.to);
    return directed_end(sim, sim_wait_equal(sim, 20 * SIM_S) && chunks.lose == 0);
}

static void test_lost_chunk(void **state)
{
    (void)state;
    directed_expect(PART_SNAPSHOT_RESTART, lost_chunk, 2, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_change_in_a_batch),
        cmocka_unit_test(test_change_guard),
        cmocka_unit_test(test_two_voters),
        cmocka_unit_test(test_change_alone),
        cmocka_unit_test(test_timer),
        cmocka_unit_test(test_transfer_waits),
        cmocka_unit_test(test_one_snapshot),
        cmocka_unit_test(test_lost_chunk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

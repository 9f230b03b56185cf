/* The order of actions: what may leave a member when, what counts, what is applied, who may join. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/simulation/directed.h"

/* ---- nothing leaves that rests on a term or vote which is not on the disk ---- */

static bool elections(uint64_t seed)
{
    size_t leader;
    struct sim_config config = {.seed = seed};
    struct sim *sim = directed_new(&config, &leader);
    bool ok = true;

    for (int i = 0; i < 3 && ok; i++) {
        sim_crash(sim, leader);
        ok = sim_wait_serving(sim, 10 * SIM_S, &leader);
        sim_heal(sim);
        sim_run(sim, SIM_S);
    }
    return directed_end(sim, ok);
}

static void test_hold_frames(void **state)
{
    (void)state;
    directed_expect(PART_HOLD_FRAMES, elections, 3, 3);
}

/* ---- completions of entries that were cut meanwhile ---- */

struct deaf {
    size_t who;
    bool active;
};

static uint64_t drop_appends(void *user, size_t from, size_t to, const struct wire *wire)
{
    const struct deaf *deaf = user;

    (void)from;
    return deaf->active && to == deaf->who && wire->key[WK_TYPE] == WIRE_APPEND ? SIM_DROP : 0;
}

/* A follower with a slow disk is writing the old leader's entries when a new leader's replace them: the end of that
 * write says nothing about the entries that are there now. */
static bool cut_while_writing(uint64_t seed)
{
    size_t leader, a, b;
    struct deaf deaf = {.active = false};
    struct sim_config config = {.seed = seed,
                                .disk_min_us = 5 * SIM_MS,
                                .disk_max_us = 6 * SIM_MS,
                                .hooks = {.user = &deaf, .frame = drop_appends}};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    directed_others(sim, leader, &a, &b);
    deaf = (struct deaf){.who = a, .active = true};
    sim->members[b].disk_slow = 300;
    ok = sim_submit(sim, leader, 20) > 0;
    sim_run(sim, 2 * SIM_MS);
    sim_crash(sim, leader); /* before they are on its own disk, perhaps */
    sim_restart(sim, leader);
    deaf.active = false;
    sim_run(sim, 4 * SIM_S);
    sim->members[b].disk_slow = 1;
    return directed_end(sim, ok && sim_wait_serving(sim, 10 * SIM_S, NULL) && sim_wait_equal(sim, 10 * SIM_S));
}

static void test_cut_completions(void **state)
{
    (void)state;
    directed_expect(PART_CUT_COMPLETIONS, cut_while_writing, 10, 3);
}

/* ---- during an install nothing is applied ---- */

static bool snapshots(uint64_t seed)
{
    size_t leader;
    struct sim_config config = {.seed = seed,
                                .client_every_us = 5 * SIM_MS,
                                .disk_max_us = 30 * SIM_MS,
                                .snapshot_threshold = 60,
                                .trailing = 50};
    struct sim *sim = directed_new(&config, &leader);

    for (int i = 0; i < 40 && sim->failure[0] == '\0'; i++) {
        sim_run(sim, sim_between(sim, 20 * SIM_MS, 400 * SIM_MS));
        sim_random_fault(sim);
    }
    sim_heal(sim);
    return directed_end(sim, sim_wait_serving(sim, 30 * SIM_S, NULL));
}

static void test_install_apply(void **state)
{
    (void)state;
    directed_expect(PART_INSTALL_APPLY, snapshots, 20, 1);
}

/* ---- forming ---- */

/* A member's disk loses something. If it took part again, it and one that lags could elect a leader without what the
 * third has acknowledged. It must end and say this; as long as only the leader says so (alone), it takes no part. */
static bool comes_back_with_less(uint64_t seed, void (*lose)(struct sim *sim, size_t member), const char *text,
                                 bool alone)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed, .members_may_fail = true};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    directed_others(sim, leader, &a, &b);
    sim_isolate(sim, b, true);
    sim_run(sim, 100 * SIM_MS);
    (void)sim_submit(sim, leader, 5); /* acknowledged by the leader and a */
    sim_run(sim, SIM_S);
    sim_crash(sim, a);
    lose(sim, a);
    sim_isolate(sim, b, false);
    sim_cut(sim, leader, b, alone);
    sim_cut(sim, b, leader, alone);
    sim_restart(sim, a);
    sim_run(sim, alone ? 300 * SIM_MS : SIM_S);
    sim_crash(sim, leader);
    sim_run(sim, 5 * SIM_S);
    ok = sim_leader(sim) < 0;
    ok = ok && (alone ? !sim->members[a].failed
                      : sim->members[a].failed && strstr(sim->members[a].failed_text, text) != NULL);
    return directed_end(sim, ok);
}

#define WIPED "data directory is empty"
#define FORGETFUL "acknowledged all up to"

static bool wiped_member(uint64_t seed)
{
    return comes_back_with_less(seed, sim_wipe, WIPED, false);
}

static void test_wiped_member(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        assert_true(comes_back_with_less(seed, sim_wipe, WIPED, true));
    }
    directed_expect(PART_FORMING, wiped_member, 5, 5);
}

/* A disk that did not keep the end of the log, or an older copy of it. */
static void forget_three(struct sim *sim, size_t member)
{
    sim_forget(sim, member, 3);
}

static bool forgetful_member(uint64_t seed)
{
    return comes_back_with_less(seed, forget_three, FORGETFUL, true);
}

static void test_forgetful_member(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        assert_true(comes_back_with_less(seed, forget_three, FORGETFUL, false));
    }
    directed_expect(PART_LOSS, forgetful_member, 10, 10);
}

/* Crashes while the cluster forms: it forms all the same, once. */
static void test_forming_with_crashes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct sim_config config = {.seed = seed, .disk_max_us = 20 * SIM_MS};
        struct sim *sim = sim_new(&config);
        bool ok;

        for (int i = 0; i < 6; i++) {
            size_t member = sim_random(sim, 3);

            sim_run(sim, sim_between(sim, SIM_MS, 120 * SIM_MS));
            sim_crash(sim, member);
            sim_run(sim, sim_between(sim, SIM_MS, 50 * SIM_MS));
            sim_restart(sim, member);
        }
        ok = sim_wait_serving(sim, 10 * SIM_S, NULL) && sim_wait_equal(sim, 10 * SIM_S);
        for (size_t i = 1; i < 3; i++) {
            ok = ok && id_equal(sim_status(sim, i).cluster_id, sim_status(sim, 0).cluster_id);
        }
        assert_true(directed_end(sim, ok));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hold_frames),          cmocka_unit_test(test_cut_completions),
        cmocka_unit_test(test_install_apply),        cmocka_unit_test(test_wiped_member),
        cmocka_unit_test(test_forming_with_crashes), cmocka_unit_test(test_forgetful_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

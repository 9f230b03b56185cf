/* Lease, promise, transfer, early election, resignation: two leases, a needless election or wait, without each part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/simulation/directed.h"

/* Promises on their way to one member are late. */
static uint64_t late_promises(void *user, size_t from, size_t to, const struct wire *wire)
{
    const size_t *victim = user;

    (void)from;
    return to == *victim && wire->key[WK_TYPE] == WIRE_LEASE_ACK ? 80 * SIM_MS : 0;
}

/* The leader's messages stop, its connections seem to close, and it goes on believing. The others elect as soon as they
 * may; the oracle sees two leases. */
static bool cut_off_with(uint64_t seed, bool late)
{
    size_t victim = SIM_MEMBERS_MAX;
    size_t leader;
    struct sim_config config = {.seed = seed, .hooks = {.user = &victim, .frame = late_promises}};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    victim = late ? leader : victim;
    sim_run(sim, sim_between(sim, 300 * SIM_MS, 900 * SIM_MS));
    directed_cut_off(sim, leader);
    sim_run(sim, 2 * SIM_S);
    ok = sim_leader(sim) >= 0 && sim_leader(sim) != (int)leader;
    return directed_end(sim, ok);
}

static bool cut_off(uint64_t seed)
{
    return cut_off_with(seed, false);
}

static void test_promise(void **state)
{
    (void)state;
    directed_expect(PART_PROMISE, cut_off, 10, 9);
}

/* Clocks as far apart as is allowed, network and disks fast: the margin is all there is. */
static bool cut_off_with_drift(uint64_t seed)
{
    struct sim_config config = {.seed = seed,
                                .drift_ppm = 10000,
                                .drift_worst = true,
                                .election_timeout_ms = 2000,
                                .lease_ms = 1900,
                                .latency_min_us = 20,
                                .latency_max_us = 50,
                                .disk_min_us = 20,
                                .disk_max_us = 50};
    size_t leader;
    struct sim *sim = directed_new(&config, &leader);
    bool ok = true;

    if (leader != 0) { /* the member with the slow clock is to lead */
        ok = sim_transfer(sim, leader, 0) == 0 && directed_wait_leader(sim, 10 * SIM_S, 0);
    }
    sim_run(sim, sim_between(sim, 3 * SIM_S, 4 * SIM_S));
    directed_cut_off(sim, 0);
    sim_run(sim, 5 * SIM_S);
    return directed_end(sim, ok && sim_leader(sim) > 0);
}

static void test_margin(void **state)
{
    (void)state;
    directed_expect(PART_MARGIN, cut_off_with_drift, 10, 9);
}

/* Promises come back late: they count from when the leader sent the number, not from when they arrive. */
static bool cut_off_with_late_promises(uint64_t seed)
{
    return cut_off_with(seed, true);
}

static void test_echo_number(void **state)
{
    (void)state;
    directed_expect(PART_ECHO_NUMBER, cut_off_with_late_promises, 10, 5);
}

/* One follower promised long ago, the lease rests on the other, which restarts and has forgotten its promise. */
static bool restarted_follower(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    directed_others(sim, leader, &a, &b);
    sim_close(sim, leader, a);
    sim_cut(sim, leader, a, true);
    sim_cut(sim, a, leader, true);
    sim_run(sim, sim_between(sim, 60 * SIM_MS, 100 * SIM_MS));
    sim_crash(sim, b);
    sim_restart(sim, b);
    sim_isolate(sim, leader, true);
    ok = sim_wait_serving(sim, 10 * SIM_S, NULL);
    sim_run(sim, 2 * SIM_S);
    return directed_end(sim, ok);
}

static void test_start_promise(void **state)
{
    (void)state;
    directed_expect(PART_START_PROMISE, restarted_follower, 20, 3);
}

/* ---- transfers ---- */

static uint64_t hold_order(void *user, size_t from, size_t to, const struct wire *wire)
{
    unsigned *orders = user;

    (void)from;
    (void)to;
    if (wire->key[WK_TYPE] != WIRE_TIMEOUT_NOW) {
        return 0;
    }
    ++*orders;
    return 400 * SIM_MS;
}

/* The order to take over arrives after the transfer has failed and the leader has its lease back. */
static bool late_order(uint64_t seed)
{
    size_t leader, a, b;
    unsigned orders = 0;
    struct sim_config config = {.seed = seed, .hooks = {.user = &orders, .frame = hold_order}};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    directed_others(sim, leader, &a, &b);
    ok = sim_transfer(sim, leader, a) == 0;
    sim_run(sim, 390 * SIM_MS);
    ok = ok && sim_leader(sim) == (int)leader && orders == 1;
    sim_isolate(sim, leader, true);
    sim_run(sim, 2 * SIM_S);
    return directed_end(sim, ok && sim_wait_serving(sim, 10 * SIM_S, NULL));
}

static void test_late_order(void **state)
{
    (void)state;
    directed_expect(PART_TRANSFER_GIVES_UP, late_order, 10, 5);
}

/* A transfer fails, but leaves its target in a newer term; when the leader hears of it, it steps down at once. Its
 * keeper still holds the address: until it has let go, its vote must not help another to a lease. */
static bool keeper_holds(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed, .keeper_us = 120 * SIM_MS};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    directed_others(sim, leader, &a, &b);
    sim_cut(sim, a, leader, true); /* it campaigns, and nobody hears */
    sim_cut(sim, a, b, true);
    ok = sim_transfer(sim, leader, a) == 0;
    sim_run(sim, 200 * SIM_MS);
    sim_isolate(sim, a, true);
    sim_run(sim, sim_between(sim, 900 * SIM_MS, 1500 * SIM_MS));
    ok = ok && sim_leader(sim) == (int)leader && sim_status(sim, a).term > sim_status(sim, leader).term;
    sim_cut(sim, a, leader, false);
    sim_cut(sim, leader, a, false);
    sim_run(sim, 3 * SIM_S);
    sim_heal(sim);
    return directed_end(sim, ok && sim_wait_serving(sim, 10 * SIM_S, NULL));
}

static void test_own_promise(void **state)
{
    (void)state;
    directed_expect(PART_OWN_PROMISE, keeper_holds, 40, 3);
}

/* A planned hand-over is quick, and goes where it is meant to. */
static bool hand_over(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed, .keeper_us = seed % 2 * 10 * SIM_MS};
    struct sim *sim = directed_new(&config, &leader);

    directed_others(sim, leader, &a, &b);
    return directed_end(sim, sim_transfer(sim, leader, b) == 0 && directed_wait_leader(sim, 100 * SIM_MS, b));
}

static void test_hand_over(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        assert_true(hand_over(seed));
    }
}

/* ---- early election ---- */

/* The leader dies; its connections close: another serves well before the election timeout is over. */
static bool quick_failover(uint64_t seed)
{
    size_t leader;
    struct sim_config config = {.seed = seed};
    struct sim *sim = directed_new(&config, &leader);

    sim_run(sim, sim_between(sim, 300 * SIM_MS, 400 * SIM_MS));
    sim_crash(sim, leader);
    return directed_end(sim, sim_wait_serving(sim, 280 * SIM_MS, NULL));
}

static void test_quick_failover(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        assert_true(quick_failover(seed));
    }
}

/* A middlebox closes the connections of a leader that lives. Long after it, the leader is late for once. */
static bool false_close(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed};
    struct sim *sim = directed_new(&config, &leader);
    uint64_t term = sim_status(sim, leader).term;

    directed_others(sim, leader, &a, &b);
    sim_close(sim, leader, a);
    sim_close(sim, leader, b);
    sim_run(sim, 600 * SIM_MS);
    sim_freeze(sim, leader, 240 * SIM_MS);
    sim_run(sim, 2 * SIM_S);
    return directed_end(sim, sim_leader(sim) == (int)leader && sim_status(sim, leader).term == term);
}

static void test_false_close(void **state)
{
    (void)state;
    directed_expect(PART_EARLY_CANCEL, false_close, 10, 8);
}

/* ---- resignation ---- */

static bool leads_no_more(struct sim *sim, void *user)
{
    return sim_status(sim, *(const size_t *)user).role != CORE_LEADER;
}

/* The leader hears nobody, but everybody hears it. When it has given up, the others wait for the end of their promise,
 * not for its silence. */
static bool deaf_leader(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    directed_others(sim, leader, &a, &b);
    sim_run(sim, sim_between(sim, 300 * SIM_MS, 600 * SIM_MS));
    sim_cut(sim, a, leader, true);
    sim_cut(sim, b, leader, true);
    ok = sim_run_until(sim, 610 * SIM_MS, leads_no_more, &leader) && sim_wait_serving(sim, 210 * SIM_MS, NULL);
    sim_run(sim, 2 * SIM_S);
    ok = ok && sim_leader(sim) >= 0 && sim_leader(sim) != (int)leader;
    sim_heal(sim);
    return directed_end(sim, ok && sim_wait_equal(sim, 10 * SIM_S));
}

static void test_resign(void **state)
{
    (void)state;
    directed_expect(PART_RESIGN, deaf_leader, 20, 18);
}

/* ---- who leads is followed by two ---- */

static uint64_t deaf_voter(void *user, size_t from, size_t to, const struct wire *wire)
{
    const bool *active = user;

    (void)from;
    return *active && to == 2 && wire->key[WK_TYPE] == WIRE_VOTE ? SIM_DROP : 0;
}

/* It was elected without member 2, the other one dies, and member 2 starts anew: nobody can say that it leads. It has
 * no majority, so it gives up, and somebody is elected. */
static bool third_is_down(uint64_t seed)
{
    size_t leader;
    bool active = true;
    struct sim_config config = {.seed = seed, .hooks = {.user = &active, .frame = deaf_voter}};
    struct sim *sim = directed_new(&config, &leader);
    bool ok = true;

    if (leader == 2) {
        ok = sim_transfer(sim, leader, 0) == 0 && directed_wait_leader(sim, 5 * SIM_S, 0);
        leader = 0;
    }
    sim_crash(sim, 1 - leader);
    sim_crash(sim, 2);
    active = false;
    sim_restart(sim, 2);
    sim_run(sim, 300 * SIM_MS); /* its lease has ended */
    return directed_end(sim, ok && sim_wait_serving(sim, 3 * SIM_S, NULL));
}

static void say(struct sim *sim, size_t from, size_t to, struct wire wire)
{
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;

    wire.key[WK_FROM] = from + 1;
    wire.key[WK_TERM] = wire.key[WK_MSG_TERM];
    wire_encode(&wire, &frame);
    (void)core_recv(sim->members[to].core, from + 1, (const uint8_t *)frame.data, frame.len);
    sim_touched(sim, to);
}

/* One that has just started has promised nobody anything, and the first that it hears is a liar. */
static bool liar_at_start(uint64_t seed)
{
    size_t leader, liar, b;
    struct sim_config config = {.seed = seed};
    struct sim *sim = directed_new(&config, &leader);
    struct core_status before = sim_status(sim, leader);
    struct wire hello = {.key = {[WK_TYPE] = WIRE_HELLO,
                                 [WK_STATE] = CORE_FORMED,
                                 [WK_CLUSTER_HIGH] = id_half(&before.cluster_id, 0),
                                 [WK_CLUSTER_LOW] = id_half(&before.cluster_id, 8),
                                 [WK_MSG_TERM] = before.term}};

    directed_others(sim, leader, &liar, &b);
    sim_cut(sim, liar, b, true); /* it is in its place */
    sim_cut(sim, b, liar, true);
    sim_crash(sim, b);
    sim_run(sim, 500 * SIM_MS);
    sim_restart(sim, b);
    for (int i = 0; i < 50; i++) {
        say(sim, liar, b, hello);
        say(sim, liar, b, (struct wire){.key = {[WK_TYPE] = WIRE_APPEND, [WK_MSG_TERM] = before.term + 1}});
        sim_run(sim, 5 * SIM_MS);
    }
    sim_run(sim, 200 * SIM_MS);
    return directed_end(sim, sim_status(sim, b).term == before.term && sim_status(sim, b).leader_id == leader + 1 &&
                                 sim_leader(sim) == (int)leader);
}

static void test_followed(void **state)
{
    (void)state;
    for (uint64_t seed = sim_seed(1), end = seed + 20; seed < end; seed++) {
        assert_true(third_is_down(seed));
    }
    directed_expect(PART_FOLLOWED, liar_at_start, 10, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promise),       cmocka_unit_test(test_margin),         cmocka_unit_test(test_echo_number),
        cmocka_unit_test(test_start_promise), cmocka_unit_test(test_late_order),     cmocka_unit_test(test_own_promise),
        cmocka_unit_test(test_hand_over),     cmocka_unit_test(test_quick_failover), cmocka_unit_test(test_false_close),
        cmocka_unit_test(test_resign),        cmocka_unit_test(test_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Somebody with a member's certificate names later terms: to depose each leader, to spoil each election, and so far
 * ahead that who is away could not follow any more. How much of the time a leader serves all the same, and that who was
 * away comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/simulation/directed.h"

#define STEP (UINT64_C(1) << 20)
#define FLOOD_EVERY_US (5 * SIM_MS)

/* In the place of one member: nothing of that one gets out, or in. */
struct liar {
    size_t at;
    bool on;
    bool answers;     /* to whatever a leader sends it: a later term */
    uint64_t further; /* by so much later */
    unsigned flood;   /* what it says to all others again and again: bits of enum wire_type */
    bool log;         /* its log is the longest, it says then */
    bool timed;       /* it waits for the right moment, and answers the truth to who does not serve */
    /* timed: what it has seen of the others */
    uint64_t asked_term; /* the last one in which a vote was asked for */
    uint64_t heard_us;   /* when a leader was heard */
    uint64_t led_term, led_commit;
    bool has_committed; /* the leader of that term, something */
};

struct saying {
    size_t from, to;
    struct wire wire;
};

static struct sim *simulation; /* for the hook */

static void say(struct sim *sim, size_t from, size_t to, struct wire wire)
{
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;
    struct sim_member *member = &sim->members[to];

    if (!member->up || member->failed || member->frozen_until > sim->now) {
        return;
    }
    wire.key[WK_FROM] = from + 1;
    wire.key[WK_TERM] = wire.key[WK_TERM] != 0 ? wire.key[WK_TERM] : wire.key[WK_MSG_TERM];
    wire.key[WK_VERSION] = 2;
    wire_encode(&wire, &frame);
    (void)core_recv(member->core, from + 1, (const uint8_t *)frame.data, frame.len);
    sim_touched(sim, to);
}

static void say_later(struct sim *sim, void *user)
{
    CLEANUP(free_ptr) struct saying *saying = user;

    say(sim, saying->from, saying->to, saying->wire);
}

static void say_in(uint64_t us, size_t from, size_t to, struct wire wire)
{
    struct saying *saying = mem_calloc(1, sizeof(*saying));

    *saying = (struct saying){.from = from, .to = to, .wire = wire};
    sim_at(simulation, us, say_later, saying);
}

/* Of three: the one that has just voted is told of the next term, so that it refuses what the elected one sends. That
 * one stays in office, for its entries are answered in its term; but it has nobody's number. Should it commit something
 * all the same, it is told of the next term as well. */
static void hear(struct liar *liar, size_t from, const struct wire *wire)
{
    uint64_t term = wire->key[WK_MSG_TERM];

    if (wire->key[WK_TYPE] == WIRE_APPEND) {
        if (term != liar->led_term) {
            liar->led_term = term;
            liar->led_commit = wire->key[WK_COMMIT];
            liar->has_committed = false;
        }
        liar->has_committed = liar->has_committed || wire->key[WK_COMMIT] > liar->led_commit;
        liar->heard_us = simulation->now;
        say_in(800, liar->at, from,
               (struct wire){.key = {[WK_TYPE] = WIRE_APPEND_RESULT,
                                     [WK_MSG_TERM] = term + liar->has_committed,
                                     [WK_LAST_INDEX] = !liar->has_committed}});
    } else if (wire->key[WK_TYPE] == WIRE_VOTE && (wire->key[WK_FLAGS] & 2) == 0 && term > liar->asked_term &&
               simulation->now > liar->heard_us + 200 * SIM_MS) {
        liar->asked_term = term;
        for (uint64_t us = 700; us <= 2100; us += 700) {
            say_in(us, liar->at, 3 - liar->at - from,
                   (struct wire){.key = {[WK_TYPE] = WIRE_VOTE, [WK_TERM] = term, [WK_MSG_TERM] = term + 1}});
        }
    }
}

static uint64_t in_its_place(void *user, size_t from, size_t to, const struct wire *wire)
{
    struct liar *liar = user;

    if (!liar->on || (from != liar->at && to != liar->at)) {
        return 0;
    }
    if (to == liar->at && liar->timed) {
        hear(liar, from, wire);
    } else if (to == liar->at && liar->answers && wire->key[WK_TYPE] == WIRE_APPEND) {
        say_in(SIM_MS, to, from,
               (struct wire){.key = {[WK_TYPE] = WIRE_APPEND_RESULT,
                                     [WK_MSG_TERM] = wire->key[WK_MSG_TERM] + liar->further,
                                     [WK_REJECTED] = wire->key[WK_PREV_INDEX]}});
    }
    return SIM_DROP;
}

static void flood_one(struct sim *sim, const struct liar *liar, size_t to)
{
    static const enum wire_type types[] = {WIRE_APPEND_RESULT, WIRE_VOTE, WIRE_VOTE_RESULT, WIRE_APPEND};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        for (uint64_t flags = 0; flags < 4 && (liar->flood >> types[i] & 1) != 0; flags++) {
            uint64_t term = sim_status(sim, to).term + liar->further;

            say(sim, liar->at, to,
                (struct wire){.key = {[WK_TYPE] = types[i],
                                      [WK_MSG_TERM] = term,
                                      [WK_FLAGS] = flags,
                                      [WK_LAST_INDEX] = liar->log ? WIRE_NUMBER_MAX : 0,
                                      [WK_LAST_TERM] = liar->log ? term : 0,
                                      [WK_NUMBER] = types[i] == WIRE_VOTE ? WIRE_NUMBER_MAX : 0}});
        }
    }
}

static void flood(struct sim *sim, void *user)
{
    const struct liar *liar = user;

    for (size_t i = 0; i < sim->config.n_members && liar->on; i++) {
        if (i != liar->at && sim->members[i].up) {
            flood_one(sim, liar, i);
        }
    }
    sim_at(sim, FLOOD_EVERY_US, flood, user);
}

/* ---- how much of the time somebody serves ---- */

/* In thousandths, of some minutes with the liar in a member's place. */
static unsigned served_of(unsigned minutes, uint64_t seed, size_t n_members, struct liar liar, bool *ret_ok)
{
    struct sim_config config = {.seed = seed,
                                .n_members = n_members,
                                .client_every_us = 20 * SIM_MS,
                                .hooks = {.user = &liar, .frame = in_its_place, .sim = &simulation}};
    size_t leader;
    struct sim *sim = directed_new(&config, &leader);
    unsigned n = 0;

    liar.at = (leader + 1) % n_members;
    liar.on = true;
    flood(sim, &liar);
    if (!liar.timed) {
        sim_crash(sim, leader); /* each one that comes is to be met by it */
        sim_restart(sim, leader);
    }
    for (unsigned i = 0; i < minutes * 60000 && sim->failure[0] == '\0'; i++) {
        sim_run(sim, SIM_MS);
        n += sim_leader(sim) >= 0;
    }
    liar.on = false;
    sim->client_on = false;
    *ret_ok = sim_wait_equal(sim, 90 * SIM_S); /* an honest member in its place is with them again */
    *ret_ok = directed_end(sim, *ret_ok) && *ret_ok;
    return n / minutes / 60;
}

static unsigned served(uint64_t seed, size_t n_members, struct liar liar, bool *ret_ok)
{
    return served_of(1, seed, n_members, liar, ret_ok);
}

static void expect_served(const char *name, size_t n_members, const struct liar *liar, unsigned at_least)
{
    unsigned n = sim_seeds(2), least = 1000;
    uint64_t first = sim_seed(1), sum = 0;

    for (unsigned i = 0; i < n; i++) {
        bool ok;
        unsigned share = served(first + i, n_members, *liar, &ok);

        assert_true(ok);
        least = share < least ? share : least;
        sum += share;
    }
    print_message("%s, %zu members: served %lu of 1000, at least %u\n", name, n_members, (unsigned long)(sum / n),
                  least);
    assert_true(least >= at_least);
}

#define BIT(type) (1U << (type))
#define REFUSALS (BIT(WIRE_APPEND_RESULT) | BIT(WIRE_VOTE_RESULT))

static void test_served(void **state)
{
    (void)state;
    expect_served("a later term in each answer", 3, &(struct liar){.answers = true, .further = 1}, 950);
    expect_served("the same", 5, &(struct liar){.answers = true, .further = 1}, 940);
    expect_served("votes asked for", 3, &(struct liar){.flood = BIT(WIRE_VOTE), .further = 1}, 950);
    expect_served("the same, and given", 3, &(struct liar){.flood = BIT(WIRE_VOTE), .further = 1, .log = true}, 950);
    expect_served("votes refused", 3, &(struct liar){.flood = BIT(WIRE_VOTE_RESULT), .further = 2}, 950);
    expect_served("entries sent", 3, &(struct liar){.flood = BIT(WIRE_APPEND), .further = 1}, 950);
    for (size_t n = 3; n <= 5; n += 2) {
        expect_served(
            "all of that", n,
            &(struct liar){
                .answers = true, .flood = REFUSALS | BIT(WIRE_VOTE) | BIT(WIRE_APPEND), .further = 2, .log = true},
            900);
    }
}

/* One liar that does nothing but answer: true if somebody serves nearly all of the time. */
static bool mostly_served(uint64_t seed)
{
    bool ok;

    return served(seed, 5, (struct liar){.answers = true, .further = 1}, &ok) >= 900 && ok;
}

static bool mostly_elected(uint64_t seed)
{
    bool ok;

    return served(seed, 3, (struct liar){.flood = BIT(WIRE_VOTE) | BIT(WIRE_VOTE_RESULT), .further = 2}, &ok) >= 900 &&
           ok;
}

/* It is the honest third member whose word counts then. */
static bool served_with_timed(uint64_t seed)
{
    bool ok;
    unsigned share = served_of(5, seed, 3, (struct liar){.timed = true}, &ok);

    print_message("at the right moment, 3 members, five minutes: served %u of 1000\n", share);
    return share >= 900 && ok;
}

static void test_timed(void **state)
{
    (void)state;
    directed_expect(PART_LEASE_LOST, served_with_timed, 3, 3);
    directed_expect(PART_MOVES, served_with_timed, 3, 3);
}

static void test_later_terms(void **state)
{
    (void)state;
    core_test_skipped |= 1UL << PART_FOLLOWED; /* it would hide some of it */
    directed_expect(PART_LATER_TERMS, mostly_served, 2, 2);
    directed_expect(PART_LATER_TERMS, mostly_elected, 2, 2);
    core_test_skipped = 0;
}

/* ---- honest candidates ---- */

static bool another_serves(struct sim *sim, void *user)
{
    int leader = sim_leader(sim), *than = user;

    return leader >= 0 && leader != *than;
}

/* By order of who leads, which takes no move. */
static bool is_handed_over(struct sim *sim, void *user)
{
    int leader = sim_leader(sim), *from = user;

    if (leader == *from) {
        (void)sim_transfer(sim, (size_t)leader, (size_t)(leader + 1) % 3); /* refused as long as the target is behind */
    }
    return leader >= 0 && leader != *from;
}

/* Nobody lies. One member lives on, and sees the two others be elected and die in turns: the last one is elected as
 * fast as the first. */
static bool leaders_die_in_a_row(uint64_t seed)
{
    struct sim_config config = {.seed = seed, .n_members = 3};
    size_t leader;
    struct sim *sim = directed_new(&config, &leader);
    int survivor = (int)(leader + 1) % 3;
    bool ok = true;

    for (unsigned i = 0; ok && i < 60; i++) {
        int old;

        ok = sim_run_until(sim, 5 * SIM_S, is_handed_over, &survivor);
        old = sim_leader(sim);
        if (ok) {
            sim_crash(sim, (size_t)old);
            ok = sim_run_until(sim, 2 * SIM_S, another_serves, &old);
            sim_restart(sim, (size_t)old);
            ok = sim_wait_equal(sim, 5 * SIM_S) && ok;
        }
    }
    return directed_end(sim, ok);
}

static void test_honest(void **state)
{
    (void)state;
    directed_expect(PART_GIVE_BACK, leaders_die_in_a_row, 4, 4);
}

/* ---- far terms ---- */

static bool is_far(struct sim *sim, void *user)
{
    const uint64_t *far = user;
    int leader = sim_leader(sim);

    return leader >= 0 && sim_status(sim, (size_t)leader).term >= *far;
}

/* Terms jump while a member is away, and the one in whose place the liar was is as far behind. */
static bool away_while_terms_jump(uint64_t seed)
{
    struct liar liar = {.answers = true, .further = STEP};
    struct sim_config config = {.seed = seed,
                                .n_members = 5,
                                .client_every_us = 50 * SIM_MS,
                                .hooks = {.user = &liar, .frame = in_its_place, .sim = &simulation}};
    size_t leader, away;
    struct sim *sim = directed_new(&config, &leader);
    uint64_t far = sim_status(sim, leader).term + 3 * STEP;
    bool ok;

    liar.at = (leader + 1) % 5;
    away = (leader + 2) % 5;
    sim_isolate(sim, away, true);
    liar.on = true;
    ok = sim_run_until(sim, 300 * SIM_S, is_far, &far);
    liar.on = false;
    sim->client_on = false;
    if (seed % 2 == 0) {
        sim_crash(sim, away);
    }
    sim_heal(sim);
    return directed_end(sim, sim_wait_equal(sim, 10 * SIM_S) && ok);
}

static void test_far_terms(void **state)
{
    (void)state;
    directed_expect(PART_FAR_TERMS, away_while_terms_jump, 4, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_served), cmocka_unit_test(test_later_terms), cmocka_unit_test(test_timed),
        cmocka_unit_test(test_honest), cmocka_unit_test(test_far_terms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

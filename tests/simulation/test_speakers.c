/* Only members speak: strangers, removed members and liars, each rule with it and without it; and those who must be
 * heard although they are not known: a leader that was added while a member was away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/simulation/directed.h"

static bool change(struct sim *sim, enum core_change_kind kind, size_t member, enum core_voting goal)
{
    const struct core_change wanted = {.kind = kind, .id = member + 1, .goal = goal, .address = sim_addresses[member]};

    for (uint64_t end = sim->now + 10 * SIM_S; sim->now < end && sim->failure[0] == '\0'; sim_run(sim, 10 * SIM_MS)) {
        int leader = sim_leader(sim);

        if (leader >= 0 && sim_change(sim, (size_t)leader, &wanted) == 0) {
            return true;
        }
    }
    return false;
}

struct wanted {
    size_t member;
    enum core_voting voting;
    bool in;
};

static bool has_become(struct sim *sim, void *user)
{
    const struct wanted *wanted = user;
    int leader = sim_leader(sim);
    const struct core_peer_status *peer;
    struct core_status status;

    if (leader < 0) {
        return false;
    }
    status = sim_status(sim, (size_t)leader);
    peer = sim_peer(sim, &status, wanted->member);
    return !status.changing && (peer != NULL && peer->member) == wanted->in &&
           (!wanted->in || peer->voting == wanted->voting);
}

static bool wait_member(struct sim *sim, size_t member, bool in, enum core_voting voting)
{
    struct wanted wanted = {member, voting, in};

    return sim_run_until(sim, 10 * SIM_S, has_become, &wanted);
}

static bool add(struct sim *sim, size_t member, enum core_voting goal)
{
    return change(sim, CORE_ADD, member, goal) && wait_member(sim, member, true, goal);
}

static bool take_out(struct sim *sim, size_t member)
{
    return change(sim, CORE_REMOVE, member, CORE_SPARE) && wait_member(sim, member, false, CORE_SPARE);
}

/* A leader that was alone with the removal of another one, and restarted, follows that one when it leads instead. */
static void test_removal_that_came_to_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = sim_seed(1), end = seed + 5; seed < end; seed++) {
        size_t leader, a, b, next;
        struct sim_config config = {.seed = seed, .client_every_us = 20 * SIM_MS};
        struct sim *sim = directed_new(&config, &leader);
        struct core_change wanted = {.kind = CORE_REMOVE};
        bool ok;

        directed_others(sim, leader, &a, &b);
        sim_run(sim, 100 * SIM_MS);
        sim_isolate(sim, leader, true);
        wanted.id = a + 1;
        ok = sim_change(sim, leader, &wanted) == 0;
        sim_run(sim, 50 * SIM_MS); /* it is on the disk */
        sim_crash(sim, leader);
        ok = ok && sim_wait_serving(sim, 5 * SIM_S, &next);
        if (ok && next == b) {
            sim_run(sim, 500 * SIM_MS);
            ok = sim_transfer(sim, b, a) == 0;
        }
        ok = ok && directed_wait_leader(sim, 5 * SIM_S, a);
        sim_restart(sim, leader);
        sim_isolate(sim, leader, false);
        sim->client_on = false;
        assert_true(directed_end(sim, ok && sim_wait_equal(sim, 10 * SIM_S)));
    }
}

/* ---- strangers and removed members ---- */

/* Three members of four that there were, each told by nobody and by the fourth; then life goes on. */
static bool intruded(uint64_t seed)
{
    size_t leader, out;
    struct sim_config config = {.seed = seed, .n_members = 4, .members_may_fail = true, .client_every_us = 20 * SIM_MS};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    out = (leader + 1) % 4;
    ok = take_out(sim, out);
    sim_crash(sim, out);
    sim_run(sim, 7 * SIM_S); /* it is long ago that it was in the leader's term */
    for (int i = 0; i < 60 && sim->failure[0] == '\0'; i++) {
        sim_run(sim, sim_between(sim, SIM_MS, 100 * SIM_MS));
        sim_intrude(sim);
    }
    sim_run(sim, SIM_S); /* nothing was kept that takes effect later */
    ok = ok && sim_leader(sim) == (int)leader && sim_status(sim, leader).term < SIM_TERMS_OF_STRANGERS;
    sim->client_on = false;
    return directed_end(sim, ok && sim_wait_equal(sim, 5 * SIM_S));
}

static void test_speakers(void **state)
{
    (void)state;
    directed_expect(PART_SPEAKERS, intruded, 10, 5);
}

static void test_introduced(void **state)
{
    (void)state;
    directed_expect(PART_INTRODUCED, intruded, 10, 5);
}

static void test_second_word(void **state)
{
    (void)state;
    directed_expect(PART_SECOND_WORD, intruded, 20, 3);
}

static void test_claims(void **state)
{
    (void)state;
    core_test_skipped |= 1UL << PART_FOLLOWED; /* it would hide it */
    directed_expect(PART_CLAIMS, intruded, 10, 5);
    core_test_skipped = 0;
}

static void test_one_leader(void **state)
{
    (void)state;
    directed_expect(PART_ONE_LEADER, intruded, 10, 5);
}

static void test_answers(void **state)
{
    (void)state;
    directed_expect(PART_ANSWERS, intruded, 10, 5);
}

static void test_hand_over(void **state)
{
    (void)state;
    directed_expect(PART_HAND_OVER, intruded, 10, 5);
}

/* A vote request came too early and was kept; then who asked is removed. It is not delivered. */
static bool kept_vote(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed, .n_members = 4, .members_may_fail = true};
    struct sim *sim = directed_new(&config, &leader);
    struct wire vote = {.key = {[WK_TYPE] = WIRE_VOTE, [WK_VERSION] = 2, [WK_LAST_INDEX] = 1000, [WK_FLAGS] = 0}};
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;
    uint64_t term;
    bool ok;

    directed_others(sim, leader, &a, &b);
    term = sim_status(sim, leader).term;
    vote.key[WK_FROM] = b + 1;
    vote.key[WK_TERM] = vote.key[WK_MSG_TERM] = vote.key[WK_LAST_TERM] = term + 5;
    wire_encode(&vote, &frame);
    ok = core_recv(sim->members[a].core, b + 1, (const uint8_t *)frame.data, frame.len);
    sim_touched(sim, a);
    ok = ok && take_out(sim, b);
    sim_run(sim, 50 * SIM_MS); /* a has heard of it */
    sim_crash(sim, b);
    directed_cut_off(sim, leader); /* a's promise ends */
    sim_run(sim, 200 * SIM_MS);
    ok = ok && sim_status(sim, a).term < term + 5;
    sim_isolate(sim, leader, false);
    return directed_end(sim, ok && sim_wait_serving(sim, 5 * SIM_S, NULL));
}

static void test_kept_vote(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        assert_true(kept_vote(seed));
    }
}

/* ---- who must be heard ---- */

/* A standby was away while all but one of those that it knows have gone; that one tells it who leads now. */
static bool away(uint64_t seed)
{
    size_t leader, next = 0, old;
    struct sim_config config = {.seed = seed,
                                .n_members = 5,
                                .n_initial = 3,
                                .members_may_fail = true,
                                .client_every_us = 20 * SIM_MS,
                                .snapshot_threshold = seed % 2 == 0 ? 40 : 0,
                                .trailing = seed % 2 == 0 ? 50 : 0};
    struct sim *sim = directed_new(&config, &leader);
    bool ok = add(sim, 3, CORE_STANDBY);

    sim_crash(sim, 3);
    ok = ok && add(sim, 4, CORE_VOTER);
    old = leader == 0 ? 1 : 0;
    ok = ok && take_out(sim, old);
    sim_crash(sim, old);
    ok = ok && sim_transfer(sim, (size_t)sim_leader(sim), 4) == 0 && directed_wait_leader(sim, 5 * SIM_S, 4);
    ok = ok && take_out(sim, leader);
    sim_crash(sim, leader);
    next = 3 - leader - old; /* the one of the three that is left; and the leader, whom the standby never saw */
    ok = ok && sim_wait_serving(sim, 5 * SIM_S, NULL) && sim->members[next].up;
    sim_run(sim, SIM_S);
    sim_restart(sim, 3);
    sim->client_on = false;
    return directed_end(sim, ok && sim_wait_equal(sim, 10 * SIM_S) && !sim->members[3].failed);
}

/* One with an empty disk whose file names one member that there is, and it does not lead. */
static bool newcomer(uint64_t seed)
{
    size_t leader, other;
    struct sim_config config = {.seed = seed, .n_members = 4, .n_initial = 3, .client_every_us = 20 * SIM_MS};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    other = leader == 0 ? 1 : 0;
    sim_crash(sim, 3);
    for (size_t i = 0; i < 4; i++) {
        sim->members[3].in_file[i] = i == other;
    }
    sim_restart(sim, 3);
    ok = add(sim, 3, CORE_VOTER);
    sim->client_on = false;
    return directed_end(sim, ok && sim_wait_equal(sim, 10 * SIM_S));
}

static void test_heard(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        assert_true(away(seed));
        assert_true(newcomer(seed));
    }
}

/* ---- old times ---- */

struct limit {
    size_t a, b;
    uint64_t index;
};

/* The log reaches these two up to here only. */
static uint64_t hold_back(void *user, size_t from, size_t to, const struct wire *wire)
{
    const struct limit *limit = user;

    (void)from;
    return limit->index > 0 && (to == limit->a || to == limit->b) && wire->key[WK_TYPE] == WIRE_APPEND &&
                   wire->key[WK_PREV_INDEX] + wire->key[WK_COUNT] > limit->index
               ? SIM_DROP
               : 0;
}

static void come_back_empty(struct sim *sim, size_t member)
{
    sim_crash(sim, member);
    sim_wipe(sim, member);
    for (size_t i = 0; i < sim->config.n_members; i++) {
        sim->members[member].in_file[i] = true;
    }
    sim_restart(sim, member);
}

/* Two of the first three were replaced, and get the log again from its beginning, when all three voted. They must not
 * elect one of them as they could then. */
static bool old_times(uint64_t seed)
{
    size_t leader, a, b;
    struct limit limit = {.index = 0};
    struct sim_config config = {.seed = seed,
                                .n_members = 5,
                                .n_initial = 3,
                                .members_may_fail = true,
                                .inflight = 4,
                                .window = 4,
                                .hooks = {.user = &limit, .frame = hold_back}};
    struct sim *sim = directed_new(&config, &leader);
    bool ok = add(sim, 3, CORE_VOTER) && add(sim, 4, CORE_VOTER);

    directed_load(sim, leader, SIM_S, 20 * SIM_MS);
    ok = ok && sim_transfer(sim, leader, 4) == 0 && directed_wait_leader(sim, 5 * SIM_S, 4);
    a = leader;
    b = leader == 0 ? 1 : 0;
    ok = ok && take_out(sim, a) && take_out(sim, b);
    limit = (struct limit){.a = a, .b = b, .index = 8};
    come_back_empty(sim, a);
    come_back_empty(sim, b);
    ok = ok && change(sim, CORE_ADD, a, CORE_VOTER) && change(sim, CORE_ADD, b, CORE_VOTER);
    sim_run(sim, 2 * SIM_S);
    for (size_t i = 0; i < 5; i++) { /* alone with each other */
        if (i != a && i != b) {
            sim_isolate(sim, i, true);
        }
    }
    sim_cut(sim, 4, 3, false);
    sim_cut(sim, 3, 4, false);
    sim_run(sim, 5 * SIM_S);
    ok = ok && sim_status(sim, a).role != CORE_LEADER && sim_status(sim, b).role != CORE_LEADER;
    limit.index = 0;
    sim_heal(sim);
    return directed_end(sim, ok && wait_member(sim, a, true, CORE_VOTER) && wait_member(sim, b, true, CORE_VOTER));
}

static void test_old_times(void **state)
{
    (void)state;
    directed_expect(PART_JOINING, old_times, 5, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_speakers),    cmocka_unit_test(test_introduced),
        cmocka_unit_test(test_claims),      cmocka_unit_test(test_one_leader),
        cmocka_unit_test(test_hand_over),   cmocka_unit_test(test_kept_vote),
        cmocka_unit_test(test_second_word), cmocka_unit_test(test_heard),
        cmocka_unit_test(test_old_times),   cmocka_unit_test(test_removal_that_came_to_nothing),
        cmocka_unit_test(test_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The rules that cure libraft's faults, one by one: what happens with the rule, and that it does not without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/simulation/directed.h"

static bool is_pre_vote(const struct wire *wire)
{
    return wire->key[WK_TYPE] == WIRE_VOTE && (wire->key[WK_FLAGS] & 2) != 0;
}

/* ---- rule 1: reads wait for the own barrier ---- */

static bool stale_reads(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed, .client_every_us = 3 * SIM_MS, .disk_max_us = 20 * SIM_MS};
    struct sim *sim = directed_new(&config, &leader);

    directed_others(sim, leader, &a, &b);
    for (int i = 0; i < 5; i++) { /* the client is told before the followers are */
        sim_run(sim, 300 * SIM_MS);
        leader = (size_t)(sim_leader(sim) >= 0 ? sim_leader(sim) : 0);
        sim_crash(sim, leader);
        (void)sim_wait_serving(sim, 5 * SIM_S, NULL);
        sim_restart(sim, leader);
        (void)sim_wait_serving(sim, 5 * SIM_S, NULL);
    }
    return directed_end(sim, true);
}

static void test_barrier(void **state)
{
    (void)state;
    directed_expect(PART_BARRIER, stale_reads, 10, 3);
}

/* ---- rule 2: a refused pre-vote tells the newer term ---- */

struct mute {
    size_t loud, silent; /* the real vote requests of the first are lost, the second does not campaign */
    bool active;
};

static uint64_t mute(void *user, size_t from, size_t to, const struct wire *wire)
{
    const struct mute *muted = user;

    (void)to;
    if (muted->active && wire->key[WK_TYPE] == WIRE_VOTE &&
        (from == muted->silent || (from == muted->loud && !is_pre_vote(wire)))) {
        return SIM_DROP;
    }
    return 0;
}

struct term_is {
    size_t member;
    uint64_t term;
};

static bool has_term(struct sim *sim, void *user)
{
    const struct term_is *wanted = user;

    return sim_status(sim, wanted->member).term >= wanted->term;
}

static bool pre_vote_deadlock(uint64_t seed)
{
    size_t leader, a, b;
    struct mute muted = {.active = false};
    struct sim_config config = {.seed = seed, .hooks = {.user = &muted, .frame = mute}};
    struct sim *sim = directed_new(&config, &leader);
    struct term_is far;
    bool ok;

    directed_others(sim, leader, &a, &b);
    /* a wins pre-votes, but its vote requests are lost: its term grows. */
    muted = (struct mute){.loud = a, .silent = b, .active = true};
    far = (struct term_is){.member = a, .term = sim_status(sim, a).term + 4};
    sim_crash(sim, leader);
    ok = sim_run_until(sim, 60 * SIM_S, has_term, &far);
    /* The other two go on without it, in a lower term, with more entries; then only one of them is left. */
    muted.active = false;
    sim_isolate(sim, a, true);
    sim_restart(sim, leader);
    ok = ok && sim_wait_serving(sim, 10 * SIM_S, &leader);
    (void)sim_submit(sim, leader, 5);
    sim_run(sim, SIM_S);
    sim_crash(sim, leader);
    sim_isolate(sim, a, false);
    ok = ok && sim_wait_serving(sim, 20 * SIM_S, NULL);
    return directed_end(sim, ok);
}

static void test_pre_vote_deadlock(void **state)
{
    (void)state;
    directed_expect(PART_PRE_VOTE_TERM, pre_vote_deadlock, 5, 5);
}

/* ---- rule 3: a candidate's next try begins with a pre-vote ---- */

static bool lonely_candidate(uint64_t seed)
{
    size_t leader, a, b;
    struct mute muted = {.active = false};
    struct sim_config config = {.seed = seed, .hooks = {.user = &muted, .frame = mute}};
    struct sim *sim = directed_new(&config, &leader);
    struct term_is one_more;
    uint64_t term = sim_status(sim, leader).term;
    bool ok;

    directed_others(sim, leader, &a, &b);
    muted = (struct mute){.loud = a, .silent = b, .active = true};
    one_more = (struct term_is){.member = a, .term = term + 1};
    sim_crash(sim, leader);
    ok = sim_run_until(sim, 60 * SIM_S, has_term, &one_more);
    sim_isolate(sim, a, true); /* alone: no pre-vote is won any more */
    sim_run(sim, 10 * SIM_S);
    return directed_end(sim, ok && sim_status(sim, a).term <= term + 2);
}

static void test_candidate(void **state)
{
    (void)state;
    directed_expect(PART_CANDIDATE, lonely_candidate, 5, 5);
}

/* ---- rules 4 and 13: the commit index never goes back, and if it does the member ends ---- */

/* While a follower catches up, one of the appends comes late, after it was sent again: it names a newer commit index
 * than the follower knows, and entries that are long there. */
struct late_append {
    size_t from, to;
    bool active;
    unsigned seen;
};

static uint64_t hold_append(void *user, size_t from, size_t to, const struct wire *wire)
{
    struct late_append *late = user;

    if (!late->active || from != late->from || to != late->to || wire->key[WK_TYPE] != WIRE_APPEND ||
        wire->key[WK_COUNT] == 0 || ++late->seen < 3) {
        return 0;
    }
    late->active = false;
    return 120 * SIM_MS;
}

static struct sim *catch_up_with_late_append(uint64_t seed, struct late_append *late, size_t *ret_follower)
{
    size_t leader, b;
    struct sim_config config = {.seed = seed,
                                .members_may_fail = true,
                                .inflight = 30,
                                .latency_min_us = 2 * SIM_MS,
                                .latency_max_us = 3 * SIM_MS,
                                .hooks = {.user = late, .frame = hold_append}};
    struct sim *sim = directed_new(&config, &leader);

    directed_others(sim, leader, ret_follower, &b);
    sim_isolate(sim, *ret_follower, true);
    for (int i = 0; i < 200; i++) {
        (void)sim_submit(sim, leader, 30);
        sim_run(sim, 10 * SIM_MS);
    }
    *late = (struct late_append){.from = leader, .to = *ret_follower, .active = true};
    sim_isolate(sim, *ret_follower, false);
    (void)sim_wait_equal(sim, 5 * SIM_S);
    return sim;
}

static bool commit_never_goes_back(uint64_t seed)
{
    size_t follower;
    struct late_append late = {.active = false};
    struct sim *sim = catch_up_with_late_append(seed, &late, &follower);

    return directed_end(sim, !late.active && sim_wait_equal(sim, SIM_S) && !sim->members[follower].failed);
}

static void test_anchor(void **state)
{
    (void)state;
    directed_expect(PART_ANCHOR, commit_never_goes_back, 5, 5);
}

static bool regression_is_noticed(uint64_t seed)
{
    size_t follower;
    struct late_append late = {.active = false};
    unsigned long skipped = core_test_skipped;
    struct sim *sim;

    core_test_skipped |= 1UL << PART_ANCHOR; /* so that it does go back */
    sim = catch_up_with_late_append(seed, &late, &follower);
    core_test_skipped = skipped;
    return directed_end(sim, sim->members[follower].failed &&
                                 strstr(sim->members[follower].failed_text, "commit index went back") != NULL);
}

static void test_assertions(void **state)
{
    (void)state;
    directed_expect(PART_ASSERTIONS, regression_is_noticed, 5, 5);
}

/* ---- rule 5: late rejections ---- */

/* A frame that the other end sent long ago. */
static void deliver(struct sim *sim, size_t from, size_t to, struct wire wire)
{
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;

    wire.key[WK_FROM] = from + 1;
    wire.key[WK_TERM] = wire.key[WK_MSG_TERM];
    wire_encode(&wire, &frame);
    (void)core_recv(sim->members[to].core, from + 1, (const uint8_t *)frame.data, frame.len);
    sim_touched(sim, to);
}

static bool late_rejection(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed};
    struct sim *sim = directed_new(&config, &leader);
    unsigned long skipped = core_test_skipped;
    struct core_status status;
    bool ok;

    core_test_skipped |= 1UL << PART_ANCHOR; /* rule 4 on the other side would hide it */
    directed_others(sim, leader, &a, &b);
    sim_cut(sim, a, leader, true); /* the leader hears nothing and probes */
    sim_run(sim, 500 * SIM_MS);
    status = sim_status(sim, leader);
    deliver(sim, a, leader,
            (struct wire){.key = {[WK_TYPE] = WIRE_APPEND_RESULT,
                                  [WK_MSG_TERM] = status.term,
                                  [WK_REJECTED] = status.peers[a].match_index,
                                  [WK_LAST_INDEX] = status.peers[a].match_index - 1}});
    sim_cut(sim, a, leader, false);
    ok = sim_submit(sim, leader, 3) > 0 && sim_wait_equal(sim, 20 * SIM_S);
    core_test_skipped = skipped;
    return directed_end(sim, ok && sim_status(sim, leader).term == status.term);
}

static void test_late_rejection(void **state)
{
    (void)state;
    directed_expect(PART_REJECTIONS, late_rejection, 5, 3);
}

struct stale_answer {
    size_t from, to;
    uint64_t term;
    bool active;
    unsigned seen, undefined;
};

static uint64_t look_at_answers(void *user, size_t from, size_t to, const struct wire *wire)
{
    struct stale_answer *stale = user;

    if (stale->active && from == stale->from && to == stale->to && wire->key[WK_TYPE] == WIRE_APPEND_RESULT &&
        wire->key[WK_MSG_TERM] > stale->term) {
        stale->seen++;
        stale->undefined += wire->key[WK_REJECTED] != 1 || wire->key[WK_LAST_INDEX] != 0;
    }
    return 0;
}

/* What a follower answers to the leader of an older term is the same every time, not bytes of its stack. */
static bool stale_answer(uint64_t seed)
{
    size_t leader, a, b, next = 0;
    struct stale_answer stale = {.active = false};
    struct sim_config config = {.seed = seed, .hooks = {.user = &stale, .frame = look_at_answers}};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    directed_others(sim, leader, &a, &b);
    directed_load(sim, leader, 200 * SIM_MS, 20 * SIM_MS);
    sim_freeze(sim, leader, SIM_S);
    ok = sim_wait_serving(sim, 5 * SIM_S, &next) && next != leader;
    /* What the old leader sent before its freeze arrives now, in the new term. */
    stale = (struct stale_answer){.from = next == a ? b : a, .to = leader, .active = true};
    stale.term = sim_status(sim, leader).term;
    sim_isolate(sim, leader, true);
    for (size_t i = 0; i < 3; i++) {
        sim_cut(sim, leader, i, false); /* it is heard, but hears nobody */
    }
    sim_run(sim, 2 * SIM_S);
    ok = ok && stale.seen > 0 && stale.undefined == 0;
    return directed_end(sim, ok);
}

static void test_stale_answer(void **state)
{
    (void)state;
    directed_expect(PART_REJECTIONS, stale_answer, 3, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_barrier),      cmocka_unit_test(test_pre_vote_deadlock),
        cmocka_unit_test(test_candidate),    cmocka_unit_test(test_anchor),
        cmocka_unit_test(test_assertions),   cmocka_unit_test(test_late_rejection),
        cmocka_unit_test(test_stale_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

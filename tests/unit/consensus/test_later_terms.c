/* Later terms that one member alone names: how far and how often they move ours. Member 1 is real, one of the others
 * lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/consensus/claim.h"

/* ---- later terms, of one member alone ---- */

#define FAR (UINT64_C(1) << 20) /* so far one frame moves our term */

/* Member 3 answers with the next term until it is believed. How long that took, in election timeouts: those of the
 * election before are missing. */
static uint64_t pause_of(uint64_t until)
{
    uint64_t since = lone.now, own = lone_term();

    assert_int_equal(lone.core->role, CORE_LEADER);
    for (claim_answer(3, own + 1, 2); lone_term() == own && lone.now < since + claim_timeouts_us(until);
         claim_answer(3, own + 1, 2)) {
        claim_serve(50000, false);
    }
    return (lone.now - since) / claim_timeouts_us(1);
}

/* Each leader anew: what counts is how often this process has given up for it. */
static void test_pause(void **state)
{
    (void)state;
    claim_be_elected();
    assert_int_equal(pause_of(1000), 0);
    claim_be_elected();
    assert_in_range(pause_of(1000), 8, 16);
    claim_be_elected();
    assert_in_range(pause_of(1000), 56, 64);
    claim_be_elected();
    assert_in_range(pause_of(1000), 248, 256);
    claim_be_elected();
    assert_in_range(pause_of(1000), 248, 256);
    claim_be_elected();
    claim_serve(claim_timeouts_us(2048), false); /* it was long ago */
    assert_int_equal(pause_of(1000), 0);
    claim_be_elected();
    assert_in_range(pause_of(1000), 8, 16);
}

/* Another one is in that term as well: it is true. */
static void test_no_pause_for_two(void **state)
{
    uint64_t own;

    (void)state;
    claim_be_elected();
    assert_int_equal(pause_of(1000), 0);
    claim_be_elected();
    own = lone_term();
    assert_true(lone_hears(2, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_TERM] = own + 1}}));
    claim_answer(3, own + 2, 2);
    assert_int_equal(lone_term(), own);
    claim_answer(3, own + 1, 2);
    assert_int_equal(lone_term(), own + 1);
}

static void name(uint64_t from, uint64_t term)
{
    assert_true(lone_hears(from, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_TERM] = term}}));
}

/* A term that is beyond all others bears nobody out who is not there. */
static void test_far_term_bears_out_nobody(void **state)
{
    uint64_t own;

    (void)state;
    claim_be_elected();
    assert_int_equal(pause_of(1000), 0);
    claim_be_elected();
    own = lone_term();
    for (unsigned bits = 21; bits <= 60; bits++) {
        name(2, own + (UINT64_C(1) << bits));
        claim_answer(3, own + 1, 2);
        assert_int_equal(lone_term(), own);
    }
    name(2, own + FAR); /* it may be there */
    claim_answer(3, own + 1, 2);
    assert_int_equal(lone_term(), own + 1);
}

static void ask_for_vote(uint64_t from, uint64_t term)
{
    assert_true(
        lone_hears(from, WIRE_VOTE, (struct wire){.key = {[WK_TERM] = term, [WK_MSG_TERM] = term, [WK_VERSION] = 2}}));
    lone_disk_answers();
}

/* Both are far away: that is as true as of two that are near, and takes no time. */
static void test_two_that_are_far(void **state)
{
    uint64_t far = TERM + 20 * FAR;

    (void)state;
    name(2, far);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(lone_term() < far);
        ask_for_vote(3, far);
    }
    assert_int_equal(lone_term(), far);
}

/* Nor does what was named long ago: it is said again and again by who is there. */
static void test_old_term_bears_out_nobody(void **state)
{
    uint64_t named = TERM + 1000;

    (void)state;
    name(2, named);
    while (lone.core->peers[2].moves_us <
           lone.now + claim_timeouts_us(200)) { /* it has had all that it can have alone */
        uint64_t own = lone_term();

        lone.core->peers[1].named_term = 0;
        ask_for_vote(3, own + 1);
        assert_int_equal(lone_term(), own + 1);
    }
    name(2, named);
    lone.now += claim_timeouts_us(15);
    ask_for_vote(3, lone_term() + 1);
    assert_int_equal(lone_term(), TERM + 5);
    lone.now += claim_timeouts_us(1);
    ask_for_vote(3, lone_term() + 1);
    assert_int_equal(lone_term(), TERM + 5);
    name(2, named);
    ask_for_vote(3, lone_term() + 1);
    assert_int_equal(lone_term(), TERM + 6);
}

/* Not by what it says to a leader in any other way. */
static void test_pause_in_other_words(void **state)
{
    uint64_t own;

    (void)state;
    claim_be_elected();
    assert_int_equal(pause_of(1000), 0);
    claim_be_elected();
    claim_serve(claim_timeouts_us(1), false);
    lone.now += PROMISE_US; /* no lease any more, but that is not long ago */
    own = lone_term();
    claim_answer(3, own + 1, 2);
    assert_true(claim_append(3, own + 1));
    for (uint64_t flags = 0; flags < 2; flags++) {
        assert_true(lone_hears(
            3, WIRE_VOTE,
            (struct wire){
                .key = {
                    [WK_MSG_TERM] = own + 1, [WK_FLAGS] = flags, [WK_NUMBER] = WIRE_NUMBER_MAX, [WK_VERSION] = 2}}));
    }
    assert_int_equal(lone_term(), own);
    assert_int_equal(lone.core->role, CORE_LEADER);
}

/* The pause is for leaders that serve. Just elected counts as one. */
static void test_no_pause_without_a_lease(void **state)
{
    uint64_t own;

    (void)state;
    claim_be_elected();
    assert_int_equal(pause_of(1000), 0);
    for (unsigned held = 0; held < 2; held++) {
        claim_be_elected();
        if (held > 0) {
            claim_serve(claim_timeouts_us(1), false);
        }
        own = lone_term();
        for (uint64_t end = lone.now + claim_timeouts_us(2) - 50000; lone.now < end; lone.now += 50000) {
            claim_answer(2, own, 0);
            claim_answer(3, own + 1, 2);
            assert_int_equal(lone_term(), own);
        }
        lone.now += PROMISE_US + 50000;
        claim_answer(3, own + 1, 2);
        assert_int_equal(lone_term(), own + 1);
        assert_int_equal(lone.core->role, CORE_FOLLOWER);
    }
}

/* Without a leader: some at once, for candidates that meet, then now and then. */
static void test_moves(void **state)
{
    unsigned moved = 0;

    (void)state;
    for (uint64_t end = lone.now + claim_timeouts_us(300); lone.now < end; lone.now += claim_timeouts_us(1) / 10) {
        uint64_t own = lone_term();

        assert_true(lone_hears(3, WIRE_VOTE, (struct wire){.key = {[WK_MSG_TERM] = own + 1, [WK_VERSION] = 2}}));
        lone_disk_answers();
        assert_true(lone_hears(3, WIRE_VOTE_RESULT, (struct wire){.key = {[WK_MSG_TERM] = lone_term() + 2}}));
        lone_disk_answers();
        moved += lone_term() > own;
    }
    assert_in_range(moved, 8, 9);
}

/* ---- far terms ---- */

static void test_far_leader(void **state)
{
    uint64_t far = TERM + 2 * FAR + 1;

    (void)state;
    lone_hears_of(3, 2, far);
    assert_true(claim_append(2, far));
    assert_int_equal(lone_term(), TERM + FAR);
    assert_int_equal(core_last_index(lone.core), 2);
    assert_int_equal(core_raft_leader(lone.core), 0);
    assert_true(claim_append(2, far));
    assert_true(claim_append(2, far));
    assert_int_equal(lone_term(), far);
    assert_int_equal(core_last_index(lone.core), 3);
    assert_int_equal(core_raft_leader(lone.core), 2);
}

/* It asks for a vote: that is given when our term is there. A pre-vote moves nothing. */
static void test_far_candidate(void **state)
{
    struct wire vote = {.key = {[WK_MSG_TERM] = TERM + FAR + 1,
                                [WK_LAST_INDEX] = 100,
                                [WK_LAST_TERM] = TERM,
                                [WK_FLAGS] = 2,
                                [WK_VERSION] = 2}};

    (void)state;
    assert_true(lone_hears(2, WIRE_VOTE, vote));
    assert_int_equal(lone_term(), TERM);
    vote.key[WK_FLAGS] = 0;
    for (uint64_t i = 0; i < 2; i++) {
        assert_true(lone_hears(2, WIRE_VOTE, vote));
        lone_disk_answers();
        assert_int_equal(lone_term(), TERM + FAR + i);
        assert_int_equal(lone.core->vote_on_disk, i * 2);
    }
}

/* What we have promised stands before that, and it is no claim to lead. */
static void test_far_claim(void **state)
{
    (void)state;
    claim_lead();
    claim_number(2, 9, 1);
    assert_true(claim_append(3, WIRE_NUMBER_MAX));
    claim_vote(3, 1);
    assert_true(lone_hears(3, WIRE_VOTE_RESULT, (struct wire){.key = {[WK_MSG_TERM] = WIRE_NUMBER_MAX}}));
    assert_true(lone_hears(3, WIRE_LEASE,
                           (struct wire){.key = {[WK_TERM] = WIRE_NUMBER_MAX, [WK_NUMBER] = 9, [WK_LEASE_US] = 9}}));
    assert_int_equal(lone_term(), TERM);
    assert_int_equal(core_raft_leader(lone.core), 2);
}

static void test_far_answer(void **state)
{
    uint64_t own;

    (void)state;
    claim_be_elected();
    own = lone_term();
    claim_answer(3, WIRE_NUMBER_MAX, 2);
    assert_int_equal(lone_term(), own + FAR);
    assert_int_equal(lone.core->role, CORE_FOLLOWER);
}

/* Nothing is known yet: the first leader that is heard may lie as well. */
static void test_far_newcomer(void **state)
{
    (void)state;
    lone_start(&(struct lone_config){.n_members = 3, .disk_state = CORE_FORMED, .term = 1});
    assert_true(lone_hears(3, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}}));
    assert_true(lone_hears(3, WIRE_APPEND, (struct wire){.key = {[WK_MSG_TERM] = WIRE_NUMBER_MAX}}));
    lone_disk_answers();
    assert_int_equal(lone_term(), 1 + FAR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pause, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_no_pause_for_two, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_far_term_bears_out_nobody, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_two_that_are_far, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_old_term_bears_out_nobody, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_pause_in_other_words, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_no_pause_without_a_lease, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_moves, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_far_leader, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_far_candidate, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_far_claim, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_far_answer, claim_set_up, lone_tear_down),
        cmocka_unit_test_teardown(test_far_newcomer, lone_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

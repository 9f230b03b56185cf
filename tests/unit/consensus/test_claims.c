/* Who says that he leads: one in a term, nobody in a later one while another one has our promise, and a leader alone
 * says to whom it hands over. Member 2 leads, member 3 has a certificate and lies, member 1 listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/consensus/claim.h"

static void order(uint64_t from)
{
    assert_true(lone_hears(
        from, WIRE_TIMEOUT_NOW,
        (struct wire){
            .key = {[WK_MSG_TERM] = TERM, [WK_LAST_INDEX] = 2, [WK_LAST_TERM] = TERM, [WK_NUMBER] = WIRE_NUMBER_MAX}}));
    lone_disk_answers();
}

static void test_second_leader_of_a_term(void **state)
{
    const struct wire chunk = {.key = {[WK_MSG_TERM] = TERM,
                                       [WK_LAST_INDEX] = 1000,
                                       [WK_LAST_TERM] = TERM,
                                       [WK_CONF_INDEX] = 1,
                                       [WK_CONF_LEN] = lone.conf.len,
                                       [WK_TOTAL] = 1000},
                               .body = (const uint8_t *)lone.conf.data,
                               .body_len = lone.conf.len};

    (void)state;
    claim_lead();
    assert_false(claim_append(3, TERM));
    assert_int_equal(core_last_index(lone.core), 2);
    assert_int_equal(core_raft_leader(lone.core), 2);
    assert_int_equal(lone.core->refusal.by, 3);
    assert_false(lone_hears(3, WIRE_SNAPSHOT, chunk));
    claim_number(3, 9, 1);
    assert_int_equal(lone.core->lease.promise_until, 0);
    assert_true(lone_hears(2, WIRE_SNAPSHOT, chunk));
    assert_true(claim_append(2, TERM));
    assert_int_equal(core_last_index(lone.core), 3);
}

static void start_with_four(void)
{
    lone_start(&(struct lone_config){.n_members = 4, .disk_state = CORE_FORMED, .term = TERM, .vote = 3});
    for (uint64_t id = 2; id <= 4; id++) {
        assert_true(lone_hears(id, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}}));
    }
    memset(lone.asked, 0, sizeof(lone.asked));
}

/* Nothing but that it leads. */
static bool say_to_lead(uint64_t from, uint64_t in_term)
{
    bool taken = lone_hears(
        from, WIRE_APPEND, (struct wire){.key = {[WK_MSG_TERM] = in_term, [WK_PREV_INDEX] = 2, [WK_PREV_TERM] = TERM}});

    lone_disk_answers();
    return taken;
}

/* The liar was there first, with our vote and empty words. Whom a second member follows is believed instead; until then
 * no connection ends for it in a term of which there is nothing yet. */
static void test_first_word_gives_way_to_two(void **state)
{
    (void)state;
    for (uint64_t in_term = TERM; in_term <= TERM + 1; in_term++) {
        start_with_four();
        if (in_term > TERM) {
            claim_vote(3, 0); /* not that of a majority */
        }
        assert_true(say_to_lead(3, in_term));
        assert_int_equal(core_raft_leader(lone.core), 3);
        assert_int_equal(claim_append(2, in_term), in_term > TERM);
        assert_int_equal(core_last_index(lone.core), 2);
        assert_int_equal(lone.asked[4], 1); /* at once */
        lone_hears_of(3, 3, in_term);       /* nobody is his own witness */
        lone_hears_of(2, 2, in_term);
        lone_hears_of(4, 0, in_term);
        assert_int_equal(claim_append(2, in_term), in_term > TERM);
        lone_hears_of(4, 2, in_term - 1);
        assert_int_equal(claim_append(2, in_term), in_term > TERM);
        assert_int_equal(core_last_index(lone.core), 2);
        lone_hears_of(4, 2, in_term);
        claim_number(2, 9, 1);
        assert_int_equal(lone.core->lease.promise_until > 0, in_term == TERM);
        assert_true(claim_append(2, in_term));
        assert_int_equal(core_last_index(lone.core), 3);
        assert_int_equal(core_raft_leader(lone.core), 2);
        lone_hears_of(4, 3, in_term); /* what a leader has given stays */
        assert_false(say_to_lead(3, in_term));
        assert_int_equal(core_raft_leader(lone.core), 2);
        if (in_term == TERM) {
            lone_end();
        }
    }
}

/* And for a while only. */
static void test_old_word_of_a_second(void **state)
{
    (void)state;
    start_with_four();
    assert_true(say_to_lead(3, TERM));
    lone_hears_of(4, 2, TERM);
    lone.now += 3000000;
    assert_false(claim_append(2, TERM));
    assert_int_equal(core_last_index(lone.core), 2);
}

/* There are entries of it in our log: those of another leader of the term could be others under the same numbers. */
static void test_who_gave_entries_stays(void **state)
{
    (void)state;
    start_with_four();
    assert_true(claim_append(3, TERM));
    assert_int_equal(core_last_index(lone.core), 3);
    lone_hears_of(4, 2, TERM);
    assert_false(say_to_lead(2, TERM));
    assert_false(claim_append(2, TERM));
    assert_int_equal(core_raft_leader(lone.core), 3);
}

/* Each has a witness. */
static void test_first_of_two_with_witnesses(void **state)
{
    (void)state;
    start_with_four();
    assert_true(say_to_lead(3, TERM));
    lone_hears_of(4, 3, TERM);
    lone_hears_of(3, 2, TERM); /* it contradicts itself: that is no witness for itself, but for the other one */
    assert_false(claim_append(2, TERM));
}

/* Our vote, too, is the word of a second member. */
static void test_our_vote_after_the_first_word(void **state)
{
    (void)state;
    assert_true(say_to_lead(3, TERM + 1));
    lone.now += claim_timeouts_us(2);
    claim_vote(2, 0);
    assert_int_equal(lone.core->vote_on_disk, 2);
    assert_true(claim_append(2, TERM + 1));
    assert_int_equal(core_last_index(lone.core), 3);
    assert_false(say_to_lead(3, TERM + 1));
}

/* It has our vote and its own, and three vote: no leader of that term has been heard yet. */
static void test_whom_we_elected(void **state)
{
    (void)state;
    claim_vote(2, 0);
    assert_int_equal(lone.voted, 1);
    assert_int_equal(lone_term(), TERM + 1);
    assert_true(claim_append(3, TERM + 1)); /* as if it were lost */
    assert_int_equal(core_last_index(lone.core), 2);
    assert_int_equal(lone.core->led_term, 0);
    assert_true(claim_append(2, TERM + 1));
    assert_int_equal(core_last_index(lone.core), 3);
}

/* Four voted when the term began, and it was elected by the other three: that three vote now proves nothing. */
static void test_fewer_vote_now(void **state)
{
    const char *const addresses[] = {"a:1", "a:2", "a:3"};
    CLEANUP(buf_fini) struct buf conf = BUF_INIT;
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    struct wire frame = {
        .key = {[WK_MSG_TERM] = TERM + 1, [WK_PREV_INDEX] = 2, [WK_PREV_TERM] = TERM, [WK_COUNT] = 1, [WK_COMMIT] = 3}};

    (void)state;
    lone_start(&(struct lone_config){.n_members = 4, .disk_state = CORE_FORMED, .term = TERM});
    for (uint64_t id = 2; id <= 4; id++) {
        assert_true(lone_hears(id, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}}));
    }
    claim_vote(2, 0);
    assert_int_equal(lone_term(), TERM + 1);
    lone_put_configuration(&conf, addresses, 3, RAFT_VOTER);
    flat_append(&body, TERM + 1, RAFT_CHANGE, conf.data, (uint32_t)conf.len);
    frame.body = (const uint8_t *)body.data;
    frame.body_len = body.len;
    lone_hears_of(4, 3, TERM + 1);
    assert_true(lone_hears(3, WIRE_APPEND, frame));
    lone_disk_answers();
    (void)core_poll(lone.core);
    assert_int_equal(core_raft_configuration(lone.core)->n, 3);
    lone.core->led_term = 0; /* as after a restart */
    assert_false(core_leads_another(lone.core, 3, TERM + 1));
    assert_true(lone_hears(3, WIRE_APPEND, frame));
}

/* Of a configuration that is said to be newer counts nothing while a leader is heard whose log is ours: else one word
 * would have no key looked at. Without a leader it may be true, and the leader one whose key is new. */
static void test_told_configuration(void **state)
{
    const char *const addresses[] = {"a:1", "a:2", "a:3"};
    CLEANUP(buf_fini) struct buf conf = BUF_INIT;

    (void)state;
    lone_put_configuration(&conf, addresses, 3, RAFT_VOTER);
    claim_lead();
    assert_true(core_keys_known(lone.core));
    assert_true(lone_hears(3, WIRE_HELLO,
                           (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_CONF_INDEX] = WIRE_INDEX_MAX},
                                         .body = (const uint8_t *)conf.data,
                                         .body_len = conf.len}));
    assert_true(core_keys_known(lone.core));
    lone.now += 1000 * (uint64_t)lone.core->config.election_timeout_ms;
    assert_false(core_keys_known(lone.core));
    claim_lead();
    assert_true(core_keys_known(lone.core));
    assert_true(lone_hears(
        2, WIRE_APPEND,
        (struct wire){
            .key = {
                [WK_MSG_TERM] = TERM, [WK_PREV_INDEX] = 9, [WK_PREV_TERM] = TERM, [WK_COMMIT] = 9}})); /* which we have
                                                                                                          not */
    assert_false(core_keys_known(lone.core));
}

static void test_later_term(void **state)
{
    (void)state;
    claim_lead();
    claim_number(2, 9, 1);
    assert_true(claim_append(3, TERM + 1)); /* it may be true: no reason to end the connection */
    assert_int_equal(lone_term(), TERM);
    assert_int_equal(core_last_index(lone.core), 2);
    lone.now += PROMISE_US;
    lone_hears_of(2, 3, TERM + 1);
    assert_true(claim_append(3, TERM + 1));
    assert_int_equal(lone_term(), TERM + 1);
    assert_int_equal(core_last_index(lone.core), 3);
}

/* The first that this process hears of anybody is a later term, or that of ours in which another one has our vote. */
static void test_nobody_alone(void **state)
{
    (void)state;
    memset(lone.asked, 0, sizeof(lone.asked));
    for (uint64_t in_term = TERM; in_term <= TERM + 1; in_term++) {
        lone_hears_of(3, 3, in_term); /* nobody is his own witness */
        lone_hears_of(2, 3, in_term + 1);
        assert_true(claim_append(3, in_term));
        claim_number(3, 9, 1);
        assert_int_equal(lone_term(), TERM);
        assert_int_equal(core_last_index(lone.core), 2);
        assert_int_equal(core_raft_leader(lone.core), 0);
        assert_int_equal(lone.core->lease.promise_until, 0);
    }
    assert_true(lone.asked[2] > 0);
    lone_hears_of(2, 3, TERM + 1);
    assert_true(claim_append(3, TERM + 1));
    assert_int_equal(core_raft_leader(lone.core), 3);
    assert_int_equal(core_last_index(lone.core), 3);
    lone_end();
    lone_start(&(struct lone_config){.n_members = 2, .disk_state = CORE_FORMED, .term = TERM});
    lone_hears_of(2, 2, TERM);
    assert_true(claim_append(2, TERM + 1)); /* nobody else could say anything */
    assert_int_equal(core_last_index(lone.core), 3);
}

static void test_forged_transfer(void **state)
{
    (void)state;
    claim_lead();
    claim_number(2, 9, 1);
    claim_vote(3, 1);
    order(3);
    (void)core_poll(lone.core);
    assert_int_equal(lone.voted, 0);
    assert_int_equal(lone_term(), TERM);
    assert_int_equal(lone.core->role, CORE_FOLLOWER);
    assert_true(claim_append(3, TERM + 1));
    assert_int_equal(lone_term(), TERM);
}

static void test_transfer(void **state)
{
    (void)state;
    claim_lead();
    claim_number(2, 9, 1);
    claim_vote(3, 1); /* it comes before the word of the leader */
    assert_int_equal(lone.voted, 0);
    claim_number(2, 0, 3 + 1);
    assert_int_equal(lone.voted, 1);
    assert_int_equal(lone_term(), TERM + 1);
    assert_true(claim_append(3, TERM + 1));
    assert_int_equal(core_last_index(lone.core), 3);
}

/* Our vote was not needed. */
static void test_transfer_without_us(void **state)
{
    (void)state;
    claim_lead();
    claim_number(2, 9, 1);
    claim_number(2, 0, 3 + 1);
    assert_true(claim_append(3, TERM + 1));
    assert_int_equal(core_last_index(lone.core), 3);
}

static void test_transfer_that_failed(void **state)
{
    (void)state;
    claim_lead();
    claim_number(2, 9, 1);
    claim_number(2, 0, 3 + 1);
    claim_number(2, 10, 1);
    claim_vote(3, 1);
    assert_true(claim_append(3, TERM + 1));
    assert_int_equal(lone.voted, 0);
    assert_int_equal(lone_term(), TERM);
}

static void test_order(void **state)
{
    (void)state;
    claim_lead();
    claim_number(2, 9, 1);
    order(2);
    assert_int_equal(lone.core->role, CORE_CANDIDATE);
}

/* It does not tell to whom it hands over. */
static void test_leader_of_the_first_release(void **state)
{
    (void)state;
    claim_lead();
    claim_number(2, 9, 0);
    claim_vote(3, 1);
    assert_int_equal(lone.voted, 1);
}

/* ---- member 1 leads ---- */

/* A member that is with us cannot be in a later term, and it deposes nobody. */
static void test_answer_of_a_follower(void **state)
{
    uint64_t own;

    (void)state;
    claim_be_elected();
    own = lone_term();
    claim_serve(1000000, true);
    for (uint64_t later = 1; later < 1000; later *= 3) {
        claim_answer(3, own + later, 2);
        claim_answer(3, own + later, 0);
    }
    assert_int_equal(lone_term(), own);
    assert_true(core_serving(lone.core));
}

/* No majority follows us any more, for all that we know. */
static void test_answer_without_a_lease(void **state)
{
    uint64_t own;

    (void)state;
    claim_be_elected();
    own = lone_term();
    claim_serve(1000000, true);
    lone.now += PROMISE_US;
    claim_answer(3, own + 1, 2);
    assert_int_equal(lone_term(), own + 1);
    assert_int_equal(lone.core->role, CORE_FOLLOWER);
}

/* Its term may have begun while we held no lease: nobody leads in it, but that member cannot come back. */
static void test_answer_of_one_that_was_away(void **state)
{
    uint64_t own;

    (void)state;
    claim_be_elected();
    own = lone_term();
    claim_serve(1000000, true);
    lone.now += PROMISE_US;
    claim_serve(1000000, false);
    claim_answer(3, own + 1, 2);
    assert_int_equal(lone_term(), own + 1);
}

/* No member stays out for ever, whatever its history. */
static void test_answer_again_and_again(void **state)
{
    uint64_t own, since;

    (void)state;
    claim_be_elected();
    own = lone_term();
    claim_serve(1000000, true);
    for (since = lone.now; lone_term() == own && lone.now < since + 60000000; claim_answer(3, own + 1, 2)) {
        claim_serve(50000, false);
    }
    assert_int_equal(lone_term(), own + 1);
    assert_in_range(lone.now - since, 5900000, 6100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_second_leader_of_a_term, claim_set_up, lone_tear_down),
        cmocka_unit_test_teardown(test_first_word_gives_way_to_two, lone_tear_down),
        cmocka_unit_test_teardown(test_old_word_of_a_second, lone_tear_down),
        cmocka_unit_test_teardown(test_who_gave_entries_stays, lone_tear_down),
        cmocka_unit_test_teardown(test_first_of_two_with_witnesses, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_our_vote_after_the_first_word, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_whom_we_elected, claim_set_up, lone_tear_down),
        cmocka_unit_test_teardown(test_fewer_vote_now, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_told_configuration, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_alone, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_later_term, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_forged_transfer, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_transfer, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_transfer_without_us, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_transfer_that_failed, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_order, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_leader_of_the_first_release, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_answer_of_a_follower, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_answer_without_a_lease, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_answer_of_one_that_was_away, claim_set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_answer_again_and_again, claim_set_up, lone_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

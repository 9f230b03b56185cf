/* Who says that he leads: one in a term, nobody in a later one while another one has our promise, and a leader alone
 * says to whom it hands over. Member 2 leads, member 3 has a certificate and lies, member 1 listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/consensus/lone.h"

#define TERM 5
#define PROMISE_US 150000

static int set_up(void **state)
{
    (void)state;
    lone_start(&(struct lone_config){.n_members = 3, .disk_state = CORE_FORMED, .term = TERM});
    for (uint64_t id = 2; id <= 3; id++) {
        assert_true(lone_hears(id, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}}));
    }
    return 0;
}

/* Entry 3, committed. */
static bool append(uint64_t from, uint64_t in_term)
{
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    bool taken;

    flat_append(&body, in_term, RAFT_COMMAND, "entry", 5);
    taken = lone_hears(
        from, WIRE_APPEND,
        (struct wire){
            .key =
                {[WK_MSG_TERM] = in_term, [WK_PREV_INDEX] = 2, [WK_PREV_TERM] = TERM, [WK_COUNT] = 1, [WK_COMMIT] = 3},
            .body = (const uint8_t *)body.data,
            .body_len = body.len});
    lone_disk_answers();
    (void)core_poll(lone.core);
    return taken;
}

/* follows: 0 does not say, 1 hands over to nobody, otherwise to that one. */
static void number(uint64_t from, uint64_t number, uint64_t follows)
{
    assert_true(lone_hears(
        from, WIRE_LEASE,
        (struct wire){
            .key = {[WK_TERM] = TERM, [WK_NUMBER] = number, [WK_LEASE_US] = PROMISE_US, [WK_FOLLOWS] = follows}}));
    (void)core_poll(lone.core);
    lone_disk_answers();
}

static void lead(void)
{
    assert_true(lone_hears(2, WIRE_APPEND,
                           (struct wire){.key = {[WK_MSG_TERM] = TERM, [WK_PREV_INDEX] = 2, [WK_PREV_TERM] = TERM}}));
    assert_int_equal(core_raft_leader(lone.core), 2);
    lone.voted = 0; /* it was acknowledged */
}

/* As of a transfer that was ordered at any time. */
static void vote(uint64_t from, uint64_t flags)
{
    assert_true(lone_hears(from, WIRE_VOTE,
                           (struct wire){.key = {[WK_TERM] = TERM + 1,
                                                 [WK_MSG_TERM] = TERM + 1,
                                                 [WK_LAST_INDEX] = 100,
                                                 [WK_LAST_TERM] = TERM,
                                                 [WK_FLAGS] = flags,
                                                 [WK_NUMBER] = WIRE_NUMBER_MAX,
                                                 [WK_VERSION] = 2}}));
    lone_disk_answers();
}

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
                                       [WK_CONF_LEN] = 100,
                                       [WK_TOTAL] = 1000}};

    (void)state;
    lead();
    assert_false(append(3, TERM));
    assert_int_equal(core_last_index(lone.core), 2);
    assert_int_equal(core_raft_leader(lone.core), 2);
    assert_int_equal(lone.core->refusal.by, 3);
    assert_false(lone_hears(3, WIRE_SNAPSHOT, chunk));
    number(3, 9, 1);
    assert_int_equal(lone.core->lease.promise_until, 0);
    assert_true(lone_hears(2, WIRE_SNAPSHOT, chunk));
    assert_true(append(2, TERM));
    assert_int_equal(core_last_index(lone.core), 3);
}

static uint64_t timeouts_us(uint64_t n)
{
    return n * 1000 * lone.core->config.election_timeout_ms;
}

static void start_with_four(void)
{
    lone_start(&(struct lone_config){.n_members = 4, .disk_state = CORE_FORMED, .term = TERM});
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

static void say_to_follow(uint64_t from, uint64_t leader, uint64_t in_term)
{
    assert_true(
        lone_hears(from, WIRE_HELLO,
                   (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_TERM] = in_term, [WK_FOLLOWS] = leader + 1}}));
}

/* The liar was there first, with empty words. Whom a second member follows is believed instead; until then no
 * connection ends for it in a term of which there is nothing yet. */
static void test_first_word_gives_way_to_two(void **state)
{
    (void)state;
    for (uint64_t in_term = TERM; in_term <= TERM + 1; in_term++) {
        start_with_four();
        assert_true(say_to_lead(3, in_term));
        assert_int_equal(core_raft_leader(lone.core), 3);
        assert_int_equal(append(2, in_term), in_term > TERM);
        assert_int_equal(core_last_index(lone.core), 2);
        assert_int_equal(lone.asked[4], 1); /* at once */
        say_to_follow(3, 3, in_term);       /* nobody is his own witness */
        say_to_follow(2, 2, in_term);
        say_to_follow(4, 0, in_term);
        assert_int_equal(append(2, in_term), in_term > TERM);
        say_to_follow(4, 2, in_term - 1);
        assert_int_equal(append(2, in_term), in_term > TERM);
        assert_int_equal(core_last_index(lone.core), 2);
        say_to_follow(4, 2, in_term);
        number(2, 9, 1);
        assert_int_equal(lone.core->lease.promise_until > 0, in_term == TERM);
        assert_true(append(2, in_term));
        assert_int_equal(core_last_index(lone.core), 3);
        assert_int_equal(core_raft_leader(lone.core), 2);
        say_to_follow(4, 3, in_term); /* what a leader has given stays */
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
    say_to_follow(4, 2, TERM);
    lone.now += 3000000;
    assert_false(append(2, TERM));
    assert_int_equal(core_last_index(lone.core), 2);
}

/* There are entries of it in our log: those of another leader of the term could be others under the same numbers. */
static void test_who_gave_entries_stays(void **state)
{
    (void)state;
    start_with_four();
    assert_true(append(3, TERM));
    assert_int_equal(core_last_index(lone.core), 3);
    say_to_follow(4, 2, TERM);
    assert_false(say_to_lead(2, TERM));
    assert_false(append(2, TERM));
    assert_int_equal(core_raft_leader(lone.core), 3);
}

/* Each has a witness. */
static void test_first_of_two_with_witnesses(void **state)
{
    (void)state;
    start_with_four();
    assert_true(say_to_lead(3, TERM));
    say_to_follow(4, 3, TERM);
    say_to_follow(3, 2, TERM); /* it contradicts itself: that is no witness for itself, but for the other one */
    assert_false(append(2, TERM));
}

/* Our vote, too, is the word of a second member. */
static void test_our_vote_after_the_first_word(void **state)
{
    (void)state;
    assert_true(say_to_lead(3, TERM + 1));
    lone.now += timeouts_us(2);
    vote(2, 0);
    assert_int_equal(lone.core->vote_on_disk, 2);
    assert_true(append(2, TERM + 1));
    assert_int_equal(core_last_index(lone.core), 3);
    assert_false(say_to_lead(3, TERM + 1));
}

/* It has our vote and its own, and three vote: no leader of that term has been heard yet. */
static void test_whom_we_elected(void **state)
{
    (void)state;
    vote(2, 0);
    assert_int_equal(lone.voted, 1);
    assert_int_equal(lone_term(), TERM + 1);
    assert_false(append(3, TERM + 1));
    assert_int_equal(core_last_index(lone.core), 2);
    assert_true(append(2, TERM + 1));
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
    vote(2, 0);
    assert_int_equal(lone_term(), TERM + 1);
    lone_put_configuration(&conf, addresses, 3, RAFT_VOTER);
    flat_append(&body, TERM + 1, RAFT_CHANGE, conf.data, (uint32_t)conf.len);
    frame.body = (const uint8_t *)body.data;
    frame.body_len = body.len;
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
    lead();
    assert_true(core_keys_known(lone.core));
    assert_true(lone_hears(3, WIRE_HELLO,
                           (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_CONF_INDEX] = WIRE_NUMBER_MAX},
                                         .body = (const uint8_t *)conf.data,
                                         .body_len = conf.len}));
    assert_true(core_keys_known(lone.core));
    lone.now += 1000 * (uint64_t)lone.core->config.election_timeout_ms;
    assert_false(core_keys_known(lone.core));
    lead();
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
    lead();
    number(2, 9, 1);
    assert_true(append(3, TERM + 1)); /* it may be true: no reason to end the connection */
    assert_int_equal(lone_term(), TERM);
    assert_int_equal(core_last_index(lone.core), 2);
    lone.now += PROMISE_US;
    assert_true(append(3, TERM + 1));
    assert_int_equal(lone_term(), TERM + 1);
    assert_int_equal(core_last_index(lone.core), 3);
}

static void test_forged_transfer(void **state)
{
    (void)state;
    lead();
    number(2, 9, 1);
    vote(3, 1);
    order(3);
    (void)core_poll(lone.core);
    assert_int_equal(lone.voted, 0);
    assert_int_equal(lone_term(), TERM);
    assert_int_equal(lone.core->role, CORE_FOLLOWER);
    assert_true(append(3, TERM + 1));
    assert_int_equal(lone_term(), TERM);
}

static void test_transfer(void **state)
{
    (void)state;
    lead();
    number(2, 9, 1);
    vote(3, 1); /* it comes before the word of the leader */
    assert_int_equal(lone.voted, 0);
    number(2, 0, 3 + 1);
    assert_int_equal(lone.voted, 1);
    assert_int_equal(lone_term(), TERM + 1);
    assert_true(append(3, TERM + 1));
    assert_int_equal(core_last_index(lone.core), 3);
}

/* Our vote was not needed. */
static void test_transfer_without_us(void **state)
{
    (void)state;
    lead();
    number(2, 9, 1);
    number(2, 0, 3 + 1);
    assert_true(append(3, TERM + 1));
    assert_int_equal(core_last_index(lone.core), 3);
}

static void test_transfer_that_failed(void **state)
{
    (void)state;
    lead();
    number(2, 9, 1);
    number(2, 0, 3 + 1);
    number(2, 10, 1);
    vote(3, 1);
    assert_true(append(3, TERM + 1));
    assert_int_equal(lone.voted, 0);
    assert_int_equal(lone_term(), TERM);
}

static void test_order(void **state)
{
    (void)state;
    lead();
    number(2, 9, 1);
    order(2);
    assert_int_equal(lone.core->role, CORE_CANDIDATE);
}

/* It does not tell to whom it hands over. */
static void test_leader_of_the_first_release(void **state)
{
    (void)state;
    lead();
    number(2, 9, 0);
    vote(3, 1);
    assert_int_equal(lone.voted, 1);
}

/* ---- member 1 leads ---- */

static void answer(uint64_t from, uint64_t in_term, uint64_t rejected)
{
    assert_true(lone_hears(from, WIRE_APPEND_RESULT,
                           (struct wire){.key = {[WK_MSG_TERM] = in_term,
                                                 [WK_REJECTED] = rejected,
                                                 [WK_LAST_INDEX] = rejected > 0 ? 0 : core_last_index(lone.core)}}));
    lone_disk_answers();
}

static void echo(uint64_t from, uint64_t number)
{
    assert_true(
        lone_hears(from, WIRE_LEASE_ACK, (struct wire){.key = {[WK_NUMBER] = number, [WK_MSG_TERM] = lone_term()}}));
}

static void be_elected(void)
{
    if (lone_term() == TERM) {
        lead();
    }
    while (lone.core->role != CORE_LEADER) {
        lone.now = core_poll(lone.core);
        lone_disk_answers();
        for (uint64_t flags = 1; flags <= 3; flags += 2) { /* a vote, a pre-vote */
            assert_true(lone_hears(
                2, WIRE_VOTE_RESULT,
                (struct wire){
                    .key = {[WK_MSG_TERM] = lone_term() + (flags == 3), [WK_FLAGS] = flags, [WK_VERSION] = 2}}));
            lone_disk_answers();
        }
    }
    answer(2, lone_term(), 0);
}

/* Member 2 returns a number every 50 ms, and so does member 3 if both do. */
static void serve(uint64_t for_us, bool both)
{
    for (uint64_t end = lone.now + for_us; lone.now < end; lone.now += 50000) {
        (void)core_poll(lone.core);
        lone_disk_answers();
        echo(2, lone.now);
        answer(2, lone_term(), 0);
        if (both) {
            echo(3, lone.now);
        }
        assert_true(core_serving(lone.core));
    }
}

/* A member that is with us cannot be in a later term, and it deposes nobody. */
static void test_answer_of_a_follower(void **state)
{
    uint64_t own;

    (void)state;
    be_elected();
    own = lone_term();
    serve(1000000, true);
    for (uint64_t later = 1; later < 1000; later *= 3) {
        answer(3, own + later, 2);
        answer(3, own + later, 0);
    }
    assert_int_equal(lone_term(), own);
    assert_true(core_serving(lone.core));
}

/* No majority follows us any more, for all that we know. */
static void test_answer_without_a_lease(void **state)
{
    uint64_t own;

    (void)state;
    be_elected();
    own = lone_term();
    serve(1000000, true);
    lone.now += PROMISE_US;
    answer(3, own + 1, 2);
    assert_int_equal(lone_term(), own + 1);
    assert_int_equal(lone.core->role, CORE_FOLLOWER);
}

/* Its term may have begun while we held no lease: nobody leads in it, but that member cannot come back. */
static void test_answer_of_one_that_was_away(void **state)
{
    uint64_t own;

    (void)state;
    be_elected();
    own = lone_term();
    serve(1000000, true);
    lone.now += PROMISE_US;
    serve(1000000, false);
    answer(3, own + 1, 2);
    assert_int_equal(lone_term(), own + 1);
}

/* No member stays out for ever, whatever its history. */
static void test_answer_again_and_again(void **state)
{
    uint64_t own, since;

    (void)state;
    be_elected();
    own = lone_term();
    serve(1000000, true);
    for (since = lone.now; lone_term() == own && lone.now < since + 60000000; answer(3, own + 1, 2)) {
        serve(50000, false);
    }
    assert_int_equal(lone_term(), own + 1);
    assert_in_range(lone.now - since, 5900000, 6100000);
}

/* ---- later terms, of one member alone ---- */

#define FAR (UINT64_C(1) << 20) /* so far one frame moves our term */

/* Member 3 answers with the next term until it is believed. How long that took, in election timeouts: those of the
 * election before are missing. */
static uint64_t pause_of(uint64_t until)
{
    uint64_t since = lone.now, own = lone_term();

    assert_int_equal(lone.core->role, CORE_LEADER);
    for (answer(3, own + 1, 2); lone_term() == own && lone.now < since + timeouts_us(until); answer(3, own + 1, 2)) {
        serve(50000, false);
    }
    return (lone.now - since) / timeouts_us(1);
}

/* Each leader anew: what counts is how often this process has given up for it. */
static void test_pause(void **state)
{
    (void)state;
    be_elected();
    assert_int_equal(pause_of(1000), 0);
    be_elected();
    assert_in_range(pause_of(1000), 8, 16);
    be_elected();
    assert_in_range(pause_of(1000), 56, 64);
    be_elected();
    assert_in_range(pause_of(1000), 248, 256);
    be_elected();
    assert_in_range(pause_of(1000), 248, 256);
    be_elected();
    serve(timeouts_us(2048), false); /* it was long ago */
    assert_int_equal(pause_of(1000), 0);
    be_elected();
    assert_in_range(pause_of(1000), 8, 16);
}

/* Another one is in that term as well: it is true. */
static void test_no_pause_for_two(void **state)
{
    uint64_t own;

    (void)state;
    be_elected();
    assert_int_equal(pause_of(1000), 0);
    be_elected();
    own = lone_term();
    assert_true(lone_hears(2, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_TERM] = own + 1}}));
    answer(3, own + 2, 2);
    assert_int_equal(lone_term(), own);
    answer(3, own + 1, 2);
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
    be_elected();
    assert_int_equal(pause_of(1000), 0);
    be_elected();
    own = lone_term();
    for (unsigned bits = 21; bits <= 60; bits++) {
        name(2, own + (UINT64_C(1) << bits));
        answer(3, own + 1, 2);
        assert_int_equal(lone_term(), own);
    }
    name(2, own + FAR); /* it may be there */
    answer(3, own + 1, 2);
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
    while (lone.core->peers[2].moves_us < lone.now + timeouts_us(200)) { /* it has had all that it can have alone */
        uint64_t own = lone_term();

        lone.core->peers[1].named_term = 0;
        ask_for_vote(3, own + 1);
        assert_int_equal(lone_term(), own + 1);
    }
    name(2, named);
    lone.now += timeouts_us(15);
    ask_for_vote(3, lone_term() + 1);
    assert_int_equal(lone_term(), TERM + 5);
    lone.now += timeouts_us(1);
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
    be_elected();
    assert_int_equal(pause_of(1000), 0);
    be_elected();
    serve(timeouts_us(1), false);
    lone.now += PROMISE_US; /* no lease any more, but that is not long ago */
    own = lone_term();
    answer(3, own + 1, 2);
    assert_true(append(3, own + 1));
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
    be_elected();
    assert_int_equal(pause_of(1000), 0);
    for (unsigned held = 0; held < 2; held++) {
        be_elected();
        if (held > 0) {
            serve(timeouts_us(1), false);
        }
        own = lone_term();
        for (uint64_t end = lone.now + timeouts_us(2) - 50000; lone.now < end; lone.now += 50000) {
            answer(2, own, 0);
            answer(3, own + 1, 2);
            assert_int_equal(lone_term(), own);
        }
        lone.now += PROMISE_US + 50000;
        answer(3, own + 1, 2);
        assert_int_equal(lone_term(), own + 1);
        assert_int_equal(lone.core->role, CORE_FOLLOWER);
    }
}

/* Without a leader: some at once, for candidates that meet, then now and then. */
static void test_moves(void **state)
{
    unsigned moved = 0;

    (void)state;
    for (uint64_t end = lone.now + timeouts_us(300); lone.now < end; lone.now += timeouts_us(1) / 10) {
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
    assert_true(append(2, far));
    assert_int_equal(lone_term(), TERM + FAR);
    assert_int_equal(core_last_index(lone.core), 2);
    assert_int_equal(core_raft_leader(lone.core), 0);
    assert_true(append(2, far));
    assert_true(append(2, far));
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
    lead();
    number(2, 9, 1);
    assert_true(append(3, WIRE_NUMBER_MAX));
    vote(3, 1);
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
    be_elected();
    own = lone_term();
    answer(3, WIRE_NUMBER_MAX, 2);
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
        cmocka_unit_test_setup_teardown(test_second_leader_of_a_term, set_up, lone_tear_down),
        cmocka_unit_test_teardown(test_first_word_gives_way_to_two, lone_tear_down),
        cmocka_unit_test_teardown(test_old_word_of_a_second, lone_tear_down),
        cmocka_unit_test_teardown(test_who_gave_entries_stays, lone_tear_down),
        cmocka_unit_test_teardown(test_first_of_two_with_witnesses, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_our_vote_after_the_first_word, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_whom_we_elected, set_up, lone_tear_down),
        cmocka_unit_test_teardown(test_fewer_vote_now, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_told_configuration, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_later_term, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_forged_transfer, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_transfer, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_transfer_without_us, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_transfer_that_failed, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_order, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_leader_of_the_first_release, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_answer_of_a_follower, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_answer_without_a_lease, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_answer_of_one_that_was_away, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_answer_again_and_again, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_pause, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_no_pause_for_two, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_far_term_bears_out_nobody, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_two_that_are_far, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_old_term_bears_out_nobody, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_pause_in_other_words, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_no_pause_without_a_lease, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_moves, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_far_leader, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_far_candidate, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_far_claim, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_far_answer, set_up, lone_tear_down),
        cmocka_unit_test_teardown(test_far_newcomer, lone_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

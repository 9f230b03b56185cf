/* One member's word about another: it ends nobody, and lets nobody in, where a third member could bear it out and does
 * not. Members 2 and 3 speak, member 1 listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/consensus/lone.h"

#define TERM 5

/* A member of n, with an empty disk or a log of two entries, the first of them this configuration. */
static void start_with(size_t n, enum core_disk_state state, const struct buf *conf)
{
    lone_start(&(struct lone_config){.n_members = n, .disk_state = state, .term = TERM, .conf = conf});
}

static void start(size_t n, enum core_disk_state state)
{
    start_with(n, state, NULL);
}

static void start_with_vote(uint64_t vote)
{
    lone_start(&(struct lone_config){.n_members = 3, .disk_state = CORE_FORMED, .term = TERM, .vote = vote});
}

static void end(void)
{
    lone_disk_answers();
    lone_end();
}

static void say(uint64_t from, enum wire_type type, struct wire wire)
{
    assert_true(lone_hears(from, type, wire));
    lone_disk_answers();
}

/* A greeting; with a configuration when has_us. */
static void greet_in(uint64_t term, uint64_t from, uint64_t follows, uint64_t admits, uint64_t last, bool has_us)
{
    say(from, WIRE_HELLO,
        (struct wire){.key = {[WK_STATE] = CORE_FORMED,
                              [WK_TERM] = term,
                              [WK_FOLLOWS] = follows + 1,
                              [WK_ADMITS] = admits,
                              [WK_LAST_INDEX] = last,
                              [WK_CONF_INDEX] = has_us ? 1 : 0},
                      .body = has_us ? (const uint8_t *)lone.conf.data : NULL,
                      .body_len = has_us ? lone.conf.len : 0});
}

static void greet(uint64_t from, uint64_t follows, uint64_t admits, uint64_t last, bool has_us)
{
    greet_in(TERM, from, follows, admits, last, has_us);
}

static void vote(uint64_t from)
{
    say(from, WIRE_VOTE,
        (struct wire){.key = {[WK_TERM] = TERM + 1,
                              [WK_MSG_TERM] = TERM + 1,
                              [WK_LAST_INDEX] = 100,
                              [WK_LAST_TERM] = TERM,
                              [WK_VERSION] = 2}});
}

static void append(uint64_t from, uint64_t term)
{
    say(from, WIRE_APPEND,
        (struct wire){.key = {[WK_TERM] = term, [WK_MSG_TERM] = term, [WK_PREV_INDEX] = 2, [WK_PREV_TERM] = TERM}});
}

static bool ended(const char *text)
{
    return lone.core->failed && strstr(lone.failed, text) != NULL;
}

/* ---- removed ---- */

static void test_removed(void **state)
{
    (void)state;
    start(3, CORE_FORMED);
    greet(2, 2, WIRE_STRANGER, 0, false);
    assert_false(lone.core->failed);
    assert_int_equal(lone.asked[3], 1); /* the other one is asked at once */
    greet(3, 0, 0, 0, true);            /* it follows nobody, and we are a member */
    greet(3, 2, 0, 0, true);
    greet(3, 3, 0, 0, false);
    assert_false(lone.core->failed);
    greet(3, 2, 0, 0, false);
    assert_true(ended("was removed"));
    end();
}

static void test_words_of_other_times(void **state)
{
    (void)state;
    start(3, CORE_FORMED);
    greet(2, 2, WIRE_STRANGER, 0, false);
    lone.now += 3000000; /* it said so long ago */
    greet(3, 2, 0, 0, false);
    assert_false(lone.core->failed);
    end();
    start(3, CORE_FORMED);
    greet(2, 3, WIRE_STRANGER, 0, false); /* a leader that follows another one */
    greet(3, 2, 0, 0, false);
    assert_false(lone.core->failed);
    end();
}

static void test_nobody_else(void **state)
{
    (void)state;
    start(2, CORE_FORMED);
    greet(2, 2, WIRE_STRANGER, 0, false);
    assert_true(ended("was removed"));
    end();
}

/* ---- lost ---- */

static void test_lost(void **state)
{
    (void)state;
    start(3, CORE_FORMED);
    greet(2, 2, WIRE_MEMBER, 9, true);
    assert_false(lone.core->failed);
    assert_int_equal(lone.asked[3], 1);
    vote(3);
    append(2, TERM);
    assert_int_equal(lone.voted, 0); /* it takes no part */
    for (int i = 0; i < 50; i++) {
        lone.now += 100000;
        (void)core_poll(lone.core);
        lone_disk_answers();
    }
    assert_int_equal(lone_term(), TERM);    /* nor does it stand */
    assert_in_range(lone.asked[3], 40, 60); /* and asks */
    greet(2, 2, WIRE_MEMBER, 9, true);
    greet(3, 2, 0, 0, true);
    assert_true(ended("acknowledged all up to 9"));
    end();
}

/* A leader that was elected without it has everything. */
static void test_doubt_ends(void **state)
{
    (void)state;
    start_with_vote(3);
    greet(3, 3, 0, 0, true);
    greet(2, 2, WIRE_MEMBER, 9, true);
    append(3, TERM);
    assert_int_equal(lone.voted, 1);
    end();
    start(3, CORE_FORMED);
    greet(2, 2, WIRE_MEMBER, 9, true);
    append(2, TERM + 1);
    assert_int_equal(lone.voted, 0); /* it alone says so */
    greet_in(TERM + 1, 3, 2, 0, 0, true);
    append(2, TERM + 1);
    assert_int_equal(lone.voted, 1);
    end();
}

/* It hears of its leader, or has told it where its log ends: no other word of that is believed. */
static void test_follower(void **state)
{
    (void)state;
    start_with_vote(3);
    greet(3, 3, 0, 0, true);
    append(3, TERM);
    greet(2, 2, WIRE_MEMBER, 9, true);
    greet(3, 3, WIRE_MEMBER, 9, true);
    append(3, TERM);
    assert_int_equal(lone.voted, 2);
    greet(2, 3, 0, 0, true);
    assert_false(lone.core->failed);
    lone.now += 1000000; /* that leader is silent, and the next one has told nothing */
    greet_in(TERM + 9, 2, 2, WIRE_MEMBER, 9, true);
    vote(3);
    assert_int_equal(lone.voted, 3);
    end();
}

/* Of a term that has never been: the leader that there is would be waited for in vain. */
static void test_refuted(void **state)
{
    (void)state;
    start_with_vote(3);
    greet_in(TERM + 9, 2, 2, WIRE_MEMBER, 9, true);
    greet(3, 3, WIRE_MEMBER, 2, true); /* its majority may still be with us */
    append(3, TERM);
    assert_int_equal(lone.voted, 0);
    lone.now += 1000000;
    greet_in(TERM + 9, 2, 2, WIRE_MEMBER, 9, true);
    greet(3, 3, 0, 2, true); /* it does not serve */
    append(3, TERM);
    assert_int_equal(lone.voted, 0);
    greet(3, 3, WIRE_MEMBER, 2, true);
    greet_in(TERM + 10, 2, 2, WIRE_MEMBER, 9, true);
    append(3, TERM);
    assert_int_equal(lone.voted, 1);
    end();
}

/* ---- addresses ---- */

static const char *address_of(uint64_t id)
{
    return lone.core->config.peers[core_peer_index(lone.core, id)].address;
}

/* A configuration of three, of whom the first stands by. */
static struct buf moved(const char *two, const char *three)
{
    const char *const addresses[] = {"a:1", two, three};
    struct buf buf = BUF_INIT;

    lone_put_configuration(&buf, addresses, 3, RAFT_STANDBY);
    return buf;
}

static void greet_with(uint64_t from, uint64_t index, const struct buf *conf)
{
    say(from, WIRE_HELLO,
        (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_TERM] = TERM, [WK_CONF_INDEX] = index},
                      .body = (const uint8_t *)conf->data,
                      .body_len = conf->len});
}

/* A standby was away while all others moved: it believes each of them where it is itself, and nobody about others. */
static void test_moved(void **state)
{
    CLEANUP(buf_fini) struct buf before = moved("a:2", "a:3");
    CLEANUP(buf_fini) struct buf after = moved("b:2", "b:3");
    CLEANUP(buf_fini) struct buf again = moved("c:2", "c:3");

    (void)state;
    start_with(3, CORE_JOINED, &before);
    greet_with(2, 1, &after); /* not later than what is in the log */
    assert_string_equal(address_of(2), "a:2");
    greet_with(2, 9, &after);
    assert_string_equal(address_of(2), "b:2");
    assert_string_equal(address_of(3), "a:3");
    greet_with(2, 8, &again);
    assert_string_equal(address_of(2), "b:2");
    append(3, TERM); /* the log has not come so far */
    assert_string_equal(address_of(2), "b:2");
    greet_with(3, 9, &after);
    assert_string_equal(address_of(3), "b:3");
    end();
    start(3, CORE_FORMED); /* one that votes knows */
    greet_with(2, 9, &after);
    assert_string_equal(address_of(2), "a:2");
    end();
}

/* ---- an empty disk ---- */

static void test_empty(void **state)
{
    (void)state;
    start(3, CORE_EMPTY);
    greet(2, 2, WIRE_MEMBER, 0, true);
    assert_false(lone.core->failed);
    greet(3, 2, 0, 0, true);
    assert_true(ended("data directory is empty"));
    end();
    start(3, CORE_EMPTY);
    greet(2, 2, WIRE_ADMITTED, 0, true);
    assert_int_equal(lone.core->disk_state, CORE_EMPTY);
    greet(3, 3, WIRE_MEMBER, 0, true); /* two leaders: neither counts */
    assert_int_equal(lone.core->disk_state, CORE_EMPTY);
    assert_false(lone.core->failed);
    greet(3, 2, 0, 0, true);
    assert_int_equal(lone.core->disk_state, CORE_JOINING);
    assert_int_equal(lone.core->join_index, 1);
    end();
}

static void greet_at(uint64_t from, uint64_t follows, uint64_t admits, uint64_t index)
{
    say(from, WIRE_HELLO,
        (struct wire){.key = {[WK_STATE] = CORE_FORMED,
                              [WK_TERM] = TERM,
                              [WK_FOLLOWS] = follows + 1,
                              [WK_ADMITS] = admits,
                              [WK_CONF_INDEX] = index},
                      .body = (const uint8_t *)lone.conf.data,
                      .body_len = lone.conf.len});
}

/* The log has to reach the index that is named to a newcomer: one member alone could name any. */
static void test_index_to_join(void **state)
{
    const enum core_disk_state states[] = {CORE_EMPTY, CORE_JOINING};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        start(3, states[i]);
        greet_at(2, 2, WIRE_ADMITTED, WIRE_INDEX_MAX);
        greet_at(3, 2, 0, 9);
        assert_int_equal(lone.core->disk_state, states[i]);
        assert_int_equal(lone.core->join_index, 0);
        greet_at(2, 2, WIRE_ADMITTED, 10); /* the other one will have it in a moment */
        assert_int_equal(lone.core->join_index, 0);
        greet_at(3, 2, 0, 10);
        assert_int_equal(lone.core->disk_state, CORE_JOINING);
        assert_int_equal(lone.core->join_index, 10);
        end();
    }
    start(2, CORE_EMPTY); /* nobody else could say anything */
    greet_at(2, 2, WIRE_ADMITTED, 10);
    assert_int_equal(lone.core->join_index, 10);
    end();
}

static bool is_heard(uint64_t id)
{
    return core_speaks(lone.core, core_peer_index(lone.core, id));
}

static struct buf members_up_to(size_t n)
{
    static const char *const addresses[] = {"a:1", "b:2", "b:3", "b:4"};
    struct buf buf = BUF_INIT;

    lone_put_configuration(&buf, addresses, n, RAFT_VOTER);
    return buf;
}

/* Member 2 names a configuration later than all others, without the leader, to one that knows of none. */
static void test_one_silences_nobody(void **state)
{
    CLEANUP(buf_fini) struct buf two = members_up_to(2), three = members_up_to(3), four = members_up_to(4);

    (void)state;
    start(3, CORE_EMPTY);
    greet_with(2, WIRE_INDEX_MAX, &two);
    assert_true(is_heard(3));
    greet_with(3, 9, &four);
    assert_true(is_heard(4));                  /* one member is enough for that: who leads may not be in the file */
    assert_string_equal(address_of(2), "a:2"); /* but not to send us elsewhere */
    greet_with(2, WIRE_INDEX_MAX, &two);
    assert_true(is_heard(3) && is_heard(4));
    greet_with(4, 9, &four); /* two say so */
    assert_string_equal(address_of(2), "b:2");
    greet_with(2, WIRE_INDEX_MAX, &two);
    greet_with(2, 9, &two); /* under the same number, too */
    greet_with(2, 10, &two);
    assert_true(is_heard(3) && is_heard(4));
    greet_with(3, 10, &three); /* nor does one honest member alone */
    assert_true(is_heard(4));
    greet_with(2, 10, &three);
    assert_false(is_heard(4));
    assert_true(is_heard(2) && is_heard(3));
    end();
}

/* As many as there are places for: those whom two name have theirs. */
static void test_one_takes_no_place_away(void **state)
{
    CLEANUP(buf_fini) struct buf four = members_up_to(4), many = BUF_INIT;
    struct raft_configuration conf;
    struct raft_buffer bytes;

    (void)state;
    raft_configuration_init(&conf);
    for (uint64_t id = 1; id <= 9; id++) {
        const char address[] = {'c', ':', (char)('0' + id), '\0'};

        assert_int_equal(raft_configuration_add(&conf, id <= 2 ? id : 10 + id, address, RAFT_VOTER), 0);
    }
    assert_int_equal(raft_configuration_encode(&conf, &bytes), 0);
    raft_configuration_close(&conf);
    buf_append(&many, bytes.base, bytes.len);
    raft_free(bytes.base);
    start(3, CORE_EMPTY);
    greet_with(2, WIRE_INDEX_MAX, &many);
    greet_with(3, 9, &four);
    greet_with(2, 9, &four);
    assert_true(is_heard(3) && is_heard(4));
    assert_false(is_heard(19));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removed),
        cmocka_unit_test(test_words_of_other_times),
        cmocka_unit_test(test_nobody_else),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_refuted),
        cmocka_unit_test(test_doubt_ends),
        cmocka_unit_test(test_follower),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_index_to_join),
        cmocka_unit_test(test_one_silences_nobody),
        cmocka_unit_test(test_one_takes_no_place_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

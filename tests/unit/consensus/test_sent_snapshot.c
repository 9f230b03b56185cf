/* What a leader does for one who needs a snapshot, or says so. Member 1 leads, member 2 follows it, member 3 is the
 * one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/consensus/lone.h"

#define TERM 5
#define STEP_US 10000
#define STUCK_US 600000

static unsigned loads; /* of the snapshot, from the disk */

static void disk_answers(void)
{
    while (lone.ops != NULL) {
        struct disk_op *op = lone.ops;

        lone.ops = op->next;
        if (op->kind == DISK_FREE) { /* is not answered */
            disk_op_free(op);
            continue;
        }
        if (op->kind == DISK_SNAP_GET) {
            loads++;
            op->index = op->conf_index = 1;
            op->index_term = 1;
            op->conf = mem_dup(lone.conf.data, lone.conf.len);
            op->conf_len = lone.conf.len;
            op->data = mem_calloc(100, 1);
            op->data_len = 100;
        }
        core_done(lone.core, op);
    }
}

static void answer(uint64_t from, uint64_t rejected, uint64_t last)
{
    assert_true(lone_hears(
        from, WIRE_APPEND_RESULT,
        (struct wire){.key = {[WK_MSG_TERM] = lone_term(), [WK_REJECTED] = rejected, [WK_LAST_INDEX] = last}}));
    disk_answers();
}

static int set_up(void **state)
{
    (void)state;
    lone_start(&(struct lone_config){.n_members = 3, .disk_state = CORE_FORMED, .term = TERM});
    for (uint64_t id = 2; id <= 3; id++) {
        assert_true(lone_hears(id, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}}));
    }
    while (lone.core->role != CORE_LEADER) {
        lone.now = core_poll(lone.core);
        disk_answers();
        for (uint64_t flags = 1; flags <= 3; flags += 2) { /* a vote, a pre-vote */
            assert_true(lone_hears(
                2, WIRE_VOTE_RESULT,
                (struct wire){
                    .key = {[WK_MSG_TERM] = lone_term() + (flags == 3), [WK_FLAGS] = flags, [WK_VERSION] = 2}}));
            disk_answers();
        }
    }
    answer(2, 0, core_last_index(lone.core));
    lone.core->snapshot_conf_index = 1; /* of the one that the disk gives */
    loads = 0;
    memset(lone.chunks, 0, sizeof(lone.chunks));
    return 0;
}

static void pass(uint64_t us)
{
    for (uint64_t end = lone.now + us; lone.now < end; lone.now += STEP_US) {
        (void)core_poll(lone.core);
        disk_answers();
        assert_true(
            lone_hears(2, WIRE_LEASE_ACK, (struct wire){.key = {[WK_NUMBER] = lone.now, [WK_MSG_TERM] = lone_term()}}));
        answer(2, 0, core_last_index(lone.core));
    }
    assert_int_equal(lone.core->role, CORE_LEADER);
}

static void asked_for(void)
{
    core_snapshot_send(lone.core, 3, 1); /* as the library does */
    disk_answers();
}

static void all_acknowledged(void)
{
    const struct core_peer_state *peer = &lone.core->peers[2];

    assert_true(
        lone_hears(3, WIRE_SNAPSHOT_ACK, (struct wire){.key = {[WK_LAST_INDEX] = 1, [WK_OFFSET] = peer->send_offset}}));
    disk_answers();
}

/* The library asks once, and may not do so again. */
static void test_asked_for_once(void **state)
{
    (void)state;
    asked_for();
    assert_int_equal(lone.chunks[3], 0); /* it is being read */
    pass(STEP_US);
    assert_int_equal(lone.chunks[3], 1);
    pass(STUCK_US / 2);
    assert_int_equal(lone.chunks[3], 1);
    all_acknowledged();
    pass(10 * STUCK_US);
    assert_int_equal(lone.chunks[3], 1);
    assert_null(lone.core->image.data);
}

/* It was lost: again, but not as often as one who takes nothing would like. */
static void test_lost(void **state)
{
    (void)state;
    asked_for();
    pass(STEP_US);
    pass(STUCK_US + STEP_US);
    assert_int_equal(lone.chunks[3], 2);
    pass(100 * STUCK_US);
    assert_in_range(lone.chunks[3], 7, 12);
    all_acknowledged();
    assert_false(lone.core->peers[2].sending);
}

/* It acknowledges all of it at once, and needs another one. */
static void test_again_and_again(void **state)
{
    (void)state;
    for (uint64_t end = lone.now + 100 * STUCK_US; lone.now < end;) {
        asked_for();
        pass(STEP_US);
        if (lone.core->peers[2].sending) {
            all_acknowledged();
        }
    }
    assert_in_range(lone.chunks[3], 50, 101);
    assert_in_range(loads, 50, 101);
}

static void ask_for(uint64_t us)
{
    for (uint64_t end = lone.now + us; lone.now < end;) {
        asked_for();
        pass(STEP_US);
    }
}

/* The longer it takes, the longer is the pause. */
static void test_pause(void **state)
{
    (void)state;
    asked_for();
    pass(STEP_US);
    pass(STUCK_US);
    pass(9 * STUCK_US);
    all_acknowledged();
    loads = 0;
    ask_for(29 * STUCK_US);
    assert_int_equal(loads, 0);
    ask_for(2 * STUCK_US);
    assert_int_equal(loads, 1);
}

/* Entries are named to it: none is needed. */
static void test_not_needed_any_more(void **state)
{
    const struct raft_append_entries message = {.term = lone_term(), .n_entries = 1, .prev_log_index = 1};

    (void)state;
    asked_for();
    core_flow_named(lone.core, 2, &message);
    pass(10 * STUCK_US);
    assert_int_equal(lone.chunks[3], 0);
}

/* Answers with any numbers: no more than a frame for each, and the other member is served all the same. */
static void test_odd_rejections(void **state)
{
    const uint64_t odd[] = {0, 1, 2, 3, 4, 1000, WIRE_INDEX_MAX - 1, WIRE_INDEX_MAX};
    const size_t n = sizeof(odd) / sizeof(odd[0]);
    unsigned answers = 0, appends = lone.appends[3];
    uint64_t begin_us = lone.now;

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        for (size_t i = 0; i < n * n; i++, answers++) {
            answer(3, odd[i / n], odd[i % n]);
        }
        pass(STEP_US);
    }
    assert_int_equal(lone.core->role, CORE_LEADER);
    assert_in_range(lone.appends[3] - appends, 0, answers + (lone.now - begin_us) / STEP_US);
    assert_in_range(loads, 0, 1);
    assert_in_range(lone.chunks[3], 0, 1);
    assert_int_equal(raft_commit_index(&lone.core->raft), core_last_index(lone.core));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_asked_for_once, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_lost, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_again_and_again, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_pause, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_not_needed_any_more, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_odd_rejections, set_up, lone_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the members of claim.h say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/consensus/claim.h"

int claim_set_up(void **state)
{
    (void)state;
    lone_start(&(struct lone_config){.n_members = 3, .disk_state = CORE_FORMED, .term = TERM});
    for (uint64_t id = 2; id <= 3; id++) {
        assert_true(lone_hears(id, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}}));
    }
    return 0;
}

/* Entry 3, committed. */
bool claim_append(uint64_t from, uint64_t in_term)
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
void claim_number(uint64_t from, uint64_t number, uint64_t follows)
{
    assert_true(lone_hears(
        from, WIRE_LEASE,
        (struct wire){
            .key = {[WK_TERM] = TERM, [WK_NUMBER] = number, [WK_LEASE_US] = PROMISE_US, [WK_FOLLOWS] = follows}}));
    (void)core_poll(lone.core);
    lone_disk_answers();
}

void claim_lead(void)
{
    assert_true(lone_hears(2, WIRE_APPEND,
                           (struct wire){.key = {[WK_MSG_TERM] = TERM, [WK_PREV_INDEX] = 2, [WK_PREV_TERM] = TERM}}));
    assert_int_equal(core_raft_leader(lone.core), 2);
    lone.voted = 0; /* it was acknowledged */
}

/* As of a transfer that was ordered at any time. */
void claim_vote(uint64_t from, uint64_t flags)
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

uint64_t claim_timeouts_us(uint64_t n)
{
    return n * 1000 * lone.core->config.election_timeout_ms;
}

void claim_answer(uint64_t from, uint64_t in_term, uint64_t rejected)
{
    assert_true(lone_hears(from, WIRE_APPEND_RESULT,
                           (struct wire){.key = {[WK_MSG_TERM] = in_term,
                                                 [WK_REJECTED] = rejected,
                                                 [WK_LAST_INDEX] = rejected > 0 ? 0 : core_last_index(lone.core)}}));
    lone_disk_answers();
}

void claim_echo(uint64_t from, uint64_t number)
{
    assert_true(
        lone_hears(from, WIRE_LEASE_ACK, (struct wire){.key = {[WK_NUMBER] = number, [WK_MSG_TERM] = lone_term()}}));
}

void claim_be_elected(void)
{
    if (lone_term() == TERM) {
        claim_lead();
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
    claim_answer(2, lone_term(), 0);
}

/* Member 2 returns a number every 50 ms, and so does member 3 if both do. */
void claim_serve(uint64_t for_us, bool both)
{
    for (uint64_t end = lone.now + for_us; lone.now < end; lone.now += 50000) {
        (void)core_poll(lone.core);
        lone_disk_answers();
        claim_echo(2, lone.now);
        claim_answer(2, lone_term(), 0);
        if (both) {
            claim_echo(3, lone.now);
        }
        assert_true(core_serving(lone.core));
    }
}

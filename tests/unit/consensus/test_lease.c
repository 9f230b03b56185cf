/* Lease and promise: when a leader may answer, when a member may vote. Each test names the rule whose removal it sees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "consensus/lease.h"

#define L 150000
#define T 300000
#define START 1000000

/* Of member 1, leading members 1..n. */
static uint64_t until_of(struct lease *lease, uint64_t now, size_t n)
{
    static const uint64_t voters[] = {1, 2, 3, 4, 5};

    lease_set_voters(lease, 1, voters, n);
    return lease_until(lease, now, true);
}

static void test_start_promise(void **state)
{
    struct lease lease;

    (void)state;
    lease_init(&lease, START, L, T);
    assert_false(lease_may_vote(&lease, START + T - 1, 2, 7, 0));
    assert_false(lease_may_vote(&lease, START + T - 1, 1, 7, START)); /* no transfer releases it */
    assert_true(lease_may_vote(&lease, START + T, 2, 7, 0));
}

static void test_promise(void **state)
{
    struct lease lease;
    uint64_t now = START + T;

    (void)state;
    lease_init(&lease, START, L, T);
    assert_false(lease_on_ping(&lease, now, 5, true, 4, 100, L));     /* older term */
    assert_false(lease_on_ping(&lease, now, 5, false, 5, 100, L));    /* not a follower */
    assert_false(lease_on_ping(&lease, now, 5, true, 5, 100, T + 1)); /* stands for more than is allowed */
    assert_true(lease_may_vote(&lease, now, 6, 7, 0));
    assert_true(lease_on_ping(&lease, now, 5, true, 5, 100, L));
    assert_false(lease_may_vote(&lease, now + L - 1, 6, 7, 0));
    assert_true(lease_may_vote(&lease, now + L, 6, 7, 0));
    assert_true(lease_on_ping(&lease, now + 10, 5, true, 5, 90, L)); /* late: the newest number counts */
    assert_int_equal(lease.promise_number, 100);
}

static void test_transfer_releases_only_its_own_promise(void **state)
{
    struct lease lease;
    uint64_t now = START + T;

    (void)state;
    lease_init(&lease, START, L, T);
    assert_true(lease_on_ping(&lease, now, 5, true, 5, 1000, L));
    assert_true(lease_may_vote(&lease, now + 1, 6, 7, 1000));
    assert_false(lease_may_vote(&lease, now + 1, 6, 7, 999)); /* ordered before the promise: that transfer has failed */
    assert_false(lease_may_vote(&lease, now + 1, 7, 7, 1000)); /* another election */
}

static void test_lease_of_a_majority(void **state)
{
    struct lease lease;
    uint64_t now = START + 10000;
    uint64_t length = L * 99 / 101;

    (void)state;
    lease_init(&lease, 0, L, T);
    lease_lead(&lease);
    assert_int_equal(until_of(&lease, now, 3), 0);     /* nobody has echoed */
    lease_on_ack(&lease, now, 5, true, 2, 4, START);   /* another term's */
    lease_on_ack(&lease, now, 5, false, 2, 5, START);  /* not the leader */
    lease_on_ack(&lease, now, 5, true, 2, 5, now + 1); /* not sent yet */
    assert_int_equal(until_of(&lease, now, 3), 0);
    lease_on_ack(&lease, now, 5, true, 2, 5, START);
    assert_int_equal(until_of(&lease, now, 3), START + length);
    assert_int_equal(lease_until(&lease, now, false), 0);
    assert_int_equal(until_of(&lease, now, 5), 0); /* five need two echoes */
    lease_on_ack(&lease, now, 5, true, 3, 5, START + 5000);
    assert_int_equal(until_of(&lease, now, 5), START + length); /* the older of the two */
    assert_int_equal(until_of(&lease, now, 3), START + 5000 + length);
    lease_on_ack(&lease, now, 5, true, 3, 5, START + 1); /* an older echo changes nothing */
    assert_int_equal(until_of(&lease, now, 3), START + 5000 + length);
    lease.suspended = true;
    assert_int_equal(until_of(&lease, now, 3), 0);
}

static void test_only_voters_count(void **state)
{
    static const uint64_t voters[] = {1, 2, 3};
    static const uint64_t others[] = {2, 3};
    struct lease lease;
    uint64_t now = START + 10;

    (void)state;
    lease_init(&lease, 0, L, T);
    lease_lead(&lease);
    lease_set_voters(&lease, 1, voters, 3);
    lease_on_ack(&lease, now, 5, true, 4, 5, START); /* a standby */
    assert_int_equal(lease_until(&lease, now, true), 0);
    lease_on_ack(&lease, now, 5, true, 2, 5, START);
    assert_true(lease_until(&lease, now, true) > now);
    lease_set_voters(&lease, 1, others, 2); /* on its way out: its own promise no longer counts */
    assert_int_equal(lease_until(&lease, now, true), 0);
    lease_on_ack(&lease, now, 5, true, 3, 5, START);
    assert_true(lease_until(&lease, now, true) > now);
}

/* Many more than the table holds, one after the other. */
static void test_members_come_and_go(void **state)
{
    struct lease lease;

    (void)state;
    lease_init(&lease, 0, L, T);
    lease_lead(&lease);
    for (uint64_t id = 2; id < 50; id++) {
        const uint64_t voters[] = {1, id, id + 1};

        lease_set_voters(&lease, 1, voters, 3);
        lease_on_ack(&lease, START + id, 5, true, id + 7, 5, START + id); /* does not vote */
        assert_true(lease_until(&lease, START + id, true) <= START + id + L);
        lease_on_ack(&lease, START + id, 5, true, id, 5, START + id);
        lease_on_ack(&lease, START + id, 5, true, id + 1, 5, START + id);
        assert_true(lease_until(&lease, START + id, true) > START + id);
    }
}

static void test_own_promise(void **state)
{
    struct lease lease;
    uint64_t until;

    (void)state;
    lease_init(&lease, 0, L, T);
    lease_lead(&lease);
    (void)until_of(&lease, START, 3);
    lease_on_ack(&lease, START, 5, true, 2, 5, START);
    until = until_of(&lease, START, 3);
    assert_false(
        lease_may_vote(&lease, until - 1, 6, 7, 0)); /* an ex-leader is silent until what it gave away is over */
    assert_true(lease_may_vote(&lease, until, 6, 7, 0));
    lease_released(&lease); /* or its keeper has let go */
    assert_true(lease_may_vote(&lease, until - 1, 6, 7, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_promise),
        cmocka_unit_test(test_promise),
        cmocka_unit_test(test_transfer_releases_only_its_own_promise),
        cmocka_unit_test(test_lease_of_a_majority),
        cmocka_unit_test(test_only_voters_count),
        cmocka_unit_test(test_members_come_and_go),
        cmocka_unit_test(test_own_promise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

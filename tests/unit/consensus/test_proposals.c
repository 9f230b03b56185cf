/* The queue of proposals: what the core refuses is answered, and what was submitted before keeps its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "consensus/node_priv.h"
#include "store/base/mem.h"

static int statuses[8];

static void on_answer(void *user, int status, uint64_t index, const void *result)
{
    (void)index;
    assert_null(result);
    statuses[(uintptr_t)user] = status;
}

static void push(struct proposals *queue, uintptr_t number)
{
    struct proposal *proposal = mem_calloc(1, sizeof(*proposal));

    proposal->index = 100 + number;
    proposal->len = 10;
    proposal->cb = on_answer;
    proposal->user = (void *)number;
    proposals_push(queue, proposal);
}

static void test_refused_ones_leave(void **state)
{
    struct proposals queue = {0};
    struct proposal *proposal;

    (void)state;
    for (uintptr_t i = 0; i < 5; i++) {
        push(&queue, i);
        statuses[i] = 1;
    }
    assert_int_equal(queue.bytes, 50);
    proposals_refuse_last(&queue, 3, E_BUSY);
    assert_int_equal(queue.n, 2);
    assert_int_equal(queue.bytes, 20);
    for (uintptr_t i = 0; i < 5; i++) {
        assert_int_equal(statuses[i], i < 2 ? 1 : E_BUSY);
    }
    push(&queue, 5); /* the indexes of the refused ones belong to later proposals */
    for (uintptr_t i = 0; i < 3; i++) {
        proposal = proposals_pop(&queue);
        assert_non_null(proposal);
        assert_int_equal(proposal->index, i < 2 ? 100 + i : 105);
        proposal_finish(proposal, 0, NULL);
    }
    assert_null(proposals_pop(&queue));
    proposals_refuse_last(&queue, 0, E_BUSY);
    assert_int_equal(queue.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_ones_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

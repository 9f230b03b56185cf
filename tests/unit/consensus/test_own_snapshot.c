/* A member's own snapshot that is no state: the log that it would replace stays, and the next one is taken when as much
 * has come again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/consensus/lone.h"

#define ENTRIES 600

/* Entries of the leader, committed and written; ends when the disk is asked for a snapshot, which stays open. */
static void entries_come(void)
{
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    uint64_t last = core_last_index(lone.core);

    for (int i = 0; i < ENTRIES; i++) {
        flat_append(&body, 1, RAFT_BARRIER, "12345678", 8);
    }
    assert_true(lone_hears(2, WIRE_APPEND,
                           (struct wire){.key = {[WK_MSG_TERM] = 1,
                                                 [WK_PREV_INDEX] = last,
                                                 [WK_PREV_TERM] = 1,
                                                 [WK_COUNT] = ENTRIES,
                                                 [WK_COMMIT] = last + ENTRIES},
                                         .body = (const uint8_t *)body.data,
                                         .body_len = body.len}));
    while (lone.ops != NULL && lone.ops->kind != DISK_SNAP_PUT) {
        struct disk_op *op = lone.ops;

        lone.ops = op->next;
        core_done(lone.core, op);
    }
}

static uint64_t snapshot_answers(int refused)
{
    struct disk_op *op = lone.ops;
    uint64_t index;

    assert_non_null(op);
    assert_null(op->next);
    index = op->index;
    op->refused = refused;
    lone.ops = NULL;
    core_done(lone.core, op);
    return index;
}

static void test_refused(void **state)
{
    uint64_t first, second;

    (void)state;
    lone_start(&(struct lone_config){.n_members = 3, .disk_state = CORE_FORMED, .term = 1, .no_snapshots = true});
    assert_true(lone_hears(2, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}}));
    entries_come();
    assert_null(lone.ops);
    entries_come();
    first = snapshot_answers(E_DAMAGED);
    assert_int_equal(lone.core->snapshot_index, 0);
    assert_int_equal(lone.core->first, 1);
    assert_false(lone.core->failed);
    entries_come(); /* not at once again */
    assert_null(lone.ops);
    entries_come();
    second = snapshot_answers(0);
    assert_true(second >= first + 2 * ENTRIES);
    assert_int_equal(lone.core->snapshot_index, second);
    assert_true(lone.core->first > first);
    lone_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

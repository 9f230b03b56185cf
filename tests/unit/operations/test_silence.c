/* When a Gluster pool may not have noticed that a node is silent: once, however often the node falls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/operations/driver_priv.h"
#include "tests/unit/operations/fixture.h"

#define CHECK_MS 5000
#define PERIOD_MS 57000

static void test_fall(void **state)
{
    struct silence silence = {.silent = false};

    (void)state;
    assert_false(silence_is_unnoticed(&silence, 0));
    silence_note(&silence, false, 0);
    assert_false(silence_is_unnoticed(&silence, 0));
    silence_note(&silence, true, 0);
    assert_true(silence_is_unnoticed(&silence, 0));
    assert_true(silence_is_unnoticed(&silence, SILENCE_UNNOTICED_MS - 1));
    silence_note(&silence, true, SILENCE_UNNOTICED_MS - 1); /* silent still: no new fall */
    assert_true(silence_is_unnoticed(&silence, SILENCE_UNNOTICED_MS - 1));
    assert_false(silence_is_unnoticed(&silence, SILENCE_UNNOTICED_MS));
    silence_note(&silence, true, SILENCE_UNNOTICED_MS);
    assert_false(silence_is_unnoticed(&silence, SILENCE_UNNOTICED_MS));
}

static void test_answers_again(void **state)
{
    struct silence silence = {.silent = false};

    (void)state;
    silence_note(&silence, true, 1000);
    silence_note(&silence, false, 2000);
    assert_false(silence_is_unnoticed(&silence, 2000));
    silence_note(&silence, true, 3000); /* counts from the first fall */
    assert_true(silence_is_unnoticed(&silence, 3000));
    assert_true(silence_is_unnoticed(&silence, 1000 + SILENCE_UNNOTICED_MS - 1));
    assert_false(silence_is_unnoticed(&silence, 1000 + SILENCE_UNNOTICED_MS));
}

/* One answer before each time that the pool would have waited for it long enough. */
static void test_flapping(void **state)
{
    struct silence silence = {.silent = false};
    uint64_t n = 0;

    (void)state;
    for (uint64_t now_ms = 1000; now_ms < UINT64_C(24) * 3600 * 1000; now_ms += CHECK_MS) {
        silence_note(&silence, now_ms % PERIOD_MS >= CHECK_MS, now_ms);
        n += silence_is_unnoticed(&silence, now_ms);
    }
    assert_in_range(n, 1, SILENCE_UNNOTICED_MS / CHECK_MS);
}

/* Health is counted from the last silence, not from the fall. */
static void test_well(void **state)
{
    struct silence silence = {.silent = false};
    uint64_t back_ms = 3 * SILENCE_WELL_MS, fall_ms;

    (void)state;
    silence_note(&silence, true, 0);
    silence_note(&silence, false, back_ms);
    fall_ms = back_ms + SILENCE_WELL_MS - 1;
    silence_note(&silence, true, fall_ms); /* not well yet */
    assert_false(silence_is_unnoticed(&silence, fall_ms));
    silence_note(&silence, false, fall_ms);
    silence_note(&silence, false, fall_ms + SILENCE_WELL_MS / 2);
    silence_note(&silence, true, fall_ms + SILENCE_WELL_MS);
    assert_true(silence_is_unnoticed(&silence, fall_ms + SILENCE_WELL_MS));
    assert_false(silence_is_unnoticed(&silence, fall_ms + SILENCE_WELL_MS + SILENCE_UNNOTICED_MS));
}

/* It is well each time for as long as makes its next fall a first one. */
static void test_stalls(void **state)
{
    struct silence silence = {.silent = false};
    uint64_t waited_ms = 0;

    (void)state;
    for (uint64_t now_ms = 1000; now_ms < UINT64_C(24) * 3600 * 1000; now_ms += CHECK_MS) {
        silence_note(&silence, now_ms % (SILENCE_WELL_MS + 2 * SILENCE_UNNOTICED_MS) < SILENCE_UNNOTICED_MS, now_ms);
        waited_ms += silence_is_unnoticed(&silence, now_ms) ? CHECK_MS : 0;
    }
    assert_in_range(waited_ms, SILENCE_UNNOTICED_MS, 8 * SILENCE_UNNOTICED_MS);
    silence_note(&silence, false, UINT64_C(24) * 3600 * 1000);
    silence_note(&silence, true, UINT64_C(24) * 3600 * 1000 + SILENCE_LONG_WELL_MS); /* as if it had never fallen */
    assert_true(silence_is_unnoticed(&silence, UINT64_C(24) * 3600 * 1000 + SILENCE_LONG_WELL_MS));
    assert_int_equal(silence.doublings, 0);
}

static size_t unnoticed(struct fixture *f)
{
    struct store_strs names = {.n = 0};
    size_t n;

    nodes_silent(f->driver, f->cluster, &names);
    n = names.n;
    store_strs_fini(&names);
    return n;
}

/* The driver tells its steps of a node that falls; not again of one that has answered once and falls again. */
static void test_driver(void **state)
{
    static const struct exec_result answers, silent = {.code = E_CONNECT};
    struct fixture f;
    struct node_state *node;

    (void)state;
    fixture_init(&f, 2);
    fixture_lead(&f);
    nodes_note(f.driver, f.nodes[0], &silent);
    assert_int_equal(unnoticed(&f), 1);
    node = RB_FIND(driver_node_tree, &f.driver->nodes, &(struct node_state){.node = f.nodes[0]});
    node->silence.fell_ms -= SILENCE_UNNOTICED_MS;
    assert_int_equal(unnoticed(&f), 0);
    nodes_note(f.driver, f.nodes[0], &answers);
    nodes_note(f.driver, f.nodes[0], &silent);
    assert_true(op_driver_node_down(f.driver, f.nodes[0]));
    assert_int_equal(unnoticed(&f), 0);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fall), cmocka_unit_test(test_answers_again), cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_well), cmocka_unit_test(test_stalls),        cmocka_unit_test(test_driver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

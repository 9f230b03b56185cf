/* The watch on the loop: what ran gets its own time, a turn is named by what took most of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/base/turn.h"

static uint64_t clock_now_ns;

static uint64_t now_ns(void)
{
    return clock_now_ns;
}

static void inner(uint64_t ns)
{
    TURN("inner");

    clock_now_ns += ns;
}

static void outer(uint64_t before_ns, uint64_t inside_ns, uint64_t after_ns)
{
    TURN("outer");

    clock_now_ns += before_ns;
    inner(inside_ns);
    clock_now_ns += after_ns;
}

static void test_inner_time_is_not_the_outer_ones(void **state)
{
    (void)state;
    turn_start(now_ns);
    outer(10, 500, 20);
    outer(1, 0, 1);
    assert_string_equal(turn_end(540)->name, "inner");
    assert_int_equal(turn_kind("inner")->longest_ns, 500);
    assert_int_equal(turn_kind("inner")->longest_turn_ns, 540);
    assert_int_equal(turn_kind("inner")->n_turns, 1);
    assert_int_equal(turn_kind("outer")->longest_ns, 32);
    assert_int_equal(turn_kind("outer")->longest_turn_ns, 0);
    outer(60, 5, 0);
    assert_string_equal(turn_end(65)->name, "outer");
    assert_int_equal(turn_kind("outer")->longest_ns, 60);
    assert_int_equal(turn_kind("outer")->total_ns, 92);
    assert_int_equal(turn_kind("outer")->n_turns, 2);
    assert_int_equal(turn_kind("inner")->longest_ns, 500);
}

static void test_time_of_no_kind_is_the_loops(void **state)
{
    (void)state;
    turn_start(now_ns);
    inner(10);
    assert_string_equal(turn_end(5000)->name, "loop");
    assert_int_equal(turn_kind("loop")->longest_ns, 4990);
}

static void nested(unsigned depth)
{
    TURN("deep");

    clock_now_ns++;
    if (depth > 1) {
        nested(depth - 1);
    }
}

static void test_depth_has_no_bound(void **state)
{
    (void)state;
    turn_start(now_ns);
    nested(100);
    assert_string_equal(turn_end(100)->name, "deep");
    assert_int_equal(turn_kind("deep")->longest_ns, 100);
}

static void test_kinds_beyond_the_bound_are_other(void **state)
{
    static char names[TURN_KINDS_MAX + 10][8];
    struct turn_kind *last = NULL;
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        names[i][0] = 'k';
        for (size_t j = i, at = 1; j > 0; j /= 10, at++) {
            names[i][at] = (char)('0' + j % 10);
        }
        last = turn_kind(names[i]);
    }
    (void)turn_kinds(&n);
    assert_int_equal(n, TURN_KINDS_MAX);
    assert_string_equal(last->name, "other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inner_time_is_not_the_outer_ones),
        cmocka_unit_test(test_time_of_no_kind_is_the_loops),
        cmocka_unit_test(test_depth_has_no_bound),
        cmocka_unit_test(test_kinds_beyond_the_bound_are_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

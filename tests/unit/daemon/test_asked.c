/* Queue ids that somebody has asked for lately. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/asked.h"

static struct asked *list;

static int setup(void **state)
{
    (void)state;
    list = asked_new();
    asked_begin(list, 1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    asked_free(list);
    return 0;
}

static struct id id_of(unsigned n)
{
    return (struct id){{1, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static void test_lately(void **state)
{
    (void)state;
    asked_note(list, id_of(1), 20000);
    assert_true(asked_lately(list, id_of(1), 20000 + ASKED_LATELY_MS - 1));
    assert_false(asked_lately(list, id_of(1), 20000 + ASKED_LATELY_MS));
    assert_false(asked_lately(list, id_of(2), 20000));
    asked_note(list, id_of(1), 24000); /* again */
    assert_true(asked_lately(list, id_of(1), 24000 + ASKED_LATELY_MS - 1));
    asked_note(list, id_of(2), 60000); /* which makes room */
    assert_false(asked_lately(list, id_of(1), 60000));
}

/* Whoever led before may have been asked for it. */
static void test_unknown_at_first(void **state)
{
    (void)state;
    assert_true(asked_lately(list, id_of(1), 1000 + ASKED_LATELY_MS - 1));
    assert_false(asked_lately(list, id_of(1), 1000 + ASKED_LATELY_MS));
    asked_note(list, id_of(1), 50000);
    asked_begin(list, 70000);
    assert_true(asked_lately(list, id_of(1), 70001));
    assert_true(asked_lately(list, id_of(2), 70001));
}

/* What there was no room for counts as asked for: it is never taken away from somebody who waits. */
static void test_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ASKED_MAX + 10; i++) {
        asked_note(list, id_of(i), 30000 + i);
    }
    for (unsigned i = 0; i < ASKED_MAX + 10; i++) {
        assert_true(asked_lately(list, id_of(i), 30000 + ASKED_LATELY_MS - 1));
    }
    assert_true(asked_lately(list, id_of(0), 30009 + ASKED_LATELY_MS - 1));
    assert_false(asked_lately(list, id_of(0), 30009 + ASKED_LATELY_MS));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_lately), T(test_unknown_at_first), T(test_bounded)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The time of commands, whatever the wall clocks of those who lead do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/pace.h"

#define HOUR_MS INT64_C(3600000)
#define YEAR_2099_MS INT64_C(4070908800000)
#define NOW_MS INT64_C(1790000000000)

static void test_begins(void **state)
{
    struct pace pace = {0};

    (void)state;
    assert_int_equal(pace_ms(&pace, 0, NOW_MS, 5), NOW_MS); /* nothing is known: the wall clock is believed */
    pace.begun = false;
    assert_int_equal(pace_ms(&pace, NOW_MS + 7, NOW_MS, 9), NOW_MS + 7);
    pace.begun = false;
    assert_int_equal(pace_ms(&pace, NOW_MS, NOW_MS + 24 * HOUR_MS, 9), NOW_MS);
}

static void test_follows(void **state)
{
    struct pace pace = {0};

    (void)state;
    (void)pace_ms(&pace, 0, NOW_MS, 0);
    for (int64_t ms = 1; ms < 100000; ms += 7) {
        assert_in_range(pace_ms(&pace, 0, NOW_MS + ms, ms), NOW_MS + ms - 1, NOW_MS + ms);
    }
}

/* What was written at the beginning is an hour old at least when two hours have passed by this time. */
static void test_jumps(void **state)
{
    static const int64_t jumps_ms[] = {3 * HOUR_MS, -3 * HOUR_MS, YEAR_2099_MS - NOW_MS, -NOW_MS};

    (void)state;
    for (size_t i = 0; i < sizeof(jumps_ms) / sizeof(*jumps_ms); i++) {
        struct pace pace = {0};
        int64_t boot_ms = 0, last_ms = pace_ms(&pace, 0, NOW_MS, 0);

        while (last_ms < NOW_MS + 2 * HOUR_MS) {
            int64_t next_ms;

            boot_ms += 1000;
            next_ms = pace_ms(&pace, 0, NOW_MS + boot_ms + jumps_ms[i], boot_ms);
            assert_true(next_ms >= last_ms + 500 && next_ms <= last_ms + 2000);
            last_ms = next_ms;
        }
        assert_in_range(boot_ms, HOUR_MS, 4 * HOUR_MS); /* and it is forgotten at last */
    }
}

/* Leaders with clocks of every kind, one after the other; each goes on from what the one before it wrote. */
static void test_leaders(void **state)
{
    const char *given = getenv("HECATE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1;
    int64_t newest_ms = NOW_MS, begin_ms = 0, boot_ms = 0;

    (void)state;
    printf("HECATE_SEED=%u\n", seed);
    srandom(seed);
    for (int leader = 0; leader < 200; leader++) {
        struct pace pace = {0};
        int64_t wrong_ms = (random() % 3 - 1) * (random() % 100) * HOUR_MS;

        for (int i = 0; i < 50; i++) {
            int64_t time_ms = pace_ms(&pace, newest_ms, NOW_MS + boot_ms + wrong_ms, 1000000 * leader + boot_ms);

            assert_true(time_ms >= newest_ms);
            newest_ms = time_ms;
            boot_ms += random() % 2000;
            wrong_ms += random() % 20 == 0 ? (random() % 7 - 3) * HOUR_MS : 0;
        }
        assert_true(newest_ms - NOW_MS <= 2 * (boot_ms - begin_ms));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins),
        cmocka_unit_test(test_follows),
        cmocka_unit_test(test_jumps),
        cmocka_unit_test(test_leaders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

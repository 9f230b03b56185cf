/* When an address is taken, refreshed, announced and let go, as traces over time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/keeper/hold.h"

#define MS UINT64_C(1000)
#define START (5000000 * MS)

static char trace[16384];
static bool probes_noted;

static void note(const char *what, uint64_t now_us)
{
    size_t len = strlen(trace);

    (void)snprintf(trace + len, sizeof(trace) - len, "%s%s@%lu", len > 0 ? " " : "", what,
                   (unsigned long)((now_us - START) / MS));
}

/* Does all that is due; the time of the next thing. */
static uint64_t act(struct hold *hold, uint64_t now_us)
{
    uint64_t wake;

    for (;;) {
        switch (hold_next(hold, now_us, &wake)) {
        case HOLD_WAIT:
            return wake;
        case HOLD_ADD:
            note("add", now_us);
            break;
        case HOLD_REFRESH:
            note("refresh", now_us);
            break;
        case HOLD_ANNOUNCE:
            note("announce", now_us);
            break;
        case HOLD_PROBE:
            if (probes_noted) {
                note("probe", now_us);
            }
            break;
        case HOLD_SEVER:
            note("sever", now_us);
            break;
        case HOLD_REMOVE:
            note("remove", now_us);
            break;
        }
    }
}

/* Runs from one wake-up to the next until there is none or the time has come. */
static uint64_t run(struct hold *hold, uint64_t from_us, uint64_t to_us)
{
    uint64_t now = from_us;

    while (now <= to_us) {
        uint64_t wake = act(hold, now);

        if (wake == UINT64_MAX) {
            return now;
        }
        assert_true(wake > now);
        now = wake;
    }
    return now;
}

static void expect(const char *text)
{
    assert_string_equal(trace, text);
    trace[0] = '\0';
}

static void test_deadline_passes(void **state)
{
    struct hold hold = {0};

    (void)state;
    hold_lease(&hold, START + 150 * MS, START);
    run(&hold, START, START + 1000 * MS);
    expect("add@0 announce@0 announce@100 sever@150 remove@150");
    hold_lease(&hold, START + 150 * MS, START + 200 * MS); /* an old order, read late */
    run(&hold, START + 200 * MS, START + 1000 * MS);
    expect("");
}

static void test_takeover_is_announced_until_the_old_lifetime_is_over(void **state)
{
    struct hold hold = {0};
    size_t announced = 0;

    (void)state;
    hold_lease(&hold, START + 3600000 * MS, START);
    run(&hold, START, START + 130000 * MS);
    for (const char *at = trace; (at = strstr(at, "announce")) != NULL; at++) {
        announced++;
    }
    trace[0] = '\0';
    assert_int_equal(announced, 12 + 1 + 2); /* 0..1100 ms, 5 s, 65 s, 125 s */
}

static void test_refreshed_well_within_its_lifetime(void **state)
{
    struct hold hold = {0};
    uint64_t last = START, now = START;

    (void)state;
    for (now = START; now < START + 10000 * MS;) {
        uint64_t wake;
        bool refreshed;

        hold_lease(&hold, now + 150 * MS, now);
        wake = act(&hold, now);
        refreshed = strstr(trace, "add") != NULL || strstr(trace, "refresh") != NULL;
        trace[0] = '\0';
        if (refreshed) {
            assert_true(now - last <= 300 * MS);
            last = now;
        }
        now = wake < now + 50 * MS ? wake : now + 50 * MS; /* heartbeats renew the lease */
    }
    assert_true(now - last <= 300 * MS);
    assert_true(hold.held);
}

static void test_release(void **state)
{
    struct hold hold = {0};

    (void)state;
    hold_release(&hold); /* nothing is held */
    assert_int_equal(act(&hold, START), UINT64_MAX);
    expect("");
    hold_lease(&hold, START + 1000 * MS, START);
    act(&hold, START);
    hold_release(&hold);
    assert_int_equal(act(&hold, START + 10 * MS), UINT64_MAX);
    expect("add@0 announce@0 sever@10 remove@10");
    hold_lease(&hold, START + 900 * MS, START + 20 * MS); /* sent before the release: no newer lease */
    assert_int_equal(act(&hold, START + 20 * MS), UINT64_MAX);
    expect("");
    hold_lease(&hold, START + 2000 * MS, START + 30 * MS);
    act(&hold, START + 30 * MS);
    expect("add@30 announce@30");
}

static void test_lent(void **state)
{
    struct hold hold = {0};

    (void)state;
    hold_lend(&hold, START + 500 * MS); /* nothing is held */
    run(&hold, START, START + 1000 * MS);
    expect("");
    hold_lease(&hold, START + 150 * MS, START);
    act(&hold, START);
    hold_lend(&hold, START + 700 * MS); /* neither refreshed nor announced */
    run(&hold, START, START + 1000 * MS);
    expect("add@0 announce@0 remove@700");
    hold_lease(&hold, START + 900 * MS, START + 800 * MS);
    act(&hold, START + 800 * MS);
    hold_lend(&hold, START + 1500 * MS);
    act(&hold, START + 810 * MS);
    hold_release(&hold); /* the successor has it */
    act(&hold, START + 820 * MS);
    expect("add@800 announce@800 remove@820");
    hold_lease(&hold, START + 1000 * MS, START + 830 * MS); /* elected again, before what was lent had ended */
    act(&hold, START + 830 * MS);
    hold_lend(&hold, START + 1500 * MS);
    act(&hold, START + 840 * MS);
    hold_lease(&hold, START + 1050 * MS, START + 900 * MS); /* the hand-over failed: as before */
    run(&hold, START + 900 * MS, START + 2000 * MS);
    expect("add@830 announce@830 announce@930 announce@1030 sever@1050 remove@1050");
}

static void test_a_deadline_never_goes_back(void **state)
{
    struct hold hold = {0};

    (void)state;
    hold_lease(&hold, START + 200 * MS, START);
    act(&hold, START);
    hold_lease(&hold, START + 100 * MS, START + 50 * MS);
    run(&hold, START + 50 * MS, START + 1000 * MS);
    expect("add@0 announce@0 announce@100 sever@200 remove@200");
}

/* Others are asked for when it is taken, behind the announcement, and from then on while it is held. */
static void test_probes(void **state)
{
    char probes[256] = "";
    struct hold hold = {0};

    (void)state;
    probes_noted = true;
    hold_lease(&hold, START + 90 * MS, START);
    act(&hold, START);
    expect("add@0 announce@0 probe@0");
    assert_true(hold_taking_over(&hold, START + 1000 * MS));
    assert_false(hold_taking_over(&hold, START + 1300 * MS));
    hold = (struct hold){0};
    hold_lease(&hold, START + 10000 * MS, START);
    run(&hold, START, START + 9000 * MS);
    for (const char *at = trace, *next; (next = strstr(at, "probe@")) != NULL; at = next + 1) {
        size_t len = strcspn(next, " ");

        (void)snprintf(probes + strlen(probes), sizeof(probes) - strlen(probes), "%.*s ", (int)len, next);
    }
    assert_string_equal(probes, "probe@0 probe@1300 probe@4300 probe@7300 ");
    trace[0] = '\0';
    probes_noted = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_deadline_passes),
        cmocka_unit_test(test_takeover_is_announced_until_the_old_lifetime_is_over),
        cmocka_unit_test(test_refreshed_well_within_its_lifetime),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_lent),
        cmocka_unit_test(test_a_deadline_never_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Heketi's rules on heal info: when a brick may go, when its set has healed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/heal.h"
#include "store/base/mem.h"

#define BRICKS 6

static struct store_brick bricks[BRICKS];
static struct exec_brick execs[BRICKS];
static struct heal_brick heals[BRICKS];
static char names[BRICKS][96], hosts[BRICKS][32], paths[BRICKS][32];
static struct store_volume volume;
static struct exec_step step;
static struct exec_result result;

/* The first n bricks, all connected and healed; the first one is to go, or has come. */
static void set_up(enum store_durability durability, uint32_t width, size_t n)
{
    static char name[] = "v";

    memset(&result, 0, sizeof(result));
    volume = (struct store_volume){.name = name, .durability = durability, .replica = width};
    if (durability == STORE_DISPERSE) {
        volume.disperse_data = 4;
        volume.redundancy = width - 4;
    }
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(hosts[i], sizeof(hosts[i]), "10.0.0.%zu", i);
        (void)snprintf(paths[i], sizeof(paths[i]), "/b%zu", i);
        (void)snprintf(names[i], sizeof(names[i]), "%s:%s", hosts[i], paths[i]);
        bricks[i] = (struct store_brick){.id = {{(uint8_t)(i + 1)}}, .path = paths[i]};
        execs[i] = (struct exec_brick){&bricks[i], hosts[i]};
        heals[i] = (struct heal_brick){.name = names[i], .connected = true};
    }
    step = (struct exec_step){.kind = EXEC_HEAL_CHECK, .volume = &volume, .bricks = execs, .n_bricks = n};
    step.old_brick = step.new_brick = execs[0];
}

static void check_says(size_t n, const char *text)
{
    int expected = text[0] == '\0' ? 0 : strstr(text, "is source brick") != NULL ? E_BUSY : E_REMOTE;

    memset(&result, 0, sizeof(result));
    assert_int_equal(heal_check(&step, heals, n, &result), expected);
    assert_string_equal(result.message, text);
    assert_int_equal(result.permanent, text[0] != '\0');
}

#define ONLINE(n, m)                                                                                       \
    "Cannot replace brick 01000000000000000000000000000000 as only " #n " of " #m " required peer bricks " \
    "are online"
#define SOURCE "Cannot replace brick 01000000000000000000000000000000 as it is source brick for data to be healed"

static void test_check(void **state)
{
    (void)state;
    set_up(STORE_REPLICATE, 3, 6);
    check_says(6, "");
    heals[0].entries = 1;
    check_says(6, SOURCE);
    heals[0].entries = HEAL_UNKNOWN; /* it is not there */
    heals[0].connected = false;
    check_says(6, "");
    heals[1].entries = 7; /* another one's business */
    check_says(6, "");
    heals[1].connected = false;
    check_says(6, ONLINE(1, 2)); /* those of the second set do not count */
    heals[5].name = "10.0.0.9:/b9";
    check_says(6, "Unable to determine heal status of brick");
}

static void test_check_quorum(void **state)
{
    (void)state;
    set_up(STORE_REPLICATE, 2, 2);
    check_says(2, "");
    check_says(1, ONLINE(0, 1)); /* a brick that is not to be had is left out */
    set_up(STORE_DISPERSE, 6, 6);
    heals[5].connected = false;
    check_says(6, "");
    heals[4].connected = false;
    check_says(6, ONLINE(3, 4));
    set_up(STORE_NONE, 1, 3);
    check_says(3, ONLINE(0, 1));
}

static void expect_done(const char *text)
{
    memset(&result, 0, sizeof(result));
    assert_int_equal(heal_done(&step, heals, 6, &result), text[0] == '\0' ? 0 : E_REMOTE);
    assert_string_equal(result.message, text);
    assert_false(result.permanent);
}

static void test_done(void **state)
{
    (void)state;
    set_up(STORE_REPLICATE, 3, 6);
    expect_done("");
    heals[4].entries = 9; /* another set */
    expect_done("");
    heals[1].entries = 2;
    heals[2].entries = 3;
    expect_done("volume v is healing: 5 entries are left");
    heals[1].entries = heals[2].entries = 0;
    heals[2].entries = HEAL_UNKNOWN;
    expect_done("brick 01000000000000000000000000000000 of volume v is not online yet");
    heals[2].connected = false; /* a peer that is away has nothing to say */
    expect_done("");
    heals[0].connected = false;
    expect_done("brick 01000000000000000000000000000000 of volume v is not online yet");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_quorum),
        cmocka_unit_test(test_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

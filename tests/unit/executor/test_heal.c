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

#define NOT_ONLINE "brick 01000000000000000000000000000000 of volume v is not online yet"
#define MISSED(n, m, what, host)                                                                                     \
    "brick 01000000000000000000000000000000 of volume v heals from " #n " of the " #m " bricks that it needs: " what \
    ". The old brick is kept until then: see that " host " and glusterd there "                                      \
    "run, then: gluster volume start v force"

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
    expect_done(MISSED(1, 1, "10.0.0.2:/b2 does not say what is left to heal", "10.0.0.2"));
    heals[2].connected = false; /* a peer that is away has nothing to say, where another one has all */
    expect_done("");
    heals[0].connected = false;
    expect_done(NOT_ONLINE);
    heals[0].connected = true;
    heals[0].entries = HEAL_UNKNOWN;
    expect_done(NOT_ONLINE);
    step.new_brick.brick = &(struct store_brick){.id = {{99}}}; /* not the volume's any more */
    expect_done("brick 63000000000000000000000000000000 of volume v is not online yet");
}

static void go_away(size_t i)
{
    heals[i].connected = false;
    heals[i].entries = HEAL_UNKNOWN;
}

/* Nothing is left to heal where nobody is there to heal from: the old brick may be the only one that has it. */
static void test_done_without_sources(void **state)
{
    (void)state;
    set_up(STORE_REPLICATE, 2, 6);
    expect_done("");
    go_away(1);
    expect_done(MISSED(0, 1, "10.0.0.1:/b1 is not connected", "10.0.0.1"));
    heals[1].entries = 0; /* whatever is said of it */
    expect_done(MISSED(0, 1, "10.0.0.1:/b1 is not connected", "10.0.0.1"));
    heals[1].name = "10.0.0.9:/b9"; /* not named at all */
    expect_done(MISSED(0, 1, "10.0.0.1:/b1 is not connected", "10.0.0.1"));

    set_up(STORE_REPLICATE, 3, 6);
    go_away(1);
    expect_done("");
    go_away(2);
    expect_done(MISSED(0, 1, "10.0.0.1:/b1 is not connected", "10.0.0.1"));
    heals[3].entries = 7; /* of another set */
    expect_done(MISSED(0, 1, "10.0.0.1:/b1 is not connected", "10.0.0.1"));

    set_up(STORE_NONE, 1, 6);
    expect_done(MISSED(0, 1, "another brick is not connected", "its node"));
}

static void test_done_disperse(void **state)
{
    (void)state;
    set_up(STORE_DISPERSE, 6, 6);
    expect_done("");
    go_away(5);
    expect_done("");
    go_away(1);
    expect_done(MISSED(3, 4, "10.0.0.1:/b1 is not connected", "10.0.0.1"));
    heals[5] = heals[2]; /* the same one again is not another one */
    expect_done(MISSED(3, 4, "10.0.0.1:/b1 is not connected", "10.0.0.1"));
    heals[1].connected = true;
    heals[1].entries = 2;
    expect_done("volume v is healing: 2 entries are left");
}

/* An arbiter knows names, and has no data. */
static void test_done_arbiter(void **state)
{
    (void)state;
    set_up(STORE_REPLICATE, 3, 6);
    bricks[2].type = bricks[5].type = STORE_BRICK_ARBITER;
    expect_done("");
    go_away(1);
    expect_done(MISSED(0, 1, "10.0.0.1:/b1 is not connected", "10.0.0.1"));
    heals[1] = (struct heal_brick){.name = names[1], .connected = true};
    go_away(2);
    expect_done("");
    heals[2] = (struct heal_brick){.name = names[2], .connected = true, .entries = 3}; /* its names count */
    expect_done("volume v is healing: 3 entries are left");
    step.new_brick = execs[2]; /* the arbiter is the new one: it heals from one with data */
    heals[2].entries = 0;
    go_away(0);
    expect_done("");
    go_away(1);
    expect_done("brick 03000000000000000000000000000000 of volume v heals from 0 of the 1 bricks that it needs: "
                "10.0.0.0:/b0 is not connected. The old brick is kept until then: see that 10.0.0.0 and glusterd there "
                "run, then: gluster volume start v force");
}

/* A brick that is named again counts once, with the worst that is said of it. */
static void test_named_twice(void **state)
{
    (void)state;
    set_up(STORE_REPLICATE, 3, 6);
    heals[5] = heals[1];
    heals[5].entries = 4;
    expect_done("volume v is healing: 4 entries are left");
    heals[5].entries = 0;
    heals[5].connected = false;
    go_away(2);
    expect_done(MISSED(0, 1, "10.0.0.1:/b1 is not connected", "10.0.0.1"));
    heals[5] = heals[1];
    heals[5].entries = HEAL_UNKNOWN;
    expect_done(MISSED(0, 1, "10.0.0.1:/b1 does not say what is left to heal", "10.0.0.1"));
    heals[5] = heals[0];
    heals[5].connected = false;
    expect_done(NOT_ONLINE);
    heals[5] = heals[1]; /* the only one that is there */
    check_says(6, ONLINE(1, 2));
    heals[5] = heals[0];
    heals[0].entries = 2;
    check_says(6, SOURCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),         cmocka_unit_test(test_check_quorum),
        cmocka_unit_test(test_done),          cmocka_unit_test(test_done_without_sources),
        cmocka_unit_test(test_done_disperse), cmocka_unit_test(test_done_arbiter),
        cmocka_unit_test(test_named_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

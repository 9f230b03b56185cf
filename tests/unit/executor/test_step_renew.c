/* What is rebuilt at its place: a brick that Gluster is to take for empty, as a conversation; words of the scripts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/step.h"
#include "store/base/mem.h"

#define NAME "198.18.0.13:/var/lib/heketi/mounts/vg_" HEX "/brick_" HEX "/brick"
#define HEX "00000000000000000000000000000000"
#define OP "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/>"
#define DONE OP "</cliOutput>"
#define INFO(brick)                                                                                            \
    OP "<volInfo><volumes><volume><name>v</name><id>6d6489b2-ab43-4187-8c07-a080995d56bf</id>"                 \
       "<status>1</status><bricks><brick><name>" brick "</name></brick></bricks></volume></volumes></volInfo>" \
       "</cliOutput>"
#define NEW                                                                                                    \
    "<cliOutput><opRet>-1</opRet><opErrno>0</opErrno><opErrstr>When destination brick is new, please use "     \
    "gluster volume replace-brick &lt;volname&gt; &lt;src-brick&gt; &lt;dst-brick&gt; commit force</opErrstr>" \
    "</cliOutput>"

static struct exec_config config;
static char empty[] = "", pool[] = "tp", name[] = "v";
static struct store_brick brick;
static struct store_volume volume;
static struct exec_brick item;
static struct exec_step step;

static int set_up(void **state)
{
    (void)state;
    exec_config_init(&config);
    brick = (struct store_brick){.pool = pool, .lv = empty, .path = empty};
    volume = (struct store_volume){.name = name, .durability = STORE_REPLICATE, .replica = 3};
    item = (struct exec_brick){&brick, "198.18.0.13"};
    step = (struct exec_step){.kind = EXEC_BRICK_RESET,
                              .host = "n3",
                              .term = 7,
                              .volume = &volume,
                              .bricks = &item,
                              .n_bricks = 1,
                              .new_brick = item,
                              .known = {.bricks = &item, .n = 1}};
    return 0;
}

/* The script asks for this; it is answered so. */
static void expect(struct step_talk *talk, const char *asked, const char *answer, int status)
{
    struct step_reply reply = {.status = status, .out = answer, .out_len = strlen(answer), .error = ""};

    assert_false(talk->ended);
    if (strstr(buf_str(&talk->script), asked) == NULL) {
        fail_msg("'%s' is not in: %s", asked, buf_str(&talk->script));
    }
    assert_non_null(strstr(buf_str(&talk->script), "TERM_NUMBER=7 "));
    step_hear(talk, &reply);
}

static void ends(struct step_talk *talk, int code, bool permanent)
{
    assert_true(talk->ended);
    assert_int_equal(talk->result.code, code);
    assert_int_equal(talk->result.permanent, permanent);
    step_fini(talk);
}

#define START "'reset-brick' 'v' '" NAME "' 'start'"
#define COMMIT "'reset-brick' 'v' '" NAME "' '" NAME "' 'commit' 'force'"

static void test_reset(void **state)
{
    struct step_talk talk;

    (void)state;
    step_begin(&talk, &config, &step);
    expect(&talk, ".hecate-new", "new\n", 0);
    expect(&talk, "'volume' 'info' 'v'", INFO(NAME), 0);
    expect(&talk, START, DONE, 0);
    expect(&talk, COMMIT, DONE, 0);
    expect(&talk, "rm -f \"$MNT/$NEW_MARK\"", "", 0);
    ends(&talk, 0, false);
}

/* It is the old one, or Gluster knows already: nothing is asked of Gluster, so that no brick with data is taken for
 * empty. */
static void test_not_new(void **state)
{
    struct step_talk talk;

    (void)state;
    step_begin(&talk, &config, &step);
    expect(&talk, ".hecate-new", "", 0);
    ends(&talk, 0, false);
    step_begin(&talk, &config, &step);
    expect(&talk, "is not mounted", "", 1);
    ends(&talk, E_REMOTE, false);
}

/* Recorded: a glusterd that was started while the brick's directory was not there. It is started again, once. */
static void test_glusterd_is_older(void **state)
{
    struct step_talk talk;

    (void)state;
    for (int again = 0; again < 2; again++) {
        step_begin(&talk, &config, &step);
        expect(&talk, ".hecate-new", "new\n", 0);
        expect(&talk, "'volume' 'info' 'v'", INFO(NAME), 0);
        expect(&talk, START, DONE, 0);
        expect(&talk, COMMIT, NEW, 1);
        expect(&talk, "start restart\n", "new\n", 0);
        expect(&talk, "'volume' 'info' 'v'", INFO(NAME), 0);
        expect(&talk, START, DONE, 0);
        expect(&talk, COMMIT, again == 0 ? DONE : NEW, again);
        if (again == 0) {
            expect(&talk, "rm -f", "", 0);
        }
        ends(&talk, again == 0 ? 0 : E_REMOTE, false);
    }
}

static void test_another_volume(void **state)
{
    struct step_talk talk;

    (void)state;
    step_begin(&talk, &config, &step);
    expect(&talk, ".hecate-new", "new\n", 0);
    expect(&talk, "'volume' 'info' 'v'", INFO("198.18.0.13:/other"), 0);
    ends(&talk, E_REMOTE, true);
}

/* There is nothing to heal from: its volume gets an empty brick. */
static void test_single(void **state)
{
    struct step_talk talk;

    (void)state;
    volume.durability = STORE_NONE;
    step_begin(&talk, &config, &step);
    expect(&talk, ".hecate-new", "new\n", 0);
    expect(&talk, "'volume' 'info' 'v'", INFO(NAME), 0);
    expect(&talk, "'volume' 'start' 'v' 'force'", DONE, 0);
    expect(&talk, "rm -f", "", 0);
    ends(&talk, 0, false);
}

/* Every name is a quoted word, and an unfit one is refused before the node is asked. */
static void test_node(void **state)
{
    CLEANUP(store_strs_fini) struct store_strs hosts = {NULL, 0};
    struct step_talk talk;
    struct err err = ERR_INIT;

    (void)state;
    store_strs_add(&hosts, "198.18.0.11");
    store_strs_add(&hosts, "st2.example.com");
    step = (struct exec_step){.kind = EXEC_NODE_RENEW, .host = "n3", .term = 7, .peer = "198.18.0.13", .hosts = &hosts};
    assert_int_equal(step_check(&config, &step, &err), 0);
    step_begin(&talk, &config, &step);
    expect(&talk, "set -- '198.18.0.11' 'st2.example.com'\n", "", 0);
    ends(&talk, 0, false);
    store_strs_add(&hosts, "a b");
    assert_int_equal(step_check(&config, &step, &err), E_INVALID);
    step.peer = "$(x)";
    assert_int_equal(step_check(&config, &step, &err), E_INVALID);
}

#define TEST(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reset),          TEST(test_not_new), TEST(test_glusterd_is_older),
        TEST(test_another_volume), TEST(test_single),  TEST(test_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Nodes that have just come back: Gluster refuses what they are needed for until they are connected, and what it
 * refused half way leaves bricks marked as a volume's. Both pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/operations/play.h"

#define FOREVER (3600 * UINT64_C(1000))

static struct play play;

static int setup(void **state)
{
    (void)state;
    play_init(&play, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    play_fini(&play);
    return 0;
}

static size_t count(const char *trace, const char *word)
{
    size_t n = 0;

    for (; (trace = strstr(trace, word)) != NULL; trace++) {
        n++;
    }
    return n;
}

static struct id begin_expand(void)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = world_volume(&play.world, 10, 2, "v");
    request.volume.size_gib = 5;
    assert_int_equal(world_request(&play.world, &request), STORE_OK);
    return play.world.result.op_id;
}

/* It is waited for as long as for another transaction, and asked elsewhere. */
static void test_connected_soon(void **state)
{
    (void)state;
    play_order(&play, EXEC_VOLUME_CREATE, -1, 10, PLAY_APART, false);
    play_begin(&play, play_request(&play, PLAY_CREATE));
    assert_true(play_run(&play, FOREVER));
    assert_non_null(strstr(play_trace(&play), "brick-sync@0 brick-sync@1 volume-check@"));
}

static void test_connected_never(void **state)
{
    const char *trace;

    (void)state;
    play_order(&play, EXEC_VOLUME_CREATE, -1, 0, PLAY_APART, false);
    play_begin(&play, play_request(&play, PLAY_CREATE));
    assert_true(play_run(&play, FOREVER));
    trace = play_trace(&play);
    assert_non_null(strstr(trace, "failed"));
    assert_int_equal(count(trace, "volume-create"), ENGINE_TRIES_BUSY);
}

/* One that is down does not come back soon. */
static void test_down(void **state)
{
    const char *trace;

    (void)state;
    play_order(&play, EXEC_VOLUME_CREATE, -1, 0, PLAY_APART, false);
    play_begin(&play, play_request(&play, PLAY_CREATE));
    play.down[1] = true;
    assert_true(play_run(&play, FOREVER));
    trace = play_trace(&play);
    assert_non_null(strstr(trace, "failed"));
    assert_int_equal(count(trace, "volume-create"), ENGINE_TRIES_REMOTE);
}

/* The first try was refused half way, the second one finds what it has left. */
static void test_made_anew(void **state)
{
    (void)state;
    play_order(&play, EXEC_VOLUME_CREATE, -1, 1, PLAY_APART, false);
    play_order(&play, EXEC_VOLUME_CREATE, -1, 1, PLAY_MARKED, false);
    play_begin(&play, play_request(&play, PLAY_CREATE));
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_canonical(play_trace(&play)),
                        "brick-create@A brick-create@B volume-create@A volume-create@B volume-look@A volume-look@B "
                        "brick-create@A brick-create@B volume-create@A brick-sync@A brick-sync@B volume-check@B done");
}

/* A node has the volume: then no brick of it is touched. */
static void test_node_has_it(void **state)
{
    static char lie[] = PLAY_CLONE;

    (void)state;
    play.lie = lie;
    play.liar = 1;
    play_order(&play, EXEC_VOLUME_CREATE, -1, 1, PLAY_MARKED, false);
    play_begin(&play, play_request(&play, PLAY_CREATE));
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_canonical(play_trace(&play)),
                        "brick-create@A brick-create@B volume-create@A volume-look@A volume-look@B volume-create@B "
                        "brick-sync@A brick-sync@B volume-check@A done");
}

/* Not without end: the bricks may be somebody's, or a node lies. */
static void test_marked_for_ever(void **state)
{
    const char *trace;

    (void)state;
    play_order(&play, EXEC_VOLUME_CREATE, -1, 0, PLAY_MARKED, false);
    play_begin(&play, play_request(&play, PLAY_CREATE));
    assert_true(play_run(&play, FOREVER));
    trace = play_trace(&play);
    assert_non_null(strstr(trace, "failed"));
    assert_int_equal(count(trace, "brick-create"), 2 * (1 + ENGINE_UNMARKS));
}

static void test_look_is_refused(void **state)
{
    (void)state;
    play_order(&play, EXEC_VOLUME_CREATE, -1, 1, PLAY_MARKED, false);
    play_order(&play, EXEC_VOLUME_LOOK, 0, 0, E_REMOTE, false);
    play_begin(&play, play_request(&play, PLAY_CREATE));
    assert_true(play_run(&play, FOREVER));
    assert_null(strstr(strstr(play_trace(&play), "volume-look"), "brick-create"));
}

static void test_expand(void **state)
{
    struct id op_id = begin_expand();

    (void)state;
    play_order(&play, EXEC_VOLUME_EXPAND, -1, 1, PLAY_MARKED, false);
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_canonical(play_trace(&play)),
                        "volume-look@A brick-create@B brick-create@A volume-expand@A volume-look@B volume-look@A "
                        "brick-create@B brick-create@A volume-expand@B brick-sync@B brick-sync@A volume-check@A done");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connected_soon, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connected_never, setup, teardown),
        cmocka_unit_test_setup_teardown(test_down, setup, teardown),
        cmocka_unit_test_setup_teardown(test_made_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marked_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(test_look_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expand, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

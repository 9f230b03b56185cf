/* Bricks that Gluster may have taken are not planned again: the database would forget them, and a clean-up take them
 * away with what is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/operations/play.h"

#define FOREVER UINT64_C(36000000)

static struct play play;
static struct id op_id, volume;
static struct id bricks[4];
static int nodes[4]; /* of the bricks */
static size_t n_bricks;

/* An expand by two bricks, of three nodes. */
static int setup(void **state)
{
    struct store_request request;
    const struct store_volume *record;

    (void)state;
    play_init(&play, 3);
    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    volume = request.target = world_volume(&play.world, 10, 2, "v");
    request.volume.size_gib = 5;
    assert_int_equal(world_request(&play.world, &request), STORE_OK);
    op_id = play.world.result.op_id;
    record = store_volume(play.world.store, volume);
    n_bricks = 0;
    for (size_t i = 0; i < record->n_bricks; i++) {
        if (id_equal(record->bricks[i].pending, op_id)) {
            nodes[n_bricks] = play_index(&play, store_device(play.world.store, record->bricks[i].device)->node);
            bricks[n_bricks++] = record->bricks[i].id;
        }
    }
    assert_int_equal(n_bricks, 2);
    play_begin(&play, op_id);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    play_fini(&play);
    return 0;
}

static void expect_kept(void)
{
    assert_null(strstr(buf_str(&play.trace), "replan"));
    for (size_t i = 0; i < n_bricks; i++) {
        assert_non_null(store_brick(play.world.store, bricks[i]));
    }
    assert_true(id_is_none(play.follow_id));
}

static size_t count(const char *word)
{
    const char *at = buf_str(&play.trace);
    size_t n = 0;

    for (; (at = strstr(at, word)) != NULL; at++) {
        n++;
    }
    return n;
}

/* One brick "does not start", as its node says. Each second time another node is asked to give the bricks to Gluster,
 * and says that it has them; the liar, at last, that it is busy, and then it seems to be down. */
static void test_brick_that_never_starts(void **state)
{
    int liar = nodes[1];
    bool lied = false;
    struct engine_action action;

    (void)state;
    for (int i = 0; i < 20000 && count("volume-expand") < 3 * ENGINE_TRIES_BUSY; i++) {
        const struct engine_step *step;
        int code = 0;

        if (!play_next(&play, &action)) {
            play.now_ms = action.wait_ms;
            continue;
        }
        if (action.kind != ENGINE_RUN) {
            continue;
        }
        step = &play.engine.steps[action.step];
        if (play_index(&play, step->node) == liar && step->kind == EXEC_BRICK_SYNC) {
            code = E_BUSY;
        } else if (play_index(&play, step->node) == liar && step->kind == EXEC_VOLUME_EXPAND &&
                   count("volume-expand") >= ENGINE_TRIES_BUSY) {
            code = E_BUSY;
            lied = play.down[liar] = true;
        }
        play_answer(&play, action.step, code, false);
        play.down[liar] = play.down[liar] && step->kind == EXEC_VOLUME_EXPAND;
    }
    assert_true(lied);
    expect_kept();
    assert_null(strstr(buf_str(&play.trace), "undo"));
}

/* Busy without end after it was done: it is undone, which looks, and so goes forward again. */
static void test_busy_after_done(void **state)
{
    (void)state;
    play_order(&play, EXEC_BRICK_SYNC, nodes[1], ENGINE_SYNCS_BUSY, E_BUSY, false);
    play_order(&play, EXEC_VOLUME_EXPAND, -1, 1, 0, false);
    play_order(&play, EXEC_VOLUME_EXPAND, -1, 0, E_BUSY, false);
    play.down[nodes[1]] = true;
    assert_true(play_run(&play, FOREVER));
    assert_int_equal(count("volume-expand"), 1 + ENGINE_TRIES_BUSY);
    assert_int_equal(count("redo"), 1);
    expect_kept();
}

/* Whoever gave them is not known to have done so. */
static void test_unknown_outcome(void **state)
{
    (void)state;
    play.sneaks = true;
    play_order(&play, EXEC_VOLUME_EXPAND, -1, 1, E_TIMEOUT, false);
    play_order(&play, EXEC_VOLUME_EXPAND, -1, 0, E_REMOTE, true);
    play.down[nodes[1]] = true;
    assert_true(play_run(&play, FOREVER));
    assert_int_equal(count("redo"), 1);
    expect_kept();
}

/* A leader before has given them; a node says that Gluster has none, and that of a brick does not answer for a while.
 * Another one knows better. */
static void after_leader(int liar)
{
    static const char none[] = "";

    play.found = play.detects = true;
    play.lie = none;
    play.liar = liar;
    play_order(&play, EXEC_BRICK_CREATE, nodes[0], 12, E_CONNECT, false);
    assert_true(play_run(&play, FOREVER));
    expect_kept();
}

static void test_given_by_leader_before(void **state)
{
    for (int liar = 0; liar < 3; liar++) {
        after_leader(liar);
        (void)teardown(state);
        (void)setup(state);
    }
}

/* Refused by all, and the node of a brick is down: after two have looked, there is another place. */
static void test_refused(void **state)
{
    (void)state;
    play_order(&play, EXEC_VOLUME_EXPAND, -1, 4, E_REMOTE, true);
    play.down[nodes[1]] = true;
    assert_true(play_run(&play, FOREVER));
    *strstr(play.trace.data, " replan") = '\0';
    assert_int_equal(count("volume-look"), 3);
}

/* Only some of them: one that Gluster has is not given up. */
static void test_partly_given(void **state)
{
    struct exec_result result = {.volume.partly = true};
    struct engine_action action;
    size_t looks = 0;

    (void)state;
    play_order(&play, EXEC_BRICK_CREATE, -1, 0, E_REMOTE, true);
    while (looks < 3) {
        if (!play_next(&play, &action)) {
            assert_true(action.wait_ms != UINT64_MAX);
            play.now_ms = action.wait_ms;
            continue;
        }
        assert_int_equal(action.kind, ENGINE_RUN);
        if (play.engine.steps[action.step].kind == EXEC_VOLUME_LOOK) {
            looks++;
            engine_result(&play.engine, action.step, &result, play.now_ms);
        } else {
            play_answer(&play, action.step, E_REMOTE, true);
        }
    }
    while (!play_next(&play, &action)) {
        play.now_ms = action.wait_ms;
    }
    assert_int_equal(action.kind, ENGINE_UNDO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_brick_that_never_starts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_after_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(test_given_by_leader_before, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partly_given, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* One node of a pool lies: it says at once that all is done, gone or healed. Nothing that may hold data is destroyed on
 * the others before an honest node has said so, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/operations/play.h"

#define FOREVER UINT64_C(36000000)
#define STEPS_MAX 300

static struct id begin_delete(struct play *play)
{
    return play_request(play, PLAY_DELETE);
}

static struct id begin_expand(struct play *play)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = world_volume(&play->world, 10, 2, "v");
    request.volume.size_gib = 5;
    assert_int_equal(world_request(&play->world, &request), STORE_OK);
    return play->world.result.op_id;
}

static struct id begin_evict(struct play *play)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_BRICK_EVICT);
    request.target = store_volume(play->world.store, world_volume(&play->world, 10, 3, "v"))->bricks[0].id;
    assert_int_equal(world_request(&play->world, &request), STORE_OK);
    return play->world.result.op_id;
}

static struct id begin_hasty_evict(struct play *play)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_BRICK_EVICT);
    request.target = store_volume(play->world.store, world_volume(&play->world, 10, 3, "v"))->bricks[0].id;
    request.skip_heal = true;
    assert_int_equal(world_request(&play->world, &request), STORE_OK);
    return play->world.result.op_id;
}

static const struct {
    const char *name;
    struct id (*begin)(struct play *play);
    enum exec_step_kind refused; /* every node refuses it for good; 0: none */
    enum exec_step_kind word;    /* what an honest node has to say before bricks go; in an undo at its third try */
} cases[] = {
    {"delete", begin_delete, 0, EXEC_VOLUME_DELETE},
    {"expand, undone", begin_expand, EXEC_VOLUME_EXPAND, EXEC_VOLUME_LOOK},
    {"evict", begin_evict, 0, EXEC_HEAL_WAIT},
    {"evict, without looking at the healing", begin_hasty_evict, 0, EXEC_BRICK_REPLACE},
    {"evict, undone", begin_evict, EXEC_BRICK_REPLACE, EXEC_BRICK_UNREPLACED},
};

static void run_case(size_t at, int liar)
{
    struct engine_action action;
    struct play play;
    bool said = false, destroyed = false;
    int tries = 0;

    play_init(&play, 5);
    play_begin(&play, cases[at].begin(&play));
    for (int i = 0; i < STEPS_MAX && !play.engine.done; i++) {
        const struct engine_step *step;
        int node, code = 0;

        if (!play_next(&play, &action)) {
            play.now_ms = action.wait_ms;
            assert_true(action.wait_ms != UINT64_MAX);
            continue;
        }
        if (action.kind != ENGINE_RUN) {
            continue;
        }
        step = &play.engine.steps[action.step];
        node = play_index(&play, step->node);
        if (step->kind == EXEC_BRICK_DESTROY) {
            destroyed = true;
            if (!said) {
                fail_msg("%s, %d lies: a brick goes by its word: %s", cases[at].name, liar, play_trace(&play));
            }
        } else if (step->kind == cases[at].refused) {
            code = E_REMOTE;
        } else if (node != liar && step->kind == cases[at].word && play.engine.phase != STORE_OP_FORWARD) {
            code = tries++ < 2 ? E_TIMEOUT : 0;
            said = code == 0;
        } else if (node != liar && step->kind == cases[at].word) {
            said = true;
        }
        play_answer(&play, action.step, code, code == E_REMOTE);
    }
    if (!play.engine.done || !destroyed) {
        fail_msg("%s, %d lies: does not end: %s", cases[at].name, liar, play_trace(&play));
    }
    play_fini(&play);
}

static void test_one_liar(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int liar = 0; liar < 5; liar++) {
            run_case(i, liar);
        }
    }
}

/* A brick is replaced only by a node other than the one that last said that it may be. */
static void test_replaces_by_two_looks(void **state)
{
    (void)state;
    for (int liar = 0; liar < 5; liar++) {
        struct engine_action action;
        struct play play;
        int looked = -1, replaced = -1;

        play_init(&play, 5);
        play_begin(&play, begin_evict(&play));
        while (replaced < 0) {
            assert_true(play_next(&play, &action));
            if (action.kind == ENGINE_RUN) {
                const struct engine_step *step = &play.engine.steps[action.step];
                int node = play_index(&play, step->node);

                looked = step->kind == EXEC_HEAL_CHECK ? node : looked;
                replaced = step->kind == EXEC_BRICK_REPLACE ? node : replaced;
                play_answer(&play, action.step, 0, false);
            }
        }
        assert_int_not_equal(looked, replaced);
        play_fini(&play);
    }
}

/* There is a second node, but it does not answer: the operation waits, and says for what. */
static void test_waits_for_the_second(void **state)
{
    const struct store_operation *op;
    struct play play;
    struct id op_id;
    int silent;

    (void)state;
    for (silent = 0; silent < 2; silent++) {
        play_init(&play, 2);
        op_id = play_request(&play, PLAY_DELETE);
        play_order(&play, 0, silent, 0, E_CONNECT, false);
        play_begin(&play, op_id);
        assert_false(play_run(&play, 600000));
        assert_null(strstr(play_trace(&play), "brick-destroy"));
        op = store_operation(play.world.store, op_id);
        assert_int_equal(op->n_parked, 1);
        assert_true(id_equal(op->parked[0].node, play.nodes[silent]));
        assert_non_null(strstr(op->parked[0].text, "a second node has to say so, too: "));
        play.n_orders = 0;
        assert_true(play_run(&play, FOREVER));
        play_fini(&play);
    }
}

/* The pool has no other node: its word counts. */
static void test_alone(void **state)
{
    struct play play;

    (void)state;
    play_init(&play, 1);
    assert_int_equal(world_target(&play.world, STORE_REQ_VOLUME_DELETE, world_volume(&play.world, 10, 1, "v")),
                     STORE_OK);
    play_begin(&play, play.world.result.op_id);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "volume-delete@0 brick-destroy@0 done");
    play_fini(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_liar),
        cmocka_unit_test(test_replaces_by_two_looks),
        cmocka_unit_test(test_waits_for_the_second),
        cmocka_unit_test(test_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

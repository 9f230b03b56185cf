/* One node of a pool refuses what any node of it can do: others do it. What all refuse is refused. */
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
    return play_expand(play, 2);
}

static struct id begin_evict(struct play *play)
{
    return play_evict(play, 3);
}

static struct id begin_create(struct play *play)
{
    return play_request(play, PLAY_CREATE);
}

static struct id begin_evict_of_two(struct play *play)
{
    return play_evict(play, 2);
}

static struct id begin_node_add(struct play *play)
{
    return play_request(play, PLAY_NODE_ADD);
}

static struct id begin_node_delete(struct play *play)
{
    return play_request(play, PLAY_NODE_DELETE);
}

static struct id begin_block_create(struct play *play)
{
    struct store_request request;

    (void)world_hosting(&play->world, 100, "hv");
    world_block_request(&request, 10, "lun");
    assert_int_equal(world_request(&play->world, &request), STORE_OK);
    return play->world.result.op_id;
}

static struct id begin_block_expand(struct play *play)
{
    (void)world_hosting(&play->world, 100, "hv");
    assert_int_equal(world_expand_block(&play->world, world_block(&play->world, 10, "lun"), 20), STORE_OK);
    return play->world.result.op_id;
}

static struct id begin_block_delete(struct play *play)
{
    (void)world_hosting(&play->world, 100, "hv");
    assert_int_equal(world_target(&play->world, STORE_REQ_BLOCK_DELETE, world_block(&play->world, 10, "lun")),
                     STORE_OK);
    return play->world.result.op_id;
}

/* What any node of the pool can do. */
static bool is_clusters(const struct engine_step *step)
{
    switch (step->kind) {
    case EXEC_BRICK_CREATE:
    case EXEC_BRICK_SYNC:
    case EXEC_BRICK_DESTROY:
    case EXEC_PEER_FORGET:
        return false;
    default:
        return true;
    }
}

/* One node refuses all that any node of the pool can do, for good or at each try, and says no to what a second node
 * is asked for: others do it, and nothing fails. */
static void test_refused_by_one(void **state)
{
    static struct id (*const begins[])(struct play * play) = {
        begin_create,   begin_delete,      begin_expand,       begin_evict,        begin_evict_of_two, play_clone,
        begin_node_add, begin_node_delete, begin_block_create, begin_block_expand, begin_block_delete};

    (void)state;
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        for (int liar = 0; liar < 8; liar++) {
            struct engine_action action;
            struct play play;
            struct id op_id;

            play_init(&play, 4);
            op_id = begins[i](&play);
            play_begin(&play, op_id);
            for (int j = 0; j < STEPS_MAX && !play.engine.done; j++) {
                if (!play_next(&play, &action)) {
                    assert_true(action.wait_ms != UINT64_MAX);
                    play.now_ms = action.wait_ms;
                } else if (action.kind == ENGINE_RUN) {
                    const struct engine_step *step = &play.engine.steps[action.step];
                    bool own = step->kind == EXEC_VOLUME_LOOK && begins[i] == play_clone;
                    bool no = play_index(&play, step->node) == liar / 2 && is_clusters(step) && !own;

                    play_answer(&play, action.step, no ? E_REMOTE : 0, no && liar % 2 == 1);
                }
            }
            if (!play.engine.done || store_job(play.world.store, op_id)->failed) {
                fail_msg("case %zu, %d refuses: %s", i, liar, play_trace(&play));
            }
            play_fini(&play);
        }
    }
}

/* It refuses, and the others do not answer: it is not known how many do, so that they are not asked for ever. What is
 * told is the refusal. */
static void test_refused_while_others_are_silent(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct play play;
        struct id op_id;
        uint64_t begin_ms;

        play_init(&play, 3);
        op_id = begin_delete(&play);
        for (int node = 0; node < 3; node++) {
            play.down[node] = known == 1 && node != 1;
            play_order(&play, EXEC_VOLUME_DELETE, node, 0, node == 1 ? E_REMOTE : E_CONNECT, node == 1);
        }
        play_begin(&play, op_id);
        begin_ms = play.now_ms;
        assert_true(play_run(&play, FOREVER));
        assert_true(play.now_ms - begin_ms < 60000);
        assert_true(store_job(play.world.store, op_id)->failed);
        assert_string_equal(store_job(play.world.store, op_id)->error, "node 1 says -13");
        play_fini(&play);
    }
}

/* It says that the volume is deleted, which the others refuse: nothing was done, and the delete fails with their words.
 * Where there is only one other, it is not known who is right: it waits. */
static void test_refused_by_the_others(void **state)
{
    (void)state;
    for (int liar = 0; liar < 4; liar++) {
        int n_nodes = liar < 3 ? 3 : 2;
        struct play play;
        struct id op_id;

        play_init(&play, (size_t)n_nodes);
        op_id = begin_delete(&play);
        for (int node = 0; node < n_nodes; node++) {
            if (node != liar % 3) {
                play_order(&play, EXEC_VOLUME_DELETE, node, 0, E_REMOTE, true);
            }
        }
        play_begin(&play, op_id);
        assert_int_equal(play_run(&play, 600000), n_nodes == 3);
        if (n_nodes == 3) {
            assert_true(store_job(play.world.store, op_id)->failed);
            assert_non_null(strstr(store_job(play.world.store, op_id)->error, " says -13"));
        }
        assert_null(strstr(play_trace(&play), "brick-destroy"));
        play_fini(&play);
    }
}

/* ---- what only one node can do ---- */

/* Undone, since nobody makes a volume of the bricks, or gives them to one. */
static struct id begin_create_undone(struct play *play)
{
    play_order(play, EXEC_VOLUME_CREATE, -1, 0, E_REMOTE, true);
    return begin_create(play);
}

static struct id begin_expand_undone(struct play *play)
{
    play_order(play, EXEC_VOLUME_EXPAND, -1, 0, E_REMOTE, true);
    return begin_expand(play);
}

static struct id begin_clone_undone(struct play *play)
{
    play_order(play, EXEC_CLONE_START, -1, 0, E_REMOTE, true);
    return play_clone(play);
}

/* A node that does not let go of bricks that are nobody's any more holds up no operation: they are left to a clean-up,
 * which waits for that node. It refuses, or says without end that it has the brick in a volume. Was one left? */
static bool run_keeping_bricks(struct id (*begin)(struct play *play), int node, int code)
{
    struct id op_id, follow_id;
    struct play play;
    bool undone;

    play_init(&play, 5);
    op_id = begin(&play);
    undone = play.n_orders > 0;
    play_order(&play, EXEC_BRICK_DESTROY, node, 0, code, false);
    play_begin(&play, op_id);
    if (!play_run_together(&play, FOREVER)) {
        fail_msg("node %d keeps bricks: %s", node, play_trace(&play));
    }
    assert_int_equal(store_job(play.world.store, op_id)->failed, undone);
    follow_id = play.follow_id;
    if (!id_is_none(follow_id)) {
        (void)play_trace(&play);
        play_begin(&play, follow_id);
        assert_false(play_run(&play, 600000));
        assert_int_equal(store_operation(play.world.store, follow_id)->n_parked, 1);
        play.n_orders = 0;
        assert_true(play_run(&play, FOREVER));
    }
    play_fini(&play);
    return !id_is_none(follow_id);
}

static void test_keeping_bricks(void **state)
{
    static struct id (*const begins[])(struct play * play) = {
        begin_delete, begin_evict, begin_evict_of_two, begin_create_undone, begin_expand_undone, begin_clone_undone};
    static const int codes[] = {E_REMOTE, E_BUSY};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(begins) / sizeof(begins[0]); i++) {
        bool left = false;

        for (int node = 0; node < 5; node++) {
            left = run_keeping_bricks(begins[i / 2], node, codes[i % 2]) || left;
        }
        assert_true(left);
    }
}

/* It says that an undone create's volume is deleted, which the others cannot do: then it is believed that they have the
 * bricks in it, and none is left before another one says the same. */
static void test_kept_in_a_volume(void **state)
{
    (void)state;
    for (int liar = 0; liar < 3; liar++) {
        struct play play;

        play_init(&play, 3);
        play_begin(&play, begin_create_undone(&play));
        for (int node = 0; node < 3; node++) {
            if (node != liar) {
                play_order(&play, EXEC_VOLUME_DELETE, node, 0, E_REMOTE, false);
            }
        }
        play_order(&play, EXEC_BRICK_DESTROY, -1, 0, E_BUSY, false);
        assert_false(play_run_together(&play, FOREVER));
        play.n_orders = 0;
        assert_true(play_run_together(&play, FOREVER));
        assert_true(id_is_none(play.follow_id));
        play_fini(&play);
    }
}

/* An expand's bricks become the volume's after it was looked for them: it is looked once more before they are left. */
static void test_kept_in_the_grown_volume(void **state)
{
    struct play play;
    struct id op_id;

    (void)state;
    play_init(&play, 5);
    op_id = begin_expand_undone(&play);
    play_order(&play, EXEC_BRICK_DESTROY, -1, 0, E_BUSY, false);
    play_begin(&play, op_id);
    assert_false(play_run_together(&play, 60000));
    assert_int_equal(play.engine.phase, STORE_OP_UNDO);
    play.found = true;
    assert_true(play_run_together(&play, FOREVER));
    assert_false(store_job(play.world.store, op_id)->failed);
    play_fini(&play);
}

/* ... and by the look it sends an expand to and fro no more than before. */
static void test_keeping_bricks_and_lying(void **state)
{
    (void)state;
    for (int liar = 0; liar < 5; liar++) {
        struct play play;
        struct id op_id;

        play_init(&play, 5);
        op_id = begin_expand_undone(&play);
        play_order(&play, EXEC_BRICK_DESTROY, liar, 0, E_BUSY, false);
        play.liar = liar;
        play.lie = PLAY_CLONE; /* it has the bricks, it says */
        play_begin(&play, op_id);
        assert_true(play_run_together(&play, FOREVER));
        assert_true(store_job(play.world.store, op_id)->failed);
        play_fini(&play);
    }
}

/* An evict's first place makes no brick, and does not let go of what it has made of it. */
static void test_refused_place(void **state)
{
    const struct store_operation *op;
    struct play play;
    struct id op_id;
    int place;

    (void)state;
    play_init(&play, 5);
    op_id = begin_evict(&play);
    play_begin(&play, op_id);
    play_order(&play, EXEC_BRICK_CREATE, -1, 1, E_REMOTE, true);
    while (store_operation(play.world.store, op_id)->attempt < 1) {
        struct engine_action action;

        assert_true(play_next(&play, &action));
        if (action.kind == ENGINE_RUN) {
            play_answer(&play, action.step, 0, false);
        }
    }
    op = store_operation(play.world.store, op_id);
    assert_int_equal(op->n_abandoned, 1);
    place = play_index(&play, store_device(play.world.store, op->abandoned[0].device)->node);
    play_order(&play, EXEC_BRICK_DESTROY, place, 0, E_REMOTE, true);
    assert_true(play_run(&play, FOREVER));
    assert_false(store_job(play.world.store, op_id)->failed);
    assert_true(store_operation(play.world.store, play.follow_id)->n_abandoned > 0);
    play_fini(&play);
}

/* One of the pool does not let go of a peer that all others have let go of: for some minutes it is asked. */
static void test_keeping_a_peer(void **state)
{
    static const int codes[] = {E_REMOTE, E_BUSY};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct play play;
        struct id op_id;
        uint64_t begin_ms;

        play_init(&play, 3);
        op_id = begin_node_delete(&play);
        play_order(&play, EXEC_PEER_FORGET, 1, 0, codes[i], false);
        play_begin(&play, op_id);
        begin_ms = play.now_ms;
        assert_true(play_run(&play, 600000));
        assert_true(play.now_ms - begin_ms > 60000);
        assert_false(store_job(play.world.store, op_id)->failed);
        play_fini(&play);
    }
}

/* It says without end that the rebalance goes on: others are asked. */
static void test_endless_rebalance(void **state)
{
    (void)state;
    for (int liar = 0; liar < 3; liar++) {
        struct engine_action action;
        struct play play;
        struct id volume;

        play_init(&play, 3);
        volume = store_operation(play.world.store, begin_expand(&play))->target;
        play_begin(&play, store_volume(play.world.store, volume)->bricks[2].pending);
        assert_true(play_run(&play, FOREVER));
        assert_false(id_is_none(play.rebalance_id));
        play_begin(&play, play.rebalance_id);
        for (int i = 0; i < STEPS_MAX && !play.engine.done; i++) {
            if (!play_next(&play, &action)) {
                assert_true(action.wait_ms != UINT64_MAX);
                play.now_ms = action.wait_ms;
            } else if (action.kind == ENGINE_RUN) {
                play.rebalancing = play_index(&play, play.engine.steps[action.step].node) == liar;
                play_answer(&play, action.step, 0, false);
            }
        }
        assert_true(play.engine.done);
        play_fini(&play);
    }
}

static bool all_have_hung(void *user, struct id node)
{
    (void)user, (void)node;
    return true;
}

/* The second probe confirms the first one: it has little time, and where every node hung lately none is asked. */
static void test_second_probe_is_short(void **state)
{
    (void)state;
    for (int hung = 0; hung < 2; hung++) {
        struct engine_action action;
        struct play play;
        size_t n = 0;

        play_init(&play, 3);
        play_begin(&play, play_request(&play, PLAY_NODE_ADD));
        play.engine.env.node_hung = hung == 1 ? all_have_hung : NULL;
        while (!play.engine.done) {
            if (!play_next(&play, &action)) {
                play.now_ms = action.wait_ms;
            } else if (action.kind == ENGINE_RUN) {
                const struct engine_step *step = &play.engine.steps[action.step];

                assert_int_equal(step->kind, EXEC_PEER_PROBE);
                assert_int_equal(engine_timeout_ms(&play.engine, step), n == 0 ? 0 : ENGINE_IGNORED_MS);
                n++;
                play_answer(&play, action.step, 0, false);
            }
        }
        assert_int_equal(n, hung == 1 ? 1 : 2);
        play_fini(&play);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_by_one),           cmocka_unit_test(test_refused_while_others_are_silent),
        cmocka_unit_test(test_refused_by_the_others),    cmocka_unit_test(test_keeping_bricks),
        cmocka_unit_test(test_kept_in_a_volume),         cmocka_unit_test(test_kept_in_the_grown_volume),
        cmocka_unit_test(test_keeping_bricks_and_lying), cmocka_unit_test(test_refused_place),
        cmocka_unit_test(test_keeping_a_peer),           cmocka_unit_test(test_second_probe_is_short),
        cmocka_unit_test(test_endless_rebalance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

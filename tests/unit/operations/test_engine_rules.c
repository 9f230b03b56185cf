/* When the engine starts, repeats, parks and gives up steps, whatever the operation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/operations/work.h"
#include "store/base/mem.h"
#include "tests/unit/operations/play.h"

#define FOREVER UINT64_C(36000000)

static void begin_create(struct play *play, size_t nodes)
{
    play_init(play, nodes);
    play_begin(play, play_request(play, PLAY_CREATE));
}

/* All bricks are begun before the first one answers; the volume only after the last one. */
static void test_parallel_stages(void **state)
{
    struct engine_action action;
    struct play play;

    (void)state;
    begin_create(&play, 3);
    assert_true(play_next(&play, &action));
    assert_true(play_next(&play, &action));
    assert_false(play_next(&play, &action));
    assert_true(action.wait_ms == UINT64_MAX);
    play_answer(&play, 1, 0, false);
    assert_false(play_next(&play, &action));
    play_answer(&play, 0, 0, false);
    assert_true(play_next(&play, &action));
    assert_int_equal(play.engine.steps[action.step].kind, EXEC_VOLUME_CREATE);
    play_fini(&play);
}

/* Giving up waits until nothing runs any more: a late effect would be found by nobody. */
static void test_gives_up_when_idle(void **state)
{
    struct engine_action action;
    struct play play;

    (void)state;
    begin_create(&play, 3);
    assert_true(play_next(&play, &action));
    assert_true(play_next(&play, &action));
    play_answer(&play, 0, E_REMOTE, true);
    assert_false(play_next(&play, &action));
    assert_true(action.wait_ms == UINT64_MAX);
    play_answer(&play, 1, 0, false);
    assert_true(play_next(&play, &action));
    assert_int_equal(action.kind, ENGINE_REPLAN);
    play_fini(&play);
}

/* A fenced step: a newer leader is at work. No command, no step, whatever happens. */
static void test_fenced(void **state)
{
    struct engine_action action;
    struct play play;

    (void)state;
    begin_create(&play, 3);
    assert_true(play_next(&play, &action));
    assert_true(play_next(&play, &action));
    play_answer(&play, 0, E_FENCED, false);
    play_answer(&play, 1, 0, false);
    play.now_ms += FOREVER;
    assert_false(engine_node_up(&play.engine, play.nodes[0], play.now_ms));
    assert_false(play_next(&play, &action));
    assert_true(action.wait_ms == UINT64_MAX);
    play_fini(&play);
}

/* Outcome unknown: nothing more, the next leader reads what became of it. */
static void test_unknown_outcome(void **state)
{
    static const int statuses[] = {E_UNKNOWN_OUTCOME, E_NOT_LEADER};
    struct engine_action action;
    struct play play;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        play_init(&play, 1);
        play_begin(&play, play_request(&play, PLAY_NODE_LAST)); /* nothing to do: the end is the first action */
        do {
            engine_next(&play.engine, play.world.store, play.now_ms++, &action);
        } while (action.kind == ENGINE_WAIT);
        assert_int_equal(action.kind, ENGINE_END);
        engine_proposed(&play.engine, play.world.store, action.kind, statuses[i], NULL, play.now_ms);
        play.now_ms += FOREVER;
        assert_false(play_next(&play, &action));
        assert_true(action.wait_ms == UINT64_MAX);
        play_fini(&play);
    }
}

/* What a node said does not fit into the log: the operation fails, and says so; its own end fits. */
static void test_proposal_too_large(void **state)
{
    struct engine_action action;
    struct play play;

    (void)state;
    play_init(&play, 1);
    play_begin(&play, play_request(&play, PLAY_NODE_LAST));
    do {
        engine_next(&play.engine, play.world.store, play.now_ms++, &action);
    } while (action.kind == ENGINE_WAIT);
    assert_int_equal(action.kind, ENGINE_END);
    engine_proposed(&play.engine, play.world.store, action.kind, E_INVALID, NULL, play.now_ms);
    do {
        engine_next(&play.engine, play.world.store, play.now_ms++, &action);
    } while (action.kind == ENGINE_WAIT && action.wait_ms != UINT64_MAX);
    assert_true(action.kind == ENGINE_UNDO || (action.kind == ENGINE_END && action.failed));
    assert_non_null(strstr(action.text, "larger than an entry of the log"));
    play_fini(&play);
}

/* A full window: nothing was proposed, so it is proposed again, a little later. */
static void test_proposal_busy(void **state)
{
    struct play play;

    (void)state;
    begin_create(&play, 2);
    play.propose_busy = 3;
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_canonical(play_trace(&play)),
                        "brick-create@A brick-create@B volume-create@A brick-sync@A brick-sync@B volume-check@B done");
    assert_true(play.now_ms >= 1000 + UINT64_C(3) * ENGINE_HOLD_MS);
    play_fini(&play);
}

/* Back-off doubles up to its limit; a node that comes back ends it. */
static void test_backoff_and_return(void **state)
{
    struct engine_action action;
    struct play play;
    uint64_t last_ms = 0, wait_ms = 0;

    (void)state;
    play_init(&play, 2);
    play_begin(&play, play_request(&play, PLAY_DEVICE_DELETE));
    for (int i = 0; i < 20; i++) {
        while (play_next(&play, &action) && action.kind != ENGINE_RUN) {
        }
        assert_int_equal(action.kind, ENGINE_RUN);
        play_answer(&play, action.step, E_CONNECT, false);
        while (play_next(&play, &action)) {
        }
        wait_ms = action.wait_ms - play.now_ms;
        assert_true(wait_ms <= ENGINE_BACKOFF_MAX_MS && wait_ms >= ENGINE_BACKOFF_MIN_MS * 3 / 4);
        assert_true(wait_ms >= last_ms || wait_ms >= ENGINE_BACKOFF_MAX_MS * 3 / 4);
        last_ms = wait_ms;
        play.now_ms = action.wait_ms;
    }
    assert_true(wait_ms >= ENGINE_BACKOFF_MAX_MS * 3 / 4);
    while (play_next(&play, &action) && action.kind != ENGINE_RUN) {
    }
    play_answer(&play, action.step, E_CONNECT, false);
    while (play_next(&play, &action)) {
    }
    assert_false(engine_node_up(&play.engine, play.nodes[1], play.now_ms));
    assert_true(engine_node_up(&play.engine, play.nodes[0], play.now_ms));
    assert_true(play_next(&play, &action));
    assert_int_equal(action.kind, ENGINE_RUN);
    play_fini(&play);
}

/* What waits is in the store with its node and the last error, and gone from it before the operation goes on. */
static void test_parked(void **state)
{
    const struct store_operation *op;
    struct play play;
    struct id op_id;

    (void)state;
    play_init(&play, 2);
    op_id = play_request(&play, PLAY_DEVICE_DELETE);
    play_begin(&play, op_id);
    play_order(&play, EXEC_DEVICE_TEARDOWN, -1, 5, E_CONNECT, false);
    assert_false(play_run(&play, 3000));
    op = store_operation(play.world.store, op_id);
    assert_int_equal(op->n_parked, 1);
    assert_true(id_equal(op->parked[0].node, play.nodes[0]));
    assert_string_equal(op->parked[0].text, "device-teardown: node 0 says -9");
    assert_true(play_run(&play, FOREVER));
    play_fini(&play);
}

/* A gluster command that waits is shown under one node, wherever its tries run: no command at each try. */
static void test_parked_pool_step(void **state)
{
    struct play play;
    const char *trace;

    (void)state;
    play_init(&play, 3);
    play_begin(&play, play_request(&play, PLAY_DELETE));
    play_order(&play, EXEC_VOLUME_DELETE, -1, 9, E_REMOTE, false);
    assert_true(play_run(&play, FOREVER));
    trace = strstr(play_trace(&play), "park");
    assert_non_null(trace);
    assert_null(strstr(trace + 1, "park"));
    play_fini(&play);
}

/* So many times another place at most, never one that failed before. */
static void replans_end(uint32_t configured, int expected)
{
    struct play play;
    const char *at;
    int n = 0;

    play_init(&play, 8);
    play_begin(&play, play_request(&play, PLAY_CREATE));
    play.engine.env.replans_max = configured;
    play_order(&play, EXEC_BRICK_CREATE, -1, 0, E_REMOTE, true);
    assert_true(play_run(&play, FOREVER));
    for (at = play_trace(&play); (at = strstr(at, "replan")) != NULL; at++) {
        n++;
    }
    assert_int_equal(n, expected);
    assert_int_equal(play.engine.n_failed_nodes, expected);
    assert_int_equal(store_counts(play.world.store).operations, 0);
    assert_int_equal(store_counts(play.world.store).bricks, 0);
    play_fini(&play);
}

static void test_replans_end(void **state)
{
    (void)state;
    replans_end(0, ENGINE_REPLANS_MAX);
    replans_end(2, 2); /* operation_retry_limits.volume_create */
}

/* By its bricks a Gluster volume is told from somebody else's: also by those of an attempt that was given up. */
static void test_knows_what_it_made(void **state)
{
    const struct store_operation *op;
    const struct store_volume *volume;
    struct engine_action action;
    struct engine_step step = {.kind = EXEC_VOLUME_DELETE};
    struct op_work work;
    struct play play;

    (void)state;
    begin_create(&play, 4);
    assert_true(play_next(&play, &action));
    assert_true(play_next(&play, &action));
    play_answer(&play, 0, E_REMOTE, true);
    play_answer(&play, 1, 0, false);
    assert_true(play_next(&play, &action));
    assert_int_equal(action.kind, ENGINE_REPLAN);
    op = store_operation(play.world.store, play.engine.op_id);
    assert_non_null(op);
    assert_true(op->n_abandoned > 0);
    volume = store_volume(play.world.store, op->target);
    step.node = play.nodes[0];
    step.object = volume->id;
    assert_true(op_work_init(&work, play.world.store, op->id, &step));
    assert_true(work.exec.undo && id_equal(work.exec.known.id, volume->id));
    assert_int_equal(work.exec.known.n, volume->n_bricks + op->n_abandoned);
    assert_true(id_equal(work.exec.known.bricks[volume->n_bricks].brick->id, op->abandoned[0].id));
    op_work_fini(&work);
    play_fini(&play);
}

/* Two nodes of an empty cluster at once: the second one is probed from the first, not taken for the first, too. */
static void test_two_first_nodes(void **state)
{
    struct engine_action action;
    struct play play;
    struct engine second;
    struct id cluster, one, two, first_op, second_op;

    (void)state;
    play_init(&play, 1);
    cluster = world_cluster(&play.world);
    first_op = world_begin_node(&play.world, cluster, 1, "one");
    one = play.world.result.id;
    second_op = world_begin_node(&play.world, cluster, 1, "two");
    two = play.world.result.id;
    play_begin(&play, second_op);
    assert_false(play_next(&play, &action));
    assert_true(action.wait_ms == play.now_ms + ENGINE_HOLD_MS);
    second = play.engine;
    memset(&play.engine, 0, sizeof(play.engine));
    play_begin(&play, first_op);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "glusterd-check@-1 done");
    engine_fini(&play.engine);
    play.engine = second;
    play.now_ms = action.wait_ms;
    assert_true(play_next(&play, &action));
    assert_int_equal(play.engine.steps[action.step].kind, EXEC_PEER_PROBE);
    assert_true(id_equal(play.engine.steps[action.step].node, one));
    assert_true(id_equal(play.engine.steps[action.step].object, two));
    play_fini(&play);
}

/* Both nodes of a cluster are deleted at once: one detaches from the other, which waits for it. */
static void test_delete_all_nodes(void **state)
{
    struct engine_action action;
    struct play play;
    struct id cluster, nodes[2], ops[2];

    (void)state;
    play_init(&play, 1);
    cluster = world_cluster(&play.world);
    nodes[0] = world_node(&play.world, cluster, 1, "one");
    nodes[1] = world_node(&play.world, cluster, 1, "two");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(world_target(&play.world, STORE_REQ_NODE_DELETE, nodes[i]), STORE_OK);
        ops[i] = play.world.result.op_id;
    }
    play_begin(&play, ops[1]);
    assert_false(play_next(&play, &action));
    play_begin(&play, ops[0]);
    assert_true(play_next(&play, &action));
    assert_int_equal(play.engine.steps[action.step].kind, EXEC_PEER_DETACH);
    assert_true(id_equal(play.engine.steps[action.step].node, nodes[1]));
    play_answer(&play, action.step, 0, false);
    assert_true(play_run(&play, FOREVER));
    play_begin(&play, ops[1]);
    (void)play_trace(&play);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "done");
    play_fini(&play);
}

/* A gluster command is run where the failure detector sees no trouble. */
static void test_avoids_down_nodes(void **state)
{
    struct engine_action action;
    struct play play;

    (void)state;
    for (int up = 0; up < 3; up++) {
        play_init(&play, 3);
        for (int i = 0; i < 3; i++) {
            play.down[i] = i != up;
        }
        play_begin(&play, play_request(&play, PLAY_NODE_ADD));
        for (int i = 0; i < 4; i++) {
            assert_true(play_next(&play, &action));
            assert_int_equal(play_index(&play, play.engine.steps[action.step].node), up);
            play_answer(&play, action.step, E_BUSY, false);
            (void)play_next(&play, &action);
            play.now_ms = action.wait_ms;
        }
        play_fini(&play);
    }
}

/* The store refuses a device of impossible size: taken back instead of proposed for ever. */
static void test_refused_end(void **state)
{
    struct engine_action action;
    struct exec_result result = {.code = 0};
    struct play play;

    (void)state;
    play_init(&play, 1);
    play_begin(&play, play_request(&play, PLAY_DEVICE_ADD));
    assert_true(play_next(&play, &action));
    result.device.total_kib = UINT64_MAX;
    engine_result(&play.engine, action.step, &result, play.now_ms);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_canonical(play_trace(&play)), "device-setup@A done undo device-teardown@A failed");
    play_fini(&play);
}

/* A step done, its leader gone: the next one begins at the first stage and ends the same. */
static void test_resumes_from_record(void **state)
{
    struct engine_action action;
    struct play play;
    struct id op_id;

    (void)state;
    play_init(&play, 3);
    op_id = play_request(&play, PLAY_CREATE);
    play_begin(&play, op_id);
    play_order(&play, EXEC_BRICK_CREATE, -1, 1, E_REMOTE, true);
    while (play_next(&play, &action) && action.kind == ENGINE_RUN) {
        play_answer(&play, action.step, E_REMOTE, true);
    }
    assert_int_equal(action.kind, ENGINE_REPLAN);
    (void)play_trace(&play);
    play.n_orders = 0;
    play_begin(&play, op_id);
    assert_int_equal(play.engine.attempt, 1);
    assert_true(play_run(&play, FOREVER));
    assert_non_null(strstr(play_trace(&play), "done+leave"));
    assert_false(engine_init(&play.engine, play.world.store, op_id, &play.engine.env, 0));
    play_fini(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parallel_stages),
        cmocka_unit_test(test_gives_up_when_idle),
        cmocka_unit_test(test_fenced),
        cmocka_unit_test(test_unknown_outcome),
        cmocka_unit_test(test_proposal_busy),
        cmocka_unit_test(test_proposal_too_large),
        cmocka_unit_test(test_backoff_and_return),
        cmocka_unit_test(test_parked),
        cmocka_unit_test(test_parked_pool_step),
        cmocka_unit_test(test_replans_end),
        cmocka_unit_test(test_knows_what_it_made),
        cmocka_unit_test(test_two_first_nodes),
        cmocka_unit_test(test_delete_all_nodes),
        cmocka_unit_test(test_avoids_down_nodes),
        cmocka_unit_test(test_refused_end),
        cmocka_unit_test(test_resumes_from_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

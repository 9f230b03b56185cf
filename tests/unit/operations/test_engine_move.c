/* Moving a brick, removing a device and a node, step by step, when all goes well and when it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/heal.h"
#include "daemon/operations/work.h"
#include "store/base/mem.h"
#include "tests/unit/operations/play.h"

#define FOREVER UINT64_C(36000000)
#define NO_REPLACEMENT "No Replacement was found for resource requested to be removed"

/* Roles of nodes in the traces: those of the volume's bricks (set up so that they are 0, 1, 2; the brick of 0 moves)
 * and the others. */
struct scenario {
    const char *name;
    size_t nodes;
    bool skip_heal;
    struct play_order orders[4];
    const char *trace;
    const char *error; /* of the job, "" when it did not fail */
    size_t followed;   /* bricks left to a clean-up */
};

#define HC EXEC_HEAL_CHECK
#define HW EXEC_HEAL_WAIT
#define BC EXEC_BRICK_CREATE
#define BR EXEC_BRICK_REPLACE
#define BU EXEC_BRICK_UNREPLACED
#define BD EXEC_BRICK_DESTROY

static const struct scenario scenarios[] = {
    {"evict",
     4,
     false,
     {{0}},
     "heal-check@0 replan brick-create@3 heal-check@0 brick-replace@1 brick-replace@0 moved brick-sync@3 "
     "heal-wait@3 heal-wait@1 brick-destroy@0 done",
     "",
     0},
    {"evict: without looking at the healing",
     4,
     true,
     {{0}},
     "replan brick-create@3 brick-replace@0 brick-replace@1 moved brick-sync@3 brick-destroy@0 done",
     "",
     0},
    {"evict: refused by the heal check, nothing was done",
     4,
     false,
     {{HC, -1, 0, E_REMOTE, true, 0}},
     "heal-check@0 heal-check@1 undo failed",
     "node 1 says -13",
     0},
    {"evict: heal information is not to be had",
     4,
     false,
     {{HC, -1, 0, E_REMOTE, false, 0}},
     "heal-check@0 heal-check@1 undo failed",
     "node 1 says -13",
     0},
    {"evict: nobody can be asked",
     4,
     false,
     {{HC, -1, 0, E_CONNECT, false, 0}},
     "heal-check@0 heal-check@1 heal-check@2 heal-check@3 undo failed",
     "node 3 says -9",
     0},
    {"evict: no other place", 3, false, {{0}}, "heal-check@0 no-place undo failed", NO_REPLACEMENT, 0},
    {"evict: the replacement cannot be made, another one can",
     5,
     false,
     {{BC, 3, 0, E_REMOTE, true, 0}},
     "heal-check@0 replan brick-create@3 replan brick-create@4 heal-check@0 brick-replace@1 "
     "brick-replace@0 moved brick-sync@4 heal-wait@4 heal-wait@1 brick-destroy@3 brick-destroy@0 done",
     "",
     0},
    {"evict: the replacement cannot be made anywhere",
     4,
     false,
     {{BC, -1, 0, E_REMOTE, true, 0}},
     "heal-check@0 replan brick-create@3 no-place undo brick-unreplaced@0 brick-unreplaced@1 "
     "brick-destroy@3 failed",
     "node 3 says -13",
     0},
    {"evict: Gluster refuses",
     4,
     false,
     {{BR, -1, 0, E_REMOTE, false, 0}},
     "heal-check@0 replan brick-create@3 heal-check@0 brick-replace@1 brick-replace@2 undo "
     "brick-unreplaced@0 brick-unreplaced@1 brick-destroy@3 failed",
     "node 2 says -13",
     0},
    {"evict: not known whether Gluster did it: looked at until it is known",
     4,
     false,
     {{BR, -1, 3, E_TIMEOUT, false, 0}},
     "heal-check@0 replan brick-create@3 heal-check@0 brick-replace@1 brick-replace@2 park "
     "brick-replace@3 brick-replace@1 brick-replace@0 moved brick-sync@3 heal-wait@3 heal-wait@1 "
     "brick-destroy@0 done",
     "",
     0},
    {"evict: refused, but an earlier try succeeded after all",
     4,
     false,
     {{BR, -1, 1, E_TIMEOUT, false, 0}, {BR, -1, 2, E_REMOTE, true, 0}, {BU, -1, 1, E_REMOTE, true, 0}},
     "heal-check@0 replan brick-create@3 heal-check@0 brick-replace@1 brick-replace@2 "
     "brick-replace@3 undo brick-unreplaced@0 turn brick-create@3 heal-check@0 brick-replace@3 "
     "brick-replace@0 moved brick-sync@3 heal-wait@3 heal-wait@1 brick-destroy@0 done",
     "",
     0},
    {"evict: heals for a while",
     4,
     false,
     {{HW, -1, 3, E_REMOTE, false, 0}},
     "heal-check@0 replan brick-create@3 heal-check@0 brick-replace@1 brick-replace@0 moved "
     "brick-sync@3 heal-wait@3 heal-wait@1 park heal-wait@2 heal-wait@0 heal-wait@3 "
     "brick-destroy@0 done",
     "",
     0},
    {"evict: the old brick is on a dead node",
     4,
     false,
     {{BD, 0, 0, E_CONNECT, false, 0}},
     "heal-check@0 replan brick-create@3 heal-check@0 brick-replace@1 brick-replace@0 moved brick-sync@3 "
     "heal-wait@3 heal-wait@1 brick-destroy@0 brick-destroy@0 done+leave",
     "",
     1},
    {"evict: undone while the replacement's node is dead",
     4,
     false,
     {{BR, -1, 0, E_REMOTE, true, 0}, {BD, 3, 0, E_CONNECT, false, 0}},
     "heal-check@0 replan brick-create@3 heal-check@0 brick-replace@1 brick-replace@2 undo "
     "brick-unreplaced@0 brick-unreplaced@1 brick-destroy@3 brick-destroy@3 failed+leave",
     "node 2 says -13",
     1},
};

static struct id node_of(const struct play *play, const struct store_brick *brick)
{
    return store_device(play->world.store, brick->device)->node;
}

static void swap(struct play *play, size_t a, size_t b)
{
    struct id node = play->nodes[a], device = play->devices[a];

    play->nodes[a] = play->nodes[b];
    play->nodes[b] = node;
    play->devices[a] = play->devices[b];
    play->devices[b] = device;
}

/* A volume of three replicas whose bricks are on nodes 0, 1, 2. */
static const struct store_volume *set_up(struct play *play, size_t nodes)
{
    const struct store_volume *volume;

    play_init(play, nodes);
    volume = store_volume(play->world.store, world_volume(&play->world, 10, 3, "v"));
    for (size_t i = 0; i < 3; i++) {
        swap(play, i, (size_t)play_index(play, node_of(play, &volume->bricks[i])));
    }
    return volume;
}

static struct id begin_evict(struct play *play, struct id brick, bool skip_heal)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_BRICK_EVICT);
    request.target = brick;
    request.skip_heal = skip_heal;
    assert_int_equal(world_request(&play->world, &request), STORE_OK);
    return play->world.result.op_id;
}

/* With a fifth node there is a choice: made so that 3 comes first. */
static bool goes_to(struct play *play, struct id op_id, size_t node)
{
    struct engine_action action;

    while (play_next(play, &action) && action.kind != ENGINE_REPLAN) {
        play_answer(play, action.step, 0, false);
    }
    return id_equal(node_of(play, store_operation(play->world.store, op_id)->abandoned), play->nodes[node]);
}

static void run_scenario(const struct scenario *scenario)
{
    const struct store_operation *follow;
    const struct store_volume *volume;
    const struct store_job *job;
    struct play play;
    struct id op_id, old;

    volume = set_up(&play, scenario->nodes);
    old = volume->bricks[0].id;
    op_id = begin_evict(&play, old, scenario->skip_heal);
    play_begin(&play, op_id);
    if (scenario->nodes == 5 && !goes_to(&play, op_id, 3)) {
        swap(&play, 3, 4);
    }
    for (size_t i = 0; i < 4; i++) {
        const struct play_order *order = &scenario->orders[i];

        if (order->code != 0) {
            play_order(&play, order->kind, order->node, order->times, order->code, order->permanent);
        }
    }
    if (!play_run(&play, FOREVER)) {
        fail_msg("%s: does not end: %s", scenario->name, play_trace(&play));
    }
    assert_string_equal(play_trace(&play), scenario->trace);
    job = store_job(play.world.store, op_id);
    assert_non_null(job);
    assert_int_equal(strcspn(job->error, "\n"), strlen(scenario->error));
    assert_memory_equal(job->error, scenario->error, strlen(scenario->error));
    /* A place that is not found is explained, after Heketi's line. */
    assert_int_equal(strstr(job->error, "\n  device ") != NULL, strcmp(scenario->error, NO_REPLACEMENT) == 0);
    assert_int_equal(store_brick(play.world.store, old) != NULL, job->failed);
    follow = store_operation(play.world.store, play.follow_id);
    assert_int_equal(follow != NULL ? follow->n_abandoned : 0, scenario->followed);
    assert_int_equal(store_counts(play.world.store).operations, scenario->followed > 0);
    play_fini(&play);
}

static void test_scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        printf("  %s\n", scenarios[i].name);
        run_scenario(&scenarios[i]);
    }
}

/* A new leader at any point: what was looked at is looked at again, what was committed is not. */
static void test_resumes(void **state)
{
#define AS_MADE                                                                                               \
    "brick-create@3 heal-check@0 brick-replace@1 brick-replace@0 moved brick-sync@3 heal-wait@3 heal-wait@1 " \
    "brick-destroy@0 done"
#define AS_MOVED "brick-sync@3 heal-wait@3 heal-wait@1 brick-destroy@0 done"
    static const char *const expected[] = {"heal-check@0 replan " AS_MADE,
                                           "heal-check@0 replan " AS_MADE,
                                           AS_MADE,
                                           AS_MADE,
                                           AS_MADE,
                                           AS_MADE,
                                           AS_MADE,
                                           AS_MOVED,
                                           AS_MOVED};

    (void)state;
    for (size_t n = 0; n < sizeof(expected) / sizeof(expected[0]); n++) {
        struct engine_action action;
        struct play play;
        struct id op_id = begin_evict(&play, set_up(&play, 4)->bricks[0].id, false);

        play_begin(&play, op_id);
        for (size_t i = 0; i < n; i++) {
            assert_true(play_next(&play, &action));
            if (action.kind == ENGINE_RUN) {
                play_answer(&play, action.step, 0, false);
            }
        }
        (void)play_trace(&play);
        play_begin(&play, op_id);
        assert_true(play_run(&play, FOREVER));
        assert_string_equal(play_trace(&play), expected[n]);
        assert_int_equal(store_counts(play.world.store).bricks, 3);
        play_fini(&play);
    }
}

/* The leader before may have put the new brick in the place of the old one: no other one is planned. */
static void test_placed_by_leader_before(void **state)
{
    struct engine_action action = {.kind = ENGINE_WAIT};
    struct play play;
    struct id op_id;

    (void)state;
    op_id = begin_evict(&play, set_up(&play, 5)->bricks[0].id, false);
    play_begin(&play, op_id);
    while (action.kind != ENGINE_REPLAN) {
        assert_true(play_next(&play, &action));
        if (action.kind == ENGINE_RUN) {
            play_answer(&play, action.step, 0, false);
        }
    }
    (void)play_trace(&play);
    play_order(&play, EXEC_BRICK_CREATE, -1, 0, E_REMOTE, true);
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play),
                        "brick-create@4 undo brick-unreplaced@0 brick-unreplaced@1 brick-destroy@4 failed");
    play_fini(&play);
}

/* What heal info says while the volume heals on three nodes: all healed, as far as anybody is there. */
static void hear_heal(struct play *play, size_t at, bool sources)
{
    struct exec_result result = {.code = 0};
    struct heal_brick heals[3];
    struct op_work work;
    char *names[3];

    assert_true(op_work_init(&work, play->world.store, play->engine.op_id, &play->engine.steps[at]));
    assert_int_equal(work.exec.n_bricks, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct store_brick *brick = work.exec.bricks[i].brick;
        CLEANUP(free_ptr) char *path = store_brick_path(brick);
        bool there = sources || id_equal(brick->id, work.exec.new_brick.brick->id);

        names[i] = mem_printf("%s:%s", work.exec.bricks[i].storage_host, path);
        heals[i] = (struct heal_brick){names[i], there ? 0 : HEAL_UNKNOWN, there};
    }
    (void)heal_done(&work.exec, heals, 3, &result);
    engine_result(&play->engine, at, &result, play->now_ms);
    for (size_t i = 0; i < 3; i++) {
        free(names[i]);
    }
    op_work_fini(&work);
}

/* All that it heals from goes away: nothing seems to be left to heal. The old brick, which has all, is not destroyed
 * before one is back, however long that takes and whoever is asked; what is waited for is said. */
static void test_sources_go_while_healing(void **state)
{
    struct engine_action action = {.kind = ENGINE_WAIT};
    const struct store_operation *op;
    size_t asked = 0;
    struct play play;
    struct id op_id;

    (void)state;
    op_id = begin_evict(&play, set_up(&play, 4)->bricks[0].id, false);
    play_begin(&play, op_id);
    while (asked < 20) {
        if (!play_next(&play, &action)) {
            play.now_ms = action.wait_ms;
        } else if (action.kind == ENGINE_RUN && play.engine.steps[action.step].kind == HW) {
            hear_heal(&play, action.step, false);
            asked++;
        } else if (action.kind == ENGINE_RUN) {
            assert_int_not_equal(play.engine.steps[action.step].kind, BD);
            play_answer(&play, action.step, 0, false);
        }
    }
    op = store_operation(play.world.store, op_id);
    assert_int_equal(op->phase, STORE_OP_COMMITTED);
    assert_int_equal(op->n_parked, 1);
    assert_non_null(strstr(op->parked[0].text, "heals from 0 of the 1 bricks that it needs: "));
    assert_non_null(strstr(op->parked[0].text, " is not connected. The old brick is kept until then: see that "));
    (void)play_trace(&play);
    while (!play.engine.done) {
        if (!play_next(&play, &action)) {
            play.now_ms = action.wait_ms;
        } else if (action.kind == ENGINE_RUN && play.engine.steps[action.step].kind == HW) {
            hear_heal(&play, action.step, true);
        } else if (action.kind == ENGINE_RUN) {
            play_answer(&play, action.step, 0, false);
        }
    }
    assert_string_equal(play_canonical(play_trace(&play)), "heal-wait@A heal-wait@B brick-destroy@C done");
    play_fini(&play);
}

/* The volume is deleted while it heals: what is left of it to do is the old brick. */
static void test_volume_goes_while_healing(void **state)
{
    struct engine_action action = {.kind = ENGINE_WAIT};
    const struct store_volume *volume;
    struct play play;
    struct id op_id;

    (void)state;
    volume = set_up(&play, 4);
    op_id = begin_evict(&play, volume->bricks[0].id, false);
    play_begin(&play, op_id);
    while (action.kind != ENGINE_MOVED) {
        assert_true(play_next(&play, &action));
        if (action.kind == ENGINE_RUN) {
            play_answer(&play, action.step, 0, false);
        }
    }
    assert_int_equal(world_target(&play.world, STORE_REQ_VOLUME_DELETE, store_volume_next(play.world.store, NULL)->id),
                     STORE_OK);
    assert_int_equal(world_end(&play.world, play.world.result.op_id, NULL), STORE_OK);
    (void)play_trace(&play);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "brick-destroy@0 done");
    play_fini(&play);
}

/* ---- removals ---- */

static struct id begin_state(struct play *play, enum store_request_type type, struct id target)
{
    assert_int_equal(world_state(&play->world, type, target, STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&play->world, type, target, STORE_STATE_FAILED), STORE_OK);
    return play->world.result.op_id;
}

/* The parent waits for its part without end; the part is played; its parent goes on. */
static void play_part(struct play *play, struct id parent)
{
    struct id part = play->follow_id;

    assert_false(play->engine.done);
    play_begin(play, part);
    assert_true(id_equal(play->engine.parent, parent));
    assert_true(play_run(play, FOREVER));
    (void)play_trace(play);
    play_begin(play, parent);
}

static void test_remove_device(void **state)
{
    struct id op_id, device;
    struct play play;

    (void)state;
    device = set_up(&play, 4)->bricks[0].device;
    op_id = begin_state(&play, STORE_REQ_DEVICE_STATE, device);
    play_begin(&play, op_id);
    assert_false(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "part");
    play_part(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "done");
    assert_int_equal(store_device(play.world.store, device)->state, STORE_STATE_FAILED);
    play_fini(&play);
}

static void test_remove_device_fails(void **state)
{
    struct id op_id, device;
    struct play play;

    (void)state;
    device = set_up(&play, 4)->bricks[0].device;
    op_id = begin_state(&play, STORE_REQ_DEVICE_STATE, device);
    play_begin(&play, op_id);
    assert_false(play_run(&play, FOREVER));
    play_order(&play, HC, -1, 0, E_REMOTE, true);
    play_part(&play, op_id);
    (void)play_trace(&play);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "failed");
    assert_string_equal(store_job(play.world.store, op_id)->error, "node 1 says -13");
    assert_int_equal(store_device(play.world.store, device)->state, STORE_STATE_OFFLINE);
    play_fini(&play);
}

/* A brick that another operation moves: the removal waits until it is free. */
static void test_part_has_to_wait(void **state)
{
    const struct store_volume *volume;
    struct id op_id, evict, other;
    struct play play;

    (void)state;
    volume = set_up(&play, 5);
    other = volume->bricks[0].device;
    evict = begin_evict(&play, volume->bricks[1].id, false); /* of the same volume */
    op_id = begin_state(&play, STORE_REQ_DEVICE_STATE, other);
    play_begin(&play, op_id);
    assert_false(play_run(&play, 3 * ENGINE_PART_WAIT_MS));
    assert_string_equal(play_trace(&play), "no-place no-place no-place no-place");
    assert_int_equal(world_end(&play.world, evict, "x"), STORE_OK);
    assert_false(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "part");
    play_fini(&play);
}

static void test_remove_node(void **state)
{
    struct id op_id, removal, node, device;
    struct play play;

    (void)state;
    device = set_up(&play, 4)->bricks[0].device;
    node = play.nodes[0];
    op_id = begin_state(&play, STORE_REQ_NODE_STATE, node);
    play_begin(&play, op_id);
    assert_false(play_run(&play, FOREVER));
    removal = play.follow_id;
    play_begin(&play, removal);
    assert_false(play_run(&play, FOREVER));
    play_part(&play, removal);
    assert_true(play_run(&play, FOREVER));
    play_begin(&play, op_id);
    (void)play_trace(&play);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "done");
    assert_int_equal(store_node(play.world.store, node)->state, STORE_STATE_FAILED);
    assert_int_equal(store_device(play.world.store, device)->state, STORE_STATE_FAILED);
    assert_int_equal(store_counts(play.world.store).operations, 0);
    play_fini(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_resumes),
        cmocka_unit_test(test_placed_by_leader_before),
        cmocka_unit_test(test_sources_go_while_healing),
        cmocka_unit_test(test_volume_goes_while_healing),
        cmocka_unit_test(test_remove_device),
        cmocka_unit_test(test_remove_device_fails),
        cmocka_unit_test(test_part_has_to_wait),
        cmocka_unit_test(test_remove_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What each operation does, step by step, when all goes well and when it does not. */
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

struct scenario {
    const char *name;
    enum play_what what;
    size_t nodes;
    struct play_order orders[4]; /* node: -1 any, -2 the node of the first step */
    bool detects;
    const char *trace;
    bool failed;
    const char *error; /* of the job, "" when it did not fail */
    size_t followed;   /* bricks left to a clean-up */
};

#define BC EXEC_BRICK_CREATE
#define BD EXEC_BRICK_DESTROY
#define VC EXEC_VOLUME_CREATE
#define VD EXEC_VOLUME_DELETE
#define FIRST (-2)

static const struct scenario scenarios[] = {
    {"create",
     PLAY_CREATE,
     2,
     {{0}},
     false,
     "brick-create@A brick-create@B volume-create@A brick-sync@A brick-sync@B volume-check@B done",
     false,
     "",
     0},
    {"create: a node comes back",
     PLAY_CREATE,
     2,
     {{BC, FIRST, 3, E_CONNECT, false, 0}},
     false,
     "brick-create@A brick-create@B brick-create@A brick-create@A brick-create@A volume-create@A brick-sync@A "
     "brick-sync@B volume-check@B done",
     false,
     "",
     0},
    {"create: timed out once, found done",
     PLAY_CREATE,
     2,
     {{VC, -1, 1, E_TIMEOUT, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A volume-create@B brick-sync@A brick-sync@B volume-check@A done",
     false,
     "",
     0},
    {"create: no, without another place",
     PLAY_CREATE,
     2,
     {{BC, FIRST, 0, E_REMOTE, false, 0}},
     false,
     "brick-create@A brick-create@B brick-create@A no-place undo volume-delete@A brick-destroy@A brick-destroy@B "
     "failed",
     true,
     "node 0 says -13",
     0},
    {"create: no for good",
     PLAY_CREATE,
     2,
     {{BC, FIRST, 0, E_REMOTE, true, 0}},
     false,
     "brick-create@A no-place undo volume-delete@A brick-destroy@A brick-destroy@B failed",
     true,
     "node 0 says -13",
     0},
    {"create: planned again elsewhere",
     PLAY_CREATE,
     3,
     {{BC, FIRST, 0, E_REMOTE, true, 0}},
     false,
     "brick-create@A replan volume-delete@B brick-create@B brick-create@C volume-create@B brick-sync@B brick-sync@C "
     "volume-check@C done+leave",
     false,
     "",
     2},
    {"create: down and known to be: at once",
     PLAY_CREATE,
     3,
     {{0, FIRST, 0, E_CONNECT, false, 0}},
     true,
     "brick-create@A replan volume-delete@B brick-create@B brick-create@C volume-create@B brick-sync@B brick-sync@C "
     "volume-check@C done+leave",
     false,
     "",
     2},
    {"create: two nodes, one dead for good",
     PLAY_CREATE,
     2,
     {{0, FIRST, 0, E_CONNECT, false, 0}},
     true,
     "brick-create@A no-place brick-create@B brick-create@A brick-create@A brick-create@A undo volume-delete@B "
     "brick-destroy@A brick-destroy@B brick-destroy@A failed+leave",
     true,
     "node 0 says -9",
     2},
    {"create: volume refused",
     PLAY_CREATE,
     2,
     {{VC, -1, 0, E_REMOTE, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A volume-create@B undo volume-delete@A brick-destroy@A "
     "brick-destroy@B failed",
     true,
     "node 1 says -13",
     0},
    {"create: a brick does not get ready",
     PLAY_CREATE,
     2,
     {{EXEC_BRICK_SYNC, FIRST, 0, E_REMOTE, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A brick-sync@A brick-sync@B volume-check@B brick-sync@A "
     "no-place undo volume-delete@A brick-destroy@A brick-destroy@B failed",
     true,
     "node 0 says -13",
     0},
    {"create: a brick does not get ready, and another one does",
     PLAY_CREATE,
     3,
     {{EXEC_BRICK_SYNC, FIRST, 0, E_REMOTE, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A brick-sync@A brick-sync@B volume-check@B brick-sync@A "
     "replan volume-delete@B brick-create@B brick-create@C volume-create@B brick-sync@B "
     "brick-sync@C volume-check@C done+leave",
     false,
     "",
     2},
    {"create: a node is silent when the volume is there",
     PLAY_CREATE,
     2,
     {{EXEC_BRICK_SYNC, FIRST, 3, E_CONNECT, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A brick-sync@A brick-sync@B volume-check@B brick-sync@A park "
     "brick-sync@A "
     "brick-sync@A done",
     false,
     "",
     0},
    {"create: busy does not count",
     PLAY_CREATE,
     2,
     {{VC, -1, 5, E_BUSY, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A volume-create@B volume-create@A volume-create@B volume-create@A "
     "volume-create@B brick-sync@A brick-sync@B volume-check@A done",
     false,
     "",
     0},
    {"delete",
     PLAY_DELETE,
     2,
     {{0}},
     false,
     "volume-delete@A volume-delete@B brick-destroy@B brick-destroy@A done",
     false,
     "",
     0},
    {"delete: refused before anything was stopped",
     PLAY_DELETE,
     2,
     {{VD, -1, 0, E_REMOTE, true, 0}},
     false,
     "volume-delete@A volume-delete@B failed",
     true,
     "node 1 says -13",
     0},
    {"delete: some of the peers are down, for a while",
     PLAY_DELETE,
     2,
     {{VD, -1, 3, E_REMOTE, false, 0}},
     false,
     "volume-delete@A volume-delete@B park volume-delete@A volume-delete@B volume-delete@A "
     "brick-destroy@B brick-destroy@A done",
     false,
     "",
     0},
    {"delete: bricks on a dead node are left",
     PLAY_DELETE,
     2,
     {{BD, 0, 0, E_CONNECT, false, 0}},
     false,
     "volume-delete@A volume-delete@B brick-destroy@B brick-destroy@A brick-destroy@A done+leave",
     false,
     "",
     2},
    {"delete: a brick that cannot be destroyed is tried again",
     PLAY_DELETE,
     2,
     {{BD, 0, 4, E_REMOTE, true, 0}},
     false,
     "volume-delete@A volume-delete@B brick-destroy@B brick-destroy@A brick-destroy@A park "
     "brick-destroy@A brick-destroy@A brick-destroy@A done",
     false,
     "",
     0},
    {"node add", PLAY_NODE_ADD, 2, {{0}}, false, "peer-probe@A peer-probe@B done", false, "", 0},
    {"node add: nobody else is there", PLAY_NODE_ADD, 1, {{0}}, false, "peer-probe@A done", false, "", 0},
    {"node add: asks another one",
     PLAY_NODE_ADD,
     2,
     {{EXEC_PEER_PROBE, FIRST, 0, E_CONNECT, false, 0}},
     false,
     "peer-probe@A peer-probe@B peer-probe@A done", /* nobody else could say so, too */
     false,
     "",
     0},
    {"node add: refused",
     PLAY_NODE_ADD,
     2,
     {{EXEC_PEER_PROBE, -1, 0, E_REMOTE, true, 0}},
     false,
     "peer-probe@A peer-probe@B undo peer-detach@A peer-forget@B peer-forget@A failed",
     true,
     "node 1 says -13",
     0},
    {"node add: the first one", PLAY_NODE_FIRST, 1, {{0}}, false, "glusterd-check@X done", false, "", 0},
    {"node add: the first one, without glusterd",
     PLAY_NODE_FIRST,
     1,
     {{EXEC_GLUSTERD_CHECK, -1, 0, E_REMOTE, false, 0}},
     false,
     "glusterd-check@X glusterd-check@X undo failed",
     true,
     "node -1 says -13",
     0},
    {"node delete", PLAY_NODE_DELETE, 2, {{0}}, false, "peer-detach@A peer-forget@A peer-forget@B done", false, "", 0},
    {"node delete: another one is silent after the detaching",
     PLAY_NODE_DELETE,
     2,
     {{EXEC_PEER_FORGET, 1, 2, E_CONNECT, false, 0}},
     false,
     "peer-detach@A peer-forget@A peer-forget@B peer-forget@B park peer-forget@B done",
     false,
     "",
     0},
    {"node delete: refused",
     PLAY_NODE_DELETE,
     2,
     {{EXEC_PEER_DETACH, -1, 0, E_REMOTE, false, 0}},
     false,
     "peer-detach@A peer-detach@B failed",
     true,
     "node 1 says -13",
     0},
    {"node delete: waits for the others",
     PLAY_NODE_DELETE,
     2,
     {{EXEC_PEER_DETACH, -1, 7, E_CONNECT, false, 0}},
     false,
     "peer-detach@A peer-detach@B park peer-detach@A peer-detach@B peer-detach@A peer-detach@B peer-detach@A "
     "peer-detach@B peer-forget@A peer-forget@B done",
     false,
     "",
     0},
    {"node delete: the last one", PLAY_NODE_LAST, 1, {{0}}, false, "done", false, "", 0},
    {"device add", PLAY_DEVICE_ADD, 1, {{0}}, false, "device-setup@A done", false, "", 0},
    {"device add: holds other data",
     PLAY_DEVICE_ADD,
     1,
     {{EXEC_DEVICE_SETUP, -1, 0, E_REMOTE, true, 0}, {EXEC_DEVICE_TEARDOWN, -1, 0, E_REMOTE, true, 0}},
     false,
     "device-setup@A undo device-teardown@A failed",
     true,
     "node 0 says -13",
     0},
    {"device add: not reachable, taken back later",
     PLAY_DEVICE_ADD,
     1,
     {{EXEC_DEVICE_SETUP, -1, 0, E_CONNECT, false, 0}, {EXEC_DEVICE_TEARDOWN, -1, 3, E_CONNECT, false, 0}},
     false,
     "device-setup@A device-setup@A device-setup@A device-setup@A undo device-teardown@A device-teardown@A park "
     "device-teardown@A device-teardown@A failed",
     true,
     "node 0 says -9",
     0},
    {"device delete", PLAY_DEVICE_DELETE, 1, {{0}}, false, "device-teardown@A done", false, "", 0},
    {"device delete: refused",
     PLAY_DEVICE_DELETE,
     1,
     {{EXEC_DEVICE_TEARDOWN, -1, 0, E_REMOTE, false, 0}},
     false,
     "device-teardown@A device-teardown@A failed",
     true,
     "node 0 says -13",
     0},
    {"device resync", PLAY_DEVICE_RESYNC, 1, {{0}}, false, "device-look@A done", false, "", 0},
    {"device resync: refused",
     PLAY_DEVICE_RESYNC,
     1,
     {{EXEC_DEVICE_LOOK, -1, 0, E_REMOTE, true, 0}},
     false,
     "device-look@A undo failed",
     true,
     "node 0 says -13",
     0},
    {"device delete by force",
     PLAY_DEVICE_FORGET,
     1,
     {{EXEC_DEVICE_TEARDOWN, -1, 0, E_CONNECT, false, 0}},
     false,
     "device-teardown@A done+leave",
     false,
     "",
     0},
};

/* Node 0 is the node of the first step: the orders name it so. */
static void make_first(struct play *play)
{
    struct engine_action action;
    int first;

    engine_next(&play->engine, play->world.store, play->now_ms, &action);
    if (action.kind == ENGINE_RUN) {
        first = play_index(play, play->engine.steps[action.step].node);
        if (first > 0) {
            struct id id = play->nodes[0];

            play->nodes[0] = play->nodes[first];
            play->nodes[first] = id;
        }
    }
    play_begin(play, play->engine.op_id);
}

static void run_scenario(const struct scenario *scenario)
{
    const struct store_operation *follow;
    const struct store_job *job;
    struct play play;
    struct id op_id;

    play_init(&play, scenario->nodes);
    play.detects = scenario->detects;
    op_id = play_request(&play, scenario->what);
    play_begin(&play, op_id);
    make_first(&play);
    for (size_t i = 0; i < 4; i++) {
        struct play_order order = scenario->orders[i];

        if (order.code != 0) {
            play_order(&play, order.kind, order.node == FIRST ? 0 : order.node, order.times, order.code,
                       order.permanent);
        }
    }
    if (!play_run(&play, FOREVER)) {
        fail_msg("%s: does not end: %s", scenario->name, play_trace(&play));
    }
    assert_string_equal(play_canonical(play_trace(&play)), scenario->trace);
    assert_null(store_operation(play.world.store, op_id));
    job = store_job(play.world.store, op_id);
    assert_non_null(job);
    assert_int_equal(job->failed, scenario->failed);
    assert_string_equal(job->error, scenario->error);
    follow = store_operation(play.world.store, play.follow_id);
    assert_int_equal(follow != NULL ? follow->n_abandoned : 0, scenario->followed);
    if (follow != NULL) { /* and the clean-up comes to its end when the node is back */
        play.n_orders = 0;
        play_begin(&play, play.follow_id);
        assert_true(play_run(&play, FOREVER));
        assert_int_equal(store_counts(play.world.store).operations, 0);
    }
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

/* ---- rules that need more than one event ---- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

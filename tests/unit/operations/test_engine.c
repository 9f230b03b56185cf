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

enum what {
    CREATE,
    DELETE,
    NODE_ADD,
    NODE_FIRST,
    NODE_DELETE,
    NODE_LAST,
    DEVICE_ADD,
    DEVICE_DELETE,
    DEVICE_FORGET,
    DEVICE_RESYNC
};

static struct id begin(struct play *play, enum what what)
{
    struct world *world = &play->world;
    enum store_code code = STORE_OK;

    switch (what) {
    case CREATE:
        code = world_create(world, 10, 2, "v");
        break;
    case DELETE:
        code = world_target(world, STORE_REQ_VOLUME_DELETE, world_volume(world, 10, 2, "v"));
        break;
    case NODE_ADD:
        (void)world_begin_node(world, play->cluster, 9, "new");
        break;
    case NODE_FIRST:
        (void)world_begin_node(world, world_cluster(world), 9, "new");
        break;
    case NODE_DELETE:
        code = world_target(world, STORE_REQ_NODE_DELETE, world_node(world, play->cluster, 9, "new"));
        break;
    case NODE_LAST:
        code = world_target(world, STORE_REQ_NODE_DELETE, world_node(world, world_cluster(world), 9, "new"));
        break;
    case DEVICE_ADD:
        (void)world_begin_device(world, play->nodes[0], "/dev/sdz");
        break;
    case DEVICE_RESYNC:
        code = world_target(world, STORE_REQ_DEVICE_RESYNC, world_device(world, play->nodes[0], "/dev/sdz", 100 * GIB));
        break;
    case DEVICE_DELETE:
    case DEVICE_FORGET: {
        struct id device = world_device(world, play->nodes[0], "/dev/sdz", 100 * GIB);
        struct store_request request;

        assert_int_equal(world_state(world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_OFFLINE), STORE_OK);
        assert_int_equal(world_state(world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_FAILED), STORE_OK);
        store_request_init(&request, STORE_REQ_DEVICE_DELETE);
        request.target = device;
        request.force_forget = what == DEVICE_FORGET;
        code = world_request(world, &request);
        break;
    }
    }
    assert_int_equal(code, STORE_OK);
    assert_int_equal(world->result.code, STORE_OK);
    return world->result.op_id;
}

struct scenario {
    const char *name;
    enum what what;
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
     CREATE,
     2,
     {{0}},
     false,
     "brick-create@A brick-create@B volume-create@A brick-sync@A brick-sync@B done",
     false,
     "",
     0},
    {"create: a node comes back",
     CREATE,
     2,
     {{BC, FIRST, 3, E_CONNECT, false, 0}},
     false,
     "brick-create@A brick-create@B brick-create@A brick-create@A brick-create@A volume-create@A brick-sync@A "
     "brick-sync@B done",
     false,
     "",
     0},
    {"create: timed out once, found done",
     CREATE,
     2,
     {{VC, -1, 1, E_TIMEOUT, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A volume-create@B brick-sync@A brick-sync@B done",
     false,
     "",
     0},
    {"create: no, without another place",
     CREATE,
     2,
     {{BC, FIRST, 0, E_REMOTE, false, 0}},
     false,
     "brick-create@A brick-create@B brick-create@A no-place undo volume-delete@A brick-destroy@A brick-destroy@B "
     "failed",
     true,
     "node 0 says -13",
     0},
    {"create: no for good",
     CREATE,
     2,
     {{BC, FIRST, 0, E_REMOTE, true, 0}},
     false,
     "brick-create@A no-place undo volume-delete@A brick-destroy@A brick-destroy@B failed",
     true,
     "node 0 says -13",
     0},
    {"create: planned again elsewhere",
     CREATE,
     3,
     {{BC, FIRST, 0, E_REMOTE, true, 0}},
     false,
     "brick-create@A replan volume-delete@B brick-create@B brick-create@C volume-create@B brick-sync@B brick-sync@C "
     "done+leave",
     false,
     "",
     2},
    {"create: down and known to be: at once",
     CREATE,
     3,
     {{0, FIRST, 0, E_CONNECT, false, 0}},
     true,
     "brick-create@A replan volume-delete@B brick-create@B brick-create@C volume-create@B brick-sync@B brick-sync@C "
     "done+leave",
     false,
     "",
     2},
    {"create: two nodes, one dead for good",
     CREATE,
     2,
     {{0, FIRST, 0, E_CONNECT, false, 0}},
     true,
     "brick-create@A no-place brick-create@B brick-create@A brick-create@A brick-create@A undo volume-delete@B "
     "brick-destroy@A brick-destroy@B brick-destroy@A failed+leave",
     true,
     "node 0 says -9",
     2},
    {"create: volume refused",
     CREATE,
     2,
     {{VC, -1, 0, E_REMOTE, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A volume-create@B undo volume-delete@A brick-destroy@A "
     "brick-destroy@B failed",
     true,
     "node 1 says -13",
     0},
    {"create: a brick does not get ready",
     CREATE,
     2,
     {{EXEC_BRICK_SYNC, FIRST, 0, E_REMOTE, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A brick-sync@A brick-sync@B brick-sync@A undo volume-delete@A "
     "brick-destroy@A brick-destroy@B failed",
     true,
     "node 0 says -13",
     0},
    {"create: a node is silent when the volume is there",
     CREATE,
     2,
     {{EXEC_BRICK_SYNC, FIRST, 3, E_CONNECT, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A brick-sync@A brick-sync@B brick-sync@A park brick-sync@A "
     "brick-sync@A done",
     false,
     "",
     0},
    {"create: busy does not count",
     CREATE,
     2,
     {{VC, -1, 5, E_BUSY, false, 0}},
     false,
     "brick-create@A brick-create@B volume-create@A volume-create@B volume-create@A volume-create@B volume-create@A "
     "volume-create@B brick-sync@A brick-sync@B done",
     false,
     "",
     0},
    {"delete", DELETE, 2, {{0}}, false, "volume-delete@A brick-destroy@B brick-destroy@A done", false, "", 0},
    {"delete: refused before anything was stopped",
     DELETE,
     2,
     {{VD, -1, 0, E_REMOTE, true, 0}},
     false,
     "volume-delete@A failed",
     true,
     "node 0 says -13",
     0},
    {"delete: some of the peers are down, for a while",
     DELETE,
     2,
     {{VD, -1, 3, E_REMOTE, false, 0}},
     false,
     "volume-delete@A volume-delete@B park volume-delete@A volume-delete@B brick-destroy@B brick-destroy@A done",
     false,
     "",
     0},
    {"delete: bricks on a dead node are left",
     DELETE,
     2,
     {{BD, 0, 0, E_CONNECT, false, 0}},
     false,
     "volume-delete@A brick-destroy@B brick-destroy@A brick-destroy@A done+leave",
     false,
     "",
     2},
    {"delete: a brick that cannot be destroyed is tried again",
     DELETE,
     2,
     {{BD, 0, 4, E_REMOTE, true, 0}},
     false,
     "volume-delete@A brick-destroy@B brick-destroy@A brick-destroy@A park brick-destroy@A brick-destroy@A "
     "brick-destroy@A done",
     false,
     "",
     0},
    {"node add", NODE_ADD, 2, {{0}}, false, "peer-probe@A done", false, "", 0},
    {"node add: asks another one",
     NODE_ADD,
     2,
     {{EXEC_PEER_PROBE, FIRST, 0, E_CONNECT, false, 0}},
     false,
     "peer-probe@A peer-probe@B done",
     false,
     "",
     0},
    {"node add: refused",
     NODE_ADD,
     2,
     {{EXEC_PEER_PROBE, -1, 0, E_REMOTE, true, 0}},
     false,
     "peer-probe@A undo peer-detach@A peer-forget@B peer-forget@A failed",
     true,
     "node 0 says -13",
     0},
    {"node add: the first one", NODE_FIRST, 1, {{0}}, false, "glusterd-check@X done", false, "", 0},
    {"node add: the first one, without glusterd",
     NODE_FIRST,
     1,
     {{EXEC_GLUSTERD_CHECK, -1, 0, E_REMOTE, false, 0}},
     false,
     "glusterd-check@X glusterd-check@X undo failed",
     true,
     "node -1 says -13",
     0},
    {"node delete", NODE_DELETE, 2, {{0}}, false, "peer-detach@A peer-forget@A peer-forget@B done", false, "", 0},
    {"node delete: another one is silent after the detaching",
     NODE_DELETE,
     2,
     {{EXEC_PEER_FORGET, 1, 2, E_CONNECT, false, 0}},
     false,
     "peer-detach@A peer-forget@A peer-forget@B peer-forget@B park peer-forget@B done",
     false,
     "",
     0},
    {"node delete: refused",
     NODE_DELETE,
     2,
     {{EXEC_PEER_DETACH, -1, 0, E_REMOTE, false, 0}},
     false,
     "peer-detach@A peer-detach@B failed",
     true,
     "node 1 says -13",
     0},
    {"node delete: waits for the others",
     NODE_DELETE,
     2,
     {{EXEC_PEER_DETACH, -1, 7, E_CONNECT, false, 0}},
     false,
     "peer-detach@A peer-detach@B park peer-detach@A peer-detach@B peer-detach@A peer-detach@B peer-detach@A "
     "peer-detach@B peer-forget@A peer-forget@B done",
     false,
     "",
     0},
    {"node delete: the last one", NODE_LAST, 1, {{0}}, false, "done", false, "", 0},
    {"device add", DEVICE_ADD, 1, {{0}}, false, "device-setup@A done", false, "", 0},
    {"device add: holds other data",
     DEVICE_ADD,
     1,
     {{EXEC_DEVICE_SETUP, -1, 0, E_REMOTE, true, 0}, {EXEC_DEVICE_TEARDOWN, -1, 0, E_REMOTE, true, 0}},
     false,
     "device-setup@A undo device-teardown@A failed",
     true,
     "node 0 says -13",
     0},
    {"device add: not reachable, taken back later",
     DEVICE_ADD,
     1,
     {{EXEC_DEVICE_SETUP, -1, 0, E_CONNECT, false, 0}, {EXEC_DEVICE_TEARDOWN, -1, 3, E_CONNECT, false, 0}},
     false,
     "device-setup@A device-setup@A device-setup@A device-setup@A undo device-teardown@A device-teardown@A park "
     "device-teardown@A device-teardown@A failed",
     true,
     "node 0 says -9",
     0},
    {"device delete", DEVICE_DELETE, 1, {{0}}, false, "device-teardown@A done", false, "", 0},
    {"device delete: refused",
     DEVICE_DELETE,
     1,
     {{EXEC_DEVICE_TEARDOWN, -1, 0, E_REMOTE, false, 0}},
     false,
     "device-teardown@A device-teardown@A failed",
     true,
     "node 0 says -13",
     0},
    {"device resync", DEVICE_RESYNC, 1, {{0}}, false, "device-look@A done", false, "", 0},
    {"device resync: refused",
     DEVICE_RESYNC,
     1,
     {{EXEC_DEVICE_LOOK, -1, 0, E_REMOTE, true, 0}},
     false,
     "device-look@A undo failed",
     true,
     "node 0 says -13",
     0},
    {"device delete by force",
     DEVICE_FORGET,
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
    op_id = begin(&play, scenario->what);
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

static void begin_create(struct play *play, size_t nodes)
{
    play_init(play, nodes);
    play_begin(play, begin(play, CREATE));
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
        play_begin(&play, begin(&play, NODE_LAST)); /* nothing to do: the end is the first action */
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

/* A full window: nothing was proposed, so it is proposed again, a little later. */
static void test_proposal_busy(void **state)
{
    struct play play;

    (void)state;
    begin_create(&play, 2);
    play.propose_busy = 3;
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_canonical(play_trace(&play)),
                        "brick-create@A brick-create@B volume-create@A brick-sync@A brick-sync@B done");
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
    play_begin(&play, begin(&play, DEVICE_DELETE));
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
    op_id = begin(&play, DEVICE_DELETE);
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
    play_begin(&play, begin(&play, DELETE));
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
    play_begin(&play, begin(&play, CREATE));
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
        play_begin(&play, begin(&play, NODE_ADD));
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
    play_begin(&play, begin(&play, DEVICE_ADD));
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
    op_id = begin(&play, CREATE);
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
        cmocka_unit_test(test_scenarios),           cmocka_unit_test(test_parallel_stages),
        cmocka_unit_test(test_gives_up_when_idle),  cmocka_unit_test(test_fenced),
        cmocka_unit_test(test_unknown_outcome),     cmocka_unit_test(test_proposal_busy),
        cmocka_unit_test(test_backoff_and_return),  cmocka_unit_test(test_parked),
        cmocka_unit_test(test_parked_pool_step),    cmocka_unit_test(test_replans_end),
        cmocka_unit_test(test_two_first_nodes),     cmocka_unit_test(test_delete_all_nodes),
        cmocka_unit_test(test_avoids_down_nodes),   cmocka_unit_test(test_refused_end),
        cmocka_unit_test(test_resumes_from_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

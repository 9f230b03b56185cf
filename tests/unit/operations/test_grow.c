/* Expanding and cloning, step by step, when all goes well and when it does not; what follows an expand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/operations/play.h"

#define FOREVER UINT64_C(36000000)
#define FIRST (-2) /* the node of the first brick that the operation makes */

static struct id request_gib(struct play *play, enum store_request_type type, struct id volume, uint32_t size_gib)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = volume;
    request.volume.size_gib = size_gib;
    assert_int_equal(world_request(&play->world, &request), STORE_OK);
    return play->world.result.op_id;
}

static struct id request(struct play *play, enum store_request_type type, struct id volume)
{
    return request_gib(play, type, volume, type == STORE_REQ_VOLUME_EXPAND ? 5 : 0);
}

/* The node of the first brick that the operation makes. */
static int first_node(const struct play *play, struct id op_id)
{
    const struct store *store = play->world.store;
    const struct store_volume *volume = store_volume(store, store_operation(store, op_id)->target);

    for (size_t i = 0; i < volume->n_bricks; i++) {
        if (id_equal(volume->bricks[i].pending, op_id)) {
            return play_index(play, store_device(store, volume->bricks[i].device)->node);
        }
    }
    return -1;
}

struct scenario {
    const char *name;
    enum store_request_type type;
    size_t nodes;
    struct play_order orders[4];
    bool detects, sneaks, foreign, taken, odd;
    const char *trace;
    const char *error; /* of the job, NULL when it did not fail */
    size_t bricks;     /* of all volumes afterwards */
    size_t followed;   /* bricks left to a clean-up */
};

#define BC EXEC_BRICK_CREATE
#define BD EXEC_BRICK_DESTROY
#define VE EXEC_VOLUME_EXPAND
#define EXPAND STORE_REQ_VOLUME_EXPAND
#define CLONE STORE_REQ_VOLUME_CLONE

static const struct scenario scenarios[] = {
    {.name = "expand",
     .type = EXPAND,
     .nodes = 2,
     .trace =
         "volume-look@A brick-create@B brick-create@A volume-expand@A brick-sync@B brick-sync@A volume-check@B done",
     .bricks = 4},
    {.name = "expand: no for good, no other place",
     .type = EXPAND,
     .nodes = 2,
     .orders = {{BC, FIRST, 0, E_REMOTE, true, 0}},
     .trace = "volume-look@A brick-create@B volume-look@A volume-look@B no-place undo volume-look@A volume-look@B "
              "brick-destroy@B brick-destroy@A failed",
     .error = "node 0 says -13",
     .bricks = 2},
    {.name = "expand: planned again elsewhere",
     .type = EXPAND,
     .nodes = 3,
     .orders = {{BC, FIRST, 0, E_REMOTE, true, 0}},
     .trace = "volume-look@A brick-create@A volume-look@A volume-look@B replan volume-look@B brick-create@B "
              "brick-create@C volume-expand@B brick-sync@B brick-sync@C volume-check@A done+leave",
     .bricks = 4,
     .followed = 2},
    {.name = "expand: add-brick refused",
     .type = EXPAND,
     .nodes = 2,
     .orders = {{VE, -1, 0, E_REMOTE, false, 0}},
     .trace = "volume-look@A brick-create@B brick-create@A volume-expand@A volume-expand@B undo volume-look@A "
              "volume-look@B brick-destroy@B brick-destroy@A failed",
     .error = "node 0 says -13",
     .bricks = 2},
    {.name = "expand: add-brick refused, yet Gluster has the bricks: forward again",
     .type = EXPAND,
     .nodes = 2,
     .orders = {{VE, -1, 0, E_REMOTE, false, 0}},
     .sneaks = true,
     .trace = "volume-look@A brick-create@B brick-create@A volume-expand@A volume-expand@B undo volume-look@A "
              "redo volume-look@B volume-look@A brick-sync@B brick-sync@A volume-check@B done",
     .bricks = 4},
    {.name = "expand: add-brick times out: never undone",
     .type = EXPAND,
     .nodes = 2,
     .orders = {{VE, -1, 7, E_TIMEOUT, false, 0}},
     .trace = "volume-look@A brick-create@B brick-create@A volume-expand@A volume-expand@B park "
              "volume-expand@A volume-expand@B volume-expand@A volume-expand@B volume-expand@A volume-expand@B "
              "brick-sync@B brick-sync@A volume-check@A done",
     .bricks = 4},
    {.name = "expand: undone while a node is dead",
     .type = EXPAND,
     .nodes = 2,
     .orders = {{VE, -1, 0, E_REMOTE, true, 0}, {BD, FIRST, 0, E_CONNECT, false, 0}},
     .trace = "volume-look@A brick-create@B brick-create@A volume-expand@A volume-expand@B undo "
              "volume-look@A volume-look@B brick-destroy@B brick-destroy@A brick-destroy@B failed+leave",
     .error = "node 0 says -13",
     .bricks = 2,
     .followed = 2},
    {.name = "clone",
     .type = CLONE,
     .nodes = 2,
     .trace = "volume-clone@A volume-look@B volume-look@A learn clone-start@A brick-sync@B brick-sync@A volume-check@B "
              "snapshot-delete@B done",
     .bricks = 4},
    {.name = "clone: refused",
     .type = CLONE,
     .nodes = 2,
     .orders = {{EXEC_VOLUME_CLONE, -1, 0, E_REMOTE, true, 0}},
     .trace =
         "volume-clone@A volume-clone@B undo volume-look@B volume-look@A snapshot-delete@A snapshot-delete@B failed",
     .error = "node 0 says -13",
     .bricks = 2},
    {.name = "clone: refused, yet Gluster has it",
     .type = CLONE,
     .nodes = 2,
     .orders = {{EXEC_VOLUME_CLONE, -1, 0, E_REMOTE, true, 0}},
     .sneaks = true,
     .trace =
         "volume-clone@A volume-clone@B undo volume-look@B volume-look@A learn snapshot-delete@A snapshot-delete@B "
         "volume-delete@A brick-destroy@B brick-destroy@A failed",
     .error = "node 0 says -13",
     .bricks = 2},
    {.name = "clone: refused, while a node is dead",
     .type = CLONE,
     .nodes = 2,
     .orders = {{EXEC_VOLUME_CLONE, -1, 0, E_REMOTE, true, 0}, {EXEC_VOLUME_LOOK, FIRST, 0, E_CONNECT, false, 0}},
     .trace = "volume-clone@A volume-clone@B undo volume-look@B volume-look@A volume-look@B "
              "snapshot-delete@A snapshot-delete@B failed",
     .error = "node 0 says -13",
     .bricks = 2},
    {.name = "clone: refused, yet Gluster has it; a node is dead for a while: it is waited for",
     .type = CLONE,
     .nodes = 2,
     .orders = {{EXEC_VOLUME_CLONE, -1, 0, E_REMOTE, true, 0}, {EXEC_VOLUME_LOOK, FIRST, 4, E_CONNECT, false, 0}},
     .sneaks = true,
     .trace = "volume-clone@A volume-clone@B undo volume-look@B volume-look@A volume-look@B park "
              "volume-look@B volume-look@A volume-look@B volume-look@A volume-look@B volume-look@A learn "
              "snapshot-delete@A snapshot-delete@B volume-delete@A brick-destroy@B brick-destroy@A failed",
     .error = "node 0 says -13",
     .bricks = 2},
    {.name = "clone: made, and then a node is dead for a while: no reason to give it up",
     .type = CLONE,
     .nodes = 2,
     .orders = {{EXEC_VOLUME_LOOK, FIRST, 6, E_CONNECT, false, 0}},
     .trace = "volume-clone@A volume-look@B volume-look@A volume-look@B park volume-look@B volume-look@B "
              "volume-look@B volume-look@B volume-look@B learn clone-start@A brick-sync@B brick-sync@A volume-check@B "
              "snapshot-delete@B done",
     .bricks = 4},
    {.name = "clone: does not start",
     .type = CLONE,
     .nodes = 2,
     .orders = {{EXEC_CLONE_START, -1, 0, E_REMOTE, false, 0}},
     .trace = "volume-clone@A volume-look@B volume-look@A learn clone-start@A clone-start@B undo snapshot-delete@A "
              "snapshot-delete@B "
              "volume-delete@A "
              "brick-destroy@B brick-destroy@A failed",
     .error = "node 0 says -13",
     .bricks = 2},
    {.name = "clone: undone while a node is dead",
     .type = CLONE,
     .nodes = 2,
     .orders = {{EXEC_CLONE_START, -1, 0, E_REMOTE, true, 0}, {BD, FIRST, 0, E_CONNECT, false, 0}},
     .trace = "volume-clone@A volume-look@B volume-look@A learn clone-start@A clone-start@B undo "
              "snapshot-delete@A snapshot-delete@B volume-delete@A brick-destroy@B brick-destroy@A brick-destroy@B "
              "failed+leave",
     .error = "node 0 says -13",
     .bricks = 2,
     .followed = 2},
    {.name = "clone: somebody else's volume has the name",
     .type = CLONE,
     .nodes = 2,
     .foreign = true,
     .trace = "volume-clone@A volume-look@B volume-look@A undo volume-look@B volume-look@A snapshot-delete@A "
              "snapshot-delete@B failed",
     .error = "Gluster has put a brick of the clone on another node: elsewhere:/run/gluster/snaps/" PLAY_CLONE
              "/brick1/brick",
     .bricks = 2},
    {.name = "clone: it is said to be where its source is",
     .type = CLONE,
     .nodes = 2,
     .taken = true,
     .error = "Gluster has put a brick of the clone where another one is: "
              "s-n1-95035294f2065da4d5aebfbee6b7dcf2:/var/lib/heketi/mounts/vg_beb35416bd66ca5bf26c029d2f4e3c1b/"
              "brick_2da9a6912477a8b8450e38c719f1d6f5/brick",
     .trace = "volume-clone@A volume-look@B volume-look@A undo volume-look@B volume-look@A snapshot-delete@A "
              "snapshot-delete@B failed",
     .bricks = 2},
    {.name = "clone: it is said to be where Gluster puts none",
     .type = CLONE,
     .nodes = 2,
     .odd = true,
     .error = "Gluster has put a brick of the clone where it puts none: "
              "s-n1-95035294f2065da4d5aebfbee6b7dcf2:/srv/brick1/brick",
     .trace = "volume-clone@A volume-look@B volume-look@A undo volume-look@B volume-look@A snapshot-delete@A "
              "snapshot-delete@B failed",
     .bricks = 2},
};

static void check_scenario(const struct scenario *scenario)
{
    struct store_counts counts;
    const struct store_job *job;
    struct play play;
    struct id op_id, volume;

    play_init(&play, scenario->nodes);
    volume = world_volume(&play.world, 10, 2, "v");
    op_id = request(&play, scenario->type, volume);
    play.detects = scenario->detects;
    play.sneaks = scenario->sneaks;
    play.foreign = scenario->foreign;
    play.taken = scenario->taken;
    play.odd = scenario->odd;
    for (size_t i = 0; i < 4 && (scenario->orders[i].code != 0 || scenario->orders[i].kind != 0); i++) {
        struct play_order order = scenario->orders[i];

        play_order(&play, order.kind, order.node == FIRST ? first_node(&play, op_id) : order.node, order.times,
                   order.code, order.permanent);
    }
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    print_message("  %s\n", scenario->name);
    assert_string_equal(play_canonical(play_trace(&play)), scenario->trace);
    job = store_job(play.world.store, op_id);
    assert_non_null(job);
    assert_int_equal(job->failed, scenario->error != NULL);
    assert_string_equal(job->error, scenario->error != NULL ? scenario->error : "");
    assert_int_equal(job->resource, scenario->error == NULL ? STORE_RES_VOLUME : STORE_RES_NONE);
    counts = store_counts(play.world.store);
    assert_int_equal(counts.bricks, scenario->bricks);
    if (scenario->followed > 0) {
        assert_int_equal(store_operation(play.world.store, play.follow_id)->n_abandoned, scenario->followed);
    }
    play_fini(&play);
}

static void test_scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        check_scenario(&scenarios[i]);
    }
}

/* ---- what follows an expand ---- */

static struct id expanded(struct play *play, bool no_rebalance)
{
    struct id volume, op_id;

    play_init(play, 2);
    volume = world_volume(&play->world, 10, 2, "v");
    op_id = request(play, EXPAND, volume);
    play_begin(play, op_id);
    play->engine.env.no_rebalance = no_rebalance;
    assert_true(play_run(play, FOREVER));
    assert_int_equal(store_volume(play->world.store, volume)->size_gib, 15);
    (void)play_trace(play);
    return volume;
}

/* The queue answers at once; the rebalance is an operation of its own until it is over. */
static void test_rebalance(void **state)
{
    struct play play;
    struct id op_id;
    uint64_t begin_ms;

    (void)state;
    (void)expanded(&play, false);
    assert_int_equal(store_operation(play.world.store, play.rebalance_id)->type, STORE_OP_REBALANCE);
    play.rebalancing = 3;
    op_id = play.rebalance_id;
    play_begin(&play, op_id);
    begin_ms = play.now_ms;
    assert_false(play_run(&play, ENGINE_POLL_MS));
    assert_string_equal(play.engine.steps[1].progress, "1 to go");
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_canonical(play_trace(&play)),
                        "rebalance-start@A rebalance-status@A rebalance-status@B rebalance-status@A "
                        "rebalance-status@B done");
    assert_true(play.now_ms - begin_ms >= UINT64_C(3) * ENGINE_POLL_MS);
    assert_false(store_job(play.world.store, op_id)->failed);
    play_fini(&play);

    (void)expanded(&play, true);
    assert_true(id_is_none(play.rebalance_id));
    assert_int_equal(store_counts(play.world.store).operations, 0);
    play_fini(&play);
}

static void test_rebalance_refused(void **state)
{
    struct play play;
    struct id op_id;

    (void)state;
    (void)expanded(&play, false);
    op_id = play.rebalance_id;
    play_order(&play, EXEC_REBALANCE_START, -1, 0, E_REMOTE, false);
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    assert_true(store_job(play.world.store, op_id)->failed);
    play_fini(&play);
}

/* The process that moves the files cannot be reached: that is not waited for without end. */
static void test_rebalance_unreachable(void **state)
{
    struct play play;
    struct id op_id;

    (void)state;
    (void)expanded(&play, false);
    op_id = play.rebalance_id;
    play_order(&play, EXEC_REBALANCE_STATUS, -1, 0, E_BUSY, false);
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    assert_true(store_job(play.world.store, op_id)->failed);
    play_fini(&play);
}

/* A question that fails now and then in a long time ends nothing. */
static void test_rebalance_of_days(void **state)
{
    struct play play;
    struct id op_id;

    (void)state;
    (void)expanded(&play, false);
    op_id = play.rebalance_id;
    play.rebalancing = 100;
    play_begin(&play, op_id);
    for (int i = 0; i < 5; i++) {
        play_order(&play, EXEC_REBALANCE_STATUS, -1, 1, E_REMOTE, false);
        assert_false(play_run(&play, 3 * ENGINE_POLL_MS));
    }
    assert_true(play_run(&play, FOREVER));
    assert_false(store_job(play.world.store, op_id)->failed);
    play_fini(&play);
}

/* A volume that is deleted meanwhile has nothing to rebalance. */
static void test_rebalance_of_the_deleted(void **state)
{
    struct id volume, delete_id;
    struct play play;

    (void)state;
    volume = expanded(&play, false);
    delete_id = request(&play, STORE_REQ_VOLUME_DELETE, volume);
    play.rebalancing = 1000;
    play_begin(&play, play.rebalance_id);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "done");
    assert_int_equal(world_end(&play.world, delete_id, NULL), STORE_OK);
    play_fini(&play);
}

/* ---- several expands of one volume ---- */

/* Bricks are made at the same time; Gluster gets them in the order of the record, whatever becomes of the first. */
static void test_order_of_expands(void **state)
{
    struct id volume, first, second;
    struct play play;

    (void)state;
    play_init(&play, 2);
    volume = world_volume(&play.world, 10, 2, "v");
    first = request(&play, EXPAND, volume);
    second = request_gib(&play, EXPAND, volume, 7);
    play_begin(&play, second);
    assert_false(play_run(&play, 10 * ENGINE_HOLD_MS));
    assert_string_equal(play_canonical(play_trace(&play)), "volume-look@A brick-create@A brick-create@B");
    assert_int_equal(world_end(&play.world, first, "it failed"), STORE_OK);
    assert_true(play_run(&play, FOREVER));
    assert_int_equal(store_counts(play.world.store).bricks, 4);
    assert_int_equal(store_volume(play.world.store, volume)->size_gib, 17);
    play_fini(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_rebalance),
        cmocka_unit_test(test_rebalance_refused),
        cmocka_unit_test(test_rebalance_of_the_deleted),
        cmocka_unit_test(test_rebalance_unreachable),
        cmocka_unit_test(test_rebalance_of_days),
        cmocka_unit_test(test_order_of_expands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Replacing a device and a node at their places, step by step, when all goes well and when it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/operations/work.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "tests/unit/operations/play.h"

#define FOREVER UINT64_C(36000000)

/* Three nodes with a brick each; the device of the brick of `lost` is replaced. */
static const struct store_volume *set_up(struct play *play, size_t *ret_lost)
{
    const struct store_volume *volume;
    struct id id;

    play_init(play, 3);
    world_level(&play->world, STORE_LEVEL_REPLACE);
    id = world_volume(&play->world, 10, 3, "v");
    volume = store_volume(play->world.store, id);
    *ret_lost = (size_t)play_index(play, store_device(play->world.store, volume->bricks[0].device)->node);
    return volume;
}

static struct id begin(struct play *play, enum store_request_type type, struct id target, const char *name, bool lost)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.lost = lost;
    free(request.device_name);
    request.device_name = mem_strdup(name);
    assert_int_equal(world_request(&play->world, &request), STORE_OK);
    return play->world.result.op_id;
}

static bool failed(const struct play *play, struct id op_id, const char *error)
{
    const struct store_job *job = store_job(play->world.store, op_id);

    assert_non_null(job);
    return job->failed && strstr(job->error, error) != NULL;
}

static void test_device(void **state)
{
    struct play play;
    size_t lost;
    struct id op_id;

    (void)state;
    (void)set_up(&play, &lost);
    op_id = begin(&play, STORE_REQ_DEVICE_REPLACE, play.devices[lost], "/dev/new", false);
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    /* A is the first that is asked, whichever that is; the lost one makes its bricks. */
    assert_non_null(strstr(play_trace(&play), "device-renew"));
    assert_false(failed(&play, op_id, ""));
    assert_string_equal(store_device(play.world.store, play.devices[lost])->name, "/dev/new");
    play_fini(&play);
}

/* Whoever may have the last copy is asked before anything is destroyed, and two have to say so. */
static void test_order(void **state)
{
    static const char *const order[] = {"device-lost", "heal-check",  "heal-check",   "device-renew",
                                        "moved",       "device-look", "brick-create", "brick-reset",
                                        "brick-sync",  "heal-wait",   "heal-wait",    "done"};
    struct play play;
    size_t lost;
    const char *at;

    (void)state;
    (void)set_up(&play, &lost);
    play_begin(&play, begin(&play, STORE_REQ_DEVICE_REPLACE, play.devices[lost], "", false));
    assert_true(play_run(&play, FOREVER));
    at = play_trace(&play);
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
        assert_int_equal(strncmp(at, order[i], strlen(order[i])), 0);
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    assert_string_equal(at, "");
    play_fini(&play);
}

/* The others do not have all: nothing is destroyed. */
static void test_no_good_copies(void **state)
{
    struct play play;
    size_t lost;
    struct id op_id;

    (void)state;
    (void)set_up(&play, &lost);
    play_order(&play, EXEC_HEAL_CHECK, -1, 0, E_REMOTE, true);
    op_id = begin(&play, STORE_REQ_DEVICE_REPLACE, play.devices[lost], "", false);
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    assert_null(strstr(play_trace(&play), "device-renew"));
    assert_true(failed(&play, op_id, "says"));
    assert_true(id_is_none(store_device(play.world.store, play.devices[lost])->pending));
    play_fini(&play);
}

/* It is not lost: refused with the node's words. */
static void test_intact(void **state)
{
    struct play play;
    size_t lost;
    struct id op_id;

    (void)state;
    (void)set_up(&play, &lost);
    play_order(&play, EXEC_DEVICE_LOST, (int)lost, 0, E_REMOTE, true);
    op_id = begin(&play, STORE_REQ_DEVICE_REPLACE, play.devices[lost], "", false);
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_canonical(play_trace(&play)), "device-lost@A undo failed");
    assert_true(failed(&play, op_id, "says"));
    play_fini(&play);
}

/* From then on it only goes forward: whatever fails is repeated, by whoever leads. */
static void test_forward(void **state)
{
    static const enum exec_step_kind kinds[] = {EXEC_DEVICE_LOOK, EXEC_BRICK_CREATE, EXEC_BRICK_RESET, EXEC_BRICK_SYNC,
                                                EXEC_HEAL_WAIT};
    static const int codes[] = {E_REMOTE, E_CONNECT, E_TIMEOUT, E_BUSY};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) * 4; i++) {
        struct play play;
        size_t lost;
        struct id op_id;

        (void)set_up(&play, &lost);
        play_order(&play, kinds[i / 4], -1, 7, codes[i % 4], codes[i % 4] == E_REMOTE);
        op_id = begin(&play, STORE_REQ_DEVICE_REPLACE, play.devices[lost], "", false);
        play_begin(&play, op_id);
        assert_false(play_run(&play, 2000)); /* the leader is gone */
        play_begin(&play, op_id);
        assert_true(play_run(&play, FOREVER));
        assert_false(failed(&play, op_id, ""));
        play_fini(&play);
    }
}

/* The volume is deleted meanwhile: there is nothing to make any more. */
static void test_volume_goes(void **state)
{
    struct play play;
    const struct store_volume *volume;
    struct engine_action action;
    struct id op_id, id;
    size_t lost;

    (void)state;
    volume = set_up(&play, &lost);
    id = volume->id;
    op_id = begin(&play, STORE_REQ_DEVICE_REPLACE, play.devices[lost], "", false);
    play_begin(&play, op_id);
    while (store_operation(play.world.store, op_id)->phase == STORE_OP_FORWARD) {
        while (play_next(&play, &action) && action.kind != ENGINE_RUN) {
        }
        if (action.kind == ENGINE_RUN) {
            play_answer(&play, action.step, 0, false);
        }
    }
    assert_int_equal(world_target(&play.world, STORE_REQ_VOLUME_DELETE, id), STORE_OK);
    assert_int_equal(world_end(&play.world, play.world.result.op_id, NULL), STORE_OK);
    assert_true(play_run(&play, FOREVER));
    assert_null(strstr(play_trace(&play), "brick-create"));
    assert_false(failed(&play, op_id, ""));
    play_fini(&play);
}

/* There is nothing to heal from, nor to ask about. */
static void test_last_copy(void **state)
{
    const struct store_volume *volume;
    struct play play;
    struct id op_id, device;
    char *trace;

    (void)state;
    play_init(&play, 3);
    world_level(&play.world, STORE_LEVEL_REPLACE);
    volume = store_volume(play.world.store, world_volume(&play.world, 10, 1, "v"));
    device = volume->bricks[0].device;
    op_id = begin(&play, STORE_REQ_DEVICE_REPLACE, device, "", true);
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    trace = mem_strdup(play_trace(&play));
    assert_null(strstr(trace, "heal"));
    assert_non_null(strstr(trace, "brick-reset"));
    free(trace);
    play_fini(&play);
}

static void test_node(void **state)
{
    struct play play;
    struct id op_id, part;
    size_t lost;

    (void)state;
    (void)set_up(&play, &lost);
    op_id = begin(&play, STORE_REQ_NODE_REPLACE, play.nodes[lost], "", false);
    play_begin(&play, op_id);
    assert_false(play_run(&play, FOREVER));
    part = play.follow_id;
    play_begin(&play, part);
    assert_true(play_run(&play, FOREVER));
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    assert_false(failed(&play, op_id, ""));
    assert_int_equal(store_counts(play.world.store).operations, 0);
    play_fini(&play);
}

/* Nobody answers there: it ends, and says so. */
static void test_node_silent(void **state)
{
    struct play play;
    struct id op_id;
    size_t lost;

    (void)state;
    (void)set_up(&play, &lost);
    play_order(&play, EXEC_NODE_RENEW, (int)lost, 0, E_CONNECT, false);
    op_id = begin(&play, STORE_REQ_NODE_REPLACE, play.nodes[lost], "", false);
    play_begin(&play, op_id);
    assert_true(play_run(&play, FOREVER));
    assert_true(failed(&play, op_id, "says"));
    assert_true(id_is_none(store_node(play.world.store, play.nodes[lost])->pending));
    play_fini(&play);
}

/* What the executor gets: the new disk, what belongs together, who is asked for the old identity. */
static void test_work(void **state)
{
    struct play play;
    struct op_work work;
    struct engine_step step = {.kind = EXEC_NODE_RENEW};
    struct id op_id;
    size_t lost;

    (void)state;
    (void)set_up(&play, &lost);
    op_id = begin(&play, STORE_REQ_NODE_REPLACE, play.nodes[lost], "", false);
    step.node = step.object = play.nodes[lost];
    assert_true(op_work_init(&work, play.world.store, op_id, &step));
    assert_int_equal(work.exec.hosts->n, 2);
    assert_string_equal(work.exec.peer, store_node(play.world.store, play.nodes[lost])->storage.items[0]);
    assert_true(id_equal(work.exec.renewal, op_id));
    op_work_fini(&work);
    play_fini(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device),    cmocka_unit_test(test_order),   cmocka_unit_test(test_no_good_copies),
        cmocka_unit_test(test_intact),    cmocka_unit_test(test_forward), cmocka_unit_test(test_volume_goes),
        cmocka_unit_test(test_last_copy), cmocka_unit_test(test_node),    cmocka_unit_test(test_node_silent),
        cmocka_unit_test(test_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A volume asked for without a name: told, taken over by a repetition, and neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/level.h"
#include "store/load.h"
#include "store/store_priv.h"
#include "tests/unit/store/world.h"

static struct world world;
static struct id is_asked; /* for this queue id */

static bool asked(void *user, struct id op_id)
{
    (void)user;
    return id_equal(op_id, is_asked);
}

static int setup(void **state)
{
    (void)state;
    world_init(&world, 7);
    (void)world_topology(&world, 3, 1000 * GIB, NULL, NULL);
    world_level(&world, STORE_LEVEL_TAKE_OVER);
    world.env.asked = asked;
    is_asked = ID_NONE;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

static void as_kubernetes(struct store_request *request, int64_t gid)
{
    world_volume_request(request, 1, 3, "");
    request->volume.gid = gid;
}

/* The queue id; the volume is in world.result. */
static struct id create(int64_t gid)
{
    struct store_request request;

    as_kubernetes(&request, gid);
    assert_int_equal(world_request(&world, &request), STORE_OK);
    return world.result.op_id;
}

static enum store_code told(struct id volume)
{
    return world_target(&world, STORE_REQ_TOLD, volume);
}

static void assert_taken_over(struct id op_id)
{
    const struct store_operation *op = store_operation(world.store, op_id);
    const struct store_job *job = store_job(world.store, op_id);

    if (op != NULL) {
        assert_false(id_is_none(op->answers));
    } else {
        assert_true(job->failed);
        assert_string_equal(job->error, STORE_TEXT_TAKEN_OVER);
    }
}

static void assert_made(struct id op_id, struct id volume)
{
    const struct store_job *job = store_job(world.store, op_id);

    assert_non_null(job);
    assert_false(job->failed);
    assert_int_equal(job->resource, STORE_RES_VOLUME);
    assert_true(id_equal(job->resource_id, volume));
    assert_true(id_equal(store_volume(world.store, volume)->created_by, op_id));
}

static void test_of_one_that_is_made(void **state)
{
    struct id first = create(2000), volume = world.result.id, second;

    (void)state;
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    assert_made(first, volume);
    second = create(2000);
    assert_true(id_equal(world.result.id, volume));
    assert_false(id_equal(second, first));
    assert_taken_over(first);
    assert_made(second, volume);
    assert_int_equal(store_counts(world.store).volumes, 1);
    assert_int_equal(told(volume), STORE_OK);
    assert_int_equal(told(volume), STORE_REPEATED);
    (void)create(2000); /* it has an owner now */
    assert_false(id_equal(world.result.id, volume));
}

static void test_of_one_that_is_being_made(void **state)
{
    struct id first = create(2000), volume = world.result.id, second = create(2000), third = create(2000);

    (void)state;
    assert_true(id_equal(world.result.id, volume));
    assert_taken_over(first);
    assert_taken_over(second);
    assert_true(id_equal(store_operation_answering(world.store, third)->id, first));
    assert_null(store_operation_answering(world.store, second));
    assert_int_equal(store_counts(world.store).operations, 1);
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    assert_taken_over(first);
    assert_taken_over(second);
    assert_made(third, volume);
}

static void test_of_one_that_fails(void **state)
{
    struct id first = create(2000), second = create(2000), third;
    struct store_cmd cmd;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_OP_UNDO);
    cmd.op_id = first;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    third = create(2000); /* a new one */
    assert_non_null(store_operation(world.store, third));
    assert_int_equal(world_end(&world, first, "no disk"), STORE_OK);
    assert_taken_over(first);
    assert_string_equal(store_job(world.store, second)->error, "no disk");
    assert_int_equal(store_counts(world.store).volumes, 1);
}

static void test_not_taken_over(void **state)
{
    struct id first = create(2000), volume = world.result.id;
    struct store_request request;

    (void)state;
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    (void)create(2001); /* another claim's */
    assert_false(id_equal(world.result.id, volume));
    is_asked = first;
    (void)create(2000);
    assert_false(id_equal(world.result.id, volume));
    is_asked = ID_NONE;
    as_kubernetes(&request, 2000); /* whoever names his requests tells them apart himself */
    free(request.key);
    request.key = mem_strdup("mine");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_false(id_equal(world.result.id, volume));
    as_kubernetes(&request, 2000);
    request.volume.size_gib = 2;
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_false(id_equal(world.result.id, volume));
    assert_made(first, volume);
}

/* Nobody says to whom it belongs: there may be two of the same. */
static void test_without_gid_or_with_a_name(void **state)
{
    struct id first = create(0), volume = world.result.id;

    (void)state;
    assert_false(store_volume(world.store, volume)->untold);
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    (void)create(0);
    assert_false(id_equal(world.result.id, volume));
    assert_false(store_volume(world.store, world_volume(&world, 1, 3, "named"))->untold);
}

/* Who does something with a volume knows it. */
static void test_used(void **state)
{
    struct id first = create(2000), volume = world.result.id;
    struct store_request request;

    (void)state;
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = volume;
    request.volume.size_gib = 1;
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_false(store_volume(world.store, volume)->untold);
    (void)create(2000);
    assert_false(id_equal(world.result.id, volume));
}

static void test_deleted(void **state)
{
    struct id first = create(2000), volume = world.result.id, gone;

    (void)state;
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume), STORE_OK);
    gone = world.result.op_id;
    (void)create(2000);
    assert_false(id_equal(world.result.id, volume));
    assert_int_equal(world_end(&world, gone, NULL), STORE_OK);
    assert_int_equal(told(volume), STORE_NOT_FOUND);
}

/* Planned before somebody was told, or before another repetition came: apply decides. */
static void test_planned_meanwhile(void **state)
{
    struct id first = create(2000), volume = world.result.id;
    struct store_cmd cmds[3];

    (void)state;
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    for (size_t i = 0; i < 3; i++) {
        struct store_request request;

        as_kubernetes(&request, 2000);
        assert_int_equal(world_plan(&world, &request, &cmds[i]), STORE_OK);
        assert_int_equal(cmds[i].type, STORE_CMD_TAKE_OVER);
    }
    assert_int_equal(world_apply(&world, &cmds[0]), STORE_OK);
    assert_int_equal(world_apply(&world, &cmds[1]), STORE_STALE_PLAN);
    assert_made(cmds[0].op_id, volume);
    assert_int_equal(told(volume), STORE_OK);
    assert_int_equal(world_apply(&world, &cmds[2]), STORE_STALE_PLAN);
    assert_made(cmds[0].op_id, volume);
    for (size_t i = 0; i < 3; i++) {
        store_cmd_fini(&cmds[i]);
    }
}

/* Members of the first level know neither the commands nor the mark. */
static void test_first_level(void **state)
{
    struct store_cmd cmd;
    struct id first;

    (void)state;
    world_fini(&world);
    world_init(&world, 7);
    (void)world_topology(&world, 3, 1000 * GIB, NULL, NULL);
    world.env.asked = asked;
    first = create(2000);
    assert_false(store_volume(world.store, world.result.id)->untold);
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    assert_non_null(store_operation(world.store, create(2000)));
    for (unsigned i = 0; i < 2; i++) {
        store_cmd_init(&cmd, i == 0 ? STORE_CMD_TOLD : STORE_CMD_TAKE_OVER);
        cmd.target = world.result.id;
        assert_refused(world_apply(&world, &cmd), STORE_BAD_REQUEST, "This needs feature level 2; the cluster is at 1");
        store_cmd_fini(&cmd);
    }
}

/* An id that answers for an operation is in use, whoever else would like to have it. */
static void test_ids(void **state)
{
    struct id first = create(2000), second = create(2000);
    struct store_request request;
    struct store_cmd cmd;

    (void)state;
    as_kubernetes(&request, 2001);
    assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
    cmd.op_id = second;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    store_cmd_fini(&cmd);
    as_kubernetes(&request, 2000);
    assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
    assert_int_equal(cmd.type, STORE_CMD_TAKE_OVER);
    cmd.op_id = first;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    cmd.op_id = second;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    store_cmd_fini(&cmd);
}

/* By way of a follower, which gives it a key: a repetition of that one is the same request, not a second one. */
static void test_key_of_a_member(void **state)
{
    struct id first, volume, second;
    struct store_request request;

    (void)state;
    first = create(2000);
    volume = world.result.id;
    for (unsigned i = 0; i < 2; i++) {
        as_kubernetes(&request, 2000);
        free(request.key);
        request.key = mem_strdup("forward-1");
        request.key_made = true;
        assert_int_equal(world_request(&world, &request), i == 0 ? STORE_OK : STORE_REPEATED);
        assert_true(id_equal(world.result.id, volume));
        second = i == 0 ? world.result.op_id : second;
        assert_true(id_equal(world.result.op_id, second));
    }
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    assert_made(second, volume);
}

/* What a snapshot brings from a member that lies: no two have one queue id. */
static void test_operation_with_the_id_of_another(void **state)
{
    struct id first = create(2000), other = create(2001);
    struct store_operation next = find_op(world.store, first)->rec;

    (void)state;
    next.answers = other;
    remove_op(world.store, find_op(world.store, first));
    assert_int_not_equal(insert_op(world.store, &next, NULL), 0);
    next.answers = first;
    assert_int_not_equal(insert_op(world.store, &next, NULL), 0);
    next.answers = ID_NONE;
    assert_int_equal(insert_op(world.store, &next, NULL), 0);
}

/* Whoever was told of it after the backup was made is not known to the database that is restored. */
static void test_restored(void **state)
{
    struct store_loader *loader;
    struct world restored;
    struct store_cmd cmd;
    struct id volume;

    (void)state;
    (void)create(2000);
    volume = world.result.id;
    assert_true(store_volume(world.store, volume)->untold);
    world_init(&restored, 4);
    loader = store_loader_new(world.store, (struct id){{7}}, STORE_LOAD_PART_BYTES);
    while (store_loader_next(loader, &cmd)) {
        assert_int_equal(world_apply(&restored, &cmd), STORE_OK);
        store_cmd_fini(&cmd);
    }
    store_loader_free(loader);
    assert_false(store_volume(restored.store, volume)->untold);
    world_fini(&restored);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_of_one_that_is_made),
        T(test_of_one_that_is_being_made),
        T(test_of_one_that_fails),
        T(test_not_taken_over),
        T(test_without_gid_or_with_a_name),
        T(test_used),
        T(test_deleted),
        T(test_planned_meanwhile),
        T(test_first_level),
        T(test_ids),
        T(test_key_of_a_member),
        T(test_operation_with_the_id_of_another),
        T(test_restored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is set for the whole cluster, and jobs that are done at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/store/world.h"

static enum store_code set(struct world *world, enum store_mode mode, uint32_t log_level)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_SETTINGS);
    cmd.settings.mode = mode;
    cmd.settings.log_level = log_level;
    code = world_apply(world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

static void expect(const struct world *world, enum store_mode mode, uint32_t log_level)
{
    assert_int_equal(store_settings(world->store)->mode, mode);
    assert_int_equal(store_settings(world->store)->log_level, log_level);
}

static void what_is_not_given_stays(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, 1);
    expect(&world, STORE_MODE_UNSET, 0);
    assert_int_equal(set(&world, STORE_MODE_READ_ONLY, 0), STORE_OK);
    expect(&world, STORE_MODE_READ_ONLY, 0);
    assert_int_equal(set(&world, STORE_MODE_UNSET, 5), STORE_OK);
    expect(&world, STORE_MODE_READ_ONLY, 5);
    assert_int_equal(set(&world, STORE_MODE_NORMAL, 0), STORE_OK);
    expect(&world, STORE_MODE_NORMAL, 5);
    assert_int_equal(set(&world, STORE_MODE_READ_ONLY, 7), STORE_BAD_REQUEST);
    expect(&world, STORE_MODE_NORMAL, 5);
    world_fini(&world);
}

static void settings_travel_in_snapshots(void **state)
{
    struct store_snapshot *snapshot;
    struct buf bytes = BUF_INIT;
    struct err err = ERR_INIT;
    struct store *copy;
    struct world world;

    (void)state;
    world_init(&world, 2);
    world_cluster(&world);
    assert_int_equal(set(&world, STORE_MODE_LOCAL_CLIENT, 3), STORE_OK);
    snapshot = store_snapshot_take(world.store);
    store_snapshot_encode(snapshot, &bytes);
    store_snapshot_free(snapshot);
    assert_int_equal(store_snapshot_decode(bytes.data, bytes.len, &copy, &err), 0);
    assert_int_equal(store_settings(copy)->mode, STORE_MODE_LOCAL_CLIENT);
    assert_int_equal(store_settings(copy)->log_level, 3);
    assert_true(digests_equal(copy, world.store));
    store_free(copy);
    buf_fini(&bytes);
    world_fini(&world);
}

static void a_clean_up_is_a_job_that_is_done(void **state)
{
    const struct store_job *job;
    struct store_cmd cmd;
    struct world world;

    (void)state;
    world_init(&world, 3);
    assert_int_equal(world_target(&world, STORE_REQ_CLEANUP, ID_NONE), STORE_OK);
    job = store_job(world.store, world.result.op_id);
    assert_non_null(job);
    assert_false(job->failed);
    assert_int_equal(job->resource, STORE_RES_NONE);
    assert_int_equal(job->ended_ms, world.env.now_ms);

    store_cmd_init(&cmd, STORE_CMD_JOB); /* the same command again */
    cmd.op_id = world.result.op_id;
    assert_int_equal(world_apply(&world, &cmd), STORE_REPEATED);
    cmd.op_id = ID_NONE;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    store_cmd_fini(&cmd);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_stays),
        cmocka_unit_test(settings_travel_in_snapshots),
        cmocka_unit_test(a_clean_up_is_a_job_that_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

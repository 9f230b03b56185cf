/* What is set for the whole cluster, and jobs that are done at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/crc32c.h"
#include "store/level.h"
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

/* Not through the codec, which refuses what this release does not know. */
static enum store_code raise_level(struct world *world, uint32_t level)
{
    struct store_cmd cmd;

    store_cmd_init(&cmd, STORE_CMD_LEVEL);
    cmd.settings.feature_level = level;
    store_apply(world->store, ++world->index, &cmd, &world->result);
    store_cmd_fini(&cmd);
    return world->result.code;
}

static enum store_code hold_level(struct world *world, enum store_hold hold)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_SETTINGS);
    cmd.settings.hold = hold;
    code = world_apply(world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

static void levels_follow_each_other_unless_held(void **state)
{
    uint32_t next = STORE_LEVEL_MIN + 1;
    struct world world;

    (void)state;
    world_init(&world, 3);
    assert_int_equal(store_level(world.store), STORE_LEVEL_MIN);
    assert_int_equal(raise_level(&world, STORE_LEVEL_MIN), STORE_CONFLICT);
    assert_int_equal(raise_level(&world, next + 1), STORE_CONFLICT);
    assert_int_equal(hold_level(&world, STORE_HOLD_ON), STORE_OK);
    assert_int_equal(raise_level(&world, next), STORE_CONFLICT);
    assert_string_equal(world.result.text, "The feature level is held at 1");
    assert_int_equal(hold_level(&world, STORE_HOLD_OFF), STORE_OK);
    assert_int_equal(set(&world, STORE_MODE_NORMAL, 0), STORE_OK); /* other settings leave it alone */
    assert_int_equal(store_settings(world.store)->hold, STORE_HOLD_OFF);
    assert_int_equal(raise_level(&world, next), STORE_OK);
    assert_int_equal(store_level(world.store), next);
    assert_int_equal(raise_level(&world, next), STORE_CONFLICT);
    world_fini(&world);
}

/* Of a later release: the member must stop, never skip. */
static void later_levels_are_refused(void **state)
{
    struct store_snapshot *snapshot;
    struct buf bytes = BUF_INIT, command = BUF_INIT;
    struct err err = ERR_INIT;
    struct store *copy;
    struct store_cmd cmd, decoded;
    struct world world;
    uint32_t crc;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_LEVEL);
    cmd.settings.feature_level = STORE_LEVEL_MAX + 1;
    store_cmd_encode(&cmd, &command);
    assert_int_equal(store_cmd_decode(command.data, command.len, &decoded, &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "feature level"));
    world_init(&world, 4);
    snapshot = store_snapshot_take(world.store);
    store_snapshot_encode(snapshot, &bytes);
    assert_int_equal(bytes.data[12], STORE_LEVEL_MIN);
    bytes.data[12] = STORE_LEVEL_MAX + 1;
    crc = crc32c(0, bytes.data, bytes.len - 4);
    for (int i = 0; i < 4; i++) {
        bytes.data[bytes.len - 4 + (size_t)i] = (char)(crc >> (8 * i));
    }
    assert_int_equal(store_snapshot_decode(bytes.data, bytes.len, &copy, &err), E_UNSUPPORTED);
    store_snapshot_free(snapshot);
    buf_fini(&bytes);
    buf_fini(&command);
    store_cmd_fini(&cmd);
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
        cmocka_unit_test(what_is_not_given_stays),          cmocka_unit_test(levels_follow_each_other_unless_held),
        cmocka_unit_test(later_levels_are_refused),         cmocka_unit_test(settings_travel_in_snapshots),
        cmocka_unit_test(a_clean_up_is_a_job_that_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

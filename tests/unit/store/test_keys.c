/* Request keys: what clients can make the database remember, and how much of it one command may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/store_priv.h"
#include "tests/unit/store/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_init(&world, 5);
    (void)world_topology(&world, 3, 10000 * GIB, NULL, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

/* ---- request keys ---- */

static void keyed(struct store_request *request, const char *name, size_t key, bool made)
{
    world_volume_request(request, 1, 3, name);
    free(request->key);
    request->key = mem_printf("%s-%zu", name, key);
    request->key_made = made;
}

static enum store_code create_keyed(const char *name, size_t key, bool made)
{
    struct store_request request;

    keyed(&request, name, key, made);
    return world_request(&world, &request);
}

static void plan_keyed(const char *name, size_t key, bool made, struct store_cmd *ret_cmd)
{
    struct store_request request;

    keyed(&request, name, key, made);
    assert_int_equal(world_plan(&world, &request, ret_cmd), STORE_OK);
    assert_int_equal(ret_cmd->type, STORE_CMD_REPEAT);
}

#define TOO_MANY "This was asked for with 64 idempotency keys already: repeat it with one of them, or without"

static void keys_of_a_job_are_bounded(void **state)
{
    struct id volume = world_volume(&world, 1, 3, "v"), op = world.result.op_id;

    (void)state;
    for (size_t i = 0; i < STORE_JOB_KEYS_MAX; i++) {
        assert_int_equal(create_keyed("v", i, i % 2 == 0), STORE_OK);
    }
    assert_refused(create_keyed("v", 1000, false), STORE_CONFLICT, TOO_MANY);
    assert_int_equal(create_keyed("v", 1, false), STORE_REPEATED); /* one of those */
    assert_int_equal(create_keyed("v", 1000, true), STORE_REPEATED);
    assert_true(id_equal(world.result.op_id, op));
    assert_int_equal(world_create(&world, 1, 3, "v"), STORE_REPEATED); /* without one */
    assert_int_equal(world.store->n_keys, STORE_JOB_KEYS_MAX);
    assert_int_equal(create_keyed("other", 1, false), STORE_OK); /* another one's are its own */
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume), STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    assert_int_equal(create_keyed("v", 1, false), STORE_REPEATED); /* still the first one's, though it is gone */
}

/* Several are planned before the first is applied. A log of level 1 is applied as it was. */
static void keys_planned_meanwhile(void **state)
{
    struct store_cmd cmds[5];

    (void)state;
    (void)world_volume(&world, 1, 3, "v");
    for (size_t i = 0; i < STORE_JOB_KEYS_MAX - 1; i++) {
        assert_int_equal(create_keyed("v", i, false), STORE_OK);
    }
    for (size_t i = 0; i < 5; i++) {
        plan_keyed("v", 1000 + i, i % 2 == 1, &cmds[i]);
    }
    assert_int_equal(world_apply(&world, &cmds[0]), STORE_OK);
    assert_int_equal(world_apply(&world, &cmds[1]), STORE_OK);
    assert_int_equal(world_apply(&world, &cmds[2]), STORE_OK);
    world_level(&world, 2);
    assert_int_equal(world_apply(&world, &cmds[3]), STORE_STALE_PLAN);
    assert_refused(world_apply(&world, &cmds[4]), STORE_CONFLICT, TOO_MANY);
    assert_int_equal(world.store->n_keys, STORE_JOB_KEYS_MAX + 2);
    for (size_t i = 0; i < 5; i++) {
        store_cmd_fini(&cmds[i]);
    }
}

static void keys_are_bounded_in_all(void **state)
{
    struct store_request_key key = {.op_id = {{0xee}}};

    (void)state;
    (void)world_volume(&world, 1, 3, "v");
    for (size_t i = 0; i < STORE_KEYS_MAX; i++) { /* as an older release left them */
        CLEANUP(free_ptr) char *text = mem_printf("old-%zu", i);

        key.key = text;
        key.id = fingerprint_key(text);
        assert_int_equal(insert_key(world.store, &key, NULL), 0);
    }
    world.unchecked = true; /* there is no such operation */
    assert_refused(create_keyed("v", 1, false), STORE_TOO_BUSY,
                   "65536 idempotency keys are remembered: repeat this later, or with the first one's, or without");
    assert_int_equal(create_keyed("v", 1, true), STORE_REPEATED);
    assert_int_equal(create_keyed("w", 1, false), STORE_OK); /* one key for one operation */
}

static size_t expire(void)
{
    struct store_cmd cmd;
    size_t before = world.store->n_keys + world.store->counts.jobs;

    store_cmd_init(&cmd, STORE_CMD_EXPIRE_JOBS);
    cmd.time_ms = world.env.now_ms + 1;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    return before - world.store->n_keys - world.store->counts.jobs;
}

/* More keys than one command may forget. */
static void fill_keys(void)
{
    world.unchecked = true;
    for (size_t i = 0; i < 2 + STORE_EXPIRE_MAX / STORE_JOB_KEYS_MAX; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%zu", i);

        (void)world_volume(&world, 1, 3, name);
        for (size_t k = 0; k < STORE_JOB_KEYS_MAX; k++) {
            assert_int_equal(create_keyed(name, k, false), STORE_OK);
        }
    }
    world.unchecked = false;
}

static void expiry_counts_keys(void **state)
{
    size_t all, first;

    (void)state;
    fill_keys();
    world_level(&world, 2);
    all = world.store->n_keys + world.store->counts.jobs;
    first = expire();
    assert_in_range(first, STORE_EXPIRE_MAX, STORE_EXPIRE_MAX + 1);
    assert_true(store_jobs_oldest_ms(world.store) <= world.env.now_ms); /* so there is more to forget */
    assert_int_equal(expire(), all - first);
    assert_int_equal(world.store->n_keys, 0);
    assert_int_equal(expire(), 0);
}

static void expiry_of_the_first_level(void **state)
{
    (void)state;
    fill_keys();
    assert_true(expire() > STORE_EXPIRE_MAX + 1);
    assert_int_equal(world.store->n_keys, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_of_a_job_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_planned_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_bounded_in_all, setup, teardown),
        cmocka_unit_test_setup_teardown(expiry_counts_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(expiry_of_the_first_level, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Volumes and operations: what apply accepts, refuses and remembers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/level.h"
#include "tests/unit/store/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_init(&world, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

static const struct id UNKNOWN = {{0xee, 1}};

#define EXPECT(code_, ...)                                       \
    do {                                                         \
        CLEANUP(free_ptr) char *text_ = mem_printf(__VA_ARGS__); \
        assert_int_equal(world.result.code, (code_));            \
        assert_string_equal(world.result.text, text_);           \
    } while (0)

static enum store_code apply_op(enum store_cmd_type type, struct id op_id, const char *text)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, type);
    cmd.op_id = op_id;
    free(cmd.text);
    cmd.text = mem_strdup(text);
    code = world_apply(&world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

static void plan_create(uint32_t size_gib, uint32_t replica, const char *name, struct store_cmd *ret_cmd)
{
    struct store_request request;

    world_volume_request(&request, size_gib, replica, name);
    assert_int_equal(world_plan(&world, &request, ret_cmd), STORE_OK);
}

static void test_create(void **state)
{
    struct id devices[3], op, volume_id;
    struct id cluster = world_topology(&world, 3, 100 * GIB, NULL, devices);
    const struct store_volume *volume;

    (void)state;
    assert_int_equal(world_create(&world, 10, 3, "media"), STORE_OK);
    op = world.result.op_id;
    volume_id = world.result.id;
    volume = store_volume(world.store, volume_id);
    assert_ptr_equal(store_volume_by_name(world.store, cluster, "media"), volume);
    assert_true(id_equal(volume->pending, op));
    assert_true(id_equal(volume->created_by, op));
    assert_int_equal(volume->n_bricks, 3);
    assert_true(volume->snapshot_factor == 1);
    assert_int_equal(volume->options.n, 2);
    for (size_t i = 0; i < 3; i++) {
        const struct store_brick *brick = &volume->bricks[i];
        CLEANUP(free_ptr) char *pool = mem_printf("tp_%s", id_text(brick->id).text);

        assert_true(id_equal(brick->pending, op));
        assert_true(id_equal(brick->volume, volume_id));
        assert_int_equal(brick->size_kib, 10 * GIB);
        assert_int_equal(brick->meta_kib, 53248);
        assert_string_equal(brick->pool, pool);
        assert_int_equal(store_device_used_kib(world.store, brick->device), 10485760 + 53248);
        assert_ptr_equal(store_brick(world.store, brick->id), brick);
        assert_ptr_equal(store_device_brick_next(world.store, brick->device, NULL), brick);
        assert_null(store_device_brick_next(world.store, brick->device, brick));
    }
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    volume = store_volume(world.store, volume_id);
    assert_true(id_is_none(volume->pending));
    assert_true(id_is_none(volume->bricks[0].pending));
    assert_int_equal(store_job(world.store, op)->resource, STORE_RES_VOLUME);
    assert_true(id_equal(store_job(world.store, op)->resource_id, volume_id));
    assert_int_equal(store_counts(world.store).bricks, 3);
    assert_ptr_equal(store_cluster_volume_next(world.store, cluster, NULL), volume);
    assert_null(store_brick(world.store, UNKNOWN));
}

static void test_create_failed(void **state)
{
    struct id devices[3], op;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, devices);
    assert_int_equal(world_create(&world, 10, 3, ""), STORE_OK);
    op = world.result.op_id;
    {
        CLEANUP(free_ptr) char *name = mem_printf("vol_%s", id_text(world.result.id).text);

        assert_string_equal(store_volume(world.store, world.result.id)->name, name);
    }
    assert_int_equal(apply_op(STORE_CMD_OP_UNDO, op, "lvcreate: bad disk"), STORE_OK);
    assert_int_equal(store_operation(world.store, op)->phase, STORE_OP_UNDO);
    assert_string_equal(store_operation(world.store, op)->reason, "lvcreate: bad disk");
    assert_int_equal(apply_op(STORE_CMD_OP_UNDO, op, "second"), STORE_REPEATED); /* the first reason stays */
    assert_string_equal(store_operation(world.store, op)->reason, "lvcreate: bad disk");
    assert_int_equal(world_end(&world, op, NULL), STORE_CONFLICT); /* what is undone does not end well */
    assert_int_equal(world_end(&world, op, ""), STORE_OK);         /* no text: the reason */
    assert_string_equal(store_job(world.store, op)->error, "lvcreate: bad disk");
    assert_int_equal(store_counts(world.store).volumes, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(store_device_used_kib(world.store, devices[i]), 0);
    }
    assert_int_equal(world_end(&world, op, ""), STORE_REPEATED);
    assert_int_equal(apply_op(STORE_CMD_OP_UNDO, op, "x"), STORE_REPEATED);
    assert_int_equal(apply_op(STORE_CMD_OP_UNDO, UNKNOWN, "x"), STORE_NOT_FOUND);
    assert_int_equal(apply_op(STORE_CMD_OP_PARKED, UNKNOWN, ""), STORE_NOT_FOUND);
    assert_int_equal(world_end(&world, UNKNOWN, NULL), STORE_NOT_FOUND);
}

static void test_end_without_text(void **state)
{
    (void)state;
    (void)world_topology(&world, 1, 100 * GIB, NULL, NULL);
    assert_int_equal(world_create(&world, 1, 0, ""), STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, ""), STORE_OK);
    assert_string_equal(store_job(world.store, world.result.op_id)->error, "The operation failed");
}

static void test_name_in_use(void **state)
{
    struct store_cmd one, two;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    plan_create(1, 3, "v", &one);
    plan_create(2, 3, "v", &two); /* planned before the first one was applied */
    assert_int_equal(world_apply(&world, &one), STORE_OK);
    (void)world_apply(&world, &two);
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: Volume name 'v' already in use");
    store_cmd_fini(&one);
    store_cmd_fini(&two);
    (void)world_create(&world, 2, 3, "v");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: Volume name 'v' already in use");
}

/* Promise 6: the same explicit name and parameters give the first one's answer. */
static void test_name_repeated(void **state)
{
    struct id op, volume;
    struct store_cmd one, two;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    plan_create(1, 3, "v", &one);
    plan_create(1, 3, "v", &two);
    assert_int_equal(world_apply(&world, &one), STORE_OK);
    op = world.result.op_id;
    volume = world.result.id;
    assert_int_equal(world_apply(&world, &two), STORE_REPEATED); /* a race */
    assert_true(id_equal(world.result.op_id, op));
    assert_true(id_equal(world.result.id, volume));
    store_cmd_fini(&one);
    store_cmd_fini(&two);
    assert_int_equal(world_create(&world, 1, 3, "v"), STORE_REPEATED); /* pending */
    assert_true(id_equal(world.result.op_id, op));
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    assert_int_equal(world_create(&world, 1, 3, "v"), STORE_REPEATED); /* ended */
    assert_true(id_equal(world.result.op_id, op));
    assert_true(id_equal(world.result.id, volume));
    assert_int_equal(world_create(&world, 1, 2, "v"), STORE_NO_ALLOCATION); /* other parameters */
    assert_int_equal(store_counts(world.store).volumes, 1);
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume), STORE_OK); /* going: not repeated */
    assert_int_equal(world_create(&world, 1, 3, "v"), STORE_NO_ALLOCATION);
    assert_int_equal(world_end(&world, store_volume(world.store, volume)->pending, NULL), STORE_OK);
    assert_int_equal(world_create(&world, 1, 3, "v"), STORE_OK); /* gone: a new one */
    assert_false(id_equal(world.result.id, volume));
}

static void expire(int64_t time_ms)
{
    struct store_cmd cmd;

    store_cmd_init(&cmd, STORE_CMD_EXPIRE_JOBS);
    cmd.time_ms = time_ms;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
}

static void test_name_repeated_after_expiry(void **state)
{
    struct id op, volume, second;
    struct store_request request;
    struct store_cmd cmd, stale;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    plan_create(1, 3, "v", &stale);
    volume = world_volume(&world, 1, 3, "v");
    op = world.result.op_id;
    assert_int_equal(store_jobs_oldest_ms(world.store), world.env.now_ms);
    expire(world.env.now_ms); /* before, not at */
    assert_non_null(store_job(world.store, op));
    expire(world.env.now_ms + 1);
    assert_null(store_job(world.store, op));
    assert_int_equal(store_jobs_oldest_ms(world.store), INT64_MAX);
    stale.op_id = world_id(&world);
    assert_int_equal(world_apply(&world, &stale), STORE_STALE_PLAN); /* plan again: then it is a repeat */
    store_cmd_fini(&stale);
    world_volume_request(&request, 1, 3, "v");
    assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
    assert_int_equal(cmd.type, STORE_CMD_REPEAT);
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    second = world.result.op_id;
    assert_true(id_equal(world.result.id, volume));
    assert_false(id_equal(second, op));
    assert_int_equal(store_job(world.store, second)->resource, STORE_RES_VOLUME);
    assert_true(id_equal(store_job(world.store, second)->resource_id, volume));
    assert_false(store_job(world.store, second)->failed);
    cmd.op_id = world_id(&world);
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN); /* there is a job already */
    store_cmd_fini(&cmd);
    assert_int_equal(world_create(&world, 1, 3, "v"), STORE_REPEATED); /* from now on that one answers */
    assert_true(id_equal(world.result.op_id, second));
    assert_int_equal(store_counts(world.store).volumes, 1);
}

static enum store_code create_with_key(uint32_t size_gib, const char *name, const char *key)
{
    struct store_request request;

    world_volume_request(&request, size_gib, 3, name);
    free(request.key);
    request.key = mem_strdup(key);
    return world_request(&world, &request);
}

static void test_request_key(void **state)
{
    struct id op, volume;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    assert_int_equal(create_with_key(1, "", "k1"), STORE_OK);
    op = world.result.op_id;
    volume = world.result.id;
    assert_int_equal(create_with_key(1, "", "k1"), STORE_REPEATED);
    assert_true(id_equal(world.result.op_id, op));
    assert_true(id_equal(world.result.id, volume));
    (void)create_with_key(2, "", "k1");
    EXPECT(STORE_CONFLICT, "The idempotency key was used before for another request");
    assert_int_equal(create_with_key(1, "", "k2"), STORE_OK); /* another key, another volume */
    assert_int_equal(world_end(&world, op, "no luck"), STORE_OK);
    assert_int_equal(create_with_key(1, "", "k1"), STORE_REPEATED); /* the failure is the answer */
    assert_true(store_job(world.store, op)->failed);
    world.env.now_ms += 3600000;
    expire(world.env.now_ms);
    assert_null(store_job(world.store, op));
    assert_int_equal(create_with_key(2, "", "k1"), STORE_OK);       /* forgotten with its job */
    assert_int_equal(create_with_key(1, "", "k2"), STORE_REPEATED); /* its operation still runs */
    {
        CLEANUP(free_ptr) char *longest = mem_printf("%0128d", 1);
        CLEANUP(free_ptr) char *too_long = mem_printf("%0129d", 1);

        assert_int_equal(create_with_key(1, "", longest), STORE_OK);
        assert_int_equal(create_with_key(1, "", too_long), STORE_BAD_REQUEST);
    }
}

/* A key that comes with a repeated name is remembered for the first one's answer. */
static void test_key_and_name(void **state)
{
    struct id op, volume;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    assert_int_equal(create_with_key(1, "v", ""), STORE_OK);
    op = world.result.op_id;
    volume = world.result.id;
    assert_int_equal(create_with_key(1, "v", "k1"), STORE_OK);
    assert_true(id_equal(world.result.op_id, op));
    assert_int_equal(store_counts(world.store).volumes, 1);
    assert_int_equal(create_with_key(1, "v", "k1"), STORE_REPEATED);
    assert_int_equal(create_with_key(2, "v", "k1"), STORE_CONFLICT);
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume), STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    assert_int_equal(create_with_key(1, "v", "k1"), STORE_REPEATED); /* still the first one's, though it is gone */
    assert_true(id_equal(world.result.op_id, op));
    assert_int_equal(store_counts(world.store).volumes, 0);
}

static void test_cluster_key(void **state)
{
    struct store_request request;
    struct id first;

    (void)state;
    for (int i = 0; i < 3; i++) {
        store_request_init(&request, STORE_REQ_CLUSTER_CREATE);
        request.file = i < 2;
        free(request.key);
        request.key = mem_strdup("c1");
        (void)world_request(&world, &request);
        if (i == 0) {
            assert_int_equal(world.result.code, STORE_OK);
            first = world.result.id;
        } else if (i == 1) {
            assert_int_equal(world.result.code, STORE_REPEATED);
            assert_true(id_equal(world.result.id, first));
        } else {
            assert_int_equal(world.result.code, STORE_CONFLICT);
        }
    }
    assert_int_equal(store_counts(world.store).clusters, 1);
    expire(world.env.now_ms); /* ended before, not at */
    store_request_init(&request, STORE_REQ_CLUSTER_CREATE);
    request.file = true;
    free(request.key);
    request.key = mem_strdup("c1");
    assert_int_equal(world_request(&world, &request), STORE_REPEATED);
    expire(world.env.now_ms + 1);
    store_request_init(&request, STORE_REQ_CLUSTER_CREATE);
    request.file = true;
    free(request.key);
    request.key = mem_strdup("c1");
    assert_int_equal(world_request(&world, &request), STORE_OK);
}

static void test_expiry_is_bounded(void **state)
{
    struct id node = world_node(&world, world_cluster(&world), 1, "n1");
    struct store_cmd cmd;

    (void)state;
    world.unchecked = true;
    for (int i = 0; i < STORE_EXPIRE_MAX + 10; i++) {
        world.env.now_ms++;
        assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, node, STORE_STATE_ONLINE), STORE_OK);
    }
    world.unchecked = false;
    store_cmd_init(&cmd, STORE_CMD_EXPIRE_JOBS);
    cmd.time_ms = world.env.now_ms + 1;
    (void)world_apply(&world, &cmd);
    assert_int_equal(store_counts(world.store).jobs, 11); /* the oldest went first */
    assert_int_equal(store_jobs_oldest_ms(world.store), world.env.now_ms - 10);
    (void)world_apply(&world, &cmd);
    assert_int_equal(store_counts(world.store).jobs, 0);
    store_cmd_fini(&cmd);
}

static void test_delete(void **state)
{
    struct id devices[3], op, volume;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, devices);
    (void)world_target(&world, STORE_REQ_VOLUME_DELETE, UNKNOWN);
    EXPECT(STORE_NOT_FOUND, "Id not found");
    assert_int_equal(world_create(&world, 1, 3, "v"), STORE_OK);
    op = world.result.op_id;
    volume = world.result.id;
    (void)world_target(&world, STORE_REQ_VOLUME_DELETE, volume); /* being created */
    EXPECT(STORE_NOT_FOUND, "Id not found");
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume), STORE_OK);
    op = world.result.op_id;
    assert_true(id_equal(store_volume(world.store, volume)->bricks[2].pending, op));
    (void)world_target(&world, STORE_REQ_VOLUME_DELETE, volume);
    EXPECT(STORE_IN_USE, "Failed to set up volume delete: The target exists, contains other items, or is in use.");
    assert_int_equal(apply_op(STORE_CMD_OP_UNDO, op, "no"), STORE_CONFLICT); /* deletes only move forward */
    assert_int_equal(world_end(&world, op, "volume delete: failed: in use"), STORE_OK);
    assert_true(id_is_none(store_volume(world.store, volume)->pending)); /* visible and unchanged */
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume), STORE_OK);
    op = world.result.op_id;
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    assert_null(store_volume(world.store, volume));
    assert_int_equal(store_job(world.store, op)->resource, STORE_RES_NONE);
    assert_int_equal(store_device_used_kib(world.store, devices[0]), 0);
    (void)world_target(&world, STORE_REQ_VOLUME_DELETE, volume);
    EXPECT(STORE_NOT_FOUND, "Id not found");
}

static void test_protected_volume(void **state)
{
    struct id volume;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    volume = world_volume(&world, 1, 3, "heketidbstorage");
    (void)world_target(&world, STORE_REQ_VOLUME_DELETE, volume);
    EXPECT(STORE_CONFLICT, "Cannot delete volume containing the Heketi database");
}

/* With force it is deleted as any other, where all members know of that. */
static void test_protected_volume_forced(void **state)
{
    struct store_request request;
    struct id volume, other;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    volume = world_volume(&world, 1, 3, "heketidbstorage");
    other = world_volume(&world, 1, 3, "other");
    for (int i = 0; i < 2; i++) {
        store_request_init(&request, STORE_REQ_VOLUME_DELETE);
        request.target = volume;
        request.force = true;
        (void)world_request(&world, &request);
        if (i == 0) {
            EXPECT(STORE_BAD_REQUEST, "This needs feature level 2; the cluster is at 1");
            world_level(&world, STORE_LEVEL_HEKETI_DB);
        }
    }
    assert_int_equal(world.result.code, STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    assert_null(store_volume(world.store, volume));
    store_request_init(&request, STORE_REQ_VOLUME_DELETE);
    request.target = other;
    request.force = true;
    (void)world_request(&world, &request);
    EXPECT(STORE_CONFLICT, "Volume other is not heketidbstorage");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_create),
        T(test_create_failed),
        T(test_end_without_text),
        T(test_name_in_use),
        T(test_name_repeated),
        T(test_name_repeated_after_expiry),
        T(test_request_key),
        T(test_key_and_name),
        T(test_cluster_key),
        T(test_expiry_is_bounded),
        T(test_delete),
        T(test_protected_volume),
        T(test_protected_volume_forced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

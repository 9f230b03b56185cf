/* Bricks that a volume's end leaves on nodes that do not answer: a clean-up operation takes them over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

struct fixture {
    struct world world;
    struct id devices[4];
    struct id volume, op_id;
};

static void set_up(struct fixture *fixture)
{
    struct id nodes[4];

    world_init(&fixture->world, 7);
    world_topology(&fixture->world, 4, 100 * GIB, nodes, fixture->devices);
    assert_int_equal(world_create(&fixture->world, 10, 2, "v"), STORE_OK);
    fixture->volume = fixture->world.result.id;
    fixture->op_id = fixture->world.result.op_id;
}

static uint64_t used(const struct fixture *fixture)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < 4; i++) {
        sum += store_device_used_kib(fixture->world.store, fixture->devices[i]);
    }
    return sum;
}

static enum store_code end(struct fixture *fixture, struct id op_id, bool failed, struct id follow_id)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    cmd.time_ms = fixture->world.env.now_ms;
    cmd.failed = failed;
    cmd.follow_id = follow_id;
    code = world_apply(&fixture->world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

static void replan(struct fixture *fixture)
{
    struct store_cmd cmd;

    assert_int_equal(
        store_plan_again(fixture->world.store, fixture->op_id, &fixture->world.env, &cmd, &fixture->world.result),
        STORE_OK);
    assert_int_equal(world_apply(&fixture->world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
}

/* A failed create goes, its bricks stay charged until the clean-up ends. */
static void test_failed_create(void **state)
{
    struct fixture f;
    const struct store_operation *op;
    struct id follow;
    uint64_t before;

    (void)state;
    set_up(&f);
    follow = world_id(&f.world);
    before = used(&f);
    assert_true(before > 0);
    assert_int_equal(end(&f, f.op_id, true, follow), STORE_OK);
    assert_null(store_volume(f.world.store, f.volume));
    assert_null(store_operation(f.world.store, f.op_id));
    assert_true(store_job(f.world.store, f.op_id)->failed);
    op = store_operation(f.world.store, follow);
    assert_non_null(op);
    assert_int_equal(op->type, STORE_OP_CLEAN_BRICKS);
    assert_int_equal(op->n_abandoned, 2);
    assert_true(id_equal(op->target, f.volume));
    assert_true(used(&f) == before);
    assert_int_equal(end(&f, follow, false, ID_NONE), STORE_OK);
    assert_false(store_job(f.world.store, follow)->failed);
    assert_true(used(&f) == 0);
    world_fini(&f.world);
}

/* A create that ends well keeps its bricks; only those of abandoned attempts are left to the clean-up. */
static void test_created_after_replan(void **state)
{
    struct fixture f;
    const struct store_operation *op;
    struct id follow;

    (void)state;
    set_up(&f);
    follow = world_id(&f.world);
    replan(&f);
    assert_int_equal(end(&f, f.op_id, false, follow), STORE_OK);
    assert_true(id_is_none(store_volume(f.world.store, f.volume)->pending));
    op = store_operation(f.world.store, follow);
    assert_int_equal(op->n_abandoned, 2);
    for (size_t i = 0; i < op->n_abandoned; i++) {
        assert_true(id_equal(op->abandoned[i].pending, follow));
        for (size_t j = 0; j < 2; j++) {
            assert_false(id_equal(op->abandoned[i].id, store_volume(f.world.store, f.volume)->bricks[j].id));
        }
    }
    assert_int_equal(end(&f, follow, false, ID_NONE), STORE_OK);
    world_fini(&f.world);
}

/* Nothing to leave: no operation. Same command again: no second one. An id in use: refused, nothing changes. */
static void test_edges(void **state)
{
    struct fixture f;
    struct id follow;

    (void)state;
    set_up(&f);
    follow = world_id(&f.world);
    assert_int_equal(end(&f, f.op_id, false, f.op_id), STORE_CONFLICT);
    assert_non_null(store_operation(f.world.store, f.op_id));
    assert_int_equal(end(&f, f.op_id, false, follow), STORE_OK);
    assert_null(store_operation(f.world.store, follow));
    assert_int_equal(end(&f, f.op_id, false, follow), STORE_REPEATED);
    assert_int_equal(store_counts(f.world.store).operations, 0);
    world_fini(&f.world);
}

/* Only volumes leave bricks. */
static void test_other_types(void **state)
{
    struct fixture f;
    struct id op_id;

    (void)state;
    set_up(&f);
    op_id = world_begin_node(&f.world, world_cluster(&f.world), 1, "lonely");
    assert_int_equal(end(&f, op_id, false, world_id(&f.world)), STORE_BAD_REQUEST);
    assert_int_equal(end(&f, op_id, false, ID_NONE), STORE_OK);
    world_fini(&f.world);
}

static void test_snapshot(void **state)
{
    struct fixture f;
    struct store_snapshot *snapshot;
    struct store *copy = NULL;
    struct buf buf = BUF_INIT;
    struct err err = ERR_INIT;

    (void)state;
    set_up(&f);
    assert_int_equal(end(&f, f.op_id, true, world_id(&f.world)), STORE_OK);
    snapshot = store_snapshot_take(f.world.store);
    store_snapshot_encode(snapshot, &buf);
    store_snapshot_free(snapshot);
    assert_int_equal(store_snapshot_decode(buf.data, buf.len, &copy, &err), 0);
    assert_int_equal(store_check(copy, &err), 0);
    assert_true(digests_equal(copy, f.world.store));
    store_free(copy);
    buf_fini(&buf);
    world_fini(&f.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_create), cmocka_unit_test(test_created_after_replan),
        cmocka_unit_test(test_edges),         cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_snapshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

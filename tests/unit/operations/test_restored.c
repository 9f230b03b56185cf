/* A backup was made while a volume was being made. It was finished, told of and written to; then all members were lost,
 * and the backup is restored. Whatever is wrong with the storage nodes now, what is on them stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/operations/driver_priv.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "store/load.h"
#include "tests/unit/operations/fixture.h"

#define UNREACHABLE "[{\"code\":\"connect\"}]"

static struct store *backup_of(const struct store *store)
{
    struct store_snapshot *snapshot = store_snapshot_take(store);
    struct buf buf = BUF_INIT;
    struct store *copy = NULL;

    store_snapshot_encode(snapshot, &buf);
    store_snapshot_free(snapshot);
    assert_int_equal(store_snapshot_decode(buf.data, buf.len, &copy, NULL), 0);
    buf_fini(&buf);
    return copy;
}

/* The new cluster's database takes the place of the old one's; the storage nodes are the same. Frees the backup. */
static void restore(struct fixture *f, struct store *backup)
{
    struct store_loader *loader = store_loader_new(backup, (struct id){{7}}, STORE_LOAD_PART_BYTES);
    struct world fresh;
    struct store_cmd cmd;

    op_driver_stop(f->driver);
    world_init(&fresh, 99);
    world_level(&fresh, STORE_LEVEL_RESTORED);
    while (store_loader_next(loader, &cmd)) {
        assert_int_equal(world_apply(&fresh, &cmd), STORE_OK);
        store_cmd_fini(&cmd);
    }
    store_loader_free(loader);
    store_free(f->world.store);
    f->world.store = fresh.store;
    f->world.index = fresh.index;
    store_free(backup);
    fixture_lead(f);
}

static bool is_there(const struct fixture *f, const char *what)
{
    return mock_world_has(exec_mock_world(f->executor), what);
}

static bool waits(struct fixture *f)
{
    const struct store_operation *op = store_operation_next(f->world.store, NULL);

    assert_non_null(op);
    assert_int_equal(op->phase, STORE_OP_FORWARD);
    return op->n_parked > 0;
}

/* A volume of three bricks as it is on the nodes. */
struct made {
    struct id id;
    char *name, *bricks[3];
};

static void remember(const struct fixture *f, struct id volume, struct made *made)
{
    const struct store_volume *rec = store_volume(f->world.store, volume);

    made->id = volume;
    made->name = mem_printf("volume %s x", id_text(rec->cluster).text);
    for (size_t i = 0; i < 3; i++) {
        struct id node = store_device(f->world.store, rec->bricks[i].device)->node;

        made->bricks[i] = mem_printf("brick %s %s", store_node(f->world.store, node)->manage.items[0],
                                     id_text(rec->bricks[i].id).text);
    }
}

static void assert_all_there(const struct fixture *f, const struct made *made)
{
    assert_true(is_there(f, made->name));
    for (size_t i = 0; i < 3; i++) {
        assert_true(is_there(f, made->bricks[i]));
    }
}

static void forget(struct made *made)
{
    free(made->name);
    for (size_t i = 0; i < 3; i++) {
        free(made->bricks[i]);
    }
}

static size_t node_of_brick(const struct fixture *f, struct id volume, size_t brick)
{
    const struct store_volume *rec = store_volume(f->world.store, volume);
    size_t node = 0;

    while (!id_equal(rec->bricks[brick].device, f->devices[node])) {
        node++;
    }
    return node;
}

/* Made and told after the backup, with this order to the nodes meanwhile; then the backup is restored, and this is
 * ordered. */
static void make_and_restore(struct fixture *f, size_t n_nodes, bool first_refuses, const char *order,
                             struct made *ret_made)
{
    struct store *backup;
    struct id volume;

    fixture_init(f, n_nodes);
    volume = fixture_create(f, "x", 3);
    backup = backup_of(f->world.store);
    if (first_refuses) {
        fixture_order(f, "[{\"host\":\"%s\",\"step\":\"brick-create\",\"fail\":\"no room\"}]",
                      node_of_brick(f, volume, 0));
    }
    fixture_lead(f);
    fixture_until(f, fixture_no_operations);
    assert_true(id_is_none(store_volume(f->world.store, volume)->pending));
    remember(f, volume, ret_made);
    assert_all_there(f, ret_made);
    fixture_order(f, order, node_of_brick(f, volume, 0));
    restore(f, backup);
}

static void play(size_t n_nodes, const char *order, bool heals)
{
    struct fixture f;
    struct made made;

    make_and_restore(&f, n_nodes, false, order, &made);
    if (heals) {
        fixture_until(&f, waits);
        assert_all_there(&f, &made);
        fixture_order(&f, "[]", 0);
    }
    fixture_until(&f, fixture_no_operations);
    assert_all_there(&f, &made);
    assert_true(id_is_none(store_volume(f.world.store, made.id)->pending));
    forget(&made);
    fixture_fini(&f);
}

static void test_all_well(void **state)
{
    (void)state;
    play(3, "[]", false);
}

/* Two others say that the volume is there. */
static void test_one_of_three_down(void **state)
{
    (void)state;
    play(3, "[{\"host\":\"%s\",\"code\":\"connect\"}]", false);
}

static void test_one_of_four_down(void **state)
{
    (void)state;
    play(4, "[{\"host\":\"%s\",\"code\":\"connect\"}]", false);
}

/* The new members' key is put onto the nodes a little later. */
static void test_unreachable_at_first(void **state)
{
    (void)state;
    play(3, UNREACHABLE, true);
}

/* It was planned again after the backup: Gluster has it, with other bricks than the backup knows. */
static void test_planned_again_since(void **state)
{
    struct fixture f;
    struct made made;

    (void)state;
    make_and_restore(&f, 4, true, "[]", &made);
    fixture_until(&f, waits);
    assert_non_null(
        strstr(store_operation_next(f.world.store, NULL)->parked[0].text, "other bricks than the backup knows"));
    assert_all_there(&f, &made);
    forget(&made);
    fixture_fini(&f);
}

/* Nothing of it was made, as two nodes say: then it is a create as any other, and may be given up. */
static void test_never_made(void **state)
{
    struct store *backup;
    struct fixture f;
    struct id volume;

    (void)state;
    fixture_init(&f, 3);
    volume = fixture_create(&f, "x", 3);
    backup = backup_of(f.world.store);
    fixture_order(&f, "[{\"host\":\"%s\",\"step\":\"brick-create\",\"fail\":\"no room\"}]",
                  node_of_brick(&f, volume, 0));
    fixture_lead(&f);
    restore(&f, backup);
    fixture_until(&f, fixture_no_operations);
    assert_null(store_volume(f.world.store, volume));
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

/* And a block volume, with the hosting volume that was made for it; under this trouble at first. */
static void play_block(const char *order)
{
    struct mock_world *nodes;
    struct store *backup;
    struct fixture f;
    size_t n_bricks;
    struct id block;

    fixture_init(&f, 3);
    nodes = exec_mock_world(f.executor);
    f.world.env.block_auto = true;
    f.world.env.block_size_gib = 100;
    assert_int_equal(world_create_block(&f.world, 10, "b"), STORE_OK);
    block = f.world.result.id;
    backup = backup_of(f.world.store);
    fixture_lead(&f);
    fixture_until(&f, fixture_no_operations);
    n_bricks = mock_world_count(nodes, "brick ");
    assert_int_equal(n_bricks, 3);
    assert_int_equal(mock_world_count(nodes, "block "), 1);
    fixture_order(&f, order, 0);
    restore(&f, backup);
    fixture_until(&f, waits);
    fixture_order(&f, "[]", 0);
    fixture_until(&f, fixture_no_operations);
    assert_int_equal(mock_world_count(nodes, "block "), 1);
    assert_int_equal(mock_world_count(nodes, "brick "), n_bricks);
    assert_true(id_is_none(store_block_volume(f.world.store, block)->pending));
    fixture_fini(&f);
}

static void test_block_volume(void **state)
{
    (void)state;
    play_block(UNREACHABLE);
}

/* However often it is refused, it is not given up. */
static void test_block_volume_refused(void **state)
{
    (void)state;
    play_block("[{\"step\":\"block-create\",\"fail\":\"no iSCSI target\"}]");
}

static void test_clone_refused(void **state)
{
    struct store_request request;
    struct store *backup;
    struct fixture f;
    struct id clone;

    (void)state;
    fixture_init(&f, 3);
    fixture_lead(&f);
    store_request_init(&request, STORE_REQ_VOLUME_CLONE);
    request.target = fixture_create(&f, "x", 3);
    free(request.volume.name);
    request.volume.name = mem_strdup("copy");
    fixture_until(&f, fixture_no_operations);
    op_driver_stop(f.driver);
    assert_int_equal(world_request(&f.world, &request), STORE_OK);
    clone = f.world.result.id;
    backup = backup_of(f.world.store);
    fixture_lead(&f);
    fixture_until(&f, fixture_no_operations);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), "volume "), 2);
    fixture_order(&f, "[{\"step\":\"volume-clone\",\"fail\":\"no snapshots\"}]", 0);
    restore(&f, backup);
    fixture_until(&f, waits);
    assert_int_equal(mock_world_count(exec_mock_world(f.executor), "volume "), 2);
    fixture_order(&f, "[]", 0);
    fixture_until(&f, fixture_no_operations);
    assert_true(id_is_none(store_volume(f.world.store, clone)->pending));
    fixture_fini(&f);
}

/* While a database is loaded nothing is done for it; its operations begin when the last part is applied. */
static void test_half_loaded(void **state)
{
    struct store_loader *loader;
    struct store *backup;
    struct store_cmd cmd;
    struct fixture f;
    struct world fresh;
    size_t n_parts = 0;

    (void)state;
    fixture_init(&f, 3);
    (void)fixture_create(&f, "x", 3);
    backup = backup_of(f.world.store);
    store_free(f.world.store);
    world_init(&fresh, 99);
    world_level(&fresh, STORE_LEVEL_RESTORED);
    f.world.store = fresh.store;
    f.world.index = fresh.index;
    loader = store_loader_new(backup, (struct id){{7}}, 1);
    while (store_loader_next(loader, &cmd)) {
        assert_int_equal(world_apply(&f.world, &cmd), STORE_OK);
        if (++n_parts == 1) {
            fixture_lead(&f); /* in the middle */
        }
        if (cmd.load.last) {
            assert_int_equal(f.n_proposed, 0);
            op_driver_loaded(f.driver);
        }
        store_cmd_fini(&cmd);
        fixture_idle(&f, 5);
    }
    assert_true(n_parts > 2);
    fixture_until(&f, fixture_no_operations);
    fixture_expect_clean(&f);
    store_loader_free(loader);
    store_free(backup);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_well),
        cmocka_unit_test(test_one_of_three_down),
        cmocka_unit_test(test_one_of_four_down),
        cmocka_unit_test(test_unreachable_at_first),
        cmocka_unit_test(test_planned_again_since),
        cmocka_unit_test(test_never_made),
        cmocka_unit_test(test_clone_refused),
        cmocka_unit_test(test_block_volume_refused),
        cmocka_unit_test(test_block_volume),
        cmocka_unit_test(test_half_loaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

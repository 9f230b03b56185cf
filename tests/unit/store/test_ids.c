/* Ordered ids with cheap copies, and a snapshot read without a store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/ids.h"
#include "store/view.h"
#include "tests/unit/store/world.h"

#define IDS 4000

static int compare(const void *a, const void *b)
{
    return id_cmp(a, b);
}

/* Exactly these, in order. */
static void assert_ids(const struct ids *ids, const struct id *sorted, size_t n)
{
    size_t at = 0;

    assert_int_equal(ids->n, n);
    for (size_t leaf = 0; leaf < ids->n_leaves; leaf++) {
        size_t n_items;
        const struct id *items = ids_leaf(ids, leaf, &n_items);

        assert_true(n_items > 0);
        for (size_t i = 0; i < n_items; i++) {
            assert_true(at < n && id_equal(items[i], sorted[at]));
            assert_true(ids_has(ids, items[i]));
            at++;
        }
    }
    assert_int_equal(at, n);
}

/* Random adding and removing; copies that were made on the way stay as they were. */
static void test_random(void **state)
{
    struct world world;
    struct ids ids = IDS_INIT, early;
    CLEANUP(free_ptr) struct id *all = mem_calloc(IDS, sizeof(*all));
    CLEANUP(free_ptr) struct id *before = mem_calloc(IDS, sizeof(*before));
    size_t n = IDS / 2;

    (void)state;
    world_init(&world, world_seed("ids", 20261130));
    assert_false(ids_has(&ids, ID_NONE));
    for (size_t i = 0; i < n; i++) {
        all[i] = world_id(&world);
        ids_add(&ids, all[i]);
    }
    memcpy(before, all, n * sizeof(*all));
    qsort(before, n, sizeof(*before), compare);
    early = ids_share(&ids);
    assert_ids(&early, before, n);
    for (size_t i = 0; i < 5 * IDS; i++) {
        size_t at = world_below(&world, n + 1);

        if (at < n && (n == IDS || world_below(&world, 2) == 0)) {
            ids_remove(&ids, all[at]);
            all[at] = all[--n];
        } else if (n < IDS) {
            all[n] = world_id(&world);
            ids_add(&ids, all[n++]);
        }
    }
    assert_ids(&early, before, IDS / 2);
    qsort(all, n, sizeof(*all), compare);
    assert_ids(&ids, all, n);
    while (n > 0) {
        ids_remove(&ids, all[--n]);
    }
    assert_int_equal(ids.n_leaves, 0);
    ids_fini(&ids);
    assert_ids(&early, before, IDS / 2);
    ids_fini(&early);
    world_fini(&world);
}

static void assert_same_volume(const struct store *store, const struct store_volume *volume)
{
    const struct store_volume *wanted = store_volume(store, volume->id);

    assert_non_null(wanted);
    assert_string_equal(volume->name, wanted->name);
    assert_int_equal(volume->n_bricks, wanted->n_bricks);
    for (size_t i = 0; i < volume->n_bricks; i++) {
        assert_true(id_equal(volume->bricks[i].id, wanted->bricks[i].id));
        assert_true(id_equal(volume->bricks[i].volume, volume->id));
        assert_string_equal(volume->bricks[i].lv, wanted->bricks[i].lv);
    }
}

static void assert_view(const struct store_view *view, const struct store *store)
{
    const struct store *rest = store_view_rest(view);
    const struct store_cluster *cluster = NULL;
    const struct store_device *device = NULL;
    const struct store_volume *volume = NULL;
    struct err err = ERR_INIT;
    size_t at = 0, first, n;

    assert_int_equal(store_counts(rest).devices, store_counts(store).devices);
    assert_int_equal(store_counts(rest).block_volumes, store_counts(store).block_volumes);
    assert_int_equal(store_counts(rest).operations, store_counts(store).operations);
    assert_int_equal(store_view_volumes(view), store_counts(store).volumes);
    assert_int_equal(store_view_bricks(view), store_counts(store).bricks);
    while ((volume = store_volume_next(store, volume)) != NULL) {
        struct store_volume copy;

        assert_true(id_equal(store_view_volume_id(view, at), volume->id));
        assert_int_equal(store_view_volume(view, at++, &copy, &err), 0);
        assert_same_volume(store, &copy);
        store_volume_fini(&copy);
    }
    while ((cluster = store_cluster_next(store, cluster)) != NULL) {
        n = store_view_cluster_volumes(view, cluster->id, &first);
        for (volume = NULL; (volume = store_cluster_volume_next(store, cluster->id, volume)) != NULL; n--) {
            assert_true(n > 0 && id_equal(store_view_cluster_volume(view, first++), volume->id));
        }
        assert_int_equal(n, 0);
    }
    while ((device = store_device_next(store, device)) != NULL) {
        const struct store_brick *brick = NULL;

        n = store_view_device_bricks(view, device->id, &first);
        while ((brick = store_device_brick_next(store, device->id, brick)) != NULL) {
            assert_true(n > 0 && id_equal(store_view_device_brick(view, first++), brick->id));
            n--;
        }
        assert_int_equal(n, 0);
    }
    for (size_t i = 1; i < store_view_bricks(view); i++) { /* by id */
        struct store_volume a, b;
        size_t in_a, in_b;

        assert_int_equal(store_view_volume(view, store_view_brick_volume(view, i - 1, &in_a), &a, &err), 0);
        assert_int_equal(store_view_volume(view, store_view_brick_volume(view, i, &in_b), &b, &err), 0);
        assert_true(id_cmp(&a.bricks[in_a].id, &b.bricks[in_b].id) < 0);
        store_volume_fini(&a);
        store_volume_fini(&b);
    }
}

/* What is read from a snapshot is what the store was, also after the store has gone on. */
static void test_view(void **state)
{
    struct world world;
    struct store_snapshot *snapshot;
    struct store_view *view = NULL;
    struct store *copy = NULL;
    struct buf bytes = BUF_INIT, later = BUF_INIT;
    struct err err = ERR_INIT;
    struct id last = ID_NONE;

    (void)state;
    world_init_auto(&world, 4);
    (void)world_topology(&world, 3, 600 * GIB, NULL, NULL);
    for (size_t i = 0; i < 20; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%zu", i);

        last = world_volume(&world, 1, i % 2 == 0 ? 3 : 2, name);
    }
    (void)world_block(&world, 5, "b");
    assert_int_equal(world_create_block(&world, 5, "c"), STORE_OK);  /* under way */
    assert_int_equal(world_create(&world, 1, 3, "begun"), STORE_OK); /* the same */
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, last), STORE_OK);
    snapshot = store_snapshot_take(world.store);
    store_snapshot_encode(snapshot, &bytes);
    assert_int_equal(store_snapshot_decode(bytes.data, bytes.len, &copy, &err), 0);
    for (size_t i = 0; i < 10; i++) { /* the snapshot's chunks are shared no longer */
        CLEANUP(free_ptr) char *name = mem_printf("w%zu", i);

        (void)world_volume(&world, 1, 3, name);
    }
    store_snapshot_encode(snapshot, &later);
    assert_int_equal(bytes.len, later.len);
    assert_memory_equal(bytes.data, later.data, bytes.len);
    assert_int_equal(store_view_new(snapshot, &view, &err), 0);
    assert_view(view, copy);
    store_view_free(view);
    store_snapshot_free(snapshot);
    store_free(copy);
    buf_fini(&bytes);
    buf_fini(&later);
    world_fini(&world);
}

/* In pieces it is the same bytes, of the size that was said before. */
static void test_encoder(void **state)
{
    struct world world;
    struct store_snapshot *snapshot;
    struct store_encoder *encoder;
    struct buf whole = BUF_INIT, pieces = BUF_INIT;
    size_t n = 1;

    (void)state;
    world_init(&world, 3);
    (void)world_topology(&world, 3, 600 * GIB, NULL, NULL);
    (void)world_volume(&world, 1, 3, "v");
    snapshot = store_snapshot_take(world.store);
    store_snapshot_encode(snapshot, &whole);
    encoder = store_encoder_new(snapshot);
    assert_int_equal(store_encoder_size_bytes(encoder), whole.len);
    while (store_encoder_next(encoder, 100, &pieces)) {
        n++;
    }
    assert_true(n > 5);
    assert_int_equal(pieces.len, whole.len);
    assert_memory_equal(pieces.data, whole.data, whole.len);
    store_encoder_free(encoder);
    store_snapshot_free(snapshot);
    buf_fini(&whole);
    buf_fini(&pieces);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_view),
        cmocka_unit_test(test_encoder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

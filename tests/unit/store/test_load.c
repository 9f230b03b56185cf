/* Filling an empty database in parts: all or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/load.h"
#include "tests/unit/store/world.h"

#define LOAD ((struct id){{7}})

/* A database with something of everything: settled volumes, and one that is just being made. */
static void make_source(struct world *source)
{
    world_init(source, 11);
    world_topology(source, 3, 500 * GIB, NULL, NULL);
    world_volume(source, 10, 3, "a");
    world_volume(source, 20, 2, "b");
    assert_int_equal(world_create(source, 5, 3, "c"), STORE_OK);
}

/* Applies parts until one is refused or n were applied; the number of parts that were applied. */
static size_t load(struct world *world, const struct world *source, size_t bytes_max, size_t n, bool spoil)
{
    struct store_loader *loader = store_loader_new(source->store, LOAD, bytes_max);
    struct store_cmd cmd;
    size_t applied = 0;

    assert_non_null(loader);
    while (applied < n && store_loader_next(loader, &cmd)) {
        enum store_code code;

        if (spoil && cmd.load.n_volumes > 0) {
            cmd.load.volumes[0].bricks[0].device = (struct id){{9}};
        }
        code = world_apply(world, &cmd);
        store_cmd_fini(&cmd);
        if (code != STORE_OK) {
            break;
        }
        applied++;
    }
    store_loader_free(loader);
    return applied;
}

static void assert_same_objects(const struct store *a, const struct store *b)
{
    struct store_counts x = store_counts(a), y = store_counts(b);
    const struct store_volume *volume = NULL;
    const struct store_device *device = NULL;

    assert_int_equal(x.clusters, y.clusters);
    assert_int_equal(x.nodes, y.nodes);
    assert_int_equal(x.volumes, y.volumes);
    assert_int_equal(x.bricks, y.bricks);
    assert_int_equal(x.operations, y.operations);
    while ((volume = store_volume_next(a, volume)) != NULL) {
        const struct store_volume *other = store_volume(b, volume->id);

        assert_non_null(other);
        assert_string_equal(volume->name, other->name);
        assert_true(id_equal(volume->pending, other->pending));
        assert_int_equal(volume->n_bricks, other->n_bricks);
    }
    while ((device = store_device_next(a, device)) != NULL) {
        assert_int_equal(store_device_used_kib(a, device->id), store_device_used_kib(b, device->id));
    }
}

static void whole_in_one_part_or_in_many(void **state)
{
    static const size_t sizes[] = {1 << 20, 1, 300};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct world source, world;
        size_t parts;

        make_source(&source);
        world_init(&world, 1);
        parts = load(&world, &source, sizes[i], SIZE_MAX, false);
        assert_true(i == 0 ? parts == 1 : parts > 3);
        assert_same_objects(source.store, world.store);
        assert_true(id_is_none(store_settings(world.store)->load));
        assert_true(id_equal(store_settings(world.store)->loaded, LOAD));
        /* The operation goes on; it is as old as the load. */
        assert_int_equal(store_operation_next(world.store, NULL)->begin_index, store_applied_index(world.store));
        world_fini(&source);
        world_fini(&world);
    }
}

/* Tens of thousands of clean-ups may wait for a node, some on a device that is forgotten: they come in parts as well.
 */
static void clean_ups_in_parts(void **state)
{
    enum { VOLUMES = 7000 }; /* of more bytes than one part can have */
    struct store_loader *loader;
    struct world source, world;
    struct id devices[2];
    struct store_cmd cmd;
    struct err err = ERR_INIT;
    struct store_request request;
    size_t parts = 0;

    (void)state;
    world_init(&source, 11);
    source.unchecked = true;
    source.env.volumes_per_cluster_max = -1;
    world_level(&source, 2);
    world_topology(&source, 2, 100000 * GIB, NULL, devices);
    for (size_t i = 0; i < VOLUMES; i++) {
        struct id volume = world_volume(&source, 1, 2, "");

        assert_int_equal(world_target(&source, STORE_REQ_VOLUME_DELETE, volume), STORE_OK);
        assert_int_equal(world_end_leaving(&source, source.result.op_id, world_id(&source)), STORE_OK);
    }
    assert_int_equal(world_state(&source, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&source, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_FAILED), STORE_OK);
    store_request_init(&request, STORE_REQ_DEVICE_DELETE);
    request.target = devices[0];
    request.force = true;
    assert_int_equal(world_request(&source, &request), STORE_OK);
    assert_int_equal(world_end_leaving(&source, source.result.op_id, world_id(&source)), STORE_OK);
    assert_int_equal(store_counts(source.store).operations, VOLUMES + 1);
    world_init(&world, 1);
    world.unchecked = true;
    loader = store_loader_new(source.store, LOAD, STORE_LOAD_PART_BYTES);
    assert_non_null(loader);
    for (; store_loader_next(loader, &cmd); parts++) {
        assert_true(cmd.load.n_operations <= STORE_LOAD_PART_BYTES / 100);
        assert_int_equal(world_apply(&world, &cmd), STORE_OK);
        store_cmd_fini(&cmd);
    }
    store_loader_free(loader);
    assert_true(parts > 10);
    assert_int_equal(store_check(world.store, &err), 0);
    assert_same_objects(source.store, world.store);
    world_fini(&source);
    world_fini(&world);
}

static void nothing_else_happens_meanwhile(void **state)
{
    struct world source, world;

    (void)state;
    make_source(&source);
    world_init(&world, 1);
    assert_int_equal(load(&world, &source, 300, 2, false), 2);
    assert_true(id_equal(store_settings(world.store)->load, LOAD));
    assert_int_equal(world_target(&world, STORE_REQ_CLEANUP, ID_NONE), STORE_IN_USE);
    assert_string_equal(world.result.text, "The database is being loaded");
    world_fini(&source);
    world_fini(&world);
}

static void a_part_that_does_not_fit_takes_all_back(void **state)
{
    struct world source, world;

    (void)state;
    make_source(&source);
    world_init(&world, 1);
    assert_true(load(&world, &source, 300, SIZE_MAX, true) > 0);
    assert_int_equal(world.result.code, STORE_CONFLICT);
    assert_non_null(strstr(world.result.text, "does not fit"));
    assert_true(store_is_empty(world.store));
    assert_true(id_is_none(store_settings(world.store)->load));
    world_cluster(&world); /* and the database is as good as new */
    world_fini(&source);
    world_fini(&world);
}

/* However much it is: taking it back costs as much as what stays. */
static void what_is_taken_back_is_freed_later(void **state)
{
    struct world source, world;
    struct store *gone;

    (void)state;
    make_source(&source);
    world_init(&world, 1);
    assert_int_equal(world_target(&world, STORE_REQ_CLEANUP, ID_NONE), STORE_OK); /* leaves a job */
    assert_int_equal(store_counts(world.store).jobs, 1);
    assert_true(load(&world, &source, 300, SIZE_MAX, true) > 0);
    gone = store_take_gone(world.store);
    assert_non_null(gone);
    assert_null(store_take_gone(world.store));
    assert_true(store_counts(gone).devices > 0);
    assert_true(store_is_empty(world.store));
    assert_int_equal(store_counts(world.store).jobs, 1);
    assert_true(load(&world, &source, 300, SIZE_MAX, false) > 3); /* beside it */
    assert_same_objects(source.store, world.store);
    store_free(gone);
    world_fini(&source);
    world_fini(&world);
}

static void an_unfinished_load_is_taken_back_or_begun_anew(void **state)
{
    struct world source, world;
    struct store_cmd cmd;

    (void)state;
    make_source(&source);
    world_init(&world, 1);
    assert_int_equal(load(&world, &source, 300, 3, false), 3);
    store_cmd_init(&cmd, STORE_CMD_LOAD_ABORT);
    cmd.op_id = (struct id){{8}};
    assert_int_equal(world_apply(&world, &cmd), STORE_NOT_FOUND);
    cmd.op_id = LOAD;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_true(store_is_empty(world.store));
    assert_int_equal(load(&world, &source, 300, 3, false), 3);
    assert_true(load(&world, &source, 300, SIZE_MAX, false) > 3); /* from its first part on */
    assert_same_objects(source.store, world.store);
    world_fini(&source);
    world_fini(&world);
}

static void only_into_an_empty_database_and_only_once(void **state)
{
    struct world source, world;
    struct store_cmd cmd;

    (void)state;
    make_source(&source);
    world_init(&world, 1);
    world_cluster(&world);
    assert_int_equal(load(&world, &source, 1 << 20, SIZE_MAX, false), 0);
    assert_int_equal(world.result.code, STORE_CONFLICT);
    assert_string_equal(world.result.text, "The database is not empty");
    world_fini(&world);

    world_init(&world, 1);
    assert_int_equal(load(&world, &source, 1 << 20, SIZE_MAX, false), 1);
    assert_int_equal(load(&world, &source, 1 << 20, SIZE_MAX, false), 0);
    assert_int_equal(world.result.code, STORE_REPEATED);
    store_cmd_init(&cmd, STORE_CMD_LOAD); /* a part of nothing */
    cmd.op_id = (struct id){{9}};
    cmd.load.part = 4;
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    cmd.op_id = ID_NONE;
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    store_cmd_fini(&cmd);
    world_fini(&source);
    world_fini(&world);
}

/* Hosting volumes of an old database: nothing is kept back for their file systems, so they are locked. */
static struct id load_old_hosting(struct world *world, uint32_t block_gib)
{
    struct world source;
    struct store_loader *loader;
    struct store_cmd cmd;
    struct id hosting;

    world_init(&source, 11);
    (void)world_topology(&source, 3, 500 * GIB, NULL, NULL);
    hosting = world_hosting(&source, 100, "old");
    (void)world_block(&source, 1, "");
    loader = store_loader_new(source.store, LOAD, 1 << 20);
    assert_true(store_loader_next(loader, &cmd));
    assert_int_equal(cmd.load.n_volumes, 1);
    cmd.load.volumes[0].reserved_gib = 0;
    cmd.load.volumes[0].restriction = STORE_LOCKED_BY_UPDATE;
    cmd.load.blocks[0].size_gib = cmd.load.blocks[0].usable_gib = block_gib;
    world_init(world, 1);
    assert_int_equal(world_apply(world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    store_loader_free(loader);
    world_fini(&source);
    return hosting;
}

static enum store_code restrict_to(struct world *world, struct id hosting, enum store_restriction restriction)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_RESTRICT);
    request.target = hosting;
    request.restriction = restriction;
    return world_request(world, &request);
}

static void old_hosting_volumes_are_unlocked_when_there_is_room(void **state)
{
    struct world world;
    struct id hosting = load_old_hosting(&world, 98);

    (void)state;
    assert_int_equal(store_volume_free_gib(world.store, hosting), 2);
    assert_int_equal(restrict_to(&world, hosting, STORE_UNRESTRICTED), STORE_OK);
    assert_int_equal(store_volume(world.store, hosting)->restriction, STORE_UNRESTRICTED);
    assert_int_equal(store_volume(world.store, hosting)->reserved_gib, 2);
    assert_int_equal(store_volume_free_gib(world.store, hosting), 0);
    /* Locked by hand and unlocked, it keeps back no more. */
    assert_int_equal(restrict_to(&world, hosting, STORE_LOCKED), STORE_OK);
    assert_int_equal(restrict_to(&world, hosting, STORE_UNRESTRICTED), STORE_OK);
    assert_int_equal(store_volume(world.store, hosting)->reserved_gib, 2);
    world_fini(&world);

    hosting = load_old_hosting(&world, 99);
    assert_int_equal(restrict_to(&world, hosting, STORE_UNRESTRICTED), STORE_NO_ALLOCATION);
    assert_string_equal(world.result.text, "Failed to set block restriction: Can not unlock volume. 2GiB free space is "
                                           "required, but found 1GiB");
    assert_int_equal(store_volume(world.store, hosting)->restriction, STORE_LOCKED_BY_UPDATE);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_in_one_part_or_in_many),
        cmocka_unit_test(clean_ups_in_parts),
        cmocka_unit_test(nothing_else_happens_meanwhile),
        cmocka_unit_test(a_part_that_does_not_fit_takes_all_back),
        cmocka_unit_test(what_is_taken_back_is_freed_later),
        cmocka_unit_test(an_unfinished_load_is_taken_back_or_begun_anew),
        cmocka_unit_test(only_into_an_empty_database_and_only_once),
        cmocka_unit_test(old_hosting_volumes_are_unlocked_when_there_is_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Block volumes: which hosting volume, what is free, names, every refusal with its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

#define CREATE "Failed to allocate new block volume: "
#define EXPAND "Failed to allocate block volume expansion: "
#define IN_USE "The target exists, contains other items, or is in use."
#define DISABLED CREATE "Block Hosting Volume Creation is disabled. Create a Block hosting volume and try again."

/* Three nodes with one device of 500 GiB each, and a hosting volume "hv" of 100 GiB. */
static struct id set_up(struct world *world)
{
    world_init(world, 5);
    world_topology(world, 3, 500 * GIB, NULL, NULL);
    return world_hosting(world, 100, "hv");
}

static void restrict_volume(struct world *world, struct id id, enum store_restriction restriction)
{
    /* What the restriction's own command will leave: a snapshot with it. */
    struct store_volume *volume = (struct store_volume *)(uintptr_t)store_volume(world->store, id);

    volume->restriction = restriction;
}

/* ---- create ---- */

static size_t n_shown(const struct world *world)
{
    struct ids ids = store_blocks_shown(world->store, ID_NONE);
    size_t n = ids.n;

    ids_fini(&ids);
    return n;
}

static void test_created(void **state)
{
    struct world world;
    struct id hosting = set_up(&world), block, op_id;
    const struct store_job *job;

    (void)state;
    assert_int_equal(store_volume(world.store, hosting)->reserved_gib, 2);
    assert_int_equal(store_volume_free_gib(world.store, hosting), 98);
    assert_int_equal(world_create_block(&world, 10, "lun"), STORE_OK);
    block = world.result.id;
    op_id = world.result.op_id;
    assert_int_equal(store_operation(world.store, op_id)->type, STORE_OP_CREATE_BLOCK);
    assert_true(id_equal(store_operation(world.store, op_id)->target, block));
    assert_null(store_operation_volume(world.store, store_operation(world.store, op_id)));
    assert_true(id_equal(world_block_of(&world, block)->pending, op_id));
    assert_int_equal(n_shown(&world), 0);
    assert_true(id_equal(world_block_of(&world, block)->hosting, hosting));
    assert_int_equal(store_volume_free_gib(world.store, hosting), 88); /* from the begin on */
    assert_int_equal(world_end_block(&world, op_id, NULL, 0, 0), STORE_OK);
    assert_true(id_is_none(world_block_of(&world, block)->pending));
    assert_int_equal(n_shown(&world), 1);
    assert_string_equal(world_block_of(&world, block)->name, "lun");
    assert_string_equal(world_block_of(&world, block)->iqn, "iqn.2016-12.org.gluster-block:5f3a");
    assert_string_equal(world_block_of(&world, block)->user, "5f3a");
    assert_string_equal(world_block_of(&world, block)->password, "p-91d2");
    assert_int_equal(world_block_of(&world, block)->hosts.n, 2);
    assert_int_equal(world_block_of(&world, block)->ha_count, 2);
    assert_int_equal(world_block_of(&world, block)->usable_gib, 10);
    job = store_job(world.store, op_id);
    assert_false(job->failed);
    assert_int_equal(job->resource, STORE_RES_BLOCK_VOLUME);
    assert_true(id_equal(job->resource_id, block));
    assert_true(store_volume_block_next(world.store, hosting, NULL) == world_block_of(&world, block));
    assert_true(store_cluster_block_next(world.store, store_volume(world.store, hosting)->cluster, NULL) ==
                world_block_of(&world, block));
    assert_int_equal(store_counts(world.store).block_volumes, 1);
    world_fini(&world);
}

static enum store_code end_as(struct world *world, struct id op_id, const char *iqn, const char *one, const char *two)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    free(cmd.block.iqn);
    cmd.block.iqn = mem_strdup(iqn);
    store_strs_add(&cmd.block.hosts, one);
    if (two != NULL) {
        store_strs_add(&cmd.block.hosts, two);
    }
    code = world_apply(world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

/* One node says who exports it, and by which name: only nodes of the cluster, each once, and a name of its own. */
static void test_what_a_node_says(void **state)
{
    const struct store_node *first, *second;
    struct world world;
    struct id hosting = set_up(&world), cluster = store_volume(world.store, hosting)->cluster, other, op_id;
    CLEANUP(free_ptr) char *one = NULL, *two = NULL;

    (void)state;
    world_level(&world, 2);
    first = store_cluster_node_next(world.store, cluster, NULL);
    second = store_cluster_node_next(world.store, cluster, first);
    one = mem_strdup(first->storage.items[0]);
    two = mem_strdup(second->storage.items[0]);
    other = world_node(&world, world_cluster(&world), 9, "elsewhere");
    assert_int_equal(world_create_block(&world, 10, "lun"), STORE_OK);
    op_id = world.result.op_id;
    assert_int_equal(end_as(&world, op_id, "iqn.1", one, "192.0.2.66"), STORE_BAD_REQUEST);
    assert_string_equal(world.result.text, "gluster-block says that 192.0.2.66 exports block volume lun, which is no "
                                           "node of the cluster");
    assert_int_equal(end_as(&world, op_id, "iqn.1", store_node(world.store, other)->storage.items[0], NULL),
                     STORE_BAD_REQUEST);
    assert_int_equal(end_as(&world, op_id, "iqn.1", one, one), STORE_BAD_REQUEST);
    assert_int_equal(end_as(&world, op_id, "iqn.1", one, two), STORE_OK);
    assert_int_equal(world_create_block(&world, 10, "lun2"), STORE_OK);
    op_id = world.result.op_id;
    assert_int_equal(end_as(&world, op_id, "iqn.1", one, two), STORE_CONFLICT);
    assert_int_equal(end_as(&world, op_id, "iqn.2", one, two), STORE_OK);
    world_fini(&world);
}

static void test_default_name(void **state)
{
    struct world world;
    struct id block;
    char name[64];

    (void)state;
    (void)set_up(&world);
    block = world_block(&world, 1, "");
    (void)snprintf(name, sizeof(name), "blockvol_%s", id_text(block).text);
    assert_string_equal(world_block_of(&world, block)->name, name);
    world_fini(&world);
}

static void test_failed_create_gives_back(void **state)
{
    struct world world;
    struct id hosting = set_up(&world);

    (void)state;
    assert_int_equal(world_create_block(&world, 10, "lun"), STORE_OK);
    assert_int_equal(world_end_block(&world, world.result.op_id, "block create: failed", 0, 0), STORE_OK);
    assert_null(store_block_volume(world.store, world.result.id));
    assert_int_equal(store_volume_free_gib(world.store, hosting), 98);
    assert_true(store_job(world.store, world.result.op_id)->failed);
    assert_non_null(store_volume(world.store, hosting)); /* it was there before */
    world_fini(&world);
}

static void test_create_refused(void **state)
{
    struct world world;
    struct store_request request;
    struct id hosting;

    (void)state;
    world_init(&world, 3);
    assert_refused(world_create_block(&world, 1, ""), STORE_BAD_REQUEST, "No clusters configured");
    world_fini(&world);
    hosting = set_up(&world);
    world_block_request(&request, 1, "");
    request.block_volume.clusters = mem_calloc(1, sizeof(struct id));
    request.block_volume.clusters[0].bytes[0] = 7;
    request.block_volume.n_clusters = 1;
    assert_refused(world_request(&world, &request), STORE_BAD_REQUEST,
                   "Cluster id 07000000000000000000000000000000 not found");
    assert_refused(world_create_block(&world, 99, ""), STORE_NO_ALLOCATION, DISABLED); /* 98 are free */
    assert_int_equal(world_create_block(&world, 98, ""), STORE_OK);
    assert_int_equal(world_end_block(&world, world.result.op_id, "x", 0, 0), STORE_OK);
    assert_refused(world_create_block(&world, 2000, ""), STORE_NO_ALLOCATION,
                   CREATE
                   "The size configured for automatic creation of block hosting volumes (1024) is too small to host "
                   "the requested block volume of size 2000. The available size on this block hosting volume, minus "
                   "overhead, is 1003. Please create a sufficiently large block hosting volume manually.");
    (void)world_block(&world, 2, "lun");
    assert_refused(world_create_block(&world, 1, "lun"), STORE_NO_ALLOCATION, DISABLED); /* no other hosting volume */
    restrict_volume(&world, hosting, STORE_LOCKED);
    world.unchecked = true; /* the restriction is not in the record's encoding */
    assert_refused(world_create_block(&world, 1, ""), STORE_NO_ALLOCATION, DISABLED);
    restrict_volume(&world, hosting, STORE_LOCKED_BY_UPDATE);
    assert_refused(world_create_block(&world, 1, ""), STORE_NO_ALLOCATION, DISABLED);
    restrict_volume(&world, hosting, STORE_UNRESTRICTED);
    assert_int_equal(world_create_block(&world, 1, ""), STORE_OK);
    world_fini(&world);
}

/* As of an old Heketi: nothing is kept back for the file system. It may be unlocked once so much is free. */
static void unlock_old(uint32_t used_gib, enum store_code expected)
{
    struct world world;
    struct id hosting = set_up(&world);
    struct store_volume *volume = (struct store_volume *)(uintptr_t)store_volume(world.store, hosting);
    struct store_request request;

    volume->reserved_gib = 0;
    world.unchecked = true; /* that is not in the record's encoding */
    (void)world_block(&world, used_gib, "lun");
    restrict_volume(&world, hosting, STORE_LOCKED_BY_UPDATE);
    store_request_init(&request, STORE_REQ_VOLUME_RESTRICT);
    request.target = hosting;
    request.restriction = STORE_UNRESTRICTED;
    assert_int_equal(world_request(&world, &request), expected);
    if (expected == STORE_OK) {
        assert_int_equal(store_volume(world.store, hosting)->reserved_gib, 2);
        assert_int_equal(store_volume(world.store, hosting)->restriction, STORE_UNRESTRICTED);
    } else {
        assert_string_equal(world.result.text, "Failed to set block restriction: Can not unlock volume. 2GiB free "
                                               "space is required, but found 1GiB");
        assert_int_equal(store_volume(world.store, hosting)->restriction, STORE_LOCKED_BY_UPDATE);
    }
    world_fini(&world);
}

static void test_unlock(void **state)
{
    (void)state;
    unlock_old(98, STORE_OK);
    unlock_old(99, STORE_NO_ALLOCATION);
}

static void set_flags(struct world *world, struct id cluster, bool file, bool block)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_CLUSTER_FLAGS);
    request.target = cluster;
    request.file = file;
    request.block = block;
    assert_int_equal(world_request(world, &request), STORE_OK);
}

static void test_cluster_flags(void **state)
{
    struct world world;
    struct id cluster, other;
    CLEANUP(free_ptr) char *lines = NULL;

    (void)state;
    (void)set_up(&world);
    cluster = store_cluster_next(world.store, NULL)->id;
    set_flags(&world, cluster, true, false);
    assert_refused(world_create_block(&world, 1, ""), STORE_NO_ALLOCATION,
                   CREATE "Cluster does not support requested volume type");
    set_flags(&world, cluster, false, false);
    assert_refused(world_create_block(&world, 1, ""), STORE_NO_ALLOCATION,
                   CREATE "Cluster has disabled all volume types");
    other = world_cluster(&world);
    set_flags(&world, other, true, false);
    assert_int_equal(world_create_block(&world, 1, ""), STORE_NO_ALLOCATION);
    lines = mem_printf("\nCluster %s: Cluster has disabled all volume types", id_text(cluster).text);
    assert_true(strncmp(world.result.text, CREATE "No eligible cluster for volume\n",
                        strlen(CREATE "No eligible cluster for volume\n")) == 0);
    assert_non_null(strstr(world.result.text, lines));
    world_fini(&world);
}

/* Equal names on different hosting volumes are no clash; on one they are. */
static void test_names(void **state)
{
    struct world world;
    struct id first = set_up(&world), second, one, two;

    (void)state;
    one = world_block(&world, 60, "one");
    second = world_hosting(&world, 100, "hv2");
    two = world_block(&world, 30, "one");
    assert_true(id_equal(world_block_of(&world, one)->hosting, first));
    assert_true(id_equal(world_block_of(&world, two)->hosting, second));
    assert_refused(world_create_block(&world, 1, "one"), STORE_NO_ALLOCATION, DISABLED);
    world_fini(&world);
}

/* Any of the hosting volumes with room is chosen, not always the same. */
static void test_choice_is_random(void **state)
{
    struct world world;
    struct id first = set_up(&world), second = world_hosting(&world, 100, "hv2");
    size_t n_first = 0, n_second = 0;

    (void)state;
    for (size_t i = 0; i < 40; i++) {
        struct id hosting = world_block_of(&world, world_block(&world, 1, ""))->hosting;

        n_first += id_equal(hosting, first);
        n_second += id_equal(hosting, second);
    }
    assert_int_equal(n_first + n_second, 40);
    assert_true(n_first > 5 && n_second > 5);
    world_fini(&world);
}

static void test_repeated(void **state)
{
    struct world world;
    struct store_request request;
    struct id block, op_id;

    (void)state;
    (void)set_up(&world);
    block = world_block(&world, 10, "lun");
    op_id = world_block_of(&world, block)->created_by;
    assert_int_equal(world_create_block(&world, 10, "lun"), STORE_REPEATED);
    assert_true(id_equal(world.result.id, block));
    assert_true(id_equal(world.result.op_id, op_id));
    world_block_request(&request, 10, "lun"); /* with a key: remembered */
    free(request.key);
    request.key = mem_strdup("k");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_true(id_equal(world.result.op_id, op_id));
    assert_int_equal(store_counts(world.store).block_volumes, 1);
    assert_int_equal(world_target(&world, STORE_REQ_BLOCK_DELETE, block), STORE_OK);
    assert_refused(world_create_block(&world, 10, "lun"), STORE_NO_ALLOCATION, DISABLED); /* it is going */
    world_fini(&world);
}

/* The job of the first has expired: the repeated request gets one of its own. */
static void test_repeated_after_expiry(void **state)
{
    struct world world;
    struct store_cmd cmd;
    struct id block;

    (void)state;
    (void)set_up(&world);
    block = world_block(&world, 10, "lun");
    store_cmd_init(&cmd, STORE_CMD_EXPIRE_JOBS);
    cmd.time_ms = world.env.now_ms + 1;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_null(store_job(world.store, world_block_of(&world, block)->created_by));
    assert_int_equal(world_create_block(&world, 10, "lun"), STORE_OK);
    assert_true(id_equal(world.result.id, block));
    assert_int_equal(store_job(world.store, world.result.op_id)->resource, STORE_RES_BLOCK_VOLUME);
    assert_true(id_equal(world_block_of(&world, block)->created_by, world.result.op_id));
    world_fini(&world);
}

/* A plan that has become stale is refused as a whole. */
static void test_stale_plan(void **state)
{
    struct world world;
    struct store_request request;
    struct store_cmd cmd;

    (void)state;
    (void)set_up(&world);
    world_block_request(&request, 90, "lun");
    assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
    (void)world_block(&world, 10, "other");
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    assert_int_equal(store_counts(world.store).block_volumes, 1);
    store_cmd_fini(&cmd);
    world_fini(&world);
}

/* ---- delete ---- */

static void test_delete(void **state)
{
    struct world world;
    struct id hosting = set_up(&world), block, op_id;

    (void)state;
    block = world_block(&world, 10, "lun");
    assert_refused(world_target(&world, STORE_REQ_VOLUME_DELETE, hosting), STORE_CONFLICT,
                   "Cannot delete a block hosting volume containing block volumes");
    assert_refused(world_target(&world, STORE_REQ_BLOCK_DELETE, world_id(&world)), STORE_NOT_FOUND, "Id not found");
    assert_int_equal(world_target(&world, STORE_REQ_BLOCK_DELETE, block), STORE_OK);
    op_id = world.result.op_id;
    assert_refused(world_target(&world, STORE_REQ_BLOCK_DELETE, block), STORE_IN_USE,
                   "Failed to set up block volume delete: " IN_USE);
    assert_refused(world_expand_block(&world, block, 30), STORE_IN_USE, EXPAND IN_USE);
    assert_int_equal(store_volume_free_gib(world.store, hosting), 88);
    assert_int_equal(world_end(&world, op_id, "block delete: failed"), STORE_OK); /* stays, as it was */
    assert_true(id_is_none(world_block_of(&world, block)->pending));
    assert_string_equal(world_block_of(&world, block)->password, "p-91d2");
    assert_int_equal(world_target(&world, STORE_REQ_BLOCK_DELETE, block), STORE_OK);
    op_id = world.result.op_id;
    assert_int_equal(world_end(&world, op_id, NULL), STORE_OK);
    assert_null(store_block_volume(world.store, block));
    assert_int_equal(store_job(world.store, op_id)->resource, STORE_RES_NONE);
    assert_int_equal(store_volume_free_gib(world.store, hosting), 98);
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, hosting), STORE_OK);
    world_fini(&world);
}

/* A delete is not undone. */
static void test_delete_only_forward(void **state)
{
    struct world world;
    struct store_cmd cmd;

    (void)state;
    (void)set_up(&world);
    assert_int_equal(world_target(&world, STORE_REQ_BLOCK_DELETE, world_block(&world, 1, "")), STORE_OK);
    store_cmd_init(&cmd, STORE_CMD_OP_UNDO);
    cmd.op_id = world.result.op_id;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    store_cmd_fini(&cmd);
    world_fini(&world);
}

/* ---- expand ---- */

static void test_expand(void **state)
{
    struct world world;
    struct id hosting = set_up(&world), block, op_id;

    (void)state;
    block = world_block(&world, 10, "lun");
    assert_int_equal(world_expand_block(&world, block, 25), STORE_OK);
    op_id = world.result.op_id;
    assert_int_equal(world_block_of(&world, block)->size_gib, 10); /* until it is done */
    assert_int_equal(store_volume_free_gib(world.store, hosting), 73);
    assert_refused(world_expand_block(&world, block, 30), STORE_IN_USE, EXPAND IN_USE);
    assert_refused(world_target(&world, STORE_REQ_BLOCK_DELETE, block), STORE_IN_USE,
                   "Failed to set up block volume delete: " IN_USE);
    assert_int_equal(world_end_block(&world, op_id, NULL, 20, 20), STORE_BAD_REQUEST); /* has not grown enough */
    assert_int_equal(world_end_block(&world, op_id, NULL, 25, 25), STORE_OK);
    assert_int_equal(world_block_of(&world, block)->size_gib, 25);
    assert_int_equal(world_block_of(&world, block)->usable_gib, 25);
    assert_int_equal(world_block_of(&world, block)->new_gib, 0);
    assert_int_equal(store_job(world.store, op_id)->resource, STORE_RES_BLOCK_VOLUME);
    assert_int_equal(store_volume_free_gib(world.store, hosting), 73);
    world_fini(&world);
}

static void test_expand_refused(void **state)
{
    struct world world;
    struct id block;

    (void)state;
    (void)set_up(&world);
    block = world_block(&world, 2, "lun");
    assert_refused(world_expand_block(&world, world_id(&world), 5), STORE_NOT_FOUND, "Id not found");
    assert_refused(world_expand_block(&world, block, 2), STORE_NO_ALLOCATION,
                   EXPAND "Requested new-size 2 is same as current block volume size 2, nothing to be done.");
    assert_refused(world_expand_block(&world, block, 1), STORE_NO_ALLOCATION,
                   EXPAND "Requested new-size 1 is less than current block volume size 2, shrinking is not allowed.");
    assert_refused(world_expand_block(&world, block, 99), STORE_NO_ALLOCATION, EXPAND "No space");
    assert_int_equal(world_expand_block(&world, block, 98), STORE_OK);
    world_fini(&world);
}

/* A failed one counts as what the nodes say: nothing has grown, or all but what some hosts serve. */
static void test_expand_fails(void **state)
{
    struct world world;
    struct id hosting = set_up(&world), block;

    (void)state;
    block = world_block(&world, 10, "lun");
    assert_int_equal(world_expand_block(&world, block, 25), STORE_OK);
    assert_int_equal(world_end_block(&world, world.result.op_id, "modify failed", 10, 10), STORE_OK);
    assert_int_equal(world_block_of(&world, block)->size_gib, 10);
    assert_int_equal(store_volume_free_gib(world.store, hosting), 88);
    assert_int_equal(world_expand_block(&world, block, 25), STORE_OK);
    assert_int_equal(world_end_block(&world, world.result.op_id, "modify failed", 25, 10), STORE_OK);
    assert_int_equal(world_block_of(&world, block)->size_gib, 25);
    assert_int_equal(world_block_of(&world, block)->usable_gib, 10);
    assert_int_equal(store_volume_free_gib(world.store, hosting), 73);
    assert_int_equal(world_expand_block(&world, block, 25),
                     STORE_OK); /* the same size again, for the rest of the hosts */
    assert_int_equal(store_volume_free_gib(world.store, hosting), 73);
    assert_int_equal(world_end_block(&world, world.result.op_id, NULL, 25, 25), STORE_OK);
    assert_int_equal(world_block_of(&world, block)->usable_gib, 25);
    world_fini(&world);
}

/* Two expands that were planned when there was room for either. */
static void test_expand_race(void **state)
{
    struct world world;
    struct store_request request;
    struct store_cmd cmd;
    struct id one, two;

    (void)state;
    (void)set_up(&world);
    one = world_block(&world, 10, "one");
    two = world_block(&world, 10, "two");
    store_request_init(&request, STORE_REQ_BLOCK_EXPAND);
    request.target = one;
    request.new_gib = 80;
    assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
    assert_int_equal(world_expand_block(&world, two, 80), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_NO_ALLOCATION);
    assert_string_equal(world.result.text, EXPAND "No space");
    store_cmd_fini(&cmd);
    world_fini(&world);
}

/* Small hosting volumes: the 2 % are rounded up. */
static void test_reserve(void **state)
{
    static const struct {
        uint32_t size_gib, reserve_gib;
    } cases[] = {{1, 1}, {49, 1}, {50, 1}, {51, 2}, {100, 2}, {101, 3}, {500, 10}, {1024, 21}, {4000000000, 80000000}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(store_block_reserve_gib(cases[i].size_gib), cases[i].reserve_gib);
    }
}

/* Everything about block volumes is in a snapshot, also in the middle of an operation. */
static void test_snapshot(void **state)
{
    struct world world;
    struct store_snapshot *snapshot;
    struct store *copy;
    struct err err = ERR_INIT;
    struct buf buf = BUF_INIT;
    struct id expanding;

    (void)state;
    world_init_auto(&world, 4);
    expanding = world_block(&world, 10, "one");
    assert_int_equal(world_expand_block(&world, expanding, 20), STORE_OK);
    assert_int_equal(world_create_block(&world, 90, "two"), STORE_OK);
    {
        struct store_cmd cmd;

        assert_int_equal(store_plan_again(world.store, world.result.op_id, &world.env, &cmd, &world.result), STORE_OK);
        assert_int_equal(world_apply(&world, &cmd), STORE_OK);
        store_cmd_fini(&cmd);
    }
    snapshot = store_snapshot_take(world.store);
    store_snapshot_encode(snapshot, &buf);
    store_snapshot_free(snapshot);
    assert_int_equal(store_snapshot_decode(buf.data, buf.len, &copy, &err), 0);
    assert_true(digests_equal(world.store, copy));
    assert_int_equal(store_volume_free_gib(copy, store_block_volume(copy, expanding)->hosting), 78);
    assert_int_equal(store_counts(copy).block_volumes, 2);
    store_free(copy);
    buf_fini(&buf);
    world_fini(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_created),
        cmocka_unit_test(test_unlock),
        cmocka_unit_test(test_what_a_node_says),
        cmocka_unit_test(test_default_name),
        cmocka_unit_test(test_failed_create_gives_back),
        cmocka_unit_test(test_create_refused),
        cmocka_unit_test(test_cluster_flags),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_choice_is_random),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_repeated_after_expiry),
        cmocka_unit_test(test_stale_plan),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_delete_only_forward),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_expand_refused),
        cmocka_unit_test(test_expand_fails),
        cmocka_unit_test(test_expand_race),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_snapshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The planner: checks 8 to 12 of heketi-rest.md 6.5 with their texts, splitting, placement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"
#include "tests/unit/store/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_init(&world, 3);
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

static void add_cluster(struct store_request *request, struct id id)
{
    struct store_volume_request *wish = &request->volume;

    wish->clusters = mem_realloc_array(wish->clusters, wish->n_clusters + 1, sizeof(*wish->clusters));
    wish->clusters[wish->n_clusters++] = id;
}

static void set_flags(struct id cluster, bool file, bool block)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_CLUSTER_FLAGS);
    request.target = cluster;
    request.file = file;
    request.block = block;
    assert_int_equal(world_request(&world, &request), STORE_OK);
}

static void test_no_clusters(void **state)
{
    struct store_request request;

    (void)state;
    (void)world_create(&world, 1, 3, "");
    EXPECT(STORE_BAD_REQUEST, "No clusters configured");
    world_volume_request(&request, 1, 3, "");
    add_cluster(&request, UNKNOWN); /* the order of the checks: 8 before 9 */
    (void)world_request(&world, &request);
    EXPECT(STORE_BAD_REQUEST, "No clusters configured");
    (void)world_cluster(&world);
    world_volume_request(&request, 1, 3, "");
    add_cluster(&request, UNKNOWN);
    (void)world_request(&world, &request);
    EXPECT(STORE_BAD_REQUEST, "Cluster id %s not found", id_text(UNKNOWN).text);
}

static void test_minimum_size(void **state)
{
    struct store_request request;

    (void)state;
    (void)world_cluster(&world);
    world.env.brick_min_kib = 4 * GIB;
    (void)world_create(&world, 3, 3, "");
    EXPECT(STORE_BAD_REQUEST,
           "Requested volume size (3 GB) is smaller than the minimum supported volume size (4194304)");
    world_volume_request(&request, 7, 0, "");
    request.volume.durability = STORE_DISPERSE;
    request.volume.disperse_data = 2;
    request.volume.redundancy = 1;
    (void)world_request(&world, &request);
    EXPECT(STORE_BAD_REQUEST,
           "Requested volume size (7 GB) is smaller than the minimum supported volume size (8388608)");
    (void)world_create(&world, 3, 4, "");
    EXPECT(STORE_BAD_REQUEST, "Invalid replica value");
}

static void test_empty_cluster(void **state)
{
    struct id nodes[3], cluster = world_cluster(&world), op, node;

    (void)state;
    (void)world_create(&world, 1, 3, "");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No nodes in cluster");
    op = world_begin_node(&world, cluster, 1, "n1"); /* does not count yet */
    node = world.result.id;
    (void)world_create(&world, 1, 3, "");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No nodes in cluster");
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    (void)world_create(&world, 1, 3, "");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No online storage devices in cluster");
    op = world_begin_device(&world, node, "/dev/sdb"); /* nor does a device that is being added */
    (void)world_create(&world, 1, 3, "");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No online storage devices in cluster");
    assert_int_equal(world_end(&world, op, "x"), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_NODE_DELETE, node), STORE_OK);
    (void)world_create(&world, 1, 3, ""); /* going, not gone */
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No online storage devices in cluster");
    assert_int_equal(world_end(&world, store_node(world.store, node)->pending, NULL), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_CLUSTER_DELETE, cluster), STORE_OK);
    (void)world_topology(&world, 3, 100 * GIB, nodes, NULL);
    for (int i = 0; i < 3; i++) {
        (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[i], STORE_STATE_OFFLINE);
    }
    (void)world_create(&world, 1, 3, "");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No online storage devices in cluster");
}

/* The recorded texts of several-clusters. */
static void test_several_clusters(void **state)
{
    struct id a = world_topology(&world, 3, 100 * GIB, NULL, NULL), b, first, second;
    struct store_request request;
    struct store_reasons reasons = {NULL, 0};

    (void)state;
    b = world_topology(&world, 3, 100 * GIB, NULL, NULL);
    first = id_cmp(&a, &b) < 0 ? a : b;
    second = id_cmp(&a, &b) < 0 ? b : a;
    set_flags(first, false, false);
    (void)world_create(&world, 1, 3, "x"); /* the only eligible one takes it */
    assert_int_equal(world.result.code, STORE_OK);
    assert_true(id_equal(store_volume(world.store, world.result.id)->cluster, second));
    (void)world_create(&world, 2, 3, "x");
    EXPECT(STORE_NO_ALLOCATION,
           "Failed to allocate new volume: No eligible cluster for volume\nCluster %s: Cluster has disabled all volume "
           "types\nCluster %s: Volume name 'x' already in use",
           id_text(first).text, id_text(second).text);
    world_volume_request(&request, 2, 3, "x");
    add_cluster(&request, second);
    add_cluster(&request, second); /* twice is once */
    (void)world_request(&world, &request);
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: Volume name 'x' already in use");
    (void)world_create(&world, 9999, 3, ""); /* one survivor: its text alone */
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No space");
    set_flags(first, true, false);
    world.env.reasons = &reasons;
    world_volume_request(&request, 9999, 3, "");
    add_cluster(&request, second);
    add_cluster(&request, first);
    (void)world_request(&world, &request);
    EXPECT(
        STORE_NO_ALLOCATION,
        "Failed to allocate new volume: Unable to create volume on any cluster:\nCluster %s: No space\nCluster %s: No "
        "space",
        id_text(second).text, id_text(first).text);
    assert_int_equal(reasons.n, 8); /* of each cluster and its three devices */
    world.env.reasons = NULL;
    store_reasons_fini(&reasons);
    set_flags(second, false, true);
    world_volume_request(&request, 1, 3, "");
    add_cluster(&request, second);
    (void)world_request(&world, &request);
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: Cluster does not support requested volume type");
    set_flags(second, true, false);
    world_volume_request(&request, 1, 3, "y"); /* the order of the request */
    add_cluster(&request, second);
    add_cluster(&request, first);
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_true(id_equal(store_volume(world.store, world.result.id)->cluster, second));
}

static void test_volume_limit(void **state)
{
    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    world.env.volumes_per_cluster_max = 2;
    (void)world_volume(&world, 1, 3, "");
    assert_int_equal(world_create(&world, 1, 3, ""), STORE_OK); /* pending ones count */
    (void)world_create(&world, 1, 3, "");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: Cluster has 2 volumes and limit is 2");
    world.env.volumes_per_cluster_max = -1;
    (void)world_volume(&world, 1, 3, "");
}

/* Also for requests that came another way than through the API, and for options that are configured. */
static void test_options_are_data(void **state)
{
    struct store_request request;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    world_volume_request(&request, 10, 3, "");
    store_strs_add(&request.volume.options, "user.a --log-file=/x");
    assert_int_equal(world_request(&world, &request), STORE_BAD_REQUEST);
    assert_non_null(strstr(world.result.text, "Volume option 2 (those of the configuration count): the word "
                                              "\"--log-file=/x\" begins with \"--\""));
    world.env.post_options = "--xml";
    world_volume_request(&request, 10, 3, "");
    assert_int_equal(world_request(&world, &request), STORE_BAD_REQUEST);
}

/* Effective and echoed parameters. */
static void test_parameters(void **state)
{
    const struct store_volume *volume;
    struct store_request request;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    world.env.pre_options = "a b";
    world_volume_request(&request, 10, 3, "");
    request.volume.replica = 0;       /* 2 */
    request.volume.disperse_data = 4; /* of another durability: echoed */
    request.volume.redundancy = 2;
    request.volume.gid = 2004;
    request.volume.snapshot_factor = 7; /* not enabled: 1 */
    store_strs_add(&request.volume.options, "c d");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    volume = store_volume(world.store, world.result.id);
    assert_int_equal(volume->replica, 2);
    assert_int_equal(volume->n_bricks, 2);
    assert_int_equal(volume->disperse_data, 4);
    assert_int_equal(volume->gid, 2004);
    assert_true(volume->snapshot_factor == 1);
    assert_int_equal(volume->options.n, 3);
    assert_string_equal(volume->options.items[0], "a b");
    assert_string_equal(volume->options.items[1], "c d");
    assert_string_equal(volume->options.items[2], "");
    world_volume_request(&request, 10, 0, "");
    request.volume.replica = 3; /* of another durability */
    request.volume.snapshot_enable = true;
    request.volume.snapshot_factor = 1.5F;
    assert_int_equal(world_request(&world, &request), STORE_OK);
    volume = store_volume(world.store, world.result.id);
    assert_int_equal(volume->n_bricks, 1);
    assert_int_equal(volume->replica, 3);
    assert_int_equal(volume->bricks[0].pool_kib, 15728640);
    assert_int_equal(volume->bricks[0].meta_kib, 81920);
    assert_int_equal(volume->bricks[0].size_kib, 10485760);
}

static void test_too_many_options(void **state)
{
    struct store_request request;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    world_volume_request(&request, 10, 3, "");
    for (int i = 0; i < 1025; i++) {
        store_strs_add(&request.volume.options, "a b");
    }
    assert_int_equal(world_request(&world, &request), STORE_BAD_REQUEST);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_no_clusters),  T(test_minimum_size), T(test_empty_cluster),    T(test_several_clusters),
        T(test_volume_limit), T(test_parameters),   T(test_options_are_data), T(test_too_many_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

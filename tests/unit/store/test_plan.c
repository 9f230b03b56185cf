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

static void set_tag(enum store_request_type type, struct id target, const char *name, const char *value)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.tag_change = STORE_TAGS_UPDATE;
    store_tags_set(&request.tags, name, value);
    assert_int_equal(world_request(&world, &request), STORE_OK);
}

static enum store_code create_with_option(uint32_t size_gib, uint32_t replica, const char *option)
{
    struct store_request request;

    world_volume_request(&request, size_gib, replica, "");
    store_strs_add(&request.volume.options, option);
    return world_request(&world, &request);
}

static const struct store_node *node_of(const struct store_brick *brick)
{
    return store_node(world.store, store_device(world.store, brick->device)->node);
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
    struct buf lines = BUF_INIT;

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
    world.env.explain = &lines;
    world_volume_request(&request, 9999, 3, "");
    add_cluster(&request, second);
    add_cluster(&request, first);
    (void)world_request(&world, &request);
    EXPECT(
        STORE_NO_ALLOCATION,
        "Failed to allocate new volume: Unable to create volume on any cluster:\nCluster %s: No space\nCluster %s: No "
        "space",
        id_text(second).text, id_text(first).text);
    assert_non_null(strstr(buf_str(&lines), "is too full for it"));
    world.env.explain = NULL;
    buf_fini(&lines);
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

static void test_not_supported_yet(void **state)
{
    struct store_request request;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    world_volume_request(&request, 10, 0, "");
    request.volume.durability = STORE_DISPERSE;
    request.volume.disperse_data = 2;
    request.volume.redundancy = 1;
    (void)world_request(&world, &request);
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: durability disperse is not supported by this release");
    world_volume_request(&request, 10, 3, "");
    request.volume.block = true;
    (void)world_request(&world, &request);
    EXPECT(STORE_NO_ALLOCATION,
           "Failed to allocate new volume: block hosting volumes are not supported by this release");
    (void)create_with_option(10, 3, "user.heketi.arbiter true");
    EXPECT(STORE_NO_ALLOCATION,
           "Failed to allocate new volume: option user.heketi.arbiter is not supported by this release");
    assert_int_equal(create_with_option(10, 2, "user.heketi.arbiter true"), STORE_OK); /* means nothing there */
    assert_int_equal(create_with_option(10, 3, "user.heketi.arbiter no"), STORE_OK);
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

/* ---- splitting ---- */

static void test_split_by_largest_brick(void **state)
{
    const struct store_volume *volume;

    (void)state;
    (void)world_topology(&world, 3, UINT64_C(20480) * GIB, NULL, NULL);
    assert_int_equal(world_create(&world, 10240, 3, ""), STORE_OK); /* 10 TiB: 4 sets of 2.5 TiB */
    volume = store_volume(world.store, world.result.id);
    assert_int_equal(volume->n_bricks, 12);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(volume->bricks[i].size_kib, 2560 * GIB);
        assert_int_equal(volume->bricks[i].set, i / 3);
        assert_int_equal(volume->bricks[i].position, i % 3);
    }
    world.env.brick_max_kib = 1000 * GIB;
    (void)world_create(&world, 9000, 3, ""); /* 16 sets would be needed, or 9 with any number: 27 bricks */
    assert_int_equal(world.result.code, STORE_OK);
    assert_int_equal(store_volume(world.store, world.result.id)->n_bricks, 27);
    (void)world_create(&world, 11000, 3, ""); /* 33 bricks */
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No space");
}

static void test_split_by_space(void **state)
{
    const struct store_volume *volume;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct id node = world_node(&world, i == 0 ? world_cluster(&world) : store_cluster_next(world.store, NULL)->id,
                                    1, i == 0 ? "a" : "b");

        (void)world_device(&world, node, "/dev/sdb", 60 * GIB);
        (void)world_device(&world, node, "/dev/sdc", 60 * GIB);
    }
    assert_int_equal(world_create(&world, 100, 2, ""), STORE_OK); /* no device holds 100 GiB: two sets */
    volume = store_volume(world.store, world.result.id);
    assert_int_equal(volume->n_bricks, 4);
    assert_int_equal(volume->bricks[0].size_kib, 50 * GIB);
}

/* Where Heketi's powers of two find nothing and another number of sets fits. */
static void test_split_not_power_of_two(void **state)
{
    const struct store_volume *volume;
    uint64_t sum = 0;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    world.env.bricks_per_volume_max = 8;
    /* one device per node: 1, 2, 4 (67.5 GiB) and 8 bricks (33.75 GiB, two a device) do not fit, 3 of 90 GiB do */
    assert_int_equal(world_create(&world, 270, 0, ""), STORE_OK);
    volume = store_volume(world.store, world.result.id);
    assert_int_equal(volume->n_bricks, 3);
    for (size_t i = 0; i < 3; i++) {
        sum += volume->bricks[i].size_kib;
    }
    assert_true(sum >= 270 * GIB); /* never smaller than asked */
    (void)world_create(&world, 40, 0, "");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No space");
}

/* Four nodes of unequal size: a ring that starts at the wrong place fails, the fullest-first placer never does. */
static void test_fullest_first(void **state)
{
    struct id cluster = world_cluster(&world);
    const uint64_t one = 10 * GIB + 53248; /* 10 GiB and its metadata */
    const struct store_volume *volume;

    (void)state;
    world.env.brick_max_kib = 10 * GIB;
    world.env.brick_min_kib = 10 * GIB;
    for (int i = 0; i < 4; i++) { /* room for 3, 3, 1, 1 bricks */
        CLEANUP(free_ptr) char *name = mem_printf("n%d", i);
        struct id node = world_node(&world, cluster, 1, name);

        (void)world_device(&world, node, "/dev/sdb", (i < 2 ? 3 : 1) * one + 53248);
    }
    assert_int_equal(world_create(&world, 40, 2, ""), STORE_OK); /* 4 sets of 2 use every place there is */
    volume = store_volume(world.store, world.result.id);
    assert_int_equal(volume->n_bricks, 8);
}

/* ---- rings ---- */

static void make_space(struct plan_space *space, const struct store *store)
{
    *space = (struct plan_space){.factor = 1, .seed = 1};
    for (const struct store_device *device = store_device_next(store, NULL); device != NULL;
         device = store_device_next(store, device)) {
        space->devices = mem_realloc_array(space->devices, space->n + 1, sizeof(*space->devices));
        space->devices[space->n++] = (struct plan_device){find_device(store, device->id), device->total_kib, 0};
    }
}

static int space_order(const void *a, const void *b)
{
    const struct device_entry *left = ((const struct plan_device *)a)->entry;
    const struct device_entry *right = ((const struct plan_device *)b)->entry;

    if (left->node->rec.zone != right->node->rec.zone) {
        return left->node->rec.zone < right->node->rec.zone ? -1 : 1;
    }
    return left->node != right->node ? id_cmp(&left->node->rec.id, &right->node->rec.id)
                                     : id_cmp(&left->rec.id, &right->rec.id);
}

/* Neighbours in the ring alternate zones while there are several; every device comes once; the rotation is that of
 * the first seven digits. */
static void test_ring(void **state)
{
    struct id cluster = world_cluster(&world), rotation = {{0}};
    struct plan_space space;
    size_t order[16], turned[16], seen[16] = {0};

    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("n%u", i);
        struct id node = world_node(&world, cluster, 1 + i % 4, name);

        (void)world_device(&world, node, "/dev/sdb", GIB);
        (void)world_device(&world, node, "/dev/sdc", GIB);
    }
    make_space(&space, world.store);
    qsort(space.devices, space.n, sizeof(*space.devices), space_order);
    plan_ring(&space, &rotation, order);
    for (size_t i = 0; i < 16; i++) {
        seen[order[i]]++;
        /* 8 zone-alternating steps until the first zones run dry */
        if (i > 0 && i < 8) {
            assert_int_not_equal(space.devices[order[i]].entry->node->rec.zone,
                                 space.devices[order[i - 1]].entry->node->rec.zone);
        }
    }
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(seen[i], 1);
    }
    space.seed = 1;
    rotation = (struct id){{0, 0, 0, 0x5f}}; /* 0000005 */
    plan_ring(&space, &rotation, turned);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(turned[i], order[(i + 5) % 16]);
    }
    /* within a node the last device comes first */
    for (size_t i = 0; i < 16; i++) {
        size_t other = order[i] % 2 == 0 ? order[i] + 1 : order[i] - 1, at = 0;

        while (order[at] != other) {
            at++;
        }
        assert_int_equal(at<i, other> order[i]);
    }
    free(space.devices);
}

static void test_nodes_distinct_and_spread(void **state)
{
    struct id devices[6];
    size_t used = 0;

    (void)state;
    (void)world_topology(&world, 6, 1000 * GIB, NULL, devices);
    for (int i = 0; i < 60; i++) {
        const struct store_volume *volume = store_volume(world.store, world_volume(&world, 1, 3, ""));

        for (size_t a = 0; a < 3; a++) {
            for (size_t b = 0; b < a; b++) {
                assert_ptr_not_equal(node_of(&volume->bricks[a]), node_of(&volume->bricks[b]));
            }
        }
    }
    for (int i = 0; i < 6; i++) { /* 180 bricks: nobody is left out or swamped */
        uint64_t n = store_device_used_kib(world.store, devices[i]) / 1056768;

        assert_in_range(n, 12, 50);
        used += n;
    }
    assert_int_equal(used, 180);
}

/* ---- filters ---- */

static void test_strict_zones(void **state)
{
    struct id cluster = world_cluster(&world), node[4];

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("n%u", i);

        node[i] = world_node(&world, cluster, 1 + i / 2, name); /* zones 1 1 2 2 */
        (void)world_device(&world, node[i], "/dev/sdb", 100 * GIB);
    }
    assert_int_equal(create_with_option(1, 3, "user.heketi.zone-checking none"), STORE_OK);
    (void)create_with_option(1, 3, "user.heketi.zone-checking strict");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No space");
    for (int i = 0; i < 20; i++) {
        const struct store_volume *volume;

        assert_int_equal(create_with_option(1, 2, "user.heketi.zone-checking strict"), STORE_OK);
        volume = store_volume(world.store, world.result.id);
        assert_int_not_equal(node_of(&volume->bricks[0])->zone, node_of(&volume->bricks[1])->zone);
    }
    world.env.zone_strict = true; /* the server's setting; the option wins, an odd value acts as none */
    assert_int_equal(world_create(&world, 1, 3, ""), STORE_NO_ALLOCATION);
    assert_int_equal(create_with_option(1, 3, "user.heketi.zone-checking "), STORE_NO_ALLOCATION);
    assert_int_equal(create_with_option(1, 3, "user.heketi.zone-checking none"), STORE_OK);
    assert_int_equal(create_with_option(1, 3, "user.heketi.zone-checking Strict"), STORE_OK);
}

static void test_tag_match(void **state)
{
    struct id nodes[4], devices[4];
    const struct store_volume *volume;

    (void)state;
    (void)world_topology(&world, 4, 100 * GIB, nodes, devices);
    set_tag(STORE_REQ_NODE_TAGS, nodes[0], "disk", "ssd");
    set_tag(STORE_REQ_NODE_TAGS, nodes[1], "disk", "ssd");
    set_tag(STORE_REQ_DEVICE_TAGS, devices[1], "disk", "hdd"); /* the device wins */
    set_tag(STORE_REQ_DEVICE_TAGS, devices[2], "disk", "ssd");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(create_with_option(1, 2, "user.heketi.device-tag-match disk=ssd"), STORE_OK);
        volume = store_volume(world.store, world.result.id);
        for (size_t b = 0; b < 2; b++) {
            assert_true(id_equal(volume->bricks[b].device, devices[0]) ||
                        id_equal(volume->bricks[b].device, devices[2]));
        }
        assert_int_equal(create_with_option(1, 2, "user.heketi.device-tag-match disk!=ssd"),
                         STORE_OK); /* missing: differs */
        volume = store_volume(world.store, world.result.id);
        for (size_t b = 0; b < 2; b++) {
            assert_true(id_equal(volume->bricks[b].device, devices[1]) ||
                        id_equal(volume->bricks[b].device, devices[3]));
        }
    }
    (void)create_with_option(1, 3, "user.heketi.device-tag-match disk=ssd");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No space");
    (void)create_with_option(1, 3, "user.heketi.device-tag-match disk");
    EXPECT(STORE_NO_ALLOCATION,
           "Failed to allocate new volume: Invalid tag matching rule: Invalid tag match rule: disk");
    assert_int_equal(create_with_option(1, 3, "user.heketi.device-tag-match "), STORE_OK); /* no rule */
    assert_int_equal(create_with_option(1, 3, "user.heketi.device-tag-match"), STORE_OK);
}

static struct id down;

static bool node_down(void *user, struct id node)
{
    (void)user;
    return id_equal(node, down);
}

static void test_nodes_down(void **state)
{
    struct id nodes[4];

    (void)state;
    (void)world_topology(&world, 4, 100 * GIB, nodes, NULL);
    world.env.node_down = node_down;
    down = nodes[2];
    for (int i = 0; i < 20; i++) {
        const struct store_volume *volume = store_volume(world.store, world_volume(&world, 1, 3, ""));

        for (size_t b = 0; b < 3; b++) {
            assert_false(id_equal(node_of(&volume->bricks[b])->id, down));
        }
    }
    world.env.exclude_nodes = &nodes[0]; /* and one that failed this operation */
    world.env.n_exclude_nodes = 1;
    assert_int_equal(world_create(&world, 1, 3, ""), STORE_NO_ALLOCATION);
}

static void test_explanations(void **state)
{
    struct id nodes[6], devices[6];
    struct buf lines = BUF_INIT;

    (void)state;
    (void)world_topology(&world, 6, 100 * GIB, nodes, devices);
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[0], STORE_STATE_OFFLINE);
    (void)world_state(&world, STORE_REQ_DEVICE_STATE, devices[1], STORE_STATE_OFFLINE);
    (void)world_begin_device(&world, nodes[1], "/dev/sdz");
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[2], STORE_STATE_OFFLINE);
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[2], STORE_STATE_FAILED);
    set_tag(STORE_REQ_NODE_TAGS, nodes[5], "disk", "ssd");
    world.env.node_down = node_down;
    down = nodes[3];
    world.env.exclude_nodes = &nodes[4];
    world.env.n_exclude_nodes = 1;
    world.env.explain = &lines;
    (void)create_with_option(1, 3, "user.heketi.device-tag-match disk!=ssd");
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate new volume: No space"); /* the text itself is Heketi's */
    assert_non_null(strstr(buf_str(&lines), " is offline\n"));
    assert_non_null(strstr(buf_str(&lines), " is failed\n"));
    assert_non_null(strstr(buf_str(&lines), " is being added or deleted\n"));
    assert_non_null(strstr(buf_str(&lines), " does not answer\n"));
    assert_non_null(strstr(buf_str(&lines), " failed during this operation\n"));
    assert_non_null(strstr(buf_str(&lines), " does not match the tag rule\n"));
    assert_non_null(strstr(buf_str(&lines), "  tried 1 to 1 sets of 3 bricks on different nodes"));
    buf_clear(&lines);
    (void)create_with_option(1, 2, "user.heketi.zone-checking strict");
    assert_non_null(strstr(buf_str(&lines), "on different zones"));
    assert_non_null(strstr(buf_str(&lines), "too few others have"));
    (void)world_state(&world, STORE_REQ_DEVICE_STATE, devices[1], STORE_STATE_FAILED);
    buf_clear(&lines);
    (void)world_create(&world, 1, 2, "");
    assert_non_null(strstr(buf_str(&lines), " is failed\n"));
    buf_fini(&lines);
}

static void test_unknown_request(void **state)
{
    struct store_request request;

    (void)state;
    store_request_init(&request, (enum store_request_type)99);
    assert_int_equal(world_request(&world, &request), STORE_BAD_REQUEST);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_no_clusters),
        T(test_minimum_size),
        T(test_empty_cluster),
        T(test_several_clusters),
        T(test_volume_limit),
        T(test_not_supported_yet),
        T(test_parameters),
        T(test_too_many_options),
        T(test_split_by_largest_brick),
        T(test_split_by_space),
        T(test_split_not_power_of_two),
        T(test_fullest_first),
        T(test_ring),
        T(test_nodes_distinct_and_spread),
        T(test_strict_zones),
        T(test_tag_match),
        T(test_nodes_down),
        T(test_explanations),
        T(test_unknown_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Placement: splitting, rings, filters. */
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

#define EXPECT(code_, ...)                                       \
    do {                                                         \
        CLEANUP(free_ptr) char *text_ = mem_printf(__VA_ARGS__); \
        assert_int_equal(world.result.code, (code_));            \
        assert_string_equal(world.result.text, text_);           \
    } while (0)

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

/* ---- work ---- */

static void make_large(void)
{
    struct id cluster = world_cluster(&world);

    world.unchecked = true;
    for (size_t i = 0; i < 100; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("n%zu", i);
        struct id node = world_node(&world, cluster, (uint32_t)i % 3 + 1, name);

        for (size_t j = 0; j < 10; j++) {
            CLEANUP(free_ptr) char *device = mem_printf("/dev/d%zu", j);

            (void)world_device(&world, node, device, 500 * GIB);
        }
    }
}

/* The text for people, "" when there is a place. */
static char *explain(uint32_t size_gib, enum store_durability durability, uint32_t replica, const char *option)
{
    struct store_reasons reasons = {NULL, 0};
    struct store_request request;
    struct store_cmd cmd;
    char *text;

    world_volume_request(&request, size_gib, replica, "");
    request.volume.durability = durability;
    store_strs_add(&request.volume.options, option);
    world.env.reasons = &reasons;
    if (world_plan(&world, &request, &cmd) == STORE_OK) {
        store_cmd_fini(&cmd);
    }
    text = mem_strdup(reasons.n > 0 ? reasons.items[0].text : "");
    store_reasons_fini(&reasons);
    world.env.reasons = NULL;
    return text;
}

/* Without a bound these took seconds, in which nobody else was answered. What is left out is said. */
static void test_work_is_bounded(void **state)
{
    static const char none[] = "user.a b";
    CLEANUP(free_ptr) char *few = NULL, *many = NULL, *most = NULL;

    (void)state;
    make_large();
    few = explain(20000, STORE_REPLICATE, 3, none);
    assert_string_equal(few, "tried up to 10 sets of 3 bricks on different nodes, the smallest of 2000.00 GiB; "
                             "4950 GiB would fit; 0 of 10 sets find a place, for the next one 3 nodes with room are "
                             "needed, there are 0");
    world.env.bricks_per_volume_max = STORE_BRICKS_MAX;
    many = explain(524288, STORE_NONE, 0, none);
    assert_non_null(strstr(many, " GiB would fit, maybe more"));
    most = explain(131072, STORE_NONE, 0, none); /* the ring alone would take most of the time */
    assert_string_equal(most, "");
    assert_int_equal(world.result.code, STORE_OK);
}

/* One bound, however many clusters are asked; when nothing of it is left, that is said. */
static void test_work_of_several_clusters(void **state)
{
    const struct plan_tag_rule rule = {NULL, NULL, false};
    struct store_volume volume = {.durability = STORE_REPLICATE, .replica = 3, .snapshot_factor = 1};
    struct store_reasons reasons = {NULL, 0};
    const struct cluster_entry *cluster;
    struct plan_result result;
    struct plan_work work, before;

    (void)state;
    make_large();
    cluster = find_cluster(world.store, store_cluster_next(world.store, NULL)->id);
    plan_work_init(&work);
    do {
        before = work;
        assert_int_not_equal(plan_bricks(world.store, &world.env, &work, cluster, &rule, &volume, 20000, &result),
                             PLAN_PLACED);
        assert_true(work.left[PLAN_ANYWHERE] < before.left[PLAN_ANYWHERE]);
    } while (work.left[PLAN_ANYWHERE] > 0);
    work.left[PLAN_BY_RING] = work.left[PLAN_EXPLAIN] = 0;
    world.env.reasons = &reasons;
    assert_int_not_equal(plan_bricks(world.store, &world.env, &work, cluster, &rule, &volume, 1, &result), PLAN_PLACED);
    assert_string_equal(reasons.items[0].text,
                        "tried up to 1 sets of 3 bricks on different nodes, the smallest of 1.00 GiB; how much would "
                        "fit was not found out; not all ways were tried, as they are too many");
    store_reasons_fini(&reasons);
    world.env.reasons = NULL;
    work.left[PLAN_ANYWHERE] = 1000000; /* the ring's share is used up, and there is a place */
    assert_int_equal(plan_bricks(world.store, &world.env, &work, cluster, &rule, &volume, 1, &result), PLAN_PLACED);
    for (size_t i = 0; i < result.n; i++) {
        store_brick_fini(&result.bricks[i]);
    }
    free(result.bricks);
}

/* ---- rings ---- */

static void make_space(struct plan_space *space, const struct store *store)
{
    *space = (struct plan_space){.factor = 1, .seed = 1};
    for (const struct store_device *device = store_device_next(store, NULL); device != NULL;
         device = store_device_next(store, device)) {
        space->devices = mem_realloc_array(space->devices, space->n + 1, sizeof(*space->devices));
        space->devices[space->n++] =
            (struct plan_device){.entry = find_device(store, device->id), .free_kib = device->total_kib};
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
    size_t all[16], order[16], turned[16], seen[16] = {0};

    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("n%u", i);
        struct id node = world_node(&world, cluster, 1 + i % 4, name);

        (void)world_device(&world, node, "/dev/sdb", GIB);
        (void)world_device(&world, node, "/dev/sdc", GIB);
    }
    make_space(&space, world.store);
    qsort(space.devices, space.n, sizeof(*space.devices), space_order);
    for (size_t i = 0; i < 16; i++) {
        all[i] = i;
    }
    plan_ring(&space, &rotation, all, 16, order);
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
    plan_ring(&space, &rotation, all, 16, turned);
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
        T(test_split_by_largest_brick),
        T(test_split_by_space),
        T(test_split_not_power_of_two),
        T(test_fullest_first),
        T(test_ring),
        T(test_nodes_distinct_and_spread),
        T(test_strict_zones),
        T(test_tag_match),
        T(test_nodes_down),
        T(test_unknown_request),
        T(test_work_is_bounded),
        T(test_work_of_several_clusters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Volumes of every durability: shapes of their sets, sizes of their bricks, where arbiters go, and why nothing fits. */
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
    world_init(&world, 11);
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

#define NO_SPACE "Failed to allocate new volume: No space"

static void tag(enum store_request_type type, struct id target, const char *name, const char *value)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.tag_change = STORE_TAGS_SET;
    store_tags_set(&request.tags, name, value);
    assert_int_equal(world_request(&world, &request), STORE_OK);
}

/* The volume made, or NULL. Options are NULL-terminated. */
static const struct store_volume *create(uint32_t size_gib, uint32_t replica, const char *const *options)
{
    struct store_request request;

    world_volume_request(&request, size_gib, replica, "");
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        store_strs_add(&request.volume.options, options[i]);
    }
    return world_request(&world, &request) == STORE_OK ? store_volume(world.store, world.result.id) : NULL;
}

static const struct store_volume *arbiter(uint32_t size_gib)
{
    static const char *const options[] = {"user.heketi.arbiter true", NULL};

    return create(size_gib, 3, options);
}

static const struct store_volume *disperse(uint32_t size_gib, uint32_t data, uint32_t redundancy)
{
    struct store_request request;

    world_volume_request(&request, size_gib, 0, "");
    request.volume.durability = STORE_DISPERSE;
    request.volume.disperse_data = data;
    request.volume.redundancy = redundancy;
    return world_request(&world, &request) == STORE_OK ? store_volume(world.store, world.result.id) : NULL;
}

/* ---- disperse ---- */

static void test_disperse(void **state)
{
    static const uint32_t pairs[][2] = {{2, 1}, {4, 2}, {8, 3}, {8, 4}};

    (void)state;
    (void)world_topology(&world, 12, 1000 * GIB, NULL, NULL);
    for (size_t p = 0; p < 4; p++) {
        uint32_t width = pairs[p][0] + pairs[p][1];
        const struct store_volume *volume = disperse(16, pairs[p][0], pairs[p][1]);

        assert_non_null(volume);
        assert_int_equal(volume->n_bricks, width);
        for (size_t i = 0; i < width; i++) { /* redundancy needs room beside the data */
            assert_int_equal(volume->bricks[i].size_kib, 16 * GIB / pairs[p][0]);
            assert_int_equal(volume->bricks[i].type, STORE_BRICK_NORMAL);
        }
    }
    world.env.brick_max_kib = 2 * GIB;
    assert_int_equal(disperse(8, 2, 1)->n_bricks, 6); /* two sets of 2+1 bricks of 2 GiB */
    assert_int_equal(disperse(9, 2, 1)->n_bricks, 12);
    assert_int_equal(disperse(35, 2, 1)->n_bricks, 27); /* nine sets: 16 would have too many bricks */
    assert_null(disperse(41, 2, 1));
    EXPECT(STORE_NO_ALLOCATION, NO_SPACE);
}

static void test_disperse_needs_nodes(void **state)
{
    (void)state;
    (void)world_topology(&world, 10, 1000 * GIB, NULL, NULL);
    assert_null(disperse(8, 8, 3));
    EXPECT(STORE_NO_ALLOCATION, NO_SPACE);
    assert_non_null(disperse(8, 4, 2));
}

/* ---- arbiter ---- */

static void test_arbiter_size(void **state)
{
    static const char *const four[] = {"user.heketi.arbiter 1", "user.heketi.average-file-size 4", NULL};
    static const char *const odd[][3] = {{"user.heketi.arbiter t", "user.heketi.average-file-size 0", NULL},
                                         {"user.heketi.arbiter t", "user.heketi.average-file-size -4", NULL},
                                         {"user.heketi.arbiter t", "user.heketi.average-file-size 4x", NULL},
                                         {"user.heketi.arbiter t", "user.heketi.average-file-size", NULL}};
    static const char *const huge[] = {"user.heketi.arbiter true", "user.heketi.average-file-size 10485761", NULL};
    const struct store_volume *volume;

    (void)state;
    (void)world_topology(&world, 3, 1000 * GIB, NULL, NULL);
    volume = arbiter(100); /* 1 KiB for every 64 KiB */
    assert_int_equal(volume->n_bricks, 3);
    assert_int_equal(volume->bricks[2].size_kib, 1638400);
    assert_int_equal(volume->bricks[2].pool_kib, 1638400);
    assert_int_equal(volume->bricks[2].type, STORE_BRICK_ARBITER);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(volume->bricks[i].size_kib, 100 * GIB);
        assert_int_equal(volume->bricks[i].type, STORE_BRICK_NORMAL);
    }
    assert_int_equal(arbiter(10)->bricks[2].size_kib, 589824); /* not less than mkfs.xfs takes */
    assert_int_equal(create(10, 3, four)->bricks[2].size_kib, 2621440);
    world.env.average_file_size_kib = 8; /* the setting, also where the option is none */
    assert_int_equal(arbiter(10)->bricks[2].size_kib, 1310720);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(create(10, 3, odd[i])->bricks[2].size_kib, 1310720);
    }
    assert_null(create(10, 3, huge));
    EXPECT(STORE_NO_ALLOCATION,
           "Failed to allocate new volume: Average file size (10485761) is greater than Brick size (10485760)");
}

static void test_arbiter_elsewhere(void **state)
{
    static const char *const yes[] = {"user.heketi.arbiter true", NULL}, *const no[] = {"user.heketi.arbiter no", NULL};
    struct store_request request;
    const struct store_volume *volume;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    assert_int_equal(create(10, 2, yes)->n_bricks, 2); /* means nothing there */
    assert_int_equal(create(10, 0, yes)->bricks[0].size_kib, 10 * GIB);
    assert_int_equal(create(10, 3, no)->bricks[2].size_kib, 10 * GIB);
    world_volume_request(&request, 10, 0, "");
    request.volume.durability = STORE_DISPERSE;
    request.volume.disperse_data = 2;
    request.volume.redundancy = 1;
    store_strs_add(&request.volume.options, yes[0]);
    assert_int_equal(world_request(&world, &request), STORE_OK);
    volume = store_volume(world.store, world.result.id);
    assert_int_equal(volume->bricks[2].size_kib, 5 * GIB);
    assert_int_equal(volume->bricks[2].type, STORE_BRICK_NORMAL);
}

static void test_arbiter_tags(void **state)
{
    struct id nodes[5], devices[5];

    (void)state;
    (void)world_topology(&world, 5, 1000 * GIB, nodes, devices);
    tag(STORE_REQ_NODE_TAGS, nodes[0], "arbiter", "required");
    tag(STORE_REQ_NODE_TAGS, nodes[1], "arbiter", "disabled");
    tag(STORE_REQ_NODE_TAGS, nodes[2], "arbiter", "disabled");
    tag(STORE_REQ_NODE_TAGS, nodes[3], "arbiter", "required");
    tag(STORE_REQ_DEVICE_TAGS, devices[3], "arbiter", "whatever"); /* the device wins; no known word: supported */
    for (int i = 0; i < 20; i++) {
        const struct store_volume *volume = arbiter(1);

        assert_true(id_equal(volume->bricks[2].device, devices[0])); /* what takes nothing else comes first */
        for (size_t b = 0; b < 2; b++) {
            assert_true(id_equal(volume->bricks[b].device, devices[1]) ||
                        id_equal(volume->bricks[b].device, devices[2]));
        }
    }
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[0], STORE_STATE_OFFLINE);
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[1], STORE_STATE_OFFLINE);
    for (int i = 0; i < 10; i++) { /* then those that take both */
        const struct store_volume *volume = arbiter(1);
        bool third = id_equal(volume->bricks[2].device, devices[3]);

        assert_true(third || id_equal(volume->bricks[2].device, devices[4]));
    }
    tag(STORE_REQ_DEVICE_TAGS, devices[3], "arbiter", "disabled");
    tag(STORE_REQ_DEVICE_TAGS, devices[4], "arbiter", "disabled");
    assert_null(arbiter(1)); /* nobody takes an arbiter */
    EXPECT(STORE_NO_ALLOCATION, NO_SPACE);
    tag(STORE_REQ_DEVICE_TAGS, devices[2], "arbiter", "required");
    tag(STORE_REQ_DEVICE_TAGS, devices[3], "arbiter", "required");
    assert_null(arbiter(1)); /* nobody but one takes data */
    EXPECT(STORE_NO_ALLOCATION, NO_SPACE);
    assert_int_equal(world_create(&world, 1, 3, ""), STORE_OK); /* others do not look at the tag */
}

/* A small third node holds arbiters only, whatever the order of the ring. */
static void test_arbiter_on_small_node(void **state)
{
    struct id cluster = world_cluster(&world), small;

    (void)state;
    for (int i = 0; i < 2; i++) {
        (void)world_device(&world, world_node(&world, cluster, 1, i == 0 ? "a" : "b"), "/dev/sdb", 1000 * GIB);
    }
    small = world_device(&world, world_node(&world, cluster, 1, "c"), "/dev/sdb", 20 * GIB);
    for (int i = 0; i < 15; i++) {
        const struct store_volume *volume = arbiter(60);

        assert_non_null(volume);
        assert_true(id_equal(volume->bricks[2].device, small));
    }
}

/* Both filters hold for arbiters too. */
static void test_arbiter_filters(void **state)
{
    static const char *const strict[] = {"user.heketi.arbiter true", "user.heketi.zone-checking strict", NULL};
    static const char *const tags[] = {"user.heketi.arbiter true", "user.heketi.device-tag-match disk=ssd", NULL};
    struct id cluster = world_cluster(&world), nodes[4];

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("n%u", i);

        nodes[i] = world_node(&world, cluster, 1 + i / 2, name); /* zones 1 1 2 2 */
        (void)world_device(&world, nodes[i], "/dev/sdb", 100 * GIB);
    }
    assert_null(create(1, 3, strict));
    assert_null(create(1, 3, tags));
    for (int i = 0; i < 3; i++) {
        tag(STORE_REQ_NODE_TAGS, nodes[i], "disk", "ssd");
    }
    for (int i = 0; i < 10; i++) {
        const struct store_volume *volume = create(1, 3, tags);

        for (size_t b = 0; b < 3; b++) {
            assert_false(
                id_equal(store_device(world.store, volume->bricks[b].device)->node, nodes[3])); /* has no tag */
        }
    }
}

/* To the last extent: something must be left for LVM's spare metadata, as large as the largest of the bricks'. */
static void test_arbiter_exact(void **state)
{
    const uint64_t data = 10 * GIB + 53248, arbiter_size = 589824 + 4096, spare = 53248;
    struct id cluster = world_cluster(&world), nodes[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        nodes[i] = world_node(&world, cluster, 1, i == 0 ? "a" : i == 1 ? "b" : "c");
    }
    world.env.bricks_per_volume_max = 3;
    (void)world_device(&world, nodes[0], "/dev/sdb", data + spare);
    (void)world_device(&world, nodes[1], "/dev/sdb", data + spare - 4096);
    (void)world_device(&world, nodes[2], "/dev/sdb", arbiter_size + 4096);
    assert_null(arbiter(10));
    (void)world_device(&world, nodes[1], "/dev/sdc", data + spare);
    assert_non_null(arbiter(10));
    (void)world_device(&world, nodes[0], "/dev/sdd", data + spare);
    (void)world_device(&world, nodes[1], "/dev/sdd", data + spare);
    (void)world_device(&world, nodes[2], "/dev/sdd", arbiter_size);
    assert_null(arbiter(10));
    (void)world_device(&world, nodes[2], "/dev/sde", arbiter_size + 4096);
    assert_non_null(arbiter(10));
}

/* A create whose bricks could not be made is planned again in the same shape. */
static void test_arbiter_again(void **state)
{
    struct id nodes[4], excluded, op;
    const struct store_volume *volume;
    struct store_cmd cmd;

    (void)state;
    (void)world_topology(&world, 4, 100 * GIB, nodes, NULL);
    world.env.bricks_per_volume_max = 3;
    volume = arbiter(60);
    op = volume->pending;
    excluded = store_device(world.store, volume->bricks[2].device)->node;
    world.env.exclude_nodes = &excluded;
    world.env.n_exclude_nodes = 1;
    assert_int_equal(store_plan_again(world.store, op, &world.env, &cmd, &world.result), STORE_NO_ALLOCATION);
    EXPECT(STORE_NO_ALLOCATION, NO_SPACE); /* its own bricks are still charged */
    for (int i = 0; i < 4; i++) {
        (void)world_device(&world, nodes[i], "/dev/sdc", 100 * GIB);
    }
    assert_int_equal(store_plan_again(world.store, op, &world.env, &cmd, &world.result), STORE_OK);
    assert_int_equal(cmd.volume.n_bricks, 3);
    assert_int_equal(cmd.volume.bricks[2].type, STORE_BRICK_ARBITER);
    for (size_t i = 0; i < 3; i++) {
        assert_false(id_equal(store_device(world.store, cmd.volume.bricks[i].device)->node, excluded));
    }
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
}

/* ---- what apply refuses ---- */

static void test_misplaced_arbiter(void **state)
{
    struct store_request request;
    struct store_cmd cmd;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, NULL);
    world.env.brick_max_kib = 10 * GIB;
    for (int i = 0; i < 3; i++) {
        world_volume_request(&request, 20, i == 2 ? 2 : 3, "");
        assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
        cmd.volume.bricks[i == 0 ? 1 : i == 1 ? 5 : 1].type = STORE_BRICK_ARBITER; /* second; one set only; replica 2 */
        (void)world_apply(&world, &cmd);
        EXPECT(STORE_BAD_REQUEST, "The bricks do not make up complete sets");
        store_cmd_fini(&cmd);
    }
}

/* ---- explanations ---- */

static struct id down;

static bool node_down(void *user, struct id node)
{
    (void)user;
    return id_equal(node, down);
}

static struct store_reasons reasons;

/* The reason given for this place; "" when none. */
static const char *reason_of(struct id node, struct id device)
{
    for (size_t i = 0; i < reasons.n; i++) {
        if (id_equal(reasons.items[i].node, node) && id_equal(reasons.items[i].device, device)) {
            return reasons.items[i].text;
        }
    }
    return "";
}

static void test_reasons(void **state)
{
    static const char *const options[] = {"user.heketi.device-tag-match disk!=ssd", NULL};
    struct id nodes[7], devices[7];

    (void)state;
    (void)world_topology(&world, 7, 100 * GIB, nodes, devices);
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[0], STORE_STATE_OFFLINE);
    (void)world_state(&world, STORE_REQ_DEVICE_STATE, devices[1], STORE_STATE_OFFLINE);
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[2], STORE_STATE_OFFLINE);
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[2], STORE_STATE_FAILED);
    tag(STORE_REQ_NODE_TAGS, nodes[5], "disk", "ssd");
    world.env.node_down = node_down;
    down = nodes[3];
    world.env.exclude_nodes = &nodes[4];
    world.env.n_exclude_nodes = 1;
    assert_null(create(1, 3, options)); /* nobody wants to know */
    world.env.reasons = &reasons;
    assert_null(create(1, 3, options));
    EXPECT(STORE_NO_ALLOCATION, NO_SPACE);
    assert_string_equal(reason_of(nodes[0], ID_NONE), "is offline");
    assert_string_equal(reason_of(nodes[1], devices[1]), "is offline");
    assert_string_equal(reason_of(nodes[2], ID_NONE), "is failed");
    assert_string_equal(reason_of(nodes[3], ID_NONE), "does not answer");
    assert_string_equal(reason_of(nodes[4], ID_NONE), "failed during this operation");
    assert_string_equal(reason_of(nodes[5], devices[5]),
                        "does not match the tag rule (zone 6, 100.00 GiB free, a brick needs 1.01)");
    assert_string_equal(reason_of(nodes[6], devices[6]),
                        "has room, but too few others have (zone 7, 100.00 GiB free, a brick needs 1.01)");
    assert_string_equal(
        reason_of(ID_NONE, ID_NONE),
        "tried up to 1 sets of 3 bricks on different nodes, the smallest of 1.00 GiB; not even 1 GiB would fit; 0 "
        "of 1 sets find a place, for the next one 3 nodes with room are needed, there are 1");
    store_reasons_fini(&reasons);
}

static void test_reasons_of_size(void **state)
{
    static const char *const strict[] = {"user.heketi.zone-checking strict", NULL};
    struct id nodes[3], devices[3];
    struct buf lines = BUF_INIT;
    char head[200];

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, nodes, devices);
    world.env.reasons = &reasons;
    world.env.bricks_per_volume_max = 6;
    assert_null(create(150, 3, strict));
    assert_string_equal(
        reason_of(ID_NONE, ID_NONE),
        "tried up to 2 sets of 3 bricks on different zones, the smallest of 75.00 GiB; 99 GiB would fit; 1 of 2 sets "
        "find a place, for the next one 3 zones with room are needed, there are 0");
    assert_string_equal(reason_of(nodes[0], devices[0]),
                        "is too full for it (zone 1, 24.62 GiB free after 1 of 2 sets, a brick needs 75.38)");
    store_reasons_print(world.store, &reasons, &lines);
    (void)snprintf(head, sizeof(head), "\ncluster %s: tried up to", id_text(reasons.items[0].cluster).text);
    assert_memory_equal(buf_str(&lines), head, strlen(head));
    (void)snprintf(head, sizeof(head), "\n  device %s (/dev/sdb on ", id_text(devices[0]).text);
    assert_non_null(strstr(buf_str(&lines), head));
    store_reasons_fini(&reasons);
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[2], STORE_STATE_OFFLINE);
    assert_null(create(50, 3, strict));
    assert_string_equal(reason_of(nodes[0], devices[0]),
                        "has room, but too few other zones have (zone 1, 100.00 GiB free, a brick needs 25.12)");
    store_reasons_fini(&reasons);
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[2], STORE_STATE_ONLINE);
    world.env.brick_max_kib = 10 * GIB;
    assert_null(create(150, 3, NULL));
    assert_string_equal(reason_of(ID_NONE, ID_NONE),
                        "2 sets of bricks of 10 GiB would be too small for it, and neither larger bricks "
                        "(glusterfs.brick_max_size_gb) nor more than 6 bricks (glusterfs.max_bricks_per_volume; the "
                        "volume has 0) are allowed");
    store_reasons_fini(&reasons);
    world.env.bricks_per_volume_max = 2;
    assert_null(create(10, 3, NULL));
    assert_string_equal(reason_of(ID_NONE, ID_NONE),
                        "the volume has 0 bricks, a set of 3 more would be beyond glusterfs.max_bricks_per_volume (2)");
    store_reasons_fini(&reasons);
    world.env.bricks_per_volume_max = 6;
    world.env.brick_min_kib = 9 * GIB;
    assert_null(create(15, 3, NULL));
    assert_string_equal(reason_of(ID_NONE, ID_NONE), "no number of sets gives bricks of 9 to 10 GiB "
                                                     "(glusterfs.brick_min_size_gb, glusterfs.brick_max_size_gb)");
    store_reasons_fini(&reasons);
    buf_fini(&lines);
}

static void test_reasons_of_arbiter(void **state)
{
    struct id nodes[4], devices[4], cluster = world_cluster(&world);
    static const uint64_t sizes[] = {100, 100, 20, 1};

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("n%u", i);

        nodes[i] = world_node(&world, cluster, 1, name);
        devices[i] = world_device(&world, nodes[i], "/dev/sdb", sizes[i] * GIB / (i == 3 ? 4 : 1));
    }
    tag(STORE_REQ_NODE_TAGS, nodes[0], "arbiter", "disabled");
    tag(STORE_REQ_NODE_TAGS, nodes[1], "arbiter", "required");
    world.env.reasons = &reasons;
    world.env.bricks_per_volume_max = 3;
    assert_null(arbiter(50));
    assert_string_equal(reason_of(nodes[0], devices[0]),
                        "has room, but takes no arbiter (tag arbiter) (zone 1, 100.00 GiB free, a brick needs 50.25)");
    assert_string_equal(reason_of(nodes[1], devices[1]),
                        "takes nothing but arbiters (tag arbiter) (zone 1, 100.00 GiB free, a brick needs 50.25)");
    assert_string_equal(
        reason_of(nodes[2], devices[2]),
        "has room for an arbiter, but for nothing larger (zone 1, 20.00 GiB free, a brick needs 50.25)");
    assert_string_equal(reason_of(nodes[3], devices[3]),
                        "is too full for it (zone 1, 0.25 GiB free, a brick needs 50.25)");
    store_reasons_fini(&reasons);
    tag(STORE_REQ_NODE_TAGS, nodes[3], "arbiter", "required");
    assert_null(arbiter(50));
    assert_string_equal(reason_of(nodes[3], devices[3]),
                        "is too full for an arbiter (zone 1, 0.25 GiB free, a brick needs 50.25)");
    store_reasons_fini(&reasons);
}

static size_t lines_with(const char *text, const char *begin)
{
    size_t n = 0;

    while ((text = strstr(text, begin)) != NULL) {
        text++;
        n++;
    }
    return n;
}

static void test_reasons_are_cut(void **state)
{
    struct id node = world_node(&world, world_cluster(&world), 1, "n1");
    struct buf lines = BUF_INIT;

    (void)state;
    for (int i = 0; i < 70; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("/dev/sd%d", i);

        (void)world_device(&world, node, name, 10 * GIB);
    }
    world.env.reasons = &reasons;
    (void)world_device(&world, node, "/dev/small", GIB / 2);
    assert_null(create(1, 3, NULL));
    assert_int_equal(reasons.n, 72); /* all are there for a program */
    store_reasons_print(world.store, &reasons, &lines);
    /* For people a few of each cause, and how many more there are. */
    assert_non_null(strstr(buf_str(&lines), "\n  and 67 more: each has room, but too few others have"));
    assert_int_equal(lines_with(buf_str(&lines), "\n  device "), 3 + 1);
    store_reasons_fini(&reasons);
    buf_fini(&lines);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_disperse),           T(test_disperse_needs_nodes),  T(test_arbiter_size),    T(test_arbiter_elsewhere),
        T(test_arbiter_tags),       T(test_arbiter_on_small_node), T(test_arbiter_filters), T(test_arbiter_exact),
        T(test_arbiter_again),      T(test_misplaced_arbiter),     T(test_reasons),         T(test_reasons_of_size),
        T(test_reasons_of_arbiter), T(test_reasons_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Moving a brick, and removing devices and nodes: what may begin, where the replacement goes, who holds what when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

#define NO_REPLACEMENT "No Replacement was found for resource requested to be removed"

static struct world world;
static struct id nodes[5], devices[5], volume, old;

static int set_up(void **state)
{
    (void)state;
    world_init(&world, 11);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

/* n nodes with a device each; a volume of three replicas; `old` is its second brick. */
static void volume_on(size_t n)
{
    (void)world_topology(&world, n, 100 * GIB, nodes, devices);
    volume = world_volume(&world, 10, 3, "v");
    old = store_volume(world.store, volume)->bricks[1].id;
}

static struct id evict(struct id brick)
{
    assert_int_equal(world_target(&world, STORE_REQ_BRICK_EVICT, brick), STORE_OK);
    return world.result.op_id;
}

static enum store_code place(struct id op_id)
{
    struct store_cmd cmd;
    enum store_code code = store_plan_again(world.store, op_id, &world.env, &cmd, &world.result);

    if (code == STORE_OK) {
        code = world_apply(&world, &cmd);
        store_cmd_fini(&cmd);
    }
    return code;
}

static enum store_code command(enum store_cmd_type type, struct id op_id)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, type);
    cmd.op_id = op_id;
    free(cmd.text);
    cmd.text = mem_strdup("why");
    code = world_apply(&world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

static enum store_code part(struct id op_id, struct id *ret_part)
{
    struct store_cmd cmd;
    enum store_code code = store_plan_part(world.store, op_id, &world.env, &cmd, &world.result);

    if (code == STORE_OK) {
        *ret_part = cmd.op_id;
        code = world_apply(&world, &cmd);
        store_cmd_fini(&cmd);
    }
    return code;
}

static const struct store_operation *operation(struct id op_id)
{
    const struct store_operation *op = store_operation(world.store, op_id);

    assert_non_null(op);
    return op;
}

static struct id node_of(const struct store_brick *brick)
{
    return store_device(world.store, brick->device)->node;
}

static uint64_t used(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < 5; i++) {
        sum += store_device_used_kib(world.store, devices[i]);
    }
    return sum;
}

#define EXPECT_TEXT(code_, ...)                                  \
    do {                                                         \
        CLEANUP(free_ptr) char *text_ = mem_printf(__VA_ARGS__); \
        assert_int_equal(world.result.code, (code_));            \
        assert_string_equal(world.result.text, text_);           \
    } while (0)

/* ---- begin ---- */

static void test_begin(void **state)
{
    struct id other, op;

    (void)state;
    volume_on(4);
    (void)world_target(&world, STORE_REQ_BRICK_EVICT, volume);
    EXPECT_TEXT(STORE_NOT_FOUND, "Id not found");
    op = evict(old);
    assert_true(id_equal(store_brick(world.store, old)->pending, op));
    assert_true(id_is_none(store_volume(world.store, volume)->pending)); /* clients still see the volume */
    (void)world_target(&world, STORE_REQ_BRICK_EVICT, old);
    EXPECT_TEXT(STORE_IN_USE, "Failed to set up brick eviction: Can not evict brick %s: brick is pending",
                id_text(old).text);
    other = store_volume(world.store, volume)->bricks[0].id;
    (void)world_target(&world, STORE_REQ_BRICK_EVICT, other);
    EXPECT_TEXT(STORE_IN_USE,
                "Failed to set up brick eviction: Can not evict brick %s from volume %s: volume has pending bricks",
                id_text(other).text, id_text(volume).text);
}

/* A volume one of whose bricks is on its way is not deleted under it. */
static void test_delete_while_moving(void **state)
{
    struct id op;

    (void)state;
    volume_on(4);
    op = evict(old);
    (void)world_target(&world, STORE_REQ_VOLUME_DELETE, volume);
    assert_int_equal(world.result.code, STORE_IN_USE);
    assert_int_equal(place(op), STORE_OK);
    (void)world_target(&world, STORE_REQ_VOLUME_DELETE, volume);
    assert_int_equal(world.result.code, STORE_IN_USE);
    assert_int_equal(command(STORE_CMD_OP_MOVED, op), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume), STORE_OK); /* while it heals */
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    assert_int_equal(used(), 0);
}

/* ---- the replacement ---- */

static void test_place(void **state)
{
    const struct store_brick *from, *to;
    uint64_t before;
    struct id op, new;

    (void)state;
    volume_on(4);
    before = used();
    op = evict(old);
    assert_int_equal(used(), before); /* nothing is reserved before the heal check */
    assert_int_equal(command(STORE_CMD_OP_MOVED, op), STORE_CONFLICT);
    assert_int_equal(place(op), STORE_OK);
    assert_int_equal(operation(op)->n_abandoned, 1);
    to = &operation(op)->abandoned[0];
    from = store_brick(world.store, old);
    new = operation(op)->replacement;
    assert_true(id_equal(to->id, new));
    assert_null(store_brick(world.store, new)); /* not yet one of the volume's */
    assert_int_equal(to->size_kib, from->size_kib);
    assert_int_equal(to->pool_kib, from->pool_kib);
    assert_int_equal(to->meta_kib, from->meta_kib);
    assert_int_equal(used(), before + to->pool_kib + to->meta_kib);
    for (size_t i = 0; i < 3; i++) {
        assert_false(id_equal(node_of(to), node_of(&store_volume(world.store, volume)->bricks[i])));
    }
    assert_int_equal(command(STORE_CMD_OP_MOVED, op), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_MOVED, op), STORE_REPEATED);
    assert_int_equal(command(STORE_CMD_OP_UNDO, op), STORE_CONFLICT);
    assert_int_equal(place(op), STORE_NOT_FOUND);
    assert_true(id_equal(store_volume(world.store, volume)->bricks[1].id, new));
    assert_true(id_is_none(store_brick(world.store, new)->pending));
    assert_null(store_brick(world.store, old));
    assert_true(id_equal(operation(op)->abandoned[0].id, old));
    assert_int_equal(world_end(&world, op, "too late"), STORE_CONFLICT);
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    assert_int_equal(used(), before);
    assert_false(store_job(world.store, op)->failed);
    (void)world_target(&world, STORE_REQ_BRICK_EVICT, old);
    EXPECT_TEXT(STORE_NOT_FOUND, "Id not found");
}

/* The other device of the same node will do, the same device will not. */
static void test_place_on_same_node(void **state)
{
    struct id node, second, op;

    (void)state;
    volume_on(3);
    op = evict(old);
    assert_int_equal(place(op), STORE_NO_ALLOCATION);
    assert_string_equal(world.result.text, NO_REPLACEMENT);
    node = node_of(store_brick(world.store, old));
    second = world_device(&world, node, "/dev/sdc", 100 * GIB);
    assert_int_equal(place(op), STORE_OK);
    assert_true(id_equal(operation(op)->abandoned[0].device, second));
}

static void test_place_needs_room(void **state)
{
    struct id cluster, op;

    (void)state;
    volume_on(3);
    cluster = store_volume(world.store, volume)->cluster;
    op = evict(old);
    (void)world_device(&world, world_node(&world, cluster, 9, "small"), "/dev/sdb", 10 * GIB);
    assert_int_equal(place(op), STORE_NO_ALLOCATION);
    (void)world_device(&world, world_node(&world, cluster, 9, "large"), "/dev/sdb", 11 * GIB);
    assert_int_equal(place(op), STORE_OK);
}

static bool everybody_is_down(void *user, struct id node)
{
    (void)user;
    (void)node;
    return true;
}

static void test_place_avoids(void **state)
{
    struct id op, op_node;

    (void)state;
    volume_on(4);
    op = evict(old);
    assert_int_equal(place(op), STORE_OK);
    op_node = node_of(&operation(op)->abandoned[0]);
    world.env.exclude_nodes = &op_node; /* the only one that is left */
    world.env.n_exclude_nodes = 1;
    assert_int_equal(place(op), STORE_NO_ALLOCATION);
    world.env.n_exclude_nodes = 0;
    world.env.node_down = everybody_is_down;
    assert_int_equal(place(op), STORE_NO_ALLOCATION);
    world.env.node_down = NULL;
    assert_int_equal(place(op), STORE_OK); /* a second one; the first one is destroyed in the end, too */
    assert_int_equal(operation(op)->n_abandoned, 2);
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, op_node, STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(place(op), STORE_NO_ALLOCATION);
}

static void test_place_respects_zones_and_tags(void **state)
{
    struct store_request request;
    struct id cluster, op, node, device;

    (void)state;
    cluster = world_topology(&world, 3, 100 * GIB, nodes, devices);
    world_volume_request(&request, 10, 3, "v");
    store_strs_add(&request.volume.options, "user.heketi.zone-checking strict");
    store_strs_add(&request.volume.options, "user.heketi.device-tag-match tier=fast");
    for (size_t i = 0; i < 3; i++) {
        struct store_request tags;

        store_request_init(&tags, STORE_REQ_DEVICE_TAGS);
        tags.target = devices[i];
        store_tags_set(&tags.tags, "tier", "fast");
        assert_int_equal(world_request(&world, &tags), STORE_OK);
    }
    assert_int_equal(world_request(&world, &request), STORE_OK);
    volume = world.result.id;
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    old = store_volume(world.store, volume)->bricks[0].id;
    op = evict(old);
    node = node_of(&store_volume(world.store, volume)->bricks[1]);
    device = world_device(&world, world_node(&world, cluster, store_node(world.store, node)->zone, "zone"), "/dev/sdb",
                          100 * GIB);
    store_request_init(&request, STORE_REQ_DEVICE_TAGS);
    request.target = device;
    store_tags_set(&request.tags, "tier", "fast");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_int_equal(place(op), STORE_NO_ALLOCATION); /* the zone of another brick */
    device = world_device(&world, world_node(&world, cluster, 9, "other"), "/dev/sdb", 100 * GIB);
    assert_int_equal(place(op), STORE_NO_ALLOCATION); /* without the tag */
    store_request_init(&request, STORE_REQ_DEVICE_TAGS);
    request.target = device;
    store_tags_set(&request.tags, "tier", "fast");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_int_equal(place(op), STORE_OK);
    assert_true(id_equal(operation(op)->abandoned[0].device, device));
}

/* Apply does not trust the plan. */
static void test_place_is_checked(void **state)
{
    const struct store_brick *from;
    struct store_brick *brick;
    struct store_cmd cmd;
    struct id op, good;

    (void)state;
    volume_on(4);
    op = evict(old);
    assert_int_equal(store_plan_again(world.store, op, &world.env, &cmd, &world.result), STORE_OK);
    brick = cmd.volume.bricks;
    from = store_brick(world.store, old);
    good = brick->device;
    brick->size_kib++;
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    brick->size_kib--;
    brick->position = 0;
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    brick->position = 1;
    brick->device = from->device;
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    brick->device = store_volume(world.store, volume)->bricks[0].device;
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    brick->device = good;
    brick->pool_kib = 100 * GIB;
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    brick->pool_kib = from->pool_kib;
    brick->id = old;
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    assert_int_equal(operation(op)->n_abandoned, 0);
    store_cmd_fini(&cmd);
}

/* ---- undo ---- */

static void test_undo(void **state)
{
    uint64_t before;
    struct id op;

    (void)state;
    volume_on(4);
    before = used();
    op = evict(old);
    assert_int_equal(place(op), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_UNDO, op), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_MOVED, op), STORE_CONFLICT);
    assert_int_equal(world_end(&world, op, NULL), STORE_CONFLICT);
    assert_int_equal(world_end(&world, op, "why"), STORE_OK);
    assert_int_equal(used(), before);
    assert_true(id_is_none(store_brick(world.store, old)->pending));
    assert_string_equal(store_job(world.store, op)->error, "why");
}

/* The undo finds that Gluster has taken the replacement: forward again. */
static void test_undo_too_late(void **state)
{
    struct id op;

    (void)state;
    volume_on(4);
    op = evict(old);
    assert_int_equal(command(STORE_CMD_OP_UNDO, op), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_FORWARD, op), STORE_CONFLICT); /* there is nothing it could have taken */
    assert_int_equal(world_end(&world, op, "why"), STORE_OK);
    op = evict(old);
    assert_int_equal(place(op), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_FORWARD, op), STORE_REPEATED);
    assert_int_equal(command(STORE_CMD_OP_UNDO, op), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_FORWARD, op), STORE_OK);
    assert_string_equal(operation(op)->reason, "");
    assert_int_equal(command(STORE_CMD_OP_MOVED, op), STORE_OK);
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
}

/* ---- removals ---- */

static void states(enum store_request_type type, struct id target)
{
    assert_int_equal(world_state(&world, type, target, STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&world, type, target, STORE_STATE_FAILED), STORE_OK);
}

static void move(struct id op)
{
    assert_int_equal(place(op), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_MOVED, op), STORE_OK);
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
}

static void test_remove_device(void **state)
{
    struct id device, op, first, second, none;

    (void)state;
    volume_on(4);
    device = store_brick(world.store, old)->device;
    (void)world_volume(&world, 5, 3, "w");
    while (store_device_brick_next(world.store, device, store_device_brick_next(world.store, device, NULL)) == NULL) {
        (void)world_volume(&world, 1, 3, "");
    }
    states(STORE_REQ_DEVICE_STATE, device);
    op = world.result.op_id;
    assert_int_equal(operation(op)->type, STORE_OP_REMOVE_DEVICE);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_ONLINE), STORE_IN_USE);
    assert_int_equal(world_end(&world, op, NULL), STORE_CONFLICT); /* bricks are left */
    assert_int_equal(part(op, &first), STORE_OK);
    assert_true(id_equal(operation(op)->child, first));
    assert_int_equal(part(op, &second), STORE_STALE_PLAN); /* one at a time */
    assert_int_equal(world_end(&world, op, "x"), STORE_CONFLICT);
    move(first);
    assert_true(id_is_none(operation(op)->child));
    while (store_op_parts_left(world.store, op)) {
        assert_int_equal(part(op, &second), STORE_OK);
        move(second);
    }
    assert_int_equal(part(op, &none), STORE_NOT_FOUND);
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    assert_int_equal(store_device(world.store, device)->state, STORE_STATE_FAILED);
    assert_int_equal(store_device_used_kib(world.store, device), 0);
    assert_int_equal(world_target(&world, STORE_REQ_DEVICE_DELETE, device), STORE_OK);
}

/* Each place says for itself why it will not do. */
static void test_reasons_of_no_place(void **state)
{
    struct store_reasons reasons = {NULL, 0};
    const struct store_brick *brick;
    struct id op, small;
    size_t found = 0;

    (void)state;
    volume_on(3);
    op = evict(old);
    brick = store_brick(world.store, old);
    small = world_device(&world, node_of(brick), "/dev/sdc", GIB / 2);
    world.env.reasons = &reasons;
    assert_int_equal(place(op), STORE_NO_ALLOCATION);
    world.env.reasons = NULL;
    assert_int_equal(reasons.n, 5);
    assert_true(id_is_none(reasons.items[0].node));
    assert_non_null(strstr(reasons.items[0].text, id_text(old).text));
    assert_non_null(strstr(reasons.items[0].text, "on a node without one of the 2 other bricks of its set"));
    for (size_t i = 1; i < reasons.n; i++) {
        const struct store_reason *reason = &reasons.items[i];
        const char *wanted = id_equal(reason->device, brick->device) ? "has the brick now (zone"
                             : id_equal(reason->device, small)       ? "is too full for it (zone"
                                                               : "is on a node with another brick of its set (zone";

        assert_memory_equal(reason->text, wanted, strlen(wanted));
        found += id_equal(reason->device, brick->device) ? 1U : 0U;
        found += id_equal(reason->device, small) ? 10U : 0U;
    }
    assert_int_equal(found, 11);
    store_reasons_fini(&reasons);
}

/* From level 2 on lines after Heketi's are handed on to the parents; members of level 1 knew of none. */
static void remove_node_for_reasons(uint32_t level, const char *lines)
{
    CLEANUP(free_ptr) char *error = mem_printf(NO_REPLACEMENT "%s", lines), *text = NULL;
    struct id node, device, op, removal, evicted;

    volume_on(3);
    if (level > 1) {
        world_level(&world, level);
    }
    device = store_brick(world.store, old)->device;
    node = node_of(store_brick(world.store, old));
    states(STORE_REQ_NODE_STATE, node);
    op = world.result.op_id;
    assert_int_equal(part(op, &removal), STORE_OK);
    assert_int_equal(part(removal, &evicted), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_UNDO, evicted), STORE_OK);
    assert_int_equal(world_end(&world, evicted, error), STORE_OK);
    if (level == 1 && *lines != '\0') {
        assert_string_equal(operation(removal)->reason, error);
        return;
    }
    text = mem_printf("Unable to delete device [%s] as no device was found to replace it: %s", id_text(device).text,
                      error);
    assert_string_equal(operation(removal)->reason, text);
    assert_int_equal(world_end(&world, removal, ""), STORE_OK);
    free(text);
    text = mem_printf("Unable to remove node [%s] as no device was found to replace device [%s]%s", id_text(node).text,
                      id_text(device).text, lines);
    assert_string_equal(operation(op)->reason, text);
}

static void test_reasons_are_handed_on(void **state)
{
    (void)state;
    remove_node_for_reasons(2, "\n  node 1 is offline");
}

static void test_reasons_at_level_1(void **state)
{
    (void)state;
    remove_node_for_reasons(1, "\n  node 1 is offline");
}

static void test_remove_device_without_place(void **state)
{
    struct id device, op, evicted;
    CLEANUP(free_ptr) char *text = NULL;

    (void)state;
    volume_on(3);
    device = store_brick(world.store, old)->device;
    states(STORE_REQ_DEVICE_STATE, device);
    op = world.result.op_id;
    assert_int_equal(part(op, &evicted), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_UNDO, evicted), STORE_OK);
    assert_int_equal(world_end(&world, evicted, NO_REPLACEMENT), STORE_OK);
    text = mem_printf("Unable to delete device [%s] as no device was found to replace it: " NO_REPLACEMENT,
                      id_text(device).text);
    assert_string_equal(operation(op)->reason, text);
    assert_int_equal(world_end(&world, op, NULL), STORE_CONFLICT);
    assert_int_equal(world_end(&world, op, ""), STORE_OK);
    assert_string_equal(store_job(world.store, op)->error, text);
    assert_int_equal(store_device(world.store, device)->state, STORE_STATE_OFFLINE);
    assert_true(id_is_none(store_device(world.store, device)->pending));
}

static void test_remove_node(void **state)
{
    struct id node, device, op, removal, evicted;
    CLEANUP(free_ptr) char *text = NULL;

    (void)state;
    volume_on(3);
    device = store_brick(world.store, old)->device;
    node = node_of(store_brick(world.store, old));
    states(STORE_REQ_NODE_STATE, node);
    op = world.result.op_id;
    assert_int_equal(operation(op)->type, STORE_OP_NODE_REMOVE);
    assert_int_equal(part(op, &removal), STORE_OK); /* the device is online: only its node is offline */
    assert_int_equal(part(removal, &evicted), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_UNDO, evicted), STORE_OK);
    assert_int_equal(world_end(&world, evicted, NO_REPLACEMENT), STORE_OK);
    assert_int_equal(world_end(&world, removal, ""), STORE_OK);
    text = mem_printf("Unable to remove node [%s] as no device was found to replace device [%s]", id_text(node).text,
                      id_text(device).text);
    assert_string_equal(operation(op)->reason, text);
    assert_int_equal(world_end(&world, op, ""), STORE_OK);
    assert_int_equal(store_node(world.store, node)->state, STORE_STATE_OFFLINE);
    assert_int_equal(store_device(world.store, device)->state, STORE_STATE_ONLINE);
    (void)world_device(&world, world_node(&world, store_volume(world.store, volume)->cluster, 9, "new"), "/dev/sdb",
                       100 * GIB);
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, node, STORE_STATE_FAILED), STORE_OK);
    op = world.result.op_id;
    assert_int_equal(part(op, &removal), STORE_OK);
    assert_int_equal(part(removal, &evicted), STORE_OK);
    move(evicted);
    assert_int_equal(world_end(&world, removal, NULL), STORE_OK);
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    assert_int_equal(store_node(world.store, node)->state, STORE_STATE_FAILED);
    assert_int_equal(store_device(world.store, device)->state, STORE_STATE_FAILED);
    assert_int_equal(store_counts(world.store).operations, 0);
}

/* A part of another operation's device, or of no operation at all. */
static void test_parts_belong(void **state)
{
    struct id op, other;
    struct store_cmd cmd;

    (void)state;
    volume_on(4);
    states(STORE_REQ_DEVICE_STATE, store_brick(world.store, old)->device);
    op = world.result.op_id;
    other = store_volume(world.store, volume)->bricks[0].id;
    store_cmd_init(&cmd, STORE_CMD_OP_BEGIN);
    cmd.op_type = STORE_OP_EVICT_BRICK;
    cmd.op_id = world_id(&world);
    cmd.target = other;
    cmd.parent = op;
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    cmd.target = old;
    cmd.parent = world_id(&world);
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    cmd.parent = op;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
}

/* What a dead node keeps is handed to a clean-up. */
static void test_left_to_cleanup(void **state)
{
    struct store_cmd cmd;
    uint64_t before;
    struct id op;

    (void)state;
    volume_on(4);
    before = used();
    op = evict(old);
    assert_int_equal(place(op), STORE_OK);
    assert_int_equal(command(STORE_CMD_OP_MOVED, op), STORE_OK);
    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op;
    cmd.follow_id = world_id(&world);
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    assert_int_equal(operation(cmd.follow_id)->type, STORE_OP_CLEAN_BRICKS);
    assert_true(id_equal(operation(cmd.follow_id)->abandoned[0].id, old));
    assert_true(used() > before);
    assert_int_equal(world_end(&world, cmd.follow_id, NULL), STORE_OK);
    assert_int_equal(used(), before);
    store_cmd_fini(&cmd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_begin),
        TEST(test_delete_while_moving),
        TEST(test_place),
        TEST(test_place_on_same_node),
        TEST(test_place_needs_room),
        TEST(test_place_avoids),
        TEST(test_place_respects_zones_and_tags),
        TEST(test_place_is_checked),
        TEST(test_undo),
        TEST(test_undo_too_late),
        TEST(test_remove_device),
        TEST(test_reasons_of_no_place),
        TEST(test_reasons_are_handed_on),
        TEST(test_reasons_at_level_1),
        TEST(test_remove_device_without_place),
        TEST(test_remove_node),
        TEST(test_parts_belong),
        TEST(test_left_to_cleanup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

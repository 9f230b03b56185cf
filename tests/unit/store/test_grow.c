/* Expanding, cloning and restricting volumes: what apply accepts, refuses and remembers; whose space is whose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

#define BRICK_KIB (10485760 + 53248) /* 10 GiB and its pool's metadata */

static struct world world;
static struct id devices[4], volume_id;

static int setup(void **state)
{
    (void)state;
    world_init(&world, 7);
    (void)world_topology(&world, 3, 100 * GIB, NULL, devices);
    volume_id = world_volume(&world, 10, 3, "v");
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
        assert_string_equal(world.result.text, text_);           \
        assert_int_equal(world.result.code, (code_));            \
    } while (0)

static const struct store_volume *volume(struct id id)
{
    const struct store_volume *found = store_volume(world.store, id);

    assert_non_null(found);
    return found;
}

static struct id expand(uint32_t size_gib)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = volume_id;
    request.volume.size_gib = size_gib;
    (void)world_request(&world, &request);
    return world.result.op_id;
}

static struct id clone_of(struct id source, const char *name)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_CLONE);
    request.target = source;
    free(request.volume.name);
    request.volume.name = mem_strdup(name);
    (void)world_request(&world, &request);
    return world.result.op_id;
}

static struct id cloned(struct id source, const char *name)
{
    struct id op_id = clone_of(source, name), id = world.result.id;

    assert_int_equal(world.result.code, STORE_OK);
    assert_int_equal(world_end(&world, op_id, NULL), STORE_OK);
    return id;
}

static void deleted(struct id id)
{
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, id), STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
}

static enum store_code apply_op(enum store_cmd_type type, struct id op_id)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, type);
    cmd.op_id = op_id;
    code = world_apply(&world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

static uint64_t used(size_t device)
{
    return store_device_used_kib(world.store, devices[device]);
}

/* Sets and positions are the places in the list. */
static void expect_order(struct id id)
{
    const struct store_volume *v = volume(id);

    for (size_t i = 0; i < v->n_bricks; i++) {
        assert_int_equal(v->bricks[i].set, i / 3);
        assert_int_equal(v->bricks[i].position, i % 3);
    }
}

/* ---- expand ---- */

static void test_expand(void **state)
{
    struct id op_id = expand(5);
    const struct store_volume *v = volume(volume_id);

    (void)state;
    assert_int_equal(world.result.code, STORE_OK);
    assert_true(id_equal(world.result.id, volume_id));
    assert_true(id_is_none(v->pending)); /* stays visible, with the size it has */
    assert_int_equal(v->size_gib, 10);
    assert_int_equal(v->n_bricks, 6);
    assert_true(id_is_none(v->bricks[2].pending));
    assert_true(id_equal(v->bricks[3].pending, op_id));
    assert_int_equal(v->bricks[3].size_kib, 5 * GIB);
    assert_int_equal(store_operation(world.store, op_id)->size_gib, 5);
    expect_order(volume_id);
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume_id), STORE_IN_USE);
    EXPECT(STORE_IN_USE, "Failed to set up volume delete: The target exists, contains other items, or is in use.");
    (void)clone_of(volume_id, "c");
    EXPECT(STORE_IN_USE, "Failed clone volume %s: The target exists, contains other items, or is in use.",
           id_text(volume_id).text);
    assert_int_equal(world_end(&world, op_id, NULL), STORE_OK);
    v = volume(volume_id);
    assert_int_equal(v->size_gib, 15);
    assert_true(id_is_none(v->bricks[5].pending));
    assert_int_equal(store_job(world.store, op_id)->resource, STORE_RES_VOLUME);
    assert_int_equal(used(0), BRICK_KIB + 5 * GIB + 28672);
}

static void test_expand_failed(void **state)
{
    struct id op_id = expand(5);

    (void)state;
    assert_int_equal(apply_op(STORE_CMD_OP_UNDO, op_id), STORE_OK);
    assert_int_equal(world_end(&world, op_id, "add-brick: no"), STORE_OK);
    assert_int_equal(volume(volume_id)->n_bricks, 3);
    assert_int_equal(volume(volume_id)->size_gib, 10);
    assert_int_equal(store_job(world.store, op_id)->resource, STORE_RES_NONE);
    assert_int_equal(used(1), BRICK_KIB);
    deleted(volume_id);
}

/* A request of the client's, or of the member that forwards it; "" no key. */
static struct id expand_keyed(uint32_t size_gib, const char *key, bool made)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = volume_id;
    request.volume.size_gib = size_gib;
    free(request.key);
    request.key = mem_strdup(key);
    request.key_made = made;
    (void)world_request(&world, &request);
    return world.result.op_id;
}

/* Kubernetes asks again when it hears no answer. What differs, or is told apart by keys, is done each time. */
static void test_expand_repeated(void **state)
{
    struct id first = expand(5), other, keyed;

    (void)state;
    assert_true(id_equal(expand(5), first));
    assert_int_equal(world.result.code, STORE_REPEATED);
    assert_true(id_equal(world.result.id, volume_id));
    assert_int_equal(volume(volume_id)->n_bricks, 6);
    other = expand(6);
    assert_int_equal(world.result.code, STORE_OK);
    assert_false(id_equal(other, first));
    keyed = expand_keyed(5, "a", false);
    assert_int_equal(world.result.code, STORE_OK);
    assert_true(id_equal(expand_keyed(5, "a", false), keyed));
    assert_int_equal(world.result.code, STORE_REPEATED);
    (void)expand_keyed(5, "b", false);
    assert_int_equal(world.result.code, STORE_OK);
    assert_int_equal(volume(volume_id)->n_bricks, 15);
    assert_int_equal(world_end(&world, other, NULL), STORE_OK);
    (void)expand(6); /* it has ended, so this is another one */
    assert_int_equal(world.result.code, STORE_OK);
}

/* A member that forwards makes a key for its own repetitions. It tells nothing apart, but it has to be known from then
 * on: the repetition may come when the expand has ended. */
static void test_expand_repeated_by_member(void **state)
{
    struct id first = expand_keyed(5, "forward-1", true);

    (void)state;
    assert_true(id_equal(expand_keyed(5, "forward-2", true), first));
    assert_int_equal(world.result.code, STORE_OK); /* to remember the key */
    assert_int_equal(volume(volume_id)->n_bricks, 6);
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    assert_true(id_equal(expand_keyed(5, "forward-2", true), first));
    assert_int_equal(world.result.code, STORE_REPEATED);
    assert_int_equal(volume(volume_id)->size_gib, 15);
}

/* Two are planned before the first is applied: apply tells them apart, not the plan. */
static void test_expand_repeated_meanwhile(void **state)
{
    struct store_request request;
    struct store_cmd commands[3];
    struct id first;

    (void)state;
    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = volume_id;
    request.volume.size_gib = 5;
    for (size_t i = 0; i < 3; i++) {
        free(request.key);
        request.key = mem_strdup(i == 2 ? "forward-1" : "");
        request.key_made = i == 2;
        assert_int_equal(store_plan(world.store, &request, &world.env, &commands[i], &world.result), STORE_OK);
    }
    store_request_fini(&request);
    assert_int_equal(world_apply(&world, &commands[0]), STORE_OK);
    first = world.result.op_id;
    assert_int_equal(world_apply(&world, &commands[1]), STORE_REPEATED);
    assert_true(id_equal(world.result.op_id, first));
    assert_int_equal(world_apply(&world, &commands[2]), STORE_STALE_PLAN);
    assert_int_equal(volume(volume_id)->n_bricks, 6);
    for (size_t i = 0; i < 3; i++) {
        store_cmd_fini(&commands[i]);
    }
    assert_true(id_equal(expand_keyed(5, "forward-1", true), first));
}

/* The first of two fails: the sets close up. */
static void test_two_expands(void **state)
{
    struct id first = expand(5), second = expand(7);

    (void)state;
    assert_int_equal(world.result.code, STORE_OK);
    assert_int_equal(volume(volume_id)->n_bricks, 9);
    expect_order(volume_id);
    assert_int_equal(world_end(&world, first, "no"), STORE_OK);
    assert_int_equal(volume(volume_id)->n_bricks, 6);
    assert_true(id_equal(volume(volume_id)->bricks[3].pending, second));
    expect_order(volume_id);
    assert_int_equal(world_end(&world, second, NULL), STORE_OK);
    assert_int_equal(volume(volume_id)->size_gib, 17);
}

/* New bricks take the place of the old ones, which stay charged until they are gone; nobody else's are touched. */
static void test_expand_planned_again(void **state)
{
    struct id first, second;
    struct store_cmd cmd;

    (void)state;
    devices[3] = world_device(&world, world_node(&world, store_cluster_next(world.store, NULL)->id, 4, "n4"),
                              "/dev/sdb", 100 * GIB);
    first = expand(5);
    second = expand(7);
    assert_int_equal(store_plan_again(world.store, first, &world.env, &cmd, &world.result), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_int_equal(store_operation(world.store, first)->n_abandoned, 3);
    assert_int_equal(store_operation(world.store, first)->attempt, 1);
    assert_int_equal(volume(volume_id)->n_bricks, 9);
    assert_true(id_equal(volume(volume_id)->bricks[3].pending, first));
    assert_true(id_equal(volume(volume_id)->bricks[6].pending, second));
    expect_order(volume_id);
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    assert_int_equal(world_end(&world, second, NULL), STORE_OK);
    assert_int_equal(volume(volume_id)->size_gib, 22);
}

/* Undone, but Gluster has the bricks. */
static void test_redo(void **state)
{
    struct id op_id = expand(5);

    (void)state;
    assert_int_equal(apply_op(STORE_CMD_OP_REDO, op_id), STORE_REPEATED);
    assert_int_equal(apply_op(STORE_CMD_OP_UNDO, op_id), STORE_OK);
    assert_int_equal(world_end(&world, op_id, NULL), STORE_CONFLICT);
    assert_int_equal(apply_op(STORE_CMD_OP_REDO, op_id), STORE_OK);
    assert_string_equal(store_operation(world.store, op_id)->reason, "");
    assert_int_equal(world_end(&world, op_id, NULL), STORE_OK);
    assert_int_equal(apply_op(STORE_CMD_OP_REDO, op_id), STORE_NOT_FOUND);
    assert_int_equal(world_create(&world, 1, 3, "w"), STORE_OK);
    assert_int_equal(apply_op(STORE_CMD_OP_REDO, world.result.op_id), STORE_CONFLICT);
}

static enum store_code begin_expand(struct store_cmd *cmd, uint32_t size_gib)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = volume_id;
    request.volume.size_gib = 1;
    assert_int_equal(world_plan(&world, &request, cmd), STORE_OK);
    cmd->volume.size_gib = size_gib;
    return world_apply(&world, cmd);
}

/* All that run count, not the volume alone. */
static void test_expand_beyond_all_sizes(void **state)
{
    struct store_cmd first, second, third;

    (void)state;
    assert_int_equal(begin_expand(&first, UINT32_MAX - 11), STORE_OK);
    assert_int_equal(begin_expand(&second, 2), STORE_BAD_REQUEST);
    EXPECT(STORE_BAD_REQUEST, "A volume of 4294967294 GiB cannot grow by 2 GiB");
    assert_int_equal(begin_expand(&third, 1), STORE_OK);
    assert_int_equal(world_end(&world, third.op_id, NULL), STORE_OK);
    assert_int_equal(world_end(&world, first.op_id, NULL), STORE_OK);
    assert_int_equal(volume(volume_id)->size_gib, UINT32_MAX);
    store_cmd_fini(&first);
    store_cmd_fini(&second);
    store_cmd_fini(&third);
}

/* A planned brick's path is not known yet: no room for megabytes of it. */
static void test_long_names(void **state)
{
    struct id op_id = expand(5);
    struct store_cmd cmd;

    (void)state;
    assert_int_equal(store_plan_again(world.store, op_id, &world.env, &cmd, &world.result), STORE_OK);
    free(cmd.volume.bricks[0].path);
    cmd.volume.bricks[0].path = mem_calloc(1, 300);
    memset(cmd.volume.bricks[0].path, 'x', 299);
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    cmd.volume.bricks[0].path[200] = '\0';
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
}

/* No arbiter in some sets only. */
static void test_other_arbiters(void **state)
{
    struct id op_id = expand(5);
    struct store_cmd cmd;

    (void)state;
    assert_int_equal(store_plan_again(world.store, op_id, &world.env, &cmd, &world.result), STORE_OK);
    cmd.volume.bricks[2].type = STORE_BRICK_ARBITER;
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    cmd.volume.bricks[2].type = cmd.volume.bricks[1].type;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
}

static void test_expand_refused(void **state)
{
    struct store_request request;
    struct store_cmd cmd;

    (void)state;
    (void)expand(1000);
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate volume expansion: Maximum number of bricks reached.");
    world.env.brick_min_kib = 2 * GIB;
    (void)expand(1);
    EXPECT(STORE_NO_ALLOCATION,
           "Failed to allocate volume expansion: Minimum brick size limit reached.  Out of space.");
    world.env.bricks_per_volume_max = 5;
    (void)expand(4);
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate volume expansion: Maximum number of bricks reached.");
    world.env.bricks_per_volume_max = 32;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[i], STORE_STATE_OFFLINE), STORE_OK);
    }
    (void)expand(4);
    EXPECT(STORE_NO_ALLOCATION, "Failed to allocate volume expansion: No online storage devices in cluster");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[i], STORE_STATE_ONLINE), STORE_OK);
    }
    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = devices[0];
    request.volume.size_gib = 1;
    assert_int_equal(world_request(&world, &request), STORE_NOT_FOUND);
    store_request_init(&request, STORE_REQ_VOLUME_EXPAND); /* a pool that is in use is no room for a new brick */
    request.target = volume_id;
    request.volume.size_gib = 4;
    assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
    free(cmd.volume.bricks[0].pool);
    for (size_t i = 0; i < 3; i++) {
        if (id_equal(volume(volume_id)->bricks[i].device, cmd.volume.bricks[0].device)) {
            cmd.volume.bricks[0].pool = mem_strdup(volume(volume_id)->bricks[i].pool);
        }
    }
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    store_cmd_fini(&cmd);
}

static void test_rebalance_follows(void **state)
{
    struct id op_id = expand(5), rebalance_id = world_id(&world);
    struct store_cmd cmd;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    cmd.rebalance_id = op_id;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    cmd.rebalance_id = rebalance_id;
    cmd.failed = true;
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    cmd.failed = false;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_int_equal(store_operation(world.store, rebalance_id)->type, STORE_OP_REBALANCE);
    assert_true(id_equal(store_operation(world.store, rebalance_id)->target, volume_id));
    assert_int_equal(apply_op(STORE_CMD_OP_UNDO, rebalance_id), STORE_CONFLICT);
    deleted(volume_id); /* it holds nothing */
    assert_int_equal(world_end(&world, rebalance_id, NULL), STORE_OK);
    assert_int_equal(store_job(world.store, rebalance_id)->resource, STORE_RES_NONE);
}

/* ---- clone ---- */

static void learn(struct id op_id, const char *lv, const char *path, bool swapped, enum store_code expected)
{
    const struct store_operation *op = store_operation(world.store, op_id);
    const struct store_volume *v = volume(op->target);
    struct store_cmd cmd;

    store_cmd_init(&cmd, STORE_CMD_OP_LEARN);
    cmd.op_id = op_id;
    cmd.volume.bricks = mem_calloc(v->n_bricks, sizeof(*cmd.volume.bricks));
    cmd.volume.n_bricks = v->n_bricks;
    for (size_t i = 0; i < v->n_bricks; i++) {
        cmd.volume.bricks[i] = (struct store_brick){.id = v->bricks[swapped ? v->n_bricks - 1 - i : i].id,
                                                    .pool = mem_strdup(""),
                                                    .lv = mem_strdup(lv),
                                                    .path = mem_printf("%s", path)};
    }
    assert_int_equal(world_apply(&world, &cmd), expected);
    store_cmd_fini(&cmd);
}

static void test_clone(void **state)
{
    struct id op_id = clone_of(volume_id, "copy"), id = world.result.id;
    const struct store_volume *v = volume(id), *source = volume(volume_id);

    (void)state;
    assert_int_equal(world.result.code, STORE_OK);
    assert_true(id_equal(v->pending, op_id));
    assert_true(id_is_none(source->pending)); /* stays visible */
    assert_true(id_equal(store_operation(world.store, op_id)->source, volume_id));
    assert_string_equal(v->name, "copy");
    assert_int_equal(v->size_gib, 10);
    assert_int_equal(v->n_bricks, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_false(id_equal(v->bricks[i].id, source->bricks[i].id));
        assert_true(id_equal(v->bricks[i].device, source->bricks[i].device));
        assert_string_equal(v->bricks[i].pool, source->bricks[i].pool);
        assert_int_equal(used(i), BRICK_KIB); /* takes no space */
    }
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume_id), STORE_IN_USE);
    (void)expand(1);
    EXPECT(STORE_IN_USE, "Failed to allocate volume expansion: The target exists, contains other items, or is in use.");
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, id), STORE_NOT_FOUND);
    (void)clone_of(id, "x");
    EXPECT(STORE_NOT_FOUND, "Id not found");
    learn(op_id, "u_0", "/run/gluster/snaps/u/brick1/brick", true, STORE_BAD_REQUEST);
    learn(op_id, "", "/run/gluster/snaps/u/brick1/brick", false, STORE_BAD_REQUEST);
    learn(op_id, "u_0", "run/gluster", false, STORE_BAD_REQUEST);
    learn(op_id, "u_0", "/brick", false, STORE_BAD_REQUEST);
    learn(op_id, "u_0", "/run/gluster/snaps/u/brick1/brick", false, STORE_OK);
    assert_string_equal(volume(id)->bricks[1].lv, "u_0");
    assert_string_equal(volume(id)->bricks[2].path, "/run/gluster/snaps/u/brick1/brick");
    assert_int_equal(world_end(&world, op_id, NULL), STORE_OK);
    assert_true(id_is_none(volume(id)->pending));
    assert_true(id_equal(store_job(world.store, op_id)->resource_id, id));
}

/* However often it is planned again. The bricks would not do: what counts is which refusal comes first. */
static void test_planned_again_with_too_many_bricks(void **state)
{
    struct id op_id = expand(5);
    struct store_brick *bricks = mem_calloc(STORE_BRICKS_MAX, sizeof(*bricks));
    struct store_cmd cmd;

    (void)state;
    for (size_t i = 0; i < STORE_BRICKS_MAX; i++) {
        bricks[i] = volume(volume_id)->bricks[0];
    }
    store_cmd_init(&cmd, STORE_CMD_OP_REPLAN);
    cmd.op_id = op_id;
    cmd.volume.bricks = bricks;
    cmd.volume.n_bricks = STORE_BRICKS_MAX;
    assert_int_equal(world_apply(&world, &cmd), STORE_BAD_REQUEST);
    world_level(&world, 2);
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT);
    EXPECT(STORE_CONFLICT, "The volume would have more than %d bricks", STORE_BRICKS_MAX);
    cmd.volume.bricks = NULL;
    cmd.volume.n_bricks = 0;
    store_cmd_fini(&cmd);
    free(bricks);
}

#define U "0123456789abcdef0123456789abcdef"
#define V "00112233445566778899aabbccddeeff"

/* A node that lies gives two clones one place: the second one does not get it, whichever learns first. */
static void test_two_clones_in_one_place(void **state)
{
    static const char path[] = "/run/gluster/snaps/" U "/brick1/brick";
    CLEANUP(free_ptr) char *lv = NULL, *own = NULL;
    struct id first, second;

    (void)state;
    first = clone_of(volume_id, "one");
    second = clone_of(volume_id, "two");
    world_level(&world, 2);
    lv = store_brick_lv_name(&volume(volume_id)->bricks[0]);
    own = store_brick_path(&volume(volume_id)->bricks[0]);
    learn(first, lv, path, false, STORE_CONFLICT);
    learn(first, U "_0", own, false, STORE_CONFLICT);
    learn(first, U "_0", path, false, STORE_OK);
    learn(first, U "_0", path, false, STORE_OK); /* the same again */
    learn(second, U "_0", "/run/gluster/snaps/" V "/brick1/brick", false, STORE_CONFLICT);
    learn(second, V "_0", path, false, STORE_CONFLICT);
    learn(second, V "_0", "/run/gluster/snaps/" V "/brick1/brick", false, STORE_OK);
}

/* What is learnt is what will be unmounted and removed some day: only where Gluster puts clones, and under one name. */
static void test_a_clone_where_gluster_puts_none(void **state)
{
    static const char *const odd[][2] = {
        {U "_0", "/run/gluster/snaps/u/brick1/brick"},
        {U "_0", "/run/gluster/snaps/" U "0/brick1/brick"},
        {U "_0", "/run/gluster/snaps/" V "/brick1/brick"},
        {U "_0", "/run/gluster/snaps/" U "/brick/brick"},
        {U "_0", "/run/gluster/snaps/" U "/brick1"},
        {U "_0", "/run/gluster/snaps/" U "/brick1/"},
        {U "_0", "/run/gluster/snaps/" U "/brick1/a/b"},
        {U "_0", "/run/gluster/snaps/" U "/../../../../srv/brick"},
        {U "_0", "/run/gluster/snaps/" U "/brick1/.."},
        {U "_0", "/srv/run/gluster/snaps/" U "/brick1/brick"},
        {U "_0", "/home/brick"},
        {U "_", "/run/gluster/snaps/" U "/brick1/brick"},
        {U "_0x", "/run/gluster/snaps/" U "/brick1/brick"},
        {U, "/run/gluster/snaps/" U "/brick1/brick"},
        {"u_0", "/run/gluster/snaps/" U "/brick1/brick"},
        {"root", "/run/gluster/snaps/" U "/brick1/brick"},
    };
    struct id op_id = clone_of(volume_id, "one");

    (void)state;
    world_level(&world, 2);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        learn(op_id, odd[i][0], odd[i][1], false, STORE_BAD_REQUEST);
    }
    learn(op_id, U "_12", "/var/run/gluster/snaps/" U "/brick12/brick", false, STORE_OK);
}

/* As the first release has it: members of both releases come to the same. */
static void test_two_clones_at_the_first_level(void **state)
{
    struct id first = clone_of(volume_id, "one"), second = clone_of(volume_id, "two");

    (void)state;
    learn(first, "u_0", "/run/gluster/snaps/u/brick1/brick", false, STORE_OK);
    learn(second, "u_0", "/run/gluster/snaps/u/brick1/brick", false, STORE_OK);
}

/* All bricks of this clone are said to be in one place, and some of them are on one node. */
static void test_a_clone_with_two_bricks_in_one_place(void **state)
{
    struct id op_id;

    (void)state;
    assert_int_equal(world_end(&world, expand(10), NULL), STORE_OK);
    op_id = clone_of(volume_id, "one");
    world_level(&world, 2);
    learn(op_id, U "_0", "/run/gluster/snaps/" U "/brick1/brick", false, STORE_CONFLICT);
}

static void test_clone_failed(void **state)
{
    struct id op_id = clone_of(volume_id, "copy");

    (void)state;
    assert_int_equal(apply_op(STORE_CMD_OP_UNDO, op_id), STORE_OK);
    assert_int_equal(world_end(&world, op_id, "no snapshot"), STORE_OK);
    assert_int_equal(store_counts(world.store).volumes, 1);
    assert_int_equal(store_counts(world.store).bricks, 3);
    assert_int_equal(used(0), BRICK_KIB);
    deleted(volume_id);
    assert_int_equal(used(0), 0);
}

/* A pool stays charged as long as anybody has a brick in it, in whatever order they go. */
static void test_space_of_clones(void **state)
{
    struct id copy, grandchild;

    (void)state;
    copy = cloned(volume_id, "copy");
    grandchild = cloned(copy, "");
    deleted(volume_id);
    assert_int_equal(used(2), BRICK_KIB);
    deleted(grandchild);
    assert_int_equal(used(2), BRICK_KIB);
    volume_id = copy;
    assert_int_equal(world_end(&world, expand(10), NULL), STORE_OK); /* of a clone, as of any */
    assert_int_equal(volume(copy)->n_bricks, 6);
    assert_int_equal(used(2), 2 * BRICK_KIB);
    deleted(copy);
    assert_int_equal(used(2), 0);
}

static void test_clone_refused(void **state)
{
    struct id other = world_volume(&world, 1, 3, "other"), first;
    struct store_request request;
    struct store_cmd cmd;

    (void)state;
    (void)clone_of(devices[0], "x");
    EXPECT(STORE_NOT_FOUND, "Id not found");
    (void)clone_of(volume_id, "other");
    EXPECT(STORE_NO_ALLOCATION, "Failed clone volume %s: Volume name 'other' already in use", id_text(volume_id).text);
    first = clone_of(volume_id, "copy"); /* the same again: its answer */
    assert_int_equal(world.result.code, STORE_OK);
    assert_true(id_equal(clone_of(volume_id, "copy"), first));
    assert_int_equal(world.result.code, STORE_REPEATED);
    (void)clone_of(other, "copy");
    EXPECT(STORE_NO_ALLOCATION, "Failed clone volume %s: Volume name 'copy' already in use", id_text(other).text);
    store_request_init(&request, STORE_REQ_VOLUME_CLONE); /* a plan whose source has grown meanwhile */
    request.target = other;
    assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = other;
    request.volume.size_gib = 1;
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    store_cmd_fini(&cmd);
}

/* ---- block restriction ---- */

static void restrict_to(struct id id, enum store_restriction restriction)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_RESTRICT);
    request.target = id;
    request.restriction = restriction;
    (void)world_request(&world, &request);
}

static void test_restriction(void **state)
{
    struct store_request request;
    struct store_cmd cmd;
    struct id hosting;

    (void)state;
    restrict_to(volume_id, STORE_LOCKED);
    EXPECT(STORE_NO_ALLOCATION,
           "Failed to set block restriction: Block restrictions can only be set on block hosting volumes");
    restrict_to(devices[0], STORE_LOCKED);
    EXPECT(STORE_NOT_FOUND, "Id not found");
    world_volume_request(&request, 10, 3, "hosting");
    assert_int_equal(world_plan(&world, &request, &cmd), STORE_OK);
    cmd.volume.block = true;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    hosting = cmd.volume.id;
    assert_int_equal(world_end(&world, cmd.op_id, NULL), STORE_OK);
    store_cmd_fini(&cmd);
    restrict_to(hosting, STORE_LOCKED);
    assert_int_equal(world.result.code, STORE_OK);
    assert_int_equal(volume(hosting)->restriction, STORE_LOCKED);
    assert_int_equal(store_job(world.store, world.result.op_id)->resource, STORE_RES_VOLUME);
    assert_true(id_equal(store_job(world.store, world.result.op_id)->resource_id, hosting));
    restrict_to(hosting, STORE_UNRESTRICTED);
    assert_int_equal(volume(hosting)->restriction, STORE_UNRESTRICTED);
    (void)clone_of(hosting, "x");
    EXPECT(STORE_NO_ALLOCATION, "Failed clone volume %s: Cloning of block hosting volumes is not supported",
           id_text(hosting).text);
}

/* ---- moving bricks beside it ---- */

static void test_clone_and_evict(void **state)
{
    struct id brick = volume(volume_id)->bricks[0].id, op_id;

    (void)state;
    op_id = clone_of(volume_id, "c");
    (void)world_target(&world, STORE_REQ_BRICK_EVICT, brick);
    EXPECT(STORE_IN_USE, "Failed to set up brick eviction: The target exists, contains other items, or is in use.");
    assert_int_equal(world_end(&world, op_id, NULL), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_BRICK_EVICT, brick), STORE_OK);
    (void)clone_of(volume_id, "d");
    EXPECT(STORE_IN_USE, "Failed clone volume %s: The target exists, contains other items, or is in use.",
           id_text(volume_id).text);
}

static void test_evict_leaves_pool_of_clone(void **state)
{
    struct id brick = volume(volume_id)->bricks[0].id, device = volume(volume_id)->bricks[0].device, op_id;
    uint64_t before = store_device_used_kib(world.store, device);
    struct store_cmd cmd;

    (void)state;
    (void)world_device(&world, world_node(&world, volume(volume_id)->cluster, 4, "n4"), "/dev/sdb", 100 * GIB);
    (void)cloned(volume_id, "c");
    assert_int_equal(world_target(&world, STORE_REQ_BRICK_EVICT, brick), STORE_OK);
    op_id = world.result.op_id;
    assert_int_equal(store_plan_again(world.store, op_id, &world.env, &cmd, &world.result), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_int_equal(apply_op(STORE_CMD_OP_MOVED, op_id), STORE_OK);
    assert_int_equal(world_end(&world, op_id, NULL), STORE_OK);
    assert_null(store_brick(world.store, brick));
    assert_int_equal(store_device_used_kib(world.store, device), before); /* the clone's brick is in that pool */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_expand),
        TEST(test_expand_failed),
        TEST(test_expand_repeated),
        TEST(test_expand_repeated_by_member),
        TEST(test_expand_repeated_meanwhile),
        TEST(test_two_expands),
        TEST(test_expand_planned_again),
        TEST(test_redo),
        TEST(test_expand_beyond_all_sizes),
        TEST(test_long_names),
        TEST(test_planned_again_with_too_many_bricks),
        TEST(test_other_arbiters),
        TEST(test_expand_refused),
        TEST(test_rebalance_follows),
        TEST(test_clone),
        TEST(test_two_clones_in_one_place),
        TEST(test_a_clone_where_gluster_puts_none),
        TEST(test_two_clones_at_the_first_level),
        TEST(test_a_clone_with_two_bricks_in_one_place),
        TEST(test_clone_failed),
        TEST(test_space_of_clones),
        TEST(test_clone_refused),
        TEST(test_restriction),
        TEST(test_clone_and_evict),
        TEST(test_evict_leaves_pool_of_clone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

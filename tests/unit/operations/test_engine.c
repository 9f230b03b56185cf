/* The engine against pretended nodes, with a leader that dies before and after every action: each operation ends
 * finished or completely undone, and what is on the nodes equals the database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/mock_world.h"
#include "daemon/operations/engine.h"
#include "store/base/mem.h"

#define NODES 3
#define ACTIONS_MAX 200

struct world {
    struct store *store;
    struct mock_world *nodes;
    uint64_t index, now_ms, term;
    uint32_t random;
    struct id cluster, node_ids[NODES], device_ids[NODES], volume;
    /* orders */
    size_t crash_at;               /* which action; SIZE_MAX: never */
    bool crash_after;              /* the action happens, its result is lost */
    enum exec_step_kind fail_kind; /* 0: none */
    int fail_times, fail_code;
    bool fail_permanent;
    size_t actions;
};

static void random_bytes(void *user, void *data, size_t len)
{
    struct world *world = user;

    for (size_t i = 0; i < len; i++) {
        world->random = world->random * 1664525 + 1013904223;
        ((uint8_t *)data)[i] = (uint8_t)(world->random >> 24);
    }
}

static void plan_env(struct world *world, struct store_plan_env *env)
{
    store_plan_env_init(env);
    env->user = world;
    env->random = random_bytes;
    env->now_ms = (int64_t)world->now_ms;
}

static struct store_result apply(struct world *world, const struct store_cmd *cmd)
{
    struct store_result result;
    struct err err = ERR_INIT;

    store_apply(world->store, ++world->index, cmd, &result);
    if (store_check(world->store, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return result;
}

/* Plans and applies a request: the operation's id. */
static struct store_result request(struct world *world, struct store_request *req)
{
    struct store_plan_env env;
    struct store_result result = {.code = STORE_OK};
    struct store_cmd cmd;

    plan_env(world, &env);
    if (store_plan(world->store, req, &env, &cmd, &result) != STORE_OK) {
        fail_msg("refused: %s", result.text);
    }
    result = apply(world, &cmd);
    store_cmd_fini(&cmd);
    store_request_fini(req);
    assert_int_equal(result.code, STORE_OK);
    return result;
}

/* ---- running steps and proposals as the driver does ---- */

static bool dies(struct world *world, bool after)
{
    return world->actions == world->crash_at && world->crash_after == after;
}

static struct store_brick *find_brick(struct world *world, const struct engine *engine, struct id id,
                                      struct store_brick *copy)
{
    const struct store_operation *op = store_operation(world->store, engine->op_id);
    const struct store_brick *brick = store_brick(world->store, id);

    for (size_t i = 0; op != NULL && i < op->n_abandoned; i++) {
        if (id_equal(op->abandoned[i].id, id)) {
            brick = &op->abandoned[i];
        }
    }
    assert_non_null(brick);
    store_brick_copy(copy, brick);
    return copy;
}

static void run_step(struct world *world, const struct engine *engine, size_t at, struct exec_result *result)
{
    const struct engine_step *step = &engine->steps[at];
    const struct store_node *node = store_node(world->store, step->node);
    const struct store_node *peer = store_node(world->store, step->object);
    struct store_brick brick = {.pool = NULL};
    struct exec_brick item = {&brick, "storage"};
    struct exec_step exec = {
        .kind = step->kind, .node = step->node, .term = world->term, .bricks = &item, .n_bricks = 1};

    memset(result, 0, sizeof(*result));
    if (node == NULL) {
        result->code = E_CONNECT;
        return;
    }
    exec.host = node->manage.items[0];
    exec.peer = peer != NULL ? peer->storage.items[0] : NULL;
    exec.device = store_device(world->store, step->object);
    exec.volume = store_volume(world->store, step->object);
    if (step->kind == EXEC_BRICK_CREATE || step->kind == EXEC_BRICK_SYNC || step->kind == EXEC_BRICK_DESTROY) {
        (void)find_brick(world, engine, step->object, &brick);
    }
    if (step->kind == world->fail_kind && world->fail_times != 0) {
        world->fail_times -= world->fail_times > 0;
        result->code = world->fail_code;
        result->permanent = world->fail_permanent;
        (void)snprintf(result->message, sizeof(result->message), "ordered failure");
    } else {
        mock_world_apply(world->nodes, &exec, result);
    }
    store_brick_fini(&brick);
}

static void fill_end(struct world *world, const struct engine *engine, const struct engine_action *action,
                     struct store_cmd *cmd)
{
    store_cmd_init(cmd, STORE_CMD_OP_END);
    cmd->failed = action->failed;
    free(cmd->text);
    cmd->text = mem_strdup(action->text);
    cmd->device.total_kib = engine->device.total_kib;
    cmd->device.extent_kib = engine->device.extent_kib;
    (void)world;
}

/* One proposal; false: refused. */
static bool propose(struct world *world, struct engine *engine, const struct engine_action *action)
{
    struct store_plan_env env;
    struct store_result result = {.code = STORE_OK};
    struct store_cmd cmd;

    if (action->kind == ENGINE_END) {
        fill_end(world, engine, action, &cmd);
    } else if (action->kind == ENGINE_UNDO) {
        store_cmd_init(&cmd, STORE_CMD_OP_UNDO);
        free(cmd.text);
        cmd.text = mem_strdup(action->text);
    } else {
        plan_env(world, &env);
        env.exclude_nodes = &action->node;
        env.n_exclude_nodes = 1;
        if (store_plan_again(world->store, engine->op_id, &env, &cmd, &result) != STORE_OK) {
            return false;
        }
    }
    cmd.op_id = engine->op_id;
    cmd.time_ms = (int64_t)world->now_ms;
    result = apply(world, &cmd);
    store_cmd_fini(&cmd);
    return result.code == STORE_OK;
}

/* One leader's life: true when the operation has ended, false when the leader died. */
static bool lead(struct world *world, struct id op_id)
{
    struct engine engine;
    struct engine_action action;

    world->term++;
    if (!engine_init(&engine, world->store, op_id, world->now_ms)) {
        return true;
    }
    for (;;) {
        struct exec_result result;
        bool died = false;

        assert_true(world->actions < ACTIONS_MAX);
        engine_next(&engine, world->store, world->now_ms, &action);
        if (action.kind == ENGINE_WAIT) {
            assert_true(action.wait_ms != UINT64_MAX);
            world->now_ms = action.wait_ms;
            continue;
        }
        if (dies(world, false)) {
            world->actions++;
            engine_fini(&engine);
            return false;
        }
        if (action.kind == ENGINE_RUN) {
            run_step(world, &engine, action.step, &result);
            died = dies(world, true);
            if (!died) {
                engine_result(&engine, action.step, &result, world->now_ms);
            }
        } else {
            bool ok = propose(world, &engine, &action);

            died = dies(world, true);
            if (!died && !ok) {
                engine_replan_refused(&engine);
            } else if (!died) {
                engine_fini(&engine);
                if (!engine_init(&engine, world->store, op_id, world->now_ms)) {
                    world->actions++;
                    return true;
                }
            }
        }
        world->actions++;
        if (died) {
            engine_fini(&engine);
            return false;
        }
    }
}

static void finish(struct world *world, struct id op_id)
{
    int leaders = 0;

    while (!lead(world, op_id)) {
        assert_true(++leaders < 3);
    }
    assert_null(store_operation(world->store, op_id));
    assert_non_null(store_job(world->store, op_id));
}

/* ---- the world ---- */

static struct id add_node(struct world *world, int i, bool complete)
{
    struct store_request req;
    struct store_result result;
    char name[32];

    store_request_init(&req, STORE_REQ_NODE_ADD);
    req.cluster = world->cluster;
    req.zone = (uint32_t)i + 1;
    (void)snprintf(name, sizeof(name), "node%d", i);
    store_strs_add(&req.manage, name);
    store_strs_add(&req.storage, name);
    result = request(world, &req);
    world->node_ids[i] = result.id;
    if (complete) {
        finish(world, result.op_id);
    }
    return result.op_id;
}

static struct id add_device(struct world *world, int i, bool complete)
{
    struct store_request req;
    struct store_result result;

    store_request_init(&req, STORE_REQ_DEVICE_ADD);
    req.node = world->node_ids[i];
    free(req.device_name);
    req.device_name = mem_strdup("/dev/sdb");
    result = request(world, &req);
    world->device_ids[i] = result.id;
    if (complete) {
        finish(world, result.op_id);
    }
    return result.op_id;
}

static struct id create_volume(struct world *world, bool complete)
{
    struct store_request req;
    struct store_result result;

    store_request_init(&req, STORE_REQ_VOLUME_CREATE);
    req.volume.size_gib = 1;
    req.volume.durability = STORE_REPLICATE;
    req.volume.replica = 3;
    result = request(world, &req);
    world->volume = result.id;
    if (complete) {
        finish(world, result.op_id);
    }
    return result.op_id;
}

static struct id remove_target(struct world *world, enum store_request_type type, struct id target)
{
    struct store_request req;

    store_request_init(&req, type);
    req.target = target;
    return request(world, &req).op_id;
}

static void make_world(struct world *world, int nodes, int devices)
{
    struct store_request req;

    memset(world, 0, sizeof(*world));
    world->store = store_new();
    world->nodes = mock_world_new(500 * STORE_KIB_PER_GIB);
    world->random = 1;
    world->crash_at = SIZE_MAX;
    world->now_ms = 1000;
    store_request_init(&req, STORE_REQ_CLUSTER_CREATE);
    req.file = req.block = true;
    world->cluster = request(world, &req).id;
    for (int i = 0; i < nodes; i++) {
        (void)add_node(world, i, true);
    }
    for (int i = 0; i < devices; i++) {
        (void)add_device(world, i, true);
    }
    world->actions = 0;
}

static void free_world(struct world *world)
{
    store_free(world->store);
    mock_world_free(world->nodes);
}

/* What is on the nodes equals the database. */
static void check_leftovers(struct world *world)
{
    const struct store_volume *volume = NULL;
    const struct store_device *device = NULL;
    const struct store_node *node = NULL;
    size_t bricks = 0, volumes = 0, devices = 0, peers = 0;

    while ((volume = store_volume_next(world->store, volume)) != NULL) {
        CLEANUP(free_ptr) char *text = mem_printf("volume %s", volume->name);

        assert_true(id_is_none(volume->pending));
        assert_true(mock_world_has(world->nodes, text));
        volumes++;
        for (size_t i = 0; i < volume->n_bricks; i++) {
            const struct store_device *on = store_device(world->store, volume->bricks[i].device);
            CLEANUP(free_ptr)
            char *brick = mem_printf("brick %s %s", store_node(world->store, on->node)->manage.items[0],
                                     id_text(volume->bricks[i].id).text);

            assert_true(mock_world_has(world->nodes, brick));
            bricks++;
        }
    }
    while ((device = store_device_next(world->store, device)) != NULL) {
        devices++;
    }
    while ((node = store_node_next(world->store, node)) != NULL) {
        peers++;
    }
    assert_int_equal(mock_world_count(world->nodes, "brick "), bricks);
    assert_int_equal(mock_world_count(world->nodes, "volume "), volumes);
    assert_int_equal(mock_world_count(world->nodes, "vg "), devices);
    assert_int_equal(mock_world_count(world->nodes, "peer "), peers > 0 ? peers - 1 : 0); /* the first is no peer */
}

/* ---- the sweep ---- */

struct scenario {
    const char *name;
    int nodes, devices;
    bool volume;
    struct id (*begin)(struct world *world);
    enum exec_step_kind fail_kind;
    int fail_times, fail_code;
    bool fail_permanent, must_fail;
};

static struct id begin_create(struct world *world)
{
    return create_volume(world, false);
}

static struct id begin_delete(struct world *world)
{
    return remove_target(world, STORE_REQ_VOLUME_DELETE, world->volume);
}

static struct id begin_node_add(struct world *world)
{
    return add_node(world, 2, false);
}

static struct id begin_node_delete(struct world *world)
{
    return remove_target(world, STORE_REQ_NODE_DELETE, world->node_ids[2]);
}

static struct id begin_device_add(struct world *world)
{
    return add_device(world, 2, false);
}

static const struct scenario scenarios[] = {
    {"create", 3, 3, false, begin_create, 0, 0, 0, false, false},
    {"create, a brick fails for a while", 3, 3, false, begin_create, EXEC_BRICK_CREATE, 2, E_CONNECT, false, false},
    {"create, bricks fail for ever", 3, 3, false, begin_create, EXEC_BRICK_CREATE, -1, E_REMOTE, true, true},
    {"create, gluster refuses", 3, 3, false, begin_create, EXEC_VOLUME_CREATE, -1, E_REMOTE, true, true},
    {"create, gluster is busy", 3, 3, false, begin_create, EXEC_VOLUME_CREATE, 2, E_BUSY, false, false},
    {"create, undo is slow", 3, 3, false, begin_create, EXEC_BRICK_DESTROY, 5, E_TIMEOUT, false, false},
    {"delete", 3, 3, true, begin_delete, 0, 0, 0, false, false},
    {"delete, a node is away", 3, 3, true, begin_delete, EXEC_BRICK_DESTROY, 6, E_CONNECT, false, false},
    {"delete, refused", 3, 3, true, begin_delete, EXEC_VOLUME_DELETE, -1, E_REMOTE, true, true},
    {"node add", 2, 0, false, begin_node_add, 0, 0, 0, false, false},
    {"node add, refused", 2, 0, false, begin_node_add, EXEC_PEER_PROBE, -1, E_REMOTE, true, true},
    {"node delete", 3, 2, false, begin_node_delete, 0, 0, 0, false, false},
    {"node delete, a node is away", 3, 2, false, begin_node_delete, EXEC_PEER_DETACH, 5, E_CONNECT, false, false},
    {"device add", 3, 2, false, begin_device_add, 0, 0, 0, false, false},
    {"device add, holds data", 3, 2, false, begin_device_add, EXEC_DEVICE_SETUP, -1, E_REMOTE, true, true},
};

/* Returns how many actions there were. */
static size_t run_scenario(const struct scenario *scenario, size_t crash_at, bool crash_after)
{
    struct world world;
    struct id op_id;
    size_t actions;

    make_world(&world, scenario->nodes, scenario->devices);
    if (scenario->volume) {
        (void)create_volume(&world, true);
    }
    world.actions = 0;
    world.crash_at = crash_at;
    world.crash_after = crash_after;
    world.fail_kind = scenario->fail_kind;
    world.fail_times = scenario->fail_times;
    world.fail_code = scenario->fail_code;
    world.fail_permanent = scenario->fail_permanent;
    op_id = scenario->begin(&world);
    finish(&world, op_id);
    assert_int_equal(store_job(world.store, op_id)->failed, scenario->must_fail);
    check_leftovers(&world);
    actions = world.actions;
    free_world(&world);
    return actions;
}

static void test_crash_at_every_action(void **state)
{
    size_t points = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
        size_t actions = run_scenario(&scenarios[i], SIZE_MAX, false);

        for (size_t at = 0; at < actions; at++) {
            (void)run_scenario(&scenarios[i], at, false);
            (void)run_scenario(&scenarios[i], at, true);
            points += 2;
        }
    }
    printf("crash points: %zu in %zu scenarios\n", points, sizeof(scenarios) / sizeof(*scenarios));
    assert_true(points > 150);
}

/* A step of the leader before is refused by the node. */
static void test_fence(void **state)
{
    struct world world;
    struct store_brick brick = {.pool = (char[]){"tp"}, .lv = (char[]){""}, .path = (char[]){""}};
    struct exec_brick item = {&brick, "storage"};
    struct exec_step step = {.kind = EXEC_BRICK_CREATE, .host = "node0", .bricks = &item, .n_bricks = 1, .term = 5};
    struct exec_result result;

    (void)state;
    make_world(&world, 1, 0);
    mock_world_apply(world.nodes, &(struct exec_step){.kind = EXEC_FENCE, .host = "node0", .term = 6}, &result);
    assert_int_equal(result.code, 0);
    mock_world_apply(world.nodes, &step, &result);
    assert_int_equal(result.code, E_FENCED);
    assert_int_equal(mock_world_count(world.nodes, "brick "), 0);
    step.term = 6;
    mock_world_apply(world.nodes, &step, &result);
    assert_int_equal(result.code, 0);
    free_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash_at_every_action),
        cmocka_unit_test(test_fence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

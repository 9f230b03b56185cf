/* Whatever dies, each accepted operation ends, finished or undone, with nothing left on the nodes.
 *
 * HECATE_SEED: the first seed; HECATE_SIM_SEEDS: how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/simulation/sim_ops.h"

struct scene {
    struct sim_ops ops;
    struct sim *sim;
    struct id cluster;
};

static void settle(struct scene *scene)
{
    if (!sim_ops_settle(&scene->ops, 120 * SIM_S)) {
        print_error("seed %lu: %s\n", (unsigned long)scene->sim->config.seed, scene->sim->failure);
        sim_print(scene->sim);
    }
}

/* ---- what clients ask for ---- */

static void ask_node(struct scene *scene, unsigned number)
{
    struct store_request request;
    CLEANUP(free_ptr) char *manage = mem_printf("node%u", number);
    CLEANUP(free_ptr) char *storage = mem_printf("10.0.0.%u", number);

    store_request_init(&request, STORE_REQ_NODE_ADD);
    request.cluster = scene->cluster;
    request.zone = number;
    store_strs_add(&request.manage, manage);
    store_strs_add(&request.storage, storage);
    (void)sim_ops_request(&scene->ops, &request);
}

static void ask_device(struct scene *scene, struct id node, const char *name)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_DEVICE_ADD);
    request.node = node;
    free(request.device_name);
    request.device_name = mem_strdup(name);
    (void)sim_ops_request(&scene->ops, &request);
}

static void ask_volume(struct scene *scene, uint32_t replica)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_CREATE);
    request.volume.size_gib = 1 + (uint32_t)sim_random(scene->sim, 20);
    request.volume.durability = replica > 1 ? STORE_REPLICATE : STORE_NONE;
    request.volume.replica = replica;
    (void)sim_ops_request(&scene->ops, &request);
}

static void ask_hosting(struct scene *scene)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_CREATE);
    request.volume.size_gib = 50;
    request.volume.durability = STORE_REPLICATE;
    request.volume.replica = 3;
    request.volume.block = true;
    (void)sim_ops_request(&scene->ops, &request);
}

/* On a hosting volume that has room, or with one of its own. */
static void ask_block(struct scene *scene, uint32_t size_gib)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_BLOCK_CREATE);
    request.block_volume.size_gib = size_gib;
    request.block_volume.ha_count = (uint32_t)sim_random(scene->sim, 4);
    request.block_volume.auth = sim_random(scene->sim, 2) == 0;
    (void)sim_ops_request(&scene->ops, &request);
}

static void ask_block_expand(struct scene *scene, struct id block, uint32_t new_gib)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_BLOCK_EXPAND);
    request.target = block;
    request.new_gib = new_gib;
    (void)sim_ops_request(&scene->ops, &request);
}

static void ask_target(struct scene *scene, enum store_request_type type, struct id target)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    (void)sim_ops_request(&scene->ops, &request);
}

static void ask_forget(struct scene *scene, struct id device)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_DEVICE_DELETE);
    request.target = device;
    request.force = true;
    (void)sim_ops_request(&scene->ops, &request);
}

static void ask_expand(struct scene *scene, struct id volume)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = volume;
    request.volume.size_gib = 1 + (uint32_t)sim_random(scene->sim, 5);
    (void)sim_ops_request(&scene->ops, &request);
}

static struct id some_volume(struct scene *scene)
{
    const struct store *store = sim_ops_leader_store(&scene->ops);
    const struct store_volume *volume = NULL;
    size_t n = store != NULL ? store_counts(store).volumes : 0;

    for (size_t i = n > 0 ? sim_random(scene->sim, n) + 1 : 0; i > 0; i--) {
        volume = store_volume_next(store, volume);
    }
    return volume != NULL ? volume->id : ID_NONE;
}

static const struct store_block_volume *some_block(struct scene *scene)
{
    const struct store *store = sim_ops_leader_store(&scene->ops);
    const struct store_block_volume *block = NULL;
    size_t n = store != NULL ? store_counts(store).block_volumes : 0;

    for (size_t i = n > 0 ? sim_random(scene->sim, n) + 1 : 0; i > 0; i--) {
        block = store_block_volume_next(store, block);
    }
    return block;
}

/* ---- a cluster of three nodes with a device each ---- */

static void scene_new(struct scene *scene, struct sim_config *config, unsigned n_nodes)
{
    struct store_request request;
    const struct store_node *node = NULL;

    sim_ops_init(&scene->ops, config);
    scene->sim = sim_new(config);
    assert_true(sim_wait_serving(scene->sim, 10 * SIM_S, NULL));
    store_request_init(&request, STORE_REQ_CLUSTER_CREATE);
    request.file = request.block = true;
    assert_true(sim_ops_request(&scene->ops, &request));
    assert_true(sim_wait_equal(scene->sim, 10 * SIM_S));
    scene->cluster = store_cluster_next(sim_ops_leader_store(&scene->ops), NULL)->id;
    for (unsigned i = 1; i <= n_nodes; i++) {
        ask_node(scene, i);
    }
    settle(scene);
    while ((node = store_node_next(sim_ops_store(&scene->ops, 0), node)) != NULL) {
        ask_device(scene, node->id, "/dev/sdb");
    }
    settle(scene);
    assert_int_equal(store_counts(sim_ops_store(&scene->ops, 0)).devices, n_nodes);
}

static bool scene_end(struct scene *scene)
{
    bool ok = scene->sim->failure[0] == '\0';

    sim_free(scene->sim);
    sim_ops_fini(&scene->ops);
    return ok;
}

/* ---- the leader dies before or after every step, effect and command ---- */

enum what {
    CREATE,
    DELETE,
    EXPAND,
    CLONE,
    NODE_ADD,
    NODE_DELETE,
    DEVICE_ADD,
    DEVICE_DELETE,
    DEVICE_RESYNC,
    DEVICE_FORGET,
    BLOCK_CREATE,
    BLOCK_CREATE_HOSTING,
    BLOCK_EXPAND,
    BLOCK_DELETE,
    EVICT,
    DEVICE_REMOVE,
    NODE_REMOVE,
    N_WHAT
};
static const char *const what_names[] = {
    "create",        "delete",        "expand",       "clone",
    "node add",      "node delete",   "device add",   "device delete",
    "device resync", "device forget", "block create", "block create with its hosting volume",
    "block expand",  "block delete",  "evict",        "device remove",
    "node remove",
};

static void ask_state(struct scene *scene, enum store_request_type type, struct id target, enum store_state state)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.state = state;
    assert_true(sim_ops_request(&scene->ops, &request));
}

static void offline_and_failed(struct scene *scene, struct id device)
{
    ask_state(scene, STORE_REQ_DEVICE_STATE, device, STORE_STATE_OFFLINE);
    assert_true(sim_wait_equal(scene->sim, 10 * SIM_S));
    ask_state(scene, STORE_REQ_DEVICE_STATE, device, STORE_STATE_FAILED);
    assert_true(sim_wait_equal(scene->sim, 10 * SIM_S));
}

static struct id some_brick(struct scene *scene)
{
    const struct store *store = sim_ops_leader_store(&scene->ops);
    const struct store_volume *volume = store != NULL ? store_volume(store, some_volume(scene)) : NULL;

    return volume != NULL ? volume->bricks[sim_random(scene->sim, volume->n_bricks)].id : ID_NONE;
}

/* Two volumes, and the device or the node of one of their bricks offline. */
static struct id to_remove(struct scene *scene, enum what what)
{
    const struct store *store;
    struct id target;

    ask_volume(scene, 3);
    ask_volume(scene, 3);
    settle(scene);
    store = sim_ops_store(&scene->ops, 0);
    target = store_brick(store, some_brick(scene))->device;
    if (what == NODE_REMOVE) {
        target = store_device(store, target)->node;
    }
    ask_state(scene, what == NODE_REMOVE ? STORE_REQ_NODE_STATE : STORE_REQ_DEVICE_STATE, target, STORE_STATE_OFFLINE);
    assert_true(sim_wait_equal(scene->sim, 10 * SIM_S));
    return target;
}

static struct id extra_device(struct scene *scene)
{
    const struct store *store = sim_ops_store(&scene->ops, 0);
    const struct store_device *device;
    struct id node = store_node_next(store, NULL)->id;

    ask_device(scene, node, "/dev/sdc");
    settle(scene);
    store = sim_ops_store(&scene->ops, 0);
    for (device = store_device_next(store, NULL); strcmp(device->name, "/dev/sdc") != 0;) {
        device = store_device_next(store, device);
    }
    return device->id;
}

static struct id extra_node(struct scene *scene)
{
    const struct store *store;
    const struct store_node *node;

    ask_node(scene, 9);
    settle(scene);
    store = sim_ops_store(&scene->ops, 0);
    for (node = store_node_next(store, NULL); node->zone != 9;) {
        node = store_node_next(store, node);
    }
    return node->id;
}

static void ask_what(struct scene *scene, enum what what)
{
    struct id target = ID_NONE;

    switch (what) {
    case CREATE:
        ask_volume(scene, 3);
        break;
    case DELETE:
        ask_target(scene, STORE_REQ_VOLUME_DELETE, some_volume(scene));
        break;
    case EXPAND:
        ask_expand(scene, some_volume(scene));
        break;
    case CLONE:
        ask_target(scene, STORE_REQ_VOLUME_CLONE, some_volume(scene));
        break;
    case NODE_ADD:
        ask_node(scene, 9);
        break;
    case NODE_DELETE:
        target = store_node_next(sim_ops_leader_store(&scene->ops), NULL)->id;
        ask_target(scene, STORE_REQ_NODE_DELETE, target);
        break;
    case DEVICE_ADD:
        ask_device(scene, store_node_next(sim_ops_leader_store(&scene->ops), NULL)->id, "/dev/sdc");
        break;
    case BLOCK_CREATE:
    case BLOCK_CREATE_HOSTING:
        ask_block(scene, 10);
        break;
    case BLOCK_EXPAND:
        ask_block_expand(scene, some_block(scene)->id, 15);
        break;
    case BLOCK_DELETE:
        ask_target(scene, STORE_REQ_BLOCK_DELETE, some_block(scene)->id);
        break;
    case EVICT:
        ask_target(scene, STORE_REQ_BRICK_EVICT, some_brick(scene));
        break;
    case DEVICE_RESYNC:
        target = store_device_next(sim_ops_leader_store(&scene->ops), NULL)->id;
        ask_target(scene, STORE_REQ_DEVICE_RESYNC, target);
        break;
    case DEVICE_DELETE:
    case DEVICE_FORGET:
    case DEVICE_REMOVE:
    case NODE_REMOVE:
    case N_WHAT:
        break;
    }
}

/* What the operation needs before it, and its target, for those that are told. */
static struct id prepare(struct scene *scene, enum what what)
{
    struct id target = ID_NONE;

    switch (what) {
    case DELETE:
    case EXPAND:
    case CLONE:
    case EVICT:
    case DEVICE_RESYNC:
        ask_volume(scene, 3);
        settle(scene);
        break;
    case BLOCK_CREATE:
    case BLOCK_EXPAND:
    case BLOCK_DELETE:
        ask_hosting(scene);
        settle(scene);
        if (what != BLOCK_CREATE) {
            ask_block(scene, 10);
            settle(scene);
        }
        break;
    case NODE_DELETE:
        target = extra_node(scene);
        break;
    case DEVICE_DELETE:
    case DEVICE_FORGET:
        target = extra_device(scene);
        offline_and_failed(scene, target);
        break;
    case DEVICE_REMOVE:
    case NODE_REMOVE:
        target = to_remove(scene, what);
        break;
    case CREATE:
    case BLOCK_CREATE_HOSTING:
    case NODE_ADD:
    case DEVICE_ADD:
    case N_WHAT:
        break;
    }
    return target;
}

static void ask(struct scene *scene, enum what what, struct id target)
{
    switch (what) {
    case NODE_DELETE:
    case DEVICE_DELETE:
        ask_target(scene, what == NODE_DELETE ? STORE_REQ_NODE_DELETE : STORE_REQ_DEVICE_DELETE, target);
        break;
    case DEVICE_FORGET:
        ask_forget(scene, target);
        break;
    case DEVICE_REMOVE:
    case NODE_REMOVE:
        ask_state(scene, what == NODE_REMOVE ? STORE_REQ_NODE_STATE : STORE_REQ_DEVICE_STATE, target,
                  STORE_STATE_FAILED);
        break;
    default:
        ask_what(scene, what);
        break;
    }
}

struct sick { /* a step that fails for good, perhaps with its effect */
    enum exec_step_kind kind;
    bool after;
    unsigned silences; /* instead: so many find no node */
};

/* Returns how many points the operation has when nobody dies (crash_point 0), or whether all went well otherwise. */
static uint64_t one_operation(uint64_t seed, enum what what, unsigned crashes, struct sick sick, uint64_t crash_point)
{
    struct sim_config config = {.seed = seed};
    struct scene scene;
    struct id target;
    uint64_t points;
    bool ok;

    scene_new(&scene, &config, what == EVICT || what == DEVICE_REMOVE || what == NODE_REMOVE ? 4 : 3);
    target = prepare(&scene, what);
    scene.ops.sick = sick.kind;
    scene.ops.sick_after = sick.after;
    scene.ops.silences = sick.silences;
    scene.ops.recovers = sick.silences > 0;
    scene.ops.points = 0;
    scene.ops.crash_point = crash_point;
    scene.ops.crashes_left = crashes > 1 ? crashes - 1 : 0;
    ask(&scene, what, target);
    sim_run(scene.sim, 6 * SIM_S); /* so that the dead one is back */
    settle(&scene);
    points = scene.ops.points;
    ok = scene.sim->failure[0] == '\0' && (crash_point == 0 || scene.ops.crashed);
    if (!scene_end(&scene) || !ok) {
        print_error("%s%s%s, crash at point %lu: seed %lu\n", what_names[what], sick.kind != 0 ? " without " : "",
                    sick.kind != 0 ? exec_step_name(sick.kind) : "", (unsigned long)crash_point, (unsigned long)seed);
        return 0;
    }
    return crash_point == 0 ? points : 1;
}

static uint64_t sweep(uint64_t seed, enum what what, unsigned crashes, struct sick sick)
{
    uint64_t points = one_operation(seed, what, 0, sick, 0);
    uint64_t well = 0;

    assert_true(points > 0);
    for (uint64_t at = 1; at <= points; at++) {
        well += one_operation(seed, what, crashes, sick, at);
    }
    assert_int_equal(well, points);
    return points;
}

/* What is undone, and what only seems to have failed. */
static const struct {
    enum what what;
    struct sick sick;
} undone[] = {
    {CREATE, {EXEC_BRICK_CREATE, false, 0}},       {EXPAND, {EXEC_BRICK_CREATE, false, 0}},
    {EXPAND, {EXEC_VOLUME_EXPAND, false, 0}},      {EXPAND, {EXEC_VOLUME_EXPAND, true, 0}},
    {CLONE, {EXEC_VOLUME_CLONE, false, 0}},        {CLONE, {EXEC_VOLUME_CLONE, true, 0}},
    {CLONE, {EXEC_CLONE_START, false, 0}},         {EVICT, {EXEC_BRICK_CREATE, false, 0}},
    {EVICT, {EXEC_BRICK_REPLACE, false, 0}},       {BLOCK_CREATE_HOSTING, {EXEC_BRICK_CREATE, false, 0}},
    {DEVICE_RESYNC, {EXEC_DEVICE_LOOK, false, 0}}, {DEVICE_FORGET, {EXEC_DEVICE_TEARDOWN, false, 2}},
};

static void sweep_all(unsigned crashes)
{
    uint64_t first = sim_seed(1);
    uint64_t all = 0;

    for (uint64_t seed = first; seed < first + 3; seed++) {
        for (int what = 0; what < N_WHAT; what++) {
            uint64_t points = sweep(seed, (enum what)what, crashes, (struct sick){.after = false});

            all += points;
            print_message("seed %lu, %s: %lu points\n", (unsigned long)seed, what_names[what], (unsigned long)points);
        }
        for (size_t i = 0; i < sizeof(undone) / sizeof(undone[0]); i++) {
            all += sweep(seed, undone[i].what, crashes, undone[i].sick);
        }
    }
    print_message("the leader died at each of %lu points\n", (unsigned long)all);
}

static void test_leader_dies_at_every_point(void **state)
{
    (void)state;
    sweep_all(1);
}

static void test_three_leaders_die(void **state)
{
    (void)state;
    sweep_all(3);
}

/* ---- random faults of members and nodes under load ---- */

static void random_block_request(struct scene *scene)
{
    const struct store_block_volume *block = some_block(scene);

    if (block == NULL || sim_random(scene->sim, 2) == 0) {
        ask_block(scene, 1 + (uint32_t)sim_random(scene->sim, 30));
    } else if (sim_random(scene->sim, 2) == 0) {
        ask_block_expand(scene, block->id, block->size_gib + 1 + (uint32_t)sim_random(scene->sim, 5));
    } else {
        ask_target(scene, STORE_REQ_BLOCK_DELETE, block->id);
    }
}

static void random_request(struct scene *scene)
{
    if (sim_random(scene->sim, 3) == 0) {
        random_block_request(scene);
        return;
    }
    switch (sim_random(scene->sim, 7)) {
    case 0:
    case 1:
        ask_target(scene, STORE_REQ_VOLUME_DELETE, some_volume(scene));
        break;
    case 2:
        ask_target(scene, STORE_REQ_VOLUME_CLONE, some_volume(scene));
        break;
    case 3:
        ask_expand(scene, some_volume(scene));
        break;
    case 4:
        ask_target(scene, STORE_REQ_BRICK_EVICT, some_brick(scene));
        break;
    default:
        ask_volume(scene, sim_random(scene->sim, 2) == 0 ? 3 : 2);
        break;
    }
}

static bool random_load(uint64_t seed, uint64_t *ret_accepted, uint64_t *ret_steps)
{
    struct sim_config config = {.seed = seed, .drift_ppm = 10000, .apply_max = (uint32_t)(seed % 4)};
    struct scene scene;
    bool ok;

    if (seed % 2 == 0) {
        config.snapshot_threshold = 60;
        config.trailing = 50;
    }
    scene_new(&scene, &config, 4);
    scene.ops.fail_percent = (unsigned)sim_random(scene.sim, 2) * 5;
    scene.ops.late_percent = (unsigned)sim_random(scene.sim, 2) * 10;
    for (int i = 0; i < 40 && scene.sim->failure[0] == '\0'; i++) {
        for (uint64_t n = sim_random(scene.sim, 4); n > 0; n--) {
            random_request(&scene);
        }
        sim_run(scene.sim, sim_between(scene.sim, 10 * SIM_MS, 400 * SIM_MS));
        sim_random_fault(scene.sim);
    }
    scene.ops.fail_percent = scene.ops.late_percent = 0;
    sim_heal(scene.sim);
    sim_run(scene.sim, 3 * SIM_S);
    settle(&scene);
    *ret_accepted += scene.ops.n_accepted;
    *ret_steps += scene.ops.steps;
    ok = scene_end(&scene);
    return ok;
}

static void test_random_load(void **state)
{
    uint64_t first = sim_seed(1);
    unsigned n = sim_seeds(20);
    unsigned failed = 0;
    uint64_t accepted = 0, steps = 0;

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        failed += !random_load(first + i, &accepted, &steps);
    }
    print_message("seeds %lu..%lu: %lu operations accepted, %lu steps on nodes\n", (unsigned long)first,
                  (unsigned long)(first + n - 1), (unsigned long)accepted, (unsigned long)steps);
    assert_int_equal(failed, 0);
    assert_true(accepted > n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leader_dies_at_every_point),
        cmocka_unit_test(test_three_leaders_die),
        cmocka_unit_test(test_random_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Whatever is asked while a node is dead: the ways out stay open. Users create and delete at random, what they ask for
 * stays unfinished, and what leaves bricks on the dead node leaves clean-ups there, until no place is left for what
 * they make. What they want gone still goes. Then all places are taken; the node is removed and forgotten all the
 * same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/level.h"
#include "tests/unit/store/world.h"

#define ROUNDS 3
#define STEPS 4000
#define NODES 6
#define VOLUMES 400

struct run {
    struct world world;
    struct id nodes[NODES], devices[NODES];
    size_t dead;
    size_t n_busy, n_left; /* refused; clean-ups */
};

/* The planner's environment has one user, the world: so the answer comes through this. */
static const struct run *current;

static bool down(void *user, struct id node)
{
    (void)user;
    return id_equal(node, current->nodes[current->dead]);
}

static void init(struct run *run, uint64_t seed)
{
    memset(run, 0, sizeof(*run));
    current = run;
    world_init(&run->world, seed);
    run->world.env.volumes_per_cluster_max = -1;
    (void)world_topology(&run->world, NODES, 100000 * GIB, run->nodes, run->devices);
    world_level(&run->world, STORE_LEVEL_PLACES);
    run->world.unchecked = true;
    for (size_t i = 0; i < VOLUMES; i++) {
        (void)world_volume(&run->world, 1, i % 5 == 0 ? 3 : 2, "");
    }
    run->dead = world_below(&run->world, NODES);
    run->world.env.node_down = down;
}

static struct id random_volume(struct run *run)
{
    const struct store_volume *volume = NULL;
    size_t skip = world_below(&run->world, store_counts(run->world.store).volumes);

    do {
        volume = store_volume_next(run->world.store, volume);
    } while (skip-- > 0);
    return volume->id;
}

static void ask(struct run *run, enum store_request_type type)
{
    struct store_request request;

    if (type == STORE_REQ_VOLUME_CREATE) {
        world_volume_request(&request, 1, 2, "");
    } else {
        store_request_init(&request, type);
        request.target = type == STORE_REQ_VOLUME_DELETE ? random_volume(run) : run->devices[(run->dead + 1) % NODES];
    }
    run->n_busy += world_request(&run->world, &request) == STORE_TOO_BUSY;
}

static bool on_dead(const struct run *run, const struct store_brick *brick)
{
    return id_equal(brick->device, run->devices[run->dead]);
}

/* Deletes and moves that are under way end; what is on the dead node is left. */
static void end_some(struct run *run, size_t n)
{
    const struct store *store = run->world.store;
    const struct store_operation *op = NULL, *next = store_operation_next(store, NULL);

    while ((op = next) != NULL && n > 0) {
        const struct store_volume *volume = store_operation_volume(store, op);
        struct id op_id = op->id;
        bool leaves = false;

        for (size_t i = 0; op->type == STORE_OP_DELETE_VOLUME && i < volume->n_bricks; i++) {
            leaves = leaves || on_dead(run, &volume->bricks[i]);
        }
        next = store_operation_next(store, op);
        if (op->type != STORE_OP_DELETE_VOLUME) {
            continue;
        }
        n--;
        assert_int_equal(leaves ? world_end_leaving(&run->world, op_id, world_id(&run->world))
                                : world_end(&run->world, op_id, NULL),
                         STORE_OK);
        run->n_left += leaves;
        next = n > 0 ? store_operation_next(store, NULL) : NULL;
    }
}

/* Moves a brick, as the engine does. */
static void move(struct run *run, struct id op_id)
{
    struct world *world = &run->world;
    struct store_cmd cmd;

    assert_int_equal(store_plan_again(world->store, op_id, &world->env, &cmd, &world->result), STORE_OK);
    assert_int_equal(world_apply(world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    store_cmd_init(&cmd, STORE_CMD_OP_MOVED);
    cmd.op_id = op_id;
    assert_int_equal(world_apply(world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_int_equal(world_end_leaving(world, op_id, world_id(world)), STORE_OK);
    run->n_left++;
}

/* All parts of a removal, one in another, until it has ended. */
static void remove_all(struct run *run, struct id op_id)
{
    struct world *world = &run->world;

    while (store_op_parts_left(world->store, op_id)) {
        struct store_cmd cmd;
        struct id part;
        enum store_op_type type;

        assert_int_equal(store_plan_part(world->store, op_id, &world->env, &cmd, &world->result), STORE_OK);
        part = cmd.op_id;
        type = cmd.op_type;
        assert_int_equal(world_apply(world, &cmd), STORE_OK);
        store_cmd_fini(&cmd);
        if (type == STORE_OP_EVICT_BRICK) {
            move(run, part);
        } else {
            remove_all(run, part);
        }
    }
    assert_int_equal(world_end(world, op_id, NULL), STORE_OK);
}

static enum store_code forget(struct run *run, enum store_request_type type, struct id target)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.force = true;
    return world_request(&run->world, &request);
}

/* Where nothing has a place any more, the dead node can be removed and forgotten nevertheless. */
static void remedy(struct run *run)
{
    struct world *world = &run->world;
    struct id node = run->nodes[run->dead], device = run->devices[run->dead];
    size_t before = store_counts(world->store).limited;
    struct id op_id;

    assert_int_equal(world_state(world, STORE_REQ_NODE_STATE, node, STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(world, STORE_REQ_NODE_STATE, node, STORE_STATE_FAILED), STORE_OK);
    remove_all(run, world->result.op_id);
    assert_int_equal(forget(run, STORE_REQ_DEVICE_DELETE, device), STORE_OK);
    assert_int_equal(world_end_leaving(world, world->result.op_id, world_id(world)), STORE_OK);
    assert_int_equal(store_counts(world->store).limited, before);
    assert_int_equal(forget(run, STORE_REQ_NODE_DELETE, node), STORE_OK);
    op_id = world->result.op_id;
    for (size_t n = 0; store_operation(world->store, op_id) != NULL; n++) { /* in parts, as the engine does */
        assert_true(n < 100);
        assert_int_equal(world_end(world, op_id, NULL), STORE_OK);
    }
    assert_null(store_node(world->store, node));
}

static void one_round(struct run *run, uint64_t seed)
{
    struct err err = ERR_INIT;
    struct id last;

    init(run, seed);
    last = world_volume(&run->world, 1, 2, "last");
    for (size_t i = 0; i < STEPS; i++) {
        switch (world_below(&run->world, 8)) {
        case 0:
        case 1:
            ask(run, STORE_REQ_VOLUME_DELETE);
            break;
        case 2:
            end_some(run, world_below(&run->world, 4));
            break;
        default:
            ask(run, STORE_REQ_VOLUME_CREATE);
            break;
        }
        assert_true(store_counts(run->world.store).limited <= STORE_OPERATIONS_MAX);
    }
    /* What users make has taken all that it may. */
    assert_true(run->n_busy > 0);
    while (world_create(&run->world, 1, 2, "") == STORE_OK) {
    }
    assert_int_equal(run->world.result.code, STORE_TOO_BUSY);
    end_some(run, SIZE_MAX);
    while (store_counts(run->world.store).limited < STORE_OPERATIONS_MAX - STORE_OPERATIONS_KEPT) {
        assert_int_equal(world_create(&run->world, 1, 2, ""), STORE_OK);
    }
    if (store_volume(run->world.store, last) != NULL) {
        assert_int_equal(world_target(&run->world, STORE_REQ_VOLUME_DELETE, last), STORE_OK);
        end_some(run, SIZE_MAX);
    }
    while (store_counts(run->world.store).limited < STORE_OPERATIONS_MAX) { /* those that may take them all */
        ask(run, STORE_REQ_DEVICE_RESYNC);
    }
    remedy(run);
    run->world.unchecked = false;
    assert_int_equal(store_check(run->world.store, &err), 0);
}

static void test_ways_out_stay_open(void **state)
{
    uint64_t seed = world_seed("ways_out_stay_open", 1);

    (void)state;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct run run;

        one_round(&run, seed * 100000 + i);
        printf("%zu refused, %zu clean-ups left\n", run.n_busy, run.n_left);
        world_fini(&run.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ways_out_stay_open)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

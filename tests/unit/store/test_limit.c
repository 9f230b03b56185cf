/* How many operations there may be: what waits for a dead node, and what users make, is in nobody's way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/level.h"
#include "tests/unit/store/world.h"

#define BUSY "Server busy. Retry operation later."
#define FOR_CREATES (STORE_OPERATIONS_MAX - STORE_OPERATIONS_KEPT)

static struct world world;
static struct id nodes[4], devices[4], kept_id;

static int setup(void **state)
{
    (void)state;
    world_init(&world, 5);
    world.env.volumes_per_cluster_max = -1;
    (void)world_topology(&world, 4, 100000 * GIB, nodes, devices);
    kept_id = world_volume(&world, 1, 2, "stays");
    world.unchecked = true; /* until the end: store_check takes as long as the state is large */
    return 0;
}

static int teardown(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(store_check(world.store, &err), 0);
    world_fini(&world);
    return 0;
}

/* A volume that comes and goes, and leaves its bricks to a clean-up. */
static void leave_bricks(void)
{
    struct id id = world_volume(&world, 1, 2, "");

    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, id), STORE_OK);
    assert_int_equal(world_end_leaving(&world, world.result.op_id, world_id(&world)), STORE_OK);
}

static void fill(size_t n)
{
    while (store_counts(world.store).limited < n) {
        assert_int_equal(world_create(&world, 1, 2, ""), STORE_OK);
    }
}

static enum store_code expand(struct id volume)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = volume;
    request.volume.size_gib = 1;
    return world_request(&world, &request);
}

static enum store_code clone_volume(struct id volume)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_VOLUME_CLONE);
    request.target = volume;
    return world_request(&world, &request);
}

static enum store_code forget(enum store_request_type type, struct id target)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.force = true;
    return world_request(&world, &request);
}

static void fail_device(struct id device)
{
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_FAILED), STORE_OK);
    if (store_operation(world.store, world.result.op_id) != NULL) { /* no brick of a volume is on it */
        assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    }
}

/* One that has no brick of the volume that stays. */
static size_t spare_node(void)
{
    const struct store_volume *volume = store_volume(world.store, kept_id);
    size_t i = 0;

    while (id_equal(volume->bricks[0].device, devices[i]) || id_equal(volume->bricks[1].device, devices[i])) {
        i++;
    }
    return i;
}

/* ---- bytes ---- */

#define OPTIONS 500

static enum store_code create_wordy(void)
{
    struct store_request request;

    world_volume_request(&request, 1, 2, "");
    for (size_t i = 0; i < OPTIONS; i++) {
        CLEANUP(free_ptr) char *option = mem_printf("user.k%zu %0110d", i, 0);

        store_strs_add(&request.volume.options, option);
    }
    return world_request(&world, &request);
}

/* Volumes of many options fill the bytes that there are for what is being made, long before the places. */
static void test_bytes(void **state)
{
    enum store_code code;
    size_t n = 0;
    struct id first = ID_NONE;

    (void)state;
    while ((code = create_wordy()) == STORE_OK) {
        first = n++ == 0 ? world.result.op_id : first;
        assert_true(store_counts(world.store).made_bytes <= STORE_MADE_BYTES_MAX + OPTIONS * 8);
    }
    assert_int_equal(code, STORE_TOO_BUSY);
    assert_non_null(strstr(world.result.text, BUSY " (The volumes that are being made have"));
    assert_true(n > 200 && n < FOR_CREATES / 2);
    assert_int_equal(world_create(&world, 1, 2, ""), STORE_OK); /* others still find room */
    assert_int_equal(expand(kept_id), STORE_OK);
    assert_int_equal(world_end(&world, first, NULL), STORE_OK);
    assert_int_equal(create_wordy(), STORE_OK);
    assert_int_equal(create_wordy(), STORE_TOO_BUSY);
}

/* At level 1 everything counts, as in the releases that know no other: logs of theirs replay alike. */
static void test_level_1(void **state)
{
    (void)state;
    while (store_counts(world.store).operations < STORE_OPERATIONS_MAX) {
        leave_bricks();
    }
    assert_refused(world_create(&world, 1, 2, ""), STORE_TOO_BUSY, BUSY);
    assert_refused(world_target(&world, STORE_REQ_VOLUME_DELETE, kept_id), STORE_TOO_BUSY, BUSY);
    world_level(&world, STORE_LEVEL_PLACES);
    assert_int_equal(world_create(&world, 1, 2, ""), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, kept_id), STORE_OK);
}

/* More clean-ups than there are places: everything goes on. */
static void test_clean_ups_take_no_place(void **state)
{
    size_t at = spare_node();

    (void)state;
    world_level(&world, STORE_LEVEL_PLACES);
    while (store_counts(world.store).operations < STORE_OPERATIONS_MAX + 100) {
        leave_bricks();
    }
    assert_int_equal(store_counts(world.store).limited, 0);
    fail_device(devices[at]);
    assert_int_equal(forget(STORE_REQ_DEVICE_DELETE, devices[at]), STORE_OK);
    assert_int_equal(world_end_leaving(&world, world.result.op_id, world_id(&world)), STORE_OK);
    assert_int_equal(forget(STORE_REQ_NODE_DELETE, nodes[at]), STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    assert_int_equal(expand(kept_id), STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    assert_int_equal(clone_volume(kept_id), STORE_OK);
    assert_int_equal(world_create(&world, 1, 2, ""), STORE_OK);
}

/* What users make cannot take the last places. */
static void test_places_are_kept_for_deletes(void **state)
{
    struct id others[STORE_OPERATIONS_KEPT];
    CLEANUP(free_ptr) char *text = NULL;

    (void)state;
    world_level(&world, STORE_LEVEL_PLACES);
    for (size_t i = 0; i < STORE_OPERATIONS_KEPT; i++) {
        others[i] = world_volume(&world, 1, 2, "");
    }
    fill(FOR_CREATES);
    text = mem_printf(BUSY " (%d operations of at most %d are under way.)", FOR_CREATES, FOR_CREATES);
    assert_refused(world_create(&world, 1, 2, ""), STORE_TOO_BUSY, text);
    assert_refused(expand(kept_id), STORE_TOO_BUSY, text);
    assert_refused(clone_volume(kept_id), STORE_TOO_BUSY, text);
    assert_refused(world_create_block(&world, 1, ""), STORE_TOO_BUSY, text);
    for (size_t i = 0; i < STORE_OPERATIONS_KEPT; i++) {
        assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, others[i]), STORE_OK);
    }
    free(TAKE_PTR(text));
    text = mem_printf(BUSY " (%d operations of at most %d are under way.)", STORE_OPERATIONS_MAX, STORE_OPERATIONS_MAX);
    assert_refused(world_target(&world, STORE_REQ_VOLUME_DELETE, kept_id), STORE_TOO_BUSY, text);
}

/* No number of other operations is in the way of removing and forgetting. */
static void test_ways_out(void **state)
{
    size_t at = spare_node(), other = at == 0 ? 1 : 0;
    struct id op_id, others[STORE_OPERATIONS_KEPT];

    (void)state;
    world_level(&world, STORE_LEVEL_PLACES);
    for (size_t i = 0; i < STORE_OPERATIONS_KEPT; i++) {
        others[i] = world_volume(&world, 1, 2, "");
    }
    for (size_t i = 0; i < 4; i++) { /* what is made from now on is elsewhere */
        assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, nodes[i],
                                     i == at || i == other ? STORE_STATE_OFFLINE : STORE_STATE_ONLINE),
                         STORE_OK);
    }
    fill(FOR_CREATES);
    for (size_t i = 0; i < STORE_OPERATIONS_KEPT; i++) {
        assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, others[i]), STORE_OK);
    }
    assert_int_equal(store_counts(world.store).limited, STORE_OPERATIONS_MAX);
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, nodes[at], STORE_STATE_FAILED), STORE_OK);
    op_id = world.result.op_id;
    while (store_op_parts_left(world.store, op_id)) { /* its only device, whose bricks the deletes hold */
        struct store_cmd cmd;
        enum store_code code = store_plan_part(world.store, op_id, &world.env, &cmd, &world.result);

        assert_int_not_equal(code, STORE_TOO_BUSY);
        if (code != STORE_OK) {
            break;
        }
        op_id = cmd.op_id;
        assert_int_equal(world_apply(&world, &cmd), STORE_OK);
        store_cmd_fini(&cmd);
    }
    assert_int_equal(world.result.code, STORE_IN_USE);
    assert_int_equal(store_operation(world.store, op_id)->type, STORE_OP_REMOVE_DEVICE);
    assert_int_equal(store_counts(world.store).limited, STORE_OPERATIONS_MAX);
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, nodes[other], STORE_STATE_ONLINE), STORE_OK);
}

/* The text names what is in the way. */
static void test_waiting_is_said(void **state)
{
    struct store_cmd cmd;

    (void)state;
    world_level(&world, STORE_LEVEL_PLACES);
    assert_int_equal(world_create(&world, 1, 2, ""), STORE_OK);
    store_cmd_init(&cmd, STORE_CMD_OP_PARKED);
    cmd.op_id = world.result.op_id;
    cmd.n_parked = 1;
    cmd.parked = mem_calloc(1, sizeof(*cmd.parked));
    cmd.parked[0] = (struct store_parked){nodes[0], mem_strdup("volume-delete: no answer")};
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    assert_int_equal(store_counts(world.store).waiting, 1);
    fill(FOR_CREATES);
    assert_refused(world_create(&world, 1, 2, ""), STORE_TOO_BUSY,
                   BUSY " (900 operations of at most 900 are under way, 1 of them wait for storage nodes; GET "
                        "/cluster/status says what for. Nodes and devices can be removed nevertheless.)");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_bytes),    T(test_level_1),        T(test_clean_ups_take_no_place), T(test_places_are_kept_for_deletes),
        T(test_ways_out), T(test_waiting_is_said)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

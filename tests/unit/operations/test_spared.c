/* A node that is known to be silent is looked at now and then: what waits for it does not try it in vain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/operations/driver_priv.h"
#include "store/base/mem.h"
#include "tests/unit/operations/fixture.h"

#define VOLUMES 200

static const struct exec_result silent = {.code = E_CONNECT, .message = "no route"};

static struct id volumes[VOLUMES];

/* On four nodes, the first of which then falls silent. */
static void setup(struct fixture *f)
{
    fixture_init(f, 4);
    fixture_lead(f);
    f->world.unchecked = true; /* after each command that would take long */
    for (int i = 0; i < VOLUMES; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("v%d", i);

        volumes[i] = fixture_create(f, name, 3);
    }
    fixture_until(f, fixture_no_operations);
    fixture_order(f, "[{\"host\":\"%s\",\"code\":\"connect\"}]", 0);
    assert_int_equal(f->n_silent, 0);
}

static size_t volumes_on(const struct fixture *f, struct id device)
{
    const struct store_volume *volume = NULL;
    size_t n = 0;

    while ((volume = store_volume_next(f->world.store, volume)) != NULL) {
        for (size_t i = 0; i < volume->n_bricks; i++) {
            n += id_equal(volume->bricks[i].device, device);
        }
    }
    return n;
}

static bool only_parked_left(struct fixture *f)
{
    const struct store_operation *op = NULL;

    while ((op = store_operation_next(f->world.store, op)) != NULL) {
        if (op->type != STORE_OP_CLEAN_BRICKS || op->n_parked != 1) {
            return false;
        }
    }
    return true;
}

static void delete_all(struct fixture *f)
{
    for (int i = 0; i < VOLUMES; i++) {
        (void)fixture_delete(f, volumes[i]);
    }
    fixture_until(f, only_parked_left);
    assert_int_equal(store_counts(f->world.store).volumes, 0);
}

static void come_back(struct fixture *f)
{
    fixture_order(f, "[]", 0);
    fixture_until(f, fixture_no_operations);
    fixture_expect_clean(f);
}

/* Deletes end, their clean-ups wait, through a change of the leader too; when the node is back they are done. */
static void test_known(void **state)
{
    struct fixture f;
    size_t n;

    (void)state;
    setup(&f);
    n = volumes_on(&f, f.devices[0]);
    assert_in_range(n, VOLUMES / 2, VOLUMES);
    nodes_note(f.driver, f.nodes[0], &silent);
    delete_all(&f);
    assert_int_equal(store_counts(f.world.store).operations, n);
    assert_int_equal(f.n_silent, 0);
    op_driver_stop(f.driver);
    fixture_lead(&f);
    fixture_idle(&f, 1500);
    assert_int_equal(store_counts(f.world.store).operations, n);
    assert_int_equal(f.n_silent, 0);
    come_back(&f);
    fixture_fini(&f);
}

/* It is found silent by the first ones: those that wait for their turn there do not take it. */
static void test_found(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    delete_all(&f);
    assert_in_range(f.n_silent, 1, SCHEDULE_NODE_LIMIT);
    come_back(&f);
    fixture_fini(&f);
}

/* It answers, and its glusterd does not run: that keeps no brick from being destroyed. */
static void test_answers_again(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    nodes_note(f.driver, f.nodes[0], &silent);
    delete_all(&f);
    fixture_order(&f, "[{\"host\":\"%s\",\"step\":\"glusterd-check\",\"fail\":\"it does not run\"}]", 0);
    fixture_until(&f, fixture_no_operations);
    assert_true(op_driver_node_down(f.driver, f.nodes[0]));
    assert_int_equal(f.n_silent, 0);
    fixture_expect_clean(&f);
    fixture_fini(&f);
}

/* ---- a node that never comes back ---- */

static void request(struct fixture *f, enum store_request_type type, struct id target, bool forget)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.force = forget;
    assert_int_equal(world_request(&f->world, &request), STORE_OK);
    op_driver_begun(f->driver, f->world.result.op_id);
}

static bool is_removed(struct fixture *f)
{
    return store_node(f->world.store, f->nodes[0])->state == STORE_STATE_FAILED && only_parked_left(f);
}

static bool is_forgotten(struct fixture *f)
{
    const struct store_device *device = store_device(f->world.store, f->devices[0]);
    const struct store_operation *op = device != NULL ? store_operation(f->world.store, device->pending) : NULL;

    return op != NULL && op->type == STORE_OP_CLEAN_DEVICE;
}

static bool is_gone(struct fixture *f)
{
    return store_node(f->world.store, f->nodes[0]) == NULL && fixture_no_operations(f);
}

/* The remedy that is printed for it, in its order: disable, remove, forget its device, forget it. */
static void test_remedy(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    world_level(&f.world, 2);
    nodes_note(f.driver, f.nodes[0], &silent);
    (void)fixture_delete(&f, volumes[0]);
    assert_int_equal(world_state(&f.world, STORE_REQ_NODE_STATE, f.nodes[0], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&f.world, STORE_REQ_NODE_STATE, f.nodes[0], STORE_STATE_FAILED), STORE_OK);
    op_driver_begun(f.driver, f.world.result.op_id);
    fixture_until(&f, is_removed);
    assert_int_equal(volumes_on(&f, f.devices[0]), 0);
    request(&f, STORE_REQ_DEVICE_DELETE, f.devices[0], true);
    fixture_until(&f, is_forgotten);
    request(&f, STORE_REQ_NODE_DELETE, f.nodes[0], true);
    fixture_until(&f, is_gone);
    assert_int_equal(f.n_silent, 0);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_answers_again),
        cmocka_unit_test(test_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

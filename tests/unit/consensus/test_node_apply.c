/* How much is applied in one turn of the loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "consensus/node_priv.h"

#define ENTRY_NS UINT64_C(2000000)
#define MOST 3 /* begun within 5 ms, each takes 2 */

static struct cons cons;
static uint64_t applied;

static const void *apply(void *user, uint64_t index, const void *data, size_t len)
{
    uint64_t end_ns = uv_hrtime() + ENTRY_NS;

    (void)user;
    (void)data;
    (void)len;
    while (uv_hrtime() < end_ns) {
    }
    applied = index;
    return &applied;
}

static void input(uv_idle_t *idle)
{
    uint64_t before = applied;

    while (node_may_apply(idle->data)) {
        node_apply(idle->data, applied + 1, 1, NULL, 0);
    }
    assert_in_range(applied - before, 1, MOST);
    before = applied;
    assert_false(node_may_apply(idle->data)); /* further inputs of this turn apply nothing */
    assert_int_equal(applied, before);
}

static void test_slices(void **state)
{
    uv_loop_t loop;
    uv_idle_t idle;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    memset(&cons, 0, sizeof(cons));
    cons.fsm.apply = apply;
    assert_int_equal(uv_prepare_init(&loop, &cons.applying), 0);
    cons.applying.data = &cons;
    node_apply_start(&cons);
    assert_int_equal(uv_idle_init(&loop, &idle), 0);
    idle.data = &cons;
    assert_int_equal(uv_idle_start(&idle, input), 0);
    for (int i = 0; i < 10; i++) {
        uint64_t before = applied;

        (void)uv_run(&loop, UV_RUN_NOWAIT);
        assert_true(applied > before); /* the next turn goes on */
    }
    uv_close((uv_handle_t *)&idle, NULL);
    uv_close((uv_handle_t *)&cons.applying, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slices)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is shown of an operation that waits: whether its node is silent, or answers and says no, or "not now". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/operations/fixture.h"

static struct id volume_id, op_id;

struct seen {
    enum op_trouble trouble;
    char step[32], host[64], words[256];
};

static void see(void *user, const struct op_step_view *view)
{
    struct seen *seen = user;

    if (view->trouble != OP_TROUBLE_NONE) {
        seen->trouble = view->trouble;
        (void)snprintf(seen->step, sizeof(seen->step), "%s", view->step);
        (void)snprintf(seen->host, sizeof(seen->host), "%s", view->host);
        (void)snprintf(seen->words, sizeof(seen->words), "%s", view->last_error);
    }
}

static bool is_parked(struct fixture *f)
{
    return store_operation(f->world.store, op_id)->n_parked > 0;
}

static enum op_trouble expected;

/* Nodes are looked at now and then. */
static bool is_seen(struct fixture *f)
{
    struct seen seen = {.trouble = OP_TROUBLE_NONE};

    (void)op_driver_visit(f->driver, op_id, SIZE_MAX, see, &seen);
    return seen.trouble == expected;
}

static void test_troubles(void **state)
{
    static const struct {
        const char *orders;
        enum op_trouble trouble;
    } cases[] = {
        {"[{\"step\":\"volume-delete\",\"code\":\"connect\"},{\"step\":\"glusterd-check\",\"code\":\"connect\"}]",
         OP_TROUBLE_SILENT},
        {"[{\"step\":\"volume-delete\",\"code\":\"connect\"}]", OP_TROUBLE_BUSY}, /* looks are answered */
        {"[{\"step\":\"volume-delete\",\"code\":\"timeout\"}]", OP_TROUBLE_BUSY},
        {"[{\"step\":\"volume-delete\",\"code\":\"busy\"}]", OP_TROUBLE_BUSY},
        {"[{\"step\":\"brick-destroy\",\"code\":\"busy\"}]", OP_TROUBLE_BUSY},
        {"[{\"step\":\"brick-destroy\",\"fail\":\"not this one\"}]", OP_TROUBLE_REFUSED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen = {.trouble = OP_TROUBLE_NONE};
        struct fixture f;

        fixture_init(&f, 3);
        fixture_lead(&f);
        volume_id = fixture_create(&f, "v", 2);
        fixture_until(&f, fixture_no_operations);
        fixture_order(&f, cases[i].orders, 0);
        (void)fixture_delete(&f, volume_id);
        op_id = f.world.result.op_id;
        fixture_until(&f, is_parked);
        expected = cases[i].trouble;
        fixture_until(&f, is_seen);
        (void)op_driver_visit(f.driver, op_id, SIZE_MAX, see, &seen);
        assert_int_equal(seen.trouble, cases[i].trouble);
        assert_non_null(strstr(cases[i].orders, seen.step));
        assert_true(*seen.host != '\0' && *seen.words != '\0');
        fixture_order(&f, "[]", 0);
        fixture_until(&f, fixture_no_operations);
        fixture_fini(&f);
    }
}

struct shown {
    char states[4][16];
    size_t n;
};

static void show(void *user, const struct op_step_view *view)
{
    struct shown *shown = user;

    assert_true(shown->n < 4);
    (void)snprintf(shown->states[shown->n++], sizeof(shown->states[0]), "%s", view->state);
}

static bool one_retries(struct fixture *f)
{
    struct shown shown = {.n = 0};

    (void)op_driver_visit(f->driver, op_id, 1, show, &shown);
    return shown.n == 1 && strcmp(shown.states[0], "retrying") == 0;
}

/* Where not all are shown, those that tell something come first: whichever brick it is that waits for its turn. */
static void test_some(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct shown shown = {.n = 0};
        struct fixture f;

        fixture_init(&f, 3);
        fixture_lead(&f);
        fixture_order(&f, "[{\"step\":\"brick-create\",\"host\":\"%s\",\"hang\":true}]", i);
        (void)fixture_create(&f, "first", 3);
        while (fixture_steps(&f, "running") == 0) {
            (void)uv_run(&f.loop, UV_RUN_ONCE);
        }
        fixture_order(&f, "[{\"step\":\"brick-create\",\"host\":\"%s\",\"code\":\"busy\"}]", (i + 1) % 3);
        (void)fixture_create(&f, "second", 3);
        op_id = f.world.result.op_id;
        fixture_until(&f, one_retries);
        assert_true(op_driver_visit(f.driver, op_id, 3, show, &shown) > 3);
        assert_int_equal(shown.n, 3);
        assert_string_equal(shown.states[0], "retrying");
        assert_string_equal(shown.states[1], "waiting");
        fixture_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_troubles),
        cmocka_unit_test(test_some),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

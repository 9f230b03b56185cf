/* What anybody may ask for costs a small share of the loop's time, however often it is asked for, and is never old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/server_priv.h"
#include "tests/unit/api/fixture.h"

#define MS UINT64_C(1000000)

static uint64_t now_ns, takes_ns;

static uint64_t clock_ns(void)
{
    return now_ns;
}

static void making(void)
{
    now_ns += takes_ns;
}

static int setup(void **state)
{
    static struct fixture f;

    fixture_init(&f, false);
    fixture_start(&f, 0);
    fixture_lead(&f, 0);
    f.members[0].making = making;
    f.members[0].server->clock_ns = clock_ns;
    now_ns = 3600 * 1000 * MS;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini(*state);
    return 0;
}

/* After so long, in another turn of the loop. */
static void ask(struct fixture *f, const char *path, uint64_t after_ns)
{
    uint64_t turn_ms = uv_now(&f->loop);
    struct answer answer;

    while (uv_now(&f->loop) == turn_ms) {
        fixture_run_once(f);
    }
    now_ns += after_ns;
    answer = client_do(f, 0, "GET", path, "", NULL);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
}

static const struct {
    const char *path;
    size_t counter;
} texts[] = {
    {"/cluster/status", offsetof(struct fixture_member, n_status)},
    {"/metrics", offsetof(struct fixture_member, n_metrics)},
};

static unsigned *made(struct fixture *f, size_t text)
{
    return (unsigned *)(void *)((char *)&f->members[0] + texts[text].counter);
}

/* Asked for now and then, it is new each time. */
static void test_seldom(void **state)
{
    struct fixture *f = *state;

    for (size_t text = 0; text < 2; text++) {
        takes_ns = 2 * MS;
        for (unsigned i = 1; i <= 20; i++) {
            ask(f, texts[text].path, 200 * MS);
            assert_int_equal(*made(f, text), i);
        }
    }
}

/* Again and again: once it has cost what there was for it, it is made as often as its share allows. */
static void test_often(void **state)
{
    struct fixture *f = *state;

    for (size_t text = 0; text < 2; text++) {
        uint64_t begin_ns = now_ns;

        takes_ns = 5 * MS;
        for (int i = 0; i < 200; i++) {
            ask(f, texts[text].path, 5 * MS);
        }
        assert_true(now_ns - begin_ns >= 1000 * MS);
        assert_true(*made(f, text) > 3);
        assert_true(*made(f, text) * takes_ns <= (now_ns - begin_ns) / 50 + 15 * MS);
    }
}

/* However long it took, it is shown for a second at most. */
static void test_long(void **state)
{
    struct fixture *f = *state;

    takes_ns = 700 * MS;
    for (unsigned i = 1; i <= 3; i++) {
        ask(f, "/cluster/status", 1001 * MS);
        assert_int_equal(f->members[0].n_status, i);
        ask(f, "/cluster/status", 500 * MS);
        assert_int_equal(f->members[0].n_status, i);
    }
}

/* Who leads and serves is never told as it was. */
static void test_changes(void **state)
{
    struct fixture *f = *state;

    takes_ns = 100 * MS;
    ask(f, "/cluster/status", 0);
    ask(f, "/cluster/status", MS);
    assert_int_equal(f->members[0].n_status, 1);
    f->members[0].serving = false; /* the lease has run out, and nobody has said so */
    ask(f, "/cluster/status", MS);
    assert_int_equal(f->members[0].n_status, 2);
    ask(f, "/cluster/status", MS);
    assert_int_equal(f->members[0].n_status, 2);
    api_server_changed(f->members[0].server);
    ask(f, "/cluster/status", MS);
    assert_int_equal(f->members[0].n_status, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_seldom), T(test_often), T(test_long), T(test_changes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

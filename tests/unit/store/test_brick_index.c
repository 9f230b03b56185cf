/* Bricks by their ids, against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/store_priv.h"
#include "tests/unit/store/world.h"

#define N 20000

static struct store_brick bricks[N];
static struct brick_entry entries[N];
static bool added[N];
static struct brick_index idx;

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *seed >> 33;
}

static void expect_all(size_t n)
{
    size_t n_added = 0;

    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(brick_index_find(&idx, bricks[i].id), added[i] ? &entries[i] : NULL);
        n_added += added[i];
    }
    assert_int_equal(brick_index_count(&idx), n_added);
}

/* n bricks whose ids differ in few bits only, or in all. */
static void run(uint64_t seed, size_t n, bool random)
{
    memset(bricks, 0, sizeof(bricks));
    memset(added, 0, sizeof(added));
    for (size_t i = 0; i < n; i++) {
        uint64_t number = random ? next_random(&seed) << 32 ^ next_random(&seed) : 0;

        memcpy(bricks[i].id.bytes, &number, sizeof(number));
        memcpy(bricks[i].id.bytes + 12, &(uint32_t){(uint32_t)i + 1}, 4);
        entries[i].rec = &bricks[i];
    }
    for (size_t i = 0; i < 6 * n; i++) {
        size_t at = next_random(&seed) % n;

        if (added[at] && next_random(&seed) % 2 == 0) {
            brick_index_remove(&idx, &entries[at]);
            added[at] = false;
        } else {
            assert_int_equal(brick_index_add(&idx, &entries[at]), !added[at]);
            added[at] = true;
        }
        if (i % n == 0) {
            expect_all(n);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (added[i]) {
            brick_index_remove(&idx, &entries[i]);
            added[i] = false;
        }
    }
    expect_all(n);
}

static void test_against_a_list(void **state)
{
    uint64_t seed = world_seed("brick_index", 3);

    (void)state;
    run(seed, 1, true);
    run(seed, 50, true);
    run(seed, 3000, false);
    run(seed, N, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_a_list)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

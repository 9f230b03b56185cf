/* What 10,000 volumes of three bricks cost: memory is asserted, times are only printed. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VOLUMES 1000
#define MEASURED 0 /* the sanitizer's allocator does not say */
#else
#define VOLUMES 10000
#define MEASURED 1
#endif
#define BUDGET_BYTES (40u << 20) /* of 64 MiB for the whole member */

static double now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void test_memory(void **state)
{
    struct world world;
    struct store_snapshot *snapshot;
    struct store *copy = NULL;
    struct buf buf = BUF_INIT;
    size_t before = mallinfo2().uordblks, used;
    double start = now_ms(), tenth = 0, last = 0, take, encode, decode;
    struct err err = ERR_INIT;

    (void)state;
    world_init(&world, world_seed("store_memory", 9));
    world.unchecked = true;
    world.env.volumes_per_cluster_max = -1;
    (void)world_topology(&world, 9, 40000 * GIB, NULL, NULL);
    for (int i = 0; i < VOLUMES; i++) {
        double from = now_ms();

        (void)world_volume(&world, 1, 3, "");
        tenth += i < VOLUMES / 10 ? now_ms() - from : 0;
        last += i >= VOLUMES - VOLUMES / 10 ? now_ms() - from : 0;
    }
    used = mallinfo2().uordblks - before;
    printf("%d volumes, %zu bricks, %zu jobs: %.1f MiB, %zu bytes a volume; plan, create and end: %.1f us, the last "
           "tenth %.2f x the first\n",
           VOLUMES, store_counts(world.store).bricks, store_counts(world.store).jobs, (double)used / 1048576,
           used / VOLUMES, (now_ms() - start) * 1000 / VOLUMES, last / tenth);
    if (MEASURED) {
        assert_true(used > VOLUMES * 500); /* really measured */
        assert_true(used < BUDGET_BYTES);
    }
    start = now_ms();
    snapshot = store_snapshot_take(world.store);
    take = now_ms() - start;
    start = now_ms();
    store_snapshot_encode(snapshot, &buf);
    encode = now_ms() - start;
    store_snapshot_free(snapshot);
    start = now_ms();
    if (store_snapshot_decode(buf.data, buf.len, &copy, &err) != 0) {
        fail_msg("%s", err.message);
    }
    decode = now_ms() - start;
    printf("snapshot of %.1f MB: take %.2f ms, encode %.1f ms, decode and check %.1f ms\n", (double)buf.len / 1e6, take,
           encode, decode);
    assert_true(digests_equal(copy, world.store));
    store_free(copy);
    buf_fini(&buf);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

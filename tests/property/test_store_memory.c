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
#ifdef __SANITIZE_ADDRESS__
#define PEAKS 1 /* but it tells of every block */
/* Of <sanitizer/allocator_interface.h>, which is not everywhere. NOLINTBEGIN(bugprone-reserved-identifier,cert-*) */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *block);
/* NOLINTEND(bugprone-reserved-identifier,cert-*) */
#else
#define PEAKS 0
#endif
#define CHECK_BYTES (64u << 10)  /* while a snapshot is checked, whatever is in it */
#define BUDGET_BYTES (24u << 20) /* of 64 MiB for the whole member */
#define VIEW_BYTES 64            /* of a brick, while a view is made */
#define BESIDE_BYTES 2048        /* of a volume, besides its records as they are in a snapshot */

static double now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

#if PEAKS
static size_t held_bytes, peak_bytes;

static void on_malloc(const volatile void *block, size_t size)
{
    held_bytes += block != NULL ? size : 0;
    peak_bytes = held_bytes > peak_bytes ? held_bytes : peak_bytes;
}

static void on_free(const volatile void *block)
{
    held_bytes -= block != NULL ? __sanitizer_get_allocated_size(block) : 0;
}

static void watch(void)
{
    static bool installed;

    if (!installed) {
        assert_true(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
        installed = true;
    }
    held_bytes = peak_bytes = (size_t)1 << 40; /* what is from before may be freed */
}

static void assert_peak(void)
{
    size_t peak = peak_bytes - ((size_t)1 << 40), left = held_bytes - ((size_t)1 << 40);

    printf("check: %zu bytes at most, %zu left\n", peak, left);
    assert_true(peak > 0 && peak < CHECK_BYTES);
    assert_int_equal(left, 0);
}
#else
static size_t held_before;

static void watch(void)
{
    held_before = mallinfo2().uordblks;
}

static void assert_peak(void)
{
    assert_true(!MEASURED || mallinfo2().uordblks <= held_before);
}
#endif

/* Each member does that with each of its own snapshots, beside its state. */
static void check_snapshot(const struct buf *buf)
{
    struct err err = ERR_INIT;
    uint64_t applied;
    int rc;

    watch();
    rc = store_snapshot_check(buf->data, buf->len, &applied, &err);
    assert_peak();
    if (rc != 0) {
        fail_msg("%s", err.message);
    }
}

/* Dumps and audits read one, beside the leader's state. */
static void measure_view(const struct store_snapshot *snapshot, size_t n_bricks)
{
    struct store_view *view = NULL;
    struct err err = ERR_INIT;

    watch();
    assert_int_equal(store_view_new(snapshot, &view, &err), 0);
#if PEAKS
    printf("view: %zu bytes a brick at most\n", (peak_bytes - ((size_t)1 << 40)) / n_bricks);
    assert_true(peak_bytes - ((size_t)1 << 40) < VIEW_BYTES * n_bricks);
#endif
    assert_int_equal(store_view_bricks(view), n_bricks);
    store_view_free(view);
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
    assert_true(!MEASURED || used - buf.len < (size_t)VOLUMES * BESIDE_BYTES);
    encode = now_ms() - start;
    measure_view(snapshot, store_counts(world.store).bricks);
    store_snapshot_free(snapshot);
    check_snapshot(&buf);
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

/* Who takes nothing is told from who takes a lot at a time, as clients of this kernel were seen to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/deaf.h"

#define LOOK_MS 100
#define BEGIN_MS 1000000

struct step {
    uint64_t quiet_ms, bytes; /* it takes nothing for so long, and then so much */
};

/* Looked at all the time; false: it was taken for deaf. */
static bool hears(struct api_deaf *deaf, uint64_t *now_ms, uint64_t *taken, const struct step *step)
{
    uint64_t end_ms = *now_ms + step->quiet_ms;
    bool was_deaf = false;

    for (; *now_ms < end_ms; *now_ms += LOOK_MS) {
        api_deaf_look(deaf, *now_ms, *taken, true);
        was_deaf = was_deaf || api_deaf_is(deaf, API_DEAF_MS);
    }
    *taken += step->bytes;
    api_deaf_look(deaf, *now_ms, *taken, true);
    return !was_deaf && !api_deaf_is(deaf, API_DEAF_MS);
}

static struct api_deaf begin(uint64_t taken)
{
    struct api_deaf deaf = {0};

    api_deaf_look(&deaf, BEGIN_MS, taken, true);
    return deaf;
}

static void takes_nothing(void **state)
{
    struct api_deaf deaf = begin(4000000);

    (void)state;
    api_deaf_look(&deaf, BEGIN_MS + API_DEAF_MS - 1, 4000000, true);
    assert_false(api_deaf_is(&deaf, API_DEAF_MS));
    api_deaf_look(&deaf, BEGIN_MS + API_DEAF_MS, 4000000, true);
    assert_true(api_deaf_is(&deaf, API_DEAF_MS));
    api_deaf_look(&deaf, BEGIN_MS + API_DEAF_MS + 1, 4000001, true); /* a byte */
    assert_false(api_deaf_is(&deaf, API_DEAF_MS));
}

/* What fills the client's buffer comes in one go, however large the buffer is: it is no sign of somebody who reads. */
static void a_large_buffer_is_no_step(void **state)
{
    struct api_deaf deaf = begin(0);
    uint64_t now_ms = BEGIN_MS;

    (void)state;
    for (uint64_t i = 1; i <= 100; i++) {
        now_ms += LOOK_MS;
        api_deaf_look(&deaf, now_ms, i * 100000, true);
    }
    for (unsigned i = 0; i < API_DEAF_MS / LOOK_MS; i++) {
        assert_false(api_deaf_is(&deaf, API_DEAF_MS));
        now_ms += LOOK_MS;
        api_deaf_look(&deaf, now_ms, 10000000, true);
    }
    assert_true(api_deaf_is(&deaf, API_DEAF_MS));
}

/* Nothing waits for it: it has taken all. */
static void has_nothing_to_take(void **state)
{
    struct api_deaf deaf = begin(100);

    (void)state;
    api_deaf_look(&deaf, BEGIN_MS + 100, 100, false);
    api_deaf_look(&deaf, BEGIN_MS + 100000, 100, false);
    assert_false(api_deaf_is(&deaf, API_DEAF_MS));
    api_deaf_look(&deaf, BEGIN_MS + 100000, 100, true); /* the next answer */
    assert_false(api_deaf_is(&deaf, API_DEAF_MS));
}

/* Programs that read 64 KiB each second, with pauses below a second: what their kernels acknowledged, as it was
 * measured on loopback and between network namespaces, with receive buffers of several sizes. */
static void steady_readers(void **state)
{
    static const struct step readers[][8] = {
        {{1700, 124928}, {900, 63488}, {2000, 124928}, {900, 63488}, {2000, 124928}},
        {{700, 67584}, {2000, 95232}, {1500, 95232}, {1500, 95232}, {1500, 95232}},
        {{1500, 238592}, {1000, 64512}, {4000, 233464}, {4000, 235280}, {800, 67208}, {1500, 81920}, {4000, 235808}},
        {{700, 763800}, {3000, 268288}, {800, 88064}, {1500, 67208}, {4500, 285904}},
        {{1000, 66344}, {1000, 65504}, {1000, 65504}, {5000, 319420}, {1800, 135574}, {4500, 314556}},
        {{1700, 135222}, {5800, 390935}, {1800, 135030}, {1800, 131814}, {5800, 389655}, {4800, 278940}},
        {{1000, 4301648}, {5900, 411440}, {6000, 373760}, {8000, 510216}, {8000, 523264}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
        uint64_t now_ms = BEGIN_MS, taken = 1000000;
        struct api_deaf deaf = begin(taken);

        for (size_t j = 0; j < 8 && readers[i][j].bytes > 0; j++) {
            if (!hears(&deaf, &now_ms, &taken, &readers[i][j])) {
                fail_msg("reader %zu is taken for deaf before its step %zu", i, j);
            }
        }
    }
}

/* A slow link: little, but all the time. */
static void a_slow_link(void **state)
{
    struct api_deaf deaf = begin(0);
    uint64_t now_ms = BEGIN_MS, taken = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        const struct step step = {LOOK_MS * (1 + i % 10), 1448};

        assert_true(hears(&deaf, &now_ms, &taken, &step));
    }
}

/* Who has taken steps and stops is found out as well. */
static void stops(void **state)
{
    static const struct step step = {1500, 95232};
    struct api_deaf deaf = begin(0);
    uint64_t now_ms = BEGIN_MS, taken = 0;

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_true(hears(&deaf, &now_ms, &taken, &step));
    }
    api_deaf_look(&deaf, now_ms + API_DEAF_MS, taken, true);
    assert_false(api_deaf_is(&deaf, API_DEAF_MS));
    api_deaf_look(&deaf, now_ms + API_DEAF_MS + 8000, taken, true);
    assert_true(api_deaf_is(&deaf, API_DEAF_MS));
}

/* A loop that was late has not seen a client wait: a buffer that filled up meanwhile is no step. */
static void the_loop_was_late(void **state)
{
    struct api_deaf deaf = begin(0);

    (void)state;
    api_deaf_look(&deaf, BEGIN_MS + 2000, 6000000, true);
    api_deaf_look(&deaf, BEGIN_MS + 2000 + API_DEAF_MS, 6000000, true);
    assert_true(api_deaf_is(&deaf, API_DEAF_MS));
}

/* Bytes are counted before TLS makes more of them: with each that is written what was taken seems to fall. */
static void counted_before_tls(void **state)
{
    struct api_deaf deaf = begin(100000);

    (void)state;
    for (uint64_t i = 1; i <= API_DEAF_MS / LOOK_MS; i++) {
        assert_false(api_deaf_is(&deaf, API_DEAF_MS));
        api_deaf_look(&deaf, BEGIN_MS + i * LOOK_MS, 100000 - i * 29, true);
    }
    assert_true(api_deaf_is(&deaf, API_DEAF_MS));
    api_deaf_look(&deaf, BEGIN_MS + 2 * API_DEAF_MS, 99800, true);
    assert_false(api_deaf_is(&deaf, API_DEAF_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_nothing),       cmocka_unit_test(a_large_buffer_is_no_step),
        cmocka_unit_test(has_nothing_to_take), cmocka_unit_test(steady_readers),
        cmocka_unit_test(a_slow_link),         cmocka_unit_test(stops),
        cmocka_unit_test(the_loop_was_late),   cmocka_unit_test(counted_before_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Whose socket to the leader has the next turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/forward_priv.h"

#define SOURCES 3
#define SOCKETS 40

static struct api_source sources[SOURCES];
static struct api_conn conns[SOCKETS];
static struct api_request requests[SOCKETS];
static struct api_forward forwards[SOCKETS];
static struct api_forward_watch watches[SOCKETS];
static struct api_forwarder forwarder;

static int setup(void **state)
{
    (void)state;
    memset(sources, 0, sizeof(sources));
    memset(&forwarder, 0, sizeof(forwarder));
    TAILQ_INIT(&forwarder.ready);
    for (size_t i = 0; i < SOCKETS; i++) {
        forwards[i].request = &requests[i];
        requests[i].conn = &conns[i];
        watches[i].forward = &forwards[i];
    }
    return 0;
}

static void is_ready(size_t socket, size_t source)
{
    conns[socket].source = &sources[source];
    TAILQ_INSERT_TAIL(&forwarder.ready, &watches[socket], link);
}

static size_t next(void)
{
    struct api_forward_watch *watch = api_forward_ready(&forwarder);

    assert_non_null(watch);
    TAILQ_REMOVE(&forwarder.ready, watch, link);
    return (size_t)(watch - watches);
}

/* One source has many sockets, which were all ready before that of another one. */
static void test_sources_take_turns(void **state)
{
    (void)state;
    assert_null(api_forward_ready(&forwarder));
    for (size_t i = 0; i < SOCKETS - 3; i++) {
        is_ready(i, 0);
    }
    assert_int_equal(next(), 0);
    is_ready(SOCKETS - 3, 1);
    is_ready(SOCKETS - 2, 1);
    is_ready(SOCKETS - 1, 2);
    assert_int_equal(next(), SOCKETS - 3);
    assert_int_equal(next(), SOCKETS - 1);
    assert_int_equal(next(), 1); /* of each source the one that has waited longest */
    assert_int_equal(next(), SOCKETS - 2);
    for (size_t i = 2; i < SOCKETS - 3; i++) {
        assert_int_equal(next(), i);
        if (i == 10) { /* who comes back has no turns left over from before */
            is_ready(SOCKETS - 2, 1);
            is_ready(SOCKETS - 3, 1);
            assert_int_equal(next(), SOCKETS - 2);
            assert_int_equal(next(), i + 1);
            assert_int_equal(next(), SOCKETS - 3);
            i++;
        }
    }
    assert_null(api_forward_ready(&forwarder));
}

/* Whose request has gone, or who never had one, is tidied up at once. */
static void test_of_nobody(void **state)
{
    (void)state;
    is_ready(0, 0);
    is_ready(1, 1);
    is_ready(2, 0);
    assert_int_equal(next(), 0);
    is_ready(3, 1);
    watches[2].forward = NULL;
    forwards[3].request = NULL;
    sources[1].served = forwarder.served;
    assert_int_equal(next(), 2);
    assert_int_equal(next(), 3);
    assert_int_equal(next(), 1);
    assert_null(api_forward_ready(&forwarder));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sources_take_turns, setup),
        cmocka_unit_test_setup(test_of_nobody, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

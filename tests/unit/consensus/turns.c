#include "tests/unit/consensus/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define DEADLINE_MS 30000

uv_loop_t turns_loop;
static uv_timer_t deadline;
static bool late;

bool turns_init(void)
{
    return uv_loop_init(&turns_loop) == 0 && uv_timer_init(&turns_loop, &deadline) == 0;
}

static void timed_out(uv_timer_t *timer)
{
    (void)timer;
    late = true;
}

void turns_until(const char *what, bool (*condition)(void))
{
    late = false;
    assert_int_equal(uv_timer_start(&deadline, timed_out, DEADLINE_MS, 0), 0);
    while (!condition()) {
        if (late) {
            fail_msg("not within %d ms: %s", DEADLINE_MS, what);
        }
        (void)uv_run(&turns_loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&deadline);
}

void turns_free_address(char *ret_address, size_t size)
{
    uv_tcp_t probe; /* bound to port 0 and looked at */
    struct sockaddr_in in;
    int len = sizeof(in);

    assert_int_equal(uv_tcp_init(&turns_loop, &probe), 0);
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &in), 0);
    assert_int_equal(uv_tcp_bind(&probe, (struct sockaddr *)&in, 0), 0);
    assert_int_equal(uv_tcp_getsockname(&probe, (struct sockaddr *)&in, &len), 0);
    (void)snprintf(ret_address, size, "127.0.0.1:%d", ntohs(in.sin_port));
    uv_close((uv_handle_t *)&probe, NULL);
    (void)uv_run(&turns_loop, UV_RUN_NOWAIT);
}

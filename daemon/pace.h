/* The time that goes into commands. Queue ids and request keys are forgotten by it, so it must not jump, whatever the
 * wall clocks of leaders do: it begins at the newest time in the store, never goes back, and follows the wall clock at
 * half to twice the speed of the clock that nobody can set (CLOCK_BOOTTIME). What is kept for two hours of it is kept
 * for an hour at least. Pure. */
#ifndef HECATE_DAEMON_PACE_H
#define HECATE_DAEMON_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace { /* zero: not begun */
    bool begun;
    int64_t time_ms, boot_ms;
};

/* newest_ms: the newest time in the store, 0 when there is none (then the wall clock is believed); looked at only when
 * the pace begins. Between two calls boot_ms does not go back. */
int64_t pace_ms(struct pace *pace, int64_t newest_ms, int64_t wall_ms, int64_t boot_ms);

#endif

/* Tells the service manager what the daemon does (sd_notify(3): a datagram to the socket in NOTIFY_SOCKET), and feeds
 * its watchdog while the loop turns. */
#ifndef HECATE_DAEMON_NOTIFY_H
#define HECATE_DAEMON_NOTIFY_H

#include <stdint.h>
#include <uv.h>

/* state, e.g. "READY=1\nSTATUS=..."; does nothing when nobody asked for notifications. */
void notify_state(const char *state);

/* How often the watchdog that the environment asks for (WATCHDOG_USEC, WATCHDOG_PID) is to be fed, in milliseconds:
 * half its time. 0: nobody asked, or it was meant for another process. */
uint64_t notify_watchdog_ms(void);
/* Feeds it from a timer of the loop, so that a loop that hangs is noticed. The timer is initialised in any case, and
 * the caller closes it. */
void notify_watchdog_start(uv_loop_t *loop, uv_timer_t *timer);

#endif

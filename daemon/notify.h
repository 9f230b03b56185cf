/* Tells the service manager what the daemon does (sd_notify(3): a datagram to the socket in NOTIFY_SOCKET). */
#ifndef HECATE_DAEMON_NOTIFY_H
#define HECATE_DAEMON_NOTIFY_H

/* state, e.g. "READY=1\nSTATUS=..."; does nothing when nobody asked for notifications. */
void notify_state(const char *state);

#endif

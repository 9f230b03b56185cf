/* The keeper of the virtual addresses: a small process of its own, so that they go when this daemon hangs, stops or
 * dies.
 *
 * It is forked before the daemon drops its capabilities and keeps CAP_NET_ADMIN and CAP_NET_RAW alone. It is told
 * lease deadlines and removes the addresses at release, when a deadline passes without a newer one, and when the pipe
 * closes; should the whole host freeze, the kernel's lifetime of an address ends it (hold.h). What a former process
 * left is removed at its start.
 */
#ifndef HECATE_DAEMON_KEEPER_KEEPER_H
#define HECATE_DAEMON_KEEPER_KEEPER_H

#include <stdbool.h>
#include <uv.h>

#include "store/base/err.h"

struct keeper;

#define KEEPER_ADDRESSES_MAX 8
#define KEEPER_SILENT_MS 1000
#define KEEPER_END_MS 1250       /* silent for so long while it is to hold the addresses: it is ended */
#define KEEPER_END_IDLE_MS 10000 /* otherwise, where more patience costs nothing */

struct keeper_events {
    void *user;
    /* The addresses are held, or no longer: what the kernel has done, not what was asked for. While they are held it is
     * confirmed every 250 ms. */
    void (*held)(void *user, bool held);
    /* Nothing was heard of the keeper for KEEPER_SILENT_MS: where the addresses are is not known. Once; held(true)
     * follows if it wakes up. */
    void (*silent)(void *user);
    /* The answer to keeper_lend, when the addresses are here. */
    void (*lent)(void *user);
    /* Another host speaks for an address (text names both), or an address cannot be added. Repeated while it goes on,
     * at most once a second. */
    void (*trouble)(void *user, const char *text);
    /* The keeper has died, or was silent and has been ended: the addresses are going by their lifetime, and the daemon
     * must not serve on. It cannot be started again, since the daemon has no capabilities any more. */
    void (*died)(void *user, bool was_silent);
};

/* Is this the text of a virtual address? E_INVALID says what was expected. */
int keeper_check(const char *address, struct err *reterr);
/* Forks the keeper. To be called before there are threads and before capabilities are dropped. Texts as in
 * address_parse. E_INVALID; E_IO, also when a capability is missing. */
int keeper_start(const char *const *addresses, size_t n, struct keeper **ret_keeper, struct err *reterr);
/* Joins the loop; events are borrowed until the keeper is closed. */
void keeper_attach(struct keeper *keeper, uv_loop_t *loop, const struct keeper_events *events);
/* The lease is in force until then (microseconds of CLOCK_BOOTTIME): takes the addresses, or keeps them. */
void keeper_hold(struct keeper *keeper, uint64_t deadline_us);
/* Leadership is being handed over: they stay until then at the latest, but are not spoken for any more. lent follows,
 * or held(false) when they are not here. At most KEEPER_LEND_MAX_US from now: the kernel ends them then anyway. */
#define KEEPER_LEND_MAX_US UINT64_C(700000)
void keeper_lend(struct keeper *keeper, uint64_t until_us);
/* Gives them up at once; held(false) follows. */
void keeper_release(struct keeper *keeper);
/* Ends the process, which removes the addresses first. closed_cb from the loop. */
void keeper_close(struct keeper *keeper, void (*closed_cb)(void *user), void *user);

#endif

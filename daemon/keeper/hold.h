/* When an address is added, refreshed, announced and removed. Pure: messages and the time come in, actions go out.
 *
 *              hold(deadline)                 hold(later): the deadline moves
 *   AWAY ----------------------> HELD ------------------------------------------+
 *     ^   ADD, ANNOUNCE, PROBE   | ^  REFRESH every 250 ms, ANNOUNCE, PROBE      |
 *     |                     lend | | hold: the hand-over has failed              |
 *     |                          v |                                             |
 *     |                          LENT  not announced, not refreshed              |
 *     |                            |                                             |
 *     +---- release, or the deadline has passed, or the pipe has closed: REMOVE -+
 *           unless it was lent, SEVER comes first
 *
 * LENT: leadership is being handed over. The host no longer leads, but what has arrived there is still forwarded and
 * answered from the address, until the successor has taken it or a short deadline has passed.
 *
 * Times: microseconds of CLOCK_BOOTTIME. The address lives in the kernel for HOLD_LIFETIME_S after its last refresh,
 * whatever becomes of this process: that is the last line of defence when process and host freeze together.
 */
#ifndef HECATE_DAEMON_KEEPER_HOLD_H
#define HECATE_DAEMON_KEEPER_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#define HOLD_LIFETIME_S 1
#define HOLD_REFRESH_US 250000
/* The holder before us may have frozen: its kernel keeps the address for so long, and answers for it. */
#define HOLD_TAKEOVER_US 1100000
#define HOLD_TAKEOVER_EVERY_US 100000
/* Afterwards: once more for switches that were slow, then now and then for caches that forgot. */
#define HOLD_SETTLE_US 5000000
#define HOLD_REMIND_US 60000000
/* Somebody else who has the address without a word is asked for: when it is taken, which waits for no answer, once the
 * lifetime of the holder before us is over, and from then on now and then. */
#define HOLD_PROBE_FIRST_US 1300000
#define HOLD_PROBE_US 3000000

enum hold_action {
    HOLD_WAIT, /* nothing before *ret_wake_us (UINT64_MAX: until a message comes) */
    HOLD_ADD,  /* add the address (it may be there already) with the full lifetime */
    HOLD_REFRESH,
    HOLD_ANNOUNCE,
    HOLD_PROBE,  /* ask who else has the address */
    HOLD_SEVER,  /* reset the connections to it: nothing planned has ended them */
    HOLD_REMOVE, /* remove it (it may be gone already) and say so */
};

struct hold {
    bool held;
    bool let_go; /* by release */
    bool lent;
    bool severed; /* as it is about to be removed */
    uint64_t deadline_us, lent_until_us, taken_us;
    uint64_t refresh_us, announce_us, probe_us; /* due */
};

/* The lease is in force until the deadline. Deadlines only grow; one that has passed takes nothing. */
void hold_lease(struct hold *hold, uint64_t deadline_us, uint64_t now_us);
/* The lease has ended, but the address stays until then at the latest, without a word; one that is not held does not
 * come. */
void hold_lend(struct hold *hold, uint64_t until_us);
/* Gives the address up now, whatever the deadline. */
void hold_release(struct hold *hold);
/* The holder before us may still have the address and answer for it: no conflict. */
bool hold_taking_over(const struct hold *hold, uint64_t now_us);
/* The next thing to do; repeat until HOLD_WAIT. Afterwards counted as done. */
enum hold_action hold_next(struct hold *hold, uint64_t now_us, uint64_t *ret_wake_us);

#endif

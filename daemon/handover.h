/* Handing leadership over as planned, so that no request fails.
 *
 *   NONE -> DRAINING   connections are told to end, no step is started any more; what runs may finish
 *        -> ORDERED    the lease is given up; the addresses stay here, lent (keeper.h), and what arrives is kept for
 * the successor; consensus gives the order
 *        -> TAKEN      the successor leads and has taken the addresses; what came before is forwarded and answered
 *        -> NONE       the addresses are let go
 * A hand-over that fails ends where it began: this member leads on.
 */
#ifndef HECATE_DAEMON_HANDOVER_H
#define HECATE_DAEMON_HANDOVER_H

#include <uv.h>

struct member;

/* leader: who leads now; 0: it has failed, text says why. */
typedef void (*handover_cb)(void *user, uint64_t leader, const char *text);

enum handover_state { HANDOVER_NONE, HANDOVER_DRAINING, HANDOVER_ORDERED, HANDOVER_TAKEN };

struct handover {
    enum handover_state state;
    uint64_t target;            /* 0: the most advanced */
    uint64_t deadline_ms;       /* of the state; loop time, as the others */
    uint64_t begin_ms;          /* of the first try */
    uint64_t lent_ms, taken_ms; /* the addresses are lent until then; since when the successor has them */
    uint64_t holder;            /* who has told that it holds the addresses since the order; 0 nobody */
    uv_timer_t timer;
    handover_cb cb; /* told when the successor leads, or that it has failed */
    void *user;
};

void handover_init(struct member *member);
/* cb exactly once, possibly before this returns; NULL: nobody. */
void handover_start(struct member *member, uint64_t target, handover_cb cb, void *user);
/* Another member holds the addresses. */
void handover_told(struct member *member, uint64_t member_id);

#endif

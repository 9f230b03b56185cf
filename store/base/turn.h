/* What runs in the turns of the event loop, and for how long.
 *
 * Nothing may hold the loop: while it is busy, no lease is renewed and nobody is answered. Each callback of the loop
 * says at its top what it is:
 *
 *     TURN("ssh session");
 *
 * and the time until it returns counts for that kind of work, without the time of kinds that began inside it. What runs
 * the loop (daemon/turns.c) ends each turn: then the kinds get what they took of it, and the turn is named by the one
 * that took most. Calls on other threads than the one that called turn_start count nothing.
 */
#ifndef HECATE_STORE_BASE_TURN_H
#define HECATE_STORE_BASE_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TURN_KINDS_MAX 192 /* further ones count as the last, "other" */

struct turn_kind {
    const char *name;
    uint64_t n_turns;         /* in which it ran */
    uint64_t total_ns;        /* of all of them */
    uint64_t longest_ns;      /* its own share of one turn */
    uint64_t longest_turn_ns; /* a whole turn that is named by it */
    uint64_t this_turn_ns;    /* so far */
    bool ran;                 /* in this turn */
};

/* The kind of that name, which must live for ever. Never NULL. */
struct turn_kind *turn_kind(const char *name);
/* All kinds, in the order in which they were first used. */
const struct turn_kind *turn_kinds(size_t *ret_n);

/* This thread runs the loop; now_ns is a clock that never goes back. */
void turn_start(uint64_t (*now_ns)(void));
/* Counts for kind from now on, until the matching turn_leave. */
void turn_enter(struct turn_kind *kind);
void turn_leave(void);
/* The turn is over; it was busy for busy_ns. Returns what took most of it; "loop": the time between kinds. */
const struct turn_kind *turn_end(uint64_t busy_ns);

static inline void turn_left(struct turn_kind **kind)
{
    (void)kind; /* only there to call this at the end of its scope */
    turn_leave();
}

/* To the end of the scope it counts as work of this kind. One in a scope. */
#define TURN(kind_name)                     \
    static struct turn_kind *turn_known_;   \
    if (turn_known_ == NULL) {              \
        turn_known_ = turn_kind(kind_name); \
    }                                       \
    TURN_OF(turn_known_)
/* The same for a kind that was looked up before. */
#define TURN_OF(kind)                                                                     \
    __attribute__((cleanup(turn_left), unused)) struct turn_kind *turn_running_ = (kind); \
    turn_enter(turn_running_)

#endif

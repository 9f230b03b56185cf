/* How long a storage node has been silent, and whether its Gluster pool may not have noticed. Pure.
 *
 * Gluster commands of the pool wait until Gluster knows that a node is down. One that answers now and then, be it by a
 * bad connection or on purpose, must not make them wait without end: it counts from the first of its falls, and it has
 * to be well for a good while before another one is a first. That while is twice as long each time, until it has been
 * well for two days.
 */
#ifndef HECATE_DAEMON_OPERATIONS_SILENCE_H
#define HECATE_DAEMON_OPERATIONS_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Within this time Gluster has noticed, too, that a node is down: by probes after 10 s, nine every 2 s. */
#define SILENCE_UNNOTICED_MS 60000
#define SILENCE_WELL_MS UINT64_C(600000) /* without a fall in so long, the next one is a first; doubles */
#define SILENCE_DOUBLINGS 7              /* at most: 21 hours */
#define SILENCE_LONG_WELL_MS UINT64_C(172800000)

struct silence { /* all zero: has never been silent */
    bool silent;
    uint64_t fell_ms; /* clock + 1 of the first fall since it was well; 0: never */
    uint64_t last_ms; /* clock when it was known to be silent last */
    unsigned doublings;
};

/* An answer, or none, from the node. */
void silence_note(struct silence *silence, bool silent, uint64_t now_ms);
/* It is silent, and fell so lately that Gluster may not know it. */
bool silence_is_unnoticed(const struct silence *silence, uint64_t now_ms);

#endif

/* Leaving out one part of the core, to show that it is needed.
 *
 * Only programs in tests/simulation are built with CORE_TESTING, from their own objects (tests/simulation/rules.mk); in
 * the library that the daemon links, CORE_SKIP is the constant false and nothing is left of it.
 */
#ifndef HECATE_CONSENSUS_CORE_TEST_H
#define HECATE_CONSENSUS_CORE_TEST_H

#include <stdbool.h>

enum core_part {
    PART_BARRIER = 1,            /* the 13 rules of docs/architecture.md by their numbers */
    PART_PRE_VOTE_TERM = 2,      /* a refused pre-vote tells the newer term */
    PART_CANDIDATE = 3,          /* the next try begins with a pre-vote; results only for candidates */
    PART_ANCHOR = 4,             /* entries are anchored at the commit index */
    PART_REJECTIONS = 5,         /* late rejections are dropped, answers to old terms made well-defined */
    PART_CONFIGURATION = 6,      /* pieces, and the three fields corrected */
    PART_CHANGE_GUARD = 7,       /* when members may be changed */
    PART_TWO_VOTERS = 8,         /* never below two voters */
    PART_CHANGE_ALONE = 9,       /* a change is submitted alone */
    PART_TIMEOUT_PACE = 10,      /* no timeout before its time */
    PART_TRANSFER_WAITS = 11,    /* transfer only to a member that has everything */
    PART_SNAPSHOT_ONCE = 12,     /* one incoming snapshot, one transfer per member */
    PART_ASSERTIONS = 13,        /* what is checked after each step */
    PART_MARGIN = 14,            /* lease shortened for drift */
    PART_ECHO_NUMBER = 15,       /* acknowledgements count by their number, not by their arrival */
    PART_PROMISE = 17,           /* a follower that promised does not vote */
    PART_START_PROMISE = 18,     /* nor one that has just started */
    PART_OWN_PROMISE = 19,       /* nor an ex-leader */
    PART_TRANSFER_GIVES_UP = 20, /* transfer gives up the lease first, late orders are refused */
    PART_HOLD_FRAMES = 21,       /* frames wait for term and vote to be durable */
    PART_CUT_COMPLETIONS = 22,   /* completions of entries cut meanwhile do not count */
    PART_FORMING = 23,           /* an empty member stays out of a formed cluster */
    PART_SNAPSHOT_RESTART = 24,  /* a snapshot transfer without progress begins anew */
    PART_INSTALL_APPLY = 25,     /* nothing is applied during an install */
    PART_EARLY_CANCEL = 26,      /* a closed connection of a leader that lives is forgotten */
    PART_ADMISSION = 27,         /* an empty member takes part only if it never did before */
    PART_RESIGN = 28,            /* a leader that hears no majority ends its connections when it gives up */
    PART_SILENCE = 30,           /* members take turns when the leader falls silent */
    PART_LOSS = 29,              /* a member whose log ends before what it has acknowledged ends itself */
    PART_SPEAKERS = 33,          /* only members of the configuration are believed */
    PART_INTRODUCED = 31,        /* who the members are is believed from members only */
    PART_JOINING = 32,           /* who was admitted has no say before its log has reached that */
    PART_SECOND_WORD = 36,       /* what a leader says of us must be borne out by another member */
    PART_APPLY_SLICES = 34,      /* not everything that is committed is applied at once */
    PART_PAST_LEADER = 35,       /* the leader of an older term is no reason to refuse a vote */
    PART_SUCCESSION = 37,        /* a configuration that comes differs from the one before it in one member */
    PART_CLAIMS = 38,            /* nobody leads in a later term while we have promised to elect nobody else */
    PART_ONE_LEADER = 39,        /* nobody leads in a term in which another one does */
    PART_HAND_OVER = 40,         /* that a leader hands over is believed of itself alone */
    PART_ANSWERS = 41,           /* who was in a leader's term since its lease began names no later one */
    PART_LATER_TERMS = 42,       /* a later term that one member alone names is not believed again and again */
    PART_FAR_TERMS = 43,         /* a term that is far away is approached */
    PART_LEASE_LOST = 44,        /* who has lost its lease for long gives up for any later term */
    PART_MOVES = 45,             /* one member moves our term seldom, not as often as elections fit */
    PART_GIVE_BACK = 46,         /* a move that led to a leader costs nothing */
    PART_JUMP = 47,              /* a snapshot's configuration is ours, one change away, or told by two */
    PART_LARGE_SNAPSHOT = 51,    /* one that is large, next to our own, is taken of whom a second member follows */
    PART_FOLLOWED = 50,          /* who leads has our vote, or a second member follows it */
    PART_FAR_SNAPSHOT = 49,      /* no snapshot is further ahead than a member can have missed */
    PART_SNAPSHOT_HEAD = 52,     /* a snapshot is judged by its beginning before more of it is taken */
    PART_SNAPSHOT_PAUSE = 53,    /* who has sent one that was refused waits before the next */
    PART_JOINED_BY_TWO = 48,     /* a newcomer's log counts when two members tell the configuration it has reached */
};

extern unsigned long core_test_skipped; /* bit set of enum core_part; defined in tests/simulation */

#ifdef CORE_TESTING
#define CORE_SKIP(part) ((core_test_skipped >> (part)&1UL) != 0)
#else
#define CORE_SKIP(part) false
#endif

#endif

/* May a brick be replaced, has it healed? Heketi's rules (heketi-storage.md 9.2) on what `volume heal info` says. Pure.
 * A brick that is named more than once counts once, with the worst that is said of it. */
#ifndef HECATE_DAEMON_EXECUTOR_HEAL_H
#define HECATE_DAEMON_EXECUTOR_HEAL_H

#include "daemon/executor/executor.h"

#define HEAL_UNKNOWN UINT64_MAX /* entries: "-" */

struct heal_brick {   /* one record of heal info; one whose name is not to be had is left out */
    const char *name; /* host:path */
    uint64_t entries; /* to be healed from it, or HEAL_UNKNOWN */
    bool connected;
};

/* Is step->old_brick free to go? 0, or else the result has E_REMOTE with Heketi's text, permanent: returns E_BUSY if
 * that may pass by itself (others are healing from it), or E_REMOTE. */
int heal_check(const struct exec_step *step, const struct heal_brick *bricks, size_t n, struct exec_result *ret_result);
/* Has the set of step->new_brick nothing left to heal, and is enough of it there to know? The new brick has to be
 * connected, and bricks that it healed from: one with data (no arbiter) of a replicated set, as many as data is spread
 * over of a dispersed one. Without them "nothing is left" says only that nobody is there to have it. 0, or E_REMOTE
 * with what is left, or which brick is missed and what to do. */
int heal_done(const struct exec_step *step, const struct heal_brick *bricks, size_t n, struct exec_result *ret_result);

#endif

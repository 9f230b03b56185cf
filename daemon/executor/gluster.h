/* Gluster commands as remote calls of a step: what is asked, and what an answer means. Pure. */
#ifndef HECATE_DAEMON_EXECUTOR_GLUSTER_H
#define HECATE_DAEMON_EXECUTOR_GLUSTER_H

#include "daemon/executor/gluster_xml.h"
#include "daemon/executor/step.h"

enum gluster_meaning {
    GLUSTER_DONE,
    GLUSTER_ABSENT, /* there is no such volume, snapshot or peer */
    GLUSTER_THERE,  /* it exists already, or is already as asked */
    GLUSTER_BUSY,   /* another command holds a lock; or Gluster gave up waiting */
    GLUSTER_REFUSED,
};

enum gluster_flag {
    GLUSTER_SYNC =
        1, /* what Gluster has written before is made durable first (asked for with the last look of a step) */
    GLUSTER_WAIT = 2, /* half a second passes first, before any lock is taken */
};

#define GLUSTER_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The next remote call of the step: `gluster WORD... --xml`. Every word goes through step_word. */
void gluster_ask(struct step_talk *talk, step_heard_fn heard, unsigned flags, const char *const *words);

/* Did Gluster answer at all? If not (the script failed before it, no glusterd, time ran out, the output was cut), the
 * step is ended. */
bool gluster_answered(struct step_talk *talk, const struct step_reply *reply);
/* The answer was not what a reader expected: ends the step. */
void gluster_garbage(struct step_talk *talk, const struct step_reply *reply, const struct err *err);
enum gluster_meaning gluster_meaning(const struct gluster_op *op);
/* Ends the step with what Gluster said: E_BUSY or E_REMOTE. */
void gluster_refused(struct step_talk *talk, const struct gluster_op *op);

/* The whole of it for a command of which only the outcome matters: true if it was done or, when its bit is set in
 * accepted (1 << GLUSTER_ABSENT), is not needed; else the step is ended. */
bool gluster_heard(struct step_talk *talk, const struct step_reply *reply, unsigned accepted);
/* The same for `volume info NAME`: GLUSTER_DONE fills ret_volumes with exactly one volume (the caller frees it),
 * GLUSTER_ABSENT; anything else has ended the step. */
enum gluster_meaning gluster_heard_volume(struct step_talk *talk, const struct step_reply *reply,
                                          struct gluster_volumes *ret_volumes);

#endif

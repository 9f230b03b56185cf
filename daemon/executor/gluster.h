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
    GLUSTER_APART,  /* a node is not connected to another one: as when one has just come back */
    GLUSTER_MARKED, /* a brick has the mark of a volume already */
    GLUSTER_REFUSED,
};

enum gluster_flag {
    GLUSTER_SYNC =
        1, /* what Gluster has written before is made durable first (asked for with the last look of a step) */
    GLUSTER_WAIT = 2, /* half a second passes first, before any lock is taken */
};

#define GLUSTER_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The next remote call of the step: `gluster WORD... --xml`. Every word goes through step_word. A command that changes
 * a volume, or takes a snapshot of it, is begun only if the volume of that name is the one that gluster_pin was called
 * with: the script compares Gluster's id of it. E_BUSY otherwise, since whoever repeats the step looks again. */
void gluster_ask(struct step_talk *talk, step_heard_fn heard, unsigned flags, const char *const *words);

/* For a call that changes a volume otherwise: the part of its script that compares. Between the look and the change the
 * volume may have been deleted, and another one made. */
void gluster_ask_pinned(struct step_talk *talk, const char *name);

/* Did Gluster answer at all? If not (the script failed before it, no glusterd, time ran out, the output was cut), the
 * step is ended. */
bool gluster_answered(struct step_talk *talk, const struct step_reply *reply);
/* The answer was not what a reader expected: ends the step. */
void gluster_garbage(struct step_talk *talk, const struct step_reply *reply, const struct err *err);
enum gluster_meaning gluster_meaning(const struct gluster_op *op);
/* Ends the step with what Gluster said: E_BUSY (with what has to pass, if it is known) or E_REMOTE. */
void gluster_refused(struct step_talk *talk, const struct gluster_op *op);

/* The whole of it for a command of which only the outcome matters: true if it was done or, when its bit is set in
 * accepted (1 << GLUSTER_ABSENT), is not needed; else the step is ended. */
bool gluster_heard(struct step_talk *talk, const struct step_reply *reply, unsigned accepted);
/* The same for `volume info NAME`: GLUSTER_DONE fills ret_volumes with exactly one volume, of the name that was
 * asked for and of at most STORE_BRICKS_MAX bricks (the caller frees it), GLUSTER_ABSENT; anything else has ended the
 * step. */
enum gluster_meaning gluster_heard_volume(struct step_talk *talk, const struct step_reply *reply,
                                          struct gluster_volumes *ret_volumes);

/* ---- is it the volume that is meant? A name alone says nothing: anybody can make a volume of any name. ---- */

enum gluster_owner {
    GLUSTER_OURS,    /* its user.heketi.id is that of step->known, or all its bricks are known */
    GLUSTER_MIXED,   /* some of its bricks are: it is ours, but somebody has changed it */
    GLUSTER_FOREIGN, /* none */
};

/* Two names of one brick? Gluster writes those of clones in two ways. */
bool gluster_same_brick(const char *a, const char *b);

/* ---- is it as it was asked for? (gluster_shape.c) ---- */

/* How many bricks of each set are arbiters, of the volume that the step's bricks are to be in. */
int64_t gluster_arbiters(const struct exec_step *step);
/* Of another kind than the step's volume: what differs, or NULL. */
const char *gluster_kind_differs(const struct exec_step *step, const struct gluster_volume *found);
/* Where the volume has the brick; behind its last one: nowhere. */
size_t gluster_place(const struct gluster_volume *found, const struct exec_brick *brick);
/* How many of the step's bricks it has. Fast, however many a node names. */
size_t gluster_count_bricks(const struct exec_step *step, const struct gluster_volume *found);
/* Has it these bricks, one after another, from there on? */
bool gluster_in_order(const struct gluster_volume *found, size_t at, const struct exec_brick *bricks, size_t n);

/* ---- whose is it? ---- */

/* The id that we have written on the volume (user.heketi.id); "": none. */
const char *gluster_written_id(const struct gluster_volume *volume);
enum gluster_owner gluster_owner(const struct exec_step *step, const struct gluster_volume *volume);
/* What follows may change this volume. False: the node gives it no id that can be one, and the step has ended. */
bool gluster_pin(struct step_talk *talk, const char *id, const struct step_reply *reply);
/* Ends the step for good: what differs, and what an administrator can do. */
void gluster_not_ours(struct step_talk *talk, const struct gluster_volume *volume);
/* Appends " BRICK", or what stands for a name that a node made up: people copy from messages into a shell. */
void gluster_put_brick(struct buf *text, const char *name);
/* Pins what has at least a brick of ours; else the step ends. */
bool gluster_take(struct step_talk *talk, const struct gluster_volume *volume, const struct step_reply *reply);

#endif

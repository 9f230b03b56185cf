/* What a step means on a node: a conversation of one or more remote calls. Pure.
 *
 * A conversation holds the script of the next remote call, is given what came of it, and then holds the next script or
 * the result. Each remote call takes the node's lock and looks at the fence in its own script, so that each is refused
 * by the node once a newer leader has been there. Nothing is remembered outside of the conversation: whoever repeats
 * the step begins by looking.
 *
 * A kind of step is a row in the table in step.c and a function that begins it, in the file of its topic
 * (step_brick.c, step_device.c, step_peer.c, step_volume.c, step_block.c). README.md shows how one is written.
 */
#ifndef HECATE_DAEMON_EXECUTOR_STEP_H
#define HECATE_DAEMON_EXECUTOR_STEP_H

#include "daemon/executor/executor.h"
#include "daemon/executor/script.h"
#include "store/base/buf.h"

struct step_reply {
    int status;      /* how the script ended: enum script_exit or another */
    const char *out; /* standard output, with a NUL behind it */
    size_t out_len;
    const char *error; /* standard error; cut where it is very long */
};

#define STEP_HEAD_MAX 65536 /* of the output of a call that is heard in pieces: what the reply has of it */

#define STEP_PINNED_MAX 40
#define STEP_NEW_MARK ".hecate-new" /* in the file system of a brick that Gluster takes for the lost one still */

struct step_talk;
/* Hears a piece of the output as it comes. False: it is not what is wanted, or too much; talk->refused says why. */
typedef bool (*step_piece_fn)(struct step_talk *talk, const char *data, size_t len);
/* Goes on with the conversation: calls exactly one of step_call, step_done, step_fail. */
typedef void (*step_heard_fn)(struct step_talk *talk, const struct step_reply *reply);

struct step_talk {
    const struct exec_config *config;    /* borrowed */
    const struct exec_step *step;        /* borrowed */
    struct buf script;                   /* the next remote call, until the end */
    step_heard_fn heard;                 /* is given what comes of it */
    step_piece_fn piece;                 /* not NULL: the output of this call is heard in pieces */
    struct err refused;                  /* by piece */
    void *reading;                       /* of a step that hears pieces: what it has heard so far... */
    void (*reading_free)(void *reading); /* ... ended with the conversation */
    unsigned tries;                      /* for steps that wait for something */
    size_t at;                           /* for steps that go through a list */
    unsigned calls;                      /* so far */
    const char *volume;                  /* borrowed from the step: of which `volume info` was asked last, or NULL */
    char pinned[STEP_PINNED_MAX];        /* Gluster's id of the volume that the step may change; "": none yet */
    bool ended;
    struct err unfit;          /* the first word of the script that must not be one: the step ends instead */
    struct exec_result result; /* at the end */
};

/* ---- for executors ---- */

/* Are all names of the step what they must be? E_INVALID names the one that is not. */
int step_check(const struct exec_config *config, const struct exec_step *step, struct err *reterr);
/* The first script; or the step has ended, since a word of it is unfit. config and step, checked, must outlive the
 * conversation. */
void step_begin(struct step_talk *talk, const struct exec_config *config, const struct exec_step *step);
/* Is the output of the call that runs wanted in pieces? Then step_piece is called with each as it comes, and the reply
 * has only the beginning, at most STEP_HEAD_MAX bytes. */
bool step_in_pieces(const struct step_talk *talk);
/* False: the executor gives up the call, for the reason in talk->refused. */
bool step_piece(struct step_talk *talk, const char *data, size_t len);
/* Never called with SCRIPT_RAISE: the executor raises the fence and repeats the call. */
void step_hear(struct step_talk *talk, const struct step_reply *reply);
void step_fini(struct step_talk *talk);
/* How long the whole step may take. */
uint32_t step_timeout_ms(const struct exec_config *config, const struct exec_step *step);

/* ---- for steps ---- */

/* Begins the next remote call with the locks and the fence; the caller appends to the returned script. */
struct buf *step_call(struct step_talk *talk, step_heard_fn heard);
/* Everything that is not ours gets into a script by these two. One that breaks the rules of store/words.h is left out,
 * and the step ends (E_REMOTE, permanent) before the node is asked; the caller need not look. */
void step_word(struct step_talk *talk, const char *word); /* appends " 'WORD'" */
void step_set(struct step_talk *talk, const char *name,
              const char *value); /* appends NAME='value' and an end of line */
void step_done(struct step_talk *talk);
void step_fail(struct step_talk *talk, int code, bool permanent, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Ends the step if the script did not end with SCRIPT_OK: with its code, and its standard error as the text. */
bool step_failed(struct step_talk *talk, const struct step_reply *reply);
/* For steps of one call: done if the script says so. */
void step_heard_all(struct step_talk *talk, const struct step_reply *reply);

/* As Gluster calls it, "host:/path": malloc'ed. */
char *step_brick_name(const struct exec_brick *item);

/* ---- the kinds ---- */

void step_brick_create(struct step_talk *talk);
void step_brick_sync(struct step_talk *talk);
void step_brick_destroy(struct step_talk *talk);
void step_device_setup(struct step_talk *talk);
void step_device_teardown(struct step_talk *talk);
void step_device_look(struct step_talk *talk);
void step_device_lost(struct step_talk *talk);
void step_device_renew(struct step_talk *talk);
void step_node_renew(struct step_talk *talk);
void step_brick_reset(struct step_talk *talk);
void step_inventory(struct step_talk *talk);
void step_peer_probe(struct step_talk *talk);
void step_peer_detach(struct step_talk *talk);
void step_volume_create(struct step_talk *talk);
void step_volume_delete(struct step_talk *talk);
void step_block_create(struct step_talk *talk);
void step_block_expand(struct step_talk *talk);
void step_block_look(struct step_talk *talk);
void step_block_delete(struct step_talk *talk);
void step_volume_expand(struct step_talk *talk);
void step_volume_look(struct step_talk *talk);
void step_rebalance_start(struct step_talk *talk);
void step_rebalance_status(struct step_talk *talk);
void step_volume_clone(struct step_talk *talk);
void step_clone_look(struct step_talk *talk); /* VOLUME_LOOK of a volume that is a clone */
void step_clone_start(struct step_talk *talk);
void step_snapshot_delete(struct step_talk *talk);
void step_volume_check(struct step_talk *talk);
void step_heal_check(struct step_talk *talk);
void step_brick_replace(struct step_talk *talk);
void step_brick_unreplaced(struct step_talk *talk);
void step_heal_wait(struct step_talk *talk);

#endif

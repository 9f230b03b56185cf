/* A Gluster volume gets more bricks, and its files are spread over them. */
#include <string.h>

#include "daemon/executor/gluster.h"
#include "store/base/mem.h"
#include "store/base/text.h"

static void ask_info(struct step_talk *talk, step_heard_fn heard, unsigned flags)
{
    gluster_ask(talk, heard, flags, GLUSTER_WORDS("volume", "info", talk->step->volume->name));
}

/* ---- look ---- */

static void look_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_done(talk);
    } else if (meaning == GLUSTER_DONE) {
        size_t n = gluster_count_bricks(talk->step, &volumes.items[0]);

        talk->result.volume.there = true;
        talk->result.volume.present = n == talk->step->n_bricks;
        talk->result.volume.partly = n > 0 && n < talk->step->n_bricks;
        gluster_volumes_fini(&volumes);
        step_done(talk);
    }
}

void step_volume_look(struct step_talk *talk)
{
    if (talk->step->source != NULL) {
        step_clone_look(talk);
    } else {
        ask_info(talk, look_looked, 0);
    }
}

/* ---- expand: look -> add-brick (a rebalance is in the way: stop it -> add-brick) -> look ---- */

static void expand_asked(struct step_talk *talk, const struct step_reply *reply);

static void ask_add(struct step_talk *talk)
{
    CLEANUP(store_strs_fini) struct store_strs words = {NULL, 0};

    store_strs_add(&words, "volume");
    store_strs_add(&words, "add-brick");
    store_strs_add(&words, talk->step->volume->name);
    for (size_t i = 0; i < talk->step->n_bricks; i++) {
        CLEANUP(free_ptr) char *name = step_brick_name(&talk->step->bricks[i]);

        store_strs_add(&words, name);
    }
    words.items = mem_realloc_array(words.items, words.n + 1, sizeof(*words.items));
    words.items[words.n] = NULL;
    gluster_ask(talk, expand_asked, 0, (const char *const *)words.items);
}

/* The last look decides, whatever add-brick said: what it refused to one peer may have happened on this one. */
static void expand_looked_again(struct step_talk *talk, const struct step_reply *reply)
{
    const struct exec_result refusal = talk->result;
    struct gluster_volumes volumes;
    size_t n;

    talk->result = (struct exec_result){.code = E_OK};
    if (gluster_heard_volume(talk, reply, &volumes) != GLUSTER_DONE) {
        if (!talk->ended) {
            step_fail(talk, E_REMOTE, false, "volume %s is not there after bricks were added to it",
                      talk->step->volume->name);
        }
        return;
    }
    n = gluster_count_bricks(talk->step, &volumes.items[0]);
    gluster_volumes_fini(&volumes);
    if (n == talk->step->n_bricks) {
        step_done(talk);
    } else if (n == 0 && refusal.code != E_OK) {
        step_fail(talk, refusal.code, false, "%s", refusal.message);
        talk->result.apart = refusal.apart;
        talk->result.marked = refusal.marked;
    } else {
        step_fail(talk, E_REMOTE, false, "volume %s has %zu of %zu new bricks", talk->step->volume->name, n,
                  talk->step->n_bricks);
    }
}

static void expand_stopped(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 1U << GLUSTER_ABSENT)) {
        ask_add(talk);
    }
}

static void expand_asked(struct step_talk *talk, const struct step_reply *reply)
{
    const char *name = talk->step->volume->name;
    struct gluster_op op;
    struct err err = ERR_INIT;

    if (!gluster_answered(talk, reply)) {
        return;
    }
    if (gluster_xml_op(reply->out, reply->out_len, &op, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return;
    }
    if (op.ret != 0 && strstr(op.text, "rebalance is in progress") != NULL && talk->tries++ == 0) {
        /* That of an earlier expand: another one follows this one. */
        gluster_ask(talk, expand_stopped, 0, GLUSTER_WORDS("volume", "rebalance", name, "stop"));
    } else {
        if (op.ret != 0) { /* kept until the last look */
            gluster_refused(talk, &op);
            talk->ended = false; /* it may be done all the same */
        }
        ask_info(talk, expand_looked_again, GLUSTER_SYNC);
    }
    gluster_op_fini(&op);
}

static void expand_looked(struct step_talk *talk, const struct step_reply *reply)
{
    const char *name = talk->step->volume->name;
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);
    size_t n;

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, true, "Volume %s does not exist", name);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    n = gluster_count_bricks(talk->step, &volumes.items[0]);
    if (n == talk->step->n_bricks) {
        ask_info(talk, expand_looked_again, GLUSTER_SYNC);
    } else if (n != 0) {
        step_fail(talk, E_REMOTE, false, "volume %s has %zu of %zu new bricks", name, n, talk->step->n_bricks);
    } else if (gluster_take(talk, &volumes.items[0], reply)) {
        ask_add(talk);
    }
    gluster_volumes_fini(&volumes);
}

void step_volume_expand(struct step_talk *talk)
{
    ask_info(talk, expand_looked, 0);
}

/* ---- rebalance ---- */

static void rebalance_started(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 1U << GLUSTER_THERE)) {
        step_done(talk);
    }
}

static void rebalance_looked(struct step_talk *talk, const struct step_reply *reply)
{
    const char *name = talk->step->volume->name;
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, false, "Volume %s does not exist", name);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    if (gluster_take(talk, &volumes.items[0], reply)) {
        gluster_ask(talk, rebalance_started, 0, GLUSTER_WORDS("volume", "rebalance", name, "start"));
    }
    gluster_volumes_fini(&volumes);
}

void step_rebalance_start(struct step_talk *talk)
{
    ask_info(talk, rebalance_looked, 0);
}

static bool any(const struct gluster_moves *moves, int64_t status)
{
    for (size_t i = 0; i < moves->n; i++) {
        if (moves->items[i].moved.status == status) {
            return true;
        }
    }
    return false;
}

/* Stopped by somebody, or by another expand that brings a rebalance of its own: over, too. */
static void rebalance_shown(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_moves moves;
    struct err err = ERR_INIT;

    if (!gluster_answered(talk, reply)) {
        return;
    }
    if (gluster_xml_rebalance(reply->out, reply->out_len, &moves, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return;
    }
    if (moves.op.ret != 0 && gluster_meaning(&moves.op) != GLUSTER_ABSENT) {
        gluster_refused(talk, &moves.op);
    } else if (any(&moves, GLUSTER_MOVE_STARTED)) {
        talk->result.unfinished = true;
        (void)snprintf(talk->result.message, sizeof(talk->result.message),
                       "%ld files moved, %ld MiB, %ld failures, %ld skipped", (long)moves.total.files,
                       (long)(moves.total.bytes >> 20), (long)moves.total.failures, (long)moves.total.skipped);
        step_done(talk);
    } else if (any(&moves, GLUSTER_MOVE_FAILED)) {
        step_fail(talk, E_REMOTE, true, "the rebalance of volume %s failed: %ld files moved, %ld failures",
                  talk->step->volume->name, (long)moves.total.files, (long)moves.total.failures);
    } else {
        step_done(talk);
    }
    gluster_moves_fini(&moves);
}

void step_rebalance_status(struct step_talk *talk)
{
    gluster_ask(talk, rebalance_shown, 0, GLUSTER_WORDS("volume", "rebalance", talk->step->volume->name, "status"));
}

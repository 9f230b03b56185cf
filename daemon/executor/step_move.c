/* A brick of a Gluster volume is replaced by another one, and heals. */
#include <stdio.h>
#include <string.h>

#include "daemon/executor/gluster.h"
#include "daemon/executor/heal.h"
#include "store/base/mem.h"
#include "store/base/text.h"

#define HEALS_MORE 100 /* bricks in heal info than the volume has: it may be changing */
#define HEAL_LOOKS 8   /* half a second apart, and as long as Gluster takes */

static char *brick_name(const struct exec_brick *brick)
{
    CLEANUP(free_ptr) char *path = store_brick_path(brick->brick);

    return mem_printf("%s:%s", brick->storage_host, path);
}

static void ask_info(struct step_talk *talk, step_heard_fn heard, unsigned flags)
{
    gluster_ask(talk, heard, flags, GLUSTER_WORDS("volume", "info", talk->step->volume->name));
}

static void ask_heal(struct step_talk *talk, step_heard_fn heard, unsigned flags)
{
    gluster_ask(talk, heard, flags, GLUSTER_WORDS("volume", "heal", talk->step->volume->name, "info"));
}

static bool has_brick(const struct gluster_volume *volume, const struct exec_brick *brick)
{
    CLEANUP(free_ptr) char *name = brick_name(brick);

    for (size_t i = 0; i < volume->n_bricks; i++) {
        if (strcmp(volume->bricks[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- heal info ---- */

typedef int (*heal_rule)(const struct exec_step *step, const struct heal_brick *bricks, size_t n,
                         struct exec_result *ret_result);

/* Holds the rule against what heal info said: 0, or what the rule returns with the reason in ret_result. The step may
 * have ended instead. */
static int heard_heal(struct step_talk *talk, const struct step_reply *reply, heal_rule rule,
                      struct exec_result *ret_result)
{
    struct gluster_heals heals;
    struct heal_brick *bricks;
    struct err err = ERR_INIT;
    size_t n = 0;
    int rc;

    if (!gluster_answered(talk, reply)) {
        return E_REMOTE;
    }
    if (gluster_xml_heals(reply->out, reply->out_len, &heals, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return E_REMOTE;
    }
    if (heals.op.ret != 0) {
        step_fail(talk, gluster_meaning(&heals.op) == GLUSTER_BUSY ? E_BUSY : E_REMOTE, false,
                  "Unable to get heal info of volume : %s : %s", talk->step->volume->name, heals.op.text);
        gluster_heals_fini(&heals);
        return E_REMOTE;
    }
    if (heals.n > 2 * talk->step->n_bricks + HEALS_MORE) { /* looking through them takes as long as it says */
        step_fail(talk, E_REMOTE, false, "gluster's answer is not what was expected: %zu bricks to heal, of %zu",
                  heals.n, talk->step->n_bricks);
        talk->result.cause = EXEC_CAUSE_GARBAGE;
        gluster_heals_fini(&heals);
        return E_REMOTE;
    }
    bricks = mem_calloc(heals.n, sizeof(*bricks));
    for (size_t i = 0; i < heals.n; i++) {
        const struct gluster_heal *heal = &heals.items[i];

        if (strcmp(heal->name, "information not available") != 0) {
            bricks[n++] = (struct heal_brick){.name = heal->name,
                                              .entries = heal->entries >= 0 ? (uint64_t)heal->entries : HEAL_UNKNOWN,
                                              .connected = strcmp(heal->status, "Connected") == 0};
        }
    }
    *ret_result = (struct exec_result){.code = 0};
    rc = rule(talk->step, bricks, n, ret_result);
    free_ptr(&bricks);
    gluster_heals_fini(&heals);
    return rc;
}

/* True: the brick may go; otherwise the step has ended, or `again` will hear another look: files that are being written
 * may count as to be healed for a moment. */
static bool may_go(struct step_talk *talk, const struct step_reply *reply, step_heard_fn again)
{
    struct exec_result result = {.code = E_OK};
    int rc = heard_heal(talk, reply, heal_check, &result);

    if (talk->ended) {
        return false;
    }
    if (rc == E_BUSY && ++talk->tries < HEAL_LOOKS) {
        ask_heal(talk, again, GLUSTER_WAIT);
    } else if (rc != 0) {
        step_fail(talk, result.code, result.permanent, "%s", result.message);
    }
    return rc == 0;
}

static void check_heard(struct step_talk *talk, const struct step_reply *reply)
{
    if (may_go(talk, reply, check_heard)) {
        step_done(talk);
    }
}

/* Of a volume of single bricks Gluster has no heal info: there is nothing to copy from. */
static bool nothing_heals(struct step_talk *talk)
{
    struct exec_result result = {.code = 0};

    if (talk->step->volume->durability != STORE_NONE) {
        return false;
    }
    (void)heal_check(talk->step, NULL, 0, &result);
    step_fail(talk, result.code, result.permanent, "%s", result.message);
    return true;
}

/* It may have been replaced already, by a try whose outcome was not learnt: then there is nothing to ask. */
static void check_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    bool replaced = false;

    if (gluster_heard_volume(talk, reply, &volumes) == GLUSTER_DONE) {
        replaced = talk->step->new_brick.brick != NULL && has_brick(&volumes.items[0], &talk->step->new_brick) &&
                   !has_brick(&volumes.items[0], &talk->step->old_brick);
        gluster_volumes_fini(&volumes);
    }
    if (replaced) {
        step_done(talk);
    } else if (!talk->ended && !nothing_heals(talk)) {
        ask_heal(talk, check_heard, 0);
    }
}

void step_heal_check(struct step_talk *talk)
{
    ask_info(talk, check_looked, 0);
}

/* ---- healing: heal info (not all is healed: look -> heal -> refused: start what does it -> heal) ---- */

static void wait_launched(struct step_talk *talk, const struct step_reply *reply);

static void ask_launch(struct step_talk *talk)
{
    gluster_ask(talk, wait_launched, 0, GLUSTER_WORDS("volume", "heal", talk->step->volume->name));
}

static void wait_started(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_answered(talk, reply)) { /* whatever it says */
        ask_launch(talk);
    }
}

/* Answers in words even where XML is asked for. */
static void wait_launched(struct step_talk *talk, const struct step_reply *reply)
{
    if (reply->status == 1 && talk->tries++ == 0) {
        gluster_ask(talk, wait_started, 0, GLUSTER_WORDS("volume", "start", talk->step->volume->name, "force"));
    } else if (reply->status == 1 || !step_failed(talk, reply)) {
        CLEANUP(free_ptr) char *left = mem_strdup(talk->result.message);

        step_fail(talk, E_REMOTE, false, "%s", left);
    }
}

static void wait_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, false, "volume %s is not there", talk->step->volume->name);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    if (gluster_take(talk, &volumes.items[0], reply)) {
        ask_launch(talk);
    }
    gluster_volumes_fini(&volumes);
}

/* Gluster's self-heal daemons look every ten minutes, and when they see a brick come. What they have not healed then (a
 * folder that was itself just healed), or missed, because glusterd has lost them, would wait that long: they are told
 * to look. */
static void wait_heard(struct step_talk *talk, const struct step_reply *reply)
{
    struct exec_result result;
    int rc = heard_heal(talk, reply, heal_done, &result);

    if (talk->ended) {
        return;
    }
    if (rc == 0) {
        step_done(talk);
    } else { /* the reason is kept until the end */
        text_put(talk->result.message, sizeof(talk->result.message), result.message);
        ask_info(talk, wait_looked, 0);
    }
}

void step_heal_wait(struct step_talk *talk)
{
    ask_heal(talk, wait_heard, 0);
}

/* ---- replace: look -> heal info -> replace -> look ---- */

static void replace_looked_again(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;

    switch (gluster_heard_volume(talk, reply, &volumes)) {
    case GLUSTER_DONE:
        if (has_brick(&volumes.items[0], &talk->step->new_brick) &&
            !has_brick(&volumes.items[0], &talk->step->old_brick)) {
            step_done(talk);
        } else {
            step_fail(talk, E_REMOTE, false, "volume %s has not taken the new brick", talk->step->volume->name);
        }
        gluster_volumes_fini(&volumes);
        break;
    case GLUSTER_ABSENT:
        step_fail(talk, E_REMOTE, true, "volume %s is not there", talk->step->volume->name);
        break;
    default:
        break;
    }
}

static void replace_replaced(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 0)) {
        ask_info(talk, replace_looked_again, GLUSTER_SYNC);
    }
}

static void ask_replace(struct step_talk *talk)
{
    CLEANUP(free_ptr) char *from = brick_name(&talk->step->old_brick);
    CLEANUP(free_ptr) char *to = brick_name(&talk->step->new_brick);

    gluster_ask(talk, replace_replaced, 0,
                GLUSTER_WORDS("volume", "replace-brick", talk->step->volume->name, from, to, "commit", "force"));
}

static void replace_checked(struct step_talk *talk, const struct step_reply *reply)
{
    if (may_go(talk, reply, replace_checked)) {
        ask_replace(talk);
    }
}

static void replace_taken(struct step_talk *talk)
{
    if (talk->step->skip_heal) {
        ask_replace(talk);
    } else if (!nothing_heals(talk)) {
        ask_heal(talk, replace_checked, 0);
    }
}

static void replace_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, true, "volume %s is not there", talk->step->volume->name);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    if (has_brick(&volumes.items[0], &talk->step->new_brick)) {
        ask_info(talk, replace_looked_again, GLUSTER_SYNC);
    } else if (!has_brick(&volumes.items[0], &talk->step->old_brick)) {
        step_fail(talk, E_REMOTE, true, "volume %s has neither the old nor the new brick", talk->step->volume->name);
    } else if (gluster_take(talk, &volumes.items[0], reply)) {
        replace_taken(talk);
    }
    gluster_volumes_fini(&volumes);
}

void step_brick_replace(struct step_talk *talk)
{
    ask_info(talk, replace_looked, 0);
}

/* ---- is the new brick no part of the volume? ---- */

static void unreplaced_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_done(talk);
    } else if (meaning == GLUSTER_DONE) {
        if (has_brick(&volumes.items[0], &talk->step->new_brick)) {
            step_fail(talk, E_REMOTE, true, "volume %s has taken the new brick", talk->step->volume->name);
        } else {
            step_done(talk);
        }
        gluster_volumes_fini(&volumes);
    }
}

void step_brick_unreplaced(struct step_talk *talk)
{
    ask_info(talk, unreplaced_looked, 0);
}

/* A volume is cloned: Gluster takes a thin snapshot of it on all nodes and makes a volume of that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/gluster.h"
#include "store/base/mem.h"
#include "store/words.h"

static void ask_info(struct step_talk *talk, step_heard_fn heard, unsigned flags)
{
    gluster_ask(talk, heard, flags, GLUSTER_WORDS("volume", "info", talk->step->volume->name));
}

static void ask_snapshot(struct step_talk *talk, step_heard_fn heard, unsigned flags, const char *what)
{
    CLEANUP(free_ptr) char *snapshot = exec_snapshot_name(talk->step->op_id);

    gluster_ask(talk, heard, flags, GLUSTER_WORDS("snapshot", what, snapshot));
}

/* ---- is the volume of this name the clone? ---- */

static const char *option_of(const struct gluster_volume *volume, const char *name)
{
    for (size_t i = 0; i < volume->n_options; i++) {
        if (strcmp(volume->options[i].name, name) == 0) {
            return volume->options[i].value;
        }
    }
    return "";
}

/* On the nodes of the source's bricks, where Gluster mounts snapshots? */
static bool looks_like_clone(const struct exec_step *step, const struct gluster_volume *volume)
{
    if (volume->n_bricks != step->n_bricks) {
        return false;
    }
    for (size_t i = 0; i < step->n_bricks; i++) {
        CLEANUP(free_ptr) char *run = mem_printf("%s:/run/gluster/snaps/", step->bricks[i].storage_host);
        CLEANUP(free_ptr) char *var_run = mem_printf("%s:/var/run/gluster/snaps/", step->bricks[i].storage_host);

        if (strncmp(volume->bricks[i].name, run, strlen(run)) != 0 &&
            strncmp(volume->bricks[i].name, var_run, strlen(var_run)) != 0) {
            return false;
        }
    }
    return true;
}

/* What was found goes into the result; that it is ours is said by `present`. The paths are to be unmounted and removed
 * some day, on all nodes: one that leads elsewhere ends the step. */
static void keep(struct step_talk *talk, const struct gluster_volume *volume)
{
    struct exec_volume_info *info = &talk->result.volume;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < volume->n_bricks; i++) {
        const char *path = strstr(volume->bricks[i].name, ":/");

        if (path == NULL || store_path_check(path + 1, &err) != 0) {
            step_fail(talk, E_REMOTE, true, "gluster names a brick of volume %s that cannot be one: %s",
                      talk->step->volume->name, path == NULL ? "it has no path" : err.message);
            return;
        }
    }

    store_strs_fini(&info->bricks);
    (void)snprintf(info->uuid, sizeof(info->uuid), "%s", volume->id);
    for (size_t i = 0; i < volume->n_bricks; i++) {
        store_strs_add(&info->bricks, volume->bricks[i].name);
    }
    info->present = strcmp(option_of(volume, "user.heketi.id"), id_text(talk->step->volume->id).text) == 0;
}

/* A clone that has not got its own id yet still has the snapshot it was made from. True: the snapshot is there. */
static bool heard_snapshot(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_snapshots snapshots;
    struct err err = ERR_INIT;
    enum gluster_meaning meaning;

    if (!gluster_answered(talk, reply)) {
        return false;
    }
    if (gluster_xml_snapshots(reply->out, reply->out_len, &snapshots, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return false;
    }
    meaning = gluster_meaning(&snapshots.op);
    if (meaning != GLUSTER_DONE && meaning != GLUSTER_ABSENT) {
        gluster_refused(talk, &snapshots.op);
    }
    gluster_snapshots_fini(&snapshots);
    return meaning == GLUSTER_DONE;
}

/* ---- look: volume -> snapshot ---- */

static void look_snapshot(struct step_talk *talk, const struct step_reply *reply)
{
    talk->result.volume.present = heard_snapshot(talk, reply);
    if (!talk->ended) {
        step_done(talk);
    }
}

static void look_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);
    bool alike;

    if (meaning == GLUSTER_ABSENT) {
        step_done(talk);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    alike = looks_like_clone(talk->step, &volumes.items[0]);
    if (alike) {
        keep(talk, &volumes.items[0]);
    }
    gluster_volumes_fini(&volumes);
    if (talk->ended) {
        return;
    }
    if (alike && !talk->result.volume.present) {
        ask_snapshot(talk, look_snapshot, 0, "info");
    } else {
        step_done(talk);
    }
}

void step_clone_look(struct step_talk *talk)
{
    ask_info(talk, look_looked, 0);
}

/* ---- clone: look -> snapshot -> activate -> clone -> look ---- */

static void clone_taken(struct step_talk *talk)
{
    step_fail(talk, E_REMOTE, true, "Volume with name:%s already exists", talk->step->volume->name);
}

static void clone_looked_again(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, false, "volume %s is not there after it was cloned", talk->step->volume->name);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    if (looks_like_clone(talk->step, &volumes.items[0])) {
        keep(talk, &volumes.items[0]);
        if (!talk->ended) {
            talk->result.volume.present = true;
            step_done(talk);
        }
    } else {
        clone_taken(talk);
    }
    gluster_volumes_fini(&volumes);
}

static void clone_cloned(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 0)) {
        ask_info(talk, clone_looked_again, GLUSTER_SYNC);
    }
}

static void clone_activated(struct step_talk *talk, const struct step_reply *reply)
{
    CLEANUP(free_ptr) char *snapshot = exec_snapshot_name(talk->step->op_id);

    if (gluster_heard(talk, reply, 1U << GLUSTER_THERE)) {
        gluster_ask(talk, clone_cloned, 0, GLUSTER_WORDS("snapshot", "clone", talk->step->volume->name, snapshot));
    }
}

static void clone_snapshot(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 1U << GLUSTER_THERE)) {
        ask_snapshot(talk, clone_activated, 0, "activate");
    }
}

static void clone_found(struct step_talk *talk, const struct step_reply *reply)
{
    if (heard_snapshot(talk, reply)) {
        ask_info(talk, clone_looked_again, GLUSTER_SYNC);
    } else if (!talk->ended) {
        clone_taken(talk);
    }
}

/* Its name alone does not say that it is the volume to be cloned. */
static void clone_source_looked(struct step_talk *talk, const struct step_reply *reply)
{
    CLEANUP(free_ptr) char *snapshot = exec_snapshot_name(talk->step->op_id);
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, false, "Volume %s does not exist", talk->step->source);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    if (gluster_take(talk, &volumes.items[0], reply)) {
        gluster_ask(talk, clone_snapshot, 0,
                    GLUSTER_WORDS("snapshot", "create", snapshot, talk->step->source, "no-timestamp"));
    }
    gluster_volumes_fini(&volumes);
}

static void clone_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);
    bool alike;

    if (meaning == GLUSTER_ABSENT) {
        gluster_ask(talk, clone_source_looked, 0, GLUSTER_WORDS("volume", "info", talk->step->source));
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    alike = looks_like_clone(talk->step, &volumes.items[0]);
    gluster_volumes_fini(&volumes);
    if (alike) { /* made by an earlier try, or by somebody else */
        ask_snapshot(talk, clone_found, 0, "info");
    } else {
        clone_taken(talk);
    }
}

void step_volume_clone(struct step_talk *talk)
{
    ask_info(talk, clone_looked, 0);
}

/* ---- start: look -> start -> its own id -> snapshot goes -> look ---- */

/* Gluster (10) sets no options of a replicated clone that has never been started: what its self-heal daemon would read
 * is not there yet. The snapshot goes last: until the clone has its own id, it is what tells it from other volumes. */

static void start_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);
    bool started;

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, false, "volume %s is gone", talk->step->volume->name);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    started = volumes.items[0].status == GLUSTER_STARTED;
    gluster_volumes_fini(&volumes);
    if (started) {
        step_done(talk);
    } else {
        step_fail(talk, E_REMOTE, false, "volume %s does not start", talk->step->volume->name);
    }
}

static void start_snapshot_gone(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 1U << GLUSTER_ABSENT)) {
        ask_info(talk, start_looked, GLUSTER_SYNC);
    }
}

static void start_named(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 0)) {
        ask_snapshot(talk, start_snapshot_gone, 0, "delete");
    }
}

static void start_started(struct step_talk *talk, const struct step_reply *reply)
{
    struct id_text id = id_text(talk->step->volume->id);

    if (gluster_heard(talk, reply, 1U << GLUSTER_THERE)) {
        gluster_ask(talk, start_named, 0,
                    GLUSTER_WORDS("volume", "set", talk->step->volume->name, "user.heketi.id", id.text));
    }
}

static void start_found(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, false, "volume %s is gone", talk->step->volume->name);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    if (gluster_take(talk, &volumes.items[0], reply)) {
        gluster_ask(talk, start_started, 0, GLUSTER_WORDS("volume", "start", talk->step->volume->name));
    }
    gluster_volumes_fini(&volumes);
}

void step_clone_start(struct step_talk *talk)
{
    ask_info(talk, start_found, 0);
}

/* ---- what is left of one that failed: delete -> look ---- */

static void gone_looked(struct step_talk *talk, const struct step_reply *reply)
{
    CLEANUP(free_ptr) char *snapshot = exec_snapshot_name(talk->step->op_id);

    if (heard_snapshot(talk, reply)) {
        step_fail(talk, E_REMOTE, false, "snapshot %s is still there", snapshot);
    } else if (!talk->ended) {
        step_done(talk);
    }
}

static void gone_deleted(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 1U << GLUSTER_ABSENT)) {
        ask_snapshot(talk, gone_looked, GLUSTER_SYNC, "info");
    }
}

void step_snapshot_delete(struct step_talk *talk)
{
    ask_snapshot(talk, gone_deleted, 0, "delete");
}

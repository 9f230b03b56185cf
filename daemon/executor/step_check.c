/* A volume was made, let grow or started on one node: another one says whether it is what was asked for. */
#include <string.h>

#include "daemon/executor/gluster.h"
#include "store/base/mem.h"

/* What clients may read, and when they may write: a volume that is made without them does harm. Others do not matter so
 * much, and Gluster may write them otherwise than they were set. */
static const char *const kept[] = {
    "auth.allow", "auth.reject",         "auth.ssl-allow",       "client.ssl",
    "server.ssl", "cluster.quorum-type", "cluster.quorum-count", "cluster.server-quorum-type"};

static const char *value_of(const struct gluster_volume *found, const char *name)
{
    for (size_t i = 0; i < found->n_options; i++) {
        if (strcmp(found->options[i].name, name) == 0) {
            return found->options[i].value;
        }
    }
    return "";
}

/* What the volume's options say of the name last. NULL: nothing, or a group of options comes after it. */
static const char *asked_value(const struct store_strs *options, const char *name)
{
    size_t len = strlen(name);
    const char *value = NULL;

    for (size_t i = 0; i < options->n; i++) {
        if (strncmp(options->items[i], "group ", 6) == 0) {
            value = NULL;
        } else if (strncmp(options->items[i], name, len) == 0 && options->items[i][len] == ' ') {
            value = options->items[i] + len + 1;
        }
    }
    return value;
}

static const char *options_differ(const struct exec_step *step, const struct gluster_volume *found)
{
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        const char *value = asked_value(&step->volume->options, kept[i]);

        if (value != NULL && strcmp(value, value_of(found, kept[i])) != 0) {
            return "another value of an option that protects it";
        }
    }
    return NULL;
}

/* All of the volume's bricks are new: not of an expand. */
static bool is_whole(const struct exec_step *step)
{
    return step->n_bricks == step->volume->n_bricks;
}

/* Somebody wrote another id on it, or on a new one none. */
static bool is_named(const struct exec_step *step, const struct gluster_volume *found)
{
    const char *id = gluster_written_id(found);

    return strcmp(id, id_text(step->volume->id).text) == 0 || (*id == '\0' && !is_whole(step));
}

/* What is not as it was asked for, or NULL. */
static const char *difference(const struct exec_step *step, const struct gluster_volume *found)
{
    size_t at = gluster_place(found, &step->bricks[0]);
    const char *what = gluster_kind_differs(step, found);

    if (what != NULL) {
        return what;
    }
    if (!gluster_in_order(found, at, step->bricks, step->n_bricks) || at % store_volume_width(step->volume) != 0 ||
        (is_whole(step) && found->n_bricks != step->n_bricks)) {
        return "other bricks, or another order of them";
    }
    if (!is_named(step, found)) {
        return "another id (user.heketi.id)";
    }
    return is_whole(step) && step->source == NULL ? options_differ(step, found) : NULL;
}

static void looked(struct step_talk *talk, const struct step_reply *reply)
{
    const char *name = talk->step->volume->name, *what;
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_BUSY, false, "%s says that volume %s is not there", talk->step->host, name);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    what = difference(talk->step, &volumes.items[0]);
    if (!is_whole(talk->step) && gluster_count_bricks(talk->step, &volumes.items[0]) == 0) {
        step_fail(talk, E_BUSY, false, "%s says that volume %s has none of its new bricks", talk->step->host, name);
    } else if (what != NULL) {
        step_fail(talk, E_REMOTE, true, "%s knows volume %s with %s than was asked for", talk->step->host, name, what);
    } else if (volumes.items[0].status != GLUSTER_STARTED) {
        step_fail(talk, E_BUSY, false, "%s says that volume %s is not started", talk->step->host, name);
    } else {
        step_done(talk);
    }
    gluster_volumes_fini(&volumes);
}

void step_volume_check(struct step_talk *talk)
{
    gluster_ask(talk, looked, 0, GLUSTER_WORDS("volume", "info", talk->step->volume->name));
}

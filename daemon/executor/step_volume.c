/* A Gluster volume is created and deleted. */
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/gluster.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/command.h"
#include "store/words.h"

#define WORDS_MAX (STORE_BRICKS_MAX + 16)
#define OPTIONS_BYTES 4096 /* when a command has so many of options, the next ones go into the next command */

struct words { /* of one command; owned */
    char *items[WORDS_MAX + 1];
    size_t n;
    size_t bytes;
};

static void words_fini(struct words *words)
{
    for (size_t i = 0; i < words->n; i++) {
        free(words->items[i]);
    }
}

/* Takes text. */
static void add(struct words *words, char *text)
{
    CHECK(words->n < WORDS_MAX);
    words->items[words->n++] = text;
    words->bytes += strlen(text);
}

static void ask(struct step_talk *talk, step_heard_fn heard, const struct words *words)
{
    gluster_ask(talk, heard, 0, (const char *const *)words->items);
}

static void ask_info(struct step_talk *talk, step_heard_fn heard, unsigned flags)
{
    gluster_ask(talk, heard, flags, GLUSTER_WORDS("volume", "info", talk->step->volume->name));
}

/* ---- create: look -> create -> options -> start -> look ---- */

static void create_started(struct step_talk *talk, const struct step_reply *reply);
static void create_options_set(struct step_talk *talk, const struct step_reply *reply);

static void fail_other_bricks(struct step_talk *talk, const struct gluster_volume *volume)
{
    CLEANUP(buf_fini) struct buf found = BUF_INIT;

    for (size_t i = 0; i < volume->n_bricks && found.len < sizeof(talk->result.message); i++) {
        gluster_put_brick(&found, volume->bricks[i].name);
    }
    step_fail(talk, E_REMOTE, true, "volume %s exists with other bricks:%s", talk->step->volume->name, buf_str(&found));
}

/* With these bricks, but of another kind, or with another id written on it: what it is, or NULL. The id is written
 * last, so that a try that was cut short has none. */
static const char *difference(const struct exec_step *step, const struct gluster_volume *found)
{
    const char *what = gluster_kind_differs(step, found), *id = gluster_written_id(found);

    if (what != NULL) {
        return what;
    }
    return *id != '\0' && strcmp(id, id_text(step->volume->id).text) != 0 ? "another id (user.heketi.id)" : NULL;
}

/* True: the volume is there, and is not the one that was asked for: the step has ended. */
static bool is_another(struct step_talk *talk, const struct gluster_volume *found)
{
    const char *what;

    if (found->n_bricks != talk->step->n_bricks ||
        !gluster_in_order(found, 0, talk->step->bricks, talk->step->n_bricks)) {
        fail_other_bricks(talk, found);
        return true;
    }
    what = difference(talk->step, found);
    if (what != NULL) {
        step_fail(talk, E_REMOTE, true,
                  "volume %s exists with the same bricks and %s than was asked for; it was left as it is",
                  talk->step->volume->name, what);
    }
    return what != NULL;
}

static void ask_create(struct step_talk *talk, step_heard_fn heard)
{
    const struct exec_step *step = talk->step;
    const struct store_volume *volume = step->volume;
    CLEANUP(words_fini) struct words words = {.n = 0};

    add(&words, mem_strdup("volume"));
    add(&words, mem_strdup("create"));
    add(&words, mem_strdup(volume->name));
    if (volume->durability == STORE_REPLICATE) {
        add(&words, mem_strdup("replica"));
        add(&words, mem_printf("%u", volume->replica));
        if (gluster_arbiters(step) > 0) {
            add(&words, mem_strdup("arbiter"));
            add(&words, mem_strdup("1"));
        }
    } else if (volume->durability == STORE_DISPERSE) {
        add(&words, mem_strdup("disperse-data"));
        add(&words, mem_printf("%u", volume->disperse_data));
        add(&words, mem_strdup("redundancy"));
        add(&words, mem_printf("%u", volume->redundancy));
    }
    for (size_t i = 0; i < step->n_bricks; i++) {
        add(&words, step_brick_name(&step->bricks[i]));
    }
    ask(talk, heard, &words);
}

/* The i-th of the volume's options; the last one is ours. NULL: no more. */
static char *option(const struct store_volume *volume, size_t i)
{
    if (i < volume->options.n) {
        return mem_strdup(volume->options.items[i]);
    }
    return i == volume->options.n ? mem_printf("user.heketi.id %s", id_text(volume->id).text) : NULL;
}

/* One command takes many pairs of key and value; what is no plain pair ("group NAME") needs one of its own. */
static void ask_options(struct step_talk *talk)
{
    const struct store_volume *volume = talk->step->volume;
    CLEANUP(words_fini) struct words words = {.n = 0};
    struct err err = ERR_INIT;
    bool alone = false;
    char *text;

    add(&words, mem_strdup("volume"));
    add(&words, mem_strdup("set"));
    add(&words, mem_strdup(volume->name));
    while (!alone && words.n + 2 <= WORDS_MAX && words.bytes < OPTIONS_BYTES &&
           (text = option(volume, talk->at)) != NULL) {
        char *value = strchr(text, ' ');

        if (store_option_check(text, &err) != 0) { /* of a log or database from before it was refused elsewhere */
            step_fail(talk, E_REMOTE, true, "volume %s was not made: option %zu: %s", volume->name, talk->at + 1,
                      err.message);
            free(text);
            return;
        }
        alone = *text != '\0' && (value == NULL || strncmp(text, "group ", 6) == 0);
        if (alone && words.n > 3) { /* in the next command */
            free(text);
            break;
        }
        talk->at++;
        if (value != NULL && *text != '\0') {
            add(&words, mem_strndup(text, (size_t)(value - text)));
            add(&words, mem_strdup(value + 1));
        } else if (*text != '\0') {
            add(&words, mem_strdup(text));
        }
        free(text);
    }
    if (words.n > 3) {
        ask(talk, create_options_set, &words);
    } else {
        gluster_ask(talk, create_started, 0, GLUSTER_WORDS("volume", "start", volume->name));
    }
}

/* The last look, with the sync: what the step answers for is there and durable. */
static void create_looked_again(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, false, "volume %s is not there after it was created", talk->step->volume->name);
    }
    if (talk->ended) {
        return;
    }
    if (is_another(talk, &volumes.items[0])) {
        /* it has ended */
    } else if (volumes.items[0].status != GLUSTER_STARTED) {
        step_fail(talk, E_REMOTE, false, "volume %s does not start", talk->step->volume->name);
    } else {
        step_done(talk);
    }
    gluster_volumes_fini(&volumes);
}

static void create_started(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 1U << GLUSTER_THERE)) {
        ask_info(talk, create_looked_again, GLUSTER_SYNC);
    }
}

static void create_options_set(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 0)) {
        ask_options(talk);
    }
}

static void create_created(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_created created;
    struct err err = ERR_INIT;

    if (!gluster_answered(talk, reply)) {
        return;
    }
    if (gluster_xml_created(reply->out, reply->out_len, &created, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return;
    }
    if (created.op.ret != 0) {
        gluster_refused(talk, &created.op);
    } else if (gluster_pin(talk, created.id, reply)) {
        ask_options(talk);
    }
    gluster_created_fini(&created);
}

static void create_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        ask_create(talk, create_created);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    if (is_another(talk, &volumes.items[0])) {
        /* it has ended */
    } else if (volumes.items[0].status == GLUSTER_STARTED) {
        ask_info(talk, create_looked_again, GLUSTER_SYNC);
    } else if (gluster_pin(talk, volumes.items[0].id, reply)) {
        ask_options(talk);
    }
    gluster_volumes_fini(&volumes);
}

void step_volume_create(struct step_talk *talk)
{
    ask_info(talk, create_looked, 0);
}

/* ---- delete: look (whose is it?) -> snapshots? -> stop -> delete -> look ---- */

static void delete_looked_again(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_ABSENT) {
        step_done(talk);
    } else if (meaning == GLUSTER_DONE) {
        step_fail(talk, E_REMOTE, false, "volume %s is still there", talk->step->volume->name);
        gluster_volumes_fini(&volumes);
    }
}

static void delete_deleted(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 1U << GLUSTER_ABSENT)) {
        ask_info(talk, delete_looked_again, GLUSTER_SYNC);
    }
}

static void delete_stopped(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 1U << GLUSTER_ABSENT | 1U << GLUSTER_THERE)) {
        gluster_ask(talk, delete_deleted, 0, GLUSTER_WORDS("volume", "delete", talk->step->volume->name));
    }
}

static void delete_snapshots(struct step_talk *talk, const struct step_reply *reply)
{
    const char *name = talk->step->volume->name;
    struct gluster_names snapshots;
    struct err err = ERR_INIT;

    if (!gluster_answered(talk, reply)) {
        return;
    }
    if (gluster_xml_snapshot_list(reply->out, reply->out_len, &snapshots, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return;
    }
    if (snapshots.op.ret != 0) {
        gluster_refused(talk, &snapshots.op);
    } else if (snapshots.n > 0) {
        step_fail(talk, E_REMOTE, true, "Unable to delete volume %s because it contains %zu snapshots", name,
                  snapshots.n);
    } else {
        gluster_ask(talk, delete_stopped, 0, GLUSTER_WORDS("volume", "stop", name, "force"));
    }
    gluster_names_fini(&snapshots);
}

static void delete_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    enum gluster_owner owner;

    if (meaning == GLUSTER_ABSENT) {
        step_done(talk);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    owner = gluster_owner(talk->step, &volumes.items[0]);
    if (owner == GLUSTER_FOREIGN && talk->step->undo) { /* of ours nothing is there */
        step_done(talk);
    } else if (owner != GLUSTER_OURS) { /* with it would go what the database does not know */
        gluster_not_ours(talk, &volumes.items[0]);
    } else if (gluster_pin(talk, volumes.items[0].id, reply)) {
        gluster_ask(talk, delete_snapshots, 0, GLUSTER_WORDS("snapshot", "list", talk->step->volume->name));
    }
    gluster_volumes_fini(&volumes);
}

void step_volume_delete(struct step_talk *talk)
{
    ask_info(talk, delete_looked, GLUSTER_SYNC);
}

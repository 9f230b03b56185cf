/* Block volumes: gluster-block makes an image on the hosting volume and exports it over iSCSI from some of the nodes.
 *
 * It has no marks of ours on what it makes. An undo therefore takes away only what can be ours: what is half made, or
 * is as was asked for; a create takes over what is as was asked for. Whose the hosting volume is, is looked at first:
 * to gluster-block it is a name. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "daemon/executor/block_json.h"
#include "daemon/executor/gluster.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define IQN_PREFIX "iqn.2016-12.org.gluster-block:"

/* ---- asking and hearing ---- */

static void block_ask(struct step_talk *talk, step_heard_fn heard, const char *const *words)
{
    struct buf *script = step_call(talk, heard);

    buf_append_str(
        script,
        "command -v gluster-block >/dev/null || { say 'gluster-block is not installed on this node'; exit 70; }\n");
    if (strcmp(words[0], "info") != 0) {
        gluster_ask_pinned(talk, talk->step->volume->name);
    }
    buf_append_str(script, "timeout -k 5 \"$((LIMIT + 30))\" gluster-block");
    for (; *words != NULL; words++) {
        step_word(talk, *words);
    }
    /* Its exit status may be any errno: it must not be taken for one of ours. */
    buf_append_str(script, " --json\ncase $? in 0) exit 0 ;; 124|137) exit 124 ;; *) exit 1 ;; esac\n");
}

static char *path_of(const struct step_talk *talk)
{
    return mem_printf("%s/%s", talk->step->volume->name, talk->step->block->name);
}

static void ask_path(struct step_talk *talk, step_heard_fn heard, const char *verb)
{
    CLEANUP(free_ptr) char *path = path_of(talk);

    block_ask(talk, heard, GLUSTER_WORDS(verb, path));
}

typedef int (*reader_fn)(const char *text, size_t len, struct block_answer *ret_answer, struct err *reterr);

/* False: there was no answer, and the step has ended. */
static bool heard_answer(struct step_talk *talk, const struct step_reply *reply, reader_fn read,
                         struct block_answer *ret_answer)
{
    const char *text = reply->out;
    size_t len = reply->out_len;
    struct err err = ERR_INIT;

    if (reply->status != SCRIPT_OK && reply->status != 1) {
        CHECK(step_failed(talk, reply));
        return false;
    }
    if (text[strspn(text, " \n")] == '\0') { /* some refusals come on the other stream */
        text = reply->error;
        len = strlen(text);
    }
    if (text[strspn(text, " \n")] != '{') { /* words for people, up to where an answer with a password may begin */
        step_fail(talk, E_REMOTE, false, "%.*s", *text != '\0' ? (int)strcspn(text, "{") : INT_MAX,
                  *text != '\0' ? text : "gluster-block did not say anything");
        return false;
    }
    if (read(text, len, ret_answer, &err) != 0) {
        step_fail(talk, E_REMOTE, false, "%s", err.message);
        talk->result.cause = EXEC_CAUSE_GARBAGE;
        return false;
    }
    return true;
}

/* The block volume, or its whole hosting volume. */
static bool is_absent(const struct step_talk *talk, const struct block_answer *answer)
{
    return answer->failed &&
           ((strstr(answer->text, "doesn't exist") != NULL && strstr(answer->text, talk->step->block->name) != NULL) ||
            (strstr(answer->text, "does not exist") != NULL && strstr(answer->text, talk->step->volume->name) != NULL));
}

static void refused(struct step_talk *talk, const struct block_answer *answer)
{
    if (*answer->text != '\0') {
        step_fail(talk, E_REMOTE, false, "%s", answer->text);
    } else {
        step_fail(talk, E_REMOTE, false, "gluster-block refused (%ld) without saying why", (long)answer->number);
    }
}

/* The outcome of a change: true if it was done. An absent one is passed on if that is accepted. */
static bool heard_done(struct step_talk *talk, const struct step_reply *reply, bool absent_is_done)
{
    struct block_answer answer;

    if (!heard_answer(talk, reply, block_json_result, &answer)) {
        return false;
    }
    if (answer.failed && !(absent_is_done && is_absent(talk, &answer))) {
        refused(talk, &answer);
    }
    block_answer_fini(&answer);
    return !talk->ended;
}

/* `info`. True: *ret_answer is filled (the caller frees it), and is_absent may hold. */
static bool heard_info(struct step_talk *talk, const struct step_reply *reply, struct block_answer *ret_answer)
{
    if (!heard_answer(talk, reply, block_json_info, ret_answer)) {
        return false;
    }
    if (ret_answer->failed && !is_absent(talk, ret_answer)) {
        refused(talk, ret_answer);
        block_answer_fini(ret_answer);
        return false;
    }
    return true;
}

/* ---- whose is the hosting volume? ---- */

static void ask_hosting(struct step_talk *talk, step_heard_fn heard)
{
    gluster_ask(talk, heard, 0, GLUSTER_WORDS("volume", "info", talk->step->volume->name));
}

/* True: ours, and what follows is done on this one only. Otherwise the step has ended. */
static bool heard_hosting(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);
    bool taken = false;

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, false, "volume %s is not there", talk->step->volume->name);
    } else if (meaning == GLUSTER_DONE) {
        taken = gluster_take(talk, &volumes.items[0], reply);
        gluster_volumes_fini(&volumes);
    }
    return taken;
}

/* ---- what it says of a block volume, as the step's result ---- */

/* A text of three digits can stand for old and new size alike; then it counts as grown: what is charged is rather too
 * much than too little, and what is usable rather too little. */
static uint32_t size_of(const struct step_talk *talk, const struct block_size *size)
{
    const struct store_block_volume *block = talk->step->block;

    if (block->new_gib > 0 && block_size_is(size, block->new_gib)) {
        return block->new_gib;
    }
    return block_size_is(size, block->size_gib) ? block->size_gib : block_size_gib(size);
}

static bool set_text(char *to, size_t size, const char *text)
{
    return (size_t)snprintf(to, size, "%s", text) < size;
}

/* gluster-block makes a UUID for each block volume. */
static bool is_gbid(const char *text)
{
    size_t i;

    for (i = 0; text[i] != '\0'; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : isxdigit((unsigned char)text[i]) == 0) {
            return false;
        }
    }
    return i == 36;
}

static void done_with(struct step_talk *talk, const struct block_answer *answer)
{
    struct exec_block_info *info = &talk->result.block;
    CLEANUP(free_ptr) char *iqn = mem_printf(IQN_PREFIX "%s", answer->gbid);
    const char *user = *answer->password != '\0' ? answer->gbid : "";

    if (!is_gbid(answer->gbid) || !set_text(info->iqn, sizeof(info->iqn), iqn) ||
        !set_text(info->user, sizeof(info->user), user) ||
        !set_text(info->password, sizeof(info->password), answer->password)) {
        step_fail(talk, E_REMOTE, false, "gluster-block's answer has no GBID, or what is none");
        return;
    }
    info->present = true;
    info->size_gib = info->usable_gib = size_of(talk, &answer->size);
    if (answer->resize_failed) {
        info->usable_gib = answer->smallest.high > 0 && block_size_gib(&answer->smallest) < info->size_gib
                               ? block_size_gib(&answer->smallest)
                               : talk->step->block->usable_gib;
    }
    store_strs_copy(&info->hosts, &answer->hosts);
    step_done(talk);
}

/* ---- look: whose is the hosting volume? -> look ---- */

static void look_heard(struct step_talk *talk, const struct step_reply *reply)
{
    struct block_answer answer;

    if (!heard_info(talk, reply, &answer)) {
        return;
    }
    if (answer.failed) {
        step_done(talk);
    } else {
        done_with(talk, &answer);
    }
    block_answer_fini(&answer);
}

/* Nothing is there on somebody else's volume. */
static void look_hosting_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);

    if (meaning == GLUSTER_DONE && gluster_owner(talk->step, &volumes.items[0]) != GLUSTER_FOREIGN) {
        ask_path(talk, look_heard, "info");
    } else if (meaning == GLUSTER_DONE || meaning == GLUSTER_ABSENT) {
        step_done(talk);
    }
    if (meaning == GLUSTER_DONE) {
        gluster_volumes_fini(&volumes);
    }
}

void step_block_look(struct step_talk *talk)
{
    ask_hosting(talk, look_hosting_looked);
}

/* ---- create: whose is the hosting volume? -> look -> (half made: delete ->) create -> look ---- */

static bool is_as_asked(const struct step_talk *talk, const struct block_answer *answer)
{
    const struct store_block_volume *block = talk->step->block;

    return block_size_is(&answer->size, block->size_gib) && block->auth == (*answer->password != '\0');
}

/* By as many hosts as asked. Which ones has been chosen for each try: those of an earlier one are as good. */
static bool is_exported(const struct step_talk *talk, const struct block_answer *answer)
{
    size_t n = talk->step->hosts->n;

    return is_as_asked(talk, answer) && answer->ha_count == n && answer->hosts.n == n;
}

/* By those of this try, each of them once. */
static bool is_exported_now(const struct step_talk *talk, const struct block_answer *answer)
{
    const struct store_strs *hosts = talk->step->hosts;

    for (size_t i = 0; i < hosts->n; i++) {
        bool named = false;

        for (size_t j = 0; j < answer->hosts.n; j++) {
            named = named || strcmp(answer->hosts.items[j], hosts->items[i]) == 0;
        }
        if (!named) {
            return false;
        }
    }
    return is_exported(talk, answer);
}

static void create_looked_again(struct step_talk *talk, const struct step_reply *reply)
{
    struct block_answer answer;

    if (!heard_info(talk, reply, &answer)) {
        return;
    }
    if (answer.failed || answer.half_made || !is_exported_now(talk, &answer)) {
        step_fail(talk, E_REMOTE, false, "gluster-block has made %s otherwise than it was asked to",
                  talk->step->block->name);
    } else {
        done_with(talk, &answer);
    }
    block_answer_fini(&answer);
}

static void create_created(struct step_talk *talk, const struct step_reply *reply)
{
    if (heard_done(talk, reply, false)) {
        ask_path(talk, create_looked_again, "info");
    }
}

static void create_absent(struct step_talk *talk)
{
    const struct store_block_volume *block = talk->step->block;
    const struct store_strs *hosts = talk->step->hosts;
    CLEANUP(free_ptr) char *path = path_of(talk);
    CLEANUP(free_ptr) char *count = mem_printf("%zu", hosts->n);
    CLEANUP(free_ptr) char *size = mem_printf("%uGiB", block->size_gib);
    CLEANUP(buf_fini) struct buf list = BUF_INIT;

    for (size_t i = 0; i < hosts->n; i++) {
        buf_printf(&list, "%s%s", i > 0 ? "," : "", hosts->items[i]);
    }
    block_ask(talk, create_created,
              GLUSTER_WORDS("create", path, "ha", count, "auth", block->auth ? "enable" : "disable", "prealloc",
                            talk->config->block_prealloc, buf_str(&list), size));
}

static void create_deleted(struct step_talk *talk, const struct step_reply *reply)
{
    if (heard_done(talk, reply, true)) {
        create_absent(talk);
    }
}

static void create_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct block_answer answer;

    if (!heard_info(talk, reply, &answer)) {
        return;
    }
    if (answer.failed) {
        create_absent(talk);
    } else if (answer.half_made) { /* by an earlier try that was cut short */
        ask_path(talk, create_deleted, "delete");
    } else if (!is_exported(talk, &answer)) {
        step_fail(talk, E_REMOTE, true, "block volume %s exists on %s already, and is another one",
                  talk->step->block->name, talk->step->volume->name);
    } else {
        done_with(talk, &answer);
    }
    block_answer_fini(&answer);
}

static void create_hosting_looked(struct step_talk *talk, const struct step_reply *reply)
{
    if (heard_hosting(talk, reply)) {
        ask_path(talk, create_looked, "info");
    }
}

void step_block_create(struct step_talk *talk)
{
    ask_hosting(talk, create_hosting_looked);
}

/* ---- expand: whose is the hosting volume? -> look -> modify -> look ---- */

static void expand_looked_again(struct step_talk *talk, const struct step_reply *reply)
{
    struct block_answer answer;

    if (!heard_info(talk, reply, &answer)) {
        return;
    }
    if (answer.failed) {
        refused(talk, &answer);
    } else if (answer.resize_failed || !block_size_is(&answer.size, talk->step->block->new_gib)) {
        step_fail(talk, E_REMOTE, false, "block volume %s has not grown on all of its hosts", talk->step->block->name);
    } else {
        done_with(talk, &answer);
    }
    block_answer_fini(&answer);
}

static void expand_modified(struct step_talk *talk, const struct step_reply *reply)
{
    struct block_answer answer;

    if (!heard_answer(talk, reply, block_json_result, &answer)) {
        return;
    }
    if (answer.failed && strstr(answer.text, "is same as current size") == NULL) {
        refused(talk, &answer);
    } else {
        ask_path(talk, expand_looked_again, "info");
    }
    block_answer_fini(&answer);
}

static void expand_looked(struct step_talk *talk, const struct step_reply *reply)
{
    const struct store_block_volume *block = talk->step->block;
    CLEANUP(free_ptr) char *path = path_of(talk);
    CLEANUP(free_ptr) char *size = mem_printf("%uGiB", block->new_gib);
    struct block_answer answer;

    if (!heard_info(talk, reply, &answer)) {
        return;
    }
    if (answer.failed) {
        step_fail(talk, E_REMOTE, true, "%s", answer.text);
    } else if (!answer.resize_failed && block_size_is(&answer.size, block->new_gib) &&
               !block_size_is(&answer.size, block->size_gib)) {
        done_with(talk, &answer);
    } else {
        block_ask(talk, expand_modified, GLUSTER_WORDS("modify", path, "size", size));
    }
    block_answer_fini(&answer);
}

static void expand_hosting_looked(struct step_talk *talk, const struct step_reply *reply)
{
    if (heard_hosting(talk, reply)) {
        ask_path(talk, expand_looked, "info");
    }
}

void step_block_expand(struct step_talk *talk)
{
    ask_hosting(talk, expand_hosting_looked);
}

/* ---- delete: whose is the hosting volume? -> look -> delete -> look ---- */

static void delete_looked_again(struct step_talk *talk, const struct step_reply *reply)
{
    struct block_answer answer;

    if (!heard_info(talk, reply, &answer)) {
        return;
    }
    if (answer.failed) {
        step_done(talk);
    } else {
        step_fail(talk, E_REMOTE, false, "block volume %s is still there", talk->step->block->name);
    }
    block_answer_fini(&answer);
}

static void delete_deleted(struct step_talk *talk, const struct step_reply *reply)
{
    if (heard_done(talk, reply, true)) {
        ask_path(talk, delete_looked_again, "info");
    }
}

static void delete_looked(struct step_talk *talk, const struct step_reply *reply)
{
    bool undo = *talk->step->block->iqn == '\0'; /* its create has not ended */
    struct block_answer answer;

    if (!heard_info(talk, reply, &answer)) {
        return;
    }
    if (answer.failed || (undo && !answer.half_made && !is_as_asked(talk, &answer))) {
        step_done(talk);
    } else {
        ask_path(talk, delete_deleted, "delete");
    }
    block_answer_fini(&answer);
}

static void delete_hosting_looked(struct step_talk *talk, const struct step_reply *reply)
{
    struct gluster_volumes volumes;

    switch (gluster_heard_volume(talk, reply, &volumes)) {
    case GLUSTER_DONE:
        if (gluster_owner(talk->step, &volumes.items[0]) == GLUSTER_FOREIGN && *talk->step->block->iqn == '\0') {
            step_done(talk); /* of a create that has not ended, nothing is there */
        } else if (gluster_take(talk, &volumes.items[0], reply)) {
            ask_path(talk, delete_looked, "info");
        }
        gluster_volumes_fini(&volumes);
        break;
    case GLUSTER_ABSENT:
        step_done(talk);
        break;
    default:
        break;
    }
}

void step_block_delete(struct step_talk *talk)
{
    ask_hosting(talk, delete_hosting_looked);
}

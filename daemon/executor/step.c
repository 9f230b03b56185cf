#include "daemon/executor/step.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/words.h"

#define GLUSTER_EXTRA_MS 120000
#define DEVICE_TIMEOUT_MS 300000
#define BRICK_TIMEOUT_MS 600000
#define CHECK_TIMEOUT_MS 15000
#define INVENTORY_TIMEOUT_MS 300000
#define FENCE_TIMEOUT_MS 130000
#define COMMAND_MAX 130000 /* bytes: of one argument Linux takes 128 KiB */
#define CALLS_MAX 500      /* in one conversation */

/* ---- steps of one line ---- */

static void glusterd_check(struct step_talk *talk)
{
    /* Looks only: no lock, no fence. */
    talk->heard = step_heard_all;
    buf_append_str(
        &talk->script,
        "exec </dev/null\nsystemctl is-active --quiet glusterd || { echo 'glusterd does not run' >&2; exit 1; }\n");
}

static void fence(struct step_talk *talk)
{
    talk->heard = step_heard_all;
    script_fence(talk->config, talk->step, &talk->script);
}

/* ---- the table ---- */

enum needs { /* what of the step must be there, and is checked */
             PEER = 1,
             DEVICE = 2,
             BRICK = 4, /* one */
             VOLUME = 8,
             BRICKS = 16, /* any number */
             BLOCK = 32,  /* a block volume, with its hosting volume */
             SOURCE = 64, /* name of another volume */
             HOSTS = 128, /* of other nodes */
};

struct kind {
    const char *name;
    void (*begin)(struct step_talk *talk);
    unsigned needs;
    uint32_t timeout_ms; /* 0: as long as a Gluster command may take, and some more */
};

static const struct kind kinds[] = {
    [EXEC_GLUSTERD_CHECK] = {"glusterd-check", glusterd_check, 0, CHECK_TIMEOUT_MS},
    [EXEC_FENCE] = {"fence", fence, 0, FENCE_TIMEOUT_MS},
    [EXEC_INVENTORY] = {"inventory", step_inventory, 0, INVENTORY_TIMEOUT_MS},
    [EXEC_PEER_PROBE] = {"peer-probe", step_peer_probe, PEER, 0},
    [EXEC_PEER_DETACH] = {"peer-detach", step_peer_detach, PEER, 0},
    [EXEC_PEER_FORGET] = {"peer-forget", step_peer_detach, PEER, 0},
    [EXEC_DEVICE_SETUP] = {"device-setup", step_device_setup, DEVICE, DEVICE_TIMEOUT_MS},
    [EXEC_DEVICE_TEARDOWN] = {"device-teardown", step_device_teardown, DEVICE, DEVICE_TIMEOUT_MS},
    [EXEC_DEVICE_LOOK] = {"device-look", step_device_look, DEVICE, DEVICE_TIMEOUT_MS},
    [EXEC_NODE_RENEW] = {"node-renew", step_node_renew, PEER | HOSTS, DEVICE_TIMEOUT_MS},
    [EXEC_DEVICE_LOST] = {"device-lost", step_device_lost, DEVICE, DEVICE_TIMEOUT_MS},
    [EXEC_DEVICE_RENEW] = {"device-renew", step_device_renew, DEVICE, DEVICE_TIMEOUT_MS},
    [EXEC_BRICK_RESET] = {"brick-reset", step_brick_reset, VOLUME | BRICKS, 0},
    [EXEC_BRICK_CREATE] = {"brick-create", step_brick_create, BRICK, BRICK_TIMEOUT_MS},
    [EXEC_BRICK_SYNC] = {"brick-sync", step_brick_sync, BRICK, BRICK_TIMEOUT_MS},
    [EXEC_BRICK_DESTROY] = {"brick-destroy", step_brick_destroy, BRICK, BRICK_TIMEOUT_MS},
    [EXEC_VOLUME_CREATE] = {"volume-create", step_volume_create, VOLUME | BRICKS, 0},
    [EXEC_HEAL_CHECK] = {"heal-check", step_heal_check, VOLUME | BRICKS, 0},
    [EXEC_BRICK_REPLACE] = {"brick-replace", step_brick_replace, VOLUME | BRICKS, 0},
    [EXEC_BRICK_UNREPLACED] = {"brick-unreplaced", step_brick_unreplaced, VOLUME | BRICKS, 0},
    [EXEC_HEAL_WAIT] = {"heal-wait", step_heal_wait, VOLUME | BRICKS, 0},
    [EXEC_VOLUME_DELETE] = {"volume-delete", step_volume_delete, VOLUME, 0},
    [EXEC_BLOCK_CREATE] = {"block-create", step_block_create, BLOCK, 0},
    [EXEC_BLOCK_EXPAND] = {"block-expand", step_block_expand, BLOCK, 0},
    [EXEC_BLOCK_LOOK] = {"block-look", step_block_look, BLOCK, 0},
    [EXEC_BLOCK_DELETE] = {"block-delete", step_block_delete, BLOCK, 0},
    [EXEC_VOLUME_EXPAND] = {"volume-expand", step_volume_expand, VOLUME | BRICKS, 0},
    [EXEC_VOLUME_LOOK] = {"volume-look", step_volume_look, VOLUME | BRICKS, 0},
    [EXEC_REBALANCE_START] = {"rebalance-start", step_rebalance_start, VOLUME, 0},
    [EXEC_REBALANCE_STATUS] = {"rebalance-status", step_rebalance_status, VOLUME, 0},
    [EXEC_VOLUME_CLONE] = {"volume-clone", step_volume_clone, VOLUME | BRICKS | SOURCE, 0},
    [EXEC_CLONE_START] = {"clone-start", step_clone_start, VOLUME, 0},
    [EXEC_SNAPSHOT_DELETE] = {"snapshot-delete", step_snapshot_delete, VOLUME, 0},
    [EXEC_VOLUME_CHECK] = {"volume-check", step_volume_check, VOLUME | BRICKS, 0},
};

static const struct kind *kind_of(enum exec_step_kind kind)
{
    CHECK_MSG((size_t)kind < sizeof(kinds) / sizeof(*kinds) && kinds[kind].begin != NULL, "unknown step %d", (int)kind);
    return &kinds[kind];
}

const char *exec_step_name(enum exec_step_kind kind)
{
    return kind_of(kind)->name;
}

uint32_t step_timeout_ms(const struct exec_config *config, const struct exec_step *step)
{
    const struct kind *kind = kind_of(step->kind);

    if (step->timeout_ms != 0) {
        return step->timeout_ms;
    }
    return kind->timeout_ms != 0 ? kind->timeout_ms : config->gluster_timeout_s * 1000 + GLUSTER_EXTRA_MS;
}

int step_check(const struct exec_config *config, const struct exec_step *step, struct err *reterr)
{
    unsigned needs = kind_of(step->kind)->needs;
    int rc = exec_config_check(config, reterr);

    CHECK((needs & BRICK) == 0 || step->n_bricks == 1);
    if (rc == 0 && (needs & PEER) != 0) {
        rc = script_check_host(step->peer, reterr);
    }
    if (rc == 0 && (needs & DEVICE) != 0) {
        rc = script_check_device(step->device, reterr);
    }
    if (rc == 0 && (needs & BLOCK) != 0) {
        rc = script_check_volume_name("block volume", step->block->name, reterr);
    }
    for (size_t i = 0; rc == 0 && (needs & (BLOCK | HOSTS)) != 0 && i < step->hosts->n; i++) {
        rc = script_check_host(step->hosts->items[i], reterr);
    }
    if (rc == 0 && ((needs & (VOLUME | BLOCK)) != 0 || step->volume != NULL)) {
        rc = script_check_volume_name("volume name", step->volume->name, reterr);
    }
    if (rc == 0 && (needs & SOURCE) != 0) {
        rc = script_check_volume_name("volume name", step->source, reterr);
    }
    for (size_t i = 0; rc == 0 && (needs & (BRICK | BRICKS)) != 0 && i < step->n_bricks; i++) {
        rc = script_check_brick(&step->bricks[i], reterr);
    }
    if (rc == 0 && step->old_brick.brick != NULL) {
        rc = script_check_brick(&step->old_brick, reterr);
    }
    if (rc == 0 && step->new_brick.brick != NULL) {
        rc = script_check_brick(&step->new_brick, reterr);
    }
    return rc;
}

/* ---- words of a script ---- */

static bool is_fit(struct step_talk *talk, const char *text)
{
    struct err err = ERR_INIT;

    if (store_word_check(text, &err) == 0) {
        return true;
    }
    if (talk->unfit.code == 0) {
        talk->unfit = err;
    }
    return false;
}

void step_word(struct step_talk *talk, const char *word)
{
    if (is_fit(talk, word)) {
        buf_append_char(&talk->script, ' ');
        store_word_quote(&talk->script, word);
    }
}

void step_set(struct step_talk *talk, const char *name, const char *value)
{
    if (is_fit(talk, value)) {
        script_set(&talk->script, name, value);
    }
}

/* The script becomes one quoted argument. */
static size_t argument_len(const struct buf *script)
{
    size_t len = script->len;

    for (size_t i = 0; i < script->len; i++) {
        len += script->data[i] == '\'' ? 3 : 0;
    }
    return len;
}

/* Ends the step instead of asking what must not be asked. */
static void look_over(struct step_talk *talk)
{
    if (!talk->ended && talk->unfit.code == 0 && argument_len(&talk->script) > COMMAND_MAX) {
        (void)err_set(&talk->unfit, E_INVALID, "the command has %zu bytes, at most %d are supported",
                      argument_len(&talk->script), COMMAND_MAX);
    }
    if (!talk->ended && talk->unfit.code != 0) {
        talk->heard = NULL;
        talk->piece = NULL;
        buf_clear(&talk->script);
        step_fail(talk, E_REMOTE, true, "%s of %s was not asked for: %s", kind_of(talk->step->kind)->name,
                  talk->step->host != NULL ? talk->step->host : "a node", talk->unfit.message);
    }
}

/* ---- the conversation ---- */

char *step_brick_name(const struct exec_brick *item)
{
    CLEANUP(free_ptr) char *path = store_brick_path(item->brick);

    return mem_printf("%s:%s", item->storage_host, path);
}

void step_begin(struct step_talk *talk, const struct exec_config *config, const struct exec_step *step)
{
    *talk = (struct step_talk){.config = config, .step = step, .script = BUF_INIT};
    kind_of(step->kind)->begin(talk);
    CHECK(talk->heard != NULL && talk->script.len > 0);
    look_over(talk);
}

void step_hear(struct step_talk *talk, const struct step_reply *reply)
{
    step_heard_fn heard = talk->heard;

    CHECK(!talk->ended && heard != NULL);
    talk->heard = NULL;
    talk->piece = NULL;
    buf_clear(&talk->script);
    if (++talk->calls >= CALLS_MAX) { /* how long it goes on is up to what the node says */
        step_fail(talk, E_REMOTE, false, "the node was asked %d times and still does not say how it ends", CALLS_MAX);
        return;
    }
    heard(talk, reply);
    CHECK(talk->ended != (talk->heard != NULL));
    look_over(talk);
}

bool step_in_pieces(const struct step_talk *talk)
{
    return talk->piece != NULL;
}

bool step_piece(struct step_talk *talk, const char *data, size_t len)
{
    CHECK(!talk->ended && talk->piece != NULL);
    return talk->refused.code == 0 && talk->piece(talk, data, len);
}

void step_fini(struct step_talk *talk)
{
    if (talk->reading_free != NULL) {
        talk->reading_free(talk->reading);
    }
    buf_fini(&talk->script);
    exec_result_fini(&talk->result);
}

struct buf *step_call(struct step_talk *talk, step_heard_fn heard)
{
    CHECK(!talk->ended && talk->heard == NULL);
    talk->heard = heard;
    script_begin(talk->config, talk->step, &talk->script);
    return &talk->script;
}

void step_done(struct step_talk *talk)
{
    CHECK(!talk->ended);
    talk->ended = true;
    talk->result.code = E_OK;
}

void step_fail(struct step_talk *talk, int code, bool permanent, const char *fmt, ...)
{
    struct exec_result *result = &talk->result;
    size_t len;
    va_list args;

    CHECK(!talk->ended && code != E_OK);
    talk->ended = true;
    result->code = code;
    result->permanent = permanent;
    va_start(args, fmt);
    text_vprint(result->message, sizeof(result->message), fmt, args);
    va_end(args);
    for (len = strlen(result->message); len > 0 && strchr("\n ", result->message[len - 1]) != NULL;) {
        result->message[--len] = '\0';
    }
}

static int code_of(int status)
{
    switch (status) {
    case SCRIPT_BUSY:
        return E_BUSY;
    case SCRIPT_FENCED:
        return E_FENCED;
    case SCRIPT_FOREIGN:
        return E_AUTH;
    case SCRIPT_DAMAGED:
        return E_DAMAGED;
    case SCRIPT_TIMEOUT:
    case SCRIPT_KILLED:
        return E_TIMEOUT;
    default:
        return E_REMOTE;
    }
}

bool step_failed(struct step_talk *talk, const struct step_reply *reply)
{
    if (reply->status == SCRIPT_OK) {
        return false;
    }
    if (reply->error[strspn(reply->error, "\n ")] != '\0') {
        step_fail(talk, code_of(reply->status), reply->status == SCRIPT_PERMANENT, "%s", reply->error);
    } else {
        step_fail(talk, code_of(reply->status), reply->status == SCRIPT_PERMANENT, "process exited with status %d",
                  reply->status);
    }
    talk->result.cause = reply->status == SCRIPT_DAMAGED   ? EXEC_CAUSE_FENCE_DAMAGED
                         : reply->status == SCRIPT_FOREIGN ? EXEC_CAUSE_FOREIGN
                                                           : EXEC_CAUSE_NONE;
    return true;
}

void step_heard_all(struct step_talk *talk, const struct step_reply *reply)
{
    if (!step_failed(talk, reply)) {
        step_done(talk);
    }
}

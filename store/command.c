#include "store/command.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/codec_priv.h"
#include "store/level.h"

#define CMD_VERSION 1

void store_cmd_init(struct store_cmd *cmd, enum store_cmd_type type)
{
    schema_init(&schema_cmd, cmd);
    cmd->type = type;
}

void store_cmd_fini(struct store_cmd *cmd)
{
    schema_fini(&schema_cmd, cmd);
}

static bool fits(const char *text)
{
    return text == NULL || (strlen(text) <= STORE_TEXT_MAX && text_is_clean(text));
}

/* Texts from the world outside (errors of commands) are made clean and cut here, before they are in the log. What is
 * in logs of older releases stays as it is: apply must do with it what those did. */
static bool all_fit(const struct store_cmd *cmd)
{
    bool fit = fits(cmd->text);

    for (size_t i = 0; i < cmd->n_parked; i++) {
        fit = fit && fits(cmd->parked[i].text);
    }
    return fit;
}

static void make_fit(char **text)
{
    char *clean;

    if (!fits(*text)) {
        clean = text_clean(*text, STORE_TEXT_MAX);
        free(*text);
        *text = clean;
    }
}

void store_cmd_encode(const struct store_cmd *cmd, struct buf *buf)
{
    struct store_cmd shorter;

    if (!all_fit(cmd)) {
        schema_copy(&schema_cmd, &shorter, cmd);
        make_fit(&shorter.text);
        for (size_t i = 0; i < shorter.n_parked; i++) {
            make_fit(&shorter.parked[i].text);
        }
        schema_encode_versioned(&schema_cmd, CMD_VERSION, &shorter, buf);
        store_cmd_fini(&shorter);
    } else {
        schema_encode_versioned(&schema_cmd, CMD_VERSION, cmd, buf);
    }
}

static bool known_op_type(enum store_op_type type)
{
    switch (type) {
    case STORE_OP_CREATE_VOLUME:
    case STORE_OP_DELETE_VOLUME:
    case STORE_OP_CREATE_BLOCK:
    case STORE_OP_DELETE_BLOCK:
    case STORE_OP_EXPAND_BLOCK:
    case STORE_OP_EXPAND_VOLUME:
    case STORE_OP_CLONE_VOLUME:
    case STORE_OP_NODE_ADD:
    case STORE_OP_NODE_DELETE:
    case STORE_OP_DEVICE_ADD:
    case STORE_OP_DEVICE_DELETE:
    case STORE_OP_DEVICE_RESYNC:
    case STORE_OP_REMOVE_DEVICE:
    case STORE_OP_EVICT_BRICK:
    case STORE_OP_NODE_REMOVE:
    case STORE_OP_DEVICE_REPLACE:
    case STORE_OP_NODE_REPLACE:
        return true;
    case STORE_OP_CLEAN_BRICKS: /* these are begun by an OP_END */
    case STORE_OP_CLEAN_DEVICE:
    case STORE_OP_REBALANCE:
        break;
    }
    return false;
}

/* Numbers in the range of the known ones, yet not known: the codec does not see the gaps. */
static bool known(const struct store_cmd *cmd)
{
    switch (cmd->type) {
    case STORE_CMD_OP_BEGIN:
        return known_op_type(cmd->op_type);
    case STORE_CMD_NOOP:
    case STORE_CMD_CLUSTER_CREATE:
    case STORE_CMD_CLUSTER_FLAGS:
    case STORE_CMD_CLUSTER_DELETE:
    case STORE_CMD_TAGS:
    case STORE_CMD_SET_STATE:
    case STORE_CMD_OP_REPLAN:
    case STORE_CMD_OP_UNDO:
    case STORE_CMD_OP_PARKED:
    case STORE_CMD_OP_END:
    case STORE_CMD_EXPIRE_JOBS:
    case STORE_CMD_REPEAT:
    case STORE_CMD_SETTINGS:
    case STORE_CMD_JOB:
    case STORE_CMD_OP_LEARN:
    case STORE_CMD_OP_REDO:
    case STORE_CMD_RESTRICT:
    case STORE_CMD_ORDER:
    case STORE_CMD_LOAD:
    case STORE_CMD_LOAD_ABORT:
    case STORE_CMD_OP_MOVED:
    case STORE_CMD_OP_FORWARD:
    case STORE_CMD_LEVEL:
    case STORE_CMD_TOLD:
    case STORE_CMD_TAKE_OVER:
        return true;
    }
    return false;
}

/* The id is not repeated in each brick. */
static void own_bricks(struct store_volume *volume)
{
    for (size_t i = 0; i < volume->n_bricks; i++) {
        volume->bricks[i].volume = volume->id;
    }
}

/* What the numbers alone say. */
static int check_known(const struct store_cmd *cmd, struct err *reterr)
{
    if (!known(cmd)) {
        return err_set(reterr, E_UNSUPPORTED, "unknown command %u of operation type %u", (unsigned)cmd->type,
                       (unsigned)cmd->op_type);
    }
    if (cmd->type == STORE_CMD_LEVEL && cmd->settings.feature_level > STORE_LEVEL_MAX) {
        return err_set(reterr, E_UNSUPPORTED, "feature level %u; this release knows levels up to %d",
                       cmd->settings.feature_level, STORE_LEVEL_MAX);
    }
    return 0;
}

int store_cmd_judge(const void *data, size_t len, struct err *reterr)
{
    struct codec_cost cost;
    struct store_cmd numbers;
    int rc;

    if (len > STORE_CMD_MAX_BYTES) {
        return err_set(reterr, E_DAMAGED, "a command of %zu bytes", len);
    }
    rc = schema_judge_versioned(&schema_cmd, CMD_VERSION, data, len, &numbers, &cost, reterr);
    if (rc == 0 && (cost.items > STORE_CMD_MAX_ITEMS || cost.bytes > STORE_CMD_MAX_DECODED)) {
        rc = err_set(reterr, E_DAMAGED, "a command of %zu things, which take %llu bytes", cost.items,
                     (unsigned long long)cost.bytes);
    }
    return rc == 0 ? check_known(&numbers, reterr) : rc;
}

int store_cmd_decode(const void *data, size_t len, struct store_cmd *ret_cmd, struct err *reterr)
{
    int rc;

    if (len > STORE_CMD_MAX_BYTES) {
        return err_set(reterr, E_DAMAGED, "a command of %zu bytes", len);
    }
    rc = schema_decode_versioned(&schema_cmd, CMD_VERSION, data, len, ret_cmd, reterr);
    if (rc != 0) {
        return rc;
    }
    own_bricks(&ret_cmd->volume);
    for (size_t i = 0; i < ret_cmd->load.n_volumes; i++) {
        own_bricks(&ret_cmd->load.volumes[i]);
    }
    for (size_t i = 0; i < ret_cmd->load.n_operations; i++) {
        struct store_operation *op = &ret_cmd->load.operations[i];

        for (size_t j = 0; j < op->n_abandoned; j++) {
            op->abandoned[j].volume = op->target;
        }
    }
    rc = check_known(ret_cmd, reterr);
    if (rc != 0) {
        store_cmd_fini(ret_cmd);
    }
    return rc;
}

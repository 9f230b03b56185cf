/* store_apply: check, then commit. A check sees only the state and the command and changes nothing, so a refusal leaves
 * no trace; a commit cannot fail. The planner asks the same checks, so that its texts are those of apply. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/level.h"
#include "store/store_priv.h"

typedef enum store_code (*check_fn)(const struct store *store, const struct store_cmd *cmd,
                                    struct store_result *result);
typedef void (*commit_fn)(struct store *store, uint64_t index, const struct store_cmd *cmd);

struct rule {
    check_fn check;
    commit_fn commit;
};

static enum store_code check_noop(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    (void)store;
    (void)cmd;
    (void)result;
    return STORE_OK;
}

static void commit_noop(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)store;
    (void)index;
    (void)cmd;
}

static const struct rule rules[] = {
    [STORE_CMD_NOOP] = {check_noop, commit_noop},
    [STORE_CMD_CLUSTER_CREATE] = {check_cluster_create, commit_cluster_create},
    [STORE_CMD_CLUSTER_FLAGS] = {check_cluster_flags, commit_cluster_flags},
    [STORE_CMD_CLUSTER_DELETE] = {check_cluster_delete, commit_cluster_delete},
    [STORE_CMD_TAGS] = {check_tags, commit_tags},
    [STORE_CMD_SET_STATE] = {check_set_state, commit_set_state},
    [STORE_CMD_OP_BEGIN] = {check_op_begin, commit_op_begin},
    [STORE_CMD_OP_REPLAN] = {check_op_replan, commit_op_replan},
    [STORE_CMD_OP_UNDO] = {check_op_undo, commit_op_undo},
    [STORE_CMD_OP_PARKED] = {check_op_parked, commit_op_parked},
    [STORE_CMD_OP_END] = {check_op_end, commit_op_end},
    [STORE_CMD_EXPIRE_JOBS] = {check_expire, commit_expire},
    [STORE_CMD_REPEAT] = {check_repeat, commit_repeat},
    [STORE_CMD_SETTINGS] = {check_settings, commit_settings},
    [STORE_CMD_LOAD] = {check_load, NULL},
    [STORE_CMD_LOAD_ABORT] = {check_load_abort, commit_load_abort},
    [STORE_CMD_JOB] = {check_empty_job, commit_empty_job},
    [STORE_CMD_OP_LEARN] = {check_op_learn, commit_op_learn},
    [STORE_CMD_OP_REDO] = {check_op_redo, commit_op_redo},
    [STORE_CMD_RESTRICT] = {check_restrict, commit_restrict},
    [STORE_CMD_ORDER] = {check_order, commit_order},
    [STORE_CMD_OP_MOVED] = {check_op_moved, commit_op_moved},
    [STORE_CMD_OP_FORWARD] = {check_op_forward, commit_op_forward},
    [STORE_CMD_LEVEL] = {check_level, commit_level},
    [STORE_CMD_TOLD] = {check_told, commit_told},
    [STORE_CMD_TAKE_OVER] = {check_take_over, commit_take_over},
};

static const struct rule *rule_of(const struct store_cmd *cmd)
{
    size_t type = (size_t)cmd->type;

    /* Decoding refuses unknown types; a member that does not know one must stop, not skip. */
    CHECK_MSG(type < sizeof(rules) / sizeof(rules[0]) && rules[type].check != NULL, "unknown command %zu", type);
    return &rules[type];
}

enum store_code refuse(struct store_result *result, enum store_code code, const char *fmt, ...)
{
    va_list args;

    result->code = code;
    va_start(args, fmt);
    text_vprint(result->text, sizeof(result->text), fmt, args);
    va_end(args);
    return code;
}

/* May be applied while a load is under way. */
static bool fits_load(enum store_cmd_type type)
{
    return type == STORE_CMD_LOAD || type == STORE_CMD_LOAD_ABORT || type == STORE_CMD_SETTINGS ||
           type == STORE_CMD_LEVEL || type == STORE_CMD_EXPIRE_JOBS || type == STORE_CMD_NOOP;
}

enum store_code apply_check(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    memset(result, 0, sizeof(*result));
    if (store_cmd_level(cmd) > store_level(store)) {
        return refuse(result, STORE_BAD_REQUEST, "This needs feature level %u; the cluster is at %u",
                      store_cmd_level(cmd), store_level(store));
    }
    if (!id_is_none(store->settings.rec.load) && !fits_load(cmd->type)) {
        return refuse(result, STORE_IN_USE, "The database is being loaded");
    }
    result->code = rule_of(cmd)->check(store, cmd, result);
    return result->code == STORE_OK ? check_new_ids(store, cmd, result) : result->code;
}

void store_apply(struct store *store, uint64_t index, const struct store_cmd *cmd, struct store_result *ret_result)
{
    CHECK_MSG(index > store->applied, "index %llu after %llu", (unsigned long long)index,
              (unsigned long long)store->applied);
    store->applied = index;
    if (apply_check(store, cmd, ret_result) != STORE_OK) {
        return;
    }
    if (cmd->type == STORE_CMD_LOAD) {
        commit_load(store, index, cmd, ret_result); /* the one commit that may find a reason against it */
    } else {
        rule_of(cmd)->commit(store, index, cmd);
    }
}

/* ---- request keys ---- */

enum store_code check_key(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct key_entry *known;

    if (cmd->key[0] == '\0') {
        return STORE_OK;
    }
    if (strlen(cmd->key) > STORE_KEY_MAX) {
        return refuse(result, STORE_BAD_REQUEST, "The idempotency key is longer than %d characters", STORE_KEY_MAX);
    }
    known = find_key(store, cmd->key);
    if (known == NULL) {
        return STORE_OK;
    }
    if (!id_equal(known->rec.fingerprint, cmd->fingerprint)) {
        return refuse(result, STORE_CONFLICT, "The idempotency key was used before for another request");
    }
    result->id = known->rec.object;
    result->op_id = known->rec.op_id;
    return STORE_REPEATED;
}

/* Refused, not answered without being remembered: the same key again, when what it named is gone, would make it anew.
 */
enum store_code check_key_room(const struct store *store, struct id op_id, struct store_result *result)
{
    struct key_entry *key = id_is_none(op_id) ? NULL : find_op_key(store, op_id);
    size_t n = 0;

    for (; key != NULL && id_equal(key->rec.op_id, op_id); key = RB_NEXT(key_op_tree, NULL, key)) {
        if (++n == STORE_JOB_KEYS_MAX) {
            return refuse(result, STORE_CONFLICT,
                          "This was asked for with %d idempotency keys already: repeat it with one of them, or "
                          "without",
                          STORE_JOB_KEYS_MAX);
        }
    }
    if (store->n_keys >= STORE_KEYS_MAX) {
        return refuse(result, STORE_TOO_BUSY,
                      "%d idempotency keys are remembered: repeat this later, or with the first one's, or without",
                      STORE_KEYS_MAX);
    }
    return STORE_OK;
}

void commit_key(struct store *store, const struct store_cmd *cmd, struct id op_id, struct id object)
{
    struct store_request_key key = {.key = cmd->key, .fingerprint = cmd->fingerprint, .op_id = op_id};

    if (cmd->key[0] == '\0') {
        return;
    }
    key.id = fingerprint_key(cmd->key);
    key.object = object;
    key.time_ms = cmd->time_ms;
    CHECK(insert_key(store, &key, NULL) == 0);
}

/* ---- jobs ---- */

void commit_job(struct store *store, const struct store_job *job)
{
    struct store_job copy = *job;
    CLEANUP(free_ptr) char *error = mem_strndup(job->error != NULL ? job->error : "", STORE_TEXT_MAX);

    copy.error = error;
    CHECK(insert_job(store, &copy, NULL) == 0);
}

enum store_code check_expire(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    return check_noop(store, cmd, result);
}

/* False: some of its keys are left for the next command. */
static bool forget_keys(struct store *store, struct id op_id, int *left)
{
    bool counted = store_level(store) >= 2;
    struct key_entry *key;

    while ((key = find_op_key(store, op_id)) != NULL && (*left > 0 || !counted)) {
        remove_key(store, key);
        *left -= counted;
    }
    return key == NULL;
}

void commit_expire(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct job_entry *job, *next_job;
    struct key_entry *key;
    int left = STORE_EXPIRE_MAX; /* bounds the time of one command */

    (void)index;
    for (job = RB_MIN(job_end_tree, &store->jobs_by_end); job != NULL && left > 0; job = next_job, left--) {
        if (job->rec.ended_ms >= cmd->time_ms) {
            break;
        }
        next_job = RB_NEXT(job_end_tree, &store->jobs_by_end, job);
        if (!forget_keys(store, job->rec.id, &left)) {
            break;
        }
        remove_job(store, job);
    }
    /* Keys of what was done at once (clusters) have no job; they come oldest first, too. */
    for (left = STORE_EXPIRE_MAX; left > 0; left--) {
        key = find_op_key(store, ID_NONE);
        if (key == NULL || key->rec.time_ms >= cmd->time_ms) {
            break;
        }
        remove_key(store, key);
    }
}

/* ---- a repeated create of a volume, or a block volume, with the same explicit name and parameters; a repeated expand
 * ---- */

/* What the first request made, or false: it is gone, or going. */
static bool find_first(const struct store *store, const struct store_cmd *cmd, struct id *ret_created_by)
{
    const struct volume_entry *volume = find_volume(store, cmd->target);
    const struct block_entry *block = find_block(store, cmd->target);
    struct id fingerprint = volume != NULL ? volume->rec.fingerprint : block != NULL ? block->rec.fingerprint : ID_NONE;
    struct id pending = volume != NULL ? volume->rec.pending : block != NULL ? block->rec.pending : ID_NONE;

    *ret_created_by = volume != NULL ? volume->rec.created_by : block != NULL ? block->rec.created_by : ID_NONE;
    return !id_is_none(fingerprint) && id_equal(fingerprint, cmd->fingerprint) &&
           !pending_by(store, pending, STORE_OP_DELETE_VOLUME) && !pending_by(store, pending, STORE_OP_DELETE_BLOCK);
}

/* The expand that was taken for the first request runs, or has ended since. */
static bool is_expand(const struct store *store, const struct store_cmd *cmd)
{
    const struct op_entry *op = find_op(store, cmd->op_id);
    const struct job_entry *job = find_job(store, cmd->op_id);

    return op != NULL ? op->rec.type == STORE_OP_EXPAND_VOLUME && id_equal(op->rec.target, cmd->target)
                      : job != NULL && job->rec.type == STORE_OP_EXPAND_VOLUME;
}

enum store_code check_repeat(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    enum store_code code = check_key(store, cmd, result);
    struct id created_by;
    bool known;

    if (code == STORE_OK && cmd->key[0] != '\0' && store_level(store) >= 2) {
        code = check_key_room(store, cmd->op_id, result);
        code = code != STORE_OK && cmd->key_made ? STORE_STALE_PLAN : code; /* the next plan does without */
    }
    if (code != STORE_OK) {
        return code;
    }
    result->id = cmd->target;
    result->op_id = cmd->op_id;
    if (is_expand(store, cmd)) {
        return STORE_OK;
    }
    if (!find_first(store, cmd, &created_by) || id_is_none(cmd->op_id)) {
        return refuse(result, STORE_STALE_PLAN, "The volume has changed");
    }
    known = find_op(store, created_by) != NULL || find_job(store, created_by) != NULL;
    if (known ? !id_equal(cmd->op_id, created_by)
              : find_op(store, cmd->op_id) != NULL || find_job(store, cmd->op_id) != NULL) {
        return refuse(result, STORE_STALE_PLAN, "The volume's job has changed");
    }
    return STORE_OK;
}

static void answer_again(struct store *store, const struct store_cmd *cmd)
{
    struct volume_entry *volume = find_volume(store, cmd->target);
    struct block_entry *block = find_block(store, cmd->target);
    struct store_job job = {.id = cmd->op_id, .resource_id = cmd->target, .ended_ms = cmd->time_ms};

    job.resource = volume != NULL ? STORE_RES_VOLUME : STORE_RES_BLOCK_VOLUME;
    job.type = volume != NULL ? STORE_OP_CREATE_VOLUME : STORE_OP_CREATE_BLOCK;
    commit_job(store, &job);
    if (volume != NULL) {
        struct store_volume next = volume->rec;

        next.created_by = cmd->op_id;
        update_volume(store, volume, &next);
    } else {
        struct store_block_volume next = block->rec;

        next.created_by = cmd->op_id;
        update_block(store, block, &next);
    }
}

void commit_repeat(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    if (find_op(store, cmd->op_id) == NULL && find_job(store, cmd->op_id) == NULL) {
        answer_again(store, cmd);
    }
    commit_key(store, cmd, cmd->op_id, cmd->target);
}

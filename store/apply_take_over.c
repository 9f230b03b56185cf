/* A volume that was asked for without a name, and its repetition.
 *
 * Kubernetes' provisioner asks for a volume without a name and without a request key. When the answer is lost, or one
 * question for it, it gives up and asks for another one, with the same body: the first would be nobody's for ever. So
 * the repetition takes the first one's operation, or volume, over. A volume that is nobody's wastes space, one that two
 * claims share betrays data; so it must be certain that no other client can learn of it:
 *
 * - A volume is untold from its create on until somebody is about to be told of it: that is in the log (TOLD) before
 *   the answer leaves. What was told is never taken over, whether the answer arrived or not.
 * - The repetition gets a queue id of its own, and the one before it fails in the same command. Who still waits for it
 *   learns no more than that.
 *
 * When it happens is the leader's choice and matters less: not while somebody asks for the first one's result. If he
 * comes back after all, he is told that it failed, and asks for another volume.
 */
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store_priv.h"

#define CANDIDATES_MAX 64 /* equal requests that are looked at */

static int untold_cmp(const struct untold_entry *a, const struct untold_entry *b)
{
    int c = id_cmp(&a->volume->rec.fingerprint, &b->volume->rec.fingerprint);

    return c != 0 ? c : id_cmp(&a->volume->rec.id, &b->volume->rec.id);
}

RB_GENERATE(untold_tree, untold_entry, link, untold_cmp);

void untold_enter(struct store *store, struct volume_entry *volume)
{
    if (volume->rec.untold) {
        volume->untold = mem_calloc(1, sizeof(*volume->untold));
        volume->untold->volume = volume;
        RB_INSERT(untold_tree, &store->untold, volume->untold);
    }
}

void untold_leave(struct store *store, struct volume_entry *volume)
{
    struct untold_entry *entry = TAKE_PTR(volume->untold);

    if (entry != NULL) {
        RB_REMOVE(untold_tree, &store->untold, entry);
        free(entry);
    }
}

struct op_entry *find_answering(const struct store *store, struct id id)
{
    struct op_entry *op = NULL;

    if (store->n_taken_over == 0 || id_is_none(id)) {
        return NULL;
    }
    TREE_EACH (op, op_tree, &store->ops, by_id) {
        if (id_equal(op->rec.answers, id)) {
            break;
        }
    }
    return op;
}

/* The operation that makes the volume; NULL: it has ended. */
static struct op_entry *maker(const struct store *store, const struct volume_entry *volume)
{
    return find_op(store, volume->rec.created_by);
}

/* The queue id that answers for its creation. ID_NONE: none does any more, or it is not being made any more. */
static struct id answering(const struct store *store, const struct volume_entry *volume)
{
    const struct op_entry *op = maker(store, volume);
    const struct job_entry *job = find_job(store, volume->rec.created_by);

    if (op != NULL) {
        return op->rec.phase != STORE_OP_FORWARD ? ID_NONE : id_is_none(op->rec.answers) ? op->rec.id : op->rec.answers;
    }
    return job != NULL && !job->rec.failed && id_is_none(volume->rec.pending) ? job->rec.id : ID_NONE;
}

struct volume_entry *find_untold(const struct store *store, struct id fingerprint,
                                 bool (*asked)(void *user, struct id op_id), void *user, struct id *ret_op_id)
{
    struct untold_entry *e = RB_ROOT(&store->untold), *first = NULL;
    unsigned n = 0;

    while (e != NULL) {
        int c = id_cmp(&fingerprint, &e->volume->rec.fingerprint);

        first = c == 0 ? e : first;
        e = c <= 0 ? RB_LEFT(e, link) : RB_RIGHT(e, link);
    }
    for (e = first; e != NULL && n < CANDIDATES_MAX; e = RB_NEXT(untold_tree, NULL, e), n++) {
        *ret_op_id = answering(store, e->volume);
        if (!id_equal(e->volume->rec.fingerprint, fingerprint)) {
            break;
        }
        if (!id_is_none(*ret_op_id) && !asked(user, *ret_op_id)) {
            return e->volume;
        }
    }
    return NULL;
}

/* ---- told ---- */

enum store_code check_told(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct volume_entry *volume = find_volume(store, cmd->target);

    result->id = cmd->target;
    if (volume == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    return volume->rec.untold ? STORE_OK : STORE_REPEATED;
}

void tell_of(struct store *store, struct id id)
{
    struct volume_entry *volume = id_is_none(id) ? NULL : find_volume(store, id);
    struct store_volume next;

    if (volume != NULL && volume->rec.untold) {
        next = volume->rec;
        next.untold = false;
        update_volume(store, volume, &next);
    }
}

void commit_told(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    (void)index;
    tell_of(store, cmd->target);
}

/* ---- taken over ---- */

enum store_code check_take_over(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    const struct volume_entry *volume = find_volume(store, cmd->target);
    enum store_code code = check_key(store, cmd, result);

    if (code != STORE_OK) {
        return code;
    }
    if (volume == NULL || !volume->rec.untold || id_is_none(cmd->fingerprint) ||
        !id_equal(volume->rec.fingerprint, cmd->fingerprint) || id_is_none(cmd->base) ||
        !id_equal(answering(store, volume), cmd->base) || id_is_none(cmd->op_id)) {
        return refuse(result, STORE_STALE_PLAN, "The volume is somebody's, or gone");
    }
    result->id = cmd->target;
    result->op_id = cmd->op_id;
    return STORE_OK;
}

static void fail_job(struct store *store, struct id id, int64_t ended_ms)
{
    char error[] = STORE_TEXT_TAKEN_OVER;

    commit_job(store,
               &(struct store_job){
                   .id = id, .failed = true, .error = error, .type = STORE_OP_CREATE_VOLUME, .ended_ms = ended_ms});
}

/* It has been made: the job that says so becomes the repetition's. */
static void take_made(struct store *store, struct volume_entry *volume, const struct store_cmd *cmd)
{
    struct store_volume next = volume->rec;

    remove_job(store, find_job(store, volume->rec.created_by));
    fail_job(store, volume->rec.created_by, cmd->time_ms);
    commit_job(store, &(struct store_job){.id = cmd->op_id,
                                          .resource = STORE_RES_VOLUME,
                                          .resource_id = volume->rec.id,
                                          .type = STORE_OP_CREATE_VOLUME,
                                          .ended_ms = cmd->time_ms});
    next.created_by = cmd->op_id;
    update_volume(store, volume, &next);
}

void commit_take_over(struct store *store, uint64_t index, const struct store_cmd *cmd)
{
    struct volume_entry *volume = find_volume(store, cmd->target);
    struct op_entry *op = maker(store, volume);
    struct store_operation next;
    struct id before;

    (void)index;
    if (op == NULL) {
        take_made(store, volume, cmd);
    } else {
        before = op->rec.answers;
        next = op->rec;
        next.answers = cmd->op_id;
        update_op(store, op, &next);
        if (!id_is_none(before)) {
            fail_job(store, before, cmd->time_ms);
        }
    }
    commit_key(store, cmd, cmd->op_id, cmd->target);
}

void end_taken_over(struct store *store, const struct store_job *job, struct id answers)
{
    struct volume_entry *volume = job->failed ? NULL : find_volume(store, job->resource_id);
    struct store_job outcome = *job;
    struct store_volume next;

    if (id_is_none(answers)) {
        return;
    }
    remove_job(store, find_job(store, job->id));
    fail_job(store, job->id, job->ended_ms);
    outcome.id = answers;
    commit_job(store, &outcome);
    if (volume != NULL) {
        next = volume->rec;
        next.created_by = answers;
        update_volume(store, volume, &next);
    }
}

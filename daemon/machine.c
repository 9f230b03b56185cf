/* The state machine behind the log: the store, and what a member takes note of when something is applied. */
#include <stdlib.h>
#include <string.h>

#include "daemon/event.h"
#include "daemon/mark.h"
#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"

static void note_applied(struct member *member, const struct store_cmd *cmd)
{
    const struct store_job *job;

    if (member->result.code != STORE_OK) {
        return;
    }
    if (cmd->type == STORE_CMD_LOAD) {
        load_applied(member, cmd);
    } else if (cmd->type == STORE_CMD_SETTINGS) {
        member_settings_changed(member);
    } else if (cmd->type == STORE_CMD_OP_END && (job = store_job(member->store, cmd->op_id)) != NULL) {
        metrics_op_ended(&member->metrics, job->type, job->failed);
    }
}

/* The state cannot go past this entry, and consensus waits for it: the process ends. */
static _Noreturn void cannot_apply(struct member *member, const char *text)
{
    member_failed(member, text, true);
    CHECK_MSG(false, "%s", text); /* the owner was told and should have ended it */
}

/* An earlier process of this program died of it; so would this one, and the next. */
static _Noreturn void refuse_marked(struct member *member, uint64_t index, const struct store_cmd *cmd)
{
    const struct mark *mark = mark_found();
    const char *dir = member->cfg->data_dir;
    char text[2048];

    text_print(text, sizeof(text),
               "log entry %lu (command %u) is not applied: hecated " HECATE_VERSION
               " died when it applied it before (%s). Keep a copy of %s and the log for a report. If the other members "
               "died of it too, install a release of Hecate that mends it on all members and start them: their data "
               "stays as it is. If only this one did, its memory or disk may be at fault: move %s away, run 'hecate "
               "member replace %ld' and start it. To try the entry once more with this release, remove %s/" MARK_FILE
               " and start this member",
               (unsigned long)index, (unsigned)cmd->type, *mark->reason != '\0' ? mark->reason : "a fatal signal", dir,
               dir, (long)member->cfg->member_id, dir);
    cannot_apply(member, text);
}

static int fsm_judge(const void *data, size_t len, struct err *reterr)
{
    return store_cmd_judge(data, len, reterr);
}

/* ---- what a load leaves when it is taken back ---- */

static void free_gone(uv_work_t *work)
{
    store_free(work->data);
}

static void gone_freed(uv_work_t *work, int status)
{
    (void)status; /* never cancelled */
    free(work);
}

/* In a thread: it may be a whole database. */
static void dispose_gone(struct member *member)
{
    struct store *gone = store_take_gone(member->store);
    uv_work_t *work;

    if (gone != NULL) {
        work = mem_calloc(1, sizeof(*work));
        work->data = gone;
        CHECK(uv_queue_work(member->loop, work, free_gone, gone_freed) == 0);
    }
}

/* ---- commands ---- */

static const void *fsm_apply(void *user, uint64_t index, const void *data, size_t len)
{
    struct member *member = user;
    struct store_digest digest;
    struct store_cmd cmd;
    struct err err = ERR_INIT;

    memset(&member->result, 0, sizeof(member->result));
    /* A command that this release does not know must never be skipped: the replicas would differ. It is from before
     * commands were judged on their way into the log. */
    if (store_cmd_decode(data, len, &cmd, &err) != 0) {
        char text[sizeof(err.message) + 256];

        text_print(text, sizeof(text), "log entry %lu cannot be applied: %s; start a release of Hecate that knows it",
                   (unsigned long)index, err.message);
        cannot_apply(member, text);
    }
    if (mark_found()->index == index) {
        refuse_marked(member, index, &cmd);
    }
    mark_begin(index, (uint32_t)cmd.type);
    member_compare(member, index - 1); /* while the state is still that */
    store_apply(member->store, index, &cmd, &member->result);
    dispose_gone(member);
    note_applied(member, &cmd);
    event_applied(member, index, &cmd);
    digest = store_digest(member->store);
    replicas_applied(member->replicas, index, &digest);
    if (member->result.code == STORE_OK && member->driver_term != 0) {
        if (cmd.type == STORE_CMD_OP_BEGIN) {
            op_driver_begun(member->driver, member->result.op_id);
        } else if (cmd.type == STORE_CMD_LOAD && cmd.load.last) {
            op_driver_loaded(member->driver);
        }
    }
    store_cmd_fini(&cmd);
    mark_end();
    return &member->result;
}

struct snapshot_work {
    struct metrics *metrics;
    struct store_snapshot *snapshot;
};

static void *fsm_snapshot_take(void *user)
{
    struct member *member = user;
    struct snapshot_work *work = mem_calloc(1, sizeof(*work));

    work->metrics = &member->metrics;
    work->snapshot = store_snapshot_take(member->store);
    return work;
}

static void fsm_snapshot_encode(void *handle, uint8_t **ret_data, size_t *ret_len)
{
    struct snapshot_work *work = handle;
    uint64_t begin_ns = uv_hrtime();
    struct buf buf = BUF_INIT;

    store_snapshot_encode(work->snapshot, &buf);
    atomic_store(&work->metrics->snapshot_us, (uv_hrtime() - begin_ns) / 1000);
    atomic_store(&work->metrics->snapshot_bytes, buf.len);
    atomic_fetch_add(&work->metrics->snapshots, 1);
    *ret_len = buf.len;
    *ret_data = (uint8_t *)buf_take(&buf);
}

static void fsm_snapshot_free(void *handle)
{
    struct snapshot_work *work = handle;

    store_snapshot_free(work->snapshot);
    free(work);
}

/* Between the last command and the snapshot are barriers of leaders and changes of members: not as many as this. */
#define NO_COMMANDS_MAX (UINT64_C(1) << 24)

/* Of a later one, what follows would be applied a second time; of one long before, it is not the state at index. */
static int check_index(uint64_t applied, uint64_t index, struct err *reterr)
{
    return applied <= index && index - applied <= NO_COMMANDS_MAX
               ? 0
               : err_set(reterr, E_DAMAGED, "snapshot: it is at index %lu, not %lu", (unsigned long)applied,
                         (unsigned long)index);
}

static int fsm_snapshot_check(uint64_t index, const uint8_t *data, size_t len, struct err *reterr)
{
    uint64_t applied;
    int rc = store_snapshot_check(data, len, &applied, reterr);

    return rc == 0 ? check_index(applied, index, reterr) : rc;
}

static int fsm_snapshot_judge(uint64_t index, const uint8_t *head, size_t len, uint64_t size_bytes, struct err *reterr)
{
    uint64_t applied;
    int rc = store_snapshot_judge(head, len, size_bytes, &applied, reterr);

    return rc == 0 ? check_index(applied, index, reterr) : rc;
}

static int fsm_state_decode(uint64_t index, const uint8_t *data, size_t len, void **ret_state, struct err *reterr)
{
    struct store *store;
    int rc = store_snapshot_decode(data, len, &store, reterr);

    if (rc != 0) {
        return rc;
    }
    rc = check_index(store_applied_index(store), index, reterr);
    if (rc != 0) {
        store_free(store);
        return rc;
    }
    *ret_state = store;
    return 0;
}

static void fsm_state_free(void *state)
{
    store_free(state);
}

static void *fsm_state_adopt(void *user, void *state)
{
    struct member *member = user;
    struct store *old = member->store;
    struct store_digest digest;

    member->store = state;
    if (member->api != NULL) {
        api_server_events_since(member->api, store_applied_index(member->store));
    }
    member_settings_changed(member);
    digest = store_digest(member->store);
    replicas_restored(member->replicas, store_applied_index(member->store), &digest);
    return old;
}

struct cons_fsm member_machine(struct member *member)
{
    return (struct cons_fsm){
        .user = member,
        .judge = fsm_judge,
        .apply = fsm_apply,
        .snapshot_take = fsm_snapshot_take,
        .snapshot_encode = fsm_snapshot_encode,
        .snapshot_check = fsm_snapshot_check,
        .snapshot_free = fsm_snapshot_free,
        .snapshot_judge = fsm_snapshot_judge,
        .state_decode = fsm_state_decode,
        .state_free = fsm_state_free,
        .state_adopt = fsm_state_adopt,
    };
}

/* What other members send is judged by the owner before it gets into the log; what is refused is told. */
#include "consensus/node_priv.h"
#include "store/base/log.h"
#include "store/base/turn.h"

#define CHANGED_US UINT64_C(1000000)
#define AGAIN_US UINT64_C(60000000)

int node_judge(void *user, const uint8_t *data, size_t len, struct err *reterr)
{
    TURN("judge");
    return ((struct cons *)user)->fsm.judge(data, len, reterr);
}

int node_judge_head(void *user, uint64_t index, const uint8_t *head, size_t len, uint64_t size_bytes,
                    struct err *reterr)
{
    return ((struct cons *)user)->fsm.snapshot_judge(index, head, len, size_bytes, reterr);
}

static void tell_doubt(struct cons *c, uint64_t doubt_by)
{
    if (c->doubt_by != doubt_by && doubt_by != 0) {
        LOG(LOG_ERROR, "raft",
            "a member says that this log ends before what it has acknowledged: this member takes no part until another "
            "one bears that out, or a leader is elected without it",
            LF_U64("member", doubt_by));
    }
    c->doubt_by = doubt_by;
}

void node_tell_snapshot(const struct disk_op *op)
{
    if (op->kind == DISK_INSTALL && op->status == 0 && op->kept) {
        LOG(LOG_WARNING, "raft",
            "a snapshot of the leader replaces the state of this member, which is kept in replaced.backup in the data "
            "directory",
            LF_U64("index", op->index));
    }
    if (op->kind == DISK_SNAP_PUT && op->status == 0 && op->refused != 0) {
        LOG(LOG_CRITICAL, "raft",
            "this member's own snapshot cannot be read again: it is not kept, and the log grows until one can; please "
            "report this, with the reason",
            LF_U64("index", op->index), LF_STR("reason", op->message));
    }
}

void node_tell_refusal(struct cons *c)
{
    const struct core_refusal *told = &c->refusal;
    struct core_status status;
    uint64_t after_us;

    core_get_status(c->core, &status);
    tell_doubt(c, status.doubt_by);
    after_us = status.refusal.by != told->by || status.refusal.later != told->later ? CHANGED_US : AGAIN_US;
    if (status.refusal.by == 0 || (told->by != 0 && status.refusal.at_us < told->at_us + after_us)) {
        return;
    }
    c->refusal = status.refusal;
    LOG(LOG_ERROR, "raft",
        told->later ? "a member sends what this release does not know: it waits for an upgrade of this one"
                    : "what a member sends is refused: no release would send it",
        LF_U64("member", told->by), LF_U64("index", told->index), LF_STR("reason", told->text));
}

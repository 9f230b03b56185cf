/* Telling the other members what this one is, and noticing that one of them has another database. */
#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"

#define TELL_EVERY_MS 1000

void member_tell(struct member *member)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    struct store_digest digest = store_digest(member->store);
    struct cons_status status;

    cons_get_status(member->cons, &status);
    if (status.formed) {
        replicas_encode(HECATE_VERSION, status.applied_index, &digest, member->wants_normal, member->address_held,
                        &buf);
        cons_tell(member->cons, buf.data, buf.len);
    }
}

void member_compare(struct member *member, uint64_t applied_index)
{
    const struct replica *replica;

    while ((replica = replicas_compare(member->replicas, applied_index)) != NULL) {
        LOG(LOG_CRITICAL, "member", "another member has a different database", LF_U64("member", replica->member_id),
            LF_U64("index", replica->compared_index), LF_STR("digest", digest_text(&replica->digest).text));
    }
}

void member_told(void *user, uint64_t member_id, const void *data, size_t len)
{
    struct member *member = user;
    struct cons_status status;

    if (!replicas_told(member->replicas, member_id, data, len)) {
        LOG(LOG_WARNING, "member", "another member told something that is not understood", LF_U64("member", member_id));
        return;
    }
    cons_get_status(member->cons, &status);
    member_compare(member, status.applied_index);
    member_mode_pursue(member, replicas_get(member->replicas, member_id)->wants_normal);
    if (replicas_get(member->replicas, member_id)->holds) {
        handover_told(member, member_id);
    }
}

static void tell_due(uv_timer_t *timer)
{
    struct member *member = timer->data;

    member_mode_pursue(member, member->wants_normal);
    member_tell(member);
}

void member_tell_start(struct member *member)
{
    CHECK(uv_timer_init(member->loop, &member->tell_timer) == 0);
    member->tell_timer.data = member;
    CHECK(uv_timer_start(&member->tell_timer, tell_due, TELL_EVERY_MS, TELL_EVERY_MS) == 0);
}

/* Telling the other members what this one is, and noticing that one of them has another database. */
#include "daemon/health.h"
#include "daemon/load.h"
#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/turn.h"
#include "store/level.h"

#define TELL_EVERY_MS 1000

static const char *own_key(const struct member *member, const struct cons_status *status)
{
    const struct cons_member_status *self = members_find(status, (uint64_t)member->cfg->member_id);

    return self != NULL ? self->shown : "";
}

void member_tell(struct member *member)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    struct cons_status status;

    cons_get_status(member->cons, &status);
    if (status.formed) {
        struct replicas_word word = {.version = HECATE_VERSION,
                                     .applied_index = status.applied_index,
                                     .digest = store_digest(member->store),
                                     .wish = member->wish,
                                     .wishes_done = member_serving(member) ? member->replicas : NULL,
                                     .holds = member->address_held,
                                     .expires_s = cons_tls_expires_s(member->cons),
                                     .key = own_key(member, &status),
                                     .level_min = STORE_LEVEL_MIN,
                                     .level_max = STORE_LEVEL_MAX,
                                     .staged = load_waits_here(member)};

        (void)health_disk(member, &word.disk_free_mib, &word.disk_total_mib);
        replicas_encode(&word, &buf);
        cons_tell(member->cons, buf.data, buf.len);
    }
}

static void end_if_outvoted(struct member *member)
{
    struct cons_status status;
    size_t n_voters = 0;
    uint64_t index;

    cons_get_status(member->cons, &status);
    for (size_t i = 0; i < status.n_members; i++) {
        n_voters += status.members[i].standing == CONS_VOTER;
    }
    if (replicas_outvoted(member->replicas, n_voters, &index)) {
        CLEANUP(free_ptr)
        char *text =
            mem_printf("the database of this member differs from that of most members at index %lu: move %s away "
                       "(keep it for a report), run 'hecate member replace %lu' and start this member",
                       (unsigned long)index, member->cfg->data_dir, (unsigned long)member->cfg->member_id);

        member_failed(member, text, true);
    }
}

void member_compare(struct member *member, uint64_t applied_index)
{
    const struct replica *replica;
    bool news = false;

    while ((replica = replicas_compare(member->replicas, applied_index)) != NULL) {
        if (replicas_may_log(member->replicas, replica->member_id, REPLICAS_DIFFERS)) {
            LOG(LOG_CRITICAL, "member", "another member has a different database", LF_U64("member", replica->member_id),
                LF_U64("index", replica->compared_index), LF_STR("digest", digest_text(&replica->digest).text));
        }
        news = true;
    }
    if (news) {
        end_if_outvoted(member);
    }
}

void member_keep_replicas(struct member *member, const struct cons_status *status)
{
    uint64_t ids[CONS_MEMBERS_MAX];

    for (size_t i = 0; i < status->n_members; i++) {
        ids[i] = status->members[i].id;
    }
    replicas_keep(member->replicas, ids, status->n_members);
}

void member_told(void *user, uint64_t member_id, const void *data, size_t len)
{
    struct member *member = user;
    struct cons_status status;

    if (!replicas_told(member->replicas, member_id, data, len)) {
        if (replicas_may_log(member->replicas, member_id, REPLICAS_NOT_UNDERSTOOD)) {
            LOG(LOG_WARNING, "member", "another member told something that is not understood",
                LF_U64("member", member_id));
        }
        return;
    }
    cons_get_status(member->cons, &status);
    member_compare(member, status.applied_index);
    keys_told(member, member_id, replicas_get(member->replicas, member_id)->key);
    member_mode_told(member, replicas_get(member->replicas, member_id));
    if (replicas_get(member->replicas, member_id)->holds) {
        handover_told(member, member_id);
    }
}

static void tell_due(uv_timer_t *timer)
{
    TURN("tell members");
    struct member *member = timer->data;

    member_mode_pursue(member);
    upgrade_pursue(member);
    keys_pursue(member);
    replicas_grow_old(member->replicas);
    certificates_tick(member);
    member_tell(member);
}

void member_tell_start(struct member *member)
{
    CHECK(uv_timer_init(member->loop, &member->tell_timer) == 0);
    member->tell_timer.data = member;
    CHECK(uv_timer_start(&member->tell_timer, tell_due, TELL_EVERY_MS, TELL_EVERY_MS) == 0);
}

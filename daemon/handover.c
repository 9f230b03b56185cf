#include "daemon/handover.h"

#include <string.h>
#include <time.h>

#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/turn.h"

#define POLL_MS 5
#define DRAIN_MAX_MS 700 /* longer than an idle connection is left its chance (api/server.c) */
#define TAKE_OVER_MAX_MS 2000
#define NO_TARGET_MAX_MS 2000 /* a member that stops waits so long for one that could take over, */
#define STOP_MAX_MS 10000     /* and tries so long with one that does not; */
#define ASKED_MAX_MS 3000     /* one that is asked for it tries so long */
#define STRAGGLERS_MS 20      /* until caches have heard of the address' new place */

static uint64_t now_ms(const struct member *member)
{
    return uv_now(member->loop);
}

static void tell(struct member *member, uint64_t leader, const char *text)
{
    struct handover *handover = &member->handover;
    handover_cb cb = handover->cb;

    handover->cb = NULL;
    if (cb != NULL) {
        cb(handover->user, leader, text);
    }
}

/* The end, whichever: what was prepared for it is taken back. */
static void end(struct member *member)
{
    uv_timer_stop(&member->handover.timer);
    member->handover.state = HANDOVER_NONE;
    if (member->stopping) {
        member_stop_now(member);
    } else {
        api_server_drain(member->api, false);
    }
}

static void failed(struct member *member, const char *text)
{
    LOG(LOG_WARNING, "member", "leadership is not handed over", LF_STR("reason", text));
    tell(member, 0, text);
    end(member);
}

/* Again while there is time: the other one may just have started, and be bound by its promise, or be on a busy machine.
 */
static void failed_once(struct member *member, const char *text, uint64_t max_ms)
{
    struct handover *handover = &member->handover;

    if (now_ms(member) < handover->begin_ms + max_ms) {
        handover->state = HANDOVER_DRAINING;
    } else {
        failed(member, text);
    }
}

/* ---- DRAINING ---- */

static bool steps_running(const struct member *member)
{
    return member->driver_term != 0 && op_driver_running(member->driver) > 0;
}

static void look_draining(struct member *member, const struct cons_status *status)
{
    struct handover *handover = &member->handover;
    struct err err = ERR_INIT;

    if (status->role != CONS_LEADER) {
        failed(member, "this member does not lead any more");
        return;
    }
    if ((!api_server_drained(member->api) || steps_running(member)) && now_ms(member) < handover->deadline_ms) {
        return;
    }
    handover->state = HANDOVER_ORDERED; /* consensus asks for the addresses at once */
    handover->deadline_ms = now_ms(member) + TAKE_OVER_MAX_MS;
    handover->holder = 0;
    handover->lent_ms = 0;
    if (cons_transfer(member->cons, handover->target, &err) != 0) {
        failed_once(member, err.message, member->stopping ? NO_TARGET_MAX_MS : 0);
    }
}

/* ---- ORDERED ---- */

static void look_ordered(struct member *member, const struct cons_status *status)
{
    struct handover *handover = &member->handover;
    bool addressed = member->keeper == NULL || handover->holder == status->leader_id ||
                     (handover->lent_ms != 0 && now_ms(member) >= handover->lent_ms);

    if (status->role == CONS_LEADER && !status->transferring) {
        failed_once(member, "the other member did not take over in time",
                    member->stopping ? STOP_MAX_MS : ASKED_MAX_MS);
    } else if (status->role != CONS_LEADER && status->leader_id != 0 && addressed) {
        LOG(LOG_INFO, "member", "leadership was handed over", LF_U64("leader", status->leader_id));
        handover->state = HANDOVER_TAKEN;
        handover->taken_ms = now_ms(member);
        tell(member, status->leader_id, "");
    } else if (now_ms(member) >= handover->deadline_ms) {
        failed(member, "no other member took over in time");
    }
}

/* ---- TAKEN ---- */

static void look_taken(struct member *member)
{
    struct handover *handover = &member->handover;
    uint64_t until_ms = handover->taken_ms + STRAGGLERS_MS;

    if (now_ms(member) < handover->lent_ms && (now_ms(member) < until_ms || api_server_owes(member->api, until_ms))) {
        return;
    }
    if (member->keeper != NULL) {
        keeper_release(member->keeper);
    }
    end(member);
}

static void look(uv_timer_t *timer)
{
    TURN("handover");
    struct member *member = timer->data;
    struct cons_status status;

    cons_get_status(member->cons, &status);
    switch (member->handover.state) {
    case HANDOVER_DRAINING:
        look_draining(member, &status);
        break;
    case HANDOVER_ORDERED:
        look_ordered(member, &status);
        break;
    case HANDOVER_TAKEN:
        look_taken(member);
        break;
    case HANDOVER_NONE:
        break;
    }
}

/* ---- from outside ---- */

void handover_init(struct member *member)
{
    CHECK(uv_timer_init(member->loop, &member->handover.timer) == 0);
    member->handover.timer.data = member;
}

void handover_start(struct member *member, uint64_t target, handover_cb cb, void *user)
{
    struct handover *handover = &member->handover;

    if (handover->state != HANDOVER_NONE) {
        if (cb != NULL) {
            cb(user, 0, "leadership is being handed over already");
        }
        return;
    }
    handover->state = HANDOVER_DRAINING;
    handover->target = target;
    handover->deadline_ms = now_ms(member) + DRAIN_MAX_MS;
    handover->begin_ms = now_ms(member);
    handover->cb = cb;
    handover->user = user;
    api_server_drain(member->api, true);
    CHECK(uv_timer_start(&handover->timer, look, 0, POLL_MS) == 0);
}

void handover_told(struct member *member, uint64_t member_id)
{
    if (member->handover.state == HANDOVER_ORDERED) {
        member->handover.holder = member_id;
        look(&member->handover.timer);
    }
}

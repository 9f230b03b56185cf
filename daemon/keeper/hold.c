#include "daemon/keeper/hold.h"

void hold_lease(struct hold *hold, uint64_t deadline_us, uint64_t now_us)
{
    if (deadline_us > now_us && deadline_us > hold->deadline_us) {
        hold->deadline_us = deadline_us;
        hold->let_go = hold->lent = false;
    }
}

void hold_lend(struct hold *hold, uint64_t until_us)
{
    if (hold->held && !hold->let_go) {
        hold->lent = true;
        hold->lent_until_us = until_us;
    }
}

void hold_release(struct hold *hold)
{
    hold->let_go = true;
}

static uint64_t announce_after(const struct hold *hold, uint64_t now_us)
{
    uint64_t age_us = now_us - hold->taken_us;

    if (age_us < HOLD_TAKEOVER_US) {
        return now_us + HOLD_TAKEOVER_EVERY_US;
    }
    return age_us < HOLD_SETTLE_US ? hold->taken_us + HOLD_SETTLE_US : now_us + HOLD_REMIND_US;
}

bool hold_taking_over(const struct hold *hold, uint64_t now_us)
{
    return now_us < hold->taken_us + HOLD_TAKEOVER_US;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

enum hold_action hold_next(struct hold *hold, uint64_t now_us, uint64_t *ret_wake_us)
{
    uint64_t deadline_us = hold->lent ? hold->lent_until_us : hold->deadline_us;
    bool lease = !hold->let_go && deadline_us > now_us;

    *ret_wake_us = UINT64_MAX;
    if (!lease && hold->held && !hold->lent && !hold->severed) {
        hold->severed = true;
        return HOLD_SEVER;
    }
    if (!lease) {
        bool held = hold->held;

        hold->lent = hold->severed = hold->held = false;
        return held ? HOLD_REMOVE : HOLD_WAIT;
    }
    if (hold->lent) {
        *ret_wake_us = hold->lent_until_us;
        return HOLD_WAIT;
    }
    if (!hold->held) {
        hold->held = true;
        hold->taken_us = now_us;
        hold->refresh_us = now_us + HOLD_REFRESH_US;
        hold->announce_us = hold->probe_us = now_us;
        return HOLD_ADD;
    }
    if (hold->refresh_us <= now_us) {
        hold->refresh_us = now_us + HOLD_REFRESH_US;
        return HOLD_REFRESH;
    }
    if (hold->announce_us <= now_us) {
        hold->announce_us = announce_after(hold, now_us);
        return HOLD_ANNOUNCE;
    }
    if (hold->probe_us <= now_us) { /* last: nobody waits for it */
        hold->probe_us = now_us < hold->taken_us + HOLD_PROBE_FIRST_US ? hold->taken_us + HOLD_PROBE_FIRST_US
                                                                       : now_us + HOLD_PROBE_US;
        return HOLD_PROBE;
    }
    *ret_wake_us = earlier(earlier(hold->deadline_us, hold->refresh_us), earlier(hold->announce_us, hold->probe_us));
    return HOLD_WAIT;
}

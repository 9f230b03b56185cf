/* What is set for the whole cluster, as it concerns a member: its log level, and the way out of maintenance mode.
 *
 * Read-only mode cannot be left over REST; SIGUSR2 to any member does it. A member that does not lead tells the others
 * until the mode is normal, since what is told may be lost. Where it is normal already as far as that member knows, it
 * tells them twice: the leader may know more.
 */
#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"

#define TELLS_NORMAL 2

static enum store_mode mode_of(const struct member *member)
{
    enum store_mode mode = store_settings(member->store)->mode;

    return mode != STORE_MODE_UNSET ? mode : cfg_default_mode(member->cfg);
}

static void reset_done(void *user, int status, const struct store_result *result)
{
    (void)result;
    if (status != 0) { /* tried again with the next message to the others */
        LOG(LOG_WARNING, "member", "maintenance mode could not be reset yet", LF_STR("reason", err_text(status)));
    }
    ((struct member *)user)->resetting = false;
}

void member_mode_pursue(struct member *member, bool wanted)
{
    struct store_cmd cmd;

    if (!wanted || member->resetting || mode_of(member) == STORE_MODE_NORMAL || !member_serving(member)) {
        return;
    }
    member->resetting = true;
    store_cmd_init(&cmd, STORE_CMD_SETTINGS);
    cmd.time_ms = member_time_ms(member);
    cmd.settings.mode = STORE_MODE_NORMAL;
    member_propose(member, &cmd, reset_done, member);
    store_cmd_fini(&cmd);
}

bool member_mode_tell(struct member *member)
{
    bool tells = member->tells_normal > 0;

    member->tells_normal -= tells;
    return tells || member->wants_normal;
}

void member_reset_mode(struct member *member)
{
    CHECK_MAGIC(member, MEMBER_MAGIC);
    LOG(LOG_INFO, "member", "maintenance mode is to be normal", LF_STR("mode", store_mode_name(mode_of(member))));
    member->wants_normal = mode_of(member) != STORE_MODE_NORMAL;
    member->tells_normal = TELLS_NORMAL;
    member_mode_pursue(member, true);
    member_tell(member);
}

void member_settings_changed(struct member *member)
{
    const struct store_settings *settings = store_settings(member->store);

    if (settings->log_level != 0) {
        log_set_level((enum log_level)(settings->log_level - 1));
    }
    member->wants_normal = member->wants_normal && settings->mode != STORE_MODE_NORMAL;
}

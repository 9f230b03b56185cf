/* What is set for the whole cluster, as it concerns a member: its log level, and the way out of maintenance mode.
 *
 * Read-only mode cannot be left over REST; SIGUSR2 to any member does it. Each signal is a wish with a number of its
 * own. Its member tells it until the leader, who alone knows which mode is in force, says that this one is done: what
 * is told may be lost, or come late, when the cluster is read-only once more. So a wish counts once, and no older word
 * takes a newer one back. Who comes to lead cannot know what the last leader did for a wish. One after which he has
 * seen the mode become normal he takes as done: better a signal that has to be sent again than a maintenance that ends
 * by itself.
 */
#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"

static enum store_mode mode_of(const struct member *member)
{
    enum store_mode mode = store_settings(member->store)->mode;

    return mode != STORE_MODE_UNSET ? mode : cfg_default_mode(member->cfg);
}

static void reset_done(void *user, int status, const struct store_result *result)
{
    struct member *member = user;

    (void)result;
    member->resetting = false;
    if (status == 0) {
        member_tell(member); /* that it is done */
    } else {                 /* tried again with the next message to the others */
        LOG(LOG_WARNING, "member", "maintenance mode could not be reset yet", LF_STR("reason", err_text(status)));
    }
}

void member_mode_pursue(struct member *member)
{
    struct store_cmd cmd;

    if (member->resetting || !member_serving(member)) {
        return;
    }
    if (mode_of(member) == STORE_MODE_NORMAL) {
        replicas_wishes_done(member->replicas);
        member->wish = 0;
    }
    if (member->wish == member->wish_done) {
        member->wish = 0;
    }
    if (member->wish == 0 && replicas_wish(member->replicas) == 0) {
        return;
    }
    member->resetting = true;
    store_cmd_init(&cmd, STORE_CMD_SETTINGS);
    cmd.time_ms = member_time_ms(member);
    cmd.settings.mode = STORE_MODE_NORMAL;
    member_propose(member, &cmd, reset_done, member);
    store_cmd_fini(&cmd);
}

void member_mode_told(struct member *member, const struct replica *other)
{
    for (size_t i = 0; i < other->n_others_done; i++) {
        if (other->others_done[i] == member->wish) {
            member->wish = 0;
        }
    }
    member_mode_pursue(member);
}

void member_reset_mode(struct member *member)
{
    CHECK_MAGIC(member, MEMBER_MAGIC);
    LOG(LOG_INFO, "member", "maintenance mode is to be normal", LF_STR("mode", store_mode_name(mode_of(member))));
    member_random(NULL, &member->wish, sizeof(member->wish));
    member->wish = member->wish >> 1 | 1; /* fits JSON, and is not 0 */
    member_mode_pursue(member);
    member_tell(member);
}

void member_settings_changed(struct member *member)
{
    const struct store_settings *settings = store_settings(member->store);

    if (settings->log_level != 0) {
        log_set_level((enum log_level)(settings->log_level - 1));
    }
    if (settings->mode == STORE_MODE_NORMAL && member->mode_seen != STORE_MODE_NORMAL) {
        member->wish_done = member->wish;
        replicas_wishes_done(member->replicas);
    }
    member->mode_seen = settings->mode;
}

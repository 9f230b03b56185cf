/* Feature levels (store/level.h): raised by the leader once all members know the next one, unless that is held.
 *
 * Members tell what they understand every second. The level is raised by a command of the log, so that every member
 * begins with the new things at the same place in it. While it is held, members of the newer release do as the older
 * one does, and the older release can be put back.
 */
#include <stdlib.h>

#include "daemon/json_text.h"
#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/level.h"

/* A member that does not know this level, or has not told so in the last second; 0: all know it. */
static uint64_t ignorant(struct member *member, uint32_t level)
{
    struct cons_status status;

    cons_get_status(member->cons, &status);
    if (level > STORE_LEVEL_MAX) {
        return (uint64_t)member->cfg->member_id;
    }
    for (size_t i = 0; i < status.n_members; i++) {
        const struct replica *replica = replicas_get(member->replicas, status.members[i].id);

        if (status.members[i].id != (uint64_t)member->cfg->member_id &&
            (replica == NULL || !replica->fresh || !status.members[i].connected || replica->level_max < level ||
             replica->level_min > level)) {
            return status.members[i].id;
        }
    }
    return 0;
}

static void raised(void *user, int status, const struct store_result *result)
{
    struct member *member = user;

    member->raising = false;
    if (status == 0 && result->code == STORE_OK) {
        LOG(LOG_INFO, "member", "the feature level was raised", LF_U64("level", store_level(member->store)));
        load_level_raised(member);
    }
}

void upgrade_pursue(struct member *member)
{
    uint32_t next = store_level(member->store) + 1;
    struct store_cmd cmd;

    if (member->raising || store_settings(member->store)->hold == STORE_HOLD_ON || !member_serving(member) ||
        ignorant(member, next) != 0) {
        return;
    }
    store_cmd_init(&cmd, STORE_CMD_LEVEL);
    cmd.settings.feature_level = next;
    member->raising = true;
    member_propose(member, &cmd, raised, member);
    store_cmd_fini(&cmd);
}

/* ---- for administrators ---- */

json_t *upgrade_document(struct member *member)
{
    uint32_t level = store_level(member->store);
    json_t *list = json_array(), *document;
    uint32_t known = STORE_LEVEL_MAX;
    struct cons_status status;

    cons_get_status(member->cons, &status);
    for (size_t i = 0; i < status.n_members; i++) {
        const struct replica *replica = replicas_get(member->replicas, status.members[i].id);
        bool self = status.members[i].id == (uint64_t)member->cfg->member_id;
        uint32_t max = self ? STORE_LEVEL_MAX : replica != NULL ? replica->level_max : 0;
        uint32_t min = self ? STORE_LEVEL_MIN : replica != NULL ? replica->level_min : 0;

        known = max < known ? max : known;
        CHECK(json_array_append_new(list,
                                    json_pack("{s:I, s:o, s:[II]}", "id", (json_int_t)status.members[i].id, "version",
                                              json_text(self              ? HECATE_VERSION
                                                        : replica != NULL ? replica->version
                                                                          : "unknown"),
                                              "levels", (json_int_t)min, (json_int_t)max)) == 0);
    }
    document = json_pack("{s:I, s:I, s:b, s:o}", "feature_level", (json_int_t)level, "all_know", (json_int_t)known,
                         "held", store_settings(member->store)->hold == STORE_HOLD_ON, "members", list);
    CHECK(document != NULL);
    return document;
}

struct hold {
    struct member *member;
    api_document_cb cb;
    void *user;
};

static void held(void *user, int status, const struct store_result *result)
{
    struct hold *hold = user;
    json_t *document;

    (void)result; /* settings are never refused for it */
    if (status == 0) {
        document = upgrade_document(hold->member);
    } else {
        document = json_pack("{s:s, s:s}", "error", "unavailable", "reason",
                             status == E_NOT_LEADER ? "this member is no longer the leader; nothing was changed"
                                                    : "not confirmed by a majority; it may still be carried out");
    }
    hold->cb(hold->user, status == 0 ? 200 : 503, document);
    json_decref(document);
    free(hold);
}

void upgrade_hold(struct member *member, bool hold, api_document_cb cb, void *cb_user)
{
    struct hold *wait = mem_calloc(1, sizeof(*wait));
    struct store_cmd cmd;

    *wait = (struct hold){member, cb, cb_user};
    store_cmd_init(&cmd, STORE_CMD_SETTINGS);
    cmd.settings.hold = hold ? STORE_HOLD_ON : STORE_HOLD_OFF;
    member_propose(member, &cmd, held, wait);
    store_cmd_fini(&cmd);
}

/* The keys of the members: which one belongs to whom stands in the configuration of the log, with their addresses.
 *
 * The authority and the number of a certificate make nobody a member: another cluster of the same authority has the
 * same numbers. The key of a member that has none there yet is trusted once, as its connections show it: when the
 * feature level is raised, when a member is added, after 'hecate member renew'. From then on it changes by the word of
 * who has the former one: a member whose files were changed while it runs tells the new key over the connections that
 * it has. Only the leader writes, and only what it was shown by that very member, or its own.
 */
#include <string.h>

#include "daemon/member_priv.h"
#include "store/base/log.h"
#include "store/base/text.h"
#include "store/level.h"

#define TOLD_EVERY_MS 900 /* a little less than what members tell all of themselves */

static bool may_note(struct member *member, const struct cons_status *status)
{
    return store_level(member->store) >= STORE_LEVEL_KEYS && !status->changing && member_serving(member);
}

static void note(struct member *member, uint64_t id, const char *key)
{
    const struct cons_change change = {.kind = CONS_KEY, .peer = {.id = id, .key = key}};
    struct err err = ERR_INIT;

    if (cons_change(member->cons, &change, &err) == 0) { /* else a second later */
        LOG(LOG_INFO, "member", "the key of a member is noted", LF_U64("member", id), LF_STR("key", key));
    }
}

void keys_pursue(struct member *member)
{
    const struct cfg *cfg = member->cfg;
    struct cons_status status;

    cons_get_status(member->cons, &status);
    if (!may_note(member, &status)) {
        return;
    }
    for (size_t i = 0; i < status.n_members; i++) {
        const struct cons_member_status *item = &status.members[i];
        bool free = item->key[0] == '\0' || item->id == (uint64_t)cfg->member_id || cfg->trust_new_keys;

        if (free && item->shown[0] != '\0' && strcmp(item->shown, item->key) != 0) {
            note(member, item->id, item->shown);
            return; /* one at a time */
        }
    }
}

void keys_told(struct member *member, uint64_t member_id, const char *key)
{
    const struct cons_member_status *item;
    struct cons_status status;

    cons_get_status(member->cons, &status);
    item = members_find(&status, member_id);
    if (member->key_told_by == member_id && uv_now(member->loop) - member->key_told_ms < TOLD_EVERY_MS) {
        return; /* each time is an entry of the log */
    }
    if (item != NULL && key[0] != '\0' && item->key[0] != '\0' && strcmp(item->shown, item->key) == 0 &&
        strcmp(key, item->key) != 0 && may_note(member, &status)) {
        member->key_told_by = member_id;
        member->key_told_ms = uv_now(member->loop);
        note(member, member_id, key);
    }
}

void keys_warn(const struct member *member, const struct cons_status *status, health_cb cb, void *user)
{
    const struct cfg *cfg = member->cfg;
    const struct cons_member_status *self = members_find(status, (uint64_t)cfg->member_id);
    char text[512], remedy[512];

    if (cfg->trust_new_keys) {
        cb(user, "keys-not-checked",
           "hecated was started with --trust-new-keys: anyone with a certificate of the authority and a member's "
           "number "
           "is taken for that member",
           "when all members are connected, start it without");
        return;
    }
    if (self == NULL || !status->keys_known || self->key[0] == '\0' || self->shown[0] == '\0' ||
        strcmp(self->key, self->shown) == 0) {
        return;
    }
    text_print(text, sizeof(text), "the certificate %s of member %d has another key than the cluster knows",
               cfg->tls_cert, (int)cfg->member_id);
    text_print(remedy, sizeof(remedy),
               "while this member is connected, the cluster takes the new key over within seconds; when it was changed "
               "while this member was stopped: 'hecate member renew %d', asked of a member that is connected, or put "
               "the former key back; when no majority connects: start all hecated once with --trust-new-keys",
               (int)cfg->member_id);
    cb(user, "own-key-unknown", text, remedy);
}

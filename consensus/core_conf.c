/* Who belongs to the cluster: configurations in the log, and changes of them.
 *
 * The library notes the index of an uncommitted configuration wrongly when it comes in the middle of a batch, and keeps
 * only one uncommitted level (rule 6): after each step its fields are compared with our own log and corrected.
 */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

void core_conf_appended(struct core *core, uint64_t index)
{
    core->changes = mem_realloc_array(core->changes, core->n_changes + 1, sizeof(*core->changes));
    core->changes[core->n_changes++] = index;
}

void core_conf_cut(struct core *core, uint64_t from)
{
    while (core->n_changes > 0 && core->changes[core->n_changes - 1] >= from) {
        core->n_changes--;
    }
}

void core_conf_applied(struct core *core, uint64_t index, const uint8_t *conf, size_t len)
{
    size_t below = 0;

    free(core->conf);
    core->conf = mem_dup(conf, len);
    core->conf_len = len;
    core->conf_applied_index = index;
    while (below < core->n_changes && core->changes[below] <= index) {
        below++;
    }
    if (below > 0) {
        core->n_changes -= below;
        memmove(core->changes, core->changes + below, core->n_changes * sizeof(*core->changes));
    }
}

static void decode_at(const struct core *core, uint64_t index, struct raft_configuration *ret_conf)
{
    const struct core_entry *entry = core_entry(core, index);

    if (index == core->conf_applied_index) {
        core_conf_decode(core->conf, core->conf_len, ret_conf);
    } else {
        CHECK(entry != NULL && entry->type == RAFT_CHANGE);
        core_conf_decode(entry->data, entry->len, ret_conf);
    }
}

/* The configuration that counts: the newest in the log. 0: none is known yet. */
static uint64_t newest_index(const struct core *core)
{
    return core->n_changes > 0 ? core->changes[core->n_changes - 1] : core->conf_applied_index;
}

void core_conf_correct(struct core *core)
{
    uint64_t uncommitted = core->n_changes > 0 ? core->changes[core->n_changes - 1] : 0;
    uint64_t committed = core->n_changes > 1 ? core->changes[core->n_changes - 2] : core->conf_applied_index;

    if (uncommitted == 1) { /* what the cluster was formed with was never open */
        uncommitted = 0;
        committed = 1;
    }
    if (core_raft_installing(core) || committed == 0 || CORE_SKIP(PART_CONFIGURATION)) {
        return;
    }
    core_raft_set_configurations(core, uncommitted, committed);
}

void core_conf_read(const struct core *core, uint64_t index, struct raft_configuration *ret_conf)
{
    decode_at(core, index, ret_conf);
}

/* ---- changes ---- */

static int role_of(enum core_voting voting)
{
    return voting == CORE_VOTER ? RAFT_VOTER : voting == CORE_STANDBY ? RAFT_STANDBY : RAFT_SPARE;
}

/* Rule 7: one change at a time, in a term that has committed something, with all voters at hand. */
static const char *refuse_now(struct core *core, const struct raft_configuration *conf)
{
    uint64_t commit = raft_commit_index(&core->raft);

    if (core->failed || core->role != CORE_LEADER) {
        return "this member does not lead";
    }
    if (CORE_SKIP(PART_CHANGE_GUARD)) {
        return NULL;
    }
    if (core->barrier_index == 0 || commit < core->barrier_index || core->applied_index < core->barrier_index) {
        return "the leader has just been elected";
    }
    if (core->n_changes > 0) {
        return "another change of members is not committed yet";
    }
    if (core->transfer_to != 0) {
        return "leadership is being handed over";
    }
    for (unsigned i = 0; i < conf->n; i++) {
        raft_index match = 0;

        if (conf->servers[i].role != RAFT_VOTER || conf->servers[i].id == core->config.id) {
            continue;
        }
        if (raft_match_index(&core->raft, conf->servers[i].id, &match) != 0 || match < core->conf_applied_index ||
            match < commit) {
            return "a voting member lags behind";
        }
    }
    return NULL;
}

static const char *refuse_role(struct core *core, struct raft_configuration *conf, uint64_t id, enum core_voting voting)
{
    unsigned n_voters = 0;
    raft_index match = 0;
    struct raft_server *server = NULL;

    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].id == id) {
            server = &conf->servers[i];
        } else {
            n_voters += conf->servers[i].role == RAFT_VOTER;
        }
    }
    if (server == NULL) {
        return "no such member";
    }
    if (server->role == role_of(voting)) {
        return "it is that already";
    }
    /* Rule 8. */
    if (n_voters + (voting == CORE_VOTER) < 2 && !CORE_SKIP(PART_TWO_VOTERS)) {
        return "fewer than two voting members would be left";
    }
    if (voting == CORE_VOTER && !CORE_SKIP(PART_CHANGE_GUARD) &&
        (server->role != RAFT_STANDBY || raft_match_index(&core->raft, id, &match) != 0 ||
         match < raft_commit_index(&core->raft))) {
        return "it must have caught up as a standby before it votes";
    }
    server->role = role_of(voting);
    return NULL;
}

static int submit(struct core *core, struct raft_configuration *conf)
{
    static char token;
    uint64_t nothing = 0;
    struct raft_entry entries[2] = {
        {.term = raft_current_term(&core->raft),
         .type = RAFT_BARRIER,
         .buf = {.base = &nothing, .len = sizeof(nothing)},
         .batch = &token},
        {.term = raft_current_term(&core->raft), .type = RAFT_CHANGE, .batch = &token},
    };
    int rc;

    CHECK(raft_configuration_encode(conf, &entries[1].buf) == 0);
    /* Rule 9: alone, or a refusal would leave what came before it in the library's log. */
    rc = CORE_SKIP(PART_CHANGE_ALONE) ? core_raft_submit(core, entries, 2) : core_raft_submit(core, &entries[1], 1);
    raft_free(entries[1].buf.base);
    return rc;
}

int core_assign(struct core *core, uint64_t id, enum core_voting voting, const char **ret_reason)
{
    struct raft_configuration conf;
    int rc;

    if (core->failed || !core->raft_started || newest_index(core) == 0) {
        *ret_reason = "this member does not lead";
        return -1;
    }
    decode_at(core, newest_index(core), &conf);
    *ret_reason = refuse_now(core, &conf);
    if (*ret_reason == NULL) {
        *ret_reason = refuse_role(core, &conf, id, voting);
    }
    rc = *ret_reason == NULL ? submit(core, &conf) : -1;
    raft_configuration_close(&conf);
    if (rc != 0) {
        *ret_reason = *ret_reason != NULL ? *ret_reason : "the library refuses a change now";
        return -1;
    }
    core_settle(core);
    return 0;
}

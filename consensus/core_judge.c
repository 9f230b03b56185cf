/* Whether a configuration that another member sends may become ours: one rule for entries and snapshots.
 *
 * What comes as an entry is one change away from what comes before it (rules 7 and 8). A snapshot may skip any number
 * of changes, and whoever leads, or says so, could name anybody in it. So one that is not ours, nor one change away
 * from it, counts when a second member has told the very same, in a greeting. Members greet each other with what they
 * have applied, and a leader sends no snapshot with an older configuration than its own (core_snapshot.c): they agree
 * within moments, and the snapshot is sent again. The second one may be a member that our log does not know yet: a
 * certificate is a certificate. Where there is no third member at all, nobody could tell.
 *
 * Whatever is told: a configuration with a single vote, ours, makes this member a leader that needs nobody. None may
 * come, unless that is so already.
 *
 * The first configuration in the log of a newcomer can be compared with nothing: it is of a time before its admission.
 * So its log counts for nothing until it has reached a configuration that two members tell as well.
 */
#include <string.h>

#include "consensus/core_priv.h"

static uint64_t add_byte(uint64_t digest, uint8_t byte)
{
    return (digest ^ byte) * UINT64_C(1099511628211);
}

/* FNV-1a: members of one configuration come in one order. */
uint64_t core_judge_digest(const struct raft_configuration *conf)
{
    uint64_t digest = UINT64_C(14695981039346656037);

    for (unsigned i = 0; i < conf->n; i++) {
        const struct raft_server *server = &conf->servers[i];

        for (unsigned j = 0; j < 64; j += 8) {
            digest = add_byte(digest, (uint8_t)(server->id >> j));
        }
        digest = add_byte(digest, (uint8_t)server->role);
        for (const char *p = server->address; p == server->address || p[-1] != '\0'; p++) {
            digest = add_byte(digest, (uint8_t)*p);
        }
    }
    return digest;
}

void core_judge_note(struct core *core, uint64_t by, uint64_t index, uint64_t digest)
{
    struct core_told *at = &core->told[0];

    for (size_t i = 0; i < CORE_TOLD_MAX; i++) { /* its own place, or the oldest: free ones are */
        struct core_told *told = &core->told[i];

        if (told->by == by) {
            at = told;
            break;
        }
        at = told->at_us < at->at_us ? told : at;
    }
    *at = (struct core_told){.by = by, .index = index, .digest = digest, .at_us = core_now(core)};
}

/* Members of it, neither ourselves nor that one, have told the very same. */
static unsigned count_tellers(const struct core *core, uint64_t index, const struct raft_configuration *conf,
                              uint64_t but)
{
    uint64_t digest = core_judge_digest(conf);
    unsigned n = 0;

    for (size_t i = 0; i < CORE_TOLD_MAX; i++) {
        const struct core_told *told = &core->told[i];

        n += told->by != 0 && told->by != core->config.id && told->by != but && told->index == index &&
             told->digest == digest && core_conf_names(conf, told->by);
    }
    return n;
}

/* How many others there are, as far as we or the configuration know. */
static unsigned count_others(const struct core *core, const struct raft_configuration *conf)
{
    unsigned n = 0;

    for (unsigned i = 0; i < conf->n; i++) {
        n += conf->servers[i].id != core->config.id;
    }
    for (size_t i = 0; i < core->config.n_peers; i++) {
        uint64_t id = core->config.peers[i].id;

        n += id != core->config.id && !core_conf_names(conf, id) &&
             (core_learning(core) ? core->peers[i].configured || core_speaks(core, (int)i)
                                  : core_members_ours(core, id));
    }
    return n;
}

static bool votes_alone(const struct core *core, const struct raft_configuration *conf)
{
    return core_conf_voters(conf, core->config.id) == 0;
}

bool core_judge_next(const struct core *core, const struct raft_configuration *before,
                     const struct raft_configuration *conf)
{
    if (CORE_SKIP(PART_SUCCESSION)) {
        return true;
    }
    return before != NULL ? core_conf_succeeds(before, conf) : !votes_alone(core, conf);
}

enum core_judgement core_judge_jump(const struct core *core, uint64_t by, uint64_t index,
                                    const struct raft_configuration *conf)
{
    uint64_t newest = core_conf_newest(core);
    const struct raft_configuration *ours = newest > 0 ? core_raft_configuration(core) : NULL;

    if (CORE_SKIP(PART_JUMP)) {
        return CORE_JUDGED_TAKE;
    }
    if (index < core->conf_applied_index) {
        return CORE_JUDGED_REFUSE;
    }
    if (ours != NULL && core_conf_succeeds(ours, conf)) {
        return CORE_JUDGED_TAKE;
    }
    if (!core_conf_names(conf, core->config.id) || votes_alone(core, conf) ||
        (core_conf_voters(conf, 0) < 2 && ours != NULL && core_conf_voters(ours, 0) >= 2)) {
        return CORE_JUDGED_REFUSE;
    }
    return count_tellers(core, index, conf, by) > 0 || count_others(core, conf) < 2 ? CORE_JUDGED_TAKE
                                                                                    : CORE_JUDGED_WAIT;
}

bool core_judge_joined(const struct core *core)
{
    struct raft_configuration conf;
    unsigned others;
    bool told;

    core_conf_decode(core->conf, core->conf_len, &conf);
    others = count_others(core, &conf);
    told = core_conf_names(&conf, core->config.id) &&
           count_tellers(core, core->conf_applied_index, &conf, 0) >= (others < 2 ? others : 2);
    raft_configuration_close(&conf);
    return told || CORE_SKIP(PART_JOINED_BY_TWO);
}

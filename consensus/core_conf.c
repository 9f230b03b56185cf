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
    core->members_changed = true;
}

void core_conf_cut(struct core *core, uint64_t from)
{
    while (core->n_changes > 0 && core->changes[core->n_changes - 1] >= from) {
        core->n_changes--;
        core->members_changed = true;
    }
}

void core_conf_applied(struct core *core, uint64_t index, const uint8_t *conf, size_t len)
{
    size_t below = 0;

    free(core->conf);
    core->conf = mem_dup(conf, len);
    core->conf_len = len;
    core->conf_applied_index = index;
    core->members_changed = true;
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

uint64_t core_conf_newest(const struct core *core)
{
    return core->n_changes > 0 ? core->changes[core->n_changes - 1] : core->conf_applied_index;
}

uint64_t core_conf_before(const struct core *core)
{
    return core->n_changes > 1 ? core->changes[core->n_changes - 2] : core->conf_applied_index;
}

uint64_t core_conf_until(const struct core *core, uint64_t index)
{
    for (size_t i = core->n_changes; i > 0; i--) {
        if (core->changes[i - 1] <= index) {
            return core->changes[i - 1];
        }
    }
    return core->conf_applied_index <= index ? core->conf_applied_index : 0;
}

static const struct raft_server *server_of(const struct raft_configuration *conf, uint64_t id)
{
    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].id == id) {
            return &conf->servers[i];
        }
    }
    return NULL;
}

bool core_conf_names(const struct raft_configuration *conf, uint64_t id)
{
    return server_of(conf, id) != NULL;
}

unsigned core_conf_voters(const struct raft_configuration *conf, uint64_t but)
{
    unsigned n = 0;

    for (unsigned i = 0; i < conf->n; i++) {
        n += conf->servers[i].role == RAFT_VOTER && conf->servers[i].id != but;
    }
    return n;
}

bool core_conf_succeeds(const struct raft_configuration *before, const struct raft_configuration *after)
{
    unsigned n = 0, stay = 0;

    for (unsigned i = 0; i < after->n; i++) {
        const struct raft_server *now = &after->servers[i], *then = server_of(before, now->id);

        stay += then != NULL;
        n += then == NULL || then->role != now->role || strcmp(then->address, now->address) != 0;
    }
    return n + (before->n - stay) <= 1 && (core_conf_voters(after, 0) >= 2 || core_conf_voters(before, 0) < 2);
}

void core_conf_correct(struct core *core)
{
    uint64_t uncommitted = core->n_changes > 0 ? core->changes[core->n_changes - 1] : 0;
    uint64_t committed = core_conf_before(core);

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

/* Rule 7: one change at a time, in a term that has committed something, with all voters at hand but the one that the
 * change takes the vote from (it may have died for good). An address or a key leaves the members as they are: what rule
 * 7 is about holds for the configuration before it. Whoever moves may be stopped for it, and a key must be possible
 * while members are refused for theirs. */
static const char *refuse_now(struct core *core, const struct raft_configuration *conf, uint64_t away, bool key_only)
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
    for (unsigned i = 0; i < conf->n && !key_only; i++) {
        raft_index match = 0;

        if (conf->servers[i].role != RAFT_VOTER || conf->servers[i].id == core->config.id ||
            conf->servers[i].id == away) {
            continue;
        }
        if (raft_match_index(&core->raft, conf->servers[i].id, &match) != 0 || match < core->conf_applied_index ||
            match < commit) {
            return "a voting member lags behind";
        }
    }
    return NULL;
}

/* The place is what stands before the first blank. */
static bool same_place(const char *a, const char *b)
{
    size_t len = strcspn(a, " ");

    return strcspn(b, " ") == len && memcmp(a, b, len) == 0;
}

/* The address with this key, "" none. */
static char *with_key(const char *address, const char *key)
{
    size_t len = strlen(address) - strlen(core_address_key(address));

    if (*core_address_key(address) != '\0') {
        len--; /* the blank before it */
    }
    return *key == '\0' ? mem_printf("%.*s", (int)len, address)
                        : mem_printf("%.*s%s %s", (int)len, address, strchr(address, ' ') == NULL ? " " : "", key);
}

/* A configuration that nobody can read must never be written. */
static const char *refuse_address(const struct raft_configuration *conf, const struct core_change *change)
{
    if (!core_address_valid(change->address) || *core_address_key(change->address) != '\0' ||
        strlen(change->address) > CORE_ADDRESS_MAX - CORE_KEY_LEN - 2) {
        return "its address is too long, or has a character that none may have";
    }
    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].id != change->id &&
            same_place(core_plain_address(conf->servers[i].address), change->address)) {
            return "another member has this address";
        }
    }
    return NULL;
}

static const char *refuse_key(const struct raft_server *server, const struct core_change *change)
{
    const char *address = core_plain_address(server->address);
    CLEANUP(free_ptr) char *text = with_key(address, change->key);

    return !core_address_valid(text)    ? "its key is not one, or there is no room for it"
           : strcmp(text, address) == 0 ? "it has this key already"
                                        : NULL;
}

/* What is asked for can never be, in this configuration. */
static const char *refuse_ever(const struct core *core, const struct raft_configuration *conf,
                               const struct raft_server *server, const struct core_change *change)
{
    unsigned n_voters = core_conf_voters(conf, change->id);
    bool votes = change->kind != CORE_ADD && server != NULL && server->role == RAFT_VOTER;

    if (change->kind == CORE_ADD) {
        return server != NULL                             ? "it is a member already"
               : conf->n >= CORE_PEERS_MAX                ? "there are as many members as there may be"
               : change->goal == CORE_SPARE               ? "a member is added to vote or to stand by"
               : core_goal(change->address) != CORE_SPARE ? "its address begins with a reserved character"
                                                          : refuse_address(conf, change);
    }
    if (server == NULL) {
        return "no such member";
    }
    if (change->kind == CORE_ASSIGN) {
        if (server->role == role_of(change->voting)) {
            return "it is that already";
        }
        votes = change->voting == CORE_VOTER;
    }
    if (change->kind == CORE_REMOVE) {
        if (change->id == core->config.id) {
            return "it leads: hand leadership over first";
        }
        votes = false;
    }
    if (change->kind == CORE_ADDRESS) {
        const char *reason = refuse_address(conf, change);

        if (reason != NULL) {
            return reason;
        }
    }
    if (change->kind == CORE_KEY) { /* changes nothing else, also of a cluster that needs another member */
        return refuse_key(server, change);
    }
    if (change->kind == CORE_AIM && server->role == RAFT_VOTER) {
        return "it votes already";
    }
    /* Rule 8. */
    return n_voters + votes < 2 && !CORE_SKIP(PART_TWO_VOTERS) ? "fewer than two voting members would be left" : NULL;
}

static const char *refuse_vote(struct core *core, const struct raft_server *server)
{
    int at = core_peer_index(core, server->id);
    raft_index match = 0;

    if (at < 0 || !core->peers[at].hello_seen || core->peers[at].joining) {
        return "it has not said yet that its log has reached its admission";
    }
    return !CORE_SKIP(PART_CHANGE_GUARD) &&
                   (server->role != RAFT_STANDBY || raft_match_index(&core->raft, server->id, &match) != 0 ||
                    match < raft_commit_index(&core->raft))
               ? "it must have caught up as a standby before it votes"
               : NULL;
}

/* The address with the goal before it, in the library's memory. */
static char *address_text(const char *address, enum core_voting goal)
{
    size_t len = strlen(address);
    char *text = raft_malloc(len + 2);
    size_t at = 0;

    CHECK(text != NULL);
    if (goal != CORE_SPARE) {
        text[at++] = goal == CORE_VOTER ? CORE_GOAL_VOTER : CORE_GOAL_STANDBY;
    }
    memcpy(text + at, address, len + 1);
    return text;
}

static void set_address(struct raft_server *server, const char *address, enum core_voting goal)
{
    char *text = address_text(core_plain_address(address), goal);

    raft_free(server->address);
    server->address = text;
}

static void carry_out(struct raft_configuration *conf, struct raft_server *server, const struct core_change *change)
{
    char *text;

    switch (change->kind) {
    case CORE_ADD:
        text = address_text(change->address, change->goal);
        CHECK(raft_configuration_add(conf, change->id, text, RAFT_SPARE) == 0);
        raft_free(text);
        break;
    case CORE_REMOVE:
        raft_free(server->address);
        memmove(server, server + 1, (size_t)(conf->servers + conf->n - server - 1) * sizeof(*server));
        conf->n--;
        break;
    case CORE_ASSIGN:
        server->role = role_of(change->voting);
        if (core_goal(server->address) <= change->voting) { /* reached */
            set_address(server, server->address, CORE_SPARE);
        }
        break;
    case CORE_AIM:
        set_address(server, server->address, change->goal);
        break;
    case CORE_ADDRESS:
        text = with_key(change->address, core_address_key(server->address));
        set_address(server, text, core_goal(server->address));
        free(text);
        break;
    case CORE_KEY:
        text = with_key(core_plain_address(server->address), change->key);
        set_address(server, text, core_goal(server->address));
        free(text);
        break;
    }
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

static const char *change_in(struct core *core, struct raft_configuration *conf, const struct core_change *change,
                             bool *ret_passing)
{
    bool away = change->kind == CORE_REMOVE || change->kind == CORE_ADDRESS ||
                (change->kind == CORE_ASSIGN && change->voting != CORE_VOTER);
    struct raft_server *server = NULL;
    const char *reason;

    for (unsigned i = 0; i < conf->n; i++) {
        server = conf->servers[i].id == change->id ? &conf->servers[i] : server;
    }
    reason = refuse_ever(core, conf, server, change);
    if (reason != NULL) {
        return reason;
    }
    CHECK(server != NULL || change->kind == CORE_ADD);
    *ret_passing = true;
    reason = refuse_now(core, conf, away ? change->id : 0, change->kind == CORE_KEY);
    if (reason == NULL && change->kind == CORE_ASSIGN && change->voting == CORE_VOTER) {
        reason = refuse_vote(core, server);
    }
    if (reason != NULL) {
        return reason;
    }
    carry_out(conf, server, change);
    return submit(core, conf) == 0 ? NULL : "the library refuses a change now";
}

int core_change(struct core *core, const struct core_change *change, const char **ret_reason, bool *ret_passing)
{
    struct raft_configuration conf;

    *ret_passing = false;
    if (core->failed || !core->raft_started || core->role != CORE_LEADER || core_conf_newest(core) == 0) {
        *ret_reason = "this member does not lead";
        return -1;
    }
    decode_at(core, core_conf_newest(core), &conf);
    *ret_reason = change_in(core, &conf, change, ret_passing);
    raft_configuration_close(&conf);
    if (*ret_reason != NULL) {
        return -1;
    }
    core_settle(core);
    return 0;
}

int core_assign(struct core *core, uint64_t id, enum core_voting voting, const char **ret_reason)
{
    const struct core_change change = {.kind = CORE_ASSIGN, .id = id, .voting = voting};
    bool passing;

    return core_change(core, &change, ret_reason, &passing);
}

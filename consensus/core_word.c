/* What a leader says of the receiver in a greeting, and when that is believed.
 *
 * A leader that serves says what the receiver is to the cluster (WK_ADMITS), and a leader up to where it has the
 * receiver's word (WK_LAST_INDEX). That can end a member, or let one in; and anyone with the certificate of one member
 * can say it. So one word is not enough where there is a third member: one more has to say, in a greeting of the same
 * moment, that it follows this leader in this term (WK_FOLLOWS), and has the receiver in its configuration, or has not,
 * as the leader says. Whoever leads for certain has a majority that does, and the others are asked at once.
 *
 * A member whose log is said to end before what it has acknowledged is in doubt until then: it takes no part, for what
 * it might promise could be what it has lost. It ends when another member bears it out. The doubt ends with a leader
 * that was elected without this member: that one has all that was ever committed. What a disk has
 * lost is gone since the start: once this process has acknowledged something, a leader has heard where the log ends,
 * and no such word is believed any more. It ends as well when another member says that it serves, long after this one
 * fell silent: a majority follows that one, without us, so nobody was ever elected in a later term, and in its own term
 * it knows of nothing that we lack. Whoever said otherwise was wrong, and is not believed in this again.
 */
#include "consensus/core_priv.h"

#define FRESH_US UINT64_C(2000000)

void core_word_note(struct core *core, size_t at, const struct wire *wire)
{
    core->peers[at].word = (struct core_word){.at_us = core_now(core),
                                              .term = wire->key[WK_TERM],
                                              .admits = wire->key[WK_ADMITS],
                                              .last_index = wire->key[WK_LAST_INDEX],
                                              .conf_index = wire->key[WK_CONF_INDEX],
                                              .follows = wire->key[WK_FOLLOWS],
                                              .has_us = wire->body_len > 0};
}

static bool is_fresh(struct core *core, const struct core_peer_state *peer)
{
    return peer->hello_seen && peer->state == CORE_FORMED && core_now(core) - peer->word.at_us <= FRESH_US;
}

/* Members of the first release do not say whom they follow. */
static bool follows(const struct core_word *word, uint64_t leader)
{
    return word->follows == 0 || word->follows == leader + 1;
}

/* One who may be a member. As long as our own log does not say who is, those of the configuration file are asked, too,
 * even if one of them has named others. */
static bool may_be_member(const struct core *core, size_t i)
{
    if (core->config.peers[i].id == core->config.id) {
        return false;
    }
    return core_learning(core) ? core->peers[i].configured || core_speaks(core, (int)i)
                               : core_members_ours(core, core->config.peers[i].id); /* a removal may come to nothing */
}

/* index: of a configuration that this one must have as well, if it says which it has; 0: of none. */
static bool bears_out(struct core *core, size_t i, size_t speaker, uint64_t index)
{
    bool a_member = core->peers[speaker].word.admits != WIRE_STRANGER;

    const struct core_peer_state *peer = &core->peers[i], *said = &core->peers[speaker];

    return is_fresh(core, peer) && id_equal(peer->cluster_id, said->cluster_id) && peer->word.has_us == a_member &&
           (peer->word.conf_index == 0 || peer->word.conf_index >= index) &&
           follows(&peer->word, core->config.peers[speaker].id) &&
           (peer->word.follows == 0 || peer->word.term == said->word.term);
}

static bool is_borne_out(struct core *core, size_t speaker, uint64_t index)
{
    bool alone = true;

    for (size_t i = 0; i < core->config.n_peers; i++) {
        if (i != speaker && may_be_member(core, i)) {
            alone = false;
            if (bears_out(core, i, speaker, index)) {
                return true;
            }
        }
    }
    return alone || CORE_SKIP(PART_SECOND_WORD);
}

bool core_word_is_followed(const struct core *core, uint64_t leader, uint64_t term)
{
    for (size_t i = 0; i < core->config.n_peers; i++) {
        const struct core_peer_state *peer = &core->peers[i];
        uint64_t id = core->config.peers[i].id;

        if (id != leader && id != core->config.id && core_speaks(core, (int)i) &&
            is_fresh((struct core *)(uintptr_t)core, peer) && id_equal(peer->cluster_id, core->cluster_id) &&
            peer->word.follows == leader + 1 && peer->word.term == term) {
            return true;
        }
    }
    return false;
}

/* Everybody is asked, those who are silent by now as well: they may be the ones who know. */
void core_word_ask(struct core *core)
{
    uint64_t now = core_now(core);

    if (now < core->word_ask_us) {
        return;
    }
    core->word_ask_us = now + CORE_GREET_EVERY_US;
    for (size_t i = 0; i < core->config.n_peers; i++) {
        if (core->config.peers[i].id != core->config.id) {
            core_form_greet(core, core->config.peers[i].id, true);
        }
    }
}

/* ---- an empty disk, and a cluster that is there ---- */

static void weigh_admission(struct core *core, size_t at)
{
    const struct core_peer_state *peer = &core->peers[at];

    /* The log has to reach this index, so it must be there, and one member alone could say any. */
    uint64_t index = peer->word.admits == WIRE_ADMITTED ? peer->word.conf_index : 0;

    if (core->state_writing || peer->word.admits < WIRE_ADMITTED || !is_borne_out(core, at, index)) {
        return; /* all are asked from time to time */
    }
    if (peer->word.admits == WIRE_ADMITTED || CORE_SKIP(PART_ADMISSION)) {
        core_form_join(core, peer->cluster_id, peer->word.conf_index);
    } else {
        core_fail(core,
                  "this member's data directory is empty, but it is a member of cluster %s already: a member that lost "
                  "its disk must not come back under its old identity; run 'hecate member replace %lu', then start it",
                  id_text(peer->cluster_id).text, (unsigned long)core->config.id);
    }
}

/* We lead, or hear of another one in these moments. */
static bool follows_another(struct core *core, uint64_t speaker)
{
    uint64_t leader = core_raft_leader(core);

    return leader != 0 && leader != speaker &&
           (leader == core->config.id || (core->led_term == raft_current_term(&core->raft) && !core_raft_silent(core)));
}

/* ---- a member that was removed ---- */

static void weigh_removal(struct core *core, size_t at)
{
    uint64_t speaker = core->config.peers[at].id;

    if (!core_conf_has(core, speaker) && core->disk_state != CORE_JOINING) {
        return;
    }
    if (core->raft_started && core->peers[at].word.term <= raft_current_term(&core->raft) &&
        follows_another(core, speaker) && !CORE_SKIP(PART_SECOND_WORD)) {
        return; /* there is one leader in a term */
    }
    if (!is_borne_out(core, at, 0)) {
        core_word_ask(core);
        return;
    }
    core_fail(core,
              "this member was removed from cluster %s; to add it again, move its data directory away and run 'hecate "
              "member add %lu'",
              id_text(core->cluster_id).text, (unsigned long)core->config.id);
}

/* ---- a log that ends before what was acknowledged ---- */

/* What is acknowledged in a term is cut in a later one only, and then that one is on the disk. It would notice some of
 * those who come back empty, too: but for the tests of what does so, it is left out with it. */
static bool has_lost(const struct core *core, const struct core_word *word)
{
    if (CORE_SKIP(PART_LOSS)) {
        return false;
    }
    return word->term >= raft_current_term((struct raft *)(uintptr_t)&core->raft) &&
           word->last_index > core_last_index(core) && !CORE_SKIP(PART_ADMISSION);
}

static void weigh_loss(struct core *core, size_t at)
{
    const struct core_word *word = &core->peers[at].word;
    uint64_t speaker = core->config.peers[at].id;

    if (core->peers[at].refuted || !core_conf_has(core, speaker) || follows_another(core, speaker) || core->acked) {
        return;
    }
    if (!is_borne_out(core, at, 0)) {
        uint64_t since_us = core->doubt.by != 0 ? core->doubt.since_us : core_now(core);

        core->doubt =
            (struct core_doubt){.by = speaker, .term = word->term, .index = word->last_index, .since_us = since_us};
        for (size_t i = 0; i < core->config.n_peers; i++) {
            core->peers[i].vote.kept = false;
        }
        core_word_ask(core);
        return;
    }
    core_fail(core,
              "this member's log ends at entry %lu, but it has acknowledged all up to %lu: its disk has not kept what "
              "was synced, or its data directory is an older copy; move the directory away, run 'hecate member replace "
              "%lu' and start this member",
              (unsigned long)core_last_index(core), (unsigned long)word->last_index, (unsigned long)core->config.id);
}

/* It serves without us: our last promise is over by far, and its word is of after that. */
static bool refutes(const struct core *core, size_t at)
{
    const struct core_word *word = &core->peers[at].word;
    uint64_t long_us = 3000 * (uint64_t)core->config.election_timeout_ms;

    return core->doubt.by != 0 && core->doubt.by != core->config.peers[at].id && word->admits >= WIRE_ADMITTED &&
           word->follows == core->config.peers[at].id + 1 && word->at_us >= core->doubt.since_us + long_us &&
           word->last_index <= core_last_index(core);
}

static void end_doubt(struct core *core)
{
    int liar = core_peer_index(core, core->doubt.by);

    if (liar >= 0) {
        core->peers[liar].refuted = true;
    }
    core->doubt.by = 0;
}

bool core_word_in_doubt(struct core *core, uint64_t from, const struct wire *wire)
{
    const struct core_doubt *doubt = &core->doubt;
    uint64_t type = wire->key[WK_TYPE], term = wire->key[WK_MSG_TERM];

    /* In this very term another one leads, or in a later one anybody: without our vote. */
    if (doubt->by != 0 && (type == WIRE_APPEND || type == WIRE_SNAPSHOT) &&
        (term > doubt->term || (term == doubt->term && from != doubt->by))) {
        core->doubt.by = 0;
    }
    return doubt->by != 0;
}

/* ---- all ---- */

static void weigh(struct core *core, size_t at)
{
    const struct core_peer_state *peer = &core->peers[at];

    if (!is_fresh(core, peer) || !follows(&peer->word, core->config.peers[at].id)) {
        return;
    }
    if (core->disk_state == CORE_EMPTY) {
        weigh_admission(core, at);
    }
    if (!core_formed(core) || !id_equal(peer->cluster_id, core->cluster_id)) {
        return;
    }
    if (core->disk_state == CORE_JOINING && core->join_index == 0 && peer->word.admits >= WIRE_ADMITTED &&
        is_borne_out(core, at, peer->word.conf_index)) {
        core->join_index = peer->word.conf_index > 0 ? peer->word.conf_index : 1;
    }
    if (refutes(core, at)) {
        end_doubt(core);
    }
    if (peer->word.admits == WIRE_STRANGER) {
        weigh_removal(core, at);
    } else if (core->raft_started && has_lost(core, &peer->word)) {
        weigh_loss(core, at);
    }
}

void core_word_weigh(struct core *core)
{
    for (size_t i = 0; i < core->config.n_peers && !core->failed; i++) {
        if (core->config.peers[i].id != core->config.id && may_be_member(core, i)) {
            weigh(core, i);
        }
    }
}

uint64_t core_word_poll(struct core *core, uint64_t now)
{
    if (core->doubt.by == 0) {
        return UINT64_MAX;
    }
    core_word_ask(core);
    core_word_weigh(core);
    return core->word_ask_us > now ? core->word_ask_us : now + 1000;
}

/* Later terms: how far and how often the word of one member moves ours.
 *
 * Raft takes over any later term, whoever names it; a leader gives up for it, and an election that was under way has
 * failed. So anyone with the certificate of one member could depose each leader in the moment before it holds its lease
 * (from then on: core_lead.c), spoil each election, and with a term that is far away leave none for the time to come.
 * What nobody else names as well is therefore believed now and then only. Otherwise the frame is as if it were lost,
 * which Raft stands at any time.
 *
 * How far: a step is TERMS_AT_ONCE, more than years of elections take. A frame from further away says nothing but that
 * it is there: our term makes the step, the rest of the frame is lost. The next frame makes the next step, so whoever
 * was away while terms jumped follows after a few; a wall would keep it out for good.
 *
 * How often, without being a leader: MOVES times at once, for candidates that meet need more than one try; then once in
 * a while. A pause that grew would do harm: a liar who spoils an election uses up what is left to the honest candidate
 * as well, and gets on the same terms with him. What led to a leader that we elected and that commits in this term was
 * honest, and costs nothing: leaders may die one after the other for as long as they like, and who spoils elections has
 * won none. A leader: at once for the first time, then after a pause that grows. A member that really is in a later
 * term cannot follow, and waits for that; only one that gets there again and again waits long. The pauses are kept by
 * the peer, not the leadership: all of them are this process's.
 *
 * A leader that has held no lease for a while is not worth a pause: it serves nobody, and one liar who answers its
 * entries and returns no number keeps it in office, while the honest word of the third member would have to wait.
 *
 * Two members do not lie: what another one names as well, in any frame of its own, is true, however often. But it has
 * to be much the same that they name, at much the same time. A liar that has named a term beyond all others once would
 * bear out whatever anybody says from then on; so a term out of reach bears out only one who is out of reach as well,
 * and none counts that was named long ago.
 */
#include "consensus/core_priv.h"

#define TERMS_AT_ONCE (UINT64_C(1) << 20)
#define MOVES 4
/* In election timeouts: */
#define MOVE_EVERY 64
#define NAMED_RECENTLY 16 /* who is in a later term answers each heartbeat, or stands for election */
#define LEASE_LOST 2      /* a leader without a lease for so long is none */
#define PAUSE_FIRST 16
#define PAUSE_GROWS 4
#define PAUSE_MAX 256
#define PAUSE_FORGOTTEN 2048 /* since it began */

static uint64_t timeouts_us(const struct core *core, uint64_t n)
{
    return n * 1000 * core->config.election_timeout_ms;
}

uint64_t core_term_reach(const struct core *core)
{
    return raft_current_term((struct raft *)(uintptr_t)&core->raft) + TERMS_AT_ONCE;
}

static bool bears_out(const struct core *core, const struct core_peer_state *peer, bool far, uint64_t now)
{
    return now < peer->last_heard_us + timeouts_us(core, NAMED_RECENTLY) &&
           (far || peer->named_term <= core_term_reach(core));
}

/* The latest term that another member than this one has named, as far as that counts. */
static uint64_t named_by_others(const struct core *core, size_t at, uint64_t now)
{
    bool far = core->peers[at].named_term > core_term_reach(core);
    uint64_t term = 0;

    for (size_t i = 0; i < core->config.n_peers; i++) {
        const struct core_peer_state *peer = &core->peers[i];

        if (i != at && core_speaks(core, (int)i) && bears_out(core, peer, far, now) && peer->named_term > term) {
            term = peer->named_term;
        }
    }
    return term;
}

static uint64_t move_every_us(const struct core *core)
{
    return timeouts_us(core, CORE_SKIP(PART_MOVES) ? 3 : MOVE_EVERY);
}

static bool may_move(const struct core *core, struct core_peer_state *peer, uint64_t term, uint64_t now)
{
    uint64_t every_us = move_every_us(core);
    uint64_t from = peer->moves_us > now ? peer->moves_us : now;

    if (from - now > (MOVES - 1) * every_us) {
        return false;
    }
    peer->moves_us = from + every_us;
    peer->moved_to = term;
    return true;
}

void core_term_give_back(struct core *core)
{
    uint64_t leader = core_raft_leader(core), term = raft_current_term(&core->raft);
    int at = core_peer_index(core, leader);

    if (at < 0 || core->peers[at].moved_to != term || raft_voted_for(&core->raft) != leader ||
        core_entry_term(core, raft_commit_index(&core->raft)) != term || CORE_SKIP(PART_GIVE_BACK)) {
        return;
    }
    core->peers[at].moved_to = 0;
    core->peers[at].moves_us -= move_every_us(core);
}

/* It holds a lease or has lost it a moment ago, or has just been elected. */
static bool is_worth_a_pause(const struct core *core, uint64_t now)
{
    uint64_t held_us = core->lease.given_until > core->lead_us ? core->lease.given_until : core->lead_us;

    return now < held_us + timeouts_us(core, LEASE_LOST) || CORE_SKIP(PART_LEASE_LOST);
}

static bool may_depose(const struct core *core, struct core_peer_state *peer, uint64_t now)
{
    uint64_t pause_us = peer->pause_us;

    if (!is_worth_a_pause(core, now)) {
        return true;
    }
    if (now < peer->deposed_us + pause_us) {
        return false;
    }
    if (pause_us == 0 || now >= peer->deposed_us + timeouts_us(core, PAUSE_FORGOTTEN)) {
        pause_us = timeouts_us(core, PAUSE_FIRST);
    } else {
        pause_us *= PAUSE_GROWS;
    }
    peer->pause_us = pause_us < timeouts_us(core, PAUSE_MAX) ? pause_us : timeouts_us(core, PAUSE_MAX);
    peer->deposed_us = now;
    return true;
}

bool core_term_believe(struct core *core, size_t at, uint64_t term)
{
    struct core_peer_state *peer = &core->peers[at];
    uint64_t now = core_now(core);

    if (term <= named_by_others(core, at, now) || CORE_SKIP(PART_LATER_TERMS)) {
        return true;
    }
    return core->role == CORE_LEADER ? may_depose(core, peer, now) : may_move(core, peer, term, now);
}

bool core_term_in_excess(struct core *core, size_t at, const struct wire *wire)
{
    uint64_t term = wire->key[WK_MSG_TERM], own = raft_current_term(&core->raft);
    bool moves = false;

    switch (wire->key[WK_TYPE]) {
    case WIRE_APPEND:
        moves = term > own;
        break;
    case WIRE_APPEND_RESULT:
        moves = term > own && core->role == CORE_LEADER;
        break;
    case WIRE_VOTE_RESULT: /* a pre-vote is of the term to come */
        moves = term > own + core_raft_pre_voting(core) && core->role == CORE_CANDIDATE;
        break;
    default: /* a vote that is asked for: when it is delivered */
        break;
    }
    return moves && !core_term_believe(core, at, term);
}

void core_term_bring_near(struct wire *wire, uint64_t reach)
{
    wire->key[WK_MSG_TERM] = reach;
    wire->key[WK_COUNT] = wire->key[WK_LAST_INDEX] = wire->key[WK_LAST_TERM] = 0; /* nobody votes for such a log */
    if (wire->key[WK_TYPE] == WIRE_VOTE_RESULT) {
        wire->key[WK_FLAGS] &= 2U; /* not granted */
    }
}

void core_term_approach(struct core *core, uint64_t from, uint64_t term)
{
    /* Who asks for a vote with an empty log gets none, but its term is taken over; and who leads stays open. */
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE,
        .server_id = from,
        .request_vote = {.version = 2, .term = term, .candidate_id = from, .disrupt_leader = true},
    };

    core_raft_recv(core, &message);
}

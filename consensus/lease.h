/* Lease and promise. Pure; all times are microseconds of the caller's own clock (CLOCK_BOOTTIME).
 *
 * The leader sends its clock as a number; a follower that promises not to elect anybody else for L returns it at once.
 * The lease runs until the majority-th newest returned number + L, shortened for clock drift. Reasons, and what breaks
 * without each part: docs/architecture.md and tests/simulation.
 */
#ifndef HECATE_CONSENSUS_LEASE_H
#define HECATE_CONSENSUS_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEASE_PEERS_MAX 9
#define LEASE_DRIFT_PERCENT 1 /* clocks of two members may run apart by this much */

struct lease {
    uint64_t l_us;     /* ours, as leader */
    uint64_t l_max_us; /* largest L that a member may use: a leader's number that stands for more is not promised for */
    uint64_t start_until;
    uint64_t promise_until, promise_term, promise_number;
    uint64_t successor;   /* to whom its leader hands over, plus 1, as it said last; 0: it does not say such */
    uint64_t given_until; /* the last deadline that was ours or given away */
    uint64_t since;       /* while we hold a lease: since then without a gap */
    bool suspended;       /* a transfer is pending: no numbers, no lease */
    size_t needed;        /* echoes of other voters that make a majority */
    size_t n_voters;
    uint64_t voters[LEASE_PEERS_MAX]; /* without this member */
    size_t n_echoes;
    struct {
        uint64_t id, number;
    } echoes[LEASE_PEERS_MAX];
};

void lease_init(struct lease *lease, uint64_t now, uint64_t l_us, uint64_t l_max_us);
/* Whose promises count: the voters of the newest configuration. me need not be among them. */
void lease_set_voters(struct lease *lease, uint64_t me, const uint64_t *voters, size_t n_voters);
/* Became leader: nothing is echoed yet. */
void lease_lead(struct lease *lease);
/* Gives up the lease while a transfer is pending, and takes it up again, from nothing, when that has failed. */
void lease_suspend(struct lease *lease);
void lease_resume(struct lease *lease);
/* Whoever was given a deadline (the keeper of the address) says that it has let go: the own promise ends. */
void lease_released(struct lease *lease);
/* A leader's number. true: promised, send it back at once. */
bool lease_on_ping(struct lease *lease, uint64_t now, uint64_t my_term, bool is_follower, uint64_t term,
                   uint64_t number, uint64_t l_us);
/* A number came back. now: nothing sent later than now can come back. */
void lease_on_ack(struct lease *lease, uint64_t now, uint64_t my_term, bool is_leader, uint64_t peer, uint64_t term,
                  uint64_t number);
/* The leader that is followed says to whom it hands over: member id plus 1; 1: to nobody; 0: it is of a release that
 * does not say. */
void lease_on_successor(struct lease *lease, uint64_t successor);
/* May a vote for this candidate in this term be given, or a campaign for it begun? transfer_number: the send time of a
 * transfer's order, 0 when it is none; it releases the promise to the very leader that ordered it, and nothing else. */
bool lease_may_vote(const struct lease *lease, uint64_t now, uint64_t vote_term, uint64_t candidate,
                    uint64_t transfer_number);
/* Can this member lead in this later term? Nobody is elected without those who have promised, unless their leader says
 * that it hands over to him. */
bool lease_may_follow(const struct lease *lease, uint64_t now, uint64_t term, uint64_t leader);
/* The leader that was followed has said that it hands over to that one, who leads in this term. */
bool lease_handed_over(const struct lease *lease, uint64_t term, uint64_t to);
/* When lease_may_vote becomes true for everything. */
uint64_t lease_silent_until(const struct lease *lease);
/* End of the leader's lease; 0 when there is none. */
uint64_t lease_until(struct lease *lease, uint64_t now, bool is_leader);

#endif

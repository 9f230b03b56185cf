#include "consensus/lease.h"

#include <string.h>

#include "consensus/core_test.h"
#include "store/base/check.h"

void lease_init(struct lease *lease, uint64_t now, uint64_t l_us, uint64_t l_max_us)
{
    memset(lease, 0, sizeof(*lease));
    lease->l_us = l_us;
    lease->l_max_us = l_max_us;
    lease->start_until = CORE_SKIP(PART_START_PROMISE)
                             ? now
                             : now + l_max_us; /* what was promised before the restart is forgotten: assume the worst */
}

static bool is_voter(const struct lease *lease, uint64_t id)
{
    for (size_t i = 0; i < lease->n_voters; i++) {
        if (lease->voters[i] == id) {
            return true;
        }
    }
    return false;
}

/* Members come and go: the numbers of former voters would fill the table. */
static void forget_others(struct lease *lease)
{
    size_t n = 0;

    for (size_t i = 0; i < lease->n_echoes; i++) {
        if (is_voter(lease, lease->echoes[i].id)) {
            lease->echoes[n++] = lease->echoes[i];
        }
    }
    lease->n_echoes = n;
}

void lease_set_voters(struct lease *lease, uint64_t me, const uint64_t *voters, size_t n_voters)
{
    bool me_votes = false;

    CHECK(n_voters <= LEASE_PEERS_MAX);
    lease->n_voters = 0;
    for (size_t i = 0; i < n_voters; i++) {
        if (voters[i] == me) {
            me_votes = true;
        } else {
            lease->voters[lease->n_voters++] = voters[i];
        }
    }
    lease->needed = n_voters / 2 + (me_votes ? 0 : 1);
    forget_others(lease);
}

void lease_suspend(struct lease *lease)
{
    lease->suspended = true;
}

void lease_resume(struct lease *lease)
{
    lease->suspended = false;
    lease->n_echoes = 0;
}

void lease_released(struct lease *lease)
{
    lease->given_until = 0;
}

void lease_lead(struct lease *lease)
{
    lease->n_echoes = 0;
    lease->suspended = false;
}

bool lease_on_ping(struct lease *lease, uint64_t now, uint64_t my_term, bool is_follower, uint64_t term,
                   uint64_t number, uint64_t l_us)
{
    if (!is_follower || term != my_term || number == 0 || l_us > lease->l_max_us) {
        return false;
    }
    if (now + l_us > lease->promise_until) {
        lease->promise_until = now + l_us;
    }
    if (term != lease->promise_term || number > lease->promise_number) {
        lease->promise_number = number;
    }
    lease->promise_term = term;
    return true;
}

void lease_on_ack(struct lease *lease, uint64_t now, uint64_t my_term, bool is_leader, uint64_t peer, uint64_t term,
                  uint64_t number)
{
    if (!is_leader || term != my_term || number > now || !is_voter(lease, peer)) {
        return;
    }
    if (lease_until(lease, now, true) <= now) {
        lease->since = now; /* if it begins with this number */
    }
    for (size_t i = 0; i < lease->n_echoes; i++) {
        if (lease->echoes[i].id == peer) {
            if (number > lease->echoes[i].number) {
                lease->echoes[i].number = number;
            }
            return;
        }
    }
    CHECK(lease->n_echoes < LEASE_PEERS_MAX);
    lease->echoes[lease->n_echoes].id = peer;
    lease->echoes[lease->n_echoes++].number = number;
}

void lease_on_successor(struct lease *lease, uint64_t successor)
{
    lease->successor = successor;
}

static bool hands_over(const struct lease *lease, uint64_t term, uint64_t to)
{
    return term == lease->promise_term + 1 &&
           (lease->successor == 0 || lease->successor == to + 1 || CORE_SKIP(PART_HAND_OVER));
}

bool lease_handed_over(const struct lease *lease, uint64_t term, uint64_t to)
{
    return lease->successor == to + 1 && term == lease->promise_term + 1;
}

bool lease_may_follow(const struct lease *lease, uint64_t now, uint64_t term, uint64_t leader)
{
    if (CORE_SKIP(PART_CLAIMS)) {
        return true;
    }
    if (now < lease->given_until) {
        return false;
    }
    return now >= lease->promise_until || lease->successor == 0 || hands_over(lease, term, leader);
}

bool lease_may_vote(const struct lease *lease, uint64_t now, uint64_t vote_term, uint64_t candidate,
                    uint64_t transfer_number)
{
    if (now < lease->start_until || (now < lease->given_until && !CORE_SKIP(PART_OWN_PROMISE))) {
        return false;
    }
    if (now >= lease->promise_until || CORE_SKIP(PART_PROMISE)) {
        return true;
    }
    if (CORE_SKIP(PART_TRANSFER_GIVES_UP) && transfer_number != 0) {
        return true;
    }
    return transfer_number != 0 && transfer_number >= lease->promise_number && hands_over(lease, vote_term, candidate);
}

uint64_t lease_silent_until(const struct lease *lease)
{
    uint64_t until = lease->start_until;

    if (lease->promise_until > until && !CORE_SKIP(PART_PROMISE)) {
        until = lease->promise_until;
    }
    return lease->given_until > until && !CORE_SKIP(PART_OWN_PROMISE) ? lease->given_until : until;
}

/* The needed-th newest number that voters have returned; 0: too few. */
static uint64_t majority_number(const struct lease *lease)
{
    uint64_t numbers[LEASE_PEERS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < lease->n_echoes; i++) { /* insertion sort, newest first */
        size_t at = n;

        while (at > 0 && numbers[at - 1] < lease->echoes[i].number) {
            numbers[at] = numbers[at - 1];
            at--;
        }
        numbers[at] = lease->echoes[i].number;
        n++;
    }
    return lease->needed <= n ? numbers[lease->needed - 1] : 0;
}

uint64_t lease_until(struct lease *lease, uint64_t now, bool is_leader)
{
    uint64_t drift = CORE_SKIP(PART_MARGIN) ? 0 : LEASE_DRIFT_PERCENT;
    uint64_t number, until;

    if (!is_leader || lease->suspended) {
        return 0;
    }
    number = lease->needed > 0 ? majority_number(lease) : now;
    if (number == 0) {
        return 0;
    }
    until = number + lease->l_us * (100 - drift) / (100 + drift);
    if (until > now && until > lease->given_until) {
        lease->given_until = until;
    }
    return until;
}

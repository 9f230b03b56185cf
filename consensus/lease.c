#include "consensus/lease.h"

#include <string.h>

#include "store/base/check.h"

void lease_init(struct lease *lease, uint64_t now, uint64_t l_us, uint64_t l_max_us)
{
    memset(lease, 0, sizeof(*lease));
    lease->l_us = l_us;
    lease->l_max_us = l_max_us;
    lease->start_until = now + l_max_us; /* what was promised before the restart is forgotten: assume the worst */
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
    if (!is_leader || term != my_term || number > now) {
        return;
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

bool lease_may_vote(const struct lease *lease, uint64_t now, uint64_t vote_term, uint64_t transfer_number)
{
    if (now < lease->start_until || now < lease->given_until) {
        return false;
    }
    if (now >= lease->promise_until) {
        return true;
    }
    return transfer_number != 0 && vote_term == lease->promise_term + 1 && transfer_number >= lease->promise_number;
}

uint64_t lease_silent_until(const struct lease *lease)
{
    uint64_t until = lease->start_until;

    if (lease->promise_until > until) {
        until = lease->promise_until;
    }
    return lease->given_until > until ? lease->given_until : until;
}

uint64_t lease_until(struct lease *lease, uint64_t now, bool is_leader, size_t n_voters)
{
    size_t needed = n_voters / 2; /* besides the leader itself */
    uint64_t number = now;
    uint64_t until;

    if (!is_leader || lease->suspended || lease->n_echoes < needed) {
        return 0;
    }
    if (needed > 0) {
        uint64_t numbers[LEASE_PEERS_MAX];

        for (size_t i = 0; i < lease->n_echoes; i++) { /* insertion sort, newest first */
            size_t at = i;

            while (at > 0 && numbers[at - 1] < lease->echoes[i].number) {
                numbers[at] = numbers[at - 1];
                at--;
            }
            numbers[at] = lease->echoes[i].number;
        }
        number = numbers[needed - 1];
    }
    until = number + lease->l_us * (100 - LEASE_DRIFT_PERCENT) / (100 + LEASE_DRIFT_PERCENT);
    if (until > now && until > lease->given_until) {
        lease->given_until = until;
    }
    return until;
}

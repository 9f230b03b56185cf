/* Three members of which number 1 is real: what the others say to it, and how it is elected. */
#ifndef HECATE_TESTS_UNIT_CONSENSUS_CLAIM_H
#define HECATE_TESTS_UNIT_CONSENSUS_CLAIM_H

#include "tests/unit/consensus/lone.h"

#define TERM 5
#define PROMISE_US 150000

int claim_set_up(void **state);
bool claim_append(uint64_t from, uint64_t in_term);
void claim_number(uint64_t from, uint64_t number, uint64_t follows);
void claim_lead(void);
void claim_vote(uint64_t from, uint64_t flags);
uint64_t claim_timeouts_us(uint64_t n);
void claim_answer(uint64_t from, uint64_t in_term, uint64_t rejected);
void claim_echo(uint64_t from, uint64_t number);
void claim_be_elected(void);
void claim_serve(uint64_t for_us, bool both);

#endif

/* What directed runs have in common. Each is a function of a seed that returns true when nothing was wrong; a test
 * asserts that it holds for several seeds, and that it does not without the part of the core that it is about. */
#ifndef HECATE_TESTS_SIMULATION_DIRECTED_H
#define HECATE_TESTS_SIMULATION_DIRECTED_H

#include "tests/simulation/sim.h"

/* A cluster of n with a serving leader, idle. The leader is directed_leader(). */
struct sim *directed_new(const struct sim_config *config, size_t *ret_leader);
/* Ends it; false when the oracle saw anything, or ok is false. */
bool directed_end(struct sim *sim, bool ok);
/* Members other than the leader, in order. */
void directed_others(const struct sim *sim, size_t leader, size_t *ret_a, size_t *ret_b);
/* Submits one command after the other until the time is over. */
void directed_load(struct sim *sim, size_t member, uint64_t for_us, uint64_t every_us);
bool directed_wait_leader(struct sim *sim, uint64_t at_most_us, size_t member);
/* The connections from a member to all others seem to close, and nothing passes in either direction any more. */
void directed_cut_off(struct sim *sim, size_t member);

/* For n seeds: holds with everything; without the part at least min_broken break. */
void directed_expect(enum core_part part, bool (*fn)(uint64_t seed), unsigned n, unsigned min_broken);

#endif

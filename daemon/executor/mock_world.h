/* Pretended storage nodes: what steps leave behind on them. Pure, so that simulations can use it without a loop. */
#ifndef HECATE_DAEMON_EXECUTOR_MOCK_WORLD_H
#define HECATE_DAEMON_EXECUTOR_MOCK_WORLD_H

#include "daemon/executor/executor.h"

struct mock_world;

struct mock_world *mock_world_new(uint64_t device_kib, bool devices_once);
void mock_world_free(struct mock_world *world);
/* Does one step at once: idempotent, fenced by term, as on a real node. */
void mock_world_apply(struct mock_world *world, const struct exec_step *step, struct exec_result *ret_result);
/* What no step has made does not exist. Otherwise a volume or brick that a step is about is taken for granted, since
 * another member may have made it in a world of its own. */
void mock_world_be_strict(struct mock_world *world);
/* How many things whose description begins with prefix exist: "vg ", "brick ", "volume ", "block ", "peer ", "snapshot
 * "; "" counts all. */
size_t mock_world_count(const struct mock_world *world, const char *prefix);
bool mock_world_has(const struct mock_world *world, const char *description);
/* The size of a block volume in GiB, 1 for a brick that is part of a Gluster volume; 0 when it does not exist. */
uint64_t mock_world_value(const struct mock_world *world, const char *description);
/* Calls visit for each description ("block HOSTING/NAME", "brick HOST ID", "vg HOST ID", "volume CLUSTER
 * NAME", "peer NAME", "snapshot CLUSTER VOLUME NAME"), in order. */
void mock_world_visit(const struct mock_world *world, void (*visit)(void *user, const char *description), void *user);

#endif

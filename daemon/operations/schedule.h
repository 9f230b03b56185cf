/* Who may run now. Pure.
 *
 * A step claims what it needs, at most one of each kind: a channel to its node, a volume group, a Gluster volume, a
 * place among the gluster commands of its cluster's pool. It runs when it can have all of them at once; until then it
 * waits for one of them and holds none, so that a hung node stops only what needs it. The oldest waiting step comes
 * first; one that was passed over too often keeps what it gets, in the order of the kinds, so that it runs in the end.
 *
 * The limit of a pool adapts: one more after a round of successes, half when two of its nodes say "another transaction
 * is in progress" within the round, or its only one does. One node's word alone does not slow the others down.
 */
#ifndef HECATE_DAEMON_OPERATIONS_SCHEDULE_H
#define HECATE_DAEMON_OPERATIONS_SCHEDULE_H

#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/id.h"

#define SCHEDULE_NODE_LIMIT 8 /* the executor's channels to a node */
#define SCHEDULE_POOL_START 4
#define SCHEDULE_POOL_MAX 16
#define SCHEDULE_PATIENCE 8 /* times passed over */

enum schedule_kind { SCHEDULE_NODE, SCHEDULE_VG, SCHEDULE_VOLUME, SCHEDULE_POOL, SCHEDULE_KINDS };

struct schedule;
struct schedule_resource;

struct schedule_item {            /* embedded in what waits; zero it first */
    RB_ENTRY(schedule_item) link; /* in the queue of the resource it waits for, or of those that may run */
    uint64_t seq;
    uint64_t started; /* count of starts: what ran when a pool's limit was halved */
    void *owner;
    struct schedule_resource *claims[SCHEDULE_KINDS]; /* NULL: not needed */
    bool held[SCHEDULE_KINDS];
    struct schedule_resource *waits; /* for this one */
    bool ready;                      /* holds all, not yet taken */
    unsigned passed;
};

struct schedule *schedule_new(void);
void schedule_free(struct schedule *schedule); /* no item may be left */
/* Before schedule_add: the item needs this. A place in a pool is claimed beside the node where it is used. */
void schedule_claim(struct schedule *schedule, struct schedule_item *item, enum schedule_kind kind, struct id id);
void schedule_add(struct schedule *schedule, struct schedule_item *item, void *owner);
/* The next item that may run; NULL: none. It holds its claims until schedule_done. */
struct schedule_item *schedule_next(struct schedule *schedule);
/* A running item does not answer (its node is down): others may have its place in the pool meanwhile. */
void schedule_yield(struct schedule *schedule, struct schedule_item *item);
enum schedule_outcome {
    SCHEDULE_DONE,
    SCHEDULE_BUSY,       /* Gluster said that another transaction is in progress */
    SCHEDULE_BUSY_ALONE, /* the same, where the pool's commands go to no other node: none could say it */
    SCHEDULE_FAILED      /* anything else: says nothing about how many may run */
};
/* A running item ended, or a waiting one is withdrawn. The item may be claimed and added anew. */
void schedule_done(struct schedule *schedule, struct schedule_item *item, enum schedule_outcome outcome);
/* For tests and metrics: gluster commands of this pool that may run at a time. */
size_t schedule_pool_limit(const struct schedule *schedule, struct id pool);
/* Resources known: those in use, and pools. */
size_t schedule_resources(const struct schedule *schedule);

#endif

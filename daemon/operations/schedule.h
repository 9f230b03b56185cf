/* Who may run now: steps queue for one resource each. Pure.
 *
 * A volume group: one step at a time. A Gluster cluster (its commands take a cluster-wide lock): a few, adaptively: one
 * more after a success, half after "another transaction is in progress". A node by itself: as many as come.
 */
#ifndef HECATE_DAEMON_OPERATIONS_SCHEDULE_H
#define HECATE_DAEMON_OPERATIONS_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/id.h"

#define SCHEDULE_POOL_START 4
#define SCHEDULE_POOL_MAX 16

enum schedule_kind { SCHEDULE_VG, SCHEDULE_POOL, SCHEDULE_NODE };

struct schedule;
struct schedule_item { /* embedded in what waits; zero it first */
    struct schedule_item *next;
    void *owner;
    enum schedule_kind kind;
    struct id resource;
    bool queued, running;
};

struct schedule *schedule_new(void);
void schedule_free(struct schedule *schedule); /* items are the owners' */
void schedule_add(struct schedule *schedule, struct schedule_item *item, enum schedule_kind kind, struct id resource,
                  void *owner);
/* The next item that may run, in the order they came for each resource; NULL: none. It counts as running. */
struct schedule_item *schedule_next(struct schedule *schedule);
/* A running item ended (busy: Gluster said that another transaction is in progress), or a queued one is withdrawn. */
void schedule_done(struct schedule *schedule, struct schedule_item *item, bool busy);

#endif

/* What is on the storage nodes held against the database (promise 3: no leftovers, no ghosts). Pure.
 *
 * A node of n things, in a pool of n volumes, takes O(n log n) comparisons; it is meant for a thread, with a copy of
 * the database that does not change meanwhile. */
#ifndef HECATE_DAEMON_EXAMINE_H
#define HECATE_DAEMON_EXAMINE_H

#include <jansson.h>

#include "daemon/executor/executor.h"
#include "daemon/findings.h"
#include "store/command.h"
#include "store/store.h"

#define EXAMINE_ORDERS_MAX 200 /* what is left is seen by the next examination */

struct examine {
    const struct store *store;  /* borrowed */
    struct findings *findings;  /* what differs is added to it; borrowed */
    bool cloning;               /* a volume is being cloned */
    uint64_t comparisons;       /* of texts, so far */
    struct examine_pool *pools; /* what nodes said of their pools */
    struct store_cmd *orders;   /* of bricks, to be learnt (order.h): filled by examine_end */
    size_t n_orders;
};

/* Ended by examine_fini. */
void examine_init(struct examine *examine, const struct store *store, struct findings *findings);
void examine_fini(struct examine *examine);
/* Adds what differs on one node, and hears what it says of its pool. What an operation is just working on may be there
 * or not. node is of the examined database. */
void examine_node(struct examine *examine, const struct store_node *node, const struct exec_inventory *inventory);
/* After all nodes that answered: adds what they said of the volumes of their pools. That a volume is gone counts if all
 * nodes of the pool say so, an order of bricks is learnt if all say so that answered, at least two of them. */
void examine_end(struct examine *examine);
/* Do the Gluster volumes of the node have the names of the cluster's volumes? (All that Heketi compares.) */
bool examine_names_match(const struct store *store, struct id cluster, const struct exec_inventory *inventory);
/* The node's part of Heketi's answer (heketi-rest.md 6.11); inventory NULL: it could not be had. New reference. */
json_t *examine_node_json(struct id node, const struct exec_inventory *inventory);

#endif

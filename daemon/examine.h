/* What is on the storage nodes held against the database (promise 3: no leftovers, no ghosts). Pure.
 *
 * A node of n things, in a pool of n volumes, takes O(n log n) comparisons; it is meant for a thread, with a view of
 * the database that does not change meanwhile. */
#ifndef HECATE_DAEMON_EXAMINE_H
#define HECATE_DAEMON_EXAMINE_H

#include "daemon/executor/executor.h"
#include "daemon/findings.h"
#include "store/base/buf.h"
#include "store/command.h"
#include "store/view.h"

#define EXAMINE_ORDERS_MAX 200 /* what is left is seen by the next examination */

struct examine {
    const struct store_view *view; /* borrowed */
    const struct store *store;     /* of the view: all but most volumes */
    bool damaged;                  /* the view could not be read */
    struct findings *findings;     /* what differs is added to it; borrowed */
    bool cloning;                  /* a volume is being cloned */
    uint64_t comparisons;          /* of texts, so far */
    struct examine_pool *pools;    /* what nodes said of their pools */
    struct store_cmd *orders;      /* of bricks, to be learnt (order.h): filled by examine_end */
    size_t n_orders;
};

/* Ended by examine_fini. */
void examine_init(struct examine *examine, const struct store_view *view, struct findings *findings);
void examine_fini(struct examine *examine);
/* Adds what differs on one node, and hears what it says of its pool. What an operation is just working on may be there
 * or not. node is of the examined database; it is heard once. Returns whether its Gluster volumes have the names of the
 * cluster's volumes (all that Heketi compares). */
bool examine_node(struct examine *examine, const struct store_node *node, const struct exec_inventory *inventory);
/* After all nodes that answered: adds what they said of the volumes of their pools. That a volume is gone counts if all
 * nodes of the pool say so, an order of bricks is learnt if all say so that answered, at least two of them. */
void examine_end(struct examine *examine);
/* Appends the node's part of Heketi's answer (heketi-rest.md 6.11); inventory NULL: it could not be had. false: that
 * would be longer than bytes_max, and what is there of it is no JSON. */
bool examine_node_put(struct id node, const struct exec_inventory *inventory, size_t bytes_max, struct buf *out);

#endif

/* What is on the storage nodes held against the database (promise 3: no leftovers, no ghosts). Pure. */
#ifndef HECATE_DAEMON_EXAMINE_H
#define HECATE_DAEMON_EXAMINE_H

#include <jansson.h>

#include "daemon/executor/executor.h"
#include "store/store.h"

struct examine_finding {
    const char *code; /* "leftover-volume", ...: static */
    struct id node;   /* ID_NONE: of the whole pool */
    char *text;
    char *remedy; /* a command for an operator, or what to look at */
};

struct examine_findings {
    struct examine_finding *items;
    size_t n;
};

/* Adds what differs on one node. What an operation is just working on may be there or not. A finding about the whole
 * pool is added once, however many nodes tell it. */
void examine_node(const struct store *store, const struct store_node *node, const struct exec_inventory *inventory,
                  struct examine_findings *findings);
/* Do the Gluster volumes of the node have the names of the cluster's volumes? (All that Heketi compares.) */
bool examine_names_match(const struct store *store, struct id cluster, const struct exec_inventory *inventory);
bool examine_has(const struct examine_findings *findings, const struct examine_finding *finding);
void examine_findings_fini(struct examine_findings *findings);
json_t *examine_findings_json(const struct examine_findings *findings); /* new reference */
/* The node's part of Heketi's answer (heketi-rest.md 6.11); inventory NULL: it could not be had. New reference. */
json_t *examine_node_json(struct id node, const struct exec_inventory *inventory);

#endif

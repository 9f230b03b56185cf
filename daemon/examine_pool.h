/* Inside the examination: what the nodes of a Gluster pool say of its volumes. All nodes of a pool should say the same;
 * one of them may lie, or be damaged. So each is heard first, and what is told at the end is what all of them say. What
 * only some say is told as that: by name, and with no command that takes anything away. */
#ifndef HECATE_DAEMON_EXAMINE_POOL_H
#define HECATE_DAEMON_EXAMINE_POOL_H

#include "daemon/examine.h"

#define EXAMINE_FOREIGN_BYTES_MAX ((size_t)8 << 20) /* names of a pool's volumes that the database has not */

/* Hears a node of the pool; again: nothing. What is kept of it is some 100 bytes a volume, and the order of its bricks
 * where Gluster has another one. */
void examine_pool_hear(struct examine *examine, const struct store_node *node, const struct exec_inventory *inventory);
/* Adds what was heard of all pools to the findings. */
void examine_pools_tell(struct examine *examine);
void examine_pools_free(struct examine *examine);
/* The volumes of the inventory by their names. */
struct names examine_volumes_there(const struct exec_inventory *inventory, uint64_t *comparisons);

#endif

/* Inside the examination: what the nodes of a Gluster pool say of its volumes and peers. All nodes of a pool should say
 * the same; one of them may lie, or be damaged. So each is heard first, and what is told at the end is what all of them
 * say. What only some say is told as that: by name, and with no command that takes anything away. */
#ifndef HECATE_DAEMON_EXAMINE_POOL_H
#define HECATE_DAEMON_EXAMINE_POOL_H

#include "daemon/examine.h"

#define EXAMINE_FOREIGN_BYTES_MAX ((size_t)8 << 20) /* names of volumes and peers that the database has not */

/* Hears a node of the pool; again: nothing. What is kept of it is some 100 bytes a volume, and the order of its bricks
 * where Gluster has another one. Returns whether it has volumes of just the database's names. */
bool examine_pool_hear(struct examine *examine, const struct store_node *node, const struct exec_inventory *inventory);
/* The same of its peers that are no nodes of its cluster: one name of each. After examine_pool_hear. */
void examine_pool_hear_peers(struct examine *examine, const struct store_node *node, const struct store_strs *foreign);
/* Adds what was heard of all pools to the findings. */
void examine_pools_tell(struct examine *examine);
void examine_pools_free(struct examine *examine);
/* A volume of the view; false: it cannot be read, which is noted. store_volume_fini. */
bool examine_volume(struct examine *examine, size_t at, struct store_volume *ret_volume);

#endif

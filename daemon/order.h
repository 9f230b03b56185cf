/* Which bricks of a volume form a set, and in which order: Gluster knows, and the database may only guess (a dump of
 * Heketi does not say). What the nodes tell alike is taken over, since moves and expands depend on it. */
#ifndef HECATE_DAEMON_ORDER_H
#define HECATE_DAEMON_ORDER_H

#include "daemon/executor/executor.h"
#include "store/command.h"
#include "store/store.h"

struct member;

/* "HOST:PATH" of a brick, as Gluster lists it; the caller frees. */
char *order_brick_name(const struct store *store, const struct store_brick *brick);
/* Does Gluster list the same bricks in another order? ret_order has room for all of the volume's: their ids, in it. */
bool order_differs(const struct store *store, const struct store_volume *volume,
                   const struct exec_gluster_volume *there, struct id *ret_order);
/* Fills the command that says so (store_cmd_fini). */
void order_command(const struct store_volume *volume, const struct id *order, struct store_cmd *ret_cmd);
/* Proposes what was found to differ; what the store refuses by now is left. */
void order_learn(struct member *member, const struct store_cmd *cmds, size_t n);

#endif

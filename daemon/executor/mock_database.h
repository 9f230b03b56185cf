/* Pretended storage nodes that are as the database says. Pure. */
#ifndef HECATE_DAEMON_EXECUTOR_MOCK_DATABASE_H
#define HECATE_DAEMON_EXECUTOR_MOCK_DATABASE_H

#include "daemon/executor/executor.h"
#include "store/view.h"

/* What an inventory of the node says when nothing is amiss; what is being made or removed may be in it or not. Without
 * everything (groups, logical volumes, mounts, Gluster's volumes) that has the text `lose` in its name; NULL or "":
 * nothing is lost. */
struct exec_inventory *mock_database_inventory(const struct store_view *view, const struct store_node *node,
                                               const char *lose);

#endif

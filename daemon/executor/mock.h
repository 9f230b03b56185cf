/* The mock executor's own side, for tests: what its pretended nodes hold, and orders to fail (mock_orders.h). */
#ifndef HECATE_DAEMON_EXECUTOR_MOCK_H
#define HECATE_DAEMON_EXECUTOR_MOCK_H

#include "daemon/executor/executor.h"
#include "daemon/executor/mock_world.h"
#include "store/store.h"

/* From now on inventories say what the database has, which is asked for on the loop; steps leave what they leave all
 * the same. A member's nodes are then as the cluster thinks they are, whoever led when things were made. */
void exec_mock_follow(struct executor *executor, const struct store *(*database)(void *user), void *user);
/* The pretended nodes of an executor made by exec_mock_new. */
struct mock_world *exec_mock_world(struct executor *executor);
/* Replaces the orders. E_INVALID names what is wrong. */
int exec_mock_order(struct executor *executor, const char *json, struct err *reterr);

#endif

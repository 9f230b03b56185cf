/* The mock executor's own side, for tests: what its pretended nodes hold, and orders to fail (mock_orders.h). */
#ifndef HECATE_DAEMON_EXECUTOR_MOCK_H
#define HECATE_DAEMON_EXECUTOR_MOCK_H

#include "daemon/executor/executor.h"
#include "daemon/executor/mock_world.h"

/* The pretended nodes of an executor made by exec_mock_new. */
struct mock_world *exec_mock_world(struct executor *executor);
/* Replaces the orders. E_INVALID names what is wrong. */
int exec_mock_order(struct executor *executor, const char *json, struct err *reterr);

#endif

/* Orders to the mock executor: which step fails on which host, how often, how slowly.
 *
 * A JSON list of objects, all members optional; the first order that matches a step and is not used up applies:
 *   "step"       name of the step ("brick-create", ...); absent: any
 *   "host"       manage address; absent: any
 *   "times"      how many steps it applies to; absent: all
 *   "delay_ms"   answer so much later
 *   "hang"       true: never answer (until cancelled)
 *   "fail"       text: E_REMOTE with it, nothing is done
 *   "permanent"  true: the failure is one that repeating does not change
 *   "code"       "connect", "timeout", "busy": that failure instead of "fail", nothing is done
 *   "after"      true: the effect happens, then the failure is reported
 */
#ifndef HECATE_DAEMON_EXECUTOR_MOCK_H
#define HECATE_DAEMON_EXECUTOR_MOCK_H

#include "daemon/executor/executor.h"
#include "daemon/executor/mock_world.h"

/* The pretended nodes of an executor made by exec_mock_new. */
struct mock_world *exec_mock_world(struct executor *executor);
/* Replaces the orders. E_INVALID names what is wrong. */
int exec_mock_order(struct executor *executor, const char *json, struct err *reterr);

#endif

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
 *   "code"       "connect", "timeout", "busy", "fenced", "fence damaged", "flood": that failure instead of "fail",
 *                nothing is done
 *   "lose"       text: an inventory of the database (exec_mock_follow) leaves out what has it in its name
 *   "after"      true: the effect happens, then the failure is reported
 *   "lie"        true: it is reported as done, and nothing is done
 *
 * Orders come from the configuration (or a test), and from a file that is looked at before each step and read again
 * when it has changed: replace it by renaming. The file's orders go first. A file that is absent holds none; one that
 * is wrong is logged and changes nothing.
 */
#ifndef HECATE_DAEMON_EXECUTOR_MOCK_ORDERS_H
#define HECATE_DAEMON_EXECUTOR_MOCK_ORDERS_H

#include "daemon/executor/executor.h"

struct mock_order {
    char *step, *host, *fail, *lose;
    int64_t times; /* left; negative: no limit */
    uint64_t delay_ms;
    int code;
    bool hang, permanent, after, lie;
};

struct mock_orders;

/* file: path, "" for none. */
struct mock_orders *mock_orders_new(const char *file);
void mock_orders_free(struct mock_orders *orders);
/* Replaces the orders that are not the file's; "" none. E_INVALID names what is wrong. */
int mock_orders_set(struct mock_orders *orders, const char *json, struct err *reterr);
/* The order that applies to this step, counted; NULL: none. Borrowed until the next call. */
const struct mock_order *mock_orders_take(struct mock_orders *orders, const struct exec_step *step);

#endif

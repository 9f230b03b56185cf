/* A volume of the name, and with the bricks, that are asked for is taken as made only if it is also of that kind, with
 * our id or none. As traces. */
#include "tests/unit/executor/trace.h"

#define MADE_ID "0123456789abcdef0123456789abcdef"
#define KIND(replica, arbiter, disperse, redundancy, id)                                                              \
    "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volInfo><volumes><volume><name>rep</name>"            \
    "<id>6d6489b2-ab43-4187-8c07-a080995d56bf</id><status>1</status><replicaCount>" replica                           \
    "</replicaCount><arbiterCount>" arbiter "</arbiterCount><disperseCount>" disperse                                 \
    "</disperseCount><redundancyCount>" redundancy "</redundancyCount>"                                               \
    "<bricks><brick><name>198.18.0.11:" MOUNTS "/brick_1/brick</name></brick><brick><name>198.18.0.12:" MOUNTS        \
    "/brick_1/brick</name></brick><brick><name>198.18.0.13:" MOUNTS "/brick_1/brick</name></brick></bricks><options>" \
    "<option><name>user.heketi.id</name><value>" id                                                                   \
    "</value></option></options></volume></volumes></volInfo></cliOutput>"
#define ANOTHER(what) "volume rep exists with the same bricks and " what " than was asked for; it was left as it is"

static const struct trace traces[] = {
    {"another number of replicas",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "?" KIND("1", "0", "0", "0", MADE_ID)}},
     E_REMOTE,
     true,
     ANOTHER("another number of replicas")},
    {"another number of arbiters",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "?" KIND("3", "1", "0", "0", MADE_ID)}},
     E_REMOTE,
     true,
     ANOTHER("another number of arbiters")},
    {"another dispersion",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "?" KIND("3", "0", "3", "1", MADE_ID)}},
     E_REMOTE,
     true,
     ANOTHER("another dispersion")},
    {"another id",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "?" KIND("3", "0", "0", "0", ID)}},
     E_REMOTE,
     true,
     ANOTHER("another id (user.heketi.id)")},
    {"as asked", EXEC_VOLUME_CREATE, "rep",
     .exchanges = {{INFO("rep"), "?" KIND("3", "0", "0", "0", MADE_ID)},
                   {"sync " INFO("rep"), KIND("3", "0", "0", "0", MADE_ID)}},
     .message = ""},
    {"becomes another one meanwhile", EXEC_VOLUME_CREATE, "rep",
     .exchanges = {{INFO("rep"), "?" KIND("3", "0", "0", "0", MADE_ID)},
                   {"sync " INFO("rep"), KIND("1", "0", "0", "0", MADE_ID)}},
     .code = E_REMOTE, .permanent = true, .message = ANOTHER("another number of replicas")},
};

int main(void)
{
    return trace_main(traces, sizeof(traces) / sizeof(*traces));
}

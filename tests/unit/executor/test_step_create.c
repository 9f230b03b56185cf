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
#define BRICK(host) "<brick><name>198.18.0." host ":" MOUNTS "/brick_1/brick</name></brick>"
#define BRICKS(replica, id, a, b, c)                                                                       \
    "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volInfo><volumes><volume><name>rep</name>" \
    "<id>6d6489b2-ab43-4187-8c07-a080995d56bf</id><status>1</status><replicaCount>" replica                \
    "</replicaCount><bricks>" BRICK(a) BRICK(b)                                                            \
        BRICK(c) "</bricks><options><option><name>user.heketi.id</name>"                                   \
                 "<value>" id "</value></option></options></volume></volumes></volInfo></cliOutput>"
#define KNOWN(volume, what) "198.18.0.12 knows volume " volume " with " what " than was asked for"
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

    /* ---- another node says what it is ---- */
    {"checked", EXEC_VOLUME_CHECK, "rep", .exchanges = {{INFO("rep"), "?" KIND("3", "0", "0", "0", MADE_ID)}},
     .message = ""},
    {"checked: no copies", EXEC_VOLUME_CHECK, "rep",
     .exchanges = {{INFO("rep"), "?" KIND("1", "0", "0", "0", MADE_ID)}}, .code = E_REMOTE, .permanent = true,
     .message = KNOWN("rep", "another number of replicas")},
    {"checked: an arbiter instead of a copy", EXEC_VOLUME_CHECK, "rep",
     .exchanges = {{INFO("rep"), "?" KIND("3", "1", "0", "0", MADE_ID)}}, .code = E_REMOTE, .permanent = true,
     .message = KNOWN("rep", "another number of arbiters")},
    {"checked: no redundancy", EXEC_VOLUME_CHECK, "disp",
     .exchanges = {{INFO("disp"), "=?" KIND("1", "0", "3", "0", MADE_ID)}}, .code = E_REMOTE, .permanent = true,
     .message = KNOWN("disp", "another dispersion")},
    {"checked: another order", EXEC_VOLUME_CHECK, "rep",
     .exchanges = {{INFO("rep"), "?" BRICKS("3", MADE_ID, "12", "11", "13")}}, .code = E_REMOTE, .permanent = true,
     .message = KNOWN("rep", "other bricks, or another order of them")},
    {"checked: another id", EXEC_VOLUME_CHECK, "rep", .exchanges = {{INFO("rep"), "?" KIND("3", "0", "0", "0", ID)}},
     .code = E_REMOTE, .permanent = true, .message = KNOWN("rep", "another id (user.heketi.id)")},
    {"checked: no id", EXEC_VOLUME_CHECK, "rep", .exchanges = {{INFO("rep"), "?" KIND("3", "0", "0", "0", "")}},
     .code = E_REMOTE, .permanent = true, .message = KNOWN("rep", "another id (user.heketi.id)")},
    {"checked: without what was asked for", EXEC_VOLUME_CHECK, "rep", .options = 7,
     .exchanges = {{INFO("rep"), "?" KIND("3", "0", "0", "0", MADE_ID)}}, .code = E_REMOTE, .permanent = true,
     .message = KNOWN("rep", "another value of an option that protects it")},
    {"checked: not there", EXEC_VOLUME_CHECK, "rep", .exchanges = {{INFO("rep"), "volume-info-absent.xml"}},
     .code = E_BUSY, .message = "198.18.0.12 says that volume rep is not there"},
    {"checked: not started", EXEC_VOLUME_CHECK, "rep", .exchanges = {{INFO("rep"), "info-created.xml"}}, .code = E_BUSY,
     .message = "198.18.0.12 says that volume rep is not started"},
    {"checked: expanded", EXEC_VOLUME_CHECK, "rep", .snapshot_limit = 1,
     .exchanges = {{INFO("rep"), "info-expanded.xml"}}, .message = ""},
    {"checked: not expanded", EXEC_VOLUME_CHECK, "rep", .snapshot_limit = 1,
     .exchanges = {{INFO("rep"), "info-created.xml"}}, .code = E_BUSY,
     .message = "198.18.0.12 says that volume rep has none of its new bricks"},
};

int main(void)
{
    return trace_main(traces, sizeof(traces) / sizeof(*traces));
}

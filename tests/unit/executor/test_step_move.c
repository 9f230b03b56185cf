/* A brick that moves, as traces. */
#include "tests/unit/executor/trace.h"

#define HEAL "volume heal rep info"
#define BRICK(host, path) "<brick><name>198.18.0." host ":" MOUNTS "/" path "/brick</name></brick>"
#define OF(first)                                                                                          \
    "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volInfo><volumes><volume><name>rep</name>" \
    "<id>6d6489b2-ab43-4187-8c07-a080995d56bf</id><status>1</status><bricks>" BRICK("11", first)           \
        BRICK("12", "brick_1") BRICK("13", "brick_1") "</bricks></volume></volumes></volInfo></cliOutput>"
#define MOVED OF("brick_5")
#define NEITHER OF("brick_6")
#define HEALING(host, status, entries)                                              \
    "<brick><name>198.18.0." host ":" MOUNTS "/brick_1/brick</name><status>" status \
    "</status><numberOfEntries>" entries "</numberOfEntries></brick>"
#define HEALS(bricks)                      \
    "<cliOutput><healInfo><bricks>" bricks \
    "</bricks></healInfo><opRet>0</opRet><opErrno>0</opErrno><opErrstr/></cliOutput>"
#define DOWN "Transport endpoint is not connected"
#define FIRST_IS_DOWN HEALS(HEALING("11", DOWN, "-") HEALING("12", "Connected", "4") HEALING("13", "Connected", "4"))
#define SOURCES_ARE_DOWN HEALS(HEALING("11", "Connected", "0") HEALING("12", DOWN, "-") HEALING("13", DOWN, "-"))
#define NO_SOURCE                                                                                                 \
    "brick 01000000000000000000000000000000 of volume rep heals from 0 of the 1 bricks that it needs: "           \
    "198.18.0.12:" MOUNTS                                                                                         \
    "/brick_1/brick is not connected. The old brick is kept until then: see that 198.18.0.12 and glusterd there " \
    "run, then: gluster volume start rep force"
#define FIRST_IS_SOURCE \
    HEALS(HEALING("11", "Connected", "2") HEALING("12", "Connected", "0") HEALING("13", "Connected", "0"))
#define A "<brick><name>x</name></brick>"
#define A10 A A A A A A A A A A
#define A107 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A A A A A A A
#define LAUNCH "volume heal rep"
#define LOOK                              \
    {                                     \
        "wait " HEAL, "?" FIRST_IS_SOURCE \
    }
#define LOOKS_IN_VAIN {HEAL, "?" FIRST_IS_SOURCE}, LOOK, LOOK, LOOK, LOOK, LOOK, LOOK, LOOK
#define REPLACE \
    "volume replace-brick rep 198.18.0.11:" MOUNTS "/brick_1/brick 198.18.0.11:" MOUNTS "/brick_5/brick commit force"
#define DONE "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/></cliOutput>"
#define SOURCE "Cannot replace brick 01000000000000000000000000000000 as it is source brick for data to be healed"

static const struct trace traces[] = {
    {"may move", EXEC_HEAL_CHECK, "rep", .exchanges = {{INFO("rep"), "info-rep.xml"}, {HEAL, "?heal-rep.xml"}},
     .message = ""},
    {"may move: it is the one that is down", EXEC_HEAL_CHECK, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"}, {HEAL, "?" FIRST_IS_DOWN}}, .message = ""},
    {"others heal from it", EXEC_HEAL_CHECK, "rep", .exchanges = {{INFO("rep"), "info-rep.xml"}, LOOKS_IN_VAIN},
     .code = E_REMOTE, .permanent = true, .message = SOURCE},

    {"it has been moved", EXEC_HEAL_CHECK, "rep", .exchanges = {{INFO("rep"), MOVED}}, .message = ""},
    {"others healed from it for a moment", EXEC_HEAL_CHECK, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"}, {HEAL, "?" FIRST_IS_SOURCE}, {"wait " HEAL, "?heal-rep.xml"}},
     .message = ""},
    {"healing is not to be seen", EXEC_HEAL_CHECK, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"}, {HEAL, "?heal-absent.xml"}}, .code = E_REMOTE,
     .message = "Unable to get heal info of volume : rep : Volume absent does not exist"},
    {"more bricks than it can have", EXEC_HEAL_WAIT, "rep", .exchanges = {{HEAL, "?" HEALS(A107)}}, .code = E_REMOTE,
     .message = "gluster's answer is not what was expected: 107 bricks to heal, of 3"},
    {"healed", EXEC_HEAL_WAIT, "rep", .exchanges = {{HEAL, "?heal-rep.xml"}}, .message = ""},
    {"heals: Gluster is told to go on", EXEC_HEAL_WAIT, "rep",
     .exchanges = {{HEAL, "?" FIRST_IS_SOURCE}, {INFO("rep"), "info-rep.xml"}, {LAUNCH, "~heal-launch.txt"}},
     .code = E_REMOTE, .message = "volume rep is healing: 2 entries are left"},
    /* Recorded: after a node had left the pool and come back. */
    {"heals not, since glusterd has lost its daemon", EXEC_HEAL_WAIT, "rep",
     .exchanges = {{HEAL, "?" FIRST_IS_SOURCE},
                   {INFO("rep"), "info-rep.xml"},
                   {LAUNCH, "~!heal-launch-no-daemon.txt"},
                   {"volume start rep force", "~start-rep.xml"},
                   {LAUNCH, "~heal-launch.txt"}},
     .code = E_REMOTE, .message = "volume rep is healing: 2 entries are left"},
    {"heals not, and nothing helps", EXEC_HEAL_WAIT, "rep",
     .exchanges = {{HEAL, "?" FIRST_IS_SOURCE},
                   {INFO("rep"), "info-rep.xml"},
                   {LAUNCH, "~!heal-launch-no-daemon.txt"},
                   {"volume start rep force", "~start-again.xml"},
                   {LAUNCH, "~!heal-launch-no-daemon.txt"}},
     .code = E_REMOTE, .message = "volume rep is healing: 2 entries are left"},
    {"the new brick does not serve yet", EXEC_HEAL_WAIT, "rep",
     .exchanges = {{HEAL, "?" FIRST_IS_DOWN}, {INFO("rep"), "info-rep.xml"}, {LAUNCH, "~heal-launch.txt"}},
     .code = E_REMOTE, .message = "brick 01000000000000000000000000000000 of volume rep is not online yet"},

    {"all that it heals from went away", EXEC_HEAL_WAIT, "rep",
     .exchanges = {{HEAL, "?" SOURCES_ARE_DOWN}, {INFO("rep"), "info-rep.xml"}, {LAUNCH, "~heal-launch.txt"}},
     .code = E_REMOTE, .message = NO_SOURCE},

    {"somebody else's volume is not told to heal", EXEC_HEAL_WAIT, "rep",
     .exchanges = {{HEAL, "?" FIRST_IS_SOURCE}, {INFO("rep"), "=info-dist.xml"}}, .code = E_REMOTE, .permanent = true},
    {"gone while it heals", EXEC_HEAL_WAIT, "rep",
     .exchanges = {{HEAL, "?" FIRST_IS_SOURCE}, {INFO("rep"), "volume-info-absent.xml"}}, .code = E_REMOTE,
     .message = "volume rep is not there"},

    {"replaced", EXEC_BRICK_REPLACE, "rep",
     .exchanges =
         {{INFO("rep"), "info-rep.xml"}, {HEAL, "?heal-rep.xml"}, {REPLACE, DONE}, {"sync " INFO("rep"), MOVED}},
     .message = ""},
    {"replaced without a look at the healing", EXEC_BRICK_REPLACE, "rep", .options = 1,
     .exchanges = {{INFO("rep"), "info-rep.xml"}, {REPLACE, DONE}, {"sync " INFO("rep"), MOVED}}, .message = ""},
    {"found replaced", EXEC_BRICK_REPLACE, "rep", .exchanges = {{INFO("rep"), MOVED}, {"sync " INFO("rep"), MOVED}},
     .message = ""},
    {"others have come to heal from it", EXEC_BRICK_REPLACE, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"}, LOOKS_IN_VAIN}, .code = E_REMOTE, .permanent = true,
     .message = SOURCE},
    {"not taken", EXEC_BRICK_REPLACE, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"},
                   {HEAL, "?heal-rep.xml"},
                   {REPLACE, DONE},
                   {"sync " INFO("rep"), "info-rep.xml"}},
     .code = E_REMOTE, .message = "volume rep has not taken the new brick"},
    {"neither brick", EXEC_BRICK_REPLACE, "rep", .exchanges = {{INFO("rep"), NEITHER}}, .code = E_REMOTE,
     .permanent = true, .message = "volume rep has neither the old nor the new brick"},
    {"the volume is gone", EXEC_BRICK_REPLACE, "rep", .exchanges = {{INFO("rep"), "volume-info-absent.xml"}},
     .code = E_REMOTE, .permanent = true, .message = "volume rep is not there"},
    /* Recorded: files are being moved between the bricks. It passes, like any other transaction. */
    {"a rebalance is in the way", EXEC_BRICK_REPLACE, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"}, {HEAL, "?heal-rep.xml"}, {REPLACE, "replace-brick.xml"}},
     .code = E_BUSY, .message = "Volume name rep rebalance is in progress. Please retry after completion"},

    {"not replaced", EXEC_BRICK_UNREPLACED, "rep", .exchanges = {{INFO("rep"), "info-rep.xml"}}, .message = ""},
    {"not replaced, gone", EXEC_BRICK_UNREPLACED, "rep", .exchanges = {{INFO("rep"), "volume-info-absent.xml"}},
     .message = ""},
    {"replaced after all", EXEC_BRICK_UNREPLACED, "rep", .exchanges = {{INFO("rep"), MOVED}}, .code = E_REMOTE,
     .permanent = true, .message = "volume rep has taken the new brick"},
};

int main(void)
{
    return trace_main(traces, sizeof(traces) / sizeof(*traces));
}

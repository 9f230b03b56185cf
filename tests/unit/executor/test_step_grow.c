/* Growing and spreading out as traces. */
#include "tests/unit/executor/trace.h"

#define ADD                                                                         \
    "volume add-brick rep 198.18.0.11:" MOUNTS "/brick_5/brick 198.18.0.12:" MOUNTS \
    "/brick_5/brick 198.18.0.13:" MOUNTS "/brick_5/brick"
#define REFUSED(text) "?<cliOutput><opRet>-1</opRet><opErrno>30800</opErrno><opErrstr>" text "</opErrstr></cliOutput>"
#define NO(text) "<cliOutput><opRet>-1</opRet><opErrno>30800</opErrno><opErrstr>" text "</opErrstr></cliOutput>"
#define DONE "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/></cliOutput>"
#define START "volume rebalance rep start"
#define STATUS "volume rebalance rep status"
#define NODE(status) "<node><nodeName>198.18.0.11</nodeName><files>3</files><status>" status "</status></node>"
#define MOVES(nodes)                                                                                          \
    "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volRebalance><task-id>t</task-id>" nodes      \
    "<aggregate><files>7</files><size>2097152</size><failures>1</failures><skipped>4</skipped></aggregate></" \
    "volRebalance></cliOutput>"

static const struct trace traces[] = {
    {"expanded", EXEC_VOLUME_EXPAND, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"}, {ADD, "?add-brick.xml"}, {"sync " INFO("rep"), "info-expanded.xml"}},
     .message = ""},
    {"found expanded", EXEC_VOLUME_EXPAND, "rep",
     .exchanges = {{INFO("rep"), "info-expanded.xml"}, {"sync " INFO("rep"), "info-expanded.xml"}}, .message = ""},
    {"refused", EXEC_VOLUME_EXPAND, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"}, {ADD, REFUSED("no room")}, {"sync " INFO("rep"), "info-rep.xml"}},
     .code = E_REMOTE, .message = "no room"},
    {"refused by a peer, and done", EXEC_VOLUME_EXPAND, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"},
                   {ADD, REFUSED("Commit failed")},
                   {"sync " INFO("rep"), "info-expanded.xml"}},
     .message = ""},
    {"a rebalance is in the way", EXEC_VOLUME_EXPAND, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"},
                   {ADD, REFUSED("Volume name rep rebalance is in progress. Please retry after completion")},
                   {"volume rebalance rep stop", DONE},
                   {ADD, "?add-brick.xml"},
                   {"sync " INFO("rep"), "info-expanded.xml"}},
     .message = ""},
    {"absent", EXEC_VOLUME_EXPAND, "rep", .exchanges = {{INFO("rep"), "volume-info-absent.xml"}}, .code = E_REMOTE,
     .permanent = true, .message = "Volume rep does not exist"},
    {"somebody else's volume gets no bricks", EXEC_VOLUME_EXPAND, "rep", .exchanges = {{INFO("rep"), "=info-dist.xml"}},
     .code = E_REMOTE, .permanent = true},
    {"seen", EXEC_VOLUME_LOOK, "rep", .exchanges = {{INFO("rep"), "info-expanded.xml"}}, .message = ""},
    {"seen nothing", EXEC_VOLUME_LOOK, "rep", .exchanges = {{INFO("rep"), "volume-info-absent.xml"}}, .message = ""},

    {"rebalance started", EXEC_REBALANCE_START, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"}, {START, "rebalance-start.xml"}}, .message = ""},
    {"rebalance runs already", EXEC_REBALANCE_START, "rep",
     .exchanges = {{INFO("rep"), "info-rep.xml"}, {START, NO("Rebalance on rep is already started")}}, .message = ""},
    {"nothing to rebalance", EXEC_REBALANCE_START, "rep", .exchanges = {{INFO("rep"), "volume-info-absent.xml"}},
     .code = E_REMOTE, .message = "Volume rep does not exist"},
    {"somebody else's volume is not rebalanced", EXEC_REBALANCE_START, "rep",
     .exchanges = {{INFO("rep"), "=info-dist.xml"}}, .code = E_REMOTE, .permanent = true},
    {"rebalance has moved everything", EXEC_REBALANCE_STATUS, "rep",
     .exchanges = {{STATUS, MOVES(NODE("3") NODE("3"))}}, .message = ""},
    {"rebalance moves", EXEC_REBALANCE_STATUS, "rep", .exchanges = {{STATUS, MOVES(NODE("3") NODE("1"))}},
     .message = "7 files moved, 2 MiB, 1 failures, 4 skipped"},
    {"rebalance failed", EXEC_REBALANCE_STATUS, "rep", .exchanges = {{STATUS, MOVES(NODE("3") NODE("4"))}},
     .code = E_REMOTE, .permanent = true, .message = "the rebalance of volume rep failed: 7 files moved, 1 failures"},
    {"the process that moves the files has not come up yet", EXEC_REBALANCE_STATUS, "rep",
     .exchanges = {{STATUS, NO("brick operations failed. Check log file for more details")}}, .code = E_BUSY,
     .message = "brick operations failed. Check log file for more details"},
    {"no rebalance", EXEC_REBALANCE_STATUS, "rep", .exchanges = {{STATUS, "rebalance-status-none.xml"}}, .message = ""},
};

int main(void)
{
    return trace_main(traces, sizeof(traces) / sizeof(*traces));
}

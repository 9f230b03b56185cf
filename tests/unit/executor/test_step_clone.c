/* Clones as traces; the order of what makes one start is not ours to choose. */
#include "tests/unit/executor/trace.h"

#define SNAP "tmpsnap_" ID
#define OF(status, path, id)                                                                                         \
    "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volInfo><volumes><volume><name>twin</name>"          \
    "<id>6d6489b2-ab43-4187-8c07-a080995d56bf</id><status>" status "</status><bricks><brick><name>198.18.0.11:" path \
    "/brick1/brick</name></brick><brick><name>198.18.0.12:" path                                                     \
    "/brick2/brick</name></brick></bricks><options><option><name>user.heketi.id</name><value>" id                    \
    "</value></option></options></volume></volumes></volInfo></cliOutput>"
#define OTHER "0123456789abcdef0123456789abcdef"
#define CREATED OF("0", SNAPS, OTHER) /* it has inherited the id of its source */
#define STARTED OF("1", SNAPS, ID)
#define FOREIGN OF("1", "/srv", OTHER)
#define REFUSED "<cliOutput><opRet>-1</opRet><opErrno>30800</opErrno><opErrstr>no</opErrstr></cliOutput>"

static const struct trace traces[] = {
    {"cloned", EXEC_VOLUME_CLONE, "twin",
     .exchanges = {{INFO("twin"), "volume-info-absent.xml"},
                   {INFO("source"), "=info-rep.xml"},
                   {"snapshot create " SNAP " source no-timestamp", "snap-create.xml"},
                   {"snapshot activate " SNAP, "snap-activate.xml"},
                   {"snapshot clone twin " SNAP, "snap-clone.xml"},
                   {"sync " INFO("twin"), CREATED}},
     .message = ""},
    {"an earlier try has taken and activated the snapshot", EXEC_VOLUME_CLONE, "twin",
     .exchanges = {{INFO("twin"), "volume-info-absent.xml"},
                   {INFO("source"), "=info-rep.xml"},
                   {"snapshot create " SNAP " source no-timestamp", "snap-create-again.xml"},
                   {"snapshot activate " SNAP, "snap-activate-again.xml"},
                   {"snapshot clone twin " SNAP, "snap-clone.xml"},
                   {"sync " INFO("twin"), CREATED}},
     .message = ""},
    {"an earlier try has cloned: its snapshot is there", EXEC_VOLUME_CLONE, "twin",
     .exchanges = {{INFO("twin"), CREATED},
                   {"snapshot info " SNAP, "snap-info-active.xml"},
                   {"sync " INFO("twin"), CREATED}},
     .message = ""},
    {"somebody else's clone has the name", EXEC_VOLUME_CLONE, "twin",
     .exchanges = {{INFO("twin"), CREATED}, {"snapshot info " SNAP, "snap-info-absent.xml"}}, .code = E_REMOTE,
     .permanent = true, .message = "Volume with name:twin already exists"},
    {"another volume has the name", EXEC_VOLUME_CLONE, "twin", .exchanges = {{INFO("twin"), FOREIGN}}, .code = E_REMOTE,
     .permanent = true, .message = "Volume with name:twin already exists"},
    {"a brick that is somewhere else than its path begins", EXEC_VOLUME_CLONE, "twin",
     .exchanges = {{INFO("twin"), CREATED},
                   {"snapshot info " SNAP, "snap-info-active.xml"},
                   {"sync " INFO("twin"), OF("0", SNAPS "/../../../../srv", OTHER)}},
     .code = E_REMOTE, .permanent = true,
     .message = "gluster names a brick of volume twin that cannot be one: path \"" SNAPS
                "/../../../../srv/brick1/brick\" has a part that is empty, \".\" or \"..\""},
    {"the volume to be cloned is gone", EXEC_VOLUME_CLONE, "twin",
     .exchanges = {{INFO("twin"), "volume-info-absent.xml"},
                   {INFO("source"), "=info-rep.xml"},
                   {"snapshot create " SNAP " source no-timestamp", "snap-create-absent.xml"}},
     .code = E_REMOTE},

    {"the volume to be cloned has never been there", EXEC_VOLUME_CLONE, "twin",
     .exchanges = {{INFO("twin"), "volume-info-absent.xml"}, {INFO("source"), "volume-info-absent.xml"}},
     .code = E_REMOTE, .message = "Volume source does not exist"},
    {"somebody else's volume has the name of the one to be cloned", EXEC_VOLUME_CLONE, "twin",
     .exchanges = {{INFO("twin"), "volume-info-absent.xml"}, {INFO("source"), "=info-dist.xml"}}, .code = E_REMOTE,
     .permanent = true},

    /* Gluster refuses to set an option of a replicated clone before it has been started once. */
    {"started, named, and only then without its snapshot", EXEC_CLONE_START, "twin",
     .exchanges = {{INFO("twin"), CREATED},
                   {"volume start twin", "start-rep.xml"},
                   {"volume set twin user.heketi.id " ID, "set-id.xml"},
                   {"snapshot delete " SNAP, "snap-delete.xml"},
                   {"sync " INFO("twin"), STARTED}},
     .message = ""},
    {"found started and without its snapshot", EXEC_CLONE_START, "twin",
     .exchanges = {{INFO("twin"), CREATED},
                   {"volume start twin", "start-again.xml"},
                   {"volume set twin user.heketi.id " ID, "set-id.xml"},
                   {"snapshot delete " SNAP, "snap-delete-again.xml"},
                   {"sync " INFO("twin"), STARTED}},
     .message = ""},
    {"cannot be named: its snapshot stays", EXEC_CLONE_START, "twin",
     .exchanges = {{INFO("twin"), CREATED},
                   {"volume start twin", "start-rep.xml"},
                   {"volume set twin user.heketi.id " ID, REFUSED}},
     .code = E_REMOTE, .message = "no"},
    {"does not start", EXEC_CLONE_START, "twin",
     .exchanges = {{INFO("twin"), CREATED},
                   {"volume start twin", "start-rep.xml"},
                   {"volume set twin user.heketi.id " ID, "set-id.xml"},
                   {"snapshot delete " SNAP, "snap-delete.xml"},
                   {"sync " INFO("twin"), OF("2", SNAPS, ID)}},
     .code = E_REMOTE, .message = "volume twin does not start"},
    {"somebody else's volume is not started", EXEC_CLONE_START, "twin", .exchanges = {{INFO("twin"), FOREIGN}},
     .code = E_REMOTE, .permanent = true},
    {"is gone before it starts", EXEC_CLONE_START, "twin", .exchanges = {{INFO("twin"), "volume-info-absent.xml"}},
     .code = E_REMOTE, .message = "volume twin is gone"},
    {"is gone", EXEC_CLONE_START, "twin",
     .exchanges = {{INFO("twin"), CREATED},
                   {"volume start twin", "start-rep.xml"},
                   {"volume set twin user.heketi.id " ID, "set-id.xml"},
                   {"snapshot delete " SNAP, "snap-delete.xml"},
                   {"sync " INFO("twin"), "volume-info-absent.xml"}},
     .code = E_REMOTE, .message = "volume twin is gone"},

    {"snapshot deleted", EXEC_SNAPSHOT_DELETE, "twin",
     .exchanges = {{"snapshot delete " SNAP, "snap-delete.xml"}, {"sync snapshot info " SNAP, "snap-info-absent.xml"}},
     .message = ""},
    {"no snapshot", EXEC_SNAPSHOT_DELETE, "twin",
     .exchanges = {{"snapshot delete " SNAP, "snap-delete-again.xml"},
                   {"sync snapshot info " SNAP, "snap-info-absent.xml"}},
     .message = ""},
    {"snapshot is still there", EXEC_SNAPSHOT_DELETE, "twin",
     .exchanges = {{"snapshot delete " SNAP, "snap-delete.xml"}, {"sync snapshot info " SNAP, "snap-info-active.xml"}},
     .code = E_REMOTE, .message = "snapshot " SNAP " is still there"},
};

int main(void)
{
    return trace_main(traces, sizeof(traces) / sizeof(*traces));
}

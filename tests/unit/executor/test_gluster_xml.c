/* What real nodes answered is read as it is meant, and what an answer means is recognised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/gluster.h"
#include "store/base/mem.h"
#include "tests/unit/executor/data.h"

#define A "198.18.0.11"
#define B "198.18.0.12"
#define C "198.18.0.13"
#define MOUNTS "/var/lib/heketi/mounts/vg_0123"

/* Reads a recorded answer; it must be readable. */
#define READ(reader, name, answer)                                            \
    do {                                                                      \
        CLEANUP(free_ptr) char *text_ = data_read(name);                      \
        struct err err_ = ERR_INIT;                                           \
        if (gluster_xml_##reader(text_, strlen(text_), answer, &err_) != 0) { \
            fail_msg("%s: %s", name, err_.message);                           \
        }                                                                     \
    } while (0)

static void test_meanings(void **state)
{
    static const struct {
        const char *name;
        enum gluster_meaning meaning;
    } cases[] = {
        {"create-rep.xml", GLUSTER_DONE},
        {"start-rep.xml", GLUSTER_DONE},
        {"probe-again.xml", GLUSTER_DONE},
        {"add-brick.xml", GLUSTER_DONE},
        {"snap-create.xml", GLUSTER_DONE},
        {"snap-activate.xml", GLUSTER_DONE},
        {"snap-clone.xml", GLUSTER_DONE},
        {"snap-deactivate.xml", GLUSTER_DONE},
        {"snap-delete.xml", GLUSTER_DONE},
        {"snap-config.xml", GLUSTER_DONE},
        {"set-two.xml", GLUSTER_DONE},
        {"stop-disp.xml", GLUSTER_DONE},
        {"delete-disp.xml", GLUSTER_DONE},
        {"rebalance-start.xml", GLUSTER_DONE},
        {"volume-info-absent.xml", GLUSTER_ABSENT},
        {"volume-delete-absent.xml", GLUSTER_ABSENT},
        {"volume-start-absent.xml", GLUSTER_ABSENT},
        {"snapshot-list-absent.xml", GLUSTER_ABSENT},
        {"status-absent.xml", GLUSTER_ABSENT},
        {"heal-absent.xml", GLUSTER_ABSENT},
        {"detach-unknown.xml", GLUSTER_ABSENT},
        {"snap-create-absent.xml", GLUSTER_ABSENT},
        {"snap-activate-absent.xml", GLUSTER_ABSENT},
        {"snap-delete-again.xml", GLUSTER_ABSENT},
        {"snap-info-absent.xml", GLUSTER_ABSENT},
        {"create-again.xml", GLUSTER_THERE},
        {"start-again.xml", GLUSTER_THERE},
        {"stop-again.xml", GLUSTER_THERE},
        {"snap-create-again.xml", GLUSTER_THERE},
        {"snap-clone-again.xml", GLUSTER_THERE},
        {"snap-activate-again.xml", GLUSTER_THERE},
        {"snap-deactivate-again.xml", GLUSTER_THERE},
        {"busy-2.xml", GLUSTER_BUSY},
        {"bsame-2.xml", GLUSTER_BUSY},
        {"replace-brick.xml", GLUSTER_BUSY},
        {"create-apart.xml", GLUSTER_APART},
        {"create-no-peer.xml", GLUSTER_APART},
        {"start-no-quorum.xml", GLUSTER_APART},
        {"create-marked.xml", GLUSTER_MARKED},
        {"set-unknown.xml", GLUSTER_REFUSED}, /* "option : ... does not exist" */
        {"set-two-bad.xml", GLUSTER_REFUSED},
        {"create-inuse.xml", GLUSTER_REFUSED},
        {"create-root.xml", GLUSTER_REFUSED},
        {"add-brick-again.xml", GLUSTER_REFUSED},
        {"add-brick-disp.xml", GLUSTER_REFUSED},
        {"delete-started.xml", GLUSTER_REFUSED},
        {"delete-with-snap.xml", GLUSTER_REFUSED},
        {"delete-peer-down.xml", GLUSTER_REFUSED},
        {"detach-bricks.xml", GLUSTER_REFUSED}, /* its opRet is 1 */
        {"heal-dist.xml", GLUSTER_REFUSED},
        {"probe-unreachable.xml", GLUSTER_REFUSED},
        {"rebalance-status-none.xml", GLUSTER_ABSENT},
        {"rebalance-dist-one.xml", GLUSTER_REFUSED},
        {"remove-brick-status-none.xml", GLUSTER_REFUSED},
        {"snap-clone-inactive.xml", GLUSTER_REFUSED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct gluster_op op;

        READ(op, cases[i].name, &op);
        if (gluster_meaning(&op) != cases[i].meaning) {
            fail_msg("%s means %d, expected %d", cases[i].name, (int)gluster_meaning(&op), (int)cases[i].meaning);
        }
        assert_int_equal(cases[i].meaning == GLUSTER_DONE, *op.text == '\0');
        gluster_op_fini(&op);
    }
}

static void check_rep(const struct gluster_volume *volume)
{
    assert_string_equal(volume->name, "rep");
    assert_int_equal(strlen(volume->id), 36);
    assert_int_equal(volume->status, GLUSTER_STARTED);
    assert_string_equal(volume->status_text, "Started");
    assert_string_equal(volume->type_text, "Replicate");
    assert_int_equal(volume->replica, 3);
    assert_int_equal(volume->arbiter, 0);
    assert_int_equal(volume->disperse, 0);
    assert_int_equal(volume->n_bricks, 3);
    assert_string_equal(volume->bricks[0].name, A ":" MOUNTS "/brick_1/brick");
    assert_string_equal(volume->bricks[1].name, B ":" MOUNTS "/brick_1/brick");
    assert_string_equal(volume->bricks[2].name, C ":" MOUNTS "/brick_1/brick");
    assert_int_equal(strlen(volume->bricks[2].host_uuid), 36);
    assert_false(volume->bricks[2].arbiter);
}

static const char *option(const struct gluster_volume *volume, const char *name)
{
    for (size_t i = 0; i < volume->n_options; i++) {
        if (strcmp(volume->options[i].name, name) == 0) {
            return volume->options[i].value;
        }
    }
    return "absent";
}

static void test_volume_info(void **state)
{
    struct gluster_volumes volumes;

    (void)state;
    READ(volumes, "info-rep.xml", &volumes);
    assert_int_equal(volumes.n, 1);
    check_rep(&volumes.items[0]);
    assert_string_equal(option(&volumes.items[0], "user.odd"), "a<b>&\"c\" d");
    assert_string_equal(option(&volumes.items[0], "user.heketi.id"), "0123456789abcdef0123456789abcdef");
    gluster_volumes_fini(&volumes);

    READ(volumes, "info-arb.xml", &volumes);
    assert_int_equal(volumes.items[0].replica, 3);
    assert_int_equal(volumes.items[0].arbiter, 1);
    assert_false(volumes.items[0].bricks[1].arbiter);
    assert_true(volumes.items[0].bricks[2].arbiter);
    gluster_volumes_fini(&volumes);

    READ(volumes, "info-disp.xml", &volumes);
    assert_int_equal(volumes.items[0].disperse, 3);
    assert_int_equal(volumes.items[0].redundancy, 1);
    assert_int_equal(volumes.items[0].replica, 1);
    gluster_volumes_fini(&volumes);

    READ(volumes, "info-created.xml", &volumes);
    assert_int_equal(volumes.items[0].status, GLUSTER_CREATED);
    gluster_volumes_fini(&volumes);
    READ(volumes, "info-stopped.xml", &volumes);
    assert_int_equal(volumes.items[0].status, GLUSTER_STOPPED);
    gluster_volumes_fini(&volumes);
    READ(volumes, "info-dist.xml", &volumes);
    assert_int_equal(volumes.items[0].n_bricks, 2);
    gluster_volumes_fini(&volumes);
    READ(volumes, "info-expanded.xml", &volumes);
    assert_int_equal(volumes.items[0].n_bricks, 6);
    assert_string_equal(volumes.items[0].type_text, "Distributed-Replicate");
    gluster_volumes_fini(&volumes);

    READ(volumes, "info-clone.xml", &volumes);
    assert_string_equal(volumes.items[0].id, "6d6489b2-ab43-4187-8c07-a080995d56bf");
    assert_string_equal(volumes.items[0].bricks[0].name,
                        A ":/run/gluster/snaps/6d6489b2ab4341878c07a080995d56bf/brick1/brick");
    gluster_volumes_fini(&volumes);

    READ(volumes, "volume-info-all.xml", &volumes);
    assert_int_equal(volumes.n, 4);
    assert_string_equal(volumes.items[0].name, "arb");
    check_rep(&volumes.items[3]);
    gluster_volumes_fini(&volumes);
    READ(volumes, "volume-info-none.xml", &volumes);
    assert_int_equal(volumes.op.ret, 0);
    assert_int_equal(volumes.n, 0);
    gluster_volumes_fini(&volumes);
    READ(volumes, "volume-info-absent.xml", &volumes);
    assert_int_equal(volumes.op.ret, -1);
    assert_int_equal(volumes.op.number, 30806);
    assert_string_equal(volumes.op.text, "Volume does not exist");
    assert_int_equal(volumes.n, 0);
    gluster_volumes_fini(&volumes);
}

static void test_names(void **state)
{
    struct gluster_names names;

    (void)state;
    READ(volume_list, "volume-list.xml", &names);
    assert_int_equal(names.n, 4);
    assert_string_equal(names.items[0].name, "arb");
    assert_string_equal(names.items[3].name, "rep");
    gluster_names_fini(&names);
    READ(volume_list, "volume-list-none.xml", &names);
    assert_int_equal(names.n, 0);
    gluster_names_fini(&names);
    READ(snapshot_list, "snap-list.xml", &names);
    assert_int_equal(names.n, 1);
    assert_string_equal(names.items[0].name, "snap1");
    gluster_names_fini(&names);
    READ(snapshot_list, "snap-list-zero.xml", &names);
    assert_int_equal(names.n, 0);
    gluster_names_fini(&names);
    READ(snapshot_list, "snapshot-list-absent.xml", &names);
    assert_int_equal(names.op.ret, -1);
    gluster_names_fini(&names);
}

static void test_peers(void **state)
{
    struct gluster_peers peers;

    (void)state;
    READ(peers, "pool.xml", &peers);
    assert_int_equal(peers.n, 3);
    assert_string_equal(peers.items[0].host, B);
    assert_int_equal(peers.items[0].n_hosts, 1);
    assert_string_equal(peers.items[0].hosts[0].name, B);
    assert_true(peers.items[0].connected);
    assert_int_equal(peers.items[0].state, GLUSTER_PEER_IN_POOL);
    assert_string_equal(peers.items[0].state_text, "Peer in Cluster");
    assert_string_equal(peers.items[2].host, "localhost");
    assert_true(peers.items[2].connected);
    assert_int_equal(peers.items[2].n_hosts, 0);
    gluster_peers_fini(&peers);
    READ(peers, "peer-status.xml", &peers);
    assert_int_equal(peers.n, 2);
    assert_string_equal(peers.items[1].host, C);
    gluster_peers_fini(&peers);
    READ(peers, "pool-single.xml", &peers);
    assert_int_equal(peers.n, 1);
    gluster_peers_fini(&peers);
}

static void test_snapshots(void **state)
{
    struct gluster_snapshots snapshots;

    (void)state;
    READ(snapshots, "snap-info-one.xml", &snapshots);
    assert_int_equal(snapshots.n, 1);
    assert_string_equal(snapshots.items[0].name, "snap1");
    assert_int_equal(strlen(snapshots.items[0].uuid), 36);
    assert_int_equal(snapshots.items[0].n_volumes, 1);
    assert_string_equal(snapshots.items[0].volumes[0].origin, "dist");
    assert_string_equal(snapshots.items[0].volumes[0].status, "Stopped");
    assert_string_equal(snapshots.items[0].volumes[0].volume, "faf4e3ebd3df43e0bd5a6376231352f7");
    gluster_snapshots_fini(&snapshots);
    READ(snapshots, "snap-info-active.xml", &snapshots);
    assert_string_equal(snapshots.items[0].volumes[0].status, "Started");
    gluster_snapshots_fini(&snapshots);
    READ(snapshots, "snap-info-absent.xml", &snapshots);
    assert_int_equal(snapshots.n, 0);
    gluster_snapshots_fini(&snapshots);
}

static void test_heal(void **state)
{
    struct gluster_heals heals;

    (void)state;
    READ(heals, "heal-rep.xml", &heals);
    assert_int_equal(heals.n, 3);
    assert_string_equal(heals.items[2].name, C ":" MOUNTS "/brick_1/brick");
    assert_string_equal(heals.items[2].status, "Connected");
    assert_int_equal(heals.items[2].entries, 0);
    assert_int_equal(strlen(heals.items[2].host_uuid), 36);
    gluster_heals_fini(&heals);
    READ(heals, "heal-brick-down.xml", &heals);
    assert_int_equal(heals.n, 6);
    assert_int_equal(heals.items[0].entries, -1);
    assert_string_equal(heals.items[0].status, "Transport endpoint is not connected");
    assert_string_equal(heals.items[0].host_uuid, "-");
    gluster_heals_fini(&heals);
    READ(heals, "heal-dist.xml", &heals);
    assert_int_equal(heals.op.ret, -1);
    gluster_heals_fini(&heals);
    READ(heal_summary, "heal-summary-rep.xml", &heals);
    assert_int_equal(heals.n, 3);
    assert_int_equal(heals.items[0].entries, 0);
    gluster_heals_fini(&heals);
    READ(heal_summary, "heal-summary-node-down.xml", &heals);
    assert_int_equal(heals.n, 6);
    assert_int_equal(heals.items[2].entries, -1);
    assert_memory_equal(heals.items[2].status, "Failed to process entries", 25);
    assert_int_equal(heals.items[1].entries, 0);
    gluster_heals_fini(&heals);
}

static void test_status(void **state)
{
    struct gluster_states states;

    (void)state;
    READ(states, "status-detail.xml", &states);
    assert_int_equal(states.n, 1);
    assert_string_equal(states.items[0].name, "rep");
    assert_int_equal(states.items[0].n_bricks, 3);
    assert_string_equal(states.items[0].bricks[1].host, B);
    assert_string_equal(states.items[0].bricks[1].path, MOUNTS "/brick_1/brick");
    assert_true(states.items[0].bricks[1].online);
    assert_int_equal(states.items[0].bricks[1].pid, 2303);
    assert_int_equal(states.items[0].bricks[1].size_total, 469762048);
    assert_int_equal(states.items[0].bricks[1].size_free, 439132160);
    assert_string_equal(states.items[0].bricks[1].device, "/dev/mapper/vg_0123-brick_1");
    assert_string_equal(states.items[0].bricks[1].file_system, "xfs");
    gluster_states_fini(&states);
    READ(states, "status-brick-down.xml", &states);
    assert_false(states.items[0].bricks[0].online);
    assert_int_equal(states.items[0].bricks[0].pid, -1);
    assert_true(states.items[0].bricks[1].online);
    gluster_states_fini(&states);
    READ(states, "status-node-down.xml", &states); /* the bricks of a node that is down are not there */
    assert_int_equal(states.items[0].n_bricks, 4);
    gluster_states_fini(&states);
    READ(states, "status-rep.xml", &states);
    assert_string_equal(states.items[0].bricks[3].host, "Self-heal Daemon");
    gluster_states_fini(&states);
}

/* As in the documentation of the format: on the lab's nodes a rebalance does not report. */
#define NODE(host, status, text)                                                                                  \
    "<node><nodeName>" host "</nodeName><id>883626f8-4d29-4d02-8c5d-c9f48c5b2445</id><files>12</files><size>4096" \
    "</size><lookups>99</lookups><failures>1</failures><skipped>2</skipped><status>" status                       \
    "</status><statusStr>" text "</statusStr><runtime>0.00</runtime></node>"

static void test_moves(void **state)
{
    static const char text[] =
        "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volRebalance><task-id>t</task-id><op>3</op>"
        "<nodeCount>2</nodeCount>" NODE("localhost", "3", "completed") NODE(
            B, "1", "in progress") "<aggregate><files>24</files><size>8192</size><lookups>198</lookups><failures>2</"
                                   "failures><skipped>4</skipped>"
                                   "<status>1</status><statusStr>in "
                                   "progress</statusStr><runtime>0.00</runtime></aggregate></volRebalance></cliOutput>";
    struct gluster_moves moves;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(gluster_xml_rebalance(text, strlen(text), &moves, &err), 0);
    assert_string_equal(moves.task, "t");
    assert_int_equal(moves.n, 2);
    assert_string_equal(moves.items[1].host, B);
    assert_int_equal(moves.items[0].moved.status, GLUSTER_MOVE_COMPLETE);
    assert_int_equal(moves.items[1].moved.status, GLUSTER_MOVE_STARTED);
    assert_int_equal(moves.items[1].moved.files, 12);
    assert_int_equal(moves.total.files, 24);
    assert_int_equal(moves.total.bytes, 8192);
    assert_int_equal(moves.total.failures, 2);
    assert_int_equal(moves.total.skipped, 4);
    assert_int_equal(moves.total.status, GLUSTER_MOVE_STARTED);
    assert_string_equal(moves.total.status_text, "in progress");
    gluster_moves_fini(&moves);
    READ(rebalance, "rebalance-start.xml", &moves);
    assert_string_equal(moves.task, "9fe83aeb-a352-421e-ac5b-602180a7e371");
    assert_int_equal(moves.n, 0);
    gluster_moves_fini(&moves);
    READ(remove_brick, "remove-brick-status-none.xml", &moves);
    assert_string_equal(moves.op.text, "remove-brick not started for volume rep.");
    assert_string_equal(moves.total.status_text, "");
    gluster_moves_fini(&moves);
}

static void test_no_xml(void **state)
{
    static const char *const names[] = {"no-glusterd.xml", "timeout1.xml"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        CLEANUP(free_ptr) char *text = data_read(names[i]);
        struct gluster_op op;
        struct err err = ERR_INIT;

        assert_int_equal(gluster_xml_op(text, strlen(text), &op, &err), E_PROTOCOL);
        assert_null(op.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meanings), cmocka_unit_test(test_volume_info), cmocka_unit_test(test_names),
        cmocka_unit_test(test_peers),    cmocka_unit_test(test_snapshots),   cmocka_unit_test(test_heal),
        cmocka_unit_test(test_status),   cmocka_unit_test(test_moves),       cmocka_unit_test(test_no_xml),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

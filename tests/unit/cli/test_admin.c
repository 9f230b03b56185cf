/* Commands of administration: flags, tags, removal, resync, operations, modes, the database, the log level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/cli/fixture.h"
#include "tests/unit/cli/script.h"

static void test_cluster_setflags(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/clusters/" C1, 200, "{\"id\":\"" C1 "\",\"file\":true,\"block\":true}\n", JSON, NULL},
        {"POST", "/clusters/" C1 "/flags", 200, NULL, JSON, "{\"block\":false,\"file\":true}"},
    };
    static const struct exchange unknown[] = {{"GET", "/clusters/" C1, 404, "Id not found\n", TEXT, NULL}};
    static const struct exchange odd[] = {{"GET", "/clusters/" C1, 200, "{\"id\":\"" C1 "\"}\n", JSON, NULL}};

    (void)state;
    expect_run(script, 0, "", "", "cluster", "setflags", C1, "--block=false");
    expect_run(unknown, 255, "", "Error: Id not found\n", "cluster", "setflags", C1, "--file=maybe");
    expect_run(odd, 255, "", "Error: invalid argument \"maybe\" for \"--file\" flag: true or false expected\n",
               "cluster", "setflags", C1, "--file=maybe");
}

static void test_tags(void **state)
{
    static const struct exchange set[] = {
        {"POST", "/nodes/" N1 "/tags", 200, "{}\n", JSON,
         "{\"change_type\":\"update\",\"tags\":{\"rack\":\"r1\",\"disk\":\"hdd:x\"}}"}};
    static const struct exchange exact[] = {
        {"POST", "/devices/" D1 "/tags", 200, "{}\n", JSON, "{\"change_type\":\"set\",\"tags\":{\"a\":\"\"}}"}};
    static const struct exchange remove[] = {{"POST", "/nodes/" N1 "/tags", 200, "{}\n", JSON,
                                              "{\"change_type\":\"delete\",\"tags\":{\"a\":\"\",\"b\":\"\"}}"}};
    static const struct exchange all[] = {
        {"POST", "/devices/" D1 "/tags", 200, "{}\n", JSON, "{\"change_type\":\"set\",\"tags\":{}}"}};
    static const struct exchange unknown[] = {{"POST", "/nodes/" N1 "/tags", 404, "Id not found\n", TEXT,
                                               "{\"change_type\":\"update\",\"tags\":{\"a\":\"b\"}}"}};

    (void)state;
    expect_run(set, 0, "", "", "node", "settags", N1, "rack:r1", "disk:hdd:x");
    expect_run(exact, 0, "", "", "device", "settags", D1, "-e", "a:");
    expect_run(remove, 0, "", "", "node", "rmtags", N1, "a", "b");
    expect_run(remove, 0, "", "", "node", "deltags", N1, "a", "b");
    expect_run(all, 0, "", "", "device", "removetags", "--all", D1);
    expect_run(unknown, 255, "", "Error: Id not found\n", "node", "settags", N1, "a:b");
}

#define WARNING                                                                                            \
    "WARNING: nobody looks whether files wait for healing. A brick that is moved away may hold the only\n" \
    "good copy of a file, which is lost then. Going on in 10 seconds; interrupt to stop.\n"

static void test_remove(void **state)
{
    static const struct exchange node[] = {
        {"POST", "/nodes/" N1 "/state", 202, NULL, AT_QUEUE, "{\"state\":\"failed\"}"}, PENDING, DONE};
    static const struct exchange device[] = {
        {"POST", "/devices/" D1 "/state", 202, NULL, AT_QUEUE, "{\"state\":\"failed\"}"}, DONE};
    static const struct exchange unchecked[] = {
        {"POST", "/devices/" D1 "/state", 202, NULL, AT_QUEUE, "{\"state\":\"failed\",\"healcheck\":\"disable\"}"},
        DONE};
    static const struct exchange brick[] = {{"POST", "/bricks/to-evict/" D1, 202, NULL, AT_QUEUE, "{}"}, DONE};
    static const struct exchange none[] = {
        {"POST", "/bricks/to-evict/" D1, 202, NULL, AT_QUEUE, "{\"healcheck\":\"disable\"}"},
        {"GET", Q1, 500, "No Replacement was found for resource requested to be removed\n", TEXT, NULL}};
    struct server *server;
    struct outcome outcome;

    (void)state;
    expect_run(node, 0, "Node " N1 " is now removed\n", "", "node", "remove", N1);
    expect_run(device, 0, "Device " D1 " is now removed\n", "", "device", "remove", D1);
    expect_run(brick, 0, "Brick " D1 " evicted\n", "", "brick", "evict", D1);
    expect_run(none, 255, "", WARNING "Error: No Replacement was found for resource requested to be removed\n", "brick",
               "evict", D1, "--expert-option-disable-heal-check");
    server = server_start(unchecked, 2, KEY);
    run_cli(&outcome, server_url(server), "device", "remove", D1, "--expert-option-disable-heal-check", NULL);
    server_stop(server);
    assert_string_equal(outcome.err, WARNING);
    assert_string_equal(outcome.out, "Device " D1 " is now removed\n");
    assert_int_equal(outcome.slept_ms, 10000);
    outcome_fini(&outcome);
}

static void test_resync(void **state)
{
    static const struct exchange one[] = {{"GET", "/devices/" D1 "/resync", 202, NULL, AT_QUEUE, NULL}, DONE};
    static const struct exchange cluster[] = {
        {"GET", "/clusters/" C1, 200, "{\"id\":\"" C1 "\",\"nodes\":[\"" N1 "\",\"" N2 "\"]}\n", JSON, NULL},
        {"GET", "/nodes/" N1, 200,
         "{\"id\":\"" N1 "\",\"cluster\":\"" C1 "\",\"devices\":[{\"id\":\"" D1 "\"},{\"id\":\"" D2 "\"}]}\n", JSON,
         NULL},
        {"GET", "/devices/" D1 "/resync", 202, NULL, AT_QUEUE, NULL},
        {"GET", Q1, 500, "no such device\n", TEXT, NULL},
        {"GET", "/devices/" D2 "/resync", 202, NULL, AT_QUEUE, NULL},
        DONE,
        {"GET", "/nodes/" N2, 200, "{\"id\":\"" N2 "\",\"cluster\":\"" C1 "\",\"devices\":[]}\n", JSON, NULL},
    };

    (void)state;
    expect_run(one, 0, "Device " D1 " updated\n", "", "device", "resync", D1);
    expect_run(cluster, 255,
               "Cluster-wide resync operation requested. Using object_id as cluster_id.\nNow resyncing device " D1
               "..\nNow resyncing device " D2 "..\nDevice " D2 " (node " N1 ") in cluster " C1 " updated\n",
               "Unable to resync device " D1 ": no such device\nError: 1 devices could not be resynced\n", "device",
               "resync", "--cluster", C1);
}

#define OPERATION "\"id\":\"" V1 "\",\"type_name\":\"create-volume\",\"status\":"

static void test_operations(void **state)
{
    static const struct exchange counts[] = {
        {"GET", "/operations", 200, "{\"total\":5,\"in_flight\":1,\"stale\":2,\"failed\":3,\"new\":4}\n", JSON, NULL}};
    static const struct exchange list[] = {{"GET", "/operations/pending", 200,
                                            "{\"pendingoperations\":[{" OPERATION
                                            "\"\",\"sub_status\":\"in-flight\"},{" OPERATION
                                            "\"stale\",\"sub_status\":\"\"}]}\n",
                                            JSON, NULL}};
    static const struct exchange none[] = {
        {"GET", "/operations/pending", 200, "{\"pendingoperations\":[]}\n", JSON, NULL}};
    static const struct exchange info[] = {{"GET", "/operations/pending/" V1, 200,
                                            "{" OPERATION "\"failed\",\"sub_status\":\"\",\"changes\":[{\"id\":\"" D1
                                            "\",\"description\":\"Add brick\"},"
                                            "{\"id\":\"" C1 "\",\"description\":\"Add volume\"}]}\n",
                                            JSON, NULL}};
    static const struct exchange cut[] = {
        {"GET", "/operations/pending", 200, "{\"pendingoperations\":[],\"total\":1019,\"left_out\":7}\n", JSON, NULL}};
    static const struct exchange unknown[] = {{"GET", "/operations/pending/a", 404, "Id not found: a\n", TEXT, NULL}};

    (void)state;
    expect_run(counts, 0, "Operation Counts:\n  Total: 5\n  In-Flight: 1\n  New: 4\n  Failed: 3\n  Stale: 2\n", "",
               "server", "operations", "info");
    expect_run(list, 0,
               "Id:" V1 "  Type:create-volume  Status:New in-flight\nId:" V1 "  Type:create-volume  Status:stale \n",
               "", "server", "operations", "list");
    expect_run(none, 0, "", "", "server", "operations", "list");
    expect_run(cut, 0, "and 7 more that are not shown; there are 1019 in all\n", "", "server", "operations", "list");
    expect_run(info, 0,
               "\nId: " V1 "\nType: create-volume\nStatus: failed \nChanges:\n    Add brick: " D1
               "\n    Add volume: " C1 "\n",
               "", "server", "operations", "info", V1);
    expect_run(unknown, 255, "", "Error: Id not found: a\n", "server", "operations", "info", "a", "b");
}

static void test_cleanup(void **state)
{
    static const struct exchange all[] = {{"POST", "/operations/pending/cleanup", 202, NULL, AT_QUEUE, "{}"}, DONE};
    static const struct exchange some[] = {{"POST", "/operations/pending/cleanup", 400,
                                            "validation failed: operations: x is not a valid UUID.\n", TEXT,
                                            "{\"operations\":[\"" V1 "\",\"x\"]}"}};

    (void)state;
    expect_run(all, 0, "",
               "Note: Operation clean up is a batch operation.\n"
               "* The results of individual operation clean ups are not reported here.\n"
               "* Use 'hecate server operations [list|info]' to view operations.\n",
               "server", "operations", "cleanup");
    expect_run(some, 255, "", "Error: validation failed: operations: x is not a valid UUID.\n", "server", "operations",
               "cleanup", V1, "x");
}

static void test_mode(void **state)
{
    static const struct exchange get[] = {{"GET", "/admin", 200, "{\"state\":\"read-only\"}\n", JSON, NULL}};
    static const struct exchange set[] = {{"POST", "/admin", 204, NULL, NULL, "{\"state\":\"normal\"}"}};
    static const struct exchange refused[] = {
        {"POST", "/admin", 400, "validation failed: state: must be a valid value.\n", TEXT, "{\"state\":\"off\"}"}};

    (void)state;
    expect_run(get, 0, "read-only\n", "", "server", "mode", "get");
    expect_run(set, 0, "", "", "server", "mode", "set", "normal");
    expect_run(refused, 255, "", "Error: validation failed: state: must be a valid value.\n", "server", "mode", "set",
               "off");
}

static void test_bodies(void **state)
{
    static const struct exchange dump[] = {{"GET", "/db/dump", 200, "{\n  \"a%s\": 1\n}", JSON, NULL}};
    static const struct exchange check[] = {{"GET", "/db/check", 200, "{ }\n", JSON, NULL}};
    static const struct exchange examine[] = {
        {"GET", "/internal/state/examine/gluster", 200, "{\"report\": []}", JSON, NULL}};
    static const struct exchange refused[] = {{"GET", "/db/dump", 401, "Administrator access required\n", TEXT, NULL}};

    (void)state;
    expect_run(dump, 0, "{\n  \"a%s\": 1\n}", "", "db", "dump");
    expect_run(check, 0, "{ }\n", "", "db", "check");
    expect_run(examine, 0, "{\"report\": []}", "", "server", "state", "examine", "gluster");
    expect_run(refused, 255, "", "Error: Administrator access required\n", "db", "dump");
}

static void test_log_level(void **state)
{
    static const struct exchange get[] = {
        {"GET", "/internal/logging", 200, "{\"loglevel\":{\"glusterfs\":\"warning\"}}\n", JSON, NULL}};
    static const struct exchange set[] = {{"POST", "/internal/logging", 200,
                                           "{\"loglevel\":{\"glusterfs\":\"debug\"}}\n", JSON,
                                           "{\"loglevel\":{\"glusterfs\":\"debug\"}}"}};
    static const struct exchange refused[] = {{"POST", "/internal/logging", 422, "invalid log level: loud\n", TEXT,
                                               "{\"loglevel\":{\"glusterfs\":\"loud\"}}"}};

    (void)state;
    expect_run(get, 0, "warning\n", "", "loglevel", "get");
    expect_run(set, 0, "Server log level updated\n", "", "loglevel", "set", "debug");
    expect_run(refused, 255, "", "Error: invalid log level: loud\n", "loglevel", "set", "loud");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_setflags),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_resync),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_cleanup),
        cmocka_unit_test(test_mode),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_log_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

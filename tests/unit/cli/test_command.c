/* Whole commands: arguments, requests, outputs and errors as recorded from the original. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/cli/fixture.h"
#include "tests/unit/cli/script.h"

/* ---- arguments: nothing is sent ---- */

static void expect_usage(const char *want_err, const char *a, const char *b, const char *c, const char *d,
                         const char *e, const char *f)
{
    struct outcome outcome;

    run_cli(&outcome, refusing_url(), a, b, c, d, e, f, NULL);
    assert_string_equal(outcome.err, want_err);
    assert_string_equal(outcome.out, "");
    assert_int_equal(outcome.code, 255);
    outcome_fini(&outcome);
}

static void test_missing_arguments(void **state)
{
    static const char *const lines[][7] = {
        {"Cluster id missing", "cluster", "info"},
        {"Cluster id missing", "cluster", "delete"},
        {"Node id missing", "node", "info"},
        {"Node id missing", "node", "delete"},
        {"Node id missing", "node", "enable"},
        {"Node id missing", "node", "disable"},
        {"Device id missing", "device", "info"},
        {"Device id missing", "device", "delete"},
        {"device id missing", "device", "enable"},
        {"device id missing", "device", "disable"},
        {"Volume id missing", "volume", "info"},
        {"Volume id missing", "volume", "delete"},
        {"Missing zone", "node", "add"},
        {"Missing zone", "node", "add", "--cluster=x"},
        {"Missing management hostname", "node", "add", "--zone=1", "--cluster=x"},
        {"Missing storage hostname", "node", "add", "--zone=1", "--cluster=x", "--management-host-name=a"},
        {"Missing cluster id", "node", "add", "--zone=1", "--management-host-name=a", "--storage-host-name=b"},
        {"Missing device name", "device", "add"},
        {"Missing device name", "device", "add", "--node=x"},
        {"Missing node id", "device", "add", "--name=/dev/x"},
        {"Missing volume size", "volume", "create"},
        {"Missing volume size", "volume", "create", "--size=0"},
        {"Missing configuration file", "topology", "load"},
        {"Cluster id missing", "cluster", "setflags"},
        {"At least one of --file or --block must be specified.", "cluster", "setflags", C1},
        {"Node id missing", "node", "remove"},
        {"id required", "node", "settags"},
        {"at least one tag:value pair expected", "node", "settags", N1},
        {"expected colon (:) between tag name and value, got: novalue", "node", "settags", N1, "novalue"},
        {"id required", "node", "rmtags"},
        {"at least one tag expected", "node", "rmtags", N1},
        {"Device id missing", "device", "remove"},
        {"object/cluster id missing", "device", "resync"},
        {"id required", "device", "settags"},
        {"id required", "device", "rmtags"},
        {"Missing volume amount to expand", "volume", "expand"},
        {"Missing volume amount to expand", "volume", "expand", "--volume=x"},
        {"Missing volume id", "volume", "expand", "--expand-size=1"},
        {"Volume id missing", "volume", "clone"},
        {"Volume id missing", "volume", "set-block-hosting-restriction", "locked"},
        {"Volume id missing", "volume", "endpoint", "patch"},
        {"Missing volume size", "blockvolume", "create"},
        {"Missing volume size", "blockvolume", "create", "--size=0"},
        {"Volume id missing", "blockvolume", "info"},
        {"Volume id missing", "blockvolume", "delete"},
        {"Missing block volume id", "blockvolume", "expand"},
        {"Missing block volume net new size", "blockvolume", "expand", "--blockvolume=x"},
        {"Brick id missing", "brick", "evict"},
        {"missing log-level argument", "loglevel", "set"},
        {"too many arguments", "loglevel", "set", "a", "b"},
        {"missing mode argument", "server", "mode", "set"},
        {"too many arguments", "server", "mode", "set", "a", "b"},
        {"--node-selector: expected name=value, got: x", "setup-openshift-heketi-storage", "--node-selector=x"},
        {"unknown command \"xyz\" for \"hecate server mode\"\nRun 'hecate --help' for usage.", "server", "mode", "xyz"},
        {"Unable to open config file", "topology", "load", "--json=none.json"},
        {"invalid argument \"x\" for \"--size\" flag: strconv.ParseInt: parsing \"x\": invalid syntax", "volume",
         "create", "--size=x"},
        {"invalid argument \"99999999999999999999\" for \"--size\" flag: strconv.ParseInt: parsing "
         "\"99999999999999999999\": value out of range",
         "volume", "create", "--size", "99999999999999999999"},
        {"invalid argument \"maybe\" for \"--file\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
         "cluster", "create", "--file=maybe"},
        {"invalid argument \"nan\" for \"--snapshot-factor\" flag: strconv.ParseFloat: parsing \"nan\": invalid syntax",
         "volume", "create", "--snapshot-factor=nan"},
        {"unknown flag: --nosuchflag", "volume", "list", "--nosuchflag"},
        {"unknown shorthand flag: 'x' in -x", "volume", "list", "-x"},
        {"unknown shorthand flag: 'v' in -v", "volume", "list", "-v"},
        {"flag needs an argument: --size", "volume", "create", "--size"},
        {"flag needs an argument: 's' in -s", "volume", "list", "-s"},
        {"failed to read cert file nofile.pem: open nofile.pem: no such file or directory", "volume", "list",
         "--tls-cert=nofile.pem"},
        {"parse \"127.0.0.1:1/clusters\": first path segment in URL cannot contain colon", "cluster", "list",
         "--server=127.0.0.1:1"},
        {"unsupported protocol scheme \"ftp\"", "cluster", "list", "-s", "ftp://x"},
        {"unknown command \"xyz\" for \"hecate\"\nRun 'hecate --help' for usage.", "xyz"},
        {"unknown command \"xyz\" for \"hecate volume\"\nRun 'hecate --help' for usage.", "volume", "xyz"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        CLEANUP(free_ptr) char *want = mem_printf("Error: %s\n", lines[i][0]);

        expect_usage(want, lines[i][1], lines[i][2], lines[i][3], lines[i][4], lines[i][5], lines[i][6]);
    }
}

static void expect_output_has(const char *part, const char *a, const char *b, const char *c)
{
    struct outcome outcome;

    run_cli(&outcome, refusing_url(), a, b, c, NULL);
    assert_int_equal(outcome.code, 0);
    assert_string_equal(outcome.err, "");
    if (strstr(outcome.out, part) == NULL) {
        fail_msg("'%s' is not in:\n%s", part, outcome.out);
    }
    outcome_fini(&outcome);
}

static void expect_help(const struct cli_command *command)
{
    CLEANUP(free_ptr) char *words = mem_strdup(command->name != NULL ? command->name : "");
    const char *parts[3] = {NULL};
    struct outcome outcome;
    size_t n = 0;

    for (char *at = words, *next; at != NULL && *at != '\0'; at = next) {
        next = strchr(at, ' ');
        if (next != NULL) {
            *next++ = '\0';
        }
        parts[n++] = at;
    }
    run_cli(&outcome, refusing_url(), "-h", command->group, parts[0], parts[1], parts[2], NULL);
    assert_int_equal(outcome.code, 0);
    assert_non_null(strstr(outcome.out, command->summary));
    for (size_t i = 0; i < command->n_flags; i++) {
        assert_non_null(strstr(outcome.out, command->flags[i].help));
    }
    outcome_fini(&outcome);
}

static void test_help(void **state)
{
    (void)state;
    expect_output_has("hecate " HECATE_VERSION "\n", "--version", NULL, NULL);
    expect_output_has("hecate " HECATE_VERSION "\n", "-v", NULL, NULL);
    expect_output_has("topology load", "--help", NULL, NULL);
    expect_output_has("topology load", NULL, NULL, NULL);
    expect_output_has("volume create", "help", NULL, NULL);
    expect_output_has("usage: hecate volume COMMAND", "volume", NULL, NULL);
    expect_output_has("usage: hecate volume COMMAND", "help", "volume", NULL);
    expect_output_has("usage: hecate server COMMAND", "server", "operations", NULL);
    expect_output_has("usage: hecate volume expand [ID]", "help", "volume", "expand");
    for (size_t i = 0; i < cli_n_groups; i++) {
        for (size_t j = 0; j < cli_groups[i]->n_commands; j++) {
            expect_help(&cli_groups[i]->commands[j]);
        }
    }
}

/* ---- clusters ---- */

static void test_cluster_list(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/clusters", 200, "{\"clusters\":[\"" C1 "\",\"" C2 "\"]}\n", JSON, NULL},
        {"GET", "/clusters/" C1, 200, "{\"id\":\"" C1 "\",\"file\":true,\"block\":true}\n", JSON, NULL},
        {"GET", "/clusters/" C2, 200, "{\"id\":\"" C2 "\",\"file\":false,\"block\":false}\n", JSON, NULL},
    };

    (void)state;
    expect_run(script, 0, "Clusters:\nId:" C1 " [file][block]\nId:" C2 " []\n", "", "cluster", "list", "extra");
}

/* What was deleted since the list was made is no failure of the list. */
static void test_list_vanishes(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/clusters", 200, "{\"clusters\":[\"" C1 "\",\"" C2 "\"]}\n", JSON, NULL},
        {"GET", "/clusters/" C1, 200, "{\"id\":\"" C1 "\",\"file\":true,\"block\":true}\n", JSON, NULL},
        {"GET", "/clusters/" C2, 404, "Id not found\n", TEXT, NULL},
    };

    (void)state;
    expect_run(script, 0, "Clusters:\nId:" C1 " [file][block]\n", "", "cluster", "list");
}

static void test_json_output(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/clusters", 200, "{ \"clusters\": [ \"" C1 "\" ] }\n", JSON, NULL},
    };

    (void)state;
    expect_run(script, 0, "{\"clusters\":[\"" C1 "\"]}", "", "cluster", "list", "--json");
    expect_run(script, 0, "{\"clusters\":[\"" C1 "\"]}", "", "--json", "cluster", "list");
}

static void test_cluster_create(void **state)
{
    static const struct exchange both[] = {
        {"POST", "/clusters", 201, "{\"id\":\"" C1 "\"}\n", JSON, "{\"block\":true,\"file\":true}"},
    };
    static const struct exchange file_only[] = {
        {"POST", "/clusters", 201, "{\"id\":\"" C1 "\"}\n", JSON, "{\"block\":false,\"file\":true}"},
    };
    static const struct exchange refused[] = {
        {"POST", "/clusters", 503, "Service disabled for maintenance\n", TEXT, "{\"block\":true,\"file\":true}"},
    };

    (void)state;
    expect_run(both, 0, "Cluster id: " C1 "\n", "", "cluster", "create");
    expect_run(file_only, 0, "{\"id\":\"" C1 "\"}", "", "cluster", "create", "--block=false", "--json");
    expect_run(refused, 255, "", "Error: Service disabled for maintenance\n", "cluster", "create");
}

static void test_cluster_delete(void **state)
{
    static const struct exchange script[] = {{"DELETE", "/clusters/" C1, 200, NULL, NULL, NULL}};
    static const struct exchange refused[] = {
        {"DELETE", "/clusters/" C1, 409, "Unable to delete cluster [" C1 "] because it contains volumes and/or nodes\n",
         TEXT, NULL},
    };

    (void)state;
    expect_run(script, 0, "Cluster " C1 " deleted\n", "", "cluster", "delete", C1);
    expect_run(refused, 255, "", "Error: Unable to delete cluster [" C1 "] because it contains volumes and/or nodes\n",
               "cluster", "delete", C1, "b");
}

/* An id is data: it is encoded on the wire, and signed as it is. */
static void test_odd_id(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/clusters/a%20b%3F%23%25x", 404, "Invalid path or request\n", TEXT, NULL},
    };

    (void)state;
    expect_run(script, 255, "", "Error: Invalid path or request\n", "cluster", "info", "a b?#%x");
}

/* ---- nodes, devices ---- */

static void test_node_list(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/clusters", 200, "{\"clusters\":[\"" C1 "\"]}\n", JSON, NULL},
        {"GET", "/clusters/" C1, 200, "{\"id\":\"" C1 "\",\"nodes\":[\"" N1 "\"]}\n", JSON, NULL},
    };

    (void)state;
    expect_run(script, 0, "Id:" N1 "\tCluster:" C1 "\n", "", "node", "list");
}

#define NODE                                                                                                           \
    "{\"zone\":1,\"hostnames\":{\"manage\":[\"n1\"],\"storage\":[\"192.0.2.11\"]},\"cluster\":\"" C1 "\",\"id\":\"" N1 \
    "\",\"state\":\"online\",\"devices\":[]}"
#define NODE_ADD "{\"zone\":1,\"hostnames\":{\"manage\":[\"n1\"],\"storage\":[\"192.0.2.11\"]},\"cluster\":\"" C1 "\"}"

static void test_node_add(void **state)
{
    static const struct exchange script[] = {
        {"POST", "/nodes", 202, NULL, AT_QUEUE, NODE_ADD}, PENDING, PENDING, ENDS_AT("/nodes/" N1),
        {"GET", "/nodes/" N1, 200, NODE "\n", JSON, NULL},
    };
    static const struct exchange refused[] = {
        {"POST", "/nodes", 409, "Hostname n1 already used by node with id " N1 "\n\n", TEXT, NODE_ADD},
    };

    (void)state;
    expect_run(script, 0,
               "Node information:\nNode Id: " N1 "\nState: online\nCluster Id: " C1
               "\nZone: 1\nManagement Hostname: n1\nStorage Hostname: 192.0.2.11\n",
               "", "node", "add", "--zone", "1", "--cluster", C1, "--management-host-name", "n1",
               "--storage-host-name=192.0.2.11");
    expect_run(script, 0, NODE, "", "node", "add", "--json", "--zone=1", "--cluster=" C1, "--management-host-name=n1",
               "--storage-host-name=192.0.2.11");
    expect_run(refused, 255, "", "Error: Hostname n1 already used by node with id " N1 "\n", "node", "add", "--zone=1",
               "--cluster=" C1, "--management-host-name=n1", "--storage-host-name=192.0.2.11");
}

static void test_states(void **state)
{
    static const struct exchange online[] = {
        {"POST", "/nodes/" N1 "/state", 202, NULL, AT_QUEUE, "{\"state\":\"online\"}"}, DONE};
    static const struct exchange offline[] = {
        {"POST", "/devices/" D1 "/state", 202, NULL, AT_QUEUE, "{\"state\":\"offline\"}"}, PENDING, DONE};
    static const struct exchange failing[] = {
        {"POST", "/nodes/" N1 "/state", 202, NULL, AT_QUEUE, "{\"state\":\"offline\"}"},
        {"GET", Q1, 500, "Cannot move a failed/removed node to offline state\n", TEXT, NULL},
    };

    (void)state;
    expect_run(online, 0, "Node " N1 " is now online\n", "", "node", "enable", N1);
    expect_run(offline, 0, "Device " D1 " is now offline\n", "", "device", "disable", D1);
    expect_run(failing, 255, "", "Error: Cannot move a failed/removed node to offline state\n", "node", "disable", N1);
}

static void test_device_add(void **state)
{
    static const struct exchange script[] = {
        {"POST", "/devices", 202, NULL, AT_QUEUE, "{\"name\":\"/dev/sdb\",\"node\":\"" N1 "\"}"}, PENDING, DONE};
    static const struct exchange destroy[] = {
        {"POST", "/devices", 202, NULL, AT_QUEUE, "{\"name\":\"/dev/sdb\",\"node\":\"" N1 "\",\"destroydata\":true}"},
        {"GET", Q1, 500, "Device already in use (ID: " D1 ")\n", TEXT, NULL},
    };

    (void)state;
    expect_run(script, 0, "Device added successfully\n", "", "device", "add", "--name=/dev/sdb", "--node=" N1);
    expect_run(destroy, 255, "", "Error: Device already in use (ID: " D1 ")\n", "device", "add", "--name=/dev/sdb",
               "--node=" N1, "--destroy-existing-data");
}

static void test_delete(void **state)
{
    static const struct exchange device[] = {{"DELETE", "/devices/" D1, 202, NULL, AT_QUEUE, "{\"forceforget\":false}"},
                                             DONE};
    static const struct exchange forget[] = {{"DELETE", "/devices/" D1, 202, NULL, AT_QUEUE, "{\"forceforget\":true}"},
                                             DONE};
    static const struct exchange node[] = {{"DELETE", "/nodes/" N1, 202, NULL, AT_QUEUE, NULL}, DONE};
    static const struct exchange lost[] = {{"DELETE", "/nodes/" N1 "?forceforget=true", 202, NULL, AT_QUEUE, NULL},
                                           DONE};
    static const struct exchange heketis[] = {{"DELETE", "/volumes/" V1 "?heketidb=true", 202, NULL, AT_QUEUE, NULL},
                                              DONE};
    static const struct exchange volume[] = {{"DELETE", "/volumes/" V1, 202, NULL, AT_QUEUE, NULL}, PENDING, DONE};

    (void)state;
    expect_run(lost, 0, "Node " N1 " deleted\n", "", "node", "delete", N1, "--force-forget");
    expect_run(device, 0, "Device " D1 " deleted\n", "", "device", "delete", D1);
    expect_run(forget, 0, "Device " D1 " deleted\n", "", "device", "delete", D1, "--force-forget");
    expect_run(node, 0, "Node " N1 " deleted\n", "", "node", "delete", N1);
    expect_run(volume, 0, "Volume " V1 " deleted\n", "", "volume", "delete", V1);
    expect_run(heketis, 0, "Volume " V1 " deleted\n", "", "volume", "delete", V1, "--heketi-database");
}

/* ---- volumes ---- */

#define VOLUME                                                                                                      \
    "{\"size\":1,\"name\":\"pv1\",\"durability\":{\"type\":\"none\",\"replicate\":{},\"disperse\":{}},\"id\":\"" V1 \
    "\",\"gid\":2001,\"cluster\":\"" C1 "\"}"

static void test_volume_create(void **state)
{
    CLEANUP(free_ptr) char *want = read_data("volume-big.txt");
    CLEANUP(free_ptr) char *answer = read_data("volume-big.json");
    const struct exchange script[] = {
        {"POST", "/volumes", 202, NULL, AT_QUEUE,
         "{\"size\":10,\"name\":\"big\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3},"
         "\"disperse\":{\"data\":4,\"redundancy\":2}},\"snapshot\":{\"enable\":false,\"factor\":1.0}}"},
        PENDING,
        ENDS_AT("/volumes/" V1),
        {"GET", "/volumes/" V1, 200, answer, JSON, NULL},
    };
    static const struct exchange all[] = {
        {"POST", "/volumes", 400, "No clusters configured\n", TEXT,
         "{\"size\":-1,\"clusters\":[\"a\",\"b\"],\"name\":\"\",\"durability\":{\"type\":\"disperse\","
         "\"replicate\":{\"replica\":2},\"disperse\":{\"data\":8,\"redundancy\":3}},\"gid\":2000,"
         "\"glustervolumeoptions\":[\"a b\",\"c d\"],\"block\":true,\"snapshot\":{\"enable\":true,\"factor\":1.5}}"},
    };

    (void)state;
    expect_run(script, 0, want, "", "volume", "create", "--size=10", "--name=big");
    expect_run(all, 255, "", "Error: No clusters configured\n", "volume", "create", "--size=-1",
               "--durability=disperse", "--replica=2", "--disperse-data=8", "--redundancy=3", "--gid=2000",
               "--snapshot-factor=1.5", "--clusters=a,b", "--gluster-volume-options=a b,c d", "--block");
}

static void test_persistent_volume(void **state)
{
    static const struct exchange script[] = {
        {"POST", "/volumes", 202, NULL, AT_QUEUE,
         "{\"size\":1,\"name\":\"\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3},"
         "\"disperse\":{\"data\":4,\"redundancy\":2}},\"snapshot\":{\"enable\":false,\"factor\":1.0}}"},
        ENDS_AT("/volumes/" V1),
        {"GET", "/volumes/" V1, 200, VOLUME, JSON, NULL},
    };

    (void)state;
    expect_run(script, 0,
               "{\n  \"kind\": \"PersistentVolume\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {\n    \"name\": "
               "\"glusterfs-54b051fd\",\n    \"creationTimestamp\": null,\n    \"annotations\": {\n      "
               "\"pv.beta.kubernetes.io/gid\": \"2001\"\n    }\n  },\n  \"spec\": {\n    \"capacity\": {\n      "
               "\"storage\": \"1Gi\"\n    },\n    \"glusterfs\": {\n      \"endpoints\": \"glusterfs-cluster\",\n      "
               "\"path\": \"pv1\"\n    },\n    \"accessModes\": [\n      \"ReadWriteMany\"\n    ],\n    "
               "\"persistentVolumeReclaimPolicy\": \"Retain\"\n  },\n  \"status\": {}\n}\n",
               "", "volume", "create", "--size=1", "--persistent-volume",
               "--persistent-volume-endpoint=glusterfs-cluster");
    expect_usage("--persistent-volume-endpoint must be provided when using --persistent-volume\n"
                 "Error: Missing endpoint\n",
                 "volume", "create", "--size=1", "--persistent-volume", NULL, NULL);
}

static void test_volume_list(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/volumes", 200, "{\"volumes\":[\"" V1 "\"]}\n", JSON, NULL},
        {"GET", "/volumes/" V1, 200, VOLUME, JSON, NULL},
    };

    (void)state;
    expect_run(script, 0, "Id:" V1 "    Cluster:" C1 "    Name:pv1\n", "", "volume", "list");
}

/* ---- status ---- */

static void test_status(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/cluster/status", 200, "{\"health\":\"ok\",\"serving\":true,\"cluster_id\":\"" C1 "\"}", JSON, NULL}};
    static const struct exchange critical[] = {
        {"GET", "/cluster/status", 200, "{\"health\":\"critical\",\"leader\":null}", JSON, NULL}};
    struct outcome outcome;
    struct server *server = server_start(script, 1, NULL); /* no token may come */

    (void)state;
    run_cli(&outcome, server_url(server), "status", "--json", NULL);
    server_stop(server);
    assert_string_equal(outcome.out, "{\"health\":\"ok\",\"serving\":true,\"cluster_id\":\"" C1 "\"}");
    assert_int_equal(outcome.code, 0);
    outcome_fini(&outcome);
    server = server_start(critical, 1, NULL);
    run_cli(&outcome, server_url(server), "status", NULL);
    server_stop(server);
    assert_int_equal(outcome.code, 1);
    assert_non_null(strstr(outcome.out, "Leader:  none\n"));
    outcome_fini(&outcome);
}

/* A follower was asked: what the leader says is shown; when it cannot be had, what the follower said. */
static void test_status_of_leader(void **state)
{
    static const struct exchange leading[] = {
        {"GET", "/cluster/status", 200, "{\"health\":\"ok\",\"serving\":true,\"term\":9}", JSON, NULL}};
    struct server *leader = server_start(leading, 1, NULL);
    CLEANUP(free_ptr)
    char *text = mem_printf("{\"health\":\"ok\",\"serving\":false,\"leader\":{\"id\":1,\"api\":\"%s\"},\"term\":8}",
                            server_url(leader) + strlen("http://"));
    const struct exchange following[] = {{"GET", "/cluster/status", 200, text, JSON, NULL}};
    struct server *follower = server_start(following, 1, NULL);
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, server_url(follower), "status", NULL);
    server_stop(leader);
    server_stop(follower);
    assert_non_null(strstr(outcome.out, "term 9"));
    outcome_fini(&outcome);
    follower = server_start(following, 1, NULL);
    run_cli(&outcome, server_url(follower), "status", NULL); /* the leader's port is closed now */
    server_stop(follower);
    assert_non_null(strstr(outcome.out, "term 8"));
    assert_int_equal(outcome.code, 0);
    outcome_fini(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_arguments),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_cluster_list),
        cmocka_unit_test(test_list_vanishes),
        cmocka_unit_test(test_json_output),
        cmocka_unit_test(test_cluster_create),
        cmocka_unit_test(test_cluster_delete),
        cmocka_unit_test(test_odd_id),
        cmocka_unit_test(test_node_list),
        cmocka_unit_test(test_node_add),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_device_add),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_volume_create),
        cmocka_unit_test(test_persistent_volume),
        cmocka_unit_test(test_volume_list),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_of_leader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* topology load and info: the sequence of contract 9.5, what a broken file does, and that the rest goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/topology_file.h"
#include "store/base/mem.h"
#include "tests/unit/cli/fixture.h"

#define C1 "11111111111111111111111111111111"
#define C2 "22222222222222222222222222222222"
#define N1 "a1111111111111111111111111111111"
#define N2 "a2222222222222222222222222222222"
#define Q1 "/queue/b1111111111111111111111111111111"
#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define JSON "Content-Type: application/json; charset=UTF-8\r\n"
#define AT_QUEUE "Location: " Q1 "\r\n"
#define NO_CLUSTERS                                                \
    {                                                              \
        "GET", "/clusters", 200, "{\"clusters\":[]}\n", JSON, NULL \
    }
#define DONE                             \
    {                                    \
        "GET", Q1, 204, NULL, NULL, NULL \
    }
#define ENDS_AT(path)                                        \
    {                                                        \
        "GET", Q1, 303, NULL, "Location: " path "\r\n", NULL \
    }
#define CLUSTER(id, nodes) "{\"id\":\"" id "\",\"nodes\":[" nodes "],\"volumes\":[],\"block\":true,\"file\":true}\n"

/* A temporary file with this text; the path, which remove_file frees. */
static char *make_file(const char *text)
{
    char *path = mem_strdup("/tmp/hecate-topology.XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    return path;
}

static void remove_file(char *path)
{
    (void)unlink(path);
    free(path);
}

#define expect_load(text, script, want_code, want_out, want_err)                            \
    do {                                                                                    \
        char *path_ = make_file(text);                                                      \
        expect_run(script, want_code, want_out, want_err, "topology", "load", "-j", path_); \
        remove_file(path_);                                                                 \
    } while (0)

#define ENTRY(host, address, zone, devices)                                                             \
    "{\"node\":{\"hostnames\":{\"manage\":[\"" host "\"],\"storage\":[\"" address "\"]},\"zone\":" zone \
    "},\"devices\":[" devices "]}"
#define NODE_BODY(host, address, zone, cluster)                                           \
    "{\"zone\":" zone ",\"hostnames\":{\"manage\":[\"" host "\"],\"storage\":[\"" address \
    "\"]},\"cluster\":\"" cluster "\"}"

static void test_new_cluster(void **state)
{
    static const struct exchange script[] = {
        NO_CLUSTERS,
        {"POST", "/clusters", 201, "{\"id\":\"" C1 "\"}\n", JSON, "{\"file\":true,\"block\":true}"},
        {"POST", "/nodes", 202, NULL, AT_QUEUE, NODE_BODY("n1", "10.0.0.1", "1", C1)},
        {"GET", Q1, 200, NULL, "X-Pending: true\r\n", NULL},
        ENDS_AT("/nodes/" N1),
        {"GET", "/nodes/" N1, 200, "{\"id\":\"" N1 "\"}", JSON, NULL},
        {"POST", "/devices", 202, NULL, AT_QUEUE, "{\"name\":\"/dev/sdb\",\"node\":\"" N1 "\"}"},
        DONE,
        {"POST", "/devices", 202, NULL, AT_QUEUE, "{\"name\":\"/dev/sdc\",\"node\":\"" N1 "\",\"tags\":{\"a\":\"b\"}}"},
        DONE,
        {"POST", "/devices", 202, NULL, AT_QUEUE, "{\"name\":\"/dev/sdd\",\"node\":\"" N1 "\",\"destroydata\":true}"},
        DONE,
        {"GET", "/clusters/" C1, 200, CLUSTER(C1, "\"" N1 "\""), JSON, NULL},
    };

    (void)state;
    expect_load("{\"clusters\":[{\"nodes\":[" ENTRY(
                    "n1", "10.0.0.1", "1",
                    "\"/dev/sdb\",{\"name\":\"/dev/sdc\",\"tags\":{\"a\":\"b\"}},"
                    "{\"name\":\"/dev/sdd\",\"destroydata\":true,\"unknown\":1}") "]}]} trailing text",
                script, 0,
                "Creating cluster ... ID: " C1 "\n\tAllowing file volumes on cluster.\n"
                "\tAllowing block volumes on cluster.\n\tCreating node n1 ... ID: " N1
                "\n\t\tAdding device /dev/sdb ... OK\n\t\tAdding device /dev/sdc ... OK\n"
                "\t\tAdding device /dev/sdd ... OK\n",
                "");
}

/* What is known is found, what is not is added to the cluster of what was found; errors do not stop the rest. */
static void test_known_and_failing(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/clusters", 200, "{\"clusters\":[\"" C2 "\"]}\n", JSON, NULL},
        {"GET", "/clusters/" C2, 200, CLUSTER(C2, "\"" N1 "\""), JSON, NULL},
        {"GET", "/nodes/" N1, 200,
         "{\"id\":\"" N1 "\",\"cluster\":\"" C2 "\",\"hostnames\":{\"manage\":[\"n1\"],\"storage\":[\"10.0.0.1\"]},"
         "\"devices\":[{\"name\":\"/dev/sdb\"}]}",
         JSON, NULL},
        {"GET", "/clusters/" C2, 200, CLUSTER(C2, "\"" N1 "\""), JSON, NULL},
        {"POST", "/devices", 400, "validation failed: name: must be in a valid format.\n", TEXT,
         "{\"name\":\"sde\",\"node\":\"" N1 "\"}"},
        {"POST", "/devices", 202, NULL, AT_QUEUE, "{\"name\":\"/dev/sdf\",\"node\":\"" N1 "\"}"},
        {"GET", Q1, 500, "pvcreate failed\n", TEXT, NULL},
        {"POST", "/nodes", 409, "Hostname n2 already used by node with id x\n\n", TEXT,
         NODE_BODY("n2", "10.0.0.2", "2", C2)},
        {"POST", "/nodes", 202, NULL, AT_QUEUE, NODE_BODY("n3", "10.0.0.3", "3", C2)},
        ENDS_AT("/nodes/" N2),
        {"GET", "/nodes/" N2, 200, "{\"id\":\"" N2 "\"}", JSON, NULL},
    };

    (void)state;
    expect_load(
        "{\"clusters\":[{\"nodes\":[" ENTRY("n1", "10.0.0.1", "1", "\"/dev/sdb\",\"sde\",\"/dev/sdf\"") "," ENTRY(
            "n2", "10.0.0.2", "2", "\"/dev/sdb\"") "," ENTRY("n3", "10.0.0.3", "3", "") "]}]}",
        script, 0,
        "\tFound node n1 on cluster " C2 "\n\t\tFound device /dev/sdb\n"
        "\t\tAdding device sde ... Unable to add device: validation failed: name: must be in a valid format.\n"
        "\t\tAdding device /dev/sdf ... Unable to add device: pvcreate failed\n"
        "\tCreating node n2 ... Unable to create node: Hostname n2 already used by node with id x\n"
        "\tCreating node n3 ... ID: " N2 "\n",
        "");
}

/* A cluster that was made here and got no node is deleted again. */
static void test_empty_cluster(void **state)
{
    static const struct exchange script[] = {
        NO_CLUSTERS,
        {"POST", "/clusters", 201, "{\"id\":\"" C1 "\"}\n", JSON, "{\"file\":false,\"block\":true}"},
        {"POST", "/nodes", 400, "validation failed: zone: cannot be blank.\n", TEXT, NODE_BODY("n9", "n9", "0", C1)},
        {"GET", "/clusters/" C1, 200, CLUSTER(C1, ""), JSON, NULL},
        {"DELETE", "/clusters/" C1, 200, NULL, NULL, NULL},
    };

    (void)state;
    expect_load("{\"Clusters\":[{\"file\":false,\"NODES\":[" ENTRY("n9", "n9", "0", "\"/dev/sdb\"") "]}]}", script, 0,
                "Creating cluster ... ID: " C1 "\n\tAllowing block volumes on cluster.\n"
                "\tCreating node n9 ... Unable to create node: validation failed: zone: cannot be blank.\n",
                "");
}

static void test_cluster_refused(void **state)
{
    static const struct exchange script[] = {
        NO_CLUSTERS,
        {"POST", "/clusters", 503, "Service disabled for maintenance\n", TEXT, "{\"file\":true,\"block\":true}"},
    };

    (void)state;
    expect_load("{\"clusters\":[{\"nodes\":[" ENTRY("n1", "n1", "1", "") "," ENTRY("n2", "n2", "1", "") "]}]}", script,
                255, "Creating cluster ... ", "Error: Service disabled for maintenance\n");
}

static void test_nothing_to_do(void **state)
{
    static const struct exchange script[] = {NO_CLUSTERS};

    (void)state;
    expect_load("{}", script, 0, "", "");
    expect_load("{\"clusters\":null}", script, 0, "", "");
    expect_load("{\"clusters\":[{\"nodes\":[]}]}", script, 0, "", "");
}

static void test_no_topology(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/clusters", 401, "Invalid JWT token: Unknown user\n", TEXT, NULL},
    };

    (void)state;
    expect_load("{}", script, 255, "", "Error: Unable to get topology information: Invalid JWT token: Unknown user\n");
}

/* An empty list of host names crashes the original; here the server says what is wrong. */
static void test_no_host(void **state)
{
    static const struct exchange script[] = {
        NO_CLUSTERS,
        {"POST", "/clusters", 201, "{\"id\":\"" C1 "\"}\n", JSON, "{\"file\":true,\"block\":true}"},
        {"POST", "/nodes", 400, "validation failed: hostnames: (manage: cannot be blank.).\n", TEXT,
         "{\"zone\":1,\"hostnames\":{\"manage\":[],\"storage\":[]},\"cluster\":\"" C1 "\"}"},
        {"GET", "/clusters/" C1, 200, CLUSTER(C1, ""), JSON, NULL},
        {"DELETE", "/clusters/" C1, 200, NULL, NULL, NULL},
    };

    (void)state;
    expect_load("{\"clusters\":[{\"nodes\":[{\"node\":{\"hostnames\":{\"manage\":[]},\"zone\":1}}]}]}", script, 0,
                "Creating cluster ... ID: " C1 "\n\tAllowing file volumes on cluster.\n"
                "\tAllowing block volumes on cluster.\n\tCreating node  ... Unable to create node: "
                "validation failed: hostnames: (manage: cannot be blank.).\n",
                "");
}

static void broken_file(void)
{
    char *path = make_file("{\"clusters\": {}}");
    struct outcome outcome;

    run_cli(&outcome, refusing_url(), "topology", "load", "--json", path, NULL);
    remove_file(path);
    assert_string_equal(outcome.err, "Error: Unable to parse config file\n");
    assert_int_equal(outcome.code, 255);
    outcome_fini(&outcome);
}

static void test_parse(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "{",
        "[]",
        "null",
        "{\"clusters\":{}}",
        "{\"clusters\":[1]}",
        "{\"clusters\":[{\"file\":\"yes\"}]}",
        "{\"clusters\":[{\"nodes\":[7]}]}",
        "{\"clusters\":[{\"nodes\":[{\"node\":{\"hostnames\":{\"manage\":\"n1\"}}}]}]}",
        "{\"clusters\":[{\"nodes\":[{\"node\":{\"hostnames\":{\"manage\":[1]}}}]}]}",
        "{\"clusters\":[{\"nodes\":[{\"node\":{\"zone\":\"1\"}}]}]}",
        "{\"clusters\":[{\"nodes\":[{\"node\":{\"zone\":1.5}}]}]}",
        "{\"clusters\":[{\"nodes\":[{\"node\":{\"tags\":{\"a\":1}}}]}]}",
        "{\"clusters\":[{\"nodes\":[{\"devices\":[1]}]}]}",
        "{\"clusters\":[{\"nodes\":[{\"devices\":[{\"name\":1}]}]}]}",
        "{\"clusters\":[{\"nodes\":[{\"devices\":[{\"destroydata\":1}]}]}]}",
    };
    static const char nulls[] = "{\"clusters\":[{\"block\":null,\"nodes\":[{\"node\":null,\"devices\":null}]}]}";
    json_t *good;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (topology_parse(bad[i], strlen(bad[i])) != NULL) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
    good = topology_parse(nulls, strlen(nulls));
    assert_non_null(good);
    json_decref(good);
    broken_file();
}

static void test_info(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/clusters", 200, "{\"clusters\":[\"" C1 "\"]}\n", JSON, NULL},
        {"GET", "/clusters/" C1, 200,
         "{\"id\":\"" C1 "\",\"nodes\":[\"" N1 "\"],\"volumes\":[\"v1\",\"v2\"],\"block\":false,\"file\":true}\n", JSON,
         NULL},
        {"GET", "/volumes/v1", 200, "{\"id\":\"v1\",\"cluster\":\"" C1 "\"}", JSON, NULL},
        {"GET", "/volumes/v2", 200, "{\"id\":\"v2\",\"cluster\":\"" C2 "\"}", JSON, NULL},
        {"GET", "/nodes/" N1, 200, "{\"id\":\"" N1 "\"}", JSON, NULL},
    };

    (void)state;
    expect_run(script, 0,
               "{\"clusters\":[{\"volumes\":[{\"id\":\"v1\",\"cluster\":\"" C1 "\"}],\"nodes\":[{\"id\":\"" N1
               "\"}],\"id\":\"" C1 "\",\"block\":false,\"file\":true}]}",
               "", "topology", "info", "--json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_cluster),   cmocka_unit_test(test_known_and_failing),
        cmocka_unit_test(test_empty_cluster), cmocka_unit_test(test_cluster_refused),
        cmocka_unit_test(test_nothing_to_do), cmocka_unit_test(test_no_topology),
        cmocka_unit_test(test_no_host),       cmocka_unit_test(test_parse),
        cmocka_unit_test(test_info),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

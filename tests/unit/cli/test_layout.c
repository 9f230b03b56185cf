/* Layouts against recorded outputs of the original, and what recordings do not show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/cli/fixture.h"

static void node_layout(FILE *out, const json_t *node)
{
    out_node(out, node, true);
}

static char *layout_text(const char *json, void (*layout)(FILE *out, const json_t *object))
{
    json_t *object = json_loads(json, 0, NULL);
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(object);
    layout(out, object);
    (void)fclose(out);
    json_decref(object);
    return text;
}

static void expect_recorded(const char *name, void (*layout)(FILE *out, const json_t *object))
{
    CLEANUP(free_ptr) char *json_name = mem_printf("%s.json", name);
    CLEANUP(free_ptr) char *text_name = mem_printf("%s.txt", name);
    CLEANUP(free_ptr) char *json = read_data(json_name);
    CLEANUP(free_ptr) char *want = read_data(text_name);
    CLEANUP(free_ptr) char *have = layout_text(json, layout);

    assert_string_equal(have, want);
}

static void expect_part(const char *json, void (*layout)(FILE *out, const json_t *object), const char *part)
{
    CLEANUP(free_ptr) char *have = layout_text(json, layout);

    if (strstr(have, part) == NULL) {
        fail_msg("'%s' is not in:\n%s", part, have);
    }
}

/* All parts of a topology, one after the other. */
static void topology_layout(FILE *out, const json_t *topology)
{
    json_t *cluster, *entry;
    size_t i, j;

    json_array_foreach(js_list(topology, "clusters"), i, cluster)
    {
        out_topology_cluster(out, cluster);
        json_array_foreach(js_list(cluster, "volumes"), j, entry)
        {
            out_topology_volume(out, entry);
        }
        out_topology_nodes(out);
        json_array_foreach(js_list(cluster, "nodes"), j, entry)
        {
            out_topology_node(out, entry);
        }
    }
    fprintf(out, "\n");
}

static void test_recorded(void **state)
{
    (void)state;
    expect_recorded("cluster", out_cluster);
    expect_recorded("node", node_layout);
    expect_recorded("node-tags", node_layout);
    expect_recorded("device", out_device);
    expect_recorded("device-tags", out_device);
    expect_recorded("volume-two", out_volume);
    expect_recorded("volume-ec", out_volume);
    expect_recorded("volume-big", out_volume);
    expect_recorded("volume-hv", out_volume);
    expect_recorded("topology-load", topology_layout);
    expect_recorded("topology-block", topology_layout);
    expect_recorded("topology-real", topology_layout);
}

static void test_removed(void **state)
{
    (void)state;
    expect_part("{\"state\":\"failed\",\"devices\":[{\"id\":\"d\",\"state\":\"failed\"}]}", node_layout,
                "State: removed\n");
    expect_part("{\"devices\":[{\"id\":\"d\",\"state\":\"failed\"}]}", node_layout, "State:removed   Size (GiB):0   ");
    expect_part("{\"state\":\"failed\"}", out_device, "State: removed\n");
}

static void test_rounding(void **state)
{
    (void)state;
    expect_part("{\"storage\":{\"total\":2097151,\"used\":1048575,\"free\":1048576}}", out_device,
                "Size (GiB): 1\nUsed (GiB): 0\nFree (GiB): 1\n");
}

static void test_replica_not_told(void **state)
{
    (void)state;
    expect_part("{\"durability\":{\"type\":\"replicate\",\"replicate\":{}},\"bricks\":[{},{},{},{}]}", out_volume,
                "Distribute Count: 2\nReplica Count: 2\n");
    expect_part("{\"durability\":{\"type\":\"disperse\"},\"bricks\":[{}]}", out_volume, "Distribute Count: 0\n");
}

static void test_several_sets(void **state)
{
    (void)state;
    expect_part("{\"durability\":{\"type\":\"disperse\",\"disperse\":{\"data\":2,\"redundancy\":1}},"
                "\"bricks\":[{},{},{},{},{},{}],\"snapshot\":{\"enable\":true,\"factor\":1.25}}",
                out_volume,
                "Distribute Count: 2\nDisperse Data Count: 2\nDisperse Redundancy Count: 1\nSnapshot Factor: 1.25\n\n");
}

static void test_volume_line(void **state)
{
    (void)state;
    expect_part("{\"id\":\"9d3c5b7a1f2e4c6d8b0a9e8f7c6d5b4a\",\"cluster\":\"3b1f0c9a7d5e42688e4f1a2b3c4d5e6f\","
                "\"name\":\"media\",\"block\":true}",
                out_volume_line,
                "Id:9d3c5b7a1f2e4c6d8b0a9e8f7c6d5b4a    Cluster:3b1f0c9a7d5e42688e4f1a2b3c4d5e6f    "
                "Name:media [block]\n");
}

/* Nothing is there, or it is of another type: no crash, no invention. */
static void test_missing_members(void **state)
{
    static void (*const layouts[])(FILE *, const json_t *) = {out_cluster,     node_layout,     out_device, out_volume,
                                                              out_volume_line, topology_layout, out_status};
    static const char *const documents[] = {
        "{}",
        "[]",
        "{\"id\":1,\"nodes\":{},\"devices\":[1,null,[]],\"bricks\":[7],\"volumes\":\"x\",\"hostnames\":[],\"tags\":[],"
        "\"storage\":3,\"durability\":\"replicate\",\"mount\":[],\"clusters\":[1,{\"nodes\":[2],\"volumes\":[3]}],"
        "\"members\":[0],\"operations\":[0,{\"steps\":[1],\"parked\":[2]}],\"warnings\":[true],\"leader\":5,"
        "\"counts\":[]}",
        "{\"tags\":{\"a\":1},\"paths\":[1,2],\"blockinfo\":{\"blockvolume\":[null]},\"nodes\":[{\"down\":true}]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++) {
        for (size_t j = 0; j < sizeof(documents) / sizeof(*documents); j++) {
            char *text = layout_text(documents[j], layouts[i]);

            assert_true(strlen(text) > 0);
            assert_null(strstr(text, "(null)"));
            free(text);
        }
    }
}

#define STATUS                                                                                                         \
    "{\"cluster_id\":\"3b1f0c9a7d5e42688e4f1a2b3c4d5e6f\",\"health\":\"warning\",\"warnings\":[{\"code\":"             \
    "\"node-down\",\"text\":\"gl3 does not answer\",\"remedy\":\"look at it\"}],\"member_id\":2,\"leader\":{\"id\":2," \
    "\"api\":\"192.0.2.2:8080\"},\"term\":7,\"commit_index\":120,\"applied_index\":119,\"serving\":true,"              \
    "\"lease_left_ms\":141,\"virtual_ips\":{\"addresses\":[\"192.0.2.9%eth0\",\"2001:db8::9%eth0\"],\"held\":true,"    \
    "\"holder\":2},\"members\":[{\"id\":1,\"address\":\"192.0.2.1:8090\",\"api\":\"192.0.2.1:8080\",\"role\":"         \
    "\"follower\",\"voter\":true,\"version\":\"0.1.0\",\"connected\":true,\"match_index\":120,\"lag\":0,"              \
    "\"last_contact_ms\":12,\"digest\":\"0123456789abcdef\",\"digest_index\":119},{\"id\":3,\"role\":\"unknown\","     \
    "\"voter\":false,"                                                                                                 \
    "\"connected\":false,\"last_contact_ms\":600000}],\"nodes\":[{\"id\":\"0a6d2c11b3f94e7e8a5b6c7d8e9f0a1b\","        \
    "\"cluster\":\"c\",\"manage\":\"gl3\",\"state\":\"online\",\"down\":true,\"fence_term\":6,\"last_ok_ms\":5000,"    \
    "\"last_error\":\"cannot "                                                                                         \
    "connect\\nmore\"}],\"operations\":[{\"id\":\"77f1\",\"type\":\"create-volume\",\"phase\":"                        \
    "\"forward\",\"target\":\"9d3c\",\"steps\":[{\"step\":\"brick-create\",\"host\":\"gl3\",\"state\":\"retrying\","   \
    "\"attempts\":3,\"since_ms\":2500,\"last_error\":\"no "                                                            \
    "route\"}],\"parked\":[{\"node\":\"0a6d\",\"text\":\"later\"}]"                                                    \
    "}],\"counts\":{\"clusters\":1,\"nodes\":3,\"devices\":4,\"volumes\":5,\"bricks\":15,\"operations\":1,\"jobs\":9}" \
    "}"

static void test_status(void **state)
{
    CLEANUP(free_ptr) char *have = layout_text(STATUS, out_status);
    CLEANUP(free_ptr) char *mock = layout_text("{\"executor\":\"mock\"}", out_status);

    (void)state;
    assert_non_null(strstr(mock, "\nNodes:   pretended (glusterfs.executor is \"mock\"); volumes are nowhere\n"));
    assert_string_equal(
        have,
        "Cluster: 3b1f0c9a7d5e42688e4f1a2b3c4d5e6f\n"
        "Health:  warning\n"
        "Leader:  member 2 at 192.0.2.2:8080, serving\n"
        "Address: 192.0.2.9%eth0 2001:db8::9%eth0, at member 2\n"
        "Log:     term 7, committed 120, applied 119, lease for 141 ms\n"
        "Holds:   1 clusters, 3 nodes, 4 devices, 5 volumes, 15 bricks\n"
        "\n"
        "Warnings:\n"
        "  node-down: gl3 does not answer\n"
        "    -> look at it\n"
        "\n"
        "Id   Role        Address                API                    Version   Lag      Contact  Digest   at\n"
        "1    follower    192.0.2.1:8090         192.0.2.1:8080         0.1.0     0        12 ms    01234567 119\n"
        "3    unknown     -                      -                      -         -        10 min   -        -  NOT "
        "CONNECTED  "
        "spare\n"
        "\n"
        "Storage node                      Host                   State    Fence  Answered\n"
        "0a6d2c11b3f94e7e8a5b6c7d8e9f0a1b  gl3                    online   6      5 s  DOWN: cannot connect\n"
        "\n"
        "Operations: 1\n"
        "  77f1 create-volume 9d3c (forward)\n"
        "    brick-create     on gl3                  retrying for 2 s, attempt 3: no route\n"
        "    waits for node 0a6d: later\n");
}

/* One screen also for a large cluster: what is down is always on it. */
static void test_status_is_one_screen(void **state)
{
    json_t *status = json_object(), *nodes = json_array(), *operations = json_array();
    char *text, *have;
    size_t lines = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        json_array_append_new(
            nodes, json_pack("{s:s, s:s, s:b}", "id", i == 90 ? "broken" : "n", "state", "online", "down", i == 90));
        json_array_append_new(operations, json_pack("{s:s}", "id", "op"));
    }
    json_object_set_new(status, "nodes", nodes);
    json_object_set_new(status, "operations", operations);
    text = json_dumps(status, 0);
    have = layout_text(text, out_status);
    for (const char *at = have; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_true(lines < 50);
    assert_non_null(strstr(have, "broken"));
    assert_non_null(strstr(have, "and 83 more that are not down\n"));
    assert_non_null(strstr(have, "  and more: hecate server operations list\n"));
    free(have);
    free(text);
    json_decref(status);
}

static void test_json(void **state)
{
    json_t *value = json_loads("{\"b\":\"<&>%d\",\"a\":[1.25,1.1,1],\"u\":\"\\u00e9\"}", 0, NULL);
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    js_print(out, value);
    (void)fclose(out);
    assert_string_equal(text, "{\"b\":\"\\u003c\\u0026\\u003e%d\",\"a\":[1.25,1.1,1],\"u\":\"\xc3\xa9\"}");
    free(text);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_removed),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_replica_not_told),
        cmocka_unit_test(test_several_sets),
        cmocka_unit_test(test_volume_line),
        cmocka_unit_test(test_missing_members),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_is_one_screen),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

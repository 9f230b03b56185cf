/* The configuration: a heketi.json works, whatever is wrong is named, the environment overrides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "store/base/buf.h"
#include "store/base/mem.h"

#define PEERS                                                                         \
    "\"initial_peers\":[{\"id\":1,\"peer\":\"127.0.0.1:1\",\"api\":\"127.0.0.1:2\"}," \
    "{\"id\":2,\"peer\":\"127.0.0.1:3\",\"api\":\"127.0.0.1:4\"},"                    \
    "{\"id\":3,\"peer\":\"127.0.0.1:5\",\"api\":\"127.0.0.1:6\"}]"
#define CLUSTER "\"cluster\":{\"member_id\":2,\"plain\":true," PEERS "}"
#define MOCK "\"glusterfs\":{\"executor\":\"mock\"}"

static int parse(const char *text, struct cfg *cfg, struct cfg_warnings *warnings, struct err *err)
{
    *err = (struct err)ERR_INIT;
    return cfg_parse(text, strlen(text), "test.json", cfg, warnings, err);
}

static void expect_error(const char *text, const char *part)
{
    struct cfg_warnings warnings;
    bool found = false;
    struct cfg cfg;
    struct err err;

    assert_int_equal(parse(text, &cfg, &warnings, &err), E_INVALID);
    assert_string_equal(err.message, warnings.errors[0]);
    for (size_t i = 0; i < warnings.n_errors && !found; i++) {
        found = strstr(warnings.errors[i], part) != NULL;
    }
    if (!found) {
        fail_msg("message \"%s\" does not contain \"%s\"", err.message, part);
    }
    cfg_warnings_fini(&warnings);
}

/* What is wrong is found in one go, whatever part of the file it is in. */
static void test_everything_at_once(void **state)
{
    static const char *const parts[] = {"enable_tls must be true or false",
                                        "brick_min_size_gb is -1",
                                        "xfs_sw must be a whole number",
                                        "cluster.nmae is not a known key",
                                        "cluster.initial_peers[1].peer is \"h2\", expected \"host:port\"",
                                        "cluster.tls.ca is missing",
                                        "cluster.tls.key is missing",
                                        "glusterfs.executor is \"magic\"",
                                        "port is \"x\"",
                                        "cluster.lease_ms (290)"};
    static const char text[] =
        "{\"port\":\"x\",\"enable_tls\":\"yes\",\"glusterfs\":{\"executor\":\"magic\",\"brick_min_size_gb\":-1,"
        "\"sshexec\":{\"xfs_sw\":\"ten\"}},\"cluster\":{\"nmae\":\"x\",\"member_id\":1,\"lease_ms\":290,"
        "\"initial_peers\":[{\"id\":1,\"peer\":\"h1:1\",\"api\":\"h1:2\"},{\"id\":2,\"peer\":\"h2\",\"api\":\"h2:2\"}"
        "]}}";

    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        expect_error(text, parts[i]);
    }
    expect_error("{" MOCK ",\"cluster\":{\"member_id\":1,\"plain\":true,\"initial_peers\":[{\"id\":1},7]}}",
                 "cluster.initial_peers[0] needs id, peer and api");
    expect_error("{" MOCK ",\"cluster\":{\"member_id\":1,\"plain\":true,\"initial_peers\":[{\"id\":1},7]}}",
                 "cluster.initial_peers[1] must be an object");
}

/* Heketi's own sample file, with its words in the places of values. */
static void test_texts_of_the_sample_file(void **state)
{
    static const char text[] =
        "{\"glusterfs\":{\"executor\":\"mock\",\"sshexec\":{\"port\":\"Optional: ssh port.  Default is 22\","
        "\"fstab\":\"Optional: Specify fstab file on node.  Default is /etc/fstab\",\"pv_data_alignment\":\"Optional: "
        "Specify PV data alignment size.\",\"xfs_sw\":\"Optional: Specify number of data disks.\","
        "\"gluster_cli_timeout\":\"Optional: Timeout\"}}," CLUSTER "}";
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err;

    (void)state;
    assert_int_equal(parse(text, &cfg, &warnings, &err), 0);
    assert_string_equal(cfg.ssh_port, "22");
    assert_string_equal(cfg.ssh_fstab, "/etc/fstab");
    assert_string_equal(cfg.ssh_pv_data_alignment, "256K");
    assert_int_equal(cfg.ssh_xfs_sw, 0);
    assert_int_equal(cfg.ssh_gluster_timeout_s, 600);
    assert_int_equal(warnings.n, 5);
    assert_non_null(strstr(warnings.items[1], "glusterfs.sshexec.fstab is \"Optional: Specify fstab"));
    cfg_warnings_fini(&warnings);
    cfg_fini(&cfg);
    expect_error("{" MOCK ",\"cluster\":{\"member_id\":\"Optional: a number\"}}",
                 "cluster.member_id must be a whole number"); /* our part has no such texts */
}

static void test_heketi_file(void **state)
{
    static const char text[] =
        "{\"_comment\":\"Heketi\",\"port\":\"8081\",\"use_auth\":false,"
        "\"JWT\":{\"_admin\":\"x\",\"admin\":{\"key\":\"My Secret\"},\"user\":{\"key\":\"Other\"}},"
        "\"glusterfs\":{\"_executor\":[1],\"executor\":\"ssh\",\"sshexec\":{\"keyfile\":\"/dev/"
        "null\",\"user\":\"root\","
        "\"port\":\"2222\",\"fstab\":\"/etc/other\",\"xfs_sw\":\"10\"},\"db\":\"/var/lib/heketi/heketi.db\"}," CLUSTER
        "}";
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err;

    (void)state;
    assert_int_equal(parse(text, &cfg, &warnings, &err), 0);
    assert_string_equal(cfg.port, "8081");
    assert_string_equal(cfg.admin_key, "My Secret");
    assert_string_equal(cfg.ssh_user, "root");
    assert_string_equal(cfg.ssh_port, "2222");
    assert_string_equal(cfg.ssh_fstab, "/etc/other");
    assert_int_equal(cfg.ssh_xfs_sw, 10);
    assert_string_equal(cfg.ssh_mountopts, "rw,inode64,noatime,nouuid");
    assert_int_equal(cfg.election_timeout_ms, 300);
    assert_int_equal(cfg_self(&cfg)->id, 2);
    assert_int_equal(warnings.n, 2); /* use_auth, db */
    assert_non_null(strstr(warnings.items[0], "use_auth"));
    cfg_warnings_fini(&warnings);
    cfg_fini(&cfg);
}

static void test_block_volumes(void **state)
{
    static const char text[] =
        "{\"glusterfs\":{\"executor\":\"mock\",\"auto_create_block_hosting_volume\":false,"
        "\"block_hosting_volume_size\":500,\"sshexec\":{\"block_prealloc\":\"no\"}}," CLUSTER "}";
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err;

    (void)state;
    assert_int_equal(parse(text, &cfg, &warnings, &err), 0);
    assert_false(cfg.block_auto);
    assert_int_equal(cfg.block_size_gib, 500);
    assert_string_equal(cfg.block_options, "group gluster-block");
    assert_string_equal(cfg.ssh_block_prealloc, "no");
    assert_int_equal(warnings.n, 0);
    cfg_fini(&cfg);
    setenv("HEKETI_AUTO_CREATE_BLOCK_HOSTING_VOLUME", "True", 1);
    setenv("HEKETI_BLOCK_HOSTING_VOLUME_SIZE", "20", 1);
    assert_int_equal(parse(text, &cfg, &warnings, &err), 0);
    assert_true(cfg.block_auto);
    assert_int_equal(cfg.block_size_gib, 20);
    cfg_fini(&cfg);
    setenv("HEKETI_AUTO_CREATE_BLOCK_HOSTING_VOLUME", "yes", 1);
    expect_error(text, "HEKETI_AUTO_CREATE_BLOCK_HOSTING_VOLUME must be true or false");
    unsetenv("HEKETI_AUTO_CREATE_BLOCK_HOSTING_VOLUME");
    unsetenv("HEKETI_BLOCK_HOSTING_VOLUME_SIZE");
}

static void test_environment_of_a_switch(void **state)
{
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err;

    (void)state;
    assert_int_equal(setenv("HEKETI_DISABLE_BACKGROUND_CLEANER", "True", 1), 0);
    assert_int_equal(parse("{" MOCK "," CLUSTER "}", &cfg, &warnings, &err), 0);
    assert_true(cfg.audit_off);
    assert_int_equal(cfg.audit_every_s, 3600);
    assert_int_equal(cfg.audit_start_s, 60);
    cfg_warnings_fini(&warnings);
    cfg_fini(&cfg);
    assert_int_equal(setenv("HEKETI_DISABLE_BACKGROUND_CLEANER", "yes", 1), 0);
    expect_error("{" MOCK "," CLUSTER "}", "environment: HEKETI_DISABLE_BACKGROUND_CLEANER must be true or false");
    assert_int_equal(unsetenv("HEKETI_DISABLE_BACKGROUND_CLEANER"), 0);
}

/* On, unless the file or the environment says otherwise: Heketi, against its documentation, reads only the latter. */
static void test_rebalance_on_expansion(void **state)
{
    static const char off[] =
        "{\"glusterfs\":{\"executor\":\"mock\",\"sshexec\":{\"rebalance_on_expansion\":false}}," CLUSTER "}";
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err;

    (void)state;
    assert_int_equal(parse("{" MOCK "," CLUSTER "}", &cfg, &warnings, &err), 0);
    assert_true(cfg.ssh_rebalance);
    cfg_fini(&cfg);
    assert_int_equal(parse(off, &cfg, &warnings, &err), 0);
    assert_false(cfg.ssh_rebalance);
    assert_int_equal(warnings.n, 0);
    cfg_fini(&cfg);
    assert_int_equal(setenv("HEKETI_GLUSTERAPP_REBALANCE_ON_EXPANSION", "true", 1), 0);
    assert_int_equal(parse(off, &cfg, &warnings, &err), 0);
    assert_true(cfg.ssh_rebalance);
    cfg_fini(&cfg);
    assert_int_equal(unsetenv("HEKETI_GLUSTERAPP_REBALANCE_ON_EXPANSION"), 0);
}

static void test_errors_name_the_key(void **state)
{
    (void)state;
    expect_error("{", "line 1");
    expect_error("[]", "must be a JSON object");
    expect_error("{" MOCK ",\"cluster\":{\"membre_id\":1," PEERS "}}",
                 "cluster.membre_id is not a known key (a key that starts with _ would be a comment); did you mean "
                 "member_id?");
    expect_error("{\"port\":\"1\",\"port\":\"2\"}", "duplicate");
    expect_error("{\"port\":8080," MOCK "," CLUSTER "}", "port must be a string");
    expect_error("{\"port\":\"80800\"," MOCK "," CLUSTER "}", "port is \"80800\"");
    expect_error("{\"port\":\"+80\"," MOCK "," CLUSTER "}", "port is \"+80\", expected a string with a number");
    expect_error("{\"port\":\" 80\"," MOCK "," CLUSTER "}", "port is \" 80\"");
    expect_error("{\"port\":\"-18446744073709551536\"," MOCK "," CLUSTER "}", "port is \"-1"); /* 80 to strtoul */
    expect_error("{\"glusterfs\":{\"executor\":\"mock\",\"sshexec\":{\"port\":\"+22\"}}," CLUSTER "}",
                 "glusterfs.sshexec.port is \"+22\"");
    expect_error("{\"port\":\"80\\u0000\"," MOCK "," CLUSTER "}", "test.json");
    expect_error("{\"enable_tls\":\"yes\"}", "enable_tls must be true or false");
    expect_error("{\"glusterfs\":{\"executor\":\"magic\"}," CLUSTER "}", "glusterfs.executor is \"magic\"");
    expect_error("{\"glusterfs\":{\"sshexec\":{\"xfs_sw\":\"many\"}}}",
                 "glusterfs.sshexec.xfs_sw must be a whole number");
    expect_error("{\"glusterfs\":{\"brick_min_size_gb\":-1}}", "glusterfs.brick_min_size_gb is -1");
    expect_error("{" MOCK ",\"cluster\":{\"heartbeat_ms\":0}}", "cluster.heartbeat_ms is 0");
    expect_error("{\"glusterfs\":7}", "glusterfs must be an object");
    expect_error("{\"glusterfs\":{\"executor\":\"ssh\"}," CLUSTER "}", "glusterfs.sshexec.keyfile is missing");
    expect_error("{" MOCK "}", "cluster.member_id is missing");
    expect_error("{" MOCK ",\"cluster\":{\"member_id\":9,\"plain\":true," PEERS "}}", "no member with the id");
    expect_error("{" MOCK ",\"cluster\":{\"member_id\":1," PEERS "}}", "cluster.tls.ca is missing");
    expect_error("{" MOCK ",\"cluster\":{\"member_id\":1,\"plain\":true,\"lease_ms\":200," PEERS "}}",
                 "cluster.lease_ms (200) must be at most half");
    expect_error("{" MOCK ",\"cluster\":{\"member_id\":1,\"plain\":true,\"heartbeat_ms\":100," PEERS "}}",
                 "cluster.heartbeat_ms (100)");
    expect_error("{" MOCK ",\"cluster\":{\"initial_peers\":[{\"id\":1,\"peer\":\"a:1\",\"apj\":\"b:2\"}]}}",
                 "initial_peers[0].apj");
    expect_error("{" MOCK ",\"cluster\":{\"initial_peers\":[{\"id\":1}]}}", "needs id, peer and api");
    expect_error("{" MOCK ",\"cluster\":{\"member_id\":1,\"initial_peers\":[{\"id\":1,\"peer\":\"a\",\"api\":\"b:2\"},"
                 "{\"id\":2,\"peer\":\"c:1\",\"api\":\"d:2\"}]}}",
                 "initial_peers[0].peer");
    expect_error("{" MOCK
                 ",\"cluster\":{\"member_id\":1,\"initial_peers\":[{\"id\":1,\"peer\":\"a:1\",\"api\":\"b:2\"},"
                 "{\"id\":1,\"peer\":\"c:1\",\"api\":\"d:2\"}]}}",
                 "same id or address");
}

/* Keys that Heketi does not know, and Go's zero values, which programs write that make its file. */
static void test_files_that_heketi_takes(void **state)
{
    static const char text[] =
        "{\"prot\":\"1\",\"ignore_stale_operations\":true,\"port\":\"\",\"default_state\":\"\","
        "\"kubernetes\":{\"a\":[1]},\"glusterfs\":{\"executor\":\"mock\",\"brick_max_size_gb\":0,"
        "\"brick_min_size_gb\":0,\"max_bricks_per_volume\":0,\"average_file_size_kb\":0,"
        "\"refresh_time_background_cleaner\":0,\"start_time_background_cleaner\":0,"
        "\"sshexec\":{\"port\":\"\",\"gluster_cli_timeout\":0,\"nothing_like_it\":1}}," CLUSTER "}";
    static const char *const said[] = {
        "test.json: prot is not a known key and is ignored; did you mean port?",
        "test.json: ignore_stale_operations is not a known key and is ignored",
        "test.json: kubernetes is not a known key and is ignored",
        "test.json: glusterfs.sshexec.nothing_like_it is not a known key and is ignored",
    };
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err = ERR_INIT;

    (void)state;
    if (parse(text, &cfg, &warnings, &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(cfg.port, "8080");
    assert_string_equal(cfg.default_state, "normal");
    assert_string_equal(cfg.ssh_port, "22");
    assert_int_equal(cfg.brick_max_gib, 4096);
    assert_int_equal(cfg.brick_min_gib, 1);
    assert_int_equal(cfg.bricks_per_volume_max, 32);
    assert_int_equal(cfg.average_file_size_kib, 64);
    assert_int_equal(cfg.audit_every_s, 3600);
    assert_int_equal(cfg.audit_start_s, 60);
    assert_int_equal(cfg.ssh_gluster_timeout_s, 600);
    assert_int_equal(warnings.n, sizeof(said) / sizeof(*said));
    for (size_t i = 0; i < warnings.n; i++) {
        assert_string_equal(warnings.items[i], said[i]);
    }
    cfg_fini(&cfg);
    cfg_warnings_fini(&warnings);
}

/* What would become an option of a program on the nodes, or more than one word. */
static void test_words_of_commands(void **state)
{
    static const struct {
        const char *key, *value, *part;
    } rows[] = {
        {"pre_request_volume_options", "a b,user.a --log-file=/x", "glusterfs.pre_request_volume_options: item 2: "},
        {"post_request_volume_options", "--xml", "glusterfs.post_request_volume_options: item 1: "},
        {"block_hosting_volume_options", "group ../x", "glusterfs.block_hosting_volume_options: item 1: "},
        {"fstab", "etc/fstab", "glusterfs.sshexec: fstab is "},
        {"mountopts", "-o x", "glusterfs.sshexec: mountopts is "},
        {"pv_data_alignment", "-y", "glusterfs.sshexec: pv_data_alignment is "},
        {"vg_physicalextentsize", "4M --yes", "glusterfs.sshexec: vg_physicalextentsize is "},
        {"vg_physicalextentsize", "4Q", "vg_physicalextentsize is '4Q', expected a power of two or a multiple of 128K"},
        {"vg_physicalextentsize", "100K", "vg_physicalextentsize is "},
        {"pv_data_alignment", "0", "pv_data_alignment is '0', which is no number with a unit"},
        {"pv_data_alignment", "1..2K", "pv_data_alignment is "},
        {"pv_data_alignment", "256Kilo", "pv_data_alignment is "},
        {"lv_chunksize", "-", "glusterfs.sshexec: lv_chunksize is "},
        {"lv_chunksize", "63K", "lv_chunksize is '63K', expected a multiple of 64K from 64K to 1G"},
        {"lv_chunksize", "100", "lv_chunksize is "},
        {"lv_chunksize", "2g", "lv_chunksize is "},
        {"lvm_wrapper", "x;reboot", "glusterfs.sshexec: lvm_wrapper is "},
        {"block_prealloc", "--json", "glusterfs.sshexec: block_prealloc is "},
        {"block_prealloc", "garbage", "glusterfs.sshexec: block_prealloc is 'garbage', expected full or no"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP(free_ptr)
        char *text = mem_printf("{\"glusterfs\":{\"executor\":\"mock\",%s\"%s\":\"%s\"%s}," CLUSTER "}",
                                i < 3 ? "" : "\"sshexec\":{", rows[i].key, rows[i].value, i < 3 ? "" : "}");

        expect_error(text, rows[i].part);
    }
}

static void test_sizes_as_lvm_reads_them(void **state)
{
    static const char *const sizes[][3] = {
        {"256K", "4M", "256K"}, {"1m", "3", "64"}, {"0.5g", "1k", "1G"}, {"256KiB", "1.125MiB", "0.25M"}};
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        CLEANUP(free_ptr)
        char *text = mem_printf("{\"glusterfs\":{\"executor\":\"mock\",\"sshexec\":{\"pv_data_alignment\":\"%s\","
                                "\"vg_physicalextentsize\":\"%s\",\"lv_chunksize\":\"%s\"}}," CLUSTER "}",
                                sizes[i][0], sizes[i][1], sizes[i][2]);

        if (parse(text, &cfg, &warnings, &err) != 0) {
            fail_msg("%s", err.message);
        }
        cfg_fini(&cfg);
        cfg_warnings_fini(&warnings);
    }
}

/* With these Heketi goes on; null is to it what a key is that is not there. */
static void test_values_that_heketi_goes_on_with(void **state)
{
    static const char text[] =
        "{\"port\":null,\"enable_tls\":null,\"jwt\":null,\"glusterfs\":{\"executor\":\"mock\",\"loglevel\":\"loud\","
        "\"zone_checking\":\"Strict\",\"brick_max_size_gb\":null,\"db\":null,\"kubeexec\":null,"
        "\"block_hosting_volume_size\":-100,\"sshexec\":{\"snapshot_limit\":\"-1\",\"xfs_sw\":null}}," CLUSTER "}";
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err;

    (void)state;
    if (parse(text, &cfg, &warnings, &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(cfg.port, "8080");
    assert_int_equal(cfg.brick_max_gib, 4096);
    assert_int_equal(cfg.block_size_gib, 0);
    assert_int_equal(cfg.ssh_snapshot_limit, 0);
    assert_int_equal(warnings.n, 4);
    assert_string_equal(warnings.items[0],
                        "test.json: glusterfs.block_hosting_volume_size is -100 and taken as 0, the default");
    assert_string_equal(warnings.items[1],
                        "test.json: glusterfs.sshexec.snapshot_limit is -1 and taken as 0, the default");
    assert_string_equal(warnings.items[2],
                        "test.json: glusterfs.loglevel is \"loud\" and taken as \"info\", expected \"none\", "
                        "\"critical\", \"error\", \"warning\", \"info\" or \"debug\"");
    assert_string_equal(warnings.items[3], "test.json: glusterfs.zone_checking is \"Strict\" and taken as \"none\", "
                                           "expected \"none\" or \"strict\"");
    cfg_fini(&cfg);
    cfg_warnings_fini(&warnings);
    expect_error("{" MOCK ",\"cluster\":null}", "cluster must be an object");
    expect_error("{" MOCK ",\"cluster\":{\"name\":null}}", "cluster.name must be a string");
}

static void test_virtual_ips(void **state)
{
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err;

    (void)state;
    expect_error("{" MOCK ",\"cluster\":{\"virtual_ips\":\"192.0.2.10%eth0\"}}", "virtual_ips must be a list");
    expect_error("{" MOCK ",\"cluster\":{\"virtual_ips\":[7]}}", "virtual_ips[0] must be a string");
    expect_error("{" MOCK ",\"cluster\":{\"virtual_ips\":[\"192.0.2.10%eth0\",\"192.0.2.11\"]}}",
                 "virtual_ips[1]: '192.0.2.11' is no virtual address");
    expect_error("{" MOCK ",\"cluster\":{\"virtual_ips\":[1,2,3,4,5,6,7,8,9]}}", "at most 8");
    assert_int_equal(parse("{" MOCK ",\"cluster\":{\"member_id\":1,\"plain\":true," PEERS
                           ",\"virtual_ips\":[\"192.0.2.10/24%eth0\",\"2001:db8::1%eth1\"]}}",
                           &cfg, &warnings, &err),
                     0);
    assert_int_equal(cfg.virtual_ips.n, 2);
    assert_string_equal(cfg.virtual_ips.items[1], "2001:db8::1%eth1");
    cfg_warnings_fini(&warnings);
    cfg_fini(&cfg);
}

static void test_plain_only_on_loopback(void **state)
{
    (void)state;
    expect_error(
        "{" MOCK ",\"cluster\":{\"member_id\":1,\"plain\":true,\"initial_peers\":["
        "{\"id\":1,\"peer\":\"192.0.2.1:1\",\"api\":\"b:2\"},{\"id\":2,\"peer\":\"127.0.0.1:1\",\"api\":\"d:2\"}]}}",
        "no loopback address");
}

static void test_environment_overrides(void **state)
{
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err;

    (void)state;
    assert_int_equal(setenv("HEKETI_HTTP_PORT", "9999", 1), 0);
    assert_int_equal(setenv("HEKETI_EXECUTOR", "mock", 1), 0);
    assert_int_equal(setenv("HEKETI_MAX_INFLIGHT_OPERATIONS", "3", 1), 0);
    assert_int_equal(parse("{\"port\":\"1\",\"glusterfs\":{\"executor\":\"ssh\"}," CLUSTER "}", &cfg, &warnings, &err),
                     0);
    assert_string_equal(cfg.port, "9999");
    assert_string_equal(cfg.executor, "mock");
    assert_int_equal(cfg.max_inflight_operations, 3);
    cfg_warnings_fini(&warnings);
    cfg_fini(&cfg);
    /* One file for all members of a cluster. */
    assert_int_equal(setenv("HECATE_MEMBER_ID", "2", 1), 0);
    assert_int_equal(parse("{" CLUSTER "}", &cfg, &warnings, &err), 0);
    assert_int_equal(cfg.member_id, 2);
    cfg_warnings_fini(&warnings);
    cfg_fini(&cfg);
    unsetenv("HECATE_MEMBER_ID");
    assert_int_equal(setenv("HEKETI_MAX_INFLIGHT_OPERATIONS", "many", 1), 0);
    expect_error("{" CLUSTER "}", "HEKETI_MAX_INFLIGHT_OPERATIONS");
    unsetenv("HEKETI_HTTP_PORT");
    unsetenv("HEKETI_EXECUTOR");
    unsetenv("HEKETI_MAX_INFLIGHT_OPERATIONS");
}

static void test_addresses(void **state)
{
    char host[16];
    uint16_t port;

    (void)state;
    assert_true(cfg_split_address("gl1.example:8090", host, sizeof(host), &port));
    assert_string_equal(host, "gl1.example");
    assert_int_equal(port, 8090);
    assert_true(cfg_split_address("[::1]:1", host, sizeof(host), &port));
    assert_string_equal(host, "::1");
    assert_false(cfg_split_address("::1:1", host, sizeof(host), &port));
    assert_false(cfg_split_address("host", host, sizeof(host), &port));
    assert_false(cfg_split_address("host:", host, sizeof(host), &port));
    assert_false(cfg_split_address("host:0", host, sizeof(host), &port));
    assert_false(cfg_split_address("host:65536", host, sizeof(host), &port));
    assert_false(cfg_split_address("host:1x", host, sizeof(host), &port));
    assert_false(cfg_split_address(":1", host, sizeof(host), &port));
    assert_false(cfg_split_address("a-name-that-is-too-long:1", host, sizeof(host), &port));
}

static void test_files(void **state)
{
    struct cfg_warnings warnings;
    struct err err = ERR_INIT;
    struct cfg cfg;

    (void)state;
    assert_int_equal(cfg_load("/nonexistent/hecate.json", &cfg, &warnings, &err), E_IO);
    assert_non_null(strstr(err.message, "/nonexistent/hecate.json"));
    assert_int_equal(warnings.n + warnings.n_errors, 0);
    assert_int_equal(cfg_load("/dev/zero", &cfg, &warnings, &err), E_INVALID);
    assert_non_null(strstr(err.message, "regular file"));
}

static void test_hides_files(void **state)
{
    static char cert[] = "/etc/hecate/rest.pem", key[] = "/etc/hecate/rest.pem.key", dir[] = "/", none[] = "";
    const struct cfg cfg = {.cert_file = cert, .key_file = key, .data_dir = dir, .tls_ca = none};
    struct buf text = BUF_INIT;

    (void)state;
    cfg_hide_files(&cfg, "/etc/hecate/rest.pem.key: no; '/etc/hecate/rest.pem' and a/b", &text);
    assert_string_equal(buf_str(&text), "key_file: no; 'cert_file' and a/b");
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heketi_file),
        cmocka_unit_test(test_everything_at_once),
        cmocka_unit_test(test_texts_of_the_sample_file),
        cmocka_unit_test(test_block_volumes),
        cmocka_unit_test(test_environment_of_a_switch),
        cmocka_unit_test(test_rebalance_on_expansion),
        cmocka_unit_test(test_errors_name_the_key),
        cmocka_unit_test(test_files_that_heketi_takes),
        cmocka_unit_test(test_words_of_commands),
        cmocka_unit_test(test_sizes_as_lvm_reads_them),
        cmocka_unit_test(test_values_that_heketi_goes_on_with),
        cmocka_unit_test(test_virtual_ips),
        cmocka_unit_test(test_plain_only_on_loopback),
        cmocka_unit_test(test_environment_overrides),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_hides_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

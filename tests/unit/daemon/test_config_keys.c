/* Every key of the configuration does what the manual page says: read from the file, overridden by the environment,
 * and described. */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "store/base/buf.h"
#include "store/base/mem.h"

#define PEERS                                                                                                    \
    "\"initial_peers\":[{\"id\":1,\"peer\":\"127.0.0.1:1\",\"api\":\"127.0.0.1:2\"},{\"id\":2,\"peer\":\"127.0." \
    "0.1:3\",\"api\":\"127.0.0.1:4\"}]"

enum kind { TEXT, NUMBER, SWITCH, IGNORED };

struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *otherwise; /* when it is not given */
    const char *value;     /* in the file, without quotes */
    const char *env, *env_value;
};

#define AT(field) offsetof(struct cfg, field)

static const struct key keys[] = {
    {"port", TEXT, AT(port), "8080", "8081", "HEKETI_HTTP_PORT", "8082"},
    {"jwt.admin.key", TEXT, AT(admin_key), "", "a", "HEKETI_ADMIN_KEY", "b"},
    {"jwt.user.key", TEXT, AT(user_key), "", "c", "HEKETI_USER_KEY", "d"},
    {"default_state", TEXT, AT(default_state), "normal", "read-only", "HEKETI_DEFAULT_STATE", "local-client"},
    {"glusterfs.loglevel", TEXT, AT(loglevel), "info", "debug", "HEKETI_GLUSTERAPP_LOGLEVEL", "warning"},
    {"glusterfs.log_format", TEXT, AT(log_format), "text", "json", NULL, NULL},
    {"glusterfs.brick_max_size_gb", NUMBER, AT(brick_max_gib), "4096", "100", NULL, NULL},
    {"glusterfs.brick_min_size_gb", NUMBER, AT(brick_min_gib), "1", "2", NULL, NULL},
    {"glusterfs.max_bricks_per_volume", NUMBER, AT(bricks_per_volume_max), "32", "64", NULL, NULL},
    {"glusterfs.max_volumes_per_cluster", NUMBER, AT(volumes_per_cluster_max), "0", "-1",
     "HEKETI_GLUSTER_MAX_VOLUMES_PER_CLUSTER", "7"},
    {"glusterfs.average_file_size_kb", NUMBER, AT(average_file_size_kib), "64", "128", NULL, NULL},
    {"glusterfs.pre_request_volume_options", TEXT, AT(pre_options), "", "a.b on", "HEKETI_PRE_REQUEST_VOLUME_OPTIONS",
     "a.c on"},
    {"glusterfs.post_request_volume_options", TEXT, AT(post_options), "", "a.d on",
     "HEKETI_POST_REQUEST_VOLUME_OPTIONS", "a.e on"},
    {"glusterfs.zone_checking", TEXT, AT(zone_checking), "none", "strict", "HEKETI_ZONE_CHECKING", "none"},
    {"glusterfs.oldest_client", TEXT, AT(oldest_client), "", "3.8", NULL, NULL},
    {"glusterfs.auto_create_block_hosting_volume", SWITCH, AT(block_auto), "0", "1",
     "HEKETI_AUTO_CREATE_BLOCK_HOSTING_VOLUME", "0"},
    {"glusterfs.block_hosting_volume_size", NUMBER, AT(block_size_gib), "0", "500", "HEKETI_BLOCK_HOSTING_VOLUME_SIZE",
     "20"},
    {"glusterfs.block_hosting_volume_options", TEXT, AT(block_options), "group gluster-block", "a.f on",
     "HEKETI_BLOCK_HOSTING_VOLUME_OPTIONS", "a.g on"},
    {"glusterfs.max_inflight_operations", NUMBER, AT(max_inflight_operations), "0", "5",
     "HEKETI_MAX_INFLIGHT_OPERATIONS", "6"},
    {"glusterfs.operation_retry_limits.volume_create", NUMBER, AT(volume_create_retries), "0", "2", NULL, NULL},
    {"glusterfs.disable_background_cleaner", SWITCH, AT(audit_off), "0", "1", "HEKETI_DISABLE_BACKGROUND_CLEANER", "0"},
    {"glusterfs.refresh_time_background_cleaner", NUMBER, AT(audit_every_s), "3600", "10", NULL, NULL},
    {"glusterfs.start_time_background_cleaner", NUMBER, AT(audit_start_s), "60", "5", NULL, NULL},
    {"glusterfs.sshexec.keyfile", TEXT, AT(ssh_keyfile), "", "/dev/null", "HEKETI_SSH_KEYFILE", "/dev/zero"},
    {"glusterfs.sshexec.user", TEXT, AT(ssh_user), "heketi", "root", "HEKETI_SSH_USER", "gluster"},
    {"glusterfs.sshexec.port", TEXT, AT(ssh_port), "22", "2222", "HEKETI_SSH_PORT", "2223"},
    {"glusterfs.sshexec.fstab", TEXT, AT(ssh_fstab), "/etc/fstab", "/etc/f", "HEKETI_FSTAB", "/etc/g"},
    {"glusterfs.sshexec.mountopts", TEXT, AT(ssh_mountopts), "rw,inode64,noatime,nouuid", "rw", "HEKETI_MOUNT_OPTS",
     "rw,nouuid"},
    {"glusterfs.sshexec.known_hosts", TEXT, AT(ssh_known_hosts), "", "/etc/k", "SSH_KNOWN_HOSTS", "/etc/l"},
    {"glusterfs.sshexec.trust_first_use", SWITCH, AT(ssh_trust_first_use), "0", "1", NULL, NULL},
    {"glusterfs.sshexec.sudo", SWITCH, AT(ssh_sudo), "0", "1", NULL, NULL},
    {"glusterfs.sshexec.snapshot_limit", NUMBER, AT(ssh_snapshot_limit), "0", "14", "HEKETI_SNAPSHOT_LIMIT", "15"},
    {"glusterfs.sshexec.rebalance_on_expansion", SWITCH, AT(ssh_rebalance), "1", "0",
     "HEKETI_GLUSTERAPP_REBALANCE_ON_EXPANSION", "1"},
    {"glusterfs.sshexec.backup_lvm_metadata", SWITCH, AT(ssh_backup_lvm_metadata), "0", "1", NULL, NULL},
    {"glusterfs.sshexec.gluster_cli_timeout", NUMBER, AT(ssh_gluster_timeout_s), "600", "60",
     "HEKETI_GLUSTER_CLI_TIMEOUT", "70"},
    {"glusterfs.sshexec.connect_timeout_ms", NUMBER, AT(ssh_connect_timeout_ms), "5000", "1000", NULL, NULL},
    {"glusterfs.sshexec.pv_data_alignment", TEXT, AT(ssh_pv_data_alignment), "256K", "1M", NULL, NULL},
    {"glusterfs.sshexec.vg_physicalextentsize", TEXT, AT(ssh_vg_extent_size), "4M", "8M", NULL, NULL},
    {"glusterfs.sshexec.lv_chunksize", TEXT, AT(ssh_lv_chunk_size), "256K", "512K", NULL, NULL},
    {"glusterfs.sshexec.xfs_sw", NUMBER, AT(ssh_xfs_sw), "0", "10", NULL, NULL},
    {"glusterfs.sshexec.xfs_su", NUMBER, AT(ssh_xfs_su), "0", "256", NULL, NULL},
    {"glusterfs.sshexec.block_prealloc", TEXT, AT(ssh_block_prealloc), "full", "no",
     "HEKETI_BLOCK_VOLUME_DEFAULT_PREALLOC", "full"},
    {"glusterfs.sshexec.lvm_wrapper", TEXT, AT(ssh_lvm_wrapper), "", "/bin/w", "HEKETI_LVM_WRAPPER", "/bin/v"},
    {"glusterfs.mock.device_size_gb", NUMBER, AT(mock_device_size_gib), "500", "50", "HEKETI_MOCK_DEVICE_SIZE_GB",
     "60"},
    {"glusterfs.mock.devices_once", SWITCH, AT(mock_devices_once), "0", "1", NULL, NULL},
    {"cluster.name", TEXT, AT(cluster_name), "hecate", "other", NULL, NULL},
    {"cluster.data_dir", TEXT, AT(data_dir), "/var/lib/hecate", "/var/lib/other", NULL, NULL},
    {"cluster.snapshot_entries", NUMBER, AT(snapshot_entries), "8192", "100", NULL, NULL},
    {"cluster.election_timeout_ms", NUMBER, AT(election_timeout_ms), "300", "600", NULL, NULL},
    {"cluster.lease_ms", NUMBER, AT(lease_ms), "150", "140", NULL, NULL},
    {"cluster.heartbeat_ms", NUMBER, AT(heartbeat_ms), "50", "40", NULL, NULL},
    {"use_auth", IGNORED, 0, NULL, "true", NULL, NULL},
    {"backup_db_to_kube_secret", IGNORED, 0, NULL, "true", NULL, NULL},
    {"profiling", IGNORED, 0, NULL, "true", NULL, NULL},
    {"glusterfs.db", IGNORED, 0, NULL, "\"/var/lib/heketi/heketi.db\"", NULL, NULL},
    {"glusterfs.db_read_only", IGNORED, 0, NULL, "true", NULL, NULL},
    {"glusterfs.allocator", IGNORED, 0, NULL, "\"simple\"", NULL, NULL},
    {"glusterfs.disable_monitor_gluster_nodes", IGNORED, 0, NULL, "true", NULL, NULL},
    {"glusterfs.refresh_time_monitor_gluster_nodes", IGNORED, 0, NULL, "120", NULL, NULL},
    {"glusterfs.start_time_monitor_gluster_nodes", IGNORED, 0, NULL, "10", NULL, NULL},
    {"glusterfs.kubeexec", IGNORED, 0, NULL, "{\"host\":\"https://192.0.2.1:8443\"}", NULL, NULL},
    {"glusterfs.injectexec", IGNORED, 0, NULL, "{}", NULL, NULL},
    {"glusterfs.sshexec.debug_umount_failures", IGNORED, 0, NULL, "true", NULL, NULL},
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* Of these the tests of the part are about: each needs others beside it, or a file. */
static const char *const elsewhere[] = {"enable_tls",
                                        "cert_file",
                                        "key_file",
                                        "glusterfs.executor",
                                        "cluster.plain",
                                        "cluster.member_id",
                                        "cluster.tls.ca",
                                        "cluster.tls.cert",
                                        "cluster.tls.key",
                                        "cluster.tls.api_ca",
                                        "glusterfs.mock.faults",
                                        "glusterfs.mock.faults_file"};

/* {"a":{"b":VALUE}} of "a.b", merged with what every configuration here needs. */
static char *document(const struct key *key)
{
    const char *quote = key->kind == TEXT ? "\"" : "";
    const char *value = key->kind == SWITCH ? (*key->value == '1' ? "true" : "false") : key->value;
    const char *name = key->name;
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    size_t depth = 1;

    buf_append_str(&text, strncmp(name, "glusterfs.", 10) == 0 ? "{" : "{\"glusterfs\":{\"executor\":\"mock\"},");
    buf_append_str(&text,
                   strncmp(name, "cluster.", 8) == 0 ? "" : "\"cluster\":{\"member_id\":2,\"plain\":true," PEERS "},");
    for (const char *dot = strchr(name, '.'); dot != NULL; name = dot + 1, dot = strchr(name, '.')) {
        buf_printf(&text, "\"%.*s\":{", (int)(dot - name), name);
        if (depth++ == 1) {
            buf_append_str(&text, strncmp(key->name, "glusterfs.", 10) == 0 ? "\"executor\":\"mock\"," : "");
            buf_append_str(&text,
                           strncmp(key->name, "cluster.", 8) == 0 ? "\"member_id\":2,\"plain\":true," PEERS "," : "");
        }
    }
    buf_printf(&text, "\"%s\":%s%s%s", name, quote, value, quote);
    while (depth-- > 0) {
        buf_append_char(&text, '}');
    }
    return buf_take(&text);
}

static char *shown(const struct cfg *cfg, const struct key *key)
{
    const void *at = (const char *)cfg + key->offset;

    switch (key->kind) {
    case TEXT:
        return mem_strdup(*(char *const *)at);
    case NUMBER:
        return mem_printf("%ld", (long)*(const int64_t *)at);
    default:
        return mem_strdup(*(const bool *)at ? "1" : "0");
    }
}

/* Reads the document; the key's value must be this. */
static void expect(const char *text, const struct key *key, const char *expected)
{
    CLEANUP(free_ptr) char *value = NULL;
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err = ERR_INIT;

    if (cfg_parse(text, strlen(text), "test.json", &cfg, &warnings, &err) != 0) {
        fail_msg("%s: %s", text, err.message);
    }
    value = shown(&cfg, key);
    if (strcmp(value, expected) != 0) {
        fail_msg("%s is \"%s\" instead of \"%s\"", key->name, value, expected);
    }
    assert_int_equal(warnings.n, 0);
    cfg_warnings_fini(&warnings);
    cfg_fini(&cfg);
}

static void expect_ignored(const char *text, const struct key *key)
{
    CLEANUP(free_ptr) char *warning = mem_printf("test.json: %s has no effect and is ignored", key->name);
    struct cfg_warnings warnings;
    struct cfg cfg;
    struct err err = ERR_INIT;

    if (cfg_parse(text, strlen(text), "test.json", &cfg, &warnings, &err) != 0) {
        fail_msg("%s: %s", text, err.message);
    }
    assert_int_equal(warnings.n, 1);
    assert_string_equal(warnings.items[0], warning);
    cfg_warnings_fini(&warnings);
    cfg_fini(&cfg);
}

static void test_every_key(void **state)
{
    static const struct key any = {"cluster.name", TEXT, 0, NULL, "x", NULL, NULL};
    CLEANUP(free_ptr) char *without = document(&any);

    (void)state;
    for (size_t i = 0; i < N_KEYS; i++) {
        CLEANUP(free_ptr) char *text = document(&keys[i]);

        if (keys[i].kind == IGNORED) {
            expect_ignored(text, &keys[i]);
            continue;
        }
        if (strcmp(keys[i].name, any.name) != 0) {
            expect(without, &keys[i], keys[i].otherwise);
        }
        expect(text, &keys[i], keys[i].value);
        if (keys[i].env != NULL) {
            assert_int_equal(setenv(keys[i].env, keys[i].env_value, 1), 0);
            expect(text, &keys[i], keys[i].env_value);
            assert_int_equal(setenv(keys[i].env, "", 1), 0); /* as if it were not there */
            expect(text, &keys[i], keys[i].value);
            assert_int_equal(unsetenv(keys[i].env), 0);
        }
    }
}

/* ---- the documentation ---- */

static char *read_file(const char *path)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    FILE *file = fopen(path, "re");
    char piece[4096];
    size_t n;

    assert_non_null(file);
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0) {
        buf_append(&text, piece, n);
    }
    assert_int_equal(fclose(file), 0);
    return buf_take(&text);
}

static bool is_listed(const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
        if (strcmp(elsewhere[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* What the parser knows is in the tables above and in the manual page, with its variable. */
static void test_all_are_documented(void **state)
{
    CLEANUP(free_ptr) char *source = read_file("daemon/config.c");
    CLEANUP(free_ptr) char *manual = read_file("docs/man/hecate.json.5");
    regmatch_t match[4];
    regex_t line;
    size_t n = 0;

    (void)state;
    assert_int_equal(regcomp(&line, "\n    (STR|INT|BOOL|OBSOLETE)\\(\"([^\"]*)\", \"([^\"]*)\"", REG_EXTENDED), 0);
    for (const char *at = strstr(source, "static const struct cfg_key keys[]"); regexec(&line, at, 4, match, 0) == 0;
         n++) {
        CLEANUP(free_ptr)
        char *name = mem_printf("%.*s%s%.*s", (int)(match[2].rm_eo - match[2].rm_so), at + match[2].rm_so,
                                match[2].rm_eo > match[2].rm_so ? "." : "", (int)(match[3].rm_eo - match[3].rm_so),
                                at + match[3].rm_so);
        CLEANUP(free_ptr) char *entry = mem_printf(".B %s\n", name);

        if (!is_listed(name)) {
            fail_msg("no test sets %s", name);
        }
        if (strstr(manual, entry) == NULL) {
            fail_msg("the manual page does not know %s", name);
        }
        at += match[3].rm_eo;
    }
    regfree(&line);
    assert_int_equal(n, N_KEYS + sizeof(elsewhere) / sizeof(elsewhere[0]));
    for (size_t i = 0; i < N_KEYS; i++) {
        if (keys[i].env != NULL && strstr(manual, keys[i].env) == NULL) {
            fail_msg("the manual page does not know %s", keys[i].env);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_all_are_documented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reading the configuration: a table of keys, walked over the JSON document, then over the environment. */
#include "daemon/config_priv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define CFG_FILE_MAX ((off_t)1 << 20)
#define TYPOS_MAX 2 /* letters that differ */

enum cfg_type { CFG_STR, CFG_INT, CFG_BOOL, CFG_OBSOLETE };

struct cfg_key {
    const char *section; /* dotted path, "" = top level */
    const char *name;
    enum cfg_type type;
    size_t offset;
    const char *text; /* default of a string or bool ("true") */
    int64_t number, min, max;
    const char *env;
};

#define STR(section, name, field, def, env)                                    \
    {                                                                          \
        section, name, CFG_STR, offsetof(struct cfg, field), def, 0, 0, 0, env \
    }
#define INT(section, name, field, def, min, max, env)                                 \
    {                                                                                 \
        section, name, CFG_INT, offsetof(struct cfg, field), NULL, def, min, max, env \
    }
#define BOOL(section, name, field, env)                                          \
    {                                                                            \
        section, name, CFG_BOOL, offsetof(struct cfg, field), NULL, 0, 0, 0, env \
    }
/* Accepted with a warning: obsolete, or of a part that this release does not have. */
#define OBSOLETE(section, name)                             \
    {                                                       \
        section, name, CFG_OBSOLETE, 0, NULL, 0, 0, 0, NULL \
    }

static const struct cfg_key keys[] = {
    STR("", "port", port, "8080", "HEKETI_HTTP_PORT"),
    OBSOLETE("", "use_auth"),
    STR("jwt.admin", "key", admin_key, "", "HEKETI_ADMIN_KEY"),
    STR("jwt.user", "key", user_key, "", "HEKETI_USER_KEY"),
    BOOL("", "enable_tls", enable_tls, NULL),
    STR("", "cert_file", cert_file, "", NULL),
    STR("", "key_file", key_file, "", NULL),
    OBSOLETE("", "backup_db_to_kube_secret"),
    OBSOLETE("", "profiling"),
    STR("", "default_state", default_state, "normal", "HEKETI_DEFAULT_STATE"),

    STR("glusterfs", "executor", executor, "ssh", "HEKETI_EXECUTOR"),
    OBSOLETE("glusterfs", "db"),
    OBSOLETE("glusterfs", "db_read_only"),
    OBSOLETE("glusterfs", "allocator"),
    STR("glusterfs", "loglevel", loglevel, "info", "HEKETI_GLUSTERAPP_LOGLEVEL"),
    STR("glusterfs", "log_format", log_format, "text", NULL),
    INT("glusterfs", "brick_max_size_gb", brick_max_gib, 4096, 1, 1 << 20, NULL),
    INT("glusterfs", "brick_min_size_gb", brick_min_gib, 1, 1, 1 << 20, NULL),
    INT("glusterfs", "max_bricks_per_volume", bricks_per_volume_max, 32, 1, 10000, NULL),
    INT("glusterfs", "max_volumes_per_cluster", volumes_per_cluster_max, 0, INT32_MIN, INT32_MAX,
        "HEKETI_GLUSTER_MAX_VOLUMES_PER_CLUSTER"),
    INT("glusterfs", "average_file_size_kb", average_file_size_kib, 64, 1, INT32_MAX, NULL),
    STR("glusterfs", "pre_request_volume_options", pre_options, "", "HEKETI_PRE_REQUEST_VOLUME_OPTIONS"),
    STR("glusterfs", "post_request_volume_options", post_options, "", "HEKETI_POST_REQUEST_VOLUME_OPTIONS"),
    STR("glusterfs", "zone_checking", zone_checking, "none", "HEKETI_ZONE_CHECKING"),
    STR("glusterfs", "oldest_client", oldest_client, "", NULL),
    BOOL("glusterfs", "auto_create_block_hosting_volume", block_auto, "HEKETI_AUTO_CREATE_BLOCK_HOSTING_VOLUME"),
    INT("glusterfs", "block_hosting_volume_size", block_size_gib, 0, INT32_MIN, 1 << 20,
        "HEKETI_BLOCK_HOSTING_VOLUME_SIZE"),
    STR("glusterfs", "block_hosting_volume_options", block_options, "group gluster-block",
        "HEKETI_BLOCK_HOSTING_VOLUME_OPTIONS"),
    INT("glusterfs", "max_inflight_operations", max_inflight_operations, 0, 0, INT32_MAX,
        "HEKETI_MAX_INFLIGHT_OPERATIONS"),
    INT("glusterfs.operation_retry_limits", "volume_create", volume_create_retries, 0, INT32_MIN, INT32_MAX, NULL),
    OBSOLETE("glusterfs", "disable_monitor_gluster_nodes"),
    OBSOLETE("glusterfs", "refresh_time_monitor_gluster_nodes"),
    OBSOLETE("glusterfs", "start_time_monitor_gluster_nodes"),
    BOOL("glusterfs", "disable_background_cleaner", audit_off, "HEKETI_DISABLE_BACKGROUND_CLEANER"),
    INT("glusterfs", "refresh_time_background_cleaner", audit_every_s, 3600, 1, 31536000, NULL),
    INT("glusterfs", "start_time_background_cleaner", audit_start_s, 60, 1, 31536000, NULL),
    OBSOLETE("glusterfs", "kubeexec"),
    OBSOLETE("glusterfs", "injectexec"),

    STR("glusterfs.sshexec", "keyfile", ssh_keyfile, "", "HEKETI_SSH_KEYFILE"),
    STR("glusterfs.sshexec", "user", ssh_user, "heketi", "HEKETI_SSH_USER"),
    STR("glusterfs.sshexec", "port", ssh_port, "22", "HEKETI_SSH_PORT"),
    STR("glusterfs.sshexec", "fstab", ssh_fstab, "/etc/fstab", "HEKETI_FSTAB"),
    STR("glusterfs.sshexec", "mountopts", ssh_mountopts, "rw,inode64,noatime,nouuid", "HEKETI_MOUNT_OPTS"),
    STR("glusterfs.sshexec", "known_hosts", ssh_known_hosts, "", "SSH_KNOWN_HOSTS"),
    BOOL("glusterfs.sshexec", "trust_first_use", ssh_trust_first_use, NULL),
    BOOL("glusterfs.sshexec", "sudo", ssh_sudo, NULL),
    INT("glusterfs.sshexec", "snapshot_limit", ssh_snapshot_limit, 0, INT32_MIN, 256, "HEKETI_SNAPSHOT_LIMIT"),
    BOOL("glusterfs.sshexec", "rebalance_on_expansion", ssh_rebalance, "HEKETI_GLUSTERAPP_REBALANCE_ON_EXPANSION"),
    BOOL("glusterfs.sshexec", "backup_lvm_metadata", ssh_backup_lvm_metadata, NULL),
    INT("glusterfs.sshexec", "gluster_cli_timeout", ssh_gluster_timeout_s, 600, 1, 86400, "HEKETI_GLUSTER_CLI_TIMEOUT"),
    INT("glusterfs.sshexec", "connect_timeout_ms", ssh_connect_timeout_ms, 5000, 100, 600000, NULL),
    STR("glusterfs.sshexec", "pv_data_alignment", ssh_pv_data_alignment, "256K", NULL),
    STR("glusterfs.sshexec", "vg_physicalextentsize", ssh_vg_extent_size, "4M", NULL),
    STR("glusterfs.sshexec", "lv_chunksize", ssh_lv_chunk_size, "256K", NULL),
    INT("glusterfs.sshexec", "xfs_sw", ssh_xfs_sw, 0, 0, 65536, NULL),
    INT("glusterfs.sshexec", "xfs_su", ssh_xfs_su, 0, 0, INT32_MAX, NULL),
    OBSOLETE("glusterfs.sshexec", "debug_umount_failures"),
    STR("glusterfs.sshexec", "block_prealloc", ssh_block_prealloc, "full", "HEKETI_BLOCK_VOLUME_DEFAULT_PREALLOC"),
    STR("glusterfs.sshexec", "lvm_wrapper", ssh_lvm_wrapper, "", "HEKETI_LVM_WRAPPER"),

    INT("glusterfs.mock", "device_size_gb", mock_device_size_gib, 500, 1, 1 << 20, "HEKETI_MOCK_DEVICE_SIZE_GB"),
    BOOL("glusterfs.mock", "devices_once", mock_devices_once, NULL),
    STR("glusterfs.mock", "faults", mock_faults, "", NULL),
    STR("glusterfs.mock", "faults_file", mock_faults_file, "", NULL),

    STR("cluster", "name", cluster_name, "hecate", NULL),
    INT("cluster", "member_id", member_id, 0, 1, INT64_MAX, "HECATE_MEMBER_ID"),
    STR("cluster", "data_dir", data_dir, "/var/lib/hecate", NULL),
    STR("cluster.tls", "ca", tls_ca, "", NULL),
    STR("cluster.tls", "cert", tls_cert, "", NULL),
    STR("cluster.tls", "key", tls_key, "", NULL),
    STR("cluster.tls", "api_ca", api_ca, "", NULL),
    BOOL("cluster", "plain", plain, NULL),
    INT("cluster", "election_timeout_ms", election_timeout_ms, 300, 50, 60000, NULL),
    INT("cluster", "lease_ms", lease_ms, 150, 20, 30000, NULL),
    INT("cluster", "heartbeat_ms", heartbeat_ms, 50, 5, 10000, NULL),
    INT("cluster", "snapshot_entries", snapshot_entries, 8192, 16, 1 << 24, NULL),
};
#define N_KEYS (sizeof(keys) / sizeof(*keys))

/* Of the part of the file that Heketi does not have. */
static bool is_ours(const char *section)
{
    static const char *const sections[] = {"cluster", "glusterfs.mock"};

    for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
        size_t len = strlen(sections[i]);

        if (strncasecmp(section, sections[i], len) == 0 && (section[len] == '\0' || section[len] == '.')) {
            return true;
        }
    }
    return false;
}

static void *field(struct cfg *cfg, const struct cfg_key *key)
{
    return (char *)cfg + key->offset;
}

static void set_str(struct cfg *cfg, const struct cfg_key *key, const char *text)
{
    char **slot = field(cfg, key);

    free(*slot);
    *slot = mem_strdup(text);
}

static void set_defaults(struct cfg *cfg)
{
    memset(cfg, 0, sizeof(*cfg));
    for (size_t i = 0; i < N_KEYS; i++) {
        if (keys[i].type == CFG_STR) {
            set_str(cfg, &keys[i], keys[i].text);
        } else if (keys[i].type == CFG_INT) {
            *(int64_t *)field(cfg, &keys[i]) = keys[i].number;
        }
    }
    cfg->auth = true;
    cfg->ssh_rebalance = true;
    cfg->iat_leeway_s = 120;
}

void cfg_wrong(struct cfg_warnings *warnings, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, fmt);
    CHECK(vasprintf(&text, fmt, args) >= 0);
    va_end(args);
    warnings->errors = mem_realloc_array(warnings->errors, warnings->n_errors + 1, sizeof(*warnings->errors));
    warnings->errors[warnings->n_errors++] = text;
}

void cfg_warn(struct cfg_warnings *warnings, char *text)
{
    warnings->items = mem_realloc_array(warnings->items, warnings->n + 1, sizeof(*warnings->items));
    warnings->items[warnings->n++] = text;
}

static char *full_name(const char *section, const char *name)
{
    return *section != '\0' ? mem_printf("%s.%s", section, name) : mem_strdup(name);
}

static int set_int(struct cfg *cfg, const struct cfg_key *key, int64_t value, const char *origin, struct err *reterr)
{
    CLEANUP(free_ptr) char *name = full_name(key->section, key->name);

    if (value == 0 && key->min > 0 && !is_ours(key->section)) {
        return 0; /* to Heketi that is the same as no such key */
    }
    if (value < key->min || value > key->max) {
        return err_set(reterr, E_INVALID, "%s: %s is %" PRId64 ", expected a number from %" PRId64 " to %" PRId64,
                       origin, name, value, key->min, key->max);
    }
    *(int64_t *)field(cfg, key) = value;
    return 0;
}

static bool parse_number(const char *text, int64_t *ret_value)
{
    char *end;

    errno = 0;
    *ret_value = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

/* Heketi's sample file has such texts where a value may stand. */
static bool is_sample(const struct cfg_key *key, const json_t *value)
{
    const char *text = json_string_value(value);

    return text != NULL && strncmp(text, "Optional:", strlen("Optional:")) == 0 && !is_ours(key->section) &&
           key->type != CFG_OBSOLETE;
}

static int set_value(struct cfg *cfg, const struct cfg_key *key, const json_t *value, const char *source,
                     struct cfg_warnings *warnings, struct err *reterr)
{
    static const char *const expected[] = {"a string", "a whole number", "true or false"};
    CLEANUP(free_ptr) char *name = full_name(key->section, key->name);
    int64_t number;

    if (is_sample(key, value)) {
        cfg_warn(warnings, mem_printf("%s: %s is \"%.60s\", a text of Heketi's sample file; it is taken as not set",
                                      source, name, json_string_value(value)));
        return 0;
    }
    switch (key->type) {
    case CFG_OBSOLETE:
        cfg_warn(warnings, mem_printf("%s: %s has no effect and is ignored", source, name));
        return 0;
    case CFG_STR:
        if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value)) {
            if (*json_string_value(value) != '\0' ||
                is_ours(key->section)) { /* to Heketi "" is the same as no such key */
                set_str(cfg, key, json_string_value(value));
            }
            return 0;
        }
        break;
    case CFG_INT:
        if (json_is_integer(value)) {
            return set_int(cfg, key, json_integer_value(value), source, reterr);
        }
        /* Heketi's sample file has numbers as strings; a string that is a number is meant as one. */
        if (json_is_string(value) && parse_number(json_string_value(value), &number)) {
            return set_int(cfg, key, number, source, reterr);
        }
        break;
    case CFG_BOOL:
        if (json_is_boolean(value)) {
            *(bool *)field(cfg, key) = json_is_true(value);
            return 0;
        }
        break;
    }
    return err_set(reterr, E_INVALID, "%s: %s must be %s", source, name, expected[key->type]);
}

static bool is_section(const char *path)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < N_KEYS; i++) {
        if (strncasecmp(keys[i].section, path, len) == 0 &&
            (keys[i].section[len] == '\0' || keys[i].section[len] == '.')) {
            return true;
        }
    }
    return false;
}

/* How many letters of one have to be changed, added or left out for the other; at most max. */
static size_t distance(const char *a, const char *b, size_t max)
{
    size_t best;

    while (*a != '\0' && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    if (*a == '\0' && *b == '\0') {
        return 0;
    }
    if (max == 0) {
        return 1;
    }
    best = *a != '\0' ? distance(a + 1, b, max - 1) : max;
    for (int both = 0; both < 2 && *b != '\0'; both++) {
        size_t other = both == 0 || *a != '\0' ? distance(a + both, b + 1, max - 1) : max;

        best = other < best ? other : best;
    }
    return best + 1;
}

/* The key of the section that was probably meant, or NULL. */
static const char *meant(const char *section, const char *name)
{
    const char *found = NULL;

    for (size_t i = 0, least = TYPOS_MAX + 1; i < N_KEYS; i++) {
        size_t n = strcasecmp(keys[i].section, section) == 0 ? distance(keys[i].name, name, TYPOS_MAX) : least;

        if (n < least) {
            least = n;
            found = keys[i].name;
        }
    }
    return found;
}

/* Heketi ignores what it does not know, and files have keys of its older releases. In our own part it is a mistake. */
static int unknown_key(const char *section, const char *name, const char *source, struct cfg_warnings *warnings,
                       struct err *reterr)
{
    CLEANUP(free_ptr) char *path = full_name(section, name);
    const char *other = meant(section, name);
    CLEANUP(free_ptr) char *hint = other != NULL ? mem_printf("; did you mean %s?", other) : mem_strdup("");

    if (is_ours(section)) {
        return err_set(reterr, E_INVALID, "%s: %s is not a known key (a key that starts with _ would be a comment)%s",
                       source, path, hint);
    }
    cfg_warn(warnings, mem_printf("%s: %s is not a known key and is ignored%s", source, path, hint));
    return 0;
}

static void parse_object(struct cfg *cfg, const json_t *object, const char *section, const char *source,
                         struct cfg_warnings *warnings)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        CLEANUP(free_ptr) char *path = full_name(section, name);
        const struct cfg_key *key = NULL;
        struct err err = ERR_INIT;

        /* To Heketi null is the same as no such key. */
        if (*name == '_' || (json_is_null(value) && !is_ours(path))) {
            continue;
        }
        for (size_t i = 0; i < N_KEYS && key == NULL; i++) {
            if (strcasecmp(keys[i].section, section) == 0 && strcasecmp(keys[i].name, name) == 0) {
                key = &keys[i];
            }
        }
        if (key != NULL) {
            (void)set_value(cfg, key, value, source, warnings, &err);
        } else if (strcasecmp(path, "cluster.initial_peers") == 0) {
            cfg_parse_peers(cfg, value, source, warnings);
        } else if (strcasecmp(path, "cluster.virtual_ips") == 0) {
            cfg_parse_virtual_ips(cfg, value, source, warnings);
        } else if (is_section(path) && json_is_object(value)) {
            parse_object(cfg, value, path, source, warnings);
        } else if (is_section(path)) {
            (void)err_set(&err, E_INVALID, "%s: %s must be an object", source, path);
        } else {
            (void)unknown_key(section, name, source, warnings, &err);
        }
        if (err.code != 0) {
            cfg_wrong(warnings, "%s", err.message);
        }
    }
}

/* As Go reads it. */
static bool parse_bool(const char *text, bool *ret_value)
{
    static const char *const words[] = {"0", "f", "F", "FALSE", "false", "False",
                                        "1", "t", "T", "TRUE",  "true",  "True"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_value = i >= sizeof(words) / sizeof(words[0]) / 2;
            return true;
        }
    }
    return false;
}

static void apply_environment(struct cfg *cfg, struct cfg_warnings *warnings)
{
    const char *leeway = getenv("HEKETI_JWT_IAT_LEEWAY_SECONDS");

    for (size_t i = 0; i < N_KEYS; i++) {
        const char *text = keys[i].env != NULL ? getenv(keys[i].env) : NULL;
        struct err err = ERR_INIT;
        int64_t number;

        if (text == NULL || *text == '\0') {
            continue;
        }
        if (keys[i].type == CFG_STR) {
            set_str(cfg, &keys[i], text);
            continue;
        }
        if (keys[i].type == CFG_BOOL) {
            if (!parse_bool(text, (bool *)((char *)cfg + keys[i].offset))) {
                cfg_wrong(warnings, "environment: %s must be true or false", keys[i].env);
            }
            continue;
        }
        if (!parse_number(text, &number)) {
            cfg_wrong(warnings, "environment: %s must be a whole number", keys[i].env);
        } else if (set_int(cfg, &keys[i], number, keys[i].env, &err) != 0) {
            cfg_wrong(warnings, "%s", err.message);
        }
    }
    if (leeway != NULL && (!parse_number(leeway, &cfg->iat_leeway_s) || cfg->iat_leeway_s < 0)) {
        cfg_wrong(warnings, "environment: HEKETI_JWT_IAT_LEEWAY_SECONDS must be a whole number from 0");
    }
}

int cfg_parse(const char *text, size_t len, const char *source, struct cfg *ret_cfg, struct cfg_warnings *ret_warnings,
              struct err *reterr)
{
    json_error_t json_error;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &json_error);

    set_defaults(ret_cfg);
    *ret_warnings = (struct cfg_warnings){NULL, 0, NULL, 0};
    if (root == NULL) {
        cfg_wrong(ret_warnings, "%s: line %d, column %d: %s", source, json_error.line, json_error.column,
                  json_error.text);
    } else if (!json_is_object(root)) {
        cfg_wrong(ret_warnings, "%s: must be a JSON object", source);
    } else {
        parse_object(ret_cfg, root, "", source, ret_warnings);
        apply_environment(ret_cfg, ret_warnings);
        cfg_validate(ret_cfg, source, ret_warnings);
        cfg_skip_values(ret_cfg, source, ret_warnings);
    }
    json_decref(root);
    if (ret_warnings->n_errors == 0) {
        return 0;
    }
    cfg_fini(ret_cfg);
    return err_set(reterr, E_INVALID, "%s", ret_warnings->errors[0]);
}

int cfg_load(const char *path, struct cfg *ret_cfg, struct cfg_warnings *ret_warnings, struct err *reterr)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    int rc = 0;

    *ret_warnings = (struct cfg_warnings){NULL, 0, NULL, 0};
    if (fd < 0) {
        return err_set(reterr, E_IO, "unable to open configuration file %s: %s", path, strerror(errno));
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > CFG_FILE_MAX) {
        rc = err_set(reterr, E_INVALID, "configuration file %s must be a regular file of at most 1 MiB", path);
    }
    while (rc == 0) {
        ssize_t n;

        buf_reserve(&text, 65536);
        n = read(fd, text.data + text.len, 65536);
        if (n < 0) {
            rc = err_set(reterr, E_IO, "unable to read configuration file %s: %s", path, strerror(errno));
        }
        if (n <= 0) {
            break;
        }
        text.len += (size_t)n;
    }
    (void)close(fd); /* only read from */
    rc = rc != 0 ? rc : cfg_parse(buf_str(&text), text.len, path, ret_cfg, ret_warnings, reterr);
    if (text.data != NULL) {
        explicit_bzero(text.data, text.size);
    }
    return rc;
}

void cfg_fini(struct cfg *cfg)
{
    for (size_t i = 0; i < N_KEYS; i++) {
        if (keys[i].type == CFG_STR) {
            char *text = *(char **)field(cfg, &keys[i]);

            if (text != NULL) {
                explicit_bzero(text, strlen(text)); /* among them are keys */
            }
            free(text);
        }
    }
    for (size_t i = 0; i < cfg->n_peers; i++) {
        free(cfg->peers[i].peer);
        free(cfg->peers[i].api);
    }
    store_strs_fini(&cfg->virtual_ips);
    memset(cfg, 0, sizeof(*cfg));
}

void cfg_warnings_fini(struct cfg_warnings *warnings)
{
    for (size_t i = 0; i < warnings->n; i++) {
        free(warnings->items[i]);
    }
    for (size_t i = 0; i < warnings->n_errors; i++) {
        free(warnings->errors[i]);
    }
    free(warnings->items);
    free(warnings->errors);
    *warnings = (struct cfg_warnings){NULL, 0, NULL, 0};
}

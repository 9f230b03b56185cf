/* What the configuration means as a whole: settings held against each other, addresses, log levels. */
#include "daemon/config_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store.h"
#include "store/words.h"

bool cfg_split_address(const char *address, char *ret_host, size_t host_size, uint16_t *ret_port)
{
    const char *colon = strrchr(address, ':');
    const char *host = address;
    size_t len;
    unsigned long port;
    char *end;

    if (colon == NULL || colon[1] < '0' || colon[1] > '9') {
        return false;
    }
    len = (size_t)(colon - address);
    if (*host == '[') {
        if (len < 3 || colon[-1] != ']') {
            return false;
        }
        host++;
        len -= 2;
    } else if (memchr(host, ':', len) != NULL) {
        return false; /* a bare IPv6 address: its port would be guesswork */
    }
    port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port == 0 || port > 65535 || len == 0 || len >= host_size) {
        return false;
    }
    memcpy(ret_host, host, len);
    ret_host[len] = '\0';
    *ret_port = (uint16_t)port;
    return true;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1) {
        return (ntohl(v4.s_addr) >> 24) == 127;
    }
    return (inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6)) || strcmp(host, "localhost") == 0;
}

const struct cfg_peer *cfg_self(const struct cfg *cfg)
{
    for (size_t i = 0; i < cfg->n_peers; i++) {
        if (cfg->peers[i].id == cfg->member_id) {
            return &cfg->peers[i];
        }
    }
    return NULL;
}

enum log_level cfg_log_level(const struct cfg *cfg)
{
    enum log_level level;

    /* Heketi, too, goes on with a level that it does not know. */
    return log_level_parse(cfg->loglevel, &level) ? level : LOG_INFO;
}

enum store_mode cfg_default_mode(const struct cfg *cfg)
{
    enum store_mode mode = STORE_MODE_NORMAL;

    (void)store_mode_parse(cfg->default_state, &mode); /* was checked */
    return mode;
}

static void check_peers(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    if (cfg->member_id == 0) {
        cfg_wrong(warnings,
                  "%s: cluster.member_id is missing; the section cluster names this member and its peers (see "
                  "hecate.json.example)",
                  source);
        return;
    }
    if (cfg->n_peers < 2) {
        cfg_wrong(warnings,
                  "%s: cluster.initial_peers must list all members, at least two and best three, this one included",
                  source);
        return;
    }
    for (size_t i = 0; i < cfg->n_peers; i++) {
        char host[256];
        uint16_t port;

        if (cfg->peers[i].id == 0 || cfg->peers[i].api == NULL || cfg->peers[i].peer == NULL) {
            return; /* was told where it was read */
        }
        if (!cfg_split_address(cfg->peers[i].api, host, sizeof(host), &port)) {
            cfg_wrong(warnings, "%s: cluster.initial_peers[%zu].api is \"%s\", expected \"host:port\"", source, i,
                      cfg->peers[i].api);
        }
        if (!cfg_split_address(cfg->peers[i].peer, host, sizeof(host), &port)) {
            cfg_wrong(warnings, "%s: cluster.initial_peers[%zu].peer is \"%s\", expected \"host:port\"", source, i,
                      cfg->peers[i].peer);
        } else if (cfg->plain && !is_loopback(host)) {
            cfg_wrong(warnings,
                      "%s: cluster.plain is true, but cluster.initial_peers[%zu].peer (%s) is no loopback address; "
                      "set cluster.tls instead (scripts/pki makes certificates)",
                      source, i, cfg->peers[i].peer);
        }
        for (size_t j = 0; j < i; j++) {
            if (cfg->peers[j].id == cfg->peers[i].id || strcmp(cfg->peers[j].peer, cfg->peers[i].peer) == 0) {
                cfg_wrong(warnings, "%s: cluster.initial_peers[%zu] and [%zu] have the same id or address", source, j,
                          i);
            }
        }
    }
    if (cfg_self(cfg) == NULL) {
        cfg_wrong(warnings, "%s: cluster.initial_peers has no member with the id of cluster.member_id, %ld", source,
                  (long)cfg->member_id);
    }
}

static void check_timeouts(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    if (cfg->lease_ms * 2 > cfg->election_timeout_ms) {
        cfg_wrong(warnings, "%s: cluster.lease_ms (%ld) must be at most half of election_timeout_ms (%ld)", source,
                  (long)cfg->lease_ms, (long)cfg->election_timeout_ms);
    }
    if (cfg->heartbeat_ms * 2 > cfg->lease_ms) {
        cfg_wrong(warnings, "%s: cluster.heartbeat_ms (%ld) must be at most half of lease_ms (%ld)", source,
                  (long)cfg->heartbeat_ms, (long)cfg->lease_ms);
    }
}

static void check_files(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    const struct {
        bool wanted;
        const char *key, *path;
    } files[] = {
        {!cfg->plain, "cluster.tls.ca", cfg->tls_ca},
        {!cfg->plain, "cluster.tls.cert", cfg->tls_cert},
        {!cfg->plain, "cluster.tls.key", cfg->tls_key},
        {cfg->enable_tls, "cert_file", cfg->cert_file},
        {cfg->enable_tls, "key_file", cfg->key_file},
        {cfg->enable_tls, "cluster.tls.api_ca", cfg->api_ca},
        {strcmp(cfg->executor, "ssh") == 0, "glusterfs.sshexec.keyfile", cfg->ssh_keyfile},
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        if (!files[i].wanted) {
            continue;
        }
        if (*files[i].path == '\0') {
            cfg_wrong(warnings, "%s: %s is missing, expected the path of a file", source, files[i].key);
        } else if (access(files[i].path, R_OK) != 0) {
            cfg_wrong(warnings, "%s: %s: cannot read %s: %s", source, files[i].key, files[i].path, strerror(errno));
        }
    }
}

/* Digits alone: it is put into commands and texts as it is written. */
static bool is_port(const char *text)
{
    unsigned long port = strtoul(text, NULL, 10);

    return text[strspn(text, "0123456789")] == '\0' && port > 0 && port <= 65535;
}

static void check_values(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    enum store_mode mode;

    if (!is_port(cfg->port)) {
        cfg_wrong(warnings, "%s: port is \"%s\", expected a string with a number from 1 to 65535", source, cfg->port);
    }
    if (!is_port(cfg->ssh_port)) {
        cfg_wrong(warnings, "%s: glusterfs.sshexec.port is \"%s\", expected a string with a number from 1 to 65535",
                  source, cfg->ssh_port);
    }
    if (strcasecmp(cfg->executor, "kubernetes") == 0) {
        cfg_wrong(warnings,
                  "%s: glusterfs.executor is \"kubernetes\", which is not supported, expected \"ssh\": let sshd run "
                  "where glusterd does (on the hosts, or in the pods of glusterd, which use the hosts' network, on a "
                  "port of its own), and set glusterfs.sshexec (keyfile, user, port); node names and addresses stay",
                  source);
    } else if (strcmp(cfg->executor, "ssh") != 0 && strcmp(cfg->executor, "mock") != 0) {
        cfg_wrong(warnings, "%s: glusterfs.executor is \"%s\", expected \"ssh\" or \"mock\"", source, cfg->executor);
    }
    if (!store_mode_parse(cfg->default_state, &mode)) {
        cfg_wrong(warnings, "%s: default_state is \"%s\", expected \"normal\", \"read-only\" or \"local-client\"",
                  source, cfg->default_state);
    }
    if (strcmp(cfg->log_format, "text") != 0 && strcmp(cfg->log_format, "json") != 0) {
        cfg_wrong(warnings, "%s: glusterfs.log_format is \"%s\", expected \"text\" or \"json\"", source,
                  cfg->log_format);
    }
    if (*cfg->oldest_client != '\0' && store_client_op_version(cfg->oldest_client) == 0) {
        cfg_wrong(warnings,
                  "%s: glusterfs.oldest_client is \"%s\", expected a version of GlusterFS from 3.7 on, such as "
                  "\"3.8\" or \"4.1\"",
                  source, cfg->oldest_client);
    }
    if (cfg->brick_min_gib > cfg->brick_max_gib) {
        cfg_wrong(warnings, "%s: glusterfs.brick_min_size_gb is larger than brick_max_size_gb", source);
    }
}

void cfg_exec(const struct cfg *cfg, struct exec_config *ret_config)
{
    exec_config_init(ret_config);
    ret_config->fstab = cfg->ssh_fstab;
    ret_config->mount_options = cfg->ssh_mountopts;
    ret_config->pv_data_alignment = cfg->ssh_pv_data_alignment;
    ret_config->vg_extent_size = cfg->ssh_vg_extent_size;
    ret_config->lv_chunk_size = cfg->ssh_lv_chunk_size;
    ret_config->lvm_wrapper = cfg->ssh_lvm_wrapper;
    ret_config->block_prealloc = cfg->ssh_block_prealloc;
}

/* What becomes words of commands on the storage nodes. */
static void check_words(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    const struct {
        const char *key, *text;
    } options[] = {{"pre_request_volume_options", cfg->pre_options},
                   {"post_request_volume_options", cfg->post_options},
                   {"block_hosting_volume_options", cfg->block_options}};
    struct exec_config config;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        CLEANUP(store_strs_fini) struct store_strs list = {NULL, 0};

        store_options_split(&list, options[i].text);
        if (store_options_check(&list, &err) != 0) {
            cfg_wrong(warnings, "%s: glusterfs.%s: %s", source, options[i].key, err.message);
        }
    }
    cfg_exec(cfg, &config);
    if (exec_config_check(&config, &err) != 0) {
        cfg_wrong(warnings, "%s: glusterfs.sshexec: %s", source, err.message);
    }
}

void cfg_skip_values(struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    const struct {
        const char *key;
        int64_t *value;
    } numbers[] = {{"block_hosting_volume_size", &cfg->block_size_gib},
                   {"sshexec.snapshot_limit", &cfg->ssh_snapshot_limit}};
    enum log_level level;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        if (*numbers[i].value < 0) {
            cfg_warn(warnings, mem_printf("%s: glusterfs.%s is %" PRId64 " and taken as 0, the default", source,
                                          numbers[i].key, *numbers[i].value));
            *numbers[i].value = 0;
        }
    }
    if (!log_level_parse(cfg->loglevel, &level)) {
        cfg_warn(warnings, mem_printf("%s: glusterfs.loglevel is \"%s\" and taken as \"info\", expected \"none\", "
                                      "\"critical\", \"error\", \"warning\", \"info\" or \"debug\"",
                                      source, cfg->loglevel));
    }
    if (strcmp(cfg->zone_checking, "none") != 0 && strcmp(cfg->zone_checking, "strict") != 0) {
        cfg_warn(
            warnings,
            mem_printf("%s: glusterfs.zone_checking is \"%s\" and taken as \"none\", expected \"none\" or \"strict\"",
                       source, cfg->zone_checking));
    }
}

void cfg_validate(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    check_values(cfg, source, warnings);
    check_words(cfg, source, warnings);
    check_peers(cfg, source, warnings);
    check_timeouts(cfg, source, warnings);
    check_files(cfg, source, warnings);
}

/* Configuration: one JSON file, a superset of heketi.json with a section `cluster`.
 *
 * Typed: a wrong type is an error that names the key and what was expected. An unknown key is an error in the parts
 * that Heketi does not have; elsewhere it is ignored with a warning, as are Heketi's obsolete keys and those of what
 * this release does not do. There, 0, "" and null stand for the default, since Heketi takes them so. Keys that start
 * with `_` are comments. Keys match case-insensitively, as Heketi's do. The environment overrides the file.
 */
#ifndef HECATE_DAEMON_CONFIG_H
#define HECATE_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/executor/executor.h"
#include "store/base/err.h"
#include "store/base/log.h"
#include "store/types.h"

#define CFG_PEERS_MAX 9

struct cfg_peer {
    int64_t id;
    char *peer; /* "host:port" of the peer protocol */
    char *api;  /* "host:port" of the REST API, as the other members reach it */
};

struct cfg {
    /* top level */
    char *port;
    char *admin_key, *user_key;
    bool enable_tls;
    char *cert_file, *key_file;
    char *default_state;
    bool auth;           /* false by --disable-auth only */
    bool trust_new_keys; /* true by --trust-new-keys only */
    int64_t iat_leeway_s;

    /* glusterfs */
    char *executor; /* "ssh" or "mock" */
    char *loglevel;
    char *log_format; /* "text" or "json" */
    int64_t brick_max_gib, brick_min_gib, bricks_per_volume_max, volumes_per_cluster_max, average_file_size_kib;
    char *pre_options, *post_options, *block_options, *zone_checking;
    char *oldest_client; /* "" or a version of GlusterFS that must be able to mount every volume */
    bool block_auto;
    int64_t block_size_gib;          /* 0: not configured */
    int64_t max_inflight_operations; /* 0: not configured */
    int64_t volume_create_retries;   /* only above 0 does it count, as in Heketi */
    bool audit_off;                  /* Heketi's background cleaner; ours compares the nodes with the database */
    int64_t audit_start_s, audit_every_s;

    /* sshexec */
    char *ssh_keyfile, *ssh_user, *ssh_port, *ssh_fstab, *ssh_mountopts;
    char *ssh_known_hosts;
    bool ssh_trust_first_use;
    bool ssh_sudo, ssh_backup_lvm_metadata;
    bool ssh_rebalance; /* after an expand; true unless configured. Heketi reads it from the environment only */
    int64_t ssh_snapshot_limit, ssh_gluster_timeout_s, ssh_connect_timeout_ms;
    char *ssh_pv_data_alignment, *ssh_vg_extent_size, *ssh_lv_chunk_size, *ssh_lvm_wrapper, *ssh_block_prealloc;
    int64_t ssh_xfs_sw, ssh_xfs_su;

    /* mock */
    int64_t mock_device_size_gib;
    bool mock_devices_once; /* a name that is in use on its node is refused, as by real nodes; Heketi's mock takes it */
    char *mock_faults;      /* JSON text of orders, "" none */
    char *mock_faults_file; /* of further ones, read again when it changes; "" none */

    /* cluster */
    char *cluster_name;
    int64_t member_id;
    char *data_dir;
    struct cfg_peer peers[CFG_PEERS_MAX];
    size_t n_peers;
    char *tls_ca, *tls_cert, *tls_key;
    bool plain;                    /* no TLS between members; loopback addresses only */
    char *api_ca;                  /* certificate authority of the members' REST certificates, with enable_tls */
    struct store_strs virtual_ips; /* "ADDRESS[/PREFIX]%INTERFACE"; held by the serving leader */
    int64_t election_timeout_ms, lease_ms, heartbeat_ms;
    int64_t snapshot_entries;
};

struct cfg_warnings {
    char **items;
    size_t n;
    char **errors; /* all that is wrong; the first one is the reason of a refusal, too */
    size_t n_errors;
};

/* Parses text (named `source` in messages) and applies the environment (getenv). E_INVALID with the key's name; what is
 * wrong is found in one go: ret_warnings has all of it. The caller frees ret_warnings in any case. */
int cfg_parse(const char *text, size_t len, const char *source, struct cfg *ret_cfg, struct cfg_warnings *ret_warnings,
              struct err *reterr);
/* What cfg_parse does last: settings held against each other, files that must be readable. Adds to the errors. */
void cfg_validate(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings);
/* Before a start, on the host and as the user that will run it: what a start would find, and what it would not (a
 * certificate that others will refuse). Adds to the errors and warnings. */
void cfg_check_start(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings);
/* cfg_parse of a file; E_IO when it cannot be read. */
int cfg_load(const char *path, struct cfg *ret_cfg, struct cfg_warnings *ret_warnings, struct err *reterr);
void cfg_fini(struct cfg *cfg);
void cfg_warnings_fini(struct cfg_warnings *warnings);
/* The entry of this member in peers. */
const struct cfg_peer *cfg_self(const struct cfg *cfg);
enum log_level cfg_log_level(const struct cfg *cfg);
enum store_mode cfg_default_mode(const struct cfg *cfg);
/* The executor's settings that become words of commands on the nodes (borrowed); the others are its defaults. */
void cfg_exec(const struct cfg *cfg, struct exec_config *ret_config);

struct buf;
/* The text with the names of settings in place of the paths of this host's files that they hold. */
void cfg_hide_files(const struct cfg *cfg, const char *text, struct buf *ret_text);

/* "host:port" or "[v6]:port": host into a buffer of at least 256 bytes. */
bool cfg_split_address(const char *address, char *ret_host, size_t host_size, uint16_t *ret_port);

#endif

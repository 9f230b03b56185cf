/* What a start would find on this host: keys, certificates, the data directory, addresses. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "consensus/consensus.h"
#include "daemon/config_priv.h"
#include "daemon/executor/executor.h"
#include "store/base/mem.h"
#include "store/base/tls.h"

static void check_certificates(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    const char *const files[3] = {cfg->tls_ca, cfg->tls_cert, cfg->tls_key};
    struct err err = ERR_INIT;
    SSL_CTX *rest;

    if (!cfg->plain && cons_tls_check(files, (uint64_t)cfg->member_id, &err) != 0) {
        cfg_wrong(warnings, "%s: %s", source, err.message);
    }
    if (cfg->enable_tls) {
        const struct tls_files rest_files = {cfg->api_ca, cfg->cert_file, cfg->key_file};

        /* As members use it: it must be of the authority that the other members are told to trust. */
        rest = tls_context_new(&rest_files, TLS_MEMBERS, "cert_file, key_file, cluster.tls.api_ca", &err);
        if (rest == NULL) {
            cfg_wrong(warnings, "%s: %s", source, err.message);
        } else if (tls_context_judge(rest, &err) != 0) {
            cfg_wrong(warnings, "%s: cert_file: %s: %s", source, cfg->cert_file, err.message);
        }
        SSL_CTX_free(rest);
    }
}

static void check_ssh(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    struct err err = ERR_INIT;

    if (strcmp(cfg->executor, "ssh") != 0) {
        return;
    }
    if (exec_key_check(cfg->ssh_keyfile, &err) != 0) {
        cfg_wrong(warnings, "%s: glusterfs.sshexec.keyfile: %s", source, err.message);
    }
    if (*cfg->ssh_known_hosts != '\0' && !cfg->ssh_trust_first_use && access(cfg->ssh_known_hosts, R_OK) != 0) {
        cfg_warn(warnings, mem_printf("%s: glusterfs.sshexec.known_hosts: cannot read %s: %s; without the keys of the "
                                      "storage nodes (ssh-keyscan) none of them is talked to",
                                      source, cfg->ssh_known_hosts, strerror(errno)));
    }
}

/* That it is not there yet is no fault of the configuration: its parent may be another user's, who makes it. */
static void check_data_dir(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    if (access(cfg->data_dir, R_OK | W_OK | X_OK) == 0) {
        return;
    }
    if (errno == ENOENT) {
        cfg_warn(warnings, mem_printf("%s: cluster.data_dir: %s is not there yet; hecated must be able to make it",
                                      source, cfg->data_dir));
    } else {
        cfg_wrong(warnings, "%s: cluster.data_dir: cannot use %s: %s; it must belong to the user of hecated", source,
                  cfg->data_dir, strerror(errno));
    }
}

static void check_virtual_ip(const struct cfg *cfg, const char *address, const char *source,
                             struct cfg_warnings *warnings)
{
    const char *interface = strchr(address, '%');
    size_t len = strcspn(address, "/%");

    if (interface != NULL && if_nametoindex(interface + 1) == 0) {
        cfg_warn(warnings, mem_printf("%s: cluster.virtual_ips: there is no interface %s for %s", source, interface + 1,
                                      address));
    }
    for (size_t i = 0; i < cfg->n_peers; i++) {
        const char *const texts[] = {cfg->peers[i].peer, cfg->peers[i].api};

        for (size_t j = 0; j < 2; j++) {
            char host[256];
            uint16_t port;

            if (cfg_split_address(texts[j], host, sizeof(host), &port) && strlen(host) == len &&
                memcmp(host, address, len) == 0) {
                cfg_wrong(warnings,
                          "%s: cluster.virtual_ips: %s is an address of member %ld, expected one that no host has",
                          source, address, (long)cfg->peers[i].id);
                return;
            }
        }
    }
}

void cfg_check_start(const struct cfg *cfg, const char *source, struct cfg_warnings *warnings)
{
    check_certificates(cfg, source, warnings);
    check_ssh(cfg, source, warnings);
    check_data_dir(cfg, source, warnings);
    for (size_t i = 0; i < cfg->virtual_ips.n; i++) {
        check_virtual_ip(cfg, cfg->virtual_ips.items[i], source, warnings);
    }
}

/* Host keys: a node is who the known_hosts file says. */
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/ssh_priv.h"
#include "store/base/log.h"
#include "store/base/mem.h"

static LIBSSH2_KNOWNHOSTS *read_known(struct ssh_session *session)
{
    LIBSSH2_KNOWNHOSTS *known = libssh2_knownhost_init(session->ssh2);

    if (known != NULL) {
        /* A file that is not there knows nobody. */
        (void)libssh2_knownhost_readfile(known, session->host->ssh->known_hosts, LIBSSH2_KNOWNHOST_FILE_OPENSSH);
    }
    return known;
}

/* Does the file have a key of this type for the host? libssh2 would otherwise ask for ECDSA first and find no match. */
static bool knows(LIBSSH2_KNOWNHOSTS *known, const char *name, int type)
{
    struct libssh2_knownhost *item = NULL;

    while (libssh2_knownhost_get(known, &item, item) == 0) {
        if (item->name != NULL && strcmp(item->name, name) == 0 &&
            (item->typemask & LIBSSH2_KNOWNHOST_KEY_MASK) == type) {
            return true;
        }
    }
    return false;
}

void ssh_hostkey_prefer(struct ssh_session *session)
{
    LIBSSH2_KNOWNHOSTS *known = read_known(session);

    if (known != NULL) {
        if (knows(known, session->host->name, LIBSSH2_KNOWNHOST_KEY_ED25519)) {
            (void)libssh2_session_method_pref(
                session->ssh2, LIBSSH2_METHOD_HOSTKEY,
                "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521");
        }
        libssh2_knownhost_free(known);
    }
}

static int type_bit(int type)
{
    switch (type) {
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_256:
        return LIBSSH2_KNOWNHOST_KEY_ECDSA_256;
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_384:
        return LIBSSH2_KNOWNHOST_KEY_ECDSA_384;
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_521:
        return LIBSSH2_KNOWNHOST_KEY_ECDSA_521;
    case LIBSSH2_HOSTKEY_TYPE_ED25519:
        return LIBSSH2_KNOWNHOST_KEY_ED25519;
    default:
        return LIBSSH2_KNOWNHOST_KEY_SSHRSA;
    }
}

static int learn(struct ssh_session *session, LIBSSH2_KNOWNHOSTS *known, const char *key, size_t len, int bits)
{
    const char *file = session->host->ssh->known_hosts;
    CLEANUP(free_ptr) char *temporary = mem_printf("%s.new", file);

    if (libssh2_knownhost_addc(known, session->host->name, NULL, key, len, NULL, 0, bits, NULL) != 0 ||
        libssh2_knownhost_writefile(known, temporary, LIBSSH2_KNOWNHOST_FILE_OPENSSH) != 0 ||
        rename(temporary, file) != 0) {
        return -1;
    }
    LOG(LOG_WARNING, "ssh", "learnt the key of a host at the first contact", LF_STR("host", session->host->name),
        LF_STR("file", file));
    return 0;
}

int ssh_hostkey_check(struct ssh_session *session, char *ret_text, size_t size)
{
    const struct ssh *ssh = session->host->ssh;
    LIBSSH2_KNOWNHOSTS *known = read_known(session);
    size_t len;
    int type, bits, found;
    const char *key = libssh2_session_hostkey(session->ssh2, &len, &type);
    int rc = E_AUTH;

    if (known == NULL || key == NULL) {
        (void)snprintf(ret_text, size, "the key of host %s cannot be checked", session->host->name);
        return E_AUTH;
    }
    bits = LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW | type_bit(type);
    found = libssh2_knownhost_checkp(known, session->host->name, ssh->config.port, key, len, bits, NULL);
    if (found == LIBSSH2_KNOWNHOST_CHECK_MATCH) {
        rc = 0;
    } else if (found == LIBSSH2_KNOWNHOST_CHECK_MISMATCH) {
        (void)snprintf(ret_text, size,
                       "the key of host %s is not the one in %s: it is another host, or was set up anew",
                       session->host->name, ssh->known_hosts);
    } else if (ssh->config.trust_first_use && learn(session, known, key, len, bits) == 0) {
        rc = 0;
    } else {
        (void)snprintf(ret_text, size,
                       "the key of host %s is not in %s; add it (ssh-keyscan) or set glusterfs.sshexec.trust_first_use",
                       session->host->name, ssh->known_hosts);
    }
    libssh2_knownhost_free(known);
    return rc;
}

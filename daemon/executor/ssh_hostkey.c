/* Host keys: a node is who the known_hosts file says. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/executor/ssh_priv.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/text.h"

/* Line by line: the library's own reader would stop at the first line that it does not understand, and hosts behind it
 * would be unknown. A file that is not there knows nobody. */
static LIBSSH2_KNOWNHOSTS *read_known(struct ssh_session *session)
{
    LIBSSH2_KNOWNHOSTS *known = libssh2_knownhost_init(session->ssh2);
    FILE *file = fopen(session->host->ssh->known_hosts, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while (known != NULL && file != NULL && (len = getline(&line, &size, file)) > 0) {
        (void)libssh2_knownhost_readline(known, line, (size_t)len, LIBSSH2_KNOWNHOST_FILE_OPENSSH);
    }
    free(line);
    if (file != NULL) {
        (void)fclose(file); /* only read from */
    }
    return known;
}

static int check(LIBSSH2_KNOWNHOSTS *known, const struct ssh_host *host, const char *key, size_t len, int bits)
{
    return libssh2_knownhost_checkp(known, host->name, host->ssh->config.port, key, len,
                                    LIBSSH2_KNOWNHOST_TYPE_PLAIN | bits, NULL);
}

/* Does the file have a key of this type (0: of any) for the host? A key that nobody has is then a wrong one. */
static bool knows(LIBSSH2_KNOWNHOSTS *known, const struct ssh_host *host, int bits)
{
    return check(known, host, "-", 1, LIBSSH2_KNOWNHOST_KEYENC_BASE64 | bits) == LIBSSH2_KNOWNHOST_CHECK_MISMATCH;
}

static const struct {
    int bits, type;
    const char *method;
} key_types[] = {
    {LIBSSH2_KNOWNHOST_KEY_ED25519, LIBSSH2_HOSTKEY_TYPE_ED25519, "ssh-ed25519"},
    {LIBSSH2_KNOWNHOST_KEY_ECDSA_256, LIBSSH2_HOSTKEY_TYPE_ECDSA_256, "ecdsa-sha2-nistp256"},
    {LIBSSH2_KNOWNHOST_KEY_ECDSA_384, LIBSSH2_HOSTKEY_TYPE_ECDSA_384, "ecdsa-sha2-nistp384"},
    {LIBSSH2_KNOWNHOST_KEY_ECDSA_521, LIBSSH2_HOSTKEY_TYPE_ECDSA_521, "ecdsa-sha2-nistp521"},
};
#define KEY_TYPES (sizeof(key_types) / sizeof(*key_types))

/* The library would ask for ECDSA first, and find no match when the file has another type. */
void ssh_hostkey_prefer(struct ssh_session *session)
{
    LIBSSH2_KNOWNHOSTS *known = read_known(session);
    CLEANUP(buf_fini) struct buf methods = BUF_INIT;

    if (known == NULL) {
        return;
    }
    for (size_t i = 0; i < 2 * KEY_TYPES; i++) { /* the known ones, then the others */
        if (knows(known, session->host, key_types[i % KEY_TYPES].bits) == (i < KEY_TYPES)) {
            buf_printf(&methods, "%s%s", methods.len > 0 ? "," : "", key_types[i % KEY_TYPES].method);
        }
    }
    libssh2_knownhost_free(known);
    (void)libssh2_session_method_pref(session->ssh2, LIBSSH2_METHOD_HOSTKEY, buf_str(&methods));
}

static int type_bits(int type)
{
    for (size_t i = 0; i < KEY_TYPES; i++) {
        if (key_types[i].type == type) {
            return key_types[i].bits;
        }
    }
    return LIBSSH2_KNOWNHOST_KEY_SSHRSA;
}

/* Appends one line and leaves the others, with what the library does not understand, as they are. */
static int append_line(const char *file, const char *line, size_t len)
{
    int fd = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    off_t end;
    char last = '\n';
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    bool ok;

    if (fd < 0) {
        return -1;
    }
    end = lseek(fd, 0, SEEK_END);
    ok = end >= 0 && (end == 0 || pread(fd, &last, 1, end - 1) == 1);
    if (last != '\n') {
        buf_append_char(&text, '\n');
    }
    buf_append(&text, line, len);
    ok = ok && write(fd, text.data, text.len) == (ssize_t)text.len && fsync(fd) == 0;
    return close(fd) == 0 && ok ? 0 : -1;
}

static int learn(struct ssh_session *session, LIBSSH2_KNOWNHOSTS *known, const char *key, size_t len, int bits)
{
    const struct ssh *ssh = session->host->ssh;
    CLEANUP(free_ptr)
    char *name = ssh->config.port == 22 ? mem_strdup(session->host->name)
                                        : mem_printf("[%s]:%u", session->host->name, ssh->config.port);
    struct libssh2_knownhost *item = NULL;
    char line[8192];
    size_t line_len = 0;

    if (libssh2_knownhost_addc(known, name, NULL, key, len, NULL, 0,
                               LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW | bits, &item) != 0 ||
        libssh2_knownhost_writeline(known, item, line, sizeof(line), &line_len, LIBSSH2_KNOWNHOST_FILE_OPENSSH) != 0 ||
        append_line(ssh->known_hosts, line, line_len) != 0) {
        return -1;
    }
    LOG(LOG_WARNING, "ssh", "learnt the key of a host at the first contact", LF_STR("host", session->host->name),
        LF_STR("file", ssh->known_hosts));
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
        if (known != NULL) {
            libssh2_knownhost_free(known);
        }
        text_print(ret_text, size, "the key of host %s cannot be checked", session->host->name);
        return E_AUTH;
    }
    bits = type_bits(type);
    found = check(known, session->host, key, len, LIBSSH2_KNOWNHOST_KEYENC_RAW | bits);
    if (found != LIBSSH2_KNOWNHOST_CHECK_MATCH &&
        (found == LIBSSH2_KNOWNHOST_CHECK_MISMATCH || knows(known, session->host, 0))) {
        /* Also when the file has a key of another type only: a stranger could offer any type. */
        text_print(ret_text, size, "the key of host %s is not the one in %s: it is another host, or was set up anew",
                   session->host->name, ssh->known_hosts);
    } else if (found == LIBSSH2_KNOWNHOST_CHECK_MATCH ||
               (ssh->config.trust_first_use && learn(session, known, key, len, bits) == 0)) {
        rc = 0;
    } else {
        text_print(ret_text, size,
                   "the key of host %s is not in %s; add it (ssh-keyscan) or set glusterfs.sshexec.trust_first_use",
                   session->host->name, ssh->known_hosts);
    }
    libssh2_knownhost_free(known);
    return rc;
}

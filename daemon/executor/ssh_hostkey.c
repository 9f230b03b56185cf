/* Host keys: a node is who the known_hosts file says. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/executor/ssh_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"

#define SEPARATORS " \t\r\n"
#define REVOKED "@revoked"

/* Which of the words of a line is the key: "hosts type key ...", with a marker before it or not. NULL: none. */
static const char *key_of_line(const char *line, size_t *ret_len)
{
    line += strspn(line, SEPARATORS);
    for (int i = *line == '@' ? 3 : 2; i > 0; i--) {
        line += strcspn(line, SEPARATORS);
        line += strspn(line, SEPARATORS);
    }
    *ret_len = strcspn(line, SEPARATORS);
    return *ret_len > 0 ? line : NULL;
}

static bool has_marker(const char *line, const char *marker)
{
    line += strspn(line, SEPARATORS);
    return strncmp(line, marker, strlen(marker)) == 0 && strchr(SEPARATORS, line[strlen(marker)]) != NULL;
}

struct known {
    LIBSSH2_KNOWNHOSTS *hosts;
    struct store_strs revoked; /* keys as they stand in the file */
};

static bool is_revoked(const struct known *known, const char *key, size_t len)
{
    for (size_t i = 0; i < known->revoked.n; i++) {
        if (strlen(known->revoked.items[i]) == len && memcmp(known->revoked.items[i], key, len) == 0) {
            return true;
        }
    }
    return false;
}

/* A key that is revoked for whatever host counts for none, also where it stands plainly. */
static void read_line(struct ssh *ssh, struct known *known, const char *line, size_t len, bool revoked)
{
    size_t key_len = 0;
    const char *key = key_of_line(line, &key_len);

    if (has_marker(line, REVOKED) && key != NULL) {
        if (revoked) {
            CLEANUP(free_ptr) char *text = mem_strndup(key, key_len);

            store_strs_add(&known->revoked, text);
        }
    } else if (line[strspn(line, SEPARATORS)] == '@') {
        if (!ssh->warned) {
            ssh->warned = true;
            LOG(LOG_WARNING, "ssh", "lines of certificate authorities, and others that begin with @, count for nothing",
                LF_STR("file", ssh->known_hosts));
        }
    } else if (!revoked && key != NULL && !is_revoked(known, key, key_len)) {
        (void)libssh2_knownhost_readline(known->hosts, line, len, LIBSSH2_KNOWNHOST_FILE_OPENSSH);
    }
}

/* Line by line: the library's own reader would stop at the first line that it does not understand, and hosts behind it
 * would be unknown. A file that is not there knows nobody. */
static bool read_known(struct ssh_session *session, struct known *known)
{
    struct ssh *ssh = session->host->ssh;
    FILE *file = fopen(ssh->known_hosts, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    *known = (struct known){.hosts = libssh2_knownhost_init(session->ssh2)};
    for (int pass = 0; known->hosts != NULL && file != NULL && pass < 2; pass++) { /* first what is revoked */
        while ((len = getline(&line, &size, file)) > 0) {
            read_line(ssh, known, line, (size_t)len, pass == 0);
        }
        rewind(file);
    }
    free(line);
    if (file != NULL) {
        (void)fclose(file); /* only read from */
    }
    return known->hosts != NULL;
}

static void known_fini(struct known *known)
{
    if (known->hosts != NULL) {
        libssh2_knownhost_free(known->hosts);
    }
    store_strs_fini(&known->revoked);
}

/* The same key as it stands in the file. */
static bool is_raw_revoked(const struct known *known, const char *key, size_t len)
{
    CLEANUP(free_ptr) char *text = mem_calloc(4 * (len / 3 + 2), 1);
    int text_len = EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)key, (int)len);

    return is_revoked(known, text, (size_t)text_len);
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
    CLEANUP(buf_fini) struct buf methods = BUF_INIT;
    struct known known;

    if (!read_known(session, &known)) {
        known_fini(&known);
        return;
    }
    for (size_t i = 0; i < 2 * KEY_TYPES; i++) { /* the known ones, then the others */
        if (knows(known.hosts, session->host, key_types[i % KEY_TYPES].bits) == (i < KEY_TYPES)) {
            buf_printf(&methods, "%s%s", methods.len > 0 ? "," : "", key_types[i % KEY_TYPES].method);
        }
    }
    known_fini(&known);
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

struct sync {
    uv_fs_t request;
    struct ssh *ssh;
    int fd;
};

static void synced(uv_fs_t *request)
{
    TURN("ssh");
    struct sync *sync = request->data;
    struct ssh *ssh = sync->ssh;

    if (request->result < 0) {
        LOG(LOG_WARNING, "ssh", "what was learnt of a host may be forgotten when the power fails",
            LF_STR("file", ssh->known_hosts), LF_STR("error", uv_strerror((int)request->result)));
    }
    uv_fs_req_cleanup(request);
    (void)close(sync->fd); /* it is on the disk, or was complained of */
    free(sync);
    ssh->handles--;
    ssh_maybe_closed(ssh);
}

/* The disk may be slow: nobody waits for it here. Takes fd. */
static void sync_later(struct ssh *ssh, int fd)
{
    struct sync *sync = mem_calloc(1, sizeof(*sync));

    sync->ssh = ssh;
    sync->fd = fd;
    sync->request.data = sync;
    ssh->handles++;
    CHECK(uv_fs_fsync(ssh->loop, &sync->request, fd, synced) == 0);
}

/* Appends one line and leaves the others, with what the library does not understand, as they are. */
static int append_line(struct ssh *ssh, const char *line, size_t len)
{
    int fd = open(ssh->known_hosts, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    off_t end;
    char last = '\n';
    CLEANUP(buf_fini) struct buf text = BUF_INIT;

    if (fd < 0) {
        return -1;
    }
    end = lseek(fd, 0, SEEK_END);
    if (end < 0 || (end > 0 && pread(fd, &last, 1, end - 1) != 1)) {
        (void)close(fd); /* nothing was written */
        return -1;
    }
    if (last != '\n') {
        buf_append_char(&text, '\n');
    }
    buf_append(&text, line, len);
    if (write(fd, text.data, text.len) != (ssize_t)text.len) {
        (void)close(fd); /* it failed already */
        return -1;
    }
    sync_later(ssh, fd);
    return 0;
}

static int learn(struct ssh_session *session, LIBSSH2_KNOWNHOSTS *known, const char *key, size_t len, int bits)
{
    struct ssh *ssh = session->host->ssh;
    CLEANUP(free_ptr)
    char *name = ssh->config.port == 22 ? mem_strdup(session->host->name)
                                        : mem_printf("[%s]:%u", session->host->name, ssh->config.port);
    struct libssh2_knownhost *item = NULL;
    char line[8192];
    size_t line_len = 0;

    if (libssh2_knownhost_addc(known, name, NULL, key, len, NULL, 0,
                               LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW | bits, &item) != 0 ||
        libssh2_knownhost_writeline(known, item, line, sizeof(line), &line_len, LIBSSH2_KNOWNHOST_FILE_OPENSSH) != 0 ||
        append_line(ssh, line, line_len) != 0) {
        return -1;
    }
    LOG(LOG_WARNING, "ssh", "learnt the key of a host at the first contact", LF_STR("host", session->host->name),
        LF_STR("file", ssh->known_hosts));
    return 0;
}

static int judge(struct ssh_session *session, const struct known *known, char *ret_text, size_t size)
{
    const struct ssh *ssh = session->host->ssh;
    size_t len;
    int type, bits, found;
    const char *key = libssh2_session_hostkey(session->ssh2, &len, &type);

    if (key == NULL) {
        text_print(ret_text, size, "the key of host %s cannot be checked", session->host->name);
        return E_AUTH;
    }
    bits = type_bits(type);
    found = check(known->hosts, session->host, key, len, LIBSSH2_KNOWNHOST_KEYENC_RAW | bits);
    if (is_raw_revoked(known, key, len)) {
        text_print(ret_text, size, "the key of host %s is revoked in %s: give the host a new one", session->host->name,
                   ssh->known_hosts);
    } else if (found != LIBSSH2_KNOWNHOST_CHECK_MATCH &&
               (found == LIBSSH2_KNOWNHOST_CHECK_MISMATCH || knows(known->hosts, session->host, 0))) {
        /* Also when the file has a key of another type only: a stranger could offer any type. */
        text_print(ret_text, size, "the key of host %s is not the one in %s: it is another host, or was set up anew",
                   session->host->name, ssh->known_hosts);
    } else if (found == LIBSSH2_KNOWNHOST_CHECK_MATCH ||
               (ssh->config.trust_first_use && learn(session, known->hosts, key, len, bits) == 0)) {
        return 0;
    } else {
        text_print(ret_text, size,
                   "the key of host %s is not in %s; add it (ssh-keyscan) or set glusterfs.sshexec.trust_first_use",
                   session->host->name, ssh->known_hosts);
    }
    return E_AUTH;
}

int ssh_hostkey_check(struct ssh_session *session, char *ret_text, size_t size)
{
    struct known known;
    int rc = E_AUTH;

    if (read_known(session, &known)) {
        rc = judge(session, &known, ret_text, size);
    } else {
        text_print(ret_text, size, "the key of host %s cannot be checked", session->host->name);
    }
    known_fini(&known);
    return rc;
}

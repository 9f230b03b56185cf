/* The files of certificates, those between the members and that of the REST API: read again when they change and at
 * SIGHUP. What cannot be used is not taken: the former one stays, and the status says so.
 *
 * A certificate and its key are two files, written one after the other: they are read when nothing has changed between
 * two looks.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/member_priv.h"
#include "store/base/log.h"
#include "store/base/text.h"

#define LOOK_EVERY 5 /* seconds */
#define DAY_S INT64_C(86400)
#define EXPIRY_WARN_S (30 * DAY_S)

/* Changes whenever a file is written or another takes its place. */
static uint64_t stamp(const char *file)
{
    struct stat st;

    if (file == NULL || *file == '\0' || stat(file, &st) != 0) {
        return 0;
    }
    return (uint64_t)st.st_ino * 1000003 ^ (uint64_t)st.st_size * 10007 ^ (uint64_t)st.st_mtim.tv_sec << 20 ^
           (uint64_t)st.st_mtim.tv_nsec;
}

/* Returns whether one has changed since. */
static bool look(struct member *member)
{
    const struct cfg *cfg = member->cfg;
    const char *const files[CERTIFICATE_FILES] = {cfg->tls_ca,    cfg->tls_cert, cfg->tls_key,
                                                  cfg->cert_file, cfg->key_file, cfg->api_ca};
    bool changed = false;

    for (size_t i = 0; i < CERTIFICATE_FILES; i++) {
        uint64_t now = stamp(files[i]);

        changed = changed || now != member->certificates.stamps[i];
        member->certificates.stamps[i] = now;
    }
    return changed;
}

void certificates_stamp(struct member *member)
{
    (void)look(member);
}

static void told(const char *what, int rc, const struct err *err, char *trouble, size_t size)
{
    if (rc == 0) {
        LOG(LOG_INFO, "member", "certificates were read again", LF_STR("of", what));
        *trouble = '\0';
    } else {
        LOG(LOG_ERROR, "member", "certificates are not read again", LF_STR("of", what), LF_STR("reason", err->message));
        text_put(trouble, size, err->message);
    }
}

void member_reload(struct member *member)
{
    struct certificates *certificates = &member->certificates;
    struct err err = ERR_INIT;
    int rc = cons_reload_tls(member->cons, &err);

    (void)look(member);
    certificates->changed = false;
    told("the members", rc, &err, certificates->members, sizeof(certificates->members));
    if (member->cfg->enable_tls && member->api != NULL) {
        rc = api_server_reload_tls(member->api, &err);
        told("the REST API", rc, &err, certificates->api, sizeof(certificates->api));
    }
    keys_pursue(member); /* the key may be another one */
    member_tell(member);
}

void certificates_tick(struct member *member)
{
    struct certificates *certificates = &member->certificates;
    bool quiet;

    if (++certificates->ticks % LOOK_EVERY != 0) {
        return;
    }
    quiet = !look(member);
    if (quiet && certificates->changed) {
        member_reload(member);
    }
    certificates->changed = !quiet;
}

static void warn_not_read(const char *trouble, const char *keys, health_cb cb, void *user)
{
    char text[700], remedy[256];

    if (*trouble != '\0') {
        text_print(text, sizeof(text), "a changed certificate is not used, the former one still is: %s", trouble);
        text_print(
            remedy, sizeof(remedy),
            "mend the files that %s name; they are read again within %d seconds, or at once by SIGHUP to hecated", keys,
            2 * LOOK_EVERY);
        cb(user, "certificate-not-read", text, remedy);
    }
}

void certificates_warn(const struct member *member, health_cb cb, void *user)
{
    const struct cfg *cfg = member->cfg;
    int64_t expires_s = member->api != NULL ? api_server_tls_expires_s(member->api) : 0;
    int64_t left_s = expires_s - member_now_ms() / 1000;
    char text[320], remedy[320];

    warn_not_read(member->certificates.members, "cluster.tls.ca, cluster.tls.cert and cluster.tls.key", cb, user);
    warn_not_read(member->certificates.api, "cert_file and key_file", cb, user);
    if (expires_s == 0 || left_s > EXPIRY_WARN_S) {
        return;
    }
    if (left_s <= 0) {
        text_print(text, sizeof(text), "the REST certificate of member %d (%s) has expired", (int)cfg->member_id,
                   cfg->cert_file);
    } else {
        text_print(text, sizeof(text), "the REST certificate of member %d (%s) expires in %" PRId64 " days",
                   (int)cfg->member_id, cfg->cert_file, left_s / DAY_S);
    }
    text_print(remedy, sizeof(remedy),
               "on its host put a new one and its key in place of %s and %s ('scripts/pki DIR --rest %d HOST...' makes "
               "them); they are read within %d seconds, no restart is needed",
               cfg->cert_file, cfg->key_file, (int)cfg->member_id, 2 * LOOK_EVERY);
    cb(user, "certificate-expires", text, remedy);
}

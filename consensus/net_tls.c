#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/net_priv.h"
#include "store/base/check.h"
#include "store/base/tls.h"

#define NAME_PREFIX "hecate-member-"

/* The member that a certificate names; 0: none. */
static uint64_t name_id(const X509 *certificate)
{
    char name[64] = "";
    const char *digits = name + strlen(NAME_PREFIX);
    uint64_t id;
    char *end;

    if (certificate == NULL ||
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name)) <= 0 ||
        strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0) {
        return 0;
    }
    id = strtoull(digits, &end, 10);
    return *digits >= '1' && *digits <= '9' && *end == '\0' ? id : 0;
}

/* A certificate of another member would make the others take us for it. */
static bool names_member(SSL_CTX *ctx, uint64_t id)
{
    return name_id(SSL_CTX_get0_certificate(ctx)) == id;
}

/* ---- keys ---- */

static void key_text(const uint8_t key[32], char ret[CONS_KEY_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < 32; i++) {
        ret[2 * i] = digits[key[i] >> 4];
        ret[2 * i + 1] = digits[key[i] & 15];
    }
    ret[CONS_KEY_SIZE - 1] = '\0';
}

static bool expects(void *user, const X509 *certificate, const uint8_t key[32])
{
    struct net_link *link = user;
    uint64_t id = name_id(certificate);

    if (link->outgoing && id != link->peer) {
        return true; /* that is worse, and said when the handshake is over */
    }
    key_text(key, link->key);
    link->claimed = net_key_fits(link->net, id, link->key) ? 0 : id;
    return link->claimed == 0;
}

void net_tls_expect(struct net_link *link)
{
    link->expectation = (struct tls_expectation){expects, link};
    tls_expect(link->ssl, &link->expectation);
}

/* ---- files ---- */

static SSL_CTX *read_files(const struct tls_files *files, uint64_t member_id, struct err *reterr)
{
    SSL_CTX *ctx = tls_context_new(files, TLS_MEMBERS, "cluster.tls", reterr);

    if (ctx != NULL && !names_member(ctx, member_id)) {
        SSL_CTX_free(ctx);
        ctx = NULL;
        (void)err_set(reterr, E_INVALID,
                      "cluster.tls: the certificate %s is not of this member: its common name must be "
                      "hecate-member-%lu",
                      files->cert, (unsigned long)member_id);
    }
    return ctx;
}

int cons_tls_check(const char *const files[3], uint64_t member_id, struct err *reterr)
{
    SSL_CTX *ctx = read_files(&(struct tls_files){files[0], files[1], files[2]}, member_id, reterr);
    int rc = ctx != NULL ? tls_context_judge(ctx, reterr) : E_INVALID;

    if (ctx != NULL && rc != 0) {
        (void)err_wrap(reterr, "cluster.tls: %s", files[1]);
    }
    SSL_CTX_free(ctx);
    return rc;
}

int net_load_tls(struct net *net, struct err *reterr)
{
    const struct tls_files files = {net->tls_files[0], net->tls_files[1], net->tls_files[2]};
    uint8_t key[32];
    SSL_CTX *ctx = read_files(&files, net->member_id, reterr);

    if (ctx == NULL) {
        return E_INVALID;
    }
    SSL_CTX_free(net->tls); /* connections that there are keep it */
    net->tls = ctx;
    CHECK(tls_own_key_digest(ctx, key) == 0); /* it was read a moment ago */
    key_text(key, net->own_key);
    net->tls_expires_s = tls_context_expires_s(ctx);
    return 0;
}

int64_t net_tls_expires_s(const struct net *net)
{
    return net->tls_expires_s;
}

uint64_t net_tls_peer(SSL *ssl)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    uint64_t id = name_id(certificate);

    X509_free(certificate);
    return id;
}

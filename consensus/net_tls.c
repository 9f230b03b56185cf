#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "consensus/net_priv.h"
#include "store/base/mem.h"

#define NAME_PREFIX "hecate-member-"

static int fail(struct err *reterr, const char *what, const char *file)
{
    char text[256] = "";

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    return err_set(reterr, E_INVALID, "cluster.tls: %s %s: %s", what, file, text);
}

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

static int64_t end_of(const X509 *certificate)
{
    struct tm end;

    return certificate != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 ? (int64_t)timegm(&end)
                                                                                              : INT64_MAX;
}

/* The first end of our certificate and of those that it is verified by. */
static int64_t expires(SSL_CTX *ctx)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    int64_t first = end_of(SSL_CTX_get0_certificate(ctx));

    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        int64_t end = end_of(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i)));

        first = end < first ? end : first;
    }
    return first;
}

SSL_CTX *net_tls_context(const char *ca_file, const char *cert_file, const char *key_file, int64_t *ret_expires_s,
                         struct err *reterr)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    int rc = 0;

    if (ctx == NULL) {
        (void)fail(reterr, "cannot initialise", "TLS");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    if (SSL_CTX_load_verify_file(ctx, ca_file) != 1) {
        rc = fail(reterr, "cannot use the authority", ca_file);
    } else if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1) {
        rc = fail(reterr, "cannot use the certificate", cert_file);
    } else if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
               SSL_CTX_check_private_key(ctx) != 1) {
        rc = fail(reterr, "cannot use the key", key_file);
    }
    if (rc != 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    *ret_expires_s = expires(ctx);
    return ctx;
}

/* A certificate of another member would make the others take us for it. */
static bool names_member(SSL_CTX *ctx, uint64_t id)
{
    return name_id(SSL_CTX_get0_certificate(ctx)) == id;
}

int net_load_tls(struct net *net, struct err *reterr)
{
    int64_t expires_s = 0;
    SSL_CTX *ctx = net_tls_context(net->tls_files[0], net->tls_files[1], net->tls_files[2], &expires_s, reterr);

    if (ctx == NULL) {
        return E_INVALID;
    }
    if (!names_member(ctx, net->member_id)) {
        SSL_CTX_free(ctx);
        return err_set(reterr, E_INVALID,
                       "cluster.tls: the certificate %s is not of this member: its common name must be "
                       "hecate-member-%lu",
                       net->tls_files[1], (unsigned long)net->member_id);
    }
    SSL_CTX_free(net->tls); /* connections that there are keep it */
    net->tls = ctx;
    net->tls_expires_s = expires_s;
    return 0;
}

int net_reload_tls(struct net *net, struct err *reterr)
{
    return net->tls != NULL ? net_load_tls(net, reterr) : 0;
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

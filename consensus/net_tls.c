#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

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

SSL_CTX *net_tls_context(const struct cons_config *config, struct err *reterr)
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
    if (SSL_CTX_load_verify_file(ctx, config->tls_ca_file) != 1) {
        rc = fail(reterr, "cannot use the authority", config->tls_ca_file);
    } else if (SSL_CTX_use_certificate_chain_file(ctx, config->tls_cert_file) != 1) {
        rc = fail(reterr, "cannot use the certificate", config->tls_cert_file);
    } else if (SSL_CTX_use_PrivateKey_file(ctx, config->tls_key_file, SSL_FILETYPE_PEM) != 1 ||
               SSL_CTX_check_private_key(ctx) != 1) {
        rc = fail(reterr, "cannot use the key", config->tls_key_file);
    }
    if (rc != 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

uint64_t net_tls_peer(SSL *ssl)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    char name[64] = "";
    uint64_t id = 0;
    char *end;

    if (certificate == NULL) {
        return 0;
    }
    if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name)) > 0 &&
        strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) == 0) {
        const char *digits = name + strlen(NAME_PREFIX);

        id = strtoull(digits, &end, 10);
        if (*digits < '1' || *digits > '9' || *end != '\0') {
            id = 0;
        }
    }
    X509_free(certificate);
    return id;
}

#include "store/base/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/base/check.h"

/* We read no lists of revoked certificates: the word is free, and TLS has an alert for it. */
#define UNEXPECTED_KEY X509_V_ERR_CERT_REVOKED
#define UNEXPECTED_KEY_ALERT SSL_AD_CERTIFICATE_REVOKED

/* ---- why ---- */

const char *tls_cause_word(enum tls_cause cause)
{
    static const char *const words[] = {
#define X(name, word) word,
        TLS_CAUSE_TABLE(X)
#undef X
    };

    return (size_t)cause < sizeof(words) / sizeof(*words) ? words[cause] : "other";
}

/* What our own check of the other end's certificate found. */
static enum tls_cause cause_of_verify(long result)
{
    switch (result) {
    case X509_V_OK:
        return TLS_NONE;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return TLS_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TLS_NOT_YET_VALID;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return TLS_UNKNOWN_AUTHORITY;
    case UNEXPECTED_KEY:
        return TLS_WRONG_KEY;
    default:
        return TLS_BAD_CERTIFICATE;
    }
}

static enum tls_cause cause_of_alert(int alert)
{
    switch (alert) {
    case SSL_AD_CERTIFICATE_EXPIRED:
        return TLS_EXPIRED;
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_DECRYPT_ERROR: /* its authority has our authority's name, and another key */
        return TLS_UNKNOWN_AUTHORITY;
    case SSL_AD_CERTIFICATE_REQUIRED:
        return TLS_NO_CERTIFICATE;
    case SSL_AD_BAD_CERTIFICATE: /* also "not yet valid": TLS has no word of its own for it */
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
        return TLS_BAD_CERTIFICATE;
    case UNEXPECTED_KEY_ALERT:
        return TLS_WRONG_KEY;
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_PROTOCOL_VERSION:
        return TLS_PROTOCOL;
    default:
        return TLS_OTHER;
    }
}

static enum tls_cause cause_of_reason(int reason)
{
    switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        return TLS_PLAIN_TEXT;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return TLS_NO_CERTIFICATE;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_BAD_PROTOCOL_VERSION_NUMBER:
        return TLS_PROTOCOL;
    default:
        return TLS_OTHER;
    }
}

/* Takes the reason out of the queue: the oldest error is the one that the others follow from. */
static void take_error(SSL *ssl, struct tls_error *reterror)
{
    unsigned long code = ERR_get_error();
    int reason = ERR_GET_REASON(code);
    long verified = SSL_get_verify_result(ssl);
    const char *words = ERR_reason_error_string(code);

    if (reterror == NULL) {
        return;
    }
    memset(reterror, 0, sizeof(*reterror));
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
        reterror->remote = true;
        reterror->cause = cause_of_alert(reason - SSL_AD_REASON_OFFSET);
    } else if (verified != X509_V_OK) {
        reterror->cause = cause_of_verify(verified);
        words = X509_verify_cert_error_string(verified);
    } else {
        reterror->cause = ERR_GET_LIB(code) == ERR_LIB_SSL ? cause_of_reason(reason) : TLS_OTHER;
    }
    words = reterror->cause == TLS_WRONG_KEY ? "its key is not the one that is known" : words;
    (void)snprintf(reterror->text, sizeof(reterror->text), "%s", words != NULL ? words : "the session is broken");
}

/* ---- sessions ---- */

/* Judges a call that returned rc, and leaves the queue empty. */
static enum tls_result judge(SSL *ssl, int rc, struct tls_error *reterror)
{
    enum tls_result result;

    switch (SSL_get_error(ssl, rc)) {
    case SSL_ERROR_NONE:
        result = TLS_DONE;
        break;
    case SSL_ERROR_WANT_READ:
        result = TLS_WANT;
        break;
    case SSL_ERROR_ZERO_RETURN:
        result = TLS_ENDED;
        break;
    default:
        result = TLS_FAILED;
        take_error(ssl, reterror);
    }
    ERR_clear_error();
    return result;
}

enum tls_result tls_handshake(SSL *ssl, struct tls_error *reterror)
{
    ERR_clear_error();
    return judge(ssl, SSL_do_handshake(ssl), reterror);
}

enum tls_result tls_read(SSL *ssl, void *data, size_t size, size_t *ret_len, struct tls_error *reterror)
{
    *ret_len = 0;
    ERR_clear_error();
    return judge(ssl, SSL_read_ex(ssl, data, size, ret_len), reterror);
}

enum tls_result tls_write(SSL *ssl, const void *data, size_t len, size_t *ret_len, struct tls_error *reterror)
{
    *ret_len = 0;
    ERR_clear_error();
    return judge(ssl, SSL_write_ex(ssl, data, len, ret_len), reterror);
}

static int key_digest(const X509 *certificate, uint8_t ret[32])
{
    unsigned char *der = NULL;
    int len = certificate != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : 0;
    bool ok = len > 0 && EVP_Digest(der, (size_t)len, ret, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    ERR_clear_error();
    return ok ? 0 : E_NOT_FOUND;
}

int tls_own_key_digest(SSL_CTX *ctx, uint8_t ret[32])
{
    return key_digest(SSL_CTX_get0_certificate(ctx), ret);
}

static int verified(int ok, X509_STORE_CTX *ctx)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls_expectation *expectation = SSL_get_app_data(ssl);
    const X509 *certificate = X509_STORE_CTX_get_current_cert(ctx);
    uint8_t key[32];

    if (ok == 0 || X509_STORE_CTX_get_error_depth(ctx) != 0) {
        return ok;
    }
    if (key_digest(certificate, key) == 0 && expectation->expects(expectation->user, certificate, key)) {
        return 1;
    }
    X509_STORE_CTX_set_error(ctx, UNEXPECTED_KEY);
    return 0;
}

void tls_expect(SSL *ssl, const struct tls_expectation *expectation)
{
    CHECK(SSL_set_app_data(ssl, (void *)(uintptr_t)expectation) == 1);
    SSL_set_verify(ssl, SSL_get_verify_mode(ssl), verified);
}

/* ---- what the other end may make us do ---- */

#define KEY_UPDATES_MAX 32

static int key_updates; /* where each session counts them */

/* A change of keys takes whoever asks for it five bytes and us ten microseconds, and any number of them comes in one
 * read. Nobody needs as many. */
static bool are_too_many(int write_p, int content_type, const void *data, size_t len, SSL *ssl)
{
    uintptr_t n;

    if (write_p != 0 || content_type != SSL3_RT_HANDSHAKE || len == 0 ||
        *(const unsigned char *)data != SSL3_MT_KEY_UPDATE) {
        return false;
    }
    n = (uintptr_t)SSL_get_ex_data(ssl, key_updates) + 1;
    CHECK(SSL_set_ex_data(ssl, key_updates, (void *)n) == 1); // NOLINT(performance-no-int-to-ptr)
    return n > KEY_UPDATES_MAX;
}

/* As if the other end had closed: what follows is not looked at. */
static void seen_by_member(int write_p, int version, int content_type, const void *data, size_t len, SSL *ssl,
                           void *user)
{
    (void)version;
    (void)user;
    if (are_too_many(write_p, content_type, data, len, ssl)) {
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
}

/* h2o would keep the bytes behind such an end. With nothing to read from the session breaks instead. */
static void seen_by_server(int write_p, int version, int content_type, const void *data, size_t len, SSL *ssl,
                           void *user)
{
    (void)version;
    (void)user;
    if (are_too_many(write_p, content_type, data, len, ssl)) {
        SSL_set0_rbio(ssl, NULL);
    }
}

static void count_key_updates(SSL_CTX *ctx, enum tls_use use)
{
    if (key_updates == 0) { /* 0 is OpenSSL's own */
        key_updates = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        CHECK(key_updates > 0);
    }
    SSL_CTX_set_msg_callback(ctx, use == TLS_MEMBERS ? seen_by_member : seen_by_server);
}

/* ---- files ---- */

static int file_failed(struct err *reterr, const char *prefix, const char *what, const char *file)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);

    if (ERR_SYSTEM_ERROR(code)) {
        reason = strerror(ERR_GET_REASON(code));
    }
    ERR_clear_error();
    return err_set(reterr, E_INVALID, "%s: cannot use the %s %s: %s", prefix, what, file,
                   reason != NULL ? reason : "it is damaged");
}

/* OpenSSL would ask for it on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *user)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static int load(SSL_CTX *ctx, const struct tls_files *files, const char *prefix, struct err *reterr)
{
    if (files->ca != NULL && SSL_CTX_load_verify_file(ctx, files->ca) != 1) {
        return file_failed(reterr, prefix, "authority", files->ca);
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1) {
        return file_failed(reterr, prefix, "certificate", files->cert);
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        return file_failed(reterr, prefix, "key", files->key);
    }
    return 0;
}

/* A stranger chooses what we compute, before we know who it is: of what OpenSSL offers, ffdhe8192 takes 0.1 s, P-521
 * and P-384 take milliseconds. */
#define GROUPS "X25519:P-256"

SSL_CTX *tls_context_new(const struct tls_files *files, enum tls_use use, const char *prefix, struct err *reterr)
{
    struct tls_files read = *files;
    SSL_CTX *ctx;

    ERR_clear_error();
    ctx = SSL_CTX_new(use == TLS_MEMBERS ? TLS_method() : TLS_server_method());
    CHECK(ctx != NULL);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    CHECK(SSL_CTX_set1_groups_list(ctx, GROUPS) == 1);
    count_key_updates(ctx, use);
    if (use == TLS_MEMBERS) {
        SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(ctx, 0);
    } else {
        SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
        SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
        read.ca = NULL;
    }
    if (load(ctx, &read, prefix, reterr) != 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    ERR_clear_error();
    return ctx;
}

static int64_t end_of(const X509 *certificate)
{
    struct tm end;

    return certificate != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 ? (int64_t)timegm(&end)
                                                                                              : INT64_MAX;
}

int64_t tls_context_expires_s(SSL_CTX *ctx)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    int64_t first = end_of(SSL_CTX_get0_certificate(ctx));

    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        int64_t end = end_of(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i)));

        first = end < first ? end : first;
    }
    ERR_clear_error();
    return first;
}

int tls_context_judge(SSL_CTX *ctx, struct err *reterr)
{
    X509_STORE_CTX *judge = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = NULL;
    int rc = 0;

    CHECK(judge != NULL);
    (void)SSL_CTX_get0_chain_certs(ctx, &chain);
    if (X509_STORE_CTX_init(judge, SSL_CTX_get_cert_store(ctx), SSL_CTX_get0_certificate(ctx), chain) != 1 ||
        X509_verify_cert(judge) != 1) {
        rc = err_set(reterr, E_INVALID, "others will refuse its certificate: %s",
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(judge)));
    }
    X509_STORE_CTX_free(judge);
    ERR_clear_error();
    return rc;
}

void tls_forget_errors(void)
{
    ERR_clear_error();
}

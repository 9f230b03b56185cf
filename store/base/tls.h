/* TLS in one place: the only code of ours that calls OpenSSL's SSL_* and ERR_* functions.
 *
 * OpenSSL keeps errors in a queue per thread, and SSL_get_error judges a call by that queue: an error that another
 * connection, or a library, left there makes a healthy connection look broken. So each function here clears the queue
 * before the call and leaves it empty, and takes the reason out of it in between. What h2o calls by itself is covered
 * by tls_guard; libcurl clears the queue before its own calls. scripts/check-style finds such calls elsewhere.
 *
 * No sockets: the caller moves the bytes, through memory BIOs.
 */
#ifndef HECATE_STORE_BASE_TLS_H
#define HECATE_STORE_BASE_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

/* Why a session could not be made, or broke: X(NAME, word). */
#define TLS_CAUSE_TABLE(X)                                                    \
    X(NONE, "none")                                                           \
    X(EXPIRED, "expired")             /* a certificate, or its authority's */ \
    X(NOT_YET_VALID, "not-yet-valid") /* the same; or a clock is wrong */     \
    X(UNKNOWN_AUTHORITY, "unknown-authority")                                 \
    X(NO_CERTIFICATE, "no-certificate")                                       \
    X(BAD_CERTIFICATE, "bad-certificate")                                     \
    X(WRONG_KEY, "wrong-key")   /* tls_expect */                              \
    X(PLAIN_TEXT, "plain-text") /* what came is no TLS */                     \
    X(PROTOCOL, "protocol")                                                   \
    X(OTHER, "other")

enum tls_cause {
#define X(name, word) TLS_##name,
    TLS_CAUSE_TABLE(X)
#undef X
};

struct tls_error {
    enum tls_cause cause;
    bool remote;    /* the other end refuses: the cause is about our certificate */
    char text[160]; /* OpenSSL's own words */
};

const char *tls_cause_word(enum tls_cause cause);

enum tls_result {
    TLS_DONE,
    TLS_WANT,   /* nothing more until bytes of the other end come */
    TLS_ENDED,  /* the other end has closed the session in order */
    TLS_FAILED, /* the session is broken; *reterror says why (reterror may be NULL in all calls) */
};

enum tls_result tls_handshake(SSL *ssl, struct tls_error *reterror);
enum tls_result tls_read(SSL *ssl, void *data, size_t size, size_t *ret_len, struct tls_error *reterror);
enum tls_result tls_write(SSL *ssl, const void *data, size_t len, size_t *ret_len, struct tls_error *reterror);

/* Asked during the handshake, once the other end's certificate is known to be right: is its key (the SHA-256 of its
 * SubjectPublicKeyInfo) expected here? false: both ends fail with TLS_WRONG_KEY. */
struct tls_expectation {
    bool (*expects)(void *user, const X509 *certificate, const uint8_t key[32]);
    void *user;
};
void tls_expect(SSL *ssl, const struct tls_expectation *expectation); /* which must stay as long as the session */
/* The same of our own certificate. */
int tls_own_key_digest(SSL_CTX *ctx, uint8_t ret[32]);

enum tls_use {
    TLS_MEMBERS, /* both ends show a certificate of the authority; TLS 1.3 */
    TLS_SERVER,  /* for clients without a certificate; TLS 1.2 or newer; the authority is not read */
};

struct tls_files {
    const char *ca, *cert, *key;
};

/* Sessions of the context end when the other end asks for more changes of keys than anybody needs.
 * Reads the files. NULL: *reterr says which file cannot be used and why, and begins with `prefix`. A key that asks for
 * a passphrase is refused. */
SSL_CTX *tls_context_new(const struct tls_files *files, enum tls_use use, const char *prefix, struct err *reterr);
/* Would others that trust its authorities take its certificate now? E_INVALID: why not. */
int tls_context_judge(SSL_CTX *ctx, struct err *reterr);
/* When the first of its certificate and its authorities ends, in seconds of the epoch. */
int64_t tls_context_expires_s(SSL_CTX *ctx);
/* For code that uses OpenSSL for something else (keys, digests): leaves the queue empty. */
void tls_forget_errors(void);

#endif

#include "daemon/executor/ssh_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/executor/executor.h"
#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/tls.h"

#define KEY_MAX 65536
#define RSA_BITS_MAX 16384

struct ssh_key {
    char *text; /* the file */
    size_t len;
    EVP_PKEY *rsa; /* NULL: not an RSA key */
    const char *algorithm;
};

static int read_file(const char *file, struct ssh_key *key, struct err *reterr)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0) {
        return err_set(reterr, E_INVALID, "cannot open the private key %s: %s", file, strerror(errno));
    }
    key->text = mem_calloc(KEY_MAX + 1, 1);
    n = read(fd, key->text, KEY_MAX);
    (void)close(fd); /* only read from */
    if (n <= 0 || n == KEY_MAX) {
        return err_set(reterr, E_INVALID, "%s is no private key", file);
    }
    key->len = (size_t)n;
    return 0;
}

/* The library gets the key as PEM: its own reader of ECDSA keys in OpenSSH's format leaks at each connection. */
static void to_pem(struct ssh_key *key, EVP_PKEY *pkey)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *data;
    long len;

    CHECK(bio != NULL && PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1);
    len = BIO_get_mem_data(bio, &data);
    CHECK(len > 0 && len < KEY_MAX);
    explicit_bzero(key->text, key->len);
    memcpy(key->text, data, (size_t)len);
    key->text[len] = '\0';
    key->len = (size_t)len;
    BIO_free(bio);
}

int ssh_key_load(const char *file, struct ssh_key **ret_key, struct err *reterr)
{
    struct ssh_key *key = mem_calloc(1, sizeof(*key));
    EVP_PKEY *pkey = NULL;
    BIO *bio;
    int rc = read_file(file, key, reterr);

    if (rc == 0 && strstr(key->text, "PRIVATE KEY-----") == NULL) {
        rc = err_set(reterr, E_INVALID, "%s is no private key", file);
    }
    if (rc != 0) {
        ssh_key_free(key);
        return rc;
    }
    bio = BIO_new_mem_buf(key->text, (int)key->len);
    CHECK(bio != NULL);
    pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) ""); /* no prompt for a passphrase */
    BIO_free(bio);
    if (pkey == NULL) { /* OpenSSH's format is not PEM for OpenSSL */
        pkey = ssh_key_openssh(key->text);
        if (pkey != NULL) {
            to_pem(key, pkey);
        }
    }
    tls_forget_errors();
    if (pkey != NULL && EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) > RSA_BITS_MAX) {
        EVP_PKEY_free(pkey);
        ssh_key_free(key);
        return err_set(reterr, E_INVALID, "%s has more than %d bits", file, RSA_BITS_MAX);
    }
    if (pkey != NULL && EVP_PKEY_is_a(pkey, "RSA")) {
        key->rsa = pkey;
    } else {
        EVP_PKEY_free(pkey);
    }
    *ret_key = key;
    return 0;
}

void ssh_key_free(struct ssh_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->rsa);
        if (key->text != NULL) {
            explicit_bzero(key->text, key->len);
        }
        free(key->text);
        free(key);
    }
}

/* ---- RSA ---- */

static void put_string(struct buf *buf, const void *data, size_t len)
{
    char head[4] = {(char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};

    buf_append(buf, head, 4);
    buf_append(buf, data, len);
}

static void put_number(struct buf *buf, const EVP_PKEY *key, const char *name)
{
    unsigned char bytes[2050];
    BIGNUM *number = NULL;
    int len;

    CHECK(EVP_PKEY_get_bn_param(key, name, &number) == 1);
    len = BN_num_bytes(number);
    CHECK(len < (int)sizeof(bytes) - 1);
    bytes[0] = 0; /* numbers with the highest bit set get a zero in front */
    BN_bn2bin(number, bytes + 1);
    put_string(buf, bytes[1] >= 0x80 ? bytes : bytes + 1, (size_t)len + (bytes[1] >= 0x80));
    BN_free(number);
}

static int sign(LIBSSH2_SESSION *session, unsigned char **ret_signature, size_t *ret_len, const unsigned char *data,
                size_t len, void **abstract)
{
    struct ssh_key *key = *abstract;
    const EVP_MD *digest = strstr(key->algorithm, "512") != NULL ? EVP_sha512() : EVP_sha256();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t size = (size_t)EVP_PKEY_get_size(key->rsa);
    unsigned char *signature = malloc(size); /* the library frees it */
    int ok;

    (void)session;
    CHECK(ctx != NULL && signature != NULL);
    ok = EVP_DigestSignInit(ctx, NULL, digest, NULL, key->rsa) == 1 &&
         EVP_DigestSign(ctx, signature, &size, data, len) == 1;
    EVP_MD_CTX_free(ctx);
    tls_forget_errors();
    if (!ok) {
        free(signature);
        return -1;
    }
    *ret_signature = signature;
    *ret_len = size;
    return 0;
}

int ssh_key_authenticate(struct ssh_key *key, LIBSSH2_SESSION *session, const char *user, unsigned attempt,
                         int *ret_more)
{
    static const char *const algorithms[] = {"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"};
    CLEANUP(buf_fini) struct buf blob = BUF_INIT;
    void *abstract = key;

    if (key->rsa == NULL || attempt >= 2) { /* the library's own way; for RSA only old servers take it */
        *ret_more = 0;
        return libssh2_userauth_publickey_frommemory(session, user, strlen(user), NULL, 0, key->text, key->len, NULL);
    }
    *ret_more = 1;
    key->algorithm = algorithms[attempt];
    put_string(&blob, key->algorithm, strlen(key->algorithm));
    put_number(&blob, key->rsa, OSSL_PKEY_PARAM_RSA_E);
    put_number(&blob, key->rsa, OSSL_PKEY_PARAM_RSA_N);
    return libssh2_userauth_publickey(session, user, (const unsigned char *)blob.data, blob.len, sign, &abstract);
}

int exec_key_check(const char *file, struct err *reterr)
{
    struct ssh_key *key = NULL;
    int rc = ssh_key_load(file, &key, reterr);

    if (rc == 0) {
        ssh_key_free(key);
    }
    return rc;
}

/* RSA and ECDSA keys in OpenSSH's own format, which OpenSSL does not read: "openssh-key-v1", names of cipher and key
 * derivation, their options, the number of keys, the public key, the private part; all of it as strings with lengths.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/ssh_key.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1"
#define NUMBER_MAX 2050

struct bytes {
    const unsigned char *at;
    size_t left;
    bool bad;
};

static uint32_t take_number(struct bytes *from)
{
    uint32_t number;

    if (from->left < 4) {
        from->bad = true;
        return 0;
    }
    number = (uint32_t)from->at[0] << 24 | (uint32_t)from->at[1] << 16 | (uint32_t)from->at[2] << 8 | from->at[3];
    from->at += 4;
    from->left -= 4;
    return number;
}

static struct bytes take_string(struct bytes *from)
{
    size_t len = take_number(from);
    struct bytes string = {from->at, len, false};

    if (from->bad || from->left < len) {
        from->bad = true;
        return (struct bytes){(const unsigned char *)"", 0, true};
    }
    from->at += len;
    from->left -= len;
    return string;
}

static bool is(struct bytes string, const char *text)
{
    return string.left == strlen(text) && memcmp(string.at, text, string.left) == 0;
}

static BIGNUM *take_bignum(struct bytes *from)
{
    struct bytes string = take_string(from);
    BIGNUM *number;

    if (string.bad || string.left > NUMBER_MAX) {
        from->bad = true;
    }
    number = BN_bin2bn(string.at, from->bad ? 0 : (int)string.left, NULL);
    CHECK(number != NULL);
    return number;
}

/* d modulo (prime - 1) */
static BIGNUM *reduced(const BIGNUM *d, const BIGNUM *prime)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *less = BN_dup(prime), *result = BN_new();

    CHECK(ctx != NULL && less != NULL && result != NULL);
    if (BN_sub_word(less, 1) != 1 || BN_is_zero(less) || BN_mod(result, d, less, ctx) != 1) {
        BN_free(result);
        result = NULL;
    }
    BN_clear_free(less);
    BN_CTX_free(ctx);
    return result;
}

/* Takes the builder. */
static EVP_PKEY *make(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY *key = NULL;

    CHECK(ctx != NULL && params != NULL);
    if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1) {
        key = NULL;
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* n, e, d, 1/q mod p, p, q */
static EVP_PKEY *read_rsa(struct bytes part)
{
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
                                        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
                                        OSSL_PKEY_PARAM_RSA_FACTOR1,   OSSL_PKEY_PARAM_RSA_FACTOR2,
                                        OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2};
    BIGNUM *numbers[8] = {NULL};
    EVP_PKEY *key = NULL;

    for (size_t i = 0; i < 6; i++) {
        numbers[i] = take_bignum(&part);
    }
    if (!part.bad) {
        numbers[6] = reduced(numbers[2], numbers[4]);
        numbers[7] = reduced(numbers[2], numbers[5]);
    }
    if (numbers[6] != NULL && numbers[7] != NULL) {
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();

        CHECK(builder != NULL);
        for (size_t i = 0; i < 8; i++) {
            CHECK(OSSL_PARAM_BLD_push_BN(builder, names[i], numbers[i]) == 1);
        }
        key = make("RSA", builder);
    }
    for (size_t i = 0; i < 8; i++) {
        BN_clear_free(numbers[i]);
    }
    return key;
}

/* The curve's name, the public point, the private number. */
static EVP_PKEY *read_ecdsa(struct bytes part)
{
    static const char *const curves[][2] = {
        {"nistp256", "prime256v1"}, {"nistp384", "secp384r1"}, {"nistp521", "secp521r1"}};
    struct bytes curve = take_string(&part);
    struct bytes point = take_string(&part);
    BIGNUM *number = take_bignum(&part);
    EVP_PKEY *key = NULL;

    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves) && !part.bad; i++) {
        if (is(curve, curves[i][0])) {
            OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();

            CHECK(builder != NULL &&
                  OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curves[i][1], 0) == 1 &&
                  OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.at, point.left) == 1 &&
                  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, number) == 1);
            key = make("EC", builder);
        }
    }
    BN_clear_free(number);
    return key;
}

/* Two equal check numbers, the type, what belongs to the type, comment, padding. */
static EVP_PKEY *read_private(struct bytes part)
{
    uint32_t check = take_number(&part);
    struct bytes type;

    if (check != take_number(&part)) {
        return NULL;
    }
    type = take_string(&part);
    if (is(type, "ssh-rsa")) {
        return read_rsa(part);
    }
    return type.left > 11 && memcmp(type.at, "ecdsa-sha2-", 11) == 0 ? read_ecdsa(part) : NULL;
}

static EVP_PKEY *read_container(struct bytes all)
{
    struct bytes cipher, derivation;

    if (all.left < sizeof(MAGIC) || memcmp(all.at, MAGIC, sizeof(MAGIC)) != 0) {
        return NULL;
    }
    all.at += sizeof(MAGIC);
    all.left -= sizeof(MAGIC);
    cipher = take_string(&all);
    derivation = take_string(&all);
    (void)take_string(&all); /* its options */
    if (!is(cipher, "none") || !is(derivation, "none") || take_number(&all) != 1) {
        return NULL;
    }
    (void)take_string(&all); /* the public key is in the private part, too */
    return read_private(take_string(&all));
}

EVP_PKEY *ssh_key_openssh(const char *text)
{
    const char *begin = strstr(text, BEGIN);
    const char *end = begin != NULL ? strstr(begin, END) : NULL;
    EVP_ENCODE_CTX *ctx;
    EVP_PKEY *key = NULL;
    unsigned char *data;
    size_t size;
    int len = 0, rest = 0;

    if (end == NULL) {
        return NULL;
    }
    begin += sizeof(BEGIN) - 1;
    size = (size_t)(end - begin);
    data = mem_alloc(size + 64);
    ctx = EVP_ENCODE_CTX_new();
    CHECK(ctx != NULL);
    EVP_DecodeInit(ctx);
    if (EVP_DecodeUpdate(ctx, data, &len, (const unsigned char *)begin, (int)size) >= 0 &&
        EVP_DecodeFinal(ctx, data + len, &rest) == 1) {
        key = read_container((struct bytes){data, (size_t)(len + rest), false});
    }
    EVP_ENCODE_CTX_free(ctx);
    explicit_bzero(data, size + 64);
    free(data);
    return key;
}

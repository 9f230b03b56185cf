/* The order of the checks is part of the contract: what is wrong first is what the client reads. */
#include "api/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/json_read.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define TOKEN_MAX 8192 /* those of Heketi's clients have 300: no stranger's is worth more work */

struct part {
    const char *text;
    size_t len;
};

struct header {
    struct api_field_any alg;
};

struct claims {
    char *iss, *qsh, *aud, *sub, *jti;
    int64_t exp, iat, nbf;
};

static const struct api_field header_fields[] = {
    {"alg", API_FIELD_ANY, offsetof(struct header, alg), NULL},
    {NULL, API_FIELD_END, 0, NULL},
};

#define CLAIM(name, type)                                            \
    {                                                                \
#name, API_FIELD_##type, offsetof(struct claims, name), NULL \
    }

static const struct api_field claims_fields[] = {
    CLAIM(iss, STR), CLAIM(qsh, STR), CLAIM(aud, STR),
    CLAIM(sub, STR), CLAIM(jti, STR), CLAIM(exp, INT),
    CLAIM(iat, INT), CLAIM(nbf, INT), {NULL, API_FIELD_END, 0, NULL},
};

static void header_fini(struct header *header)
{
    free(header->alg.text);
}

static void claims_fini(struct claims *claims)
{
    free(claims->iss);
    free(claims->qsh);
    free(claims->aud);
    free(claims->sub);
    free(claims->jti);
}

static int refuse(struct buf *text, const char *message)
{
    buf_append_str(text, message);
    return 401;
}

static int refuse_token(struct buf *text, const char *message)
{
    buf_printf(text, "Invalid JWT token: %s", message);
    return 401;
}

/* ---- the header's words, the token's parts, base64 ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word of *rest; len 0 at the end. */
static struct part next_word(struct part *rest)
{
    struct part word;

    while (rest->len > 0 && is_space(*rest->text)) {
        rest->text++;
        rest->len--;
    }
    word = (struct part){rest->text, 0};
    while (rest->len > 0 && !is_space(*rest->text)) {
        rest->text++;
        rest->len--;
        word.len++;
    }
    return word;
}

static bool split_token(struct part token, struct part ret_parts[3])
{
    size_t n = 0;

    ret_parts[0] = (struct part){token.text, 0};
    for (size_t i = 0; i < token.len; i++) {
        if (token.text[i] != '.') {
            ret_parts[n].len++;
        } else if (++n == 3) {
            return false;
        } else {
            ret_parts[n] = (struct part){token.text + i + 1, 0};
        }
    }
    return n == 2;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* base64url without padding. False with the offset of what is wrong. */
static bool decode_part(struct part part, struct buf *buf, size_t *ret_offset)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < part.len; i++) {
        int value = base64_value(part.text[i]);

        if (value < 0) {
            *ret_offset = i;
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 1) {
            buf_append_char(buf, (char)(bits >> 4 & 0xff));
        } else if (i % 4 == 2) {
            buf_append_char(buf, (char)(bits >> 2 & 0xff));
        } else if (i % 4 == 3) {
            buf_append_char(buf, (char)(bits & 0xff));
        }
    }
    *ret_offset = part.len - part.len % 4;
    return part.len % 4 != 1;
}

static int read_part(struct part part, enum api_json_mode mode, const struct api_field *fields, void *record,
                     struct buf *text)
{
    CLEANUP(buf_fini) struct buf json = BUF_INIT;
    const char *reason;
    size_t offset;

    if (!decode_part(part, &json, &offset)) {
        buf_printf(text, "Invalid JWT token: illegal base64 data at input byte %zu", offset);
        return 401;
    }
    if (api_json_read(buf_str(&json), json.len, mode, fields, record, &reason) != 0) {
        return refuse_token(text, reason);
    }
    return 0;
}

/* ---- algorithm, signature ---- */

static int find_digest(const char *alg, const EVP_MD **ret_digest, struct buf *text)
{
    static const char *const others[] = {"none",  "RS256", "RS384", "RS512", "ES256",
                                         "ES384", "ES512", "PS256", "PS384", "PS512"};

    if (alg == NULL) {
        return refuse_token(text, "signing method (alg) is unspecified.");
    }
    if (strcmp(alg, "HS256") == 0) {
        *ret_digest = EVP_sha256();
        return 0;
    }
    if (strcmp(alg, "HS384") == 0) {
        *ret_digest = EVP_sha384();
        return 0;
    }
    if (strcmp(alg, "HS512") == 0) {
        *ret_digest = EVP_sha512();
        return 0;
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (strcmp(alg, others[i]) == 0) {
            buf_printf(text, "Invalid JWT token: Unexpected signing method: %s", alg);
            return 401;
        }
    }
    return refuse_token(text, "signing method (alg) is unavailable.");
}

static bool signature_valid(const EVP_MD *digest, const char *key, const struct part parts[3])
{
    CLEANUP(buf_fini) struct buf given = BUF_INIT;
    unsigned char expected[EVP_MAX_MD_SIZE];
    unsigned expected_len = 0;
    size_t signed_len = parts[0].len + 1 + parts[1].len; /* the two parts and the dot, as they were sent */
    size_t offset;

    if (!decode_part(parts[2], &given, &offset)) {
        return false;
    }
    CHECK(HMAC(digest, key, (int)strlen(key), (const unsigned char *)parts[0].text, signed_len, expected,
               &expected_len) != NULL);
    return given.len == expected_len && CRYPTO_memcmp(given.data, expected, expected_len) == 0;
}

/* ---- claims ---- */

static void append_duration(struct buf *text, uint64_t seconds)
{
    if (seconds >= 3600) {
        buf_printf(text, "%luh", (unsigned long)(seconds / 3600));
    }
    if (seconds >= 60) {
        buf_printf(text, "%lum", (unsigned long)(seconds / 60 % 60));
    }
    buf_printf(text, "%lus", (unsigned long)(seconds % 60));
}

static int check_times(const struct claims *claims, uint32_t leeway_s, int64_t now_s, struct buf *text)
{
    if (now_s < claims->nbf) {
        return refuse_token(text, "token is not valid yet");
    }
    if (now_s + (int64_t)leeway_s < claims->iat) {
        return refuse_token(text, "Token used before issued (client and server clocks may differ)");
    }
    if (now_s > claims->exp) {
        buf_append_str(text, "Invalid JWT token: Token is expired by ");
        append_duration(text, (uint64_t)now_s - (uint64_t)claims->exp);
        return 401;
    }
    return 0;
}

static bool qsh_valid(const char *qsh, const struct api_auth_request *request)
{
    static const char digits[] = "0123456789abcdef";
    CLEANUP(buf_fini) struct buf covered = BUF_INIT;
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char expected[2 * SHA256_DIGEST_LENGTH];

    buf_append(&covered, request->method, request->method_len);
    buf_append_char(&covered, '&');
    buf_append(&covered, request->path, request->path_len);
    SHA256((const unsigned char *)covered.data, covered.len, hash);
    for (size_t i = 0; i < sizeof(hash); i++) {
        expected[2 * i] = digits[hash[i] >> 4];
        expected[2 * i + 1] = digits[hash[i] & 15];
    }
    return qsh != NULL && strlen(qsh) == sizeof(expected) && CRYPTO_memcmp(qsh, expected, sizeof(expected)) == 0;
}

static int check_token(const struct api_auth *auth, const struct api_auth_request *request, struct part token,
                       enum api_role *ret_role, struct buf *text)
{
    CLEANUP(header_fini) struct header header = {0};
    CLEANUP(claims_fini) struct claims claims = {0};
    const EVP_MD *digest = NULL;
    struct part parts[3];
    int status;

    if (token.len > TOKEN_MAX) {
        return refuse_token(text, "token is too long");
    }
    if (!split_token(token, parts)) {
        return refuse_token(text, "token contains an invalid number of segments");
    }
    status = read_part(parts[0], API_JSON_EXACT_NAMES, header_fields, &header, text);
    if (status == 0) {
        status = read_part(parts[1], API_JSON_FIRST, claims_fields, &claims, text);
    }
    if (status == 0) {
        status = find_digest(header.alg.text, &digest, text);
    }
    if (status != 0) {
        return status;
    }
    if (claims.iss == NULL || *claims.iss == '\0') {
        return refuse_token(text, "Token missing iss claim");
    }
    if (strcmp(claims.iss, "admin") == 0) {
        *ret_role = API_ROLE_ADMIN;
    } else if (strcmp(claims.iss, "user") == 0) {
        *ret_role = API_ROLE_USER;
    } else {
        return refuse_token(text, "Unknown user");
    }
    if (!signature_valid(digest, *ret_role == API_ROLE_ADMIN ? auth->admin_key : auth->user_key, parts)) {
        return refuse_token(text, "signature is invalid (client and server secrets may not match)");
    }
    status = check_times(&claims, auth->iat_leeway_s, request->now_s, text);
    if (status == 0 && !qsh_valid(claims.qsh, request)) {
        return refuse(text, "Invalid qsh claim in token");
    }
    return status;
}

int api_auth_check(const struct api_auth *auth, const struct api_auth_request *request, enum api_role *ret_role,
                   struct buf *text)
{
    static const char only_path[] = "/volumes";
    struct part rest = {request->header, request->header != NULL ? request->header_len : 0};
    struct part scheme, token;
    int status;

    if (rest.len == 0) {
        return refuse(text, "Required authorization token not found");
    }
    scheme = next_word(&rest);
    token = next_word(&rest);
    if (token.len == 0 || next_word(&rest).len > 0 || scheme.len != strlen("bearer") ||
        strncasecmp(scheme.text, "bearer", scheme.len) != 0) {
        buf_append_str(text, "Authorization header format must be Bearer {token}");
        return 400;
    }
    status = check_token(auth, request, token, ret_role, text);
    if (status != 0) {
        return status;
    }
    if (*ret_role == API_ROLE_USER &&
        !(request->path_len == sizeof(only_path) - 1 && memcmp(request->path, only_path, sizeof(only_path) - 1) == 0)) {
        return refuse(text, "Administrator access required");
    }
    return 0;
}

void api_auth_prove_local(const char *key, const char *header, size_t header_len, char *ret_proof)
{
    static const char domain[] = "local ";
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    buf_append_str(&text, domain);
    buf_append(&text, header, header_len);
    CHECK(HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)text.data, text.len, mac, &len) != NULL);
    for (unsigned i = 0; i < len; i++) {
        (void)snprintf(ret_proof + (size_t)2 * i, 3, "%02x", mac[i]);
    }
}

bool api_auth_proves_local(const char *key, const char *header, size_t header_len, const char *proof, size_t proof_len)
{
    char expected[API_AUTH_PROOF_SIZE];

    api_auth_prove_local(key, header, header_len, expected);
    return proof_len == sizeof(expected) - 1 && CRYPTO_memcmp(proof, expected, proof_len) == 0;
}

#include "tests/unit/api/token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"

static void append_base64(struct buf *buf, const void *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits =
            (uint32_t)p[i] << 16 | (i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < len ? p[i + 2] : 0);

        buf_append_char(buf, digits[bits >> 18]);
        buf_append_char(buf, digits[bits >> 12 & 63]);
        if (i + 1 < len) {
            buf_append_char(buf, digits[bits >> 6 & 63]);
        }
        if (i + 2 < len) {
            buf_append_char(buf, digits[bits & 63]);
        }
    }
}

char *token_make(const char *header, const char *claims, const char *alg, const char *key)
{
    struct buf buf = BUF_INIT;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;

    append_base64(&buf, header, strlen(header));
    buf_append_char(&buf, '.');
    append_base64(&buf, claims, strlen(claims));
    if (strcmp(alg, "none") != 0) {
        const EVP_MD *digest = strcmp(alg, "HS512") == 0   ? EVP_sha512()
                               : strcmp(alg, "HS384") == 0 ? EVP_sha384()
                                                           : EVP_sha256();

        CHECK(HMAC(digest, key, (int)strlen(key), (unsigned char *)buf.data, buf.len, mac, &mac_len) != NULL);
    }
    buf_append_char(&buf, '.');
    append_base64(&buf, mac, mac_len);
    return buf_take(&buf);
}

char *token_qsh(const char *method, const char *path)
{
    CLEANUP(free_ptr) char *covered = mem_printf("%s&%s", method, path);
    unsigned char hash[SHA256_DIGEST_LENGTH];
    struct buf buf = BUF_INIT;

    SHA256((unsigned char *)covered, strlen(covered), hash);
    for (size_t i = 0; i < sizeof(hash); i++) {
        buf_printf(&buf, "%02x", hash[i]);
    }
    return buf_take(&buf);
}

char *token_bearer(const char *issuer, const char *key, const char *method, const char *path, int64_t now_s)
{
    CLEANUP(free_ptr) char *qsh = token_qsh(method, path);
    CLEANUP(free_ptr)
    char *claims = mem_printf("{\"iss\":\"%s\",\"iat\":%ld,\"exp\":%ld,\"qsh\":\"%s\"}", issuer, (long)now_s,
                              (long)now_s + 300, qsh);
    CLEANUP(free_ptr) char *token = token_make("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims, "HS256", key);

    return mem_printf("bearer %s", token);
}

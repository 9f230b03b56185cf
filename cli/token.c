/* Heketi's tokens: a JWT for each request, bound to its method and path. */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "cli/cli.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define LIFETIME_S 300

char *token_qsh(const char *method, const char *path)
{
    char *text = mem_printf("%s&%s", method, path);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct buf hex = BUF_INIT;

    CHECK(EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) == 1);
    free(text);
    for (size_t i = 0; i < sizeof(digest); i++) {
        buf_printf(&hex, "%02x", digest[i]);
    }
    return buf_take(&hex);
}

/* base64url without padding */
static void append_part(struct buf *buf, const void *data, size_t len)
{
    unsigned char *text = mem_alloc(4 * ((len + 2) / 3) + 1);
    int n = EVP_EncodeBlock(text, data, (int)len);

    for (int i = 0; i < n && text[i] != '='; i++) {
        char c = (char)text[i];

        buf_append_char(buf, c == '+' ? '-' : c == '/' ? '_' : c);
    }
    free(text);
}

char *token_make(const char *user, const char *key, const char *method, const char *path, int64_t now_s)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    struct buf token = BUF_INIT;
    json_t *claims = json_object();
    char *qsh = token_qsh(method, path);
    char *text;

    if (*user != '\0') {
        json_object_set_new(claims, "iss", json_string(user));
    }
    json_object_set_new(claims, "iat", json_integer(now_s));
    json_object_set_new(claims, "exp", json_integer(now_s + LIFETIME_S));
    json_object_set_new(claims, "qsh", json_string(qsh));
    text = json_dumps(claims, JSON_COMPACT);
    CHECK(text != NULL);
    append_part(&token, header, strlen(header));
    buf_append_char(&token, '.');
    append_part(&token, text, strlen(text));
    CHECK(HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)token.data, token.len, mac, &mac_len) !=
          NULL);
    buf_append_char(&token, '.');
    append_part(&token, mac, mac_len);
    free(text);
    free(qsh);
    json_decref(claims);
    return buf_take(&token);
}

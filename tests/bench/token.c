#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "tests/bench/load.h"

static void to_base64url(const unsigned char *data, size_t len, char *ret_text)
{
    int n = EVP_EncodeBlock((unsigned char *)ret_text, data, (int)len);

    while (n > 0 && ret_text[n - 1] == '=') {
        n--;
    }
    ret_text[n] = '\0';
    for (char *c = ret_text; *c != '\0'; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
}

char *load_token(const char *key, const char *method, const char *path)
{
    CLEANUP(free_ptr) char *bound = mem_printf("%s&%s", method, path);
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    char claims[256], claims64[400], signature[64], signed_part[512];
    long now_s = (long)time(NULL);

    SHA256((const unsigned char *)bound, strlen(bound), hash);
    for (size_t i = 0; i < sizeof(hash); i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
    (void)snprintf(claims, sizeof(claims), "{\"iss\":\"admin\",\"iat\":%ld,\"exp\":%ld,\"qsh\":\"%s\"}", now_s,
                   now_s + 300, hex);
    to_base64url((const unsigned char *)claims, strlen(claims), claims64);
    (void)snprintf(signed_part, sizeof(signed_part), "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.%s", claims64);
    CHECK(HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)signed_part, strlen(signed_part), hash,
               NULL) != NULL);
    to_base64url(hash, sizeof(hash), signature);
    return mem_printf("Authorization: bearer %s.%s", signed_part, signature);
}

/* Makes tokens for tests. */
#ifndef HECATE_TESTS_UNIT_API_TOKEN_H
#define HECATE_TESTS_UNIT_API_TOKEN_H

#include <stdint.h>

#define ADMIN_KEY "admin-secret"
#define USER_KEY "user-secret"

/* "header.claims.signature" from JSON texts; alg chooses the hash really used: "HS256", "HS384", "HS512", "none". */
char *token_make(const char *header, const char *claims, const char *alg, const char *key);
/* A valid Authorization value for method and path. */
char *token_bearer(const char *issuer, const char *key, const char *method, const char *path, int64_t now_s);
/* qsh claim of method and path. */
char *token_qsh(const char *method, const char *path);

#endif

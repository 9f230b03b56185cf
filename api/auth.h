/* Heketi's tokens (heketi-rest.md 5): one JWT per request, bound to its method and path. Pure. */
#ifndef HECATE_API_AUTH_H
#define HECATE_API_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"

enum api_role { API_ROLE_ADMIN, API_ROLE_USER };

struct api_auth {
    const char *admin_key, *user_key;
    uint32_t iat_leeway_s;
};

struct api_auth_request {
    const char *header; /* value of Authorization; NULL when there is none */
    size_t header_len;
    const char *method;
    size_t method_len;
    const char *path; /* percent-decoded, without query */
    size_t path_len;
    int64_t now_s;
};

/* 0, or the status (400, 401) with the text for the client, without its final LF, appended to text. A user may do
 * nothing but /volumes. */
int api_auth_check(const struct api_auth *auth, const struct api_auth_request *request, enum api_role *ret_role,
                   struct buf *text);

/* A member that forwards a request of its own host proves so to the leader: with the admin key, which the members
 * share, over the value of Authorization. */
#define API_AUTH_PROOF_SIZE 65
void api_auth_prove_local(const char *key, const char *header, size_t header_len, char *ret_proof);
bool api_auth_proves_local(const char *key, const char *header, size_t header_len, const char *proof, size_t proof_len);

#endif

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

#endif

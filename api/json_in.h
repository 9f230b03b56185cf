/* Request bodies: JSON to a store_request, with every refusal of the contract that needs no look at the database. Pure.
 */
#ifndef HECATE_API_JSON_IN_H
#define HECATE_API_JSON_IN_H

#include "api/json_read.h"
#include "api/router.h"
#include "store/base/buf.h"
#include "store/request.h"

struct api_body {
    struct store_request request; /* ids from the body that can be no known object's are ID_NONE */
    struct store_strs clusters;   /* volume create: as given; the caller looks them up */
};

/* Does this route read a body? */
bool api_body_wanted(enum api_route route);
/* The members that count in it, as json_read.h describes them; NULL: none. */
const struct api_field *api_body_fields(enum api_route route);

/* 0, or the status (422, 400) with the text for the client, without its final LF, appended to text. *ret_body is
 * filled either way and the caller's to free. The target and the key are left to the caller. */
int api_body_read(enum api_route route, const char *json, size_t len, struct api_body *ret_body, struct buf *text);
void api_body_fini(struct api_body *body);

/* A host by IPv4/IPv6 literal or name (heketi-rest.md 3.6). */
bool api_host_valid(const char *host);

#endif

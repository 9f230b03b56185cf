/* The whole database as Heketi dumps it (GET /db/dump, and within GET /internal/state/examine/gluster), and the report
 * of GET /db/check, in indented JSON. */
#ifndef HECATE_API_JSON_DUMP_H
#define HECATE_API_JSON_DUMP_H

#include "api/json_write.h"
#include "store/base/err.h"
#include "store/store.h"

/* A dump of this moment, made in pieces; new is cheap, the rest is for threads. generation: of the cluster of members.
 * examined: NULL, or an object in compact JSON, taken; then the dump is its first member, "heketidb". */
struct api_dump;
struct api_dump *api_dump_new(const struct store *store, struct id generation, char *examined);
/* Appends the next piece, of about so many bytes. 1: there is more; 0: that was the last; or E_DAMAGED. */
int api_dump_next(struct api_dump *dump, size_t bytes, struct buf *buf, struct err *reterr);
void api_dump_free(struct api_dump *dump);

/* store NULL: it could not be read back; problem: what was found otherwise, NULL for nothing. */
void api_check(struct api_json *json, const struct store *store, const char *problem);

#endif

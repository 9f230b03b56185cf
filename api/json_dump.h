/* The database as Heketi dumps it (heketi-storage.md 11.2), and the report of its check. Pure. */
#ifndef HECATE_API_JSON_DUMP_H
#define HECATE_API_JSON_DUMP_H

#include "api/json_write.h"
#include "store/store.h"

/* One object with eight maps. Nodes and devices that are still being added are left out, as Heketi has no such thing.
 * generation: DB_GENERATION_ID, the id of this cluster. */
void api_dump(struct api_json *json, const struct store *store, struct id generation);

/* GET /db/check: counts of each kind, and what is wrong. store NULL: it cannot even be read, problem says why. */
void api_check(struct api_json *json, const struct store *store, const char *problem);

#endif

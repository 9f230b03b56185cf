/* Filling an empty database with the content of another one (an import, a restored backup) by a series of commands that
 * takes effect as a whole or not at all. Finished jobs, request keys and settings are not taken along. */
#ifndef HECATE_STORE_LOAD_H
#define HECATE_STORE_LOAD_H

#include "store/store.h"

#define STORE_LOAD_PART_BYTES 65536 /* one part is applied in a few milliseconds */

struct store_loader;

/* NULL: more is pending in source than fits into one command, clean-ups that wait for nodes not counted. source is
 * borrowed and must not change. A load with the id of the one that was finished last is not done twice. Looks at all of
 * source: for a thread. */
struct store_loader *store_loader_new(const struct store *source, struct id load, size_t bytes_max);
void store_loader_free(struct store_loader *loader);
/* The next part (store_cmd_fini by the caller); false after the last one. A part is proposed only when the one before
 * it is applied. */
bool store_loader_next(struct store_loader *loader, struct store_cmd *ret_cmd);

/* A load's id, from the bytes that it comes from. */
struct id store_load_id(const void *data, size_t len);

/* Nothing is there but settings, jobs and request keys. */
bool store_is_empty(const struct store *store);

#endif

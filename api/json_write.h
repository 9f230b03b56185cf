/* Writes JSON as Go's MarshalIndent does: four blanks for each level, nothing between the brackets of what is empty.
 * Pure. The caller opens and closes in turn; between the braces of an object each value follows a key. */
#ifndef HECATE_API_JSON_WRITE_H
#define HECATE_API_JSON_WRITE_H

#include <stdbool.h>

#include "store/base/buf.h"
#include "store/types.h"

struct api_json {
    struct buf *buf;
    unsigned depth;
    bool empty; /* nothing since the last opening bracket */
    bool keyed; /* a key was written, its value follows */
};

void api_json_open(struct api_json *json, char bracket); /* '{' or '[' */
void api_json_close(struct api_json *json, char bracket);
void api_json_key(struct api_json *json, const char *key);
void api_json_str(struct api_json *json, const char *text);
void api_json_id(struct api_json *json, struct id id); /* "" for ID_NONE */
void api_json_u64(struct api_json *json, uint64_t value);
void api_json_i64(struct api_json *json, int64_t value);
void api_json_bool(struct api_json *json, bool value);
void api_json_null(struct api_json *json);
void api_json_raw(struct api_json *json, const char *text); /* a number or a word */
/* A whole value in compact JSON, laid out like the rest. It must be valid. */
void api_json_compact(struct api_json *json, const char *text);

/* Key and value. */
void api_json_key_str(struct api_json *json, const char *key, const char *text);
void api_json_key_id(struct api_json *json, const char *key, struct id id);
void api_json_key_u64(struct api_json *json, const char *key, uint64_t value);
void api_json_key_bool(struct api_json *json, const char *key, bool value);
void api_json_key_open(struct api_json *json, const char *key, char bracket);
void api_json_key_strs(struct api_json *json, const char *key, const struct store_strs *strs);

#endif

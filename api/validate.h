/* Validation messages (heketi-rest.md 3.5) and patterns (3.6, 3.7). Pure. */
#ifndef HECATE_API_VALIDATE_H
#define HECATE_API_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/types.h"

/* Appends "field: message" to the list; fields are to be given in ascending order. */
void api_invalid(struct buf *list, const char *field, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Writes the whole text of a list that is not empty. Returns 400. */
int api_invalid_end(const struct buf *list, struct buf *text);

/* Each appends its message if the rule is broken. */
void api_invalid_min_1(struct buf *list, const char *field, int64_t value);
void api_invalid_uuid(struct buf *list, const char *field, const char *value);
void api_invalid_hosts(struct buf *list, const char *field, const struct store_strs *hosts);
/* More items than any sane request has (Heketi knows no such limit). */
bool api_invalid_count(struct buf *list, const char *field, size_t n, size_t max);
void api_invalid_tags(struct buf *list, const struct store_tags *tags);

void api_invalid_device_name(struct buf *list, const char *field, const char *name);
void api_invalid_volume_name(struct buf *list, const char *field, const char *name); /* "" is made up later */
/* Beyond Heketi: what a program on the nodes could take for more than data (store/words.h). */
void api_invalid_options(struct buf *list, const char *field, const struct store_strs *options);
void api_invalid_clusters(struct buf *list, const char *field, const struct store_strs *clusters);

#endif

/* Shared by import.c (records), import_volume.c (volumes and their bricks), import_check.c (what is said twice). */
#ifndef HECATE_DAEMON_IMPORT_PRIV_H
#define HECATE_DAEMON_IMPORT_PRIV_H

#include "daemon/import.h"

struct import {
    json_t *root;
    struct import_report *report;
    struct store_cmd *cmd; /* the records, as one part of a load */
    json_t *sets;          /* of ids that were lists: see import_list_has */
};

void import_error(struct import *import, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void import_warn(struct import *import, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Members of an object, as Go would read them: absent or null is zero. A wrong type is zero, too, and an error. */
const char *import_str(struct import *import, const json_t *object, const char *key);
int64_t import_int(struct import *import, const json_t *object, const char *key);
/* Of a time in seconds; 0 if it cannot be one. */
int64_t import_seconds_ms(struct import *import, const json_t *object, const char *key);
bool import_bool(struct import *import, const json_t *object, const char *key);
const json_t *import_object(const json_t *object, const char *key); /* NULL when there is none */
void import_strs(struct import *import, const json_t *object, const char *key, struct store_strs *strs);
void import_tags(struct import *import, const json_t *object, struct store_tags *tags);
/* The id that a member holds; ID_NONE with an error when it is none. */
struct id import_id(struct import *import, const json_t *object, const char *key, const char *what);
bool import_parse_id(const char *text, struct id *ret_id);
/* Is the id in the list? Asked often of long lists: at the first time it is made a set of. */
bool import_list_has(struct import *import, const json_t *list, struct id id);
enum store_state import_state(struct import *import, const json_t *entry, const char *what, const char *id);
/* The clusters that a request allowed, which may be gone: what is no id is left out. */
struct id *import_asked_clusters(const json_t *info, size_t *ret_n);
/* The sections of a dump; each may be missing. */
const json_t *import_section(const struct import *import, const char *name);

void import_volumes(struct import *import);
void import_operations(struct import *import);
void import_blocks(struct import *import);
void import_check_links(struct import *import);
/* Against the finished store: what the dump said of space. */
void import_check_space(struct import *import, const struct store *store);

#endif

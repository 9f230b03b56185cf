/* Templates of `topology info --template`: the language of Go's text/template, as far as a report needs it.
 *
 *   {{.Field.Field}} {{$x := ...}} {{$x}} {{- trims blanks before, -}} after
 *   {{if P}} {{else if P}} {{else}} {{end}}   {{range P}}   {{range $i, $e := P}}   {{with P}}
 *   pipelines (a | b), parentheses, strings, numbers, true, false, nil
 *   and or not, eq ne lt le gt ge, len, index, print, printf, println
 *
 * Values have Go's types and field names (template_types.c). Not there: define, template, block, break, continue,
 * escaping functions.
 */
#ifndef HECATE_CLI_TEMPLATE_H
#define HECATE_CLI_TEMPLATE_H

#include <stdbool.h>

#include <jansson.h>

#include "store/base/buf.h"

/* Fills a topology into a template. 0, or -1 with the message in error (freed by the caller; what was written before
 * stays in out). */
int template_run(const char *text, json_t *topology, struct buf *out, char **ret_error);

/* ---- what values are: template_types.c ---- */

enum type_kind { TYPE_NIL, TYPE_BOOL, TYPE_INT, TYPE_FLOAT, TYPE_STRING, TYPE_LIST, TYPE_MAP, TYPE_STRUCT };

struct type {
    enum type_kind kind;
    const char *name;           /* as messages show it */
    const struct type *element; /* of lists and maps */
    const struct type_field *fields;
};

struct type_field { /* a list of them ends with name NULL */
    const char *name, *member;
    const struct type *type;
};

struct value {
    json_t *json; /* owned */
    const struct type *type;
};

extern const struct type type_topology, type_nil, type_bool, type_int, type_float, type_string;

/* A member of JSON as a value of the type: its zero value when it is absent or something else. */
struct value value_make(const struct type *type, json_t *json);
/* Takes the reference. */
struct value value_own(const struct type *type, json_t *json);
void value_fini(struct value *value);
struct value value_copy(const struct value *value);
/* false when there is no such field. A key that a map does not have gives nil. */
bool value_field(const struct value *value, const char *name, size_t len, struct value *ret_value);
bool value_truth(const struct value *value);
void value_print(struct buf *out, const struct value *value);

/* ---- functions: template_functions.c ---- */

/* NULL when it is no function; false and a message in ret_problem when it fails. */
typedef bool (*template_fn)(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem);
template_fn template_function(const char *name, size_t len);

#endif

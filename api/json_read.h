/* Reads JSON with the rules of Go's encoding/json, which Heketi's clients have come to rely on: names match in any
 * case, later members win and merge, invalid UTF-8 and lone surrogates become U+FFFD, numbers of unknown members have
 * no bounds, nesting may be 10,000 deep. jansson is stricter in each of these. Pure.
 *
 * A document is checked as a whole first; then a table of fields takes its values out of it.
 */
#ifndef HECATE_API_JSON_READ_H
#define HECATE_API_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/types.h"

enum api_field_type {
    API_FIELD_END = 0,
    API_FIELD_BOOL,   /* bool */
    API_FIELD_INT,    /* int64_t; a fraction, an exponent or a larger number is a failure */
    API_FIELD_FLOAT,  /* float; beyond a 32-bit float is a failure */
    API_FIELD_STR,    /* char *, owned by the record, NULL while never given */
    API_FIELD_STRS,   /* struct store_strs; a null item is "" */
    API_FIELD_TAGS,   /* struct store_tags; a null value is "" */
    API_FIELD_OBJECT, /* fields: its members, with offsets in the same record */
    API_FIELD_ANY,    /* struct api_field_any: whether it is there, and its text if it is a string */
};

struct api_field_any {
    char *text; /* NULL when it is absent or no string */
};

struct api_field {
    const char *name; /* lower case */
    enum api_field_type type;
    size_t offset;
    const struct api_field *fields; /* OBJECT */
};

enum api_json_mode {
    API_JSON_WHOLE,      /* nothing but white space may follow the value */
    API_JSON_FIRST,      /* whatever follows the first value is ignored */
    API_JSON_EXACT_NAMES /* WHOLE, and names match only exactly (a Go map) */
};

/* Fills the record from an object (or null: nothing is set). 0, or -1 when the text is no JSON, no object, or a value
 * has the wrong type; *ret_reason (may be NULL) then says why. NUL characters in strings become U+FFFD. The record may
 * be half filled after a failure: its owner frees what is set either way. */
int api_json_read(const char *text, size_t len, enum api_json_mode mode, const struct api_field *fields, void *record,
                  const char **ret_reason);

#endif

/* Texts that others said, in documents. */
#ifndef HECATE_DAEMON_JSON_TEXT_H
#define HECATE_DAEMON_JSON_TEXT_H

#include <jansson.h>

/* A JSON string of its clean form (store/base/text.h), never NULL: jansson's own json_string, and "s" of json_pack,
 * refuse what is not UTF-8, and entries of old logs may hold such texts. For everything that is not a word of ours. */
json_t *json_text(const char *text);

#endif

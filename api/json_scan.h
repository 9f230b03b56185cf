/* The syntax of JSON: steps over one value and says why it cannot. No recursion. Pure. */
#ifndef HECATE_API_JSON_SCAN_H
#define HECATE_API_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct api_json_reader {
    const char *p, *end;
};

/* All return NULL, or the reason in words; *r then stands where it went wrong. */
const char *api_json_scan_value(struct api_json_reader *r);  /* white space in front is allowed */
const char *api_json_scan_number(struct api_json_reader *r); /* the reader stands at its first character */
void api_json_skip_space(struct api_json_reader *r);
bool api_json_is_digit(char c);
int api_json_hex_value(char c); /* -1: none */

#endif

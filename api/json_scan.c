#include "api/json_scan.h"

#include <stddef.h>
#include <string.h>

#define DEPTH_MAX 10000

static const char *const reason_syntax = "invalid JSON";
static const char *const reason_end = "unexpected end of JSON input";
static const char *const reason_deep = "exceeded max depth";

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void api_json_skip_space(struct api_json_reader *r)
{
    while (r->p < r->end && is_space(*r->p)) {
        r->p++;
    }
}

bool api_json_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int api_json_hex_value(char c)
{
    if (api_json_is_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

/* ---- syntax: each scan_ function steps over one thing or says why it cannot ---- */

static const char *scan_literal(struct api_json_reader *r, const char *word)
{
    for (; *word != '\0'; word++) {
        if (r->p == r->end) {
            return reason_end;
        }
        if (*r->p != *word) {
            return reason_syntax;
        }
        r->p++;
    }
    return NULL;
}

static const char *scan_string(struct api_json_reader *r)
{
    r->p++; /* the quote */
    for (;;) {
        if (r->p == r->end) {
            return reason_end;
        }
        if (*r->p == '"') {
            r->p++;
            return NULL;
        }
        if ((unsigned char)*r->p < 0x20) {
            return reason_syntax;
        }
        if (*r->p == '\\') {
            r->p++;
            if (r->p == r->end) {
                return reason_end;
            }
            if (*r->p == 'u') {
                for (int i = 0; i < 4; i++) {
                    r->p++;
                    if (r->p == r->end) {
                        return reason_end;
                    }
                    if (api_json_hex_value(*r->p) < 0) {
                        return reason_syntax;
                    }
                }
            } else if (*r->p == '\0' || strchr("\"\\/bfnrt", *r->p) == NULL) {
                return reason_syntax;
            }
        }
        r->p++;
    }
}

static const char *scan_digits(struct api_json_reader *r)
{
    if (r->p == r->end) {
        return reason_end;
    }
    if (!api_json_is_digit(*r->p)) {
        return reason_syntax;
    }
    while (r->p < r->end && api_json_is_digit(*r->p)) {
        r->p++;
    }
    return NULL;
}

const char *api_json_scan_number(struct api_json_reader *r)
{
    const char *reason = NULL;

    if (*r->p == '-') {
        r->p++;
    }
    if (r->p < r->end && *r->p == '0') {
        r->p++;
    } else {
        reason = scan_digits(r);
    }
    if (reason == NULL && r->p < r->end && *r->p == '.') {
        r->p++;
        reason = scan_digits(r);
    }
    if (reason == NULL && r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-')) {
            r->p++;
        }
        reason = scan_digits(r);
    }
    return reason;
}

static const char *scan_scalar(struct api_json_reader *r)
{
    switch (*r->p) {
    case '"':
        return scan_string(r);
    case 't':
        return scan_literal(r, "true");
    case 'f':
        return scan_literal(r, "false");
    case 'n':
        return scan_literal(r, "null");
    default:
        return *r->p == '-' || api_json_is_digit(*r->p) ? api_json_scan_number(r) : reason_syntax;
    }
}

/* "name" : in front of a member's value. */
static const char *scan_name(struct api_json_reader *r)
{
    const char *reason;

    api_json_skip_space(r);
    if (r->p == r->end) {
        return reason_end;
    }
    if (*r->p != '"') {
        return reason_syntax;
    }
    reason = scan_string(r);
    if (reason != NULL) {
        return reason;
    }
    api_json_skip_space(r);
    if (r->p == r->end) {
        return reason_end;
    }
    if (*r->p != ':') {
        return reason_syntax;
    }
    r->p++;
    return NULL;
}

/* After a value: closes what ends here, and stops in front of the next value (depth > 0) or at the end (depth 0). */
static const char *scan_after(struct api_json_reader *r, const char *open, size_t *depth)
{
    while (*depth > 0) {
        char kind = open[*depth - 1];

        api_json_skip_space(r);
        if (r->p == r->end) {
            return reason_end;
        }
        if (*r->p == ',') {
            r->p++;
            return kind == '{' ? scan_name(r) : NULL;
        }
        if (*r->p != (kind == '{' ? '}' : ']')) {
            return reason_syntax;
        }
        r->p++;
        (*depth)--;
    }
    return NULL;
}

/* Steps over one value of any shape, without recursion. */
const char *api_json_scan_value(struct api_json_reader *r)
{
    char open[DEPTH_MAX];
    size_t depth = 0;
    const char *reason;

    do {
        api_json_skip_space(r);
        if (r->p == r->end) {
            return reason_end;
        }
        if (*r->p == '{' || *r->p == '[') {
            char kind = *r->p;

            if (depth == DEPTH_MAX) {
                return reason_deep;
            }
            r->p++;
            open[depth++] = kind;
            api_json_skip_space(r);
            if (r->p < r->end && *r->p == (kind == '{' ? '}' : ']')) {
                r->p++;
                depth--;
            } else {
                reason = kind == '{' ? scan_name(r) : NULL;
                if (reason != NULL) {
                    return reason;
                }
                continue;
            }
        } else {
            reason = scan_scalar(r);
            if (reason != NULL) {
                return reason;
            }
        }
        reason = scan_after(r, open, &depth);
        if (reason != NULL) {
            return reason;
        }
    } while (depth > 0);
    return NULL;
}

#include "api/json_read.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_scan.h"
#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"

#define KEPT 1024 /* of a list or of tags: more are too many in any case, and only looked at */

#define WRONG_MAX 8

static const char *const reason_type = "a value has the wrong type";

/* ---- values of a text that was scanned ---- */

static void append_rune(struct buf *buf, uint32_t rune)
{
    char bytes[4];
    size_t n = 0;

    if (rune == 0) {
        rune = 0xfffd; /* a C string cannot hold it */
    }
    if (rune < 0x80) {
        bytes[n++] = (char)rune;
    } else if (rune < 0x800) {
        bytes[n++] = (char)(0xc0 | rune >> 6);
        bytes[n++] = (char)(0x80 | (rune & 0x3f));
    } else if (rune < 0x10000) {
        bytes[n++] = (char)(0xe0 | rune >> 12);
        bytes[n++] = (char)(0x80 | (rune >> 6 & 0x3f));
        bytes[n++] = (char)(0x80 | (rune & 0x3f));
    } else {
        bytes[n++] = (char)(0xf0 | rune >> 18);
        bytes[n++] = (char)(0x80 | (rune >> 12 & 0x3f));
        bytes[n++] = (char)(0x80 | (rune >> 6 & 0x3f));
        bytes[n++] = (char)(0x80 | (rune & 0x3f));
    }
    buf_append(buf, bytes, n);
}

static uint32_t read_hex4(struct api_json_reader *r)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++) {
        value = value * 16 + (uint32_t)api_json_hex_value(*r->p++);
    }
    return value;
}

/* \uXXXX, the reader stands behind the u; a pair of surrogates is one character, half a pair is U+FFFD. */
static uint32_t read_unicode(struct api_json_reader *r)
{
    uint32_t rune = read_hex4(r);

    if (rune < 0xd800 || rune > 0xdfff) {
        return rune;
    }
    if (rune < 0xdc00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u') {
        struct api_json_reader ahead = {r->p + 2, r->end};
        uint32_t low = read_hex4(&ahead);

        if (low >= 0xdc00 && low <= 0xdfff) {
            *r = ahead;
            return 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return 0xfffd;
}

static void read_escape(struct api_json_reader *r, struct buf *buf)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = *r->p++;
    const char *found;

    if (c == 'u') {
        append_rune(buf, read_unicode(r));
        return;
    }
    found = strchr(from, c);
    buf_append_char(buf, found != NULL ? to[found - from] : c);
}

/* Bytes at the reader that stand for themselves. */
static size_t plain_len(const struct api_json_reader *r)
{
    const char *p = r->p;
    size_t len = 1;

    while (len > 0 && *p != '"' && *p != '\\') {
        len = (unsigned char)*p < 0x80 ? 1 : text_utf8_len(p, (size_t)(r->end - p));
        p += len;
    }
    return (size_t)(p - r->p);
}

/* A megabyte of what is not UTF-8 must not hold the loop: the buffer is asked once for a run of bytes, or of wrong
 * ones. */
static void read_string(struct api_json_reader *r, struct buf *buf)
{
    static const char wrong[] =
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd";

    buf_clear(buf);
    r->p++;
    while (*r->p != '"') {
        size_t len = plain_len(r), n = 0;

        if (len > 0) {
            buf_append(buf, r->p, len);
            r->p += len;
        } else if (*r->p == '\\') {
            r->p++;
            read_escape(r, buf);
        } else {
            while (n < WRONG_MAX && (unsigned char)*r->p >= 0x80 && text_utf8_len(r->p, (size_t)(r->end - r->p)) == 0) {
                r->p++;
                n++;
            }
            buf_append(buf, wrong, n * 3);
        }
    }
    r->p++;
}

static void skip_value(struct api_json_reader *r)
{
    CHECK(api_json_scan_value(r) == NULL);
}

static bool take_null(struct api_json_reader *r)
{
    if (*r->p == 'n') {
        r->p += 4;
        return true;
    }
    return false;
}

/* The number at the reader as a C string. */
static char *read_number(struct api_json_reader *r)
{
    const char *start = r->p;

    CHECK(api_json_scan_number(r) == NULL);
    return mem_strndup(start, (size_t)(r->p - start));
}

static bool read_int(struct api_json_reader *r, int64_t *ret_value)
{
    CLEANUP(free_ptr) char *text = NULL;

    if (*r->p != '-' && !api_json_is_digit(*r->p)) {
        return false;
    }
    text = read_number(r);
    if (text[strspn(text, "-0123456789")] != '\0') {
        return false;
    }
    errno = 0;
    *ret_value = strtoll(text, NULL, 10);
    return errno == 0;
}

static bool read_float(struct api_json_reader *r, float *ret_value)
{
    CLEANUP(free_ptr) char *text = NULL;

    if (*r->p != '-' && !api_json_is_digit(*r->p)) {
        return false;
    }
    text = read_number(r);
    *ret_value = strtof(text, NULL);
    return isfinite(*ret_value);
}

/* ---- fields ---- */

/* Simple case folding as Go's bytes.EqualFold knows it for ASCII names: besides A-Z, the Kelvin sign is a k and the
 * long s is an s. */
static bool name_matches(const char *name, const char *field)
{
    while (*name != '\0' && *field != '\0') {
        char c = *name;

        if (strncmp(name, "\xe2\x84\xaa", 3) == 0) {
            c = 'k';
            name += 3;
        } else if (strncmp(name, "\xc5\xbf", 2) == 0) {
            c = 's';
            name += 2;
        } else {
            c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
            name++;
        }
        if (c != *field++) {
            return false;
        }
    }
    return *name == '\0' && *field == '\0';
}

static const struct api_field *find_field(const struct api_field *fields, const char *name, bool exact)
{
    for (; fields->type != API_FIELD_END; fields++) {
        if (exact ? strcmp(name, fields->name) == 0 : name_matches(name, fields->name)) {
            return fields;
        }
    }
    return NULL;
}

/* Steps into an object or list and from item to item: true while the reader stands in front of one. */
static bool next_item(struct api_json_reader *r, bool *started)
{
    api_json_skip_space(r);
    if (!*started) {
        r->p++;
        api_json_skip_space(r);
        *started = true;
    } else if (*r->p == ',') {
        r->p++;
        api_json_skip_space(r);
        return true;
    }
    if (*r->p == '}' || *r->p == ']') {
        r->p++;
        return false;
    }
    return true;
}

static void read_name(struct api_json_reader *r, struct buf *buf)
{
    api_json_skip_space(r);
    read_string(r, buf);
    api_json_skip_space(r);
    r->p++; /* the colon */
    api_json_skip_space(r);
}

static bool read_strs(struct api_json_reader *r, struct store_strs *strs)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    bool started = false;

    if (*r->p != '[') {
        return false;
    }
    store_strs_fini(strs);
    memset(strs, 0, sizeof(*strs));
    while (next_item(r, &started)) {
        buf_clear(&buf);
        if (*r->p == '"') {
            read_string(r, &buf);
        } else if (!take_null(r)) {
            return false;
        }
        if (strs->n < KEPT) {
            store_strs_add(strs, buf_str(&buf));
        }
    }
    return true;
}

/* A second object for the same field adds to the first, as maps do in Go. */
static bool read_tags(struct api_json_reader *r, struct store_tags *tags)
{
    CLEANUP(buf_fini) struct buf name = BUF_INIT;
    CLEANUP(buf_fini) struct buf value = BUF_INIT;
    bool started = false;

    if (*r->p != '{') {
        return false;
    }
    while (next_item(r, &started)) {
        read_name(r, &name);
        buf_clear(&value);
        if (*r->p == '"') {
            read_string(r, &value);
        } else if (!take_null(r)) {
            return false;
        }
        if (tags->n < KEPT) {
            store_tags_set(tags, buf_str(&name), buf_str(&value));
        }
    }
    return true;
}

static bool read_bool(struct api_json_reader *r, bool *ret_value)
{
    if (*r->p != 't' && *r->p != 'f') {
        return false;
    }
    *ret_value = *r->p == 't';
    r->p += *ret_value ? 4 : 5;
    return true;
}

static void replace_text(char **text, struct api_json_reader *r)
{
    struct buf buf = BUF_INIT;

    read_string(r, &buf);
    free(*text);
    *text = buf_take(&buf);
}

static bool read_object(struct api_json_reader *r, const struct api_field *fields, bool exact, void *record);

static bool read_field(struct api_json_reader *r, const struct api_field *field, bool exact, void *record)
{
    void *place = (char *)record + field->offset;
    struct api_field_any *any = place;

    if (field->type == API_FIELD_ANY) {
        if (*r->p == '"') {
            replace_text(&any->text, r);
        } else {
            free(any->text);
            any->text = NULL;
            skip_value(r);
        }
        return true;
    }
    if (take_null(r)) {
        return true;
    }
    switch (field->type) {
    case API_FIELD_BOOL:
        return read_bool(r, place);
    case API_FIELD_INT:
        return read_int(r, place);
    case API_FIELD_FLOAT:
        return read_float(r, place);
    case API_FIELD_STR:
        if (*r->p != '"') {
            return false;
        }
        replace_text(place, r);
        return true;
    case API_FIELD_STRS:
        return read_strs(r, place);
    case API_FIELD_TAGS:
        return read_tags(r, place);
    case API_FIELD_OBJECT:
        return read_object(r, field->fields, exact, record);
    case API_FIELD_ANY:
    case API_FIELD_END:
        break;
    }
    CHECK(false);
}

static bool read_object(struct api_json_reader *r, const struct api_field *fields, bool exact, void *record)
{
    CLEANUP(buf_fini) struct buf name = BUF_INIT;
    bool started = false;

    if (*r->p != '{') {
        return false;
    }
    while (next_item(r, &started)) {
        const struct api_field *field;

        read_name(r, &name);
        field = find_field(fields, buf_str(&name), exact);
        if (field == NULL) {
            skip_value(r);
        } else if (!read_field(r, field, exact, record)) {
            return false;
        }
    }
    return true;
}

int api_json_read(const char *text, size_t len, enum api_json_mode mode, const struct api_field *fields, void *record,
                  const char **ret_reason)
{
    struct api_json_reader r = {text, text + len};
    const char *reason = api_json_scan_value(&r);

    if (reason == NULL && mode != API_JSON_FIRST) {
        api_json_skip_space(&r);
        if (r.p != r.end) {
            reason = "invalid character after top-level value";
        }
    }
    if (reason == NULL) {
        r = (struct api_json_reader){text, text + len};
        api_json_skip_space(&r);
        if (!take_null(&r) && !read_object(&r, fields, mode == API_JSON_EXACT_NAMES, record)) {
            reason = reason_type;
        }
    }
    if (ret_reason != NULL) {
        *ret_reason = reason;
    }
    return reason == NULL ? 0 : -1;
}

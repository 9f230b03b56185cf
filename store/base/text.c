#include "store/base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define CHARACTER_MAX 4            /* bytes */

static size_t wanted_len(unsigned char first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t text_utf8_len(const void *data, size_t left)
{
    const unsigned char *p = data;
    size_t len = wanted_len(p[0]);

    if (left < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return len;
}

/* What stands for the character at p in a clean text, and how many bytes of p that are. */
static const char *clean_at(const unsigned char *p, size_t left, size_t *ret_used, size_t *ret_len)
{
    size_t len = text_utf8_len(p, left);

    *ret_used = len > 0 ? len : 1;
    *ret_len = 1;
    if (p[0] == '\r') {
        return " ";
    }
    if (len == 0 || (p[0] < 0x20 && p[0] != '\n' && p[0] != '\t') || p[0] == 0x7f ||
        (p[0] == 0xc2 && p[1] < 0xa0)) { /* the second block of control characters */
        *ret_len = strlen(REPLACEMENT);
        return REPLACEMENT;
    }
    *ret_len = len;
    return (const char *)p;
}

bool text_is_clean(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t left = strlen(text);

    while (left > 0) {
        size_t used, len;

        if (clean_at(p, left, &used, &len) != (const char *)p) {
            return false;
        }
        p += used;
        left -= used;
    }
    return true;
}

void text_append(struct buf *buf, const void *data, size_t len)
{
    const unsigned char *p = data;

    while (len > 0) {
        size_t used, clean_len;
        const char *clean = clean_at(p, len, &used, &clean_len);

        buf_append(buf, clean, clean_len);
        p += used;
        len -= used;
    }
}

/* Up to max bytes of the clean form; to has room for the NUL besides. */
static void put(char *to, size_t max, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t at = 0;

    while (len > 0) {
        size_t used, clean_len;
        const char *clean = clean_at(p, len, &used, &clean_len);

        if (clean_len > max - at) {
            break;
        }
        memcpy(to + at, clean, clean_len);
        at += clean_len;
        p += used;
        len -= used;
    }
    to[at] = '\0';
}

char *text_clean(const char *text, size_t max)
{
    /* Each byte may become a character of three. */
    size_t len = strlen(text), room = len < max / CHARACTER_MAX ? len * CHARACTER_MAX : max;
    char *clean = mem_alloc(room + 1);

    put(clean, room, text, len);
    return clean;
}

void text_put(char *to, size_t size, const char *text)
{
    put(to, size - 1, text, strnlen(text, size + CHARACTER_MAX)); /* so much that the last character is whole */
}

/* A byte in the middle of a character of a clean text. */
static bool goes_on(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

void text_line(char *to, size_t size, const char *text)
{
    static const char gap[] = " ... ";
    CLEANUP(free_ptr) char *clean = text_clean(text, SIZE_MAX);
    size_t len = strlen(clean), head = (size - sizeof(gap)) / 2, tail = size - sizeof(gap) - head;

    while (len > 0 && (clean[len - 1] == '\n' || clean[len - 1] == ' ')) {
        clean[--len] = '\0';
    }
    for (char *line = clean; (line = strchr(line, '\n')) != NULL;) {
        *line = ' ';
    }
    if (len < size) {
        memcpy(to, clean, len + 1);
        return;
    }
    while (goes_on(clean[head])) {
        head--;
    }
    while (goes_on(clean[len - tail])) {
        tail--;
    }
    (void)snprintf(to, size, "%.*s%s%s", (int)head, clean, gap, clean + len - tail);
}

void text_vprint(char *to, size_t size, const char *fmt, va_list args)
{
    size_t room = size + CHARACTER_MAX;
    CLEANUP(free_ptr) char *raw = mem_calloc(room, 1);

    (void)vsnprintf(raw, room, fmt, args); /* a cut text is still a text; the room is for its last character */
    text_put(to, size, raw);
}

void text_print(char *to, size_t size, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    text_vprint(to, size, fmt, args);
    va_end(args);
}

/* Object ids: 16 random bytes, written as 32 lower-case hex digits. Byte order equals the order of the text. */
#ifndef HECATE_STORE_BASE_ID_H
#define HECATE_STORE_BASE_ID_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ID_BYTES 16
#define ID_TEXT_LEN 32

struct id {
    uint8_t bytes[ID_BYTES];
};

/* A printed id, returned by value: use as id_text(id).text within the same expression. */
struct id_text {
    char text[ID_TEXT_LEN + 1];
};

extern const struct id ID_NONE; /* all zero: no object */

struct id_text id_text(struct id id);
/* Exactly 32 lower-case hex digits, nothing else (text need not be terminated at len). */
bool id_parse(const char *text, size_t len, struct id *ret_id);

static inline uint64_t id_half(const struct id *id, size_t at)
{
    uint64_t value;

    memcpy(&value, id->bytes + at, sizeof(value));
    return be64toh(value);
}

/* Like memcmp. Inline: tables of many objects are trees, and most of the time in them is spent here. */
static inline int id_cmp(const struct id *a, const struct id *b)
{
    uint64_t left = id_half(a, 0), right = id_half(b, 0);

    if (left == right) {
        left = id_half(a, sizeof(left));
        right = id_half(b, sizeof(right));
    }
    return (left > right) - (left < right);
}

static inline bool id_equal(struct id a, struct id b)
{
    return id_cmp(&a, &b) == 0;
}

static inline bool id_is_none(struct id id)
{
    return id_equal(id, ID_NONE);
}

#endif

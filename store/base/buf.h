/* A growing byte buffer. Always holds a NUL after its last byte, so that text can be read as a C string. */
#ifndef HECATE_STORE_BASE_BUF_H
#define HECATE_STORE_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NULL while empty and never written */
    size_t len;
    size_t size; /* allocated */
};

#define BUF_INIT   \
    {              \
        NULL, 0, 0 \
    }

void buf_fini(struct buf *buf); /* frees; the buffer is empty and usable afterwards */
void buf_clear(struct buf *buf);
void buf_reserve(struct buf *buf, size_t extra); /* room for extra more bytes */
void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_str(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The text so far ("" when empty); valid until the next change. */
const char *buf_str(const struct buf *buf);
/* Hands the memory to the caller (free()), never NULL; the buffer is empty afterwards. */
char *buf_take(struct buf *buf);

#endif

#include "store/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf)BUF_INIT;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

void buf_reserve(struct buf *buf, size_t extra)
{
    size_t need;
    size_t size = buf->size > 0 ? buf->size : 64;

    CHECK(extra < SIZE_MAX / 4 - buf->len);
    need = buf->len + extra + 1;
    if (need <= buf->size) {
        return;
    }
    while (size < need) {
        size *= 2;
    }
    buf->data = mem_realloc_array(buf->data, size, 1);
    buf->size = size;
    buf->data[buf->len] = '\0';
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    buf_reserve(buf, len);
    if (len > 0) {
        memcpy(buf->data + buf->len, data, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_append_str(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_append_char(struct buf *buf, char c)
{
    buf_append(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    size_t room;
    int len;

    buf_reserve(buf, 0);
    room = buf->size - buf->len;
    va_start(args, fmt);
    len = vsnprintf(buf->data + buf->len, room, fmt, args);
    va_end(args);
    CHECK(len >= 0);
    if ((size_t)len >= room) { /* seldom: again, with room for it */
        buf_reserve(buf, (size_t)len);
        va_start(args, fmt);
        (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, args); /* fits: measured above */
        va_end(args);
    }
    buf->len += (size_t)len;
}

const char *buf_str(const struct buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

char *buf_take(struct buf *buf)
{
    char *data;

    buf_reserve(buf, 0);
    data = TAKE_PTR(buf->data);
    buf->len = 0;
    buf->size = 0;
    return data;
}

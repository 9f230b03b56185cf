#include "api/path.h"

#include <string.h>

#include "store/base/check.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
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

bool api_path_decode(const char *raw, size_t len, struct buf *buf)
{
    for (size_t i = 0; i < len; i++) {
        if (raw[i] != '%') {
            buf_append_char(buf, raw[i]);
            continue;
        }
        if (len - i < 3 || hex_value(raw[i + 1]) < 0 || hex_value(raw[i + 2]) < 0) {
            return false;
        }
        buf_append_char(buf, (char)(hex_value(raw[i + 1]) * 16 + hex_value(raw[i + 2])));
        i += 2;
    }
    return true;
}

void api_path_clean(const char *path, size_t len, struct buf *buf)
{
    size_t start = buf->len;
    size_t i = 0;

    while (i < len) {
        size_t end;

        while (i < len && path[i] == '/') {
            i++;
        }
        end = i;
        while (end < len && path[end] != '/') {
            end++;
        }
        if (end - i == 2 && path[i] == '.' && path[i + 1] == '.') {
            while (buf->len > start && buf->data[buf->len - 1] != '/') {
                buf->len--;
            }
            if (buf->len > start) {
                buf->len--; /* the slash in front of the segment that was taken back */
            }
        } else if (end > i && !(end - i == 1 && path[i] == '.')) {
            buf_append_char(buf, '/');
            buf_append(buf, path + i, end - i);
        }
        i = end;
    }
    if (buf->len == start || (len > 0 && path[len - 1] == '/')) {
        buf_append_char(buf, '/');
    }
    buf_append(buf, "", 0); /* ends the text where it was cut back */
}

static void append_hex(struct buf *buf, unsigned char c, const char *digits)
{
    buf_append_char(buf, '%');
    buf_append_char(buf, digits[c >> 4]);
    buf_append_char(buf, digits[c & 15]);
}

void api_path_escape(const char *path, size_t len, struct buf *buf)
{
    for (size_t i = 0; i < len; i++) {
        char c = path[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("-_.~$&+,/:;=@", c) != NULL);

        if (plain) {
            buf_append_char(buf, c);
        } else {
            append_hex(buf, (unsigned char)c, "0123456789ABCDEF");
        }
    }
}

void api_path_escape_high(const char *text, size_t len, struct buf *buf)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x80) {
            buf_append_char(buf, text[i]);
        } else {
            append_hex(buf, (unsigned char)text[i], "0123456789abcdef");
        }
    }
}

void api_path_escape_html(const char *text, size_t len, struct buf *buf)
{
    for (size_t i = 0; i < len; i++) {
        switch (text[i]) {
        case '&':
            buf_append_str(buf, "&amp;");
            break;
        case '<':
            buf_append_str(buf, "&lt;");
            break;
        case '>':
            buf_append_str(buf, "&gt;");
            break;
        case '"':
            buf_append_str(buf, "&#34;");
            break;
        case '\'':
            buf_append_str(buf, "&#39;");
            break;
        default:
            buf_append_char(buf, text[i]);
            break;
        }
    }
}

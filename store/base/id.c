#include "store/base/id.h"

#include <string.h>

const struct id ID_NONE;

struct id_text id_text(struct id id)
{
    static const char digits[] = "0123456789abcdef";
    struct id_text ret;

    for (size_t i = 0; i < ID_BYTES; i++) {
        ret.text[2 * i] = digits[id.bytes[i] >> 4];
        ret.text[2 * i + 1] = digits[id.bytes[i] & 15];
    }
    ret.text[ID_TEXT_LEN] = '\0';
    return ret;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return -1;
}

bool id_parse(const char *text, size_t len, struct id *ret_id)
{
    struct id id;

    if (len != ID_TEXT_LEN) {
        return false;
    }
    for (size_t i = 0; i < ID_BYTES; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        id.bytes[i] = (uint8_t)(high * 16 + low);
    }
    *ret_id = id;
    return true;
}

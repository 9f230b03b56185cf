#include "store/base/err.h"

#include <stdarg.h>
#include <stddef.h>

#include "store/base/text.h"

int(err_set)(struct err *err, int code, const char *fmt, ...)
{
    va_list args;

    if (err == NULL) {
        return code;
    }
    err->code = code;
    va_start(args, fmt);
    text_vprint(err->message, sizeof(err->message), fmt, args);
    va_end(args);
    return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char prefix[sizeof(err->message) / 2 - 1];
    char old[sizeof(prefix)];
    va_list args;

    if (err == NULL) {
        return E_INVALID;
    }
    va_start(args, fmt);
    text_vprint(prefix, sizeof(prefix), fmt, args);
    va_end(args);
    text_put(old, sizeof(old), err->message);
    text_print(err->message, sizeof(err->message), "%s: %s", prefix, old);
    return err->code;
}

const char *err_text(int code)
{
    switch (code) {
    case E_OK:
        return "success";
#define X(name, number, text) \
    case E_##name:            \
        return text;
        ERR_TABLE(X)
#undef X
    default:
        return "unknown error";
    }
}

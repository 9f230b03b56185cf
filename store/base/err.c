#include "store/base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

int(err_set)(struct err *err, int code, const char *fmt, ...)
{
    va_list args;

    if (err == NULL) {
        return code;
    }
    err->code = code;
    va_start(args, fmt);
    (void)vsnprintf(err->message, sizeof(err->message), fmt, args); /* a cut message is still a message */
    va_end(args);
    return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char prefix[sizeof(err->message)];
    char old[sizeof(err->message)];
    va_list args;

    if (err == NULL) {
        return E_INVALID;
    }
    va_start(args, fmt);
    (void)vsnprintf(prefix, sizeof(prefix), fmt, args);
    va_end(args);
    (void)snprintf(old, sizeof(old), "%s", err->message);
    (void)snprintf(err->message, sizeof(err->message), "%.500s: %.500s", prefix, old);
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

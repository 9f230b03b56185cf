#include "store/base/check.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/base/log_out.h"

#define FLUSH_MS 200 /* for what led to it; then the reader is taken for stuck */

static void (*failure_told)(const char *text);

void check_on_failure(void (*told)(const char *text))
{
    failure_told = told;
}

static _Noreturn void end(const char *text)
{
    void *frames[64];
    int n;

    log_out_flush(FLUSH_MS);
    fprintf(stderr, "panic: %s\n", text != NULL ? text : "out of memory");
    fflush(stderr);
    n = backtrace(frames, 64);
    backtrace_symbols_fd(frames, n, STDERR_FILENO);
    if (failure_told != NULL) {
        failure_told(text);
    }
    abort();
}

void check_failed(const char *file, int line, const char *fmt, ...)
{
    static char text[2048]; /* the stack may be what is wrong */
    va_list args;
    int len = snprintf(text, sizeof(text), "%s:%d: ", file, line);

    va_start(args, fmt);
    (void)vsnprintf(text + len, sizeof(text) - (size_t)len, fmt, args); /* cut is good enough */
    va_end(args);
    end(text);
}

void check_exhausted(void)
{
    end(NULL);
}

#include "store/base/check.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/base/log_out.h"

#define FLUSH_MS 200 /* for what led to it; then the reader is taken for stuck */

void check_failed(const char *file, int line, const char *fmt, ...)
{
    void *frames[64];
    va_list args;
    int n;

    log_out_flush(FLUSH_MS);
    fprintf(stderr, "panic: %s:%d: ", file, line);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
    n = backtrace(frames, 64);
    backtrace_symbols_fd(frames, n, STDERR_FILENO);
    abort();
}

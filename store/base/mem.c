#include "store/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"

static void *not_null(void *ptr)
{
    if (__builtin_expect(ptr == NULL, 0)) {
        check_exhausted();
    }
    return ptr;
}

void *mem_alloc(size_t size)
{
    return not_null(malloc(size > 0 ? size : 1));
}

void *mem_calloc(size_t count, size_t size)
{
    return not_null(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *mem_realloc_array(void *ptr, size_t count, size_t size)
{
    return not_null(reallocarray(ptr, count > 0 ? count : 1, size > 0 ? size : 1));
}

char *mem_strdup(const char *text)
{
    return not_null(strdup(text));
}

char *mem_strndup(const char *text, size_t len)
{
    return not_null(strndup(text, len));
}

void *mem_dup(const void *data, size_t len)
{
    void *copy = mem_alloc(len);

    if (len > 0) {
        memcpy(copy, data, len);
    }
    return copy;
}

char *mem_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    int len;

    va_start(args, fmt);
    len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        check_exhausted();
    }
    return text;
}

void free_ptr(void *ptr_to_ptr)
{
    void *ptr;

    memcpy(&ptr, ptr_to_ptr, sizeof(ptr));
    free(ptr);
}

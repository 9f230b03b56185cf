/* Memory: out of memory ends the process (a replica that cannot apply must stop, restart and replay, not skip). */
#ifndef HECATE_STORE_BASE_MEM_H
#define HECATE_STORE_BASE_MEM_H

#include <stddef.h>

/* Like malloc, calloc, realloc (of an array) and strdup/strndup/memdup, but never return NULL (size 0 gives a valid
 * pointer). The caller frees with free(). */
void *mem_alloc(size_t size);
void *mem_calloc(size_t count, size_t size);
void *mem_realloc_array(void *ptr, size_t count, size_t size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);
void *mem_dup(const void *data, size_t len);
/* printf into a new string. */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Cleanup for locals: CLEANUP(free_ptr) char *x = ...; */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
void free_ptr(void *ptr_to_ptr);

/* Moves a pointer out of a variable and leaves NULL behind. */
#define TAKE_PTR(ptr)                   \
    ({                                  \
        __typeof__(ptr) taken_ = (ptr); \
        (ptr) = NULL;                   \
        taken_;                         \
    })

#endif

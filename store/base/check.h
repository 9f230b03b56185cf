/* Assertions that stay on in release builds.
 *
 * A failed CHECK is a bug in this process: it prints where and why, a backtrace, and aborts. The cluster is built to
 * survive the loss of one member; it is not built to survive a member that goes on with a broken state.
 */
#ifndef HECATE_STORE_BASE_CHECK_H
#define HECATE_STORE_BASE_CHECK_H

#include <stdint.h>

/* Prints file, line and the printf-style text to standard error with a backtrace, then aborts. Never returns. */
void check_failed(const char *file, int line, const char *fmt, ...)
    __attribute__((noreturn, cold, format(printf, 3, 4)));

/* The same for memory that ran out. */
void check_exhausted(void) __attribute__((noreturn, cold));
/* Told before the process aborts: "file:line: text", NULL when memory ran out. NULL: nobody is told. */
void check_on_failure(void (*told)(const char *text));

#define CHECK(cond)                                        \
    do {                                                   \
        if (__builtin_expect(!(cond), 0)) {                \
            check_failed(__FILE__, __LINE__, "%s", #cond); \
        }                                                  \
    } while (0)

/* CHECK with a text that says what was expected; the text must not contain secrets. */
#define CHECK_MSG(cond, ...)                               \
    do {                                                   \
        if (__builtin_expect(!(cond), 0)) {                \
            check_failed(__FILE__, __LINE__, __VA_ARGS__); \
        }                                                  \
    } while (0)

/* For structs that travel through a void pointer: their first member is `uint32_t magic`. */
#define CHECK_MAGIC(ptr, value) CHECK((ptr) != NULL && (ptr)->magic == (value))

#endif

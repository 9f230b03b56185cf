/* Included into every translation unit by the build: calls that have no place in this code become compile errors.
 *
 * Unbounded copies and prints (use buf, mem_printf, snprintf), hidden static state (strtok, localtime, strerror is
 * allowed for messages), conversions without error detection (use strtoull with a check), a shell (system, popen) and
 * waiting (sleep: the loop never blocks).
 */
#ifndef HECATE_STORE_BASE_BANNED_H
#define HECATE_STORE_BASE_BANNED_H

#ifndef __cplusplus
/* System headers that declare the functions come first, or the poison would hit the declarations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* With clang, glibc's fortified stdio makes macros of these two, and a macro cannot be poisoned. */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll gets system popen localtime gmtime usleep \
    tmpnam
#endif

#endif

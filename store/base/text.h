/* Texts from outside: what nodes, programs, requests, files and peers say.
 *
 * They are made clean in one place, where they come in, and cut at a character: what is kept, logged or answered is
 * valid UTF-8. Every byte that is not (overlong forms, surrogates and cut characters too) becomes U+FFFD, and so does
 * every control character, NUL included, but line feed and tab. A carriage return becomes a blank: programs that write
 * for a terminal are full of them.
 */
#ifndef HECATE_STORE_BASE_TEXT_H
#define HECATE_STORE_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "store/base/buf.h"

/* The length of the valid UTF-8 character at p, 0 when there is none; left > 0. */
size_t text_utf8_len(const void *p, size_t left);
/* Nothing in it would be replaced. */
bool text_is_clean(const char *text);
/* Appends the clean form of the bytes, NULs among them. */
void text_append(struct buf *buf, const void *data, size_t len);
/* A new string (free()): the clean form, cut at a character so that it has at most max bytes. */
char *text_clean(const char *text, size_t max);
/* The same into an array, of which the last byte is for the NUL; size > 0. */
void text_put(char *to, size_t size, const char *text);
/* As text_put, on one line, and where it is too long without its middle: a report begins with what was tried and ends
 * with why it failed. size > 64. */
void text_line(char *to, size_t size, const char *text);
/* Like snprintf, with a clean result. */
void text_print(char *to, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void text_vprint(char *to, size_t size, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));

#endif

/* Request paths: decoding, cleaning and writing them as Heketi's router (gorilla/mux on Go's net/url) does.
 * Pure. Decoded paths are byte strings that may contain NUL: always use their length. */
#ifndef HECATE_API_PATH_H
#define HECATE_API_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/buf.h"

/* Decodes percent escapes of raw (without its query) once and appends the bytes. False for a broken escape. */
bool api_path_decode(const char *raw, size_t len, struct buf *buf);

/* Appends the path without empty, "." and ".." segments; always starts with '/', keeps one trailing slash. */
void api_path_clean(const char *path, size_t len, struct buf *buf);

/* Appends the path percent-encoded for a Location header. */
void api_path_escape(const char *path, size_t len, struct buf *buf);

/* Appends text with every byte above 127 as %xx: for the raw query that is kept in a Location header. */
void api_path_escape_high(const char *text, size_t len, struct buf *buf);

/* Appends text with the characters escaped that mean something in HTML. */
void api_path_escape_html(const char *text, size_t len, struct buf *buf);

#endif

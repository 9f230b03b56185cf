/* Is a JSON text small enough to be read in one turn of the loop? Pure.
 *
 * jansson takes some 0.6 us for each value, so that bytes alone bound nothing: "[[],[],[]..." is a value in three. */
#ifndef HECATE_DAEMON_EXECUTOR_JSON_FEW_H
#define HECATE_DAEMON_EXECUTOR_JSON_FEW_H

#include <stddef.h>

#include "store/base/err.h"

#define JSON_BYTES_MAX ((size_t)65536) /* of one device, or one block volume: real ones have some hundred bytes */
#define JSON_VALUES_MAX 4096           /* about: what divides values is counted in texts, too. Some 3 ms */

/* E_PROTOCOL says what there is too much of. */
int json_few(const char *text, size_t len, struct err *reterr);

#endif

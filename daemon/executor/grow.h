/* Arrays that a node fills, of at most `max` items. */
#ifndef HECATE_DAEMON_EXECUTOR_GROW_H
#define HECATE_DAEMON_EXECUTOR_GROW_H

#include <stddef.h>

#include "store/base/mem.h"

#define GROW_COPIED_MAX ((size_t)16384) /* items: some 100 us */

/* The array of n items with room for one more. A small one doubles, and is copied; one that outgrows that is made as
 * large as it may ever be: what is not touched takes no memory, and nothing is copied in a turn of the loop again. */
static inline void *grow(void *items, size_t n, size_t max, size_t size)
{
    if (n > GROW_COPIED_MAX || (n & (n - 1)) != 0) { /* neither 0 nor a power of 2: there is room */
        return items;
    }
    return mem_realloc_array(items, n == 0 ? 1 : n < GROW_COPIED_MAX ? 2 * n : max, size);
}

#endif

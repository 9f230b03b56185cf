/* It keeps every name that it has ever met, and all of a token that has not ended (a comment, a tag) at whose beginning
 * it begins again with each piece: both are bounded by what it may take. Of many short names each takes longer than its
 * bytes, so it is counted, too, how often it takes some. Its functions are not told for whom they are: it is who reads
 * in this thread. */
#include "daemon/executor/xml_memory.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

#include "store/base/mem.h"

static _Thread_local struct xml_memory *in_use;

void xml_memory_use(struct xml_memory *memory)
{
    in_use = memory;
}

static bool may_take(size_t bytes)
{
    return in_use == NULL || bytes + in_use->bytes <= in_use->bytes_max;
}

static bool may_take_again(void)
{
    return in_use == NULL || ++in_use->times <= in_use->times_max;
}

static void *taken(void *memory)
{
    if (in_use != NULL) {
        in_use->bytes += malloc_usable_size(memory);
    }
    return memory;
}

static void given_back(void *memory)
{
    size_t bytes = malloc_usable_size(memory);

    if (in_use != NULL) {
        in_use->bytes -= bytes < in_use->bytes ? bytes : in_use->bytes;
    }
}

static void *take(size_t size)
{
    return may_take(size) && may_take_again() ? taken(mem_alloc(size)) : NULL;
}

static void *take_more(void *memory, size_t size)
{
    if (!may_take(size)) {
        return NULL;
    }
    given_back(memory);
    return taken(mem_realloc_array(memory, size, 1));
}

static void give_back(void *memory)
{
    given_back(memory);
    free(memory);
}

const XML_Memory_Handling_Suite xml_memory_functions = {take, take_more, give_back};

/* What expat takes for itself while it reads one text, bounded. */
#ifndef HECATE_DAEMON_EXECUTOR_XML_MEMORY_H
#define HECATE_DAEMON_EXECUTOR_XML_MEMORY_H

#include <expat.h>
#include <stddef.h>

struct xml_memory {
    size_t bytes, bytes_max; /* that it has */
    size_t times, times_max; /* that it took some: for each name once */
};

/* It is this that takes, in this thread, until the next call; NULL: what is taken does not count. */
void xml_memory_use(struct xml_memory *memory);

extern const XML_Memory_Handling_Suite xml_memory_functions;

#endif

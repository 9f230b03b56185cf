/* Inside the examination: sorted sets of names. */
#ifndef HECATE_DAEMON_EXAMINE_NAMES_H
#define HECATE_DAEMON_EXAMINE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/id.h"

struct name {
    const char *text;
    struct id where;   /* the device it is on, or ID_NONE */
    const void *thing; /* what has the name; NULL */
};

struct names {
    struct name *items;
    size_t n, size;
    char **owned; /* texts that are freed with the set */
    size_t n_owned, owned_size;
    uint64_t *comparisons; /* counts; borrowed */
};

/* text is borrowed. */
void names_add(struct names *names, const char *text, struct id where, const void *thing);
/* Takes text. */
void names_add_own(struct names *names, char *text, struct id where);
/* Before names_find; equal texts are left once. */
void names_sort(struct names *names);
const struct name *names_find(const struct names *names, const char *text); /* NULL: it has not */
void names_fini(struct names *names);

#endif

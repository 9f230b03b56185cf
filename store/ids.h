/* An ordered set of ids of which a copy costs next to nothing: leaves of some hundred ids, shared copy-on-write. For
 * long lists that are shown while they change. Each set belongs to one thread at a time; what sets share, to any. */
#ifndef HECATE_STORE_IDS_H
#define HECATE_STORE_IDS_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/id.h"

struct ids_leaf;

struct ids {
    struct ids_leaf **leaves; /* none is empty */
    size_t n_leaves, size;
    size_t n;
};

#define IDS_INIT      \
    {                 \
        NULL, 0, 0, 0 \
    }

void ids_fini(struct ids *ids);
void ids_add(struct ids *ids, struct id id);    /* must not be there */
void ids_remove(struct ids *ids, struct id id); /* must be there */
bool ids_has(const struct ids *ids, struct id id);
/* As it is now; ids_fini. */
struct ids ids_share(const struct ids *ids);
/* Those of one leaf, ascending: a pointer into it, *ret_n of them. */
const struct id *ids_leaf(const struct ids *ids, size_t leaf, size_t *ret_n);

#endif

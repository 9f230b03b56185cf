#include "daemon/examine_names.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"

void names_add(struct names *names, const char *text, struct id where, const void *thing)
{
    if (names->n == names->size) {
        names->size = names->size == 0 ? 16 : 2 * names->size;
        names->items = mem_realloc_array(names->items, names->size, sizeof(*names->items));
    }
    names->items[names->n++] = (struct name){text, where, thing};
}

void names_add_own(struct names *names, char *text, struct id where)
{
    if (names->n_owned == names->owned_size) {
        names->owned_size = names->owned_size == 0 ? 16 : 2 * names->owned_size;
        names->owned = mem_realloc_array(names->owned, names->owned_size, sizeof(*names->owned));
    }
    names->owned[names->n_owned++] = text;
    names_add(names, text, where, NULL);
}

static int order(const void *a, const void *b, void *comparisons)
{
    ++*(uint64_t *)comparisons;
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

void names_sort(struct names *names)
{
    size_t n = 0;

    if (names->n == 0) {
        return;
    }
    qsort_r(names->items, names->n, sizeof(*names->items), order, names->comparisons);
    for (size_t i = 0; i < names->n; i++) {
        ++*names->comparisons;
        if (n == 0 || strcmp(names->items[n - 1].text, names->items[i].text) != 0) {
            names->items[n++] = names->items[i];
        }
    }
    names->n = n;
}

const struct name *names_find(const struct names *names, const char *text)
{
    size_t low = 0, high = names->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int side = strcmp(text, names->items[middle].text);

        ++*names->comparisons;
        if (side == 0) {
            return &names->items[middle];
        }
        if (side < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

void names_fini(struct names *names)
{
    for (size_t i = 0; i < names->n_owned; i++) {
        free(names->owned[i]);
    }
    free(names->owned);
    free(names->items);
    *names = (struct names){.comparisons = names->comparisons};
}

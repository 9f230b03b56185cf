#include "store/ids.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"

#define LEAF_IDS 256

struct ids_leaf {
    _Atomic uint32_t refs; /* sets may be freed by other threads than those that share them */
    uint32_t n;
    struct id items[LEAF_IDS];
};

static void leaf_unref(struct ids_leaf *leaf)
{
    if (atomic_fetch_sub_explicit(&leaf->refs, 1, memory_order_acq_rel) == 1) {
        free(leaf);
    }
}

static struct ids_leaf *leaf_new(const struct id *items, size_t n)
{
    struct ids_leaf *leaf = mem_alloc(sizeof(*leaf));

    atomic_init(&leaf->refs, 1);
    leaf->n = (uint32_t)n;
    if (n > 0) {
        memcpy(leaf->items, items, n * sizeof(*items));
    }
    return leaf;
}

static struct ids_leaf *leaf_own(struct ids *ids, size_t at)
{
    struct ids_leaf *leaf = ids->leaves[at];

    if (atomic_load_explicit(&leaf->refs, memory_order_acquire) > 1) {
        ids->leaves[at] = leaf_new(leaf->items, leaf->n);
        leaf_unref(leaf);
        leaf = ids->leaves[at];
    }
    return leaf;
}

void ids_fini(struct ids *ids)
{
    for (size_t i = 0; i < ids->n_leaves; i++) {
        leaf_unref(ids->leaves[i]);
    }
    free(ids->leaves);
    *ids = (struct ids)IDS_INIT;
}

/* The leaf where the id is, or belongs: the last one that does not begin after it. */
static size_t leaf_of(const struct ids *ids, struct id id)
{
    size_t low = 0, high = ids->n_leaves;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (id_cmp(&ids->leaves[middle]->items[0], &id) > 0) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return low;
}

/* How many ids of the leaf are before it. */
static size_t place_of(const struct ids_leaf *leaf, struct id id)
{
    size_t low = 0, high = leaf->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (id_cmp(&leaf->items[middle], &id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void insert_leaf(struct ids *ids, size_t at, struct ids_leaf *leaf)
{
    if (ids->n_leaves == ids->size) {
        ids->size = ids->size > 0 ? 2 * ids->size : 4;
        ids->leaves = mem_realloc_array(ids->leaves, ids->size, sizeof(*ids->leaves));
    }
    memmove(ids->leaves + at + 1, ids->leaves + at, (ids->n_leaves - at) * sizeof(*ids->leaves));
    ids->leaves[at] = leaf;
    ids->n_leaves++;
}

void ids_add(struct ids *ids, struct id id)
{
    struct ids_leaf *leaf;
    size_t at, place;

    if (ids->n_leaves == 0) {
        insert_leaf(ids, 0, leaf_new(NULL, 0));
    }
    at = leaf_of(ids, id);
    leaf = leaf_own(ids, at);
    if (leaf->n == LEAF_IDS) {
        insert_leaf(ids, at + 1, leaf_new(leaf->items + LEAF_IDS / 2, LEAF_IDS / 2));
        leaf->n = LEAF_IDS / 2;
        at = leaf_of(ids, id);
        leaf = ids->leaves[at];
    }
    place = place_of(leaf, id);
    CHECK(place == leaf->n || !id_equal(leaf->items[place], id));
    memmove(leaf->items + place + 1, leaf->items + place, (leaf->n - place) * sizeof(id));
    leaf->items[place] = id;
    leaf->n++;
    ids->n++;
}

void ids_remove(struct ids *ids, struct id id)
{
    struct ids_leaf *leaf;
    size_t at, place;

    CHECK(ids_has(ids, id));
    at = leaf_of(ids, id);
    leaf = leaf_own(ids, at);
    place = place_of(leaf, id);
    leaf->n--;
    ids->n--;
    memmove(leaf->items + place, leaf->items + place + 1, (leaf->n - place) * sizeof(id));
    if (leaf->n == 0) {
        leaf_unref(leaf);
        ids->n_leaves--;
        memmove(ids->leaves + at, ids->leaves + at + 1, (ids->n_leaves - at) * sizeof(*ids->leaves));
    }
}

bool ids_has(const struct ids *ids, struct id id)
{
    const struct ids_leaf *leaf = ids->n_leaves > 0 ? ids->leaves[leaf_of(ids, id)] : NULL;
    size_t place = leaf != NULL ? place_of(leaf, id) : 0;

    return leaf != NULL && place < leaf->n && id_equal(leaf->items[place], id);
}

struct ids ids_share(const struct ids *ids)
{
    struct ids copy = {.n = ids->n, .n_leaves = ids->n_leaves, .size = ids->n_leaves};

    copy.leaves = mem_calloc(ids->n_leaves + 1, sizeof(*copy.leaves));
    for (size_t i = 0; i < ids->n_leaves; i++) {
        copy.leaves[i] = ids->leaves[i];
        atomic_fetch_add_explicit(&copy.leaves[i]->refs, 1, memory_order_relaxed);
    }
    return copy;
}

const struct id *ids_leaf(const struct ids *ids, size_t leaf, size_t *ret_n)
{
    *ret_n = ids->leaves[leaf]->n;
    return ids->leaves[leaf]->items;
}

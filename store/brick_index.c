/* All bricks by their ids: a hash table, since nobody asks for them in order and a tree of 300,000 costs a cache miss
 * or three at each of its levels.
 *
 * It consists of many small open ones (linear probing), each of which grows by itself: so no brick that is added has to
 * wait until all others have moved. Beside each entry stands a part of its hash, so that hardly any other entry is
 * looked at. */
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store_priv.h"

#define SLOTS_MIN 8

/* The multiplication's halves are folded. A seed, which nobody outside knows, takes part: ids come from outside too
 * (imports), and must not be made to collide. */
static uint64_t hash_of(const struct brick_index *index, const struct id *id)
{
    __uint128_t product = (__uint128_t)(id_half(id, 0) ^ index->seed ^ UINT64_C(0xa0761d6478bd642f)) *
                          (id_half(id, sizeof(uint64_t)) ^ UINT64_C(0xe7037ed1a0b428db));

    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

static struct brick_part *part_of(const struct brick_index *index, uint64_t hash)
{
    return (struct brick_part *)(uintptr_t)&index->parts[hash >> 32 & (BRICK_PARTS - 1)];
}

static size_t find_slot(const struct brick_part *part, uint32_t tag, const struct id *id)
{
    size_t at = tag & (part->n_slots - 1);

    while (part->entries[at] != NULL && (part->tags[at] != tag || !id_equal(brick_of(part->entries[at])->id, *id))) {
        at = (at + 1) & (part->n_slots - 1);
    }
    return at;
}

struct brick_entry *brick_index_find(const struct brick_index *index, struct id id)
{
    uint64_t hash = hash_of(index, &id);
    const struct brick_part *part = part_of(index, hash);

    return part->n_slots > 0 ? part->entries[find_slot(part, (uint32_t)hash, &id)] : NULL;
}

static void put(struct brick_part *part, uint32_t tag, struct brick_entry *entry)
{
    size_t at = tag & (part->n_slots - 1);

    while (part->entries[at] != NULL) {
        at = (at + 1) & (part->n_slots - 1);
    }
    part->entries[at] = entry;
    part->tags[at] = tag;
}

static void resize(struct brick_part *part, uint32_t n_slots)
{
    struct brick_part old = *part;

    part->n_slots = n_slots;
    part->entries = mem_calloc(n_slots, sizeof(*part->entries));
    part->tags = mem_calloc(n_slots, sizeof(*part->tags));
    for (size_t i = 0; i < old.n_slots; i++) {
        if (old.entries[i] != NULL) {
            put(part, old.tags[i], old.entries[i]);
        }
    }
    free(old.entries);
    free(old.tags);
}

bool brick_index_add(struct brick_index *index, struct brick_entry *entry)
{
    const struct id *id = &brick_of(entry)->id;
    uint64_t hash = hash_of(index, id);
    struct brick_part *part = part_of(index, hash);

    if (brick_index_find(index, *id) != NULL) {
        return false;
    }
    if (part->n + 1 > part->n_slots / 8 * 7) {
        resize(part, part->n_slots > 0 ? 2 * part->n_slots : SLOTS_MIN);
    }
    put(part, (uint32_t)hash, entry);
    part->n++;
    return true;
}

/* Those behind it that were pushed on by it, or by others, move up. */
void brick_index_remove(struct brick_index *index, struct brick_entry *entry)
{
    const struct id *id = &brick_of(entry)->id;
    uint64_t hash = hash_of(index, id);
    struct brick_part *part = part_of(index, hash);
    size_t mask = part->n_slots - 1;
    size_t gap = find_slot(part, (uint32_t)hash, id);

    CHECK(part->entries[gap] == entry);
    for (size_t at = (gap + 1) & mask; part->entries[at] != NULL; at = (at + 1) & mask) {
        size_t home = part->tags[at] & mask;

        if (((at - home) & mask) >= ((at - gap) & mask)) {
            part->entries[gap] = part->entries[at];
            part->tags[gap] = part->tags[at];
            gap = at;
        }
    }
    part->entries[gap] = NULL;
    part->n--;
    if (part->n == 0) {
        free(part->entries);
        free(part->tags);
        *part = (struct brick_part){.n = 0};
    }
}

size_t brick_index_count(const struct brick_index *index)
{
    size_t n = 0;

    for (size_t i = 0; i < BRICK_PARTS; i++) {
        n += index->parts[i].n;
    }
    return n;
}

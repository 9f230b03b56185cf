/* Heketi's ring and the placers on it (heketi-storage.md 6.3 to 6.5). */
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"

#define RING_UNITS 8 /* of work, for each device */

/* ---- the ring ---- */

struct ring_node { /* members[first .. first + n), taken from the end */
    size_t first, n;
};

struct ring_zone { /* nodes[first .. first + n) */
    size_t first, n;
};

/* splitmix64: enough to mix the order of zones and nodes, which Heketi takes from a hash map. */
static size_t draw(uint64_t *seed, size_t below)
{
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((z ^ (z >> 31)) % below);
}

/* Groups the members, which are sorted by zone and node. nodes and zones have room for n. */
static size_t group(const struct plan_space *space, const size_t *members, size_t n, struct ring_node *nodes,
                    struct ring_zone *zones)
{
    size_t n_nodes = 0, n_zones = 0;

    for (size_t i = 0; i < n; i++) {
        const struct node_entry *node = plan_node_of(space, members[i]);
        const struct node_entry *last = i > 0 ? plan_node_of(space, members[i - 1]) : NULL;

        if (node != last) {
            if (last == NULL || node->rec.zone != last->rec.zone) {
                zones[n_zones++] = (struct ring_zone){n_nodes, 0};
            }
            zones[n_zones - 1].n++;
            nodes[n_nodes++] = (struct ring_node){i, 0};
        }
        nodes[n_nodes - 1].n++;
    }
    return n_zones;
}

#define SHUFFLE(seed, items, count)                         \
    do {                                                    \
        for (size_t i_ = (count); i_ > 1; i_--) {           \
            size_t j_ = draw((seed), i_);                   \
            __typeof__((items)[0]) keep_ = (items)[i_ - 1]; \
                                                            \
            (items)[i_ - 1] = (items)[j_];                  \
            (items)[j_] = keep_;                            \
        }                                                   \
    } while (0)

static void interleave(struct ring_node *nodes, struct ring_zone *zones, size_t n_zones, size_t *ring)
{
    size_t n = 0;

    for (size_t i = 0; n_zones > 0; i++) { /* one counter drives zones and nodes alike */
        struct ring_zone *zone = &zones[i % n_zones];
        size_t at_node = i % zone->n;
        struct ring_node *node = &nodes[zone->first + at_node];

        ring[n++] = node->first + --node->n;
        if (node->n == 0) {
            zone->n--;
            memmove(node, node + 1, (zone->n - at_node) * sizeof(*node));
        }
        if (zone->n == 0) {
            n_zones--;
            memmove(zone, zone + 1, (n_zones - i % (n_zones + 1)) * sizeof(*zone));
        }
    }
}

/* The first seven hex digits of the id, modulo the length of the ring. */
static size_t rotation_of(const struct id *rotation, size_t n)
{
    const uint8_t *b = rotation->bytes;
    size_t number = (size_t)b[0] << 20 | (size_t)b[1] << 12 | (size_t)b[2] << 4 | (size_t)b[3] >> 4;

    return n > 0 ? number % n : 0;
}

void plan_ring(struct plan_space *space, const struct id *rotation, const size_t *members, size_t n, size_t *order)
{
    CLEANUP(free_ptr) struct ring_node *nodes = mem_calloc(n + 1, sizeof(*nodes));
    CLEANUP(free_ptr) struct ring_zone *zones = mem_calloc(n + 1, sizeof(*zones));
    CLEANUP(free_ptr) size_t *ring = mem_calloc(n + 1, sizeof(*ring));
    size_t first, n_zones = group(space, members, n, nodes, zones);

    SHUFFLE(&space->seed, zones, n_zones);
    for (size_t z = 0; z < n_zones; z++) {
        SHUFFLE(&space->seed, (nodes + zones[z].first), zones[z].n);
    }
    interleave(nodes, zones, n_zones, ring);
    first = rotation_of(rotation, n);
    for (size_t i = 0; i < n; i++) {
        order[i] = members[ring[(first + i) % n]];
    }
}

/* ---- placers ---- */

/* May this device take another brick of the set, space aside? */
static bool allowed(const struct plan_space *space, size_t device, const struct plan_pick *picks, uint32_t n)
{
    const struct node_entry *node = plan_node_of(space, device);

    for (uint32_t i = 0; i < n; i++) {
        const struct node_entry *other = plan_node_of(space, picks[i].device);

        if (other == node || (space->zone_strict && other->rec.zone == node->rec.zone)) {
            return false;
        }
    }
    return space->devices[device].accepted;
}

struct stream { /* devices in the order in which they are asked, each once for a whole set */
    size_t *order;
    size_t n, next;
};

/* The next device of the stream that takes a brick of this size beside the n picks, with its space. */
static bool take_next(struct plan_space *space, struct stream *stream, uint64_t size_kib, const struct plan_pick *picks,
                      uint32_t n, struct plan_pick *ret_pick)
{
    while (stream->next < stream->n) {
        size_t device = stream->order[stream->next++];
        struct plan_need need;

        if (allowed(space, device, picks, n) && plan_fits(space, device, size_kib, &need)) {
            plan_take(space, device, &need);
            *ret_pick = (struct plan_pick){device, need, size_kib, STORE_BRICK_NORMAL};
            return true;
        }
    }
    return false;
}

/* Appends the ring of the devices with this role. */
static void add_ring(struct plan_space *space, const struct id *rotation, struct plan_role role, struct stream *stream)
{
    CLEANUP(free_ptr) size_t *members = mem_calloc(space->n + 1, sizeof(*members));
    size_t n = 0;

    for (size_t i = 0; i < space->n; i++) {
        struct plan_role its = space->devices[i].role;

        if (its.data == role.data && its.arbiter == role.arbiter) {
            members[n++] = i;
        }
    }
    plan_ring(space, rotation, members, n, stream->order + stream->n);
    stream->n += n;
}

/* The arbiter first, from the devices that take nothing else, then from those that take both; the data bricks likewise,
 * from the last to the first. */
static bool place_arbiter_set(struct plan_space *space, const struct id *rotation, const struct plan_set *set,
                              struct plan_pick *ret_picks)
{
    const struct plan_role data_only = {true, false}, arbiter_only = {false, true}, both = {true, true};
    CLEANUP(free_ptr) size_t *arbiter_order = mem_calloc(space->n + 1, sizeof(size_t));
    CLEANUP(free_ptr) size_t *data_order = mem_calloc(space->n + 1, sizeof(size_t));
    struct stream arbiters = {arbiter_order, 0, 0}, data = {data_order, 0, 0};
    uint32_t n = 0;
    size_t shared;

    add_ring(space, rotation, arbiter_only, &arbiters);
    add_ring(space, rotation, data_only, &data);
    shared = arbiters.n;
    add_ring(space, rotation, both, &arbiters);
    memcpy(data.order + data.n, arbiters.order + shared, (arbiters.n - shared) * sizeof(size_t));
    data.n += arbiters.n - shared;
    if (!take_next(space, &arbiters, set->arbiter_kib, NULL, 0, &ret_picks[set->width - 1])) {
        return false;
    }
    ret_picks[set->width - 1].type = STORE_BRICK_ARBITER;
    for (n = 1; n < set->width; n++) {
        struct plan_pick *place = &ret_picks[set->width - 1 - n];

        if (!take_next(space, &data, set->size_kib, place + 1, n, place)) {
            return false;
        }
    }
    return true;
}

bool plan_place_ring(struct plan_space *space, const struct id *rotation, const struct plan_set *set,
                     struct plan_pick *ret_picks)
{
    CLEANUP(free_ptr) size_t *members = NULL;
    CLEANUP(free_ptr) size_t *order = NULL;
    struct stream stream;

    if (!plan_spend(space, (uint64_t)RING_UNITS * space->n)) {
        return false;
    }
    if (set->arbiter_kib > 0) {
        return place_arbiter_set(space, rotation, set, ret_picks);
    }
    members = mem_calloc(space->n + 1, sizeof(*members));
    order = mem_calloc(space->n + 1, sizeof(*order));
    for (size_t i = 0; i < space->n; i++) {
        members[i] = i;
    }
    plan_ring(space, rotation, members, space->n, order);
    stream = (struct stream){order, space->n, 0};
    for (uint32_t n = 0; n < set->width; n++) {
        if (!take_next(space, &stream, set->size_kib, ret_picks, n, &ret_picks[n])) {
            return false;
        }
    }
    return true;
}

/* Heketi's ring (heketi-storage.md 6.3) and the placers on it. */
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"

bool plan_fits(const struct plan_space *space, size_t device, uint64_t size_kib, struct plan_need *ret_need)
{
    const struct plan_device *d = &space->devices[device];
    struct plan_need need = plan_need(size_kib, space->factor, d->entry->rec.extent_kib);
    uint64_t total = need.pool_kib + need.meta_kib;
    uint64_t spare = need.meta_kib > d->spare_kib ? need.meta_kib : d->spare_kib;

    *ret_need = need;
    return d->free_kib > total && d->free_kib - total >= spare;
}

void plan_take(struct plan_space *space, size_t device, const struct plan_need *need)
{
    struct plan_device *d = &space->devices[device];

    d->free_kib -= need->pool_kib + need->meta_kib;
    d->spare_kib = need->meta_kib > d->spare_kib ? need->meta_kib : d->spare_kib;
}

/* ---- the ring ---- */

struct ring_node { /* devices[first .. first + n), taken from the end */
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

static const struct node_entry *node_of(const struct plan_space *space, size_t device)
{
    return space->devices[device].entry->node;
}

/* Groups the devices, which are sorted by zone and node. nodes and zones have room for space->n. */
static size_t group(const struct plan_space *space, struct ring_node *nodes, struct ring_zone *zones)
{
    size_t n_nodes = 0, n_zones = 0;

    for (size_t i = 0; i < space->n; i++) {
        if (i == 0 || node_of(space, i) != node_of(space, i - 1)) {
            if (i == 0 || node_of(space, i)->rec.zone != node_of(space, i - 1)->rec.zone) {
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

/* The first seven hex digits of the id, modulo the number of devices. */
static size_t rotation_of(const struct plan_space *space, const struct id *rotation)
{
    const uint8_t *b = rotation->bytes;
    size_t number = (size_t)b[0] << 20 | (size_t)b[1] << 12 | (size_t)b[2] << 4 | (size_t)b[3] >> 4;

    return space->n > 0 ? number % space->n : 0;
}

void plan_ring(struct plan_space *space, const struct id *rotation, size_t *order)
{
    CLEANUP(free_ptr) struct ring_node *nodes = mem_calloc(space->n, sizeof(*nodes));
    CLEANUP(free_ptr) struct ring_zone *zones = mem_calloc(space->n, sizeof(*zones));
    CLEANUP(free_ptr) size_t *ring = mem_calloc(space->n, sizeof(*ring));
    size_t first, n_zones = group(space, nodes, zones);

    SHUFFLE(&space->seed, zones, n_zones);
    for (size_t z = 0; z < n_zones; z++) {
        SHUFFLE(&space->seed, (nodes + zones[z].first), zones[z].n);
    }
    interleave(nodes, zones, n_zones, ring);
    first = rotation_of(space, rotation);
    for (size_t i = 0; i < space->n; i++) {
        order[i] = ring[(first + i) % space->n];
    }
}

/* ---- placers ---- */

/* May this device take the next brick of the set, space aside? */
static bool allowed(const struct plan_space *space, size_t device, const struct plan_pick *picks, uint32_t n)
{
    const struct node_entry *node = node_of(space, device);

    for (uint32_t i = 0; i < n; i++) {
        const struct node_entry *other = node_of(space, picks[i].device);

        if (other == node || (space->zone_strict && other->rec.zone == node->rec.zone)) {
            return false;
        }
    }
    return plan_tag_rule_accepts(space->tag_rule, space->devices[device].entry);
}

bool plan_place_ring(struct plan_space *space, const struct id *rotation, uint32_t width, uint64_t size_kib,
                     struct plan_pick *ret_picks)
{
    CLEANUP(free_ptr) size_t *order = mem_calloc(space->n, sizeof(*order));
    uint32_t n = 0;

    plan_ring(space, rotation, order);
    for (size_t i = 0; i < space->n && n < width; i++) { /* one pass for the whole set */
        struct plan_need need;

        if (allowed(space, order[i], ret_picks, n) && plan_fits(space, order[i], size_kib, &need)) {
            plan_take(space, order[i], &need);
            ret_picks[n++] = (struct plan_pick){order[i], need, size_kib, STORE_BRICK_NORMAL};
        }
    }
    return n == width;
}

/* How many such bricks the device could still take. */
static uint64_t slots(const struct plan_space *space, size_t device, uint64_t size_kib)
{
    const struct plan_device *d = &space->devices[device];
    struct plan_need need;
    uint64_t spare;

    if (!plan_fits(space, device, size_kib, &need)) {
        return 0;
    }
    spare = need.meta_kib > d->spare_kib ? need.meta_kib : d->spare_kib;
    spare = spare > 0 ? spare : 1; /* something must be left */
    return (d->free_kib - spare) / (need.pool_kib + need.meta_kib);
}

/* Devices that a set may use only once between them. */
static bool same_group(const struct plan_space *space, size_t a, size_t b)
{
    return space->zone_strict ? node_of(space, a)->rec.zone == node_of(space, b)->rec.zone
                              : node_of(space, a) == node_of(space, b);
}

/* The end of the group that begins at `first`: groups are neighbours in the sorted list. */
static size_t group_end(const struct plan_space *space, size_t first)
{
    size_t end = first + 1;

    while (end < space->n && same_group(space, first, end)) {
        end++;
    }
    return end;
}

bool plan_feasible(const struct plan_space *space, uint32_t width, uint32_t sets, uint64_t size_kib)
{
    uint64_t places = 0;

    for (size_t first = 0, end; first < space->n; first = end) {
        uint64_t room = 0;

        end = group_end(space, first);
        for (size_t i = first; i < end && room < sets; i++) {
            room += plan_tag_rule_accepts(space->tag_rule, space->devices[i].entry) ? slots(space, i, size_kib) : 0;
        }
        places += room < sets ? room : sets; /* a set uses a group once */
    }
    return places >= (uint64_t)sets * width;
}

/* The roomiest device of the group with most room among those the set does not use yet. */
static bool find_fullest(const struct plan_space *space, size_t start, uint64_t size_kib, const struct plan_pick *picks,
                         uint32_t n, size_t *ret_device)
{
    uint64_t best_group = 0;
    bool after_start = false; /* the best group so far comes after the random starting point */

    for (size_t first = 0, end; first < space->n; first = end) {
        uint64_t sum = 0, best = 0;
        size_t device = first;

        end = group_end(space, first);
        for (size_t i = first; i < end; i++) {
            uint64_t room = allowed(space, i, picks, n) ? slots(space, i, size_kib) : 0;

            sum += room;
            device = room > best ? i : device;
            best = room > best ? room : best;
        }
        /* Ties go to the first one after the starting point, or else to the first one of all. */
        if (sum > best_group || (sum == best_group && sum > 0 && first >= start && !after_start)) {
            best_group = sum;
            after_start = first >= start;
            *ret_device = device;
        }
    }
    return best_group > 0;
}

bool plan_place_fullest(struct plan_space *space, const struct id *rotation, uint32_t width, uint64_t size_kib,
                        struct plan_pick *ret_picks)
{
    for (uint32_t n = 0; n < width; n++) {
        size_t device = 0;
        struct plan_need need;

        if (!find_fullest(space, rotation_of(space, rotation), size_kib, ret_picks, n, &device) ||
            !plan_fits(space, device, size_kib, &need)) {
            return false;
        }
        plan_take(space, device, &need);
        ret_picks[n] = (struct plan_pick){device, need, size_kib, STORE_BRICK_NORMAL};
    }
    return true;
}

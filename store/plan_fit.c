/* The better fit where Heketi's way finds nothing: any number of sets, the roomiest nodes (zones when strict) first. */
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/plan_priv.h"

/* How many bricks fit at most: of any kind, for data, arbiters. */
struct bound {
    uint64_t all, data, arbiters;
};

static uint64_t capped(uint64_t room, uint32_t sets)
{
    return room < sets ? room : sets; /* a set uses a group once */
}

/* A device takes no more bricks, whatever their kinds, than of the smallest it is meant for. */
static void add_device(const struct plan_space *space, size_t device, const struct plan_set *set, struct bound *group)
{
    struct plan_role role = space->devices[device].role;
    uint64_t data = role.data ? plan_slots(space, device, set->size_kib) : 0;
    uint64_t arbiters = role.arbiter ? plan_slots(space, device, set->arbiter_kib) : 0;

    group->data += data;
    group->arbiters += arbiters;
    group->all += data > arbiters ? data : arbiters;
}

bool plan_may_fit(const struct plan_space *space, const struct plan_set *set, uint32_t sets)
{
    const struct bound needed = {(uint64_t)sets * set->width, (uint64_t)sets * (set->width - 1), sets};
    bool arbiter = set->arbiter_kib > 0;
    struct bound sum = {0, 0, 0};

    if (!plan_spend(space, space->n * (arbiter ? 8 : 3))) {
        return false;
    }
    for (size_t first = 0, end; first < space->n; first = end) {
        struct bound group = {0, 0, 0};

        end = plan_group_end(space, first);
        for (size_t i = first; i < end; i++) {
            if (arbiter) {
                add_device(space, i, set, &group);
            } else {
                group.all += group.all < sets ? plan_slots(space, i, set->size_kib) : 0;
            }
        }
        sum.all += capped(group.all, sets);
        sum.data += capped(group.data, sets);
        sum.arbiters += capped(group.arbiters, sets);
    }
    return sum.all >= needed.all && (!arbiter || (sum.data >= needed.data && sum.arbiters >= needed.arbiters));
}

bool plan_feasible(const struct plan_space *space, const struct plan_set *set, uint32_t sets)
{
    return plan_may_fit(space, set, sets) && (set->arbiter_kib == 0 || plan_arbiter_feasible(space, set, sets));
}

/* ---- placing ---- */

struct rooms { /* of the devices, as bricks are placed; ends: of the group that begins there */
    uint64_t *slots;
    size_t *ends;
};

/* Is one of the n picks in this group of devices? */
static bool used(size_t first, size_t end, const struct plan_pick *picks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (picks[i].device >= first && picks[i].device < end) {
            return true;
        }
    }
    return false;
}

/* The roomiest device of the group with most room among those the set does not use yet. */
static bool find_fullest(const struct plan_space *space, const struct rooms *rooms, size_t start,
                         const struct plan_pick *picks, uint32_t n, size_t *ret_device)
{
    uint64_t best_group = 0;
    bool after_start = false; /* the best group so far comes after the random starting point */

    for (size_t first = 0, end; first < space->n; first = end) {
        uint64_t sum = 0, best = 0;
        size_t device = first;

        end = rooms->ends[first];
        if (used(first, end, picks, n)) {
            continue;
        }
        for (size_t i = first; i < end; i++) {
            uint64_t room = rooms->slots[i];

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

bool plan_place_any(struct plan_space *space, const struct id *rotation, const struct plan_set *set, uint32_t sets,
                    struct plan_pick *ret_picks)
{
    size_t start = (size_t)rotation->bytes[0] << 8 | rotation->bytes[1];
    CLEANUP(free_ptr) uint64_t *slots = NULL;
    CLEANUP(free_ptr) size_t *ends = NULL;
    struct rooms rooms;

    if (set->arbiter_kib > 0) {
        return plan_arbiter_place(space, set, sets, ret_picks);
    }
    if (space->n == 0 || !plan_spend(space, space->n * (4 + (uint64_t)sets * set->width / 4))) {
        return false;
    }
    rooms.slots = slots = mem_calloc(space->n, sizeof(*slots));
    rooms.ends = ends = mem_calloc(space->n, sizeof(*ends));
    for (size_t first = 0; first < space->n; first = ends[first]) {
        ends[first] = plan_group_end(space, first);
    }
    for (size_t i = 0; i < space->n; i++) {
        slots[i] = plan_slots(space, i, set->size_kib);
    }
    for (uint32_t s = 0; s < sets; s++) {
        struct plan_pick *picks = ret_picks + (size_t)s * set->width;

        for (uint32_t n = 0; n < set->width; n++) {
            struct plan_need need;
            size_t device = 0;

            if (!find_fullest(space, &rooms, start % space->n, picks, n, &device)) {
                return false;
            }
            CHECK(plan_fits(space, device, set->size_kib, &need)); /* it has room for one */
            plan_take(space, device, &need);
            slots[device] = plan_slots(space, device, set->size_kib);
            picks[n] = (struct plan_pick){device, need, set->size_kib, STORE_BRICK_NORMAL};
        }
    }
    return true;
}

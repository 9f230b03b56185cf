/* The better fit where Heketi's way finds nothing: any number of sets, the roomiest nodes (zones when strict) first. */
#include <stdlib.h>

#include "store/base/check.h"
#include "store/plan_priv.h"

/* How many such bricks the device could still take. */
static uint64_t slots(const struct plan_space *space, size_t device, uint64_t size_kib)
{
    const struct plan_device *d = &space->devices[device];
    struct plan_need need;
    uint64_t spare;

    if (!plan_tag_rule_accepts(space->tag_rule, d->entry) || !plan_fits(space, device, size_kib, &need)) {
        return 0;
    }
    spare = need.meta_kib > d->spare_kib ? need.meta_kib : d->spare_kib;
    spare = spare > 0 ? spare : 1; /* something must be left */
    return (d->free_kib - spare) / (need.pool_kib + need.meta_kib);
}

bool plan_feasible(const struct plan_space *space, const struct plan_set *set, uint32_t sets)
{
    uint64_t places = 0;

    if (set->arbiter_kib > 0) {
        return plan_arbiter_feasible(space, set, sets);
    }
    for (size_t first = 0, end; first < space->n; first = end) {
        uint64_t room = 0;

        end = plan_group_end(space, first);
        for (size_t i = first; i < end && room < sets; i++) {
            room += slots(space, i, set->size_kib);
        }
        places += room < sets ? room : sets; /* a set uses a group once */
    }
    return places >= (uint64_t)sets * set->width;
}

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
static bool find_fullest(const struct plan_space *space, size_t start, uint64_t size_kib, const struct plan_pick *picks,
                         uint32_t n, size_t *ret_device)
{
    uint64_t best_group = 0;
    bool after_start = false; /* the best group so far comes after the random starting point */

    for (size_t first = 0, end; first < space->n; first = end) {
        uint64_t sum = 0, best = 0;
        size_t device = first;

        end = plan_group_end(space, first);
        for (size_t i = first; i < end && !used(first, end, picks, n); i++) {
            uint64_t room = slots(space, i, size_kib);

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

    if (set->arbiter_kib > 0) {
        return plan_arbiter_place(space, set, sets, ret_picks);
    }
    for (uint32_t s = 0; s < sets; s++) {
        struct plan_pick *picks = ret_picks + (size_t)s * set->width;

        for (uint32_t n = 0; n < set->width; n++) {
            struct plan_need need;
            size_t device = 0;

            if (!find_fullest(space, start % space->n, set->size_kib, picks, n, &device)) {
                return false;
            }
            CHECK(plan_fits(space, device, set->size_kib, &need)); /* it has room for one */
            plan_take(space, device, &need);
            picks[n] = (struct plan_pick){device, need, set->size_kib, STORE_BRICK_NORMAL};
        }
    }
    return true;
}

/* Sets of data bricks and one smaller arbiter: the exact answer to whether and where so many of them fit.
 *
 * A group of devices (a node, or a zone when strict) serves a set at most once, with a data brick or with an arbiter.
 * Numbers of bricks suffice: whenever every group has at most as many as there are sets, and the sums are right, they
 * can be dealt out to the sets so that no set meets a group twice (the edges of a bipartite graph can be coloured with
 * as many colours as its largest degree). So:
 *   1. per device: how many data bricks fit beside 0, 1, 2, ... arbiters;
 *   2. per group and over all groups: the most data bricks for each number of arbiters (a knapsack over both);
 *   3. dealing out, set by set: a group that has as many bricks left as there are sets must be served. */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/plan_priv.h"

struct cell {
    int64_t data;   /* the most data bricks with this many arbiters; -1: they do not fit */
    uint32_t given; /* how many of the arbiters the last device, or group, takes for it */
};

struct group {
    size_t first, end; /* devices */
    struct cell *best; /* [arbiters]; capped: no more bricks than sets */
    struct cell *sum;  /* of the groups up to this one */
    uint32_t data, arbiters;
};

struct solution {
    uint32_t sets;
    struct cell *devices; /* [device][arbiters]: of the devices of its group up to this one */
    struct group *groups;
    size_t n_groups;
    uint32_t *data, *arbiters; /* of each device, after reconstruct */
};

static void solution_fini(struct solution *solution)
{
    for (size_t g = 0; g < solution->n_groups; g++) {
        free(solution->groups[g].best);
        free(solution->groups[g].sum);
    }
    free(solution->groups);
    free(solution->devices);
    free(solution->data);
    free(solution->arbiters);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Data bricks that fit on the device beside so many arbiters; -1: these do not. */
static int64_t room(const struct plan_space *space, size_t device, const struct plan_set *set, uint32_t arbiters)
{
    const struct plan_device *d = &space->devices[device];
    struct plan_role role = d->role;
    struct plan_need data = plan_need(set->size_kib, space->factor, d->entry->rec.extent_kib);
    struct plan_need arbiter = plan_need(set->arbiter_kib, space->factor, d->entry->rec.extent_kib);
    uint64_t taken = arbiters * (arbiter.pool_kib + arbiter.meta_kib);
    uint64_t spare = larger(arbiters > 0 ? arbiter.meta_kib : 0, larger(d->spare_kib, 1)); /* something must be left */

    if (!d->accepted) {
        return arbiters > 0 ? -1 : 0;
    }
    if (arbiters > 0 && (!role.arbiter || d->free_kib < taken || d->free_kib - taken < spare)) {
        return -1;
    }
    spare = larger(spare, data.meta_kib);
    if (!role.data || d->free_kib < taken + spare) {
        return 0;
    }
    return (int64_t)((d->free_kib - taken - spare) / (data.pool_kib + data.meta_kib));
}

/* to[a] = the most of left[a - j] + right(j) over all j; right is a device's room or a group's best. */
static void consider(struct cell *to, const struct cell *left, uint32_t a, uint32_t j, int64_t right)
{
    int64_t before = left != NULL ? left[a - j].data : (a == j ? 0 : -1);

    if (before >= 0 && right >= 0 && before + right > to[a].data) {
        to[a] = (struct cell){before + right, j};
    }
}

static void solve_group(const struct plan_space *space, const struct plan_set *set, struct solution *solution,
                        struct group *group)
{
    size_t row = solution->sets + 1;
    const struct cell *left = NULL;

    for (size_t i = group->first; i < group->end; i++) {
        struct cell *to = solution->devices + i * row;

        for (uint32_t a = 0; a < row; a++) {
            to[a] = (struct cell){-1, 0};
        }
        for (uint32_t j = 0; j < row; j++) {
            int64_t right = room(space, i, set, j);

            if (right < 0) {
                break; /* more do not fit either */
            }
            for (uint32_t a = j; a < row; a++) {
                consider(to, left, a, j, right);
            }
        }
        left = to;
    }
    group->best = mem_dup(left, row * sizeof(*left));
    for (uint32_t a = 0; a < row; a++) { /* a set uses a group once */
        int64_t rest = (int64_t)solution->sets - a;

        group->best[a].data = group->best[a].data < rest ? group->best[a].data : rest;
    }
}

static bool solve(const struct plan_space *space, const struct plan_set *set, uint32_t sets, struct solution *solution)
{
    size_t row = (size_t)sets + 1;

    *solution = (struct solution){.sets = sets};
    if (sets > PLAN_ARBITER_SETS_MAX || space->n == 0 || !plan_spend(space, space->n * (3 * row + row * row / 4))) {
        return false;
    }
    solution->devices = mem_calloc(space->n * row, sizeof(*solution->devices));
    solution->groups = mem_calloc(space->n, sizeof(*solution->groups));
    for (size_t first = 0; first < space->n; first = plan_group_end(space, first)) {
        struct group *group = &solution->groups[solution->n_groups++];
        const struct cell *left = solution->n_groups > 1 ? group[-1].sum : NULL;

        group->first = first;
        group->end = plan_group_end(space, first);
        solve_group(space, set, solution, group);
        group->sum = mem_calloc(row, sizeof(*group->sum));
        for (uint32_t a = 0; a < row; a++) {
            group->sum[a] = (struct cell){-1, 0};
            for (uint32_t j = 0; j <= a; j++) {
                consider(group->sum, left, a, j, group->best[j].data);
            }
        }
    }
    return solution->groups[solution->n_groups - 1].sum[sets].data >= (int64_t)sets * (set->width - 1);
}

bool plan_arbiter_feasible(const struct plan_space *space, const struct plan_set *set, uint32_t sets)
{
    struct solution solution;
    bool feasible = solve(space, set, sets, &solution);

    solution_fini(&solution);
    return feasible;
}

/* How many bricks of each kind every device takes. */
static void reconstruct(const struct plan_space *space, const struct plan_set *set, struct solution *solution)
{
    size_t row = solution->sets + 1;
    uint32_t arbiters = solution->sets, data = solution->sets * (set->width - 1);

    solution->data = mem_calloc(space->n, sizeof(uint32_t));
    solution->arbiters = mem_calloc(space->n, sizeof(uint32_t));
    for (size_t g = solution->n_groups; g > 0; g--) {
        struct group *group = &solution->groups[g - 1];
        uint32_t left, most;

        group->arbiters = group->sum[arbiters].given;
        most = (uint32_t)group->best[group->arbiters].data;
        group->data = most < data ? most : data;
        arbiters -= group->arbiters;
        data -= group->data;
        left = group->arbiters;
        most = group->data;
        for (size_t i = group->end; i > group->first; i--) {
            uint32_t given = solution->devices[(i - 1) * row + left].given;
            int64_t fits = room(space, i - 1, set, given);

            solution->arbiters[i - 1] = given;
            solution->data[i - 1] = fits < most ? (uint32_t)fits : most;
            left -= given;
            most -= solution->data[i - 1];
        }
        CHECK(left == 0 && most == 0);
    }
    CHECK(arbiters == 0 && data == 0);
}

/* ---- dealing out ---- */

static uint32_t bricks_of(const struct group *group)
{
    return group->data + group->arbiters;
}

/* The groups of the data bricks when group `arbiter` serves the arbiter: those with most bricks. A group that must be
 * served is among them: there are at most three of those, and one without data bricks has all the arbiters. */
static bool choose_data(const struct solution *solution, size_t arbiter, uint32_t n, size_t *ret)
{
    uint32_t found = 0;

    for (size_t g = 0; g < solution->n_groups; g++) {
        const struct group *group = &solution->groups[g];
        uint32_t at;

        if (g == arbiter || group->data == 0) {
            continue;
        }
        for (at = found; at > 0 && bricks_of(&solution->groups[ret[at - 1]]) < bricks_of(group); at--) {
            if (at < n) {
                ret[at] = ret[at - 1];
            }
        }
        if (at < n) {
            ret[at] = g;
            found = found < n ? found + 1 : n;
        }
    }
    return found == n;
}

static struct plan_pick take_from(struct plan_space *space, const struct group *group, uint32_t *counts,
                                  uint64_t size_kib, enum store_brick_type type)
{
    struct plan_pick pick = {.device = group->first, .size_kib = size_kib, .type = type};

    while (counts[pick.device] == 0) {
        pick.device++;
        CHECK(pick.device < group->end);
    }
    counts[pick.device]--;
    CHECK(plan_fits(space, pick.device, size_kib, &pick.need));
    plan_take(space, pick.device, &pick.need);
    return pick;
}

static void deal_set(struct plan_space *space, const struct plan_set *set, struct solution *solution,
                     struct plan_pick *picks)
{
    CLEANUP(free_ptr) size_t *chosen = mem_calloc(set->width, sizeof(*chosen));
    uint32_t n = set->width - 1;
    size_t arbiter = 0;

    while (solution->groups[arbiter].arbiters == 0 || !choose_data(solution, arbiter, n, chosen)) {
        arbiter++;
        CHECK(arbiter < solution->n_groups);
    }
    picks[n] = take_from(space, &solution->groups[arbiter], solution->arbiters, set->arbiter_kib, STORE_BRICK_ARBITER);
    solution->groups[arbiter].arbiters--;
    for (uint32_t i = 0; i < n; i++) {
        struct group *group = &solution->groups[chosen[i]];

        picks[i] = take_from(space, group, solution->data, set->size_kib, STORE_BRICK_NORMAL);
        group->data--;
    }
}

bool plan_arbiter_place(struct plan_space *space, const struct plan_set *set, uint32_t sets,
                        struct plan_pick *ret_picks)
{
    struct solution solution;
    bool feasible = solve(space, set, sets, &solution);

    if (feasible) {
        reconstruct(space, set, &solution);
        for (uint32_t s = 0; s < sets; s++) {
            deal_set(space, set, &solution, ret_picks + (size_t)s * set->width);
        }
    }
    solution_fini(&solution);
    return feasible;
}

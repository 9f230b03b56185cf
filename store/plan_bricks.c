/* Splitting a volume into brick sets and placing them in one cluster (heketi-storage.md 5.3, 5.4, 6). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"

const char *plan_outcome_text(enum plan_outcome outcome)
{
    switch (outcome) {
    case PLAN_PLACED:
        return "";
    case PLAN_NO_NODES:
        return "No nodes in cluster";
    case PLAN_NO_DEVICES:
        return "No online storage devices in cluster";
    case PLAN_MAX_BRICKS:
        return "Maximum number of bricks reached.";
    case PLAN_MIN_BRICK:
        return "Minimum brick size limit reached.  Out of space.";
    case PLAN_NO_SPACE:
        break;
    }
    return "No space";
}

const char *plan_create_text(enum plan_outcome outcome)
{
    return plan_outcome_text(outcome == PLAN_MAX_BRICKS || outcome == PLAN_MIN_BRICK ? PLAN_NO_SPACE : outcome);
}

void plan_work_init(struct plan_work *work)
{
    *work = (struct plan_work){{[PLAN_BY_RING] = 1500000, [PLAN_ANYWHERE] = 2000000, [PLAN_EXPLAIN] = 3000000}};
}

/* ---- shapes ---- */

bool plan_wants_arbiter(const struct store_volume *volume)
{
    return volume->durability == STORE_REPLICATE && volume->replica == 3 &&
           plan_option_true(&volume->options, "user.heketi.arbiter");
}

uint64_t plan_average_kib(const struct store_volume *volume, const struct store_plan_env *env)
{
    const char *text = plan_option(&volume->options, "user.heketi.average-file-size");
    unsigned long long value;
    char *end;

    if (text == NULL || text[0] < '0' || text[0] > '9') { /* strtoull takes signs and blanks */
        return env->average_file_size_kib;
    }
    errno = 0;
    value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && value > 0 ? value : env->average_file_size_kib;
}

uint64_t plan_arbiter_kib(const struct store_volume *volume, const struct store_plan_env *env, uint64_t data_kib)
{
    uint64_t size_kib = data_kib / plan_average_kib(volume, env);

    return size_kib > PLAN_ARBITER_KIB_MIN ? size_kib : PLAN_ARBITER_KIB_MIN;
}

/* ---- attempts ---- */

struct attempt {
    const struct store_plan_env *env;
    struct plan_work *work;
    const struct plan_space *start; /* before this attempt */
    struct plan_space now;
    const struct store_volume *volume;
    uint64_t total_kib;
    uint32_t data; /* bricks among which a set's data are divided */
    bool arbiter;
    struct plan_result *result;
};

static struct plan_set set_of(const struct attempt *attempt, uint64_t size_kib)
{
    return (struct plan_set){
        .width = store_volume_width(attempt->volume),
        .size_kib = size_kib,
        .arbiter_kib = attempt->arbiter ? plan_arbiter_kib(attempt->volume, attempt->env, size_kib) : 0,
    };
}

static void add_set(const struct attempt *attempt, uint32_t width, const struct id *first,
                    const struct plan_pick *picks)
{
    struct plan_result *result = attempt->result;
    uint32_t set = (uint32_t)((attempt->volume->n_bricks + result->n) / width);

    for (uint32_t i = 0; i < width; i++) {
        struct store_brick *brick = &result->bricks[result->n++];

        *brick = (struct store_brick){.id = i == 0 ? *first : plan_random_id(attempt->env),
                                      .volume = attempt->volume->id,
                                      .device = attempt->now.devices[picks[i].device].entry->rec.id,
                                      .set = set,
                                      .position = i,
                                      .size_kib = picks[i].size_kib,
                                      .pool_kib = picks[i].need.pool_kib,
                                      .meta_kib = picks[i].need.meta_kib,
                                      .lv = mem_strdup(""),
                                      .path = mem_strdup(""),
                                      .type = picks[i].type};
        brick->pool = mem_printf("tp_%s", id_text(brick->id).text);
    }
}

/* All sets or none; by_ring: Heketi's way, else wherever they fit. */
static bool try_sets(struct attempt *attempt, uint32_t sets, uint64_t size_kib, bool by_ring)
{
    const struct plan_set set = set_of(attempt, size_kib);
    CLEANUP(free_ptr) struct plan_pick *picks = mem_calloc((size_t)sets * set.width, sizeof(*picks));
    CLEANUP(free_ptr) struct id *first = mem_calloc(sets, sizeof(*first));

    if (!plan_may_fit(attempt->start, &set, sets)) {
        return false;
    }
    memcpy(attempt->now.devices, attempt->start->devices, attempt->start->n * sizeof(*attempt->now.devices));
    for (uint32_t s = 0; s < sets; s++) {
        first[s] = plan_random_id(attempt->env);
        if (by_ring && !plan_place_ring(&attempt->now, &first[s], &set, picks + (size_t)s * set.width)) {
            return false;
        }
    }
    if (!by_ring && !plan_place_any(&attempt->now, &first[0], &set, sets, picks)) {
        return false;
    }
    attempt->result->bricks = mem_calloc((size_t)sets * set.width, sizeof(*attempt->result->bricks));
    for (uint32_t s = 0; s < sets; s++) {
        add_set(attempt, set.width, &first[s], picks + (size_t)s * set.width);
    }
    return true;
}

/* What the limit of bricks leaves. */
static uint32_t sets_max(const struct attempt *attempt)
{
    uint32_t limit = attempt->env->bricks_per_volume_max;

    limit = limit < STORE_BRICKS_MAX ? limit : STORE_BRICKS_MAX;
    limit -= attempt->volume->n_bricks < limit ? (uint32_t)attempt->volume->n_bricks : limit;
    return limit / store_volume_width(attempt->volume);
}

/* Heketi's split: 1, 2, 4, ... sets of equal bricks, each attempt placed by the ring. */
static enum plan_outcome try_powers_of_two(struct attempt *attempt)
{
    for (uint32_t sets = 1;; sets *= 2) {
        uint64_t size_kib = attempt->total_kib / sets / attempt->data;

        if (size_kib < attempt->env->brick_min_kib) {
            return PLAN_MIN_BRICK;
        }
        if (size_kib > attempt->env->brick_max_kib) {
            continue;
        }
        if (sets > sets_max(attempt)) {
            return PLAN_MAX_BRICKS;
        }
        if (try_sets(attempt, sets, size_kib, true)) {
            return PLAN_PLACED;
        }
    }
}

/* Bricks are rounded up, so that the volume is not smaller than asked. 0: not within the limits. */
static uint64_t even_brick(const struct attempt *attempt, uint64_t total_kib, uint32_t sets)
{
    uint64_t parts = (uint64_t)sets * attempt->data;
    uint64_t size_kib = (total_kib + parts - 1) / parts;

    return size_kib >= attempt->env->brick_min_kib && size_kib <= attempt->env->brick_max_kib ? size_kib : 0;
}

/* The numbers of sets that are tried where that finds nothing: each up to 32, then in steps that grow, the largest one
 * in any case; 0 first, and at the end, or when no work is left. */
static uint32_t next_sets(const struct attempt *attempt, uint32_t sets)
{
    uint32_t max = sets_max(attempt), next = sets + 1 + sets / 32;

    max = attempt->arbiter && max > PLAN_ARBITER_SETS_MAX ? PLAN_ARBITER_SETS_MAX : max;
    if (sets >= max || *attempt->start->left == 0) {
        return 0;
    }
    return next < max ? next : max;
}

static bool try_any(struct attempt *attempt)
{
    for (uint32_t sets = next_sets(attempt, 0); sets > 0; sets = next_sets(attempt, sets)) {
        uint64_t size_kib = even_brick(attempt, attempt->total_kib, sets);

        if (size_kib > 0 && try_sets(attempt, sets, size_kib, false)) {
            return true;
        }
    }
    return false;
}

/* ---- explaining ---- */

static bool possible(const struct attempt *attempt, uint64_t total_kib)
{
    for (uint32_t sets = next_sets(attempt, 0); sets > 0; sets = next_sets(attempt, sets)) {
        uint64_t size_kib = even_brick(attempt, total_kib, sets);
        struct plan_set set = set_of(attempt, size_kib);

        if (size_kib > 0 && plan_feasible(attempt->start, &set, sets)) {
            return true;
        }
    }
    return false;
}

/* A size that would fit, in GiB; 0: none was found. By halving, so it need not be the very largest one, and as long as
 * there is work left. */
static uint64_t fitting_gib(const struct attempt *attempt)
{
    uint64_t low = 0, high = attempt->total_kib / STORE_KIB_PER_GIB;

    while (high - low > 1 && attempt->work->left[PLAN_EXPLAIN] > 0) {
        uint64_t middle = low + (high - low) / 2;

        if (possible(attempt, middle * STORE_KIB_PER_GIB)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

#define GIB_TEXT(kib) ((double)(kib) / (double)STORE_KIB_PER_GIB)

/* Places as many of these sets as can be; what is left then is what keeps the next one out. */
static uint32_t place_some(struct attempt *attempt, const struct plan_set *set, uint32_t sets)
{
    CLEANUP(free_ptr) struct plan_pick *picks = mem_calloc((size_t)sets * set->width, sizeof(*picks));
    size_t bytes = attempt->start->n * sizeof(*attempt->now.devices);
    uint32_t low = 0, high = sets;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (plan_feasible(attempt->start, set, middle)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    memcpy(attempt->now.devices, attempt->start->devices, bytes);
    if (low > 0 && !plan_place_any(&attempt->now, &ID_NONE, set, low, picks)) {
        memcpy(attempt->now.devices, attempt->start->devices, bytes);
        low = 0; /* no work is left for it */
    }
    return low;
}

/* Nodes, or zones where these must differ, that have room for a brick. */
static uint32_t groups_with_room(const struct plan_space *space, const struct plan_set *set)
{
    struct plan_need need;
    uint32_t n = 0;

    for (size_t first = 0, end; first < space->n; first = end) {
        bool room = false;

        end = plan_group_end(space, first);
        for (size_t i = first; i < end && !room; i++) {
            const struct plan_device *device = &space->devices[i];

            room = device->accepted &&
                   ((device->role.data && plan_fits(space, i, set->size_kib, &need)) ||
                    (set->arbiter_kib > 0 && device->role.arbiter && plan_fits(space, i, set->arbiter_kib, &need)));
        }
        n += room;
    }
    return n;
}

/* placed: the sets that are in this space already, in words. */
static void explain_device(const struct attempt *attempt, size_t at, const struct plan_set *set, const char *placed)
{
    const struct plan_space *space = &attempt->now;
    const struct device_entry *device = space->devices[at].entry;
    struct plan_role role = space->devices[at].role;
    struct plan_need need, data_need;
    bool fits = plan_fits(space, at, set->size_kib, &data_need);
    bool arbiter = set->arbiter_kib > 0;
    const char *why =
        space->zone_strict ? "has room, but too few other zones have" : "has room, but too few others have";

    if (!space->devices[at].accepted) {
        why = "does not match the tag rule";
    } else if (arbiter && !role.data) {
        why = plan_fits(space, at, set->arbiter_kib, &need) ? "takes nothing but arbiters (tag arbiter)"
                                                            : "is too full for an arbiter";
    } else if (!fits && arbiter && role.arbiter && plan_fits(space, at, set->arbiter_kib, &need)) {
        why = "has room for an arbiter, but for nothing larger";
    } else if (!fits) {
        why = "is too full for it";
    } else if (arbiter && !role.arbiter) {
        why = "has room, but takes no arbiter (tag arbiter)";
    }
    plan_explain_place(attempt->env, device->node, device->rec.id, why,
                       " (zone %u, %.2f GiB free%s, a brick needs %.2f)", device->node->rec.zone,
                       GIB_TEXT(space->devices[at].free_kib), placed,
                       GIB_TEXT(data_need.pool_kib + data_need.meta_kib));
}

/* What would fit, and what was not looked at. Words that follow a number of GiB begin with a blank. */
static void explain_fit(const struct attempt *attempt, struct buf *text)
{
    const uint64_t *left = attempt->work->left;
    unsigned long long fitting = fitting_gib(attempt);

    if (left[PLAN_EXPLAIN] > 0) {
        buf_printf(text, "%s%llu GiB would fit", fitting > 0 ? "" : "not even ", fitting > 0 ? fitting : 1);
    } else if (fitting > 0) {
        buf_printf(text, "%llu GiB would fit, maybe more", fitting);
    } else {
        buf_append_str(text, "how much would fit was not found out");
    }
    if (left[PLAN_ANYWHERE] == 0) {
        buf_append_str(text, "; not all ways were tried, as they are too many");
    }
}

/* No number of sets is allowed: by which settings. */
static void explain_limits(const struct attempt *attempt, struct id cluster)
{
    const struct store_plan_env *env = attempt->env;
    uint32_t sets = sets_max(attempt);
    unsigned long long min_gib = env->brick_min_kib / STORE_KIB_PER_GIB;
    unsigned long long max_gib = env->brick_max_kib / STORE_KIB_PER_GIB;

    if (sets == 0) {
        plan_explain(env, cluster,
                     "the volume has %zu bricks, a set of %u more would be beyond glusterfs.max_bricks_per_volume (%u)",
                     attempt->volume->n_bricks, store_volume_width(attempt->volume), env->bricks_per_volume_max);
    } else if (attempt->total_kib / sets / attempt->data > env->brick_max_kib) {
        plan_explain(env, cluster,
                     "%u sets of bricks of %llu GiB would be too small for it, and neither larger bricks "
                     "(glusterfs.brick_max_size_gb) nor more than %u bricks (glusterfs.max_bricks_per_volume; the "
                     "volume has %zu) are allowed",
                     sets, max_gib, env->bricks_per_volume_max, attempt->volume->n_bricks);
    } else {
        plan_explain(env, cluster,
                     "no number of sets gives bricks of %llu to %llu GiB (glusterfs.brick_min_size_gb, "
                     "glusterfs.brick_max_size_gb)",
                     min_gib, max_gib);
    }
}

/* Of the largest number of sets that the limits allow: its bricks are the smallest ones. */
static void explain_failure(struct attempt *attempt, struct id cluster)
{
    const struct store_plan_env *env = attempt->env;
    const char *kind = attempt->start->zone_strict ? "zones" : "nodes";
    CLEANUP(buf_fini) struct buf fit = BUF_INIT;
    uint32_t sets = 0, placed, n_room;
    uint64_t size_kib = 0;
    struct plan_set set;
    char after[64] = "";

    if (env->reasons == NULL) {
        return;
    }
    for (uint32_t n = 1; n <= sets_max(attempt); n++) {
        uint64_t size = even_brick(attempt, attempt->total_kib, n);

        sets = size > 0 ? n : sets;
        size_kib = size > 0 ? size : size_kib;
    }
    if (sets == 0) {
        explain_limits(attempt, cluster);
        return;
    }
    set = set_of(attempt, size_kib);
    placed = place_some(attempt, &set, sets);
    n_room = groups_with_room(&attempt->now, &set);
    explain_fit(attempt, &fit);
    if (n_room < set.width) {
        buf_printf(&fit, "; %u of %u sets find a place, for the next one %u %s with room are needed, there are %u",
                   placed, sets, set.width, kind, n_room);
    }
    plan_explain(env, cluster, "tried up to %u sets of %u bricks on different %s%s, the smallest of %.2f GiB; %s", sets,
                 set.width, kind, attempt->arbiter ? ", one an arbiter" : "", GIB_TEXT(size_kib), buf_str(&fit));
    if (placed > 0) {
        (void)snprintf(after, sizeof(after), " after %u of %u sets", placed, sets);
    }
    for (size_t i = 0; i < attempt->start->n; i++) {
        explain_device(attempt, i, &set, after);
    }
}

/* ---- the whole ---- */

bool plan_zone_strict(const struct store_volume *volume, const struct store_plan_env *env)
{
    const char *zones = plan_option(&volume->options, "user.heketi.zone-checking");

    return zones != NULL && zones[0] != '\0' ? strcmp(zones, "strict") == 0 : env->zone_strict;
}

static void begin_phase(struct attempt *attempt, struct plan_space *start, enum plan_phase phase)
{
    start->left = attempt->now.left = &attempt->work->left[phase];
}

static enum plan_outcome place(struct attempt *attempt, struct plan_space *start, struct id cluster)
{
    enum plan_outcome outcome;

    begin_phase(attempt, start, PLAN_BY_RING);
    outcome = try_powers_of_two(attempt);
    if (outcome == PLAN_PLACED) {
        return outcome;
    }
    begin_phase(attempt, start, PLAN_ANYWHERE);
    if (try_any(attempt)) {
        return PLAN_PLACED;
    }
    begin_phase(attempt, start, PLAN_EXPLAIN);
    explain_failure(attempt, cluster);
    return outcome;
}

enum plan_outcome plan_bricks(const struct store *store, const struct store_plan_env *env, struct plan_work *work,
                              const struct cluster_entry *cluster, const struct plan_tag_rule *tag_rule,
                              const struct store_volume *volume, uint32_t size_gib, struct plan_result *ret_result)
{
    struct plan_space space = {.factor = volume->snapshot_factor, .tag_rule = tag_rule};
    struct attempt attempt = {.env = env,
                              .work = work,
                              .start = &space,
                              .volume = volume,
                              .total_kib = size_gib * STORE_KIB_PER_GIB,
                              .data = volume->durability == STORE_DISPERSE ? volume->disperse_data : 1,
                              .arbiter = plan_wants_arbiter(volume),
                              .result = ret_result};
    enum plan_outcome outcome;

    *ret_result = (struct plan_result){NULL, 0};
    space.zone_strict = plan_zone_strict(volume, env);
    outcome = plan_gather(&space, store, env, cluster);
    if (outcome == PLAN_PLACED) {
        env->random(env->user, &space.seed, sizeof(space.seed));
        attempt.now = space;
        attempt.now.devices = mem_calloc(space.n, sizeof(*space.devices));
        outcome = place(&attempt, &space, cluster->rec.id);
        free(attempt.now.devices);
    }
    free(space.devices);
    return outcome;
}

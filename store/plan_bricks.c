/* Splitting a volume into brick sets and placing them in one cluster (heketi-storage.md 5.3, 6). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"

/* What the sets of this volume look like. */
struct shape {
    uint32_t width; /* bricks in a set */
    uint32_t data;  /* bricks among which a set's data are divided */
};

static struct shape shape_of(const struct store_volume *volume)
{
    return (struct shape){volume_set_width(volume), volume->durability == STORE_DISPERSE ? volume->disperse_data : 1};
}

const char *plan_outcome_text(enum plan_outcome outcome)
{
    switch (outcome) {
    case PLAN_PLACED:
        return "";
    case PLAN_NO_NODES:
        return "No nodes in cluster";
    case PLAN_NO_DEVICES:
        return "No online storage devices in cluster";
    case PLAN_NO_SPACE:
        break;
    }
    return "No space";
}

__attribute__((format(printf, 2, 3))) static void explain(const struct store_plan_env *env, const char *fmt, ...)
{
    va_list args;
    CLEANUP(free_ptr) char *text = NULL;

    if (env->explain == NULL) {
        return;
    }
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0) {
        text = mem_strdup("");
    }
    va_end(args);
    buf_append_str(env->explain, text);
    buf_append_char(env->explain, '\n');
}

/* ---- candidates ---- */

/* Why not this node? NULL: usable. */
static const char *node_refused(const struct store_plan_env *env, const struct node_entry *node)
{
    if (!id_is_none(node->rec.pending)) {
        return "is being added or deleted";
    }
    if (node->rec.state != STORE_STATE_ONLINE) {
        return node->rec.state == STORE_STATE_FAILED ? "is failed" : "is offline";
    }
    for (size_t i = 0; i < env->n_exclude_nodes; i++) {
        if (id_equal(env->exclude_nodes[i], node->rec.id)) {
            return "failed during this operation";
        }
    }
    return env->node_down != NULL && env->node_down(env->user, node->rec.id) ? "does not answer" : NULL;
}

static const char *device_refused(const struct device_entry *device)
{
    if (!id_is_none(device->rec.pending)) {
        return "is being added or deleted";
    }
    if (device->rec.state != STORE_STATE_ONLINE) {
        return device->rec.state == STORE_STATE_FAILED ? "is failed" : "is offline";
    }
    return NULL;
}

static int device_order(const void *a, const void *b)
{
    const struct device_entry *left = ((const struct plan_device *)a)->entry;
    const struct device_entry *right = ((const struct plan_device *)b)->entry;
    int c;

    if (left->node->rec.zone != right->node->rec.zone) {
        return left->node->rec.zone < right->node->rec.zone ? -1 : 1;
    }
    c = id_cmp(&left->node->rec.id, &right->node->rec.id);
    return c != 0 ? c : id_cmp(&left->rec.id, &right->rec.id);
}

static void add_node(struct plan_space *space, size_t *size, const struct store_plan_env *env, struct node_entry *node)
{
    const char *why = node_refused(env, node);
    struct device_entry *device;

    if (why != NULL) {
        explain(env, "  node %s (%s) %s", id_text(node->rec.id).text, node->rec.manage.items[0], why);
        return;
    }
    TREE_EACH (device, node_device_tree, &node->devices, in_node) {
        why = device_refused(device);
        if (why != NULL) {
            explain(env, "  device %s (%s on %s) %s", id_text(device->rec.id).text, device->rec.name,
                    node->rec.manage.items[0], why);
            continue;
        }
        if (space->n == *size) {
            *size = *size > 0 ? 2 * *size : 16;
            space->devices = mem_realloc_array(space->devices, *size, sizeof(*space->devices));
        }
        space->devices[space->n++] = (struct plan_device){device, device_free_kib(device), device_spare_kib(device)};
    }
}

static enum plan_outcome gather(struct plan_space *space, const struct store *store, const struct store_plan_env *env,
                                const struct cluster_entry *cluster)
{
    struct node_entry *node;
    size_t size = 0, n_nodes = 0;

    TREE_EACH (node, cluster_node_tree, &cluster->nodes, in_cluster) {
        n_nodes += node_visible(store, node) ? 1 : 0;
        add_node(space, &size, env, node);
    }
    if (n_nodes == 0) {
        return PLAN_NO_NODES;
    }
    if (space->n == 0) {
        return PLAN_NO_DEVICES;
    }
    qsort(space->devices, space->n, sizeof(*space->devices), device_order);
    return PLAN_PLACED;
}

/* ---- attempts ---- */

struct attempt {
    const struct store_plan_env *env;
    const struct plan_space *start; /* before this attempt */
    struct plan_space now;
    struct shape shape;
    struct store_volume *volume;
};

static void add_set(struct attempt *attempt, uint32_t set, const struct id *first, const struct plan_pick *picks)
{
    struct store_volume *volume = attempt->volume;

    for (uint32_t i = 0; i < attempt->shape.width; i++) {
        struct store_brick *brick = &volume->bricks[volume->n_bricks++];

        *brick = (struct store_brick){.id = i == 0 ? *first : plan_random_id(attempt->env),
                                      .volume = volume->id,
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

static void drop_bricks(struct store_volume *volume)
{
    for (size_t i = 0; i < volume->n_bricks; i++) {
        store_brick_fini(&volume->bricks[i]);
    }
    free(volume->bricks);
    volume->bricks = NULL;
    volume->n_bricks = 0;
}

/* All sets or none. */
static bool try_sets(struct attempt *attempt, plan_placer placer, uint32_t sets, uint64_t size_kib)
{
    CLEANUP(free_ptr) struct plan_pick *picks = NULL;

    if (!plan_feasible(attempt->start, attempt->shape.width, sets, size_kib)) {
        return false;
    }
    picks = mem_calloc(attempt->shape.width, sizeof(*picks));
    memcpy(attempt->now.devices, attempt->start->devices, attempt->start->n * sizeof(*attempt->now.devices));
    attempt->volume->bricks = mem_calloc((size_t)sets * attempt->shape.width, sizeof(*attempt->volume->bricks));
    for (uint32_t set = 0; set < sets; set++) {
        struct id first = plan_random_id(attempt->env);

        if (!placer(&attempt->now, &first, attempt->shape.width, size_kib, picks)) {
            drop_bricks(attempt->volume);
            return false;
        }
        add_set(attempt, set, &first, picks);
    }
    return true;
}

static uint32_t sets_max(const struct attempt *attempt)
{
    uint32_t limit = attempt->env->bricks_per_volume_max;

    limit = limit < STORE_BRICKS_MAX ? limit : STORE_BRICKS_MAX;
    return limit / attempt->shape.width;
}

/* Heketi's split: 1, 2, 4, ... sets of equal bricks, each attempt placed by the ring. */
static bool try_powers_of_two(struct attempt *attempt)
{
    uint64_t total_kib = attempt->volume->size_gib * STORE_KIB_PER_GIB;

    for (uint32_t sets = 1; sets <= sets_max(attempt); sets *= 2) {
        uint64_t size_kib = total_kib / sets / attempt->shape.data;

        if (size_kib < attempt->env->brick_min_kib) {
            break;
        }
        if (size_kib <= attempt->env->brick_max_kib && try_sets(attempt, plan_place_ring, sets, size_kib)) {
            return true;
        }
    }
    return false;
}

/* Where that finds nothing: any number of sets, the roomiest nodes first. Bricks are rounded up, so that the volume is
 * not smaller than asked. */
static bool try_any(struct attempt *attempt)
{
    uint64_t total_kib = attempt->volume->size_gib * STORE_KIB_PER_GIB;

    for (uint32_t sets = 1; sets <= sets_max(attempt); sets++) {
        uint64_t parts = (uint64_t)sets * attempt->shape.data;
        uint64_t size_kib = (total_kib + parts - 1) / parts;

        if (size_kib < attempt->env->brick_min_kib) {
            break;
        }
        if (size_kib <= attempt->env->brick_max_kib && try_sets(attempt, plan_place_fullest, sets, size_kib)) {
            return true;
        }
    }
    return false;
}

/* The largest number of sets that the limits allow, for the explanation. */
static void explain_failure(const struct attempt *attempt)
{
    uint64_t total_kib = attempt->volume->size_gib * STORE_KIB_PER_GIB;
    uint32_t sets = 0;
    uint64_t size_kib = total_kib;

    for (uint32_t n = 1; n <= sets_max(attempt); n++) {
        uint64_t parts = (uint64_t)n * attempt->shape.data;

        if ((total_kib + parts - 1) / parts >= attempt->env->brick_min_kib) {
            sets = n;
            size_kib = (total_kib + parts - 1) / parts;
        }
    }
    explain(
        attempt->env,
        "  tried 1 to %u sets of %u bricks on different %s; the smallest bricks would have %llu KiB (allowed: %llu to "
        "%llu KiB, %u bricks)",
        sets, attempt->shape.width, attempt->start->zone_strict ? "zones" : "nodes", (unsigned long long)size_kib,
        (unsigned long long)attempt->env->brick_min_kib, (unsigned long long)attempt->env->brick_max_kib,
        attempt->env->bricks_per_volume_max);
    for (size_t i = 0; i < attempt->start->n; i++) {
        const struct device_entry *device = attempt->start->devices[i].entry;
        struct plan_need need;
        const char *why = "has room for such a brick, but too few others have";

        if (!plan_tag_rule_accepts(attempt->start->tag_rule, device)) {
            why = "does not match the tag rule";
        } else if (!plan_fits(attempt->start, i, size_kib, &need)) {
            why = "is too full for it";
        }
        explain(attempt->env, "  device %s (%s on %s, zone %u, %llu KiB free) %s", id_text(device->rec.id).text,
                device->rec.name, device->node->rec.manage.items[0], device->node->rec.zone,
                (unsigned long long)device_free_kib(device), why);
    }
}

enum plan_outcome plan_bricks(const struct store *store, const struct store_plan_env *env,
                              const struct cluster_entry *cluster, const struct plan_tag_rule *tag_rule,
                              struct store_volume *volume)
{
    const char *zones = plan_option(&volume->options, "user.heketi.zone-checking");
    struct plan_space space = {.factor = volume->snapshot_factor, .tag_rule = tag_rule};
    struct attempt attempt = {.env = env, .start = &space, .shape = shape_of(volume), .volume = volume};
    enum plan_outcome outcome;

    explain(env, "Cluster %s:", id_text(cluster->rec.id).text);
    space.zone_strict = zones != NULL && zones[0] != '\0' ? strcmp(zones, "strict") == 0 : env->zone_strict;
    outcome = gather(&space, store, env, cluster);
    if (outcome == PLAN_PLACED) {
        env->random(env->user, &space.seed, sizeof(space.seed));
        attempt.now = space;
        attempt.now.devices = mem_calloc(space.n, sizeof(*space.devices));
        if (!try_powers_of_two(&attempt) && !try_any(&attempt)) {
            outcome = PLAN_NO_SPACE;
            explain_failure(&attempt);
        }
        free(attempt.now.devices);
    }
    free(space.devices);
    return outcome;
}

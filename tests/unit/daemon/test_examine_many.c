/* An examination finds what a naive comparison finds, in small random worlds; and in large ones it stays a matter of
 * sorting, whatever is amiss. Comparisons are counted, not timed. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/examine.h"
#include "daemon/executor/mock_database.h"
#include "daemon/order.h"
#include "store/base/mem.h"
#include "tests/unit/store/world.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MANY 10000
#else
#define MANY 100000
#endif
#define NODES 9
#define POOL 3

/* ---- small and random ---- */

/* How many findings there are of each kind, by comparing everything with everything. */
struct counts {
    uint64_t of[FINDING_KINDS];
};

static bool has(const struct store_strs *strs, const char *text)
{
    bool found = false;

    for (size_t i = 0; i < strs->n; i++) {
        found = found || strcmp(strs->items[i], text) == 0;
    }
    return found;
}

static void count_strs(const struct store_strs *should, const struct store_strs *is, uint64_t *missing,
                       uint64_t *leftover)
{
    for (size_t i = 0; i < should->n; i++) {
        *missing += !has(is, should->items[i]);
    }
    for (size_t i = 0; i < is->n; i++) {
        *leftover += !has(should, is->items[i]);
    }
}

static struct store_strs lvs_of(const struct exec_inventory *inventory)
{
    struct store_strs strs = {NULL, 0};

    for (size_t i = 0; i < inventory->n_lvs; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("%s/%s", inventory->lvs[i].group, inventory->lvs[i].name);

        if (!has(&strs, name)) {
            store_strs_add(&strs, name);
        }
    }
    return strs;
}

static const struct exec_gluster_volume *find(const struct exec_inventory *inventory, const char *name)
{
    for (size_t i = 0; i < inventory->n_volumes; i++) {
        if (strcmp(inventory->volumes[i].name, name) == 0) {
            return &inventory->volumes[i];
        }
    }
    return NULL;
}

static bool same_bricks(const struct exec_gluster_volume *a, const struct exec_gluster_volume *b)
{
    bool same = a->bricks.n == b->bricks.n;

    for (size_t j = 0; same && j < a->bricks.n; j++) {
        same = strcmp(a->bricks.items[j], b->bricks.items[j]) == 0;
    }
    return same;
}

/* Do two nodes say the same of a volume of the database? */
static bool say_alike(const struct exec_gluster_volume *volume, const struct exec_gluster_volume *a,
                      const struct exec_gluster_volume *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return same_bricks(a, b) && (!same_bricks(a, volume) || a->started == b->started);
}

/* What n of the pool's nodes say. */
static void count_volumes(const struct exec_inventory *should, struct exec_inventory *const *is, size_t n,
                          size_t n_pool, struct counts *counts)
{
    for (size_t i = 0; i < should->n_volumes; i++) {
        const struct exec_gluster_volume *volume = &should->volumes[i], *there = find(is[0], volume->name);
        bool alike = true;

        for (size_t j = 1; j < n; j++) {
            alike = alike && say_alike(volume, there, find(is[j], volume->name));
        }
        if (!alike) {
            counts->of[FINDING_NODES_DISAGREE]++;
        } else if (there == NULL) {
            counts->of[n < n_pool ? FINDING_UNSEEN_VOLUME : FINDING_MISSING_VOLUME]++;
        } else if (!same_bricks(volume, there)) {
            counts->of[FINDING_BRICKS_DIFFER]++;
        } else {
            counts->of[FINDING_VOLUME_STOPPED] += !there->started;
        }
    }
    for (size_t at = 0; at < n; at++) {
        for (size_t i = 0; i < is[at]->n_volumes; i++) {
            const char *name = is[at]->volumes[i].name;
            size_t before = 0, have = 0;

            for (size_t j = 0; j < n; j++) {
                before += j < at && find(is[j], name) != NULL;
                have += find(is[j], name) != NULL;
            }
            if (find(should, name) == NULL && before == 0) {
                counts->of[have == n ? FINDING_FOREIGN_VOLUME : FINDING_NODES_DISAGREE]++;
            }
        }
    }
}

static void count_node(const struct exec_inventory *should, const struct exec_inventory *is, struct counts *counts)
{
    struct store_strs lvs_should = lvs_of(should), lvs_is = lvs_of(is);

    count_strs(&should->groups, &is->groups, &counts->of[FINDING_MISSING_GROUP], &counts->of[FINDING_LEFTOVER_GROUP]);
    count_strs(&lvs_should, &lvs_is, &counts->of[FINDING_MISSING_LV], &counts->of[FINDING_LEFTOVER_LV]);
    count_strs(&should->mounts, &is->mounts, &counts->of[FINDING_MISSING_MOUNT], &counts->of[FINDING_LEFTOVER_MOUNT]);
    count_strs(&should->fstab, &is->fstab, &counts->of[FINDING_MISSING_FSTAB], &counts->of[FINDING_LEFTOVER_FSTAB]);
    store_strs_fini(&lvs_should);
    store_strs_fini(&lvs_is);
}

static bool draw(struct world *world)
{
    return world_below(world, 4) == 0;
}

static void mangle_text(struct world *world, char **text, const char *made)
{
    if (draw(world)) {
        free(*text);
        *text = mem_printf("%s%llx", made, (unsigned long long)world_draw(world));
    }
}

static void mangle_strs(struct world *world, struct store_strs *strs, const char *made)
{
    for (size_t i = 0; i < strs->n; i++) {
        mangle_text(world, &strs->items[i], made);
    }
    if (strs->n > 0 && draw(world)) {
        free(strs->items[--strs->n]);
    }
}

static void mangle(struct world *world, struct exec_inventory *is)
{
    struct id group = world_id(world);

    for (size_t i = 0; i < is->groups.n; i++) {
        if (draw(world)) {
            free(is->groups.items[i]);
            is->groups.items[i] = mem_printf("vg_%s", id_text(group).text);
            break;
        }
    }
    mangle_strs(world, &is->mounts, "/mounts/");
    mangle_strs(world, &is->fstab, "/fstab/");
    for (size_t i = 0; i < is->n_lvs; i++) {
        mangle_text(world, &is->lvs[i].name, "other_");
    }
}

static void mangle_volumes(struct world *world, struct exec_inventory *is)
{
    for (size_t i = 0; i < is->n_volumes; i++) {
        mangle_text(world, &is->volumes[i].name, "foreign_");
        mangle_strs(world, &is->volumes[i].bricks, "h:/");
        is->volumes[i].started = !draw(world);
    }
}

/* They say the same as another node. */
static void copy_volumes(struct exec_inventory *is, const struct exec_inventory *other)
{
    for (size_t i = 0; i < is->n_volumes; i++) {
        struct exec_gluster_volume *volume = &is->volumes[i];

        free(volume->name);
        volume->name = mem_strdup(other->volumes[i].name);
        store_strs_fini(&volume->bricks);
        store_strs_copy(&volume->bricks, &other->volumes[i].bricks);
        volume->started = other->volumes[i].started;
    }
}

static enum finding_kind kind_of(const struct findings_group *group)
{
    static const char *const codes[FINDING_KINDS] = {[FINDING_MISSING_GROUP] = "missing-group",
                                                     [FINDING_MISSING_LV] = "missing-lv",
                                                     [FINDING_MISSING_MOUNT] = "missing-mount",
                                                     [FINDING_MISSING_FSTAB] = "missing-fstab",
                                                     [FINDING_MISSING_VOLUME] = "missing-volume",
                                                     [FINDING_UNSEEN_VOLUME] = "unseen-volume",
                                                     [FINDING_NODES_DISAGREE] = "nodes-disagree",
                                                     [FINDING_VOLUME_STOPPED] = "volume-stopped",
                                                     [FINDING_BRICKS_DIFFER] = "bricks-differ",
                                                     [FINDING_MISSING_PEER] = "missing-peer",
                                                     [FINDING_PEER_DISCONNECTED] = "peer-disconnected",
                                                     [FINDING_LEFTOVER_GROUP] = "leftover-group",
                                                     [FINDING_LEFTOVER_LV] = "leftover-lv",
                                                     [FINDING_LEFTOVER_SNAPSHOT] = "leftover-snapshot",
                                                     [FINDING_LEFTOVER_MOUNT] = "leftover-mount",
                                                     [FINDING_LEFTOVER_FSTAB] = "leftover-fstab",
                                                     [FINDING_FOREIGN_VOLUME] = "foreign-volume",
                                                     [FINDING_FOREIGN_PEER] = "foreign-peer",
                                                     [FINDING_PEERS_DISAGREE] = "peers-disagree"};
    size_t kind = 0;

    while (kind < FINDING_KINDS && strcmp(codes[kind], group->code) != 0) {
        kind++;
    }
    assert_true(kind < FINDING_KINDS);
    return (enum finding_kind)kind;
}

static void test_like_a_naive_comparison(void **state)
{
    uint64_t seed = world_seed("examine_many", 1);

    (void)state;
    for (uint64_t round = 0; round < 400; round++) {
        struct findings *findings = findings_new();
        struct counts told = {{0}}, naive = {{0}};
        struct exec_inventory *should[POOL], *is[POOL];
        const struct store_node *node = NULL;
        struct findings_list list;
        struct examine examine;
        struct world_view view;
        struct world world;
        size_t n = 1 + round % POOL; /* that answer */

        world_init(&world, seed + round);
        (void)world_topology(&world, POOL, 500 * GIB, NULL, NULL);
        for (size_t i = world_below(&world, 6); i > 0; i--) {
            (void)world_volume(&world, 1, 3, "");
        }
        view = world_view(world.store);
        examine_init(&examine, view.view, findings);
        for (size_t i = 0; i < n; i++) {
            node = store_node_next(world.store, node);
            should[i] = mock_database_inventory(view.view, node, NULL);
            is[i] = mock_database_inventory(view.view, node, NULL);
            mangle(&world, is[i]);
            if (i == 0 || draw(&world)) {
                mangle_volumes(&world, is[i]);
            } else {
                copy_volumes(is[i], is[0]);
            }
            count_node(should[i], is[i], &naive);
            examine_node(&examine, node, is[i]);
        }
        count_volumes(should[0], is, n, POOL, &naive);
        examine_end(&examine);
        list = findings_tell(findings, false);
        for (size_t i = 0; i < list.n; i++) {
            told.of[kind_of(&list.items[i])] += list.items[i].count;
        }
        for (size_t kind = 0; kind < FINDING_KINDS; kind++) {
            if (told.of[kind] != naive.of[kind]) {
                fail_msg("seed %llu: %llu of kind %zu, naively %llu", (unsigned long long)(seed + round),
                         (unsigned long long)told.of[kind], kind, (unsigned long long)naive.of[kind]);
            }
        }
        findings_list_fini(&list);
        examine_fini(&examine);
        findings_free(findings);
        for (size_t i = 0; i < n; i++) {
            exec_inventory_free(should[i]);
            exec_inventory_free(is[i]);
        }
        world_view_fini(&view);
        world_fini(&world);
    }
}

/* ---- large ---- */

static struct world large;
static struct world_view large_view;
static size_t view_bytes; /* 0 under a sanitizer, whose allocator does not say */

static int make_large(void **state)
{
    struct mallinfo2 before, after;

    (void)state;
    world_init(&large, world_seed("examine_many", 2));
    large.unchecked = true;
    large.env.volumes_per_cluster_max = -1;
    (void)world_topology(&large, NODES, 800000 * GIB, NULL, NULL);
    for (int i = 0; i < MANY; i++) {
        (void)world_volume(&large, 1, 3, "");
    }
    before = mallinfo2();
    large_view = world_view(large.store);
    after = mallinfo2();
    view_bytes = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    return 0;
}

static int free_large(void **state)
{
    (void)state;
    world_view_fini(&large_view);
    world_fini(&large);
    return 0;
}

/* All nodes, the first of which has lost what has `lose` in its name. Returns the comparisons for each name. */
static double examine_all(const char *lose, struct findings *findings, const struct findings *earlier)
{
    const struct store_node *node = NULL;
    struct examine examine;
    uint64_t names = 0;
    double each;

    findings_confirm_by(findings, earlier);
    examine_init(&examine, large_view.view, findings);
    while ((node = store_node_next(large.store, node)) != NULL) {
        struct exec_inventory *is = mock_database_inventory(large_view.view, node, names == 0 ? lose : NULL);

        names += MANY + MANY / NODES * 3 * 4; /* volumes; LVs, pools, mounts and fstab lines of the node's bricks */
        examine_node(&examine, node, is);
        exec_inventory_free(is);
    }
    examine_end(&examine);
    each = (double)examine.comparisons / (double)names;
    examine_fini(&examine);
    return each;
}

#define EACH_MAX 100.0 /* some times the logarithm of 10^5 */

static void test_healthy(void **state)
{
    struct findings *findings = findings_new();
    double each = examine_all(NULL, findings, NULL);

    (void)state;
    printf("%d healthy volumes: %.1f comparisons a name; a view of %zu bytes a volume\n", MANY, each,
           view_bytes / MANY);
    assert_true(view_bytes < MANY * 400);
    assert_true(each > 1.0 && each < EACH_MAX);
    assert_int_equal(findings_count(findings, false), 0);
    findings_free(findings);
}

static void test_a_node_lost(void **state)
{
    struct findings *first = findings_new(), *second = findings_new();
    double each = examine_all("vg_", first, NULL);
    struct findings_list list;

    (void)state;
    (void)examine_all("vg_", second, first);
    printf("%d volumes, a node lost: %.1f comparisons a name, %llu findings\n", MANY, each,
           (unsigned long long)findings_count(first, false));
    assert_true(each > 1.0 && each < EACH_MAX);
    assert_true(findings_count(first, false) > MANY);
    assert_int_equal(findings_count(second, true), findings_count(first, false));
    list = findings_tell(second, true);
    assert_int_equal(list.n, 4); /* group, LVs, mounts, lines of the table */
    assert_int_equal(list.items[0].count, 1);
    findings_list_fini(&list);
    findings_free(first);
    findings_free(second);
}

/* A volume of many bricks, and a node that names one volume's bricks for all. */
static void test_lies(void **state)
{
    const struct store_node *node = store_node_next(large.store, NULL);
    struct exec_inventory *is = mock_database_inventory(large_view.view, node, NULL);
    struct findings *findings = findings_new();
    struct examine examine;

    (void)state;
    for (size_t i = 0; i < is->n_lvs; i++) { /* as if of as many snapshots, which nobody has */
        free(is->lvs[i].name);
        is->lvs[i].name = mem_printf("%032zx_0", i);
    }
    is->snapshots_known = true;
    examine_init(&examine, large_view.view, findings);
    examine_node(&examine, node, is);
    examine_end(&examine);
    assert_true((double)examine.comparisons / (MANY + (double)is->n_lvs) < EACH_MAX);
    assert_int_equal(findings_count(findings, false), 2 * is->n_lvs);
    examine_fini(&examine);
    findings_free(findings);
    exec_inventory_free(is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_a_naive_comparison),
        cmocka_unit_test(test_healthy),
        cmocka_unit_test(test_a_node_lost),
        cmocka_unit_test(test_lies),
    };

    return cmocka_run_group_tests(tests, make_large, free_large);
}

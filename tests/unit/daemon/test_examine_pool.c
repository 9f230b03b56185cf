/* One node of a pool lies about its volumes: it neither makes the database believe an order of bricks nor an operator
 * delete what the others serve. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/examine.h"
#include "daemon/executor/mock_database.h"
#include "store/base/mem.h"
#include "tests/unit/store/world.h"

#define POOL 3

enum lie { TRUE, SILENT, GONE, STOPPED, SWAPPED, SWAPPED_OTHERWISE, FOREIGN, PEER };

static struct world world;
static struct world_view view;
static bool backwards; /* the last node answers first */
static const struct store_volume *volume;

static struct exec_inventory *inventory_of(const struct store_node *node, enum lie lie)
{
    struct exec_inventory *is = mock_database_inventory(view.view, node, NULL);
    struct exec_gluster_volume *there = &is->volumes[0];
    size_t other = lie == SWAPPED ? 1 : 2;
    char *kept;

    switch (lie) {
    case GONE:
        free(there->name);
        free(there->id);
        store_strs_fini(&there->bricks);
        is->n_volumes--;
        break;
    case STOPPED:
        there->started = false;
        break;
    case SWAPPED:
    case SWAPPED_OTHERWISE:
        kept = there->bricks.items[0];
        there->bricks.items[0] = there->bricks.items[other];
        there->bricks.items[other] = kept;
        break;
    case FOREIGN:
        is->volumes[1] = (struct exec_gluster_volume){.name = mem_strdup("strange"), .id = mem_strdup("x")};
        is->n_volumes = 2;
        break;
    case PEER:
        is->peers_known = true;
        is->peers = mem_realloc_array(is->peers, is->n_peers + 1, sizeof(*is->peers));
        is->peers[is->n_peers] = (struct exec_peer){.connected = true};
        store_strs_add(&is->peers[is->n_peers].names, backwards ? "192.0.2.99" : "s.example");
        store_strs_add(&is->peers[is->n_peers++].names, backwards ? "s.example" : "192.0.2.99");
        break;
    case TRUE:
    case SILENT:
        break;
    }
    return is;
}

/* What the nodes of a pool of n say: the findings' codes, texts and remedies in lines; and how many orders are learnt.
 */
static char *examined(size_t n, const enum lie *lies, size_t *ret_orders)
{
    struct findings *findings = findings_new();
    const struct store_node *nodes[POOL] = {NULL};
    struct buf told = BUF_INIT;
    struct findings_list list;
    struct examine examine;

    world_init(&world, 1);
    (void)world_topology(&world, n, 500 * GIB, NULL, NULL);
    volume = store_volume(world.store, world_volume(&world, 1, (uint32_t)n, "v"));
    view = world_view(world.store);
    examine_init(&examine, view.view, findings);
    for (size_t i = 0; i < n; i++) {
        nodes[i] = store_node_next(world.store, i > 0 ? nodes[i - 1] : NULL);
    }
    for (size_t i = 0; i < n; i++) {
        size_t at = backwards ? n - 1 - i : i;
        struct exec_inventory *is;

        if (lies[at] != SILENT) {
            is = inventory_of(nodes[at], lies[at]);
            examine_node(&examine, nodes[at], is);
            exec_inventory_free(is);
        }
    }
    examine_end(&examine);
    list = findings_tell(findings, false);
    for (size_t i = 0; i < list.n; i++) {
        buf_printf(&told, "%s: %s: %s\n", list.items[i].code, list.items[i].text, list.items[i].remedy);
    }
    *ret_orders = examine.n_orders;
    findings_list_fini(&list);
    examine_fini(&examine);
    findings_free(findings);
    world_view_fini(&view);
    world_fini(&world);
    return buf_take(&told);
}

static void expect(size_t n, const enum lie *lies, const char *code, const char *contains, size_t orders)
{
    size_t found;
    CLEANUP(free_ptr) char *told = examined(n, lies, &found);

    if (strncmp(told, code, strlen(code)) != 0 || strstr(told, contains) == NULL || found != orders) {
        fail_msg("%zu orders, and \"%s\" instead of \"%s\" with \"%s\"", found, told, code, contains);
    }
}

static void test_orders_are_learnt_of_all(void **state)
{
    (void)state;
    expect(3, (enum lie[]){SWAPPED, SWAPPED, SWAPPED}, "bricks-differ", "", 1);
    expect(3, (enum lie[]){SWAPPED, SILENT, SWAPPED}, "bricks-differ", "", 1);
    for (size_t liar = 0; liar < POOL; liar++) {
        enum lie lies[POOL] = {TRUE, TRUE, TRUE};

        lies[liar] = SWAPPED;
        expect(POOL, lies, "nodes-disagree", "it has other bricks, or another order of them", 0);
        for (size_t i = 0; i < POOL; i++) {
            lies[i] = i == liar ? SWAPPED_OTHERWISE : SWAPPED;
        }
        expect(POOL, lies, "nodes-disagree", "", 0);
        for (size_t i = 0; i < POOL; i++) { /* nobody else answers */
            lies[i] = i == liar ? SWAPPED : SILENT;
        }
        expect(POOL, lies, "bricks-differ", "", 0);
    }
    expect(2, (enum lie[]){SWAPPED, TRUE}, "nodes-disagree", "", 0);
}

/* Is there a command that deletes? */
static void check_harmless(size_t n, const enum lie *lies)
{
    size_t orders;
    CLEANUP(free_ptr) char *told = examined(n, lies, &orders);

    if (strstr(told, "volume delete") != NULL || strstr(told, "volume stop") != NULL ||
        strstr(told, "peer detach") != NULL) {
        fail_msg("not harmless: %s", told);
    }
}

static void test_absence_counts_of_all(void **state)
{
    (void)state;
    expect(3, (enum lie[]){GONE, GONE, GONE}, "missing-volume", "hecate volume delete ", 0);
    expect(1, (enum lie[]){GONE}, "missing-volume", "hecate volume delete ", 0);
    expect(3, (enum lie[]){GONE, SILENT, GONE}, "unseen-volume", "not all were asked", 0);
    check_harmless(3, (enum lie[]){GONE, SILENT, GONE});
    for (size_t liar = 0; liar < POOL; liar++) {
        enum lie lies[POOL] = {TRUE, TRUE, TRUE};

        lies[liar] = GONE;
        expect(POOL, lies, "nodes-disagree", "there is no such volume", 0);
        check_harmless(POOL, lies);
        lies[(liar + 1) % POOL] = SILENT;
        expect(POOL, lies, "nodes-disagree", "it is as in the database", 0);
        check_harmless(POOL, lies);
    }
}

static void test_what_only_some_say(void **state)
{
    (void)state;
    expect(3, (enum lie[]){STOPPED, STOPPED, STOPPED}, "volume-stopped", "gluster volume start v", 0);
    expect(3, (enum lie[]){TRUE, STOPPED, TRUE}, "nodes-disagree", " and 1 more: it is as in the database; node ", 0);
    expect(3, (enum lie[]){STOPPED, GONE, SWAPPED}, "nodes-disagree", "it is not started; node ", 0);
    expect(3, (enum lie[]){FOREIGN, FOREIGN, FOREIGN}, "foreign-volume", "strange", 0);
    expect(3, (enum lie[]){TRUE, FOREIGN, TRUE}, "nodes-disagree", "has it (1 of 3 nodes do), the database has not", 0);
    check_harmless(3, (enum lie[]){FOREIGN, FOREIGN, FOREIGN});
    check_harmless(3, (enum lie[]){TRUE, FOREIGN, TRUE});
}

/* Nobody is sent away because one node says that it knows him, or while the others are silent. */
static void test_peers_that_only_some_have(void **state)
{
    (void)state;
    expect(3, (enum lie[]){PEER, PEER, PEER}, "foreign-peer", "gluster peer detach 192.0.2.99", 0);
    expect(3, (enum lie[]){PEER, SILENT, PEER}, "foreign-peer", "gluster peer detach 192.0.2.99", 0);
    expect(1, (enum lie[]){PEER}, "foreign-peer", "gluster peer detach 192.0.2.99", 0);
    for (size_t liar = 0; liar < POOL; liar++) {
        enum lie lies[POOL] = {TRUE, TRUE, TRUE};

        lies[liar] = PEER;
        expect(POOL, lies, "peers-disagree", "(1 of 3 nodes that were heard do)", 0);
        check_harmless(POOL, lies);
        lies[(liar + 1) % POOL] = SILENT;
        expect(POOL, lies, "peers-disagree", "(1 of 2 nodes that were heard do)", 0);
        check_harmless(POOL, lies);
        lies[(liar + 2) % POOL] = SILENT;
        expect(POOL, lies, "peers-disagree", "(1 of 1 nodes that were heard do)", 0);
        check_harmless(POOL, lies);
    }
}

/* Who answers first is chance, and an audit believes what it has heard twice in the same words. */
static void test_who_answers_first(void **state)
{
    static const enum lie all[][3] = {
        {GONE, TRUE, TRUE}, {TRUE, GONE, GONE}, {STOPPED, GONE, SWAPPED}, {TRUE, FOREIGN, FOREIGN}, {TRUE, PEER, PEER}};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        CLEANUP(free_ptr) char *first = NULL, *then = NULL;
        size_t orders;

        first = examined(3, all[i], &orders);
        backwards = true;
        then = examined(3, all[i], &orders);
        backwards = false;
        assert_string_equal(first, then);
    }
}

/* However many volumes a node makes up, what is kept of their names has a bound. */
static void test_many_made_up(void **state)
{
    struct findings *findings = findings_new();
    struct exec_inventory *is;
    const struct store_node *node;
    struct examine examine;
    const size_t n = 50000;

    (void)state;
    world_init(&world, 1);
    (void)world_topology(&world, POOL, 500 * GIB, NULL, NULL);
    node = store_node_next(world.store, NULL);
    view = world_view(world.store);
    is = mock_database_inventory(view.view, node, NULL);
    free(is->volumes);
    is->volumes = mem_calloc(n, sizeof(*is->volumes));
    for (is->n_volumes = 0; is->n_volumes < n; is->n_volumes++) {
        is->volumes[is->n_volumes] =
            (struct exec_gluster_volume){.name = mem_printf("%0400zu", is->n_volumes), .id = mem_strdup("")};
    }
    examine_init(&examine, view.view, findings);
    examine_node(&examine, node, is);
    examine_end(&examine);
    assert_int_equal(findings_count(findings, false), n);
    examine_fini(&examine);
    findings_free(findings);
    exec_inventory_free(is);
    world_view_fini(&view);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_are_learnt_of_all), cmocka_unit_test(test_absence_counts_of_all),
        cmocka_unit_test(test_what_only_some_say),       cmocka_unit_test(test_peers_that_only_some_have),
        cmocka_unit_test(test_who_answers_first),        cmocka_unit_test(test_many_made_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

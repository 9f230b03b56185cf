/* What differs between a node and the database is found; what is as it should be is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "daemon/examine.h"
#include "daemon/executor/mock.h"
#include "daemon/executor/mock_database.h"
#include "daemon/gather.h"
#include "store/base/mem.h"
#include "tests/unit/daemon/fixture.h"
#include "tests/unit/store/world.h"

static struct fixture fixture;

static int setup(void **state)
{
    (void)state;
    fixture_init(&fixture);
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        fixture_start(&fixture, i);
    }
    fixture_load_topology(&fixture);
    (void)fixture_finish(&fixture, fixture_leader(&fixture), fixture_create(&fixture, "the-volume", 1).op_id);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

/* What the pretended node of the first brick has. */
static const struct store_node *the_node(void)
{
    const struct store *store = fixture_leader(&fixture)->store;
    const struct store_volume *volume = store_volume_next(store, NULL);

    return store_node(store, store_device(store, volume->bricks[0].device)->node);
}

/* It says nothing of peers. */
static struct exec_inventory *take(void)
{
    struct world_view view = world_view(fixture_leader(&fixture)->store);
    struct exec_inventory *inventory = mock_database_inventory(view.view, the_node(), NULL);

    world_view_fini(&view);
    inventory->peers_known = false;
    while (inventory->n_peers > 0) {
        store_strs_fini(&inventory->peers[--inventory->n_peers].names);
    }
    free(TAKE_PTR(inventory->peers));
    return inventory;
}

static const char *text_at(json_t *json, const char *list, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(json, list), i), key));
}

/* The answer to clients has all of it, and is cut nowhere: what does not fit is left out. */
static void check_document(const struct exec_inventory *inventory)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    struct buf again = BUF_INIT;
    json_t *json, *volumes, *mounts;

    assert_true(examine_node_put(the_node()->id, inventory, SIZE_MAX, &text));
    json = json_loads(buf_str(&text), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "NodeHeketiID")), id_text(the_node()->id).text);
    volumes = json_object_get(json_object_get(json, "VolumeInfo"), "Volumes");
    assert_int_equal(json_integer_value(json_object_get(volumes, "Count")), inventory->n_volumes);
    assert_int_equal(json_array_size(json_object_get(volumes, "VolumeList")), inventory->n_volumes);
    for (size_t i = 0; i < inventory->n_volumes; i++) {
        json_t *bricks = json_object_get(json_array_get(json_object_get(volumes, "VolumeList"), i), "Bricks");

        assert_string_equal(text_at(volumes, "VolumeList", i, "VolumeName"), inventory->volumes[i].name);
        for (size_t j = 0; j < inventory->volumes[i].bricks.n; j++) {
            assert_string_equal(text_at(bricks, "BrickList", j, "Name"), inventory->volumes[i].bricks.items[j]);
        }
    }
    mounts = json_object_get(json, "BricksMountStatus");
    assert_int_equal(json_array_size(json_object_get(mounts, "Statuses")), inventory->mounts.n);
    assert_int_equal(json_array_size(json_object_get(mounts, "Table")), inventory->fstab.n);
    json_decref(json);
    assert_true(examine_node_put(the_node()->id, inventory, text.len, &again)); /* as much as it takes */
    assert_string_equal(buf_str(&again), buf_str(&text));
    for (size_t len = 0; len < text.len; len++) {
        buf_clear(&again);
        assert_false(examine_node_put(the_node()->id, inventory, len, &again));
    }
    buf_fini(&again);
    assert_true(examine_node_put(the_node()->id, NULL, SIZE_MAX, &again));
    json = json_loads(buf_str(&again), JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_null(json_object_get(json, "VolumeInfo")));
    json_decref(json);
    buf_fini(&again);
}

static bool names_match; /* of the node's volumes and the database's: what was found last */

/* The findings of the node are exactly these codes, comma after each. */
static void expect(struct exec_inventory *inventory, const char *codes)
{
    struct findings *findings = findings_new();
    CLEANUP(buf_fini) struct buf found = BUF_INIT;
    struct findings_list list;
    struct world_view view = world_view(fixture_leader(&fixture)->store);
    struct examine examine;

    examine_init(&examine, view.view, findings);
    names_match = examine_node(&examine, the_node(), inventory);
    (void)examine_node(&examine, the_node(), inventory); /* the same again is no second finding */
    examine_end(&examine);
    list = findings_tell(findings, false);
    for (size_t i = 0; i < list.n; i++) {
        for (uint64_t j = 0; j < list.items[i].count; j++) {
            buf_printf(&found, "%s,", list.items[i].code);
        }
        assert_true(strlen(list.items[i].remedy) > 0);
    }
    if (strcmp(buf_str(&found), codes) != 0) {
        fail_msg("\"%s\" instead of \"%s\"", buf_str(&found), codes);
    }
    json_decref(findings_list_json(&list));
    check_document(inventory);
    findings_list_fini(&list);
    examine_fini(&examine);
    findings_free(findings);
    world_view_fini(&view);
    exec_inventory_free(inventory);
}

static void drop_last(struct store_strs *strs)
{
    free(strs->items[--strs->n]);
}

static void test_nothing_when_all_is_well(void **state)
{
    struct exec_inventory *inventory = take();

    (void)state;
    assert_int_equal(inventory->n_lvs, 2); /* a brick and its pool */
    assert_int_equal(inventory->n_volumes, 1);
    expect(inventory, "");
    assert_true(names_match);
}

static void test_logical_volumes(void **state)
{
    struct exec_inventory *inventory = take();

    (void)state;
    free(inventory->lvs[0].name);
    inventory->lvs[0].name = mem_strdup("brick_other");
    expect(inventory, "missing-lv,leftover-lv,");
}

#define SNAPSHOT "0123456789abcdef0123456789abcdef"

/* One with an LV that Gluster made, in place of the pool. */
static struct exec_inventory *with_snapshot(void)
{
    struct exec_inventory *inventory = take();

    free(inventory->lvs[1].name);
    inventory->lvs[1].name = mem_strdup(SNAPSHOT "_0");
    inventory->snapshots_known = true;
    return inventory;
}

static void test_snapshots(void **state)
{
    struct exec_inventory *inventory = with_snapshot();

    (void)state;
    expect(inventory, "missing-lv,leftover-snapshot,");
    inventory = with_snapshot();
    store_strs_add(&inventory->snapshots, SNAPSHOT);
    expect(inventory, "missing-lv,"); /* somebody's snapshot */
    inventory = with_snapshot();
    store_strs_add(&inventory->volumes[0].bricks, "h:/run/gluster/snaps/" SNAPSHOT "/brick1/brick");
    expect(inventory, "missing-lv,bricks-differ,"); /* somebody's clone */
    inventory = with_snapshot();
    inventory->snapshots_known = false;
    expect(inventory, "missing-lv,");
}

/* It may be what is just being cloned. */
static void test_snapshots_while_cloning(void **state)
{
    struct exec_inventory *inventory = with_snapshot();
    struct store_request request;
    struct answer answer;
    struct id clone;

    (void)state;
    store_request_init(&request, STORE_REQ_VOLUME_CLONE);
    request.target = store_volume_next(fixture_leader(&fixture)->store, NULL)->id;
    answer = fixture_submit(&fixture, fixture_leader(&fixture), &request);
    store_request_fini(&request);
    assert_int_equal(answer.code, STORE_OK);
    expect(inventory, "missing-lv,");
    clone = fixture_finish(&fixture, fixture_leader(&fixture), answer.op_id)->resource_id;
    store_request_init(&request, STORE_REQ_VOLUME_DELETE); /* for the tests that follow */
    request.target = clone;
    answer = fixture_submit(&fixture, fixture_leader(&fixture), &request);
    store_request_fini(&request);
    (void)fixture_finish(&fixture, fixture_leader(&fixture), answer.op_id);
}

static void test_groups_and_mounts(void **state)
{
    struct exec_inventory *inventory = take();

    (void)state;
    drop_last(&inventory->groups);
    drop_last(&inventory->mounts);
    drop_last(&inventory->fstab);
    expect(inventory, "missing-group,missing-mount,missing-fstab,");

    inventory = take();
    store_strs_add(&inventory->groups, "vg_0123456789abcdef0123456789abcdef");
    store_strs_add(&inventory->groups, "vg_of_somebody");
    store_strs_add(&inventory->mounts, "/var/lib/heketi/mounts/x");
    store_strs_add(&inventory->fstab, "/var/lib/heketi/mounts/x");
    expect(inventory, "leftover-group,leftover-mount,leftover-fstab,");
}

static void test_volumes(void **state)
{
    struct exec_inventory *inventory = take();

    (void)state;
    free(inventory->volumes[0].name);
    inventory->volumes[0].name = mem_strdup("foreign");
    expect(inventory, "unseen-volume,foreign-volume,"); /* the other nodes may have it */
    assert_false(names_match);

    inventory = take();
    drop_last(&inventory->volumes[0].bricks);
    expect(inventory, "bricks-differ,");

    inventory = take();
    inventory->volumes[0].started = false;
    expect(inventory, "volume-stopped,");
}

/* What all nodes of a pool know alike is one finding. */
static void test_the_pool_is_told_once(void **state)
{
    struct exec_inventory *inventory = take();
    const struct store *store = fixture_leader(&fixture)->store;
    struct findings *findings = findings_new();
    const struct store_node *node = NULL;
    struct world_view view = world_view(store);
    struct findings_list list;
    struct examine examine;
    size_t n = 0;

    (void)state;
    free(inventory->volumes[0].name);
    inventory->volumes[0].name = mem_strdup("foreign");
    examine_init(&examine, view.view, findings);
    while ((node = store_cluster_node_next(store, fixture.cluster, node)) != NULL) {
        examine_node(&examine, node, inventory);
    }
    examine_end(&examine);
    list = findings_tell(findings, false);
    for (size_t i = 0; i < list.n; i++) {
        n += id_is_none(list.items[i].node) ? list.items[i].count : 0;
    }
    assert_int_equal(n, 2); /* missing-volume, foreign-volume */
    findings_list_fini(&list);
    examine_fini(&examine);
    world_view_fini(&view);
    findings_free(findings);
    exec_inventory_free(inventory);
}

static void test_peers(void **state)
{
    struct exec_inventory *inventory = take();

    (void)state;
    inventory->peers_known = true;
    expect(inventory, "missing-peer,missing-peer,");

    inventory = take();
    inventory->peers_known = true;
    inventory->peers = mem_calloc(1, sizeof(*inventory->peers));
    inventory->n_peers = 1;
    store_strs_add(&inventory->peers[0].names, "192.0.2.99");
    expect(inventory, "missing-peer,missing-peer,peers-disagree,"); /* one node's word */
}

struct answer_of_examine {
    int status;
    json_t *document;
};

static void examined(void *user, int status, char *text)
{
    struct answer_of_examine *answer = user;

    answer->status = status;
    answer->document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
}

static bool has_come(struct fixture *any, void *user)
{
    (void)any;
    return ((struct answer_of_examine *)user)->status != 0;
}

static void test_on_demand(void **state)
{
    struct answer_of_examine answer = {0};
    json_t *report;

    (void)state;
    audit_examine(fixture_leader(&fixture), examined, &answer);
    fixture_until(&fixture, "the answer", has_come, &answer);
    assert_int_equal(answer.status, 200);
    report = json_object_get(answer.document, "report");
    assert_string_equal(json_string_value(json_array_get(report, 0)),
                        "OnDemand Examiner invoked while 0 ops are in flight");
    assert_string_equal(json_string_value(json_array_get(report, 1)),
                        "heketi volume list matches with volume list of all nodes");
    assert_int_equal(json_array_size(report), 2);
    assert_int_equal(json_array_size(json_object_get(answer.document, "findings")), 0);
    json_decref(answer.document);
}

static struct member *audited;

static bool has_ended(struct fixture *any, void *user)
{
    (void)any;
    return audited->audit.rounds > *(uint64_t *)user;
}

static void test_an_audit_tells_what_it_has_seen_twice(void **state)
{
    struct member *leader = fixture_leader(&fixture);

    (void)state;
    audited = leader;
    /* Deleted behind the manager's back. */
    assert_int_equal(exec_mock_order(leader->executor, "[{\"step\": \"inventory\", \"lose\": \"the-volume\"}]", NULL),
                     0);
    for (int round = 0; round < 2; round++) {
        uint64_t before = leader->audit.rounds;
        json_t *document;
        size_t warnings;

        audit_now(leader);
        fixture_until(&fixture, "the end of a round", has_ended, &before);
        document = status_document(leader);
        warnings = json_array_size(json_object_get(document, "warnings"));
        assert_int_equal(warnings, round == 0 ? 0 : 1);
        if (round == 1) {
            json_t *warning = json_array_get(json_object_get(document, "warnings"), 0);

            assert_string_equal(json_string_value(json_object_get(warning, "code")), "missing-volume");
        }
        json_decref(document);
    }
}

static size_t count_warnings(const char *code, const char *text)
{
    json_t *document = status_document(fixture_leader(&fixture)), *warning;
    size_t i, n = 0;

    json_array_foreach(json_object_get(document, "warnings"), i, warning)
    {
        n += strcmp(json_string_value(json_object_get(warning, "code")), code) == 0 &&
             strstr(json_string_value(json_object_get(warning, "text")), text) != NULL &&
             json_object_get(warning, "remedy") != NULL && json_object_get(warning, "node") != NULL;
    }
    json_decref(document);
    return n;
}

/* One node of the pool has lost what the others serve: nobody is told to delete it. */
static void test_one_node_does_not_know_a_volume(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    CLEANUP(free_ptr)
    char *order = mem_printf("[{\"step\": \"inventory\", \"host\": \"%s\", \"lose\": \"the-volume\"}]",
                             the_node()->manage.items[0]);

    (void)state;
    audited = leader;
    assert_int_equal(exec_mock_order(leader->executor, order, NULL), 0);
    for (int round = 0; round < 2; round++) {
        uint64_t before = leader->audit.rounds;

        audit_now(leader);
        fixture_until(&fixture, "the end of a round", has_ended, &before);
    }
    assert_int_equal(count_warnings("nodes-disagree", "there is no such volume"), 1);
    assert_int_equal(count_warnings("missing-volume", ""), 0);
    assert_int_equal(exec_mock_order(leader->executor, "", NULL), 0);
}

/* What cannot be looked at may hide anything: that is told at once, by name, and until it was looked at. */
static void test_a_node_that_cannot_be_looked_at_is_told(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    CLEANUP(free_ptr)
    char *order =
        mem_printf("[{\"step\": \"inventory\", \"host\": \"%s\", \"code\": \"connect\", \"fail\": \"no way there\"}]",
                   the_node()->manage.items[0]);
    CLEANUP(free_ptr)
    char *text = mem_printf("node %s could not be looked at: no way there", the_node()->manage.items[0]);
    struct answer_of_examine answer = {0};
    json_t *unseen;
    uint64_t before;

    (void)state;
    audited = leader;
    assert_int_equal(exec_mock_order(leader->executor, order, NULL), 0);
    before = leader->audit.rounds;
    audit_now(leader);
    fixture_until(&fixture, "the end of a round", has_ended, &before);
    assert_int_equal(count_warnings("node-not-examined", text), 1);

    audit_examine(leader, examined, &answer);
    fixture_until(&fixture, "the answer", has_come, &answer);
    unseen = json_object_get(answer.document, "unseen");
    assert_int_equal(json_array_size(unseen), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(unseen, 0), "text")), text);
    json_decref(answer.document);

    assert_int_equal(exec_mock_order(leader->executor, "", NULL), 0);
    before = leader->audit.rounds;
    audit_now(leader);
    fixture_until(&fixture, "the end of a round", has_ended, &before);
    assert_int_equal(count_warnings("node-not-examined", ""), 0);
}

static size_t count_gathers(const struct member *member)
{
    const struct gather *gather;
    size_t n = 0;

    TAILQ_FOREACH (gather, &member->audit.gathers, link) {
        n++;
    }
    return n;
}

static bool has_no_gather(struct fixture *any, void *user)
{
    (void)any;
    return count_gathers(user) == 0;
}

/* Each examination asks all nodes: there is one, however many want it, and not any number of them. */
static void test_an_examination_is_shared(void **state)
{
    struct answer_of_examine answers[9] = {{0}};
    struct member *leader = fixture_leader(&fixture);

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        audit_examine(leader, examined, &answers[i]);
        assert_int_equal(count_gathers(leader), 1);
    }
    fixture_until(&fixture, "the answer", has_come, &answers[0]);
    for (size_t i = 0; i < 9; i++) { /* all of them have it */
        assert_int_equal(answers[i].status, i < 8 ? 200 : 429);
        json_decref(answers[i].document);
    }
    assert_int_equal(count_gathers(leader), 0);
}

/* It goes on while one of them wants it. Without any it is stopped, asks no further node, and who comes then gets a
 * whole one. */
static void test_an_examination_that_nobody_wants(void **state)
{
    struct answer_of_examine answers[3] = {{0}};
    struct member *leader = fixture_leader(&fixture);

    (void)state;
    audit_examine(leader, examined, &answers[0]);
    audit_examine(leader, examined, &answers[1]);
    audit_examine_forget(leader, &answers[0]);
    fixture_until(&fixture, "the answer", has_come, &answers[1]);
    assert_int_equal(answers[1].status, 200);
    assert_int_equal(answers[0].status, 0);
    json_decref(answers[1].document);
    answers[1] = (struct answer_of_examine){0};

    audit_examine(leader, examined, &answers[0]);
    audit_examine_forget(leader, &answers[0]);
    assert_true(atomic_load(&leader->audit.examine->stop));
    fixture_until(&fixture, "its end", has_no_gather, leader);
    audit_examine(leader, examined, &answers[0]);
    audit_examine_forget(leader, &answers[0]);
    audit_examine(leader, examined, &answers[1]);
    fixture_until(&fixture, "the answer", has_come, &answers[1]);
    assert_int_equal(answers[1].status, 200);
    assert_int_equal(json_array_size(json_object_get(answers[1].document, "unseen")), 0);
    assert_int_equal(answers[0].status, 0);
    json_decref(answers[1].document);
}

/* The lists of nodes, and what they are held against, take memory by the number of volumes. */
static void test_few_at_a_time_where_much_is_listed(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    uint64_t before = leader->audit.rounds;
    struct answer_of_examine answer = {0};
    struct gather *first, *second;

    (void)state;
    assert_int_equal(gather_at_once(0), 4);
    assert_int_equal(gather_at_once(1000), 4);
    assert_int_equal(gather_at_once(10000), 2);
    assert_int_equal(gather_at_once(100000), 1);
    assert_int_equal(gather_at_once(SIZE_MAX), 1);
    audit_now(leader);
    first = TAILQ_FIRST(&leader->audit.gathers);
    first->at_once = 1; /* as if there were many */
    audit_examine(leader, examined, &answer);
    second = TAILQ_NEXT(first, link);
    assert_true(first->begun);
    assert_false(second->begun);
    fixture_until(&fixture, "the end of the round", has_ended, &before);
    assert_int_equal(answer.status, 0);
    fixture_until(&fixture, "the answer", has_come, &answer);
    assert_int_equal(answer.status, 200);
    json_decref(answer.document);
}

static void test_off_is_off(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    struct cfg *cfg = &fixture.cfgs[leader->cfg->member_id - 1];

    (void)state;
    cfg->audit_off = true;
    audit_now(leader);
    assert_false(leader->audit.running);
    cfg->audit_off = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_when_all_is_well),
        cmocka_unit_test(test_on_demand),
        cmocka_unit_test(test_logical_volumes),
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_snapshots_while_cloning),
        cmocka_unit_test(test_groups_and_mounts),
        cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_the_pool_is_told_once),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_an_audit_tells_what_it_has_seen_twice),
        cmocka_unit_test(test_one_node_does_not_know_a_volume),
        cmocka_unit_test(test_a_node_that_cannot_be_looked_at_is_told),
        cmocka_unit_test(test_an_examination_is_shared),
        cmocka_unit_test(test_an_examination_that_nobody_wants),
        cmocka_unit_test(test_few_at_a_time_where_much_is_listed),
        cmocka_unit_test(test_off_is_off),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

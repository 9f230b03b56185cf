/* What a member warns of by itself. The tests share one cluster and follow each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/mock.h"
#include "daemon/health.h"
#include "store/base/mem.h"
#include "tests/unit/daemon/fixture.h"

static struct fixture fixture;

static int setup(void **state)
{
    (void)state;
    fixture_init(&fixture);
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        fixture_start(&fixture, i);
    }
    fixture_load_topology(&fixture);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

struct heard {
    struct buf codes, texts, remedies; /* "code code ..." */
    bool critical;
};

static void note(void *user, const char *code, const char *text, const char *remedy)
{
    struct heard *heard = user;

    assert_true(strlen(text) > 0 && strlen(remedy) > 0);
    buf_printf(&heard->codes, "%s ", code);
    buf_printf(&heard->texts, "%s\n", text);
    buf_printf(&heard->remedies, "%s\n", remedy);
}

/* status NULL: the member's own. Static, valid until the next call. */
static const struct heard *warnings(const struct member *member, const struct cons_status *status)
{
    static struct heard heard;
    struct cons_status own;

    cons_get_status(member->cons, &own);
    buf_fini(&heard.codes);
    buf_fini(&heard.texts);
    buf_fini(&heard.remedies);
    heard.critical = health_warn(member, status != NULL ? status : &own, note, &heard);
    return &heard;
}

static void expect_codes(const struct member *member, const struct cons_status *status, const char *codes)
{
    assert_string_equal(buf_str(&((struct heard *)(uintptr_t)warnings(member, status))->codes), codes);
}

static void test_all_is_well(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        expect_codes(fixture.members[i], NULL, "");
    }
}

static void test_disk(void **state)
{
    (void)state;
    assert_false(health_disk_low(100 * 1024, 1024 * 1024));
    assert_false(health_disk_low(600, 1024 * 1024)); /* room for a long time */
    assert_true(health_disk_low(500, 1024 * 1024));
    assert_false(health_disk_low(300, 1024)); /* small, but not full */
    assert_true(health_disk_low(50, 1024));
    assert_true(health_disk_low(0, 0));
}

/* Each member shows that of the others too, while they are connected. */
static void test_disk_of_another(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    uint64_t other = (uint64_t)fixture_follower(&fixture)->cfg->member_id;
    struct replicas_word word = {.version = HECATE_VERSION, .disk_free_mib = 100, .disk_total_mib = 5000};
    struct cons_status status;
    struct buf buf = BUF_INIT;
    char text[128];

    (void)state;
    cons_get_status(leader->cons, &status);
    word.applied_index = status.applied_index;
    word.digest = store_digest(leader->store);
    replicas_encode(&word, &buf);
    member_told(leader, other, buf.data, buf.len);
    (void)snprintf(text, sizeof(text), "member %lu has 100 MiB left of 5000 MiB for its data\n", (unsigned long)other);
    assert_string_equal(buf_str(&((struct heard *)(uintptr_t)warnings(leader, NULL))->texts), text);
    expect_codes(leader, NULL, "disk-low ");
    for (size_t i = 0; i < status.n_members; i++) {
        status.members[i].connected = false;
    }
    expect_codes(leader, &status, "");
    buf_clear(&buf);
    word.disk_free_mib = 4000;
    replicas_encode(&word, &buf);
    member_told(leader, other, buf.data, buf.len);
    expect_codes(leader, NULL, "");
    buf_fini(&buf);
}

static void test_mode(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    struct store_request request;

    (void)state;
    store_request_init(&request, STORE_REQ_MODE);
    request.mode = STORE_MODE_READ_ONLY;
    assert_int_equal(fixture_submit(&fixture, leader, &request).kind, API_DONE);
    expect_codes(leader, NULL, "maintenance ");
    request.mode = STORE_MODE_NORMAL;
    assert_int_equal(fixture_submit(&fixture, leader, &request).kind, API_DONE);
    expect_codes(leader, NULL, "");
    store_request_fini(&request);
}

/* A leader without a lease does not do its work; a member that is far behind does not help. */
static void test_consensus(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    struct cons_status status;
    size_t other;

    (void)state;
    cons_get_status(leader->cons, &status);
    other = status.members[0].id == (uint64_t)leader->cfg->member_id ? 1 : 0;
    status.serving = false;
    expect_codes(leader, &status, "not-serving ");
    assert_true(warnings(leader, &status)->critical);
    status.serving = true;
    assert_false(warnings(leader, &status)->critical);
    status.last_index += 20000;
    for (size_t i = 0; i < status.n_members; i++) {
        status.members[i].match_index = i == other ? 1 : status.last_index;
    }
    expect_codes(leader, &status, "member-lags ");
    status.members[other].connected = false; /* said by another warning */
    expect_codes(leader, &status, "");
}

static bool is_parked(struct fixture *any, void *user)
{
    const struct member *member = user;
    const struct store_operation *op = NULL;

    (void)any;
    while ((op = store_operation_next(member->store, op)) != NULL && op->n_parked == 0) {
    }
    return op != NULL;
}

static bool nothing_left(struct fixture *any, void *user)
{
    const struct member *member = user;

    (void)any;
    return store_counts(member->store).operations == 0;
}

static bool is_known_to_be_absent(struct fixture *any, void *user)
{
    (void)any;
    return strstr(buf_str(&((struct heard *)(uintptr_t)warnings(user, NULL))->codes), "operations-wait ") != NULL;
}

static void test_waiting_operation(void **state)
{
    struct member *leader = fixture_leader(&fixture), *other = fixture_follower(&fixture);
    struct answer answer = fixture_create(&fixture, "waits", 1);
    struct store_request request;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(answer.kind, API_ACCEPTED);
    answer.id = fixture_finish(&fixture, leader, answer.op_id)->resource_id;
    assert_int_equal(exec_mock_order(leader->executor, "[{\"host\":\"192.0.2.1\",\"code\":\"connect\"}]", &err), 0);
    store_request_init(&request, STORE_REQ_VOLUME_DELETE);
    request.target = answer.id;
    answer = fixture_submit(&fixture, leader, &request);
    assert_int_equal(answer.kind, API_ACCEPTED);
    store_request_fini(&request);
    fixture_until(&fixture, "something waits for the node", is_parked, leader);
    fixture_until(&fixture, "the node has been looked at", is_known_to_be_absent, leader);
    expect_codes(leader, NULL, "operations-wait ");
    assert_non_null(strstr(buf_str(&((struct heard *)(uintptr_t)warnings(leader, NULL))->texts), " on 192.0.2.1: "));
    /* Another member does not know whether a node is silent: it advises to give up none. */
    fixture_until(&fixture, "another member knows that it waits", is_parked, other);
    expect_codes(other, NULL, "operations-wait ");
    assert_null(strstr(buf_str(&((struct heard *)(uintptr_t)warnings(other, NULL))->remedies), "forget"));
    assert_int_equal(exec_mock_order(leader->executor, "[]", &err), 0);
    fixture_until(&fixture, "all of it is done", nothing_left, leader);
    expect_codes(leader, NULL, "");
}

static bool is_up(struct fixture *any, void *user)
{
    const struct member *member = user;
    const struct store_node *node = NULL;

    (void)any;
    while ((node = store_node_next(member->store, node)) != NULL) {
        if (op_driver_node_down(member->driver, node->id)) {
            return false;
        }
    }
    return true;
}

/* A node that answers, and refuses or says "busy": bringing it back is no remedy, and to give it up would destroy what
 * is on it. */
static void test_answered_operation(void **state)
{
    static const struct {
        const char *orders, *code, *words;
        bool left; /* to a clean-up, another operation */
    } cases[] = {
        {"[{\"step\":\"brick-destroy\",\"fail\":\"not this one\"}]", "operations-refused ", ": not this one\n", false},
        {"[{\"step\":\"brick-destroy\",\"code\":\"busy\",\"fail\":\"still in a volume\"}]", "operations-busy ",
         ": still in a volume\n", false},
        /* It waits for another node, perhaps, for a time: to looks it answers. */
        {"[{\"step\":\"brick-destroy\",\"code\":\"timeout\",\"fail\":\"it did not end in time\"}]", "operations-busy ",
         "it did not end in time\n", true},
    };
    struct member *leader = fixture_leader(&fixture);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct answer answer = fixture_create(&fixture, "answered", 1);
        struct store_request request;
        struct err err = ERR_INIT;
        const char *texts, *remedies;

        assert_int_equal(answer.kind, API_ACCEPTED);
        answer.id = fixture_finish(&fixture, leader, answer.op_id)->resource_id;
        assert_int_equal(exec_mock_order(leader->executor, cases[i].orders, &err), 0);
        store_request_init(&request, STORE_REQ_VOLUME_DELETE);
        request.target = answer.id;
        answer = fixture_submit(&fixture, leader, &request);
        assert_int_equal(answer.kind, API_ACCEPTED);
        store_request_fini(&request);
        fixture_until(&fixture, "a node says so again and again", is_parked, leader);
        fixture_until(&fixture, "all nodes answer", is_up, leader);
        expect_codes(leader, NULL, cases[i].code);
        texts = buf_str(&((struct heard *)(uintptr_t)warnings(leader, NULL))->texts);
        assert_non_null(strstr(texts, "brick-destroy of "));
        assert_true(cases[i].left || strstr(texts, id_text(answer.op_id).text) != NULL);
        assert_non_null(strstr(texts, " on 192.0.2."));
        assert_non_null(strstr(texts, cases[i].words));
        remedies = buf_str(&((struct heard *)(uintptr_t)warnings(leader, NULL))->remedies);
        assert_null(strstr(remedies, "forget"));
        assert_null(strstr(remedies, "delete"));
        assert_null(strstr(remedies, "remove"));
        assert_int_equal(exec_mock_order(leader->executor, "[]", &err), 0);
        fixture_until(&fixture, "all of it is done", nothing_left, leader);
        expect_codes(leader, NULL, "");
    }
}

static void test_space(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    uint64_t device_gib = store_device_next(leader->store, NULL)->total_kib / STORE_KIB_PER_GIB;
    struct answer answer = fixture_create(&fixture, "large", (uint32_t)(device_gib * 97 / 100));

    (void)state;
    assert_int_equal(answer.kind, API_ACCEPTED);
    assert_false(fixture_finish(&fixture, leader, answer.op_id)->failed);
    expect_codes(leader, NULL, "space-low ");
}

/* Submits, waits for the end, frees the request. */
static void ask(struct store_request *request, struct id target, enum store_state to)
{
    struct member *leader = fixture_leader(&fixture);
    struct answer answer;

    request->target = target;
    request->state = to;
    answer = fixture_submit(&fixture, leader, request);
    store_request_fini(request);
    assert_true(answer.kind == API_DONE || answer.kind == API_ACCEPTED);
    if (!id_is_none(answer.op_id)) {
        assert_false(fixture_finish(&fixture, leader, answer.op_id)->failed);
    }
}

/* What the warning says helps when the node never comes back. */
static void test_remedy_for_a_dead_node(void **state)
{
    static const char *const said[] = {"hecate node disable", "hecate node remove",
                                       "hecate device delete --force-forget", "hecate node delete --force-forget"};
    struct member *leader = fixture_leader(&fixture);
    struct id device = store_node_device_next(leader->store, fixture.nodes[0], NULL)->id;
    struct store_request request;
    struct err err = ERR_INIT;
    const char *at;

    (void)state;
    assert_int_equal(exec_mock_order(leader->executor, "[{\"host\":\"192.0.2.1\",\"code\":\"connect\"}]", &err), 0);
    store_request_init(&request, STORE_REQ_VOLUME_DELETE);
    ask(&request, store_volume_next(leader->store, NULL)->id, STORE_STATE_ONLINE);
    fixture_until(&fixture, "something waits for the node", is_parked, leader);
    fixture_until(&fixture, "the node has been looked at", is_known_to_be_absent, leader);
    at = buf_str(&((struct heard *)(uintptr_t)warnings(leader, NULL))->remedies);
    for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
        at = strstr(at, said[i]);
        assert_non_null(at);
    }
    store_request_init(&request, STORE_REQ_NODE_STATE);
    ask(&request, fixture.nodes[0], STORE_STATE_OFFLINE);
    store_request_init(&request, STORE_REQ_NODE_STATE);
    ask(&request, fixture.nodes[0], STORE_STATE_FAILED);
    store_request_init(&request, STORE_REQ_DEVICE_DELETE);
    request.force = true;
    ask(&request, device, STORE_STATE_ONLINE);
    store_request_init(&request, STORE_REQ_NODE_DELETE);
    request.force = true;
    ask(&request, fixture.nodes[0], STORE_STATE_ONLINE);
    fixture_until(&fixture, "nothing waits any more", nothing_left, leader);
    expect_codes(leader, NULL, "");
}

static void add_node(const char *storage, const char *manage)
{
    struct member *leader = fixture_leader(&fixture);
    struct store_request request;
    struct answer answer;

    store_request_init(&request, STORE_REQ_NODE_ADD);
    request.cluster = fixture.cluster;
    request.zone = 1;
    store_strs_add(&request.manage, manage);
    store_strs_add(&request.storage, storage);
    answer = fixture_submit(&fixture, leader, &request);
    store_request_fini(&request);
    assert_int_equal(answer.kind, API_ACCEPTED);
    assert_false(fixture_finish(&fixture, leader, answer.op_id)->failed);
}

/* Kubernetes does not take them, and nobody says so but this. */
static void test_storage_names(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    const char *before = mem_strdup(buf_str(&((struct heard *)(uintptr_t)warnings(leader, NULL))->codes));
    const struct heard *heard;

    (void)state;
    add_node("2001:db8::7", "by-name.example.com"); /* a name to manage it is all right */
    assert_string_equal(buf_str(&((struct heard *)(uintptr_t)warnings(leader, NULL))->codes), before);
    add_node("gl2.example.com", "192.0.2.77");
    heard = warnings(leader, NULL);
    assert_non_null(strstr(buf_str(&((struct heard *)(uintptr_t)heard)->codes), "storage-name "));
    assert_non_null(
        strstr(buf_str(&((struct heard *)(uintptr_t)heard)->texts), "the storage host name gl2.example.com of node "));
    assert_non_null(strstr(buf_str(&((struct heard *)(uintptr_t)heard)->texts), " is no IP address\n"));
    add_node("192.0.2.78.9", "192.0.2.78");
    heard = warnings(leader, NULL);
    assert_non_null(strstr(buf_str(&((struct heard *)(uintptr_t)heard)->texts),
                           " is no IP address, nor are those of 1 other nodes\n"));
    free((void *)(uintptr_t)before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_disk_of_another),
        cmocka_unit_test(test_mode),
        cmocka_unit_test(test_consensus),
        cmocka_unit_test(test_waiting_operation),
        cmocka_unit_test(test_answered_operation),
        cmocka_unit_test(test_space),
        cmocka_unit_test(test_remedy_for_a_dead_node),
        cmocka_unit_test(test_storage_names),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

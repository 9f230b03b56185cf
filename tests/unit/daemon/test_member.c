/* One member: what the API asks of it, what it does as leader and as follower, what its status says. The tests share
 * one cluster and follow each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/mock.h"
#include "store/base/mem.h"
#include "tests/unit/daemon/fixture.h"

static struct fixture fixture;

static int setup(void **state)
{
    (void)state;
    fixture_init(&fixture);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

/* ---- status documents ---- */

static const char *health_of(struct member *member)
{
    static char text[16];
    json_t *document = status_document(member);

    (void)snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(document, "health")));
    json_decref(document);
    return text;
}

/* The text of the first warning with this code, "" if there is none. */
static const char *warning_of(struct member *member, const char *code)
{
    static char text[512];
    json_t *document = status_document(member), *warning;
    size_t i;

    text[0] = '\0';
    json_array_foreach(json_object_get(document, "warnings"), i, warning)
    {
        if (text[0] == '\0' && strcmp(json_string_value(json_object_get(warning, "code")), code) == 0) {
            assert_true(strlen(json_string_value(json_object_get(warning, "remedy"))) > 0);
            (void)snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(warning, "text")));
        }
    }
    json_decref(document);
    return text;
}

static bool is_healthy(struct fixture *any, void *user)
{
    (void)any;
    return strcmp(health_of(user), "ok") == 0;
}

static bool has_warning(struct fixture *any, void *user)
{
    (void)any;
    return *warning_of(fixture_leader(&fixture), user) != '\0';
}

static bool replicas_level(struct fixture *any, void *user)
{
    struct store_digest first = store_digest(fixture_leader(&fixture)->store);

    (void)any;
    (void)user;
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        struct store_digest digest;

        if (fixture.members[i] != NULL) {
            digest = store_digest(fixture.members[i]->store);
            if (memcmp(&digest, &first, sizeof(first)) != 0) {
                return false;
            }
        }
    }
    return true;
}

/* ---- the tests ---- */

static void test_alone_it_serves_nothing(void **state)
{
    struct store_request request;
    struct api_leader leader;
    struct answer answer;

    (void)state;
    fixture_start(&fixture, 0);
    assert_string_equal(health_of(fixture.members[0]), "critical");
    assert_string_equal(warning_of(fixture.members[0], "no-leader"), "this member belongs to no cluster yet");
    assert_non_null(strstr(warning_of(fixture.members[0], "member-unreachable"), "member 2 at 127.0.0.1:"));
    store_request_init(&request, STORE_REQ_CLUSTER_CREATE);
    answer = fixture_submit(&fixture, fixture.members[0], &request);
    assert_int_equal(answer.kind, API_UNAVAILABLE);
    assert_true(answer.untouched);
    store_request_fini(&request);
    assert_false(backend_leader(fixture.members[0], &leader));
}

static void test_requests_become_operations(void **state)
{
    const struct store_job *job;
    const struct store_volume *volume;
    struct answer answer;

    (void)state;
    fixture_start(&fixture, 1);
    fixture_start(&fixture, 2);
    fixture_load_topology(&fixture);
    answer = fixture_create(&fixture, "first", 1);
    assert_int_equal(answer.kind, API_ACCEPTED);
    job = fixture_finish(&fixture, fixture_leader(&fixture), answer.op_id);
    assert_false(job->failed);
    volume = store_volume(fixture_leader(&fixture)->store, job->resource_id);
    assert_string_equal(volume->name, "first");
    fixture_until(&fixture, "equal replicas", replicas_level, NULL);
    fixture_until(&fixture, "health", is_healthy, fixture_leader(&fixture));
}

static void test_refusals(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    struct store_request request;
    struct answer answer;

    (void)state;
    answer = fixture_create(&fixture, "huge", 100000);
    assert_int_equal(answer.kind, API_REFUSED);
    assert_non_null(strstr(answer.text, "No space\ncluster ")); /* Heketi's line, then the reasons */
    assert_int_not_equal(answer.text[strlen(answer.text) - 1], '\n');
    answer = fixture_create(&fixture, "first", 2); /* the same name, another size */
    assert_int_equal(answer.kind, API_REFUSED);
    store_request_init(&request, STORE_REQ_NODE_DELETE);
    request.target = fixture.cluster; /* no node */
    answer = fixture_submit(&fixture, leader, &request);
    assert_int_equal(answer.kind, API_REFUSED);
    assert_int_equal(answer.code, STORE_NOT_FOUND);
    store_request_fini(&request);
}

static void test_repeated_key_is_done_once(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    struct store_request request;
    struct answer first, second;

    (void)state;
    store_request_init(&request, STORE_REQ_CLUSTER_CREATE);
    request.file = true;
    free(request.key);
    request.key = mem_strdup("once");
    first = fixture_submit(&fixture, leader, &request);
    second = fixture_submit(&fixture, leader, &request);
    assert_int_equal(first.kind, API_DONE);
    assert_int_equal(second.kind, API_DONE);
    assert_true(id_equal(first.id, second.id));
    store_request_fini(&request);
    store_request_init(&request, STORE_REQ_CLUSTER_DELETE);
    request.target = first.id;
    assert_int_equal(fixture_submit(&fixture, leader, &request).kind, API_DONE);
    store_request_fini(&request);
}

/* The answers of several submits that were planned against the same state. */
static struct answer crowd[3];

static void crowd_answered(void *user, const struct api_submit_result *result)
{
    struct answer *answer = user;

    answer->came = true;
    answer->kind = result->kind;
    answer->op_id = result->op_id;
    (void)snprintf(answer->text, sizeof(answer->text), "%s", result->text);
}

static bool crowd_came(struct fixture *any, void *user)
{
    (void)any;
    (void)user;
    return crowd[0].came && crowd[1].came && crowd[2].came;
}

static void test_stale_plan_is_made_anew(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    size_t accepted = 0;

    (void)state;
    /* Two fit onto the devices; all three plans were made before any was applied. */
    for (size_t i = 0; i < 3; i++) {
        struct store_request request;

        store_request_init(&request, STORE_REQ_VOLUME_CREATE);
        request.volume.size_gib = 40;
        request.volume.durability = STORE_REPLICATE;
        request.volume.replica = 3;
        backend_submit(leader, &request, crowd_answered, &crowd[i]);
        store_request_fini(&request);
        assert_false(crowd[i].came);
    }
    fixture_until(&fixture, "three answers", crowd_came, NULL);
    for (size_t i = 0; i < 3; i++) {
        if (crowd[i].kind == API_ACCEPTED) {
            accepted++;
            assert_false(fixture_finish(&fixture, leader, crowd[i].op_id)->failed);
        } else {
            assert_int_equal(crowd[i].kind, API_REFUSED);
            assert_non_null(strstr(crowd[i].text, "No space")); /* of the second plan */
        }
    }
    assert_int_equal(accepted, 2);
}

static struct answer add_node_to(struct member *leader, struct id cluster, const char *host)
{
    struct store_request request;
    struct answer answer;

    store_request_init(&request, STORE_REQ_NODE_ADD);
    request.cluster = cluster;
    request.zone = 1;
    store_strs_add(&request.manage, host);
    store_strs_add(&request.storage, host);
    answer = fixture_submit(&fixture, leader, &request);
    store_request_fini(&request);
    return answer;
}

static struct answer add_node(struct member *leader, const char *host)
{
    return add_node_to(leader, fixture.cluster, host);
}

static void order(struct member *member, const char *json)
{
    struct err err = ERR_INIT;

    assert_int_equal(exec_mock_order(member->executor, json, &err), 0);
}

static void test_node_add_asks_for_glusterd(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    struct store_request request;
    struct answer answer;

    (void)state;
    answer = add_node(leader, "192.0.2.1"); /* nobody is asked: the name is taken */
    assert_int_equal(answer.kind, API_REFUSED);
    assert_int_equal(answer.code, STORE_CONFLICT);
    order(leader, "[{\"step\":\"glusterd-check\",\"fail\":\"inactive\",\"times\":1}]"); /* the next one answers */
    answer = add_node(leader, "192.0.2.9");
    assert_int_equal(answer.kind, API_ACCEPTED);
    assert_false(fixture_finish(&fixture, leader, answer.op_id)->failed);
    order(leader, "[{\"step\":\"glusterd-check\",\"fail\":\"inactive\"}]");
    answer = add_node(leader, "192.0.2.10");
    assert_int_equal(answer.kind, API_REFUSED);
    /* Heketi's line, then what each of those who were asked has said. */
    assert_true(strncmp(answer.text, "None of the nodes in cluster has glusterd running\n  host 192.0.2.",
                        strlen("None of the nodes in cluster has glusterd running\n  host 192.0.2.")) == 0);
    assert_non_null(strstr(answer.text, "\n  host 192.0.2.9: "));
    assert_non_null(strstr(answer.text, "inactive"));
    order(leader, "[{\"step\":\"glusterd-check\",\"fail\":\"its key\\nis not known\"}]");
    store_request_init(&request, STORE_REQ_CLUSTER_CREATE);
    answer = fixture_submit(&fixture, leader, &request);
    assert_int_equal(answer.kind, API_DONE);
    request.type = STORE_REQ_CLUSTER_DELETE;
    request.target = answer.id;
    answer = add_node_to(leader, request.target, "192.0.2.10");
    assert_int_equal(answer.kind, API_REFUSED);
    assert_string_equal(answer.text, "New Node doesn't have glusterd running\n  host 192.0.2.10: its key is not known");
    assert_int_equal(fixture_submit(&fixture, leader, &request).kind, API_DONE);
    store_request_fini(&request);
    order(leader, "");
}

static void test_follower_refuses_and_points(void **state)
{
    struct member *follower = fixture_follower(&fixture), *leader = fixture_leader(&fixture);
    struct api_leader address;
    struct store_request request;
    struct answer answer;

    (void)state;
    store_request_init(&request, STORE_REQ_VOLUME_CREATE);
    answer = fixture_submit(&fixture, follower, &request);
    assert_int_equal(answer.kind, API_UNAVAILABLE);
    assert_true(answer.untouched);
    request.type = STORE_REQ_NODE_ADD;
    answer = fixture_submit(&fixture, follower, &request);
    assert_int_equal(answer.kind, API_UNAVAILABLE);
    store_request_fini(&request);
    assert_true(backend_leader(follower, &address));
    assert_string_equal(address.host, "127.0.0.1");
    assert_int_equal(address.port, strtoul(leader->cfg->port, NULL, 10));
    assert_false(backend_leader(leader, &address)); /* not to itself */
}

static void test_status_of_leader_and_follower(void **state)
{
    struct member *members[] = {fixture_leader(&fixture), fixture_follower(&fixture)};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        json_t *document = status_document(members[i]), *entry;
        json_t *list = json_object_get(document, "members");
        size_t j, leaders = 0;

        assert_int_equal(json_is_true(json_object_get(document, "serving")), i == 0);
        assert_int_equal(json_is_integer(json_object_get(document, "lease_left_ms")), i == 0);
        assert_int_equal(json_array_size(json_object_get(document, "nodes")), FIXTURE_NODES);
        json_array_foreach(json_object_get(document, "nodes"), j, entry)
        {
            assert_string_equal(json_string_value(json_object_get(entry, "state")), "online");
            assert_int_equal(json_object_get(entry, "down") != NULL, i == 0); /* only the leader asks them */
        }
        assert_int_equal(json_array_size(list), 3);
        json_array_foreach(list, j, entry)
        {
            leaders += strcmp(json_string_value(json_object_get(entry, "role")), "leader") == 0;
            assert_int_equal(json_object_get(entry, "lag") != NULL, i == 0);
            assert_true(json_is_true(json_object_get(entry, "connected")));
        }
        assert_int_equal(leaders, 1);
        json_decref(document);
    }
}

static void tell(struct member *member, uint64_t from, const char *version, bool other_state)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    struct store_digest digest = store_digest(member->store);
    struct cons_status status;

    cons_get_status(member->cons, &status);
    digest.bytes[0] ^= other_state;
    replicas_encode(
        &(struct replicas_word){.version = version, .applied_index = status.applied_index, .digest = digest}, &buf);
    member_told(member, from, buf.data, buf.len);
}

static json_int_t holder_of(struct member *member)
{
    json_t *document = status_document(member);
    const json_t *holder = json_object_get(json_object_get(document, "virtual_ips"), "holder");
    json_int_t id = json_is_integer(holder) ? json_integer_value(holder) : 0;

    assert_non_null(holder);
    json_decref(document);
    return id;
}

/* Every member says where the virtual addresses are: here, or where another one told. */
static void test_holder_of_the_addresses(void **state)
{
    struct member *leader = fixture_leader(&fixture), *follower = fixture_follower(&fixture);
    struct store_digest digest = store_digest(follower->store);
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    struct cons_status status;

    (void)state;
    assert_int_equal(holder_of(follower), 0);
    cons_get_status(follower->cons, &status);
    replicas_encode(
        &(struct replicas_word){
            .version = HECATE_VERSION, .applied_index = status.applied_index, .digest = digest, .holds = true},
        &buf);
    member_told(follower, (uint64_t)leader->cfg->member_id, buf.data, buf.len);
    assert_int_equal(holder_of(follower), leader->cfg->member_id);
    tell(follower, (uint64_t)leader->cfg->member_id, HECATE_VERSION, false);
    assert_int_equal(holder_of(follower), 0);
    leader->address_held = true;
    assert_int_equal(holder_of(leader), leader->cfg->member_id);
    leader->address_held = false;
}

static void test_members_that_differ_are_shown(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    uint64_t other = (uint64_t)fixture_follower(&fixture)->cfg->member_id;
    CLEANUP(free_ptr) char *start = mem_printf("member %lu runs version 9.9", (unsigned long)other);

    (void)state;
    fixture_until(&fixture, "health", is_healthy, leader);
    tell(leader, other, HECATE_VERSION, false);
    assert_string_equal(health_of(leader), "ok");
    tell(leader, other, "9.9", false);
    assert_string_equal(health_of(leader), "warning");
    assert_memory_equal(warning_of(leader, "versions-differ"), start, strlen(start));
    tell(leader, other, HECATE_VERSION, true);
    assert_string_equal(health_of(leader), "critical");
    assert_non_null(strstr(warning_of(leader, "digest-differs"), "differs from that of member"));
    assert_string_equal(warning_of(leader, "versions-differ"), "");
    member_told(leader, other, "nonsense", 8); /* changes nothing */
    assert_string_equal(health_of(leader), "critical");
    fixture_until(&fixture, "the real ones agree", is_healthy, leader); /* they go on telling */
}

static bool brick_runs(struct fixture *any, void *user)
{
    size_t i, n;
    json_t *steps = status_operation_steps(fixture_leader(&fixture), *(struct id *)user, SIZE_MAX, &n), *step;
    bool runs = false;

    (void)any;
    json_array_foreach(steps, i, step)
    {
        runs = runs || (strcmp(json_string_value(json_object_get(step, "step")), "brick-create") == 0 &&
                        strcmp(json_string_value(json_object_get(step, "state")), "running") == 0);
    }
    json_decref(steps);
    return runs;
}

static bool brick_is_known(struct fixture *any, void *user)
{
    size_t n;

    (void)any;
    json_decref(status_operation_steps(fixture_leader(&fixture), *(struct id *)user, 0, &n));
    return n > 0;
}

static void test_status_shows_steps_and_dead_nodes(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    char code[] = "node-down";
    struct answer answer;
    json_t *document, *steps;
    size_t n;

    (void)state;
    order(leader, "[{\"step\":\"brick-create\",\"delay_ms\":200}]");
    answer = fixture_create(&fixture, "slow", 1);
    assert_int_equal(answer.kind, API_ACCEPTED);
    fixture_until(&fixture, "a running brick", brick_runs, &answer.op_id);
    document = status_document(leader);
    steps = json_object_get(json_array_get(json_object_get(document, "operations"), 0), "steps");
    assert_true(json_array_size(steps) >= 3);
    json_decref(document);
    steps = status_operation_steps(fixture_follower(&fixture), answer.op_id, SIZE_MAX, &n);
    assert_int_equal(json_array_size(steps), 0); /* only the leader knows */
    json_decref(steps);
    assert_false(fixture_finish(&fixture, leader, answer.op_id)->failed);
    order(leader, "[{\"host\":\"192.0.2.1\",\"code\":\"connect\"}]");
    answer = fixture_create(&fixture, "undone", 1);
    fixture_until(&fixture, "a node that is down", has_warning, code);
    assert_non_null(strstr(warning_of(leader, "node-down"), "192.0.2.1"));
    order(leader, "");
    (void)fixture_finish(&fixture, leader, answer.op_id);
}

/* The oldest comes first, and how many there are is told. */
static void test_status_shows_operations_by_age(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    struct answer answers[3];
    json_t *document, *list, *entry;
    uint64_t before = 0;
    size_t i;

    (void)state;
    order(leader, "[{\"step\":\"brick-create\",\"delay_ms\":200}]");
    for (i = 0; i < 3; i++) {
        char name[] = "aged0";

        name[4] = (char)('0' + i);
        answers[i] = fixture_create(&fixture, name, 1);
        assert_int_equal(answers[i].kind, API_ACCEPTED);
    }
    document = status_document(leader);
    list = json_object_get(document, "operations");
    assert_true(json_array_size(list) > 1);
    assert_int_equal(json_integer_value(json_object_get(document, "operations_total")), json_array_size(list));
    assert_true(json_is_false(json_object_get(document, "operations_cut")));
    json_array_foreach(list, i, entry)
    {
        struct id id;

        assert_true(id_parse(json_string_value(json_object_get(entry, "id")), ID_TEXT_LEN, &id));
        assert_true(store_operation(leader->store, id)->begin_index > before);
        before = store_operation(leader->store, id)->begin_index;
    }
    json_decref(document);
    for (i = 0; i < 3; i++) {
        assert_false(fixture_finish(&fixture, leader, answers[i].op_id)->failed);
    }
    order(leader, "");
}

#define MANY 80

static void add_devices(void)
{
    const struct store_node *node = NULL;

    while ((node = store_node_next(fixture_leader(&fixture)->store, node)) != NULL) {
        struct store_request request;
        struct answer answer;

        store_request_init(&request, STORE_REQ_DEVICE_ADD);
        request.node = node->id;
        free(request.device_name);
        request.device_name = mem_strdup("/dev/sdx");
        answer = fixture_submit(&fixture, fixture_leader(&fixture), &request);
        store_request_fini(&request);
        assert_int_equal(answer.kind, API_ACCEPTED);
        assert_false(fixture_finish(&fixture, fixture_leader(&fixture), answer.op_id)->failed);
    }
}

/* However many steps there are, some are shown: of the first operations most, of each at least one. */
static void test_status_is_bounded(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    struct answer answers[MANY];
    size_t i, n_shown = 0, n_steps = 0;
    json_t *document, *entry;

    (void)state;
    add_devices();
    order(leader, "[{\"step\":\"brick-create\",\"code\":\"busy\"}]"); /* none is done until they may be */
    for (i = 0; i < MANY; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("many%zu", i);

        answers[i] = fixture_create(&fixture, name, 1);
        assert_int_equal(answers[i].kind, API_ACCEPTED);
    }
    for (i = 0; i < MANY; i++) {
        fixture_until(&fixture, "its steps", brick_is_known, &answers[i].op_id);
    }
    document = status_document(leader);
    json_array_foreach(json_object_get(document, "operations"), i, entry)
    {
        assert_true(json_array_size(json_object_get(entry, "steps")) > 0);
        n_shown += json_array_size(json_object_get(entry, "steps"));
        n_steps += (size_t)json_integer_value(json_object_get(entry, "steps_total"));
    }
    assert_true(n_steps > 300);
    assert_int_equal(n_shown, 300);
    json_decref(document);
    order(leader, "");
    for (i = 0; i < MANY; i++) {
        assert_false(fixture_finish(&fixture, leader, answers[i].op_id)->failed);
    }
}

static bool no_node_avoided(struct fixture *any, void *user)
{
    json_t *document = status_document(fixture_leader(&fixture)), *node;
    bool none = true;
    size_t i;

    (void)any;
    (void)user;
    json_array_foreach(json_object_get(document, "nodes"), i, node)
    {
        none = none && json_is_false(json_object_get(node, "avoided")) &&
               *json_string_value(json_object_get(node, "remedy")) == '\0';
    }
    json_decref(document);
    return none;
}

/* Each node that is avoided is named, with the cause, since when, and what to do. */
static void test_status_names_avoided_nodes(void **state)
{
    static const struct {
        const char *order, *remedy;
        char code[16];
    } cases[] = {{"[{\"host\":\"192.0.2.1\",\"code\":\"fenced\"}]", "rm /var/lib/heketi/.hecate-fence", "fence-ahead"},
                 {"[{\"host\":\"192.0.2.1\",\"code\":\"fence damaged\"}]", "rm -rf /var/lib/heketi/.hecate-fence",
                  "fence-damaged"},
                 {"[{\"host\":\"192.0.2.1\",\"code\":\"flood\"}]", "see what the login itself prints", "node-floods"}};
    struct member *leader = fixture_leader(&fixture);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char code[sizeof(cases[i].code)];
        struct answer answer;
        json_t *document, *node;
        size_t n = 0, at;

        (void)snprintf(code, sizeof(code), "%s", cases[i].code);
        order(leader, cases[i].order);
        answer = fixture_create(&fixture, code, 1);
        fixture_until(&fixture, "a node that is avoided", has_warning, code);
        document = status_document(leader);
        json_array_foreach(json_object_get(document, "nodes"), at, node)
        {
            if (json_is_true(json_object_get(node, "avoided"))) {
                n++;
                assert_string_equal(json_string_value(json_object_get(node, "manage")), "192.0.2.1");
                assert_string_equal(json_string_value(json_object_get(node, "cause")), code);
                assert_true(json_is_integer(json_object_get(node, "avoided_ms")));
                assert_non_null(strstr(json_string_value(json_object_get(node, "remedy")), cases[i].remedy));
                assert_true(*json_string_value(json_object_get(node, "last_error")) != '\0');
            }
        }
        json_decref(document);
        assert_int_equal(n, 1);
        order(leader, "");
        (void)fixture_finish(&fixture, leader, answer.op_id);
        fixture_until(&fixture, "all nodes well", no_node_avoided, NULL);
    }
}

static void proposed(void *user, int status, const struct store_result *result)
{
    assert_int_equal(status, 0);
    assert_int_equal(result->code, STORE_OK);
    ((struct answer *)user)->came = true;
    ((struct answer *)user)->op_id = result->op_id;
}

static bool came(struct fixture *any, void *user)
{
    (void)any;
    return ((struct answer *)user)->came;
}

static bool job_is_gone(struct fixture *any, void *user)
{
    (void)any;
    return store_job(fixture_leader(&fixture)->store, *(struct id *)user) == NULL;
}

/* A node's state is changed at the given time: a job that ended then. */
static struct id state_job(struct member *leader, enum store_state node_state, int64_t now_ms)
{
    struct answer answer = {.came = false};
    struct store_plan_env env;
    struct store_request request;
    struct store_result result = {0};
    struct store_cmd cmd;

    store_request_init(&request, STORE_REQ_NODE_STATE);
    request.target = fixture.nodes[0];
    request.state = node_state;
    member_plan_env(leader, &env);
    env.now_ms = now_ms;
    assert_int_equal(store_plan(leader->store, &request, &env, &cmd, &result), STORE_OK);
    member_propose(leader, &cmd, proposed, &answer);
    store_cmd_fini(&cmd);
    store_request_fini(&request);
    fixture_until(&fixture, "a job", came, &answer);
    return answer.op_id;
}

static void test_old_jobs_are_forgotten(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    size_t jobs = store_counts(leader->store).jobs;
    struct id young, old;

    (void)state;
    leader->expire_timer.timer_cb(&leader->expire_timer); /* nothing is old */
    young = state_job(leader, STORE_STATE_OFFLINE, member_now_ms());
    old = state_job(leader, STORE_STATE_ONLINE, 1);
    assert_non_null(store_job(leader->store, old));
    leader->expire_timer.timer_cb(&leader->expire_timer);
    fixture_until(&fixture, "the old job is gone", job_is_gone, &old);
    assert_non_null(store_job(leader->store, young));
    assert_int_equal(store_counts(leader->store).jobs, jobs + 1);
}

static void refused(void *user, int status, const struct store_result *result)
{
    assert_int_equal(status, E_NOT_LEADER);
    assert_null(result);
    ((struct answer *)user)->came = true;
}

static void test_proposal_on_a_follower_is_answered_later(void **state)
{
    struct member *follower = fixture_follower(&fixture);
    struct answer answer = {.came = false};
    struct store_cmd cmd;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_EXPIRE_JOBS);
    member_propose(follower, &cmd, refused, &answer);
    store_cmd_fini(&cmd);
    assert_false(answer.came); /* never from within */
    fixture_until(&fixture, "the refusal", came, &answer);
}

static void test_hand_over_and_return(void **state)
{
    struct member *old = fixture_leader(&fixture);
    size_t at = (size_t)old->cfg->member_id - 1;
    size_t volumes = store_counts(old->store).volumes;
    uv_timer_t *timers[] = {&old->tell_timer, &old->expire_timer};
    struct cons_status status;

    (void)state;
    for (size_t i = 0; i < 2; i++) { /* due all the time: none may run when consensus is gone */
        uv_timer_set_repeat(timers[i], 1);
        assert_int_equal(uv_timer_again(timers[i]), 0);
    }
    fixture_stop(&fixture, at);
    assert_ptr_not_equal(fixture_leader(&fixture), old);
    assert_int_equal(store_counts(fixture_leader(&fixture)->store).volumes, volumes);
    assert_int_equal(fixture_create(&fixture, "meanwhile", 1).kind, API_ACCEPTED);
    fixture_start(&fixture, at); /* from its snapshot and its log */
    fixture_until(&fixture, "equal replicas", replicas_level, NULL);
    cons_get_status(fixture.members[at]->cons, &status);
    assert_true(status.snapshot_index > 0);
    fixture_until(&fixture, "health", is_healthy, fixture_leader(&fixture));
}

static bool driver_is_stopped(struct fixture *any, void *user)
{
    (void)any;
    return ((struct member *)user)->driver_term == 0;
}

static void test_without_a_majority(void **state)
{
    struct member *leader = fixture_leader(&fixture);

    (void)state;
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        if (fixture.members[i] != leader) {
            fixture_stop(&fixture, i);
        }
    }
    fixture_until(&fixture, "the driver has stopped", driver_is_stopped, leader);
    assert_string_equal(health_of(leader), "critical");
    assert_string_equal(warning_of(leader, "no-leader"), "there is no leader");
    assert_false(member_serving(leader));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_it_serves_nothing),
        cmocka_unit_test(test_requests_become_operations),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_repeated_key_is_done_once),
        cmocka_unit_test(test_stale_plan_is_made_anew),
        cmocka_unit_test(test_follower_refuses_and_points),
        cmocka_unit_test(test_status_of_leader_and_follower),
        cmocka_unit_test(test_holder_of_the_addresses),
        cmocka_unit_test(test_members_that_differ_are_shown),
        cmocka_unit_test(test_old_jobs_are_forgotten),
        cmocka_unit_test(test_proposal_on_a_follower_is_answered_later),
        /* These leave nodes that are taken for dead, which the next leader forgets. */
        cmocka_unit_test(test_status_shows_operations_by_age),
        cmocka_unit_test(test_status_is_bounded),
        cmocka_unit_test(test_status_shows_steps_and_dead_nodes),
        cmocka_unit_test(test_status_names_avoided_nodes),
        cmocka_unit_test(test_node_add_asks_for_glusterd),
        cmocka_unit_test(test_hand_over_and_return),
        cmocka_unit_test(test_without_a_majority),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

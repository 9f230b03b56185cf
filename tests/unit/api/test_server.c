/* The routes over the wire, on one serving member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/token.h"

#define F32 "ffffffffffffffffffffffffffffffff"
#define TEXT_TYPE "text/plain; charset=utf-8"
#define JSON_TYPE "application/json; charset=UTF-8"

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, false);
    fixture_start(fixture, 0);
    fixture_lead(fixture, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

static void expect_header(const struct answer *answer, const char *name, const char *value)
{
    const char *got = answer_header(answer, name);

    if ((got == NULL) != (value == NULL) || (value != NULL && strcmp(got, value) != 0)) {
        fail_msg("%s: %s, expected %s", name, got != NULL ? got : "absent", value != NULL ? value : "absent");
    }
}

static void routing(void **state)
{
    static const struct {
        const char *method, *path, *type, *location, *length;
        int status;
        const char *body;
    } cases[] = {
        {"GET", "/hello", "text/plain; charset=UTF-8", NULL, "17", 200, "Hello from Heketi"},
        {"POST", "/hello", TEXT_TYPE, NULL, "24", 404, "Invalid path or request\n"},
        {"HEAD", "/hello", TEXT_TYPE, NULL, "24", 404, ""},
        {"HEAD", "/xyz", TEXT_TYPE, NULL, "24", 404, ""},
        {"GET", "/", TEXT_TYPE, NULL, "24", 404, "Invalid path or request\n"},
        {"GET", "/%00", TEXT_TYPE, NULL, "24", 404, "Invalid path or request\n"},
        {"GET", "/nodes", NULL, NULL, "0", 405, ""},
        {"HEAD", "/clusters", NULL, NULL, NULL, 405, ""},
        {"OPTIONS", "/clusters", NULL, NULL, "0", 405, ""},
        {"get", "/clusters", NULL, NULL, "0", 405, ""},
        {"TRACE", "/clusters", NULL, NULL, "0", 405, ""},
        {"PROPFIND", "/xyz", TEXT_TYPE, NULL, "24", 404, "Invalid path or request\n"},
        {"GET", "/clusters/", "text/html; charset=utf-8", "/clusters", "44", 301,
         "<a href=\"/clusters\">Moved Permanently</a>.\n\n"},
        {"GET", "/clusters/?x=1&y", "text/html; charset=utf-8", "/clusters?x=1&y", "54", 301,
         "<a href=\"/clusters?x=1&amp;y\">Moved Permanently</a>.\n\n"},
        {"POST", "/clusters/", NULL, "/clusters", "0", 301, ""},
        {"DELETE", "/clusters/", NULL, NULL, "0", 405, ""},
        {"GET", "//clusters", NULL, "/clusters", "0", 301, ""},
        {"GET", "/clusters//", NULL, "/clusters/", "0", 301, ""},
        {"GET", "/a/../hello?x=1", NULL, "/hello?x=1", "0", 301, ""},
        {"DELETE", "/%2Fclusters", NULL, "/clusters", "0", 301, ""},
        {"GET", "/clusters%2F", "text/html; charset=utf-8", "/clusters", "44", 301,
         "<a href=\"/clusters\">Moved Permanently</a>.\n\n"},
        {"GET", "/%63lusters?a=%zz", JSON_TYPE, NULL, "16", 200, "{\"clusters\":[]}\n"},
        {"GET", "/clusters%2F0", TEXT_TYPE, NULL, "13", 404, "Id not found\n"},
        {"GET", "/clusters/F", TEXT_TYPE, NULL, "13", 404, "Id not found\n"},
        {"GET", "/%zz", TEXT_TYPE, NULL, "15", 400, "400 Bad Request"},
        {"GET", "/volumes", JSON_TYPE, NULL, "15", 200, "{\"volumes\":[]}\n"},
        {"GET", "/queue/" F32, TEXT_TYPE, NULL, "13", 404, "Id not found\n"},
        {"GET", "/operations", JSON_TYPE, NULL, "55", 200,
         "{\"total\":0,\"in_flight\":0,\"stale\":0,\"failed\":0,\"new\":0}\n"},
        {"GET", "/operations/pending", JSON_TYPE, NULL, "25", 200, "{\"pendingoperations\":[]}\n"},
        {"GET", "/operations/pending/F", TEXT_TYPE, NULL, "16", 404, "Id not found: F\n"},
        {"GET", "/livez", "text/plain; charset=UTF-8", NULL, "3", 200, "ok\n"},
        {"GET", "/readyz", "text/plain; charset=UTF-8", NULL, "3", 200, "ok\n"},
        {"GET", "/cluster/status", JSON_TYPE, NULL, "16", 200, "{\"health\":\"ok\"}\n"},
        {"GET", "/cluster/leader", JSON_TYPE, NULL, "30", 200, "{\"leader\":true,\"member_id\":1}\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct answer answer = client_do(*state, 0, cases[i].method, cases[i].path, "", NULL);

        if (answer.status != cases[i].status || strcmp(buf_str(&answer.body), cases[i].body) != 0) {
            fail_msg("%s %s: %d %s", cases[i].method, cases[i].path, answer.status, buf_str(&answer.body));
        }
        expect_header(&answer, "Content-Type", cases[i].type);
        expect_header(&answer, "Location", cases[i].location);
        expect_header(&answer, "Content-Length", cases[i].length);
        expect_header(&answer, "Server", NULL);
        expect_header(&answer, "Transfer-Encoding", NULL);
        expect_header(&answer, "X-Content-Type-Options", answer.status == 404 ? "nosniff" : NULL);
        answer_fini(&answer);
    }
}

static void clusters(void **state)
{
    struct fixture *f = *state;
    struct answer answer = client_do(f, 0, "POST", "/clusters", "", "{\"file\":true}");
    CLEANUP(free_ptr) char *id = NULL, *path = NULL, *flags = NULL, *json = NULL;

    assert_int_equal(answer.status, 201);
    expect_header(&answer, "Content-Type", JSON_TYPE);
    expect_header(&answer, "Location", NULL);
    id = mem_strndup(answer.body.data + 7, 32);
    json = mem_printf("{\"id\":\"%s\",\"nodes\":[],\"volumes\":[],\"block\":false,\"file\":true,\"blockvolumes\":[]}\n",
                      id);
    assert_string_equal(buf_str(&answer.body), json);
    answer_fini(&answer);
    path = mem_printf("/clusters/%s", id);
    flags = mem_printf("/clusters/%s/flags", id);
    expect(f, 0, "GET", path, NULL, 200, json);
    answer = client_do(f, 0, "POST", flags, "", "{\"block\":true}");
    assert_int_equal(answer.status, 200);
    expect_header(&answer, "Content-Type", JSON_TYPE);
    expect_header(&answer, "Content-Length", "0");
    answer_fini(&answer);
    free(json);
    json = mem_printf("{\"id\":\"%s\",\"nodes\":[],\"volumes\":[],\"block\":true,\"file\":false,\"blockvolumes\":[]}\n",
                      id);
    expect(f, 0, "GET", path, NULL, 200, json);
    expect(f, 0, "POST", "/clusters/" F32 "/flags", "{}", 404, "Id not found\n");
    expect(f, 0, "POST", "/clusters/" F32 "/flags", "x", 422, "request unable to be parsed\n");
    expect(f, 0, "DELETE", "/clusters/" F32, NULL, 404, "Id not found\n");
    answer = client_do(f, 0, "DELETE", path, "", "no json");
    assert_int_equal(answer.status, 200);
    expect_header(&answer, "Content-Type", NULL);
    expect_header(&answer, "Content-Length", "0");
    answer_fini(&answer);
    expect(f, 0, "GET", path, NULL, 404, "Id not found\n");
    expect(f, 0, "GET", "/clusters", NULL, 200, "{\"clusters\":[]}\n");
}

static void nodes_and_devices(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *cluster = mem_strdup(make_topology(f, 0));
    CLEANUP(free_ptr)
    char *body =
        mem_printf("{\"zone\":2,\"cluster\":\"%s\",\"hostnames\":{\"manage\":[\"m1\",\"m2\"],\"storage\":[\"s1\"]},"
                   "\"tags\":{\"b\":\"<&>\",\"a\":\"\\u2028\\\"\\u0001\"}}",
                   cluster);
    CLEANUP(free_ptr) char *node = mem_strdup(create(f, 0, "/nodes", body));
    CLEANUP(free_ptr) char *node_path = mem_printf("/nodes/%s", node);
    CLEANUP(free_ptr) char *tags_path = mem_printf("/nodes/%s/tags", node);
    CLEANUP(free_ptr) char *state_path = mem_printf("/nodes/%s/state", node);
    CLEANUP(free_ptr)
    char *shown = mem_printf(
        "{\"zone\":2,\"hostnames\":{\"manage\":[\"m1\",\"m2\"],\"storage\":[\"s1\"]},\"cluster\":\"%s\",\"tags\":"
        "{\"a\":\"\\u2028\\\"\\u0001\",\"b\":\"\\u003c\\u0026\\u003e\"},\"id\":\"%s\",\"state\":\"online\",\"devices\":"
        "[]}\n",
        cluster, node);
    CLEANUP(free_ptr) char *conflict = mem_printf("Hostname m2 already used by node with id %s\n\n", node);
    CLEANUP(free_ptr)
    char *again = mem_printf(
        "{\"zone\":1,\"cluster\":\"%s\",\"hostnames\":{\"manage\":[\"z\",\"m2\"],\"storage\":[\"y\"]}}", cluster);

    expect(f, 0, "GET", node_path, NULL, 200, shown);
    expect(f, 0, "POST", "/nodes", again, 409, conflict);
    expect(f, 0, "POST", tags_path, "{\"change_type\":\"update\",\"tags\":{\"c\":\"1\"}}", 200,
           "{\"a\":\"\\u2028\\\"\\u0001\",\"b\":\"\\u003c\\u0026\\u003e\",\"c\":\"1\"}\n");
    expect(f, 0, "POST", tags_path, "{\"change_type\":\"set\"}", 200, "{}\n");
    expect(f, 0, "POST", "/nodes/" F32 "/tags", "{\"change_type\":\"set\"}", 404, "Id not found\n");
    assert_string_equal(create(f, 0, state_path, "{\"state\":\"offline\"}"), "");
    expect(f, 0, "POST", "/nodes/" F32 "/state", "{\"state\":\"offline\"}", 404, "Id not found\n");
    expect(f, 0, "POST", "/nodes/" F32 "/state", "{}", 400, "validation failed: state: cannot be blank.\n");
    expect(f, 0, "GET", "/nodes/" F32, NULL, 404, "Id not found\n");
    expect(f, 0, "POST", "/devices", "{\"name\":\"/dev/sdb\",\"node\":\"" F32 "\"}", 404, "Node id does not exist\n");
    expect(f, 0, "DELETE", "/devices/" F32, NULL, 404, "Id not found\n");
    expect(f, 0, "DELETE", node_path, NULL, 202, "");
    expect(f, 0, "GET", node_path, NULL, 404, "Id not found\n");
}

/* The id in a list member of a JSON text, e.g. the first of "volumes":[". */
static char *first_id(const char *text, const char *name)
{
    CLEANUP(free_ptr) char *mark = mem_printf("\"%s\":[\"", name);
    const char *at = strstr(text, mark);

    assert_non_null(at);
    return mem_strndup(at + strlen(mark), 32);
}

static void volumes(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *cluster = mem_strdup(make_topology(f, 0));
    CLEANUP(free_ptr)
    char *id = mem_strdup(create(
        f, 0, "/volumes",
        "{\"size\":10,\"name\":\"media\",\"durability\":{\"type\":\"replicate\"},\"gid\":2004,\"glustervolumeoptions\":"
        "[\"performance.cache-size 64MB\"],\"snapshot\":{\"enable\":true,\"factor\":1.1}}"));
    CLEANUP(free_ptr) char *path = mem_printf("/volumes/%s", id);
    struct answer answer = client_do(f, 0, "GET", path, "", NULL);
    CLEANUP(free_ptr)
    char *head = mem_printf(
        "{\"size\":10,\"name\":\"media\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":2},"
        "\"disperse\":{}},\"gid\":2004,\"glustervolumeoptions\":[\"\",\"performance.cache-size 64MB\",\"\"],"
        "\"snapshot\":{\"enable\":true,\"factor\":1.1},\"id\":\"%s\",\"cluster\":\"%s\",\"mount\":{\"glusterfs\":"
        "{\"hosts\":[\"s-n",
        id, cluster);
    CLEANUP(free_ptr) char *listed = mem_printf("{\"volumes\":[\"%s\"]}\n", id);
    CLEANUP(free_ptr) char *cluster_path = mem_printf("/clusters/%s", cluster);
    CLEANUP(free_ptr) char *in_cluster = NULL;
    const char *bricks;

    assert_int_equal(answer.status, 200);
    if (strncmp(buf_str(&answer.body), head, strlen(head)) != 0) {
        fail_msg("%s", buf_str(&answer.body));
    }
    bricks = strstr(buf_str(&answer.body), ",\"blockinfo\":{},\"bricks\":[{\"id\":\"");
    assert_non_null(bricks);
    assert_non_null(strstr(bricks, "\"size\":10485760}"));
    answer_fini(&answer);
    expect(f, 0, "GET", "/volumes", NULL, 200, listed);
    answer = client_do(f, 0, "GET", cluster_path, "", NULL);
    in_cluster = first_id(buf_str(&answer.body), "volumes");
    assert_string_equal(in_cluster, id);
    answer_fini(&answer);
    expect(f, 0, "POST", "/volumes", "{\"size\":1,\"name\":\"media\"}", 500,
           "Failed to allocate new volume: Volume name 'media' already in use\n");
    expect(f, 0, "DELETE", path, NULL, 202, "");
    expect(f, 0, "DELETE", path, NULL, 404, "Id not found\n");
    expect(f, 0, "GET", "/volumes", NULL, 200, "{\"volumes\":[]}\n");
}

static void volume_checks(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *cluster = NULL, *two = NULL;

    expect(f, 0, "POST", "/volumes", "{\"size\":1,\"clusters\":[\"" F32 "\"]}", 400, "No clusters configured\n");
    cluster = mem_strdup(make_topology(f, 0));
    expect(f, 0, "POST", "/volumes", "{\"size\":1,\"clusters\":[\"x\"]}", 400, "Cluster id x not found\n");
    expect(f, 0, "POST", "/volumes", "{\"size\":1,\"clusters\":[\"\"]}", 400, "Cluster id  not found\n");
    two = mem_printf("{\"size\":1,\"clusters\":[\"%s\",\"" F32 "\"]}", cluster);
    expect(f, 0, "POST", "/volumes", two, 400, "Cluster id " F32 " not found\n");
    expect(f, 0, "POST", "/volumes",
           "{\"size\":3,\"durability\":{\"type\":\"disperse\",\"disperse\":{\"data\":4,"
           "\"redundancy\":2}}}",
           400, "Requested volume size (3 GB) is smaller than the minimum supported volume size (4194304)\n");
    expect(f, 0, "POST", "/volumes", "{\"size\":9223372036854775807}", 500,
           "Failed to allocate new volume: No space\n");
    expect(f, 0, "DELETE", "/volumes/" F32, NULL, 404, "Id not found\n");
}

static void pending_volume_is_hidden(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    CLEANUP(free_ptr) char *queue = NULL, *id = NULL, *path = NULL, *steps = NULL;

    make_topology(f, 0);
    f->members[0].ends = false;
    answer = client_do(f, 0, "POST", "/volumes", "", "{\"size\":1}");
    assert_int_equal(answer.status, 202);
    expect_header(&answer, "Content-Length", "0");
    expect_header(&answer, "Content-Type", NULL);
    expect_header(&answer, "X-Pending", NULL);
    queue = mem_strdup(answer_header(&answer, "Location"));
    answer_fini(&answer);
    answer = client_do(f, 0, "GET", queue, "", NULL);
    assert_int_equal(answer.status, 200);
    expect_header(&answer, "X-Pending", "true");
    expect_header(&answer, "Content-Length", "0");
    expect_header(&answer, "Content-Type", NULL);
    answer_fini(&answer);
    expect(f, 0, "GET", "/volumes", NULL, 200, "{\"volumes\":[]}\n");
    id = mem_strdup(id_text(store_volume_next(f->store, NULL)->id).text);
    path = mem_printf("/volumes/%s", id);
    expect(f, 0, "GET", path, NULL, 404, "Id not found\n");
    expect(f, 0, "GET", "/operations", NULL, 200, "{\"total\":1,\"in_flight\":1,\"stale\":0,\"failed\":0,\"new\":1}\n");
    steps = mem_printf("/operations/pending/%s?steps=true", queue + strlen("/queue/"));
    answer = client_do(f, 0, "GET", steps, "", NULL);
    assert_non_null(strstr(buf_str(&answer.body), "\"type_name\":\"create-volume\",\"status\":\"\",\"sub_status\":\"\","
                                                  "\"changes\":[{\"id\":"));
    assert_non_null(strstr(buf_str(&answer.body), "\"description\":\"Add volume\"}],\"steps\":[{\"step\":"));
    answer_fini(&answer);
}

static void volume_delete_twice(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *path = NULL;

    make_topology(f, 0);
    path = mem_printf("/volumes/%s", create(f, 0, "/volumes", "{\"size\":1}"));
    f->members[0].ends = false;
    expect(f, 0, "DELETE", path, NULL, 202, "");
    expect(f, 0, "GET", path, NULL, 404, "Id not found\n");
    expect(f, 0, "DELETE", path, NULL, 500,
           "Failed to set up volume delete: The target exists, contains other items, or is in use.\n");
}

static void queue_answers_are_repeatable(void **state)
{
    struct fixture *f = *state;
    struct answer answer = {0};
    CLEANUP(free_ptr) char *queue = NULL, *page = NULL, *location = NULL;

    make_topology(f, 0);
    answer = client_do(f, 0, "POST", "/volumes", "", "{\"size\":1}");
    queue = mem_strdup(answer_header(&answer, "Location"));
    answer_fini(&answer);
    location = mem_printf("/volumes/%s", id_text(store_volume_next(f->store, NULL)->id).text);
    page = mem_printf("<a href=\"%s\">See Other</a>.\n\n", location);
    for (int i = 0; i < 3; i++) {
        answer = client_do(f, 0, "GET", queue, "", NULL);
        assert_int_equal(answer.status, 303);
        expect_header(&answer, "Location", location);
        expect_header(&answer, "Content-Type", "text/html; charset=utf-8");
        expect_header(&answer, "X-Pending", NULL);
        assert_string_equal(buf_str(&answer.body), page);
        answer_fini(&answer);
    }
    answer = client_do(f, 0, "DELETE", location, "", NULL);
    free(queue);
    queue = mem_strdup(answer_header(&answer, "Location"));
    answer_fini(&answer);
    for (int i = 0; i < 2; i++) {
        answer = client_do(f, 0, "GET", queue, "", NULL);
        assert_int_equal(answer.status, 204);
        expect_header(&answer, "Content-Length", NULL);
        expect_header(&answer, "Content-Type", NULL);
        answer_fini(&answer);
    }
}

static void failed_job(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    const struct store_node *node;
    CLEANUP(free_ptr) char *path = NULL, *queue = NULL, *text = NULL;

    make_topology(f, 0);
    node = store_node_next(f->store, NULL);
    path = mem_printf("/nodes/%s/state", id_text(node->id).text);
    text = mem_printf("Node must be offline before remove operation is performed, node:%s\n", id_text(node->id).text);
    answer = client_do(f, 0, "POST", path, "", "{\"state\":\"failed\"}");
    assert_int_equal(answer.status, 202);
    queue = mem_strdup(answer_header(&answer, "Location"));
    answer_fini(&answer);
    expect(f, 0, "GET", queue, NULL, 500, text);
    expect(f, 0, "GET", queue, NULL, 500, text);
}

static void idempotency_key(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    CLEANUP(free_ptr) char *first = NULL, *longer = NULL;

    make_topology(f, 0);
    for (int i = 0; i < 2; i++) {
        answer = client_do(f, 0, "POST", "/volumes", "Idempotency-Key: k1\r\n", "{\"size\":1}");
        assert_int_equal(answer.status, 202);
        if (i == 0) {
            first = mem_strdup(answer_header(&answer, "Location"));
        }
        assert_string_equal(answer_header(&answer, "Location"), first);
        answer_fini(&answer);
    }
    assert_int_equal(store_counts(f->store).volumes, 1);
    longer = mem_printf("Idempotency-Key: %0129d\r\n", 0);
    answer = client_do(f, 0, "POST", "/volumes", longer, "{\"size\":1}");
    assert_int_equal(answer.status, 400);
    answer_fini(&answer);
    assert_int_equal(store_counts(f->store).volumes, 1);
}

static void throttle(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *path = NULL;

    make_topology(f, 0);
    fixture_close(f, 0);
    f->members[0].config.max_inflight = 2;
    fixture_start(f, 0);
    path = mem_printf("/volumes/%s", create(f, 0, "/volumes", "{\"size\":1,\"name\":\"first\"}"));
    f->members[0].ends = false;
    expect(f, 0, "POST", "/volumes", "{\"size\":1}", 202, "");
    expect(f, 0, "POST", "/volumes", "{\"size\":1}", 202, "");
    expect(f, 0, "POST", "/volumes", "{\"size\":1}", 429, "Server busy. Retry operation later.\n");
    expect(f, 0, "DELETE", path, NULL, 429, "Server busy. Retry operation later.\n");
    expect(f, 0, "DELETE", "/volumes/" F32, NULL, 404, "Id not found\n");
    expect(f, 0, "POST", "/volumes", "{\"size\":0}", 400, "validation failed: size: cannot be blank.\n");
    expect(f, 0, "POST", "/clusters", "{}", 201, NULL);
    assert_int_equal(store_counts(f->store).volumes, 3);
}

static void tokens(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    CLEANUP(free_ptr) char *user = token_bearer("user", USER_KEY, "GET", "/clusters", (int64_t)time(NULL));
    CLEANUP(free_ptr) char *header = mem_printf("Authorization: %s\r\n", user);

    fixture_close(f, 0);
    f->members[0].config.auth = true;
    fixture_start(f, 0);
    expect(f, 0, "GET", "/clusters", NULL, 200, "{\"clusters\":[]}\n");
    expect(f, 0, "GET", "/clusters?x=1", NULL, 200, "{\"clusters\":[]}\n");
    answer = client_do(f, 0, "GET", "/clusters", "Authorization: \r\n", NULL);
    assert_int_equal(answer.status, 401);
    assert_string_equal(buf_str(&answer.body), "Required authorization token not found\n");
    expect_header(&answer, "WWW-Authenticate", NULL);
    expect_header(&answer, "X-Content-Type-Options", "nosniff");
    answer_fini(&answer);
    answer = client_do(f, 0, "GET", "/xyz", "Authorization: x\r\n", NULL);
    assert_int_equal(answer.status, 400);
    answer_fini(&answer);
    answer = client_do(f, 0, "GET", "/clusters", header, NULL);
    assert_int_equal(answer.status, 401);
    assert_string_equal(buf_str(&answer.body), "Administrator access required\n");
    answer_fini(&answer);
    answer = client_do(f, 0, "GET", "//clusters", "Authorization: x\r\n", NULL); /* cleaned before any token is read */
    assert_int_equal(answer.status, 301);
    answer_fini(&answer);
    answer = client_do(f, 0, "GET", "/hello", "Authorization: x\r\n", NULL);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    answer = client_do(f, 0, "POST", "/hello", "Authorization: \r\n", "{}");
    assert_int_equal(answer.status, 401);
    answer_fini(&answer);
}

static void keeps_connections(void **state)
{
    struct fixture *f = *state;
    static const char *const requests[] = {
        "GET /clusters HTTP/1.1\r\nHost: x\r\n\r\n",
        "HEAD /clusters HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /queue/" F32 " HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /clusters HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    };
    static const int statuses[] = {200, 405, 404, 201, 200};
    int fd = client_connect(api_server_port(f->members[0].server));
    struct buf rest = BUF_INIT;

    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        struct answer answer;

        client_send(f, fd, requests[i], strlen(requests[i]));
        answer = client_read(f, fd, strncmp(requests[i], "HEAD", 4) == 0);
        assert_int_equal(answer.status, statuses[i]);
        answer_fini(&answer);
    }
    client_read_end(f, fd, &rest);
    assert_int_equal(rest.len, 0);
    buf_fini(&rest);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(routing, setup, teardown),
        cmocka_unit_test_setup_teardown(clusters, setup, teardown),
        cmocka_unit_test_setup_teardown(nodes_and_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(volumes, setup, teardown),
        cmocka_unit_test_setup_teardown(volume_checks, setup, teardown),
        cmocka_unit_test_setup_teardown(pending_volume_is_hidden, setup, teardown),
        cmocka_unit_test_setup_teardown(volume_delete_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(queue_answers_are_repeatable, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_job, setup, teardown),
        cmocka_unit_test_setup_teardown(idempotency_key, setup, teardown),
        cmocka_unit_test_setup_teardown(throttle, setup, teardown),
        cmocka_unit_test_setup_teardown(tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_connections, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

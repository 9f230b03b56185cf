/* Maintenance mode, log level, clean-up, figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/auth.h"
#include "api/metrics_out.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"

#define MAINTENANCE "Service disabled for maintenance\n"
#define FLAGS "{\"file\":true,\"block\":true}"

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, false);
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
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

static void bodies(void **state)
{
    static const struct {
        const char *path, *body;
        int status;
        const char *text; /* NULL: begins with the words for what cannot be parsed */
    } cases[] = {
        {"/admin", "{}", 400, "validation failed: state: cannot be blank.\n"},
        {"/admin", "null", 400, "validation failed: state: cannot be blank.\n"},
        {"/admin", "{\"state\":\"Normal\"}", 400, "validation failed: state: must be a valid value.\n"},
        {"/admin", "{\"state\":1}", 400, NULL},
        {"/admin", "", 400, NULL},
        {"/admin", "{} x", 400, NULL},
        {"/admin", "{\"state\":\"normal\"}", 204, ""},
        {"/internal/logging", "{}", 422, "Only \"glusterfs\" logger may be modified\n"},
        {"/internal/logging", "{\"loglevel\":{\"Glusterfs\":\"info\"}}", 422,
         "Only \"glusterfs\" logger may be modified\n"},
        {"/internal/logging", "{\"loglevel\":{\"glusterfs\":\"DEBUG\"}}", 422, "invalid log level: DEBUG\n"},
        {"/internal/logging", "{\"loglevel\":{\"glusterfs\":1}}", 400, NULL},
        {"/internal/logging", "{\"loglevel\":{\"glusterfs\":\"error\"}}", 200,
         "{\"loglevel\":{\"glusterfs\":\"error\"}}\n"},
        {"/internal/logging", "{\"loglevel\":{\"glusterfs\":\"\"}}", 200, "{\"loglevel\":{\"glusterfs\":\"error\"}}\n"},
        {"/operations/pending/cleanup", "{\"operations\":[\"x\"]}", 400,
         "validation failed: operations: x is not a valid UUID.\n"},
        {"/operations/pending/cleanup", "{\"operations\":\"x\"}", 422, "request unable to be parsed\n"},
        {"/operations/pending/cleanup", "{\"operations\":[\"\"]}", 202, ""},
        {"/operations/pending/cleanup", "null", 202, ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct answer answer = client_do(*state, i % 2, "POST", cases[i].path, "", cases[i].body);
        const char *body = buf_str(&answer.body);

        if (answer.status != cases[i].status ||
            (cases[i].text != NULL ? strcmp(body, cases[i].text) != 0
                                   : strncmp(body, "request unable to be parsed: ", 29) != 0)) {
            fail_msg("%s %s: %d %s", cases[i].path, cases[i].body, answer.status, body);
        }
        answer_fini(&answer);
    }
    expect(*state, 1, "GET", "/internal/logging", NULL, 200, "{\"loglevel\":{\"glusterfs\":\"error\"}}\n");
}

static void too_many_to_clean(void **state)
{
    CLEANUP(buf_fini) struct buf body = BUF_INIT;

    buf_append_str(&body, "{\"operations\":[");
    for (int i = 0; i < 33; i++) {
        buf_append_str(&body, i > 0 ? ",\"\"" : "\"\"");
    }
    buf_append_str(&body, "]}");
    expect(*state, 0, "POST", "/operations/pending/cleanup", buf_str(&body), 400,
           "validation failed: operations: too many ids specified (33), up to 32 supported.\n");
}

static void read_only_lets_nothing_but_reads_through(void **state)
{
    struct fixture *f = *state;

    expect(f, 1, "POST", "/admin", "{\"state\":\"read-only\"}", 204, "");
    for (size_t member = 0; member < 2; member++) {
        expect(f, member, "GET", "/admin", NULL, 200, "{\"state\":\"read-only\"}\n");
        expect(f, member, "GET", "/clusters", NULL, 200, "{\"clusters\":[]}\n");
        expect(f, member, "GET", "/xyz", NULL, 404, "Invalid path or request\n");
        expect(f, member, "POST", "/clusters", FLAGS, 503, MAINTENANCE);
        expect(f, member, "POST", "/xyz", "{}", 503, MAINTENANCE); /* before routing */
        expect(f, member, "PUT", "/clusters", "{}", 503, MAINTENANCE);
        expect(f, member, "OPTIONS", "/clusters", NULL, 503, MAINTENANCE);
        expect(f, member, "POST", "/hello", "{}", 503, MAINTENANCE);
        expect(f, member, "POST", "/admin", "{\"state\":\"normal\"}", 503, MAINTENANCE);
        expect(f, member, "POST", "//clusters", "{}", 301, ""); /* after cleaning the path */
    }
    fixture_lead(f, 1); /* and the next leader keeps it */
    expect(f, 0, "POST", "/clusters", FLAGS, 503, MAINTENANCE);
}

static void local_clients_are_those_of_the_member_that_they_asked(void **state)
{
    struct fixture *f = *state;
    char proof[API_AUTH_PROOF_SIZE];
    CLEANUP(free_ptr) char *headers = NULL;
    struct answer answer;

    expect(f, 0, "POST", "/admin", "{\"state\":\"local-client\"}", 204, "");
    expect(f, 1, "POST", "/clusters/00/flags", FLAGS, 404, "Id not found\n"); /* forwarded, and proven */
    expect(f, 0, "POST", "/clusters/00/flags", FLAGS, 404, "Id not found\n");

    answer = client_do(f, 0, "POST", "/clusters", "Hecate-Forwarded: 2\r\n", FLAGS); /* of another host */
    assert_int_equal(answer.status, 503);
    assert_string_equal(buf_str(&answer.body), MAINTENANCE);
    answer_fini(&answer);

    api_auth_prove_local("another key", "", 0, proof);
    headers = mem_printf("Hecate-Forwarded: 2\r\nHecate-Local: %s\r\n", proof);
    answer = client_do(f, 0, "POST", "/clusters", headers, FLAGS);
    assert_int_equal(answer.status, 503);
    answer_fini(&answer);

    answer = client_do(f, 0, "GET", "/clusters", "Hecate-Forwarded: 2\r\n", NULL);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
}

static void the_configuration_decides_until_a_mode_is_set(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof(*f));

    (void)state;
    fixture_init(f, false);
    f->members[0].config.default_mode = STORE_MODE_READ_ONLY;
    fixture_start(f, 0);
    fixture_lead(f, 0);
    expect(f, 0, "GET", "/admin", NULL, 200, "{\"state\":\"read-only\"}\n");
    expect(f, 0, "POST", "/clusters", FLAGS, 503, MAINTENANCE);
    fixture_fini(f);
    free(f);
}

static void numbers(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1, "1"},
        {100, "100"},
        {999999, "999999"},
        {1000000, "1e+06"},
        {524288000, "5.24288e+08"},
        {536870912000, "5.36870912e+11"},
        {0.25, "0.25"},
        {10539008, "1.0539008e+07"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(buf_fini) struct buf buf = BUF_INIT;

        api_metric_number(&buf, cases[i].value);
        assert_string_equal(buf_str(&buf), cases[i].text);
    }
}

static void assert_has(const struct answer *answer, const char *text)
{
    if (strstr(buf_str(&answer->body), text) == NULL) {
        fail_msg("%s is not in\n%s", text, buf_str(&answer->body));
    }
}

static void metrics(void **state)
{
    struct fixture *f = *state;
    const char *cluster = make_topology(f, 0);
    CLEANUP(free_ptr) char *line = mem_printf("heketi_nodes_count{cluster=\"%s\"} 3\n", cluster);
    struct answer answer;

    create(f, 0, "/volumes", "{\"size\":1,\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}}}");
    for (size_t member = 0; member < 2; member++) { /* a follower, too, shows its own */
        answer = client_do(f, member, "GET", "/metrics", "", NULL);
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer_header(&answer, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
        assert_has(&answer, "# HELP heketi_up Is heketi running?\n# TYPE heketi_up gauge\nheketi_up 1\n");
        assert_has(&answer, "\nheketi_cluster_count 1\n");
        assert_has(&answer, line);
        assert_has(&answer, "\nheketi_operations_inFlight_count 0\n");
        assert_has(&answer, "\nhecate_of_the_member 1\n");
        assert_has(&answer, "\nhecate_api_requests_total{class=\"2xx\"} ");
        answer_fini(&answer);
    }
}

static struct answer get(struct fixture *fixture, size_t member, const char *path)
{
    struct answer answer = client_do(fixture, member, "GET", path, "", NULL);

    assert_int_equal(answer.status, 200);
    return answer;
}

static void dump(void **state)
{
    struct fixture *f = *state;
    const char *cluster = make_topology(f, 0);
    CLEANUP(free_ptr)
    char *begin = mem_printf("{\n    \"clusterentries\": {\n        \"%s\": {\n            \"Info\": {\n", cluster);
    const char *volume =
        create(f, 0, "/volumes", "{\"size\":1,\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}}}");
    CLEANUP(free_ptr) char *entry = mem_printf("    \"volumeentries\": {\n        \"%s\": {\n", volume);

    for (size_t member = 0; member < 2; member++) {
        struct answer answer = get(f, member, "/db/dump");

        assert_string_equal(answer_header(&answer, "Content-Type"), "application/json; charset=UTF-8");
        assert_int_equal(strncmp(buf_str(&answer.body), begin, strlen(begin)), 0);
        assert_has(&answer, entry);
        assert_has(&answer,
                   "\"blockvolumeentries\": {},\n    \"dbattributeentries\": {\n        \"DB_BRICK_HAS_SUBTYPE");
        assert_has(&answer, "            \"Key\": \"DB_GENERATION_ID\",\n            \"Value\": \"ab0000");
        assert_has(&answer, "    \"pendingoperations\": {}\n}\n");
        answer_fini(&answer);
    }
}

static void check(void **state)
{
    struct answer answer = get(*state, 1, "/db/check");

    assert_has(&answer, "{\n    \"clusters\": {\n        \"total\": 0,\n        \"pending\": 0,\n        \"ok\": 0,\n"
                        "        \"notok\": 0,\n        \"inconsistencies\": null\n    },\n    \"volumes\": {");
    assert_has(&answer, "    },\n    \"totalinconsistencies\": 0\n}\n");
    answer_fini(&answer);
    make_topology(*state, 0);
    answer = get(*state, 0, "/db/check");
    assert_has(&answer, "    \"devices\": {\n        \"total\": 3,\n        \"pending\": 0,\n        \"ok\": 3,");
    answer_fini(&answer);
}

static void backup(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    struct store *copy = NULL;
    struct answer answer;

    make_topology(f, 0);
    answer = get(f, 1, "/backup/db");
    assert_string_equal(answer_header(&answer, "Content-Type"), "application/octet-stream");
    assert_string_equal(answer_header(&answer, "Content-Disposition"), "attachment; filename=\"heketi.db\"");
    assert_int_equal(store_snapshot_decode(answer.body.data, answer.body.len, &copy, &err), 0);
    assert_int_equal(store_counts(copy).devices, 3);
    store_free(copy);
    answer_fini(&answer);
}

static void examine(void **state)
{
    struct answer answer = get(*state, 1, "/internal/state/examine/gluster");

    assert_int_equal(strncmp(buf_str(&answer.body), "{\n    \"heketidb\": {\n        \"clusterentries\": {},\n", 50),
                     0);
    assert_has(&answer,
               "        \"pendingoperations\": {}\n    },\n    \"report\": [\n        \"a, \\\"b\\\"\"\n    ],\n"
               "    \"clusters\": null\n}\n");
    answer_fini(&answer);
}

static void imports_go_to_the_backend(void **state)
{
    expect(*state, 1, "POST", "/db/import", "0123456789", 200, "{\n    \"ok\": true,\n    \"len\": 10\n}\n");
    expect(*state, 0, "GET", "/db/import", NULL, 405, "");
}

static void a_half_loaded_database_is_not_shown(void **state)
{
    struct fixture *f = *state;
    struct store_result result;
    struct store_cmd cmd;
    struct answer answer;

    store_cmd_init(&cmd, STORE_CMD_LOAD);
    cmd.op_id = (struct id){{1}};
    store_apply(f->store, ++f->index, &cmd, &result);
    assert_int_equal(result.code, STORE_OK);
    store_cmd_fini(&cmd);
    answer = client_do(f, 1, "GET", "/clusters", "", NULL);
    assert_int_equal(answer.status, 503);
    assert_has(&answer, "the database is being loaded");
    answer_fini(&answer);
}

/* What is still to be loaded is not there yet: nothing is shown, nothing taken; what is not about it goes on. */
static void a_database_that_waits_is_not_shown(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
    } cases[] = {
        {"GET", "/clusters", "", 503},
        {"GET", "/volumes", "", 503},
        {"GET", "/db/dump", "", 503},
        {"POST", "/clusters", FLAGS, 503},
        {"POST", "/volumes", "{\"size\":1}", 503},
        {"GET", "/cluster/status", "", 200},
        {"GET", "/livez", "", 200},
        {"GET", "/cluster/members", "", 200},
        {"POST", "/db/import", "{}", 200},
    };
    struct fixture *f = *state;

    f->members[0].blocked = "it waits";
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct answer answer = client_do(f, 0, cases[i].method, cases[i].path, "", cases[i].body);

        if (answer.status != cases[i].status) {
            fail_msg("%s %s: %d", cases[i].method, cases[i].path, answer.status);
        }
        if (answer.status == 503) {
            assert_has(&answer, "it waits");
        }
        answer_fini(&answer);
    }
    f->members[0].blocked = NULL;
    expect(f, 0, "GET", "/clusters", NULL, 200, "{\"clusters\":[]}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_to_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(read_only_lets_nothing_but_reads_through, setup, teardown),
        cmocka_unit_test_setup_teardown(local_clients_are_those_of_the_member_that_they_asked, setup, teardown),
        cmocka_unit_test(the_configuration_decides_until_a_mode_is_set),
        cmocka_unit_test(numbers),
        cmocka_unit_test_setup_teardown(metrics, setup, teardown),
        cmocka_unit_test_setup_teardown(dump, setup, teardown),
        cmocka_unit_test_setup_teardown(check, setup, teardown),
        cmocka_unit_test_setup_teardown(backup, setup, teardown),
        cmocka_unit_test_setup_teardown(examine, setup, teardown),
        cmocka_unit_test_setup_teardown(imports_go_to_the_backend, setup, teardown),
        cmocka_unit_test_setup_teardown(a_half_loaded_database_is_not_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(a_database_that_waits_is_not_shown, setup, teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    log_set_level(LOG_INFO);
    return failed;
}

/* What is asked again, what never: refused connections, lost answers, 503, 429, several servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/cli/fixture.h"

#define C1 "3b1f0c9a7d5e42688e4f1a2b3c4d5e6f"
#define V1 "54b051fd594583cc139ad647a4c31068"
#define Q1 "/queue/11111111111111111111111111111111"
#define JSON "Content-Type: application/json; charset=UTF-8\r\n"
#define LIST                                                       \
    {                                                              \
        "GET", "/clusters", 200, "{\"clusters\":[]}\n", JSON, NULL \
    }
#define BOTH "{\"block\":true,\"file\":true}"
#define UNCHANGED "{\"error\":\"unavailable\",\"reason\":\"no leader could be reached in time; nothing was changed\"}\n"
#define IN_DOUBT "{\"error\":\"unavailable\",\"reason\":\"not confirmed in time; it may still be carried out\"}\n"

#define N(array) (sizeof(array) / sizeof(*(array)))

static void expect_outcome(struct outcome *outcome, int code, const char *out, const char *err)
{
    assert_string_equal(outcome->err, err);
    assert_string_equal(outcome->out, out);
    assert_int_equal(outcome->code, code);
    outcome_fini(outcome);
}

static void test_refused(void **state)
{
    CLEANUP(free_ptr)
    char *want = mem_printf("Error: Get \"%s/clusters\": dial tcp %s: connect: connection refused\n", refusing_url(),
                            refusing_url() + strlen("http://"));
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, refusing_url(), "cluster", "list", NULL);
    assert_int_equal(outcome.sleeps, 0);
    expect_outcome(&outcome, 255, "", want);
}

/* The first server refuses: the second is asked, also for a change, and stays the one that is asked. */
static void test_next_server(void **state)
{
    static const struct exchange script[] = {
        {"POST", "/volumes", 202, NULL, "Location: " Q1 "\r\n",
         "{\"size\":1,\"name\":\"a\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3},"
         "\"disperse\":{\"data\":4,\"redundancy\":2}},\"snapshot\":{\"enable\":false,\"factor\":1.0}}"},
        {"GET", Q1, 303, NULL, "Location: /volumes/" V1 "\r\n", NULL},
        {"GET", "/volumes/" V1, 200, "{\"id\":\"" V1 "\"}", JSON, NULL},
    };
    struct server *server = server_start(script, N(script), KEY);
    CLEANUP(free_ptr) char *servers = mem_printf("%s,%s/", refusing_url(), server_url(server));
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, servers, "volume", "create", "--size=1", "--name=a", "--json", NULL);
    server_stop(server);
    expect_outcome(&outcome, 0, "{\"id\":\"" V1 "\"}", "");
}

static void test_no_server(void **state)
{
    CLEANUP(free_ptr) char *servers = mem_printf("%s,%s", refusing_url(), refusing_url());
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, servers, "cluster", "list", NULL);
    assert_int_equal(outcome.code, 255);
    assert_non_null(strstr(outcome.err, "Error: no server answers; the last one: Get \""));
    assert_true(outcome.sleeps > 0 && outcome.slept_ms < 5000);
    outcome_fini(&outcome);
}

/* The answer to a change is lost: one server may be a Heketi, which would do it twice. */
static void test_lost_answer_one_server(void **state)
{
    static const struct exchange script[] = {{"POST", "/clusters", 0, NULL, NULL, BOTH}};
    struct server *server = server_start(script, N(script), KEY);
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, server_url(server), "cluster", "create", NULL);
    server_stop(server);
    assert_int_equal(outcome.code, 255);
    assert_non_null(strstr(outcome.err, "Error: Post \"http"));
    outcome_fini(&outcome);
}

/* libcurl would repeat a change by itself when a connection that it has kept turns out to be closed. */
static void test_lost_answer_on_kept_connection(void **state)
{
    static const struct exchange script[] = {
        LIST,
        {"POST", "/clusters", 0, NULL, NULL, BOTH},
    };
    char path[] = "/tmp/hecate-topology.XXXXXX";
    static const char file[] = "{\"clusters\":[{\"nodes\":[{}]}]}";
    struct server *server = server_start(script, N(script), KEY);
    struct outcome outcome;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file, strlen(file)), (ssize_t)strlen(file));
    (void)close(fd);
    run_cli(&outcome, server_url(server), "topology", "load", "-j", path, NULL);
    (void)unlink(path);
    server_stop(server);
    assert_int_equal(outcome.code, 255);
    outcome_fini(&outcome);
}

/* Several servers are a Hecate: the same key goes to the next, which does it once. */
static void test_lost_answer_several_servers(void **state)
{
    static const struct exchange lost[] = {{"POST", "/clusters", 0, NULL, NULL, BOTH}};
    static const struct exchange good[] = {{"POST", "/clusters", 201, "{\"id\":\"" C1 "\"}", JSON, BOTH}};
    struct server *first = server_start(lost, N(lost), KEY), *second = server_start(good, N(good), KEY);
    CLEANUP(free_ptr) char *servers = mem_printf("%s,%s", server_url(first), server_url(second));
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, servers, "cluster", "create", NULL);
    assert_int_equal(strlen(server_request_key(first, 0)), 32);
    assert_string_equal(server_request_key(first, 0), server_request_key(second, 0));
    server_stop(first);
    server_stop(second);
    expect_outcome(&outcome, 0, "Cluster id: " C1 "\n", "");
}

/* No key is kept for deleting a cluster: a repetition could only say that it is not found. */
static void test_lost_answer_cluster_delete(void **state)
{
    static const struct exchange lost[] = {{"DELETE", "/clusters/" C1, 0, NULL, NULL, NULL}};
    struct server *first = server_start(lost, N(lost), KEY), *second = server_start(lost, 0, KEY);
    CLEANUP(free_ptr) char *servers = mem_printf("%s,%s", server_url(first), server_url(second));
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, servers, "cluster", "delete", C1, NULL);
    server_stop(first);
    server_stop(second);
    assert_int_equal(outcome.code, 255);
    outcome_fini(&outcome);
}

static void test_each_request_has_its_key(void **state)
{
    static const struct exchange script[] = {
        {"POST", "/nodes/n/state", 202, NULL, "Location: " Q1 "\r\n", "{\"state\":\"online\"}"},
        {"GET", Q1, 204, NULL, NULL, NULL},
    };
    struct server *server = server_start(script, N(script), KEY);
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, server_url(server), "node", "enable", "n", NULL);
    assert_int_equal(strlen(server_request_key(server, 0)), 32);
    assert_string_equal(server_request_key(server, 1), "");
    server_stop(server);
    expect_outcome(&outcome, 0, "Node n is now online\n", "");
}

static void test_unavailable(void **state)
{
    static const struct exchange script[] = {
        {"POST", "/clusters", 503, UNCHANGED, JSON "Retry-After: 1\r\n", BOTH},
        {"POST", "/clusters", 503, IN_DOUBT, JSON "Retry-After: 1\r\n", BOTH},
        {"POST", "/clusters", 502, IN_DOUBT, JSON "Retry-After: 1\r\n", BOTH},
        {"POST", "/clusters", 201, "{\"id\":\"" C1 "\"}", JSON, BOTH},
    };
    struct server *server = server_start(script, N(script), KEY);
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, server_url(server), "cluster", "create", NULL);
    for (size_t i = 1; i < N(script); i++) {
        assert_string_equal(server_request_key(server, 0), server_request_key(server, i));
    }
    server_stop(server);
    assert_int_equal(outcome.sleeps, 3);
    expect_outcome(&outcome, 0, "Cluster id: " C1 "\n", "");
}

static void test_unavailable_for_good(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/clusters", 503, UNCHANGED, JSON, NULL}, {"GET", "/clusters", 503, UNCHANGED, JSON, NULL},
        {"GET", "/clusters", 503, UNCHANGED, JSON, NULL}, {"GET", "/clusters", 503, UNCHANGED, JSON, NULL},
        {"GET", "/clusters", 503, UNCHANGED, JSON, NULL}, {"GET", "/clusters", 503, UNCHANGED, JSON, NULL},
        {"GET", "/clusters", 503, UNCHANGED, JSON, NULL}, {"GET", "/clusters", 503, UNCHANGED, JSON, NULL},
    };

    (void)state;
    expect_run(script, 255, "", "Error: unavailable: no leader could be reached in time; nothing was changed\n",
               "cluster", "list");
}

/* In doubt, and deleting a cluster is not repeatable: what the server says is shown. */
static void test_in_doubt(void **state)
{
    static const struct exchange script[] = {{"DELETE", "/clusters/" C1, 503, IN_DOUBT, JSON, NULL}};
    static const struct exchange unchanged[] = {
        {"DELETE", "/clusters/" C1, 503, UNCHANGED, JSON, NULL},
        {"DELETE", "/clusters/" C1, 200, NULL, NULL, NULL},
    };

    (void)state;
    expect_run(script, 255, "", "Error: unavailable: not confirmed in time; it may still be carried out\n", "cluster",
               "delete", C1);
    expect_run(unchanged, 0, "Cluster " C1 " deleted\n", "", "cluster", "delete", C1);
}

/* The server goes away while a job runs and comes back on another member. */
static void test_poll_survives(void **state)
{
    static const struct exchange first_script[] = {
        {"POST", "/nodes/n/state", 202, NULL, "Location: " Q1 "\r\n", "{\"state\":\"online\"}"},
        {"GET", Q1, 200, NULL, "X-Pending: true\r\n", NULL},
        {"GET", Q1, 0, NULL, NULL, NULL}, /* libcurl itself tries a second time, since it had kept the connection */
        {"GET", Q1, 0, NULL, NULL, NULL},
    };
    static const struct exchange second_script[] = {
        {"GET", Q1, 503, UNCHANGED, JSON, NULL},
    };
    static const struct exchange third_script[] = {
        {"GET", Q1, 200, NULL, "X-Pending: true\r\n", NULL},
        {"GET", Q1, 204, NULL, NULL, NULL},
    };
    struct server *first = server_start(first_script, N(first_script), KEY);
    struct server *second = server_start(second_script, N(second_script), KEY);
    struct server *third = server_start(third_script, N(third_script), KEY);
    CLEANUP(free_ptr)
    char *servers = mem_printf("%s,%s,%s", server_url(first), server_url(second), server_url(third));
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, servers, "node", "enable", "n", NULL);
    server_stop(first);
    server_stop(second);
    server_stop(third);
    expect_outcome(&outcome, 0, "Node n is now online\n", "");
}

/* One address that moves from member to member: no answer for a while does not end the waiting for a job. */
static void test_poll_is_patient(void **state)
{
    static const struct exchange script[] = {
        {"POST", "/nodes/n/state", 202, NULL, "Location: " Q1 "\r\n", "{\"state\":\"online\"}"},
        {"GET", Q1, 0, NULL, NULL, NULL},
        {"GET", Q1, 0, NULL, NULL, NULL},
        {"GET", Q1, 0, NULL, NULL, NULL},
        {"GET", Q1, 0, NULL, NULL, NULL},
        {"GET", Q1, 204, NULL, NULL, NULL},
    };
    struct server *server = server_start(script, N(script), KEY);
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, server_url(server), "node", "enable", "n", NULL);
    server_stop(server);
    assert_true(outcome.sleeps > 0);
    expect_outcome(&outcome, 0, "Node n is now online\n", "");
}

static void test_poll_waits(void **state)
{
    static const struct exchange script[] = {
        {"POST", "/nodes/n/state", 202, NULL, "Location: " Q1 "\r\n", "{\"state\":\"online\"}"},
        {"GET", Q1, 200, NULL, "X-Pending: true\r\n", NULL},
        {"GET", Q1, 200, NULL, "X-Pending: true\r\n", NULL},
        {"GET", Q1, 200, NULL, "X-Pending: true\r\n", NULL},
        {"GET", Q1, 200, NULL, "X-Pending: true\r\n", NULL},
        {"GET", Q1, 200, NULL, "X-Pending: true\r\n", NULL},
        {"GET", Q1, 204, NULL, NULL, NULL},
    };
    struct server *server = server_start(script, N(script), KEY);
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, server_url(server), "node", "enable", "n", NULL);
    server_stop(server);
    assert_int_equal(outcome.sleeps, 5);
    assert_int_equal(outcome.slept_ms, 50 + 100 + 200 + 400 + 400);
    expect_outcome(&outcome, 0, "Node n is now online\n", "");
}

/* 7 attempts, 10 to 29 s apart; with Retry-After that and 0 to 9 s. */
static void test_busy(void **state)
{
    static const struct exchange busy[] = {
        {"POST", "/clusters", 429, "Server busy. Retry operation later.\n", NULL, BOTH},
        {"POST", "/clusters", 429, "Server busy. Retry operation later.\n", NULL, BOTH},
        {"POST", "/clusters", 429, "Server busy. Retry operation later.\n", NULL, BOTH},
        {"POST", "/clusters", 429, "Server busy. Retry operation later.\n", NULL, BOTH},
        {"POST", "/clusters", 429, "Server busy. Retry operation later.\n", NULL, BOTH},
        {"POST", "/clusters", 429, "Server busy. Retry operation later.\n", NULL, BOTH},
        {"POST", "/clusters", 429, "Server busy. Retry operation later.\n", NULL, BOTH},
    };
    static const struct exchange once[] = {
        {"POST", "/clusters", 429, "busy\n", "Retry-After: 3\r\n", BOTH},
        {"POST", "/clusters", 201, "{\"id\":\"" C1 "\"}", JSON, BOTH},
    };
    struct server *server = server_start(busy, N(busy), KEY);
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, server_url(server), "cluster", "create", NULL);
    server_stop(server);
    assert_int_equal(outcome.sleeps, 6);
    assert_in_range(outcome.slept_ms, 60000, 174000);
    expect_outcome(&outcome, 255, "", "Error: Server busy. Retry operation later.\n");
    server = server_start(once, N(once), KEY);
    run_cli(&outcome, server_url(server), "cluster", "create", NULL);
    server_stop(server);
    assert_in_range(outcome.slept_ms, 3000, 12000);
    expect_outcome(&outcome, 0, "Cluster id: " C1 "\n", "");
}

/* Answers that break the protocol end the command with a message. */
static void test_odd_answers(void **state)
{
    static const struct {
        struct exchange script[3];
        size_t n;
        const char *error;
    } cases[] = {
        {{{"POST", "/nodes/n/state", 200, NULL, NULL, "{\"state\":\"online\"}"}},
         1,
         "server did not provide a message (status 200)"},
        {{{"POST", "/nodes/n/state", 202, NULL, NULL, "{\"state\":\"online\"}"}},
         1,
         "the server accepted the request, but did not say where its progress can be seen"},
        {{{"POST", "/nodes/n/state", 202, NULL, "Location: queue\r\n", "{\"state\":\"online\"}"}},
         1,
         "the server accepted the request, but did not say where its progress can be seen"},
        {{{"POST", "/nodes/n/state", 202, NULL, "Location: " Q1 "\r\n", "{\"state\":\"online\"}"},
          {"GET", Q1, 303, NULL, "Location: /nodes/n\r\n", NULL}},
         2,
         "unexpected end of the job (status 303)"},
        {{{"POST", "/nodes/n/state", 202, NULL, "Location: http://elsewhere/queue/1\r\n", "{\"state\":\"online\"}"},
          {"GET", "/queue/1", 500, NULL, NULL, NULL}},
         2,
         "server did not provide a message (status 500)"},
        {{{"POST", "/nodes/n/state", 202, NULL, "Location: " Q1 "\r\n", "{\"state\":\"online\"}"},
          {"GET", Q1, 404, "Id not found\n", "X-Pending: true\r\n", NULL}},
         2,
         "Id not found"},
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct server *server = server_start(cases[i].script, cases[i].n, KEY);
        CLEANUP(free_ptr) char *want = mem_printf("Error: %s\n", cases[i].error);
        struct outcome outcome;

        run_cli(&outcome, server_url(server), "node", "enable", "n", NULL);
        server_stop(server);
        expect_outcome(&outcome, 255, "", want);
    }
}

static void test_not_json(void **state)
{
    static const struct exchange script[] = {{"GET", "/clusters", 200, "<html>", JSON, NULL}};
    struct server *server = server_start(script, N(script), KEY);
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, server_url(server), "cluster", "list", NULL);
    server_stop(server);
    assert_non_null(strstr(outcome.err, "Error: the server's answer is not JSON: "));
    outcome_fini(&outcome);
}

/* Flags win over the environment; an empty flag does not; a server may have a path of its own. */
static void test_settings(void **state)
{
    static const struct exchange script[] = {LIST};
    static const struct exchange prefixed[] = {{"GET", "/base/clusters", 200, "{\"clusters\":[]}\n", JSON, NULL}};
    struct server *server = server_start(script, N(script), "other");
    struct outcome outcome;
    char *url;

    (void)state;
    run_cli(&outcome, refusing_url(), "cluster", "list", "-s", server_url(server), "--secret", "other", NULL);
    server_stop(server);
    expect_outcome(&outcome, 0, "Clusters:\n", "");
    server = server_start(script, N(script), KEY);
    run_cli(&outcome, server_url(server), "--server=", "--user=", "cluster", "list", "--secret=", NULL);
    server_stop(server);
    expect_outcome(&outcome, 0, "Clusters:\n", "");
    server = server_start(prefixed, N(prefixed), KEY);
    url = mem_printf("%s/base/", server_url(server));
    run_cli(&outcome, url, "cluster", "list", NULL);
    free(url);
    server_stop(server);
    expect_outcome(&outcome, 0, "Clusters:\n", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_next_server),
        cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_lost_answer_one_server),
        cmocka_unit_test(test_lost_answer_on_kept_connection),
        cmocka_unit_test(test_lost_answer_several_servers),
        cmocka_unit_test(test_lost_answer_cluster_delete),
        cmocka_unit_test(test_each_request_has_its_key),
        cmocka_unit_test(test_unavailable),
        cmocka_unit_test(test_unavailable_for_good),
        cmocka_unit_test(test_in_doubt),
        cmocka_unit_test(test_poll_survives),
        cmocka_unit_test(test_poll_is_patient),
        cmocka_unit_test(test_poll_waits),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_odd_answers),
        cmocka_unit_test(test_not_json),
        cmocka_unit_test(test_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Old clients: versions, options that keep them out, options that are switched off for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"
#include "tests/unit/store/world.h"

static void test_versions(void **state)
{
    static const struct {
        const char *text;
        uint32_t op_version;
    } rows[] = {{"3.7", 30700}, {"3.7.20", 30700}, {"3.8", 30800}, {"3.8.8", 30800}, {"3.12.15", 31200}, {"4.0", 40000},
                {"4.1", 40100}, {"5", 50000},      {"5.4", 50000}, {"6.10", 60000},  {"10.3", 100000},   {"11", 110000},
                {"", 0},        {"3", 0},          {"3.6", 0},     {"3.8.", 0},      {"3..8", 0},        {".8", 0},
                {"v3.8", 0},    {"3.8.8.1", 0},    {"3.8 ", 0},    {"100", 0},       {"3.100", 0},       {"-4.1", 0},
                {"4,1", 0},     {"99999999999", 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (store_client_op_version(rows[i].text) != rows[i].op_version) {
            fail_msg("%s: %u", rows[i].text, store_client_op_version(rows[i].text));
        }
    }
}

/* The options after the check, joined by commas; the refusal's text instead. */
static const char *checked(const char *client, const char *option)
{
    static char text[2048];
    struct store_strs list = {NULL, 0};
    struct store_result result = {.text = ""};

    store_strs_add(&list, option);
    text[0] = '\0';
    if (plan_client_options(&list, client, &result) != STORE_OK) {
        assert_int_equal(result.code, STORE_BAD_REQUEST);
        (void)snprintf(text, sizeof(text), "%s", result.text);
    }
    for (size_t i = 0; result.text[0] == '\0' && i < list.n; i++) {
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? "," : "", list.items[i]);
    }
    store_strs_fini(&list);
    return text;
}

static void test_switched_off(void **state)
{
    (void)state;
    assert_string_equal(checked("", "a b"), "a b");
    assert_string_equal(checked("11", "a b"), "a b");
    assert_string_equal(checked("4.1", "a b"), "a b");
    assert_string_equal(checked("4.0", "a b"), "a b,features.ctime off");
    assert_string_equal(checked("3.8", "a b"), "a b,features.ctime off");
    assert_string_equal(checked("3.7", "a b"), "a b,features.ctime off,cluster.granular-entry-heal off");
}

#define KEEPS_OUT(option, op_version, client, known)                                                 \
    "Option '" option "' demands clients of op-version " op_version "; the oldest client is " client \
    " (op-version " known ")"

static void test_refused(void **state)
{
    (void)state;
    assert_string_equal(checked("3.8", "performance.nl-cache on"),
                        KEEPS_OUT("performance.nl-cache on", "31100", "3.8", "30800"));
    assert_string_equal(checked("3.8", "nl-cache on"), KEEPS_OUT("nl-cache on", "31100", "3.8", "30800"));
    assert_string_equal(checked("3.10.3", "performance.nl-cache on"),
                        KEEPS_OUT("performance.nl-cache on", "31100", "3.10.3", "31000"));
    assert_string_equal(checked("3.8", "features.ctime on"), KEEPS_OUT("features.ctime on", "40100", "3.8", "30800"));
    assert_string_equal(checked("3.8", "performance.rda-cache-limit 10MB"),
                        KEEPS_OUT("performance.rda-cache-limit 10MB", "30901", "3.8", "30800"));
    /* No switches: glusterd counts them whatever their value is. */
    assert_string_equal(checked("3.12", "disperse.stripe-cache 0"),
                        KEEPS_OUT("disperse.stripe-cache 0", "40000", "3.12", "31200"));
    assert_string_equal(checked("3.8", "client.tcp-user-timeout 0"),
                        KEEPS_OUT("client.tcp-user-timeout 0", "31002", "3.8", "30800"));
    assert_string_equal(checked("4.0", "shard-lru-limit 0"), KEEPS_OUT("shard-lru-limit 0", "50000", "4.0", "40000"));
    /* 3.8 mounts such a volume, and every lookup fails. */
    assert_string_equal(checked("3.8", "performance.parallel-readdir on"),
                        KEEPS_OUT("performance.parallel-readdir on", "31000", "3.8", "30800"));
    assert_string_equal(checked("3.8", "group samba"), KEEPS_OUT("group samba", "31100", "3.8", "30800"));
    assert_string_equal(checked("3.7", "group gluster-block"),
                        KEEPS_OUT("group gluster-block", "30712", "3.7", "30700"));
    assert_string_equal(checked("3.8", "group ours"), "What option 'group ours' demands of clients is not known; the "
                                                      "oldest client is 3.8 (op-version 30800)");
    assert_string_equal(checked("3.6", "a b"), "'3.6' is no version of a GlusterFS client from 3.7 on");
}

static void test_accepted(void **state)
{
    static const char *const options[] = {"performance.nl-cache off",
                                          "performance.nl-cache 0",
                                          "performance.parallel-readdir off",
                                          "performance.nl-cache DISABLE",
                                          "nl-cache no",
                                          "features.ctime off",
                                          "group gluster-block",
                                          "group virt",
                                          "",
                                          "cluster.granular-entry-heal on",
                                          "user.heketi.arbiter true",
                                          "nl-cache-unlike on",
                                          "nfs.write-behind-trickling-writes on",
                                          "cache on",
                                          "group"};

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(options) / sizeof(options[0]); i++) {
        CLEANUP(free_ptr) char *expected = mem_printf("%s,features.ctime off", options[i]);

        assert_string_equal(checked("3.8", options[i]), expected);
    }
    assert_string_equal(checked("3.11", "performance.nl-cache on"), "performance.nl-cache on,features.ctime off");
    assert_string_equal(checked("", "group ours"), "group ours");
}

/* ---- in a create ---- */

static struct world world;

static enum store_code create(const char *name, const char *client, const char *option)
{
    struct store_request request;

    world_volume_request(&request, 1, 3, name);
    free(request.volume.oldest_client);
    request.volume.oldest_client = mem_strdup(client);
    if (option != NULL) {
        store_strs_add(&request.volume.options, option);
    }
    return world_request(&world, &request);
}

static void expect_last_option(const char *last)
{
    const struct store_volume *volume = store_volume(world.store, world.result.id);

    assert_int_equal(world.result.code, STORE_OK);
    assert_string_equal(volume->options.items[volume->options.n - 1], last);
}

static void test_create(void **state)
{
    struct id first;

    (void)state;
    world_init(&world, 5);
    (void)world_topology(&world, 3, 1000 * GIB, NULL, NULL);
    (void)create("", "", NULL);
    expect_last_option("");
    (void)create("", "3.8", NULL); /* asked for by the create */
    expect_last_option("features.ctime off");
    world.env.oldest_client = "3.7"; /* configured */
    world.env.post_options = "late 1";
    (void)create("", "", NULL);
    expect_last_option("cluster.granular-entry-heal off");
    (void)create("", "10", "performance.nl-cache on"); /* the create's own wins */
    expect_last_option("late 1");
    assert_int_equal(create("", "", "performance.nl-cache on"), STORE_BAD_REQUEST);
    world.env.post_options = "features.ctime on"; /* configured options are not excepted */
    assert_int_equal(create("", "", NULL), STORE_BAD_REQUEST);
    /* Who has not said it hears who did, and what counts instead. */
    assert_string_equal(world.result.text,
                        KEEPS_OUT("features.ctime on", "40100", "3.7", "30700") " by glusterfs.oldest_client; "
                                                                                "oldestclient of a request counts "
                                                                                "instead of it");
    world.env.post_options = "";
    /* the version is a parameter like others */
    assert_int_equal(create("x", "3.8", NULL), STORE_OK);
    first = world.result.id;
    {
        struct store_request request;
        struct store_cmd cmd;

        world_volume_request(&request, 1, 3, "x");
        free(request.volume.oldest_client);
        request.volume.oldest_client = mem_strdup("3.8");
        assert_int_equal(world_plan(&world, &request, &cmd), STORE_REPEATED);
        assert_true(id_equal(world.result.id, first));
    }
    assert_int_equal(create("x", "3.9", NULL), STORE_NO_ALLOCATION);
    assert_string_equal(world.result.text, "Failed to allocate new volume: Volume name 'x' already in use");
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions), cmocka_unit_test(test_switched_off), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_create),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

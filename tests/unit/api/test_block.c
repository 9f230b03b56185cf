/* Block volumes through a whole server: what clients see of them, and every refusal that is the API's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"

#define F32 "ffffffffffffffffffffffffffffffff"
#define HOSTING                                                                                                       \
    "{\"size\":100,\"block\":true,\"name\":\"hv\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":" \
    "3}}}"
#define IN_USE "The target exists, contains other items, or is in use.\n"

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

static char *path_of(const char *collection, const char *id, const char *rest)
{
    return mem_printf("/%s/%s%s", collection, id, rest);
}

/* Does the answer have this piece? */
static void expect_part(struct fixture *f, const char *path, const char *part, bool has)
{
    struct answer answer = client_do(f, 0, "GET", path, "", NULL);

    assert_int_equal(answer.status, 200);
    if ((strstr(buf_str(&answer.body), part) != NULL) != has) {
        fail_msg("%s: %s", part, buf_str(&answer.body));
    }
    answer_fini(&answer);
}

static void block_volumes(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *cluster = mem_strdup(make_topology(f, 0));
    CLEANUP(free_ptr) char *hosting = mem_strdup(create(f, 0, "/volumes", HOSTING));
    CLEANUP(free_ptr)
    char *id = mem_strdup(create(f, 0, "/blockvolumes", "{\"size\":10,\"name\":\"lun\",\"auth\":true}"));
    CLEANUP(free_ptr) char *path = path_of("blockvolumes", id, "");
    CLEANUP(free_ptr) char *expand = path_of("blockvolumes", id, "/expand");
    CLEANUP(free_ptr) char *volume_path = path_of("volumes", hosting, "");
    CLEANUP(free_ptr) char *cluster_path = path_of("clusters", cluster, "");
    CLEANUP(free_ptr)
    char *object =
        mem_printf("{\"size\":10,\"name\":\"lun\",\"hacount\":2,\"id\":\"%s\",\"blockvolume\":{\"hosts\":[\"h2\","
                   "\"h1\"],\"iqn\":\"iqn.x\",\"lun\":0,\"username\":\"u-5f3a\",\"password\":\"p-91d2\"},"
                   "\"cluster\":\"%s\",\"blockhostingvolume\":\"%s\",\"usablesize\":10}\n",
                   id, cluster, hosting);
    CLEANUP(free_ptr) char *list = mem_printf("{\"blockvolumes\":[\"%s\"]}\n", id);
    CLEANUP(free_ptr) char *in_cluster = mem_printf("\"blockvolumes\":[\"%s\"]}\n", id);
    CLEANUP(free_ptr) char *metric = mem_printf("heketi_block_volumes_count{cluster=\"%s\"} 1\n", cluster);
    CLEANUP(free_ptr)
    char *info = mem_printf(",\"blockinfo\":{\"freesize\":88,\"reservedsize\":2,\"blockvolume\":[\"%s\"]},", id);

    expect(f, 0, "GET", path, NULL, 200, object);
    expect(f, 0, "GET", "/blockvolumes", NULL, 200, list);
    expect_part(f, cluster_path, in_cluster, true);
    expect_part(f, volume_path, info, true);
    expect_part(f, "/metrics", metric, true);
    expect(f, 0, "DELETE", volume_path, NULL, 409, "Cannot delete a block hosting volume containing block volumes\n");
    assert_string_equal(create(f, 0, expand, "{\"new_size\":12}"), id);
    expect_part(f, path, "{\"size\":12,", true);
    expect_part(f, path, ",\"usablesize\":12}", true);
    expect_part(f, volume_path, ",\"blockinfo\":{\"freesize\":86,", true);
    expect(f, 0, "DELETE", path, NULL, 202, "");
    expect(f, 0, "DELETE", path, NULL, 404, "Id not found\n");
    expect(f, 0, "GET", path, NULL, 404, "Id not found\n");
    expect(f, 0, "GET", "/blockvolumes", NULL, 200, "{\"blockvolumes\":[]}\n");
    expect_part(f, volume_path, ",\"blockinfo\":{\"freesize\":98,\"reservedsize\":2},", true);
}

static void refusals(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *id = NULL, *expand = NULL;

    expect(f, 0, "POST", "/blockvolumes", "{\"size\":1}", 400, "No clusters configured\n");
    make_topology(f, 0);
    expect(f, 0, "POST", "/blockvolumes", "{\"size\":1,\"clusters\":[\"x\"]}", 400, "Cluster id x not found\n");
    expect(f, 0, "POST", "/blockvolumes", "{\"size\":1,\"clusters\":[\"" F32 "\"]}", 400,
           "Cluster id " F32 " not found\n");
    expect(
        f, 0, "POST", "/blockvolumes", "{\"size\":1}", 500,
        "Failed to allocate new block volume: Block Hosting Volume Creation is disabled. Create a Block hosting volume "
        "and try again.\n");
    create(f, 0, "/volumes", HOSTING);
    id = mem_strdup(create(f, 0, "/blockvolumes", "{\"size\":2}"));
    expand = path_of("blockvolumes", id, "/expand");
    expect(f, 0, "POST", expand, "{}", 400, "validation failed: new_size: cannot be blank.\n");
    expect(f, 0, "POST", "/blockvolumes/" F32 "/expand", "{}", 400, "validation failed: new_size: cannot be blank.\n");
    expect(f, 0, "POST", "/blockvolumes/" F32 "/expand", "{\"new_size\":3}", 404, "Id not found\n");
    expect(f, 0, "POST", expand, "{\"new_size\":2}", 500,
           "Failed to allocate block volume expansion: Requested new-size 2 is same as current block volume size 2, "
           "nothing "
           "to be done.\n");
    expect(f, 0, "POST", expand, "{\"new_size\":500}", 500, "Failed to allocate block volume expansion: No space\n");
    expect(f, 0, "DELETE", "/blockvolumes/" F32, NULL, 404, "Id not found\n");
}

/* What is created or deleted is not shown; what grows is, with its old size. */
static void pending(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *id = NULL, *path = NULL, *expand = NULL, *location = NULL, *hosting = NULL, *volume = NULL;
    struct answer answer;

    make_topology(f, 0);
    hosting = mem_strdup(create(f, 0, "/volumes", HOSTING));
    volume = path_of("volumes", hosting, "");
    id = mem_strdup(create(f, 0, "/blockvolumes", "{\"size\":2}"));
    path = path_of("blockvolumes", id, "");
    expand = path_of("blockvolumes", id, "/expand");
    f->members[0].ends = false;
    answer = client_do(f, 0, "POST", expand, "", "{\"new_size\":5}");
    assert_int_equal(answer.status, 202);
    location = mem_printf("/operations/pending/%s", answer_header(&answer, "Location") + strlen("/queue/"));
    answer_fini(&answer);
    expect_part(f, path, "{\"size\":2,", true);
    expect_part(f, volume, "\"freesize\":93,", true);
    expect_part(f, location, "\"type_name\":\"expand-block-volume\"", true);
    expect_part(f, location, "\"description\":\"Expand block volume\"}]", true);
    expect(f, 0, "POST", expand, "{\"new_size\":6}", 500, "Failed to allocate block volume expansion: " IN_USE);
    expect(f, 0, "DELETE", path, NULL, 500, "Failed to set up block volume delete: " IN_USE);
    expect(f, 0, "POST", "/blockvolumes", "{\"size\":3}", 202, "");
    expect_part(f, "/blockvolumes", id, true);
    assert_int_equal(store_counts(f->store).block_volumes, 2);
    answer = client_do(f, 0, "GET", "/blockvolumes", "", NULL);
    assert_int_equal(answer.body.len, strlen("{\"blockvolumes\":[\"\"]}\n") + 32);
    answer_fini(&answer);
    expect_part(f, volume, "\"freesize\":90,", true);
}

/* The limit of operations in flight counts them; what is refused anyhow is refused first. */
static void throttled(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *hosting = NULL, *volume = NULL, *id = NULL, *path = NULL, *expand = NULL;

    make_topology(f, 0);
    hosting = mem_strdup(create(f, 0, "/volumes", HOSTING));
    volume = path_of("volumes", hosting, "");
    id = mem_strdup(create(f, 0, "/blockvolumes", "{\"size\":2}"));
    path = path_of("blockvolumes", id, "");
    expand = path_of("blockvolumes", id, "/expand");
    fixture_close(f, 0);
    f->members[0].config.max_inflight = 1;
    f->members[0].ends = false;
    fixture_start(f, 0);
    expect(f, 0, "POST", "/blockvolumes", "{\"size\":1}", 202, "");
    expect(f, 0, "POST", "/blockvolumes", "{\"size\":1}", 429, "Server busy. Retry operation later.\n");
    expect(f, 0, "POST", expand, "{\"new_size\":1}", 429, "Server busy. Retry operation later.\n");
    expect(f, 0, "DELETE", path, NULL, 429, "Server busy. Retry operation later.\n");
    expect(f, 0, "DELETE", volume, NULL, 409, "Cannot delete a block hosting volume containing block volumes\n");
    expect(f, 0, "DELETE", "/blockvolumes/" F32, NULL, 404, "Id not found\n");
    expect(f, 0, "POST", "/blockvolumes/" F32 "/expand", "{\"new_size\":1}", 404, "Id not found\n");
    expect(f, 0, "POST", "/blockvolumes", "{\"size\":1,\"clusters\":[\"x\"]}", 400, "Cluster id x not found\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(block_volumes, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(pending, setup, teardown),
        cmocka_unit_test_setup_teardown(throttled, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

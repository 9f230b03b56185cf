/* Expanding, cloning and restricting volumes, moving bricks, and forgetting nodes over HTTP: every text of the
 * contract. */
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
#define REPLICATED "{\"size\":10,\"name\":\"v\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}}}"
#define INVALID "validation failed: "
#define UNPARSED "request unable to be parsed\n"

struct scene {
    struct fixture fixture;
    char *volume, *hosting;
};

static int setup(void **state)
{
    struct scene *scene = mem_calloc(1, sizeof(*scene));
    struct fixture *f = &scene->fixture;

    fixture_init(f, false);
    fixture_start(f, 0);
    fixture_start(f, 1);
    fixture_lead(f, 0);
    make_topology(f, 0);
    scene->volume = mem_strdup(create(f, 0, "/volumes", REPLICATED));
    scene->hosting = mem_strdup(create(f, 0, "/volumes", "{\"size\":50,\"block\":true}"));
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;

    fixture_fini(&scene->fixture);
    free(scene->volume);
    free(scene->hosting);
    free(scene);
    return 0;
}

/* POST to /volumes/ID/REST, through both members. */
static void refused(struct scene *scene, const char *id, const char *rest, const char *body, int status,
                    const char *text)
{
    CLEANUP(free_ptr) char *path = mem_printf("/volumes/%s/%s", id, rest);

    for (size_t member = 0; member < 2; member++) {
        expect(&scene->fixture, member, "POST", path, body, status, text);
    }
}

static char *changed(struct scene *scene, const char *id, const char *rest, const char *body)
{
    CLEANUP(free_ptr) char *path = mem_printf("/volumes/%s/%s", id, rest);

    return mem_strdup(create(&scene->fixture, 1, path, body));
}

static void expect_part(struct scene *scene, const char *id, const char *part)
{
    CLEANUP(free_ptr) char *path = mem_printf("/volumes/%s", id);
    struct answer answer = client_do(&scene->fixture, 0, "GET", path, "", NULL);

    if (answer.status != 200 || strstr(buf_str(&answer.body), part) == NULL) {
        fail_msg("%s: %d %s", part, answer.status, buf_str(&answer.body));
    }
    answer_fini(&answer);
}

static void expand(void **state)
{
    struct scene *scene = *state;
    CLEANUP(free_ptr) char *id = NULL;

    refused(scene, scene->volume, "expand", "", 422, UNPARSED);
    refused(scene, scene->volume, "expand", "{\"expand_size\":\"1\"}", 422, UNPARSED);
    refused(scene, F32, "expand", "{}", 400, INVALID "expand_size: cannot be blank.\n");
    refused(scene, F32, "expand", "{\"expand_size\":0}", 400, INVALID "expand_size: cannot be blank.\n");
    refused(scene, F32, "expand", "{\"expand_size\":-1}", 400, INVALID "expand_size: must be no less than 1.\n");
    refused(scene, F32, "expand", "{\"expand_size\":1}", 404, "Id not found\n");
    refused(scene, "FFFF", "expand", "{\"expand_size\":1}", 404, "Id not found\n");
    id = changed(scene, scene->volume, "expand", "{\"Expand_Size\":5}");
    assert_string_equal(id, scene->volume);
    expect_part(scene, scene->volume, "{\"size\":15,");
}

/* Asks for 5 GiB more; where the answer points to. */
static char *ask_expand(struct scene *scene, size_t member, const char *headers)
{
    CLEANUP(free_ptr) char *path = mem_printf("/volumes/%s/expand", scene->volume);
    struct answer answer = client_do(&scene->fixture, member, "POST", path, headers, "{\"expand_size\":5}");
    char *queue;

    assert_int_equal(answer.status, 202);
    queue = mem_strdup(answer_header(&answer, "Location"));
    answer_fini(&answer);
    return queue;
}

/* One that equals another which still runs is its repetition, through whichever member, unless the client has given
 * them keys that differ. Those of members say nothing. */
static void repeated_expand(void **state)
{
    static const struct {
        size_t member;
        const char *headers;
        bool same; /* as the first */
    } cases[] = {
        {0, "", true},
        {1, "", true},
        {0, "Idempotency-Key: forward-1\r\nHecate-Key-Made: yes\r\n", true},
        {0, "Idempotency-Key: forward-1\r\n", true}, /* known by now */
        {0, "Idempotency-Key: a\r\n", false},
        {1, "Idempotency-Key: b\r\n", false},
    };
    struct scene *scene = *state;
    CLEANUP(free_ptr) char *first = NULL;

    scene->fixture.members[0].ends = false;
    first = ask_expand(scene, 0, "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(free_ptr) char *queue = ask_expand(scene, cases[i].member, cases[i].headers);

        if ((strcmp(queue, first) == 0) != cases[i].same) {
            fail_msg("case %zu: %s, first %s", i, queue, first);
        }
    }
    assert_int_equal(store_counts(scene->fixture.store).operations, 3);
}

/* Reasons are more specific than those of a create, and come with the devices'. */
static void expand_without_room(void **state)
{
    struct scene *scene = *state;
    CLEANUP(free_ptr) char *path = mem_printf("/volumes/%s/expand", scene->volume);
    struct answer answer = client_do(&scene->fixture, 0, "POST", path, "", "{\"expand_size\":100000}");

    assert_int_equal(answer.status, 500);
    assert_int_equal(strncmp(buf_str(&answer.body), "Failed to allocate volume expansion: ", 37), 0);
    answer_fini(&answer);
}

static void clones(void **state)
{
    struct scene *scene = *state;
    CLEANUP(free_ptr)
    char *hosting =
        mem_printf("Failed clone volume %s: Cloning of block hosting volumes is not supported\n", scene->hosting);
    CLEANUP(free_ptr) char *id = NULL, *unnamed = NULL, *name = NULL;

    refused(scene, scene->volume, "clone", "", 422, UNPARSED);
    refused(scene, scene->volume, "clone", "{\"name\":1}", 422, UNPARSED);
    refused(scene, F32, "clone", "{\"name\":\"a.b\"}", 400, INVALID "name: must be in a valid format.\n");
    refused(scene, F32, "clone", "{}", 404, "Id not found\n");
    refused(scene, scene->hosting, "clone", "{}", 500, hosting);
    id = changed(scene, scene->volume, "clone", "{\"name\":\"copy\"}");
    expect_part(scene, id, "\"name\":\"copy\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}");
    unnamed = changed(scene, scene->volume, "clone", "null");
    name = mem_printf("\"name\":\"vol_%s\"", unnamed);
    expect_part(scene, unnamed, name);
}

static void restriction(void **state)
{
    struct scene *scene = *state;
    static const char *const bad[] = {"{\"restriction\":\"locked-by-update\"}", "{\"restriction\":\"Locked\"}"};
    CLEANUP(free_ptr) char *locked = NULL, *unlocked = NULL;

    for (size_t i = 0; i < 2; i++) {
        refused(scene, F32, "block-restriction", bad[i], 400, INVALID "restriction: must be a valid value.\n");
    }
    refused(scene, scene->hosting, "block-restriction", "[]", 422, UNPARSED);
    refused(scene, F32, "block-restriction", "{}", 404, "Id not found\n");
    refused(scene, scene->volume, "block-restriction", "{\"restriction\":\"locked\"}", 500,
            "Failed to set block restriction: Block restrictions can only be set on block hosting volumes\n");
    locked = changed(scene, scene->hosting, "block-restriction", "{\"restriction\":\"locked\"}");
    assert_string_equal(locked, scene->hosting);
    expect_part(scene, scene->hosting, "\"restriction\":\"locked\"}");
    expect(
        &scene->fixture, 0, "POST", "/blockvolumes", "{\"size\":1}", 500,
        "Failed to allocate new block volume: Block Hosting Volume Creation is disabled. Create a Block hosting volume "
        "and try again.\n");
    unlocked = changed(scene, scene->hosting, "block-restriction", "{}");
    assert_string_equal(unlocked, scene->hosting);
    create(&scene->fixture, 0, "/blockvolumes", "{\"size\":1}");
}

/* An operation of the volume that has not ended. */
static void meanwhile(void **state)
{
    struct scene *scene = *state;
    struct fixture *f = &scene->fixture;
    const struct store_volume *volume = store_volume_by_name(f->store, store_cluster_next(f->store, NULL)->id, "v");
    struct id_text brick = id_text(volume->bricks[0].id), other = id_text(volume->bricks[1].id);
    CLEANUP(free_ptr) char *evict = mem_printf("/bricks/to-evict/%s", brick.text);
    CLEANUP(free_ptr) char *evict_other = mem_printf("/bricks/to-evict/%s", other.text);
    CLEANUP(free_ptr)
    char *pending =
        mem_printf("Failed to set up brick eviction: Can not evict brick %s: brick is pending\n", brick.text);
    CLEANUP(free_ptr)
    char *has_pending =
        mem_printf("Failed to set up brick eviction: Can not evict brick %s from volume %s: volume has pending "
                   "bricks\n",
                   other.text, scene->volume);

    expect(f, 0, "POST", evict, "{\"healcheck\":\"x\"}", 400, INVALID "healcheck: x is not valid heal info check.\n");
    expect(f, 0, "POST", evict, "x", 422, UNPARSED);
    expect(f, 0, "POST", "/bricks/to-evict/" F32, NULL, 404, "Id not found\n");
    f->members[0].ends = false;
    expect(f, 0, "POST", evict, "{\"healcheck\":\"disable\"}", 202, "");
    expect(f, 0, "POST", evict, NULL, 500, pending);
    expect(f, 0, "POST", evict_other, "{}", 500, has_pending);
    refused(scene, scene->volume, "clone", "{}", 500, NULL);
}

/* Beyond Heketi: a node that never comes back. The query counts, a body does not. */
static void forget_node(void **state)
{
    struct scene *scene = *state;
    struct fixture *f = &scene->fixture;
    struct id node = store_node_next(f->store, NULL)->id;
    CLEANUP(free_ptr) char *path = mem_printf("/nodes/%s", id_text(node).text);
    CLEANUP(free_ptr) char *forced = mem_printf("%s?forceforget=true", path);
    CLEANUP(free_ptr) char *unclear = mem_printf("%s?forceforget=1", path);
    CLEANUP(free_ptr)
    char *devices = mem_printf("Unable to delete node [%s] because it contains devices\n", id_text(node).text);

    expect(f, 0, "DELETE", path, "not looked at", 409, devices);
    expect(f, 0, "DELETE", forced, NULL, 409, devices);
    expect(f, 1, "DELETE", unclear, NULL, 400, "forceforget must be true or false\n");
    expect(f, 0, "DELETE", "/nodes/" F32 "?forceforget=true", NULL, 404, "Id not found\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(expand, setup, teardown),
        cmocka_unit_test_setup_teardown(repeated_expand, setup, teardown),
        cmocka_unit_test_setup_teardown(expand_without_room, setup, teardown),
        cmocka_unit_test_setup_teardown(clones, setup, teardown),
        cmocka_unit_test_setup_teardown(restriction, setup, teardown),
        cmocka_unit_test_setup_teardown(meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(forget_node, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* POST /volumes?dry_run=true: the plan or the reasons, and nothing changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/token.h"

#define PATH "/volumes?dry_run=true"

static int setup_with(void **state, bool auth)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, auth);
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
    fixture_lead(fixture, 0);
    *state = fixture;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_auth(void **state)
{
    return setup_with(state, true);
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

/* The answer's document; nothing has changed by it. */
static json_t *dry_run(struct fixture *f, size_t member, const char *path, const char *body)
{
    struct store_digest before = fixture_digest(f), after;
    uint64_t index = f->index;
    unsigned submits = f->members[0].submits;
    struct answer answer = client_do(f, member, "POST", path, "Idempotency-Key: k\r\n", body);
    json_t *document;

    if (answer.status != 200) {
        fail_msg("%d %s", answer.status, buf_str(&answer.body));
    }
    assert_string_equal(answer_header(&answer, "Content-Type"), "application/json; charset=UTF-8");
    document = json_loads(buf_str(&answer.body), 0, NULL);
    assert_non_null(document);
    answer_fini(&answer);
    after = fixture_digest(f);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(f->index, index);
    assert_int_equal(f->members[0].submits, submits);
    return document;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "absent";
}

static void plan(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *cluster = mem_strdup(make_topology(f, 0));

    for (size_t member = 0; member < 2; member++) { /* also through one that does not lead */
        json_t *document = dry_run(f, member, PATH,
                                   "{\"size\":7,\"durability\":{\"type\":\"disperse\",\"disperse\":"
                                   "{\"data\":2,\"redundancy\":1}}}");
        const json_t *volume = json_object_get(document, "volume");

        assert_true(json_is_true(json_object_get(document, "possible")));
        assert_string_equal(text_of(volume, "cluster"), cluster);
        assert_int_equal(json_integer_value(json_object_get(volume, "size")), 7);
        assert_int_equal(json_array_size(json_object_get(volume, "bricks")), 3);
        for (size_t i = 0; i < 3; i++) {
            const json_t *brick = json_array_get(json_object_get(volume, "bricks"), i);

            assert_int_equal(json_integer_value(json_object_get(brick, "size")), 3670016);
            assert_int_equal(strlen(text_of(brick, "node")), ID_TEXT_LEN);
        }
        json_decref(document);
    }
}

static void reasons(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *cluster = mem_strdup(make_topology(f, 0));
    json_t *document = dry_run(f, 0, "/volumes?x=1&dry_run=true&y", "{\"size\":9000}");
    const json_t *list = json_object_get(document, "reasons");
    size_t devices = 0;

    assert_true(json_is_false(json_object_get(document, "possible")));
    assert_string_equal(text_of(document, "error"), "Failed to allocate new volume: No space");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *reason = json_array_get(list, i);

        assert_string_equal(text_of(reason, "cluster"), cluster);
        assert_true(strlen(text_of(reason, "reason")) > 10);
        if (json_object_get(reason, "device") != NULL) {
            assert_string_equal(text_of(reason, "name"), "/dev/sdb");
            assert_true(strcmp(text_of(reason, "host"), "absent") != 0);
            devices++;
        }
    }
    assert_int_equal(devices, 3);
    json_decref(document);
}

/* A repetition points to what is there; a taken name is an impossibility. */
static void existing(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *id = NULL;
    json_t *document;

    make_topology(f, 0);
    id = mem_strdup(create(f, 0, "/volumes", "{\"size\":1,\"name\":\"media\"}"));
    document = dry_run(f, 0, PATH, "{\"size\":1,\"name\":\"media\"}");
    assert_string_equal(text_of(document, "existing"), id);
    json_decref(document);
    document = dry_run(f, 0, PATH, "{\"size\":2,\"name\":\"media\"}");
    assert_string_equal(text_of(document, "error"),
                        "Failed to allocate new volume: Volume name 'media' already in use");
    json_decref(document);
}

static void refusals(void **state)
{
    struct fixture *f = *state;

    expect(f, 0, "POST", PATH, "{\"size\":1}", 400, "No clusters configured\n");
    make_topology(f, 0);
    expect(f, 0, "POST", PATH, "{", 422, "request unable to be parsed\n");
    expect(f, 0, "POST", PATH, "{\"size\":0}", 400, "validation failed: size: cannot be blank.\n");
    expect(f, 0, "POST", PATH, "{\"size\":1,\"oldestclient\":\"3.8\",\"glustervolumeoptions\":[\"features.ctime on\"]}",
           400,
           "Option 'features.ctime on' demands clients of op-version 40100; the oldest client is 3.8 (op-version "
           "30800)\n");
    expect(f, 0, "POST", "/volumes?dry_run=yes", "{\"size\":1}", 400, "dry_run must be true or false\n");
    expect(f, 0, "POST", "/volumes?dry_run=", "{\"size\":1}", 400, "dry_run must be true or false\n");
    expect(f, 0, "GET", "/volumes", NULL, 200, "{\"volumes\":[]}\n");
    expect(f, 0, "POST", "/volumes?dry_run=false", "{\"size\":1}", 202, "");
    expect(f, 0, "POST", "/volumes?dry_runs=yes", "{\"size\":1}", 202, ""); /* none of ours: ignored, as Heketi does */
}

/* It takes no place under the limit, and is not refused for it. */
static void not_throttled(void **state)
{
    struct fixture *f = *state;
    json_t *document;

    make_topology(f, 0);
    f->members[0].ends = false;
    fixture_close(f, 0);
    f->members[0].config.max_inflight = 1;
    fixture_start(f, 0);
    expect(f, 0, "POST", "/volumes", "{\"size\":1}", 202, "");
    expect(f, 0, "POST", "/volumes", "{\"size\":1}", 429, "Server busy. Retry operation later.\n");
    document = dry_run(f, 0, PATH, "{\"size\":1}");
    json_decref(document);
}

static void administrators_only(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *user = token_bearer("user", USER_KEY, "POST", "/volumes", (int64_t)time(NULL));
    CLEANUP(free_ptr) char *admin = token_bearer("admin", ADMIN_KEY, "POST", "/volumes", (int64_t)time(NULL));
    CLEANUP(free_ptr) char *as_user = mem_printf("Authorization: %s\r\n", user);
    CLEANUP(free_ptr) char *as_admin = mem_printf("Authorization: %s\r\n", admin);

    for (size_t member = 0; member < 2; member++) {
        struct answer answer = client_do(f, member, "POST", PATH, as_user, "{\"size\":1}");

        assert_int_equal(answer.status, 401);
        assert_string_equal(buf_str(&answer.body), "Administrator access required\n");
        answer_fini(&answer);
        answer = client_do(f, member, "POST", PATH, as_admin, "{\"size\":1}");
        assert_int_equal(answer.status, 400); /* there is no cluster */
        answer_fini(&answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plan, setup, teardown),
        cmocka_unit_test_setup_teardown(reasons, setup, teardown),
        cmocka_unit_test_setup_teardown(existing, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(not_throttled, setup, teardown),
        cmocka_unit_test_setup_teardown(administrators_only, setup_auth, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

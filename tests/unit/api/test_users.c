/* What a user's key is good for at POST /volumes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/server_priv.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/token.h"

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, true);
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

static char *token_of(bool admin)
{
    return token_bearer(admin ? "admin" : "user", admin ? ADMIN_KEY : USER_KEY, "POST", "/volumes",
                        (int64_t)time(NULL));
}

/* With an Idempotency-Key; the job of the answer, NULL when it has none. The caller frees it. */
static char *create_with_key(struct fixture *f, size_t member, bool admin, const char *key, const char *body,
                             unsigned status)
{
    CLEANUP(free_ptr) char *token = token_of(admin);
    CLEANUP(free_ptr) char *headers = mem_printf("Authorization: %s\r\nIdempotency-Key: %s\r\n", token, key);
    struct answer answer = client_do(f, member, "POST", "/volumes", headers, body);
    const char *location = answer_header(&answer, "Location");
    char *job = location != NULL ? mem_strdup(location) : NULL;

    assert_int_equal(answer.status, status);
    answer_fini(&answer);
    return job;
}

static void expect_create(struct fixture *f, size_t member, bool admin, const char *body, unsigned status)
{
    CLEANUP(free_ptr) char *token = token_of(admin);
    CLEANUP(free_ptr) char *header = mem_printf("Authorization: %s\r\n", token);
    struct answer answer = client_do(f, member, "POST", "/volumes", header, body);

    assert_int_equal(answer.status, status);
    if (status == 401) {
        assert_string_equal(buf_str(&answer.body), "Administrator access required\n");
    }
    answer_fini(&answer);
}

/* Nobody may delete a volume of this name; block volumes of everybody would be put on the others. */
static void volumes_for_administrators(void **state)
{
    static const char named[] = "{\"size\":1,\"name\":\"heketidbstorage\"}",
                      hosting[] = "{\"size\":100,\"block\":true}";
    struct fixture *f = *state;

    make_topology(f, 0);
    for (size_t member = 0; member < 2; member++) { /* the second one forwards */
        expect_create(f, member, false, named, 401);
        expect_create(f, member, false, hosting, 401);
        expect_create(f, member, false, "{\"size\":1,\"name\":\"heketidbstorage2\",\"block\":false}", 202);
    }
    assert_int_equal(store_counts(f->store).volumes, 1);
    expect_create(f, 0, true, named, 202);
    expect_create(f, 1, true, hosting, 202);
}

/* Heketi's own database is deleted by an administrator only, who says that it is meant. */
static void heketi_database(void **state)
{
    static const char path[] = "/volumes/ffffffffffffffffffffffffffffffff";
    static const struct {
        bool admin;
        const char *value;
        unsigned status;
    } cases[] = {{false, "true", 401}, {true, "false", 404}, {true, "true", 400 /* level 1 */}, {true, "yes", 400}};
    struct fixture *f = *state;

    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
        bool admin = cases[i / 2].admin;
        CLEANUP(free_ptr) char *at = mem_printf("%s?heketidb=%s", path, cases[i / 2].value);
        CLEANUP(free_ptr)
        char *token =
            token_bearer(admin ? "admin" : "user", admin ? ADMIN_KEY : USER_KEY, "DELETE", path, (int64_t)time(NULL));
        CLEANUP(free_ptr) char *header = mem_printf("Authorization: %s\r\n", token);
        struct answer answer = client_do(f, i % 2, "DELETE", at, header, NULL);

        assert_int_equal(answer.status, cases[i / 2].status);
        answer_fini(&answer);
    }
}

/* However many a user asks for, the administrator finds a place. */
static void keeps_places(struct fixture *f, size_t places)
{
    static const char small[] = "{\"size\":1,\"durability\":{\"type\":\"none\"}}";
    size_t for_users = places - API_ADMIN_PLACES;
    CLEANUP(free_ptr) char *first = NULL;
    char *again;

    (void)fixture_begin_volumes(f, for_users - 2);
    first = create_with_key(f, 0, false, "first", small, 202);
    expect_create(f, 1, false, small, 202);
    for (size_t member = 0; member < 2; member++) {
        expect_create(f, member, false, small, 429);
        expect_create(f, member, true, small, 202);
        again = create_with_key(f, member, false, "first", small, 202); /* what was taken on is told again */
        assert_string_equal(again, first);
        free(again);
    }
    assert_int_equal(store_counts(f->store).operations, for_users + 2);
    assert_int_equal(store_counts(f->store).limited, for_users + 2);
}

static void places_for_administrators(void **state)
{
    fixture_level(*state, STORE_LEVEL_PLACES);
    keeps_places(*state, STORE_OPERATIONS_MAX - STORE_OPERATIONS_KEPT);
}

/* Until all members are of this release there is one limit for all operations. */
static void places_at_the_first_level(void **state)
{
    keeps_places(*state, STORE_OPERATIONS_MAX);
}

/* A user neither learns of what the administrator asked for, nor stands in his way, whatever keys it guesses. */
static void keys_are_ones_own(void **state)
{
    static const char small[] = "{\"size\":1}", large[] = "{\"size\":2}";
    struct fixture *f = *state;
    CLEANUP(free_ptr) char *of_admin = NULL, *of_user = NULL;
    CLEANUP(free_ptr) char *longest = mem_printf("%0*d", API_KEY_MAX - 1, 0), *longer = mem_printf("%s0", longest);

    make_topology(f, 0);
    of_admin = create_with_key(f, 0, true, "first", small, 202);
    of_user = create_with_key(f, 0, false, "first", small, 202);
    assert_string_not_equal(of_admin, of_user);
    for (size_t member = 0; member < 2; member++) { /* the second one forwards */
        for (int admin = 0; admin < 2; admin++) {
            CLEANUP(free_ptr) char *again = create_with_key(f, member, admin, "first", small, 202);

            assert_string_equal(again, admin ? of_admin : of_user);
            assert_null(create_with_key(f, member, admin, "first", large, 409));
        }
    }
    assert_int_equal(store_counts(f->store).volumes, 2);
    free(create_with_key(f, 1, false, "second", large, 202)); /* a user came first */
    free(create_with_key(f, 1, true, "second", small, 202));
    assert_int_equal(store_counts(f->store).volumes, 4);
    for (size_t member = 0; member < 2; member++) { /* the mark takes one of the 128 */
        free(create_with_key(f, member, false, longest, small, 202));
        assert_null(create_with_key(f, member, false, longer, small, 400));
        free(create_with_key(f, member, true, longer, small, 202));
        assert_null(create_with_key(f, member, true, API_USER_KEY_MARK "first", small, 400));
    }
    assert_int_equal(store_counts(f->store).volumes, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(volumes_for_administrators, setup, teardown),
        cmocka_unit_test_setup_teardown(heketi_database, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_ones_own, setup, teardown),
        cmocka_unit_test_setup_teardown(places_for_administrators, setup, teardown),
        cmocka_unit_test_setup_teardown(places_at_the_first_level, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

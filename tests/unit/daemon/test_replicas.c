/* What members tell each other: equal states are equal at whichever index they meet, a different one is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/replicas.h"
#include "store/base/mem.h"

/* A state's digest, made up from a number. */
static struct store_digest state_digest(uint64_t number)
{
    struct store_digest digest = {{0}};

    memcpy(digest.bytes, &number, sizeof(number));
    return digest;
}

static void apply(struct replicas *replicas, uint64_t index, uint64_t number)
{
    struct store_digest digest = state_digest(number);

    replicas_applied(replicas, index, &digest);
}

static void tell(struct replicas *replicas, uint64_t member, const char *version, uint64_t index, uint64_t number)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    struct store_digest digest = state_digest(number);

    replicas_encode(&(struct replicas_word){.version = version, .applied_index = index, .digest = digest}, &buf);
    assert_true(replicas_told(replicas, member, buf.data, buf.len));
}

static int setup(void **state)
{
    *state = replicas_new();
    return 0;
}

static int teardown(void **state)
{
    replicas_free(*state);
    return 0;
}

static void test_what_is_told_is_known(void **state)
{
    const struct replica *replica;
    struct store_digest digest = state_digest(0x1234);

    assert_null(replicas_get(*state, 2));
    tell(*state, 2, "0.1.0", 77, 0x1234);
    replica = replicas_get(*state, 2);
    assert_non_null(replica);
    assert_string_equal(replica->version, "0.1.0");
    assert_int_equal(replica->index, 77);
    assert_memory_equal(&replica->digest, &digest, sizeof(digest));
    assert_string_equal(digest_text(&digest).text, "34120000000000000000000000000000");
    assert_null(replicas_get(*state, 3));
    tell(*state, 2, "0.2.0", 78, 1); /* the newest counts */
    assert_string_equal(replicas_get(*state, 2)->version, "0.2.0");
}

static void tell_wish(struct replicas *to, uint64_t member, uint64_t wish, const struct replicas *wishes_done)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;

    replicas_encode(&(struct replicas_word){.version = "v", .wish = wish, .wishes_done = wishes_done}, &buf);
    assert_true(replicas_told(to, member, buf.data, buf.len));
}

static void test_wishes(void **state)
{
    struct replicas *other = replicas_new();
    const struct replica *leader;

    assert_int_equal(replicas_wish(*state), 0);
    tell_wish(*state, 2, INT64_MAX, NULL);
    tell_wish(*state, 3, 0, NULL);
    assert_int_equal(replicas_wish(*state), INT64_MAX);
    tell_wish(other, 1, 0, *state);
    assert_int_equal(replicas_get(other, 1)->n_others_done, 0);
    replicas_wishes_done(*state);
    assert_int_equal(replicas_wish(*state), 0);
    tell_wish(*state, 2, INT64_MAX, NULL); /* it did not hear that yet */
    assert_int_equal(replicas_wish(*state), 0);
    tell_wish(other, 1, 0, *state);
    leader = replicas_get(other, 1);
    assert_int_equal(leader->n_others_done, 1);
    assert_int_equal(leader->others_done[0], INT64_MAX);
    tell_wish(*state, 2, 7, NULL);
    assert_int_equal(replicas_wish(*state), 7);
    replicas_free(other);
}

static void test_behind_us(void **state)
{
    apply(*state, 10, 100);
    apply(*state, 12, 120); /* 11 was no command */
    apply(*state, 13, 130);
    tell(*state, 2, "v", 11, 100);
    tell(*state, 3, "v", 12, 121);
    assert_ptr_equal(replicas_compare(*state, 13), replicas_get(*state, 3));
    assert_null(replicas_compare(*state, 13)); /* told once */
    assert_false(replicas_get(*state, 2)->differs);
    assert_int_equal(replicas_get(*state, 2)->compared_index, 11);
    assert_true(replicas_get(*state, 3)->differs);
    assert_int_equal(replicas_get(*state, 3)->compared_index, 12);
}

static void test_ahead_of_us(void **state)
{
    apply(*state, 10, 100);
    tell(*state, 2, "v", 20, 200);
    assert_null(replicas_compare(*state, 19)); /* what 20 does is not known yet */
    assert_int_equal(replicas_get(*state, 2)->compared_index, 0);
    apply(*state, 20, 200);
    assert_null(replicas_compare(*state, 20));
    assert_int_equal(replicas_get(*state, 2)->compared_index, 20);
    assert_false(replicas_get(*state, 2)->differs);
}

static void test_differs_until_it_agrees_again(void **state)
{
    apply(*state, 10, 100);
    tell(*state, 2, "v", 10, 101);
    assert_non_null(replicas_compare(*state, 10));
    tell(*state, 2, "v", 10, 101);
    assert_null(replicas_compare(*state, 10)); /* no news */
    assert_true(replicas_get(*state, 2)->differs);
    apply(*state, 11, 110);
    tell(*state, 2, "v", 11, 110); /* it was replaced */
    assert_null(replicas_compare(*state, 11));
    assert_false(replicas_get(*state, 2)->differs);
}

static void test_outvoted(void **state)
{
    uint64_t index = 0;

    apply(*state, 10, 100);
    tell(*state, 2, "v", 10, 101);
    (void)replicas_compare(*state, 10);
    assert_false(replicas_outvoted(*state, 3, &index)); /* one against one */
    tell(*state, 3, "v", 10, 102);
    (void)replicas_compare(*state, 10);
    assert_false(replicas_outvoted(*state, 3, &index)); /* all three differ: nobody can say */
    tell(*state, 3, "v", 10, 101);
    (void)replicas_compare(*state, 10);
    assert_true(replicas_outvoted(*state, 3, &index));
    assert_int_equal(index, 10);
    assert_false(replicas_outvoted(*state, 5, &index)); /* two of five */
    replicas_keep(*state, (const uint64_t[]){1, 3}, 2);
    assert_null(replicas_get(*state, 2));
    assert_false(replicas_outvoted(*state, 3, &index));
}

static void test_older_than_what_is_remembered(void **state)
{
    for (uint64_t i = 1; i <= REPLICAS_HISTORY + 5; i++) {
        apply(*state, i, 10 * i);
    }
    tell(*state, 2, "v", 5, 1);
    tell(*state, 3, "v", 6, 1);
    assert_ptr_equal(replicas_compare(*state, REPLICAS_HISTORY + 5), replicas_get(*state, 3)); /* the oldest one */
    assert_int_equal(replicas_get(*state, 2)->compared_index, 0);
    assert_false(replicas_get(*state, 2)->differs);
}

static void test_snapshot_begins_anew(void **state)
{
    struct store_digest digest = state_digest(500);

    apply(*state, 10, 100);
    replicas_restored(*state, 50, &digest);
    tell(*state, 2, "v", 10, 1); /* not remembered any more */
    tell(*state, 3, "v", 55, 500);
    assert_null(replicas_compare(*state, 60));
    assert_int_equal(replicas_get(*state, 2)->compared_index, 0);
    assert_int_equal(replicas_get(*state, 3)->compared_index, 55);
    apply(*state, 61, 610); /* indices go on from there */
}

static void test_nonsense_is_refused(void **state)
{
    static const char long_version[] = "{\"version\":\"01234567890123456789012345678901\",\"applied_index\":2,"
                                       "\"digest\":\"00000000000000000000000000000000\"}";
    static const char *const texts[] = {
        "",
        "7",
        "{}",
        "{\"version\":1,\"applied_index\":2,\"digest\":\"00000000000000000000000000000000\"}",
        "{\"version\":\"v\",\"applied_index\":-2,\"digest\":\"00000000000000000000000000000000\"}",
        "{\"version\":\"v\",\"applied_index\":2,\"digest\":\"0000000000000000000000000000000\"}",
        "{\"version\":\"v\",\"applied_index\":2,\"digest\":\"0000000000000000000000000000000G\"}",
        long_version,
    };
    static const char later[] =
        "{\"version\":\"v\",\"applied_index\":2,\"digest\":\"00000000000000000000000000000000\","
        "\"mood\":\"good\"}";

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_false(replicas_told(*state, 2, texts[i], strlen(texts[i])));
    }
    assert_null(replicas_get(*state, 2));
    assert_true(replicas_told(*state, 2, later, strlen(later)));
    for (uint64_t id = 3; id < 2 + REPLICAS_MAX; id++) {
        tell(*state, id, "v", 1, 1);
    }
    assert_false(replicas_told(*state, 100, later, strlen(later))); /* more than a cluster has */
}

/* Each word of a member may be nonsense, or differ from the one before it: that is no reason for a line each time. */
static void test_few_lines(void **state)
{
    static const uint64_t others[] = {3, 4};
    struct replicas *replicas = *state;
    unsigned lines = 0;

    for (int i = 0; i < 1000; i++) {
        lines += replicas_may_log(replicas, 2, REPLICAS_NOT_UNDERSTOOD);
    }
    assert_int_equal(lines, 1);
    assert_true(replicas_may_log(replicas, 2, REPLICAS_DIFFERS)); /* something else */
    assert_true(replicas_may_log(replicas, 3, REPLICAS_NOT_UNDERSTOOD));
    for (int i = 0; i < REPLICAS_QUIET; i++) {
        assert_false(replicas_may_log(replicas, 2, REPLICAS_NOT_UNDERSTOOD));
        replicas_grow_old(replicas);
    }
    assert_true(replicas_may_log(replicas, 2, REPLICAS_NOT_UNDERSTOOD));
    for (uint64_t id = 4; id < 2 + REPLICAS_MAX; id++) {
        assert_true(replicas_may_log(replicas, id, REPLICAS_DIFFERS));
    }
    assert_false(replicas_may_log(replicas, 100, REPLICAS_DIFFERS)); /* more than a cluster has */
    replicas_keep(replicas, others, 2);
    assert_true(replicas_may_log(replicas, 100, REPLICAS_DIFFERS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_told_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wishes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_behind_us, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ahead_of_us, setup, teardown),
        cmocka_unit_test_setup_teardown(test_differs_until_it_agrees_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_than_what_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_snapshot_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_outvoted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_few_lines, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

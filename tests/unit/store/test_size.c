/* The size table of heketi-storage.md 5.2, options and tag rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/plan_priv.h"

static void test_table(void **state)
{
    static const struct {
        uint64_t size;
        float factor;
        uint64_t pool, meta;
    } rows[] = {
        {1048576, 1, 1048576, 8192},       {2097152, 1, 2097152, 12288},          {5242880, 1, 5242880, 28672},
        {104857600, 1, 104857600, 524288}, {4294967296, 1, 4294967296, 16777216}, {10485760, 1.5F, 15728640, 81920},
        {10485760, 1, 10485760, 53248}, /* the example of heketi-rest.md 7.4 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plan_need need = plan_need(rows[i].size, rows[i].factor, 4096);

        assert_int_equal(need.pool_kib, rows[i].pool);
        assert_int_equal(need.meta_kib, rows[i].meta);
    }
    /* other extents; none */
    assert_int_equal(plan_need(1048577, 1, 4096).pool_kib, 1048576 + 4096);
    assert_int_equal(plan_need(1048576, 1, 65536).meta_kib, 65536);
    assert_int_equal(plan_need(1000, 1, 0).pool_kib, 1000);
}

static void test_options(void **state)
{
    struct store_plan_env env;
    struct store_volume_request wish = {.size_gib = 1};
    struct store_strs list;

    (void)state;
    store_plan_env_init(&env);
    plan_options(&list, &env, &wish);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[0], "");
    assert_string_equal(list.items[1], "");
    store_strs_fini(&list);
    store_strs_add(&wish.options, "c d");
    store_strs_add(&wish.options, "a later one");
    store_strs_add(&wish.options, "ab no");
    store_strs_add(&wish.options, "flag");
    env.pre_options = "a b,x";
    env.post_options = ",z";
    plan_options(&list, &env, &wish);
    assert_int_equal(list.n, 8);
    assert_string_equal(list.items[0], "a b");
    assert_string_equal(list.items[1], "x");
    assert_string_equal(list.items[2], "c d");
    assert_string_equal(list.items[6], "");
    assert_string_equal(list.items[7], "z");
    assert_string_equal(plan_option(&list, "a"), "later one"); /* the last one counts */
    assert_string_equal(plan_option(&list, "flag"), "");
    assert_null(plan_option(&list, "absent"));
    store_strs_fini(&list);
    wish.block = true; /* those of block hosting volumes come before the request's */
    plan_options(&list, &env, &wish);
    assert_int_equal(list.n, 9);
    assert_string_equal(list.items[1], "x");
    assert_string_equal(list.items[2], "group gluster-block");
    assert_string_equal(list.items[3], "c d");
    store_strs_fini(&list);
    env.block_options = "group a,b c";
    plan_options(&list, &env, &wish);
    assert_string_equal(list.items[2], "group a");
    assert_string_equal(list.items[3], "b c");
    store_strs_fini(&list);
    store_strs_fini(&wish.options);
}

static void test_booleans(void **state)
{
    static const struct {
        const char *text;
        bool value;
    } rows[] = {{"x true", true}, {"x 1", true},  {"x t", true},     {"x T", true}, {"x TRUE", true}, {"x True", true},
                {"x yes", false}, {"x 0", false}, {"x tRUE", false}, {"x", false},  {"y true", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct store_strs list = {NULL, 0};

        store_strs_add(&list, rows[i].text);
        assert_int_equal(plan_option_true(&list, "x"), rows[i].value);
        store_strs_fini(&list);
    }
}

static void test_tag_rules(void **state)
{
    static const struct {
        const char *text, *name, *value;
        bool differs;
    } good[] = {
        {"disk=ssd", "disk", "ssd", false}, {"disk!=ssd", "disk", "ssd", true},
        {"a=b=c", "a=b", "c", false},       {"x==", "x", "=", false},
        {"a!=b=c", "a", "b=c", true},       {"k/:;<>?@[\\]^_.=1", "k/:;<>?@[\\]^_.", "1", false},
        {"A=B", "A", "B", false},
    };
    static const char *const bad[] = {"disk",      "=x",         "x=",  "a=!b", "a b=c", "disk=ssd,site=a",
                                      "d-i_s.k=1", "\xc3\xa4=1", "!=x", "x!="};
    struct plan_tag_rule rule;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(plan_tag_rule_parse(good[i].text, &rule));
        assert_string_equal(rule.name, good[i].name);
        assert_string_equal(rule.value, good[i].value);
        assert_int_equal(rule.differs, good[i].differs);
        plan_tag_rule_fini(&rule);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(plan_tag_rule_parse(bad[i], &rule));
    }
    assert_true(plan_tag_rule_parse("", &rule)); /* no rule */
    assert_null(rule.name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_options),
                                       cmocka_unit_test(test_booleans), cmocka_unit_test(test_tag_rules)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

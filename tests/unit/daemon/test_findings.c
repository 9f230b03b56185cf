/* Findings are told by their causes: bounded, with numbers and examples, and what was found before is told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/findings.h"
#include "store/base/mem.h"

static struct id number(uint32_t n)
{
    struct id id = ID_NONE;

    memcpy(id.bytes, &n, sizeof(n));
    id.bytes[15] = 1;
    return id;
}

static void add(struct findings *findings, enum finding_kind kind, struct id node, struct id where, const char *subject)
{
    findings_add(findings, &(struct finding){kind, node, where, "n1", subject, "vg_x"});
}

static void add_numbered(struct findings *findings, uint32_t device, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("vg_x/brick_%u", i);

        add(findings, FINDING_MISSING_LV, number(1), number(device), name);
    }
}

static void test_one_is_told_in_full(void **state)
{
    struct findings *findings = findings_new();
    struct findings_list list;

    (void)state;
    add(findings, FINDING_MISSING_LV, number(1), number(2), "vg_x/b");
    add(findings, FINDING_MISSING_LV, number(1), number(2), "vg_x/b");
    list = findings_tell(findings, false);
    assert_int_equal(list.n, 1);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].code, "missing-lv");
    assert_string_equal(list.items[0].text, "logical volume vg_x/b is not on node n1");
    assert_string_equal(list.items[0].remedy,
                        "the brick is lost: look at the device (vgs, lvs -a vg_x); replace the brick by evicting it");
    findings_list_fini(&list);
    findings_free(findings);
}

static char *remedy_of(enum finding_kind kind, const char *subject, bool many)
{
    struct findings *findings = findings_new();
    struct findings_list list;
    char *remedy;

    add(findings, kind, number(1), number(2), subject);
    if (many) {
        add(findings, kind, number(1), number(2), "another");
    }
    list = findings_tell(findings, false);
    assert_int_equal(list.n, 1);
    remedy = mem_strdup(list.items[0].remedy);
    findings_list_fini(&list);
    findings_free(findings);
    return remedy;
}

/* A node that lies finds no shell, and no option of a program, by way of the operator: a name that is not fit for a
 * command stands in none, whatever was found. */
static void test_no_odd_name_in_a_command(void **state)
{
    static const char *const odd[] = {
        "vg_x/a; reboot", "-f",   "--remote-host=h", "--mode=script", "a b",    "a'b",  "a\"b",
        "$(reboot)",      "`x`",  "a\\040b",         "../../etc",     "/m/../", "@tag", "*",
        "~root",          "a\nb", "\xff\xfe",        "a&b",           "a|b",    "#x"};
    CLEANUP(free_ptr) char *longest = mem_alloc(FINDINGS_WORD_MAX + 2);

    (void)state;
    memset(longest, 'a', FINDINGS_WORD_MAX + 1);
    longest[FINDINGS_WORD_MAX + 1] = '\0';
    for (int kind = 0; kind < FINDING_KINDS; kind++) {
        for (size_t i = 0; i <= sizeof(odd) / sizeof(*odd); i++) {
            const char *name = i < sizeof(odd) / sizeof(*odd) ? odd[i] : longest;

            for (int many = 0; many < 2; many++) {
                CLEANUP(free_ptr) char *remedy = remedy_of((enum finding_kind)kind, name, many == 1);
                CLEANUP(free_ptr) char *plain = remedy_of((enum finding_kind)kind, "PLAIN", many == 1);

                assert_string_equal(remedy, strstr(plain, "PLAIN") == NULL
                                                ? plain
                                                : "look at it by hand: its name is none that could be given to a "
                                                  "command");
            }
        }
    }
}

/* 12,000 bricks of one device are one line. */
static void test_many_are_a_number_with_examples(void **state)
{
    struct findings *findings = findings_new();
    struct findings_list list;
    json_t *json;

    (void)state;
    add_numbered(findings, 1, 0, 12000);
    list = findings_tell(findings, false);
    assert_int_equal(list.n, 1);
    assert_int_equal(list.items[0].count, 12000);
    assert_int_equal(list.items[0].n_examples, FINDINGS_EXAMPLES_MAX);
    assert_string_equal(list.items[0].text, "12000 logical volumes are not on node n1: vg_x/brick_0, vg_x/brick_1, "
                                            "vg_x/brick_2 and 11997 more");
    assert_true(id_equal(list.items[0].where, number(1)));
    json = findings_list_json(&list);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 0), "count")), 12000);
    json_decref(json);
    findings_list_fini(&list);
    findings_free(findings);
}

/* A node that lost all of its devices is one line for each kind. */
static void test_many_devices_of_a_node_are_told_together(void **state)
{
    struct findings *findings = findings_new();
    struct findings_list list;

    (void)state;
    for (uint32_t device = 1; device <= FINDINGS_DEVICES_MAX; device++) {
        add_numbered(findings, device, 0, 10);
    }
    list = findings_tell(findings, false);
    assert_int_equal(list.n, FINDINGS_DEVICES_MAX);
    findings_list_fini(&list);
    add_numbered(findings, 99, 0, 10);
    list = findings_tell(findings, false);
    assert_int_equal(list.n, 1);
    assert_int_equal(list.items[0].count, 10 * (FINDINGS_DEVICES_MAX + 1));
    assert_true(id_is_none(list.items[0].where));
    findings_list_fini(&list);
    findings_free(findings);
}

static void test_what_was_found_before_is_confirmed(void **state)
{
    struct findings *earlier = findings_new(), *now = findings_new();
    struct findings_list list;

    (void)state;
    add_numbered(earlier, 1, 0, 1000);
    findings_confirm_by(now, earlier);
    add_numbered(now, 1, 900, 2000);
    assert_int_equal(findings_count(now, false), 1100);
    assert_int_equal(findings_count(now, true), 100);
    list = findings_tell(now, true);
    assert_int_equal(list.n, 1);
    assert_int_equal(list.items[0].count, 100);
    assert_string_equal(list.items[0].examples[0], "vg_x/brick_900");
    findings_list_fini(&list);
    findings_free(now);
    findings_free(earlier);
}

/* However many places, and however long their names: what is kept has a bound, and the number is right. */
static void test_bounds(void **state)
{
    struct findings *findings = findings_new();
    CLEANUP(free_ptr) char *longest = mem_alloc(100001);
    struct findings_list list;
    uint64_t told = 0;

    (void)state;
    for (size_t i = 0; i < 100000; i += 2) {
        memcpy(longest + i, "\xc3\xa4", 2); /* cut inside a character, if the cut were careless */
    }
    longest[100000] = '\0';
    for (uint32_t i = 0; i < FINDINGS_GROUPS_MAX + 500; i++) {
        add(findings, FINDING_LEFTOVER_MOUNT, number(i), ID_NONE, longest);
    }
    list = findings_tell(findings, false);
    assert_int_equal(list.n, FINDINGS_GROUPS_MAX);
    assert_int_equal(list.count, FINDINGS_GROUPS_MAX + 500);
    assert_int_equal(list.more, 500);
    for (size_t i = 0; i < list.n; i++) {
        json_t *text = json_string(list.items[i].text);

        assert_non_null(text); /* UTF-8 */
        json_decref(text);
        assert_true(strlen(list.items[i].text) < 4 * FINDINGS_WORD_MAX);
        told += list.items[i].count;
    }
    assert_int_equal(told + list.more, list.count);
    findings_list_fini(&list);
    findings_free(findings);
}

static void test_names_that_are_no_text(void **state)
{
    struct findings *findings = findings_new();
    struct findings_list list;
    json_t *json;

    (void)state;
    add(findings, FINDING_LEFTOVER_MOUNT, number(1), ID_NONE, "/mnt/\xff\xc3/\x01");
    list = findings_tell(findings, false);
    json = json_string(list.items[0].text);
    assert_non_null(json); /* UTF-8 */
    json_decref(json);
    assert_non_null(strstr(list.items[0].text, "/mnt/\xef\xbf\xbd"));
    findings_list_fini(&list);
    findings_free(findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_is_told_in_full),
        cmocka_unit_test(test_no_odd_name_in_a_command),
        cmocka_unit_test(test_many_are_a_number_with_examples),
        cmocka_unit_test(test_many_devices_of_a_node_are_told_together),
        cmocka_unit_test(test_what_was_found_before_is_confirmed),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_names_that_are_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What an unfinished operation is said to change, in the words of Heketi. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/operation_out.h"
#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store.h"

static struct id number(uint8_t n)
{
    return (struct id){{[15] = n}};
}

/* The changes: each the last digits of the id, and the text. */
static void expect_changes(const struct store_operation *op, const char *expected)
{
    struct store *store = store_new();
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    const char *at;

    api_out_pending(&out, store, op, NULL);
    at = strstr(buf_str(&out), "\"changes\":");
    assert_non_null(at);
    assert_string_equal(at, expected);
    store_free(store);
}

#define ID(digit) "\"id\":\"0000000000000000000000000000000" #digit "\""

static void test_removal(void **state)
{
    struct store_operation op = {.type = STORE_OP_REMOVE_DEVICE, .id = number(1), .target = number(2)};

    (void)state;
    expect_changes(&op, "\"changes\":[{" ID(2) ",\"description\":\"Remove device\"}]}");
    op.child = number(3);
    expect_changes(&op, "\"changes\":[{" ID(2) ",\"description\":\"Remove device\"},{" ID(
                            3) ",\"description\":\"Performing child operation\"}]}");
}

static void test_evict(void **state)
{
    struct store_operation op = {.type = STORE_OP_EVICT_BRICK, .id = number(3), .target = number(4)};

    (void)state;
    expect_changes(&op, "\"changes\":[{" ID(4) ",\"description\":\"Delete brick\"}]}");
    op.replacement = number(5);
    op.parent = number(1);
    expect_changes(
        &op, "\"changes\":[{" ID(4) ",\"description\":\"Delete brick\"},{" ID(5) ",\"description\":\"Add brick\"},{" ID(
                 1) ",\"description\":\"Belongs to parent operation\"}]}");
}

/* Heketi has no records of these; ours say what they are. */
static void test_own(void **state)
{
    const struct store_operation op = {.type = STORE_OP_DEVICE_ADD, .id = number(1), .target = number(2)};

    (void)state;
    expect_changes(&op, "\"changes\":[{" ID(2) ",\"description\":\"add-device\"}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removal),
        cmocka_unit_test(test_evict),
        cmocka_unit_test(test_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

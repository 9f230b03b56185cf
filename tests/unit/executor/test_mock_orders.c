/* Orders to the mock executor: which one applies, and that the file is read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/executor/mock_orders.h"
#include "store/base/mem.h"

static char folder[] = "/tmp/hecate-orders-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void write_file(const char *path, const char *text)
{
    CLEANUP(free_ptr) char *made = mem_printf("%s.new", path);
    FILE *file = fopen(made, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(made, path), 0);
}

/* The text of the failure that is ordered for a step; "" for none. */
static const char *failure(struct mock_orders *orders, enum exec_step_kind kind, const char *host)
{
    const struct exec_step step = {.kind = kind, .host = host};
    const struct mock_order *order = mock_orders_take(orders, &step);

    return order == NULL ? "" : order->fail != NULL ? order->fail : "?";
}

static void test_first_match_counts(void **state)
{
    struct mock_orders *orders = mock_orders_new("");
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(mock_orders_set(orders,
                                     "[{\"step\":\"fence\",\"times\":1,\"fail\":\"once\"},"
                                     "{\"host\":\"h1\",\"fail\":\"h1\",\"code\":\"busy\",\"permanent\":true},"
                                     "{\"step\":\"fence\",\"host\":\"h2\",\"fail\":\"h2\"}]",
                                     &err),
                     0);
    assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "once");
    assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "h1");
    assert_string_equal(failure(orders, EXEC_BRICK_CREATE, "h1"), "h1");
    assert_string_equal(failure(orders, EXEC_FENCE, "h2"), "h2");
    assert_string_equal(failure(orders, EXEC_BRICK_CREATE, "h2"), "");
    assert_int_equal(mock_orders_set(orders, "", &err), 0);
    assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "");
    mock_orders_free(orders);
}

static void test_wrong_orders_change_nothing(void **state)
{
    static const struct {
        const char *json, *message;
    } wrong[] = {
        {"{}", "glusterfs.mock.faults must be a JSON list: "},
        {"[1]", "glusterfs.mock.faults[0] must be an object"},
        {"[{},{\"steps\":\"fence\"}]", "glusterfs.mock.faults[1].steps is unknown or has a wrong value"},
        {"[{\"delay_ms\":-1}]", "glusterfs.mock.faults[0].delay_ms is unknown or has a wrong value"},
        {"[{\"code\":\"late\"}]", "glusterfs.mock.faults[0].code is unknown or has a wrong value"},
        {"[{\"hang\":1}]", "glusterfs.mock.faults[0].hang is unknown or has a wrong value"},
        {"[{\"lie\":\"yes\"}]", "glusterfs.mock.faults[0].lie is unknown or has a wrong value"},
    };
    struct mock_orders *orders = mock_orders_new("");
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(mock_orders_set(orders, "[{\"fail\":\"kept\"}]", &err), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        err = (struct err)ERR_INIT;
        assert_int_equal(mock_orders_set(orders, wrong[i].json, &err), E_INVALID);
        assert_string_equal(err.message, wrong[i].message);
        assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "kept");
    }
    mock_orders_free(orders);
}

static void test_file_is_read_again(void **state)
{
    CLEANUP(free_ptr) char *path = mem_printf("%s/faults", folder);
    struct mock_orders *orders = mock_orders_new(path);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(mock_orders_set(orders, "[{\"fail\":\"set\"}]", &err), 0);
    assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "set");
    write_file(path, "[{\"fail\":\"file\",\"times\":2}]");
    assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "file");
    assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "file");
    assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "set"); /* used up, not read again */
    write_file(path, "[{\"fail\":\"other\"}]");
    assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "other");
    write_file(path, "[{\"fail\":");
    assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "other");
    assert_int_equal(unlink(path), 0);
    assert_string_equal(failure(orders, EXEC_FENCE, "h1"), "set");
    mock_orders_free(orders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_match_counts),
        cmocka_unit_test(test_wrong_orders_change_nothing),
        cmocka_unit_test_setup_teardown(test_file_is_read_again, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* LVM's reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/json_few.h"
#include "daemon/executor/lvm_json.h"
#include "store/base/buf.h"
#include "store/base/mem.h"
#include "tests/unit/executor/data.h"

static void test_device(void **state)
{
    CLEANUP(free_ptr) char *text = data_read("vgs-b.json");
    struct lvm_device device;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(lvm_json_device(text, strlen(text), &device, &err), 0);
    assert_int_equal(device.extent_bytes, 4194304);
    assert_int_equal(device.extents, 5087);
    assert_int_equal(device.free_extents, 4305);
    assert_string_equal(device.pv_uuid, "hU2XAB-6fvY-iNHE-ZNm5-89aQ-d1nh-rmJOwp");
    assert_string_equal(device.pv_name, "/dev/ubdb");
    for (size_t len = 0; len + 4 < strlen(text); len++) { /* without its last brace */
        assert_int_equal(lvm_json_device(text, len, &device, &err), E_PROTOCOL);
        assert_int_equal(device.extents, 0);
    }
}

#define ROW(size, count, free, uuid, more)                                                                            \
    "{\"report\": [{\"vg\": [{\"vg_extent_size\": " size ", \"vg_extent_count\": " count ", \"vg_free_count\": " free \
    ", \"pv_uuid\": " uuid ", \"pv_name\": \"/dev/sdb\"}" more "]}]}"

static void test_device_refuses(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{}", "LVM's report: expected {\"report\": [{\"vg\": [...]}]}"},
        {"[]", "LVM's report: expected {\"report\": [{\"vg\": [...]}]}"},
        {"{\"report\": [{\"lv\": []}]}", "LVM's report: expected {\"report\": [{\"vg\": [...]}]}"},
        {"{\"report\": [{\"vg\": []}, {\"vg\": []}]}", "LVM's report: expected {\"report\": [{\"vg\": [...]}]}"},
        {"{\"report\": [{\"vg\": []}]}", "LVM's report: the volume group is on 0 devices, expected 1"},
        {ROW("\"4194304\"", "\"1\"", "\"1\"", "\"u\"", ", {}"),
         "LVM's report: the volume group is on 2 devices, expected 1"},
        {"{\"report\": [{\"vg\": [{}]}]}", "LVM's report: expected a text \"vg_extent_size\" in each row"},
        {ROW("4194304", "\"1\"", "\"1\"", "\"u\"", ""), "LVM's report: expected a text \"vg_extent_size\" in each row"},
        {ROW("\"4.00m\"", "\"1\"", "\"1\"", "\"u\"", ""),
         "LVM's report: \"vg_extent_size\" is '4.00m', expected a whole number"},
        {ROW("\"\"", "\"1\"", "\"1\"", "\"u\"", ""), "LVM's report: \"vg_extent_size\" is '', expected a whole number"},
        {ROW("\"-4194304\"", "\"1\"", "\"1\"", "\"u\"", ""),
         "LVM's report: \"vg_extent_size\" is '-4194304', expected a whole number"},
        {ROW("\"4194304\"", "\"99999999999999999999\"", "\"1\"", "\"u\"", ""),
         "LVM's report: \"vg_extent_count\" is '99999999999999999999', expected a whole number"},
        {ROW("\"4194304\"", "\"0\"", "\"0\"", "\"u\"", ""),
         "LVM's report: 0 extents of 4194304 bytes, 0 of them free, cannot be: expected whole KiB"},
        {ROW("\"4194304\"", "\"4294967296\"", "\"0\"", "\"u\"", ""),
         "LVM's report: 4294967296 extents of 4194304 bytes, 0 of them free, cannot be: expected whole KiB"},
        {ROW("\"4194304\"", "\"5\"", "\"6\"", "\"u\"", ""),
         "LVM's report: 5 extents of 4194304 bytes, 6 of them free, cannot be: expected whole KiB"},
        {ROW("\"1025\"", "\"5\"", "\"5\"", "\"u\"", ""),
         "LVM's report: 5 extents of 1025 bytes, 5 of them free, cannot be: expected whole KiB"},
        {ROW("\"4194304\"", "\"5\"", "\"5\"", "\"\"", ""), "LVM's report: \"pv_uuid\" is empty or too long"},
        {ROW("\"4194304\"", "\"5\"", "\"5\"", "\"0123456789012345678901234567890123456789012345678901234567890123\"",
             ""),
         "LVM's report: \"pv_uuid\" is empty or too long"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct lvm_device device;
        struct err err = ERR_INIT;

        assert_int_equal(lvm_json_device(cases[i].text, strlen(cases[i].text), &device, &err), E_PROTOCOL);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(device.extents, 0);
    }
}

static void test_no_such_group(void **state)
{
    CLEANUP(free_ptr) char *text = data_read("vgs-none.json");
    struct lvm_device device;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(lvm_json_device(text, strlen(text), &device, &err), E_PROTOCOL);
    assert_string_equal(err.message, "LVM's report: the volume group is on 0 devices, expected 1");
}

/* A value takes long, however short it is. */
static void test_values_are_bounded(void **state)
{
    static const char *const values[] = {"[]", "{}", "1", "\"\""};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        CLEANUP(buf_fini) struct buf many = BUF_INIT;
        struct lvm_device device;
        struct err err = ERR_INIT;

        buf_append_str(&many, "{\"a\":[1");
        for (int n = 0; n < JSON_VALUES_MAX; n++) {
            buf_printf(&many, ",%s", values[i]);
        }
        buf_append_str(&many, "]}");
        assert_true(many.len < JSON_BYTES_MAX);
        assert_int_equal(lvm_json_device(many.data, many.len, &device, &err), E_PROTOCOL);
        assert_string_equal(err.message, "LVM's report: it has more than 4096 values");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_device_refuses),
        cmocka_unit_test(test_no_such_group),
        cmocka_unit_test(test_values_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

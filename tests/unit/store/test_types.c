#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/request.h"

static void test_strs(void **state)
{
    struct store_strs list = {NULL, 0}, copy;

    (void)state;
    store_strs_copy(&copy, &list);
    assert_int_equal(copy.n, 0);
    store_strs_add(&list, "b");
    store_strs_add(&list, "");
    store_strs_copy(&copy, &list);
    store_strs_fini(&list);
    assert_int_equal(copy.n, 2);
    assert_string_equal(copy.items[0], "b");
    assert_string_equal(copy.items[1], "");
    store_strs_fini(&copy);
    assert_null(copy.items);
}

static void test_tags(void **state)
{
    struct store_tags tags = {NULL, 0}, copy;

    (void)state;
    store_tags_set(&tags, "m", "1");
    store_tags_set(&tags, "a", "2");
    store_tags_set(&tags, "z", "3");
    store_tags_set(&tags, "m", store_tags_get(&tags, "z")); /* a value of its own */
    assert_int_equal(tags.n, 3);
    assert_string_equal(tags.items[0].name, "a");
    assert_string_equal(tags.items[1].value, "3");
    assert_string_equal(tags.items[2].name, "z");
    assert_null(store_tags_get(&tags, "b"));
    assert_null(store_tags_get(&tags, "zz"));
    store_tags_copy(&copy, &tags);
    store_tags_fini(&tags);
    assert_null(store_tags_get(&tags, "a"));
    assert_string_equal(store_tags_get(&copy, "a"), "2");
    store_tags_fini(&copy);
    store_tags_copy(&copy, &tags);
    assert_int_equal(copy.n, 0);
}

static void expect(char *text, const char *wanted)
{
    assert_string_equal(text, wanted);
    free(text);
}

static void test_brick_names(void **state)
{
    struct store_brick brick = {.id = {{0xab}}, .device = {{0xcd}}}, copy;
    char recorded_lv[] = "snap_0", recorded_path[] = "/run/x/brick";

    (void)state;
    expect(store_brick_lv_name(&brick), "brick_ab000000000000000000000000000000");
    expect(store_brick_mount(&brick), "/var/lib/heketi/mounts/vg_cd000000000000000000000000000000/"
                                      "brick_ab000000000000000000000000000000");
    expect(store_brick_path(&brick), "/var/lib/heketi/mounts/vg_cd000000000000000000000000000000/"
                                     "brick_ab000000000000000000000000000000/brick");
    expect(store_brick_devnode(&brick), "/dev/mapper/vg_cd000000000000000000000000000000-"
                                        "brick_ab000000000000000000000000000000");
    store_brick_copy(&copy, &brick);
    assert_string_equal(copy.pool, "");
    store_brick_fini(&copy);
    brick.lv = recorded_lv;
    brick.path = recorded_path;
    store_brick_copy(&copy, &brick);
    expect(store_brick_lv_name(&copy), "snap_0");
    expect(store_brick_path(&copy), "/run/x/brick");
    expect(store_brick_mount(&copy), "/run/x");
    expect(store_brick_devnode(&copy), "/dev/mapper/vg_cd000000000000000000000000000000-snap_0");
    store_brick_fini(&copy);
    assert_null(copy.lv);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(store_state_name(STORE_STATE_ONLINE), "online");
    assert_string_equal(store_state_name(STORE_STATE_OFFLINE), "offline");
    assert_string_equal(store_state_name(STORE_STATE_FAILED), "failed");
    assert_string_equal(store_state_name((enum store_state)9), "unknown");
    assert_string_equal(store_op_type_name(STORE_OP_CREATE_VOLUME), "create-volume");
    assert_string_equal(store_op_type_name(STORE_OP_DELETE_VOLUME), "delete-volume");
    assert_string_equal(store_op_type_name(STORE_OP_NODE_ADD), "add-node");
    assert_string_equal(store_op_type_name(STORE_OP_NODE_DELETE), "delete-node");
    assert_string_equal(store_op_type_name(STORE_OP_DEVICE_ADD), "add-device");
    assert_string_equal(store_op_type_name(STORE_OP_DEVICE_DELETE), "delete-device");
    assert_string_equal(store_op_type_name((enum store_op_type)0), "unknown");
    assert_string_equal(store_durability_name(STORE_NONE), "none");
    assert_string_equal(store_durability_name(STORE_REPLICATE), "replicate");
    assert_string_equal(store_durability_name(STORE_DISPERSE), "disperse");
    assert_string_equal(store_durability_name((enum store_durability)9), "unknown");
}

static void test_request_copy(void **state)
{
    struct store_request request, copy;

    (void)state;
    store_request_init(&request, STORE_REQ_NODE_ADD);
    free(request.key);
    request.key = mem_strdup("k");
    request.zone = 3;
    store_strs_add(&request.manage, "m");
    store_tags_set(&request.tags, "a", "b");
    store_request_copy(&copy, &request);
    store_request_fini(&request);
    assert_int_equal(copy.type, STORE_REQ_NODE_ADD);
    assert_int_equal(copy.zone, 3);
    assert_string_equal(copy.key, "k");
    assert_string_equal(copy.manage.items[0], "m");
    assert_string_equal(store_tags_get(&copy.tags, "a"), "b");
    assert_string_equal(copy.volume.name, "");
    store_request_fini(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_strs), cmocka_unit_test(test_tags),
                                       cmocka_unit_test(test_brick_names), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_request_copy)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

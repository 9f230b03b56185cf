/* A dump of Heketi's becomes a database of ours, or is refused with every reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/import.h"
#include "daemon/order.h"
#include "store/base/mem.h"

#define C "c0000000000000000000000000000001"
#define N "a000000000000000000000000000000"
#define D "d000000000000000000000000000000"
#define B "b000000000000000000000000000000"
#define V "e0000000000000000000000000000001"
#define OP "f0000000000000000000000000000001"
#define PATH "/var/lib/heketi/mounts/vg_"

/* A dump with two nodes and one replicated volume; NULL takes the usual member. */
struct parts {
    const char *volume_pending, *operations, *second_brick, *durability, *used, *cluster_volumes, *blocks;
};

static const char *either(const char *text, const char *usual)
{
    return text != NULL ? text : usual;
}

static void add_node(struct buf *buf, int i)
{
    buf_printf(buf,
               "%s\"" N "%d\":{\"State\":\"online\",\"Info\":{\"zone\":1,\"hostnames\":{\"manage\":[\"m%d\"],"
               "\"storage\":[\"s%d\"]},\"cluster\":\"" C "\",\"id\":\"" N "%d\"},\"Devices\":[\"" D "%d\"]}",
               i > 1 ? "," : "", i, i, i, i, i);
}

static void add_device(struct buf *buf, int i, const char *used)
{
    buf_printf(buf,
               "%s\"" D "%d\":{\"State\":\"online\",\"Info\":{\"name\":\"/dev/sdb\",\"storage\":{\"total\":104722432,"
               "\"free\":1,\"used\":%s},\"id\":\"" D "%d\",\"pv_uuid\":\"uuid\"},\"Bricks\":[\"" B
               "%d\"],\"NodeId\":\"" N "%d\",\"ExtentSize\":4096}",
               i > 1 ? "," : "", i, used, i, i, i);
}

static void add_brick(struct buf *buf, int i)
{
    buf_printf(
        buf,
        "%s\"" B "%d\":{\"Info\":{\"id\":\"" B "%d\",\"path\":\"" PATH D "%d/brick_" B "%d/brick\",\"device\":\"" D
        "%d\",\"node\":\"" N "%d\",\"volume\":\"" V "\",\"size\":1048576},\"TpSize\":1048576,"
        "\"PoolMetadataSize\":8192,\"Pending\":{\"Id\":\"\"},\"LvmThinPool\":\"%s\",\"LvmLv\":\"\",\"SubType\":1}",
        i > 1 ? "," : "", i, i, i, i, i, i, i == 1 ? "tp_f0000000000000000000000000000009" : "");
}

static char *make_dump(const struct parts *parts)
{
    struct buf buf = BUF_INIT;

    buf_printf(&buf,
               "{\"clusterentries\":{\"" C "\":{\"Info\":{\"id\":\"" C "\",\"nodes\":[\"" N "1\",\"" N
               "2\"],\"volumes\":[%s],\"block\":true,\"file\":false,\"blockvolumes\":[]}}},"
               "\"volumeentries\":{\"" V "\":{\"Info\":{\"size\":1,\"name\":\"v\",\"durability\":%s,"
               "\"snapshot\":{\"enable\":true,\"factor\":1.5},\"gid\":77,\"id\":\"" V "\",\"cluster\":\"" C
               "\"},\"Bricks\":[\"" B
               "1\",\"%s\"],\"GlusterVolumeOptions\":[\"\",\"a b\"],\"Pending\":{\"Id\":\"%s\"}}},"
               "\"unknown\":7,\"nodeentries\":{",
               either(parts->cluster_volumes, "\"" V "\""),
               either(parts->durability, "{\"type\":\"replicate\",\"replicate\":{},\"disperse\":null}"),
               either(parts->second_brick, B "2"), either(parts->volume_pending, ""));
    add_node(&buf, 1);
    add_node(&buf, 2);
    buf_append_str(&buf, "},\"deviceentries\":{");
    add_device(&buf, 1, either(parts->used, "1056768"));
    add_device(&buf, 2, "1056768");
    buf_append_str(&buf, "},\"brickentries\":{");
    add_brick(&buf, 1);
    add_brick(&buf, 2);
    buf_printf(
        &buf,
        "},\"blockvolumeentries\":{%s},\"dbattributeentries\":{\"DB_GENERATION_ID\":{\"Key\":\"DB_GENERATION_ID\","
        "\"Value\":\"90000000000000000000000000000001\"}},\"pendingoperations\":{%s}}",
        either(parts->blocks, ""), either(parts->operations, ""));
    return buf_take(&buf);
}

static struct store *import(const struct parts *parts, struct import_report *report)
{
    CLEANUP(free_ptr) char *dump = make_dump(parts);
    struct store *store = NULL;
    int rc = import_dump(dump, strlen(dump), &store, report);

    assert_int_equal(rc == 0, report->n_errors == 0);
    assert_int_equal(rc == 0, store != NULL);
    return store;
}

static bool told(const struct store_strs *lines, const char *part)
{
    for (size_t i = 0; i < lines->n; i++) {
        if (strstr(lines->items[i], part) != NULL) {
            return true;
        }
    }
    return false;
}

static void expect_error(const struct parts *parts, const char *part)
{
    struct import_report report;

    assert_null(import(parts, &report));
    if (!told(&report.errors, part)) {
        fail_msg("no error with \"%s\", but %s", part, report.errors.items[0]);
    }
    import_report_fini(&report);
}

static struct id id_of(const char *text)
{
    struct id id;

    assert_true(id_parse(text, strlen(text), &id));
    return id;
}

static void test_everything_keeps_its_name(void **state)
{
    struct import_report report;
    struct store *store = import(&(struct parts){0}, &report);
    const struct store_volume *volume;
    const struct store_device *device;

    (void)state;
    assert_int_equal(report.n_warnings, 0);
    assert_string_equal(report.generation, "90000000000000000000000000000001");
    assert_int_equal(report.counts.bricks, 2);
    assert_false(store_cluster(store, id_of(C))->file); /* as it says: the flags are there */
    assert_string_equal(store_node(store, id_of(N "1"))->storage.items[0], "s1");
    device = store_device(store, id_of(D "1"));
    assert_string_equal(device->pv_uuid, "uuid");
    assert_int_equal(store_device_used_kib(store, device->id), 1056768);
    volume = store_volume(store, id_of(V));
    assert_string_equal(volume->name, "v");
    assert_int_equal(volume->durability, STORE_REPLICATE);
    assert_int_equal(volume->replica, 2); /* Heketi's default, which a dump does not show */
    assert_int_equal(volume->gid, 77);
    assert_true(volume->snapshot_factor == 1.5F);
    assert_int_equal(volume->options.n, 2);
    assert_string_equal(volume->bricks[0].pool,
                        "tp_f0000000000000000000000000000009"); /* another one than the brick's */
    assert_string_equal(volume->bricks[1].pool, "tp_" B "2");   /* old databases do not name it */
    assert_string_equal(volume->bricks[0].path, "");            /* the usual one */
    store_free(store);
    import_report_fini(&report);
}

static void test_contradictions_are_told(void **state)
{
    struct import_report report;
    struct store *store = import(&(struct parts){.used = "5", .cluster_volumes = "\"" OP "\""}, &report);

    (void)state;
    assert_true(told(&report.warnings, "the dump says that 5 KiB are used"));
    assert_true(told(&report.warnings, "volume " V " is not in the list of its cluster"));
    assert_true(told(&report.warnings, "lists the volume " OP ", which is not in the dump"));
    store_free(store);
    import_report_fini(&report);
}

static void test_refusals(void **state)
{
    (void)state;
    expect_error(&(struct parts){.second_brick = B "7"}, "its brick " B "7 is not in the dump");
    expect_error(&(struct parts){.second_brick = B "1"}, "cannot be sets of 2 on different nodes");
    expect_error(&(struct parts){.durability = "{\"type\":\"magic\"}"}, "unknown durability \"magic\"");
    expect_error(&(struct parts){.durability = "{\"type\":\"disperse\"}"}, "2 bricks are no whole sets of 6");
    expect_error(&(struct parts){.volume_pending = OP}, "is pending on operation " OP);
    expect_error(&(struct parts){.used = "\"x\""}, "member used is no number");
    expect_error(&(struct parts){.operations = "\"" OP "\":{\"Id\":\"" OP "\",\"Type\":3}"}, "expand-volume");
    expect_error(&(struct parts){.operations = "\"" OP "\":{\"Id\":\"" OP "\",\"Type\":1,\"Actions\":[]}"},
                 "does not wait for it");
}

static void test_no_dump(void **state)
{
    static const char *const texts[] = {
        "", "x", "[]", "{}", "{\"clusterentries\":[]}", "null", "{\"clusterentries\":{}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct import_report report;
        struct store *store = NULL;

        assert_int_equal(import_dump(texts[i], strlen(texts[i]), &store, &report), E_INVALID);
        assert_int_equal(report.n_errors, 1);
        import_report_fini(&report);
    }
}

static void test_unfinished_operations_become_work(void **state)
{
    static const char operation[] = "\"" OP "\":{\"Id\":\"" OP "\",\"Timestamp\":1700000000,\"Type\":1,\"Actions\":["
                                    "{\"Change\":1,\"Id\":\"" B "1\",\"Delta\":null},{\"Change\":2,\"Id\":\"" V
                                    "\",\"Delta\":null}],\"Status\":\"stale\"}";
    struct import_report report;
    struct store *store = import(&(struct parts){.volume_pending = OP, .operations = operation}, &report);
    const struct store_operation *op = store_operation(store, id_of(OP));

    (void)state;
    assert_int_equal(op->type, STORE_OP_CREATE_VOLUME);
    assert_int_equal(op->phase, STORE_OP_UNDO);
    assert_true(id_equal(op->target, id_of(V)));
    assert_int_equal(op->created_ms, 1700000000000);
    assert_true(id_equal(store_volume(store, id_of(V))->pending, op->id));
    store_free(store);
    import_report_fini(&report);
}

/* The order that a dump does not tell is learnt from what a node says, if it is about the same bricks. */
static void test_gluster_knows_the_order(void **state)
{
    struct import_report report;
    struct store *store = import(&(struct parts){0}, &report);
    struct exec_gluster_volume there = {.name = (char[]){"v"}};
    struct store_result result;
    struct store_cmd cmd;
    struct id order[2];

    (void)state;
    store_strs_add(&there.bricks, "s2:" PATH D "2/brick_" B "2/brick");
    assert_false(order_differs(store, store_volume(store, id_of(V)), &there, order));
    store_strs_add(&there.bricks, "s2:" PATH D "2/brick_" B "2/brick");
    assert_false(order_differs(store, store_volume(store, id_of(V)), &there, order));
    store_strs_fini(&there.bricks);
    there.bricks = (struct store_strs){.n = 0};
    store_strs_add(&there.bricks, "s2:" PATH D "2/brick_" B "2/brick");
    store_strs_add(&there.bricks, "s1:" PATH D "1/brick_" B "1/brick");
    assert_true(order_differs(store, store_volume(store, id_of(V)), &there, order));
    order_command(store_volume(store, id_of(V)), order, &cmd);
    store_apply(store, 2, &cmd, &result);
    store_cmd_fini(&cmd);
    assert_int_equal(result.code, STORE_OK);
    assert_true(id_equal(store_volume(store, id_of(V))->bricks[0].id, id_of(B "2")));
    assert_false(order_differs(store, store_volume(store, id_of(V)), &there, order));
    store_strs_fini(&there.bricks);
    store_free(store);
    import_report_fini(&report);
}

/* The bricks of a clone are in the pools of those it was made from: a pool is charged once, as Heketi does. */
static void clones(void **state)
{
    static const char volume[] =
        "{\"Info\":{\"size\":1,\"name\":\"copy\",\"durability\":{\"type\":\"none\"},\"snapshot\":{\"enable\":true,"
        "\"factor\":1.5},\"id\":\"e0000000000000000000000000000002\",\"cluster\":\"" C "\",\"clusters\":[\"" C
        "\",\"gone\"]},\"Bricks\":[\"" B "3\"],\"GlusterVolumeOptions\":null,\"Pending\":{\"Id\":\"\"}}";
    static const char brick[] =
        "{\"Info\":{\"id\":\"" B "3\",\"path\":\"/run/gluster/snaps/f0da/brick1/brick\",\"device\":\"" D
        "1\",\"node\":\"" N "1\",\"volume\":\"e0000000000000000000000000000002\",\"size\":1048576},"
        "\"TpSize\":1048576,\"PoolMetadataSize\":8192,\"Pending\":{\"Id\":\"\"},"
        "\"LvmThinPool\":\"tp_f0000000000000000000000000000009\",\"LvmLv\":\"f0da_0\",\"SubType\":1}";
    static const struct parts parts = {.cluster_volumes = "\"" V "\",\"e0000000000000000000000000000002\""};
    CLEANUP(free_ptr) char *plain = make_dump(&parts);
    json_t *root = json_loads(plain, 0, NULL);
    json_t *device = json_object_get(json_object_get(root, "deviceentries"), D "1");
    struct import_report report;
    struct store *store = NULL;
    const struct store_device *first;
    char *dump;

    (void)state;
    assert_int_equal(json_object_set_new(json_object_get(root, "volumeentries"), "e0000000000000000000000000000002",
                                         json_loads(volume, 0, NULL)),
                     0);
    assert_int_equal(json_object_set_new(json_object_get(root, "brickentries"), B "3", json_loads(brick, 0, NULL)), 0);
    assert_int_equal(json_array_append_new(json_object_get(device, "Bricks"), json_string(B "3")), 0);
    dump = json_dumps(root, 0);
    assert_int_equal(import_dump(dump, strlen(dump), &store, &report), 0);
    assert_int_equal(report.n_warnings, 0);
    assert_int_equal(store_counts(store).bricks, 3);
    first = store_device_next(store, NULL);
    assert_int_equal(store_device_used_kib(store, first->id), 1056768);
    assert_int_equal(store_volume_next(store, store_volume_next(store, NULL))->n_clusters, 1);
    store_free(store);
    import_report_fini(&report);
    json_decref(root);
    free(dump);
}

/* Texts that would become words of commands on the nodes. */
static void test_words_of_commands(void **state)
{
    static const struct {
        const char *from, *to, *part;
    } rows[] = {
        {"\"a b\"]", "\"a b\",\"user.a --log-file=/x\"]", "GlusterVolumeOptions: item 3: the word \"--log-file=/x\""},
        {"\"name\":\"v\"", "\"name\":\"-v\"", "\"-v\" is no name of a volume"},
        {"\"m2\"", "\"-m2\"", "\"-m2\" is no name of a host"},
        {"\"s1\"", "\"s1;id\"", "\"s1;id\" is no name of a host"},
        {"/dev/sdb", "--yes", "\"--yes\" is no path of a device"},
        {"tp_f0000000000000000000000000000009", "-tp", "are no names of a thin pool and a logical volume"},
        {"\"LvmLv\":\"\"", "\"LvmLv\":\"a b\"", "are no names of a thin pool and a logical volume"},
        {PATH D "1/", "/var/lib/heketi/mounts/../", "has a part that is empty, \".\" or \"..\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP(free_ptr) char *dump = make_dump(&(struct parts){0});
        CLEANUP(buf_fini) struct buf changed = BUF_INIT;
        const char *at = strstr(dump, rows[i].from);
        struct store *store = NULL;
        struct import_report report;

        assert_non_null(at);
        buf_append(&changed, dump, (size_t)(at - dump));
        buf_append_str(&changed, rows[i].to);
        buf_append_str(&changed, at + strlen(rows[i].from));
        assert_int_equal(import_dump(changed.data, changed.len, &store, &report), E_INVALID);
        if (!told(&report.errors, rows[i].part)) {
            fail_msg("no error with \"%s\", but %s", rows[i].part, report.errors.items[0]);
        }
        import_report_fini(&report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clones),
        cmocka_unit_test(test_everything_keeps_its_name),
        cmocka_unit_test(test_contradictions_are_told),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_dump),
        cmocka_unit_test(test_words_of_commands),
        cmocka_unit_test(test_unfinished_operations_become_work),
        cmocka_unit_test(test_gluster_knows_the_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is on a node, as a conversation: lines, LVM's report, Gluster's answers (recorded ones). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/gluster.h"
#include "store/base/mem.h"
#include "tests/unit/executor/data.h"

#define LVS "  vg_0123|brick_1|tp_1|1073741824\n  system|root||1\n"
#define FILES                                                                                               \
    "group vg_0123\nmount /var/lib/heketi/mounts/vg_0123/brick_1\nfstab /var/lib/heketi/mounts/vg_0123/b\n" \
    "something else\n"

static struct exec_config config;

static void begin(struct step_talk *talk, const struct exec_step *step)
{
    struct err err = ERR_INIT;

    exec_config_init(&config);
    assert_int_equal(step_check(&config, step, &err), 0);
    step_begin(talk, &config, step);
}

/* The output comes in pieces of this size, where it is heard in pieces. */
static size_t piece = 16384;

static void hear(struct step_talk *talk, const char *asked, int status, const char *out)
{
    const struct step_reply reply = {.status = status, .out = out, .out_len = strlen(out), .error = "no"};
    size_t len = strlen(out);

    assert_false(talk->ended);
    if (strstr(buf_str(&talk->script), asked) == NULL) {
        fail_msg("\"%s\" is not asked in\n%s", asked, buf_str(&talk->script));
    }
    for (size_t at = 0; step_in_pieces(talk) && at < len; at += piece) {
        if (!step_piece(talk, out + at, len - at < piece ? len - at : piece)) {
            step_fail(talk, talk->refused.code, false, "%s", talk->refused.message); /* as an executor gives it up */
            return;
        }
    }
    step_hear(talk, &reply);
}

static void list_all(void)
{
    static const struct exec_step step = {.kind = EXEC_INVENTORY, .host = "h", .term = 1};
    CLEANUP(free_ptr) char *volumes = data_read("info-rep.xml");
    CLEANUP(free_ptr) char *peers = data_read("peer-status.xml");
    const struct exec_inventory *inventory;
    struct step_talk talk;

    begin(&talk, &step);
    hear(&talk, "/proc/self/mounts", 0, FILES);
    hear(&talk, "lvs --noheadings", 0, LVS);
    hear(&talk, "info", 0, volumes);
    hear(&talk, "peer", 0, peers);
    assert_true(talk.ended);
    assert_int_equal(talk.result.code, E_OK);
    inventory = talk.result.inventory;
    assert_int_equal(inventory->groups.n, 1);
    assert_string_equal(inventory->mounts.items[0], "/var/lib/heketi/mounts/vg_0123/brick_1");
    assert_int_equal(inventory->fstab.n, 1);
    assert_int_equal(inventory->n_lvs, 1); /* only groups of ours */
    assert_string_equal(inventory->lvs[0].pool, "tp_1");
    assert_int_equal(inventory->lvs[0].kib, 1048576);
    assert_string_equal(inventory->volumes[0].name, "rep");
    assert_true(inventory->volumes[0].started);
    assert_int_equal(inventory->volumes[0].bricks.n, 3);
    assert_true(inventory->peers_known);
    assert_int_equal(inventory->n_peers, 2);
    step_fini(&talk);
}

static void test_all_is_listed(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 100, 16384};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        piece = sizes[i];
        list_all();
    }
}

/* ---- large pools ---- */

/* What Gluster says of a volume of three bricks is some 2.6 KB. pad: so many zeros more in a brick's name. */
static void put_volume(struct buf *xml, int number, int pad)
{
    buf_printf(xml,
               "<volume><name>vol_%032d</name><id>6cf31d4f-ba2c-4ab6-8e5a-%012d</id><status>1</status>"
               "<statusStr>Started</statusStr><bricks>",
               number, number);
    for (int i = 1; i <= 3; i++) {
        buf_printf(xml,
                   "<brick uuid=\"%036d\">198.18.0.%d:/var/lib/heketi/mounts/vg_%032d/brick_%032d/brick<name>"
                   "198.18.0.%d:/var/lib/heketi/mounts/vg_%032d/brick_%0*d/brick</name>"
                   "<hostUuid>%036d</hostUuid><isArbiter>0</isArbiter></brick>",
                   i, i, i, number, i, i, 32 + pad, number, i);
    }
    buf_append_str(xml, "</bricks><optCount>12</optCount><options>");
    for (int i = 0; i < 12; i++) {
        buf_printf(xml, "<option><name>cluster.some-option-number-%d</name><value>enable</value></option>", i);
    }
    buf_append_str(xml, "</options></volume>\n");
}

static void hear_pieces(struct step_talk *talk, const struct buf *part, bool *ok)
{
    for (size_t at = 0; *ok && at < part->len; at += piece) {
        *ok = step_piece(talk, part->data + at, part->len - at < piece ? part->len - at : piece);
    }
}

/* Plays an inventory up to Gluster's volumes, of which there are so many. Returns false when it was given up. */
static bool list_volumes(struct step_talk *talk, int n, int pad)
{
    static const struct exec_step step = {.kind = EXEC_INVENTORY, .host = "h", .term = 1};
    const struct step_reply reply = {.status = 0, .out = "<cliOutput>", .out_len = 11, .error = ""};
    CLEANUP(buf_fini) struct buf part = BUF_INIT;
    size_t sent = 0;
    bool ok = true;

    piece = 16384;
    begin(talk, &step);
    hear(talk, "", 0, FILES);
    hear(talk, "", 0, LVS);
    buf_append_str(&part, "<?xml version=\"1.0\"?><cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volInfo>"
                          "<volumes>");
    for (int i = 0; ok && i < n; i++) {
        put_volume(&part, i, pad);
        sent += part.len;
        hear_pieces(talk, &part, &ok);
        buf_clear(&part);
    }
    buf_append_str(&part, "</volumes></volInfo></cliOutput>");
    hear_pieces(talk, &part, &ok);
    if (ok) {
        assert_true(n < 1000 || sent > (size_t)n * 2000);
        step_hear(talk, &reply);
    }
    return ok;
}

static void test_a_pool_of_30000_volumes(void **state)
{
    CLEANUP(free_ptr) char *peers = data_read("peer-status.xml");
    const struct exec_inventory *inventory;
    struct step_talk talk;

    (void)state;
    assert_true(list_volumes(&talk, 30000, 0));
    hear(&talk, "peer", 0, peers);
    assert_int_equal(talk.result.code, E_OK);
    inventory = talk.result.inventory;
    assert_int_equal(inventory->n_volumes, 30000);
    assert_int_equal(inventory->volumes[29999].bricks.n, 3);
    assert_true(inventory->bytes > 30000 * 300 && inventory->bytes < 30000 * 800); /* of 78 MB that came */
    step_fini(&talk);
}

/* Lists without an end take only so much memory. */
static void test_too_much_is_given_up(void **state)
{
    static const struct exec_step step = {.kind = EXEC_INVENTORY, .host = "h", .term = 1};
    struct step_talk talk;

    (void)state;
    assert_false(list_volumes(&talk, 10000, 12000));
    assert_non_null(strstr(talk.refused.message, "to keep of it"));
    assert_true(talk.result.inventory->bytes < EXEC_INVENTORY_BYTES_MAX);
    step_fini(&talk);
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(buf_fini) struct buf many = BUF_INIT;
        bool ok = true;

        while (many.len < 1 << 20) {
            if (i == 0) {
                buf_printf(&many, "mount /var/lib/heketi/mounts/%04000d\n", 1);
            } else {
                buf_append_char(&many, 'x');
            }
        }
        begin(&talk, &step);
        for (int mib = 0; ok && mib < 1000; mib++) {
            hear_pieces(&talk, &many, &ok);
        }
        assert_false(ok);
        assert_non_null(strstr(talk.refused.message, i == 0 ? "more to list" : "line of more"));
        step_fini(&talk);
    }
}

/* Short ones as well, of each kind. */
static void test_too_many_are_given_up(void **state)
{
    static const struct exec_step step = {.kind = EXEC_INVENTORY, .host = "h", .term = 1};
    static const char *const lines[] = {"group v\n", "mount /\n", "fstab /\n", "vg_|a||1\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        CLEANUP(buf_fini) struct buf many = BUF_INIT;
        struct step_talk talk;
        bool ok = true;

        while (many.len < 65536) {
            buf_append_str(&many, lines[i]);
        }
        begin(&talk, &step);
        if (i == 3) {
            hear(&talk, "", 0, FILES);
        }
        for (int n = 0; ok && n < 100; n++) {
            hear_pieces(&talk, &many, &ok);
        }
        assert_false(ok);
        assert_string_equal(talk.refused.message,
                            "the node has more to list than can be looked at (524288 of one kind)");
        step_fini(&talk);
    }
}

/* What LVM says of a device is short. */
static void test_a_device_of_garbage(void **state)
{
    static char name[] = "/dev/sdb";
    static const struct store_device device = {.name = name};
    static const struct exec_step step = {.kind = EXEC_DEVICE_LOOK, .host = "h", .term = 1, .device = &device};
    CLEANUP(buf_fini) struct buf many = BUF_INIT;
    struct step_talk talk;

    (void)state;
    buf_append_str(&many, "hecate: lvm\n{\"a\":[[]");
    while (many.len < 1 << 20) {
        buf_append_str(&many, ",[]");
    }
    buf_append_str(&many, "]}");
    begin(&talk, &step);
    hear(&talk, "", 0, buf_str(&many));
    assert_int_equal(talk.result.code, E_REMOTE);
    assert_int_equal(talk.result.cause, EXEC_CAUSE_GARBAGE);
    step_fini(&talk);
}

/* Why Gluster gives no XML stands before it, or in its place. */
static void test_plain_words(void **state)
{
    static const struct exec_step step = {.kind = EXEC_INVENTORY, .host = "h", .term = 1};
    struct step_talk talk;

    (void)state;
    begin(&talk, &step);
    hear(&talk, "", 0, FILES);
    hear(&talk, "", 0, LVS);
    hear(&talk, "", 1, "Connection failed. Please check if gluster daemon is operational.\n");
    assert_string_equal(talk.result.message, "Connection failed. Please check if gluster daemon is operational.");
    step_fini(&talk);
}

/* Gluster is asked for its snapshots when there is an LV that it made for one. */
static void test_snapshots(void **state)
{
    static const struct exec_step step = {.kind = EXEC_INVENTORY, .host = "h", .term = 1};
    static const char lvs[] = "  vg_0|faf4e3ebd3df43e0bd5a6376231352f7_0|tp_1|1073741824\n";
    static const char *const files[] = {"snap-info-one.xml", "snap-info-absent.xml"};
    CLEANUP(free_ptr) char *volumes = data_read("info-rep.xml");
    CLEANUP(free_ptr) char *peers = data_read("peer-status.xml");

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(free_ptr) char *snapshots = data_read(files[i]);
        struct step_talk talk;

        begin(&talk, &step);
        hear(&talk, "/proc/self/mounts", 0, FILES);
        hear(&talk, "lvs --noheadings", 0, lvs);
        hear(&talk, "volume", 0, volumes);
        hear(&talk, "snapshot", 0, snapshots);
        hear(&talk, "peer", 0, peers);
        assert_true(talk.ended);
        assert_int_equal(talk.result.code, E_OK);
        assert_true(talk.result.inventory->snapshots_known);
        assert_int_equal(talk.result.inventory->snapshots.n, i == 0 ? 1 : 0);
        if (i == 0) {
            assert_string_equal(talk.result.inventory->snapshots.items[0], "faf4e3ebd3df43e0bd5a6376231352f7");
        }
        step_fini(&talk);
    }
    for (int garbage = 0; garbage < 2; garbage++) {
        struct step_talk talk;

        begin(&talk, &step);
        hear(&talk, "", 0, FILES);
        hear(&talk, "", 0, lvs);
        hear(&talk, "", 0, volumes);
        hear(&talk, "snapshot", garbage ? 0 : SCRIPT_FENCED, garbage ? "<x" : "");
        assert_true(talk.ended);
        assert_int_not_equal(talk.result.code, E_OK);
        step_fini(&talk);
    }
}

static void test_each_answer_can_fail(void **state)
{
    static const struct exec_step step = {.kind = EXEC_INVENTORY, .host = "h", .term = 1};
    CLEANUP(free_ptr) char *volumes = data_read("info-rep.xml");

    (void)state;
    for (int bad = 0; bad < 4; bad++) {
        for (int garbage = 0; garbage < 2; garbage++) {
            const char *const answers[] = {FILES, LVS, volumes};
            struct step_talk talk;

            if (bad == 0 && garbage) {
                continue; /* lines that are not known are skipped */
            }
            begin(&talk, &step);
            for (int i = 0; i < bad; i++) {
                hear(&talk, "", 0, answers[i]);
            }
            hear(&talk, "", garbage ? 0 : SCRIPT_FENCED, garbage ? "{<x\n" : "");
            assert_true(talk.ended);
            assert_int_not_equal(talk.result.code, E_OK);
            step_fini(&talk);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_listed),
        cmocka_unit_test(test_a_pool_of_30000_volumes),
        cmocka_unit_test(test_too_much_is_given_up),
        cmocka_unit_test(test_too_many_are_given_up),
        cmocka_unit_test(test_a_device_of_garbage),
        cmocka_unit_test(test_plain_words),
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_each_answer_can_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

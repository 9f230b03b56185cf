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

#define LVS                                                                                                       \
    "{\"report\":[{\"lv\":["                                                                                      \
    "{\"vg_name\":\"vg_0123\",\"lv_name\":\"brick_1\",\"pool_lv\":\"tp_1\",\"origin\":\"\",\"lv_tags\":\"\","     \
    "\"lv_size\":\"1073741824\"},"                                                                                \
    "{\"vg_name\":\"system\",\"lv_name\":\"root\",\"pool_lv\":\"\",\"origin\":\"\",\"lv_tags\":\"\",\"lv_size\":" \
    "\"1\"}"                                                                                                      \
    "]}]}"
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

static void hear(struct step_talk *talk, const char *asked, int status, const char *out)
{
    const struct step_reply reply = {.status = status, .out = out, .out_len = strlen(out), .error = "no"};

    assert_false(talk->ended);
    if (strstr(buf_str(&talk->script), asked) == NULL) {
        fail_msg("\"%s\" is not asked in\n%s", asked, buf_str(&talk->script));
    }
    step_hear(talk, &reply);
}

static void test_all_is_listed(void **state)
{
    static const struct exec_step step = {.kind = EXEC_INVENTORY, .host = "h", .term = 1};
    CLEANUP(free_ptr) char *volumes = data_read("info-rep.xml");
    CLEANUP(free_ptr) char *peers = data_read("peer-status.xml");
    const struct exec_inventory *inventory;
    struct step_talk talk;

    (void)state;
    begin(&talk, &step);
    hear(&talk, "/proc/self/mounts", 0, FILES);
    hear(&talk, "lvs --reportformat json", 0, LVS);
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

/* Gluster is asked for its snapshots when there is an LV that it made for one. */
static void test_snapshots(void **state)
{
    static const struct exec_step step = {.kind = EXEC_INVENTORY, .host = "h", .term = 1};
    static const char lvs[] = "{\"report\":[{\"lv\":[{\"vg_name\":\"vg_0\",\"lv_name\":"
                              "\"faf4e3ebd3df43e0bd5a6376231352f7_0\",\"pool_lv\":\"tp_1\",\"origin\":\"brick_1\","
                              "\"lv_tags\":\"\",\"lv_size\":\"1073741824\"}]}]}";
    static const char *const files[] = {"snap-info-one.xml", "snap-info-absent.xml"};
    CLEANUP(free_ptr) char *volumes = data_read("info-rep.xml");
    CLEANUP(free_ptr) char *peers = data_read("peer-status.xml");

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(free_ptr) char *snapshots = data_read(files[i]);
        struct step_talk talk;

        begin(&talk, &step);
        hear(&talk, "/proc/self/mounts", 0, FILES);
        hear(&talk, "lvs --reportformat json", 0, lvs);
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
            hear(&talk, "", garbage ? 0 : SCRIPT_FENCED, garbage ? "{<x" : "");
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
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_each_answer_can_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Block volumes' operations, step by step: where they run, who exports, what a failure of each step leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/operations/play.h"

#define MINUTE UINT64_C(60000)
#define FOREVER UINT64_C(36000000)

/* The trace with the nodes' numbers left out: where gluster-block runs is another matter. */
static const char *steps_of(struct play *play)
{
    static char text[8192];
    const char *trace = play_trace(play);
    char *out = text;

    for (; *trace != '\0'; trace++) {
        if (*trace == '@') {
            trace++;
            continue;
        }
        *out++ = *trace;
    }
    *out = '\0';
    return text;
}

static const struct store_job *job_of(const struct play *play, struct id op_id)
{
    const struct store_job *job = store_job(play->world.store, op_id);

    assert_non_null(job);
    return job;
}

static struct id set_up(struct play *play, size_t n_nodes)
{
    play_init(play, n_nodes);
    return world_hosting(&play->world, 100, "hv");
}

static struct id begin_create(struct play *play, uint32_t ha_count)
{
    struct store_request request;

    world_block_request(&request, 10, "lun");
    request.block_volume.ha_count = ha_count;
    assert_int_equal(world_request(&play->world, &request), STORE_OK);
    play_begin(play, play->world.result.op_id);
    return play->world.result.id;
}

static void set_up_auto(struct play *play, size_t n_nodes)
{
    play_init(play, n_nodes);
    play->world.env.block_auto = true;
    play->world.env.block_size_gib = 100;
}

static void test_create(void **state)
{
    struct play play;
    struct id block, op_id;

    (void)state;
    (void)set_up(&play, 3);
    block = begin_create(&play, 0);
    op_id = play.engine.op_id;
    assert_true(play_run(&play, MINUTE));
    assert_string_equal(steps_of(&play), "block-create brick-sync brick-sync brick-sync done");
    assert_string_equal(store_block_volume(play.world.store, block)->iqn, "iqn.x");
    assert_int_equal(store_block_volume(play.world.store, block)->hosts.n, 3); /* all of the cluster */
    assert_int_equal(store_block_volume(play.world.store, block)->ha_count, 3);
    assert_false(job_of(&play, op_id)->failed);
    play_fini(&play);
}

/* Nobody waits for a brick of the hosting volume whose node is silent, known or not. */
static void test_sync_waits_for_nobody(void **state)
{
    struct play play;
    struct id block;
    uint64_t begin_ms;

    (void)state;
    for (int known = 0; known < 2; known++) {
        (void)set_up(&play, 3);
        block = begin_create(&play, 0);
        play.down[1] = known == 1;
        play_order(&play, EXEC_BRICK_SYNC, 1, 0, E_CONNECT, false);
        begin_ms = play.now_ms;
        assert_true(play_run(&play, MINUTE));
        assert_int_equal(play.now_ms, begin_ms);
        assert_string_equal(steps_of(&play), known == 1 ? "block-create brick-sync brick-sync done"
                                                        : "block-create brick-sync brick-sync brick-sync done");
        assert_non_null(store_block_volume(play.world.store, block));
        play_fini(&play);
    }
}

/* As many hosts as asked, all different, and only such as are up; more than there are: all. */
static void test_hosts(void **state)
{
    (void)state;
    for (uint32_t ha_count = 1; ha_count <= 6; ha_count++) {
        struct play play;
        const struct store_block_volume *block;
        uint32_t expected = ha_count > 4 ? 5 : ha_count;

        (void)set_up(&play, 5);
        play.down[2] = true;
        if (ha_count == 5) { /* as many as there are, and one is down */
            play_fini(&play);
            continue;
        }
        block = store_block_volume(play.world.store, begin_create(&play, ha_count));
        assert_true(play_run(&play, MINUTE));
        block = store_block_volume(play.world.store, block->id);
        assert_int_equal(block->hosts.n, expected);
        assert_int_equal(block->ha_count, expected);
        for (size_t i = 0; i < block->hosts.n; i++) {
            const char *down = store_node(play.world.store, play.nodes[2])->storage.items[0];

            assert_true(ha_count > 5 || strcmp(block->hosts.items[i], down) != 0);
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(block->hosts.items[i], block->hosts.items[j]);
            }
        }
        play_fini(&play);
    }
}

/* Another try exports elsewhere, by and by. */
static void test_hosts_change(void **state)
{
    struct play play;
    struct engine_action action;
    bool changed = false;
    struct id first = ID_NONE;

    (void)state;
    (void)set_up(&play, 5);
    (void)begin_create(&play, 1);
    for (int i = 0; i < 3; i++) {
        assert_true(play_next(&play, &action));
        assert_int_equal(action.kind, ENGINE_RUN);
        assert_int_equal(play.engine.steps[action.step].n_hosts, 1);
        changed = changed || (i > 0 && !id_equal(first, play.engine.steps[action.step].hosts[0]));
        first = i == 0 ? play.engine.steps[action.step].hosts[0] : first;
        play_answer(&play, action.step, E_CONNECT, false);
        play.now_ms += MINUTE;
    }
    assert_true(changed);
    play_fini(&play);
}

static void test_too_few_hosts(void **state)
{
    struct play play;
    struct id block, op_id;

    (void)state;
    (void)set_up(&play, 3);
    play.down[1] = true;
    block = begin_create(&play, 3);
    op_id = play.engine.op_id;
    assert_true(play_run(&play, MINUTE));
    assert_string_equal(steps_of(&play), "undo block-delete failed");
    assert_string_equal(job_of(&play, op_id)->error, "insufficient block hosts online");
    assert_null(store_block_volume(play.world.store, block));
    play_fini(&play);
}

static void test_create_refused(void **state)
{
    struct play play;
    struct id hosting, op_id;

    (void)state;
    hosting = set_up(&play, 3);
    (void)begin_create(&play, 0);
    op_id = play.engine.op_id;
    play_order(&play, EXEC_BLOCK_CREATE, -1, 0, E_REMOTE, false);
    assert_true(play_run(&play, MINUTE));
    assert_string_equal(steps_of(&play), "block-create block-create undo block-delete failed");
    assert_true(job_of(&play, op_id)->failed);
    assert_int_equal(store_volume_free_gib(play.world.store, hosting), 98);
    assert_non_null(store_volume(play.world.store, hosting));
    play_fini(&play);
}

static void test_create_with_hosting(void **state)
{
    struct play play;
    struct id block;
    const struct store_volume *volume;

    (void)state;
    set_up_auto(&play, 3);
    block = begin_create(&play, 0);
    assert_true(play_run(&play, MINUTE));
    assert_string_equal(steps_of(&play), "brick-create brick-create brick-create volume-create brick-sync brick-sync "
                                         "brick-sync block-create brick-sync brick-sync brick-sync done");
    volume = store_volume(play.world.store, store_block_volume(play.world.store, block)->hosting);
    assert_true(id_is_none(volume->pending));
    assert_int_equal(store_volume_free_gib(play.world.store, volume->id), 88);
    play_fini(&play);
}

/* All is taken back: the block volume first, then what it was on. */
static void test_create_with_hosting_refused(void **state)
{
    struct play play;
    struct id block, hosting;

    (void)state;
    set_up_auto(&play, 3);
    block = begin_create(&play, 0);
    hosting = store_block_volume(play.world.store, block)->hosting;
    play_order(&play, EXEC_BLOCK_CREATE, -1, 0, E_REMOTE, true);
    assert_true(play_run(&play, MINUTE));
    assert_string_equal(
        steps_of(&play),
        "brick-create brick-create brick-create volume-create brick-sync brick-sync brick-sync "
        "block-create undo block-delete volume-delete brick-destroy brick-destroy brick-destroy failed");
    assert_null(store_volume(play.world.store, hosting));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(store_device_used_kib(play.world.store, play.devices[i]), 0);
    }
    play_fini(&play);
}

/* A node that cannot make its brick: another one does, and what the first attempt left is cleaned up. */
static void test_create_with_hosting_replanned(void **state)
{
    struct play play;
    struct id block;
    int failing;

    (void)state;
    set_up_auto(&play, 4);
    block = begin_create(&play, 0);
    failing = play_index(&play, play.engine.steps[0].node);
    play_order(&play, EXEC_BRICK_CREATE, failing, 0, E_REMOTE, true);
    assert_true(play_run(&play, MINUTE));
    assert_string_equal(steps_of(&play), "brick-create replan volume-delete brick-create "
                                         "brick-create brick-create volume-create brick-sync brick-sync brick-sync "
                                         "block-create brick-sync brick-sync brick-sync done+leave");
    assert_int_equal(store_operation(play.world.store, play.follow_id)->n_abandoned, 3);
    assert_true(id_equal(store_operation(play.world.store, play.follow_id)->target,
                         store_block_volume(play.world.store, block)->hosting));
    play_begin(&play, play.follow_id);
    assert_true(play_run(&play, MINUTE));
    assert_string_equal(steps_of(&play), "brick-destroy brick-destroy brick-destroy done");
    play_fini(&play);
}

/* In UNDO a refusal for good (gluster-block is not installed) counts only when every node has given it. */
static void test_undo_asks_everybody(void **state)
{
    struct play play;

    (void)state;
    (void)set_up(&play, 3);
    (void)begin_create(&play, 0);
    play_order(&play, EXEC_BLOCK_CREATE, -1, 0, E_REMOTE, true);
    play_order(&play, EXEC_BLOCK_DELETE, -1, 0, E_REMOTE, true);
    assert_true(play_run(&play, 10 * MINUTE));
    assert_string_equal(steps_of(&play), "block-create undo block-delete block-delete park block-delete failed");
    play_fini(&play);
}

/* Any other failure in UNDO is waited out. */
static void test_undo_waits(void **state)
{
    struct play play;

    (void)state;
    (void)set_up(&play, 3);
    (void)begin_create(&play, 0);
    play_order(&play, EXEC_BLOCK_CREATE, -1, 0, E_REMOTE, true);
    play_order(&play, EXEC_BLOCK_DELETE, -1, 6, E_REMOTE, false);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(steps_of(&play), "block-create undo block-delete block-delete park block-delete block-delete "
                                         "block-delete block-delete block-delete failed");
    play_fini(&play);
}

static void test_delete(void **state)
{
    struct play play;
    struct id block;

    (void)state;
    (void)set_up(&play, 3);
    block = world_block(&play.world, 10, "lun");
    assert_int_equal(world_target(&play.world, STORE_REQ_BLOCK_DELETE, block), STORE_OK);
    play_begin(&play, play.world.result.op_id);
    play_order(&play, EXEC_BLOCK_DELETE, -1, 6, E_CONNECT, false); /* silence is waited out */
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(steps_of(&play), "block-delete block-delete park block-delete block-delete block-delete "
                                         "block-delete block-delete brick-sync brick-sync brick-sync done");
    assert_null(store_block_volume(play.world.store, block));
    play_fini(&play);
}

static void test_delete_refused(void **state)
{
    struct play play;
    struct id block, op_id;

    (void)state;
    (void)set_up(&play, 3);
    block = world_block(&play.world, 10, "lun");
    assert_int_equal(world_target(&play.world, STORE_REQ_BLOCK_DELETE, block), STORE_OK);
    op_id = play.world.result.op_id;
    play_begin(&play, op_id);
    play_order(&play, EXEC_BLOCK_DELETE, -1, 0, E_REMOTE, false);
    assert_true(play_run(&play, MINUTE));
    assert_string_equal(steps_of(&play), "block-delete block-delete failed");
    assert_true(job_of(&play, op_id)->failed);
    assert_true(id_is_none(store_block_volume(play.world.store, block)->pending));
    play_fini(&play);
}

static struct id begin_expand(struct play *play, uint32_t new_gib)
{
    struct id block = world_block(&play->world, 10, "lun");

    assert_int_equal(world_expand_block(&play->world, block, new_gib), STORE_OK);
    play_begin(play, play->world.result.op_id);
    return block;
}

static void test_expand(void **state)
{
    struct play play;
    struct id block;

    (void)state;
    (void)set_up(&play, 3);
    block = begin_expand(&play, 20);
    play_order(&play, EXEC_BLOCK_EXPAND, -1, 5, E_TIMEOUT, false); /* each try looks what the one before has done */
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(steps_of(&play), "block-expand block-expand park block-expand block-expand block-expand "
                                         "block-expand brick-sync brick-sync brick-sync done");
    assert_int_equal(store_block_volume(play.world.store, block)->size_gib, 20);
    play_fini(&play);
}

/* A refusal: what has become of it is asked, and recorded. */
static void test_expand_refused(void **state)
{
    static const struct {
        uint32_t size_gib, usable_gib, expected_gib, expected_usable_gib;
    } cases[] = {{10, 10, 10, 10}, {20, 10, 20, 10}, {20, 20, 20, 20}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct play play;
        struct id block, op_id;

        (void)set_up(&play, 3);
        block = begin_expand(&play, 20);
        op_id = play.engine.op_id;
        play.block =
            (struct exec_block_info){.present = true, .size_gib = cases[i].size_gib, .usable_gib = cases[i].usable_gib};
        play_order(&play, EXEC_BLOCK_EXPAND, -1, 0, E_REMOTE, false);
        play_order(&play, EXEC_BLOCK_LOOK, -1, 1, E_CONNECT, false);
        assert_true(play_run(&play, MINUTE));
        assert_string_equal(steps_of(&play), "block-expand block-expand undo block-look block-look failed");
        assert_true(job_of(&play, op_id)->failed);
        assert_int_equal(store_block_volume(play.world.store, block)->size_gib, cases[i].expected_gib);
        assert_int_equal(store_block_volume(play.world.store, block)->usable_gib, cases[i].expected_usable_gib);
        play_fini(&play);
    }
}

/* It is not there at all: the books stay as they are. */
static void test_expand_of_nothing(void **state)
{
    struct play play;
    struct id block;

    (void)state;
    (void)set_up(&play, 3);
    block = begin_expand(&play, 20);
    play_order(&play, EXEC_BLOCK_EXPAND, -1, 0, E_REMOTE, true);
    assert_true(play_run(&play, MINUTE));
    assert_string_equal(steps_of(&play), "block-expand undo block-look failed");
    assert_int_equal(store_block_volume(play.world.store, block)->size_gib, 10);
    play_fini(&play);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_sync_waits_for_nobody),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_hosts_change),
        cmocka_unit_test(test_too_few_hosts),
        cmocka_unit_test(test_create_refused),
        cmocka_unit_test(test_create_with_hosting),
        cmocka_unit_test(test_create_with_hosting_refused),
        cmocka_unit_test(test_create_with_hosting_replanned),
        cmocka_unit_test(test_undo_asks_everybody),
        cmocka_unit_test(test_undo_waits),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_delete_refused),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_expand_refused),
        cmocka_unit_test(test_expand_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

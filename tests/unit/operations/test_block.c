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
    assert_string_equal(steps_of(&play), "block-create block-look brick-sync brick-sync brick-sync done");
    assert_string_equal(store_block_volume(play.world.store, block)->iqn, "iqn.x");
    assert_int_equal(store_block_volume(play.world.store, block)->hosts.n, 3); /* all of the cluster */
    assert_int_equal(store_block_volume(play.world.store, block)->ha_count, 3);
    assert_false(job_of(&play, op_id)->failed);
    play_fini(&play);
}

static struct id hung;

static bool has_hung(void *user, struct id node)
{
    (void)user;
    return id_equal(node, hung);
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
        assert_string_equal(steps_of(&play), known == 1
                                                 ? "block-create block-look brick-sync brick-sync done"
                                                 : "block-create block-look brick-sync brick-sync brick-sync done");
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
    assert_string_equal(steps_of(&play), "undo block-delete block-delete failed");
    assert_string_equal(job_of(&play, op_id)->error, "insufficient block hosts online");
    assert_null(store_block_volume(play.world.store, block));
    play_fini(&play);
}

/* ---- one node lies about what it makes ---- */

#define STEPS_MAX 400

struct truth {
    struct exec_block_info block; /* present: an honest node has made it */
    struct store_strs hosts;
};

/* What is said of it: what there is, or by the one that lies that it is elsewhere. */
static void tell(struct play *play, size_t at, struct truth *truth, bool lies, bool denies)
{
    const struct engine_step *step = &play->engine.steps[at];
    struct exec_result result = {.code = 0};

    if (step->kind == EXEC_BLOCK_CREATE && !lies && !truth->block.present) {
        truth->block.present = true;
        truth->block.size_gib = truth->block.usable_gib = 10;
        (void)snprintf(truth->block.iqn, sizeof(truth->block.iqn), "iqn.true");
        for (size_t i = 0; i < step->n_hosts; i++) {
            store_strs_add(&truth->hosts, store_node(play->world.store, step->hosts[i])->storage.items[0]);
        }
        truth->block.hosts = truth->hosts;
    }
    result.block = truth->block;
    if (lies) { /* by the same hosts, and more */
        result.block.present = step->kind == EXEC_BLOCK_CREATE || !denies;
        result.block.size_gib = result.block.usable_gib = 10;
        (void)snprintf(result.block.iqn, sizeof(result.block.iqn), "iqn.lie");
    }
    engine_result(&play->engine, at, &result, play->now_ms);
}

/* True: made as it is. down: a node that is known to be, or -1. */
static bool run_lying_create(size_t n_nodes, int liar, int down, bool denies, bool *ret_lied)
{
    const struct store_block_volume *block;
    struct engine_action action;
    struct truth truth = {0};
    struct play play;
    struct id id;
    bool made;

    (void)set_up(&play, n_nodes);
    if (down >= 0) {
        play.down[down] = true;
    }
    id = begin_create(&play, 2);
    for (int i = 0; i < STEPS_MAX && !play.engine.done; i++) {
        if (!play_next(&play, &action)) {
            assert_true(action.wait_ms != UINT64_MAX);
            play.now_ms = action.wait_ms;
        } else if (action.kind == ENGINE_RUN) {
            const struct engine_step *step = &play.engine.steps[action.step];
            bool lies = play_index(&play, step->node) == liar;

            *ret_lied = *ret_lied || (lies && step->kind == EXEC_BLOCK_CREATE);
            if (step->kind == EXEC_BLOCK_CREATE || step->kind == EXEC_BLOCK_LOOK) {
                tell(&play, action.step, &truth, lies, denies);
            } else {
                play_answer(&play, action.step, 0, false);
            }
        }
    }
    if (!play.engine.done) {
        fail_msg("%zu nodes, %d lies: does not end: %s", n_nodes, liar, play_trace(&play));
    }
    block = store_block_volume(play.world.store, id);
    made = block != NULL;
    if (made) {
        assert_string_equal(block->iqn, "iqn.true");
        assert_int_equal(block->hosts.n, 2);
    }
    store_strs_fini(&truth.hosts);
    play_fini(&play);
    return made;
}

/* It is given to the client as two nodes know it. Of two nodes that differ, where no third one is up, neither is
 * believed. */
static void test_made_by_one_word(void **state)
{
    (void)state;
    for (size_t n_nodes = 3; n_nodes <= 6; n_nodes++) {
        bool lied = false;

        for (int i = 0; i < 2 * (int)n_nodes; i++) {
            int liar = i / 2, down = (liar + 1) % (int)n_nodes;
            bool denies = i % 2 == 1;

            assert_true(run_lying_create(n_nodes, liar, -1, denies, &lied));
            assert_int_equal(run_lying_create(n_nodes, liar, down, denies, &lied), n_nodes > 3);
        }
        assert_true(lied);
    }
}

/* Nobody else answers: a client that asks again later is better off than with a volume that one node alone knows. */
static void test_no_second_answers(void **state)
{
    struct play play;
    struct id block, op_id;

    (void)state;
    (void)set_up(&play, 3);
    block = begin_create(&play, 0);
    op_id = play.engine.op_id;
    play_order(&play, EXEC_BLOCK_LOOK, -1, 0, E_CONNECT, false);
    assert_true(play_run(&play, MINUTE));
    assert_string_equal(
        steps_of(&play),
        "block-create block-look block-look block-look block-look undo block-delete block-delete failed");
    assert_non_null(strstr(job_of(&play, op_id)->error, "a second node has to say so, too: "));
    assert_null(store_block_volume(play.world.store, block));
    play_fini(&play);
}

/* On its own a node is believed where gluster-block is on no other one, and no other one exports it. */
static void test_made_where_it_is_installed(void **state)
{
    (void)state;
    for (uint32_t ha_count = 1; ha_count <= 3; ha_count++) {
        struct play play;
        struct id block;

        (void)set_up(&play, 3);
        block = begin_create(&play, ha_count);
        play_order(&play, EXEC_BLOCK_LOOK, -1, 0, E_REMOTE, true);
        assert_true(play_run(&play, MINUTE));
        assert_string_equal(steps_of(&play),
                            ha_count == 1 ? "block-create block-look block-look brick-sync brick-sync "
                                            "brick-sync done"
                                          : "block-create block-look block-look undo block-delete block-delete failed");
        assert_int_equal(store_block_volume(play.world.store, block) != NULL, ha_count == 1);
        play_fini(&play);
    }
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
    assert_string_equal(steps_of(&play), "block-create block-create undo block-delete block-delete failed");
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
    assert_string_equal(steps_of(&play),
                        "brick-create brick-create brick-create volume-create brick-sync brick-sync "
                        "brick-sync volume-check block-create block-look brick-sync brick-sync brick-sync done");
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
    assert_string_equal(steps_of(&play),
                        "brick-create brick-create brick-create volume-create brick-sync brick-sync brick-sync "
                        "volume-check block-create block-create undo block-delete block-delete volume-delete "
                        "brick-destroy brick-destroy "
                        "brick-destroy failed");
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
    assert_string_equal(steps_of(&play),
                        "brick-create replan volume-delete brick-create "
                        "brick-create brick-create volume-create brick-sync brick-sync brick-sync "
                        "volume-check block-create block-look brick-sync brick-sync brick-sync done+leave");
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
    assert_string_equal(
        steps_of(&play),
        "block-create block-create undo block-delete block-delete park block-delete block-delete block-delete failed");
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
    assert_string_equal(steps_of(&play),
                        "block-create block-create undo block-delete block-delete park block-delete block-delete "
                        "block-delete block-delete block-delete block-delete failed");
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
                                         "block-delete block-delete block-delete brick-sync brick-sync brick-sync "
                                         "done");
    assert_null(store_block_volume(play.world.store, block));
    play_fini(&play);
}

static struct id begin_delete(struct play *play, size_t n_nodes)
{
    struct id block;

    (void)set_up(play, n_nodes);
    block = world_block(&play->world, 10, "lun");
    assert_int_equal(world_target(&play->world, STORE_REQ_BLOCK_DELETE, block), STORE_OK);
    play_begin(play, play->world.result.op_id);
    return block;
}

/* One node says that it is deleted, or was never there: another one has to say so before its name is free. */
static void test_deleted_by_one_word(void **state)
{
    (void)state;
    for (int liar = 0; liar < 3; liar++) {
        struct play play;
        struct id block = begin_delete(&play, 3);

        for (int node = 0; node < 3; node++) {
            if (node != liar) {
                play_order(&play, EXEC_BLOCK_DELETE, node, 0, E_TIMEOUT, false);
            }
        }
        assert_false(play_run(&play, 10 * MINUTE));
        assert_non_null(store_block_volume(play.world.store, block));
        assert_non_null(strstr(store_operation(play.world.store, play.engine.op_id)->parked[0].text,
                               "a second node has to say so, too: "));
        play.n_orders = 0;
        assert_true(play_run(&play, FOREVER));
        assert_null(store_block_volume(play.world.store, block));
        play_fini(&play);
    }
}

/* Where gluster-block is not installed nobody can say so. All of the others are asked, also one that is silent. */
static void test_deleted_where_it_is_installed(void **state)
{
    (void)state;
    for (int installed = 0; installed < 3; installed++) {
        struct play play;
        struct id block = begin_delete(&play, 3);
        int silent = (installed + 1) % 3;

        play.down[silent] = true;
        for (int node = 0; node < 3; node++) {
            if (node != installed) {
                play_order(&play, EXEC_BLOCK_DELETE, node, 0, node == silent ? E_CONNECT : E_REMOTE, node != silent);
            }
        }
        assert_false(play_run(&play, 10 * MINUTE));
        assert_non_null(store_block_volume(play.world.store, block));
        play.down[silent] = false;
        play.orders[0].code = play.orders[1].code = E_REMOTE;
        play.orders[0].permanent = play.orders[1].permanent = true;
        assert_true(play_run(&play, FOREVER));
        assert_null(store_block_volume(play.world.store, block));
        play_fini(&play);
    }
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
                                         "block-expand block-look brick-sync brick-sync brick-sync done");
    assert_int_equal(store_block_volume(play.world.store, block)->size_gib, 20);
    play_fini(&play);
}

/* One node says that it has grown, and a second one knows it as it was: another one is asked to do it. */
static void test_expand_that_was_not_done(void **state)
{
    const char *trace;
    struct play play;
    struct id block;

    (void)state;
    (void)set_up(&play, 3);
    block = begin_expand(&play, 20);
    play_order(&play, EXEC_BLOCK_LOOK, -1, 1, E_BUSY, false);
    assert_true(play_run(&play, MINUTE));
    trace = play_canonical(play_trace(&play));
    assert_ptr_equal(strstr(trace, "block-expand@A block-look@B block-expand@B block-look@C brick-sync@"), trace);
    assert_int_equal(store_block_volume(play.world.store, block)->size_gib, 20);
    play_fini(&play);
}

/* Nor does anybody else know it so: its real size is what is recorded. */
static void test_expand_never_seen(void **state)
{
    struct play play;
    struct id block, op_id;

    (void)state;
    (void)set_up(&play, 3);
    block = begin_expand(&play, 20);
    op_id = play.engine.op_id;
    play_order(&play, EXEC_BLOCK_LOOK, -1, ENGINE_TRIES_BUSY, E_BUSY, false);
    assert_true(play_run(&play, 10 * MINUTE));
    assert_true(job_of(&play, op_id)->failed);
    assert_non_null(strstr(steps_of(&play), "undo block-look block-look failed"));
    assert_true(id_is_none(store_block_volume(play.world.store, block)->pending));
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
        assert_string_equal(steps_of(&play), "block-expand block-expand undo block-look block-look block-look failed");
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
    assert_string_equal(steps_of(&play), "block-expand block-expand undo block-look block-look failed");
    assert_int_equal(store_block_volume(play.world.store, block)->size_gib, 10);
    play_fini(&play);
}

/* How large it is after an expand that failed, two nodes have to say. Where they differ the larger size is kept, and
 * the smaller one of what is usable, whoever of them lies; one that knows none, or has no gluster-block, changes
 * nothing. */
static void test_size_by_two_words(void **state)
{
    static const struct {
        struct exec_block_info first, second;
        int second_code;
        uint32_t size_gib, usable_gib;
    } cases[] = {
        {{.present = true, .size_gib = 10, .usable_gib = 10},
         {.present = true, .size_gib = 20, .usable_gib = 20},
         0,
         20,
         10},
        {{.present = true, .size_gib = 20, .usable_gib = 20},
         {.present = true, .size_gib = 10, .usable_gib = 10},
         0,
         20,
         10},
        {{.present = true, .size_gib = 20, .usable_gib = 20}, {.present = false}, 0, 20, 20},
        {{.present = false}, {.present = true, .size_gib = 20, .usable_gib = 20}, 0, 20, 20},
        {{.present = true, .size_gib = 20, .usable_gib = 20}, {.present = false}, E_REMOTE, 20, 20},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct engine_action action;
        struct play play;
        struct id block, nodes[3] = {ID_NONE};
        size_t n = 0;

        (void)set_up(&play, 3);
        block = begin_expand(&play, 20);
        while (!play.engine.done) {
            const struct engine_step *step;
            struct exec_result result = {.code = 0};

            if (!play_next(&play, &action)) {
                assert_int_not_equal(action.wait_ms, UINT64_MAX);
                play.now_ms = action.wait_ms;
                continue;
            }
            if (action.kind != ENGINE_RUN) {
                continue;
            }
            step = &play.engine.steps[action.step];
            if (step->kind != EXEC_BLOCK_LOOK) {
                play_answer(&play, action.step, E_REMOTE, true);
                continue;
            }
            assert_true(n < 3);
            nodes[n] = step->node;
            result.code = n > 0 ? cases[i].second_code : 0;
            result.permanent = true;
            result.block = n == 0 ? cases[i].first : cases[i].second;
            n++;
            engine_result(&play.engine, action.step, &result, play.now_ms);
        }
        assert_int_equal(n, cases[i].second_code != 0 ? 3 : 2); /* no word of two: of all */
        assert_false(id_equal(nodes[0], nodes[1]));
        assert_int_equal(store_block_volume(play.world.store, block)->size_gib, cases[i].size_gib);
        assert_int_equal(store_block_volume(play.world.store, block)->usable_gib, cases[i].usable_gib);
        play_fini(&play);
    }
}

/* A host that hung lately is not asked to make durable what is decided, and a sync has little time of its own. */
static void test_sync_is_not_asked_of_who_hung(void **state)
{
    struct engine_action action;
    struct play play;
    size_t n = 0;

    (void)state;
    (void)set_up(&play, 3);
    (void)begin_create(&play, 0);
    hung = play.nodes[1];
    play.engine.env.node_hung = has_hung;
    while (!play.engine.done) {
        if (!play_next(&play, &action)) {
            play.now_ms = action.wait_ms;
        } else if (action.kind == ENGINE_RUN) {
            const struct engine_step *step = &play.engine.steps[action.step];

            if (step->kind == EXEC_BRICK_SYNC) {
                n++;
                assert_false(id_equal(step->node, hung));
                assert_int_equal(engine_timeout_ms(&play.engine, step), ENGINE_IGNORED_MS);
            }
            play_answer(&play, action.step, 0, false);
        }
    }
    assert_int_equal(n, 2);
    play_fini(&play);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_size_by_two_words),
        cmocka_unit_test(test_sync_is_not_asked_of_who_hung),
        cmocka_unit_test(test_sync_waits_for_nobody),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_hosts_change),
        cmocka_unit_test(test_too_few_hosts),
        cmocka_unit_test(test_made_by_one_word),
        cmocka_unit_test(test_no_second_answers),
        cmocka_unit_test(test_made_where_it_is_installed),
        cmocka_unit_test(test_create_refused),
        cmocka_unit_test(test_create_with_hosting),
        cmocka_unit_test(test_create_with_hosting_refused),
        cmocka_unit_test(test_create_with_hosting_replanned),
        cmocka_unit_test(test_undo_asks_everybody),
        cmocka_unit_test(test_undo_waits),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_deleted_by_one_word),
        cmocka_unit_test(test_deleted_where_it_is_installed),
        cmocka_unit_test(test_delete_refused),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_expand_that_was_not_done),
        cmocka_unit_test(test_expand_never_seen),
        cmocka_unit_test(test_expand_refused),
        cmocka_unit_test(test_expand_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

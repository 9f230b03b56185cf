/* One node lies, all others are well and quick and say what is true. Whatever it answers to two kinds of steps that any
 * node of the pool can do: no operation is undone, and none waits without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/store_priv.h"
#include "tests/unit/operations/play.h"

static struct id begin_create(struct play *play)
{
    assert_int_equal(world_create(&play->world, 10, 3, "v"), STORE_OK);
    return play->world.result.op_id;
}

static struct id begin_create2(struct play *play)
{
    assert_int_equal(world_create(&play->world, 10, 2, "v"), STORE_OK);
    return play->world.result.op_id;
}

static struct id begin_delete(struct play *play)
{
    assert_int_equal(world_target(&play->world, STORE_REQ_VOLUME_DELETE, world_volume(&play->world, 10, 3, "v")),
                     STORE_OK);
    return play->world.result.op_id;
}

static struct id begin_expand(struct play *play)
{
    return play_expand(play, 3);
}

static struct id begin_evict(struct play *play)
{
    return play_evict(play, 2);
}

struct lie {
    const char *name;
    int code;
    bool permanent;
};
static const struct lie lies[] = {
    {"done", 0, false},          {"busy", E_BUSY, false},      {"no", E_REMOTE, false},       {"never", E_REMOTE, true},
    {"hangs", E_TIMEOUT, false}, {"apart", PLAY_APART, false}, {"marked", PLAY_MARKED, false}};
#define LIES (sizeof(lies) / sizeof(*lies))

static const struct {
    const char *name;
    struct id (*begin)(struct play *);
    enum exec_step_kind make, say;
} ops[] = {
    {"create r3", begin_create, EXEC_VOLUME_CREATE, EXEC_VOLUME_CHECK},
    {"create r2", begin_create2, EXEC_VOLUME_CREATE, EXEC_VOLUME_CHECK},
    {"clone check", play_clone, EXEC_CLONE_START, EXEC_VOLUME_CHECK},
    {"clone snap", play_clone, EXEC_CLONE_START, EXEC_SNAPSHOT_DELETE},
    {"clone clone", play_clone, EXEC_VOLUME_CLONE, EXEC_CLONE_START},
    {"expand", begin_expand, EXEC_VOLUME_EXPAND, EXEC_VOLUME_CHECK},
    {"delete", begin_delete, EXEC_VOLUME_DELETE, EXEC_VOLUME_DELETE},
    {"evict", begin_evict, EXEC_BRICK_REPLACE, EXEC_HEAL_CHECK},
    {"evict wait", begin_evict, EXEC_BRICK_REPLACE, EXEC_HEAL_WAIT},
};

#define SEEDS 4 /* other ids: other nodes first */
#define STEPS_MAX 4000
#define TIME_MAX_MS 36000000
#define HANG_MS 180000

/* Of the liar; a, b: what it says to the two kinds. */
struct liar {
    int node;
    size_t o, a, b;
};

/* What is there is known to whoever is asked, once an honest node has made it. */
static int honest_code(const struct liar *liar, enum exec_step_kind kind, bool made)
{
    bool asks = kind == EXEC_BRICK_SYNC || kind == EXEC_VOLUME_CHECK;

    return asks && !made && ops[liar->o].say == EXEC_VOLUME_CHECK ? E_BUSY : 0;
}

static void answer(struct play *play, const struct liar *liar, size_t at, bool *made)
{
    const struct engine_step *step = &play->engine.steps[at];
    bool makes = step->kind == ops[liar->o].make, says = step->kind == ops[liar->o].say;
    const struct lie *lie = &lies[makes ? liar->a : liar->b];

    if (play_index(play, step->node) == liar->node && (makes || says)) {
        play->now_ms += lie->code == E_TIMEOUT ? HANG_MS : 0;
        play_answer(play, at, lie->code, lie->permanent);
        return;
    }
    *made = *made || makes;
    play_answer(play, at, honest_code(liar, step->kind, *made), false);
}

static void run(const struct liar *liar, size_t n, int seed)
{
    struct engine_action action;
    struct play play;
    struct id op_id;
    bool made = false;

    play_init(&play, n);
    for (int i = 0; i < seed; i++) {
        (void)world_id(&play.world);
    }
    op_id = ops[liar->o].begin(&play);
    play_begin(&play, op_id);
    for (int i = 0; i < STEPS_MAX && !play.engine.done && play.now_ms < TIME_MAX_MS; i++) {
        if (play_next(&play, &action)) {
            if (action.kind == ENGINE_RUN) {
                answer(&play, liar, action.step, &made);
            }
        } else {
            assert_int_not_equal(action.wait_ms, UINT64_MAX);
            play.now_ms = action.wait_ms;
        }
    }
    if (!play.engine.done || store_job(play.world.store, op_id)->failed) {
        fail_msg("%s, %zu nodes, seed %d: node %d says %s to %s and %s to %s: %s %.2000s", ops[liar->o].name, n, seed,
                 liar->node, lies[liar->a].name, exec_step_name(ops[liar->o].make), lies[liar->b].name,
                 exec_step_name(ops[liar->o].say),
                 play.engine.done ? "undone" : "waits without end:", play_trace(&play));
    }
    play_fini(&play);
}

static void sweep(size_t n)
{
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops) * LIES * LIES; i++) {
        struct liar liar = {.o = i / (LIES * LIES), .a = i / LIES % LIES, .b = i % LIES};

        for (liar.node = 0; liar.node < (int)n; liar.node++) {
            for (int seed = 0; seed < SEEDS; seed++) {
                run(&liar, n, seed);
            }
        }
    }
}

static void test_of_three(void **state)
{
    (void)state;
    sweep(3);
}

static void test_of_four(void **state)
{
    (void)state;
    sweep(4);
}

/* A create that came with a backup, made after it or never: the liar says the opposite of all others. */
static void run_restored(size_t n, int liar, bool made)
{
    struct engine_action action;
    struct play play;
    struct id op_id;
    size_t n_looks = 0;

    play_init(&play, n);
    assert_int_equal(world_create(&play.world, 10, 3, "v"), STORE_OK);
    op_id = play.world.result.op_id;
    find_op(play.world.store, op_id)->rec.restored = true;
    play_begin(&play, op_id);
    for (int i = 0; i < STEPS_MAX && !play.engine.done && play.now_ms < TIME_MAX_MS; i++) {
        if (!play_next(&play, &action)) {
            assert_int_not_equal(action.wait_ms, UINT64_MAX);
            play.now_ms = action.wait_ms;
        } else if (action.kind == ENGINE_RUN) {
            const struct engine_step *step = &play.engine.steps[action.step];
            struct exec_result result = {.code = 0};

            result.volume.present = result.volume.there = (play_index(&play, step->node) == liar) != made;
            if (step->kind == EXEC_VOLUME_LOOK) {
                n_looks++;
                engine_result(&play.engine, action.step, &result, play.now_ms);
            } else {
                play_answer(&play, action.step, 0, false);
            }
        }
    }
    assert_true(n_looks >= 2);
    assert_true(play.engine.done);
    assert_false(store_job(play.world.store, op_id)->failed);
    play_fini(&play);
}

static void test_restored(void **state)
{
    (void)state;
    for (size_t n = 3; n <= 5; n++) {
        for (int liar = 0; liar < (int)n; liar++) {
            run_restored(n, liar, true);
            run_restored(n, liar, false);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_of_three), cmocka_unit_test(test_of_four),
                                       cmocka_unit_test(test_restored)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* One node of a pool lies: it says at once that all is done, gone or healed. Nothing that may hold data is destroyed on
 * the others before an honest node has said so, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/operations/play.h"

#define FOREVER UINT64_C(36000000)
#define STEPS_MAX 300

static struct id begin_delete(struct play *play)
{
    return play_request(play, PLAY_DELETE);
}

static struct id begin_create(struct play *play)
{
    return play_request(play, PLAY_CREATE);
}

static struct id begin_expand(struct play *play)
{
    return play_expand(play, 2);
}

static struct id begin_evict(struct play *play)
{
    return play_evict(play, 3);
}

static struct id begin_hasty_evict(struct play *play)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_BRICK_EVICT);
    request.target = store_volume(play->world.store, world_volume(&play->world, 10, 3, "v"))->bricks[0].id;
    request.skip_heal = true;
    assert_int_equal(world_request(&play->world, &request), STORE_OK);
    return play->world.result.op_id;
}

static const struct {
    const char *name;
    struct id (*begin)(struct play *play);
    enum exec_step_kind refused; /* every node refuses it for good; 0: none */
    enum exec_step_kind word;    /* what an honest node has to say before bricks go; in an undo at its third try */
} cases[] = {
    {"delete", begin_delete, 0, EXEC_VOLUME_DELETE},
    {"expand, undone", begin_expand, EXEC_VOLUME_EXPAND, EXEC_VOLUME_LOOK},
    {"evict", begin_evict, 0, EXEC_HEAL_WAIT},
    {"evict, without looking at the healing", begin_hasty_evict, 0, EXEC_BRICK_REPLACE},
    {"evict, undone", begin_evict, EXEC_BRICK_REPLACE, EXEC_BRICK_UNREPLACED},
};

static void run_case(size_t at, int liar)
{
    struct engine_action action;
    struct play play;
    bool said = false, destroyed = false;
    int tries = 0;

    play_init(&play, 5);
    play_begin(&play, cases[at].begin(&play));
    for (int i = 0; i < STEPS_MAX && !play.engine.done; i++) {
        const struct engine_step *step;
        int node, code = 0;

        if (!play_next(&play, &action)) {
            play.now_ms = action.wait_ms;
            assert_true(action.wait_ms != UINT64_MAX);
            continue;
        }
        if (action.kind != ENGINE_RUN) {
            continue;
        }
        step = &play.engine.steps[action.step];
        node = play_index(&play, step->node);
        if (step->kind == EXEC_BRICK_DESTROY) {
            destroyed = true;
            if (!said) {
                fail_msg("%s, %d lies: a brick goes by its word: %s", cases[at].name, liar, play_trace(&play));
            }
        } else if (step->kind == cases[at].refused) {
            code = E_REMOTE;
        } else if (node != liar && step->kind == cases[at].word && play.engine.phase != STORE_OP_FORWARD) {
            code = tries++ < 2 ? E_TIMEOUT : 0;
            said = code == 0;
        } else if (node != liar && step->kind == cases[at].word) {
            said = true;
        }
        play_answer(&play, action.step, code, code == E_REMOTE);
    }
    if (!play.engine.done || !destroyed) {
        fail_msg("%s, %d lies: does not end: %s", cases[at].name, liar, play_trace(&play));
    }
    play_fini(&play);
}

static void test_one_liar(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int liar = 0; liar < 5; liar++) {
            run_case(i, liar);
        }
    }
}

/* A brick is replaced only by a node other than the one that last said that it may be. */
static void test_replaces_by_two_looks(void **state)
{
    (void)state;
    for (int liar = 0; liar < 5; liar++) {
        struct engine_action action;
        struct play play;
        int looked = -1, replaced = -1;

        play_init(&play, 5);
        play_begin(&play, begin_evict(&play));
        while (replaced < 0) {
            assert_true(play_next(&play, &action));
            if (action.kind == ENGINE_RUN) {
                const struct engine_step *step = &play.engine.steps[action.step];
                int node = play_index(&play, step->node);

                looked = step->kind == EXEC_HEAL_CHECK ? node : looked;
                replaced = step->kind == EXEC_BRICK_REPLACE ? node : replaced;
                play_answer(&play, action.step, 0, false);
            }
        }
        assert_int_not_equal(looked, replaced);
        play_fini(&play);
    }
}

/* There is a second node, but it does not answer: the operation waits, and says for what. */
static void test_waits_for_the_second(void **state)
{
    const struct store_operation *op;
    struct play play;
    struct id op_id;
    int silent;

    (void)state;
    for (silent = 0; silent < 2; silent++) {
        play_init(&play, 2);
        op_id = play_request(&play, PLAY_DELETE);
        play_order(&play, 0, silent, 0, E_CONNECT, false);
        play_begin(&play, op_id);
        assert_false(play_run(&play, 600000));
        assert_null(strstr(play_trace(&play), "brick-destroy"));
        op = store_operation(play.world.store, op_id);
        assert_int_equal(op->n_parked, 1);
        assert_true(id_equal(op->parked[0].node, play.nodes[silent]));
        assert_non_null(strstr(op->parked[0].text, "a second node has to say so, too: "));
        play.n_orders = 0;
        assert_true(play_run(&play, FOREVER));
        play_fini(&play);
    }
}

/* It says that an undone create's volume is deleted, and the bricks' own nodes know better: another node deletes it. */
static void test_deleted_by_another(void **state)
{
    (void)state;
    for (int liar = 0; liar < 5; liar++) {
        struct engine_action action;
        struct play play;
        bool deleted = false;

        play_init(&play, 5);
        play_begin(&play, play_request(&play, PLAY_CREATE));
        for (int i = 0; i < STEPS_MAX && !play.engine.done; i++) {
            const struct engine_step *step;

            if (!play_next(&play, &action)) {
                assert_true(action.wait_ms != UINT64_MAX);
                play.now_ms = action.wait_ms;
            } else if (action.kind == ENGINE_RUN) {
                step = &play.engine.steps[action.step];
                deleted = deleted || (step->kind == EXEC_VOLUME_DELETE && play_index(&play, step->node) != liar);
                play_answer(&play, action.step,
                            step->kind == EXEC_VOLUME_CREATE               ? E_REMOTE
                            : step->kind == EXEC_BRICK_DESTROY && !deleted ? E_BUSY
                                                                           : 0,
                            step->kind == EXEC_VOLUME_CREATE);
            }
        }
        assert_true(play.engine.done && deleted);
        play_fini(&play);
    }
}

/* It says that Gluster has an expand's new bricks already: they are made all the same. */
static void test_expanded_by_a_word(void **state)
{
    (void)state;
    for (int liar = 0; liar < 5; liar++) {
        CLEANUP(free_ptr) char *trace = NULL;
        struct play play;

        play_init(&play, 5);
        play.liar = liar;
        play.lie = PLAY_CLONE;
        play_begin(&play, begin_expand(&play));
        assert_true(play_run(&play, FOREVER));
        trace = mem_strdup(play_trace(&play));
        assert_non_null(strstr(trace, "brick-create"));
        assert_non_null(strstr(trace, "volume-expand"));
        play_fini(&play);
    }
}

/* It says that a volume's bricks are started, and does nothing: their own nodes wait for them. Others are asked to
 * start them, and it ends well. */
static void run_unstarted(enum exec_step_kind kind, struct id (*begin)(struct play *play), int liar, unsigned *n_lies)
{
    struct engine_action action;
    struct play play;
    struct id op_id;
    bool started = false;

    play_init(&play, 5);
    op_id = begin(&play);
    play_begin(&play, op_id);
    for (int i = 0; i < STEPS_MAX && !play.engine.done; i++) {
        const struct engine_step *step;

        if (!play_next(&play, &action)) {
            assert_true(action.wait_ms != UINT64_MAX);
            play.now_ms = action.wait_ms;
        } else if (action.kind == ENGINE_RUN) {
            step = &play.engine.steps[action.step];
            if (step->kind == kind && play_index(&play, step->node) == liar) {
                *n_lies += 1;
            }
            started = started || (step->kind == kind && play_index(&play, step->node) != liar);
            play_answer(&play, action.step, step->kind == EXEC_BRICK_SYNC && !started ? E_BUSY : 0, false);
        }
    }
    if (!play.engine.done || !started) {
        fail_msg("%s, %d lies: does not end: %s", exec_step_name(kind), liar, play_trace(&play));
    }
    assert_false(store_job(play.world.store, op_id)->failed);
    assert_int_equal(play.engine.n_failed_nodes, 0);
    play_fini(&play);
}

static void test_started_by_another(void **state)
{
    static const struct {
        enum exec_step_kind kind;
        struct id (*begin)(struct play *play);
    } starts[] = {
        {EXEC_VOLUME_CREATE, begin_create},
        {EXEC_VOLUME_EXPAND, begin_expand},
        {EXEC_CLONE_START, play_clone},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        unsigned n_lies = 0;

        for (int liar = 0; liar < 5; liar++) {
            run_unstarted(starts[i].kind, starts[i].begin, liar, &n_lies);
        }
        assert_true(n_lies > 0);
    }
}

/* ---- what was made is what was asked for ---- */

static enum exec_step_kind maker_kind(const struct play *play)
{
    return play->engine.type == STORE_OP_CLONE_VOLUME    ? EXEC_CLONE_START
           : play->engine.type == STORE_OP_EXPAND_VOLUME ? EXEC_VOLUME_EXPAND
                                                         : EXEC_VOLUME_CREATE;
}

/* Plays for 10 minutes; who made it is returned. The liar makes it of another kind, which others see, or says so of
 * what others have made. */
static int run_check(struct play *play, int liar)
{
    struct engine_action action;
    uint64_t end_ms = play->now_ms + 600000;
    int maker = -1;

    for (int i = 0; i < STEPS_MAX && !play->engine.done && play->now_ms < end_ms; i++) {
        const struct engine_step *step;
        int node, code;

        if (!play_next(play, &action)) {
            assert_true(action.wait_ms != UINT64_MAX);
            play->now_ms = action.wait_ms;
        } else if (action.kind == ENGINE_RUN) {
            step = &play->engine.steps[action.step];
            node = play_index(play, step->node);
            maker = step->kind == maker_kind(play) && maker < 0 ? node : maker;
            code = step->kind == EXEC_VOLUME_CHECK && (maker == liar) != (node == liar) ? E_REMOTE : 0;
            play_answer(play, action.step, code, code != 0);
        }
    }
    return maker;
}

/* A create or clone by the liar is undone, whatever the liar says; what an honest node made is not. */
static void test_made_otherwise(void **state)
{
    static struct id (*const begins[])(struct play *) = {begin_create, play_clone};

    (void)state;
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        unsigned n_undone = 0;

        for (int liar = 0; liar < 5; liar++) {
            struct play play;
            struct id op_id;
            int maker;

            play_init(&play, 5);
            op_id = begins[i](&play);
            play_begin(&play, op_id);
            maker = run_check(&play, liar);
            if (!play.engine.done || store_job(play.world.store, op_id)->failed != (maker == liar)) {
                fail_msg("%zu, %d lies, %d made it: %s", i, liar, maker, play_trace(&play));
            }
            n_undone += maker == liar;
            play_fini(&play);
        }
        assert_true(n_undone > 0);
    }
}

/* Bricks that were given to Gluster otherwise than was asked for cannot be taken back: the expand waits, and says what
 * two nodes know. Where only the liar says so, it ends well. */
static void test_expanded_otherwise(void **state)
{
    unsigned n_waiting = 0;

    (void)state;
    for (int liar = 0; liar < 5; liar++) {
        struct play play;
        struct id op_id;
        int maker;

        play_init(&play, 5);
        op_id = begin_expand(&play);
        play_begin(&play, op_id);
        maker = run_check(&play, liar);
        assert_int_equal(play.engine.done, maker != liar);
        if (maker == liar) {
            const struct store_operation *op = store_operation(play.world.store, op_id);

            assert_null(strstr(play_trace(&play), "brick-destroy"));
            assert_int_equal(op->n_parked, 1);
            assert_non_null(strstr(op->parked[0].text, "volume-check: a second node has to say so, too: "));
            n_waiting++;
        }
        play_fini(&play);
    }
    assert_true(n_waiting > 0);
}

/* It says that the volume is there, and it is not: another node is asked to make it, and it is looked at again. */
static void test_not_made(void **state)
{
    static struct id (*const begins[])(struct play *) = {begin_create, begin_expand, play_clone};

    (void)state;
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        for (int liar = 0; liar < 5; liar++) {
            struct engine_action action;
            struct play play;
            struct id op_id;
            bool made = false;

            play_init(&play, 5);
            op_id = begins[i](&play);
            play_begin(&play, op_id);
            for (int n = 0; n < STEPS_MAX && !play.engine.done; n++) {
                if (!play_next(&play, &action)) {
                    assert_true(action.wait_ms != UINT64_MAX);
                    play.now_ms = action.wait_ms;
                } else if (action.kind == ENGINE_RUN) {
                    const struct engine_step *step = &play.engine.steps[action.step];
                    int node = play_index(&play, step->node);
                    bool absent = step->kind == EXEC_VOLUME_CHECK && !made && node != liar;

                    made = made || (step->kind == maker_kind(&play) && node != liar);
                    play_answer(&play, action.step, absent ? E_BUSY : 0, false);
                }
            }
            assert_true(play.engine.done && made);
            assert_false(store_job(play.world.store, op_id)->failed);
            play_fini(&play);
        }
    }
}

/* A snapshot that stays keeps its source from being deleted: two nodes say that it is gone, done or undone. */
static void test_snapshot_gone_by_two(void **state)
{
    (void)state;
    for (int undone = 0; undone < 2; undone++) {
        struct engine_action action;
        struct play play;
        int said[2] = {-1, -1};

        play_init(&play, 3);
        play_begin(&play, play_clone(&play));
        while (!play.engine.done) {
            assert_true(play_next(&play, &action) || action.wait_ms != UINT64_MAX);
            if (action.kind == ENGINE_RUN) {
                const struct engine_step *step = &play.engine.steps[action.step];
                bool refuses = undone == 1 && step->kind == EXEC_CLONE_START;

                if (step->kind == EXEC_SNAPSHOT_DELETE || (step->kind == EXEC_CLONE_START && undone == 0)) {
                    said[0] = said[1];
                    said[1] = play_index(&play, step->node);
                }
                play_answer(&play, action.step, refuses ? E_REMOTE : 0, refuses);
            } else if (action.kind == ENGINE_WAIT) {
                play.now_ms = action.wait_ms;
            }
        }
        assert_true(said[0] >= 0 && said[1] >= 0 && said[0] != said[1]);
        play_fini(&play);
    }
}

/* ---- to and fro ---- */

#define HOUR_MS UINT64_C(3600000)
#define TURNS_AT_ONCE 12 /* while the pauses are short */

/* For an hour, or until it ends: how often it went forward again out of its undo. No faster than one command in some
 * seconds: each turn is two. unmade: nobody makes a brick. */
static unsigned run_turns(struct play *play, int liar, bool unmade)
{
    uint64_t begin_ms = play->now_ms;
    struct engine_action action;
    unsigned n = 0;

    while (!play->engine.done && play->now_ms < begin_ms + HOUR_MS) {
        if (!play_next(play, &action)) {
            assert_true(action.wait_ms != UINT64_MAX);
            play->now_ms = action.wait_ms;
        } else if (action.kind == ENGINE_RUN) {
            const struct engine_step *step = &play->engine.steps[action.step];
            bool refuses = play_index(play, step->node) == liar;

            refuses = refuses && step->kind != EXEC_HEAL_WAIT && step->kind != EXEC_BRICK_DESTROY; /* its own data */
            refuses = refuses || (unmade && step->kind == EXEC_BRICK_CREATE);
            refuses = refuses && step->kind != EXEC_VOLUME_LOOK; /* there it says what sends it to and fro */
            play->lie = play->engine.phase == STORE_OP_UNDO ? PLAY_CLONE : NULL;
            play_answer(play, action.step, refuses ? E_REMOTE : 0, refuses);
        }
        n += action.kind == ENGINE_TURN || action.kind == ENGINE_REDO;
        assert_true(n <= TURNS_AT_ONCE + (play->now_ms - begin_ms) / 10000);
    }
    return n;
}

/* It refuses the steps of an evict for good: also that the brick is not replaced, for which it is gone forward with
 * again where nobody makes the new brick. Others of the pool are asked, and it ends. */
static void test_evicts_to_and_fro(void **state)
{
    unsigned n = 0;

    (void)state;
    for (unsigned replica = 2; replica <= 3; replica++) {
        for (size_t n_nodes = replica + 1; n_nodes <= 5; n_nodes++) {
            for (int i = 0; i < 2 * (int)n_nodes; i++) {
                struct play play;

                play_init(&play, n_nodes);
                play_begin(&play, play_evict(&play, replica));
                n += run_turns(&play, i / 2, i % 2 == 1);
                assert_true(play.engine.done);
                play_fini(&play);
            }
        }
    }
    assert_true(n > 0);
}

/* It makes no brick, and says of the undone expand that Gluster has the bricks. Where two others are there, they are
 * asked; where not, it goes on slowly. */
static void test_expands_to_and_fro(void **state)
{
    unsigned n = 0;

    (void)state;
    for (size_t n_nodes = 2; n_nodes <= 4; n_nodes++) {
        for (int liar = 0; liar < (int)n_nodes; liar++) {
            struct play play;

            play_init(&play, n_nodes);
            play.liar = liar;
            play_begin(&play, begin_expand(&play));
            n += run_turns(&play, liar, false);
            assert_true(play.engine.done || n_nodes == 2);
            play_fini(&play);
        }
    }
    assert_true(n > 0);
}

/* The pool has no other node: its word counts. */
static void test_alone(void **state)
{
    struct play play;

    (void)state;
    play_init(&play, 1);
    assert_int_equal(world_target(&play.world, STORE_REQ_VOLUME_DELETE, world_volume(&play.world, 10, 1, "v")),
                     STORE_OK);
    play_begin(&play, play.world.result.op_id);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "volume-delete@0 brick-destroy@0 done");
    play_fini(&play);
}

/* ---- clones: each node is believed of its own bricks only ---- */

#define SOMEBODYS "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f" /* a snapshot of a volume that is in use */

static void check_brick(const struct play *play, const struct store_brick *brick)
{
    const struct store_device *device = store_device(play->world.store, brick->device);
    bool lies = play_index(play, device->node) == play->liar;

    if (*brick->path != '\0' && !lies) {
        assert_memory_equal(brick->lv, PLAY_CLONE "_", 33);
        assert_non_null(strstr(brick->path, "/snaps/" PLAY_CLONE "/"));
    }
}

/* It says that the clone is where a snapshot is that somebody uses: on the other nodes nobody believes it. */
static void run_lying_clone(int liar, bool undone)
{
    struct engine_action action;
    const struct store_volume *clone;
    size_t learnt = 0;
    struct play play;
    struct id op_id, id;

    play_init(&play, 3);
    op_id = play_clone(&play);
    id = store_operation(play.world.store, op_id)->target;
    play.liar = liar;
    play.lie = SOMEBODYS;
    play_begin(&play, op_id);
    for (int i = 0; i < STEPS_MAX && !play.engine.done; i++) {
        if (!play_next(&play, &action)) {
            play.now_ms = action.wait_ms;
            assert_true(action.wait_ms != UINT64_MAX);
        } else if (action.kind == ENGINE_RUN) {
            bool refuses = undone && play.engine.steps[action.step].kind == EXEC_CLONE_START;

            play_answer(&play, action.step, refuses ? E_REMOTE : 0, refuses);
        }
        clone = store_volume(play.world.store, id);
        for (size_t j = 0; clone != NULL && j < clone->n_bricks; j++) {
            check_brick(&play, &clone->bricks[j]);
            learnt += *clone->bricks[j].path != '\0';
        }
    }
    assert_true(play.engine.done && learnt > 0);
    assert_int_equal(store_job(play.world.store, op_id)->failed, undone);
    play_fini(&play);
}

static void test_lying_about_a_clone(void **state)
{
    (void)state;
    for (int liar = 0; liar < 3; liar++) {
        run_lying_clone(liar, false);
        run_lying_clone(liar, true);
    }
}

/* It says that it has no clone, while others have it. Nothing is taken away, nor left, before it says what it has. */
static void test_denying_a_clone(void **state)
{
    (void)state;
    for (int liar = 0; liar < 3; liar++) {
        const struct store_operation *op;
        struct play play;
        struct id op_id;

        play_init(&play, 3);
        op_id = play_clone(&play);
        play.liar = liar;
        play.lie = "";
        play_begin(&play, op_id);
        assert_false(play_run(&play, 600000));
        op = store_operation(play.world.store, op_id);
        assert_int_equal(op->phase, STORE_OP_UNDO);
        assert_null(strstr(play_trace(&play), "-destroy"));
        assert_int_equal(op->n_parked, 1);
        assert_true(id_equal(op->parked[0].node, play.nodes[liar]));
        assert_string_equal(op->parked[0].text,
                            "volume-look: this node does not have the clone; 2 of 3 nodes say that they have it");
        play.lie = NULL;
        assert_true(play_run(&play, FOREVER));
        assert_non_null(strstr(play_trace(&play), "brick-destroy"));
        assert_true(store_job(play.world.store, op_id)->failed);
        play_fini(&play);
    }
}

/* Of a clone that was never made one node says that it has it. It holds the undo no longer than it goes on saying so:
 * then it denies it (0), or is switched off (1), or denies it while another one is silent (2). */
static void run_claimed_clone(int liar, int then)
{
    const struct store_operation *op;
    CLEANUP(free_ptr) char *text = NULL;
    int other = (liar + 1) % 3;
    struct play play;
    struct id op_id;

    play_init(&play, 3);
    op_id = play_clone(&play);
    play.liar = liar;
    play.lie = PLAY_CLONE;
    play_order(&play, EXEC_VOLUME_CLONE, -1, 0, E_REMOTE, true);
    if (then == 2) {
        play_order(&play, EXEC_VOLUME_LOOK, other, 0, E_CONNECT, false);
    }
    play_begin(&play, op_id);
    assert_false(play_run(&play, 600000));
    assert_null(strstr(play_trace(&play), "delete"));
    op = store_operation(play.world.store, op_id);
    text = mem_printf("volume-look: this node does not have the clone; of 3 nodes only %s says that it has it",
                      store_node(play.world.store, play.nodes[liar])->storage.items[0]);
    assert_int_equal(op->n_parked, 2);
    for (size_t i = 0; i < op->n_parked; i++) {
        assert_false(id_equal(op->parked[i].node, play.nodes[liar]));
        if (then != 2 || !id_equal(op->parked[i].node, play.nodes[other])) {
            assert_string_equal(op->parked[i].text, text);
        }
    }
    play.lie = NULL;
    if (then == 1) {
        play_order(&play, EXEC_VOLUME_LOOK, liar, 0, E_CONNECT, false);
    }
    assert_true(play_run(&play, 600000));
    assert_true(store_job(play.world.store, op_id)->failed);
    play_fini(&play);
}

static void test_claiming_a_clone(void **state)
{
    (void)state;
    for (int liar = 0; liar < 3; liar++) {
        for (int then = 0; then < 3; then++) {
            run_claimed_clone(liar, then);
        }
    }
}

static size_t running(const struct play *play)
{
    size_t i = 0;

    while (i < play->engine.n_steps && play->engine.steps[i].state != ENGINE_RUNNING) {
        i++;
    }
    return i;
}

/* While it says so the same nodes are shown as waiting, whichever of them answers first: round after round, no command
 * is made. */
static void test_waits_without_commands(void **state)
{
    struct engine_action action;
    struct play play;
    struct id op_id;

    (void)state;
    play_init(&play, 3);
    op_id = play_clone(&play);
    play.lie = PLAY_CLONE;
    play_order(&play, EXEC_VOLUME_CLONE, -1, 0, E_REMOTE, true);
    play_begin(&play, op_id);
    assert_false(play_run(&play, 600000));
    assert_int_equal(store_operation(play.world.store, op_id)->n_parked, 2);
    for (int i = 0; i < STEPS_MAX; i++) {
        if (play_next(&play, &action)) {
            assert_int_equal(action.kind, ENGINE_RUN);
        } else if (running(&play) < play.engine.n_steps) {
            play_answer(&play, running(&play), 0, false);
        } else {
            play.now_ms = action.wait_ms;
        }
    }
    play_fini(&play);
}

/* Others have the clone, and one is silent: it is waited for, as a silent one. */
static void test_clone_of_a_silent_node(void **state)
{
    const struct store_operation *op;
    struct play play;
    struct id op_id;

    (void)state;
    play_init(&play, 3);
    op_id = play_clone(&play);
    play.sneaks = true;
    play_order(&play, EXEC_VOLUME_CLONE, -1, 0, E_REMOTE, true);
    play_order(&play, EXEC_VOLUME_LOOK, 1, 0, E_CONNECT, false);
    play_begin(&play, op_id);
    assert_false(play_run(&play, 600000));
    op = store_operation(play.world.store, op_id);
    assert_int_equal(op->n_parked, 1);
    assert_string_equal(op->parked[0].text, "volume-look: node 1 says -9");
    assert_null(strstr(play_trace(&play), "delete"));
    play_fini(&play);
}

/* A pool of one node: it harms only itself. */
static void test_clone_alone(void **state)
{
    struct store_request request;
    struct play play;

    (void)state;
    play_init(&play, 1);
    store_request_init(&request, STORE_REQ_VOLUME_CLONE);
    request.target = world_volume(&play.world, 10, 1, "v");
    assert_int_equal(world_request(&play.world, &request), STORE_OK);
    play_begin(&play, play.world.result.op_id);
    assert_true(play_run(&play, FOREVER));
    assert_string_equal(play_trace(&play), "volume-clone@0 volume-look@0 learn clone-start@0 brick-sync@0 done");
    play_fini(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_liar),
        cmocka_unit_test(test_replaces_by_two_looks),
        cmocka_unit_test(test_waits_for_the_second),
        cmocka_unit_test(test_deleted_by_another),
        cmocka_unit_test(test_expanded_by_a_word),
        cmocka_unit_test(test_started_by_another),
        cmocka_unit_test(test_made_otherwise),
        cmocka_unit_test(test_expanded_otherwise),
        cmocka_unit_test(test_not_made),
        cmocka_unit_test(test_snapshot_gone_by_two),
        cmocka_unit_test(test_evicts_to_and_fro),
        cmocka_unit_test(test_expands_to_and_fro),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_lying_about_a_clone),
        cmocka_unit_test(test_denying_a_clone),
        cmocka_unit_test(test_claiming_a_clone),
        cmocka_unit_test(test_waits_without_commands),
        cmocka_unit_test(test_clone_of_a_silent_node),
        cmocka_unit_test(test_clone_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Claims that ask for volumes without names, as Kubernetes' provisioner does, in any order of events: answers are lost,
 * controllers sleep and wake up again with what they knew, others go on in their place, gids are used again. No volume
 * is ever told to two claims, and what nobody was told of is found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/level.h"
#include "store/store_priv.h"
#include "tests/unit/store/world.h"

#define CONTROLLERS 3
#define CLAIMS 4 /* at a time; each has a gid, some the same one: of another storage class */
#define STEPS 6000
#define TOLD_MAX 8192

/* What one controller knows of one claim: several work on the same one when one of them has slept. */
struct worker {
    struct id op_id; /* ID_NONE: it has not asked, or has given up */
};

struct claim {
    unsigned number; /* distinct for ever */
    int64_t gid;
    bool bound;
};

struct told { /* to whom; a claim's number, and whether its answer arrived */
    struct id volume;
    unsigned claim;
};

struct late { /* planned, and on its way to the log */
    struct store_cmd cmd;
    unsigned claim, controller;
    bool on;
};

static struct world world;
static struct claim claims[CLAIMS];
static struct worker workers[CONTROLLERS][CLAIMS];
static struct told tells[TOLD_MAX];
static size_t n_tells;
static unsigned next_claim, n_bound, n_taken, n_late_refused;
static struct late late;

static bool asked(void *user, struct id op_id)
{
    (void)op_id;
    return world_below(user, 3) == 0; /* the leader's choice: nothing may depend on it */
}

static void new_claim(unsigned i)
{
    claims[i] = (struct claim){.number = ++next_claim, .gid = 2000 + (int64_t)world_below(&world, 2)};
    for (unsigned c = 0; c < CONTROLLERS; c++) {
        workers[c][i].op_id = ID_NONE;
    }
}

static void plan(unsigned claim, struct store_cmd *cmd)
{
    struct store_request request;

    world_volume_request(&request, 1, 3, "");
    request.volume.gid = claims[claim].gid;
    assert_int_equal(world_plan(&world, &request, cmd), STORE_OK);
}

/* The answer of an accepted request arrives, or not. */
static void accepted(unsigned controller, unsigned claim, const struct store_cmd *cmd)
{
    n_taken += cmd->type == STORE_CMD_TAKE_OVER;
    workers[controller][claim].op_id = world_below(&world, 3) == 0 ? ID_NONE : cmd->op_id;
}

static void ask_for(unsigned controller, unsigned claim)
{
    struct store_cmd cmd;

    plan(claim, &cmd);
    if (!late.on && world_below(&world, 4) == 0) {
        late = (struct late){cmd, claims[claim].number, controller, true};
        return;
    }
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    accepted(controller, claim, &cmd);
    store_cmd_fini(&cmd);
}

static void arrive_late(void)
{
    if (!late.on) {
        return;
    }
    late.on = false;
    if (world_apply(&world, &late.cmd) == STORE_OK) {
        for (unsigned i = 0; i < CLAIMS; i++) {
            if (claims[i].number == late.claim) {
                accepted(late.controller, i, &late.cmd);
            }
        }
    } else {
        n_late_refused++;
    }
    store_cmd_fini(&late.cmd);
}

static bool tell(struct id volume)
{
    enum store_code code = world_target(&world, STORE_REQ_TOLD, volume);

    return code == STORE_OK || code == STORE_REPEATED;
}

/* The answer leaves: from here on the claim may own it. */
static void leaves(struct id volume, const struct claim *claim)
{
    for (size_t i = 0; i < n_tells; i++) {
        if (id_equal(tells[i].volume, volume)) {
            if (tells[i].claim != claim->number) {
                fail_msg("seed %lu: claims %u and %u were told of one volume", (unsigned long)world.seed,
                         tells[i].claim, claim->number);
            }
            return;
        }
    }
    assert_true(n_tells < TOLD_MAX);
    tells[n_tells++] = (struct told){volume, claim->number};
}

/* What GET /queue does (api/handlers.c). */
static void poll(unsigned controller, unsigned claim)
{
    struct id *op_id = &workers[controller][claim].op_id;
    const struct store_operation *op = store_operation(world.store, *op_id);
    const struct store_job *job = store_job(world.store, *op_id);
    const struct store_volume *volume;
    struct id made;

    if ((op != NULL && !id_is_none(op->answers)) || (job != NULL && job->failed)) {
        *op_id = ID_NONE;
        return;
    }
    if (op != NULL || store_operation_answering(world.store, *op_id) != NULL || job == NULL) {
        return;
    }
    made = job->resource_id;
    volume = store_volume(world.store, made);
    if (volume != NULL && volume->untold) {
        if (world_below(&world, 3) == 0) {
            arrive_late(); /* before it is in the log */
        }
        (void)tell(made);
        return; /* it is looked at again */
    }
    leaves(made, &claims[claim]);
    *op_id = ID_NONE;
    if (world_below(&world, 3) > 0 && !claims[claim].bound) { /* the answer arrives */
        claims[claim].bound = true;
        n_bound++;
    }
}

static struct id some_operation(void)
{
    size_t n = store_counts(world.store).operations;
    struct op_entry *op = NULL;

    n = n > 0 ? world_below(&world, n) + 1 : 0;
    TREE_EACH (op, op_tree, &world.store->ops, by_id) {
        if (--n == 0) {
            return op->rec.id;
        }
    }
    return ID_NONE;
}

static void go_on(void)
{
    struct id op_id = some_operation();
    struct store_cmd cmd;

    if (id_is_none(op_id)) {
        return;
    }
    if (world_below(&world, 6) > 0) {
        (void)world_end(&world, op_id, NULL);
        return;
    }
    store_cmd_init(&cmd, STORE_CMD_OP_UNDO);
    cmd.op_id = op_id;
    (void)world_apply(&world, &cmd);
    store_cmd_fini(&cmd);
    (void)world_end(&world, op_id, "it failed");
}

/* The claim goes, and its volume with it; the gid is free for the next one. */
static void delete_claim(unsigned i)
{
    for (size_t t = 0; t < n_tells; t++) {
        if (tells[t].claim == claims[i].number &&
            world_target(&world, STORE_REQ_VOLUME_DELETE, tells[t].volume) == STORE_OK) {
            (void)world_end(&world, world.result.op_id, NULL);
        }
    }
    new_claim(i);
}

static void through_snapshot(void)
{
    struct store_snapshot *snapshot = store_snapshot_take(world.store);
    struct buf buf = BUF_INIT;
    struct store *copy = NULL;

    store_snapshot_encode(snapshot, &buf);
    assert_int_equal(store_snapshot_decode(buf.data, buf.len, &copy, NULL), 0);
    assert_true(digests_equal(copy, world.store));
    store_snapshot_free(snapshot);
    store_free(world.store);
    world.store = copy;
    buf_fini(&buf);
}

static void step(void)
{
    unsigned controller = (unsigned)world_below(&world, CONTROLLERS), claim = (unsigned)world_below(&world, CLAIMS);
    bool has_asked = !id_is_none(workers[controller][claim].op_id);

    switch (world_below(&world, 12)) {
    case 0:
        arrive_late();
        break;
    case 1:
    case 2:
    case 3:
        go_on();
        break;
    case 4:
        if (claims[claim].bound) {
            delete_claim(claim);
        }
        break;
    case 5:
        if (world_below(&world, 20) == 0) {
            through_snapshot();
        }
        break;
    default:
        if (has_asked) {
            poll(controller, claim);
        } else if (!claims[claim].bound && !late.on) {
            ask_for(controller, claim);
        }
        break;
    }
}

static void test_claims(void **state)
{
    (void)state;
    world_init(&world, world_seed("store_take_over", 20261201));
    (void)world_topology(&world, 3, 1000000 * GIB, NULL, NULL);
    world_level(&world, STORE_LEVEL_TAKE_OVER);
    world.env.volumes_per_cluster_max = -1;
    world.env.asked = asked;
    for (unsigned i = 0; i < CLAIMS; i++) {
        new_claim(i);
    }
    for (unsigned i = 0; i < STEPS; i++) {
        step();
    }
    printf("%u claims bound, %u repetitions took over, %u came too late; %zu volumes told of\n", n_bound, n_taken,
           n_late_refused, n_tells);
    assert_true(n_bound > 50 && n_taken > 50 && n_late_refused > 5);
    arrive_late();
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_claims)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

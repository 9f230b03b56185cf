/* The schedule of steps: limits hold, nothing waits that could run, equals keep their order, everything runs in the
 * end, a hung node stops only what needs it, a pool's limit adapts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/operations/schedule.h"
#include "store/base/mem.h"
#include "tests/unit/store/world.h"

#define ITEMS 200
#define IDS 6

enum state { IDLE, WAITING, RUNNING };

struct thing {
    struct schedule_item item;
    enum state state;
    int claims[SCHEDULE_KINDS]; /* id, -1: none */
    bool yielded;
    uint64_t added;
};

struct model {
    struct world random; /* only its numbers are used */
    struct schedule *schedule;
    struct thing things[ITEMS];
    uint64_t adds;
};

static struct id number_id(enum schedule_kind kind, int number)
{
    return (struct id){{(uint8_t)(kind + 1), (uint8_t)(number + 1)}};
}

static size_t limit_of(const struct model *m, enum schedule_kind kind, int number)
{
    switch (kind) {
    case SCHEDULE_NODE:
        return SCHEDULE_NODE_LIMIT;
    case SCHEDULE_POOL:
        return schedule_pool_limit(m->schedule, number_id(kind, number));
    default:
        return 1;
    }
}

static size_t running(const struct model *m, enum schedule_kind kind, int number)
{
    size_t n = 0;

    for (int i = 0; i < ITEMS; i++) {
        const struct thing *thing = &m->things[i];

        n += thing->state == RUNNING && thing->claims[kind] == number && !(kind == SCHEDULE_POOL && thing->yielded);
    }
    return n;
}

static void draw_claims(struct model *m, struct thing *thing)
{
    for (enum schedule_kind kind = 0; kind < SCHEDULE_KINDS; kind++) {
        bool wanted = kind == SCHEDULE_NODE || world_below(&m->random, 2) == 0;

        thing->claims[kind] = wanted ? (int)world_below(&m->random, kind == SCHEDULE_POOL ? 2 : IDS) : -1;
    }
}

static void add(struct model *m, struct thing *thing)
{
    memset(&thing->item, 0, sizeof(thing->item));
    for (enum schedule_kind kind = 0; kind < SCHEDULE_KINDS; kind++) {
        if (thing->claims[kind] >= 0) {
            schedule_claim(m->schedule, &thing->item, kind, number_id(kind, thing->claims[kind]));
        }
    }
    thing->yielded = false;
    thing->state = WAITING;
    thing->added = ++m->adds;
    schedule_add(m->schedule, &thing->item, thing);
}

/* An older one that wants exactly the same must not be waiting, unless this one was passed over too often. */
static void check_order(const struct model *m, const struct thing *started)
{
    for (int i = 0; i < ITEMS; i++) {
        const struct thing *thing = &m->things[i];

        if (thing->state == WAITING && thing->added < started->added && started->item.passed < SCHEDULE_PATIENCE) {
            assert_memory_not_equal(thing->claims, started->claims, sizeof(thing->claims));
        }
    }
}

static void start_all(struct model *m, size_t limits_before[2])
{
    struct schedule_item *item;

    while ((item = schedule_next(m->schedule)) != NULL) {
        struct thing *thing = item->owner;

        assert_int_equal(thing->state, WAITING);
        thing->state = RUNNING;
        check_order(m, thing);
        for (enum schedule_kind kind = 0; kind < SCHEDULE_KINDS; kind++) {
            int number = thing->claims[kind];
            size_t limit = number >= 0 ? limit_of(m, kind, number) : 0;

            if (kind == SCHEDULE_POOL && number >= 0 && limits_before[number] > limit) {
                limit = limits_before[number]; /* it was ready before the limit fell */
            }
            assert_true(number < 0 || running(m, kind, number) <= limit);
        }
    }
}

/* Nobody waits without a reason: a claim is taken, by what runs or by one that was passed over too often and keeps it.
 */
static void check_conserving(const struct model *m)
{
    size_t keepers = 0;

    for (int i = 0; i < ITEMS; i++) {
        keepers += m->things[i].state == WAITING && m->things[i].item.passed > SCHEDULE_PATIENCE;
    }
    for (int i = 0; i < ITEMS && keepers == 0; i++) {
        const struct thing *thing = &m->things[i];
        bool blocked = false;

        for (enum schedule_kind kind = 0; kind < SCHEDULE_KINDS; kind++) {
            int number = thing->claims[kind];

            blocked = blocked || (number >= 0 && running(m, kind, number) >= limit_of(m, kind, number));
        }
        assert_true(thing->state != WAITING || blocked);
    }
}

static void end(struct model *m, struct thing *thing)
{
    static const enum schedule_outcome outcomes[] = {SCHEDULE_DONE, SCHEDULE_DONE, SCHEDULE_BUSY, SCHEDULE_BUSY_ALONE,
                                                     SCHEDULE_FAILED};

    schedule_done(m->schedule, &thing->item, outcomes[world_below(&m->random, 5)]);
    thing->state = IDLE;
}

static void turn(struct model *m)
{
    struct thing *thing = &m->things[world_below(&m->random, ITEMS)];
    size_t limits[2] = {limit_of(m, SCHEDULE_POOL, 0), limit_of(m, SCHEDULE_POOL, 1)};

    switch (thing->state) {
    case IDLE:
        draw_claims(m, thing);
        add(m, thing);
        break;
    case WAITING:
        if (world_below(&m->random, 20) == 0) {
            end(m, thing); /* withdrawn */
        }
        break;
    case RUNNING:
        if (world_below(&m->random, 10) == 0) {
            schedule_yield(m->schedule, &thing->item);
            thing->yielded = true;
        } else {
            end(m, thing);
        }
        break;
    }
    start_all(m, limits);
    check_conserving(m);
}

static void test_random(void **state)
{
    struct model *m = mem_calloc(1, sizeof(*m));
    size_t limits[2];

    (void)state;
    world_init(&m->random, world_seed("schedule", 1));
    for (int round = 0; round < 4; round++) {
        m->schedule = schedule_new();
        for (int i = 0; i < 10000; i++) {
            turn(m);
        }
        for (int left = 1; left > 0;) { /* no more is added: all end */
            left = 0;
            for (int i = 0; i < ITEMS; i++) {
                limits[0] = limit_of(m, SCHEDULE_POOL, 0);
                limits[1] = limit_of(m, SCHEDULE_POOL, 1);
                if (m->things[i].state == RUNNING) {
                    end(m, &m->things[i]);
                    left++;
                    start_all(m, limits);
                }
            }
        }
        for (int i = 0; i < ITEMS; i++) {
            assert_int_equal(m->things[i].state, IDLE);
        }
        assert_true(schedule_resources(m->schedule) <= 2); /* the pools are remembered, nothing else */
        schedule_free(m->schedule);
    }
    world_fini(&m->random);
    free(m);
}

/* ---- by hand ---- */

static struct thing *put(struct model *m, int i, int node, int vg, int pool)
{
    struct thing *thing = &m->things[i];

    thing->claims[SCHEDULE_NODE] = node;
    thing->claims[SCHEDULE_VG] = vg;
    thing->claims[SCHEDULE_VOLUME] = -1;
    thing->claims[SCHEDULE_POOL] = pool;
    add(m, thing);
    return thing;
}

static size_t start(struct model *m)
{
    struct schedule_item *item;
    size_t n = 0;

    while ((item = schedule_next(m->schedule)) != NULL) {
        ((struct thing *)item->owner)->state = RUNNING;
        n++;
    }
    return n;
}

/* Node 0 never answers, and much waits for it: gluster commands and bricks elsewhere go on. */
static void test_hung_node(void **state)
{
    struct model *m = mem_calloc(1, sizeof(*m));
    struct thing *other;

    (void)state;
    m->schedule = schedule_new();
    for (int i = 0; i < SCHEDULE_NODE_LIMIT; i++) {
        (void)put(m, i, 0, i, -1);
    }
    for (int i = SCHEDULE_NODE_LIMIT; i < 50; i++) {
        (void)put(m, i, 0, -1, 0); /* these never get to the pool */
    }
    assert_int_equal(start(m), SCHEDULE_NODE_LIMIT);
    for (int i = 50; i < 190; i++) {
        other = put(m, i, 1, -1, 0);
        assert_int_equal(start(m), 1);
        schedule_done(m->schedule, &other->item, SCHEDULE_DONE);
    }
    /* The pool is full of commands on the hung node: given up when it is known to be silent. */
    for (int i = 0; i < 50; i++) {
        schedule_done(m->schedule, &m->things[i].item, SCHEDULE_FAILED);
    }
    for (int i = 0; i < SCHEDULE_POOL_MAX; i++) {
        (void)put(m, i, i < SCHEDULE_NODE_LIMIT ? 0 : 2, -1, 0);
    }
    assert_int_equal(start(m), SCHEDULE_POOL_MAX);
    other = put(m, 20, 1, -1, 0);
    assert_int_equal(start(m), 0);
    schedule_yield(m->schedule, &m->things[0].item);
    assert_int_equal(start(m), 1);
    schedule_done(m->schedule, &other->item, SCHEDULE_DONE);
    for (int i = 0; i < SCHEDULE_POOL_MAX; i++) {
        schedule_done(m->schedule, &m->things[i].item, SCHEDULE_FAILED);
    }
    schedule_free(m->schedule);
    free(m);
}

/* Runs one that claims a place in pool 0, on this node. */
static void run(struct model *m, int node, enum schedule_outcome outcome)
{
    struct thing *thing = put(m, 0, node, -1, 0);

    assert_int_equal(start(m), 1);
    schedule_done(m->schedule, &thing->item, outcome);
}

/* One more after a round of successes, half when two nodes are busy (once for all that ran then), never less than one.
 */
static void test_pool_limit(void **state)
{
    struct model *m = mem_calloc(1, sizeof(*m));
    struct id pool = number_id(SCHEDULE_POOL, 0);

    (void)state;
    m->schedule = schedule_new();
    assert_int_equal(schedule_pool_limit(m->schedule, pool), SCHEDULE_POOL_START);
    for (int i = 0; i < SCHEDULE_POOL_START; i++) {
        run(m, 0, SCHEDULE_DONE);
    }
    assert_int_equal(schedule_pool_limit(m->schedule, pool), SCHEDULE_POOL_START + 1);
    for (int i = 0; i < 4; i++) {
        (void)put(m, i, i, -1, 0);
    }
    assert_int_equal(start(m), 4);
    for (int i = 0; i < 4; i++) {
        schedule_done(m->schedule, &m->things[i].item, SCHEDULE_BUSY);
    }
    assert_int_equal(schedule_pool_limit(m->schedule, pool), (SCHEDULE_POOL_START + 1) / 2);
    for (int i = 0; i < 10; i++) {
        run(m, i, i % 2 == 0 ? SCHEDULE_BUSY : SCHEDULE_FAILED);
    }
    assert_int_equal(schedule_pool_limit(m->schedule, pool), 1);
    for (int i = 0; i < 1000; i++) {
        run(m, 0, SCHEDULE_DONE);
    }
    assert_int_equal(schedule_pool_limit(m->schedule, pool), SCHEDULE_POOL_MAX);
    schedule_free(m->schedule);
    free(m);
}

/* One node is always busy: the pool goes on as if it were not there. When another one says so, too, it is slowed down.
 */
static void test_one_node_busy(void **state)
{
    struct model *m = mem_calloc(1, sizeof(*m));
    struct id pool = number_id(SCHEDULE_POOL, 0);

    (void)state;
    m->schedule = schedule_new();
    for (int i = 0; i < 1000; i++) {
        run(m, 1, SCHEDULE_BUSY);
        run(m, 2, SCHEDULE_DONE);
        assert_true(schedule_pool_limit(m->schedule, pool) >= SCHEDULE_POOL_START);
    }
    assert_int_equal(schedule_pool_limit(m->schedule, pool), SCHEDULE_POOL_MAX);
    run(m, 1, SCHEDULE_BUSY);
    run(m, 2, SCHEDULE_BUSY); /* another one says so, too */
    assert_int_equal(schedule_pool_limit(m->schedule, pool), SCHEDULE_POOL_MAX / 2);
    run(m, 1, SCHEDULE_BUSY);
    for (int i = 0; i < SCHEDULE_POOL_MAX / 2; i++) { /* a round: what was said before it is over */
        run(m, 2, SCHEDULE_DONE);
    }
    run(m, 2, SCHEDULE_BUSY);
    run(m, 2, SCHEDULE_BUSY);
    assert_int_equal(schedule_pool_limit(m->schedule, pool), SCHEDULE_POOL_MAX / 2 + 1);
    schedule_free(m->schedule);
    free(m);
}

/* The only node of a pool is believed. */
static void test_lone_node_busy(void **state)
{
    struct model *m = mem_calloc(1, sizeof(*m));
    struct id pool = number_id(SCHEDULE_POOL, 0);

    (void)state;
    m->schedule = schedule_new();
    run(m, 1, SCHEDULE_BUSY_ALONE);
    assert_int_equal(schedule_pool_limit(m->schedule, pool), SCHEDULE_POOL_START / 2);
    schedule_free(m->schedule);
    free(m);
}

/* One that needs two resources which others take in turns runs in the end. */
static void test_no_starvation(void **state)
{
    struct model *m = mem_calloc(1, sizeof(*m));
    struct thing *left, *right, *both;
    int turns = 0;

    (void)state;
    m->schedule = schedule_new();
    left = put(m, 1, 1, 0, -1);
    right = put(m, 2, 2, -1, -1);
    for (int i = 3; i < 3 + SCHEDULE_NODE_LIMIT - 1; i++) {
        (void)put(m, i, 3, -1, -1); /* node 3: one channel is left */
    }
    right->claims[SCHEDULE_NODE] = 3;
    schedule_done(m->schedule, &right->item, SCHEDULE_FAILED);
    add(m, right);
    (void)start(m);
    both = put(m, 0, 3, 0, -1);
    while (start(m) == 0) { /* never are volume group and channel free together */
        schedule_done(m->schedule, &left->item, SCHEDULE_DONE);
        if (start(m) > 0) {
            break;
        }
        add(m, left);
        (void)start(m);
        schedule_done(m->schedule, &right->item, SCHEDULE_DONE);
        if (start(m) > 0) {
            add(m, right);
            break;
        }
        add(m, right);
        (void)start(m);
        assert_true(++turns < 100);
    }
    assert_int_equal(both->state, RUNNING);
    for (int i = 0; i < 3 + SCHEDULE_NODE_LIMIT - 1; i++) {
        if (m->things[i].item.seq != 0) {
            schedule_done(m->schedule, &m->things[i].item, SCHEDULE_DONE);
        }
    }
    schedule_free(m->schedule);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),         cmocka_unit_test(test_hung_node),
        cmocka_unit_test(test_pool_limit),     cmocka_unit_test(test_one_node_busy),
        cmocka_unit_test(test_lone_node_busy), cmocka_unit_test(test_no_starvation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A member that lies: what it sends without end has a bound, also while the other's disk is slow, and no one is told
 * that he is alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/consensus/lone.h"

#define LIAR 2
#define FRAMES 20000
#define LARGE ((size_t)1 << 20)

static bool is_taken(enum wire_type type, struct wire wire)
{
    return lone_hears(LIAR, type, wire);
}

static void say(enum wire_type type, struct wire wire)
{
    assert_true(is_taken(type, wire));
}

/* The disk answers only when a test says so. */
static int set_up(void **state)
{
    CLEANUP(buf_fini) struct buf conf = BUF_INIT;
    char large[601]; /* what is answered with it is large, too */
    const char *const addresses[] = {"a:1", "a:2", large};

    (void)state;
    memset(large, 'a', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    lone_put_configuration(&conf, addresses, 3, RAFT_VOTER);
    lone_start(&(struct lone_config){
        .n_members = 3, .disk_state = CORE_FORMED, .term = 1, .conf = &conf, .no_snapshots = true});
    say(WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}});
    lone.n_ops = 0;
    return 0;
}

static void test_terms(void **state)
{
    (void)state;
    for (int i = 0; i < FRAMES; i++) {
        lone_hears_of(3, LIAR, lone_term() + 1);
        say(WIRE_APPEND,
            (struct wire){.key = {[WK_MSG_TERM] = lone_term() + 1, [WK_PREV_INDEX] = 1, [WK_PREV_TERM] = 1}});
    }
    assert_in_range(lone.n_ops, 1, 16);
    assert_in_range(lone.core->n_held, 1, 16);
}

/* The same place is written again and again. */
static void test_entries(void **state)
{
    uint8_t *data = mem_calloc(1, LARGE);

    (void)state;
    lone_hears_of(3, LIAR, 9);
    say(WIRE_APPEND, (struct wire){.key = {[WK_MSG_TERM] = 9, [WK_PREV_INDEX] = 1, [WK_PREV_TERM] = 1}});
    for (uint64_t i = 0; i < 100; i++) {
        CLEANUP(buf_fini) struct buf body = BUF_INIT;
        struct wire wire = {
            .key = {[WK_MSG_TERM] = 9, [WK_PREV_INDEX] = 1, [WK_PREV_TERM] = 1, [WK_COUNT] = 1},
        };

        flat_append(&body, 2 + i % 2, RAFT_COMMAND, data, LARGE);
        wire.body = (const uint8_t *)body.data;
        wire.body_len = body.len;
        say(WIRE_APPEND, wire);
    }
    free(data);
    assert_in_range(lone.core->n_appends, 4, 21);
}

/* The disk is fast, and nothing is ever committed. */
static void test_uncommitted(void **state)
{
    uint8_t *data = mem_calloc(1, LARGE);

    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        CLEANUP(buf_fini) struct buf body = BUF_INIT;
        struct wire wire = {
            .key =
                {[WK_MSG_TERM] = 1, [WK_PREV_INDEX] = core_last_index(lone.core), [WK_PREV_TERM] = 1, [WK_COUNT] = 1},
        };

        flat_append(&body, 1, RAFT_COMMAND, data, LARGE);
        wire.body = (const uint8_t *)body.data;
        wire.body_len = body.len;
        say(WIRE_APPEND, wire);
        lone_disk_answers();
    }
    assert_in_range(core_last_index(lone.core), 20, 40);
    say(WIRE_APPEND, (struct wire){.key = {[WK_MSG_TERM] = 1,
                                           [WK_PREV_INDEX] = core_last_index(lone.core),
                                           [WK_PREV_TERM] = 1,
                                           [WK_COMMIT] = core_last_index(lone.core)}});
    assert_int_equal(raft_commit_index(&lone.core->raft), core_last_index(lone.core)); /* then it goes on */
    free(data);
}

static void test_answers(void **state)
{
    (void)state;
    lone_hears_of(3, LIAR, 9);
    say(WIRE_APPEND,
        (struct wire){.key = {[WK_MSG_TERM] = 9, [WK_PREV_INDEX] = 1, [WK_PREV_TERM] = 1, [WK_COMMIT] = 1}});
    assert_int_equal(lone.core->metas, 1);
    for (int i = 0; i < 2 * FRAMES; i++) {
        say(WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_FLAGS] = 1}});
    }
    assert_in_range(lone.core->held_bytes, 15 << 20, 16 << 20);
}

static void test_snapshots(void **state)
{
    (void)state;
    for (int i = 0; i < FRAMES; i++) {
        say(WIRE_SNAPSHOT, (struct wire){.key = {[WK_MSG_TERM] = 1,
                                                 [WK_LAST_INDEX] = 1000,
                                                 [WK_LAST_TERM] = 1,
                                                 [WK_CONF_INDEX] = 1,
                                                 [WK_CONF_LEN] = lone.conf.len,
                                                 [WK_TOTAL] = 1 << 28},
                                         .body = (const uint8_t *)lone.conf.data,
                                         .body_len = lone.conf.len});
    }
    assert_int_equal(lone.n_ops, 0);
}

/* What a sender that is gone, or does not lead any more, has sent of a snapshot is not kept. */
static void test_snapshot_that_does_not_end(void **state)
{
    uint8_t *data = mem_calloc(1, LARGE);
    const struct wire chunk = {.key = {[WK_MSG_TERM] = 1,
                                       [WK_LAST_INDEX] = 1000,
                                       [WK_LAST_TERM] = 1,
                                       [WK_CONF_INDEX] = 1,
                                       [WK_CONF_LEN] = lone.conf.len,
                                       [WK_TOTAL] = 1 << 28},
                               .body = data,
                               .body_len = LARGE};

    (void)state;
    memcpy(data, lone.conf.data, lone.conf.len);
    say(WIRE_SNAPSHOT, chunk);
    assert_non_null(lone.core->incoming.data);
    core_closed(lone.core, LIAR);
    assert_null(lone.core->incoming.data);
    say(WIRE_SNAPSHOT, chunk);
    assert_non_null(lone.core->incoming.data);
    lone_hears_of(3, LIAR, 2);
    say(WIRE_APPEND, (struct wire){.key = {[WK_MSG_TERM] = 2, [WK_PREV_INDEX] = 1, [WK_PREV_TERM] = 1}});
    (void)core_poll(lone.core);
    assert_null(lone.core->incoming.data);
    free(data);
}

/* Members 1 to n of the configuration that there is, without those of the bits in left_out. */
static void add_configuration(struct buf *flat, unsigned left_out)
{
    struct raft_configuration conf;
    struct raft_buffer bytes;

    core_conf_read(lone.core, 1, &conf);
    for (unsigned i = conf.n; i-- > 0;) {
        if ((left_out >> conf.servers[i].id & 1) != 0) {
            raft_free(conf.servers[i].address);
            memmove(&conf.servers[i], &conf.servers[i + 1], (conf.n - i - 1) * sizeof(*conf.servers));
            conf.n--;
        }
    }
    assert_int_equal(raft_configuration_encode(&conf, &bytes), 0);
    raft_configuration_close(&conf);
    flat_append(flat, 1, RAFT_CHANGE, bytes.base, (uint32_t)bytes.len);
    raft_free(bytes.base);
}

static bool are_taken(const struct buf *flat, uint64_t count)
{
    return is_taken(
        WIRE_APPEND,
        (struct wire){.key = {[WK_MSG_TERM] = 1, [WK_PREV_INDEX] = 1, [WK_PREV_TERM] = 1, [WK_COUNT] = count},
                      .body = (const uint8_t *)flat->data,
                      .body_len = flat->len});
}

/* A member that is told that it is alone would lead without the others, who go on without it. */
static void test_configurations(void **state)
{
    CLEANUP(buf_fini) struct buf alone = BUF_INIT, steps = BUF_INIT, too_few = BUF_INIT;

    (void)state;
    add_configuration(&alone, 1U << 2 | 1U << 3);
    assert_false(are_taken(&alone, 1));
    assert_int_equal(core_last_index(lone.core), 1);
    assert_int_equal(lone.core->refusal.by, LIAR);
    add_configuration(&too_few, 1U << 3);
    add_configuration(&too_few, 1U << 2 | 1U << 3);
    assert_false(are_taken(&too_few, 2));
    assert_int_equal(core_last_index(lone.core), 1);
    add_configuration(&steps, 1U << 3);
    add_configuration(&steps, 0);
    add_configuration(&steps, 1U << 2);
    assert_true(are_taken(&steps, 3));
    assert_int_equal(core_last_index(lone.core), 4);
}

/* Each configuration is a step of the library: of one frame so many are taken as one turn may do, and the rest when it
 * comes again, as it does from a leader whose frame was lost. */
static void test_many_configurations(void **state)
{
    CLEANUP(buf_fini) struct buf many = BUF_INIT;
    CLEANUP(buf_fini) struct buf empty = BUF_INIT;
    uint64_t taken;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        add_configuration(&many, i % 2 == 0 ? 1U << 3 : 0);
    }
    assert_true(are_taken(&many, 1000));
    taken = core_last_index(lone.core) - 1;
    assert_in_range(taken, 1, 100);
    assert_in_range(lone.core->n_appends, 1, 200);
    lone_disk_answers();
    assert_true(are_taken(&many, 1000)); /* the same from the beginning */
    assert_int_equal(core_last_index(lone.core), 1 + taken);
    for (unsigned i = 0; i < 5000; i++) {
        flat_append(&empty, 1, RAFT_BARRIER, "", 0);
    }
    assert_false(are_taken(&empty, 5000)); /* no leader has so many on their way */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_configurations, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_many_configurations, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_snapshot_that_does_not_end, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_terms, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_entries, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_uncommitted, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_answers, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_snapshots, set_up, lone_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

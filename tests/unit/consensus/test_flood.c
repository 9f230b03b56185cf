/* A member that lies: what it sends without end has a bound, also while the other's disk is slow, and no one is told
 * that he is alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

#define LIAR 2
#define FRAMES 20000
#define LARGE ((size_t)1 << 20)

static struct core *core;
static struct disk_op *ops; /* never answered: the disk stands still */
static size_t n_ops;

static uint64_t env_now(void *user)
{
    (void)user;
    return 10000000;
}

static void env_send(void *user, uint64_t peer, uint8_t *frame, size_t len)
{
    (void)user;
    (void)peer;
    (void)len;
    free(frame);
}

static void env_disk(void *user, struct disk_op *op)
{
    (void)user;
    op->next = ops;
    ops = op;
    n_ops++;
}

static int env_judge(void *user, const uint8_t *data, size_t len, struct err *reterr)
{
    (void)user;
    (void)data;
    (void)len;
    (void)reterr;
    return 0;
}

static void env_apply(void *user, uint64_t index, uint64_t term, const uint8_t *data, size_t len)
{
    (void)user;
    (void)index;
    (void)term;
    (void)data;
    (void)len;
}

static void env_nothing(void *user)
{
    (void)user;
}

static void env_failed(void *user, const char *text)
{
    (void)user;
    fail_msg("%s", text);
}

static void put_configuration(struct buf *buf)
{
    struct raft_configuration conf;
    struct raft_buffer bytes;
    char large[601]; /* what is answered with it is large, too */

    memset(large, 'a', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    raft_configuration_init(&conf);
    assert_int_equal(raft_configuration_add(&conf, 1, "a:1", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&conf, 2, "a:2", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&conf, 3, large, RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_encode(&conf, &bytes), 0);
    raft_configuration_close(&conf);
    buf_append(buf, bytes.base, bytes.len);
    raft_free(bytes.base);
}

static bool is_taken(enum wire_type type, struct wire wire)
{
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;

    wire.key[WK_TYPE] = type;
    wire.key[WK_FROM] = LIAR;
    wire.key[WK_CLUSTER_HIGH] = UINT64_C(7) << 56;
    wire_encode(&wire, &frame);
    return core_recv(core, LIAR, (const uint8_t *)frame.data, frame.len);
}

static void say(enum wire_type type, struct wire wire)
{
    assert_true(is_taken(type, wire));
}

static int set_up(void **state)
{
    const struct core_env env = {.now = env_now,
                                 .send = env_send,
                                 .disk = env_disk,
                                 .judge = env_judge,
                                 .apply = env_apply,
                                 .changed = env_nothing,
                                 .resigned = env_nothing,
                                 .members = env_nothing,
                                 .failed = env_failed};
    const struct core_config config = {.id = 1,
                                       .peers = {{1, "a:1"}, {2, "a:2"}, {3, "a:3"}},
                                       .n_peers = 3,
                                       .election_timeout_ms = 300,
                                       .lease_ms = 150,
                                       .heartbeat_ms = 50,
                                       .slot_ms = 25,
                                       .snapshot_threshold = 1000,
                                       .snapshot_bytes = UINT64_C(1) << 40,
                                       .trailing = 100,
                                       .inflight = 10,
                                       .window = 10,
                                       .seed = 1};
    struct disk_image image = {.disk_state = CORE_FORMED, .cluster_id.bytes = {7}, .term = 1, .first = 1};
    CLEANUP(buf_fini) struct buf conf = BUF_INIT;
    struct buf flat = BUF_INIT;

    (void)state;
    put_configuration(&conf);
    flat_append(&flat, 1, RAFT_CHANGE, conf.data, (uint32_t)conf.len);
    image.flat_len = flat.len;
    image.flat = (uint8_t *)buf_take(&flat);
    core = core_new(&config, &env, &image);
    disk_image_fini(&image);
    core_connected(core, LIAR);
    say(WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}});
    n_ops = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    core_free(core);
    while (ops != NULL) {
        struct disk_op *op = ops;

        ops = op->next;
        disk_op_free(op);
    }
    return 0;
}

static uint64_t term(void)
{
    return raft_current_term(&core->raft);
}

static void test_terms(void **state)
{
    (void)state;
    for (int i = 0; i < FRAMES; i++) {
        say(WIRE_APPEND, (struct wire){.key = {[WK_MSG_TERM] = term() + 1, [WK_PREV_INDEX] = 1, [WK_PREV_TERM] = 1}});
    }
    assert_in_range(n_ops, 1, 16);
    assert_in_range(core->n_held, 1, 16);
}

/* The same place is written again and again. */
static void test_entries(void **state)
{
    uint8_t *data = mem_calloc(1, LARGE);

    (void)state;
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
    assert_in_range(core->n_appends, 4, 21);
}

/* The disk is fast, and nothing is ever committed. */
static void test_uncommitted(void **state)
{
    uint8_t *data = mem_calloc(1, LARGE);

    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        CLEANUP(buf_fini) struct buf body = BUF_INIT;
        struct wire wire = {
            .key = {[WK_MSG_TERM] = 1, [WK_PREV_INDEX] = core_last_index(core), [WK_PREV_TERM] = 1, [WK_COUNT] = 1},
        };

        flat_append(&body, 1, RAFT_COMMAND, data, LARGE);
        wire.body = (const uint8_t *)body.data;
        wire.body_len = body.len;
        say(WIRE_APPEND, wire);
        while (ops != NULL) {
            struct disk_op *op = ops;

            ops = op->next;
            core_done(core, op);
        }
    }
    assert_in_range(core_last_index(core), 20, 40);
    say(WIRE_APPEND, (struct wire){.key = {[WK_MSG_TERM] = 1,
                                           [WK_PREV_INDEX] = core_last_index(core),
                                           [WK_PREV_TERM] = 1,
                                           [WK_COMMIT] = core_last_index(core)}});
    assert_int_equal(raft_commit_index(&core->raft), core_last_index(core)); /* then it goes on */
    free(data);
}

static void test_answers(void **state)
{
    (void)state;
    say(WIRE_APPEND,
        (struct wire){.key = {[WK_MSG_TERM] = 9, [WK_PREV_INDEX] = 1, [WK_PREV_TERM] = 1, [WK_COMMIT] = 1}});
    assert_int_equal(core->metas, 1);
    for (int i = 0; i < 2 * FRAMES; i++) {
        say(WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_FLAGS] = 1}});
    }
    assert_in_range(core->held_bytes, 15 << 20, 16 << 20);
}

static void test_snapshots(void **state)
{
    (void)state;
    for (int i = 0; i < FRAMES; i++) {
        say(WIRE_SNAPSHOT, (struct wire){.key = {[WK_MSG_TERM] = 1,
                                                 [WK_LAST_INDEX] = 1000,
                                                 [WK_LAST_TERM] = 1,
                                                 [WK_CONF_INDEX] = 1,
                                                 [WK_CONF_LEN] = 100,
                                                 [WK_TOTAL] = 1 << 30}});
    }
    assert_int_equal(n_ops, 0);
}

/* What a sender that is gone, or does not lead any more, has sent of a snapshot is not kept. */
static void test_snapshot_that_does_not_end(void **state)
{
    uint8_t *data = mem_calloc(1, LARGE);
    const struct wire chunk = {.key = {[WK_MSG_TERM] = 1,
                                       [WK_LAST_INDEX] = 1000,
                                       [WK_LAST_TERM] = 1,
                                       [WK_CONF_INDEX] = 1,
                                       [WK_CONF_LEN] = 100,
                                       [WK_TOTAL] = 1 << 30},
                               .body = data,
                               .body_len = LARGE};

    (void)state;
    say(WIRE_SNAPSHOT, chunk);
    assert_non_null(core->incoming.data);
    core_closed(core, LIAR);
    assert_null(core->incoming.data);
    say(WIRE_SNAPSHOT, chunk);
    assert_non_null(core->incoming.data);
    say(WIRE_APPEND, (struct wire){.key = {[WK_MSG_TERM] = 2, [WK_PREV_INDEX] = 1, [WK_PREV_TERM] = 1}});
    (void)core_poll(core);
    assert_null(core->incoming.data);
    free(data);
}

/* Members 1 to n of the configuration that there is, without those of the bits in left_out. */
static void add_configuration(struct buf *flat, unsigned left_out)
{
    struct raft_configuration conf;
    struct raft_buffer bytes;

    core_conf_read(core, 1, &conf);
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
    assert_int_equal(core_last_index(core), 1);
    assert_int_equal(core->refusal.by, LIAR);
    add_configuration(&too_few, 1U << 3);
    add_configuration(&too_few, 1U << 2 | 1U << 3);
    assert_false(are_taken(&too_few, 2));
    assert_int_equal(core_last_index(core), 1);
    add_configuration(&steps, 1U << 3);
    add_configuration(&steps, 0);
    add_configuration(&steps, 1U << 2);
    assert_true(are_taken(&steps, 3));
    assert_int_equal(core_last_index(core), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_configurations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snapshot_that_does_not_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_terms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_uncommitted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snapshots, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

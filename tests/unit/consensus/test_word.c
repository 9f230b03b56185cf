/* One member's word about another: it ends nobody, and lets nobody in, where a third member could bear it out and does
 * not. Members 2 and 3 speak, member 1 listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

#define TERM 5

static struct {
    struct core *core;
    uint64_t now;
    char failed[400];
    unsigned asked[4], voted; /* greetings that ask for one, votes and acknowledgements that left */
    uint8_t *conf;
    size_t conf_len;
} world;

static uint64_t env_now(void *user)
{
    (void)user;
    return world.now;
}

static void env_send(void *user, uint64_t peer, uint8_t *frame, size_t len)
{
    struct wire wire;

    (void)user;
    assert_true(wire_decode(frame, len, &wire));
    world.asked[peer] += wire.key[WK_TYPE] == WIRE_HELLO && (wire.key[WK_FLAGS] & 1) != 0;
    world.voted += wire.key[WK_TYPE] == WIRE_VOTE_RESULT || wire.key[WK_TYPE] == WIRE_APPEND_RESULT;
    free(frame);
}

/* At once: the answer follows. */
static void env_disk(void *user, struct disk_op *op)
{
    struct disk_op **ops = user;

    op->next = NULL;
    while (*ops != NULL) {
        ops = &(*ops)->next;
    }
    *ops = op;
}

static struct disk_op *ops;

static void disk_answers(void)
{
    while (ops != NULL) {
        struct disk_op *op = ops;

        ops = op->next;
        core_done(world.core, op);
    }
}

static int env_judge(void *user, const uint8_t *data, size_t len, struct err *reterr)
{
    (void)user;
    (void)data;
    (void)len;
    (void)reterr;
    return 0;
}

static void env_nothing(void *user)
{
    (void)user;
}

static void env_failed(void *user, const char *text)
{
    (void)user;
    (void)snprintf(world.failed, sizeof(world.failed), "%s", text);
}

static void encode(uint64_t n)
{
    struct raft_configuration conf;
    struct raft_buffer bytes;

    raft_configuration_init(&conf);
    for (uint64_t id = 1; id <= n; id++) {
        char address[] = "a:0";

        address[2] = (char)('0' + id);
        assert_int_equal(raft_configuration_add(&conf, id, address, RAFT_VOTER), 0);
    }
    assert_int_equal(raft_configuration_encode(&conf, &bytes), 0);
    raft_configuration_close(&conf);
    world.conf = mem_dup(bytes.base, bytes.len);
    world.conf_len = bytes.len;
    raft_free(bytes.base);
}

/* A member of n, with an empty disk or a log of two entries, the first of them this configuration. */
static void start_with(uint64_t n, enum core_disk_state state, const struct buf *conf)
{
    const struct core_env env = {.user = &ops,
                                 .now = env_now,
                                 .send = env_send,
                                 .disk = env_disk,
                                 .judge = env_judge,
                                 .changed = env_nothing,
                                 .resigned = env_nothing,
                                 .members = env_nothing,
                                 .failed = env_failed};
    const struct core_config config = {.id = 1,
                                       .peers = {{1, "a:1"}, {2, "a:2"}, {3, "a:3"}},
                                       .n_peers = n,
                                       .election_timeout_ms = 300,
                                       .lease_ms = 150,
                                       .heartbeat_ms = 50,
                                       .slot_ms = 25,
                                       .snapshot_threshold = 1000,
                                       .trailing = 100,
                                       .inflight = 10,
                                       .window = 10,
                                       .seed = 1};
    struct disk_image image = {.disk_state = state};
    struct buf flat = BUF_INIT;

    memset(&world, 0, sizeof(world));
    world.now = 10000000;
    encode(n);
    if (conf != NULL) {
        free(world.conf);
        world.conf = mem_dup(conf->data, conf->len);
        world.conf_len = conf->len;
    }
    if (state != CORE_EMPTY) {
        image.cluster_id.bytes[0] = 7;
        image.term = TERM;
        image.first = 1;
        flat_append(&flat, 1, RAFT_CHANGE, world.conf, (uint32_t)world.conf_len);
        flat_append(&flat, TERM, RAFT_BARRIER, "12345678", 8);
        image.flat_len = flat.len;
        image.flat = (uint8_t *)buf_take(&flat);
    }
    world.core = core_new(&config, &env, &image);
    disk_image_fini(&image);
    core_connected(world.core, 2);
    if (n > 2) {
        core_connected(world.core, 3);
    }
    world.now += 1000000; /* its promise is over */
    memset(world.asked, 0, sizeof(world.asked));
}

static void start(uint64_t n, enum core_disk_state state)
{
    start_with(n, state, NULL);
}

static void end(void)
{
    disk_answers();
    core_free(world.core);
    free(world.conf);
}

static void say(uint64_t from, enum wire_type type, struct wire wire)
{
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;

    wire.key[WK_TYPE] = type;
    wire.key[WK_FROM] = from;
    wire.key[WK_CLUSTER_HIGH] = UINT64_C(7) << 56;
    wire_encode(&wire, &frame);
    assert_true(core_recv(world.core, from, (const uint8_t *)frame.data, frame.len));
    disk_answers();
}

/* A greeting; with a configuration when has_us. */
static void greet(uint64_t from, uint64_t follows, uint64_t admits, uint64_t last, bool has_us)
{
    say(from, WIRE_HELLO,
        (struct wire){.key = {[WK_STATE] = CORE_FORMED,
                              [WK_TERM] = TERM,
                              [WK_FOLLOWS] = follows + 1,
                              [WK_ADMITS] = admits,
                              [WK_LAST_INDEX] = last,
                              [WK_CONF_INDEX] = has_us ? 1 : 0},
                      .body = has_us ? world.conf : NULL,
                      .body_len = has_us ? world.conf_len : 0});
}

static void vote(uint64_t from)
{
    say(from, WIRE_VOTE,
        (struct wire){.key = {[WK_TERM] = TERM + 1,
                              [WK_MSG_TERM] = TERM + 1,
                              [WK_LAST_INDEX] = 100,
                              [WK_LAST_TERM] = TERM,
                              [WK_VERSION] = 2}});
}

static void append(uint64_t from, uint64_t term)
{
    say(from, WIRE_APPEND,
        (struct wire){.key = {[WK_TERM] = term, [WK_MSG_TERM] = term, [WK_PREV_INDEX] = 2, [WK_PREV_TERM] = TERM}});
}

static bool ended(const char *text)
{
    return world.core->failed && strstr(world.failed, text) != NULL;
}

/* ---- removed ---- */

static void test_removed(void **state)
{
    (void)state;
    start(3, CORE_FORMED);
    greet(2, 2, WIRE_STRANGER, 0, false);
    assert_false(world.core->failed);
    assert_int_equal(world.asked[3], 1); /* the other one is asked at once */
    greet(3, 0, 0, 0, true);             /* it follows nobody, and we are a member */
    greet(3, 2, 0, 0, true);
    greet(3, 3, 0, 0, false);
    assert_false(world.core->failed);
    greet(3, 2, 0, 0, false);
    assert_true(ended("was removed"));
    end();
}

static void test_words_of_other_times(void **state)
{
    (void)state;
    start(3, CORE_FORMED);
    greet(2, 2, WIRE_STRANGER, 0, false);
    world.now += 3000000; /* it said so long ago */
    greet(3, 2, 0, 0, false);
    assert_false(world.core->failed);
    end();
    start(3, CORE_FORMED);
    greet(2, 3, WIRE_STRANGER, 0, false); /* a leader that follows another one */
    greet(3, 2, 0, 0, false);
    assert_false(world.core->failed);
    end();
}

static void test_nobody_else(void **state)
{
    (void)state;
    start(2, CORE_FORMED);
    greet(2, 2, WIRE_STRANGER, 0, false);
    assert_true(ended("was removed"));
    end();
}

/* ---- lost ---- */

static void test_lost(void **state)
{
    (void)state;
    start(3, CORE_FORMED);
    greet(2, 2, WIRE_MEMBER, 9, true);
    assert_false(world.core->failed);
    assert_int_equal(world.asked[3], 1);
    vote(3);
    append(2, TERM);
    assert_int_equal(world.voted, 0); /* it takes no part */
    for (int i = 0; i < 50; i++) {
        world.now += 100000;
        (void)core_poll(world.core);
        disk_answers();
    }
    assert_int_equal(raft_current_term(&world.core->raft), TERM); /* nor does it stand */
    assert_in_range(world.asked[3], 40, 60);                      /* and asks */
    greet(2, 2, WIRE_MEMBER, 9, true);
    greet(3, 2, 0, 0, true);
    assert_true(ended("acknowledged all up to 9"));
    end();
}

/* A leader that was elected without it has everything. */
static void test_doubt_ends(void **state)
{
    (void)state;
    start(3, CORE_FORMED);
    greet(3, 3, 0, 0, true);
    greet(2, 2, WIRE_MEMBER, 9, true);
    append(3, TERM);
    assert_int_equal(world.voted, 1);
    end();
    start(3, CORE_FORMED);
    greet(2, 2, WIRE_MEMBER, 9, true);
    append(2, TERM + 1);
    assert_int_equal(world.voted, 1);
    end();
}

/* It hears of its leader, or has told it where its log ends: no other word of that is believed. */
static void test_follower(void **state)
{
    (void)state;
    start(3, CORE_FORMED);
    greet(3, 3, 0, 0, true);
    append(3, TERM);
    greet(2, 2, WIRE_MEMBER, 9, true);
    greet(3, 3, WIRE_MEMBER, 9, true);
    append(3, TERM);
    assert_int_equal(world.voted, 2);
    greet(2, 3, 0, 0, true);
    assert_false(world.core->failed);
    end();
}

/* ---- addresses ---- */

static const char *address_of(uint64_t id)
{
    return world.core->config.peers[core_peer_index(world.core, id)].address;
}

/* A configuration of three, of whom the first stands by. */
static struct buf moved(const char *two, const char *three)
{
    struct raft_configuration conf;
    struct raft_buffer bytes;
    struct buf buf = BUF_INIT;

    raft_configuration_init(&conf);
    assert_int_equal(raft_configuration_add(&conf, 1, "a:1", RAFT_STANDBY), 0);
    assert_int_equal(raft_configuration_add(&conf, 2, two, RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&conf, 3, three, RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_encode(&conf, &bytes), 0);
    raft_configuration_close(&conf);
    buf_append(&buf, bytes.base, bytes.len);
    raft_free(bytes.base);
    return buf;
}

static void greet_with(uint64_t from, uint64_t index, const struct buf *conf)
{
    say(from, WIRE_HELLO,
        (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_TERM] = TERM, [WK_CONF_INDEX] = index},
                      .body = (const uint8_t *)conf->data,
                      .body_len = conf->len});
}

/* A standby was away while all others moved: it believes each of them where it is itself, and nobody about others. */
static void test_moved(void **state)
{
    CLEANUP(buf_fini) struct buf before = moved("a:2", "a:3");
    CLEANUP(buf_fini) struct buf after = moved("b:2", "b:3");
    CLEANUP(buf_fini) struct buf again = moved("c:2", "c:3");

    (void)state;
    start_with(3, CORE_JOINED, &before);
    greet_with(2, 1, &after); /* not later than what is in the log */
    assert_string_equal(address_of(2), "a:2");
    greet_with(2, 9, &after);
    assert_string_equal(address_of(2), "b:2");
    assert_string_equal(address_of(3), "a:3");
    greet_with(2, 8, &again);
    assert_string_equal(address_of(2), "b:2");
    append(3, TERM); /* the log has not come so far */
    assert_string_equal(address_of(2), "b:2");
    greet_with(3, 9, &after);
    assert_string_equal(address_of(3), "b:3");
    end();
    start(3, CORE_FORMED); /* one that votes knows */
    greet_with(2, 9, &after);
    assert_string_equal(address_of(2), "a:2");
    end();
}

/* ---- an empty disk ---- */

static void test_empty(void **state)
{
    (void)state;
    start(3, CORE_EMPTY);
    greet(2, 2, WIRE_MEMBER, 0, true);
    assert_false(world.core->failed);
    greet(3, 2, 0, 0, true);
    assert_true(ended("data directory is empty"));
    end();
    start(3, CORE_EMPTY);
    greet(2, 2, WIRE_ADMITTED, 0, true);
    assert_int_equal(world.core->disk_state, CORE_EMPTY);
    greet(3, 3, WIRE_MEMBER, 0, true); /* two leaders: neither counts */
    assert_int_equal(world.core->disk_state, CORE_EMPTY);
    assert_false(world.core->failed);
    greet(3, 2, 0, 0, true);
    assert_int_equal(world.core->disk_state, CORE_JOINING);
    assert_int_equal(world.core->join_index, 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removed),     cmocka_unit_test(test_words_of_other_times),
        cmocka_unit_test(test_nobody_else), cmocka_unit_test(test_lost),
        cmocka_unit_test(test_doubt_ends),  cmocka_unit_test(test_follower),
        cmocka_unit_test(test_empty),       cmocka_unit_test(test_moved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

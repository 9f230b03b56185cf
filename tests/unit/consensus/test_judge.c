/* Which configurations a member takes: a snapshot's, several changes ahead, only if a second member tells the same, and
 * none in which it would be alone; a newcomer counts as one when two members tell what its log has reached. Members 2
 * to 4 speak, member 1 listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/consensus/lone.h"

#define TERM 5
#define INDEX 100 /* of the snapshot and its configuration */

static void put_members(struct buf *buf, const uint64_t *ids, size_t n, size_t n_voters)
{
    struct raft_configuration conf;
    struct raft_buffer bytes;

    raft_configuration_init(&conf);
    for (size_t i = 0; i < n; i++) {
        char address[] = {'a', ':', (char)('0' + ids[i]), '\0'};

        assert_int_equal(raft_configuration_add(&conf, ids[i], address, i < n_voters ? RAFT_VOTER : RAFT_STANDBY), 0);
    }
    assert_int_equal(raft_configuration_encode(&conf, &bytes), 0);
    raft_configuration_close(&conf);
    buf_append(buf, bytes.base, bytes.len);
    raft_free(bytes.base);
}

static uint64_t total = 1000; /* of its data */

static bool send_at(uint64_t index, uint64_t conf_index, const struct buf *conf)
{
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    bool taken;

    buf_append(&body, conf->data, conf->len);
    buf_append(&body, "begin", 5);
    taken = lone_hears(2, WIRE_SNAPSHOT,
                       (struct wire){.key = {[WK_MSG_TERM] = TERM,
                                             [WK_LAST_INDEX] = index,
                                             [WK_LAST_TERM] = TERM,
                                             [WK_CONF_INDEX] = conf_index,
                                             [WK_CONF_LEN] = conf->len,
                                             [WK_TOTAL] = conf->len + total},
                                     .body = (const uint8_t *)body.data,
                                     .body_len = body.len});
    lone_disk_answers();
    return taken;
}

static bool send_members(const uint64_t *ids, size_t n, size_t n_voters)
{
    CLEANUP(buf_fini) struct buf conf = BUF_INIT;

    put_members(&conf, ids, n, n_voters);
    return send_at(INDEX, INDEX, &conf);
}

static bool is_taken(void)
{
    return lone.core->incoming.data != NULL;
}

static void tell(uint64_t from, uint64_t index, const uint64_t *ids, size_t n, size_t n_voters)
{
    CLEANUP(buf_fini) struct buf conf = BUF_INIT;

    put_members(&conf, ids, n, n_voters);
    assert_true(lone_hears(from, WIRE_HELLO,
                           (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_TERM] = TERM, [WK_CONF_INDEX] = index},
                                         .body = (const uint8_t *)conf.data,
                                         .body_len = conf.len}));
    lone_disk_answers();
}

static void start(size_t n, enum core_disk_state state)
{
    lone_start(&(struct lone_config){.n_members = n, .disk_state = state, .term = TERM});
    for (uint64_t id = 2; id <= n; id++) {
        assert_true(lone_hears(id, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}}));
    }
    assert_true(lone_hears(2, WIRE_APPEND,
                           (struct wire){.key = {[WK_MSG_TERM] = TERM, [WK_PREV_INDEX] = 2, [WK_PREV_TERM] = TERM}}));
    lone_disk_answers();
    memset(lone.asked, 0, sizeof(lone.asked));
}

static void end(void)
{
    assert_string_equal(lone.failed, "");
    lone_end();
}

static const uint64_t all[] = {1, 2, 3}, alone[] = {1}, pair[] = {1, 2}, without[] = {2, 3}, strange[] = {2, 4, 3};

/* One change away from ours, or the same. */
static void test_near(void **state)
{
    (void)state;
    start(3, CORE_FORMED);
    assert_true(send_members(all, 3, 3));
    assert_true(is_taken());
    end();
    start(3, CORE_FORMED);
    assert_true(send_members(pair, 2, 2));
    assert_true(is_taken());
    end();
    start(3, CORE_FORMED); /* this member was removed */
    assert_true(send_members(without, 2, 2));
    assert_true(is_taken());
    end();
}

static void test_never(void **state)
{
    CLEANUP(buf_fini) struct buf conf = BUF_INIT;

    (void)state;
    put_members(&conf, all, 3, 3);
    start(3, CORE_FORMED);
    tell(3, INDEX, alone, 1, 1);
    assert_false(send_members(alone, 1, 1));
    assert_false(send_members(pair, 2, 1)); /* the others without a vote */
    assert_false(send_members(all, 3, 1));
    assert_false(send_members(strange, 3, 3)); /* two changes, and we are not in it */
    assert_false(send_at(INDEX, 0, &conf));    /* older than the one that we have applied */
    assert_false(is_taken());
    end();
    start(2, CORE_FORMED); /* where nobody else could tell */
    assert_false(send_members(alone, 1, 1));
    assert_false(is_taken());
    end();
}

static void test_far_index(void **state)
{
    CLEANUP(buf_fini) struct buf conf = BUF_INIT;
    const uint64_t far = (UINT64_C(1) << 32) + 2;

    (void)state;
    put_members(&conf, all, 3, 3);
    start(3, CORE_FORMED);
    assert_int_equal(core_last_index(lone.core), 2);
    assert_false(send_at(far + 1, INDEX, &conf));
    assert_false(send_at(WIRE_INDEX_MAX, INDEX, &conf));
    assert_false(is_taken());
    assert_true(send_at(far, INDEX, &conf));
    assert_true(is_taken());
    end();
}

/* Several changes ahead. */
static void test_borne_out(void **state)
{
    static const uint64_t members[] = {1, 2, 3, 4, 5}, others[] = {1, 2, 3, 4, 6};

    (void)state;
    for (uint64_t teller = 3; teller <= 4; teller++) { /* 4: our log does not know it */
        start(3, CORE_FORMED);
        assert_true(send_members(members, 5, 5));
        assert_false(is_taken());
        assert_true(lone.asked[3] > 0); /* at once */
        tell(2, INDEX, members, 5, 5);  /* nobody is his own witness */
        tell(teller, INDEX - 1, members, 5, 5);
        assert_true(send_members(members, 5, 5));
        tell(teller, INDEX, others, 5, 5);
        assert_true(send_members(members, 5, 5));
        tell(teller, INDEX, members, 5, 4); /* another one has no vote */
        assert_true(send_members(members, 5, 5));
        assert_false(is_taken());
        tell(teller, INDEX, members, 5, 5);
        assert_true(send_members(members, 5, 5));
        assert_true(is_taken());
        end();
    }
}

/* Our vote alone lets nobody fill our memory. */
static void test_large(void **state)
{
    (void)state;
    for (size_t n = 2; n <= 3; n++) {
        start(n, CORE_FORMED);
        total = UINT64_C(257) << 20;
        lone_hears_of(2, 2, TERM);
        assert_true(send_members(all, n, n));
        assert_int_equal(is_taken(), n == 2); /* there is nobody else */
        if (n == 3) {
            assert_true(lone.asked[3] > 0);
            lone_hears_of(3, 2, TERM - 1);
            assert_true(send_members(all, n, n));
            assert_false(is_taken());
            lone_hears_of(3, 2, TERM);
            assert_true(send_members(all, n, n));
            assert_true(is_taken());
        }
        assert_in_range(lone.core->incoming.cap, 0, 1 << 20); /* it grows with what comes */
        end();
    }
    total = 1000;
}

static uint64_t joined(void)
{
    lone.now += 200000;
    (void)core_poll(lone.core);
    lone_disk_answers();
    return lone.core->disk_state == CORE_JOINED;
}

/* The log says what one member likes. */
static void test_joined(void **state)
{
    (void)state;
    start(3, CORE_JOINING);
    lone.core->join_index = 1;
    assert_true(lone_hears(
        2, WIRE_APPEND,
        (struct wire){.key = {[WK_MSG_TERM] = TERM, [WK_PREV_INDEX] = 2, [WK_PREV_TERM] = TERM, [WK_COMMIT] = 2}}));
    lone_disk_answers();
    assert_int_equal(lone.core->conf_applied_index, 1);
    tell(2, 1, all, 3, 3);
    assert_false(joined());
    assert_true(lone.asked[3] > 0);
    tell(3, 1, pair, 2, 2);
    assert_false(joined());
    tell(3, 1, all, 3, 3);
    assert_true(joined());
    end();
}

/* The first configuration of a newcomer's log. */
static void test_first_alone(void **state)
{
    CLEANUP(buf_fini) struct buf conf = BUF_INIT, body = BUF_INIT;
    struct wire append = {.key = {[WK_MSG_TERM] = TERM, [WK_COUNT] = 1}};

    (void)state;
    start(3, CORE_EMPTY);
    lone.core->join_index = 0;
    for (uint64_t from = 2; from <= 3; from++) {
        assert_true(lone_hears(from, WIRE_HELLO,
                               (struct wire){.key = {[WK_STATE] = CORE_FORMED,
                                                     [WK_TERM] = TERM,
                                                     [WK_FOLLOWS] = 3,
                                                     [WK_ADMITS] = from == 2 ? WIRE_ADMITTED : 0,
                                                     [WK_CONF_INDEX] = INDEX},
                                             .body = (const uint8_t *)lone.conf.data,
                                             .body_len = lone.conf.len}));
        lone_disk_answers();
    }
    assert_int_equal(lone.core->disk_state, CORE_JOINING);
    put_members(&conf, alone, 1, 1);
    flat_append(&body, 1, RAFT_CHANGE, conf.data, (uint32_t)conf.len);
    append.body = (const uint8_t *)body.data;
    append.body_len = body.len;
    assert_false(lone_hears(2, WIRE_APPEND, append));
    assert_int_equal(core_last_index(lone.core), 0);
    buf_clear(&conf);
    buf_clear(&body);
    put_members(&conf, without, 2, 2); /* of a time before it was added */
    flat_append(&body, 1, RAFT_CHANGE, conf.data, (uint32_t)conf.len);
    append.body = (const uint8_t *)body.data;
    append.body_len = body.len;
    assert_true(lone_hears(2, WIRE_APPEND, append));
    assert_int_equal(core_last_index(lone.core), 1);
    lone_disk_answers();
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near),        cmocka_unit_test(test_never),  cmocka_unit_test(test_far_index),
        cmocka_unit_test(test_borne_out),   cmocka_unit_test(test_joined), cmocka_unit_test(test_large),
        cmocka_unit_test(test_first_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A snapshot is judged by its beginning, before more of it is taken, and whoever has sent one that was refused waits.
 * Member 2 leads and sends, member 1 listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/consensus/lone.h"

#define TERM 5
#define SIZE (UINT64_C(200) << 20)
#define PAUSE_US UINT64_C(10000000)
#define MEMBER_2 1 /* its place */

static int set_up(void **state)
{
    (void)state;
    lone_start(&(struct lone_config){.n_members = 3, .disk_state = CORE_FORMED, .term = TERM});
    for (uint64_t id = 2; id <= 3; id++) {
        assert_true(lone_hears(id, WIRE_HELLO, (struct wire){.key = {[WK_STATE] = CORE_FORMED}}));
    }
    assert_true(lone_hears(2, WIRE_APPEND,
                           (struct wire){.key = {[WK_MSG_TERM] = TERM, [WK_PREV_INDEX] = 2, [WK_PREV_TERM] = TERM}}));
    lone_disk_answers();
    return 0;
}

/* The bytes from offset on: of these, after the configuration. What the member makes of it. */
static bool send_part(uint64_t index, const struct buf *bytes, uint64_t size, size_t offset, size_t len)
{
    bool taken = lone_hears(2, WIRE_SNAPSHOT,
                            (struct wire){.key = {[WK_MSG_TERM] = TERM,
                                                  [WK_LAST_INDEX] = index,
                                                  [WK_LAST_TERM] = TERM,
                                                  [WK_CONF_INDEX] = 1,
                                                  [WK_CONF_LEN] = lone.conf.len,
                                                  [WK_OFFSET] = offset,
                                                  [WK_TOTAL] = lone.conf.len + size},
                                          .body = (const uint8_t *)bytes->data + offset,
                                          .body_len = len});

    lone_disk_answers();
    return taken;
}

static void fill(struct buf *bytes, const char *word, size_t n)
{
    buf_append(bytes, lone.conf.data, lone.conf.len);
    buf_append_str(bytes, word);
    while (bytes->len < lone.conf.len + n) {
        buf_append_char(bytes, 'x');
    }
}

static bool send_word(uint64_t index, const char *word)
{
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;

    fill(&bytes, word, 10000);
    return send_part(index, &bytes, SIZE, 0, bytes.len);
}

static void test_taken(void **state)
{
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;

    (void)state;
    fill(&bytes, "good", 10000);
    assert_true(send_part(100, &bytes, SIZE, 0, 1000 + lone.conf.len));
    assert_int_equal(lone.judged, 0); /* not enough to say anything */
    assert_true(send_part(100, &bytes, SIZE, 1000 + lone.conf.len, 5000));
    assert_int_equal(lone.judged, 1);
    assert_true(send_part(100, &bytes, SIZE, 6000 + lone.conf.len, 4000));
    assert_int_equal(lone.judged, 1);
    assert_int_equal(lone.core->incoming.offset, bytes.len);
}

static void test_no_snapshot(void **state)
{
    (void)state;
    assert_false(send_word(100, "bad"));
    assert_int_equal(lone.judged, 1);
    assert_null(lone.core->incoming.data);
    assert_int_equal(lone.core->refusal.by, 2);
    assert_int_equal(lone.core->refusal.index, 100);
    assert_false(lone.core->refusal.later);
}

static void test_of_a_later_release(void **state)
{
    (void)state;
    assert_true(send_word(100, "new"));
    assert_null(lone.core->incoming.data);
    assert_true(lone.core->refusal.later);
}

/* Bytes that say nothing yet are few. */
static void test_in_pieces(void **state)
{
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    size_t at = lone.conf.len;
    bool taken;

    (void)state;
    fill(&bytes, "bad", 10000);
    taken = send_part(100, &bytes, SIZE, 0, at);
    for (; taken && at + 7 <= bytes.len; at += 7) {
        taken = send_part(100, &bytes, SIZE, at, 7);
        assert_true(lone.core->incoming.offset <= lone.conf.len + CORE_SNAPSHOT_HEAD + 7);
    }
    assert_false(taken);
    assert_int_equal(lone.judged, 1);
    assert_null(lone.core->incoming.data);
}

/* One that is shorter than what is judged, and one of nothing at all. */
static void test_short(void **state)
{
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;

    (void)state;
    fill(&bytes, "bad", 3);
    assert_false(send_part(100, &bytes, 3, 0, bytes.len));
    assert_int_equal(lone.judged, 1);
    lone.now += PAUSE_US;
    assert_false(send_part(100, &bytes, 0, 0, lone.conf.len));
    assert_int_equal(lone.judged, 2);
}

/* The next one is looked at later and later, whichever it is. */
static void test_pause(void **state)
{
    uint64_t pause_us = PAUSE_US;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        assert_false(send_word(100 + i, "bad"));
        assert_int_equal(lone.judged, i + 1);
        lone.now += pause_us - 1;
        assert_true(send_word(1000 + i, "bad"));
        assert_true(send_word(1000 + i, "good"));
        assert_int_equal(lone.judged, i + 1);
        assert_null(lone.core->incoming.data);
        lone.now += 1;
        pause_us = pause_us < 32 * PAUSE_US ? 2 * pause_us : pause_us;
    }
    assert_true(send_word(100, "good"));
    assert_non_null(lone.core->incoming.data);
    assert_int_equal(lone.core->peers[MEMBER_2].refusals, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_taken, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_no_snapshot, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_of_a_later_release, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_in_pieces, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_short, set_up, lone_tear_down),
        cmocka_unit_test_setup_teardown(test_pause, set_up, lone_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

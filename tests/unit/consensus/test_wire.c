/* Frames: what goes in comes out, whatever is damaged is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "consensus/consensus.h"
#include "consensus/tell.h"
#include "consensus/wire.h"
#include "store/base/crc32c.h"
#include "store/base/mem.h"

static void encode(struct buf *buf, const struct wire *wire)
{
    buf_clear(buf);
    wire_encode(wire, buf);
}

static void test_round_trip(void **state)
{
    struct buf buf = BUF_INIT;
    struct wire wire = {.key = {[WK_TYPE] = WIRE_APPEND, [WK_TERM] = 1, [WK_COMMIT] = WIRE_INDEX_MAX, [WK_COUNT] = 128},
                        .body = (const uint8_t *)"body",
                        .body_len = 4};
    struct wire back;

    (void)state;
    encode(&buf, &wire);
    assert_int_equal(wire_frame_len((const uint8_t *)buf.data, buf.len), buf.len);
    assert_true(wire_decode((const uint8_t *)buf.data, buf.len, &back));
    assert_memory_equal(back.key, wire.key, sizeof(wire.key));
    assert_int_equal(back.body_len, 4);
    assert_memory_equal(back.body, "body", 4);
    buf_fini(&buf);
}

static void test_every_flipped_bit_is_refused(void **state)
{
    struct buf buf = BUF_INIT;
    struct wire wire = {.key = {[WK_TYPE] = WIRE_VOTE, [WK_TERM] = 70000, [WK_LAST_INDEX] = 1}, .body_len = 0};
    struct wire back;

    (void)state;
    encode(&buf, &wire);
    for (size_t bit = 0; bit < buf.len * 8; bit++) {
        buf.data[bit / 8] = (char)(buf.data[bit / 8] ^ (1 << (bit % 8)));
        assert_false(wire_decode((const uint8_t *)buf.data, buf.len, &back));
        buf.data[bit / 8] = (char)(buf.data[bit / 8] ^ (1 << (bit % 8)));
    }
    assert_true(wire_decode((const uint8_t *)buf.data, buf.len, &back));
    for (size_t len = 0; len < buf.len; len++) {
        assert_false(wire_decode((const uint8_t *)buf.data, len, &back));
    }
    buf_fini(&buf);
}

/* Like wire_encode, but it takes any key any number of times. */
static bool decodes(uint8_t first, uint64_t first_value, uint8_t second, uint64_t second_value)
{
    const uint8_t keys[] = {first, second};
    const uint64_t values[] = {first_value, second_value};
    struct buf buf = BUF_INIT;
    struct wire back;
    uint32_t crc;
    bool ok;

    buf_append(&buf, "\0\0\0\0\0\0\0\0\0\0\x82", WIRE_PREFIX + 1);
    for (size_t i = 0; i < 2; i++) {
        buf_append_char(&buf, (char)keys[i]);
        buf_append_char(&buf, (char)0xcf);
        for (int j = 56; j >= 0; j -= 8) {
            buf_append_char(&buf, (char)(values[i] >> j));
        }
    }
    buf.data[0] = (char)(buf.len - 4);
    buf.data[8] = (char)(buf.len - WIRE_PREFIX);
    crc = crc32c(0, buf.data + 8, buf.len - 8);
    for (size_t i = 0; i < 4; i++) {
        buf.data[4 + i] = (char)(crc >> (8 * i));
    }
    ok = wire_decode((const uint8_t *)buf.data, buf.len, &back);
    buf_fini(&buf);
    return ok;
}

static void test_strange_headers(void **state)
{
    static const enum wire_key numbers[] = {WK_TERM,  WK_MSG_TERM, WK_PREV_TERM, WK_LAST_TERM, WK_OFFSET,
                                            WK_TOTAL, WK_CONF_LEN, WK_NUMBER,    WK_LEASE_US};
    static const enum wire_key indexes[] = {WK_PREV_INDEX, WK_COMMIT,     WK_COUNT,
                                            WK_REJECTED,   WK_LAST_INDEX, WK_CONF_INDEX};

    (void)state;
    assert_true(decodes(WK_TYPE, WIRE_HELLO, WK_FROM, 2));
    assert_true(decodes(WK_TYPE, 99, 100, UINT64_MAX)); /* of a later release */
    assert_false(decodes(WK_FROM, 2, WK_FROM, 3));      /* who is it? */
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_true(decodes(WK_TYPE, WIRE_HELLO, (uint8_t)numbers[i], WIRE_NUMBER_MAX));
        assert_false(decodes(WK_TYPE, WIRE_HELLO, (uint8_t)numbers[i], WIRE_NUMBER_MAX + 1));
        assert_false(decodes(WK_TYPE, WIRE_HELLO, (uint8_t)numbers[i], UINT64_MAX));
    }
    for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
        assert_true(decodes(WK_TYPE, WIRE_HELLO, (uint8_t)indexes[i], WIRE_INDEX_MAX));
        assert_false(decodes(WK_TYPE, WIRE_HELLO, (uint8_t)indexes[i], WIRE_INDEX_MAX + 1));
        assert_false(decodes(WK_TYPE, WIRE_HELLO, (uint8_t)indexes[i], UINT64_MAX));
    }
    assert_false(decodes(WK_TYPE, WIRE_VOTE, WK_VERSION, 256 + 2));
    assert_false(decodes(WK_TYPE, WIRE_VOTE_RESULT, WK_FEATURES, 65536));
    assert_false(decodes(WK_TYPE, WIRE_VOTE_RESULT, WK_CAPACITY, 65536));
}

static void test_tell(void **state)
{
    const struct id cluster = {.bytes = {1, 2, 3, [15] = 16}}, other = {.bytes = {1, 2, 3}};
    struct buf buf = BUF_INIT;
    const void *data;
    size_t len;

    (void)state;
    tell_encode(2, cluster, "hello", 5, &buf);
    assert_true(tell_is((const uint8_t *)buf.data, buf.len));
    assert_true(tell_decode((const uint8_t *)buf.data, buf.len, 2, cluster, &data, &len));
    assert_int_equal(len, 5);
    assert_memory_equal(data, "hello", 5);
    assert_true(tell_decode((const uint8_t *)buf.data, buf.len, 2, other, &data, &len));
    assert_null(data); /* of another cluster: not ours to read */
    assert_false(tell_decode((const uint8_t *)buf.data, buf.len, 3, cluster, &data, &len)); /* in another's name */
    buf.data[buf.len - 1] ^= 1;
    assert_true(tell_is((const uint8_t *)buf.data, buf.len));
    assert_false(tell_decode((const uint8_t *)buf.data, buf.len, 2, cluster, &data, &len));
    buf.data[9] = 0x7f; /* a header longer than the frame */
    assert_false(tell_is((const uint8_t *)buf.data, buf.len));
    encode(&buf, &(struct wire){.key = {[WK_TYPE] = WIRE_LEASE, [WK_NUMBER] = 13}});
    assert_false(tell_is((const uint8_t *)buf.data, buf.len));
    assert_false(tell_decode((const uint8_t *)buf.data, buf.len, 2, cluster, &data, &len));
    for (size_t n = 0; n < WIRE_PREFIX; n++) {
        assert_false(tell_is((const uint8_t *)buf.data, n));
    }
    for (size_t n = CONS_TELL_MAX; n <= CONS_TELL_MAX + 1; n++) {
        CLEANUP(free_ptr) char *text = mem_calloc(1, n);

        buf_clear(&buf);
        tell_encode(2, cluster, text, n, &buf);
        assert_int_equal(tell_decode((const uint8_t *)buf.data, buf.len, 2, cluster, &data, &len), n == CONS_TELL_MAX);
    }
    buf_fini(&buf);
}

static void test_lengths(void **state)
{
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff};
    static const uint8_t tiny[] = {1, 0, 0, 0};

    (void)state;
    assert_int_equal(wire_frame_len(huge, 3), 0);
    assert_true(wire_frame_len(huge, 4) == SIZE_MAX);
    assert_true(wire_frame_len(tiny, 4) == SIZE_MAX);
}

static void test_flat_entries(void **state)
{
    struct buf buf = BUF_INIT;
    struct flat_entry entry;
    size_t offset = 0;

    (void)state;
    flat_append(&buf, 7, 1, "abc", 3);
    flat_append(&buf, UINT64_MAX, 3, "", 0);
    assert_int_equal(buf.len % 8, 0);
    assert_true(flat_next((const uint8_t *)buf.data, buf.len, &offset, &entry));
    assert_int_equal(entry.term, 7);
    assert_int_equal(entry.type, 1);
    assert_int_equal(entry.len, 3);
    assert_memory_equal(entry.data, "abc", 3);
    assert_true(flat_next((const uint8_t *)buf.data, buf.len, &offset, &entry));
    assert_true(entry.term == UINT64_MAX);
    assert_int_equal(entry.len, 0);
    assert_false(flat_next((const uint8_t *)buf.data, buf.len, &offset, &entry));
    assert_int_equal(offset, buf.len);
    buf.data[8] = 100; /* longer than what is there */
    offset = 0;
    assert_false(flat_next((const uint8_t *)buf.data, buf.len, &offset, &entry));
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_every_flipped_bit_is_refused),
        cmocka_unit_test(test_tell),         cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_flat_entries), cmocka_unit_test(test_strange_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

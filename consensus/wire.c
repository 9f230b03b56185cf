#include "consensus/wire.h"

#include <msgpack.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/crc32c.h"

static void put_u32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (char)(value >> (8 * i));
    }
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static int write_buf(void *user, const char *data, size_t len)
{
    buf_append(user, data, len);
    return 0;
}

void wire_encode(const struct wire *wire, struct buf *buf)
{
    size_t start = buf->len;
    size_t count = 0;
    msgpack_packer packer;
    size_t header_len, len;

    buf_append(buf, "\0\0\0\0\0\0\0\0\0\0", WIRE_PREFIX);
    for (size_t i = 0; i < WIRE_KEYS; i++) {
        count += wire->key[i] != 0;
    }
    msgpack_packer_init(&packer, buf, write_buf);
    msgpack_pack_map(&packer, count);
    for (size_t i = 0; i < WIRE_KEYS; i++) {
        if (wire->key[i] != 0) {
            msgpack_pack_uint64(&packer, i);
            msgpack_pack_uint64(&packer, wire->key[i]);
        }
    }
    header_len = buf->len - start - WIRE_PREFIX;
    buf_append(buf, wire->body, wire->body_len);
    len = buf->len - start;
    CHECK(len <= WIRE_FRAME_MAX);
    buf->data[start + 8] = (char)header_len;
    buf->data[start + 9] = (char)(header_len >> 8);
    put_u32(buf->data + start, (uint32_t)(len - 4));
    put_u32(buf->data + start + 4, crc32c(0, buf->data + start + 8, len - 8));
}

size_t wire_frame_len(const uint8_t *data, size_t len)
{
    uint32_t rest;

    if (len < 4) {
        return 0;
    }
    rest = get_u32(data);
    if (rest < WIRE_PREFIX - 4 || rest > WIRE_FRAME_MAX) {
        return SIZE_MAX;
    }
    return (size_t)rest + 4;
}

/* One msgpack unsigned integer; the header knows nothing else, so that nothing can be nested or large. */
static bool get_uint(const uint8_t *data, size_t len, size_t *at, uint64_t *ret_value)
{
    static const uint8_t widths[] = {1, 2, 4, 8};
    uint8_t first;
    uint8_t width;

    if (*at >= len) {
        return false;
    }
    first = data[(*at)++];
    if (first < 0x80) {
        *ret_value = first;
        return true;
    }
    if (first < 0xcc || first > 0xcf) {
        return false;
    }
    width = widths[first - 0xcc];
    if (len - *at < width) {
        return false;
    }
    *ret_value = 0;
    for (uint8_t i = 0; i < width; i++) {
        *ret_value = *ret_value << 8 | data[(*at)++];
    }
    return true;
}

static bool get_map(const uint8_t *data, size_t len, uint64_t *keys)
{
    bool seen[WIRE_KEYS] = {false};
    size_t at = 1;
    size_t count;

    if (len == 0) {
        return false;
    }
    if ((data[0] & 0xf0) == 0x80) {
        count = data[0] & 0x0f;
    } else if (data[0] == 0xde && len >= 3) {
        count = (size_t)data[1] << 8 | data[2];
        at = 3;
    } else {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t key, value;

        if (!get_uint(data, len, &at, &key) || !get_uint(data, len, &at, &value)) {
            return false;
        }
        if (key < WIRE_KEYS) {
            if (seen[key]) {
                return false;
            }
            seen[key] = true;
            keys[key] = value;
        }
    }
    return at == len;
}

uint64_t wire_type(const uint8_t *frame, size_t len)
{
    uint64_t keys[WIRE_KEYS] = {0};
    size_t header_len = len >= WIRE_PREFIX ? (size_t)frame[8] | (size_t)frame[9] << 8 : 0;

    return len >= WIRE_PREFIX && header_len <= len - WIRE_PREFIX && get_map(frame + WIRE_PREFIX, header_len, keys)
               ? keys[WK_TYPE]
               : 0;
}

/* What is narrowed, added to or counted with later. */
static bool in_range(const uint64_t *keys)
{
    static const enum wire_key numbers[] = {WK_TERM,      WK_NUMBER, WK_LEASE_US, WK_MSG_TERM, WK_PREV_TERM,
                                            WK_LAST_TERM, WK_OFFSET, WK_TOTAL,    WK_CONF_LEN};
    static const enum wire_key indexes[] = {WK_PREV_INDEX, WK_COMMIT,     WK_COUNT,
                                            WK_REJECTED,   WK_LAST_INDEX, WK_CONF_INDEX};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (keys[numbers[i]] > WIRE_NUMBER_MAX) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
        if (keys[indexes[i]] > WIRE_INDEX_MAX) {
            return false;
        }
    }
    return keys[WK_VERSION] <= UINT8_MAX && keys[WK_FEATURES] <= UINT16_MAX && keys[WK_CAPACITY] <= UINT16_MAX;
}

bool wire_decode(const uint8_t *frame, size_t len, struct wire *ret_wire)
{
    size_t header_len;

    if (len < WIRE_PREFIX || wire_frame_len(frame, len) != len || get_u32(frame + 4) != crc32c(0, frame + 8, len - 8)) {
        return false;
    }
    header_len = (size_t)frame[8] | (size_t)frame[9] << 8;
    if (header_len > len - WIRE_PREFIX) {
        return false;
    }
    memset(ret_wire, 0, sizeof(*ret_wire));
    ret_wire->body = frame + WIRE_PREFIX + header_len;
    ret_wire->body_len = len - WIRE_PREFIX - header_len;
    return get_map(frame + WIRE_PREFIX, header_len, ret_wire->key) && in_range(ret_wire->key);
}

void flat_append(struct buf *buf, uint64_t term, uint8_t type, const void *data, uint32_t len)
{
    char header[FLAT_HEADER] = {0};

    put_u32(header, (uint32_t)term);
    put_u32(header + 4, (uint32_t)(term >> 32));
    put_u32(header + 8, len);
    header[12] = (char)type;
    buf_append(buf, header, sizeof(header));
    buf_append(buf, data, len);
    buf_append(buf, "\0\0\0\0\0\0\0", (8 - len % 8) % 8);
}

bool flat_next(const uint8_t *data, size_t len, size_t *offset, struct flat_entry *ret_entry)
{
    size_t left = len - *offset;
    const uint8_t *at = data + *offset;
    size_t padded;

    if (left < FLAT_HEADER || at[13] != 0 || at[14] != 0 || at[15] != 0) {
        return false;
    }
    ret_entry->term = get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
    ret_entry->len = get_u32(at + 8);
    ret_entry->type = at[12];
    ret_entry->data = at + FLAT_HEADER;
    padded = ((size_t)ret_entry->len + 7) / 8 * 8;
    if (padded > left - FLAT_HEADER) {
        return false;
    }
    *offset += FLAT_HEADER + padded;
    return true;
}

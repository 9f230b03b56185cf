/* Heads of msgpack values, read within their bytes: the only place that knows how msgpack is written. */
#include "store/codec_priv.h"

/* Takes a number of 1, 2, 4 or 8 bytes. */
static bool take_number(struct codec_walk *walk, size_t bytes, uint64_t *ret)
{
    uint64_t value = 0;

    if (walk->len - walk->pos < bytes) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | walk->data[walk->pos++];
    }
    *ret = value;
    return true;
}

static bool take_head(struct codec_walk *walk, enum codec_kind kind, size_t bytes, struct codec_head *ret_head)
{
    ret_head->kind = kind;
    return take_number(walk, bytes, &ret_head->n);
}

/* What is not negative is a number like any other, however it was written. */
static bool take_signed(struct codec_walk *walk, size_t bytes, struct codec_head *ret_head)
{
    if (!take_head(walk, CODEC_NUMBER, bytes, ret_head)) {
        return false;
    }
    if ((ret_head->n >> (8 * bytes - 1) & 1) != 0) {
        ret_head->kind = CODEC_NEGATIVE;
        ret_head->n |= bytes < 8 ? ~UINT64_C(0) << (8 * bytes) : 0;
    }
    return true;
}

static bool next_small(uint8_t tag, struct codec_head *ret_head)
{
    if (tag <= 0x7f) {
        *ret_head = (struct codec_head){CODEC_NUMBER, tag};
    } else if (tag <= 0x8f) {
        *ret_head = (struct codec_head){CODEC_MAP, tag & 0x0f};
    } else if (tag <= 0x9f) {
        *ret_head = (struct codec_head){CODEC_ARRAY, tag & 0x0f};
    } else if (tag <= 0xbf) {
        *ret_head = (struct codec_head){CODEC_TEXT, tag & 0x1f};
    } else if (tag >= 0xe0) {
        *ret_head = (struct codec_head){CODEC_NEGATIVE, tag | ~UINT64_C(0xff)};
    } else {
        return false;
    }
    return true;
}

bool codec_next(struct codec_walk *walk, struct codec_head *ret_head)
{
    uint8_t tag;

    if (walk->pos == walk->len) {
        return false;
    }
    tag = walk->data[walk->pos++];
    if (next_small(tag, ret_head)) {
        return true;
    }
    switch (tag) {
    case 0xc2: /* false, true */
    case 0xc3:
        *ret_head = (struct codec_head){CODEC_BOOL, tag & 1};
        return true;
    case 0xc4: /* bin 8, 16, 32 */
    case 0xc5:
    case 0xc6:
        return take_head(walk, CODEC_BYTES, (size_t)1 << (tag - 0xc4), ret_head);
    case 0xca: /* float 32 */
        return take_head(walk, CODEC_FLOAT, 4, ret_head);
    case 0xcc: /* unsigned 8 to 64 */
    case 0xcd:
    case 0xce:
    case 0xcf:
        return take_head(walk, CODEC_NUMBER, (size_t)1 << (tag - 0xcc), ret_head);
    case 0xd0: /* signed 8 to 64 */
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return take_signed(walk, (size_t)1 << (tag - 0xd0), ret_head);
    case 0xd9: /* str 8, 16, 32 */
    case 0xda:
    case 0xdb:
        return take_head(walk, CODEC_TEXT, (size_t)1 << (tag - 0xd9), ret_head);
    case 0xdc: /* array 16, 32 */
    case 0xdd:
        return take_head(walk, CODEC_ARRAY, (size_t)2 << (tag - 0xdc), ret_head);
    case 0xde: /* map 16, 32 */
    case 0xdf:
        return take_head(walk, CODEC_MAP, (size_t)2 << (tag - 0xde), ret_head);
    default: /* nil, doubles, extensions: we never write them */
        return false;
    }
}

const uint8_t *codec_take(struct codec_walk *walk, uint64_t n)
{
    const uint8_t *at = walk->data + walk->pos;

    if (n > walk->len - walk->pos) {
        return NULL;
    }
    walk->pos += (size_t)n;
    return at;
}

static bool walk_value(struct codec_walk *walk, int depth)
{
    struct codec_head head;

    if (!codec_next(walk, &head)) {
        return false;
    }
    if (head.kind == CODEC_TEXT || head.kind == CODEC_BYTES) {
        return codec_take(walk, head.n) != NULL;
    }
    if (head.kind != CODEC_ARRAY && head.kind != CODEC_MAP) {
        return true;
    }
    if (depth >= CODEC_DEPTH_MAX) {
        return false;
    }
    for (uint64_t left = head.kind == CODEC_MAP ? 2 * head.n : head.n; left > 0; left--) {
        if (!walk_value(walk, depth + 1)) { /* sooner or later, if there are not as many */
            return false;
        }
    }
    return true;
}

int codec_walk(const uint8_t *data, size_t len, size_t *ret_len, struct err *reterr)
{
    struct codec_walk walk = {data, len, 0};

    if (!walk_value(&walk, 0)) {
        return err_set(reterr, E_DAMAGED, "not a complete record at byte %zu of %zu", walk.pos, len);
    }
    *ret_len = walk.pos;
    return 0;
}

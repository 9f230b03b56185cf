/* Commands on the wire: round trips, and every kind of input that is not one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/codec_priv.h"
#include "tests/unit/store/world.h"

static int decode(const void *data, size_t len, struct store_cmd *ret_cmd)
{
    struct err err = ERR_INIT;
    int rc;

    memset(ret_cmd, 0xa5, sizeof(*ret_cmd));
    /* an exact copy, so that the sanitizer sees a read beyond the end */
    {
        CLEANUP(free_ptr) void *copy = mem_dup(data, len);

        rc = store_cmd_decode(copy, len, ret_cmd, &err);
        assert_int_equal(store_cmd_judge(copy, len, NULL) == 0, rc == 0);
    }
    assert_int_equal(rc == 0, err.message[0] == '\0');
    return rc;
}

static int code_of(const void *data, size_t len)
{
    struct store_cmd cmd;
    int rc = decode(data, len, &cmd);

    if (rc == 0) {
        store_cmd_fini(&cmd);
    }
    return rc;
}

#define CODE(literal) code_of(literal, sizeof(literal) - 1)

/* A command with something in every field. */
static void fill(struct store_cmd *cmd)
{
    store_cmd_init(cmd, STORE_CMD_OP_BEGIN);
    cmd->time_ms = -5;
    free(cmd->key);
    cmd->key = mem_strdup("key");
    cmd->op_id = (struct id){{1}};
    cmd->op_type = STORE_OP_CREATE_VOLUME;
    cmd->target = (struct id){{2}};
    cmd->state = STORE_STATE_FAILED;
    cmd->failed = true;
    cmd->force = true;
    free(cmd->text);
    cmd->text = mem_strdup("text \xc3\xa4");
    cmd->cluster = (struct store_cluster){{{3}}, true, true};
    cmd->node.id = (struct id){{4}};
    cmd->node.zone = UINT32_MAX;
    store_strs_add(&cmd->node.manage, "m");
    store_strs_add(&cmd->node.storage, "");
    store_tags_set(&cmd->node.tags, "t", "v");
    cmd->device.id = (struct id){{5}};
    cmd->device.total_kib = UINT64_MAX;
    cmd->device.destroy_data = true;
    cmd->volume.id = (struct id){{6}};
    cmd->volume.gid = INT64_MAX;
    cmd->volume.snapshot_factor = 1.25F;
    store_strs_add(&cmd->volume.options, "");
    store_strs_add(&cmd->volume.options, "a b");
    cmd->volume.bricks = mem_calloc(2, sizeof(*cmd->volume.bricks));
    cmd->volume.n_bricks = 2;
    for (uint32_t i = 0; i < 2; i++) {
        cmd->volume.bricks[i] = (struct store_brick){.id = {{7}},
                                                     .position = i,
                                                     .size_kib = GIB,
                                                     .pool = mem_strdup("tp_x"),
                                                     .lv = mem_strdup(""),
                                                     .path = mem_strdup("/p"),
                                                     .type = STORE_BRICK_ARBITER};
    }
    store_tags_set(&cmd->tags, "b", "2");
    cmd->parked = mem_calloc(1, sizeof(*cmd->parked));
    cmd->parked[0] = (struct store_parked){{{8}}, mem_strdup("left")};
    cmd->n_parked = 1;
    cmd->fingerprint = (struct id){{9}};
    cmd->base = (struct id){{10}};
}

static void test_round_trip(void **state)
{
    struct buf buf = BUF_INIT, again = BUF_INIT;
    struct store_cmd cmd, copy;

    (void)state;
    fill(&cmd);
    store_cmd_encode(&cmd, &buf);
    assert_int_equal(decode(buf.data, buf.len, &copy), 0);
    assert_int_equal(copy.time_ms, -5);
    assert_string_equal(copy.key, "key");
    assert_int_equal(copy.state, STORE_STATE_FAILED);
    assert_true(copy.failed && copy.force && copy.cluster.block && copy.device.destroy_data);
    assert_int_equal(copy.node.zone, UINT32_MAX);
    assert_int_equal(copy.device.total_kib, UINT64_MAX);
    assert_int_equal(copy.volume.gid, INT64_MAX);
    assert_true(copy.volume.snapshot_factor == 1.25F);
    assert_string_equal(copy.volume.options.items[0], "");
    assert_string_equal(copy.volume.options.items[1], "a b");
    assert_int_equal(copy.volume.bricks[1].position, 1);
    assert_string_equal(copy.volume.bricks[1].path, "/p");
    assert_string_equal(copy.volume.bricks[1].lv, "");
    assert_int_equal(copy.volume.bricks[0].type, STORE_BRICK_ARBITER);
    assert_true(id_equal(copy.volume.bricks[0].volume, copy.volume.id)); /* not on the wire */
    assert_string_equal(copy.tags.items[0].value, "2");
    assert_string_equal(copy.parked[0].text, "left");
    assert_int_equal(copy.base.bytes[0], 10);
    assert_string_equal(copy.device.name, "");
    store_cmd_encode(&copy, &again);
    assert_int_equal(again.len, buf.len);
    assert_memory_equal(again.data, buf.data, buf.len);
    store_cmd_fini(&copy);
    /* every shorter input is damaged, and never read beyond */
    for (size_t len = 0; len < buf.len; len++) {
        assert_int_equal(code_of(buf.data, len), E_DAMAGED);
    }
    buf_append_char(&buf, '\0');
    assert_int_equal(code_of(buf.data, buf.len), E_DAMAGED); /* trailing bytes */
    buf_fini(&buf);
    buf_fini(&again);
    store_cmd_fini(&cmd);
}

static void test_all_types(void **state)
{
    (void)state;
    for (uint32_t type = 0; type < 50; type++) {
        struct store_cmd cmd;
        struct buf buf = BUF_INIT;
        bool known = (type >= 1 && type <= 6) || (type >= 11 && type <= 16) || (type >= 25 && type <= 28) ||
                     (type >= 30 && type <= 33) || (type >= 40 && type <= 44);

        store_cmd_init(&cmd, (enum store_cmd_type)type);
        store_cmd_encode(&cmd, &buf);
        assert_int_equal(code_of(buf.data, buf.len), known ? 0 : E_UNSUPPORTED);
        store_cmd_fini(&cmd);
        buf_fini(&buf);
    }
    for (uint32_t type = 0; type < 120; type++) { /* begin: the operation's type has to be known, too */
        struct store_cmd cmd;
        struct buf buf = BUF_INIT;
        bool known = (type >= 1 && type <= 9) || (type >= 101 && type <= 104) || type == 106 || type == 107 ||
                     type == 109 || type == 110;

        store_cmd_init(&cmd, STORE_CMD_OP_BEGIN);
        cmd.op_type = (enum store_op_type)type;
        store_cmd_encode(&cmd, &buf);
        assert_int_equal(code_of(buf.data, buf.len), known ? 0 : E_UNSUPPORTED);
        store_cmd_fini(&cmd);
        buf_fini(&buf);
    }
}

static void test_text_is_cut(void **state)
{
    struct store_cmd cmd, copy;
    struct buf buf = BUF_INIT;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_OP_UNDO);
    free(cmd.text);
    cmd.text = mem_printf("%020000d", 1);
    store_cmd_encode(&cmd, &buf);
    assert_int_equal(decode(buf.data, buf.len, &copy), 0);
    assert_int_equal(strlen(copy.text), STORE_TEXT_MAX);
    assert_int_equal(strlen(cmd.text), 20000);
    store_cmd_fini(&cmd);
    store_cmd_fini(&copy);
    buf_fini(&buf);
}

static void test_versions_and_keys(void **state)
{
    (void)state;
    assert_int_equal(CODE("\x82\x00\x01\x01\x01"), 0);                             /* version 1, no-op */
    assert_int_equal(CODE("\x82\x00\x02\x01\x01"), E_UNSUPPORTED);                 /* version 2 */
    assert_int_equal(CODE("\x82\x00\x02\xc3\xc3"), E_UNSUPPORTED);                 /* ... whatever else there is */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x63\x01"), E_UNSUPPORTED);         /* key 99 */
    assert_int_equal(CODE("\x83\x00\x01\x01\x06\x07\x03"), E_UNSUPPORTED);         /* state 3 */
    assert_int_equal(CODE("\x83\x00\x01\x01\x02\x0b\x81\x09\x01"), E_UNSUPPORTED); /* cluster with key 9 */
    assert_int_equal(CODE("\x82\x00\x01\x01\x7f"), E_UNSUPPORTED);                 /* type 127 */
    assert_int_equal(CODE("\x81\x01\x01"), E_DAMAGED);                             /* no version */
    assert_int_equal(CODE("\x80"), E_DAMAGED);
    assert_int_equal(CODE("\x01"), E_DAMAGED);
    assert_int_equal(CODE("\x90"), E_DAMAGED);
    assert_int_equal(CODE("\x82\x00\xa1x\x01\x01"), E_DAMAGED);        /* version "x" */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x01\x01"), E_DAMAGED); /* a key twice */
    assert_int_equal(CODE("\x83\x00\x01\x02\x01\x01\x01"), E_DAMAGED); /* keys out of order */
    assert_int_equal(CODE("\x82\x00\x01\xa1x\x01"), E_DAMAGED);        /* a key that is no number */
}

static void test_wrong_values(void **state)
{
    (void)state;
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x02\xa1x"), E_DAMAGED);                                /* time: text */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x02\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), E_DAMAGED); /* > INT64_MAX */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x02\xff"), 0);                                         /* -1 */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x03\x01"), E_DAMAGED);                                 /* key: number */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x03\xa2"
                          "a\0"),
                     E_DAMAGED); /* a NUL inside */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x04\xc4\x02"
                          "ab"),
                     E_DAMAGED); /* an id of two bytes */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x04\x01"), E_DAMAGED);
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x08\x01"), E_DAMAGED);                         /* bool: number */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x0b\x01"), E_DAMAGED);                         /* cluster: number */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x0c\x81\x03\xff"), E_DAMAGED);                 /* zone: -1 */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x0c\x81\x03\xcf\0\0\0\1\0\0\0\0"), E_DAMAGED); /* zone: 2^32 */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x0c\x81\x04\x01"), E_DAMAGED);                 /* manage: number */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x0c\x81\x04\x92\xa1"
                          "a\x01"),
                     E_DAMAGED);                                                   /* manage: "a", 1 */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x0e\x81\x0c\x01"), E_DAMAGED);     /* factor: number */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x0e\x81\x0f\x91\x01"), E_DAMAGED); /* a brick: number */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x0e\x81\x0f\x01"), E_DAMAGED);     /* bricks: number */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\x0e\x81\x0f\x92\x81\x08\xa1p\x81\x08\x01"), E_DAMAGED); /* second bad */
}

static void test_walk(void **state)
{
    size_t len;

    (void)state;
    /* what msgpack-c would reserve gigabytes for */
    assert_int_equal(CODE("\xdd\x10\x00\x00\x00\x01"), E_DAMAGED);
    assert_int_equal(CODE("\xdf\xff\xff\xff\xff\x01"), E_DAMAGED);
    assert_int_equal(CODE("\xdb\xff\xff\xff\xff"
                          "a"),
                     E_DAMAGED);
    assert_int_equal(CODE("\xc6\xff\xff\xff\xff"
                          "a"),
                     E_DAMAGED);
    assert_int_equal(CODE("\xde\x00\x05\x01\x01"), E_DAMAGED);
    assert_int_equal(CODE("\xdc\x00"), E_DAMAGED);
    /* nine deep */
    assert_int_equal(CODE("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01"), E_DAMAGED);
    /* nil, never used, double, extension */
    assert_int_equal(CODE("\xc0"), E_DAMAGED);
    assert_int_equal(CODE("\xc1"), E_DAMAGED);
    assert_int_equal(CODE("\xcb\0\0\0\0\0\0\0\0"), E_DAMAGED);
    assert_int_equal(CODE("\xd4\x01\x01"), E_DAMAGED);
    assert_int_equal(CODE("\xc7\x01\x01\x01"), E_DAMAGED);
#define WALK(literal) codec_walk((const uint8_t *)(literal), sizeof(literal) - 1, &len, NULL)
    assert_int_equal(WALK("\x91\x91\x91\x91\x91\x91\x91\x91\x01"), 0);
    assert_int_equal(len, 9);
    assert_int_equal(WALK("\xca\0\0\0\0\x01"), 0); /* the first value only */
    assert_int_equal(len, 5);
    assert_int_equal(WALK("\xd0\x01"), 0);
    assert_int_equal(WALK("\xd3\0\0\0\0\0\0\0\1"), 0);
    assert_int_equal(WALK("\xcd\x01\x02"), 0);
    assert_int_equal(WALK("\xda\x00\x01x"), 0);
    assert_int_equal(WALK("\xc5\x00\x01x"), 0);
    assert_int_equal(WALK("\xdd\0\0\0\1\xc2"), 0);
    assert_int_equal(WALK("\xdf\0\0\0\1\x01\xc3"), 0);
    assert_int_equal(WALK("\xd1\x01"), E_DAMAGED);
    assert_int_equal(WALK("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01"), E_DAMAGED);
    assert_int_equal(WALK(""), E_DAMAGED);
}

static void test_too_large(void **state)
{
    uint8_t *data = mem_calloc(1, STORE_CMD_MAX_BYTES + 1);

    (void)state;
    assert_int_equal(code_of(data, STORE_CMD_MAX_BYTES + 1), E_DAMAGED);
    free(data);
}

/* More items than a list may have, though all bytes are there. */
static void test_too_many_items(void **state)
{
    struct buf buf = BUF_INIT;

    (void)state;
    buf_append(&buf, "\x83\x00\x01\x01\x01\x0e\x81\x0f\xdc\x04\x01", 11); /* 1025 bricks */
    for (int i = 0; i < 1025; i++) {
        buf_append_char(&buf, (char)0x80);
    }
    assert_int_equal(code_of(buf.data, buf.len), E_DAMAGED);
    buf.data[10] = 0; /* 1024 */
    assert_int_equal(code_of(buf.data, buf.len - 1), 0);
    buf_fini(&buf);
}

/* Requests are only encoded for their fingerprint; their lists of ids take the same way back. */
static void test_ids(void **state)
{
    struct store_request request, copy;
    struct buf buf = BUF_INIT;

    (void)state;
    store_request_init(&request, STORE_REQ_VOLUME_CREATE);
    request.volume.clusters = mem_calloc(2, sizeof(struct id));
    request.volume.clusters[1] = (struct id){{5}};
    request.volume.n_clusters = 2;
    schema_encode(&schema_request, &request, &buf);
    assert_int_equal(schema_decode(&schema_request, buf.data, buf.len, &copy, NULL), 0);
    assert_int_equal(copy.volume.n_clusters, 2);
    assert_int_equal(copy.volume.clusters[1].bytes[0], 5);
    schema_fini(&schema_request, &copy);
    buf.data[buf.len - 17] = 15; /* an id of 15 bytes */
    assert_int_equal(schema_decode(&schema_request, buf.data, buf.len - 1, &copy, NULL), E_DAMAGED);
    buf_fini(&buf);
    schema_copy(&schema_request, &copy, &request);
    assert_int_equal(copy.volume.clusters[1].bytes[0], 5);
    schema_fini(&schema_request, &copy);
    store_request_fini(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_all_types),
        cmocka_unit_test(test_text_is_cut),  cmocka_unit_test(test_versions_and_keys),
        cmocka_unit_test(test_wrong_values), cmocka_unit_test(test_walk),
        cmocka_unit_test(test_too_large),    cmocka_unit_test(test_too_many_items),
        cmocka_unit_test(test_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

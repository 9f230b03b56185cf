/* A command is judged before it is taken into the log: by the rules by which it is decoded when it is applied, whatever
 * the bytes are. What one takes and the other refuses would end every member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/keys.h"
#include "store/level.h"
#include "store/load.h"
#include "tests/unit/store/world.h"

#define COMMANDS_MAX 64
#define MUTATIONS 60000

static struct buf commands[COMMANDS_MAX];
static size_t n_commands;

static void keep(const struct store_cmd *cmd)
{
    assert_true(n_commands < COMMANDS_MAX);
    store_cmd_encode(cmd, &commands[n_commands++]);
}

/* Commands with much in them: a database of all kinds of objects, cut into parts, and one with texts and lists. */
static int set_up(void **state)
{
    struct store_loader *loader;
    struct store_cmd cmd;
    struct world world;

    (void)state;
    world_init_auto(&world, 4);
    (void)world_volume(&world, 1, 3, "one");
    (void)world_block(&world, 1, "block");
    (void)world_begin_node(&world, store_cluster_next(world.store, NULL)->id, 1, "late");
    loader = store_loader_new(world.store, (struct id){{1}}, 300);
    while (store_loader_next(loader, &cmd)) {
        keep(&cmd);
        store_cmd_fini(&cmd);
    }
    store_loader_free(loader);
    world_fini(&world);
    store_cmd_init(&cmd, STORE_CMD_OP_PARKED);
    cmd.time_ms = -70000;
    cmd.parked = mem_calloc(1, sizeof(*cmd.parked));
    cmd.n_parked = 1;
    cmd.parked[0] = (struct store_parked){{{8}}, mem_strdup("left")};
    store_tags_set(&cmd.tags, "a", "b");
    cmd.volume.snapshot_factor = 1.5F;
    cmd.volume.gid = -3;
    keep(&cmd);
    store_cmd_fini(&cmd);
    store_cmd_init(&cmd, STORE_CMD_LEVEL);
    cmd.settings.feature_level = STORE_LEVEL_MAX;
    keep(&cmd);
    store_cmd_fini(&cmd);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (n_commands > 0) {
        buf_fini(&commands[--n_commands]);
    }
    return 0;
}

/* 0 or not, the same for both. */
static int code_of(const char *data, size_t len)
{
    CLEANUP(free_ptr) char *exact = mem_dup(data, len); /* so that the sanitizer sees a read beyond the end */
    struct err judged = ERR_INIT, decoded = ERR_INIT;
    struct store_cmd cmd;
    int code = store_cmd_judge(exact, len, &judged);
    int rc = store_cmd_decode(exact, len, &cmd, &decoded);

    if (rc == 0) {
        store_cmd_fini(&cmd);
    }
    if ((rc == 0) != (code == 0)) {
        fail_msg("%zu bytes: judged %d (%s), decoded %d (%s)", len, code, judged.message, rc, decoded.message);
    }
    assert_int_equal(code == 0, judged.message[0] == '\0');
    return code;
}

static void test_whole(void **state)
{
    (void)state;
    assert_true(n_commands > 3);
    for (size_t i = 0; i < n_commands; i++) {
        assert_int_equal(code_of(commands[i].data, commands[i].len), 0);
        for (size_t len = 0; len < commands[i].len; len++) {
            assert_int_equal(code_of(commands[i].data, len), E_DAMAGED);
        }
    }
}

/* Heads of all kinds are written over others, bytes change, come and go. */
static void mutate(struct world *world, struct buf *buf)
{
    static const unsigned char heads[] = {0x00, 0x7f, 0x80, 0x81, 0x90, 0x91, 0xa0, 0xa1, 0xc0, 0xc2, 0xc3, 0xc4,
                                          0xc5, 0xc6, 0xc7, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2,
                                          0xd3, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff};
    size_t at = world_below(world, buf->len);

    switch (world_below(world, 4)) {
    case 0:
        buf->data[at] = (char)heads[world_below(world, sizeof(heads))];
        break;
    case 1:
        buf->data[at] = (char)world_draw(world);
        break;
    case 2:
        memmove(buf->data + at, buf->data + at + 1, buf->len - at - 1);
        buf->len--;
        break;
    default:
        buf_append_char(buf, '\0');
        memmove(buf->data + at + 1, buf->data + at, buf->len - at - 1);
        buf->data[at] = (char)heads[world_below(world, sizeof(heads))];
    }
}

static void test_mutations(void **state)
{
    size_t n_read = 0;
    struct world world;

    (void)state;
    world_init(&world, world_seed("judge", 1));
    for (size_t i = 0; i < MUTATIONS; i++) {
        const struct buf *from = &commands[world_below(&world, n_commands)];
        CLEANUP(buf_fini) struct buf buf = BUF_INIT;

        buf_append(&buf, from->data, from->len);
        for (size_t n = 1 + world_below(&world, 2); n > 0 && buf.len > 1; n--) {
            mutate(&world, &buf);
        }
        n_read += code_of(buf.data, buf.len) == 0;
    }
    assert_in_range(n_read, MUTATIONS / 20, MUTATIONS - MUTATIONS / 20); /* neither all nor none */
    world_fini(&world);
}

/* A load of as many volumes, each with so many bricks, of which nothing is told. */
static void append_load(struct buf *buf, size_t volumes, size_t bricks)
{
    buf_append(buf, "\x83\x00\x01\x01\x2a", 5); /* version, type */
    buf_append_char(buf, KEY_CMD_LOAD);
    buf_append(buf, "\x81", 1);
    buf_append_char(buf, KEY_LOAD_VOLUMES);
    buf_printf(buf, "\xdc%c%c", (int)(volumes >> 8), (int)(volumes & 0xff));
    for (size_t i = 0; i < volumes; i++) {
        buf_append(buf, "\x81", 1);
        buf_append_char(buf, KEY_VOLUME_BRICKS);
        buf_printf(buf, "\xdc%c%c", (int)(bricks >> 8), (int)(bricks & 0xff));
        for (size_t j = 0; j < bricks; j++) {
            buf_append(buf, "\x80", 1);
        }
    }
}

/* 1 MiB that would become 250 MiB in memory, and so many records that to apply them would take a second. */
static void test_too_much(void **state)
{
    static const size_t many[][2] = {{1000, 1000}, {STORE_CMD_MAX_ITEMS / 2 + 1, 1}};
    struct buf buf = BUF_INIT;
    struct err err = ERR_INIT;

    (void)state;
    append_load(&buf, STORE_CMD_MAX_ITEMS / 2, 1);
    assert_int_equal(code_of(buf.data, buf.len), 0);
    for (size_t i = 0; i < sizeof(many) / sizeof(*many); i++) {
        buf_clear(&buf);
        append_load(&buf, many[i][0], many[i][1]);
        assert_int_equal(store_cmd_judge(buf.data, buf.len, &err), E_DAMAGED);
        assert_non_null(strstr(err.message, "a command of "));
    }
    buf_fini(&buf);
}

/* Few things, whose texts are many: each is short on the wire. */
static void test_too_many_texts(void **state)
{
    struct buf buf = BUF_INIT;
    struct err err = ERR_INIT;

    (void)state;
    buf_append(&buf, "\x83\x00\x01\x01\x2a", 5);
    buf_append_char(&buf, KEY_CMD_LOAD);
    buf_append(&buf, "\x81", 1);
    buf_append_char(&buf, KEY_LOAD_VOLUMES);
    buf_append(&buf, "\xdc\x00\x40", 3); /* 64 volumes */
    for (size_t i = 0; i < 64; i++) {
        buf_append(&buf, "\x81", 1);
        buf_append_char(&buf, KEY_VOLUME_OPTIONS);
        buf_append(&buf, "\xdc\x10\x00", 3); /* of 4,096 options */
        for (size_t j = 0; j < 4096; j++) {
            buf_append(&buf, "\xa0", 1);
        }
    }
    assert_int_equal(store_cmd_judge(buf.data, buf.len, &err), E_DAMAGED);
    assert_non_null(strstr(err.message, "a command of "));
    buf_fini(&buf);
}

#define CODE(literal) code_of(literal, sizeof(literal) - 1)

/* What only a later release would write is told from what none would. */
static void test_later_releases(void **state)
{
    struct store_cmd cmd;
    struct buf buf = BUF_INIT;

    (void)state;
    assert_int_equal(CODE("\x82\x00\x02\x01\x01"), E_UNSUPPORTED);                 /* version 2 */
    assert_int_equal(CODE("\x82\x00\x01\x01\x32"), E_UNSUPPORTED);                 /* command 50 */
    assert_int_equal(CODE("\x83\x00\x01\x01\x01\xcd\x27\x0f\x01"), E_UNSUPPORTED); /* key 9999 */
    assert_int_equal(CODE(""), E_DAMAGED);
    assert_int_equal(CODE("no command"), E_DAMAGED);
    store_cmd_init(&cmd, STORE_CMD_LEVEL);
    cmd.settings.feature_level = STORE_LEVEL_MAX + 1;
    store_cmd_encode(&cmd, &buf);
    assert_int_equal(code_of(buf.data, buf.len), E_UNSUPPORTED);
    buf_fini(&buf);
    store_cmd_fini(&cmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mutations, set_up, tear_down),
        cmocka_unit_test(test_later_releases),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_too_many_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

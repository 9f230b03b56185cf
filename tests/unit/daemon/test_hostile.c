/* Random entries of the log with hostile texts, numbers and sizes, as older releases, other nodes and clients could
 * have brought them in; and then every document that a member makes of its state. Nothing may end the member, and what
 * it makes must be JSON (or, the metrics, text) in valid UTF-8. The member is alone: its log is this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json_dump.h"
#include "api/json_out.h"
#include "api/json_write.h"
#include "api/metrics_out.h"
#include "api/operation_out.h"
#include "daemon/event.h"
#include "daemon/examine.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "tests/unit/daemon/fixture.h"

#define ENTRIES 3000
#define KNOWN_MAX 64

static struct {
    struct fixture fixture;
    struct member *member;
    struct cons_fsm machine;
    uint64_t index;
    struct id known[KNOWN_MAX]; /* ids of all kinds of objects, old and new */
    size_t n_known;
    size_t accepted[STORE_CMD_LAST + 1], begun[STORE_OP_REBALANCE + 1];
} run;

/* ---- chance ---- */

static unsigned below(unsigned n)
{
    return (unsigned)random() % n;
}

static struct id new_id(void)
{
    struct id id;

    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        id.bytes[i] = (uint8_t)random();
    }
    return id;
}

static void know(struct id id)
{
    if (!id_is_none(id)) {
        run.known[run.n_known < KNOWN_MAX ? run.n_known++ : below(KNOWN_MAX)] = id;
    }
}

/* What the entry made, for later ones. */
static void know_all(const struct store_cmd *cmd)
{
    if (cmd->type != STORE_CMD_OP_BEGIN) {
        return;
    }
    switch (cmd->op_type) {
    case STORE_OP_NODE_ADD:
        know(cmd->node.id);
        break;
    case STORE_OP_DEVICE_ADD:
        know(cmd->device.id);
        break;
    case STORE_OP_CREATE_VOLUME:
        know(cmd->volume.id);
        know(cmd->volume.bricks[0].id);
        break;
    case STORE_OP_CREATE_BLOCK:
        know(cmd->block.id);
        break;
    default:
        break;
    }
}

static struct id some_id(void)
{
    return run.n_known == 0 || below(20) == 0 ? ID_NONE : run.known[below((unsigned)run.n_known)];
}

static uint64_t some_number(void)
{
    static const uint64_t edges[] = {0, 1, 100, 1 << 20, UINT32_MAX, (uint64_t)UINT32_MAX + 1, INT64_MAX, UINT64_MAX};

    return below(3) == 0 ? edges[below(sizeof(edges) / sizeof(*edges))] : below(100000);
}

/* Never NUL: the log's reader refuses texts that hold it. */
static char *some_text(void)
{
    static const char *const parts[] = {
        "\xfc",
        "\xc3",
        "\xc3\xbc",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xf0\x9f\x90",
        "\xf4\x90\x80\x80",
        "\xc0\x80",
        "\xff\xfe",
        "\x01",
        "\x1b[2J",
        "\x7f",
        "\r\n",
        "\"",
        "\\",
        "</script>",
        "\\u0000",
        "\xc2\x85",
        "\xe2\x80\xa8",
        "{",
        "}",
        "]",
        ",\"x\":1",
        "%s%n",
        "plain words",
        "$(id)",
        "\xf0\x9f\x90\x8d",
    };
    struct buf buf = BUF_INIT;
    unsigned n = below(40) == 0 ? 2000 : below(6);

    while (n-- > 0) {
        buf_append_str(&buf, parts[below(sizeof(parts) / sizeof(*parts))]);
    }
    return buf_take(&buf);
}

static void put_text(char **slot)
{
    free(*slot);
    *slot = some_text();
}

static void put_strs(struct store_strs *strs)
{
    for (unsigned n = below(20) == 0 ? 0 : 1 + below(3); n > 0; n--) {
        CLEANUP(free_ptr) char *text = some_text();
        CLEANUP(free_ptr) char *unique = mem_printf("%s%u", text, below(1000000));

        store_strs_add(strs, unique);
    }
}

static void put_tags(struct store_tags *tags)
{
    for (unsigned n = below(3); n > 0; n--) {
        CLEANUP(free_ptr) char *name = some_text();
        CLEANUP(free_ptr) char *value = some_text();

        store_tags_set(tags, name, value);
    }
}

/* ---- entries ---- */

static const enum store_cmd_type types[] = {
    STORE_CMD_OP_BEGIN,       STORE_CMD_OP_BEGIN,    STORE_CMD_OP_END, STORE_CMD_CLUSTER_CREATE, STORE_CMD_OP_BEGIN,
    STORE_CMD_OP_BEGIN,       STORE_CMD_OP_BEGIN,    STORE_CMD_OP_END, STORE_CMD_OP_END,         STORE_CMD_OP_UNDO,
    STORE_CMD_OP_PARKED,      STORE_CMD_OP_PARKED,   STORE_CMD_TAGS,   STORE_CMD_SET_STATE,      STORE_CMD_OP_REPLAN,
    STORE_CMD_OP_LEARN,       STORE_CMD_EXPIRE_JOBS, STORE_CMD_REPEAT, STORE_CMD_CLUSTER_FLAGS,  STORE_CMD_RESTRICT,
    STORE_CMD_CLUSTER_DELETE, STORE_CMD_JOB,         STORE_CMD_ORDER,
};

static const enum store_op_type op_types[] = {
    STORE_OP_NODE_ADD,      STORE_OP_NODE_ADD,      STORE_OP_DEVICE_ADD,    STORE_OP_DEVICE_ADD,
    STORE_OP_DEVICE_ADD,    STORE_OP_CREATE_VOLUME, STORE_OP_CREATE_VOLUME, STORE_OP_CREATE_VOLUME,
    STORE_OP_DEVICE_ADD,    STORE_OP_CREATE_VOLUME, STORE_OP_CREATE_BLOCK,  STORE_OP_NODE_DELETE,
    STORE_OP_DEVICE_DELETE, STORE_OP_DELETE_VOLUME, STORE_OP_EXPAND_VOLUME, STORE_OP_DEVICE_RESYNC,
    STORE_OP_EVICT_BRICK,
};

static const struct store_cluster *some_cluster(void)
{
    const struct store_cluster *cluster = NULL;

    for (unsigned n = below(4); n > 0; n--) {
        const struct store_cluster *next = store_cluster_next(run.member->store, cluster);

        cluster = next != NULL ? next : cluster;
    }
    return cluster != NULL ? cluster : store_cluster_next(run.member->store, NULL);
}

static const struct store_device *some_device(void)
{
    for (int i = 0; i < 50; i++) {
        const struct store_device *device = store_device(run.member->store, some_id());

        if (device != NULL) {
            return device;
        }
    }
    return NULL;
}

static struct id some_node(void)
{
    for (int i = 0; i < 50; i++) {
        struct id id = some_id();

        if (store_node(run.member->store, id) != NULL) {
            return id;
        }
    }
    return some_id();
}

static void put_volume(struct store_volume *volume)
{
    const struct store_cluster *cluster = some_cluster();
    const struct store_device *device = some_device();
    size_t n = device != NULL ? 1 : below(3);

    volume->id = new_id();
    volume->cluster = cluster != NULL ? cluster->id : ID_NONE;
    put_text(&volume->name);
    volume->size_gib = below(3) == 0 ? (uint32_t)some_number() : 1;
    volume->replica = below(5);
    volume->gid = (int64_t)some_number();
    volume->snapshot_factor = 1;
    volume->block = below(3) == 0;
    put_strs(&volume->options);
    volume->bricks = mem_calloc(n, sizeof(*volume->bricks));
    volume->n_bricks = n;
    for (size_t i = 0; i < n; i++) {
        struct store_brick *brick = &volume->bricks[i];

        *brick = (struct store_brick){.id = new_id(),
                                      .volume = volume->id,
                                      .device = device != NULL ? device->id : some_id(),
                                      .set = (uint32_t)i,
                                      .size_kib = below(10) == 0 ? some_number() : 4096,
                                      .pool_kib = below(10) == 0 ? some_number() : 4096,
                                      .meta_kib = below(10) == 0 ? some_number() : 4096,
                                      .pool = some_text(),
                                      .lv = some_text(),
                                      .path = some_text(),
                                      .type = STORE_BRICK_NORMAL};
        if (device != NULL) {
            const struct store_node *node = store_node(run.member->store, device->node);

            volume->cluster = node != NULL ? node->cluster : volume->cluster;
        }
    }
}

static void put_begin(struct store_cmd *cmd)
{
    const struct store_cluster *cluster = some_cluster();

    cmd->op_type = op_types[below(sizeof(op_types) / sizeof(*op_types))];
    cmd->op_id = new_id();
    cmd->target = some_id();
    cmd->force = below(2) == 0;
    cmd->node.id = new_id();
    cmd->node.cluster = cluster != NULL ? cluster->id : ID_NONE;
    cmd->node.zone = 1 + (uint32_t)some_number();
    put_strs(&cmd->node.manage);
    put_strs(&cmd->node.storage);
    put_tags(&cmd->node.tags);
    cmd->device.id = new_id();
    cmd->device.node = some_node();
    put_text(&cmd->device.name);
    put_tags(&cmd->device.tags);
    cmd->block.id = new_id();
    cmd->block.hosting = some_id();
    put_text(&cmd->block.name);
    cmd->block.size_gib = (uint32_t)some_number();
    put_volume(&cmd->volume);
}

static void put_parked(struct store_cmd *cmd)
{
    cmd->n_parked = below(4);
    cmd->parked = mem_calloc(cmd->n_parked, sizeof(*cmd->parked));
    for (size_t i = 0; i < cmd->n_parked; i++) {
        cmd->parked[i] = (struct store_parked){some_id(), some_text()};
    }
}

static void put_end(struct store_cmd *cmd)
{
    cmd->failed = below(3) == 0;
    cmd->device.total_kib = below(3) == 0 ? some_number() : 100 << 20;
    cmd->device.extent_kib = below(3) == 0 ? some_number() : 4096;
    put_text(&cmd->device.pv_uuid);
    put_strs(&cmd->device.paths);
    put_text(&cmd->block.iqn);
    put_text(&cmd->block.user);
    put_text(&cmd->block.password);
    put_strs(&cmd->block.hosts);
    cmd->block.size_gib = (uint32_t)some_number();
    cmd->block.usable_gib = (uint32_t)some_number();
    cmd->follow_id = below(3) == 0 ? new_id() : ID_NONE;
}

/* The newest operation, most of the time: somebody must end them. */
static struct id some_operation(void)
{
    const struct store_operation *op = store_operation_next(run.member->store, NULL);

    for (unsigned n = below(8); n > 0 && op != NULL; n--) {
        const struct store_operation *next = store_operation_next(run.member->store, op);

        op = next != NULL ? next : op;
    }
    return op != NULL && below(10) > 0 ? op->id : some_id();
}

static void make(struct store_cmd *cmd)
{
    store_cmd_init(cmd, types[below(sizeof(types) / sizeof(*types))]);
    cmd->time_ms = (int64_t)some_number();
    cmd->op_id = cmd->type == STORE_CMD_OP_BEGIN || cmd->type == STORE_CMD_REPEAT ? new_id() : some_operation();
    cmd->target = some_id();
    cmd->state = (enum store_state)below(4);
    cmd->fingerprint = some_id();
    cmd->restriction = (enum store_restriction)below(3);
    if (below(4) == 0) {
        put_text(&cmd->key);
    }
    put_text(&cmd->text);
    switch (cmd->type) {
    case STORE_CMD_CLUSTER_CREATE:
        cmd->cluster = (struct store_cluster){new_id(), true, below(2) == 0};
        break;
    case STORE_CMD_OP_BEGIN:
        put_begin(cmd);
        break;
    case STORE_CMD_OP_PARKED:
        put_parked(cmd);
        break;
    case STORE_CMD_OP_END:
        put_end(cmd);
        break;
    case STORE_CMD_TAGS:
        put_tags(&cmd->tags);
        break;
    case STORE_CMD_OP_REPLAN:
    case STORE_CMD_OP_LEARN:
    case STORE_CMD_ORDER:
        put_volume(&cmd->volume);
        break;
    case STORE_CMD_SET_STATE:
    case STORE_CMD_JOB:
    case STORE_CMD_RESTRICT:
        cmd->op_id = new_id();
        break;
    default:
        break;
    }
}

/* What older releases wrote was not clean: its text is put over a clean one of the same length. */
static void encode_as_it_was(struct store_cmd *cmd, struct buf *buf)
{
    CLEANUP(free_ptr) char *text = TAKE_PTR(cmd->text);
    size_t len = strlen(text) < STORE_TEXT_MAX ? strlen(text) : STORE_TEXT_MAX; /* cut anywhere */
    char *place;

    cmd->text = mem_calloc(len + 1, 1);
    memset(cmd->text, '~', len);
    store_cmd_encode(cmd, buf);
    place = len > 4 ? memmem(buf->data, buf->len, cmd->text, len) : NULL;
    if (place != NULL) {
        memcpy(place, text, len);
    }
}

/* ---- documents ---- */

static void is_json(const char *what, const char *text, size_t len)
{
    json_error_t error;
    json_t *document = json_loadb(text, len, JSON_DECODE_ANY, &error);

    if (document == NULL) {
        fail_msg("%s: %s, byte %d: %.300s", what, error.text, error.position, text);
    }
    json_decref(document);
}

static void made(const char *what, struct buf *buf)
{
    if (buf->len > 0) { /* otherwise there is no such thing: 404 */
        is_json(what, buf->data, buf->len);
    }
    buf_fini(buf);
}

#define MADE(what, ...)            \
    do {                           \
        struct buf out = BUF_INIT; \
        __VA_ARGS__;               \
        made(what, &out);          \
    } while (0)

/* In pieces as small as they can be. */
static void put_bricks(struct buf *out, struct api_bricks *bricks)
{
    struct buf piece = BUF_INIT;
    bool more;

    do {
        buf_clear(&piece);
        more = api_bricks_next(bricks, 1, &piece);
        buf_append(out, buf_str(&piece), piece.len);
    } while (more);
    buf_fini(&piece);
    api_bricks_free(bricks);
}

static void of_volumes(const struct store *store)
{
    for (size_t i = 0; i < run.n_known; i++) {
        const struct store_volume *volume = store_volume(store, run.known[i]);
        const struct store_block_volume *block = store_block_volume(store, run.known[i]);
        const struct store_device *device = store_device(store, run.known[i]);

        if (volume != NULL) {
            MADE("volume", api_out_small_volume(&out, store, volume));
            MADE("volume info", api_out_volume_info(&out, store, volume));
        }
        if (block != NULL) {
            MADE("block volume", api_out_block_volume(&out, store, block));
        }
        if (device != NULL) {
            MADE("device", put_bricks(&out, api_bricks_of_device(store, device)));
        }
    }
}

static void dump(struct buf *out, const struct store *store)
{
    struct api_dump *dump = api_dump_new(store, ID_NONE, NULL);
    struct err err = ERR_INIT;
    int rc;

    do {
        rc = api_dump_next(dump, 1000, out, &err);
    } while (rc == 1);
    assert_int_equal(rc, 0);
    api_dump_free(dump);
}

static void of_store(const struct store *store)
{
    const struct store_cluster *cluster = NULL;
    const struct store_operation *op = NULL;

    MADE("clusters", api_out_cluster_list(&out, store));
    MADE("operations", api_out_operations(&out, store));
    MADE("pending", api_out_pending_list(&out, store));
    while ((cluster = store_cluster_next(store, cluster)) != NULL) {
        const struct store_node *node = NULL;

        MADE("cluster", api_out_cluster_head(&out, store, cluster); api_out_cluster_middle(&out, cluster);
             buf_append_str(&out, "]}"));
        while ((node = store_cluster_node_next(store, cluster->id, node)) != NULL) {
            MADE("node", put_bricks(&out, api_bricks_of_node(store, node)));
        }
    }
    while ((op = store_operation_next(store, op)) != NULL) {
        MADE("operation", api_out_pending(&out, store, op, NULL));
    }
    of_volumes(store);
    MADE("dump", dump(&out, store));
    MADE("check", api_check(&(struct api_json){.buf = &out, .empty = true}, store, NULL));
}

static void of_member(void)
{
    CLEANUP(buf_fini) struct buf metrics = BUF_INIT;
    json_t *document = status_document(run.member);
    char *text = json_dumps(document, JSON_COMPACT);

    assert_non_null(text);
    is_json("status", text, strlen(text));
    free(text);
    json_decref(document);
    api_out_metrics(&metrics, run.member->store);
    member_metrics(run.member, &metrics);
    for (size_t at = 0; at < metrics.len;) {
        size_t len = text_utf8_len(metrics.data + at, metrics.len - at);

        assert_true(len > 0);
        at += len;
    }
}

/* The state goes through a snapshot unharmed. */
static void of_snapshot(void)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    struct store_snapshot *snapshot = store_snapshot_take(run.member->store);
    struct store_digest digest = store_digest(run.member->store), again;
    struct err err = ERR_INIT;
    struct store *store;

    store_snapshot_encode(snapshot, &buf);
    store_snapshot_free(snapshot);
    if (store_snapshot_decode(buf.data, buf.len, &store, &err) != 0) {
        fail_msg("%s", err.message);
    }
    again = store_digest(store);
    assert_memory_equal(&digest, &again, sizeof(digest));
    store_free(store);
}

static void apply_one(void)
{
    CLEANUP(buf_fini) struct buf entry = BUF_INIT;
    struct buf event = BUF_INIT;
    struct store_cmd cmd, check;
    const struct store_result *result;

    make(&cmd);
    encode_as_it_was(&cmd, &entry);
    store_cmd_fini(&cmd);
    if (store_cmd_decode(entry.data, entry.len, &check, NULL) != 0) {
        return; /* never proposed: member_propose tries it */
    }
    result = run.machine.apply(run.member, ++run.index, entry.data, entry.len);
    if (result->code == STORE_OK) {
        run.accepted[check.type]++;
        run.begun[check.type == STORE_CMD_OP_BEGIN ? check.op_type : 0]++;
        know_all(&check);
    }
    if (result->code == STORE_OK && event_of(run.member->store, &check, result, &event) != NULL) {
        made("event", &event);
    }
    assert_true(text_is_clean(result->text));
    store_cmd_fini(&check);
    buf_fini(&event);
}

static void test_hostile_entries(void **state)
{
    const char *given = getenv("HECATE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1;

    (void)state;
    printf("HECATE_SEED=%u\n", seed);
    srandom(seed);
    for (int i = 1; i <= ENTRIES; i++) {
        apply_one();
        if (i % 100 == 0) {
            of_member();
            of_store(run.member->store);
            of_snapshot();
        }
    }
    /* The test looked at something. */
    for (size_t i = 0; i < sizeof(op_types) / sizeof(*op_types); i++) {
        printf("%s: %zu begun\n", store_op_type_name(op_types[i]), run.begun[op_types[i]]);
    }
    assert_true(run.begun[STORE_OP_NODE_ADD] > 0 && run.begun[STORE_OP_DEVICE_ADD] > 0);
    assert_true(run.begun[STORE_OP_CREATE_VOLUME] > 0);
    assert_true(run.accepted[STORE_CMD_OP_END] > 20 && run.accepted[STORE_CMD_OP_PARKED] > 20);
    assert_true(run.accepted[STORE_CMD_OP_UNDO] > 5 && run.accepted[STORE_CMD_TAGS] > 5);
}

static int setup(void **state)
{
    (void)state;
    fixture_init(&run.fixture);
    fixture_start(&run.fixture, 0);
    run.member = run.fixture.members[0];
    run.machine = member_machine(run.member);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_fini(&run.fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile_entries)};

    return cmocka_run_group_tests(tests, setup, teardown);
}

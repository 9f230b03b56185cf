/* Whole conversations with a member: frames with right lengths and checksums from members, from one that was removed
 * and from a stranger, between them time that passes, disks that answer, connections that come and go, commands.
 * Whatever is said, nothing aborts; what those say who are no members changes nothing.
 *
 * The first byte chooses who listens: a member of three, one of them with a removed fourth in its log, or one with an
 * empty disk. Then each step is a byte, and what it needs.
 */
#include <raft.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/core.h"
#include "consensus/core_priv.h"
#include "consensus/wire.h"
#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/mem.h"

#define ME 1
#define REMOVED 4
#define STRANGER 9
#define STEPS_MAX 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at, *end;
};

struct world {
    struct core *core;
    uint64_t now;
    bool failed;
    uint32_t sum;
    struct disk_op *queues[2]; /* log, snapshots */
    uint64_t snap_index, snap_term, conf_index;
    uint8_t *conf, *snap;
    size_t conf_len, snap_len;
};

static uint8_t byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* ---- environment ---- */

static uint64_t env_now(void *user)
{
    return ((struct world *)user)->now;
}

static void env_send(void *user, uint64_t peer, uint8_t *frame, size_t len)
{
    struct wire wire;

    (void)user;
    CHECK(peer != ME && wire_decode(frame, len, &wire) && wire.key[WK_FROM] == ME);
    free(frame);
}

static void put(struct disk_op **at, struct disk_op *op)
{
    while (*at != NULL) {
        at = &(*at)->next;
    }
    op->next = NULL;
    *at = op;
}

static void env_disk(void *user, struct disk_op *op)
{
    struct world *world = user;

    put(&world->queues[op->kind >= DISK_INSTALL], op);
}

static int env_judge(void *user, const uint8_t *data, size_t len, struct err *reterr)
{
    (void)user;
    return len == 0 || data[0] == 'X' ? err_set(reterr, E_DAMAGED, "damaged")
           : data[0] == 'Y'           ? err_set(reterr, E_UNSUPPORTED, "of a later release")
                                      : 0;
}

static int env_judge_head(void *user, uint64_t index, const uint8_t *head, size_t len, uint64_t size_bytes,
                          struct err *reterr)
{
    (void)user;
    CHECK(index > 0 && len <= size_bytes && len <= CORE_SNAPSHOT_HEAD &&
          (len == size_bytes || len == CORE_SNAPSHOT_HEAD));
    return len > 0 && head[0] == 0xff ? err_set(reterr, E_DAMAGED, "no snapshot") : 0;
}

static void env_apply(void *user, uint64_t index, uint64_t term, const uint8_t *data, size_t len)
{
    ((struct world *)user)->sum += crc32c(0, data, len); /* the bytes are there */
    CHECK(index > 0 && term > 0 && env_judge(user, data, len, NULL) == 0);
}

static void *env_snapshot(void *user)
{
    (void)user;
    return mem_strdup("snapshot");
}

static void env_snapshot_free(void *user, void *handle)
{
    (void)user;
    free(handle);
}

static int env_restore(void *user, uint64_t index, const uint8_t *data, size_t len)
{
    (void)user;
    (void)index;
    return len > 0 && data[0] == 'X' ? -1 : 0;
}

static void *env_adopt(void *user, uint64_t index, void *state)
{
    (void)user;
    CHECK(index > 0 && state != NULL);
    return state; /* to be freed */
}

static void env_nothing(void *user)
{
    (void)user;
}

static void env_failed(void *user, const char *text)
{
    CHECK(text[0] != '\0');
    ((struct world *)user)->failed = true;
}

/* ---- the disk ---- */

static void keep_snapshot(struct world *world, const struct disk_op *op)
{
    free(world->conf);
    free(world->snap);
    world->snap_index = op->index;
    world->snap_term = op->index_term;
    world->conf_index = op->conf_index;
    world->conf = mem_dup(op->conf, op->conf_len);
    world->conf_len = op->conf_len;
    world->snap = op->data != NULL ? mem_dup(op->data, op->data_len) : mem_dup("snapshot", 8);
    world->snap_len = op->data != NULL ? op->data_len : 8;
}

static void free_op(struct disk_op *op)
{
    free(op->handle);
    free(op->state);
    disk_op_free(op);
}

/* The thread of snapshots: what it has made counts when the log's turn comes. */
static void snapshot_answers(struct world *world, struct disk_op *op)
{
    switch (op->kind) {
    case DISK_SNAP_PUT:
        free(TAKE_PTR(op->handle));
        put(&world->queues[0], op);
        break;
    case DISK_INSTALL:
        free(TAKE_PTR(op->handle));
        put(&world->queues[0], op);
        break;
    case DISK_DECODE:
        op->refused = op->data_len == 0 || op->data[0] == 'X' ? E_DAMAGED : op->data[0] == 'Y' ? E_UNSUPPORTED : 0;
        op->message = op->refused != 0 ? mem_strdup("no snapshot") : NULL;
        op->state = op->refused == 0 ? mem_strdup("state") : NULL;
        core_done(world->core, op);
        break;
    case DISK_FREE:
        free_op(op);
        break;
    default:
        op->index = world->snap_index;
        op->index_term = world->snap_term;
        op->conf_index = world->conf_index;
        op->conf = mem_dup(world->conf, world->conf_len);
        op->conf_len = world->conf_len;
        op->data = mem_dup(world->snap, world->snap_len);
        op->data_len = world->snap_len;
        core_done(world->core, op);
        break;
    }
}

static void disk_answers(struct world *world, size_t queue)
{
    struct disk_op *op = world->queues[queue];

    if (op == NULL) {
        return;
    }
    world->queues[queue] = op->next;
    op->next = NULL;
    if (queue == 1) {
        snapshot_answers(world, op);
        return;
    }
    if (op->kind == DISK_SNAP_PUT || op->kind == DISK_INSTALL) {
        keep_snapshot(world, op);
    }
    core_done(world->core, op);
}

/* ---- the beginning ---- */

static void put_configuration(struct buf *buf, uint64_t n, bool strange)
{
    struct raft_configuration conf;
    struct raft_buffer bytes;

    raft_configuration_init(&conf);
    for (uint64_t id = 1; id <= n; id++) {
        char address[] = "a:0";

        address[2] = (char)('0' + id);
        CHECK(raft_configuration_add(&conf, id, address, RAFT_VOTER) == 0);
    }
    if (strange) {
        CHECK(raft_configuration_add(&conf, STRANGER, "b:1", RAFT_SPARE) == 0);
    }
    CHECK(raft_configuration_encode(&conf, &bytes) == 0);
    raft_configuration_close(&conf);
    buf_append(buf, bytes.base, bytes.len);
    raft_free(bytes.base);
}

static void start(struct world *world, uint8_t kind)
{
    const struct core_env env = {.user = world,
                                 .now = env_now,
                                 .send = env_send,
                                 .disk = env_disk,
                                 .judge = env_judge,
                                 .judge_head = env_judge_head,
                                 .apply = env_apply,
                                 .snapshot = env_snapshot,
                                 .snapshot_free = env_snapshot_free,
                                 .restore = env_restore,
                                 .adopt = env_adopt,
                                 .state_free = env_snapshot_free,
                                 .changed = env_nothing,
                                 .resigned = env_nothing,
                                 .members = env_nothing,
                                 .failed = env_failed};
    struct core_config config = {.id = ME,
                                 .peers = {{1, "a:1"}, {2, "a:2"}, {3, "a:3"}},
                                 .n_peers = 3,
                                 .election_timeout_ms = 300,
                                 .lease_ms = 150,
                                 .heartbeat_ms = 50,
                                 .slot_ms = 25,
                                 .snapshot_threshold = 8,
                                 .trailing = 8,
                                 .inflight = 4,
                                 .window = 4,
                                 .seed = 1,
                                 .new_cluster_id = {.bytes = {7}}};
    struct disk_image image = {.disk_state = CORE_EMPTY};
    struct buf flat = BUF_INIT;
    struct buf conf = BUF_INIT;

    world->now = 1000000;
    if (kind % 4 != 0) {
        image = (struct disk_image){.disk_state = kind % 4 == 3 ? CORE_JOINING : CORE_FORMED, .term = 3, .first = 1};
        image.cluster_id.bytes[0] = 7;
        put_configuration(&conf, 4, false);
        flat_append(&flat, 1, RAFT_CHANGE, conf.data, (uint32_t)conf.len);
        buf_clear(&conf);
        put_configuration(&conf, 3, false); /* the fourth was removed */
        flat_append(&flat, 2, RAFT_CHANGE, conf.data, (uint32_t)conf.len);
        flat_append(&flat, 3, RAFT_COMMAND, "one", 3);
        flat_append(&flat, 3, RAFT_COMMAND, "two", 3);
        if (kind % 4 == 2) { /* in a snapshot */
            image.snap_index = image.conf_index = 2;
            image.snap_term = 2;
            image.conf = mem_dup(conf.data, conf.len);
            image.conf_len = conf.len;
            image.snap = mem_dup("snapshot", 8);
            image.snap_len = 8;
            image.first = 3;
            buf_clear(&flat);
            flat_append(&flat, 3, RAFT_COMMAND, "one", 3);
        }
        image.flat_len = flat.len;
        image.flat = (uint8_t *)buf_take(&flat);
    }
    world->core = core_new(&config, &env, &image);
    disk_image_fini(&image);
    buf_fini(&conf);
}

/* ---- frames ---- */

/* A number near those that mean something now, or any. */
static uint64_t number(struct input *input, const struct core_status *status)
{
    uint8_t kind = byte(input);
    uint64_t value = 0;

    switch (kind >> 5) {
    case 0:
        return kind & 31;
    case 1:
        return status->term + (kind & 31) - 4;
    case 2:
        return status->last_index + (kind & 31) - 8;
    case 3:
        return status->commit_index + (kind & 31) - 8;
    case 4:
        return ((kind & 16) != 0 ? WIRE_NUMBER_MAX : WIRE_INDEX_MAX) - (kind & 15);
    case 5:
        return UINT64_MAX - (kind & 31);
    case 6:
        return (uint64_t)1 << (kind & 31) << (kind & 31);
    default:
        for (int i = 0; i < 8; i++) {
            value = value << 8 | byte(input);
        }
        return value;
    }
}

static void put_body(struct input *input, const struct core_status *status, struct wire *wire, struct buf *body)
{
    CLEANUP(buf_fini) struct buf conf = BUF_INIT;
    uint8_t kind = byte(input);

    switch (kind % 4) {
    case 0:
        break;
    case 1: /* anything */
        for (uint8_t n = byte(input); n > 0 && input->at < input->end; n--) {
            buf_append_char(body, (char)byte(input));
        }
        break;
    case 2: /* a configuration, perhaps cut or followed by a snapshot */
        put_configuration(body, 2 + kind / 4 % 4, kind > 127);
        wire->key[WK_CONF_LEN] = body->len;
        buf_append(body, kind % 16 == 6 ? "Xnapshot" : kind % 16 == 14 ? "Ynapshot" : "snapshot", byte(input) % 9U);
        wire->key[WK_TOTAL] = body->len;
        break;
    default: /* entries */
        wire->key[WK_COUNT] = 1 + kind / 4 % 4;
        for (uint64_t i = 0; i < wire->key[WK_COUNT]; i++) {
            uint8_t type = byte(input);

            buf_clear(&conf);
            if (type % 4 == RAFT_CHANGE) {
                put_configuration(&conf, 2 + type / 4 % 4, type > 127);
            } else {
                buf_append(&conf, type % 16 < 12 ? "command" : type % 16 < 14 ? "Xommand" : "Yommand", type / 32U);
            }
            flat_append(body, status->term + type / 64U, type % 4, conf.len > 0 ? conf.data : "", (uint32_t)conf.len);
        }
    }
}

static void hello(struct world *world, uint64_t from)
{
    const struct wire wire = {
        .key = {[WK_TYPE] = WIRE_HELLO, [WK_FROM] = from, [WK_STATE] = CORE_FORMED, [WK_CLUSTER_HIGH] = 7UL << 56}};
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;

    wire_encode(&wire, &frame);
    (void)core_recv(world->core, from, (const uint8_t *)frame.data, frame.len);
}

static void say(struct world *world, struct input *input, uint64_t from)
{
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;
    struct wire wire = {.key = {[WK_FROM] = from, [WK_CLUSTER_HIGH] = 7UL << 56}};
    struct core_status status;

    core_get_status(world->core, &status);
    wire.key[WK_TYPE] = byte(input) % 16;
    wire.key[WK_TERM] = wire.key[WK_MSG_TERM] = status.term;
    wire.key[WK_PREV_INDEX] = status.last_index;
    wire.key[WK_PREV_TERM] = core_entry_term(world->core, status.last_index);
    put_body(input, &status, &wire, &body);
    for (uint8_t n = byte(input) % 8; n > 0; n--) {
        uint8_t key = byte(input) % WIRE_KEYS;

        if (key != WK_TYPE && key != WK_FROM) {
            wire.key[key] = number(input, &status);
        }
    }
    wire.body = (const uint8_t *)body.data;
    wire.body_len = body.len;
    wire_encode(&wire, &frame);
    (void)core_recv(world->core, from, (const uint8_t *)frame.data, frame.len);
}

/* A header of any bytes, with the checksum made right. */
static void say_raw(struct world *world, struct input *input, uint64_t from)
{
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;
    uint8_t header = byte(input);
    uint32_t words[2];

    buf_append(&frame, "\0\0\0\0\0\0\0\0\0\0", WIRE_PREFIX);
    for (uint8_t n = byte(input); n > 0 && input->at < input->end; n--) {
        buf_append_char(&frame, (char)byte(input));
    }
    frame.data[8] = (char)header;
    words[0] = (uint32_t)frame.len - 4;
    words[1] = crc32c(0, frame.data + 8, frame.len - 8);
    for (size_t i = 0; i < 8; i++) {
        frame.data[i] = (char)(words[i / 4] >> (8 * (i % 4)));
    }
    (void)core_recv(world->core, from, (const uint8_t *)frame.data, frame.len);
}

static bool is_member(const struct core *core, uint64_t id)
{
    return core_speaks(core, core_peer_index(core, id));
}

/* No member: it may say what it likes. */
static void say_in_vain(struct world *world, struct input *input, uint64_t from)
{
    struct core_status before, after;

    core_get_status(world->core, &before);
    say(world, input, from);
    CHECK(!world->failed);
    core_get_status(world->core, &after);
    CHECK(after.term == before.term && after.role == before.role && after.leader_id == before.leader_id &&
          after.last_index == before.last_index && after.commit_index == before.commit_index &&
          after.n_peers == before.n_peers && after.disk_state == before.disk_state && !is_member(world->core, from));
}

static void submit(struct world *world)
{
    const void *data = "command";
    uint32_t len = 7;
    uint64_t bytes;

    if (core_window(world->core, &bytes) > 0) {
        (void)core_submit(world->core, &data, &len, 1);
    }
}

static void step(struct world *world, struct input *input)
{
    uint8_t what = byte(input);
    uint64_t peer = 2 + what / 16 % 2;

    switch (what % 16) {
    case 0:
    case 1:
    case 2:
        say(world, input, peer);
        break;
    case 3:
        say_raw(world, input, what < 128 ? peer : STRANGER);
        break;
    case 4:
    case 5:
        peer = what < 128 ? REMOVED : STRANGER;
        if (is_member(world->core, peer)) { /* a member has named it, or a log has it */
            say(world, input, peer);
        } else {
            say_in_vain(world, input, peer);
        }
        break;
    case 6:
        core_connected(world->core, peer);
        hello(world, peer);
        break;
    case 7:
        core_closed(world->core, peer);
        core_disconnected(world->core, peer);
        break;
    case 8:
    case 9:
        world->now += 1000 * (uint64_t)byte(input);
        break;
    case 10:
        disk_answers(world, 1);
        break;
    case 11:
        submit(world);
        break;
    case 12:
        (void)core_transfer(world->core, peer);
        break;
    default:
        disk_answers(world, 0);
    }
    (void)core_poll(world->core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.at = data, .end = data + size};
    struct world world = {0};

    start(&world, byte(&input));
    for (int i = 0; i < STEPS_MAX && input.at < input.end && !world.failed; i++) {
        step(&world, &input);
    }
    core_free(world.core);
    for (size_t i = 0; i < 2; i++) {
        while (world.queues[i] != NULL) {
            struct disk_op *op = world.queues[i];

            world.queues[i] = op->next;
            free_op(op);
        }
    }
    free(world.conf);
    free(world.snap);
    return 0;
}

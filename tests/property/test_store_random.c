/* Random sequences of commands, valid and not, on three stores: they stay equal and whole, refusals change nothing,
 * repeated commands change nothing, snapshots and replay lead to the same state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

#define STEPS 2500
#define COMMANDS_MAX 20000

struct run {
    struct world world; /* the first store; store_check after each command */
    struct store *others[2];
    struct buf log[COMMANDS_MAX]; /* for replay */
    size_t n_log;
    size_t codes[16];
    size_t n_taken_over;
};

/* One command on all stores. */
static enum store_code apply_all(struct run *run, const struct store_cmd *cmd)
{
    struct store_digest before = store_digest(run->world.store), after;
    struct store_counts counts = store_counts(run->world.store);
    struct store_result result;
    enum store_code code;

    assert_true(run->n_log < COMMANDS_MAX);
    store_cmd_encode(cmd, &run->log[run->n_log++]);
    code = world_apply(&run->world, cmd);
    run->codes[code]++;
    run->n_taken_over += code == STORE_OK && cmd->type == STORE_CMD_TAKE_OVER;
    after = store_digest(run->world.store);
    if (code != STORE_OK) {
        struct store_counts now = store_counts(run->world.store);

        assert_memory_equal(before.bytes, after.bytes, sizeof(before.bytes));
        assert_memory_equal(&counts, &now, sizeof(now));
        assert_true(code == STORE_REPEATED || run->world.result.text[0] != '\0'); /* every refusal says why */
    }
    for (size_t i = 0; i < 2; i++) { /* as an entry of the log: odd texts were made clean on the way into it */
        const struct buf *entry = &run->log[run->n_log - 1];
        struct err err = ERR_INIT;
        struct store_cmd copy;

        assert_int_equal(store_cmd_decode(entry->data, entry->len, &copy, &err), 0);
        store_apply(run->others[i], run->world.index, &copy, &result);
        store_cmd_fini(&copy);
        assert_int_equal(result.code, code);
        assert_true(id_equal(result.id, run->world.result.id));
        assert_true(id_equal(result.op_id, run->world.result.op_id));
        assert_string_equal(result.text, run->world.result.text);
        assert_true(digests_equal(run->others[i], run->world.store));
    }
    return code;
}

/* ---- picking what is there ---- */

#define PICK(kind)                                                                                \
    static struct id pick_##kind(struct run *run, size_t n)                                       \
    {                                                                                             \
        const struct store_##kind *rec = NULL;                                                    \
        size_t skip = n > 0 ? world_below(&run->world, n) : 0;                                    \
                                                                                                  \
        do {                                                                                      \
            rec = store_##kind##_next(run->world.store, rec);                                     \
        } while (rec != NULL && skip-- > 0);                                                      \
        return rec != NULL && world_below(&run->world, 20) > 0 ? rec->id : world_id(&run->world); \
    }
PICK(cluster)
PICK(node)
PICK(device)
PICK(volume)
PICK(block_volume)
PICK(operation)

static struct id pick_brick(struct run *run)
{
    const struct store_volume *volume =
        store_volume(run->world.store, pick_volume(run, store_counts(run->world.store).volumes));

    return volume != NULL ? volume->bricks[world_below(&run->world, volume->n_bricks)].id : world_id(&run->world);
}

static const char *small_name(struct run *run, char *text, size_t size, const char *prefix)
{
    (void)snprintf(text, size, "%s%zu", prefix, world_below(&run->world, 25));
    return text;
}

static void set_text(char **to, const char *text)
{
    free(*to);
    *to = mem_strdup(text);
}

static void random_tags(struct run *run, struct store_tags *tags)
{
    char name[16];

    for (size_t n = world_below(&run->world, 3); n > 0; n--) {
        (void)small_name(run, name, sizeof(name), "tag");
        store_tags_set(tags, name, world_below(&run->world, 2) > 0 ? "a" : "b");
    }
}

static void random_volume(struct run *run, struct store_volume_request *wish)
{
    struct world *w = &run->world;
    char name[16];

    wish->size_gib = (uint32_t)(1 + world_below(w, world_below(w, 10) == 0 ? 900 : 20));
    wish->durability = world_below(w, 4) == 0 ? STORE_NONE : STORE_REPLICATE;
    wish->replica = (uint32_t)world_below(w, 4);
    if (world_below(w, 3) == 0) {
        set_text(&wish->name, small_name(run, name, sizeof(name), "v"));
    }
    wish->block = world_below(w, 4) == 0;
    wish->snapshot_enable = world_below(w, 4) == 0;
    wish->snapshot_factor = wish->snapshot_enable ? 1.5F : 0;
    if (world_below(w, 5) == 0) {
        store_strs_add(&wish->options, "user.heketi.zone-checking strict");
    }
    if (world_below(w, 6) == 0) {
        store_strs_add(&wish->options, "user.heketi.device-tag-match tag1!=a");
    }
}

/* As Kubernetes asks: nothing tells one request from the next. */
static void random_claim(struct run *run, struct store_request *request)
{
    struct store_volume_request *wish = &request->volume;

    store_request_fini(request);
    store_request_init(request, STORE_REQ_VOLUME_CREATE);
    wish->size_gib = 1;
    wish->durability = STORE_REPLICATE;
    wish->replica = 2;
    wish->gid = 2000 + (int64_t)world_below(&run->world, 2);
}

static void random_create(struct run *run, struct store_request *request)
{
    if (world_below(&run->world, 2) == 0) {
        random_claim(run, request);
    } else {
        random_volume(run, &request->volume);
    }
}

static bool asked(void *user, struct id op_id)
{
    (void)op_id;
    return world_below(user, 2) == 0;
}

static void random_replace(struct run *run, struct store_request *request, const struct store_counts *counts)
{
    struct world *w = &run->world;
    char name[16];

    request->lost = world_below(w, 2) == 0;
    if (request->type == STORE_REQ_DEVICE_REPLACE) {
        request->target = pick_device(run, counts->devices);
        set_text(&request->device_name, world_below(w, 2) == 0 ? "" : small_name(run, name, sizeof(name), "/dev/sd"));
        return;
    }
    request->target = request->node;
    if (world_below(w, 3) == 0) {
        store_strs_add(&request->manage, small_name(run, name, sizeof(name), "n"));
    }
    if (world_below(w, 3) == 0) {
        request->renewals = mem_calloc(1, sizeof(*request->renewals));
        request->n_renewals = 1;
        request->renewals[0].device = pick_device(run, counts->devices);
        request->renewals[0].name = mem_strdup(small_name(run, name, sizeof(name), "/dev/sd"));
    }
}

static void random_request(struct run *run, struct store_request *request)
{
    static const enum store_request_type types[] = {
        STORE_REQ_CLUSTER_CREATE, STORE_REQ_CLUSTER_FLAGS,   STORE_REQ_CLUSTER_DELETE, STORE_REQ_NODE_ADD,
        STORE_REQ_NODE_ADD,       STORE_REQ_NODE_DELETE,     STORE_REQ_NODE_STATE,     STORE_REQ_NODE_TAGS,
        STORE_REQ_DEVICE_ADD,     STORE_REQ_DEVICE_ADD,      STORE_REQ_DEVICE_ADD,     STORE_REQ_DEVICE_DELETE,
        STORE_REQ_DEVICE_STATE,   STORE_REQ_DEVICE_TAGS,     STORE_REQ_VOLUME_CREATE,  STORE_REQ_VOLUME_CREATE,
        STORE_REQ_VOLUME_CREATE,  STORE_REQ_VOLUME_CREATE,   STORE_REQ_VOLUME_CREATE,  STORE_REQ_VOLUME_DELETE,
        STORE_REQ_VOLUME_DELETE,  STORE_REQ_VOLUME_EXPAND,   STORE_REQ_VOLUME_EXPAND,  STORE_REQ_VOLUME_CLONE,
        STORE_REQ_VOLUME_CLONE,   STORE_REQ_VOLUME_RESTRICT, STORE_REQ_MODE,           STORE_REQ_LOG_LEVEL,
        STORE_REQ_CLEANUP,        STORE_REQ_BLOCK_CREATE,    STORE_REQ_BLOCK_CREATE,   STORE_REQ_BLOCK_EXPAND,
        STORE_REQ_BLOCK_DELETE,   STORE_REQ_BRICK_EVICT,     STORE_REQ_BRICK_EVICT,    STORE_REQ_DEVICE_RESYNC,
        STORE_REQ_TOLD,           STORE_REQ_NODE_REPLACE,    STORE_REQ_DEVICE_REPLACE,
    };
    struct world *w = &run->world;
    struct store_counts counts = store_counts(w->store);
    char name[16];

    store_request_init(request, types[world_below(w, sizeof(types) / sizeof(types[0]))]);
    request->file = request->block = world_below(w, 10) > 0;
    request->zone = (uint32_t)(1 + world_below(w, 3));
    request->state = (enum store_state)world_below(w, 3);
    request->tag_change = (enum store_tag_change)world_below(w, 3);
    request->destroy_data = request->force = world_below(w, 2) > 0;
    random_tags(run, &request->tags);
    request->cluster = pick_cluster(run, counts.clusters);
    request->node = pick_node(run, counts.nodes);
    if (world_below(w, 4) == 0) {
        set_text(&request->key, small_name(run, name, sizeof(name), "key"));
    }
    switch (request->type) {
    case STORE_REQ_CLUSTER_CREATE: /* these name nothing */
    case STORE_REQ_CLEANUP:
    case STORE_REQ_CLUSTER_FLAGS:
    case STORE_REQ_CLUSTER_DELETE:
        request->target = request->cluster;
        break;
    case STORE_REQ_NODE_ADD:
        store_strs_add(&request->manage, small_name(run, name, sizeof(name), "n"));
        store_strs_add(&request->storage, small_name(run, name, sizeof(name), "s"));
        break;
    case STORE_REQ_NODE_DELETE:
    case STORE_REQ_NODE_STATE:
    case STORE_REQ_NODE_TAGS:
        request->target = request->node;
        break;
    case STORE_REQ_DEVICE_ADD:
        set_text(&request->device_name, small_name(run, name, sizeof(name), "/dev/sd"));
        break;
    case STORE_REQ_DEVICE_DELETE:
    case STORE_REQ_DEVICE_STATE:
    case STORE_REQ_DEVICE_TAGS:
    case STORE_REQ_DEVICE_RESYNC:
        request->target = pick_device(run, counts.devices);
        break;
    case STORE_REQ_VOLUME_CREATE:
        random_create(run, request);
        break;
    case STORE_REQ_VOLUME_EXPAND:
        request->target = pick_volume(run, counts.volumes);
        request->volume.size_gib = (uint32_t)(1 + world_below(w, 10));
        break;
    case STORE_REQ_VOLUME_CLONE:
        request->target = pick_volume(run, counts.volumes);
        if (world_below(w, 3) == 0) {
            set_text(&request->volume.name, small_name(run, name, sizeof(name), "v"));
        }
        break;
    case STORE_REQ_VOLUME_RESTRICT:
        request->restriction = (enum store_restriction)world_below(w, 3);
        request->target = pick_volume(run, counts.volumes);
        break;
    case STORE_REQ_VOLUME_DELETE:
    case STORE_REQ_TOLD:
        request->target = pick_volume(run, counts.volumes);
        break;
    case STORE_REQ_MODE:
    case STORE_REQ_LOG_LEVEL:
        request->mode = (enum store_mode)world_below(w, 4);
        request->log_level = (uint32_t)world_below(w, 8);
        break;
    case STORE_REQ_BLOCK_CREATE:
        request->block_volume.size_gib = (uint32_t)(1 + world_below(w, 12));
        request->block_volume.ha_count = (uint32_t)world_below(w, 4);
        if (world_below(w, 3) == 0) {
            set_text(&request->block_volume.name, small_name(run, name, sizeof(name), "b"));
        }
        break;
    case STORE_REQ_BLOCK_EXPAND:
    case STORE_REQ_BLOCK_DELETE:
        request->target = pick_block_volume(run, counts.block_volumes);
        request->new_gib = (uint32_t)(1 + world_below(w, 20));
        break;
    case STORE_REQ_BRICK_EVICT:
        request->target = pick_brick(run);
        request->skip_heal = world_below(w, 4) == 0;
        break;
    case STORE_REQ_NODE_REPLACE:
    case STORE_REQ_DEVICE_REPLACE:
        random_replace(run, request, &counts);
        break;
    }
}

/* ---- what a leader, or nobody, would propose ---- */

/* Places for the bricks of the operation's volume. */
static void learn(struct run *run, struct store_cmd *cmd)
{
    const struct store_operation *op = store_operation(run->world.store, cmd->op_id);
    const struct store_volume *volume = op != NULL ? store_volume(run->world.store, op->target) : NULL;

    const char *text;
    struct id_text id;

    if (volume == NULL) {
        return;
    }
    id = id_text(volume->id);
    text = world_below(&run->world, 4) == 0 ? "5a5e5a5e5a5e5a5e5a5e5a5e5a5e5a5e"
                                            : id.text; /* as another clone may have it */
    cmd->volume.bricks = mem_calloc(volume->n_bricks, sizeof(*cmd->volume.bricks));
    cmd->volume.n_bricks = volume->n_bricks;
    for (size_t i = 0; i < volume->n_bricks; i++) {
        cmd->volume.bricks[i] =
            (struct store_brick){.id = volume->bricks[i].id,
                                 .pool = mem_strdup(""),
                                 .lv = mem_printf("%s_%zu", text, i),
                                 .path = mem_printf("/run/gluster/snaps/%s/brick%zu/brick", text, i)};
    }
}

/* The bricks of a volume in another order. */
static void shuffle(struct run *run, struct store_cmd *cmd)
{
    struct world *w = &run->world;
    const struct store_volume *volume;

    cmd->target = pick_volume(run, store_counts(w->store).volumes);
    volume = store_volume(w->store, cmd->target);
    if (volume == NULL) {
        return;
    }
    cmd->volume.n_bricks = volume->n_bricks;
    cmd->volume.bricks = mem_calloc(volume->n_bricks, sizeof(*cmd->volume.bricks));
    for (size_t i = 0; i < volume->n_bricks; i++) {
        size_t j = world_below(w, i + 1);

        cmd->volume.bricks[i] =
            (struct store_brick){.pool = mem_strdup(""), .lv = mem_strdup(""), .path = mem_strdup("")};
        cmd->volume.bricks[i].id = cmd->volume.bricks[j].id;
        cmd->volume.bricks[j].id = volume->bricks[i].id;
    }
}

static void random_op_command(struct run *run, struct store_cmd *cmd)
{
    static const enum store_cmd_type types[] = {
        STORE_CMD_OP_END,    STORE_CMD_OP_END,    STORE_CMD_OP_END,      STORE_CMD_OP_END,   STORE_CMD_OP_UNDO,
        STORE_CMD_OP_PARKED, STORE_CMD_OP_REPLAN, STORE_CMD_EXPIRE_JOBS, STORE_CMD_NOOP,     STORE_CMD_OP_LEARN,
        STORE_CMD_OP_LEARN,  STORE_CMD_OP_REDO,   STORE_CMD_OP_MOVED,    STORE_CMD_OP_MOVED, STORE_CMD_OP_FORWARD,
        STORE_CMD_OP_BEGIN,  STORE_CMD_OP_BEGIN,  STORE_CMD_OP_REPLAN,   STORE_CMD_ORDER};
    struct world *w = &run->world;
    enum store_cmd_type type = types[world_below(w, sizeof(types) / sizeof(types[0]))];
    struct id op_id = pick_operation(run, store_counts(w->store).operations);

    if (type == STORE_CMD_OP_REPLAN && store_plan_again(w->store, op_id, &w->env, cmd, &w->result) == STORE_OK) {
        return;
    }
    if (type == STORE_CMD_OP_BEGIN) { /* a part of a removal */
        if (store_plan_part(w->store, op_id, &w->env, cmd, &w->result) == STORE_OK) {
            return;
        }
        type = STORE_CMD_NOOP;
    }
    store_cmd_init(cmd, type);
    cmd->op_id = op_id;
    cmd->time_ms = type == STORE_CMD_EXPIRE_JOBS ? w->env.now_ms - 400 : w->env.now_ms;
    cmd->failed = world_below(w, 3) == 0;
    set_text(&cmd->text, cmd->failed ? "it failed" : "");
    cmd->device.total_kib = (1 + world_below(w, 400)) * GIB;
    cmd->device.extent_kib = world_below(w, 5) == 0 ? 65536 : 4096;
    cmd->block.size_gib = (uint32_t)world_below(w, 25);
    cmd->block.usable_gib = (uint32_t)world_below(w, 25);
    set_text(&cmd->block.iqn, "iqn.x");
    store_strs_add(&cmd->block.hosts, "h1");
    if (type == STORE_CMD_OP_LEARN) {
        learn(run, cmd);
    }
    if (type == STORE_CMD_ORDER) {
        shuffle(run, cmd);
    }
    if (type == STORE_CMD_OP_END && world_below(w, 2) > 0) {
        const struct store_operation *op = store_operation(w->store, op_id);

        cmd->follow_id = world_below(w, 2) > 0 ? world_id(w) : ID_NONE;
        cmd->rebalance_id = op != NULL && op->type == STORE_OP_EXPAND_VOLUME && !cmd->failed ? world_id(w) : ID_NONE;
    }
    if (type == STORE_CMD_OP_PARKED) {
        cmd->n_parked = world_below(w, 3);
        cmd->parked = mem_calloc(cmd->n_parked, sizeof(*cmd->parked));
        for (size_t i = 0; i < cmd->n_parked; i++) {
            cmd->parked[i] = (struct store_parked){world_id(w), mem_strdup("not reachable")};
        }
    }
}

/* A command that was valid somewhere, with something else in it. */
static void mangle(struct run *run, struct store_cmd *cmd)
{
    struct world *w = &run->world;
    struct store_counts counts = store_counts(w->store);
    struct store_brick *brick = NULL;

    if (cmd->volume.n_bricks > 0) {
        brick = &cmd->volume.bricks[world_below(w, cmd->volume.n_bricks)];
    }
    switch (world_below(w, 15)) {
    case 6:
        cmd->block.id = pick_block_volume(run, counts.block_volumes);
        break;
    case 7:
        cmd->block.hosting = pick_volume(run, counts.volumes);
        break;
    case 8:
        cmd->block.size_gib = cmd->block.new_gib = (uint32_t)(world_draw(w) >> world_below(w, 64));
        break;
    case 9:
        cmd->target = pick_block_volume(run, counts.block_volumes);
        break;
    case 10:
        cmd->parent = pick_operation(run, counts.operations);
        break;
    case 0:
        cmd->op_id = pick_operation(run, counts.operations);
        break;
    case 1:
        cmd->target = pick_volume(run, counts.volumes);
        break;
    case 2:
        cmd->volume.id = pick_volume(run, counts.volumes);
        break;
    case 3:
        cmd->node.id = pick_node(run, counts.nodes);
        break;
    case 4:
        cmd->device.node = pick_node(run, counts.nodes);
        break;
    case 5:
        cmd->volume.cluster = pick_cluster(run, counts.clusters);
        break;
    default:
        if (brick != NULL) {
            switch (world_below(w, 5)) {
            case 0:
                brick->device = pick_device(run, counts.devices);
                break;
            case 1:
                brick->id = cmd->volume.bricks[0].id;
                break;
            case 2:
                brick->pool_kib = world_draw(w) >> world_below(w, 64);
                break;
            case 3:
                brick->meta_kib = world_draw(w) >> world_below(w, 64);
                break;
            default:
                brick->position++;
                break;
            }
        }
        break;
    }
}

/* Bytes changed at random: refused by decode, or a command like any other. */
static void mangled_bytes(struct run *run, const struct store_cmd *cmd)
{
    struct buf buf = BUF_INIT;
    struct store_cmd other;
    struct err err = ERR_INIT;
    int rc;

    store_cmd_encode(cmd, &buf);
    for (size_t n = 1 + world_below(&run->world, 3); n > 0; n--) {
        buf.data[world_below(&run->world, buf.len)] = (char)world_draw(&run->world);
    }
    rc = store_cmd_decode(buf.data, buf.len, &other, &err);
    if (rc == 0) {
        (void)apply_all(run, &other);
        store_cmd_fini(&other);
    } else {
        assert_true(rc == E_DAMAGED || rc == E_UNSUPPORTED);
    }
    buf_fini(&buf);
}

/* ---- whole-state comparisons ---- */

/* Naively: each pool of the device once, whoever has bricks in it. */
struct pools {
    const char *seen[4096];
    size_t n;
    uint64_t sum_kib;
};

static void add_pool(struct pools *pools, const struct store_brick *brick)
{
    for (size_t i = 0; i < pools->n; i++) {
        if (strcmp(pools->seen[i], brick->pool) == 0) {
            return;
        }
    }
    assert_true(pools->n < 4096);
    pools->seen[pools->n++] = brick->pool;
    pools->sum_kib += brick->pool_kib + brick->meta_kib;
}

static size_t check_space(const struct store *store)
{
    size_t n_bricks = 0, n_pools = 0;

    for (const struct store_device *device = store_device_next(store, NULL); device != NULL;
         device = store_device_next(store, device)) {
        struct pools pools = {.n = 0};

        for (const struct store_brick *brick = store_device_brick_next(store, device->id, NULL); brick != NULL;
             brick = store_device_brick_next(store, device->id, brick)) {
            add_pool(&pools, brick);
            n_bricks++;
        }
        for (const struct store_operation *op = store_operation_next(store, NULL); op != NULL;
             op = store_operation_next(store, op)) {
            for (size_t i = 0; i < op->n_abandoned; i++) {
                if (id_equal(op->abandoned[i].device, device->id)) {
                    add_pool(&pools, &op->abandoned[i]);
                    n_bricks++;
                }
            }
        }
        n_pools += pools.n;
        assert_int_equal(pools.sum_kib, store_device_used_kib(store, device->id));
        assert_true(pools.sum_kib <= device->total_kib);
    }
    return n_bricks - n_pools;
}

/* Nobody gets more of a hosting volume than it has. */
static void check_hosting(const struct store *store)
{
    for (const struct store_volume *volume = store_volume_next(store, NULL); volume != NULL;
         volume = store_volume_next(store, volume)) {
        uint64_t sum = volume->reserved_gib;

        for (const struct store_block_volume *block = store_volume_block_next(store, volume->id, NULL); block != NULL;
             block = store_volume_block_next(store, volume->id, block)) {
            sum += block->new_gib > block->size_gib ? block->new_gib : block->size_gib;
        }
        assert_int_equal(store_volume_free_gib(store, volume->id), volume->block ? volume->size_gib - sum : 0);
        assert_true(sum <= volume->size_gib);
    }
}

/* The second store is replaced by what its snapshot gives; the bytes are those of the first one's. */
static void through_snapshot(struct run *run)
{
    struct store_snapshot *one = store_snapshot_take(run->world.store);
    struct store_snapshot *two = store_snapshot_take(run->others[0]);
    struct buf a = BUF_INIT, b = BUF_INIT;
    struct store *copy = NULL;
    struct err err = ERR_INIT;

    store_snapshot_encode(one, &a);
    store_snapshot_encode(two, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    if (store_snapshot_decode(a.data, a.len, &copy, &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_true(digests_equal(copy, run->world.store));
    store_free(run->others[0]);
    run->others[0] = copy;
    store_snapshot_free(one);
    store_snapshot_free(two);
    buf_fini(&a);
    buf_fini(&b);
}

static void replay(const struct run *run)
{
    struct store *store = store_new();
    struct store_result result;

    for (size_t i = 0; i < run->n_log; i++) {
        struct store_cmd cmd;

        assert_int_equal(store_cmd_decode(run->log[i].data, run->log[i].len, &cmd, NULL), 0);
        store_apply(store, i + 1, &cmd, &result);
        store_cmd_fini(&cmd);
    }
    assert_true(digests_equal(store, run->world.store));
    store_free(store);
}

static void step(struct run *run)
{
    struct world *w = &run->world;
    struct store_request request;
    struct store_cmd cmd;
    bool planned = false;

    w->env.now_ms += (int64_t)world_below(w, 3);
    if (world_below(w, 5) < 2) {
        random_op_command(run, &cmd);
    } else {
        random_request(run, &request);
        if (world_plan(w, &request, &cmd) != STORE_OK) {
            run->codes[w->result.code]++;
            return;
        }
        planned = true;
    }
    if (world_below(w, 12) == 0) {
        mangled_bytes(run, &cmd);
        planned = false;
    }
    if (world_below(w, 8) == 0) {
        mangle(run, &cmd);
        planned = false;
    }
    if (apply_all(run, &cmd) != STORE_OK) {
        assert_false(planned); /* a fresh plan is always accepted */
    } else if (world_below(w, 6) == 0 && cmd.type != STORE_CMD_NOOP && cmd.type != STORE_CMD_EXPIRE_JOBS &&
               cmd.type != STORE_CMD_CLUSTER_FLAGS && cmd.type != STORE_CMD_TAGS && cmd.type != STORE_CMD_OP_PARKED &&
               cmd.type != STORE_CMD_SETTINGS && cmd.type != STORE_CMD_OP_LEARN) {
        assert_int_not_equal(apply_all(run, &cmd), STORE_OK); /* the same one again: never twice */
    }
    store_cmd_fini(&cmd);
}

static void test_random(void **state)
{
    struct run *run = mem_calloc(1, sizeof(*run));
    struct store_counts counts;
    struct store_cmd level;
    size_t shared = 0;

    (void)state;
    world_init(&run->world, world_seed("store_random", 20240607));
    run->world.env.block_auto = true;
    run->world.env.block_size_gib = 20;
    run->others[0] = store_new();
    run->others[1] = store_new();
    run->world.env.asked = asked;
    for (size_t i = 0; i < STEPS; i++) {
        if (i == STEPS / 8) {
            store_cmd_init(&level, STORE_CMD_LEVEL);
            level.settings.feature_level = 2;
            assert_int_equal(apply_all(run, &level), STORE_OK);
            store_cmd_fini(&level);
        }
        step(run);
        if (i % 100 == 99) {
            through_snapshot(run);
            shared += check_space(run->world.store);
            check_hosting(run->world.store);
        }
    }
    replay(run);
    counts = store_counts(run->world.store);
    printf("%zu volumes were taken over\n", run->n_taken_over);
    printf(
        "%zu commands: ok %zu, repeated %zu, not found %zu, conflict %zu, bad request %zu, no allocation %zu, in use "
        "%zu, stale %zu; %zu nodes, %zu devices, %zu volumes, %zu block volumes, %zu bricks, %zu operations, %zu "
        "jobs\n",
        run->n_log, run->codes[STORE_OK], run->codes[STORE_REPEATED], run->codes[STORE_NOT_FOUND],
        run->codes[STORE_CONFLICT], run->codes[STORE_BAD_REQUEST], run->codes[STORE_NO_ALLOCATION],
        run->codes[STORE_IN_USE], run->codes[STORE_STALE_PLAN], counts.nodes, counts.devices, counts.volumes,
        counts.block_volumes, counts.bricks, counts.operations, counts.jobs);
    for (size_t code = STORE_OK; code <= STORE_STALE_PLAN; code++) {
        assert_true(run->codes[code] > 0); /* the sequence reaches every kind of answer */
    }
    assert_true(shared > 0); /* some pools have had more than one brick */
    store_free(run->others[0]);
    store_free(run->others[1]);
    for (size_t i = 0; i < run->n_log; i++) {
        buf_fini(&run->log[i]);
    }
    world_fini(&run->world);
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/store/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"

uint64_t world_draw(struct world *world)
{
    uint64_t z = (world->seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t world_below(struct world *world, size_t n)
{
    return (size_t)(world_draw(world) % n);
}

static void random_cb(void *user, void *data, size_t len)
{
    uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)world_draw(user);
    }
}

struct id world_id(struct world *world)
{
    struct id id;

    random_cb(world, id.bytes, sizeof(id.bytes));
    return id;
}

uint64_t world_seed(const char *test, uint64_t fallback)
{
    const char *text = getenv("HECATE_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : fallback;

    printf("%s: HECATE_SEED=%llu\n", test, (unsigned long long)seed);
    return seed;
}

void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){.store = store_new(), .seed = seed};
    store_plan_env_init(&world->env);
    world->env.user = world;
    world->env.random = random_cb;
    world->env.now_ms = 1000000;
}

void world_fini(struct world *world)
{
    store_free(world->store);
}

enum store_code world_apply(struct world *world, const struct store_cmd *cmd)
{
    struct buf buf = BUF_INIT;
    struct err err = ERR_INIT;
    struct store_cmd copy;

    store_cmd_encode(cmd, &buf);
    assert_int_equal(store_cmd_decode(buf.data, buf.len, &copy, &err), 0);
    store_apply(world->store, ++world->index, &copy, &world->result);
    store_cmd_fini(&copy);
    buf_fini(&buf);
    if (!world->unchecked && store_check(world->store, &err) != 0) {
        fail_msg("store_check: %s", err.message);
    }
    return world->result.code;
}

enum store_code world_plan(struct world *world, struct store_request *request, struct store_cmd *ret_cmd)
{
    enum store_code code = store_plan(world->store, request, &world->env, ret_cmd, &world->result);

    assert_int_equal(world->result.code, code);
    store_request_fini(request);
    return code;
}

enum store_code world_request(struct world *world, struct store_request *request)
{
    struct store_cmd cmd;
    enum store_code code = world_plan(world, request, &cmd);

    if (code == STORE_OK) {
        code = world_apply(world, &cmd);
        assert_int_equal(code, STORE_OK); /* a fresh plan is never refused */
        store_cmd_fini(&cmd);
    }
    return code;
}

enum store_code world_end(struct world *world, struct id op_id, const char *error)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    cmd.time_ms = world->env.now_ms;
    cmd.failed = error != NULL;
    if (error != NULL) {
        free(cmd.text);
        cmd.text = mem_strdup(error);
    }
    code = world_apply(world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

enum store_code world_end_leaving(struct world *world, struct id op_id, struct id follow_id)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    cmd.time_ms = world->env.now_ms;
    cmd.follow_id = follow_id;
    code = world_apply(world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

void world_level(struct world *world, uint32_t level)
{
    struct store_cmd cmd;

    store_cmd_init(&cmd, STORE_CMD_LEVEL);
    cmd.settings.feature_level = level;
    assert_int_equal(world_apply(world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
}

enum store_code world_end_device(struct world *world, struct id op_id, uint64_t total_kib)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    cmd.time_ms = world->env.now_ms;
    cmd.device.total_kib = total_kib;
    cmd.device.extent_kib = 4096;
    free(cmd.device.pv_uuid);
    cmd.device.pv_uuid = mem_strdup("Qx1r3B");
    store_strs_add(&cmd.device.paths, "/dev/disk/by-id/x");
    code = world_apply(world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

struct id world_cluster(struct world *world)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_CLUSTER_CREATE);
    request.file = true;
    request.block = true;
    assert_int_equal(world_request(world, &request), STORE_OK);
    return world->result.id;
}

struct id world_begin_node(struct world *world, struct id cluster, uint32_t zone, const char *name)
{
    struct store_request request;
    CLEANUP(free_ptr) char *storage = mem_printf("s-%s", name);

    store_request_init(&request, STORE_REQ_NODE_ADD);
    request.cluster = cluster;
    request.zone = zone;
    store_strs_add(&request.manage, name);
    store_strs_add(&request.storage, storage);
    (void)world_request(world, &request);
    return world->result.op_id;
}

struct id world_node(struct world *world, struct id cluster, uint32_t zone, const char *name)
{
    struct id op_id = world_begin_node(world, cluster, zone, name);

    assert_int_equal(world->result.code, STORE_OK);
    assert_int_equal(world_end(world, op_id, NULL), STORE_OK);
    return world->result.id;
}

struct id world_begin_device(struct world *world, struct id node, const char *name)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_DEVICE_ADD);
    request.node = node;
    free(request.device_name);
    request.device_name = mem_strdup(name);
    (void)world_request(world, &request);
    return world->result.op_id;
}

struct id world_device(struct world *world, struct id node, const char *name, uint64_t total_kib)
{
    struct id op_id = world_begin_device(world, node, name);

    assert_int_equal(world->result.code, STORE_OK);
    assert_int_equal(world_end_device(world, op_id, total_kib), STORE_OK);
    return world->result.id;
}

struct id world_topology(struct world *world, size_t n, uint64_t total_kib, struct id *ret_nodes,
                         struct id *ret_devices)
{
    struct id cluster = world_cluster(world);

    for (size_t i = 0; i < n; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("n%zu-%s", i + 1, id_text(cluster).text);
        struct id node = world_node(world, cluster, (uint32_t)i + 1, name);
        struct id device = world_device(world, node, "/dev/sdb", total_kib);

        if (ret_nodes != NULL) {
            ret_nodes[i] = node;
        }
        if (ret_devices != NULL) {
            ret_devices[i] = device;
        }
    }
    return cluster;
}

void world_volume_request(struct store_request *request, uint32_t size_gib, uint32_t replica, const char *name)
{
    store_request_init(request, STORE_REQ_VOLUME_CREATE);
    request->volume.size_gib = size_gib;
    request->volume.durability = replica > 0 ? STORE_REPLICATE : STORE_NONE;
    request->volume.replica = replica;
    free(request->volume.name);
    request->volume.name = mem_strdup(name);
}

enum store_code world_create(struct world *world, uint32_t size_gib, uint32_t replica, const char *name)
{
    struct store_request request;

    world_volume_request(&request, size_gib, replica, name);
    return world_request(world, &request);
}

struct id world_volume(struct world *world, uint32_t size_gib, uint32_t replica, const char *name)
{
    assert_int_equal(world_create(world, size_gib, replica, name), STORE_OK);
    assert_int_equal(world_end(world, world->result.op_id, NULL), STORE_OK);
    return world->result.id;
}

void world_block_request(struct store_request *request, uint32_t size_gib, const char *name)
{
    store_request_init(request, STORE_REQ_BLOCK_CREATE);
    request->block_volume.size_gib = size_gib;
    free(request->block_volume.name);
    request->block_volume.name = mem_strdup(name);
}

void world_init_auto(struct world *world, size_t n_nodes)
{
    world_init(world, 6);
    world_topology(world, n_nodes, 500 * GIB, NULL, NULL);
    world->env.block_auto = true;
    world->env.block_size_gib = 100;
    world->env.block_options = "group gluster-block,user.x y";
}

const struct store_block_volume *world_block_of(const struct world *world, struct id id)
{
    const struct store_block_volume *block = store_block_volume(world->store, id);

    assert_non_null(block);
    return block;
}

struct id world_hosting(struct world *world, uint32_t size_gib, const char *name)
{
    struct store_request request;

    world_volume_request(&request, size_gib, 3, name);
    request.volume.block = true;
    assert_int_equal(world_request(world, &request), STORE_OK);
    assert_int_equal(world_end(world, world->result.op_id, NULL), STORE_OK);
    return world->result.id;
}

enum store_code world_create_block(struct world *world, uint32_t size_gib, const char *name)
{
    struct store_request request;

    world_block_request(&request, size_gib, name);
    return world_request(world, &request);
}

struct id world_block(struct world *world, uint32_t size_gib, const char *name)
{
    assert_int_equal(world_create_block(world, size_gib, name), STORE_OK);
    assert_int_equal(world_end_block(world, world->result.op_id, NULL, 0, 0), STORE_OK);
    return world->result.id;
}

enum store_code world_expand_block(struct world *world, struct id block, uint32_t new_gib)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_BLOCK_EXPAND);
    request.target = block;
    request.new_gib = new_gib;
    return world_request(world, &request);
}

enum store_code world_end_block(struct world *world, struct id op_id, const char *error, uint32_t size_gib,
                                uint32_t usable_gib)
{
    struct store_cmd cmd;
    enum store_code code;

    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.op_id = op_id;
    cmd.time_ms = world->env.now_ms;
    cmd.failed = error != NULL;
    free(cmd.text);
    cmd.text = mem_strdup(error != NULL ? error : "");
    free(cmd.block.iqn);
    cmd.block.iqn = mem_strdup("iqn.2016-12.org.gluster-block:5f3a");
    free(cmd.block.user);
    cmd.block.user = mem_strdup("5f3a");
    free(cmd.block.password);
    cmd.block.password = mem_strdup("p-91d2");
    store_strs_add(&cmd.block.hosts, "h1");
    store_strs_add(&cmd.block.hosts, "h2");
    cmd.block.size_gib = size_gib;
    cmd.block.usable_gib = usable_gib;
    code = world_apply(world, &cmd);
    store_cmd_fini(&cmd);
    return code;
}

enum store_code world_target(struct world *world, enum store_request_type type, struct id target)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    return world_request(world, &request);
}

enum store_code world_state(struct world *world, enum store_request_type type, struct id target, enum store_state state)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = target;
    request.state = state;
    return world_request(world, &request);
}

bool digests_equal(const struct store *a, const struct store *b)
{
    struct store_digest left = store_digest(a), right = store_digest(b);

    return memcmp(left.bytes, right.bytes, sizeof(left.bytes)) == 0;
}

struct world_view world_view(const struct store *store)
{
    struct world_view view = {.snapshot = store_snapshot_take(store)};
    struct err err = ERR_INIT;

    if (store_view_new(view.snapshot, &view.view, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return view;
}

void world_view_fini(struct world_view *view)
{
    store_view_free(view->view);
    store_snapshot_free(view->snapshot);
}

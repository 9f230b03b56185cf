/* Clusters, nodes and devices: each rule and its text (heketi-rest.md 6.1 to 6.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/store/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_init(&world, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

static const struct id UNKNOWN = {{0xee, 1}};

#define EXPECT(code_, ...)                                       \
    do {                                                         \
        CLEANUP(free_ptr) char *text_ = mem_printf(__VA_ARGS__); \
        assert_int_equal(world.result.code, (code_));            \
        assert_string_equal(world.result.text, text_);           \
    } while (0)

/* The text of the failed job, "" when it is done. */
static const char *job_error(struct id id)
{
    const struct store_job *job = store_job(world.store, id);

    assert_non_null(job);
    assert_int_equal(job->failed, job->error[0] != '\0');
    return job->error;
}

static void test_cluster(void **state)
{
    struct id cluster = world_cluster(&world), node, op;
    struct store_request request;

    (void)state;
    assert_true(store_cluster(world.store, cluster)->file);
    store_request_init(&request, STORE_REQ_CLUSTER_FLAGS);
    request.target = cluster;
    request.block = true;
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_false(store_cluster(world.store, cluster)->file);
    assert_true(store_cluster(world.store, cluster)->block);
    store_request_init(&request, STORE_REQ_CLUSTER_FLAGS);
    request.target = UNKNOWN;
    (void)world_request(&world, &request);
    EXPECT(STORE_NOT_FOUND, "Id not found");

    (void)world_target(&world, STORE_REQ_CLUSTER_DELETE, UNKNOWN);
    EXPECT(STORE_NOT_FOUND, "Id not found");
    op = world_begin_node(&world, cluster, 1, "n1"); /* a pending node counts */
    node = world.result.id;
    (void)world_target(&world, STORE_REQ_CLUSTER_DELETE, cluster);
    EXPECT(STORE_CONFLICT, "Unable to delete cluster [%s] because it contains volumes and/or nodes",
           id_text(cluster).text);
    assert_int_equal(world_end(&world, op, "no route"), STORE_OK);
    assert_null(store_node(world.store, node));
    assert_int_equal(world_target(&world, STORE_REQ_CLUSTER_DELETE, cluster), STORE_OK);
    assert_null(store_cluster(world.store, cluster));
    assert_int_equal(store_counts(world.store).clusters, 0);
}

static void test_cluster_id_in_use(void **state)
{
    struct store_cmd cmd;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_CLUSTER_CREATE);
    (void)world_apply(&world, &cmd); /* no id */
    EXPECT(STORE_CONFLICT, "Cluster id %s is in use", id_text(ID_NONE).text);
    cmd.cluster.id = UNKNOWN;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    (void)world_apply(&world, &cmd);
    EXPECT(STORE_CONFLICT, "Cluster id %s is in use", id_text(UNKNOWN).text);
    store_cmd_fini(&cmd);
}

static void test_node_add(void **state)
{
    struct id cluster = world_cluster(&world), op, node;
    struct store_request request;

    (void)state;
    (void)world_begin_node(&world, UNKNOWN, 1, "n1");
    EXPECT(STORE_NOT_FOUND, "Cluster id does not exist");
    op = world_begin_node(&world, cluster, 7, "n1");
    assert_int_equal(world.result.code, STORE_OK);
    node = world.result.id;
    assert_true(id_equal(store_node(world.store, node)->pending, op));
    assert_int_equal(store_operation(world.store, op)->type, STORE_OP_NODE_ADD);
    assert_int_equal(store_operation(world.store, op)->begin_index, world.index);
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    assert_true(id_is_none(store_node(world.store, node)->pending));
    assert_int_equal(store_node(world.store, node)->zone, 7);
    assert_null(store_operation(world.store, op));
    assert_int_equal(store_job(world.store, op)->resource, STORE_RES_NODE);
    assert_true(id_equal(store_job(world.store, op)->resource_id, node));

    /* manage and storage are two name spaces; any listed name counts; the text ends with a LF of its own */
    (void)world_begin_node(&world, cluster, 1, "n1");
    EXPECT(STORE_CONFLICT, "Hostname n1 already used by node with id %s\n", id_text(node).text);
    store_request_init(&request, STORE_REQ_NODE_ADD);
    request.cluster = cluster;
    request.zone = 1;
    store_strs_add(&request.manage, "s-n1");
    store_strs_add(&request.storage, "x");
    store_strs_add(&request.storage, "s-n1");
    (void)world_request(&world, &request);
    EXPECT(STORE_CONFLICT, "Hostname s-n1 already used by node with id %s\n", id_text(node).text);
    store_request_init(&request, STORE_REQ_NODE_ADD);
    request.cluster = cluster;
    request.zone = 1;
    store_strs_add(&request.manage, "s-n1");
    store_strs_add(&request.manage, "s-n1"); /* twice in one list is harmless */
    store_strs_add(&request.storage, "n1");
    assert_int_equal(world_request(&world, &request), STORE_OK);
}

static void test_node_add_invalid(void **state)
{
    struct id cluster = world_cluster(&world);
    struct store_request request;

    (void)state;
    (void)world_begin_node(&world, cluster, 0, "n1"); /* zone 0 */
    EXPECT(STORE_BAD_REQUEST, "A node needs host names, a zone and at most 1024 tags");
    store_request_init(&request, STORE_REQ_NODE_ADD);
    request.cluster = cluster;
    request.zone = 1;
    store_strs_add(&request.manage, "a");
    assert_int_equal(world_request(&world, &request), STORE_BAD_REQUEST); /* no storage name */
    assert_int_equal(store_counts(world.store).nodes, 0);
}

static void test_names_released(void **state)
{
    struct id cluster = world_cluster(&world);
    struct id op = world_begin_node(&world, cluster, 1, "n1"), node;

    (void)state;
    assert_int_equal(world_end(&world, op, "peer probe: failed: no route"), STORE_OK);
    assert_string_equal(job_error(op), "peer probe: failed: no route");
    assert_int_equal(store_job(world.store, op)->resource, STORE_RES_NONE);
    node = world_node(&world, cluster, 1, "n1"); /* free again */
    assert_int_equal(world_target(&world, STORE_REQ_NODE_DELETE, node), STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    (void)world_node(&world, cluster, 1, "n1");
}

static void test_node_delete(void **state)
{
    struct id cluster = world_cluster(&world);
    struct id op = world_begin_node(&world, cluster, 1, "n1"), node = world.result.id, device, again;

    (void)state;
    (void)world_target(&world, STORE_REQ_NODE_DELETE, UNKNOWN);
    EXPECT(STORE_NOT_FOUND, "Id not found");
    (void)world_target(&world, STORE_REQ_NODE_DELETE, node);
    EXPECT(STORE_IN_USE, "The target exists, contains other items, or is in use.");
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    device = world_device(&world, node, "/dev/sdb", 10 * GIB);
    (void)world_target(&world, STORE_REQ_NODE_DELETE, node);
    EXPECT(STORE_CONFLICT, "Unable to delete node [%s] because it contains devices", id_text(node).text);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_FAILED), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_DEVICE_DELETE, device), STORE_OK);
    (void)world_target(&world, STORE_REQ_NODE_DELETE, node); /* the device is still there */
    EXPECT(STORE_CONFLICT, "Unable to delete node [%s] because it contains devices", id_text(node).text);
    (void)world_target(&world, STORE_REQ_DEVICE_DELETE, device);
    EXPECT(STORE_IN_USE, "The target exists, contains other items, or is in use.");
    op = store_device(world.store, device)->pending;
    assert_int_equal(world_end(&world, op, NULL), STORE_OK);
    assert_null(store_device(world.store, device));
    assert_int_equal(world_target(&world, STORE_REQ_NODE_DELETE, node), STORE_OK);
    op = world.result.op_id;
    (void)world_begin_device(&world, node, "/dev/sdc"); /* going */
    assert_int_equal(world.result.code, STORE_IN_USE);
    assert_int_equal(world_target(&world, STORE_REQ_NODE_DELETE, node), STORE_IN_USE);
    assert_int_equal(world_end(&world, op, "peer detach: failed"), STORE_OK); /* stays, as it was */
    assert_true(id_is_none(store_node(world.store, node)->pending));
    assert_int_equal(world_target(&world, STORE_REQ_NODE_DELETE, node), STORE_OK);
    again = world.result.op_id;
    assert_int_equal(world_end(&world, again, NULL), STORE_OK);
    assert_null(store_node(world.store, node));
    assert_int_equal(store_job(world.store, again)->resource, STORE_RES_NONE);
}

static void test_device_add(void **state)
{
    struct id cluster = world_cluster(&world);
    struct id node_op = world_begin_node(&world, cluster, 1, "n1"), node = world.result.id, op, device;
    const struct store_device *rec;

    (void)state;
    (void)world_begin_device(&world, UNKNOWN, "/dev/sdb");
    EXPECT(STORE_NOT_FOUND, "Node id does not exist");
    (void)world_begin_device(&world, node, "/dev/sdb"); /* its node is being added */
    EXPECT(STORE_NOT_FOUND, "Node id does not exist");
    assert_int_equal(world_end(&world, node_op, NULL), STORE_OK);
    (void)world_begin_device(&world, node, "");
    assert_int_equal(world.result.code, STORE_BAD_REQUEST);
    op = world_begin_device(&world, node, "/dev/sdb");
    device = world.result.id;
    rec = store_device(world.store, device);
    assert_int_equal(rec->total_kib, 0);
    assert_true(id_equal(rec->pending, op));
    (void)world_begin_device(&world, node, "/dev/sdb"); /* at the same time: refused */
    EXPECT(STORE_IN_USE, "The target exists, contains other items, or is in use.");
    assert_int_equal(world_target(&world, STORE_REQ_DEVICE_DELETE, device), STORE_NOT_FOUND);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_OFFLINE), STORE_NOT_FOUND);
    assert_int_equal(world_end_device(&world, op, 524025856), STORE_OK);
    rec = store_device(world.store, device);
    assert_int_equal(rec->total_kib, 524025856);
    assert_int_equal(rec->extent_kib, 4096);
    assert_string_equal(rec->pv_uuid, "Qx1r3B");
    assert_string_equal(rec->paths.items[0], "/dev/disk/by-id/x");
    assert_int_equal(rec->state, STORE_STATE_ONLINE);
    assert_true(id_is_none(rec->pending));
    assert_int_equal(store_job(world.store, op)->resource, STORE_RES_NONE); /* 204 */
    op = world_begin_device(&world, node, "/dev/sdb");                      /* later: the node refuses it, not we */
    assert_int_equal(world.result.code, STORE_OK);
    device = world.result.id;
    assert_int_equal(world_end(&world, op, "Initializing device /dev/sdb failed"), STORE_OK);
    assert_null(store_device(world.store, device));
    assert_int_equal(store_counts(world.store).devices, 1);
}

static void test_device_of_absurd_size(void **state)
{
    struct id node = world_node(&world, world_cluster(&world), 1, "n1");
    struct id op = world_begin_device(&world, node, "/dev/sdb");

    (void)state;
    assert_int_equal(world_end_device(&world, op, UINT64_MAX), STORE_BAD_REQUEST);
    assert_non_null(store_operation(world.store, op));
    assert_int_equal(world_end_device(&world, op, 0), STORE_OK);
}

static void test_device_delete(void **state)
{
    struct id devices[3];
    struct id cluster = world_topology(&world, 3, 100 * GIB, NULL, devices), volume, op;

    (void)state;
    (void)cluster;
    (void)world_target(&world, STORE_REQ_DEVICE_DELETE, UNKNOWN);
    EXPECT(STORE_NOT_FOUND, "Id not found");
    (void)world_target(&world, STORE_REQ_DEVICE_DELETE, devices[0]);
    EXPECT(STORE_BAD_REQUEST, "device: %s is not in failed state", id_text(devices[0]).text);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_OFFLINE), STORE_OK);
    (void)world_target(&world, STORE_REQ_DEVICE_DELETE, devices[0]); /* offline is not enough */
    EXPECT(STORE_BAD_REQUEST, "device: %s is not in failed state", id_text(devices[0]).text);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_FAILED), STORE_OK);
    assert_int_equal(world_target(&world, STORE_REQ_DEVICE_DELETE, devices[0]), STORE_OK);
    op = world.result.op_id;
    assert_int_equal(world_end(&world, op, "vg busy"), STORE_OK); /* it stays, failed */
    assert_int_equal(store_device(world.store, devices[0])->state, STORE_STATE_FAILED);
    assert_true(id_is_none(store_device(world.store, devices[0])->pending));
    /* failed -> offline -> online brings it back, with bricks it cannot fail */
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_ONLINE), STORE_OK);
    assert_int_equal(store_device(world.store, devices[0])->state, STORE_STATE_ONLINE);
    volume = world_volume(&world, 1, 3, "v");
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_OFFLINE), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_FAILED), STORE_OK);
    assert_int_equal(store_operation(world.store, world.result.op_id)->type, STORE_OP_REMOVE_DEVICE);
    assert_int_equal(world_end(&world, world.result.op_id, "No"), STORE_OK);
    assert_int_equal(store_device(world.store, devices[0])->state, STORE_STATE_OFFLINE);
    assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, volume), STORE_OK);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, devices[0], STORE_STATE_FAILED), STORE_OK);
    assert_string_equal(job_error(world.result.op_id), "");
    assert_int_equal(store_device(world.store, devices[0])->state, STORE_STATE_FAILED);
}

/* A device that holds bricks does not become failed at once, whatever was planned: they have to move first. */
static void test_state_with_bricks_is_stale(void **state)
{
    struct id devices[3];
    struct store_cmd cmd;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, NULL, devices);
    assert_int_equal(world_create(&world, 1, 3, "v"), STORE_OK);
    store_cmd_init(&cmd, STORE_CMD_SET_STATE);
    cmd.op_id = world_id(&world);
    cmd.target = devices[1];
    cmd.state = STORE_STATE_OFFLINE;
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    cmd.op_id = world_id(&world);
    cmd.state = STORE_STATE_FAILED;
    assert_int_equal(world_apply(&world, &cmd), STORE_STALE_PLAN);
    assert_int_equal(store_device(world.store, devices[1])->state, STORE_STATE_OFFLINE);
    store_cmd_fini(&cmd);
}

static void test_device_states(void **state)
{
    struct id node = world_node(&world, world_cluster(&world), 1, "n1");
    struct id device = world_device(&world, node, "/dev/sdb", GIB);

    (void)state;
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, UNKNOWN, STORE_STATE_OFFLINE), STORE_NOT_FOUND);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, node, STORE_STATE_OFFLINE), STORE_NOT_FOUND);
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, device, STORE_STATE_OFFLINE), STORE_NOT_FOUND);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_ONLINE), STORE_OK);
    assert_string_equal(job_error(world.result.op_id), "");
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_FAILED), STORE_OK);
    {
        CLEANUP(free_ptr)
        char *text =
            mem_printf("Device must be offline before remove operation is performed, device:%s", id_text(device).text);

        assert_string_equal(job_error(world.result.op_id), text);
    }
    assert_int_equal(store_device(world.store, device)->state, STORE_STATE_ONLINE);
    (void)world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_OFFLINE);
    (void)world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_FAILED);
    (void)world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_FAILED); /* no change */
    assert_string_equal(job_error(world.result.op_id), "");
    (void)world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_ONLINE);
    assert_string_equal(job_error(world.result.op_id), "Cannot move a failed/removed device to online state");
    assert_int_equal(store_device(world.store, device)->state, STORE_STATE_FAILED);
    assert_int_equal(world_target(&world, STORE_REQ_DEVICE_DELETE, device), STORE_OK);
    assert_int_equal(world_state(&world, STORE_REQ_DEVICE_STATE, device, STORE_STATE_OFFLINE), STORE_IN_USE);
}

static void test_node_states(void **state)
{
    struct id nodes[3], devices[3], op, node;

    (void)state;
    (void)world_topology(&world, 3, 100 * GIB, nodes, devices);
    node = nodes[0];
    (void)world_state(&world, STORE_REQ_NODE_STATE, node, STORE_STATE_FAILED);
    {
        CLEANUP(free_ptr)
        char *text =
            mem_printf("Node must be offline before remove operation is performed, node:%s", id_text(node).text);

        assert_string_equal(job_error(world.result.op_id), text);
    }
    (void)world_volume(&world, 1, 3, "v");
    (void)world_state(&world, STORE_REQ_NODE_STATE, node, STORE_STATE_OFFLINE);
    assert_int_equal(store_node(world.store, node)->state, STORE_STATE_OFFLINE);
    (void)world_state(&world, STORE_REQ_NODE_STATE, node, STORE_STATE_FAILED); /* its device has a brick */
    assert_int_equal(store_operation(world.store, world.result.op_id)->type, STORE_OP_NODE_REMOVE);
    assert_int_equal(world_end(&world, world.result.op_id, "No"), STORE_OK);
    assert_int_equal(store_node(world.store, node)->state, STORE_STATE_OFFLINE);
    (void)world_target(&world, STORE_REQ_VOLUME_DELETE, store_volume_next(world.store, NULL)->id);
    assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
    op = world_begin_device(&world, node, "/dev/sdc"); /* a device being added */
    assert_int_equal(world_state(&world, STORE_REQ_NODE_STATE, node, STORE_STATE_FAILED), STORE_IN_USE);
    assert_string_equal(world.result.text, "The target exists, contains other items, or is in use.");
    assert_int_equal(store_device(world.store, devices[0])->state, STORE_STATE_ONLINE); /* all or nothing */
    assert_int_equal(world_end(&world, op, "x"), STORE_OK);
    (void)world_state(&world, STORE_REQ_NODE_STATE, node, STORE_STATE_FAILED);
    assert_string_equal(job_error(world.result.op_id), "");
    assert_int_equal(store_node(world.store, node)->state, STORE_STATE_FAILED);
    assert_int_equal(store_device(world.store, devices[0])->state, STORE_STATE_FAILED);
    assert_int_equal(store_device(world.store, devices[1])->state, STORE_STATE_ONLINE);
    (void)world_state(&world, STORE_REQ_NODE_STATE, node, STORE_STATE_ONLINE);
    assert_string_equal(job_error(world.result.op_id), "Cannot move a failed/removed node to online state");
    (void)world_state(&world, STORE_REQ_NODE_STATE, node, STORE_STATE_OFFLINE);
    assert_string_equal(job_error(world.result.op_id), "Cannot move a failed/removed node to offline state");
}

static void test_state_command_repeated(void **state)
{
    struct id node = world_node(&world, world_cluster(&world), 1, "n1");
    struct id op = world_begin_node(&world, store_node(world.store, node)->cluster, 1, "n2");
    struct store_cmd cmd;

    (void)state;
    store_cmd_init(&cmd, STORE_CMD_SET_STATE);
    cmd.target = node;
    cmd.state = STORE_STATE_OFFLINE;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT); /* no operation id */
    cmd.op_id = op;
    assert_int_equal(world_apply(&world, &cmd), STORE_CONFLICT); /* that of an operation */
    cmd.op_id = world_id(&world);
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_REPEATED);
    assert_true(id_equal(world.result.op_id, cmd.op_id));
    store_cmd_fini(&cmd);
}

static void tags_request(struct store_request *request, enum store_request_type type, struct id target,
                         enum store_tag_change change)
{
    store_request_init(request, type);
    request->target = target;
    request->tag_change = change;
}

static void test_tags(void **state)
{
    struct id node = world_node(&world, world_cluster(&world), 1, "n1");
    struct id device = world_device(&world, node, "/dev/sdb", GIB);
    struct store_request request;

    (void)state;
    tags_request(&request, STORE_REQ_NODE_TAGS, node, STORE_TAGS_SET);
    store_tags_set(&request.tags, "rack", "r7");
    store_tags_set(&request.tags, "arbiter", "required");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_string_equal(store_node(world.store, node)->tags.items[0].name, "arbiter"); /* ascending */
    tags_request(&request, STORE_REQ_NODE_TAGS, node, STORE_TAGS_UPDATE);
    store_tags_set(&request.tags, "rack", "r8");
    store_tags_set(&request.tags, "b", "");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_string_equal(store_tags_get(&store_node(world.store, node)->tags, "rack"), "r8");
    assert_int_equal(store_node(world.store, node)->tags.n, 3);
    tags_request(&request, STORE_REQ_NODE_TAGS, node, STORE_TAGS_DELETE);
    store_tags_set(&request.tags, "rack", "whatever");
    store_tags_set(&request.tags, "absent", "");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_null(store_tags_get(&store_node(world.store, node)->tags, "rack"));
    assert_int_equal(store_node(world.store, node)->tags.n, 2);
    tags_request(&request, STORE_REQ_NODE_TAGS, node, STORE_TAGS_SET);
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_int_equal(store_node(world.store, node)->tags.n, 0);
    tags_request(&request, STORE_REQ_DEVICE_TAGS, device, STORE_TAGS_UPDATE);
    store_tags_set(&request.tags, "disk", "ssd");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    assert_string_equal(store_tags_get(&store_device(world.store, device)->tags, "disk"), "ssd");
    tags_request(&request, STORE_REQ_DEVICE_TAGS, node, STORE_TAGS_SET); /* a node is no device */
    (void)world_request(&world, &request);
    EXPECT(STORE_NOT_FOUND, "Id not found");
    tags_request(&request, STORE_REQ_NODE_TAGS, device, STORE_TAGS_SET);
    assert_int_equal(world_request(&world, &request), STORE_NOT_FOUND);
}

/* Two updates planned from the same state: the second one must not undo the first. */
static void test_tags_race(void **state)
{
    struct id node = world_node(&world, world_cluster(&world), 1, "n1");
    struct store_request request;
    struct store_cmd one, two;

    (void)state;
    tags_request(&request, STORE_REQ_NODE_TAGS, node, STORE_TAGS_UPDATE);
    store_tags_set(&request.tags, "a", "1");
    assert_int_equal(world_plan(&world, &request, &one), STORE_OK);
    tags_request(&request, STORE_REQ_NODE_TAGS, node, STORE_TAGS_UPDATE);
    store_tags_set(&request.tags, "b", "2");
    assert_int_equal(world_plan(&world, &request, &two), STORE_OK);
    assert_int_equal(world_apply(&world, &one), STORE_OK);
    assert_int_equal(world_apply(&world, &two), STORE_STALE_PLAN);
    assert_string_equal(store_tags_get(&store_node(world.store, node)->tags, "a"), "1");
    store_cmd_fini(&one);
    store_cmd_fini(&two);
}

static void test_too_many_tags(void **state)
{
    struct id node = world_node(&world, world_cluster(&world), 1, "n1");
    struct store_request request;

    (void)state;
    tags_request(&request, STORE_REQ_NODE_TAGS, node, STORE_TAGS_SET);
    for (int i = 0; i < 1025; i++) {
        CLEANUP(free_ptr) char *name = mem_printf("t%d", i);

        store_tags_set(&request.tags, name, "");
    }
    assert_int_equal(world_request(&world, &request), STORE_BAD_REQUEST);
}

static void test_order_of_lists(void **state)
{
    struct id nodes[9], cluster;
    const struct store_node *node = NULL, *last = NULL;
    size_t n = 0;

    (void)state;
    cluster = world_topology(&world, 9, GIB, nodes, NULL);
    (void)world_topology(&world, 2, GIB, NULL, NULL);
    while ((node = store_cluster_node_next(world.store, cluster, node)) != NULL) {
        assert_true(last == NULL || id_cmp(&last->id, &node->id) < 0);
        assert_true(id_equal(node->cluster, cluster));
        last = node;
        n++;
    }
    assert_int_equal(n, 9);
    n = 0;
    for (node = store_node_next(world.store, NULL); node != NULL; node = store_node_next(world.store, node)) {
        assert_non_null(store_node_device_next(world.store, node->id, NULL));
        n++;
    }
    assert_int_equal(n, 11);
    assert_null(store_cluster_node_next(world.store, UNKNOWN, NULL));
    assert_null(store_cluster_volume_next(world.store, UNKNOWN, NULL));
    assert_null(store_node_device_next(world.store, UNKNOWN, NULL));
    assert_null(store_device_brick_next(world.store, UNKNOWN, NULL));
    assert_null(store_volume_by_name(world.store, UNKNOWN, "x"));
    assert_int_equal(store_device_used_kib(world.store, UNKNOWN), 0);
    assert_int_equal(store_applied_index(world.store), world.index);
    n = 0;
    for (const struct store_cluster *c = store_cluster_next(world.store, NULL); c != NULL;
         c = store_cluster_next(world.store, c)) {
        n++;
    }
    for (const struct store_device *d = store_device_next(world.store, NULL); d != NULL;
         d = store_device_next(world.store, d)) {
        n++;
    }
    assert_int_equal(n, 2 + 11);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_cluster),
        T(test_cluster_id_in_use),
        T(test_node_add),
        T(test_node_add_invalid),
        T(test_names_released),
        T(test_node_delete),
        T(test_device_add),
        T(test_device_of_absurd_size),
        T(test_device_delete),
        T(test_state_with_bricks_is_stale),
        T(test_device_states),
        T(test_node_states),
        T(test_state_command_repeated),
        T(test_tags),
        T(test_tags_race),
        T(test_too_many_tags),
        T(test_order_of_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

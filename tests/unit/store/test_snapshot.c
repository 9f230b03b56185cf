/* Snapshots, digests, and that store_check sees every kind of damage. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/crc32c.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "store/store_priv.h"
#include "tests/unit/store/world.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    world_init(&world, 4);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

/* One of everything. */
static void fill(void)
{
    struct id nodes[4], op;
    struct store_request request;
    struct store_cmd cmd;

    (void)world_topology(&world, 4, 1000 * GIB, nodes, NULL);
    (void)world_volume(&world, 1, 3, "a");
    world_volume_request(&request, 5, 2, "b");
    free(request.key);
    request.key = mem_strdup("key-1");
    store_strs_add(&request.volume.options, "x y");
    assert_int_equal(world_request(&world, &request), STORE_OK);
    op = world.result.op_id;
    assert_int_equal(store_plan_again(world.store, op, &world.env, &cmd, &world.result), STORE_OK);
    assert_int_equal(world_apply(&world, &cmd), STORE_OK);
    store_cmd_fini(&cmd);
    (void)world_begin_device(&world, nodes[0], "/dev/sdx");
    (void)world_state(&world, STORE_REQ_NODE_STATE, nodes[1], STORE_STATE_FAILED); /* a failed job */
}

static struct buf encode(struct store *store)
{
    struct store_snapshot *snapshot = store_snapshot_take(store);
    struct buf buf = BUF_INIT;

    store_snapshot_encode(snapshot, &buf);
    store_snapshot_free(snapshot);
    return buf;
}

static void fix_crc(struct buf *buf)
{
    uint32_t crc = crc32c(0, buf->data, buf->len - 4);

    for (int i = 0; i < 4; i++) {
        buf->data[buf->len - 4 + (size_t)i] = (char)(crc >> (8 * i));
    }
}

static int decode_code(const struct buf *buf)
{
    struct store *store = NULL;
    struct err err = ERR_INIT;
    CLEANUP(free_ptr) void *copy = mem_dup(buf->data, buf->len);
    int rc = store_snapshot_decode(copy, buf->len, &store, &err);
    struct err found = ERR_INIT;
    uint64_t applied;

    /* sees the same, without a store: what it does not understand changes the digest */
    assert_int_equal(store_snapshot_check(copy, buf->len, &applied, &found) == 0, rc == 0);
    if (rc == 0) {
        assert_int_equal(applied, store_applied_index(store));
        applied = 0;
        assert_int_equal(store_snapshot_judge(copy, buf->len < STORE_SNAPSHOT_HEAD ? buf->len : STORE_SNAPSHOT_HEAD,
                                              buf->len, &applied, &found),
                         0);
        assert_int_equal(applied, store_applied_index(store));
        store_free(store);
    } else {
        assert_memory_equal(err.message, "snapshot: ", 10);
    }
    return rc;
}

static void test_stopped(void **state)
{
    struct buf buf;
    struct store *copy = NULL;
    struct err err = ERR_INIT;
    atomic_bool stop = true;

    (void)state;
    fill();
    buf = encode(world.store);
    assert_int_equal(store_snapshot_decode_until(buf.data, buf.len, &stop, &copy, &err), E_CANCELLED);
    assert_null(copy);
    atomic_store(&stop, false);
    assert_int_equal(store_snapshot_decode_until(buf.data, buf.len, &stop, &copy, &err), 0);
    store_free(copy);
    buf_fini(&buf);
}

static void test_round_trip(void **state)
{
    struct buf buf, again;
    struct store *copy;
    struct err err = ERR_INIT;

    (void)state;
    fill();
    buf = encode(world.store);
    if (store_snapshot_decode(buf.data, buf.len, &copy, &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_true(digests_equal(copy, world.store));
    assert_int_equal(store_applied_index(copy), world.index);
    assert_int_equal(store_counts(copy).operations, 2);
    assert_string_equal(store_volume_by_name(copy, store_cluster_next(copy, NULL)->id, "b")->options.items[1], "x y");
    again = encode(copy);
    assert_int_equal(again.len, buf.len);
    assert_memory_equal(again.data, buf.data, buf.len);
    /* and it goes on like the original */
    {
        struct world other = world;

        other.store = copy;
        other.env.user = &other;
        (void)world_volume(&world, 1, 3, "c");
        (void)world_volume(&other, 1, 3, "c");
        assert_true(digests_equal(copy, world.store));
    }
    store_free(copy);
    buf_fini(&buf);
    buf_fini(&again);
    store_snapshot_free(NULL);
    store_free(NULL);
}

static void test_empty(void **state)
{
    struct buf buf = encode(world.store);

    (void)state;
    assert_int_equal(decode_code(&buf), 0);
    buf_fini(&buf);
}

/* The order in which a state came about does not show. */
static void test_canonical(void **state)
{
    struct store *a = store_new(), *b = store_new();
    struct store_result result;
    struct buf one, two;

    (void)state;
    for (uint8_t i = 0; i < 50; i++) {
        struct store_cmd cmd;

        store_cmd_init(&cmd, STORE_CMD_CLUSTER_CREATE);
        cmd.cluster.id.bytes[0] = (uint8_t)(i + 1);
        store_apply(a, i + 1, &cmd, &result);
        cmd.cluster.id.bytes[0] = (uint8_t)(50 - i);
        store_apply(b, i + 1, &cmd, &result);
        store_cmd_fini(&cmd);
        assert_int_equal(digests_equal(a, b), i == 49);
    }
    one = encode(a);
    two = encode(b);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    buf_fini(&one);
    buf_fini(&two);
    store_free(a);
    store_free(b);
}

struct job {
    struct store_snapshot *snapshot;
    struct buf buf;
};

static void *encode_thread(void *user)
{
    struct job *job = user;

    store_snapshot_encode(job->snapshot, &job->buf);
    store_snapshot_free(job->snapshot);
    return NULL;
}

/* A snapshot shows the state of its moment, whatever the store does meanwhile, in whatever thread it is encoded. */
static void test_concurrent(void **state)
{
    struct job job = {NULL, BUF_INIT};
    struct buf before;
    pthread_t thread;

    (void)state;
    fill();
    for (int i = 0; i < 20; i++) {
        before = encode(world.store);
        job = (struct job){store_snapshot_take(world.store), BUF_INIT};
        assert_int_equal(pthread_create(&thread, NULL, encode_thread, &job), 0);
        assert_int_equal(world_target(&world, STORE_REQ_VOLUME_DELETE, world_volume(&world, 1, 2, "t")), STORE_OK);
        assert_int_equal(world_end(&world, world.result.op_id, NULL), STORE_OK);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(job.buf.len, before.len);
        assert_memory_equal(job.buf.data, before.data, before.len);
        buf_fini(&job.buf);
        buf_fini(&before);
    }
}

static void test_damaged(void **state)
{
    struct buf buf;

    (void)state;
    fill();
    buf = encode(world.store);
    for (size_t i = 0; i < buf.len; i++) { /* any byte */
        buf.data[i] = (char)(buf.data[i] ^ 0x40);
        assert_int_equal(decode_code(&buf), E_DAMAGED);
        buf.data[i] = (char)(buf.data[i] ^ 0x40);
    }
    for (size_t len = 0; len < buf.len; len += 7) {
        struct buf part = {buf.data, len, len};

        assert_int_equal(decode_code(&part), E_DAMAGED);
    }
    /* the same with a right checksum: a forger, or a bug; no crash, and no state but the true one */
    for (size_t i = 0; i < buf.len - 4; i++) {
        int rc;

        if (i >= 16 && i < 24) {
            continue; /* the index is not checked against anything */
        }
        buf.data[i] = (char)(buf.data[i] ^ 0x01);
        fix_crc(&buf);
        rc = decode_code(&buf);
        assert_true(rc == E_DAMAGED || rc == E_UNSUPPORTED);
        buf.data[i] = (char)(buf.data[i] ^ 0x01);
    }
    fix_crc(&buf);
    assert_int_equal(decode_code(&buf), 0);
    buf.data[12] = STORE_LEVEL_MIN + 1; /* not that of its settings */
    fix_crc(&buf);
    assert_int_equal(decode_code(&buf), E_DAMAGED);
    buf.data[12] = STORE_LEVEL_MAX + 1; /* to come */
    fix_crc(&buf);
    assert_int_equal(decode_code(&buf), E_UNSUPPORTED);
    buf_fini(&buf);
}

static int judge_code(const struct buf *head, uint64_t size_bytes)
{
    struct err err = ERR_INIT;
    uint64_t applied;

    return store_snapshot_judge(head->data, head->len, size_bytes, &applied, &err);
}

/* The beginning alone tells what it is, of which release, and how long it must be. */
static void test_judged_by_its_head(void **state)
{
    struct buf buf, zeros = BUF_INIT;

    (void)state;
    fill();
    buf = encode(world.store);
    for (size_t i = 0; i < STORE_SNAPSHOT_HEAD; i++) {
        buf_append_char(&zeros, '\0');
    }
    assert_int_equal(judge_code(&zeros, 256 << 20), E_DAMAGED);
    for (uint64_t size = 0; size < 2 * buf.len; size++) {
        assert_int_equal(judge_code(&buf, size) == 0, size == buf.len);
    }
    for (size_t len = 0; len < 88; len++) { /* the header and the checksum */
        assert_int_equal(judge_code(&(struct buf){buf.data, len, len}, buf.len), E_DAMAGED);
    }
    for (size_t i = 0; i < 16; i++) { /* the word, its version and level */
        buf.data[i] = (char)(buf.data[i] ^ 0x40);
        assert_int_equal(judge_code(&buf, buf.len), i < 8 ? E_DAMAGED : E_UNSUPPORTED);
        buf.data[i] = (char)(buf.data[i] ^ 0x40);
    }
    for (size_t kind = 0; kind < KIND_COUNT; kind++) { /* more records than there is room for */
        buf.data[25 + 4 * kind] = 0x7f;
        assert_int_equal(judge_code(&buf, buf.len), E_DAMAGED);
        buf.data[25 + 4 * kind] = 0;
    }
    assert_int_equal(judge_code(&buf, buf.len), 0);
    buf_fini(&buf);
    buf_fini(&zeros);
}

/* A snapshot of n records of one kind with these bytes, and the digest that the records in `proper` have. */
static int with_records(enum record_kind kind, size_t n, const void *body, size_t len, const void *proper,
                        size_t proper_len)
{
    struct store *empty = store_new();
    struct buf buf = encode(empty);
    int rc;

    for (size_t i = 0; i < n; i++) { /* records of one length */
        struct store_digest hash = record_hash(empty->records.hasher, (uint8_t)kind,
                                               (const char *)proper + i * (proper_len / n), proper_len / n);

        digest_add(&empty->records.sum, &hash);
    }
    buf.len -= 4;
    buf.data[24 + 4 * kind] = (char)n;
    memcpy(buf.data + 24 + 4 * KIND_COUNT, empty->records.sum.bytes, 16);
    buf.data[40 + 4 * KIND_COUNT] = (char)len;
    buf_append(&buf, body, len);
    buf_append(&buf, "crcc", 4);
    fix_crc(&buf);
    rc = decode_code(&buf);
    buf_fini(&buf);
    store_free(empty);
    return rc;
}

#define ONE(kind, body, proper) with_records(kind, 1, body, sizeof(body) - 1, proper, sizeof(proper) - 1)

static void test_foreign_records(void **state)
{
    static const char cluster[] = "\x82\x01\xc4\x10"
                                  "aaaaaaaaaaaaaaaa"
                                  "\x02\xc3";
    static const char unknown_key[] = "\x82\x01\xc4\x10"
                                      "aaaaaaaaaaaaaaaa"
                                      "\x09\xc3";
    static const char explicit_default[] = "\x83\x01\xc4\x10"
                                           "aaaaaaaaaaaaaaaa"
                                           "\x02\xc3\x03\xc2";
    static const char no_id[] = "\x81\x02\xc3";
    static const char job[] = "\x82\x01\xc4\x10"
                              "aaaaaaaaaaaaaaaa"
                              "\x07\xcd\x01\x00";
    static const char signed_time[] = "\x82\x01\xc4\x10"
                                      "aaaaaaaaaaaaaaaa"
                                      "\x07\xd1\x01\x00";
    static const char in_order[] = "\x81\x01\xc4\x10"
                                   "aaaaaaaaaaaaaaaa"
                                   "\x81\x01\xc4\x10"
                                   "bbbbbbbbbbbbbbbb";
    static const char out_of_order[] = "\x81\x01\xc4\x10"
                                       "bbbbbbbbbbbbbbbb"
                                       "\x81\x01\xc4\x10"
                                       "aaaaaaaaaaaaaaaa";

    (void)state;
    assert_int_equal(ONE(KIND_CLUSTER, cluster, cluster), 0);
    assert_int_equal(ONE(KIND_CLUSTER, unknown_key, unknown_key), E_UNSUPPORTED);
    assert_int_equal(ONE(KIND_CLUSTER, explicit_default, cluster), E_DAMAGED); /* not canonical */
    assert_int_equal(ONE(KIND_CLUSTER, no_id, no_id), E_DAMAGED);
    assert_int_equal(ONE(KIND_CLUSTER, cluster, in_order), E_DAMAGED); /* another digest */
    assert_int_equal(ONE(KIND_JOB, job, job), 0);
    assert_int_equal(ONE(KIND_JOB, signed_time, job), E_DAMAGED); /* same number, same length, other bytes */
    assert_int_equal(with_records(KIND_CLUSTER, 2, in_order, 40, in_order, 40), 0);
    assert_int_equal(with_records(KIND_CLUSTER, 2, out_of_order, 40, out_of_order, 40), E_DAMAGED);
}

/* ---- store_check ---- */

static void expect_broken(const char *text)
{
    struct err err = ERR_INIT;

    assert_int_equal(store_check(world.store, &err), E_DAMAGED);
    if (strstr(err.message, text) == NULL) {
        fail_msg("\"%s\" instead of \"%s\"", err.message, text);
    }
}

static void expect_whole(void)
{
    struct err err = ERR_INIT;

    if (store_check(world.store, &err) != 0) {
        fail_msg("%s", err.message);
    }
}

/* Changes something by way of update_*, so that encodings are fresh and only the invariant is broken. */
#define BREAK(type, entry, update, change, text)                       \
    do {                                                               \
        struct store_##type next = (entry)->rec, keep_ = (entry)->rec; \
        struct store_##type good;                                      \
                                                                       \
        schema_copy(&schema_##type, &good, &keep_);                    \
        change;                                                        \
        update(world.store, (entry), &next);                           \
        expect_broken(text);                                           \
        update(world.store, (entry), &good);                           \
        schema_fini(&schema_##type, &good);                            \
        expect_whole();                                                \
    } while (0)

static void test_check_records(void **state)
{
    struct volume_entry *volume;
    struct device_entry *device;
    struct node_entry *node;
    struct op_entry *op;
    struct store_brick bricks[3];
    const struct id unknown = {{0xee}};

    (void)state;
    fill();
    expect_whole();
    volume =
        find_volume(world.store, store_volume_by_name(world.store, store_cluster_next(world.store, NULL)->id, "a")->id);
    device = find_device(world.store, volume->rec.bricks[0].device);
    node = device->node;
    op = find_op(world.store, store_operation_next(world.store, NULL)->id);
    BREAK(volume, volume, update_volume, next.pending = unknown, "pending without an operation");
    BREAK(volume, volume, update_volume, next.replica = 2, "complete sets");
    BREAK(volume, volume, update_volume, next.size_gib = 0, "complete sets");
    BREAK(volume, volume, update_volume, next.cluster = unknown, "cluster or its name");
    memcpy(bricks, volume->rec.bricks, sizeof(bricks));
#define BRICK(change, text)                                                         \
    do {                                                                            \
        memcpy(bricks, volume->rec.bricks, sizeof(bricks));                         \
        BREAK(volume, volume, update_volume, (change, next.bricks = bricks), text); \
    } while (0)
    BRICK(bricks[1].position = 0, "place, size or pending");
    BRICK(bricks[1].pending = unknown, "place, size or pending");
    BRICK(bricks[1].volume = unknown, "place, size or pending");
    BRICK(bricks[1].device = bricks[0].device, "index entry");
    BRICK(bricks[2].meta_kib = 1, "sum of its pools");
    BRICK(bricks[1].type = STORE_BRICK_ARBITER, "its arbiters");
    BREAK(device, device, update_device, next.total_kib = 1, "more is used");
    BREAK(device, device, update_device, next.pending = unknown, "pending without an operation");
    BREAK(device, device, update_device, next.node = unknown, "node does not exist");
    BREAK(device, device, update_device, next.total_kib = UINT64_MAX, "name, size or tags");
    BREAK(node, node, update_node, next.zone = 0, "zone");
    BREAK(node, node, update_node, next.pending = unknown, "pending without an operation");
    BREAK(node, node, update_node, next.cluster = unknown, "cluster does not exist");
    BREAK(operation, op, update_op, next.target = unknown, "pending without an operation");
    BREAK(operation, op, update_op, next.begin_index = 0, "index");
    BREAK(operation, op, update_op, next.type = STORE_OP_NODE_ADD, "pending without an operation");
    for (int i = 0; i < 6; i++) { /* an operation about nothing */
        static const enum store_op_type types[] = {STORE_OP_CREATE_VOLUME, STORE_OP_DELETE_VOLUME,
                                                   STORE_OP_NODE_ADD,      STORE_OP_NODE_DELETE,
                                                   STORE_OP_DEVICE_ADD,    STORE_OP_DEVICE_DELETE};
        char none[] = "";
        struct store_operation orphan = {
            .id = {{0xdd}}, .type = types[i], .target = unknown, .reason = none, .begin_index = 1};

        assert_int_equal(insert_op(world.store, &orphan, NULL), 0);
        expect_broken("its target is not pending");
        remove_op(world.store, find_op(world.store, orphan.id));
        expect_whole();
    }
}

static void test_check_indexes(void **state)
{
    struct cluster_entry *cluster;
    struct volume_entry *volume;
    struct device_entry *device;
    struct node_entry *node;
    struct blob *blob;
    struct job_entry *job;

    (void)state;
    fill();
    cluster = find_cluster(world.store, store_cluster_next(world.store, NULL)->id);
    volume = find_name(cluster, "a");
    device = volume->bricks[0].device;
    node = device->node;
#define BROKEN_WHILE(lvalue, value, text)    \
    do {                                     \
        __typeof__(lvalue) keep_ = (lvalue); \
                                             \
        (lvalue) = (value);                  \
        expect_broken(text);                 \
        (lvalue) = keep_;                    \
        expect_whole();                      \
    } while (0)
    BROKEN_WHILE(cluster->n_volumes, 9, "volumes are not counted");
    BROKEN_WHILE(world.store->counts.clusters, 9, "clusters are not counted");
    BROKEN_WHILE(world.store->counts.nodes, 9, "nodes or their");
    BROKEN_WHILE(world.store->counts.devices, 9, "devices or their");
    BROKEN_WHILE(world.store->counts.volumes, 9, "volumes or bricks");
    BROKEN_WHILE(world.store->counts.bricks, 9, "volumes or bricks");
    BROKEN_WHILE(world.store->counts.operations, 9, "operations are not counted");
    BROKEN_WHILE(world.store->counts.jobs, 99, "jobs or request keys");
    BROKEN_WHILE(world.store->n_keys, 9, "jobs or request keys");
    BROKEN_WHILE(device->used_kib, 1, "sum of its pools");
    BROKEN_WHILE(device->metas[0].n, 7, "sum of its pools");
    BROKEN_WHILE(device->n_charged, 7, "sum of its pools");
    BROKEN_WHILE(volume->n_expands, 7, "operations are not counted");
    BROKEN_WHILE(volume->n_clones, 7, "operations are not counted");
    BROKEN_WHILE(node->hosts[0].linked, false, "host names");
    BROKEN_WHILE(world.store->records.sum.bytes[3], (uint8_t)(world.store->records.sum.bytes[3] + 1), "digest");
    BROKEN_WHILE(volume->rec.gid, 5, "encoding is stale");
    BROKEN_WHILE(volume->record.slot, 0, "where the records are listed");
    blob = volume->record.blob;
    BROKEN_WHILE(blob->hash.bytes[0], (uint8_t)(blob->hash.bytes[0] + 1), "hash is stale");
    RB_REMOVE(host_tree, &world.store->manage_hosts, &node->hosts[0]);
    expect_broken("host names are not its own");
    RB_INSERT(host_tree, &world.store->manage_hosts, &node->hosts[0]);
    RB_REMOVE(name_tree, &cluster->names, volume);
    expect_broken("volumes are not counted");
    RB_INSERT(name_tree, &cluster->names, volume);
    job = RB_MIN(job_tree, &world.store->jobs);
    RB_REMOVE(job_end_tree, &world.store->jobs_by_end, job);
    expect_broken("jobs or request keys");
    RB_INSERT(job_end_tree, &world.store->jobs_by_end, job);
    expect_whole();
}

/* What a snapshot may claim but the tables refuse. */
static void test_insert_refused(void **state)
{
    struct store_node node = {.id = {{1}}};
    struct store_device device = {.id = {{1}}};
    struct store_volume volume = {.id = {{1}}};
    struct store_operation op = {.id = {{1}}};
    struct store_job job;
    struct store_brick brick = {.id = {{1}}};
    struct store_request_key key = {.id = {{1}}};
    char text[] = "x", none[] = "";
    struct err err = ERR_INIT;

    (void)state;
    fill();
    assert_int_equal(insert_cluster(world.store, store_cluster_next(world.store, NULL), &err), E_DAMAGED);
    assert_int_equal(insert_node(world.store, store_node_next(world.store, NULL), &err), E_DAMAGED);
    assert_int_equal(insert_node(world.store, &node, &err), E_DAMAGED); /* no cluster */
    node.cluster = store_cluster_next(world.store, NULL)->id;
    assert_int_equal(insert_node(world.store, &node, &err), E_DAMAGED); /* no names */
    node.manage = store_node_next(world.store, NULL)->manage;
    assert_int_equal(insert_node(world.store, &node, &err), E_DAMAGED); /* another's names */
    assert_int_equal(insert_device(world.store, store_device_next(world.store, NULL), &err), E_DAMAGED);
    assert_int_equal(insert_device(world.store, &device, &err), E_DAMAGED);
    assert_int_equal(insert_volume(world.store, store_volume_next(world.store, NULL), &err), E_DAMAGED);
    volume.name = text;
    assert_int_equal(insert_volume(world.store, &volume, &err), E_DAMAGED);
    volume.cluster = node.cluster;
    volume.bricks = &brick;
    volume.n_bricks = 1;
    assert_int_equal(insert_volume(world.store, &volume, &err), E_DAMAGED);
    assert_int_equal(insert_op(world.store, store_operation_next(world.store, NULL), &err), E_DAMAGED);
    op.reason = none;
    op.abandoned = &brick;
    op.n_abandoned = 1;
    assert_int_equal(insert_op(world.store, &op, &err), E_DAMAGED);
    job = RB_MIN(job_tree, &world.store->jobs)->rec;
    assert_int_equal(insert_job(world.store, &job, &err), E_DAMAGED);
    key.key = text;
    assert_int_equal(insert_key(world.store, &key, &err), E_DAMAGED); /* not its hash */
    expect_whole();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_round_trip),         T(test_stopped),         T(test_empty),
        T(test_canonical),          T(test_concurrent),      T(test_damaged),
        T(test_judged_by_its_head), T(test_foreign_records), T(test_check_records),
        T(test_check_indexes),      T(test_insert_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

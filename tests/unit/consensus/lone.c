#include "tests/unit/consensus/lone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"

struct lone lone;

static uint64_t env_now(void *user)
{
    (void)user;
    return lone.now;
}

static void env_send(void *user, uint64_t peer, uint8_t *frame, size_t len)
{
    struct wire wire;

    (void)user;
    assert_in_range(peer, 1, LONE_MEMBERS_MAX);
    assert_true(wire_decode(frame, len, &wire));
    lone.asked[peer] += wire.key[WK_TYPE] == WIRE_HELLO && (wire.key[WK_FLAGS] & 1) != 0;
    lone.chunks[peer] += wire.key[WK_TYPE] == WIRE_SNAPSHOT;
    lone.appends[peer] += wire.key[WK_TYPE] == WIRE_APPEND;
    lone.voted += wire.key[WK_TYPE] == WIRE_VOTE_RESULT || wire.key[WK_TYPE] == WIRE_APPEND_RESULT;
    free(frame);
}

static void env_disk(void *user, struct disk_op *op)
{
    struct disk_op **at = &lone.ops;

    (void)user;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    op->next = NULL;
    *at = op;
    lone.n_ops++;
}

static int env_judge(void *user, const uint8_t *data, size_t len, struct err *reterr)
{
    (void)user;
    (void)data;
    (void)len;
    (void)reterr;
    return 0;
}

static int env_judge_head(void *user, uint64_t index, const uint8_t *head, size_t len, uint64_t size_bytes,
                          struct err *reterr)
{
    (void)user;
    (void)index;
    (void)size_bytes;
    lone.judged++;
    if (len == 0 || (len >= 3 && memcmp(head, "bad", 3) == 0)) {
        return err_set(reterr, E_DAMAGED, "no snapshot");
    }
    return len >= 3 && memcmp(head, "new", 3) == 0 ? err_set(reterr, E_UNSUPPORTED, "a new snapshot") : 0;
}

static void env_apply(void *user, uint64_t index, uint64_t term, const uint8_t *data, size_t len)
{
    (void)user;
    (void)index;
    (void)term;
    (void)data;
    (void)len;
}

static void *env_snapshot(void *user)
{
    (void)user;
    return NULL;
}

static void env_nothing(void *user)
{
    (void)user;
}

static void env_failed(void *user, const char *text)
{
    (void)user;
    (void)snprintf(lone.failed, sizeof(lone.failed), "%s", text);
}

void lone_put_configuration(struct buf *buf, const char *const *addresses, size_t n, int first_role)
{
    struct raft_configuration conf;
    struct raft_buffer bytes;

    raft_configuration_init(&conf);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(raft_configuration_add(&conf, i + 1, addresses[i], i == 0 ? first_role : RAFT_VOTER), 0);
    }
    assert_int_equal(raft_configuration_encode(&conf, &bytes), 0);
    raft_configuration_close(&conf);
    buf_append(buf, bytes.base, bytes.len);
    raft_free(bytes.base);
}

static void put_log(const struct lone_config *config, struct disk_image *image)
{
    struct buf flat = BUF_INIT;

    image->cluster_id.bytes[0] = 7;
    image->term = config->term;
    image->vote = config->vote > 0 ? config->vote : 2;
    image->first = 1;
    flat_append(&flat, 1, RAFT_CHANGE, lone.conf.data, (uint32_t)lone.conf.len);
    if (config->term > 1) {
        flat_append(&flat, config->term, RAFT_BARRIER, "12345678", 8);
    }
    image->flat_len = flat.len;
    image->flat = (uint8_t *)buf_take(&flat);
}

void lone_start(const struct lone_config *config)
{
    static const char *const addresses[LONE_MEMBERS_MAX] = {"a:1", "a:2", "a:3", "a:4"};
    const struct core_env env = {.now = env_now,
                                 .send = env_send,
                                 .disk = env_disk,
                                 .judge = env_judge,
                                 .judge_head = env_judge_head,
                                 .apply = env_apply,
                                 .snapshot = env_snapshot,
                                 .changed = env_nothing,
                                 .resigned = env_nothing,
                                 .members = env_nothing,
                                 .failed = env_failed};
    struct core_config core_config = {.id = 1,
                                      .n_peers = config->n_members,
                                      .election_timeout_ms = 300,
                                      .lease_ms = 150,
                                      .heartbeat_ms = 50,
                                      .slot_ms = 25,
                                      .snapshot_threshold = 1000,
                                      .snapshot_bytes = config->no_snapshots ? UINT64_C(1) << 40 : 0,
                                      .trailing = 100,
                                      .inflight = 10,
                                      .window = 10,
                                      .seed = 1};
    struct disk_image image = {.disk_state = config->disk_state};

    memset(&lone, 0, sizeof(lone));
    lone.now = 10000000;
    for (size_t i = 0; i < config->n_members; i++) {
        core_config.peers[i] = (struct core_peer){.id = i + 1, .address = addresses[i]};
    }
    if (config->conf != NULL) {
        buf_append(&lone.conf, config->conf->data, config->conf->len);
    } else {
        lone_put_configuration(&lone.conf, addresses, config->n_members, RAFT_VOTER);
    }
    if (config->disk_state != CORE_EMPTY) {
        put_log(config, &image);
    }
    lone.core = core_new(&core_config, &env, &image);
    disk_image_fini(&image);
    for (size_t i = 1; i < config->n_members; i++) {
        core_connected(lone.core, i + 1);
    }
    lone.now += 1000000; /* its promise is over */
    memset(lone.asked, 0, sizeof(lone.asked));
}

void lone_disk_answers(void)
{
    while (lone.ops != NULL) {
        struct disk_op *op = lone.ops;

        lone.ops = op->next;
        core_done(lone.core, op);
    }
}

void lone_end(void)
{
    core_free(lone.core);
    while (lone.ops != NULL) {
        struct disk_op *op = lone.ops;

        lone.ops = op->next;
        disk_op_free(op);
    }
    buf_fini(&lone.conf);
}

int lone_tear_down(void **state)
{
    (void)state;
    assert_string_equal(lone.failed, "");
    lone_end();
    return 0;
}

uint64_t lone_term(void)
{
    return raft_current_term(&lone.core->raft);
}

void lone_hears_of(uint64_t from, uint64_t leader, uint64_t term)
{
    assert_true(
        lone_hears(from, WIRE_HELLO,
                   (struct wire){.key = {[WK_STATE] = CORE_FORMED, [WK_TERM] = term, [WK_FOLLOWS] = leader + 1}}));
}

bool lone_hears(uint64_t from, enum wire_type type, struct wire wire)
{
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;

    wire.key[WK_TYPE] = type;
    wire.key[WK_FROM] = from;
    wire.key[WK_CLUSTER_HIGH] = UINT64_C(7) << 56;
    wire_encode(&wire, &frame);
    return core_recv(lone.core, from, (const uint8_t *)frame.data, frame.len);
}

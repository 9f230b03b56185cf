/* Bounds in bytes: large entries, and a follower that was away for more of them than any frame holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"
#include "tests/simulation/directed.h"

#define MIB ((size_t)1 << 20)
#define FRAMES 4096

/* What the leader has sent to one follower, and what that has acknowledged. */
struct traffic {
    size_t from, to;
    uint64_t last[FRAMES], len[FRAMES];
    size_t n;
    uint64_t longest, most, frames;
};

static uint64_t watch(void *user, size_t from, size_t to, const struct wire *wire)
{
    struct traffic *traffic = user;
    uint64_t under_way = wire->body_len;
    size_t kept = 0;

    if (from == traffic->to && to == traffic->from && wire->key[WK_TYPE] == WIRE_APPEND_RESULT &&
        wire->key[WK_REJECTED] == 0) {
        for (size_t i = 0; i < traffic->n; i++) {
            if (traffic->last[i] > wire->key[WK_LAST_INDEX]) {
                traffic->last[kept] = traffic->last[i];
                traffic->len[kept++] = traffic->len[i];
            }
        }
        traffic->n = kept;
    }
    if (from != traffic->from || to != traffic->to || wire->key[WK_TYPE] != WIRE_APPEND || wire->body_len == 0) {
        return 0;
    }
    for (size_t i = 0; i < traffic->n; i++) {
        under_way += traffic->len[i];
    }
    traffic->last[traffic->n % FRAMES] = wire->key[WK_PREV_INDEX] + wire->key[WK_COUNT];
    traffic->len[traffic->n % FRAMES] = wire->body_len;
    traffic->n += traffic->n < FRAMES;
    traffic->frames++;
    traffic->longest = wire->body_len > traffic->longest ? wire->body_len : traffic->longest;
    traffic->most = under_way > traffic->most ? under_way : traffic->most;
    return 0;
}

static bool submit_large(struct sim *sim, size_t leader, size_t n, size_t bytes)
{
    CLEANUP(free_ptr) uint8_t *data = mem_calloc(bytes, 1);
    bool ok = true;

    for (size_t i = 0; i < n && ok; i++) {
        data[0] = (uint8_t)i;
        ok = sim_propose(sim, leader, data, bytes) > 0;
        sim_touched(sim, leader);
        sim_run(sim, 20 * SIM_MS);
    }
    return ok;
}

enum away { CUT_OFF, SILENT, DOWN };

static void leave(struct sim *sim, size_t member, enum away away)
{
    if (away == DOWN) {
        sim_crash(sim, member);
    } else if (away == SILENT) {
        sim_isolate(sim, member, true); /* nobody's connection closes */
    } else {
        directed_cut_off(sim, member);
    }
}

/* The log that it missed is longer than any frame may be. by_log: nothing of it was trimmed. */
static void catches_up(enum away away, size_t n, size_t bytes, bool by_log)
{
    size_t leader, a, b;
    struct traffic traffic = {.from = SIM_MEMBERS_MAX};
    struct sim_config config = {.seed = sim_seed(1),
                                .trailing = 2000,
                                .inflight = 1024,
                                .trailing_bytes = by_log ? 200 * MIB : 0,
                                .snapshot_due_bytes = by_log ? 200 * MIB : 0,
                                .hooks = {.user = &traffic, .frame = watch}};
    struct sim *sim = directed_new(&config, &leader);
    uint64_t term = sim_status(sim, leader).term;
    bool ok;

    directed_others(sim, leader, &a, &b);
    leave(sim, a, away);
    ok = submit_large(sim, leader, n, bytes);
    traffic.from = leader;
    traffic.to = a;
    sim_heal(sim);
    ok = ok && sim_wait_equal(sim, 60 * SIM_S);
    ok = ok && sim_status(sim, leader).term == term; /* it went on leading meanwhile */
    print_message("%zu entries of %zu bytes: %lu frames, the longest of %lu bytes, at most %lu under way\n", n, bytes,
                  (unsigned long)traffic.frames, (unsigned long)traffic.longest, (unsigned long)traffic.most);
    ok = ok && (traffic.frames >= n * bytes / (CORE_FRAME_BYTES + 1) / 2) == by_log;
    ok = ok && (sim_status(sim, a).snapshot_index > 0) == !by_log;
    ok = ok && traffic.longest <= CORE_FRAME_BYTES + FLAT_HEADER + 8;
    /* What came while the snapshot was installed was dropped, and is never acknowledged. */
    ok = ok && traffic.most <= (by_log ? 1 : 2) * (CORE_INFLIGHT_BYTES + CORE_FRAME_BYTES);
    assert_true(directed_end(sim, ok));
}

static void test_follower_was_away(void **state)
{
    (void)state;
    catches_up(DOWN, 70, MIB, true);
    catches_up(CUT_OFF, 70, MIB, true);
    catches_up(SILENT, 70, MIB, true);
    catches_up(DOWN, 400, 200000, true);
    catches_up(SILENT, 400, 200000, true);
    catches_up(DOWN, 70, MIB, false);
    catches_up(SILENT, 70, MIB, false);
}

/* What is kept of the log, in memory and on disk, is bounded in bytes, however few entries it are. */
static void test_log_is_bounded(void **state)
{
    size_t leader;
    struct sim_config config = {.seed = sim_seed(1), .trailing = 2000, .inflight = 1024};
    struct sim *sim = directed_new(&config, &leader);
    /* Up to half as much again before a snapshot of member 3 or 4, and what comes while it is taken. */
    uint64_t bound = CORE_TRAILING_BYTES + CORE_SNAPSHOT_BYTES * 3 / 2 + 4 * MIB;

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_true(submit_large(sim, leader, 8, MIB));
        for (size_t at = 0; at < sim->config.n_members; at++) {
            const struct sim_disk *disk = &sim->members[at].disk;
            uint64_t on_disk = 0;

            for (size_t k = 0; k < disk->n; k++) {
                on_disk += disk->entries[k].len;
            }
            assert_true(on_disk <= bound);
            assert_true(core_log_bytes(sim->members[at].core, 1, UINT64_MAX) <= bound);
        }
    }
    for (size_t at = 0; at < sim->config.n_members; at++) {
        assert_true(sim_status(sim, at).snapshot_index > 0);
    }
    assert_true(directed_end(sim, true));
}

/* A snapshot that does not end: the leader takes no more than four times what makes one due. */
static void test_slow_snapshot(void **state)
{
    size_t leader;
    struct sim_config config = {.seed = sim_seed(1), .trailing = 2000, .inflight = 1024};
    struct sim *sim = directed_new(&config, &leader);
    struct core *core = sim->members[leader].core;
    CLEANUP(free_ptr) uint8_t *data = mem_calloc(MIB, 1);
    uint64_t left;
    unsigned n = 0;

    (void)state;
    core->snapshot_taking = true;
    for (uint64_t end = sim->now + 20 * SIM_S; sim->now < end && n < 200;) {
        if (core_window(core, &left) > 0) {
            n += sim_propose(sim, leader, data, MIB) > 0;
            sim_touched(sim, leader);
        }
        sim_run(sim, 10 * SIM_MS);
    }
    print_message("%u MiB taken\n", n);
    assert_in_range(n, 4 * CORE_SNAPSHOT_BYTES / MIB - 1, 4 * CORE_SNAPSHOT_BYTES / MIB + 1);
    core->snapshot_taking = false;
    sim_run(sim, SIM_S);
    assert_true(core_window(core, &left) > 0);
    assert_true(directed_end(sim, true));
}

/* A follower behind a slow link does not get the same again and again, though it answers late. */
static void test_slow_link(void **state)
{
    size_t leader, a, b;
    struct traffic traffic = {.from = SIM_MEMBERS_MAX};
    struct sim_config config = {.seed = sim_seed(1),
                                .trailing = 2000,
                                .inflight = 1024,
                                .trailing_bytes = 200 * MIB,
                                .snapshot_due_bytes = 200 * MIB,
                                .hooks = {.user = &traffic, .frame = watch}};
    struct sim *sim = directed_new(&config, &leader);

    (void)state;
    directed_others(sim, leader, &a, &b);
    sim_crash(sim, a);
    assert_true(submit_large(sim, leader, 20, MIB));
    traffic.from = leader;
    traffic.to = a;
    sim->members[a].disk_slow = 200; /* a write takes up to 600 ms */
    sim_heal(sim);
    assert_true(sim_wait_equal(sim, 60 * SIM_S));
    print_message("slow disk: %lu frames for 20 entries\n", (unsigned long)traffic.frames);
    assert_true(traffic.frames <= 25);
    assert_true(directed_end(sim, true));
}

/* What is submitted is bounded in bytes, and goes on when something was committed. */
static void test_window(void **state)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = sim_seed(1)};
    struct sim *sim = directed_new(&config, &leader);
    CLEANUP(free_ptr) uint8_t *data = mem_calloc(MIB, 1);
    uint64_t left = UINT64_MAX;
    unsigned n = 0;

    (void)state;
    directed_others(sim, leader, &a, &b);
    while (core_window(sim->members[leader].core, &left) > 0 && n < 100) {
        assert_true(sim_propose(sim, leader, data, MIB) > 0);
        n++;
    }
    assert_int_equal(left, 0);
    assert_int_equal(n, CORE_WINDOW_BYTES / MIB);
    assert_true(sim_wait_equal(sim, 10 * SIM_S));
    assert_true(core_window(sim->members[leader].core, &left) > 0);
    assert_int_equal(left, CORE_WINDOW_BYTES);
    assert_true(directed_end(sim, true));
}

/* An entry that could not be passed on is never taken. */
static void test_too_large_entry_is_refused(void **state)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = sim_seed(1)};
    struct sim *sim = directed_new(&config, &leader);
    CLEANUP(free_ptr) uint8_t *data = mem_calloc(CORE_ENTRY_MAX + 1, 1);
    struct core_status status;
    struct wire wire = {.key = {[WK_TYPE] = WIRE_APPEND, [WK_COUNT] = 1}};

    (void)state;
    directed_others(sim, leader, &a, &b);
    status = sim_status(sim, a);
    for (uint32_t more = 0; more < 2; more++) {
        CLEANUP(buf_fini) struct buf body = BUF_INIT;
        CLEANUP(buf_fini) struct buf frame = BUF_INIT;

        flat_append(&body, status.term, 1, data, (uint32_t)CORE_ENTRY_MAX + more);
        wire.body = (const uint8_t *)body.data;
        wire.body_len = body.len;
        wire.key[WK_FROM] = leader + 1;
        wire.key[WK_TERM] = wire.key[WK_MSG_TERM] = wire.key[WK_PREV_TERM] = status.term;
        wire.key[WK_PREV_INDEX] = status.last_index + 1; /* it is not there: refused by raft, but read */
        wire_encode(&wire, &frame);
        assert_int_equal(core_recv(sim->members[a].core, leader + 1, (const uint8_t *)frame.data, frame.len),
                         more == 0);
    }
    assert_true(directed_end(sim, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follower_was_away),
        cmocka_unit_test(test_log_is_bounded),
        cmocka_unit_test(test_slow_snapshot),
        cmocka_unit_test(test_slow_link),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_too_large_entry_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Members are added, removed and replaced: by the leader's word alone, whoever leads, under faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/simulation/directed.h"

static struct core_change change_of(enum core_change_kind kind, size_t member)
{
    return (struct core_change){.kind = kind, .id = member + 1, .goal = CORE_VOTER, .address = sim_addresses[member]};
}

/* Until a leader accepts it. */
static bool change(struct sim *sim, enum core_change_kind kind, size_t member)
{
    const struct core_change wanted = change_of(kind, member);

    for (uint64_t end = sim->now + 10 * SIM_S; sim->now < end && sim->failure[0] == '\0'; sim_run(sim, 10 * SIM_MS)) {
        int leader = sim_leader(sim);

        if (leader >= 0 && sim_change(sim, (size_t)leader, &wanted) == 0) {
            return true;
        }
    }
    return false;
}

struct wanted {
    size_t n_voters, n_members;
};

static bool has_members(struct sim *sim, void *user)
{
    const struct wanted *wanted = user;
    int leader = sim_leader(sim);
    struct core_status status;
    size_t voters = 0, members = 0;

    if (leader < 0) {
        return false;
    }
    status = sim_status(sim, (size_t)leader);
    for (size_t i = 0; i < status.n_peers; i++) {
        voters += status.peers[i].voting == CORE_VOTER;
        members += status.peers[i].member;
    }
    return !status.changing && voters == wanted->n_voters && members == wanted->n_members;
}

static bool wait_members(struct sim *sim, size_t n_voters, size_t n_members)
{
    struct wanted wanted = {n_voters, n_members};

    return sim_run_until(sim, 20 * SIM_S, has_members, &wanted);
}

/* ---- three to five and back ---- */

static bool grow_and_shrink(uint64_t seed)
{
    size_t leader;
    struct sim_config config = {.seed = seed,
                                .n_members = 5,
                                .n_initial = 3,
                                .members_may_fail = true,
                                .client_every_us = 10 * SIM_MS,
                                .snapshot_threshold = seed % 2 == 0 ? 100 : 0};
    struct sim *sim = directed_new(&config, &leader);
    size_t first = 0, second = 0;
    bool ok;

    sim_run(sim, 3 * SIM_S);
    ok = sim_status(sim, 3).disk_state == CORE_EMPTY; /* nobody has asked for it */
    ok = ok && change(sim, CORE_ADD, 3) && wait_members(sim, 4, 4) && change(sim, CORE_ADD, 4) &&
         wait_members(sim, 5, 5);
    ok = ok && sim_wait_serving(sim, 5 * SIM_S, &leader);
    sim_crash(sim, leader); /* of five, two may be away */
    ok = ok && sim_wait_serving(sim, 5 * SIM_S, &first);
    sim_crash(sim, first);
    ok = ok && sim_wait_serving(sim, 5 * SIM_S, &second);
    sim_restart(sim, leader);
    sim_restart(sim, first);
    sim->client_on = false;
    ok = ok && sim_wait_equal(sim, 20 * SIM_S) && change(sim, CORE_REMOVE, leader) && wait_members(sim, 4, 4) &&
         change(sim, CORE_REMOVE, first) && wait_members(sim, 3, 3);
    sim_run(sim, SIM_S);
    for (size_t i = 0; i < 5; i++) { /* who was removed has heard of it, the others go on */
        bool removed = i == leader || i == first;

        ok = ok && sim->members[i].failed == removed &&
             (!removed || strstr(sim->members[i].failed_text, "was removed") != NULL);
    }
    return directed_end(sim, ok && sim_leader(sim) >= 0);
}

static void test_grow_and_shrink(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        assert_true(grow_and_shrink(seed));
    }
}

/* ---- an empty disk under an old identity ---- */

/* It ends; replaced (removed and added, under the same number) it comes back and gets everything. */
static bool replaced(uint64_t seed)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = seed, .members_may_fail = true, .snapshot_threshold = seed % 2 == 0 ? 100 : 0};
    struct sim *sim = directed_new(&config, &leader);
    bool ok;

    directed_others(sim, leader, &a, &b);
    directed_load(sim, leader, SIM_S, 5 * SIM_MS);
    sim_crash(sim, a);
    sim_wipe(sim, a);
    directed_load(sim, leader, SIM_S, 5 * SIM_MS);
    sim_restart(sim, a);
    sim_run(sim, SIM_S);
    ok = sim->members[a].failed && strstr(sim->members[a].failed_text, "member replace") != NULL;
    ok = ok && change(sim, CORE_REMOVE, a) && change(sim, CORE_ADD, a);
    sim_crash(sim, a);
    sim_restart(sim, a);
    ok = ok && wait_members(sim, 3, 3) && sim_wait_equal(sim, 10 * SIM_S);
    sim_crash(sim, leader); /* its vote and its log count again */
    ok = ok && sim_wait_serving(sim, 5 * SIM_S, NULL);
    return directed_end(sim, ok && !sim->members[a].failed);
}

static void test_replaced(void **state)
{
    (void)state;
    directed_expect(PART_ADMISSION, replaced, 6, 6);
}

/* A member of another cluster, with a number of this one, says so: nothing happens here. Said by most of its peers to a
 * member, that one is wrong. */
static void greet_as_foreign(struct sim *sim, size_t from, size_t to)
{
    struct wire wire = {.key = {[WK_TYPE] = WIRE_HELLO,
                                [WK_FROM] = from + 1,
                                [WK_STATE] = CORE_FORMED,
                                [WK_CLUSTER_HIGH] = 1,
                                [WK_ADMITS] = WIRE_STRANGER,
                                [WK_CLUSTER_LOW] = 2}};
    CLEANUP(buf_fini) struct buf frame = BUF_INIT;

    wire_encode(&wire, &frame);
    assert_true(core_recv(sim->members[to].core, from + 1, (const uint8_t *)frame.data, frame.len));
    sim_touched(sim, to);
}

static void test_foreign(void **state)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = sim_seed(1), .members_may_fail = true};
    struct sim *sim = directed_new(&config, &leader);

    (void)state;
    directed_others(sim, leader, &a, &b);
    greet_as_foreign(sim, a, leader);
    greet_as_foreign(sim, a, b);
    sim_run(sim, SIM_S);
    assert_true(!sim->members[leader].failed && !sim->members[b].failed && sim_leader(sim) == (int)leader);
    greet_as_foreign(sim, leader, b);
    assert_true(sim->members[b].failed);
    assert_non_null(strstr(sim->members[b].failed_text, "another cluster"));
    assert_true(directed_end(sim, true));
}

/* ---- addresses ---- */

static void test_address(void **state)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = sim_seed(1)};
    struct sim *sim = directed_new(&config, &leader);
    struct core_change moved = {.kind = CORE_ADDRESS, .address = "10.9.9.9:1"};
    struct core_status status;

    (void)state;
    directed_others(sim, leader, &a, &b);
    moved.id = a + 1;
    /* A configuration that no member could read would end them all. */
    assert_int_equal(
        sim_change(sim, leader, &(struct core_change){.kind = CORE_ADDRESS, .id = a + 1, .address = sim_addresses[b]}),
        -1);
    assert_int_equal(
        sim_change(sim, leader,
                   &(struct core_change){.kind = CORE_ADD, .id = 9, .goal = CORE_VOTER, .address = sim_addresses[b]}),
        -1);
    assert_int_equal(
        sim_change(sim, leader, &(struct core_change){.kind = CORE_ADDRESS, .id = a + 1, .address = "h\n:1"}), -1);
    assert_int_equal(sim_change(sim, leader, &moved), 0);
    assert_true(sim_wait_equal(sim, 5 * SIM_S));
    for (size_t i = 0; i < 3; i++) {
        sim_crash(sim, i);
        sim_restart(sim, i);
    }
    assert_true(sim_wait_serving(sim, 5 * SIM_S, NULL) && sim_wait_equal(sim, 5 * SIM_S));
    for (size_t i = 0; i < 3; i++) { /* after a restart too, whatever is configured */
        status = sim_status(sim, i);
        assert_string_equal(sim_peer(sim, &status, a)->address, "10.9.9.9:1");
        assert_string_equal(sim_peer(sim, &status, b)->address, sim_addresses[b]);
    }
    assert_true(directed_end(sim, true));
}

/* ---- keys ---- */

static const char *const keys[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                                   "00000000000000000000000000000000000000000000000000000000000000ff"};

static bool set_key(struct sim *sim, size_t member, size_t of, const char *key)
{
    return sim_change(sim, member, &(struct core_change){.kind = CORE_KEY, .id = of + 1, .key = key}) == 0 &&
           sim_wait_equal(sim, 5 * SIM_S);
}

static const char *key_at(struct sim *sim, size_t member, size_t of)
{
    struct core_status status = sim_status(sim, member);

    return core_address_key(sim_peer(sim, &status, of)->address);
}

/* A key stays whatever else becomes of its member, as long as it is that one; what is none is not written. */
static void test_key(void **state)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = sim_seed(1)};
    struct sim *sim = directed_new(&config, &leader);

    (void)state;
    directed_others(sim, leader, &a, &b);
    assert_false(set_key(sim, leader, a, "00"));
    assert_false(set_key(sim, leader, a, "0000000000000000000000000000000000000000000000000000000000000 00"));
    assert_false(set_key(sim, leader, 7, keys[0]));
    assert_false(set_key(sim, leader, a, "")); /* it has none */
    assert_true(set_key(sim, leader, a, keys[0]));
    assert_false(set_key(sim, leader, a, keys[0]));
    assert_false(set_key(sim, b, a, keys[1])); /* it does not lead */
    assert_int_equal(
        sim_change(sim, leader, &(struct core_change){.kind = CORE_ADDRESS, .id = a + 1, .address = "10.9.9.9:1 h:1"}),
        0);
    assert_true(sim_wait_equal(sim, 5 * SIM_S));
    assert_int_equal(
        sim_change(sim, leader, &(struct core_change){.kind = CORE_ADDRESS, .id = b + 1, .address = "10.9.9.9:1 h:2"}),
        -1);
    for (size_t i = 0; i < 3; i++) {
        sim_crash(sim, i);
        sim_restart(sim, i);
    }
    assert_true(sim_wait_serving(sim, 5 * SIM_S, &leader) && sim_wait_equal(sim, 5 * SIM_S));
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(key_at(sim, i, a), keys[0]);
        assert_string_equal(key_at(sim, i, b), "");
    }
    assert_true(set_key(sim, leader, a, ""));
    assert_string_equal(key_at(sim, b, a), "");
    assert_true(directed_end(sim, true));
}

static bool keys_known(struct sim *sim, size_t member)
{
    return sim_status(sim, member).keys_known;
}

/* Whoever was away while a key was changed knows that its keys count for nothing as soon as it hears any member, and
 * that they count again when it has the log. */
static void test_key_while_away(void **state)
{
    size_t leader, a, b;
    struct sim_config config = {.seed = sim_seed(1)};
    struct sim *sim = directed_new(&config, &leader);

    (void)state;
    directed_others(sim, leader, &a, &b);
    assert_true(set_key(sim, leader, leader, keys[0]));
    assert_true(keys_known(sim, a));
    sim_crash(sim, a);
    assert_int_equal(sim_change(sim, leader, &(struct core_change){.kind = CORE_KEY, .id = leader + 1, .key = keys[1]}),
                     0);
    sim_run(sim, SIM_S);
    assert_int_equal(/* also while it lags behind */
                     sim_change(sim, leader, &(struct core_change){.kind = CORE_KEY, .id = b + 1, .key = keys[1]}), 0);
    assert_int_equal(
        sim_change(sim, leader, &(struct core_change){.kind = CORE_ADDRESS, .id = b + 1, .address = "10.9.9.9:1"}), -1);
    sim_run(sim, SIM_S);
    sim_cut(sim, leader, a, true); /* it refuses the new key */
    sim_cut(sim, a, leader, true);
    sim_restart(sim, a);
    assert_true(keys_known(sim, a));
    sim_run(sim, SIM_S);
    assert_string_equal(key_at(sim, b, leader), keys[1]);
    assert_string_equal(key_at(sim, a, leader), keys[0]);
    assert_false(keys_known(sim, a));
    assert_true(keys_known(sim, b) && keys_known(sim, leader));
    sim_cut(sim, leader, a, false);
    sim_cut(sim, a, leader, false);
    assert_true(sim_wait_equal(sim, 5 * SIM_S));
    assert_string_equal(key_at(sim, a, leader), keys[1]);
    assert_true(keys_known(sim, a));
    assert_true(directed_end(sim, true));
}

/* ---- at random ---- */

/* As an administrator would: its file names the present members. */
static void come_back_empty(struct sim *sim, size_t member)
{
    int leader = sim_leader(sim);
    struct core_status status;

    for (size_t i = 0; leader >= 0 && i < sim->config.n_members; i++) {
        const struct core_peer_status *peer;

        status = sim_status(sim, (size_t)leader);
        peer = sim_peer(sim, &status, i);
        sim->members[member].in_file[i] = peer != NULL && peer->member;
    }
    sim_crash(sim, member);
    sim_wipe(sim, member);
    sim_restart(sim, member);
}

/* Adds one that is none, on an empty disk; or takes one out, and what it had, or gives it another key or none. */
static void random_change(struct sim *sim)
{
    size_t member = sim_random(sim, sim->config.n_members);
    int leader = sim_leader(sim);
    const struct core_peer_status *peer;
    struct core_status status;
    struct core_change wanted;

    if (leader < 0) {
        return;
    }
    status = sim_status(sim, (size_t)leader);
    peer = sim_peer(sim, &status, member);
    if (peer != NULL && peer->member && sim_random(sim, 2) == 0) {
        wanted = change_of(CORE_KEY, member);
        wanted.key = *core_address_key(peer->address) == '\0' ? keys[sim_random(sim, 2)] : "";
        (void)sim_change(sim, (size_t)leader, &wanted);
    } else if (peer != NULL && peer->member) {
        wanted = change_of(CORE_REMOVE, member);
        (void)sim_change(sim, (size_t)leader, &wanted);
    } else if (!status.changing) {
        wanted = change_of(CORE_ADD, member);
        if (sim->members[member].disk.state != CORE_EMPTY || sim->members[member].failed) {
            come_back_empty(sim, member);
        }
        (void)sim_change(sim, (size_t)leader, &wanted);
    }
}

/* Who has ended had a reason, and does not belong to the cluster any more. */
static void check_failed(struct sim *sim)
{
    for (size_t i = 0; i < sim->config.n_members; i++) {
        const struct sim_member *member = &sim->members[i];

        if (member->failed && strstr(member->failed_text, "was removed") == NULL &&
            strstr(member->failed_text, "data directory is empty") == NULL) {
            sim_fail(sim, "member %zu: %s", i, member->failed_text);
        }
    }
}

static bool random_members(uint64_t seed, unsigned *changes, uint64_t *acked)
{
    struct sim_config config = {.seed = seed,
                                .n_members = 5,
                                .n_initial = 3,
                                .members_may_fail = true,
                                .drift_ppm = 10000,
                                .client_every_us = 10 * SIM_MS,
                                .keeper_us = seed % 2 == 0 ? 0 : 20 * SIM_MS,
                                .snapshot_threshold = seed % 4 < 2 ? 60 : 0,
                                .trailing = seed % 4 < 2 ? 50 : 0};
    struct sim *sim = sim_new(&config);
    bool ok;

    (void)sim_wait_serving(sim, 5 * SIM_S, NULL);
    for (int i = 0; i < 50 && sim->failure[0] == '\0'; i++) {
        sim_run(sim, sim_between(sim, 20 * SIM_MS, 600 * SIM_MS));
        if (sim_random(sim, 2) == 0) {
            random_change(sim);
        }
        sim_random_fault(sim);
        sim_intrude(sim);
        check_failed(sim);
    }
    sim_heal(sim);
    if (!sim_wait_serving(sim, 30 * SIM_S, NULL) && sim->failure[0] == '\0') {
        sim_fail(sim, "no leader 30 s after the faults ended");
    }
    sim->client_on = false;
    for (size_t i = 0; i < config.n_members && sim->failure[0] == '\0'; i++) {
        if (sim->members[i].failed) { /* whoever was not told why is replaced */
            (void)change(sim, CORE_REMOVE, i);
            come_back_empty(sim, i);
            (void)change(sim, CORE_ADD, i);
        }
    }
    ok = sim_wait_equal(sim, 60 * SIM_S);
    *changes += sim->faults.changes;
    *acked += sim->acked;
    return directed_end(sim, ok);
}

static void test_random(void **state)
{
    uint64_t first = sim_seed(1), acked = 0;
    unsigned n = sim_seeds(40), changes = 0, failed = 0;

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        failed += !random_members(first + i, &changes, &acked);
    }
    print_message("seeds %lu..%lu: %u changes of members, %lu acknowledged\n", (unsigned long)first,
                  (unsigned long)(first + n - 1), changes, (unsigned long)acked);
    assert_int_equal(failed, 0);
    assert_true(changes > n && acked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow_and_shrink), cmocka_unit_test(test_replaced), cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_address),         cmocka_unit_test(test_key),      cmocka_unit_test(test_key_while_away),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Maintenance mode and log level of a whole cluster; figures. The tests share one cluster and follow each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/log.h"
#include "store/base/mem.h"
#include "tests/unit/daemon/fixture.h"

static struct fixture fixture;

static int setup(void **state)
{
    (void)state;
    fixture_init(&fixture);
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        fixture_start(&fixture, i);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    log_set_level(LOG_INFO);
    return 0;
}

static void set_mode(enum store_mode mode)
{
    struct store_request request;

    store_request_init(&request, STORE_REQ_MODE);
    request.mode = mode;
    assert_int_equal(fixture_submit(&fixture, fixture_leader(&fixture), &request).kind, API_DONE);
    store_request_fini(&request);
}

static bool all_have(struct fixture *any, void *user)
{
    enum store_mode mode = *(enum store_mode *)user;

    (void)any;
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        if (store_settings(fixture.members[i]->store)->mode != mode) {
            return false;
        }
    }
    return true;
}

static bool wishes_nothing(struct fixture *any, void *user)
{
    (void)any;
    return ((struct member *)user)->wish == 0;
}

static void test_any_member_leads_out_of_maintenance(void **state)
{
    enum store_mode read_only = STORE_MODE_READ_ONLY, normal = STORE_MODE_NORMAL;

    (void)state;
    for (int follower = 0; follower < 2; follower++) {
        struct member *member;

        set_mode(read_only);
        fixture_until(&fixture, "read-only everywhere", all_have, &read_only);
        member = follower ? fixture_follower(&fixture) : fixture_leader(&fixture);
        member_reset_mode(member);
        fixture_until(&fixture, "normal everywhere", all_have, &normal);
        fixture_until(&fixture, "the signal counts no more", wishes_nothing, member);
    }
    set_mode(read_only);
    member_reset_mode(fixture_leader(&fixture));
    fixture_until(&fixture, "normal everywhere", all_have, &normal);
    member_reset_mode(fixture_follower(&fixture)); /* there is nothing to do */
    fixture_until(&fixture, "the signal counts no more", wishes_nothing, fixture_follower(&fixture));
}

static bool leader_has(struct fixture *any, void *user)
{
    return store_settings(fixture_leader(any)->store)->mode == *(enum store_mode *)user;
}

/* The signal comes to a member that has not heard yet that the mode is read-only. */
static void test_a_signal_before_the_news(void **state)
{
    enum store_mode read_only = STORE_MODE_READ_ONLY, normal = STORE_MODE_NORMAL;
    struct store_request request;
    struct answer answer;

    (void)state;
    store_request_init(&request, STORE_REQ_MODE);
    request.mode = read_only;
    answer = fixture_submit(&fixture, fixture_leader(&fixture), &request);
    assert_int_equal(answer.kind, API_DONE);
    fixture_until(&fixture, "read-only where it was asked for", leader_has, &read_only);
    member_reset_mode(fixture_follower(&fixture));
    fixture_until(&fixture, "normal everywhere", all_have, &normal);
    store_request_fini(&request);
}

/* What a member would tell now, at some other time. */
static void tell(struct member *from, struct member *to, uint64_t wish, const struct replicas *wishes_done)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;

    replicas_encode(&(struct replicas_word){.version = "0.1.0", .wish = wish, .wishes_done = wishes_done}, &buf);
    member_told(to, (uint64_t)from->cfg->member_id, buf.data, buf.len);
}

struct told {
    const struct member *from, *to;
    uint64_t index;
};

static bool was_told(struct fixture *any, void *user)
{
    const struct told *told = user;
    const struct replica *replica = replicas_get(told->to->replicas, (uint64_t)told->from->cfg->member_id);

    (void)any;
    return replica != NULL && replica->index >= told->index;
}

/* A signal counts for what was set before it, however late and often it is told. */
static void test_an_old_signal_ends_no_newer_maintenance(void **state)
{
    enum store_mode read_only = STORE_MODE_READ_ONLY, normal = STORE_MODE_NORMAL;
    struct member *leader = fixture_leader(&fixture), *follower = fixture_follower(&fixture);
    struct told told = {follower, leader, 0};
    uint64_t old;

    (void)state;
    for (int without_work = 0; without_work < 2; without_work++) {
        if (!without_work) {
            set_mode(read_only);
        }
        member_reset_mode(follower);
        old = follower->wish;
        fixture_until(&fixture, "normal everywhere", all_have, &normal);
        fixture_until(&fixture, "the signal counts no more", wishes_nothing, follower);
        set_mode(read_only);
        tell(follower, leader, old, NULL);
        assert_false(leader->resetting);
        told.index = store_applied_index(leader->store);
        fixture_until(&fixture, "the leader was told again", was_told, &told);
        assert_int_equal(store_settings(leader->store)->mode, read_only);
    }
    member_reset_mode(follower); /* a new one counts */
    fixture_until(&fixture, "normal everywhere", all_have, &normal);
}

/* A signal, and another one before the member hears what became of the first. */
static void test_old_news_takes_no_newer_signal_back(void **state)
{
    enum store_mode read_only = STORE_MODE_READ_ONLY, normal = STORE_MODE_NORMAL;
    struct member *leader = fixture_leader(&fixture), *follower = fixture_follower(&fixture);
    struct replicas *old = replicas_new();
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    uint64_t newer;

    (void)state;
    member_reset_mode(follower);
    replicas_encode(&(struct replicas_word){.version = "0.1.0", .wish = follower->wish}, &buf);
    assert_true(replicas_told(old, (uint64_t)follower->cfg->member_id, buf.data, buf.len));
    replicas_wishes_done(old);
    fixture_until(&fixture, "the signal counts no more", wishes_nothing, follower);

    set_mode(read_only);
    member_reset_mode(follower);
    newer = follower->wish;
    tell(leader, follower, 0, old);
    follower->mode_seen = STORE_MODE_READ_ONLY; /* and the mode that the first one brought about is applied only now */
    member_settings_changed(follower);
    assert_int_equal(follower->wish, newer);
    fixture_until(&fixture, "normal everywhere", all_have, &normal);
    fixture_until(&fixture, "the signal counts no more", wishes_nothing, follower);
    replicas_free(old);
}

static void test_a_log_level_is_that_of_all_members(void **state)
{
    struct store_request request;

    (void)state;
    store_request_init(&request, STORE_REQ_LOG_LEVEL);
    request.log_level = LOG_ERROR + 1;
    assert_int_equal(fixture_submit(&fixture, fixture_leader(&fixture), &request).kind, API_DONE);
    assert_int_equal(log_get_level(), LOG_ERROR);
    /* Whoever gets the settings later, by the log or by a snapshot, takes the level from them. */
    log_set_level(LOG_INFO);
    member_settings_changed(fixture_leader(&fixture));
    assert_int_equal(log_get_level(), LOG_ERROR);
    store_request_fini(&request);
}

static void assert_has(const struct buf *buf, const char *text)
{
    if (strstr(buf_str(buf), text) == NULL) {
        fail_msg("%s is not in\n%s", text, buf_str(buf));
    }
}

static void test_figures(void **state)
{
    struct member *leader = fixture_leader(&fixture);
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    CLEANUP(buf_fini) struct buf follower = BUF_INIT;

    (void)state;
    fixture_load_topology(&fixture);
    fixture_finish(&fixture, leader, fixture_create(&fixture, "v", 1).op_id);
    member_metrics(leader, &buf);
    assert_has(&buf, "\nhecate_raft_leader 1\n");
    assert_has(&buf, "\nhecate_raft_serving 1\n");
    assert_has(&buf, "\nhecate_address_held 0\n");
    assert_has(&buf, "\nhecate_volumes 1\n");
    assert_has(&buf, "hecate_operations_ended_total{result=\"done\",type=\"create-volume\"} 1\n");
    assert_has(&buf, "hecate_step_seconds_count{step=\"volume-create\"} 1\n");
    assert_has(&buf, "hecate_steps_failed_total{step=\"volume-create\"} 0\n");
    assert_has(&buf, "hecate_commit_seconds_bucket{le=\"+Inf\"} ");
    assert_has(&buf, "\nhecate_loop_lag_seconds_count ");
    assert_has(&buf, "\nhecate_node_up{hostname=\"");
    assert_has(&buf, "\nhecate_raft_member_lag_entries{member=\"");
    assert_has(&buf, "\nhecate_snapshot_bytes ");
    member_metrics(fixture_follower(&fixture), &follower);
    assert_has(&follower, "\nhecate_raft_leader 0\n");
    assert_null(strstr(buf_str(&follower), "hecate_node_up")); /* it asks none */
}

static bool rebalance_has_ended(struct fixture *any, void *user)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;

    (void)any;
    member_metrics(user, &buf);
    return strstr(buf_str(&buf), "hecate_operations_ended_total{result=\"done\",type=\"rebalance-volume\"} 1\n") !=
           NULL;
}

static void expand(struct id volume)
{
    struct member *leader = fixture_leader(&fixture);
    struct store_request request;
    struct answer answer;

    store_request_init(&request, STORE_REQ_VOLUME_EXPAND);
    request.target = volume;
    request.volume.size_gib = 1;
    answer = fixture_submit(&fixture, leader, &request);
    store_request_fini(&request);
    assert_int_equal(answer.kind, API_ACCEPTED);
    assert_false(fixture_finish(&fixture, leader, answer.op_id)->failed);
}

static void test_rebalance_on_expansion(void **state)
{
    struct id volume = fixture_create(&fixture, "grows", 1).id;

    (void)state;
    (void)fixture_finish(&fixture, fixture_leader(&fixture),
                         store_volume(fixture_leader(&fixture)->store, volume)->pending);
    expand(volume);
    fixture_until(&fixture, "a rebalance has ended", rebalance_has_ended, fixture_leader(&fixture));
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        fixture_stop(&fixture, i);
        fixture.cfgs[i].ssh_rebalance = false;
    }
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        fixture_start(&fixture, i);
    }
    expand(volume);
    /* The end of an expand is what begins a rebalance. */
    assert_int_equal(store_counts(fixture_leader(&fixture)->store).operations, 0);
}

static void test_histograms(void **state)
{
    struct metrics metrics = {0};
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;

    (void)state;
    metrics_time(&metrics.commit, 500); /* a bound belongs to its bucket */
    metrics_time(&metrics.commit, 501);
    metrics_time(&metrics.commit, UINT64_C(20000000));
    metrics_out(&buf, &metrics);
    assert_has(&buf, "hecate_commit_seconds_bucket{le=\"0.0005\"} 1\n");
    assert_has(&buf, "hecate_commit_seconds_bucket{le=\"0.001\"} 2\n");
    assert_has(&buf, "hecate_commit_seconds_bucket{le=\"10\"} 2\n");
    assert_has(&buf, "hecate_commit_seconds_bucket{le=\"+Inf\"} 3\n");
    assert_has(&buf, "hecate_commit_seconds_sum 20.001001\n");
    assert_has(&buf, "hecate_commit_seconds_count 3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_member_leads_out_of_maintenance),
        cmocka_unit_test(test_a_signal_before_the_news),
        cmocka_unit_test(test_an_old_signal_ends_no_newer_maintenance),
        cmocka_unit_test(test_old_news_takes_no_newer_signal_back),
        cmocka_unit_test(test_a_log_level_is_that_of_all_members),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_rebalance_on_expansion),
        cmocka_unit_test(test_histograms),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

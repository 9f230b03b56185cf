/* Steps on Gluster as traces: what is asked, what is answered, what comes of it. Then every answer of every trace is
 * replaced by each way in which things go wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/gluster.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "tests/unit/executor/trace.h"

#define SET_ID "volume set rep user.heketi.id " ID
#define CREATE_REP "volume create rep replica 3 " REP_BRICKS

static const struct trace traces[] = {
    /* ---- volume create ---- */
    {"created",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "volume-info-absent.xml"},
      {CREATE_REP, "create-rep.xml"},
      {SET_ID, "set-id.xml"},
      {"volume start rep", "start-rep.xml"},
      {"sync " INFO("rep"), "info-rep.xml"}},
     E_OK,
     false,
     ""},
    {"found done",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "info-rep.xml"}, {"sync " INFO("rep"), "info-rep.xml"}},
     E_OK,
     false,
     ""},
    {"found created, not started",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "info-created.xml"},
      {SET_ID, "set-id.xml"},
      {"volume start rep", "start-rep.xml"},
      {"sync " INFO("rep"), "info-rep.xml"}},
     E_OK,
     false,
     ""},
    {"started by an earlier try in between",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "info-created.xml"},
      {SET_ID, "set-id.xml"},
      {"volume start rep", "start-again.xml"},
      {"sync " INFO("rep"), "info-rep.xml"}},
     E_OK,
     false,
     ""},
    {"options in as few commands as their kinds allow",
     EXEC_VOLUME_CREATE,
     "rep",
     6,
     0,
     {{INFO("rep"), "volume-info-absent.xml"},
      {CREATE_REP, "create-rep.xml"},
      {"volume set rep a.b on user.d x y", "set-two.xml"},
      {"volume set rep group virt", "set-two.xml"},
      {"volume set rep e.f 1", "set-two.xml"},
      {"volume set rep lonely", "set-two.xml"},
      {SET_ID, "set-id.xml"},
      {"volume start rep", "start-rep.xml"},
      {"sync " INFO("rep"), "info-rep.xml"}},
     E_OK,
     false,
     ""},
    {"an option is refused",
     EXEC_VOLUME_CREATE,
     "rep",
     1,
     0,
     {{INFO("rep"), "info-created.xml"}, {"volume set rep a.b on user.heketi.id " ID, "set-unknown.xml"}},
     E_REMOTE,
     false,
     "option : no.such.option does not exist\nDid you mean nfs.drc-size or ...mem-factor?"},
    {"other bricks",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "info-dist.xml"}},
     E_REMOTE,
     true,
     "volume dist exists with other bricks: 198.18.0.11:" MOUNTS "/brick_4/brick 198.18.0.12:" MOUNTS "/brick_4/brick"},
    {"more bricks", EXEC_VOLUME_CREATE, "rep", 0, 0, {{INFO("rep"), "info-expanded.xml"}}, E_REMOTE, true, NULL},
    {"refused",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "volume-info-absent.xml"}, {CREATE_REP, "create-inuse.xml"}},
     E_REMOTE,
     false,
     "Brick: 198.18.0.11:" MOUNTS
     "/brick_1/brick not available. Brick may be containing or be contained by an existing "
     "brick."},
    {"does not start",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "info-created.xml"},
      {SET_ID, "set-id.xml"},
      {"volume start rep", "start-rep.xml"},
      {"sync " INFO("rep"), "info-created.xml"}},
     E_REMOTE,
     false,
     "volume rep does not start"},
    {"gone at the last look",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "info-rep.xml"}, {"sync " INFO("rep"), "volume-info-absent.xml"}},
     E_REMOTE,
     false,
     "volume rep is not there after it was created"},
    {"other at the last look",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "info-rep.xml"}, {"sync " INFO("rep"), "info-expanded.xml"}},
     E_REMOTE,
     true,
     NULL},
    {"two volumes in the answer",
     EXEC_VOLUME_CREATE,
     "rep",
     0,
     0,
     {{INFO("rep"), "volume-info-all.xml"}},
     E_REMOTE,
     false,
     NULL},
    {"arbiter",
     EXEC_VOLUME_CREATE,
     "arb",
     0,
     0,
     {{INFO("arb"), "volume-info-absent.xml"},
      {"volume create arb replica 3 arbiter 1 198.18.0.11:" MOUNTS "/brick_2/brick 198.18.0.12:" MOUNTS
       "/brick_2/brick 198.18.0.13:" MOUNTS "/brick_2/brick",
       "create-rep.xml"},
      {"volume set arb user.heketi.id " ID, "set-id.xml"},
      {"volume start arb", "start-rep.xml"},
      {"sync " INFO("arb"), "info-arb.xml"}},
     E_OK,
     false,
     ""},
    {"disperse",
     EXEC_VOLUME_CREATE,
     "disp",
     0,
     0,
     {{INFO("disp"), "volume-info-absent.xml"},
      {"volume create disp disperse-data 2 redundancy 1 198.18.0.11:" MOUNTS "/brick_3/brick 198.18.0.12:" MOUNTS
       "/brick_3/brick 198.18.0.13:" MOUNTS "/brick_3/brick",
       "create-rep.xml"},
      {"volume set disp user.heketi.id " ID, "set-id.xml"},
      {"volume start disp", "start-rep.xml"},
      {"sync " INFO("disp"), "info-disp.xml"}},
     E_OK,
     false,
     ""},
    {"distribute",
     EXEC_VOLUME_CREATE,
     "dist",
     0,
     0,
     {{INFO("dist"), "volume-info-absent.xml"},
      {"volume create dist 198.18.0.11:" MOUNTS "/brick_4/brick 198.18.0.12:" MOUNTS "/brick_4/brick",
       "create-rep.xml"},
      {"volume set dist user.heketi.id " ID, "set-id.xml"},
      {"volume start dist", "start-rep.xml"},
      {"sync " INFO("dist"), "info-dist.xml"}},
     E_OK,
     false,
     ""},
    /* ---- volume delete ---- */
    {"deleted",
     EXEC_VOLUME_DELETE,
     "rep",
     0,
     0,
     {{"sync " INFO("rep"), "info-rep.xml"},
      {"snapshot list rep", "snap-list-zero.xml"},
      {"volume stop rep force", "stop-disp.xml"},
      {"volume delete rep", "delete-disp.xml"},
      {"sync " INFO("rep"), "volume-info-absent.xml"}},
     E_OK,
     false,
     ""},
    {"nothing to delete",
     EXEC_VOLUME_DELETE,
     "rep",
     0,
     0,
     {{"sync " INFO("rep"), "volume-info-absent.xml"}},
     E_OK,
     false,
     ""},
    {"stopped already",
     EXEC_VOLUME_DELETE,
     "rep",
     0,
     0,
     {{"sync " INFO("rep"), "info-created.xml"},
      {"snapshot list rep", "snap-list-zero.xml"},
      {"volume stop rep force", "stop-again.xml"},
      {"volume delete rep", "delete-disp.xml"},
      {"sync " INFO("rep"), "volume-info-absent.xml"}},
     E_OK,
     false,
     ""},
    {"deleted by an earlier try in between",
     EXEC_VOLUME_DELETE,
     "rep",
     0,
     0,
     {{"sync " INFO("rep"), "info-rep.xml"},
      {"snapshot list rep", "snap-list-zero.xml"},
      {"volume stop rep force", "volume-start-absent.xml"},
      {"volume delete rep", "volume-delete-absent.xml"},
      {"sync " INFO("rep"), "volume-info-absent.xml"}},
     E_OK,
     false,
     ""},
    {"has snapshots: refused before the stop",
     EXEC_VOLUME_DELETE,
     "rep",
     0,
     0,
     {{"sync " INFO("rep"), "info-rep.xml"}, {"snapshot list rep", "snap-list.xml"}},
     E_REMOTE,
     true,
     "Unable to delete volume rep because it contains 1 snapshots"},
    {"a peer is down",
     EXEC_VOLUME_DELETE,
     "rep",
     0,
     0,
     {{"sync " INFO("rep"), "info-rep.xml"},
      {"snapshot list rep", "snap-list-zero.xml"},
      {"volume stop rep force", "stop-disp.xml"},
      {"volume delete rep", "delete-peer-down.xml"}},
     E_REMOTE,
     false,
     "Some of the peers are down"},
    {"still there",
     EXEC_VOLUME_DELETE,
     "rep",
     0,
     0,
     {{"sync " INFO("rep"), "info-rep.xml"},
      {"snapshot list rep", "snap-list-zero.xml"},
      {"volume stop rep force", "stop-disp.xml"},
      {"volume delete rep", "delete-disp.xml"},
      {"sync " INFO("rep"), "info-stopped.xml"}},
     E_REMOTE,
     false,
     "volume rep is still there"},
    {"snapshots cannot be listed",
     EXEC_VOLUME_DELETE,
     "rep",
     0,
     0,
     {{"sync " INFO("rep"), "info-rep.xml"}, {"snapshot list rep", "busy-2.xml"}},
     E_BUSY,
     false,
     NULL},
    /* ---- peers ---- */
    {"probed",
     EXEC_PEER_PROBE,
     NULL,
     0,
     0,
     {{"sync pool list", "pool-single.xml"},
      {"peer probe 198.18.0.12", "probe-ok.xml"},
      {"sync pool list", "pool-single.xml"},
      {"wait pool list", "pool-single.xml"},
      {"wait pool list", "pool.xml"}},
     E_OK,
     false,
     ""},
    {"in the pool already", EXEC_PEER_PROBE, NULL, 0, 0, {{"sync pool list", "pool.xml"}}, E_OK, false, ""},
    {"with the limit of snapshots",
     EXEC_PEER_PROBE,
     NULL,
     0,
     200,
     {{"sync pool list", "pool.xml"}, {"snapshot config snap-max-hard-limit 200", "snap-config.xml"}},
     E_OK,
     false,
     ""},
    {"the limit is refused",
     EXEC_PEER_PROBE,
     NULL,
     0,
     200,
     {{"sync pool list", "pool.xml"}, {"snapshot config snap-max-hard-limit 200", "snap-create-absent.xml"}},
     E_REMOTE,
     false,
     "Volume (absent) does not exist"},
    {"not reachable",
     EXEC_PEER_PROBE,
     NULL,
     0,
     0,
     {{"sync pool list", "pool-single.xml"}, {"peer probe 198.18.0.12", "!probe-unreachable.xml"}},
     E_REMOTE,
     false,
     "Probe returned with Transport endpoint is not connected"},
    {"the pool cannot be seen",
     EXEC_PEER_PROBE,
     NULL,
     0,
     0,
     {{"sync pool list", "!heal-dist.xml"}},
     E_REMOTE,
     false,
     NULL},
    {"detached",
     EXEC_PEER_DETACH,
     NULL,
     0,
     0,
     {{"sync pool list", "pool.xml"},
      {"peer detach 198.18.0.12", "probe-ok.xml"},
      {"sync pool list", "pool-single.xml"}},
     E_OK,
     false,
     ""},
    {"not in the pool", EXEC_PEER_DETACH, NULL, 0, 0, {{"sync pool list", "pool-single.xml"}}, E_OK, false, ""},
    {"detached by an earlier try in between",
     EXEC_PEER_DETACH,
     NULL,
     0,
     0,
     {{"sync pool list", "pool.xml"},
      {"peer detach 198.18.0.12", "detach-unknown.xml"},
      {"sync pool list", "pool-single.xml"}},
     E_OK,
     false,
     ""},
    {"not remembered", EXEC_PEER_FORGET, NULL, 0, 0, {{"sync pool list", "pool-single.xml"}}, E_OK, false, ""},
    {"remembered: let go of by force, since it is a stranger by now",
     EXEC_PEER_FORGET,
     NULL,
     0,
     0,
     {{"sync pool list", "pool.xml"},
      {"peer detach 198.18.0.12 force", "probe-ok.xml"},
      {"sync pool list", "pool-single.xml"}},
     E_OK,
     false,
     ""},
    {"remembered for ever",
     EXEC_PEER_FORGET,
     NULL,
     0,
     0,
     {{"sync pool list", "pool.xml"},
      {"peer detach 198.18.0.12 force", "probe-ok.xml"},
      {"sync pool list", "pool.xml"}},
     E_REMOTE,
     false,
     "198.18.0.12 is still in the pool"},
    {"has bricks",
     EXEC_PEER_DETACH,
     NULL,
     0,
     0,
     {{"sync pool list", "pool.xml"}, {"peer detach 198.18.0.12", "detach-bricks.xml"}},
     E_REMOTE,
     false,
     "Peer 198.18.0.13 hosts one or more bricks. If the peer is in not recoverable state then use either replace-brick "
     "or "
     "remove-brick command with force to remove all bricks from the peer and attempt the peer detach again."},
    {"still in the pool",
     EXEC_PEER_DETACH,
     NULL,
     0,
     0,
     {{"sync pool list", "pool.xml"}, {"peer detach 198.18.0.12", "probe-ok.xml"}, {"sync pool list", "pool.xml"}},
     E_REMOTE,
     false,
     "198.18.0.12 is still in the pool"},
};
#define TRACES (sizeof(traces) / sizeof(*traces))

static void test_traces(void **state)
{
    (void)state;
    trace_check(traces, TRACES);
}

static void test_troubles(void **state)
{
    (void)state;
    trace_check_troubles(traces, TRACES);
}

/* A peer that never becomes connected is not waited for without end. */
static void test_never_connected(void **state)
{
    static const struct trace trace = {
        "never connected",
        EXEC_PEER_PROBE,
        NULL,
        0,
        0,
        {{"sync pool list", "pool-single.xml"}, {"peer probe 198.18.0.12", "probe-ok.xml"}},
        E_REMOTE,
        false,
        ""};
    struct step_talk talk;
    struct trace_stage stage;
    unsigned looks = 0;

    (void)state;
    trace_play(&talk, &stage, &trace, TRACE_EXCHANGES_MAX);
    while (!talk.ended) {
        trace_answer(&talk, "pool-single.xml");
        looks++;
    }
    assert_int_equal(looks, 60);
    assert_int_equal(talk.result.code, E_REMOTE);
    assert_string_equal(talk.result.message, "198.18.0.12 does not become connected");
    step_fini(&talk);
}

/* However often a node has something new to say. */
static void test_endless(void **state)
{
    const struct step_reply reply = {.out = "",
                                     .error = "B\xfc"
                                              "cher"};
    const struct exec_step step = {.kind = EXEC_GLUSTERD_CHECK, .host = "n1"};
    struct exec_config config;
    struct step_talk talk;

    (void)state;
    exec_config_init(&config);
    step_begin(&talk, &config, &step);
    talk.calls = 499;
    step_hear(&talk, &reply);
    assert_true(talk.ended);
    assert_int_equal(talk.result.code, E_REMOTE);
    assert_non_null(strstr(talk.result.message, "500 times"));
    step_fini(&talk);
}

/* What a node says need not be UTF-8, and is cut at a character. */
static void test_foreign_text(void **state)
{
    static const char fffd[] = "\xef\xbf\xbd";
    const struct exec_step step = {.kind = EXEC_GLUSTERD_CHECK, .host = "n1"};
    CLEANUP(buf_fini) struct buf many = BUF_INIT;
    struct exec_config config;
    struct step_talk talk;

    (void)state;
    exec_config_init(&config);
    for (int i = 0; i < 2000; i++) {
        buf_append_str(&many, "\xe2\x82\xac");
    }
    for (int i = 0; i < 2; i++) {
        const struct step_reply reply = {.status = 1,
                                         .out = "",
                                         .error = i == 0 ? "B\xfc"
                                                           "cher\r\n"
                                                         : buf_str(&many)};

        step_begin(&talk, &config, &step);
        step_hear(&talk, &reply);
        assert_true(talk.ended && text_is_clean(talk.result.message));
        assert_int_equal(strstr(talk.result.message, fffd) != NULL, i == 0);
        step_fini(&talk);
    }
}

/* A peer that is known but not connected, or not yet in the pool, is probed again. */
static void test_half_a_peer(void **state)
{
    static const char *const halves[] = {"<connected>0</connected><state>3</state>",
                                         "<connected>1</connected><state>4</state>"};
    static const struct trace trace = {.name = "half a peer", .kind = EXEC_PEER_PROBE};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(free_ptr)
        char *text = mem_printf("<cliOutput><opRet>0</opRet><peerStatus><peer><uuid>u</uuid><hostname>other</hostname>"
                                "<hostnames><hostname>other</hostname><hostname>198.18.0.12</hostname></hostnames>%s"
                                "</peer></peerStatus></cliOutput>",
                                halves[i]);
        const struct step_reply reply = {.out = text, .out_len = strlen(text), .error = ""};
        CLEANUP(free_ptr) char *question = NULL;
        struct step_talk talk;
        struct trace_stage stage;

        trace_play(&talk, &stage, &trace, 0);
        step_hear(&talk, &reply);
        assert_false(talk.ended);
        question = trace_asked(buf_str(&talk.script));
        assert_string_equal(question, "peer probe 198.18.0.12");
        step_fini(&talk);
    }
}

/* The names of steps, and how long they may take. */
static void test_table(void **state)
{
    struct exec_config config;
    struct exec_step step = {.kind = EXEC_VOLUME_CREATE};

    (void)state;
    exec_config_init(&config);
    assert_string_equal(exec_step_name(EXEC_BRICK_CREATE), "brick-create");
    assert_string_equal(exec_step_name(EXEC_FENCE), "fence");
    assert_int_equal(step_timeout_ms(&config, &step), 720000);
    config.gluster_timeout_s = 10;
    assert_int_equal(step_timeout_ms(&config, &step), 130000);
    step.kind = EXEC_GLUSTERD_CHECK;
    assert_int_equal(step_timeout_ms(&config, &step), 15000);
    step.timeout_ms = 5;
    assert_int_equal(step_timeout_ms(&config, &step), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces),      cmocka_unit_test(test_troubles), cmocka_unit_test(test_never_connected),
        cmocka_unit_test(test_half_a_peer), cmocka_unit_test(test_endless),  cmocka_unit_test(test_foreign_text),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
#include "tests/unit/executor/data.h"

#define ID "00000000000000000000000000000000"
#define MOUNTS "/var/lib/heketi/mounts/vg_0123"
#define REP_BRICKS \
    "198.18.0.11:" MOUNTS "/brick_1/brick 198.18.0.12:" MOUNTS "/brick_1/brick 198.18.0.13:" MOUNTS "/brick_1/brick"
#define EXCHANGES_MAX 12

struct exchange {
    const char *asked;  /* the words; before them "sync " and "wait " where the script does that first */
    const char *answer; /* a file in data/; in front of it "!": gluster's exit status is 1 */
};

struct trace {
    const char *name;
    enum exec_step_kind kind;
    const char *volume;
    unsigned options; /* of the volume below */
    uint32_t snapshot_limit;
    struct exchange exchanges[EXCHANGES_MAX];
    int code;
    bool permanent;
    const char *message;
};

#define INFO(name) "volume info " name
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
      {"volume set rep a.b on c.d x y", "set-two.xml"},
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

/* ---- the step of a trace ---- */

struct stage {
    struct exec_config config;
    struct store_volume volume;
    struct store_brick bricks[3];
    struct exec_brick items[3];
    struct exec_step step;
};

static char *texts[] = {(char[]){"a.b on"},     (char[]){"c.d x y"}, (char[]){""},
                        (char[]){"group virt"}, (char[]){"e.f 1"},   (char[]){"lonely"}};
static char *paths[] = {(char[]){MOUNTS "/brick_1/brick"}, (char[]){MOUNTS "/brick_2/brick"},
                        (char[]){MOUNTS "/brick_3/brick"}, (char[]){MOUNTS "/brick_4/brick"}};
static char pool[] = "tp", lv[] = "lv";
static char *hosts[] = {(char[]){"198.18.0.11"}, (char[]){"198.18.0.12"}, (char[]){"198.18.0.13"}};

static void stage_init(struct stage *stage, const struct trace *trace)
{
    const char *volume = trace->volume != NULL ? trace->volume : "none";
    int shape = strcmp(volume, "rep") == 0 ? 0 : strcmp(volume, "arb") == 0 ? 1 : strcmp(volume, "disp") == 0 ? 2 : 3;

    memset(stage, 0, sizeof(*stage));
    exec_config_init(&stage->config);
    for (size_t i = 0; i < 3; i++) {
        stage->bricks[i] = (struct store_brick){.pool = pool, .lv = lv, .path = paths[shape]};
        stage->bricks[i].type = shape == 1 && i == 2 ? STORE_BRICK_ARBITER : STORE_BRICK_NORMAL;
        stage->items[i] = (struct exec_brick){&stage->bricks[i], hosts[i]};
    }
    stage->volume = (struct store_volume){.name = (char *)(uintptr_t)volume, .options = {texts, trace->options}};
    stage->volume.durability = shape < 2 ? STORE_REPLICATE : shape == 2 ? STORE_DISPERSE : STORE_NONE;
    stage->volume.replica = 3;
    stage->volume.disperse_data = 2;
    stage->volume.redundancy = 1;
    stage->step = (struct exec_step){.kind = trace->kind,
                                     .term = 7,
                                     .peer = hosts[1],
                                     .volume = &stage->volume,
                                     .bricks = stage->items,
                                     .n_bricks = shape == 3 ? 2 : 3,
                                     .snapshot_limit = trace->snapshot_limit};
}

/* The gluster command of a script as words; every script is fenced before it. */
static char *asked(const char *script)
{
    static const char command[] = "gluster --mode=script --timeout=\"$LIMIT\" ";
    const char *fence = strstr(script, "flock -s -w 60 9");
    const char *compare = strstr(script, "\"$TERM_NUMBER\" ] || exit 77");
    const char *sync = strstr(script, "sync -f /var/lib/glusterd");
    const char *wait = strstr(script, "sleep");
    const char *at = strstr(script, command);
    struct buf text = BUF_INIT;

    assert_non_null(strstr(script, "TERM_NUMBER=7 "));
    assert_true(fence != NULL && compare > fence && at > compare);
    assert_true(wait == NULL || wait < fence); /* never with a lock in hand */
    assert_true(sync == NULL || (sync > compare && sync < at));
    assert_null(strstr(at + 1, command));
    buf_append_str(&text, sync != NULL ? "sync " : "");
    buf_append_str(&text, wait != NULL ? "wait " : "");
    for (at += sizeof(command) - 1; strncmp(at, " --xml\n", 7) != 0; at++) {
        if (*at != '\'') {
            buf_append_char(&text, *at);
        }
    }
    return buf_take(&text);
}

static void answer(struct step_talk *talk, const char *name)
{
    CLEANUP(free_ptr) char *text = data_read(name + (*name == '!'));
    const struct step_reply reply = {.status = *name == '!' ? 1 : 0, .out = text, .out_len = strlen(text), .error = ""};

    step_hear(talk, &reply);
}

/* Plays the first n exchanges. */
static void play(struct step_talk *talk, struct stage *stage, const struct trace *trace, size_t n)
{
    struct err err = ERR_INIT;

    stage_init(stage, trace);
    assert_int_equal(step_check(&stage->config, &stage->step, &err), 0);
    step_begin(talk, &stage->config, &stage->step);
    for (size_t i = 0; i < n && trace->exchanges[i].asked != NULL; i++) {
        CLEANUP(free_ptr) char *question = NULL;

        if (talk->ended) {
            fail_msg("%s: ended before exchange %zu: %s", trace->name, i, talk->result.message);
        }
        question = asked(buf_str(&talk->script));
        if (strcmp(question, trace->exchanges[i].asked) != 0) {
            fail_msg("%s: exchange %zu asks '%s', expected '%s'", trace->name, i, question, trace->exchanges[i].asked);
        }
        answer(talk, trace->exchanges[i].answer);
    }
}

static void test_traces(void **state)
{
    (void)state;
    for (size_t i = 0; i < TRACES; i++) {
        const struct trace *trace = &traces[i];
        struct step_talk talk;
        struct stage stage;

        play(&talk, &stage, trace, EXCHANGES_MAX);
        if (!talk.ended || talk.result.code != trace->code || talk.result.permanent != trace->permanent ||
            (trace->message != NULL && strcmp(talk.result.message, trace->message) != 0)) {
            fail_msg("%s: ended %d, code %d, permanent %d: %s", trace->name, talk.ended, talk.result.code,
                     talk.result.permanent, talk.result.message);
        }
        step_fini(&talk);
    }
}

/* ---- everything that can go wrong, everywhere ---- */

static const struct {
    const char *name;
    struct step_reply reply;
    int code;
    const char *message; /* in it */
} troubles[] = {
    {"another transaction",
     {0,
      "<cliOutput><opRet>-1</opRet><opErrno>30802</opErrno><opErrstr>Another transaction is in progress for rep. "
      "Please try again after some time.</opErrstr></cliOutput>",
      0, "", false},
     E_BUSY,
     "Another transaction"},
    {"a lock without a number",
     {1,
      "<cliOutput><opRet>-1</opRet><opErrno>0</opErrno><opErrstr>Locking failed on 198.18.0.12. Please check log file "
      "for details.</opErrstr></cliOutput>",
      0, "", false},
     E_BUSY,
     "Locking failed"},
    {"refused",
     {0, "<cliOutput><opRet>-1</opRet><opErrno>30800</opErrno><opErrstr>no &amp; no</opErrstr></cliOutput>", 0, "",
      false},
     E_REMOTE,
     "no & no"},
    {"refused without a word",
     {0, "<cliOutput><opRet>-1</opRet><opErrno>30800</opErrno><opErrstr/></cliOutput>", 0, "", false},
     E_REMOTE,
     "gluster refused (-1, 30800) without saying why"},
    {"time ran out in gluster", {1, "Error : Request timed out\n", 0, "", false}, E_BUSY, "Error : Request timed out"},
    {"no glusterd",
     {1, "Connection failed. Please check if gluster daemon is operational.\n", 0, "", false},
     E_REMOTE,
     "Connection failed. Please check if gluster daemon is operational."},
    {"usage", {1, "", 0, "\nUsage:\nvolume set <VOLNAME> <KEY> <VALUE>\n", false}, E_REMOTE, "Usage"},
    {"time ran out", {SCRIPT_TIMEOUT, "", 0, "", false}, E_TIMEOUT, "process exited with status 124"},
    {"killed", {SCRIPT_KILLED, "<cliOutput><opRet>0</opRet></cliOutput>", 0, "", false}, E_TIMEOUT, "status 137"},
    {"fenced", {SCRIPT_FENCED, "", 0, "term 9 has taken over\n", false}, E_FENCED, "term 9 has taken over"},
    {"the fence is being raised",
     {SCRIPT_BUSY, "", 0, "the fence of this node is being raised", false},
     E_BUSY,
     "raised"},
    {"the fence does not stay raised", {SCRIPT_RAISE, "", 0, "", false}, E_REMOTE, "status 77"},
    {"empty", {0, "", 0, "", false}, E_REMOTE, "not what was expected: no XML"},
    {"garbage", {0, "\x01\xff<<>", 0, "oops", false}, E_REMOTE, "not what was expected: no XML"},
    {"cut short", {0, "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErr", 0, "", false}, E_REMOTE, "no XML"},
    {"no outcome", {0, "<cliOutput><opErrstr/></cliOutput>", 0, "", false}, E_REMOTE, "opRet is missing"},
    {"too large", {0, "<cliOutput><opRet>0</opRet></cliOutput>", 0, "", true}, E_REMOTE, "too large"},
};

static void test_troubles(void **state)
{
    (void)state;
    for (size_t i = 0; i < TRACES; i++) {
        for (size_t at = 0; at < EXCHANGES_MAX && traces[i].exchanges[at].asked != NULL; at++) {
            for (size_t j = 0; j < sizeof(troubles) / sizeof(*troubles); j++) {
                struct step_reply reply = troubles[j].reply;
                struct step_talk talk;
                struct stage stage;

                play(&talk, &stage, &traces[i], at);
                reply.out_len = strlen(reply.out);
                step_hear(&talk, &reply);
                if (!talk.ended || talk.result.code != troubles[j].code || talk.result.permanent ||
                    strstr(talk.result.message, troubles[j].message) == NULL) {
                    fail_msg("%s, exchange %zu, %s: ended %d, code %d: %s", traces[i].name, at, troubles[j].name,
                             talk.ended, talk.result.code, talk.result.message);
                }
                step_fini(&talk);
            }
        }
    }
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
    struct stage stage;
    unsigned looks = 0;

    (void)state;
    play(&talk, &stage, &trace, EXCHANGES_MAX);
    while (!talk.ended) {
        answer(&talk, "pool-single.xml");
        looks++;
    }
    assert_int_equal(looks, 60);
    assert_int_equal(talk.result.code, E_REMOTE);
    assert_string_equal(talk.result.message, "198.18.0.12 does not become connected");
    step_fini(&talk);
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
        struct stage stage;

        play(&talk, &stage, &trace, 0);
        step_hear(&talk, &reply);
        assert_false(talk.ended);
        question = asked(buf_str(&talk.script));
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
        cmocka_unit_test(test_half_a_peer), cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/executor/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/gluster.h"
#include "store/base/mem.h"
#include "tests/unit/executor/data.h"

/* ---- the step of a trace ---- */

static char *texts[] = {
    (char[]){"a.b on"}, (char[]){"user.d x y"},           (char[]){""}, (char[]){"group virt"}, (char[]){"e.f 1"},
    (char[]){"lonely"}, (char[]){"auth.allow 198.18.0.1"}};
static char *paths[] = {(char[]){MOUNTS "/brick_1/brick"}, (char[]){MOUNTS "/brick_2/brick"},
                        (char[]){MOUNTS "/brick_3/brick"}, (char[]){MOUNTS "/brick_4/brick"},
                        (char[]){MOUNTS "/brick_5/brick"}};
static char pool[] = "tp", lv[] = "lv";
static char *hosts[] = {(char[]){"198.18.0.11"}, (char[]){"198.18.0.12"}, (char[]){"198.18.0.13"}};

static char *snaps[] = {(char[]){SNAPS "/brick1/brick"}, (char[]){SNAPS "/brick2/brick"}};

static void stage_known(struct trace_stage *stage, const struct trace *trace, int shape)
{
    bool clone = trace->volume != NULL && strcmp(trace->volume, "twin") == 0;
    size_t n = 0;

    for (size_t i = 0; i < 6; i++) {
        if (clone && trace->kind != EXEC_VOLUME_CLONE && i > 1) {
            break;
        }
        stage->known[n] = (struct store_brick){.pool = pool,
                                               .lv = lv,
                                               .path = i > 2                              ? paths[4]
                                                       : trace->kind == EXEC_VOLUME_CLONE ? paths[0]
                                                                                          : paths[shape]};
        if (clone && trace->kind != EXEC_VOLUME_CLONE) {
            stage->known[n].path = snaps[i];
        }
        stage->known_items[n] = (struct exec_brick){&stage->known[n], hosts[i % 3]};
        n++;
    }
    stage->step.known = (struct exec_known){.bricks = stage->known_items, .n = n};
}

static void stage_init(struct trace_stage *stage, const struct trace *trace)
{
    const char *volume = trace->volume != NULL ? trace->volume : "none";
    int shape = strcmp(volume, "rep") == 0 ? 0 : strcmp(volume, "arb") == 0 ? 1 : strcmp(volume, "disp") == 0 ? 2 : 3;
    bool checks = trace->kind == EXEC_VOLUME_CHECK, clone = strcmp(volume, "twin") == 0;
    bool grows =
        trace->kind == EXEC_VOLUME_EXPAND || trace->kind == EXEC_VOLUME_LOOK || (checks && trace->snapshot_limit != 0);
    bool moves = trace->kind == EXEC_HEAL_CHECK || trace->kind == EXEC_BRICK_REPLACE ||
                 trace->kind == EXEC_BRICK_UNREPLACED || trace->kind == EXEC_HEAL_WAIT;

    memset(stage, 0, sizeof(*stage));
    exec_config_init(&stage->config);
    for (size_t i = 0; i < 3; i++) {
        stage->bricks[i] = (struct store_brick){.pool = pool, .lv = lv, .path = paths[grows ? 4 : shape]};
        stage->bricks[i].path = checks && clone ? snaps[i % 2] : stage->bricks[i].path;
        stage->bricks[i].id.bytes[0] = (uint8_t)(i + 1);
        stage->bricks[i].type = shape == 1 && i == 2 ? STORE_BRICK_ARBITER : STORE_BRICK_NORMAL;
        stage->items[i] = (struct exec_brick){&stage->bricks[i], hosts[i]};
    }
    stage->coming = (struct store_brick){.id.bytes = {9}, .pool = pool, .lv = lv, .path = paths[4]};
    stage->volume =
        (struct store_volume){.name = (char *)(uintptr_t)volume, .options = {texts, moves ? 0 : trace->options}};
    if (trace->kind == EXEC_VOLUME_CREATE || checks) { /* the one on the volumes that were recorded */
        stage->volume.id = (struct id){
            {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}};
    }
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
                                     .snapshot_limit = trace->snapshot_limit,
                                     .undo = trace->kind == EXEC_VOLUME_DELETE && trace->options != 0,
                                     .skip_heal = moves && trace->options != 0};
    if (trace->kind == EXEC_VOLUME_CLONE || (checks && clone)) {
        stage->step.source = "source";
    }
    if (checks) {
        stage->step.host = hosts[1];
        stage->volume.n_bricks = stage->step.n_bricks + (grows ? 3 : 0);
    }
    stage_known(stage, trace, shape);
    if (moves) {
        stage->step.old_brick = stage->items[0];
        stage->step.new_brick =
            trace->kind == EXEC_HEAL_WAIT ? stage->items[0] : (struct exec_brick){&stage->coming, hosts[0]};
    }
}

/* Does it change a volume, or take a snapshot of it? */
static bool is_change(const char *asked)
{
    static const char *const reads[] = {"volume info ", "volume create ", "volume rebalance rep status"};

    for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++) {
        if (strncmp(asked, reads[i], strlen(reads[i])) == 0) {
            return false;
        }
    }
    return strncmp(asked, "snapshot create ", 16) == 0 ||
           (strncmp(asked, "volume ", 7) == 0 && strcmp(asked, "volume heal rep info") != 0);
}

/* The gluster command of a script as words; every script is fenced before it, and changes no volume without having
 * compared its id. */
char *trace_asked(const char *script)
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
    at = strstr(script, "s/^volume-id=//p");
    assert_int_equal(at != NULL, is_change(buf_str(&text) + (sync != NULL ? 5 : 0) + (wait != NULL ? 5 : 0)));
    assert_true(at == NULL || (at > compare && at < strstr(script, command)));
    return buf_take(&text);
}

void trace_answer(struct step_talk *talk, const char *name)
{
    const char *begin = name + strspn(name, "!?~=");
    CLEANUP(free_ptr) char *text = *begin == '<' ? mem_strdup(begin) : data_read(begin);
    struct step_reply reply = {.status = memchr(name, '!', (size_t)(begin - name)) != NULL, .error = ""};

    if (memchr(name, '=', (size_t)(begin - name)) != NULL) {
        data_rename_volume(&text, talk->volume);
    }
    reply.out = text;
    reply.out_len = strlen(text);
    step_hear(talk, &reply);
}

/* Plays the first n exchanges. */
void trace_play(struct step_talk *talk, struct trace_stage *stage, const struct trace *trace, size_t n)
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
        question = trace_asked(buf_str(&talk->script));
        if (strcmp(question, trace->exchanges[i].asked) != 0) {
            fail_msg("%s: exchange %zu asks '%s', expected '%s'", trace->name, i, question, trace->exchanges[i].asked);
        }
        trace_answer(talk, trace->exchanges[i].answer);
    }
}

void trace_check(const struct trace *traces, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct trace *trace = &traces[i];
        struct step_talk talk;
        struct trace_stage stage;

        trace_play(&talk, &stage, trace, TRACE_EXCHANGES_MAX);
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
      0, ""},
     E_BUSY,
     "Another transaction"},
    {"a lock without a number",
     {1,
      "<cliOutput><opRet>-1</opRet><opErrno>0</opErrno><opErrstr>Locking failed on 198.18.0.12. Please check log file "
      "for details.</opErrstr></cliOutput>",
      0, ""},
     E_BUSY,
     "Locking failed"},
    {"refused",
     {0, "<cliOutput><opRet>-1</opRet><opErrno>30800</opErrno><opErrstr>no &amp; no</opErrstr></cliOutput>", 0, ""},
     E_REMOTE,
     "no & no"},
    {"refused without a word",
     {0, "<cliOutput><opRet>-1</opRet><opErrno>30800</opErrno><opErrstr/></cliOutput>", 0, ""},
     E_REMOTE,
     "gluster refused (-1, 30800) without saying why"},
    {"time ran out in gluster", {1, "Error : Request timed out\n", 0, ""}, E_BUSY, "Error : Request timed out"},
    {"no glusterd",
     {1, "Connection failed. Please check if gluster daemon is operational.\n", 0, ""},
     E_REMOTE,
     "Connection failed. Please check if gluster daemon is operational."},
    {"usage", {1, "", 0, "\nUsage:\nvolume set <VOLNAME> <KEY> <VALUE>\n"}, E_REMOTE, "Usage"},
    {"time ran out", {SCRIPT_TIMEOUT, "", 0, ""}, E_TIMEOUT, "process exited with status 124"},
    {"killed", {SCRIPT_KILLED, "<cliOutput><opRet>0</opRet></cliOutput>", 0, ""}, E_TIMEOUT, "status 137"},
    {"fenced", {SCRIPT_FENCED, "", 0, "term 9 has taken over\n"}, E_FENCED, "term 9 has taken over"},
    {"the fence is being raised", {SCRIPT_BUSY, "", 0, "the fence of this node is being raised"}, E_BUSY, "raised"},
    {"another cluster's", {SCRIPT_FOREIGN, "", 0, "cluster 1 has this node"}, E_AUTH, "cluster 1 has this node"},
    {"the fence does not stay raised", {SCRIPT_RAISE, "", 0, ""}, E_REMOTE, "status 77"},
    {"empty", {0, "", 0, ""}, E_REMOTE, "not what was expected: no XML"},
    {"garbage", {0, "\x01\xff<<>", 0, "oops"}, E_REMOTE, "not what was expected: no XML"},
    {"cut short", {0, "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErr", 0, ""}, E_REMOTE, "no XML"},
    {"no outcome", {0, "<cliOutput><opErrstr/></cliOutput>", 0, ""}, E_REMOTE, "opRet is missing"},
};

static bool is_left_out(const char *answer, const struct step_reply *reply)
{
    return (*answer == '?' && strncmp(reply->out, "<cliOutput>", 11) == 0) || (*answer == '~' && reply->status <= 1);
}

void trace_check_troubles(const struct trace *traces, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t at = 0; at < TRACE_EXCHANGES_MAX && traces[i].exchanges[at].asked != NULL; at++) {
            for (size_t j = 0; j < sizeof(troubles) / sizeof(*troubles); j++) {
                struct step_reply reply = troubles[j].reply;
                struct step_talk talk;
                struct trace_stage stage;

                if (is_left_out(traces[i].exchanges[at].answer, &reply)) {
                    continue;
                }
                trace_play(&talk, &stage, &traces[i], at);
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

static const struct trace *main_traces;
static size_t n_main_traces;

static void test_traces(void **state)
{
    (void)state;
    trace_check(main_traces, n_main_traces);
}

static void test_troubles(void **state)
{
    (void)state;
    trace_check_troubles(main_traces, n_main_traces);
}

int trace_main(const struct trace *traces, size_t n)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces),
        cmocka_unit_test(test_troubles),
    };

    main_traces = traces;
    n_main_traces = n;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

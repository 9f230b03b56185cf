/* Block volumes' steps as traces: what is asked, what is answered, what comes of it; then every answer of every trace
 * is replaced by each way in which things go wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/step.h"
#include "store/base/mem.h"
#include "tests/unit/executor/data.h"

#define EXCHANGES_MAX 6
#define GBID "5f3a0c1e-9b7d-4e62-8a15-c3d4e5f60718"
#define INFO_OF(gbid, size, ha, hosts, password, more)                                                     \
    "{ \"NAME\": \"lun\", \"VOLUME\": \"hv\", \"GBID\": \"" gbid "\", \"SIZE\": \"" size "\", \"HA\": " ha \
    ", \"IOTIMEOUT\": \"43 Seconds\", \"PASSWORD\": \"" password "\", \"EXPORTED ON\": [ " hosts " ]" more " }\n"
#define INFO_AT(size, ha, hosts, password, more) INFO_OF(GBID, size, ha, hosts, password, more)
#define BOTH "\"h1\", \"h2\""
#define INFO(size) INFO_AT(size, "2", BOTH, "p-91d2", "")
#define ABSENT "!{ \"RESULT\": \"FAIL\", \"errCode\": 2, \"errMsg\": \"block hv\\/lun doesn't exist\" }\n"
#define NO_HOSTING "!{ \"RESULT\": \"FAIL\", \"errCode\": 2, \"errMsg\": \"Volume hv does not exist\" }\n"
#define DONE "{ \"IQN\": \"iqn.2016-12.org.gluster-block:" GBID "\", \"RESULT\": \"SUCCESS\" }\n"
#define FAILED "!{ \"RESULT\": \"FAIL\", \"errCode\": 255, \"errMsg\": \"it is broken\" }\n"
#define CREATE "create hv/lun ha 2 auth enable prealloc full h1,h2 2GiB"
#define LOOK "info hv/lun"
#define PINNED "40446947-5ff8-4c8e-938e-7c2a3eeee43f" /* in the recorded answer */
#define OURS                              \
    {                                     \
        "volume info hv", "=info-rep.xml" \
    }
#define SOMEBODYS                          \
    {                                      \
        "volume info hv", "=info-dist.xml" \
    }
#define NOT_THERE                                  \
    {                                              \
        "volume info hv", "volume-info-absent.xml" \
    }
#define SAME                                                                                                        \
    "!{ \"RESULT\": \"FAIL\", \"errCode\": 255, \"errMsg\": \"request size (5.0 GiB) is same as current size (5.0 " \
    "GiB) ]\" }\n"

struct exchange {
    const char *asked;  /* the words of gluster-block, or of gluster */
    const char *answer; /* a text; in front of it "!": the exit status is 1; or the name of a file in data/ */
};

struct trace {
    const char *name;
    enum exec_step_kind kind;
    struct exchange exchanges[EXCHANGES_MAX];
    int code;
    bool permanent;
    const char *message;
    bool present;
    uint32_t size_gib, usable_gib;
    bool created; /* the record has its IQN */
    bool large;   /* sizes of TiB: 1500 GiB, to be 1510 */
};

static const struct trace traces[] = {
    {.name = "created",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, ABSENT}, {CREATE, DONE}, {LOOK, INFO("2.0 GiB")}},
     E_OK,
     false,
     "",
     true,
     2,
     2},
    {.name = "found done", EXEC_BLOCK_CREATE, {OURS, {LOOK, INFO("2.0 GiB")}}, E_OK, false, "", true, 2, 2},
    {.name = "half made before: not on all hosts",
     EXEC_BLOCK_CREATE,
     {OURS,
      {LOOK, INFO_AT("2.0 GiB", "2", "\"h1\"", "p", "")},
      {"delete hv/lun", DONE},
      {CREATE, DONE},
      {LOOK, INFO("2.0 GiB")}},
     E_OK,
     false,
     "",
     true,
     2,
     2},
    {.name = "half made before: no size yet, and gone meanwhile",
     EXEC_BLOCK_CREATE,
     {OURS,
      {LOOK, INFO_AT("0.0 B", "2", "", "", "")},
      {"delete hv/lun", ABSENT},
      {CREATE, DONE},
      {LOOK, INFO("2.0 GiB")}},
     E_OK,
     false,
     "",
     true,
     2,
     2},
    {.name = "another one of that name, by size",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO("3.0 GiB")}},
     E_REMOTE,
     true,
     "block volume lun exists on hv already, and is another one"},
    {.name = "another one of that name, without a password",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO_AT("2.0 GiB", "2", BOTH, "", "")}},
     E_REMOTE,
     true,
     NULL},
    {.name = "refused", EXEC_BLOCK_CREATE, {OURS, {LOOK, ABSENT}, {CREATE, FAILED}}, E_REMOTE, false, "it is broken"},
    {.name = "refused without a word",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, ABSENT}, {CREATE, "!{ \"IQN\": \"-\", \"PORTAL(S)\": [  ], \"RESULT\": \"FAIL\" }"}},
     E_REMOTE,
     false,
     "gluster-block refused (0) without saying why"},
    {.name = "other than asked at the last look",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, ABSENT}, {CREATE, DONE}, {LOOK, INFO("1.0 GiB")}},
     E_REMOTE,
     false,
     "gluster-block has made lun otherwise than it was asked to"},
    {.name = "gone at the last look",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, ABSENT}, {CREATE, DONE}, {LOOK, ABSENT}},
     E_REMOTE,
     false,
     NULL},
    {.name = "another one of that name, by who exports it: one more",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO_AT("2.0 GiB", "3", BOTH ", \"h3\"", "p", "")}},
     E_REMOTE,
     true,
     "block volume lun exists on hv already, and is another one"},
    {.name = "another one of that name, by who exports it: one alone",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO_AT("2.0 GiB", "1", "\"h1\"", "p", "")}},
     E_REMOTE,
     true,
     "block volume lun exists on hv already, and is another one"},
    {.name = "another one of that name, by who exports it: nobody",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO_AT("2.0 GiB", "0", "", "p", "")}},
     E_REMOTE,
     true,
     "block volume lun exists on hv already, and is another one"},
    {.name = "another one of that name, by its count of hosts",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO_AT("2.0 GiB", "1", BOTH, "p", "")}},
     E_REMOTE,
     true,
     "block volume lun exists on hv already, and is another one"},
    {.name = "found done on the hosts of an earlier try",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO_AT("2.0 GiB", "2", "\"h2\", \"h3\"", "p", "")}},
     E_OK,
     false,
     "",
     true,
     2,
     2},
    {.name = "exported by others than asked",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, ABSENT}, {CREATE, DONE}, {LOOK, INFO_AT("2.0 GiB", "2", "\"h2\", \"h3\"", "p", "")}},
     E_REMOTE,
     false,
     "gluster-block has made lun otherwise than it was asked to"},
    {.name = "exported by one of them, twice",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, ABSENT}, {CREATE, DONE}, {LOOK, INFO_AT("2.0 GiB", "2", "\"h2\", \"h2\"", "p", "")}},
     E_REMOTE,
     false,
     "gluster-block has made lun otherwise than it was asked to"},
    {.name = "exported by one alone",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, ABSENT}, {CREATE, DONE}, {LOOK, INFO_AT("2.0 GiB", "1", "\"h1\"", "p", "")}},
     E_REMOTE,
     false,
     "gluster-block has made lun otherwise than it was asked to"},
    {.name = "without a GBID",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO_OF("", "2.0 GiB", "2", BOTH, "p", "")}},
     E_REMOTE,
     false,
     "gluster-block's answer has no GBID, or what is none"},
    {.name = "with words for a GBID",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO_OF("made-up-by-a-node-that-is-not-honest", "2.0 GiB", "2", BOTH, "p", "")}},
     E_REMOTE,
     false,
     "gluster-block's answer has no GBID, or what is none"},
    {.name = "with a short GBID",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO_OF("5f3a0c1e-9b7d-4e62-8a15-c3d4e5f6071", "2.0 GiB", "2", BOTH, "p", "")}},
     E_REMOTE,
     false,
     "gluster-block's answer has no GBID, or what is none"},
    {.name = "with a long GBID",
     EXEC_BLOCK_CREATE,
     {OURS, {LOOK, INFO_OF(GBID "9", "2.0 GiB", "2", BOTH, "p", "")}},
     E_REMOTE,
     false,
     "gluster-block's answer has no GBID, or what is none"},

    {.name = "on somebody else's volume of the hosting volume's name",
     EXEC_BLOCK_CREATE,
     {SOMEBODYS},
     E_REMOTE,
     true,
     NULL,
     false,
     0,
     0},
    {.name = "without the hosting volume",
     EXEC_BLOCK_CREATE,
     {NOT_THERE},
     E_REMOTE,
     false,
     "volume hv is not there",
     false,
     0,
     0},

    {.name = "expanded",
     EXEC_BLOCK_EXPAND,
     {OURS, {LOOK, INFO("2.0 GiB")}, {"modify hv/lun size 5GiB", DONE}, {LOOK, INFO("5.0 GiB")}},
     E_OK,
     false,
     "",
     true,
     5,
     5,
     true},
    {.name = "found expanded", EXEC_BLOCK_EXPAND, {OURS, {LOOK, INFO("5.0 GiB")}}, E_OK, false, "", true, 5, 5, true},
    {.name = "found expanded, but not everywhere: once more",
     EXEC_BLOCK_EXPAND,
     {OURS,
      {LOOK, INFO_AT("5.0 GiB", "2", BOTH, "p", ", \"RESIZE FAILED ON\": { \"h1\": \"2.0 GiB\" }")},
      {"modify hv/lun size 5GiB", DONE},
      {LOOK, INFO("5.0 GiB")}},
     E_OK,
     false,
     "",
     true,
     5,
     5,
     true},
    {.name = "expanded by an earlier try in between",
     EXEC_BLOCK_EXPAND,
     {OURS, {LOOK, INFO("2.0 GiB")}, {"modify hv/lun size 5GiB", SAME}, {LOOK, INFO("5.0 GiB")}},
     E_OK,
     false,
     "",
     true,
     5,
     5,
     true},
    {.name = "the size as it is written does not tell",
     EXEC_BLOCK_EXPAND,
     {OURS, {LOOK, INFO("1.5 TiB")}, {"modify hv/lun size 1510GiB", DONE}, {LOOK, INFO("1.5 TiB")}},
     E_OK,
     false,
     "",
     true,
     1510,
     1510,
     true,
     true},
    {.name = "on some hosts only",
     EXEC_BLOCK_EXPAND,
     {OURS,
      {LOOK, INFO("2.0 GiB")},
      {"modify hv/lun size 5GiB", DONE},
      {LOOK, INFO_AT("5.0 GiB", "2", BOTH, "p", ", \"RESIZE FAILED ON\": { \"h1\": \"2.0 GiB\" }")}},
     E_REMOTE,
     false,
     "block volume lun has not grown on all of its hosts",
     false,
     0,
     0,
     true},
    {.name = "expand refused",
     EXEC_BLOCK_EXPAND,
     {OURS, {LOOK, INFO("2.0 GiB")}, {"modify hv/lun size 5GiB", FAILED}},
     E_REMOTE,
     false,
     "it is broken",
     false,
     0,
     0,
     true},
    {.name = "nothing to expand",
     EXEC_BLOCK_EXPAND,
     {OURS, {LOOK, ABSENT}},
     E_REMOTE,
     true,
     "block hv/lun doesn't exist",
     false,
     0,
     0,
     true},

    {.name = "nothing to expand on somebody else's volume",
     EXEC_BLOCK_EXPAND,
     {SOMEBODYS},
     E_REMOTE,
     true,
     NULL,
     false,
     0,
     0,
     true},

    {.name = "seen", EXEC_BLOCK_LOOK, {OURS, {LOOK, INFO("2.0 GiB")}}, E_OK, false, "", true, 2, 2, true},
    {.name = "seen grown in part",
     EXEC_BLOCK_LOOK,
     {OURS, {LOOK, INFO_AT("5.0 GiB", "2", BOTH, "p", ", \"RESIZE FAILED ON\": { \"h1\": \"2.0 GiB\" }")}},
     E_OK,
     false,
     "",
     true,
     5,
     2,
     true},
    {.name = "seen grown in part, nobody knows how far",
     EXEC_BLOCK_LOOK,
     {OURS, {LOOK, INFO_AT("5.0 GiB", "2", BOTH, "p", ", \"RESIZE FAILED ON\": { \"h1\": null }")}},
     E_OK,
     false,
     "",
     true,
     5,
     2,
     true},
    {.name = "not seen", EXEC_BLOCK_LOOK, {OURS, {LOOK, ABSENT}}, E_OK, false, "", false, 0, 0, true},

    {.name = "not seen on somebody else's volume", EXEC_BLOCK_LOOK, {SOMEBODYS}, E_OK, false, "", false, 0, 0, true},
    {.name = "not seen, nor the hosting volume", EXEC_BLOCK_LOOK, {NOT_THERE}, E_OK, false, "", false, 0, 0, true},

    {.name = "deleted",
     EXEC_BLOCK_DELETE,
     {OURS, {LOOK, INFO("2.0 GiB")}, {"delete hv/lun", DONE}, {LOOK, ABSENT}},
     E_OK,
     false,
     "",
     false,
     0,
     0,
     true},
    {.name = "deleted whatever it has become",
     EXEC_BLOCK_DELETE,
     {OURS, {LOOK, INFO("9.0 GiB")}, {"delete hv/lun", DONE}, {LOOK, ABSENT}},
     E_OK,
     false,
     "",
     false,
     0,
     0,
     true},
    {.name = "found deleted", EXEC_BLOCK_DELETE, {OURS, {LOOK, ABSENT}}, E_OK, false, ""},
    {.name = "somebody else's volume has the name of the hosting volume",
     EXEC_BLOCK_DELETE,
     {SOMEBODYS},
     E_REMOTE,
     true,
     NULL,
     false,
     0,
     0,
     true},
    {.name = "... and nothing was made there", EXEC_BLOCK_DELETE, {SOMEBODYS}, E_OK, false, ""},
    {.name = "the hosting volume is gone", EXEC_BLOCK_DELETE, {NOT_THERE}, E_OK, false, ""},
    {.name = "... and gluster-block says so", EXEC_BLOCK_DELETE, {OURS, {LOOK, NO_HOSTING}}, E_OK, false, ""},
    {.name = "delete refused",
     EXEC_BLOCK_DELETE,
     {OURS, {LOOK, INFO("2.0 GiB")}, {"delete hv/lun", "!{ \"FAILED ON\": [ \"h2\" ], \"RESULT\": \"FAIL\" }"}},
     E_REMOTE,
     false,
     "failed on h2",
     false,
     0,
     0,
     true},
    {.name = "still there",
     EXEC_BLOCK_DELETE,
     {OURS, {LOOK, INFO("2.0 GiB")}, {"delete hv/lun", DONE}, {LOOK, INFO("2.0 GiB")}},
     E_REMOTE,
     false,
     "block volume lun is still there",
     false,
     0,
     0,
     true},
    {.name = "taken back: what was made",
     EXEC_BLOCK_DELETE,
     {OURS, {LOOK, INFO("2.0 GiB")}, {"delete hv/lun", DONE}, {LOOK, ABSENT}},
     E_OK,
     false,
     ""},
    {.name = "taken back: what was half made",
     EXEC_BLOCK_DELETE,
     {OURS, {LOOK, INFO_AT("0.0 B", "2", "", "", "")}, {"delete hv/lun", DONE}, {LOOK, ABSENT}},
     E_OK,
     false,
     ""},
    {.name = "not ours to take back", EXEC_BLOCK_DELETE, {OURS, {LOOK, INFO("9.0 GiB")}}, E_OK, false, ""},
};
#define TRACES (sizeof(traces) / sizeof(*traces))

/* ---- the step of a trace ---- */

struct stage {
    struct exec_config config;
    struct store_volume volume;
    struct store_block_volume block;
    struct store_strs hosts;
    struct exec_step step;
};

static char none[] = "", name[] = "lun", hv[] = "hv", iqn[] = "iqn.2016-12.org.gluster-block:" GBID;
static char *hosts[] = {(char[]){"h1"}, (char[]){"h2"}};

static void stage_init(struct stage *stage, const struct trace *trace)
{
    struct id hosting; /* as written on the volume of the recorded answer */

    assert_true(id_parse("0123456789abcdef0123456789abcdef", ID_TEXT_LEN, &hosting));
    memset(stage, 0, sizeof(*stage));
    exec_config_init(&stage->config);
    stage->volume = (struct store_volume){.name = hv};
    stage->block = (struct store_block_volume){.name = name,
                                               .size_gib = trace->large ? 1500 : 2,
                                               .usable_gib = trace->large ? 1500 : 2,
                                               .auth = true,
                                               .iqn = trace->created ? iqn : none,
                                               .user = none,
                                               .password = none};
    if (trace->kind == EXEC_BLOCK_EXPAND || trace->kind == EXEC_BLOCK_LOOK) {
        stage->block.new_gib = trace->large ? 1510 : 5;
    }
    stage->hosts = (struct store_strs){hosts, 2};
    stage->step = (struct exec_step){.kind = trace->kind,
                                     .term = 7,
                                     .known = {.id = hosting},
                                     .volume = &stage->volume,
                                     .block = &stage->block,
                                     .hosts = &stage->hosts};
}

/* The words of the command; every script is fenced before it, and no secret is ever in one. */
static char *asked(const char *script)
{
    const char *compare = strstr(script, "\"$TERM_NUMBER\" ] || exit 77");
    const char *block = strstr(script, "\"$((LIMIT + 30))\" gluster-block ");
    const char *volume = strstr(script, "gluster --mode=script --timeout=\"$LIMIT\" ");
    const char *at = block != NULL ? block + strlen("\"$((LIMIT + 30))\" gluster-block ")
                                   : volume + strlen("gluster --mode=script --timeout=\"$LIMIT\" ");
    struct buf text = BUF_INIT;

    assert_non_null(strstr(script, "TERM_NUMBER=7 "));
    assert_true(compare != NULL && at > compare);
    assert_null(strstr(script, "p-91d2"));
    if (block != NULL) {
        assert_non_null(strstr(script, "command -v gluster-block >/dev/null || "));
        assert_true(strncmp(at, "'info'", 6) == 0 || strstr(script, "set -- 'hv' '" PINNED "'\n") != NULL);
    }
    for (; strncmp(at, " --json\n", 8) != 0 && strncmp(at, " --xml\n", 7) != 0; at++) {
        if (*at != '\'') {
            buf_append_char(&text, *at);
        }
    }
    return buf_take(&text);
}

static void answer(struct step_talk *talk, const char *text)
{
    bool file = strstr(text, ".xml") != NULL;
    CLEANUP(free_ptr) char *read = file ? data_read(text + (*text == '=')) : mem_strdup(text + (*text == '!'));
    struct step_reply reply = {.status = *text == '!' ? 1 : 0, .error = ""};

    if (*text == '=') {
        data_rename_volume(&read, talk->volume);
    }
    reply.out = read;
    reply.out_len = strlen(read);
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
        if (talk.result.block.present != trace->present || talk.result.block.size_gib != trace->size_gib ||
            talk.result.block.usable_gib != trace->usable_gib) {
            fail_msg("%s: present %d, %u GiB, usable %u", trace->name, talk.result.block.present,
                     talk.result.block.size_gib, talk.result.block.usable_gib);
        }
        step_fini(&talk);
    }
}

static void test_what_is_learnt(void **state)
{
    struct step_talk talk;
    struct stage stage;

    (void)state;
    play(&talk, &stage, &traces[0], EXCHANGES_MAX);
    assert_string_equal(talk.result.block.iqn, "iqn.2016-12.org.gluster-block:" GBID);
    assert_string_equal(talk.result.block.user, GBID);
    assert_string_equal(talk.result.block.password, "p-91d2");
    assert_int_equal(talk.result.block.hosts.n, 2);
    assert_string_equal(talk.result.block.hosts.items[1], "h2");
    step_fini(&talk);
}

/* Without authentication there is neither user nor password. */
static void test_without_auth(void **state)
{
    struct step_talk talk;
    struct stage stage;
    CLEANUP(free_ptr) char *question = NULL;

    (void)state;
    stage_init(&stage, &traces[0]);
    stage.block.auth = false;
    stage.config.block_prealloc = "full";
    step_begin(&talk, &stage.config, &stage.step);
    answer(&talk, "=info-rep.xml");
    answer(&talk, ABSENT);
    question = asked(buf_str(&talk.script));
    assert_string_equal(question, "create hv/lun ha 2 auth disable prealloc full h1,h2 2GiB");
    answer(&talk, DONE);
    answer(&talk, INFO_AT("2.0 GiB", "2", BOTH, "", ""));
    assert_int_equal(talk.result.code, E_OK);
    assert_string_equal(talk.result.block.user, "");
    assert_string_equal(talk.result.block.password, "");
    step_fini(&talk);
    stage.config.block_prealloc = "no";
    step_begin(&talk, &stage.config, &stage.step);
    answer(&talk, "=info-rep.xml");
    answer(&talk, ABSENT);
    assert_non_null(strstr(buf_str(&talk.script), "'prealloc' 'no' "));
    step_fini(&talk);
}

/* Some refusals come on standard error. */
static void test_other_stream(void **state)
{
    const struct step_reply reply = {.status = 1, .out = "\n", .out_len = 1, .error = &ABSENT[1]};
    struct step_talk talk;
    struct stage stage;

    (void)state;
    play(&talk, &stage, &traces[0], 1);
    step_hear(&talk, &reply);
    assert_false(talk.ended);
    assert_non_null(strstr(buf_str(&talk.script), "'create'"));
    step_fini(&talk);
}

/* ---- everything that can go wrong, everywhere ---- */

static const struct {
    const char *name;
    struct step_reply reply;
    int code;
    bool permanent;
    const char *message; /* in it */
} troubles[] = {
    {"not installed",
     {SCRIPT_PERMANENT, "", 0, "gluster-block is not installed on this node\n"},
     E_REMOTE,
     true,
     "gluster-block is not installed on this node"},
    {"no daemon",
     {1, "", 0, "Connection failed. Please check if gluster-block daemon is operational.\n"},
     E_REMOTE,
     false,
     "Connection failed. Please check if gluster-block daemon is operational."},
    {"a refusal that is no absence",
     {1, "{\"RESULT\":\"FAIL\",\"errCode\":2,\"errMsg\":\"the lock of hv does not let go\"}", 0, ""},
     E_REMOTE,
     false,
     "the lock of hv does not let go"},
    {"time ran out", {SCRIPT_TIMEOUT, "", 0, ""}, E_TIMEOUT, false, "status 124"},
    {"fenced", {SCRIPT_FENCED, "", 0, "term 9 has taken over\n"}, E_FENCED, false, "term 9 has taken over"},
    {"the fence is being raised",
     {SCRIPT_BUSY, "", 0, "the fence of this node is being raised"},
     E_BUSY,
     false,
     "raised"},
    {"empty", {0, "", 0, ""}, E_REMOTE, false, "gluster-block did not say anything"},
    {"garbage", {0, "\x01\xff{}", 0, ""}, E_REMOTE, false, "\xef\xbf\xbd\xef\xbf\xbd"},
    {"cut short", {0, "{ \"RESULT\": \"SUCC", 0, ""}, E_REMOTE, false, "no JSON"},
    {"words before the answer", {0, "odd: { \"PASSWORD\": \"p-91d2\" }", 0, ""}, E_REMOTE, false, "odd:"},
    {"neither", {0, "{}", 0, ""}, E_REMOTE, false, "expected"},
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

                if (strncmp(traces[i].exchanges[at].asked, "volume", 6) == 0) {
                    continue; /* gluster's, not gluster-block's */
                }
                play(&talk, &stage, &traces[i], at);
                reply.out_len = strlen(reply.out);
                step_hear(&talk, &reply);
                if (!talk.ended || talk.result.code != troubles[j].code ||
                    talk.result.permanent != troubles[j].permanent ||
                    strstr(talk.result.message, troubles[j].message) == NULL ||
                    strstr(talk.result.message, "p-91d2") != NULL || talk.result.block.present) {
                    fail_msg("%s, exchange %zu, %s: ended %d, code %d: %s", traces[i].name, at, troubles[j].name,
                             talk.ended, talk.result.code, talk.result.message);
                }
                step_fini(&talk);
            }
        }
    }
}

/* Names are held against allow-lists before anything is asked. */
static void test_names(void **state)
{
    static const char *const bad[] = {"", "a b", "a;b", "a'b", "a/b", "-a", "a$b", "a\nb"};
    struct stage stage;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *text = (char *)(uintptr_t)bad[i];

        stage_init(&stage, &traces[0]);
        stage.block.name = text;
        assert_int_equal(step_check(&stage.config, &stage.step, &err), E_INVALID);
        stage_init(&stage, &traces[0]);
        stage.volume.name = text;
        assert_int_equal(step_check(&stage.config, &stage.step, &err), E_INVALID);
        stage_init(&stage, &traces[0]);
        stage.hosts = (struct store_strs){&text, 1};
        assert_int_equal(step_check(&stage.config, &stage.step, &err), E_INVALID);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces),       cmocka_unit_test(test_what_is_learnt), cmocka_unit_test(test_without_auth),
        cmocka_unit_test(test_other_stream), cmocka_unit_test(test_troubles),       cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Scripts: whatever a name is, it reaches the shell as one word or is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/executor/step.h"
#include "store/base/mem.h"
#include "store/words.h"

/* What sh makes of a script: its standard output. */
static char *shell(const char *script)
{
    struct buf out = BUF_INIT;
    int fds[2], status;
    pid_t pid;
    ssize_t n;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(fds[1], 1);
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(close(fds[1]), 0);
    do {
        buf_reserve(&out, 4096);
        n = read(fds[0], out.data + out.len, 4096);
        out.len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    out.data[out.len] = '\0';
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return buf_take(&out);
}

static void test_quote_is_one_word(void **state)
{
    unsigned seed =
        getenv("HECATE_SEED") != NULL ? (unsigned)strtoul(getenv("HECATE_SEED"), NULL, 10) : (unsigned)getpid();

    (void)state;
    printf("HECATE_SEED=%u\n", seed);
    for (int round = 0; round < 100; round++) {
        CLEANUP(buf_fini) struct buf script = BUF_INIT;
        CLEANUP(free_ptr) char *back = NULL;
        char text[65] = "";
        size_t len = (size_t)rand_r(&seed) % 64;

        for (size_t i = 0; i < len; i++) {
            text[i] = (char)(1 + rand_r(&seed) % 126);
        }
        buf_append_str(&script, "printf %s ");
        store_word_quote(&script, text);
        back = shell(buf_str(&script));
        assert_string_equal(back, text);
    }
}

static const char *const evil[] = {"a;reboot", "$(reboot)", "`reboot`", "a b", "a'b", "a\nb",
                                   "-f",       "",          "a|b",      "a&b", "a>b"};

static void test_bad_names_are_refused(void **state)
{
    struct exec_config config;

    (void)state;
    exec_config_init(&config);
    for (size_t i = 0; i < sizeof(evil) / sizeof(*evil); i++) {
        CLEANUP(free_ptr) char *path = mem_printf("/dev/%s", evil[i]);
        struct store_device device = {.name = path};
        struct store_volume volume = {.name = (char *)(uintptr_t)evil[i]};
        struct exec_step peer = {.kind = EXEC_PEER_PROBE, .peer = evil[i]};
        struct exec_step create = {.kind = EXEC_VOLUME_CREATE, .volume = &volume};
        struct exec_step setup = {.kind = EXEC_DEVICE_SETUP, .device = &device};
        struct exec_config other = config;
        struct err err = ERR_INIT;

        assert_int_equal(step_check(&config, &peer, &err), E_INVALID);
        assert_int_equal(step_check(&config, &create, &err), E_INVALID);
        if (evil[i][0] != '-' && evil[i][0] != '\0') { /* fine behind a slash */
            assert_int_equal(step_check(&config, &setup, &err), E_INVALID);
        }
        other.mount_options = evil[i];
        assert_int_equal(step_check(&other, &(struct exec_step){.kind = EXEC_FENCE}, &err), E_INVALID);
        other = config;
        other.fstab = evil[i];
        assert_int_equal(step_check(&other, &(struct exec_step){.kind = EXEC_FENCE}, &err), E_INVALID);
    }
}

#define ABSENT "<cliOutput><opRet>-1</opRet><opErrno>30806</opErrno><opErrstr>gone</opErrstr></cliOutput>"
#define DONE                                                     \
    "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/>" \
    "<volCreate><volume><name>v</name><id>01234567-89ab-cdef-0123-456789abcdef</id></volume></volCreate></cliOutput>"

static void test_options_cannot_break_out(void **state)
{
    char *options[] = {(char[]){"performance.cache-size 64MB"}, (char[]){"user.x '; touch /tmp/hecate-broke-out; '"}};
    struct store_volume volume = {.name = (char[]){"v"}, .options = {options, 2}};
    struct exec_step step = {.kind = EXEC_VOLUME_CREATE, .volume = &volume};
    const struct step_reply absent = {.status = 1, .out = ABSENT, .out_len = strlen(ABSENT), .error = ""};
    const struct step_reply done = {.status = 0, .out = DONE, .out_len = strlen(DONE), .error = ""};
    struct step_talk talk;
    struct exec_config config;
    struct err err = ERR_INIT;

    (void)state;
    exec_config_init(&config);
    assert_int_equal(step_check(&config, &step, &err), 0);
    step_begin(&talk, &config, &step);
    step_hear(&talk, &absent);
    step_hear(&talk, &done);
    assert_non_null(strstr(buf_str(&talk.script), "'performance.cache-size' '64MB'"));
    assert_non_null(strstr(buf_str(&talk.script), "''\\''; touch /tmp/hecate-broke-out; '\\'''"));
    step_fini(&talk);
}

/* Of a log or a database from before the API refused it. */
static void test_old_options_end_the_step(void **state)
{
    static const char *const texts[] = {"a\nb", "user.a --log-file=/etc/x", "--xml", "user.a on --mode=script", "-x y"};
    struct exec_config config;

    (void)state;
    exec_config_init(&config);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        char *options[] = {(char[]){"user.fine 1"}, (char *)(uintptr_t)texts[i]};
        struct store_volume volume = {.name = (char[]){"v"}, .options = {options, 2}};
        struct exec_step step = {.kind = EXEC_VOLUME_CREATE, .host = "h", .volume = &volume};
        struct exec_step delete = {.kind = EXEC_VOLUME_DELETE, .host = "h", .volume = &volume};
        const struct step_reply absent = {.status = 1, .out = ABSENT, .out_len = strlen(ABSENT), .error = ""};
        const struct step_reply done = {.status = 0, .out = DONE, .out_len = strlen(DONE), .error = ""};
        struct step_talk talk;
        struct err err = ERR_INIT;

        step_begin(&talk, &config, &step);
        step_hear(&talk, &absent);
        step_hear(&talk, &done);
        assert_true(talk.ended && talk.result.permanent && talk.script.len == 0);
        assert_int_equal(talk.result.code, E_REMOTE);
        assert_non_null(strstr(talk.result.message, "volume v was not made: option 2: "));
        step_fini(&talk);
        assert_int_equal(step_check(&config, &delete, &err), 0); /* such a volume can still be deleted */
    }
}

/* Whatever a step puts into a script, in one place: nothing unfit gets there, and the node is not asked. */
static void test_words_are_looked_at_where_they_are_added(void **state)
{
    static const char *const unfit[] = {"-f", "--xml", "a --b", "a\nb", "\x7f", "-", "-1x"};
    static const char *const fit[] = {"", "-1", "-0.5", "a-b", "a -b", "; reboot", "'\"$(x)`"};
    struct exec_step step = {.kind = EXEC_PEER_PROBE, .host = "h"};
    struct exec_config config;
    struct step_talk talk;

    (void)state;
    exec_config_init(&config);
    for (size_t i = 0; i < sizeof(unfit) / sizeof(*unfit); i++) {
        step.peer = unfit[i];
        step_begin(&talk, &config, &step);
        assert_false(talk.ended); /* looks first who is in the pool */
        step_hear(&talk, &(struct step_reply){.status = 0, .out = DONE, .out_len = strlen(DONE), .error = ""});
        assert_true(talk.ended && talk.result.permanent);
        assert_int_equal(talk.script.len, 0);
        step_fini(&talk);
    }
    for (size_t i = 0; i < sizeof(fit) / sizeof(*fit); i++) {
        step.peer = fit[i];
        step_begin(&talk, &config, &step);
        step_hear(&talk, &(struct step_reply){.status = 0, .out = DONE, .out_len = strlen(DONE), .error = ""});
        assert_false(talk.ended);
        step_fini(&talk);
    }
}

/* Options are set in several commands when they are long: each fits into one argument, however much of it is quotes. */
static void test_long_options_are_set_in_parts(void **state)
{
    char text[4000], *options[16];
    struct store_volume volume = {.name = (char[]){"v"}, .options = {options, 16}};
    struct exec_step step = {.kind = EXEC_VOLUME_CREATE, .host = "h", .volume = &volume};
    struct exec_config config;
    struct step_talk talk;
    unsigned sets = 0;

    (void)state;
    exec_config_init(&config);
    memset(text, '\'', sizeof(text));
    memcpy(text, "a.b ", 4);
    text[sizeof(text) - 1] = '\0';
    for (size_t i = 0; i < 16; i++) {
        options[i] = text;
    }
    step_begin(&talk, &config, &step);
    step_hear(&talk, &(struct step_reply){.status = 1, .out = ABSENT, .out_len = strlen(ABSENT), .error = ""});
    while (!talk.ended && strstr(buf_str(&talk.script), "'volume' 'start'") == NULL) {
        sets += strstr(buf_str(&talk.script), "'volume' 'set'") != NULL;
        step_hear(&talk, &(struct step_reply){.status = 0, .out = DONE, .out_len = strlen(DONE), .error = ""});
    }
    assert_false(talk.ended);
    assert_true(sets >= 8 && sets <= 17);
    step_fini(&talk);
}

/* A command that no shell on the node could be started with. */
static void test_too_long(void **state)
{
    struct exec_config config;
    struct step_talk talk;
    struct store_strs silent = {NULL, 0};
    struct exec_step step = {.kind = EXEC_PEER_PROBE, .host = "h", .peer = "p", .silent = &silent};

    (void)state;
    exec_config_init(&config);
    for (int i = 0; i < 1500; i++) {
        store_strs_add(&silent, "192.0.2.1");
    }
    step_begin(&talk, &config, &step);
    step_hear(&talk, &(struct step_reply){.status = 0, .out = DONE, .out_len = strlen(DONE), .error = ""});
    assert_true(talk.ended && talk.result.permanent);
    assert_non_null(strstr(talk.result.message, "peer-probe of h was not asked for: the command has "));
    step_fini(&talk);
    store_strs_fini(&silent);
}

/* Every script is one that sh can read. */
static void test_syntax(void **state)
{
    static const enum exec_step_kind kinds[] = {
        EXEC_GLUSTERD_CHECK,  EXEC_PEER_PROBE,   EXEC_PEER_DETACH,   EXEC_PEER_FORGET, EXEC_DEVICE_SETUP,
        EXEC_DEVICE_TEARDOWN, EXEC_BRICK_CREATE, EXEC_BRICK_DESTROY, EXEC_BRICK_SYNC,  EXEC_VOLUME_CREATE,
        EXEC_VOLUME_DELETE,   EXEC_FENCE,        EXEC_DEVICE_LOOK};
    struct store_brick brick = {.pool = (char[]){"tp_1"}, .lv = (char[]){""}, .path = (char[]){""}};
    struct store_device device = {.name = (char[]){"/dev/sdb"}};
    struct store_volume volume = {.name = (char[]){"v"}, .durability = STORE_REPLICATE, .replica = 3};
    struct exec_brick item = {&brick, "192.0.2.1"};
    struct exec_config config;

    (void)state;
    exec_config_init(&config);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        struct exec_step step = {.kind = kinds[i],
                                 .peer = "192.0.2.1",
                                 .device = &device,
                                 .volume = &volume,
                                 .bricks = &item,
                                 .n_bricks = 1,
                                 .term = 7};
        CLEANUP(buf_fini) struct buf check = BUF_INIT;
        CLEANUP(free_ptr) char *out = NULL;
        struct step_talk talk;
        struct err err = ERR_INIT;

        assert_int_equal(step_check(&config, &step, &err), 0);
        step_begin(&talk, &config, &step);
        buf_append_str(&check, "/bin/sh -n -c ");
        store_word_quote(&check, buf_str(&talk.script));
        buf_append_str(&check, " && printf fine");
        out = shell(buf_str(&check));
        assert_string_equal(out, "fine");
        step_fini(&talk);
    }
}

static struct exec_result *hear(struct step_talk *talk, int status, const char *out, const char *error)
{
    struct store_device device = {.name = (char[]){"/dev/sdb"}};
    struct exec_step step = {.kind = EXEC_DEVICE_SETUP, .device = &device};
    struct exec_config config;
    const struct step_reply reply = {.status = status, .out = out, .out_len = strlen(out), .error = error};

    exec_config_init(&config);
    step_begin(talk, &config, &step);
    step_hear(talk, &reply);
    assert_true(talk->ended);
    return &talk->result;
}

#define ROW                                                                                     \
    "{\"report\": [{\"vg\": [{\"vg_extent_size\": \"4194304\", \"vg_extent_count\": \"5087\", " \
    "\"vg_free_count\": \"5087\", \"pv_uuid\": \"Ab-Cd\", \"pv_name\": \"/dev/sdb\"}]}]}"

static void test_results(void **state)
{
    static const struct {
        int status;
        const char *error;
        int code;
        bool permanent;
        const char *message;
    } cases[] = {
        {SCRIPT_PERMANENT, "text of the node\n", E_REMOTE, true, "text of the node"},
        {SCRIPT_BUSY, "", E_BUSY, false, "process exited with status 75"},
        {SCRIPT_FENCED, "term 9 has taken over", E_FENCED, false, "term 9 has taken over"},
        {SCRIPT_FOREIGN, "cluster 1 has this node", E_AUTH, false, "cluster 1 has this node"},
        {SCRIPT_TIMEOUT, "", E_TIMEOUT, false, "process exited with status 124"},
        {SCRIPT_KILLED, "", E_TIMEOUT, false, "process exited with status 137"},
        {3, "\n", E_REMOTE, false, "process exited with status 3"},
    };
    struct step_talk talk;
    struct exec_result *result;

    (void)state;
    result = hear(&talk, 0, "noise\nhecate: path /dev/disk/x\nhecate: path /dev/sdb\nhecate: lvm\n" ROW, "");
    assert_int_equal(result->code, 0);
    assert_int_equal(result->device.total_kib, 4096 * 5087);
    assert_int_equal(result->device.extent_kib, 4096);
    assert_string_equal(result->device.pv_uuid, "Ab-Cd");
    assert_int_equal(result->device.paths.n, 2);
    assert_string_equal(result->device.paths.items[1], "/dev/sdb");
    step_fini(&talk);
    result = hear(
        &talk, 0,
        "hecate: path relative\nhecate: path /a b\nhecate: path /\xff\nhecate: path /dev/sdb\nhecate: lvm\n" ROW, "");
    assert_int_equal(result->device.paths.n, 1);
    step_fini(&talk);
    assert_int_equal(hear(&talk, 0, "hecate: path /dev/sdb\n", "")->code, E_REMOTE);
    step_fini(&talk);
    assert_int_equal(hear(&talk, 0, "hecate: lvm\n{}", "")->code, E_REMOTE);
    step_fini(&talk);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        result = hear(&talk, cases[i].status, "", cases[i].error);
        assert_int_equal(result->code, cases[i].code);
        assert_int_equal(result->permanent, cases[i].permanent);
        assert_string_equal(result->message, cases[i].message);
        step_fini(&talk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quote_is_one_word),
        cmocka_unit_test(test_bad_names_are_refused),
        cmocka_unit_test(test_options_cannot_break_out),
        cmocka_unit_test(test_old_options_end_the_step),
        cmocka_unit_test(test_words_are_looked_at_where_they_are_added),
        cmocka_unit_test(test_long_options_are_set_in_parts),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_results),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The scripts of devices in a sandbox with pretended LVM: what they say of a device that is not theirs to take, and how
 * large they find one that is. */
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

#define ID "00000000000000000000000000000000"
#define OTHER "0123456789abcdef0123456789abcdef"
#define ROW                                                                                     \
    "{\"report\": [{\"vg\": [{\"vg_extent_size\": \"4194304\", \"vg_extent_count\": \"5087\", " \
    "\"vg_free_count\": \"5087\", \"pv_uuid\": \"Ab-Cd\", \"pv_name\": \"/dev/sdb\"}]}]}"

static char folder[64];

/* One program for all names. Files say what it finds: group, uuid, and whether commands fail. */
static const char tool[] = "#!/bin/sh\n"
                           "cd %s || exit 1\n"
                           "lvm() {\n"
                           "    case \"$*\" in\n"
                           "    'vgs --noheadings -o vg_name'*) cat groups ;;\n"
                           "    'vgs --noheadings -o pv_count'*) echo 1 ;;\n"
                           "    'vgs --reportformat'*) echo '" ROW "' ;;\n"
                           "    'pvs '*pv_uuid*) cat uuid ;;\n"
                           "    'pvs '*vg_name*) cat group ;;\n"
                           "    'pvcreate '*) [ ! -e no-pvcreate ] || { echo excluded by a filter >&2; exit 5; } ;;\n"
                           "    esac\n"
                           "}\n"
                           "case ${0##*/} in\n"
                           "lvm) lvm \"$@\" ;;\n"
                           "wipefs) [ ! -e no-wipefs ] ;;\n"
                           "esac\n";

static int shell(const char *script)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(folder) == 0 && freopen("output", "w", stdout) != NULL && freopen("errors", "w", stderr) != NULL) {
            execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        }
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static char *content(const char *name)
{
    CLEANUP(free_ptr) char *path = mem_printf("%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    struct buf text = BUF_INIT;
    char data[4096];
    size_t n;

    assert_non_null(file);
    while ((n = fread(data, 1, sizeof(data), file)) > 0) {
        buf_append(&text, data, n);
    }
    (void)fclose(file); /* only read from */
    return buf_take(&text);
}

static void replace(struct buf *text, const char *from, const char *to)
{
    CLEANUP(free_ptr) char *before = buf_take(text);
    const char *rest = before;

    for (const char *at; (at = strstr(rest, from)) != NULL; rest = at + strlen(from)) {
        buf_append(text, rest, (size_t)(at - rest));
        buf_append_str(text, to);
    }
    buf_append_str(text, rest);
}

/* Runs the step's script; the executor's result of it. */
static void run(enum exec_step_kind kind, bool destroy, struct exec_result *ret_result)
{
    CLEANUP(free_ptr) char *base = mem_printf("%s/base", folder);
    CLEANUP(free_ptr) char *lvm = mem_printf("%s/bin/lvm", folder);
    CLEANUP(free_ptr) char *path = mem_printf("PATH=%s/bin:/usr/sbin", folder);
    struct store_device device = {.name = (char[]){"/dev/sdb"}, .destroy_data = destroy};
    struct exec_step step = {.kind = kind, .device = &device};
    struct exec_config config;
    struct step_talk talk;
    struct buf script = BUF_INIT;
    struct step_reply reply;
    char *out, *error;

    exec_config_init(&config);
    step_begin(&talk, &config, &step);
    buf_append_str(&script, buf_str(&talk.script));
    replace(&script, "PATH=/usr/sbin", path);
    replace(&script, "/var/lib/heketi", base);
    replace(&script, "/usr/sbin/lvm", lvm);
    reply = (struct step_reply){.status = shell(buf_str(&script))};
    reply.out = out = content("output");
    reply.out_len = strlen(out);
    reply.error = error = content("errors");
    step_hear(&talk, &reply);
    assert_true(talk.ended);
    *ret_result = talk.result;
    store_strs_fini(&ret_result->device.paths);
    memset(&talk.result, 0, sizeof(talk.result));
    step_fini(&talk);
    buf_fini(&script);
    free(out);
    free(error);
}

static void set(const char *script)
{
    assert_int_equal(shell("rm -rf base no-*; mkdir -p base/mounts; : >groups; : >uuid; : >group; "
                           "echo 00000000000000000000000000000000 0 >base/.hecate-fence"),
                     0);
    assert_int_equal(shell(script), 0);
}

static void refused(const char *what, bool destroy, const char *message)
{
    struct exec_result result;

    set(what);
    run(EXEC_DEVICE_SETUP, destroy, &result);
    assert_string_equal(result.message, message);
    assert_int_equal(result.code, E_REMOTE);
    assert_true(result.permanent);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("echo uuid-1 >uuid; echo vg_" OTHER " >group", false,
            "Initializing device /dev/sdb failed (aleady contains Physical Volume uuid-1): in volume group 'vg_" OTHER
            "'");
    refused("echo uuid-1 >uuid; echo vg_" OTHER " >group", true, "Device already in use (ID: " OTHER ")");
    refused("echo uuid-1 >uuid", false,
            "Initializing device /dev/sdb failed (aleady contains Physical Volume uuid-1): in volume group ''");
    refused(": >no-pvcreate", false,
            "Initializing device /dev/sdb failed (already initialized or contains data?): excluded by a filter");
    refused(": >no-pvcreate; : >no-wipefs", false,
            "Initializing device /dev/sdb failed (failed to check device contents): excluded by a filter");
}

static void test_size(void **state)
{
    static const enum exec_step_kind kinds[] = {EXEC_DEVICE_SETUP, EXEC_DEVICE_LOOK};
    struct exec_result result;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        set("echo '  vg_" ID "' >groups");
        run(kinds[i], false, &result);
        assert_string_equal(result.message, "");
        assert_int_equal(result.code, 0);
        assert_int_equal(result.device.total_kib, 4096 * 5087);
        assert_int_equal(result.device.extent_kib, 4096);
    }
    set("echo '  vg_" OTHER "' >groups");
    run(EXEC_DEVICE_LOOK, false, &result);
    assert_string_equal(result.message, "Volume group vg_" ID " was not found");
    assert_true(result.permanent);
}

static int setup(void **state)
{
    CLEANUP(free_ptr) char *text = NULL, *path = NULL;
    FILE *file;

    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/hecate-device-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(shell("mkdir bin"), 0);
    text = mem_printf(tool, folder);
    path = mem_printf("%s/bin/lvm", folder);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return shell("chmod +x bin/lvm && for name in wipefs udevadm sync; do ln -s lvm bin/$name; done");
}

static int teardown(void **state)
{
    CLEANUP(free_ptr) char *command = mem_printf("rm -rf %s", folder);

    (void)state;
    return shell(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_size),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

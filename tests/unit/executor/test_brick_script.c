/* The scripts of bricks in a sandbox: pretended LVM, mkfs, mount and Gluster that keep what they do. Each command in
 * turn fails before or after its effect and nothing runs behind it, as in a crash; the repeated step must end in the
 * same state as one that nothing happened to. */
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

#define VG "vg_00000000000000000000000000000000"
#define BRICK "brick_00000000000000000000000000000000"
#define COMMANDS_MAX 60

static unsigned once; /* this command fails, those behind it do not */
static char folder[64], pool[] = "tp_1", no_text[] = "", name[] = "v";
static char *lv = no_text, *brick_path = no_text;

/* One program for all names: counts, fails where it is told to, else does it. "dead": nothing does anything any more.
 */
static const char tool[] =
    "#!/bin/sh\n"
    "cd %s && name=${0##*/} || exit 1\n"
    "[ ! -e dead ] || exit 1\n"
    "n=$(($(cat count) + 1)); echo $n >count\n"
    "[ \"$n $(cat before)\" != \"$n $n\" ] || { touch dead; exit 1; }\n"
    "[ \"$n $(cat once)\" != \"$n $n\" ] || exit 1\n"
    "last() { for last; do :; done; echo \"${last##*/}\"; }\n"
    "dev=dev/" VG "-brick_00000000000000000000000000000000\n"
    "lvm() {\n"
    "    case \"$*\" in\n"
    "    'vgs '*) echo ' " VG "' ;;\n"
    "    'lvs '*vg_name,lv_name*) echo \"  $(cat mapped/$(last \"$@\"))\" ;;\n"
    "    'lvs '*lv_name,pool_lv,lv_tags*) for f in lv/*; do [ ! -e \"$f\" ] || "
    "echo \"  ${f#lv/}:$(cat \"$f\"):$(cat tags/${f#lv/} 2>/dev/null)\"; done ;;\n"
    "    'lvcreate '*) [ ! -e lv/brick_00000000000000000000000000000000 ] && [ ! -e lv/tp_1 ] && : >lv/tp_1 && echo "
    "tp_1 >lv/brick_00000000000000000000000000000000 && : >$dev ;;\n"
    "    'lvremove '*) rm lv/$(last \"$@\") && rm -rf tags/$(last \"$@\") fs ;;\n"
    "    *--addtag*) echo hecate.made >tags/$(last \"$@\") ;;\n"
    "    'lvchange '*) [ -e lv/$(last \"$@\") ] && : >$dev ;;\n"
    "    *) exit 3 ;;\n"
    "    esac\n"
    "}\n"
    "mnt=base/mounts/" VG "/brick_00000000000000000000000000000000\n"
    "case $name in\n"
    "lvm) lvm \"$@\" || exit 1 ;;\n"
    "mkfs.xfs) [ -e $dev ] && rm -rf fs && mkdir fs || exit 1 ;;\n"
    "mount) [ -e $dev ] && [ -d fs ] && [ ! -s mounts ] && rmdir $mnt && mv fs $mnt && echo \"dev $PWD/$mnt xfs\" "
    ">mounts || exit 1 "
    ";;\n"
    "umount) mv $mnt fs && mkdir $mnt && : >mounts || exit 1 ;;\n"
    "gluster) case \"$*\" in *' volume start v force') mkdir -p $mnt/brick/.glusterfs ;; "
    "*' volume heal v full') mkdir -p $mnt/brick/healed ;; *) cat volumes.xml ;; esac "
    ";;\n"
    "sync) ;;\n"
    "esac\n"
    "[ \"$n $(cat after)\" != \"$n $n\" ] || { touch dead; exit 1; }\n";

static int shell(const char *script)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(folder) == 0 && freopen("errors", "a", stderr) != NULL) {
            execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        }
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static char *output(const char *command)
{
    CLEANUP(free_ptr) char *script = mem_printf("(%s) >output", command);
    CLEANUP(free_ptr) char *path = mem_printf("%s/output", folder);
    struct buf text = BUF_INIT;
    FILE *file;
    char data[4096];
    size_t n;

    assert_int_equal(shell(script), 0);
    file = fopen(path, "rb");
    assert_non_null(file);
    while ((n = fread(data, 1, sizeof(data), file)) > 0) {
        buf_append(&text, data, n);
    }
    (void)fclose(file); /* only read from */
    return buf_take(&text);
}

static void replace(struct buf *out, const char *text, const char *from, const char *to)
{
    for (const char *at; (at = strstr(text, from)) != NULL; text = at + strlen(from)) {
        buf_append(out, text, (size_t)(at - text));
        buf_append_str(out, to);
    }
    buf_append_str(out, text);
}

static bool replaced;

/* The script with the sandbox's places instead of the node's. */
static char *script_of(enum exec_step_kind kind)
{
    static const char *const places[][2] = {{"/var/lib/heketi", "base"},       {"/run/gluster", "run"},
                                            {"/usr/sbin/lvm", "bin/lvm"},      {"/proc/self/mounts", "mounts"},
                                            {"/var/lib/glusterd", "glusterd"}, {"/dev/mapper", "dev"}};
    CLEANUP(free_ptr) char *fstab = mem_printf("%s/fstab", folder);
    CLEANUP(free_ptr) char *path = mem_printf("PATH=%s/bin:/usr/sbin", folder);
    struct store_brick brick = {
        .pool = pool, .lv = lv, .path = brick_path, .size_kib = 1, .pool_kib = 1, .meta_kib = 1};
    const struct exec_brick item = {&brick, "192.0.2.1"};
    const struct store_volume volume = {.name = name};
    const struct exec_step step = {
        .kind = kind, .term = 0, .bricks = &item, .n_bricks = 1, .volume = &volume, .replaced = replaced};
    struct exec_config config;
    struct step_talk talk;
    struct err err = ERR_INIT;
    struct buf text = BUF_INIT;

    exec_config_init(&config);
    config.fstab = fstab;
    assert_int_equal(step_check(&config, &step, &err), 0);
    step_begin(&talk, &config, &step);
    replace(&text, buf_str(&talk.script), "PATH=/usr/sbin", path);
    step_fini(&talk);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        CLEANUP(free_ptr) char *place = mem_printf("%s/%s", folder, places[i][1]);
        CLEANUP(free_ptr) char *before = buf_take(&text);

        replace(&text, before, places[i][0], place);
    }
    return buf_take(&text);
}

/* An empty node whose fstab has a line without an end. */
static void reset(void)
{
    assert_int_equal(
        shell("rm -rf base lv tags fs dev fstab glusterd run mapped bin/systemctl; mkdir -p base lv tags dev mapped; "
              ": >mounts; "
              "echo 00000000000000000000000000000000 0 >base/.hecate-fence; "
              "echo " VG "/" BRICK " >mapped/dev; "
              "printf '# mine\\n/dev/sda1 / ext4 defaults 0 1' >fstab; "
              "echo '<cliOutput><opRet>0</opRet></cliOutput>' >volumes.xml"),
        0);
}

static int run_step(enum exec_step_kind kind, const char *before, const char *after)
{
    CLEANUP(free_ptr) char *script = script_of(kind);
    CLEANUP(free_ptr)
    char *prepare =
        mem_printf("rm -f dead; echo 0 >count; echo %s >before; echo %s >after; echo %u >once", before, after, once);

    assert_int_equal(shell(prepare), 0);
    return shell(script);
}

static char *state_of_node(void)
{
    return output(
        "grep -r . lv tags fstab mounts; ls lv tags; find base/mounts fs -type d 2>/dev/null | sort; ls -A base | "
        "grep -c new || true");
}

static void check_fstab(bool brick)
{
    CLEANUP(free_ptr) char *fstab = output("cut -d' ' -f2,3 fstab");
    CLEANUP(free_ptr)
    char *line = mem_printf("mine\n/ ext4\n%s/base/mounts/" VG "/brick_00000000000000000000000000000000 xfs\n", folder);

    assert_string_equal(fstab, brick ? line : "mine\n/ ext4\n");
}

/* Fails at each command of the step in turn, then repeats it. No volume is active again by itself. */
static void crash_everywhere(enum exec_step_kind kind, bool made_before)
{
    CLEANUP(free_ptr) char *wanted = NULL;
    unsigned long commands = 0;

    for (unsigned long at = 0; at <= 2 * commands; at++) {
        CLEANUP(free_ptr) char *number = mem_printf("%lu", (at + 1) / 2);
        CLEANUP(free_ptr) char *state = NULL;

        reset();
        if (made_before) {
            assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
        }
        if (at > 0) {
            (void)run_step(kind, at % 2 == 1 ? number : "0", at % 2 == 0 ? number : "0");
            assert_int_equal(shell("rm -f dev/*"), 0);
        }
        if (run_step(kind, "0", "0") != 0) {
            fail_msg("after a failure %s command %s the step cannot be repeated (see %s/errors)",
                     at % 2 == 1 ? "before" : "after", number, folder);
        }
        state = state_of_node();
        if (at == 0) {
            CLEANUP(free_ptr) char *count = output("cat count");

            commands = strtoul(count, NULL, 10);
            assert_in_range(commands, 3, COMMANDS_MAX);
            wanted = TAKE_PTR(state);
        } else if (strcmp(state, wanted) != 0) {
            fail_msg("after a failure %s command %s: %s\nexpected: %s", at % 2 == 1 ? "before" : "after", number, state,
                     wanted);
        }
        check_fstab(kind == EXEC_BRICK_CREATE);
    }
}

static void test_create_is_repeated(void **state)
{
    (void)state;
    crash_everywhere(EXEC_BRICK_CREATE, false);
}

static void test_destroy_is_repeated(void **state)
{
    (void)state;
    crash_everywhere(EXEC_BRICK_DESTROY, true);
}

/* A file in the brick, which Gluster knows. */
static void put_data(void)
{
    CLEANUP(free_ptr)
    char *script = mem_printf("echo data >base/mounts/" VG "/" BRICK "/brick/file; echo '<cliOutput><opRet>0</opRet>"
                              "<name>192.0.2.1:%s/base/mounts/" VG "/" BRICK "/brick</name></cliOutput>' >volumes.xml",
                              folder);

    assert_int_equal(shell(script), 0);
}

/* The brick is in a volume, as the files of the node's glusterd have it. */
static void put_file_of(const char *volume)
{
    CLEANUP(free_ptr)
    char *script = mem_printf("mkdir -p glusterd/vols/%s/bricks && : >\"glusterd/vols/%s/bricks/192.0.2.1:$(echo "
                              "%s/base/mounts/" VG "/" BRICK "/brick | tr / -)\"",
                              volume, volume, folder);

    assert_int_equal(shell(script), 0);
}

static void put_file(void)
{
    put_file_of("of");
}

/* What systemctl says of glusterd. */
static void put_state(const char *state, int status)
{
    CLEANUP(free_ptr)
    char *script =
        mem_printf("printf '#!/bin/sh\necho %s; exit %d\n' >bin/systemctl; chmod +x bin/systemctl", state, status);

    assert_int_equal(shell(script), 0);
}

/* Whatever other nodes say, what the node's own glusterd has in a volume is not destroyed. */
static void test_destroy_spares_what_glusterd_has(void **state)
{
    static const char has_data[] = "grep -q data base/mounts/" VG "/" BRICK "/brick/file";
    static const struct {
        const char *state;
        int status;
    } states[] = {{"active", 0}, {"activating", 3}, {"inactive", 3}, {"failed", 3}, {"unknown", 4}, {"", 1}};

    (void)state;
    reset();
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    put_data();
    put_file();
    assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), SCRIPT_BUSY);
    assert_int_equal(shell(has_data), 0);
    assert_int_equal(shell("grep -q 'has the brick in volume of' errors"), 0);
    /* Whether it runs or not, as before it is started after a reboot: it says nothing; or not that there is no such
     * volume. */
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        put_state(states[i].state, states[i].status);
        assert_int_equal(shell(": >volumes.xml"), 0);
        assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), SCRIPT_BUSY);
        assert_int_equal(shell("echo '<cliOutput><opRet>-1</opRet><opErrstr>busy</opErrstr></cliOutput>' >volumes.xml"),
                         0);
        assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), SCRIPT_BUSY);
        assert_int_equal(shell(has_data), 0);
    }
    /* There is no such file. */
    assert_int_equal(shell(": >volumes.xml; rm -r glusterd/vols/of"), 0);
    assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), 0);
    assert_int_equal(shell(has_data), 2);
}

/* The files have it in one volume, of which glusterd says otherwise, and in another one, of which it says nothing. */
static void test_destroy_asks_for_each_file(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    put_data();
    put_file_of("a");
    put_file_of("b");
    put_state("inactive", 3);
    assert_int_equal(shell("rm bin/gluster; printf '#!/bin/sh\ncase $* in *info\\ a\\ *) echo \"<cliOutput><opErrstr>"
                           "Volume a does not exist</opErrstr></cliOutput>\" ;; esac\n' >bin/gluster; chmod +x "
                           "bin/gluster"),
                     0);
    assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), SCRIPT_BUSY);
    assert_int_equal(shell("grep -q 'in volume b' errors"), 0);
    assert_int_equal(shell("grep -q data base/mounts/" VG "/" BRICK "/brick/file"), 0);
    assert_int_equal(shell("rm bin/gluster; ln -s ../tool bin/gluster"), 0);
}

/* A file that was left behind: glusterd knows better. */
static void test_destroy_asks_glusterd_not_its_files(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    put_file();
    put_state("active", 0);
    assert_int_equal(shell("echo '<cliOutput><opRet>-1</opRet><opErrstr>Volume of does not exist</opErrstr>"
                           "</cliOutput>' >volumes.xml"),
                     0);
    assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), 0);
    assert_int_equal(shell("test -d base/mounts/" VG "/" BRICK), 1);
}

/* ---- bricks of clones ---- */

#define UUID "6d6489b2ab4341878c07a080995d56bf"
#define SNAPS "run/snaps/" UUID

/* Gluster has put it there, in a pool with others, and mounted it. */
static void put_clone(const char *mounted_lv)
{
    CLEANUP(free_ptr)
    char *script = mem_printf("mkdir -p " SNAPS "/brick1/brick; echo tp_1 >lv/" UUID "_0; echo tp_1 >lv/other; : "
                              ">lv/tp_1; echo \"/dev/of $PWD/" SNAPS "/brick1 xfs\" >mounts; echo " VG "/%s >mapped/of",
                              mounted_lv);

    reset();
    lv = mem_strdup(UUID "_0");
    brick_path = mem_strdup("/run/gluster/snaps/" UUID "/brick1/brick");
    assert_int_equal(shell(script), 0);
}

static void end_clone(void)
{
    free(lv);
    free(brick_path);
    lv = brick_path = no_text;
}

#define IS_THERE "test -e lv/" UUID "_0 && test -s mounts && test -d " SNAPS "/brick1"

static void test_clone_is_destroyed(void **state)
{
    (void)state;
    put_clone(UUID "_0");
    put_state("active", 0);
    assert_int_equal(shell("rm bin/umount; printf '#!/bin/sh\n: >mounts; rmdir " SNAPS "/brick1/brick\n' >bin/umount; "
                           "chmod +x bin/umount"),
                     0);
    assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), 0);
    assert_int_equal(shell("test ! -e lv/" UUID "_0 && test -e lv/other && test ! -s mounts && test ! -e " SNAPS), 0);
    assert_int_equal(shell("rm bin/umount; ln -s ../tool bin/umount"), 0);
    end_clone();
}

/* What the node's own glusterd has there, in whatever volume or snapshot, is not destroyed. */
static void test_clone_spares_what_glusterd_has(void **state)
{
    static const struct {
        const char *folder, *file, *text, *answer, *what;
    } cases[] = {
        /* DIR: the sandbox, with dashes in the name of a file */
        {"vols/twin/bricks", "192.0.2.1:DIR-run-snaps-" UUID "-brick1-brick", "path=DIR/" SNAPS "/brick1/brick",
         "<name>192.0.2.1:DIR/" SNAPS "/brick1/brick</name>", "volume twin"},
        {"snaps/daily/" UUID "/bricks", "192.0.2.1:DIR-run-snaps-" UUID "-brick1-brick", "",
         "<snapVolume><name>" UUID "</name>", "snapshot daily"},
        /* By its logical volume: the path was another one. */
        {"vols/twin/bricks", "192.0.2.1:-else-brick", "device_path=/dev/" VG "/" UUID "_0\npath=/else/brick",
         "<name>192.0.2.1:/else/brick</name>", "volume twin"},
        {"snaps/daily/0f0f/bricks", "192.0.2.1:-else-brick", "device_path=DIR/dev/" VG "-" UUID "_0",
         "<snapVolume><name>0f0f</name>", "snapshot daily"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(free_ptr)
        char *script =
            mem_printf("file=$(echo '%s' | sed \"s,DIR,$(pwd | tr / -),\"); mkdir -p glusterd/%s && "
                       "echo '%s' | sed \"s,DIR,$(pwd),\" >\"glusterd/%s/$file\" && echo '<cliOutput><opRet>0</opRet>%s"
                       "</cliOutput>' | sed \"s,DIR,$(pwd),\" >volumes.xml; : >errors",
                       cases[i].file, cases[i].folder, cases[i].text, cases[i].folder, cases[i].answer);
        CLEANUP(free_ptr) char *said = mem_printf("grep -q 'has the brick in %s' errors", cases[i].what);

        put_clone(UUID "_0");
        put_state("active", 0);
        assert_int_equal(shell(script), 0);
        assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), SCRIPT_BUSY);
        assert_int_equal(shell(IS_THERE), 0);
        assert_int_equal(shell(said), 0);
        end_clone();
    }
}

/* What is mounted there is something else; or it is no place of bricks at all. */
static void test_clone_elsewhere(void **state)
{
    static const char *const odd[] = {"/srv/brick", "/etc/brick", "/run/gluster/brick1", "/run/brick"};

    (void)state;
    put_clone("0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f_0");
    assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), SCRIPT_BUSY);
    assert_int_equal(shell(IS_THERE), 0);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        free(brick_path);
        brick_path = mem_strdup(odd[i]);
        assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), SCRIPT_PERMANENT);
        assert_int_equal(shell(IS_THERE), 0);
    }
    end_clone();
}

/* A brick that is done, or in a volume already, keeps what is in it. */
static void test_made_brick_keeps_its_data(void **state)
{
    static const char has_data[] = "grep -q data base/mounts/" VG "/" BRICK "/brick/file";

    (void)state;
    reset();
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    put_data();
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    assert_int_equal(shell(has_data), 0);
    /* After a reboot: nothing mounted. */
    assert_int_equal(shell("rm -f dead; bin/umount"), 0);
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    assert_int_equal(shell(has_data), 0);
    /* Gluster does not say: nothing is removed. */
    assert_int_equal(shell("echo '<cliOutput><opRet>-1</opRet></cliOutput>' >volumes.xml"), 0);
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), SCRIPT_BUSY);
    assert_int_equal(shell(has_data), 0);
}

/* What a volume create that failed has left on the brick goes, but on the brick's own logical volume only. */
static void test_marked_brick_is_made_anew(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    assert_int_equal(shell("mkdir base/mounts/" VG "/" BRICK "/brick/.glusterfs; echo " VG "/other >mapped/dev"), 0);
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), SCRIPT_PERMANENT);
    assert_int_equal(shell("test -d base/mounts/" VG "/" BRICK "/brick/.glusterfs"), 0);
    assert_int_equal(shell("rm mapped/dev"), 0);
    assert_int_not_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    assert_int_equal(shell("test -d base/mounts/" VG "/" BRICK "/brick/.glusterfs"), 0);
    assert_int_equal(shell("echo " VG "/" BRICK " >mapped/dev"), 0);
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    assert_int_equal(shell("test -d base/mounts/" VG "/" BRICK "/brick"), 0);
    assert_int_not_equal(shell("test -e base/mounts/" VG "/" BRICK "/brick/.glusterfs"), 0);
}

/* A command that fails once, while those behind it work, must not be taken for "it is not there". */
static void test_one_failure_loses_nothing(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    put_data();
    for (unsigned at = 1; at <= 12; at++) {
        assert_int_equal(shell("rm -f dead; bin/umount"), 0);
        once = at;
        (void)run_step(EXEC_BRICK_CREATE, "0", "0");
        once = 0;
        assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
        assert_int_equal(shell("grep -q data base/mounts/" VG "/" BRICK "/brick/file"), 0);
    }
}

/* A power cut has taken away what Gluster wrote on a new brick: it is made to write it again. */
static void test_sync_of_a_brick_that_does_not_start(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    /* The volume of this name is somebody else's: it is not started. */
    put_file();
    assert_int_equal(shell("mkdir -p glusterd/vols/v/bricks; printf '#!/bin/sh\\n' >bin/sleep; chmod 755 bin/sleep"),
                     0);
    assert_int_equal(run_step(EXEC_BRICK_SYNC, "0", "0"), SCRIPT_BUSY);
    assert_int_equal(shell("rm bin/sleep; test -e base/mounts/" VG "/" BRICK "/brick/.glusterfs"), 1);
    put_file_of("v");
    assert_int_equal(run_step(EXEC_BRICK_SYNC, "0", "0"), 0);
    assert_int_equal(shell("test -d base/mounts/" VG "/" BRICK "/brick/.glusterfs"), 0);
    /* Not on what is below the place where it should be mounted. */
    assert_int_equal(shell("rm -rf base/mounts/" VG "/" BRICK "/brick/.glusterfs; bin/umount"), 0);
    assert_int_equal(run_step(EXEC_BRICK_SYNC, "0", "0"), 1);
    assert_int_equal(shell("test -e base/mounts/" VG "/" BRICK "/brick"), 1);
}

/* A brick that has replaced another one: its root has to be healed first, and Gluster is told to if it does not. */
static void test_sync_of_a_replaced_brick(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    replaced = true;
    put_file_of("v");
    assert_int_equal(run_step(EXEC_BRICK_SYNC, "0", "0"), 0);
    replaced = false;
    assert_int_equal(shell("test -d base/mounts/" VG "/" BRICK "/brick/healed"), 0);
}

/* A pool with other volumes in it is left alone by both. */
static void test_shared_pool_is_kept(void **state)
{
    (void)state;
    reset();
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), 0);
    assert_int_equal(shell("echo tp_1 >lv/clone_1"), 0);
    assert_int_equal(run_step(EXEC_BRICK_DESTROY, "0", "0"), 0);
    assert_int_equal(
        shell("test -e lv/tp_1 && test -e lv/clone_1 && test ! -e lv/brick_00000000000000000000000000000000"), 0);
    assert_int_equal(run_step(EXEC_BRICK_CREATE, "0", "0"), SCRIPT_PERMANENT);
    assert_int_equal(shell("test -e lv/tp_1 && test -e lv/clone_1"), 0);
}

static int set_up(void **state)
{
    CLEANUP(free_ptr) char *text = NULL;
    CLEANUP(free_ptr) char *path = NULL;
    FILE *file;

    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/hecate-brick.XXXXXX");
    assert_non_null(mkdtemp(folder));
    text = mem_printf(tool, folder);
    path = mem_printf("%s/tool", folder);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return shell(
        "chmod 755 tool; mkdir bin; for name in lvm mkfs.xfs mount umount gluster sync; do ln -s ../tool bin/$name; "
        "done");
}

static int tear_down(void **state)
{
    (void)state;
    return shell("cd / && rm -rf \"$OLDPWD\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_is_repeated),
        cmocka_unit_test(test_destroy_is_repeated),
        cmocka_unit_test(test_destroy_spares_what_glusterd_has),
        cmocka_unit_test(test_destroy_asks_for_each_file),
        cmocka_unit_test(test_destroy_asks_glusterd_not_its_files),
        cmocka_unit_test(test_clone_is_destroyed),
        cmocka_unit_test(test_clone_spares_what_glusterd_has),
        cmocka_unit_test(test_clone_elsewhere),
        cmocka_unit_test(test_made_brick_keeps_its_data),
        cmocka_unit_test(test_marked_brick_is_made_anew),
        cmocka_unit_test(test_one_failure_loses_nothing),
        cmocka_unit_test(test_shared_pool_is_kept),
        cmocka_unit_test(test_sync_of_a_brick_that_does_not_start),
        cmocka_unit_test(test_sync_of_a_replaced_brick),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

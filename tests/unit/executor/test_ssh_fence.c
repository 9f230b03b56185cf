/* The fence as a node keeps it, and steps of several calls, against a real sshd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/log.h"
#include "store/base/mem.h"
#include "tests/unit/executor/sshd.h"

static struct sshd *sshd;

#define HOST "127.0.0.1"
#define FIRST "01900000000000000000000000000000" /* clusters of managers, in the order in which they were formed */
#define SECOND "01a0ffffffffffffffffffffffffffff"

static char name_of_volume[] = "v";
static const struct store_volume volume = {.name = name_of_volume};
static const char *managers = FIRST;

static struct exec_step step_of(enum exec_step_kind kind, uint64_t term)
{
    struct exec_step step = {.kind = kind, .host = HOST, .term = term, .volume = &volume};

    assert_true(id_parse(managers, strlen(managers), &step.managers));
    return step;
}

static struct exec_step delete_step(uint64_t term)
{
    return step_of(EXEC_VOLUME_DELETE, term);
}

static struct exec_step fence_step(uint64_t term)
{
    return step_of(EXEC_FENCE, term);
}

static const char no_volume[] =
    "<cliOutput><opRet>-1</opRet><opErrno>30806</opErrno><opErrstr>no</opErrstr></cliOutput>";

/* Writes a pretended gluster: shell text that sees the words in "$*". */
static void gluster(const char *text)
{
    CLEANUP(free_ptr) char *script = mem_printf("#!/bin/sh\necho \"$*\" >>%s/asked\n%s\n", sshd->folder, text);

    sshd_write(sshd, "asked", "");
    sshd_write(sshd, "bin/gluster", script);
    sshd_shell(sshd, "rm -f base/.hecate-fence");
}

static void test_fence_is_raised_first(void **state)
{
    CLEANUP(free_ptr) char *gone = mem_printf("echo '%s'; exit 1", no_volume);
    CLEANUP(free_ptr) char *fence = NULL;
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    gluster(gone);
    client_do(&client, delete_step(5), &call);
    call_expect(&call, E_OK, "");
    fence = sshd_read(sshd, "base/.hecate-fence");
    assert_string_equal(fence, FIRST " 5\n");
    assert_int_equal(sshd_lines(sshd, "calls"), 3); /* refused, raised, done */
    assert_int_equal(sshd_lines(sshd, "asked"), 1); /* nothing before the fence was raised */
    client_do(&client, delete_step(5), &call);
    call_expect(&call, E_OK, "");
    assert_int_equal(sshd_lines(sshd, "calls"), 4);
    client_do(&client, delete_step(4), &call); /* a deposed leader's */
    call_expect(&call, E_FENCED, "term 5 has taken over");
    assert_int_equal(sshd_lines(sshd, "asked"), 2);
    client_do(&client, fence_step(4), &call);
    call_expect(&call, E_FENCED, "term 5 has taken over");
    client_do(&client, fence_step(7), &call);
    call_expect(&call, E_OK, "");
    client_do(&client, fence_step(7), &call);
    call_expect(&call, E_OK, "");
    client_do(&client, delete_step(6), &call);
    call_expect(&call, E_FENCED, "term 7 has taken over");
    assert_int_equal(sshd_lines(sshd, "asked"), 2);
    client_fini(&client);
}

/* A cluster of managers that was formed later takes over, however low its terms are; the one before it is shut out, and
 * to it the node is one that does not let it in. */
static void test_later_cluster_takes_over(void **state)
{
    CLEANUP(free_ptr) char *gone = mem_printf("echo '%s'; exit 1", no_volume);
    CLEANUP(free_ptr) char *fence = NULL;
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    gluster(gone);
    client_do(&client, delete_step(900), &call);
    call_expect(&call, E_OK, "");
    managers = SECOND;
    client_do(&client, delete_step(1), &call);
    call_expect(&call, E_OK, "");
    client_do(&client, fence_step(2), &call);
    call_expect(&call, E_OK, "");
    client_do(&client, delete_step(1), &call);
    call_expect(&call, E_FENCED, "term 2 has taken over");
    managers = FIRST;
    assert_int_equal(sshd_lines(sshd, "asked"), 2);
    client_do(&client, delete_step(901), &call);
    call_expect(&call, E_AUTH, "cluster " SECOND " of managers, which was formed later, has this node");
    client_do(&client, fence_step(901), &call);
    call_expect(&call, E_AUTH, "cluster " SECOND " of managers, which was formed later, has this node");
    assert_int_equal(sshd_lines(sshd, "asked"), 2);
    fence = sshd_read(sshd, "base/.hecate-fence");
    assert_string_equal(fence, SECOND " 2\n");
    client_fini(&client);
}

/* What a crash, a full disk, a wrong hand or malice may leave in the file: never a newer term, and never a number. */
static void test_damaged_fence(void **state)
{
    static const char *const texts[] = {
        "",
        "\\n",
        "garbage\\n",
        "0199\\n",
        "0199 x7\\n",
        "0199 99999999999999999999\\n",
        FIRST "\\n",
        FIRST " 5",
        FIRST " x7\\n",
        FIRST " -1\\n",
        FIRST " 05\\n",
        FIRST " 5 5\\n",
        FIRST " 5\\n" FIRST " 5\\n",
        FIRST " 9999999999999999999\\n",
        FIRST " $(touch owned)\\n",
        FIRST "\\000 5\\n",
        "\\000\\000\\000\\000",
    };
    CLEANUP(free_ptr) char *gone = mem_printf("echo '%s'; exit 1", no_volume);
    struct exec_step repair = fence_step(6);
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    repair.repair = true;
    client_init(&client, sshd, "ed25519");
    gluster(gone);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        CLEANUP(free_ptr)
        char *write = mem_printf("rm -f base/.hecate-*; echo " FIRST " >base/.hecate-managers; "
                                 "printf '%s' >base/.hecate-fence",
                                 texts[i]);

        sshd_shell(sshd, write);
        client_do(&client, delete_step(5), &call);
        call_expect(&call, E_DAMAGED, "the fence of this node");
        client_do(&client, fence_step(6), &call); /* without the order nothing is written */
        call_expect(&call, E_DAMAGED, "is damaged");
        client_do(&client, repair, &call);
        call_expect(&call, E_OK, "");
        sshd_shell(sshd, "test \"$(cat base/.hecate-fence)\" = '" FIRST " 6'; test ! -e owned");
        client_do(&client, delete_step(5), &call);
        call_expect(&call, E_FENCED, "term 6 has taken over");
    }
    assert_int_equal(sshd_lines(sshd, "asked"), 0);
    sshd_shell(sshd, "rm -f base/.hecate-fence; mkdir -p base/.hecate-fence/x");
    client_do(&client, delete_step(6), &call);
    call_expect(&call, E_DAMAGED, "is damaged");
    client_do(&client, repair, &call);
    call_expect(&call, E_OK, "");
    client_do(&client, delete_step(6), &call);
    call_expect(&call, E_OK, "");
    sshd_shell(sshd, "rm base/.hecate-fence; mkfifo base/.hecate-fence"); /* nobody waits for what comes out of it */
    client_do(&client, delete_step(6), &call);
    call_expect(&call, E_DAMAGED, "is damaged");
    client_do(&client, repair, &call);
    call_expect(&call, E_OK, "");
    sshd_shell(sshd, "head -c 100000000 /dev/zero >base/.hecate-fence");
    client_do(&client, delete_step(6), &call);
    call_expect(&call, E_DAMAGED, "is damaged");
    client_fini(&client);
}

/* What must not be forgotten: that a cluster which was formed later has the node. */
static void test_repair_forgets_no_later_cluster(void **state)
{
    static const struct {
        const char *managers, *fence;
        int code;
        const char *says;
    } cases[] = {
        {FIRST, "garbage", E_OK, ""},
        {SECOND, "garbage", E_AUTH, "cluster " SECOND " of managers, which was formed later"},
        {SECOND, FIRST " x7", E_OK, ""}, /* what is left of the fence itself counts more */
        {FIRST, SECOND " x7", E_AUTH, "cluster " SECOND " of managers, which was formed later"},
        {"00000000000000000000000000000007", "garbage", E_OK, ""},
        {"", "garbage", E_DAMAGED, "nothing tells which cluster it was of"},
        {"0190", "garbage", E_DAMAGED, "nothing tells which cluster it was of"},
        {"", FIRST " x7", E_OK, ""},
        {"", FIRST " 7", E_FENCED, "term 7 has taken over"}, /* repaired by somebody meanwhile */
        {SECOND, FIRST " 7", E_FENCED, "term 7 has taken over"},
    };
    struct exec_step repair = fence_step(6);
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    repair.repair = true;
    client_init(&client, sshd, "ed25519");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(free_ptr)
        char *write = mem_printf("echo '%s' >base/.hecate-managers; echo '%s' >base/.hecate-fence", cases[i].managers,
                                 cases[i].fence);

        sshd_shell(sshd, write);
        client_do(&client, repair, &call);
        call_expect(&call, cases[i].code, cases[i].says);
        sshd_shell(sshd, cases[i].code == E_OK
                             ? "test \"$(cat base/.hecate-fence) $(cat base/.hecate-managers)\" = '" FIRST " 6 " FIRST
                               "'"
                             : "! grep -q ' 6$' base/.hecate-fence");
    }
    sshd_write(sshd, "base/.hecate-fence", "0fff0000000000000000000000000000 1\n");
    client_do(&client, fence_step(6), &call);
    call_expect(&call, E_AUTH, "its id is of a time to come");
    sshd_write(sshd, "base/.hecate-fence", "garbage\n"); /* the remedy that is told */
    sshd_shell(sshd, "rm base/.hecate-managers; rm -rf base/.hecate-fence");
    client_do(&client, fence_step(6), &call);
    call_expect(&call, E_OK, "");
    sshd_write(sshd, "base/.hecate-managers", SECOND "\n");
    sshd_shell(sshd, "rm base/.hecate-fence"); /* of a later cluster: by hand it is let go */
    client_do(&client, fence_step(6), &call);
    call_expect(&call, E_OK, "");
    client_fini(&client);
}

/* A leader is deposed between two calls of a step: the node refuses the second one. */
static void test_deposed_between_calls(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    gluster("case \"$*\" in *'volume info'*) echo " FIRST
            " 9 >base/.hecate-fence; cat volume.xml ;; *) echo '<a/>' ;; esac");
    sshd_write(
        sshd, "volume.xml",
        "<cliOutput><opRet>0</opRet><volInfo><volumes><volume><name>v</name>"
        "<id>01234567-89ab-cdef-0123-456789abcdef</id><status>1</status><options><option><name>user.heketi.id</name>"
        "<value>00000000000000000000000000000000</value></option></options></volume></volumes></volInfo></cliOutput>");
    client_do(&client, delete_step(5), &call);
    call_expect(&call, E_FENCED, "term 9 has taken over");
    assert_int_equal(sshd_lines(sshd, "asked"), 1);
    client_fini(&client);
}

static bool has_file(void *user)
{
    return sshd_lines(sshd, user) > 0;
}

static bool has_two_calls(void *user)
{
    (void)user;
    return sshd_lines(sshd, "calls") == 2;
}

/* Raising waits for what runs, and what comes meanwhile with an older term is refused afterwards. */
static void test_raise_waits_for_running_steps(void **state)
{
    CLEANUP(free_ptr)
    char *slow = mem_printf("echo x >>begun; while [ ! -e go ]; do sleep 0.02; done; echo '%s'; exit 1", no_volume);
    struct sshd_client client;
    struct sshd_call running, raising;
    struct exec_step old = delete_step(5), fence = fence_step(6);

    (void)state;
    client_init(&client, sshd, "ed25519");
    gluster(slow);
    sshd_shell(sshd, "rm -f go begun; echo " FIRST " 5 >base/.hecate-fence");
    client_run(&client, &old, &running);
    client_until(&client, has_file, (void *)(uintptr_t) "begun");
    client_run(&client, &fence, &raising);
    client_until(&client, has_two_calls, NULL);
    assert_false(raising.done);
    assert_false(running.done);
    sshd_shell(sshd, "test \"$(cat base/.hecate-fence)\" = '" FIRST " 5'; touch go");
    client_wait(&client, &running);
    call_expect(&running, E_OK, "");
    client_wait(&client, &raising);
    call_expect(&raising, E_OK, "");
    assert_int_equal(running.order, 1);
    sshd_shell(sshd, "test \"$(cat base/.hecate-fence)\" = '" FIRST " 6'; rm go");
    client_fini(&client);
}

static void test_conversation_over_ssh(void **state)
{
    struct exec_step probe = step_of(EXEC_PEER_PROBE, 1);
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    gluster("case \"$*\" in *'pool list'*) if [ -e base/joined ]; then cat pool.xml; else cat single.xml; fi ;;\n"
            "*'peer probe'*) touch base/joined; echo '<cliOutput><opRet>0</opRet></cliOutput>' ;; esac");
    sshd_shell(sshd, "data=\"$OLDPWD/tests/unit/executor/data\"; rm -f base/joined; cp \"$data/pool.xml\" pool.xml; "
                     "cp \"$data/pool-single.xml\" single.xml");
    probe.peer = "198.18.0.12";
    client_do(&client, probe, &call);
    call_expect(&call, E_OK, "");
    sshd_shell(sshd,
               "test \"$(cut -d' ' -f3-5 asked | tr '\\n' ,)\" = 'pool list --xml,peer probe 198.18.0.12,pool list "
               "--xml,'; rm base/joined; test \"$(sort -u calls | wc -l)\" = 1");
    client_fini(&client);
}

/* A peer that has just lost its power: no command for the whole pool while Gluster takes it for connected; what the
 * node knows by itself is asked all the same. */
static void test_gluster_has_not_noticed(void **state)
{
    char dead[] = "198.18.0.12", other[] = "198.18.0.13";
    char *items[] = {other, dead};
    const struct store_strs silent = {.items = items, .n = 2};
    struct exec_step probe = step_of(EXEC_PEER_DETACH, 1);
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    gluster("case \"$*\" in *'pool list --xml'*) cat pool.xml ;; *'pool list'*) cat pool ;; *) echo '<a/>' ;; esac");
    sshd_shell(sshd, "cp \"$OLDPWD/tests/unit/executor/data/pool.xml\" pool.xml");
    probe.peer = "198.18.0.12";
    for (int noticed = 0; noticed < 2; noticed++) {
        sshd_write(sshd, "asked", "");
        sshd_write(sshd, "pool",
                   noticed == 0
                       ? "UUID\t\t\tHostname\tState\nu1\t198.18.0.12\tConnected \nu2\tlocalhost\tConnected \n"
                       : "UUID\t\t\tHostname\tState\nu1\t198.18.0.12\tDisconnected \nu2\tlocalhost\tConnected \n");
        probe.silent = &silent;
        client_do(&client, probe, &call);
        if (noticed == 0) {
            call_expect(&call, E_BUSY, "gluster has not noticed yet that 198.18.0.12 is down");
        } else {
            call_expect(&call, E_REMOTE, "gluster's answer is not what was expected");
        }
        sshd_shell(sshd, noticed == 0 ? "! grep detach asked" : "grep -q detach asked");
    }
    sshd_write(sshd, "asked", "");
    probe.silent = NULL;
    client_do(&client, probe, &call);
    assert_int_equal(sshd_lines(sshd, "asked"), 2); /* nobody is silent: nothing is asked besides */
    client_fini(&client);
}

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    sshd = sshd_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sshd_free(sshd);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fence_is_raised_first), cmocka_unit_test(test_later_cluster_takes_over),
        cmocka_unit_test(test_damaged_fence),         cmocka_unit_test(test_repair_forgets_no_later_cluster),
        cmocka_unit_test(test_deposed_between_calls), cmocka_unit_test(test_raise_waits_for_running_steps),
        cmocka_unit_test(test_conversation_over_ssh), cmocka_unit_test(test_gluster_has_not_noticed),
    };

    if (access("/usr/sbin/sshd", X_OK) != 0) {
        printf("SKIPPED: sshd is not installed (scripts/deps test installs openssh-server)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

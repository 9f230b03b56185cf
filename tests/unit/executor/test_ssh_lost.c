/* A host that goes away without a word while a step runs: noticed by the kernel's probes, long before the step's time
 * is over. In a network namespace, whose loopback goes down as a host does that loses its power. */
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/log.h"
#include "tests/unit/executor/sshd.h"

static struct sshd *sshd;

static void set_loopback(bool up)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0); /* netdevice(7) */
    (void)close(fd);                                        /* a socket */
}

static bool has_begun(void *user)
{
    (void)user;
    return sshd_lines(sshd, "sleeper") == 1;
}

static void begin(struct sshd_client *client, struct sshd_call *call)
{
    const struct exec_step step = {.kind = EXEC_GLUSTERD_CHECK, .host = "127.0.0.1"};

    client_init(client, sshd, "ed25519");
    client->config.silence_timeout_ms = 2000;
    sshd_mode(sshd, "echo $$ >sleeper; exec sleep 300");
    client_run(client, &step, call);
    client_until(client, has_begun, NULL);
}

static void test_host_loses_its_power(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    begin(&client, &call);
    set_loopback(false);
    client_wait(&client, &call);
    assert_int_equal(call.code, E_TIMEOUT);
    assert_false(call.permanent);
    assert_non_null(strstr(call.message, "the connection was lost while the step ran"));
    set_loopback(true);
    sshd_shell(sshd, "kill $(cat sleeper)");
    client_fini(&client);
}

/* A slow step on a host that answers probes is left alone. */
static void test_silent_step(void **state)
{
    struct sshd_client client;
    struct sshd_call call;
    const struct exec_step step = {.kind = EXEC_GLUSTERD_CHECK, .host = "127.0.0.1"};

    (void)state;
    client_init(&client, sshd, "ed25519");
    client.config.silence_timeout_ms = 1000;
    sshd_mode(sshd, "sleep 4; exit 0");
    client_run(&client, &step, &call);
    client_wait(&client, &call);
    assert_int_equal(call.code, 0);
    client_fini(&client);
}

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    if (unshare(CLONE_NEWNET) != 0) {
        return -1;
    }
    set_loopback(true);
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
        cmocka_unit_test(test_host_loses_its_power),
        cmocka_unit_test(test_silent_step),
    };

    if (geteuid() != 0 || access("/usr/sbin/sshd", X_OK) != 0) {
        puts("[  SKIPPED ] 2 test(s), needs root for a network namespace, and sshd");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

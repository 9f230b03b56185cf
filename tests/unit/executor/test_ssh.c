/* Sessions against a real sshd: keys, host keys, how calls end. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/executor/script.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "tests/unit/executor/sshd.h"

static struct sshd *sshd;

#define HOST "127.0.0.1"
#define OK "exit 0"

/* What a node leaves on standard error and how it ends. */
static char name_of_volume[] = "v";
static const struct store_volume volume = {.name = name_of_volume};

static struct exec_step check_step(void)
{
    return (struct exec_step){.kind = EXEC_GLUSTERD_CHECK, .host = HOST};
}

static struct exec_step delete_step(uint64_t term)
{
    return (struct exec_step){.kind = EXEC_VOLUME_DELETE, .host = HOST, .term = term, .volume = &volume};
}

/* ---- keys ---- */

static void test_user_keys(void **state)
{
    static const char *const keys[] = {"ed25519", "ecdsa", "ecdsa_pem", "ecdsa_521", "rsa_pem", "rsa_openssh"};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        struct sshd_client client;
        struct sshd_call call;

        client_init(&client, sshd, keys[i]);
        sshd_mode(sshd, OK);
        client_check(&client, &call);
        if (call.code != 0) {
            fail_msg("%s: %s", keys[i], call.message);
        }
        client_fini(&client);
    }
}

static void test_wrong_user_key(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "stranger");
    client_check(&client, &call);
    call_expect(&call, E_AUTH, "the user's key is not accepted");
    assert_int_equal(sshd_lines(sshd, "calls"), 0);
    client_fini(&client);
}

static void test_files_that_are_no_keys(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "is no private key"},
        {"ssh-ed25519 AAAA", "is no private key"},
    };
    struct sshd_client client;
    struct err err = ERR_INIT;

    (void)state;
    client_init(&client, sshd, "no_key");
    assert_null(exec_ssh_new(&client.loop, &client.config, &err));
    assert_non_null(strstr(err.message, "cannot open the private key"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        sshd_write(sshd, "no_key", cases[i].text);
        assert_null(exec_ssh_new(&client.loop, &client.config, &err));
        assert_non_null(strstr(err.message, cases[i].message));
    }
    client_fini(&client);
}

/* Keys that look like ones, cut anywhere: refused by the host, or at once; never a crash. */
static void test_damaged_key(void **state)
{
    CLEANUP(free_ptr) char *text = NULL;
    struct sshd_client client;

    (void)state;
    client_init(&client, sshd, "damaged");
    text = sshd_read(sshd, "rsa_openssh");
    for (size_t cut = 40; cut < strlen(text) - 40; cut += 397) {
        CLEANUP(free_ptr) char *damaged = mem_strdup(text);
        struct err err = ERR_INIT;
        struct executor *executor;

        memmove(damaged + cut, damaged + cut + 5, strlen(damaged + cut + 5) + 1);
        sshd_write(sshd, "damaged", damaged);
        executor = exec_ssh_new(&client.loop, &client.config, &err);
        if (executor != NULL) {
            client.executor = executor;
            client_fini(&client);
            assert_true(client.closed);
            client_init(&client, sshd, "damaged");
        }
    }
    client_fini(&client);
}

/* ---- host keys ---- */

static void with_known(const char *known, bool trust, int code, const char *text)
{
    struct sshd_client client;
    struct sshd_call call;

    client_init(&client, sshd, "ed25519");
    sshd_write(sshd, "known_hosts", "# a comment\n@cert-authority *.example.org ssh-ed25519 AAAAC3Nz\n");
    sshd_shell(sshd, known);
    client.config.trust_first_use = trust;
    sshd_mode(sshd, OK);
    client_check(&client, &call);
    call_expect(&call, code, text);
    client_fini(&client);
}

static char *shell_line(const char *key)
{
    return mem_printf("printf '[127.0.0.1]:%u %%s\\n' \"$(cut -d' ' -f1,2 %s.pub)\" >>known_hosts", sshd->port, key);
}

static void test_host_keys(void **state)
{
    static const struct {
        const char *key; /* known */
        bool trust;
        int code;
        const char *text;
    } cases[] = {
        {"host_ed25519", false, E_OK, ""},
        {"host_ecdsa", false, E_OK, ""}, /* nistp384, which is not what would be asked for first */
        {"host_other", false, E_AUTH, "is not the one in"},
        {"host_other", true, E_AUTH, "is not the one in"},
        {"host_ecdsa256", false, E_AUTH, "is not the one in"}, /* a type that the host does not even have */
        {"host_ecdsa256", true, E_AUTH, "is not the one in"},
        {"rsa_pem", true, E_AUTH, "is not the one in"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(free_ptr) char *known = shell_line(cases[i].key);

        with_known(known, cases[i].trust, cases[i].code, cases[i].text);
    }
    with_known(":", false, E_AUTH, "add it (ssh-keyscan)");
}

static void test_hashed_known_hosts(void **state)
{
    CLEANUP(free_ptr) char *line = shell_line("host_ed25519");
    CLEANUP(free_ptr) char *hash = mem_printf("%s; ssh-keygen -q -H -f known_hosts 2>/dev/null", line);

    (void)state;
    with_known(hash, false, E_OK, "");
}

/* A key that is revoked counts no more, whatever else stands in the file; another key of the same host does. */
static void test_revoked_keys(void **state)
{
    static const char *const revoked[] = {
        "@revoked * $(cut -d' ' -f1,2 host_ed25519.pub)",
        "  @revoked\t[127.0.0.1]:1,other   $(cut -d' ' -f1,2 host_ed25519.pub) a comment",
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (int before = 0; before < 2; before++) {
            CLEANUP(free_ptr)
            char *edit = mem_printf(before ? "echo \"%s\" >k; cat known_hosts >>k; mv k known_hosts"
                                           : "echo \"%s\" >>known_hosts",
                                    revoked[i]);
            struct sshd_client client;
            struct sshd_call call;

            client_init(&client, sshd, "ed25519");
            sshd_mode(sshd, OK);
            client.config.trust_first_use = before;
            sshd_shell(sshd, edit);
            client_check(&client, &call);
            call_expect(&call, E_AUTH, "is revoked in ");
            assert_int_equal(call.cause, EXEC_CAUSE_HOST_KEY);
            assert_int_equal(sshd_lines(sshd, "calls"), 0);
            sshd_know(sshd, "host_ecdsa");
            client_check(&client, &call);
            call_expect(&call, E_OK, "");
            client_fini(&client);
        }
    }
}

/* We know nothing of authorities: such a line lets nobody in. */
static void test_authority_lines(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_mode(sshd, OK);
    sshd_shell(sshd, "echo \"@cert-authority * $(cut -d' ' -f1,2 host_ed25519.pub)\" >known_hosts");
    client_check(&client, &call);
    call_expect(&call, E_AUTH, "is not in ");
    sshd_know(sshd, "host_ed25519");
    client_check(&client, &call);
    call_expect(&call, E_OK, "");
    client_fini(&client);
}

static void test_plain_name_is_known(void **state)
{
    (void)state;
    with_known("printf '127.0.0.1 %s\\n' \"$(cut -d' ' -f1,2 host_ed25519.pub)\" >>known_hosts", false, E_OK, "");
}

static void test_first_use_is_learnt(void **state)
{
    CLEANUP(free_ptr) char *text = NULL;
    CLEANUP(free_ptr) char *name = mem_printf("\n[127.0.0.1]:%u ssh-ed25519 ", sshd->port);
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    with_known("printf 'other.example.org ssh-ed25519 AAAA' >>known_hosts", true, E_OK,
               ""); /* a key too short, and no end of the line */
    text = sshd_read(sshd, "known_hosts");
    assert_non_null(strstr(text, "# a comment\n@cert-authority *.example.org ssh-ed25519 AAAAC3Nz\n"));
    assert_non_null(strstr(text, "other.example.org ssh-ed25519 AAAA\n"));
    assert_non_null(strstr(text, name));
    assert_int_equal(sshd_lines(sshd, "known_hosts"), 4);

    /* From then on it is known, and not learnt again. */
    client_init(&client, sshd, "ed25519");
    sshd_write(sshd, "known_hosts", text);
    sshd_mode(sshd, OK);
    client_check(&client, &call);
    call_expect(&call, E_OK, "");
    assert_int_equal(sshd_lines(sshd, "known_hosts"), 4);
    client_fini(&client);
}

static void test_first_use_cannot_be_written(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    client.config.known_hosts = "/nowhere/at/all/known_hosts";
    client.config.trust_first_use = true;
    client_check(&client, &call);
    call_expect(&call, E_AUTH, "is not in /nowhere/at/all/known_hosts");
    client_fini(&client);
}

/* ---- no connection ---- */

static int listener(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void test_refused_connection(void **state)
{
    struct sshd_client client;
    struct sshd_call call;
    int fd;

    (void)state;
    client_init(&client, sshd, "ed25519");
    fd = listener(&client.config.port); /* bound, not listening */
    client_check(&client, &call);
    call_expect(&call, E_CONNECT, "connection refused");
    client_fini(&client);
    (void)close(fd); /* a socket */
}

/* Names that the resolver does not even take: too long, no UTF-8, no label. */
static void test_odd_names(void **state)
{
    char names[][512] = {"",
                         "B\xfc"
                         "cher",
                         "a..b"};
    struct sshd_client client;

    (void)state;
    memset(names[0], 'a', sizeof(names[0]) - 1);
    client_init(&client, sshd, "ed25519");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct exec_step step = {.kind = EXEC_GLUSTERD_CHECK, .host = names[i]};
        struct sshd_call call;

        client_do(&client, step, &call);
        call_expect(&call, E_CONNECT, "host ");
    }
    client_fini(&client);
}

static void test_silent_listener(void **state)
{
    struct sshd_client client;
    struct sshd_call call;
    int fd;

    (void)state;
    client_init(&client, sshd, "ed25519");
    fd = listener(&client.config.port);
    assert_int_equal(listen(fd, 5), 0);
    client.config.connect_timeout_ms = 100;
    client_check(&client, &call);
    call_expect(&call, E_CONNECT, "no connection in time");
    client_fini(&client);
    (void)close(fd); /* a socket */
}

static bool accepted(void *user)
{
    int *fds = user;

    fds[1] = fds[1] >= 0 ? fds[1] : accept4(fds[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fds[1] >= 0;
}

static void test_not_ssh(void **state)
{
    struct sshd_client client;
    struct sshd_call call;
    struct exec_step step = check_step();
    int fds[2] = {-1, -1};

    (void)state;
    client_init(&client, sshd, "ed25519");
    fds[0] = listener(&client.config.port);
    assert_int_equal(listen(fds[0], 5), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    client_run(&client, &step, &call);
    client_until(&client, accepted, fds);
    assert_int_equal(write(fds[1], "HTTP/1.1 400 no\r\n\r\n", 19), 19);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    client_wait(&client, &call);
    call_expect(&call, E_CONNECT, "SSH handshake failed");
    client_fini(&client);
    (void)close(fds[1]); /* a socket */
    (void)close(fds[0]); /* a socket */
}

/* ---- how calls end ---- */

static void test_exit_codes(void **state)
{
    static const struct {
        const char *mode;
        int code;
        bool permanent;
        const char *text;
    } cases[] = {
        {"exit 0", E_OK, false, ""},
        {"echo fine; echo noise >&2; exit 0", E_OK, false, ""},
        {"echo 'no such thing' >&2; exit 1", E_REMOTE, false, "no such thing"},
        {"echo never >&2; exit 70", E_REMOTE, true, "never"},
        {"echo later >&2; exit 75", E_BUSY, false, "later"},
        {"echo 'term 9 has taken over' >&2; exit 76", E_FENCED, false, "term 9 has taken over"},
        {"exit 124", E_TIMEOUT, false, "process exited with status 124"},
        {"exit 3", E_REMOTE, false, "process exited with status 3"},
        {"kill -9 $$", E_TIMEOUT, false, "process exited with status 137"},
        {"exit 77", E_REMOTE, false,
         "process exited with status 77"}, /* also when the fence is to be raised: not again */
    };
    struct sshd_client client;

    (void)state;
    client_init(&client, sshd, "ed25519");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sshd_call call;

        sshd_mode(sshd, cases[i].mode);
        client_check(&client, &call);
        call_expect(&call, cases[i].code, cases[i].text);
        assert_int_equal(call.permanent, cases[i].permanent);
    }
    client_fini(&client);
}

static void test_lost_in_mid_command(void **state)
{
    static const char *const modes[] = {
        "kill -9 $PPID; sleep 60",                           /* the session dies */
        "echo begun; kill -9 $PPID; sleep 60",               /* after output */
        "exec >&- 2>&-; sleep 0.2; kill -9 $PPID; sleep 60", /* the output has ended, no exit status came */
    };
    struct sshd_client client;

    (void)state;
    client_init(&client, sshd, "ed25519");
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        struct sshd_call call;

        sshd_mode(sshd, modes[i]);
        client_check(&client, &call);
        call_expect(&call, E_TIMEOUT, "what it did is looked at again");
    }
    client_fini(&client);
}

static void test_takes_too_long(void **state)
{
    struct sshd_client client;
    struct sshd_call call;
    struct exec_step step = check_step();

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_mode(sshd, OK);
    client_do(&client, step, &call); /* connected: the time is the step's */
    call_expect(&call, E_OK, "");
    sshd_mode(sshd, "sleep 60");
    step.timeout_ms = 200;
    client_do(&client, step, &call);
    call_expect(&call, E_TIMEOUT, "the step did not end in time; what it did is looked at again");
    sshd_mode(sshd, OK);
    client_do(&client, check_step(), &call); /* in a session of its own */
    call_expect(&call, E_OK, "");
    client_fini(&client);
}

/* Both streams at once, much more than any window: all of it is read. */
static void test_much_output(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_mode(sshd, "head -c 3000000 /dev/zero | tr '\\0' e >&2 & head -c 3000000 /dev/zero | tr '\\0' o; wait; "
                    "echo last >&2; exit 1");
    client_check(&client, &call);
    call_expect(&call, E_REMOTE, "eeeeeeee");
    assert_int_equal(strlen(call.message), sizeof(call.message) - 1);
    client_fini(&client);
}

static void test_too_much_output(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_mode(sshd, "echo '<cliOutput><opRet>0</opRet></cliOutput>'; head -c 17000000 /dev/zero; exit 0");
    client_do(&client, delete_step(1), &call);
    call_expect(&call, E_PROTOCOL, "it sent more than 4194304 bytes for one command");
    assert_int_equal(call.cause, EXEC_CAUSE_FLOOD);
    client_fini(&client);
}

static void test_refused_step(void **state)
{
    struct sshd_client client;
    struct sshd_call call;
    struct exec_step step = {.kind = EXEC_PEER_DETACH, .host = HOST, .peer = "a;b"};

    (void)state;
    client_init(&client, sshd, "ed25519");
    client_do(&client, step, &call);
    call_expect(&call, E_REMOTE, "host name 'a;b' has characters that are not allowed");
    assert_int_equal(sshd_lines(sshd, "calls"), 0);
    client_fini(&client);
}

static void test_sudo(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    for (int sudo = 0; sudo < 2; sudo++) {
        CLEANUP(free_ptr) char *command = NULL;

        client_init(&client, sshd, "ed25519");
        client.config.sudo = sudo;
        sshd_mode(sshd, OK);
        client_check(&client, &call);
        command = sshd_read(sshd, "command");
        assert_memory_equal(command, sudo ? "sudo /bin/sh -c '" : "/bin/sh -c 'exec", 16);
        client_fini(&client);
    }
}

/* ---- sessions ---- */

/* As many run as can: none of them begins later, when another test already counts. */
static bool six_have_begun(void *user)
{
    (void)user;
    return sshd_lines(sshd, "calls") == 6;
}

static void test_cancel(void **state)
{
    struct sshd_client client;
    struct sshd_call running, waiting[8], next;
    struct exec_step step = check_step();

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_mode(sshd, "sleep 60");
    client_run(&client, &step, &running);
    for (size_t i = 0; i < 8; i++) { /* more than there may be sessions */
        client_run(&client, &step, &waiting[i]);
    }
    client_until(&client, six_have_begun, NULL);
    for (size_t i = 8; i-- > 0;) { /* those that wait for a session first */
        exec_cancel(client.executor, waiting[i].call);
        assert_int_equal(waiting[i].done, i < 5); /* no session is to be ended: answered from the loop */
        client_wait(&client, &waiting[i]);
        call_expect(&waiting[i], E_CANCELLED, "cancelled");
    }
    exec_cancel(client.executor, running.call);
    client_wait(&client, &running);
    call_expect(&running, E_CANCELLED, "cancelled");
    sshd_mode(sshd, OK);
    client_check(&client, &next);
    call_expect(&next, E_OK, "");
    client_fini(&client);
}

static void test_close_with_calls(void **state)
{
    struct sshd_client client;
    struct sshd_call calls[10];
    struct exec_step step = check_step();

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_mode(sshd, "sleep 60");
    for (size_t i = 0; i < 10; i++) {
        client_run(&client, &step, &calls[i]);
    }
    client_until(&client, six_have_begun, NULL);
    client_fini(&client);
    for (size_t i = 0; i < 10; i++) {
        assert_true(calls[i].done);
        assert_int_equal(calls[i].code, E_CANCELLED);
    }
}

#define MANY 24

static bool all_done(void *user)
{
    struct sshd_call *calls = user;

    for (size_t i = 0; i < MANY; i++) {
        if (!calls[i].done) {
            return false;
        }
    }
    return true;
}

/* Side by side on one host, on no more than six connections, which are used again. */
static void test_many_calls(void **state)
{
    struct sshd_client client;
    struct sshd_call calls[MANY];
    struct exec_step step = check_step();

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_write(sshd, "most", "");
    /* The first six wait for each other. */
    sshd_mode(sshd, "mkdir running/$$; until [ -e met ] || [ \"$(ls running | wc -l)\" -ge 6 ]; do sleep 0.02; done\n"
                    "touch met; ls running | wc -l >>most; rmdir running/$$; exit 0");
    for (size_t i = 0; i < MANY; i++) {
        client_run(&client, &step, &calls[i]);
    }
    client_until(&client, all_done, calls);
    for (size_t i = 0; i < MANY; i++) {
        call_expect(&calls[i], E_OK, "");
    }
    assert_int_equal(sshd_lines(sshd, "calls"), MANY);
    sshd_shell(sshd, "test \"$(sort -u calls | wc -l)\" = 6; test \"$(sort -n most | tail -n 1)\" -le 6; rm met");
    client_fini(&client);
}

/* The host closes a session that nobody uses: the next call takes a new one, and does not fail. */
static void test_idle_session_is_closed_by_the_host(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_mode(sshd, "echo $PPID >session; exit 0");
    client_check(&client, &call);
    call_expect(&call, E_OK, "");
    sshd_shell(sshd, "kill -9 $(cat session); while kill -0 $(cat session) 2>/dev/null; do :; done");
    client_check(&client, &call);
    call_expect(&call, E_OK, "");
    sshd_shell(sshd, "test \"$(sort -u calls | wc -l)\" = 2");
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
        cmocka_unit_test(test_user_keys),
        cmocka_unit_test(test_wrong_user_key),
        cmocka_unit_test(test_files_that_are_no_keys),
        cmocka_unit_test(test_damaged_key),
        cmocka_unit_test(test_host_keys),
        cmocka_unit_test(test_hashed_known_hosts),
        cmocka_unit_test(test_revoked_keys),
        cmocka_unit_test(test_authority_lines),
        cmocka_unit_test(test_plain_name_is_known),
        cmocka_unit_test(test_first_use_is_learnt),
        cmocka_unit_test(test_first_use_cannot_be_written),
        cmocka_unit_test(test_refused_connection),
        cmocka_unit_test(test_silent_listener),
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_not_ssh),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_lost_in_mid_command),
        cmocka_unit_test(test_takes_too_long),
        cmocka_unit_test(test_much_output),
        cmocka_unit_test(test_too_much_output),
        cmocka_unit_test(test_refused_step),
        cmocka_unit_test(test_sudo),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_close_with_calls),
        cmocka_unit_test(test_many_calls),
        cmocka_unit_test(test_idle_session_is_closed_by_the_host),
    };

    if (access("/usr/sbin/sshd", X_OK) != 0) {
        printf("SKIPPED: sshd is not installed (scripts/deps test installs openssh-server)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Nodes that lie, flood, drip or break off: each harms its own call, and no turn of the loop takes off the sockets more
 * than its share. */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/executor/ssh_priv.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "tests/unit/executor/sshd.h"

static struct sshd *sshd;

#define HOST "127.0.0.1"

static char name_of_volume[] = "v";
static const struct store_volume volume = {.name = name_of_volume};

static struct exec_step delete_step(void)
{
    return (struct exec_step){.kind = EXEC_VOLUME_DELETE, .host = HOST, .volume = &volume, .term = 1};
}

static struct exec_step check_step(void)
{
    return (struct exec_step){.kind = EXEC_GLUSTERD_CHECK, .host = HOST};
}

/* ---- with a real sshd ---- */

struct watch {
    uv_check_t check;
    struct sshd_client *client;
    size_t seen, most, held; /* bytes: taken so far; in one turn; kept at once */
};

static size_t taken(const struct watch *watch)
{
    const struct ssh *ssh = (const struct ssh *)watch->client->executor;
    size_t n = 0;

    for (const struct ssh_host *host = ssh->hosts; host != NULL; host = host->next) {
        for (const struct ssh_session *session = host->sessions; session != NULL; session = session->next) {
            n += session->call_bytes;
        }
    }
    return n;
}

static void look(uv_check_t *check)
{
    struct watch *watch = check->data;
    size_t now = taken(watch);
    const struct ssh *ssh = (const struct ssh *)watch->client->executor;

    if (now > watch->seen && now - watch->seen > watch->most) {
        watch->most = now - watch->seen;
    }
    watch->seen = now;
    watch->held = ssh->held_bytes > watch->held ? ssh->held_bytes : watch->held;
}

static void watch_begin(struct watch *watch, struct sshd_client *client)
{
    *watch = (struct watch){.client = client};
    assert_int_equal(uv_check_init(&client->loop, &watch->check), 0);
    watch->check.data = watch;
    assert_int_equal(uv_check_start(&watch->check, look), 0);
}

static void watch_end(struct watch *watch)
{
    const struct ssh *ssh = (const struct ssh *)watch->client->executor;

    assert_true(watch->most <= SSH_TURN_BYTES);
    assert_int_equal(ssh->held_bytes, 0);
    uv_close((uv_handle_t *)&watch->check, NULL);
}

#define FLOODS 3

static bool all_done(void *user)
{
    struct sshd_call *calls = user;
    size_t n = 0;

    for (size_t i = 0; i < FLOODS; i++) {
        n += calls[i].done;
    }
    return n == FLOODS;
}

static void test_floods(void **state)
{
    static const char *const floods[] = {"cat /dev/zero", "cat /dev/zero >&2", "cat /dev/zero >&2 & cat /dev/zero",
                                         "yes '<cliOutput><opRet>0</opRet></cliOutput>'"};

    (void)state;
    for (size_t i = 0; i < sizeof(floods) / sizeof(*floods); i++) {
        CLEANUP(free_ptr)
        char *mode = mem_printf("case $SSH_ORIGINAL_COMMAND in *is-active*) exit 0 ;; *) %s ;; esac", floods[i]);
        struct sshd_call calls[FLOODS], call;
        struct exec_step step = delete_step(), check = check_step();
        struct sshd_client client;
        struct watch watch;

        client_init(&client, sshd, "ed25519");
        sshd_mode(sshd, mode);
        client_do(&client, check, &call);
        watch_begin(&watch, &client);
        for (size_t k = 0; k < FLOODS; k++) {
            client_run(&client, &step, &calls[k]);
        }
        client_do(&client, check, &call);
        call_expect(&call, E_OK, "");
        client_until(&client, all_done, calls);
        for (size_t k = 0; k < FLOODS; k++) {
            call_expect(&calls[k], E_PROTOCOL, "it sent more than 4194304 bytes for one command");
            assert_int_equal(calls[k].cause, EXEC_CAUSE_FLOOD);
        }
        assert_true(watch.held <= SSH_HOST_HELD_MAX);
        watch_end(&watch);
        client_do(&client, check, &call);
        call_expect(&call, E_OK, "");
        client_fini(&client);
    }
}

static void test_lies(void **state)
{
    static const struct {
        const char *mode;
        int code;
        enum exec_cause cause;
        const char *text;
    } cases[] = {
        {"echo 'term 99 has taken over' >&2; exit 76", E_FENCED, EXEC_CAUSE_NONE, "term 99"},
        {"echo 'cluster 1 has it' >&2; exit 78", E_AUTH, EXEC_CAUSE_FOREIGN, "cluster 1"},
        {"echo 'is damaged' >&2; exit 79", E_DAMAGED, EXEC_CAUSE_FENCE_DAMAGED, "is damaged"},
        {"echo '<<<'; exit 0", E_REMOTE, EXEC_CAUSE_GARBAGE, "not what was expected"},
        {"printf '<cliOutput><opRet>0</op'; exit 0", E_REMOTE, EXEC_CAUSE_GARBAGE, "not what was expected"},
        {"head -c 100000 /dev/urandom; exit 0", E_REMOTE, EXEC_CAUSE_GARBAGE, "not what was expected"},
        {"printf '<a>%.0s' $(seq 100000); exit 0", E_REMOTE, EXEC_CAUSE_GARBAGE, "not what was expected"},
        {"exit 77", E_REMOTE, EXEC_CAUSE_NONE, "status 77"},
        {"exit 255", E_REMOTE, EXEC_CAUSE_NONE, "status 255"},
    };
    struct sshd_client client;

    (void)state;
    client_init(&client, sshd, "ed25519");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sshd_call call;

        sshd_mode(sshd, cases[i].mode);
        client_do(&client, delete_step(), &call);
        call_expect(&call, cases[i].code, cases[i].text);
        assert_int_equal(call.cause, cases[i].cause);
    }
    client_fini(&client);
}

/* Who lists what cannot be is avoided as well: the call is given up while it goes on. */
static void test_garbage_in_pieces(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_mode(sshd, "head -c 100000 /dev/zero | tr '\\0' x; exit 0");
    client_do(&client, (struct exec_step){.kind = EXEC_INVENTORY, .host = HOST, .term = 1}, &call);
    call_expect(&call, E_REMOTE, "line of more than");
    assert_int_equal(call.cause, EXEC_CAUSE_GARBAGE);
    client_fini(&client);
}

/* The library's own, but for a third stream, of which no sshd sends anything: with `third` there is some of it. Read by
 * nobody, it would wait for ever, and we with it. */
static bool third;

int libssh2_poll_channel_read(LIBSSH2_CHANNEL *channel, int extended)
{
    int (*real)(LIBSSH2_CHANNEL * channel, int extended);
    void *symbol = dlsym(RTLD_NEXT, "libssh2_poll_channel_read");

    memcpy(&real, &symbol, sizeof(real));
    return third && extended == SSH_EXTENDED_DATA_STDERR ? 1 : real(channel, extended);
}

static void test_third_stream(void **state)
{
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_mode(sshd, "echo output; echo error >&2; exit 0");
    third = true;
    client_check(&client, &call);
    third = false;
    call_expect(&call, E_PROTOCOL, "it sent what is neither output nor errors");
    assert_int_equal(call.cause, EXEC_CAUSE_FLOOD);
    client_check(&client, &call);
    call_expect(&call, E_OK, "");
    client_fini(&client);
}

/* What the library keeps, whatever for, is counted; with too much of it nothing more is received. */
static void test_library_is_bounded(void **state)
{
    struct ssh ssh = {.turn_bytes = SSH_TURN_BYTES};
    struct ssh_host host = {.ssh = &ssh};
    struct ssh_session session = {.host = &host, .state = SSH_READ, .share_bytes = SSH_SHARE_BYTES};
    void *abstract = &session, *first, *second;
    char byte;

    (void)state;
    first = ssh_alloc(SSH_LIBRARY_MAX / 2, &abstract);
    first = ssh_realloc(first, SSH_LIBRARY_MAX / 4, &abstract);
    assert_false(session.flooded);
    second = ssh_alloc(SSH_LIBRARY_MAX, &abstract);
    assert_true(session.flooded);
    session.ssh2 = libssh2_session_init();
    assert_int_equal(ssh_recv(-1, &byte, 1, 0, &abstract), -ECONNABORTED);
    (void)libssh2_session_free(session.ssh2);
    assert_null(ssh_alloc((size_t)1 << 32, &abstract));
    assert_null(ssh_realloc(first, (size_t)1 << 32, &abstract));
    ssh_free(second, &abstract);
    ssh_free(first, &abstract);
    ssh_free(NULL, &abstract);
    assert_int_equal(session.library_bytes, 0);
}

/* The last exchange of keys fails: the library has forgotten the key of the one before, and receives nothing more. */
static void test_forgotten_key(void **state)
{
    struct ssh ssh = {.turn_bytes = SSH_TURN_BYTES};
    struct ssh_host host = {.ssh = &ssh};
    struct ssh_session session = {.host = &host, .state = SSH_CLOSING};
    void *abstract = &session;

    (void)state;
    session.ssh2 = libssh2_session_init_ex(ssh_alloc, ssh_free, ssh_realloc, &session);
    assert_non_null(session.ssh2);
    session.host_key = ssh_alloc(65536, &abstract);
    assert_ptr_not_equal(libssh2_session_hostkey(session.ssh2, NULL, NULL), session.host_key);
    ssh_library_end(&session);
    assert_null(session.host_key);
    assert_int_equal(session.library_bytes, 0);
}

/* A byte now and then keeps nothing alive: the step has its time, and no more. */
static void test_drip(void **state)
{
    struct exec_step step = delete_step();
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, sshd, "ed25519");
    sshd_mode(sshd, "trap exit PIPE; while printf x; do sleep 0.05; done; exit 0");
    step.timeout_ms = 500;
    client_do(&client, step, &call);
    call_expect(&call, E_TIMEOUT, "the step did not end in time");
    client_fini(&client);
}

/* New keys after each few bytes, which take us milliseconds each time. */
static void test_changes_keys(void **state)
{
    struct sshd *changing = sshd_new_with("RekeyLimit 1K\n");
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, changing, "ed25519");
    sshd_mode(changing, "case $SSH_ORIGINAL_COMMAND in *is-active*) exit 0 ;; *) yes ;; esac");
    client_check(&client, &call); /* a few times are no harm */
    call_expect(&call, E_OK, "");
    client_do(&client, delete_step(), &call);
    call_expect(&call, E_PROTOCOL, "it changed the keys more than 16 times");
    assert_int_equal(call.cause, EXEC_CAUSE_FLOOD);
    client_check(&client, &call);
    call_expect(&call, E_OK, "");
    client_fini(&client);
    sshd_free(changing);
}

static bool has_no_session(void *user)
{
    const struct ssh *ssh = (const struct ssh *)((struct sshd_client *)user)->executor;

    return ssh->hosts->sessions == NULL;
}

/* A host that asks whether we are there, over a session that nobody uses: ended, rather than looked at for ever. */
static void test_says_something_when_idle(void **state)
{
    struct sshd *alive = sshd_new_with("ClientAliveInterval 1\nClientAliveCountMax 1000\n");
    uint64_t begin_ns = uv_hrtime();
    struct sshd_client client;
    struct sshd_call call;

    (void)state;
    client_init(&client, alive, "ed25519");
    sshd_mode(alive, "exit 0");
    client_check(&client, &call);
    call_expect(&call, E_OK, "");
    client_until(&client, has_no_session, &client);
    assert_true(uv_hrtime() - begin_ns < SSH_IDLE_MS / 2 * (uint64_t)1000000);
    client_check(&client, &call);
    call_expect(&call, E_OK, "");
    client_fini(&client);
    sshd_free(alive);
}

/* ---- with no sshd at all ---- */

static void say(int fd, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        if (write(fd, text, strlen(text)) < 0) {
            _exit(0); /* the other side has had enough */
        }
    }
}

static void hold(int fd)
{
    char byte;

    while (read(fd, &byte, 1) > 0) {
    }
    _exit(0);
}

#define FOREVER SIZE_MAX
#define BANNER "SSH-2.0-OpenSSH_9.2\r\n"

static void endless_lines(int fd)
{
    say(fd, "welcome to this host, which has much to say before it begins\r\n", FOREVER);
}

static void banner_of_a_mebibyte(int fd)
{
    say(fd, "SSH-2.0-", 1);
    say(fd, "0123456789abcdef", 65536);
    say(fd, "\r\n", 1);
    hold(fd);
}

static void garbage_for_ever(int fd)
{
    say(fd, BANNER, 1);
    say(fd, "\x01\x80garbage\xff", FOREVER);
}

static void closes_in_the_key_exchange(int fd)
{
    static const char begin[] = {0, 0, 1, (char)0xf4, 10, 20}; /* a packet of 500 bytes: its beginning */

    say(fd, BANNER, 1);
    (void)!write(fd, begin, sizeof(begin));
    _exit(0);
}

/* A packet that says it is of 64 KiB and more. */
static void large_packet(int fd)
{
    static const char begin[] = {0x7f, (char)0xff, (char)0xff, (char)0xff, 10, 20};

    say(fd, BANNER, 1);
    (void)!write(fd, begin, sizeof(begin));
    say(fd, "0123456789abcdef", FOREVER);
}

/* Packets that are to be ignored, each as it should be: SSH_MSG_IGNORE (RFC 4253 11.2). */
static void ignored_for_ever(int fd)
{
    static const char packet[16] = {0, 0, 0, 12, 6, 2, 0, 0, 0, 0};

    say(fd, BANNER, 1);
    while (write(fd, packet, sizeof(packet)) > 0) {
    }
    _exit(0);
}

static void says_nothing(int fd)
{
    say(fd, BANNER, 1);
    hold(fd);
}

static void drips(int fd)
{
    const struct timespec pause = {0, 20000000};

    for (;;) {
        say(fd, "x", 1);
        (void)nanosleep(&pause, NULL);
    }
}

static pid_t listen_and(void (*behave)(int fd), uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGPIPE, SIG_IGN);
        behave(accept(fd, NULL, NULL));
        _exit(0);
    }
    (void)close(fd); /* a socket */
    return pid;
}

static void test_hostile_servers(void **state)
{
    static const struct {
        void (*behave)(int fd);
        int code;
        const char *text;
        bool quick; /* does not need the time of a connection */
    } cases[] = {
        {endless_lines, E_PROTOCOL, "it sent more than 262144 bytes before the login", true},
        {banner_of_a_mebibyte, E_CONNECT, "host 127.0.0.1: ", true},
        {garbage_for_ever, E_CONNECT, "host 127.0.0.1: ", true},
        {closes_in_the_key_exchange, E_CONNECT, "host 127.0.0.1: ", true},
        {large_packet, E_CONNECT, "host 127.0.0.1: ", true},
        {ignored_for_ever, E_PROTOCOL, "it sent more than 262144 bytes before the login", true},
        {says_nothing, E_CONNECT, "no connection in time", false},
        {drips, E_CONNECT, "no connection in time", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sshd_client client;
        struct sshd_call call;
        pid_t pid;

        client_init(&client, sshd, "ed25519");
        pid = listen_and(cases[i].behave, &client.config.port);
        if (!cases[i].quick) {
            client.config.connect_timeout_ms = 300;
        }
        client_check(&client, &call);
        call_expect(&call, cases[i].code, cases[i].text);
        client_fini(&client);
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
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
        cmocka_unit_test(test_floods),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_garbage_in_pieces),
        cmocka_unit_test(test_third_stream),
        cmocka_unit_test(test_library_is_bounded),
        cmocka_unit_test(test_forgotten_key),
        cmocka_unit_test(test_drip),
        cmocka_unit_test(test_changes_keys),
        cmocka_unit_test(test_says_something_when_idle),
        cmocka_unit_test(test_hostile_servers),
    };

    if (access("/usr/sbin/sshd", X_OK) != 0) {
        printf("SKIPPED: sshd is not installed (scripts/deps test installs openssh-server)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

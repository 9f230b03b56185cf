/* The keeper on a real kernel: two network namespaces of this process' own, joined by a veth pair. Needs root. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/keeper/address.h"
#include "daemon/keeper/keeper.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define DEADLINE_MS 20000
#define FAR_US UINT64_C(3600000000)

static const char *const texts[] = {"198.18.5.10%kt0", "2001:db8:5::10%kt0"};
static const char *const patterns[] = {"198.18.5.10/32", "2001:db8:5::10/128"};

static uv_loop_t loop;
static struct keeper *keeper;
static int held, helds, troubles, deaths, silences;
static bool died_silent;
static pid_t other_host; /* a process in the namespace at the other end of the link */
static char trouble_text[300];
static bool closed;

/* ---- the kernel, by ip(8) ---- */

static int run(const char *const *words, char *ret_out, size_t size)
{
    posix_spawn_file_actions_t actions;
    int pipes[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 2);
    assert_int_equal(posix_spawnp(&pid, words[0], &actions, NULL, (char *const *)(uintptr_t)words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    (void)close(pipes[1]);
    while ((n = read(pipes[0], ret_out + len, size - 1 - len)) > 0) {
        len += (size_t)n;
    }
    ret_out[len] = '\0';
    (void)close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

#define IP(...)                                           \
    do {                                                  \
        const char *words_[] = {"ip", __VA_ARGS__, NULL}; \
        char out_[4096];                                  \
        if (run(words_, out_, sizeof(out_)) != 0) {       \
            fail_msg("ip failed: %s", out_);              \
        }                                                 \
    } while (0)

/* How many of the two addresses the interface has. */
static int present(void)
{
    const char *words[] = {"ip", "-o", "addr", "show", "dev", "kt0", NULL};
    char out[8192];
    int n = 0;

    assert_int_equal(run(words, out, sizeof(out)), 0);
    for (size_t i = 0; i < 2; i++) {
        n += strstr(out, patterns[i]) != NULL;
    }
    return n;
}

/* ---- waiting ---- */

static uint64_t clock_us(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool is_held(void)
{
    return held == 1 && present() == 2;
}

static bool is_away(void)
{
    return held == 0 && present() == 0;
}

static bool is_gone(void)
{
    return present() == 0;
}

static bool is_closed(void)
{
    return closed;
}

static bool has_died(void)
{
    return deaths == 1;
}

static bool is_troubled(void)
{
    return troubles > 0;
}

static void tick(uv_timer_t *timer)
{
    (void)timer; /* the loop turns */
}

static void wait_for(const char *what, bool (*probe)(void))
{
    uint64_t until = clock_us() + DEADLINE_MS * UINT64_C(1000);
    uv_timer_t timer;

    assert_int_equal(uv_timer_init(&loop, &timer), 0);
    assert_int_equal(uv_timer_start(&timer, tick, 5, 5), 0);
    while (!probe()) {
        if (clock_us() > until) {
            fail_msg("not within %d ms: %s", DEADLINE_MS, what);
        }
        uv_run(&loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* ---- the keeper ---- */

static void on_held(void *user, bool now_held)
{
    (void)user;
    held = now_held;
    helds++;
}

static void on_trouble(void *user, const char *text)
{
    (void)user;
    troubles++;
    (void)snprintf(trouble_text, sizeof(trouble_text), "%s", text);
}

static void on_died(void *user, bool was_silent)
{
    (void)user;
    deaths++;
    died_silent = was_silent;
}

static void on_silent(void *user)
{
    (void)user;
    silences++;
}

static void on_closed(void *user)
{
    (void)user;
    closed = true;
}

static const struct keeper_events events = {
    .held = on_held, .silent = on_silent, .trouble = on_trouble, .died = on_died};

/* The keeper's process: the youngest child. */
static pid_t keeper_pid(void)
{
    char path[64], text[64];
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", getpid(), getpid());
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    assert_true(n > 0);
    text[n] = '\0';
    while (n > 0 && text[n - 1] == ' ') {
        text[--n] = '\0';
    }
    return (pid_t)strtol(strrchr(text, ' ') != NULL ? strrchr(text, ' ') : text, NULL, 10);
}

static void start(void)
{
    struct err err = ERR_INIT;

    held = -1;
    helds = troubles = deaths = silences = 0;
    closed = false;
    if (keeper_start(texts, 2, &keeper, &err) != 0) {
        fail_msg("%s", err.message);
    }
    keeper_attach(keeper, &loop, &events);
}

static void stop(void)
{
    keeper_close(keeper, on_closed, NULL);
    wait_for("the keeper has ended", is_closed);
}

static void test_takes_and_gives_back(void **state)
{
    (void)state;
    start();
    assert_int_equal(present(), 0);
    keeper_hold(keeper, clock_us() + FAR_US);
    wait_for("the addresses are there", is_held);
    keeper_release(keeper);
    wait_for("the addresses are away", is_away);
    helds = 0;
    keeper_release(keeper); /* always answered */
    wait_for("an answer", is_away);
    while (helds == 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    keeper_hold(keeper, clock_us() + 2 * FAR_US);
    wait_for("the addresses are there again", is_held);
    stop();
    assert_int_equal(present(), 0); /* the pipe closed */
    assert_int_equal(troubles, 0);
}

static void test_deadline_passes_without_the_daemon(void **state)
{
    (void)state;
    start();
    keeper_hold(keeper, clock_us() + 300000);
    wait_for("the addresses are away", is_away); /* perhaps before we saw them held: this loop may be slow */
    assert_true(helds >= 1);
    stop();
}

static bool is_confirmed(void)
{
    return helds >= 4;
}

/* While they are held the keeper says so again and again; a short stop is nobody's end. */
static void test_keeper_confirms(void **state)
{
    (void)state;
    start();
    keeper_hold(keeper, clock_us() + FAR_US);
    wait_for("the addresses are there", is_held);
    helds = 0;
    wait_for("it is confirmed", is_confirmed);
    assert_int_equal(kill(keeper_pid(), SIGSTOP), 0);
    assert_int_equal(kill(keeper_pid(), SIGCONT), 0);
    helds = 0;
    wait_for("it is confirmed", is_confirmed);
    assert_int_equal(deaths + silences, 0);
    stop();
}

/* One that does not answer is ended, and nobody says any more that the addresses are here. */
static void test_keeper_frozen(void **state)
{
    uint64_t begin_us;

    (void)state;
    start();
    keeper_hold(keeper, clock_us() + FAR_US);
    wait_for("the addresses are there", is_held);
    begin_us = clock_us();
    assert_int_equal(kill(keeper_pid(), SIGSTOP), 0);
    wait_for("it is ended", has_died);
    assert_true(died_silent);
    assert_int_equal(silences, 1);
    assert_true(clock_us() - begin_us >= UINT64_C(900000));
    wait_for("the kernel removes the addresses", is_gone);
    stop();
}

/* Also when there is nothing to hold, but with more patience: nobody waits for it. */
static void test_idle_keeper_frozen(void **state)
{
    (void)state;
    start();
    assert_int_equal(kill(keeper_pid(), SIGSTOP), 0);
    wait_for("it is ended", has_died);
    assert_true(died_silent);
    stop();
}

static void test_keeper_killed(void **state)
{
    (void)state;
    start();
    keeper_hold(keeper, clock_us() + FAR_US);
    wait_for("the addresses are there", is_held);
    assert_int_equal(kill(keeper_pid(), SIGKILL), 0);
    wait_for("the daemon hears of it", has_died);
    wait_for("the kernel removes the addresses", is_gone);
    stop();
}

static void test_leftovers_are_removed(void **state)
{
    (void)state;
    IP("addr", "add", patterns[0], "dev", "kt0");
    IP("-6", "addr", "add", patterns[1], "dev", "kt0", "nodad");
    assert_int_equal(present(), 2);
    start();
    assert_int_equal(present(), 0);
    stop();
}

/* The doors of the other host. */
static void open_there(const struct address *address, struct address_door *ret_door)
{
    CLEANUP(free_ptr) char *there = mem_printf("/proc/%d/ns/net", other_host);
    int fd = open(there, O_RDONLY | O_CLOEXEC), here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    struct err err = ERR_INIT;

    assert_true(fd >= 0 && here >= 0);
    assert_int_equal(setns(fd, CLONE_NEWNET), 0);
    assert_int_equal(address_open(address, 1, ret_door, &err), 0);
    assert_int_equal(setns(here, CLONE_NEWNET), 0);
    (void)close(fd);
    (void)close(here);
}

static void run_there(const char *command)
{
    CLEANUP(free_ptr) char *pid = mem_printf("%d", other_host);
    const char *words[] = {"nsenter", "-t", pid, "-n", "sh", "-c", command, NULL};
    char out[4096];

    if (run(words, out, sizeof(out)) != 0) {
        fail_msg("%s: %s", command, out);
    }
}

/* ---- connections ---- */

/* A socket in the namespace of the other host. */
static int socket_there(int family)
{
    CLEANUP(free_ptr) char *there = mem_printf("/proc/%d/ns/net", other_host);
    int fd = open(there, O_RDONLY | O_CLOEXEC), here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int sock;

    assert_true(fd >= 0 && here >= 0);
    assert_int_equal(setns(fd, CLONE_NEWNET), 0);
    sock = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setns(here, CLONE_NEWNET), 0);
    assert_true(sock >= 0);
    (void)close(fd);
    (void)close(here);
    return sock;
}

static int listen_here(int family, uint16_t port)
{
    const struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int sock = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(sock >= 0);
    assert_int_equal(family == AF_INET ? bind(sock, (const struct sockaddr *)&any, sizeof(any))
                                       : bind(sock, (const struct sockaddr *)&any6, sizeof(any6)),
                     0);
    assert_int_equal(listen(sock, 8), 0);
    return sock;
}

static int connect_there(int family, const char *address, uint16_t port)
{
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    const struct timeval timeout = {.tv_sec = DEADLINE_MS / 1000};
    int sock = socket_there(family), rc;

    assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
    assert_int_equal(inet_pton(family, address, family == AF_INET ? (void *)&to.sin_addr : (void *)&to6.sin6_addr), 1);
    rc = family == AF_INET ? connect(sock, (const struct sockaddr *)&to, sizeof(to))
                           : connect(sock, (const struct sockaddr *)&to6, sizeof(to6));
    assert_int_equal(rc, 0);
    return sock;
}

/* This process is the daemon: as long as the loop does not turn it says nothing. */
static void hang_until_away(void)
{
    uint64_t until = clock_us() + DEADLINE_MS * UINT64_C(1000);

    while (present() > 0) {
        assert_true(clock_us() < until);
    }
}

static void addresses_of_their_own(bool there)
{
    const char *verb = there ? "add" : "del";

    IP("addr", verb, "198.18.5.1/24", "dev", "kt0");
    IP("-6", "addr", verb, "2001:db8:5::1/64", "dev", "kt0");
    run_there(there ? "ip addr add 198.18.5.2/24 dev kt1 && ip addr add 2001:db8:5::2/64 dev kt1 nodad"
                    : "ip addr flush dev kt1 scope global");
}

static void assert_end(int client, int error)
{
    char byte;

    assert_int_equal(recv(client, &byte, 1, error == EAGAIN ? MSG_DONTWAIT : 0), -1);
    assert_int_equal(errno, error);
    (void)close(client);
}

/* Clients of a daemon that hangs see the end at once: it never accepts them, and without the address its kernel could
 * not tell them any more. Who is connected to another address of the host stays. */
static void test_connections_are_reset(void **state)
{
    int listeners[] = {listen_here(AF_INET, 7001), listen_here(AF_INET6, 7002)};
    int clients[3], other;

    (void)state;
    addresses_of_their_own(true);
    start();
    keeper_hold(keeper, clock_us() + 3000000);
    wait_for("the addresses are there", is_held);
    clients[0] = connect_there(AF_INET, "198.18.5.10", 7001);
    clients[1] = connect_there(AF_INET, "198.18.5.10", 7002); /* of a socket of IPv6 */
    clients[2] = connect_there(AF_INET6, "2001:db8:5::10", 7002);
    other = connect_there(AF_INET, "198.18.5.1", 7001);
    assert_int_equal(write(clients[0], "GET", 3), 3); /* acknowledged by the kernel, read by nobody */
    hang_until_away();
    for (size_t i = 0; i < 3; i++) {
        assert_end(clients[i], ECONNRESET);
    }
    assert_end(other, EAGAIN);
    wait_for("the daemon hears of it", is_away);
    assert_int_equal(troubles, 0);
    (void)close(listeners[0]);
    (void)close(listeners[1]);
    addresses_of_their_own(false);
    stop();
}

/* A lease that was lost for a moment harms no connection. */
static void test_connections_outlive_a_lapse(void **state)
{
    int listener = listen_here(AF_INET, 7003), client;

    (void)state;
    addresses_of_their_own(true);
    start();
    keeper_hold(keeper, clock_us() + FAR_US);
    wait_for("the addresses are there", is_held);
    client = connect_there(AF_INET, "198.18.5.10", 7003);
    keeper_release(keeper);
    wait_for("the addresses are away", is_away);
    keeper_hold(keeper, clock_us() + 2 * FAR_US);
    wait_for("the addresses are there again", is_held);
    assert_int_equal(write(client, "GET", 3), 3);
    assert_end(client, EAGAIN);
    (void)close(listener);
    addresses_of_their_own(false);
    stop();
}

static void test_another_host_claims_the_address(void **state)
{
    CLEANUP(free_ptr) char *there = mem_printf("/proc/%d/ns/net", other_host);
    struct address other;
    struct address_door door;
    struct err err = ERR_INIT;
    int fd = open(there, O_RDONLY | O_CLOEXEC), here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    (void)state;
    start();
    keeper_hold(keeper, clock_us() + FAR_US);
    wait_for("the addresses are there", is_held);
    assert_int_equal(address_parse("198.18.5.10%kt1", &other, &err), 0);
    open_there(&other, &door);
    assert_int_equal(troubles, 0);
    assert_int_equal(setns(fd, CLONE_NEWNET), 0); /* interfaces are looked up by name */
    assert_int_equal(address_announce(&door, &other, &err), 0);
    assert_int_equal(setns(here, CLONE_NEWNET), 0);
    (void)close(fd);
    (void)close(here);
    wait_for("the conflict is reported", is_troubled);
    assert_non_null(strstr(trouble_text, texts[0]));
    assert_non_null(strstr(trouble_text, "02:00:00:00:05:01"));
    address_close(&door);
    stop();
}

/* One that has it already, or gets it while it is held here, and never says a word by itself. */
static void silent_holder(const char *pattern, const char *text, bool before)
{
    CLEANUP(free_ptr) char *add = mem_printf("ip addr add %s dev kt1 nodad", pattern);
    CLEANUP(free_ptr) char *del = mem_printf("ip addr del %s dev kt1", pattern);
    uint64_t begin_us = clock_us();

    if (before) {
        run_there(add);
    }
    start();
    keeper_hold(keeper, clock_us() + FAR_US);
    wait_for("the addresses are there", is_held); /* it did not wait for an answer */
    if (!before) {
        assert_int_equal(troubles, 0);
        run_there(add);
    }
    wait_for("the conflict is reported", is_troubled);
    assert_non_null(strstr(trouble_text, text));
    assert_non_null(strstr(trouble_text, "02:00:00:00:05:01"));
    /* Not earlier than the lifetime of a holder before us, who may answer, too. */
    assert_true(clock_us() - begin_us >= UINT64_C(1100000));
    run_there(del);
    stop();
}

static void test_silent_holder(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        silent_holder(patterns[i], texts[i], true);
        silent_holder(patterns[i], texts[i], false);
    }
}

/* Another interface of this host on the same link answers as well: that is no conflict. */
static void test_own_second_interface(void **state)
{
    CLEANUP(free_ptr) char *pid = mem_printf("%d", other_host);

    (void)state;
    IP("link", "add", "kt2", "address", "02:00:00:00:05:02", "type", "veth", "peer", "name", "kt3");
    IP("link", "set", "kt3", "netns", pid);
    IP("link", "set", "kt2", "up");
    run_there("ip link add kt4 type bridge && ip link set kt1 master kt4 && ip link set kt3 master kt4 && "
              "ip link set kt3 up && ip link set kt4 up");
    start();
    keeper_hold(keeper, clock_us() + FAR_US);
    wait_for("the addresses are there", is_held);
    helds = 0;
    while (helds < 20) { /* five seconds: two questions after the one at the start */
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(troubles, 0);
    run_there("ip link set kt1 nomaster && ip link del kt4");
    IP("link", "del", "kt2");
    stop();
}

static void test_bad_start(void **state)
{
    static const char *const nowhere[] = {"198.18.5.10%kt0", "nonsense"};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(keeper_start(nowhere, 2, &keeper, &err), E_INVALID);
    assert_non_null(strstr(err.message, "nonsense"));
    assert_int_equal(keeper_start(nowhere, 0, &keeper, &err), E_INVALID);
}

static void test_interface_is_missing(void **state)
{
    static const char *const missing[] = {"198.18.5.10%kt7"};
    struct err err = ERR_INIT;

    (void)state;
    held = -1;
    troubles = 0;
    closed = false;
    assert_int_equal(keeper_start(missing, 1, &keeper, &err), 0); /* it may come later */
    keeper_attach(keeper, &loop, &events);
    keeper_hold(keeper, clock_us() + FAR_US);
    wait_for("it is reported", is_troubled);
    assert_non_null(strstr(trouble_text, "there is no interface kt7"));
    assert_int_not_equal(held, 1);
    stop();
}

static void start_other_host(void)
{
    CLEANUP(free_ptr) char *pid = NULL;
    int pipes[2];
    char byte;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    other_host = fork();
    if (other_host == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (unshare(CLONE_NEWNET) == 0 && write(pipes[1], "x", 1) == 1) {
            (void)pause();
        }
        _exit(1);
    }
    (void)close(pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    (void)close(pipes[0]);
    pid = mem_printf("%d", other_host);
    IP("link", "set", "kt1", "netns", pid);
}

static int set_up(void **state)
{
    (void)state;
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
        return 0;
    }
    IP("link", "add", "kt0", "address", "02:00:00:00:05:00", "type", "veth", "peer", "name", "kt1", "address",
       "02:00:00:00:05:01");
    start_other_host();
    IP("link", "set", "lo", "up");
    IP("link", "set", "kt0", "up");
    run_there("ip link set kt1 up");
    return uv_loop_init(&loop);
}

static int tear_down(void **state)
{
    (void)state;
    (void)kill(other_host, SIGKILL);
    (void)waitpid(other_host, NULL, 0);
    return uv_loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_and_gives_back),
        cmocka_unit_test(test_deadline_passes_without_the_daemon),
        cmocka_unit_test(test_keeper_confirms),
        cmocka_unit_test(test_connections_are_reset),
        cmocka_unit_test(test_connections_outlive_a_lapse),
        cmocka_unit_test(test_keeper_frozen),
        cmocka_unit_test(test_idle_keeper_frozen),
        cmocka_unit_test(test_keeper_killed),
        cmocka_unit_test(test_leftovers_are_removed),
        cmocka_unit_test(test_another_host_claims_the_address),
        cmocka_unit_test(test_silent_holder),
        cmocka_unit_test(test_own_second_interface),
        cmocka_unit_test(test_bad_start),
        cmocka_unit_test(test_interface_is_missing),
    };

    if (geteuid() != 0) {
        puts("[  SKIPPED ] 14 test(s), needs root for network namespaces");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Connections to the peer port that come faster than they can be begun: the kernel's queue does not stay full, a
 * member's address does not wait for others, what has no place costs no more than its descriptor, and running out of
 * descriptors stops nothing but new connections. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/net_priv.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "tests/unit/consensus/turns.h"

#define FLOOD 400 /* less than the kernel's queue holds by default, more than wait here */
#define TURNS_MAX 10000
#define STRANGER 2 /* the last number of an address */
#define MEMBER 3
#define OTHER 4

static char address[32];
static struct net *net;
static int fds[FLOOD + 1];
static size_t n_fds;
static bool gone;

static void event(void *user, uint64_t peer)
{
    (void)user;
    (void)peer;
}

static bool frame(void *user, uint64_t peer, const uint8_t *data, size_t len)
{
    (void)user;
    (void)peer;
    (void)data;
    (void)len;
    return true;
}

static bool speaks(void *user, uint64_t peer)
{
    (void)user;
    (void)peer;
    return true;
}

static void closed(void *user)
{
    (void)user;
    gone = true;
}

static bool is_gone(void)
{
    return gone;
}

static bool member_is_known(void)
{
    return net_find_peer(net, 2)->at.ss_family == AF_INET;
}

static int set_up(void **state)
{
    CLEANUP(free_ptr) char *ca = mem_printf("%s/ca.pem", turns_folder);
    CLEANUP(free_ptr) char *cert = mem_printf("%s/member-1.pem", turns_folder);
    CLEANUP(free_ptr) char *key = mem_printf("%s/member-1.key", turns_folder);
    const struct cons_peer peers[] = {{.id = 1, .address = address}, {.id = 2, .address = "127.0.0.3:1"}};
    const struct cons_config config = {.member_id = 1,
                                       .listen = address,
                                       .peers = peers,
                                       .n_peers = 2,
                                       .tls_ca_file = ca,
                                       .tls_cert_file = cert,
                                       .tls_key_file = key};
    const struct net_events events = {
        .connected = event, .disconnected = event, .closed = event, .speaks = speaks, .frame = frame};
    struct err err = ERR_INIT;

    (void)state;
    gone = false;
    n_fds = 0;
    turns_free_address(address, sizeof(address));
    if (net_start(&turns_loop, &config, &events, &net, &err) != 0) {
        fail_msg("%s", err.message);
    }
    turns_until("the member's address is known", member_is_known);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (!gone) {
        net_close(net, closed, NULL);
    }
    turns_until("closed", is_gone);
    while (n_fds > 0) {
        close(fds[--n_fds]);
    }
    return 0;
}

static void connect_from(uint8_t host, size_t n)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000U | host)};

    at.sin_port = htons((uint16_t)strtoul(strchr(address, ':') + 1, NULL, 10));
    for (size_t i = 0; i < n; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(fd, (struct sockaddr *)&self, sizeof(self)), 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
        fds[n_fds++] = fd;
    }
}

static uint32_t in_the_kernels_queue(void)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    assert_int_equal(getsockopt(net->listen_fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_unacked; /* of a socket that listens */
}

static bool is_from(const struct sockaddr_storage *from, uint8_t host)
{
    return (ntohl(((const struct sockaddr_in *)from)->sin_addr.s_addr) & 0xffU) == host;
}

/* Incoming, with all that costs something. */
static size_t n_begun_from(uint8_t host)
{
    size_t n = 0;

    for (const struct net_link *link = net->links; link != NULL; link = link->next) {
        n += !link->outgoing && is_from(&link->from, host);
    }
    return n;
}

static size_t n_waiting(void)
{
    return net->waiting[NET_MEMBERS].n + net->waiting[NET_STRANGERS].n;
}

/* Turns until it is begun, which has come last; how many were since it had been taken, with itself. */
static size_t n_before(uint8_t host)
{
    size_t n = 0;

    for (int turns = 0; n_begun_from(host) == 0; turns++) {
        bool taken = in_the_kernels_queue() == 0;

        assert_true(turns < TURNS_MAX);
        turns_one("it is begun");
        n += taken ? net->n_accepted : 0;
    }
    return n;
}

static void test_the_kernels_queue_is_emptied(void **state)
{
    size_t n_begun = 0;

    (void)state;
    connect_from(STRANGER, FLOOD);
    assert_int_equal(in_the_kernels_queue(), FLOOD);
    for (int turns = 0; in_the_kernels_queue() > 0; turns++) {
        assert_true(turns < TURNS_MAX);
        turns_one("the queue is empty");
        assert_in_range(net->n_accepted, 0, NET_ACCEPT_MAX);
        n_begun += net->n_accepted;
        assert_in_range(n_waiting(), 0, NET_COMERS_MAX);
    }
    assert_in_range(n_begun, 0, FLOOD / 2); /* the others did not have to be begun for that */
    assert_int_equal(net->n_pushed_out + n_waiting() + n_begun, FLOOD);
    assert_true(net->n_pushed_out > 0);
}

/* The member has come last. */
static void test_a_member_does_not_wait(void **state)
{
    (void)state;
    for (uint8_t host = 10; host < 50; host++) { /* so it is not only that each address has its turn */
        connect_from(host, 9);
    }
    connect_from(MEMBER, 1);
    assert_in_range(n_before(MEMBER), 1, NET_ACCEPT_MAX);
}

/* One whose address is not known yet may be a member as well. */
static void test_who_comes_alone_does_not_wait(void **state)
{
    (void)state;
    connect_from(STRANGER, FLOOD - 1);
    connect_from(OTHER, 1);
    assert_in_range(n_before(OTHER), 1, 2 * NET_ACCEPT_MAX);
}

/* Nor for somebody on a member's host. */
static void test_a_members_address_has_a_share(void **state)
{
    (void)state;
    connect_from(MEMBER, FLOOD - 1);
    connect_from(OTHER, 1);
    for (int turns = 0; net->waiting[NET_MEMBERS].n == 0; turns++) {
        assert_true(turns < TURNS_MAX);
        turns_one("they are taken");
    }
    assert_in_range(net->waiting[NET_MEMBERS].n, 1, NET_HALF_OPEN_MEMBER);
    assert_in_range(n_before(OTHER), 1, NET_ACCEPT_MAX);
}

static uint64_t cpu_us(void)
{
    struct timespec used;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), 0);
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

static bool is_paused(void)
{
    return uv_is_active((uv_handle_t *)&net->listen_pause);
}

static bool all_taken(void)
{
    return !is_paused() && in_the_kernels_queue() == 0;
}

static bool all_begun(void)
{
    return n_begun_from(OTHER) == 2;
}

/* Nothing turns without end, and it goes on when there are descriptors again. */
static void test_no_descriptors(void **state)
{
    struct rlimit limit, few;
    uint64_t begin_us;
    int highest;

    (void)state;
    connect_from(OTHER, 2);
    highest = dup(fds[0]);
    assert_true(highest > 0 && close(highest) == 0); /* the lowest one that is free */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = (struct rlimit){.rlim_cur = (rlim_t)highest, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    turns_until("it pauses", is_paused);
    assert_int_equal(n_begun_from(OTHER), 0);
    assert_false(uv_is_active((uv_handle_t *)&net->listener));
    assert_int_equal(in_the_kernels_queue(), 2);
    begin_us = cpu_us();
    for (int pauses = 0; pauses < 3; pauses++) { /* each of them is 100 ms in which the loop sleeps */
        uint64_t due = uv_timer_get_due_in(&net->listen_pause);

        assert_true(due <= 100);
        (void)uv_run(&turns_loop, UV_RUN_ONCE);
    }
    assert_true(cpu_us() - begin_us < 50000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    turns_until("they are taken", all_taken);
    turns_until("they are begun", all_begun);
}

/* Whatever waits, the end comes. */
static void test_ends_with_comers(void **state)
{
    size_t n_ended = 0;

    (void)state;
    connect_from(STRANGER, FLOOD);
    for (int turns = 0; n_waiting() == 0; turns++) {
        assert_true(turns < TURNS_MAX);
        turns_one("they are taken");
    }
    net_close(net, closed, NULL);
    turns_until("closed", is_gone);
    for (size_t i = 0; i < FLOOD; i++) {
        char byte;

        n_ended += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
    }
    assert_int_equal(n_ended, FLOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_kernels_queue_is_emptied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_member_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_comes_alone_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_members_address_has_a_share, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ends_with_comers, set_up, tear_down),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, turns_set_up, turns_tear_down);
}

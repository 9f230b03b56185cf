/* Connections between two members on loopback: made, reset, made again; with TLS while others leave errors behind. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/net.h"
#include "consensus/wire.h"
#include "store/base/buf.h"
#include "store/base/log.h"
#include "tests/unit/consensus/turns.h"

struct end {
    struct net *net;
    char address[32];
    unsigned connected, disconnected, closed, frames;
    bool gone;
};

static struct end a, b;
static char folder[] = "/tmp/hecate-net-XXXXXX";

/* ---- events ---- */

static void connected(void *user, uint64_t peer)
{
    (void)peer;
    ((struct end *)user)->connected++;
}

static void disconnected(void *user, uint64_t peer)
{
    (void)peer;
    ((struct end *)user)->disconnected++;
}

static void closed(void *user, uint64_t peer)
{
    (void)peer;
    ((struct end *)user)->closed++;
}

static bool frame(void *user, uint64_t peer, const uint8_t *data, size_t len)
{
    (void)peer;
    (void)data;
    (void)len;
    ((struct end *)user)->frames++;
    return true;
}

static void gone(void *user)
{
    ((struct end *)user)->gone = true;
}

/* ---- two ends ---- */

static void start(struct end *end, uint64_t id, bool tls)
{
    const struct cons_peer peers[] = {{.id = 1, .address = a.address}, {.id = 2, .address = b.address}};
    char ca[64], cert[64], key[64];
    const struct cons_config config = {.member_id = id,
                                       .listen = end->address,
                                       .peers = peers,
                                       .n_peers = 2,
                                       .tls_off = !tls,
                                       .tls_ca_file = ca,
                                       .tls_cert_file = cert,
                                       .tls_key_file = key};
    const struct net_events events = {
        .user = end, .connected = connected, .disconnected = disconnected, .closed = closed, .frame = frame};
    struct err err = ERR_INIT;

    (void)snprintf(ca, sizeof(ca), "%s/ca.pem", folder);
    (void)snprintf(cert, sizeof(cert), "%s/member-%d.pem", folder, (int)id);
    (void)snprintf(key, sizeof(key), "%s/member-%d.key", folder, (int)id);
    if (net_start(&turns_loop, &config, &events, &end->net, &err) != 0) {
        fail_msg("%s", err.message);
    }
}

static void say(struct end *end, uint64_t from, uint64_t to)
{
    const struct wire wire = {.key = {[WK_TYPE] = WIRE_HELLO, [WK_FROM] = from}};
    struct buf buf = BUF_INIT;
    size_t len;

    wire_encode(&wire, &buf);
    len = buf.len;
    net_send(end->net, to, (uint8_t *)buf_take(&buf), len);
    net_flush(end->net);
}

static bool both_connected(void)
{
    return a.connected == 1 && b.connected == 1;
}

static bool both_heard(void)
{
    return a.frames == 1 && b.frames == 1;
}

static unsigned frames_wanted;

static bool b_saw_the_end(void)
{
    return b.closed == 1;
}

static bool a_is_back(void)
{
    return a.connected == 2;
}

static bool b_heard_again(void)
{
    return b.frames == 2;
}

static bool both_gone(void)
{
    return a.gone && b.gone;
}

static void begin(bool tls)
{
    a = (struct end){0};
    b = (struct end){0};
    turns_free_address(a.address, sizeof(a.address));
    turns_free_address(b.address, sizeof(b.address));
    start(&a, 1, tls);
    start(&b, 2, tls);
    turns_until("both are connected", both_connected);
}

static void finish(void)
{
    net_close(a.net, gone, &a);
    net_close(b.net, gone, &b);
    turns_until("closed", both_gone);
}

/* What one end gives up is seen by the other at once; its own connection stays, and the one that was reset comes back.
 */
static void test_reset(void **state)
{
    (void)state;
    begin(false);
    say(&a, 1, 2);
    say(&b, 2, 1);
    turns_until("both are heard", both_heard);
    net_reset(a.net);
    assert_int_equal(a.disconnected, 1);
    assert_false(net_is_connected(a.net, 2));
    assert_true(net_is_connected(b.net, 1));
    turns_until("the other end sees it", b_saw_the_end);
    turns_until("connected again", a_is_back);
    say(&a, 1, 2);
    turns_until("heard again", b_heard_again);
    assert_int_equal(b.disconnected, 0);
    assert_int_equal(b.connected, 1);
    assert_int_equal(a.closed, 0);
    finish();
}

static bool all_heard(void)
{
    return a.frames == frames_wanted && b.frames == frames_wanted;
}

/* The queue of errors is the thread's: another's failure, in h2o or libcurl, is none of these connections. */
static void test_errors_of_others(void **state)
{
    (void)state;
    begin(true);
    for (frames_wanted = 1; frames_wanted <= 20; frames_wanted++) {
        ERR_raise(ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
        say(&a, 1, 2);
        ERR_raise(ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
        say(&b, 2, 1);
        ERR_raise(ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
        turns_until("both are heard", all_heard);
    }
    assert_int_equal(a.disconnected + b.disconnected + a.closed + b.closed, 0);
    assert_int_equal(ERR_peek_error(), 0); /* and nothing is left to others */
    finish();
}

static void run(const char *const argv[])
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        (void)freopen("/dev/null", "w", stdout);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int tear_down(void **state)
{
    (void)state;
    run((const char *const[]){"rm", "-r", folder, NULL});
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_NONE);
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    run((const char *const[]){"scripts/pki", folder, "1", "2", NULL});
    return !turns_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_errors_of_others),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

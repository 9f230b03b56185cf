/* A member with a valid certificate that makes work with few bytes: every turn of the loop does a share of it. */
#include <arpa/inet.h>
#include <errno.h>
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/net_priv.h"
#include "consensus/wire.h"
#include "store/base/buf.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "tests/unit/consensus/turns.h"

static char address[32];
static struct net *net;
static size_t frames;
static bool gone;

static void event(void *user, uint64_t peer)
{
    (void)user;
    (void)peer;
}

static bool frame(void *user, uint64_t peer, const uint8_t *data, size_t len)
{
    (void)user;
    (void)data;
    (void)len;
    assert_int_equal(peer, 2);
    frames++;
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

static void start(void)
{
    CLEANUP(free_ptr) char *ca = mem_printf("%s/ca.pem", turns_folder);
    CLEANUP(free_ptr) char *cert = mem_printf("%s/member-1.pem", turns_folder);
    CLEANUP(free_ptr) char *key = mem_printf("%s/member-1.key", turns_folder);
    const struct cons_peer peers[] = {{.id = 1, .address = address}, {.id = 2, .address = "127.0.0.2:1"}};
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

    turns_free_address(address, sizeof(address));
    if (net_start(&turns_loop, &config, &events, &net, &err) != 0) {
        fail_msg("%s", err.message);
    }
}

static int connect_to(const char *text)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_port = htons((uint16_t)strtoul(strchr(text, ':') + 1, NULL, 10));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

struct liar {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
};

static bool liar_flush(struct liar *liar) /* false: the kernel takes no more */
{
    char data[65536];
    int len = BIO_read(liar->out, data, sizeof(data));

    return len <= 0 || send(liar->fd, data, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) == len;
}

static void liar_begin(struct liar *liar)
{
    CLEANUP(free_ptr) char *cert = mem_printf("%s/member-2.pem", turns_folder);
    CLEANUP(free_ptr) char *key = mem_printf("%s/member-2.key", turns_folder);

    liar->fd = connect_to(address);
    liar->ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_use_certificate_file(liar->ctx, cert, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(liar->ctx, key, SSL_FILETYPE_PEM), 1);
    liar->ssl = SSL_new(liar->ctx);
    liar->in = BIO_new(BIO_s_mem());
    liar->out = BIO_new(BIO_s_mem());
    SSL_set_bio(liar->ssl, liar->in, liar->out);
    SSL_set_connect_state(liar->ssl);
    while (SSL_do_handshake(liar->ssl) != 1) {
        char data[16384];
        ssize_t n;

        assert_true(liar_flush(liar));
        (void)uv_run(&turns_loop, UV_RUN_NOWAIT);
        n = recv(liar->fd, data, sizeof(data), MSG_DONTWAIT);
        assert_true(n > 0 ? BIO_write(liar->in, data, (int)n) == n : n < 0 && errno == EAGAIN);
    }
    assert_true(liar_flush(liar));
}

static void liar_end(struct liar *liar)
{
    SSL_free(liar->ssl);
    SSL_CTX_free(liar->ctx);
    close(liar->fd);
}

static uint64_t cpu_us(void)
{
    struct timespec used;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), 0);
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

/* Whoever connects often has a few of his connections begun in a turn. */
static void test_connections(void **state)
{
    enum { CONNECTIONS = 100 };
    int fds[CONNECTIONS];
    size_t n = 0;

    (void)state;
    gone = false;
    start();
    for (size_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = connect_to(address);
    }
    turns_begin();
    while (n < CONNECTIONS) {
        turns_one("all connections are accepted");
        assert_true(net->n_accepted <= 8);
        n += net->n_accepted;
    }
    turns_end();
    for (size_t i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
    net_close(net, closed, NULL);
    turns_until("closed", is_gone);
}

/* Frames in records of TLS of one byte each: all of them are heard, a share in each turn. */
static void test_small_records(void **state)
{
    const struct wire wire = {.key = {[WK_TYPE] = WIRE_HELLO, [WK_FROM] = 2}};
    CLEANUP(buf_fini) struct buf hello = BUF_INIT;
    uint64_t longest_us = 0;
    struct liar liar;
    size_t n = 0;

    (void)state;
    start();
    liar_begin(&liar);
    wire_encode(&wire, &hello);
    do {
        assert_int_equal(SSL_write(liar.ssl, hello.data + n % hello.len, 1), 1);
        n++;
    } while (liar_flush(&liar)); /* as much as the kernel takes; the last record may not be whole */
    assert_true(n > 10000);
    turns_begin();
    while (frames < (n - 1) / hello.len) {
        uint64_t begin_us = cpu_us();

        turns_one("all frames are read");
        longest_us = cpu_us() - begin_us > longest_us ? cpu_us() - begin_us : longest_us;
    }
    turns_end();
    print_message("%zu records, longest turn %lu us\n", n, (unsigned long)longest_us);
    assert_true(longest_us < 20000);
    liar_end(&liar);
    net_close(net, closed, NULL);
    turns_until("closed", is_gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_records),
        cmocka_unit_test(test_connections),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, turns_set_up, turns_tear_down);
}

/* Connections between two members on loopback: made, reset, made again; with TLS while others leave errors behind. */
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/net_priv.h"
#include "consensus/wire.h"
#include "store/base/buf.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "tests/unit/consensus/turns.h"

struct end {
    uint64_t heard_id; /* who may send long frames */
    struct net *net;
    char address[32];
    unsigned connected, disconnected, closed, frames;
    bool gone;
};

static struct end a, b;

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

static bool speaks(void *user, uint64_t peer)
{
    return ((struct end *)user)->heard_id == peer;
}

static void gone(void *user)
{
    ((struct end *)user)->gone = true;
}

/* ---- two ends ---- */

/* pki: the folder of the certificate, NULL without TLS; other: who is to be at b's address. */
static void start_as(struct end *end, uint64_t id, const char *pki, uint64_t other)
{
    const struct cons_peer peers[] = {{.id = 1, .address = a.address}, {.id = other, .address = b.address}};
    char ca[64], cert[64], key[64];
    const struct cons_config config = {.member_id = id,
                                       .listen = end->address,
                                       .peers = peers,
                                       .n_peers = 2,
                                       .tls_off = pki == NULL,
                                       .tls_ca_file = ca,
                                       .tls_cert_file = cert,
                                       .tls_key_file = key};
    const struct net_events events = {.user = end,
                                      .connected = connected,
                                      .disconnected = disconnected,
                                      .closed = closed,
                                      .speaks = speaks,
                                      .frame = frame};
    struct err err = ERR_INIT;
    char listen[32];

    memcpy(listen, end->address, sizeof(listen));
    *end = (struct end){0};
    (void)snprintf(end->address, sizeof(end->address), "%s", listen);
    (void)snprintf(ca, sizeof(ca), "%s/ca.pem", pki);
    (void)snprintf(cert, sizeof(cert), "%s/member-%d.pem", pki, (int)id);
    (void)snprintf(key, sizeof(key), "%s/member-%d.key", pki, (int)id);
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

static bool a_closed_it(void)
{
    return a.closed == 1;
}

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

static void new_addresses(void)
{
    turns_free_address(a.address, sizeof(a.address));
    turns_free_address(b.address, sizeof(b.address));
}

static void begin(bool tls)
{
    new_addresses();
    start_as(&a, 1, tls ? turns_folder : NULL, 2);
    start_as(&b, 2, tls ? turns_folder : NULL, 2);
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

/* ---- strangers ---- */

static void say_long(struct end *end, uint64_t from, uint64_t to, size_t len)
{
    CLEANUP(free_ptr) uint8_t *body = mem_calloc(len, 1);
    const struct wire wire = {.key = {[WK_TYPE] = WIRE_HELLO, [WK_FROM] = from}, .body = body, .body_len = len};
    struct buf buf = BUF_INIT;
    size_t frame_len;

    wire_encode(&wire, &buf);
    frame_len = buf.len;
    net_send(end->net, to, (uint8_t *)buf_take(&buf), frame_len);
    net_flush(end->net);
}

/* Who is no member says nothing long. */
static void test_long_frames(void **state)
{
    (void)state;
    begin(true);
    a.heard_id = 0;
    b.heard_id = 1;
    say_long(&a, 1, 2, 1 << 20);
    say_long(&b, 2, 1, 18 << 10);
    turns_until("both are heard", both_heard);
    say_long(&b, 2, 1, 21 << 10);
    turns_until("it is cut off", a_closed_it);
    assert_int_equal(a.frames, 1);
    finish();
}

#define STRANGERS 200

static int strangers[STRANGERS];

/* From an address that is no member's. */
static int stranger_connect(const char *from, const char *address)
{
    struct sockaddr_in at = {.sin_family = AF_INET}, self = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, from, &self.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&self, sizeof(self)), 0);
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &at.sin_addr), 1);
    at.sin_port = htons((uint16_t)strtoul(strchr(address, ':') + 1, NULL, 10));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static size_t open_strangers(void)
{
    size_t n = 0;

    for (size_t i = 0; i < STRANGERS; i++) {
        char byte;

        n += recv(strangers[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    }
    return n;
}

static bool a_has_few(void)
{
    return open_strangers() <= 32;
}

/* Whoever keeps connections open without a word fills a share of the port, the newest ones; a member gets in. */
static void flood(const char *from)
{
    new_addresses(); /* b's: one that no connection of ours is given in the meantime */
    (void)snprintf(b.address, sizeof(b.address), "127.0.0.3:%d", 20000 + getpid() % 10000);
    start_as(&a, 1, turns_folder, 2);
    for (size_t i = 0; i < STRANGERS; i++) {
        strangers[i] = stranger_connect(from, a.address);
        (void)uv_run(&turns_loop, UV_RUN_NOWAIT);
    }
    turns_until("most of them were ended", a_has_few);
    assert_true(open_strangers() >= 15); /* no more than needed */
    start_as(&b, 2, turns_folder, 2);
    turns_until("both are connected", both_connected);
    for (size_t i = 0; i < STRANGERS; i++) { /* what comes later ends no member's */
        close(strangers[i]);
        strangers[i] = stranger_connect(from, a.address);
        (void)uv_run(&turns_loop, UV_RUN_NOWAIT);
    }
    turns_until("most of them were ended", a_has_few);
    assert_int_equal(a.disconnected + b.disconnected + a.closed + b.closed, 0);
    for (size_t i = 0; i < STRANGERS; i++) {
        close(strangers[i]);
    }
    finish();
}

static void test_idle_strangers(void **state)
{
    (void)state;
    flood("127.0.0.2");
    flood("127.0.0.3"); /* also where a member has the same address */
}

static size_t said_bytes;

static bool stranger_was_ended(void)
{
    static const char words[16384];
    char byte;
    ssize_t n = send(strangers[0], words, sizeof(words), MSG_NOSIGNAL | MSG_DONTWAIT);

    said_bytes += n > 0 ? (size_t)n : 0;
    n = recv(strangers[0], &byte, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

/* One that says much and never who it is. */
static void test_talking_stranger(void **state)
{
    (void)state;
    new_addresses();
    start_as(&a, 1, NULL, 2);
    start_as(&b, 2, NULL, 2);
    strangers[0] = stranger_connect("127.0.0.2", a.address);
    assert_int_equal(send(strangers[0], "\x00\x00\x00\x01", 4, MSG_NOSIGNAL), 4); /* 16 MiB are to follow */
    said_bytes = 0;
    turns_until("it was ended", stranger_was_ended);
    assert_true(said_bytes < 12 << 20); /* most of that is in the kernel's buffers */
    close(strangers[0]);
    finish();
}

static bool a_is_connected(void)
{
    return a.connected == 1;
}

/* A peer that takes connections and reads nothing: what waits for it is bounded, then it starts over. */
static void test_peer_that_does_not_read(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    size_t sent_bytes = 0;

    (void)state;
    new_addresses();
    at.sin_port = htons((uint16_t)strtoul(strchr(b.address, ':') + 1, NULL, 10));
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 10), 0);
    start_as(&a, 1, NULL, 2);
    turns_until("a is connected", a_is_connected);
    while (a.disconnected == 0) {
        net_send(a.net, 2, mem_calloc(1, 1 << 20), 1 << 20);
        net_flush(a.net);
        sent_bytes += 1 << 20;
        assert_true(sent_bytes < 48 << 20); /* some of it is in the kernel's buffers */
    }
    assert_true(sent_bytes > 8 << 20); /* what the core has under way is never too much */
    close(listener);
    net_close(a.net, gone, &a);
    b.gone = true;
    turns_until("closed", both_gone);
}

/* ---- trouble, and its reason ---- */

static struct cons_trouble trouble_a, trouble_b;

static bool both_in_trouble(void)
{
    net_get_trouble(a.net, 2, &trouble_a);
    net_get_trouble(b.net, 1, &trouble_b);
    return trouble_a.word[0] != '\0' && trouble_b.word[0] != '\0' && strcmp(trouble_a.word, "refused") != 0 &&
           strcmp(trouble_b.word, "refused") != 0;
}

static bool no_trouble(void)
{
    net_get_trouble(a.net, 2, &trouble_a);
    net_get_trouble(b.net, 1, &trouble_b);
    return trouble_a.word[0] == '\0' && trouble_b.word[0] == '\0' && net_is_connected(a.net, 2) &&
           net_is_connected(b.net, 1);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' does not say '%s'", text, part);
    }
}

static void make_certificate(const char *pki, int id, const char *days)
{
    CLEANUP(free_ptr)
    char *line =
        mem_printf("cd %s && openssl req -new -key member-%d.key -subj /CN=hecate-member-%d | openssl x509 -req "
                   "-days %s -CA ca.pem -CAkey ca.key -CAcreateserial -out member-%d.pem 2>/dev/null",
                   pki, id, id, days, id);

    turns_run((const char *const[]){"sh", "-c", line, NULL});
}

/* Both ends know what is wrong and with whose certificate; a new one and no restart: all is well. */
static void test_expired(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    new_addresses();
    make_certificate(turns_folder, 2, "-1");
    start_as(&a, 1, turns_folder, 2);
    start_as(&b, 2, turns_folder, 2);
    turns_until("both know the trouble", both_in_trouble);
    assert_string_equal(trouble_a.word, "expired");
    assert_has(trouble_a.text, "member 1 refuses member 2 at 127.0.0.1:");
    assert_has(trouble_a.remedy, "scripts/pki DIR 2");
    assert_string_equal(trouble_b.word, "expired");
    assert_has(trouble_b.text, "member 1 at 127.0.0.1:");
    assert_has(trouble_b.text, "refuses member 2: the certificate ");
    assert_has(trouble_b.remedy, "member-2.pem");
    assert_true(trouble_a.tls && trouble_b.tls);
    make_certificate(turns_folder, 2, "10");
    assert_int_equal(net_reload_tls(b.net, &err), 0);
    turns_until("all is well", no_trouble);
    finish();
}

static void test_other_authority(void **state)
{
    char other[64];

    (void)state;
    (void)snprintf(other, sizeof(other), "%s/other", turns_folder);
    turns_run((const char *const[]){"scripts/pki", other, "2", NULL});
    new_addresses();
    start_as(&a, 1, turns_folder, 2);
    start_as(&b, 2, other, 2);
    turns_until("both know the trouble", both_in_trouble);
    assert_string_equal(trouble_a.word, "unknown-authority");
    assert_string_equal(trouble_b.word, "unknown-authority");
    assert_has(trouble_b.remedy, "other/ca.pem");
    finish();
}

/* ---- keys ---- */

#define OTHER_KEY "00000000000000000000000000000000000000000000000000000000000000ff"

/* What the configuration says of the keys of both, at both ends. */
static void set_keys(const char *key_a, const char *key_b)
{
    const struct cons_peer peers[] = {{.id = 1, .address = a.address, .key = key_a},
                                      {.id = 2, .address = b.address, .key = key_b}};

    net_set_peers(a.net, peers, 2, true);
    net_set_peers(b.net, peers, 2, true);
}

static bool shown(void)
{
    return strcmp(net_shown_key(a.net, 2), net_shown_key(b.net, 2)) == 0 &&
           strcmp(net_shown_key(b.net, 1), net_shown_key(a.net, 1)) == 0;
}

static bool a_was_cut(void)
{
    return a.disconnected == 1 && a.closed == 1;
}

static bool b_is_refused(void)
{
    net_get_trouble(a.net, 2, &trouble_a);
    net_get_trouble(b.net, 1, &trouble_b);
    return strcmp(trouble_a.word, "wrong-key") == 0 && strcmp(trouble_b.word, "wrong-key") == 0;
}

/* A key that was never named, the right one, a wrong one: the connections end, both say why, and it is over when the
 * configuration names the right one again. */
static void test_keys(void **state)
{
    char key_a[CONS_KEY_SIZE], key_b[CONS_KEY_SIZE];

    (void)state;
    begin(true);
    turns_until("both show their keys", shown);
    memcpy(key_a, net_shown_key(a.net, 1), sizeof(key_a));
    memcpy(key_b, net_shown_key(b.net, 2), sizeof(key_b));
    assert_int_equal(strlen(key_a), CONS_KEY_SIZE - 1);
    assert_string_not_equal(key_a, key_b);
    set_keys(key_a, key_b);
    assert_int_equal(a.disconnected + a.closed + b.disconnected + b.closed, 0);
    set_keys(key_a, "");
    assert_int_equal(a.disconnected + a.closed + b.disconnected + b.closed, 0);
    set_keys(key_a, OTHER_KEY); /* of one that had none: another connection has shown it */
    turns_until("a's connections ended", a_was_cut);
    turns_until("both know the trouble", b_is_refused);
    assert_false(net_is_connected(a.net, 2));
    assert_true(trouble_a.tls && trouble_b.tls);
    assert_has(trouble_a.text, "member 1 refuses member 2 at 127.0.0.1:");
    assert_has(trouble_a.text, key_b);
    assert_has(trouble_a.remedy, "hecate member renew 2");
    assert_has(trouble_b.text, "refuses member 2: the certificate ");
    assert_has(trouble_b.remedy, "hecate member renew 2");
    assert_has(trouble_b.remedy, "--trust-new-keys");
    net_set_peers(a.net, (const struct cons_peer[]){{.id = 2, .address = b.address, .key = OTHER_KEY}}, 1, false);
    turns_until("whoever trusts all keys connects", no_trouble);
    assert_string_equal(net_shown_key(a.net, 2), key_b);
    set_keys(key_a, OTHER_KEY);
    turns_until("both know the trouble", b_is_refused);
    set_keys(key_a, key_b);
    turns_until("all is well", no_trouble);
    finish();
}

static void copy(const char *from, const char *to)
{
    CLEANUP(free_ptr) char *line = mem_printf("mkdir -p %s && cp %s/ca.* %s", to, from, to);

    turns_run((const char *const[]){"sh", "-c", line, NULL});
}

/* A new key while the connections stay: they count as made with it once the configuration says so, and again after
 * that; a connection with the former key is not made any more. */
static void test_key_follows(void **state)
{
    char other[64], key_a[CONS_KEY_SIZE], key_b[CONS_KEY_SIZE];
    struct err err = ERR_INIT;

    (void)state;
    (void)snprintf(other, sizeof(other), "%s/again", turns_folder);
    copy(turns_folder, other);
    turns_run((const char *const[]){"scripts/pki", other, "2", NULL});
    begin(true);
    turns_until("both show their keys", shown);
    memcpy(key_a, net_shown_key(a.net, 1), sizeof(key_a));
    memcpy(key_b, net_shown_key(b.net, 2), sizeof(key_b));
    set_keys(key_a, key_b);
    set_keys(key_a, OTHER_KEY);
    assert_string_equal(net_shown_key(a.net, 2), OTHER_KEY);
    free(b.net->tls_files[1]);
    free(b.net->tls_files[2]);
    b.net->tls_files[1] = mem_printf("%s/member-2.pem", other);
    b.net->tls_files[2] = mem_printf("%s/member-2.key", other);
    assert_int_equal(net_reload_tls(b.net, &err), 0);
    assert_string_not_equal(net_shown_key(b.net, 2), key_b);
    set_keys(key_a, net_shown_key(b.net, 2));
    assert_int_equal(a.disconnected + a.closed + b.disconnected + b.closed, 0);
    assert_true(shown());
    net_reset(a.net);
    net_reset(b.net);
    turns_until("connected again, with the new key", no_trouble);
    set_keys(key_a, "");
    set_keys(key_a, key_b); /* not at once: somebody showed it */
    turns_until("both know the trouble", b_is_refused);
    finish();
}

static bool a_knows(void)
{
    net_get_trouble(a.net, 3, &trouble_a);
    return trouble_a.word[0] != '\0' && strcmp(trouble_a.word, "refused") != 0;
}

static bool a_is_refused(void)
{
    net_get_trouble(a.net, 3, &trouble_a);
    return strcmp(trouble_a.word, "refused") == 0;
}

/* Another member than the expected one. */
static void test_wrong_member(void **state)
{
    (void)state;
    new_addresses();
    start_as(&a, 1, turns_folder, 3);
    start_as(&b, 2, turns_folder, 2);
    turns_until("a knows", a_knows);
    assert_string_equal(trouble_a.word, "wrong-member");
    assert_has(trouble_a.text, "is not member 3: its certificate names member 2");
    finish();
}

/* What is no hecated at all: says something that is no TLS, or nothing listens. */
static void test_plain(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    pid_t child;

    (void)state;
    new_addresses();
    at.sin_port = htons((uint16_t)strtoul(strchr(b.address, ':') + 1, NULL, 10));
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    start_as(&a, 1, turns_folder, 3);
    turns_until("a knows that nobody is there", a_is_refused);
    assert_false(trouble_a.tls);
    assert_int_equal(listen(listener, 10), 0);
    child = fork();
    if (child == 0) {
        for (;;) {
            int fd = accept(listener, NULL, NULL);

            (void)send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
        }
    }
    turns_until("a knows", a_knows);
    assert_string_equal(trouble_a.word, "plain-text");
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(listener);
    net_close(a.net, gone, &a);
    b.gone = true;
    turns_until("closed", both_gone);
}

static bool given_up(void)
{
    return net_find_peer(a.net, 3)->retry_ms == NET_RETRY_MAX_MS;
}

static bool a_has_b(void)
{
    return a.connected == 1;
}

/* A network that is back is seen by the first who comes; those whose answers were lost with it are dialled again at
 * once, instead of after their back-off. Lost answers: a listener whose queue is full. */
static void test_network_is_back(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[2];
    char hole[32];

    (void)state;
    new_addresses();
    turns_free_address(hole, sizeof(hole));
    at.sin_port = htons((uint16_t)strtoul(strchr(hole, ':') + 1, NULL, 10));
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 0), 0);
    for (size_t i = 0; i < 2; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&at, sizeof(at));
    }
    start_as(&a, 1, NULL, 2);
    net_set_peers(a.net,
                  (const struct cons_peer[]){
                      {.id = 1, .address = a.address}, {.id = 2, .address = b.address}, {.id = 3, .address = hole}},
                  3, false);
    turns_until("no answer is expected soon", given_up);
    start_as(&b, 2, NULL, 2);
    turns_until("one is back", a_has_b);
    assert_true(net_find_peer(a.net, 3)->retry_ms < NET_RETRY_MAX_MS);
    for (size_t i = 0; i < 2; i++) {
        close(fill[i]);
    }
    close(listener);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_frames),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_errors_of_others),
        cmocka_unit_test(test_idle_strangers),
        cmocka_unit_test(test_talking_stranger),
        cmocka_unit_test(test_peer_that_does_not_read),
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_other_authority),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_key_follows),
        cmocka_unit_test(test_wrong_member),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_network_is_back),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, turns_set_up, turns_tear_down);
}

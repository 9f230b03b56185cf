/* A burst of connections, handshakes or requests: a few of them in each turn of the loop, and everybody in the end. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/server_priv.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/peer.h"

#define BURST 80
#define ACCEPTS 16
#define STEPS 8
#define REQUESTS 64
#define TURNS_MAX 10000
#define HELLO "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"

struct client {
    int fd;
    SSL *ssl;
    BIO *in, *out;
    size_t n_read; /* bytes of answers */
};

struct world {
    struct fixture fixture;
    char *dir, *cert, *key, *ca;
    SSL_CTX *ctx;
    struct client clients[2 * BURST];
};

static struct world *world_new(bool tls, uint32_t connections_max)
{
    struct world *world = mem_calloc(1, sizeof(*world));
    struct api_config *config = &world->fixture.members[0].config;

    fixture_init(&world->fixture, false);
    config->connections_max = connections_max;
    if (tls) {
        world->dir = peer_certificates();
        world->cert = mem_printf("%s/api.crt", world->dir);
        world->key = mem_printf("%s/api.key", world->dir);
        world->ca = mem_printf("%s/ca.crt", world->dir);
        config->tls = true;
        config->cert_file = world->cert;
        config->key_file = world->key;
        config->forward_ca_file = world->ca;
        world->ctx = SSL_CTX_new(TLS_client_method());
    }
    fixture_start(&world->fixture, 0);
    fixture_lead(&world->fixture, 0);
    return world;
}

static int setup(void **state)
{
    *state = world_new(false, 4 * BURST);
    return 0;
}

static int setup_tls(void **state)
{
    *state = world_new(true, 4 * BURST);
    return 0;
}

static int setup_few_tls(void **state)
{
    *state = world_new(true, BURST);
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < 2 * BURST; i++) {
        SSL_free(world->clients[i].ssl);
        if (world->clients[i].fd > 0) {
            (void)close(world->clients[i].fd);
        }
    }
    fixture_fini(&world->fixture);
    SSL_CTX_free(world->ctx);
    if (world->dir != NULL) {
        peer_certificates_remove(world->dir);
    }
    free(world->cert);
    free(world->key);
    free(world->ca);
    free(world);
    ERR_clear_error();
    return 0;
}

static struct api_server *server_of(struct world *world)
{
    return world->fixture.members[0].server;
}

static size_t handshakes(struct world *world)
{
    const struct api_conn *conn;
    size_t n = 0;

    TAILQ_FOREACH (conn, &server_of(world)->conns, link) {
        n += conn->handshake != NULL;
    }
    return n;
}

static void turn(struct world *world)
{
    (void)uv_run(&world->fixture.loop, UV_RUN_NOWAIT);
}

/* Connects n clients, from several addresses; returns the most that were taken in one turn. */
static size_t connect_all(struct world *world, size_t n)
{
    struct api_server *server = server_of(world);
    size_t most = 0;

    for (size_t i = 0; i < n; i++) {
        world->clients[i].fd = client_connect_from(api_server_port(server), i + 1 < n ? 2 : 3);
    }
    for (int turns = 0; server->n_conns < n; turns++) {
        size_t before = server->n_conns;

        assert_true(turns < TURNS_MAX);
        turn(world);
        most = server->n_conns - before > most ? server->n_conns - before : most;
    }
    return most;
}

/* ---- connections ---- */

static void test_connections(void **state)
{
    assert_in_range(connect_all(*state, 2 * BURST), 1, ACCEPTS);
}

static void test_ends_with_a_connection_waiting(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < 2 * BURST; i++) {
        world->clients[i].fd = client_connect(api_server_port(server_of(world)));
    }
    while (server_of(world)->n_comers == 0) {
        turn(world);
    }
    fixture_close(&world->fixture, 0);
}

/* ---- ends ---- */

/* Those that are pushed out while they shake hands end faster than others come: they do not pile up. */
static void test_pushed_out(void **state)
{
    struct world *world = *state;
    struct api_server *server = server_of(world);
    size_t n = 0;

    for (int turns = 0; server->stats.pushed_out < 10 * BURST; turns++) {
        assert_true(turns < TURNS_MAX);
        for (size_t i = 0; i < ACCEPTS; i++, n = (n + 1) % (2 * BURST)) {
            struct client *client = &world->clients[n];

            if (client->fd > 0) {
                (void)close(client->fd);
            }
            client->fd = client_connect(api_server_port(server));
            if (n % 3 != 0) { /* some of them wait for a step */
                assert_int_equal(send(client->fd, "\x16", 1, MSG_NOSIGNAL), 1);
            }
        }
        turn(world);
        assert_in_range(server->n_cut, 0, 3 * ACCEPTS);
    }
}

/* Whatever holds up the ends: beyond some of them nobody else is taken until they have ended. */
static void test_many_are_ending(void **state)
{
    struct world *world = *state;
    struct api_server *server = server_of(world);

    (void)connect_all(world, BURST);
    server->n_cut += BURST;
    world->clients[BURST].fd = client_connect(api_server_port(server));
    for (int turns = 0; turns < 100; turns++) {
        turn(world);
        assert_int_equal(server->n_conns, BURST);
    }
    assert_int_equal(server->n_comers, 1);
    server->n_cut -= BURST;
    for (int turns = 0; server->n_conns == BURST; turns++) {
        assert_true(turns < 10);
        (void)uv_run(&world->fixture.loop, UV_RUN_ONCE);
    }
}

/* ---- requests ---- */

static bool receive(struct client *client)
{
    char data[65536];
    ssize_t n = recv(client->fd, data, sizeof(data), MSG_DONTWAIT);

    if (n <= 0) {
        assert_true(n < 0 && errno == EAGAIN);
        return false;
    }
    client->n_read += (size_t)n;
    if (client->in != NULL) {
        assert_int_equal(BIO_write(client->in, data, (int)n), n);
    }
    return true;
}

/* Until all have got something: the most in one turn. */
static size_t serve_all(struct world *world, size_t n)
{
    size_t most = 0;

    for (size_t i = 0; i < n; i++) {
        world->clients[i].n_read = 0;
    }
    for (size_t served = 0, turns = 0; served < n; turns++) {
        size_t now = 0;

        assert_true(turns < TURNS_MAX);
        turn(world);
        for (size_t i = 0; i < n; i++) {
            struct client *client = &world->clients[i];

            now += client->n_read == 0 && receive(client);
        }
        served += now;
        most = now > most ? now : most;
    }
    return most;
}

static void test_requests(void **state)
{
    struct world *world = *state;

    (void)connect_all(world, 2 * BURST);
    for (size_t i = 0; i < 2 * BURST; i++) {
        assert_int_equal(send(world->clients[i].fd, HELLO, strlen(HELLO), MSG_NOSIGNAL), strlen(HELLO));
    }
    assert_in_range(serve_all(world, 2 * BURST), 1, REQUESTS);
}

/* Somebody sends his request and goes before it has had its turn. */
static void test_gone_before_its_turn(void **state)
{
    struct world *world = *state;

    (void)connect_all(world, 2 * BURST);
    for (size_t i = 0; i < 2 * BURST; i++) {
        assert_int_equal(send(world->clients[i].fd, HELLO, strlen(HELLO), MSG_NOSIGNAL), strlen(HELLO));
    }
    while (TAILQ_EMPTY(&server_of(world)->arrived)) {
        turn(world);
    }
    for (size_t i = 0; i < 2 * BURST; i++) {
        struct linger reset = {.l_onoff = 1};

        assert_int_equal(setsockopt(world->clients[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        assert_int_equal(close(world->clients[i].fd), 0);
        world->clients[i].fd = 0;
    }
    fixture_close_begin(&world->fixture, 0);
    fixture_close_end(&world->fixture, 0);
}

/* ---- handshakes ---- */

static void client_flush(struct client *client)
{
    char data[65536];
    int n = BIO_read(client->out, data, sizeof(data));

    if (n > 0) {
        assert_int_equal(send(client->fd, data, (size_t)n, MSG_NOSIGNAL), n);
    }
}

static void begin_tls(struct world *world, const char *groups)
{
    for (size_t i = 0; i < BURST; i++) {
        struct client *client = &world->clients[i];

        client->ssl = SSL_new(world->ctx);
        client->in = BIO_new(BIO_s_mem());
        client->out = BIO_new(BIO_s_mem());
        SSL_set_bio(client->ssl, client->in, client->out);
        SSL_set_connect_state(client->ssl);
        assert_int_equal(SSL_set1_groups_list(client->ssl, groups), 1);
    }
}

/* All take their next step at once. */
static void step_all(struct world *world)
{
    for (size_t i = 0; i < BURST; i++) {
        (void)SSL_do_handshake(world->clients[i].ssl);
        client_flush(&world->clients[i]);
    }
}

static void expect_hello_on_all(struct world *world)
{
    step_all(world);
    for (size_t i = 0; i < BURST; i++) {
        struct client *client = &world->clients[i];

        assert_int_equal(SSL_is_init_finished(client->ssl), 1);
        assert_int_equal(SSL_write(client->ssl, HELLO, (int)strlen(HELLO)), strlen(HELLO));
        client_flush(client);
    }
    for (size_t i = 0; i < BURST; i++) {
        struct client *client = &world->clients[i];
        char text[1024] = "";
        size_t len = 0;

        for (int turns = 0; strstr(text, "Hello from Heketi") == NULL; turns++) {
            int n;

            assert_true(turns < TURNS_MAX);
            turn(world);
            (void)receive(client);
            n = SSL_read(client->ssl, text + len, (int)(sizeof(text) - len - 1));
            len += n > 0 ? (size_t)n : 0;
        }
    }
    assert_int_equal(handshakes(world), 0);
}

static void test_handshakes(void **state)
{
    struct world *world = *state;

    (void)connect_all(world, BURST);
    begin_tls(world, "X25519");
    step_all(world);
    assert_in_range(serve_all(world, BURST), 1, STEPS);
    expect_hello_on_all(world);
}

/* Asked to begin again with another group, all clients send what costs most a second time. */
static void test_second_hello(void **state)
{
    struct world *world = *state;

    (void)connect_all(world, BURST);
    begin_tls(world, "P-384:P-256");
    step_all(world);
    assert_in_range(serve_all(world, BURST), 1, STEPS);
    step_all(world);
    assert_in_range(serve_all(world, BURST), 1, STEPS);
    expect_hello_on_all(world);
}

/* The last one comes from an address of its own: it is answered before most of those that came earlier. */
static void test_sources_take_turns(void **state)
{
    struct world *world = *state;
    size_t before = 0;

    (void)connect_all(world, BURST);
    begin_tls(world, "X25519");
    step_all(world);
    for (int turns = 0; !receive(&world->clients[BURST - 1]); turns++) {
        assert_true(turns < TURNS_MAX);
        turn(world);
    }
    for (size_t i = 0; i < BURST - 1; i++) {
        before += receive(&world->clients[i]);
    }
    assert_in_range(before, 0, 2 * STEPS);
    while (handshakes(world) > 1) {
        turn(world);
        for (size_t i = 0; i < BURST; i++) {
            (void)receive(&world->clients[i]);
        }
        step_all(world);
    }
}

static size_t n_steps_waiting(struct world *world)
{
    const struct api_conn *conn;
    size_t n = 0;

    TAILQ_FOREACH (conn, &server_of(world)->conns, link) {
        n += conn->waits && conn->line == API_LINE_STEPS;
    }
    return n;
}

/* Others begin theirs when few are left, or all of them would be pushed out half way. */
static void test_others_begin_later(void **state)
{
    struct world *world = *state;
    struct api_server *server = server_of(world);
    size_t most = 0;

    (void)connect_all(world, BURST);
    begin_tls(world, "X25519");
    step_all(world);
    while (n_steps_waiting(world) == 0) {
        turn(world);
    }
    world->clients[BURST].fd = client_connect_from(api_server_port(server), 4);
    for (int turns = 0; server->n_conns == BURST; turns++) {
        assert_true(turns < TURNS_MAX);
        most = n_steps_waiting(world) > most ? n_steps_waiting(world) : most;
        turn(world);
    }
    assert_true(most > 2 * STEPS);
    assert_in_range(n_steps_waiting(world), 0, 2 * STEPS);
}

/* Whoever is known may have as many handshakes under way as he likes: strangers do not wait for their end. */
static void test_others_begin_beside_known_ones(void **state)
{
    struct world *world = *state;
    struct api_server *server = server_of(world);
    struct api_source *source;

    (void)connect_all(world, BURST);
    TAILQ_FOREACH (source, &server->sources, link) {
        api_listener_source_changes(server, source, true);
    }
    begin_tls(world, "X25519");
    step_all(world);
    while (n_steps_waiting(world) == 0) {
        turn(world);
    }
    world->clients[BURST].fd = client_connect_from(api_server_port(server), 4);
    for (int turns = 0; server->n_conns == BURST; turns++) {
        assert_true(turns < TURNS_MAX);
        turn(world);
    }
    assert_true(n_steps_waiting(world) > 2 * STEPS);
    TAILQ_FOREACH (source, &server->sources, link) {
        api_listener_source_changes(server, source, false);
    }
}

static uint64_t cpu_us(void)
{
    struct timespec used;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), 0);
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

/* A million bytes take a client no effort, in records of one byte each, and us four seconds: some in each turn. */
static void test_small_records(void **state)
{
    struct world *world = *state;
    struct client *client = &world->clients[0];
    size_t n_records = 0;
    uint64_t longest_us = 0;

    (void)connect_all(world, 1);
    begin_tls(world, "X25519");
    while (SSL_do_handshake(client->ssl) != 1) {
        client_flush(client);
        turn(world);
        (void)receive(client);
    }
    client_flush(client);
    while (handshakes(world) > 0) {
        turn(world);
    }
    for (bool full = false; !full; n_records++) { /* as much as the kernel takes */
        char data[256];
        int len;

        assert_int_equal(SSL_write(client->ssl, n_records == 0 ? "G" : "E", 1), 1);
        len = BIO_read(client->out, data, sizeof(data));
        full = send(client->fd, data, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) != len;
    }
    assert_true(n_records > 10000);
    for (int turns = 0; !TAILQ_FIRST(&server_of(world)->conns)->refused; turns++) { /* too long a line */
        uint64_t begin_us = cpu_us();

        assert_true(turns < TURNS_MAX);
        turn(world);
        longest_us = cpu_us() - begin_us > longest_us ? cpu_us() - begin_us : longest_us;
    }
    print_message("%zu records, longest turn %lu us\n", n_records, (unsigned long)longest_us);
    assert_true(longest_us < 20000);
}

static void test_gone_in_a_handshake(void **state)
{
    struct world *world = *state;

    (void)connect_all(world, BURST);
    begin_tls(world, "X25519");
    step_all(world);
    while (api_line_is_empty(server_of(world), API_LINE_STEPS)) {
        turn(world);
    }
    for (size_t i = 0; i < BURST; i++) {
        assert_int_equal(close(world->clients[i].fd), 0);
        world->clients[i].fd = 0;
    }
    for (int turns = 0; server_of(world)->n_conns > 0; turns++) {
        assert_true(turns < TURNS_MAX);
        fixture_run_once(&world->fixture);
    }
    assert_int_equal(handshakes(world), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pushed_out, setup_few_tls, teardown),
        cmocka_unit_test_setup_teardown(test_many_are_ending, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_with_a_connection_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_before_its_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handshakes, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_second_hello, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_sources_take_turns, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_others_begin_later, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_others_begin_beside_known_ones, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_small_records, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_gone_in_a_handshake, setup_tls, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

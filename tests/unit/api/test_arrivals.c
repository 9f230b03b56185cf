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
#include <unistd.h>

#include <cmocka.h>

#include "api/server_priv.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/peer.h"

#define BURST 80
#define ACCEPTS 17 /* one of them was left from the turn before */
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

static struct world *world_new(bool tls)
{
    struct world *world = mem_calloc(1, sizeof(*world));
    struct api_config *config = &world->fixture.members[0].config;

    fixture_init(&world->fixture, false);
    config->connections_max = 4 * BURST;
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
    *state = world_new(false);
    return 0;
}

static int setup_tls(void **state)
{
    *state = world_new(true);
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

static void turn(struct world *world)
{
    (void)uv_run(&world->fixture.loop, UV_RUN_NOWAIT);
}

/* Connects n clients; returns the most that were taken in one turn. */
static size_t connect_all(struct world *world, size_t n)
{
    struct api_server *server = server_of(world);
    size_t most = 0;

    for (size_t i = 0; i < n; i++) {
        world->clients[i].fd = client_connect(api_server_port(server));
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
    while (!server_of(world)->accept_waits) {
        turn(world);
    }
    fixture_close(&world->fixture, 0);
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
    assert_int_equal(server_of(world)->n_handshakes, 0);
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

static void test_gone_in_a_handshake(void **state)
{
    struct world *world = *state;

    (void)connect_all(world, BURST);
    begin_tls(world, "X25519");
    step_all(world);
    while (TAILQ_EMPTY(&server_of(world)->steps)) {
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
    assert_int_equal(server_of(world)->n_handshakes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_with_a_connection_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_before_its_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handshakes, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_second_hello, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_gone_in_a_handshake, setup_tls, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* HTTPS: connections that do not suffer from each other. */
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/peer.h"

struct https { /* a client: the bytes are moved by the test */
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    int fd;
};

struct world {
    struct fixture fixture;
    char *dir, *cert, *key, *ca;
};

static int setup(void **state)
{
    struct world *world = mem_calloc(1, sizeof(*world));
    struct api_config *config;

    world->dir = peer_certificates();
    world->cert = mem_printf("%s/api.crt", world->dir);
    world->key = mem_printf("%s/api.key", world->dir);
    world->ca = mem_printf("%s/ca.crt", world->dir);
    fixture_init(&world->fixture, false);
    config = &world->fixture.members[0].config;
    config->tls = true;
    config->cert_file = world->cert;
    config->key_file = world->key;
    config->forward_ca_file = world->ca;
    fixture_start(&world->fixture, 0);
    fixture_lead(&world->fixture, 0);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    fixture_fini(&world->fixture);
    peer_certificates_remove(world->dir);
    free(world->cert);
    free(world->key);
    free(world->ca);
    free(world);
    return 0;
}

static void send_some(struct fixture *fixture, struct https *client, size_t size)
{
    char data[65536];
    int n = BIO_read(client->out, data, (int)(size < sizeof(data) ? size : sizeof(data)));

    if (n > 0) {
        assert_int_equal(send(client->fd, data, (size_t)n, MSG_NOSIGNAL), n);
    }
    for (int i = 0; i < 3; i++) {
        fixture_run_once(fixture);
    }
}

/* What has come; false: the server has closed. */
static bool receive(struct https *client)
{
    char data[65536];
    ssize_t n = recv(client->fd, data, sizeof(data), MSG_DONTWAIT);

    if (n > 0) {
        assert_int_equal(BIO_write(client->in, data, (int)n), n);
    }
    return n != 0 && !(n < 0 && errno != EAGAIN);
}

static struct https https_new(struct world *world)
{
    struct https client = {.ctx = SSL_CTX_new(TLS_client_method())};

    assert_int_equal(SSL_CTX_load_verify_file(client.ctx, world->ca), 1);
    SSL_CTX_set_verify(client.ctx, SSL_VERIFY_PEER, NULL);
    client.ssl = SSL_new(client.ctx);
    client.in = BIO_new(BIO_s_mem());
    client.out = BIO_new(BIO_s_mem());
    SSL_set_bio(client.ssl, client.in, client.out);
    SSL_set_connect_state(client.ssl);
    client.fd = client_connect(api_server_port(world->fixture.members[0].server));
    return client;
}

/* between: called when the connection was accepted and nothing was sent; may be NULL. */
static struct https https_connect_and(struct world *world, void (*between)(struct world *world))
{
    struct fixture *fixture = &world->fixture;
    struct https client = https_new(world);
    uint64_t deadline = uv_hrtime() + UINT64_C(10000000000);

    if (between != NULL) {
        for (int i = 0; i < 5; i++) {
            fixture_run_once(fixture);
        }
        between(world);
    }
    while (SSL_do_handshake(client.ssl) != 1) {
        send_some(fixture, &client, SIZE_MAX);
        assert_true(receive(&client));
        assert_true(uv_hrtime() < deadline);
    }
    send_some(fixture, &client, SIZE_MAX);
    return client;
}

static struct https https_connect(struct world *world)
{
    return https_connect_and(world, NULL);
}

static void https_close(struct https *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->ctx);
    close(client->fd);
    ERR_clear_error();
}

/* Reads an answer with a JSON object to its end. */
static void expect_status(struct world *world, struct https *client, const char *start)
{
    uint64_t deadline = uv_hrtime() + UINT64_C(10000000000);
    char text[65536] = "";
    size_t len = 0;

    while (strstr(text, "}\n") == NULL) {
        int n = SSL_read(client->ssl, text + len, (int)(sizeof(text) - len - 1));

        if (n > 0) {
            len += (size_t)n;
            text[len] = '\0';
        } else {
            bool open = receive(client);

            ERR_clear_error();
            fixture_run_once(&world->fixture);
            assert_true(open);
        }
        assert_true(uv_hrtime() < deadline);
    }
    assert_memory_equal(text, start, strlen(start));
}

/* A request that comes in parts, and the failures of others in between: OpenSSL keeps errors in a queue per thread. It
 * is h2o that clears it before it asks; a release that does not would be seen here. */
static void errors_of_others(void **state)
{
    static const char request[] = "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    struct world *world = *state;
    struct https client = https_connect(world);

    for (int i = 0; i < 5; i++) {
        assert_int_equal(SSL_write(client.ssl, request, sizeof(request) - 1), sizeof(request) - 1);
        while (BIO_ctrl_pending(client.out) > 0) {
            ERR_raise(ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
            send_some(&world->fixture, &client, 10);
        }
        expect_status(world, &client, "HTTP/1.1 201 ");
    }
    https_close(&client);
}

/* The same with real strangers: plain HTTP at the HTTPS port, in the middle of another's request. */
static void plain_http(void **state)
{
    static const char request[] = "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    static const char plain[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    struct world *world = *state;
    struct fixture *fixture = &world->fixture;
    struct https client = https_connect(world);

    assert_int_equal(SSL_write(client.ssl, request, sizeof(request) - 1), sizeof(request) - 1);
    while (BIO_ctrl_pending(client.out) > 0) {
        int fd = client_connect(api_server_port(fixture->members[0].server));

        client_send(fixture, fd, plain, sizeof(plain) - 1);
        for (int i = 0; i < 5; i++) {
            fixture_run_once(fixture);
        }
        send_some(fixture, &client, 10);
        close(fd);
    }
    expect_status(world, &client, "HTTP/1.1 201 ");
    https_close(&client);
}

static void copy_file(const char *from, const char *to)
{
    CLEANUP(free_ptr) char *line = mem_printf("cp %s %s", from, to);
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        execlp("sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The certificate that a new client is shown. */
static X509 *shown(struct world *world)
{
    struct https client = https_connect(world);
    X509 *certificate = SSL_get1_peer_certificate(client.ssl);

    https_close(&client);
    return certificate;
}

static void read_again(struct world *world)
{
    struct err err = ERR_INIT;

    assert_int_equal(api_server_reload_tls(world->fixture.members[0].server, &err), 0);
}

/* A client that has connected, and says nothing until the certificate was read again. */
static void reload_before_the_first_byte(void **state)
{
    struct https client = https_connect_and(*state, read_again);

    https_close(&client);
}

/* A new certificate is shown to new clients, those that are here stay; a wrong one is not taken. */
static void reload(void **state)
{
    static const char request[] = "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    struct world *world = *state;
    struct api_server *server = world->fixture.members[0].server;
    char *other = peer_certificates();
    CLEANUP(free_ptr) char *other_cert = mem_printf("%s/api.crt", other);
    CLEANUP(free_ptr) char *other_key = mem_printf("%s/api.key", other);
    CLEANUP(free_ptr) char *other_ca = mem_printf("%s/ca.crt", other);
    struct https client = https_connect(world);
    X509 *first = shown(world), *second;
    struct err err = ERR_INIT;

    assert_true(api_server_tls_expires_s(server) > (int64_t)time(NULL));
    copy_file(other_cert, world->cert); /* with the key of the former one */
    assert_int_equal(api_server_reload_tls(server, &err), E_INVALID);
    assert_non_null(strstr(err.message, world->key));
    second = shown(world);
    assert_int_equal(X509_cmp(first, second), 0);
    X509_free(second);
    copy_file(other_key, world->key);
    copy_file(other_ca, world->ca);
    assert_int_equal(api_server_reload_tls(server, &err), 0);
    second = shown(world);
    assert_int_not_equal(X509_cmp(first, second), 0);
    X509_free(second);
    X509_free(first);
    assert_int_equal(SSL_write(client.ssl, request, sizeof(request) - 1), sizeof(request) - 1);
    send_some(&world->fixture, &client, SIZE_MAX);
    expect_status(world, &client, "HTTP/1.1 201 ");
    https_close(&client);
    peer_certificates_remove(other);
}

/* A client that goes away by a reset after the handshake leaves its place to others. */
static void resets(void **state)
{
    const struct linger linger = {.l_onoff = 1};
    struct world *world = *state;
    size_t max = world->fixture.members[0].config.connections_max;

    for (size_t i = 0; i < max + 5; i++) {
        struct https client = https_connect(world);

        assert_int_equal(setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
        https_close(&client);
        fixture_run_once(&world->fixture);
    }
}

static void change_keys(struct https *client, int n)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(SSL_key_update(client->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(client->ssl), 1);
    }
}

/* Keys that are changed again and again: each time is short to ask for, and long to do. */
static void changes_of_keys(void **state)
{
    static const char request[] = "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    struct world *world = *state;
    struct https few = https_connect(world), many = https_connect(world);
    bool open = true;

    change_keys(&few, 10);
    assert_int_equal(SSL_write(few.ssl, request, sizeof(request) - 1), sizeof(request) - 1);
    send_some(&world->fixture, &few, SIZE_MAX);
    expect_status(world, &few, "HTTP/1.1 201 ");
    change_keys(&many, 40);
    assert_int_equal(SSL_write(many.ssl, request, sizeof(request) - 1), sizeof(request) - 1);
    for (int i = 0; open && i < 100; i++) {
        char data[1024];

        send_some(&world->fixture, &many, SIZE_MAX);
        open = receive(&many);
        assert_true(SSL_read(many.ssl, data, sizeof(data)) <= 0);
    }
    assert_false(open);
    https_close(&few);
    https_close(&many);
}

/* Before it is known who there is, nobody makes us compute what takes long. */
static void costly_groups(void **state)
{
    static const char *const groups[] = {"ffdhe8192", "ffdhe2048", "P-521", "P-384"};
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
        struct https client = https_new(world);
        bool open = true;

        assert_int_equal(SSL_set1_groups_list(client.ssl, groups[i]), 1);
        assert_int_equal(SSL_set_min_proto_version(client.ssl, TLS1_3_VERSION), 1);
        for (int j = 0; open && j < 100; j++) {
            assert_int_not_equal(SSL_do_handshake(client.ssl), 1);
            send_some(&world->fixture, &client, SIZE_MAX);
            open = receive(&client);
        }
        assert_false(open);
        https_close(&client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(errors_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(plain_http, setup, teardown),
        cmocka_unit_test_setup_teardown(resets, setup, teardown),
        cmocka_unit_test_setup_teardown(costly_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_of_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(reload, setup, teardown),
        cmocka_unit_test_setup_teardown(reload_before_the_first_byte, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

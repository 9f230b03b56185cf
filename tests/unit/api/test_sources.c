/* From where connections come: who is known there comes before those of whom nothing is known, and is no victim of his
 * neighbours. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/server_priv.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/token.h"

#define CONNECTIONS 16 /* 14 of them for others than members */
#define PLACES 14
#define KNOWN_MAX 256
#define KNOWN_OF_NETWORK_MAX 4
#define TURNS 20
#define FOR_EVER_MS UINT64_C(1000000000)

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, true);
    fixture->members[0].config.connections_max = CONNECTIONS;
    fixture_start(fixture, 0);
    fixture_lead(fixture, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

static struct api_server *server_of(struct fixture *f)
{
    return f->members[0].server;
}

/* Its answer's status; the connection ends. */
static int ask_from(struct fixture *f, uint8_t host)
{
    CLEANUP(free_ptr) char *bearer = token_bearer("admin", ADMIN_KEY, "GET", "/clusters", (int64_t)time(NULL));
    CLEANUP(free_ptr)
    char *text =
        mem_printf("GET /clusters HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nConnection: close\r\n\r\n", bearer);
    int fd = client_connect_from(api_server_port(server_of(f)), host);
    struct answer answer;
    int status;

    client_send(f, fd, text, strlen(text));
    answer = client_read(f, fd, false);
    status = answer.status;
    answer_fini(&answer);
    (void)close(fd);
    return status;
}

static size_t n_left(const struct api_server *server)
{
    return server->n_conns - server->n_cut;
}

/* All places are taken by those who have just come, each from an address of his own. */
static void test_known_ones_come_first(void **state)
{
    struct fixture *f = *state;
    struct api_server *server = server_of(f);
    int fds[PLACES], late[CONNECTIONS];

    assert_int_equal(ask_from(f, 2), 200); /* it is known from then on */
    while (server->n_conns > 0) {
        fixture_run_once(f);
    }
    server->grace_ms = FOR_EVER_MS;
    for (size_t i = 0; i < PLACES; i++) {
        fds[i] = client_connect_from(api_server_port(server), (uint8_t)(10 + i));
    }
    while (server->n_conns < PLACES) {
        fixture_run_once(f);
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        late[i] = client_connect_from(api_server_port(server), (uint8_t)(100 + i));
    }
    for (int turns = 0; turns < TURNS; turns++) {
        fixture_run_once(f);
    }
    assert_int_equal(server->n_comers, CONNECTIONS); /* nobody is pushed out for them yet */
    assert_int_equal(n_left(server), PLACES);
    assert_int_equal(ask_from(f, 2), 200); /* there was no room for it either in the line or among the places */
    server->grace_ms = 0;
    while (server->n_comers > 0) {
        fixture_run_once(f);
    }
    for (size_t i = 0; i < PLACES; i++) {
        (void)close(fds[i]);
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        (void)close(late[i]);
    }
}

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};

    assert_int_equal(uv_ip6_addr(text, 1, (struct sockaddr_in6 *)&from), 0);
    return from;
}

/* As if a request with a valid token had come from there. */
static void has_token(struct api_server *server, const char *text)
{
    const struct sockaddr_storage from = address(text);
    struct api_conn conn = {
        .server = server, .source = api_source_of(server, &from), .address = api_source_address(&from)};

    api_source_has_token(&conn);
    api_source_unused(server, conn.source);
}

static struct api_source *source_of(struct api_server *server, const char *text)
{
    const struct sockaddr_storage from = address(text);

    return api_source_of(server, &from);
}

static void test_a_network_is_one_source_but_for_who_is_known(void **state)
{
    struct api_server *server = server_of(*state);
    struct api_source *network = source_of(server, "2001:db8::1"), *known, *other;

    assert_ptr_equal(source_of(server, "2001:db8::2"), network);
    other = source_of(server, "2001:db8:0:1::2");
    assert_ptr_not_equal(other, network);
    api_source_unused(server, other);
    has_token(server, "2001:db8::2"); /* nobody is left in the network */
    known = source_of(server, "2001:db8::2");
    network = source_of(server, "2001:db8::1");
    assert_ptr_not_equal(network, known);
    assert_true(api_source_comes_first(known));
    assert_false(api_source_comes_first(network));
    assert_ptr_equal(source_of(server, "2001:db8::3"), network);
    api_source_unused(server, network);
}

/* Who has a key and all addresses of a network has few turns of his own there, and the network has one more. */
static void test_few_are_known_in_a_network(void **state)
{
    struct api_server *server = server_of(*state);
    struct api_source *network;
    size_t n_own = 0;

    has_token(server, "2001:db8:1::1"); /* elsewhere */
    for (int i = 1; i <= 3 * KNOWN_OF_NETWORK_MAX; i++) {
        CLEANUP(free_ptr) char *text = mem_printf("2001:db8::%x", i);

        has_token(server, text);
        assert_true(api_source_comes_first(source_of(server, text)));
    }
    network = source_of(server, "2001:db8::ffff");
    for (int i = 1; i <= 3 * KNOWN_OF_NETWORK_MAX; i++) {
        CLEANUP(free_ptr) char *text = mem_printf("2001:db8::%x", i);

        n_own += source_of(server, text) != network;
    }
    assert_int_equal(n_own, KNOWN_OF_NETWORK_MAX);
    assert_int_equal(server->n_known, KNOWN_OF_NETWORK_MAX + 2); /* the network, and the one elsewhere */
    assert_ptr_not_equal(source_of(server, "2001:db8:1::1"), network);
    has_token(server, "2001:db8::1"); /* known already: it stays so */
    assert_int_equal(server->n_known, KNOWN_OF_NETWORK_MAX + 2);
}

/* Whoever has a key cannot make us remember without end: the one that was seen longest ago is forgotten. */
static void test_few_are_remembered(void **state)
{
    struct api_server *server = server_of(*state);

    for (int i = 0; i < 2 * KNOWN_MAX; i++) {
        CLEANUP(free_ptr) char *text = mem_printf("2001:db8:2:%x::1", i + 1);

        has_token(server, text);
        has_token(server, "2001:db8:1::1"); /* again and again */
    }
    assert_int_equal(server->n_known, KNOWN_MAX);
    assert_true(api_source_comes_first(source_of(server, "2001:db8:1::1")));
    assert_true(api_source_comes_first(source_of(server, "2001:db8:2:200::1")));
    assert_false(api_source_comes_first(source_of(server, "2001:db8:2:1::1")));
    api_source_unused(server, source_of(server, "2001:db8:2:1::1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_known_ones_come_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_network_is_one_source_but_for_who_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_few_are_known_in_a_network, setup, teardown),
        cmocka_unit_test_setup_teardown(test_few_are_remembered, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Connections that come faster than they can be served: the kernel's queue does not stay full, who has an address of
 * his own does not wait for the others, and running out of descriptors stops nothing but new connections. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/server_priv.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"

#define FLOOD 400 /* less than the kernel's queue holds by default, more than wait here */
#define CONNECTIONS_MAX 256
#define BEGUN_MAX 16 /* in a turn */
#define TURNS_MAX 10000
#define HELLO "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

struct world {
    struct fixture fixture;
    int fds[FLOOD];
};

static int setup(void **state)
{
    struct world *world = mem_calloc(1, sizeof(*world));

    fixture_init(&world->fixture, false);
    world->fixture.members[0].config.connections_max = CONNECTIONS_MAX;
    fixture_start(&world->fixture, 0);
    fixture_lead(&world->fixture, 0);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < FLOOD; i++) {
        if (world->fds[i] > 0) {
            (void)close(world->fds[i]);
        }
    }
    fixture_fini(&world->fixture);
    free(world);
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

static void connect_n(struct world *world, size_t n, uint8_t host)
{
    for (size_t i = 0; i < n; i++) {
        world->fds[i] = client_connect_from(api_server_port(server_of(world)), host);
    }
}

static uint32_t in_the_kernels_queue(struct world *world)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    assert_int_equal(getsockopt(server_of(world)->listen_fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_unacked; /* of a socket that listens */
}

static void test_the_kernels_queue_is_emptied(void **state)
{
    struct world *world = *state;
    struct api_server *server = server_of(world);

    connect_n(world, FLOOD, 2);
    assert_int_equal(in_the_kernels_queue(world), FLOOD);
    for (int turns = 0; in_the_kernels_queue(world) > 0; turns++) {
        size_t before = server->n_conns;

        assert_true(turns < TURNS_MAX);
        turn(world);
        assert_in_range(server->n_conns - before, 0, BEGUN_MAX);
        assert_in_range(server->n_comers, 0, CONNECTIONS_MAX);
    }
    assert_in_range(server->n_conns, 0, FLOOD / 2); /* the others did not have to be begun for that */
}

static const struct api_source *source_at(const struct api_server *server, uint8_t host)
{
    const struct api_source *source;

    TAILQ_FOREACH (source, &server->sources, link) {
        if (source->address.s6_addr[15] == host) {
            break;
        }
    }
    return source;
}

static bool has_come(const struct api_server *server, uint8_t host)
{
    const struct api_source *source = source_at(server, host);

    return source != NULL && source->n_comers > 0;
}

static bool has_conn(const struct api_server *server, uint8_t host)
{
    const struct api_source *source = source_at(server, host);

    return source != NULL && source->n_conns > 0;
}

/* It has come last. */
static void test_who_comes_alone_does_not_wait(void **state)
{
    struct world *world = *state;
    struct api_server *server = server_of(world);
    size_t n_waits = 0;
    struct answer answer;
    int fd;

    connect_n(world, FLOOD, 2);
    fd = client_connect_from(api_server_port(server), 3);
    for (int turns = 0; !has_conn(server, 3); turns++) {
        assert_true(turns < TURNS_MAX);
        turn(world);
        n_waits += has_come(server, 3);
    }
    assert_in_range(n_waits, 0, 1); /* turns since it was taken from the kernel: others have theirs in the first */
    assert_true(server->stats.pushed_out > 0); /* of the others */
    client_send(&world->fixture, fd, HELLO, strlen(HELLO));
    answer = client_read(&world->fixture, fd, false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    (void)close(fd);
}

static size_t n_waiting_from(const struct api_server *server, uint8_t host)
{
    size_t n = 0;

    for (size_t i = 0; i < 2; i++) {
        const struct api_source *source;

        TAILQ_FOREACH (source, &server->came_from[i], came_link) {
            n += source->address.s6_addr[15] == host ? source->n_comers : 0;
        }
    }
    return n;
}

/* Neither among those that wait: who is known has most of them, and the stranger one. */
static void test_a_stranger_waits_beside_a_known_flood(void **state)
{
    struct world *world = *state;
    struct api_server *server = server_of(world);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002U)};
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    int fd = client_connect_from(api_server_port(server), 3);

    memcpy(&from, &address, sizeof(address));
    api_listener_source_changes(server, api_source_of(server, &from), true);
    server->n_cut += 64; /* so nothing is begun for them */
    connect_n(world, FLOOD, 2);
    for (int turns = 0; in_the_kernels_queue(world) > 0; turns++) {
        assert_true(turns < TURNS_MAX);
        turn(world);
    }
    assert_int_equal(server->n_comers, CONNECTIONS_MAX);
    assert_int_equal(n_waiting_from(server, 3), 1);
    server->n_cut -= 64;
    api_listener_source_changes(server, api_source_of(server, &from), false);
    (void)close(fd);
}

/* Nothing turns without end, and it goes on when there are descriptors again. */
static void test_no_descriptors(void **state)
{
    struct world *world = *state;
    struct api_server *server = server_of(world);
    struct rlimit limit, few;
    struct buf rest = BUF_INIT;
    int highest;

    connect_n(world, 2, 2);
    assert_int_equal(send(world->fds[0], HELLO, strlen(HELLO), MSG_NOSIGNAL), strlen(HELLO));
    highest = dup(world->fds[0]);
    assert_true(highest > 0 && close(highest) == 0); /* the lowest one that is free */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = (struct rlimit){.rlim_cur = (rlim_t)highest, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int turns = 0; !uv_is_active((uv_handle_t *)&server->listen_pause); turns++) {
        assert_true(turns < TURNS_MAX);
        turn(world);
    }
    assert_int_equal(server->n_conns, 0);
    assert_false(uv_is_active((uv_handle_t *)&server->listener));
    assert_int_equal(in_the_kernels_queue(world), 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    client_read_end(&world->fixture, world->fds[0], &rest);
    assert_non_null(strstr(buf_str(&rest), "Hello from Heketi"));
    buf_fini(&rest);
}

/* A low limit is kept by both together: connections, and those that wait to begin. */
static void test_few_descriptors(void **state)
{
    struct world *world = *state;
    struct api_server *server;
    struct rlimit limit, few;
    size_t files = 256;
    int highest;

    assert_int_equal(api_connections_max(65536), 512);
    assert_int_equal(api_connections_max(0), 16);
    fixture_close(&world->fixture, 0);
    world->fixture.members[0].config.connections_max = api_connections_max(files);
    fixture_start(&world->fixture, 0);
    server = server_of(world);
    server->grace_ms = 0;
    connect_n(world, FLOOD, 2);
    highest = dup(world->fds[0]);
    assert_true(highest > 0 && close(highest) == 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = (struct rlimit){.rlim_cur = (rlim_t)highest + files / 2, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int turns = 0; in_the_kernels_queue(world) > 0 || server->n_comers > 0; turns++) {
        assert_true(turns < TURNS_MAX);
        turn(world);
        assert_false(uv_is_active((uv_handle_t *)&server->listen_pause));
    }
    assert_true(server->n_conns > 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Those that are in the kernel's queue when it ends have been told that they are connected. */
static void test_who_has_come_before_the_end_is_answered(void **state)
{
    struct world *world = *state;

    connect_n(world, 100, 2);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(send(world->fds[i], HELLO, strlen(HELLO), MSG_NOSIGNAL), strlen(HELLO));
    }
    fixture_close_begin(&world->fixture, 0);
    for (size_t i = 0; i < 100; i++) {
        struct buf rest = BUF_INIT;

        client_read_end(&world->fixture, world->fds[i], &rest);
        assert_non_null(strstr(buf_str(&rest), "Hello from Heketi"));
        buf_fini(&rest);
    }
    fixture_close_end(&world->fixture, 0);
}

/* And the end comes, whatever they do. */
static void test_ends_with_comers(void **state)
{
    struct world *world = *state;
    struct api_server *server = server_of(world);

    connect_n(world, FLOOD, 2);
    while (server->n_comers == 0) {
        turn(world);
    }
    server->n_cut += 64; /* so nothing is begun for them */
    fixture_close_begin(&world->fixture, 0);
    server->close_by_ms = 0; /* patience is over */
    fixture_close_end(&world->fixture, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_kernels_queue_is_emptied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_comes_alone_does_not_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stranger_waits_beside_a_known_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_few_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_has_come_before_the_end_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_with_comers, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

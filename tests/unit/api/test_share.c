/* Random comers from random sources want more places than there are: who gives one up, and who never does. The sockets
 * are none: only what the choice looks at is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/places.h"
#include "api/server_priv.h"
#include "store/base/mem.h"

#define ROUNDS 300
#define STEPS 400
#define SOURCES_MAX 40
#define PART 4 /* of the places strangers may keep */

struct client { /* a connection without a socket */
    struct api_conn conn;
    h2o_socket_t sock;
    h2o_buffer_t input;
    struct api_request request;
};

struct world {
    struct api_server server;
    struct api_source *sources[SOURCES_MAX];
    size_t n_sources, max;
    size_t n[SOURCES_MAX]; /* places, none of them a member's own */
    uint64_t now_ms;
};

static uint64_t seed;

static size_t below(size_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(seed >> 33) % n;
}

static bool one_of(size_t n)
{
    return below(n) == 0;
}

static struct client *client_of(struct api_conn *conn)
{
    return H2O_STRUCT_FROM_MEMBER(struct client, conn, conn);
}

static size_t index_of(const struct world *world, const struct api_source *source)
{
    size_t i = 0;

    while (world->sources[i] != source) {
        i++;
    }
    return i;
}

static void world_init(struct world *world)
{
    *world = (struct world){.max = 1 + below(60), .n_sources = 1 + below(SOURCES_MAX)};
    world->server.deaf_ms = API_DEAF_MS;
    TAILQ_INIT(&world->server.conns);
    TAILQ_INIT(&world->server.left);
    api_sources_init(&world->server);
    for (size_t i = 0; i < world->n_sources; i++) {
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001U + (uint32_t)i)};
        struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};

        memcpy(&storage, &from, sizeof(from));
        world->sources[i] = api_source_of(&world->server, &storage);
        world->sources[i]->n_conns++; /* it stays */
        world->sources[i]->known = one_of(2);
        world->sources[i]->member = one_of(10);
    }
}

static void leave(struct world *world, struct api_conn *conn)
{
    world->n[index_of(world, conn->source)] -= !conn->member;
    if (conn->left) {
        TAILQ_REMOVE(&world->server.left, conn, link);
    } else {
        TAILQ_REMOVE(&world->server.conns, conn, link);
    }
    api_source_leave(conn);
    free(client_of(conn));
}

static void world_fini(struct world *world)
{
    struct api_conn *conn;

    while ((conn = TAILQ_FIRST(&world->server.conns)) != NULL || (conn = TAILQ_FIRST(&world->server.left)) != NULL) {
        leave(world, conn);
    }
    for (size_t i = 0; i < world->n_sources; i++) {
        free(world->sources[i]);
    }
}

/* Whatever a client may be at. */
static void behave(struct world *world, struct client *client)
{
    static const enum api_request_state states[] = {API_ARRIVED, API_WAITING, API_SUBMITTED, API_FORWARDED,
                                                    API_WORKING, API_SENDING, API_STREAMING};
    struct api_conn *conn = &client->conn;

    conn->trusted = one_of(2);
    conn->body_allowed = one_of(8);
    conn->waits = one_of(4);
    client->input.size = one_of(2) ? below(100) : 0;
    client->request.state = states[below(sizeof(states) / sizeof(*states))];
    conn->request = one_of(3) ? NULL : &client->request;
    conn->pace.known = one_of(3);
    conn->pace.bytes_s = below(200000);
    world->now_ms++;
}

static void enter(struct world *world, size_t from, bool member)
{
    struct client *client = mem_calloc(1, sizeof(*client));
    struct api_conn *conn = &client->conn;

    client->sock.input = &client->input;
    client->request.conn = conn;
    conn->server = &world->server;
    conn->sock = &client->sock;
    conn->member = member;
    conn->begun_ms = world->now_ms;
    api_source_enter(conn, world->sources[from]);
    behave(world, client);
    conn->waits = false; /* nor does it stand in a line that it would leave */
    TAILQ_INSERT_TAIL(&world->server.conns, conn, link);
    world->n[from] += !member;
}

static bool is_known(const struct world *world, size_t i)
{
    return api_source_comes_first(world->sources[i]);
}

/* Of the places, and of the sources that have or want one: those of strangers, or all. */
static size_t n_places(const struct world *world, bool all)
{
    size_t n = 0;

    for (size_t i = 0; i < world->n_sources; i++) {
        n += all || !is_known(world, i) ? world->n[i] : 0;
    }
    return n;
}

static size_t n_present(const struct world *world, size_t from, bool all)
{
    size_t n = 0;

    for (size_t i = 0; i < world->n_sources; i++) {
        n += (all || !is_known(world, i)) && (world->n[i] > 0 || i == from);
    }
    return n;
}

/* May one of that source go for the wish whatever it does? As places.h says it, in other words. */
static bool is_due(const struct world *world, size_t from, size_t other)
{
    size_t strangers = n_places(world, false), keep = (world->max + PART - 1) / PART;

    if (is_known(world, from) && !is_known(world, other) && strangers > keep) {
        return world->n[other] > 0;
    }
    if (!is_known(world, from) && is_known(world, other) && strangers >= keep) {
        return false;
    }
    return world->n[other] >= world->n[from] + 2;
}

static bool is_at_work(const struct api_conn *conn)
{
    const struct api_request *request = conn->request;

    return request != NULL && !api_slow_is(request) && (request->state != API_SENDING || conn->trusted);
}

static void expect_fair(const struct world *world, size_t from, const struct api_conn *victim)
{
    size_t other = index_of(world, victim->source), strangers = n_present(world, from, false);
    const struct api_conn *conn;

    assert_false(victim->member); /* their places stay */
    if (other == from) {
        assert_false(is_at_work(victim));
        return;
    }
    if (!is_due(world, from, other)) { /* there are more sources than places */
        assert_int_equal(world->n[from], 0);
        assert_int_equal(world->n[other], 1);
        assert_false(is_at_work(victim));
    }
    /* None below its share loses one. */
    if (is_known(world, other)) {
        assert_true(world->n[other] * n_present(world, from, true) >= world->max);
    } else {
        assert_true(world->n[other] * PART * strangers >= world->max ||
                    world->n[other] * n_present(world, from, true) >= world->max);
    }
    TAILQ_FOREACH (conn, &world->server.conns, link) { /* nor one at work while it has another one */
        assert_false(is_at_work(victim) && conn->source == victim->source && !conn->member && !is_at_work(conn));
    }
    TAILQ_FOREACH (conn, &world->server.left, link) { /* and what is closed is the first to go */
        assert_true(victim->left || conn->source != victim->source);
    }
}

/* One more comes; false: it is refused. */
static bool come(struct world *world, size_t from)
{
    if (n_places(world, true) >= world->max) {
        struct api_conn *victim = api_places_victim(&world->server, world->sources[from], world->max);

        if (victim == NULL) {
            return false;
        }
        expect_fair(world, from, victim);
        leave(world, victim);
    }
    enter(world, from, false);
    return true;
}

static void change_one(struct world *world)
{
    struct api_conn *conn = TAILQ_FIRST(&world->server.conns);

    for (size_t i = below(world->max); conn != NULL && TAILQ_NEXT(conn, link) != NULL && i > 0; i--) {
        conn = TAILQ_NEXT(conn, link);
    }
    if (conn == NULL) {
        return;
    }
    if (one_of(4)) {
        leave(world, conn);
    } else if (!conn->member && one_of(4)) { /* the kernel still has something of its answer */
        TAILQ_REMOVE(&world->server.conns, conn, link);
        TAILQ_INSERT_TAIL(&world->server.left, conn, link);
        conn->left = true;
        conn->request = NULL;
        conn->sock = NULL;
    } else {
        behave(world, client_of(conn));
        conn->waits = false;
    }
}

static void step(struct world *world)
{
    size_t from = below(one_of(2) ? world->n_sources : (world->n_sources + 3) / 4); /* some want many */

    if (one_of(4)) {
        change_one(world);
    } else if (one_of(20)) {
        world->sources[from]->known = one_of(2);
    } else if (one_of(20)) {
        enter(world, from, true); /* a member, in a place of its own */
    } else {
        bool full = n_places(world, true) >= world->max, due = false;

        for (size_t i = 0; i < world->n_sources; i++) {
            due = due || is_due(world, from, i);
        }
        assert_true(come(world, from) || (full && !due)); /* it is its turn now, not later */
    }
}

static void random_comers(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct world world;

        world_init(&world);
        for (size_t i = 0; i < STEPS; i++) {
            step(&world);
        }
        world_fini(&world);
    }
}

static void expect_even(const struct world *world, bool known)
{
    size_t least = SIZE_MAX, most = 0;

    for (size_t i = 0; i < world->n_sources; i++) {
        if (is_known(world, i) == known) {
            least = world->n[i] < least ? world->n[i] : least;
            most = world->n[i] > most ? world->n[i] : most;
        }
    }
    assert_true(least == SIZE_MAX || most - least <= 1);
}

/* Whatever was before, and whatever they do: when all want as many as they can get, all have as many. */
static void all_want_all(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct world world;
        bool any_known = false;

        world_init(&world);
        for (size_t i = 0; i < world.max; i++) {
            (void)come(&world, below((world.n_sources + 7) / 8));
        }
        for (size_t i = 0; i < world.max * world.n_sources; i++) {
            (void)come(&world, i % world.n_sources);
        }
        expect_even(&world, false);
        expect_even(&world, true);
        for (size_t i = 0; i < world.n_sources; i++) {
            any_known = any_known || is_known(&world, i);
        }
        assert_int_equal(n_places(&world, true), world.max);
        assert_true(!any_known || n_places(&world, false) <= (world.max + PART - 1) / PART);
        world_fini(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_comers),
        cmocka_unit_test(all_want_all),
    };
    const char *given = getenv("HECATE_SEED");

    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("HECATE_SEED=%lu\n", (unsigned long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "api/places.h"
#include "api/server_priv.h"

#define STRANGERS_PART 4

struct wish { /* one more place */
    struct api_server *server;
    const struct api_source *source;
    size_t n_strangers; /* places that strangers have */
    size_t due;         /* and may keep */
};

/* ---- what a connection does ---- */

static bool has_place(const struct api_conn *conn)
{
    return !conn->cut && !conn->member;
}

/* The next request has a valid token, or nothing of it is there and the last one had. */
static bool is_known(const struct api_conn *conn)
{
    return conn->body_allowed || (conn->trusted && conn->sock->input->size == 0);
}

/* One without a token that nothing is worked for. */
static bool is_strange(const struct api_conn *conn)
{
    return conn->request == NULL ? !is_known(conn) : conn->request->state == API_SENDING && !conn->trusted;
}

/* Its next step is the client's. */
static bool is_waited_for(const struct api_conn *conn)
{
    return is_strange(conn) && !conn->waits;
}

static bool is_between(const struct api_conn *conn)
{
    return conn->request == NULL;
}

static bool is_slow(const struct api_conn *conn)
{
    return conn->request != NULL && api_slow_is(conn->request);
}

/* ---- of which source ---- */

static struct wish wish_of(struct api_server *server, const struct api_source *source, size_t max)
{
    struct wish wish = {.server = server, .source = source, .due = (max + STRANGERS_PART - 1) / STRANGERS_PART};
    struct api_source *other;
    const struct api_conn *conn;

    TAILQ_FOREACH (other, &server->sources, link) {
        other->n_places = 0;
    }
    TAILQ_FOREACH (conn, &server->conns, link) {
        if (has_place(conn)) {
            conn->source->n_places++;
            wish.n_strangers += !api_source_comes_first(conn->source);
        }
    }
    TAILQ_FOREACH (conn, &server->left, link) {
        conn->source->n_places++;
        wish.n_strangers += !api_source_comes_first(conn->source);
    }
    return wish;
}

/* Strangers have more than they may keep, and the wish is not one of theirs. */
static bool is_for_strangers(const struct wish *wish)
{
    return api_source_comes_first(wish->source) && wish->n_strangers > wish->due;
}

/* May the wish be at the cost of that source? */
static bool may_cost(const struct wish *wish, const struct api_source *source)
{
    if (!api_source_comes_first(source)) {
        return true;
    }
    return api_source_comes_first(wish->source) ? !is_for_strangers(wish) : wish->n_strangers < wish->due;
}

static const struct api_source *source_of_most(const struct wish *wish)
{
    const struct api_source *source, *most = NULL;

    TAILQ_FOREACH (source, &wish->server->sources, link) {
        if (source->n_places > (most != NULL ? most->n_places : 0) && may_cost(wish, source)) {
            most = source;
        }
    }
    return most;
}

/* ---- which one of it ---- */

static bool is_of(const struct wish *wish, const struct api_conn *conn, const struct api_source *source)
{
    return has_place(conn) && (source != NULL ? conn->source == source : may_cost(wish, conn->source));
}

/* source NULL: of any that the wish may cost one. NULL: none without work, and none slow. */
static struct api_conn *idle_of(const struct wish *wish, const struct api_source *source)
{
    static bool (*const ranks[])(const struct api_conn *conn) = {is_waited_for, is_strange, is_between, is_slow};
    struct api_conn *conn, *found = NULL;

    TAILQ_FOREACH (conn, &wish->server->left, link) {
        if (is_of(wish, conn, source)) {
            return conn;
        }
    }
    for (size_t i = 0; found == NULL && i < sizeof(ranks) / sizeof(*ranks); i++) {
        TAILQ_FOREACH (conn, &wish->server->conns, link) {
            if (!is_of(wish, conn, source) || !ranks[i](conn)) {
                continue;
            }
            if (ranks[i] != is_slow) {
                return conn; /* the list is in the order of patience */
            }
            found = found == NULL ? conn : api_slow_of(found->request, conn->request)->conn;
        }
    }
    return found;
}

static struct api_conn *youngest_of(const struct wish *wish, const struct api_source *source)
{
    struct api_conn *conn, *youngest = NULL;

    TAILQ_FOREACH (conn, &wish->server->conns, link) {
        if (is_of(wish, conn, source) && (youngest == NULL || conn->begun_ms >= youngest->begun_ms)) {
            youngest = conn;
        }
    }
    return youngest;
}

struct api_conn *api_places_victim(struct api_server *server, const struct api_source *source, size_t max)
{
    const struct wish wish = wish_of(server, source, max);
    const struct api_source *most = source_of_most(&wish);
    struct api_conn *victim;

    if (most != NULL && (is_for_strangers(&wish) || most->n_places > source->n_places + 1)) {
        victim = idle_of(&wish, most);
        return victim != NULL ? victim : youngest_of(&wish, most);
    }
    return idle_of(&wish, source->n_places > 0 ? source : NULL);
}

bool api_places_spared(const struct api_conn *victim, const struct api_source *source)
{
    const struct api_server *server = victim->server;

    return !victim->left && !api_source_comes_first(source) && is_strange(victim) &&
           uv_now(server->loop) - victim->begun_ms < server->grace_ms;
}

/* Where connections come from, their shares, and their lines.
 *
 * Of long answers and streams of events, which are few, one address can have most, but not all, as long as it is not
 * this host's own: clients behind a proxy share one. Connections are shared out otherwise (places.h).
 *
 * Where somebody has shown a valid token is remembered, and who comes from there comes before those of whom nothing is
 * known: from many addresses nobody has more than his share of those who have none.
 *
 * What anybody can send has to wait for its turn. In a line the sources take turns, whatever each of them has waiting:
 * who floods us from one address, or a few, delays himself. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "api/server_priv.h"
#include "store/base/mem.h"

#define KNOWN_MAX 256          /* sources */
#define KNOWN_OF_NETWORK_MAX 4 /* of one network of IPv6, before it is known as one */

void api_sources_init(struct api_server *server)
{
    TAILQ_INIT(&server->sources);
    TAILQ_INIT(&server->known);
    for (size_t i = 0; i < API_LINES; i++) {
        TAILQ_INIT(&server->lines[i]);
    }
}

/* ---- addresses ---- */

struct in6_addr api_source_address(const struct sockaddr_storage *from)
{
    struct in6_addr address;

    memset(&address, 0, sizeof(address));
    if (from->ss_family == AF_INET) {
        address.s6_addr[10] = address.s6_addr[11] = 0xff;
        memcpy(address.s6_addr + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        address = ((const struct sockaddr_in6 *)from)->sin6_addr;
    }
    return address;
}

static bool is_local(const struct in6_addr *address)
{
    return IN6_IS_ADDR_V4MAPPED(address) ? address->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(address);
}

static bool is_member(const struct api_server *server, const struct sockaddr_storage *from)
{
    const struct api_backend *backend = &server->backend;

    return backend->is_member != NULL && backend->is_member(backend->user, (const struct sockaddr *)from);
}

/* ---- sources ---- */

static struct api_source *find(struct api_server *server, const struct in6_addr *address, bool whole)
{
    struct api_source *source;

    TAILQ_FOREACH (source, &server->sources, link) {
        if (source->whole == whole && IN6_ARE_ADDR_EQUAL(&source->address, address)) {
            break;
        }
    }
    return source;
}

static struct api_source *add(struct api_server *server, const struct in6_addr *address, bool whole)
{
    struct api_source *source = mem_calloc(1, sizeof(*source));

    source->address = *address;
    source->whole = whole;
    source->local = is_local(address);
    TAILQ_INIT(&source->comers);
    for (size_t i = 0; i < API_LINES; i++) {
        TAILQ_INIT(&source->waiting[i]);
    }
    TAILQ_INSERT_TAIL(&server->sources, source, link);
    return source;
}

/* Of IPv6, and not this host's own: whose host may have any other address of its network as well. */
static bool is_of_network(const struct in6_addr *address)
{
    return !IN6_IS_ADDR_V4MAPPED(address) && !is_local(address);
}

static struct in6_addr network_of(const struct in6_addr *address)
{
    struct in6_addr network = *address;

    memset(network.s6_addr + 8, 0, 8);
    return network;
}

/* A host has all addresses of its network of IPv6, and so that is one source. But who is known there, or a member, is
 * one by himself: others in his network cannot take his turns. */
struct api_source *api_source_of(struct api_server *server, const struct sockaddr_storage *from)
{
    struct in6_addr address = api_source_address(from);
    struct api_source *source = find(server, &address, true);
    bool member = is_member(server, from);
    bool whole = member || !is_of_network(&address);

    if (source != NULL) {
        source->member = source->n_comers > 0 ? source->member : member; /* not while it stands in a line */
        return source;
    }
    if (!whole) {
        address = network_of(&address);
        source = find(server, &address, false);
    }
    if (source == NULL) {
        source = add(server, &address, whole);
        source->member = member;
    }
    return source;
}

bool api_source_comes_first(const struct api_source *source)
{
    return source->known || source->member;
}

void api_source_unused(struct api_server *server, struct api_source *source)
{
    if (source->n_conns == 0 && source->n_comers == 0 && !source->known) {
        TAILQ_REMOVE(&server->sources, source, link);
        free(source);
    }
}

static void forget(struct api_server *server, struct api_source *source)
{
    TAILQ_REMOVE(&server->known, source, known_link);
    server->n_known--;
    api_listener_source_changes(server, source, false);
    api_source_unused(server, source);
}

static bool has_enough_known(struct api_server *server, const struct in6_addr *address)
{
    const struct in6_addr network = network_of(address);
    const struct api_source *source;
    size_t n = 0;

    TAILQ_FOREACH (source, &server->known, known_link) {
        struct in6_addr other = network_of(&source->address);

        n += source->whole && !source->member && IN6_ARE_ADDR_EQUAL(&other, &network);
    }
    return n >= KNOWN_OF_NETWORK_MAX;
}

/* Who has a key may show it from all addresses of his network: a few are sources by themselves, and the network is
 * known for all others. */
static struct api_source *known_as(struct api_server *server, const struct api_conn *conn)
{
    struct api_source *source = conn->source->whole ? conn->source : find(server, &conn->address, true);
    struct in6_addr address = conn->address;
    bool whole = true;

    if (source != NULL && (source->known || source->member || !is_of_network(&address))) {
        return source;
    }
    if (has_enough_known(server, &address)) {
        address = network_of(&address);
        whole = false;
        source = find(server, &address, false);
    }
    return source != NULL ? source : add(server, &address, whole);
}

void api_source_has_token(struct api_conn *conn)
{
    struct api_server *server = conn->server;
    struct api_source *source = known_as(server, conn);

    if (source->known) {
        TAILQ_REMOVE(&server->known, source, known_link);
    } else {
        server->n_known++;
        api_listener_source_changes(server, source, true);
    }
    TAILQ_INSERT_TAIL(&server->known, source, known_link);
    if (server->n_known > KNOWN_MAX) {
        forget(server, TAILQ_FIRST(&server->known));
    }
}

void api_sources_fini(struct api_server *server)
{
    struct api_source *source;

    while ((source = TAILQ_FIRST(&server->known)) != NULL) {
        forget(server, source);
    }
}

/* ---- shares ---- */

/* Three quarters; of a few places all but one. */
static size_t share_of(size_t max)
{
    size_t others = max / 4 > 0 ? max / 4 : 1;

    return max > others ? max - others : max;
}

enum api_room api_source_room(const struct api_source *source, size_t n_source, size_t n, size_t max)
{
    if (!source->local && n_source >= share_of(max)) {
        return API_ROOM_OF_ITS_OWN;
    }
    return n >= max ? API_ROOM_OF_ANY : API_ROOM_FREE;
}

void api_source_enter(struct api_conn *conn, struct api_source *source)
{
    source->n_conns++;
    source->n_members += conn->member;
    conn->server->n_members += conn->member;
    conn->source = source;
}

void api_source_no_member(struct api_conn *conn)
{
    conn->source->n_members -= conn->member;
    conn->server->n_members -= conn->member;
    conn->member = false;
}

void api_source_leave(struct api_conn *conn)
{
    struct api_server *server = conn->server;
    struct api_source *source = conn->source;

    api_line_leave(conn);
    api_source_no_member(conn);
    conn->source = NULL;
    source->n_conns--;
    api_source_unused(server, source);
}

void api_line_stand(struct api_conn *conn, enum api_line line)
{
    struct api_source *source = conn->source;

    if (conn->waits) {
        return;
    }
    if (TAILQ_EMPTY(&source->waiting[line])) {
        TAILQ_INSERT_TAIL(&conn->server->lines[line], source, line_link[line]);
    }
    TAILQ_INSERT_TAIL(&source->waiting[line], conn, line_link);
    conn->waits = true;
    conn->line = line;
}

void api_line_leave(struct api_conn *conn)
{
    struct api_source *source = conn->source;
    enum api_line line = conn->line;

    if (!conn->waits) {
        return;
    }
    conn->waits = false;
    TAILQ_REMOVE(&source->waiting[line], conn, line_link);
    if (TAILQ_EMPTY(&source->waiting[line])) {
        TAILQ_REMOVE(&conn->server->lines[line], source, line_link[line]);
    }
}

struct api_conn *api_line_next(struct api_server *server, enum api_line line)
{
    struct api_source *source = TAILQ_FIRST(&server->lines[line]);
    struct api_conn *conn;

    if (source == NULL) {
        return NULL;
    }
    conn = TAILQ_FIRST(&source->waiting[line]);
    api_line_leave(conn);
    if (!TAILQ_EMPTY(&source->waiting[line])) { /* the others of it come after all other sources */
        TAILQ_REMOVE(&server->lines[line], source, line_link[line]);
        TAILQ_INSERT_TAIL(&server->lines[line], source, line_link[line]);
    }
    return conn;
}

bool api_line_is_empty(const struct api_server *server, enum api_line line)
{
    return TAILQ_EMPTY(&server->lines[line]);
}

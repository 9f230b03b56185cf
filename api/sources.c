/* Where connections come from, their shares, and their lines.
 *
 * Of all places that are few (connections, long answers, streams of events) one address can have most, but not all, as
 * long as it is not this host's own: clients behind a proxy share one.
 *
 * What anybody can send has to wait for its turn. In a line the sources take turns, whatever each of them has waiting:
 * who floods us from one address, or a few, delays himself. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "api/server_priv.h"
#include "store/base/mem.h"

void api_sources_init(struct api_server *server)
{
    TAILQ_INIT(&server->sources);
    for (size_t i = 0; i < API_LINES; i++) {
        TAILQ_INIT(&server->lines[i]);
    }
}

/* IPv4 as it is mapped into IPv6; of IPv6 the network, since a host has all addresses of one. */
static void address_of(const struct sockaddr_storage *from, struct in6_addr *ret_address, bool *ret_local)
{
    memset(ret_address, 0, sizeof(*ret_address));
    *ret_local = false;
    if (from->ss_family == AF_INET) {
        const struct in_addr *v4 = &((const struct sockaddr_in *)from)->sin_addr;

        ret_address->s6_addr[10] = ret_address->s6_addr[11] = 0xff;
        memcpy(ret_address->s6_addr + 12, v4, sizeof(*v4));
        *ret_local = (ntohl(v4->s_addr) >> 24) == 127;
    } else if (from->ss_family == AF_INET6) {
        *ret_address = ((const struct sockaddr_in6 *)from)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(ret_address)) {
            *ret_local = ret_address->s6_addr[12] == 127;
        } else if (IN6_IS_ADDR_LOOPBACK(ret_address)) {
            *ret_local = true;
        } else {
            memset(ret_address->s6_addr + 8, 0, 8);
        }
    }
}

struct api_source *api_source_of(struct api_server *server, const struct sockaddr_storage *from)
{
    struct api_source *source;
    struct in6_addr address;
    bool local;

    address_of(from, &address, &local);
    TAILQ_FOREACH (source, &server->sources, link) {
        if (IN6_ARE_ADDR_EQUAL(&source->address, &address)) {
            return source;
        }
    }
    source = mem_calloc(1, sizeof(*source));
    source->address = address;
    source->local = local;
    TAILQ_INIT(&source->comers);
    for (size_t i = 0; i < API_LINES; i++) {
        TAILQ_INIT(&source->waiting[i]);
    }
    TAILQ_INSERT_TAIL(&server->sources, source, link);
    return source;
}

void api_source_unused(struct api_server *server, struct api_source *source)
{
    if (source->n_conns == 0 && source->n_comers == 0) {
        TAILQ_REMOVE(&server->sources, source, link);
        free(source);
    }
}

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

/* The route table: method and decoded, clean path to a route. Pure. */
#ifndef HECATE_API_ROUTER_H
#define HECATE_API_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/turn.h"

enum api_route {
    API_ROUTE_NONE = 0,
    /* without token */
    API_ROUTE_HELLO,
    API_ROUTE_LIVEZ,
    API_ROUTE_READYZ,
    API_ROUTE_STATUS,
    API_ROUTE_LEADER,
    API_ROUTE_METRICS,
    /* with token */
    API_ROUTE_QUEUE,
    API_ROUTE_EVENTS,
    API_ROUTE_CLUSTER_CREATE,
    API_ROUTE_CLUSTER_LIST,
    API_ROUTE_CLUSTER_INFO,
    API_ROUTE_CLUSTER_FLAGS,
    API_ROUTE_CLUSTER_DELETE,
    API_ROUTE_NODE_ADD,
    API_ROUTE_NODE_INFO,
    API_ROUTE_NODE_DELETE,
    API_ROUTE_NODE_STATE,
    API_ROUTE_NODE_TAGS,
    API_ROUTE_NODE_REPLACE,
    API_ROUTE_DEVICE_ADD,
    API_ROUTE_DEVICE_INFO,
    API_ROUTE_DEVICE_DELETE,
    API_ROUTE_DEVICE_RESYNC,
    API_ROUTE_DEVICE_STATE,
    API_ROUTE_DEVICE_TAGS,
    API_ROUTE_DEVICE_REPLACE,
    API_ROUTE_VOLUME_CREATE,
    API_ROUTE_VOLUME_LIST,
    API_ROUTE_VOLUME_INFO,
    API_ROUTE_VOLUME_DELETE,
    API_ROUTE_BLOCK_CREATE,
    API_ROUTE_BLOCK_LIST,
    API_ROUTE_BLOCK_INFO,
    API_ROUTE_BLOCK_EXPAND,
    API_ROUTE_BLOCK_DELETE,
    API_ROUTE_VOLUME_EXPAND,
    API_ROUTE_VOLUME_CLONE,
    API_ROUTE_VOLUME_RESTRICT,
    API_ROUTE_BRICK_EVICT,
    API_ROUTE_OPERATIONS,
    API_ROUTE_PENDING_LIST,
    API_ROUTE_PENDING_INFO,
    API_ROUTE_PENDING_CLEANUP,
    API_ROUTE_DB_DUMP,
    API_ROUTE_DB_CHECK,
    API_ROUTE_DB_IMPORT,
    API_ROUTE_BACKUP,
    API_ROUTE_EXAMINE,
    API_ROUTE_ADMIN_GET,
    API_ROUTE_ADMIN_SET,
    API_ROUTE_LOGGING_GET,
    API_ROUTE_LOGGING_SET,
    API_ROUTE_TRANSFER,
    API_ROUTE_MEMBERS,
    API_ROUTE_MEMBER_ADD,
    API_ROUTE_MEMBER_REMOVE,
    API_ROUTE_MEMBER_PROMOTE,
    API_ROUTE_MEMBER_RENEW,
    API_ROUTE_UPGRADE,
    API_ROUTE_UPGRADE_HOLD,
    API_ROUTE_UPGRADE_FINALIZE,
    API_ROUTE_COUNT,
};

enum api_match_kind {
    API_MATCH_ROUTE,     /* route, id */
    API_MATCH_SLASH,     /* the path without its trailing slash is a route: 301 */
    API_MATCH_NO_METHOD, /* 405 */
    API_MATCH_NOT_FOUND, /* 404 */
};

struct api_match {
    enum api_match_kind kind;
    enum api_route route;
    const char *id; /* the hex digits in the path, not necessarily an id; points into path; NULL when there is none */
    size_t id_len;
};

/* Routes that everybody may read, only with GET and only by this exact path; NONE for everything else. */
enum api_route api_route_open(const char *method, size_t method_len, const char *path, size_t path_len);

/* What the watch on the loop counts the route's work for: "GET /volumes/{}". */
struct turn_kind *api_route_kind(enum api_route route);

/* Answers that take long: whoever forwards such a request waits longer. */
bool api_route_slow(const char *path, size_t path_len);

/* The rest. */
struct api_match api_route_match(const char *method, size_t method_len, const char *path, size_t path_len);

#endif

#include "api/router.h"

#include <stdio.h>
#include <string.h>

struct entry {
    enum api_route route;
    const char *method;
    const char *pattern; /* {} stands for one or more hex digits */
};

static const struct entry open_table[] = {
    {API_ROUTE_HELLO, "GET", "/hello"},           {API_ROUTE_LIVEZ, "GET", "/livez"},
    {API_ROUTE_READYZ, "GET", "/readyz"},         {API_ROUTE_STATUS, "GET", "/cluster/status"},
    {API_ROUTE_LEADER, "GET", "/cluster/leader"}, {API_ROUTE_METRICS, "GET", "/metrics"},
};

static const struct entry table[] = {
    {API_ROUTE_QUEUE, "GET", "/queue/{}"},
    {API_ROUTE_EVENTS, "GET", "/events"},
    {API_ROUTE_CLUSTER_CREATE, "POST", "/clusters"},
    {API_ROUTE_CLUSTER_LIST, "GET", "/clusters"},
    {API_ROUTE_CLUSTER_INFO, "GET", "/clusters/{}"},
    {API_ROUTE_CLUSTER_FLAGS, "POST", "/clusters/{}/flags"},
    {API_ROUTE_CLUSTER_DELETE, "DELETE", "/clusters/{}"},
    {API_ROUTE_NODE_ADD, "POST", "/nodes"},
    {API_ROUTE_NODE_INFO, "GET", "/nodes/{}"},
    {API_ROUTE_NODE_DELETE, "DELETE", "/nodes/{}"},
    {API_ROUTE_NODE_STATE, "POST", "/nodes/{}/state"},
    {API_ROUTE_NODE_TAGS, "POST", "/nodes/{}/tags"},
    {API_ROUTE_NODE_REPLACE, "POST", "/nodes/{}/replace"},
    {API_ROUTE_DEVICE_ADD, "POST", "/devices"},
    {API_ROUTE_DEVICE_INFO, "GET", "/devices/{}"},
    {API_ROUTE_DEVICE_DELETE, "DELETE", "/devices/{}"},
    {API_ROUTE_DEVICE_STATE, "POST", "/devices/{}/state"},
    {API_ROUTE_DEVICE_RESYNC, "GET", "/devices/{}/resync"},
    {API_ROUTE_DEVICE_TAGS, "POST", "/devices/{}/tags"},
    {API_ROUTE_DEVICE_REPLACE, "POST", "/devices/{}/replace"},
    {API_ROUTE_VOLUME_CREATE, "POST", "/volumes"},
    {API_ROUTE_VOLUME_LIST, "GET", "/volumes"},
    {API_ROUTE_VOLUME_INFO, "GET", "/volumes/{}"},
    {API_ROUTE_VOLUME_DELETE, "DELETE", "/volumes/{}"},
    {API_ROUTE_BLOCK_CREATE, "POST", "/blockvolumes"},
    {API_ROUTE_BLOCK_LIST, "GET", "/blockvolumes"},
    {API_ROUTE_BLOCK_INFO, "GET", "/blockvolumes/{}"},
    {API_ROUTE_BLOCK_EXPAND, "POST", "/blockvolumes/{}/expand"},
    {API_ROUTE_BLOCK_DELETE, "DELETE", "/blockvolumes/{}"},
    {API_ROUTE_VOLUME_EXPAND, "POST", "/volumes/{}/expand"},
    {API_ROUTE_VOLUME_CLONE, "POST", "/volumes/{}/clone"},
    {API_ROUTE_VOLUME_RESTRICT, "POST", "/volumes/{}/block-restriction"},
    {API_ROUTE_BRICK_EVICT, "POST", "/bricks/to-evict/{}"},
    {API_ROUTE_OPERATIONS, "GET", "/operations"},
    {API_ROUTE_PENDING_LIST, "GET", "/operations/pending"},
    {API_ROUTE_PENDING_INFO, "GET", "/operations/pending/{}"},
    {API_ROUTE_PENDING_CLEANUP, "POST", "/operations/pending/cleanup"},
    {API_ROUTE_DB_DUMP, "GET", "/db/dump"},
    {API_ROUTE_DB_CHECK, "GET", "/db/check"},
    {API_ROUTE_DB_IMPORT, "POST", "/db/import"},
    {API_ROUTE_BACKUP, "GET", "/backup/db"},
    {API_ROUTE_EXAMINE, "GET", "/internal/state/examine/gluster"},
    {API_ROUTE_ADMIN_GET, "GET", "/admin"},
    {API_ROUTE_ADMIN_SET, "POST", "/admin"},
    {API_ROUTE_LOGGING_GET, "GET", "/internal/logging"},
    {API_ROUTE_LOGGING_SET, "POST", "/internal/logging"},
    {API_ROUTE_TRANSFER, "POST", "/cluster/transfer"},
    {API_ROUTE_MEMBERS, "GET", "/cluster/members"},
    {API_ROUTE_MEMBER_ADD, "POST", "/cluster/members"},
    {API_ROUTE_MEMBER_REMOVE, "DELETE", "/cluster/members/{}"},
    {API_ROUTE_MEMBER_PROMOTE, "POST", "/cluster/members/{}/promote"},
    {API_ROUTE_MEMBER_RENEW, "POST", "/cluster/members/{}/renew"},
    {API_ROUTE_UPGRADE, "GET", "/cluster/upgrade"},
    {API_ROUTE_UPGRADE_HOLD, "POST", "/cluster/upgrade/hold"},
    {API_ROUTE_UPGRADE_FINALIZE, "POST", "/cluster/upgrade/finalize"},
};

#define TABLE_SIZE (sizeof(table) / sizeof(*table))

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool text_is(const char *text, size_t len, const char *other)
{
    return strlen(other) == len && memcmp(text, other, len) == 0;
}

/* Does the whole path match? The id's place goes to *ret_id. */
static bool pattern_match(const char *pattern, const char *path, size_t len, const char **ret_id, size_t *ret_id_len)
{
    size_t at = 0;

    *ret_id = NULL;
    *ret_id_len = 0;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '{') {
            size_t start = at;

            while (at < len && is_hex(path[at])) {
                at++;
            }
            if (at == start) {
                return false;
            }
            *ret_id = path + start;
            *ret_id_len = at - start;
            pattern++; /* the closing brace */
        } else {
            if (at >= len || path[at] != *pattern) {
                return false;
            }
            at++;
        }
    }
    return at == len;
}

enum api_route api_route_open(const char *method, size_t method_len, const char *path, size_t path_len)
{
    for (size_t i = 0; i < sizeof(open_table) / sizeof(*open_table); i++) {
        if (text_is(method, method_len, open_table[i].method) && text_is(path, path_len, open_table[i].pattern)) {
            return open_table[i].route;
        }
    }
    return API_ROUTE_NONE;
}

static const struct entry *entry_of(enum api_route route)
{
    for (size_t i = 0; i < sizeof(open_table) / sizeof(*open_table); i++) {
        if (open_table[i].route == route) {
            return &open_table[i];
        }
    }
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (table[i].route == route) {
            return &table[i];
        }
    }
    return NULL;
}

struct turn_kind *api_route_kind(enum api_route route)
{
    static struct turn_kind *kinds[API_ROUTE_COUNT];
    static char names[API_ROUTE_COUNT][64];

    if (kinds[route] == NULL) {
        const struct entry *entry = entry_of(route);

        (void)snprintf(names[route], sizeof(names[route]), "%s%s%s", entry != NULL ? entry->method : "no route",
                       entry != NULL ? " " : "", entry != NULL ? entry->pattern : "");
        kinds[route] = turn_kind(names[route]);
    }
    return kinds[route];
}

bool api_route_slow(const char *path, size_t path_len)
{
    static const char *const slow[] = {"/db/", "/backup/", "/internal/state/"};

    for (size_t i = 0; i < sizeof(slow) / sizeof(*slow); i++) {
        if (path_len >= strlen(slow[i]) && memcmp(path, slow[i], strlen(slow[i])) == 0) {
            return true;
        }
    }
    return false;
}

struct api_match api_route_match(const char *method, size_t method_len, const char *path, size_t path_len)
{
    bool slash = path_len > 1 && path[path_len - 1] == '/';
    struct api_match match = {.kind = API_MATCH_NOT_FOUND};

    for (size_t i = 0; i < TABLE_SIZE; i++) {
        const char *id;
        size_t id_len;

        if (!pattern_match(table[i].pattern, path, slash ? path_len - 1 : path_len, &id, &id_len)) {
            continue;
        }
        if (!text_is(method, method_len, table[i].method)) {
            match.kind = API_MATCH_NO_METHOD;
            continue;
        }
        return (struct api_match){
            .kind = slash ? API_MATCH_SLASH : API_MATCH_ROUTE,
            .route = table[i].route,
            .id = id,
            .id_len = id_len,
        };
    }
    return match;
}

/* One record takes the members of every body; a table per route says which of them count. Validation follows parsing,
 * in the order of the contract: fields by name first, rules between fields after. */
#include "api/json_in.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_read.h"
#include "api/json_replace.h"
#include "api/validate.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/store.h"

#define CLEANUP_MAX 32
#define GID_MAX INT64_C(2147483647)

struct record {
    bool file, block, destroy_data, force_forget, snapshot_enable, auth, lost;
    int64_t zone, size, expand_size, gid, replica, data, redundancy, ha_count, new_size;
    float factor;
    char *cluster, *node, *name, *state, *health, *change_type, *durability, *oldest_client, *restriction;
    struct store_strs manage, storage, clusters, options, operations;
    struct store_tags tags;
};

#define F(name, type, member)                                         \
    {                                                                 \
        name, API_FIELD_##type, offsetof(struct record, member), NULL \
    }
#define OBJECT(name, table)              \
    {                                    \
        name, API_FIELD_OBJECT, 0, table \
    }
#define END                          \
    {                                \
        NULL, API_FIELD_END, 0, NULL \
    }

static const struct api_field cluster_fields[] = {F("file", BOOL, file), F("block", BOOL, block), END};
static const struct api_field host_fields[] = {F("manage", STRS, manage), F("storage", STRS, storage), END};
static const struct api_field node_fields[] = {
    F("zone", INT, zone), OBJECT("hostnames", host_fields), F("cluster", STR, cluster), F("tags", TAGS, tags), END,
};
static const struct api_field device_fields[] = {
    F("name", STR, name), F("node", STR, node), F("tags", TAGS, tags), F("destroydata", BOOL, destroy_data), END,
};
/* Heketi has neither. */
static const struct api_field node_replace_fields[] = {
    F("manage", STRS, manage),
    F("devices", TAGS, tags),
    F("destroydata", BOOL, destroy_data),
    F("lostdata", BOOL, lost),
    END,
};
static const struct api_field device_replace_fields[] = {
    F("name", STR, name),
    F("destroydata", BOOL, destroy_data),
    F("lostdata", BOOL, lost),
    END,
};
static const struct api_field device_delete_fields[] = {F("forceforget", BOOL, force_forget), END};
static const struct api_field state_fields[] = {F("state", STR, state), F("healcheck", STR, health), END};
static const struct api_field evict_fields[] = {F("healcheck", STR, health), END};
static const struct api_field tags_fields[] = {F("change_type", STR, change_type), F("tags", TAGS, tags), END};
static const struct api_field replicate_fields[] = {F("replica", INT, replica), END};
static const struct api_field disperse_fields[] = {F("data", INT, data), F("redundancy", INT, redundancy), END};
static const struct api_field durability_fields[] = {
    F("type", STR, durability),
    OBJECT("replicate", replicate_fields),
    OBJECT("disperse", disperse_fields),
    END,
};
static const struct api_field snapshot_fields[] = {
    F("enable", BOOL, snapshot_enable),
    F("factor", FLOAT, factor),
    END,
};
static const struct api_field volume_fields[] = {
    F("size", INT, size),
    F("name", STR, name),
    F("clusters", STRS, clusters),
    OBJECT("durability", durability_fields),
    F("gid", INT, gid),
    F("glustervolumeoptions", STRS, options),
    F("block", BOOL, block),
    F("oldestclient", STR, oldest_client), /* Heketi does not have it */
    OBJECT("snapshot", snapshot_fields),
    END,
};

static const struct api_field cleanup_fields[] = {F("operations", STRS, operations), END};
static const struct api_field mode_fields[] = {F("state", STR, state), END};
static const struct api_field logging_fields[] = {F("loglevel", TAGS, tags), END};
static const struct api_field block_fields[] = {
    F("size", INT, size),        F("name", STR, name),  F("clusters", STRS, clusters),
    F("hacount", INT, ha_count), F("auth", BOOL, auth), END,
};
static const struct api_field block_expand_fields[] = {F("new_size", INT, new_size), END};
static const struct api_field expand_fields[] = {F("expand_size", INT, expand_size), END};
static const struct api_field clone_fields[] = {F("name", STR, name), END};
static const struct api_field restrict_fields[] = {F("restriction", STR, restriction), END};

static void record_fini(struct record *record)
{
    free(record->cluster);
    free(record->node);
    free(record->name);
    free(record->state);
    free(record->health);
    free(record->change_type);
    free(record->durability);
    free(record->oldest_client);
    free(record->restriction);
    store_strs_fini(&record->manage);
    store_strs_fini(&record->storage);
    store_strs_fini(&record->clusters);
    store_strs_fini(&record->options);
    store_strs_fini(&record->operations);
    store_tags_fini(&record->tags);
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static char *take_text(char **text)
{
    char *taken = TAKE_PTR(*text);

    return taken != NULL ? taken : mem_strdup("");
}

static void set_text(char **place, char *text)
{
    free(*place);
    *place = text;
}

/* An id that is well formed but not written as ids are (upper case) names nothing. */
static struct id parse_id(const char *text)
{
    struct id id;

    return id_parse(text, strlen(text), &id) ? id : ID_NONE;
}

/* ---- the rules, body by body ---- */

static int check_node(struct record *record, struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf hosts = BUF_INIT;
    CLEANUP(buf_fini) struct buf list = BUF_INIT;

    api_invalid_uuid(&list, "cluster", or_empty(record->cluster));
    api_invalid_hosts(&hosts, "manage", &record->manage);
    api_invalid_hosts(&hosts, "storage", &record->storage);
    if (hosts.len > 0) {
        api_invalid(&list, "hostnames", "(%s.)", buf_str(&hosts));
    }
    api_invalid_tags(&list, &record->tags);
    api_invalid_min_1(&list, "zone", record->zone);
    if (record->zone > UINT32_MAX) {
        api_invalid(&list, "zone", "must be no greater than %lu", (unsigned long)UINT32_MAX);
    }
    if (list.len > 0) {
        return api_invalid_end(&list, text);
    }
    request->zone = (uint32_t)record->zone;
    request->cluster = parse_id(or_empty(record->cluster));
    store_strs_copy(&request->manage, &record->manage);
    store_strs_copy(&request->storage, &record->storage);
    store_tags_copy(&request->tags, &record->tags);
    return 0;
}

static int check_device(struct record *record, struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;

    api_invalid_device_name(&list, "name", or_empty(record->name));
    api_invalid_uuid(&list, "node", or_empty(record->node));
    api_invalid_tags(&list, &record->tags);
    if (list.len > 0) {
        return api_invalid_end(&list, text);
    }
    request->node = parse_id(or_empty(record->node));
    set_text(&request->device_name, take_text(&record->name));
    store_tags_copy(&request->tags, &record->tags);
    return 0;
}

static int check_heal(struct record *record, struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;
    const char *health = or_empty(record->health);

    if (*health != '\0' && strcmp(health, "enable") != 0 && strcmp(health, "disable") != 0) {
        api_invalid(&list, "healcheck", "%s is not valid heal info check", health);
        return api_invalid_end(&list, text);
    }
    request->skip_heal = strcmp(health, "disable") == 0;
    return 0;
}

static int check_state(struct record *record, struct store_request *request, struct buf *text)
{
    static const enum store_state states[] = {STORE_STATE_ONLINE, STORE_STATE_OFFLINE, STORE_STATE_FAILED};
    CLEANUP(buf_fini) struct buf list = BUF_INIT;
    const char *state = or_empty(record->state);
    int status = check_heal(record, request, text);

    if (status != 0) {
        return status;
    }
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
        if (strcmp(state, store_state_name(states[i])) == 0) {
            request->state = states[i];
            return 0;
        }
    }
    if (*state == '\0') {
        api_invalid(&list, "state", "cannot be blank");
    } else {
        api_invalid(&list, "state", "%s is not valid state", state);
    }
    return api_invalid_end(&list, text);
}

static int check_tags(struct record *record, struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;
    const char *change = or_empty(record->change_type);

    if (strcmp(change, "set") == 0) {
        request->tag_change = STORE_TAGS_SET;
    } else if (strcmp(change, "update") == 0) {
        request->tag_change = STORE_TAGS_UPDATE;
    } else if (strcmp(change, "delete") == 0) {
        request->tag_change = STORE_TAGS_DELETE;
    } else {
        api_invalid(&list, "change_type", *change == '\0' ? "cannot be blank" : "must be a valid value");
    }
    api_invalid_tags(&list, &record->tags);
    if (list.len > 0) {
        return api_invalid_end(&list, text);
    }
    store_tags_copy(&request->tags, &record->tags);
    return 0;
}

static uint32_t clamp_u32(int64_t value)
{
    return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static bool dispersion_valid(int64_t data, int64_t redundancy)
{
    return (data == 2 && redundancy == 1) || (data == 4 && redundancy == 2) ||
           (data == 8 && (redundancy == 3 || redundancy == 4));
}

static int bad_request(struct buf *text, const char *message)
{
    buf_append_str(text, message);
    return 400;
}

/* Checks 2 to 7 of heketi-rest.md 6.5. */
static int check_volume_rules(const struct record *record, struct store_volume_request *volume, struct buf *text)
{
    const char *type = or_empty(record->durability);

    if (record->gid < 0) {
        return bad_request(text, "Bad group id less than zero");
    }
    if (record->gid >= GID_MAX) {
        return bad_request(text, "Bad group id equal or greater than 2**32");
    }
    if (*type == '\0' || strcmp(type, "none") == 0) {
        volume->durability = STORE_NONE;
    } else if (strcmp(type, "replicate") == 0) {
        volume->durability = STORE_REPLICATE;
    } else if (strcmp(type, "disperse") == 0) {
        volume->durability = STORE_DISPERSE;
    } else {
        return bad_request(text, "Unknown durability type");
    }
    if (record->snapshot_enable && !(record->factor >= 1.0F && record->factor <= 100.0F)) {
        return bad_request(text, "Invalid snapshot factor");
    }
    if (volume->durability == STORE_REPLICATE && (record->replica < 0 || record->replica > 3)) {
        return bad_request(text, "Invalid replica value");
    }
    if (volume->durability == STORE_DISPERSE && !dispersion_valid(record->data, record->redundancy)) {
        buf_printf(text, "Invalid dispersion combination: %ld+%ld", (long)record->data, (long)record->redundancy);
        return 400;
    }
    return 0;
}

static int check_volume(struct record *record, struct api_body *body, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;
    struct store_volume_request *volume = &body->request.volume;
    int status;

    api_invalid_clusters(&list, "clusters", &record->clusters);
    api_invalid_options(&list, "glustervolumeoptions", &record->options);
    api_invalid_volume_name(&list, "name", or_empty(record->name));
    if (*or_empty(record->oldest_client) != '\0' && store_client_op_version(record->oldest_client) == 0) {
        api_invalid(&list, "oldestclient", "must be a version of GlusterFS from 3.7 on");
    }
    api_invalid_min_1(&list, "size", record->size);
    if (list.len > 0) {
        return api_invalid_end(&list, text);
    }
    status = check_volume_rules(record, volume, text);
    if (status != 0) {
        return status;
    }
    volume->size_gib = clamp_u32(record->size); /* what does not fit in it does not fit anywhere: No space */
    set_text(&volume->name, take_text(&record->name));
    volume->replica = clamp_u32(record->replica);
    volume->disperse_data = clamp_u32(record->data);
    volume->redundancy = clamp_u32(record->redundancy);
    volume->gid = record->gid;
    store_strs_copy(&volume->options, &record->options);
    volume->snapshot_enable = record->snapshot_enable;
    volume->snapshot_factor = record->snapshot_enable ? record->factor : 1.0F;
    volume->block = record->block;
    set_text(&volume->oldest_client, take_text(&record->oldest_client));
    store_strs_copy(&body->clusters, &record->clusters);
    return 0;
}

static int check_cleanup(struct record *record, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;

    if (record->operations.n > CLEANUP_MAX) {
        api_invalid(&list, "operations", "too many ids specified (%zu), up to %d supported", record->operations.n,
                    CLEANUP_MAX);
        return api_invalid_end(&list, text);
    }
    for (size_t i = 0; i < record->operations.n && list.len == 0; i++) {
        if (*record->operations.items[i] != '\0') {
            api_invalid_uuid(&list, "operations", record->operations.items[i]);
        }
    }
    return list.len > 0 ? api_invalid_end(&list, text) : 0;
}

static int check_mode(struct record *record, struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;
    const char *state = or_empty(record->state);

    if (store_mode_parse(state, &request->mode)) {
        return 0;
    }
    api_invalid(&list, "state", *state == '\0' ? "cannot be blank" : "must be a valid value");
    return api_invalid_end(&list, text);
}

static int check_logging(struct record *record, struct store_request *request, struct buf *text)
{
    const char *name = store_tags_get(&record->tags, "glusterfs");
    enum log_level level;

    if (name == NULL) {
        buf_append_str(text, "Only \"glusterfs\" logger may be modified");
        return 422;
    }
    if (*name == '\0') {
        return 0; /* changes nothing */
    }
    if (!log_level_parse(name, &level)) {
        buf_printf(text, "invalid log level: %s", name);
        return 422;
    }
    request->log_level = (uint32_t)level + 1;
    return 0;
}

static int check_block(struct record *record, struct api_body *body, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;
    struct store_block_request *block = &body->request.block_volume;

    api_invalid_clusters(&list, "clusters", &record->clusters);
    if (record->ha_count != 0) { /* 0 is as good as none */
        api_invalid_min_1(&list, "hacount", record->ha_count);
    }
    api_invalid_volume_name(&list, "name", or_empty(record->name));
    api_invalid_min_1(&list, "size", record->size);
    if (list.len > 0) {
        return api_invalid_end(&list, text);
    }
    block->size_gib = clamp_u32(record->size);
    set_text(&block->name, take_text(&record->name));
    block->ha_count = clamp_u32(record->ha_count);
    block->auth = record->auth;
    store_strs_copy(&body->clusters, &record->clusters);
    return 0;
}

static int check_block_expand(const struct record *record, struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;

    api_invalid_min_1(&list, "new_size", record->new_size);
    if (list.len > 0) {
        return api_invalid_end(&list, text);
    }
    request->new_gib = clamp_u32(record->new_size);
    return 0;
}

static int check_expand(const struct record *record, struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;

    api_invalid_min_1(&list, "expand_size", record->expand_size);
    if (list.len > 0) {
        return api_invalid_end(&list, text);
    }
    request->volume.size_gib = clamp_u32(record->expand_size);
    return 0;
}

static int check_clone(struct record *record, struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;

    api_invalid_volume_name(&list, "name", or_empty(record->name));
    if (list.len > 0) {
        return api_invalid_end(&list, text);
    }
    set_text(&request->volume.name, take_text(&record->name));
    return 0;
}

/* The third value, locked-by-update, is not for clients to set. */
static int check_restriction(const struct record *record, struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;
    const char *restriction = or_empty(record->restriction);

    if (*restriction != '\0' && strcmp(restriction, store_restriction_name(STORE_LOCKED)) != 0) {
        api_invalid(&list, "restriction", "must be a valid value");
        return api_invalid_end(&list, text);
    }
    request->restriction = *restriction != '\0' ? STORE_LOCKED : STORE_UNRESTRICTED;
    return 0;
}

/* ---- one entry per route ---- */

struct shape {
    enum store_request_type type;
    const struct api_field *fields; /* NULL: no body */
    bool optional;                  /* an empty body is as good as {} */
    bool says_why;                  /* a body that cannot be parsed: 400 with the reason, instead of 422 */
};

static const struct shape shapes[API_ROUTE_COUNT] = {
    [API_ROUTE_CLUSTER_CREATE] = {STORE_REQ_CLUSTER_CREATE, cluster_fields, false},
    [API_ROUTE_CLUSTER_FLAGS] = {STORE_REQ_CLUSTER_FLAGS, cluster_fields, false},
    [API_ROUTE_CLUSTER_DELETE] = {STORE_REQ_CLUSTER_DELETE, NULL, true},
    [API_ROUTE_NODE_ADD] = {STORE_REQ_NODE_ADD, node_fields, false},
    [API_ROUTE_NODE_DELETE] = {STORE_REQ_NODE_DELETE, NULL, true},
    [API_ROUTE_NODE_STATE] = {STORE_REQ_NODE_STATE, state_fields, false},
    [API_ROUTE_NODE_TAGS] = {STORE_REQ_NODE_TAGS, tags_fields, false},
    [API_ROUTE_DEVICE_ADD] = {STORE_REQ_DEVICE_ADD, device_fields, false},
    [API_ROUTE_DEVICE_DELETE] = {STORE_REQ_DEVICE_DELETE, device_delete_fields, true},
    [API_ROUTE_DEVICE_RESYNC] = {STORE_REQ_DEVICE_RESYNC, NULL, true},
    [API_ROUTE_DEVICE_STATE] = {STORE_REQ_DEVICE_STATE, state_fields, false},
    [API_ROUTE_DEVICE_TAGS] = {STORE_REQ_DEVICE_TAGS, tags_fields, false},
    [API_ROUTE_VOLUME_CREATE] = {STORE_REQ_VOLUME_CREATE, volume_fields, false},
    [API_ROUTE_VOLUME_DELETE] = {STORE_REQ_VOLUME_DELETE, NULL, true},
    [API_ROUTE_PENDING_CLEANUP] = {STORE_REQ_CLEANUP, cleanup_fields, false},
    [API_ROUTE_ADMIN_SET] = {STORE_REQ_MODE, mode_fields, false, true},
    [API_ROUTE_LOGGING_SET] = {STORE_REQ_LOG_LEVEL, logging_fields, false, true},
    [API_ROUTE_BLOCK_CREATE] = {STORE_REQ_BLOCK_CREATE, block_fields, false},
    [API_ROUTE_BLOCK_EXPAND] = {STORE_REQ_BLOCK_EXPAND, block_expand_fields, false},
    [API_ROUTE_BLOCK_DELETE] = {STORE_REQ_BLOCK_DELETE, NULL, true},
    [API_ROUTE_VOLUME_EXPAND] = {STORE_REQ_VOLUME_EXPAND, expand_fields, false},
    [API_ROUTE_VOLUME_CLONE] = {STORE_REQ_VOLUME_CLONE, clone_fields, false},
    [API_ROUTE_VOLUME_RESTRICT] = {STORE_REQ_VOLUME_RESTRICT, restrict_fields, false},
    [API_ROUTE_BRICK_EVICT] = {STORE_REQ_BRICK_EVICT, evict_fields, true},
    [API_ROUTE_NODE_REPLACE] = {STORE_REQ_NODE_REPLACE, node_replace_fields, true, true},
    [API_ROUTE_DEVICE_REPLACE] = {STORE_REQ_DEVICE_REPLACE, device_replace_fields, true, true},
};

static int check(enum api_route route, struct record *record, struct api_body *body, struct buf *text)
{
    body->request.lost = record->lost;
    body->request.destroy_data = record->destroy_data;
    switch (route) {
    case API_ROUTE_CLUSTER_CREATE:
    case API_ROUTE_CLUSTER_FLAGS:
        body->request.file = record->file;
        body->request.block = record->block;
        return 0;
    case API_ROUTE_NODE_ADD:
        return check_node(record, &body->request, text);
    case API_ROUTE_NODE_STATE:
    case API_ROUTE_DEVICE_STATE:
        return check_state(record, &body->request, text);
    case API_ROUTE_BRICK_EVICT:
        return check_heal(record, &body->request, text);
    case API_ROUTE_NODE_TAGS:
    case API_ROUTE_DEVICE_TAGS:
        return check_tags(record, &body->request, text);
    case API_ROUTE_DEVICE_ADD:
        return check_device(record, &body->request, text);
    case API_ROUTE_NODE_REPLACE:
        return api_read_node_replace(&record->manage, &record->tags, &body->request, text);
    case API_ROUTE_DEVICE_REPLACE:
        return api_read_device_replace(or_empty(record->name), &body->request, text);
    case API_ROUTE_DEVICE_DELETE:
        body->request.force = record->force_forget;
        return 0;
    case API_ROUTE_VOLUME_CREATE:
        return check_volume(record, body, text);
    case API_ROUTE_PENDING_CLEANUP:
        return check_cleanup(record, text);
    case API_ROUTE_ADMIN_SET:
        return check_mode(record, &body->request, text);
    case API_ROUTE_LOGGING_SET:
        return check_logging(record, &body->request, text);
    case API_ROUTE_BLOCK_CREATE:
        return check_block(record, body, text);
    case API_ROUTE_BLOCK_EXPAND:
        return check_block_expand(record, &body->request, text);
    case API_ROUTE_VOLUME_EXPAND:
        return check_expand(record, &body->request, text);
    case API_ROUTE_VOLUME_CLONE:
        return check_clone(record, &body->request, text);
    case API_ROUTE_VOLUME_RESTRICT:
        return check_restriction(record, &body->request, text);
    default:
        return 0;
    }
}

bool api_body_wanted(enum api_route route)
{
    return shapes[route].type != 0;
}

const struct api_field *api_body_fields(enum api_route route)
{
    return shapes[route].fields;
}

int api_body_read(enum api_route route, const char *json, size_t len, struct api_body *ret_body, struct buf *text)
{
    CLEANUP(record_fini) struct record record = {0};
    const struct shape *shape = &shapes[route];
    const char *reason;

    CHECK(api_body_wanted(route));
    memset(ret_body, 0, sizeof(*ret_body));
    store_request_init(&ret_body->request, shape->type);
    if (shape->fields != NULL && !(shape->optional && len == 0) &&
        api_json_read(json, len, API_JSON_WHOLE, shape->fields, &record, &reason) != 0) {
        buf_append_str(text, "request unable to be parsed");
        if (shape->says_why) {
            buf_printf(text, ": %s", reason);
        }
        return shape->says_why ? 400 : 422;
    }
    return check(route, &record, ret_body, text);
}

void api_body_fini(struct api_body *body)
{
    store_request_fini(&body->request);
    store_strs_fini(&body->clusters);
}

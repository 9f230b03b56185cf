/* The topology's types under Go's names, and values of them. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/template.h"
#include "store/base/check.h"

const struct type type_nil = {TYPE_NIL, "nil", NULL, NULL};
const struct type type_bool = {TYPE_BOOL, "bool", NULL, NULL};
const struct type type_int = {TYPE_INT, "int", NULL, NULL};
const struct type type_float = {TYPE_FLOAT, "float32", NULL, NULL};
const struct type type_string = {TYPE_STRING, "string", NULL, NULL};

#define END              \
    {                    \
        NULL, NULL, NULL \
    }
#define STRUCT(variable, shown, ...)                                         \
    static const struct type_field variable##_fields[] = {__VA_ARGS__, END}; \
    static const struct type variable = {TYPE_STRUCT, shown, NULL, variable##_fields}
#define LIST(variable, shown, element) static const struct type variable = {TYPE_LIST, shown, element, NULL}

static const struct type strings = {TYPE_LIST, "[]string", &type_string, NULL};
static const struct type string_map = {TYPE_MAP, "map[string]string", &type_string, NULL};

STRUCT(brick, "api.BrickInfo", {"Id", "id", &type_string}, {"Path", "path", &type_string},
       {"DeviceId", "device", &type_string}, {"NodeId", "node", &type_string}, {"VolumeId", "volume", &type_string},
       {"Size", "size", &type_int});
LIST(bricks, "[]api.BrickInfo", &brick);

STRUCT(storage, "api.StorageSize", {"Total", "total", &type_int}, {"Free", "free", &type_int},
       {"Used", "used", &type_int});
STRUCT(device, "api.DeviceInfoResponse", {"Name", "name", &type_string}, {"Tags", "tags", &string_map},
       {"Storage", "storage", &storage}, {"Id", "id", &type_string}, {"Paths", "paths", &strings},
       {"PvUUID", "pv_uuid", &type_string}, {"State", "state", &type_string}, {"Bricks", "bricks", &bricks});
LIST(devices, "[]api.DeviceInfoResponse", &device);

STRUCT(hostnames, "api.HostAddresses", {"Manage", "manage", &strings}, {"Storage", "storage", &strings});
STRUCT(node, "api.NodeInfoResponse", {"Zone", "zone", &type_int}, {"Hostnames", "hostnames", &hostnames},
       {"ClusterId", "cluster", &type_string}, {"Tags", "tags", &string_map}, {"Id", "id", &type_string},
       {"State", "state", &type_string}, {"DevicesInfo", "devices", &devices});
LIST(nodes, "[]api.NodeInfoResponse", &node);

STRUCT(replicate, "api.ReplicaDurability", {"Replica", "replica", &type_int});
STRUCT(disperse, "api.DisperseDurability", {"Data", "data", &type_int}, {"Redundancy", "redundancy", &type_int});
STRUCT(durability, "api.VolumeDurabilityInfo", {"Type", "type", &type_string}, {"Replicate", "replicate", &replicate},
       {"Disperse", "disperse", &disperse});
STRUCT(snapshot, "struct", {"Enable", "enable", &type_bool}, {"Factor", "factor", &type_float});
STRUCT(glusterfs, "struct", {"Hosts", "hosts", &strings}, {"MountPoint", "device", &type_string},
       {"Options", "options", &string_map});
STRUCT(mount, "struct", {"GlusterFS", "glusterfs", &glusterfs});
STRUCT(block_info, "struct", {"FreeSize", "freesize", &type_int}, {"ReservedSize", "reservedsize", &type_int},
       {"BlockVolumes", "blockvolume", &strings}, {"Restriction", "restriction", &type_string});
STRUCT(volume, "api.VolumeInfoResponse", {"Size", "size", &type_int}, {"Clusters", "clusters", &strings},
       {"Name", "name", &type_string}, {"Durability", "durability", &durability}, {"Gid", "gid", &type_int},
       {"GlusterVolumeOptions", "glustervolumeoptions", &strings}, {"Block", "block", &type_bool},
       {"Snapshot", "snapshot", &snapshot}, {"Id", "id", &type_string}, {"Cluster", "cluster", &type_string},
       {"Mount", "mount", &mount}, {"BlockInfo", "blockinfo", &block_info}, {"Bricks", "bricks", &bricks});
LIST(volumes, "[]api.VolumeInfoResponse", &volume);

STRUCT(cluster, "api.Cluster", {"Volumes", "volumes", &volumes}, {"Nodes", "nodes", &nodes}, {"Id", "id", &type_string},
       {"Block", "block", &type_bool}, {"File", "file", &type_bool});
LIST(clusters, "[]api.Cluster", &cluster);

static const struct type_field topology_fields[] = {{"ClusterList", "clusters", &clusters}, END};
const struct type type_topology = {TYPE_STRUCT, "*api.TopologyInfoResponse", NULL, topology_fields};

/* ---- values ---- */

static json_t *zero(enum type_kind kind)
{
    switch (kind) {
    case TYPE_BOOL:
        return json_false();
    case TYPE_INT:
        return json_integer(0);
    case TYPE_FLOAT:
        return json_real(0);
    case TYPE_STRING:
        return json_string("");
    case TYPE_LIST:
        return json_array();
    case TYPE_MAP:
    case TYPE_STRUCT:
        return json_object();
    case TYPE_NIL:
        break;
    }
    return json_null();
}

static bool fits(enum type_kind kind, const json_t *json)
{
    switch (kind) {
    case TYPE_BOOL:
        return json_is_boolean(json);
    case TYPE_INT:
        return json_is_integer(json);
    case TYPE_FLOAT:
        return json_is_number(json);
    case TYPE_STRING:
        return json_is_string(json);
    case TYPE_LIST:
        return json_is_array(json);
    case TYPE_MAP:
    case TYPE_STRUCT:
        return json_is_object(json);
    case TYPE_NIL:
        break;
    }
    return false;
}

struct value value_make(const struct type *type, json_t *json)
{
    return (struct value){.json = fits(type->kind, json) ? json_incref(json) : zero(type->kind), .type = type};
}

struct value value_own(const struct type *type, json_t *json)
{
    CHECK(json != NULL);
    return (struct value){.json = json, .type = type};
}

void value_fini(struct value *value)
{
    json_decref(value->json);
    *value = (struct value){0};
}

struct value value_copy(const struct value *value)
{
    return (struct value){.json = json_incref(value->json), .type = value->type};
}

bool value_field(const struct value *value, const char *name, size_t len, struct value *ret_value)
{
    if (value->type->kind == TYPE_MAP) {
        json_t *item = json_object_getn(value->json, name, len);

        *ret_value = value_make(item != NULL ? value->type->element : &type_nil, item);
        return true;
    }
    if (value->type->kind != TYPE_STRUCT) {
        return false;
    }
    for (const struct type_field *field = value->type->fields; field->name != NULL; field++) {
        if (strlen(field->name) == len && memcmp(field->name, name, len) == 0) {
            *ret_value = value_make(field->type, json_object_get(value->json, field->member));
            return true;
        }
    }
    return false;
}

bool value_truth(const struct value *value)
{
    switch (value->type->kind) {
    case TYPE_NIL:
        return false;
    case TYPE_BOOL:
        return json_is_true(value->json);
    case TYPE_INT:
    case TYPE_FLOAT:
        return json_number_value(value->json) > 0 || json_number_value(value->json) < 0;
    case TYPE_STRING:
        return *js_text(value->json) != '\0';
    case TYPE_LIST:
        return json_array_size(value->json) > 0;
    case TYPE_MAP:
        return json_object_size(value->json) > 0;
    case TYPE_STRUCT:
        return true;
    }
    return false;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_map(struct buf *out, const struct value *value)
{
    size_t n = json_object_size(value->json), i = 0;
    const char **keys = calloc(n + 1, sizeof(*keys));
    const char *key;
    json_t *item;

    CHECK(keys != NULL);
    json_object_foreach(value->json, key, item)
    {
        keys[i++] = key;
    }
    qsort(keys, n, sizeof(*keys), compare_keys);
    buf_append_str(out, "map[");
    for (i = 0; i < n; i++) {
        struct value part = value_make(value->type->element, json_object_get(value->json, keys[i]));

        buf_printf(out, "%s%s:", i > 0 ? " " : "", keys[i]);
        value_print(out, &part);
        value_fini(&part);
    }
    buf_append_char(out, ']');
    free(keys);
}

static void print_struct(struct buf *out, const struct value *value)
{
    buf_append_char(out, '{');
    for (const struct type_field *field = value->type->fields; field->name != NULL; field++) {
        struct value part = value_make(field->type, json_object_get(value->json, field->member));

        buf_append_str(out, field != value->type->fields ? " " : "");
        value_print(out, &part);
        value_fini(&part);
    }
    buf_append_char(out, '}');
}

static void print_list(struct buf *out, const struct value *value)
{
    buf_append_char(out, '[');
    for (size_t i = 0; i < json_array_size(value->json); i++) {
        struct value part = value_make(value->type->element, json_array_get(value->json, i));

        buf_append_str(out, i > 0 ? " " : "");
        value_print(out, &part);
        value_fini(&part);
    }
    buf_append_char(out, ']');
}

void value_print(struct buf *out, const struct value *value)
{
    switch (value->type->kind) {
    case TYPE_NIL:
        buf_append_str(out, "<no value>");
        break;
    case TYPE_BOOL:
        buf_append_str(out, json_is_true(value->json) ? "true" : "false");
        break;
    case TYPE_INT:
        buf_printf(out, "%lld", (long long)json_integer_value(value->json));
        break;
    case TYPE_FLOAT:
        buf_printf(out, "%.9g", json_number_value(value->json));
        break;
    case TYPE_STRING:
        buf_append_str(out, js_text(value->json));
        break;
    case TYPE_LIST:
        print_list(out, value);
        break;
    case TYPE_MAP:
        print_map(out, value);
        break;
    case TYPE_STRUCT:
        print_struct(out, value);
        break;
    }
}

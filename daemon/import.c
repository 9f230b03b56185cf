#include "daemon/import.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/import_priv.h"
#include "daemon/json_text.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/load.h"
#include "store/words.h"

#define EXTENT_KIB 4096

/* ---- the report ---- */

static void add_line(struct store_strs *lines, size_t *n, const char *fmt, va_list args)
{
    char text[512];

    (*n)++;
    if (lines->n < IMPORT_LINES_MAX) {
        text_vprint(text, sizeof(text), fmt, args);
        store_strs_add(lines, text);
    }
}

void import_error(struct import *import, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_line(&import->report->errors, &import->report->n_errors, fmt, args);
    va_end(args);
}

void import_warn(struct import *import, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_line(&import->report->warnings, &import->report->n_warnings, fmt, args);
    va_end(args);
}

void import_report_fini(struct import_report *report)
{
    store_strs_fini(&report->errors);
    store_strs_fini(&report->warnings);
}

static json_t *lines_json(const struct store_strs *lines)
{
    json_t *list = json_array();

    for (size_t i = 0; i < lines->n; i++) {
        json_array_append_new(list, json_text(lines->items[i]));
    }
    return list;
}

json_t *import_report_json(const struct import_report *report)
{
    const struct store_counts *counts = &report->counts;

    return json_pack("{s:b, s:s, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:I, s:o, s:I, s:o}", "ok", report->n_errors == 0,
                     "generation", report->generation, "counts", "clusters", (json_int_t)counts->clusters, "nodes",
                     (json_int_t)counts->nodes, "devices", (json_int_t)counts->devices, "volumes",
                     (json_int_t)counts->volumes, "bricks", (json_int_t)counts->bricks, "operations",
                     (json_int_t)counts->operations, "error_count", (json_int_t)report->n_errors, "errors",
                     lines_json(&report->errors), "warning_count", (json_int_t)report->n_warnings, "warnings",
                     lines_json(&report->warnings));
}

/* ---- values ---- */

static bool absent(const json_t *value)
{
    return value == NULL || json_is_null(value);
}

const char *import_str(struct import *import, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);

    if (absent(value)) {
        return "";
    }
    if (text == NULL || strlen(text) != json_string_length(value)) {
        import_error(import, "member %s is no text", key);
        return "";
    }
    return text;
}

int64_t import_int(struct import *import, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (absent(value)) {
        return 0;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        import_error(import, "member %s is no number from 0", key);
        return 0;
    }
    return json_integer_value(value);
}

int64_t import_seconds_ms(struct import *import, const json_t *object, const char *key)
{
    int64_t seconds = import_int(import, object, key);

    return seconds <= INT64_MAX / 1000 ? seconds * 1000 : 0; /* 0: unknown */
}

bool import_bool(struct import *import, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!absent(value) && !json_is_boolean(value)) {
        import_error(import, "member %s is neither true nor false", key);
    }
    return json_is_true(value);
}

const json_t *import_object(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_object(value) ? value : NULL;
}

void import_strs(struct import *import, const json_t *object, const char *key, struct store_strs *strs)
{
    const json_t *list = json_object_get(object, key);

    if (!absent(list) && !json_is_array(list)) {
        import_error(import, "member %s is no list", key);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text == NULL) {
            import_error(import, "member %s has an item that is no text", key);
        } else {
            store_strs_add(strs, text);
        }
    }
}

void import_tags(struct import *import, const json_t *object, struct store_tags *tags)
{
    json_t *map = json_object_get(object, "tags");
    const char *name;
    json_t *value;

    json_object_foreach(map, name, value)
    {
        if (json_string_value(value) == NULL || *name == '\0') {
            import_error(import, "a tag is no text");
        } else {
            store_tags_set(tags, name, json_string_value(value));
        }
    }
}

bool import_parse_id(const char *text, struct id *ret_id)
{
    return id_parse(text, strlen(text), ret_id) && !id_is_none(*ret_id);
}

struct id import_id(struct import *import, const json_t *object, const char *key, const char *what)
{
    const char *text = import_str(import, object, key);
    struct id id;

    if (!import_parse_id(text, &id)) {
        import_error(import, "%s: member %s is \"%.40s\", which is no id", what, key, text);
        return ID_NONE;
    }
    return id;
}

struct id *import_asked_clusters(const json_t *info, size_t *ret_n)
{
    const json_t *list = json_object_get(info, "clusters");
    struct id *ids = mem_calloc(json_array_size(list) + 1, sizeof(*ids));

    *ret_n = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        *ret_n += text != NULL && import_parse_id(text, &ids[*ret_n]);
    }
    return ids;
}

/* Members are the ids as we write them. Borrowed. */
static const json_t *set_of(struct import *import, const json_t *list)
{
    CLEANUP(free_ptr) char *name = mem_printf("%p", (const void *)list);
    json_t *set = json_object_get(import->sets, name);

    if (set != NULL) {
        return set;
    }
    set = json_object();
    CHECK(set != NULL && json_object_set_new(import->sets, name, set) == 0);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        struct id id;

        if (text != NULL && import_parse_id(text, &id)) {
            CHECK(json_object_set_new(set, id_text(id).text, json_true()) == 0);
        }
    }
    return set;
}

bool import_list_has(struct import *import, const json_t *list, struct id id)
{
    return json_object_get(set_of(import, list), id_text(id).text) != NULL;
}

enum store_state import_state(struct import *import, const json_t *entry, const char *what, const char *id)
{
    const char *text = import_str(import, entry, "State");

    for (int state = STORE_STATE_ONLINE; state <= STORE_STATE_FAILED; state++) {
        if (strcmp(text, store_state_name((enum store_state)state)) == 0) {
            return (enum store_state)state;
        }
    }
    if (*text == '\0') { /* very old databases; only "online" was ever used for placement */
        import_warn(import, "%s %s has no state: offline", what, id);
    } else {
        import_error(import, "%s %s has the unknown state \"%.20s\"", what, id, text);
    }
    return STORE_STATE_OFFLINE;
}

const json_t *import_section(const struct import *import, const char *name)
{
    return import_object(import->root, name);
}

/* ---- clusters, nodes, devices ---- */

/* The id under which an entry stands; it has to be the one inside. */
static struct id entry_id(struct import *import, const char *what, const char *key, const json_t *entry)
{
    struct id outer, inner = import_id(import, import_object(entry, "Info"), "id", what);

    if (!import_parse_id(key, &outer) || !id_equal(outer, inner)) {
        import_error(import, "%s %.40s: the id inside differs from the key", what, key);
    }
    return inner;
}

static void import_clusters(struct import *import)
{
    bool flags_known =
        json_object_get(import_section(import, "dbattributeentries"), "DB_CLUSTER_HAS_FILE_BLOCK_FLAG") != NULL;
    struct store_load *load = &import->cmd->load;
    json_t *section = (json_t *)(uintptr_t)import_section(import, "clusterentries"), *entry;
    const char *key;

    load->clusters = mem_calloc(json_object_size(section) + 1, sizeof(*load->clusters));
    json_object_foreach(section, key, entry)
    {
        const json_t *info = import_object(entry, "Info");
        struct store_cluster *cluster = &load->clusters[load->n_clusters++];
        bool old = !flags_known && json_object_get(info, "file") == NULL && json_object_get(info, "block") == NULL;

        cluster->id = entry_id(import, "cluster", key, entry);
        cluster->file = old || import_bool(import, info, "file");
        cluster->block = old || import_bool(import, info, "block");
    }
}

static void check_hosts(struct import *import, const char *node, const struct store_strs *hosts)
{
    for (size_t i = 0; i < hosts->n; i++) {
        if (!store_is_host(hosts->items[i])) {
            import_error(import, "node %.40s: \"%.40s\" is no name of a host", node, hosts->items[i]);
        }
    }
}

static void import_nodes(struct import *import)
{
    struct store_load *load = &import->cmd->load;
    json_t *section = (json_t *)(uintptr_t)import_section(import, "nodeentries"), *entry;
    const char *key;

    load->nodes = mem_calloc(json_object_size(section) + 1, sizeof(*load->nodes));
    json_object_foreach(section, key, entry)
    {
        const json_t *info = import_object(entry, "Info");
        const json_t *hosts = import_object(info, "hostnames");
        struct store_node *node = &load->nodes[load->n_nodes++];
        int64_t zone = import_int(import, info, "zone");

        node->id = entry_id(import, "node", key, entry);
        node->cluster = import_id(import, info, "cluster", "node");
        node->zone = zone > UINT32_MAX ? 0 : (uint32_t)zone;
        node->state = import_state(import, entry, "node", key);
        import_strs(import, hosts, "manage", &node->manage);
        import_strs(import, hosts, "storage", &node->storage);
        check_hosts(import, key, &node->manage);
        check_hosts(import, key, &node->storage);
        import_tags(import, info, &node->tags);
    }
}

static void import_devices(struct import *import)
{
    struct store_load *load = &import->cmd->load;
    json_t *section = (json_t *)(uintptr_t)import_section(import, "deviceentries"), *entry;
    const char *key;

    load->devices = mem_calloc(json_object_size(section) + 1, sizeof(*load->devices));
    json_object_foreach(section, key, entry)
    {
        const json_t *info = import_object(entry, "Info");
        struct store_device *device = &load->devices[load->n_devices++];
        int64_t extent = import_int(import, entry, "ExtentSize");

        device->id = entry_id(import, "device", key, entry);
        device->node = import_id(import, entry, "NodeId", "device");
        device->name = mem_strdup(import_str(import, info, "name"));
        if (!store_is_device(device->name)) {
            import_error(import, "device %.40s: \"%.40s\" is no path of a device", key, device->name);
        }
        device->pv_uuid = mem_strdup(import_str(import, info, "pv_uuid"));
        device->total_kib = (uint64_t)import_int(import, import_object(info, "storage"), "total");
        device->extent_kib = extent > 0 ? (uint64_t)extent : EXTENT_KIB;
        device->state = import_state(import, entry, "device", key);
        import_strs(import, info, "paths", &device->paths);
        import_tags(import, info, &device->tags);
    }
}

/* ---- the whole ---- */

static void read_generation(struct import *import)
{
    const json_t *entry = import_object(import_section(import, "dbattributeentries"), "DB_GENERATION_ID");

    (void)snprintf(import->report->generation, sizeof(import->report->generation), "%s",
                   import_str(import, entry, "Value"));
}

static int build(struct import *import, struct store **ret_store)
{
    struct store *store = store_new();
    struct store_result result = {0};
    struct err err = ERR_INIT;

    import->cmd->op_id = store_load_id(import->report->generation, strlen(import->report->generation));
    import->cmd->load.last = true;
    store_apply(store, 1, import->cmd, &result);
    if (result.code != STORE_OK) {
        import_error(import, "%s", result.text);
    } else if (store_check(store, &err) != 0) {
        import_error(import, "%s", err.message);
    } else {
        import_check_space(import, store);
        import->report->counts = store_counts(store);
    }
    if (import->report->n_errors > 0) {
        store_free(store);
        return E_INVALID;
    }
    *ret_store = store;
    return 0;
}

int import_dump(const char *json, size_t len, struct store **ret_store, struct import_report *ret_report)
{
    struct import import = {.report = ret_report, .sets = json_object()};
    struct store_cmd cmd;
    json_error_t error;
    int rc = E_INVALID;

    memset(ret_report, 0, sizeof(*ret_report));
    import.root = json_loadb(json, len, 0, &error);
    store_cmd_init(&cmd, STORE_CMD_LOAD);
    import.cmd = &cmd;
    if (import.root == NULL) {
        import_error(&import, "line %d, column %d: %s", error.line, error.column, error.text);
    } else if (!json_is_object(import.root) || import_section(&import, "clusterentries") == NULL) {
        import_error(&import, "this is no dump of Heketi: there is no clusterentries");
    } else {
        read_generation(&import);
        import_clusters(&import);
        import_nodes(&import);
        import_devices(&import);
        import_volumes(&import);
        import_operations(&import);
        import_blocks(&import);
        import_check_links(&import);
        rc = ret_report->n_errors == 0 ? build(&import, ret_store) : E_INVALID;
    }
    store_cmd_fini(&cmd);
    json_decref(import.sets);
    json_decref(import.root);
    return rc;
}

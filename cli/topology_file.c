/* Reading topology.json: whatever comes out has every member in its type, or nothing comes out. */
#include <string.h>
#include <strings.h>

#include "cli/topology_file.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define FILE_MAX (64U << 20)

/* The member in any case; NULL when absent or null. */
static json_t *member(const json_t *object, const char *name)
{
    json_t *found = NULL, *value;
    const char *key;
    void *iterator = json_object_iter((json_t *)(uintptr_t)object);

    for (; iterator != NULL; iterator = json_object_iter_next((json_t *)(uintptr_t)object, iterator)) {
        key = json_object_iter_key(iterator);
        value = json_object_iter_value(iterator);
        if (strcasecmp(key, name) == 0 && !json_is_null(value)) {
            found = value;
        }
    }
    return found;
}

static bool is_object_or_absent(const json_t *value)
{
    return value == NULL || json_is_object(value);
}

static bool copy_bool(json_t *to, const json_t *from, const char *name, bool preset)
{
    const json_t *value = member(from, name);

    json_object_set_new(to, name, json_boolean(value != NULL ? json_is_true(value) : preset));
    return value == NULL || json_is_boolean(value);
}

static bool copy_strings(json_t *to, const json_t *from, const char *name)
{
    json_t *value = member(from, name), *list = json_array(), *item;
    bool good = value == NULL || json_is_array(value);
    size_t i;

    json_array_foreach(value, i, item)
    {
        good = good && json_is_string(item);
        json_array_append(list, item);
    }
    json_object_set_new(to, name, list);
    return good;
}

static bool copy_tags(json_t *to, const json_t *from)
{
    json_t *tags = member(from, "tags"), *value;
    const char *key;

    if (!is_object_or_absent(tags)) {
        return false;
    }
    json_object_foreach(tags, key, value)
    {
        if (!json_is_string(value)) {
            return false;
        }
    }
    if (json_object_size(tags) > 0) {
        json_object_set(to, "tags", tags);
    }
    return true;
}

static bool copy_node(json_t *to, const json_t *from)
{
    json_t *hostnames = member(from, "hostnames"), *zone = member(from, "zone"), *both = json_object();
    bool good = is_object_or_absent(hostnames) && (zone == NULL || json_is_integer(zone));

    good = copy_strings(both, hostnames, "manage") && good;
    good = copy_strings(both, hostnames, "storage") && good;
    json_object_set_new(to, "zone", json_integer(json_integer_value(zone)));
    json_object_set_new(to, "hostnames", both);
    return copy_tags(to, from) && good;
}

static bool copy_device(json_t *list, const json_t *from)
{
    json_t *device = json_object();
    const json_t *name = json_is_string(from) ? from : member(from, "name");
    bool good = json_is_string(from) || (json_is_object(from) && (name == NULL || json_is_string(name)));

    json_object_set_new(device, "name", json_string(json_is_string(name) ? json_string_value(name) : ""));
    good = copy_tags(device, json_is_object(from) ? from : NULL) && good;
    good = copy_bool(device, json_is_object(from) ? from : NULL, "destroydata", false) && good;
    json_array_append_new(list, device);
    return good;
}

/* Calls copy with each item of a list member, into a list of the same name. */
static bool copy_list(json_t *to, const json_t *from, const char *name, bool (*copy)(json_t *list, const json_t *item))
{
    json_t *value = member(from, name), *list = json_array(), *item;
    bool good = value == NULL || json_is_array(value);
    size_t i;

    json_object_set_new(to, name, list);
    json_array_foreach(value, i, item)
    {
        good = copy(list, item) && good;
    }
    return good;
}

static bool copy_entry(json_t *list, const json_t *from)
{
    json_t *entry = json_object(), *node = json_object();
    bool good = is_object_or_absent(from) && is_object_or_absent(member(from, "node"));

    json_array_append_new(list, entry);
    json_object_set_new(entry, "node", node);
    good = copy_node(node, member(from, "node")) && good;
    return copy_list(entry, from, "devices", copy_device) && good;
}

static bool copy_cluster(json_t *list, const json_t *from)
{
    json_t *cluster = json_object();
    bool good = is_object_or_absent(from);

    json_array_append_new(list, cluster);
    good = copy_bool(cluster, from, "file", true) && good;
    good = copy_bool(cluster, from, "block", true) && good;
    return copy_list(cluster, from, "nodes", copy_entry) && good;
}

json_t *topology_parse(const char *text, size_t len)
{
    json_t *raw = json_loadb(text, len, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL);
    json_t *topology = json_object();

    if (raw == NULL || !json_is_object(raw) || !copy_list(topology, raw, "clusters", copy_cluster)) {
        json_decref(TAKE_PTR(topology));
    }
    json_decref(raw);
    return topology;
}

int topology_file_read(struct cli *cli, const char *path, json_t **ret_topology)
{
    struct buf text = BUF_INIT;
    FILE *file = fopen(path, "rbe");
    char chunk[4096];
    size_t n;

    if (file == NULL) {
        return cli_fail(cli, "Unable to open config file");
    }
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0 && text.len < FILE_MAX) {
        buf_append(&text, chunk, n);
    }
    (void)fclose(file);
    *ret_topology = topology_parse(buf_str(&text), text.len);
    buf_fini(&text);
    return *ret_topology != NULL ? 0 : cli_fail(cli, "Unable to parse config file");
}

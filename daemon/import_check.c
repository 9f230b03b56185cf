/* What a dump says twice: links in both directions, and the space of devices (heketi-storage.md 1.4). The new database
 * is built from one of the two; where the other one names something that is not there, the operator should look. */
#include "daemon/import_priv.h"
#include "store/base/mem.h"

/* Does the list in member key of the entry name exactly the ids that count? Lists may be null. */
static void check_list(struct import *import, const json_t *list, const char *what, const char *key, const char *of,
                       const json_t *section)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (text == NULL || json_object_get(section, text) == NULL) {
            import_warn(import, "%s %.40s lists the %s %.40s, which is not in the dump: look for what is left of it",
                        what, key, of, text != NULL ? text : "(no text)");
        }
    }
}

static const json_t *entry_of(const struct import *import, const char *section, struct id id)
{
    return import_object(import_section(import, section), id_text(id).text);
}

static void check_listed(struct import *import, const json_t *list, struct id id, const char *what, struct id owner,
                         const char *owner_what)
{
    if (!import_list_has(import, list, id)) {
        import_warn(import, "%s %s is not in the list of its %s %s", what, id_text(id).text, owner_what,
                    id_text(owner).text);
    }
}

static void check_volume_links(struct import *import, const struct store_volume *volume)
{
    const json_t *cluster = import_object(entry_of(import, "clusterentries", volume->cluster), "Info");

    check_listed(import, json_object_get(cluster, "volumes"), volume->id, "volume", volume->cluster, "cluster");
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const json_t *device = entry_of(import, "deviceentries", volume->bricks[i].device);

        check_listed(import, json_object_get(device, "Bricks"), volume->bricks[i].id, "brick", volume->bricks[i].device,
                     "device");
    }
}

static void check_lists(struct import *import)
{
    json_t *section = (json_t *)(uintptr_t)import_section(import, "clusterentries"), *entry;
    const char *key;

    json_object_foreach(section, key, entry)
    {
        const json_t *info = import_object(entry, "Info");

        check_list(import, json_object_get(info, "nodes"), "cluster", key, "node",
                   import_section(import, "nodeentries"));
        check_list(import, json_object_get(info, "volumes"), "cluster", key, "volume",
                   import_section(import, "volumeentries"));
    }
    section = (json_t *)(uintptr_t)import_section(import, "nodeentries");
    json_object_foreach(section, key, entry)
    {
        check_list(import, json_object_get(entry, "Devices"), "node", key, "device",
                   import_section(import, "deviceentries"));
    }
    section = (json_t *)(uintptr_t)import_section(import, "deviceentries");
    json_object_foreach(section, key, entry)
    {
        check_list(import, json_object_get(entry, "Bricks"), "device", key, "brick",
                   import_section(import, "brickentries"));
    }
}

/* Bricks of no volume: their LVs would be forgotten. */
static void check_orphans(struct import *import)
{
    json_t *section = (json_t *)(uintptr_t)import_section(import, "brickentries"), *entry;
    const char *key;

    json_object_foreach(section, key, entry)
    {
        const char *text = import_str(import, import_object(entry, "Info"), "volume");
        const json_t *volume = import_object(import_section(import, "volumeentries"), text);
        struct id id;

        if (import_parse_id(key, &id) && import_list_has(import, json_object_get(volume, "Bricks"), id)) {
            continue;
        }
        import_warn(import, "brick %.40s belongs to no volume and is left out: its logical volume may still be there",
                    key);
    }
}

void import_check_links(struct import *import)
{
    const struct store_load *load = &import->cmd->load;

    for (size_t i = 0; i < load->n_nodes; i++) {
        const json_t *cluster = import_object(entry_of(import, "clusterentries", load->nodes[i].cluster), "Info");

        check_listed(import, json_object_get(cluster, "nodes"), load->nodes[i].id, "node", load->nodes[i].cluster,
                     "cluster");
    }
    for (size_t i = 0; i < load->n_devices; i++) {
        const json_t *node = entry_of(import, "nodeentries", load->devices[i].node);

        check_listed(import, json_object_get(node, "Devices"), load->devices[i].id, "device", load->devices[i].node,
                     "node");
    }
    for (size_t i = 0; i < load->n_volumes; i++) {
        check_volume_links(import, &load->volumes[i]);
    }
    check_lists(import);
    check_orphans(import);
}

void import_check_space(struct import *import, const struct store *store)
{
    const struct store_device *device = NULL;

    while ((device = store_device_next(store, device)) != NULL) {
        const json_t *info = import_object(entry_of(import, "deviceentries", device->id), "Info");
        uint64_t said_kib = (uint64_t)import_int(import, import_object(info, "storage"), "used");
        uint64_t used_kib = store_device_used_kib(store, device->id);

        if (said_kib != used_kib) {
            import_warn(import, "device %s: the dump says that %lu KiB are used, its bricks take %lu KiB",
                        id_text(device->id).text, (unsigned long)said_kib, (unsigned long)used_kib);
        }
    }
}

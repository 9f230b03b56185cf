/* The layout of `topology info`, contract 9.4, blank by blank. */
#include <string.h>

#include "cli/cli.h"

static void print_joined(FILE *out, const char *label, const json_t *list)
{
    struct buf text = BUF_INIT;

    js_join(&text, list, ", ");
    fprintf(out, "%s%s\n", label, buf_str(&text));
    buf_fini(&text);
}

static void print_tags(FILE *out, const char *indent, const json_t *entry)
{
    json_t *tags = js_object(entry, "tags");
    const char *name, *separator = "";
    json_t *value;

    if (json_object_size(tags) == 0) {
        return;
    }
    fprintf(out, "%sTags: ", indent);
    json_object_foreach(tags, name, value)
    {
        fprintf(out, "%s%s:%s", separator, name, js_text(value));
        separator = " ";
    }
    fprintf(out, "\n\n");
}

void out_topology_volume(FILE *out, const json_t *volume)
{
    const json_t *mount = js_object(js_object(volume, "mount"), "glusterfs");
    const json_t *durability = js_object(volume, "durability");
    const json_t *disperse = js_object(durability, "disperse");
    const json_t *snapshot = js_object(volume, "snapshot");
    const char *type = js_str(durability, "type");
    json_t *brick;
    size_t i;

    fprintf(out, "\tName: %s\n\tSize: %ld\n\tId: %s\n\tCluster Id: %s\n\tMount: %s\n", js_str(volume, "name"),
            (long)js_int(volume, "size"), js_str(volume, "id"), js_str(volume, "cluster"), js_str(mount, "device"));
    fprintf(out, "\tMount Options: backup-volfile-servers=%s\n\tDurability Type: %s\n",
            js_str(js_object(mount, "options"), "backup-volfile-servers"), type);
    if (strcmp(type, "replicate") == 0) {
        fprintf(out, "\tReplica: %ld\n", (long)js_int(js_object(durability, "replicate"), "replica"));
    } else if (strcmp(type, "disperse") == 0) {
        fprintf(out, "\tDisperse Data: %ld\n\tDisperse Redundancy: %ld\n", (long)js_int(disperse, "data"),
                (long)js_int(disperse, "redundancy"));
    }
    if (js_bool(snapshot, "enable")) {
        fprintf(out, "\tSnapshot: Enabled\n\tSnapshot Factor: %.2f\n", js_num(snapshot, "factor"));
    } else {
        fprintf(out, "\tSnapshot: Disabled\n");
    }
    fprintf(out, "\n\t\tBricks:\n");
    json_array_foreach(js_list(volume, "bricks"), i, brick)
    {
        fprintf(out, "\t\t\tId: %s\n\t\t\tPath: %s\n\t\t\tSize (GiB): %ld\n\t\t\tNode: %s\n\t\t\tDevice: %s\n\n",
                js_str(brick, "id"), js_str(brick, "path"), (long)out_gib(brick, "size"), js_str(brick, "node"),
                js_str(brick, "device"));
    }
    fprintf(out, "\n");
}

static void print_device(FILE *out, const json_t *device)
{
    const json_t *storage = js_object(device, "storage");
    const json_t *paths = js_list(device, "paths");
    struct buf known = BUF_INIT;
    json_t *brick;
    size_t i;

    fprintf(out, "\t\tId:%-35sState:%-10sSize (GiB):%-8ldUsed (GiB):%-8ldFree (GiB):%-8ld\n", js_str(device, "id"),
            out_state(device), (long)out_gib(storage, "total"), (long)out_gib(storage, "used"),
            (long)out_gib(storage, "free"));
    print_tags(out, "\t\t\t", device);
    js_join(&known, paths, " ");
    fprintf(out, "\t\t\tKnown Paths: %s\n\n\t\t\tBricks:\n",
            json_array_size(paths) > 0 ? buf_str(&known) : js_str(device, "name"));
    buf_fini(&known);
    json_array_foreach(js_list(device, "bricks"), i, brick)
    {
        fprintf(out, "\t\t\t\tId:%-35sSize (GiB):%-8ldPath: %s\n", js_str(brick, "id"), (long)out_gib(brick, "size"),
                js_str(brick, "path"));
    }
}

void out_topology_node(FILE *out, const json_t *node)
{
    const json_t *hostnames = js_object(node, "hostnames");
    json_t *device;
    size_t i;

    fprintf(out, "\n\tNode Id: %s\n\tState: %s\n\tCluster Id: %s\n\tZone: %ld\n", js_str(node, "id"), out_state(node),
            js_str(node, "cluster"), (long)js_int(node, "zone"));
    print_joined(out, "\tManagement Hostnames: ", js_list(hostnames, "manage"));
    print_joined(out, "\tStorage Hostnames: ", js_list(hostnames, "storage"));
    print_tags(out, "\t", node);
    fprintf(out, "\tDevices:\n");
    json_array_foreach(js_list(node, "devices"), i, device)
    {
        print_device(out, device);
    }
}

void out_topology_nodes(FILE *out)
{
    fprintf(out, "\n    Nodes:\n");
}

void out_topology_cluster(FILE *out, const json_t *cluster)
{
    fprintf(out, "\nCluster Id: %s\n\n    File:  %s\n    Block: %s\n\n    Volumes:\n\n", js_str(cluster, "id"),
            js_bool(cluster, "file") ? "true" : "false", js_bool(cluster, "block") ? "true" : "false");
}

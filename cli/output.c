/* Layouts of the contract 9.3, blank by blank. */
#include <string.h>

#include "cli/cli.h"

#define KIB_PER_GIB INT64_C(1048576)

const char *out_state(const json_t *entry)
{
    const char *state = js_str(entry, "state");

    return strcmp(state, "failed") == 0 ? "removed" : state;
}

int64_t out_gib(const json_t *object, const char *key)
{
    return js_int(object, key) / KIB_PER_GIB;
}

static const char *word(bool value)
{
    return value ? "true" : "false";
}

static void print_joined(FILE *out, const char *label, const json_t *list, const char *separator, const char *after)
{
    struct buf text = BUF_INIT;

    js_join(&text, list, separator);
    fprintf(out, "%s%s%s\n", label, buf_str(&text), after);
    buf_fini(&text);
}

static const char *first(const json_t *list)
{
    return js_text(json_array_get(list, 0));
}

static void print_tags(FILE *out, const json_t *entry)
{
    json_t *tags = js_object(entry, "tags");
    const char *name;
    json_t *value;

    if (json_object_size(tags) > 0) {
        fprintf(out, "Tags:\n");
        json_object_foreach(tags, name, value)
        {
            fprintf(out, "  %s: %s\n", name, js_text(value));
        }
    }
}

void out_cluster(FILE *out, const json_t *cluster)
{
    fprintf(out, "Cluster id: %s\n", js_str(cluster, "id"));
    print_joined(out, "Nodes:\n", js_list(cluster, "nodes"), "\n", "");
    print_joined(out, "Volumes:\n", js_list(cluster, "volumes"), "\n", "");
    fprintf(out, "Block: %s\n\nFile: %s\n", word(js_bool(cluster, "block")), word(js_bool(cluster, "file")));
}

void out_node(FILE *out, const json_t *node, bool devices)
{
    json_t *hostnames = js_object(node, "hostnames");
    json_t *device;
    size_t i;

    fprintf(out, "Node Id: %s\nState: %s\nCluster Id: %s\nZone: %ld\nManagement Hostname: %s\nStorage Hostname: %s\n",
            js_str(node, "id"), out_state(node), js_str(node, "cluster"), (long)js_int(node, "zone"),
            first(js_list(hostnames, "manage")), first(js_list(hostnames, "storage")));
    print_tags(out, node);
    if (!devices) {
        return;
    }
    fprintf(out, "Devices:\n");
    json_array_foreach(js_list(node, "devices"), i, device)
    {
        const json_t *storage = js_object(device, "storage");

        fprintf(out, "Id:%-35sName:%-20sState:%-10sSize (GiB):%-8ldUsed (GiB):%-8ldFree (GiB):%-8ldBricks:%-8zu\n",
                js_str(device, "id"), js_str(device, "name"), out_state(device), (long)out_gib(storage, "total"),
                (long)out_gib(storage, "used"), (long)out_gib(storage, "free"),
                json_array_size(js_list(device, "bricks")));
    }
}

void out_device(FILE *out, const json_t *device)
{
    json_t *storage = js_object(device, "storage");
    json_t *brick;
    size_t i;

    fprintf(out,
            "Device Id: %s\nState: %s\nSize (GiB): %ld\nUsed (GiB): %ld\nFree (GiB): %ld\nCreate Path: %s\n"
            "Physical Volume UUID: %s\n",
            js_str(device, "id"), out_state(device), (long)out_gib(storage, "total"), (long)out_gib(storage, "used"),
            (long)out_gib(storage, "free"), js_str(device, "name"), js_str(device, "pv_uuid"));
    print_joined(out, "Known Paths: ", js_list(device, "paths"), " ", "");
    print_tags(out, device);
    fprintf(out, "Bricks:\n");
    json_array_foreach(js_list(device, "bricks"), i, brick)
    {
        fprintf(out, "Id:%-35sSize (GiB):%-8ldPath: %s\n", js_str(brick, "id"), (long)out_gib(brick, "size"),
                js_str(brick, "path"));
    }
}

void out_volume_line(FILE *out, const json_t *volume)
{
    fprintf(out, "Id:%-35s Cluster:%-35s Name:%s%s\n", js_str(volume, "id"), js_str(volume, "cluster"),
            js_str(volume, "name"), js_bool(volume, "block") ? " [block]" : "");
}

static void print_durability(FILE *out, const json_t *volume)
{
    const json_t *durability = js_object(volume, "durability");
    const json_t *disperse = js_object(durability, "disperse");
    const char *type = js_str(durability, "type");
    int64_t bricks = (int64_t)json_array_size(js_list(volume, "bricks"));
    int64_t replica = js_int(js_object(durability, "replicate"), "replica");
    int64_t data = js_int(disperse, "data"), redundancy = js_int(disperse, "redundancy");

    replica = replica > 0 ? replica : 2; /* Heketi makes two and does not say so */
    fprintf(out, "Durability Type: %s\n", type);
    if (strcmp(type, "replicate") == 0) {
        fprintf(out, "Distribute Count: %ld\nReplica Count: %ld\n", (long)(bricks / replica), (long)replica);
    } else if (strcmp(type, "disperse") == 0) {
        fprintf(out, "Distribute Count: %ld\nDisperse Data Count: %ld\nDisperse Redundancy Count: %ld\n",
                (long)(data + redundancy > 0 ? bricks / (data + redundancy) : 0), (long)data, (long)redundancy);
    } else {
        fprintf(out, "Distribute Count: %ld\n", (long)bricks);
    }
}

void out_volume(FILE *out, const json_t *volume)
{
    const json_t *mount = js_object(js_object(volume, "mount"), "glusterfs");
    const json_t *block = js_object(volume, "blockinfo");
    const json_t *snapshot = js_object(volume, "snapshot");
    const char *restriction = js_str(block, "restriction");

    fprintf(out, "Name: %s\nSize: %ld\nVolume Id: %s\nCluster Id: %s\nMount: %s\n", js_str(volume, "name"),
            (long)js_int(volume, "size"), js_str(volume, "id"), js_str(volume, "cluster"), js_str(mount, "device"));
    fprintf(out, "Mount Options: backup-volfile-servers=%s\n",
            js_str(js_object(mount, "options"), "backup-volfile-servers"));
    fprintf(out, "Block: %s\nFree Size: %ld\nReserved Size: %ld\nBlock Hosting Restriction: %s\n",
            word(js_bool(volume, "block")), (long)js_int(block, "freesize"), (long)js_int(block, "reservedsize"),
            *restriction != '\0' ? restriction : "(none)");
    print_joined(out, "Block Volumes: [", js_list(block, "blockvolume"), " ", "]");
    print_durability(out, volume);
    if (js_bool(snapshot, "enable")) {
        fprintf(out, "Snapshot Factor: %.2f\n\n", js_num(snapshot, "factor"));
    }
}

void out_block(FILE *out, const json_t *block)
{
    const json_t *target = js_object(block, "blockvolume");

    fprintf(out, "Name: %s\nSize: %ld\nUsableSize: %ld\nVolume Id: %s\nCluster Id: %s\n", js_str(block, "name"),
            (long)js_int(block, "size"), (long)js_int(block, "usablesize"), js_str(block, "id"),
            js_str(block, "cluster"));
    print_joined(out, "Hosts: [", js_list(target, "hosts"), " ", "]");
    fprintf(out, "IQN: %s\nLUN: %ld\nHacount: %ld\nUsername: %s\nPassword: %s\nBlock Hosting Volume: %s\n",
            js_str(target, "iqn"), (long)js_int(target, "lun"), (long)js_int(block, "hacount"),
            js_str(target, "username"), js_str(target, "password"), js_str(block, "blockhostingvolume"));
}

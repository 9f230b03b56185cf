/* hecate node ... */
#include <string.h>

#include "cli/http.h"
#include "store/base/mem.h"

#define MISSING "Node id missing"

static void layout(FILE *out, const json_t *node)
{
    out_node(out, node, true);
}

static int run_info(struct cli *cli)
{
    return cli_show(cli, "/nodes/", MISSING, layout);
}

static void print_nodes(FILE *out, const json_t *cluster)
{
    json_t *id;
    size_t i;

    json_array_foreach(js_list(cluster, "nodes"), i, id)
    {
        fprintf(out, "Id:%s\tCluster:%s\n", js_text(id), js_str(cluster, "id"));
    }
}

static int run_list(struct cli *cli)
{
    json_t *list;
    int rc;

    if (http_get(cli, "/clusters", &list) != 0) {
        return -1;
    }
    rc = cli_each(cli, list, "clusters", "/clusters/", "", print_nodes);
    json_decref(list);
    return rc;
}

static int run_add(struct cli *cli)
{
    const char *manage = flag_string(cli, "management-host-name"), *storage = flag_string(cli, "storage-host-name");
    json_t *body, *node;
    int rc;

    if (flag_int(cli, "zone") == -1) {
        return cli_fail(cli, "Missing zone");
    }
    if (*manage == '\0') {
        return cli_fail(cli, "Missing management hostname");
    }
    if (*storage == '\0') {
        return cli_fail(cli, "Missing storage hostname");
    }
    if (*flag_string(cli, "cluster") == '\0') {
        return cli_fail(cli, "Missing cluster id");
    }
    body = json_pack("{s:I, s:{s:[s], s:[s]}, s:s}", "zone", (json_int_t)flag_int(cli, "zone"), "hostnames", "manage",
                     manage, "storage", storage, "cluster", flag_string(cli, "cluster"));
    rc = http_job(cli, "POST", "/nodes", body, &node);
    json_decref(body);
    if (rc != 0) {
        return -1;
    }
    if (flag_json(cli)) {
        js_print(cli->out, node);
    } else {
        fprintf(cli->out, "Node information:\n");
        out_node(cli->out, node, false);
    }
    json_decref(node);
    return 0;
}

static int run_delete(struct cli *cli)
{
    return cli_delete_query(cli, "/nodes/", "Node", MISSING, "force-forget", "forceforget=true");
}

static int run_enable(struct cli *cli)
{
    return cli_set_state(cli, "/nodes/", "Node", MISSING, "online", NULL);
}

static int run_disable(struct cli *cli)
{
    return cli_set_state(cli, "/nodes/", "Node", MISSING, "offline", NULL);
}

static int run_remove(struct cli *cli)
{
    return cli_set_state(cli, "/nodes/", "Node", MISSING, "failed", NULL);
}

/* "OLD=NEW,...": ids of devices and the disks that they get. NULL: it is none; the caller says so. */
static json_t *read_devices(const char *text)
{
    json_t *devices = json_object();

    while (*text != '\0') {
        size_t len = strcspn(text, ","), id = strcspn(text, "=,");
        CLEANUP(free_ptr) char *key = mem_strndup(text, id);

        if (id == 0 || id + 1 >= len) {
            json_decref(devices);
            return NULL;
        }
        json_object_set_new(devices, key, json_stringn(text + id + 1, len - id - 1));
        text += len + (text[len] == ',');
    }
    return devices;
}

static int run_replace(struct cli *cli)
{
    const char *id, *manage = flag_string(cli, "management-host-name");
    CLEANUP(free_ptr) char *path = NULL;
    json_t *body, *devices;
    int rc;

    if (cli_need_id(cli, MISSING, &id) != 0) {
        return -1;
    }
    devices = read_devices(flag_string(cli, "device"));
    if (devices == NULL) {
        return cli_fail(cli, "--device is %s, expected ID=PATH, or several with commas between them",
                        flag_string(cli, "device"));
    }
    path = mem_printf("/nodes/%s/replace", id);
    body = json_pack("{s:o, s:b, s:b}", "devices", devices, "destroydata", flag_bool(cli, "destroy-existing-data"),
                     "lostdata", flag_bool(cli, "lost-data"));
    if (*manage != '\0') {
        json_object_set_new(body, "manage", json_pack("[s]", manage));
    }
    rc = http_job(cli, "POST", path, body, NULL);
    json_decref(body);
    if (rc == 0) {
        fprintf(cli->out, "Node %s replaced\n", id);
    }
    return rc;
}

static int run_set_tags(struct cli *cli)
{
    return cli_set_tags(cli, "/nodes/");
}

static int run_remove_tags(struct cli *cli)
{
    return cli_remove_tags(cli, "/nodes/");
}

static const struct cli_flag add_flags[] = {
    {"zone", 0, CLI_INT, false, "-1", "N", "failure zone, from 1; replicas go to different zones"},
    {"cluster", 0, CLI_STRING, false, NULL, "ID", "cluster that the node joins"},
    {"management-host-name", 0, CLI_STRING, false, NULL, "HOST", "where commands are sent to"},
    {"storage-host-name", 0, CLI_STRING, false, NULL, "HOST", "address of its bricks"},
};

static const struct cli_flag replace_flags[] = {
    {"management-host-name", 0, CLI_STRING, false, NULL, "HOST", "another one than before, where commands are sent to"},
    {"device", 0, CLI_STRING, false, NULL, "ID=PATH,...", "devices that get another disk than before"},
    {"destroy-existing-data", 0, CLI_BOOL, false, NULL, NULL, "wipe what is on the disks, also the old bricks"},
    {"lost-data", 0, CLI_BOOL, false, NULL, NULL, "rebuild bricks that have no other copy as empty ones"},
};

static const struct cli_flag delete_flags[] = {
    {"force-forget", 0, CLI_BOOL, false, NULL, NULL, "of a node that does not answer and never will"},
};

static const struct cli_command commands[] = {
    {"node", "list", "", "nodes of all clusters", NULL, NULL, 0, run_list, NULL},
    {"node", "info", "ID", "a node and its devices", NULL, NULL, 0, run_info, NULL},
    {"node", "add", "", "add a storage node to a cluster", "All four flags are needed.", add_flags, 4, run_add, NULL},
    {"node", "delete", "ID", "remove a node without devices", NULL, delete_flags, 1, run_delete, NULL},
    {"node", "enable", "ID", "place bricks on it again", NULL, NULL, 0, run_enable, NULL},
    {"node", "disable", "ID", "place no new bricks on it; those it has stay", NULL, NULL, 0, run_disable, NULL},
    {"node", "remove", "ID", "move all bricks of a disabled node away", NULL, NULL, 0, run_remove, NULL},
    {"node", "replace", "ID", "rebuild a lost node in its place and heal its bricks", NULL, replace_flags, 4,
     run_replace, NULL},
    {"node", "settags", "ID NAME:VALUE...", "set tags", NULL, cli_set_tags_flags, 1, run_set_tags, NULL},
    {"node", "rmtags", "ID NAME...", "remove tags", NULL, cli_remove_tags_flags, 1, run_remove_tags,
     CLI_REMOVE_TAGS_ALIASES},
};

const struct cli_group cli_node = {"node", "Storage nodes", commands, sizeof(commands) / sizeof(*commands), NULL};

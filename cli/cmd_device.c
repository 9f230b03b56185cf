/* hecate device ... */
#include <stdlib.h>

#include "cli/http.h"
#include "store/base/mem.h"

#define MISSING "Device id missing"
#define MISSING_STATE "device id missing"

static int run_info(struct cli *cli)
{
    return cli_show(cli, "/devices/", MISSING, out_device);
}

static int run_add(struct cli *cli)
{
    json_t *body;
    int rc;

    if (*flag_string(cli, "name") == '\0') {
        return cli_fail(cli, "Missing device name");
    }
    if (*flag_string(cli, "node") == '\0') {
        return cli_fail(cli, "Missing node id");
    }
    body = json_pack("{s:s, s:s}", "name", flag_string(cli, "name"), "node", flag_string(cli, "node"));
    if (flag_bool(cli, "destroy-existing-data")) {
        json_object_set_new(body, "destroydata", json_true());
    }
    rc = http_job(cli, "POST", "/devices", body, NULL);
    json_decref(body);
    if (rc == 0) {
        fprintf(cli->out, "Device added successfully\n");
    }
    return rc;
}

static int run_delete(struct cli *cli)
{
    return cli_delete(cli, "/devices/", "Device", MISSING,
                      json_pack("{s:b}", "forceforget", flag_bool(cli, "force-forget")));
}

static int run_enable(struct cli *cli)
{
    return cli_set_state(cli, "/devices/", "Device", MISSING_STATE, "online", NULL);
}

static int run_disable(struct cli *cli)
{
    return cli_set_state(cli, "/devices/", "Device", MISSING_STATE, "offline", NULL);
}

static int run_remove(struct cli *cli)
{
    const char *id;

    if (cli_need_id(cli, MISSING, &id) != 0) {
        return -1;
    }
    return cli_set_state(cli, "/devices/", "Device", MISSING, "failed", cli_heal_check(cli));
}

static int run_replace(struct cli *cli)
{
    CLEANUP(free_ptr) char *path = NULL;
    const char *id, *name = flag_string(cli, "name");
    json_t *body;
    int rc;

    if (cli_need_id(cli, MISSING, &id) != 0) {
        return -1;
    }
    path = mem_printf("/devices/%s/replace", id);
    body = json_pack("{s:s, s:b, s:b}", "name", name, "destroydata", flag_bool(cli, "destroy-existing-data"),
                     "lostdata", flag_bool(cli, "lost-data"));
    rc = http_job(cli, "POST", path, body, NULL);
    json_decref(body);
    if (rc == 0) {
        fprintf(cli->out, "Device %s replaced\n", id);
    }
    return rc;
}

static int run_set_tags(struct cli *cli)
{
    return cli_set_tags(cli, "/devices/");
}

static int run_remove_tags(struct cli *cli)
{
    return cli_remove_tags(cli, "/devices/");
}

/* ---- resync ---- */

static int resync(struct cli *cli, const char *device)
{
    CLEANUP(free_ptr) char *path = mem_printf("/devices/%s/resync", device);

    return http_job(cli, "GET", path, NULL, NULL);
}

/* All devices of a node; how many could not be read. */
static unsigned resync_node(struct cli *cli, const json_t *node)
{
    unsigned failed = 0;
    json_t *device;
    size_t i;

    json_array_foreach(js_list(node, "devices"), i, device)
    {
        const char *id = js_str(device, "id");

        fprintf(cli->out, "Now resyncing device %s..\n", id);
        if (resync(cli, id) == 0) {
            fprintf(cli->out, "Device %s (node %s) in cluster %s updated\n", id, js_str(node, "id"),
                    js_str(node, "cluster"));
        } else {
            CLEANUP(free_ptr) char *error = cli_take_error(cli);

            fprintf(cli->err, "Unable to resync device %s: %s\n", id, error);
            failed++;
        }
    }
    return failed;
}

static int resync_cluster(struct cli *cli, const char *id)
{
    json_t *cluster, *node_id, *node;
    unsigned failed = 0;
    size_t i;

    fprintf(cli->out, "Cluster-wide resync operation requested. Using object_id as cluster_id.\n");
    if (http_get_id(cli, "/clusters/", id, &cluster) != 0) {
        return -1;
    }
    json_array_foreach(js_list(cluster, "nodes"), i, node_id)
    {
        if (cli->error == NULL && http_get_id(cli, "/nodes/", js_text(node_id), &node) == 0) {
            failed += resync_node(cli, node);
            json_decref(node);
        }
    }
    json_decref(cluster);
    if (failed > 0) {
        (void)cli_fail(cli, "%u devices could not be resynced", failed);
    }
    return cli->error == NULL ? 0 : -1;
}

static int run_resync(struct cli *cli)
{
    const char *id = NULL;

    if (cli_need_id(cli, "object/cluster id missing", &id) != 0) {
        return -1;
    }
    if (flag_bool(cli, "cluster")) {
        return resync_cluster(cli, id);
    }
    if (resync(cli, id) != 0) {
        return -1;
    }
    fprintf(cli->out, "Device %s updated\n", id);
    return 0;
}

static const struct cli_flag add_flags[] = {
    {"name", 0, CLI_STRING, false, NULL, "PATH", "the raw device, for example /dev/vdb"},
    {"node", 0, CLI_STRING, false, NULL, "ID", "node that has it"},
    {"destroy-existing-data", 0, CLI_BOOL, false, NULL, NULL, "wipe what is on the device"},
};

static const struct cli_flag replace_flags[] = {
    {"name", 0, CLI_STRING, false, NULL, "PATH", "another raw device than before"},
    {"destroy-existing-data", 0, CLI_BOOL, false, NULL, NULL, "wipe what is on the disk, also the old bricks"},
    {"lost-data", 0, CLI_BOOL, false, NULL, NULL, "rebuild bricks that have no other copy as empty ones"},
};

static const struct cli_flag delete_flags[] = {
    {"force-forget", 0, CLI_BOOL, false, NULL, NULL, "drop the record even if the node cannot be cleaned"},
};

static const struct cli_flag resync_flags[] = {
    {"cluster", 0, CLI_BOOL, false, NULL, NULL, "ID is a cluster: all of its devices"},
};

static const struct cli_command commands[] = {
    {"device", "info", "ID", "a device and its bricks", NULL, NULL, 0, run_info, NULL},
    {"device", "add", "", "add a raw device of a node", "--name and --node are needed.", add_flags, 3, run_add, NULL},
    {"device", "delete", "ID", "remove a device that has failed and has no bricks", NULL, delete_flags, 1, run_delete,
     NULL},
    {"device", "enable", "ID", "place bricks on it again", NULL, NULL, 0, run_enable, NULL},
    {"device", "disable", "ID", "place no new bricks on it; those it has stay", NULL, NULL, 0, run_disable, NULL},
    {"device", "remove", "ID", "move all bricks of a disabled device away", NULL, cli_heal_check_flags, 1, run_remove,
     NULL},
    {"device", "replace", "ID", "rebuild a lost device on another disk and heal its bricks", NULL, replace_flags, 3,
     run_replace, NULL},
    {"device", "resync", "ID", "read the size of a device again", NULL, resync_flags, 1, run_resync, NULL},
    {"device", "settags", "ID NAME:VALUE...", "set tags", NULL, cli_set_tags_flags, 1, run_set_tags, NULL},
    {"device", "rmtags", "ID NAME...", "remove tags", NULL, cli_remove_tags_flags, 1, run_remove_tags,
     CLI_REMOVE_TAGS_ALIASES},
};

const struct cli_group cli_device = {"device", "Devices of storage nodes", commands,
                                     sizeof(commands) / sizeof(*commands), NULL};

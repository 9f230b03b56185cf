/* hecate device ... */
#include "cli/http.h"
#include "store/base/mem.h"

static int run_info(struct cli *cli)
{
    return cli_show(cli, "/devices/", "Device id missing", out_device);
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
    CLEANUP(free_ptr) char *path = NULL;
    const char *id = NULL;
    json_t *body;
    int rc;

    if (cli_need_id(cli, "Device id missing", &id) != 0) {
        return -1;
    }
    path = mem_printf("/devices/%s", id);
    body = json_pack("{s:b}", "forceforget", flag_bool(cli, "force-forget"));
    rc = http_job(cli, "DELETE", path, body, NULL);
    json_decref(body);
    if (rc == 0) {
        fprintf(cli->out, "Device %s deleted\n", id);
    }
    return rc;
}

static int run_enable(struct cli *cli)
{
    return cli_set_state(cli, "/devices/", "Device", "device id missing", "online");
}

static int run_disable(struct cli *cli)
{
    return cli_set_state(cli, "/devices/", "Device", "device id missing", "offline");
}

static const struct cli_flag add_flags[] = {
    {"name", 0, CLI_STRING, false, NULL, "PATH", "the raw device, for example /dev/vdb"},
    {"node", 0, CLI_STRING, false, NULL, "ID", "node that has it"},
    {"destroy-existing-data", 0, CLI_BOOL, false, NULL, NULL, "wipe what is on the device"},
};

static const struct cli_flag delete_flags[] = {
    {"force-forget", 0, CLI_BOOL, false, NULL, NULL, "drop the record even if the node cannot be cleaned"},
};

static const struct cli_command commands[] = {
    {"device", "info", "ID", "a device and its bricks", NULL, NULL, 0, run_info},
    {"device", "add", "", "add a raw device of a node", "--name and --node are needed.", add_flags, 3, run_add},
    {"device", "delete", "ID", "remove a device that has failed and has no bricks", NULL, delete_flags, 1, run_delete},
    {"device", "enable", "ID", "place bricks on it again", NULL, NULL, 0, run_enable},
    {"device", "disable", "ID", "place no new bricks on it; those it has stay", NULL, NULL, 0, run_disable},
};

const struct cli_group cli_device = {"device", "Devices of storage nodes", commands,
                                     sizeof(commands) / sizeof(*commands)};

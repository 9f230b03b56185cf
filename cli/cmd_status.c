/* hecate status: is all well, and if not, what is to be done. */
#include <string.h>

#include "cli/http.h"

static int run_status(struct cli *cli)
{
    json_t *status;

    if (http_status(cli, &status) != 0) {
        return -1;
    }
    if (flag_json(cli)) {
        js_print(cli->out, status);
    } else {
        out_status(cli->out, status);
    }
    cli->status = strcmp(js_str(status, "health"), "critical") == 0 ? 1 : 0;
    json_decref(status);
    return 0;
}

static const struct cli_command commands[] = {
    {"status", NULL, "", "members, leader, storage nodes and operations on one screen",
     "Needs no token. Any member can be asked; the leader's view is shown if it can be reached.\n"
     "Exit code: 0, 1 when the health is critical, 255 when no member answers.",
     NULL, 0, run_status, NULL},
};

const struct cli_group cli_status = {"status", "Health of the cluster", commands, 1, NULL};

/* hecate brick ..., and the check that it shares with the removal of devices. */
#include "cli/http.h"
#include "store/base/mem.h"

#define PAUSE_MS 10000

const struct cli_flag cli_heal_check_flags[1] = {
    {"expert-option-disable-heal-check", 0, CLI_BOOL, false, NULL, NULL,
     "move bricks even if files wait for healing: may lose data"},
};

json_t *cli_heal_check(struct cli *cli)
{
    if (!flag_bool(cli, "expert-option-disable-heal-check")) {
        return json_object();
    }
    fprintf(cli->err,
            "WARNING: nobody looks whether files wait for healing. A brick that is moved away may hold the only\n"
            "good copy of a file, which is lost then. Going on in %d seconds; interrupt to stop.\n",
            PAUSE_MS / 1000);
    cli->sleep_ms(cli, PAUSE_MS);
    return json_pack("{s:s}", "healcheck", "disable");
}

static int run_evict(struct cli *cli)
{
    CLEANUP(free_ptr) char *path = NULL;
    const char *id = NULL;
    json_t *body;
    int rc;

    if (cli_need_id(cli, "Brick id missing", &id) != 0) {
        return -1;
    }
    path = mem_printf("/bricks/to-evict/%s", id);
    body = cli_heal_check(cli);
    rc = http_job(cli, "POST", path, body, NULL);
    json_decref(body);
    if (rc == 0) {
        fprintf(cli->out, "Brick %s evicted\n", id);
    }
    return rc;
}

static const struct cli_command commands[] = {
    {"brick", "evict", "ID", "move a brick to another device", NULL, cli_heal_check_flags, 1, run_evict, NULL},
};

const struct cli_group cli_brick = {"brick", "Bricks of volumes", commands, sizeof(commands) / sizeof(*commands), NULL};

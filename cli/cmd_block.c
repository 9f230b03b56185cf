/* hecate blockvolume ... */
#include "cli/http.h"
#include "store/base/mem.h"

#define MISSING "Volume id missing"

static int run_list(struct cli *cli)
{
    json_t *list;
    int rc = 0;

    if (http_get(cli, "/blockvolumes", &list) != 0) {
        return -1;
    }
    if (flag_json(cli)) {
        js_print(cli->out, list);
    } else {
        rc = cli_each(cli, list, "blockvolumes", "/blockvolumes/", "", out_volume_line);
    }
    json_decref(list);
    return rc;
}

static int run_info(struct cli *cli)
{
    return cli_show(cli, "/blockvolumes/", MISSING, out_block);
}

static int run_create(struct cli *cli)
{
    json_t *body;

    if (flag_int(cli, "size") == 0) {
        return cli_fail(cli, "Missing volume size");
    }
    body = json_pack("{s:I, s:s}", "size", (json_int_t)flag_int(cli, "size"), "name", flag_string(cli, "name"));
    cli_set_list(body, "clusters", flag_string(cli, "clusters"));
    if (flag_int(cli, "ha") != 0) {
        json_object_set_new(body, "hacount", json_integer(flag_int(cli, "ha")));
    }
    if (flag_bool(cli, "auth")) {
        json_object_set_new(body, "auth", json_true());
    }
    return cli_job_shown(cli, "/blockvolumes", body, out_block);
}

static int run_expand(struct cli *cli)
{
    const char *id = cli->n_args > 0 ? cli->args[0] : flag_string(cli, "blockvolume");
    CLEANUP(free_ptr) char *path = mem_printf("/blockvolumes/%s/expand", id);

    if (*id == '\0') {
        return cli_fail(cli, "Missing block volume id");
    }
    if (flag_int(cli, "new-size") == 0) {
        return cli_fail(cli, "Missing block volume net new size");
    }
    return cli_job_shown(cli, path, json_pack("{s:I}", "new_size", (json_int_t)flag_int(cli, "new-size")), out_block);
}

static int run_delete(struct cli *cli)
{
    return cli_delete(cli, "/blockvolumes/", "Volume", MISSING, NULL);
}

static const struct cli_flag create_flags[] = {
    {"size", 0, CLI_INT, false, NULL, "GIB", "size in GiB (needed)"},
    {"name", 0, CLI_STRING, false, NULL, "NAME", "name; else blockvol_ID"},
    {"ha", 0, CLI_INT, false, "0", "N", "hosts that serve it; 0: all of the cluster"},
    {"auth", 0, CLI_BOOL, false, NULL, NULL, "with a user and a password for initiators"},
    {"clusters", 0, CLI_STRING, true, NULL, "ID,...", "clusters to try, in this order; else all"},
};

static const struct cli_flag expand_flags[] = {
    {"new-size", 0, CLI_INT, false, NULL, "GIB", "size that it shall have (needed)"},
    {"blockvolume", 0, CLI_STRING, false, NULL, "ID", "the block volume, instead of an argument"},
};

static const struct cli_command commands[] = {
    {"blockvolume", "list", "", "block volumes of all clusters", NULL, NULL, 0, run_list, NULL},
    {"blockvolume", "info", "ID", "a block volume", NULL, NULL, 0, run_info, NULL},
    {"blockvolume", "create", "", "make a block volume", "Example: hecate blockvolume create --size=10 --ha=3",
     create_flags, sizeof(create_flags) / sizeof(*create_flags), run_create, NULL},
    {"blockvolume", "expand", "[ID]", "make a block volume larger", NULL, expand_flags, 2, run_expand, NULL},
    {"blockvolume", "delete", "ID", "delete a block volume and what is on it", NULL, NULL, 0, run_delete, NULL},
};

const struct cli_group cli_block = {"blockvolume", "Block volumes (iSCSI) on hosting volumes", commands,
                                    sizeof(commands) / sizeof(*commands), NULL};

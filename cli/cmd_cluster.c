/* hecate cluster ... */
#include "cli/http.h"
#include "store/base/mem.h"

#define MISSING "Cluster id missing"

static void print_line(FILE *out, const json_t *cluster)
{
    fprintf(out, "Id:%s %s%s%s\n", js_str(cluster, "id"), js_bool(cluster, "file") ? "[file]" : "",
            js_bool(cluster, "block") ? "[block]" : "",
            !js_bool(cluster, "file") && !js_bool(cluster, "block") ? "[]" : "");
}

static int run_list(struct cli *cli)
{
    json_t *list;
    int rc = 0;

    if (http_get(cli, "/clusters", &list) != 0) {
        return -1;
    }
    if (flag_json(cli)) {
        js_print(cli->out, list);
    } else {
        rc = cli_each(cli, list, "clusters", "/clusters/", "Clusters:\n", print_line);
    }
    json_decref(list);
    return rc;
}

static int run_info(struct cli *cli)
{
    return cli_show(cli, "/clusters/", MISSING, out_cluster);
}

static int run_create(struct cli *cli)
{
    json_t *body = json_pack("{s:b, s:b}", "block", flag_bool(cli, "block"), "file", flag_bool(cli, "file")), *cluster;
    int rc = http_make(cli, "/clusters", body, &cluster);

    json_decref(body);
    if (rc != 0) {
        return -1;
    }
    if (flag_json(cli)) {
        js_print(cli->out, cluster);
    } else {
        fprintf(cli->out, "Cluster id: %s\n", js_str(cluster, "id"));
    }
    json_decref(cluster);
    return 0;
}

static int run_delete(struct cli *cli)
{
    CLEANUP(free_ptr) char *path = NULL;
    struct http_answer answer;
    const char *id = NULL;

    if (cli_need_id(cli, MISSING, &id) != 0) {
        return -1;
    }
    path = mem_printf("/clusters/%s", id);
    if (http_expect(cli, "DELETE", path, NULL, 200, &answer) != 0) {
        return -1;
    }
    http_answer_fini(&answer);
    fprintf(cli->out, "Cluster %s deleted\n", id);
    return 0;
}

/* The flag's value if it was given, else what the cluster has. */
static int choose_flag(struct cli *cli, const json_t *cluster, const char *name, json_t *body)
{
    const char *text = flag_string(cli, name);
    bool value = js_bool(cluster, name);

    if (*text != '\0' && !flag_parse_bool(text, &value)) {
        return cli_fail(cli, "invalid argument \"%s\" for \"--%s\" flag: true or false expected", text, name);
    }
    json_object_set_new(body, name, json_boolean(value));
    return 0;
}

static int run_setflags(struct cli *cli)
{
    CLEANUP(free_ptr) char *path = NULL;
    struct http_answer answer;
    const char *id = NULL;
    json_t *cluster, *body;
    int rc;

    if (cli_need_id(cli, MISSING, &id) != 0) {
        return -1;
    }
    if (*flag_string(cli, "file") == '\0' && *flag_string(cli, "block") == '\0') {
        return cli_fail(cli, "At least one of --file or --block must be specified.");
    }
    if (http_get_id(cli, "/clusters/", id, &cluster) != 0) {
        return -1;
    }
    path = mem_printf("/clusters/%s/flags", id);
    body = json_object();
    rc = choose_flag(cli, cluster, "block", body) != 0 || choose_flag(cli, cluster, "file", body) != 0
             ? -1
             : http_expect(cli, "POST", path, body, 200, &answer);
    if (rc == 0) {
        http_answer_fini(&answer);
    }
    json_decref(body);
    json_decref(cluster);
    return rc;
}

static const struct cli_flag create_flags[] = {
    {"block", 0, CLI_BOOL, false, "true", NULL, "may hold block hosting volumes; --block=false: not"},
    {"file", 0, CLI_BOOL, false, "true", NULL, "may hold file volumes; --file=false: not"},
};

static const struct cli_flag set_flags[] = {
    {"block", 0, CLI_STRING, false, NULL, "BOOL", "may hold block hosting volumes"},
    {"file", 0, CLI_STRING, false, NULL, "BOOL", "may hold file volumes"},
};

static const struct cli_command commands[] = {
    {"cluster", "list", "", "clusters, and which volumes they may hold", NULL, NULL, 0, run_list, NULL},
    {"cluster", "info", "ID", "nodes and volumes of a cluster", NULL, NULL, 0, run_info, NULL},
    {"cluster", "create", "", "make an empty cluster", NULL, create_flags, 2, run_create, NULL},
    {"cluster", "setflags", "ID", "change which volumes a cluster may hold", NULL, set_flags, 2, run_setflags, NULL},
    {"cluster", "delete", "ID", "delete a cluster without nodes and volumes", NULL, NULL, 0, run_delete, NULL},
};

const struct cli_group cli_cluster = {"cluster", "Clusters of storage nodes", commands,
                                      sizeof(commands) / sizeof(*commands), NULL};

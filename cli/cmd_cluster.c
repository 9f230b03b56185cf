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
    json_t *body = json_pack("{s:b, s:b}", "block", flag_bool(cli, "block"), "file", flag_bool(cli, "file"));
    struct http_answer answer;
    json_t *cluster = NULL;
    int rc = http_request(cli, "POST", "/clusters", body, &answer);

    json_decref(body);
    if (rc != 0) {
        return -1;
    }
    if (answer.status == 201) {
        cluster = json_loads(buf_str(&answer.body), 0, NULL);
    }
    if (cluster == NULL) {
        rc = http_fail(cli, &answer);
    } else if (flag_json(cli)) {
        js_print(cli->out, cluster);
    } else {
        fprintf(cli->out, "Cluster id: %s\n", js_str(cluster, "id"));
    }
    json_decref(cluster);
    http_answer_fini(&answer);
    return rc;
}

static int run_delete(struct cli *cli)
{
    CLEANUP(free_ptr) char *path = NULL;
    struct http_answer answer;
    const char *id = NULL;
    int rc = 0;

    if (cli_need_id(cli, MISSING, &id) != 0) {
        return -1;
    }
    path = mem_printf("/clusters/%s", id);
    if (http_request(cli, "DELETE", path, NULL, &answer) != 0) {
        return -1;
    }
    if (answer.status == 200) {
        fprintf(cli->out, "Cluster %s deleted\n", id);
    } else {
        rc = http_fail(cli, &answer);
    }
    http_answer_fini(&answer);
    return rc;
}

static const struct cli_flag create_flags[] = {
    {"block", 0, CLI_BOOL, false, "true", NULL, "may hold block hosting volumes; --block=false: not"},
    {"file", 0, CLI_BOOL, false, "true", NULL, "may hold file volumes; --file=false: not"},
};

static const struct cli_command commands[] = {
    {"cluster", "list", "", "clusters, and which volumes they may hold", NULL, NULL, 0, run_list},
    {"cluster", "info", "ID", "nodes and volumes of a cluster", NULL, NULL, 0, run_info},
    {"cluster", "create", "", "make an empty cluster", NULL, create_flags, 2, run_create},
    {"cluster", "delete", "ID", "delete a cluster without nodes and volumes", NULL, NULL, 0, run_delete},
};

const struct cli_group cli_cluster = {"cluster", "Clusters of storage nodes", commands,
                                      sizeof(commands) / sizeof(*commands)};

/* hecate server ..., loglevel ...: administration. */
#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "store/base/mem.h"

/* ---- operations ---- */

static void print_counts(FILE *out, const json_t *counts)
{
    fprintf(out, "Operation Counts:\n  Total: %ld\n  In-Flight: %ld\n  New: %ld\n  Failed: %ld\n  Stale: %ld\n",
            (long)js_int(counts, "total"), (long)js_int(counts, "in_flight"), (long)js_int(counts, "new"),
            (long)js_int(counts, "failed"), (long)js_int(counts, "stale"));
}

static const char *status_word(const json_t *operation)
{
    const char *status = js_str(operation, "status");

    return *status != '\0' ? status : "New";
}

static void print_operation(FILE *out, const json_t *operation)
{
    json_t *change;
    size_t i;

    fprintf(out, "\nId: %s\nType: %s\nStatus: %s %s\nChanges:\n", js_str(operation, "id"),
            js_str(operation, "type_name"), status_word(operation), js_str(operation, "sub_status"));
    json_array_foreach(js_list(operation, "changes"), i, change)
    {
        fprintf(out, "    %s: %s\n", js_str(change, "description"), js_str(change, "id"));
    }
}

static int run_operations_info(struct cli *cli)
{
    json_t *object;
    int rc;

    rc = cli->n_args > 0 ? http_get_id(cli, "/operations/pending/", cli->args[0], &object)
                         : http_get(cli, "/operations", &object);
    if (rc != 0) {
        return -1;
    }
    if (cli->n_args > 0) {
        print_operation(cli->out, object);
    } else {
        print_counts(cli->out, object);
    }
    json_decref(object);
    return 0;
}

static int run_operations_list(struct cli *cli)
{
    json_t *list, *operation;
    size_t i;

    if (http_get(cli, "/operations/pending", &list) != 0) {
        return -1;
    }
    json_array_foreach(js_list(list, "pendingoperations"), i, operation)
    {
        fprintf(cli->out, "Id:%s  Type:%s  Status:%s %s\n", js_str(operation, "id"), js_str(operation, "type_name"),
                status_word(operation), js_str(operation, "sub_status"));
    }
    if (js_int(list, "left_out") > 0) {
        fprintf(cli->out, "and %ld more that are not shown; there are %ld in all\n", (long)js_int(list, "left_out"),
                (long)js_int(list, "total"));
    }
    json_decref(list);
    return 0;
}

static int run_operations_cleanup(struct cli *cli)
{
    json_t *body = json_object(), *ids = json_array();
    int rc;

    for (size_t i = 0; i < cli->n_args; i++) {
        json_array_append_new(ids, json_string(cli->args[i]));
    }
    if (cli->n_args > 0) {
        json_object_set(body, "operations", ids);
    }
    rc = http_job(cli, "POST", "/operations/pending/cleanup", body, NULL);
    json_decref(ids);
    json_decref(body);
    if (rc == 0) {
        fprintf(cli->err,
                "Note: Operation clean up is a batch operation.\n"
                "* The results of individual operation clean ups are not reported here.\n"
                "* Use '%s server operations [list|info]' to view operations.\n",
                cli->program);
    }
    return rc;
}

/* ---- mode, state ---- */

static int run_mode_get(struct cli *cli)
{
    json_t *object;

    if (http_get(cli, "/admin", &object) != 0) {
        return -1;
    }
    fprintf(cli->out, "%s\n", js_str(object, "state"));
    json_decref(object);
    return 0;
}

static int run_mode_set(struct cli *cli)
{
    struct http_answer answer;
    json_t *body;
    int rc;

    if (cli->n_args == 0) {
        return cli_fail(cli, "missing mode argument");
    }
    if (cli->n_args > 1) {
        return cli_fail(cli, "too many arguments");
    }
    body = json_pack("{s:s}", "state", cli->args[0]);
    rc = http_expect(cli, "POST", "/admin", body, 204, &answer);
    json_decref(body);
    if (rc == 0) {
        http_answer_fini(&answer);
    }
    return rc;
}

static int run_examine(struct cli *cli)
{
    return cli_print_body(cli, "/internal/state/examine/gluster");
}

static const struct cli_command server_commands[] = {
    {"server", "operations info", "[ID]", "how many operations there are, or one of them with its changes", NULL, NULL,
     0, run_operations_info, NULL},
    {"server", "operations list", "", "operations that have not ended", NULL, NULL, 0, run_operations_list, NULL},
    {"server", "operations cleanup", "[ID...]", "undo operations that are stale or have failed; all, or these", NULL,
     NULL, 0, run_operations_cleanup, NULL},
    {"server", "mode get", "", "normal, read-only or local-client", NULL, NULL, 0, run_mode_get, NULL},
    {"server", "mode set", "MODE", "set the mode",
     "read-only refuses every change, this one included: it ends when the server gets the signal SIGUSR2.\n"
     "local-client takes changes only from the server's own host.",
     NULL, 0, run_mode_set, NULL},
    {"server", "state examine gluster", "", "compare the database with the storage nodes", NULL, NULL, 0, run_examine,
     NULL},
};

const struct cli_group cli_server = {"server", "The server itself", server_commands,
                                     sizeof(server_commands) / sizeof(*server_commands), NULL};

/* ---- log level ---- */

static int run_level_get(struct cli *cli)
{
    json_t *object;

    if (http_get(cli, "/internal/logging", &object) != 0) {
        return -1;
    }
    fprintf(cli->out, "%s\n", js_str(js_object(object, "loglevel"), "glusterfs"));
    json_decref(object);
    return 0;
}

static int run_level_set(struct cli *cli)
{
    struct http_answer answer;
    json_t *body;
    int rc;

    if (cli->n_args == 0) {
        return cli_fail(cli, "missing log-level argument");
    }
    if (cli->n_args > 1) {
        return cli_fail(cli, "too many arguments");
    }
    body = json_pack("{s:{s:s}}", "loglevel", "glusterfs", cli->args[0]);
    rc = http_expect(cli, "POST", "/internal/logging", body, 200, &answer);
    json_decref(body);
    if (rc == 0) {
        http_answer_fini(&answer);
        fprintf(cli->out, "Server log level updated\n");
    }
    return rc;
}

static const struct cli_command level_commands[] = {
    {"loglevel", "get", "", "how much the server logs", NULL, NULL, 0, run_level_get, NULL},
    {"loglevel", "set", "LEVEL", "none, critical, error, warning, info or debug", NULL, NULL, 0, run_level_set, NULL},
};

const struct cli_group cli_loglevel = {"loglevel", "The server's log", level_commands,
                                       sizeof(level_commands) / sizeof(*level_commands), NULL};

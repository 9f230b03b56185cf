/* Tags of nodes and devices: settags and rmtags. */
#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "store/base/mem.h"

const struct cli_flag cli_set_tags_flags[1] = {
    {"exact", 'e', CLI_BOOL, false, NULL, NULL, "remove all other tags"},
};

const struct cli_flag cli_remove_tags_flags[1] = {
    {"all", 0, CLI_BOOL, false, NULL, NULL, "remove all tags"},
};

/* POST PREFIX/ID/tags; tags: stolen. */
static int send(struct cli *cli, const char *prefix, const char *change, json_t *tags)
{
    CLEANUP(free_ptr) char *path = mem_printf("%s%s/tags", prefix, cli->args[0]);
    json_t *body = json_pack("{s:s, s:o}", "change_type", change, "tags", tags);
    struct http_answer answer;
    int rc = http_expect(cli, "POST", path, body, 200, &answer);

    json_decref(body);
    if (rc == 0) {
        http_answer_fini(&answer);
    }
    return rc;
}

int cli_set_tags(struct cli *cli, const char *prefix)
{
    json_t *tags;

    if (cli->n_args == 0) {
        return cli_fail(cli, "id required");
    }
    if (cli->n_args == 1) {
        return cli_fail(cli, "at least one tag:value pair expected");
    }
    tags = json_object();
    for (size_t i = 1; i < cli->n_args; i++) {
        const char *colon = strchr(cli->args[i], ':');

        if (colon == NULL) {
            json_decref(tags);
            return cli_fail(cli, "expected colon (:) between tag name and value, got: %s", cli->args[i]);
        }
        json_object_setn_new(tags, cli->args[i], (size_t)(colon - cli->args[i]), json_string(colon + 1));
    }
    return send(cli, prefix, flag_bool(cli, "exact") ? "set" : "update", tags);
}

int cli_remove_tags(struct cli *cli, const char *prefix)
{
    json_t *tags;

    if (cli->n_args == 0) {
        return cli_fail(cli, "id required");
    }
    if (flag_bool(cli, "all")) {
        return send(cli, prefix, "set", json_object());
    }
    if (cli->n_args == 1) {
        return cli_fail(cli, "at least one tag expected");
    }
    tags = json_object();
    for (size_t i = 1; i < cli->n_args; i++) {
        json_object_set_new(tags, cli->args[i], json_string(""));
    }
    return send(cli, prefix, "delete", tags);
}

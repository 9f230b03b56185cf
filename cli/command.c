/* What commands of several groups share. */
#include <stdlib.h>

#include "cli/http.h"
#include "store/base/check.h"
#include "store/base/mem.h"

int cli_need_id(struct cli *cli, const char *message, const char **ret_id)
{
    if (cli->n_args == 0 || *cli->args[0] == '\0') {
        return cli_fail(cli, "%s", message);
    }
    *ret_id = cli->args[0];
    return 0;
}

int cli_show(struct cli *cli, const char *prefix, const char *missing, void (*layout)(FILE *out, const json_t *object))
{
    const char *id = NULL;
    json_t *object;

    if (cli_need_id(cli, missing, &id) != 0 || http_get_id(cli, prefix, id, &object) != 0) {
        return -1;
    }
    if (flag_json(cli)) {
        js_print(cli->out, object);
    } else {
        layout(cli->out, object);
    }
    json_decref(object);
    return 0;
}

int cli_set_state(struct cli *cli, const char *prefix, const char *word, const char *missing, const char *state)
{
    CLEANUP(free_ptr) char *path = NULL;
    const char *id = NULL;
    json_t *body;
    int rc;

    if (cli_need_id(cli, missing, &id) != 0) {
        return -1;
    }
    path = mem_printf("%s%s/state", prefix, id);
    body = json_pack("{s:s}", "state", state);
    rc = http_job(cli, "POST", path, body, NULL);
    json_decref(body);
    if (rc == 0) {
        fprintf(cli->out, "%s %s is now %s\n", word, id, state);
    }
    return rc;
}

int cli_each(struct cli *cli, const json_t *document, const char *member, const char *prefix, const char *heading,
             void (*fn)(FILE *out, const json_t *object))
{
    char *text = NULL;
    size_t len = 0, i;
    FILE *lines = open_memstream(&text, &len);
    json_t *id;
    int rc = 0;

    CHECK(lines != NULL);
    json_array_foreach(js_list(document, member), i, id)
    {
        json_t *object = NULL;

        if (!json_is_string(id)) {
            rc = cli_fail(cli, "the server's list holds no ids");
        } else if (rc == 0) {
            rc = http_get_id(cli, prefix, json_string_value(id), &object);
        }
        if (object != NULL) {
            fn(lines, object);
            json_decref(object);
        }
    }
    CHECK(fclose(lines) == 0);
    if (rc == 0) {
        fprintf(cli->out, "%s%s", heading, text);
    }
    free(text);
    return rc;
}

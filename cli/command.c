/* What commands of several groups share. */
#include <stdlib.h>
#include <string.h>

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

/* object: stolen. */
static void print(struct cli *cli, json_t *object, void (*layout)(FILE *out, const json_t *object))
{
    if (flag_json(cli)) {
        js_print(cli->out, object);
    } else {
        layout(cli->out, object);
    }
    json_decref(object);
}

int cli_show(struct cli *cli, const char *prefix, const char *missing, void (*layout)(FILE *out, const json_t *object))
{
    const char *id = NULL;
    json_t *object;

    if (cli_need_id(cli, missing, &id) != 0 || http_get_id(cli, prefix, id, &object) != 0) {
        return -1;
    }
    print(cli, object, layout);
    return 0;
}

int cli_set_state(struct cli *cli, const char *prefix, const char *word, const char *missing, const char *state,
                  json_t *more)
{
    CLEANUP(free_ptr) char *path = NULL;
    const char *id = NULL;
    json_t *body = json_pack("{s:s}", "state", state);
    int rc = cli_need_id(cli, missing, &id);

    if (rc == 0) {
        (void)json_object_update(body, more);
        path = mem_printf("%s%s/state", prefix, id);
        rc = http_job(cli, "POST", path, body, NULL);
    }
    json_decref(more);
    json_decref(body);
    if (rc == 0) {
        fprintf(cli->out, "%s %s is now %s\n", word, id, strcmp(state, "failed") == 0 ? "removed" : state);
    }
    return rc;
}

int cli_delete(struct cli *cli, const char *prefix, const char *word, const char *missing, json_t *body)
{
    CLEANUP(free_ptr) char *path = NULL;
    const char *id = NULL;
    int rc = cli_need_id(cli, missing, &id);

    if (rc == 0) {
        path = mem_printf("%s%s", prefix, id);
        rc = http_job(cli, "DELETE", path, body, NULL);
    }
    json_decref(body);
    if (rc == 0) {
        fprintf(cli->out, "%s %s deleted\n", word, id);
    }
    return rc;
}

int cli_delete_query(struct cli *cli, const char *prefix, const char *word, const char *missing, const char *flag,
                     const char *query)
{
    CLEANUP(free_ptr) char *path = NULL;
    const char *id = NULL;

    if (!flag_bool(cli, flag)) {
        return cli_delete(cli, prefix, word, missing, NULL);
    }
    if (cli_need_id(cli, missing, &id) != 0) {
        return -1;
    }
    path = mem_printf("%s%s", prefix, id);
    if (http_job_query(cli, "DELETE", path, query, NULL, NULL) != 0) {
        return -1;
    }
    fprintf(cli->out, "%s %s deleted\n", word, id);
    return 0;
}

int cli_job_shown(struct cli *cli, const char *path, json_t *body, void (*layout)(FILE *out, const json_t *object))
{
    json_t *object;
    int rc = http_job(cli, "POST", path, body, &object);

    json_decref(body);
    if (rc != 0) {
        return -1;
    }
    print(cli, object, layout);
    return 0;
}

int cli_print_body(struct cli *cli, const char *path)
{
    struct http_sink sink = {.file = cli->out};
    struct http_answer answer;
    int rc;

    if (http_long(cli, "GET", path, NULL, &sink, &answer) != 0) {
        return -1;
    }
    rc = answer.status == 200 ? 0 : http_fail(cli, &answer);
    http_answer_fini(&answer);
    return rc;
}

json_t *cli_split(const char *text)
{
    json_t *list = json_array();

    while (*text != '\0') {
        size_t len = strcspn(text, ",");

        json_array_append_new(list, json_stringn(text, len));
        text += len + (text[len] == ',');
    }
    return list;
}

void cli_set_list(json_t *body, const char *member, const char *text)
{
    if (*text != '\0') {
        json_object_set_new(body, member, cli_split(text));
    }
}

struct each {
    struct cli *cli;
    const char *heading; /* NULL: it is printed */
    void (*fn)(FILE *out, const json_t *object);
};

static void print_heading(struct each *each)
{
    if (each->heading != NULL) {
        fprintf(each->cli->out, "%s", each->heading);
        each->heading = NULL;
    }
}

static void print_each(void *user, const json_t *object)
{
    struct each *each = user;

    print_heading(each);
    each->fn(each->cli->out, object);
}

int cli_each(struct cli *cli, const json_t *document, const char *member, const char *prefix, const char *heading,
             void (*fn)(FILE *out, const json_t *object))
{
    struct each each = {cli, heading, fn};

    if (http_each(cli, prefix, js_list(document, member), print_each, &each) != 0) {
        return -1;
    }
    print_heading(&each);
    return 0;
}

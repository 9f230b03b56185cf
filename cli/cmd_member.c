/* hecate leader ...: the members that run the service. */
#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "store/base/mem.h"

/* The number of a member; cli_fail otherwise. */
static int parse_member(struct cli *cli, const char *text, json_int_t *ret_id)
{
    char *end;

    *ret_id = strtoll(text, &end, 10);
    if (*text < '1' || *text > '9' || *end != '\0' || *ret_id <= 0) {
        return cli_fail(cli, "%s is not the number of a member", text);
    }
    return 0;
}

/* POST with a JSON answer; new reference. */
static int ask(struct cli *cli, const char *path, const json_t *body, json_t **ret_answer)
{
    struct http_answer answer;

    if (http_expect(cli, "POST", path, body, 200, &answer) != 0) {
        return -1;
    }
    *ret_answer = json_loads(buf_str(&answer.body), 0, NULL);
    http_answer_fini(&answer);
    return 0;
}

static int run_transfer(struct cli *cli)
{
    json_t *body = json_object(), *answer = NULL;
    json_int_t target = 0;
    int rc = 0;

    if (cli->n_args > 0) {
        rc = parse_member(cli, cli->args[0], &target);
        json_object_set_new(body, "member", json_integer(target));
    }
    if (rc == 0) {
        rc = ask(cli, "/cluster/transfer", body, &answer);
    }
    json_decref(body);
    if (rc == 0) {
        fprintf(cli->out, "Member %ld leads\n", (long)js_int(answer, "leader"));
        json_decref(answer);
    }
    return rc;
}

static const struct cli_command leader_commands[] = {
    {"leader", "transfer", "[MEMBER]", "let another member lead; no request fails",
     "Without a number the most advanced member is chosen. Returns when it leads.", NULL, 0, run_transfer, NULL},
};

const struct cli_group cli_leader = {"leader", "The leading member", leader_commands,
                                     sizeof(leader_commands) / sizeof(*leader_commands), NULL};

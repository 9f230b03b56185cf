/* hecate leader ..., member ..., upgrade ...: the members that run the service. */
#include <stdlib.h>
#include <string.h>

#include "cli/http_priv.h"
#include "store/base/mem.h"

#define REMOVE_TRIES 3

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

/* From is named, so that a repetition of the request does not hand over again. */
static int hand_over(struct cli *cli, json_int_t from, json_t **ret_answer)
{
    json_t *body = json_pack("{s:I}", "from", from);
    int rc = ask(cli, "/cluster/transfer", body, ret_answer);

    json_decref(body);
    return rc;
}

static int hand_over_from_leader(struct cli *cli, json_t **ret_answer)
{
    json_t *document, *item;
    json_int_t from = 0;
    size_t i;

    if (http_get(cli, "/cluster/members", &document) != 0) {
        return -1;
    }
    json_array_foreach(js_list(document, "members"), i, item)
    {
        from = js_bool(item, "leader") ? js_int(item, "id") : from;
    }
    json_decref(document);
    return hand_over(cli, from, ret_answer);
}

static int run_transfer(struct cli *cli)
{
    json_t *answer = NULL;
    json_int_t target;
    int rc;

    if (cli->n_args > 0) {
        json_t *body;

        if (parse_member(cli, cli->args[0], &target) != 0) {
            return -1;
        }
        body = json_pack("{s:I}", "member", target);
        rc = ask(cli, "/cluster/transfer", body, &answer);
        json_decref(body);
    } else {
        rc = hand_over_from_leader(cli, &answer);
    }
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

/* ---- members ---- */

static void print_members(FILE *out, const json_t *document)
{
    json_t *item;
    size_t i;

    json_array_foreach(js_list(document, "members"), i, item)
    {
        const char *role = js_str(item, "role"), *becomes = js_str(item, "becomes");

        fprintf(out, "Id:%ld  Role:%s%s%s%s  Peer:%s  Api:%s  %s  Lag:%ld\n", (long)js_int(item, "id"), role,
                strcmp(role, becomes) != 0 ? ", becomes " : "", strcmp(role, becomes) != 0 ? becomes : "",
                js_bool(item, "leader") ? ", leader" : "", js_str(item, "peer"), js_str(item, "api"),
                js_bool(item, "connected") ? "connected" : "not connected", (long)js_int(item, "lag"));
    }
}

typedef void (*print_fn)(FILE *out, const json_t *document);

/* The document is taken. */
static void show(struct cli *cli, json_t *document, print_fn print)
{
    if (flag_json(cli)) {
        js_print(cli->out, document);
    } else {
        print(cli->out, document);
    }
    json_decref(document);
}

static int get_and_show(struct cli *cli, const char *path, print_fn print)
{
    json_t *document;

    if (http_get(cli, path, &document) != 0) {
        return -1;
    }
    show(cli, document, print);
    return 0;
}

static int run_list(struct cli *cli)
{
    return get_and_show(cli, "/cluster/members", print_members);
}

static int need_member(struct cli *cli, json_int_t *ret_id)
{
    const char *text = NULL;

    return cli_need_id(cli, "the number of a member is missing", &text) != 0 ? -1 : parse_member(cli, text, ret_id);
}

/* The body is taken. */
static int change(struct cli *cli, const char *method, const char *path, json_t *body)
{
    json_t *document = NULL;
    struct http_answer answer;
    int rc = http_expect(cli, method, path, body, 200, &answer);

    json_decref(body);
    if (rc == 0) {
        document = json_loads(buf_str(&answer.body), 0, NULL);
        http_answer_fini(&answer);
        show(cli, document, print_members);
    }
    return rc;
}

static json_t *place(struct cli *cli, json_int_t id)
{
    json_t *body = json_pack("{s:I}", "member", id);

    if (*flag_string(cli, "peer") != '\0') {
        json_object_set_new(body, "peer", json_string(flag_string(cli, "peer")));
    }
    if (*flag_string(cli, "api") != '\0') {
        json_object_set_new(body, "api", json_string(flag_string(cli, "api")));
    }
    return body;
}

static int run_add(struct cli *cli)
{
    json_int_t id;
    json_t *body;

    if (need_member(cli, &id) != 0) {
        return -1;
    }
    body = place(cli, id);
    if (flag_bool(cli, "standby")) {
        json_object_set_new(body, "standby", json_true());
    }
    return change(cli, "POST", "/cluster/members", body);
}

static int run_replace(struct cli *cli)
{
    json_int_t id;
    json_t *body;

    if (need_member(cli, &id) != 0) {
        return -1;
    }
    body = place(cli, id);
    json_object_set_new(body, "replace", json_true());
    return change(cli, "POST", "/cluster/members", body);
}

/* The refusal of a member that leads; whatever else is wrong stays as it is. */
static bool leads(const struct http_answer *answer)
{
    json_t *document = answer->status == 409 ? json_loads(buf_str(&answer->body), 0, NULL) : NULL;
    bool found = strstr(js_str(document, "reason"), "it leads") != NULL;

    json_decref(document);
    return found;
}

/* One that leads is let go first; it may be elected again before it is removed. */
static int run_remove(struct cli *cli)
{
    CLEANUP(free_ptr) char *path = NULL;
    struct http_answer answer;
    json_int_t id = 0;

    if (need_member(cli, &id) != 0) {
        return -1;
    }
    path = mem_printf("/cluster/members/%ld", (long)id);
    for (int i = 0;; i++) {
        json_t *document;
        int rc;

        if (http_request(cli, "DELETE", path, NULL, &answer) != 0) {
            return -1;
        }
        if (leads(&answer) && i < REMOVE_TRIES) {
            http_answer_fini(&answer);
            if (hand_over(cli, id, &document) != 0) {
                return -1;
            }
            json_decref(document);
            continue;
        }
        rc = http_document(cli, &answer, 200, &document);
        http_answer_fini(&answer);
        if (rc == 0) {
            show(cli, document, print_members);
        }
        return rc;
    }
}

static int ask_for(struct cli *cli, const char *what)
{
    CLEANUP(free_ptr) char *path = NULL;
    json_int_t id;

    if (need_member(cli, &id) != 0) {
        return -1;
    }
    path = mem_printf("/cluster/members/%ld/%s", (long)id, what);
    return change(cli, "POST", path, NULL);
}

static int run_promote(struct cli *cli)
{
    return ask_for(cli, "promote");
}

static int run_renew(struct cli *cli)
{
    return ask_for(cli, "renew");
}

static const struct cli_flag add_flags[] = {
    {"peer", 0, CLI_STRING, false, NULL, "HOST:PORT", "where the other members reach it"},
    {"api", 0, CLI_STRING, false, NULL, "HOST:PORT", "where the other members reach its REST API"},
    {"standby", 0, CLI_BOOL, false, NULL, NULL, "it gets everything, but no vote until it is promoted"},
};

static const struct cli_command member_commands[] = {
    {"member", "list", "", "the members, and what they are", NULL, NULL, 0, run_list, NULL},
    {"member", "add", "MEMBER", "add a member, or tell where one is now",
     "A new member needs both addresses and an empty data directory; its own configuration names it and the members\n"
     "that there are. It gets a copy of everything and then votes. It may be started before or afterwards.",
     add_flags, 3, run_add, NULL},
    {"member", "remove", "MEMBER", "remove a member; one that leads hands leadership over first", NULL, NULL, 0,
     run_remove, NULL},
    {"member", "replace", "MEMBER", "let a member that has lost its disk begin again, perhaps elsewhere",
     "Its data directory must be empty: move away what is left. Start it before or afterwards.", add_flags, 2,
     run_replace, NULL},
    {"member", "promote", "MEMBER", "give a standby a vote, as soon as it has caught up", NULL, NULL, 0, run_promote,
     NULL},
    {"member", "renew", "MEMBER", "let a member come back that was given a new key while it was stopped",
     "The cluster forgets its key, and takes the one that it shows next. For a running member it is not needed.", NULL,
     0, run_renew, NULL},
};

const struct cli_group cli_member = {"member", "The members of the cluster", member_commands,
                                     sizeof(member_commands) / sizeof(*member_commands), NULL};

/* ---- feature levels ---- */

static void print_upgrade(FILE *out, const json_t *document)
{
    json_t *item;
    size_t i;

    fprintf(out, "Feature level: %ld%s\nAll members know: %ld\n", (long)js_int(document, "feature_level"),
            js_bool(document, "held") ? ", held" : "", (long)js_int(document, "all_know"));
    json_array_foreach(js_list(document, "members"), i, item)
    {
        const json_t *levels = js_list(item, "levels");

        fprintf(out, "Id:%ld  Version:%s  Levels:%ld to %ld\n", (long)js_int(item, "id"), js_str(item, "version"),
                (long)json_integer_value(json_array_get(levels, 0)),
                (long)json_integer_value(json_array_get(levels, 1)));
    }
}

static int run_upgrade_status(struct cli *cli)
{
    return get_and_show(cli, "/cluster/upgrade", print_upgrade);
}

static int set_hold(struct cli *cli, const char *path)
{
    json_t *body = json_object(), *document = NULL;
    int rc = ask(cli, path, body, &document);

    json_decref(body);
    if (rc == 0) {
        show(cli, document, print_upgrade);
    }
    return rc;
}

static int run_hold(struct cli *cli)
{
    return set_hold(cli, "/cluster/upgrade/hold");
}

static int run_finalize(struct cli *cli)
{
    return set_hold(cli, "/cluster/upgrade/finalize");
}

static const struct cli_command upgrade_commands[] = {
    {"upgrade", "status", "", "the feature level, and which levels each member knows", NULL, NULL, 0,
     run_upgrade_status, NULL},
    {"upgrade", "hold", "", "do not raise the feature level: the older release can be put back", NULL, NULL, 0,
     run_hold, NULL},
    {"upgrade", "finalize", "", "raise the feature level as soon as all members know the next one", NULL, NULL, 0,
     run_finalize, NULL},
};

const struct cli_group cli_upgrade = {"upgrade", "Feature levels of a rolling upgrade", upgrade_commands,
                                      sizeof(upgrade_commands) / sizeof(*upgrade_commands), NULL};

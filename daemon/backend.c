/* What the API asks for: a validated request becomes a plan, a command, a committed operation.
 *
 * A plan is made against the present state and checked again when it is applied; if the state moved in between, it is
 * made anew, a few times. Node add asks glusterd first, as Heketi does, before anything is recorded.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/member_priv.h"
#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"

#define PLAN_ATTEMPTS 5
#define CHECKS_TOLD 8 /* nodes whose glusterd does not answer */
#define SUBMIT_MAGIC 0x7375626d

struct submit {
    uint32_t magic;
    struct member *member;
    struct store_request request;
    unsigned attempts;
    struct id checked; /* node add: the node whose glusterd was asked last, ID_NONE before the first */
    size_t n_failed;   /* of those who were asked */
    struct buf why;    /* a line of each of the first of them */
    api_submit_cb cb;
    void *cb_user;
};

/* ---- who serves ---- */

bool backend_serving(void *user)
{
    return member_serving(user);
}

const char *backend_blocked(void *user)
{
    return load_blocks(user);
}

const struct store *backend_store(void *user)
{
    return ((struct member *)user)->store;
}

bool backend_leader(void *user, struct api_leader *ret_leader)
{
    struct member *member = user;
    struct cons_status status;

    cons_get_status(member->cons, &status);
    for (size_t i = 0; i < status.n_members; i++) {
        const struct cons_member_status *item = &status.members[i];

        if (item->id == status.leader_id && item->id != (uint64_t)member->cfg->member_id) {
            ret_leader->tls = member->cfg->enable_tls;
            return cfg_split_address(item->note, ret_leader->host, sizeof(ret_leader->host), &ret_leader->port);
        }
    }
    return false;
}

/* By the peers' addresses, those that are numbers: a member forwards from where its peers reach it. */
bool backend_is_member(void *user, const struct sockaddr *address)
{
    struct member *member = user;
    struct cons_status status;
    char from[INET6_ADDRSTRLEN], host[CONS_TEXT_MAX];
    const char *numbers;
    uint16_t port;

    if (uv_ip_name(address, from, sizeof(from)) != 0) {
        return false;
    }
    numbers = strncmp(from, "::ffff:", 7) == 0 && strchr(from, '.') != NULL ? from + 7 : from;
    cons_get_status(member->cons, &status);
    for (size_t i = 0; i < status.n_members; i++) {
        if (status.members[i].id != (uint64_t)member->cfg->member_id &&
            cfg_split_address(status.members[i].address, host, sizeof(host), &port) && strcmp(host, numbers) == 0) {
            return true;
        }
    }
    return false;
}

struct id backend_generation(void *user)
{
    struct cons_status status;

    cons_get_status(((struct member *)user)->cons, &status);
    return status.cluster_id;
}

/* ---- submits ---- */

static void finish(struct submit *submit, const struct api_submit_result *result)
{
    submit->cb(submit->cb_user, result);
    store_request_fini(&submit->request);
    buf_fini(&submit->why);
    submit->magic = 0;
    free(submit);
}

/* untouched: nothing was changed, so the request may be tried elsewhere. */
static void finish_unavailable(struct submit *submit, bool untouched, const char *text)
{
    finish(submit, &(struct api_submit_result){.kind = API_UNAVAILABLE, .untouched = untouched, .text = text});
}

static void finish_refused(struct submit *submit, enum store_code code, const char *text)
{
    finish(submit, &(struct api_submit_result){.kind = API_REFUSED, .code = code, .text = text});
}

static bool is_job(enum store_request_type type)
{
    switch (type) {
    case STORE_REQ_CLUSTER_CREATE:
    case STORE_REQ_CLUSTER_FLAGS:
    case STORE_REQ_CLUSTER_DELETE:
    case STORE_REQ_NODE_TAGS:
    case STORE_REQ_DEVICE_TAGS:
    case STORE_REQ_MODE:
    case STORE_REQ_LOG_LEVEL:
    case STORE_REQ_TOLD:
        return false;
    default:
        return true;
    }
}

void backend_asked(void *user, struct id op_id)
{
    struct member *member = user;

    asked_note(member->asked, op_id, (int64_t)uv_now(member->loop));
}

static void finish_applied(struct submit *submit, const struct store_result *result)
{
    struct api_submit_result answer = {
        .kind = is_job(submit->request.type) ? API_ACCEPTED : API_DONE,
        .id = result->id,
        .op_id = result->op_id,
        .text = "",
    };

    if (submit->request.type == STORE_REQ_VOLUME_CREATE) {
        backend_asked(submit->member, result->op_id); /* it will be, soon */
    }
    finish(submit, &answer);
}

static void plan_and_propose(struct submit *submit);

static void proposed(void *user, int status, const struct store_result *result)
{
    struct submit *submit = user;

    CHECK_MAGIC(submit, SUBMIT_MAGIC);
    if (status == E_BUSY) {
        finish_refused(submit, STORE_TOO_BUSY, "Server busy. Retry operation later.");
    } else if (status == E_INVALID) {
        finish_refused(submit, STORE_BAD_REQUEST,
                       "The request is too large: what is recorded of it is limited to 1 MiB (volume options, tags)");
    } else if (status == E_NOT_LEADER) {
        finish_unavailable(submit, true, "this member is no longer the leader; nothing was changed");
    } else if (status != 0) {
        finish_unavailable(submit, false,
                           "leadership was lost before the request was confirmed; it may still be carried out");
    } else if (result->code == STORE_STALE_PLAN) {
        plan_and_propose(submit);
    } else if (result->code == STORE_OK || result->code == STORE_REPEATED) {
        finish_applied(submit, result);
    } else {
        finish_refused(submit, result->code, result->text);
    }
}

/* The refusal of a plan; where no place was found, also why not. */
static void finish_no_plan(struct submit *submit, const struct store_result *result,
                           const struct store_reasons *reasons)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;

    buf_append_str(&text, result->text);
    store_reasons_print(submit->member->store, reasons, &text);
    finish_refused(submit, result->code, buf_str(&text));
}

static void plan_and_propose(struct submit *submit)
{
    struct member *member = submit->member;
    CLEANUP(store_reasons_fini) struct store_reasons reasons = {NULL, 0};
    struct store_plan_env env;
    struct store_result result;
    struct store_cmd cmd;
    enum store_code code;

    if (!member_serving(member)) {
        finish_unavailable(submit, true, "this member is no longer the leader; nothing was changed");
        return;
    }
    if (submit->attempts++ >= PLAN_ATTEMPTS) {
        finish_refused(submit, STORE_TOO_BUSY, "Server busy. Retry operation later.");
        return;
    }
    memset(&result, 0, sizeof(result));
    member_plan_env(member, &env);
    env.reasons = &reasons;
    code = store_plan(member->store, &submit->request, &env, &cmd, &result);
    if (code == STORE_REPEATED) {
        finish_applied(submit, &result);
    } else if (code != STORE_OK) {
        finish_no_plan(submit, &result, &reasons);
    } else {
        member_propose(member, &cmd, proposed, submit);
        store_cmd_fini(&cmd);
    }
}

enum store_code backend_plan(void *user, const struct store_request *request, struct store_reasons *reasons,
                             struct store_cmd *ret_cmd, struct store_result *ret_result)
{
    struct member *member = user;
    struct store_plan_env env;

    member_plan_env(member, &env);
    env.reasons = reasons;
    env.asked = NULL; /* what a volume of its own would be like */
    return store_plan(member->store, request, &env, ret_cmd, ret_result);
}

/* ---- node add: is glusterd there? ---- */

static void glusterd_checked(void *user, int code, const char *message);

/* The first node of the cluster after `checked` that is online, settled and not known to be down. */
static const struct store_node *next_verifier(const struct submit *submit)
{
    const struct member *member = submit->member;
    const struct store_node *node = NULL;

    while ((node = store_cluster_node_next(member->store, submit->request.cluster, node)) != NULL) {
        bool usable = node->state == STORE_STATE_ONLINE && id_is_none(node->pending) &&
                      !op_driver_node_down(member->driver, node->id);

        if (usable && (id_is_none(submit->checked) || id_cmp(&node->id, &submit->checked) > 0)) {
            return node;
        }
    }
    return NULL;
}

static bool cluster_has_nodes(const struct submit *submit)
{
    const struct store_node *node = NULL;

    while ((node = store_cluster_node_next(submit->member->store, submit->request.cluster, node)) != NULL) {
        if (id_is_none(node->pending)) {
            return true;
        }
    }
    return false;
}

static bool hostname_taken(const struct submit *submit)
{
    struct store_plan_env env;
    struct store_result result;
    struct store_cmd cmd;
    enum store_code code;

    /* A plan tells everything that is wrong with the request before any node is asked. */
    member_plan_env(submit->member, &env);
    memset(&result, 0, sizeof(result));
    code = store_plan(submit->member->store, &submit->request, &env, &cmd, &result);
    if (code == STORE_OK) {
        store_cmd_fini(&cmd);
    }
    return code != STORE_OK;
}

/* What the node that was asked last has said, or why it could not be asked; the first few nodes are enough. */
static void note_failed_check(struct submit *submit, const char *message)
{
    const struct store_node *node = store_node(submit->member->store, submit->checked);
    const char *host = node != NULL ? node->manage.items[0] : submit->request.manage.items[0];

    if (submit->n_failed++ < CHECKS_TOLD) {
        char line[512];

        text_line(line, sizeof(line), message);
        buf_printf(&submit->why, "\n  host %s: %s", host, line);
    }
}

/* Heketi's line, and what it does not tell: a host that is not there, its key, the login, sudo and glusterd all look
 * alike in it. */
static void finish_unchecked(struct submit *submit, const char *line)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;

    buf_printf(&text, "%s%s", line, buf_str(&submit->why));
    if (submit->n_failed > CHECKS_TOLD) {
        buf_printf(&text, "\n  and %zu more", submit->n_failed - CHECKS_TOLD);
    }
    finish_refused(submit, STORE_BAD_REQUEST, buf_str(&text));
}

static void check_glusterd(struct submit *submit)
{
    struct member *member = submit->member;
    const struct store_node *node;

    if (!member_serving(member)) {
        finish_unavailable(submit, true, "this member is no longer the leader; nothing was changed");
        return;
    }
    if (hostname_taken(submit)) {
        plan_and_propose(submit); /* answers with the refusal */
        return;
    }
    if (!cluster_has_nodes(submit)) {
        op_driver_check_glusterd(member->driver, submit->request.manage.items[0], ID_NONE, glusterd_checked, submit);
        return;
    }
    node = next_verifier(submit);
    if (node == NULL) {
        finish_unchecked(submit, "None of the nodes in cluster has glusterd running");
        return;
    }
    submit->checked = node->id;
    op_driver_check_glusterd(member->driver, node->manage.items[0], node->id, glusterd_checked, submit);
}

static void glusterd_checked(void *user, int code, const char *message)
{
    struct submit *submit = user;

    CHECK_MAGIC(submit, SUBMIT_MAGIC);
    if (code == 0) {
        plan_and_propose(submit);
        return;
    }
    LOG(LOG_WARNING, "backend", "glusterd check before node add failed", LF_STR("reason", message));
    note_failed_check(submit, message);
    if (id_is_none(submit->checked)) {
        finish_unchecked(submit, "New Node doesn't have glusterd running");
    } else {
        check_glusterd(submit);
    }
}

void backend_submit(void *user, const struct store_request *request, api_submit_cb cb, void *cb_user)
{
    struct member *member = user;
    struct submit *submit = mem_calloc(1, sizeof(*submit));

    CHECK_MAGIC(member, MEMBER_MAGIC);
    submit->magic = SUBMIT_MAGIC;
    submit->member = member;
    submit->cb = cb;
    submit->cb_user = cb_user;
    store_request_copy(&submit->request, request);
    if (request->type == STORE_REQ_NODE_ADD) {
        check_glusterd(submit);
    } else {
        plan_and_propose(submit);
    }
}

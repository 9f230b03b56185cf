#include "daemon/event.h"

#include <stdlib.h>

#include "daemon/json_text.h"
#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

static void append_json(struct buf *buf, json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);

    CHECK(document != NULL && text != NULL);
    buf_append_str(buf, text);
    free(text);
    json_decref(document);
}

static const char *operation_event(const struct store_operation *op, const char *state, const char *reason,
                                   struct buf *json)
{
    if (op == NULL) {
        return NULL;
    }
    append_json(json,
                json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id_text(op->id).text, "type", store_op_type_name(op->type),
                          "target", id_text(op->target).text, "state", state, "reason", json_text(reason)));
    return "operation";
}

static const char *ended_event(const struct store_job *job, struct buf *json)
{
    if (job == NULL) {
        return NULL;
    }
    append_json(json,
                json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id_text(job->id).text, "type",
                          job->type != 0 ? store_op_type_name(job->type) : "", "target", id_text(job->resource_id).text,
                          "state", job->failed ? "failed" : "done", "reason", json_text(job->error)));
    return "operation";
}

static const char *changed_event(const char *what, struct id id, struct buf *json)
{
    append_json(json, json_pack("{s:s, s:s}", "what", what, "id", id_text(id).text));
    return "changed";
}

const char *event_of(const struct store *store, const struct store_cmd *cmd, const struct store_result *result,
                     struct buf *json)
{
    if (result->code != STORE_OK) {
        return NULL;
    }
    switch (cmd->type) {
    case STORE_CMD_OP_BEGIN:
        return operation_event(store_operation(store, result->op_id), "begun", "", json);
    case STORE_CMD_OP_REPLAN:
        return operation_event(store_operation(store, cmd->op_id), "planned-again", "", json);
    case STORE_CMD_OP_UNDO:
        return operation_event(store_operation(store, cmd->op_id), "undo", cmd->text, json);
    case STORE_CMD_OP_REDO:
    case STORE_CMD_OP_FORWARD:
        return operation_event(store_operation(store, cmd->op_id), "forward", "", json);
    case STORE_CMD_OP_PARKED:
        return operation_event(store_operation(store, cmd->op_id), cmd->n_parked > 0 ? "waiting" : "resumed",
                               cmd->n_parked > 0 ? cmd->parked[0].text : "", json);
    case STORE_CMD_OP_END:
        return ended_event(store_job(store, cmd->op_id), json);
    case STORE_CMD_CLUSTER_CREATE:
        return changed_event("cluster-created", result->id, json);
    case STORE_CMD_CLUSTER_FLAGS:
        return changed_event("cluster-flags", cmd->cluster.id, json);
    case STORE_CMD_CLUSTER_DELETE:
        return changed_event("cluster-deleted", cmd->target, json);
    case STORE_CMD_TAGS:
        return changed_event("tags", cmd->target, json);
    case STORE_CMD_SET_STATE:
        return changed_event("state", cmd->target, json);
    case STORE_CMD_RESTRICT:
        return changed_event("block-restriction", cmd->target, json);
    case STORE_CMD_SETTINGS:
        return changed_event("settings", ID_NONE, json);
    default:
        return NULL;
    }
}

void event_applied(struct member *member, uint64_t index, const struct store_cmd *cmd)
{
    CLEANUP(buf_fini) struct buf json = BUF_INIT;
    const char *type;

    if (member->api == NULL) {
        return; /* at the start: nobody can have asked */
    }
    type = event_of(member->store, cmd, &member->result, &json);
    if (type != NULL) {
        api_server_event(member->api, index, type, buf_str(&json));
    }
}

void event_role(struct member *member, const struct cons_status *status)
{
    CLEANUP(buf_fini) struct buf json = BUF_INIT;

    if (member->api == NULL) {
        return;
    }
    append_json(&json, json_pack("{s:I, s:o, s:I, s:b}", "member_id", (json_int_t)member->cfg->member_id, "leader",
                                 status->leader_id != 0 ? json_integer((json_int_t)status->leader_id) : json_null(),
                                 "term", (json_int_t)status->term, "serving", status->serving));
    api_server_event(member->api, 0, "leader", buf_str(&json));
}

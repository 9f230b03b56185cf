/* Flags in queries, which Heketi does not have. POST /volumes?dry_run=true: what a create would do now, or why it would
 * find no place. Changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "api/json_out.h"
#include "api/server_priv.h"
#include "store/base/mem.h"

enum api_flag api_query_flag(const struct api_request *request, const char *name)
{
    h2o_iovec_t query = api_request_query(request);
    const char *at = query.base, *end = query.base + query.len;
    enum api_flag asked = API_FLAG_NO;

    while (at < end) { /* at: a '?' or '&' */
        const char *from = ++at;

        while (at < end && *at != '&') {
            at++;
        }
        if ((size_t)(at - from) <= strlen(name) || memcmp(from, name, strlen(name)) != 0 || from[strlen(name)] != '=') {
            continue;
        }
        from += strlen(name) + 1;
        if (h2o_memis(from, (size_t)(at - from), H2O_STRLIT("true"))) {
            asked = API_FLAG_YES;
        } else if (!h2o_memis(from, (size_t)(at - from), H2O_STRLIT("false"))) {
            return API_FLAG_UNCLEAR; /* better asked again than done what nobody wanted */
        }
    }
    return asked;
}

static void out_reasons(struct buf *buf, const struct store *store, const struct store_reasons *reasons)
{
    for (size_t i = 0; i < reasons->n; i++) {
        const struct store_reason *reason = &reasons->items[i];
        const struct store_node *node = store_node(store, reason->node);
        const struct store_device *device = store_device(store, reason->device);

        buf_printf(buf, "%s{\"cluster\":\"%s\"", i > 0 ? "," : "", id_text(reason->cluster).text);
        if (node != NULL) {
            buf_printf(buf, ",\"node\":\"%s\",\"host\":", id_text(node->id).text);
            api_out_string(buf, node->manage.items[0]);
        }
        if (device != NULL) {
            buf_printf(buf, ",\"device\":\"%s\",\"name\":", id_text(device->id).text);
            api_out_string(buf, device->name);
        }
        buf_append_str(buf, ",\"reason\":");
        api_out_string(buf, reason->text);
        buf_append_char(buf, '}');
    }
}

static void out_refusal(struct buf *buf, const struct store *store, const char *text,
                        const struct store_reasons *reasons)
{
    buf_append_str(buf, "{\"possible\":false,\"error\":");
    api_out_string(buf, text);
    buf_append_str(buf, ",\"reasons\":[");
    out_reasons(buf, store, reasons);
    buf_append_str(buf, "]}");
}

static void out_plan(struct buf *buf, const struct store *store, const struct store_cmd *cmd)
{
    if (cmd->type == STORE_CMD_OP_BEGIN) {
        buf_append_str(buf, "{\"possible\":true,\"volume\":");
        api_out_small_volume(buf, store, &cmd->volume);
        buf_append_char(buf, '}');
    } else { /* an equal request made it before */
        buf_printf(buf, "{\"possible\":true,\"existing\":\"%s\"}", id_text(cmd->target).text);
    }
}

int api_handle_dry_run(struct api_request *request, const struct store_request *change, struct buf *text)
{
    const struct api_backend *backend = &request->server->backend;
    const struct store *store = backend->store(backend->user);
    CLEANUP(store_reasons_fini) struct store_reasons reasons = {NULL, 0};
    CLEANUP(buf_fini) struct buf json = BUF_INIT;
    struct store_result result;
    struct store_cmd cmd;
    enum store_code code = backend->plan(backend->user, change, &reasons, &cmd, &result);

    switch (code) {
    case STORE_OK:
        out_plan(&json, store, &cmd);
        store_cmd_fini(&cmd);
        break;
    case STORE_REPEATED:
        buf_printf(&json, "{\"possible\":true,\"existing\":\"%s\"}", id_text(result.id).text);
        break;
    case STORE_NO_ALLOCATION:
        out_refusal(&json, store, result.text, &reasons);
        break;
    default:
        buf_append_str(text, result.text);
        return api_status_of(code);
    }
    api_answer_json(request, 200, &json);
    return 0;
}

#include "api/json_replace.h"

#include <stdlib.h>
#include <string.h>

#include "api/validate.h"
#include "store/base/mem.h"

int api_read_node_replace(const struct store_strs *manage, const struct store_tags *devices,
                          struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;

    if (manage->n > 0) {
        api_invalid_hosts(&list, "manage", manage);
    }
    for (size_t i = 0; i < devices->n; i++) {
        api_invalid_uuid(&list, "devices", devices->items[i].name);
        api_invalid_device_name(&list, "devices", devices->items[i].value);
    }
    if (list.len > 0) {
        return api_invalid_end(&list, text);
    }
    store_strs_copy(&request->manage, manage);
    request->renewals = mem_calloc(devices->n, sizeof(*request->renewals));
    request->n_renewals = devices->n;
    for (size_t i = 0; i < devices->n; i++) {
        struct id id;

        request->renewals[i].device =
            id_parse(devices->items[i].name, strlen(devices->items[i].name), &id) ? id : ID_NONE;
        request->renewals[i].name = mem_strdup(devices->items[i].value);
    }
    return 0;
}

int api_read_device_replace(const char *name, struct store_request *request, struct buf *text)
{
    CLEANUP(buf_fini) struct buf list = BUF_INIT;

    if (*name != '\0') {
        api_invalid_device_name(&list, "name", name);
    }
    if (list.len > 0) {
        return api_invalid_end(&list, text);
    }
    free(request->device_name);
    request->device_name = mem_strdup(name);
    return 0;
}

/* A volume that was asked for without a name may be taken over by a repetition until somebody has been told of it
 * (store/apply_take_over.c). So that is in the log before the answer leaves. */
#include <stdlib.h>

#include "api/server_priv.h"
#include "store/base/mem.h"
#include "store/request.h"

#define AGAIN_MS 20

static void answer(struct api_request *request, const struct api_submit_result *result)
{
    const struct api_backend *backend = &request->server->backend;

    if (result->kind == API_UNAVAILABLE) {
        api_request_unconfirmed(request, result->untouched, result->text);
    } else if (result->kind == API_DONE && backend->serving(backend->user)) {
        api_handle(request); /* from the beginning: it may have been taken over, or deleted */
    } else {
        api_request_wait(request, AGAIN_MS); /* too busy, or gone */
    }
}

static void told(void *user, const struct api_submit_result *result)
{
    struct api_submit *submit = user;
    struct api_request *request = submit->request;

    if (submit->server != NULL) {
        TAILQ_REMOVE(&submit->server->submits, submit, link);
    }
    free(submit);
    if (request != NULL) {
        request->submit = NULL;
        answer(request, result);
    }
}

bool api_may_tell(struct api_request *request, const struct store_volume *volume)
{
    struct api_server *server = request->server;
    struct store_request change;
    struct api_submit *submit;

    if (volume == NULL || !volume->untold) {
        return true;
    }
    submit = mem_calloc(1, sizeof(*submit));
    submit->request = request;
    submit->server = server;
    TAILQ_INSERT_TAIL(&server->submits, submit, link);
    request->submit = submit;
    request->state = API_SUBMITTED;
    store_request_init(&change, STORE_REQ_TOLD);
    change.target = volume->id;
    server->backend.submit(server->backend.user, &change, told, submit);
    store_request_fini(&change);
    return false;
}

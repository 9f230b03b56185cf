/* A dump that is imported is far larger than any other request. h2o takes bodies of that size on every connection, and
 * before a token can be looked at: so only one connection at a time may have such a body under way, and what others
 * have sent beyond the usual limit cuts them off. Memory stays bounded whoever connects. */
#include <sys/socket.h>

#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/turn.h"

#define LOOK_MS 100
#define HEAD_MAX 65536 /* request line and headers, which h2o limits */

static bool is_bulky(const struct api_server *server, const struct api_conn *conn)
{
    return conn->sock->input->size > server->config.body_max_bytes + HEAD_MAX;
}

static void look(uv_timer_t *timer)
{
    TURN("api bodies");
    struct api_server *server = timer->data;
    struct api_conn *conn;

    if (server->bulky != NULL && !is_bulky(server, server->bulky)) {
        server->bulky = NULL;
    }
    TAILQ_FOREACH (conn, &server->conns, link) {
        int fd = h2o_socket_get_fd(conn->sock);

        if (conn == server->bulky || !is_bulky(server, conn)) {
            continue;
        }
        if (server->bulky == NULL) {
            server->bulky = conn;
        } else if (fd >= 0) {
            LOG(LOG_WARNING, "api", "a second large request at the same time is cut off");
            (void)shutdown(fd, SHUT_RDWR);
        }
    }
    if (TAILQ_EMPTY(&server->conns)) {
        uv_timer_stop(timer);
    }
}

void api_bulk_init(struct api_server *server)
{
    /* Not in files: dumps have passwords in them. */
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
    server->h2o.max_request_entity_size = server->config.import_max_bytes > server->config.body_max_bytes
                                              ? server->config.import_max_bytes
                                              : server->config.body_max_bytes;
    CHECK(uv_timer_init(server->loop, &server->bulk_timer) == 0);
    server->bulk_timer.data = server;
}

void api_bulk_accepted(struct api_server *server)
{
    if (!uv_is_active((uv_handle_t *)&server->bulk_timer)) {
        uv_timer_start(&server->bulk_timer, look, LOOK_MS, LOOK_MS);
    }
}

bool api_bulk_refused(struct api_request *request)
{
    static const char import[] = "/db/import";
    const struct api_config *config = &request->server->config;
    bool imports = api_request_is(request, "POST") && request->path.len == strlen(import) &&
                   memcmp(request->path.data, import, strlen(import)) == 0;

    if (request->req->entity.len <= (imports ? config->import_max_bytes : config->body_max_bytes)) {
        return false;
    }
    request->req->http1_is_persistent = 0;
    api_answer_text(request, 413, "request entity is too large");
    return true;
}

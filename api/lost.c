/* Connections that h2o waits for in vain.
 *
 * Before h2o closes a TLS connection it writes TLS's goodbye, and closes at the end of that write. After a reset libuv
 * refuses the write at once, h2o does not look at what it returns, and the end never comes: anybody could fill all
 * places with connections that he resets after the handshake. So the code that needs a place, or the end, looks for
 * them. */
#include "api/server_priv.h"

void api_end_lost(struct api_server *server)
{
    struct api_conn *conn, *next;

    for (conn = TAILQ_FIRST(&server->conns); conn != NULL; conn = next) {
        h2o_socket_t *sock = conn->sock;
        h2o_socket_cb written = sock->_cb.write;

        next = TAILQ_NEXT(conn, link);
        if (written != NULL && !uv_is_writable(conn->stream) && uv_stream_get_write_queue_size(conn->stream) == 0) {
            sock->_cb.write = NULL;
            written(sock, h2o_socket_error_io); /* closes it */
        }
    }
}

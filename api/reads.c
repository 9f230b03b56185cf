/* How h2o gets what clients send.
 *
 * By itself libuv reads from a socket as long as something is there, a quarter of a megabyte in a turn of the loop, and
 * h2o decrypts all of it at once: ten thousand records of one byte each take as long as thirty turns should together.
 * So libuv only says here that something is there. The connection then stands in line, and when it has its turn, a
 * little is read and given to h2o. */
#include <errno.h>
#include <unistd.h>

#include "api/server_priv.h"
#include "store/base/turn.h"

#define READ_BYTES 4096 /* takes less than a millisecond, whatever it is */

/* libuv then calls is_readable, and reads nothing. */
static void no_memory(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(NULL, 0);
}

static void is_readable(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    const h2o_socket_t *sock = stream->data;
    struct api_conn *conn = sock->on_close.data;

    (void)n;
    (void)buf;
    (void)uv_read_stop(stream);
    api_line_stand(conn, conn->handshake != NULL && !conn->cut ? API_LINE_STEPS : API_LINE_READS);
    api_arrivals_wake(conn->server);
}

void api_read_begin(struct api_conn *conn)
{
    conn->alloc_cb = conn->stream->alloc_cb;
    conn->take_cb = conn->stream->read_cb;
    api_read_look(conn);
}

void api_read_look(struct api_conn *conn)
{
    uv_stream_t *stream = conn->stream;

    if (stream->read_cb != conn->take_cb) {
        return;
    }
    stream->alloc_cb = no_memory;
    stream->read_cb = is_readable;
    if (conn->waits) {
        (void)uv_read_stop(stream);
    }
}

/* As read(2), but 0: nothing is there; UV_EOF. */
static ssize_t read_fd(const struct api_conn *conn, char *data, size_t size)
{
    ssize_t n;

    if (conn->cut) {
        return UV_EOF;
    }
    do {
        n = read(h2o_socket_get_fd(conn->sock), data, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    return n > 0 ? n : UV_EOF;
}

static void go_on(struct api_conn *conn, bool more)
{
    if (more) {
        api_line_stand(conn, API_LINE_READS);
    } else {
        (void)uv_read_start(conn->stream, no_memory, is_readable); /* h2o may have begun itself */
    }
}

static void discard_some(struct api_conn *conn)
{
    char data[READ_BYTES];
    ssize_t n = read_fd(conn, data, sizeof(data));

    if (n < 0) {
        api_read_end(conn);
    } else {
        go_on(conn, n == (ssize_t)sizeof(data));
    }
}

void api_read_discard(struct api_conn *conn)
{
    conn->discards = true;
    h2o_buffer_dispose(&conn->sock->input);
    h2o_buffer_init(&conn->sock->input, &h2o_socket_buffer_prototype);
    go_on(conn, false);
}

void api_read_end(struct api_conn *conn)
{
    conn->discards = false;
    api_conn_cut(conn);
    h2o_socket_read_start(conn->sock, conn->read_cb); /* it sees the end */
}

void api_read_some(struct api_conn *conn)
{
    struct api_server *server = conn->server;
    uv_buf_t buf;
    ssize_t n;

    if (conn->discards) {
        discard_some(conn);
        return;
    }
    if (conn->sock->_cb.read == NULL) {
        return; /* h2o does not want it now */
    }
    conn->alloc_cb((uv_handle_t *)conn->stream, READ_BYTES, &buf);
    buf.len = buf.len < READ_BYTES ? buf.len : READ_BYTES;
    n = read_fd(conn, buf.base, buf.len);
    if (n != 0) {
        server->reading = conn;
        conn->take_cb(conn->stream, n, &buf);
        if (server->reading != conn) {
            return; /* it has ended */
        }
        server->reading = NULL;
    }
    if (conn->sock->_cb.read != NULL) {
        go_on(conn, n == (ssize_t)buf.len);
    }
}

/* What a host has not taken yet of what is sent to it.
 *
 * The library sends through ssh_send, which keeps what the socket has no room for, and never says "later": a library
 * that cannot send receives nothing either. Then what the host has said would wake us again and again, for nothing, and
 * a host that only listens once it is heard would wait for ever. What is kept is bounded: who takes nothing, and asks
 * for more and more answers, is ended. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/executor/ssh_priv.h"

ssize_t ssh_send(libssh2_socket_t fd, const void *data, size_t len, int flags, void **abstract)
{
    struct ssh_session *session = *abstract;
    ssize_t n = 0;

    if (session->state == SSH_CLOSING) {
        return -ECONNABORTED;
    }
    if (session->unsent.len == 0) {
        n = send(fd, data, len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return -errno; /* what the library's own function gives */
        }
        n = n < 0 ? 0 : n;
    }
    if (session->unsent.len + len - (size_t)n > SSH_UNSENT_MAX) {
        session->deaf = session->flooded = true;
        return -ECONNABORTED;
    }
    buf_append(&session->unsent, (const char *)data + n, len - (size_t)n);
    return (ssize_t)len;
}

bool ssh_session_flush(struct ssh_session *session)
{
    struct buf *unsent = &session->unsent;
    ssize_t n;

    if (unsent->len == 0) {
        return true;
    }
    n = send(session->fd, unsent->data, unsent->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    memmove(unsent->data, unsent->data + n, unsent->len - (size_t)n);
    unsent->len -= (size_t)n;
    if (unsent->len == 0) {
        buf_fini(unsent);
    }
    return true;
}

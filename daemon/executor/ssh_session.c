/* One SSH connection: a chain of states, each of which goes on when libssh2 no longer has to wait for the socket.
 *
 *   RESOLVE -> CONNECT -> HANDSHAKE -> AUTH -> IDLE <-> OPEN -> EXEC -> READ -> CLOSE -> FREE (-> IDLE)
 *
 * Any failure ends the session: its call is answered, the handles are closed, the memory goes with the last of them.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/executor/ssh_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"

#define LOST_IN_STEP "the connection was lost while the step ran; what it did is looked at again"

static void pump(struct ssh_session *session);

/* ---- the end of a session ---- */

static void handle_closed(uv_handle_t *handle)
{
    struct ssh_session *session = handle->data;
    struct ssh_host *host = session->host;
    struct ssh_session **at = &host->sessions;

    if (--session->handles > 0) {
        return;
    }
    while (*at != session) {
        at = &(*at)->next;
    }
    *at = session->next;
    if (session->ssh2 != NULL) {
        /* On a silent peer freeing would wait for ever: with the socket shut it cannot. */
        if (session->fd >= 0) {
            (void)shutdown(session->fd, SHUT_RDWR);
        }
        (void)libssh2_session_free(session->ssh2);
    }
    if (session->fd >= 0) {
        (void)close(session->fd); /* a socket */
    }
    buf_fini(&session->out);
    buf_fini(&session->error);
    free(session);
    ssh_host_dispatch(host);
    ssh_maybe_closed(host->ssh);
}

void ssh_session_abort(struct ssh_session *session, int code, const char *text)
{
    struct exec_call *call = session->call;

    if (session->state == SSH_CLOSING) {
        return;
    }
    session->state = SSH_CLOSING;
    session->call = NULL;
    uv_close((uv_handle_t *)&session->timer, handle_closed);
    if (session->poll_open) {
        (void)uv_poll_stop(&session->poll);
        uv_close((uv_handle_t *)&session->poll, handle_closed);
    }
    if (session->tcp_open) {
        uv_close((uv_handle_t *)&session->tcp, handle_closed);
    }
    if (session->resolving) {
        (void)uv_cancel((uv_req_t *)&session->resolve); /* its callback comes in any case */
    }
    if (call != NULL) {
        call->session = NULL;
        ssh_call_fail(call, code, text);
    }
}

static void fail(struct ssh_session *session, int code, const char *what)
{
    char *detail = NULL;
    char text[1024];

    if (session->ssh2 != NULL) {
        (void)libssh2_session_last_error(session->ssh2, &detail, NULL, 0);
    }
    text_print(text, sizeof(text), "host %s: %s%s%s", session->host->name, what, detail != NULL && *detail ? ": " : "",
               detail != NULL ? detail : "");
    ssh_session_abort(session, code, text);
}

/* The connection is lost, or never was one. A kept session can have been closed by the host while nobody looked: as
 * long as nothing of the call has been sent, it takes another session. */
static void lost(struct ssh_session *session, int code, const char *what)
{
    struct exec_call *call = session->call;

    if (session->state == SSH_OPEN && session->kept && call != NULL) {
        session->call = NULL;
        call->session = NULL;
        ssh_call_again(call);
        ssh_session_abort(session, E_CANCELLED, "");
        ssh_host_dispatch(session->host);
    } else {
        fail(session, code, what);
    }
}

static void deadline(uv_timer_t *timer)
{
    TURN("ssh");
    struct ssh_session *session = timer->data;

    if (session->state == SSH_IDLE) {
        ssh_session_abort(session, E_CANCELLED, "idle");
    } else if (session->state < SSH_IDLE) {
        fail(session, E_CONNECT, "no connection in time");
    } else {
        fail(session, E_TIMEOUT, "the step did not end in time; what it did is looked at again");
    }
}

static void set_deadline(struct ssh_session *session, uint64_t ms)
{
    CHECK(uv_timer_start(&session->timer, deadline, ms, 0) == 0);
}

/* ---- waiting for the socket ---- */

static void poll_cb(uv_poll_t *poll, int status, int events)
{
    TURN("ssh");
    struct ssh_session *session = poll->data;

    (void)events;
    if (status < 0) {
        if (session->state < SSH_EXEC) {
            lost(session, E_CONNECT, "the connection was lost");
        } else {
            lost(session, E_TIMEOUT, LOST_IN_STEP);
        }
        return;
    }
    if (session->state == SSH_IDLE) { /* nothing is expected: the host closed, or says something that ends in closing */
        char byte;

        if (recv(session->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
            ssh_session_abort(session, E_CANCELLED, "closed by the host");
            return;
        }
    }
    pump(session);
}

static void want(struct ssh_session *session)
{
    int events = UV_READABLE;

    if ((libssh2_session_block_directions(session->ssh2) & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0) {
        events |= UV_WRITABLE;
    }
    CHECK(uv_poll_start(&session->poll, events, poll_cb) == 0);
}

/* ---- the states; each returns true when the next one may be tried at once ---- */

static bool do_handshake(struct ssh_session *session)
{
    int rc = libssh2_session_handshake(session->ssh2, session->fd);
    char text[512];

    if (rc == LIBSSH2_ERROR_EAGAIN) {
        return false;
    }
    if (rc != 0) {
        fail(session, E_CONNECT, "SSH handshake failed");
        return false;
    }
    if (ssh_hostkey_check(session, text, sizeof(text)) != 0) {
        ssh_session_abort(session, E_AUTH, text);
        return false;
    }
    session->state = SSH_AUTH;
    return true;
}

static bool do_auth(struct ssh_session *session)
{
    const struct ssh *ssh = session->host->ssh;
    int more;
    int rc = ssh_key_authenticate(ssh->key, session->ssh2, ssh->config.user, session->attempt, &more);

    if (rc == LIBSSH2_ERROR_EAGAIN) {
        return false;
    }
    if (rc != 0 && more != 0) {
        session->attempt++;
        return true;
    }
    if (rc != 0) {
        fail(session, E_AUTH, "the user's key is not accepted");
        return false;
    }
    session->state = SSH_IDLE;
    set_deadline(session, session->call != NULL ? session->call->timeout_ms : SSH_IDLE_MS);
    return session->call != NULL;
}

static bool do_open(struct ssh_session *session)
{
    session->channel = libssh2_channel_open_session(session->ssh2);
    if (session->channel == NULL) {
        if (libssh2_session_last_errno(session->ssh2) != LIBSSH2_ERROR_EAGAIN) {
            lost(session, E_CONNECT, "cannot open a channel");
        }
        return false;
    }
    session->state = SSH_EXEC;
    return true;
}

static bool do_exec(struct ssh_session *session)
{
    const struct buf *command = session->raising ? &session->call->fence_command : &session->call->command;
    int rc = libssh2_channel_exec(session->channel, buf_str(command));

    if (rc == LIBSSH2_ERROR_EAGAIN) {
        return false;
    }
    if (rc != 0) {
        fail(session, E_TIMEOUT, "cannot start the command");
        return false;
    }
    session->state = SSH_READ;
    return true;
}

/* The output is heard in pieces, and only its beginning kept. False: the call is given up, and the session with it. */
static bool hear_piece(struct ssh_session *session, const char *data, size_t len)
{
    struct step_talk *talk = &session->call->talk;
    size_t room = session->out.len < STEP_HEAD_MAX ? STEP_HEAD_MAX - session->out.len : 0;
    char text[1024];

    if (!step_piece(talk, data, len)) {
        (void)snprintf(text, sizeof(text), "host %s: %.900s", session->host->name, talk->refused.message);
        ssh_session_abort(session, talk->refused.code, text);
        return false;
    }
    buf_append(&session->out, data, len < room ? len : room);
    return true;
}

/* false: the session has failed. */
static bool read_stream(struct ssh_session *session, int stream, struct buf *buf, size_t max)
{
    bool in_pieces = stream == 0 && !session->raising && step_in_pieces(&session->call->talk);

    for (;;) {
        char data[16384];
        ssize_t n = libssh2_channel_read_ex(session->channel, stream, data, sizeof(data));
        size_t keep;

        if (n == LIBSSH2_ERROR_EAGAIN || n == 0) {
            return true;
        }
        if (n < 0) {
            fail(session, E_TIMEOUT, LOST_IN_STEP);
            return false;
        }
        if (in_pieces) {
            if (!hear_piece(session, data, (size_t)n)) {
                return false;
            }
            continue;
        }
        keep = (size_t)n < max - buf->len ? (size_t)n : max - buf->len;
        buf_append(buf, data, keep);
        session->cut = session->cut || (stream == 0 && keep < (size_t)n);
    }
}

static bool do_read(struct ssh_session *session)
{
    LIBSSH2_CHANNEL *channel = session->channel;

    do { /* reading one stream takes what has come for the other off the socket, too: nothing would wake us for it */
        if (!read_stream(session, 0, &session->out, SSH_OUTPUT_MAX) ||
            !read_stream(session, SSH_EXTENDED_DATA_STDERR, &session->error, SSH_ERROR_MAX)) {
            return false;
        }
    } while (libssh2_poll_channel_read(channel, 0) != 0 ||
             libssh2_poll_channel_read(channel, SSH_EXTENDED_DATA_STDERR) != 0);
    if (libssh2_channel_eof(channel) == 0) {
        return false;
    }
    session->state = SSH_CLOSE;
    return true;
}

static bool do_close(struct ssh_session *session)
{
    int rc = libssh2_channel_close(session->channel);

    if (rc == 0) {
        rc = libssh2_channel_wait_closed(session->channel);
    }
    if (rc == LIBSSH2_ERROR_EAGAIN) {
        return false;
    }
    if (rc != 0) { /* the end of the output came, the exit status did not: the library would call it 0 */
        fail(session, E_TIMEOUT, LOST_IN_STEP);
        return false;
    }
    session->state = SSH_FREE;
    return true;
}

/* The conversation goes on (true), or the call is answered. */
static bool answer_call(struct ssh_session *session, int status)
{
    CLEANUP(buf_fini) struct buf error = BUF_INIT;
    struct exec_call *call = session->call;
    struct step_reply reply = {
        .status = status, .out = buf_str(&session->out), .out_len = session->out.len, .cut = session->cut};

    text_append(&error, session->error.data, session->error.len); /* a NUL would hide what comes after it */
    reply.error = buf_str(&error);
    session->raised = false;
    step_hear(&call->talk, &reply);
    if (!call->talk.ended) {
        ssh_call_next(call);
        return true;
    }
    session->kept = true;
    session->call = NULL;
    call->session = NULL;
    buf_fini(&session->out); /* may have been large */
    buf_fini(&session->error);
    set_deadline(session, SSH_IDLE_MS);
    ssh_call_finish(call, &call->talk.result);
    return false;
}

static bool do_free(struct ssh_session *session)
{
    int status = libssh2_channel_get_exit_status(session->channel);
    char *name = NULL;

    if (libssh2_channel_get_exit_signal(session->channel, &name, NULL, NULL, NULL, NULL, NULL) == 0 && name != NULL) {
        libssh2_free(session->ssh2, name);
        status = SCRIPT_KILLED;
    }
    if (libssh2_channel_free(session->channel) == LIBSSH2_ERROR_EAGAIN) {
        return false;
    }
    session->channel = NULL;
    session->state = SSH_IDLE;
    if (status == SCRIPT_RAISE && !session->raised) { /* the first step of a term on this host */
        session->raising = true;
        session->raised = true;
        return true;
    }
    if (session->raising && status == SCRIPT_OK) { /* now the step itself */
        session->raising = false;
        return true;
    }
    session->raising = false;
    if (answer_call(session, status)) {
        return true;
    }
    if (session->state == SSH_IDLE) {
        ssh_host_dispatch(session->host);
    }
    return false;
}

static bool do_idle(struct ssh_session *session)
{
    if (session->call == NULL) {
        return false;
    }
    buf_clear(&session->out);
    buf_clear(&session->error);
    session->cut = false;
    session->state = SSH_OPEN;
    return true;
}

static bool step(struct ssh_session *session)
{
    switch (session->state) {
    case SSH_HANDSHAKE:
        return do_handshake(session);
    case SSH_AUTH:
        return do_auth(session);
    case SSH_IDLE:
        return do_idle(session);
    case SSH_OPEN:
        return do_open(session);
    case SSH_EXEC:
        return do_exec(session);
    case SSH_READ:
        return do_read(session);
    case SSH_CLOSE:
        return do_close(session);
    case SSH_FREE:
        return do_free(session);
    case SSH_RESOLVE:
    case SSH_CONNECT:
    case SSH_CLOSING:
        break;
    }
    return false;
}

static void pump(struct ssh_session *session)
{
    while (step(session)) {
    }
    if (session->state != SSH_CLOSING && session->state >= SSH_HANDSHAKE) {
        want(session);
    }
}

/* ---- connecting ---- */

static void tcp_moved(uv_handle_t *handle)
{
    struct ssh_session *session = handle->data;

    session->tcp_open = false;
    handle_closed(handle);
}

/* A step may be silent for minutes, and a host that lost its power says nothing either: the kernel's probes tell them
 * apart. One that is up again answers the first probe with a reset. (tcp(7): TCP_USER_TIMEOUT overrides TCP_KEEPCNT) */
static void watch_host(int fd, uint32_t silence_timeout_ms)
{
    const int one = 1;
    const int probe_s = silence_timeout_ms < 4000 ? 1 : (int)(silence_timeout_ms / 4000);

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &probe_s, sizeof(probe_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe_s, sizeof(probe_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_timeout_ms, sizeof(silence_timeout_ms));
}

/* The library wants the descriptor to itself: ours is a copy, and libuv's handle goes. */
static void connected(uv_connect_t *request, int status)
{
    TURN("ssh");
    struct ssh_session *session = request->data;
    uv_os_fd_t fd;

    if (session->state == SSH_CLOSING) {
        return;
    }
    if (status != 0) {
        fail(session, E_CONNECT, uv_strerror(status));
        return;
    }
    CHECK(uv_fileno((uv_handle_t *)&session->tcp, &fd) == 0);
    session->fd = dup(fd);
    CHECK(session->fd >= 0);
    watch_host(session->fd, session->host->ssh->config.silence_timeout_ms);
    uv_close((uv_handle_t *)&session->tcp, tcp_moved);
    session->tcp_open = false;
    CHECK(uv_poll_init(session->host->ssh->loop, &session->poll, session->fd) == 0);
    session->poll.data = session;
    session->poll_open = true;
    session->handles++;
    session->ssh2 = libssh2_session_init();
    CHECK(session->ssh2 != NULL);
    libssh2_session_set_blocking(session->ssh2, 0);
    ssh_hostkey_prefer(session);
    session->state = SSH_HANDSHAKE;
    pump(session);
}

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *result)
{
    TURN("ssh");
    struct ssh_session *session = request->data;

    session->resolving = false;
    if (session->state == SSH_CLOSING) {
        uv_freeaddrinfo(result);
        handle_closed((uv_handle_t *)&session->timer); /* the count that stood for the request */
        return;
    }
    session->handles--;
    if (status != 0 || result == NULL) {
        uv_freeaddrinfo(result);
        fail(session, E_CONNECT, status != 0 ? uv_strerror(status) : "no address");
        return;
    }
    CHECK(uv_tcp_init(session->host->ssh->loop, &session->tcp) == 0);
    session->tcp.data = session;
    session->tcp_open = true;
    session->handles++;
    session->connect.data = session;
    session->state = SSH_CONNECT;
    status = uv_tcp_connect(&session->connect, &session->tcp, result->ai_addr, connected);
    uv_freeaddrinfo(result);
    if (status != 0) {
        fail(session, E_CONNECT, uv_strerror(status));
    }
}

struct ssh_session *ssh_session_new(struct ssh_host *host)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct ssh_session *session = mem_calloc(1, sizeof(*session));
    char port[8];

    session->host = host;
    session->fd = -1;
    session->next = host->sessions;
    host->sessions = session;
    CHECK(uv_timer_init(host->ssh->loop, &session->timer) == 0);
    session->timer.data = session;
    session->handles = 2; /* the timer, and the request until its callback */
    set_deadline(session, host->ssh->config.connect_timeout_ms);
    (void)snprintf(port, sizeof(port), "%u", host->ssh->config.port);
    session->resolve.data = session;
    session->resolving = true;
    CHECK(uv_getaddrinfo(host->ssh->loop, &session->resolve, resolved, host->name, port, &hints) == 0);
    return session;
}

void ssh_session_run(struct ssh_session *session, struct exec_call *call)
{
    CHECK(session->call == NULL);
    session->call = call;
    call->session = session;
    if (session->state == SSH_IDLE) {
        set_deadline(session, call->timeout_ms);
        pump(session);
    }
}

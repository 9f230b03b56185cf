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

#define KEX_METHODS                                                                                            \
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521," \
    "diffie-hellman-group14-sha256,diffie-hellman-group14-sha1"
#define LOST_IN_STEP "the connection was lost while the step ran; what it did is looked at again"

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
        ssh_library_end(session);
    }
    if (session->fd >= 0) {
        (void)close(session->fd); /* a socket */
    }
    buf_fini(&session->unsent);
    free(session);
    ssh_host_dispatch(host);
    ssh_maybe_closed(host->ssh);
}

void ssh_session_abort(struct ssh_session *session, int code, enum exec_cause cause, const char *text)
{
    struct exec_call *call = session->call;

    if (session->state == SSH_CLOSING) {
        return;
    }
    session->state = SSH_CLOSING;
    session->call = NULL;
    ssh_session_leave(session);
    ssh_session_drop(session);
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
        ssh_call_fail(call, code, cause, text);
    }
}

static void fail(struct ssh_session *session, int code, enum exec_cause cause, const char *what)
{
    char *detail = NULL;
    char text[1024];

    if (session->flooded) {
        ssh_session_flood_text(session, text, sizeof(text));
        ssh_session_abort(session, E_PROTOCOL, EXEC_CAUSE_FLOOD, text);
        return;
    }
    if (session->ssh2 != NULL) {
        (void)libssh2_session_last_error(session->ssh2, &detail, NULL, 0);
    }
    text_print(text, sizeof(text), "host %s: %s%s%s", session->host->name, what, detail != NULL && *detail ? ": " : "",
               detail != NULL ? detail : "");
    ssh_session_abort(session, code, cause, text);
}

/* The connection is lost, or never was one. A kept session can have been closed by the host while nobody looked: as
 * long as nothing of the call has been sent, it takes another session. */
static void lost(struct ssh_session *session, int code, const char *what)
{
    struct exec_call *call = session->call;

    if (session->state == SSH_OPEN && session->kept && call != NULL && !session->flooded) {
        session->call = NULL;
        call->session = NULL;
        ssh_call_again(call);
        ssh_session_abort(session, E_CANCELLED, EXEC_CAUSE_NONE, "");
        ssh_host_dispatch(session->host);
    } else {
        fail(session, code, EXEC_CAUSE_NONE, what);
    }
}

static void deadline(uv_timer_t *timer)
{
    TURN("ssh");
    struct ssh_session *session = timer->data;

    if (session->early_error != 0) {
        fail(session, E_CONNECT, EXEC_CAUSE_NONE, uv_strerror(session->early_error));
    } else if (session->state == SSH_IDLE) {
        ssh_session_abort(session, E_CANCELLED, EXEC_CAUSE_NONE, "idle");
    } else if (session->state < SSH_IDLE) {
        fail(session, E_CONNECT, EXEC_CAUSE_NONE, "no connection in time");
    } else {
        fail(session, E_TIMEOUT, EXEC_CAUSE_NONE, "the step did not end in time; what it did is looked at again");
    }
}

static void set_deadline(struct ssh_session *session, uint64_t ms)
{
    CHECK(uv_timer_start(&session->timer, deadline, ms, 0) == 0);
}

/* ---- waiting for the socket ---- */

static void poll_cb(uv_poll_t *poll, int status, int events);

static void want(struct ssh_session *session)
{
    if (session->stands) { /* it goes on in the next turn, whatever the socket says */
        (void)uv_poll_stop(&session->poll);
        return;
    }
    CHECK(uv_poll_start(&session->poll, UV_READABLE | (session->unsent.len > 0 ? UV_WRITABLE : 0), poll_cb) == 0);
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
    TURN("ssh");
    struct ssh_session *session = poll->data;

    if (status < 0 || !ssh_session_flush(session)) {
        if (session->state < SSH_EXEC) {
            lost(session, E_CONNECT, "the connection was lost");
        } else {
            lost(session, E_TIMEOUT, LOST_IN_STEP);
        }
        return;
    }
    if ((events & UV_READABLE) == 0) { /* only what was kept could go on */
        want(session);
        return;
    }
    if (session->state == SSH_IDLE) { /* nothing is expected: it closes, or says what nobody would ever take */
        ssh_session_abort(session, E_CANCELLED, EXEC_CAUSE_NONE, "it was idle, and the host said something");
        return;
    }
    ssh_session_pump(session);
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
        fail(session, E_CONNECT, EXEC_CAUSE_NONE, "SSH handshake failed");
        return false;
    }
    if (ssh_hostkey_check(session, text, sizeof(text)) != 0) {
        ssh_session_abort(session, E_AUTH, EXEC_CAUSE_HOST_KEY, text);
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
        fail(session, E_AUTH, EXEC_CAUSE_USER_KEY, "the user's key is not accepted");
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
        fail(session, E_TIMEOUT, EXEC_CAUSE_NONE, "cannot start the command");
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
        text_print(text, sizeof(text), "host %s: %.900s", session->host->name, talk->refused.message);
        ssh_session_abort(session, talk->refused.code, EXEC_CAUSE_GARBAGE, text);
        return false;
    }
    return ssh_session_keep(session, &session->out, data, len < room ? len : room);
}

/* false: the session has failed. */
static bool read_stream(struct ssh_session *session, int stream, struct buf *buf, size_t *heard)
{
    bool in_pieces = stream == 0 && !session->raising && step_in_pieces(&session->call->talk);

    for (;;) {
        char data[16384];
        ssize_t n = libssh2_channel_read_ex(session->channel, stream, data, sizeof(data));

        if (n == LIBSSH2_ERROR_EAGAIN || n == 0) {
            return true;
        }
        if (n < 0 ||
            !(in_pieces ? hear_piece(session, data, (size_t)n) : ssh_session_keep(session, buf, data, (size_t)n))) {
            fail(session, E_TIMEOUT, EXEC_CAUSE_NONE, LOST_IN_STEP);
            return false;
        }
        *heard += (size_t)n;
    }
}

static bool is_waiting(LIBSSH2_CHANNEL *channel)
{
    return libssh2_poll_channel_read(channel, 0) != 0 ||
           libssh2_poll_channel_read(channel, SSH_EXTENDED_DATA_STDERR) != 0; /* any stream but the output */
}

static bool do_read(struct ssh_session *session)
{
    LIBSSH2_CHANNEL *channel = session->channel;
    unsigned in_vain = 0;

    do { /* reading one stream takes what has come for the other off the socket, too: nothing would wake us for it */
        size_t heard = 0;

        if (!read_stream(session, 0, &session->out, &heard) ||
            !read_stream(session, SSH_EXTENDED_DATA_STDERR, &session->error, &heard)) {
            return false;
        }
        in_vain = heard > 0 ? 0 : in_vain + 1;
    } while (!session->more && is_waiting(channel) && in_vain < 2);
    if (!session->more && in_vain >= 2) { /* it would wait for ever: of a third stream, which nobody reads */
        char text[512];

        text_print(text, sizeof(text), "host %s: it sent what is neither output nor errors", session->host->name);
        ssh_session_abort(session, E_PROTOCOL, EXEC_CAUSE_FLOOD, text);
        return false;
    }
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
        fail(session, E_TIMEOUT, EXEC_CAUSE_NONE, LOST_IN_STEP);
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
    struct step_reply reply = {.status = status, .out = buf_str(&session->out), .out_len = session->out.len};

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
    ssh_session_drop(session);
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
    ssh_session_drop(session);
    session->call_bytes = session->error_bytes = session->exchanges = 0;
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

void ssh_session_pump(struct ssh_session *session)
{
    ssh_session_begin(session);
    while (step(session)) {
    }
    ssh_session_pause(session);
    if (session->state != SSH_CLOSING && session->state >= SSH_HANDSHAKE) {
        if (session->more) {
            ssh_session_stand(session);
        }
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
        fail(session, E_CONNECT, EXEC_CAUSE_NONE, uv_strerror(status));
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
    session->ssh2 = libssh2_session_init_ex(ssh_alloc, ssh_free, ssh_realloc, session);
    CHECK(session->ssh2 != NULL);
    (void)libssh2_session_callback_set(session->ssh2, LIBSSH2_CALLBACK_RECV, (void *)(uintptr_t)ssh_recv);
    (void)libssh2_session_callback_set(session->ssh2, LIBSSH2_CALLBACK_SEND, (void *)(uintptr_t)ssh_send);
    /* Without group exchange, where the host says how long we compute. */
    (void)libssh2_session_method_pref(session->ssh2, LIBSSH2_METHOD_KEX, KEX_METHODS);
    libssh2_session_set_blocking(session->ssh2, 0);
    ssh_hostkey_prefer(session);
    session->state = SSH_HANDSHAKE;
    ssh_session_pump(session);
}

static int connect_to(struct ssh_session *session, const struct sockaddr *address)
{
    CHECK(uv_tcp_init(session->host->ssh->loop, &session->tcp) == 0);
    session->tcp.data = session;
    session->tcp_open = true;
    session->handles++;
    session->connect.data = session;
    session->state = SSH_CONNECT;
    return uv_tcp_connect(&session->connect, &session->tcp, address, connected);
}

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *result)
{
    TURN("ssh");
    struct ssh_session *session = request->data;
    struct ssh_host *host = session->host;

    session->resolving = false;
    if (session->state == SSH_CLOSING) {
        uv_freeaddrinfo(result);
        handle_closed((uv_handle_t *)&session->timer); /* the count that stood for the request */
        return;
    }
    session->handles--;
    if (status != 0 || result == NULL) {
        uv_freeaddrinfo(result);
        fail(session, E_CONNECT, EXEC_CAUSE_NONE, status != 0 ? uv_strerror(status) : "no address");
        return;
    }
    status = connect_to(session, result->ai_addr);
    uv_freeaddrinfo(result);
    if (status != 0) {
        fail(session, E_CONNECT, EXEC_CAUSE_NONE, uv_strerror(status));
    }
    ssh_host_dispatch(host); /* others of this host waited for the name */
}

/* An address needs no thread of the pool, which a name whose servers do not answer may hold for long. */
static int connect_to_address(struct ssh_session *session, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *result = NULL;
    int rc;

    if (getaddrinfo(session->host->name, port, &hints, &result) != 0) {
        return UV_EAI_NONAME;
    }
    rc = connect_to(session, result->ai_addr);
    freeaddrinfo(result);
    return rc;
}

struct ssh_session *ssh_session_new(struct ssh_host *host)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct ssh_session *session = mem_calloc(1, sizeof(*session));
    char port[8];
    int rc;

    session->host = host;
    session->fd = -1;
    session->next = host->sessions;
    host->sessions = session;
    CHECK(uv_timer_init(host->ssh->loop, &session->timer) == 0);
    session->timer.data = session;
    session->handles = 1;
    set_deadline(session, host->ssh->config.connect_timeout_ms);
    (void)snprintf(port, sizeof(port), "%u", host->ssh->config.port);
    rc = connect_to_address(session, port);
    if (rc == UV_EAI_NONAME) {
        session->resolve.data = session;
        rc = uv_getaddrinfo(host->ssh->loop, &session->resolve, resolved, host->name, port, &hints);
        session->resolving = rc == 0;
        session->handles += session->resolving; /* the request, until its callback */
    }
    if (rc != 0) { /* the call that it is for is not known here yet */
        session->early_error = rc;
        set_deadline(session, 0);
    }
    return session;
}

void ssh_session_run(struct ssh_session *session, struct exec_call *call)
{
    CHECK(session->call == NULL);
    session->call = call;
    call->session = session;
    if (session->state == SSH_IDLE) {
        set_deadline(session, call->timeout_ms);
        ssh_session_pump(session);
    }
}

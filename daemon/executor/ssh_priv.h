/* Inside the ssh executor: ssh.c (calls and hosts), ssh_session.c (one connection), ssh_hostkey.c. */
#ifndef HECATE_DAEMON_EXECUTOR_SSH_PRIV_H
#define HECATE_DAEMON_EXECUTOR_SSH_PRIV_H

#include <libssh2.h>
#include <stdio.h>

#include "daemon/executor/executor.h"
#include "daemon/executor/ssh_key.h"
#include "daemon/executor/step.h"
#include "daemon/executor/xml.h"
#include "store/base/buf.h"

#define SSH_SESSIONS_MAX 6           /* per host; sshd begins to refuse at 10 */
#define SSH_OUTPUT_MAX XML_BYTES_MAX /* what is more is left out, and said so */
#define SSH_ERROR_MAX ((size_t)65536)
#define SSH_IDLE_MS 60000

enum ssh_state {
    SSH_RESOLVE,
    SSH_CONNECT,
    SSH_HANDSHAKE,
    SSH_AUTH,
    SSH_IDLE,
    SSH_OPEN,
    SSH_EXEC,
    SSH_READ,
    SSH_CLOSE,
    SSH_FREE,
    SSH_CLOSING, /* handles are being closed */
};

struct ssh_session {
    struct ssh_host *host;
    enum ssh_state state;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_tcp_t tcp; /* until connected; then its descriptor is polled */
    uv_poll_t poll;
    uv_timer_t timer;
    bool tcp_open, poll_open, resolving;
    int fd;
    unsigned handles, attempt;
    LIBSSH2_SESSION *ssh2;
    LIBSSH2_CHANNEL *channel;
    struct exec_call *call;
    bool raising, raised; /* the fence's command runs before the call's own; did so for this remote call */
    bool cut;             /* the output had more than SSH_OUTPUT_MAX */
    bool kept;            /* has done a call before */
    struct buf out, error;
    struct ssh_session *next;
};

struct ssh_host {
    struct ssh *ssh;
    char *name;
    struct ssh_session *sessions;
    struct exec_call *waiting;
    struct ssh_host *next;
};

struct exec_call {
    struct ssh *ssh;
    struct ssh_host *host;
    struct exec_step step; /* borrowed pointers: the caller keeps them until the callback */
    struct step_talk talk; /* begun unless the step was refused */
    struct buf command, fence_command;
    uint32_t timeout_ms;
    exec_done_cb cb;
    void *user;
    struct ssh_session *session;
    bool queued;
    int refused_code;
    struct err refused;
    struct exec_call *previous, *next, *next_waiting;
};

struct ssh {
    struct executor executor;
    uv_loop_t *loop;
    struct exec_config config;
    char *known_hosts;
    struct ssh_key *key;
    struct ssh_host *hosts;
    struct exec_call *calls;
    uv_idle_t idle;
    unsigned finishing; /* callbacks that run at present */
    bool closing, idle_open;
    void (*closed_cb)(void *user);
    void *closed_user;
};

/* ssh.c */
void ssh_call_finish(struct exec_call *call, const struct exec_result *result);
void ssh_call_fail(struct exec_call *call, int code, const char *text);
void ssh_call_again(struct exec_call *call); /* waits for a session again, before all others */
void ssh_host_dispatch(struct ssh_host *host);
void ssh_call_next(struct exec_call *call); /* its command is that of the conversation's next script */
void ssh_maybe_closed(struct ssh *ssh);
/* ssh_session.c */
struct ssh_session *ssh_session_new(struct ssh_host *host); /* connects in the background */
void ssh_session_run(struct ssh_session *session, struct exec_call *call);
/* Ends the session; its call, if any, fails with this. */
void ssh_session_abort(struct ssh_session *session, int code, const char *text);
/* ssh_hostkey.c */
void ssh_hostkey_prefer(struct ssh_session *session); /* before the handshake: what known_hosts has */
int ssh_hostkey_check(struct ssh_session *session, char *ret_text, size_t size); /* 0, or E_AUTH with a text */

#endif

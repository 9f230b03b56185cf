/* Inside the ssh executor: ssh.c (calls and hosts), ssh_session.c (one connection), ssh_turn.c (how much of it at a
 * time), ssh_send.c (what waits for room), ssh_hostkey.c. */
#ifndef HECATE_DAEMON_EXECUTOR_SSH_PRIV_H
#define HECATE_DAEMON_EXECUTOR_SSH_PRIV_H

#include <bsd/sys/queue.h>
#include <libssh2.h>
#include <stdio.h>

#include "daemon/executor/executor.h"
#include "daemon/executor/ssh_key.h"
#include "daemon/executor/step.h"
#include "daemon/executor/xml.h"
#include "store/base/buf.h"

#define SSH_SESSIONS_MAX 6                                    /* per host; sshd begins to refuse at 10 */
#define SSH_OUTPUT_MAX XML_BYTES_MAX                          /* of one remote call; who sends more is ended */
#define SSH_ERROR_MAX ((size_t)65536)                         /* what is more is left out */
#define SSH_LOGIN_MAX ((size_t)262144)                        /* bytes from the host until we are logged in */
#define SSH_CALL_MAX (2 * SSH_OUTPUT_MAX + 4 * SSH_ERROR_MAX) /* for one remote call, with what the protocol adds */
#define SSH_PIECES_MAX ((size_t)2 << 30)       /* the same, of one whose output is heard in pieces and not kept */
#define SSH_LIBRARY_MAX ((size_t)16 << 20)     /* by the library, for one session: packets, its keys */
#define SSH_HOST_HELD_MAX (4 * SSH_OUTPUT_MAX) /* of all sessions of a host */
#define SSH_HELD_MAX (32 * SSH_OUTPUT_MAX)     /* of all hosts */
#define SSH_UNSENT_MAX ((size_t)131072)        /* to one session: a few packets */
#define SSH_TURN_BYTES ((size_t)262144)        /* taken off all sockets in one turn of the loop: 1 to 2 ms */
#define SSH_SHARE_BYTES ((size_t)65536)        /* of one of them */
#define SSH_READ_BYTES ((size_t)8192)          /* at a time: packets may be short, and many */
#define SSH_TURN_NS UINT64_C(4000000)          /* of work for all sessions in one turn, whatever they received */
#define SSH_SHARE_NS UINT64_C(2000000)         /* for one of them */
#define SSH_EXCHANGES_MAX 16                   /* of keys, for one remote call: each takes milliseconds */
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
    bool kept;            /* has done a call before */
    bool more, stands;    /* there may be more than this turn's share; is in line for the next turn */
    bool flooded, deaf;   /* the host sent too much, or takes nothing (and is flooded as well) */
    struct buf unsent;    /* what the socket has no room for */
    size_t library_bytes; /* that the library has taken */
    size_t share_bytes;   /* left of its share of this turn */
    size_t error_bytes;   /* of standard error, for this remote call */
    uint64_t began_ns;    /* to go on, in this turn */
    size_t call_bytes;    /* received for this remote call, or until the login */
    const char *host_key; /* the library's copy of it, when it was looked at last */
    unsigned exchanges;   /* of keys, for this remote call, or until the login */
    int early_error;      /* of connecting, until the timer tells it */
    struct buf out, error;
    STAILQ_ENTRY(ssh_session) line;
    struct ssh_session *next;
};

STAILQ_HEAD(ssh_line, ssh_session);

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
    uv_idle_t idle, turn;
    struct ssh_line line; /* sessions that wait for the next turn */
    size_t turn_bytes;    /* that may still be taken in this one */
    uint64_t turn_ns;     /* and time */
    size_t held_bytes;    /* output of all sessions */
    unsigned finishing;   /* callbacks that run at present */
    unsigned handles;     /* and requests, that are open */
    bool warned;          /* of a line of known_hosts that counts for nothing */
    bool closing;
    void (*closed_cb)(void *user);
    void *closed_user;
};

/* ssh.c */
void ssh_call_finish(struct exec_call *call, const struct exec_result *result);
void ssh_call_fail(struct exec_call *call, int code, enum exec_cause cause, const char *text);
void ssh_call_again(struct exec_call *call); /* waits for a session again, before all others */
void ssh_host_dispatch(struct ssh_host *host);
void ssh_call_next(struct exec_call *call); /* its command is that of the conversation's next script */
void ssh_maybe_closed(struct ssh *ssh);
/* ssh_session.c */
struct ssh_session *ssh_session_new(struct ssh_host *host); /* connects in the background */
void ssh_session_run(struct ssh_session *session, struct exec_call *call);
/* Ends the session; its call, if any, fails with this. */
void ssh_session_abort(struct ssh_session *session, int code, enum exec_cause cause, const char *text);
void ssh_session_pump(struct ssh_session *session); /* goes on as far as it can in this turn */
/* ssh_turn.c */
void ssh_turn_init(struct ssh *ssh);
void ssh_session_begin(struct ssh_session *session); /* its share of this turn, until: */
void ssh_session_pause(struct ssh_session *session);
void ssh_session_stand(struct ssh_session *session); /* in line for the next turn */
void ssh_session_leave(struct ssh_session *session); /* the line, if it stands there */
void *ssh_alloc(size_t count, void **abstract);      /* for the library, which they count */
void *ssh_realloc(void *memory, size_t count, void **abstract);
void ssh_free(void *memory, void **abstract);
void ssh_library_end(struct ssh_session *session); /* frees what the library holds, and what it forgot */
ssize_t ssh_recv(libssh2_socket_t fd, void *data, size_t len, int flags, void **abstract); /* for the library */
/* Keeps output (buf is one of the session's). false: that is too much, and session->flooded, or it has ended. */
bool ssh_session_keep(struct ssh_session *session, struct buf *buf, const char *data, size_t len);
void ssh_session_drop(struct ssh_session *session);                                      /* what it kept */
void ssh_session_flood_text(const struct ssh_session *session, char *text, size_t size); /* what was too much */
/* ssh_send.c */
ssize_t ssh_send(libssh2_socket_t fd, const void *data, size_t len, int flags, void **abstract); /* for the library */
/* Sends what was kept, as far as there is room. false: the socket failed. */
bool ssh_session_flush(struct ssh_session *session);
/* ssh_hostkey.c */
void ssh_hostkey_prefer(struct ssh_session *session); /* before the handshake: what known_hosts has */
int ssh_hostkey_check(struct ssh_session *session, char *ret_text, size_t size); /* 0, or E_AUTH with a text */

#endif

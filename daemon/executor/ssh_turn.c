/* What sessions may take off their sockets: so much in a turn of the loop, so much in all.
 *
 * The library reads until nothing is left, and a host may send faster than we decrypt. It reads through ssh_recv, which
 * says "nothing now" when the turn's share is used up: so many bytes, or so much time, for a host chooses how much work
 * a byte makes. The session then stands in line for the next turn, and nobody
 * polls its socket meanwhile; first come, first served, so that a flood delays the others by its share only.
 *
 * Nor may it change the keys again and again. What a host sends before its login, for one remote call, or holds here
 * with all its sessions is bounded: who sends more is ended. If all hosts together hold too much, the one that holds
 * most is told to come again later. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/executor/ssh_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"

static void next_turn(uv_idle_t *idle)
{
    TURN("ssh flood");
    struct ssh *ssh = idle->data;
    struct ssh_session *session, *last = STAILQ_LAST(&ssh->line, ssh_session, line);

    uv_idle_stop(idle);
    ssh->turn_bytes = SSH_TURN_BYTES;
    ssh->turn_ns = SSH_TURN_NS;
    while (ssh->turn_bytes > 0 && ssh->turn_ns > 0 && (session = STAILQ_FIRST(&ssh->line)) != NULL) {
        ssh_session_leave(session);
        ssh_session_pump(session); /* may end any session, which then leaves the line */
        if (session == last) {
            break;
        }
    }
    if (!STAILQ_EMPTY(&ssh->line)) {
        CHECK(uv_idle_start(idle, next_turn) == 0);
    }
}

void ssh_turn_init(struct ssh *ssh)
{
    STAILQ_INIT(&ssh->line);
    ssh->turn_bytes = SSH_TURN_BYTES;
    ssh->turn_ns = SSH_TURN_NS;
    CHECK(uv_idle_init(ssh->loop, &ssh->turn) == 0);
    ssh->turn.data = ssh;
    ssh->handles++;
}

void ssh_session_begin(struct ssh_session *session)
{
    session->share_bytes = SSH_SHARE_BYTES;
    session->began_ns = uv_hrtime();
    session->more = false;
}

void ssh_session_pause(struct ssh_session *session)
{
    struct ssh *ssh = session->host->ssh;
    uint64_t spent_ns = uv_hrtime() - session->began_ns;

    ssh->turn_ns -= spent_ns < ssh->turn_ns ? spent_ns : ssh->turn_ns;
}

void ssh_session_stand(struct ssh_session *session)
{
    struct ssh *ssh = session->host->ssh;

    if (!session->stands) {
        session->stands = true;
        STAILQ_INSERT_TAIL(&ssh->line, session, line);
        CHECK(uv_idle_start(&ssh->turn, next_turn) == 0);
    }
}

void ssh_session_leave(struct ssh_session *session)
{
    if (session->stands) {
        session->stands = false;
        STAILQ_REMOVE(&session->host->ssh->line, session, ssh_session, line);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What is heard in pieces is bounded by who hears it; what the protocol adds is not. */
static size_t call_max(const struct ssh_session *session)
{
    if (session->state < SSH_IDLE) {
        return SSH_LOGIN_MAX;
    }
    return session->call != NULL && step_in_pieces(&session->call->talk) ? SSH_PIECES_MAX : SSH_CALL_MAX;
}

static bool has_had_its_time(const struct ssh_session *session)
{
    uint64_t left_ns = session->host->ssh->turn_ns;

    return uv_hrtime() - session->began_ns >= (left_ns < SSH_SHARE_NS ? left_ns : SSH_SHARE_NS);
}

/* Each time keys are exchanged the library copies the host's key, after it has given back the copy that it had
 * (ssh_free), or, with curves, without that: 1.10 then forgets it, and we give it back. True: there is another copy. */
static bool take_forgotten_key(struct ssh_session *session)
{
    const char *host_key = libssh2_session_hostkey(session->ssh2, NULL, NULL);
    void *abstract = session, *forgotten;

    if (host_key == session->host_key) {
        return false;
    }
    memcpy(&forgotten, &session->host_key, sizeof(forgotten));
    ssh_free(forgotten, &abstract);
    session->host_key = host_key;
    return true;
}

/* The library tells nobody that keys are exchanged again. It receives something several times in between. */
static void count_exchanges(struct ssh_session *session)
{
    if (take_forgotten_key(session)) {
        session->exchanges++;
        session->flooded = session->flooded || session->exchanges > SSH_EXCHANGES_MAX;
    }
}

void ssh_library_end(struct ssh_session *session)
{
    (void)take_forgotten_key(session); /* of an exchange that failed: nothing was received after it */
    (void)libssh2_session_free(session->ssh2);
}

ssize_t ssh_recv(libssh2_socket_t fd, void *data, size_t len, int flags, void **abstract)
{
    struct ssh_session *session = *abstract;
    struct ssh *ssh = session->host->ssh;
    size_t share = least(session->share_bytes, ssh->turn_bytes);
    size_t max = call_max(session);
    ssize_t n;

    if (session->state == SSH_CLOSING) {
        return -ECONNABORTED;
    }
    count_exchanges(session);
    if (session->flooded) {
        return -ECONNABORTED;
    }
    if (share == 0 || has_had_its_time(session)) {
        session->more = true;
        return -EAGAIN;
    }
    n = recv(fd, data, least(least(len, share), SSH_READ_BYTES), flags | MSG_DONTWAIT);
    if (n < 0) {
        return errno == EINTR ? -EAGAIN : -errno; /* what the library's own function gives */
    }
    session->share_bytes -= (size_t)n;
    ssh->turn_bytes -= (size_t)n;
    session->call_bytes += (size_t)n;
    if (session->call_bytes > max) {
        session->flooded = true;
        return -ECONNABORTED;
    }
    return n;
}

void ssh_session_flood_text(const struct ssh_session *session, char *text, size_t size)
{
    const char *host = session->host->name;

    if (session->deaf) {
        text_print(text, size, "host %s: it takes nothing of what is sent to it; the connection was ended", host);
    } else if (session->exchanges > SSH_EXCHANGES_MAX) {
        text_print(text, size, "host %s: it changed the keys more than %d times; the connection was ended", host,
                   SSH_EXCHANGES_MAX);
    } else {
        text_print(text, size, "host %s: it sent more than %zu bytes %s; the connection was ended", host,
                   session->state < SSH_IDLE ? SSH_LOGIN_MAX : SSH_OUTPUT_MAX,
                   session->state < SSH_IDLE ? "before the login" : "for one command");
    }
}

/* ---- what the library holds ---- */

/* It keeps packets that nobody asks for as long as the session lives: nothing more is received then. */
static void *taken(struct ssh_session *session, void *memory)
{
    session->library_bytes += malloc_usable_size(memory);
    session->flooded = session->flooded || session->library_bytes > SSH_LIBRARY_MAX;
    return memory;
}

/* Some lengths are the host's (of a signal's name: up to 4 GiB): not worth the process. */
static bool is_unfit(struct ssh_session *session, size_t count)
{
    session->flooded = session->flooded || count > SSH_LIBRARY_MAX;
    return count > SSH_LIBRARY_MAX;
}

void *ssh_alloc(size_t count, void **abstract)
{
    return is_unfit(*abstract, count) ? NULL : taken(*abstract, mem_alloc(count));
}

void *ssh_realloc(void *memory, size_t count, void **abstract)
{
    struct ssh_session *session = *abstract;

    if (is_unfit(session, count)) {
        return NULL;
    }
    session->library_bytes -= malloc_usable_size(memory);
    return taken(session, mem_realloc_array(memory, count, 1));
}

void ssh_free(void *memory, void **abstract)
{
    struct ssh_session *session = *abstract;

    if (memory == session->host_key) {
        session->host_key = NULL;
    }
    session->library_bytes -= malloc_usable_size(memory);
    free(memory);
}

/* ---- what is held ---- */

static size_t held_by(const struct ssh_host *host)
{
    size_t n = 0;

    for (const struct ssh_session *session = host->sessions; session != NULL; session = session->next) {
        n += session->out.len + session->error.len;
    }
    return n;
}

static struct ssh_session *largest(const struct ssh *ssh)
{
    struct ssh_session *found = NULL;
    size_t most = 0, found_len = 0;

    for (struct ssh_host *host = ssh->hosts; host != NULL; host = host->next) {
        size_t n = held_by(host);

        if (n <= most) {
            continue;
        }
        most = n;
        found_len = 0;
        for (struct ssh_session *session = host->sessions; session != NULL; session = session->next) {
            if (session->out.len + session->error.len > found_len && session->state != SSH_CLOSING) {
                found_len = session->out.len + session->error.len;
                found = session;
            }
        }
    }
    return found;
}

bool ssh_session_keep(struct ssh_session *session, struct buf *buf, const char *data, size_t len)
{
    struct ssh *ssh = session->host->ssh;
    struct ssh_session *other;

    if (buf == &session->error) {
        session->error_bytes += len;
        if (session->error_bytes > SSH_OUTPUT_MAX) {
            session->flooded = true;
            return false;
        }
        len = least(len, SSH_ERROR_MAX - buf->len); /* a text for people: its beginning is enough */
    } else if (len > SSH_OUTPUT_MAX - buf->len || held_by(session->host) + len > SSH_HOST_HELD_MAX) {
        session->flooded = true;
        return false;
    }
    if (ssh->held_bytes + len > SSH_HELD_MAX && (other = largest(ssh)) != NULL) {
        ssh_session_abort(other, E_BUSY, EXEC_CAUSE_NONE,
                          "the answers of all nodes together are too large at the moment");
        if (session->state == SSH_CLOSING) {
            return false;
        }
    }
    buf_append(buf, data, len);
    ssh->held_bytes += len;
    return true;
}

void ssh_session_drop(struct ssh_session *session)
{
    session->host->ssh->held_bytes -= session->out.len + session->error.len;
    buf_fini(&session->out); /* may have been large */
    buf_fini(&session->error);
}

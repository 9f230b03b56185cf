/* The ssh executor: steps as scripts over sessions that are kept and used again.
 *
 * A session runs one command at a time, so that libssh2's trouble with several channels of a session does not arise;
 * commands side by side on a host take sessions of their own, at most SESSIONS_MAX. Idle ones are kept for a while.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/ssh_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"
#include "store/words.h"

/* ---- hosts ---- */

static struct ssh_host *find_host(struct ssh *ssh, const char *name)
{
    struct ssh_host *host;

    for (host = ssh->hosts; host != NULL; host = host->next) {
        if (strcmp(host->name, name) == 0) {
            return host;
        }
    }
    host = mem_calloc(1, sizeof(*host));
    host->ssh = ssh;
    host->name = mem_strdup(name);
    host->next = ssh->hosts;
    ssh->hosts = host;
    return host;
}

/* The call leaves the list before its callback, which may cancel others, run more or close the executor. */
void ssh_call_finish(struct exec_call *call, const struct exec_result *result)
{
    struct ssh *ssh = call->ssh;

    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        ssh->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    ssh->finishing++;
    call->cb(call->user, result);
    ssh->finishing--;
    step_fini(&call->talk);
    buf_fini(&call->command);
    buf_fini(&call->fence_command);
#ifndef __clang_analyzer__ /* it does not see that the call has left the list, and takes the next one for it */
    free(call);
#endif
    ssh_maybe_closed(ssh);
}

void ssh_call_fail(struct exec_call *call, int code, enum exec_cause cause, const char *text)
{
    struct exec_result result = {.code = code, .cause = cause};

    text_put(result.message, sizeof(result.message), text);
    ssh_call_finish(call, &result);
}

/* ---- queueing ---- */

/* Gives waiting calls to idle sessions; opens sessions while there may be more. */
void ssh_host_dispatch(struct ssh_host *host)
{
    while (host->waiting != NULL && !host->ssh->closing) {
        struct ssh_session *session = host->sessions;
        struct exec_call *call = host->waiting;
        bool resolving = false;
        size_t count = 0;

        for (struct ssh_session *at = host->sessions; at != NULL; at = at->next) {
            count++;
            resolving = resolving || at->resolving;
        }
        while (session != NULL && session->state != SSH_IDLE) {
            session = session->next;
        }
        if (session == NULL && (count >= SSH_SESSIONS_MAX || resolving)) {
            return; /* taken up when one becomes idle, or its name is resolved: that may take all threads of the pool */
        }
        if (session == NULL) {
            session = ssh_session_new(host);
        }
        host->waiting = call->next_waiting;
        call->queued = false;
        ssh_session_run(session, call);
    }
}

static void enqueue(struct ssh_host *host, struct exec_call *call)
{
    struct exec_call **at = &host->waiting;

    while (*at != NULL) {
        at = &(*at)->next_waiting;
    }
    call->next_waiting = NULL;
    call->queued = true;
    *at = call;
}

void ssh_call_again(struct exec_call *call)
{
    call->next_waiting = call->host->waiting;
    call->queued = true;
    call->host->waiting = call;
}

/* The node has not been asked. What must not be asked of it will not get better by repetition. */
static void fail_refused(struct exec_call *call)
{
    bool unfit = call->refused_code == E_INVALID;
    struct exec_result result = {.code = unfit ? E_REMOTE : call->refused_code, .permanent = unfit};

    (void)snprintf(result.message, sizeof(result.message), "%s", call->refused.message);
    ssh_call_finish(call, &result);
}

static void dispatch_cb(uv_idle_t *idle)
{
    TURN("ssh");
    struct ssh *ssh = idle->data;
    struct exec_call *call = ssh->calls;

    uv_idle_stop(idle);
    while (call != NULL && !ssh->closing) {
        if (call->refused_code != 0) {
            fail_refused(call);
            call = ssh->calls; /* the callback may have changed the list anywhere */
        } else {
            call = call->next;
        }
    }
    for (struct ssh_host *host = ssh->hosts; host != NULL; host = host->next) {
        ssh_host_dispatch(host);
    }
}

/* The command line: sh, as root, with the script as one word. */
static void wrap(const struct ssh *ssh, const struct buf *script, struct buf *command)
{
    buf_clear(command);
    buf_append_str(command, ssh->config.sudo ? "sudo /bin/sh -c " : "/bin/sh -c ");
    store_word_quote(command, buf_str(script));
}

void ssh_call_next(struct exec_call *call)
{
    wrap(call->ssh, &call->talk.script, &call->command);
}

static struct exec_call *run(struct executor *executor, const struct exec_step *step, exec_done_cb cb, void *user)
{
    struct ssh *ssh = (struct ssh *)executor;
    struct exec_call *call = mem_calloc(1, sizeof(*call));

    CHECK(!ssh->closing);
    call->ssh = ssh;
    call->step = *step;
    call->cb = cb;
    call->user = user;
    call->host = find_host(ssh, step->host);
    call->timeout_ms = step_timeout_ms(&ssh->config, step);
    call->next = ssh->calls;
    if (ssh->calls != NULL) {
        ssh->calls->previous = call;
    }
    ssh->calls = call;
    call->refused_code = step_check(&ssh->config, step, &call->refused);
    if (call->refused_code == 0) {
        step_begin(&call->talk, &ssh->config, &call->step);
        if (call->talk.ended) { /* before it began */
            call->refused_code = err_set(&call->refused, E_INVALID, "%s", call->talk.result.message);
        }
    }
    if (call->refused_code == 0) {
        CLEANUP(buf_fini) struct buf fence = BUF_INIT;

        ssh_call_next(call);
        script_fence(&ssh->config, step, &fence);
        wrap(ssh, &fence, &call->fence_command);
        enqueue(call->host, call);
    }
    CHECK(uv_idle_start(&ssh->idle, dispatch_cb) == 0);
    return call;
}

static void cancel(struct executor *executor, struct exec_call *call)
{
    (void)executor;
    if (call->session != NULL) {
        ssh_session_abort(call->session, E_CANCELLED, EXEC_CAUSE_NONE, "cancelled");
    } else if (call->queued) {
        struct exec_call **at = &call->host->waiting;

        while (*at != call) {
            at = &(*at)->next_waiting;
        }
        *at = call->next_waiting;
        call->queued = false;
        call->refused_code = err_set(&call->refused, E_CANCELLED, "cancelled");
        if (!call->ssh->closing) {
            CHECK(uv_idle_start(&call->ssh->idle, dispatch_cb) == 0);
        }
    }
}

/* ---- end ---- */

void ssh_maybe_closed(struct ssh *ssh)
{
    struct ssh_host *host;
    void (*closed_cb)(void *user) = ssh->closed_cb;
    void *user = ssh->closed_user;

    if (!ssh->closing || ssh->calls != NULL || ssh->finishing > 0 || ssh->handles > 0) {
        return;
    }
    for (host = ssh->hosts; host != NULL; host = host->next) {
        if (host->sessions != NULL) {
            return;
        }
    }
    while ((host = ssh->hosts) != NULL) {
        ssh->hosts = host->next;
        free(host->name);
        free(host);
    }
    ssh_key_free(ssh->key);
    free(ssh->known_hosts);
    free(ssh);
    libssh2_exit();
    closed_cb(user);
}

static void handle_closed(uv_handle_t *handle)
{
    struct ssh *ssh = handle->data;

    ssh->handles--;
    ssh_maybe_closed(ssh);
}

static void close_executor(struct executor *executor, void (*closed_cb)(void *user), void *user)
{
    struct ssh *ssh = (struct ssh *)executor;
    struct exec_call *call;

    ssh->closing = true;
    ssh->closed_cb = closed_cb;
    ssh->closed_user = user;
    for (call = ssh->calls; call != NULL; call = call->next) {
        call->queued = false;
    }
    for (struct ssh_host *host = ssh->hosts; host != NULL; host = host->next) {
        host->waiting = NULL;
        for (struct ssh_session *session = host->sessions; session != NULL; session = session->next) {
            ssh_session_abort(session, E_CANCELLED, EXEC_CAUSE_NONE, "cancelled");
        }
    }
    while ((call = ssh->calls) != NULL) { /* the others: none has a session any more */
        ssh_call_fail(call, E_CANCELLED, EXEC_CAUSE_NONE, "cancelled");
    }
    uv_close((uv_handle_t *)&ssh->idle, handle_closed);
    uv_close((uv_handle_t *)&ssh->turn, handle_closed);
}

static const struct exec_ops ssh_ops = {.run = run, .cancel = cancel, .close = close_executor};

struct executor *exec_ssh_new(uv_loop_t *loop, const struct exec_config *config, struct err *reterr)
{
    struct ssh *ssh = mem_calloc(1, sizeof(*ssh));

    ssh->executor.ops = &ssh_ops;
    ssh->loop = loop;
    ssh->config = *config;
    ssh->known_hosts = mem_strdup(config->known_hosts != NULL ? config->known_hosts : "");
    if (ssh_key_load(config->keyfile, &ssh->key, reterr) != 0) {
        free(ssh->known_hosts);
        free(ssh);
        return NULL;
    }
    CHECK(libssh2_init(0) == 0);
    CHECK(uv_idle_init(loop, &ssh->idle) == 0);
    ssh->idle.data = ssh;
    ssh->handles++;
    ssh_turn_init(ssh);
    return &ssh->executor;
}

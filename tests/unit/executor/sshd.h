/* A real sshd on loopback with keys and configuration of its own, and an executor that talks to it.
 *
 * Whatever is asked for runs through a script of the test ("node"): by default in a folder of its own instead of
 * /var/lib/heketi; or what sshd_mode() says. */
#ifndef HECATE_TESTS_UNIT_EXECUTOR_SSHD_H
#define HECATE_TESTS_UNIT_EXECUTOR_SSHD_H

#include <sys/types.h>

#include "daemon/executor/executor.h"

struct sshd {
    char folder[64];
    pid_t pid;
    uint16_t port;
    const char *user;
};

struct sshd_call {
    bool done;
    unsigned order; /* in which calls were answered, from 1 */
    struct exec_call *call;
    int code;
    bool permanent;
    enum exec_cause cause;
    char message[2048];
};

struct sshd_client {
    struct sshd *sshd;
    uv_loop_t loop;
    struct exec_config config;
    struct executor *executor;
    char *keyfile, *known_hosts;
    unsigned answered;
    bool closed;
};

/* NULL: sshd is not installed, and the test has to skip itself. Starts with keys of all kinds made by ssh-keygen. */
struct sshd *sshd_new(void);
/* The same, with lines of its own in sshd_config. */
struct sshd *sshd_new_with(const char *lines);
void sshd_free(struct sshd *sshd);
/* What the node does instead of the script that it gets: shell text; NULL: the script, in its folder. */
void sshd_mode(struct sshd *sshd, const char *text);
/* A file in the folder: its text ("" when absent; free()), write, lines. */
char *sshd_read(const struct sshd *sshd, const char *name);
void sshd_write(const struct sshd *sshd, const char *name, const char *text);
size_t sshd_lines(const struct sshd *sshd, const char *name);
/* Runs sh with the folder as its current directory; it must succeed. */
void sshd_shell(const struct sshd *sshd, const char *command);
/* known_hosts: a line for the host with the key in FILE.pub of the folder. */
void sshd_know(const struct sshd *sshd, const char *key);

/* An executor for keys/KEY of the folder; the host is known. Settings may be changed until the first use. */
void client_init(struct sshd_client *client, struct sshd *sshd, const char *key);
void client_fini(struct sshd_client *client);
/* Begins a step. */
void client_run(struct sshd_client *client, const struct exec_step *step, struct sshd_call *call);
/* Until the condition is true; fails the test after a minute. */
void client_until(struct sshd_client *client, bool (*condition)(void *user), void *user);
void client_wait(struct sshd_client *client, struct sshd_call *call);
/* Both: begins the step and waits. */
void client_do(struct sshd_client *client, struct exec_step step, struct sshd_call *call);
/* The same with a step of the kind that needs no more. */
void client_check(struct sshd_client *client, struct sshd_call *call);
/* It ended with this code, and its message has the text in it. */
void call_expect(const struct sshd_call *call, int code, const char *text);

#endif

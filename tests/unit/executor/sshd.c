#include "tests/unit/executor/sshd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/buf.h"
#include "store/base/mem.h"
#include "tests/unit/ports.h"

#define SSHD "/usr/sbin/sshd"
#define DEADLINE_MS 60000

/* ---- files ---- */

static char *path_of(const struct sshd *sshd, const char *name)
{
    return mem_printf("%s/%s", sshd->folder, name);
}

char *sshd_read(const struct sshd *sshd, const char *name)
{
    CLEANUP(free_ptr) char *path = path_of(sshd, name);
    struct buf text = BUF_INIT;
    FILE *file = fopen(path, "rb");
    char data[4096];
    size_t n;

    while (file != NULL && (n = fread(data, 1, sizeof(data), file)) > 0) {
        buf_append(&text, data, n);
    }
    if (file != NULL) {
        (void)fclose(file); /* only read from */
    }
    return buf_take(&text);
}

/* By renaming: the node may be reading it. */
void sshd_write(const struct sshd *sshd, const char *name, const char *text)
{
    CLEANUP(free_ptr) char *path = path_of(sshd, name);
    CLEANUP(free_ptr) char *temporary = mem_printf("%s.new", path);
    FILE *file = fopen(temporary, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(temporary, 0755), 0);
    assert_int_equal(rename(temporary, path), 0);
}

size_t sshd_lines(const struct sshd *sshd, const char *name)
{
    CLEANUP(free_ptr) char *text = sshd_read(sshd, name);
    size_t n = 0;

    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++) {
        n++;
    }
    return n;
}

static pid_t spawn(const char *folder, const char *const *arguments)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(folder) == 0) {
            execv(arguments[0], (char *const *)(uintptr_t)arguments);
        }
        _exit(127);
    }
    return pid;
}

void sshd_shell(const struct sshd *sshd, const char *command)
{
    const char *const arguments[] = {"/bin/sh", "-ec", command, NULL};
    pid_t pid = spawn(sshd->folder, arguments);
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0) {
        fail_msg("'%s' ended with %d", command, status);
    }
}

void sshd_mode(struct sshd *sshd, const char *text)
{
    sshd_write(sshd, "mode", text != NULL ? text : "");
}

void sshd_know(const struct sshd *sshd, const char *key)
{
    CLEANUP(free_ptr)
    char *command =
        mem_printf("printf '[127.0.0.1]:%u %%s\\n' \"$(cut -d' ' -f1,2 %s.pub)\" >>known_hosts", sshd->port, key);

    sshd_shell(sshd, command);
}

/* ---- the server ---- */

static const char make_keys[] =
    "key() { ssh-keygen -q -N '' -C '' -f \"$@\" </dev/null; }\n"
    "key host_ed25519 -t ed25519; key host_ecdsa -t ecdsa -b 384; key host_other -t ed25519; key host_ecdsa256 -t "
    "ecdsa\n"
    "key ed25519 -t ed25519; key ecdsa -t ecdsa; key rsa_pem -t rsa -b 2048 -m PEM; key rsa_openssh -t rsa -b 2048\n"
    "key ecdsa_pem -t ecdsa -m PEM; key ecdsa_521 -t ecdsa -b 521; key stranger -t ed25519\n"
    "cat ed25519.pub ecdsa.pub ecdsa_pem.pub ecdsa_521.pub rsa_pem.pub rsa_openssh.pub >authorized\n"
    "mkdir base bin running; : >calls\n";

static const char node[] = "#!/bin/sh\n"
                           "cd '%s' || exit 1\n"
                           "printf '%%s\\n' \"$SSH_CONNECTION\" >>calls\n"
                           "printf '%%s\\n' \"$SSH_ORIGINAL_COMMAND\" >command\n"
                           "if [ -s mode ]; then . ./mode; fi\n"
                           "command=$(printf '%%s\\n' \"$SSH_ORIGINAL_COMMAND\" | sed \"s,/var/lib/heketi,$PWD/base,g; "
                           "s,/var/lib/glusterd,$PWD/base,g;"
                           " s,PATH=/usr/sbin,PATH=$PWD/bin:/usr/sbin,g\")\n"
                           "eval \"$command\"\n";

static const char configuration[] =
    "ListenAddress 127.0.0.1\nPort %u\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
    "KbdInteractiveAuthentication no\nHostKey %s/host_ed25519\nHostKey %s/host_ecdsa\nAuthorizedKeysFile "
    "%s/authorized\n"
    "ForceCommand %s/node\nMaxStartups 100\nLogLevel VERBOSE\n%s";

static bool answers(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok;

    assert_true(fd >= 0);
    ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    (void)close(fd); /* a socket */
    return ok;
}

static void start(struct sshd *sshd, const char *lines)
{
    CLEANUP(free_ptr) char *text = NULL;
    CLEANUP(free_ptr) char *file = path_of(sshd, "sshd_config");
    CLEANUP(free_ptr) char *log = path_of(sshd, "log");
    const char *const arguments[] = {SSHD, "-D", "-f", file, "-E", log, NULL};
    unsigned port;

    ports_free(&port, 1);
    sshd->port = (uint16_t)port;
    text = mem_printf(configuration, sshd->port, sshd->folder, sshd->folder, sshd->folder, sshd->folder, lines);
    sshd_write(sshd, "sshd_config", text);
    sshd->pid = spawn(sshd->folder, arguments);
    for (uint64_t begin = uv_hrtime(); !answers(sshd->port);) {
        CLEANUP(free_ptr) char *said = sshd_read(sshd, "log");
        const struct timespec pause = {0, 20000000};

        if (waitpid(sshd->pid, NULL, WNOHANG) != 0 || uv_hrtime() - begin > DEADLINE_MS * (uint64_t)1000000) {
            fail_msg("sshd does not start: %s", said);
        }
        (void)nanosleep(&pause, NULL);
    }
}

struct sshd *sshd_new_with(const char *lines)
{
    struct sshd *sshd;
    CLEANUP(free_ptr) char *text = NULL;
    const struct passwd *user = getpwuid(geteuid());

    if (access(SSHD, X_OK) != 0) {
        return NULL;
    }
    if (geteuid() == 0) {
        (void)mkdir("/run/sshd", 0755); /* sshd insists on it; there already: fine */
    }
    sshd = mem_calloc(1, sizeof(*sshd));
    sshd->user = user != NULL ? user->pw_name : "root";
    (void)snprintf(sshd->folder, sizeof(sshd->folder), "/tmp/hecate-sshd.XXXXXX");
    assert_non_null(mkdtemp(sshd->folder));
    sshd_shell(sshd, make_keys);
    text = mem_printf(node, sshd->folder);
    sshd_write(sshd, "node", text);
    start(sshd, lines);
    return sshd;
}

struct sshd *sshd_new(void)
{
    return sshd_new_with("");
}

void sshd_free(struct sshd *sshd)
{
    if (sshd != NULL) {
        CLEANUP(free_ptr) char *command = mem_printf("cd / && rm -rf %s", sshd->folder);

        assert_int_equal(kill(sshd->pid, SIGTERM), 0);
        assert_int_equal(waitpid(sshd->pid, NULL, 0), sshd->pid);
        sshd_shell(sshd, command);
        free(sshd);
    }
}

/* ---- the client ---- */

void client_init(struct sshd_client *client, struct sshd *sshd, const char *key)
{
    memset(client, 0, sizeof(*client));
    client->sshd = sshd;
    client->keyfile = path_of(sshd, key);
    client->known_hosts = path_of(sshd, "known_hosts");
    assert_int_equal(uv_loop_init(&client->loop), 0);
    exec_config_init(&client->config);
    client->config.keyfile = client->keyfile;
    client->config.known_hosts = client->known_hosts;
    client->config.user = sshd->user;
    client->config.port = sshd->port;
    client->config.connect_timeout_ms = DEADLINE_MS; /* machines can be slow */
    sshd_write(sshd, "known_hosts", "");
    sshd_know(sshd, "host_ed25519");
    sshd_mode(sshd, NULL);
    sshd_write(sshd, "calls", "");
}

static void on_closed(void *user)
{
    *(bool *)user = true;
}

static bool is_set(void *user)
{
    return *(bool *)user;
}

void client_fini(struct sshd_client *client)
{
    CLEANUP(free_ptr) char *command = NULL;

    if (client->executor != NULL && !client->closed) {
        exec_close(client->executor, on_closed, &client->closed);
        client_until(client, is_set, &client->closed);
    }
    assert_int_equal(uv_run(&client->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&client->loop), 0); /* nothing was left open */
    free(client->keyfile);
    free(client->known_hosts);
    command = mem_printf("n=0; while pgrep -P %d >/dev/null; do n=$((n + 1)); test $n -lt 3000; sleep 0.02; done",
                         (int)client->sshd->pid);
    sshd_shell(client->sshd, command); /* what is under way for this client is over */
}

static struct sshd_client *answering; /* the only client that there is */

static void on_done(void *user, const struct exec_result *result)
{
    struct sshd_call *call = user;

    assert_false(call->done);
    call->done = true;
    call->order = ++answering->answered;
    call->code = result->code;
    call->permanent = result->permanent;
    call->cause = result->cause;
    (void)snprintf(call->message, sizeof(call->message), "%s", result->message);
}

void client_run(struct sshd_client *client, const struct exec_step *step, struct sshd_call *call)
{
    struct err err = ERR_INIT;

    answering = client;
    if (client->executor == NULL) {
        client->executor = exec_ssh_new(&client->loop, &client->config, &err);
        if (client->executor == NULL) {
            fail_msg("%s", err.message);
        }
    }
    memset(call, 0, sizeof(*call));
    call->call = exec_run(client->executor, step, on_done, call);
    assert_false(call->done); /* never from within */
}

static void on_deadline(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void on_poll(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop for conditions outside of it */
}

void client_until(struct sshd_client *client, bool (*condition)(void *user), void *user)
{
    uv_timer_t deadline, poll;
    bool late = false;

    assert_int_equal(uv_timer_init(&client->loop, &deadline), 0);
    assert_int_equal(uv_timer_init(&client->loop, &poll), 0);
    deadline.data = &late;
    assert_int_equal(uv_timer_start(&deadline, on_deadline, DEADLINE_MS, 0), 0);
    assert_int_equal(uv_timer_start(&poll, on_poll, 10, 10), 0);
    while (!condition(user) && !late) {
        (void)uv_run(&client->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&deadline, NULL);
    uv_close((uv_handle_t *)&poll, NULL);
    (void)uv_run(&client->loop, UV_RUN_NOWAIT);
    if (late) {
        CLEANUP(free_ptr) char *log = sshd_read(client->sshd, "log");

        fail_msg("nothing happened for a minute; sshd says:\n%s", log);
    }
}

void client_wait(struct sshd_client *client, struct sshd_call *call)
{
    client_until(client, is_set, &call->done);
}

void client_do(struct sshd_client *client, struct exec_step step, struct sshd_call *call)
{
    client_run(client, &step, call);
    client_wait(client, call);
}

void client_check(struct sshd_client *client, struct sshd_call *call)
{
    client_do(client, (struct exec_step){.kind = EXEC_GLUSTERD_CHECK, .host = "127.0.0.1"}, call);
}

void call_expect(const struct sshd_call *call, int code, const char *text)
{
    if (call->code != code || strstr(call->message, text) == NULL) {
        fail_msg("code %d, expected %d; '%s', expected '%s'", call->code, code, call->message, text);
    }
}

/* hecated: one member of a Hecate cluster. Arguments, configuration, signals; the rest is in member.c. */
#include <argp.h>
#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "daemon/config.h"
#include "daemon/keeper/keeper.h"
#include "daemon/mark.h"
#include "daemon/member.h"
#include "daemon/notify.h"
#include "daemon/stage.h"
#include "daemon/turns.h"
#include "store/base/check.h"
#include "store/base/log.h"

const char *argp_program_version = "hecated " HECATE_VERSION;

#define DEFAULT_CONFIG "/etc/hecate/hecate.json"
#define CORE_ENV "HECATE_CORE" /* 1: core files are wanted */
#define LARGE_BYTES (1 << 20)
#define FILES_MAX 65536   /* open at once; far more than all bounds of connections allow */
#define FILES_NEEDED 4096 /* full shares of clients and members, and a few hundred storage nodes */
#define EXIT_LASTING 3    /* the service manager does not try again: hecated.service */
#define HEKETI_CONFIG "/etc/heketi/heketi.json"

struct arguments {
    const char *config;
    const char *restore, *import;
    bool check_config, disable_auth, trust_new_keys;
};

enum { KEY_CHECK = 256, KEY_DISABLE_AUTH, KEY_RESTORE, KEY_IMPORT, KEY_TRUST };

static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "Configuration (default " DEFAULT_CONFIG ", else " HEKETI_CONFIG ")", 0},
    {"check-config", KEY_CHECK, NULL, 0, "Check the configuration, print what is wrong, and exit", 0},
    {"disable-auth", KEY_DISABLE_AUTH, NULL, 0, "Let everybody do everything (for trying only)", 0},
    {"trust-new-keys", KEY_TRUST, NULL, 0,
     "Until the end of this process: take everybody who has a certificate of the authority with a member's number for "
     "that "
     "member, whatever its key (when members were given new keys while they were stopped)",
     0},
    {"restore", KEY_RESTORE, "FILE", 0,
     "Put a backup (GET /backup/db) into the empty data directory of a member of a new cluster, and exit", 0},
    {"import", KEY_IMPORT, "FILE", 0, "The same with a dump of Heketi (heketi-cli db dump): report, and exit", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'c':
        arguments->config = arg;
        return 0;
    case KEY_CHECK:
        arguments->check_config = true;
        return 0;
    case KEY_DISABLE_AUTH:
        arguments->disable_auth = true;
        return 0;
    case KEY_TRUST:
        arguments->trust_new_keys = true;
        return 0;
    case KEY_RESTORE:
        arguments->restore = arg;
        return 0;
    case KEY_IMPORT:
        arguments->import = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    options, parse_option,
    NULL,    "Hecate: a highly available manager of GlusterFS volumes.\vEvery member of a cluster runs one hecated.",
    0,       0,
    0};

struct daemon_state {
    uv_loop_t loop;
    struct member *member;
    uv_signal_t sigterm, sigint, sigusr2, sighup;
    uv_timer_t watchdog;
    bool stopping;
};

static void closed(void *user)
{
    struct daemon_state *daemon = user;

    LOG(LOG_INFO, "member", "stopped");
    uv_close((uv_handle_t *)&daemon->sigterm, NULL);
    uv_close((uv_handle_t *)&daemon->sigint, NULL);
    uv_close((uv_handle_t *)&daemon->sigusr2, NULL);
    uv_close((uv_handle_t *)&daemon->sighup, NULL);
    uv_close((uv_handle_t *)&daemon->watchdog, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon_state *daemon = handle->data;

    if (daemon->stopping) {
        return;
    }
    daemon->stopping = true;
    puts("Shutting down...");
    (void)fflush(stdout); /* for people only */
    LOG(LOG_INFO, "member", "stopping", LF_STR("signal", strsignal(number)));
    notify_state("STOPPING=1");
#if !defined(__SANITIZE_ADDRESS__) /* which is to see that all is freed */
    member_leave_state(daemon->member);
#endif
    member_stop(daemon->member, closed, daemon);
}

/* A member that lost its disk or found damage says so and ends; it never carries on with less than it had. */
static void failed(void *user, const char *message, bool lasting)
{
    (void)user;
    LOG(LOG_CRITICAL, "member", message);
    notify_state("STATUS=failed, see the log");
    log_stop_writer();
    _exit(lasting ? EXIT_LASTING : EXIT_FAILURE);
}

/* As with Heketi: the way out of read-only mode. */
static void on_reset(uv_signal_t *handle, int number)
{
    struct daemon_state *daemon = handle->data;

    (void)number;
    if (!daemon->stopping) {
        member_reset_mode(daemon->member);
    }
}

static void on_reload(uv_signal_t *handle, int number)
{
    struct daemon_state *daemon = handle->data;

    (void)number;
    if (!daemon->stopping) {
        member_reload(daemon->member);
    }
}

static void start_signal(struct daemon_state *daemon, uv_signal_t *handle, int number, uv_signal_cb cb)
{
    CHECK(uv_signal_init(&daemon->loop, handle) == 0);
    handle->data = daemon;
    CHECK(uv_signal_start(handle, cb, number) == 0);
}

/* The keeper is forked while there is one thread and before the capabilities go: the daemon itself needs none. */
static int start_keeper(const struct cfg *cfg, struct keeper **ret_keeper, struct err *reterr)
{
    cap_t none = cap_init();
    int rc = 0;

    *ret_keeper = NULL;
    if (cfg->virtual_ips.n > 0) {
        rc = keeper_start((const char *const *)cfg->virtual_ips.items, cfg->virtual_ips.n, ret_keeper, reterr);
    }
    if (none == NULL || cap_set_proc(none) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        rc = rc != 0 ? rc : err_set(reterr, E_IO, "cannot drop the capabilities: %s", strerror(errno));
    }
    if (none != NULL) {
        (void)cap_free(none); /* memory */
    }
    return rc;
}

static int run(const struct cfg *cfg)
{
    static struct daemon_state daemon;
    struct err err = ERR_INIT;
    struct keeper *keeper;

    if (start_keeper(cfg, &keeper, &err) != 0) {
        fprintf(stderr, "ERROR: %s\n", err.message);
        return 1;
    }
    log_start_writer(); /* after the keeper was forked */
    CHECK(uv_loop_init(&daemon.loop) == 0);
    if (stage_check(cfg, &err) != 0 || mark_open(cfg->data_dir, &err) != 0) {
        log_stop_writer();
        fprintf(stderr, "ERROR: %s\n", err.message);
        return 1;
    }
    if (member_start(&daemon.loop, cfg, keeper, failed, NULL, &daemon.member, &err) != 0) {
        log_stop_writer();
        fprintf(stderr, "ERROR: %s\n", err.message);
        return 1;
    }
    turns_start(&daemon.loop);
    start_signal(&daemon, &daemon.sigterm, SIGTERM, on_signal);
    start_signal(&daemon, &daemon.sigint, SIGINT, on_signal);
    start_signal(&daemon, &daemon.sigusr2, SIGUSR2, on_reset);
    start_signal(&daemon, &daemon.sighup, SIGHUP, on_reload);
    printf("Listening on port %s%s\n", cfg->port, cfg->enable_tls ? " with TLS enabled" : "");
    (void)fflush(stdout); /* for people only */
    notify_watchdog_start(&daemon.loop, &daemon.watchdog);
    notify_state("READY=1");
    (void)uv_run(&daemon.loop, UV_RUN_DEFAULT);
    turns_stop();
    (void)uv_run(&daemon.loop, UV_RUN_DEFAULT);
    CHECK_MSG(uv_loop_close(&daemon.loop) == 0, "a handle was left open");
    log_stop_writer();
    mark_close();
    return 0;
}

/* Memory holds the keys of users, members and storage nodes: it is not written to a file, nor read by other processes
 * of the same user. The keeper inherits it. */
static int hide_memory(void)
{
    const struct rlimit none = {0, 0};
    const char *wanted = getenv(CORE_ENV);

    if (wanted != NULL && strcmp(wanted, "1") == 0) {
        LOG(LOG_WARNING, "member", CORE_ENV "=1: a core file would contain keys and passwords");
        return 0;
    }
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -1;
}

/* Every connection is a descriptor. Each kind of connection has a bound of its own, which pushes back on the one who
 * fills it; running out of descriptors would hit everybody, members too. */
static void raise_open_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_MAX) {
        return;
    }
    files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &files); /* up to the hard limit, which everybody may */
    if (files.rlim_cur < FILES_NEEDED) {
        LOG(LOG_WARNING, "member",
            "the limit of open files is low: a flood of connections can shut out the other members. Raise the hard "
            "limit (LimitNOFILE= of systemd, --ulimit nofile= of Docker)",
            LF_U64("limit", files.rlim_cur), LF_U64("needed", FILES_NEEDED),
            LF_U64("connections", api_connections_max(files.rlim_cur)));
    }
}

/* Large buffers (snapshots, dumps) go back to the system whenever they are freed. By default the library raises this
 * bound with each of them, and the next ones stay in the heap of whichever thread has had them. */
static void return_large_buffers(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES); /* 0 of an allocator that does not know it, as the sanitizers' */
}

/* All of it, so that a file with several mistakes is mended at once. */
static void print_wrong(struct cfg_warnings *warnings, const struct err *err)
{
    if (warnings->n_errors == 0) {
        fprintf(stderr, "ERROR: Unable to parse configuration: %s\n", err->message);
    }
    for (size_t i = 0; i < warnings->n_errors; i++) {
        fprintf(stderr, "ERROR: Unable to parse configuration: %s\n", warnings->errors[i]);
    }
    for (size_t i = 0; i < warnings->n; i++) {
        fprintf(stderr, "WARNING: %s\n", warnings->items[i]);
    }
    cfg_warnings_fini(warnings);
}

/* Root can read everything: the answer is for the user that will run hecated, who owns the data directory, or else is
 * the one that the unit names. Returns its name, "" when it is the one who asks. */
static const char *become_user(const struct cfg *cfg)
{
    static char texts[4096]; /* the names in it */
    static struct passwd entry;
    struct passwd *user = NULL;
    struct stat st;

    if (geteuid() != 0) {
        return "";
    }
    if (stat(cfg->data_dir, &st) == 0) {
        (void)getpwuid_r(st.st_uid, &entry, texts, sizeof(texts), &user); /* NULL: there is none */
    } else {
        (void)getpwnam_r("hecate", &entry, texts, sizeof(texts), &user);
    }
    if (user == NULL || user->pw_uid == 0 || initgroups(user->pw_name, user->pw_gid) != 0 ||
        setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0) {
        return "";
    }
    return user->pw_name;
}

/* --check-config: what the file says was right. */
static int check_start(const struct cfg *cfg, const char *source)
{
    struct cfg_warnings found = {NULL, 0, NULL, 0};
    const char *user = become_user(cfg);
    int rc;

    if (*user != '\0') {
        printf("%s: checked as user %s\n", source, user);
        cfg_validate(cfg, source, &found); /* what it can read */
    }
    if (found.n_errors == 0) {
        cfg_check_start(cfg, source, &found);
    }
    rc = found.n_errors == 0 ? 0 : 1;
    if (rc == 0) {
        printf("%s: ok\n", source);
    }
    for (size_t i = 0; i < found.n_errors; i++) {
        fprintf(stderr, "ERROR: %s\n", found.errors[i]);
    }
    for (size_t i = 0; i < found.n; i++) {
        fprintf(stderr, "WARNING: %s\n", found.items[i]);
    }
    cfg_warnings_fini(&found);
    return rc;
}

static bool is_to_journal(void)
{
    struct stat st;

    return fstat(STDERR_FILENO, &st) == 0 && log_is_journal(getenv("JOURNAL_STREAM"), st.st_dev, st.st_ino);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct cfg_warnings warnings;
    struct err err = ERR_INIT;
    struct cfg cfg;
    int rc;

    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    if (hide_memory() != 0) {
        fprintf(stderr, "ERROR: cannot switch core files off: %s\n", strerror(errno));
        return 1;
    }
    return_large_buffers();
    log_set_priorities(is_to_journal());
    signal(SIGPIPE, SIG_IGN); /* peers, clients and storage nodes may close at any time */
    if (arguments.config == NULL) {
        arguments.config = access(DEFAULT_CONFIG, F_OK) == 0 ? DEFAULT_CONFIG : HEKETI_CONFIG;
    }
    if (cfg_load(arguments.config, &cfg, &warnings, &err) != 0) {
        print_wrong(&warnings, &err);
        return 1;
    }
    log_set_level(cfg_log_level(&cfg));
    log_set_format(strcmp(cfg.log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
    for (size_t i = 0; i < warnings.n; i++) {
        LOG(LOG_WARNING, "config", warnings.items[i]);
    }
    if (strcmp(cfg.executor, "mock") == 0) {
        LOG(LOG_WARNING, "config",
            "glusterfs.executor is \"mock\": storage nodes are pretended, and volumes are nowhere; for real ones set "
            "\"ssh\" and glusterfs.sshexec");
    }
    raise_open_files();
    cfg.auth = !arguments.disable_auth;
    cfg.trust_new_keys = arguments.trust_new_keys;
    if (arguments.restore != NULL) {
        rc = stage_restore(&cfg, arguments.restore);
    } else if (arguments.import != NULL) {
        rc = stage_import(&cfg, arguments.import);
    } else if (cfg.auth && (*cfg.admin_key == '\0' || *cfg.user_key == '\0')) {
        fprintf(stderr, "ERROR: Missing JWT information in config file (jwt.admin.key and jwt.user.key)\n");
        rc = 1;
    } else if (arguments.check_config) {
        rc = check_start(&cfg, arguments.config);
    } else {
        if (!cfg.auth) {
            printf("WARNING: Hecate started with --disable-auth\n");
        }
        rc = run(&cfg);
    }
    cfg_warnings_fini(&warnings);
    cfg_fini(&cfg);
    return rc;
}

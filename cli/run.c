/* From argv to a command and an exit code. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/random.h>

#include "cli/http.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define EXIT_ERROR 255

const struct cli_group *const cli_groups[] = {&cli_status,  &cli_topology, &cli_volume,
                                              &cli_cluster, &cli_node,     &cli_device};
const size_t cli_n_groups = sizeof(cli_groups) / sizeof(*cli_groups);

static const char *real_env(const char *name)
{
    return getenv(name);
}

static void real_sleep_ms(struct cli *cli, uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)cli;
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static uint64_t real_random(struct cli *cli)
{
    uint64_t value;

    (void)cli;
    CHECK(getrandom(&value, sizeof(value), 0) == (ssize_t)sizeof(value));
    return value;
}

void cli_init(struct cli *cli)
{
    *cli = (struct cli){.out = stdout,
                        .err = stderr,
                        .env = real_env,
                        .sleep_ms = real_sleep_ms,
                        .random = real_random,
                        .program = "hecate"};
}

void cli_fini(struct cli *cli)
{
    for (size_t i = 0; i < CLI_FLAGS_MAX; i++) {
        free(cli->values[i]);
        cli->values[i] = NULL;
    }
    free(TAKE_PTR(cli->args));
    free(TAKE_PTR(cli->error));
    http_free(TAKE_PTR(cli->http));
}

int cli_fail(struct cli *cli, const char *fmt, ...)
{
    char text[8192];
    va_list args;

    if (cli->error != NULL) {
        return -1;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    cli->error = mem_strdup(text);
    return -1;
}

int cli_fail_wrap(struct cli *cli, const char *prefix)
{
    char *wrapped = mem_printf("%s: %s", prefix, cli->error != NULL ? cli->error : "failed");

    free(cli->error);
    cli->error = wrapped;
    return -1;
}

char *cli_take_error(struct cli *cli)
{
    char *text = cli->error != NULL ? TAKE_PTR(cli->error) : mem_strdup("failed");

    return text;
}

static const struct cli_group *find_group(const char *word)
{
    for (size_t i = 0; i < cli_n_groups; i++) {
        if (strcmp(cli_groups[i]->name, word) == 0) {
            return cli_groups[i];
        }
    }
    return NULL;
}

static const struct cli_command *find_command(const struct cli_group *group, const char *word)
{
    for (size_t i = 0; i < group->n_commands; i++) {
        const char *name = group->commands[i].name;

        if (name == NULL || (word != NULL && strcmp(name, word) == 0)) {
            return &group->commands[i];
        }
    }
    return NULL;
}

static int fail_unknown(struct cli *cli, const char *word, const char *within)
{
    return cli_fail(cli, "unknown command \"%s\" for \"%s%s%s\"\nRun '%s --help' for usage.", word, cli->program,
                    within != NULL ? " " : "", within != NULL ? within : "", cli->program);
}

/* No command was named: `hecate`, `hecate --version`, `hecate help ...`. */
static int run_root(struct cli *cli, int argc, char **argv)
{
    if (flags_parse(cli, argc, argv, 0) != 0) {
        return -1;
    }
    if (flag_bool(cli, "version") && !flag_bool(cli, "help")) {
        fprintf(cli->out, "%s %s\n", cli->program, HECATE_VERSION);
    } else {
        help_root(cli, cli->out);
    }
    return 0;
}

static int run_help(struct cli *cli, int argc, char **argv)
{
    const struct cli_group *group;
    const struct cli_command *command;

    if (flags_parse(cli, argc, argv, 1) != 0) {
        return -1;
    }
    if (cli->n_args == 0) {
        help_root(cli, cli->out);
        return 0;
    }
    group = find_group(cli->args[0]);
    if (group == NULL) {
        return fail_unknown(cli, cli->args[0], NULL);
    }
    command = find_command(group, cli->n_args > 1 ? cli->args[1] : NULL);
    if (command != NULL) {
        help_command(cli, command, cli->out);
    } else if (cli->n_args > 1) {
        return fail_unknown(cli, cli->args[1], group->name);
    } else {
        help_group(cli, group, cli->out);
    }
    return 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
    const char *words[2];
    const struct cli_group *group;

    flags_words(argc, argv, words);
    if (words[0] == NULL) {
        return run_root(cli, argc, argv);
    }
    if (strcmp(words[0], "help") == 0) {
        return run_help(cli, argc, argv);
    }
    group = find_group(words[0]);
    if (group == NULL) {
        return fail_unknown(cli, words[0], NULL);
    }
    cli->command = find_command(group, words[1]);
    if (cli->command == NULL) {
        if (words[1] != NULL) {
            return fail_unknown(cli, words[1], group->name);
        }
        if (flags_parse(cli, argc, argv, 1) != 0) {
            return -1;
        }
        help_group(cli, group, cli->out);
        return 0;
    }
    if (flags_parse(cli, argc, argv, cli->command->name != NULL ? 2 : 1) != 0) {
        return -1;
    }
    if (flag_bool(cli, "help")) {
        help_command(cli, cli->command, cli->out);
        return 0;
    }
    return cli->command->run(cli);
}

int cli_run(struct cli *cli, int argc, char **argv)
{
    int rc;

    if (argc > 0) {
        const char *slash = strrchr(argv[0], '/');

        cli->program = slash != NULL ? slash + 1 : argv[0];
    }
    rc = run(cli, argc, argv);
    if (fflush(cli->out) != 0 && rc == 0) {
        rc = cli_fail(cli, "cannot write the output: %s", strerror(errno));
    }
    if (rc != 0) {
        fprintf(cli->err, "Error: %s\n", cli->error != NULL ? cli->error : "failed");
        return EXIT_ERROR;
    }
    return cli->status;
}

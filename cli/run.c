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

const struct cli_group *const cli_groups[] = {&cli_status,   &cli_topology, &cli_volume, &cli_block,  &cli_brick,
                                              &cli_cluster,  &cli_node,     &cli_device, &cli_db,     &cli_server,
                                              &cli_loglevel, &cli_setup,    &cli_leader, &cli_member, &cli_upgrade};
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

/* Is the word the name or one of the aliases? */
static bool is_named(const char *word, const char *name, const char *aliases)
{
    size_t len = strlen(word);

    if (strcmp(word, name) == 0) {
        return true;
    }
    for (const char *at = aliases; at != NULL && *at != '\0'; at += strcspn(at, ",") + (strchr(at, ',') != NULL)) {
        if (strcspn(at, ",") == len && memcmp(at, word, len) == 0) {
            return true;
        }
    }
    return false;
}

static const struct cli_group *find_group(const char *word)
{
    for (size_t i = 0; i < cli_n_groups; i++) {
        if (is_named(word, cli_groups[i]->name, cli_groups[i]->aliases)) {
            return cli_groups[i];
        }
    }
    return NULL;
}

/* How many of the words are those of the command's name, in order. *ret_whole: it has no others. */
static size_t count_words(const struct cli_command *command, const char *const *words, size_t n, bool *ret_whole)
{
    const char *at = command->name != NULL ? command->name : "";
    size_t found = 0;

    while (*at != '\0' && found < n) {
        size_t len = strcspn(at, " ");
        CLEANUP(free_ptr) char *part = mem_strndup(at, len);

        if (!is_named(words[found], part, command->aliases)) {
            break;
        }
        found++;
        at += len + (at[len] == ' ');
    }
    *ret_whole = *at == '\0';
    return found;
}

/* The command that the words after the group begin with, else NULL; *ret_n: how many of them lead to a command. */
static const struct cli_command *find_command(const struct cli_group *group, const char *const *words, size_t n,
                                              size_t *ret_n)
{
    *ret_n = 0;
    for (size_t i = 0; i < group->n_commands; i++) {
        bool whole;
        size_t found = count_words(&group->commands[i], words, n, &whole);

        if (whole) {
            *ret_n = found;
            return &group->commands[i];
        }
        *ret_n = found > *ret_n ? found : *ret_n;
    }
    return NULL;
}

static int fail_unknown(struct cli *cli, const char *const *words, size_t n)
{
    struct buf within = BUF_INIT;

    buf_append_str(&within, cli->program);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&within, " %s", words[i]);
    }
    (void)cli_fail(cli, "unknown command \"%s\" for \"%s\"\nRun '%s --help' for usage.", words[n], buf_str(&within),
                   cli->program);
    buf_fini(&within);
    return -1;
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

/* Shows a group or a command, or says which of the words is none. */
static int run_help(struct cli *cli, const char *const *words, size_t n)
{
    const struct cli_group *group = n > 0 ? find_group(words[0]) : NULL;
    const struct cli_command *command;
    size_t found;

    if (n == 0) {
        help_root(cli, cli->out);
        return 0;
    }
    if (group == NULL) {
        return fail_unknown(cli, words, 0);
    }
    command = find_command(group, words + 1, n - 1, &found);
    if (command != NULL) {
        help_command(cli, command, cli->out);
    } else if (found + 1 < n) {
        return fail_unknown(cli, words, found + 1);
    } else {
        help_group(cli, group, cli->out);
    }
    return 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
    const char *words[CLI_WORDS_MAX];
    size_t n = flags_words(argc, argv, words), found = 0;
    const struct cli_group *group = n > 0 ? find_group(words[0]) : NULL;

    if (n == 0) {
        return run_root(cli, argc, argv);
    }
    if (group != NULL) {
        cli->command = find_command(group, words + 1, n - 1, &found);
    }
    if (strcmp(words[0], "help") == 0) {
        return flags_parse(cli, argc, argv, 1) != 0 ? -1 : run_help(cli, words + 1, n - 1);
    }
    if (cli->command == NULL) {
        return flags_parse(cli, group != NULL ? argc : 0, argv, found + 1) != 0 ? -1 : run_help(cli, words, n);
    }
    if (flags_parse(cli, argc, argv, found + 1) != 0) {
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

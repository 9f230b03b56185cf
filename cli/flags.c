/* Flags as the original client takes them: --name value, --name=value, --switch, --switch=false, -n value, -nvalue,
 * anywhere on the line, "--" ends them. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "store/base/check.h"
#include "store/base/mem.h"

const struct cli_flag cli_global_flags[] = {
    {"server", 's', CLI_STRING, false, NULL, "URL",
     "server, or several with commas between (HEKETI_CLI_SERVER; default http://localhost:8080)"},
    {"user", 0, CLI_STRING, false, NULL, "NAME", "user: admin or user (HEKETI_CLI_USER)"},
    {"secret", 0, CLI_STRING, false, NULL, "KEY", "key of the user (HEKETI_CLI_KEY)"},
    {"json", 0, CLI_BOOL, false, NULL, NULL, "print JSON"},
    {"insecure-tls", 'I', CLI_BOOL, false, NULL, NULL, "accept any certificate"},
    {"tls-cert", 'C', CLI_STRING, true, NULL, "FILE", "certificates to trust; repeatable"},
    {"help", 'h', CLI_BOOL, false, NULL, NULL, "print this"},
    {"version", 'v', CLI_BOOL, false, NULL, NULL, "print the version"},
};
const size_t cli_n_global_flags = sizeof(cli_global_flags) / sizeof(*cli_global_flags);

static size_t own_flags(const struct cli *cli)
{
    return cli->command != NULL ? cli->command->n_flags : 0;
}

static const struct cli_flag *flag_at(const struct cli *cli, size_t index)
{
    size_t own = own_flags(cli);

    return index < own ? &cli->command->flags[index] : &cli_global_flags[index - own];
}

static size_t flag_count(const struct cli *cli)
{
    size_t count = own_flags(cli) + cli_n_global_flags;

    CHECK(count <= CLI_FLAGS_MAX);
    return cli->command != NULL ? count - 1 : count;
}

/* The command's flags hide global ones of the same name. */
static const struct cli_flag *find_flag(const struct cli *cli, const char *name, size_t len, char letter,
                                        size_t *ret_index)
{
    for (size_t i = 0; i < flag_count(cli); i++) {
        const struct cli_flag *flag = flag_at(cli, i);

        if (name != NULL ? strlen(flag->name) == len && memcmp(flag->name, name, len) == 0 : flag->letter == letter) {
            *ret_index = i;
            return flag;
        }
    }
    return NULL;
}

bool flag_parse_bool(const char *text, bool *ret_value)
{
    static const char *const words[2][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                            {"1", "t", "T", "true", "TRUE", "True"}};

    for (int value = 0; value < 2; value++) {
        for (int i = 0; i < 6; i++) {
            if (strcmp(words[value][i], text) == 0) {
                *ret_value = value == 1;
                return true;
            }
        }
    }
    return false;
}

/* NULL when the text is a value of the type, else the name of the conversion that failed and why. */
static const char *value_problem(enum cli_flag_type type, const char *text, const char **ret_why)
{
    char *end = NULL;
    bool value;

    *ret_why = "invalid syntax";
    errno = 0;
    switch (type) {
    case CLI_STRING:
        return NULL;
    case CLI_BOOL:
        return flag_parse_bool(text, &value) ? NULL : "strconv.ParseBool";
    case CLI_INT:
        (void)strtoll(text, &end, 10);
        if (errno == ERANGE) {
            *ret_why = "value out of range";
        }
        return errno == 0 && *text != '\0' && *end == '\0' && strchr(" \t\n\v\f\r", *text) == NULL ? NULL
                                                                                                   : "strconv.ParseInt";
    case CLI_FLOAT:
        (void)strtod(text, &end);
        return errno == 0 && *text != '\0' && *end == '\0' && isfinite(strtod(text, NULL)) ? NULL
                                                                                           : "strconv.ParseFloat";
    }
    return NULL;
}

static int set_value(struct cli *cli, const struct cli_flag *flag, size_t index, const char *text, const char *shown)
{
    const char *why;
    const char *problem = value_problem(flag->type, text, &why);

    if (problem != NULL) {
        return cli_fail(cli, "invalid argument \"%s\" for \"%s\" flag: %s: parsing \"%s\": %s", text, shown, problem,
                        text, why);
    }
    if (flag->repeatable && cli->values[index] != NULL) {
        char *both = mem_printf("%s,%s", cli->values[index], text);

        free(cli->values[index]);
        cli->values[index] = both;
        return 0;
    }
    free(cli->values[index]);
    cli->values[index] = mem_strdup(text);
    return 0;
}

/* The value has been copied; what argv holds is visible to every user of the machine. */
static void wipe_secret(const struct cli_flag *flag, char *value)
{
    if (strcmp(flag->name, "secret") == 0) {
        explicit_bzero(value, strlen(value));
    }
}

static int parse_long(struct cli *cli, int argc, char **argv, int *i)
{
    char *name = argv[*i] + 2;
    char *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    char shown[128];
    size_t index;
    const struct cli_flag *flag = find_flag(cli, name, len, 0, &index);
    char *value;
    int rc;

    if (flag == NULL) {
        return cli_fail(cli, "unknown flag: --%.*s", (int)len, name);
    }
    if (flag->letter != 0) {
        (void)snprintf(shown, sizeof(shown), "-%c, --%s", flag->letter, flag->name);
    } else {
        (void)snprintf(shown, sizeof(shown), "--%s", flag->name);
    }
    if (equals != NULL) {
        value = equals + 1;
    } else if (flag->type == CLI_BOOL) {
        return set_value(cli, flag, index, "true", shown);
    } else if (*i + 1 < argc) {
        value = argv[++*i];
    } else {
        return cli_fail(cli, "flag needs an argument: --%s", flag->name);
    }
    rc = set_value(cli, flag, index, value, shown);
    wipe_secret(flag, value);
    return rc;
}

static int parse_short(struct cli *cli, int argc, char **argv, int *i)
{
    const char *group = argv[*i] + 1;

    for (const char *at = group; *at != '\0'; at++) {
        char shown[128];
        size_t index;
        const struct cli_flag *flag = find_flag(cli, NULL, 0, *at, &index);

        if (flag == NULL) {
            return cli_fail(cli, "unknown shorthand flag: '%c' in -%s", *at, group);
        }
        (void)snprintf(shown, sizeof(shown), "-%c, --%s", flag->letter, flag->name);
        if (at[1] == '=') {
            return set_value(cli, flag, index, at + 2, shown);
        }
        if (flag->type != CLI_BOOL) {
            if (at[1] != '\0') {
                return set_value(cli, flag, index, at + 1, shown);
            }
            if (*i + 1 >= argc) {
                return cli_fail(cli, "flag needs an argument: '%c' in -%s", *at, group);
            }
            return set_value(cli, flag, index, argv[++*i], shown);
        }
        if (set_value(cli, flag, index, "true", shown) != 0) {
            return -1;
        }
    }
    return 0;
}

int flags_parse(struct cli *cli, int argc, char **argv, size_t n_words)
{
    bool ended = false;
    size_t n = 0;

    cli->args = mem_calloc((size_t)argc + 1, sizeof(*cli->args));
    for (int i = 1; i < argc; i++) {
        if (!ended && strcmp(argv[i], "--") == 0) {
            ended = true;
        } else if (!ended && strncmp(argv[i], "--", 2) == 0) {
            if (parse_long(cli, argc, argv, &i) != 0) {
                return -1;
            }
        } else if (!ended && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (parse_short(cli, argc, argv, &i) != 0) {
                return -1;
            }
        } else if (n_words > 0) {
            n_words--;
        } else {
            cli->args[n++] = argv[i];
        }
    }
    cli->n_args = n;
    return 0;
}

/* Before the command is known only global flags can tell a value from a word. */
static bool takes_next(const char *arg)
{
    for (size_t i = 0; i < cli_n_global_flags; i++) {
        const struct cli_flag *flag = &cli_global_flags[i];

        if (flag->type != CLI_BOOL && ((strncmp(arg, "--", 2) == 0 && strcmp(arg + 2, flag->name) == 0) ||
                                       (flag->letter != 0 && arg[1] == flag->letter && arg[2] == '\0'))) {
            return true;
        }
    }
    return false;
}

size_t flags_words(int argc, char **argv, const char *ret_words[CLI_WORDS_MAX])
{
    size_t n = 0;

    for (int i = 1; i < argc && n < CLI_WORDS_MAX && strcmp(argv[i], "--") != 0; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            ret_words[n++] = argv[i];
        } else if (takes_next(argv[i])) {
            i++;
        }
    }
    return n;
}

/* ---- values ---- */

static const char *value_of(const struct cli *cli, const char *name, enum cli_flag_type type)
{
    size_t index;
    const struct cli_flag *flag = find_flag(cli, name, strlen(name), 0, &index);

    CHECK(flag != NULL && flag->type == type);
    return cli->values[index] != NULL ? cli->values[index] : flag->preset;
}

const char *flag_string(const struct cli *cli, const char *name)
{
    const char *value = value_of(cli, name, CLI_STRING);

    return value != NULL ? value : "";
}

int64_t flag_int(const struct cli *cli, const char *name)
{
    const char *value = value_of(cli, name, CLI_INT);

    return value != NULL ? strtoll(value, NULL, 10) : 0;
}

double flag_float(const struct cli *cli, const char *name)
{
    const char *value = value_of(cli, name, CLI_FLOAT);

    return value != NULL ? strtod(value, NULL) : 0;
}

bool flag_bool(const struct cli *cli, const char *name)
{
    const char *value = value_of(cli, name, CLI_BOOL);
    bool on = false;

    return value != NULL && flag_parse_bool(value, &on) && on;
}

bool flag_json(const struct cli *cli)
{
    return flag_bool(cli, "json");
}

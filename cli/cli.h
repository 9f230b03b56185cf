/* The command line client. Everything here is private to cli/: main.c is the program, the rest is linked into tests.
 *
 * A command is a constant table entry: its words, flags, usage and function. cli_run finds it, parses the flags, runs
 * it and prints an error. Commands return 0, or -1 after cli_fail.
 */
#ifndef HECATE_CLI_CLI_H
#define HECATE_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "store/base/buf.h"

enum cli_flag_type { CLI_STRING, CLI_INT, CLI_BOOL, CLI_FLOAT };

struct cli_flag {
    const char *name;
    char letter; /* 0: none */
    enum cli_flag_type type;
    bool repeatable;     /* CLI_STRING: further values are added with commas */
    const char *preset;  /* value when not given; NULL: "", 0, false */
    const char *operand; /* name of the value in the help; NULL for CLI_BOOL */
    const char *help;
};

struct cli;

struct cli_command {
    const char *group, *name; /* words, the name's with blanks between; name NULL: the group is the command itself */
    const char *operands;     /* "ID", "" */
    const char *summary;      /* one line */
    const char *help;         /* further text or NULL */
    const struct cli_flag *flags;
    size_t n_flags;
    int (*run)(struct cli *cli);
    const char *aliases; /* other names with commas between, or NULL */
};

struct cli_group {
    const char *name, *summary;
    const struct cli_command *commands;
    size_t n_commands;
    const char *aliases; /* as of a command */
};

extern const struct cli_group cli_cluster, cli_node, cli_device, cli_brick, cli_volume, cli_block, cli_topology, cli_db,
    cli_server, cli_loglevel, cli_setup, cli_status, cli_leader, cli_member, cli_upgrade;

#define CLI_FLAGS_MAX 32
#define CLI_WORDS_MAX 4 /* of a command, its group included */

struct cli {
    FILE *out, *err;
    const char *(*env)(const char *name);
    void (*sleep_ms)(struct cli *cli, uint64_t ms); /* replaced by tests */
    uint64_t (*random)(struct cli *cli);            /* replaced by tests */
    void *user;                                     /* of the two above */
    uint32_t silence_ms; /* of a server that is asked, before it counts as gone; 0: as usual */
    const char *program; /* for messages: the last part of argv[0] */

    const struct cli_command *command;
    char *values[CLI_FLAGS_MAX]; /* of the command's flags, then of the global ones; NULL: not given */
    char **args;                 /* borrowed from argv */
    size_t n_args;

    struct http *http; /* made at the first request */
    char *error;
    int status; /* exit code of a command that did not fail */
};

/* Runs a command line; returns the exit code: 0, or 255 with "Error: ..." on err. argv is changed: the value of
 * --secret is wiped, so that the process list does not show it. */
int cli_run(struct cli *cli, int argc, char **argv);
void cli_init(struct cli *cli);
void cli_fini(struct cli *cli);

/* Sets the message that is shown; the first one stays. Returns -1. */
int cli_fail(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts a text before the message. Returns -1. */
int cli_fail_wrap(struct cli *cli, const char *prefix);

/* The message so far ("failed" when there is none), for a command that goes on; the caller frees. */
char *cli_take_error(struct cli *cli);

/* ---- flags.c ---- */

extern const struct cli_flag cli_global_flags[];
extern const size_t cli_n_global_flags;

/* Parses flags out of argv (after the program's name); what is left, without the first n_words ones, becomes args. */
int flags_parse(struct cli *cli, int argc, char **argv, size_t n_words);
/* Finds the first words that are no flags; how many. */
size_t flags_words(int argc, char **argv, const char *ret_words[CLI_WORDS_MAX]);
/* Values by name, presets applied. The flag must exist with this type. */
const char *flag_string(const struct cli *cli, const char *name);
int64_t flag_int(const struct cli *cli, const char *name);
bool flag_bool(const struct cli *cli, const char *name);
double flag_float(const struct cli *cli, const char *name);
bool flag_json(const struct cli *cli); /* the global --json */
/* A word for true or false as the original takes it; false: it is none. */
bool flag_parse_bool(const char *text, bool *ret_value);

/* ---- help.c ---- */

void help_root(const struct cli *cli, FILE *out);
void help_group(const struct cli *cli, const struct cli_group *group, FILE *out);
void help_command(const struct cli *cli, const struct cli_command *command, FILE *out);
extern const struct cli_group *const cli_groups[];
extern const size_t cli_n_groups;

/* ---- token.c ---- */

/* Heketi's token (JWT, HS256, contract 5.2): claims iss (left out when empty), iat, exp = iat + 300, and qsh over
 * method and decoded path. The caller frees. */
char *token_make(const char *user, const char *key, const char *method, const char *path, int64_t now_s);
/* The qsh claim alone, 64 hex digits; the caller frees. */
char *token_qsh(const char *method, const char *path);

/* ---- command.c: what commands of several groups share ---- */

/* The first argument, or a failure with this message. */
int cli_need_id(struct cli *cli, const char *message, const char **ret_id);
/* GET PREFIX/ID, printed as JSON or by this layout. */
int cli_show(struct cli *cli, const char *prefix, const char *missing, void (*layout)(FILE *out, const json_t *object));
/* POST PREFIX/ID/state. WORD is "Node" or "Device"; more: further members of the request, stolen, or NULL. */
int cli_set_state(struct cli *cli, const char *prefix, const char *word, const char *missing, const char *state,
                  json_t *more);
/* DELETE PREFIX/ID with this body (stolen, or NULL), a job. WORD for what is printed. */
int cli_delete(struct cli *cli, const char *prefix, const char *word, const char *missing, json_t *body);
/* DELETE PREFIX/ID, with this query if the flag (CLI_BOOL) is set; a job. */
int cli_delete_query(struct cli *cli, const char *prefix, const char *word, const char *missing, const char *flag,
                     const char *query);
/* A job (body stolen) whose resource is printed as JSON or by this layout. */
int cli_job_shown(struct cli *cli, const char *path, json_t *body, void (*layout)(FILE *out, const json_t *object));
/* GET of a document that may be long and long in the making, printed as it comes. */
int cli_print_body(struct cli *cli, const char *path);
/* "a,b" as a list; and set as a member unless it is empty, as the original client does. */
json_t *cli_split(const char *text);
void cli_set_list(json_t *body, const char *member, const char *text);
/* POST PREFIX/ID/tags with the arguments after the id: name:value ..., or names only. */
int cli_set_tags(struct cli *cli, const char *prefix);
int cli_remove_tags(struct cli *cli, const char *prefix);
extern const struct cli_flag cli_set_tags_flags[1], cli_remove_tags_flags[1];
#define CLI_REMOVE_TAGS_ALIASES "deltags,removetags"
/* --expert-option-disable-heal-check: the members of a request that it stands for, after a warning and a pause. */
json_t *cli_heal_check(struct cli *cli);
extern const struct cli_flag cli_heal_check_flags[1];
/* GETs PREFIX/ID for each id in a member of the document, and prints the heading and each of them as it comes. */
int cli_each(struct cli *cli, const json_t *document, const char *member, const char *prefix, const char *heading,
             void (*fn)(FILE *out, const json_t *object));

/* ---- json.c: reading with tolerance; a missing member or another type is "", 0, false, an empty list ---- */

const char *js_text(const json_t *value);
const char *js_str(const json_t *object, const char *key);
int64_t js_int(const json_t *object, const char *key);
double js_num(const json_t *object, const char *key);
bool js_bool(const json_t *object, const char *key);
json_t *js_list(const json_t *object, const char *key);   /* borrowed; NULL when absent, which loops take as empty */
json_t *js_object(const json_t *object, const char *key); /* the same */
/* The strings of a list with a separator between them. */
void js_join(struct buf *buf, const json_t *list, const char *separator);
/* Compact, as Heketi writes it (no final LF). */
void js_print(FILE *out, const json_t *value);

/* ---- output*.c: layouts of the contract 9.3 and 9.4 ---- */

void out_cluster(FILE *out, const json_t *cluster);
void out_node(FILE *out, const json_t *node, bool devices);
void out_device(FILE *out, const json_t *device);
void out_volume(FILE *out, const json_t *volume);
void out_volume_line(FILE *out, const json_t *volume);
void out_block(FILE *out, const json_t *block);
/* Parts of the topology, one after the other: a cluster, its volumes, the heading of its nodes, its nodes. */
void out_topology_cluster(FILE *out, const json_t *cluster);
void out_topology_volume(FILE *out, const json_t *volume);
void out_topology_nodes(FILE *out);
void out_topology_node(FILE *out, const json_t *node);
void out_status(FILE *out, const json_t *status);
/* "failed" is shown as "removed". */
const char *out_state(const json_t *entry);
int64_t out_gib(const json_t *object, const char *key); /* KiB to GiB, rounded down */

#endif

/* hecate db ...: the whole database, out and in. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/http.h"
#include "store/base/check.h"
#include "store/base/mem.h"

static int run_dump(struct cli *cli)
{
    return cli_print_body(cli, "/db/dump");
}

static int run_check(struct cli *cli)
{
    return cli_print_body(cli, "/db/check");
}

static int need_file(struct cli *cli)
{
    return cli->n_args == 1 ? 0 : cli_fail(cli, cli->n_args == 0 ? "missing file" : "too many arguments");
}

/* ---- backup ---- */

/* Closes it; -1 with errno when not all of it is on the disk. */
static int finish(FILE *file)
{
    int rc = fflush(file) == 0 && fsync(fileno(file)) == 0 ? 0 : -1;
    int why = errno;

    if (fclose(file) != 0 && rc == 0) {
        return -1;
    }
    errno = why;
    return rc;
}

static int fetch(struct cli *cli, struct http_sink *sink)
{
    struct http_answer answer;
    int rc;

    if (http_long(cli, "GET", "/backup/db", NULL, sink, &answer) != 0) {
        return -1;
    }
    rc = answer.status == 200 ? 0 : http_fail(cli, &answer);
    http_answer_fini(&answer);
    return rc;
}

/* Whole or not at all, for its owner only: there are passwords of block volumes in it. */
static int save(struct cli *cli, const char *path, uint64_t *ret_bytes)
{
    CLEANUP(free_ptr) char *fresh = mem_printf("%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct http_sink sink = {.own = true};
    int rc;

    if (fd < 0) {
        return cli_fail(cli, "%s: %s", fresh, strerror(errno));
    }
    sink.file = fdopen(fd, "w");
    CHECK(sink.file != NULL);
    rc = fetch(cli, &sink);
    if (finish(sink.file) != 0 || (rc == 0 && rename(fresh, path) != 0)) {
        rc = cli_fail(cli, "%s: %s", path, strerror(errno));
    }
    if (rc != 0) {
        (void)unlink(fresh); /* the failure is told already */
    }
    *ret_bytes = sink.bytes;
    return rc;
}

static int run_backup(struct cli *cli)
{
    uint64_t bytes = 0;

    if (need_file(cli) != 0 || save(cli, cli->args[0], &bytes) != 0) {
        return -1;
    }
    fprintf(cli->out, "%llu bytes in %s\n", (unsigned long long)bytes, cli->args[0]);
    return 0;
}

/* ---- import ---- */

static void print_lines(FILE *out, const char *word, const json_t *lines)
{
    json_t *line;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)lines, i, line)
    {
        fprintf(out, "%s: %s\n", word, js_text(line));
    }
}

static int show_report(struct cli *cli, const struct http_answer *answer)
{
    json_t *report = json_loadb(answer->body.data, answer->body.len, 0, NULL);
    const json_t *counts = js_object(report, "counts");
    int rc = 0;

    if (!json_is_array(json_object_get(report, "errors"))) {
        json_decref(report);
        return http_fail(cli, answer);
    }
    print_lines(cli->out, "warning", json_object_get(report, "warnings"));
    print_lines(cli->err, "error", json_object_get(report, "errors"));
    if (answer->status != 200) {
        rc = cli_fail(cli, "nothing was imported");
    } else if (flag_json(cli)) {
        js_print(cli->out, report);
        fprintf(cli->out, "\n");
    } else {
        fprintf(cli->out, "%ld clusters, %ld nodes, %ld devices, %ld volumes, %ld bricks, %ld unfinished operations\n",
                (long)js_int(counts, "clusters"), (long)js_int(counts, "nodes"), (long)js_int(counts, "devices"),
                (long)js_int(counts, "volumes"), (long)js_int(counts, "bricks"), (long)js_int(counts, "operations"));
    }
    json_decref(report);
    return rc;
}

static int run_import(struct cli *cli)
{
    struct http_answer answer;
    json_error_t error;
    json_t *dump;
    int rc;

    if (need_file(cli) != 0) {
        return -1;
    }
    dump = json_load_file(cli->args[0], 0, &error);
    if (dump == NULL) {
        return error.line < 0
                   ? cli_fail(cli, "%s", error.text)
                   : cli_fail(cli, "%s: line %d, column %d: %s", cli->args[0], error.line, error.column, error.text);
    }
    rc = http_long(cli, "POST", "/db/import", dump, NULL, &answer);
    json_decref(dump);
    if (rc == 0) {
        rc = show_report(cli, &answer);
        http_answer_fini(&answer);
    }
    return rc;
}

static const struct cli_command commands[] = {
    {"db", "dump", "", "the whole database as JSON", NULL, NULL, 0, run_dump, NULL},
    {"db", "check", "", "look for inconsistencies in the database", NULL, NULL, 0, run_check, NULL},
    {"db", "backup", "FILE", "save the database for hecated --restore",
     "The file replaces one of that name, as a whole. Keep it as you keep passwords: those of block volumes are in it.",
     NULL, 0, run_backup, NULL},
    {"db", "import", "FILE", "load a dump of Heketi into an empty database",
     "Stop Heketi first, and for good. Prints what is odd in the dump; with an error nothing is changed.", NULL, 0,
     run_import, NULL},
};

const struct cli_group cli_db = {"db", "The volume database", commands, sizeof(commands) / sizeof(*commands), NULL};

/* hecate db ...: the whole database, out and in. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/http.h"
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

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Whole or not at all, for its owner only: there are passwords of block volumes in it. */
static int save(struct cli *cli, const char *path, const struct buf *data)
{
    CLEANUP(free_ptr) char *fresh = mem_printf("%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc;

    if (fd < 0) {
        return cli_fail(cli, "%s: %s", fresh, strerror(errno));
    }
    rc = write_all(fd, data->data, data->len);
    rc = rc == 0 ? fsync(fd) : rc;
    rc = close(fd) == 0 ? rc : -1;
    rc = rc == 0 ? rename(fresh, path) : rc;
    if (rc != 0) {
        (void)cli_fail(cli, "%s: %s", path, strerror(errno));
        (void)unlink(fresh); /* the failure is told already */
    }
    return rc;
}

static int run_backup(struct cli *cli)
{
    struct http_answer answer;
    int rc;

    if (need_file(cli) != 0 || http_expect(cli, "GET", "/backup/db", NULL, 200, &answer) != 0) {
        return -1;
    }
    rc = save(cli, cli->args[0], &answer.body);
    if (rc == 0) {
        fprintf(cli->out, "%zu bytes in %s\n", answer.body.len, cli->args[0]);
    }
    http_answer_fini(&answer);
    return rc;
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
    rc = http_request(cli, "POST", "/db/import", dump, &answer);
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

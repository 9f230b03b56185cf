/* Whom to ask, and as whom: settings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/http_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define DEFAULT_SERVER "http://localhost:8080"
#define CERT_MAX (1U << 20)

static const char *setting(struct cli *cli, const char *flag, const char *variable, const char *preset)
{
    const char *value = flag_string(cli, flag);

    if (*value == '\0') {
        value = cli->env(variable);
    }
    return value != NULL && *value != '\0' ? value : preset;
}

/* Calls fn with each part of a list with commas. */
static int each_part(struct cli *cli, const char *list, int (*fn)(struct cli *cli, const char *part))
{
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        CLEANUP(free_ptr) char *part = mem_strndup(list, len);

        if (len > 0 && fn(cli, part) != 0) {
            return -1;
        }
        list += len + (list[len] == ',');
    }
    return 0;
}

static int add_server(struct cli *cli, const char *server)
{
    struct http *http = cli->http;
    size_t len = strlen(server);

    while (len > 0 && server[len - 1] == '/') {
        len--;
    }
    http->servers = mem_realloc_array(http->servers, http->n_servers + 1, sizeof(*http->servers));
    http->servers[http->n_servers++] = mem_strndup(server, len);
    return 0;
}

/* As the original tells it: what is no URL with a scheme cannot be asked. */
static int check_server(struct cli *cli, const char *server, const char *path)
{
    size_t colon = strcspn(server, ":");

    if (strncmp(server, "http://", 7) == 0 || strncmp(server, "https://", 8) == 0) {
        return 0;
    }
    if (strstr(server, "://") != NULL) {
        return cli_fail(cli, "unsupported protocol scheme \"%.*s\"", (int)colon, server);
    }
    if (server[colon] == ':' && memchr(server, '/', colon) == NULL) {
        return cli_fail(cli, "parse \"%s%s\": first path segment in URL cannot contain colon", server, path);
    }
    return cli_fail(cli, "unsupported protocol scheme \"\" in \"%s\": a server is http://HOST:PORT", server);
}

static int add_certificates(struct cli *cli, const char *path)
{
    FILE *file = fopen(path, "rbe");
    char chunk[4096];
    size_t n;

    if (file == NULL) {
        const char *why = errno == ENOENT ? "no such file or directory" : strerror(errno);

        return cli_fail(cli, "failed to read cert file %s: open %s: %s", path, path, why);
    }
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0 && cli->http->ca.len < CERT_MAX) {
        buf_append(&cli->http->ca, chunk, n);
    }
    buf_append_char(&cli->http->ca, '\n');
    if (ferror(file) != 0 || cli->http->ca.len >= CERT_MAX) {
        (void)cli_fail(cli, "failed to read cert file %s", path);
    }
    (void)fclose(file);
    return cli->error == NULL ? 0 : -1;
}

int http_open(struct cli *cli)
{
    struct http *http = cli->http;

    if (http != NULL) {
        return 0;
    }
    cli->http = http = mem_calloc(1, sizeof(*http));
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    http->easy = curl_easy_init();
    CHECK(http->easy != NULL);
    http->user = mem_strdup(setting(cli, "user", "HEKETI_CLI_USER", ""));
    http->key = mem_strdup(setting(cli, "secret", "HEKETI_CLI_KEY", ""));
    if (each_part(cli, setting(cli, "server", "HEKETI_CLI_SERVER", DEFAULT_SERVER), add_server) != 0 ||
        each_part(cli, flag_string(cli, "tls-cert"), add_certificates) != 0) {
        return -1;
    }
    return http->n_servers > 0 ? 0 : cli_fail(cli, "no server is named");
}

int http_check_servers(struct cli *cli, const char *path)
{
    for (size_t i = 0; i < cli->http->n_servers; i++) {
        if (check_server(cli, cli->http->servers[i], path) != 0) {
            return -1;
        }
    }
    return 0;
}

void http_free(struct http *http)
{
    if (http == NULL) {
        return;
    }
    curl_easy_cleanup(http->easy);
    for (size_t i = 0; i < http->n_servers; i++) {
        free(http->servers[i]);
    }
    free(http->servers);
    free(http->user);
    explicit_bzero(http->key, strlen(http->key));
    free(http->key);
    buf_fini(&http->ca);
    free(http);
}

/* Asynchronous requests: 202, polling of the queue, the resource at the end. And the status of a cluster. */
#include <stdlib.h>
#include <string.h>

#include "cli/http_priv.h"
#include "store/base/mem.h"

#define POLL_FIRST_MS 50
#define POLL_MAX_MS 400 /* as the original */
#define STATUS_TIMEOUT_MS 5000

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The decoded path of a Location header; the server stays the one that was asked. NULL when there is none. */
static char *location_path(const struct http_answer *answer)
{
    const char *text = answer->location;
    struct buf path = BUF_INIT;

    if (text == NULL) {
        return NULL;
    }
    if (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) {
        text = strchr(strstr(text, "://") + 3, '/');
    }
    if (text == NULL || *text != '/') {
        return NULL;
    }
    for (; *text != '\0' && *text != '?' && *text != '#'; text++) {
        if (*text == '%' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
            buf_append_char(&path, (char)(hex_digit(text[1]) * 16 + hex_digit(text[2])));
            text += 2;
        } else {
            buf_append_char(&path, *text);
        }
    }
    return buf_take(&path);
}

static int get_again(struct cli *cli, const char *path, struct http_answer *ret_answer)
{
    struct http_call call = {.method = "GET", .path = path, .signed_ = true, .patient = true};

    return http_exchange(cli, &call, ret_answer);
}

/* Asks until the job has ended; the terminal answer. */
static int poll_job(struct cli *cli, const char *path, struct http_answer *ret_answer)
{
    uint64_t wait_ms = POLL_FIRST_MS;

    for (;;) {
        if (get_again(cli, path, ret_answer) != 0) {
            return -1;
        }
        if (!ret_answer->pending) {
            return 0;
        }
        if (ret_answer->status != 200) {
            (void)http_fail(cli, ret_answer);
            http_answer_fini(ret_answer);
            return -1;
        }
        http_answer_fini(ret_answer);
        cli->sleep_ms(cli, wait_ms);
        wait_ms = wait_ms * 2 < POLL_MAX_MS ? wait_ms * 2 : POLL_MAX_MS;
    }
}

static int follow(struct cli *cli, const char *path, json_t **ret_resource)
{
    struct http_answer answer;
    int rc;

    if (get_again(cli, path, &answer) != 0) {
        return -1;
    }
    rc = http_document(cli, &answer, 200, ret_resource);
    http_answer_fini(&answer);
    return rc;
}

static int finish(struct cli *cli, const struct http_answer *end, json_t **ret_resource)
{
    CLEANUP(free_ptr) char *path = location_path(end);

    if (end->status == 204 && ret_resource == NULL) {
        return 0;
    }
    if (end->status == 303 && ret_resource != NULL && path != NULL) {
        return follow(cli, path, ret_resource);
    }
    if (end->status >= 400) {
        return http_fail(cli, end);
    }
    return cli_fail(cli, "unexpected end of the job (status %ld)", end->status);
}

int http_job(struct cli *cli, const char *method, const char *path, const json_t *body, json_t **ret_resource)
{
    return http_job_query(cli, method, path, NULL, body, ret_resource);
}

int http_job_query(struct cli *cli, const char *method, const char *path, const char *query, const json_t *body,
                   json_t **ret_resource)
{
    struct http_call call = {
        .method = method, .path = path, .query = query, .body = body, .signed_ = true, .prefixed = true};
    CLEANUP(free_ptr) char *queue = NULL;
    struct http_answer answer;
    int rc;

    if (http_exchange(cli, &call, &answer) != 0) {
        return -1;
    }
    queue = location_path(&answer);
    if (answer.status != 202) {
        (void)http_fail(cli, &answer);
    } else if (queue == NULL) {
        (void)cli_fail(cli, "the server accepted the request, but did not say where its progress can be seen");
    }
    http_answer_fini(&answer);
    if (cli->error != NULL || poll_job(cli, queue, &answer) != 0) {
        return -1;
    }
    rc = finish(cli, &answer, ret_resource);
    http_answer_fini(&answer);
    return rc;
}

/* The leader's own document, if it can be had; nothing is lost otherwise. */
static json_t *ask_leader(struct cli *cli, const json_t *document)
{
    const char *api = js_str(js_object(document, "leader"), "api");
    bool tls = strncmp(cli->http->servers[cli->http->current], "https://", 8) == 0;
    CLEANUP(free_ptr) char *url = mem_printf("http%s://%s", tls ? "s" : "", api);
    struct http_call call = {.method = "GET", .path = "/cluster/status", .url = url, .timeout_ms = STATUS_TIMEOUT_MS};
    struct http_answer answer;
    json_t *better = NULL;
    bool sent;
    char *problem;

    if (*api == '\0' || js_bool(document, "serving")) {
        return NULL;
    }
    problem = http_once(cli, &call, &answer, &sent);
    if (problem == NULL && answer.status == 200) {
        better = json_loads(buf_str(&answer.body), 0, NULL);
    }
    free(problem);
    http_answer_fini(&answer);
    if (better != NULL &&
        (!js_bool(better, "serving") || strcmp(js_str(better, "cluster_id"), js_str(document, "cluster_id")) != 0)) {
        json_decref(TAKE_PTR(better));
    }
    return better;
}

int http_status(struct cli *cli, json_t **ret_document)
{
    struct http_call call = {
        .method = "GET", .path = "/cluster/status", .prefixed = true, .timeout_ms = STATUS_TIMEOUT_MS};
    struct http_answer answer;
    json_t *better;
    int rc;

    if (http_exchange(cli, &call, &answer) != 0) {
        return -1;
    }
    rc = http_document(cli, &answer, 200, ret_document);
    http_answer_fini(&answer);
    if (rc != 0) {
        return -1;
    }
    better = ask_leader(cli, *ret_document);
    if (better != NULL) {
        json_decref(*ret_document);
        *ret_document = better;
    }
    return 0;
}

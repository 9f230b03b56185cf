/* One request: which server, with which retries.
 *
 * What is tried again, and why that is safe:
 *   - on the next server: whatever certainly did not reach the one before (refused connection, unknown name);
 *   - a lost answer, or a 503 or 502 with a JSON reason (only Hecate sends those): GET; a change of which the reason
 * says that nothing was changed; and a change that carries an Idempotency-Key, which Hecate does once however often it
 * is asked. A lost answer counts only with several servers, since only then is the server known to be Hecate. Deleting
 * a cluster has no key there and is never repeated in doubt;
 *   - 429 as the original client does: up to 7 attempts, 10 to 29 s apart (or Retry-After and 0 to 9 s).
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/http_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define UNAVAILABLE_TRIES 8
#define UNAVAILABLE_WAIT_MS 1000
#define LONG_TRIES_MS 300000 /* what takes longer than that is not begun again */
#define BUSY_TRIES 7
#define BUSY_WAIT_S 10
#define BUSY_SPREAD_S 20
#define BUSY_SPREAD_AFTER_S 10
#define RETRY_AFTER_MAX_S 3600

void http_answer_fini(struct http_answer *answer)
{
    buf_fini(&answer->body);
    free(TAKE_PTR(answer->location));
}

static bool is_get(const char *method)
{
    return strcmp(method, "GET") == 0;
}

/* Hecate carries it out once for one key. */
static bool is_keyed(const struct http_call *call)
{
    return !is_get(call->method) &&
           !(strcmp(call->method, "DELETE") == 0 && strncmp(call->path, "/clusters/", 10) == 0);
}

/* Hecate says that it cannot serve now: {"error", "reason"} with 502 or 503. */
static bool is_unavailable(const struct http_answer *answer, bool *ret_unchanged)
{
    json_t *document = NULL;
    bool ours = false;

    if ((answer->status == 503 || answer->status == 502) && answer->json) {
        document = json_loads(buf_str(&answer->body), 0, NULL);
        ours = *js_str(document, "error") != '\0';
        *ret_unchanged = strstr(js_str(document, "reason"), "nothing was changed") != NULL;
        json_decref(document);
    }
    return ours;
}

static uint64_t below(struct cli *cli, uint64_t limit)
{
    return cli->random(cli) % limit;
}

static uint64_t busy_wait_ms(struct cli *cli, const struct http_answer *answer)
{
    uint64_t seconds;

    if (answer->retry_after_s >= 0) {
        seconds = (uint64_t)answer->retry_after_s + below(cli, BUSY_SPREAD_AFTER_S);
    } else {
        seconds = BUSY_WAIT_S + below(cli, BUSY_SPREAD_S);
    }
    return (seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : seconds) * 1000;
}

/* The n-th wait for a server that is not available now. */
static uint64_t unavailable_wait_ms(unsigned n)
{
    return n < 3 ? 100U << n : UNAVAILABLE_WAIT_MS;
}

static int fail_unreachable(struct cli *cli, const struct http *http, const char *problem)
{
    return http->n_servers > 1 ? cli_fail(cli, "no server answers; the last one: %s", problem)
                               : cli_fail(cli, "%s", problem);
}

/* No answer came. Returns whether to ask again, after moving on to the next server. */
static bool may_retry_unanswered(struct cli *cli, const struct http_call *call, bool sent, unsigned *failures)
{
    struct http *http = cli->http;
    unsigned rounds = call->patient ? UNAVAILABLE_TRIES : http->n_servers > 1 ? 3 : 1;

    if (sent && !is_get(call->method) && !(http->n_servers > 1 && is_keyed(call))) {
        return false;
    }
    http->current = (http->current + 1) % http->n_servers;
    if (++*failures >= rounds * http->n_servers) {
        return false;
    }
    if (*failures % http->n_servers == 0) {
        cli->sleep_ms(cli, unavailable_wait_ms((unsigned)(*failures / http->n_servers)));
    }
    return true;
}

int http_exchange(struct cli *cli, struct http_call *call, struct http_answer *ret_answer)
{
    unsigned failures = 0, unavailable = 0, busy = 0;
    uint64_t begun_ms = http_now_ms();

    if (http_open(cli) != 0 || http_check_servers(cli, call->path) != 0) {
        return -1;
    }
    http_make_key(cli, call);
    for (;;) {
        bool sent, unchanged = false;
        char *problem = http_once(cli, call, ret_answer, &sent);

        if (problem != NULL) {
            if (ret_answer->final) {
                (void)cli_fail(cli, "%s", problem);
                free(problem);
                return -1;
            }
            if (!may_retry_unanswered(cli, call, sent, &failures)) {
                (void)fail_unreachable(cli, cli->http, problem);
                free(problem);
                return -1;
            }
            free(problem);
        } else if (ret_answer->status == 429 && !call->patient && ++busy < BUSY_TRIES) {
            cli->sleep_ms(cli, busy_wait_ms(cli, ret_answer));
        } else if (is_unavailable(ret_answer, &unchanged) && (is_get(call->method) || unchanged || is_keyed(call)) &&
                   ++unavailable < UNAVAILABLE_TRIES && http_now_ms() - begun_ms < LONG_TRIES_MS) {
            cli->http->current = (cli->http->current + 1) % cli->http->n_servers;
            cli->sleep_ms(cli, unavailable_wait_ms(unavailable));
        } else {
            return 0;
        }
        http_answer_fini(ret_answer);
    }
}

int http_request(struct cli *cli, const char *method, const char *path, const json_t *body,
                 struct http_answer *ret_answer)
{
    struct http_call call = {.method = method, .path = path, .body = body, .signed_ = true, .prefixed = true};

    return http_exchange(cli, &call, ret_answer);
}

int http_long(struct cli *cli, const char *method, const char *path, const json_t *body, struct http_sink *sink,
              struct http_answer *ret_answer)
{
    struct http_call call = {
        .method = method, .path = path, .body = body, .signed_ = true, .prefixed = true, .long_ = true, .sink = sink};

    return http_exchange(cli, &call, ret_answer);
}

int http_fail(struct cli *cli, const struct http_answer *answer)
{
    const char *text = buf_str(&answer->body);
    size_t start = strspn(text, " \t\r\n");
    size_t len = strlen(text);
    json_t *document = NULL;

    if (answer->json && answer->status >= 400) {
        document = json_loads(text, 0, NULL);
    }
    if (*js_str(document, "error") != '\0') {
        (void)cli_fail(cli, "%s: %s", js_str(document, "error"), js_str(document, "reason"));
    } else {
        while (len > start && strchr(" \t\r\n", text[len - 1]) != NULL) {
            len--;
        }
        if (len > start) {
            (void)cli_fail(cli, "%.*s", (int)(len - start), text + start);
        } else {
            (void)cli_fail(cli, "server did not provide a message (status %ld)", answer->status);
        }
    }
    json_decref(document);
    return -1;
}

int http_expect(struct cli *cli, const char *method, const char *path, const json_t *body, long status,
                struct http_answer *ret_answer)
{
    if (http_request(cli, method, path, body, ret_answer) != 0) {
        return -1;
    }
    if (ret_answer->status != status) {
        (void)http_fail(cli, ret_answer);
        http_answer_fini(ret_answer);
        return -1;
    }
    return 0;
}

int http_document(struct cli *cli, const struct http_answer *answer, long status, json_t **ret_document)
{
    json_error_t error;

    if (answer->status != status) {
        return http_fail(cli, answer);
    }
    *ret_document = json_loadb(buf_str(&answer->body), answer->body.len, JSON_ALLOW_NUL, &error);
    if (*ret_document == NULL) {
        return cli_fail(cli, "the server's answer is not JSON: %s", error.text);
    }
    return 0;
}

static int ask_document(struct cli *cli, const char *method, const char *path, const json_t *body, long status,
                        json_t **ret_document)
{
    struct http_answer answer;
    int rc;

    if (http_request(cli, method, path, body, &answer) != 0) {
        return -1;
    }
    rc = http_document(cli, &answer, status, ret_document);
    http_answer_fini(&answer);
    return rc;
}

int http_make(struct cli *cli, const char *path, const json_t *body, json_t **ret_object)
{
    return ask_document(cli, "POST", path, body, 201, ret_object);
}

int http_ask(struct cli *cli, const char *path, const char *query, const json_t *body, json_t **ret_document)
{
    struct http_call call = {
        .method = "POST", .path = path, .query = query, .body = body, .signed_ = true, .prefixed = true};
    struct http_answer answer;
    int rc;

    if (http_exchange(cli, &call, &answer) != 0) {
        return -1;
    }
    rc = http_document(cli, &answer, 200, ret_document);
    http_answer_fini(&answer);
    return rc;
}

int http_get(struct cli *cli, const char *path, json_t **ret_document)
{
    return ask_document(cli, "GET", path, NULL, 200, ret_document);
}

int http_get_id(struct cli *cli, const char *prefix, const char *id, json_t **ret_document)
{
    CLEANUP(free_ptr) char *path = mem_printf("%s%s", prefix, id);

    return http_get(cli, path, ret_document);
}

int http_find_id(struct cli *cli, const char *prefix, const char *id, json_t **ret_document)
{
    CLEANUP(free_ptr) char *path = mem_printf("%s%s", prefix, id);
    struct http_answer answer;
    int rc = 0;

    *ret_document = NULL;
    if (http_request(cli, "GET", path, NULL, &answer) != 0) {
        return -1;
    }
    if (answer.status != 404) {
        rc = http_document(cli, &answer, 200, ret_document);
    }
    http_answer_fini(&answer);
    return rc;
}
